"""Slow and many clients, against one that trades: slowhttptest (an outside judge) and floods of connections, messages and credentials.

The trader is served all through: nothing of his fails. His order-to-acknowledgement times before and during an attack are printed, not judged.
The attackers come from 127.0.0.1, the trader from 127.0.0.2, and nobody is believed to be a proxy.
"""

import asyncio
import contextlib
import json
import multiprocessing
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import websockets
from websockets.sync.client import connect

from gateways import PERP, Key, Speaker, eventually, running
from novate.gateway.limits import BODY_S, HEAD_S, UNREAD_S
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope
from novate.messages.codes import Role

ATTACKER, VICTIM = "127.0.0.1", "127.0.0.2"
PLACES = 512
UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
GROWTH_MIB = 200
"""What a gateway may grow by under an attack: 512 connections that each leave what a gateway writes at most before it waits."""
ORDER = {"market": PERP, "side": "bid", "price": "170", "quantity": "0.01", "time_in_force": "ioc"}
VENUE, ADMIN = 0, Scope.READ | Scope.ADMIN
TERMS = {
    "compliance": KeyTerms(owner=VENUE, scopes=ADMIN, grants=frozenset({Grant(Role.COMPLIANCE, 0)})),
    "keeper": KeyTerms(owner=VENUE, scopes=ADMIN, grants=frozenset({Grant(Role.KEEPER, 0)})),
    "trader": KeyTerms(owner=11, scopes=Scope.READ | Scope.TRADE),
    "other": KeyTerms(owner=12, scopes=Scope.READ | Scope.TRADE),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("floods")
    options = ("--proxy", "192.0.2.1", "--connections-per-address", str(PLACES))
    with (
        running(home, dev=False, gateway=options) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        keys = {}

        def make(name):
            made = identity.create_key(None, KeyKind.HMAC, TERMS[name], time.time_ns())
            keys[name] = Key("test", str(made.record.actor), secret=made.secret)

        make("compliance")
        make("keeper")
        venue.prices(key=keys["keeper"])
        venue.open(11, 12, key=keys["compliance"], keeper=keys["keeper"])
        eventually(lambda: {11, 12} <= set(identity.store.owners()))
        make("trader")
        make("other")
        yield venue, keys


def trade(venue: tuple[str, str], key: Key, pipe) -> None:
    """In a process of its own: orders and cancellations, one at a time by WebSocket and now and then by REST, until it is told to end.

    Answers (when it was sent, seconds until its reply) of each, and every reply that was no success.
    """
    base, url = venue
    times, failed = [], []

    def by_rest(http) -> dict:
        path, body = "/v1/accounts/11/orders", json.dumps(ORDER).encode()
        reply = http.post(path, content=body, headers=key.headers("POST", path, body))
        return reply.json() | {"ok": reply.status_code == 200}

    try:
        transport = httpx.HTTPTransport(local_address=VICTIM)
        with (
            connect(url, source_address=(VICTIM, 0)) as raw,
            httpx.Client(base_url=base, transport=transport, timeout=20) as http,
        ):
            speaker = Speaker(raw)
            assert speaker.ask("login", key.login())["ok"]
            pipe.send("ready")
            while not pipe.poll():
                turn, began = len(times), time.monotonic()
                if turn % 16 == 15:
                    reply = speaker.ask("cancel_all", {}, 11, within_s=15)
                elif turn % 8 == 7:
                    reply = by_rest(http)
                else:
                    reply = speaker.ask("place_order", ORDER, 11, within_s=15)
                times.append((began, time.monotonic() - began))
                if not reply["ok"]:
                    failed.append(reply)
                time.sleep(0.01)
    except Exception as error:  # noqa: BLE001 - the test tells it
        failed.append(repr(error))
    pipe.send((times, failed))


def p99_ms(times) -> float:
    return sorted(times)[int(len(times) * 0.99)] * 1e3 if times else float("nan")


@contextlib.contextmanager
def trading(world, what: str):
    """A trader before and during what is inside; fails when anything of his did, or the gateway grew."""
    venue, keys = world
    venue.prices(key=keys["keeper"])
    spawn = multiprocessing.get_context("spawn")
    mine, his = spawn.Pipe()
    trader = spawn.Process(target=trade, args=((venue.base, venue.socket), keys["trader"], his), daemon=True)
    trader.start()
    assert mine.poll(30) and mine.recv() == "ready"
    time.sleep(2)
    began, resident = time.monotonic(), venue.resident_mib()
    most = [resident]
    watched = threading.Event()

    def watch() -> None:
        while not watched.wait(0.5):
            most.append(venue.resident_mib())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield venue
    finally:
        ended = time.monotonic()
        watched.set()
        watcher.join()
        mine.send("end")
        assert mine.poll(60)
        times, failed = mine.recv()
        trader.join(10)
    before = [took for at, took in times if at < began]
    during = [took for at, took in times if began <= at < ended]
    sys.stdout.write(
        f"\n{what}: p99 {p99_ms(before):.1f} ms before, {p99_ms(during):.1f} ms during, "
        f"{len(during)} orders in {ended - began:.1f} s, {max(most) - resident:.0f} MiB more at most\n"
    )
    assert not failed, failed[:3]
    assert during
    assert max(most) - resident < GROWTH_MIB
    assert venue.children["gateway"].poll() is None


def connections_of(port: int) -> int:
    """Established connections of attackers at a port, as the kernel counts them at the gateway's end."""
    here, there = f"0100007F:{port:04X}", "0100007F"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1] == here and row[2].startswith(there) and row[3] == "01" for row in rows)


# --- an outside judge -----------------------------------------------------------------------------------------------------


def slowhttptest(*options: str) -> subprocess.Popen:
    program = shutil.which("slowhttptest")
    if program is None:
        pytest.skip(
            "SLOWHTTPTEST IS NOT INSTALLED: slow clients were not tried (Debian 12: apt-get install slowhttptest)"
        )
    return subprocess.Popen(
        [program, "-c", "150", "-r", "150", "-p", "5", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_slow_heads_bodies_and_readers(world):
    """450 connections come in, those beyond an address's budget are answered and closed, and all others cut off while slowhttptest still wants to
    go on. The kernel counts them: slowhttptest does not see that who reads slowly was reset."""
    patience = max(HEAD_S, BODY_S, UNREAD_S) + 15
    with trading(world, "slow heads, bodies and readers") as venue:
        orders, document = f"{venue.base}/v1/accounts/11/orders", f"{venue.base}/v1/openapi.json"
        slowly = ("-i", "3", "-x", "8", "-l", "200")
        judges = [
            slowhttptest("-H", *slowly, "-u", document), slowhttptest("-B", *slowly, "-s", "8192", "-u", orders),
            slowhttptest("-X", "-w", "64", "-y", "128", "-n", "4", "-z", "16", "-l", "200", "-u", document),
        ]  # fmt: skip
        try:
            eventually(lambda: connections_of(venue.port) > 300, 9)
            # Each asks once a second whether the server still answers.
            eventually(lambda: connections_of(venue.port) <= len(judges), patience)
            for judge in judges[:2]:
                assert "No open connections left" in judge.communicate(timeout=20)[0]
            assert judges[2].poll() is None
        finally:
            for judge in judges:
                judge.kill()
                judge.communicate()


def test_slow_handshakes_and_halves_of_messages(world):
    with trading(world, "WebSockets that never finish") as venue:
        raws = [socket.create_connection(("127.0.0.1", venue.port + 1)) for _ in range(100)]
        for raw in raws:
            raw.sendall(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\n")
        eventually(lambda: connections_of(venue.port + 1) == 0, 30)
        for raw in raws:
            raw.close()


# --- floods ----------------------------------------------------------------------------------------------------------------


def test_heads_without_end(world):
    with trading(world, "heads without end") as venue:
        for junk in (b"GET /" + b"a" * 70_000, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 12_000):
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", venue.port), timeout=10) as raw:
                    raw.sendall(junk)
                    assert b" 431 " in raw.recv(4096)


def test_more_connections_than_places(world):
    """HTTP and WebSocket count together; whoever comes too late is told so, and others still come in."""
    with trading(world, "connections") as venue:
        raws = [socket.create_connection(("127.0.0.1", venue.port), timeout=10) for _ in range(PLACES + 200)]
        try:
            for raw in raws:
                raw.settimeout(10)
            turned_away = 0
            for raw in raws[-150:]:
                told = b""
                with contextlib.suppress(OSError):
                    while part := raw.recv(4096):
                        told += part
                turned_away += b" 429 " in told and b'"number":2070' in told
            assert turned_away >= 100
            with (
                connect(venue.socket) as late,
                pytest.raises(websockets.exceptions.ConnectionClosed) as closed,
            ):
                late.recv(timeout=10)
            assert (
                closed.value.rcvd.code == 1008
                and closed.value.rcvd.reason == "connections_must_not_exceed_limit"
            )
        finally:
            for raw in raws:
                raw.close()
    eventually(lambda: venue.http.get("/v1/status").status_code == 200)


def test_subscriptions_without_end(world):
    """Each connection has as many as it may; more are refused with their number."""

    async def subscribe(venue) -> tuple[int, set[int]]:
        taken, numbers = 0, set()
        async with websockets.connect(venue.socket) as one:
            for number in range(400):
                args = {"channel": "book", "market": PERP, "interval_ms": number + 1}
                await one.send(json.dumps({"op": "subscribe", "id": number, "args": args}))
            while taken + len(numbers) < 400:
                heard = json.loads(await asyncio.wait_for(one.recv(), 20))
                if "ok" in heard:
                    taken += heard["ok"]
                    if not heard["ok"]:
                        numbers.add(heard["error"]["number"])
                        break
        return taken, numbers

    async def all_of_them(venue):
        return await asyncio.gather(*(subscribe(venue) for _ in range(5)))

    with trading(world, "subscriptions") as venue:
        found = asyncio.run(all_of_them(venue))
    assert all(taken == 256 and numbers == {2060} for taken, numbers in found), found


@pytest.mark.parametrize("said", ['{"op":"ping"}', "{", '{"op":"login","args":{"key":"1","timestamp_ns":1,"nonce":"1","signature":"%s"}}' % ("0" * 64)],
                         ids=["pings", "no json", "bad credentials"])  # fmt: skip
def test_messages_without_end(world, said):
    """Who says what no budget pays for is read later and later: a flood fills the sender's own buffers."""

    frame = (
        b"\x81"
        + bytes([0x80 | min(len(said), 126)])
        + (len(said).to_bytes(2, "big") if len(said) > 125 else b"")
    )
    frame += bytes(4) + said.encode()  # a mask of zeros

    async def flood(venue, until: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", venue.port + 1)
        writer.write(UPGRADE)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")

        async def read() -> None:
            with contextlib.suppress(ConnectionError):
                while heard := await reader.read(1 << 16):
                    assert b"operation_failed" not in heard

        reading, sent = asyncio.create_task(read()), 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(until - time.monotonic()):
                while True:
                    writer.write(frame * 100)
                    await writer.drain()
                    await asyncio.sleep(0)
                    sent += 100
        writer.transport.abort()
        await reading
        return sent

    async def floods(venue):
        until = time.monotonic() + 5
        return sum(await asyncio.gather(*(flood(venue, until) for _ in range(20))))

    with trading(world, f"messages {said[:16]!r}") as venue:
        sent = asyncio.run(floods(venue))
    sys.stdout.write(f"{sent} messages of 20 connections in 5 s\n")


def test_bad_credentials_by_http(world):
    """They are refused, then told to wait; never tried for nothing."""
    venue, keys = world
    forged = Key("test", keys["other"].number, secret="0" * 64)

    async def ask(client, until: float) -> set[int]:
        seen = set()
        while time.monotonic() < until:
            path = "/v1/accounts/12/orders"
            body = b"{}"
            reply = await client.post(path, content=body, headers=forged.headers("POST", path, body))
            seen.add(reply.status_code)
            assert reply.json()["error"]["number"]
        return seen

    async def flood() -> set[int]:
        until = time.monotonic() + 5
        async with httpx.AsyncClient(base_url=venue.base, timeout=30) as client:
            return set().union(*await asyncio.gather(*(ask(client, until) for _ in range(32))))

    with trading(world, "bad credentials by HTTP"):
        seen = asyncio.run(flood())
    assert seen == {401, 429}
