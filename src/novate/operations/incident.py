"""What happened at a venue between two times, from its journal alone: what an operator reads first after an incident, and files after it.

Responsible for: replaying the span and counting. The same journal and span give the same report on any machine. Never: writes to the home,
needs a running venue, or names a cause: it lists what the engine recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from novate.errors import JournalError
from novate.journal.recovery import frames_after
from novate.messages import EventMessage, ResumeVenue, iter_events, reports, rule, split
from novate.messages.codes import AccountState, LiquidationStage, Power, Quality, Session
from novate.messages.events.first import (
    AccountStateChanged,
    CommandRefused,
    IndexChanged,
    LiquidationEnded,
    LiquidationStarted,
    SessionChanged,
    ShortfallReported,
)
from novate.messages.events.governance import CommandQuarantined, Restricted
from novate.messages.events.liquidation import Deleveraged, InsurancePaid, LiquidationStageChanged, LossShared
from novate.messages.events.prices import HaltSettlementStarted, OutageEnded
from novate.messages.layout import COMMAND_KINDS
from novate.projector.past import Moments, Past

MOST_MOVES: Final = 20
MOST_LINES: Final = 1_000
_SECOND: Final = 10**9


class Happening(msgspec.Struct, frozen=True):
    """One thing that happened.

    Attributes:
        time_ns: Journal time.
        sequence: The command it is of.
        what: Its kind: restart, outage, halt, session, liquidation, stage, loss, restriction, price, account or quarantine.
        says: One line.
        account: Whose; 0 for the venue.
    """

    time_ns: int
    sequence: int
    what: str
    says: str
    account: int = 0


class Move(msgspec.Struct, frozen=True):
    """How an account's equity changed over the span, micro-dollars.

    Attributes:
        account: Which.
        before: At its beginning.
        after: At its end.
    """

    account: int
    before: int
    after: int

    @property
    def change(self) -> int:
        """After less before."""
        return self.after - self.before


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The report.

    Attributes:
        from_ns: Beginning of the span.
        to_ns: Its end.
        first_sequence: First command in it.
        last_sequence: Last command in it; less than the first where there is none.
        commands: Commands by name.
        refusals: Refused commands by rule.
        happenings: What happened, in order, at most a thousand of each kind.
        left_out: Happenings beyond that, by kind.
        moves: The accounts whose equity changed most.
        liquidations: Liquidations that began.
        balanced: Whether every asset was in balance at the end.
    """

    from_ns: int
    to_ns: int
    first_sequence: int
    last_sequence: int
    commands: dict[str, int]
    refusals: dict[str, int]
    happenings: list[Happening]
    left_out: dict[str, int]
    moves: list[Move]
    liquidations: int
    balanced: bool


def incident(home: Path, from_ns: int, to_ns: int) -> Incident:
    """The report of a span: the commands whose time is `from_ns` to `to_ns`, both included.

    Raises JournalError where there is no journal, it is damaged, or the span ends before its first command.
    """
    if to_ns < from_ns:
        raise JournalError("The span ends before it begins.")
    past = Past(home)
    first, last, commands, resumed = _span(past, from_ns, to_ns)
    if last == 0:
        raise JournalError("The journal's first command is later than the span.", time_ns=to_ns)
    engine = Moments(past, past.engine_before(last))(last)
    collected = _Collected({line.underlying: line.name for line in reports.underlyings(engine)})
    for sequence, time_ns in resumed:
        collected.add(Happening(time_ns, sequence, "restart", "The venue resumed after a stop."))
    if first <= last:
        for told in past.told(first - 1, last):
            for event in iter_events(told.events, tuple(_SAY)):
                collected.take(event)
    before = _equities(past, first - 1)
    after = {line.account: line.equity for line in reports.accounts(engine)}
    moves = [Move(account, before.get(account, 0), equity) for account, equity in after.items()]
    moves = sorted((m for m in moves if m.change), key=lambda m: (-abs(m.change), m.account))[:MOST_MOVES]
    return Incident(
        from_ns=from_ns,
        to_ns=to_ns,
        first_sequence=first,
        last_sequence=last,
        commands=dict(commands.most_common()),
        refusals=dict(collected.refusals.most_common()),
        happenings=sorted(collected.happenings, key=lambda h: h.sequence),
        left_out=dict(collected.left_out),
        moves=moves,
        liquidations=collected.liquidations,
        balanced=not any(difference for _, difference in engine.conservation()),
    )


def _span(past: Past, from_ns: int, to_ns: int) -> tuple[int, int, Counter[str], list[tuple[int, int]]]:
    """First and last command of the span, its commands by name, and where the venue resumed."""
    first, last = past.last_sequence + 1, 0
    commands: Counter[str] = Counter()
    resumed: list[tuple[int, int]] = []
    for frame in frames_after(past.paths.journal, 0):
        if not frame.count:
            continue
        if frame.time_ns < from_ns:
            last = frame.last_sequence
            continue
        for header, _ in split(frame.payload):
            if header.time_ns > to_ns:
                return min(first, last + 1), last, commands, resumed
            last = header.sequence
            if header.time_ns < from_ns:
                continue
            first = min(first, header.sequence)
            kind = COMMAND_KINDS.get(header.kind)
            commands[kind.__name__ if kind else f"Command {header.kind}"] += 1
            if kind is ResumeVenue:
                resumed.append((header.sequence, header.time_ns))
    return first, last, commands, resumed


def _equities(past: Past, sequence: int) -> dict[int, int]:
    if sequence < 1:
        return {}
    engine = Moments(past, past.engine_before(sequence))(sequence)
    return {line.account: line.equity for line in reports.accounts(engine)}


class _Collected:
    """What was found so far."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.happenings: list[Happening] = []
        self.left_out: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.liquidations = 0
        self._seen: Counter[str] = Counter()
        self._quality: dict[int, int] = {}

    def take(self, event: EventMessage) -> None:
        """One event of the span."""
        body, header = event.body, event.header
        if isinstance(body, CommandRefused):
            self.refusals[rule(body.code).name] += 1
            return
        if isinstance(body, IndexChanged):
            # The first quality that the span shows is no change of it.
            before = self._quality.setdefault(body.underlying, body.quality)
            self._quality[body.underlying] = body.quality
            if before == body.quality:
                return
            says = (
                f"{self.name(body.underlying)}: {_word(Quality, before)} to {_word(Quality, body.quality)}."
            )
            self.add(Happening(header.time_ns, header.sequence, "price", says))
            return
        self.liquidations += isinstance(body, LiquidationStarted)
        what, say = _SAY[type(body)]
        self.add(Happening(header.time_ns, header.sequence, what, say(self, body), header.account))

    def add(self, happening: Happening) -> None:
        """Keeps it, unless there are too many of its kind."""
        self._seen[happening.what] += 1
        if self._seen[happening.what] > MOST_LINES:
            self.left_out[happening.what] += 1
        else:
            self.happenings.append(happening)

    def name(self, underlying: int) -> str:
        """An underlying's name."""
        return self.names.get(underlying, f"underlying {underlying}")


def _word(codes: type[Any], value: int) -> str:
    try:
        return str(codes(value).name).lower().replace("_", " ")
    except ValueError:
        return str(value)


def iso(time_ns: int) -> str:
    """A time for people: UTC, with milliseconds."""
    at = datetime.fromtimestamp(time_ns // _SECOND, UTC).replace(microsecond=time_ns // 1000 % 10**6)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dollars(micro: int) -> str:
    """Micro-dollars for people: whole cents towards zero."""
    cents = abs(micro) // 10_000
    return f"{'-' if micro < 0 else ''}{cents // 100:,}.{cents % 100:02d} USD"


def _refused(_: _Collected, body: CommandRefused) -> str:
    return rule(body.code).name


_SAY: Final[dict[type[Any], tuple[str, Callable[[_Collected, Any], str]]]] = {
    CommandRefused: ("refusal", _refused),
    IndexChanged: ("price", lambda c, b: c.name(b.underlying)),
    OutageEnded: (
        "outage",
        lambda _, b: f"An outage of {b.outage_ns / _SECOND:.1f} s ended; cancels only until {iso(b.cancel_only_until_ns)}.",
    ),
    HaltSettlementStarted: (
        "halt", lambda c, b: f"{c.name(b.underlying)} is settled because of a halt: {b.reason}"
    ),
    SessionChanged: (
        "session", lambda c, b: f"{c.name(b.underlying)}: session {_word(Session, b.session)}."
    ),
    AccountStateChanged: (
        "account",
        lambda _, b: f"{_word(AccountState, b.from_)} to {_word(AccountState, b.to)}, equity {dollars(b.equity)}.",
    ),
    LiquidationStarted: ("liquidation", lambda _, b: f"Began with a deficit of {dollars(b.deficit)}."),
    LiquidationEnded: (
        "liquidation",
        lambda _, b: f"Ended after {b.slices} slices of {dollars(b.notional)}, fees {dollars(b.fees)}, equity {dollars(b.equity)}.",
    ),
    LiquidationStageChanged: (
        "stage", lambda _, b: f"{_word(LiquidationStage, b.from_)} to {_word(LiquidationStage, b.to)}."
    ),
    InsurancePaid: ("loss", lambda _, b: f"Insurance of bucket {b.bucket} paid {b.amount} units of asset {b.asset}."),
    Deleveraged: ("loss", lambda _, b: f"{b.lots} lots of market {b.market} were closed at the bankruptcy price."),
    LossShared: ("loss", lambda _, b: f"{b.amount} quote units of gains in market {b.market} share a loss."),
    ShortfallReported: ("loss", lambda _, b: f"{dollars(b.amount)} below zero are covered by nobody."),
    Restricted: (
        "restriction",
        lambda _, b: f"{_word(Power, b.power)} of {b.id} until {iso(b.until_ns) if b.until_ns else 'it is lifted'}: {b.reason}",
    ),
    CommandQuarantined: (
        "quarantine", lambda _, b: f"Command {b.quarantined} was put aside by {b.people} of 2."
    ),
}  # fmt: skip
"""Event to the kind of happening it is, and how it is told."""


def text_of(report: Incident) -> list[str]:
    """The report as lines for people."""
    lines = [
        f"From {iso(report.from_ns)} to {iso(report.to_ns)}: commands {report.first_sequence} to {report.last_sequence}.",
        f"{sum(report.commands.values()):,} commands, {sum(report.refusals.values()):,} refused, {report.liquidations} liquidations.",
        f"Every asset is {'' if report.balanced else 'NOT '}in balance at the end.",
        "",
        "What happened",
    ]
    lines += [
        f"  {iso(h.time_ns)}  {h.sequence:>10}  {h.what:<12}{f'account {h.account}: ' if h.account else ''}{h.says}"
        for h in report.happenings
    ] or ["  nothing that is recorded here"]
    lines += [f"  and {count:,} more of {what}" for what, count in report.left_out.items()]
    lines += ["", "Refused, by rule"]
    lines += [f"  {count:>10,}  {name}" for name, count in report.refusals.items()] or ["  nothing"]
    lines += ["", "Equity that changed most"]
    lines += [
        f"  account {m.account:>10}  {dollars(m.before):>24} to {dollars(m.after):>24}  {dollars(m.change):>24}"
        for m in report.moves
    ] or ["  none"]
    return lines
