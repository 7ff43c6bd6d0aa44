"""Turns the bars of each name into the ticks and series of a scenario. The one place where files, sessions and seed meet.

Never: reads files, knows which scenario it works for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from novate.calendar import SECOND_NS, Span
from novate.marketdata.bars import Bars, Ints
from novate.marketdata.coverage import Bools, Use, choose, strays
from novate.marketdata.drawing import draw, seeded
from novate.marketdata.scenario import TICK_DTYPE, Quality, Series, Ticks

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Feed:
    """Bars of one name from one file or generator, to be drawn as one source."""

    source: str
    bars: Bars
    quality: Quality
    note: str


@dataclass(slots=True)
class Tape:
    """Collects ticks, series and sources name by name; `ticks()` sorts them once at the end."""

    start_ns: int
    end_ns: int
    seed: int
    sources: list[str] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    _blocks: list[Ticks] = field(default_factory=list)

    def add_feeds(self, number: int, name: str, feeds: Sequence[Feed], stretches: Sequence[Span]) -> None:
        """Draw the ticks of one name from its files, finest first, inside these stretches."""
        near = [span for span in stretches if span.end_ns > self.start_ns and span.start_ns < self.end_ns]
        for feed, use in zip(feeds, choose([feed.bars for feed in feeds], near), strict=True):
            outside = strays(feed.bars, near, self.start_ns, self.end_ns)
            times, prices, bars = self._drawn(name, feed, use)
            if not bars and not outside:
                continue
            note = feed.note if bars else f"{feed.note}; not drawn from"
            seconds = feed.bars.span_ns // SECOND_NS
            row = Series(name, feed.source, feed.quality, seconds, bars, outside, *_ends(times), note)
            self._add(number, row, times, prices)

    def add_ticks(self, number: int, name: str, source: str, ticks: tuple[Ints, Ints], note: str) -> None:
        """Add the (times, prices) that a generator made, marked simulated."""
        inside = self._inside(ticks[0])
        times, prices = ticks[0][inside], ticks[1][inside]
        self._add(number, Series(name, source, "simulated", 0, 0, 0, *_ends(times), note), times, prices)

    def ticks(self) -> Ticks:
        """All ticks in order of (time, underlying, source)."""
        if not self._blocks:
            return np.zeros(0, dtype=TICK_DTYPE)
        joined = np.concatenate(self._blocks)
        return joined[np.lexsort((joined["source"], joined["underlying"], joined["time_ns"]))]

    def _drawn(self, name: str, feed: Feed, use: Use) -> tuple[Ints, Ints, int]:
        """Times and prices of the used ticks in the window, and from how many bars they are.

        The whole file is drawn, because a bar's noise belongs to its row in the file and not to the window.
        """
        if not len(use.rows):
            return _NONE, _NONE, 0
        times, prices = (drawn[use.rows] for drawn in draw(feed.bars, seeded(self.seed, name, feed.source)))
        kept = use.keep & self._inside(times)
        return times[kept], prices[kept], int(kept.any(axis=1).sum())

    def _inside(self, times: Ints) -> Bools:
        return (times >= self.start_ns) & (times < self.end_ns)

    def _add(self, number: int, row: Series, times: Ints, prices: Ints) -> None:
        self.series.append(row)
        if not len(times):
            return
        block = np.empty(len(times), dtype=TICK_DTYPE)
        block["time_ns"], block["underlying"], block["price_e6"] = times, number, prices
        block["source"] = len(self.sources)
        self.sources.append(f"{row.underlying}/{row.source}")
        self._blocks.append(block)


def _ends(times: Ints) -> tuple[int, int]:
    return (int(times[0]), int(times[-1])) if len(times) else (0, 0)
