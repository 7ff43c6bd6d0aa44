"""The bridge of the demo: an ordinary account that quotes one name from the primary market and hedges by making and unmaking tokens.

Responsible for: where the bridge's machine sits in the replay, what it is given, and what the report tells of it. The rules are
`novate.bridge`'s; it sees public events, its own, and the exchange's book, like anybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from novate._core import Engine
from novate.bridge.lockstep import WATCHED, LockstepBridge
from novate.bridge.settings import NameSettings, TotalSettings
from novate.broker.port import PrimaryMarket
from novate.demo.market import Market
from novate.demo.participants import Participant
from novate.messages import (
    Command,
    EventMessage,
    OrderFilled,
    Session,
    TokensIssued,
    TokensRedeemed,
)
from novate.messages.codes import MarketKind
from novate.reports import operations

TOTAL: Final = TotalSettings(
    unhedged="1 M USD", net="2 M USD", gross="20 M USD", loss="100,000 USD", excess="50,000 USD"
)
LOOK_NS: Final = 60 * 10**9
"""How often it asks for its cash, its excess and the venue's capacity."""


@dataclass(slots=True)
class Bridging(Participant):
    """Quotes `symbol`'s token and perp in regular hours, from the exchange's best bid and ask with the size that is there."""

    symbol: str = ""
    base: int = 0
    """Tokens that are its owner's, to be sold from."""
    engine: Engine | None = None
    primary: PrimaryMarket | None = None
    _desk: LockstepBridge | None = None
    _looked_ns: int = 0
    _fills: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    _made: list[int] = field(default_factory=lambda: [0, 0])

    def begin(self, engine: Engine, primary: PrimaryMarket) -> None:
        """Knows its account, once its money has arrived."""
        self.engine, self.primary = engine, primary
        token = self.listing.token_of_underlying[self.symbol]
        mine = [name for name, under in self.listing.underlying_of_market.items() if under == self.symbol]
        perps = [name for name in mine if self.listing.markets[name].market_kind == MarketKind.PERP]
        spots = [name for name in mine if name not in perps]
        said = {
            "symbol": self.symbol, "token": token, "spot": spots[0] if spots else "", "perp": perps[0] if perps else "",
            "mint_fee": "5 bps", "redeem_fee": "5 bps", "passed": "0 %", "base": str(self.base), "gross": "20 M USD", "loss": "100,000 USD",
            # Prices of bars come minutes apart; they are the market until the next one.
            "conduct": {"regular": {"edge": "1 bps", "levels": 3, "hedges": True, "unhedged": "500,000 USD", "stale": "15 min"}},
        }  # fmt: skip
        settings = msgspec.convert(said, NameSettings)
        self._desk = LockstepBridge(self.listing, self.account, [settings], TOTAL, "demo")
        self._desk.begin(engine)

    def see(self, event: EventMessage) -> None:
        """Takes one event in: public ones, and its own."""
        if self._desk is None:
            return
        self._desk.see(event)
        body = event.body
        if event.header.account != self.account:
            return
        if isinstance(body, OrderFilled):
            name = next(name for name, number in self.listing.market.items() if number == body.market)
            count = self._fills[name]
            count[0] += 1
            count[1] += body.price * body.lots * self.listing.quote_units(name)
        elif isinstance(body, TokensIssued):
            self._made[0] += body.units
        elif isinstance(body, TokensRedeemed):
            self._made[1] += body.units

    def act(self, market: Market) -> Iterator[Command]:
        """Its quotes and hedges, while the exchange is open; a look a minute while it is not."""
        if self._desk is None or self.primary is None or self.engine is None:
            return
        closed = market.session.get(self.listing.underlying[self.symbol]) != Session.REGULAR
        if closed and market.time_ns % LOOK_NS:
            return
        self.started_ns = self.started_ns or market.time_ns
        book = self.primary.book(self.symbol)
        if book is None:
            return
        if market.time_ns - self._looked_ns >= LOOK_NS:
            self._looked_ns = market.time_ns
            if book.session == Session.REGULAR:
                self._desk.look(self.engine)
        self._desk.market(book)
        yield from self._desk.act(market.time_ns)

    def result(self) -> operations.Bridge | None:
        """What the report carries; None where it never traded."""
        if not self._fills:
            return None
        fills = tuple(
            operations.BridgeFills(market=name, fills=count, volume_micro=micro)
            for name, (count, micro) in sorted(self._fills.items())
        )
        return operations.Bridge(
            account=self.account,
            token=self.listing.token_of_underlying[self.symbol],
            fills=fills,
            issued_units=self._made[0],
            redeemed_units=self._made[1],
        )


EVENTS: Final = WATCHED
"""Events that it wants."""
