"""The event log of a home: what the venue told, kept for a while, so that an account's events can be told again from any number on.

Responsible for: segments that follow each other without a gap, their order, age and end; an account's events in order and each checked. Never:
makes an event (whoever replays the journal does), or matters to the venue: it can be made again, and nothing is decided by it.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from novate._core import release, ruleset
from novate.errors import ConfigError, NovateError
from novate.event_log import layout
from novate.event_log.segment import (
    SEGMENT_SUFFIX,
    Complete,
    EventsDamaged,
    Growing,
    Run,
    Segment,
    complete,
    scan,
)
from novate.files import sync_path
from novate.journal.log import HomeLock
from novate.journal.scan import Position

DIRECTORY: Final = "events"
"""Name of the log's directory in a home."""
KEPT_S: Final = 7 * 86_400
_NAME: Final = re.compile(r"\d{20}\.events")
_AGES: Final = 8
"""A segment is ended when it is this part of the time that events are kept, so that they go in parts."""
_OPEN_AT_ONCE: Final = 128
_SECOND: Final = 10**9


class EventLogStopped(NovateError):
    """The log could not be written, and takes no more events. The process must end: the next one goes on where it ended."""

    code = "event_log_stopped"


@dataclass(frozen=True, slots=True)
class EventLogPlan:
    """How long events are kept, and in what parts. Raises ConfigError."""

    kept_s: float = KEPT_S
    """Events are kept for so many seconds of journal time at least, and at most an eighth longer and a segment."""
    segment_bytes: int = 1 << 27
    """A segment is ended behind so many bytes. The places of the last one are in memory: a seventh of this, about."""

    def __post_init__(self) -> None:
        if self.kept_s <= 0 or not 1 <= self.segment_bytes <= 1 << 30:
            raise ConfigError(f"Impossible plan of an event log: {self}.")


class Page(NamedTuple):
    """Events of an account in a row, as the engine wrote them."""

    events: bytes
    how_many: int
    oldest: int
    """Where the log begins too late for what was asked: number of the account's oldest event in it, 0 where it has none. Else 0."""
    last: int
    """Number of the account's last event in the log; 0 where it has none."""


class EventLog:
    """The log in a directory. One process has it at a time. For one thread."""

    def __init__(
        self,
        directory: Path,
        plan: EventLogPlan | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        """Opens the log up to its last sound frame; what is behind is cut, to be made again. `on_note` gets a line for whatever was not as left.

        Raises JournalLocked when another process has it; EventLogStopped when it can't be read or written.
        """
        self.directory = directory
        self.plan = plan or EventLogPlan()
        self._note = on_note or (lambda _: None)
        self._lock = HomeLock(directory)
        self._complete: list[Complete] = []
        self._sealing: deque[tuple[Growing, Future[None]]] = deque()
        self._growing: Growing | None = None
        self._begins: Position | None = None
        self._opened: deque[Complete] = deque()
        self._stopped: str = ""
        self._pool = ThreadPoolExecutor(1, "novate-event-index")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._open()
        except OSError as error:
            raise self._stop(error) from error

    @property
    def end(self) -> Position | None:
        """Where the journal stood behind the last command whose events are here; None for a log that was not begun."""
        segments = self._segments()
        return segments[-1].end if segments else self._begins

    @property
    def first_sequence(self) -> int:
        """First command whose events are here, or will be; 0 for a log that was not begun."""
        segments = self._segments()
        begins = segments[0].before if segments else self._begins
        return begins.sequence + 1 if begins is not None else 0

    @property
    def size(self) -> int:
        """Bytes of events on disk."""
        return sum(segment.size for segment in self._segments())

    def begin(self, position: Position) -> None:
        """The log is to begin behind `position`. Only for one that has no end."""
        if self.end is not None:
            raise AssertionError("a log begins once")
        self._begins = position

    def append(self, events: bytes, end: Position) -> None:
        """Writes the events of the commands behind `self.end` up to `end`, where a frame ends. A killed process loses none of them.

        Raises EventLogStopped once the disk does not take them, and ever after; BadBuffer for what are no events.
        """
        if self._stopped:
            raise EventLogStopped(self._stopped)
        try:
            growing = self._growing
            if growing is None or self._full(growing, end):
                growing = self._next_segment()
            growing.append(events, end)
        except OSError as error:
            raise self._stop(error) from error
        except NovateError as error:
            self._stopped = error.sentence
            raise

    def account(self, account: int, after: int, most: int, most_bytes: int = 1 << 22) -> Page:
        """The events of `account` behind number `after`, `most` of them at most and about `most_bytes`. Raises EventsDamaged."""
        self._settle()
        wanted, oldest, last = after + 1, 0, 0
        found: list[tuple[Segment, Run]] = []
        for segment in reversed(self._segments()):
            run = segment.run_of(account)
            self._opened_one(segment)
            if not len(run.numbers):
                continue
            last = last or int(run.numbers[-1])
            oldest = int(run.numbers[0])
            if last >= wanted:
                found.append((segment, run))
            if oldest <= wanted:
                break
        if last < wanted or oldest > wanted or most < 1:
            return Page(b"", 0, oldest if oldest > wanted else 0, last)
        parts: list[memoryview] = []
        size = 0
        for segment, run in reversed(found):
            skip = int(np.searchsorted(run.numbers, np.uint64(wanted)))
            rest = Run(
                run.numbers[skip : skip + most - len(parts)], run.offsets[skip : skip + most - len(parts)]
            )
            if (
                not len(rest.numbers)
                or int(rest.numbers[0]) != wanted
                or int(rest.numbers[-1]) - wanted >= len(rest.numbers)
            ):
                raise EventsDamaged(
                    f"{segment.path.name} has no event {wanted} of account {account}.",
                    segment=segment.path.name,
                )
            for event in segment.events(account, rest):
                parts.append(event)
                size += len(event)
                wanted += 1
                if size >= most_bytes:
                    return Page(b"".join(parts), len(parts), 0, last)
            if len(parts) >= most:
                break
        return Page(b"".join(parts), len(parts), 0, last)

    def to_sync(self) -> Callable[[], None]:
        """What, called from any thread, returns once all that was appended until now is on disk. It raises EventLogStopped."""
        sealing = [future for _, future in self._sealing]
        try:
            fd = self._growing.handle() if self._growing is not None else -1
        except OSError as error:
            raise self._stop(error) from error

        def sync() -> None:
            try:
                for future in sealing:
                    future.result()
                if fd >= 0:
                    os.fdatasync(fd)
            except OSError as error:
                raise EventLogStopped(f"The event log can't be written ({error.strerror}).") from error
            finally:
                if fd >= 0:
                    os.close(fd)

        return sync

    def put_aside(self, why: str) -> None:
        """What is here is not of this journal: its files get another name, and the log is to begin anew."""
        segments = self._segments()
        self._pool.shutdown(wait=True)
        self._pool = ThreadPoolExecutor(1, "novate-event-index")
        for segment in segments:
            segment.close()
        self._complete, self._growing, self._begins = [], None, None
        self._sealing.clear()
        self._opened.clear()
        try:
            self._rename([segment.path for segment in segments], why)
        except OSError as error:
            raise self._stop(error) from error

    def close(self) -> None:
        """Waits for an index being written, and lets go of everything. Appends nothing."""
        self._pool.shutdown(wait=True)
        if not self._stopped:
            self.to_sync()()
        for segment in self._segments():
            segment.close()
        self._stopped = self._stopped or "The event log was closed."
        self._lock.release()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _segments(self) -> list[Segment]:
        """In order."""
        found: list[Segment] = [*self._complete, *(growing for growing, _ in self._sealing)]
        return found if self._growing is None else [*found, self._growing]

    def _open(self) -> None:
        paths = sorted(path for path in self.directory.iterdir() if _NAME.fullmatch(path.name))
        for number, path in enumerate(paths):
            segment = complete(path) or self._scanned(path)
            end = self.end
            if segment is None:
                self._rename(paths[number:], f"{path.name} has no sound header")
                break
            if end is not None and segment.before != end:
                self._rename([one.path for one in self._segments()], f"events before {path.name} are missing")
                self._complete = []
            if isinstance(segment, Complete):
                self._complete.append(segment)
                continue
            later = paths[number + 1 :]
            if later and _before(later[0]) != segment.end:
                self._rename(later, f"{path.name} ends before {later[0].name} begins")
                later = []
            if later:  # a process ended before it had written the index
                self._complete.append(self._completed(segment))
                continue
            self._growing = segment
            break
        self._forget_old()

    def _scanned(self, path: Path) -> Growing | None:
        found = scan(path)
        head_of = _before(path)
        if found is None or head_of is None:
            return None
        if found.rest:
            os.truncate(path, found.size)
            self._note(
                f"The last {found.rest} bytes of {path.name} are no whole frame's events, and were cut."
            )
        return Growing(path, head_of, found)

    def _completed(self, growing: Growing) -> Complete:
        growing.write_index()
        growing.close()
        segment = complete(growing.path)
        if segment is None:
            raise EventLogStopped(f"The index of {growing.path.name} is not what was written.")
        return segment

    def _full(self, growing: Growing, end: Position) -> bool:
        if growing.end == growing.before:
            return False
        aged = end.time_ns - growing.began_ns >= self.plan.kept_s * _SECOND / _AGES
        return aged or growing.size >= self.plan.segment_bytes

    def _next_segment(self) -> Growing:
        """Ends the segment that grows, whose index a thread writes, and begins another."""
        before, ended = self.end, self._growing
        if before is None:
            raise AssertionError("a log is begun before it is appended to")
        path = self.directory / f"{before.sequence + 1:020d}{SEGMENT_SUFFIX}"
        header = layout.pack_segment(release(), ruleset(), before)
        while len(self._sealing) > 1:
            self._sealing[0][1].result()
            self._settle()
        begun = Growing.begin(path, header, before)
        if ended is not None:
            self._sealing.append((ended, self._pool.submit(ended.write_index)))
        self._growing = begun
        self._settle()
        self._forget_old()
        return begun

    def _settle(self) -> None:
        """Segments whose index is written need no memory any more. Raises EventLogStopped when one can't be written."""
        while self._sealing and self._sealing[0][1].done():
            growing, future = self._sealing[0]
            try:
                future.result()
            except OSError as error:
                raise self._stop(error) from error
            segment = complete(growing.path)
            if segment is None:
                raise EventLogStopped(f"The index of {growing.path.name} is not what was written.")
            self._sealing.popleft()
            self._complete.append(segment)
            growing.close()

    def _forget_old(self) -> None:
        """Removes segments whose last event is older than events are kept."""
        end = self.end
        while end is not None and self._complete and len(self._segments()) > 1:
            first = self._complete[0]
            if first.end.time_ns >= end.time_ns - self.plan.kept_s * _SECOND:
                break
            self._complete.pop(0).close()
            first.path.unlink(missing_ok=True)  # before its index: an index without a segment is nothing
            first.index_path.unlink(missing_ok=True)

    def _opened_one(self, segment: Segment) -> None:
        """Of many complete segments the files of the last few stay open."""
        if isinstance(segment, Complete) and segment not in self._opened:
            self._opened.append(segment)
            if len(self._opened) > _OPEN_AT_ONCE:
                self._opened.popleft().close()

    def _rename(self, paths: list[Path], why: str) -> None:
        for path in paths:
            path.rename(path.with_name(path.name + ".aside"))
            path.with_suffix(".index").unlink(missing_ok=True)
        sync_path(self.directory)
        if paths:
            self._note(
                f"{why}: {len(paths)} files of the event log were put aside, from {paths[0].name}.aside on."
            )

    def _stop(self, error: OSError) -> EventLogStopped:
        self._stopped = f"The event log in {self.directory} can't be written ({error.strerror or error})."
        return EventLogStopped(self._stopped, errno=error.errno)


def log_end(directory: Path) -> Position | None:
    """Where the log in `directory` ends, for who only looks; None where there is none, or it can't be read."""
    try:
        paths = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
        found = (complete(paths[-1]) or scan(paths[-1])) if paths else None
    except OSError:
        return None
    return found.end if found is not None else None


def _before(path: Path) -> Position | None:
    """Where the journal stood before the segment at `path`; None where its header is not sound."""
    with path.open("rb") as stream:
        head = layout.parse_segment(stream.read(layout.SEGMENT_HEADER_BYTES))
    return head.before if head is not None and head.format == layout.FORMAT else None
