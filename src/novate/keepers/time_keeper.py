"""Time as commands: one `AdvanceTime` per beat, never two due at once.

Responsible for: when the next one is due. Beats lie on a grid; those that a stall ran over are left out, because one command runs
everything that is due. While an answer is awaited nothing is due: a core under load gets fewer, not more. Never: says what time it is:
the core stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from novate.errors import ConfigError
from novate.keepers.pace import Pace
from novate.messages import AdvanceTime

LEAST_REAL_NS: Final = 5_000_000
"""A beat lasts at least this long in real time, however fast the venue's time goes."""


@dataclass(slots=True)
class TimeKeeper:
    """Beats every `every_ns` of whatever clock it is told. Pure: time comes in, commands go out."""

    every_ns: int
    next_ns: int = 0
    waiting: bool = False
    """Whether the last command is unanswered."""
    beats: int = 0
    skipped: int = 0
    """Beats that a stall ran over."""

    def __post_init__(self) -> None:
        if self.every_ns <= 0:
            raise ConfigError("Time advances in steps above zero.")

    def on_time(self, now_ns: int) -> list[AdvanceTime]:
        """What is due at `now_ns`: one command, or nothing."""
        if self.waiting or now_ns < self.next_ns:
            return []
        if self.next_ns:
            self.skipped += (now_ns - self.next_ns) // self.every_ns
        self.next_ns = now_ns - now_ns % self.every_ns + self.every_ns
        self.waiting = True
        self.beats += 1
        return [AdvanceTime()]

    def on_answer(self) -> None:
        """The last command was answered, or its line was cut."""
        self.waiting = False

    def values(self) -> dict[str, int]:
        """For health."""
        return {"beats": self.beats, "skipped": self.skipped}


def beat_ns(every_ns: int, pace: Pace) -> int:
    """The beat in real time: `every_ns` of the venue's time, but at least `LEAST_REAL_NS` real."""
    return max(every_ns * 1_000_000 // pace.speed_ppm, LEAST_REAL_NS)
