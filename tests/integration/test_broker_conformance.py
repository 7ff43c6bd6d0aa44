"""Every promise of `novate.broker.port`, asked of every adapter that `brokers.ADAPTERS` names."""

from __future__ import annotations

import pytest

from brokers import (
    ADAPTERS,
    ASK,
    BEST,
    COLUMBUS_DAY,
    DOLLAR,
    FRIDAY,
    MICRO,
    THURSDAY,
    TUESDAY,
    Adapter,
    Ear,
    Street,
    a_floor,
    at,
    buy,
    sell,
)
from novate.broker import (
    Accepted,
    AskOrder,
    Broker,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Filled,
    LineDown,
    LineLost,
    NotKnown,
    Rejected,
    Replaced,
    ReplaceOrder,
    Settled,
)
from novate.broker.acts import Bust, Correct, CutLine, EndOrder, FailSettlement, Halt
from novate.broker.checks import SHARE
from novate.broker.port import Busted, Corrected, Records
from novate.errors import DataError, MessageError
from novate.messages.codes import Session, Side


@pytest.fixture(params=ADAPTERS)
def adapter(request) -> Adapter:
    return ADAPTERS[request.param]


@pytest.fixture
def street(adapter, tmp_path):
    floor = a_floor()
    with adapter.start(floor, tmp_path) as connect:
        yield Street(floor, connect)
    floor.close()


def needs(adapter: Adapter, what: str) -> None:
    if what in adapter.lacks:
        pytest.skip(f"this kind of broker has no {what}")


def shares(fills: list[Filled]) -> int:
    return sum(fill.shares for fill in fills)


# --- what becomes of an order ------------------------------------------------------------------------------------------------


def test_an_adapter_is_what_the_port_says(street):
    client = street.connect("alpha")
    assert isinstance(client, Broker)


def test_an_order_within_the_market_is_accepted_then_filled(street):
    ear = Ear()
    street.open(ear).send(buy("o-1"))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    assert (fill.symbol, fill.side, fill.shares, fill.price, fill.complete) == (
        "ACME",
        Side.BID,
        100 * SHARE,
        ASK,
        True,
    )
    assert fill.fee == 300_000
    assert fill.settles == FRIDAY
    kinds = [type(one.report) for one in ear.kept.values()]
    assert kinds == [Accepted, Filled]


def test_a_large_order_is_filled_in_parts_as_the_market_shows_more(street):
    ear = Ear()
    street.open(ear).send(buy("o-1", 3 * BEST, ASK))
    assert len(street.until(lambda: ear.all(Filled, "o-1"))) == 1
    street.step()
    street.until(lambda: len(ear.all(Filled, "o-1")) == 2)
    street.step()
    fills = street.until(lambda: len(found := ear.all(Filled, "o-1")) == 3 and found)
    assert [fill.complete for fill in fills] == [False, False, True]
    assert shares(fills) == 3 * BEST
    assert len({fill.execution for fill in fills}) == 3


def test_an_order_walks_the_levels_within_its_limit(street):
    ear = Ear()
    street.open(ear).send(buy("o-1", 2 * BEST, 101 * DOLLAR))
    fills = street.until(lambda: len(found := ear.all(Filled, "o-1")) == 2 and found)
    assert [fill.price for fill in fills] == [ASK, ASK + DOLLAR // 100]


def test_an_order_beyond_the_market_waits_and_ends_with_the_day(street):
    ear = Ear()
    street.open(ear).send(buy("o-1", limit=99 * DOLLAR))
    street.until(lambda: ear.all(Accepted, "o-1"))
    street.to(at(THURSDAY, 20))
    (ended,) = street.until(lambda: ear.all(Cancelled, "o-1"))
    assert not ended.asked
    assert not ear.all(Filled)


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(buy("o-1", symbol="NONE"), id="an unknown symbol"),
        pytest.param(buy("o-1", 1_000_000 * SHARE), id="more than the cash that is there"),
        pytest.param(sell("o-1", 10_001 * SHARE), id="more shares than are there"),
    ],
)
def test_what_the_broker_refuses_is_rejected_and_nothing_of_it_is_done(street, refused):
    ear = Ear()
    street.open(ear).send(refused)
    (rejected,) = street.until(lambda: ear.all(Rejected, "o-1"))
    assert rejected.reason
    street.step()
    assert not ear.all(Filled)


def test_an_order_while_the_exchange_is_closed_is_rejected(street):
    ear = Ear()
    client = street.open(ear)
    street.to(at(THURSDAY, 21))
    street.until(lambda: ear.up)
    client.send(buy("o-1"))
    street.until(lambda: ear.all(Rejected, "o-1"))


@pytest.mark.parametrize("order", ["", "a" * 21, "a b", "o_1", "ö"])
def test_an_order_id_that_the_port_does_not_allow_leaves_nothing(street, order):
    ear = Ear()
    client = street.open(ear)
    with pytest.raises(MessageError, match="order must be"):
        client.send(buy(order))
    street.step()
    assert not ear.kept


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (buy("o-1", 0), "shares must be"),
        (buy("o-1", limit=0), "limit must be"),
        (sell("o-1", dollars=MICRO), "dollars must be"),
        (buy("o-1", SHARE // 2, whole=True), "shares must be whole"),
        (buy("o-1", symbol="acme"), "symbol must be"),
        (CancelOrder(order="o-1", attempt=0), "attempt must be"),
    ],
)
def test_an_instruction_that_is_none_names_the_rule(street, wrong, rule):
    client = street.open(Ear())
    with pytest.raises(MessageError, match=rule):
        client.send(wrong)


def test_the_same_order_twice_is_one_order(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", BEST // 2, ASK))
    street.until(lambda: ear.all(Filled, "o-1"))
    client.send(buy("o-1", BEST // 2, ASK))
    client.send(buy("o-2", SHARE, ASK))
    street.until(lambda: ear.all(Filled, "o-2"))
    street.step()
    assert shares(ear.all(Filled, "o-1")) == BEST // 2
    assert not ear.all(Rejected)
    assert street.floor.exchange.desks["alpha"].custody.shares("ACME") == 10_000 * SHARE + BEST // 2 + SHARE


def test_the_same_order_twice_while_it_works_is_one_order(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", limit=99 * DOLLAR))
    street.until(lambda: ear.all(Accepted, "o-1"))
    client.send(buy("o-1", limit=99 * DOLLAR))
    client.send(CancelOrder(order="o-1"))
    street.until(lambda: ear.all(Cancelled, "o-1"))
    assert not ear.all(Rejected)
    assert not street.floor.exchange.desks["alpha"].working


# --- dollars, parts and whole shares -----------------------------------------------------------------------------------------


def test_an_order_of_dollars_spends_no_more_than_they_are(street, adapter):
    needs(adapter, "dollars")
    ear = Ear()
    street.open(ear).send(buy("o-1", 0, dollars=1_000 * MICRO))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    assert fill.complete
    spent = -(-fill.shares * fill.price // 10**12) + fill.fee
    assert 1_000 * MICRO - 10_000 <= spent <= 1_000 * MICRO


def test_parts_of_a_share_are_filled(street, adapter):
    needs(adapter, "parts")
    ear = Ear()
    street.open(ear).send(sell("o-1", SHARE // 4))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    assert (fill.shares, fill.side, fill.complete) == (SHARE // 4, Side.ASK, True)


def test_an_order_of_whole_shares_takes_no_parts(street, adapter):
    needs(adapter, "dollars")
    ear = Ear()
    street.open(ear).send(buy("o-1", 0, dollars=1_050 * MICRO, whole=True))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    assert (fill.shares, fill.complete) == (10 * SHARE, True)


# --- cancel and replace --------------------------------------------------------------------------------------------------------


def test_what_is_left_is_cancelled(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 2 * BEST, ASK))
    street.until(lambda: ear.all(Filled, "o-1"))
    client.send(CancelOrder(order="o-1"))
    (ended,) = street.until(lambda: ear.all(Cancelled, "o-1"))
    assert ended.asked
    street.step()
    assert shares(ear.all(Filled, "o-1")) == BEST


@pytest.mark.parametrize("order", ["o-1", "o-9"], ids=["filled before", "never sent"])
def test_a_cancel_that_comes_too_late_is_refused(street, order):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1"))
    street.until(lambda: ear.all(Filled, "o-1"))
    client.send(CancelOrder(order=order))
    (refused,) = street.until(lambda: ear.all(CancelRefused, order))
    assert refused.reason


def test_an_order_is_replaced_and_keeps_its_id(street, adapter):
    needs(adapter, "replace")
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 100 * SHARE, 99 * DOLLAR))
    street.until(lambda: ear.all(Accepted, "o-1"))
    client.send(ReplaceOrder(order="o-1", shares=40 * SHARE, limit=98 * DOLLAR, attempt=1))
    (first,) = street.until(lambda: ear.all(Replaced, "o-1"))
    assert (first.shares, first.limit) == (40 * SHARE, 98 * DOLLAR)
    client.send(ReplaceOrder(order="o-1", shares=60 * SHARE, limit=101 * DOLLAR, attempt=2))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    assert (fill.shares, fill.complete) == (60 * SHARE, True)
    client.send(CancelOrder(order="o-1", attempt=3))
    street.until(lambda: ear.all(CancelRefused, "o-1"))


def test_a_replaced_order_is_cancelled_by_its_id(street, adapter):
    needs(adapter, "replace")
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 100 * SHARE, 99 * DOLLAR))
    street.until(lambda: ear.all(Accepted, "o-1"))
    client.send(ReplaceOrder(order="o-1", shares=40 * SHARE, limit=98 * DOLLAR))
    street.until(lambda: ear.all(Replaced, "o-1"))
    client.send(CancelOrder(order="o-1", attempt=2))
    (ended,) = street.until(lambda: ear.all(Cancelled, "o-1"))
    assert ended.asked


def test_a_replacement_of_what_is_filled_is_refused(street, adapter):
    needs(adapter, "replace")
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 2 * BEST, ASK))
    street.until(lambda: ear.all(Filled, "o-1"))
    client.send(ReplaceOrder(order="o-1", shares=BEST // 2, limit=ASK))
    street.until(lambda: ear.all(CancelRefused, "o-1"))
    street.step()
    fills = street.until(lambda: len(found := ear.all(Filled, "o-1")) == 2 and found)
    assert fills[-1].complete


# --- asking --------------------------------------------------------------------------------------------------------------------


def test_an_order_that_nobody_sent_is_not_known(street):
    ear = Ear()
    street.open(ear).send(AskOrder(order="o-9"))
    street.until(lambda: ear.all(NotKnown, "o-9"))


def test_an_order_that_works_is_alive(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", limit=99 * DOLLAR))
    street.until(lambda: ear.all(Accepted, "o-1"))
    before = len(ear.all(Accepted, "o-1"))
    client.send(AskOrder(order="o-1"))
    street.until(lambda: len(ear.all(Accepted, "o-1")) > before)


def test_who_forgot_everything_and_asks_learns_of_every_fill(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", BEST + 10 * SHARE, 101 * DOLLAR))
    street.until(lambda: len(ear.all(Filled, "o-1")) == 2)
    client.close()
    late = Ear(cursor=ear.cursor)
    client = street.open(late)
    client.send(AskOrder(order="o-1"))
    street.until(lambda: shares(late.all(Filled, "o-1")) == BEST + 10 * SHARE)
    assert {fill.execution for fill in late.all(Filled)} == {fill.execution for fill in ear.all(Filled)}


@pytest.mark.parametrize("end", ["rejected", "cancelled"])
def test_who_asks_for_an_order_that_ended_learns_how(street, end):
    ear = Ear()
    client = street.open(ear)
    kind = Rejected if end == "rejected" else Cancelled
    client.send(buy("o-1", symbol="NONE") if end == "rejected" else buy("o-1", limit=99 * DOLLAR))
    if end == "cancelled":
        client.send(CancelOrder(order="o-1"))
    street.until(lambda: ear.all(kind, "o-1"))
    before = len(ear.all(kind, "o-1"))
    client.send(AskOrder(order="o-1", attempt=2))
    street.until(lambda: len(ear.all(kind, "o-1")) > before)


# --- what was missed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Accepted, Filled])
def test_what_was_handed_over_and_not_kept_comes_again(street, kind):
    failing = Ear(refuses=lambda report: isinstance(report, kind))
    client = street.open(failing)
    client.send(buy("o-1"))
    street.until(lambda: any(isinstance(one.report, kind) for one in failing.heard))
    client.close()
    assert not failing.all(kind)
    ear = Ear(kept=dict(failing.kept), cursor=failing.cursor)
    street.open(ear)
    street.until(lambda: ear.all(Filled, "o-1"))
    assert [type(one.report) for one in ear.kept.values()] == [Accepted, Filled]
    executions = {one.report.execution for one in failing.heard if isinstance(one.report, Filled)}
    assert executions <= {fill.execution for fill in ear.all(Filled)}


def test_a_listener_that_fails_once_hears_everything_without_opening_again(street):
    failed: list[int] = []

    def once(report) -> bool:
        if isinstance(report, Filled) and not failed:
            failed.append(1)
            return True
        return False

    ear = Ear(refuses=once)
    client = street.open(ear)
    client.send(buy("o-1"))
    street.until(lambda: ear.all(Filled, "o-1"))
    street.until(lambda: ear.up)
    assert failed
    assert shares(ear.all(Filled, "o-1")) == 100 * SHARE
    client.send(buy("o-2"))
    street.until(lambda: ear.all(Filled, "o-2"))


def test_what_happened_while_nobody_listened_is_told_before_the_line_is_up(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 2 * BEST, ASK))
    street.until(lambda: ear.all(Filled, "o-1"))
    client.close()
    street.step()
    late = Ear(kept=dict(ear.kept), cursor=ear.cursor)
    street.open(late)
    assert shares(late.all(Filled, "o-1")) == 2 * BEST


def test_a_key_is_told_of_one_report_only(street):
    ear = Ear()
    client = street.open(ear)
    for number in range(5):
        client.send(buy(f"o-{number}"))
    street.until(lambda: len(ear.all(Filled)) == 5)
    said: dict[str, object] = {}
    for one in ear.heard:
        if one.key:
            assert said.setdefault(one.key, one.report) == one.report
            assert one.raw
            assert one.cursor
    assert len(said) == 10


def test_a_closed_line_is_down(street):
    ear = Ear()
    client = street.open(ear)
    client.close()
    with pytest.raises(LineDown):
        client.send(buy("o-1"))
    street.step()
    assert not street.floor.exchange.desks["alpha"].orders


def test_a_line_that_was_not_opened_is_down(street):
    with pytest.raises(LineDown):
        street.connect("alpha").send(buy("o-1"))


def test_two_brokers_hear_their_own(street):
    one, other = Ear(), Ear()
    alpha, beta = street.open(one, "alpha"), street.open(other, "beta")
    alpha.send(buy("o-1", 10 * SHARE))
    beta.send(buy("o-1", 20 * SHARE))
    street.until(lambda: one.all(Filled) and other.all(Filled))
    assert (shares(one.all(Filled)), shares(other.all(Filled))) == (10 * SHARE, 20 * SHARE)


# --- what a broker does by itself --------------------------------------------------------------------------------------------------


def test_a_broker_ends_an_order_by_itself(street):
    ear = Ear()
    street.open(ear).send(buy("o-1", 2 * BEST, ASK))
    street.until(lambda: ear.all(Filled, "o-1"))
    street.floor.act("alpha", EndOrder(order="o-1", reason="risk desk"))
    (ended,) = street.until(lambda: ear.all(Cancelled, "o-1"))
    assert not ended.asked


def test_an_execution_is_taken_back_and_another_corrected(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1"))
    client.send(buy("o-2"))
    street.until(lambda: len(ear.all(Filled)) == 2)
    first, second = ear.all(Filled)
    street.floor.act("alpha", Bust(execution=first.execution))
    street.floor.act("alpha", Correct(execution=second.execution, shares=90 * SHARE, price=ASK))
    (bust,) = street.until(lambda: ear.all(Busted))
    (corrected,) = street.until(lambda: ear.all(Corrected))
    assert bust.execution == first.execution
    assert (corrected.execution, corrected.shares, corrected.price) == (second.execution, 90 * SHARE, ASK)


def test_orders_wait_while_a_stock_is_halted(street):
    ear = Ear()
    client = street.open(ear)
    street.floor.act("alpha", Halt(symbol="ACME", until_ns=street.floor.now_ns() + 300_000_000_000))
    book = street.floor.book("ACME")
    assert (book.session, book.bids, book.asks) == (Session.HALTED, (), ())
    client.send(buy("o-1"))
    client.send(buy("o-2", symbol="OTHR"))
    street.until(lambda: ear.all(Accepted, "o-1") and ear.all(Filled, "o-2"))
    assert not ear.all(Filled, "o-1")
    street.step(301)
    street.until(lambda: ear.all(Filled, "o-1"))


# --- settlement and statements -------------------------------------------------------------------------------------------------------


def test_an_execution_settles_on_the_next_trading_day(street):
    ear = Ear()
    street.open(ear).send(buy("o-1"))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    street.to(at(FRIDAY, 8, 59))
    assert not ear.all(Settled)
    street.to(at(FRIDAY, 9))
    (settled,) = street.until(lambda: ear.all(Settled))
    assert (settled.execution, settled.settled) == (fill.execution, True)


def test_nothing_settles_while_banks_are_closed(street):
    ear = Ear()
    client = street.open(ear)
    street.to(at(FRIDAY, 12))
    client.send(buy("o-1"))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    assert fill.settles == TUESDAY
    street.to(at(COLUMBUS_DAY, 16))
    assert not ear.all(Settled)
    street.to(at(TUESDAY, 9))
    street.until(lambda: ear.all(Settled))


def test_a_settlement_fails_and_comes_a_day_later(street, adapter):
    needs(adapter, "failing settlement")
    ear = Ear()
    street.open(ear).send(buy("o-1"))
    (fill,) = street.until(lambda: ear.all(Filled, "o-1"))
    street.floor.act("alpha", FailSettlement(execution=fill.execution))
    street.to(at(FRIDAY, 9))
    said = street.until(lambda: [one.report for one in ear.kept.values() if isinstance(one.report, Settled)])
    assert [one.settled for one in said] == [False]
    street.to(at(TUESDAY, 9))
    street.until(
        lambda: any(isinstance(one.report, Settled) and one.report.settled for one in ear.kept.values())
    )


def test_the_end_of_the_day_is_the_sum_of_its_fills(street):
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 2 * BEST, ASK))
    client.send(sell("o-2", 300 * SHARE))
    street.until(lambda: shares(ear.all(Filled)) == BEST + 300 * SHARE)
    street.step()
    street.until(lambda: shares(ear.all(Filled)) == 2 * BEST + 300 * SHARE)
    if not isinstance(client, Records):
        pytest.skip("this kind of line gives no statements")
    street.to(at(THURSDAY, 20))
    said = client.end_of_day(THURSDAY)
    (position,) = said.positions
    assert (position.symbol, position.settled) == ("ACME", 10_000 * SHARE)
    assert position.unsettled == 2 * BEST - 300 * SHARE
    fills = {fill.execution: fill for fill in ear.all(Filled)}
    assert {trade.execution for trade in said.trades} == set(fills)
    for trade in said.trades:
        fill = fills[trade.execution]
        assert (trade.order, trade.shares, trade.price, trade.fee) == (
            fill.order,
            fill.shares,
            fill.price,
            fill.fee,
        )
        assert (trade.traded, trade.settles) == (THURSDAY, FRIDAY)
    street.to(at(FRIDAY, 20))
    settled = client.end_of_day(FRIDAY)
    assert settled.trades == ()
    assert settled.positions[0].settled == 10_000 * SHARE + 2 * BEST - 300 * SHARE
    assert settled.cash.unsettled == 0
    assert settled.cash.settled == said.cash.settled + said.cash.unsettled


def test_there_is_no_statement_of_a_day_that_is_not_over(street):
    client = street.open(Ear())
    if not isinstance(client, Records):
        pytest.skip("this kind of line gives no statements")
    with pytest.raises(DataError, match="no statement"):
        client.end_of_day(THURSDAY)


def test_the_lines_state_is_told_with_what_was_lost(street, adapter):
    needs(adapter, "cut")
    ear = Ear()
    client = street.open(ear)
    client.send(buy("o-1", 2 * BEST, ASK))
    street.until(lambda: ear.all(Filled, "o-1"))
    street.floor.act("alpha", CutLine(until_ns=street.floor.now_ns() + 90_000_000_000))
    street.until(lambda: isinstance(ear.line[-1], LineLost))
    with pytest.raises(LineDown):
        client.send(buy("o-2"))
    street.step(60)
    assert shares(ear.all(Filled, "o-1")) == BEST
    street.step(60)
    street.until(lambda: ear.up)
    assert shares(ear.all(Filled, "o-1")) == 2 * BEST
