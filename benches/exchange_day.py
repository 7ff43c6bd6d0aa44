"""A recorded day on the simulated exchange: how fast it is replayed, and what large orders cost with each impact.

    NOVATE_DATA=... python benches/exchange_day.py

Bank of America, 10 October 2013 (`orderflow/bac_2013-10-10_*.parquet`), bought at 11:00 New York with a limit 2 % above the middle. A recorded
market can't react: the impact is `displayed.Impact`, levels behind the national best are modelled (`displayed.Best`).
"""

from __future__ import annotations

import time
from datetime import date
from datetime import time as wall
from pathlib import Path

from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.displayed import CENT, Best, Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.port import Filled, NewOrder
from novate.broker.tape import QuoteTape, recorded_quotes
from novate.calendar import new_york_ns
from novate.marketdata import find_data
from novate.messages.codes import Side

DAY = date(2013, 10, 10)
BUYS_NS = new_york_ns(DAY, wall(11))
MICRO = 1_000_000


def an_exchange(tape: QuoteTape, parts: int = 1000) -> Exchange:
    """One broker with enough cash."""
    opening = {"alpha": Opening(cash=10**15)}
    return Exchange([tape], opening, start_ns=new_york_ns(DAY, wall(9)), terms=Terms(impact=Impact(parts)))


def buy(tape: QuoteTape, dollars: int, parts: int) -> tuple[float, float, int]:
    """(basis points above the middle, fees left out; seconds until it was filled; fills) of one order."""
    exchange = an_exchange(tape, parts)
    exchange.advance(BUYS_NS)
    book = exchange.book("BAC")
    assert book is not None
    middle = (book.bids[0].price + book.asks[0].price) // 2
    shares = dollars * 10**12 // middle // SHARE * SHARE
    limit = middle * 102 // 100 // CENT * CENT
    said = NewOrder(order="o-1", symbol="BAC", side=Side.BID, shares=shares, dollars=0, limit=limit)
    exchange.say("alpha", said, BUYS_NS)
    exchange.advance(BUYS_NS + 4 * 3600 * 10**9)
    fills = [one.report for one in exchange.reports("alpha").behind(0) if isinstance(one.report, Filled)]
    assert fills[-1].complete
    paid = sum(fill.shares * fill.price for fill in fills)
    took = (fills[-1].traded_ns - BUYS_NS) / 1e9
    return (paid / shares / middle - 1) * 10_000, took, len(fills)


def main() -> None:
    """Prints both tables."""
    folder = find_data(None)
    quotes = folder / "orderflow/bac_2013-10-10_quotes.parquet" if folder else Path()
    if not quotes.is_file():
        print("The recorded day is not there: say where with NOVATE_DATA.")
        return
    trades = quotes.with_name("bac_2013-10-10_trades.parquet")
    for behind in (0, 4):
        tape = recorded_quotes("BAC", DAY, quotes, trades, best=Best(behind=behind))
        began = time.perf_counter()
        exchange = an_exchange(tape)
        exchange.advance(new_york_ns(DAY, wall(20)))
        exchange.book("BAC")
        took = time.perf_counter() - began
        print(
            f"{tape.rows():,} quotes in {took:.1f} s with {behind} modelled levels behind the national best"
        )
        print("| order | " + " | ".join(f"impact {parts / 1000}" for parts in (0, 500, 1000, 2000)) + " |")
        for thousands in (100, 1_000, 10_000):
            row = []
            for parts in (0, 500, 1000, 2000):
                above, seconds, fills = buy(tape, thousands * 1000 * MICRO, parts)
                row.append(f"{above:.2f} bp, {seconds:.1f} s, {fills}")
            print(f"| {thousands:,} k | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
