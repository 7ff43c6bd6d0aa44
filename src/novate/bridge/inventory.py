"""What the bridge has in one name, as the venue told: tokens, perps, requests under way, and what it all cost.

Responsible for: adding up what the account was told, and the shares that are open. Never: counts on what was sent and not answered; an order
or a request exists from the venue's event on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from novate.bridge.terms import NANO, PPM, Market, NameTerms, dollars_down, shares_worth
from novate.messages.codes import RequestState, Side

if TYPE_CHECKING:
    from novate.bridge.facts import OrderFilled

OVER: Final = frozenset(
    {
        RequestState.FILLED, RequestState.SETTLED, RequestState.DELIVERED, RequestState.REJECTED, RequestState.CANCELLED,
        RequestState.EXPIRED,
    }
)  # fmt: skip
"""States after which a request makes and unmakes nothing more."""


@dataclass(slots=True)
class Flight:
    """A request under way. `held`: cash (micro-dollars) of an issuance, tokens (1e-9) of a redemption, that are not used yet."""

    mints: bool
    held: int


@dataclass(slots=True)
class Inventory:
    """One name. Quantities in 1e-9, dollars in micro-dollars."""

    terms: NameTerms
    tokens: int = 0
    """Tokens at hand; those that a redemption holds are in its flight."""
    perps: dict[str, int] = field(default_factory=dict)
    """Signed shares by market."""
    flights: dict[int, Flight] = field(default_factory=dict)
    asking: Flight | None = None
    """What is being asked for and not answered: it may be under way already."""
    cash: int = 0
    """Paid and received in this name since the day began, less what was open then."""
    traded: int = 0
    """Dollars traded on the venue since the day began."""

    # --- what happened -------------------------------------------------------------------------------------------------

    def trade(self, told: OrderFilled) -> None:
        """An own order was filled."""
        sign = 1 if told.side == Side.BID else -1
        market = self._market(told.market)
        if market.spot:
            self.tokens += sign * told.quantity
        else:
            self.perps[told.market] = self.perps.get(told.market, 0) + sign * told.quantity
        self.cash -= sign * told.value + told.fee
        self.traded += told.value

    def reserve(self, request: int, *, mints: bool, held: int) -> None:
        """A request holds cash or tokens."""
        self.asking = None
        if request in self.flights:
            return
        self.flights[request] = Flight(mints, held)
        if not mints:
            self.tokens -= held

    def issued(self, request: int, tokens: int, paid: int) -> None:
        """Tokens came for cash, the fee included."""
        self.tokens += tokens
        self.cash -= paid
        self._use(request, paid)

    def redeemed(self, request: int, tokens: int, due: int) -> None:
        """Tokens ended for cash due, less the fee."""
        self.cash += due
        self._use(request, tokens)

    def returned(self, request: int, amount: int) -> None:
        """What a request held and did not use is back, 1e-9 dollars or tokens."""
        flight = self.flights.get(request)
        if flight is None:
            return
        if flight.mints:
            self._use(request, amount // 1000)
        else:
            self.tokens += amount
            self._use(request, amount)

    def moved(self, request: int, after: RequestState) -> None:
        """A request is in another state; one that is over is forgotten."""
        if after in OVER:
            self.flights.pop(request, None)

    def carried(self, amount: int) -> None:
        """Funding was received, or paid where negative."""
        self.cash += amount

    def adopt(self, tokens: int, perps: Mapping[str, int], flights: Mapping[int, Flight], price: int) -> bool:
        """What the venue says that there is; whether it differs from what was known. The difference counts as traded at `price`."""
        before, known = self.exposure(), (self.tokens, _held(self.perps), self.flights)
        self.tokens, self.perps, self.flights, self.asking = tokens, dict(perps), dict(flights), None
        self.cash -= dollars_down(self.exposure() - before, price)
        return known != (tokens, _held(perps), dict(flights))

    def rebase(self, result: int, price: int) -> None:
        """So much was won or lost in the day so far; what is open was bought at this price."""
        self.cash = result - dollars_down(self.open_shares(), price)

    # --- what it comes to ----------------------------------------------------------------------------------------------

    def exposure(self) -> int:
        """Shares that tokens, escrowed ones too, and perps come to together."""
        held = self.tokens + sum(one.held for one in self.flights.values() if not one.mints)
        return held * self.terms.token_ppb // NANO + sum(self.perps.values())

    def open_shares(self) -> int:
        """Shares that are open: long above zero. A request under way hedges nothing until it fills."""
        return self.exposure() - self.terms.base

    def minting(self, price: int) -> int:
        """Shares that issuances under way will add at a price."""
        held = sum(one.held for one in self._flying() if one.mints)
        return shares_worth(held * PPM // (PPM + self.terms.mint_fee_ppm), price)

    def burning(self) -> int:
        """Shares that redemptions under way will take away."""
        held = sum(one.held for one in self._flying() if not one.mints)
        return held * self.terms.token_ppb // NANO

    def asked_for(self) -> int:
        """Tokens at hand that a redemption which the venue has not answered takes away."""
        return self.asking.held if self.asking is not None and not self.asking.mints else 0

    def gap(self, price: int) -> int:
        """Shares that stay open when all requests under way have filled."""
        return self.open_shares() + self.minting(price) - self.burning()

    def gross(self, price: int) -> int:
        """Micro-dollars of tokens and perps, each without its sign."""
        tokens = abs(self.exposure() - sum(self.perps.values()))
        return dollars_down(tokens + sum(map(abs, self.perps.values())), price)

    def result(self, price: int) -> int:
        """Micro-dollars won or lost since the day began, what is open at this price."""
        return self.cash + dollars_down(self.open_shares(), price)

    def _flying(self) -> list[Flight]:
        return [*self.flights.values(), *([self.asking] if self.asking is not None else [])]

    def _use(self, request: int, amount: int) -> None:
        flight = self.flights.get(request)
        if flight is not None:
            flight.held = max(flight.held - amount, 0)

    def _market(self, name: str) -> Market:
        return next(one for one in self.terms.markets if one.name == name)


def _held(perps: Mapping[str, int]) -> dict[str, int]:
    return {market: shares for market, shares in perps.items() if shares}
