"""The venue's treasury between stablecoin and dollars: what an issuance brought becomes dollars at the broker, and back for a redemption.

Responsible for: asking for conversions, and the simulated bank that reports each a minute later, at face. Which conversions are
allowed, and the ledger of both sides, is the venue's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import BROKER_KEEPER, TREASURER, Signed
from novate.messages import (
    ConversionRequested,
    Event,
    EventMessage,
    ReportConversion,
    RequestConversion,
    TokensIssued,
    TokensRedeemed,
)

WATCHED: Final = (ConversionRequested, TokensIssued, TokensRedeemed)
BROKER: Final = 1
TAKES_NS: Final = 60_000_000_000


@dataclass(slots=True)
class Treasury:
    """Converts what each fill moved, so that the broker's dollars and the vault's stablecoins stay what they were."""

    listing: Listing
    _wanted: list[RequestConversion] = field(default_factory=list)
    _open: list[tuple[int, ReportConversion]] = field(default_factory=list)
    """When a conversion is done, and the report of it."""

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body = event.body
        if isinstance(body, TokensIssued):
            self._want(body.token, body.cost, to_dollars=1)
        elif isinstance(body, TokensRedeemed):
            self._want(body.token, body.due + body.fee, to_dollars=0)
        elif isinstance(body, ConversionRequested):
            report = ReportConversion(conversion=body.conversion, amount=body.amount)
            self._open.append((event.header.time_ns + TAKES_NS, report))

    def _want(self, token: int, amount: int, *, to_dollars: int) -> None:
        cash = next(terms.cash for terms in self.listing.issuance.values() if terms.token == token)
        conversion = RequestConversion(asset=cash, broker=BROKER, to_dollars=to_dollars, amount=amount)
        self._wanted.append(conversion)

    def act(self, market: Market) -> Iterator[Signed]:
        """Conversions that are wanted, and those that are done."""
        wanted, self._wanted = self._wanted, []
        yield from (Signed(TREASURER, conversion) for conversion in wanted)
        done = [report for at, report in self._open if at <= market.time_ns]
        self._open = [item for item in self._open if item[0] > market.time_ns]
        yield from (Signed(BROKER_KEEPER, report) for report in done)

    def after_frame(self, time_ns: int) -> None:
        """Asks nothing."""
        del time_ns
