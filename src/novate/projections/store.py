"""The database of the read models: opened, brought to the present schema, loaded, written.

    with Store.open("sqlite:///projections.db") as store:
        run = store.load(journal)
        ...                                     # fold events into run
        store.write(run)                        # rows and log position in one transaction

Responsible for: exactly once. The log position moves in the transaction that writes the rows, and only from where it was loaded: a second
writer is refused. Never folds an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, make_url, select

from novate.errors import NovateError
from novate.projections import migrate, schema
from novate.projections.listing import Asset, Market, Underlying
from novate.projections.running import Batch, Row, Running
from novate.projections.trading import OrderStatus

_OPEN: Final = (int(OrderStatus.OPEN), int(OrderStatus.WAITING))
_MOST: Final = 2**63 - 1
_QUIET_COMMANDS: Final = 100_000
"""So many commands without a transaction are enough, few rows or not: a restart would fold them again."""
_IDS: Final = frozenset({"account", "counterparty", "reference", "order_id", "trade"})


class ProjectionMoved(NovateError):
    """Another process wrote to the read models; this one's rows were not written."""

    code = "projection_moved"


class OtherJournal(NovateError):
    """The database holds the rows of another journal."""

    code = "other_journal"


class DatabaseUnknown(NovateError):
    """The URL names a database that read models are not written to."""

    code = "database_unknown"

    SUPPORTED: ClassVar[tuple[str, ...]] = ("sqlite", "postgresql")


def signed(number: int) -> int:
    """An unsigned 64-bit id as the signed column holds it."""
    return number - 2**64 if number > _MOST else number


def unsigned(number: int) -> int:
    """And back."""
    return number + 2**64 if number < 0 else number


def connect(url: str) -> Engine:
    """An engine for readers and for the writer. SQLite is put into WAL mode, so that readers never wait for the writer."""
    backend = make_url(url).get_backend_name()
    if backend not in DatabaseUnknown.SUPPORTED:
        raise DatabaseUnknown(f"Read models are kept in SQLite or PostgreSQL, not in {backend}.")
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A power cut may take the last transactions with it, never a part of one; what is lost is folded again.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


class Store:
    """One writer's connection."""

    def __init__(self, engine: Engine, connection: Connection) -> None:
        self.engine = engine
        self.connection = connection
        self._postgres = engine.dialect.name == "postgresql"
        self._staged: set[str] = set()
        self._sequence = 0

    @classmethod
    def open(cls, url: str) -> Self:
        """Connects and brings the schema to the present. Raises DatabaseUnknown; sqlalchemy.exc.SQLAlchemyError when it is not there."""
        engine = connect(url)
        migrate.upgrade(engine)
        return cls(engine, engine.connect())

    def close(self) -> None:
        """Ends the connection; what was not written is not there."""
        self.connection.close()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- loading -------------------------------------------------------------------------------------------------------

    def load(self, journal: bytes) -> Running:
        """The state behind the rows, to go on from; `journal` is SHA-256 of its first frame. Raises OtherJournal."""
        run = Running()
        known = self._all(schema.position)
        if known:
            _, run.sequence, run.time_ns, run.next_sample_ns, written = known[0]
            if bytes(written) != journal:
                raise OtherJournal(
                    "The read models are those of another journal; give them another database."
                )
        else:
            self.connection.execute(
                schema.position.insert().values(
                    id=1, sequence=0, time_ns=0, next_sample_ns=0, journal=journal
                )
            )
        self._sequence = run.sequence
        self._load_listing(run)
        for row in self._all(schema.accounts):
            run.accounts[unsigned(row[0])] = [unsigned(row[0]), *row[1:]]
        for account, asset, market, amount, owed in self._all(schema.holdings):
            run.holding[unsigned(account), asset, market] = [amount, owed]
        live = select(schema.orders).where(schema.orders.c.status.in_(_OPEN))
        for order in self.connection.execute(live):
            values = list(order)
            values[0], values[1], values[15] = unsigned(order[0]), unsigned(order[1]), bytes(order[15])
            run.orders[values[0]] = values
        for request in self._all(schema.requests):
            run.requests[request[0]] = [request[0], unsigned(request[1]), *request[2:]]
        self._load_candles(run)
        still = select(schema.notices).where(
            schema.notices.c.resolved_ns == 0, schema.notices.c.subject != ""
        )
        run.notices = {row.subject: list(row) for row in self.connection.execute(still)}
        self.connection.commit()
        return run

    def _all(self, table: Table) -> Sequence[Any]:
        """By key: a database gives rows in any order, and what goes on from them must go on alike."""
        return self.connection.execute(select(table).order_by(*table.primary_key.columns)).fetchall()

    def _load_listing(self, run: Running) -> None:
        listing = run.listing
        for *row, cash in self._all(schema.assets):
            listing.assets[row[0]] = Asset(*row)
            if cash:
                listing.cash[row[0]] = cash
        for *row, last in self._all(schema.markets):
            listing.markets[row[0]] = Market(*row)
            run.last_trade[row[0]] = last
        for *row, index in self._all(schema.underlyings):
            listing.underlyings[row[0]] = Underlying(*row)
            listing.index[row[0]] = index

    def _load_candles(self, run: Running) -> None:
        c = schema.candles.c
        last = (
            select(c.market, c.interval_s, func.max(c.start_ns).label("start"))
            .group_by(c.market, c.interval_s)
            .subquery()
        )
        both = schema.candles.join(
            last,
            (c.market == last.c.market) & (c.interval_s == last.c.interval_s) & (c.start_ns == last.c.start),
        )
        for row in self.connection.execute(select(schema.candles).select_from(both)):
            run.candles[row[0], row[1]] = list(row)

    # --- writing -------------------------------------------------------------------------------------------------------

    def write(self, run: Running) -> int:
        """The batch of `run` and its log position, in one transaction; returns how many rows. Raises ProjectionMoved."""
        batch = run.take_batch()
        position = schema.position
        moved = self.connection.execute(
            position.update()
            .where(position.c.id == 1, position.c.sequence == self._sequence)
            .values(sequence=run.sequence, time_ns=run.time_ns, next_sample_ns=run.next_sample_ns)
        )
        if moved.rowcount != 1:
            self.connection.rollback()
            raise ProjectionMoved("Another projector has written to these read models.")
        count = 0
        for name, rows in batch.appended.items():
            if rows:
                self._append(schema.metadata.tables[name], rows)
                count += len(rows)
        for table, rows in _current(run, batch):
            if rows:
                self._upsert(table, rows)
                count += len(rows)
        self.connection.commit()
        self._sequence = run.sequence
        return count

    def due(self, run: Running, rows: int) -> bool:
        """Whether it is time to write: about so many rows wait, or many commands that made none."""
        return run.batch.size >= rows or run.sequence - self._sequence >= _QUIET_COMMANDS

    def clear(self) -> None:
        """Removes every row, the position included: what follows is a rebuild."""
        for table in reversed(schema.metadata.sorted_tables):
            self.connection.execute(table.delete())
        self.connection.commit()

    def _append(self, table: Table, rows: list[Row]) -> None:
        rows = _fitted(table, rows)
        cursor = self.connection.connection.cursor()
        if self._postgres:
            _copy(cursor, table.name, rows)
        else:
            cursor.executemany(_insert(table, "INSERT"), rows)
        cursor.close()

    def _upsert(self, table: Table, rows: list[Row]) -> None:
        rows = _fitted(table, rows)
        cursor = self.connection.connection.cursor()
        if not self._postgres:
            cursor.executemany(_insert(table, "INSERT OR REPLACE"), rows)
        else:
            staged = f"staged_{table.name}"
            if staged not in self._staged:
                cursor.execute(
                    f"CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table.name}) ON COMMIT DELETE ROWS"
                )
                self._staged.add(staged)
            _copy(cursor, staged, rows)
            keys = [column.name for column in table.primary_key.columns]
            rest = [column.name for column in table.columns if column.name not in keys]
            changes = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
            taken = f"INSERT INTO {table.name} SELECT * FROM {staged}"  # noqa: S608 - names of this package's tables alone
            cursor.execute(f"{taken} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}")
        cursor.close()


def _current(run: Running, batch: Batch) -> Iterable[tuple[Table, list[Row]]]:
    yield schema.accounts, [tuple(run.accounts[account]) for account in sorted(batch.accounts)]
    yield schema.holdings, [(*key, *run.holding[key]) for key in sorted(batch.holdings)]
    yield schema.orders, [tuple(batch.orders[order]) for order in sorted(batch.orders)]
    yield schema.requests, [tuple(batch.requests[number]) for number in sorted(batch.requests)]
    yield schema.notices, [tuple(batch.notices[key]) for key in sorted(batch.notices)]
    yield schema.candles, [tuple(batch.candles[key]) for key in sorted(batch.candles)]
    if batch.listing or batch.candles:
        listing = run.listing
        yield schema.assets, [(*a, listing.cash.get(a.asset, 0)) for a in listing.assets.values()]
        yield schema.markets, [(*m, run.last_trade.get(m.market, 0)) for m in listing.markets.values()]
        yield (
            schema.underlyings,
            [(*u, listing.index.get(u.underlying, 0)) for u in listing.underlyings.values()],
        )


def _insert(table: Table, verb: str) -> str:
    return f"{verb} INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"


def _fitted(table: Table, rows: list[Row]) -> list[Row]:
    """Rows whose unsigned ids fit signed columns; the rows themselves where they do already."""
    places = [n for n, column in enumerate(table.columns) if column.name in _IDS]
    if not any(row[n] > _MOST for n in places for row in rows):
        return rows
    return [tuple(signed(v) if n in places else v for n, v in enumerate(row)) for row in rows]


def _copy(cursor: Any, name: str, rows: list[Row]) -> None:
    with cursor.copy(f"COPY {name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
