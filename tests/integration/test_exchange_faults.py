"""Everything that a broker does wrong, as a table: what is heard, in order, and what the broker's statement says of it."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from brokers import (
    ASK,
    BEST,
    CENT,
    DOLLAR,
    FRIDAY,
    MICRO,
    SECOND,
    THURSDAY,
    TUESDAY,
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
    Cancelled,
    CancelOrder,
    Filled,
    LineDown,
    LineLost,
    LineUp,
    Rejected,
    Settled,
)
from novate.broker.checks import SHARE
from novate.broker.exchange import Terms
from novate.broker.faults import AFTER_NS, Fault, Plan, Planned
from novate.broker.port import Busted, Corrected
from novate.broker.simulated import SimulatedBroker
from novate.errors import ConfigError, DataError
from novate.messages.codes import Side

HUNDRED = 100 * SHARE


def a_street(*faults: Fault, after_ns: int = 0) -> Street:
    """The first order of alpha meets these faults."""
    floor = a_floor(plan=Plan([Planned("alpha", 1, fault, after_ns) for fault in faults]))
    return Street(floor, lambda broker: SimulatedBroker(floor, broker))


def names(ear: Ear) -> list[str]:
    """What was handed over, in order."""
    return [type(one.report).__name__ for one in ear.heard if one.key]


@pytest.mark.parametrize(
    ("fault", "seconds", "said"),
    [
        (Fault.REJECT, 60, "Rejected"),
        (Fault.PARTIAL_THEN_CANCEL, 60, "Accepted Filled Cancelled"),
        (Fault.UNSOLICITED_CANCEL, 60, "Accepted Cancelled"),
        (Fault.SAME_MESSAGE, 60, "Accepted Filled Filled"),
        (Fault.SAME_EXECUTION, 60, "Accepted Filled Filled"),
        (Fault.OUT_OF_ORDER, 60, "Filled Accepted"),
        (Fault.OVERFILL, 60, "Accepted Filled Filled"),
        (Fault.WRONG_SYMBOL, 60, "Accepted Filled"),
        (Fault.WRONG_SIDE, 60, "Accepted Filled"),
        (Fault.BUST, 3700, "Accepted Filled Busted"),
        (Fault.CORRECTION, 3700, "Accepted Filled Corrected"),
        (Fault.SETTLEMENT_FAIL, 86_400, "Accepted Filled Settled"),
        (Fault.HALT, 310, "Accepted Filled"),
        (Fault.DISCONNECT, 60, "Accepted Filled"),
    ],
)  # fmt: skip
def test_a_fault_is_heard(fault, seconds, said):
    street, ear = a_street(fault), Ear()
    client = street.open(ear)
    client.send(buy("o-1"))
    street.step(seconds // 2)
    street.step(seconds - seconds // 2)
    assert names(ear) == said.split()
    street.step(1)
    client.send(buy("o-2", SHARE))
    street.step(1)
    assert ear.all(Filled, "o-2"), "the next order is served as if nothing had been"


def first(fault: Fault, seconds: int = 60) -> tuple[Street, Ear]:
    """An order of 100 shares met a fault, and time passed."""
    street, ear = a_street(fault), Ear()
    street.open(ear).send(buy("o-1"))
    street.step(seconds)
    return street, ear


def test_a_refused_order_is_nothing():
    street, ear = first(Fault.REJECT)
    assert ear.all(Rejected)[0].reason
    assert street.floor.exchange.desks["alpha"].custody.cash() == 10_000_000 * MICRO


def test_half_is_filled_and_the_rest_ended():
    _, ear = first(Fault.PARTIAL_THEN_CANCEL)
    (fill,), (ended,) = ear.all(Filled), ear.all(Cancelled)
    assert (fill.shares, fill.complete, ended.asked) == (50 * SHARE, False, False)


def test_a_message_twice_has_one_key_and_an_execution_twice_has_two():
    for fault, keys in ((Fault.SAME_MESSAGE, 1), (Fault.SAME_EXECUTION, 2)):
        street, ear = first(fault)
        fills = [one for one in ear.heard if isinstance(one.report, Filled)]
        assert len({one.report.execution for one in fills}) == 1
        assert len({one.key for one in fills}) == keys
        assert len({one.cursor for one in fills}) == 2
        assert street.floor.exchange.desks["alpha"].custody.shares("ACME") == 10_000 * SHARE + HUNDRED


def test_more_is_filled_than_was_ordered():
    street, ear = first(Fault.OVERFILL)
    fills = ear.all(Filled)
    assert [fill.shares for fill in fills] == [HUNDRED, 10 * SHARE]
    assert len({fill.execution for fill in fills}) == 2
    assert street.floor.exchange.desks["alpha"].custody.shares("ACME") == 10_000 * SHARE + 110 * SHARE


@pytest.mark.parametrize(
    ("fault", "symbol", "side"),
    [(Fault.WRONG_SYMBOL, "OTHR", Side.BID), (Fault.WRONG_SIDE, "ACME", Side.ASK)],
)
def test_what_was_traded_wrongly_is_in_the_brokers_books_too(fault, symbol, side):
    street, ear = first(fault)
    (fill,) = ear.all(Filled)
    assert (fill.symbol, fill.side, fill.order) == (symbol, side, "o-1")
    street.to(at(THURSDAY, 20))
    held = {one.symbol: one.unsettled for one in street.floor.end_of_day("alpha", THURSDAY).positions}
    assert held[symbol] == (HUNDRED if side == Side.BID else -HUNDRED)


def test_a_fill_comes_after_the_cancel_was_acknowledged():
    street, ear = a_street(Fault.LATE_FILL), Ear()
    client = street.open(ear)
    client.send(buy("o-1", limit=99 * DOLLAR))
    street.step(1)
    client.send(CancelOrder(order="o-1"))
    street.step(5)
    assert names(ear) == ["Accepted", "Cancelled", "Filled"]
    (fill,) = ear.all(Filled)
    assert (fill.shares, fill.price) == (HUNDRED, 99 * DOLLAR)


@pytest.mark.parametrize("after_s", [60, 30 * 3600], ids=["the same day", "after it settled"])
def test_a_bust_takes_everything_back(after_s):
    street, ear = a_street(Fault.BUST, after_ns=after_s * 10**9), Ear()
    street.open(ear).send(buy("o-1"))
    street.to(at(FRIDAY, 20))
    assert len(ear.all(Busted)) == 1
    said = street.floor.end_of_day("alpha", FRIDAY)
    assert (said.positions[0].settled, said.positions[0].unsettled) == (10_000 * SHARE, 0)
    assert (said.cash.settled, said.cash.unsettled) == (10_000_000 * MICRO, 0)
    assert [one.settled for one in ear.all(Settled)] == ([] if after_s == 60 else [True])


def test_a_correction_changes_shares_and_price_and_keeps_the_fee():
    street, ear = first(Fault.CORRECTION, 3700)
    (fill,), (corrected,) = ear.all(Filled), ear.all(Corrected)
    assert (corrected.shares, corrected.price) == (90 * SHARE, ASK + CENT)
    street.to(at(THURSDAY, 20))
    said = street.floor.end_of_day("alpha", THURSDAY)
    (trade,) = said.trades
    assert (trade.shares, trade.price, trade.fee) == (90 * SHARE, ASK + CENT, fill.fee)
    assert said.cash.unsettled == -(90 * (ASK + CENT) // 1000) - fill.fee


def test_a_settlement_fails_on_its_day_and_comes_on_the_next():
    street, ear = first(Fault.SETTLEMENT_FAIL)
    street.to(at(FRIDAY, 10))
    assert [one.report.settled for one in ear.heard if isinstance(one.report, Settled)] == [False]
    street.to(at(TUESDAY, 10))
    assert [one.report.settled for one in ear.heard if isinstance(one.report, Settled)] == [False, True]


def test_a_fill_during_a_cut_is_told_when_the_line_is_back():
    street, ear = a_street(Fault.DISCONNECT), Ear()
    client = street.open(ear)
    client.send(buy("o-1", 3 * BEST, ASK))
    street.step(10)
    assert names(ear) == []
    assert [type(one) for one in ear.line] == [LineUp, LineLost]
    with pytest.raises(LineDown):
        client.send(buy("o-2"))
    street.step(AFTER_NS[Fault.DISCONNECT] // 10**9)
    assert names(ear) == ["Accepted", "Filled"]
    assert [type(one) for one in ear.line] == [LineUp, LineLost, LineUp]


def test_a_broker_in_default_says_nothing_for_five_days():
    street, ear = a_street(Fault.DEFAULT), Ear()
    client = street.open(ear)
    client.send(buy("o-1"))
    street.to(at(FRIDAY, 20))
    assert names(ear) == []
    with pytest.raises(LineDown):
        client.send(buy("o-2"))
    for day in (THURSDAY, FRIDAY):
        with pytest.raises(DataError, match="in default"):
            client.end_of_day(day)
    street.to(at(TUESDAY, 21))
    street.until(lambda: ear.up)
    assert names(ear) == ["Accepted", "Cancelled"]
    assert client.end_of_day(TUESDAY).positions[0].settled == 10_000 * SHARE
    with pytest.raises(DataError, match="no statement"):
        client.end_of_day(FRIDAY)


def test_what_was_due_during_a_default_settles_behind_it():
    floor = a_floor(plan=Plan([Planned("alpha", 2, Fault.DEFAULT, 30 * 3600 * 10**9)]))
    street, ear = Street(floor, lambda broker: SimulatedBroker(floor, broker)), Ear()
    client = street.open(ear)
    client.send(buy("o-1"))
    street.step(1)
    client.send(buy("o-2"))
    street.to(at(FRIDAY, 15))
    assert not ear.all(Settled)
    street.to(at(FRIDAY, 17))
    assert [one.settled for one in ear.all(Settled)] == [True]
    assert not ear.all(Filled, "o-2")


def test_faults_by_seed_are_the_same_every_time_and_about_as_many_as_was_said():
    one, again, other = (Plan(seed=seed, per_mille=100) for seed in (7, 7, 8))
    drawn = [one.of("alpha", rank) for rank in range(1, 2001)]
    assert drawn == [again.of("alpha", rank) for rank in range(1, 2001)]
    assert drawn != [other.of("alpha", rank) for rank in range(1, 2001)]
    assert 150 <= sum(map(bool, drawn)) <= 250
    assert len({fault for faults in drawn for fault in faults}) == len(Fault) - 1
    assert not any(Plan().of("alpha", rank) for rank in range(1, 100))


def test_a_fault_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="rank must be at least 1, got 0"):
        Planned("alpha", 0, Fault.BUST)
    with pytest.raises(ConfigError, match="per_mille must be 0 to 1000, got 1001"):
        Plan(per_mille=1001)


def test_an_acceptance_that_is_late_stays_late_for_who_waits():
    street, ear = a_street(Fault.OUT_OF_ORDER), Ear()
    street.open(ear).send(buy("o-1", limit=99 * DOLLAR))
    street.step(1)
    assert not ear.all(Accepted)
    street.step(2)
    assert ear.all(Accepted)


def test_a_listener_that_opens_anew_while_it_is_told_hears_from_where_it_said():
    floor = a_floor()
    street, ear, late = Street(floor, lambda broker: SimulatedBroker(floor, broker)), Ear(), Ear()
    client = street.open(ear)

    def again(report) -> bool:
        if isinstance(report, Accepted) and not late.heard:
            client.open(late, "")
        return False

    ear.refuses = again
    client.send(buy("o-1"))
    street.until(lambda: late.all(Filled))
    assert names(late) == ["Accepted", "Filled"]
    assert names(ear) == ["Accepted"]
    client.close()
    street.step()
    assert names(late) == ["Accepted", "Filled"]


def test_an_instruction_takes_its_time_to_the_market():
    floor = a_floor(Terms(delay_ns=2 * SECOND))
    street, ear = Street(floor, lambda broker: SimulatedBroker(floor, broker)), Ear()
    client = street.open(ear)
    began = floor.now_ns()
    client.send(buy("o-1"))
    client.send(AskOrder(order="o-1"))
    street.step(1)
    assert names(ear) == []
    street.step(2)
    assert names(ear) == ["Accepted", "Filled", "Accepted", "Filled"]
    assert ear.all(Filled)[0].traded_ns == began + 2 * SECOND


def books_of(ear: Ear) -> tuple[dict[str, int], int]:
    """Shares by symbol and micro-dollars, from what was kept alone: an execution once, taken back or corrected as told."""
    fills: dict[str, tuple[str, int, int, int, int]] = {}
    for heard in ear.kept.values():
        match heard.report:
            case Filled(execution=name, symbol=symbol, side=side, shares=shares, price=price, fee=fee):
                sign = 1 if side == Side.BID else -1
                fills.setdefault(name, (symbol, sign, shares, price, fee))
            case Busted(execution=name):
                del fills[name]
            case Corrected(execution=name, shares=shares, price=price):
                symbol, sign, _, _, fee = fills[name]
                fills[name] = (symbol, sign, shares, price, fee)
    held, cash = {"ACME": 10_000 * SHARE, "OTHR": 0}, 10_000_000 * MICRO
    for symbol, sign, shares, price, fee in fills.values():
        held[symbol] += sign * shares
        cash -= (-(-shares * price // 10**12) if sign > 0 else -(shares * price // 10**12)) + fee
    return held, cash


@pytest.mark.parametrize("seed", range(6))
def test_whatever_goes_wrong_who_listens_has_the_brokers_books(seed):
    """Half of the orders meet a fault, the listener fails now and then and is killed now and then: no share and no cent is lost."""
    dice = random.Random(seed)
    floor = a_floor(plan=Plan(seed=seed, per_mille=500))
    street = Street(floor, lambda broker: SimulatedBroker(floor, broker))
    ear = Ear(refuses=lambda _: dice.randrange(20) == 0)
    client = street.connect("alpha")
    client.open(ear)
    for number in range(200):
        said = dice.choice((buy, sell))(f"o-{number}", dice.randrange(1, 300) * SHARE // 2, ASK)
        with suppress(LineDown):
            client.send(said)
            if dice.randrange(4) == 0:
                client.send(CancelOrder(order=f"o-{number}"))
        street.step(dice.choice((0, 1, 30, 60)))
        if dice.randrange(25) == 0:
            client.close()
            ear = Ear(refuses=ear.refuses, kept=ear.kept, cursor=ear.cursor, line=ear.line)
            client = street.connect("alpha")
            client.open(ear, ear.cursor)
    street.to(at(THURSDAY, 20))
    ear.refuses = lambda _: False
    street.until(lambda: ear.up)
    street.to(at(TUESDAY, 20))
    said = floor.end_of_day("alpha", TUESDAY)
    held, cash = books_of(ear)
    assert {one.symbol: one.settled + one.unsettled for one in said.positions} == {
        symbol: shares for symbol, shares in held.items() if shares
    }
    assert said.cash.settled + said.cash.unsettled == cash
    assert len(ear.all(Filled)) > 50
