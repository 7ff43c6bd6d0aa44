"""From the engine's events to what the outbox keeps.

Responsible for: which events ask for something, and what. Never: sends, or keeps outside the transaction that it is called in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from novate.broker import NewOrder
from novate.clearing.life import State
from novate.clearing.names import Names, order_id
from novate.clearing.network_book import HEARD, NetworkBook
from novate.clearing.outbox import VENUE, Outbox
from novate.clearing.words import Deliver, PriceAsked
from novate.messages import Deposited, Event, EventMessage, Side, WithdrawalRequested, WithdrawalSettled
from novate.messages.codes import RequestKind, RequestState
from novate.messages.events.clearing import (
    BrokerCancelRaised,
    BrokerOrderRaised,
    ConversionEnded,
    ConversionRequested,
    ExecutionCarried,
    ExecutionSettled,
    FirmPriceRequested,
    RequestReserved,
    RequestStateChanged,
    SettlementOverdue,
    TokensIssued,
    TokensRedeemed,
)
from novate.messages.events.corporate import ReceivableChanged
from novate.messages.events.first import Listed

RENAMES: Final = (Listed, ReceivableChanged)
"""Events after which the venue's names are others: something was listed, or a token is another number of shares."""
WATCHED: Final[tuple[type[Event], ...]] = (
    BrokerOrderRaised, BrokerCancelRaised, ConversionRequested, ConversionEnded, FirmPriceRequested, RequestReserved, RequestStateChanged,
    ExecutionCarried, ExecutionSettled, SettlementOverdue, TokensIssued, TokensRedeemed, *RENAMES,
)  # fmt: skip
"""Events that matter here."""
_PROOF: Final = (
    ExecutionCarried, TokensIssued, TokensRedeemed, RequestReserved, Deposited, WithdrawalRequested, WithdrawalSettled,
)  # fmt: skip
"""What the engine tells when it takes a word that must not be told twice; it tells them of other words, too."""
_OVER: Final = frozenset(
    (RequestState.DELIVERED, RequestState.REJECTED, RequestState.CANCELLED, RequestState.EXPIRED)
)
_DELIVERED: Final = frozenset((RequestKind.MINT, RequestKind.MINT_IN_KIND))
"""Kinds that are delivered by a word of ours; a redemption is when it is paid."""


CENT: Final = 10_000
"""Micro-dollars."""
_SPARE: Final = 1_000


def whole_cents(dollars: int) -> int:
    """Dollars of an order in whole cents, at least a tenth of one below what may be spent.

    Brokers count in cents, and the venue rounds what it pays up with each fill: without the rest, the last of several fills could cost a
    millionth more than is left. The holder gets the rest back.
    """
    return max((dollars - _SPARE) // CENT * CENT, 0) or dollars


class Intake:
    """Takes events in. `journal` is the journal's identity, `deliver` whether a settled issuance is delivered at once.

    `network` is what is under way in the tokenisation network, where the venue issues in it.
    """

    def __init__(
        self,
        outbox: Outbox,
        names: Names,
        journal: bytes,
        *,
        deliver: bool,
        network: NetworkBook | None = None,
    ) -> None:
        self.names, self.network = names, network
        self.watched = WATCHED if network is None else tuple({*WATCHED, *HEARD})
        self._outbox, self._journal, self._deliver = outbox, journal, deliver
        self._salt = outbox.place.salt

    def take(self, events: Iterable[EventMessage]) -> None:
        """Keeps what they ask for. Inside `heard_until`."""
        for event in events:
            body, now_ns = event.body, event.header.time_ns
            match body:
                case BrokerOrderRaised():
                    self._raised(body, now_ns, State.WAITING)
                case BrokerCancelRaised():
                    self._outbox.unwant(body.order)
                case FirmPriceRequested():
                    self._asked(body, now_ns)
                case RequestReserved():
                    self._reserved(body, event.header.account)
                case RequestStateChanged():
                    self._moved(body, now_ns)
                case ConversionRequested() | ConversionEnded():
                    self._money(body, now_ns)
                case SettlementOverdue():
                    self._outbox.add_overdue(body.execution, body.order, body.broker, now_ns)
                case ExecutionSettled() | ExecutionCarried():
                    self._outbox.end_overdue(body.execution)
                case _:
                    pass
            if isinstance(body, _PROOF) and event.header.request >> 32 == self._salt:
                self._outbox.proven(event.header.request & 0xFFFF_FFFF)
            if self.network is not None:
                self.network.heard(event)

    def take_over(self, events: Iterable[EventMessage], still_open: frozenset[int]) -> None:
        """Keeps what is still to be done of a time when nobody heard the venue. Inside `heard_until`.

        Orders that the engine counts as open may be at their brokers; what is over, and prices that were asked for, ask for nothing.
        """
        settled: dict[int, tuple[RequestStateChanged, int]] = {}
        for event in events:
            body, now_ns = event.body, event.header.time_ns
            match body:
                case BrokerOrderRaised() if body.order in still_open:
                    self._raised(body, now_ns, State.LEAVING)
                case BrokerCancelRaised():
                    self._outbox.unwant(body.order)
                case RequestReserved():
                    self._reserved(body, event.header.account)
                case RequestStateChanged():
                    settled.pop(body.request, None)
                    if body.after == RequestState.SETTLED:
                        settled[body.request] = body, now_ns
                    else:
                        self._moved(body, now_ns)
                case ConversionRequested() | ConversionEnded():
                    self._money(body, now_ns)
                case SettlementOverdue():
                    self._outbox.add_overdue(body.execution, body.order, body.broker, now_ns)
                case ExecutionSettled() | ExecutionCarried():
                    self._outbox.end_overdue(body.execution)
                case _:
                    pass
            if self.network is not None:
                self.network.heard(event)
        for body, now_ns in settled.values():
            self._moved(body, now_ns)

    def _reserved(self, body: RequestReserved, account: int) -> None:
        self._outbox.add_request(body.request, body.kind, account, body.token, body.amount)

    def _money(self, body: ConversionRequested | ConversionEnded, now_ns: int) -> None:
        if isinstance(body, ConversionEnded):
            self._outbox.move_conversion(body.conversion, "ended", now_ns)
        else:
            self._outbox.add_conversion(
                body.conversion, body.asset, body.broker, body.to_dollars, body.amount, now_ns
            )

    def _raised(self, body: BrokerOrderRaised, now_ns: int, state: State) -> None:
        said = NewOrder(
            order=order_id(self._journal, body.order),
            symbol=self.names.symbols.get(body.underlying, ""),
            side=Side(body.side),
            shares=body.shares,
            dollars=whole_cents(body.dollars),
            limit=self.names.price_said(body.underlying, body.limit_price),
            whole=bool(body.whole),
        )
        self._outbox.add_order(
            said, body.order, body.broker, request=body.request, purpose=body.purpose, token=body.token, underlying=body.underlying,
            now_ns=now_ns, state=state,
        )  # fmt: skip

    def _asked(self, body: FirmPriceRequested, now_ns: int) -> None:
        word = PriceAsked(
            quote=body.quote, token=body.token, direction=body.direction, amount=body.amount, asked_ns=now_ns
        )
        self._outbox.say(f"price:{body.quote}", word, now_ns, VENUE)

    def _moved(self, body: RequestStateChanged, now_ns: int) -> None:
        kind = self._outbox.request_kind(body.request)
        if body.after == RequestState.SETTLED and self._deliver and kind in _DELIVERED:
            # A bust after it settles it anew: the time tells one settlement from the next.
            self._outbox.say(f"deliver:{body.request}:{now_ns}", Deliver(request=body.request), now_ns, VENUE)
        if body.after in _OVER:
            self._outbox.end_request(body.request)
