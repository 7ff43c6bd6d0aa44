"""The entry point: clearing as a process (or a thread) that runs until it is asked to end.

Responsible for: sockets, threads, and the order of the start: the home is taken, what the venue said meanwhile is heard, then lines are
opened. Each time that the core comes back, what was missed is read from the journal first. Never: holds a rule, or goes on after an error that
it does not know: a supervisor starts it again, and nothing that matters is in memory.

On a venue that nobody cleared before, orders that are open are taken over as such that may be at their brokers: they are asked about.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from novate.broker import Broker, Heard, LineLost, PrimaryMarket
from novate.broker.book_file import BookFile, write_books
from novate.clearing.adapters import Given, make, make_market
from novate.clearing.conversion import ByHand, Changer, SimulatedChanger
from novate.clearing.day_end import DayEnd
from novate.clearing.intake import Intake
from novate.clearing.names import Names
from novate.clearing.network import Issuer
from novate.clearing.network_book import NetworkBook
from novate.clearing.outbox import Outbox
from novate.clearing.reporting import ORDER_OVER
from novate.clearing.service import Clearing
from novate.clearing.settings import ClearingSettings, nanoseconds
from novate.core_process import CoreClient, CoreGone
from novate.errors import ConfigError, DataError
from novate.keepers.line import Line, Stopped
from novate.keepers.pace import Pace
from novate.keepers.running import AnswersOf, Health, patiently, stopping
from novate.messages import CommandRefused, encode, iter_events
from novate.messages.commands.clearing import ReportBrokerAccepted
from novate.messages.events.clearing import BrokerOrderRaised
from novate.messages.refusals import rule
from novate.messages.reports import clearing as questions
from novate.messages.reports.portfolios import Listed, listed
from novate.projector.listening import Listener
from novate.projector.past import Past
from novate.reader_process import ReaderClient
from novate.reader_process.wire import Foretold
from novate.units import rate_ppm

HEALTH: Final = "clearing"
"""Name of its health file."""
WAITING_BYTES: Final = 64 << 20
_BEAT_S: Final = 0.1
_AGAIN_S: Final = 0.2
_SHOW_S: Final = 0.25
_SOCKET: Final = "core.sock"
_FORETOLD: Final = 200
"""Orders looked at in one question."""

Ready = Callable[[], None]


def run_clearing(
    home: Path | str,
    settings: ClearingSettings,
    answers: Callable[[], ReaderClient],
    *,
    on_ready: Ready = lambda: None,
    stop: threading.Event | None = None,
    socket_path: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Clears the venue of `home` until `stop` is set, or SIGTERM or SIGINT. `on_step` is for tests of a kill at each step.

    Raises ConfigError for settings that do not fit the venue, JournalLocked where another process clears it, DataError for an outbox of
    another venue.
    """
    home = Path(home)
    with stopping(stop) as ends, Outbox(home) as outbox:
        outbox.lock()
        core = socket_path or home / _SOCKET
        line = Line(core, ends, actor=settings.actor)
        try:
            _Process(home, settings, answers, outbox, line, core, ends, on_ready, on_step).run()
        except Stopped:
            pass
        finally:
            line.close()


class _Process:
    """One run."""

    def __init__(
        self, home: Path, settings: ClearingSettings, answers: Callable[[], ReaderClient], outbox: Outbox, line: Line, core: Path,
        ends: threading.Event, on_ready: Ready, on_step: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._home, self._settings, self._answers = home, settings, answers
        self._outbox, self._line, self._core, self._ends = outbox, line, core, ends
        self._on_ready, self._on_step = on_ready, on_step
        self._pace, self._health = Pace.read(home), Health(home, HEALTH)
        self._wake = threading.Event()
        self._opened = False
        self._network: Issuer | None = None
        self._book = NetworkBook(outbox) if settings.network is not None else None
        self._show_s = 0.0

    def run(self) -> None:
        """Follows the core, again and again."""
        self._line.client()  # without a core there is no journal
        self._pace = Pace.read(self._home)
        past = Past(self._home)
        journal = past.identity()
        self._begin(past, journal)
        work = self._worker(journal)
        try:
            while not self._ends.is_set():
                try:
                    with CoreClient.connect(self._core, events=True) as client:
                        self._follow(client, work)
                except CoreGone:
                    self._say(work)
                self._ends.wait(_AGAIN_S)
        finally:
            if self._network is not None:
                self._network.close()
            work.close()

    # --- the start -----------------------------------------------------------------------------------------------------

    def _begin(self, past: Past, journal: bytes) -> None:
        """The outbox is this venue's; on a venue that nobody cleared before, it begins where the venue stands."""
        place = self._outbox.place
        if place.journal == journal and place.sequence <= past.last_sequence:
            return
        if place.journal:
            raise DataError(
                f"{self._outbox.path} is another venue's, or this venue's journal was cut: it stands at command {place.sequence}, the journal at "
                f"{past.last_sequence}.",
                file=str(self._outbox.path),
                sequence=place.sequence,
            )
        intake = self._intake(self._names(), journal)
        until = min(past.last_sequence, self._line.client().welcome.sequence)  # what is durable
        events = [e for told in past.told(0, until) for e in iter_events(told.events, intake.watched)]
        raised = [event.body.order for event in events if isinstance(event.body, BrokerOrderRaised)]
        still_open = self._open_of(raised, until)
        with self._outbox.heard_until(until, journal):
            intake.take_over(events, still_open)

    def _open_of(self, orders: list[int], least: int) -> frozenset[int]:
        """Which of these the engine counts as open after command `least`: foretold on a copy of the state, which is thrown away.

        Raises ConfigError where the engine refuses for another reason than that an order is over.
        """
        done: set[int] = set()
        for at in range(0, len(orders), _FORETOLD):
            some = orders[at : at + _FORETOLD]
            reports = b"".join(
                encode(ReportBrokerAccepted(order=order), actor=self._settings.actor, request=n)
                for n, order in enumerate(some)
            )
            foretold = self._ask(partial(_foretold, reports, least))
            for event in iter_events(foretold.events):
                if not isinstance(event.body, CommandRefused):
                    continue
                if event.body.code not in ORDER_OVER:
                    why = rule(event.body.code)
                    raise ConfigError(
                        f"actor: the venue does not say which orders are open, but {why.name}: {why.sentence}"
                    )
                done.add(some[event.header.request])
        return frozenset(orders) - done

    def _intake(self, names: Names, journal: bytes) -> Intake:
        deliver = self._settings.deliver == "settled"
        return Intake(self._outbox, names, journal, deliver=deliver, network=self._book)

    def _now(self) -> int:
        return self._pace()

    def _ask(self, question: Callable[[ReaderClient], Any]) -> Any:
        answers: AnswersOf = self._answers
        return patiently(answers, question, self._ends)  # type: ignore[arg-type]

    def _names(self, least: int = 0) -> Names:
        return Names.of(self._ask(partial(_listed, least)), self._settings.symbols)

    def _worker(self, journal: bytes) -> Clearing:
        names = self._names()
        known = {line.name: line for line in self._ask(questions.brokers)}
        brokers: dict[int, Broker] = {}
        markets: dict[str, PrimaryMarket] = {}
        for one in self._settings.broker:
            if one.name not in known:
                raise ConfigError(
                    f"Broker {one.name!r} is not listed; the venue lists {', '.join(known) or 'none'}."
                )
            given = Given(known[one.name].broker, one.name, one.options, self._home, self._now)
            brokers[given.broker] = adapter = make(one.adapter, given)
            if isinstance(adapter, PrimaryMarket):
                markets[one.name] = adapter
        self._lose_others(known.values(), brokers)
        by_name = {one.name: brokers[known[one.name].broker] for one in self._settings.broker}
        self._day_end = DayEnd(self._home, by_name, self._now, self._ends)
        self._primary = self._market(markets)
        intake = self._intake(names, journal)
        self._network = self._issuer({name: line.broker for name, line in known.items()})
        return Clearing(
            self._outbox,
            intake,
            brokers,
            self._line.submit,
            self._settings.terms(),
            market=self._primary,
            changer=self._changer(),
            names=self._names,
            wake=self._wake.set,
            on_step=self._on_step,
        )

    def _issuer(self, numbers: Mapping[str, int]) -> Issuer | None:
        """The issuer's door, bound; None where the venue issues in no network."""
        said = self._settings.network
        if said is None or self._book is None:
            return None
        options = next(one.options for one in self._settings.broker if one.name == said.broker)
        return Issuer(
            self._home, said, options, self._book, self._names_now, numbers[said.broker], self._now,
            answer_ns=nanoseconds(said.answer, "network.answer"), every_ns=nanoseconds(said.every, "network.every"),
            wake=self._wake.set, on_step=self._on_step,
        )  # fmt: skip

    def _names_now(self) -> Names:
        """What is listed now, or an error: the network asks again."""
        with self._answers() as reader:
            return Names.of(listed(reader), self._settings.symbols)

    def _market(self, shown: Mapping[str, PrimaryMarket]) -> PrimaryMarket | None:
        """Who shows the primary market; None where nobody does: then nothing is quoted and no depth is posted."""
        chosen = self._settings.market
        if chosen.file:
            return BookFile(self._home / chosen.file)
        if chosen.adapter:
            return make_market(chosen.adapter, Given(0, "", chosen.options, self._home, self._now))
        if chosen.broker and chosen.broker not in shown:
            raise ConfigError(
                f"market.broker: the adapter of {chosen.broker!r} does not show the primary market."
            )
        return shown[chosen.broker] if chosen.broker else next(iter(shown.values()), None)

    def _lose_others(self, listed_brokers: Iterable[questions.Broker], brokers: Mapping[int, Broker]) -> None:
        """A listed broker that has no line here can't be reached, and the engine must know."""
        for one in listed_brokers:
            if one.broker not in brokers and one.reachable:
                lost = LineLost(reason="it has no line")
                self._outbox.hear(one.broker, Heard(lost, "", "", b"", self._pace()))

    def _changer(self) -> Changer:
        terms = self._settings.conversion
        if terms.by == "hand":
            return ByHand()
        takes_ns = nanoseconds(terms.takes, "conversion.takes")
        return SimulatedChanger(takes_ns=takes_ns, cost_ppm=rate_ppm(terms.cost, "conversion.cost"))

    # --- the rest of the time ------------------------------------------------------------------------------------------

    def _follow(self, client: CoreClient, work: Clearing) -> None:
        """Catches up from the journal, then works with what the core tells, until one of them ends."""
        self._pace = Pace.read(self._home)
        with Listener(client, WAITING_BYTES, "clearing", self._wake.set) as listener:
            self._catch_up(work, client.welcome.sequence)
            if not self._opened:
                work.open()
                self._day_end.begin()
                if self._network is not None:
                    self._network.open()
                self._opened = True
                self._on_ready()
            while not self._ends.is_set():
                self._wake.clear()
                heard = listener.take(0)
                if heard is None:
                    return
                after = work.sequence
                for told in heard:
                    if told.first_sequence > after + 1:
                        return  # what is missing is in the journal
                    after = max(after, told.last_sequence)
                work.heard_all((told.last_sequence, told.events) for told in heard)
                work.step(self._pace())
                self._show(work.names)
                self._say(work)
                self._wake.wait(_BEAT_S)

    def _catch_up(self, work: Clearing, until: int) -> None:
        after = work.sequence
        if until > after:
            for told in Past(self._home).told(after, until):
                work.heard(told.last_sequence, told.events)

    def _show(self, names: Names) -> None:
        """Writes the primary market for other processes of the machine, a few times a second."""
        market, shown = self._primary, self._settings.market.shown
        now_s = time.monotonic()
        if market is None or not shown or now_s < self._show_s:
            return
        self._show_s = now_s + _SHOW_S
        books = [book for symbol in names.symbols.values() if (book := market.book(symbol)) is not None]
        write_books(self._home / shown, books)

    def _say(self, work: Clearing) -> None:
        self._health.say(
            lambda: {"line": self._line.values(), "statements": self._day_end.values(), **work.values()}
        )


def _foretold(reports: bytes, least: int, reader: ReaderClient) -> Foretold:
    reader.min_seq = least
    return reader.what_if(reports)


def _listed(least: int, reader: ReaderClient) -> Listed:
    reader.min_seq = least
    return listed(reader)
