"""Why an account's margin is what it is, what would liquidate it, and what would happen if.

Responsible for: putting the engine's own answers together: one sentence, the margin report, the distance to every state, the cost
of one more unit, the requirement at each session boundary ahead, and what any commands would do. Never computes a requirement:
a question about something that has not happened is asked of a fork, which runs the production code.

    explain.account(engine, 7).sentence
    explain.what_if(engine, 7, [Shock("NVDA", -100_000), PlaceOrder(...)])
    explain.projection(engine, 7, days=7)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from novate import calendar
from novate._core import Engine
from novate.calendar import SessionChange
from novate.messages import (
    AccountState,
    AdvanceTime,
    Command,
    CommandRefused,
    EventMessage,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    PlaceOrder,
    PostPrice,
    Quality,
    Session,
    SetSession,
    encode,
    iter_events,
    reports,
    rule,
)
from novate.messages import explain as in_words
from novate.messages.codes import Role
from novate.messages.reports import explain as questions
from novate.messages.reports import governance, lending
from novate.messages.reports.base import Answers

_VENUE_ONLY = "command_must_not_name_an_account"
_NOT_THIS_KEY = {"actor_must_be_known", "actor_must_not_be_revoked", "actor_must_have_the_role"}
_LARGE = 10**12
"""Size behind a hypothetical price, micro-dollars: above what any listing asks of a quote."""
_WAIT_NS = 30 * calendar.SECOND_NS
_PATIENCE = 6
"""Rounds of posts after which a shock is left as suspect as the venue finds it."""
_BLEND = 3
"""Rounds that an opening takes at most to reach the outside price, at the preset's 30 seconds."""
DAY_NS = 24 * calendar.HOUR_NS
STATES = {state: state.name.lower() for state in AccountState}
MEANING = {
    AccountState.YELLOW: "only orders that reduce risk would be taken",
    AccountState.ORANGE: "its liquidation would begin",
    AccountState.RED: "the backstop would take over",
    AccountState.BLACK: "its equity would be gone",
}
LEVELS = {level: level.name.lower().replace("_", "-") for level in reports.Level}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one account's margin at one moment. Values are micro-dollars, moves ppm."""

    account: int
    sequence: int
    time_ns: int
    state: str
    sentence: str
    margin: reports.MarginReport
    holdings: reports.AccountReport
    thresholds: tuple[questions.Thresholds, ...]
    marginal: tuple[questions.Marginal, ...]
    calls: tuple[lending.Call, ...]
    """Cash and loans that it must bring by a deadline, whatever its excess."""

    @property
    def initial(self) -> reports.LevelReport:
        """The strictest level, which opens risk and binds withdrawals."""
        return self.margin.levels[reports.Level.INITIAL]


def account(engine: Answers, account: int) -> Explanation:
    """Explains an account as it stands. ValueError: no such account."""
    margin = reports.margin(engine, account)
    holdings = reports.account(engine, account)
    thresholds = questions.thresholds(engine, account)
    calls = lending.calls(engine, account)
    return Explanation(
        account=account,
        sequence=margin.sequence,
        time_ns=margin.time_ns,
        state=STATES[AccountState(margin.state)],
        sentence=_sentence(account, margin, holdings, thresholds) + called_sentences(calls),
        margin=margin,
        holdings=holdings,
        thresholds=thresholds,
        marginal=questions.marginal(engine, account),
        calls=calls,
    )


_explain = account  # what_if has an account of its own by that name


def dollars(micro: int) -> str:
    """Micro-dollars in whole cents, as people write them."""
    return f"{'-' if micro < 0 else ''}${abs(micro) // 10_000 / 100:,.2f}"


def percent(ppm: int) -> str:
    """A signed move."""
    return f"{ppm / 10_000:+.1f} %"


def _sentence(
    account: int,
    margin: reports.MarginReport,
    holdings: reports.AccountReport,
    thresholds: Sequence[questions.Thresholds],
) -> str:
    initial = margin.levels[reports.Level.INITIAL]
    gross = sum(abs(line.value) for line in holdings.positions) + sum(abs(b.value) for b in holdings.balances)
    share = f" ({initial.requirement / gross:.1%} of {dollars(gross)} gross)" if gross else ""
    worst = max(initial.contributions, key=lambda c: c.amount, default=None)
    mostly = f", mostly for {worst.name}" if worst is not None and worst.amount > 0 else ""
    has = (
        f"it has {dollars(initial.excess)} more than that"
        if initial.excess >= 0
        else f"it lacks {dollars(-initial.excess)}"
    )
    return (
        f"Account {account} is {STATES[AccountState(margin.state)]}: it needs {dollars(initial.requirement)}{share} because "
        f"{initial.binding}{mostly}; {has}. {_nearest(thresholds)}"
    )


def called_sentences(calls: Sequence[lending.Call]) -> str:
    """What is called, one sentence each, with a space before it."""
    told = ""
    for call in calls:
        what = f"{Decimal(call.open).scaleb(-call.decimals):,f} {call.name}"
        if call.overdue:
            left = "and the time is over: collateral is sold for it, or it is bought in"
        elif call.call_kind == 0:
            left = f"within {call.regular_ns // 60_000_000_000} regular minutes"
        elif call.due_ns:
            left = f"by {datetime.fromtimestamp(call.due_ns // calendar.SECOND_NS, UTC):%Y-%m-%d %H:%M} UTC"
        else:
            left = f"before {call.opens} more regular openings"
        told += f" {'Cash is' if call.call_kind == 0 else 'A loan is'} called: {what}, {left}."
    return told


def _nearest(thresholds: Sequence[questions.Thresholds]) -> str:
    """The smallest move of one name that would begin a liquidation."""
    moves = [
        (abs(move.ppm), line.name, move.ppm)
        for line in thresholds
        for at in line.states
        if at.state == AccountState.ORANGE
        for move in (at.fall, at.rise)
        if move is not None
    ]
    if not moves:
        return "No move of a single name would liquidate it."
    size, name, ppm = min(moves)
    if size == 0:
        return "It is below its maintenance requirement now."
    return f"{name} {percent(ppm)}, all else unchanged, would liquidate it."


# --- what if -----------------------------------------------------------------------------------------------------------


class Shock(NamedTuple):
    """All outside prices of an underlying move at once and are confirmed: every source posts the moved price.

    While the underlying is closed: the market opens for its regular session at the moved price.
    """

    underlying: str
    ppm: int
    """Signed: -100,000 is a fall of 10 %."""


Wish = Command | Shock


class Outcome(NamedTuple):
    """What commands would do to an account."""

    before: Explanation
    after: Explanation
    refusals: tuple[CommandRefused, ...]
    """One for each command that would be refused, in order; nothing else would happen for those."""
    events: tuple[EventMessage, ...]
    """Everything that would happen, fills and liquidations included."""

    @property
    def accepted(self) -> bool:
        """Whether nothing would be refused."""
        return not self.refusals


def what_if(engine: Engine, account: int, wishes: Iterable[Wish]) -> Outcome:
    """Sends the wishes to a fork, one after the other, now; the engine is untouched.

    Commands act for `account` where accounts send them, else for the venue: orders, transfers, sessions, corporate actions, any
    command there is. A pre-trade preview is a what-if of one order: its refusal, its fills and fees, and the margin after.
    Raises ValueError for an account or an underlying that does not exist.
    """
    before = _explain(engine, account)
    fork = engine.fork()
    events: list[EventMessage] = []
    for wish in wishes:
        events += _shock(fork, wish) if isinstance(wish, Shock) else send(fork, wish, account)
    refusals = tuple(event.body for event in events if isinstance(event.body, CommandRefused))
    return Outcome(before, _explain(fork, account), refusals, tuple(events))


def send(fork: Engine, command: Command, account: int = 0, time_ns: int | None = None) -> list[EventMessage]:
    """One command into a fork: as the account's, or as the venue's where the engine says that it names no account.

    On a venue with governance it is sent by a key of the account or of the venue that may send it, where there is one.
    """
    at = fork.time_ns if time_ns is None else time_ns
    for sender in (account, 0):
        for actor in keys(fork, command, sender):
            message = encode(command, account=sender, actor=actor, sequence=fork.sequence + 1, time_ns=at)
            events = list(iter_events(fork.apply(message)))
            refused = _refusal(events)
            if refused not in _NOT_THIS_KEY:
                break
        if not (sender and refused == _VENUE_ONLY):
            return events
    return events


def _refusal(events: list[EventMessage]) -> str:
    """Name of the rule that a command broke; empty when it was taken."""
    body = events[-1].body if events else None
    return rule(body.code).name if isinstance(body, CommandRefused) else ""


def keys(fork: Engine, command: Command, sender: int) -> list[int]:
    """Keys to send it by, best first: facts by a keeper, else each role that somebody has at the account or at the venue."""
    if not (known := governance.actors(fork)):
        return [0]
    keeper_first = isinstance(command, PostPrice | AdvanceTime | SetSession)
    found: dict[tuple[bool, Role], int] = {}
    for line in known:
        for grant in line.grants:
            if grant.in_force and not line.revoked and grant.account in (sender, 0):
                found.setdefault((grant.account != sender, grant.role), line.actor)
    ranked = sorted(found, key=lambda key: (keeper_first != (key[1] == Role.KEEPER), key))
    return list(dict.fromkeys(found[key] for key in ranked)) or [0]


def _shock(fork: Engine, shock: Shock) -> list[EventMessage]:
    """Every source posts its moved price; while that leaves the index elsewhere, or suspect, again after a while."""
    listed = {line.name: line.underlying for line in reports.underlyings(fork)}
    if shock.underlying not in listed:
        raise ValueError(f"underlying_must_exist: no underlying is called {shock.underlying}")
    underlying = listed[shock.underlying]
    said = questions.sources(fork, underlying)
    events: list[EventMessage] = []
    closed = _line(fork, underlying).quality == Quality.CLOSED
    if closed:
        opens = SetSession(
            underlying=underlying, session=Session.REGULAR, next_session=Session.CLOSED, next_time_ns=0
        )
        events += send(fork, opens)
    for patience in range(_PATIENCE):
        at = fork.time_ns + (_WAIT_NS if patience else 0)
        for source in said:
            if source.price:
                events += send(fork, _repeat(underlying, source, at, shock.ppm), time_ns=at)
        # An opening blends from the closed index to the outside price.
        blends = closed and patience < _BLEND
        if _line(fork, underlying).quality != Quality.SUSPECT and not blends:
            break
        if closed:
            events += send(fork, AdvanceTime())
    return events + send(fork, AdvanceTime())


def _line(engine: Engine, underlying: int) -> reports.UnderlyingLine:
    return next(line for line in reports.underlyings(engine) if line.underlying == underlying)


def _repeat(underlying: int, source: questions.SourcePrice, at: int, ppm: int = 0) -> PostPrice:
    """What a source said last, said again at `at`, moved by `ppm`."""
    return PostPrice(
        underlying=underlying,
        source=source.source,
        price=max(source.price * (1_000_000 + ppm) // 1_000_000, 1),
        confidence_ppm=source.confidence_ppm,
        venue_time_ns=at,
        size=_LARGE,
    )


class Preview(NamedTuple):
    """What an order would do before it is sent."""

    refusal: str
    """Why it would be refused, in words; empty when it would be taken."""
    filled: int
    """Lots that would trade at once."""
    ticks_lots: int
    """Their sum of price times lots: divided by `filled`, the average price in ticks."""
    fee: int
    """Taker fees, quote units."""
    rests: int
    """Lots that would stay in the book."""
    excess_before: reports.Four
    """By `Level`, micro-dollars."""
    excess_after: reports.Four
    sentence_after: str
    """How the account would stand."""


def preview(engine: Engine, account: int, order: PlaceOrder) -> Preview:
    """The whole pre-trade check and its consequences on a fork: refusal or fills, fees, and excess at every level after it."""
    outcome = what_if(engine, account, [order])
    own = [event.body for event in outcome.events if event.header.account == account]
    fills = [body for body in own if isinstance(body, OrderFilled) and not body.maker]
    ended = sum(body.lots for body in own if isinstance(body, OrderCancelled))
    placed = next((body.lots for body in own if isinstance(body, OrderPlaced)), 0)
    filled = sum(body.lots for body in fills)
    return Preview(
        refusal="; ".join(in_words(refused) for refused in outcome.refusals),
        filled=filled,
        ticks_lots=sum(body.price * body.lots for body in fills),
        fee=sum(body.fee for body in fills),
        rests=max(placed - filled - ended, 0),
        excess_before=outcome.before.holdings.line.excess,
        excess_after=outcome.after.holdings.line.excess,
        sentence_after=outcome.after.sentence,
    )


# --- the week ahead ----------------------------------------------------------------------------------------------------


class Milestone(NamedTuple):
    """The account at one boundary ahead, prices unchanged."""

    time_ns: int
    what: tuple[str, ...]
    """What changes then: sessions, a closure's step, the ends of its ramp."""
    state: str
    equity: int
    requirements: tuple[int, int, int, int]
    """By `Level`, micro-dollars."""
    in_liquidation: bool


Sessions = Callable[[questions.SessionLine, int, int], list[SessionChange]]
"""The changes of an underlying's session in a window; what `usual_sessions` is."""


def usual_sessions(line: questions.SessionLine, start_ns: int, end_ns: int) -> list[SessionChange]:
    """The stock exchange's calendar for what closes; extended hours where the venue's last session says they count."""
    if line.next_time_ns == 0:
        return []
    extended = {int(s) for s in calendar.EXTENDED} & {line.session, line.next_session}
    return calendar.session_changes(start_ns, end_ns, extended=bool(extended))


def projection(
    engine: Engine, account: int, days: int = 7, sessions: Sessions = usual_sessions
) -> list[Milestone]:
    """The account's requirements at each session boundary and closure of the next `days`, prices unchanged.

    Runs on a fork: the sessions change as the calendar says, every source repeats its last price, time advances, and whatever is
    scheduled until then happens (funding, interest, corporate actions). Raises ValueError for an unknown account.
    """
    fork = engine.fork()
    start, end = fork.time_ns, fork.time_ns + days * DAY_NS
    plan: dict[int, list[tuple[str, Command | None]]] = {}
    for line in questions.sessions(engine):
        for change in sessions(line, start, end):
            if change.time_ns <= start and change.session == line.session:
                send(
                    fork, change.command(line.underlying)
                )  # the same session, with the closure the calendar sees ahead
            for at, what, command in _boundaries(line, change, start, end):
                plan.setdefault(at, []).append((what, command))
    return [_milestone(fork, account, at, plan[at]) for at in sorted(plan)]


def _boundaries(
    line: questions.SessionLine, change: SessionChange, start: int, end: int
) -> Iterable[tuple[int, str, Command | None]]:
    if change.time_ns > start:
        yield change.time_ns, f"{line.name} {change.session.name.lower()}", change.command(line.underlying)
    for at, what in (
        (change.closure_step_ns, "initial steps up for the closure"),
        (change.closure_ramp_from_ns, "maintenance begins to rise"),
        (change.closure_ramp_to_ns, "maintenance has risen"),
    ):
        if max(start, change.time_ns) < at < min(end, change.next_time_ns or end):
            yield at, f"{line.name} {what}", None


def _milestone(fork: Engine, account: int, at: int, steps: list[tuple[str, Command | None]]) -> Milestone:
    for _, command in steps:
        if command is not None:
            send(fork, command, time_ns=at)
    for underlying in reports.underlyings(fork):
        for source in questions.sources(fork, underlying.underlying):
            if source.price:
                send(fork, _repeat(underlying.underlying, source, at), time_ns=at)
    send(fork, AdvanceTime(), time_ns=at)
    line = reports.account(fork, account).line
    return Milestone(
        time_ns=at,
        what=tuple(sorted({what for what, _ in steps})),
        state=STATES[AccountState(line.state)],
        equity=line.equity,
        requirements=line.requirements,
        in_liquidation=line.in_liquidation,
    )
