"""What to do next: the rules of sending, sending again and finding out, without any input or output.

A procedure here is a generator. It yields what is to be done (`Send`, `Pause`, `Recall`), is sent what came of it, and returns its result:

    told = yield Send(call)        Reply of the venue, or Lost
    yield Pause(seconds)
    past = yield Recall(account, since)    the account's events behind a number, or None when they are not kept

Responsible for: that nothing is done twice that must not be, and that no order is lost sight of. Never: a socket, a clock.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from novate.client import answers
from novate.client.answers import Event, Reply
from novate.client.calls import Call, act
from novate.client.errors import OutcomeUnknown, VenueRefused, VenueUnreachable
from novate.client.orders import Order, Orders

T = TypeVar("T")
_NOT_TOLD: Final = frozenset({2002, 2027, 2030, 2055, 2057, 2058})
"""The gateway says no before the venue heard of it, and the same may succeed soon."""
_NOT_KNOWN: Final = frozenset({2056, 2065})
_ALREADY: Final = 424
"""The engine's `order_already_exists`, of a leg of a batch."""
PLACING: Final = frozenset({"place_order", "place_order_full"})
_GONE: Final = 414
"""`order_must_exist`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """How long the client tries: so many attempts, pauses that double up to a most, and seconds to wait for each answer."""

    attempts: int = 12
    pause_s: float = 0.05
    most_s: float = 2.0
    answer_s: float = 5.0

    def pause(self, number: int) -> float:
        """Seconds after the attempt of that number, from 0."""
        return min(self.pause_s * 2.0 ** min(number, 20), self.most_s)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request, signed anew."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait. `why` says why, where it is to send again what was not answered or not taken."""

    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask for an account's events behind a number."""

    account: int
    since: int


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. `sent`: whether the venue may have got the request."""

    sent: bool
    why: str


@dataclass(frozen=True, slots=True)
class Past:
    """An account's events behind a number, and the position in the journal up to which they are complete.

    `kept` is false where the venue keeps them no more: then asking again is in vain.
    """

    events: tuple[Event, ...]
    seq: int
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply with its HTTP status and the seconds that it says to wait."""

    reply: Reply
    status: int = 200
    wait_s: float = 0.0


Steps = Generator[Send | Pause | Recall, Any, T]


class Sending:
    """One request, until it is answered: whether the venue may have got it before."""

    def __init__(self, persistence: Persistence) -> None:
        self._persistence = persistence
        self.uncertain = False
        self.seq = 0
        """The venue's position when it answered."""

    def run(self, call: Call[T]) -> Steps[T]:
        """The answer. Raises VenueRefused, VenueUnreachable, OutcomeUnknown."""
        why, refused = "", None
        for number in range(self._persistence.attempts):
            told: Answered | Lost = yield Send(call)
            wait = 0.0
            if isinstance(told, Lost):
                why, refused = told.why, None
                self.uncertain |= told.sent
                stop = told.sent and not call.again
            else:
                reply = told.reply
                self.seq = reply.seq
                if reply.ok:
                    return answers.read(call.answer, reply.result)
                problem = reply.error
                if problem is None:
                    raise OutcomeUnknown("The reply says neither that it was done nor why not.")
                refused, why, wait = (
                    VenueRefused(problem, told.status, reply.seq),
                    problem.message,
                    told.wait_s,
                )
                if problem.number not in _NOT_TOLD | _NOT_KNOWN:
                    raise refused
                self.uncertain |= problem.number in _NOT_KNOWN
                stop = problem.number in _NOT_KNOWN and not call.again
            if stop:
                break
            yield Pause(max(wait, self._persistence.pause(number)), why)
        if self.uncertain and call.method != "GET":
            raise OutcomeUnknown(f"Whether it was done is not known: {why}")
        raise refused or VenueUnreachable(f"The venue was not reached: {why}")


def deliver(call: Call[T], persistence: Persistence) -> Steps[T]:
    """A request that is not about an order of this program."""
    return (yield from Sending(persistence).run(call))


def place(
    orders: Orders, name: str, account: int, args: Mapping[str, Any], persistence: Persistence
) -> Steps[Order]:
    """An order under its client id, however often it must be sent.

    A refusal after an attempt whose answer was lost proves nothing: that attempt may rest in the book while prices moved on. Then the
    account's events say whether it does.
    """
    call = act(name, account, args, again=True)
    order, sending = orders.begin(account, args), Sending(persistence)
    try:
        done = yield from sending.run(call)
    except VenueRefused as refused:
        if sending.uncertain and (yield from _find(orders, order, refused.seq, persistence)):
            return order
        if not order.order:
            order.status, order.problem = "refused", refused.problem
        raise
    except OutcomeUnknown as unknown:
        order.status = order.status if order.order else "unknown"
        raise OutcomeUnknown(unknown.sentence, client_id=order.client_id) from None
    except VenueUnreachable:
        order.status = "refused"
        raise
    orders.hear(done.events)
    if done.order is not None and done.order.duplicate:
        past = yield from _past(account, order.since, sending.seq, persistence)
        orders.hear(past.events if past else ())
        # Its own events say more than the reply, and the fills of both are the same ones: never count them twice.
        if past is None or not order.order:
            orders.take(order, done.order)
    return order


def find(orders: Orders, client_id: str, persistence: Persistence) -> Steps[Order | None]:
    """How an order stands whose fate was not known; None when the venue never got it. Raises OutcomeUnknown."""
    order = orders[client_id]
    if order.status not in {"unknown", "sending"}:
        return order
    seq = (yield from deliver(Call("GET", "/v1/time", dict[str, Any]), persistence))["seq"]
    found = yield from _find(orders, order, int(seq), persistence)
    if not found:
        order.status = "refused"
    return order if found else None


def _past(account: int, since: int, seq: int, persistence: Persistence) -> Steps[Past | None]:
    """An account's events behind a number up to a position, asked for as often as anything; None when they can't be had."""
    for number in range(persistence.attempts):
        if number:
            yield Pause(persistence.pause(number - 1))
        past: Past | None = yield Recall(account, since)
        if past is not None and not past.kept:
            return None
        if past is not None and past.seq >= seq:
            return past
    return None


def _find(orders: Orders, order: Order, seq: int, persistence: Persistence) -> Steps[bool]:
    """Whether the venue got the order, from the account's events up to a position. Raises OutcomeUnknown when they do not say."""
    for number in range(persistence.attempts):
        past: Past | None = yield Recall(order.account, order.since)
        orders.hear(past.events if past else ())
        if past is not None and not past.kept:
            break
        if order.order or (past is not None and past.seq >= seq):
            return bool(order.order)
        yield Pause(persistence.pause(number))
    order.status = "unknown"
    raise OutcomeUnknown(
        "The account's events do not reach back far enough to tell.", client_id=order.client_id
    )


def amend(orders: Orders, order: Order, args: Mapping[str, Any], persistence: Persistence) -> Steps[Order]:
    """New terms for an order. After a lost answer the account's events say whether it was done, and it is sent again if not."""
    named = {"order": order.order} if order.order else {"client_id": order.client_id}
    call = act("amend_order", order.account, {**named, **args}, again=False)
    since, uncertain = orders.seen(order.account), False
    for number in range(persistence.attempts):
        try:
            done = yield from Sending(persistence).run(call)
        except OutcomeUnknown:
            uncertain = True
            yield Pause(persistence.pause(number))
            if (yield from _amended(orders, order, since, 0, persistence)):
                return order
        except VenueRefused as refused:
            if uncertain and (yield from _amended(orders, order, since, refused.seq, persistence)):
                return order
            raise
        else:
            orders.hear(done.events)
            return order
    raise OutcomeUnknown("Whether the order was amended is not known.", client_id=order.client_id)


def _amended(orders: Orders, order: Order, since: int, seq: int, persistence: Persistence) -> Steps[bool]:
    """Whether an order was amended, or ended, behind an event. Raises OutcomeUnknown when the events do not tell."""
    for number in range(persistence.attempts):
        past: Past | None = yield Recall(order.account, since)
        if past is not None and not past.kept:
            break
        if past is not None:
            orders.hear(past.events)
            mine = [one for one in past.events if getattr(one.data, "order", None) == order.order]
            if any(one.event == "order_amended" for one in mine) or not order.alive:
                return True
            if past.seq >= seq:
                return False
        yield Pause(persistence.pause(number))
    raise OutcomeUnknown(
        "The account's events do not tell whether the order was amended.", client_id=order.client_id
    )


def cancel(orders: Orders, order: Order, persistence: Persistence) -> Steps[Order]:
    """The end of an order; one that has ended already is no error when an answer was lost."""
    named = {"order": order.order} if order.order else {"client_id": order.client_id}
    sending, since = Sending(persistence), orders.seen(order.account)
    try:
        done = yield from sending.run(act("cancel_order", order.account, named))
        orders.hear(done.events)
    except VenueRefused as refused:
        if not (sending.uncertain and refused.number == _GONE):
            raise
        past = yield from _past(order.account, since, refused.seq, persistence)
        orders.hear(past.events if past else ())
        if order.alive:
            order.status = "ended"
    return order


def batch(
    orders: Orders, account: int, legs: list[dict[str, Any]], persistence: Persistence
) -> Steps[answers.Done]:
    """Up to 100 orders, cancellations and amendments at once. It is sent again only where no leg amends."""
    placed = [(at, orders.begin(account, one["args"])) for at, one in enumerate(legs) if one["op"] in PLACING]
    call = act("order_batch", account, {"legs": legs}, again=all(one["op"] != "amend_order" for one in legs))
    sending = Sending(persistence)
    try:
        done = yield from sending.run(call)
    except VenueRefused as refused:
        for _, order in placed:
            if not (sending.uncertain and (yield from _find(orders, order, refused.seq, persistence))):
                order.status, order.problem = "refused", refused.problem
        raise
    except (OutcomeUnknown, VenueUnreachable) as failed:
        for _, order in placed:
            order.status = order.status if order.order else _fate(failed)
        raise
    orders.hear(done.events)
    refused_legs = {one.data.leg: one.data.code for one in done.events if one.event == "leg_refused"}
    for at, order in placed:
        if refused_legs.get(at) == _ALREADY:
            yield from _find(orders, order, sending.seq, persistence)
        elif not order.order:
            order.status = "refused"
    return done


def _fate(failed: Exception) -> str:
    return "unknown" if isinstance(failed, OutcomeUnknown) else "refused"
