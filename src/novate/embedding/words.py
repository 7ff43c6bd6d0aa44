"""Events and states as frames that people read: names instead of ids, dollars, shares and times instead of integers.

Responsible for: one row per event, its fields in the units that the messages state. Never drops an event and never sums one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, overload

import pandas as pd

from novate.calendar import NEW_YORK
from novate.embedding.columns import plain
from novate.embedding.instruments import SHARE, Instruments, lot_of
from novate.errors import DataError
from novate.messages import CommandRefused, Event, EventMessage
from novate.messages import explain as in_words
from novate.messages.fields import CODES
from novate.messages.layout import LAYOUTS, Field
from novate.messages.reports.portfolios import MarketName

_LONGEST: Final = 12
"""Rows that a notebook's cell shows before it says how many more there are."""


def moment(time_ns: int) -> pd.Timestamp:
    """A time of the engine in New York."""
    return pd.Timestamp(time_ns, unit="ns", tz="UTC").tz_convert(str(NEW_YORK))


def to_ns(time: Any) -> int:
    """A time as nanoseconds UTC; text and times without a zone are New York's. Raises DataError where it is no time."""
    try:
        stamped = pd.Timestamp(time)
    except ValueError as error:
        raise DataError(f"time = {time!r} is no time: {error}.", value=str(time)) from None
    if stamped.tzinfo is None:
        stamped = stamped.tz_localize(str(NEW_YORK))
    return int(stamped.as_unit("ns").value)


def camel(name: str) -> str:
    """A class name as words: `OrderFilled` is "order filled"."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


@dataclass(frozen=True)
class Events(Sequence[EventMessage]):
    """What happened, in order: a sequence of messages that shows itself as a table."""

    messages: tuple[EventMessage, ...]
    instruments: Instruments = field(repr=False)

    @overload
    def __getitem__(self, at: int) -> EventMessage: ...
    @overload
    def __getitem__(self, at: slice) -> Events: ...
    def __getitem__(self, at: int | slice) -> EventMessage | Events:
        return Events(self.messages[at], self.instruments) if isinstance(at, slice) else self.messages[at]

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[EventMessage]:
        return iter(self.messages)

    def of(self, *kinds: type[Event], account: int | None = None) -> Events:
        """Only events of these types (all, when none is named), and only those of one account."""
        chosen = (
            event
            for event in self.messages
            if (not kinds or isinstance(event.body, kinds)) and account in (None, event.header.account)
        )
        return Events(tuple(chosen), self.instruments)

    def frame(self) -> pd.DataFrame:
        """One row per event: `time` (New York), `account` (0: the venue), `event` and `details` in words."""
        rows = [
            (
                moment(event.header.time_ns),
                event.header.account,
                camel(type(event.body).__name__),
                details(event.body, self.instruments),
            )
            for event in self.messages
        ]
        return pd.DataFrame(rows, columns=["time", "account", "event", "details"])

    def __str__(self) -> str:
        if not self.messages:
            return "no events"
        lines = [
            f"{moment(e.header.time_ns):%a %H:%M:%S}  {e.header.account:>4}  {camel(type(e.body).__name__)}: "
            f"{details(e.body, self.instruments)}"
            for e in self.messages[:_LONGEST]
        ]
        more = len(self.messages) - _LONGEST
        return "\n".join([*lines, f"and {more:,} more"] if more > 0 else lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        more = len(self.messages) - _LONGEST
        below = f"<p>and {more:,} more</p>" if more > 0 else ""
        return str(self[:_LONGEST].frame().to_html(index=False)) + below


def details(body: Event, instruments: Instruments) -> str:
    """The fields of an event in words, those that say nothing left out."""
    if isinstance(body, CommandRefused):
        return in_words(body)
    said = []
    for one in LAYOUTS[type(body)].fields:
        value = getattr(body, one.attribute)
        if one.name.startswith("reserved") or (value in (0, b"", "", ()) and one.unit not in CODES):
            continue
        if isinstance(value, bytes):
            continue
        said.append(f"{one.name} {_written(value, one, body, instruments)}")
    return ", ".join(said)


def _written(value: Any, one: Field, body: Event, names: Instruments) -> str:
    if one.unit in CODES:
        return (CODES[one.unit](value).name or "none").lower().replace("_", " ")
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    named = _NAMES.get(one.name)
    if named is not None and one.unit == "id":
        return named(value, names)
    write = _UNITS.get(one.unit)
    return write(value, body, names) if write else str(value)


def _market_of(body: Event, names: Instruments) -> MarketName | None:
    number = getattr(body, "market", 0)
    return next((line for line in names.listed.markets if line.market == number), None)


def _of(number: int, kind: str, names: Instruments) -> str:
    lines: Sequence[Any] = getattr(names.listed, f"{kind}s")
    return next((line.name for line in lines if getattr(line, kind) == number), str(number))


_NAMES: Final[dict[str, Callable[[int, Instruments], str]]] = {
    "market": lambda number, names: _of(number, "market", names),
    "pair_market": lambda number, names: _of(number, "market", names),
    "asset": lambda number, names: _of(number, "asset", names),
    "token": lambda number, names: _of(number, "asset", names),
    "underlying": lambda number, names: _of(number, "underlying", names),
}


def lots_in(market: MarketName, names: Instruments) -> Fraction:
    """Shares (perp) or tokens (spot) of one lot."""
    if market.perp:
        return lot_of(market)
    base = next(line for line in names.listed.assets if line.asset == market.base)
    return Fraction(market.lot_size, 10**base.decimals)


def tick_of(market: MarketName, names: Instruments) -> Fraction:
    """Dollars of one tick."""
    terms = names.underlyings[names.underlying_of(market.underlying)]
    split = Fraction(*market.split) if market.perp else Fraction(1)
    return Fraction(market.tick_size, 10**terms.decimals) / split


def _lots(value: int, body: Event, names: Instruments) -> str:
    market = _market_of(body, names)
    return plain(value * lots_in(market, names)) if market else f"{value:,} lots"


def _ticks(value: int, body: Event, names: Instruments) -> str:
    market = _market_of(body, names)
    return f"${float(value * tick_of(market, names)):,.2f}" if market else f"{value:,} ticks"


def _price(value: int, body: Event, names: Instruments) -> str:
    number = getattr(body, "underlying", 0)
    market = _market_of(body, names)
    number = number or (market.underlying if market else 0)
    line = next((line for line in names.listed.underlyings if line.underlying == number), None)
    return f"${value / 10**line.decimals:,.2f}" if line else f"{value:,}"


def _quote(value: int, body: Event, names: Instruments) -> str:
    market = _market_of(body, names)
    coin = next((line for line in names.listed.assets if market and line.asset == market.quote), None)
    return f"{value / 10**coin.decimals:,.2f} {coin.name}" if coin else f"{value:,}"


def _amount(value: int, body: Event, names: Instruments) -> str:
    number = getattr(body, "asset", 0) or getattr(body, "token", 0)
    line = next((line for line in names.listed.assets if line.asset == number), None)
    return plain(Fraction(value, 10**line.decimals)) if line else f"{value:,}"


_UNITS: Final[dict[str, Callable[[int, Event, Instruments], str]]] = {
    "lots": _lots,
    "ticks": _ticks,
    "price at the listing's scale": _price,
    "quote units": _quote,
    "smallest unit of the asset": _amount,
    "micro-dollars": lambda value, *_: f"{'-' if value < 0 else ''}${abs(value) / 1e6:,.2f}",
    "ppm": lambda value, *_: f"{value / 10_000:g} %",
    "1e-9": lambda value, *_: f"{value / 1e9:g}",
    "1e-9 shares": lambda value, *_: plain(Fraction(value, SHARE)),
    "ns": lambda value, *_: f"{value / 1e9:g} s",
    "ns since 1970 UTC": lambda value, *_: f"{moment(value):%Y-%m-%d %H:%M:%S}",
}
