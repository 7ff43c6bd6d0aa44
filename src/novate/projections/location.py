"""Where the read models of a home are, where nobody chose otherwise. Never: opens them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = "readmodels.db"


def url_of(home: Path, database: str = "") -> str:
    """URL of a home's read models: `database` where one was chosen, else SQLite in the home."""
    return database or f"sqlite:///{(home / FILE).absolute()}"
