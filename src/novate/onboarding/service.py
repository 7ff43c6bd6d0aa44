"""Onboarding as doors use it: one object for the acts, and for what is due by itself.

Responsible for: the order of things: authorised before (by the caller), person and reason checked, one step of the book, the log, then the
engine. Never: speaks HTTP, reads a clock, or holds a name longer than an answer takes. Time is an argument, ns since 1970 UTC.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from novate.core_process import CoreGone
from novate.errors import NovateError
from novate.identity import Identity, Principal, PrincipalKind
from novate.identity.sealing import Seal
from novate.messages.codes import HolderType
from novate.messages.reports import governance
from novate.onboarding import engine
from novate.onboarding.book import ITSELF, Book, Who
from novate.onboarding.people import People
from novate.onboarding.records import (
    Application,
    Decision,
    Document,
    Person,
    Terms,
    checked_document,
    checked_person,
    checked_reason,
    checked_terms,
)
from novate.onboarding.refusals import OnboardingRefused, Rule
from novate.onboarding.states import IN_FORCE, OPEN, Event, State
from novate.projections import queries
from novate.projections.location import url_of
from novate.projections.rows import TransferRow
from novate.projections.store import connect
from novate.reader_process import NotTold, ReaderClient, ReaderGone

LOCK: Final = "onboarding.lock"
CONSOLE: Final = Who(0, "console")
_AWAY: Final = (CoreGone, ReaderGone, NotTold)
_log: Final = logging.getLogger("novate.onboarding")


def who(principal: Principal) -> Who:
    """A principal as whoever does something here."""
    by = "dev" if principal.kind is PrincipalKind.DEV else f"key {principal.actor}"
    return Who(principal.actor, by, owner=principal.owner)


class Onboarding:
    """Applications of one venue. Any thread; several processes of a home may have one."""

    def __init__(self, home: Path, identity: Identity, book: Book, people: People, database: str) -> None:
        self._home, self._identity = home, identity
        self.book, self._people = book, people
        self._models = connect(database)

    @classmethod
    def open(cls, home: Path, identity: Identity, database: str = "") -> Self:
        """Opens or begins the onboarding of a home; `database` is the URL of its read models, by default those in the home."""
        return cls(
            home, identity, Book.open(home), People.open(home, Seal.open(home)), url_of(home, database)
        )

    def close(self) -> None:
        """Closes all files."""
        self._models.dispose()
        self._people.close()
        self.book.close()

    # --- the applicant -----------------------------------------------------------------------------------------------------

    def apply(
        self, by: Who, owner: int, person: Person, holder_type: HolderType, jurisdiction: str, now_ns: int
    ) -> Application:
        """A new application of an owner. Raises OnboardingRefused."""
        if not 0 < owner < 2**32 or owner not in self._identity.store.owners():
            raise OnboardingRefused(Rule.APPLICANT_MUST_BE_AN_OWNER, field="owner")
        if not (len(jurisdiction) == 2 and jurisdiction.isascii() and jurisdiction.isupper()):
            raise OnboardingRefused(
                Rule.PERSON_MUST_BE_POSSIBLE, "A jurisdiction is two capital letters.", "jurisdiction"
            )
        salted_id = self._people.put(checked_person(person))
        try:
            made = self.book.add(owner, salted_id, holder_type, jurisdiction, now_ns)
        except BaseException:  # no name is kept that no application leads to
            self._people.erase(salted_id)
            raise
        self._identity.audit.record(
            "onboarding", now_ns, actor=by.actor, wait=True, application=made.number, event="apply", after=made.state.value,
            salted_id=salted_id, by=by.by, owner=owner,
        )  # fmt: skip
        return made

    def document(self, number: int, document: Document, by: Who, now_ns: int) -> Application:
        """A document, by reference. What comes after a classification voids it: it was made without it."""
        self._expire(number, now_ns)
        checked_document(document, self.book.get(number).holder_type, now_ns)

        def event(found: Application) -> Event:
            return Event.DOCUMENT if found.missing(now_ns) else Event.COMPLETE

        return self._step(number, event, by, f"{document.kind} received", now_ns, document=document)

    def withdraw(self, number: int, by: Who, reason: str, now_ns: int) -> Application:
        """Takes an application back that is not decided."""
        self._expire(number, now_ns)
        return self._step(number, Event.WITHDRAW, by, self._reason(number, reason), now_ns)

    # --- compliance --------------------------------------------------------------------------------------------------------

    def classify(self, number: int, terms: Terms, by: Who, reason: str, now_ns: int) -> Application:
        """States class and limits, after the engine was asked on a copy whether it would take them. Voids approvals."""
        self._expire(number, now_ns)
        found = self.book.get(number)
        reason = self._reason(number, reason)
        checked_terms(terms, now_ns)
        engine.rehearse(self._home, terms, found.owner, found.salted_id, by.actor)

        def check(found: Application) -> dict[str, Any]:
            _in_date(found, now_ns)
            return {"terms": msgspec.json.encode(terms)}

        return self._step(number, Event.CLASSIFY, by, reason, now_ns, check=check)

    def approve(self, number: int, by: Who, reason: str, now_ns: int) -> Application:
        """One person's approval; the second one's opens the account. Raises OnboardingRefused; the engine's part is in `problem`."""
        if not by.actor:
            raise OnboardingRefused(Rule.APPROVER_MUST_BE_A_PERSON)
        self._expire(number, now_ns)
        reason = self._reason(number, reason)
        found = self.book.get(number)
        with ReaderClient.connect(self._home / engine.READER) as reader:
            keys = governance.actors(reader)
        person = next((key.person for key in keys if key.actor == by.actor), 0)
        applicants = {key.person for key in keys if key.owner == found.owner}
        if by.owner == found.owner or (person and person in applicants):
            raise OnboardingRefused(Rule.APPROVERS_MUST_BE_TWO_PEOPLE, "The applicant approves nothing.")

        def check(found: Application) -> dict[str, Any]:
            _in_date(found, now_ns)
            for before in found.approvals:
                if before.actor == by.actor or (person and before.person == person):
                    raise OnboardingRefused(Rule.APPROVERS_MUST_BE_TWO_PEOPLE, f"{before.by} did already.")
            return {}

        self._step(number, Event.APPROVE, by._replace(person=person), reason, now_ns, check=check)
        return self.settle(number, now_ns)

    def refuse(self, number: int, by: Who, reason: str, now_ns: int) -> Application:
        """Refuses what is not in force. Of an account that is open already the trial limits stay."""
        self._expire(number, now_ns)
        return self._step(number, Event.REFUSE, by, self._reason(number, reason), now_ns)

    def confirm(self, number: int, by: Who, reason: str, now_ns: int) -> Application:
        """A person's word that the test deposit was right, where it is not paid out again. Raises OnboardingRefused."""
        if not by.actor:
            raise OnboardingRefused(Rule.APPROVER_MUST_BE_A_PERSON)
        self._expire(number, now_ns)
        self._step(number, Event.CONFIRM, by, self._reason(number, reason), now_ns)
        return self.settle(number, now_ns)

    def retry(self, number: int, by: Who, reason: str, now_ns: int) -> Application:
        """Tries the engine's part again, after what it refused was put right."""
        found = self.book.get(number)
        self._identity.audit.record(
            "onboarding_retried", now_ns, actor=by.actor, wait=True, application=number, salted_id=found.salted_id, by=by.by,
            reason=self._reason(number, reason),
        )  # fmt: skip
        self.book.note(number, problem="")
        return self.settle(number, now_ns)

    # --- names ---------------------------------------------------------------------------------------------------------------

    def person(self, number: int, by: Who, now_ns: int) -> Person:
        """Who an applicant is; recorded where somebody else looks. Raises OnboardingRefused (`names_must_not_be_erased`)."""
        found = self.book.get(number)
        person = self._people.get(found.salted_id)
        if person is None:
            raise OnboardingRefused(Rule.NAMES_MUST_NOT_BE_ERASED)
        if by.owner != found.owner:
            self._identity.audit.record(
                "names_read", now_ns, actor=by.actor, wait=True, application=number, salted_id=found.salted_id, by=by.by
            )  # fmt: skip
        return person

    def erase(self, number: int, by: Who, reason: str, now_ns: int) -> Application:
        """Erases names and references for ever; salted id, hashes and decisions stay. The same again changes nothing."""
        found = self.book.get(number)
        if found.state in OPEN:
            raise OnboardingRefused(Rule.APPLICATION_MUST_BE_OVER, f"It is {found.state}.")
        reason = self._reason(number, reason)
        self._identity.audit.record(
            "names_erased", now_ns, actor=by.actor, wait=True, application=number, salted_id=found.salted_id, by=by.by, reason=reason
        )  # fmt: skip
        self._people.erase(found.salted_id)
        return self.book.forget(number, now_ns)

    # --- what is due by itself -------------------------------------------------------------------------------------------------

    def sweep(self, now_ns: int) -> int:
        """Expires, completes what a kill left half done, and looks for test deposits; returns for how many applications something may be due."""
        due = self.book.due(now_ns)
        for number in due:
            try:
                self._expire(number, now_ns)
                self.settle(number, now_ns)
            except OnboardingRefused as refusal:  # decided by somebody meanwhile
                _log.info("application %s: %s", number, refusal)
            except (NovateError, OSError, SQLAlchemyError) as error:  # the next ones do not wait for this one
                _log.error("application %s is left as it is: %s", number, error)
        self._write_log()
        return len(due)

    def settle(self, number: int, now_ns: int) -> Application:
        """Brings one application as far as it goes by itself. While core or reader are away it stays where it is."""
        with self._one_at_a_time():
            found = self.book.get(number)
            while True:
                before = found
                if found.state in IN_FORCE and found.carried != found.state and not found.problem:
                    try:
                        found = self._carry(found, now_ns)
                    except _AWAY as error:
                        _log.warning("application %s waits for the venue: %s", number, error)
                        return found
                if found.carried == found.state:
                    found = self._tested(found, now_ns)
                if found == before:
                    return found

    def _carry(self, found: Application, now_ns: int) -> Application:
        """The effects of its state, in the engine and in identity; larger limits last, smaller ones first; the note after all of them."""
        terms, store = found.terms, self._identity.store
        assert terms is not None  # noqa: S101 - nothing is in force without terms
        state = State.ACTIVE if self._tested_before(found) else found.state
        if state is not State.ACTIVE:
            store.cap_owner(found.owner, terms.cap_in(state))

        def chosen(account: int) -> None:
            self.book.note(found.number, account=str(account))

        wanted = engine.Wanted(
            found.owner,
            found.account,
            terms.class_in(state),
            terms.expires_ns,
            bytes.fromhex(found.salted_id),
        )
        approver = next((one.actor for one in reversed(found.decisions) if one.actor), 0)
        taken = self.book.accounts()
        done = engine.carry_out(self._home, wanted, approver, taken, chosen)
        if done.problem:
            return self.book.note(found.number, problem=done.problem, sequence=done.sequence)
        store.assign_account(done.account, found.owner)
        if state is State.ACTIVE:
            store.cap_owner(found.owner, terms.cap_in(state))
        self._identity.audit.record(
            "onboarding_carried", now_ns, actor=approver, sequence=done.sequence, wait=True,
            application=found.number, salted_id=found.salted_id, account=done.account, state=found.state.value,
        )  # fmt: skip
        return self.book.note(found.number, carried=found.state.value, sequence=done.sequence)

    def _tested(self, found: Application, now_ns: int) -> Application:
        """What the read models say of the first deposit."""
        if found.state not in {State.APPROVED, State.FUNDED_TEST}:
            return found
        before = self._tested_before(found)
        if before:
            event = Event.DEPOSIT if found.state is State.APPROVED else Event.CONFIRM
            return self._step(found.number, event, ITSELF, f"tested with application {before}", now_ns)
        deposited = (one.sequence for one in reversed(found.decisions) if one.event is Event.DEPOSIT)
        rows = self._transfers(found.account, next(deposited, found.sequence))
        deposit = _test_deposit(rows, found) if found.state is State.APPROVED else None
        if deposit is not None:
            why = "the test deposit arrived"
            return self._step(found.number, Event.DEPOSIT, ITSELF, why, now_ns, sequence=deposit.sequence)
        paid = _paid_out(rows, found) if found.state is State.FUNDED_TEST else None
        if paid is not None:
            why = "a withdrawal of the test's asset was settled"
            return self._step(found.number, Event.CONFIRM, ITSELF, why, now_ns, sequence=paid.sequence)
        return found

    def _tested_before(self, found: Application) -> int:
        """The number of an earlier application of the owner that is in force; 0 for none."""
        mine = self.book.all(owner=found.owner, states=frozenset({State.ACTIVE}))
        return next((one.number for one in mine if one.number < found.number), 0)

    def _transfers(self, account: int, since: int) -> list[TransferRow]:
        """What moved behind a command: an account from before has a past that tests nothing."""
        try:
            with self._models.connect() as connection:
                return queries.transfers(connection, account, after=(since,), limit=1_000)
        except SQLAlchemyError:  # there are no read models yet
            return []

    # --- inside ----------------------------------------------------------------------------------------------------------------

    def _step(self, number: int, event: Any, by: Who, reason: str, now_ns: int, **more: Any) -> Application:
        found = self.book.step(number, event, by, reason, now_ns, **more)
        self._write_log()
        return found

    def _write_log(self) -> None:
        """Decisions into the hash-chained log; one that a kill kept from it comes with the next."""

        def write(application: int, salted_id: str, one: Decision) -> None:
            self._identity.audit.record(
                "onboarding", one.at_ns, actor=one.actor, sequence=one.sequence, wait=True, application=application, decision=one.number,
                event=one.event.value, after=one.after.value, salted_id=salted_id, by=one.by, reason=one.reason,
            )  # fmt: skip

        self.book.log(write)

    def _reason(self, number: int, reason: str) -> str:
        return checked_reason(reason, self._people.get(self.book.get(number).salted_id))

    def _expire(self, number: int, now_ns: int) -> None:
        found = self.book.get(number)
        if found.state in OPEN and found.deadline_ns <= now_ns:
            self._step(number, Event.EXPIRE, ITSELF, "its time passed", now_ns)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """The engine's part is done by one process of the home at a time; a killed one lets go."""
        held = os.open(self._home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)


def _in_date(found: Application, now_ns: int) -> None:
    missing = found.missing(now_ns)
    if missing:
        raise OnboardingRefused(Rule.DOCUMENT_MUST_BE_IN_DATE, f"Missing: {', '.join(missing)}.")


def _test_deposit(rows: list[TransferRow], found: Application) -> TransferRow | None:
    terms = found.terms
    assert terms is not None  # noqa: S101 - nothing is approved without terms
    return next(
        (
            row
            for row in rows
            if row.kind == "deposit"
            and row.asset == terms.test_asset
            and terms.test_least <= row.amount <= terms.test_most
        ),
        None,
    )


def _paid_out(rows: list[TransferRow], found: Application) -> TransferRow | None:
    terms = found.terms
    if terms is None:
        return None
    later = [row for row in rows if row.asset == terms.test_asset]
    sent = {row.reference for row in later if row.kind == "withdrawal"}
    return next((row for row in later if row.kind == "withdrawal_settled" and row.reference in sent), None)
