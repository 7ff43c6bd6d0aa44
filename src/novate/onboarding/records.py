"""What onboarding keeps: applications, references to documents, class and limits, decisions; and the person, who is kept elsewhere.

Responsible for: these values and their bounds. Never: a name in anything but `Person`, which only the erasable store holds.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from novate.messages.codes import HolderType
from novate.onboarding.refusals import OnboardingRefused, Rule
from novate.onboarding.states import Event, State

NEEDED: Final[dict[HolderType, tuple[str, ...]]] = {
    HolderType.PERSON: ("identity", "address"),
    HolderType.FIRM: ("registration", "ownership", "authority"),
    HolderType.FUND: ("registration", "ownership", "authority", "prospectus"),
    HolderType.DEALER: ("registration", "ownership", "authority", "licence"),
}
"""Kinds of documents that must be there before anybody is classified."""
OTHER_KINDS: Final = ("funds", "sanctions", "tax", "other")
"""Kinds that may come besides."""

_REFERENCE: Final = re.compile(r"(?!data:)[a-z][a-z0-9+.-]{1,31}:[!-~]{1,480}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_I64: Final = 2**63


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who applies, for the erasable store alone.

    Attributes:
        name: Of the person or the institution.
        born: Date of birth or of foundation, as text.
        address: Where they live or are registered.
        contact: How they are reached.
        number: Of a register or a passport.
    """

    name: str
    born: str = ""
    address: str = ""
    contact: str = ""
    number: str = ""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document, by reference: never what stands in it.

    Attributes:
        kind: What it proves.
        reference: Where it is kept (`vault:kyc/8812`, `s3://...`); empty once erased.
        sha256: Of its bytes, hexadecimal.
        received_ns: When it came.
        expires_ns: Until when it counts; 0 without end.
    """

    kind: str
    reference: str
    sha256: str
    received_ns: int
    expires_ns: int = 0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Class and limits that compliance states and two people approve. Amounts in units of the asset, caps in micro-dollars.

    Attributes:
        holder_class: The engine's class, once active.
        trial_class: The class until then; 0 for the same.
        tier: Of the identity check.
        expires_ns: Until when the check counts.
        order_cap: Most that one order may be worth once active; 0 without limit.
        trial_order_cap: The same until then; never 0.
        test_asset: What the first deposit is in.
        test_least: At least so much.
        test_most: And at most so much.
    """

    holder_class: int
    tier: int
    expires_ns: int
    trial_order_cap: int
    test_asset: int
    test_least: int
    test_most: int
    trial_class: int = 0
    order_cap: int = 0

    def class_in(self, state: State) -> int:
        """The engine's class in a state that is in force."""
        return self.holder_class if state is State.ACTIVE else self.trial_class or self.holder_class

    def cap_in(self, state: State) -> int:
        """The cap of one order in a state that is in force."""
        return self.order_cap if state is State.ACTIVE else self.trial_order_cap


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an application, by whom and why. Kept for ever.

    Attributes:
        number: Rises over all applications.
        at_ns: When.
        event: What happened.
        before: State before it.
        after: And after it.
        actor: Key; 0 for the machine's console and for what happened by itself.
        person: The engine's number of whose key it is; 0 where it keeps none.
        by: In words: `key 7`, `console`, `venue`.
        reason: Why.
        sequence: Place in the journal of what it is about, or 0.
    """

    number: int
    at_ns: int
    event: Event
    before: State
    after: State
    actor: int
    person: int
    by: str
    reason: str
    sequence: int


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """One application as it stands.

    Attributes:
        number: Its id.
        owner: Whose it is.
        salted_id: SHA-256 over a salt and the person: all that journal, log and decisions know of them.
        holder_type: What the holder is.
        jurisdiction: Two capital letters.
        state: Where it stands.
        applied_ns: When it came.
        deadline_ns: When it expires.
        terms: Class and limits; None before.
        account: In the engine; 0 before.
        carried: The state whose effects are in the engine.
        sequence: The engine's command that completed them.
        problem: Name of the refusal that the engine met them with; empty for none.
        erased_ns: When its names were erased; 0 while they are there.
        documents: References, in order of coming.
        decisions: What happened, in order.
    """

    number: int
    owner: int
    salted_id: str
    holder_type: HolderType
    jurisdiction: str
    state: State
    applied_ns: int
    deadline_ns: int
    terms: Terms | None
    account: int
    carried: str
    sequence: int
    problem: str
    erased_ns: int
    documents: tuple[Document, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def approvals(self) -> tuple[Decision, ...]:
        """Those of the present class and limits."""
        found: list[Decision] = []
        for one in self.decisions:
            if one.event is Event.APPROVE:
                found.append(one)
            elif one.event in {Event.CLASSIFY, Event.COMPLETE}:
                found = []
        return tuple(found)

    def missing(self, now_ns: int) -> tuple[str, ...]:
        """Kinds of documents that are not there, or not in date."""
        there = {one.kind for one in self.documents if not 0 < one.expires_ns <= now_ns}
        return tuple(kind for kind in NEEDED[self.holder_type] if kind not in there)


def checked_document(document: Document, holder_type: HolderType, now_ns: int) -> Document:
    """The document. Raises OnboardingRefused (`document_must_be_a_reference`, `document_must_be_in_date`)."""
    kinds = (*NEEDED[holder_type], *OTHER_KINDS)
    rule = Rule.DOCUMENT_MUST_BE_A_REFERENCE
    if document.kind not in kinds:
        raise OnboardingRefused(rule, f"Kinds are {', '.join(kinds)}.", "kind")
    if not _REFERENCE.fullmatch(document.reference):
        raise OnboardingRefused(rule, field="reference")
    if not _SHA256.fullmatch(document.sha256):
        raise OnboardingRefused(rule, "Its SHA-256 is 64 hexadecimal digits in lower case.", "sha256")
    if document.expires_ns and not now_ns < document.expires_ns < _I64:
        raise OnboardingRefused(Rule.DOCUMENT_MUST_BE_IN_DATE, field="expires_ns")
    return document


def checked_terms(terms: Terms, now_ns: int) -> Terms:
    """The terms. Raises OnboardingRefused (`terms_must_be_possible`) for the first field that can't be."""
    bounds = (
        ("holder_class", 1, 2**32), ("trial_class", 0, 2**32), ("tier", 0, 256), ("expires_ns", now_ns + 1, _I64),
        ("order_cap", 0, _I64), ("trial_order_cap", 1, _I64), ("test_asset", 1, 2**32), ("test_least", 1, _I64),
        ("test_most", terms.test_least, _I64),
    )  # fmt: skip
    for name, least, below in bounds:
        value = getattr(terms, name)
        if not least <= value < below:
            raise OnboardingRefused(Rule.TERMS_MUST_BE_POSSIBLE, f"{name} is {value}.", name)
    if 0 < terms.order_cap < terms.trial_order_cap:
        raise OnboardingRefused(
            Rule.TERMS_MUST_BE_POSSIBLE, "The trial's cap is not above the full one.", "order_cap"
        )
    return terms


def checked_person(person: Person) -> Person:
    """The person. Raises OnboardingRefused (`person_must_be_possible`)."""
    for name in person.__struct_fields__:
        text = getattr(person, name)
        if len(text) > 400 or not text.isprintable() or (name == "name" and not text.strip()):
            raise OnboardingRefused(Rule.PERSON_MUST_BE_POSSIBLE, field=name)
    return person


def checked_reason(reason: str, person: Person | None) -> str:
    """The reason. Raises OnboardingRefused: it is kept for ever, so it is there, short, and names nobody."""
    if not 1 <= len(reason) <= 256 or not reason.isprintable():
        raise OnboardingRefused(Rule.REASON_MUST_BE_GIVEN, field="reason")
    said = set(re.findall(r"\w+", reason.casefold()))
    if person is not None and any(
        len(w) > 2 and w in said for w in re.findall(r"\w+", person.name.casefold())
    ):
        raise OnboardingRefused(Rule.REASON_MUST_NOT_NAME_THE_APPLICANT, field="reason")
    return reason
