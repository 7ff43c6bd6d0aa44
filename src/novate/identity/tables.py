"""The tables of the identity store, and the steps from one version of them to the next.

Responsible for: columns and versions. Never: holds a query.

Versioned statements instead of Alembic: six small tables of one owner, made in milliseconds when a home begins, on SQLite and PostgreSQL, by
whichever process is first; a migration tool needs a folder of scripts, a configuration and a third of a second for the same. A step is never
changed once released; the next one is appended to `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from novate.errors import ConfigError

_ALL = sa.MetaData()
_U64: Final = sa.BigInteger()  # ids of 64 bits stand as their two's complement

META = sa.Table(
    "identity_meta",
    _ALL,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("next_actor", sa.BigInteger, nullable=False),
)
OWNERS = sa.Table(
    "identity_owners",
    _ALL,
    sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
)
ACCOUNTS = sa.Table(
    "identity_accounts",
    _ALL,
    sa.Column("account", _U64, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.BigInteger, nullable=False, index=True),
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)
KEYS = sa.Table(
    "identity_keys",
    _ALL,
    sa.Column("actor", _U64, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.BigInteger, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("parent", _U64, nullable=False, index=True),
    sa.Column("public", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("terms", sa.LargeBinary, nullable=False),  # the rest of KeyTerms, JSON
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("revoked_ns", sa.BigInteger, nullable=False),
    sa.Column("revoked_by", sa.Text, nullable=False),
    sa.Column("revoked_why", sa.Text, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
    # Rows are never deleted, so a public key, address or secret is registered once in all time.
    sa.UniqueConstraint("public", name="identity_public_key_once"),
)
OWNER_CAPS = sa.Table(
    "identity_owner_caps",
    _ALL,
    sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order_cap_micro_usd", sa.BigInteger, nullable=False),  # 0 without limit
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)


def _first(connection: sa.Connection) -> None:
    _ALL.create_all(connection)
    connection.execute(META.insert().values(one=1, version=1, generation=0, next_actor=1))


def _second(connection: sa.Connection) -> None:
    OWNER_CAPS.create(connection, checkfirst=True)


STEPS: Final[tuple[Callable[[sa.Connection], None], ...]] = (_first, _second)
"""Step n leads from version n to n + 1. Append-only."""

_ADVISORY_LOCK: Final = 0x6E6F76617465  # of PostgreSQL: one process migrates at a time


def migrate(engine: sa.Engine) -> None:
    """Brings a database to this release's version, in one transaction. Raises ConfigError for one of a later release."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        try:
            _step_up(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise


def _step_up(connection: sa.Connection) -> None:
    version = _version(connection)
    if version > len(STEPS):
        raise ConfigError(f"The identity store has version {version}; this release knows {len(STEPS)}.")
    for step in STEPS[version:]:
        step(connection)
    if version < len(STEPS):
        connection.execute(META.update().values(version=len(STEPS)))


def _version(connection: sa.Connection) -> int:
    if not sa.inspect(connection).has_table(META.name):
        return 0
    return int(connection.execute(sa.select(META.c.version)).scalar_one())
