"""OpenAPI 3.1 and AsyncAPI 3.0 of a gateway, from the tables that it is served from.

Responsible for: both documents. Never: a path, a field or a meaning typed by hand that a table has.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import msgspec

from novate._core import release
from novate.gateway.actions import Done
from novate.gateway.books import BookDelta, BookSnapshot, PriceState, PublicTrade, Quote
from novate.gateway.keys import KeyWish
from novate.gateway.routes import READS, Access, Read
from novate.gateway.socket import PATH, Login, Said, Subscription
from novate.gateway.wallets import WalletWish
from novate.gateway.whatif import WhatIf
from novate.schema.operations import Operation, operations
from novate.schema.outcomes import Outcome, Problem, happenings

_REF: Final = "#/components/schemas/{name}"
_STATUSES: Final = {
    "400": "A field is unknown, missing or not of its type.", "401": "Credentials prove nothing.", "403": "Not allowed.",
    "404": "There is no such thing.", "409": "The nonce was used.", "410": "Not kept any more.", "413": "Too large.",
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
    place = operations()["place_order"]
    paths["/v1/accounts/{account}/orders"] = {
        "post": _operation(place, account=True) | {"operationId": "post_order"},
        "delete": _call(
            "cancel_orders", "Cancels all orders, or those in a market.", (_path("account"), _text("market"))
        ),
    }
    paths["/v1/accounts/{account}/orders/{order}"] = {
        "delete": _call("delete_order", "Cancels an order.", (_path("account"), _path("order")))
    }
    paths["/v1/accounts/{account}/what-if"] = {
        "post": _call("what_if", "Operations tried on a copy of the venue.", (_path("account"),), "WhatIf")
    }
    paths["/v1/accounts/{account}/margin-calls/{call}/acknowledge"] = {
        "post": _call("acknowledge", "Says that a margin call was seen.", (_path("account"), _path("call")))
    }
    paths["/v1/wallets"] = {
        "post": _call("wallet", "An operation signed by a wallet or its agent.", (), "WalletWish")
    }
    paths["/v1/wallets/verify"] = {
        "post": _call(
            "verify_wallet", "What had to be signed, who signed, and what is wrong with it.", (), "WalletWish"
        )
    }
    paths["/v1/keys"] = {
        "get": _call("list_keys", "Keys that may be seen.", ()),
        "post": _call("create_key", "A new key.", (), "KeyWish"),
    }
    paths["/v1/keys/{key}"] = {"delete": _call("revoke_key", "Ends a key for ever.", (_path("key"),))}
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
        *more, Done, Outcome, Problem, WhatIf, KeyWish, WalletWish, BookSnapshot, BookDelta, Quote, PublicTrade, PriceState, Said, Login, Subscription,
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
        for name in ("account", "market", "order", "client_id", "period")
        if f"{{{name}}}" in read.path
    ]
    parameters += [
        {
            "name": one.name, "in": "query", "required": False, "description": one.meaning,
            "schema": {"type": "integer", "minimum": one.least, "maximum": one.most, "default": one.default},
        }
        for one in read.parameters
    ]  # fmt: skip
    name = "read" + read.path.replace("{", "").replace("}", "").replace("/", "_").replace("-", "_")
    found = _call(name, read.summary, parameters)
    return found if read.access is not Access.PUBLIC else found | {"security": []}


def _operation(op: Operation, *, account: bool) -> dict[str, Any]:
    name = op.name if account else f"venue_{op.name}"
    return _call(name, op.summary, (_path("account"),) if account else (), op.args.__name__)


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
    number = name in {"account", "order", "key"}
    schema = {"type": "string", "pattern": r"^\d{1,20}$"} if number else {"type": "string", "maxLength": 32}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _text(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string", "maxLength": 32}}


def _security() -> dict[str, Any]:
    return {
        name: {"type": "apiKey", "in": "header", "name": f"novate-{name}"}
        for name in ("key", "timestamp", "nonce", "signature", "expires-after")
    }
