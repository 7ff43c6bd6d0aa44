"""The transports of feeds: a WebSocket of our own, a vendor's SDK, and ccxt for crypto exchanges.

Responsible for: frames as they came, and saying what an adapter wants to say. A link is one connection: it ends when that does. Never:
connects again (the feed does, after its back-off), or looks inside a frame.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from novate.errors import ConfigError, NovateError
from novate.prices.adapters.ticker import SUBSCRIBED
from novate.prices.observation import Frame

_LARGEST_FRAME: Final = 1 << 22
_WAITING: Final = 10_000
"""Frames of an SDK that may wait to be taken."""


class LinkLost(NovateError):
    """A connection to a feed is over, or never came to be."""

    code = "link_lost"


class LinkRefused(LinkLost):
    """The vendor does not take the key."""

    code = "link_refused"


class Link(Protocol):
    """One connection to a feed at a time."""

    async def open(self) -> None:
        """Connects. Raises LinkLost."""
        ...

    def frames(self) -> AsyncIterator[Frame]:
        """Every frame. Ends or raises LinkLost when the connection is over."""
        ...

    async def say(self, reply: str) -> None:
        """Sends one message of the adapter."""
        ...

    async def close(self) -> None:
        """Hangs up; `frames` then ends."""
        ...


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


class SocketLink:
    """A WebSocket. Pings every 20 s and hangs up where no pong comes within 20 s more."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, *, ping_s: float = 20.0) -> None:
        if not url.startswith(("wss://", "ws://")):
            raise ConfigError(
                f"A feed's address begins with wss://, or ws:// on one's own machine; got {url!r}."
            )
        self._url, self._headers, self._ping_s = url, dict(headers or {}), ping_s
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        """Connects."""
        try:
            self._socket = await connect(
                self._url, additional_headers=self._headers, max_size=_LARGEST_FRAME, open_timeout=10,
                ping_interval=self._ping_s, ping_timeout=self._ping_s, close_timeout=2,
            )  # fmt: skip
        except (OSError, WebSocketException, TimeoutError) as error:
            raise LinkLost(f"There is no way to {self._url}: {_words(error)}.") from error

    async def frames(self) -> AsyncIterator[Frame]:
        """Every frame."""
        if self._socket is None:
            return
        try:
            async for frame in self._socket:
                yield frame
        except (OSError, WebSocketException) as error:
            raise LinkLost(f"The connection to {self._url} is over: {_words(error)}.") from error

    async def say(self, reply: str) -> None:
        """Sends one text frame."""
        if self._socket is not None:
            with suppress(WebSocketException):  # `frames` says that it is over
                await self._socket.send(reply)

    async def close(self) -> None:
        """Hangs up."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()


class _Handed:
    """Frames that somebody else's task puts in, taken out one by one."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(_WAITING)

    async def _put(self, frame: Frame) -> None:
        await self._queue.put(frame)

    async def _work(self) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Starts the work, which connects in its own time."""
        self._queue = asyncio.Queue(_WAITING)
        self._task = asyncio.create_task(self._worked())

    async def _worked(self) -> None:
        try:
            await self._work()
        finally:
            await self._queue.put(None)

    async def frames(self) -> AsyncIterator[Frame]:
        """What the work puts in, until it is over."""
        while (frame := await self._queue.get()) is not None:
            yield frame
        if self._task is None or self._task.cancelled():
            return
        try:
            await self._task
        except LinkLost:
            raise
        except Exception as error:  # whatever an SDK raises ends this connection, not the feed
            raise LinkLost(f"The connection is over: {_words(error)}.") from error

    async def say(self, reply: str) -> None:
        """The SDK has said it."""

    async def close(self) -> None:
        """Ends the work."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


class MassiveLink(_Handed):
    """Massive's own client (`massive`, an extra): it connects, authenticates and subscribes; its raw frames are handed on.

    What it says it says by itself, so the adapter's replies go nowhere. It hands on no status messages before the subscription.
    """

    def __init__(
        self, subscriptions: Sequence[str], *, key: str, host: str = "", secure: bool = True
    ) -> None:
        super().__init__()
        sdk = _sdk("massive", "massive")
        feed = host or sdk.websocket.Feed.RealTime
        self._refused = importlib.import_module("massive.exceptions").AuthError
        self._client: Callable[[], Any] = lambda: sdk.WebSocketClient(
            api_key=key, feed=feed, market="stocks", raw=True, subscriptions=list(subscriptions),
            max_reconnects=0, secure=secure,
        )  # fmt: skip

    async def _work(self) -> None:
        try:
            await self._client().connect(self._put)
        except self._refused as error:
            raise LinkRefused(f"Massive refuses the key: {error}") from error
        except WebSocketException as error:
            raise LinkLost(f"Massive hung up: {error}") from error


class AlpacaLink(_Handed):
    """Alpaca's own client (`alpaca-py`, an extra), in a thread of its own: it connects, authenticates and subscribes.

    The client hands on decoded messages only, so its socket is tapped for the frames themselves. It would connect again by itself; this
    ends it instead when its connection does, so that one back-off holds for every feed. Ending takes it up to 5 s.
    """

    def __init__(
        self, symbols: Sequence[str], *, key: str, secret: str, channel: str = "quotes", feed: str = "iex",
        url: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        live = _sdk("alpaca.data.live", "alpaca-py")
        enums = _sdk("alpaca.data.enums", "alpaca-py")
        self._legacy = importlib.import_module("websockets.legacy.client")  # what that client is built on
        self._symbols, self._channel = tuple(symbols), channel
        self._stream: Callable[[type], Any] = lambda tap: live.StockDataStream(
            key, secret, raw_data=True, feed=enums.DataFeed(feed), url_override=url,
            websocket_params={"create_protocol": tap, "ping_interval": 20, "ping_timeout": 20, "max_queue": 1024},
        )  # fmt: skip

    async def _work(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        queue = self._queue

        def hand(frame: Frame) -> None:
            if queue.qsize() < _WAITING - 1:  # who is so far behind has lost its place anyway
                queue.put_nowait(frame)

        class Tap(self._legacy.WebSocketClientProtocol):  # type: ignore[name-defined,misc]  # a class found at run time
            async def recv(self) -> Any:
                frame = await super().recv()
                loop.call_soon_threadsafe(hand, frame)
                return frame

            def connection_lost(self, error: Exception | None) -> None:
                super().connection_lost(error)
                loop.call_soon_threadsafe(over.set)

        stream = self._stream(Tap)
        subscribe = stream.subscribe_quotes if self._channel == "quotes" else stream.subscribe_trades
        subscribe(_nothing, *self._symbols)
        thread = threading.Thread(target=stream.run, name="alpaca", daemon=True)
        thread.start()
        try:
            await over.wait()
        finally:
            with suppress(Exception):  # a client that has ended refuses to be ended
                stream._should_run = False  # noqa: SLF001 - its `stop` waits for a loop that may be over
                await asyncio.to_thread(stream.stop)
        raise LinkLost("Alpaca hung up, or was not there.")


async def _nothing(_message: object) -> None:
    """The frame was handed on already."""


class CcxtLink(_Handed):
    """A crypto exchange through ccxt's streaming client: each ticker (`quotes`) or trade (`trades`) of a symbol as one JSON frame.

    Numbers are kept as the text the exchange sent, where it sent text; its own message stands in the frame as `info`, so the frame's
    hash covers it. `options` are ccxt's own (hosts, proxies, which stream a ticker is taken from); `exchange` a name of ccxt.
    """

    def __init__(
        self,
        exchange: str,
        symbols: Sequence[str],
        options: Mapping[str, Any] | None = None,
        *,
        channel: str = "quotes",
    ) -> None:
        super().__init__()
        streaming = _sdk("ccxt.pro", "ccxt")
        maker = getattr(streaming, exchange, None)
        if maker is None or exchange not in streaming.exchanges:
            raise ConfigError(f"ccxt streams no exchange called {exchange!r}.", exchange=exchange)
        self._maker, self._options, self._symbols = maker, dict(options or {}), tuple(symbols)
        self._watch = self._tickers if channel == "quotes" else self._trades
        self._refused = _sdk("ccxt", "ccxt").AuthenticationError

    async def _work(self) -> None:
        exchange = self._maker({"newUpdates": True, **self._options})
        exchange.number = str
        try:
            if not exchange.markets:
                await exchange.load_markets()
            await self._put(SUBSCRIBED)
            async with asyncio.TaskGroup() as watching:
                for symbol in self._symbols:
                    watching.create_task(self._watch(exchange, symbol))
        except* self._refused as group:
            raise LinkRefused(f"The exchange refuses: {_words(group.exceptions[0])}") from group
        except* Exception as group:
            raise LinkLost(f"The exchange is lost: {_words(group.exceptions[0])}") from group
        finally:
            await exchange.close()

    async def _tickers(self, exchange: Any, symbol: str) -> None:
        wanted = ("symbol", "timestamp", "bid", "bidVolume", "ask", "askVolume", "last", "info")
        while True:
            ticker = await exchange.watch_ticker(symbol)
            await self._put(msgspec.json.encode({name: ticker.get(name) for name in wanted}).decode())

    async def _trades(self, exchange: Any, symbol: str) -> None:
        while True:
            for trade in await exchange.watch_trades(symbol):
                said = {"symbol": symbol, "timestamp": trade.get("timestamp"), "last": trade.get("price"),
                        "lastVolume": trade.get("amount"), "info": trade.get("info")}  # fmt: skip
                await self._put(msgspec.json.encode(said).decode())


def _sdk(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"This feed needs the package {extra!r}: pip install {extra}.", package=extra
        ) from error
