"""Worst case of every account by a sparse matrix product, as scipy does it: the yardstick of a full re-margin.

    sparse.py [--accounts N] [--reps N]

Positions of each account (10 on average, drawn from 200 names) times the results of a lot in 64 scenarios, in floating point, and
each row's least. No rule of a margin beyond that. One line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
from scipy.sparse import csr_matrix

POSITIONS, NAMES, SCENARIOS = 10, 200, 64


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--reps", type=int, default=3)
    given = parser.parse_args()
    draw = np.random.default_rng(1)
    held = draw.integers(1, 2 * POSITIONS, given.accounts)
    starts = np.concatenate(([0], np.cumsum(held)))
    lots = draw.integers(-1_000, 1_001, starts[-1]).astype(np.float64)
    names = draw.integers(0, NAMES, starts[-1])
    book = csr_matrix((lots, names, starts), shape=(given.accounts, NAMES))
    results = draw.integers(-10_000, 10_001, (NAMES, SCENARIOS)).astype(np.float64)
    times = []
    for _ in range(given.reps):
        start = time.perf_counter()
        (book @ results).min(axis=1)
        times.append(time.perf_counter() - start)
    per_million = statistics.median(times) * 1e3 * 1e6 / given.accounts
    found = {
        "peer": "scipy",
        "accounts": given.accounts,
        "positions": int(starts[-1]),
        "ms_per_million": per_million,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
