"""Tapes: what the primary market showed, in columns, to be played again in order of time.

Responsible for: one symbol's quotes from a recording, from prices with a stated model of spread and size, or from a seed; opening and closing
prints. Never: knows what was taken from the market (`displayed`), a session or an order. A tape is not changed by being played: its reader
keeps the number of the next row.

What a `QuoteTape` says was recorded. What a `PriceTape` says beside its price is modelled: `Depth` has the figures.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from novate.broker.checks import SHARE
from novate.broker.displayed import CENT, Best, Displayed
from novate.calendar import new_york_ns
from novate.errors import ConfigError, DataError
from novate.marketdata import Scenario
from novate.messages.codes import Session

Ints = npt.NDArray[np.int64]

NEVER: Final = 2**63 - 1
_E4: Final = 100_000
_MS: Final = 1_000_000
_PPM: Final = 1_000_000
_MINUTE_NS: Final = 60 * 1_000_000_000
_SPREADS: Final = {"broad_etf": (8, 15), "mega_cap": (30, 50)}
"""Modelled half spread and step between levels by kind of stock, in parts per million; a cent is the least."""
_OTHER_SPREAD: Final = (60, 100)
_CHUNK: Final = 4096
"""Rows made into Python numbers at a time."""
_OPENING, _CLOSING = 0x40, 0x80
_QUOTE_COLUMNS: Final = ("ms", "bid_e4", "bid_size", "ask_e4", "ask_size", "exchange")


class Print(NamedTuple):
    """An auction: everything that it traded went at one price."""

    time_ns: int
    price: int
    shares: int


class Tape(Protocol):
    """One symbol's market in order of time."""

    @property
    def symbol(self) -> str:
        """Whose market it is."""

    @property
    def slots(self) -> int:
        """Slots on each side."""

    @property
    def prints(self) -> Sequence[Print]:
        """Opening and closing auctions, in order of time."""

    def rows(self) -> int:
        """How many rows there are."""

    def time_ns(self, row: int) -> int:
        """When a row was; NEVER behind the last."""

    def play(self, row: int, until_ns: int, shown: Displayed, buys: int, sells: int) -> tuple[int, bool]:
        """Plays rows up to `until_ns`, included; gives the next one's number, and whether an order may trade.

        It ends early where it may: behind the rows of one time that show an ask at `buys` or below, or a bid at `sells` or above. 0 and NEVER
        where none waits.
        """

    def digest(self) -> str:
        """SHA-256 of all of it."""


@dataclass(frozen=True, slots=True, eq=False)
class QuoteTape:
    """Quotes as they were recorded: a row changes one slot of one side.

    Without `best` each change of every slot is told. With it a row is told only where a slot makes the national best: it says where the best is.
    """

    symbol: str
    slots: int
    times: Ints
    slot: npt.NDArray[np.uint8]
    bid: npt.NDArray[np.bool_]
    prices: Ints
    shares: Ints
    prints: Sequence[Print] = ()
    best: Best | None = None

    def rows(self) -> int:
        """How many rows there are."""
        return len(self.times)

    def time_ns(self, row: int) -> int:
        """When a row was; NEVER behind the last."""
        return int(self.times[row]) if row < len(self.times) else NEVER

    def play(self, row: int, until_ns: int, shown: Displayed, buys: int, sells: int) -> tuple[int, bool]:
        """As the protocol says."""
        end, best = int(np.searchsorted(self.times, until_ns, side="right")), self.best
        for first in range(row, end, _CHUNK):
            last = min(first + _CHUNK, end)
            columns = [
                column[first:last].tolist()
                for column in (self.times, self.slot, self.bid, self.prices, self.shares)
            ]
            stop_ns = NEVER
            for at, (now, slot, bid, price, shares) in enumerate(zip(*columns, strict=True), first):
                if now > stop_ns:
                    return at, True
                side = shown.bids if bid else shown.asks
                if best is None:
                    side.quote(slot, price, shares, now)
                else:
                    side.tell_best(slot, price, shares, now, best)
                shown.changed_ns = now
                if shares and (price >= sells if bid else price <= buys):
                    stop_ns = now
            if stop_ns != NEVER:
                return self.play(last, stop_ns, shown, 0, NEVER)[0], True
        return max(end, row), False

    def digest(self) -> str:
        """SHA-256 of all of it."""
        return _digest(
            f"{self.symbol} {self.best}",
            self.prints,
            self.times,
            self.slot,
            self.bid,
            self.prices,
            self.shares,
        )


@dataclass(frozen=True, slots=True)
class Depth:
    """A modelled book around a price; every figure is a model, none was recorded.

    Attributes:
        half_spread_ppm: From the price to the best bid and ask; at least half a cent.
        levels: How many there are on each side.
        step_ppm: From one to the next; at least one cent.
        best: Shares at the best price, each way.
        growth_parts: Size of a level against the one before, in 1000.
    """

    half_spread_ppm: int = 50
    levels: int = 8
    step_ppm: int = 100
    best: int = 500 * SHARE
    growth_parts: int = 1_250

    def __post_init__(self) -> None:
        for name, least in (
            ("half_spread_ppm", 0),
            ("levels", 1),
            ("step_ppm", 1),
            ("best", 1),
            ("growth_parts", 1),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"depth.{name} must be at least {least}, got {getattr(self, name)}")

    def outside(self) -> Depth:
        """The book outside the regular session: four times the spread, a tenth of the size."""
        return replace(self, half_spread_ppm=4 * self.half_spread_ppm, best=max(self.best // 10, 1))

    def sizes(self) -> list[int]:
        """Shares of each level, whole ones, best first."""
        sizes = [self.best]
        while len(sizes) < self.levels:
            sizes.append(sizes[-1] * self.growth_parts // 1000)
        return [max(size // SHARE, 1) * SHARE for size in sizes]

    def offsets(self, price: int) -> list[int]:
        """Distance of each level from the price, before whole cents."""
        first = max(price * self.half_spread_ppm // _PPM, CENT // 2)
        step = max(price * self.step_ppm // _PPM, CENT)
        return [first + at * step for at in range(self.levels)]


@dataclass(frozen=True, slots=True, eq=False)
class PriceTape:
    """Prices with a modelled book around each: a row changes every slot."""

    symbol: str
    times: Ints
    prices: Ints
    """In 1e-9 dollars."""
    depth: Depth
    prints: Sequence[Print] = ()
    outside: npt.NDArray[np.bool_] | None = None
    """Rows outside the regular session, where the book is `Depth.outside`; none where it is left out."""

    @property
    def slots(self) -> int:
        """One a level."""
        return self.depth.levels

    def rows(self) -> int:
        """How many rows there are."""
        return len(self.times)

    def time_ns(self, row: int) -> int:
        """When a row was; NEVER behind the last."""
        return int(self.times[row]) if row < len(self.times) else NEVER

    def play(self, row: int, until_ns: int, shown: Displayed, buys: int, sells: int) -> tuple[int, bool]:
        """As the protocol says. A row replaces the whole market, so where nothing waits only the last one is drawn."""
        end = int(np.searchsorted(self.times, until_ns, side="right"))
        if end <= row:
            return row, False
        first = end - 1 if not buys and sells == NEVER else row
        for at in range(first, end):
            thin = self.outside is not None and bool(self.outside[at])
            depth = self.depth.outside() if thin else self.depth
            draw(depth, int(self.prices[at]), int(self.times[at]), shown)
            if shown.asks.prices[0] <= buys or shown.bids.prices[0] >= sells:
                return at + 1, True
        return end, False

    def digest(self) -> str:
        """SHA-256 of all of it."""
        columns = (
            (self.times, self.prices) if self.outside is None else (self.times, self.prices, self.outside)
        )
        return _digest(f"{self.symbol} {self.depth}", self.prints, *columns)


@dataclass(frozen=True, slots=True, eq=False)
class LoopTape:
    """Prices in steps of one length that begin again when they are over, without end, with a modelled book around each."""

    symbol: str
    start_ns: int
    step_ns: int
    prices: Ints
    depth: Depth
    prints: Sequence[Print] = ()

    @property
    def slots(self) -> int:
        """One a level."""
        return self.depth.levels

    def rows(self) -> int:
        """No end."""
        return NEVER

    def time_ns(self, row: int) -> int:
        """When a row is."""
        return self.start_ns + row * self.step_ns

    def play(self, row: int, until_ns: int, shown: Displayed, buys: int, sells: int) -> tuple[int, bool]:
        """As the protocol says."""
        end = (until_ns - self.start_ns) // self.step_ns + 1
        if end <= row:
            return row, False
        first = end - 1 if not buys and sells == NEVER else row
        for at in range(first, end):
            draw(self.depth, int(self.prices[at % len(self.prices)]), self.time_ns(at), shown)
            if shown.asks.prices[0] <= buys or shown.bids.prices[0] >= sells:
                return at + 1, True
        return end, False

    def digest(self) -> str:
        """SHA-256 of all of it."""
        return _digest(f"{self.symbol} {self.depth} {self.start_ns} {self.step_ns}", self.prints, self.prices)


def draw(depth: Depth, price: int, now_ns: int, shown: Displayed) -> None:
    """Shows a modelled book around a price."""
    sizes = depth.sizes()
    for slot, offset in enumerate(depth.offsets(price)):
        bid = max((price - offset) // CENT * CENT, 0)
        ask = -(-(price + offset) // CENT) * CENT
        shown.bids.quote(slot, bid, sizes[slot] if bid else 0, now_ns)
        shown.asks.quote(slot, ask, sizes[slot], now_ns)
    shown.changed_ns = now_ns


def recorded_quotes(
    symbol: str, day: date, quotes: Path, trades: Path | None = None, *, best: Best | None = None
) -> QuoteTape:
    """A tape of the national best of one day, as `orderflow/bac_2013-10-10_quotes.parquet` has it.

    A row may hold a bid, an ask or both, of one exchange; 0 means not in the row. It is there where that exchange makes the national best:
    who leaves it goes without a word (`Best` says what then counts). Prints are the largest opening and closing print of the trades.

    Raises:
        DataError: a file that is missing or holds a negative number or times that fall.
    """
    best = best or Best()
    midnight = new_york_ns(day, time())
    columns = _columns(quotes, _QUOTE_COLUMNS)
    names, slot = np.unique(columns["exchange"], return_inverse=True)
    sides = []
    for price, size, bid in (("bid_e4", "bid_size", True), ("ask_e4", "ask_size", False)):
        picked = np.flatnonzero(columns[price] > 0)
        sides.append((picked, columns[price][picked], columns[size][picked], np.full(len(picked), bid)))
    row = np.concatenate([side[0] for side in sides])
    order = np.argsort(row, kind="stable")
    row = row[order]
    return QuoteTape(
        symbol=symbol,
        slots=len(names) + best.behind,
        times=midnight + columns["ms"][row] * _MS,
        slot=slot[row].astype(np.uint8),
        bid=np.concatenate([side[3] for side in sides])[order],
        prices=np.concatenate([side[1] for side in sides])[order] * _E4,
        shares=np.concatenate([side[2] for side in sides])[order] * SHARE,
        prints=() if trades is None else _prints(trades, midnight),
        best=best,
    )


def scenario_tape(scenario: Scenario, symbol: str, depth: Depth | None = None) -> PriceTape:
    """A tape from a scenario's ticks, with a modelled book: those of its finest source, and others where that has none within a minute.

    Without `depth` the spread is its kind's (`_SPREADS`), and the best size 1/20000 of the last daily volume before the window, in shares at
    the first price, between 100 and 20,000. Outside the regular session the book is `Depth.outside`. Raises DataError where the scenario has
    no ticks of the name.
    """
    if symbol not in scenario.underlyings:
        raise DataError(f"{scenario.name} has no {symbol}; it has {', '.join(scenario.underlyings)}.")
    ticks = scenario.ticks_of(symbol)
    if not len(ticks):
        raise DataError(f"{scenario.name} has no ticks of {symbol}.")
    sources, counts = np.unique(ticks["source"], return_counts=True)
    finest = ticks["source"] == sources[int(np.argmax(counts))]
    ticks = ticks[finest | _far_from(ticks["time_ns"], ticks["time_ns"][finest])]
    times, prices = ticks["time_ns"].astype(np.int64), ticks["price_e6"].astype(np.int64) * 1000
    changes = scenario.sessions[symbol]
    session = np.searchsorted(np.array([change.time_ns for change in changes]), times, side="right") - 1
    regular = np.array([int(change.session) == Session.REGULAR for change in changes])
    return PriceTape(
        symbol=symbol,
        times=times,
        prices=prices,
        depth=depth or _depth_of(scenario, symbol, int(prices[0])),
        outside=~regular[np.maximum(session, 0)],
    )


def generated(
    symbol: str,
    *,
    start_ns: int,
    end_ns: int,
    seed: int,
    price: int = 100 * 1_000_000_000,
    step_ns: int = 1_000_000_000,
    step_ppm: int = 20,
    depth: Depth | None = None,
) -> PriceTape:
    """A seeded walk in steps of up to `step_ppm`, the same on every machine; never below a cent."""
    if not 0 < step_ns <= end_ns - start_ns:
        raise ConfigError(f"step_ns must be above 0 and within the tape, got {step_ns}")
    times = np.arange(start_ns, end_ns, step_ns, dtype=np.int64)
    prices = np.maximum(price + np.cumsum(_moves(seed, len(times), step_ppm)) * (price // _PPM), CENT)
    return PriceTape(symbol, times, prices, depth or Depth())


def endless(
    symbol: str,
    *,
    start_ns: int,
    seed: int,
    price: int = 100 * 1_000_000_000,
    step_ns: int = 1_000_000_000,
    steps: int = 23_400,
    step_ppm: int = 20,
    depth: Depth | None = None,
) -> LoopTape:
    """A seeded walk of `steps` that ends where it began, and goes round for ever; never below a cent."""
    if step_ns <= 0 or steps < 2:
        raise ConfigError(f"step_ns must be above 0 and steps at least 2, got {step_ns} and {steps}")
    walk = np.cumsum(_moves(seed, steps, step_ppm))
    walk -= walk[-1] * np.arange(1, steps + 1, dtype=np.int64) // steps
    return LoopTape(
        symbol, start_ns, step_ns, np.maximum(price + walk * (price // _PPM), CENT), depth or Depth()
    )


def fixed(
    symbol: str,
    rows: Sequence[tuple[int, str, int, int, int]],
    *,
    slots: int = 4,
    prints: Sequence[Print] = (),
) -> QuoteTape:
    """A tape written by hand: (time, "bid" or "ask", slot, price, shares) a row, in order of time."""
    columns = list(zip(*sorted(rows, key=lambda row: row[0]), strict=True)) or [(), (), (), (), ()]
    return QuoteTape(
        symbol=symbol,
        slots=slots,
        times=np.array(columns[0], dtype=np.int64),
        slot=np.array(columns[2], dtype=np.uint8),
        bid=np.array([side == "bid" for side in columns[1]], dtype=np.bool_),
        prices=np.array(columns[3], dtype=np.int64),
        shares=np.array(columns[4], dtype=np.int64),
        prints=tuple(prints),
    )


def next_print(prints: Sequence[Print], after_ns: int) -> Print | None:
    """The first auction behind a moment."""
    place = bisect_right(prints, after_ns, key=lambda one: one.time_ns)
    return prints[place] if place < len(prints) else None


def _moves(seed: int, count: int, step_ppm: int) -> Ints:
    """Steps from -`step_ppm` to `step_ppm`."""
    raw = np.random.PCG64(seed).random_raw(count).astype(np.uint64)
    moves: Ints = (raw % np.uint64(2 * step_ppm + 1)).astype(np.int64) - step_ppm
    return moves


def _columns(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    if not path.is_file():
        raise DataError(f"Market data file {path} is missing.", file=str(path))
    table = pq.read_table(path, columns=list(names))
    columns = {name: table.column(name).to_numpy() for name in names}
    for name, column in columns.items():
        if column.dtype.kind == "i" and len(column) and column.min() < 0:
            raise DataError(f"{path.name}: {name} must be 0 or more, got {column.min()}", file=str(path))
    if np.any(np.diff(columns["ms"]) < 0):
        raise DataError(f"{path.name}: ms must not fall", file=str(path))
    return columns


def _prints(trades: Path, midnight: int) -> tuple[Print, ...]:
    """The largest print with the opening, and with the closing, condition."""
    table = pq.read_table(trades, columns=["ms", "price_e4", "size", "condition"])
    bits = np.array([int(text, 16) for text in pc.fill_null(table.column("condition"), "0").to_pylist()])
    sizes = table.column("size").to_numpy()
    found = []
    for bit in (_OPENING, _CLOSING):
        marked = np.flatnonzero(bits & bit)
        if len(marked):
            at = int(marked[int(np.argmax(sizes[marked]))])
            price, when = table.column("price_e4")[at].as_py(), table.column("ms")[at].as_py()
            found.append(Print(midnight + when * _MS, price * _E4, int(sizes[at]) * SHARE))
    return tuple(sorted(found))


def _far_from(times: Ints, known: Ints) -> npt.NDArray[np.bool_]:
    """Which times are more than a minute from all that are known."""
    place = np.searchsorted(known, times)
    before = times - known[np.maximum(place - 1, 0)]
    behind = known[np.minimum(place, len(known) - 1)] - times
    far: npt.NDArray[np.bool_] = (np.abs(before) > _MINUTE_NS) & (np.abs(behind) > _MINUTE_NS)
    return far


def _depth_of(scenario: Scenario, symbol: str, price: int) -> Depth:
    days = scenario.daily_volume_usd.get(symbol) or []
    before = [dollars for day, dollars in days if new_york_ns(day, time()) < scenario.start_ns]
    shares = before[-1] * 1_000_000_000 // price // 20_000 if before else 500
    half_spread, step = _SPREADS.get(scenario.asset_class[symbol], _OTHER_SPREAD)
    return Depth(half_spread_ppm=half_spread, step_ppm=step, best=min(max(shares, 100), 20_000) * SHARE)


def _digest(name: str, prints: Sequence[Print], *columns: npt.NDArray[np.generic]) -> str:
    digest = hashlib.sha256(repr((name, list(prints))).encode())
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
