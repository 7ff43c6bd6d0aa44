"""October 2008 from the daily bars of an installed package: the scenario of a machine without recorded data.

Real are the daily open, high, low, close and volume of four stocks (bokeh-sampledata; the stock series is public domain,
unadjusted, and given as its publisher had it). Their ticks are derived. Everything else is simulated from the seed and
says so: two index funds that follow the four stocks, two coins at the price level of 2025 with a crash on Friday evening,
the bill and the dollar. Never: touches the recorded data or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Any, Final

import numpy as np

from novate.calendar import Span, always_open, new_york_ns, session_changes, spans
from novate.errors import DataError
from novate.marketdata import liquidity, simulated
from novate.marketdata.assemble import Feed, Tape
from novate.marketdata.bars import Bars
from novate.marketdata.drawing import seeded, to_cent
from novate.marketdata.scenario import AssetClass, Scenario, Volatility

TITLE: Final = "October 2008, Thursday to Monday"
FIRST: Final = date(2008, 10, 9)
LAST: Final = date(2008, 10, 13)
START_NS: Final = new_york_ns(FIRST, time(9, 30))
END_NS: Final = new_york_ns(LAST, time(16))

STOCKS: Final = ("AAPL", "GOOG", "IBM", "MSFT")
CLASSES: Final[Mapping[str, AssetClass]] = {
    "SPY": "broad_etf",
    "QQQ": "broad_etf",
    "AAPL": "mega_cap",
    "GOOG": "mega_cap",
    "IBM": "mega_cap",
    "MSFT": "mega_cap",
    "BTC": "crypto",
    "ETH": "crypto",
    "BILL": "bill",
    "USDC": "stable",
}
HEADLINE: Final = (
    "Package data (no recorded data found). Real: the daily bars of AAPL, GOOG, IBM and MSFT. Derived: their ticks, drawn "
    "inside each day's bar. Simulated: SPY and QQQ (following the four), BTC and ETH (price level of 2025), BILL, USDC."
)

_SOURCE: Final = "bokeh_sampledata_daily"
_FUNDS: Final = {
    "SPY": (100_000_000, 80),
    "QQQ": (40_000_000, 100),
}  # level before the window, percent of the four's return
_FUND_VOLUME: Final = {"SPY": 40_000_000_000, "QQQ": 8_000_000_000}  # dollars a day, stated
_COIN_VOLUME: Final = {"BTC": 3_000_000_000, "ETH": 2_000_000_000}
_COIN_SIGMA_PPM: Final = {"BTC": 25_000, "ETH": 38_000}
_COIN_STEP_PPM: Final = 250
_RETURNS: Final = 60

# New York day and time, then percent of the level at the start.
_COIN_LEVEL: Final = {"BTC": 121_500_000_000, "ETH": 4_350_000_000}
_COIN_PATH: Final = (
    ((9, 9, 30), 1_000, 1_000),
    ((9, 16, 0), 992, 988),
    ((10, 9, 30), 998, 995),
    ((10, 16, 0), 965, 945),
    ((10, 16, 50), 940, 905),
    ((10, 17, 10), 915, 870),
    ((10, 17, 20), 845, 790),
    ((10, 17, 35), 905, 865),
    ((10, 20, 0), 925, 880),
    ((11, 12, 0), 915, 860),
    ((12, 12, 0), 940, 930),
    ((13, 16, 0), 948, 962),
)


def load(name: str, window: tuple[int, int], seed: int) -> Scenario:
    """Draw the ticks of the window.

    Raises:
        DataError: the package is absent, or a day of the window is missing in it.
    """
    start_ns, end_ns = window
    order = tuple(CLASSES)
    tape = Tape(start_ns, end_ns, seed)
    days = spans(FIRST, LAST, extended=False)
    daily = {symbol: _daily(symbol) for symbol in STOCKS}
    closes = {symbol: _row_before(rows, FIRST)["close"] for symbol, rows in daily.items()}
    bars = {symbol: _bars(symbol, rows, days) for symbol, rows in daily.items()}
    for symbol, own in bars.items():
        feed = Feed(_SOURCE, own, "derived", "ticks drawn from real daily bars")
        tape.add_feeds(order.index(symbol), symbol, [feed], days)
    for symbol, (level, percent) in _FUNDS.items():
        own = _fund(bars, closes, level, percent)
        note = f"daily bars at {percent} % of the mean return of {', '.join(STOCKS)}"
        tape.add_feeds(order.index(symbol), symbol, [Feed("simulated_fund", own, "simulated", note)], days)
    for column, symbol in enumerate(_COIN_LEVEL):
        path = simulated.along(_waypoints(symbol, column), _COIN_STEP_PPM, seeded(seed, symbol))
        tape.add_ticks(
            order.index(symbol), symbol, "simulated_walk", path, "random walk along stated waypoints"
        )
    tape.add_ticks(
        order.index("BILL"), "BILL", "simulated_nav", simulated.bill(START_NS, END_NS), simulated.BILL_NOTE
    )
    tape.add_ticks(
        order.index("USDC"),
        "USDC",
        "simulated_dollar",
        simulated.dollar(START_NS, END_NS),
        simulated.USDC_NOTE,
    )
    stock_sessions = session_changes(start_ns, end_ns, extended=False)
    stocks = {*STOCKS, *_FUNDS}
    return Scenario(
        name=name,
        title=TITLE,
        start_ns=start_ns,
        end_ns=end_ns,
        data_source="package",
        headline=HEADLINE,
        underlyings=order,
        asset_class=CLASSES,
        series=tuple(tape.series),
        sources=tuple(tape.sources),
        sessions={symbol: stock_sessions if symbol in stocks else always_open(start_ns) for symbol in order},
        ticks=tape.ticks(),
        daily_volume_usd={symbol: _volumes(symbol, daily.get(symbol, {})) for symbol in order},
        daily_volatility=_volatilities(daily),
        last_price_e6=_last_prices(closes),
        omitted_dated_row="2008-10-13",
        seed=seed,
    )


Row = Mapping[str, float]
"""One day: open, high, low, close, adj_close in dollars, volume in shares."""


def _daily(symbol: str) -> dict[date, Row]:
    """Every day of one stock in the package."""
    try:
        from bokeh_sampledata import stocks  # noqa: PLC0415 - the data is read on import, so only when it is asked for
    except ImportError as error:
        raise DataError(
            "The package bokeh-sampledata is not installed; install it or give --data DIR."
        ) from error
    table: Mapping[str, list[Any]] = getattr(stocks, symbol)
    columns = ("open", "high", "low", "close", "adj_close", "volume")
    rows = zip(*(table[column] for column in columns), strict=True)
    return {
        date.fromisoformat(day): dict(zip(columns, map(float, row), strict=True))
        for day, row in zip(table["date"], rows, strict=True)
    }


def _row_before(rows: Mapping[date, Row], day: date) -> Row:
    return rows[max(other for other in rows if other < day)]


def _bars(symbol: str, rows: Mapping[date, Row], days: list[Span]) -> Bars:
    """The days of the window as bars that span the regular session."""
    absent = [span.day.isoformat() for span in days if span.day not in rows]
    if absent:
        raise DataError(
            f"The daily bars of {symbol} in bokeh-sampledata lack {absent[0]}.", symbol=symbol, day=absent[0]
        )
    prices = [[rows[span.day][column] for column in ("open", "high", "low", "close")] for span in days]
    anchors_e6 = np.rint(np.array(prices) * 1e6).astype(np.int64)
    starts = np.array([span.start_ns for span in days], dtype=np.int64)
    return Bars(days[0].end_ns - days[0].start_ns, starts, anchors_e6, None)


def _fund(bars: Mapping[str, Bars], closes: Mapping[str, float], level_e6: int, percent: int) -> Bars:
    """A fund whose open, high, low and close each day follow the mean of the stocks' own against the close before."""
    befores = {symbol: round(close * 1e6) for symbol, close in closes.items()}
    one = next(iter(bars.values()))
    days = []
    for day in range(len(one)):
        returns = [
            (bars[symbol].anchors_e6[day] - before) * 1_000_000 // before
            for symbol, before in befores.items()
        ]
        moved = sum(returns) * percent // (100 * len(returns))
        days.append(to_cent(level_e6 + level_e6 * moved // 1_000_000))
        befores = {symbol: int(bars[symbol].anchors_e6[day, 3]) for symbol in befores}
        level_e6 = int(days[-1][3])
    return Bars(one.span_ns, one.start_ns, np.array(days, dtype=np.int64), None)


def _waypoints(symbol: str, column: int) -> list[tuple[int, int]]:
    level = _COIN_LEVEL[symbol]
    return [
        (new_york_ns(date(2008, 10, day), time(hour, minute)), level * shares[column] // 1_000)
        for (day, hour, minute), *shares in _COIN_PATH
    ]


def _volumes(symbol: str, rows: Mapping[date, Row]) -> list[tuple[date, int]]:
    """Dollar volume of the ten trading days before the window and of those in it; a stated number where simulated."""
    stated = _FUND_VOLUME.get(symbol) or _COIN_VOLUME.get(symbol)
    if stated:
        return [(date(2008, 10, 8), stated)]
    days = [day for day in sorted(rows) if day <= LAST][-13:]
    return [
        (day, round((rows[day]["high"] + rows[day]["low"] + rows[day]["close"]) / 3 * rows[day]["volume"]))
        for day in days
    ]


def _volatilities(daily: Mapping[str, Mapping[date, Row]]) -> dict[str, Volatility]:
    found: dict[str, Volatility] = {}
    for symbol, rows in daily.items():
        closes = [rows[day]["adj_close"] for day in sorted(rows) if day < FIRST][-_RETURNS - 1 :]
        value = liquidity.from_closes(closes, _SOURCE)
        if value is not None:
            found[symbol] = value
    mean = sum(value.sigma_ppm for value in found.values()) // len(found)
    for symbol, (_level, percent) in _FUNDS.items():
        found[symbol] = Volatility(
            mean * percent // 100, f"simulated: {percent} % of the mean of {', '.join(STOCKS)}"
        )
    for symbol, sigma in _COIN_SIGMA_PPM.items():
        found[symbol] = Volatility(sigma, "stated with the simulation")
    for symbol in ("BILL", "USDC"):
        found[symbol] = Volatility(0, "simulated without volatility")
    return found


def _last_prices(closes: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """The closes of the day before the window, with their time."""
    close_ns = spans(date(2008, 10, 8), date(2008, 10, 8), extended=False)[0].end_ns
    known = {symbol: round(close * 1e6) for symbol, close in closes.items()}
    known |= {symbol: level for symbol, (level, _percent) in _FUNDS.items()}
    return {symbol: (close_ns, price) for symbol, price in known.items()}
