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
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

from novate.errors import NovateError
from novate.gateway.actions import Reply
from novate.gateway.door import Door
from novate.gateway.errors import GatewayRefused, Rule, told
from novate.gateway.streams import PUBLIC, Topic
from novate.identity import Credentials, Principal
from novate.schema.operations import UNREADABLE, bad_json, operation, parse
from novate.schema.values import Number, Word

PATH: Final = "/v1/ws"
_LOOK_S: Final = 1.0
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
        channel: book, bbo, trades, prices, liquidations, status, or account.
        market: Of book, bbo and trades.
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
    "market": {"book", "bbo", "trades"}, "underlying": {"prices"}, "account": {"account"}, "depth": {"book"},
    "interval_ms": {"book", "bbo"}, "resume_from": {"account"},
}  # fmt: skip
"""Fields of a subscription, and the channels that take them: elsewhere they are refused, not dropped."""
_said: Final = msgspec.json.Decoder(Said).decode
_login: Final = msgspec.json.Decoder(Login).decode
_subscription: Final = msgspec.json.Decoder(Subscription).decode
_encode: Final = msgspec.json.Encoder().encode


class Connection(WSListener):
    """One client."""

    def __init__(self, door: Door, address: str, gone: Callable[[Connection], None]) -> None:
        super().__init__()
        self._door = door
        self._gone = gone
        self._address = address
        self._transport: WSTransport | None = None
        self._principal: Principal = door.gate.identity.nobody()
        self._topics: set[Topic] = set()
        self._accounts: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._part = bytearray()
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._untold: list[bytes] = []
        self._untold_bytes = 0

    # --- what is told ---------------------------------------------------------------------------------------------------

    def tell(self, message: bytes) -> bool:
        """See `streams.Listener`. What is told in one turn of the event loop is written at once."""
        transport = self._transport
        if transport is None:
            return False
        if not self._untold:
            self._loop.call_soon(self._write)
        self._untold += (_head(len(message)), message)
        unread = transport.underlying_transport.get_write_buffer_size() + self._untold_bytes
        self._untold_bytes += len(message)
        if unread > self._door.settings.unread_bytes:
            self._abort()
            return False
        return True

    def _write(self) -> None:
        if self._transport is not None:
            self._transport.underlying_transport.write(b"".join(self._untold))
        self._untold, self._untold_bytes = [], 0

    def close(self, code: WSCloseCode, why: str) -> None:
        """Says goodbye."""
        if self._transport is not None:
            self._write()
            self._transport.send_close(code, why.encode())
            self._transport.disconnect()

    def cut_off(self, why: str) -> None:
        """See `streams.Listener`."""
        self.close(WSCloseCode.SERVICE_RESTART, why)

    def look_again(self) -> None:
        """Ends the connection where its key may not hear any more what it subscribed to."""
        if not self._accounts:
            return
        try:
            self._principal = self._door.gate.still(self._principal)
            for account in self._accounts:
                self._door.gate.authorise(self._principal, "account.stream", account)
        except NovateError as error:
            self._leave_all()
            self._refuse(None, error)
            self.close(WSCloseCode.POLICY_VIOLATION, error.code)

    def _leave_all(self) -> None:
        for topic in self._topics:
            self._door.streams.leave(topic, self)
        for account in self._accounts:
            self._door.streams.leave_account(account, self)
        self._topics.clear()
        self._accounts.clear()

    def _abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.underlying_transport.abort()

    # --- what picows calls ----------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See WSListener."""
        self._transport = transport
        peer = transport.underlying_transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else ""

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """See WSListener."""
        del transport
        self._transport = None
        self._leave_all()
        self._gone(self)

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
        self._hear(payload)

    # --- what is said ---------------------------------------------------------------------------------------------------

    def _hear(self, payload: bytes) -> None:
        said: Said | None = None
        try:
            try:
                said = _said(payload)
            except UNREADABLE as error:
                raise bad_json(error) from None
            match said.op:
                case "login":
                    self._log_in(said)
                case "subscribe":
                    self._subscribe(said)
                case "unsubscribe":
                    self._unsubscribe(said)
                case "ping":
                    self._say(said, {"pong": self._door.link.time_ns})
                case _:
                    self._operate(said)
        except NovateError as error:
            self._refuse(said, error)

    def _operate(self, said: Said) -> None:
        if len(self._tasks) >= _PENDING:
            raise GatewayRefused(Rule.VENUE_MUST_HAVE_ROOM)
        self._principal = self._door.gate.still(self._principal)
        task = asyncio.ensure_future(self._answer(said, self._principal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, said: Said, principal: Principal) -> None:
        actions = self._door.actions
        try:
            async with self._turn:  # to the venue in the order in which it was said
                account = _id(said.account) if said.account else 0
                op = operation(said.op)
                prepared = await actions.prepare(principal, op, account, parse(op, _json(said.args)))
            done = await actions.finish(principal, prepared, account, self._address)
            self.tell(_encode(msgspec.structs.replace(done.reply, id=said.id)))
        except NovateError as error:
            self._refuse(said, error)
        except Exception:  # noqa: BLE001 - one operation never ends the gateway
            _log.exception("operation %s failed", said.op)
            self._refuse(said, GatewayRefused(Rule.OPERATION_FAILED))

    def _log_in(self, said: Said) -> None:
        given = _read(_login, said.args)
        credentials = Credentials(
            _id(given.key),
            given.timestamp_ns,
            _id(given.nonce),
            bytes.fromhex(given.signature),
            given.expires_after_ns,
        )
        self._principal = self._door.gate.of_login(PATH, credentials, self._address)
        self._say(said, {"key": str(self._principal.actor), "owner": str(self._principal.owner)})

    def _subscribe(self, said: Said) -> None:
        wanted = _read(_subscription, said.args)
        _check_fields(wanted)
        if len(self._topics) + len(self._accounts) >= self._door.settings.subscriptions:
            raise GatewayRefused(Rule.SUBSCRIPTIONS_MUST_NOT_EXCEED_LIMIT)
        gate, streams = self._door.gate, self._door.streams
        if wanted.channel == "account":
            account = _id(wanted.account) if wanted.account else 0
            self._principal = gate.still(self._principal)
            gate.authorise(self._principal, "account.stream", account)
            if wanted.resume_from is not None:
                streams.account_log(account).since(wanted.resume_from)  # refused before anything is said
            self._say(said, {"account": str(account), "account_seq": streams.account_log(account).last})
            streams.join_account(account, self, wanted.resume_from)
            self._accounts.add(account)
            return
        gate.authorise(self._principal, "market.stream")
        topic = _topic(wanted)
        streams.check(topic)
        self._say(said, {"channel": topic.channel, "market": wanted.market})
        streams.join(topic, self)
        self._topics.add(topic)

    def _unsubscribe(self, said: Said) -> None:
        wanted = _read(_subscription, said.args)
        if wanted.channel == "account":
            account = _id(wanted.account) if wanted.account else 0
            self._door.streams.leave_account(account, self)
            self._accounts.discard(account)
        else:
            topic = _topic(wanted)
            self._door.streams.leave(topic, self)
            self._topics.discard(topic)
        self._say(said, {"channel": wanted.channel})

    def _say(self, said: Said, result: dict[str, Any]) -> None:
        link = self._door.link
        self.tell(_encode(Reply(ok=True, ts_ns=link.time_ns, seq=link.sequence, result=result, id=said.id)))

    def _refuse(self, said: Said | None, error: NovateError) -> None:
        _, problem = told(error)
        link = self._door.link
        reply = Reply(
            ok=False, ts_ns=link.time_ns, seq=link.sequence, error=problem, id=said.id if said else None
        )
        self.tell(_encode(reply))


class Sockets:
    """All WebSocket connections of a gateway."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open: set[Connection] = set()
        self._looking: asyncio.Task[None] | None = None

    async def listen(self) -> asyncio.AbstractServer:
        """Begins to listen; the caller closes it."""
        settings = self._door.settings
        self._looking = asyncio.ensure_future(self._look())
        return await ws_create_server(
            self._accept,
            settings.host,
            settings.ws_port,
            enable_auto_ping=True,
            max_frame_size=settings.body_bytes,
            websocket_handshake_timeout=5,
        )

    def close(self) -> None:
        """Says goodbye to all."""
        if self._looking is not None:
            self._looking.cancel()
        for connection in list(self._open):
            connection.close(WSCloseCode.GOING_AWAY, "the gateway ends")

    async def _look(self) -> None:
        """Whoever listens to an account is looked at again: keys are revoked and accounts change hands."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for connection in list(self._open):
                connection.look_again()

    def _accept(self, request: WSUpgradeRequest) -> Connection | None:
        if request.path.split(b"?")[0] != PATH.encode() or len(self._open) >= self._door.settings.connections:
            return None
        connection = Connection(self._door, "", self._open.discard)
        self._open.add(connection)
        return connection


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
    name = wanted.market if wanted.channel in {"book", "bbo", "trades"} else wanted.underlying
    depth = wanted.depth if wanted.channel == "book" else 0
    interval = wanted.interval_ms if wanted.channel in {"book", "bbo"} else 0
    return Topic(wanted.channel, name or "", depth, interval)


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**64):
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, "account must be a whole number of 64 bits.", field="account"
        )
    return int(text)


def _json(args: msgspec.Raw | msgspec.UnsetType) -> bytes:
    return b"{}" if isinstance(args, msgspec.UnsetType) else bytes(args)


def _read(decode: Callable[[bytes], Any], args: msgspec.Raw | msgspec.UnsetType) -> Any:
    try:
        return decode(_json(args))
    except UNREADABLE as error:
        raise bad_json(error) from None
