"""The orders of one FIX session on disk: what FIX asks to be repeated and the port does not carry.

A cancel names the order's symbol and side, and the id it works under now; a correction names an execution that may itself be one. Both sides of a
session keep this book: the venue's, and the simulated exchange's.

Responsible for: orders, ids and fills kept before they are told or said; messages that could not be taken; one process per session. Never:
decides anything, or knows QuickFIX.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from novate.broker.port import Filled, NewOrder
from novate.errors import DataError

_VERSION: Final = 1
_SAID: Final = 65_536
"""Messages that are known by their numbers: a broker refuses one soon or not at all."""
_SCHEMA: Final = """
create table orders (id text primary key, ended integer not null, body blob not null);
create index orders_open on orders (ended) where ended = 0;
create table fills (
    seq integer primary key autoincrement, execution text not null unique, order_id text not null, body blob not null,
    shares integer not null, price integer not null);
create index fills_of_order on fills (order_id, seq);
create table corrections (execution text primary key, first text not null);
create table said (epoch text not null, seq integer not null, kind text not null, id text not null, primary key (epoch, seq));
create table refused (
    seq integer primary key autoincrement, at_ns integer not null, why text not null, raw blob not null);
create table facts (name text primary key, value text not null);
"""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the session knows it.

    Attributes:
        asked: What was asked for.
        shares: What it was said to be for, now; 0 where dollars alone limit it.
        limit: Its limit now.
        works_as: The id under which the other side knows it now: its own, or that of the last replace that was taken.
        broker_order: The broker's id of it.
        said: How often it was said to the broker.
        known: Whether the broker ever answered it.
        ended: Whether nothing more is traded for it.
        cancelling: The id of the last cancel that was asked for; empty once it was answered.
        replacing: The id of the last replace that was asked for; empty once it was answered.
        asked_end: Whether it ended because the venue asked for it.
        done: Shares traded, on the exchange's side.
        value: What they were traded for, in 1e-18 dollars, as text: more than 64 bits. On the exchange's side.
        status: How it stands (39), on the exchange's side.
    """

    asked: NewOrder
    shares: int
    limit: int
    works_as: str
    broker_order: str = ""
    said: int = 0
    known: bool = False
    ended: bool = False
    cancelling: str = ""
    replacing: str = ""
    asked_end: bool = False
    done: int = 0
    value: str = "0"
    status: str = "A"

    @property
    def id(self) -> str:
        """The client order id."""
        return self.asked.order


class SaidBefore(NamedTuple):
    """A message that left."""

    kind: str
    id: str


class Standing(NamedTuple):
    """A fill as it stands now."""

    order: str
    shares: int
    price: int


class Refusal(NamedTuple):
    """A message that could not be taken."""

    seq: int
    at_ns: int
    why: str
    raw: bytes


class SessionBook:
    """The file of one session. Opened by one process at a time. Raises DataError where it can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        try:
            self._db = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            with self.together():
                version = self._db.execute("pragma user_version").fetchone()[0]
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"pragma user_version = {_VERSION}")
        except sqlite3.Error as error:
            raise DataError(
                f"{path} can't be used: {error}. One process runs a FIX session.", file=str(path)
            ) from error
        if version not in (0, _VERSION):
            self._db.close()
            raise DataError(f"{path} is of version {version}; this release reads {_VERSION}.", file=str(path))

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is kept together or not at all."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("begin immediate")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("rollback")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("commit")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    # --- orders --------------------------------------------------------------------------------------------------------

    def order(self, order: str) -> Order | None:
        """An order."""
        row = self._one("select body from orders where id = ?", order)
        return msgspec.msgpack.decode(row[0], type=Order) if row else None

    def keep(self, order: Order) -> None:
        """Keeps an order as it is now."""
        with self.together():
            self._db.execute(
                "insert into orders (id, ended, body) values (?, ?, ?) "
                "on conflict (id) do update set ended = excluded.ended, body = excluded.body",
                (order.id, order.ended, msgspec.msgpack.encode(order)),
            )

    def open_orders(self) -> list[Order]:
        """Orders that may still trade."""
        with self._lock:
            rows = self._db.execute("select body from orders where ended = 0 order by id").fetchall()
        return [msgspec.msgpack.decode(row[0], type=Order) for row in rows]

    # --- fills and corrections -----------------------------------------------------------------------------------------

    def fill(self, filled: Filled) -> bool:
        """Keeps a fill; whether its execution is new."""
        with self.together():
            return (
                self._db.execute(
                    "insert or ignore into fills (execution, order_id, body, shares, price) values (?, ?, ?, ?, ?)",
                    (
                        filled.execution,
                        filled.order,
                        msgspec.msgpack.encode(filled),
                        filled.shares,
                        filled.price,
                    ),
                ).rowcount
                > 0
            )

    def filled(self, execution: str) -> Filled | None:
        """A fill by its execution."""
        row = self._one("select body from fills where execution = ?", execution)
        return msgspec.msgpack.decode(row[0], type=Filled) if row else None

    def fills(self, order: str) -> list[Filled]:
        """The fills of an order, in their order."""
        with self._lock:
            rows = self._db.execute(
                "select body from fills where order_id = ? order by seq", (order,)
            ).fetchall()
        return [msgspec.msgpack.decode(row[0], type=Filled) for row in rows]

    def stands(self, execution: str) -> Standing | None:
        """What a fill is now, after what was corrected or taken back of it."""
        row = self._one("select order_id, shares, price from fills where execution = ?", execution)
        return Standing(*row) if row else None

    def stands_at(self, execution: str, shares: int, price: int) -> None:
        """Keeps what a fill is now; 0 shares where it was taken back."""
        with self.together():
            self._db.execute(
                "update fills set shares = ?, price = ? where execution = ?", (shares, price, execution)
            )

    def traded(self, order: str) -> int:
        """Shares of an order that its fills are, as they stand now."""
        row = self._one("select coalesce(sum(shares), 0) from fills where order_id = ?", order)
        return int(row[0]) if row else 0

    def corrects(self, execution: str, corrected: str) -> str:
        """Keeps that an execution corrects another; returns the first one, which the venue knows."""
        with self.together():
            first = self.first(corrected)
            if execution != first:
                self._db.execute(
                    "insert or ignore into corrections (execution, first) values (?, ?)", (execution, first)
                )
        return first

    def first(self, execution: str) -> str:
        """The execution that this one corrects, back to the first."""
        row = self._one("select first from corrections where execution = ?", execution)
        return str(row[0]) if row else execution

    # --- messages ------------------------------------------------------------------------------------------------------

    def begins(self, epoch: str) -> None:
        """Numbers count from this beginning on; what left under others is forgotten."""
        with self.together():
            self._db.execute("delete from said where epoch <> ?", (epoch,))

    def says(self, epoch: str, seq: int, said: SaidBefore) -> None:
        """Keeps which message leaves under a number, and the latest of them only."""
        with self.together():
            self._db.execute("delete from said where epoch = ? and seq <= ?", (epoch, seq - _SAID))
            self._db.execute("insert or replace into said values (?, ?, ?, ?)", (epoch, seq, *said))

    def said(self, epoch: str, seq: int) -> SaidBefore | None:
        """Which message left under a number."""
        row = self._one("select kind, id from said where epoch = ? and seq = ?", epoch, seq)
        return SaidBefore(str(row[0]), str(row[1])) if row else None

    def refuse(self, at_ns: int, why: str, raw: bytes) -> None:
        """Keeps a message that could not be taken."""
        with self.together():
            self._db.execute("insert into refused (at_ns, why, raw) values (?, ?, ?)", (at_ns, why, raw))

    def refusals(self) -> list[Refusal]:
        """Messages that could not be taken, the first first."""
        with self._lock:
            return [
                Refusal(*row) for row in self._db.execute("select * from refused order by seq").fetchall()
            ]

    def fact(self, name: str) -> str:
        """A kept word; empty where there is none."""
        row = self._one("select value from facts where name = ?", name)
        return str(row[0]) if row else ""

    def keep_fact(self, name: str, value: str) -> None:
        """Keeps a word."""
        with self.together():
            self._db.execute("insert or replace into facts values (?, ?)", (name, value))

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        with self._lock:
            found: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
            return found
