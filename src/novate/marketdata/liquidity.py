"""Dollar volume per day and daily volatility: what a venue reads before a day begins to set its liquidity charges.

Floats enter as published and leave as integers. Only correctly rounded operations are used (products, sums by fsum,
square roots), so the integers are the same on every machine. Never: uses a return from inside the replayed window.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

import numpy as np

from novate.calendar import Session, Span
from novate.marketdata.bars import Bars
from novate.marketdata.scenario import Volatility

_E6 = 1_000_000


def dollar_volume(bars: Bars, stretches: Iterable[Span], end_ns: int) -> list[tuple[date, int]]:
    """Whole dollars traded on each day that ended by `end_ns`: bar volume x mean of high, low and close.

    A day counts its regular session (or UTC day) only, and is left out when a bar at either end of it is missing, because
    half a day's volume would look like a quiet day.
    """
    if bars.volume is None:
        return []
    days = []
    typical = bars.anchors_e6[:, 1:].sum(axis=1) / (3 * _E6)
    dollars = np.rint(typical * bars.volume).astype(np.int64)
    for span in stretches:
        if span.session is not Session.REGULAR or span.end_ns > end_ns:
            continue
        inside = (bars.start_ns >= span.start_ns) & (bars.start_ns < span.end_ns)
        starts = bars.start_ns[inside]
        if len(starts) and starts[0] == span.start_ns and starts[-1] == span.end_ns - bars.span_ns:
            days.append((span.day, int(dollars[inside].sum())))
    return days


def from_closes(closes: Sequence[float], origin: str) -> Volatility | None:
    """Daily volatility from daily closes: the root mean square of their simple returns, about zero. None below 10 returns."""
    returns = [after / before - 1 for before, after in pairwise(closes)]
    if len(returns) < 10:
        return None
    return Volatility(_root(returns, len(returns)), f"{len(returns)} daily returns, {origin}")


def from_bars(bars: Bars, stretches: Iterable[Span], before_ns: int, origin: str) -> Volatility | None:
    """Daily volatility from bars of whole days before `before_ns`: all returns between closes, nights included."""
    closes: list[int] = []
    days = 0
    for span in stretches:
        if span.session is Session.REGULAR and span.end_ns <= before_ns:
            inside = (bars.start_ns >= span.start_ns) & (bars.start_ns < span.end_ns)
            closes += bars.anchors_e6[inside, 3].tolist()
            days += bool(inside.any())
    if days < 2:
        return None
    returns = [after / before - 1 for before, after in pairwise(closes)]
    return Volatility(
        _root(returns, days),
        f"returns of {bars.span_ns // 60_000_000_000}-minute bars over {days} days, {origin}",
    )


def _root(returns: Sequence[float], days: int) -> int:
    return round(math.sqrt(math.fsum(value * value for value in returns) / days) * _E6)
