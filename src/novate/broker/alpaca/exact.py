"""Alpaca's numbers, times and ids, exactly: text to integers and back, never a float.

Responsible for: reading JSON with every number from its own digits, the units of the port, and which order of the venue's a message is about.
Never: rounds what the broker says: a digit that has no place is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from novate import units
from novate.calendar import to_ns
from novate.errors import DataError, UnitError
from novate.messages.codes import Side

Json = Mapping[str, Any]

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ORDER: Final = re.compile(r"([A-Za-z0-9-]{1,20})(\.\d{1,6})?")
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)
_SIDES: Final = {"buy": Side.BID, "sell": Side.ASK, "sell_short": Side.ASK}
_NANO: Final = 9
_CENT: Final = Decimal("0.01")
_HUNDREDTH_OF_A_CENT: Final = Decimal("0.0001")


def read_json(said: bytes | str) -> Any:
    """JSON with every number as int or Decimal. Raises DataError."""
    try:
        return _DECODER.decode(said)
    except (msgspec.DecodeError, UnicodeError, RecursionError, InvalidOperation) as error:
        raise DataError(f"Alpaca said what is not JSON: {error}") from None


def nano(value: object, name: str) -> int:
    """Shares, or dollars a share, in 1e-9. Raises DataError."""
    return _scaled(value, _NANO, name)


def micro(value: object, name: str) -> int:
    """Dollars in 1e-6; 0 where the broker says nothing. Raises DataError."""
    return 0 if value is None or value == "" else _scaled(value, units.MICRO, name)


def micro_floor(value: object, name: str) -> int:
    """A balance in 1e-6 dollars, of which the broker keeps more decimals than it can pay: down. Raises DataError."""
    try:
        return int((_plain(value, name) * 10**units.MICRO).to_integral_value(ROUND_FLOOR))
    except InvalidOperation:
        raise DataError(f"Alpaca's {name} is no amount: {value!r}", field=name) from None


def text_of(amount: int, decimals: int = _NANO) -> str:
    """Units as the shortest plain text: what the API takes for a number."""
    said = units.text(amount, decimals)
    return said.rstrip("0").rstrip(".") if "." in said else said


def limit_text(limit: int, side: Side) -> str:
    """A limit at the increments a US stock has, a cent from a dollar on and a hundredth of one below, never worse than asked."""
    price = units.decimal(limit, _NANO)
    step = _CENT if price >= 1 else _HUNDREDTH_OF_A_CENT
    rounded = price.quantize(step, ROUND_FLOOR if side == Side.BID else ROUND_CEILING)
    return f"{rounded.normalize():f}"


def cents_text(dollars: int) -> str:
    """Micro-dollars as dollars and whole cents, down: a notional has no smaller part."""
    return text_of(dollars // 10_000, 2)


def moment_ns(value: object, name: str) -> int:
    """A time in UTC nanoseconds; digits beyond the nanosecond are cut. Raises DataError."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise DataError(f"Alpaca's {name} is no time: {value!r}", field=name)
    day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}").astimezone(UTC)
    except ValueError:
        raise DataError(f"Alpaca's {name} is no time: {value!r}", field=name) from None
    return to_ns(moment) + int((fraction or "0").ljust(_NANO, "0"))


def moment_text(time_ns: int) -> str:
    """A time as the API takes it."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def day_of(value: object, name: str) -> date:
    """A day. Raises DataError."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise DataError(f"Alpaca's {name} is no day: {value!r}", field=name) from None


def side_of(value: object) -> Side:
    """Which way. Raises DataError."""
    try:
        return _SIDES[str(value)]
    except KeyError:
        raise DataError(f"Alpaca's side is neither buy nor sell: {value!r}", field="side") from None


def order_of(client_order_id: object) -> str:
    """The venue's own order id: a replacement is the order's id, a point and the attempt. Empty for an order that the venue never sent."""
    found = _ORDER.fullmatch(client_order_id) if isinstance(client_order_id, str) else None
    return found.group(1) if found else ""


def is_replacement(client_order_id: object) -> bool:
    """Whether an order took the place of another of the venue's."""
    found = _ORDER.fullmatch(client_order_id) if isinstance(client_order_id, str) else None
    return bool(found and found.group(2))


def part(message: Json, name: str) -> Json:
    """An object within one. Raises DataError."""
    found = message.get(name)
    if not isinstance(found, Mapping):
        raise DataError(f"Alpaca's message has no {name}", field=name)
    return found


def said(message: Json, name: str) -> str:
    """A text within one. Raises DataError."""
    found = message.get(name)
    if not isinstance(found, str) or not found:
        raise DataError(f"Alpaca's message has no {name}", field=name)
    return found


def _scaled(value: object, decimals: int, name: str) -> int:
    try:
        return units.scaled(_plain(value, name), decimals, name)
    except UnitError as error:
        raise DataError(f"Alpaca's {error.sentence}", field=name) from None


def _plain(value: object, name: str) -> Decimal:
    """What was written as a number or as the text of one. A float is refused: its digits are gone."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise DataError(f"Alpaca's {name} is no number: {value!r}", field=name)
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise DataError(f"Alpaca's {name} is no number: {value!r}", field=name) from None
    if not found.is_finite():
        raise DataError(f"Alpaca's {name} is no number: {value!r}", field=name)
    return found
