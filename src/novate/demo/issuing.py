"""What became of every request to issue or redeem, and the backing of the tokens around it.

Responsible for: collecting from events, and asking the venue for the backing whenever it changed and every five minutes. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from novate._core import Engine
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import Signed
from novate.messages import (
    BrokerOrderRaised,
    CollateralSold,
    Event,
    EventMessage,
    ExecutionSettled,
    RequestPaid,
    RequestReserved,
    RequestReturned,
    RequestStateChanged,
    TokensIssued,
    TokensRedeemed,
)
from novate.messages.codes import RequestKind, RequestState, SaleWay
from novate.messages.reports import clearing
from novate.reports import operations

WATCHED: Final = (
    BrokerOrderRaised, CollateralSold, ExecutionSettled, RequestPaid, RequestReserved, RequestReturned, RequestStateChanged, TokensIssued, TokensRedeemed,
)  # fmt: skip
EVERY_NS: Final = 300_000_000_000


@dataclass(slots=True)
class Issuing:
    """Looks on while requests go through."""

    engine: Engine
    listing: Listing
    market: Market
    _requests: dict[int, operations.Request] = field(default_factory=dict)
    _orders: dict[int, set[int]] = field(default_factory=dict)
    """Broker orders of a request."""
    _backing: list[operations.Backing] = field(default_factory=list)
    _told: dict[int, list[str]] = field(default_factory=dict)
    """What changed the backing of a token in this frame, in words."""
    _opening: dict[str, operations.Backing] = field(default_factory=dict)
    """The backing with which the venue opened, of tokens whose backing has not changed since."""
    _checked: int = 0
    _worst: int = 0

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body, at = event.body, event.header.time_ns
        if isinstance(body, RequestReserved):
            if body.kind in (RequestKind.MINT, RequestKind.REDEEM):
                self._requests[body.request] = operations.Request(
                    request=body.request,
                    account=event.header.account,
                    way="issue" if body.kind == RequestKind.MINT else "redeem",
                    token=self._name(body.token),
                    held=body.amount,
                    steps=(),
                )
        elif isinstance(body, BrokerOrderRaised):
            self._orders.setdefault(body.request, set()).add(body.order)
        elif isinstance(body, CollateralSold):
            self._forced(event.header.account, body)
        elif isinstance(body, RequestStateChanged):
            self._step(body, at)
        elif isinstance(body, TokensIssued):
            self._fill(body, body.cost, at)
        elif isinstance(body, TokensRedeemed):
            self._fill(body, body.due, at)
        elif isinstance(body, RequestReturned) and body.request in self._requests:
            request = self._requests[body.request]
            self._requests[body.request] = replace(request, returned=request.returned + body.amount)
        elif isinstance(body, RequestPaid) and body.request in self._requests:
            request = self._requests[body.request]
            self._requests[body.request] = replace(request, paid_micro=request.paid_micro + body.amount)

    def _forced(self, account: int, body: CollateralSold) -> None:
        """The request that a liquidation made just before it told of the sale."""
        if body.way != SaleWay.REDEMPTION:
            return
        mine = [one for one in self._requests.values() if one.account == account and one.way == "redeem"]
        if mine:
            self._requests[mine[-1].request] = replace(mine[-1], forced=True)

    def _name(self, token: int) -> str:
        return next(name for name, number in self.listing.asset.items() if number == token)

    def _step(self, body: RequestStateChanged, at: int) -> None:
        request = self._requests.get(body.request)
        if request is None:
            return
        state = RequestState(body.after).name.lower().replace("_", " ")
        step = operations.RequestStep(state=state, time_ns=at)
        self._requests[body.request] = replace(request, steps=(*request.steps, step))
        if body.after == RequestState.SETTLED:
            self._told.setdefault(self.listing.asset[request.token], []).append("settled")

    def _fill(self, body: TokensIssued | TokensRedeemed, cash: int, at: int) -> None:
        request = self._requests.get(body.request)
        if request is None:
            return
        name = self.listing.underlying_of_asset[request.token]
        fill = operations.RequestFill(
            time_ns=at,
            shares=body.shares,
            units=body.units,
            price_e6=body.price,
            index_e6=self.market.price(name),
            cash_micro=cash,
            fee_micro=body.fee,
        )
        self._requests[body.request] = replace(request, fills=(*request.fills, fill))
        what = "issued" if request.way == "issue" else "redeemed"
        self._told.setdefault(body.token, []).append(what)

    def act(self, market: Market) -> Iterator[Signed]:
        """Sends nothing."""
        del market
        yield from ()

    def after_frame(self, time_ns: int) -> None:
        """The backing, when it changed or five minutes have passed."""
        if not self._told and time_ns % EVERY_NS:
            return
        lines = clearing.supply(self.engine)
        self._checked += len(lines)
        self._worst = max([self._worst, *(abs(line.difference) for line in lines)])
        told, self._told = self._told, {}
        for line in lines:
            if line.token in told:
                if (token := self._name(line.token)) in self._opening:
                    self._backing.append(self._opening.pop(token))
                self._backing.append(self._line(line, ", ".join(dict.fromkeys(told[line.token])), time_ns))

    def _line(self, line: clearing.Supply, when: str, time_ns: int) -> operations.Backing:
        token = self._name(line.token)
        return operations.Backing(
            time_ns=time_ns,
            token=token,
            when=when,
            settled=line.settled,
            bought=line.bought,
            sold=line.sold,
            shortage=line.shortage,
            required=line.required,
            surplus=line.surplus,
            units=line.issued,
            multiplier_ppb=self.listing.assets[token].multiplier_ppb,
        )

    def open(self, time_ns: int) -> None:
        """Remembers the backing with which the venue opens."""
        self._opening = {
            self._name(line.token): self._line(line, "opening", time_ns)
            for line in clearing.supply(self.engine)
        }

    def result(
        self, legs_of: Callable[[set[int]], tuple[operations.BrokerLeg, ...]]
    ) -> operations.Issuance | None:
        """What the report carries; None when nobody asked for anything."""
        if not self._requests:
            return None
        requests = (
            replace(one, legs=legs_of(self._orders.get(one.request, set())))
            for one in self._requests.values()
        )
        return operations.Issuance(
            broker=", ".join(self.listing.broker),
            requests=tuple(requests),
            backing=tuple(self._backing),
            checked=self._checked,
            worst_difference=self._worst,
        )
