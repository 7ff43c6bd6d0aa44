"""Prices as a command line has them: `NAME=DOLLARS` words, or a CSV table by date. Reads; judges no price."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from novate.errors import DataError


def prices_of(stated: Sequence[str], table: Path | None) -> dict[str, str] | pd.DataFrame:
    """Words such as `NVDA=190.25`, or a table whose first column is the date.

    Raises DataError: both or neither, a word that is no such pair, or a file that is no such table.
    """
    if bool(stated) == (table is not None):
        raise DataError(
            "Prices are missing: give --price NAME=DOLLARS for each underlying, or one --prices CSV."
        )
    if table is None:
        pairs = [word.partition("=") for word in stated]
        for name, equals, dollars in pairs:
            if not (name and equals and dollars):
                raise DataError(
                    f"--price {name}{equals}{dollars}: expected NAME=DOLLARS, such as NVDA=190.25.",
                    value=name,
                )
        return {name: dollars for name, _, dollars in pairs}
    try:
        return pd.read_csv(table, index_col=0, parse_dates=True)
    except FileNotFoundError:
        raise DataError(f"There is no file {table}.", file=str(table)) from None
    except (OSError, ValueError) as error:
        raise DataError(f"The file {table} is no CSV table of prices: {error}.", file=str(table)) from None
