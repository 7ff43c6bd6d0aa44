"""How far a recovery is: read, restored, replayed; at what rate, and how long the rest will take at that rate.

Responsible for: one value, told a few times a second. Never: measures anything that is not done yet but by the rate of what is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

Phase = Literal["reading", "restoring", "replaying"]
_EVERY_S: Final = 0.1


class Progress(NamedTuple):
    """Where a recovery stands. Phases follow each other, and each begins at 0."""

    phase: Phase
    """`reading` the journal and judging it (bytes), `restoring` a snapshot (commands it stands for), `replaying` what follows (commands)."""
    done: int
    total: int
    snapshot_sequence: int
    """Command after which the snapshot in use was taken; 0 before it is known, and for none."""
    per_s: float
    """Rate of this phase; 0 while it is not known."""
    rest_s: float | None
    """Of this phase, at that rate."""

    @property
    def fraction(self) -> float:
        """Part of the phase that is done."""
        return min(self.done / self.total, 1.0) if self.total else 1.0


OnProgress = Callable[[Progress], None]


class Meter:
    """Tells the progress of one phase, at its beginning, at its end, and ten times a second between."""

    def __init__(
        self, phase: Phase, total: int, on_progress: OnProgress | None, snapshot_sequence: int = 0
    ) -> None:
        self._phase, self._total, self._tell, self._snapshot = phase, total, on_progress, snapshot_sequence
        self._begun = self._told = time.monotonic()
        self.at(0, always=True)

    def at(self, done: int, *, always: bool = False) -> None:
        """`done` of the total is done."""
        if self._tell is None:
            return
        now = time.monotonic()
        if not always and done < self._total and now - self._told < _EVERY_S:
            return
        self._told = now
        took = now - self._begun
        rate = done / took if took > 0 else 0.0
        rest = max(self._total - done, 0) / rate if rate else None
        self._tell(Progress(self._phase, done, self._total, self._snapshot, rate, rest))
