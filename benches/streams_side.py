"""What a gateway tells, measured from outside: to a thousand listeners, and to one about himself. One line of JSON.

    streams_side.py fan      [--subscribers 1000] [--seconds 5] [--rate 20]     book and trades of one market
    streams_side.py private  [--seconds 5]      from an order's sending to its own fill on another connection
    streams_side.py gateways [--seconds 5]      orders through 1, 2 and 4 gateway processes

Beside each, in the same run, the bare thing: a picows server that sends messages of the same size to as many connections and does nothing else;
one that hands a message on to another connection. The client is a process of its own and the same for both. Times of `fan` run from the journal's stamp
(of the bare server: from its sending) to the arrival at one of twenty connections; so those of a venue have the sync in them.

Responsible for: the measurement. Every connection must have heard as much as every other, and all that was told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import time
from functools import partial
from typing import Any

import uvloop
from gateway_side import ACCOUNTS, Trader, bare, cpu_s, post, venue
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

MARKET = "NVDA-PERP"
SAMPLED = 20
BROADCAST = """
import asyncio, json, sys, time, uvloop
from picows import WSListener, WSMsgType, ws_create_server
HERE = []
class Sender(WSListener):
    def on_ws_connected(self, transport):
        HERE.append(transport)
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            asked = json.loads(frame.get_payload_as_bytes())
            HERE.remove(transport)
            asyncio.ensure_future(send(**asked))
async def send(seconds, rate, size):
    end, told = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        head = b'{"ts_ns":%d,"pad":"' % time.time_ns()
        message = head + b"x" * (size - len(head) - 2) + b'"}'
        for one in HERE:
            one.send(WSMsgType.TEXT, message)
        told += 1
        while max(one.underlying_transport.get_write_buffer_size() for one in HERE[::50]) > 65536:
            await asyncio.sleep(0)
        await asyncio.sleep(1 / rate if rate else 0)
async def main():
    server = await ws_create_server(lambda request: Sender(), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
uvloop.run(main())
"""
RELAY = """
import asyncio, sys, uvloop
from picows import WSListener, WSMsgType, ws_create_server
HERE = []
class Relay(WSListener):
    def on_ws_connected(self, transport):
        HERE.append(transport)
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            for one in HERE:
                if one is not transport:
                    one.send(WSMsgType.TEXT, frame.get_payload_as_bytes())
async def main():
    server = await ws_create_server(lambda request: Relay(), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
uvloop.run(main())
"""


class Ear(WSListener):
    """Counts what it hears; a sampled one keeps how old each message was."""

    def __init__(self, said: list[bytes], ages: list[float] | None) -> None:
        super().__init__()
        self.said, self.ages, self.heard, self.size = said, ages, 0, 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribes."""
        for message in self.said:
            transport.send(WSMsgType.TEXT, message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One message."""
        del transport
        if frame.msg_type != WSMsgType.TEXT:
            return
        self.heard += 1
        if self.ages is not None:
            now = time.time_ns()
            told = frame.get_payload_as_bytes()
            self.size += len(told)
            place = told.rfind(b'"ts_ns":') + 8
            if place > 7:  # what comes first may be an empty list of trades
                self.ages.append((now - int(told[place : place + 19])) / 1e3)


class Maker(WSListener):
    """Bids and sells in turn at one price, so that each second order trades; the next when the last was answered, at most at a rate."""

    def __init__(self, until: float, rate: float) -> None:
        super().__init__()
        self.until, self.rate, self.orders = until, rate, 0
        self.done = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The first."""
        self.began = time.perf_counter()
        self._say(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A reply."""
        if frame.msg_type != WSMsgType.TEXT:
            return
        if not frame.get_payload_as_bytes().startswith(b'{"ok":true'):
            raise SystemExit(frame.get_payload_as_ascii_text())
        self.orders += 1
        if time.perf_counter() >= self.until:
            self.done.set()
            return
        wait = self.began + self.orders / self.rate - time.perf_counter() if self.rate else 0.0
        asyncio.get_running_loop().call_later(max(wait, 0), self._say, transport)

    def _say(self, transport: WSTransport) -> None:
        side = "ask" if self.orders % 2 else "bid"
        args = {"market": MARKET, "side": side, "price": "179.99", "quantity": "0.01"}
        said = {"op": "place_order", "id": 1, "account": str(1 + self.orders % 2), "args": args}
        transport.send(WSMsgType.TEXT, json.dumps(said).encode())


def at(times: list[float], share: float) -> float:
    """A quantile."""
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def subscriptions(channels: tuple[str, ...]) -> list[bytes]:
    """What subscribes to them."""
    return [
        json.dumps({"op": "subscribe", "id": n, "args": {"channel": name, "market": MARKET}}).encode()
        for n, name in enumerate(channels)
    ]


async def ears(url: str, many: int, said: list[bytes]) -> list[Ear]:
    """Listeners that have heard all that comes first."""
    found: list[Ear] = []
    for number in range(many):
        ages: list[float] | None = [] if number % max(many // SAMPLED, 1) == 0 else None
        _, ear = await ws_connect(partial(Ear, said, ages), url)
        found.append(ear)
    await settled(found)
    for ear in found:
        ear.heard = ear.size = 0
        if ear.ages is not None:
            ear.ages.clear()
    return found


async def settled(found: list[Ear]) -> None:
    """Until nothing more is heard."""
    before = -1
    while (now := sum(ear.heard for ear in found)) != before:
        before = now
        await asyncio.sleep(0.5)


def told(found: list[Ear], seconds: float, cpu: float) -> dict[str, float]:
    """Rate and ages; fails where connections heard unequally."""
    heard = {ear.heard for ear in found}
    if len(heard) != 1 or not heard.pop():
        raise SystemExit(f"listeners heard {sorted({ear.heard for ear in found})[:9]} messages")
    ages = [age for ear in found for age in ear.ages or ()]
    return {
        "deliveries_s": sum(ear.heard for ear in found) / seconds,
        "cpu_us": cpu * 1e6 / sum(ear.heard for ear in found),
        "p50_us": at(ages, 0.5),
        "p99_us": at(ages, 0.99),
        "bytes": sum(ear.size for ear in found) / len(ages),
    }


async def fan_of_venue(port: int, many: int, seconds: float, rate: float) -> dict[str, float]:
    """A gateway's listeners while two accounts trade."""
    url = f"ws://127.0.0.1:{port + 1}/v1/ws"
    found = await ears(url, many, subscriptions(("book", "trades")))
    began, used = time.perf_counter(), cpu_s(port)
    _, maker = await ws_connect(partial(Maker, began + seconds, rate), url)
    await maker.done.wait()
    await settled(found)
    return told(found, seconds, cpu_s(port) - used) | {"orders_s": maker.orders / seconds}


async def fan_of_bare(port: int, many: int, seconds: float, rate: float, size: int) -> dict[str, float]:
    """The bare broadcaster's listeners."""
    found = await ears(f"ws://127.0.0.1:{port}/", many, [])
    used = cpu_s(port)
    asked = json.dumps({"seconds": seconds, "rate": rate, "size": size}).encode()
    await ws_connect(partial(Ear, [asked], None), f"ws://127.0.0.1:{port}/")
    await asyncio.sleep(seconds)
    await settled(found)
    return told(found, seconds, cpu_s(port) - used)


def fan(many: int, seconds: float, rate: float) -> dict[str, Any]:
    """As fast as it goes, and at a rate; the bare one sends as many messages a second then."""
    with venue() as port:
        full = uvloop.run(fan_of_venue(port, many, seconds, 0))
        paced = uvloop.run(fan_of_venue(port, many, seconds, rate))
    with bare(BROADCAST) as port:
        bare_full = uvloop.run(fan_of_bare(port, many, seconds, 0, int(full["bytes"])))
    with bare(BROADCAST) as port:
        each = paced["deliveries_s"] / many
        bare_paced = uvloop.run(fan_of_bare(port, many, seconds, each, int(paced["bytes"])))
    return {
        "subscribers": many, "full": full, "bare_full": bare_full, "ratio": full["deliveries_s"] / bare_full["deliveries_s"],
        "paced": paced, "bare_paced": bare_paced,
    }  # fmt: skip


class Own(WSListener):
    """Hears an account's events, or what is handed on, and keeps when."""

    def __init__(self, said: bytes | None, wanted: bytes) -> None:
        super().__init__()
        self.said, self.wanted = said, wanted
        self.heard = asyncio.Event()
        self.subscribed = asyncio.Event()
        self.at = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribes."""
        if self.said:
            transport.send(WSMsgType.TEXT, self.said)
        else:
            self.subscribed.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One message."""
        del transport
        if frame.msg_type == WSMsgType.TEXT:
            told = frame.get_payload_as_bytes()
            if told.startswith(b'{"ok":true'):
                self.subscribed.set()
            elif self.wanted in told:
                self.at = time.perf_counter()
                self.heard.set()


async def own(url: str, said: bytes | None, order: bytes, wanted: bytes, seconds: float) -> list[float]:
    """Microseconds from sending on one connection to hearing on another, one at a time."""
    _, ear = await ws_connect(partial(Own, said, wanted), url)
    await ear.subscribed.wait()
    mouth, _ = await ws_connect(partial(Ear, [], None), url)
    times, end = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        mouth.send(WSMsgType.TEXT, order)
        await asyncio.wait_for(ear.heard.wait(), 10)
        ear.heard.clear()
        times.append((ear.at - began) * 1e6)
    return times


def private(seconds: float) -> dict[str, Any]:
    """An account's fill on another connection than its order's."""
    args = {"market": MARKET, "side": "bid", "price": "180", "quantity": "0.01", "time_in_force": "ioc"}
    order = json.dumps({"op": "place_order", "id": 1, "account": "1", "args": args}).encode()
    listens = json.dumps(
        {"op": "subscribe", "id": 1, "args": {"channel": "account", "account": "1"}}
    ).encode()
    with venue() as port:
        rests = {"market": MARKET, "side": "ask", "price": "180", "quantity": "500"}
        post(port, "/accounts/2/operations/place_order", rests)
        mine = uvloop.run(own(f"ws://127.0.0.1:{port + 1}/v1/ws", listens, order, b"order_filled", seconds))
    with bare(RELAY) as port:
        relay = uvloop.run(own(f"ws://127.0.0.1:{port}/", None, order, b"place_order", seconds))
    return {
        "p50_us": at(mine, 0.5), "p99_us": at(mine, 0.99), "relay_p50_us": at(relay, 0.5), "relay_p99_us": at(relay, 0.99),
        "ratio_p50": at(mine, 0.5) / at(relay, 0.5), "orders": len(mine),
    }  # fmt: skip


async def through(port: int, gateways: int, seconds: float) -> float:
    """Orders a second through all gateways together, 64 connections with 8 in flight."""
    until = time.perf_counter() + seconds
    traders = []
    for number in range(64):
        url = f"ws://127.0.0.1:{port + 1 + 2 * (number % gateways)}/v1/ws"
        _, trader = await ws_connect(partial(Trader, number % ACCOUNTS + 1, 8, until, True), url)
        traders.append(trader)
    await asyncio.gather(*(trader.done.wait() for trader in traders))
    return sum(trader.replies for trader in traders) / seconds


def growth(seconds: float) -> dict[str, Any]:
    """The rate by the number of gateway processes."""
    found = {}
    for gateways in (1, 2, 4):
        with venue(gateways) as port:
            found[f"orders_s_{gateways}"] = uvloop.run(through(port, gateways, seconds))
    return found | {"processors": os.cpu_count()}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("fan", "private", "gateways"))
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=20.0)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if given.what == "fan":
        found = fan(given.subscribers, given.seconds, given.rate)
    else:
        found = private(given.seconds) if given.what == "private" else growth(given.seconds)
    sys.stdout.write(json.dumps(found | {"load": os.getloadavg()[0]}) + "\n")


if __name__ == "__main__":
    main()
