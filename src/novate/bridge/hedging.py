"""From what is open to a request: tokens are made for shares that are short, and unmade for shares that are long.

Responsible for: how much, when, and waiting longer after each refusal. One request of a name is decided on at a time; what it does is known
from the venue's events. Never: trades on the venue's books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from novate.bridge.inventory import Inventory
from novate.bridge.limits import Capacity, Purse, middle
from novate.bridge.terms import NANO, PPM, NameTerms, dollars_down, dollars_up, shares_worth
from novate.broker.port import Level, PrimaryBook

_LONGEST: Final = 16


class Mint(NamedTuple):
    """Make tokens for so many micro-dollars, the fee included."""

    token: str
    cash: int


class Burn(NamedTuple):
    """Unmake so many tokens, 1e-9."""

    token: str
    tokens: int


Request = Mint | Burn


@dataclass(slots=True)
class Hedger:
    """One name's."""

    terms: NameTerms
    _since: int = 0
    """Since when more is open than a request's least; 0 while it is not."""
    _not_before: int = 0
    _wait: int = 0

    def next(
        self,
        inventory: Inventory,
        book: PrimaryBook,
        purse: Purse,
        capacity: Capacity,
        unhedged: int,
        now_ns: int,
        offered: int = 0,
    ) -> Request | None:
        """The request to make now; None where nothing is to be hedged, or it can't be, or opposite fills are waited for.

        `unhedged`: micro-dollars that may be open. A request may fill when those under way the other way do not: with it alone no more is open.
        `offered`: tokens that own orders offer, which can't be unmade meanwhile.
        """
        price = middle(book)
        gap = inventory.gap(price)
        if dollars_down(abs(gap), price) < self.terms.request_min or not price:
            self._since = 0
            return None
        self._since = self._since or now_ns
        if now_ns - self._since < self.terms.gather_ns or now_ns < self._not_before:
            return None
        if gap < 0:
            left = unhedged - dollars_up(inventory.open_shares() + inventory.minting(price), price)
            return self._mint(-gap, left, book, purse, capacity)
        most = shares_worth(unhedged, price) + inventory.open_shares() - inventory.burning()
        return self._burn(min(gap, most), price, inventory.tokens - offered, capacity)

    def done(self) -> None:
        """The venue took the request."""
        self._since = self._not_before = self._wait = 0

    def refused(self, now_ns: int) -> None:
        """The venue did not take it."""
        self._wait = min(max(self._wait * 2, self.terms.retry_ns), self.terms.retry_ns * _LONGEST)
        self._not_before = now_ns + self._wait

    def _mint(
        self, shares: int, left: int, book: PrimaryBook, purse: Purse, capacity: Capacity
    ) -> Mint | None:
        """`left`: micro-dollars that may be made before more is open than may be."""
        cost = cost_of(book.asks, shares)
        cash = min(
            -(-cost * (PPM + self.terms.mint_fee_ppm) // PPM),
            self.terms.request_max,
            purse.cash,
            capacity.mint,
            left * (PPM + self.terms.mint_fee_ppm) // PPM,
        )
        return Mint(self.terms.token, cash) if cash >= self.terms.request_min else None

    def _burn(self, shares: int, price: int, free: int, capacity: Capacity) -> Burn | None:
        most = min(self.terms.request_max, capacity.redeem) * 10**12 // price
        tokens = min(min(shares, most) * NANO // self.terms.token_ppb, max(free, 0))
        tokens = tokens // self.terms.token_step * self.terms.token_step
        value = dollars_down(tokens * self.terms.token_ppb // NANO, price)
        return Burn(self.terms.token, tokens) if value >= self.terms.request_min else None


def cost_of(levels: Sequence[Level], shares: int) -> int:
    """Micro-dollars that shares cost, best levels first; what is beyond them at the last one's price."""
    cost, left = 0, shares
    for level in levels:
        taken = min(left, level.shares)
        cost += dollars_up(taken, level.price)
        left -= taken
    return cost + (dollars_up(left, levels[-1].price) if levels and left else 0)
