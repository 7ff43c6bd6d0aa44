"""Books order by order over real processes: they rebuild exactly from what is told, and say nothing that is not for everybody."""

import contextlib
import json
import random
import zlib

import pytest

from gateways import PERP, eventually, running
from novate.client import Client

MAKERS = range(11, 14)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("book_orders")) as found:
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
    """A book as a client keeps it, from the documentation alone: a list of orders a side, first to trade in front."""

    def __init__(self):
        self.sides, self.seq, self.epoch, self.checked, self.changes = {}, 0, "", 0, []

    def take(self, message):
        if message["type"] == "snapshot":
            self.sides = {
                "bid": [tuple(one) for one in message["bids"]],
                "ask": [tuple(one) for one in message["asks"]],
            }
        else:
            assert message["prev_seq"] == self.seq, "a message was missed"
            assert message["epoch"] == self.epoch and message["seq"] > self.seq
            assert message["changes"]
            for one in message["changes"]:
                self.change(one)
        self.seq, self.epoch = message["seq"], message["epoch"]
        if message.get("checksum") is not None:
            self.checked += 1
            first = self.best("bid")[:25] + self.best("ask")[:25]
            assert zlib.crc32(":".join(":".join(one) for one in first).encode()) == message["checksum"]
        return self

    def change(self, one):
        self.changes.append(one)
        for side, orders in self.sides.items():
            for at, (order, price, _) in enumerate(orders):
                if order == one["order"]:
                    assert one["change"] != "added"
                    del orders[at]
                    if one["change"] == "reduced":
                        orders.insert(at, (order, price, one["quantity"]))
                    if one["change"] == "moved":
                        assert one["side"] == side
                        orders.append((order, one["price"], one["quantity"]))
                    return
        assert one["change"] == "added"
        self.sides[one["side"]].append((one["order"], one["price"], one["quantity"]))

    def best(self, side):
        """A stable sort: at one price the order of arrival stays."""
        return sorted(self.sides[side], key=lambda one: float(one[1]), reverse=side == "bid")


def whole(venue):
    status, reply = venue.get(f"/markets/{PERP}/book/orders")
    assert status == 200, reply
    assert reply["seq"] == reply["result"]["seq"]
    return reply["result"]


def subscribed(speaker):
    reply = speaker.ask("subscribe", {"channel": "book_orders", "market": PERP})
    assert reply["ok"], reply
    return Rebuilt().take(speaker.next("book_orders"))


def settled(venue, speaker, rebuilt):
    """Takes what comes until the book is as REST shows it."""

    def same():
        with contextlib.suppress(TimeoutError):
            while True:
                rebuilt.take(speaker.next("book_orders", 0.1))
        shown = whole(venue)
        return (rebuilt.best("bid"), rebuilt.best("ask")) == tuple(
            [tuple(one) for one in shown[side]] for side in ("bids", "asks")
        )

    eventually(same)


def place(speaker, account, side="bid", price="170", quantity="1", **more):
    args = {"market": PERP, "side": side, "price": price, "quantity": quantity} | more
    reply = speaker.ask("place_order", args, account)
    assert reply["ok"], reply
    return reply["result"]["order"]["order"]


@pytest.mark.parametrize("seed", range(4))
def test_a_book_rebuilds_order_by_order(venue, seed):
    random_ = random.Random(seed)
    live = []
    with venue.ws() as hears, venue.ws() as says:
        rebuilt = subscribed(hears)
        for _ in range(120):
            account, what = random_.choice(MAKERS), random_.random()
            price = f"{180 + random_.randint(-8, 8) / 100:.2f}"
            quantity = f"{random_.randint(1, 300) / 100:.2f}"
            if what < 0.6 or not live:
                args = {
                    "market": PERP,
                    "side": random_.choice(("bid", "ask")),
                    "price": price,
                    "quantity": quantity,
                }
                reply = says.ask("place_order", args, account)
                if reply["ok"] and reply["result"]["order"]["status"] == "open":
                    live.append((account, reply["result"]["order"]["order"]))
            else:
                owner, order = random_.choice(live)
                more = random_.choice(({"price": price}, {"quantity": quantity}))
                says.ask(
                    *(
                        ("cancel_order", {"order": order})
                        if what < 0.75
                        else ("amend_order", {"order": order} | more)
                    ),
                    owner,
                )
        settled(venue, hears, rebuilt)
        assert {one["change"] for one in rebuilt.changes} == {"added", "reduced", "moved", "removed"}
        assert rebuilt.checked >= 2
        levels = venue.get(f"/markets/{PERP}/book?depth=1000")[1]["result"]
        for side, name in (("bid", "bids"), ("ask", "asks")):
            sums = {}
            for _, price, quantity in rebuilt.best(side):
                sums[price] = sums.get(price, 0) + round(float(quantity) * 100)
            assert sums == {price: round(float(quantity) * 100) for price, quantity in levels[name]}
        for account in MAKERS:
            says.ask("cancel_all", {}, account)
        settled(venue, hears, rebuilt)
        assert not any(rebuilt.sides.values())


def test_an_order_keeps_its_id_and_says_how_it_changed(venue):
    with venue.ws() as hears, venue.ws() as says, venue.ws() as trades:
        rebuilt = subscribed(hears)
        first, second = place(says, 11, quantity="2"), place(says, 12, quantity="3")
        says.ask("amend_order", {"order": first, "quantity": "1.5"}, 11)
        says.ask("amend_order", {"order": first, "quantity": "4"}, 11)
        says.ask("amend_order", {"order": first, "price": "171"}, 11)
        trades.ask("subscribe", {"channel": "trades", "market": PERP})
        taken = says.ask("place_order", {"market": PERP, "side": "ask", "price": "171", "quantity": "1"}, 13)
        assert taken["ok"]
        says.ask("cancel_order", {"order": second}, 12)
        settled(venue, hears, rebuilt)
        while not (traded := [one for one in trades.next("trades")["trades"] if one["seq"] == taken["seq"]]):
            pass
        mine = [
            {k: v for k, v in one.items() if k != "order"} for one in rebuilt.changes if one["order"] == first
        ]
        assert mine == [
            {"change": "added", "side": "bid", "price": "170", "quantity": "2"},
            {"change": "reduced", "quantity": "1.5"},
            {"change": "moved", "side": "bid", "price": "170", "quantity": "4"},
            {"change": "moved", "side": "bid", "price": "171", "quantity": "4"},
            {"change": "reduced", "quantity": "3", "trade": traded[0]["trade"]},
        ]
        theirs = [one["change"] for one in rebuilt.changes if one["order"] == second]
        assert theirs == ["added", "removed"]


def test_nobody_learns_whose_an_order_is_or_what_waits(venue):
    with venue.ws() as hears, venue.ws() as says:
        rebuilt = subscribed(hears)
        order = place(says, 11, client_id="mine-alone")
        stop = {"market": PERP, "side": "bid", "kind": "limit", "time_in_force": "gtc", "price": "200", "quantity": "1",
                "trigger": "stop", "trigger_price": "195", "trigger_market": PERP}  # fmt: skip
        waits = says.ask("place_order_full", stop, 11)
        settled(venue, hears, rebuilt)
        shown = json.dumps(whole(venue)) + json.dumps(rebuilt.changes)
        assert order in shown
        assert (
            "mine-alone" not in shown
            and '"11"' not in shown
            and "account" not in shown
            and "client" not in shown
        )
        if waits["ok"]:
            assert waits["result"]["order"]["order"] not in shown
        assert {len(one) for one in whole(venue)["bids"]} == {3}


def test_a_newcomer_begins_where_the_others_are(venue):
    with venue.ws() as one, venue.ws() as other, venue.ws() as says:
        mine = subscribed(one)
        for number in range(30):
            place(says, 11, price=f"{150 + number * 0.01:.2f}")
        theirs = subscribed(other)
        for number in range(30):
            place(says, 12, "ask", price=f"{190 + number * 0.01:.2f}")
        settled(venue, one, mine)
        settled(venue, other, theirs)
        assert [mine.best(side) for side in mine.sides] == [theirs.best(side) for side in theirs.sides]
        other.ask("unsubscribe", {"channel": "book_orders", "market": PERP})
        place(says, 11)
        settled(venue, one, mine)
        other.quiet(0.3)
        assert not [m for m in other.told if m.get("channel") == "book_orders" and m["seq"] > theirs.seq]


def test_after_the_reader_and_the_core_were_gone_the_book_comes_whole(venue):
    with venue.ws() as hears, venue.ws() as says:
        rebuilt = subscribed(hears)
        order = place(says, 11)
        settled(venue, hears, rebuilt)
        venue.kill("core")
        eventually(lambda: not venue.get("/status")[1]["result"]["takes_commands"])
        venue.start("core")
        eventually(lambda: venue.get("/status")[1]["result"]["takes_commands"])
        venue.do("resume_venue")
        venue.prices()
        with venue.ws() as again:
            place(again, 12, price="171")
        venue.again("reader")
        settled(venue, hears, rebuilt)
        assert order in {one[0] for one in rebuilt.sides["bid"]}
        fresh = subscribed(hears)
        assert fresh.sides == {side: rebuilt.best(side) for side in ("bid", "ask")}


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"market": "NONE"}, "market"),
        ({}, "market"),
        ({"market": PERP, "depth": 5}, "depth"),
        ({"market": PERP, "interval_ms": 5}, "interval_ms"),
    ],
)
def test_a_subscription_that_does_not_fit_is_refused(venue, wish, field):
    with venue.ws() as speaker:
        reply = speaker.ask("subscribe", {"channel": "book_orders"} | wish)
        assert not reply["ok"] and reply["error"]["field"] == field
    assert venue.get("/markets/NONE/book/orders")[0] == 404
    assert venue.get(f"/markets/{PERP}/book/orders?depth=5")[0] == 400


def test_the_client_keeps_it(venue):
    with Client(venue.base) as client, client.follow_book_orders(PERP) as books:
        book = next(books)
        ahead = client.place(12, PERP, "bid", "2.5", "170")
        mine = client.place(11, PERP, "bid", 1, "170")
        while book.ahead(mine.order) is None:
            next(books)
        assert book.ahead(mine.order) == ahead.quantity
        assert [one.order for one in book.bids(2)] == [ahead.order, mine.order]
        shown = client.book_orders(PERP)
        assert (shown.bids(), shown.asks(), len(shown)) == (book.bids(), book.asks(), len(book))
        client.cancel(ahead)
        while book.ahead(mine.order):
            next(books)
        assert book.changes[-1].change == "removed"
