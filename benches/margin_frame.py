"""`novate.margin` on a data frame against one engine query at a time, in the same process. One line of JSON.

    margin_frame.py [--portfolios N] [--dates N]

Responsible for: the rate in rows (a portfolio at a date, all four levels), and that both ways give the same requirements. The queries are
what-ifs of the same holdings on an engine at the same prices; their exit costs are another owner's, so the comparison leaves them out.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd

import novate
from novate.messages import reports
from novate.messages.reports import BalanceChange, Level, Trade

NAMES = ("NVDA", "AAPL", "MSFT", "TSLA", "GOOG", "IBM", "SPY", "QQQ", "BTC", "ETH")
SAMPLE = 200
"""Rows asked one by one: enough for a rate."""


def drawn(portfolios: int, dates: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Portfolios of two tokens, two perps and cash, and a walk of prices."""
    random = np.random.default_rng(1)
    days = pd.bdate_range("2024-10-01", periods=dates)
    walk = {name: np.exp(np.cumsum(random.normal(0, 0.01, dates))) for name in NAMES}
    level = {name: {"BTC": 100_000, "ETH": 4_000}.get(name, 100) for name in NAMES}
    # Whole ticks, so that a perp that is entered at its price has no result.
    prices = pd.DataFrame({name: np.round(level[name] * walk[name], 1) for name in NAMES}, index=days)
    rows = []
    for at in range(portfolios):
        for name in random.choice(NAMES, 2, replace=False):
            size = int(random.integers(1, 100))
            rows += [(at, f"t{name}", size), (at, f"{name}-PERP", -int(random.integers(1, 100)))]
        rows.append((at, "USDC", 100_000))
    return pd.DataFrame(rows, columns=["portfolio", "instrument", "quantity"]), prices


def one_by_one(positions: pd.DataFrame, prices: pd.DataFrame) -> tuple[float, list[int]]:
    """Rows a second by queries of four levels each, and the requirements without exit costs."""
    engine = novate.Engine()
    engine.list(underlyings=NAMES)
    engine.price(dict(prices.iloc[0]))
    engine.open_account(1)
    names = engine.instruments
    ticks = {line.market: line.index_ticks for line in reports.markets(engine)}
    books = [own for _, own in positions.groupby("portfolio", sort=False)][:SAMPLE]
    found, begun = [], time.perf_counter()
    for own in books:
        changes: list[Trade | BalanceChange] = []
        for name, quantity in zip(own["instrument"], own["quantity"], strict=True):
            one = names.held[name]
            size = int(quantity * one.per_unit)
            changes.append(Trade(one.id, size, ticks[one.id]) if one.perp else BalanceChange(one.id, size))
        told = [reports.what_if(engine.core, 0, changes, level=level, alone=True) for level in Level]
        found.append(told[Level.INITIAL].requirement - told[Level.INITIAL].terms.liq)
    return len(books) / (time.perf_counter() - begun), found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portfolios", type=int, default=1_000)
    parser.add_argument("--dates", type=int, default=250)
    asked = parser.parse_args()
    positions, prices = drawn(asked.portfolios, asked.dates)
    novate.margin(positions.head(5), prices.head(1))  # the packaged listing is read once
    rows = asked.portfolios * asked.dates
    seconds = {}
    for explain in (True, False):
        begun = time.perf_counter()
        frame = novate.margin(positions, prices, explain=explain, exact=True)
        seconds[explain] = time.perf_counter() - begun
    rate, expected = one_by_one(positions, prices)
    first = frame.loc[prices.index[0]].head(len(expected))
    same = (first["requirement"] - first["liquidity"]).tolist() == expected
    told = {
        "rows": rows,
        "seconds": seconds[True],
        "rows_s": rows / seconds[True],
        "bare_rows_s": rows / seconds[False],
    }
    print(json.dumps(told | {"queries_rows_s": rate, "hash_ok": same}))


if __name__ == "__main__":
    main()
