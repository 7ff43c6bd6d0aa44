"""Prices that were never recorded: a bill that accrues, a dollar that stays a dollar, and walks along stated waypoints.

Everything here is marked simulated wherever it is shown. Integers only, seeded, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from novate.calendar import SECOND_NS
from novate.marketdata.bars import Ints
from novate.marketdata.drawing import bridge, uniform
from novate.marketdata.scenario import TICK_NS

BILL_NOTE: Final = "net asset value, 100.00 at the start, simple accrual of 4 % a year"
USDC_NOTE: Final = "1.00 throughout"

_E6: Final = 1_000_000
_YEAR_SECONDS: Final = 365 * 86_400
_BILL_RATE_PPM: Final = 40_000
_BILL_STEP_NS: Final = 60 * SECOND_NS
_USDC_STEP_NS: Final = 20 * SECOND_NS


def bill(start_ns: int, end_ns: int) -> tuple[Ints, Ints]:
    """Times and net asset values, one a minute: 100.00 dollars at `start_ns`, then 4 % a year, simple."""
    times = np.arange(start_ns, end_ns, _BILL_STEP_NS, dtype=np.int64)
    seconds = (times - start_ns) // SECOND_NS
    return times, 100 * _E6 + 100 * _BILL_RATE_PPM * seconds // _YEAR_SECONDS


def dollar(start_ns: int, end_ns: int) -> tuple[Ints, Ints]:
    """Times and prices of a stablecoin that never moves, three a minute."""
    times = np.arange(start_ns, end_ns, _USDC_STEP_NS, dtype=np.int64)
    return times, np.full(len(times), _E6, dtype=np.int64)


def along(waypoints: Sequence[tuple[int, int]], step_ppm: int, stream: np.random.PCG64) -> tuple[Ints, Ints]:
    """A random walk, one tick per 5 s, that passes exactly through waypoints (time_ns, price_e6) in order of time.

    `step_ppm` is the largest step of the walk, in parts per million of the price at the leg's start. The last waypoint
    itself is not drawn.
    """
    times, prices = [], []
    for (from_ns, from_e6), (to_ns, to_e6) in pairwise(waypoints):
        ticks = (to_ns - from_ns) // TICK_NS
        noise = uniform(1, ticks, stream)
        first, last, step = (
            np.array([value], dtype=np.int64) for value in (from_e6, to_e6, from_e6 * step_ppm // _E6)
        )
        times.append(from_ns + np.arange(ticks, dtype=np.int64) * TICK_NS)
        prices.append(bridge(first, last, step, noise)[0])
    return np.concatenate(times), np.concatenate(prices)
