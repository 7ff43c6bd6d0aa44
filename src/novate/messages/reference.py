"""The reference pages of messages and refusals, written from the definitions.

Responsible for: `docs/reference/messages.md` and `docs/reference/refusals.md`; a test fails when they are stale.
Nothing on those pages is typed by hand.

    python -m novate.messages.reference messages        prints a page
    python -m novate.messages.reference refusals
    python -m novate.messages.reference --write docs/reference
"""

import inspect
import re
import sys
from collections.abc import Iterable
from enum import IntEnum, IntFlag
from pathlib import Path

from novate.messages.commands import COMMANDS
from novate.messages.events import EVENTS
from novate.messages.fields import CODES, Message
from novate.messages.layout import HEADER_SIZE, LAYOUTS
from novate.messages.refusals import Rule, rules

_ATTRIBUTE = re.compile(r" {4}(\w+): (.*)")
_GROUPS = {
    1: "Envelope",
    2: "Account and ledger",
    3: "Listing",
    4: "Order",
    5: "Margin",
    6: "Price and session",
    7: "Lending",
    8: "Liquidation",
    9: "Clearing",
    10: "Governance",
    11: "Eligibility",
    12: "Corporate action",
    20: "Gateway",
}

_MESSAGES_HEAD = f"""\
# Messages

Written by `python -m novate.messages.reference` from the definitions in `src/novate/messages/`; the engine holds the
same ones in `crates/novate-core/src/command.rs` and `event.rs` and the folders beside them.

A buffer is messages back to back. A message is a {HEADER_SIZE}-byte header and a body; all numbers are little-endian.

| header field | type | meaning |
|---|---|---|
| length | u32 | bytes of the whole message, header included |
| type | u16 | number of the definition below |
| version | u16 | 1 |
| account | u64 | account it is about; 0 for the venue |
| actor | u64 | key or agent that sent the command |
| request | u64 | chosen by the sender; events repeat it |
| sequence | u64 | position in the journal, from 1; filled by the sequencer, repeated by events |
| time_ns | i64 | journal time, ns since 1970 UTC; filled by the sequencer, repeated by events |

The body of an event begins with u32 index (position among its command's events, from 0), u32 flags (1 on the last
one) and u64 account sequence. After that, a *record* is its fields as fixed little-endian numbers without padding, and a *document*
is a MessagePack array of its fields, each number in its shortest form.

Type numbers and field order are append-only. Money is signed: positive is towards the account unless a field says otherwise.
"""

_REFUSALS_HEAD = """\
# Refusals

Written by `python -m novate.messages.reference` from the table in `crates/novate-core/src/reject.rs`.

A refused command changes nothing and is answered by one `CommandRefused` event with the rule's number, the field at fault, its value and the
limit it met. Numbers are never reused. *Retry* says whether the same command may succeed later.
"""


def messages_page() -> str:
    """`docs/reference/messages.md`."""
    parts = [_MESSAGES_HEAD]
    parts += ["## Commands\n", *map(_message, COMMANDS)]
    parts += ["## Events\n", *map(_message, EVENTS)]
    parts += ["## Codes\n", *map(_code, CODES.values())]
    return "\n".join(parts)


def refusals_page() -> str:
    """`docs/reference/refusals.md`."""
    parts = [_REFUSALS_HEAD]
    grouped: dict[int, list[Rule]] = {}
    for rule in rules().values():
        grouped.setdefault(rule.number // 100, []).append(rule)
    for group, members in grouped.items():
        rows = [(str(r.number), f"`{r.name}`", r.sentence, "yes" if r.retry else "no") for r in members]
        parts += [f"## {_GROUPS[group]}\n", _table(("number", "rule", "meaning", "retry"), rows)]
    return "\n".join(parts)


def meanings(cls: type) -> dict[str, str]:
    """The `Attributes:` section of a class docstring: name to sentence."""
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
    found = (_ATTRIBUTE.fullmatch(line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def _message(cls: type[Message]) -> str:
    known = meanings(cls)
    rows = [
        (field.name, field.type, field.unit, known.get(field.attribute, "Zero."))
        for field in LAYOUTS[cls].fields
    ]
    table = _table(("field", "type", "unit", "meaning"), rows) if rows else "No fields.\n"
    return f"### {cls.KIND} {cls.__name__}\n\n{_summary(cls)} *{cls.FORM.capitalize()}.*\n\n{table}"


def _code(code: type[IntEnum] | type[IntFlag]) -> str:
    known = meanings(code)
    rows = [(str(member.value), name, known[name]) for name, member in code.__members__.items()]
    return f"### {code.__name__}\n\n{_summary(code)}\n\n{_table(('value', 'name', 'meaning'), rows)}"


def _summary(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "").splitlines()[0]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    return "".join([lines[0], "|" + "---|" * len(head) + "\n", *lines[1:]])


_PAGES = {"messages": messages_page, "refusals": refusals_page}


def main(arguments: list[str]) -> int:
    """Prints one page, or writes both into a directory; returns the exit status."""
    match arguments:
        case ["--write", folder]:
            for name, page in _PAGES.items():
                (Path(folder) / f"{name}.md").write_text(page(), encoding="utf-8")
        case [] | ["messages"]:
            sys.stdout.write(messages_page())
        case ["refusals"]:
            sys.stdout.write(refusals_page())
        case _:
            sys.stderr.write(
                "usage: python -m novate.messages.reference [messages | refusals | --write DIR]\n"
            )
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
