"""The venue's treasury between stablecoin and dollars: what an issuance brought becomes dollars at the broker, and back for a redemption.

Responsible for: asking for conversions. What a conversion brings is clearing's to report; which are allowed, and the ledger of both sides,
is the venue's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import TREASURER, Signed
from novate.messages import (
    Event,
    EventMessage,
    RequestConversion,
    TokensIssued,
    TokensRedeemed,
)

WATCHED: Final = (TokensIssued, TokensRedeemed)
BROKER: Final = 1


@dataclass(slots=True)
class Treasury:
    """Converts what each fill moved, so that the broker's dollars and the vault's stablecoins stay what they were."""

    listing: Listing
    _wanted: list[RequestConversion] = field(default_factory=list)

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

    def _want(self, token: int, amount: int, *, to_dollars: int) -> None:
        cash = next(terms.cash for terms in self.listing.issuance.values() if terms.token == token)
        conversion = RequestConversion(asset=cash, broker=BROKER, to_dollars=to_dollars, amount=amount)
        self._wanted.append(conversion)

    def act(self, market: Market) -> Iterator[Signed]:
        """Conversions that are wanted."""
        del market
        wanted, self._wanted = self._wanted, []
        yield from (Signed(TREASURER, conversion) for conversion in wanted)

    def after_frame(self, time_ns: int) -> None:
        """Asks nothing."""
        del time_ns
