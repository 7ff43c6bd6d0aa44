"""The one who sells a stock token it does not hold: the sale itself borrows the token from its pool.

Responsible for: when it sells and how much. There is no command to borrow: a loan is a negative balance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from novate.demo.market import Market
from novate.demo.participants import Holder
from novate.messages import Command


@dataclass(slots=True)
class StockBorrower(Holder):
    """Sells in clips once somebody lends the token, and holds the short."""

    token: str = ""

    def act(self, market: Market) -> Iterator[Command]:
        """As a holder, but not before the pool has what it needs."""
        needed = sum(-target.lots * target.terms.lot_size for target in self.targets)
        if self.started_ns or market.lent[self.listing.asset[self.token]] >= needed:
            yield from Holder.act(self, market)
