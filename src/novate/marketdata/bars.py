"""Reads a file of bars into integer arrays and refuses the file when a single number in it cannot be.

Responsible for: the format of each recorded file (time column, unit, symbol column), prices to integers at 1e-6 dollar,
and one clear error naming file, row, column and value. Never: repairs, fills or skips a row; decides which bars count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from novate.calendar import SECOND_NS, new_york_ns
from novate.errors import DataError
from novate.marketdata.find import missing

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PRICE_COLUMNS: Final = ("open", "high", "low", "close")
MAX_PRICE: Final = 10_000_000.0
"""Dollars. A price above it is absurd, whatever is traded."""
MAX_BAR_RATIO: Final = 10.0
"""High over low within one bar. Beyond it the bar is absurd."""

_E6: Final = 1_000_000
_DAY_NS: Final = 86_400 * SECOND_NS
_UNIT_NS: Final = {"start_utc_ms": 1_000_000, "start_utc_s": SECOND_NS}
_MIN_NS: Final = 631_152_000 * SECOND_NS  # 1990
_MAX_NS: Final = 4_102_444_800 * SECOND_NS  # 2100

TimeColumn = Literal["start_utc_ms", "start_utc_s", "start_et"]


@dataclass(frozen=True, slots=True)
class BarFile:
    """The format of one file: its stem is the name of the source. `seconds` is the length of a bar."""

    stem: str
    seconds: int
    time_column: TimeColumn
    has_symbol: bool
    has_volume: bool
    about: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one name in order of time. Arrays of equal length n; `anchors_e6` is (n, 4): open, high, low, close.

    `volume` is in shares or coins as published, None where the file has none. `span_ns` is the length of a bar.
    """

    span_ns: int
    start_ns: Ints
    anchors_e6: Ints
    volume: Floats | None

    def __len__(self) -> int:
        return len(self.start_ns)


def read_bars(folder: Path, spec: BarFile) -> dict[str, Bars]:
    """Every name's bars in one file, by symbol ("" when the file is about one name only).

    Raises:
        DataError: the file is missing, unreadable or lacks a column; or any price or volume in it is NaN, infinite, not
            positive (volume: negative) or absurd; or high < low; or open or close lies outside [low, high]; or the time of
            a bar is absurd, or bars of one name repeat, overlap or run backwards. The whole file is checked, not only what is used.
    """
    path = folder / f"{spec.stem}.parquet"
    table = _table(path, spec)
    prices = np.column_stack([numbers(path, table, name) for name in PRICE_COLUMNS])
    volume = numbers(path, table, "volume") if spec.has_volume else None
    _check_prices(path, prices)
    if volume is not None:
        refuse(path, "volume", volume, ~(volume >= 0) | np.isinf(volume), "not a number of at least zero")
    start_ns = _start_ns(path, table, spec.time_column)
    anchors_e6 = np.rint(prices * _E6).astype(np.int64)
    if not spec.has_symbol:
        _check_order(path, start_ns, np.arange(len(start_ns)), spec.seconds)
        return {"": Bars(spec.seconds * SECOND_NS, start_ns, anchors_e6, volume)}
    found = {}
    codes, names = _symbols(path, table)
    for code, name in enumerate(names):
        rows = np.flatnonzero(codes == code)
        _check_order(path, start_ns[rows], rows, spec.seconds)
        picked = None if volume is None else volume[rows]
        found[name] = Bars(spec.seconds * SECOND_NS, start_ns[rows], anchors_e6[rows], picked)
    return found


def read_table(path: Path, columns: list[str]) -> pa.Table:
    """The named columns of a parquet file (DataError when it is missing, unreadable, or lacks one)."""
    if not path.is_file():
        raise missing(path)
    try:
        with pq.ParquetFile(path) as file:
            absent = [name for name in columns if name not in file.schema_arrow.names]
            if absent:
                raise DataError(
                    f"Market data file {path} has no column {absent[0]!r}.", file=str(path), column=absent[0]
                )
            return file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"Market data file {path} is not a readable parquet file: {error}.", file=str(path)
        ) from error


def _table(path: Path, spec: BarFile) -> pa.Table:
    columns = [spec.time_column, *PRICE_COLUMNS]
    columns += ["symbol"] if spec.has_symbol else []
    columns += ["volume"] if spec.has_volume else []
    return read_table(path, columns)


def numbers(path: Path, table: pa.Table, column: str) -> Floats:
    """A column as floats with missing values as NaN. A float is what the sources publish; it ends in this file."""
    kind = table.schema.field(column).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise DataError(
            f"Market data file {path}: column {column} holds {kind}, not numbers.",
            file=str(path),
            column=column,
        )
    values: Floats = table[column].cast(pa.float64()).to_numpy().astype(np.float64)
    return values


def _symbols(path: Path, table: pa.Table) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Each row's symbol as a code, and the symbol of each code."""
    if table["symbol"].null_count:
        raise DataError(
            f"Market data file {path} has rows without a symbol.", file=str(path), column="symbol"
        )
    encoded = table["symbol"].combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32), [str(name) for name in encoded.dictionary.to_pylist()]


def _check_prices(path: Path, prices: Floats) -> None:
    for index, column in enumerate(PRICE_COLUMNS):
        values = prices[:, index]
        refuse(
            path,
            column,
            values,
            ~((values > 0) & (values <= MAX_PRICE)),
            f"not a price above 0 and up to {MAX_PRICE:.0f}",
        )
    opens, highs, lows, closes = prices.T
    refuse(path, "high", highs, highs < lows, "below the low of its row")
    refuse(
        path,
        "high",
        highs,
        highs > lows * MAX_BAR_RATIO,
        f"over {MAX_BAR_RATIO:.0f} times the low of its row",
    )
    for column, values in (("open", opens), ("close", closes)):
        refuse(
            path, column, values, (values < lows) | (values > highs), "outside the low and high of its row"
        )


def refuse(path: Path, column: str, values: npt.NDArray[Any], bad: npt.NDArray[np.bool_], why: str) -> None:
    """Raise for the first bad row, saying how many there are."""
    if not bad.any():
        return
    row, count = int(np.flatnonzero(bad)[0]), int(bad.sum())
    value = str(values[row])
    more = f" ({count} such rows)" if count > 1 else ""
    sentence = f"Market data file {path}, row {row}, column {column}: {value} is {why}{more}."
    raise DataError(sentence, file=str(path), row=row, column=column, value=value, rows=count)


def _start_ns(path: Path, table: pa.Table, column: TimeColumn) -> Ints:
    if table[column].null_count:
        raise DataError(
            f"Market data file {path} has rows without a time in {column}.", file=str(path), column=column
        )
    if column == "start_et":
        return _from_new_york(path, table)
    kind = table.schema.field(column).type
    if not pa.types.is_integer(kind):
        raise DataError(
            f"Market data file {path}: column {column} holds {kind}, not integers.",
            file=str(path),
            column=column,
        )
    raw: Ints = table[column].to_numpy().astype(np.int64)
    unit = _UNIT_NS[column]
    refuse(
        path,
        column,
        raw,
        (raw < _MIN_NS // unit) | (raw > _MAX_NS // unit),
        "not a time between 1990 and 2100",
    )
    return raw * unit


def _from_new_york(path: Path, table: pa.Table) -> Ints:
    """Naive New York wall time to UTC, with the offset of that day's noon: no stock bar lies in the hours of a change."""
    kind = table.schema.field("start_et").type
    if not pa.types.is_timestamp(kind):
        raise DataError(
            f"Market data file {path}: column start_et holds {kind}, not times.",
            file=str(path),
            column="start_et",
        )
    wall: Ints = table["start_et"].cast(pa.timestamp("ns")).to_numpy().astype(np.int64)
    refuse(path, "start_et", wall, (wall < _MIN_NS) | (wall > _MAX_NS), "not a time between 1990 and 2100")
    days, day_of = np.unique(wall // _DAY_NS, return_inverse=True)
    noon_ns = days * _DAY_NS + _DAY_NS // 2
    dates = [date.fromordinal(date(1970, 1, 1).toordinal() + int(day)) for day in days]
    offset = np.array([new_york_ns(day, time(12)) for day in dates], dtype=np.int64) - noon_ns
    return wall + offset[day_of]


def _check_order(path: Path, start_ns: Ints, rows: Ints, seconds: int) -> None:
    early = np.flatnonzero(np.diff(start_ns) < seconds * SECOND_NS)
    if len(early):
        row = int(rows[int(early[0]) + 1])
        raise DataError(
            f"Market data file {path}, row {row}: its bar repeats, overlaps or lies before the bar above it.",
            file=str(path),
            row=row,
        )
