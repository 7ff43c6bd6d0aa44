"""Following a book order by order: nothing is lost or heard twice between a question and its answer, and nobody is followed for ever."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from novate.core_process.wire import Answered
from novate.gateway.book_orders import CHANNEL, LINGER_S, BookOrders
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.streams import Topic
from novate.messages import CancelOrder, Command, OrderPlaced, PlaceOrder, Side, encode, iter_events
from novate.messages.reports import orders
from novate.messages.reports.orders import RestingOrders
from novate.schema.catalogue import Catalogue
from venues import PERP, open_plain_venue

MARKET = PERP[0].market
TOPIC = Topic(CHANNEL, PERP[0].name)
NOT_NOW = GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE)


class Ear:
    """Whoever listens, and the book that he has."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.keeps_up = True

    def tell(self, message: bytes) -> bool:
        self.heard.append(json.loads(message))
        return self.keeps_up

    def cut_off(self, why: str) -> None:
        raise AssertionError(why)

    def bids(self) -> list[str]:
        """Ids; every order here has a price of its own time, so that arrival is the order of trading."""
        found: list[str] = []
        for one in self.heard:
            if one["type"] == "snapshot":
                found = [order for order, _, _ in one["bids"]]
                seq = one["seq"]
                continue
            assert one["prev_seq"] == seq
            seq = one["seq"]
            for change in one["changes"]:
                if change["change"] == "added":
                    found.append(change["order"])
                elif change["change"] == "removed":
                    found.remove(change["order"])
        return found


class Gateway:
    """A venue whose frames are heard, and whose whole books are answered, when the test says."""

    def __init__(self) -> None:
        self.venue = open_plain_venue({1: 1})
        catalogue = Catalogue.of(self.venue.engine)
        self.works: list[Callable[[], Awaitable[Any]]] = []
        self.asked = 0
        self.meanwhile: Callable[[], RestingOrders] = self.now
        """What happens while a question is out, and its answer."""
        self.books = BookOrders("test", lambda: catalogue, self._whole, self.works.append)

    async def _whole(self, market: int) -> RestingOrders:
        assert market == MARKET
        self.asked += 1
        return self.meanwhile()

    def now(self) -> RestingOrders:
        return orders.resting(self.venue.engine, MARKET)

    def do(self, command: Command) -> str:
        """One command, and its frame; the id of the order that it placed."""
        engine = self.venue.engine
        raw = engine.apply(
            encode(command, account=1, sequence=engine.sequence + 1, time_ns=self.venue.time_ns)
        )
        self.books.feed(Answered(None, engine.sequence, 1, self.venue.time_ns, raw))
        return next((str(e.body.order) for e in iter_events(raw) if isinstance(e.body, OrderPlaced)), "")

    def place(self) -> str:
        return self.do(PlaceOrder(market=MARKET, side=Side.BID, price=9_900, lots=100))

    def cancel(self, order: str) -> None:
        self.do(CancelOrder(order=int(order)))

    def work(self) -> None:
        """Does what was left for later, once; a refusal leaves it for later again, as the gateway does."""
        works, self.works[:] = list(self.works), []
        for work in works:
            try:
                asyncio.run(work())  # type: ignore[arg-type]
            except GatewayRefused:
                self.works.append(work)

    def bids(self) -> list[str]:
        return [str(one.order) for one in self.now().orders]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_what_happens_while_the_question_is_out_is_heard_once(gateway: Gateway) -> None:
    before, ear = gateway.place(), Ear()
    gateway.books.join(TOPIC, ear)
    unheard = gateway.place()

    def meanwhile() -> RestingOrders:
        within = gateway.place()
        answer = gateway.now()
        gateway.cancel(before)
        gateway.place()
        assert str(answer.orders[-1].order) == within
        return answer

    gateway.meanwhile = meanwhile
    gateway.work()
    assert [one["type"] for one in ear.heard] == ["snapshot"]
    assert ear.bids() == gateway.bids()
    assert unheard in ear.bids() and before not in ear.bids()
    gateway.cancel(unheard)
    gateway.place()
    assert [one["type"] for one in ear.heard] == ["snapshot", "delta", "delta"]
    assert ear.bids() == gateway.bids()


def test_a_refused_question_is_asked_again_and_begins_anew(gateway: Gateway) -> None:
    ear = Ear()

    def not_now() -> RestingOrders:
        gateway.place()
        raise NOT_NOW

    gateway.meanwhile = not_now
    gateway.books.join(TOPIC, ear)
    gateway.work()
    gateway.work()
    assert not ear.heard and gateway.asked == 2
    gateway.meanwhile = gateway.now
    gateway.work()
    assert ear.bids() == gateway.bids() and len(ear.bids()) == 2


def test_an_answer_from_before_a_gap_is_not_taken(gateway: Gateway) -> None:
    ear = Ear()

    def gap() -> RestingOrders:
        answer = gateway.now()
        gateway.venue.must(PlaceOrder(market=MARKET, side=Side.BID, price=9_900, lots=1), 1)  # not heard
        gateway.books.missed()
        return answer

    gateway.place()
    gateway.meanwhile = gap
    gateway.books.join(TOPIC, ear)
    gateway.work()
    assert not ear.heard
    gateway.meanwhile = gateway.now
    gateway.work()
    assert ear.bids() == gateway.bids() and len(ear.bids()) == 2


def test_after_a_gap_the_book_comes_whole(gateway: Gateway) -> None:
    ear = Ear()
    gateway.books.join(TOPIC, ear)
    gateway.work()
    gateway.venue.must(PlaceOrder(market=MARKET, side=Side.BID, price=9_900, lots=1), 1)  # not heard
    gateway.books.missed()
    gateway.place()
    gateway.work()
    assert [one["type"] for one in ear.heard] == ["snapshot", "snapshot"]
    assert ear.bids() == gateway.bids() and len(ear.bids()) == 2


def test_who_comes_later_is_told_at_once_and_without_a_question(gateway: Gateway) -> None:
    one, other = Ear(), Ear()
    gateway.books.join(TOPIC, one)
    gateway.work()
    gateway.place()
    gateway.books.join(TOPIC, other)
    assert other.bids() == one.bids() == gateway.bids()
    gateway.place()
    assert other.bids() == one.bids() == gateway.bids()
    assert gateway.asked == 1


def test_who_leaves_hears_no_more_and_who_does_not_keep_up_is_out(gateway: Gateway) -> None:
    leaves, slow, stays = Ear(), Ear(), Ear()
    for ear in (leaves, slow, stays):
        gateway.books.join(TOPIC, ear)
    gateway.work()
    slow.keeps_up = False
    gateway.books.leave(TOPIC, leaves)
    gateway.place()
    gateway.place()
    assert [len(ear.heard) for ear in (leaves, slow, stays)] == [1, 2, 3]


def test_a_market_is_followed_for_a_while_after_the_last_listener(gateway: Gateway) -> None:
    ear, begun = Ear(), time.monotonic()
    gateway.books.join(TOPIC, ear)
    gateway.work()
    gateway.books.tick(begun + 1_000)
    gateway.books.leave(TOPIC, ear)
    gateway.books.tick(begun + 1_000 + LINGER_S - 1)
    again = Ear()
    gateway.place()
    gateway.books.join(TOPIC, again)
    assert (again.bids(), gateway.asked) == (gateway.bids(), 1)
    gateway.books.leave(TOPIC, again)
    gateway.books.tick(begun + 2_000 + 2 * LINGER_S)
    gateway.books.join(TOPIC, again)
    gateway.work()
    assert gateway.asked == 2
    assert again.bids() == gateway.bids()


def test_there_must_be_such_a_market(gateway: Gateway) -> None:
    for name in ("", "NONE"):
        with pytest.raises(GatewayRefused):
            gateway.books.check(Topic(CHANNEL, name))
    gateway.books.leave(Topic(CHANNEL, "NONE"), Ear())
