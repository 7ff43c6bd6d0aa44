"""The reader's engine: built from the home's snapshots and journal, then kept at the core's heels frame by frame.

Responsible for: applying every frame once, in order, each proven to follow the one before; reading of the journal only what the core said
is durable, while the core goes on writing it. Never: writes, takes the writer's lock, or waits: work is done in slices of time.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from novate._core import Engine, release, ruleset
from novate.core_process.wire import DurableFrame
from novate.errors import JournalDamaged, JournalError, ReleaseMismatch, ReplayDiverged
from novate.event_log import EventLog
from novate.journal import layout
from novate.journal.quarantine import Quarantines
from novate.journal.recovery import (
    HomePaths,
    Passed,
    Run,
    apply_frame,
    check_confirmed,
    check_seal,
    put_aside,
    restored,
)
from novate.journal.scan import (
    START,
    Frame,
    Place,
    Position,
    Walk,
    segment_name,
    segment_paths,
    walk_journal,
)
from novate.journal.snapshots import BadSnapshot, SnapshotFile, peek_snapshot, snapshot_paths

_RUN_BYTES: Final = 1 << 18
"""Frames are applied together up to about this size: small ones cost no more than large ones, and a slice of time is kept."""


class Follower:
    """One engine that follows the journal of a home. For one thread."""

    def __init__(
        self,
        home: Path | str,
        upto: int,
        events: EventLog | None = None,
        begun: Passed[Engine] | None = None,
    ) -> None:
        """The newest state of `home` that a snapshot not behind command `upto` holds, else none yet; `upto` is the core's word.

        `events` gets the events of every command from there on. Where it ends before, the state begins no later than it ends, so that what
        it misses is made again; one that is not of this journal is put aside. `begun` is the state that the core's own recovery came by,
        which is as good as a snapshot.

        Raises JournalDamaged or ReleaseMismatch when the journal around that snapshot can't be trusted.
        """
        self.paths = HomePaths.of(home)
        self.snapshots_skipped: list[str] = []
        """One line for each snapshot that was not used, with the reason."""
        self._pending: deque[DurableFrame] = deque()
        self.pending_bytes = 0
        """Of frames heard and not applied yet."""
        self._disk: Iterator[Frame | None] | None = None
        self._upto = 0
        self.events = events
        if events is not None and events.end is not None and events.end.sequence > upto:
            events.put_aside(f"The event log goes up to command {events.end.sequence}, the core to {upto}")
        at_most = events.end.sequence if events is not None and events.end is not None else upto
        self._place: Place | None = None
        """Where the frames behind the position begin, while that is known."""
        if begun is not None and begun.position.sequence <= at_most:
            self.engine, self.position, self._place = begun.engine, begun.position, begun.place
        else:
            self.engine, self.position = self._restored(upto, at_most)
        if events is not None:
            self._check_log(events, self.position)
        self.restored_at = self.position.sequence
        """Command after which the snapshot was taken that this engine began from; 0 for none."""
        self.catch_up(upto)

    @property
    def catching_up(self) -> bool:
        """Whether frames are still read from disk: the core is further on."""
        return self._disk is not None

    @property
    def has_work(self) -> bool:
        """Whether there is something to apply."""
        return self._disk is not None or bool(self._pending)

    def catch_up(self, upto: int) -> None:
        """From here on the frames up to `upto` come from the disk; what was heard and not applied is among them, or behind.

        Raises JournalError when the core is at an earlier command than this engine: durable commands are missing. Raises
        ReleaseMismatch for a core of another release.
        """
        self._pending.clear()
        self.pending_bytes = 0
        self._disk, self._upto = None, upto
        if upto < self.position.sequence:
            raise JournalError(
                f"The core is at command {upto}, but command {self.position.sequence} was told durable.",
                sequence=upto,
            )
        _check_release(self.paths.journal, upto)
        if upto > self.position.sequence:
            self._disk = self._from_disk(upto)

    def hear(self, frame: DurableFrame) -> None:
        """Takes a frame the core told, to be applied behind all before it. Raises JournalError unless it is the next one."""
        expected = self._pending[-1].last_sequence + 1 if self._pending else self._expected()
        if frame.first_sequence != expected:
            raise JournalError(
                f"The core told the frame of command {frame.first_sequence}, not {expected}.",
                sequence=expected,
            )
        self._pending.append(frame)
        self.pending_bytes += len(frame.payload)

    def work(self, until: float) -> None:
        """Applies what there is, until `until` (of `time.monotonic`) at most, but for the run then begun.

        Raises EngineHalted, ReplayDiverged, JournalDamaged, ReleaseMismatch or JournalError; the engine is then of no use.
        """
        while self.has_work and time.monotonic() < until:
            if self._disk is not None:
                self._apply_from(self._disk, until)
            else:
                self._apply_pending()

    def _expected(self) -> int:
        return (self._upto if self._disk is not None else self.position.sequence) + 1

    def _restored(self, upto: int, at_most: int) -> tuple[Engine, Position]:
        for path in reversed(snapshot_paths(self.paths.snapshots)):
            try:
                file = peek_snapshot(path)
                position = _borne_out(self.paths.journal, file, upto, at_most)
                return restored(Engine, file), position
            except BadSnapshot as bad:
                self.snapshots_skipped.append(f"{path.name}: {bad}")
        return Engine(), START

    def _from_disk(self, upto: int) -> Iterator[Frame | None]:
        """The frames up to `upto`, None for each step without one; what was put aside there is known before they are applied."""
        start, place, quarantines = self.position, self._place, Quarantines()
        self._place = None
        for frame in frames_between(self.paths.journal, start, upto, judged=True, place=place):
            if frame is not None:
                quarantines.take(frame)
            yield None
        put_aside(self.engine, quarantines.confirmed)
        yield from frames_between(self.paths.journal, start, upto, place=place)
        check_confirmed(self.engine, quarantines.confirmed)

    def _apply_from(self, disk: Iterator[Frame | None], until: float) -> None:
        """One run of frames from the disk; the end of it once there is no more."""
        run: list[Frame] = []
        size = 0
        for frame in disk:
            if frame is not None and frame.is_seal:
                self._apply_frames(run)
                check_seal(self.engine, frame)
                return
            if frame is not None:
                run.append(frame)
                size += len(frame.payload)
            if size >= _RUN_BYTES or time.monotonic() >= until:
                self._apply_frames(run)
                return
        self._apply_frames(run)
        self._disk = None

    def _apply_frames(self, frames: list[Frame]) -> None:
        """Those up to the end of the event log without events, for they are there, and the rest with them."""
        told = self.events.end if self.events is not None else None
        known = [frame for frame in frames if told is not None and frame.last_sequence <= told.sequence]
        for part in (known, frames[len(known) :]):
            if part:
                last = part[-1]
                end = Position(last.last_sequence, last.time_ns, last.hash)
                self._apply([frame.payload for frame in part], end)

    def _check_log(self, events: EventLog, position: Position) -> None:
        """Where the engine is at the end of the event log, or behind, they must be at the same frame."""
        end = events.end
        if end is not None and end.sequence <= position.sequence and end != position:
            events.put_aside(f"The event log is of another journal, by its command {end.sequence}")
            end = None
        if end is None:
            events.begin(position)

    def _apply_pending(self) -> None:
        """One run of frames the core told."""
        payloads: list[bytes] = []
        size, end = 0, self.position
        while self._pending and size < _RUN_BYTES:
            frame = self._pending.popleft()
            end = Position(frame.last_sequence, frame.time_ns, _hash_of(frame, end.frame_hash))
            payloads.append(frame.payload)
            size += len(frame.payload)
        self.pending_bytes -= size
        self._apply(payloads, end)

    def _apply(self, payloads: list[bytes], end: Position) -> None:
        first, events = self.position.sequence + 1, self.events
        run = Run(first, end.sequence - first + 1, b"".join(payloads))
        if events is not None and events.end == self.position:
            apply_frame(self.engine, run, lambda made: events.append(made, end))
        else:
            apply_frame(self.engine, run)
        if self.engine.sequence != end.sequence:
            raise ReplayDiverged(
                f"The frames up to command {end.sequence} brought the engine to command {self.engine.sequence}.",
                sequence=end.sequence,
            )
        self.position = end
        if events is not None:
            self._check_log(events, end)


def frames_between(
    journal_dir: Path, start: Position, upto: int, *, judged: bool = False, place: Place | None = None
) -> Iterator[Frame | None]:
    """The frames behind `start` up to command `upto`, and the seals between, None for each frame passed over on the way.

    Not a byte behind the frame that ends at `upto` is judged: a writer may be at it. `judged` leaves the hashes out, for a first look.
    `place` is where they begin; without it they are looked for from the beginning of the segment on.
    Raises JournalDamaged or ReleaseMismatch; JournalError when the frame at `start` is not the one that was applied.
    """
    walk = Walk.behind(start, judged=judged) if place is not None else Walk(judged=judged)
    begin = _segment_of(journal_dir, start.sequence) if place is None else place
    for frame in walk_journal(journal_dir, walk, ruleset=ruleset(), start=begin):
        at = frame.last_sequence
        if at == start.sequence and not frame.is_seal and not judged and frame.hash != start.frame_hash:
            raise JournalError(
                f"Command {at} stands in another frame of the journal than the one applied.", sequence=at
            )
        yield frame if at > start.sequence or (frame.is_seal and at == start.sequence) else None
        if at >= upto:
            break
    _check_end(journal_dir, walk, upto)


def _check_end(journal_dir: Path, walk: Walk, upto: int) -> None:
    end, segments = walk.next_sequence - 1, segment_paths(journal_dir)
    if end != upto:
        torn = walk.torn
        raise JournalDamaged(
            segment=torn.segment if torn else segments[-1].name if segments else segment_name(1),
            offset=torn.offset if torn else segments[-1].stat().st_size if segments else 0,
            sequence=min(end, upto) + 1,
            what=f"the core has applied command {upto}, but no frame ends there",
        )


def _borne_out(journal_dir: Path, file: SnapshotFile, upto: int, told: int) -> Position:
    """Where the snapshot stands, once the journal was found to hold the frame it was taken after. Raises BadSnapshot.

    One that is behind command `told`, where the event log ends, is of no use: the events in between must be made again.
    """
    if file.ruleset != ruleset():
        raise BadSnapshot(f"it was taken under ruleset {file.ruleset}")
    if file.sequence > upto:
        raise BadSnapshot(f"it is behind command {upto}, which the core has applied last")
    if file.sequence > told:
        raise BadSnapshot(f"it is behind command {told}, where the event log ends")
    for frame in walk_journal(
        journal_dir, Walk(), ruleset=ruleset(), start=_segment_of(journal_dir, file.sequence)
    ):
        if frame.last_sequence >= file.sequence:
            if frame.last_sequence == file.sequence and frame.hash == file.frame_hash:
                return Position(file.sequence, frame.time_ns, frame.hash)
            break
    raise BadSnapshot("it was taken of another journal")


def _segment_of(journal_dir: Path, sequence: int) -> int:
    """Number of the segment that holds command `sequence`, from 0."""
    return max(bisect_right([int(path.stem) for path in segment_paths(journal_dir)], sequence) - 1, 0)


def _check_release(journal_dir: Path, upto: int) -> None:
    """The core begins a segment of its own where another release wrote before: the one that holds its last command is its own."""
    for path in segment_paths(journal_dir)[_segment_of(journal_dir, upto) :][:1]:
        with path.open("rb") as stream:
            header = layout.parse_segment_header(stream.read(layout.SEGMENT_HEADER_BYTES))
        if header is not None and header.release != release():
            raise ReleaseMismatch(
                f"The core is of release {header.release}, this reader of release {release()}.",
                segment=path.name,
            )


def _hash_of(frame: DurableFrame, previous_hash: bytes) -> bytes:
    """The hash of the frame as it stands in the journal: the core writes each after the one before is durable."""
    return layout.frame_hash(
        layout.pack_frame(
            frame.payload,
            first_sequence=frame.first_sequence,
            count=frame.commands,
            time_ns=frame.time_ns,
            durable=frame.first_sequence - 1,
            previous_hash=previous_hash,
        )
    )
