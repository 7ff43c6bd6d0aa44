"""What an exchange told one broker, in order, to be told again from any place.

Responsible for: numbers from 1 without a gap, keys that are unique at the exchange, and the bytes of a report. Never: forgets, tells anybody,
or touches a disk: after a restart the same reports come from the same inputs (`exchange_journal`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from novate.broker.port import Heard, Report
from novate.errors import MessageError

_ENCODE: Final = msgspec.json.Encoder()


class Told(NamedTuple):
    """A report with its place and time."""

    number: int
    at_ns: int
    key: str
    report: Report


class ReportLog:
    """The reports of one broker."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self._told: list[Told] = []

    def append(self, report: Report, at_ns: int, key: str = "") -> Told:
        """The next report. A `key` is given where a message is told a second time."""
        number = len(self._told) + 1
        told = Told(number, at_ns, key or f"{self.broker}-{number}", report)
        self._told.append(told)
        return told

    def newest(self) -> Told:
        """The last report."""
        return self._told[-1]

    def behind(self, number: int) -> Iterator[Told]:
        """Everything behind a number, in order; what is appended meanwhile comes too."""
        while number < len(self._told):
            yield self._told[number]
            number += 1

    def last(self) -> int:
        """The last number, 0 before the first."""
        return len(self._told)


def heard(told: Told, now_ns: int) -> Heard:
    """A report as an adapter hands it over."""
    return Heard(told.report, told.key, str(told.number), raw_of(told), now_ns)


def raw_of(told: Told) -> bytes:
    """The message itself."""
    return _ENCODE.encode(
        {"key": told.key, "number": told.number, "at_ns": told.at_ns, "report": told.report}
    )


def number_of(cursor: str) -> int:
    """The number that a cursor stands for. Raises MessageError where it is none."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise MessageError(f"since must be a cursor of this broker's, digits, got {cursor!r}", value=cursor)
    return int(cursor)
