"""Which bars of which file a name's ticks are drawn from, and which extended sessions count as open for it.

A *stretch* is one session of one trading day, or one UTC day of what trades round the clock. Within a stretch a file
*covers* when it has bars in at least 90 % of it. At each instant the tick comes from the finest covering file that has a
bar there; files that don't cover the stretch fill only what is left, finest first. (A small exchange's one-minute file
that lacks every third minute of a thin name would otherwise hand the name to and fro between two sources all day.)
An instant without a bar in any file has no tick: no trade is never repeated as a price.

An extended session counts as open for a name when one of its files has bars in at least half of it. A bar outside the
sessions that count as open is a stray: ignored and counted. Every choice is made on whole stretches, so a shorter window
of a scenario has the same ticks as the whole. Never: reads files, draws prices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from novate.calendar import SECOND_NS, Session, Span
from novate.marketdata.bars import Bars, Ints
from novate.marketdata.scenario import TICK_NS

COVERS_PERCENT: Final = 90
OPEN_PERCENT: Final = 50
_DAY_NS: Final = 86_400 * SECOND_NS

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Use:
    """What is used of one file: `rows` of its bars and, per row and tick of the bar, whether that tick is."""

    rows: Ints
    keep: Bools


def utc_days(first: date, last: date) -> list[Span]:
    """The stretches of what trades round the clock: whole UTC days, both ends included."""
    start = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * SECOND_NS
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    return [
        Span(start + index * _DAY_NS, start + (index + 1) * _DAY_NS, Session.REGULAR, day)
        for index, day in enumerate(days)
    ]


def counts_as_open(files: Sequence[Bars], stretches: Sequence[Span]) -> Callable[[date, Session], bool]:
    """The rule for extended sessions: open when a file has bars in at least half of the stretch."""
    open_ones = {
        (span.day, span.session)
        for span in stretches
        if any(percent_covered(bars, span) >= OPEN_PERCENT for bars in files)
    }
    return lambda day, session: (day, session) in open_ones


def percent_covered(bars: Bars, span: Span) -> int:
    """Whole percent of the places for a bar in this stretch that have one."""
    first, last = _rows_inside(bars, span)
    places = (span.end_ns - span.start_ns) // bars.span_ns
    return 100 * (last - first) // places if places else 0


def choose(files: Sequence[Bars], stretches: Sequence[Span]) -> list[Use]:
    """For each file (finest first), the bars and ticks that are used in these stretches. No instant is used twice."""
    parts: list[list[Use]] = [[] for _ in files]
    for span in stretches:
        taken = np.zeros((span.end_ns - span.start_ns) // TICK_NS, dtype=np.bool_)
        ranked = sorted(
            range(len(files)), key=lambda index: percent_covered(files[index], span) < COVERS_PERCENT
        )
        for index in ranked:
            parts[index].append(_take(files[index], span, taken))
    return [_joined(part, bars) for part, bars in zip(parts, files, strict=True)]


def strays(bars: Bars, stretches: Sequence[Span], start_ns: int, end_ns: int) -> int:
    """How many bars starting in [start_ns, end_ns) lie wholly or partly outside these stretches."""
    inside = np.zeros(len(bars), dtype=np.bool_)
    for span in stretches:
        first, last = _rows_inside(bars, span)
        inside[first:last] = True
    window = (bars.start_ns >= start_ns) & (bars.start_ns < end_ns)
    return int((window & ~inside).sum())


def last_close(files: Sequence[Bars], stretches: Sequence[Span], before_ns: int) -> tuple[int, int] | None:
    """Time and price of the last close at or before `before_ns` inside the stretches; the finest file wins a tie."""
    best: tuple[int, int] | None = None
    for bars in files:
        for span in stretches:
            first, last = _rows_inside(bars, span)
            last = min(last, int(np.searchsorted(bars.start_ns, before_ns - bars.span_ns, side="right")))
            if last <= first:
                continue
            end_ns = int(bars.start_ns[last - 1]) + bars.span_ns
            if best is None or end_ns > best[0]:
                best = end_ns, int(bars.anchors_e6[last - 1, 3])
    return best


def _rows_inside(bars: Bars, span: Span) -> tuple[int, int]:
    """First and one past the last row whose bar lies wholly in the stretch."""
    first = int(np.searchsorted(bars.start_ns, span.start_ns, side="left"))
    last = int(np.searchsorted(bars.start_ns, span.end_ns - bars.span_ns, side="right"))
    return first, max(first, last)


def _take(bars: Bars, span: Span, taken: Bools) -> Use:
    """Take every instant of the stretch that is free and has a bar here; marks it in `taken`."""
    rows = np.arange(*_rows_inside(bars, span), dtype=np.int64)
    ticks = bars.span_ns // TICK_NS
    places = ((bars.start_ns[rows] - span.start_ns) // TICK_NS)[:, None] + np.arange(ticks, dtype=np.int64)
    keep = ~taken[places]
    taken[places] = True
    used = keep.any(axis=1)
    return Use(rows[used], keep[used])


def _joined(parts: list[Use], bars: Bars) -> Use:
    if not parts:
        empty = np.zeros((0, bars.span_ns // TICK_NS), dtype=np.bool_)
        return Use(np.zeros(0, dtype=np.int64), empty)
    return Use(np.concatenate([part.rows for part in parts]), np.concatenate([part.keep for part in parts]))
