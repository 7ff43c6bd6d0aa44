"""A price-time order book in plain Python: sorted lists of prices, a queue of orders at each.

Responsible for: restating the matching rules of one market (limit, market, IOC, FOK, post-only, cancel, amend, self-trade
prevention) so that the engine can be compared with it. Never knows money, margin or time, and never imports the engine.
Refusals carry the engine's names. Sides are 0 bid and 1 ask, prices are ticks, quantities lots.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

BID, ASK = 0, 1
LIMIT, MARKET = 0, 1
GTC, IOC, FOK = 0, 1, 2
CANCEL_NEWEST, ALLOW = 0, 1

REQUESTED, NOT_FILLED, SELF_TRADE = 0, 1, 2
"""Why lots were cancelled, as the engine numbers it."""

FNV_OFFSET, FNV_PRIME, WORD = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


@dataclass
class Order:
    """A resting order; `lots` is what is not yet filled."""

    order: int
    owner: int
    side: int
    price: int
    lots: int
    post_only: bool = False


@dataclass(frozen=True)
class Trade:
    """One execution at the maker's price."""

    maker: int
    taker: int
    price: int
    lots: int


@dataclass
class Outcome:
    """What one instruction did. `refused` names the rule and then nothing else happened."""

    refused: str | None = None
    trades: list[Trade] = field(default_factory=list)
    rested: int = 0
    cancelled: int = 0
    reason: int | None = None
    kept_priority: bool | None = None


class Book:
    """One market. Each side is a sorted list of prices and, at each price, a queue whose head has waited longest."""

    def __init__(self, self_trade: int = CANCEL_NEWEST) -> None:
        self.self_trade = self_trade
        self.prices: tuple[list[int], list[int]] = ([], [])
        self.queues: tuple[dict[int, deque[Order]], dict[int, deque[Order]]] = ({}, {})
        self.orders: dict[int, Order] = {}

    # --- instructions ---

    def place(
        self,
        order: int,
        owner: int,
        side: int,
        price: int,
        lots: int,
        kind: int = LIMIT,
        time_in_force: int = GTC,
        post_only: bool = False,
    ) -> Outcome:
        """A new order. For a market order `price` is the worst price it accepts (the collar)."""
        refused = self._refusal(owner, side, price, lots, kind, time_in_force, post_only)
        if refused:
            return Outcome(refused=refused)
        newcomer = Order(order, owner, side, price, lots, post_only)
        return self._enter(newcomer, Outcome(), rests=time_in_force == GTC)

    def cancel(self, order: int) -> Outcome:
        """Takes a resting order out."""
        if order not in self.orders:
            return Outcome(refused="order_must_exist")
        gone = self._remove(self.orders[order])
        return Outcome(cancelled=gone.lots, reason=REQUESTED)

    def amend(self, order: int, price: int = 0, lots: int = 0) -> Outcome:
        """New price and remaining lots, 0 keeps. Only a smaller size at the same price keeps its place in the queue."""
        if order not in self.orders:
            return Outcome(refused="order_must_exist")
        if price < 0:
            return Outcome(refused="price_must_be_positive")
        if lots < 0:
            return Outcome(refused="lots_must_be_positive")
        old = self.orders[order]
        price, lots = price or old.price, lots or old.lots
        if (price, lots) == (old.price, old.lots):
            return Outcome(refused="amend_must_change_something")
        if price == old.price and lots < old.lots:
            old.lots = lots
            return Outcome(rested=lots, kept_priority=True)
        if old.post_only and self._crosses(old.side, price):
            return Outcome(refused="post_only_must_not_take")
        self._remove(old)
        moved = Order(order, old.owner, old.side, price, lots, old.post_only)
        return self._enter(moved, Outcome(kept_priority=False), rests=True)

    # --- what can be read ---

    def best(self, side: int) -> int | None:
        """Highest bid or lowest ask."""
        prices = self.prices[side]
        if not prices:
            return None
        return prices[-1] if side == BID else prices[0]

    def queue(self, side: int) -> list[Order]:
        """All orders of a side in the order in which they would trade."""
        prices = reversed(self.prices[side]) if side == BID else self.prices[side]
        return [order for price in prices for order in self.queues[side][price]]

    def levels(self, side: int) -> list[tuple[int, int]]:
        """(price, lots) from the best price outwards."""
        prices = reversed(self.prices[side]) if side == BID else self.prices[side]
        return [(price, sum(order.lots for order in self.queues[side][price])) for price in prices]

    # --- rules ---

    def _refusal(
        self, owner: int, side: int, price: int, lots: int, kind: int, time_in_force: int, post_only: bool
    ) -> str | None:
        """The first rule that a new order breaks."""
        if price <= 0:
            return "price_must_be_positive"
        if lots <= 0:
            return "lots_must_be_positive"
        if post_only and (kind == MARKET or time_in_force != GTC):
            return "post_only_must_rest"
        if kind == MARKET and time_in_force == GTC:
            return "market_order_must_not_rest"
        if post_only and self._crosses(side, price):
            return "post_only_must_not_take"
        if time_in_force == FOK and self._fillable(owner, side, price, lots) < lots:
            return "fill_or_kill_must_fill"
        if kind == MARKET and not self._fillable(owner, side, price, lots):
            return "market_order_needs_a_book"
        return None

    def _crosses(self, side: int, price: int) -> bool:
        """Whether an order at `price` would meet the other side."""
        other = self.best(1 - side)
        return other is not None and (price >= other if side == BID else price <= other)

    def _fillable(self, owner: int, side: int, limit: int, lots: int) -> int:
        """Lots that would trade before the limit, the end of the book, or an order of the same owner, at most `lots`."""
        found = 0
        for maker in self.queue(1 - side):
            beyond = maker.price > limit if side == BID else maker.price < limit
            own = maker.owner == owner and self.self_trade == CANCEL_NEWEST
            if beyond or own or found >= lots:
                break
            found += maker.lots
        return min(found, lots)

    def _enter(self, taker: Order, outcome: Outcome, *, rests: bool) -> Outcome:
        """Trades with the other side in price-time order; what remains rests or is cancelled."""
        while taker.lots and self._crosses(taker.side, taker.price):
            price = self.best(1 - taker.side)
            assert price is not None
            maker = self.queues[1 - taker.side][price][0]
            if maker.owner == taker.owner and self.self_trade == CANCEL_NEWEST:
                outcome.cancelled, outcome.reason = taker.lots, SELF_TRADE
                return outcome
            lots = min(maker.lots, taker.lots)
            outcome.trades.append(Trade(maker.order, taker.order, price, lots))
            maker.lots -= lots
            taker.lots -= lots
            if maker.lots == 0:
                self._remove(maker)
        if taker.lots and rests:
            self._rest(taker)
            outcome.rested = taker.lots
        elif taker.lots:
            outcome.cancelled, outcome.reason = taker.lots, NOT_FILLED
        return outcome

    # --- the two lists ---

    def _rest(self, order: Order) -> None:
        queues = self.queues[order.side]
        if order.price not in queues:
            queues[order.price] = deque()
            insort(self.prices[order.side], order.price)
        queues[order.price].append(order)
        self.orders[order.order] = order

    def _remove(self, order: Order) -> Order:
        queue = self.queues[order.side][order.price]
        for at, waiting in enumerate(queue):
            if waiting.order == order.order:
                del queue[at]
                break
        if not queue:
            del self.queues[order.side][order.price]
            prices = self.prices[order.side]
            del prices[bisect_left(prices, order.price)]
        return self.orders.pop(order.order)


def trade_hash(trades: list[Trade], start: int = FNV_OFFSET) -> int:
    """Order-dependent hash over maker, taker, price, lots of every trade, 64 bits."""
    value = start
    for trade in trades:
        for number in (trade.maker, trade.taker, trade.price, trade.lots):
            value = ((value ^ number) * FNV_PRIME) & WORD
    return value
