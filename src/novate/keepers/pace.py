"""The venue's clock at a pace: real time, or a recorded day at a chosen speed.

    pace = Pace.begin(start_ns=scenario.start_ns, speed="60")
    pace.write(home)                        # keepers and gateways of the same machine read it
    serve(home, socket, clock=pace)         # the core stamps with it
    pace()                                  # nanoseconds since 1970 UTC, the venue's

One formula of one steady clock that all processes of a machine share (CLOCK_MONOTONIC): start + elapsed x speed, in integers. So the core
and whoever reads the file agree on the time without talking, and it never goes back. Steady time begins anew with the machine:
a core that starts again begins its pace anew too, where its journal ends (`continued`).

Responsible for: that formula, and its file. Never: reads the wall clock but once, for real time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from novate.errors import ConfigError, UnitError
from novate.files import replace_file
from novate.units import scaled

FILE: Final = "pace.json"
_PPM: Final = 1_000_000
_FASTEST_PPM: Final = 1_000_000 * _PPM


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start_ns: int
    steady_ns: int
    speed_ppm: int


@dataclass(frozen=True, slots=True)
class Pace:
    """A clock: call it for nanoseconds UTC. Equal values tell equal times in every process of the machine."""

    start_ns: int
    """The venue's time at `steady_ns`."""
    steady_ns: int
    """Reading of the steady clock when the pace began."""
    speed_ppm: int = _PPM
    """Venue time per real time, in parts per million: 1,000,000 is real time, 60,000,000 a minute a second."""

    def __post_init__(self) -> None:
        if not 0 < self.speed_ppm <= _FASTEST_PPM:
            raise ConfigError(f"A speed is above 0 and at most 1,000,000, got {self.speed_ppm} ppm.")

    @classmethod
    def begin(cls, start_ns: int | None = None, speed: str | Decimal | int = 1) -> Self:
        """Begins now, at `start_ns` (default: the wall clock's time). Raises ConfigError for a speed that is none."""
        try:
            speed_ppm = scaled(speed, 6, "speed")
        except UnitError as error:
            raise ConfigError(error.sentence) from error
        steady = time.monotonic_ns()
        return cls(time.time_ns() if start_ns is None else start_ns, steady, speed_ppm)

    def __call__(self) -> int:
        """The venue's time now."""
        return self.at(time.monotonic_ns())

    def at(self, steady_ns: int) -> int:
        """The venue's time at a reading of the steady clock, rounded down; never before the start."""
        return self.start_ns + max(steady_ns - self.steady_ns, 0) * self.speed_ppm // _PPM

    def real_s(self, venue_ns: int) -> float:
        """Real seconds that a stretch of the venue's time takes."""
        return venue_ns * _PPM / self.speed_ppm / 1e9

    def continued(self, last_ns: int) -> Self:
        """The same speed from now on, from `last_ns` or the start, whichever is later: for a core that starts again."""
        return replace(self, start_ns=max(self.start_ns, last_ns), steady_ns=time.monotonic_ns())

    def write(self, home: Path | str) -> None:
        """Leaves it in the venue's home, at once and whole, for the other processes."""
        said = _File(self.start_ns, self.steady_ns, self.speed_ppm)
        replace_file(Path(home) / FILE, msgspec.json.encode(said))

    @classmethod
    def read(cls, home: Path | str) -> Self:
        """The pace of a home; real time where none was written. Raises ConfigError for a file that is none."""
        path = Path(home) / FILE
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return cls.begin()
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(f"{path} is no pace: {error}.", file=str(path)) from error
        return cls(found.start_ns, found.steady_ns, found.speed_ppm)

    @staticmethod
    def is_set(home: Path | str) -> bool:
        """Whether a pace was written in a home."""
        return (Path(home) / FILE).is_file()

    def values(self) -> dict[str, Any]:
        """For health: what time it is and how fast it goes."""
        return {"time_ns": self(), "speed_ppm": self.speed_ppm}
