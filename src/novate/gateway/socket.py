"""WebSocket: the same operations as HTTP, and all that is told without being asked.

    {"op": "login", "id": 1, "args": {"key": "7", "timestamp_ns": ..., "nonce": ..., "signature": "..."}}
    {"op": "subscribe", "id": 2, "args": {"channel": "book", "market": "NVDA-PERP"}}
    {"op": "place_order", "id": 3, "account": "7", "args": {...}}

Responsible for: from a message to its reply, one connection's subscriptions, and cutting off who does not read. Replies come when they are
known, each with the sender's id; the operations of one connection are sent to the venue in the order in which they came.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from novate.errors import NovateError
from novate.gateway.actions import Replied, Reply
from novate.gateway.door import Door
from novate.gateway.errors import GatewayRefused, Rule, told
from novate.gateway.limits import (
    LOGIN_WEIGHS,
    UNPAID_BURST,
    UNPAID_PER_S,
    UNREAD_S,
    Guests,
    Patience,
    drop,
    problem,
)
from novate.gateway.requests import whole_number
from novate.gateway.retelling import Retelling
from novate.gateway.streams import PUBLIC, Topic
from novate.identity import Credentials, Principal, PrincipalKind
from novate.identity.certificates import Issued
from novate.schema.operations import UNREADABLE, bad_json, operation
from novate.schema.values import Number, Word

PATH: Final = "/v1/ws"
_LOOK_S: Final = 1.0
_ROOM: Final = 4
"""There is room for more while a client left less unread than this part of what it may."""
_ROOM_LOOK_S: Final = 0.005
_PAUSE_S: Final = 0.1
_log: Final = logging.getLogger("novate.gateway")
_PENDING: Final = 512
"""Operations of one connection whose replies are awaited; beyond that it is not read."""


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message from a client.

    Attributes:
        op: An operation, or login, subscribe, unsubscribe, ping.
        id: Repeated in the reply.
        account: For whom; absent for the venue.
        args: What the operation takes.
    """

    op: Word
    id: Annotated[str, msgspec.Meta(max_length=64)] | int | None = None
    account: Number | None = None
    args: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credentials, signed over the method LOGIN, the socket's path and an empty body.

    Attributes:
        key: The key's id.
        timestamp_ns: The client's time.
        nonce: Unused within the window.
        signature: Hexadecimal.
        expires_after_ns: When the login is not to be taken any more; 0 for never.
    """

    key: Number
    timestamp_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    nonce: Number
    signature: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64}|[0-9a-f]{128})$")]
    expires_after_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0


class Subscription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted, or not any more.

    Attributes:
        channel: book, book_orders, bbo, trades, prices, liquidations, status, notices, or account.
        market: Of book, book_orders, bbo and trades.
        underlying: Of prices; absent for all.
        account: Of the account channel.
        depth: Levels of a book a side, told whole at each change; 0 for all levels as deltas.
        interval_ms: At most one message in so many milliseconds; 0 for each change.
        resume_from: Number of the last event of the account that is known: those behind it come first.
    """

    channel: Word
    market: Word | None = None
    underlying: Word | None = None
    account: Number | None = None
    depth: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    interval_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    resume_from: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


_ONLY_OF: Final = {
    "market": {"book", "book_orders", "bbo", "trades"}, "underlying": {"prices"}, "account": {"account"}, "depth": {"book"},
    "interval_ms": {"book", "bbo"}, "resume_from": {"account"},
}  # fmt: skip
"""Fields of a subscription, and the channels that take them: elsewhere they are refused, not dropped."""
_UNPAID: Final = {"login", "subscribe", "unsubscribe", "ping"}
_said: Final = msgspec.json.Decoder(Said).decode
_login: Final = msgspec.json.Decoder(Login).decode
_subscription: Final = msgspec.json.Decoder(Subscription).decode
_encode: Final = msgspec.json.Encoder().encode


class Connection(WSListener):
    """One client."""

    def __init__(self, door: Door, forwarded: str, sockets: Sockets) -> None:
        super().__init__()
        self._door = door
        self._sockets = sockets
        self._loop = asyncio.get_running_loop()
        self._forwarded = forwarded
        self._address = ""
        self._entered = False
        self._own = Patience(UNPAID_PER_S, UNPAID_BURST)
        self._shared = self._own
        self._waits = False
        self._unheard: deque[bytes] = deque()
        self._behind_since = self._loop.time()
        self._transport: WSTransport | None = None
        self._principal: Principal = door.gate.identity.nobody()
        self._shown: Issued | None = None
        self._topics: set[Topic] = set()
        self._accounts: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beginning: dict[asyncio.Task[None], tuple[Said, tuple[Topic, str | None]]] = {}
        """Subscriptions that wait for the gateway to be in step, and what they are for."""
        self._pending = 0
        self._part = bytearray()
        self._turn = asyncio.Lock()
        self._untold: list[bytes] = []
        self._untold_bytes = 0
        self._retelling = Retelling(door, self, self._say, self._refuse)

    # --- what is told ---------------------------------------------------------------------------------------------------

    def tell(self, message: bytes) -> bool:
        """See `streams.Listener`. What is told in one turn of the event loop is written at once."""
        if self._transport is None:
            return False
        if not self._untold:
            self._sockets.write_soon(self)
        self._untold.append(self._sockets.framed(message))
        self._untold_bytes += len(message)
        if self._untold_bytes > self._door.settings.unread_bytes:
            self._abort()
            return False
        return True

    def write(self) -> None:
        """Writes what was told; ends the connection where too much of it lies unread."""
        untold, self._untold, self._untold_bytes = self._untold, [], 0
        if self._transport is None or not untold:
            return
        transport = self._transport.underlying_transport
        if transport.is_closing():
            return
        transport.write(untold[0] if len(untold) == 1 else b"".join(untold))
        if transport.get_write_buffer_size() > self._door.settings.unread_bytes:
            self._abort()

    async def room(self) -> None:
        """Returns once the client has read most of what it was told, or is gone."""
        await asyncio.sleep(0)
        while (transport := self._transport) is not None:
            unread = transport.underlying_transport.get_write_buffer_size() + self._untold_bytes
            if unread <= self._door.settings.unread_bytes // _ROOM:
                return
            await asyncio.sleep(_ROOM_LOOK_S)

    def close(self, code: WSCloseCode, why: str) -> None:
        """Says goodbye."""
        if self._transport is not None:
            self.write()
            self._transport.send_close(code, why.encode())
            self._transport.disconnect()

    def cut_off(self, why: str) -> None:
        """See `streams.Listener`."""
        self.close(WSCloseCode.SERVICE_RESTART, why)

    def look_again(self) -> None:
        """Ends the connection where nothing is read any more, or its key may not hear any more what it subscribed to."""
        if self._transport is None:
            return
        if not self._transport.underlying_transport.get_write_buffer_size():
            self._behind_since = self._loop.time()
        elif self._loop.time() - self._behind_since > UNREAD_S:
            self._abort()
            return
        if not self._accounts:
            return
        try:
            self._principal = self._still()
            for account in self._accounts:
                self._door.gate.authorise(self._principal, "account.stream", account)
        except NovateError as error:
            self._leave_all()
            self._refuse(None, error)
            self.close(WSCloseCode.POLICY_VIOLATION, error.code)

    def give_up(self, account: int) -> None:
        """Listens to the account no more."""
        self._retelling.end(account)
        self._door.streams.leave_account(account, self)
        self._accounts.discard(account)

    def _leave_all(self) -> None:
        for topic in self._topics:
            self._door.teller(topic.channel).leave(topic, self)
        for account in self._accounts:
            self._retelling.end(account)
            self._door.streams.leave_account(account, self)
        self._topics.clear()
        self._accounts.clear()

    def _abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            drop(transport.underlying_transport)

    # --- what picows calls ----------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See WSListener."""
        self._transport = transport
        peer = transport.underlying_transport.get_extra_info("peername")
        guests = self._sockets.guests
        self._address = guests.speaks_for(peer[0] if isinstance(peer, tuple) else "", self._forwarded)
        self._shared = guests.patience(self._address, self._loop.time())
        self._entered = guests.enter(self._address, 0)
        if not self._entered:
            self.close(WSCloseCode.POLICY_VIOLATION, Rule.CONNECTIONS_MUST_NOT_EXCEED_LIMIT.name.lower())
        if self._door.admin is not None:
            self._shown = self._door.admin.of_connection(transport.underlying_transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """See WSListener."""
        del transport
        self._transport = None
        for task in self._beginning:
            task.cancel()  # nobody is there to be told what would begin
        self._leave_all()
        if self._entered:
            self._sockets.guests.leave(self._address)
        self._sockets.open.discard(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See WSListener."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
            return
        if frame.msg_type not in {WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION}:
            return
        payload = frame.get_payload_as_bytes()
        if not frame.fin or self._part:
            self._part += payload
            if len(self._part) > self._door.settings.body_bytes:
                self.close(WSCloseCode.MESSAGE_TOO_BIG, "message_must_not_be_larger")
                return
            if not frame.fin:
                return
            payload, self._part = bytes(self._part), bytearray()
        if self._waits:
            self._unheard.append(payload)  # no more than was read at once: reading is paused
        else:
            self._hear(payload)

    # --- what is said ---------------------------------------------------------------------------------------------------

    def _hear(self, payload: bytes) -> None:
        said: Said | None = None
        try:
            try:
                said = _said(payload)
            except UNREADABLE as error:
                raise bad_json(error) from None
            if said.op not in _UNPAID:
                self._operate(said)
                return
            self._wear(LOGIN_WEIGHS if said.op == "login" else 1)
            match said.op:
                case "login":
                    self._log_in(said)
                case "subscribe" if self._door.link.in_step and self._door.past_trades.known:
                    self._subscribe(said)
                case "subscribe":
                    self._subscribe_later(said)
                case "unsubscribe":
                    self._unsubscribe(said)
                case "ping":
                    self._after_beginnings(partial(self._pong, said))
        except NovateError as error:
            self._refuse(said, error)

    def _wear(self, weight: int = 1) -> None:
        """A message that no budget pays for. Who says many of them is heard later, so that he takes no time from others."""
        now = self._loop.time()
        self._own.wear(now, weight)
        if self._principal.kind is PrincipalKind.ANONYMOUS:
            self._shared.wear(now, weight)
        if not self._waits and self._worn(now) and self._transport is not None:
            self._waits = True
            self._transport.underlying_transport.pause_reading()
            self._loop.call_later(_PAUSE_S, self._hear_on)

    def _worn(self, now: float) -> bool:
        anonymous = self._principal.kind is PrincipalKind.ANONYMOUS
        return self._own.left(now) < 0 or (anonymous and self._shared.left(now) < 0)

    def _hear_on(self) -> None:
        if self._transport is None or self._transport.underlying_transport.is_closing():
            self._unheard.clear()
            return
        self._waits = self._worn(self._loop.time())
        while self._unheard and not self._waits:
            self._waits = True  # whoever wears meanwhile begins no second wait
            self._hear(self._unheard.popleft())
            self._waits = self._worn(self._loop.time())
        if self._waits:
            self._loop.call_later(_PAUSE_S, self._hear_on)
        else:
            self._transport.underlying_transport.resume_reading()

    def _operate(self, said: Said) -> None:
        if self._pending >= _PENDING:
            raise GatewayRefused(Rule.VENUE_MUST_HAVE_ROOM)
        principal = self._principal = self._still()
        account = whole_number(said.account, "account") if said.account else 0
        op = operation(said.op)
        args = _json(said.args)
        actions = self._door.actions
        # To the venue in the order in which it was said: nothing overtakes an operation for which the reader is asked.
        prepared = None if self._tasks else actions.prepared(op, account, args)
        if prepared is not None:
            actions.send(principal, prepared, account, self._address, partial(self._replied, said))
            self._pending += 1
            return

        async def prepare_first() -> None:
            async with self._turn:
                wished = await actions.prepare(principal, op, account, args)
                actions.send(principal, wished, account, self._address, partial(self._replied, said))

        self._later(said, prepare_first())
        self._pending += 1

    def _replied(self, said: Said, found: Replied | BaseException) -> None:
        self._pending -= 1
        if isinstance(found, Replied):
            self.tell(_encode(msgspec.structs.replace(found.reply, id=said.id)))
        elif isinstance(found, NovateError):
            self._refuse(said, found)
        elif not isinstance(found, asyncio.CancelledError):
            _log.error("operation %s failed", said.op, exc_info=found)
            self._refuse(said, GatewayRefused(Rule.OPERATION_FAILED))

    def _later(self, said: Said, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """What somebody has to be asked for first; counted as awaited until it was replied to, or failed before."""

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._beginning.pop(task, None)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is not None:
                self._replied(said, error)

        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(done)
        return task

    def _still(self) -> Principal:
        """Who speaks, as it stands now. Raises NovateError once the key, or the certificate, is none any more."""
        principal, admin = self._door.gate.still(self._principal), self._door.admin
        return principal if admin is None else admin.bound(principal, self._shown)

    def _log_in(self, said: Said) -> None:
        given = _read(_login, said.args)
        credentials = Credentials(
            whole_number(given.key, "key"),
            given.timestamp_ns,
            whole_number(given.nonce, "nonce"),
            bytes.fromhex(given.signature),
            given.expires_after_ns,
        )
        principal = self._door.gate.of_login(PATH, credentials, self._address)
        admin = self._door.admin
        self._principal = principal if admin is None else admin.bound(principal, self._shown)
        self._say(said, {"key": str(self._principal.actor), "owner": str(self._principal.owner)})

    def _subscribe(self, said: Said) -> None:
        wanted = _read(_subscription, said.args)
        _check_fields(wanted)
        if len(self._topics) + len(self._accounts) >= self._door.settings.subscriptions:
            raise GatewayRefused(Rule.SUBSCRIPTIONS_MUST_NOT_EXCEED_LIMIT)
        gate, streams = self._door.gate, self._door.streams
        if wanted.channel == "account":
            account = whole_number(wanted.account, "account") if wanted.account else 0
            self._principal = self._still()
            gate.authorise(self._principal, "account.stream", account)
            if wanted.resume_from is not None and not self._door.backlog.at_hand(account, wanted.resume_from):
                self._accounts.add(account)
                self._retelling.begin(said, account, wanted.resume_from)
                return
            self._retelling.end(account)
            self._say(said, {"account": str(account), "account_seq": streams.account_log(account).last})
            streams.join_account(account, self, wanted.resume_from)
            self._accounts.add(account)
            return
        gate.authorise(self._principal, "market.stream")
        topic = _topic(wanted)
        teller = self._door.teller(topic.channel)
        teller.check(topic)
        self._say(said, {"channel": topic.channel, "market": wanted.market})
        teller.join(topic, self)
        self._topics.add(topic)

    def _subscribe_later(self, said: Said) -> None:
        """So that what begins is not from before an answer that was given already, nor trades without those from before."""
        wanted = _read(_subscription, said.args)

        async def begin() -> None:
            await self._door.link.fall_in_step()
            if wanted.channel == "trades":
                await self._door.past_trades.fall_in_step()
            self._subscribe(said)
            self._pending -= 1

        self._pending += 1
        self._beginning[self._later(said, begin())] = said, _what_for(wanted)

    def _after_beginnings(self, do: Callable[[], None]) -> None:
        """Does it once all that was subscribed to has begun, and what was to be told first was told."""
        if not self._beginning:
            self._retelling.after(do)
            return
        waiting = asyncio.gather(*self._beginning, return_exceptions=True)
        waiting.add_done_callback(lambda _: self._retelling.after(do))

    def _pong(self, said: Said) -> None:
        """Its `seq` is the command up to which events have come to this gateway: replies may be ahead of them."""
        link = self._door.link
        told = Reply(ok=True, ts_ns=link.time_ns, seq=link.heard, result={"pong": link.time_ns}, id=said.id)
        self.tell(_encode(told))

    def _unsubscribe(self, said: Said) -> None:
        wanted = _read(_subscription, said.args)
        for task, (before, what_for) in list(self._beginning.items()):
            if what_for == _what_for(wanted):
                task.cancel()
                del self._beginning[task]
                self._refuse(before, GatewayRefused(Rule.SUBSCRIPTION_MUST_NOT_END_BEFORE_IT_BEGINS))
        if wanted.channel == "account":
            account = whole_number(wanted.account, "account") if wanted.account else 0
            self.give_up(account)
        else:
            topic = _topic(wanted)
            self._door.teller(topic.channel).leave(topic, self)
            self._topics.discard(topic)
        self._say(said, {"channel": wanted.channel})

    def _say(self, said: Said, result: dict[str, Any]) -> None:
        link = self._door.link
        self.tell(_encode(Reply(ok=True, ts_ns=link.time_ns, seq=link.sequence, result=result, id=said.id)))

    def _refuse(self, said: Said | None, error: NovateError) -> None:
        self._wear()
        _, problem = told(error)
        link = self._door.link
        reply = Reply(
            ok=False, ts_ns=link.time_ns, seq=link.sequence, error=problem, id=said.id if said else None
        )
        self.tell(_encode(reply))


class Sockets:
    """All WebSocket connections of a gateway."""

    def __init__(self, door: Door, guests: Guests) -> None:
        self._door = door
        self.guests = guests
        self.open: set[Connection] = set()
        self._told: list[Connection] = []
        self._message, self._frame = b"", b""
        self._looking: asyncio.Task[None] | None = None

    async def listen(self, listener: socket.socket) -> asyncio.AbstractServer:
        """Begins to serve at a bound socket; the caller closes it."""
        settings = self._door.settings
        self._looking = asyncio.ensure_future(self._look())
        return await ws_create_server(
            self._accept,
            sock=listener,
            enable_auto_ping=True,
            max_frame_size=settings.body_bytes,
            websocket_handshake_timeout=5,
            ssl=self._door.admin.context if self._door.admin is not None else None,
        )

    def framed(self, message: bytes) -> bytes:
        """A message in its frame, which is made once for all who are told the same in turn."""
        if message is not self._message:
            self._message, self._frame = message, _head(len(message)) + message
        return self._frame

    def write_soon(self, connection: Connection) -> None:
        """Writes to a connection when this turn of the event loop is over."""
        if not self._told:
            asyncio.get_running_loop().call_soon(self._write)
        self._told.append(connection)

    def _write(self) -> None:
        told, self._told = self._told, []
        for connection in told:
            connection.write()

    def close(self) -> None:
        """Says goodbye to all."""
        if self._looking is not None:
            self._looking.cancel()
        for connection in list(self.open):
            connection.close(WSCloseCode.GOING_AWAY, "the gateway ends")

    async def _look(self) -> None:
        """Whoever listens to an account is looked at again: keys are revoked and accounts change hands."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for connection in list(self.open):
                connection.look_again()

    def _accept(self, request: WSUpgradeRequest) -> Connection | WSUpgradeResponseWithListener:
        if request.path.split(b"?")[0] != PATH.encode():
            return self._turned_away(Rule.PATH_MUST_EXIST)
        if len(self.open) >= self._door.settings.connections:
            return self._turned_away(Rule.CONNECTIONS_MUST_NOT_EXCEED_LIMIT)
        connection = Connection(self._door, request.headers.get("x-forwarded-for", ""), self)
        self.open.add(connection)
        return connection

    def _turned_away(self, rule: Rule) -> WSUpgradeResponseWithListener:
        said = problem(rule, self._door.link.time_ns, self._door.link.sequence)
        headers = {"content-type": "application/json"}
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_error_response(rule.status, said, headers), None
        )


def _head(size: int) -> bytes:
    """The head of an unmasked text frame of one part (RFC 6455, section 5.2)."""
    if size < 126:
        return bytes((0x81, size))
    return b"\x81\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x81\x7f" + size.to_bytes(8, "big")


def _check_fields(wanted: Subscription) -> None:
    """A field that the channel does not take is refused, not dropped."""
    if wanted.channel not in {*PUBLIC, "account"}:
        raise GatewayRefused(Rule.CHANNEL_MUST_EXIST, field="channel")
    for field, channels in _ONLY_OF.items():
        if getattr(wanted, field) and wanted.channel not in channels:
            raise GatewayRefused(
                Rule.FIELDS_MUST_FIT_THE_OPERATION,
                f"The channel {wanted.channel} takes no {field}.",
                field=field,
            )


def _topic(wanted: Subscription) -> Topic:
    name = wanted.market if wanted.channel in _ONLY_OF["market"] else wanted.underlying
    depth = wanted.depth if wanted.channel == "book" else 0
    interval = wanted.interval_ms if wanted.channel in {"book", "bbo"} else 0
    return Topic(wanted.channel, name or "", depth, interval)


def _what_for(wanted: Subscription) -> tuple[Topic, str | None]:
    return _topic(wanted), wanted.account


def _json(args: msgspec.Raw | msgspec.UnsetType) -> bytes:
    return b"{}" if isinstance(args, msgspec.UnsetType) else bytes(args)


def _read(decode: Callable[[bytes], Any], args: msgspec.Raw | msgspec.UnsetType) -> Any:
    try:
        return decode(_json(args))
    except UNREADABLE as error:
        raise bad_json(error) from None
