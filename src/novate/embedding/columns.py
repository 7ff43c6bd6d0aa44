"""Frames to checked integer columns: positions and prices as people have them, in the engine's smallest units.

Responsible for: reading data frames, mappings, series and CSV files, and naming column, row and value of what can't be. Floats are
welcome here, because that is what frames hold, with one stated rounding each: a price to the listing's scale (1e-6 dollar) and an
amount to the asset's smallest unit, to nearest; a perp's quantity must be whole lots. Text, `int` and `Decimal` are exact or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from novate.embedding.instruments import Instrument, Instruments, unknown
from novate.errors import DataError
from novate.messages.reports.portfolios import AT_THE_PRICE, Holdings

Positions = Any
"""A frame, a CSV file, or a mapping or series of instrument to quantity."""
COLUMNS: Final = ("portfolio", "instrument", "quantity", "price")
UNDATED: Final = ""
"""The row of prices that are not by date."""
_NOISE: Final = 1e-6
"""How far from whole lots a float may be, in lots and relative to its size: what arithmetic on floats leaves."""
_I64: Final = 2**63


@dataclass(frozen=True)
class Book:
    """Portfolios, checked, in the order they first appear."""

    names: tuple[object, ...]
    """Of the portfolios; one `None` where the positions name none."""
    holdings: Holdings
    underlyings: frozenset[str]
    """Whatever needs a price; coins apart."""


def read_positions(positions: Positions) -> pd.DataFrame:
    """Positions as a frame with the columns `instrument`, `quantity` and, where given, `portfolio` and `price`.

    Raises DataError: not a frame, mapping, series or readable CSV file, an unknown column, or one of the two missing.
    """
    if isinstance(positions, str | Path):
        frame = _read_csv(Path(positions))
    elif isinstance(positions, pd.DataFrame):
        frame = positions
    elif isinstance(positions, Mapping | pd.Series):
        one = dict(positions)
        frame = pd.DataFrame(
            {"instrument": list(one), "quantity": pd.Series(list(one.values()), dtype=object)}
        )
    else:
        raise DataError(
            f"positions is a {type(positions).__name__}: expected a data frame, the path of a CSV file, or a mapping of "
            "instrument to quantity."
        )
    levels = [name for name in frame.index.names if name in COLUMNS and name not in frame.columns]
    frame = frame.reset_index(level=levels) if levels else frame
    for name in frame.columns:
        if name not in COLUMNS:
            raise DataError(
                f"positions has the column {name!r}: expected {', '.join(COLUMNS)}.", column=str(name)
            )
    for name in ("instrument", "quantity"):
        if name not in frame.columns:
            has = ", ".join(map(str, frame.columns)) or "no column"
            raise DataError(f"positions lacks the column {name!r}; it has {has}.", column=name)
    return frame


def sample_portfolio() -> pd.DataFrame:
    """The packaged portfolios as positions: one hedged, one on a loan, one short. A frame to begin with; one's own has the same columns."""
    with resources.as_file(resources.files("novate.demo").joinpath("portfolio.csv")) as path:
        return _read_csv(path)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        # As text: a quantity such as 0.1 stays what was written.
        return pd.read_csv(path, dtype=str, comment="#", skipinitialspace=True)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.", file=str(path)) from None
    except (OSError, ValueError) as error:
        raise DataError(f"The file {path} is no CSV table: {error}.", file=str(path)) from None


def book_of(positions: Positions, instruments: Instruments) -> Book:
    """The portfolios of `positions` as columns.

    Raises DataError: an instrument that is not listed, an instrument twice in one portfolio, a quantity that is no number, has
    more decimals than the instrument (exact input) or is no whole number of lots (a perp), a balance below zero of what
    nobody lends, or an entry price that is no price or not of a perp.
    """
    frame = read_positions(positions)
    if frame.empty:
        raise DataError("positions is empty: a portfolio holds something.")
    rows = [_label(row) for row in frame.index]
    portfolios = _codes(frame, "portfolio", rows) if "portfolio" in frame else None
    codes, names = pd.factorize(frame["instrument"])
    for place, name in enumerate(names):
        if name not in instruments.held:
            raise _unknown_instrument(name, rows[int(np.argmax(codes == place))], instruments)
    if (codes < 0).any():
        raise _bad("instrument", rows[int(np.argmax(codes < 0))], None, "the name of an instrument")
    of = codes if portfolios is None else portfolios[0] * len(names) + codes
    if len(doubled := np.flatnonzero(pd.Series(of).duplicated())):
        first = int(np.argmax(of == of[doubled[0]]))
        raise _bad(
            "instrument",
            rows[doubled[0]],
            frame["instrument"].iloc[doubled[0]],
            f"one row per instrument and portfolio; row {rows[first]} has it already",
        )
    held = [instruments.held[name] for name in names]
    sizes = _sizes(frame["quantity"], [held[code] for code in codes], rows)
    for at in np.flatnonzero(sizes < 0).tolist():
        one = held[codes[at]]
        if not one.perp and not instruments.assets[one.name].pool:
            raise _bad(
                "quantity",
                rows[at],
                frame["quantity"].iloc[at],
                f"at least 0: there is no pool of {one.name}, so nobody lends it",
            )
    order = np.arange(len(codes)) if portfolios is None else np.argsort(portfolios[0], kind="stable")
    costs = _costs(frame, held, codes, sizes, rows, instruments)
    counts = [len(codes)] if portfolios is None else np.bincount(portfolios[0], minlength=len(portfolios[1]))
    holdings = Holdings(
        np.asarray(counts, dtype=np.uint32),
        np.array([one.perp for one in held], dtype=np.uint8)[codes][order],
        np.array([one.id for one in held], dtype=np.uint32)[codes][order],
        sizes[order],
        costs[order],
    )
    coins = {line.name for line in instruments.listed.assets if line.stablecoin}
    priced = frozenset(one.underlying for one in held if one.name not in coins)
    return Book((None,) if portfolios is None else tuple(portfolios[1]), holdings, priced)


def _codes(frame: pd.DataFrame, column: str, rows: list[str]) -> tuple[NDArray[np.int64], list[object]]:
    codes, names = pd.factorize(frame[column])
    if (codes < 0).any():
        raise _bad(column, rows[int(np.argmax(codes < 0))], None, f"the name of a {column}")
    return codes, list(names)


def _unknown_instrument(name: object, row: str, instruments: Instruments) -> DataError:
    where = f"positions, row {row}, column 'instrument': "
    if name in instruments.underlyings:
        of = [one.name for one in instruments.held.values() if one.underlying == name]
        return DataError(
            f"{where}{name!r} is an underlying; a portfolio holds {' or '.join(of)}.",
            column="instrument",
            row=row,
            value=str(name),
        )
    return unknown("the instrument", name, instruments.held, where, column="instrument", row=row)


def _sizes(column: pd.Series, held: list[Instrument], rows: list[str]) -> NDArray[np.int64]:
    """Quantities in smallest units, or lots."""
    if column.dtype.kind == "f":
        values = column.to_numpy(dtype=float)
        _refuse_first(~np.isfinite(values), "quantity", rows, column, "a finite number")
        exact = values * np.array([float(one.per_unit) for one in held])
        whole = np.rint(exact)
        perps = np.array([one.perp for one in held])
        noise = _NOISE * np.maximum(1.0, np.abs(values))
        off = perps & (np.abs(exact - whole) > noise)
        if off.any():
            at = int(np.argmax(off))
            raise _bad("quantity", rows[at], values[at], _lots_of(held[at]))
        _refuse_first(np.abs(whole) >= _I64, "quantity", rows, column, "a quantity that fits 64 bits")
        return np.asarray(whole, dtype=np.int64)
    return np.array(
        [_size(value, one, row) for value, one, row in zip(column, held, rows, strict=True)], dtype=np.int64
    )


def _size(value: object, one: Instrument, row: str) -> int:
    size = rounded(value, _number(value, "quantity", row), one.per_unit, whole=one.perp)
    if size is None:
        expected = (
            _lots_of(one)
            if one.perp
            else f"no smaller part of {one.name} than {plain(1 / one.per_unit)} (a float would be rounded)"
        )
        raise _bad("quantity", row, value, expected)
    if abs(size) >= _I64:
        raise _bad("quantity", row, value, "a quantity that fits 64 bits")
    return size


def rounded(value: object, number: Fraction, per_unit: Fraction, *, whole: bool) -> int | None:
    """`number` in smallest units; None where that is not whole and `value` no float.

    A float is rounded to nearest; a step that must be `whole` only from as near as arithmetic on floats leaves it.
    """
    exact = number * per_unit
    size = round(exact)
    near = isinstance(value, float) and (
        not whole or abs(exact - size) <= _NOISE * max(1.0, abs(float(number)))
    )
    return size if exact == size or near else None


def units_of(value: object, per_unit: Fraction, what: str, name: str, whole: str = "") -> int:
    """One number of a call, such as a quantity or a price of `name`, in smallest units; `whole` says of what it must be a multiple.

    Raises DataError: no number, a fraction of a step, or beyond 64 bits.
    """
    number = _as_number(value)
    size = None if number is None else rounded(value, number, per_unit, whole=bool(whole))
    if size is None or abs(size) >= _I64:
        step = plain(1 / per_unit)
        expected = (
            "a finite number"
            if number is None or size is not None
            else f"a multiple of {step} (one of {name}'s {whole})"
            if whole
            else f"no smaller part than {step}"
        )
        raise DataError(f"{what} of {name} = {value!r}: expected {expected}.", name=name, value=str(value))
    return size


def plain(number: Fraction | float) -> str:
    """A number without trailing zeros, thousands grouped."""
    return f"{float(number):,.9f}".rstrip("0").rstrip(".")


def _lots_of(one: Instrument) -> str:
    return f"whole lots of {one.name}, {plain(1 / one.per_unit)} each"


def _costs(
    frame: pd.DataFrame,
    held: list[Instrument],
    codes: NDArray[np.int64],
    sizes: NDArray[np.int64],
    rows: list[str],
    instruments: Instruments,
) -> NDArray[np.int64]:
    """What perps cost at their entry prices, in quote units, rounded up: against the holder."""
    costs = np.full(len(codes), AT_THE_PRICE, dtype=np.int64)
    if "price" not in frame:
        return costs
    for at in np.flatnonzero(frame["price"].notna().to_numpy()).tolist():
        one, value = held[codes[at]], frame["price"].iloc[at]
        if not one.perp:
            raise _bad(
                "price", rows[at], value, f"nothing: it is the entry price of a perp, and {one.name} is none"
            )
        price = _number(value, "price", rows[at])
        if isinstance(value, float):
            price = Fraction(round(price * 10**9), 10**9)
        if price <= 0:
            raise _bad("price", rows[at], value, "a price above zero")
        units = price * int(sizes[at]) / one.per_unit * 10 ** instruments.assets[one.quote].decimals
        costs[at] = -(-units.numerator // units.denominator)
    return costs


def price_matrix(
    table: pd.DataFrame, instruments: Instruments, wanted: frozenset[str]
) -> tuple[list[str], NDArray[np.int64]]:
    """Underlyings that `table` has a column for, and their prices at each one's scale: a row per moment.

    Columns that no listed underlying has are left out: a price file may hold more. Raises DataError: an underlying of `wanted`
    without a column, and a price of it that is missing, no number, or outside the listing's plausible range.
    """
    if repeated := [str(name) for name in table.columns[table.columns.duplicated()]]:
        raise DataError(f"prices has two columns {repeated[0]!r}.", column=repeated[0])
    for name in sorted(wanted):
        if name not in table.columns:
            has = ", ".join(map(str, list(table.columns)[:12])) or "nothing"
            raise DataError(f"prices lacks {name}, which the portfolio holds; it has {has}.", column=name)
    coins = {line.name for line in instruments.listed.assets if line.stablecoin}
    # What nobody holds may have gaps; a coin, when it is there, counts.
    names = [name for name in instruments.underlyings if name in wanted or (name in coins and name in table)]
    rows = [_label(row) for row in table.index]
    columns = [_prices(table[name], instruments, name, rows) for name in names]
    matrix = np.column_stack(columns) if columns else np.zeros((len(table), 0), dtype=np.int64)
    return names, matrix


def _prices(column: pd.Series, instruments: Instruments, name: str, rows: list[str]) -> NDArray[np.int64]:
    terms = instruments.underlyings[name]
    scale = 10**terms.decimals
    if column.dtype.kind in "fiu":
        values = column.to_numpy(dtype=float)
        _refuse_first(~np.isfinite(values), name, rows, column, "a price", "prices")
        scaled = np.rint(values * scale)
    else:
        numbers = [_number(value, name, row, "prices") for value, row in zip(column, rows, strict=True)]
        for number, value, row in zip(numbers, column, rows, strict=True):
            if (number * scale).denominator != 1 and not isinstance(value, float):
                raise _bad(name, row, value, f"at most {terms.decimals} decimals", "prices")
        scaled = np.array([float(round(number * scale)) for number in numbers])
    low, high = max(terms.price_min, 1), terms.price_max
    expected = (
        f"a price of {low / scale:,.10g} to {high / scale:,.10g} dollars, the listing's plausible range"
    )
    _refuse_first((scaled < low) | (scaled > high), name, rows, column, expected, "prices")
    return np.asarray(scaled, dtype=np.int64)


def _number(value: object, column: str, row: str, table: str = "positions") -> Fraction:
    """An exact number of what a cell holds."""
    number = _as_number(value)
    if number is None:
        raise _bad(column, row, value, "a finite number", table)
    return number


def _as_number(value: object) -> Fraction | None:
    """What the value says exactly; None where it is no finite number."""
    try:
        if isinstance(value, bool | np.bool_):
            return None
        if isinstance(value, str):
            return Fraction(Decimal(value.strip().replace("_", "")))
        return Fraction(value.item() if isinstance(value, np.generic) else value)  # type: ignore[arg-type]  # else it raises
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        return None


def _refuse_first(
    wrong: NDArray[np.bool_],
    column: str,
    rows: list[str],
    values: pd.Series,
    expected: str,
    table: str = "positions",
) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise _bad(column, rows[at], values.iloc[at], expected, table)


def _bad(column: str, row: str, value: object, expected: str, table: str = "positions") -> DataError:
    plainly = value.item() if isinstance(value, np.generic) else value
    said = "nothing" if plainly is None else repr(plainly)
    return DataError(
        f"{table}{f', row {row}' if row else ''}, column {column!r} = {said}: expected {expected}.",
        table=table,
        column=column,
        row=row,
        value=said,
    )


def _label(row: object) -> str:
    """A row's label as people say it: a day without its midnight."""
    if isinstance(row, pd.Timestamp) and row == row.normalize():
        return str(row.date())
    return str(row)
