"""Trade updates through the vendor's stream client, with frames as they came and a catch-up before the line counts as up.

What the vendor's client does: connects, authenticates, subscribes, connects again with growing waits. What is added: the subscription's
confirmation is waited for, then everything missed is told, then frames; whoever can't keep a report ends the connection, so that the next
one tells it again; the frames of the handshake, which hold the key, are never logged.

Responsible for: one connection at a time. Never: reads what a frame means.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final, Protocol

from alpaca.trading.stream import TradingStream
from websockets.exceptions import WebSocketException

from novate.broker.alpaca.exact import read_json
from novate.broker.alpaca.settings import AlpacaSettings, Key
from novate.errors import DataError

UPDATES: Final = "trade_updates"
TICK_S: Final = 0.05
"""How long a quiet stream is listened to before other work gets its turn."""
_LONGEST_WAIT_S: Final = 30.0
_MOST_FRAMES: Final = 1024


class Ears(Protocol):
    """Who hears a stream; all from the stream's own thread."""

    def connected(self) -> None:
        """The subscription stands: tell what was missed, and that the line is up."""

    def frame(self, frame: bytes) -> None:
        """A message of the subscription."""

    def tick(self) -> None:
        """Time for other work."""

    def cut(self, reason: str) -> None:
        """There is no connection, or there was none to be had."""


class NotKept(WebSocketException):
    """A frame was not taken: the connection ends and the next one begins behind what was."""


class TradeUpdates(TradingStream):
    """The stream of one account."""

    _ws: Any  # the vendor's client has no types for these
    _loop: Any

    def __init__(self, settings: AlpacaSettings, key: Key, ears: Ears) -> None:
        super().__init__(
            key.id,
            key.secret,
            raw_data=True,
            url_override=settings.stream(),
            websocket_params={
                "ping_interval": 10,
                "ping_timeout": 30,
                "max_queue": _MOST_FRAMES,
                "open_timeout": settings.patience_s,
                "logger": _quiet(),
            },
        )
        self._reconnect_min_backoff = settings.first_wait_s
        self._reconnect_max_backoff = _LONGEST_WAIT_S
        self._patience = settings.patience_s
        self._ears = ears
        self._why = "the connection ended"
        self._main: asyncio.Task[Any] | None = None
        self._ended = False
        self.subscribe_trade_updates(_unheard)

    def run(self) -> None:
        """Runs until `finish`."""
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._run_forever())

    def finish(self) -> None:
        """Ends `run` from another thread."""
        self._ended = True
        loop, main = self._loop, self._main
        if loop is not None and main is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(main.cancel)

    async def _run_forever(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        if self._ended:
            return
        try:
            await super()._run_forever()  # type: ignore[no-untyped-call]
        finally:
            if self._ws is not None:
                await self._ws.close()

    def _end_if_asked(self) -> None:
        """Some waits of the libraries below take a cancellation and don't say so."""
        if self._ended:
            raise asyncio.CancelledError

    async def _wait_before_reconnect(self, retries: int) -> None:
        self._end_if_asked()
        await super()._wait_before_reconnect(retries)

    async def _start_ws(self) -> None:
        self._end_if_asked()
        try:
            await super()._start_ws()  # type: ignore[no-untyped-call]
            early = await self._subscribed()
            self._ears.connected()
            for frame in early:
                self._ears.frame(frame)
        except Exception as error:
            self._why = _said(error)
            raise

    async def _subscribed(self) -> list[bytes]:
        """Waits until the subscription is confirmed; what came before it."""
        early: list[bytes] = []
        while True:
            frame = await self._next(self._patience)
            message = read_json(frame)
            if _stream_of(message) != "listening":
                early.append(frame)
            elif UPDATES in message["data"]["streams"]:
                return early
            else:
                raise DataError(f"Alpaca does not offer {UPDATES} to this key")

    async def _consume(self) -> None:
        while True:
            self._end_if_asked()
            try:
                frame = await self._next(TICK_S)
            except TimeoutError:
                frame = b""
            except Exception as error:
                self._why = _said(error)
                raise
            self._hear(frame)

    def _hear(self, frame: bytes) -> None:
        try:
            if frame and _stream_of(read_json(frame)) == UPDATES:
                self._data_received = True
                self._ears.frame(frame)
            self._ears.tick()
        except Exception as error:
            self._why = _said(error)
            raise NotKept(self._why) from error

    async def _next(self, patience: float) -> bytes:
        if self._ws is None:
            raise NotKept("there is no connection")
        frame = await asyncio.wait_for(self._ws.recv(), patience)
        return frame if isinstance(frame, bytes) else str(frame).encode()

    async def close(self) -> None:
        """Closes the connection; the vendor's client calls this after every ending."""
        self._ears.cut(self._why)
        self._why = "the connection ended"
        with contextlib.suppress(WebSocketException, OSError):
            await super().close()


async def _unheard(_: object) -> None:
    """The vendor's client wants a handler before it connects; frames are taken before they get there."""


def _stream_of(message: Any) -> object:
    return message.get("stream") if isinstance(message, dict) else None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _quiet() -> logging.Logger:
    """A logger that never writes frames, whatever the others are set to."""
    logger = logging.getLogger("novate.broker.alpaca.socket")
    logger.setLevel(logging.WARNING)
    return logger
