"""The bridge as a process on a real venue: it quotes what the primary market shows, hedges what trades, and comes back from a kill.

Its key may read and trade for its own account, and the gateway of a venue that is not for development holds it to that.
"""

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from decimal import Decimal

import pytest

from bridging import BRIDGE, CUSTOMER, OTHER, PERP, SPOT, SYMBOL, bridged
from gateways import eventually
from novate.bridge.run import ASKED, Bridge
from novate.bridge.settings import load_settings
from novate.bridge.telling import report
from novate.broker.book_file import BookFile
from novate.client import AsyncClient, HmacKey


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with bridged(tmp_path_factory.mktemp("bridge") / "venue") as found:
        yield found


@pytest.fixture
def runs(world):
    """The bridge runs and quotes both sides of both markets."""
    world.broker.waits_s = 0.0
    world.primary("180.00", "180.02")
    if world.child is None or world.child.poll() is not None:
        world.start()
    eventually(lambda: all(world.quotes()) and all(world.quotes(PERP)))
    return world


def flat(world) -> bool:
    """Hedged but for less than a request's least, nothing under way."""
    return abs(world.open_shares()) < 1 and not under_way(world)


def under_way(world) -> list[dict]:
    over = {"filled", "settled", "delivered", "rejected", "cancelled", "expired"}
    told = world.venue.get(f"/accounts/{BRIDGE}/requests", world.keys["bridge"])[1]["result"]
    return [one for one in told if one["state"] not in over]


def command(world, *words: str) -> str:
    run = [sys.executable, "-m", "novate.cli", "bridge", words[0], str(world.venue.home), *words[1:]]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout


def stands(world) -> dict:
    return report(world.venue.home)["names"][SYMBOL]


def whole(world) -> None:
    """Nothing was lost or made on the way."""
    ledger = world.venue.get("/conservation")[1]["result"]
    assert all(Decimal(one["difference"]) == 0 for one in ledger["conservation"]), ledger
    for line in world.venue.get("/supply")[1]["result"]:
        assert Decimal(line["difference"]) == 0


def test_a_customer_trades_at_the_primary_market_s_price_and_every_fill_is_hedged(runs):
    bids, asks = runs.quotes()
    # 180.02 and 2 bps of the market, 5 bps of issuance and 1 bp kept, rounded up to a cent
    assert Decimal(asks[0][0]) == Decimal("180.17")
    assert Decimal(bids[0][0]) == Decimal("179.85")
    fills = len(runs.broker.fills)
    runs.take("bid", 100)
    eventually(lambda: len(runs.broker.fills) == fills + 1)
    eventually(lambda: flat(runs))
    runs.take("ask", 150, PERP)
    eventually(lambda: runs.perps() == 150 and flat(runs))
    assert [side for side, _, _ in runs.broker.fills[fills:]] == [0, 1]
    whole(runs)


def test_quotes_follow_the_primary_market_and_go_when_it_does(runs):
    runs.primary("180.50", "180.52")
    eventually(lambda: runs.quotes()[1] and Decimal(runs.quotes()[1][0][0]) == Decimal("180.67"))
    runs.primary("180.50", "180.52", session="halted")
    eventually(lambda: not any(runs.quotes()) and not any(runs.quotes(PERP)))
    eventually(lambda: stands(runs)["doubt"] == "sessions_differ")
    assert json.loads(command(runs, "status", "--json"))["names"][SYMBOL]["doubt"] == "sessions_differ"
    (runs.venue.home / "primary.json").write_text("{")
    eventually(lambda: stands(runs)["doubt"] == "no_primary")
    runs.primary("180.00", "180.02")
    eventually(lambda: all(runs.quotes()))


def test_a_stop_outlives_the_process_and_what_is_open_is_hedged_meanwhile(runs):
    eventually(lambda: flat(runs))
    runs.broker.waits_s = 3_600.0
    fills = len(runs.broker.fills)
    runs.take("bid", 90)
    command(runs, "stop", "--reason", "a drill")
    eventually(lambda: not any(runs.quotes()) and not any(runs.quotes(PERP)))
    assert not flat(runs), "what was sold is open"
    runs.broker.waits_s = 5.0
    assert runs.end() == 0
    runs.start()
    eventually(lambda: stands(runs)["stance"] == "stopped")
    assert not any(runs.quotes())
    eventually(lambda: flat(runs))
    assert 89 * 10**9 < sum(shares for _, shares, _ in runs.broker.fills[fills:]) < 91 * 10**9
    assert not any(runs.quotes())
    command(runs, "resume")
    eventually(lambda: all(runs.quotes()))


def test_killed_it_leaves_no_order_behind(runs):
    runs.kill()
    eventually(lambda: not runs.account()["orders"], 10)


def test_killed_with_a_hedge_under_way_it_hedges_nothing_twice(runs):
    eventually(lambda: flat(runs))
    runs.broker.waits_s = 4.0
    fills = len(runs.broker.fills)
    runs.take("bid", 200)
    eventually(lambda: under_way(runs))
    runs.kill()
    runs.start()
    eventually(lambda: flat(runs), 20)
    time.sleep(1)
    assert flat(runs)
    assert sum(shares for _, shares, _ in runs.broker.fills[fills:]) < 201 * 10**9
    whole(runs)


def test_what_trades_while_it_is_dead_is_hedged_when_it_comes_back(runs):
    eventually(lambda: flat(runs))
    runs.kill()
    runs.take("bid", 120)
    runs.take("ask", 20, PERP)
    assert abs(runs.open_shares()) == 100
    runs.start()
    eventually(lambda: flat(runs), 20)
    eventually(lambda: all(runs.quotes()))


def test_it_cancels_what_it_does_not_know_and_counts_what_it_finds(runs):
    """Somebody used its account while it was dead: an order, and tokens that went away."""
    eventually(lambda: flat(runs))
    runs.kill()
    eventually(lambda: not runs.account()["orders"], 10)
    key = runs.keys["bridge"]
    runs.venue.do("place_order", BRIDGE, key, market=SPOT, side="bid", quantity="7", price="170")
    runs.venue.do("place_order", BRIDGE, key, market=PERP, side="ask", quantity="30", price="190")
    stray = {one["order"] for one in runs.account()["orders"]}
    assert len(stray) == 2
    runs.venue.do(
        "place_order", BRIDGE, key, market=SPOT, side="ask", quantity="60", price="179", time_in_force="gtc"
    )
    fills, before = len(runs.broker.fills), runs.tokens()
    runs.take("bid", 60)
    assert runs.tokens() == before - 60
    runs.start()
    eventually(lambda: all(runs.quotes()))
    assert not stray & {one["order"] for one in runs.account()["orders"]}
    eventually(lambda: flat(runs))
    assert 59 * 10**9 < sum(shares for _, shares, _ in runs.broker.fills[fills:]) < 61 * 10**9, (
        "what went away is hedged"
    )
    eventually(lambda: stands(runs)["tokens"] == int(runs.tokens() * 10**9))


@pytest.mark.long
def test_killed_again_and_again_while_customers_trade_it_ends_flat_with_no_order_that_it_does_not_know(runs):
    chance = random.Random(5)
    over = threading.Event()

    def trade() -> None:
        while not over.is_set():
            with suppress(AssertionError):
                runs.take(chance.choice(("bid", "ask")), chance.randint(1, 80), chance.choice((SPOT, PERP)))
            over.wait(0.15)

    customers = threading.Thread(target=trade)
    customers.start()
    try:
        for _ in range(3):
            time.sleep(chance.uniform(0.2, 1.5))
            runs.kill()
            runs.start()
    finally:
        time.sleep(1)
        over.set()
        customers.join()
    eventually(lambda: flat(runs), 20)
    eventually(lambda: all(runs.quotes()))
    time.sleep(1.2)
    said = report(runs.venue.home)
    held = said["names"][SYMBOL]
    assert held["tokens"] == int(runs.tokens() * 10**9)
    assert held["perps"] == {PERP: int(runs.perps() * 10**9)}
    assert said["orders"] == len(runs.account()["orders"]) == 12, "3 prices, 2 sides, 2 markets"
    whole(runs)


# --- fairness ----------------------------------------------------------------------------------------------------------


class Recording(AsyncClient):
    """The usual client; it writes down what it asks, what it is told, and in which order."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.asked, self.told, self.sent, self.streams = [], [], [], []

    async def _send(self, call):
        heard = len(self.told)
        came = await super()._send(call)
        op, account = call.op
        path = (
            call.path.removeprefix("/v1").replace(f"/accounts/{BRIDGE}", "/accounts/{own}").partition("?")[0]
        )
        self.asked.append(("operations", op) if op else ("questions", path))
        assert account in {None, BRIDGE}
        reply = getattr(came, "reply", None)
        if op and reply is not None and reply.ok:
            self.sent.append((heard, op, reply.seq))
        return came

    def _follow(self, make, **options):
        def made(signer):
            feed = make(signer)
            self.streams.append((feed.channel, feed._wanted))
            hear = feed.hear

            def heard(said):
                for item in hear(said):
                    if feed.channel == "prices":
                        self.told.append((item.seq, item.underlying, item.index, item.quality, item.session))
                    yield item

            feed.hear = heard
            return feed

        return super()._follow(made, **options)


def test_it_sees_nothing_earlier_than_anybody_and_asks_for_nothing_that_others_may_not(runs):
    """The bridge's own client and a stranger's stream of prices, side by side, while prices move and the bridge requotes."""
    runs.end()
    home, number_and_secret = runs.venue.home, runs.secrets["bridge"]

    async def both():
        settings = load_settings(home / "bridge.toml")
        async with (
            Recording(runs.venue.base, HmacKey(*number_and_secret), by_socket=True) as own,
            Recording(runs.venue.base) as stranger,
        ):
            seen = asyncio.create_task(_drain(stranger.follow_prices()))
            bridge = Bridge(home, settings, own, BookFile(home / "primary.json"), time.time_ns)
            ready = asyncio.Event()
            running = asyncio.create_task(bridge.run(ready.set))
            await asyncio.wait_for(ready.wait(), 20)
            for cents in range(8):
                middle = f"180.{cents}1"
                runs.primary(f"180.{cents}0", f"180.{cents}2")
                await asyncio.to_thread(runs.say, middle)
                await asyncio.sleep(0.4)
            await asyncio.to_thread(runs.take, "bid", 50)
            await asyncio.sleep(1.5)
            bridge.end()
            await running
            await asyncio.sleep(1)
            seen.cancel()
            return own, stranger

    own, stranger = asyncio.run(both())
    asked = {kind: {what for one, what in own.asked if one == kind} for kind in ASKED}
    assert asked["operations"] == ASKED["operations"] - {"request_redemption"}
    assert asked["questions"] <= ASKED["questions"]
    assert {channel for channel, _ in own.streams} == ASKED["streams"]
    # the same words in the same order as a stranger without a key
    assert len(own.told) > 10
    first = stranger.told.index(own.told[0])
    assert stranger.told[first : first + len(own.told)] == own.told
    # and every command of its own stands in the journal behind everything that it had been told when it sent it
    assert len(own.sent) > 10
    for heard, op, sequence in own.sent:
        told = [one[0] for one in own.told[:heard]]
        assert not told or max(told) < sequence, op


async def _drain(stream) -> None:
    async for _ in stream:
        pass


def test_its_key_may_nothing_more(runs):
    key = runs.keys["bridge"]
    for path in (
        f"/accounts/{CUSTOMER}",
        f"/accounts/{OTHER}/requests",
        "/admin/accounts",
        "/admin/brokers",
        "/admin/listing",
    ):
        assert runs.venue.get(path, key)[0] == 403, path
    for name, account, args in (
        ("post_depth", 0, {"underlying": SYMBOL, "buy": "1", "sell": "1"}),
        (
            "post_price",
            0,
            {
                "underlying": SYMBOL,
                "source": "1",
                "price": "1",
                "price_kind": "quote",
                "venue_time_ns": 1,
                "size": "1",
            },
        ),
        ("deposit", BRIDGE, {"asset": "USDC", "amount": "1", "reference": "9"}),
        ("transfer", BRIDGE, {"to": str(OTHER), "asset": "USDC", "amount": "1"}),
        ("request_issuance", CUSTOMER, {"token": "tAAPL", "amount": 10**9, "reference": "1"}),
    ):
        assert runs.venue.tried(name, account, key, **args)[0] == 403, name
