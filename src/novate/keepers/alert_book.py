"""Alerts, calls and deliveries on disk: HOME/alerts.db, SQLite in WAL mode, one row per fact.

Responsible for: that an alert, the mark it reached and the deliveries it needs are one transaction; that the same alert is kept once however
often it is raised; that a delivery is done, due, or given up, with every attempt logged. Gateways read it by sequence (`after`), which is
the stream, and write acknowledgements. Never: sends anything.

Each process, and each thread, opens its own book.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import msgspec

from novate.errors import DataError
from novate.keepers.margin_calls import MarginCall

FILE: Final = "alerts.db"
_VERSION: Final = 1
_SCHEMA: Final = """
create table alerts (
    seq integer primary key autoincrement, id text not null unique, account text not null, kind text not null,
    at_ns integer not null, body blob not null);
create index alerts_of_account on alerts (account, seq);
create table calls (
    id text primary key, account text not null, kind text not null, state text not null, made_ns integer not null,
    acknowledged_by text not null default '', acknowledged_ns integer not null default 0,
    ended_ns integer not null default 0, body blob not null);
create index calls_of_account on calls (account, state);
create table reached (account text primary key, mark_ppm integer not null, episode integer not null);
create table deliveries (
    seq integer not null references alerts, channel text not null, state text not null default 'due',
    attempts integer not null default 0, next_ns integer not null, done_ns integer not null default 0,
    primary key (seq, channel));
create index deliveries_due on deliveries (state, next_ns);
create table attempts (
    seq integer not null, channel text not null, at_ns integer not null, outcome text not null, detail text not null);
"""

Severity = Literal["info", "warning", "critical"]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is told. Dollars and ids are text.

    Attributes:
        id: Stable; a receiver that sees it twice was told twice.
        account: Whose.
        kind: `usage`, `eased`, `call`, `call_overdue`, `call_cured`; `drill` of a drill, when nothing is wrong.
        severity: info, warning or critical.
        at_ns: The venue's time.
        sentence: For people.
        level: The watched level, for `usage` and `eased`.
        usage_ppm: Requirement as a part of equity.
        mark_ppm: The mark that was reached, or the one held now.
        equity: At the level, dollars.
        requirement: At the level, dollars.
        call: The call, where there is one.
    """

    id: str
    account: str
    kind: Literal["usage", "eased", "call", "call_overdue", "call_cured", "drill"]
    severity: Severity
    at_ns: int
    sentence: str
    level: str = ""
    usage_ppm: int = 0
    mark_ppm: int = 0
    equity: str = ""
    requirement: str = ""
    call: MarginCall | None = None


class Reached(NamedTuple):
    """The highest mark of an account, and how often it was reached anew."""

    mark_ppm: int
    episode: int


class Due(NamedTuple):
    """A delivery whose time has come."""

    seq: int
    channel: str
    attempts: int
    alert: Alert


class Attempt(NamedTuple):
    """A line of the delivery log."""

    seq: int
    channel: str
    at_ns: int
    outcome: str
    """`delivered`, `failed` or `given_up`."""
    detail: str


class AlertBook:
    """One connection to the file. Raises DataError for a file of another version, or none at all."""

    def __init__(self, home: Path | str) -> None:
        self.path = Path(home) / FILE
        try:
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            with self._transaction():
                version = self._db.execute("pragma user_version").fetchone()[0]
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"pragma user_version = {_VERSION}")
        except sqlite3.Error as error:
            raise DataError(f"{self.path} can't be used: {error}.", file=str(self.path)) from error
        if version not in (0, _VERSION):
            raise DataError(
                f"{self.path} is of version {version}; this release reads {_VERSION}.", file=str(self.path)
            )

    # --- raising -------------------------------------------------------------------------------------------------------

    def reached(self, account: int) -> Reached:
        """The highest mark of an account so far."""
        row = self._db.execute(
            "select mark_ppm, episode from reached where account = ?", (str(account),)
        ).fetchone()
        return Reached(*row) if row else Reached(0, 0)

    def all_reached(self) -> list[tuple[int, Reached]]:
        """The same of every account that ever reached one."""
        rows = self._db.execute("select account, mark_ppm, episode from reached")
        return [(int(row[0]), Reached(row[1], row[2])) for row in rows]

    def raise_alert(
        self,
        alert: Alert,
        channels: Sequence[str],
        *,
        reached: Reached | None = None,
        call: MarginCall | None = None,
    ) -> bool:
        """Keeps an alert with its deliveries, mark and call, all or nothing. False when it was kept before, and nothing is due anew."""
        with self._transaction():
            if reached is not None:
                self._db.execute(
                    "insert into reached values (?, ?, ?) on conflict do update set mark_ppm = excluded.mark_ppm, "
                    "episode = excluded.episode",
                    (alert.account, reached.mark_ppm, reached.episode),
                )
            if call is not None:
                self._put_call(call)
            row = self._db.execute(
                "insert into alerts (id, account, kind, at_ns, body) values (?, ?, ?, ?, ?) "
                "on conflict (id) do nothing returning seq",
                (alert.id, alert.account, alert.kind, alert.at_ns, msgspec.json.encode(alert)),
            ).fetchone()
            if row is None:
                return False
            self._db.executemany(
                "insert into deliveries (seq, channel, next_ns) values (?, ?, 0)",
                [(row[0], channel) for channel in channels],
            )
        return True

    # --- calls ---------------------------------------------------------------------------------------------------------

    def put_call(self, call: MarginCall) -> None:
        """Keeps what a call is now; who acknowledged it stays."""
        with self._transaction():
            self._put_call(call)

    def _put_call(self, call: MarginCall) -> None:
        ended = call.state == "cured"
        self._db.execute(
            "insert into calls (id, account, kind, state, made_ns, body) values (?, ?, ?, ?, ?, ?) "
            "on conflict (id) do update set state = excluded.state, body = excluded.body",
            (call.id, call.account, call.kind, call.state, call.made_ns, msgspec.json.encode(call)),
        )
        if ended:
            self._db.execute("update calls set ended_ns = max(ended_ns, 1) where id = ?", (call.id,))

    def calls(self, account: int | None = None, *, ended: bool = False) -> list[MarginCall]:
        """Calls that are not over (or all), oldest first."""
        rows = self._db.execute(
            "select body, acknowledged_by, acknowledged_ns from calls where (?1 is null or account = ?1) "
            "and (?2 or state != 'cured') order by made_ns, id",
            (None if account is None else str(account), ended),
        )
        return [_call(*row) for row in rows]

    def acknowledge(self, call_id: str, by: str, at_ns: int) -> MarginCall:
        """Somebody saw a call; the first one stays. Raises DataError for a call that there is not."""
        with self._transaction():
            self._db.execute(
                "update calls set acknowledged_by = ?, acknowledged_ns = ? where id = ? and acknowledged_by = ''",
                (by, at_ns, call_id),
            )
        row = self._db.execute(
            "select body, acknowledged_by, acknowledged_ns from calls where id = ?", (call_id,)
        ).fetchone()
        if row is None:
            raise DataError(f"There is no call {call_id!r}.", call=call_id)
        return _call(*row)

    # --- the stream ----------------------------------------------------------------------------------------------------

    def after(self, seq: int, account: int | None = None, limit: int = 100) -> list[tuple[int, Alert]]:
        """Alerts behind a sequence, in order: what a stream resumes from."""
        rows = self._db.execute(
            "select seq, body from alerts where seq > ?1 and (?2 is null or account = ?2) order by seq limit ?3",
            (seq, None if account is None else str(account), limit),
        )
        return [(row[0], msgspec.json.decode(row[1], type=Alert)) for row in rows]

    # --- deliveries ----------------------------------------------------------------------------------------------------

    def due(self, now_ns: int, limit: int = 50) -> list[Due]:
        """Deliveries whose time has come, oldest alert first."""
        rows = self._db.execute(
            "select d.seq, d.channel, d.attempts, a.body from deliveries d join alerts a using (seq) "
            "where d.state = 'due' and d.next_ns <= ? order by d.seq, d.channel limit ?",
            (now_ns, limit),
        )
        return [Due(row[0], row[1], row[2], msgspec.json.decode(row[3], type=Alert)) for row in rows]

    def delivered(self, due: Due, at_ns: int, detail: str = "") -> None:
        """It arrived."""
        self._outcome(due, at_ns, "delivered", detail, "done", at_ns)

    def failed(self, due: Due, at_ns: int, detail: str, next_ns: int | None) -> None:
        """It did not; again at `next_ns`, or never when that is None."""
        outcome, state = ("failed", "due") if next_ns is not None else ("given_up", "given_up")
        self._outcome(due, at_ns, outcome, detail, state, next_ns or 0)

    def _outcome(self, due: Due, at_ns: int, outcome: str, detail: str, state: str, time_ns: int) -> None:
        column = "done_ns" if state == "done" else "next_ns"
        with self._transaction():
            self._db.execute(
                f"update deliveries set state = ?, attempts = attempts + 1, {column} = ? where seq = ? and channel = ?",  # noqa: S608 - one of two names
                (state, time_ns, due.seq, due.channel),
            )
            self._db.execute(
                "insert into attempts values (?, ?, ?, ?, ?)",
                (due.seq, due.channel, at_ns, outcome, detail[:500]),
            )

    def log(self, seq: int | None = None) -> list[Attempt]:
        """The delivery log, oldest first; of one alert where `seq` is given."""
        rows = self._db.execute("select * from attempts where ?1 is null or seq = ?1 order by rowid", (seq,))
        return [Attempt(*row) for row in rows]

    def values(self) -> dict[str, int]:
        """For health: how many deliveries are in each state."""
        rows = self._db.execute("select state, count(*) from deliveries group by state")
        found = dict.fromkeys(("due", "done", "given_up"), 0)
        found.update(dict(rows))
        found["open_calls"] = self._db.execute(
            "select count(*) from calls where state != 'cured'"
        ).fetchone()[0]
        return found

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _call(body: bytes, by: str, at_ns: int) -> MarginCall:
    call = msgspec.json.decode(body, type=MarginCall)
    return msgspec.structs.replace(call, acknowledged_by=by, acknowledged_ns=at_ns)
