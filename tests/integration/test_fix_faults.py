"""The simulated exchange's faults over a FIX socket, and whole streams of them with lines cut and listeners killed: no share and no cent is lost."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Self

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")

from brokers import (
    ASK,
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
from fix_sides import Proxy
from gateways import free_port
from novate.broker import (
    AskOrder,
    Busted,
    Cancelled,
    CancelOrder,
    Corrected,
    Filled,
    LineDown,
    LineLost,
    Settled,
)
from novate.broker.acts import Halt
from novate.broker.checks import SHARE
from novate.broker.faults import Fault, Plan, Planned
from novate.broker.fix.acceptor import FixAcceptor
from novate.broker.fix.initiator import FixBroker
from novate.broker.fix.settings import AcceptorSettings, Client, FixSettings
from novate.broker.simulated import SimulatedBroker
from novate.messages.codes import Side

SAID = {
    Fault.REJECT: "Rejected",
    Fault.PARTIAL_THEN_CANCEL: "Accepted Filled Cancelled",
    Fault.UNSOLICITED_CANCEL: "Accepted Cancelled",
    Fault.SAME_MESSAGE: "Accepted Filled",
    Fault.SAME_EXECUTION: "Accepted Filled",
    Fault.OUT_OF_ORDER: "Filled Accepted",
    Fault.LATE_FILL: "Accepted Cancelled Filled",
    Fault.OVERFILL: "Accepted Filled Filled",
    Fault.WRONG_SYMBOL: "Accepted Filled",
    Fault.WRONG_SIDE: "Accepted Filled",
    Fault.HALT: "Accepted Filled",
    Fault.BUST: "Accepted Filled Busted",
    Fault.CORRECTION: "Accepted Filled Corrected",
    Fault.SETTLEMENT_FAIL: "Accepted Filled Settled",
}
"""What is heard of an order that met it, what came twice once."""


class Line:
    """The venue, a line that can be cut, the exchange."""

    def __init__(self, floor, folder, *, fees: str = "commission") -> None:
        self.port = free_port()
        self.folder, self.name = folder, f"NOV-{self.port}"
        self.acceptor = FixAcceptor(
            AcceptorSettings(port=self.port, exchange="FLOOR", clients=(Client(id=self.name, fees=fees),)),
            folder / "exchange",
            {self.name: SimulatedBroker(floor, "alpha")},
            clock=floor.now_ns,
        )
        self.proxy = Proxy(self.port)
        self.street = Street(floor, self.connect)
        self.clients: list[FixBroker] = []

    def connect(self, _broker: str) -> FixBroker:
        settings = FixSettings(
            name="alpha", host="127.0.0.1", port=self.proxy.port, sender=self.name, target="FLOOR",
            reconnect_s=1, cash_orders=True, fraction_decimals=9,
        )  # fmt: skip
        self.clients.append(FixBroker(settings, self.folder / "venue"))
        return self.clients[-1]

    def __enter__(self) -> Self:
        self.acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.acceptor.close()
        self.proxy.close()


def story(ear: Ear, order: str) -> list[str]:
    """The kinds of reports about an order and its executions, in order."""
    executions = {fill.execution for fill in ear.all(Filled, order)}
    return [
        type(one.report).__name__
        for one in ear.kept.values()
        if getattr(one.report, "order", "") == order or getattr(one.report, "execution", "") in executions
    ]


def test_each_fault_is_heard_over_the_socket_as_it_is_in_the_same_process(tmp_path):
    faults = list(SAID)
    floor = a_floor(plan=Plan([Planned("alpha", rank, fault) for rank, fault in enumerate(faults, 1)]))
    with Line(floor, tmp_path, fees="misc") as line:
        street, ear = line.street, Ear()
        client = street.open(ear)
        for rank, fault in enumerate(faults, 1):
            late = fault is Fault.LATE_FILL
            client.send(buy(f"o-{rank}", limit=99 * DOLLAR if late else 101 * DOLLAR))
            street.until(
                lambda rank=rank: (
                    story(ear, f"o-{rank}") or floor.exchange.desks["alpha"].orders.get(f"o-{rank}")
                )
            )
            if late:
                client.send(CancelOrder(order=f"o-{rank}"))
                street.until(lambda rank=rank: ear.all(Cancelled, f"o-{rank}"))
            street.step(400)
        street.to(at(FRIDAY, 9))
        for rank, fault in enumerate(faults, 1):
            said = SAID[fault].split()
            settles = [] if fault in (Fault.REJECT, Fault.UNSOLICITED_CANCEL, Fault.BUST) else ["Settled"]
            want = said if "Settled" in said else said + settles * said.count("Filled")
            street.until(lambda rank=rank, want=want: len(story(ear, f"o-{rank}")) >= len(want), 5)
            assert story(ear, f"o-{rank}") == want, fault
        assert client.values()["refused"] == client.values()["failed"] == 0


def test_an_order_in_a_halted_stock_works_and_waits_for_the_end_of_the_halt(tmp_path):
    floor = a_floor()
    with Line(floor, tmp_path) as line:
        street, ear = line.street, Ear()
        client = street.open(ear)
        floor.act("alpha", Halt(symbol="ACME", until_ns=floor.now_ns() + 600 * SECOND))
        client.send(buy("o-1"))
        street.until(lambda: story(ear, "o-1") == ["Accepted"])
        street.step(590)
        client.send(AskOrder(order="o-1"))  # its answer comes behind whatever the exchange said before
        street.until(lambda: story(ear, "o-1").count("Accepted") == 2)
        assert not ear.all(Filled)
        street.step(60)
        street.until(lambda: ear.all(Filled, "o-1"))


def test_a_broker_in_default_is_a_line_that_is_cut_and_tells_everything_when_it_is_back(tmp_path):
    floor = a_floor(plan=Plan([Planned("alpha", 1, Fault.DEFAULT)]))
    with Line(floor, tmp_path) as line:
        street, ear = line.street, Ear()
        client = street.open(ear)
        client.send(buy("o-1"))
        street.until(lambda: isinstance(ear.line[-1], LineLost))
        with pytest.raises(LineDown):
            client.send(buy("o-2"))
        street.to(at(TUESDAY, 21))
        street.until(lambda: ear.up)
        assert story(ear, "o-1") == ["Accepted", "Cancelled"]


def books_of(ear: Ear) -> tuple[dict[str, int], int]:
    """Shares by symbol and micro-dollars, from what was kept alone."""
    reports = [one.report for one in ear.kept.values()]
    fills = {one.execution: one for one in reversed(reports) if isinstance(one, Filled)}
    corrected = {one.execution: (one.shares, one.price) for one in reports if isinstance(one, Corrected)}
    busted = {one.execution for one in reports if isinstance(one, Busted)}
    held, cash = {"ACME": 10_000 * SHARE, "OTHR": 0}, 10_000_000 * MICRO
    for name, fill in fills.items():
        if name in busted:
            continue
        shares, price = corrected.get(name, (fill.shares, fill.price))
        sign = 1 if fill.side == Side.BID else -1
        held[fill.symbol] += sign * shares
        cash -= (-(-shares * price // 10**12) if sign > 0 else -(shares * price // 10**12)) + fill.fee
    return {symbol: shares for symbol, shares in held.items() if shares}, cash


def unsettled(ear: Ear) -> set[str]:
    """Executions that stand and of which nobody said that they settled."""
    settled = {one.execution for one in ear.all(Settled) if one.settled}
    busted = {one.execution for one in ear.all(Busted)}
    return {fill.execution for fill in ear.all(Filled)} - settled - busted


ORDERS = 60


@pytest.mark.parametrize("seed", range(3))
def test_whatever_goes_wrong_on_both_sides_and_between_the_books_agree(tmp_path, seed):
    """Half of the orders meet a fault; the listener fails, the line is cut, the venue's side is closed and opened, now and then."""
    dice = random.Random(seed)
    floor = a_floor(plan=Plan(seed=seed, per_mille=500))
    with Line(floor, tmp_path) as line:
        street, ear = line.street, Ear(refuses=lambda _: dice.randrange(60) == 0)
        client = street.connect("alpha")
        client.open(ear)
        for number in range(ORDERS):
            said = dice.choice((buy, sell))(
                f"o-{number}", dice.randrange(1, 300) * SHARE // 2, ASK + dice.randrange(2) * CENT
            )
            with suppress(LineDown, AssertionError):
                street.until(lambda: line.clients[-1].values()["up"], 5)
                client.send(said)
                if dice.randrange(4) == 0:
                    client.send(CancelOrder(order=f"o-{number}"))
            street.step(dice.choice((0, 1, 30, 60)))
            if dice.randrange(12) == 0:
                line.proxy.cut()
            if dice.randrange(20) == 0:
                client.close()
                ear = Ear(refuses=ear.refuses, kept=ear.kept, cursor=ear.cursor)
                client = street.connect("alpha")
                client.open(ear, ear.cursor)
        street.to(at(THURSDAY, 20))
        ear.refuses = lambda _: False
        street.until(lambda: client.values()["up"])
        street.to(at(TUESDAY, 20))
        said = floor.end_of_day("alpha", TUESDAY)
        want = (
            {one.symbol: one.settled + one.unsettled for one in said.positions},
            said.cash.settled + said.cash.unsettled,
        )
        street.until(lambda: books_of(ear) == want, 10)
        assert len(ear.all(Filled)) > ORDERS // 6  # the line is down for a part of them
        street.until(lambda: unsettled(ear) == set())  # said behind the fills, so heard behind them
        assert client.values()["refused"] == 0
