"""The crash of October 2025 from recorded bars: which file says what about whom, and the scenario built from them.

Never: ships a recorded value. The files are read where the user keeps them; a missing or wrong one is a `DataError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from novate.calendar import (
    SessionChange,
    Span,
    always_open,
    new_york_date,
    new_york_ns,
    session_changes,
    spans,
)
from novate.errors import DataError
from novate.marketdata import coverage, liquidity, simulated
from novate.marketdata.assemble import Feed, Tape
from novate.marketdata.bars import BarFile, Bars, numbers, read_bars, read_table, refuse
from novate.marketdata.find import CRASH_FOLDER
from novate.marketdata.scenario import AssetClass, Scenario, Volatility

TITLE: Final = "The crash of 10 October 2025, Thursday to Monday"
START_NS: Final = new_york_ns(date(2025, 10, 9), time(4))
END_NS: Final = new_york_ns(date(2025, 10, 13), time(16))
MINI_START_NS: Final = new_york_ns(date(2025, 10, 10), time(13))
MINI_END_NS: Final = new_york_ns(date(2025, 10, 10), time(18))

_EQUITY_1M: Final = BarFile(
    "us_equities_1m",
    60,
    "start_et",
    has_symbol=True,
    has_volume=True,
    about="1-minute bars of one small exchange",
)
_ETF_2M: Final = BarFile(
    "us_etf_extended_hours_2m",
    120,
    "start_utc_s",
    has_symbol=True,
    has_volume=False,
    about="2-minute bars 04:00-20:00 of one exchange",
)
_EQUITY_5M: Final = BarFile(
    "us_equities_5m", 300, "start_et", has_symbol=True, has_volume=True, about="5-minute consolidated bars"
)
_BTC_1M: Final = BarFile(
    "btcusd_coin_margined_perp_mark_1m",
    60,
    "start_utc_ms",
    has_symbol=False,
    has_volume=False,
    about="1-minute mark price of a coin-margined perpetual",
)
_BTC_5M: Final = BarFile(
    "btcusdt_perp_mark_5m",
    300,
    "start_utc_ms",
    has_symbol=False,
    has_volume=False,
    about="5-minute mark price of a USDT perpetual",
)
_BTC_15M: Final = BarFile(
    "btcusdt_spot_15m", 900, "start_utc_ms", has_symbol=False, has_volume=True, about="15-minute spot bars"
)
_ETH_5M: Final = BarFile(
    "ethusdt_spot_5m", 300, "start_utc_ms", has_symbol=False, has_volume=True, about="5-minute spot bars"
)

FILES: Final = (_EQUITY_1M, _ETF_2M, _EQUITY_5M, _BTC_1M, _BTC_5M, _BTC_15M, _ETH_5M)
"""Every file the scenario needs, all in one folder. Hourly last-price bars are not read: a mark or spot covers all."""

_STOCK_FILES: Final = (_EQUITY_1M, _ETF_2M, _EQUITY_5M)
_COIN_FILES: Final = {"BTC": (_BTC_1M, _BTC_5M, _BTC_15M), "ETH": (_ETH_5M,)}

CLASSES: Final[Mapping[str, AssetClass]] = {
    "SPY": "broad_etf",
    "QQQ": "broad_etf",
    "IBIT": "crypto_etf",
    "ETHA": "crypto_etf",
    "NVDA": "mega_cap",
    "AAPL": "mega_cap",
    "MSFT": "mega_cap",
    "TSLA": "mega_cap",
    "COIN": "stock",
    "MSTR": "stock",
    "BTC": "crypto",
    "ETH": "crypto",
    "BILL": "bill",
    "USDC": "stable",
}
_VOLATILITY_OF: Final = {"IBIT": "BTC", "ETHA": "ETH"}  # listed too short in the files: the coin they hold
_STATED_SIGMA_PPM: Final = {
    "broad_etf": 10_000, "mega_cap": 20_000, "stock": 40_000, "crypto": 30_000, "crypto_etf": 30_000,
}  # fmt: skip
_RETURNS: Final = 60
_STOCK_DAILY: Final = Path("corporate_actions") / "us_raw_daily_with_dividends_splits_2024_2026.parquet"
_COIN_DAILY: Final = Path("daily") / "etf_crypto_adjusted_2009_2025.parquet"


@dataclass(frozen=True, slots=True)
class _Name:
    """One recorded name: its files that hold it (finest first), every stretch of the data, and those that are open."""

    files: tuple[tuple[BarFile, Bars], ...]
    stretches: list[Span]
    sessions: list[SessionChange]

    @property
    def bars(self) -> list[Bars]:
        return [bars for _spec, bars in self.files]


def load(name: str, data_dir: Path, window: tuple[int, int], seed: int) -> Scenario:
    """Read and check the recorded files under `data_dir` and draw the ticks of the window.

    Raises:
        DataError: a file is missing or holds something impossible.
    """
    start_ns, end_ns = window
    names = _names(data_dir / CRASH_FOLDER, start_ns, end_ns)
    order = tuple(CLASSES)
    tape = Tape(start_ns, end_ns, seed)
    for symbol, entry in names.items():
        feeds = [
            Feed(spec.stem, bars, "derived", f"ticks drawn from real {spec.about}")
            for spec, bars in entry.files
        ]
        tape.add_feeds(order.index(symbol), symbol, feeds, entry.stretches)
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
    last = {
        symbol: coverage.last_close(entry.bars, entry.stretches, start_ns) for symbol, entry in names.items()
    }
    return Scenario(
        name=name,
        title=TITLE,
        start_ns=start_ns,
        end_ns=end_ns,
        data_source="recorded",
        headline=_headline(names),
        underlyings=order,
        asset_class=CLASSES,
        series=tuple(tape.series),
        sources=tuple(tape.sources),
        sessions={
            symbol: names[symbol].sessions if symbol in names else always_open(start_ns) for symbol in order
        },
        ticks=tape.ticks(),
        daily_volume_usd={symbol: _volume(names.get(symbol), end_ns) for symbol in order},
        daily_volatility=_volatilities(data_dir, names, start_ns),
        last_price_e6={symbol: close for symbol, close in last.items() if close is not None},
        omitted_dated_row="2025-10-10",
        seed=seed,
    )


def _headline(names: Mapping[str, _Name]) -> str:
    return (
        f"Recorded data. Real: the price bars of {', '.join(names)}. Derived: every tick of these, drawn inside its bar. "
        "Simulated: BILL (4 % a year) and USDC (1.00)."
    )


def _names(folder: Path, start_ns: int, end_ns: int) -> dict[str, _Name]:
    """Every recorded name of the scenario, in listing order."""
    found = {spec: read_bars(folder, spec) for spec in FILES}
    names = {}
    for symbol, kind in CLASSES.items():
        if kind in ("bill", "stable"):
            continue
        specs = _COIN_FILES.get(symbol, _STOCK_FILES)
        files = tuple(
            (spec, held) for spec in specs if (held := found[spec].get(symbol if spec.has_symbol else ""))
        )
        if not files:
            raise DataError(
                f"No market data file in {folder} holds {symbol}.", directory=str(folder), symbol=symbol
            )
        make = _coin if kind == "crypto" else _stock
        names[symbol] = make(files, start_ns, end_ns)
    return names


def _coin(files: tuple[tuple[BarFile, Bars], ...], start_ns: int, end_ns: int) -> _Name:
    del end_ns  # the sessions of what always trades are one entry
    first, last = _dates([bars for _spec, bars in files])
    return _Name(files, coverage.utc_days(first, last), always_open(start_ns))


def _stock(files: tuple[tuple[BarFile, Bars], ...], start_ns: int, end_ns: int) -> _Name:
    held = [bars for _spec, bars in files]
    dates = _dates(held)
    is_open = coverage.counts_as_open(held, spans(*dates))
    return _Name(files, spans(*dates, extended=is_open), session_changes(start_ns, end_ns, extended=is_open))


def _dates(files: list[Bars]) -> tuple[date, date]:
    """The first and last day of these bars, a day wider on both sides so that no time zone cuts one off."""
    starts = np.concatenate([bars.start_ns for bars in files])
    one = timedelta(days=1)
    return new_york_date(int(starts.min())) - one, new_york_date(int(starts.max())) + one


def _volume(entry: _Name | None, end_ns: int) -> list[tuple[date, int]]:
    """Dollar volume from the coarsest file with one: the finer stock file is one small exchange's only."""
    with_volume = [bars for bars in entry.bars if bars.volume is not None] if entry else []
    return liquidity.dollar_volume(with_volume[-1], entry.stretches, end_ns) if entry and with_volume else []


def _volatilities(data_dir: Path, names: Mapping[str, _Name], before_ns: int) -> dict[str, Volatility]:
    """Daily volatility of each name: from daily closes where a file has them, else bars before the window, else stated."""
    found: dict[str, Volatility] = {}
    for symbol, entry in names.items():
        found[symbol] = _volatility(data_dir, symbol, entry, before_ns)
    for symbol, coin in _VOLATILITY_OF.items():
        found[symbol] = Volatility(found[coin].sigma_ppm, f"that of {coin}: {found[coin].origin}")
    for symbol in ("BILL", "USDC"):
        found[symbol] = Volatility(0, "simulated without volatility")
    return found


def _volatility(data_dir: Path, symbol: str, entry: _Name, before_ns: int) -> Volatility:
    if CLASSES[symbol] == "crypto":
        path, label, column = data_dir / _COIN_DAILY, f"{symbol}-USD", "adj_close"
    else:
        path, label, column = data_dir / _STOCK_DAILY, symbol, "adjclose"
    closes = _daily_closes(path, label, column, new_york_date(before_ns))
    spec, bars = entry.files[-1]
    return (
        liquidity.from_closes(closes, path.stem)
        or liquidity.from_bars(bars, entry.stretches, before_ns, spec.stem)
        or Volatility(_STATED_SIGMA_PPM[CLASSES[symbol]], "stated: no data before the window")
    )


def _daily_closes(path: Path, symbol: str, column: str, before: date) -> list[float]:
    """The last adjusted closes of one name before a day, oldest first; empty when the file (an optional one) is not there."""
    if not path.is_file():
        return []
    table = read_table(path, ["symbol", "date", column])
    days = table["date"].cast(pa.string())
    wanted = pc.and_(pc.equal(table["symbol"], symbol), pc.less(days, before.isoformat()))
    chosen = pc.fill_null(wanted, fill_value=False).to_numpy()
    closes = numbers(path, table, column)
    refuse(path, column, closes, chosen & ~((closes > 0) & np.isfinite(closes)), "not a price above 0")
    order = np.argsort(days.to_numpy()[chosen], kind="stable")
    return [float(close) for close in closes[chosen][order][-_RETURNS - 1 :]]
