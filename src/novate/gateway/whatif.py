"""What would be: operations tried on a copy of the venue that is thrown away.

Responsible for: the wish, and its outcome in the public language: what would happen, what would be refused, the account before and after;
and of an operation of the venue's, every account before and after. Never: a rule; the copy is the engine itself. Nothing of it reaches the
journal.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from novate.gateway.errors import GatewayRefused, Rule
from novate.identity import Principal, Scope
from novate.identity.authority import action_of
from novate.messages import CommandRefused, encode, iter_events, reports
from novate.messages.reports import AccountReport, MarginReport, governance
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


class Effect(Wish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operation that takes two people, before anybody proposes it.

    Attributes:
        account: Account it acts for; 0 for the venue.
        most: How many accounts are shown, those that lose most first.
    """

    account: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}$")] = "0"
    most: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 100


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


async def what_if(door: Door, principal: Principal, account: int, wish: WhatIf) -> tuple[dict[str, Any], int]:
    """The outcome, and the sequence of the state that it starts from.

    Whoever sees the account may try what its owner may do. Raises IdentityRefused for an act of the venue's people that the principal may not
    do: a price posted on a copy would show what the venue tells nobody, such as where others' stop orders rest.
    """
    catalogue = door.catalogue
    commands = []
    for one in wish.operations:
        op = operation(one.op)
        if action_of(op.command.__name__).scope is Scope.ADMIN:
            door.gate.authorise(principal, op.command.__name__, account)
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


async def effect(door: Door, wish: Effect) -> tuple[dict[str, Any], int]:
    """What an operation would do to every account, whoever may send it; and the sequence that the last account is of.

    An account is shown where a requirement, an excess or its equity would be another; first whose excess falls most, at any level.
    """
    op = operation(wish.op)
    args = parse(op, b"{}" if wish.args is msgspec.UNSET else bytes(wish.args))
    command = to_command(door.catalogue, args)
    account = int(wish.account)
    changed: list[governance.EffectLine] = []
    first = 0
    while True:
        page, seq = await door.link.ask(governance.effect_of, command, account, first=first)
        changed += [line for line in page.lines if _differs(line)]
        first += governance.PAGE
        if page.refusal or first >= page.accounts:
            break
    changed.sort(key=lambda line: (_fall(line), line.account))
    return {
        "refusal": page.refusal,
        "rule": page.rule,
        "accounts": page.accounts,
        "changed": len(changed),
        "worse": sum(_fall(line) < 0 for line in changed),
        "lines": [view(door.catalogue, line) for line in changed[: wish.most]],
    }, seq


def _differs(line: governance.EffectLine) -> bool:
    before = (line.equity_before, line.requirements_before, line.excess_before)
    return before != (line.equity_after, line.requirements_after, line.excess_after)


def _fall(line: governance.EffectLine) -> int:
    """What the excess gains at the level where it gains least, micro-dollars."""
    return min(after - before for before, after in zip(line.excess_before, line.excess_after, strict=True))
