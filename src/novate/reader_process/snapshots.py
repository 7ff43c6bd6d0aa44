"""Snapshots of the venue, taken by the reader so that the core never pauses for one and yet starts fast.

Responsible for: a copy of the state at a frame's end goes through the same `SnapshotStore` that a recovery reads, in a thread of its own;
of the files written here the newest few stay. Never: removes a file that it did not write, or stops the reader: what fails is told, and
tried again when the next one is due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from novate._core import Engine, release, ruleset
from novate.errors import NovateError
from novate.files import write_durably
from novate.journal.log import storage_error
from novate.journal.scan import Position
from novate.journal.snapshots import SnapshotStore, snapshot_paths
from novate.reader_process.limits import SnapshotPlan

OWN_NAME: Final = "reader.written"
"""Beside the snapshots: the names of those the reader wrote, one a line, oldest first."""

Told = Callable[[Path | NovateError], None]
"""Gets the path of each snapshot written, or why there is none; from the writing thread."""


class SnapshotWriter:
    """Writes one snapshot at a time. For one thread, but for the writing itself."""

    def __init__(
        self,
        directory: Path,
        plan: SnapshotPlan,
        at: int,
        wake: Callable[[], None],
        on_snapshot: Told | None = None,
    ) -> None:
        """`at` is the sequence to count from; `wake` is called from the writing thread once it could write another."""
        self._directory = directory
        self._store = SnapshotStore(directory, release(), ruleset())
        self._plan = plan
        self._wake = wake
        self._on_snapshot = on_snapshot
        self._last_sequence = at
        self._due_at = time.monotonic() + plan.every_s
        self._pool = ThreadPoolExecutor(1, "novate-snapshot")
        self._writing: Future[None] | None = None

    def wakes_at(self, sequence: int) -> float:
        """When (of `time.monotonic`) the state after command `sequence` is to be written; infinity for not before more happens."""
        enough = sequence >= self._last_sequence + self._plan.every_commands
        free = self._writing is None or self._writing.done()
        return self._due_at if enough and free else float("inf")

    def due(self, sequence: int) -> bool:
        """Whether the state after command `sequence` is to be written now."""
        return time.monotonic() >= self.wakes_at(sequence)

    def begin(self, copy: Engine, position: Position, first: Callable[[], None] | None = None) -> None:
        """Writes `copy`, a fork at `position`, in the background, once `first` was done there."""
        self._last_sequence = position.sequence
        self._due_at = time.monotonic() + self._plan.every_s
        self._writing = self._pool.submit(self._write, copy, position, first)
        self._writing.add_done_callback(lambda _: self._wake())

    def close(self) -> None:
        """Waits for the one being written."""
        self._pool.shutdown(wait=True)

    def _write(self, copy: Engine, position: Position, first: Callable[[], None] | None) -> None:
        told: Path | NovateError
        try:
            if first is not None:
                first()
            told = self._store.write(
                sequence=position.sequence,
                time_ns=position.time_ns,
                state_hash=copy.state_hash(),
                frame_hash=position.frame_hash,
                engine=copy.snapshot(),
            )
            self._keep_newest(told)
        except NovateError as error:
            told = error
        except OSError as error:
            told = storage_error(error, f"snapshot after command {position.sequence}")
        if self._on_snapshot is not None:
            self._on_snapshot(told)

    def _keep_newest(self, written: Path) -> None:
        """The list is written before a file is removed: one that is lost from it stays, and none that others wrote is ever on it."""
        own = self._directory / OWN_NAME
        noted = set(own.read_text(encoding="ascii").split()) if own.exists() else set()
        noted.add(written.name)
        names = [path.name for path in snapshot_paths(self._directory) if path.name in noted]
        write_durably(own, "".join(f"{name}\n" for name in names[-self._plan.keep :]).encode())
        for name in names[: -self._plan.keep]:
            (self._directory / name).unlink(missing_ok=True)
