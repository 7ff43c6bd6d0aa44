"""What the keepers say of themselves, in one file that a metrics endpoint of another process reads.

    HOME/keepers/prices.json    {"keeper": "prices", "at_ns": ..., "line": {...}, "feeds": [...], ...}

Responsible for: writing it whole. A reader that finds `at_ns` old knows that the keeper is gone. Never: holds history.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from novate.files import replace_file

FOLDER: Final = "keepers"


def write_health(home: Path, keeper: str, values: dict[str, Any]) -> None:
    """Replaces the file of one keeper; `at_ns` is the wall clock's."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    said = {"keeper": keeper, "at_ns": time.time_ns(), **values}
    replace_file(folder / f"{keeper}.json", msgspec.json.encode(said))


def read_health(home: Path | str) -> dict[str, dict[str, Any]]:
    """What each keeper said last, by keeper; a file that is none is left out."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((Path(home) / FOLDER).glob("*.json")):
        try:
            found[path.stem] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError):
            continue
    return found
