"""A venue in one process: engine, sequencer and journal wired together, in virtual time.

Responsible for: composition and the lockstep driver that notebooks, tests and the headless demo use. Reads top to bottom as
the architecture: commands are encoded, sequenced, journaled, applied; events come back. Never contains a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from novate._core import Engine, release, ruleset
from novate.errors import ResumeRefused
from novate.journal import SEGMENT_BYTES, Log, Recovery
from novate.journal.progress import OnProgress
from novate.journal.recovery import Branch
from novate.messages import (
    ActivateRelease,
    AdvanceTime,
    Command,
    CommandRefused,
    EventMessage,
    ResumeVenue,
    encode,
    explain,
    iter_events,
)
from novate.sequencer import Clock, Sequencer, open_venue_log

OPERATOR = 0
"""Account of venue commands."""


class Venue:
    """One venue with its journal in `home`.

    `Venue.open(home)` begins an empty venue (its first command is `ActivateRelease`) or recovers an existing one (the first
    command is then `ResumeVenue`). Time is what the caller says it is: nothing here reads a clock.
    """

    def __init__(self, sequencer: Sequencer[Engine], recovery: Recovery) -> None:
        self.sequencer = sequencer
        self.recovery = recovery
        """What opening the journal took; `recovery.sequence` is 0 for a fresh venue."""

    @classmethod
    def open(
        cls,
        home: Path | str,
        time_ns: int | None = None,
        *,
        keeper: int = 0,
        clock: Clock | None = None,
        pipelined: bool = False,
        zeros_ahead: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        wrap_log: Callable[[Log], Log] | None = None,
        on_progress: OnProgress | None = None,
        branch: Branch[Engine] | None = None,
    ) -> Self:
        """Opens the venue of `home`; `time_ns` is the time of its first command (default: the clock's, else the journal's last).

        `keeper` is the key that says that the venue resumes: on a venue with governance one with the keeper's role. `clock`,
        `pipelined`, `zeros_ahead`, `segment_bytes`, `wrap_log`, `on_progress` and `branch` are for live use, where time is not what the caller says (see `open_venue_log`).

        Raises JournalLocked, JournalDamaged, ReleaseMismatch and the other errors of `open_venue_log`; ResumeRefused when that key
        may not resume the venue, which then stays closed.
        """
        opened = open_venue_log(
            home,
            Engine,
            release=release(),
            ruleset=ruleset(),
            resume=encode(ResumeVenue(), actor=keeper),
            resume_time_ns=time_ns,
            clock=clock,
            pipelined=pipelined,
            zeros_ahead=zeros_ahead,
            segment_bytes=segment_bytes,
            wrap_log=wrap_log,
            on_progress=on_progress,
            branch=branch,
        )
        for event in iter_events(opened.events, (CommandRefused,)):
            opened.sequencer.close()
            if isinstance(event.body, CommandRefused):
                raise ResumeRefused(f"The venue can't resume: {explain(event.body)}", keeper=keeper)
        venue = cls(opened.sequencer, opened.recovery)
        if opened.recovery.sequence == 0:
            at = clock() if time_ns is None and clock is not None else time_ns or 0
            venue.send(ActivateRelease(release=release(), ruleset=ruleset()), time_ns=at)
        return venue

    @property
    def engine(self) -> Engine:
        """The engine, for questions; never apply to it."""
        return self.sequencer.engine

    @property
    def sequence(self) -> int:
        """Sequence of the last command."""
        return self.sequencer.sequence

    @property
    def time_ns(self) -> int:
        """Time of the last command."""
        return self.sequencer.time_ns

    def send(
        self, *commands: Command, account: int = OPERATOR, actor: int = 0, time_ns: int | None = None
    ) -> list[EventMessage]:
        """Sends commands of one account as one frame, by the key `actor`; returns their events, decoded."""
        buffer = b"".join(encode(command, account=account, actor=actor) for command in commands)
        return list(iter_events(self.submit(buffer, self.time_ns if time_ns is None else time_ns)))

    def submit(self, buffer: bytes, time_ns: int) -> bytes:
        """Journals and applies one buffer of commands, all at `time_ns`; returns their events as bytes."""
        return self.sequencer.submit(buffer, time_ns)

    def submit_stamped(self, buffer: bytes) -> bytes:
        """The same for messages that carry their own, never decreasing times."""
        return self.sequencer.submit(buffer, stamped=True)

    def advance(self, to_ns: int, step_ns: int = 1_000_000_000, *, keeper: int = 0) -> list[EventMessage]:
        """Lets time pass to `to_ns` in steps, one `AdvanceTime` each, by the key `keeper`; returns the events."""
        times: Iterable[int] = range(self.time_ns + step_ns, to_ns + 1, step_ns)
        buffer = b"".join(encode(AdvanceTime(), actor=keeper, time_ns=at) for at in times)
        events = list(iter_events(self.submit_stamped(buffer))) if buffer else []
        if self.time_ns < to_ns:
            events += self.send(AdvanceTime(), actor=keeper, time_ns=to_ns)
        return events

    def close(self) -> None:
        """Ends a clean run: seals the journal and gives the home back."""
        self.sequencer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
