"""How much of an account's equity its requirement takes, and the marks it crosses: 80, 90 and 100 %, without flapping.

Responsible for: the ratio, rounded up, and which crossing is news. A mark is reached at once and left only when the ratio has
fallen below it by the hysteresis. Never: holds an account; what was reached comes in and goes out, so that it can lie on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from novate.errors import ConfigError

PPM: Final = 1_000_000
BEYOND: Final = 1_000 * PPM
"""The ratio where equity is gone: a thousand times it."""


class Crossing(NamedTuple):
    """A mark was reached, or left."""

    mark_ppm: int
    """The highest mark now; 0 below all of them."""
    before_ppm: int

    @property
    def rises(self) -> bool:
        """Whether it became worse."""
        return self.mark_ppm > self.before_ppm


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks, ascending, and how far below one the ratio must fall before it counts as left."""

    marks_ppm: tuple[int, ...] = (800_000, 900_000, PPM)
    hysteresis_ppm: int = 20_000

    def __post_init__(self) -> None:
        if (
            not self.marks_ppm
            or list(self.marks_ppm) != sorted(set(self.marks_ppm))
            or self.marks_ppm[0] <= 0
        ):
            raise ConfigError("Marks are parts of the equity above zero, ascending.")
        if not 0 <= self.hysteresis_ppm < self.marks_ppm[0]:
            raise ConfigError("The hysteresis lies between zero and the lowest mark.")

    def step(self, reached_ppm: int, usage_ppm: int) -> Crossing | None:
        """What is news when the ratio is `usage_ppm` and the highest mark so far was `reached_ppm`."""
        above = max((mark for mark in self.marks_ppm if mark <= usage_ppm), default=0)
        if above > reached_ppm:
            return Crossing(above, reached_ppm)
        held = max(
            (m for m in self.marks_ppm if m <= reached_ppm and m - self.hysteresis_ppm <= usage_ppm),
            default=0,
        )
        return Crossing(held, reached_ppm) if held < reached_ppm else None


def usage_ppm(requirement: int, equity: int) -> int:
    """Requirement as a part of equity, rounded up; both micro-dollars at the same level."""
    if requirement <= 0:
        return 0
    if equity <= 0:
        return BEYOND
    return min(-(-requirement * PPM // equity), BEYOND)
