"""OpenAPI 3.1 and AsyncAPI 3.0 of a gateway, from the tables that it is served from.

Responsible for: both documents. Never: a path, a field or a meaning typed by hand that a table has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import msgspec

from novate._core import release
from novate.gateway.actions import Done
from novate.gateway.book_orders import BookOrdersDelta, BookOrdersSnapshot
from novate.gateway.books import BookDelta, BookSnapshot, PriceState, PublicTrade, Quote
from novate.gateway.calls import CALLS, Call
from novate.gateway.routes import MIN_SEQ, READS, Access, Read
from novate.gateway.socket import PATH, Login, Said, Subscription
from novate.schema.operations import Operation, operations
from novate.schema.outcomes import Outcome, Problem, happenings

_REF: Final = "#/components/schemas/{name}"
_STATUSES: Final = {
    "400": "A field is unknown, missing or not of its type.", "401": "Credentials prove nothing.", "403": "Not allowed.",
    "404": "There is no such thing.", "409": "The nonce was used, or the position in the journal is not reached yet.", "410": "Not kept any more.", "413": "Too large.",
    "422": "The venue's rules refuse it.", "429": "The budget is used up.", "503": "The venue can't be reached, or has no room.",
}  # fmt: skip


@cache
def openapi() -> bytes:
    """The OpenAPI document, as JSON."""
    schemas = _schemas([op.args for op in operations().values()])
    schemas["Reply"] = _reply()
    paths: dict[str, Any] = {}
    for read in READS:
        paths[f"/v1{read.path}"] = {"get": _read(read)}
    for op in operations().values():
        paths[f"/v1/accounts/{{account}}/operations/{op.name}"] = {"post": _operation(op, account=True)}
        paths[f"/v1/operations/{op.name}"] = {"post": _operation(op, account=False)}
    for call in CALLS:
        paths.setdefault(f"/v1{call.path}", {})[call.method.lower()] = _of_call(call)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "novate",
            "version": release(),
            "summary": "A venue: one account, all of it margined as one portfolio.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _security()},
    }
    return msgspec.json.encode(document)


@cache
def asyncapi() -> bytes:
    """The AsyncAPI document of the WebSocket, as JSON."""
    events = list(happenings().values())
    schemas = _schemas([*(op.args for op in operations().values()), *(one.data for one in events)])
    messages: dict[str, Any] = {
        name: {"payload": {"$ref": _REF.format(name=name)}}
        for name in (
            "Said",
            "Login",
            "Subscription",
            "Reply",
            "BookSnapshot",
            "BookDelta",
            "BookOrdersSnapshot",
            "BookOrdersDelta",
            "Quote",
            "Outcome",
        )
    }
    schemas["Reply"] = _reply()
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "novate", "version": release()},
        "channels": {"ws": {"address": PATH, "messages": messages}},
        "operations": {
            "say": {"action": "send", "channel": {"$ref": "#/channels/ws"}},
            "hear": {"action": "receive", "channel": {"$ref": "#/channels/ws"}},
        },
        "components": {"schemas": schemas},
        "x-operations": {
            name: {"args": op.args.__name__, "summary": op.summary} for name, op in operations().items()
        },
        "x-events": {one.name: {"data": one.data.__name__, "summary": one.summary} for one in events},
    }
    return msgspec.json.encode(document)


def _schemas(more: Iterable[type]) -> dict[str, Any]:
    types = (
        *more, *dict.fromkeys(call.body for call in CALLS if call.body), Done, Outcome, Problem, BookSnapshot, BookDelta,
        BookOrdersSnapshot, BookOrdersDelta, Quote, PublicTrade, PriceState, Said, Login, Subscription,
    )  # fmt: skip
    _, found = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(found)


def _reply() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "The envelope of every answer.",
        "required": ["ok", "ts_ns", "seq"],
        "properties": {
            "ok": {"type": "boolean"},
            "ts_ns": {"type": "integer", "description": "The venue's time, ns since 1970 UTC."},
            "seq": {"type": "integer", "description": "Position in the journal that the answer is of."},
            "result": {"description": "What it came to."},
            "error": {"$ref": _REF.format(name="Problem")},
            "id": {"description": "The sender's own, repeated."},
        },
    }


def _read(read: Read) -> dict[str, Any]:
    parameters = [
        _path(name)
        for name in ("account", "market", "order", "client_id", "period", "action")
        if f"{{{name}}}" in read.path
    ]
    parameters += [
        {
            "name": one.name, "in": "query", "required": False, "description": one.meaning,
            "schema": {"type": "integer", "minimum": one.least, "maximum": one.most, "default": one.default},
        }
        for one in (*read.parameters, MIN_SEQ)
    ]  # fmt: skip
    parameters += [
        {
            "name": one.name, "in": "query", "required": False, "description": one.meaning,
            "schema": {"type": "string", "enum": list(one.words), "default": one.words[0]},
        }
        for one in read.choices
    ]  # fmt: skip
    name = "read" + read.path.replace("{", "").replace("}", "").replace("/", "_").replace("-", "_")
    found = _call(name, read.summary, parameters)
    return found if read.access is not Access.PUBLIC else found | {"security": []}


def _operation(op: Operation, *, account: bool) -> dict[str, Any]:
    name = op.name if account else f"venue_{op.name}"
    return _call(name, op.summary, (_path("account"),) if account else (), op.args.__name__)


def _of_call(call: Call) -> dict[str, Any]:
    parameters = [_path(name) for name in re.findall(r"{(\w+)}", call.path)]
    parameters += [_text(name) for name in call.query]
    found = _call(call.name, call.summary, parameters, call.body.__name__ if call.body else "")
    if call.media:
        found["responses"]["200"] = {
            "description": "Done.",
            "content": {
                call.media: {"schema": {"type": "object" if call.media.endswith("json") else "string"}}
            },
        }
    return found if call.needs_credentials else found | {"security": []}


def _call(name: str, summary: str, parameters: Iterable[dict[str, Any]], body: str = "") -> dict[str, Any]:
    reply = {"application/json": {"schema": {"$ref": _REF.format(name="Reply")}}}
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": {"description": "Done.", "content": reply}}
        | {status: {"description": words, "content": reply} for status, words in _STATUSES.items()},
        "security": [{"key": [], "timestamp": [], "nonce": [], "signature": []}],
    }
    if body:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=body)}}},
        }
    return found


def _path(name: str) -> dict[str, Any]:
    number = name in {"account", "order", "key", "application", "action"}
    schema = {"type": "string", "pattern": r"^\d{1,20}$"} if number else {"type": "string", "maxLength": 32}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _text(name: str) -> dict[str, Any]:
    number = {
        "type": "integer",
        "minimum": MIN_SEQ.least,
        "maximum": MIN_SEQ.most,
        "default": MIN_SEQ.default,
    }
    schema = number if name == MIN_SEQ.name else {"type": "string", "maxLength": 32}
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _security() -> dict[str, Any]:
    return {
        name: {"type": "apiKey", "in": "header", "name": f"novate-{name}"}
        for name in ("key", "timestamp", "nonce", "signature", "expires-after")
    }
