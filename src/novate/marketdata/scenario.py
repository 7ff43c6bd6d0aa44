"""What a scenario is: the plain value a replay reads. Holds data and draws nothing, loads nothing, decides nothing.

Times are UTC nanoseconds. Prices are integers at 1e-6 dollar (`price_e6`). An underlying in `ticks` is its index in
`Scenario.underlyings`; a source is its index in `Scenario.sources`, one per underlying and file or generator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from novate.calendar import SessionChange

Quality = Literal["real", "derived", "simulated"]
DataSource = Literal["recorded", "package"]
AssetClass = Literal["broad_etf", "mega_cap", "stock", "crypto_etf", "crypto", "bill", "stable"]
Ticks = npt.NDArray[np.void]
_V = TypeVar("_V")

TICK_DTYPE: Final = np.dtype(
    [("time_ns", "<i8"), ("underlying", "<u4"), ("source", "<u4"), ("price_e6", "<i8")]
)
TICK_NS: Final = 5_000_000_000
"""Distance of two ticks drawn from a bar."""


@dataclass(frozen=True, slots=True)
class Series:
    """Where the ticks of one underlying come from: one file or generator.

    `quality` says what the ticks are: "derived" when drawn from real bars, "simulated" when drawn from a seed. `bars` are
    those used in the window, `stray_bars` those in it that lie outside the sessions that count as open (ignored).
    `first_ns` and `last_ns` are the first and last tick (0 when none was used).
    """

    underlying: str
    source: str
    quality: Quality
    bar_seconds: int
    bars: int
    stray_bars: int
    first_ns: int
    last_ns: int
    note: str


@dataclass(frozen=True, slots=True)
class Volatility:
    """Daily volatility in parts per million of the price, from returns before the window, and where it comes from."""

    sigma_ppm: int
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A stretch of market, ready to be replayed.

    `ticks` has dtype `TICK_DTYPE`, sorted by (time, underlying, source). `sessions` has the state at the start first.
    `daily_volume_usd` is consolidated dollar volume per day, oldest first, including days before the window; a day's
    number is known only after that day. A name without a volume file has an empty list. `last_price_e6` is the last
    recorded price before the window with its time, absent where nothing was recorded. `omitted_dated_row` is the dated
    stress row a listing must leave out, because it is the day being replayed.
    """

    name: str
    title: str
    start_ns: int
    end_ns: int
    data_source: DataSource
    headline: str
    underlyings: tuple[str, ...]
    asset_class: Mapping[str, AssetClass]
    series: tuple[Series, ...]
    sources: tuple[str, ...]
    sessions: Mapping[str, list[SessionChange]]
    ticks: Ticks
    daily_volume_usd: Mapping[str, list[tuple[date, int]]]
    daily_volatility: Mapping[str, Volatility]
    last_price_e6: Mapping[str, tuple[int, int]]
    omitted_dated_row: str
    seed: int

    @property
    def daily_sigma_ppm(self) -> dict[str, int]:
        """Daily volatility per underlying, parts per million; `daily_volatility` has the origin of each."""
        return {name: volatility.sigma_ppm for name, volatility in self.daily_volatility.items()}

    def ticks_of(self, underlying: str) -> Ticks:
        """The ticks of one underlying (KeyError when the scenario has no such name)."""
        if underlying not in self.underlyings:
            raise KeyError(underlying)
        picked: Ticks = self.ticks[self.ticks["underlying"] == self.underlyings.index(underlying)]
        return picked

    def only(self, names: Collection[str]) -> Scenario:
        """The same stretch with these names alone, in the order they had. KeyError: a name that it has not."""
        if missing := set(names) - set(self.underlyings):
            raise KeyError(*missing)
        kept = tuple(name for name in self.underlyings if name in names)
        place = np.full(len(self.underlyings), -1, dtype=np.int64)
        place[[self.underlyings.index(name) for name in kept]] = np.arange(len(kept))
        ticks = self.ticks[place[self.ticks["underlying"]] >= 0].copy()
        ticks["underlying"] = place[ticks["underlying"]]
        return replace(
            self,
            underlyings=kept,
            ticks=ticks,
            series=tuple(row for row in self.series if row.underlying in kept),
            asset_class=_of(self.asset_class, kept),
            sessions=_of(self.sessions, kept),
            daily_volume_usd=_of(self.daily_volume_usd, kept),
            daily_volatility=_of(self.daily_volatility, kept),
            last_price_e6=_of(self.last_price_e6, kept),
        )

    def describe(self) -> dict[str, Any]:
        """The facts a report prints, ready for JSON: headline, window, and one row per series."""
        fields = Series.__slots__
        return {
            "scenario": self.name,
            "data_source": self.data_source,
            "headline": self.headline,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "seed": self.seed,
            "ticks": len(self.ticks),
            "series": [{name: getattr(row, name) for name in fields} for row in self.series],
        }


def _of(table: Mapping[str, _V], names: Collection[str]) -> dict[str, _V]:
    return {name: value for name, value in table.items() if name in names}
