"""What an execution costs beside its price, as a stated schedule.

Responsible for: the fee of one execution, rounded up to a micro-dollar, and how many shares an amount of dollars buys with it.
Never: knows an account, or a fee that depends on what was traded before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from novate.errors import ConfigError
from novate.messages.codes import Side

_PRICE_TO_MICRO: Final = 1_000_000_000_000
"""Shares in 1e-9 times a price in 1e-9 dollars, over this, are micro-dollars."""


@dataclass(frozen=True, slots=True)
class Fees:
    """A schedule.

    The defaults are the most that a US exchange may take for access (0.003 dollars a share), the SEC's section 31 rate on sales as it stood
    until May 2025 (27.80 dollars a million) and FINRA's trading activity fee on sales (0.000166 dollars a share, 8.30 at most).

    Attributes:
        per_share: Price of trading a share, in 1e-9 dollars.
        sale_ppb: Of a sale's dollars, in 1e-9.
        sale_per_share: Of a sale, in 1e-9 dollars a share.
        sale_per_share_most: Most of that for one execution, in micro-dollars.
    """

    per_share: int = 3_000_000
    sale_ppb: int = 27_800
    sale_per_share: int = 166_000
    sale_per_share_most: int = 8_300_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise ConfigError(f"fees.{name} must be 0 or more, got {getattr(self, name)}")

    def of(self, side: Side, shares: int, price: int) -> int:
        """Micro-dollars of one execution, rounded up once for each kind of fee; never more than what it pays or brings."""
        fee = cost_up(shares, self.per_share)
        if side == Side.BID:
            return min(fee, cost_up(shares, price))
        fee += -(-cost_up(shares, price) * self.sale_ppb // 1_000_000_000)
        fee += min(cost_up(shares, self.sale_per_share), self.sale_per_share_most)
        return min(fee, proceeds_down(shares, price))

    def shares_for(self, dollars: int, price: int) -> int:
        """Most shares that `dollars` buy at `price`, this fee included, down to 1e-9 of one."""
        left = dollars - 2  # cost and fee round up, each by less than one
        return max(left, 0) * _PRICE_TO_MICRO // (price + self.per_share)

    def needed(self, shares: int, price: int) -> int:
        """Micro-dollars that a purchase takes at its limit. Each execution may round it up by 2 more."""
        return cost_up(shares, price) + cost_up(shares, self.per_share)


FREE: Final = Fees(per_share=0, sale_ppb=0, sale_per_share=0, sale_per_share_most=0)


def cost_up(shares: int, price: int) -> int:
    """Micro-dollars of shares at a price, rounded up: what a buyer pays."""
    return -(-shares * price // _PRICE_TO_MICRO)


def proceeds_down(shares: int, price: int) -> int:
    """Micro-dollars of shares at a price, rounded down: what a seller gets."""
    return shares * price // _PRICE_TO_MICRO
