"""The reference page of the API, written from the tables that the gateway is served from.

Responsible for: `docs/reference/api.md`; a test fails when it is stale. Nothing on that page is typed by hand.

    python -m novate.gateway.reference                          prints the page
    python -m novate.gateway.reference --write docs/reference
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from novate.gateway.calls import CALLS, Call
from novate.gateway.errors import Rule
from novate.gateway.onboarding import ACTS as ACT_TABLE
from novate.gateway.routes import MIN_SEQ, READS
from novate.gateway.socket import Login, Said, Subscription
from novate.gateway.streams import PUBLIC
from novate.identity import RULES
from novate.identity.authority import ACTIONS
from novate.messages.reference import meanings
from novate.notices.records import Notice, Post, Words
from novate.notices.records import Rule as NoticeRule
from novate.onboarding.refusals import Rule as OnboardingRule
from novate.onboarding.words import ApplicationWish
from novate.schema.operations import Operation, operations
from novate.schema.outcomes import happenings

_HEAD: Final = """\
# API

Written by `python -m novate.gateway.reference` from the tables that the gateway is served from: `src/novate/gateway/routes.py` and
`src/novate/schema/`. How it is used: [the API](../concepts/api.md). A running gateway describes itself at `/v1/openapi.json` and
`/v1/asyncapi.json`.
"""
_NOTICES: Final = """\
`GET /v1/notices` and the channel `notices` tell them; `GET /v1/notices/feed.json` and `.../feed.atom` are for feed readers. The venue's operators, risk and
compliance post (`POST /v1/notices`, a Post) and say more or the end of their own (`POST /v1/notices/{notice}/update`, `.../resolve`, Words).
How it goes: [operating a venue](../guides/operate.md#tell-everybody).
"""
_ONBOARDING: Final = """\
How it goes: [onboarding](../guides/onboarding.md). `POST /v1/onboarding` takes an application, `GET` lists them (`after`, `limit`);
`GET /v1/onboarding/{application}` is one, `.../person` who applies, and `POST .../ACT` does what is named there. What they take:
"""


def page() -> str:
    """`docs/reference/api.md`."""
    reads = [
        (
            f"`GET /v1{read.path}`",
            read.access.value,
            ", ".join(
                [f"`{one.name}`" for one in read.parameters]
                + [f"`{one.name}` ({', '.join(one.words)})" for one in read.choices]
            ),
            read.summary,
        )
        for read in READS
    ]
    parts = [
        _HEAD,
        "## Questions\n",
        f"Each takes `{MIN_SEQ.name}` too: {MIN_SEQ.meaning[0].lower()}{MIN_SEQ.meaning[1:]}\n",
        _table(("path", "for", "parameters", "answer"), reads),
        "## Calls\n",
        "Beside questions and operations.\n",
        _table(("path", "action", "body", "what it does"), map(_called, CALLS)),
        "## WebSocket\n",
        *(f"### {kind.__name__}\n\n{_fields(kind)}" for kind in (Said, Login, Subscription)),
        f"Channels: {', '.join(f'`{name}`' for name in (*PUBLIC, 'account'))}.\n",
        "## Notices\n",
        _NOTICES,
        *(f"### {kind.__name__}\n\n{_fields(kind)}" for kind in (Post, Words, Notice)),
        "## Becoming a customer\n",
        _ONBOARDING,
        *(f"### {kind.__name__}\n\n{_fields(kind)}" for kind in _wishes()),
        "## Operations\n",
        "`POST /v1/accounts/{account}/operations/NAME`, for the venue `POST /v1/operations/NAME`; by WebSocket `op` is the name.\n",
        *map(_operation, operations().values()),
        "## Events\n",
        _table(("event", "what happened"), [(f"`{one.name}`", one.summary) for one in happenings().values()]),
        "## Refusals of identity, gateway, onboarding and notices\n",
        "Those of the engine are in [refusals](refusals.md).\n",
        _table(("number", "rule", "meaning", "HTTP", "retry"), _refusals()),
    ]
    return "\n".join(parts)


def _wishes() -> list[type[Any]]:
    return list(dict.fromkeys([ApplicationWish, *(act.wish for act in ACT_TABLE.values())]))


def _called(call: Call) -> tuple[str, ...]:
    parameters = f"?{'&'.join(call.query)}" if call.query else ""
    return (
        f"`{call.method} /v1{call.path}{parameters}`",
        f"`{call.action}`" if call.action else "what is signed says it",
        call.body.__name__ if call.body else "",
        call.summary,
    )


def _operation(op: Operation) -> str:
    action = ACTIONS[op.command.__name__]
    scope = action.scope.words[0] if action.scope is not None else "none"
    return f"### {op.name}\n\n{op.summary} Scope: {scope}.\n\n{_fields(op.args)}"


def _fields(kind: type[Any]) -> str:
    """A table of a struct's fields, as its JSON schema has them."""
    (_, found) = msgspec.json.schema_components([kind], ref_template="{name}")
    schema = found[kind.__name__]
    needed, said = set(schema.get("required", ())), meanings(kind)
    rows = [
        (
            f"`{name}`",
            _type(one),
            "yes" if name in needed else "",
            str(one.get("description") or said.get(name, "")).replace("|", "\\|"),
        )
        for name, one in schema.get("properties", {}).items()
    ]
    return _table(("field", "type", "needed", "meaning"), rows) if rows else "No fields.\n"


def _type(one: dict[str, Any]) -> str:
    if "anyOf" in one:
        return " or ".join(_type(each) for each in one["anyOf"] if each.get("type") != "null")
    if "$ref" in one:
        return str(one["$ref"])
    kind = str(one.get("type", "any"))
    if kind == "array":
        items = one.get("items")
        return f"list of {_type(items)}" if isinstance(items, dict) else "list"
    return kind


def _refusals() -> list[tuple[str, ...]]:
    mine = [
        (str(r.number), f"`{r.name.lower()}`", r.sentence, str(r.status), "yes" if r.retryable else "no")
        for r in Rule
    ]
    identity = [
        (str(r.number), f"`{r.label}`", r.sentence, str(r.http_status), "yes" if r.retryable else "no")
        for r in RULES.values()
    ]
    onboarding = [
        (str(r.number), f"`{r.label}`", r.sentence, str(r.status), "yes" if r.retryable else "no")
        for r in (*OnboardingRule, *NoticeRule)
    ]
    return sorted(identity + mine + onboarding)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    return "".join([lines[0], "|" + "---|" * len(head) + "\n", *lines[1:]])


def main(arguments: list[str]) -> int:
    """Prints the page, or writes it into a directory; returns the exit status."""
    match arguments:
        case ["--write", folder]:
            (Path(folder) / "api.md").write_text(page(), encoding="utf-8")
        case []:
            sys.stdout.write(page())
        case _:
            sys.stderr.write("usage: python -m novate.gateway.reference [--write DIR]\n")
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
