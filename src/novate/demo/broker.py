"""The simulated broker of the demo: answers orders for shares with reports, at the price that is being replayed.

Responsible for: acceptance, fills in parts, settlement on the next trading day, delivery, and the depth that is posted. A stand-in
for a broker's line and nothing else: it knows no account and no margin, and every report is a command that a keeper sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Final

from novate.calendar import new_york_date, new_york_ns, trading_days
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import BROKER_KEEPER, Signed
from novate.messages import (
    BrokerOrderRaised,
    DeliverRequest,
    Event,
    EventMessage,
    PostDepth,
    ReportBrokerAccepted,
    ReportBrokerFill,
    ReportSettlement,
    RequestStateChanged,
    Session,
    Side,
)
from novate.messages.codes import RequestState

WATCHED: Final = (BrokerOrderRaised, RequestStateChanged)
SECOND: Final = 1_000_000_000
DEPTH_NS: Final = 30 * SECOND
DEPTH_MICRO: Final = 2_000_000_000_000
"""Stated dollars at the primary market's best prices, each way."""
WAITS_NS: Final = 30 * SECOND
"""Between acceptance and a fill, and between two fills."""
PARTS_PPM: Final = (600_000, 1_000_000)
"""How much of an order each of its fills completes, of what is left."""
SETTLES: Final = time(9)
"""New York time on the next trading day at which executions settle."""
NANO: Final = 1_000_000_000


@dataclass(slots=True)
class Order:
    """What an order has left, and when its next report is due; `step` 0 before its acceptance."""

    raised: BrokerOrderRaised
    next_ns: int
    step: int = 0
    dollars: int = 0
    shares: int = 0


@dataclass(slots=True)
class Broker:
    """One broker with its line up."""

    listing: Listing
    orders: list[Order] = field(default_factory=list)
    _posted: dict[int, int] = field(default_factory=dict)
    _executions: list[tuple[int, int, bytes]] = field(default_factory=list)
    """(time it settles, broker, id) of what has not settled."""
    _count: int = 0
    _settled: list[int] = field(default_factory=list)
    """Requests that have settled and are not delivered."""

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes an order in, and notes requests that have settled."""
        body = event.body
        if isinstance(body, BrokerOrderRaised):
            order = Order(body, event.header.time_ns + SECOND, dollars=body.dollars, shares=body.shares)
            self.orders.append(order)
        elif isinstance(body, RequestStateChanged) and body.after == RequestState.SETTLED:
            self._settled.append(body.request)

    def act(self, market: Market) -> Iterator[Signed]:
        """Depth, reports on open orders, settlements and deliveries that are due."""
        for command in (*self._depth(market), *self._reports(market), *self._settlements(market.time_ns)):
            yield Signed(BROKER_KEEPER, command)

    def after_frame(self, time_ns: int) -> None:
        """Asks nothing."""
        del time_ns

    def _depth(self, market: Market) -> Iterator[PostDepth]:
        for token in self.listing.issuance:
            number = self.listing.underlying[self.listing.underlying_of_asset[token]]
            if self._trades(number, market) and market.time_ns - self._posted.get(number, 0) >= DEPTH_NS:
                self._posted[number] = market.time_ns
                yield PostDepth(underlying=number, buy=DEPTH_MICRO, sell=DEPTH_MICRO)

    def _trades(self, underlying: int, market: Market) -> bool:
        return market.session.get(underlying) == Session.REGULAR and market.is_live(underlying)

    def _reports(self, market: Market) -> Iterator[ReportBrokerAccepted | ReportBrokerFill]:
        for order in list(self.orders):
            raised = order.raised
            if market.time_ns < order.next_ns or not self._trades(raised.underlying, market):
                continue
            order.next_ns = market.time_ns + WAITS_NS
            order.step += 1
            if order.step == 1:
                yield ReportBrokerAccepted(order=raised.order)
                continue
            yield self._fill(order, market.index[raised.underlying], market.time_ns)
            if order.step > len(PARTS_PPM):
                self.orders.remove(order)

    def _fill(self, order: Order, price: int, time_ns: int) -> ReportBrokerFill:
        """A part of what is left, at the replayed price: of the dollars of a purchase, of the shares of a sale."""
        raised, part = order.raised, PARTS_PPM[order.step - 2]
        buys = raised.side == Side.BID
        left = order.dollars * NANO // price if buys else order.shares
        shares = left * part // 1_000_000
        if buys:
            order.dollars -= -(-shares * price // NANO)
        order.shares = max(order.shares - shares, 0)
        self._count += 1
        execution = self._count.to_bytes(16, "big")
        settles = next_settlement(time_ns)
        self._executions.append((settles, raised.broker, execution))
        return ReportBrokerFill(
            order=raised.order,
            execution=execution,
            underlying=raised.underlying,
            side=raised.side,
            complete=int(order.step > len(PARTS_PPM)),
            shares=shares,
            price=price,
            fee=0,
            settle_time_ns=settles,
        )

    def _settlements(self, time_ns: int) -> Iterator[ReportSettlement | DeliverRequest]:
        due = [item for item in self._executions if item[0] <= time_ns]
        self._executions = [item for item in self._executions if item[0] > time_ns]
        for _, broker, execution in due:
            yield ReportSettlement(broker=broker, settled=1, execution=execution)
        yield from (DeliverRequest(request=request) for request in self._settled)
        self._settled = []


def next_settlement(time_ns: int) -> int:
    """When an execution of now settles: the next trading day, 09:00 New York."""
    day = new_york_date(time_ns) + timedelta(days=1)
    return new_york_ns(trading_days(day, day + timedelta(days=10))[0].date, SETTLES)
