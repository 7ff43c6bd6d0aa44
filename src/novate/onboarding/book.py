"""The book of applications, in SQL: SQLite in the home, as identity keeps its own.

Responsible for: what is durable, one transaction a step, the table of states, and that each decision reaches the hash-chained log of who did
what, also after a kill in between. Never: a name, the engine, or who may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from novate.identity.homebook import HomeBook, meta_table
from novate.messages.codes import HolderType
from novate.onboarding.records import Application, Decision, Document, Terms
from novate.onboarding.refusals import OnboardingRefused, Rule
from novate.onboarding.states import IN_FORCE, OPEN, Event, State, after

FILE: Final = "onboarding.db"
DAY_NS: Final = 86_400 * 10**9
DECIDE_NS: Final = 90 * DAY_NS
"""From an application to its approval; then it expires."""
TEST_NS: Final = 30 * DAY_NS
"""From the approval to the end of the first-deposit test."""

_ALL = sa.MetaData()
META = meta_table("onboarding_meta", _ALL)
APPLICATIONS = sa.Table(
    "applications",
    _ALL,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("owner", sa.BigInteger, nullable=False, index=True),
    sa.Column("salted_id", sa.Text, nullable=False),
    sa.Column("holder_type", sa.Integer, nullable=False),
    sa.Column("jurisdiction", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("applied_ns", sa.BigInteger, nullable=False),
    sa.Column("deadline_ns", sa.BigInteger, nullable=False),
    sa.Column("terms", sa.LargeBinary, nullable=False),  # JSON; empty before they were stated
    sa.Column("account", sa.Text, nullable=False),  # 64 bits without a sign
    sa.Column("carried", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("erased_ns", sa.BigInteger, nullable=False),
)
DOCUMENTS = sa.Table(
    "documents",
    _ALL,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("application", sa.Integer, sa.ForeignKey("applications.number"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
)
DECISIONS = sa.Table(
    "decisions",
    _ALL,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("application", sa.Integer, sa.ForeignKey("applications.number"), nullable=False, index=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("logged", sa.Boolean, nullable=False, index=True),
)


class Who(NamedTuple):
    """Who does something."""

    actor: int
    by: str
    """In words: `key 7`, `console`, `venue`."""
    person: int = 0
    """The engine's number of whose key it is; 0 where it keeps none."""
    owner: int = 0


ITSELF: Final = Who(0, "venue")
"""What happens by itself."""
Check = Callable[[Application], Mapping[str, Any]]
"""Looks at an application inside the transaction of a step; gives columns to change, and raises what forbids it."""


class Book(HomeBook):
    """All applications of one venue, in HOME/onboarding.db. Any thread."""

    FILE = FILE
    META = META

    def accounts(self) -> set[int]:
        """Accounts that applications have chosen."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(APPLICATIONS.c.account).distinct())
            return {int(account) for (account,) in found}

    # --- reading ---------------------------------------------------------------------------------------------------------

    def get(self, number: int) -> Application:
        """One application. Raises OnboardingRefused (`application_must_exist`)."""
        with self._engine.connect() as connection:
            return _load(connection, number)

    def owner_of(self, number: int) -> int | None:
        """Whose an application is; None where there is none."""
        with self._engine.connect() as connection:
            query = sa.select(APPLICATIONS.c.owner).where(APPLICATIONS.c.number == number)
            return connection.execute(query).scalar_one_or_none()

    def all(
        self,
        *,
        owner: int | None = None,
        states: frozenset[State] | None = None,
        past: int = 0,
        limit: int = 1_000,
    ) -> list[Application]:
        """Applications behind number `past`, by number; of one owner, or in some states."""
        c = APPLICATIONS.c
        query = sa.select(c.number).where(c.number > past).order_by(c.number).limit(limit)
        if owner is not None:
            query = query.where(c.owner == owner)
        if states is not None:
            query = query.where(c.state.in_(sorted(states)))
        with self._engine.connect() as connection:
            return [_load(connection, number) for (number,) in connection.execute(query).all()]

    def each(self, states: frozenset[State] | None = None) -> Iterator[Application]:
        """All applications by number, or all in some states, however many."""
        past = 0
        while found := self.all(states=states, past=past):
            yield from found
            past = found[-1].number

    def due(self, now_ns: int) -> list[int]:
        """Numbers of applications for which something may be due at a time.

        Their time passed, their effects are not in the engine yet (and it did not refuse them), or their first deposit is looked for. What
        waits for people costs nothing here.
        """
        c = APPLICATIONS.c
        late = c.state.in_(sorted(OPEN)) & (c.deadline_ns <= now_ns)
        half = c.state.in_(sorted(IN_FORCE)) & (c.carried != c.state) & (c.problem == "")
        tested = c.state.in_(sorted(IN_FORCE & OPEN)) & (c.carried == c.state)
        with self._engine.connect() as connection:
            query = sa.select(c.number).where(late | half | tested).order_by(c.number)
            return list(connection.execute(query).scalars())

    # --- writing ---------------------------------------------------------------------------------------------------------

    def add(
        self, owner: int, salted_id: str, holder_type: HolderType, jurisdiction: str, now_ns: int
    ) -> Application:
        """A new application. Raises OnboardingRefused (`owner_must_not_have_an_open_application`)."""
        with self._change() as (connection, _):
            c = APPLICATIONS.c
            going = sa.select(c.number).where(c.owner == owner, c.state.in_(sorted(OPEN)))
            if connection.execute(going).first():
                raise OnboardingRefused(Rule.OWNER_MUST_NOT_HAVE_AN_OPEN_APPLICATION, owner=owner)
            made = connection.execute(
                APPLICATIONS.insert().values(
                    owner=owner, salted_id=salted_id, holder_type=int(holder_type), jurisdiction=jurisdiction,
                    state=State.APPLIED.value, applied_ns=now_ns, deadline_ns=now_ns + DECIDE_NS, terms=b"", account="0", carried="",
                    sequence=0, problem="", erased_ns=0,
                )
            )  # fmt: skip
            return _load(connection, int(made.lastrowid))

    def step(
        self,
        number: int,
        event: Event | Callable[[Application], Event],
        who: Who,
        reason: str,
        now_ns: int,
        *,
        check: Check = lambda _: {},
        document: Document | None = None,
        sequence: int = 0,
    ) -> Application:
        """One event of an application, whole or not at all. Raises OnboardingRefused, and what `check` raises."""
        with self._change() as (connection, _):
            if document is not None:
                said = msgspec.structs.asdict(document)
                connection.execute(DOCUMENTS.insert().values(application=number, **said))
            found = _load(connection, number)
            happened = event if isinstance(event, Event) else event(found)
            then = after(found.state, happened)
            changes = dict(check(found))
            if then is State.APPROVED:
                changes["deadline_ns"] = now_ns + TEST_NS
            this = APPLICATIONS.c.number == number
            connection.execute(APPLICATIONS.update().where(this).values(state=then.value, **changes))
            connection.execute(
                DECISIONS.insert().values(
                    application=number, at_ns=now_ns, event=happened.value, before=found.state.value, after=then.value,
                    actor=str(who.actor), person=str(who.person), by=who.by, reason=reason, sequence=sequence, logged=False,
                )
            )  # fmt: skip
            return _load(connection, number)

    def note(self, number: int, **columns: Any) -> Application:
        """Writes down what became of an application's effects in the engine: no event, so the state stays."""
        with self._change() as (connection, _):
            connection.execute(APPLICATIONS.update().where(APPLICATIONS.c.number == number).values(**columns))
            return _load(connection, number)

    def forget(self, number: int, now_ns: int) -> Application:
        """Blanks the references of an application whose names are erased; kinds, hashes and decisions stay."""
        with self._change() as (connection, _):
            mine = DOCUMENTS.c.application == number
            connection.execute(DOCUMENTS.update().where(mine).values(reference=""))
            this = (APPLICATIONS.c.number == number) & (APPLICATIONS.c.erased_ns == 0)
            connection.execute(APPLICATIONS.update().where(this).values(erased_ns=now_ns))
            return _load(connection, number)

    def log(self, write: Callable[[int, str, Decision], None]) -> None:
        """Hands every decision that is not in the log of who did what yet to `write`: application, salted id, decision."""
        joined = DECISIONS.join(APPLICATIONS, DECISIONS.c.application == APPLICATIONS.c.number)
        query = sa.select(DECISIONS, APPLICATIONS.c.salted_id).select_from(joined)
        query = query.where(DECISIONS.c.logged.is_(False)).order_by(DECISIONS.c.number)
        with self._engine.connect() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return  # without a write, and so without a sync
        with self._change() as (connection, _):
            for row in connection.execute(query).all():
                write(int(row.application), str(row.salted_id), _decision(row))
                this = DECISIONS.c.number == row.number
                connection.execute(DECISIONS.update().where(this).values(logged=True))


def _load(connection: sa.Connection, number: int) -> Application:
    row = connection.execute(sa.select(APPLICATIONS).where(APPLICATIONS.c.number == number)).one_or_none()
    if row is None:
        raise OnboardingRefused(Rule.APPLICATION_MUST_EXIST, application=number)
    documents = connection.execute(
        sa.select(DOCUMENTS).where(DOCUMENTS.c.application == number).order_by(DOCUMENTS.c.number)
    )
    decisions = connection.execute(
        sa.select(DECISIONS).where(DECISIONS.c.application == number).order_by(DECISIONS.c.number)
    )
    return Application(
        number=row.number,
        owner=row.owner,
        salted_id=row.salted_id,
        holder_type=HolderType(row.holder_type),
        jurisdiction=row.jurisdiction,
        state=State(row.state),
        applied_ns=row.applied_ns,
        deadline_ns=row.deadline_ns,
        terms=msgspec.json.decode(row.terms, type=Terms) if row.terms else None,
        account=int(row.account),
        carried=row.carried,
        sequence=row.sequence,
        problem=row.problem,
        erased_ns=row.erased_ns,
        documents=tuple(
            Document(
                kind=one.kind, reference=one.reference, sha256=one.sha256, received_ns=one.received_ns, expires_ns=one.expires_ns
            )
            for one in documents
        ),
        decisions=tuple(map(_decision, decisions)),
    )  # fmt: skip


def _decision(row: Any) -> Decision:
    return Decision(
        number=row.number, at_ns=row.at_ns, event=Event(row.event), before=State(row.before), after=State(row.after),
        actor=int(row.actor), person=int(row.person), by=row.by, reason=row.reason, sequence=row.sequence,
    )  # fmt: skip
