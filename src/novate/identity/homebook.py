"""A book that a home keeps in a SQLite file of its own: opened, checked for its version, changed by one writer at a time.

Responsible for: those. Never: knows a table but the one that counts changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

import sqlalchemy as sa

from novate.errors import ConfigError
from novate.identity.store import database


def meta_table(name: str, tables: sa.MetaData) -> sa.Table:
    """The table that holds a book's version and counts its changes."""
    return sa.Table(
        name, tables, sa.Column("version", sa.Integer, primary_key=True), sa.Column("changes", sa.BigInteger, nullable=False)
    )  # fmt: skip


class HomeBook:
    """A book of one venue. Any thread. A subclass says which file, which tables, and of which version."""

    FILE: ClassVar[str]
    VERSION: ClassVar[int] = 1
    META: ClassVar[sa.Table]
    """Of `meta_table`; its metadata has the book's other tables too."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, home: Path) -> Self:
        """Opens or makes the file in a home. Raises ConfigError for one of a later release."""
        meta = cls.META
        engine = database(home / cls.FILE, meta.metadata)
        with engine.begin() as connection:
            connection.execute(
                sa.insert(meta).prefix_with("OR IGNORE").values(version=cls.VERSION, changes=0)
            )
            version = int(connection.execute(sa.select(sa.func.max(meta.c.version))).scalar_one())
        if version > cls.VERSION:
            engine.dispose()
            raise ConfigError(
                f"{home / cls.FILE} has version {version}; this release knows {cls.VERSION}.", file=cls.FILE
            )
        return cls(engine)

    def close(self) -> None:
        """Closes the file."""
        self._engine.dispose()

    @contextmanager
    def _change(self) -> Iterator[tuple[sa.Connection, int]]:
        """One transaction and the number of its change; writing that first serialises it with all others."""
        meta = self.META
        with self._engine.begin() as connection:
            connection.execute(meta.update().values(changes=meta.c.changes + 1))
            yield connection, int(connection.execute(sa.select(sa.func.max(meta.c.changes))).scalar_one())
