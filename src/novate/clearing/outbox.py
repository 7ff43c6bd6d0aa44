"""The outbox on disk: how far the venue was heard, orders for brokers, and words that are to become commands.

    HOME/clearing/outbox.db     SQLite in WAL mode, every transaction on disk before it counts
    HOME/clearing/raw/          brokers' messages as they came, by hash

Responsible for: one transaction per step. What an event asks for and the place behind it are one; so are a report, its raw message's hash and
the cursor at its broker; so are a word's end and its order's next state. A word that came twice is kept once (its broker's key). What is over
is forgotten after a stated time. Never: sends, or knows what a word means beyond the life of its order.

Any thread; one process a home writes orders (`lock`), others may leave words.
"""

# ruff: noqa: S608 - what is put into a statement are names that stand in this file
from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from novate.broker import Accepted, Filled, Heard, LineLost, LineUp, NewOrder
from novate.clearing.life import AWAY, OPEN, Event, State, after
from novate.clearing.words import Word, kept, order_of, word_of
from novate.errors import DataError
from novate.journal.log import HomeLock
from novate.prices.archive import RawArchive

FOLDER: Final = "clearing"
FILE: Final = "outbox.db"
VENUE: Final = 0
"""Instead of a broker: the venue's own words."""
_VERSION: Final = 1
_SCHEMA: Final = """
create table place (
    one integer primary key check (one = 1), journal blob not null, sequence integer not null, salt integer not null);
create table orders (
    id text primary key, number integer not null unique, broker integer not null, state text not null, body blob not null,
    request integer not null, purpose integer not null, token integer not null, underlying integer not null,
    sends integer not null default 0, asked integer not null default 0, asks integer not null default 0,
    unwanted integer not null default 0, cancels integer not null default 0, cancelling integer not null default 0,
    broker_order text not null default '', shares integer not null default 0, raised_ns integer not null, changed_ns integer not null);
create index orders_by_state on orders (state, broker);
create table words (
    row integer primary key autoincrement, broker integer not null, key text not null, body blob not null, raw blob not null,
    heard_ns integer not null, state text not null default 'kept', code integer not null default 0, tries integer not null default 0);
create unique index words_once on words (broker, key) where key != '';
create index words_by_state on words (state, row);
create table lines (broker integer primary key, cursor text not null, up integer not null, changed_ns integer not null);
create table conversions (
    conversion integer primary key, asset integer not null, broker integer not null, to_dollars integer not null, amount integer not null,
    state text not null, changed_ns integer not null);
create table executions (
    broker integer not null, execution text not null, id text not null, heard_ns integer not null, primary key (broker, execution)) without rowid;
create table overdue (execution integer primary key, number integer not null, broker integer not null, since_ns integer not null);
create table requests (request integer primary key, kind integer not null, account text not null, token integer not null, amount integer not null);
"""


class Place(NamedTuple):
    """How far the venue was heard."""

    journal: bytes
    """SHA-256 of the journal's first commands; empty before it was first heard."""
    sequence: int
    """The last command whose events are in here."""
    salt: int
    """Tells the requests of this outbox from those of others: the upper half of a request's number."""


class Order(NamedTuple):
    """An order and where it stands."""

    id: str
    number: int
    """The engine's."""
    broker: int
    state: State
    said: NewOrder
    request: int
    purpose: int
    token: int
    underlying: int
    sends: int
    """How often it was handed over."""
    asked: bool
    """Whether the broker was asked about it since the last time."""
    asks: int
    unwanted: bool
    """Whether its end is wanted."""
    cancels: int
    cancelling: bool
    """Whether its end was asked for on the line that stands."""
    broker_order: str
    shares: int
    """Shares filled so far."""
    raised_ns: int
    changed_ns: int


class Kept(NamedTuple):
    """A word that waits."""

    row: int
    broker: int
    word: Word
    heard_ns: int
    state: str
    """`kept`; `telling` once it may have been told and must not be told again unseen; `refused` when the engine did not take it."""
    tries: int


class Conversion(NamedTuple):
    """A conversion on its way."""

    conversion: int
    asset: int
    broker: int
    to_dollars: int
    amount: int
    state: str
    """`asked`, `sent` or `ended`."""
    changed_ns: int


_ORDER_COLUMNS: Final = (
    "id, number, broker, state, body, request, purpose, token, underlying, sends, asked, asks, unwanted, cancels, cancelling, "
    "broker_order, shares, raised_ns, changed_ns"
)
_WORD_COLUMNS: Final = "row, broker, body, heard_ns, state, tries"


class Outbox:
    """The outbox of a home. Raises DataError for a file of another version, or none at all.

    `salt` tells its requests from those of others, below 2^31; drawn for a new file where it is 0, stated where runs must be the same.
    """

    def __init__(self, home: Path | str, *, salt: int = 0) -> None:
        folder = Path(home) / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / FILE
        self._guard = threading.RLock()
        self._lock = HomeLock(folder)
        self._raw = RawArchive(folder / "raw")
        try:
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            with self._transaction():
                version = self._db.execute("pragma user_version").fetchone()[0]
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(
                        "insert into place values (1, x'', 0, ?)", (salt or 1 + secrets.randbelow(2**31 - 2),)
                    )
                    self._db.execute(f"pragma user_version = {_VERSION}")
        except sqlite3.Error as error:
            raise DataError(f"{self.path} can't be used: {error}.", file=str(self.path)) from error
        if version not in (0, _VERSION):
            raise DataError(
                f"{self.path} is of version {version}; this release reads {_VERSION}.", file=str(self.path)
            )

    def lock(self) -> None:
        """Takes the home for this process: one sends its orders. Raises JournalLocked."""
        self._lock.acquire()

    # --- how far the venue was heard -----------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """How far the venue was heard."""
        with self._guard:
            return Place(*self._db.execute("select journal, sequence, salt from place").fetchone())

    @contextmanager
    def heard_until(self, sequence: int, journal: bytes | None = None) -> Iterator[None]:
        """What is kept inside is one transaction with the place: events up to command `sequence` were heard."""
        with self._transaction():
            yield
            self._db.execute("update place set sequence = ?", (sequence,))
            if journal is not None:
                self._db.execute("update place set journal = ?", (journal,))

    def begin_anew(self, once: tuple[type, ...]) -> None:
        """Takes all that is here as what was true in the past, of which nobody saw what followed; the same again changes nothing.

        An order that might still leave may be at its broker; a word of `once` that waits may have been told, and waits for a person; how
        far the venue was heard is forgotten.
        """
        with self._transaction():
            self._db.execute(
                "update orders set state = ?, asked = 0 where state in (?, ?)",
                (State.WORKING, State.WAITING, State.LEAVING),
            )
            waiting = self._db.execute(
                "select row, body from words where state in ('kept', 'telling')"
            ).fetchall()
            told = [(row,) for row, body in waiting if isinstance(word_of(body), once)]
            self._db.executemany("update words set state = 'refused', code = 0 where row = ?", told)
            self._db.execute("update place set journal = x'', sequence = 0")

    # --- orders ----------------------------------------------------------------------------------------------------------

    def add_order(
        self, said: NewOrder, number: int, broker: int, *, request: int, purpose: int, token: int, underlying: int, now_ns: int,
        state: State = State.WAITING,
    ) -> None:  # fmt: skip
        """Keeps an order that the engine raised; one that is here stays as it is. Inside `heard_until`."""
        self._db.execute(
            "insert into orders (id, number, broker, state, body, request, purpose, token, underlying, raised_ns, changed_ns) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
            (
                said.order,
                number,
                broker,
                state,
                kept(said),
                request,
                purpose,
                token,
                underlying,
                now_ns,
                now_ns,
            ),
        )

    def unwant(self, number: int) -> None:
        """The engine wants an order ended. Inside `heard_until`."""
        self._db.execute("update orders set unwanted = 1 where number = ?", (number,))

    def order(self, order: str) -> Order | None:
        """An order by its id."""
        with self._guard:
            row = self._db.execute(f"select {_ORDER_COLUMNS} from orders where id = ?", (order,)).fetchone()
        return _order(row) if row else None

    def orders(self, states: Iterable[State] = OPEN, broker: int | None = None) -> list[Order]:
        """Orders in these states, in the order in which they were raised."""
        wanted = [str(state) for state in states]
        marks = ",".join("?" * len(wanted))
        return self._orders(
            f"state in ({marks}) and (? is null or broker = ?) order by number", *wanted, broker, broker
        )

    def newest(self, states: Iterable[State], most: int) -> list[Order]:
        """The last orders in these states that were raised, newest first."""
        wanted = [str(state) for state in states]
        marks = ",".join("?" * len(wanted))
        return self._orders(f"state in ({marks}) order by number desc limit ?", *wanted, most)

    def questionable(self) -> list[Order]:
        """Orders at brokers of which something may have to be asked: those not acknowledged, and those whose end is wanted."""
        marks = ",".join("?" * len(AWAY))
        return self._orders(
            f"state in ({marks}) and (state = ? and asked = 0 or unwanted and not cancelling) order by number",
            *AWAY,
            State.LEAVING,
        )

    def _orders(self, where: str, *values: object) -> list[Order]:
        with self._guard:
            rows = self._db.execute(f"select {_ORDER_COLUMNS} from orders where {where}", values).fetchall()
        return [_order(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many orders are in each state."""
        with self._guard:
            return dict(self._db.execute("select state, count(*) from orders group by state"))

    def hand_over(self, order: Order, now_ns: int) -> None:
        """Keeps that an order may leave from now on. What was asked about it before counts no more."""
        self._step(order, Event.HAND_OVER, now_ns, "sends = sends + 1, asked = 0")

    def not_left(self, order: Order, now_ns: int) -> None:
        """It did not."""
        self._step(order, Event.NOT_LEFT, now_ns)

    def asking(self, order: Order) -> None:
        """Keeps that the broker is asked about an order."""
        with self._transaction():
            self._db.execute("update orders set asked = 1, asks = asks + 1 where id = ?", (order.id,))

    def cancelling(self, order: Order) -> None:
        """Keeps that the broker is asked to end an order."""
        with self._transaction():
            self._db.execute(
                "update orders set cancelling = 1, cancels = cancels + 1 where id = ?", (order.id,)
            )

    def not_asked(self, order: Order) -> None:
        """Neither question left: they are due again."""
        with self._transaction():
            self._db.execute(
                "update orders set asked = ?, cancelling = ? where id = ?",
                (order.asked, order.cancelling, order.id),
            )

    def give_back(self, order: Order, word: Word, now_ns: int) -> None:
        """An order that never left goes back to the engine: `word` is to be told."""
        with self._transaction():
            self._move(order.id, after(order.state, Event.GIVE_BACK), now_ns)
            self._add_word(VENUE, f"returned:{order.id}", word, b"", now_ns)

    def _step(self, order: Order, event: Event, now_ns: int, also: str = "") -> None:
        with self._transaction():
            self._move(order.id, after(order.state, event), now_ns, also)

    def _move(self, order: str, state: State, now_ns: int, also: str = "") -> None:
        more = f", {also}" if also else ""
        self._db.execute(
            f"update orders set state = ?, changed_ns = ?{more} where id = ?", (state, now_ns, order)
        )

    # --- words -----------------------------------------------------------------------------------------------------------

    def hear(self, broker: int, heard: Heard) -> bool:
        """Keeps a broker's report with its raw message and the cursor behind it; False where it was kept before."""
        with self._guard:
            digest = b""
            if heard.raw:
                digest = self._raw.append(str(broker), heard.at_ns, heard.raw)
                self._raw.sync()
            with self._transaction():
                new = self._add_word(broker, heard.key, heard.report, digest, heard.at_ns)
                if new:
                    self._note(broker, heard.report, heard.at_ns)
                line = isinstance(heard.report, LineUp | LineLost)
                if line:
                    up = int(isinstance(heard.report, LineUp))
                    self._db.execute(
                        "insert into lines values (?1, '', ?2, ?3) on conflict do update set up = ?2, changed_ns = ?3",
                        (broker, up, heard.at_ns),
                    )
                    self._db.execute("update orders set cancelling = 0 where broker = ?", (broker,))
                if heard.cursor:
                    self._db.execute(
                        "insert into lines values (?1, ?2, 0, ?3) on conflict do update set cursor = ?2",
                        (broker, heard.cursor, heard.at_ns),
                    )
            return new

    def say(self, key: str, word: Word, now_ns: int, broker: int = VENUE) -> bool:
        """Keeps a word of the venue's own, or a person's; False where one with this key is here."""
        with self._transaction():
            return self._add_word(broker, key, word, b"", now_ns)

    def make_room(self, key: str, broker: int = VENUE) -> None:
        """Puts a word that the engine refused away: a person says under its key what was meant. One that may have been taken stays."""
        with self._transaction():
            self._db.execute(
                "update words set key = '', state = 'done' where broker = ? and key = ? and state = 'refused' and code != 0",
                (broker, key),
            )

    def _add_word(self, broker: int, key: str, word: Word, raw: bytes, now_ns: int) -> bool:
        done = self._db.execute(
            "insert into words (broker, key, body, raw, heard_ns) values (?, ?, ?, ?, ?) on conflict do nothing",
            (broker, key, kept(word), raw, now_ns),
        )
        return done.rowcount == 1

    def waiting(self, limit: int = 100) -> list[Kept]:
        """Words that are to be told, in the order in which they came."""
        with self._guard:
            rows = self._db.execute(
                f"select {_WORD_COLUMNS} from words where state in ('kept', 'telling') order by row limit ?", (limit,)
            ).fetchall()  # fmt: skip
        return [
            Kept(row, broker, word_of(body), at, state, tries) for row, broker, body, at, state, tries in rows
        ]

    def refused(self, limit: int = 100) -> list[tuple[Kept, int]]:
        """Words that the engine did not take, newest first, and the number of its refusal; 0 where it could not even be told."""
        with self._guard:
            rows = self._db.execute(
                f"select {_WORD_COLUMNS}, code from words where state = 'refused' order by row desc limit ?", (limit,)
            ).fetchall()  # fmt: skip
        return [
            (Kept(row, broker, word_of(body), at, state, tries), code)
            for row, broker, body, at, state, tries, code in rows
        ]

    def word(self, row: int) -> Word | None:
        """A word by its row, whatever became of it; None where it is forgotten."""
        with self._guard:
            found = self._db.execute("select body from words where row = ?", (row,)).fetchone()
        return word_of(found[0]) if found else None

    def telling(self, rows: Iterable[int]) -> None:
        """Keeps that these words may have been told from now on."""
        with self._transaction():
            self._db.executemany("update words set state = 'telling' where row = ?", [(row,) for row in rows])

    def proven(self, row: int) -> None:
        """The journal holds a word that must not be told twice: it is done. Inside `heard_until`.

        A word that may be told again stays: the engine's answer to it is what moves its order on.
        """
        self._db.execute("update words set state = 'done' where row = ? and state = 'telling'", (row,))

    def over(
        self, done: Mapping[int, int], refused: Mapping[int, int], steps: Iterable[tuple[str, Event]], more: Iterable[tuple[str, Word]],
        now_ns: int,
    ) -> None:  # fmt: skip
        """Words that were told and what the engine said to each (0: it took it), their orders' next state, and words that follow, by key."""
        with self._transaction():
            for state, rows in (("done", done), ("refused", refused)):
                self._db.executemany(
                    "update words set state = ?, code = ?, tries = tries + 1 where row = ?",
                    [(state, code, row) for row, code in rows.items()],
                )
            for order, event in steps:
                self._follow(order, event, now_ns)
            for key, word in more:
                self._add_word(VENUE, key, word, b"", now_ns)

    def again(self, row: int) -> bool:
        """A refused word is to be told once more; False where there is none."""
        with self._transaction():
            done = self._db.execute(
                "update words set state = 'kept' where row = ? and state = 'refused'", (row,)
            )
            return done.rowcount == 1

    def _note(self, broker: int, word: Word, now_ns: int) -> None:
        """What a person sees of an order, and to which order an execution belongs; with the report itself, once."""
        if isinstance(word, Accepted):
            self._db.execute(
                "update orders set broker_order = ? where id = ? and broker = ?",
                (word.broker_order, word.order, broker),
            )
        elif isinstance(word, Filled):
            new = self._db.execute(
                "insert into executions values (?, ?, ?, ?) on conflict do nothing",
                (broker, word.execution, word.order, now_ns),
            )
            if new.rowcount:
                self._db.execute(
                    "update orders set shares = shares + ? where id = ? and broker = ?",
                    (word.shares, word.order, broker),
                )

    def order_of_execution(self, broker: int, execution: str) -> Order | None:
        """The order of an execution; None where none was heard of."""
        with self._guard:
            row = self._db.execute(
                "select id from executions where broker = ? and execution = ?", (broker, execution)
            ).fetchone()
        return self.order(row[0]) if row else None

    def _follow(self, order: str, event: Event, now_ns: int) -> None:
        row = self._db.execute("select state, asked from orders where id = ?", (order,)).fetchone()
        if row is None or (event is Event.NOT_KNOWN and not row[1]):
            return  # an answer to a question that was asked before it was handed over again
        state = after(State(row[0]), event)
        # The engine gave its work to somebody else, or nobody wants it any more: what lives at the broker is to be ended.
        stray = row[0] == State.RETURNED and state is State.WORKING
        self._move(order, state, now_ns, "unwanted = 1" if stray else "")

    # --- lines -----------------------------------------------------------------------------------------------------------

    def cursor(self, broker: int) -> str:
        """Where to go on at a broker."""
        with self._guard:
            row = self._db.execute("select cursor from lines where broker = ?", (broker,)).fetchone()
        return str(row[0]) if row else ""

    def no_lines(self) -> None:
        """At a start no line stands, whatever was heard last."""
        with self._transaction():
            self._db.execute("update lines set up = 0")

    def miss_line(self, broker: int, lost: LineLost, now_ns: int) -> bool:
        """Keeps that a line is lost; False where it stands, or where a word of it waits: that one says what is so."""
        with self._transaction():
            up = self._db.execute("select 1 from lines where broker = ? and up", (broker,)).fetchone()
            waits = self._db.execute(
                "select body from words where broker = ? and state in ('kept', 'telling')", (broker,)
            ).fetchall()
            if up or any(isinstance(word_of(body), LineUp | LineLost) for (body,) in waits):
                return False
            return self._add_word(broker, "", lost, b"", now_ns)

    def lines(self) -> dict[int, bool]:
        """Which line stood, as was heard last."""
        with self._guard:
            return {row[0]: bool(row[1]) for row in self._db.execute("select broker, up from lines")}

    # --- conversions and requests ----------------------------------------------------------------------------------------

    def add_conversion(
        self, conversion: int, asset: int, broker: int, to_dollars: int, amount: int, now_ns: int
    ) -> None:
        """Keeps a conversion that the engine began. Inside `heard_until`."""
        self._db.execute(
            "insert into conversions values (?, ?, ?, ?, ?, 'asked', ?) on conflict do nothing",
            (conversion, asset, broker, to_dollars, amount, now_ns),
        )

    def move_conversion(self, conversion: int, state: str, now_ns: int) -> None:
        """A conversion went on. Alone, or inside `heard_until`."""
        with self._transaction():
            self._db.execute(
                "update conversions set state = ?, changed_ns = ? where conversion = ?",
                (state, now_ns, conversion),
            )

    def conversions(self, *states: str) -> list[Conversion]:
        """Conversions in these states (all that are not over where none is named), oldest first."""
        wanted = states or ("asked", "sent")
        with self._guard:
            rows = self._db.execute(
                f"select conversion, asset, broker, to_dollars, amount, state, changed_ns from conversions "
                f"where state in ({','.join('?' * len(wanted))}) order by conversion",
                wanted,
            ).fetchall()
        return [Conversion(*row) for row in rows]

    def knows_conversion(self, conversion: int) -> bool:
        """Whether the engine ever began this conversion, as far as is remembered."""
        with self._guard:
            found = self._db.execute(
                "select 1 from conversions where conversion = ?", (conversion,)
            ).fetchone()
        return found is not None

    def add_request(self, request: int, kind: int, account: int, token: int, amount: int) -> None:
        """Keeps what kind a request is. Inside `heard_until`."""
        self._db.execute(
            "insert into requests values (?, ?, ?, ?, ?) on conflict do nothing",
            (request, kind, str(account), token, amount),
        )

    def request_kind(self, request: int) -> int | None:
        """What kind a request is; None where it is not known."""
        with self._guard:
            row = self._db.execute("select kind from requests where request = ?", (request,)).fetchone()
        return row[0] if row else None

    def requests(self, *kinds: int) -> list[tuple[int, int, int, int, int]]:
        """Requests of these kinds that are not over: number, kind, account, token, amount."""
        with self._guard:
            rows = self._db.execute(
                f"select request, kind, account, token, amount from requests where kind in ({','.join('?' * len(kinds))}) order by request",
                kinds,
            ).fetchall()
        return [(row[0], row[1], int(row[2]), row[3], row[4]) for row in rows]

    def add_overdue(self, execution: int, number: int, broker: int, now_ns: int) -> None:
        """Keeps that an execution (the venue's number) is past its settlement day without a report. Inside `heard_until`."""
        self._db.execute(
            "insert into overdue values (?, ?, ?, ?) on conflict do nothing",
            (execution, number, broker, now_ns),
        )

    def end_overdue(self, execution: int) -> None:
        """It settled, or the venue carries it. Inside `heard_until`."""
        self._db.execute("delete from overdue where execution = ?", (execution,))

    def overdue(self) -> list[tuple[int, int, int, int]]:
        """Executions that are overdue: the venue's number, its order's, the broker, since when."""
        with self._guard:
            return self._db.execute(
                "select execution, number, broker, since_ns from overdue order by execution"
            ).fetchall()

    def end_request(self, request: int) -> None:
        """A request is over. Inside `heard_until`."""
        self._db.execute("delete from requests where request = ?", (request,))

    # --- keeping it small ------------------------------------------------------------------------------------------------

    def forget(self, before_ns: int, most: int = 1_000) -> int:
        """Forgets what was over before a time, at most so many rows of each; returns how many. Words of open orders stay."""
        with self._transaction():
            gone = 0
            for table, where, column in (
                ("words", "state = 'done'", "heard_ns"),
                ("orders", f"state in ('{State.DONE}', '{State.RETURNED}')", "changed_ns"),
                ("conversions", "state = 'ended'", "changed_ns"),
            ):
                gone += self._db.execute(
                    f"delete from {table} where rowid in (select rowid from {table} where {where} and {column} < ? limit ?)",
                    (before_ns, most),
                ).rowcount
            gone += self._db.execute(
                "delete from executions where heard_ns < ? and id not in (select id from orders)",
                (before_ns,),
            ).rowcount
        return gone

    def values(self) -> dict[str, object]:
        """For health: every state of an open order has its count, none included."""
        counts = self.counts()
        with self._guard:
            words = dict(
                self._db.execute("select state, count(*) from words where state != 'done' group by state")
            )
        return {
            "sequence": self.place.sequence,
            "orders": {state.value: counts.get(state, 0) for state in State if state in OPEN},
            "words": {
                "waiting": words.get("kept", 0) + words.get("telling", 0),
                "refused": words.get("refused", 0),
            },
            "overdue": len(self.overdue()),
            "away": sum(counts.get(state, 0) for state in AWAY),
        }

    def close(self) -> None:
        """Closes the files and gives the home back."""
        with self._guard:
            self._raw.close()
            self._db.close()
            self._lock.release()

    @contextmanager
    def within(self) -> Iterator[sqlite3.Connection]:
        """What is asked and kept inside is one transaction, tables that stand beside these included; inside another one it is a part of that."""
        with self._transaction():
            yield self._db

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; inside another one it is a part of that."""
        with self._guard:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                self._db.rollback()  # nothing, where an error of the disk ended it already
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _order(row: tuple) -> Order:  # type: ignore[type-arg]
    identity, number, broker, state, body, *rest = row
    request, purpose, token, underlying, sends, asked, asks, unwanted, cancels, cancelling, *tail = rest
    return Order(
        identity, number, broker, State(state), order_of(body), request, purpose, token, underlying, sends, bool(asked), asks,
        bool(unwanted), cancels, bool(cancelling), *tail,
    )  # fmt: skip
