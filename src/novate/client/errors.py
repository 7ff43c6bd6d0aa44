"""What can go wrong between a program and a venue: refused, not reached, or not known.

Responsible for: three errors that a caller tells apart, because after each something else is right to do. Never: retries.
"""

from __future__ import annotations

from novate.errors import NovateError
from novate.schema.outcomes import Problem


class ClientError(NovateError):
    """Base of what the client raises."""

    code = "client_error"


class VenueRefused(ClientError):
    """The venue said no, and nothing was done. Facts: `number`, `rule`, `field`.

    Attributes:
        problem: All that the venue said.
        number: Of the rule; never reused.
        rule: Its name.
        field: What of the request is at fault, or None.
        retryable: Whether the same may succeed later, sent again as it is.
        status: HTTP status; 0 on a WebSocket.
        seq: Position in the journal that the answer is of.
    """

    code = "venue_refused"

    def __init__(self, problem: Problem, status: int = 0, seq: int = 0) -> None:
        super().__init__(problem.message, number=problem.number, rule=problem.code, field=problem.field)
        self.problem = problem
        self.number, self.rule, self.field = problem.number, problem.code, problem.field
        self.retryable, self.status, self.seq = problem.retryable, status, seq


class VenueUnreachable(ClientError):
    """The request did not get to the venue: nothing was done. The same may be sent again."""

    code = "venue_unreachable"


class OutcomeUnknown(ClientError):
    """The request may or may not have been done. Facts: `client_id` where it was an order.

    An order is asked for with `Client.find`, or sent again under the same client id.
    """

    code = "outcome_unknown"
