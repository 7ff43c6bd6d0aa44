"""A broker on paper: its whole memory is one SQLite file, so that whoever is connected to it may be killed at any moment, and a test reads it.

Responsible for: what an honest broker does with instructions (each at once), lines that are cut by a test's word, and reports that are told
behind a cursor. `[broker.options] file = "..."`; every instruction that arrived is kept in `said`.
"""

import contextlib
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import msgspec

from novate.broker import (
    Accepted,
    AskOrder,
    Busted,
    Cancelled,
    CancelOrder,
    Corrected,
    Filled,
    Heard,
    Level,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    NotKnown,
    PrimaryBook,
    Rejected,
    Settled,
)
from novate.broker.port import Instruction, Report
from novate.messages import Session, Side

NANO = 10**9
FEE = 10_000
_AGAIN = 3
"""Reports before the cursor that are told again, under their own keys, to who connects."""
_SCHEMA = """
create table if not exists said (n integer primary key autoincrement, kind text, id text, body blob);
create table if not exists orders (id text primary key, body blob, state text, shares integer default 0);
create table if not exists fills (id text primary key, of text, side integer, shares integer, price integer, settled integer default 0);
create table if not exists reports (n integer primary key autoincrement, body blob);
create table if not exists flags (name text primary key, value text);
"""
_REPORT = msgspec.json.Decoder(Report)
_SAID = msgspec.json.Decoder(Instruction)


class Paper:
    """The broker's memory, from any process."""

    def __init__(self, path) -> None:
        self.db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self.db.execute("pragma journal_mode = wal")
        self.lock = threading.RLock()
        with self.lock:
            for statement in _SCHEMA.split(";"):
                self.db.execute(statement)

    @contextlib.contextmanager
    def change(self):
        with self.lock:
            self.db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self.db.execute("rollback")
                raise
            self.db.execute("commit")

    def rows(self, question, *values):
        with self.lock:
            return self.db.execute(question, values).fetchall()

    # --- what a test decides

    def flag(self, name, default=""):
        found = self.rows("select value from flags where name = ?", name)
        return found[0][0] if found else default

    def set(self, **flags) -> None:
        """`mode` (fill, hold, half, reject), `price` in dollars, `down` (1: the line is cut)."""
        with self.change():
            for name, value in flags.items():
                self.db.execute("insert or replace into flags values (?, ?)", (name, str(value)))

    def tell(self, report) -> None:
        with self.change():
            self._tell(report)

    def fill(self, order: str, part=1, *, complete=True, execution=None) -> None:
        with self.change():
            self._fill(order, part, complete=complete, execution=execution)

    def settle(self, execution: str, *, settled: bool = True) -> None:
        with self.change():
            self.db.execute("update fills set settled = 1 where id = ?", (execution,))
            self._tell(Settled(execution=execution, settled=settled))

    def settle_all(self) -> None:
        for (execution,) in self.rows("select id from fills where settled = 0"):
            self.settle(execution)

    def bust(self, execution: str) -> None:
        with self.change():
            self.db.execute("update fills set shares = 0 where id = ?", (execution,))
            self._tell(Busted(execution=execution))

    def correct(self, execution: str, shares: int, price: int) -> None:
        with self.change():
            self.db.execute("update fills set shares = ?, price = ? where id = ?", (shares, price, execution))
            self._tell(Corrected(execution=execution, shares=shares, price=price))

    # --- what a test looks at

    def shares(self) -> int:
        """Bought less sold."""
        return self.rows("select coalesce(sum(case side when 0 then shares else -shares end), 0) from fills")[
            0
        ][0]

    def heard(self, kind: str) -> list[str]:
        return [row[0] for row in self.rows("select id from said where kind = ?", kind)]

    # --- what it does

    def take(self, instruction) -> None:
        with self.change():
            self.db.execute(
                "insert into said (kind, id, body) values (?, ?, ?)",
                (type(instruction).__name__, instruction.order, msgspec.json.encode(instruction)),
            )
            row = self.db.execute("select state from orders where id = ?", (instruction.order,)).fetchone()
            state = row[0] if row else ""
            match instruction:
                case NewOrder():
                    if not state:
                        self._new(instruction)
                case CancelOrder():
                    if state == "working":
                        self.db.execute("update orders set state = 'done' where id = ?", (instruction.order,))
                        self._tell(Cancelled(order=instruction.order, asked=True))
                case AskOrder():
                    if not state:
                        self._tell(NotKnown(order=instruction.order))
                    elif state == "working":
                        self._tell(Accepted(order=instruction.order, broker_order=f"b-{instruction.order}"))

    def _new(self, order: NewOrder) -> None:
        mode = self.flag("mode", "fill")
        state = "done" if mode == "reject" else "working"
        self.db.execute(
            "insert into orders (id, body, state) values (?, ?, ?)",
            (order.order, msgspec.json.encode(order), state),
        )
        if mode == "reject":
            self._tell(Rejected(order=order.order, reason="the test says so"))
            return
        self._tell(Accepted(order=order.order, broker_order=f"b-{order.order}"))
        if mode == "half":
            self._fill(order.order, 2, complete=False)
        if mode == "fill":
            self._fill(order.order, 2, complete=False)
            self._fill(order.order, 1, complete=True)

    def _fill(self, order: str, part: int, *, complete: bool, execution=None) -> None:
        body, done = self.db.execute("select body, shares from orders where id = ?", (order,)).fetchone()
        wanted = _SAID.decode(body)
        price = int(float(self.flag("price", "100")) * NANO)
        most = wanted.shares or (wanted.dollars - 2 * FEE) * 1_000 * NANO // price
        shares = (most - done) // part
        number = self.db.execute("select count(*) from fills").fetchone()[0] + 1
        execution = execution or f"e{number}-{order}"
        self.db.execute(
            "insert into fills values (?, ?, ?, ?, ?, 0)", (execution, order, wanted.side, shares, price)
        )
        self.db.execute(
            "update orders set shares = shares + ?, state = ? where id = ?",
            (shares, "done" if complete else "working", order),
        )
        self._tell(
            Filled(
                order=order, execution=execution, symbol=wanted.symbol, side=wanted.side, shares=shares, price=price,
                fee=FEE, complete=complete, settles=datetime.now(UTC).date() + timedelta(days=2), traded_ns=1,
            )
        )  # fmt: skip

    def _tell(self, report) -> None:
        self.db.execute("insert into reports (body) values (?)", (msgspec.json.encode(report),))


class PaperBroker:
    """The adapter. Shows a primary market around `price`, too."""

    def __init__(self, path, clock) -> None:
        self.paper, self._clock = Paper(path), clock
        self._hear = None
        self._ends = threading.Event()
        self._up = False
        self._thread = None

    def open(self, hear, since="") -> None:
        self._hear, self._cursor = hear, max(int(since or 0) - _AGAIN, 0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, instruction) -> None:
        if not self._up or self.paper.flag("down") == "1":
            raise LineDown("the line is cut")
        self.paper.take(instruction)

    def close(self) -> None:
        self._ends.set()
        if self._thread:
            self._thread.join()

    def book(self, symbol):
        price = int(float(self.paper.flag("price", "100")) * NANO)
        sizes = int(self.paper.flag("size", "1000")) * NANO
        levels = [Level(price + step * 10**7, sizes) for step in (-2, -1, 1, 2)]
        session = Session.CLOSED if self.paper.flag("closed") == "1" else Session.REGULAR
        age_ns = int(self.paper.flag("age_s", "0")) * NANO
        return PrimaryBook(
            symbol, (levels[1], levels[0]), (levels[2], levels[3]), session, self._clock() - age_ns
        )

    def _run(self) -> None:
        while not self._ends.wait(0.02):
            down = self.paper.flag("down") == "1"
            if self._up and down:
                self._up = False
                self._say(LineLost(reason="cut"))
            elif not down and self._told() and not self._up:
                self._say(LineUp())
                self._up = True

    def _told(self) -> bool:
        for number, body in self.paper.rows(
            "select n, body from reports where n > ? order by n", self._cursor
        ):
            try:
                self._hear(Heard(_REPORT.decode(body), f"r{number}", str(number), body, self._clock()))
            except OSError:
                return False
            self._cursor = number
        return True

    def _say(self, report) -> None:
        self._hear(Heard(report, "", "", b"", self._clock()))


def line(given):
    """What `adapter = "paper_broker:line"` makes."""
    return PaperBroker(given.options["file"], given.clock)


def sold(side: int) -> bool:
    return side == Side.ASK
