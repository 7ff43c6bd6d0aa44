"""Books, trades and prices as the venue's events make them, and the bytes that tell them.

Responsible for: the levels of every market as of a sequence, what changed since, checksums, and one encoding for all who listen. Never: asks,
or knows who listens. Market data comes from the venue's committed events and from nowhere else, so a book is never crossed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from novate.messages import BookChanged, Quality, Session, Side
from novate.messages.reports import Book
from novate.schema.catalogue import Market

CHECKED_LEVELS: Final = 25
"""Levels a side that a checksum is over."""
encode: Final = msgspec.json.Encoder().encode


class Level(msgspec.Struct, frozen=True, array_like=True):
    """A price and the quantity there, from now on; quantity "0" when the level is gone."""

    price: str
    quantity: str


class BookMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of what the book channel says.

    Attributes:
        channel: `book`.
        market: Which book.
        epoch: Sequences of two epochs do not compare.
        seq: Position in the journal up to which it is true.
        ts_ns: Journal time of that.
    """

    channel: str
    market: str
    epoch: str
    seq: int
    ts_ns: int


class BookSnapshot(BookMessage, frozen=True, kw_only=True, omit_defaults=True, tag="snapshot"):
    """A whole book, best levels first.

    Attributes:
        bids: Highest first.
        asks: Lowest first.
        checksum: CRC-32 over the best 25 levels a side.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    checksum: int


class BookDelta(BookMessage, frozen=True, kw_only=True, omit_defaults=True, tag="delta"):
    """Levels that changed since `prev_seq`.

    Attributes:
        prev_seq: `seq` of the message before; another one means that something was missed: subscribe anew.
        bids: Changed levels.
        asks: Changed levels.
        checksum: As of this message, in every so many of them.
    """

    prev_seq: int
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    checksum: int | None = None


class Quote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Best bid and offer.

    Attributes:
        channel: `bbo`.
        market: Which book.
        seq: Position in the journal.
        ts_ns: Journal time.
        bid: Best bid; absent when there is none.
        ask: Best ask.
    """

    channel: str
    market: str
    seq: int
    ts_ns: int
    bid: Level | None = None
    ask: Level | None = None


AUCTION: Final = "auction"
"""The side of a trade that nobody took."""


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade, without its parties.

    Attributes:
        trade: Its id.
        price: Price.
        quantity: Quantity.
        side: Side of the taker; `auction` where both sides rested and traded at the one price of an auction.
        liquidation: Whether the venue's liquidator took.
        seq: Position in the journal.
        ts_ns: Journal time.
    """

    trade: str
    price: str
    quantity: str
    side: str
    liquidation: bool
    seq: int
    ts_ns: int


@dataclass(slots=True)
class MarketBook:
    """One market's levels in ticks and lots, and what changed since it was last told."""

    market: Market
    epoch: str
    sides: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    seq: int = 0
    ts_ns: int = 0
    whole_seq: int = 0
    """As of when it was last taken whole: events up to there are in it."""

    def put(self, book: Book, seq: int, ts_ns: int) -> None:
        """Takes a whole book as of a sequence."""
        for levels, side in ((book.bids, 0), (book.asks, 1)):
            self.sides[side].clear()
            self.sides[side].update({level.price: level.lots for level in levels})
        self.seq, self.ts_ns, self.whole_seq = seq, ts_ns, seq

    def change(self, event: BookChanged, seq: int, ts_ns: int) -> None:
        """Takes a level's new total."""
        levels = self.sides[event.side]
        if event.lots:
            levels[event.price] = event.lots
        else:
            levels.pop(event.price, None)
        self.seq, self.ts_ns = seq, ts_ns

    def best(self, side: int, most: int | None) -> list[tuple[int, int]]:
        """Levels of a side, best first."""
        ordered = sorted(self.sides[side].items(), reverse=side == Side.BID)
        return ordered if most is None else ordered[:most]

    def level(self, price: int, lots: int) -> Level:
        """A level as it reads outside."""
        return Level(self.market.price.text(price), self.market.quantity.text(lots))

    def snapshot(self, depth: int | None = None) -> BookSnapshot:
        """The whole book, or its best levels."""
        bids, asks = (tuple(self.level(*one) for one in self.best(side, depth)) for side in (0, 1))
        return BookSnapshot(
            channel="book",
            market=self.market.name,
            epoch=self.epoch,
            seq=self.seq,
            ts_ns=self.ts_ns,
            bids=bids,
            asks=asks,
            checksum=checksum(bids[:CHECKED_LEVELS], asks[:CHECKED_LEVELS]),
        )

    def delta(self, changed: Iterable[tuple[int, int]], prev_seq: int, *, checked: bool) -> BookDelta:
        """The levels (side, price) as they are now."""
        sides: tuple[list[Level], list[Level]] = ([], [])
        for side, price in changed:
            sides[side].append(self.level(price, self.sides[side].get(price, 0)))
        return BookDelta(
            channel="book",
            market=self.market.name,
            epoch=self.epoch,
            seq=self.seq,
            ts_ns=self.ts_ns,
            prev_seq=prev_seq,
            bids=tuple(sides[0]),
            asks=tuple(sides[1]),
            checksum=self.checksum() if checked else None,
        )

    def checksum(self) -> int:
        """CRC-32 over the best levels."""
        bids, asks = ([self.level(*one) for one in self.best(side, CHECKED_LEVELS)] for side in (0, 1))
        return checksum(bids, asks)

    def quote(self) -> Quote:
        """Best bid and offer."""
        found: list[Level | None] = []
        for side, pick in ((0, max), (1, min)):
            levels = self.sides[side]
            found.append(self.level(price := pick(levels), levels[price]) if levels else None)
        return Quote(
            channel="bbo", market=self.market.name, seq=self.seq, ts_ns=self.ts_ns, bid=found[0], ask=found[1]
        )


def checksum(bids: Iterable[Level], asks: Iterable[Level]) -> int:
    """CRC-32 of `price:quantity` of the bids, best first, then the asks, best first, joined by colons."""
    text = ":".join(f"{level.price}:{level.quantity}" for side in (bids, asks) for level in side)
    return zlib.crc32(text.encode("ascii"))


class PriceState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an underlying and its perp are worth, as the venue sees it.

    Attributes:
        underlying: Which.
        index: Confirmed index.
        stable: Slow mean of it.
        quality: How far it can be trusted.
        session: Its session.
        fresh_sources: Sources that count.
        marks: Mark prices by perp.
        funding_ppb: Rates of the last hour by perp, 1e-9; positive: longs pay shorts.
        seq: Position in the journal of the last change.
        ts_ns: Its time.
    """

    underlying: str
    index: str | None = None
    stable: str | None = None
    quality: str | None = None
    session: str | None = None
    fresh_sources: int | None = None
    marks: dict[str, str] = msgspec.field(default_factory=dict)
    funding_ppb: dict[str, int] = msgspec.field(default_factory=dict)
    seq: int = 0
    ts_ns: int = 0


def quality_word(number: int) -> str:
    """A quality in words."""
    return Quality(number).name.lower()


def session_word(number: int) -> str:
    """A session in words."""
    return Session(number).name.lower()


def as_bytes(message: Any) -> bytes:
    """A message as JSON."""
    return encode(message)
