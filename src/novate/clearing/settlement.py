"""Which day a trade belongs to, when it settles, and what is late.

    business_day(time_ns)                   Thursday 21:00 in New York is Friday's
    settlement_day(date(2024, 6, 7))        Monday 10 June 2024: the next settlement day
    late(executions, day)                   what the day or an earlier one should have brought

Responsible for: those days, by the exchange's own calendar, and sorting executions by them. Never: settles anything, or reads a clock: a
broker reports, and the engine books.

A day ends at 20:00 in New York, with the last session that belongs to it; the overnight session is the next day's. A trade settles on the
settlement day after its own (SEC rule 15c6-1, since 28 May 2024): a trading day on which banks are open, so not Columbus Day or Veterans Day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Final, Protocol, TypeVar

from novate.broker.hours import settlement_day
from novate.calendar import new_york_date, new_york_ns, trading_days

__all__ = [
    "business_day",
    "day_ends_ns",
    "days_late",
    "is_trading_day",
    "last_day_over",
    "late",
    "settlement_day",
    "trading_day_before",
    "trading_day_from",
]  # fmt: skip

ENDS_AT: Final = time(20)
"""Of a day, New York time."""
_FAR: Final = timedelta(days=14)
"""Longer than any run of days without trading."""


class Settling(Protocol):
    """Something that settles: an execution of either side."""

    @property
    def settles(self) -> date:
        """The day it should."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it has not settled, and still may."""
        ...


_S = TypeVar("_S", bound=Settling)


def is_trading_day(day: date) -> bool:
    """Whether the exchange has a regular session."""
    return bool(trading_days(day, day))


def trading_day_before(day: date) -> date:
    """The last trading day before `day`."""
    return trading_days(day - _FAR, day - timedelta(days=1))[-1].date


def trading_day_from(day: date) -> date:
    """The first trading day that is not before `day`."""
    return trading_days(day, day + _FAR)[0].date


def day_ends_ns(day: date) -> int:
    """The end of a day, in UTC nanoseconds: the first moment that is not part of it."""
    return new_york_ns(day, ENDS_AT)


def business_day(time_ns: int) -> date:
    """The trading day that a moment belongs to."""
    day = new_york_date(time_ns)
    return trading_day_from(day if time_ns < day_ends_ns(day) else day + timedelta(days=1))


def last_day_over(time_ns: int) -> date:
    """The last trading day that has ended."""
    return trading_day_before(business_day(time_ns))


def late(executions: Iterable[_S], day: date) -> list[_S]:
    """What is open at the end of `day` and should have settled on it or before, longest first."""
    return sorted(
        (one for one in executions if one.is_open and one.settles <= day), key=lambda one: one.settles
    )


def days_late(settles: date, day: date) -> int:
    """Settlement days that a settlement is late at the end of `day`: 0 on its own, 1 on the next."""
    number = 0
    while (settles := settlement_day(settles)) <= day:
        number += 1
    return number
