"""Trading sessions of US stocks in UTC nanoseconds, and the closures (weekends, holidays) the margin rule looks ahead to.

Responsible for: which session runs when, by the real calendar (holidays, early closes, daylight saving), and what a
`SetSession` command has to carry: this session, the next one and its time, and the closure that is ahead or running.
Never: reads market data, or decides which extended sessions a name trades in (the caller says so).

New York time: pre 04:00, regular 09:30, post from the close for four hours (16:00-20:00; 13:00-17:00 after an early
close), overnight 20:00-04:00 in the night before each trading day. Everything else is closed.

Closure: the calendar days without trading between two regular sessions that are not on consecutive days. A weekday
night is not one. Initial margin steps up at the close of the trading day *before* the last regular session; maintenance
ramps from 2.5 h to 0.5 h before the close of that last session; both end when the name next trades.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from exchange_calendars import get_calendar

from novate.messages import SetSession

NEW_YORK: Final = ZoneInfo("America/New_York")
SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3_600 * SECOND_NS

_PRE_OPEN: Final = time(4)
_OVERNIGHT_OPEN: Final = time(20)
_POST_LENGTH_NS: Final = 4 * HOUR_NS
_RAMP_FROM_NS: Final = 5 * HOUR_NS // 2
_RAMP_TO_NS: Final = HOUR_NS // 2
_MARGIN_DAYS: Final = timedelta(days=12)  # longer than any run of closed days plus the trading days around it
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Session(IntEnum):
    """The session of an underlying. The numbers are those of the `SetSession` command."""

    CLOSED = 0
    PRE = 1
    REGULAR = 2
    POST = 3
    OVERNIGHT = 4
    HALTED = 5


EXTENDED: Final = (Session.PRE, Session.POST, Session.OVERNIGHT)
"""The sessions a name may or may not trade in; the regular one always counts as open."""

Extended = bool | Collection[Session] | Callable[[date, Session], bool]
"""Which extended sessions count as open: all or none, these, or a rule by trading day and session."""


@dataclass(frozen=True, slots=True)
class SessionChange:
    """At `time_ns` the session becomes `session`, until `next_time_ns` (0: for ever).

    The four closure fields are times in UTC nanoseconds, all 0 when no closure is near. They are carried from the
    regular open of the trading day before the last regular session, so they are known when they start to count.
    """

    time_ns: int
    session: Session
    next_session: Session
    next_time_ns: int
    closure_step_ns: int = 0
    closure_ramp_from_ns: int = 0
    closure_ramp_to_ns: int = 0
    closure_end_ns: int = 0

    def command(self, underlying: int) -> SetSession:
        """The change as the command of an underlying."""
        return SetSession(
            underlying=underlying,
            session=int(self.session),
            next_session=int(self.next_session),
            next_time_ns=self.next_time_ns,
            closure_step_ns=self.closure_step_ns,
            closure_ramp_from_ns=self.closure_ramp_from_ns,
            closure_ramp_to_ns=self.closure_ramp_to_ns,
            closure_end_ns=self.closure_end_ns,
        )


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One day with a regular session: its New York date and the session's start and end in UTC nanoseconds."""

    date: date
    open_ns: int
    close_ns: int


@dataclass(frozen=True, slots=True)
class Span:
    """A session that runs from `start_ns` (included) to `end_ns` (excluded) and belongs to a trading day."""

    start_ns: int
    end_ns: int
    session: Session
    day: date


@dataclass(frozen=True, slots=True)
class _Closure:
    step_ns: int
    ramp_from_ns: int
    ramp_to_ns: int
    end_ns: int


def to_ns(moment: datetime) -> int:
    """UTC nanoseconds of a time with a zone; exact, no float on the way."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def new_york_ns(day: date, at: time) -> int:
    """UTC nanoseconds of a New York wall time."""
    return to_ns(datetime.combine(day, at, NEW_YORK))


def new_york_date(time_ns: int) -> date:
    """The New York date of a time in UTC nanoseconds."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, NEW_YORK).date()


def trading_days(first: date, last: date) -> list[TradingDay]:
    """Every trading day of the New York Stock Exchange from `first` to `last`, both included."""
    return [
        day for year in range(first.year, last.year + 1) for day in _year(year) if first <= day.date <= last
    ]


def spans(first: date, last: date, *, extended: Extended = True) -> list[Span]:
    """The sessions that count as open on the trading days from `first` to `last`, in order of time, never overlapping.

    The overnight session of a trading day starts the evening before and may so start before `first`.
    """
    counts = _rule(extended)
    return [
        span
        for day in trading_days(first, last)
        for span in _sessions_of(day)
        if span.session is Session.REGULAR or counts(day.date, span.session)
    ]


def session_changes(start_ns: int, end_ns: int, *, extended: Extended = False) -> list[SessionChange]:
    """Every change of session in [start_ns, end_ns); the first entry is the state at `start_ns` itself.

    Args:
        start_ns: first moment, UTC nanoseconds.
        end_ns: end of the window, excluded. `next_time_ns` of the last entry lies at or beyond it.
        extended: which of the pre, post and overnight sessions count as open; those that don't are closed.

    Raises:
        ValueError: an empty window.
    """
    if start_ns >= end_ns:
        raise ValueError("start_ns must lie before end_ns")
    days = new_york_date(start_ns) - _MARGIN_DAYS, new_york_date(end_ns) + _MARGIN_DAYS
    open_spans = spans(*days, extended=extended)
    steps = _steps(open_spans)
    closures = _closures(trading_days(*days), open_spans)
    first = bisect_right(steps, start_ns, key=lambda step: step[0]) - 1
    changes = []
    for (time_ns, session), (next_ns, next_session) in pairwise(steps[first:]):
        if time_ns >= end_ns:
            break
        now_ns = max(time_ns, start_ns)
        changes.append(_change(now_ns, session, next_session, next_ns, closures))
    return changes


def always_open(start_ns: int) -> list[SessionChange]:
    """The sessions of what trades round the clock: one entry, regular for ever, no closure."""
    return [SessionChange(start_ns, Session.REGULAR, Session.REGULAR, 0)]


def _rule(extended: Extended) -> Callable[[date, Session], bool]:
    if isinstance(extended, bool):
        return lambda _day, _session: extended
    if callable(extended):
        return extended
    allowed = frozenset(extended)
    return lambda _day, session: session in allowed


@lru_cache(maxsize=64)
def _year(year: int) -> tuple[TradingDay, ...]:
    """The trading days of one year. The library's own default window does not reach back to 2008."""
    schedule = get_calendar("XNYS", start=f"{year}-01-01", end=f"{year}-12-31").schedule
    opens, closes = (
        schedule[name].to_numpy("datetime64[ns]").astype("int64").tolist() for name in ("open", "close")
    )
    return tuple(
        TradingDay(day.date(), open_ns, close_ns)
        for day, open_ns, close_ns in zip(schedule.index, opens, closes, strict=True)
    )


def _sessions_of(day: TradingDay) -> tuple[Span, ...]:
    """All four sessions of a trading day, in order."""
    evening_ns = new_york_ns(day.date - timedelta(days=1), _OVERNIGHT_OPEN)
    pre_ns = new_york_ns(day.date, _PRE_OPEN)
    return (
        Span(evening_ns, pre_ns, Session.OVERNIGHT, day.date),
        Span(pre_ns, day.open_ns, Session.PRE, day.date),
        Span(day.open_ns, day.close_ns, Session.REGULAR, day.date),
        Span(day.close_ns, day.close_ns + _POST_LENGTH_NS, Session.POST, day.date),
    )


def _steps(open_spans: list[Span]) -> list[tuple[int, Session]]:
    """(time, session from then on), with CLOSED wherever no open span follows at once."""
    steps: list[tuple[int, Session]] = []
    for span, following in pairwise(open_spans):
        steps.append((span.start_ns, span.session))
        if span.end_ns < following.start_ns:
            steps.append((span.end_ns, Session.CLOSED))
    return steps


def _closures(days: list[TradingDay], open_spans: list[Span]) -> list[_Closure]:
    """The closures between these trading days, in order. It ends with the name's first open session after it."""
    first_open: dict[date, int] = {}
    for span in open_spans:
        first_open.setdefault(span.day, span.start_ns)
    return [
        _Closure(
            before.close_ns,
            last.close_ns - _RAMP_FROM_NS,
            last.close_ns - _RAMP_TO_NS,
            first_open[after.date],
        )
        for before, last, after in zip(days, days[1:], days[2:], strict=False)
        if after.date - last.date > timedelta(days=1)
    ]


def _change(
    time_ns: int, session: Session, next_session: Session, next_ns: int, closures: list[_Closure]
) -> SessionChange:
    """The entry at `time_ns`, with the nearest closure that has not ended, if its step comes no later than the next change."""
    near = next((closure for closure in closures if closure.end_ns > time_ns), None)
    if near is None or near.step_ns > next_ns:
        return SessionChange(time_ns, session, next_session, next_ns)
    return SessionChange(
        time_ns, session, next_session, next_ns, near.step_ns, near.ramp_from_ns, near.ramp_to_ns, near.end_ns
    )
