"""Market data for replays: find recorded data, load a scenario, get ticks, sessions, volumes and volatilities.

    data = find_data(None)
    scenario = load_scenario("crash-2025-10" if data else "october-2008", data)

This package reads files and draws ticks. It never sends a command, keeps no state and has no clock. The modules:
`find` (where data is), `bars` (files to checked integers), `coverage` (which bar counts when), `drawing` (bars to ticks),
`simulated`, `liquidity`, `assemble` (names to one tape), `recorded` and `packaged` (the scenarios), `scenario` (the value).
The format of the files is in docs/reference/market-data.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from novate.errors import DataError
from novate.marketdata import packaged, recorded
from novate.marketdata.find import SEARCH_ORDER, find_data, no_data
from novate.marketdata.scenario import TICK_DTYPE, Scenario, Series, Ticks, Volatility

__all__ = [
    "SEARCH_ORDER", "TICK_DTYPE", "Scenario", "Series", "Ticks", "Volatility",
    "default_scenario", "find_data", "load_scenario", "scenarios",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Entry:
    start_ns: int
    end_ns: int
    needs_data: bool


_SCENARIOS: Final = {
    "crash-2025-10": _Entry(recorded.START_NS, recorded.END_NS, needs_data=True),
    "crash-2025-10-mini": _Entry(recorded.MINI_START_NS, recorded.MINI_END_NS, needs_data=True),
    "october-2008": _Entry(packaged.START_NS, packaged.END_NS, needs_data=False),
}


def scenarios() -> list[str]:
    """The names `load_scenario` knows."""
    return list(_SCENARIOS)


def default_scenario(data_dir: Path | None) -> str:
    """The scenario a demo plays: the recorded crash where there is data, else the one every installation has."""
    return "october-2008" if data_dir is None else "crash-2025-10"


def load_scenario(
    name: str,
    data_dir: Path | None = None,
    seed: int = 1,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Scenario:
    """Load a scenario and draw its ticks, the same for the same seed on every machine.

    Args:
        name: one of `scenarios()`.
        data_dir: what `find_data` returned; not used by a scenario from a package.
        seed: draws the noise inside the bars and what is simulated; at least 0.
        start_ns: a later start than the scenario's own, UTC nanoseconds.
        end_ns: an earlier end, excluded. The ticks of a shorter window are those of the whole inside it.

    Raises:
        DataError: an unknown name, a negative seed, a window that is empty or leaves the scenario's, no data where it is
            needed, or a file that is missing or holds an impossible value.
    """
    entry = _SCENARIOS.get(name)
    if entry is None:
        raise DataError(f"There is no scenario {name!r}; there are {', '.join(_SCENARIOS)}.")
    if seed < 0:
        raise DataError(f"A seed is an integer of at least 0, got {seed}.")
    first, end = entry.start_ns if start_ns is None else start_ns, entry.end_ns if end_ns is None else end_ns
    if not entry.start_ns <= first < end <= entry.end_ns:
        raise DataError(
            f"The window {first} to {end} is empty or leaves that of {name}: {entry.start_ns} to {entry.end_ns}."
        )
    if not entry.needs_data:
        return packaged.load(name, (first, end), seed)
    if data_dir is None:
        raise no_data(name)
    return recorded.load(name, data_dir, (first, end), seed)
