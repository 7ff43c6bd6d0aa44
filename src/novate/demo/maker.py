"""The market maker of the demo: two-sided quotes on every book, from the public index and its own inventory.

Responsible for: prices, sizes, and when to change them. An ordinary account: its orders pass the same margin check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from novate.demo.market import Market
from novate.demo.participants import DOLLAR, Participant, lots_worth
from novate.messages import (
    AmendOrder,
    CancelAll,
    Command,
    Flags,
    ListMarket,
    OrderKind,
    PlaceOrder,
    Quality,
    Side,
    TimeInForce,
)

LEVELS = 2
HALF_SPREAD_PPM = {
    "broad_etf": 150,
    "mega_cap": 300,
    "stock": 800,
    "crypto_etf": 500,
    "crypto": 250,
    "bill": 100,
}
SIZE_DOLLARS = {
    "broad_etf": 400_000,
    "mega_cap": 250_000,
    "stock": 120_000,
    "crypto_etf": 120_000,
    "crypto": 300_000,
    "bill": 250_000,
}
CLOSED_FACTOR = 4
"""While the primary market is closed: spread times, size divided by."""
INVENTORY_DOLLARS = 4_000_000
"""Inventory at which quotes lean by one half spread."""
REPLACE_NS = 30_000_000_000


@dataclass(slots=True)
class Book:
    """What it knows of one of its books."""

    terms: ListMarket
    underlying: str
    asset_class: str
    multiplier_ppb: int
    reference: int = 0
    factor: int = 0
    quoted_ns: int = 0
    clients: dict[tuple[Side, int], bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Maker(Participant):
    """Quotes `LEVELS` prices a side; moves them when the index has moved by a quarter of the spread."""

    books: list[Book] = field(default_factory=list)
    _count: int = 0

    def act(self, market: Market) -> Iterator[Command]:
        """Quotes whatever needs a new quote."""
        for book in self.books:
            quality = market.quality.get(book.terms.underlying)
            if quality not in (Quality.LIVE, Quality.CLOSED):
                if book.factor:
                    book.factor = 0
                    yield CancelAll(market=book.terms.market)
                continue
            factor = CLOSED_FACTOR if quality == Quality.CLOSED else 1
            price = market.index[book.terms.underlying]
            half = HALF_SPREAD_PPM[book.asset_class] * factor
            moved = abs(price - book.reference) * 2_000_000 > price * half
            hollow = market.time_ns - book.quoted_ns >= REPLACE_NS and self._misses_orders(book, market)
            if moved or factor != book.factor or hollow:
                yield from self._quote(book, market, price, half, factor)

    def _misses_orders(self, book: Book, market: Market) -> bool:
        live = market.orders[self.account]
        return len(book.clients) < 2 * LEVELS or any(c not in live for c in book.clients.values())

    def _quote(self, book: Book, market: Market, price: int, half: int, factor: int) -> Iterator[Command]:
        rises = price >= book.reference
        book.reference, book.factor, book.quoted_ns = price, factor, market.time_ns
        terms = book.terms
        held = market.lots[self.account, terms.market] * terms.lot_size * price
        held_dollars = held // (10**9 if terms.market_kind == 1 else 10**6) // DOLLAR
        lean = max(-half, min(half, -held_dollars * half // INVENTORY_DOLLARS))
        lots = max(lots_worth(terms, SIZE_DOLLARS[book.asset_class] // factor, price), terms.min_lots)
        sides = (
            (Side.ASK, Side.BID) if rises else (Side.BID, Side.ASK)
        )  # the side in front of the move goes first
        for side in sides:
            for level in range(LEVELS):
                away = half * (1 + 2 * level) * (-1 if side == Side.BID else 1) + lean
                token = price * book.multiplier_ppb // 10**9
                ticks = max(
                    token * (1_000_000 + away) // (1_000_000 * terms.tick_size) + (side == Side.ASK), 1
                )
                yield self._order(book, market, side, level, ticks, lots)

    def _order(self, book: Book, market: Market, side: Side, level: int, ticks: int, lots: int) -> Command:
        client = book.clients.get((side, level))
        if client is not None and client in market.orders[self.account]:
            return AmendOrder(order=0, client_id=client, price=ticks, lots=lots)
        self._count += 1
        client = self._count.to_bytes(16, "big")
        book.clients[side, level] = client
        return PlaceOrder(
            market=book.terms.market,
            side=side,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.GTC,
            flags=Flags.POST_ONLY,
            price=ticks,
            lots=lots,
            client_id=client,
        )
