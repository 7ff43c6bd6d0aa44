"""What a bridge is allowed and told to do, as whole numbers.

Prices are 1e-9 dollars a share, shares and tokens 1e-9, dollars micro-dollars, rates ppm, times nanoseconds.

Responsible for: names, units, and rounding between shares, units of a market and dollars. Never: reads a file (`settings.py`), or decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from novate.errors import ConfigError
from novate.messages.codes import Session, Side

NANO: Final = 1_000_000_000
PPM: Final = 1_000_000
_PRICE_TO_MICRO: Final = 10**12
"""Shares x price, both in 1e-9, to micro-dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A market of the venue on which a name is quoted.

    Attributes:
        name: The venue's name of it.
        spot: Whether tokens change hands; else it is a perp.
        price_step: Smallest step of the price of one unit (a token, or a share of a perp), 1e-9 dollars.
        quantity_step: Smallest step of a quantity, 1e-9 units.
        shares_ppb: Shares that a unit stands for, in 1e-9.
        fee_ppm: What the venue takes of a maker's trade.
        part_ppm: Part of the primary market's size that is shown here; the parts of a name sum to one at most.
    """

    name: str
    spot: bool
    price_step: int
    quantity_step: int
    shares_ppb: int = NANO
    fee_ppm: int = 0
    part_ppm: int = PPM

    def shares(self, quantity: int) -> int:
        """Shares that a quantity stands for, rounded down."""
        return quantity * self.shares_ppb // NANO

    def quantity(self, shares: int) -> int:
        """The whole steps that stand for no more than so many shares."""
        return max(shares, 0) * NANO // self.shares_ppb // self.quantity_step * self.quantity_step

    def unit_price(self, side: Side, share_price: int) -> int:
        """The price of a unit, on the market's step and never better for a taker than the price of its shares: bids down, asks up."""
        exact = share_price * self.shares_ppb
        step = NANO * self.price_step
        return (exact // step if side == Side.BID else -(-exact // step)) * self.price_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a name is quoted in a session; a session without one is not quoted.

    Attributes:
        edge_ppm: Kept on each side beyond all fees.
        size_ppm: Part of the primary market's size that is shown.
        levels: Prices a side at most.
        unhedged: Micro-dollars of the name that may be open, requests under way counted as open until they fill.
        stale_ns: A primary book that has not changed for longer is not believed.
        hedges: Whether tokens can be made and unmade in it; else what is open waits.
        age_ppm: More edge on a primary book that is `stale_ns` old; a younger one has less of it, in quarters.
    """

    edge_ppm: int
    size_ppm: int
    levels: int
    unhedged: int
    stale_ns: int
    hedges: bool
    age_ppm: int = 0

    def edge_at(self, age_ns: int) -> int:
        """The edge on a primary book of an age."""
        return self.edge_ppm + min(max(age_ns, 0) * 4 // self.stale_ns, 4) * self.age_ppm // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTerms:
    """Everything about one name.

    Attributes:
        symbol: At the primary market.
        underlying: The venue's name of it.
        token: The asset that is made and unmade.
        token_ppb: Shares of a token, in 1e-9.
        token_step: Smallest unit of a token, 1e-9 tokens.
        markets: Where it is quoted.
        conduct: By session.
        mint_fee_ppm: Fee of an issuance.
        redeem_fee_ppm: Fee of a redemption.
        passed_ppm: Part of those fees that the quotes earn back from whoever trades.
        base: Shares (1e-9) that are the owner's and not to be hedged: the tokens the bridge was given to sell from.
        request_min: Smallest request; less than that stays open.
        request_max: Largest request.
        gather_ns: Opposite fills meet for so long before anything is asked for.
        retry_ns: After a refused request the next waits so long, twice as long after each further one up to sixteen times.
        doubt_edge_ppm: More edge while the venue's price is degraded.
        doubt_size_ppm: Part of the usual size then.
        sanity_ppm: Largest distance of the primary market's middle from the venue's index.
        calm_ns: So long nothing is doubtful before it quotes again.
        gross: Micro-dollars of tokens and perps, each without sign, that it may have.
        loss: Micro-dollars that it may lose in a day.
        tolerance_ppm: An order whose size is off by less is left alone.
    """

    symbol: str
    underlying: str
    token: str
    token_ppb: int
    token_step: int
    markets: tuple[Market, ...]
    conduct: Mapping[Session, Conduct]
    mint_fee_ppm: int
    redeem_fee_ppm: int
    passed_ppm: int
    base: int
    request_min: int
    request_max: int
    gather_ns: int
    retry_ns: int
    doubt_edge_ppm: int
    doubt_size_ppm: int
    sanity_ppm: int
    calm_ns: int
    gross: int
    loss: int
    tolerance_ppm: int = 100_000

    def __post_init__(self) -> None:
        parts = sum(market.part_ppm for market in self.markets)
        if parts > PPM:
            raise ConfigError(
                f"The parts of {self.symbol} shown on its markets sum to one at most, got {parts} ppm: no share is shown twice."
            )

    def scale(self) -> tuple[int, ...]:
        """What a price and a quantity of the name mean: another one after a split, or with another base."""
        steps = ((market.price_step, market.quantity_step) for market in self.markets)
        return self.token_ppb, self.base, *(step for both in steps for step in both)

    def fees_ppm(self, market: Market, side: Side) -> int:
        """What a fill costs in fees that its price must earn: the market's, and the passed part of the hedge's, rounded up."""
        hedge = self.mint_fee_ppm if side == Side.ASK else self.redeem_fee_ppm
        return market.fee_ppm - (-hedge * self.passed_ppm // PPM)


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalTerms:
    """Limits over all names.

    Attributes:
        unhedged: Micro-dollars open, each name without its sign.
        net: Micro-dollars open, with signs.
        gross: Micro-dollars of tokens and perps, each without sign.
        loss: Micro-dollars that may be lost in a day.
        excess: Micro-dollars of initial excess below which nothing is quoted.
        cash: Micro-dollars of cash that quotes leave for hedges.
    """

    unhedged: int
    net: int
    gross: int
    loss: int
    excess: int
    cash: int


def dollars_down(shares: int, price: int) -> int:
    """Micro-dollars of shares at a price, towards minus infinity."""
    return shares * price // _PRICE_TO_MICRO


def dollars_up(shares: int, price: int) -> int:
    """Micro-dollars of shares at a price, towards plus infinity."""
    return -(-shares * price // _PRICE_TO_MICRO)


def shares_worth(dollars: int, price: int) -> int:
    """Shares (1e-9) that micro-dollars buy at a price, rounded down; none at no price."""
    return max(dollars, 0) * _PRICE_TO_MICRO // price if price > 0 else 0
