"""One gateway process: HTTP and WebSocket in one event loop, until SIGTERM or SIGINT.

Responsible for: starting and ending both in order: no new connections, what was taken is answered, listeners are told goodbye.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from novate.errors import ConfigError
from novate.gateway.door import Door
from novate.gateway.rest import Rest
from novate.gateway.settings import GatewaySettings
from novate.gateway.socket import Sockets
from novate.identity import Identity

_GRACE_S = 5


def serve_gateway(
    home: Path | str, settings: GatewaySettings, *, on_ready: Callable[[str, str], None] | None = None
) -> None:
    """Serves the venue of `home` to the world until a signal ends it; `on_ready` gets the addresses of HTTP and WebSocket.

    For the main thread of a process of its own. Raises ConfigError where a port can't be had; what `Identity.open` raises.
    """
    uvloop.run(_serve(Path(home), settings, on_ready))


async def _serve(home: Path, settings: GatewaySettings, on_ready: Callable[[str, str], None] | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    with Identity.open(
        home, time.time_ns(), venue=settings.venue, chain_id=settings.chain_id, dev=settings.dev
    ) as identity:
        door = Door(home, identity, settings)
        keeping = asyncio.create_task(door.run())
        sockets = Sockets(door)
        listener = _bound(settings)
        try:
            ws_server: Any = await sockets.listen()
        except OSError as error:
            raise ConfigError(
                f"The gateway can't listen on {settings.host}:{settings.ws_port}: {error.strerror or error}."
            ) from error
        server = uvicorn.Server(
            uvicorn.Config(
                Rest(door).app(), log_level="warning", access_log=False, lifespan="off", server_header=False,
                timeout_keep_alive=75, limit_concurrency=settings.connections, timeout_graceful_shutdown=_GRACE_S,
            )
        )  # fmt: skip
        serving = asyncio.create_task(_run(server, listener))
        try:
            await _ready(door, stopping, keeping)
            if on_ready is not None and not stopping.is_set() and not keeping.done():
                ws_port = ws_server.sockets[0].getsockname()[1]
                on_ready(
                    _url("http", settings.host, listener.getsockname()[1]),
                    _url("ws", settings.host, ws_port) + "/v1/ws",
                )
            waiting = asyncio.create_task(stopping.wait())
            await asyncio.wait({waiting, keeping, serving}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            for task in (keeping, serving):
                if task.done() and not task.cancelled() and task.exception() is not None:
                    task.result()
        finally:
            ws_server.close()
            sockets.close()
            server.should_exit = True
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(serving, _GRACE_S + 1)
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping


async def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    await server._serve([listener])  # noqa: SLF001 - `serve` takes the signals, which are ours


async def _ready(door: Door, stopping: asyncio.Event, keeping: asyncio.Task[None]) -> None:
    """Waits until the venue was reached, or the gateway is to end, or can't go on."""
    reached = asyncio.create_task(door.link.ready())
    ended = asyncio.create_task(stopping.wait())
    await asyncio.wait({reached, ended, keeping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (reached, ended):
        task.cancel()


def _bound(settings: GatewaySettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"The gateway can't listen on {settings.host}:{settings.port}: {error.strerror or error}."
        ) from error
    return listener


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
