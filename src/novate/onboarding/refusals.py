"""Why onboarding says no: numbers 2201 to 2249, beside identity's and the gateway's.

Responsible for: the table, and the error that carries one row of it. Numbers are never reused.
"""

from __future__ import annotations

from novate.errors import NumberedRule, RuleBroken


class Rule(NumberedRule):
    """Rules of onboarding."""

    # fmt: off
    APPLICATION_MUST_EXIST = (2201, 404, False, "There is no such application.")
    APPLICATION_MUST_BE_IN_THE_RIGHT_STATE = (2202, 409, False, "In its present state this cannot happen to the application.")
    OWNER_MUST_NOT_HAVE_AN_OPEN_APPLICATION = (2203, 409, False, "The owner has an application that is not over.")
    APPLICANT_MUST_BE_AN_OWNER = (2204, 400, False, "Who applies is an owner, not one of the venue's own people.")
    DOCUMENT_MUST_BE_A_REFERENCE = (2205, 400, False, "A document is a kind, a reference with a scheme other than data:, and a SHA-256; never the document itself.")
    DOCUMENT_MUST_BE_IN_DATE = (2206, 409, False, "A document that is needed is out of date.")
    TERMS_MUST_BE_POSSIBLE = (2207, 400, False, "Class, expiry or limits contradict each other or are out of range.")
    ENGINE_MUST_TAKE_IT = (2208, 422, False, "The engine would refuse, or has refused, what this comes to.")
    APPROVER_MUST_BE_A_PERSON = (2209, 403, False, "Whoever approves does so with a key of their own.")
    APPROVERS_MUST_BE_TWO_PEOPLE = (2210, 403, False, "Two different people approve, neither of them the applicant.")
    REASON_MUST_BE_GIVEN = (2211, 400, False, "A reason is 1 to 256 printable characters.")
    REASON_MUST_NOT_NAME_THE_APPLICANT = (2212, 400, False, "A reason is kept for ever, so it never names the applicant.")
    APPLICATION_MUST_BE_OVER = (2213, 409, False, "Names are erased once the application is over or in force.")
    NAMES_MUST_NOT_BE_ERASED = (2214, 410, False, "The names were erased.")
    PERSON_MUST_BE_POSSIBLE = (2215, 400, False, "What was said of the applicant is empty, too long or not printable.")
    # fmt: on


class OnboardingRefused(RuleBroken):
    """Onboarding does not do what was asked. `rule` says which rule it would break."""

    code = "onboarding_refused"
