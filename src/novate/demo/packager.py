"""The one who hedges in one trade: tokens against as many shares of the perp sold, as a package.

Responsible for: its size and its worst prices. Both legs trade in one command, or neither does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from novate.demo.market import Market
from novate.demo.participants import MINUTE, Participant
from novate.messages import Command, ListMarket, PlacePackage, Session

TOLERANCE_PPM = 10_000
"""How far from the index the worst price of a leg is."""


@dataclass(slots=True)
class Packager(Participant):
    """Sends its package when the regular session has been open for a while, again half a minute later until it trades."""

    spot: ListMarket | None = None
    perp: ListMarket | None = None
    opens_with: str = ""
    units: int = 0
    """Multiples of one lot of the token against one lot of the perp."""
    wait_ns: int = 15 * MINUTE
    _open_since: int = 0
    _tried_ns: int = 0

    def act(self, market: Market) -> Iterator[Command]:
        """The package, all or none."""
        spot, perp = self.spot, self.perp
        if self.started_ns or spot is None or perp is None:
            return
        if market.lots[self.account, perp.market]:
            self.started_ns = market.time_ns
            return
        number, now = self.listing.underlying[self.opens_with], market.time_ns
        if market.session.get(number) != Session.REGULAR or not market.live(self.opens_with):
            self._open_since = 0
            return
        self._open_since = self._open_since or now
        if now - self._open_since < self.wait_ns or now - self._tried_ns < MINUTE // 2:
            return
        self._tried_ns = now
        index = market.index[number]
        yield PlacePackage(
            markets=(spot.market, perp.market),
            lots=(1, -1),
            prices=(
                index * (1_000_000 + TOLERANCE_PPM) // 1_000_000 // spot.tick_size,
                -(-index * (1_000_000 - TOLERANCE_PPM) // 1_000_000 // perp.tick_size),
            ),
            units=self.units,
            least_units=self.units,
        )
