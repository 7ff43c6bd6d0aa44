"""The book of corporate actions: what each source announced, from which file, what was chosen, and what people did about it.

HOME/corporate_actions.db. The same announcement again changes nothing; the number of a matter is the engine's id of the action.

Responsible for: what is durable, one transaction a step. Never: what an announcement is to another (`corporate_actions` says it), the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec
import sqlalchemy as sa

from novate.broker.announcements import Announcement, check
from novate.clearing.corporate_actions import Hearing, Matter, State, choose, heard, name_of, window_of
from novate.errors import ConfigError, DataError
from novate.identity.store import database

FILE: Final = "corporate_actions.db"
_VERSION: Final = 1

_ALL = sa.MetaData()
META = sa.Table("actions_meta", _ALL, sa.Column("version", sa.Integer, primary_key=True))
MATTERS = sa.Table(
    "matters", _ALL, sa.Column("number", sa.Integer, primary_key=True), sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("symbol", sa.Text, nullable=False), sa.Column("kind", sa.Text, nullable=False), sa.Column("ex_date", sa.Text, nullable=False),
    sa.Column("said", sa.LargeBinary, nullable=False), sa.Column("window_start_ns", sa.BigInteger, nullable=False),
    sa.Column("window_end_ns", sa.BigInteger, nullable=False), sa.Column("in_tokens", sa.BigInteger, nullable=False),
    sa.Index("ix_matters_of", "symbol", "kind", "ex_date"),
)  # fmt: skip
SOURCES = sa.Table(
    "sources", _ALL, sa.Column("name", sa.Text, primary_key=True), sa.Column("matter", sa.Integer, nullable=False, index=True)
)  # fmt: skip
STEPS = sa.Table(
    "action_steps", _ALL, sa.Column("number", sa.Integer, primary_key=True), sa.Column("matter", sa.Integer, nullable=False, index=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False), sa.Column("event", sa.Text, nullable=False), sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)  # fmt: skip


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A matter as it is kept.

    Attributes:
        matter: What is known.
        window: Another window than the evening before the ex-date, with which it moves; None for that.
        in_tokens: The stablecoin that pays fractions where the number of tokens changes; 0 where the multiplier does.
    """

    matter: Matter
    window: tuple[int, int] | None
    in_tokens: int

    @property
    def number(self) -> int:
        """The matter's, and the engine's id of the action."""
        return self.matter.number


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a matter."""

    at_ns: int
    event: str
    by: str
    note: str


class Imported(NamedTuple):
    """What came of one announcement."""

    number: int
    hearing: Hearing
    state: State
    announcement: Announcement


class ActionsBook:
    """The book of one venue. For one thread at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, home: Path) -> Self:
        """Opens or makes HOME/corporate_actions.db. Raises ConfigError for one of a later release."""
        engine = database(home / FILE, _ALL)
        with engine.begin() as connection:
            connection.execute(sa.insert(META).prefix_with("OR IGNORE").values(version=_VERSION))
            version = int(connection.execute(sa.select(sa.func.max(META.c.version))).scalar_one())
        if version > _VERSION:
            raise ConfigError(
                f"The book of corporate actions has version {version}; this release knows {_VERSION}."
            )
        return cls(engine)

    def close(self) -> None:
        """Closes its file."""
        self._engine.dispose()

    @contextmanager
    def _change(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    # --- what was announced --------------------------------------------------------------------------------------------

    def take(
        self, announced: Iterable[Announcement], now_ns: int, by: str, note: str = "", above: int = 0
    ) -> list[Imported]:
        """Takes announcements in, all or none; new matters get numbers above `above` too. Raises DataError for one that can't be right."""
        chosen = list(announced)
        for one in chosen:
            check(one)
        with self._change() as connection:
            return [self._take(connection, one, now_ns, by, note, above) for one in chosen]

    def _take(
        self, connection: sa.Connection, one: Announcement, now_ns: int, by: str, note: str, above: int
    ) -> Imported:
        row = _matter_of(connection, one)
        known = None if row is None else msgspec.json.decode(row.said, type=Matter)
        most = connection.execute(sa.select(sa.func.coalesce(sa.func.max(MATTERS.c.number), 0))).scalar_one()
        matter, what = heard(known, one, max(int(most), above) + 1)
        if what is Hearing.REPEATED:
            return Imported(matter.number, what, matter.state, one)
        _write(connection, matter, new=known is None)
        connection.execute(
            SOURCES.insert().prefix_with("OR REPLACE").values(name=name_of(one), matter=matter.number)
        )
        _note(connection, matter.number, now_ns, what.value, by, f"{name_of(one)} {note}".strip())
        return Imported(matter.number, what, matter.state, one)

    def choose(self, number: int, name: str, now_ns: int, by: str) -> Kept:
        """A person says which source is right. Raises DataError."""
        with self._change() as connection:
            matter = choose(_read(connection, number).matter, name)
            _write(connection, matter, new=False)
            _note(connection, number, now_ns, "chosen", by, name)
        return self.one(number)

    def arrange(self, number: int, window: tuple[int, int] | None, in_tokens: int) -> Kept:
        """States another window, or that a split renumbers tokens. Raises DataError for an unknown number."""
        start, end = window or (0, 0)
        with self._change() as connection:
            _read(connection, number)
            connection.execute(
                MATTERS.update()
                .where(MATTERS.c.number == number)
                .values(window_start_ns=start, window_end_ns=end, in_tokens=in_tokens)
            )
        return self.one(number)

    def note(self, number: int, event: str, now_ns: int, by: str, note: str) -> None:
        """Writes down what somebody did."""
        with self._change() as connection:
            _note(connection, number, now_ns, event, by, note)

    # --- reading -------------------------------------------------------------------------------------------------------

    def one(self, number: int) -> Kept:
        """A matter. Raises DataError where there is none of that number."""
        with self._engine.connect() as connection:
            return _read(connection, number)

    def all(self, since: date | None = None) -> list[Kept]:
        """Matters, soonest ex-date first; from a day on where one is given."""
        query = sa.select(MATTERS).order_by(MATTERS.c.ex_date, MATTERS.c.symbol, MATTERS.c.number)
        if since is not None:
            query = query.where(MATTERS.c.ex_date >= since.isoformat())
        with self._engine.connect() as connection:
            return [_kept(row) for row in connection.execute(query)]

    def steps(self, number: int) -> list[Step]:
        """What happened to a matter, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(STEPS).where(STEPS.c.matter == number).order_by(STEPS.c.number)
            )
            return [Step(at_ns=row.at_ns, event=row.event, by=row.by, note=row.note) for row in rows]


def _matter_of(connection: sa.Connection, one: Announcement) -> Any:
    """The matter that this source has spoken of before under its key, else that of the same company, kind and day."""
    number = connection.execute(
        sa.select(SOURCES.c.matter).where(SOURCES.c.name == name_of(one))
    ).scalar_one_or_none()
    if number is not None:
        return connection.execute(sa.select(MATTERS).where(MATTERS.c.number == number)).one()
    symbol, kind, ex_date = one.matter
    same = (
        MATTERS.c.symbol == symbol,
        MATTERS.c.kind == kind.value,
        MATTERS.c.ex_date == ex_date.isoformat(),
    )
    return connection.execute(sa.select(MATTERS).where(*same).order_by(MATTERS.c.number)).first()


def _write(connection: sa.Connection, matter: Matter, *, new: bool) -> None:
    one = matter.announcement
    values: dict[str, Any] = {
        "state": matter.state, "symbol": one.symbol, "kind": one.kind.value, "ex_date": one.ex_date.isoformat(),
        "said": msgspec.json.encode(matter),
    }  # fmt: skip
    if new:
        connection.execute(
            MATTERS.insert().values(
                number=matter.number, window_start_ns=0, window_end_ns=0, in_tokens=0, **values
            )
        )
    else:
        values |= _moved(connection, matter)
        connection.execute(MATTERS.update().where(MATTERS.c.number == matter.number).values(**values))


def _moved(connection: sa.Connection, matter: Matter) -> dict[str, int]:
    """The window that a person stated, as far from the usual evening of the new ex-date as it was from that of the old one."""
    row = connection.execute(sa.select(MATTERS).where(MATTERS.c.number == matter.number)).one()
    old, new = date.fromisoformat(row.ex_date), matter.announcement.ex_date
    if not row.window_start_ns or old == new:
        return {}
    by = window_of(new)[0] - window_of(old)[0]
    return {"window_start_ns": row.window_start_ns + by, "window_end_ns": row.window_end_ns + by}


def _read(connection: sa.Connection, number: int) -> Kept:
    row = connection.execute(sa.select(MATTERS).where(MATTERS.c.number == number)).one_or_none()
    if row is None:
        raise DataError(f"There is no corporate action {number} in the book.", action=number)
    return _kept(row)


def _kept(row: Any) -> Kept:
    window = (row.window_start_ns, row.window_end_ns) if row.window_start_ns else None
    return Kept(
        matter=msgspec.json.decode(row.said, type=Matter), window=window, in_tokens=int(row.in_tokens)
    )


def _note(connection: sa.Connection, number: int, at_ns: int, event: str, by: str, note: str) -> None:
    connection.execute(STEPS.insert().values(matter=number, at_ns=at_ns, event=event, by=by, note=note[:500]))
