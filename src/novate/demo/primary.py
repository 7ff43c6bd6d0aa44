"""The primary market of the demo, and the venue's own clearing before it: the real service on a simulated exchange, in lockstep.

Responsible for: an exchange that plays the scenario's prices of every name with issuance, one line to it for each listed broker, the clearing
service between the venue and them, and what the report tells of each order at the exchange. Never: a rule, a fill or a price of its own.

Each frame the exchange moves on, then clearing hears what the venue told since and says what is due; its commands are a frame of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from novate.broker import Accepted, Filled, Hear, Heard, Instruction, NewOrder
from novate.broker.custody import Opening
from novate.broker.exchange import Exchange
from novate.broker.floor import Floor
from novate.broker.simulated import SimulatedBroker
from novate.broker.tape import scenario_tape
from novate.clearing.conversion import SimulatedChanger
from novate.clearing.intake import WATCHED, Intake
from novate.clearing.names import Names, order_number
from novate.clearing.outbox import Outbox
from novate.clearing.service import Clearing
from novate.clearing.settings import load_clearing
from novate.config import Listing
from novate.core_process import Answered
from novate.demo.staff import BROKER_KEEPER
from novate.marketdata import Scenario
from novate.messages import AttestBacking, FundBroker, iter_events
from novate.messages.codes import Session, Side
from novate.messages.reports import portfolios
from novate.reports import operations
from novate.venue import Venue

CONVERSION_SECONDS: Final = 60
SETTINGS: Final = {
    "actor": BROKER_KEEPER,
    # Prices of bars come minutes apart; they are the market until the next one.
    "desk": {"oldest": "15 min", "age": "0 bps", "depth_every": "30 s"},
    "conversion": {"by": "simulated", "takes": f"{CONVERSION_SECONDS} s"},
}
JOURNAL: Final = b"novate demo"
"""Stands in client order ids where a journal's hash would: the same run gives the same ids."""
QUIET_NS: Final = 60 * 10**9
"""How often it looks while the exchange is closed."""
TakeIn = Callable[[bytes], None]


@dataclass(slots=True)
class _Line:
    """A broker's line that notes what passes: when an order left, what came back, and what the market showed then."""

    line: SimulatedBroker
    name: str
    legs: dict[int, operations.BrokerLeg]

    def open(self, hear: Hear, since: str = "") -> None:
        def noted(heard: Heard) -> None:
            self._note(heard)
            hear(heard)

        self.line.open(noted, since)

    def close(self) -> None:
        self.line.close()

    def send(self, instruction: Instruction) -> None:
        book = self.line.floor.book(instruction.symbol) if isinstance(instruction, NewOrder) else None
        self.line.send(instruction)
        if isinstance(instruction, NewOrder):
            number = order_number(instruction.order) or 0
            self.legs[number] = operations.BrokerLeg(
                order=number,
                client_id=instruction.order,
                broker=self.name,
                symbol=instruction.symbol,
                buys=instruction.side == Side.BID,
                sent_ns=self.line.floor.now_ns(),
                bid_e9=book.bids[0].price if book and book.bids else 0,
                ask_e9=book.asks[0].price if book and book.asks else 0,
            )

    def _note(self, heard: Heard) -> None:
        report = heard.report
        if not isinstance(report, Accepted | Filled):
            return
        number = order_number(report.order) or 0
        leg = self.legs.get(number)
        if leg is None:
            return
        if isinstance(report, Accepted):
            self.legs[number] = replace(leg, accepted_ns=heard.at_ns)
            return
        done = operations.Execution(
            id=report.execution,
            traded_ns=report.traded_ns,
            shares=report.shares,
            price_e9=report.price,
            fee_micro=report.fee,
            settles=report.settles.isoformat(),
        )
        self.legs[number] = replace(leg, executions=(*leg.executions, done))


class Primary:
    """Clearing and its exchange beside one venue in this process."""

    def __init__(self, venue: Venue, listing: Listing, floor: Floor, outbox: Outbox) -> None:
        self.floor, self.outbox = floor, outbox
        self.legs: dict[int, operations.BrokerLeg] = {}
        """By number of the order."""
        self._venue, self._listing = venue, listing
        self._take_in: TakeIn = lambda _: None
        self._heard: list[tuple[int, bytes]] = []
        self._work: Clearing | None = None

    @classmethod
    def of(cls, venue: Venue, listing: Listing, scenario: Scenario, home: Path) -> Primary:
        """An exchange that opens with the scenario. Raises DataError where a name with issuance has no prices."""
        names = sorted({listing.underlying_of_asset[token] for token in listing.issuance})
        openings = {name: _opening(listing, number) for name, number in listing.broker.items()}
        tapes = [scenario_tape(scenario, name) for name in names]
        floor = Floor(Exchange(tapes, openings, start_ns=scenario.start_ns))
        floor.start(scenario.start_ns)
        return cls(venue, listing, floor, Outbox(home, salt=1))  # the same run gives the same requests

    def open(self, take_in: TakeIn) -> None:
        """Begins to clear a venue that has its listing. `take_in` shows events of clearing's own commands to everybody else."""
        self._take_in = take_in
        settings = load_clearing(SETTINGS)
        names = Names.of(portfolios.listed(self._venue.engine), {})
        with self.outbox.heard_until(self._venue.sequence, JOURNAL):
            pass
        lines = {
            number: _Line(SimulatedBroker(self.floor, name), name, self.legs)
            for name, number in self._listing.broker.items()
        }
        self._work = Clearing(
            self.outbox,
            Intake(self.outbox, names, JOURNAL, deliver=True),
            lines,
            self._submit,
            settings.terms(),
            market=self.floor,
            changer=SimulatedChanger(takes_ns=CONVERSION_SECONDS * 10**9, cost_ppm=0),
            names=lambda _: names,
        )
        self._work.open()

    def hear(self, sequence: int, events: bytes) -> None:
        """A frame of the venue's, up to command `sequence`. Frames that tell clearing nothing are passed over: each costs a sync."""
        if self._work is not None and any(True for _ in iter_events(events, WATCHED)):
            self._heard.append((sequence, events))

    def step(self, time_ns: int) -> None:
        """The exchange moves on, and clearing does what is due: once a minute while the exchange is closed and nothing was heard."""
        if self._work is None or not (self._heard or self._is_open() or time_ns % QUIET_NS == 0):
            return
        self.floor.advance(time_ns)
        self._listen()
        self._work.step(time_ns)
        self._listen()

    def close(self) -> None:
        """Ends the lines and closes the outbox."""
        if self._work is not None:
            self._work.close()
        self.outbox.close()

    def legs_of(self, orders: set[int]) -> tuple[operations.BrokerLeg, ...]:
        """What became of these orders at the exchange, in order."""
        return tuple(self.legs[number] for number in sorted(orders & self.legs.keys()))

    def _is_open(self) -> bool:
        exchange = self.floor.exchange
        return any(exchange.session(symbol) != Session.CLOSED for symbol in exchange.stocks)

    def _listen(self) -> None:
        assert self._work is not None  # noqa: S101 - asked by its callers
        heard, self._heard = self._heard, []
        for sequence, events in heard:
            self._work.heard(sequence, events)

    def _submit(self, buffer: bytes, count: int) -> Answered:
        time_ns = self._venue.time_ns
        events = self._venue.submit(buffer, time_ns)
        self._take_in(events)
        last = self._venue.sequence
        return Answered(None, last - count + 1, count, time_ns, events)


def _opening(listing: Listing, broker: int) -> Opening:
    """What a broker holds when the venue opens: the operator's dollars, and the shares behind tokens that exist."""
    cash, shares = 0, dict[str, int]()
    for command in listing.commands:
        if isinstance(command, FundBroker) and command.broker == broker:
            cash += command.amount
        elif isinstance(command, AttestBacking) and command.broker == broker:
            token = next(name for name, number in listing.asset.items() if number == command.token)
            shares[listing.underlying_of_asset[token]] = command.shares
    return Opening(cash=cash, shares=shares)
