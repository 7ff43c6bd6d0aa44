"""Quantities as people and programs outside write them: plain decimal text, exactly, both ways.

Responsible for: one scale (so many units of the engine to one of what people count in), text to units and back. Never rounds what came in,
never takes a float: a number that lies between two units is an error that says what the steps are.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from novate.errors import UnitError

_PLAIN: Final = re.compile(r"(-?)(\d{1,24})(?:\.(\d{1,24}))?", re.ASCII)
_MOST_DECIMALS: Final = 18
_I64: Final = range(-(2**63), 2**63)


class Scale:
    """How one unit of the engine reads outside: `step` of it, exactly.

    Where a step has no finite decimals (a tick after a split of 1 to 3), text has 18 of them, rounded to the nearest, and is read back
    to the unit that it stands for.
    """

    __slots__ = ("_decimals", "_multiple", "_of", "_one", "_step", "_whole", "step")

    def __init__(self, step: Fraction | int) -> None:
        self.step = Fraction(step)
        """What one unit is."""
        self._decimals = _decimals_of(self.step)
        self._multiple = self.step * 10**self._decimals
        self._whole = self._multiple.numerator if self._multiple.denominator == 1 else 0
        self._step, self._of = self.step.numerator, self.step.denominator
        self._one = 10**self._decimals

    def decimal(self) -> tuple[int, int]:
        """(a, b) where one unit is a times 10^-b, exactly; (0, 0) where none is."""
        return (self._whole, self._decimals) if 0 < self._whole < 2**63 else (0, 0)

    def text(self, units: int) -> str:
        """`units` as plain decimal text without zeros at its end: `"101.5"`."""
        number = units * self._whole if self._whole else round(units * self._multiple)
        whole, part = divmod(number, self._one)
        return decimal_text(number, self._decimals) if part else str(whole)

    def units(self, text: str, name: str = "value") -> int:
        """The units that `text` stands for. Raises UnitError: no plain number, between two units, beyond 64 bits; names `name`."""
        found = _PLAIN.fullmatch(text)
        if found is None:
            raise UnitError(f'{name} must be a plain decimal number such as "12.5", got {text[:40]!r}.')
        sign, whole, part = found.groups("")
        units, rest = divmod(int(sign + whole + part) * self._of, self._step * 10 ** len(part))
        if rest and not self._whole:
            units = round(Fraction(text) / self.step)
            rest = self.text(units) != text
        if rest:
            raise UnitError(f"{name} must be a multiple of {decimal_text(*self._shown())}, got {text}.")
        if units not in _I64:
            raise UnitError(f"{name} does not fit 64 bits: {text}.")
        return int(units)

    def _shown(self) -> tuple[int, int]:
        return round(self._multiple), self._decimals


def decimal_text(number: int, decimals: int) -> str:
    """`number` x 10^-`decimals` as plain text without zeros at its end."""
    if decimals == 0:
        return str(number)
    digits = str(abs(number)).rjust(decimals + 1, "0")
    part = digits[-decimals:].rstrip("0")
    shown = f"{digits[:-decimals]}.{part}" if part else digits[:-decimals]
    return f"-{shown}" if number < 0 else shown


def _decimals_of(step: Fraction) -> int:
    """The fewest decimals that write the step exactly; 18 where none do."""
    for decimals in range(_MOST_DECIMALS + 1):
        if (step * 10**decimals).denominator == 1:
            return decimals
    return _MOST_DECIMALS


WHOLE: Final = Scale(1)
DOLLARS: Final = Scale(Fraction(1, 10**6))
"""Micro-dollars."""
SHARES: Final = Scale(Fraction(1, 10**9))
"""1e-9 shares."""
