"""A market's book, kept from a snapshot and what changed since.

Responsible for: levels, and noticing that a message was missed or the book differs from the venue's. Never: guesses; a book that is not
certain is asked for anew.
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Final

import msgspec

from novate.client.answers import Level, read

_CHECKED: Final = 25
"""Levels a side that a checksum is over."""


class Missed(Exception):
    """A message was missed, or the book differs from the venue's: it must be asked for anew."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot or a delta, levels as the venue wrote them: the checksum is over that text."""

    type: str
    market: str
    epoch: str
    seq: int
    ts_ns: int
    bids: tuple[tuple[str, str], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()
    prev_seq: int = 0
    checksum: int | None = None


class Book:
    """A book as of `seq`; the same object is kept up to date."""

    def __init__(self, market: str) -> None:
        self.market = market
        self.epoch = ""
        self.seq = 0
        """Position in the journal up to which it is true."""
        self.ts_ns = 0
        self.ready = False
        """Whether a snapshot was taken, and nothing missed since."""
        self._sides: tuple[dict[Decimal, tuple[str, str]], dict[Decimal, tuple[str, str]]] = ({}, {})

    def hear(self, said: bytes | str | msgspec.Raw) -> None:
        """Takes a message of the book channel. Raises Missed; the book is then not `ready`."""
        told = read(Told, said)
        if told.type == "snapshot":
            for side in self._sides:
                side.clear()
        elif not self.ready or told.epoch != self.epoch or told.prev_seq != self.seq:
            self.ready = False
            raise Missed(f"{self.market}: {told.prev_seq} follows {self.seq}")
        for levels, changed in zip(self._sides, (told.bids, told.asks), strict=True):
            for price, quantity in changed:
                if quantity == "0":
                    levels.pop(Decimal(price), None)
                else:
                    levels[Decimal(price)] = price, quantity
        self.epoch, self.seq, self.ts_ns = told.epoch, told.seq, told.ts_ns
        self.ready = told.checksum is None or told.checksum == self.checksum()
        if not self.ready:
            raise Missed(f"{self.market}: checksum")

    def bids(self, depth: int | None = None) -> list[Level]:
        """Highest first."""
        return [Level(Decimal(price), Decimal(quantity)) for price, quantity in self._best(0, depth)]

    def asks(self, depth: int | None = None) -> list[Level]:
        """Lowest first."""
        return [Level(Decimal(price), Decimal(quantity)) for price, quantity in self._best(1, depth)]

    def checksum(self) -> int:
        """CRC-32 of `price:quantity` of the best bids, then the best asks, joined by colons."""
        text = ":".join(
            f"{price}:{quantity}" for side in (0, 1) for price, quantity in self._best(side, _CHECKED)
        )
        return zlib.crc32(text.encode("ascii"))

    def _best(self, side: int, depth: int | None) -> list[tuple[str, str]]:
        levels = self._sides[side]
        return [levels[price] for price in sorted(levels, reverse=side == 0)[:depth]]
