"""Why a gateway itself says no: numbers 2050 and above, beside the identity's 2001 to 2049 and the engine's own.

Responsible for: the table, and any of the three kinds of refusal as one `Problem` with an HTTP status. Numbers are never reused.
"""

from __future__ import annotations

from novate.errors import NovateError, NumberedRule, RuleBroken
from novate.identity.refusals import IdentityRefused
from novate.schema.operations import SchemaError
from novate.schema.outcomes import Problem


class Rule(NumberedRule):
    """A rule of the gateway: number, HTTP status, whether the same may succeed later, sentence."""

    MESSAGE_MUST_BE_JSON = (2050, 400, False, "What was sent is no JSON of the expected shape.")
    FIELDS_MUST_FIT_THE_OPERATION = (2051, 400, False, "A field is unknown, missing or not of its type.")
    PATH_MUST_EXIST = (2052, 404, False, "There is nothing at this path.")
    METHOD_MUST_BE_ALLOWED = (2053, 405, False, "The path does not take this method.")
    MESSAGE_MUST_NOT_BE_LARGER = (2054, 413, False, "What was sent is larger than the gateway takes.")
    VENUE_MUST_BE_REACHABLE = (2055, 503, True, "The venue's core can't be reached; it was not told.")
    OUTCOME_IS_NOT_KNOWN = (
        2056,
        503,
        True,
        "The connection to the core broke before its answer; ask by client id, or send again under the same one.",
    )
    VENUE_MUST_HAVE_ROOM = (
        2057,
        503,
        True,
        "The venue has as many commands in flight as it takes; cancellations have a lane of their own.",
    )
    SEQUENCE_MUST_BE_REACHED = (
        2058,
        409,
        True,
        "The reader has not come to the sequence that was asked for in time.",
    )
    CHANNEL_MUST_EXIST = (2059, 404, False, "There is no such channel.")
    SUBSCRIPTIONS_MUST_NOT_EXCEED_LIMIT = (
        2060,
        429,
        False,
        "The connection has as many subscriptions as it may have.",
    )
    RESUME_MUST_BE_WITHIN_REACH = (
        2061,
        410,
        False,
        "The events from that sequence on are not kept any more; read the account anew.",
    )
    LISTENER_MUST_KEEP_UP = (
        2062,
        429,
        True,
        "The listener left more unread than the gateway keeps for it, and was cut off.",
    )
    THING_MUST_EXIST = (2063, 404, False, "There is no such thing.")
    VENUE_MUST_BE_FOR_TESTS = (2064, 403, False, "Only a venue that was started for development takes this.")
    STANDBY_MUST_CONFIRM = (
        2066,
        503,
        True,
        "The venue waits for its standby and takes no command before it is back; it was not told.",
    )
    VENUE_MUST_HAVE_RECOVERED = (2067, 503, True, "The venue's core recovers; it was not told.")
    OPERATION_FAILED = (2065, 500, True, "The gateway failed inside itself; the incident is in its log.")
    ADMIN_MUST_USE_ITS_OWN_DOOR = (
        2068,
        403,
        False,
        "What needs a role at the venue is taken at the admin door alone.",
    )
    REQUEST_MUST_COME_IN_TIME = (
        2069,
        408,
        True,
        "The request did not come whole in the time that the gateway waits for one.",
    )
    CONNECTIONS_MUST_NOT_EXCEED_LIMIT = (
        2070,
        429,
        True,
        "The gateway has as many connections, of this address or of all, as it takes.",
    )
    HEAD_MUST_NOT_BE_LARGER = (2071, 431, False, "The head of the request is larger than the gateway takes.")
    REQUEST_MUST_BE_HTTP = (2072, 400, False, "What was sent is no HTTP.")
    SUBSCRIPTION_MUST_NOT_END_BEFORE_IT_BEGINS = (
        2073,
        409,
        False,
        "The subscription was ended, or another one took its place, before it began.",
    )


class GatewayRefused(NovateError):
    """The gateway does not do what was asked."""

    code = "gateway_refused"

    def __init__(
        self, broken: Rule, sentence: str = "", field: str | None = None, limit: int | None = None
    ) -> None:
        super().__init__(sentence or broken.sentence, rule=broken.name.lower(), number=broken.number)
        self.broken = broken
        self.field = field
        self.limit = limit


def told(error: NovateError) -> tuple[int, Problem]:
    """HTTP status and problem of an error on purpose."""
    if isinstance(error, GatewayRefused):
        rule = error.broken
        return rule.status, Problem(
            number=rule.number,
            code=rule.name.lower(),
            message=error.sentence,
            retryable=rule.retryable,
            field=error.field,
            limit=None if error.limit is None else str(error.limit),
        )
    if isinstance(error, IdentityRefused):
        broken = error.rule
        return broken.http_status, Problem(
            number=broken.number, code=broken.label, message=error.sentence, retryable=broken.retryable
        )
    if isinstance(error, RuleBroken):
        told_by = error.rule
        return told_by.status, Problem(
            number=told_by.number,
            code=told_by.label,
            message=error.sentence,
            retryable=told_by.retryable,
            field=error.field,
        )
    rule = Rule.FIELDS_MUST_FIT_THE_OPERATION if isinstance(error, SchemaError) else Rule.OPERATION_FAILED
    field = error.facts.get("field")
    return rule.status, Problem(
        number=rule.number,
        code=rule.name.lower(),
        message=error.sentence,
        retryable=rule.retryable,
        field=str(field) if field else None,
    )
