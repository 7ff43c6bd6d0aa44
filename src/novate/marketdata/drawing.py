"""Draws ticks from bars: open, the extreme nearer the open, the other extreme, close, one tick every five seconds.

The four anchors stand at even places in the bar and are exact. Between two anchors the price goes in a straight line
plus a seeded random walk that is zero at both, is rounded to the cent and never leaves [low, high]. The path is an
invention inside real limits: such ticks are called derived, never real.

All arithmetic is in integers and the randomness is the raw stream of PCG64, which NumPy promises to keep, so a seed
draws the same ticks on any machine. A bar's noise depends on its row in its file, not on the window that is replayed.
Never: reads files, knows sessions.
"""

from __future__ import annotations

import zlib
from itertools import pairwise
from math import isqrt
from typing import Final

import numpy as np

from novate.marketdata.bars import Bars, Ints
from novate.marketdata.scenario import TICK_NS

CENT_E6: Final = 10_000
_NOISE_BITS: Final = 16
_NOISE_SHARE: Final = 12


def seeded(seed: int, *names: str) -> np.random.PCG64:
    """A random stream of its own for these names: adding a series never changes another's ticks."""
    return np.random.PCG64(np.random.SeedSequence([seed, *(zlib.crc32(name.encode()) for name in names)]))


def anchor_places(count: int) -> tuple[int, int, int, int]:
    """Which of a bar's `count` ticks (at least 4) are its anchors: the first, two at thirds, the last."""
    if count < 4:
        raise ValueError("a bar needs room for four ticks")
    last = count - 1
    return 0, (last + 1) // 3, (2 * last + 1) // 3, last


def draw(bars: Bars, stream: np.random.PCG64) -> tuple[Ints, Ints]:
    """Times and prices of all ticks of these bars, each of shape (bars, ticks per bar)."""
    count = bars.span_ns // TICK_NS
    times = bars.start_ns[:, None] + np.arange(count, dtype=np.int64) * TICK_NS
    return times, _prices(bars, count, stream)


def uniform(rows: int, columns: int, stream: np.random.PCG64) -> Ints:
    """Random integers in [-2^16, 2^16) of shape (rows, columns), from the top bits of the raw stream."""
    raw = np.asarray(stream.random_raw(rows * columns), dtype=np.uint64) >> np.uint64(63 - _NOISE_BITS)
    return raw.astype(np.int64).reshape(rows, columns) - (1 << _NOISE_BITS)


def bridge(start_e6: Ints, end_e6: Ints, step_e6: Ints, noise: Ints) -> Ints:
    """Prices from `start_e6` (included) to `end_e6` (excluded), rounded to the cent.

    Args:
        start_e6: shape (rows,), where each row begins.
        end_e6: shape (rows,), where it would arrive one place after its last.
        step_e6: shape (rows,), the largest single step of the walk laid over the straight line.
        noise: shape (rows, places), from `uniform`.
    """
    places = noise.shape[1]
    place = np.arange(places, dtype=np.int64)
    steps = (step_e6[:, None] * noise) >> _NOISE_BITS
    walked = np.cumsum(steps, axis=1)
    home = walked[:, -1:] * place // places
    line = start_e6[:, None] + (end_e6 - start_e6)[:, None] * place // places
    path: Ints = line + walked - steps - home
    return to_cent(path)


def to_cent(price_e6: Ints) -> Ints:
    """The nearest whole cent, still at 1e-6 dollar."""
    return (price_e6 + CENT_E6 // 2) // CENT_E6 * CENT_E6


def _prices(bars: Bars, count: int, stream: np.random.PCG64) -> Ints:
    opens, highs, lows, closes = bars.anchors_e6.T
    low_first = opens - lows <= highs - opens
    anchors = (opens, np.where(low_first, lows, highs), np.where(low_first, highs, lows), closes)
    places = anchor_places(count)
    noise = uniform(len(bars), count, stream)
    prices = np.empty((len(bars), count), dtype=np.int64)
    for leg, (first, last) in enumerate(pairwise(places)):
        path = bridge(
            anchors[leg], anchors[leg + 1], _step_e6(highs - lows, last - first), noise[:, first:last]
        )
        prices[:, first:last] = np.clip(path, lows[:, None], highs[:, None])
    prices[:, list(places)] = np.stack(anchors, axis=1)
    return prices


def _step_e6(range_e6: Ints, places: int) -> Ints:
    """The largest step for a walk whose spread half way is about 1/12 of the bar's range.

    Uniform steps of at most a have variance a^2/3, so a bridge of m of them has a^2 m/12 in its middle.
    """
    return range_e6 * isqrt(12_000_000 // places) // (1_000 * _NOISE_SHARE)
