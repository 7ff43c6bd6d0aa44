"""The life of an application, as one table.

Responsible for: which event leads from which state to which; everything that is not in the table is refused. Never: stores or decides.

    applied -> documents_complete -> classified -> approved_once -> approved -> funded_test -> active
    refused, withdrawn, expired: ends
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from novate.onboarding.refusals import OnboardingRefused, Rule


class State(StrEnum):
    """Where an application stands.

    Attributes:
        APPLIED: Documents are missing.
        DOCUMENTS_COMPLETE: Every kind of document that its holder type needs is there and in date.
        CLASSIFIED: Compliance said which class of holder it is, and within which limits.
        APPROVED_ONCE: One person approved that.
        APPROVED: Two did; account and class are, or are being, made in the engine. Trial limits hold.
        FUNDED_TEST: The small first deposit arrived. Trial limits hold.
        ACTIVE: It went out again, or a person confirmed it: the full limits hold.
        REFUSED: By compliance.
        WITHDRAWN: By the applicant.
        EXPIRED: Its time passed.
    """

    APPLIED = "applied"
    DOCUMENTS_COMPLETE = "documents_complete"
    CLASSIFIED = "classified"
    APPROVED_ONCE = "approved_once"
    APPROVED = "approved"
    FUNDED_TEST = "funded_test"
    ACTIVE = "active"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Event(StrEnum):
    """What happens to an application.

    Attributes:
        DOCUMENT: A document came, others are missing.
        COMPLETE: A document came, none is missing.
        CLASSIFY: Class and limits were stated; what was approved before is void.
        APPROVE: One person approved.
        DEPOSIT: The test deposit arrived.
        CONFIRM: It was paid out again, or a person confirmed it.
        REFUSE: Compliance refused.
        WITHDRAW: The applicant took it back.
        EXPIRE: Its time passed.
    """

    DOCUMENT = "document"
    COMPLETE = "complete"
    CLASSIFY = "classify"
    APPROVE = "approve"
    DEPOSIT = "deposit"
    CONFIRM = "confirm"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"


S, E = State, Event
_UNDECIDED: Final = (S.APPLIED, S.DOCUMENTS_COMPLETE, S.CLASSIFIED, S.APPROVED_ONCE)
OPEN: Final = frozenset((*_UNDECIDED, S.APPROVED, S.FUNDED_TEST))
"""States in which something is still to come."""
IN_FORCE: Final = frozenset((S.APPROVED, S.FUNDED_TEST, S.ACTIVE))
"""States that have an effect in the engine."""

TABLE: Final[dict[tuple[State, Event], State]] = {
    (S.APPLIED, E.DOCUMENT): S.APPLIED,
    (S.APPLIED, E.COMPLETE): S.DOCUMENTS_COMPLETE,
    (S.DOCUMENTS_COMPLETE, E.COMPLETE): S.DOCUMENTS_COMPLETE,
    (S.DOCUMENTS_COMPLETE, E.CLASSIFY): S.CLASSIFIED,
    (S.CLASSIFIED, E.COMPLETE): S.DOCUMENTS_COMPLETE,
    (S.CLASSIFIED, E.CLASSIFY): S.CLASSIFIED,
    (S.CLASSIFIED, E.APPROVE): S.APPROVED_ONCE,
    (S.APPROVED_ONCE, E.COMPLETE): S.DOCUMENTS_COMPLETE,
    (S.APPROVED_ONCE, E.CLASSIFY): S.CLASSIFIED,
    (S.APPROVED_ONCE, E.APPROVE): S.APPROVED,
    (S.APPROVED, E.DEPOSIT): S.FUNDED_TEST,
    (S.FUNDED_TEST, E.CONFIRM): S.ACTIVE,
    **{(state, E.REFUSE): S.REFUSED for state in OPEN},
    **{(state, E.WITHDRAW): S.WITHDRAWN for state in _UNDECIDED},
    **{(state, E.EXPIRE): S.EXPIRED for state in OPEN},
}
"""(state, event) to state. What comes late voids what was decided without it."""


def after(state: State, event: Event) -> State:
    """The state after an event. Raises OnboardingRefused (`application_must_be_in_the_right_state`) for all that is not in the table."""
    found = TABLE.get((state, event))
    if found is None:
        raise OnboardingRefused(
            Rule.APPLICATION_MUST_BE_IN_THE_RIGHT_STATE, f"It is {state}; no {event} then.", state=state.value
        )
    return found
