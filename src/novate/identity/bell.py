"""The bell: eight shared bytes by which one process tells all others of a home that the identity store has changed.

Responsible for: being cheap to look at (a tenth of a microsecond) on every request. Never: says what changed, and is not trusted to be
rung: who died between its commit and the bell is found by the poll of `keyring`.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import Final, Self

BELL_FILE: Final = "identity.bell"
_COUNT: Final = struct.Struct("<Q")


class Bell:
    """A counter in a file that all processes of a home have mapped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shared = mmap.mmap(descriptor, _COUNT.size)

    @classmethod
    def open(cls, home: Path) -> Self:
        """Opens or makes the bell of a home."""
        descriptor = os.open(home / BELL_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, _COUNT.size)
        return cls(descriptor)

    def count(self) -> bytes:
        """How often it was rung, as its eight bytes: to be compared, not read."""
        return self._shared[:]

    def ring(self) -> None:
        """Tells everybody. Under a lock, so that no two rings become one."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            (count,) = _COUNT.unpack(self._shared)
            _COUNT.pack_into(self._shared, 0, (count + 1) % 2**64)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives the mapping back."""
        self._shared.close()
        os.close(self._descriptor)
