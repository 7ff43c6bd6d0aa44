"""A private stream across everything that can end: gateway, reader and core killed while orders flow, and not an event is missed or told twice."""

import json
import random
import threading
import time
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from gateways import PERP, Speaker, eventually, running

ACCOUNT = 11
_ENDED = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("resume")) as found:
        found.prices()
        found.open(ACCOUNT, usdc="10000000")
        yield found


@pytest.fixture(autouse=True)
def _fresh(venue):
    venue.prices()


def place(speaker: Speaker, price: int, account: int = ACCOUNT) -> int:
    """The account's number after one more order."""
    args = {"market": PERP, "side": "bid", "price": str(price), "quantity": "0.01"}
    reply = speaker.ask("place_order", args, account)
    assert reply["ok"], reply
    return reply["result"]["events"][-1]["account_seq"]


def paged(venue, after: int, limit: int = 1000) -> list[dict]:
    """All events behind a number, by REST."""
    found: list[dict] = []
    while True:
        status, reply = venue.get(f"/accounts/{ACCOUNT}/events?after={after}&limit={limit}")
        assert status == 200, reply
        if not reply["result"]:
            return found
        found += reply["result"]
        after = found[-1]["account_seq"]


class Follower:
    """A client that follows an account, and connects again whenever it is cut off, from the number it knows."""

    def __init__(self, venue) -> None:
        self._venue = venue
        self.events: list[dict] = []
        self.cuts = 0
        self.refused: list[dict] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    @property
    def last(self) -> int:
        return self.events[-1]["account_seq"] if self.events else 0

    def _run(self) -> None:
        while not self.stop.is_set():
            with suppress(*_ENDED):
                self._follow()
            self.cuts += 1
            time.sleep(0.05)

    def _follow(self) -> None:
        wish = {"channel": "account", "account": str(ACCOUNT), "resume_from": self.last}
        with self._venue.ws(open_timeout=2) as hears:
            reply = hears.ask("subscribe", wish)
            if not reply["ok"]:
                self.refused.append(reply["error"])
                return
            while not self.stop.is_set():
                with suppress(TimeoutError):
                    self.events.append(hears.next("account", 0.2))


class Trader:
    """Orders on and on, through whatever gateway is there."""

    def __init__(self, venue) -> None:
        self._venue = venue
        self.stop = threading.Event()
        self.placed = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.stop.is_set():
            with suppress(*_ENDED, KeyError), self._venue.ws(open_timeout=2) as says:
                while not self.stop.is_set():
                    args = {"market": PERP, "side": "bid", "price": "150", "quantity": "0.01"}
                    reply = says.ask("place_order", args, ACCOUNT, within_s=1)
                    if reply["ok"]:
                        says.ask(
                            "cancel_order", {"order": reply["result"]["order"]["order"]}, ACCOUNT, within_s=1
                        )
                        self.placed += 1
                    else:  # prices grow old
                        with suppress(AssertionError, httpx.HTTPError):
                            self._venue.prices()
            time.sleep(0.05)


def test_whatever_is_killed_the_numbers_go_on_without_a_gap(venue):
    chance = random.Random("kills")
    follower, trader = Follower(venue), Trader(venue)
    try:
        for victim in ("gateway", "reader", "core", "gateway", "core", "reader"):
            placed = trader.placed
            eventually(lambda placed=placed: trader.placed > placed + 3, 30)
            time.sleep(chance.random() / 4)
            venue.kill(victim)
            if victim == "reader":  # nobody can be told what was before meanwhile
                venue.kill("gateway")
                venue.start("reader", "gateway")
            else:
                venue.start(victim)
            if victim == "core":
                eventually(lambda: _resumed(venue), 30)
        placed = trader.placed
        eventually(lambda: trader.placed > placed + 3, 30)
    finally:
        trader.stop.set()
        trader.thread.join(30)
        with suppress(AssertionError):
            everything = paged(venue, 0)
            eventually(lambda: follower.last >= everything[-1]["account_seq"], 20)
        follower.stop.set()
        follower.thread.join(30)
    numbers = [one["account_seq"] for one in follower.events]
    assert numbers == list(range(1, len(numbers) + 1)), "a gap, or one twice"
    assert follower.cuts > 3 and len(numbers) > 40
    assert {one["number"] for one in follower.refused} <= {2055, 2058}, "never out of reach"
    everything = paged(venue, 0)
    assert len(everything) == len(numbers)
    told = [{name: value for name, value in one.items() if name != "channel"} for one in follower.events]
    assert told == everything, "the same by both doors, and before and after"


def _resumed(venue) -> bool:
    with suppress(httpx.HTTPError, ValueError):
        return venue.tried("resume_venue")[0] in {200, 422}
    return False


def test_pages_of_any_length_are_the_same_events(venue):
    with venue.ws() as says:
        for number in range(20):
            place(says, 120 + number)
    venue.again("gateway")
    with venue.ws() as says:
        last = place(says, 140)
    everything = paged(venue, 0)
    assert [one["account_seq"] for one in everything] == list(range(1, last + 1))
    for limit in (1, 7, 100):
        after = max(last - 4 * limit, 0)
        assert paged(venue, after, limit) == everything[after:]


def test_a_ping_after_a_subscription_is_answered_behind_all_that_was_told_before(venue):
    venue.again("gateway")
    with venue.ws() as hears:
        wish = {"channel": "account", "account": "11", "resume_from": 0}
        hears.raw.send(json.dumps({"op": "subscribe", "id": 1, "args": wish}))
        hears.raw.send('{"op": "ping", "id": 2}')
        heard = [hears.hear()]
        while heard[-1].get("id") != 2:
            heard.append(hears.hear())
    numbers = [one["account_seq"] for one in heard[1:-1]]
    assert heard[0]["result"]["account_seq"] == numbers[-1]
    assert numbers == list(range(1, len(numbers) + 1))


def test_who_unsubscribes_while_he_is_told_again_hears_no_more_and_may_begin_anew(venue):
    venue.again("gateway")
    with venue.ws() as hears:
        wish = {"channel": "account", "account": "11", "resume_from": 0}
        for _ in range(5):
            hears.raw.send(json.dumps({"op": "subscribe", "id": 100, "args": wish}))
            assert hears.ask("unsubscribe", {"channel": "account", "account": "11"})["ok"]
        hears.quiet(0.5)
        replies = [one for one in hears.told if one.get("id") == 100]
        assert len(replies) == 5, "each is answered, also where it never began"
        assert {one["error"]["number"] for one in replies if not one["ok"]} <= {2073}
        hears.told.clear()
        with venue.ws() as says:
            place(says, 133)
        hears.quiet(0.5)
        assert not hears.told
        reply = hears.ask("subscribe", wish)
        assert reply["ok"]
        numbers = [hears.next("account")["account_seq"] for _ in range(reply["result"]["account_seq"])]
        assert numbers == list(range(1, len(numbers) + 1))


def test_without_an_event_log_and_read_models_what_is_gone_is_said(venue):
    with venue.ws() as says:
        last = place(says, 131)
    venue.kill("reader")
    venue.start("reader --events-kept 0")
    try:
        venue.again("gateway")
        with venue.ws() as hears:
            wish = {"channel": "account", "account": "11", "resume_from": last - 1}
            reply = hears.ask("subscribe", wish)
            assert reply["error"]["code"] == "resume_must_be_within_reach", reply
            assert venue.get(f"/accounts/11/events?after={last - 1}")[1]["error"]["number"] == 2061
            assert hears.ask("subscribe", {"channel": "account", "account": "11"})["ok"]
    finally:
        venue.kill("reader --events-kept 0")
        venue.start("reader")
        venue.again("gateway")


def test_read_models_tell_what_the_log_does_not_have(venue):
    with venue.ws() as says:
        last = place(says, 132)
    venue.kill("reader")
    venue.start("projector", "reader --events-kept 0")
    try:
        venue.again("gateway")
        everything = paged(venue, 0)
        assert [one["account_seq"] for one in everything] == list(range(1, last + 1))
        with venue.ws() as hears, venue.ws() as says:
            wish = {"channel": "account", "account": "11", "resume_from": 2}
            assert hears.ask("subscribe", wish)["result"]["account_seq"] >= last
            later = place(says, 134)
            numbers = [hears.next("account")["account_seq"] for _ in range(later - 2)]
            assert numbers == list(range(3, later + 1))
    finally:
        venue.kill("projector")
        venue.kill("reader --events-kept 0")
        venue.start("reader")
        venue.again("gateway")
