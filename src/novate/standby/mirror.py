"""The journal of a standby: what a core shipped, on a disk of its own, in the same bytes.

Responsible for: taking a frame only if it is the next one, by number, checksum and hash of the one before; one sync for all that came at
once. Never: builds a frame or a header, cuts what is whole, or goes on after a failed write or sync.

Its segments are those of the core: same names, same headers, same frames. Only zeros that the core wrote ahead are not here.
"""

from __future__ import annotations

import os
from pathlib import Path

from novate._core import ruleset
from novate.errors import JournalError, LogStopped, ReleaseMismatch
from novate.files import write_durably, write_fully
from novate.journal import layout
from novate.journal.log import HomeLock, repair_tail, storage_error
from novate.journal.progress import OnProgress
from novate.journal.recovery import HomePaths, Judged, judge
from novate.journal.scan import segment_name, segment_paths
from novate.journal.tail import BEGINNING, FramePlace


class NotTheNextFrame(JournalError):
    """What was shipped does not follow what is here. Nothing of it was written."""

    code = "not_the_next_frame"


class Mirror:
    """The journal of one standby's home, which is this process's alone while it is open. For one thread."""

    def __init__(self, home: Path, on_progress: OnProgress | None = None) -> None:
        """Locks the home, judges the journal, cuts what a killed standby left of a last frame.

        Raises JournalLocked, JournalDamaged or ReleaseMismatch.
        """
        self.paths = HomePaths(home / "journal", home / "snapshots")
        self.paths.journal.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = HomeLock(self.paths.journal)
        self._lock.acquire()
        self._fd = -1
        self._stopped: BaseException | None = None
        try:
            self.judged: Judged = judge(self.paths, ruleset=ruleset(), on_progress=on_progress)
            repair_tail(self.paths.journal, self.judged.walk)
        except BaseException:
            self._lock.release()
            raise
        walk = self.judged.walk
        self._previous_hash = walk.previous_hash
        self._next = walk.next_sequence
        self.time_ns = walk.time_ns
        self.command_hash = walk.command_hash
        """Of the last frame that holds commands."""
        self.sealed = walk.last is not None and walk.last.is_seal
        """Whether the journal ends in the mark of a clean shutdown."""
        self.bytes_written = 0
        self._header = b""
        self._size = 0
        if walk.header is not None:
            self._open_last()

    @property
    def place(self) -> FramePlace:
        """The last frame here."""
        return FramePlace(self._next - 1, self._previous_hash) if self._header else BEGINNING

    @property
    def sequence(self) -> int:
        """The last command here."""
        return self._next - 1

    def take_segment(self, header: bytes) -> None:
        """What comes next stands in the segment of this header. Raises NotTheNextFrame, ReleaseMismatch, SyncFailed, JournalFull."""
        self._refuse_if_stopped()
        if header == self._header:
            return
        parsed = layout.parse_segment_header(header)
        if parsed is None or parsed.format != layout.FORMAT:
            raise ReleaseMismatch("The core ships a journal of another format.")
        if parsed.ruleset != ruleset():
            raise ReleaseMismatch(
                f"The core follows ruleset {parsed.ruleset}, this standby {ruleset()}.",
                ruleset=parsed.ruleset,
            )
        if parsed.first_sequence != self._next or parsed.previous_hash != self._previous_hash:
            raise NotTheNextFrame(
                f"The core ships a segment of command {parsed.first_sequence}; here command {self._next} is next.",
                sequence=self._next,
            )
        path = self.paths.journal / segment_name(parsed.first_sequence)
        try:
            self.sync()
            write_durably(path, header)
        except OSError as error:
            raise self._stop(error, path.name) from error
        self._open_last()

    def take_frame(self, frame: bytes) -> layout.FrameHeader:
        """Writes one frame, not synced yet. Raises NotTheNextFrame, SyncFailed, JournalFull."""
        self._refuse_if_stopped()
        header = layout.parse_frame_header(frame[: layout.FRAME_HEADER_BYTES])
        if header is None or header.length != len(frame) or not layout.frame_checksum_holds(frame):
            raise NotTheNextFrame("What the core ships is no sound frame.", sequence=self._next)
        if (
            self._fd < 0
            or header.first_sequence != self._next
            or header.previous_hash != self._previous_hash
            or header.durable != self._next - 1
            or header.time_ns < self.time_ns
        ):
            raise NotTheNextFrame(
                f"The core ships the frame of command {header.first_sequence}, which does not follow command {self._next - 1} here.",
                sequence=self._next,
            )
        try:
            write_fully(self._fd, frame, self._size)
        except OSError as error:
            raise self._stop(error, f"frame of command {header.first_sequence}") from error
        self._size += len(frame)
        self.bytes_written += len(frame)
        self._previous_hash = layout.frame_hash(frame)
        self._next += header.count
        self.time_ns = header.time_ns
        self.sealed = header.count == 0
        if header.count:
            self.command_hash = self._previous_hash
        return header

    def sync(self) -> None:
        """Returns once all that was taken is on disk. Raises SyncFailed or JournalFull; then nothing more works."""
        self._refuse_if_stopped()
        if self._fd >= 0:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                raise self._stop(error, f"frames up to command {self._next - 1}") from error

    def close(self) -> None:
        """Gives the home back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._stopped = self._stopped or LogStopped("it was closed")
        self._lock.release()

    def _open_last(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        path = segment_paths(self.paths.journal)[-1]
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.fstat(self._fd).st_size
        self._header = os.pread(self._fd, layout.SEGMENT_HEADER_BYTES, 0)

    def _stop(self, error: OSError, what: str) -> JournalError:
        self._stopped = stopped = storage_error(error, what)
        return stopped

    def _refuse_if_stopped(self) -> None:
        if self._stopped is not None:
            raise LogStopped(f"The standby's journal has stopped: {self._stopped}")
