"""The engine's matching equals the plain Python reference: fills, what rests in which order, what is cancelled and why.

Random streams of limit, market, IOC, FOK and post-only orders, with minimum quantities and every mode of self-trade prevention,
amendments and cancellations by accounts of three owners run on a perp and on a spot market, both with self-trade prevention and one
with self-trades allowed, in continuous trading and in calls that end in auctions; everybody is rich enough
that money decides nothing. After every command the events and both sides of the book are compared.

SEEDS streams of COMMANDS commands on each market; NOVATE_LONG=1 runs twenty times as many streams.
"""

import os
import sys
from collections import Counter
from random import Random

import pytest

from novate._core import Engine
from novate.messages import (
    AmendOrder,
    AuctionUncrossed,
    CancelOrder,
    Command,
    CommandRefused,
    EventMessage,
    Flags,
    ListMarket,
    MarketPhase,
    OrderAmended,
    OrderCancelled,
    OrderDecremented,
    OrderFilled,
    OrderKind,
    OrderPlaced,
    PlaceOrder,
    PlaceOrderFull,
    SelfTradeMode,
    SetMarketPhase,
    Side,
    TimeInForce,
    reports,
    rule,
)
from novate.messages.reports import orders
from reference.matching import SELF_TRADE, Book, Outcome, Trade
from venues import PERP, SPOT, open_plain_venue

SEEDS = 4 * (20 if os.environ.get("NOVATE_LONG") else 1)
COMMANDS = 1_500
LEAST = 15_000
INDEX = 10_000
"""Ticks; orders lie within a few ticks of it, so that they meet."""
OWNERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3}
"""Owner by account."""
seen: Counter[str] = Counter()


class Both:
    """The engine and the reference book side by side. Order ids are the engine's."""

    def __init__(self, market: ListMarket) -> None:
        self.market = market.market
        self.venue = open_plain_venue(OWNERS)
        self.book = Book(market.self_trade)
        self.account: dict[int, int] = {}
        """Account by order."""

    @property
    def engine(self) -> Engine:
        """For questions."""
        return self.venue.engine

    def place(self, account: int, order: PlaceOrder | PlaceOrderFull, limit: int) -> None:
        """A new order; `limit` is the worst price it accepts."""
        events = self.venue.send(order, account)
        placed = [event.body for event in events if isinstance(event.body, OrderPlaced)]
        number = placed[0].order if placed else 0
        self.account[number] = account
        mode, minimum = (
            (order.self_trade, order.min_lots)
            if isinstance(order, PlaceOrderFull)
            else (SelfTradeMode.CANCEL_NEWEST, 0)
        )
        outcome = self.book.place(
            number, OWNERS[account], order.side, limit, order.lots, order.kind, order.time_in_force,
            bool(order.flags & Flags.POST_ONLY), mode, minimum,
        )  # fmt: skip
        self.compare(order, events, outcome, number)

    def amend(self, order: int, price: int, lots: int) -> None:
        """Another price or size."""
        command = AmendOrder(order=order, price=price, lots=lots)
        self.compare(
            command, self.venue.send(command, self.account[order]), self.book.amend(order, price, lots), order
        )

    def cancel(self, order: int) -> None:
        """Takes an order out, if it is still there."""
        command = CancelOrder(order=order)
        self.compare(command, self.venue.send(command, self.account[order]), self.book.cancel(order), order)

    def call(self) -> None:
        """Orders gather from here on."""
        self.venue.must(SetMarketPhase(market=self.market, phase=MarketPhase.CALL))
        self.book.calling = True

    def uncross(self) -> None:
        """The auction: its price, volume and surplus, and every fill in its order."""
        bodies = [e.body for e in self.venue.must(SetMarketPhase(market=self.market, phase=MarketPhase.OPEN))]
        expected = self.book.uncross(INDEX)
        told = [(b.price, b.lots, b.surplus) for b in bodies if isinstance(b, AuctionUncrossed)]
        assert told == [(expected.price, expected.lots, expected.surplus)]
        sides = [body for body in bodies if isinstance(body, OrderFilled)]
        trades = []
        for bid, ask in zip(sides[::2], sides[1::2], strict=True):
            assert (bid.side, ask.side, bid.trade) == (Side.BID, Side.ASK, ask.trade)
            assert (
                (bid.price, bid.lots, bid.maker)
                == (ask.price, ask.lots, ask.maker)
                == (ask.price, ask.lots, 1)
            )
            trades.append(Trade(bid.order, ask.order, bid.price, bid.lots))
        assert trades == list(expected.trades)
        self.compare_books()
        seen["auctions"] += 1
        seen["auction fills"] += len(trades)
        seen["auctions with a surplus"] += bool(expected.surplus)

    def compare_books(self) -> None:
        """Both sides, from the best price outwards."""
        book = reports.book(self.engine, self.market, 1_000)
        assert [tuple(level) for level in book.bids] == self.book.levels(Side.BID)
        assert [tuple(level) for level in book.asks] == self.book.levels(Side.ASK)

    def compare(self, command: Command, events: list[EventMessage], outcome: Outcome, order: int) -> None:
        """What both said about a command, and what their books look like after it."""
        bodies = [event.body for event in events]
        refused = [rule(body.code).name for body in bodies if isinstance(body, CommandRefused)]
        assert refused == ([outcome.refused] if outcome.refused else []), command
        assert fills(bodies) == outcome.trades, command
        ended = [(b.order, b.lots, b.reason) for b in bodies if isinstance(b, OrderCancelled)]
        own = [(number, lots, SELF_TRADE) for number, lots in outcome.ended]
        assert ended == own + ([(order, outcome.cancelled, outcome.reason)] if outcome.cancelled else []), (
            command
        )
        shrunk = [(b.order, b.lots, b.leaves) for b in bodies if isinstance(b, OrderDecremented)]
        assert shrunk == outcome.shrunk, command
        kept = [bool(body.kept_priority) for body in bodies if isinstance(body, OrderAmended)]
        assert kept == ([outcome.kept_priority] if outcome.kept_priority is not None else []), command
        self.compare_books()
        seen[type(command).__name__] += 1
        seen["fills"] += len(outcome.trades)
        seen[outcome.refused or "accepted"] += 1
        seen[f"cancelled {outcome.reason}"] += 1
        seen["own orders ended"] += len(outcome.ended)
        seen["orders shrunk"] += len(outcome.shrunk)

    def compare_orders(self) -> None:
        """Every resting order's price and size, and the queues: who trades first at each price."""
        resting = {}
        for account in OWNERS:
            for line in reports.account(self.engine, account).orders:
                resting[line.order] = (line.side, line.price, line.leaves)
        assert resting == {o.order: (o.side, o.price, o.lots) for o in self.book.orders.values()}
        queues = [
            (o.order, o.side, o.price, o.lots)
            for side in Side
            for price, _ in self.book.levels(side)
            for o in self.book.queues[side][price]
        ]
        page = orders.resting(self.engine, self.market, limit=7)
        lines = [*page.orders]
        while page.next:
            page = orders.resting(self.engine, self.market, after=page.next, limit=7)
            lines += page.orders
        assert [tuple(line) for line in lines] == queues
        assert page.resting == len(queues)


def fills(bodies: list[object]) -> list[Trade]:
    """Trades from the two events of each: the maker's comes first."""
    sides = [body for body in bodies if isinstance(body, OrderFilled)]
    trades = []
    for maker, taker in zip(sides[::2], sides[1::2], strict=True):
        assert (maker.maker, taker.maker, maker.trade) == (1, 0, taker.trade)
        assert (maker.price, maker.lots, maker.side) == (taker.price, taker.lots, 1 - taker.side)
        trades.append(Trade(maker.order, taker.order, maker.price, maker.lots))
    return trades


def random_order(random: Random, market: int) -> tuple[PlaceOrder | PlaceOrderFull, int]:
    """An order near the index, in its short or its full form, and the worst price it accepts."""
    side, kind, force, flags = random.choice(list(Side)), OrderKind.LIMIT, TimeInForce.GTC, Flags.NONE
    dice = random.random()
    if dice < 0.15:
        flags = Flags.POST_ONLY
    elif dice < 0.45:
        kind, force = random.choice(list(OrderKind)), random.choice((TimeInForce.IOC, TimeInForce.FOK))
    price, lots = INDEX + random.randint(-6, 6), random.choice((1, 2, 5, 20, random.randint(1, 60)))
    said = {"market": market, "side": side, "kind": kind, "time_in_force": force, "flags": flags}
    if random.random() < 0.5:
        return PlaceOrder(**said, price=price, lots=lots), price
    minimum = random.choice((0, 0, 0, 1, random.randint(1, lots), lots + 1))
    mode = random.choice(list(SelfTradeMode))
    return PlaceOrderFull(**said, price=price, lots=lots, min_lots=minimum, self_trade=mode), price


def step(both: Both, random: Random) -> None:
    """One random command."""
    dice = random.random()
    live, known = list(both.book.orders), list(both.account)
    if dice < 0.15 and known:
        both.cancel(random.choice(live if live and random.random() < 0.9 else [n for n in known if n] or [1]))
    elif dice < 0.3 and live:
        order = random.choice(live)
        resting = both.book.orders[order]
        price = random.choice((0, 0, resting.price, INDEX + random.randint(-6, 6)))
        both.amend(order, price, random.choice((0, 0, random.randint(1, resting.lots), resting.lots + 5)))
    else:
        both.place(random.choice(list(OWNERS)), *random_order(random, both.market))


@pytest.mark.parametrize("market", [*PERP, *SPOT], ids=lambda market: market.name)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_engine_and_reference_match_the_same_stream(seed: int, market: ListMarket) -> None:
    both, random = Both(market), Random(seed)
    for number in range(COMMANDS):
        step(both, random)
        if number % 60 == 30:
            both.call()
        if number % 60 == 55:
            both.uncross()
        if number % 50 == 0:
            both.compare_orders()
    both.compare_orders()
    assert all(difference == 0 for _, difference in both.engine.conservation())


def test_the_streams_reached_everything() -> None:
    """Runs after the streams, which it needs."""
    sys.stdout.write(f"\ncompared with the reference: {dict(seen)}\n")
    commands = ("PlaceOrder", "PlaceOrderFull", "AmendOrder", "CancelOrder")
    assert sum(seen[command] for command in commands) >= LEAST
    for what in ("fills", "cancelled 1", "cancelled 2", "post_only_must_not_take", "fill_or_kill_must_fill",
                 "minimum_must_fill_at_once", "own orders ended", "auction fills", "auctions with a surplus",
                 "auction_takes_only_resting_orders", "orders shrunk", "market_order_needs_a_book", "amend_must_change_something", "order_must_exist"):  # fmt: skip
        assert seen[what] >= 20, what
