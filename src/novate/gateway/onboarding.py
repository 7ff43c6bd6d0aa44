"""Becoming a customer through a door: `novate.onboarding` behind authority, owner by owner.

Responsible for: who may do which act for which application, before anything else is read; and answers in the public language. An applicant
sees and does what is their owner's own; of all others, and of what does not exist, the answer is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from novate.gateway.gate import now
from novate.identity import Principal, PrincipalKind
from novate.identity.authority import action_of
from novate.onboarding.book import Who
from novate.onboarding.records import Application
from novate.onboarding.service import Onboarding, who
from novate.onboarding.words import (
    ApplicationWish,
    ClassificationWish,
    DocumentWish,
    ReasonWish,
    document_of,
    holder_type,
    shown,
    terms_of,
)
from novate.schema.catalogue import Catalogue

if TYPE_CHECKING:
    from novate.gateway.door import Door

APPLY, READ, DECIDE = "onboarding.apply", "onboarding.read", "onboarding.decide"
Do = Callable[[Onboarding, Catalogue, int, Any, Who], Application]


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is done to an application: who may, what it takes, what it does."""

    action: str
    wish: type[msgspec.Struct]
    do: Do
    summary: str


def _document(book: Onboarding, _: Catalogue, number: int, wish: DocumentWish, by: Who) -> Application:
    at = now()
    return book.document(number, document_of(wish, at), by, at)


def _classify(
    book: Onboarding, catalogue: Catalogue, number: int, wish: ClassificationWish, by: Who
) -> Application:
    return book.classify(number, terms_of(catalogue, wish), by, wish.reason, now())


def _by_reason(name: str) -> Do:
    def do(book: Onboarding, _: Catalogue, number: int, wish: ReasonWish, by: Who) -> Application:
        found: Application = getattr(book, name)(number, by, wish.reason, now())
        return found

    return do


ACTS: Final[dict[str, Act]] = {
    "documents": Act(APPLY, DocumentWish, _document, "A document, by reference: never what stands in it."),
    "withdraw": Act(APPLY, ReasonWish, _by_reason("withdraw"), "The applicant takes it back."),
    "classify": Act(DECIDE, ClassificationWish, _classify, "States class and limits; voids approvals."),
    "approve": Act(DECIDE, ReasonWish, _by_reason("approve"), "One of two people's approvals; the second opens the account."),
    "refuse": Act(DECIDE, ReasonWish, _by_reason("refuse"), "Compliance refuses."),
    "confirm": Act(DECIDE, ReasonWish, _by_reason("confirm"), "A person's word that the test deposit was right."),
    "retry": Act(DECIDE, ReasonWish, _by_reason("retry"), "Tries again what the engine refused."),
    "erase": Act(DECIDE, ReasonWish, _by_reason("erase"), "Erases names and references; decisions stay."),
}  # fmt: skip
"""Every act on an application, by the last part of its path."""


class Applications:
    """Onboarding as doors serve it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def create_owner(self, principal: Principal) -> dict[str, Any]:
        """A new owner, for whom keys can be made."""
        identity = self._door.gate.identity
        self._door.gate.authorise(principal, "owners.create")
        owner = identity.store.add_owner(now())
        identity.note("owner_created", principal, now(), owner=owner)
        return {"owner": str(owner)}

    async def apply(self, principal: Principal, read: Callable[[type], Any]) -> dict[str, Any]:
        """A new application; `read` gives the wish once it is known that the speaker may apply at all."""
        principal = self._door.gate.authorise_owner(principal, APPLY, principal.owner)
        wish: ApplicationWish = read(ApplicationWish)
        owner = int(wish.owner) if wish.owner else principal.owner
        self._door.gate.authorise_owner(principal, APPLY, owner)
        found = await self._do(
            lambda book: book.apply(
                who(principal), owner, wish.person, holder_type(wish.holder_type), wish.jurisdiction, now()
            )
        )
        return self._shown(found)

    async def all(self, principal: Principal, after: int, limit: int) -> list[dict[str, Any]]:
        """Applications behind a number: all for compliance, one's own for everybody else."""
        principal = self._door.gate.authorise_owner(principal, READ, principal.owner)
        owner = None if _of_venue(principal, READ) else principal.owner
        found = await self._do(lambda book: book.book.all(owner=owner, past=after, limit=limit))
        return [self._shown(one) for one in found]

    async def one(self, principal: Principal, number: int) -> dict[str, Any]:
        """One application."""
        await self._authorised(principal, READ, number)
        return self._shown(await self._do(lambda book: book.book.get(number)))

    async def person(self, principal: Principal, number: int) -> dict[str, Any]:
        """Who applies; that somebody of the venue looked is recorded."""
        principal = await self._authorised(principal, READ, number)
        person = await self._do(lambda book: book.person(number, who(principal), now()))
        return msgspec.structs.asdict(person)

    async def act(
        self, principal: Principal, number: int, act: Act, read: Callable[[type], Any]
    ) -> dict[str, Any]:
        """Does one act; `read` gives its wish once it is known that the speaker may."""
        principal = await self._authorised(principal, act.action, number)
        wish, catalogue = read(act.wish), self._door.catalogue
        found = await self._do(lambda book: act.do(book, catalogue, number, wish, who(principal)))
        return self._shown(found)

    async def _authorised(self, principal: Principal, action: str, number: int) -> Principal:
        owner = await self._do(lambda book: book.book.owner_of(number))
        return self._door.gate.authorise_owner(principal, action, owner)

    async def _do(self, work: Callable[[Onboarding], Any]) -> Any:
        """In a thread: the book's disk, the log's, and the venue's answers are waited for there."""
        return await asyncio.to_thread(work, self._door.onboarding)

    def _shown(self, found: Application) -> dict[str, Any]:
        return shown(self._door.catalogue, found, now())


def _of_venue(principal: Principal, action: str) -> bool:
    """Whether somebody may do this for whomever they name."""
    if principal.kind is PrincipalKind.DEV:
        return True
    return not action_of(action).venue_roles.isdisjoint(principal.venue_roles)
