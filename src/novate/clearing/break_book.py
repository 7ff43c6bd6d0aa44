"""The book of reconciliations: what the journal said of executions, which statements were read, every run, and every break with its life.

Beside them dividends that arrived, and the commands that are sent once for them.

HOME/reconciliation.db. A break stands under (broker, kind, subject): found again, it is the same break, a day older.

| state    | found again | assign   | gone    | agrees  | resolve  |
|----------|-------------|----------|---------|---------|----------|
| open     | open        | assigned | cleared | agreed  | resolved |
| assigned | assigned    | assigned | cleared | agreed  | resolved |
| agreed   | open        | agreed   | cleared | agreed  | resolved |

*Gone* is a difference that nothing in the engine stands for; *agrees* one whose break the engine still holds, so that its token waits for
somebody to resolve it. An empty cell is BreakRefused. What was resolved or cleared and is found again is a new break.

Responsible for: what is durable, one transaction a step, and that table. Never: compares, asks the engine, or who may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import sqlalchemy as sa

from novate.broker import Trade, execution_bytes
from novate.broker.announcements import DividendPaid
from novate.clearing.ledger_side import AnyMovement, Ledger
from novate.clearing.reconciliation import Break, BreakKind, Carried, Comparison
from novate.clearing.statement_files import StatementFile
from novate.errors import ConfigError, DataError, NovateError
from novate.identity.store import database

FILE: Final = "reconciliation.db"
_VERSION: Final = 1
LONGEST_TEXT: Final = 500

_ALL = sa.MetaData()
META = sa.Table(
    "reconciliation_meta", _ALL, sa.Column("version", sa.Integer, primary_key=True), sa.Column("journal", sa.LargeBinary, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False), sa.Column("time_ns", sa.BigInteger, nullable=False),
)  # fmt: skip
MOVEMENTS = sa.Table(
    "movements", _ALL, sa.Column("number", sa.Integer, primary_key=True), sa.Column("sequence", sa.BigInteger, nullable=False, index=True),
    sa.Column("said", sa.LargeBinary, nullable=False),
)  # fmt: skip
STATEMENTS = sa.Table(
    "statements", _ALL, sa.Column("broker", sa.Text, primary_key=True), sa.Column("day", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True), sa.Column("sha256", sa.Text, primary_key=True), sa.Column("path", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False), sa.Column("read_ns", sa.BigInteger, nullable=False),
)  # fmt: skip
SEEN = sa.Table(
    "seen", _ALL, sa.Column("broker", sa.Text, primary_key=True), sa.Column("execution", sa.LargeBinary, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
)  # fmt: skip
RUNS = sa.Table(
    "runs", _ALL, sa.Column("number", sa.Integer, primary_key=True), sa.Column("broker", sa.Text, nullable=False, index=True),
    sa.Column("day", sa.Text, nullable=False), sa.Column("at_ns", sa.BigInteger, nullable=False), sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("state_hash", sa.LargeBinary, nullable=False), sa.Column("breaks", sa.Integer, nullable=False),
)  # fmt: skip
BREAKS = sa.Table(
    "breaks", _ALL, sa.Column("number", sa.Integer, primary_key=True), sa.Column("broker", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False), sa.Column("subject", sa.Text, nullable=False), sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("owner", sa.Text, nullable=False), sa.Column("day", sa.Text, nullable=False), sa.Column("last_day", sa.Text, nullable=False),
    sa.Column("opened_ns", sa.BigInteger, nullable=False), sa.Column("ended_ns", sa.BigInteger, nullable=False),
    sa.Column("engine_break", sa.Text, nullable=False), sa.Column("resolution", sa.Text, nullable=False), sa.Column("said", sa.LargeBinary, nullable=False),
    sa.Index("ix_breaks_subject", "broker", "kind", "subject"),
)  # fmt: skip
STEPS = sa.Table(
    "break_steps", _ALL, sa.Column("number", sa.Integer, primary_key=True), sa.Column("break", sa.Integer, nullable=False, index=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False), sa.Column("event", sa.Text, nullable=False), sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)  # fmt: skip

PARCELS = sa.Table(
    "parcels", _ALL, sa.Column("name", sa.Text, primary_key=True), sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("sent", sa.Boolean, nullable=False),
)  # fmt: skip
PARCEL_SAID = sa.Table(
    "parcel_said", _ALL, sa.Column("parcel", sa.Text, primary_key=True), sa.Column("commands", sa.Integer, nullable=False),
    sa.Column("said", sa.LargeBinary, nullable=False),
)  # fmt: skip
PAID = sa.Table(
    "dividends_paid", _ALL, sa.Column("broker", sa.Text, primary_key=True), sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False), sa.Column("said", sa.LargeBinary, nullable=False),
)  # fmt: skip


class State(StrEnum):
    """Where a break stands."""

    OPEN = "open"
    ASSIGNED = "assigned"
    AGREED = "agreed"
    CLEARED = "cleared"
    RESOLVED = "resolved"


class Event(StrEnum):
    """What happens to one."""

    FOUND = "found again"
    ASSIGN = "assign"
    GONE = "gone"
    AGREES = "agrees"
    RESOLVE = "resolve"


TABLE: Final[dict[tuple[State, Event], State]] = {
    (State.OPEN, Event.FOUND): State.OPEN,
    (State.OPEN, Event.ASSIGN): State.ASSIGNED,
    (State.OPEN, Event.GONE): State.CLEARED,
    (State.OPEN, Event.AGREES): State.AGREED,
    (State.OPEN, Event.RESOLVE): State.RESOLVED,
    (State.ASSIGNED, Event.FOUND): State.ASSIGNED,
    (State.ASSIGNED, Event.ASSIGN): State.ASSIGNED,
    (State.ASSIGNED, Event.GONE): State.CLEARED,
    (State.ASSIGNED, Event.AGREES): State.AGREED,
    (State.ASSIGNED, Event.RESOLVE): State.RESOLVED,
    (State.AGREED, Event.FOUND): State.OPEN,
    (State.AGREED, Event.ASSIGN): State.AGREED,
    (State.AGREED, Event.GONE): State.CLEARED,
    (State.AGREED, Event.AGREES): State.AGREED,
    (State.AGREED, Event.RESOLVE): State.RESOLVED,
}
"""The whole life of a break."""
LIVE: Final = (State.OPEN, State.ASSIGNED, State.AGREED)


class BreakRefused(NovateError):
    """A break does not take a step. Facts: `break`, `state`."""

    code = "break_refused"


class KnownBreak(msgspec.Struct, frozen=True, kw_only=True):
    """A break as it stands.

    Attributes:
        number: Its id in this book.
        broker: With whom.
        state: Where it stands.
        owner: Who works on it; empty for nobody.
        day: The day whose statement it was first found in.
        last_day: And last.
        opened_ns: When it was found.
        ended_ns: When it was over; 0 before.
        engine_break: The engine's break for it; 0 where it has none.
        resolution: How it ended, in words.
        found: Both sides.
    """

    number: int
    broker: str
    state: State
    owner: str
    day: date
    last_day: date
    opened_ns: int
    ended_ns: int
    engine_break: int
    resolution: str
    found: Break

    @property
    def engine_breaks(self) -> tuple[int, ...]:
        """All of the engine's for it: one for each token that it stops."""
        return tuple(one for one in (self.engine_break, *self.found.beside) if one)

    def age_days(self, day: date) -> int:
        """Days from the one it was first found in."""
        return max((day - self.day).days, 0)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a break."""

    at_ns: int
    event: str
    by: str
    note: str


class BreakBook:
    """The book of one venue. For one thread at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, home: Path) -> Self:
        """Opens or makes HOME/reconciliation.db. Raises ConfigError for one of a later release."""
        engine = database(home / FILE, _ALL)
        with engine.begin() as connection:
            connection.execute(
                sa.insert(META)
                .prefix_with("OR IGNORE")
                .values(version=_VERSION, journal=b"", sequence=0, time_ns=0)
            )
            version = int(connection.execute(sa.select(sa.func.max(META.c.version))).scalar_one())
        if version > _VERSION:
            raise ConfigError(
                f"The book of reconciliations has version {version}; this release knows {_VERSION}."
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

    # --- what the journal said -----------------------------------------------------------------------------------------

    def position(self, journal: bytes) -> tuple[int, int]:
        """The last command whose movements stand here, and its time. `journal` says which venue's.

        Raises DataError where they are of another journal.
        """
        with self._change() as connection:
            row = connection.execute(sa.select(META)).one()
            if not row.journal:
                connection.execute(META.update().values(journal=journal))
            elif row.journal != journal:
                raise DataError(
                    f"{FILE} is of another journal than this home's: move it away, and it is made anew.",
                    file=FILE,
                )
        return int(row.sequence), int(row.time_ns)

    def keep(self, sequence: int, time_ns: int, moved: Sequence[AnyMovement]) -> None:
        """Keeps the movements of the commands up to `sequence`, once."""
        with self._change() as connection:
            last = int(connection.execute(sa.select(META.c.sequence)).scalar_one())
            rows = [
                {"sequence": one.sequence, "said": msgspec.msgpack.encode(one)}
                for one in moved
                if one.sequence > last
            ]
            if rows:
                connection.execute(MOVEMENTS.insert(), rows)
            if sequence > last:
                connection.execute(META.update().values(sequence=sequence, time_ns=time_ns))

    def ledger(self, until: int) -> Ledger:
        """Executions as of command `until`."""
        found, decoder = Ledger(), msgspec.msgpack.Decoder(AnyMovement)
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(MOVEMENTS.c.said)
                .where(MOVEMENTS.c.sequence <= until)
                .order_by(MOVEMENTS.c.sequence, MOVEMENTS.c.number)
            )
            for (said,) in rows:
                found.take(decoder.decode(said))
        return found

    # --- runs ----------------------------------------------------------------------------------------------------------

    def carried(self, broker: str, day: date) -> Carried:
        """What earlier days left for this one."""
        with self._engine.connect() as connection:
            seen = connection.execute(
                sa.select(SEEN.c.execution).where(SEEN.c.broker == broker, SEEN.c.day < day.isoformat())
            )
            matched = frozenset(bytes(one) for (one,) in seen)
        live = [one for one in self.breaks(broker=broker) if one.day < day]
        trades = tuple(one.found.trade for one in live if one.found.trade is not None)
        wanted = frozenset(
            execution_bytes_of(one.found.subject)
            for one in live
            if one.found.kind == BreakKind.MISSING_AT_BROKER
        )
        return Carried(trades=_once(trades), matched=matched, wanted=wanted)

    def record(
        self,
        broker: str,
        day: date,
        now_ns: int,
        found: Comparison,
        files: Iterable[StatementFile],
        at: tuple[int, bytes],
    ) -> list[KnownBreak]:
        """Keeps a run: its files, what both sides have, and its breaks; what is not found any more is cleared. Gives those that stand.

        `at` is the journal's sequence and the state hash at which the venue's side was taken. The same run again changes nothing but the
        number of runs. A run of an earlier day than a break was last found in does not clear it.
        """
        with self._change() as connection:
            for file in files:
                connection.execute(
                    STATEMENTS.insert()
                    .prefix_with("OR IGNORE")
                    .values(
                        broker=broker, day=day.isoformat(), kind=file.kind, sha256=file.sha256, path=str(file.path), rows=file.rows,
                        read_ns=now_ns,
                    )
                )  # fmt: skip
            for key in found.seen:
                connection.execute(
                    SEEN.insert()
                    .prefix_with("OR IGNORE")
                    .values(broker=broker, execution=key, day=day.isoformat())
                )
            connection.execute(
                RUNS.insert().values(
                    broker=broker, day=day.isoformat(), at_ns=now_ns, sequence=at[0], state_hash=at[1], breaks=len(found.breaks)
                )
            )  # fmt: skip
            self._settle(connection, broker, day, now_ns, found.breaks)
        return self.breaks(broker=broker)

    def _settle(
        self,
        connection: sa.Connection,
        broker: str,
        day: date,
        now_ns: int,
        breaks: Iterable[Break],
        *,
        dividends: Collection[str] | None = None,
    ) -> None:
        """`dividends` are the subjects that were looked at where breaks are those of dividends; else everything else was."""
        of = (
            BREAKS.c.broker == broker,
            BREAKS.c.state.in_(LIVE),
            (BREAKS.c.kind == BreakKind.DIVIDEND_DIFFERS.value) == (dividends is not None),
        )
        rows = connection.execute(sa.select(BREAKS).where(*of))
        live = {(row.kind, row.subject): row for row in rows if dividends is None or row.subject in dividends}
        for one in breaks:
            known = live.pop((one.kind.value, one.subject), None)
            if known is not None:
                engine = one.engine_break or int(known.engine_break)
                beside = msgspec.json.decode(known.said, type=Break).beside
                said = msgspec.structs.replace(one, engine_break=engine, beside=beside)
                last = max(known.last_day, day.isoformat())
                connection.execute(
                    BREAKS.update()
                    .where(BREAKS.c.number == known.number)
                    .values(said=msgspec.json.encode(said), engine_break=str(engine), last_day=last)
                )
                if known.state == State.AGREED:
                    self._step(connection, known, Event.FOUND, now_ns, "reconcile", f"again on {day}")
                continue
            made = connection.execute(
                BREAKS.insert().values(
                    broker=broker, kind=one.kind.value, subject=one.subject, state=State.OPEN, owner="", day=day.isoformat(),
                    last_day=day.isoformat(), opened_ns=now_ns, ended_ns=0, engine_break=str(one.engine_break), resolution="",
                    said=msgspec.json.encode(one),
                )
            )  # fmt: skip
            assert made.inserted_primary_key is not None  # noqa: S101 - for the type checker: an insert has a key
            _note(connection, made.inserted_primary_key[0], now_ns, "found", "reconcile", f"{day}")
        for known in live.values():
            if known.last_day <= day.isoformat() and known.state != State.AGREED:
                event = Event.GONE if known.engine_break == "0" else Event.AGREES
                self._step(connection, known, event, now_ns, "reconcile", f"not there on {day}")

    def let_go(self, engine_breaks: Collection[int], now_ns: int) -> None:
        """Clears what agrees again and whose break the engine does not hold any more; `engine_breaks` are those it holds."""
        with self._change() as connection:
            rows = connection.execute(sa.select(BREAKS).where(BREAKS.c.state == State.AGREED)).all()
            for row in rows:
                if not any(one in engine_breaks for one in _known(row).engine_breaks):
                    self._step(connection, row, Event.GONE, now_ns, "reconcile", "resolved in the engine")

    # --- dividends -----------------------------------------------------------------------------------------------------

    def record_dividends(
        self, broker: str, day: date, now_ns: int, breaks: Iterable[Break], judged: Collection[str]
    ) -> list[KnownBreak]:
        """Keeps what differs in the dividends of a broker: of the subjects that were `judged` these and no other stand then. Gives all breaks that do."""
        with self._change() as connection:
            self._settle(connection, broker, day, now_ns, breaks, dividends=judged)
        return self.breaks(broker=broker)

    def keep_paid(self, paid: Iterable[DividendPaid], now_ns: int) -> None:
        """Keeps what arrived, all or none; the same activity again amends it.

        Raises DataError where one was booked already as something else.
        """
        with self._change() as connection:
            for one in paid:
                of = (PAID.c.broker == one.broker, PAID.c.key == one.key)
                said = connection.execute(sa.select(PAID.c.said).where(*of)).scalar_one_or_none()
                if said is not None and msgspec.json.decode(said, type=DividendPaid) == one:
                    continue
                if said is not None and _begun(connection, arrival(one)):
                    raise DataError(
                        f"{one.broker}'s activity {one.key!r} was booked as it was told before: what it is now is for a person to book.",
                        broker=one.broker,
                        key=one.key,
                    )
                connection.execute(PAID.delete().where(*of))
                connection.execute(
                    PAID.insert().values(
                        broker=one.broker, key=one.key, at_ns=now_ns, said=msgspec.json.encode(one)
                    )
                )

    def paid(self) -> list[DividendPaid]:
        """Everything that ever arrived and was not withdrawn, by broker and key."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(PAID.c.said).order_by(PAID.c.broker, PAID.c.key))
            found = [msgspec.json.decode(said, type=DividendPaid) for (said,) in rows]
        return [one for one in found if not one.withdrawn]

    # --- commands that are sent once -----------------------------------------------------------------------------------

    def parcel(self, name: str) -> bytes | None:
        """The commands of a parcel as they were when it was begun; None for one that was not."""
        with self._engine.connect() as connection:
            return _said_of(connection, name) if _begun(connection, name) else None

    def begin_parcel(self, name: str, commands: int, said: bytes) -> bytes:
        """Keeps the commands of a parcel, from the first that is begun; gives those that count, which are those that were kept then."""
        with self._change() as connection:
            kept = _said_of(connection, name) if _begun(connection, name) else None
            if kept is None:
                replaced = PARCEL_SAID.insert().prefix_with("OR REPLACE")
                connection.execute(replaced.values(parcel=name, commands=commands, said=said))
        return said if kept is None else kept

    def is_sent(self, name: str) -> bool:
        """Whether all commands of a parcel were taken."""
        with self._engine.connect() as connection:
            query = sa.select(PARCEL_SAID.c.commands).where(PARCEL_SAID.c.parcel == name)
            commands = connection.execute(query).scalar_one_or_none()
            if commands is None:
                return False
            names = [numbered(name, number) for number in range(1, commands + 1)]
            query = sa.select(sa.func.count()).where(PARCELS.c.name.in_(names), PARCELS.c.sent.is_(True))
            return bool(connection.execute(query).scalar_one() == commands)

    def begin_sending(self, name: str, now_ns: int) -> bool:
        """Whether a command is to be sent that is sent once; from then on it counts as begun.

        Raises DataError where it was begun and nobody knows whether it was taken.
        """
        with self._change() as connection:
            sent = connection.execute(
                sa.select(PARCELS.c.sent).where(PARCELS.c.name == name)
            ).scalar_one_or_none()
            if sent is None:
                connection.execute(PARCELS.insert().values(name=name, at_ns=now_ns, sent=False))
        if sent is False:
            raise DataError(
                f"{name!r} was begun and not ended: look in the journal whether it was taken; `actions received` with --sent {name!r} says "
                f"that it was, with --not-sent that it was not.",
                parcel=name,
            )
        return sent is None

    def end_sending(self, name: str) -> None:
        """It was taken. Raises DataError where nothing of that name was begun."""
        with self._change() as connection:
            done = connection.execute(PARCELS.update().where(PARCELS.c.name == name).values(sent=True))
            if not done.rowcount:
                raise DataError(f"No command {name!r} was begun.", parcel=name)

    def forget_sending(self, name: str) -> None:
        """It was not taken, and may be sent again; a parcel of which nothing was done is made anew. Raises DataError where nothing of that name was begun, or it was taken."""
        with self._change() as connection:
            of = (PARCELS.c.name == name, PARCELS.c.sent.is_(False))
            if not connection.execute(PARCELS.delete().where(*of)).rowcount:
                raise DataError(f"No command {name!r} was begun, or it was taken.", parcel=name)

    # --- breaks --------------------------------------------------------------------------------------------------------

    def breaks(self, *, broker: str = "", everything: bool = False) -> list[KnownBreak]:
        """Breaks, oldest first: those that stand, or all."""
        query = sa.select(BREAKS).order_by(BREAKS.c.number)
        if broker:
            query = query.where(BREAKS.c.broker == broker)
        if not everything:
            query = query.where(BREAKS.c.state.in_(LIVE))
        with self._engine.connect() as connection:
            return [_known(row) for row in connection.execute(query)]

    def one(self, number: int) -> KnownBreak:
        """A break by its number. Raises BreakRefused where there is none."""
        with self._engine.connect() as connection:
            return _known(_row(connection, number))

    def steps(self, number: int) -> list[Step]:
        """What happened to a break, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(STEPS).where(STEPS.c["break"] == number).order_by(STEPS.c.number)
            )
            return [Step(at_ns=row.at_ns, event=row.event, by=row.by, note=row.note) for row in rows]

    def link(self, number: int, engine_break: int, *beside: int) -> None:
        """Says which break of the engine is the same, or which ones where it has one for each token."""
        with self._change() as connection:
            said = msgspec.json.decode(_row(connection, number).said, type=Break)
            said = msgspec.structs.replace(said, engine_break=engine_break, beside=beside)
            connection.execute(
                BREAKS.update()
                .where(BREAKS.c.number == number)
                .values(engine_break=str(engine_break), said=msgspec.json.encode(said))
            )

    def may(self, number: int, event: Event, **texts: str) -> KnownBreak:
        """The break, if it takes a step with these texts now: asked before anything is done that the step stands for. Raises BreakRefused."""
        for name, text in texts.items():
            _check_text(name, text)
        one = self.one(number)
        _after(one.number, one.state, event)
        return one

    def sharing(self, one: KnownBreak) -> list[KnownBreak]:
        """Others that stand for a break of the engine that this one stands for."""
        return [
            other
            for other in self.breaks()
            if other.number != one.number and not set(one.engine_breaks).isdisjoint(other.engine_breaks)
        ]

    def assign(self, number: int, owner: str, now_ns: int, by: str, note: str = "") -> KnownBreak:
        """Says who works on it. Raises BreakRefused: unknown, or over."""
        _check_text("owner", owner)
        with self._change() as connection:
            row = _row(connection, number)
            self._step(connection, row, Event.ASSIGN, now_ns, by, note or f"to {owner}", owner=owner)
        return self.one(number)

    def resolve(self, number: int, resolution: str, now_ns: int, by: str, note: str = "") -> KnownBreak:
        """Says how it ended. Raises BreakRefused: unknown, or over."""
        _check_text("resolution", resolution)
        with self._change() as connection:
            row = _row(connection, number)
            self._step(connection, row, Event.RESOLVE, now_ns, by, note or resolution, resolution=resolution)
        return self.one(number)

    def _step(
        self, connection: sa.Connection, row: Any, event: Event, now_ns: int, by: str, note: str, **to: str
    ) -> None:
        state = _after(row.number, State(row.state), event)
        ended = 0 if state in LIVE else now_ns
        connection.execute(
            BREAKS.update().where(BREAKS.c.number == row.number).values(state=state, ended_ns=ended, **to)
        )
        _note(connection, row.number, now_ns, event, by, note)


def arrival(one: DividendPaid) -> str:
    """The parcel that books what arrived."""
    return f"arrived {one.broker} {one.key}"


def numbered(parcel: str, number: int) -> str:
    """The name of a command of a parcel, from 1."""
    return f"{parcel} {number}"


def _said_of(connection: sa.Connection, parcel: str) -> bytes | None:
    query = sa.select(PARCEL_SAID.c.said).where(PARCEL_SAID.c.parcel == parcel)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)


def _begun(connection: sa.Connection, parcel: str) -> bool:
    """Whether any command of a parcel was begun."""
    query = sa.select(PARCEL_SAID.c.commands).where(PARCEL_SAID.c.parcel == parcel)
    commands = connection.execute(query).scalar_one_or_none() or 1
    names = [numbered(parcel, number) for number in range(1, commands + 1)]
    found = connection.execute(sa.select(PARCELS.c.name).where(PARCELS.c.name.in_(names)).limit(1))
    return found.first() is not None


def _after(number: int, state: State, event: Event) -> State:
    found = TABLE.get((state, event))
    if found is None:
        raise BreakRefused(f"Break {number} is {state}: it can't {event}.", state=state)
    return found


def execution_bytes_of(subject: str) -> bytes:
    """The key of an execution by its name in a statement of either side."""
    if subject.startswith("#"):
        return bytes.fromhex(subject[1:])
    return execution_bytes(subject)


def _once(trades: Iterable[Trade]) -> tuple[Trade, ...]:
    return tuple({one.execution: one for one in trades}.values())


def _note(connection: sa.Connection, number: int, at_ns: int, event: str, by: str, note: str) -> None:
    connection.execute(
        STEPS.insert().values({"break": number, "at_ns": at_ns, "event": event, "by": by, "note": note})
    )


def _row(connection: sa.Connection, number: int) -> Any:
    row = connection.execute(sa.select(BREAKS).where(BREAKS.c.number == number)).one_or_none()
    if row is None:
        raise BreakRefused(f"There is no break {number}.")
    return row


def _known(row: Any) -> KnownBreak:
    return KnownBreak(
        number=row.number, broker=row.broker, state=State(row.state), owner=row.owner, day=date.fromisoformat(row.day),
        last_day=date.fromisoformat(row.last_day), opened_ns=row.opened_ns, ended_ns=row.ended_ns, engine_break=int(row.engine_break),
        resolution=row.resolution, found=msgspec.json.decode(row.said, type=Break),
    )  # fmt: skip


def _check_text(name: str, text: str) -> None:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise BreakRefused(f"{name} is a line of 1 to {LONGEST_TEXT} characters, not {text[:40]!r}.")
