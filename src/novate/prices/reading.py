"""Numbers, times and JSON as they are written: exact decimals, nanoseconds, never a float.

Responsible for: refusing what is no number (NaN, infinity, hundreds of digits) before anything computes with it. Never: rounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import msgspec

from novate.calendar import SECOND_NS, to_ns
from novate.prices.observation import Frame

TimeUnit = Literal["ns", "us", "ms", "s", "rfc3339"]

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_SHIFT: Final = {"ns": 0, "us": 3, "ms": 6, "s": 9}
_MOST_DIGITS: Final = 38
_MOST_EXPONENT: Final = 30
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-]\d\d:\d\d))", re.ASCII
)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


class Unreadable(ValueError):
    """A frame, or a field of it, is not what the format says."""


def read_json(frame: Frame) -> Any:
    """The frame with every number as int or Decimal, from its own digits. Raises Unreadable."""
    try:
        return _DECODER.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError, InvalidOperation) as error:
        raise Unreadable("not JSON") from error


def messages(frame: Frame) -> list[Any]:
    """The messages of a frame: those of an array, or the one there is. Raises Unreadable."""
    read = read_json(frame)
    return read if isinstance(read, list) else [read]


def number(value: object) -> Decimal:
    """A number that was written as one, or as text. Raises Unreadable for anything else, NaN and infinity included."""
    if isinstance(value, str):
        if len(value) > _MOST_DIGITS + 10 or not _NUMBER.fullmatch(value):
            raise Unreadable("not a number")
        value = Decimal(value)
    if isinstance(value, float):  # a binary encoding: the shortest text that reads back as the same float
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unreadable("not a number")
    found = Decimal(value)
    _, digits, exponent = found.as_tuple()
    if not isinstance(exponent, int) or len(digits) > _MOST_DIGITS or abs(exponent) > _MOST_EXPONENT:
        raise Unreadable("not a number of this world")
    return found


def optional_number(value: object) -> Decimal | None:
    """The same for what may be missing."""
    return None if value is None else number(value)


def moment_ns(value: object, unit: TimeUnit) -> int:
    """A time in UTC nanoseconds, exactly; digits beyond the nanosecond are cut. Raises Unreadable."""
    if unit == "rfc3339":
        return _from_text(value)
    stated = number(value).scaleb(_SHIFT[unit])
    if not 0 < stated < 2**63:
        raise Unreadable("not a time")
    return int(stated)


def _from_text(value: object) -> int:
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unreadable("not a time")
    day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone or '+00:00'}").astimezone(UTC)
    except ValueError as error:
        raise Unreadable("not a time") from error
    ns = to_ns(moment)
    if ns % SECOND_NS:
        raise Unreadable("not a time")
    return ns + int((fraction or "0").ljust(9, "0"))


def text(value: object) -> str:
    """A text. Raises Unreadable."""
    if not isinstance(value, str) or not value:
        raise Unreadable("not a text")
    return value


def field(message: object, path: str) -> Any:
    """What stands at a path of names and places, "data.0.price"; None where there is nothing. An empty path is the message."""
    at: Any = message
    for step in path.split(".") if path else ():
        if isinstance(at, Mapping):
            at = at.get(step)
        elif isinstance(at, Sequence) and not isinstance(at, str) and step.lstrip("-").isdigit():
            place = int(step)
            at = at[place] if -len(at) <= place < len(at) else None
        else:
            return None
    return at
