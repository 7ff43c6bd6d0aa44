"""HTTP: every question of `routes.py` and every operation of `novate.schema`, in one envelope.

Responsible for: from a request to a reply and its status, headers of budgets, bodies no larger than allowed. Never: decides what may be done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, cast

import msgspec
from litestar import Litestar, Request, Response, delete, get, post
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response import Stream

from novate.errors import NovateError
from novate.gateway import wallets
from novate.gateway.actions import Reply
from novate.gateway.calls import CALLS, DOCUMENTS
from novate.gateway.describe import asyncapi, openapi
from novate.gateway.door import Door
from novate.gateway.errors import GatewayRefused, Rule, told
from novate.gateway.gate import now
from novate.gateway.keys import Keys, KeyWish
from novate.gateway.onboarding import ACTS, Act, Applications
from novate.gateway.orders import Orders
from novate.gateway.requests import (
    Scope,
    address_of,
    budget_headers,
    speaker,
    wait_headers,
    whole_number,
)
from novate.gateway.routes import MIN_SEQ, READS, Access, Asked, Choice, Read
from novate.gateway.wallets import WalletWish
from novate.gateway.whatif import Effect, WhatIf, effect, what_if
from novate.identity import ANONYMOUS, Principal, Standing
from novate.schema.operations import UNREADABLE, bad_json, operations
from novate.schema.outcomes import Problem

_log: Final = logging.getLogger("novate.gateway")
_JSON: Final = "application/json"
_ACTION: Final = {Access.PUBLIC: "market.read", Access.ACCOUNT: "account.read", Access.VENUE: "venue.read"}
_ACT_WEIGHT: Final = 5
"""What an act on an application costs: it waits for disk and venue."""
_METHODS: Final[dict[str, Any]] = {"GET": get, "POST": post, "DELETE": delete}
_PART: Final = 1 << 15
_LEFT: Final = "client disconnected prematurely"
"""What Litestar raises where a client, or the time for his request, ended before its body."""
Handler = Callable[[Request[Any, Any, Any]], Awaitable[Response[Any]]]


class Rest:
    """The HTTP side of a gateway."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._keys = Keys(door)
        self._applications = Applications(door)

    def app(self) -> Orders:
        """The ASGI application."""
        return Orders(self._door, self._others())

    def _others(self) -> Litestar:
        """All but single orders."""
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
        calls = self._calls()
        for call in CALLS:
            serve = _METHODS[call.method](f"/v1{_typed(call.path)}", name=call.name, status_code=200)
            handlers.append(serve(self._guarded(calls[call.name])))
        for path, document in zip(DOCUMENTS, (openapi, asyncapi), strict=True):
            handlers.append(get(f"/v1{path}")(self._guarded(self._document(document))))
        return Litestar(
            handlers,
            openapi_config=None,
            request_max_body_size=self._door.settings.body_bytes,
            exception_handlers={Exception: self._failed},
            logging_config=None,
        )

    def _calls(self) -> dict[str, Handler]:
        """The handlers of the rows of `CALLS`, by their names."""
        return {
            "post_order": self._operation("place_order"),
            "cancel_orders": self._cancel_all,
            "delete_order": self._cancel,
            "what_if": self._what_if,
            "acknowledge": self._acknowledge,
            "wallet": self._wallet,
            "verify_wallet": self._verify_wallet,
            "list_keys": self._list_keys,
            "create_key": self._create_key,
            "revoke_key": self._revoke_key,
            "effect": self._effect,
            "post_notice": self._post_notice,
            "update_notice": self._change_notice("update"),
            "resolve_notice": self._change_notice("resolve"),
            "notices_json": self._feed("json"),
            "notices_atom": self._feed("atom"),
            "create_owner": self._create_owner,
            "list_applications": self._list_applications,
            "apply": self._apply,
            "application": self._application,
            "applicant": self._person,
            **{f"application_{name}": self._act(act) for name, act in ACTS.items()},
        }

    # --- handlers -------------------------------------------------------------------------------------------------------

    def _read(self, read: Read) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            account = _account(request) if read.access is Access.ACCOUNT else 0
            principal = await self._principal(request, b"")
            self._door.gate.authorise(principal, _ACTION[read.access], account)
            standing = self._door.gate.spend(principal, weight=read.weight, address=_address(request))
            numbers = {
                one.name: _number(request, one.name, one.least, one.most, one.default)
                for one in read.parameters
            }
            words = {one.name: _word(request, one) for one in read.choices}
            _known(request, {*numbers, *words, MIN_SEQ.name})
            market, min_seq = request.path_params.get("market", ""), _min_seq(request)
            asked = Asked(self._door, account, market, _named(request), numbers, words, min_seq)
            await self._door.link.reach(min_seq)
            result, seq = await read.answer(asked)
            return self._said(
                Reply(ok=True, ts_ns=self._door.link.time_ns, seq=seq, result=result), 200, standing
            )

        return handle

    def _operation(self, name: str) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            body = await request.body()
            account = _account(request) if "account" in request.path_params else 0
            principal = await self._principal(request, body)
            done = await self._door.actions.do(principal, name, account, body or b"{}", _address(request))
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
        _known(request, {MIN_SEQ.name})
        await self._door.link.reach(_min_seq(request))
        result, seq = await what_if(self._door, principal, account, _decoded(body, WhatIf))
        return self._said(
            Reply(ok=True, ts_ns=self._door.link.time_ns, seq=seq, result=result), 200, standing
        )

    async def _effect(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        principal = await self._principal(request, body)
        self._door.gate.authorise(principal, "venue.read")
        standing = self._door.gate.spend(principal, weight=10, address=_address(request))
        result, seq = await effect(self._door, _decoded(body, Effect))
        return self._said(
            Reply(ok=True, ts_ns=self._door.link.time_ns, seq=seq, result=result), 200, standing
        )

    async def _acknowledge(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, await request.body())
        account, call = _account(request), request.path_params["call"]
        self._door.gate.authorise(principal, "calls.acknowledge", account)
        standing = self._door.gate.spend(principal, address=_address(request))
        calls = await self._door.alerts(lambda book: {one.id for one in book.calls(account, ended=True)})
        if call not in calls:
            raise GatewayRefused(Rule.THING_MUST_EXIST, "The account has no such call.", field="call")
        return self._done(
            await self._door.alerts(
                lambda book: book.acknowledge(call, str(principal.actor or "dev"), now())
            ),
            standing,
        )

    async def _wallet(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        if self._door.admin is not None:  # a wallet has no role at the venue
            raise GatewayRefused(Rule.PATH_MUST_EXIST)
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
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(self._keys.all(principal), standing)

    async def _create_key(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        principal = await self._principal(request, body)
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(self._keys.create(principal, _decoded(body, KeyWish)), standing)

    async def _revoke_key(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, await request.body())
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(
            self._keys.revoke(principal, whole_number(request.path_params["key"], "key")), standing
        )

    async def _post_notice(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        principal = await self._principal(request, body)
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(
            await self._door.notices.post(principal, lambda kind: _decoded(body, kind)), standing
        )

    def _change_notice(self, name: str) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            body = await request.body()
            principal = await self._principal(request, body)
            standing = self._door.gate.spend(principal, address=_address(request))
            change = getattr(self._door.notices, name)
            notice = request.path_params["notice"]
            return self._done(await change(principal, notice, lambda kind: _decoded(body, kind)), standing)

        return handle

    def _feed(self, form: str) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            self._door.gate.spend(ANONYMOUS, address=_address(request))
            document, kind = await self._door.notices.feed(form, str(request.url))
            return Response(document, media_type=kind)

        return handle

    async def _create_owner(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, await request.body())
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(self._applications.create_owner(principal), standing)

    async def _list_applications(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, b"")
        _known(request, {"after", "limit"})
        after, limit = _number(request, "after", 0, 2**31, 0), _number(request, "limit", 1, 1000, 100)
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(await self._applications.all(principal, after, limit), standing)

    async def _apply(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        principal = await self._principal(request, body)
        standing = self._door.gate.spend(principal, weight=_ACT_WEIGHT, address=_address(request))
        return self._done(
            await self._applications.apply(principal, lambda kind: _decoded(body, kind)), standing
        )

    async def _application(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, b"")
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(await self._applications.one(principal, _application_id(request)), standing)

    async def _person(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await self._principal(request, b"")
        standing = self._door.gate.spend(principal, address=_address(request))
        return self._done(await self._applications.person(principal, _application_id(request)), standing)

    def _act(self, act: Act) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            body = await request.body()
            principal = await self._principal(request, body)
            standing = self._door.gate.spend(principal, weight=_ACT_WEIGHT, address=_address(request))
            number = _application_id(request)
            return self._done(
                await self._applications.act(principal, number, act, lambda kind: _decoded(body, kind)),
                standing,
            )

        return handle

    def _document(self, document: Callable[[], bytes]) -> Handler:
        async def handle(request: Request[Any, Any, Any]) -> Response[Any]:
            self._door.gate.spend(ANONYMOUS, address=_address(request))
            told = document()
            # In parts: the next one waits until the last was taken, so that who reads slowly holds no whole copy.
            return Stream(_parts(told), media_type=_JSON, headers={"content-length": str(len(told))})

        return handle

    # --- around them ----------------------------------------------------------------------------------------------------

    async def _principal(self, request: Request[Any, Any, Any], body: bytes) -> Principal:
        return speaker(self._door, cast("Scope", request.scope), body)

    def _guarded(self, handle: Handler) -> Handler:
        """The handler, with every error as a reply in the envelope."""

        async def handler(request: Request[Any, Any, Any]) -> Response[Any]:
            try:
                return await handle(request)
            except NovateError as error:
                status, problem = told(error)
                return self._refused(problem, status, wait_headers(error))

        return handler

    def _done(self, result: Any, standing: Standing | None) -> Response[bytes]:
        return self._said(
            Reply(ok=True, ts_ns=self._door.link.time_ns, seq=self._door.link.sequence, result=result),
            200,
            standing,
        )

    def _refused(
        self, problem: Problem, status: int, headers: dict[str, str] | None = None
    ) -> Response[bytes]:
        reply = Reply(ok=False, ts_ns=self._door.link.time_ns, seq=self._door.link.sequence, error=problem)
        return Response(
            msgspec.json.encode(reply), status_code=status, media_type=_JSON, headers=headers or {}
        )

    def _said(self, reply: Reply, status: int, standing: Standing | None) -> Response[bytes]:
        return Response(
            msgspec.json.encode(reply), status_code=status, media_type=_JSON, headers=budget_headers(standing)
        )

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
        elif isinstance(error, HTTPException) and error.detail == _LEFT:
            broken = Rule.REQUEST_MUST_COME_IN_TIME
        else:
            _log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        status, problem = told(GatewayRefused(broken))
        response = self._refused(problem, status)
        if isinstance(error, MethodNotAllowedException):
            response.headers.update({"allow": (error.headers or {}).get("Allow", "")})
        return response


async def _parts(told: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(told), _PART):
        yield told[at : at + _PART]
        await asyncio.sleep(0)  # the transport writes, and says that it has enough, when nothing else runs


def _typed(path: str) -> str:
    return path.replace("}", ":str}")


def _named(request: Request[Any, Any, Any]) -> str:
    """The order, client id, period or corporate action in the path."""
    return next(
        (
            request.path_params[name]
            for name in ("order", "client_id", "period", "action")
            if name in request.path_params
        ),
        "",
    )


def _address(request: Request[Any, Any, Any]) -> str:
    return address_of(cast("Scope", request.scope))


def _account(request: Request[Any, Any, Any]) -> int:
    return whole_number(request.path_params["account"], "account")


def _application_id(request: Request[Any, Any, Any]) -> int:
    return min(whole_number(request.path_params["application"], "application"), 2**31)


def _number(request: Request[Any, Any, Any], name: str, least: int, most: int, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, f"{name} must be {least} to {most}.", field=name
        )
    return int(text)


def _min_seq(request: Request[Any, Any, Any]) -> int:
    return _number(request, MIN_SEQ.name, MIN_SEQ.least, MIN_SEQ.most, MIN_SEQ.default)


def _word(request: Request[Any, Any, Any], choice: Choice) -> str:
    said = request.query_params.get(choice.name, choice.words[0])
    if said not in choice.words:
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION,
            f"{choice.name} must be {' or '.join(choice.words)}.",
            field=choice.name,
        )
    return str(said)


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
