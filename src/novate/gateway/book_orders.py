"""Books order by order: each order that rests in a market, in the order in which they trade, and what becomes of it.

Responsible for: following the orders of a market while somebody listens, changes in the order in which they happened, checksums. From the
venue's committed events alone. Never: whose an order is, how it was sent, or what waits for a trigger: that is nobody's business.

A market is followed from the first listener on, beginning with the whole book as the reader has it, and for a while after the last one. Who
follows none pays nothing.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from typing import Any, Final, Literal

import msgspec

from novate.core_process.wire import Answered
from novate.gateway.books import BookMessage, as_bytes
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.streams import CHECKED_EVERY, Listener, Topic
from novate.messages import (
    BookChanged,
    OrderAmended,
    OrderCancelled,
    OrderDecremented,
    OrderFilled,
    OrderPlaced,
    Side,
    iter_events,
)
from novate.messages.reports.orders import RestingOrders
from novate.schema.catalogue import Catalogue, Market

CHANNEL: Final = "book_orders"
CHECKED_ORDERS: Final = 25
"""Orders a side that a checksum is over."""
LINGER_S: Final = 30.0
"""So long a market is followed after its last listener: who comes and goes does not make the reader tell whole books."""
_KEPT_TEXTS: Final = 50_000
_HEARD: Final = (OrderPlaced, OrderFilled, OrderCancelled, OrderAmended, OrderDecremented, BookChanged)

Whole = Callable[[int], Awaitable[RestingOrders]]
"""Asks for a market's whole book, not older than the events that were heard. Raises GatewayRefused."""


class OrderEntry(msgspec.Struct, frozen=True, array_like=True):
    """An order that rests: its id, price, and what is left of it."""

    order: str
    price: str
    quantity: str


class BookOrdersSnapshot(BookMessage, frozen=True, kw_only=True, omit_defaults=True, tag="snapshot"):
    """Every order of a book, those that trade first in front.

    Attributes:
        bids: Highest price first; at one price in the order in which they trade.
        asks: Lowest price first.
        checksum: CRC-32 over the first 25 orders a side.
    """

    bids: tuple[OrderEntry, ...]
    asks: tuple[OrderEntry, ...]
    checksum: int


class OrderChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one order.

    Attributes:
        change: `added`: it rests behind all others at its price. `reduced`: less is left, it keeps its place. `moved`: it rests behind all
            others at its price of now, with its quantity of now. `removed`: it rests no more.
        order: Its id, the same across amendments.
        side: Of what was added or moved: bid or ask.
        price: Of what was added or moved.
        quantity: What is left of it.
        trade: The trade that took from it; absent where it was no trade.
    """

    change: Literal["added", "reduced", "moved", "removed"]
    order: str
    side: Literal["bid", "ask"] | None = None
    price: str | None = None
    quantity: str | None = None
    trade: str | None = None


class BookOrdersDelta(BookMessage, frozen=True, kw_only=True, omit_defaults=True, tag="delta"):
    """What changed since `prev_seq`, in the order in which it happened.

    Attributes:
        prev_seq: `seq` of the message before; another one means that something was missed: subscribe anew.
        changes: One or more.
        checksum: As of this message, in every so many of them.
    """

    prev_seq: int
    changes: tuple[OrderChange, ...]
    checksum: int | None = None


@dataclass(slots=True)
class _Arriving:
    """An order on its way in, within one command: it rests once the level at its price is told."""

    order: int
    side: int
    price: int
    lots: int
    moved: bool


@dataclass(slots=True)
class OrderBook:
    """One market's resting orders in ticks and lots."""

    market: Market
    epoch: str
    sides: tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]] = field(
        default_factory=lambda: ({}, {})
    )
    """Of each side the queue at each price: lots by order, the first to trade in front."""
    seq: int = 0
    ts_ns: int = 0
    changes: list[OrderChange] = field(default_factory=list)
    """What was not told yet."""
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Side and price of each order."""
    _arriving: _Arriving | None = None
    _quantities: dict[int, str] = field(default_factory=dict)
    """Quantities as text: few sizes are most of a book, and a long one is told in one go."""

    def put(self, whole: RestingOrders) -> None:
        """Takes a whole book."""
        for side in self.sides:
            side.clear()
        self._places.clear()
        self.changes.clear()
        self._arriving = None
        for line in whole.orders:
            self._rest(line.order, line.side, line.price, line.lots)
        self.seq, self.ts_ns = whole.sequence, whole.time_ns

    def hear(self, body: Any, seq: int, ts_ns: int) -> None:
        """Takes an event of this market that is later than all before."""
        known = len(self.changes)
        if isinstance(body, BookChanged):
            self._level(body)
        elif isinstance(body, OrderFilled):
            self._left(body.order, body.leaves, str(body.trade))
        elif isinstance(body, OrderPlaced):
            self._arriving = _Arriving(body.order, body.side, body.price, body.lots, moved=False)
        elif isinstance(body, OrderCancelled):
            self._left(body.order, 0)
        elif isinstance(body, OrderDecremented) or body.kept_priority:
            self._left(body.order, body.leaves)
        else:
            self._take_out(body.order)
            self._arriving = _Arriving(body.order, body.side, body.price, body.leaves, moved=True)
        if len(self.changes) > known:
            self.seq, self.ts_ns = seq, ts_ns

    def snapshot(self) -> BookOrdersSnapshot:
        """All orders."""
        bids, asks = (tuple(self._first(side, None)) for side in (0, 1))
        return BookOrdersSnapshot(
            channel=CHANNEL,
            market=self.market.name,
            epoch=self.epoch,
            seq=self.seq,
            ts_ns=self.ts_ns,
            bids=bids,
            asks=asks,
            checksum=checksum(bids[:CHECKED_ORDERS], asks[:CHECKED_ORDERS]),
        )

    def delta(self, prev_seq: int, *, checked: bool) -> BookOrdersDelta:
        """What was not told yet."""
        changes, self.changes = tuple(self.changes), []
        return BookOrdersDelta(
            channel=CHANNEL,
            market=self.market.name,
            epoch=self.epoch,
            seq=self.seq,
            ts_ns=self.ts_ns,
            prev_seq=prev_seq,
            changes=changes,
            checksum=self.checksum() if checked else None,
        )

    def checksum(self) -> int:
        """CRC-32 over the first orders."""
        return checksum(*(list(self._first(side, CHECKED_ORDERS)) for side in (0, 1)))

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _first(self, side: int, most: int | None) -> Iterator[OrderEntry]:
        """The orders of a side that trade first."""
        queues = self.sides[side]
        pick = nlargest if side == Side.BID else nsmallest
        prices = sorted(queues, reverse=side == Side.BID) if most is None else pick(most, queues)
        left = len(self._places) if most is None else most
        for price in prices:
            text = self.market.price.text(price)
            for order, lots in queues[price].items():
                if not left:
                    return
                left -= 1
                yield OrderEntry(str(order), text, self._quantity(lots))

    def _quantity(self, lots: int) -> str:
        found = self._quantities.get(lots)
        if found is None:
            if len(self._quantities) >= _KEPT_TEXTS:
                self._quantities.clear()
            found = self._quantities[lots] = self.market.quantity.text(lots)
        return found

    def _rest(self, order: int, side: int, price: int, lots: int) -> None:
        self.sides[side].setdefault(price, {})[order] = lots
        self._places[order] = side, price

    def _take_out(self, order: int) -> bool:
        place = self._places.pop(order, None)
        if place is None:
            return False
        side, price = place
        queue = self.sides[side][price]
        del queue[order]
        if not queue:
            del self.sides[side][price]
        return True

    def _level(self, body: BookChanged) -> None:
        """The level of an order that arrives is told when it rests; of makers before, on the other side."""
        arriving = self._arriving
        if arriving is None or (arriving.side, arriving.price) != (body.side, body.price):
            return
        self._arriving = None
        self._rest(arriving.order, arriving.side, arriving.price, arriving.lots)
        self.changes.append(
            OrderChange(
                change="moved" if arriving.moved else "added",
                order=str(arriving.order),
                side="ask" if arriving.side else "bid",
                price=self.market.price.text(arriving.price),
                quantity=self._quantity(arriving.lots),
            )
        )

    def _left(self, order: int, lots: int, trade: str | None = None) -> None:
        """What is left of an order that rests or arrives; of others nobody hears."""
        arriving = self._arriving
        if arriving is not None and arriving.order == order:
            arriving.lots = lots
            if not lots:
                self._arriving = None
                if arriving.moved:
                    self.changes.append(OrderChange(change="removed", order=str(order), trade=trade))
            return
        place = self._places.get(order)
        if place is None:
            return
        if lots:
            self.sides[place[0]][place[1]][order] = lots
            left = self._quantity(lots)
            self.changes.append(OrderChange(change="reduced", order=str(order), quantity=left, trade=trade))
        else:
            self._take_out(order)
            self.changes.append(OrderChange(change="removed", order=str(order), trade=trade))


def checksum(bids: Iterable[OrderEntry], asks: Iterable[OrderEntry]) -> int:
    """CRC-32 of `order:price:quantity` of the bids, first to trade in front, then the asks, joined by colons."""
    text = ":".join(f"{one.order}:{one.price}:{one.quantity}" for side in (bids, asks) for one in side)
    return zlib.crc32(text.encode("ascii"))


def whole_snapshot(market: Market, epoch: str, whole: RestingOrders) -> BookOrdersSnapshot:
    """A book as the reader tells it, for everybody."""
    book = OrderBook(market, epoch)
    book.put(whole)
    return book.snapshot()


@dataclass(slots=True, eq=False)
class _Followed:
    """A market that is followed, and who listens."""

    book: OrderBook
    listeners: set[Listener] = field(default_factory=set)
    ready: bool = False
    asked: int = 0
    """How often its whole book was asked for: an answer to an earlier question is not taken."""
    meanwhile: list[tuple[Any, int, int]] = field(default_factory=list)
    """What happened since then."""
    told_seq: int = 0
    told: int = 0
    idle_since: float = 0.0
    whole: bytes | None = None
    """The snapshot, as long as it is true."""

    def snapshot(self) -> bytes:
        if self.whole is None:
            self.whole = as_bytes(self.book.snapshot())
        return self.whole

    def tell(self, message: bytes) -> None:
        """To all; who does not keep up is out."""
        slow = [one for one in self.listeners if not one.tell(message)]
        self.listeners.difference_update(slow)


class BookOrders:
    """The channel `book_orders`. For one event loop; `feed` takes the venue's events in order."""

    def __init__(
        self,
        epoch: str,
        catalogue: Callable[[], Catalogue],
        whole: Whole,
        later: Callable[[Callable[[], Awaitable[Any]]], None],
    ) -> None:
        """`later` does a work in the background, and again while it raises GatewayRefused."""
        self._epoch, self._catalogue = epoch, catalogue
        self._whole, self._later = whole, later
        self._followed: dict[int, _Followed] = {}

    # --- who listens ----------------------------------------------------------------------------------------------------

    def check(self, topic: Topic) -> None:
        """Raises GatewayRefused where there is no such market."""
        self._market(topic.name)

    def join(self, topic: Topic, listener: Listener) -> None:
        """Adds a listener; the snapshot comes at once, or as soon as the market is followed. Raises GatewayRefused."""
        number = self._market(topic.name)
        followed = self._followed.get(number)
        if followed is None:
            book = OrderBook(self._catalogue().markets[number], self._epoch)
            followed = self._followed[number] = _Followed(book)
            self._ask(number)
        followed.listeners.add(listener)
        if followed.ready:
            listener.tell(followed.snapshot())

    def leave(self, topic: Topic, listener: Listener) -> None:
        """Removes a listener; nothing when it was none."""
        followed = self._followed.get(self._catalogue().market_ids.get(topic.name, 0))
        if followed is not None:
            followed.listeners.discard(listener)

    def tick(self, now_s: float) -> None:
        """Lets go of what nobody listens to any more. `now_s` is a clock that only goes forward."""
        for number, followed in list(self._followed.items()):
            if followed.listeners:
                followed.idle_since = now_s
            elif now_s - followed.idle_since > LINGER_S:
                del self._followed[number]

    # --- what happened --------------------------------------------------------------------------------------------------

    def missed(self) -> None:
        """Events may have been missed: whole books are asked for, and told when they come."""
        for number, followed in self._followed.items():
            followed.ready = False
            self._ask(number)

    def feed(self, frame: Answered) -> None:
        """The events of one frame."""
        if not self._followed:
            return
        for event in iter_events(frame.events, _HEARD):
            body: Any = event.body
            followed = self._followed.get(body.market)
            if followed is None:
                continue
            happened = body, event.header.sequence, event.header.time_ns
            if not followed.ready:
                followed.meanwhile.append(happened)
            elif event.header.sequence > followed.told_seq:
                followed.book.hear(*happened)
        for followed in self._followed.values():
            if followed.ready and followed.book.changes:
                self._tell_changes(followed)

    def _tell_changes(self, followed: _Followed) -> None:
        followed.whole = None
        followed.told += 1
        delta = followed.book.delta(followed.told_seq, checked=followed.told % CHECKED_EVERY == 0)
        followed.told_seq = delta.seq
        if followed.listeners:
            followed.tell(as_bytes(delta))

    def _market(self, name: str) -> int:
        number = self._catalogue().market_ids.get(name)
        if number is None:
            raise GatewayRefused(Rule.THING_MUST_EXIST, f"There is no market {name[:40]!r}.", field="market")
        return number

    def _ask(self, number: int) -> None:
        followed = self._followed[number]
        followed.asked += 1
        followed.idle_since = time.monotonic()
        asked = followed.asked

        async def learn() -> None:
            if followed.asked != asked or self._followed.get(number) is not followed:
                return
            followed.meanwhile.clear()  # the answer is not older than what was heard so far
            whole = await self._whole(number)
            if followed.asked == asked:
                self._begin(followed, whole)

        self._later(learn)

    def _begin(self, followed: _Followed, whole: RestingOrders) -> None:
        book = followed.book
        book.put(whole)
        for body, seq, ts_ns in followed.meanwhile:
            if seq > whole.sequence:
                book.hear(body, seq, ts_ns)
        book.changes.clear()  # they are in the snapshot
        followed.meanwhile.clear()
        followed.told_seq, followed.ready, followed.whole = book.seq, True, None
        if followed.listeners:
            followed.tell(followed.snapshot())
