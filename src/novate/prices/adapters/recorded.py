"""Recorded data as a feed: the ticks of a scenario, each when the venue's clock reaches it.

Responsible for: which ticks are due, as `PostPrice` commands and as the messages they stand for. A tick's raw message is its row of the
scenario's table (24 bytes), so that its hash leads back to it. Never: reads a file or a clock; `novate.marketdata` draws the ticks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from novate.errors import ConfigError
from novate.marketdata import Scenario
from novate.messages import PostPrice, PriceKind
from novate.messages.reports.portfolios import Listed
from novate.prices.archive import raw_hash

TICK_MICRO_USD: Final = 1_000_000_000_000
"""A tick of a recorded bar stands for a market of a million dollars: bars say nothing about the size of a quote."""
_TICK_DECIMALS: Final = 6


class Tick(NamedTuple):
    """One tick: its command, and the bytes it stands for."""

    command: PostPrice
    raw: bytes


class RecordedFeed:
    """Plays a scenario's ticks from `from_ns` on. Its sources are those of the scenario, from 1.

    Raises ConfigError where a name of the scenario is not listed, or listed at a scale that its ticks do not fit.
    """

    def __init__(self, scenario: Scenario, listed: Listed, *, from_ns: int = 0) -> None:
        terms = {line.name: line for line in listed.underlyings}
        if missing := [name for name in scenario.underlyings if name not in terms]:
            raise ConfigError(
                f"The recorded scenario has {', '.join(missing)}, which the venue does not list."
            )
        self._terms = [terms[name] for name in scenario.underlyings]
        if coarse := [entry.name for entry in self._terms if entry.decimals < _TICK_DECIMALS]:
            raise ConfigError(f"Recorded prices have 6 decimals; {', '.join(coarse)} has a coarser scale.")
        self._ticks = scenario.ticks
        self._times = np.ascontiguousarray(scenario.ticks["time_ns"])
        self._at = int(np.searchsorted(self._times, from_ns, side="left"))

    @property
    def next_ns(self) -> int | None:
        """When the next tick is due; None after the last."""
        return int(self._times[self._at]) if self._at < len(self._times) else None

    def due(self, now_ns: int, most: int = 10_000) -> list[Tick]:
        """The ticks up to `now_ns` that were not given yet, in order, at most so many."""
        end = min(int(np.searchsorted(self._times, now_ns, side="right")), self._at + most)
        rows, self._at = self._ticks[self._at : end], max(end, self._at)
        return [self._tick(row) for row in rows]

    def _tick(self, row: np.void) -> Tick:
        terms, raw = self._terms[int(row["underlying"])], row.tobytes()
        command = PostPrice(
            underlying=terms.underlying,
            source=int(row["source"]) + 1,
            price=int(row["price_e6"]) * 10 ** (terms.decimals - _TICK_DECIMALS),
            price_kind=int(PriceKind.ISSUER if terms.nav else PriceKind.QUOTE),
            venue_time_ns=int(row["time_ns"]),
            size=TICK_MICRO_USD,
            raw_hash=raw_hash(raw),
        )
        return Tick(command, raw)
