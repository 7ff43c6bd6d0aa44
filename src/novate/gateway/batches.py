"""Batches of keys that are limited to markets or to the worth of an order: each leg is asked for as if it came alone.

    barred = barred_legs(principal, legs, ask)       leg number to the refusal that it would have met
    sent = in_place(command, barred)                 what goes to the engine
    told = as_refused(events, legs, barred)          what the sender is told of it

A barred leg goes as the cancellation of no order, which the engine refuses in its place: so the legs keep their numbers in the journal, in
the account's stream and in the reply, and the count of `batch_done` is right. Only the reply knows the true reason.

Responsible for: these three steps. Never: a rule of its own; `ask` is what a single order is asked by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast

from msgspec.structs import replace

from novate.identity import IdentityRefused, Principal
from novate.messages import (
    CancelOrder,
    Command,
    LegRefused,
    OrderBatch,
    decode_event,
    encode_event,
    event_heads,
)
from novate.messages.layout import LAYOUTS
from novate.messages.wire import encode_body

_NOTHING: Final = CancelOrder()


class Leg(NamedTuple):
    """One leg and the market where its order is or will be; 0 where that is not known."""

    command: Command
    market: int


Barred = Mapping[int, IdentityRefused]


def is_limited(principal: Principal) -> bool:
    """Whether legs have to be asked for one by one."""
    return principal.markets is not None or bool(principal.cap_micro_usd)


def barred_legs(legs: Sequence[Leg], ask: Callable[[Leg], object]) -> Barred:
    """The legs that may not be sent, by number. Raises the first refusal where no leg may."""
    barred: dict[int, IdentityRefused] = {}
    for number, leg in enumerate(legs):
        try:
            ask(leg)
        except IdentityRefused as refusal:
            barred[number] = refusal
    if barred and len(barred) == len(legs):
        raise barred[0]
    return barred


def in_place(command: OrderBatch, legs: Sequence[Leg], barred: Barred) -> OrderBatch:
    """The batch with each barred leg as one that changes nothing. Raises the first refusal of a batch that is all or nothing."""
    if not barred:
        return command
    if getattr(command, "atomic", False):
        raise barred[min(barred)]
    kept = (_NOTHING if number in barred else leg.command for number, leg in enumerate(legs))
    return replace(command, legs=b"".join(map(_packed, kept)))


def as_refused(events: bytes, legs: Sequence[Leg], barred: Barred) -> bytes:
    """The events, with the gateway's own reason at each barred leg."""
    told = []
    for head in event_heads(events):
        message = events[head.at : head.at + head.length]
        if head.kind == LegRefused.KIND:
            said = decode_event(message)
            body = cast("LegRefused", said.body)
            if body.leg in barred:
                message = encode_event(
                    _refused(body, legs, barred),
                    head.account,
                    head.account_sequence,
                    number=said.number,
                    flags=said.flags,
                    request=said.header.request,
                    sequence=head.sequence,
                    time_ns=head.time_ns,
                )
        told.append(message)
    return b"".join(told)


def _refused(body: LegRefused, legs: Sequence[Leg], barred: Barred) -> LegRefused:
    refusal = barred[body.leg]
    facts = refusal.facts
    return replace(
        body,
        code=refusal.rule.number,
        command=LAYOUTS[type(legs[body.leg].command)].kind,
        field=0,
        retry=int(refusal.rule.retryable),
        value=int(facts.get("notional_micro_usd") or 0),
        limit=int(facts.get("cap_micro_usd") or 0),
    )


def _packed(command: Command) -> bytes:
    return LAYOUTS[type(command)].kind.to_bytes(2, "little") + encode_body(command)
