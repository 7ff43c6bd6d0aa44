"""Refusals by number: the rule that a command broke, in words.

Responsible for: looking up the engine's own table (`novate._core.refusals()`). Holds no sentence of its own: the table
is written once, in `crates/novate-core/src/reject.rs`.
"""

from dataclasses import dataclass
from functools import cache

import msgspec

from novate._core import refusals
from novate.errors import MessageError
from novate.messages.events.first import CommandRefused
from novate.messages.layout import COMMAND_KINDS, LAYOUTS


@dataclass(frozen=True)
class Rule:
    """One rule of the venue that a command can break."""

    number: int
    """Never reused. 1xx envelope, 2xx account and ledger, 3xx listing, 4xx order, 5xx margin, 6xx price, 7xx lending."""
    name: str
    """States the rule, such as `amount_must_not_exceed_balance`."""
    sentence: str
    """What was wrong, for people."""
    retry: bool
    """Whether the same command may succeed later."""


@cache
def rules() -> dict[int, Rule]:
    """All rules by number, ascending."""
    rows = msgspec.json.decode(refusals(), type=list[Rule])
    return {row.number: row for row in rows}


def rule(number: int) -> Rule:
    """The rule with this number. Raises MessageError where the release has none."""
    found = rules().get(number)
    if found is None:
        raise MessageError(f"no refusal has the number {number}")
    return found


def number_of(name: str) -> int:
    """The number of the rule with this name. Raises MessageError where the release has none."""
    for found in rules().values():
        if found.name == name:
            return found.number
    raise MessageError(f"no refusal has the name {name}")


def explain(refused: CommandRefused) -> str:
    """A refusal as one line: command, rule, sentence, and the field with its value and limit where one is at fault."""
    broken = rule(refused.code)
    command = COMMAND_KINDS.get(refused.command)
    name = command.__name__ if command else f"Command {refused.command}"
    line = f"{name} refused, {broken.name} ({broken.number}): {broken.sentence}"
    if not command or not 1 <= refused.field <= len(LAYOUTS[command].fields):
        return line
    field = LAYOUTS[command].fields[refused.field - 1]
    return f"{line} Field {field.name} = {refused.value:_}, limit {refused.limit:_}."
