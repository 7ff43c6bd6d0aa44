"""HTTP: every question of `routes.py` and every operation of `novate.schema`, in one envelope.

Responsible for: from a request to a reply and its status, headers of budgets, bodies no larger than allowed. Never: decides what may be done.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, delete, get, post
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from novate.errors import NovateError
from novate.gateway import wallets
from novate.gateway.actions import Reply
from novate.gateway.describe import asyncapi, openapi
from novate.gateway.door import Door
from novate.gateway.errors import GatewayRefused, Rule, told
from novate.gateway.gate import now
from novate.gateway.keys import Keys, KeyWish
from novate.gateway.routes import READS, Access, Asked, Read
from novate.gateway.wallets import WalletWish
from novate.gateway.whatif import WhatIf, what_if
from novate.identity import ANONYMOUS, Principal, Standing
from novate.schema.operations import UNREADABLE, bad_json, operation, operations, parse
from novate.schema.outcomes import Problem

_log: Final = logging.getLogger("novate.gateway")
_JSON: Final = "application/json"
_ACTION: Final = {Access.PUBLIC: "market.read", Access.ACCOUNT: "account.read", Access.VENUE: "venue.read"}
_LARGEST: Final = 2**64
Handler = Callable[[Request[Any, Any, Any]], Awaitable[Response[bytes]]]


class Rest:
    """The HTTP side of a gateway."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._keys = Keys(door)

    def app(self) -> Litestar:
        """The ASGI application."""
        handlers: list[Any] = [
            get(f"/v1{_typed(read.path)}", name=read.path)(self._guarded(self._read(read))) for read in READS
        ]
        for op in operations().values():
            path = f"/operations/{op.name}"
            handlers.append(
                post(f"/v1/accounts/{{account:str}}{path}", name=f"account {op.name}")(
                    self._guarded(self._operation(op.name))
                )
            )
            handlers.append(post(f"/v1{path}", name=op.name)(self._guarded(self._operation(op.name))))
        handlers += [
            post("/v1/accounts/{account:str}/what-if")(self._guarded(self._what_if)),
            post("/v1/accounts/{account:str}/orders")(self._guarded(self._operation("place_order"))),
            delete("/v1/accounts/{account:str}/orders", status_code=200)(self._guarded(self._cancel_all)),
            delete("/v1/accounts/{account:str}/orders/{order:str}", status_code=200)(
                self._guarded(self._cancel)
            ),
            post("/v1/accounts/{account:str}/margin-calls/{call:str}/acknowledge")(
                self._guarded(self._acknowledge)
            ),
            post("/v1/wallets")(self._guarded(self._wallet)),
            post("/v1/wallets/verify")(self._guarded(self._verify_wallet)),
            get("/v1/keys")(self._guarded(self._list_keys)),
            post("/v1/keys")(self._guarded(self._create_key)),
            delete("/v1/keys/{key:str}", status_code=200)(self._guarded(self._revoke_key)),
            get("/v1/openapi.json")(self._document(openapi)),
            get("/v1/asyncapi.json")(self._document(asyncapi)),
        ]
        return Litestar(
            handlers,
            openapi_config=None,
            request_max_body_size=self._door.settings.body_bytes,
            exception_handlers={Exception: self._failed},
            logging_config=None,
        )

    # --- handlers -------------------------------------------------------------------------------------------------------

    def _read(self, read: Read) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            account = _account(request) if read.access is Access.ACCOUNT else 0
            principal = await self._principal(request, b"")
            self._door.gate.authorise(principal, _ACTION[read.access], account)
            standing = self._door.gate.spend(principal, address=_address(request))
            numbers = {
                one.name: _number(request, one.name, one.least, one.most, one.default)
                for one in read.parameters
            }
            asked = Asked(
                self._door, account, request.path_params.get("market", ""), _named(request), numbers
            )
            _known(request, {*numbers, "min_seq"})
            await self._door.link.reach(_number(request, "min_seq", 0, 2**63 - 1, 0))
            result, seq = await read.answer(asked)
            return self._said(
                Reply(ok=True, ts_ns=self._door.link.time_ns, seq=seq, result=result), 200, standing
            )

        return handle

    def _operation(self, name: str) -> Handler:
        op = operation(name)

        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            body = await request.body()
            account = _account(request) if "account" in request.path_params else 0
            principal = await self._principal(request, body)
            args = parse(op, body or b"{}")
            done = await self._door.actions.carry_out(principal, op, account, args, _address(request))
            return self._said(done.reply, done.status, done.standing)

        return handle

    async def _cancel(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        wish = msgspec.json.encode({"order": request.path_params["order"]})
        principal = await self._principal(request, await request.body())
        done = await self._door.actions.do(
            principal, "cancel_order", _account(request), wish, _address(request)
        )
        return self._said(done.reply, done.status, done.standing)

    async def _cancel_all(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        market = request.query_params.get("market")
        _known(request, {"market"})
        wish = msgspec.json.encode({"market": market} if market else {})
        principal = await self._principal(request, await request.body())
        done = await self._door.actions.do(
            principal, "cancel_all", _account(request), wish, _address(request)
        )
        return self._said(done.reply, done.status, done.standing)

    async def _what_if(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        principal = await self._principal(request, body)
        account = _account(request)
        self._door.gate.authorise(principal, "account.simulate", account)
        standing = self._door.gate.spend(principal, weight=10, address=_address(request))
        result, seq = await what_if(self._door, account, _decoded(body, WhatIf))
        return self._said(
            Reply(ok=True, ts_ns=self._door.link.time_ns, seq=seq, result=result), 200, standing
        )

    async def _acknowledge(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, await request.body())
        account, call = _account(request), request.path_params["call"]
        self._door.gate.authorise(principal, "account.read", account)
        calls = await self._door.alerts(lambda book: {one.id for one in book.calls(account, ended=True)})
        if call not in calls:
            raise GatewayRefused(Rule.THING_MUST_EXIST, "The account has no such call.", field="call")
        return self._done(
            await self._door.alerts(lambda book: book.acknowledge(call, str(principal.actor or "dev"), now()))
        )

    async def _wallet(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        done = await wallets.carry_out(
            self._door, _decoded(await request.body(), WalletWish), _address(request)
        )
        return self._said(done.reply, done.status, done.standing)

    async def _verify_wallet(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        standing = self._door.gate.spend(ANONYMOUS, weight=5, address=_address(request))
        done = wallets.verified(self._door, _decoded(await request.body(), WalletWish), _address(request))
        return self._said(done.reply, done.status, standing)

    async def _list_keys(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, b"")
        return self._done(self._keys.all(principal))

    async def _create_key(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        principal = await self._principal(request, body)
        return self._done(self._keys.create(principal, _decoded(body, KeyWish)))

    async def _revoke_key(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, await request.body())
        return self._done(self._keys.revoke(principal, _id(request.path_params["key"], "key")))

    def _document(self, document: Callable[[], bytes]) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            del request
            return Response(document(), media_type=_JSON)

        return handle

    # --- around them ----------------------------------------------------------------------------------------------------

    async def _principal(self, request: Request[Any, Any, Any], body: bytes) -> Principal:
        raw = request.scope.get("raw_path", b"").decode("ascii", "replace")
        query = request.scope.get("query_string", b"").decode("ascii", "replace")
        headers = {name: value for name, value in request.headers.items() if name.startswith("novate-")}
        return self._door.gate.of_request(
            request.method, f"{raw}?{query}" if query else raw, headers, body, _address(request)
        )

    def _guarded(self, handle: Handler) -> Handler:
        """The handler, with every error as a reply in the envelope."""

        async def handler(request: Request[Any, Any, Any]) -> Response[bytes]:
            try:
                return await handle(request)
            except NovateError as error:
                status, problem = told(error)
                return self._refused(problem, status, error.facts.get("retry_after_ns"))

        return handler

    def _done(self, result: Any) -> Response[bytes]:
        return self._said(
            Reply(ok=True, ts_ns=self._door.link.time_ns, seq=self._door.link.sequence, result=result),
            200,
            None,
        )

    def _refused(self, problem: Problem, status: int, retry_after_ns: Any = None) -> Response[bytes]:
        reply = Reply(ok=False, ts_ns=self._door.link.time_ns, seq=self._door.link.sequence, error=problem)
        headers = {"retry-after": str(-(-int(retry_after_ns) // 1_000_000_000))} if retry_after_ns else {}
        return Response(msgspec.json.encode(reply), status_code=status, media_type=_JSON, headers=headers)

    def _said(self, reply: Reply, status: int, standing: Standing | None) -> Response[bytes]:
        headers = {"novate-time": str(now())}
        if standing is not None:
            headers |= {
                "ratelimit-limit": str(standing.limit),
                "ratelimit-remaining": str(standing.remaining),
                "ratelimit-reset": str(-(-standing.reset_ns // 1_000_000_000)),
            }
        return Response(msgspec.json.encode(reply), status_code=status, media_type=_JSON, headers=headers)

    def _failed(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """What no handler caught: a path that does not exist, a body too large, or a fault of the gateway."""
        broken = Rule.OPERATION_FAILED
        if isinstance(error, NotFoundException):
            broken = Rule.PATH_MUST_EXIST
        elif isinstance(error, MethodNotAllowedException):
            broken = Rule.METHOD_MUST_BE_ALLOWED
        elif isinstance(error, HTTPException) and error.status_code == Rule.MESSAGE_MUST_NOT_BE_LARGER.status:
            broken = Rule.MESSAGE_MUST_NOT_BE_LARGER
        elif isinstance(error, HTTPException) and error.status_code < 500:
            broken = Rule.MESSAGE_MUST_BE_JSON
        else:
            _log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        status, problem = told(GatewayRefused(broken))
        response = self._refused(problem, status)
        if isinstance(error, MethodNotAllowedException):
            response.headers.update({"allow": (error.headers or {}).get("Allow", "")})
        return response


def _typed(path: str) -> str:
    return path.replace("}", ":str}")


def _named(request: Request[Any, Any, Any]) -> str:
    """The order, client id or period in the path."""
    return next(
        (
            request.path_params[name]
            for name in ("order", "client_id", "period")
            if name in request.path_params
        ),
        "",
    )


def _address(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else ""


def _account(request: Request[Any, Any, Any]) -> int:
    return _id(request.path_params["account"], "account")


def _id(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < _LARGEST):
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, f"{field} must be a whole number of 64 bits.", field=field
        )
    return int(text)


def _number(request: Request[Any, Any, Any], name: str, least: int, most: int, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, f"{name} must be {least} to {most}.", field=name
        )
    return int(text)


def _known(request: Request[Any, Any, Any], names: set[str]) -> None:
    for name in request.query_params:
        if name not in names:
            raise GatewayRefused(
                Rule.FIELDS_MUST_FIT_THE_OPERATION,
                f"There is no parameter {name[:40]!r} here.",
                field=name[:40],
            )


def _decoded(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise bad_json(error) from None
