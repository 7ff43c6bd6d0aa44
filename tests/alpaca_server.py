"""Alpaca's endpoints on this machine: REST, the stream of trade updates and the activity events, over one port.

Every body that comes in and every message that goes out is read with the vendor's own models; a number that the model changed is an error.
An order's life is moved by calls (`fill`, `cancel`, ...), by a test or by the simulated exchange behind it (`tests/alpaca_exchange.py`).
Faults are laid out beforehand: `fault` for the next requests of a path, `cut`, `deaf`, `late_s`, `silent` and `behind` for the stream and the record.
"""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web
from alpaca.data.models.corporate_actions import CorporateActionsSet
from alpaca.trading.models import Clock, Order, Position, TradeAccount, TradeUpdate
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, ReplaceOrderRequest

from novate.broker.alpaca.exact import moment_ns, moment_text
from novate.broker.hours import Hours, settlement_day
from novate.messages.codes import Session

KEY, SECRET = "PK-TEST-KEY", "a-secret-that-nobody-writes-down"
ACCOUNT = "5f0b2f6e-7c2b-4a0c-9d57-7f3f5e0a9c11"
OPEN = ("new", "accepted", "partially_filled", "pending_new")
HOURS = Hours((Session.PRE, Session.POST, Session.OVERNIGHT))
SEASONS = uuid.UUID("0f5a3c3e-97a1-4f2a-8d5b-2f6f6f0e8f10")


@dataclass
class Fault:
    """What becomes of requests whose method and path begin as `path` does."""

    path: str
    status: int = 0
    body: dict[str, Any] = field(
        default_factory=lambda: {"code": 50010000, "message": "internal server error"}
    )
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    """The request is carried out first."""
    drop: bool = False
    """The connection is closed instead of an answer."""
    delay_s: float = 0.0
    times: int = 1


class AlpacaServer:
    """One account. `clock_ns` is the broker's own time; every public call may come from any thread."""

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.clock_ns = clock_ns
        self.lock = threading.RLock()
        self.orders: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.network: list[tuple[str, dict[str, Any], str]] = []
        self.redemptions: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.announced: dict[str, list[dict[str, Any]]] = {}
        self.cash, self.shares = Decimal(1_000_000), {}
        self.deaf = False
        self.silent = False
        self.behind = 0
        self.carries = False  # whether a replacement counts what was filled before it
        self.late_s = 0.0
        self.on_submit: Callable[[dict[str, Any]], None] = lambda _: None
        self.on_cancel: Callable[[dict[str, Any]], None] = lambda order: self.cancel(order["id"])
        self.on_replace: Callable[[dict[str, Any], dict[str, Any]], None] = self.replace
        self.positions: Callable[[], dict[str, Decimal]] = lambda: self.shares
        self.balance: Callable[[], Decimal] = lambda: self.cash
        self._listening: set[web.WebSocketResponse] = set()
        self._stamp = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self.port = 0

    # --- life ---

    def start(self) -> "AlpacaServer":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        if self._thread.is_alive() and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def connected(self) -> int:
        return len(self._listening)

    def cut(self) -> None:
        """Every stream ends without a word."""

        async def close() -> None:
            for socket in list(self._listening):
                assert socket._req is not None and socket._req.transport is not None
                socket._req.transport.abort()

        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._meddle])
        app.add_routes(
            [
                web.get("/stream", self._stream),
                web.get("/v2/clock", self._clock),
                web.post("/v2/orders", self._submit),
                web.get("/v2/orders", self._list),
                web.get("/v2/orders:by_client_order_id", self._by_client),
                web.get("/v2/orders/{id}", self._by_id),
                web.patch("/v2/orders/{id}", self._replace),
                web.delete("/v2/orders/{id}", self._cancel),
                web.get("/v2/account", self._account),
                web.get("/v2/positions", self._positions),
                web.get("/v2beta1/events/activities", self._activities),
                web.get("/v1/corporate-actions", self._announcements),
                web.post("/v1/accounts/{account}/tokenization/callback/{what}", self._tokenization),
                web.get("/v1/accounts/{account}/tokenization/requests", self._tokenization_requests),
                web.get(
                    "/v1/accounts/{account}/tokenization/requests:by_issuer_request_id",
                    self._tokenization_request,
                ),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._ready.set()
        await self._stopping.wait()
        for socket in list(self._listening):
            await socket.close()
        await runner.cleanup()

    # --- what the market does with an order ---

    def order(self, client: str) -> dict[str, Any]:
        with self.lock:
            return next(one for one in self.orders.values() if one["client_order_id"] == client)

    def alive(self, client: str) -> dict[str, Any]:
        """The order that stands for a venue's one now."""
        with self.lock:
            one = self.order(client)
            while one["replaced_by"]:
                one = self.orders[one["replaced_by"]]
            return one

    def accept(self, order_id: str) -> None:
        with self.lock:
            self._move(order_id, "new")
            self._say("new", order_id, execution_id=self._uuid())

    def fill(
        self,
        client: str,
        qty: str,
        price: str,
        *,
        last: bool,
        commission: str = "",
        execution: str = "",
        settles: str = "",
        net: str = "",
    ) -> str:
        """An execution; gives its id."""
        with self.lock:
            order = self.alive(client)
            self._move(order["id"], "filled" if last else "partially_filled")
            filled = Decimal(order["filled_qty"]) + Decimal(qty)
            order["filled_qty"] = f"{filled:f}"
            order["filled_avg_price"] = price
            if commission:
                order["commission"] = f"{Decimal(order.get('commission', '0')) + Decimal(commission):f}"
            if last:
                order["filled_at"] = self.stamp()
            execution = execution or self._uuid()
            at = self.stamp()
            sign = -1 if order["side"] == "buy" else 1
            amount = net or f"{sign * Decimal(qty) * Decimal(price) - Decimal(commission or 0):f}"
            self.cash += Decimal(amount)
            self.shares[order["symbol"]] = self.shares.get(order["symbol"], Decimal(0)) - sign * Decimal(qty)
            day = settles or settlement_day(HOURS.at(moment_ns(at, "at")).day).isoformat()
            kind = "fill" if last else "partial_fill"
            self._record(
                order, kind, execution, at, day, qty, price, net_amount=amount, commission=commission
            )
            self._say(
                kind,
                order["id"],
                timestamp=at,
                execution_id=execution,
                price=price,
                qty=qty,
                position_qty="0",
            )
            return execution

    def cancel(self, order_id: str, *, asked: bool = True, how: str = "canceled", reason: str = "") -> None:
        with self.lock:
            order = self.orders[order_id]
            at = self._move(order_id, how)
            order["canceled_at" if how == "canceled" else "expired_at"] = at
            order["cancel_requested_at"] = at if asked else None
            self._say(how, order_id, timestamp=at, **({"reason": reason} if reason else {}))

    def reject(self, order_id: str, reason: str) -> None:
        with self.lock:
            order = self.orders[order_id]
            order["failed_at"] = self._move(order_id, "rejected")
            self._say("rejected", order_id, timestamp=order["failed_at"], reason=reason)

    def refuse(self, order_id: str, event: str, reason: str) -> None:
        with self.lock:
            self._say(event, order_id, timestamp=self.stamp(), reason=reason)

    def replace(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        with self.lock:
            old["replaced_at"], old["replaced_by"] = self._move(old["id"], "replaced"), new["id"]
            new["filled_qty"] = old["filled_qty"] if self.carries else "0"
            self._say("replaced", old["id"], timestamp=old["replaced_at"])
            self.accept(new["id"])

    def bust(self, execution: str, *, names: str = "") -> str:
        """Takes an execution back; gives the id of the taking back."""
        return self._change(execution, "trade_bust", "0", "0", names)

    def correct(self, execution: str, qty: str, price: str, *, names: str = "") -> str:
        return self._change(execution, "trade_correct", qty, price, names)

    def _change(self, execution: str, kind: str, qty: str, price: str, names: str) -> str:
        with self.lock:
            first = next(one for one in self.events if one["ref_id"] == execution)
            order, ref, at = self.orders[first["details"]["order_id"]], self._uuid(), self.stamp()
            previous = names or execution
            event = self._record(order, kind, ref, at, first["settle_date"], qty, price)
            event["previous_id"] = previous
            self._say(
                kind,
                order["id"],
                timestamp=at,
                execution_id=ref,
                previous_execution_id=previous,
                price=price,
                qty=qty,
            )
            return ref

    def note(self, kind: str, amount: str, **more: Any) -> None:
        """An activity that is no trade: a fee, a dividend, a journal entry."""
        with self.lock:
            at = self.stamp()
            self.cash += Decimal(amount)
            self.events.append(
                {
                    "account_id": ACCOUNT,
                    "event_id": self._ulid(at),
                    "ref_id": self._uuid(),
                    "activity_type": kind,
                    "net_amount": amount,
                    "currency": "USD",
                    "status": "executed",
                    "at": at,
                    "executed_at": at,
                    "settle_date": at[:10],
                    "qty": "0",
                    "price": "0",
                    "details": {},
                }
                | more
            )

    def fault(self, path: str, **what: Any) -> Fault:
        laid = Fault(path, **what)
        self.faults.append(laid)
        return laid

    # --- messages ---

    def stamp(self) -> str:
        """The broker's time, never the same twice."""
        with self.lock:
            self._stamp = max(self._stamp + 1, self.clock_ns())
            return moment_text(self._stamp)

    def _move(self, order_id: str, status: str) -> str:
        self.orders[order_id]["status"], self.orders[order_id]["updated_at"] = status, (at := self.stamp())
        return at

    def _say(self, event: str, order_id: str, **more: Any) -> None:
        data = {"event": event, "order": dict(self.orders[order_id]), "timestamp": self.stamp()} | more
        shown = TradeUpdate(**data | {"execution_id": uuid.uuid5(SEASONS, more.get("execution_id", ""))})
        assert str(shown.order.id) == order_id
        for name in ("price", "qty"):
            assert more.get(name) is None or Decimal(repr(getattr(shown, name))) == Decimal(more[name]), name
        if not self.silent:
            self._broadcast(json.dumps({"stream": "trade_updates", "data": data}).encode())

    def replay(self, frame: bytes) -> None:
        """Tells who listens what was published, as it stands."""
        TradeUpdate(**json.loads(frame)["data"])
        self._broadcast(frame)

    def _broadcast(self, frame: bytes) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._send, frame)

    def _send(self, frame: bytes) -> None:
        for socket in list(self._listening):
            asyncio.ensure_future(socket.send_bytes(frame))  # noqa: RUF006 - a socket that is gone is gone

    def _record(
        self,
        order: dict[str, Any],
        kind: str,
        ref: str,
        at: str,
        settles: str,
        qty: str,
        price: str,
        *,
        net_amount: str = "",
        commission: str = "",
    ) -> dict[str, Any]:
        event = {
            "account_id": ACCOUNT,
            "event_id": self._ulid(at),
            "ref_id": ref,
            "activity_type": "TRD",
            "qty": qty,
            "price": price,
            "currency": "USD",
            "status": "executed",
            "at": at,
            "executed_at": at,
            "settle_date": settles,
            "details": {
                "asset_id": order["asset_id"],
                "order_id": order["id"],
                "client_order_id": order["client_order_id"],
                "side": order["side"],
                "order_status": order["status"],
                "execution_type": kind,
                "symbol": order["symbol"],
                "cum_qty": order["filled_qty"],
                "leaves_qty": "0",
            },
        }
        if net_amount:
            event["net_amount"] = net_amount
        if commission:
            event["details"]["commission"] = commission
        self.events.append(event)
        return event

    def _uuid(self) -> str:
        return str(uuid.uuid4())

    def _ulid(self, at: str) -> str:
        return f"{moment_ns(at, 'at') // 1_000_000:010X}{len(self.events):016d}"

    # --- endpoints ---

    @web.middleware
    async def _meddle(self, request: web.Request, handler: Any) -> web.StreamResponse:
        said = f"{request.method} {request.path}"
        body = await request.text() if request.can_read_body else ""
        self.requests.append((request.method, request.path_qs, json.loads(body) if body else None))
        if request.path.startswith("/v1/accounts"):
            allowed = request.headers.get("Authorization", "").startswith("Basic ")
        else:
            allowed = (
                request.headers.get("APCA-API-KEY-ID") == KEY
                and request.headers.get("APCA-API-SECRET-KEY") == SECRET
            )
        if request.path != "/stream" and not allowed:
            return web.json_response({"code": 40110000, "message": "request is not authorized"}, status=401)
        laid = next((one for one in self.faults if said.startswith(one.path)), None)
        if laid is None:
            return await handler(request)
        laid.times -= 1
        if laid.times <= 0:
            self.faults.remove(laid)
        answer = await handler(request) if laid.after else None
        if laid.delay_s:
            await asyncio.sleep(laid.delay_s)
        if laid.drop:
            assert request.transport is not None
            request.transport.abort()
        if laid.status:
            return web.json_response(laid.body, status=laid.status, headers=laid.headers)
        return answer or web.json_response({}, status=500)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.deaf:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        known = False
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            said = json.loads(message.data)
            if said["action"] == "authenticate":
                known = said["data"] == {"key_id": KEY, "secret_key": SECRET}
                status = "authorized" if known else "unauthorized"
                await self._reply(socket, "authorization", {"status": status, "action": "authenticate"})
            elif said["action"] == "listen" and known:
                await asyncio.sleep(self.late_s)
                self._listening.add(socket)
                await self._reply(socket, "listening", {"streams": said["data"]["streams"]})
        self._listening.discard(socket)
        return socket

    async def _reply(self, socket: web.WebSocketResponse, stream: str, data: dict[str, Any]) -> None:
        await socket.send_bytes(json.dumps({"stream": stream, "data": data}).encode())

    async def _clock(self, _: web.Request) -> web.Response:
        body = {
            "timestamp": self.stamp(),
            "is_open": True,
            "next_open": "2026-11-30T09:30:00-05:00",
            "next_close": "2026-11-30T16:00:00-05:00",
        }
        Clock(**body)
        return web.json_response(body)

    async def _submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        asked = LimitOrderRequest(**body)
        for name in ("qty", "notional", "limit_price"):
            if (value := getattr(asked, name)) is not None:
                assert isinstance(body[name], str) and Decimal(repr(value)) == Decimal(body[name]), name
        with self.lock:
            if any(one["client_order_id"] == body["client_order_id"] for one in self.orders.values()):
                return _error(422, 40010001, "client_order_id must be unique")
            order = self._make(body)
            self.orders[order["id"]] = order
            answer = dict(order)
        self.on_submit(order)
        return self._shown(answer)

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        at = self.stamp()
        return {
            "id": self._uuid(),
            "client_order_id": body["client_order_id"],
            "created_at": at,
            "updated_at": at,
            "submitted_at": at,
            "filled_at": None,
            "expired_at": None,
            "canceled_at": None,
            "failed_at": None,
            "replaced_at": None,
            "replaced_by": None,
            "replaces": None,
            "cancel_requested_at": None,
            "asset_id": str(uuid.uuid5(SEASONS, body["symbol"])),
            "symbol": body["symbol"],
            "asset_class": "us_equity",
            "notional": body.get("notional"),
            "qty": body.get("qty"),
            "filled_qty": "0",
            "filled_avg_price": None,
            "order_class": "",
            "order_type": body["type"],
            "type": body["type"],
            "side": body["side"],
            "time_in_force": body["time_in_force"],
            "limit_price": body["limit_price"],
            "stop_price": None,
            "status": "pending_new",
            "extended_hours": body["extended_hours"],
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
        }

    async def _replace(self, request: web.Request) -> web.Response:
        body = await request.json()
        with self.lock:
            old = self.orders.get(request.match_info["id"])
            if old is None:
                return _error(404, 40410000, "order not found")
            try:
                # the model wants numbers where the endpoint's page says text
                ReplaceOrderRequest(
                    **body | {"qty": int(body["qty"]), "limit_price": float(body["limit_price"])}
                )
            except ValueError:
                return _error(422, 42210000, "qty must be a whole number of shares")
            if any(one["client_order_id"] == body["client_order_id"] for one in self.orders.values()):
                return _error(422, 40010001, "client_order_id must be unique")
            if old["status"] not in OPEN:
                return _error(422, 42210000, f'order is already in "{old["status"]}" state')
            new = self._make(old | body)
            new["replaces"], new["status"] = old["id"], "pending_new"
            self.orders[new["id"]] = new
            answer = dict(new)
        self.on_replace(old, new)
        return self._shown(answer)

    async def _cancel(self, request: web.Request) -> web.Response:
        with self.lock:
            order = self.orders.get(request.match_info["id"])
            if order is None:
                return _error(404, 40410000, "order not found")
            if order["status"] not in OPEN:
                return _error(422, 42210000, f'order is already in "{order["status"]}" state')
        self.on_cancel(order)
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        GetOrdersRequest(**asked)
        after = moment_ns(asked["after"], "after")
        with self.lock:
            found = [one for one in self.orders.values() if moment_ns(one["submitted_at"], "at") > after]
            if asked["status"] == "open":
                found = [one for one in found if one["status"] in OPEN]
            found.sort(key=lambda one: one["submitted_at"])
            shown = [dict(one) for one in found[: int(asked["limit"])]]
        for one in shown:
            Order(**one)
        return web.json_response(shown)

    async def _by_client(self, request: web.Request) -> web.Response:
        with self.lock:
            found = [
                one
                for one in self.orders.values()
                if one["client_order_id"] == request.query["client_order_id"]
            ]
        return self._shown(dict(found[0])) if found else _error(404, 40410000, "order not found")

    async def _by_id(self, request: web.Request) -> web.Response:
        found = self.orders.get(request.match_info["id"])
        return self._shown(dict(found)) if found else _error(404, 40410000, "order not found")

    def _shown(self, order: dict[str, Any]) -> web.Response:
        Order(**order)
        return web.json_response(order)

    async def _account(self, _: web.Request) -> web.Response:
        body = {
            "id": ACCOUNT,
            "account_number": "PA-1",
            "status": "ACTIVE",
            "currency": "USD",
            "cash": f"{self.balance():f}",
        }
        TradeAccount(**body)
        return web.json_response(body)

    async def _positions(self, _: web.Request) -> web.Response:
        body = [
            {
                "asset_id": str(uuid.uuid5(SEASONS, symbol)),
                "symbol": symbol,
                "exchange": "NASDAQ",
                "asset_class": "us_equity",
                "avg_entry_price": "1",
                "qty": f"{qty:f}",
                "side": "long" if qty > 0 else "short",
                "cost_basis": "1",
            }
            for symbol, qty in sorted(self.positions().items())
            if qty
        ]
        for one in body:
            Position(**one)
        return web.json_response(body)

    async def _activities(self, request: web.Request) -> web.StreamResponse:
        since = moment_ns(request.query["since"], "since")
        until = moment_ns(request.query["until"], "until")
        with self.lock:
            shown = self.events[: len(self.events) - 1] if self.behind else list(self.events)
            self.behind = max(self.behind - 1, 0)
            found = [json.dumps(one) for one in shown if since <= moment_ns(one["at"], "at") <= until]
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b":heartbeat\n\n")
        for one in found:
            await answer.write(b"data: " + one.encode() + b"\n\n")
        await answer.write_eof()
        return answer

    async def _announcements(self, _: web.Request) -> web.Response:
        CorporateActionsSet(self.announced)
        return web.json_response({"corporate_actions": self.announced, "next_page_token": None})

    async def _tokenization(self, request: web.Request) -> web.Response:
        body, what = await request.json(), request.match_info["what"]
        key = request.headers.get("Idempotency-Key", "")
        self.network.append((what, body, key))
        identifiers = [name for name in ("client_account_id", "client_external_account_id") if name in body]
        needed = {
            "mint": ("tokenization_request_id", "tx_hash"),
            "redeem": (
                "issuer_request_id",
                "underlying_symbol",
                "token_symbol",
                "qty",
                "network",
                "wallet_address",
                "tx_hash",
            ),
        }[what]
        missing = [name for name in needed if not body.get(name)]
        if missing or len(identifiers) != 1:
            return _error(422, 42210001, ", ".join(f"{name} is required" for name in missing))
        if key in self.redemptions:
            before, answer = self.redemptions[key]
            return web.json_response(answer) if before == body else _error(422, 42210001, "key reused")
        answer = {
            "tokenization_request_id": body.get("tokenization_request_id") or self._uuid(),
            "issuer_request_id": body.get("issuer_request_id"),
            "created_at": self.stamp(),
            "type": what,
            "status": "completed" if what == "mint" else "pending",
            "underlying_symbol": body.get("underlying_symbol", "AAPL"),
            "token_symbol": body.get("token_symbol", "AAPLx"),
            "qty": body.get("qty", "1"),
            "issuer": "xstocks",
            "network": body.get("network", "solana"),
            "wallet_address": body.get("wallet_address", "w"),
            "tx_hash": body["tx_hash"],
        }
        if key:
            self.redemptions[key] = (body, answer)
        return web.json_response(answer)

    async def _tokenization_request(self, request: web.Request) -> web.Response:
        asked = request.query["issuer_request_id"]
        found = [answer for _, answer in self.redemptions.values() if answer["issuer_request_id"] == asked]
        return web.json_response(found[0]) if found else _error(404, 40410000, "request not found")

    async def _tokenization_requests(self, _: web.Request) -> web.Response:
        return web.json_response([answer for _, answer in self.redemptions.values()])


def _error(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)
