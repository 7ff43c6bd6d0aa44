"""One gateway process: HTTP and WebSocket in one event loop, until SIGTERM or SIGINT.

Responsible for: starting and ending both in order: no new connections, what was taken is answered, listeners are told goodbye.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvloop

from novate.errors import ConfigError
from novate.gateway.admin import AdminDoor
from novate.gateway.door import Door
from novate.gateway.errors import Rule
from novate.gateway.limits import IDLE_S, SEND_BYTES, Guests, TimedHttp, keep_time, problem
from novate.gateway.requests import SHOWN
from novate.gateway.rest import Rest
from novate.gateway.settings import GatewaySettings
from novate.gateway.socket import Sockets
from novate.identity import Identity
from novate.identity.certificates import Issued

_GRACE_S = 5


def serve_gateway(
    home: Path | str, settings: GatewaySettings, *, on_ready: Callable[[str, str], None] | None = None
) -> None:
    """Serves the venue of `home` to the world until a signal ends it; `on_ready` gets the addresses of HTTP and WebSocket.

    For the main thread of a process of its own. Raises ConfigError where a port can't be had; what `Identity.open` raises.
    """
    logging.getLogger("picows").setLevel(
        logging.ERROR
    )  # what clients do wrong is no line for anybody to read
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
        guests = Guests(settings)
        sockets = Sockets(door, guests)
        listener, ws_listener = _bound(settings, settings.port), _bound(settings, settings.ws_port)
        _allow_files(settings)

        def refusal(rule: Rule) -> bytes:
            return problem(rule, door.link.time_ns, door.link.sequence)

        ws_server = await sockets.listen(ws_listener)
        server = uvicorn.Server(_config(door, settings, guests, refusal))
        serving = asyncio.create_task(_run(server, listener))
        timing = asyncio.create_task(keep_time(server.server_state))
        try:
            await _ready(door, stopping, keeping)
            _settle_memory()
            if on_ready is not None and not stopping.is_set() and not keeping.done():
                ws_port = ws_listener.getsockname()[1]
                on_ready(
                    _url("https" if door.admin else "http", settings.host, listener.getsockname()[1]),
                    _url("wss" if door.admin else "ws", settings.host, ws_port) + "/v1/ws",
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
            timing.cancel()
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping


def _config(
    door: Door, settings: GatewaySettings, guests: Guests, refusal: Callable[[Rule], bytes]
) -> uvicorn.Config:
    protocol = TimedHttp if door.admin is None else _showing(door.admin)
    config = uvicorn.Config(
        Rest(door).app(), log_level="error", access_log=False, lifespan="off", server_header=False,
        http=cast("Any", partial(protocol, guests, refusal)), ws="none", timeout_keep_alive=int(IDLE_S),
        forwarded_allow_ips=list(settings.proxies), timeout_graceful_shutdown=_GRACE_S,
    )  # fmt: skip
    if door.admin is not None:
        config.load()
        config.ssl = door.admin.context
    return config


def _showing(admin: AdminDoor) -> type[TimedHttp]:
    """HTTP in which every request has its connection's certificate in its scope."""

    class Showing(TimedHttp):
        shown: Issued | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.shown = admin.of_connection(transport)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {SHOWN: self.shown}  # type: ignore[dict-item]

    return Showing


def _allow_files(settings: GatewaySettings) -> None:
    """Every connection is a file: as many as both doors take, and room for those that are being turned away."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * settings.connections + 1024
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


async def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    await server._serve([listener])  # noqa: SLF001 - `serve` takes the signals, which are ours


async def _ready(door: Door, stopping: asyncio.Event, keeping: asyncio.Task[None]) -> None:
    """Waits until the venue was reached, or the gateway is to end, or can't go on."""
    reached = asyncio.create_task(door.link.ready())
    ended = asyncio.create_task(stopping.wait())
    await asyncio.wait({reached, ended, keeping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (reached, ended):
        task.cancel()


def _settle_memory() -> None:
    """What is there by now stays: the collector of cycles does not walk it again, and looks rarely, as an order leaves no cycles behind.

    With Python's own thresholds it took a fifth of a gateway's time under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _bound(settings: GatewaySettings, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: what is not read yet is to be seen here, and not to fill the kernel's memory.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    try:
        listener.bind((settings.host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"The gateway can't listen on {settings.host}:{port}: {error.strerror or error}."
        ) from error
    return listener


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
