"""A book order by order is the same for everybody: as the engine lists it, as a gateway follows it, and as a client keeps it.

Random streams of orders, amendments, cancellations, triggers and auctions. After every few commands the gateway's book, which heard events
alone, and the client's, which heard the gateway's messages alone, must equal the engine's own list, order by order.

SEEDS streams of COMMANDS commands on each market; NOVATE_LONG=1 runs twenty times as many streams.
"""

import os
from collections import Counter
from decimal import Decimal
from random import Random

import msgspec
import pytest

from novate.client.book_orders import BookOrders
from novate.client.books import Missed
from novate.gateway.book_orders import OrderBook
from novate.messages import (
    AmendOrder,
    BookChanged,
    CancelAll,
    CancelOrder,
    Flags,
    ListMarket,
    MarketPhase,
    OrderAmended,
    OrderCancelled,
    OrderDecremented,
    OrderFilled,
    OrderKind,
    OrderPlaced,
    PlaceOrder,
    PlaceOrderFull,
    SelfTradeMode,
    SetMarketPhase,
    Side,
    TimeInForce,
    TriggerKind,
)
from novate.messages.reports import orders
from novate.schema.catalogue import Catalogue
from venues import PERP, SPOT, open_plain_venue

SEEDS = 3 * (20 if os.environ.get("NOVATE_LONG") else 1)
COMMANDS = 600
INDEX = 10_000
OWNERS = {1: 1, 2: 1, 3: 2, 4: 3}
HEARD = (OrderPlaced, OrderFilled, OrderCancelled, OrderAmended, OrderDecremented, BookChanged)
seen: Counter[str] = Counter()


class Told:
    """A venue, what a gateway makes of its events, and a client of that."""

    def __init__(self, market: ListMarket) -> None:
        self.venue, self.market = open_plain_venue(OWNERS), market.market
        self.book = OrderBook(Catalogue.of(self.venue.engine).markets[self.market], "test")
        self.book.put(self.whole())
        self.client = BookOrders(market.name)
        self.client.hear(msgspec.json.encode(self.book.snapshot()))
        self.told_seq = self.book.seq
        self.account: dict[int, int] = {}

    def whole(self) -> orders.RestingOrders:
        return orders.resting(self.venue.engine, self.market, limit=orders.PAGE)

    def send(self, command, account: int = 0) -> None:
        for event in self.venue.send(command, account):
            if isinstance(event.body, OrderPlaced):
                self.account[event.body.order] = account
            if isinstance(event.body, HEARD) and event.body.market == self.market:
                self.book.hear(event.body, event.header.sequence, event.header.time_ns)

    def tell(self, *, checked: bool) -> None:
        """The gateway's next message, to the client."""
        if not self.book.changes:
            return
        seen.update(one.change for one in self.book.changes)
        seen["by trade"] += sum(one.trade is not None for one in self.book.changes)
        delta = self.book.delta(self.told_seq, checked=checked)
        self.told_seq = delta.seq
        self.client.hear(msgspec.json.encode(delta))

    def compare(self) -> None:
        listed, whole = self.book.market, self.whole()
        sides = [
            [
                (
                    str(one.order),
                    Decimal(listed.price.text(one.price)),
                    Decimal(listed.quantity.text(one.lots)),
                )
                for one in whole.orders
                if one.side == side
            ]
            for side in Side
        ]
        assert [self.client.bids(), self.client.asks()] == sides
        assert len(self.client) == whole.resting
        assert self.book.checksum() == self.client.checksum()
        afresh = OrderBook(listed, "test")
        afresh.put(whole)
        mine, theirs = self.book.snapshot(), afresh.snapshot()
        assert (mine.bids, mine.asks, mine.checksum) == (theirs.bids, theirs.asks, theirs.checksum)


def step(told: Told, random: Random) -> None:
    """One random command."""
    resting = told.whole().orders
    dice, account = random.random(), random.choice(list(OWNERS))
    price, lots = INDEX + random.randint(-6, 6), random.randint(1, 40)
    if dice < 0.15 and resting:
        one = random.choice(resting)
        told.send(CancelOrder(order=one.order), told.account[one.order])
    elif dice < 0.35 and resting:
        one = random.choice(resting)
        amended = AmendOrder(
            order=one.order,
            price=random.choice((0, one.price, price)),
            lots=random.choice((0, lots, max(one.lots - 1, 1))),
        )
        told.send(amended, told.account[one.order])
    elif dice < 0.37:
        told.send(CancelAll(market=told.market), account)
    elif dice < 0.41 and told.market == PERP[0].market:
        # It waits: nobody but its owner is to hear of it.
        wish = PlaceOrderFull(
            market=told.market, side=Side.BID, price=INDEX, lots=lots, trigger=TriggerKind.STOP, trigger_price=INDEX + 500,
            flags=Flags.REDUCE_ONLY,
        )  # fmt: skip
        told.send(wish, account)
    else:
        rests = random.random() < 0.8
        wish = {
            "market": told.market, "side": random.choice(list(Side)), "price": price, "lots": lots,
            "kind": OrderKind.LIMIT if rests else random.choice(list(OrderKind)),
            "time_in_force": TimeInForce.GTC if rests else random.choice((TimeInForce.IOC, TimeInForce.FOK)),
        }  # fmt: skip
        if random.random() < 0.5:
            told.send(PlaceOrder(**wish), account)
        else:
            told.send(PlaceOrderFull(**wish, self_trade=random.choice(list(SelfTradeMode))), account)


@pytest.mark.parametrize("market", [*PERP, *SPOT], ids=lambda market: market.name)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_engine_gateway_and_client_have_the_same_orders(seed: int, market: ListMarket) -> None:
    told, random = Told(market), Random(seed)
    for number in range(COMMANDS):
        step(told, random)
        if number % 60 == 30:
            told.send(SetMarketPhase(market=told.market, phase=MarketPhase.CALL))
        if number % 60 == 50:
            told.send(SetMarketPhase(market=told.market, phase=MarketPhase.OPEN))
        if random.random() < 0.6:
            told.tell(checked=random.random() < 0.2)
        if number % 20 == 0:
            told.tell(checked=True)
            told.compare()
    told.tell(checked=True)
    told.compare()


def test_the_streams_reached_every_change() -> None:
    """Runs after the streams, which it needs."""
    assert min(seen[what] for what in ("added", "reduced", "moved", "removed", "by trade")) > 100, seen


def test_a_message_that_was_missed_is_noticed() -> None:
    told = Told(PERP[0])
    told.send(PlaceOrder(market=told.market, side=Side.BID, price=9_990, lots=5), 1)
    told.book.delta(told.told_seq, checked=False)
    told.send(PlaceOrder(market=told.market, side=Side.BID, price=9_990, lots=6), 1)
    late = msgspec.json.encode(told.book.delta(told.book.seq - 1, checked=True))
    with pytest.raises(Missed, match="follows"):
        told.client.hear(late)
    assert not told.client.ready
    told.client.hear(msgspec.json.encode(told.book.snapshot()))
    told.compare()


@pytest.mark.parametrize(
    "change",
    [
        {"change": "reduced", "order": "1", "quantity": "1"},
        {"change": "removed", "order": "1"},
        {"change": "moved", "order": "1", "side": "bid", "price": "1", "quantity": "1"},
        {"change": "swapped", "order": "1"},
    ],
)
def test_a_change_of_an_order_that_is_not_known_is_noticed(change: dict[str, str]) -> None:
    told = Told(PERP[0])
    message = {
        "type": "delta", "channel": "book_orders", "market": "PERP", "epoch": "test", "prev_seq": told.told_seq,
        "seq": told.told_seq + 1, "ts_ns": 0, "changes": [change],
    }  # fmt: skip
    with pytest.raises(Missed, match=change["change"]):
        told.client.hear(msgspec.json.encode(message))


def test_where_an_order_stands_in_its_queue() -> None:
    told = Told(PERP[0])
    for account, lots in ((1, 100), (3, 250), (4, 50)):
        told.send(PlaceOrder(market=told.market, side=Side.BID, price=9_990, lots=lots), account)
    told.tell(checked=True)
    first, second, third = (one.order for one in told.client.bids())
    assert [told.client.ahead(one) for one in (first, second, third)] == [0, 1, Decimal("3.5")]
    told.send(AmendOrder(order=int(first), lots=20), 1)
    told.tell(checked=True)
    assert told.client.ahead(third) == Decimal("2.7")
    told.send(
        AmendOrder(order=int(first), lots=30), 1
    )  # larger: it is behind the others now, under the same id
    told.tell(checked=True)
    assert [one.order for one in told.client.bids()] == [second, third, first]
    assert told.client.ahead("12345") is None
