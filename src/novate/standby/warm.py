"""The engine of a standby: at the end of its journal, or on the way there.

Responsible for: applying every frame that is here, once, in order; the state hash that a seal recorded; snapshots; saying where it failed.
Never: holds up the journal: what does not fit in memory is read from disk, and an engine that failed leaves the journal to grow.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

from novate._core import Engine
from novate.errors import NovateError
from novate.journal import layout
from novate.journal.progress import OnProgress
from novate.journal.recovery import HomePaths, Judged, Run, apply_frame, check_seal, frames_after, rebuild
from novate.journal.scan import Position
from novate.reader_process.limits import SnapshotPlan
from novate.reader_process.snapshots import SnapshotWriter

_PENDING_BYTES: Final = 1 << 26
_RUN_BYTES: Final = 1 << 18
_HASH_S: Final = 10.0
"""The state hash is taken so often at most, and only of an engine that has nothing to do."""
_LOOK_S: Final = 0.5


class StateHash(NamedTuple):
    """Of the state after a command, hexadecimal."""

    sequence: int
    hash: str


class _Heard(NamedTuple):
    header: layout.FrameHeader
    payload: bytes
    hash: bytes


class Warm:
    """One engine and its thread. `hear`, and the attributes, are for other threads."""

    def __init__(
        self,
        paths: HomePaths,
        judged: Judged,
        snapshots: SnapshotPlan | None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.applied = 0
        """Last command applied."""
        self.state_hash: StateHash | None = None
        """The newest that was taken."""
        self.failed: NovateError | None = None
        """Why nothing more is applied."""
        self.snapshots_failed: NovateError | None = None
        self._paths, self._judged, self._plan = paths, judged, snapshots
        self._on_progress = on_progress
        self._upto = judged.walk.next_sequence - 1
        self._changed = threading.Condition()
        self._pending: deque[_Heard] = deque()
        self._pending_bytes = 0
        self._dropped = False
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="novate-warm", daemon=True)
        self._thread.start()

    def hear(self, header: layout.FrameHeader, frame: bytes, frame_hash: bytes) -> None:
        """A frame is on disk here."""
        with self._changed:
            if header.count:
                self._dropped |= header.first_sequence != self._upto + 1
                self._upto = header.first_sequence + header.count - 1
            if self._dropped or self._pending_bytes > _PENDING_BYTES:
                self._dropped = True  # read from disk once what is pending is applied
            else:
                self._pending.append(_Heard(header, layout.frame_payload(frame), frame_hash))
                self._pending_bytes += len(frame)
            self._changed.notify()

    def close(self) -> None:
        """Ends after the run of frames being applied."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
        except NovateError as error:
            self.failed = error
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal goes on without the engine
            self.failed = NovateError(f"The standby's engine stopped at {error!r}.")
        finally:
            with self._changed:
                self._pending.clear()
                self._changed.notify_all()

    def _work(self) -> None:
        upto = self._judged.walk.next_sequence - 1
        engine = rebuild(self._paths, Engine, self._judged, on_progress=self._on_progress, upto=upto).engine
        position = Position(upto, self._judged.walk.time_ns, self._judged.walk.command_hash)
        writer = self._writer(upto)
        try:
            hash_at = 0.0
            while not self._ending:
                self.applied = position.sequence
                run, from_disk = self._next()
                if from_disk:
                    position = self._apply_from_disk(engine, position, from_disk)
                elif run:
                    position = _apply(engine, run, position)
                    if not run[-1].header.count:
                        self.state_hash = StateHash(position.sequence, run[-1].payload.hex())
                elif time.monotonic() >= hash_at:
                    hash_at = time.monotonic() + _HASH_S
                    if self.state_hash is None or self.state_hash.sequence != position.sequence:
                        self.state_hash = StateHash(position.sequence, engine.state_hash().hex())
                if writer is not None and writer.due(position.sequence):
                    writer.begin(engine.fork(), position)
        finally:
            if writer is not None:
                writer.close()

    def _next(self) -> tuple[list[_Heard], int]:
        """Frames to apply, or the command up to which they are on disk alone; neither after a moment without any."""
        with self._changed:
            self._changed.notify_all()
            if not self._pending and self._dropped:
                self._dropped = False
                return [], self._upto
            if not self._pending:
                self._changed.wait(_LOOK_S)
            run: list[_Heard] = []
            size = 0
            while self._pending and size < _RUN_BYTES:
                heard = self._pending.popleft()
                size += len(heard.payload)
                run.append(heard)
                if not heard.header.count:
                    break  # the state is what a seal says right here
            self._pending_bytes -= size + layout.FRAME_OVERHEAD_BYTES * len(run)
            return run, 0

    def _apply_from_disk(self, engine: Engine, position: Position, upto: int) -> Position:
        for frame in frames_after(self._paths.journal, position.sequence, upto, judged=False):
            if self._ending:
                break
            if frame.is_seal:
                check_seal(engine, frame)
                continue
            apply_frame(engine, frame)
            position = Position(frame.last_sequence, frame.time_ns, frame.hash)
            self.applied = position.sequence
        return position

    def _writer(self, at: int) -> SnapshotWriter | None:
        if self._plan is None:
            return None

        def told(what: Path | NovateError) -> None:
            self.snapshots_failed = what if isinstance(what, NovateError) else None

        def wake() -> None:
            with self._changed:
                self._changed.notify()

        return SnapshotWriter(self._paths.snapshots, self._plan, at, wake, told)


def _apply(engine: Engine, run: list[_Heard], position: Position) -> Position:
    """Frames in a row as one; a seal can only be the last."""
    of_commands = [heard for heard in run if heard.header.count]
    if of_commands:
        last = of_commands[-1]
        end = last.header.first_sequence + last.header.count - 1
        first = of_commands[0].header.first_sequence
        apply_frame(engine, Run(first, end - first + 1, b"".join([heard.payload for heard in of_commands])))
        position = Position(end, last.header.time_ns, last.hash)
    if not run[-1].header.count:
        check_seal(engine, Run(run[-1].header.first_sequence, 0, run[-1].payload))
    return position
