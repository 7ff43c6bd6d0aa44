"""Text or `Decimal` to a scaled integer, and back, exactly.

The engine knows integers only: an amount in its asset's smallest unit, a value in micro-dollars, a price at its listing's
scale, a rate in parts per million. This file is the border to what people write. It never rounds and never takes a
float: `0.1 + 0.2` is not 0.3, and money that is off by a bit stays off for ever.
"""

import re
from decimal import Decimal
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
_RATE_SUFFIX: Final = {"%": 4, "bps": 2, "ppm": 0}


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
