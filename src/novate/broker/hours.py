"""When the primary exchange is open, which trading day a moment belongs to, and when a trade settles.

Responsible for: session, trading day and their next change at a moment; settlement one settlement day after the trade. A settlement day is a
trading day on which banks are open too: stocks trade on Columbus Day and Veterans Day, and nothing settles then.
Never: reads a clock, or knows a halt: that is a fact of one symbol.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from novate.calendar import EXTENDED, Span, new_york_date, new_york_ns, spans, trading_days
from novate.calendar import Session as CalendarSession
from novate.messages.codes import Session

SETTLES_AT: Final = time(9)
"""New York time on the settlement day at which what is due settles."""
_WINDOW: Final = timedelta(days=12)


class Moment(NamedTuple):
    """What holds from a moment on."""

    session: Session
    day: date
    """The trading day it belongs to: the next one where the exchange is closed."""
    until_ns: int
    """When the session changes."""
    day_ends_ns: int
    """When the last session of that trading day ends."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The sessions in which this exchange trades. `extended` names those beside the regular one."""

    extended: Collection[Session] = (Session.PRE, Session.POST)

    def at(self, time_ns: int) -> Moment:
        """The session at a moment; the exchange's calendar has holidays, early closes and daylight saving."""
        known = _spans(new_york_date(time_ns), tuple(sorted(self.extended)))
        place = bisect_right(known, time_ns, key=lambda span: span.start_ns) - 1
        running = known[place]
        if time_ns < running.end_ns:
            return Moment(Session(running.session), running.day, running.end_ns, _end_of(known, running.day))
        coming = known[place + 1]
        return Moment(Session.CLOSED, coming.day, coming.start_ns, _end_of(known, coming.day))

    def day_is_over(self, day: date, time_ns: int) -> bool:
        """Whether the last session of a trading day has ended."""
        known = _spans(day, tuple(sorted(self.extended)))
        return any(span.day == day for span in known) and _end_of(known, day) <= time_ns


def settlement_day(traded: date) -> date:
    """The first settlement day after a trading day."""
    return next(
        day.date
        for day in trading_days(traded + timedelta(days=1), traded + _WINDOW)
        if not _bank_holiday(day.date)
    )


def settles_ns(day: date) -> int:
    """When what is due on a settlement day settles."""
    return new_york_ns(day, SETTLES_AT)


def _bank_holiday(day: date) -> bool:
    """Whether banks are closed on a trading day: the second Monday of October, and 11 November (the 12th where that is a Monday)."""
    if day.month == 10:
        return day.weekday() == 0 and 8 <= day.day <= 14
    return day.month == 11 and (day.day == 11 or (day.day == 12 and day.weekday() == 0))


def _end_of(known: tuple[Span, ...], day: date) -> int:
    return max(span.end_ns for span in known if span.day == day)


@lru_cache(maxsize=256)
def _spans(day: date, extended: tuple[Session, ...]) -> tuple[Span, ...]:
    counted = {CalendarSession(int(session)) for session in extended}
    rule = [session for session in EXTENDED if session in counted]
    return tuple(spans(day - _WINDOW, day + _WINDOW, extended=rule))
