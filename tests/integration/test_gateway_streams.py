"""What a gateway tells unasked: books that rebuild exactly, private events without a gap, and nobody who slows down another."""

import contextlib
import json
import random
import socket
import threading
import time
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from gateways import PERP, eventually, running

MAKERS = range(11, 14)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("streams")) as found:
        found.prices()
        found.open(*MAKERS, usdc="10000000")
        yield found


@pytest.fixture(autouse=True)
def _fresh(venue):
    venue.prices()
    yield
    for account in MAKERS:
        venue.do("cancel_all", account)


class Rebuilt:
    """A book as a client keeps it, from the documentation alone."""

    def __init__(self):
        self.sides, self.seq, self.epoch, self.checked, self.deltas = {}, 0, "", 0, 0

    def take(self, message):
        if message["type"] == "snapshot":
            self.sides = {side: dict(map(tuple, message[side])) for side in ("bids", "asks")}
        else:
            assert message["prev_seq"] == self.seq, "a message was missed"
            assert message["epoch"] == self.epoch and message["seq"] >= self.seq
            self.deltas += 1
            for side in ("bids", "asks"):
                for price, quantity in message.get(side, ()):
                    if quantity == "0":
                        self.sides[side].pop(price, None)
                    else:
                        self.sides[side][price] = quantity
        self.seq, self.epoch = message["seq"], message["epoch"]
        if message.get("checksum") is not None:
            self.checked += 1
            assert self.checksum() == message["checksum"]
        return self

    def best(self, side):
        return sorted(self.sides[side].items(), key=lambda one: float(one[0]), reverse=side == "bids")

    def checksum(self):
        levels = self.best("bids")[:25] + self.best("asks")[:25]
        return zlib.crc32(":".join(f"{price}:{quantity}" for price, quantity in levels).encode())


def book_of(venue, depth=1000):
    return venue.get(f"/markets/{PERP}/book?depth={depth}")[1]["result"]


def settled(venue, speaker, rebuilt):
    """Takes what comes until the book is as REST shows it; both at the same sequence."""

    def same():
        with contextlib.suppress(TimeoutError):
            while True:
                rebuilt.take(speaker.next("book", 0.1))
        return rebuilt.seq >= book_of(venue)["seq"]

    eventually(same)
    shown = book_of(venue)
    assert rebuilt.best("bids") == [tuple(one) for one in shown["bids"]]
    assert rebuilt.best("asks") == [tuple(one) for one in shown["asks"]]
    assert rebuilt.checksum() == shown["checksum"]


WISH = st.tuples(
    st.sampled_from(MAKERS), st.sampled_from(["bid", "ask"]), st.integers(-12, 12), st.integers(1, 300),
    st.sampled_from(["place", "place", "place", "cancel", "amend"]),
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(wishes=st.lists(WISH, min_size=1, max_size=60), interval=st.sampled_from([0, 0, 30]))
def test_a_book_rebuilds_from_its_deltas(venue, wishes, interval):
    live = []
    with venue.ws() as hears, venue.ws() as says:
        reply = hears.ask("subscribe", {"channel": "book", "market": PERP, "interval_ms": interval})
        assert reply["ok"]
        rebuilt = Rebuilt().take(hears.next("book"))
        for number, (account, side, ticks, lots, what) in enumerate(wishes):
            if what == "place" or not live:
                args = {
                    "market": PERP,
                    "side": side,
                    "price": f"{180 + ticks / 100:.2f}",
                    "quantity": f"{lots / 100:.2f}",
                }
                reply = says.ask("place_order", args, account)
                if reply["ok"] and reply["result"]["order"]["status"] == "open":
                    live.append((account, reply["result"]["order"]["order"]))
            else:
                owner, order = live.pop(number % len(live))
                args = {"order": order} | ({"price": f"{180 + ticks / 100:.2f}"} if what == "amend" else {})
                says.ask("cancel_order" if what == "cancel" else "amend_order", args, owner)
        settled(venue, hears, rebuilt)
        for account in MAKERS:
            says.ask("cancel_all", {}, account)
        settled(venue, hears, rebuilt)
        assert not rebuilt.sides["bids"] and not rebuilt.sides["asks"]


def place(speaker, account, side="bid", price="170", quantity="1", **more):
    reply = speaker.ask(
        "place_order", {"market": PERP, "side": side, "price": price, "quantity": quantity} | more, account
    )
    assert reply["ok"], reply
    return reply


def test_a_newcomer_among_those_who_listen_at_intervals(venue):
    with venue.ws() as one, venue.ws() as other, venue.ws() as says:
        wish = {"channel": "book", "market": PERP, "interval_ms": 200}
        one.ask("subscribe", wish)
        mine = Rebuilt().take(one.next("book"))
        theirs = None
        for number in range(60):
            place(says, 11, price=f"{150 + number * 0.01:.2f}")
            if number == 30:
                other.ask("subscribe", wish)
                theirs = Rebuilt().take(other.next("book"))
        settled(venue, one, mine)
        settled(venue, other, theirs)
        assert mine.deltas < 60


def test_an_interval_holds_back(venue):
    with venue.ws() as hears, venue.ws() as says:
        hears.ask("subscribe", {"channel": "bbo", "market": PERP, "interval_ms": 300})
        hears.next("bbo")
        begun = time.monotonic()
        for number in range(100):
            place(says, 11, price=f"{150 + number * 0.01:.2f}")
        took = time.monotonic() - begun
        hears.quiet(0.7)
        quotes = [one for one in hears.told if one.get("channel") == "bbo"]
        assert 1 <= len(quotes) <= took / 0.3 + 3
        assert quotes[-1]["bid"][0] == "150.99"


def test_checksums_come_by_themselves(venue):
    with venue.ws() as hears, venue.ws() as says:
        hears.ask("subscribe", {"channel": "book", "market": PERP})
        rebuilt = Rebuilt().take(hears.next("book"))
        for number in range(40):
            place(says, 11, price=f"{140 + number * 0.01:.2f}")
        settled(venue, hears, rebuilt)
        assert rebuilt.checked >= 2


def test_a_book_of_some_depth_comes_whole(venue):
    with venue.ws() as hears, venue.ws() as says:
        for price in ("170", "169", "168"):
            place(says, 11, price=price)
        hears.ask("subscribe", {"channel": "book", "market": PERP, "depth": 2})
        # What was acknowledged reaches the books a moment later.
        whole = [["170", "169"], ["171", "170"]]
        while [level[0] for level in hears.next("book")["bids"]] != whole[0]:
            pass
        place(says, 11, price="171")
        while (changed := hears.next("book")) and [level[0] for level in changed["bids"]] != whole[1]:
            assert [level[0] for level in changed["bids"]] == whole[0]
        assert changed["type"] == "snapshot"


def test_trades_and_prices(venue):
    with venue.ws() as hears, venue.ws() as says:
        hears.ask("subscribe", {"channel": "trades", "market": PERP})
        hears.ask("subscribe", {"channel": "prices", "underlying": "NVDA"})
        place(says, 11, price="180")
        taken = place(says, 12, "ask", "180", "0.5")
        while not any(one["seq"] == taken["seq"] for one in hears.next("trades")["trades"]):
            pass
        venue.prices("180.02")
        assert hears.next("prices")["data"]["underlying"] == "NVDA"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"channel": "nope"}, "channel_must_exist"),
        ({"channel": "nope", "market": PERP}, "channel_must_exist"),
        ({"channel": "book"}, "thing_must_exist"),
        ({"channel": "book", "market": "NOPE"}, "thing_must_exist"),
        ({"channel": "prices", "underlying": "NOPE"}, "thing_must_exist"),
        ({"channel": "trades", "market": PERP, "depth": 5}, "fields_must_fit_the_operation"),
        ({"channel": "status", "underlying": "NVDA"}, "fields_must_fit_the_operation"),
        ({"channel": "book", "market": PERP, "depth": -1}, "fields_must_fit_the_operation"),
        ({"channel": "book", "market": PERP, "levels": 1}, "fields_must_fit_the_operation"),
    ],
)
def test_subscriptions_that_can_not_be(venue, args, code):
    with venue.ws() as hears:
        assert hears.ask("subscribe", args)["error"]["code"] == code


def test_many_kinds_of_subscriptions_leave_nothing_behind(venue):
    before = venue.resident_mib()
    with venue.ws() as hears:
        for number in range(1500):  # a hundred a second are heard
            wish = {"channel": "book", "market": PERP, "depth": number % 1000 + 1, "interval_ms": number}
            assert hears.ask("subscribe", wish)["ok"]
            assert hears.ask("unsubscribe", wish)["ok"]
    assert venue.resident_mib() - before < 12


# --- private --------------------------------------------------------------------------------------------------------------


def private(speaker, until):
    found = []
    while not found or found[-1]["account_seq"] < until:
        found.append(speaker.next("account"))
    return found


def test_private_events_are_told_again_without_a_gap(venue):
    with venue.ws() as says, venue.ws() as hears:
        hears.ask("subscribe", {"channel": "account", "account": "11"})
        replies = [place(says, 11, price=f"{150 + n}") for n in range(5)]
        last = replies[-1]["result"]["events"][-1]["account_seq"]
        first = private(hears, last)
    for number in range(5):
        with venue.ws() as says:
            place(says, 11, price=f"{160 + number}")
    with venue.ws() as hears:
        reply = hears.ask("subscribe", {"channel": "account", "account": "11", "resume_from": last})
        assert reply["ok"]
        again = private(hears, reply["result"]["account_seq"])
    numbers = [one["account_seq"] for one in first + again]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "no gap, nothing twice"
    assert {one["account"] for one in first + again} == {"11"}


def test_the_reply_and_the_stream_have_the_same_sequence(venue):
    with venue.ws() as says:
        says.ask("subscribe", {"channel": "account", "account": "11"})
        reply = place(says, 11)
        told = says.next("account")
        assert told["seq"] == reply["seq"]
        assert told["account_seq"] == reply["result"]["events"][0]["account_seq"]


def test_a_gateway_that_began_anew_tells_what_was_before_it(venue):
    with venue.ws() as says:
        placed = [
            place(says, 11, price=f"{150 + n}")["result"]["events"][-1]["account_seq"] for n in range(4)
        ]
    venue.again("gateway")
    with venue.ws() as hears, venue.ws() as says:
        reply = hears.ask("subscribe", {"channel": "account", "account": "11", "resume_from": placed[0]})
        assert reply["result"]["account_seq"] >= placed[-1]
        after = place(says, 11, price="149")["result"]["events"][-1]["account_seq"]
        numbers = [one["account_seq"] for one in private(hears, after)]
        assert numbers == list(range(placed[0] + 1, after + 1))


def test_a_number_the_account_never_had_is_refused_instead_of_hearing_nothing(venue):
    with venue.ws() as hears:
        wish = {"channel": "account", "account": "11", "resume_from": 10**9}
        reply = hears.ask("subscribe", wish)
        assert reply["error"]["code"] == "resume_must_be_within_reach", reply
        assert hears.ask("subscribe", {"channel": "account", "account": "11"})["ok"]


# --- who does not keep up ------------------------------------------------------------------------------------------------


def test_who_does_not_read_is_cut_off_and_slows_down_nobody(venue):
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", venue.port + 1))
    raw.sendall(
        f"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )

    def frame(text):
        data = json.dumps(text).encode()
        assert len(data) < 126
        return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data

    before, latencies, stop = venue.resident_mib(), [], threading.Event()

    def trades():
        with venue.ws() as says:
            number = 0
            while not stop.is_set():
                begun = time.perf_counter()
                place(says, 11, price=f"{150 + number % 50 * 0.01:.2f}", time_in_force="ioc")
                latencies.append(time.perf_counter() - begun)
                number += 1

    thread = threading.Thread(target=trades)
    with raw:
        raw.recv(4096)
        for number in range(40):
            place_many = {
                "op": "subscribe",
                "args": {"channel": "book", "market": PERP, "depth": 1000 - number},
            }
            raw.sendall(frame(place_many))
        with venue.ws() as says:
            for number in range(60):
                place(says, 12, price=f"{140 + number * 0.01:.2f}", quantity="0.01")
            thread.start()
            for _ in range(150):
                place(says, 13, price="139", quantity="0.01")
                assert says.ask("cancel_all", {}, 13)["ok"]
        stop.set()
        thread.join()
        raw.settimeout(0.05)
        ended = False
        end = time.monotonic() + 10
        while not ended and time.monotonic() < end:
            try:
                ended = raw.recv(1 << 20) == b""
            except ConnectionError:
                ended = True
            except TimeoutError:
                continue
        assert ended, "who left megabytes unread is still connected"
    assert latencies
    assert sorted(latencies)[len(latencies) * 9 // 10] < 0.5
    assert venue.resident_mib() - before < 64


def closed(speaker):
    """Whether the gateway ended the connection, whatever came before."""
    try:
        while True:
            speaker.hear(5)
    except ConnectionClosed:
        return True
    except TimeoutError:
        return False


# --- what happens to the venue --------------------------------------------------------------------------------------------


def test_books_and_private_streams_when_the_core_is_killed(venue):
    with venue.ws() as hears, venue.ws() as listens, venue.ws() as says:
        hears.ask("subscribe", {"channel": "book", "market": PERP})
        listens.ask("subscribe", {"channel": "account", "account": "11"})
        rebuilt = Rebuilt().take(hears.next("book"))
        for number in range(20):
            place(says, 11, price=f"{150 + random.randrange(900) / 100:.2f}", client_id=f"k{number}")
        settled(venue, hears, rebuilt)
        venue.kill("core")
        venue.start("core")
        eventually(lambda: venue.get("/status")[1]["result"]["takes_commands"])
        venue.do("resume_venue")
        venue.prices()
        again = Rebuilt()
        while (message := hears.next("book"))["type"] != "snapshot":
            pass
        again.take(message)
        settled(venue, hears, again)
        place(says, 11, price="171")
        settled(venue, hears, again)
        assert again.best("bids")[0] == ("171", "1")
        assert closed(listens), "events may have been missed: it is to read the account anew"


def test_a_book_shows_what_was_acknowledged_before_it_was_asked_for(venue):
    with venue.ws() as says:
        for ticks in range(40):
            price = f"{150 + ticks / 100:.2f}".rstrip("0").rstrip(".")
            place(says, 11, price=price)
            assert price in [level[0] for level in book_of(venue)["bids"]]
        says.ask("cancel_all", account=11)
