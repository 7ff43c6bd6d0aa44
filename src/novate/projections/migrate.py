"""The schema of a database brought to the present, by Alembic.

Responsible for: running the migrations of this package, on a connection of the caller's engine. Never edits a row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Brings the database to `revision`; nothing happens where it is there already."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
