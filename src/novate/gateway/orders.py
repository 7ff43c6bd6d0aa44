"""The way of single orders through HTTP, as plain ASGI: `POST /v1/accounts/{account}/orders` and `DELETE .../orders/{order}`.

Responsible for: the same replies, headers and refusals as `rest.py`, which serves every other path, and these where they are written in another
way, for a third of its work. Never: decides what may be done.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from novate.errors import NovateError
from novate.gateway.actions import Replied, Reply
from novate.gateway.door import Door
from novate.gateway.errors import GatewayRefused, Rule, told
from novate.gateway.requests import Scope, address_of, budget_headers, speaker, wait_headers, whole_number

_log: Final = logging.getLogger("novate.gateway")
_encode: Final = msgspec.json.Encoder().encode
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Orders:
    """The ASGI application in front of another one, which gets whatever is not a single order."""

    def __init__(self, door: Door, others: App) -> None:
        self._door, self._others = door, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            parts = scope["path"].split("/")
            if len(parts) >= 5 and parts[4] == "orders" and parts[:3] == ["", "v1", "accounts"]:
                method = scope["method"]
                if method == "POST" and len(parts) == 5:
                    await self._serve(scope, receive, send, parts[3], None)
                    return
                if method == "DELETE" and len(parts) == 6 and parts[5]:
                    await self._serve(scope, receive, send, parts[3], parts[5])
                    return
        await self._others(scope, receive, send)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, account: str, order: str | None
    ) -> None:
        """One request, with every error as a reply in the envelope."""
        link = self._door.link
        try:
            body = await _body(receive, self._door.settings.body_bytes)
            found = await self._done(scope, account, order, body)
            status, headers, reply = found.status, budget_headers(found.standing), found.reply
        except NovateError as error:
            status, problem = told(error)
            headers = wait_headers(error)
            reply = Reply(ok=False, ts_ns=link.time_ns, seq=link.sequence, error=problem)
        except Exception:  # noqa: BLE001 - one request never ends the gateway
            _log.exception("%s %s failed", scope["method"], scope["path"])
            status, problem = told(GatewayRefused(Rule.OPERATION_FAILED))
            headers = {}
            reply = Reply(ok=False, ts_ns=link.time_ns, seq=link.sequence, error=problem)
        content = _encode(reply)
        lines = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        lines += [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content})

    async def _done(self, scope: Scope, account_text: str, order: str | None, body: bytes) -> Replied:
        account = whole_number(account_text, "account")
        principal, address = speaker(self._door, scope, body), address_of(scope)
        name, said = ("place_order", body) if order is None else ("cancel_order", _encode({"order": order}))
        return await self._door.actions.do(principal, name, account, said or b"{}", address)


async def _body(receive: Receive, most: int) -> bytes:
    """All of a request's body. Raises GatewayRefused for one that is too large, or not whole in time."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GatewayRefused(Rule.REQUEST_MUST_COME_IN_TIME)
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise GatewayRefused(Rule.MESSAGE_MUST_NOT_BE_LARGER)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
