"""What a connection may take of a gateway before it is cut off: places, time and bytes.

Responsible for: how many connections an address has over both doors; HTTP whose requests come whole in time and whose answers are read in time.
Never: knows what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from novate.gateway.actions import Reply
from novate.gateway.errors import GatewayRefused, Rule, told
from novate.gateway.settings import GatewaySettings
from novate.identity.budgets import network

LOOK_S: Final = 1.0
"""Between two looks at all connections: no time below is kept more exactly."""
HEAD_S: Final = 10.0
"""For a request's head, from its first byte; for the first one from the connection on."""
BODY_S: Final = 20.0
"""For a request's body, which is small."""
IDLE_S: Final = 75.0
"""Between two requests of a connection."""
UNREAD_S: Final = 20.0
"""How long something told may lie unread without a moment in between at which all was read."""
HEAD_BYTES: Final = 1 << 16
SEND_BYTES: Final = 1 << 17
"""Of what is told, how much the kernel keeps for one connection; Linux keeps twice that."""
UNPAID_PER_S: Final = 100
"""Messages of a WebSocket that no budget pays for: logins, subscriptions, pings, what is refused. More is heard later."""
UNPAID_BURST: Final = 256
LOGIN_WEIGHS: Final = 10
_OF_AN_ADDRESS: Final = 4
"""What all connections of an address that did not log in may say, in times of what one may."""
_KEPT: Final = 10_000
Refusal = Callable[[Rule], bytes]


class Patience:
    """How much more will be heard at once: wears off by what is said and comes back with time, seconds of the event loop."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst, self._left, self._at = per_s, burst, burst, 0.0

    def wear(self, now: float, weight: int) -> None:
        """Something was said."""
        self._left = self.left(now) - weight
        self._at = now

    def left(self, now: float) -> float:
        """Below 0 nothing is to be heard."""
        return min(self._left + (now - self._at) * self._per_s, self._burst)

    def full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        return self.left(now) >= self._burst


class Guests:
    """Who is connected, by address. An address that speaks for others, a proxy's, is not counted."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._most, self._most_of_one = settings.connections, settings.connections_per_address
        self._proxies = frozenset(settings.proxies)
        self._here: Counter[str] = Counter()
        self._patience: dict[str, Patience] = {}

    def enter(self, address: str, door: int) -> bool:
        """Counts a connection of an address, where `door` has so many already; False when there is no place."""
        if door >= self._most:
            return False
        whose = network(address)
        if address not in self._proxies and self._here[whose] >= self._most_of_one:
            return False
        self._here[whose] += 1
        return True

    def leave(self, address: str) -> None:
        """Ends what `enter` counted."""
        whose = network(address)
        self._here[whose] -= 1
        if self._here[whose] <= 0:
            del self._here[whose]

    def patience(self, address: str, now: float) -> Patience:
        """With all who did not log in from an address; it outlives connections, so that a new one is no new beginning."""
        whose = network(address)
        found = self._patience.get(whose)
        if found is None:
            if len(self._patience) >= _KEPT:
                kept = {name: one for name, one in self._patience.items() if not one.full(now)}
                self._patience = kept if len(kept) < _KEPT else {}
            times = self._most if address in self._proxies else _OF_AN_ADDRESS
            found = self._patience[whose] = Patience(UNPAID_PER_S * times, UNPAID_BURST * times)
        return found

    def speaks_for(self, peer: str, forwarded: str) -> str:
        """The address that a connection is of: what a proxy says in X-Forwarded-For, the nearest one that is none itself."""
        address = peer
        for said in reversed([one.strip() for one in forwarded.split(",") if one.strip()]):
            if address not in self._proxies:
                break
            address = said[:64]
        return address


def problem(rule: Rule, ts_ns: int, seq: int) -> bytes:
    """A refusal in the envelope, for a connection that comes to no handler."""
    _, said = told(GatewayRefused(rule))
    return msgspec.json.encode(Reply(ok=False, ts_ns=ts_ns, seq=seq, error=said))


def drop(transport: asyncio.Transport) -> None:
    """Ends a connection with what was told and not read: the kernel does not go on to deliver it."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class TimedHttp(HttpToolsProtocol):
    """One HTTP connection. `look` cuts it off when a request or the reading of an answer takes too long.

    uvicorn waits for a request's head and body without end, and keeps as much head as comes.
    """

    def __init__(
        self, guests: Guests, refusal: Refusal, config: Any, server_state: ServerState, **more: Any
    ) -> None:
        super().__init__(config, server_state, **more)
        self._guests, self._refusal = guests, refusal
        self._allowed: float | None = HEAD_S
        self._since = self.loop.time()
        self._head = 0
        self._unread_since = self._since
        self._entered = ""

    # --- what the transport calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if not self._guests.enter(address, len(self.connections) - 1):
            self._cut_off(Rule.CONNECTIONS_MUST_NOT_EXCEED_LIMIT)
            return
        self._entered = address

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        if self._entered:
            self._guests.leave(self._entered)
            self._entered = ""

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._allowed == HEAD_S:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._cut_off(Rule.HEAD_MUST_NOT_BE_LARGER)

    # --- what the parser calls ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._head = 0
        self._wait(HEAD_S)

    def on_headers_complete(self) -> None:
        """A request's head."""
        super().on_headers_complete()
        self._wait(BODY_S)

    def on_message_complete(self) -> None:
        """A whole request: the gateway's own time does not count."""
        super().on_message_complete()
        self._wait(IDLE_S if self.cycle.response_complete else None)

    def on_response_complete(self) -> None:
        """An answer was written."""
        super().on_response_complete()
        if self._allowed is None:
            self._wait(IDLE_S)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        del msg
        self._cut_off(Rule.REQUEST_MUST_BE_HTTP)

    # --- time -----------------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Cuts the connection off when its time is over."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = now
        elif now - self._unread_since > UNREAD_S:
            drop(self.transport)
            return
        if (
            self._allowed is not None
            and now - self._since > self._allowed
            and not self.transport.is_closing()
        ):
            self._cut_off(None if self._allowed == IDLE_S else Rule.REQUEST_MUST_COME_IN_TIME)

    def _wait(self, allowed: float | None) -> None:
        self._allowed, self._since = allowed, self.loop.time()

    def _cut_off(self, rule: Rule | None) -> None:
        answering: RequestResponseCycle | None = self.cycle  # None before the first request
        between = answering is None or answering.response_complete or not answering.response_started
        if rule is not None and between:
            body = self._refusal(rule)
            self.transport.write(
                STATUS_LINE[rule.status]
                + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
                % (len(body), body)
            )
        self.transport.close()


async def keep_time(state: ServerState) -> None:
    """Looks at every HTTP connection again and again, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_S)
        now = loop.time()
        for connection in list(state.connections):
            if isinstance(connection, TimedHttp):
                connection.look(now)
