"""Writing the journal: the Log port, the file log behind it, the lock of a home, and the repair of a tail.

Responsible for: a frame is on disk when `append` returns, or the log has stopped for good.
Never: builds a frame, decides what is damage, retries a failed write or sync (after a failed fsync the kernel calls
the lost pages clean, and a second fsync would answer OK), or deletes a byte: what recovery cuts is kept beside.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from novate.errors import JournalFull, JournalLocked, LogStopped, SyncFailed
from novate.files import sync_path, write_durably, write_fully
from novate.journal import layout
from novate.journal.ahead import BlankSegments
from novate.journal.scan import TornTail, Walk, segment_name, segment_paths

SEGMENT_BYTES = 1 << 30
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Log(Protocol):
    """Where frames become durable. One method to append, so that a replicated log can stand here."""

    def append(self, frame: bytes) -> int:
        """Returns, once `frame` is durable, the last sequence that is. Any error is final: later calls raise it."""
        ...

    def close(self) -> None:
        """Releases what is held. Appends nothing."""
        ...


class HomeLock:
    """One writer owns a home: an advisory lock on HOME/journal/lock, given back when the process ends."""

    def __init__(self, journal_dir: Path) -> None:
        self._path = journal_dir / "lock"
        self._fd = -1

    def acquire(self) -> None:
        """Raises JournalLocked at once if another process (or another log here) holds it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise JournalLocked(
                f"Another process is writing the journal in {self._path.parent}.", path=str(self._path.parent)
            ) from error
        self._fd = fd

    def release(self) -> None:
        """Gives the lock back; harmless when it is not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class FileLog:
    """Frames in segment files of at most `segment_bytes` (a single larger frame gets a segment of its own).

    Opens at the end that `walk` found; `repair_tail` must have run. Creates no segment before the first `append`.
    Without `blanks` the end of the last file is the end of the journal, which is what lets a reader tell a torn tail from bytes
    behind it. With them a segment is a file of zeros that is written over, and its header says so; a file that is left, for the
    next one or at `close`, ends where its last frame does. What is in no blank file moves on to one as soon as there is one.
    """

    def __init__(
        self,
        journal_dir: Path,
        walk: Walk,
        *,
        release: str,
        ruleset: int,
        segment_bytes: int = SEGMENT_BYTES,
        blanks: BlankSegments | None = None,
    ) -> None:
        self._dir = journal_dir
        self._release = layout.check_release(release)
        self._ruleset = ruleset
        self._segment_bytes = segment_bytes
        self._fd = -1
        self._size = 0
        self._segment_first = 0
        self._blanks = blanks
        self._over_zeros = False
        self._next = walk.next_sequence
        self._stopped: BaseException | None = None
        self._new_release = walk.header is not None and walk.header.release != release
        if walk.header is not None:
            self._open_last(segment_paths(journal_dir)[-1], walk.header.first_sequence)

    @property
    def segment_first(self) -> int:
        """First command of the segment in which the last frame stands."""
        return self._segment_first

    def append(self, frame: bytes) -> int:
        """See Log. Raises SyncFailed or JournalFull once, LogStopped ever after."""
        if self._stopped is not None:
            raise LogStopped(f"The journal has stopped and takes no more commands: {self._stopped}")
        header = layout.parse_frame_header(frame[: layout.FRAME_HEADER_BYTES])
        if header is None or header.first_sequence != self._next or header.length != len(frame):
            raise AssertionError("append takes the next whole frame")
        try:
            if self._fd < 0 or self._rotation_due(len(frame)):
                self._start_segment(header.first_sequence, header.previous_hash)
            write_fully(self._fd, frame, self._size)
            os.fdatasync(self._fd)
        except OSError as error:
            self._stopped = stop = storage_error(error, f"frame of command {header.first_sequence}")
            raise stop from error
        except BaseException as error:  # an interrupt leaves the end of the file in doubt
            self._stopped = error
            raise
        self._size += len(frame)
        self._next += header.count
        return self._next - 1

    def close(self) -> None:
        """Closes the file. Later appends raise LogStopped."""
        if self._fd >= 0:
            if self._over_zeros and self._stopped is None:
                with suppress(OSError):  # zeros that stay are no harm
                    self._cut_zeros()
            os.close(self._fd)
            self._fd = -1
        if self._blanks is not None:
            self._blanks.close()
        self._stopped = self._stopped or LogStopped("it was closed")

    def _open_last(self, path: Path, first_sequence: int) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.fstat(self._fd).st_size
        self._segment_first = first_sequence

    def _rotation_due(self, frame_bytes: int) -> bool:
        """A segment is named by its first command, so one without any is never left."""
        holds_command = self._next > self._segment_first
        better = self._blanks is not None and self._blanks.ready and not self._over_zeros
        full = self._size + frame_bytes > self._segment_bytes
        return holds_command and (self._new_release or full or better)

    def _start_segment(self, first_sequence: int, previous_hash: bytes) -> None:
        """The header is durable before the name is: a reader never meets half a header."""
        path = self._dir / segment_name(first_sequence)
        blank = self._blanks.take() if self._blanks is not None else None
        flags = layout.ZEROS_AHEAD if blank is not None else 0
        header = layout.pack_segment_header(
            self._release, self._ruleset, first_sequence, previous_hash, flags
        )
        if self._over_zeros:
            self._cut_zeros()  # zeros ahead are an end only in the last segment
        if blank is None or self._blanks is None:
            write_durably(path, header)
        else:
            _name_durably(blank, path, header)
            self._blanks.taken()
        if self._fd >= 0:
            os.close(self._fd)
        self._open_last(path, first_sequence)
        self._size, self._over_zeros = len(header), blank is not None
        self._new_release = False

    def _cut_zeros(self) -> None:
        os.ftruncate(self._fd, self._size)
        os.fsync(self._fd)


class MemoryLog:
    """Frames kept in a list: for notebooks and tests that want no disk. "Durable" until the process ends."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._closed = False

    def append(self, frame: bytes) -> int:
        """See Log."""
        header = layout.parse_frame_header(frame[: layout.FRAME_HEADER_BYTES])
        if self._closed or header is None:
            raise LogStopped("The log in memory was closed, or this is no frame.")
        self.frames.append(frame)
        return header.first_sequence + header.count - 1

    def close(self) -> None:
        """Later appends raise LogStopped; the frames stay readable."""
        self._closed = True


def repair_tail(journal_dir: Path, walk: Walk) -> Path | None:
    """Makes the end that `walk` found the durable end of the journal, before anything is applied.

    Cuts a torn tail, after keeping its bytes in `<segment>.<offset>.cut` (the path returned), and zeros written ahead. Then writes the last
    frame again, with the same bytes in the same place, and syncs: a killed writer may have left it in memory only,
    and after a failed sync memory claims it is on disk. Raises SyncFailed or JournalFull.
    """
    if walk.header is None:
        return None
    path = segment_paths(journal_dir)[-1]
    kept = None
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if walk.torn is not None:
                kept = _cut(fd, path, walk.torn)
            elif walk.blank is not None:
                os.ftruncate(fd, walk.blank)
            if walk.last is not None and walk.last.segment == path.name:
                write_fully(fd, os.pread(fd, walk.last.length, walk.last.offset), walk.last.offset)
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_path(journal_dir)
    except OSError as error:
        raise storage_error(error, "end of the journal") from error
    return kept


def _cut(fd: int, path: Path, torn: TornTail) -> Path:
    kept = path.with_name(f"{path.name}.{torn.offset}.cut")
    write_durably(kept, os.pread(fd, torn.size, torn.offset))
    os.ftruncate(fd, torn.offset)
    return kept


def _name_durably(blank: Path, path: Path, header: bytes) -> None:
    """Makes a blank file the segment at `path`: its header is on disk before it has its name. Raises OSError."""
    fd = os.open(blank, os.O_WRONLY | os.O_CLOEXEC)
    try:
        write_fully(fd, header, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    blank.rename(path)
    sync_path(path.parent)


def storage_error(error: OSError, what: str) -> JournalFull | SyncFailed:
    """The one clear sentence for a failed write or sync of `what`."""
    if error.errno in _NO_ROOM:
        return JournalFull(
            f"No room to write the {what} ({error.strerror}); it was not applied. Free space and start again.",
            errno=error.errno,
        )
    return SyncFailed(
        f"Writing the {what} failed ({error.strerror}); it was not applied. The process must stop and recover.",
        errno=error.errno,
    )
