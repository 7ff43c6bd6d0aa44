"""What a name's daily bars say of it: volatility, gaps over night, dollars a day.

    found = read_series(Path("NFLX.csv"))
    found.sigma_ppm, found.gap_ppm, found.adv_usd

A CSV with a header; columns `date` and `close`, and where known `open` and `volume` (shares). Floats enter as published and leave as integers.

Responsible for: the statistics, and one clear error for a series that can't be used. Never: decides what a venue charges for them.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from novate.errors import DataError
from novate.marketdata.liquidity import from_closes

WINDOW: Final = 60
"""Trading days that volatility and volume look back: a quarter."""
LEAST: Final = 11
_PPM: Final = 10**6


@dataclass(frozen=True, slots=True)
class Series:
    """Statistics of daily bars."""

    days: int
    first: str
    last: str
    close: float
    sigma_ppm: int
    """Daily volatility of the last quarter: root mean square of returns."""
    gap_ppm: int | None
    """Largest move from a close to the next open, either way; None without opens."""
    gap_day: str
    adv_usd: int | None
    """Median dollars a day of the last quarter; None without volumes."""


@dataclass(frozen=True, slots=True)
class _Bar:
    day: str
    open: float | None
    close: float
    volume: float | None


def read_series(path: Path) -> Series:
    """Reads a CSV of daily bars. Raises DataError: no such file, no such columns, too few days, days out of order, a price that is none."""
    bars = _bars(path)
    recent = bars[-WINDOW - 1 :]
    found = from_closes([bar.close for bar in recent], path.name)
    if found is None or len(bars) < LEAST:
        raise DataError(f"{path} has {len(bars)} days; at least {LEAST} make a volatility.", file=str(path))
    gaps = [
        (abs(bar.open / before.close - 1), bar.day) for before, bar in pairwise(bars) if bar.open is not None
    ]
    widest, on = max(gaps, default=(0.0, ""))
    dollars = [bar.volume * bar.close for bar in recent if bar.volume is not None]
    return Series(
        days=len(bars),
        first=bars[0].day,
        last=bars[-1].day,
        close=bars[-1].close,
        sigma_ppm=found.sigma_ppm,
        gap_ppm=math.ceil(widest * _PPM) if gaps else None,
        gap_day=on,
        adv_usd=round(median(dollars)) if dollars else None,
    )


def _bars(path: Path) -> list[_Bar]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            names = {name.strip().lower(): name for name in rows.fieldnames or ()}
            missing = [name for name in ("date", "close") if name not in names]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}.", file=str(path))
            bars = [_bar(path, number, row, names) for number, row in enumerate(rows, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read: {error}.", file=str(path)) from error
    for before, bar in pairwise(bars):
        if bar.day <= before.day:
            raise DataError(f"{path}: {bar.day} stands after {before.day}.", file=str(path))
    return bars


def _bar(path: Path, number: int, row: dict[str, str], names: dict[str, str]) -> _Bar:
    def value(name: str) -> float | None:
        text = (row.get(names.get(name, ""), "") or "").strip()
        return float(text) if text else None

    try:
        day = date.fromisoformat((row[names["date"]] or "").strip()[:10]).isoformat()
        bar = _Bar(day, value("open"), value("close") or 0.0, value("volume"))
    except ValueError as error:
        raise DataError(f"{path}, line {number}: {error}.", file=str(path), line=number) from error
    numbers = [one for one in (bar.open, bar.close) if one is not None]
    if any(not math.isfinite(one) or one <= 0 for one in numbers) or (bar.volume or 0) < 0:
        raise DataError(
            f"{path}, line {number}: prices are above zero, volumes are not below it.",
            file=str(path),
            line=number,
        )
    return bar
