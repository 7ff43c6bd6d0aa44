"""The next segment, written with zeros before it is needed, so that no append changes the size of a file.

Responsible for: one blank file beside the journal, ready before the current segment is full. Never: touches a segment, or matters: where
no blank is ready, or none can be made, a segment grows as it is written.

A sync of a file that grew also waits for the file system's own journal, which other files of the same disk and a busy processor delay; a
sync of bytes written over zeros waits for the disk alone. Measured in docs/internals/performance.md.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

BLANK_NAME: Final = "next.blank"
_STEP_BYTES: Final = 1 << 16
_PAUSE_S: Final = 0.004
"""Between two steps, so that the journal's own syncs come in between: less than 16 MB a second in all, twice what 100,000 commands a second are."""


class BlankSegments:
    """Makes one blank file of `segment_bytes` in the background, and another once it was taken. Not for several threads."""

    def __init__(self, journal_dir: Path, segment_bytes: int) -> None:
        self._path = journal_dir / BLANK_NAME
        self._bytes = segment_bytes
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._path.unlink(missing_ok=True)  # of a process that was killed; it holds nothing
        self._thread = threading.Thread(target=self._make, name="novate-blank", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether `take` gives a file."""
        return self._ready.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Waits until a blank is ready; whether it is."""
        return self._ready.wait(timeout_s)

    def take(self) -> Path | None:
        """The blank file, its zeros on disk, to be renamed at once by `taken`; None when none is ready."""
        return self._path if self._ready.is_set() else None

    def taken(self) -> None:
        """The file has another name now: begins the next one."""
        self._ready.clear()
        self._thread = threading.Thread(target=self._make, name="novate-blank", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops, and removes the blank that was not taken."""
        self._stop.set()
        self._thread.join()
        self._ready.clear()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _make(self) -> None:
        """Writes zeros in small steps, each on its way to the disk at once, behind everything else this process does.

        A step is not synced: a file that grows is synced by way of the file system's journal, and a sync of the venue's own would wait behind that.
        """
        with suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        zeros = bytes(_STEP_BYTES)
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                for offset in range(0, self._bytes, _STEP_BYTES):
                    os.pwrite(fd, zeros[: self._bytes - offset], offset)
                    os.posix_fadvise(fd, offset, _STEP_BYTES, os.POSIX_FADV_DONTNEED)  # writes it, and nobody waits
                    if self._stop.wait(_PAUSE_S):
                        return
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError:
            # No room, most likely: segments grow as they are written, and say so when there is none for them.
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        self._ready.set()
