"""Engine, clearing worker and simulated exchange in one thread and in virtual time, with a worker that may be killed at any step.

Responsible for: the wiring, a day of random wishes under a seed, and comparing the broker's custody with the venue's books to the unit. A kill is
an exception at a step's boundary: the worker and its memory are gone, the outbox's file stays, and the next worker hears what was told since.
"""

from collections import Counter
from datetime import date
from datetime import time as wall
from pathlib import Path
from random import Random

from clearings import two_brokers
from novate._core import Engine, release, ruleset
from novate.broker import NewOrder
from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.displayed import Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.faults import Plan
from novate.broker.floor import Floor
from novate.broker.simulated import SimulatedBroker
from novate.broker.tape import Depth, endless
from novate.calendar import new_york_ns
from novate.clearing.conversion import SimulatedChanger
from novate.clearing.desk import DeskTerms
from novate.clearing.intake import Intake
from novate.clearing.names import Names
from novate.clearing.outbox import Outbox
from novate.clearing.service import Clearing
from novate.clearing.service import Terms as WorkerTerms
from novate.config import load_listing
from novate.core_process import Answered
from novate.journal.envelope import stamp
from novate.messages import (
    ActivateRelease,
    AdvanceTime,
    CancelRequest,
    CommandRefused,
    Deposit,
    FundTreasury,
    OpenAccount,
    PostPrice,
    PriceKind,
    RequestIssuance,
    RequestRedemption,
    RequestReserved,
    ResolveBreak,
    Session,
    SetSession,
    encode,
    explain,
    iter_events,
)
from novate.messages.reports import clearing as questions
from novate.messages.reports import ledger
from novate.messages.reports.portfolios import listed

MICRO = 10**6
SECOND = 10**9
MINUTE = 60 * SECOND
TOKEN, STOCK = "tAAPL", "AAPL"
ALICE, BOB = 11, 12
NAMES = {1: "alpha", 2: "beta"}
DAY = date(2025, 10, 9)
"""A Thursday."""
OPEN_NS = new_york_ns(DAY, wall(10))
JOURNAL = bytes(32)
ATTESTED = 500_000 * SHARE


class Counting(SimulatedBroker):
    """A line that knows whether an order left twice."""

    left: Counter[str]

    def send(self, instruction) -> None:
        super().send(instruction)
        if isinstance(instruction, NewOrder):
            self.left[instruction.order] += 1


class Killed(BaseException):
    """The worker's process is gone."""


class World:
    """A venue, its worker and an exchange under a seed."""

    def __init__(self, folder: Path, seed: int = 0, *, plan: Plan | None = None, kills: float = 0.0) -> None:
        self.folder, self.random, self.kills = folder, Random(seed), kills
        self.now = OPEN_NS
        self.engine = Engine()
        self.told: list[tuple[int, bytes]] = []
        self.killed = 0
        self.kill_at = "", 0
        """A step's name and how many times it is met until the worker is killed at it."""
        self.events = []
        self.left: Counter[str] = Counter()
        self.references = 0
        self.requests: list[int] = []
        self.problems: set[str] = set()
        self._list()
        self.floor = self._exchange(plan)
        self.worker: Clearing | None = None
        self.outbox: Outbox | None = None
        self.safe = False

    # --- the venue

    def submit(self, buffer: bytes, commands: int) -> Answered:
        """As a core would: stamped, applied, told."""
        first = self.engine.sequence + 1
        stamped = stamp(buffer, first, self.now, 0)
        events = self.engine.apply(stamped.payload)
        self.told.append((self.engine.sequence, events))
        self.events += [event.body for event in iter_events(events)]
        return Answered(1, first, commands, self.now, events)

    def cut(self, buffer: bytes, commands: int) -> Answered:
        """The worker's line to the core: it may be killed on the way there or on the way back."""
        self.step("submitting")
        answer = self.submit(buffer, commands)
        self.step("submitted")
        return answer

    def say(self, *commands, account: int = 0, must: bool = True):
        answer = self.submit(b"".join(encode(one, account=account) for one in commands), len(commands))
        events = [event.body for event in iter_events(answer.events)]
        refused = [explain(event) for event in events if isinstance(event, CommandRefused)]
        assert not (must and refused), refused[:3]
        return events

    def _list(self) -> None:
        listing = load_listing(
            two_brokers(self.folder / "listing.toml"),
            sources=[(name, number, f"feed-{number}") for name in (STOCK, "USDC") for number in (1, 2)],
        )
        self.say(ActivateRelease(release=release(), ruleset=ruleset()))
        self.say(*listing.commands)
        known = listed(self.engine)
        self.names = Names.of(known, {})
        self.stock = next(one for one in known.underlyings if one.name == STOCK)
        self.cash = next(one for one in known.underlyings if one.name == "USDC")
        self.token = next(one.asset for one in known.assets if one.name == TOKEN)
        self.say(
            SetSession(underlying=self.stock.underlying, session=Session.REGULAR, next_session=Session.POST, next_time_ns=self.now + 10**15)
        )  # fmt: skip
        self.price = 100 * 10**self.stock.decimals
        self.pulse()
        for account in (ALICE, BOB):
            self.say(
                OpenAccount(owner=account),
                Deposit(asset=self.cash.underlying, amount=2 * 10**6 * MICRO, reference=1),
                Deposit(asset=self.token, amount=5_000 * MICRO, reference=1),
                account=account,
            )
        self.say(FundTreasury(asset=self.cash.underlying, amount=1_000 * MICRO))

    def pulse(self) -> None:
        for source in (1, 2):
            for name, price, kind in (
                (self.stock, self.price, PriceKind.QUOTE),
                (self.cash, 10**self.cash.decimals, PriceKind.ISSUER),
            ):
                self.say(
                    PostPrice(underlying=name.underlying, source=source, price=price, price_kind=kind, venue_time_ns=self.now, size=10**12),
                    must=False,
                )  # fmt: skip
        self.say(AdvanceTime())

    # --- the exchange

    def _exchange(self, plan: Plan | None) -> Floor:
        tapes = [
            endless(
                symbol,
                start_ns=OPEN_NS,
                seed=1,
                step_ns=MINUTE,
                step_ppm=0,
                depth=Depth(best=1_000 * SHARE, levels=3),
            )
            for symbol in (STOCK, "GOOG")
        ]
        brokers = {
            "alpha": Opening(cash=10 * 10**6 * MICRO, shares={STOCK: ATTESTED, "GOOG": ATTESTED}),
            "beta": Opening(cash=10 * 10**6 * MICRO),
        }
        exchange = Exchange(
            tapes,
            brokers,
            start_ns=OPEN_NS,
            terms=Terms(impact=Impact(parts=0), delay_ns=SECOND),
            plan=plan or Plan(),
        )
        floor = Floor(exchange)
        floor.start(OPEN_NS)
        return floor

    # --- the worker

    def step(self, name: str) -> None:
        if name == self.kill_at[0]:
            self.kill_at = name, self.kill_at[1] - 1
            if self.kill_at[1] == 0:
                self.kill_at = "", 0
                raise Killed
        if not self.safe and self.random.random() < self.kills:
            raise Killed

    def alive(self) -> Clearing:
        """The worker; a new one where the last was killed."""
        while self.worker is None:
            try:
                self._begin()
            except Killed:
                self.die()
        return self.worker

    def _begin(self) -> None:
        self.outbox = Outbox(self.folder)
        self.outbox.lock()
        if not self.outbox.place.journal:
            with self.outbox.heard_until(0, JOURNAL):
                pass
        brokers = {number: Counting(self.floor, name) for number, name in NAMES.items()}
        for broker in brokers.values():
            broker.left = self.left
        self.brokers = brokers
        spread = dict.fromkeys(Session, 200)
        self.worker = Clearing(
            self.outbox,
            Intake(self.outbox, self.names, JOURNAL, deliver=True),
            brokers,
            self.cut,
            WorkerTerms(desk=DeskTerms(spread, 50, 3_600 * SECOND, 1_000)),
            market=self.floor,
            changer=SimulatedChanger(takes_ns=MINUTE, cost_ppm=0),
            names=lambda _: self.names,
            on_step=self.step,
        )
        self._hear()
        self.worker.open()

    def _hear(self) -> None:
        for sequence, events in list(self.told):
            self.worker.heard(sequence, events)
        place = self.outbox.place.sequence
        self.told = [one for one in self.told if one[0] > place]

    def die(self) -> None:
        self.killed += 1
        for broker in self.brokers.values():
            broker.close()
        if self.worker is not None:
            self.problems |= set(self.worker.seen.problems.values())
        self.outbox.close()
        self.worker = None

    def close(self) -> None:
        if self.worker is not None:
            self.die()

    def safe_tell(self) -> None:
        """The worker's turn alone: the exchange stands still."""
        self.worker.step(self.now)

    def work(self) -> None:
        """One turn of everything."""
        try:
            worker = self.alive()
            self.floor.advance(self.now)
            self._hear()
            worker.step(self.now)
            self._hear()
        except Killed:
            self.die()

    def turn(self, by_ns: int = 5 * SECOND) -> None:
        self.now += by_ns
        self.pulse()
        self.work()

    # --- a day

    def wish(self) -> None:
        """Somebody asks for something, or takes a wish back."""
        account = self.random.choice((ALICE, BOB))
        drawn = self.random.random()
        self.references += 1
        if drawn < 0.5:
            dollars = self.random.choice((150, 1_234, 20_000, 60_000))
            wish = RequestIssuance(
                token=self.token,
                amount=dollars * MICRO + self.random.randrange(MICRO),
                reference=self.references,
            )
        elif drawn < 0.85:
            units = self.random.choice((2, 15, 333)) * MICRO + self.random.randrange(MICRO)
            wish = RequestRedemption(token=self.token, amount=units, reference=self.references)
        elif self.requests:
            wish = CancelRequest(request=self.random.choice(self.requests[-4:]))
        else:
            return
        for event in self.say(wish, account=account, must=False):
            if isinstance(event, RequestReserved):
                self.requests.append(event.request)

    def day(self, turns: int = 120) -> None:
        for _ in range(turns):
            if self.random.random() < 0.35:
                self.wish()
            self.turn()

    def evening(self, days: int = 6) -> None:
        """Nobody kills any more: what is on its way arrives, is mended and settles."""
        self.safe = True
        for _ in range(400):
            self.turn(10 * SECOND)
            self.resolve()
            if not self.outbox_open() and not self.repairs():
                break
        for _ in range(days * 4):
            self.now += 6 * 3_600 * SECOND
            self.pulse()
            for _ in range(3):
                self.now += 20 * SECOND
                self.pulse()
                self.work()
            self.resolve()

    def resolve(self) -> None:
        """What the brokers insist on is the venue's."""
        for one in questions.breaks(self.engine):
            self.say(ResolveBreak(break_id=one.break_id, resolution=1 if one.execution else 0), must=False)

    def outbox_open(self) -> bool:
        worker = self.alive()
        return bool(self.outbox.orders() or self.outbox.waiting()) or worker is None

    def repairs(self) -> bool:
        return any(line.shortage for line in questions.supply(self.engine))

    # --- what must be so

    def sound(self) -> None:
        assert not [order for order, count in self.left.items() if count > 1]
        assert {line.difference for line in ledger(self.engine).conservation} == {0}
        assert {line.difference for line in questions.supply(self.engine)} == {0}

    def differences(self) -> dict[str, int]:
        """Broker's custody less the venue's books: shares and micro-dollars, settled and not."""
        found: dict[str, int] = {}
        books = {(line.token, line.place): line.amount for line in questions.books(self.engine)}
        for number, name in NAMES.items():
            custody = self.floor.exchange.desks[name].custody
            held = custody.shares(STOCK)
            ours = sum(
                sign * books.get((self.token, f"{place}({number})"), 0)
                for place, sign in (
                    ("Broker", 1),
                    ("FromBroker", 1),
                    ("ToBroker", -1),
                    ("HouseAt", 1),
                    ("HouseFrom", 1),
                    ("HouseTo", -1),
                )
            )
            money = sum(
                sign * books.get((0, f"{place}({number})"), 0)
                for place, sign in (("Broker", 1), ("FromBroker", 1), ("ToBroker", -1))
            )
            found |= {f"{name} shares": held - ours, f"{name} dollars": custody.cash() - money}
        return found
