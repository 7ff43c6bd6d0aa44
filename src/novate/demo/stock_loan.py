"""Stock loans of the run: who lent which token, who sold it without holding it, and what is owed at the end.

Responsible for: collecting from events and from the venue's answers. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from novate._core import Engine
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import Signed
from novate.messages import Event, EventMessage, Lent, OrderFilled, Side
from novate.messages.reports import lending
from novate.reports import operations

WATCHED: Final = (Lent, OrderFilled)


@dataclass(slots=True)
class StockLoanLog:
    """Looks on at one token's pool and the one who borrows there."""

    engine: Engine
    listing: Listing
    token: str
    borrower: int
    _market: int = 0
    _name: str = ""
    _lent: dict[int, int] = field(default_factory=dict)
    _sold_ns: int = 0
    _lots: int = 0
    _ticks_lots: int = 0

    def __post_init__(self) -> None:
        markets, token = self.listing.markets, self.listing.asset[self.token]
        self._name = next(name for name, terms in markets.items() if terms.base == token)
        self._market = self.listing.market[self._name]

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body, account = event.body, event.header.account
        if isinstance(body, Lent) and body.asset == self.listing.asset[self.token]:
            self._lent[account] = self._lent.get(account, 0) + body.amount
        elif isinstance(body, OrderFilled) and (account, body.market) == (self.borrower, self._market):
            self._sold(body, event.header.time_ns)

    def _sold(self, body: OrderFilled, time_ns: int) -> None:
        if body.side == Side.ASK:
            self._sold_ns = self._sold_ns or time_ns
            self._lots += body.lots
            self._ticks_lots += body.lots * body.price

    def act(self, market: Market) -> Iterator[Signed]:
        """Sends nothing."""
        del market
        yield from ()

    def after_frame(self, time_ns: int) -> None:
        """Asks nothing."""
        del time_ns

    def result(self) -> tuple[operations.StockLoan, ...]:
        """What the report carries; nothing when nobody borrowed."""
        asset = self.listing.asset[self.token]
        if not self._lots or not self._lent:
            return ()
        lender = max(self._lent, key=lambda account: self._lent[account])
        claim = next((c.claim for c in lending.claims(self.engine, lender) if c.asset == asset), 0)
        loan = next(line for line in lending.loans(self.engine, self.borrower) if line.asset == asset)
        terms = self.listing.markets[self._name]
        return (
            operations.StockLoan(
                token=self.token,
                lender=lender,
                borrower=self.borrower,
                lent_units=self._lent[lender],
                claim_units=claim,
                owed_units=loan.owed,
                sold_ns=self._sold_ns,
                sold_units=self._lots * terms.lot_size,
                sold_micro=self._ticks_lots * self.listing.quote_units(self._name),
                rate_ppm=loan.rate_ppm,
            ),
        )
