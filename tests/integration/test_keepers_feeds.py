"""Every feed with a socket, through a real WebSocket server that plays a recorded session: same behaviour, whatever the format.

The sessions are in `tests/feeds/`; the README there has their form. A `Case` says how a feed is set up; all tests run over all of them.
"""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgpack
import msgspec
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from novate.messages.reports.portfolios import Listed, UnderlyingName
from novate.prices import Backoff, FeedState, Garbage, build_feed, raw_hash, run_feed
from novate.prices.settings import FeedSettings, SymbolSettings

FEEDS = Path(__file__).resolve().parents[1] / "feeds"
NOW_NS = 1_767_625_210 * 10**9
NAMES = {"NVDA": 7, "SPY": 8}
LISTED = Listed(
    underlyings=tuple(
        UnderlyingName(
            underlying=number, name=name, decimals=6, price_min=1, price_max=10**10, nav=False, closes=True, sources=(1, 2)
        )
        for name, number in NAMES.items()
    ),
    assets=(),
    markets=(),
)  # fmt: skip
SECRETS = {"KEY": "test-key", "SECRET": "test-secret"}
STOCKS = {name: SymbolSettings(underlying=name, source=1) for name in NAMES}
MAPPING = {
    "subscribe": ['{"op":"login","key":"{key}"}', '{"op":"subscribe","names":{symbols}}'],
    "items": "data",
    "match": {"op": "quotes"},
    "symbol": "s", "time": "at", "time_unit": "ns",
    "bid": "best.0.0", "bid_size": "best.0.1", "ask": "best.1.0", "ask_size": "best.1.1",
    "ready": {"op": "subscribed", "ok": True},
    "refused": {"op": "subscribed", "ok": False},
    "reason": "why",
    "pong": {"when": {"op": "ping"}, "say": '{"op":"pong","n":{value}}', "value": "n"},
}  # fmt: skip
BTC = {
    "id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "baseId": "BTC",
    "quoteId": "USDT", "type": "spot", "spot": True, "margin": False, "swap": False, "future": False, "option": False,
    "contract": False, "linear": None, "inverse": None, "active": True, "precision": {}, "limits": {}, "info": {},
}  # fmt: skip


def packed(frame: str) -> bytes:
    """A JSON frame as Alpaca's own client gets it: MessagePack with moments."""
    try:
        read = json.loads(frame)
    except ValueError:
        return b"\xc1"
    for message in read:
        if "t" in message:
            whole, _, fraction = message["t"].rstrip("Z").partition(".")
            seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
            message["t"] = msgpack.Timestamp(seconds, int(fraction.ljust(9, "0") or 0))
    return msgpack.packb(read)


@dataclass
class Case:
    name: str
    session: str
    settings: dict
    pack: object = staticmethod(lambda frame: frame)
    unpack: object = staticmethod(json.loads)
    can_refuse: bool = True
    exact: bool = True
    """Whether what the server sends is what the adapter gets, byte by byte."""
    apart_s: float = 0.0
    """Between two frames: ccxt keeps only the newest of a burst."""
    lenient: frozenset = field(default_factory=frozenset)
    """Garbage that this way of transport filters out itself, or cannot be sent by it."""


CASES = [
    Case("alpaca-socket", "alpaca", {"kind": "alpaca", "transport": "socket", "key_env": "KEY", "secret_env": "SECRET"}),
    Case(
        "alpaca-sdk", "alpaca", {"kind": "alpaca", "transport": "sdk", "key_env": "KEY", "secret_env": "SECRET"},
        packed, msgpack.unpackb,
    ),
    Case("massive-socket", "massive", {"kind": "massive", "transport": "socket", "key_env": "KEY"}),
    Case("massive-sdk", "massive", {"kind": "massive", "transport": "sdk", "key_env": "KEY"}),
    Case("json", "json", {"kind": "json", "key_env": "KEY", "json": MAPPING}),
    Case(
        "ccxt", "ccxt", {"kind": "ccxt", "exchange": "binance"}, can_refuse=False, exact=False, apart_s=0.05,
        lenient=frozenset({Garbage.MALFORMED, Garbage.OTHER_SYMBOL, Garbage.NOT_POSITIVE}),
    ),
]  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def session(name: str) -> list[list[tuple[str, str]]]:
    """The connections of a session, each a list of (mark, rest)."""
    connections: list[list[tuple[str, str]]] = [[]]
    for line in (FEEDS / f"{name}.session").read_text(encoding="utf-8").splitlines():
        if line.startswith("---"):
            connections.append([])
        elif line and line[0] in "<>=":
            connections[-1].append((line[0], line[2:]))
    return connections


def expected(name: str) -> list[str]:
    return [rest for connection in session(name) for mark, rest in connection if mark == "="]


class Player:
    """A server that plays a session, one part per connection; it notes what did not go as written."""

    def __init__(self, case: Case, name: str) -> None:
        self.case, self.parts = case, session(name)
        self.connections = 0
        self.wrong: list[str] = []
        self.over = asyncio.Event()
        self.ponged = False

    async def __call__(self, socket) -> None:
        part = self.connections
        self.connections += 1
        if part >= len(self.parts):
            await socket.wait_closed()
            return
        try:
            await self._play(socket, self.parts[part])
        except (ConnectionClosed, TimeoutError) as error:
            self.wrong.append(f"connection {part}: {error!r}")
            self.over.set()
            return
        if part + 1 < len(self.parts):
            await asyncio.sleep(0.1)
            socket.transport.abort()  # without a word, as a failing network does
        else:
            self.over.set()
            await socket.wait_closed()

    async def _play(self, socket, lines) -> None:
        for mark, rest in lines:
            if mark == ">":
                await socket.send(self.case.pack(rest))
                await asyncio.sleep(self.case.apart_s)
            elif mark == "<":
                message = await asyncio.wait_for(socket.recv(), 10)
                said = self.case.unpack(message)
                if normal(said) != normal(json.loads(rest)):
                    self.wrong.append(f"said {said}, not {rest}")
        await asyncio.wait_for(await socket.ping(), 10)
        self.ponged = True


def normal(message):
    """The same for messages that mean the same: the order of subscriptions is nobody's promise."""
    if isinstance(message, dict):
        return {key: normal(value) for key, value in message.items()}
    if isinstance(message, list):
        return sorted(message)
    return sorted(message.split(",")) if isinstance(message, str) and message.startswith("Q.") else message


def feed_of(case: Case, port: int):
    url = f"ws://127.0.0.1:{port}"
    symbols, extra = STOCKS, {"url": url + ("/stocks" if case.session == "massive" else "")}
    if case.name == "ccxt":
        symbols = {"BTC/USDT": SymbolSettings(underlying="NVDA", source=1)}
        options = {"urls": {"api": {"ws": {"spot": url}}}, "markets": {"BTC/USDT": BTC}}
        extra = {"options": options | {"options": {"watchTickers": {"name": "ticker"}}}}
    settings = msgspec.convert({"name": case.name, "symbols": {}} | case.settings | extra, FeedSettings)
    settings = msgspec.structs.replace(settings, symbols=symbols)
    feed = build_feed(settings, LISTED, lambda: NOW_NS, environment=SECRETS)
    feed.backoff = Backoff(0.02, 0.1, random.Random(1))
    return feed


def shown(command) -> str:
    name = next(name for name, number in NAMES.items() if number == command.underlying)
    return f"{name} {command.price} {command.confidence_ppm} {command.price_kind} {command.venue_time_ns} {command.size}"


async def played(case: Case, name: str, until, timeout_s: float = 25.0):
    """Runs a feed against its session until `until(prices, feed, player)`."""
    player, prices = Player(case, name), []
    async with serve(player, "127.0.0.1", 0, ping_interval=None, close_timeout=1) as server:
        feed = feed_of(case, server.sockets[0].getsockname()[1])
        task = asyncio.create_task(run_feed(feed, prices.append))
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not until(prices, feed, player) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - many things may end it
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return player, feed, prices


@each_case
def test_a_session_becomes_the_prices_that_stand_in_it_across_a_lost_connection(case):
    wanted = expected(case.session)

    def until(prices, _, player):
        return len(prices) >= len(wanted) and player.over.is_set()

    player, feed, prices = asyncio.run(played(case, case.session, until))
    assert [shown(priced.command) for priced in prices] == wanted
    assert not player.wrong
    assert player.connections == 2 and player.ponged
    assert feed.health.counts["connects"] >= 2 or case.name == "alpaca-sdk"
    refused = Counter(feed.intake.refused)
    wanted_garbage = Counter(
        {
            Garbage.DUPLICATE: 1, Garbage.OUT_OF_ORDER: 1, Garbage.CROSSED: 1, Garbage.NOT_POSITIVE: 1,
            Garbage.OTHER_SYMBOL: 1, Garbage.FROM_THE_FUTURE: 1, Garbage.MALFORMED: 2,
        }
    )  # fmt: skip
    for kind in case.lenient:
        refused.pop(kind, None)
        wanted_garbage.pop(kind)
    assert refused == wanted_garbage
    sent = {case.pack(rest) for part in session(case.session) for mark, rest in part if mark == ">"}
    for priced in prices:
        assert priced.command.raw_hash == raw_hash(priced.frame)
        assert not case.exact or priced.frame in sent


@pytest.mark.parametrize("case", [case for case in CASES if case.can_refuse], ids=lambda case: case.name)
def test_a_refused_key_is_a_state_of_its_own_and_is_not_tried_again_at_once(case):
    def until(_, feed, __):
        return feed.health.state(NOW_NS) is FeedState.REFUSED

    player, feed, prices = asyncio.run(played(case, f"{case.session}-refused", until, 10))
    assert feed.health.state(NOW_NS) is FeedState.REFUSED
    assert not prices
    assert player.connections == 1
    assert "refuse" in feed.health.last_error


def test_a_feed_that_nobody_serves_is_down_and_says_so():
    async def run():
        feed = feed_of(CASES[0], 1)
        task = asyncio.create_task(run_feed(feed, lambda _: None))
        while feed.health.counts["cuts"] < 3:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return feed

    feed = asyncio.run(asyncio.wait_for(run(), 20))
    assert feed.health.state(NOW_NS) is FeedState.DOWN
    assert feed.values()["last_error"].startswith("There is no way to")
