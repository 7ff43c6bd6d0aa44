"""One reconciliation: the venue's side at the end of a day, every broker's statement against it, the book kept, the engine told.

    taken = take(home, book, day)                   the venue at its last command of that day
    runs = [reconcile(taken, book, ...), ...]       a broker each
    tell(core, reader, runs, book, actor)           what the engine has to know: it stops the tokens that are off, and no other

Responsible for: that order, and that one broker's missing or wrong file keeps no other broker from being reconciled. Never: decides who is
right, or moves a share or a dollar: the engine books nothing of what it is told here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from novate._core import Engine
from novate.broker import Trade, execution_bytes
from novate.clearing.break_book import BreakBook, KnownBreak, State
from novate.clearing.ledger_side import BrokerSide, Ledger, last_before, movements, side_of, statement_of
from novate.clearing.reconciliation import (
    Break,
    BreakKind,
    Comparison,
    Word,
    compare,
    contradictions,
    engine_words,
)
from novate.clearing.settlement import day_ends_ns, last_day_over
from novate.clearing.statement_files import ReadStatement, StatementFile, read_statement, write_statement
from novate.core_process import Answered
from novate.errors import ConfigError, DataError, JournalError
from novate.messages import (
    BreakOpened,
    Command,
    CommandRefused,
    ReportBrokerFill,
    ReportStatement,
    StatementAgreed,
    encode,
    iter_events,
    rule,
)
from novate.messages.reports import clearing
from novate.messages.reports.base import Answers
from novate.projector.past import Moments, Past

OWN: Final = "venue"
"""Folder of the venue's own statements, beside the brokers'."""
_DAY_NS: Final = 86_400 * 10**9
_PRICE_UNIT: Final = 10**9


class Core(Protocol):
    """Where commands go: `CoreClient` is one."""

    def submit(self, commands: bytes) -> Answered:
        """Sends a buffer and waits for its answer."""
        ...


class Reader(Answers, Protocol):
    """Who answers: `ReaderClient` is one."""

    min_seq: int
    """The command that an answer knows at least."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The venue after one command."""

    day: date
    sequence: int
    time_ns: int
    state_hash: bytes
    conserved: bool
    """Whether the ledger's sums and every token's backing are zero off."""
    engine: Engine
    ledger: Ledger


@dataclass(slots=True)
class BrokerRun:
    """One broker's reconciliation."""

    broker: int
    name: str
    problem: str = ""
    """Why there is none: a sentence."""
    side: BrokerSide | None = None
    statement: ReadStatement | None = None
    found: Comparison | None = None
    known: list[KnownBreak] = field(default_factory=list)
    """The book's breaks that stand with the broker."""
    told: list[Said] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is a comparison and nothing breaks, an earlier day's included."""
        return self.found is not None and self.found.clean and not self.problem and not self.known


@dataclass(frozen=True, slots=True)
class Said:
    """What the engine answered to one word."""

    subject: str
    token: int
    what: str
    """`agrees`, `break`, or `refused`."""
    engine_break: int = 0
    rule: str = ""


def default_day(past: Past) -> date:
    """The last trading day that was over when the journal ended."""
    engine = past.engine_before(past.last_sequence)
    _, time_ns = last_before(past, 2**63 - 1, engine.sequence)
    return last_day_over(max(time_ns, engine.time_ns))


def take(home: Path, book: BreakBook, day: date, *, past: Past | None = None, sequence: int = 0) -> Taken:
    """The venue at its last command of `day`, which ends at 20:00 in New York, or at command `sequence`; its movements up to there are in the book then.

    Raises JournalError where the journal holds none so early, DataError where the book is another venue's.
    """
    of = Past(home) if past is None else past
    known, known_ns = book.position(of.identity())
    ends = day_ends_ns(day)
    if sequence > of.last_sequence:
        raise JournalError(f"Command {sequence} is not in the journal: it ends with {of.last_sequence}.")
    if not sequence:
        after = known if known_ns < ends else 0
        sequence = max(last_before(of, ends, after)[0], known if known_ns < ends else 0)
    if not sequence:
        raise JournalError(f"The journal holds no command before the end of {day} in New York.")
    for last, time_ns, moved in movements(of, known, sequence) if sequence > known else ():
        book.keep(last, time_ns, moved)
    engine = Moments(of, of.engine_before(sequence))(sequence)
    conserved = not any(off for _, off in engine.conservation()) and not any(
        line.difference for line in clearing.supply(engine)
    )
    return Taken(
        day, engine.sequence, engine.time_ns, engine.state_hash(), conserved, engine, book.ledger(sequence)
    )


def brokers_of(engine: Answers, wanted: str = "") -> list[tuple[int, str]]:
    """Id and name of every broker, or of the one that is wanted by either. Raises ConfigError where there is none."""
    found = [(one.broker, one.name) for one in clearing.brokers(engine)]
    chosen = [one for one in found if not wanted or wanted in {str(one[0]), one[1]}]
    if wanted and not chosen:
        known = ", ".join(name for _, name in found) or "none"
        raise ConfigError(f"There is no broker {wanted!r}; the venue has {known}.")
    return chosen


def reconcile(
    taken: Taken,
    book: BreakBook,
    broker: tuple[int, str],
    statements: Path,
    now_ns: int,
    *,
    cash_tolerance: int = 0,
    keep: bool = True,
    called: Mapping[str, str] = MappingProxyType({}),
) -> BrokerRun:
    """Compares one broker's statement of the day with the venue, and keeps what was found unless told otherwise.

    `called` says what an underlying is called at brokers, where that differs from its name.
    A file that is missing or wrong is the run's problem, never an exception.
    """
    number, name = broker
    run = BrokerRun(number, name)
    run.side = side_of(taken.engine, taken.ledger, number, taken.day, called)
    try:
        run.statement = read_statement(statements, name, taken.day)
    except DataError as error:
        run.problem = error.sentence
        run.known = book.breaks(broker=name)
        return run
    carried = book.carried(name, taken.day)
    run.found = compare(run.statement.statement, run.side, carried, cash_tolerance=cash_tolerance)
    if keep:
        at = (taken.sequence, taken.state_hash)
        run.known = book.record(name, taken.day, now_ns, run.found, run.statement.files, at)
    else:
        run.known = [_unkept(one, name, taken.day, now_ns) for one in run.found.breaks]
    return run


def _unkept(one: Break, broker: str, day: date, now_ns: int) -> KnownBreak:
    """A break as it would be kept; its number is 0."""
    return KnownBreak(
        number=0, broker=broker, state=State.OPEN, owner="", day=day, last_day=day, opened_ns=now_ns, ended_ns=0,
        engine_break=one.engine_break, resolution="", found=one,
    )  # fmt: skip


def write_own(run: BrokerRun, day: date, directory: Path) -> tuple[StatementFile, ...]:
    """Writes the venue's own statement of a broker and day under `directory`."""
    if run.side is None:
        return ()
    return write_statement(statement_of(run.side, day), directory / OWN)


# --- telling the engine --------------------------------------------------------------------------------------------------


def tell(
    core: Core, reader: Reader, runs: Sequence[BrokerRun], book: BreakBook, clock_ns: int, actor: int = 0
) -> None:
    """Tells the engine what each broker says, and links its breaks with the book's.

    `clock_ns` is the venue's time. A statement is told as what the books have by now and what it was off at the end of its day: what settled since is in both.
    The reader answers with all that was told from then on. Raises CoreGone, CoreRefused.
    """
    held = {one.break_id for one in clearing.breaks(reader)}
    for run in runs:
        if run.found is None or run.side is None:
            continue
        desk = _Desk(core, reader, run, actor)
        for trade in contradictions(run.found):
            _tell_contradiction(desk, trade, held, clock_ns)
        # Looked up as late as may be: what settles between the question and the command would be a difference of nobody's.
        books = clearing.books(reader)
        for word in engine_words(run.found, run.side):
            _tell_word(desk, books, word)
        link(run, book, {one.break_id for one in clearing.breaks(reader)})
    held = {one.break_id for one in clearing.breaks(reader)}
    book.let_go(held, clock_ns)
    for run in runs:
        if run.known:
            run.known = book.breaks(broker=run.name)


class _Desk:
    """Where one run's words are told."""

    def __init__(self, core: Core, reader: Reader, run: BrokerRun, actor: int) -> None:
        self._core, self._reader, self.run, self._actor = core, reader, run, actor

    def say(self, subject: str, token: int, command: Command) -> None:
        """Tells the engine something, and keeps what it answered."""
        answer = self._core.submit(encode(command, actor=self._actor))
        self._reader.min_seq = max(self._reader.min_seq, answer.first_sequence + answer.commands - 1)
        self.run.told.append(_said(answer, subject, token))


def _tell_contradiction(desk: _Desk, trade: Trade, held: Collection[int], clock_ns: int) -> None:
    """Unless the engine holds a break for it: one that somebody resolved there is over, and the difference is not."""
    run = desk.run
    assert run.side is not None  # noqa: S101 - for the type checker: `tell` looked
    key = execution_bytes(trade.execution)
    known = run.side.executions[key]
    about = [one for one in run.known if one.found.subject == trade.execution]
    if any(number in held for one in about for number in one.engine_breaks):
        return
    command = ReportBrokerFill(
        order=known.order, execution=key, underlying=known.underlying, side=trade.side, complete=0, shares=trade.shares,
        price=trade.price * 10 ** run.side.decimals[known.underlying] // _PRICE_UNIT, fee=trade.fee,
        settle_time_ns=clock_ns + _DAY_NS,
    )  # fmt: skip
    desk.say(trade.execution, known.token, command)


def _tell_word(desk: _Desk, books: Iterable[clearing.BookLine], word: Word) -> None:
    broker = desk.run.broker
    has = _on_the_books(books, broker, word.token)
    command = ReportStatement(broker=broker, token=word.token, amount=has + word.off)
    desk.say(word.symbol, word.token, command)


def _on_the_books(books: Iterable[clearing.BookLine], broker: int, token: int) -> int:
    """Settled shares of a token, or dollars, that the engine's books have at a broker."""
    places = {f"Broker({broker})"} | ({f"HouseAt({broker})"} if token else set())
    return sum(line.amount for line in books if line.token == token and line.place in places)


def _said(answer: Answered, subject: str, token: int) -> Said:
    for event in iter_events(answer.events, (CommandRefused, BreakOpened, StatementAgreed)):
        match event.body:
            case CommandRefused() as refused:
                return Said(subject, token, "refused", rule=rule(refused.code).name)
            case BreakOpened() as opened:
                return Said(subject, token, "break", engine_break=opened.break_id)
    return Said(subject, token, "agrees")


def link(run: BrokerRun, book: BreakBook, held: Collection[int]) -> None:
    """Keeps which breaks the engine opened for each: by the execution, or by the symbol, of which each token has one.

    `held` are those that the engine holds; what was linked before and is none of them is over.
    """
    of: dict[str, list[int]] = {}
    for said in run.told:
        if said.engine_break:
            of.setdefault(said.subject, []).append(said.engine_break)
    linked = []
    for one in run.known:
        opened = of.get(one.found.subject) or of.get(_unit_of(one.found)) or []
        if opened and not _in_quarantine(one):
            before = [number for number in one.engine_breaks if number in held and number not in opened]
            book.link(one.number, *opened, *before)
            linked.append(one.number)
    if linked:
        run.known = [book.one(one.number) if one.number in linked else one for one in run.known]


def _in_quarantine(one: KnownBreak) -> bool:
    """Whether the engine's break for it is the one that keeps its execution: its token's difference is another."""
    return one.found.kind is BreakKind.IN_QUARANTINE and bool(one.engine_break)


def _unit_of(one: Break) -> str:
    """Symbol whose token the engine stops for it, or `USD`; empty where it is no difference of a total."""
    if one.shares or not one.symbol:
        return one.symbol or one.subject
    return ""


def stopped_tokens(answers: Answers) -> dict[int, list[int]]:
    """Tokens whose issuance an open break of the engine stops, and which; 0 stands for all of them."""
    found: dict[int, list[int]] = {}
    for one in clearing.breaks(answers):
        found.setdefault(one.token, []).append(one.break_id)
    return found


def total(runs: Sequence[BrokerRun]) -> int:
    """The exit status that runs come to: 0 all agree, 1 something breaks, 2 something could not be compared or told."""
    failed = any(run.problem or any(one.what == "refused" for one in run.told) for run in runs)
    return 2 if failed else int(not all(run.clean for run in runs))
