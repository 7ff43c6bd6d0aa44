"""The client against a venue that runs: orders through connections that are cut, streams that resume, keys that sign."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from gateways import patient_listing
from novate.client import (
    AsyncClient,
    Client,
    Ed25519Key,
    Event,
    Gap,
    HmacKey,
    OutcomeUnknown,
    Persistence,
    VenueRefused,
    VenueUnreachable,
    leg,
)
from novate.identity.proofs import new_ed25519

MARKET = "NVDA-PERP"
ANN, BOB = 11, 12
QUICK = Persistence(attempts=60, pause_s=0.005, most_s=0.05, answer_s=5.0)


def free_ports() -> int:
    """A port of which the next one is free too."""
    while True:
        with socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                next_one.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def novate(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("novate")), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def stop(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    process.send_signal(how)
    process.wait(30)


def serves(url: str) -> bool:
    with Client(url, persistence=Persistence(attempts=1)) as client:
        for _ in range(300):
            try:
                if client.status().takes_commands and client.markets():
                    return True
            except (VenueUnreachable, VenueRefused):
                pass
            time.sleep(0.1)
    return False


@dataclass
class Running:
    """A venue whose gateway is a process of its own."""

    home: Path
    port: int
    gateway: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restart_gateway(self) -> None:
        stop(self.gateway, signal.SIGKILL)
        self.gateway = novate("gateway", str(self.home), "--dev", "--port", str(self.port))
        assert serves(self.url)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home, port = tmp_path_factory.mktemp("venue"), free_ports()
    without = [word for name in ("gateway", "projector", "keeper") for word in ("--without", name)]
    listing = patient_listing(home.with_name("listing.toml"))
    up = novate("up", str(home), "--dev", "--port", str(port), "--listing", str(listing), *without)
    gateway = novate("gateway", str(home), "--dev", "--port", str(port))
    running = Running(home, port, gateway)
    try:
        assert serves(running.url)
        with Client(running.url) as client:
            for account in (ANN, BOB):
                client.call("open_account", account, owner=account)
                client.call("deposit", account, asset="USDC", amount=5_000_000, reference=account)
            for source in (1, 2):
                for underlying, price, kind in (("NVDA", "180.10", "quote"), ("USDC", "1", "issuer")):
                    client.call(
                        "post_price", underlying=underlying, source=source, price=price, price_kind=kind,
                        venue_time_ns=time.time_ns() - 10**8, size=1_000_000,
                    )  # fmt: skip
        yield running
    finally:
        stop(running.gateway)
        stop(up)


class Cutting:
    """A TCP proxy that cuts connections: before a request has gone out, after half of it, or between request and reply."""

    def __init__(self, to: int, seed: int, share: float) -> None:
        self.to, self.share = to, share
        self.chance = random.Random(seed)
        self.cuts: Counter[str] = Counter()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            await asyncio.gather(
                self._pump(reader, upstream, outwards=True),
                self._pump(upstream_reader, writer, outwards=False),
            )
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, upstream):
                end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outwards: bool
    ) -> None:
        while data := await reader.read(65_536):
            if self.chance.random() < self.share:
                kind = self.chance.choice(
                    ("unsent", "half", "unanswered") if outwards else ("reply", "half reply")
                )
                self.cuts[kind] += 1
                if "half" in kind:
                    writer.write(data[: len(data) // 2])
                elif kind == "unanswered":
                    writer.write(data)
                await writer.drain()
                await asyncio.sleep(0.002)  # so that it arrives before the connection is gone
                raise ConnectionError(kind)
            writer.write(data)
            await writer.drain()
        raise ConnectionError("closed")


def events_of(client: Client, account: int, since: int) -> list[Event]:
    """All events of an account behind a number so far."""
    with client.follow_account(account, resume_from=since) as stream:
        found = []
        while (item := stream.next(1.0)) is not None:
            assert isinstance(item, Event)
            found.append(item)
        return found


def last_seq(client: Client, account: int) -> int:
    done = client.call("cancel_after", account, span_ns=0)
    return max(one.account_seq or 0 for one in done.events)


def cut_client(venue: Running, proxy: Cutting, *, by_socket: bool) -> Client:
    """A client whose orders go through the proxy: requests of HTTP, or one WebSocket with all that is told by it."""
    if by_socket:
        ws_url = f"ws://127.0.0.1:{proxy.port}/v1/ws"
        return Client(venue.url, ws_url=ws_url, persistence=QUICK, by_socket=True)
    ws_url = f"ws://127.0.0.1:{venue.port + 1}/v1/ws"
    return Client(f"http://127.0.0.1:{proxy.port}", ws_url=ws_url, persistence=QUICK)


@pytest.mark.parametrize("by_socket", [False, True], ids=["http", "socket"])
@pytest.mark.parametrize("seed", range(3))
def test_every_order_exists_once_however_often_the_connection_is_cut(
    venue: Running, seed: int, by_socket: bool
) -> None:
    chance = random.Random(seed)
    with (
        Client(venue.url) as direct,
        Cutting(venue.port + by_socket, seed, 0.15 if by_socket else 0.3) as proxy,
        cut_client(venue, proxy, by_socket=by_socket) as client,
    ):
        direct.cancel_all(ANN)
        maker = direct.place(BOB, MARKET, "ask", 1_000, "181")
        before, held = last_seq(direct, ANN), direct.account(ANN).position(MARKET)
        placed = []
        for number in range(60):
            what = chance.choice(["rest", "take", "refused", "amend", "cancel"])
            price = {"take": "181", "refused": "400"}.get(what, Decimal(170) + number * Decimal("0.01"))
            if what == "refused":
                with pytest.raises(VenueRefused) as refused:
                    client.place(ANN, MARKET, "bid", 1 + number, price)
                assert (refused.value.rule, refused.value.field) == ("price_must_be_inside_band", "price")
                continue
            order = client.place(ANN, MARKET, "bid", 1 + number, price)
            placed.append(order)
            if what == "amend":
                client.amend(order, price=Decimal(169) - number * Decimal("0.01"))
            elif what == "cancel":
                client.cancel(order)
        happened = events_of(direct, ANN, before)
        now = direct.account(ANN)
        direct.cancel_all(ANN)
        direct.cancel(maker)
    assert proxy.cuts["reply"] + proxy.cuts["half reply"] + proxy.cuts["unanswered"] > 10
    assert proxy.cuts["unsent"]
    at_venue = Counter(one.data.client_id for one in happened if one.event == "order_placed")
    assert at_venue == Counter(order.client_id for order in placed), "each once, and no other"
    resting = {one.order: (one.price, one.remaining) for one in now.orders}
    assert resting == {one.order: (one.price, one.remaining) for one in placed if one.status == "open"}
    assert now.position(MARKET) - held == sum(one.filled for one in placed)
    assert {one.status for one in placed} == {"open", "filled", "cancelled"}
    not_taken = [one for one in client.orders.values() if one.status == "refused"]
    assert len(not_taken) + len(placed) == 60
    assert all(one.problem is not None for one in not_taken)


def test_a_batch_is_known_leg_by_leg_when_its_answers_are_cut(venue: Running) -> None:
    with (
        Client(venue.url) as direct,
        Cutting(venue.port, 7, 0.4) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}", ws_url=f"ws://127.0.0.1:{venue.port + 1}/v1/ws", persistence=QUICK) as client,
    ):  # fmt: skip
        direct.cancel_all(ANN)
        before = last_seq(direct, ANN)
        for _ in range(15):
            legs = [
                leg("place_order", market=MARKET, side="bid", price=p, quantity=1) for p in (170, 400, 171)
            ]
            client.batch(ANN, legs)
        happened = events_of(direct, ANN, before)
        direct.cancel_all(ANN)
    assert proxy.cuts["reply"] + proxy.cuts["half reply"] > 3
    at_venue = Counter(one.data.client_id for one in happened if one.event == "order_placed")
    assert at_venue == Counter(one.client_id for one in client.orders.values() if one.status == "open")
    assert Counter(one.status for one in client.orders.values()) == {"open": 30, "refused": 15}


def test_what_may_not_be_done_twice_is_not_sent_twice(venue: Running) -> None:
    with (
        Client(venue.url) as direct,
        Cutting(venue.port, 3, 0.35) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}", persistence=QUICK) as client,
    ):
        before = direct.account(BOB).balance("USDC")
        done = unknown = 0
        for _ in range(30):
            try:
                client.lend(BOB, "USDC", 1)
                done += 1
            except OutcomeUnknown:
                unknown += 1
        lent = before - direct.account(BOB).balance("USDC")
    assert unknown > 3
    assert done <= lent <= done + unknown


def test_an_accounts_events_come_once_and_in_order_across_cuts(venue: Running) -> None:
    asyncio.run(once_and_in_order(venue))


async def once_and_in_order(venue: Running) -> None:
    with Cutting(venue.port + 1, 5, 0.08) as proxy:
        persistence = Persistence(pause_s=0.005)
        url = f"ws://127.0.0.1:{proxy.port}/v1/ws"
        async with AsyncClient(venue.url, ws_url=url, persistence=persistence) as client:
            first = (await client.cancel_after(ANN, 0)).events[0].account_seq or 0

            async def trade() -> None:
                for number in range(150):
                    order = await client.place(ANN, MARKET, "bid", 1, Decimal(150 + number % 20))
                    await client.cancel(order)

            trading = asyncio.create_task(trade())
            heard: list[int] = []
            async with client.follow_account(ANN, resume_from=first) as stream:
                async for event in stream:
                    assert isinstance(event, Event)
                    heard.append(event.account_seq or 0)
                    if len(heard) == 300:
                        break
            await trading
    assert proxy.cuts.total() > 5
    assert heard == list(range(first + 1, first + 301))


def test_a_book_is_the_venues_book_across_cuts(venue: Running) -> None:
    asyncio.run(same_book(venue))


async def same_book(venue: Running) -> None:
    chance = random.Random(1)
    with Cutting(venue.port + 1, 6, 0.05) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/v1/ws"
        async with AsyncClient(venue.url, ws_url=url, persistence=Persistence(pause_s=0.005)) as client:
            await client.cancel_all(ANN)
            last: list[int] = []

            async def trade() -> None:
                for _ in range(200):
                    side = chance.choice(["bid", "ask"])
                    price = (
                        Decimal(
                            chance.randint(16_000, 17_999)
                            if side == "bid"
                            else chance.randint(18_050, 20_000)
                        )
                        / 100
                    )
                    await client.place(ANN, MARKET, side, chance.randint(1, 9), price)
                last.append((await client.book(MARKET)).seq)
                await client.place(ANN, MARKET, "bid", 1, 150)

            trading = asyncio.create_task(trade())
            async with asyncio.timeout(30), client.follow_book(MARKET) as stream:
                async for book in stream:
                    assert not book.bids() or not book.asks() or book.bids(1)[0].price < book.asks(1)[0].price
                    if last and book.seq > last[0]:
                        break
            await trading
            told = await client.book(MARKET, depth=1000)
            await client.cancel_all(ANN)
    assert proxy.cuts.total() > 3
    assert (book.bids(), book.asks()) == (told.bids(), told.asks())
    assert len(book.bids()) > 50


def test_gateways_that_begin_anew_leave_no_gap(venue: Running) -> None:
    with (
        Client(venue.url, persistence=Persistence(pause_s=0.02)) as client,
        client.follow_account(ANN) as stream,
    ):
        assert stream.next(0.3) is None
        gone = client.place(ANN, MARKET, "bid", 2, "171")
        heard = stream.next(5)
        assert isinstance(heard, Event)
        venue.restart_gateway()
        with Client(venue.url) as other:
            other.call("cancel_order", ANN, order=gone.order)
        venue.restart_gateway()
        client.call("cancel_after", ANN, span_ns=0)
        item = stream.next(10)
        assert isinstance(item, Event), item
        assert (item.event, item.data.order) == ("order_cancelled", gone.order)
        assert gone.status == "cancelled", "the order heard of it"
        numbers = [heard.account_seq or 0]
        while item is not None:
            assert isinstance(item, Event)
            numbers.append(item.account_seq or 0)
            item = stream.next(1)
        assert len(numbers) >= 3
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_gap_is_told_with_the_account_as_it_is(venue: Running) -> None:
    """A number that the account never had: as after a venue's home was restored from an earlier copy."""
    with Client(venue.url, persistence=Persistence(pause_s=0.02)) as client:
        kept = client.place(ANN, MARKET, "bid", 3, "170")
        with client.follow_account(ANN, resume_from=10**9) as stream:
            gap = stream.next(20)
            assert isinstance(gap, Gap), gap
            assert gap.first == 10**9 + 1
            assert [one.order for one in gap.account.orders] == [kept.order]
            assert kept.status == "open"
            assert client.cancel(kept).status == "cancelled"
            ended = stream.next(5)
            assert isinstance(ended, Event)
            assert (ended.event, ended.data.order) == ("order_cancelled", kept.order)


@contextmanager
def closed_gateway(venue: Running) -> Iterator[str]:
    """Another gateway of the same venue, that takes nobody without a key."""
    port = free_ports()
    process = novate("gateway", str(venue.home), "--port", str(port))
    try:
        assert serves(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def test_keys_sign_requests_and_logins(venue: Running) -> None:
    seed, public = new_ed25519()

    def made(**terms: Any) -> dict[str, Any]:
        wish = {"owner": str(ANN), "scopes": ["read", "trade"], **terms}
        reply = httpx.post(f"{venue.url}/v1/keys", json=wish).json()
        assert reply["ok"], reply
        result: dict[str, Any] = reply["result"]
        return result

    hmac = made(kind="hmac")
    ed25519 = made(kind="ed25519", public=public.hex())
    keys = [HmacKey(int(hmac["key"]), hmac["secret"]), Ed25519Key(int(ed25519["key"]), seed)]
    with closed_gateway(venue) as url:
        for key, by_socket in itertools.product(keys, (False, True)):
            with (
                Client(url, key, by_socket=by_socket) as client,
                client.follow_account(ANN) as stream,
            ):
                assert stream.next(0.3) is None
                order = client.place(ANN, MARKET, "bid", 1, "170")
                assert order.status == "open"
                heard = stream.next(5)
                assert isinstance(heard, Event)
                assert heard.event == "order_placed"
                assert client.cancel(order).status == "cancelled"
                with pytest.raises(VenueRefused) as other:
                    client.account(BOB)
                assert other.value.rule == "account_must_be_ones_own"
                with pytest.raises(VenueRefused):
                    client.follow_account(BOB).next(5)
        for by_socket in (False, True):
            stranger = HmacKey(keys[0].id, "nvs_wrong")
            with (
                Client(url, stranger, by_socket=by_socket) as client,
                pytest.raises(VenueRefused) as wrong,
            ):
                client.place(ANN, MARKET, "bid", 1, "170")
            assert (wrong.value.number, wrong.value.status) == (2001, 401)
        with Client(url) as client, pytest.raises(VenueRefused) as nobody:
            client.place(ANN, MARKET, "bid", 1, "170")
        assert nobody.value.rule == "credentials_must_be_given"
        assert client_is_public(url)


def client_is_public(url: str) -> bool:
    with Client(url) as client:
        return bool(client.prices()) and client.book(MARKET).ready


def test_every_block_of_the_page_runs(venue: Running, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/client.md").read_text(encoding="utf-8")
    parts = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", page, re.MULTILINE)
    blocks = [textwrap.dedent(part) for part in parts]
    assert len(blocks) >= 6
    with Client(venue.url) as client:
        for account in (7, 8):
            client.call("open_account", account, owner=account)
            client.call("deposit", account, asset="USDC", amount=1_000_000, reference=1)
    names: dict[str, Any] = {"url": venue.url}
    for block in blocks:
        exec(compile(block, "client.md", "exec"), names)
    names["client"].close()
    said = capsys.readouterr().out
    assert "408 price_must_be_inside_band price" in said
    assert "Account 7 is green" in said
    assert said.rstrip().endswith("requested")
