"""Sessions and holidays as commands: `SetSession` for every underlying whose session is not what its calendar says.

Responsible for: comparing what the venue has with what the calendar says, and when to look again. It keeps nothing: after a restart the
venue's own answer says what is left to send. Never: overrules a halt (`HALTED`): who halted an underlying lifts it by naming
a session, and the calendar goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from novate import calendar
from novate.calendar import Extended, SessionChange
from novate.config import Listing
from novate.errors import ConfigError
from novate.messages import Session, SetSession
from novate.messages.reports.explain import SessionLine

LOOK_AGAIN_NS: Final = 60 * calendar.SECOND_NS
"""What somebody else changed is put right within this time of the venue."""
_REPEAT_NS: Final = 2 * calendar.SECOND_NS
"""A command that was sent is not repeated before the venue's answers can have it."""
ALWAYS: Final = frozenset({"crypto", "bill", "stable"})
"""Classes of a listing that never close."""

Hours = Callable[[int], SessionChange]
"""The session of an underlying at a time, as the entry that is in force then."""


def exchange_hours(extended: Extended = True) -> Hours:
    """The hours of US stocks: DST, half days and holidays by the exchange's own calendar, which is asked once per session."""
    entry: SessionChange | None = None

    def at(now_ns: int) -> SessionChange:
        nonlocal entry
        if entry is None or not entry.time_ns <= now_ns < entry.next_time_ns:
            entry = calendar.session_changes(now_ns, now_ns + 1, extended=extended)[0]
        return entry

    return at


def always_open(now_ns: int) -> SessionChange:
    """The hours of what trades round the clock."""
    return calendar.always_open(now_ns)[0]


def recorded_hours(changes: Sequence[SessionChange]) -> Hours:
    """The hours of a recorded scenario: the last change that began, the first before that."""
    if not changes:
        raise ConfigError("Recorded hours need at least one entry.")

    def at(now_ns: int) -> SessionChange:
        begun = [change for change in changes if change.time_ns <= now_ns]
        return begun[-1] if begun else changes[0]

    return at


def hours_of(listing: Listing, extended: Extended = True) -> dict[str, Hours]:
    """The hours of each name by its class in the listing: coins, bills and dollars never close, all else is a US stock."""
    stocks = exchange_hours(extended)
    return {name: always_open if kind in ALWAYS else stocks for name, kind in listing.class_of.items()}


@dataclass(slots=True)
class SessionKeeper:
    """`hours` by name of the underlying; `default` for names that are not in it."""

    hours: Mapping[str, Hours]
    default: Hours | None = None
    next_ns: int = 0
    sent: int = 0
    _last: dict[int, tuple[SetSession, int]] = field(default_factory=dict)

    def on_time(self, lines: Iterable[SessionLine], now_ns: int) -> list[SetSession]:
        """What is left to say of these underlyings at `now_ns`. Raises ConfigError for one whose hours nobody stated."""
        wanted: list[SetSession] = []
        self.next_ns = now_ns + LOOK_AGAIN_NS
        for line in lines:
            change = self._hours(line.name)(now_ns)
            if change.next_time_ns > now_ns:
                self.next_ns = min(self.next_ns, change.next_time_ns)
            command = change.command(line.underlying)
            if line.session == Session.HALTED or _has(line, command):
                continue
            before, at_ns = self._last.get(line.underlying, (None, 0))
            if before == command and now_ns - at_ns < _REPEAT_NS:
                self.next_ns = min(self.next_ns, at_ns + _REPEAT_NS)
                continue
            self._last[line.underlying] = (command, now_ns)
            wanted.append(command)
        if wanted:
            self.next_ns = min(self.next_ns, now_ns + _REPEAT_NS)
        self.sent += len(wanted)
        return wanted

    def is_open(self, name: str, now_ns: int) -> bool:
        """Whether prices of an underlying should come at a time."""
        return self._hours(name)(now_ns).session != calendar.Session.CLOSED

    def _hours(self, name: str) -> Hours:
        found = self.hours.get(name, self.default)
        if found is None:
            raise ConfigError(
                f"Nobody says when {name} is open: name its hours under [sessions].", underlying=name
            )
        return found

    def values(self) -> dict[str, Any]:
        """For health."""
        return {"sent": self.sent, "next_ns": self.next_ns}


def _has(line: SessionLine, command: SetSession) -> bool:
    """Whether the venue has exactly this."""
    return (
        line.session, line.next_session, line.next_time_ns,
        line.closure_step_ns, line.closure_ramp_from_ns, line.closure_ramp_to_ns, line.closure_end_ns,
    ) == (
        command.session, command.next_session, command.next_time_ns,
        command.closure_step_ns, command.closure_ramp_from_ns, command.closure_ramp_to_ns, command.closure_end_ns,
    )  # fmt: skip
