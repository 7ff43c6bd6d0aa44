"""Text or `Decimal` to a scaled integer, and back, exactly.

The engine knows integers only: an amount in its asset's smallest unit, a value in micro-dollars, a price at its listing's
scale, a rate in parts per million. This file is the border to what people write. It never rounds and never takes a
float: `0.1 + 0.2` is not 0.3, and money that is off by a bit stays off for ever.
"""

import re
from decimal import Context, Decimal
from typing import Final

from novate.errors import UnitError

MICRO: Final = 6
"""Decimals of a value in micro-dollars, of a demo price (`price_e6`) and of a rate in parts per million."""

MAX_DECIMALS: Final = 9
"""Most decimals an amount or a price may have in the engine."""

_I64_MIN: Final = -(2**63)
_I64_MAX: Final = 2**63 - 1
_PLAIN: Final = re.compile(r"[+-]?(\d+(_\d+)*)?(\.\d+)?", re.ASCII)
_LONGEST_TEXT: Final = 64
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_RATE_SUFFIX: Final = {"%": 4, "bps": 2, "ppm": 0}
_DURATION_NS: Final = {
    "ns": 1, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9,
}  # fmt: skip
_LARGE: Final = {"M": 10**6, "bn": 10**9}
_WIDE: Final = Context(prec=2 * _LONGEST_TEXT)  # a product of text never rounds


def scaled(value: str | Decimal | int, decimals: int, name: str = "value") -> int:
    """Return `value` x 10^`decimals` as an integer that fits 64 bits, exactly.

    Args:
        value: digits with an optional sign and point ("1_000.25"), a finite Decimal, or an int (whole units).
        decimals: how many decimals the result carries, 0 to 9.
        name: what the value is, for the message of an error.

    Raises:
        UnitError: a float, NaN, infinity, text that is not a plain number, more decimals than the scale has, or a result
            beyond 64 bits. Nothing is rounded.
    """
    _check_decimals(decimals)
    sign, digits, exponent = _exact(value, name).as_tuple()
    if not isinstance(exponent, int):
        raise UnitError(f"{name} must be a finite number, got {value}")
    if len(digits) > _LONGEST_TEXT:
        raise UnitError(f"{name} does not fit 64 bits")
    units = _shifted(int("".join(map(str, digits))), exponent + decimals)
    if units is None:
        raise UnitError(f"{name} has more than {decimals} decimals: {value}")
    units = -units if sign else units
    if not _I64_MIN <= units <= _I64_MAX:
        raise UnitError(f"{name} does not fit 64 bits")
    return units


def decimal(units: int, decimals: int) -> Decimal:
    """Return `units` / 10^`decimals` as an exact Decimal; the inverse of `scaled`."""
    _check_decimals(decimals)
    digits = tuple(int(digit) for digit in str(abs(_whole(units))))
    return Decimal((int(units < 0), digits, -decimals))


def text(units: int, decimals: int, *, places: int | None = None) -> str:
    """Return `units` / 10^`decimals` as plain text with every decimal, for example `text(-1_500_000, 6) == "-1.500000"`.

    `places` shows fewer decimals where the rest are zeros, and refuses (UnitError) to hide a digit that is not.
    """
    number = decimal(units, decimals)
    if places is None or places >= decimals:
        return f"{number:f}"
    hidden = 10 ** (decimals - places)
    if units % hidden:
        raise UnitError(f"{number:f} has more than {places} decimals")
    return f"{decimal(units // hidden, places):f}"


def micro_usd(value: str | Decimal | int, name: str = "value") -> int:
    """Return dollars as micro-dollars: `micro_usd("12.5") == 12_500_000`."""
    return scaled(value, MICRO, name)


def price_e6(value: str | Decimal | int, name: str = "price") -> int:
    """Return a price in dollars at scale 1e-6; a price is above zero."""
    price = scaled(value, MICRO, name)
    if price <= 0:
        raise UnitError(f"{name} must be above zero, got {value}")
    return price


def rate_ppm(value: str | Decimal | int, name: str = "rate") -> int:
    """Return a rate in parts per million; text may say its unit: "1.5 %", "3.5 bps", "250 ppm", or a plain part of one."""
    if isinstance(value, str):
        for suffix, decimals in _RATE_SUFFIX.items():
            if value.rstrip().endswith(suffix):
                return scaled(value.rstrip().removesuffix(suffix), decimals, name)
    return scaled(value, MICRO, name)


def duration_ns(value: str, name: str = "duration") -> int:
    """Return a duration in nanoseconds; text says its unit, ns, ms, s, min, h or d: "30 s", "1.5 h", "4 d"."""
    number, unit = words if len(words := _words(value)) == 2 else ("", "")
    if unit not in _DURATION_NS:
        raise UnitError(
            f'{name} must be a number and one of {", ".join(_DURATION_NS)}, such as "30 s", got {value!r}'
        )
    return scaled(_WIDE.multiply(_exact(number, name), _DURATION_NS[unit]), 0, name)


def quantity(value: str, unit: str, name: str = "quantity") -> Decimal:
    """Return a quantity with its unit as an exact Decimal of whole units: `quantity("1.5 M USD", "USD") == 1_500_000`.

    Thousands may be grouped with commas, and M (million) or bn (billion) may stand before the unit.
    """
    parts = _words(value)
    large = _LARGE.get(parts[1], 0) if len(parts) == 3 else 1
    if len(parts) not in (2, 3) or parts[-1] != unit or not large:
        raise UnitError(
            f'{name} must be a number and {unit}, such as "100,000 {unit}" or "2 M {unit}", got {value!r}'
        )
    number = parts[0].replace(",", "") if _GROUPED.fullmatch(parts[0]) else parts[0]
    return _WIDE.multiply(_exact(number, name), large)


def _words(value: object) -> list[str]:
    return value.split() if isinstance(value, str) else []


def _exact(value: object, name: str) -> Decimal:
    """The exact Decimal of what a caller gave, or a UnitError that says what to give instead."""
    if isinstance(value, bool) or not isinstance(value, str | Decimal | int):
        hint = f'; write it as text, "{value}", or a Decimal' if isinstance(value, float) else ""
        raise UnitError(f"{name} must be text, Decimal or int, not {type(value).__name__}{hint}")
    if isinstance(value, str):
        plain = value.strip()
        if len(plain) > _LONGEST_TEXT or not any(map(str.isdigit, plain)) or not _PLAIN.fullmatch(plain):
            raise UnitError(f"{name} must be a plain number such as 1234.56, got {plain[:_LONGEST_TEXT]!r}")
        return Decimal(plain)
    return Decimal(value)


def _shifted(digits: int, shift: int) -> int | None:
    """`digits` x 10^`shift`, or None where that is not whole. A shift too far to fit 64 bits stops just beyond them."""
    if shift >= 0:
        return digits * _pow10(min(shift, 20))
    if digits == 0:
        return 0
    if -shift > _LONGEST_TEXT or digits % _pow10(-shift):
        return None
    return digits // _pow10(-shift)


def _pow10(exponent: int) -> int:
    return int(10**exponent)


def _whole(units: object) -> int:
    if isinstance(units, bool) or not isinstance(units, int):
        raise UnitError(f"units must be an int, not {type(units).__name__}")
    return units


def _check_decimals(decimals: object) -> None:
    if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= MAX_DECIMALS:
        raise UnitError(f"decimals must be 0 to {MAX_DECIMALS}, got {decimals!r}")
