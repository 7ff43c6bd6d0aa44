"""The life of an order for a broker, as one table.

Responsible for: which event leads from which state to which, and which events change nothing. Never: stores, sends or decides.

    waiting -> leaving -> working -> done
    returned: it never left, and the engine was told so; should it live after all, it works and its end is asked for

*Leaving* is kept before the order is handed to the line, so that after a crash every order that may have left is in it or behind it. Such an
order is asked about; it goes back to *waiting*, and out again, only when the broker says that it never had it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from novate.errors import NovateError


class State(StrEnum):
    """Where an order stands.

    Attributes:
        WAITING: Kept, and surely not at the broker.
        LEAVING: Handed over, or about to be: it may be there.
        WORKING: The broker said that it has it.
        DISPUTED: The broker had it, and says that it never did. A person decides.
        DONE: Nothing more of it fills.
        RETURNED: It never left; the engine sends it elsewhere or ends its request.
    """

    WAITING = "waiting"
    LEAVING = "leaving"
    WORKING = "working"
    DISPUTED = "disputed"
    DONE = "done"
    RETURNED = "returned"


class Event(StrEnum):
    """What happens to an order.

    Attributes:
        HAND_OVER: It is about to be handed to the line.
        NOT_LEFT: The line was down: nothing left.
        ALIVE: The broker has it, or filled a part.
        END: The broker filled the last of it, refused it or ended it.
        NOT_KNOWN: The broker says that it never had it, and was asked since it was handed over.
        GIVE_BACK: It waited too long for a line, or is not wanted any more.
        SETTLE: A person says that nothing more of it fills.
    """

    HAND_OVER = "hand_over"
    NOT_LEFT = "not_left"
    ALIVE = "alive"
    END = "end"
    NOT_KNOWN = "not_known"
    GIVE_BACK = "give_back"
    SETTLE = "settle"


S, E = State, Event
OPEN: Final = frozenset((S.WAITING, S.LEAVING, S.WORKING, S.DISPUTED))
"""States in which something is still to come."""
AWAY: Final = frozenset((S.LEAVING, S.WORKING, S.DISPUTED))
"""States of an order that may be at the broker: each is asked about when the line comes up."""

TABLE: Final[dict[tuple[State, Event], State]] = {
    (S.WAITING, E.HAND_OVER): S.LEAVING,
    (S.WAITING, E.GIVE_BACK): S.RETURNED,
    (S.LEAVING, E.NOT_LEFT): S.WAITING,
    (S.LEAVING, E.NOT_KNOWN): S.WAITING,
    (S.WORKING, E.NOT_KNOWN): S.DISPUTED,
    (S.DISPUTED, E.NOT_KNOWN): S.DISPUTED,
    (S.DISPUTED, E.SETTLE): S.DONE,
    # What a broker says of an order is so, however it came about. One that was returned and lives is not wanted there: its end is asked for.
    **{(state, E.ALIVE): S.WORKING for state in OPEN},
    **{(state, E.END): S.DONE for state in State},
    (S.DONE, E.ALIVE): S.DONE,
    (S.RETURNED, E.ALIVE): S.WORKING,
    # What was known before is no news.
    (S.DONE, E.NOT_KNOWN): S.DONE,
    (S.RETURNED, E.NOT_KNOWN): S.RETURNED,
    (S.WAITING, E.NOT_KNOWN): S.WAITING,
}
"""(state, event) to state."""


class NoSuchStep(NovateError):
    """An order is in a state in which this can't happen: an error of this program, or a person's step that comes too late."""

    code = "no_such_step"


def after(state: State, event: Event) -> State:
    """The state after an event. Raises NoSuchStep for all that is not in the table."""
    found = TABLE.get((state, event))
    if found is None:
        raise NoSuchStep(f"An order that is {state} can't {event}.", state=state.value, event=event.value)
    return found
