"""Every broker adapter on one street: a simulated exchange that a test moves by hand, and who listens to it.

An adapter joins the conformance suite by a line in ADAPTERS: `start(floor, folder)` is a context that gives `connect(broker)`, a new client of
that broker, as after a crash. Reports may come later and from another thread: a test waits with `Street.until`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from datetime import time as wall
from pathlib import Path

import pytest

from gateways import free_port
from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.displayed import Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.faults import Plan
from novate.broker.floor import Floor
from novate.broker.port import Broker, Heard, LineUp, NewOrder, Report
from novate.broker.simulated import SimulatedBroker
from novate.broker.tape import Depth, generated
from novate.calendar import new_york_ns
from novate.messages.codes import Side

SECOND = 1_000_000_000
DOLLAR = 1_000_000_000
"""A dollar in a price."""
CENT = DOLLAR // 100
MICRO = 1_000_000
"""A dollar in micro-dollars."""
THURSDAY = date(2025, 10, 9)
FRIDAY = date(2025, 10, 10)
COLUMBUS_DAY = date(2025, 10, 13)
"""Stocks trade, banks are closed."""
TUESDAY = date(2025, 10, 14)
OPEN_NS = new_york_ns(THURSDAY, wall(10))
ASK, BID = 10_001 * CENT, 9_999 * CENT
BEST = 1_000 * SHARE
"""Shares at the best price each way, new every minute."""

Connect = Callable[[str], Broker]


def at(day: date, hour: int, minute: int = 0) -> int:
    """A New York wall time."""
    return new_york_ns(day, wall(hour, minute))


def a_floor(terms: Terms | None = None, journal: Path | None = None, plan: Plan | None = None) -> Floor:
    """Two brokers, two stocks at 100 dollars that never move, from Thursday 10:00 to Wednesday."""
    end_ns = at(date(2025, 10, 16), 0)
    tapes = [
        generated(symbol, start_ns=at(THURSDAY, 4), end_ns=end_ns, seed=1, step_ns=60 * SECOND, step_ppm=0, depth=Depth(best=BEST, levels=3))
        for symbol in ("ACME", "OTHR")
    ]  # fmt: skip
    opening = Opening(cash=10_000_000 * MICRO, shares={"ACME": 10_000 * SHARE})
    exchange = Exchange(
        tapes,
        {"alpha": opening, "beta": opening},
        start_ns=OPEN_NS,
        terms=terms or Terms(impact=Impact(parts=0)),
        plan=plan,
    )
    return Floor(exchange, journal)


def buy(order: str, shares: int = 100 * SHARE, limit: int = 101 * DOLLAR, **change) -> NewOrder:
    """A purchase of ACME."""
    said = {"symbol": "ACME", "side": Side.BID, "dollars": 0} | change
    return NewOrder(order=order, shares=shares, limit=limit, **said)


def sell(order: str, shares: int = 100 * SHARE, limit: int = 99 * DOLLAR, **change) -> NewOrder:
    """A sale of ACME."""
    return buy(order, shares, limit, **({"side": Side.ASK} | change))


@dataclass
class Ear:
    """Who listens: keeps what came once by its key, as the clearing service does, and may refuse to."""

    refuses: Callable[[Report], bool] = lambda _: False
    heard: list[Heard] = field(default_factory=list)
    """Everything that was handed over, kept or not."""
    kept: dict[str, Heard] = field(default_factory=dict)
    cursor: str = ""
    line: list[Report] = field(default_factory=list)

    def __call__(self, heard: Heard) -> None:
        self.heard.append(heard)
        if self.refuses(heard.report):
            raise OSError("not kept")
        if not heard.key:
            self.line.append(heard.report)
            return
        self.kept.setdefault(heard.key, heard)
        self.cursor = heard.cursor

    @property
    def up(self) -> bool:
        """Whether the line stands, as far as it was told."""
        return bool(self.line) and isinstance(self.line[-1], LineUp)

    def all(self, kind: type, order: str = "") -> list:
        """Reports of a kind, of an order, in the order in which they came; an execution that was told again counts once."""
        found = [one.report for one in list(self.kept.values()) if isinstance(one.report, kind)]
        if order:
            found = [one for one in found if one.order == order]
        return list({getattr(one, "execution", number): one for number, one in enumerate(found)}.values())


class Street:
    """One adapter on one floor."""

    def __init__(self, floor: Floor, connect: Connect) -> None:
        self.floor, self.connect = floor, connect

    def step(self, seconds: int = 60) -> None:
        """Time passes at the exchange."""
        self.floor.advance(self.floor.now_ns() + seconds * SECOND)

    def to(self, time_ns: int) -> None:
        """Time passes up to a moment, an hour at a time."""
        while self.floor.now_ns() < time_ns:
            self.floor.advance(min(self.floor.now_ns() + 3600 * SECOND, time_ns))

    def until(self, true: Callable[[], object], within_s: float = 20.0) -> object:
        """What `true` gives once it is true; the exchange's time passes by a millisecond a look."""
        end = time.monotonic() + within_s
        while not (found := true()):
            assert time.monotonic() < end, "it did not come about"
            self.floor.advance(self.floor.now_ns() + 1_000_000)
            time.sleep(0.001)
        return found

    def open(self, ear: Ear, broker: str = "alpha", since: str | None = None) -> Broker:
        """A client that goes on where the ear is, its line up."""
        client = self.connect(broker)
        ear.line.clear()
        client.open(ear, ear.cursor if since is None else since)
        self.until(lambda: ear.up)
        return client


@dataclass(frozen=True)
class Adapter:
    """One line of the registry. `lacks` names what its kind of broker can't do: dollars, replace, parts, failing settlement (nothing says that one failed), cut (its line follows `acts.CutLine`)."""

    start: Callable[[Floor, Path], AbstractContextManager[Connect]]
    lacks: frozenset[str] = frozenset()


@contextmanager
def simulated(floor: Floor, folder: Path) -> Iterator[Connect]:
    """The adapter in the same process."""
    del folder
    clients: list[SimulatedBroker] = []

    def connect(broker: str) -> Broker:
        clients.append(SimulatedBroker(floor, broker))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def alpaca(floor: Floor, folder: Path) -> AbstractContextManager[Connect]:
    """The adapter for Alpaca, on servers with its endpoints."""
    for needed in ("alpaca", "aiohttp"):
        pytest.importorskip(needed, reason=f"{needed} is not installed: pip install novate[feeds]")
    from alpaca_exchange import alpaca as started

    return started(floor, folder)


@contextmanager
def fix(floor: Floor, folder: Path) -> Iterator[Connect]:
    """FIX 4.4 over a socket: the venue's sessions, and the simulated exchange behind an acceptor."""
    pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")
    from novate.broker.fix.acceptor import FixAcceptor
    from novate.broker.fix.initiator import FixBroker
    from novate.broker.fix.settings import AcceptorSettings, Client, FixSettings

    port, names = free_port(), ("alpha", "beta")
    acceptor = FixAcceptor(
        AcceptorSettings(
            port=port, exchange="FLOOR", clients=tuple(Client(id=f"NOV-{name}") for name in names)
        ),
        folder / "exchange",
        {f"NOV-{name}": SimulatedBroker(floor, name) for name in names},
        clock=floor.now_ns,
    )
    acceptor.start()
    clients: list[FixBroker] = []

    def connect(broker: str) -> Broker:
        settings = FixSettings(
            name=broker, host="127.0.0.1", port=port, sender=f"NOV-{broker}", target="FLOOR",
            reconnect_s=1, cash_orders=True, fraction_decimals=9,
        )  # fmt: skip
        clients.append(FixBroker(settings, folder / broker))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
    acceptor.close()


ADAPTERS: dict[str, Adapter] = {
    "simulated": Adapter(simulated),
    "fix": Adapter(fix),
    "alpaca": Adapter(alpaca, lacks=frozenset({"failing settlement"})),
}
