"""A price-time order book in plain Python: sorted lists of prices, a queue of orders at each.

Responsible for: restating the matching rules of one market (limit, market, IOC, FOK, minimum, post-only, cancel, amend, the four
modes of self-trade prevention, the auction) so that the engine can be compared with it. Never knows money, margin or time, and never imports the engine.
Refusals carry the engine's names. Sides are 0 bid and 1 ask, prices are ticks, quantities lots.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

BID, ASK = 0, 1
LIMIT, MARKET = 0, 1
GTC, IOC, FOK = 0, 1, 2
PREVENTED, ALLOWED = 0, 1
"""Of the market."""
CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, DECREMENT = 0, 1, 2, 3
"""Of the incoming order, where the market prevents."""

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
    mode: int = CANCEL_NEWEST


@dataclass(frozen=True)
class Trade:
    """One execution at the maker's price."""

    maker: int
    taker: int
    price: int
    lots: int


@dataclass
class Outcome:
    """What one instruction did. `refused` names the rule and then nothing else happened.

    `ended` are resting orders of the same owner that were cancelled on the way (order, lots left), `shrunk` every order that
    lost lots to one of its owner and lives on, and the incoming one in any case: order, lots lost, lots left.
    """

    refused: str | None = None
    trades: list[Trade] = field(default_factory=list)
    rested: int = 0
    cancelled: int = 0
    reason: int | None = None
    kept_priority: bool | None = None
    ended: list[tuple[int, int]] = field(default_factory=list)
    shrunk: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Auction:
    """One price for all: 0 and nothing where no bid reaches an ask. `surplus` is lots without a counterpart, bids positive."""

    price: int = 0
    lots: int = 0
    surplus: int = 0
    trades: tuple[Trade, ...] = ()
    """Bid order, ask order, price, lots."""


class Book:
    """One market. Each side is a sorted list of prices and, at each price, a queue whose head has waited longest."""

    def __init__(self, self_trade: int = PREVENTED) -> None:
        self.self_trade = self_trade
        self.prices: tuple[list[int], list[int]] = ([], [])
        self.queues: tuple[dict[int, deque[Order]], dict[int, deque[Order]]] = ({}, {})
        self.orders: dict[int, Order] = {}
        self.calling = False
        """Orders gather for an auction."""

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
        mode: int = CANCEL_NEWEST,
        minimum: int = 0,
    ) -> Outcome:
        """A new order. For a market order `price` is the worst price it accepts (the collar)."""
        newcomer = Order(order, owner, side, price, lots, post_only, mode)
        refused = self._refusal(newcomer, kind, time_in_force, minimum)
        if refused:
            return Outcome(refused=refused)
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
        moved = Order(order, old.owner, old.side, price, lots, old.post_only, old.mode)
        return self._enter(moved, Outcome(kept_priority=False), rests=True)

    def uncross(self, index: int) -> Auction:
        """Ends a call: trades at the auction's price, both sides in price-time order, and opens.

        Of all prices from the best ask to the best bid those with the largest volume, of these those with the smallest surplus;
        then the highest if bids are left over at all of them, the lowest if asks are, else the one nearest to the index.
        """
        self.calling = False
        bid, ask = self.best(BID), self.best(ASK)
        if bid is None or ask is None or bid < ask:
            return Auction()

        def sides(price: int) -> tuple[int, int]:
            wanted = sum(order.lots for order in self.queue(BID) if order.price >= price)
            return wanted, sum(order.lots for order in self.queue(ASK) if order.price <= price)

        at = {price: sides(price) for price in range(ask, bid + 1)}
        volume = max(min(both) for both in at.values())
        least = min(abs(b - a) for b, a in at.values() if min(b, a) == volume)
        tied = [price for price, (b, a) in at.items() if min(b, a) == volume and abs(b - a) == least]
        if all(at[price][BID] > at[price][ASK] for price in tied):
            price = max(tied)
        elif all(at[price][BID] < at[price][ASK] for price in tied):
            price = min(tied)
        else:
            price = min(tied, key=lambda tick: (abs(tick - index), tick))
        trades, left = [], volume
        while left:
            buyer, seller = self.queue(BID)[0], self.queue(ASK)[0]
            lots = min(buyer.lots, seller.lots, left)
            trades.append(Trade(buyer.order, seller.order, price, lots))
            left -= lots
            for order in (buyer, seller):
                order.lots -= lots
                if not order.lots:
                    self._remove(order)
        return Auction(price, volume, at[price][BID] - at[price][ASK], tuple(trades))

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

    def _refusal(self, order: Order, kind: int, time_in_force: int, minimum: int) -> str | None:
        """The first rule that a new order breaks."""
        if order.price <= 0:
            return "price_must_be_positive"
        if order.lots <= 0:
            return "lots_must_be_positive"
        if order.post_only and (kind == MARKET or time_in_force != GTC):
            return "post_only_must_rest"
        if kind == MARKET and time_in_force == GTC:
            return "market_order_must_not_rest"
        if minimum > order.lots or (minimum and order.post_only):
            return "minimum_must_fill_at_once"
        if self.calling and (time_in_force != GTC or order.post_only or minimum):
            return "auction_takes_only_resting_orders"
        if order.post_only and self._crosses(order.side, order.price):
            return "post_only_must_not_take"
        found = self._fillable(order)
        if time_in_force == FOK and found < order.lots:
            return "fill_or_kill_must_fill"
        if found < minimum:
            return "minimum_must_fill_at_once"
        if kind == MARKET and not found:
            return "market_order_needs_a_book"
        return None

    def _crosses(self, side: int, price: int) -> bool:
        """Whether an order at `price` would meet the other side."""
        other = self.best(1 - side)
        return other is not None and (price >= other if side == BID else price <= other)

    def _is_own(self, maker: Order, taker: Order) -> bool:
        """Whether the two may not trade with each other."""
        return maker.owner == taker.owner and self.self_trade == PREVENTED

    def _fillable(self, taker: Order) -> int:
        """Lots that would trade before the limit or the end of the book, with what meeting its owner's orders costs it."""
        found, wanted = 0, taker.lots
        for maker in self.queue(1 - taker.side):
            beyond = maker.price > taker.price if taker.side == BID else maker.price < taker.price
            if beyond or found >= wanted:
                break
            if not self._is_own(maker, taker):
                found += min(maker.lots, wanted - found)
            elif taker.mode in (CANCEL_NEWEST, CANCEL_BOTH):
                break
            elif taker.mode == DECREMENT:
                wanted -= min(maker.lots, wanted - found)
        return found

    def _enter(self, taker: Order, outcome: Outcome, *, rests: bool) -> Outcome:
        """Trades with the other side in price-time order; what remains rests or is cancelled."""
        for maker in self.queue(1 - taker.side) if self.calling else ():
            beyond = maker.price > taker.price if taker.side == BID else maker.price < taker.price
            if (
                taker.lots
                and not beyond
                and self._is_own(maker, taker)
                and not self._prevent(maker, taker, outcome)
            ):
                outcome.cancelled, outcome.reason = taker.lots, SELF_TRADE
                return outcome
        while not self.calling and taker.lots and self._crosses(taker.side, taker.price):
            price = self.best(1 - taker.side)
            assert price is not None
            maker = self.queues[1 - taker.side][price][0]
            if self._is_own(maker, taker):
                if self._prevent(maker, taker, outcome):
                    continue
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

    def _prevent(self, maker: Order, taker: Order, outcome: Outcome) -> bool:
        """Two orders of one owner meet; whether the incoming one goes on."""
        if taker.mode in (CANCEL_OLDEST, CANCEL_BOTH):
            outcome.ended.append((maker.order, self._remove(maker).lots))
        if taker.mode != DECREMENT:
            return taker.mode == CANCEL_OLDEST
        lots = min(maker.lots, taker.lots)
        taker.lots -= lots
        if lots == maker.lots:
            outcome.ended.append((maker.order, self._remove(maker).lots))
        else:
            maker.lots -= lots
            outcome.shrunk.append((maker.order, lots, maker.lots))
        outcome.shrunk.append((taker.order, lots, taker.lots))
        return True

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
