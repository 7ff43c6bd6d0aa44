"""What an approved application comes to in the engine: compared, and only what is missing is sent.

Responsible for: account and class as commands of the person who approved, once. Level-triggered: what the engine has is asked for first, at a
sequence not older than the core's, so a process that was killed after sending, or before, is completed by the next one without doubling
anything. Never: decides what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from novate.core_process import CoreClient
from novate.messages import (
    ClassifyOwner,
    Command,
    CommandRefused,
    OpenAccount,
    encode,
    explain,
    iter_events,
    reports,
)
from novate.messages.reports import governance
from novate.messages.reports.base import Answers
from novate.onboarding.records import Terms
from novate.onboarding.refusals import OnboardingRefused, Rule
from novate.reader_process import ReaderClient

CORE, READER = "core.sock", "reader.sock"


class Wanted(NamedTuple):
    """What should be so in the engine."""

    owner: int
    account: int
    """0 where none was chosen yet."""
    holder_class: int
    expires_ns: int
    salted_id: bytes


class Carried(NamedTuple):
    """What was done about it."""

    account: int
    sequence: int
    """The last command that it took, or of which it was found to be so."""
    problem: str
    """Why the engine refused; empty for none."""


Owners = Mapping[int, int]
"""The owner of each account that the engine has."""


def free_account(owners: Owners, owner: int, taken: Iterable[int]) -> int:
    """The account that an owner has, the first one; else a number that nobody has, the engine or another application."""
    mine = (account for account, of in owners.items() if of == owner)
    return next(mine, max((*owners, *taken, 0)) + 1)


def rehearse(home: Path, terms: Terms, owner: int, salted_id: str, actor: int) -> None:
    """Tries account and classes on a copy of the venue, as the key that states them. Raises OnboardingRefused (`engine_must_take_it`) with the engine's own sentence."""
    with ReaderClient.connect(home / READER) as reader:
        owners = _owners(reader)
        account = free_account(owners, owner, ())
        opens = [] if owners.get(account) == owner else [(OpenAccount(owner=owner), account)]
        classes = {terms.holder_class, terms.trial_class or terms.holder_class}
        commands = [
            *opens,
            *(
                (_classified(owner, number, terms.expires_ns, bytes.fromhex(salted_id)), 0)
                for number in classes
            ),
        ]
        told = reader.what_if(_buffer(commands, actor, _requests_of(reader, actor)))
    problem = _refused(told.events)
    if problem:
        raise OnboardingRefused(Rule.ENGINE_MUST_TAKE_IT, problem)


def carry_out(
    home: Path, wanted: Wanted, actor: int, taken: Iterable[int], chosen: Callable[[int], None]
) -> Carried:
    """Makes it so. `chosen` is told the account, durably, before the command that opens it is sent. Raises CoreGone, ReaderGone, NotTold."""
    with CoreClient.connect(home / CORE) as core, ReaderClient.connect(home / READER) as reader:
        reader.min_seq = core.welcome.sequence
        owners, account = _owners(reader), wanted.account
        if not account or owners.get(account, wanted.owner) != wanted.owner:
            account = free_account(owners, wanted.owner, taken)
            chosen(account)
        opens = owners.get(account) != wanted.owner
        commands = list(_missing(reader, wanted, account, opens=opens))
        if not commands:
            return Carried(account, reader.sequence, "")
        answered = core.submit(_buffer(commands, actor, _requests_of(reader, actor)))
        last = answered.first_sequence + answered.commands - 1
        return Carried(account, last, _refused(answered.events))


def _buffer(commands: Sequence[tuple[Command, int]], actor: int, request: int) -> bytes:
    """Commands with their accounts, as messages of a key whose highest request so far is `request`."""
    numbered = enumerate(commands, request + 1)
    return b"".join(encode(command, account, actor, number) for number, (command, account) in numbered)


def _missing(reader: Answers, wanted: Wanted, account: int, *, opens: bool) -> Iterable[tuple[Command, int]]:
    if opens:
        yield OpenAccount(owner=wanted.owner), account
    known = next((one for one in governance.holders(reader, first=wanted.owner, count=1)), None)
    found = (
        (known.holder_class, known.expires_ns, known.salted_id)
        if known is not None and known.owner == wanted.owner
        else None
    )
    if found != (wanted.holder_class, wanted.expires_ns, wanted.salted_id):
        yield _classified(wanted.owner, wanted.holder_class, wanted.expires_ns, wanted.salted_id), 0


def _classified(owner: int, holder_class: int, expires_ns: int, salted_id: bytes) -> ClassifyOwner:
    return ClassifyOwner(owner=owner, holder_class=holder_class, expires_ns=expires_ns, salted_id=salted_id)


def _owners(reader: Answers) -> Owners:
    return {line.account: line.owner for line in reports.accounts(reader)}


def _requests_of(reader: Answers, actor: int) -> int:
    """The key's highest request number: with the next one the engine takes a command once."""
    return next((line.request for line in governance.actors(reader) if line.actor == actor), 0)


def _refused(events: bytes) -> str:
    found = (event.body for event in iter_events(events, (CommandRefused,)))
    return next((explain(body) for body in found if isinstance(body, CommandRefused)), "")
