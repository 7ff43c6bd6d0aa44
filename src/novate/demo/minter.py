"""The one who makes tokens: issues them against shares in a regular session, redeems some, and lends some of the rest.

Responsible for: when it asks, and for how much. What happens to a request is the venue's and the broker's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from novate.demo.market import Market
from novate.demo.participants import HOUR, MINUTE, Participant
from novate.messages import Command, Lend, RequestIssuance, RequestRedemption, Session


@dataclass(slots=True)
class Minter(Participant):
    """Asks once for tokens, hours later for cash for some of them, and lends once the tokens may leave."""

    token: str = ""
    cash: int = 0
    """Units of cash for the issuance, its fee included."""
    redeems_ppm: int = 0
    lends_ppm: int = 0
    """Part of what is left after the redemption that it lends."""
    wait_ns: int = 45 * MINUTE
    redeem_after_ns: int = 3 * HOUR
    _open_since: int = 0
    _asked_ns: int = 0
    _redeemed: bool = False
    _lent: bool = False

    def act(self, market: Market) -> Iterator[Command]:
        """At most one request a call."""
        name = self.listing.underlying_of_asset[self.token]
        number, asset = self.listing.underlying[name], self.listing.asset[self.token]
        now, has = market.time_ns, market.issued[self.account]
        if market.session.get(number) != Session.REGULAR or not market.live(name):
            self._open_since = 0
            return
        self._open_since = self._open_since or now
        if not self._asked_ns:
            if now - self._open_since >= self.wait_ns:
                self._asked_ns = now
                yield RequestIssuance(token=asset, amount=self.cash, reference=1)
            return
        if has and not self.started_ns:
            self.started_ns = now
        if has and not self._redeemed and now - self._asked_ns >= self.redeem_after_ns:
            self._redeemed = True
            yield RequestRedemption(token=asset, amount=has * self.redeems_ppm // 1_000_000, reference=2)
        elif self._redeemed and not self._lent and market.delivered[self.account] >= 2:
            self._lent = True
            yield Lend(asset=asset, amount=has * self.lends_ppm // 1_000_000)
