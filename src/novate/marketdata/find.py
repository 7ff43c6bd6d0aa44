"""Where recorded market data is looked for. Finds a directory; never reads a file in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from novate.errors import DataError

CRASH_FOLDER: Final = "crash_2025_10"
SEARCH_ORDER: Final = "--data DIR, $NOVATE_DATA, ./data, ../shared/data"
_FALLBACKS: Final = ("data", "../shared/data")


def find_data(explicit: str | os.PathLike[str] | None = None) -> Path | None:
    """The directory of recorded data, or None when there is none.

    A directory named by the caller or by `$NOVATE_DATA` is taken as it is and must exist; the two usual places count
    only when they hold the recorded crash.

    Raises:
        DataError: the named directory does not exist.
    """
    for origin, named in (("--data", explicit), ("$NOVATE_DATA", os.environ.get("NOVATE_DATA"))):
        if named:
            return _named(Path(named), origin)
    return next((path for path in map(Path, _FALLBACKS) if (path / CRASH_FOLDER).is_dir()), None)


def missing(path: Path) -> DataError:
    """The error for a data file that is not there."""
    return DataError(
        f"Market data file {path} is missing (data is looked for in: {SEARCH_ORDER}).", file=str(path)
    )


def no_data(scenario: str) -> DataError:
    """The error for a recorded scenario without any data directory."""
    return DataError(
        f"Scenario {scenario} needs recorded data and none was found (looked in: {SEARCH_ORDER})."
    )


def _named(path: Path, origin: str) -> Path:
    if not path.is_dir():
        raise DataError(f"The data directory {path} given by {origin} does not exist.", directory=str(path))
    return path
