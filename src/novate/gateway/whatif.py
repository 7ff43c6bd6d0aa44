"""What would be: operations tried on a copy of the venue that is thrown away.

Responsible for: the wish, and its outcome in the public language: what would happen, what would be refused, the account before and after.
Never: a rule; the copy is the engine itself. Nothing of it reaches the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from novate.gateway.errors import GatewayRefused, Rule
from novate.messages import CommandRefused, encode, iter_events, reports
from novate.messages.reports import AccountReport, MarginReport
from novate.messages.reports.base import Answers
from novate.schema.operations import operation, parse, to_command
from novate.schema.outcomes import outcome, problem
from novate.schema.views import view

if TYPE_CHECKING:
    from novate.gateway.door import Door


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operation by name.

    Attributes:
        op: Its name.
        args: What it takes.
    """

    op: str
    args: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class WhatIf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operations that are tried, one after the other.

    Attributes:
        operations: For the account in the path.
    """

    operations: Annotated[tuple[Wish, ...], msgspec.Meta(min_length=1, max_length=100)]


class _Caught(Exception):
    pass


def asked(question: Callable[[Answers, int], object], account: int) -> bytes:
    """The bytes of a question of `novate.messages.reports`."""
    found: list[bytes] = []

    class Listening:
        def query(self, request: bytes, /) -> bytes:
            found.append(request)
            raise _Caught

    with suppress(_Caught):
        question(Listening(), account)
    return found[0]


async def what_if(door: Door, account: int, wish: WhatIf) -> tuple[dict[str, Any], int]:
    """The outcome, and the sequence of the state that it starts from."""
    catalogue = door.catalogue
    commands = []
    for one in wish.operations:
        op = operation(one.op)
        args = parse(op, b"{}" if one.args is msgspec.UNSET else bytes(one.args))
        commands.append(to_command(catalogue, args, await door.actions.where(op, account, args, None)))
    buffer = b"".join(encode(command, account) for command in commands)
    questions = [asked(question, account) for question in (reports.account, reports.margin)]
    told = await door.link.foretell(buffer, *questions)
    events = [event for event in iter_events(told.events) if event.header.account in {account, 0}]
    refused = [event.body for event in events if isinstance(event.body, CommandRefused)]
    after = msgspec.msgpack.decode(told.answers[0], type=AccountReport)
    margin = msgspec.msgpack.decode(told.answers[1], type=MarginReport)
    if told.stale and not door.link.connected:
        raise GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE)
    return {
        "accepted": not refused,
        "refusals": [problem(catalogue, one) for one in refused],
        "events": [
            outcome(catalogue, event) for event in events if not isinstance(event.body, CommandRefused)
        ],
        "account": view(catalogue, after),
        "margin": view(catalogue, margin),
    }, told.sequence
