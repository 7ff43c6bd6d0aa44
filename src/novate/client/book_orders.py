"""A market's book order by order, kept from a snapshot and what became of each order since.

Responsible for: the queue at each price, where an order stands in it, and noticing that a message was missed or the book differs from the
venue's. Never: guesses; a book that is not certain is asked for anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from novate.client.answers import read
from novate.client.books import Missed

_CHECKED: Final = 25
"""Orders a side that a checksum is over."""
_SIDES: Final = {"bid": 0, "ask": 1}


class RestingOrder(NamedTuple):
    """An order that rests. `order` is what the venue calls it in every answer to its owner."""

    order: str
    price: Decimal
    quantity: Decimal


class Change(msgspec.Struct, frozen=True):
    """What became of one order, as the venue says it."""

    change: str
    order: str
    side: str | None = None
    price: str | None = None
    quantity: str | None = None
    trade: str | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot or a delta; texts as the venue wrote them, for the checksum is over those."""

    type: str
    market: str
    epoch: str
    seq: int
    ts_ns: int
    bids: tuple[tuple[str, str, str], ...] = ()
    asks: tuple[tuple[str, str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    prev_seq: int = 0
    checksum: int | None = None


class BookOrders:
    """The orders of a market as of `seq`; the same object is kept up to date."""

    def __init__(self, market: str) -> None:
        self.market = market
        self.epoch = ""
        self.seq = 0
        """Position in the journal up to which it is true."""
        self.ts_ns = 0
        self.ready = False
        """Whether a snapshot was taken, and nothing missed since."""
        self.changes: tuple[Change, ...] = ()
        """What the last message changed; empty after a snapshot."""
        self._sides: tuple[dict[Decimal, dict[str, tuple[str, str]]], ...] = ({}, {})
        self._places: dict[str, tuple[int, Decimal]] = {}

    def __len__(self) -> int:
        """Orders that rest."""
        return len(self._places)

    def hear(self, said: bytes | str | msgspec.Raw) -> None:
        """Takes a message of the channel `book_orders`. Raises Missed; the book is then not `ready`."""
        told = read(Told, said)
        if told.type == "snapshot":
            self._begin(told)
        elif not self.ready or told.epoch != self.epoch or told.prev_seq != self.seq:
            self.ready = False
            raise Missed(f"{self.market}: {told.prev_seq} follows {self.seq}")
        for one in told.changes:
            self._change(one)
        self.changes = told.changes
        self.epoch, self.seq, self.ts_ns = told.epoch, told.seq, told.ts_ns
        self.ready = told.checksum is None or told.checksum == self.checksum()
        if not self.ready:
            raise Missed(f"{self.market}: checksum")

    def bids(self, most: int | None = None) -> list[RestingOrder]:
        """Highest price first, at one price in the order in which they trade."""
        return [_typed(*one) for one in islice(self._first(0), most)]

    def asks(self, most: int | None = None) -> list[RestingOrder]:
        """Lowest price first."""
        return [_typed(*one) for one in islice(self._first(1), most)]

    def ahead(self, order: str) -> Decimal | None:
        """What trades before an order at its own price; None when it does not rest."""
        place = self._places.get(order)
        if place is None:
            return None
        before = Decimal(0)
        for other, (_, quantity) in self._sides[place[0]][place[1]].items():
            if other == order:
                break
            before += Decimal(quantity)
        return before

    def checksum(self) -> int:
        """CRC-32 of `order:price:quantity` of the first bids, then the first asks, joined by colons."""
        text = ":".join(
            f"{order}:{price}:{quantity}"
            for side in (0, 1)
            for order, price, quantity in islice(self._first(side), _CHECKED)
        )
        return zlib.crc32(text.encode("ascii"))

    def _first(self, side: int) -> Iterator[tuple[str, str, str]]:
        for price in sorted(self._sides[side], reverse=side == 0):
            for order, (text, quantity) in self._sides[side][price].items():
                yield order, text, quantity

    def _begin(self, told: Told) -> None:
        self._places.clear()
        for side, orders in zip((0, 1), (told.bids, told.asks), strict=True):
            self._sides[side].clear()
            for order, price, quantity in orders:
                self._rest(side, order, price, quantity)

    def _change(self, one: Change) -> None:
        """Raises Missed where it does not fit what is known."""
        place = self._places.get(one.order)
        if (place is None) != (one.change == "added"):
            self._differs(one)
        match one:
            case Change(change="reduced", quantity=str(quantity)) if place is not None:
                queue = self._sides[place[0]][place[1]]
                queue[one.order] = queue[one.order][0], quantity
                return
            case Change(change="removed"):
                self._take_out(one.order)
            case Change(change="added" | "moved", side=str(side), price=str(price), quantity=str(quantity)):
                self._take_out(one.order)
                self._rest(_SIDES[side], one.order, price, quantity)
            case _:
                self._differs(one)

    def _differs(self, one: Change) -> None:
        self.ready = False
        raise Missed(f"{self.market}: {one.change} {one.order}")

    def _rest(self, side: int, order: str, price: str, quantity: str) -> None:
        at = Decimal(price)
        self._sides[side].setdefault(at, {})[order] = price, quantity
        self._places[order] = side, at

    def _take_out(self, order: str) -> None:
        place = self._places.pop(order, None)
        if place is not None:
            side, price = place
            queue = self._sides[side][price]
            del queue[order]
            if not queue:
                del self._sides[side][price]


def _typed(order: str, price: str, quantity: str) -> RestingOrder:
    return RestingOrder(order, Decimal(price), Decimal(quantity))
