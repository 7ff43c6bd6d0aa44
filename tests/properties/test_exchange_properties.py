"""Any stream of orders: cash and shares are conserved, nothing shown is below zero, no order gets more or worse than it asked for, and a
day's statement is the sum of what was told."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers import BEST, CENT, DOLLAR, MICRO, OPEN_NS, SECOND, THURSDAY, at
from novate.broker import AskOrder, Cancelled, CancelOrder, Filled, NewOrder, Rejected, ReplaceOrder
from novate.broker.acts import Bust, Correct, FailSettlement, Halt
from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.displayed import Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.faults import MILD, Fault, Plan
from novate.broker.port import Busted, Corrected
from novate.broker.tape import Depth, Print, generated
from novate.errors import MessageError
from novate.messages.codes import Side

BROKERS = ("alpha", "beta")
SYMBOLS = ("ACME", "OTHR")
CASH = 1_000_000 * MICRO
HELD = 1_000 * SHARE
WRONG = (Fault.OVERFILL, Fault.WRONG_SYMBOL, Fault.WRONG_SIDE, Fault.LATE_FILL)
"""Faults by which a broker trades what was not asked for."""

orders = st.builds(
    lambda symbol, side, shares, cents, dollars, whole: NewOrder(
        order="-",
        symbol=symbol,
        side=side,
        shares=shares // SHARE * SHARE or SHARE if whole else shares,
        dollars=dollars if side == Side.BID else 0,
        limit=100 * DOLLAR + cents * CENT,
        whole=whole,
    ),
    st.sampled_from(SYMBOLS),
    st.sampled_from(list(Side)),
    st.one_of(st.integers(1, 20), st.integers(1, 3 * BEST), st.just(100 * SHARE)),
    st.integers(-60, 60),
    st.one_of(st.just(0), st.integers(1, 100_000 * MICRO)),
    st.booleans(),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.sampled_from(BROKERS), orders),
        st.tuples(st.just("new"), st.just("alpha"), orders),
        st.tuples(st.just("new"), st.just("beta"), orders),
        st.tuples(st.sampled_from(["cancel", "ask", "bust", "correct", "fail"]), st.sampled_from(BROKERS), st.integers(0, 30)),
        st.tuples(st.just("replace"), st.sampled_from(BROKERS), st.tuples(st.integers(0, 30), st.integers(1, 500 * SHARE), st.integers(-60, 60))),
        st.tuples(st.just("wait"), st.just("alpha"), st.sampled_from([1, 30, 90, 3600, 20_000, 90_000])),
        st.tuples(st.just("halt"), st.sampled_from(SYMBOLS), st.sampled_from([30, 600])),
    ),
    min_size=10,
    max_size=40,
)  # fmt: skip
impacts = st.sampled_from([0, 500, 1000, 2000]).map(Impact)


def an_exchange(impact: Impact, seed: int, faults: tuple[Fault, ...]) -> Exchange:
    end_ns = at(THURSDAY + timedelta(days=12), 0)
    tapes = [
        generated(
            symbol,
            start_ns=at(THURSDAY, 4),
            end_ns=end_ns,
            seed=seed + number,
            step_ns=30 * SECOND,
            step_ppm=100,
            depth=Depth(best=60 * SHARE, levels=4),
        )
        for number, symbol in enumerate(SYMBOLS)
    ]
    opening = Opening(cash=CASH, shares=dict.fromkeys(SYMBOLS, HELD))
    plan = Plan(seed=seed, per_mille=400, drawn=faults)
    return Exchange(
        tapes, dict.fromkeys(BROKERS, opening), start_ns=OPEN_NS, terms=Terms(impact=impact), plan=plan
    )


class World:
    """An exchange, what was sent, and how a step is done to it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.sent: dict[str, list[NewOrder]] = {broker: [] for broker in BROKERS}

    def do(self, step) -> None:
        kind, who, what = step
        now = self.exchange.time_ns
        match kind:
            case "new":
                mine = self.sent[who]
                said = NewOrder(
                    **{name: getattr(what, name) for name in what.__struct_fields__}
                    | {"order": f"o-{len(mine)}"}
                )
                mine.append(said)
                self.exchange.say(who, said, now)
            case "cancel":
                self.exchange.say(who, CancelOrder(order=f"o-{what}"), now)
            case "ask":
                self.exchange.say(who, AskOrder(order=f"o-{what}"), now)
            case "replace":
                number, shares, cents = what
                limit = 100 * DOLLAR + cents * CENT
                self.exchange.say(who, ReplaceOrder(order=f"o-{number}", shares=shares, limit=limit), now)
            case "wait":
                self.exchange.advance(now + what * SECOND)
            case "halt":
                self.exchange.act("alpha", Halt(symbol=who, until_ns=now + what * SECOND), now)
            case _:
                self._touch(kind, who, what)

    def _touch(self, kind: str, broker: str, what: int) -> None:
        """Something happens to one of the last executions."""
        executions = list(self.exchange.desks[broker].custody.executions)
        if not executions:
            return
        name = executions[what % len(executions)]
        trade = self.exchange.desks[broker].custody.executions[name].trade
        act = {
            "bust": Bust(execution=name),
            "correct": Correct(execution=name, shares=max(trade.shares - 1, 1), price=trade.price + CENT),
            "fail": FailSettlement(execution=name),
        }[kind]
        try:
            self.exchange.act(broker, act, self.exchange.time_ns)
        except MessageError:
            assert self.exchange.desks[broker].custody.executions[name].busted


def told(exchange: Exchange, broker: str) -> list:
    return [one.report for one in exchange.reports(broker).behind(0)]


def standing(exchange: Exchange, broker: str) -> dict[str, tuple]:
    """(symbol, signed shares, signed micro-dollars) of each execution, from reports alone."""
    found: dict[str, Filled] = {}
    for report in told(exchange, broker):
        match report:
            case Filled():
                found.setdefault(report.execution, report)
            case Busted():
                found.pop(report.execution, None)
            case Corrected() if report.execution in found:
                old = found[report.execution]
                fields = {name: getattr(old, name) for name in old.__struct_fields__}
                found[report.execution] = Filled(**fields | {"shares": report.shares, "price": report.price})
    return {name: signed(fill) for name, fill in found.items()}


def signed(fill: Filled) -> tuple[str, int, int]:
    value = fill.shares * fill.price
    if fill.side == Side.BID:
        return fill.symbol, fill.shares, -value // 10**12 - fill.fee
    return fill.symbol, -fill.shares, value // 10**12 - fill.fee


def check_books(exchange: Exchange) -> None:
    """What the broker's books hold is what they opened with and what was told."""
    for broker in BROKERS:
        custody = exchange.desks[broker].custody
        moved = standing(exchange, broker).values()
        assert custody.cash() == CASH + sum(cash for _, _, cash in moved)
        for symbol in SYMBOLS:
            assert custody.shares(symbol) == HELD + sum(shares for name, shares, _ in moved if name == symbol)


def check_market(exchange: Exchange) -> None:
    """No level is empty or below zero, sides are in order and do not cross, no slot is overdrawn."""
    for symbol in SYMBOLS:
        book = exchange.book(symbol)
        assert all(level.shares > 0 for level in (*book.bids, *book.asks))
        assert [level.price for level in book.bids] == sorted(
            {level.price for level in book.bids}, reverse=True
        )
        assert [level.price for level in book.asks] == sorted({level.price for level in book.asks})
        if book.bids and book.asks:
            assert book.bids[0].price < book.asks[0].price
        for side in (exchange.stocks[symbol].shown.bids, exchange.stocks[symbol].shown.asks):
            assert all(0 <= taken <= size for taken, size in zip(side.taken, side.sizes, strict=True))


@settings(max_examples=60)
@given(steps, impacts, st.integers(0, 99))
def test_cash_and_shares_are_conserved_whatever_goes_wrong(stream, impact, seed):
    world = World(an_exchange(impact, seed, MILD))
    for step in stream:
        world.do(step)
        check_books(world.exchange)
        check_market(world.exchange)


@settings(max_examples=60)
@given(steps, impacts, st.integers(0, 99))
def test_no_order_gets_more_or_worse_than_it_asked_for(stream, impact, seed):
    world = World(an_exchange(impact, seed, tuple(fault for fault in MILD if fault not in WRONG)))
    for step in stream:
        world.do(step)
    for broker in BROKERS:
        desk = world.exchange.desks[broker]
        fills = {one.execution: one for one in told(world.exchange, broker) if isinstance(one, Filled)}
        for said in world.sent[broker]:
            order = desk.orders[said.order]
            mine = [fill for fill in fills.values() if fill.order == said.order]
            assert order.shares == 0 or sum(fill.shares for fill in mine) <= order.shares
            assert all(fill.shares % SHARE == 0 for fill in mine) or not said.whole
            if said.dollars:
                assert -sum(signed(fill)[2] for fill in mine) <= said.dollars
            if order.limit == said.limit:
                assert all(
                    (fill.price <= said.limit) == (said.side == Side.BID) or fill.price == said.limit
                    for fill in mine
                )
            ends = {type(one) for one in order.story if isinstance(one, Cancelled | Rejected)}
            assert order.works or ends or any(fill.complete for fill in mine)
            assert not (ends and any(fill.complete for fill in mine))
        assert desk.custody.cash() >= 0 or any(
            isinstance(one, Busted | Corrected) for one in told(world.exchange, broker)
        )


@settings(max_examples=40)
@given(steps, st.integers(0, 99))
def test_the_statements_of_all_days_are_the_sum_of_what_was_told(stream, seed):
    world = World(an_exchange(Impact(), seed, MILD))
    for step in stream:
        world.do(step)
    exchange = world.exchange
    exchange.advance(max(at(THURSDAY + timedelta(days=8), 20), exchange.time_ns))
    for broker in BROKERS:
        desk = exchange.desks[broker]
        trades = {trade.execution: trade for day in desk.statements.values() for trade in day.trades}
        fills = {one.execution for one in told(exchange, broker) if isinstance(one, Filled)}
        assert set(trades) <= fills
        assert set(standing(exchange, broker)) <= set(trades)
        last = desk.statements[max(desk.statements)]
        moved = standing(exchange, broker).values()
        assert last.cash.settled == CASH + sum(cash for _, _, cash in moved), "all has settled by then"
        assert last.cash.unsettled == 0
        for symbol in SYMBOLS:
            held = sum(one.settled for one in last.positions if one.symbol == symbol)
            assert held == HELD + sum(shares for name, shares, _ in moved if name == symbol)


@settings(max_examples=30)
@given(steps, impacts, st.integers(0, 99), st.sampled_from([7, 61, 1800]))
def test_how_time_is_cut_changes_nothing(stream, impact, seed, seconds):
    one, other = World(an_exchange(impact, seed, MILD)), World(an_exchange(impact, seed, MILD))
    for step in stream:
        one.do(step)
        if step[0] != "wait":
            other.do(step)
            continue
        end = other.exchange.time_ns + step[2] * SECOND
        while other.exchange.time_ns < end:
            other.exchange.advance(min(other.exchange.time_ns + seconds * SECOND, end))
            other.exchange.book("ACME")
    for broker in BROKERS:
        times = [each.at_ns for each in one.exchange.reports(broker).behind(0)]
        assert times == sorted(times)
        assert list(one.exchange.reports(broker).behind(0)) == list(other.exchange.reports(broker).behind(0))


@given(st.integers(1, 5000), st.integers(0, 3000), st.integers(1, 10))
def test_an_auction_gives_no_more_than_its_part(printed, parts, asked):
    from dataclasses import replace

    start = at(THURSDAY, 9)
    tape = generated("ACME", start_ns=start, end_ns=start + 7200 * SECOND, seed=1, step_ns=60 * SECOND, step_ppm=0, depth=Depth(best=SHARE, levels=1))  # fmt: skip
    parts = min(parts, 1000)
    tape = replace(tape, prints=(Print(at(THURSDAY, 9, 30) + SECOND, 95 * DOLLAR, printed * SHARE),))
    opening = Opening(cash=100 * CASH)
    exchange = Exchange([tape], {"alpha": opening}, start_ns=start, terms=Terms(auction_parts=parts))
    said = NewOrder(
        order="o-1", symbol="ACME", side=Side.BID, shares=asked * 100 * SHARE, dollars=0, limit=96 * DOLLAR
    )
    exchange.say("alpha", said, start)
    exchange.say(
        "alpha",
        NewOrder(order="o-2", symbol="ACME", side=Side.BID, shares=SHARE, dollars=0, limit=94 * DOLLAR),
        start,
    )
    exchange.advance(at(THURSDAY, 9, 31))
    fills = [one for one in told(exchange, "alpha") if isinstance(one, Filled)]
    assert sum(fill.shares for fill in fills) == min(asked * 100 * SHARE, printed * SHARE * parts // 1000)
    assert all(fill.price == 95 * DOLLAR and fill.order == "o-1" for fill in fills)
