"""A gateway measured from outside: orders through WebSocket and REST to their acknowledgement. One line of JSON.

    gateway_side.py ws   [--connections 64] [--window 8] [--seconds 5]
    gateway_side.py one  [--orders 2000]            one in flight, WebSocket
    gateway_side.py rest [--connections 64] [--seconds 5]

A venue (core, reader, one gateway) is started in a temporary home; beside it, in the same run, the bare server doing nothing: a picows echo of
messages of the same size, and an ASGI application on uvicorn that answers 200 with a body of the same size. The client is a process of its own and the
same for both. Orders are immediate-or-cancel at a price that nothing meets: full check, margin, journal, sync, two events, reply.

Responsible for: the measurement. Every reply is looked at: an order that was not taken is an error of the run. `cpu_us` is the processor time of the
gateway an order: unlike rates it hardly depends on what else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

ACCOUNTS = 64
"""Each sends no faster than the venue lists."""
ORDER = {"market": "NVDA-PERP", "side": "bid", "price": "170", "quantity": "0.01", "time_in_force": "ioc"}
ECHO = """
import asyncio, sys, uvloop
from picows import WSListener, WSMsgType, ws_create_server
class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, frame.get_payload_as_bytes())
async def main():
    server = await ws_create_server(lambda request: Echo(), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
uvloop.run(main())
"""
BARE = """
import sys, uvicorn
BODY = b"x" * 700
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"700")]})
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
"""


def free_port(many: int = 2) -> int:
    """A port such that so many from it on are free now."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for further in range(1, many):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + further))
            except (OSError, OverflowError):
                continue
            return int(port)


def cpu_s(port: int) -> float:
    """Processor time of the server at a port: unlike rates and times it hardly depends on what else runs."""
    for directory in Path("/proc").iterdir():
        with suppress(OSError):
            words = directory.joinpath("cmdline").read_bytes().split(b"\0")
            if str(port).encode() in words and (b"gateway" in words or b"-c" in words):
                fields = directory.joinpath("stat").read_text().rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    raise SystemExit(f"no server of port {port}")


def wait_for(port: int) -> None:
    """Until somebody listens."""
    for _ in range(2400):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def post(port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """One operation by REST."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1{path}", json.dumps(body).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
    if not found["ok"]:
        raise SystemExit(f"{path}: {found}")
    return found


@contextmanager
def venue(gateways: int = 1) -> Iterator[int]:
    """A venue whose gateway serves on the yielded port, further ones on the next but one, with funded accounts and a price."""
    home, port = Path(tempfile.mkdtemp(prefix="novate-bench-")), free_port(2 * gateways)
    listing = files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8")
    (home / "listing.toml").write_text(
        listing.replace('outage = "5 s"', 'outage = "600 s"'), encoding="utf-8"
    )
    # One market's prices are posted once: no keeper, no read models, nothing else on the processors.
    command = (sys.executable, "-m", "novate.cli", "up", str(home / "v"), "--dev", "--port", str(port))
    command += ("--listing", str(home / "listing.toml"))
    process = subprocess.Popen(
        (*command, "--gateways", str(gateways), "--without", "projector", "--without", "keeper"),
        stderr=subprocess.DEVNULL,
    )
    try:
        for number in range(2 * gateways):
            wait_for(port + number)
        for _ in range(200):
            try:
                post(port, "/accounts/1/operations/open_account", {"owner": "1"})
                break
            except OSError:
                time.sleep(0.1)
        for account in range(1, ACCOUNTS + 1):
            path = f"/accounts/{account}/operations"
            if account > 1:
                post(port, f"{path}/open_account", {"owner": str(account)})
            post(port, f"{path}/deposit", {"asset": "USDC", "amount": "1000000", "reference": "1"})
        for source in ("1", "2"):
            for underlying, price, kind in (("NVDA", "180", "quote"), ("USDC", "1", "issuer")):
                wish = {
                    "underlying": underlying,
                    "source": source,
                    "price": price,
                    "price_kind": kind,
                    "size": "1000000",
                }
                post(port, "/operations/post_price", wish | {"venue_time_ns": time.time_ns() - 10**8})
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def bare(program: str) -> Iterator[int]:
    """The bare server on the yielded port."""
    port = free_port()
    process = subprocess.Popen((sys.executable, "-c", program, str(port)))
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


class Trader(WSListener):
    """One connection with so many messages in flight."""

    def __init__(self, account: int, window: int, until: float, checked: bool) -> None:
        super().__init__()
        self.window, self.until, self.checked = window, until, checked
        self.replies, self.times = 0, list[float]()
        self.sent_at = 0.0
        self.done = asyncio.Event()
        self.message = json.dumps(
            {"op": "place_order", "id": 1, "account": str(account), "args": ORDER}, separators=(",", ":")
        ).encode()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Fills the window."""
        for _ in range(self.window):
            self._say(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Counts a reply and sends the next."""
        if frame.msg_type != WSMsgType.TEXT:
            return
        if self.checked and not frame.get_payload_as_bytes().startswith(b'{"ok":true'):
            raise SystemExit(frame.get_payload_as_ascii_text())
        now = time.perf_counter()
        if self.window == 1:
            self.times.append(now - self.sent_at)
        self.replies += 1
        if now < self.until:
            self._say(transport)
        else:
            self.done.set()

    def _say(self, transport: WSTransport) -> None:
        self.sent_at = time.perf_counter()
        transport.send(WSMsgType.TEXT, self.message)


async def trade(
    port: int, path: str, connections: int, window: int, seconds: float, *, checked: bool
) -> list[Trader]:
    """All connections at once, for so long."""
    until = time.perf_counter() + seconds
    traders = []
    for number in range(connections):
        account = number % ACCOUNTS + 1
        _, trader = await ws_connect(
            partial(Trader, account, window, until, checked), f"ws://127.0.0.1:{port}{path}"
        )
        traders.append(trader)
    await asyncio.gather(*(trader.done.wait() for trader in traders))
    return traders


def through_ws(connections: int, window: int, seconds: float) -> dict[str, Any]:
    """Rate through a gateway and through the echo."""
    with venue() as port:
        used = cpu_s(port)
        mine = uvloop.run(trade(port + 1, "/v1/ws", connections, window, seconds, checked=True))
        used = cpu_s(port) - used
    with bare(ECHO) as port:
        echo = uvloop.run(trade(port, "/", connections, window, seconds, checked=False))
    rate, limit = (sum(trader.replies for trader in traders) / seconds for traders in (mine, echo))
    cpu_us = used * 1e6 / sum(trader.replies for trader in mine)
    return {"orders_s": rate, "echo_s": limit, "ratio": rate / limit, "cpu_us": cpu_us}


def one_in_flight(seconds: float) -> dict[str, Any]:
    """Time of a single order, and of a single echo."""
    with venue() as port:
        (mine,) = uvloop.run(trade(port + 1, "/v1/ws", 1, 1, seconds, checked=True))
    with bare(ECHO) as port:
        (echo,) = uvloop.run(trade(port, "/", 1, 1, seconds, checked=False))
    mine_us, echo_us = (statistics.median(trader.times) * 1e6 for trader in (mine, echo))
    return {"p50_us": mine_us, "echo_p50_us": echo_us, "ratio": mine_us / echo_us}


class Poster(asyncio.Protocol):
    """One HTTP connection that sends the next request when the last was answered."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request, self.until, self.replies = request, until, 0
        self.done = asyncio.Event()
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first."""
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Counts whole answers."""
        self.rest += data
        head, found, body = self.rest.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 20"):
            raise SystemExit(self.rest.decode())
        self.rest = b""
        self.replies += 1
        if time.perf_counter() < self.until:
            self.transport.write(self.request)  # type: ignore[attr-defined]
        else:
            self.done.set()


async def posting(port: int, path: str, connections: int, seconds: float) -> int:
    """All connections at once, for so long; how many were answered."""
    body = json.dumps(ORDER).encode()
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    posters = []
    for number in range(connections):
        own = path.format(number % ACCOUNTS + 1).encode()
        request = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (own, len(body), body)
        posters.append((await loop.create_connection(partial(Poster, request, until), "127.0.0.1", port))[1])
    await asyncio.gather(*(poster.done.wait() for poster in posters))
    return sum(poster.replies for poster in posters)


def through_rest(connections: int, seconds: float) -> dict[str, Any]:
    """Rate through REST and through the bare server."""
    with venue() as port:
        used = cpu_s(port)
        mine = uvloop.run(posting(port, "/v1/accounts/{}/orders", connections, seconds))
        used = cpu_s(port) - used
    with bare(BARE) as port:
        limit = uvloop.run(posting(port, "/", connections, seconds))
    rates = {"orders_s": mine / seconds, "bare_s": limit / seconds, "ratio": mine / limit}
    return rates | {"cpu_us": used * 1e6 / mine}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("ws", "one", "rest"))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    if given.what == "ws":
        found = through_ws(given.connections, given.window, given.seconds)
    elif given.what == "one":
        found = one_in_flight(given.seconds)
    else:
        found = through_rest(given.connections, given.seconds)
    sys.stdout.write(json.dumps(found | {"load": os.getloadavg()[0]}) + "\n")


if __name__ == "__main__":
    main()
