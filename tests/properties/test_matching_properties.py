"""What price-time matching promises, on the plain Python reference: a pinned flow, a second matcher, and its invariants.

The flow is seeded and made by `flow` below; the second opinion is a list that is sorted before every trade. Each
property runs CASES generated sequences of up to 60 instructions on a market of nine prices, so that orders meet.
"""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.matching import (
    ALLOWED,
    ASK,
    BID,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    NOT_FILLED,
    PREVENTED,
    SELF_TRADE,
    Book,
    Trade,
    trade_hash,
)

CASES = 300
some_cases = settings(max_examples=CASES, deadline=None)


# --- A seeded flow and its hash ---------------------------------------------------------------------------------------


def flow(seed, count):
    """Instructions (what, order, owner, side, price, lots) around a price that drifts: adds, takers, cancels, moves."""
    draw = Random(seed).random
    middle, live = 1_000, []
    for order in range(1, count + 1):
        side, dice = int(draw() * 2), draw()
        away = int(draw() * draw() * 40) - 3
        price = middle - away if side == BID else middle + away
        row = (order, int(draw() * 20), side, price, 1 + int(draw() * draw() * 50))
        if dice < 0.5 or not live:
            live.append(order)
            yield ("add", *row)
        elif dice < 0.65:
            yield ("take", *row)
        else:
            target = live[int(draw() * len(live))]
            yield ("cancel" if dice < 0.8 else "move", target, *row[1:])
        middle += (draw() < 0.1) - (draw() < 0.1)


def matched(seed, count):
    book, trades = Book(ALLOWED), []
    for what, order, owner, side, price, lots in flow(seed, count):
        if what == "add":
            outcome = book.place(order, owner, side, price, lots)
        elif what == "take":
            outcome = book.place(order, owner, side, price, lots, time_in_force=IOC)
        elif what == "cancel":
            outcome = book.cancel(order)
        else:
            outcome = book.amend(order, price)
        trades += outcome.trades
    return trades, book


def matched_by_sorting(seed, count):
    """The same flow on a plain list of [price, arrival, order, side, lots], sorted before each trade."""
    resting, trades = [], []
    for arrival, (what, order, _, side, price, lots) in enumerate(flow(seed, count)):
        row = [price, arrival, order, side, lots]
        if what in ("cancel", "move"):
            old = next((r for r in resting if r[2] == order), None)
            if old is None or (what == "move" and old[0] == price):
                continue
            resting.remove(old)
            if what == "cancel":
                continue
            row[3:] = old[3:]
        while row[4]:
            others = [r for r in resting if r[3] != row[3]]
            within = [r for r in others if (r[0] <= price if row[3] == BID else r[0] >= price)]
            if not within:
                break
            best = min(within, key=lambda r: (r[0] if r[3] == ASK else -r[0], r[1]))
            size = min(best[4], row[4])
            trades.append(Trade(best[2], order, best[0], size))
            row[4] -= size
            best[4] -= size
            if not best[4]:
                resting.remove(best)
        if row[4] and what != "take":
            resting.append(row)
    return trades, resting


@pytest.mark.parametrize("seed", range(5))
def test_the_flow_trades_as_a_second_matcher_says(seed):
    trades, book = matched(seed, 1_500)
    expected, resting = matched_by_sorting(seed, 1_500)
    assert trades == expected
    assert len(trades) > 300
    assert {order.order: order.lots for side in (BID, ASK) for order in book.queue(side)} == {
        r[2]: r[4] for r in resting
    }


PINNED_TOTALS = (1713, 11678, 682)  # trades, lots, orders left
PINNED_HASH = "6eef10b8e4b5b975"


def test_the_trade_hash_of_the_flow_is_pinned():
    trades, book = matched(20_260_101, 5_000)
    assert (len(trades), sum(trade.lots for trade in trades), len(book.orders)) == PINNED_TOTALS
    assert f"{trade_hash(trades):016x}" == PINNED_HASH
    assert trade_hash(trades[::-1]) != trade_hash(trades)


# --- Rules one by one -------------------------------------------------------------------------------------------------


def book_of(*rows, self_trade=PREVENTED):
    """Resting orders (order, owner, side, price, lots)."""
    book = Book(self_trade)
    for row in rows:
        assert book.place(*row).refused is None
    return book


def test_time_decides_at_one_price_and_the_maker_sets_it():
    book = book_of((1, 1, ASK, 101, 5), (2, 2, ASK, 100, 5), (3, 3, ASK, 100, 5))
    trades = book.place(9, 9, BID, 105, 12).trades
    assert trades == [Trade(2, 9, 100, 5), Trade(3, 9, 100, 5), Trade(1, 9, 101, 2)]


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        ({"price": 0}, "price_must_be_positive"),
        ({"lots": 0}, "lots_must_be_positive"),
        ({"post_only": True}, "post_only_must_not_take"),
        ({"post_only": True, "time_in_force": IOC}, "post_only_must_rest"),
        ({"kind": MARKET}, "market_order_must_not_rest"),
        ({"kind": MARKET, "time_in_force": IOC, "price": 99}, "market_order_needs_a_book"),
        ({"time_in_force": FOK, "lots": 11}, "fill_or_kill_must_fill"),
        ({"time_in_force": FOK, "price": 100, "lots": 6}, "fill_or_kill_must_fill"),
        ({"time_in_force": FOK, "owner": 2, "lots": 6}, "fill_or_kill_must_fill"),
    ],
)
def test_refusals_change_nothing(order, refusal):
    book = book_of((1, 1, ASK, 100, 5), (2, 2, ASK, 101, 5))
    before = book.levels(ASK)
    outcome = book.place(**{"order": 9, "owner": 9, "side": BID, "price": 101, "lots": 5} | order)
    assert (outcome.refused, outcome.trades, book.levels(ASK), book.levels(BID)) == (refusal, [], before, [])


def test_what_immediate_orders_do_with_the_rest():
    book = book_of((1, 1, ASK, 100, 5), (2, 2, ASK, 101, 5))
    outcome = book.place(9, 9, BID, 100, 8, time_in_force=IOC)
    assert (outcome.cancelled, outcome.reason, book.best(BID), book.best(ASK)) == (3, NOT_FILLED, None, 101)
    outcome = book.place(10, 9, BID, 101, 5, kind=MARKET, time_in_force=FOK)
    assert (outcome.cancelled, outcome.reason, book.best(ASK)) == (0, None, None)


@pytest.mark.parametrize(("self_trade", "traded", "left"), [(PREVENTED, 3, 7), (ALLOWED, 8, 0)])
def test_an_owner_does_not_trade_with_himself(self_trade, traded, left):
    book = book_of((1, 1, ASK, 100, 3), (2, 9, ASK, 100, 5), (3, 3, ASK, 102, 5), self_trade=self_trade)
    outcome = book.place(9, 9, BID, 101, 10)
    assert sum(trade.lots for trade in outcome.trades) == traded
    assert (outcome.cancelled, outcome.reason) == ((left, SELF_TRADE) if left else (0, None))
    assert (2 in book.orders) == bool(left)


@pytest.mark.parametrize(
    ("price", "lots", "first", "kept"),
    [
        (0, 3, 1, True),
        (0, 6, 2, False),
        (99, 0, 2, False),
        (101, 0, 1, False),
        (100, 4, 1, True),
        (101, 2, 1, False),
    ],
)
def test_only_a_smaller_size_keeps_its_place(price, lots, first, kept):
    book = book_of((1, 1, BID, 100, 5), (2, 2, BID, 100, 5))
    outcome = book.amend(1, price, lots)
    assert (outcome.kept_priority, book.queue(BID)[0].order) == (kept, first)
    assert book.orders[1].lots == (lots or 5)


def test_amendments_that_are_refused():
    book = book_of((1, 1, ASK, 101, 5), (2, 2, BID, 99, 5))
    book.place(3, 3, BID, 100, 5, post_only=True)
    assert book.amend(4).refused == "order_must_exist"
    assert book.amend(2, 99, 5).refused == "amend_must_change_something"
    assert book.amend(3, 101).refused == "post_only_must_not_take"
    assert book.orders[3].price == 100
    assert book.amend(2, 101).trades == [Trade(1, 2, 101, 5)]


# --- What must hold after any instructions ----------------------------------------------------------------------------

instruction = st.tuples(
    st.sampled_from(("place", "place", "place", "cancel", "amend")),
    st.integers(1, 40),  # target of cancel and amend
    st.integers(1, 4),  # owner
    st.sampled_from((BID, ASK)),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(((LIMIT, GTC, False), (LIMIT, GTC, True), (LIMIT, IOC, False), (LIMIT, FOK, False), (MARKET, IOC, False))),
)  # fmt: skip


def apply(book, number, step):
    what, target, owner, side, price, lots, (kind, time_in_force, post_only) = step
    if what == "place":
        return book.place(number, owner, side, price, lots, kind, time_in_force, post_only), number
    if what == "cancel":
        return book.cancel(target), target
    return book.amend(target, price, lots), target


@some_cases
@given(st.lists(instruction, max_size=60), st.sampled_from((PREVENTED, ALLOWED)))
def test_lots_are_conserved_and_the_book_never_stays_crossed(steps, self_trade):
    book, due = Book(self_trade), Counter()
    for number, step in enumerate(steps, 1):
        before = {order: resting.lots for order, resting in book.orders.items()}
        outcome, order = apply(book, number, step)
        if outcome.refused:
            assert {o: r.lots for o, r in book.orders.items()} == before
            continue
        if step[0] != "cancel":
            due[order] = step[5]
        for trade in outcome.trades:
            assert trade.lots > 0
            due[trade.maker] -= trade.lots
            due[trade.taker] -= trade.lots
        due[order] -= outcome.cancelled
        assert {o: r.lots for o, r in book.orders.items()} == {o: lots for o, lots in due.items() if lots}
        assert min(due.values(), default=0) >= 0
        bid, ask = book.best(BID), book.best(ASK)
        assert bid is None or ask is None or bid < ask
        for side in (BID, ASK):
            assert sorted(book.prices[side]) == book.prices[side] == sorted(book.queues[side])
            assert all(book.queues[side].values())


@some_cases
@given(st.lists(instruction, max_size=60), st.sampled_from((PREVENTED, ALLOWED)))
def test_trades_take_the_queue_from_its_head_inside_the_limit(steps, self_trade):
    book = Book(self_trade)
    owners = {}
    for number, step in enumerate(steps, 1):
        queues = {side: [(o.order, o.price, o.lots) for o in book.queue(side)] for side in (BID, ASK)}
        sides = {o.order: o.side for o in book.orders.values()}
        outcome, order = apply(book, number, step)
        if step[0] == "place":
            owners[number], sides[number] = step[2], step[3]
        if not outcome.trades:
            continue
        side, limit = sides[order], step[4]
        assert all(t.price <= limit if side == BID else t.price >= limit for t in outcome.trades)
        head = queues[1 - side][: len(outcome.trades)]
        assert [(t.maker, t.price) for t in outcome.trades] == [(o, p) for o, p, _ in head]
        assert all(t.lots == lots for t, (_, _, lots) in zip(outcome.trades[:-1], head, strict=False))
        if self_trade == PREVENTED:
            assert all(owners[t.maker] != owners[t.taker] for t in outcome.trades)


@some_cases
@given(st.lists(instruction, max_size=60))
def test_fill_or_kill_fills_in_whole_or_not_at_all_and_nothing_immediate_rests(steps):
    book = Book()
    for number, step in enumerate(steps, 1):
        outcome, _ = apply(book, number, step)
        if step[0] != "place" or outcome.refused:
            continue
        kind, time_in_force, post_only = step[6]
        if time_in_force == FOK:
            assert sum(t.lots for t in outcome.trades) == step[5]
        assert kind == LIMIT or outcome.trades or outcome.reason == SELF_TRADE
        assert time_in_force == GTC or number not in book.orders
        assert not (post_only and outcome.trades)
