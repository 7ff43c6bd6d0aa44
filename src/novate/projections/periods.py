"""Days and months as spans of journal time, cut at midnight in UTC or in New York.

Responsible for: where a day begins and ends, daylight saving included. Never reads a clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

Zone = Literal["UTC", "America/New_York"]
_ZONES: Final = {"UTC": UTC, "America/New_York": ZoneInfo("America/New_York")}


class Period(NamedTuple):
    """A span of journal time: from `from_ns` on, before `to_ns`."""

    label: str
    from_ns: int
    to_ns: int
    zone: str


def day(on: date, zone: Zone = "UTC") -> Period:
    """The day of that date."""
    return Period(on.isoformat(), _midnight(on, zone), _midnight(on + timedelta(days=1), zone), zone)


def month(year: int, number: int, zone: Zone = "UTC") -> Period:
    """A calendar month."""
    following = date(year + number // 12, number % 12 + 1, 1)
    first = date(year, number, 1)
    return Period(f"{first:%Y-%m}", _midnight(first, zone), _midnight(following, zone), zone)


def _midnight(on: date, zone: Zone) -> int:
    at = datetime(on.year, on.month, on.day, tzinfo=_ZONES[zone])
    return int(at.timestamp()) * 1_000_000_000
