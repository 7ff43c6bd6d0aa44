"""The one who owes more than the pool lends it: its losses are called, and tokens are redeemed for them.

Responsible for: when it puts its positions on, and that it repays a part of its loan once it has learned. What is collected from it is the
venue's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from novate.demo.market import Market
from novate.demo.participants import MINUTE, Holder, Target
from novate.messages import Command


@dataclass(slots=True)
class Debtor(Holder):
    """As a holder; half an hour after tokens of it were redeemed by force it sells some of the rest, which repays a part of its loan."""

    sells: Target | None = None
    _redeemed_ns: int = 0

    def act(self, market: Market) -> Iterator[Command]:
        """Its positions first, what it learned later."""
        yield from Holder.act(self, market)
        if not self.sells or market.issued[self.account] >= 0:
            return
        self._redeemed_ns = self._redeemed_ns or market.time_ns
        if market.time_ns - self._redeemed_ns >= 30 * MINUTE and market.live(self.opens_with):
            order = self.sells.next_order(self.account, market)
            if order is not None:
                yield order
