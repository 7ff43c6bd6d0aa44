"""Packages as they traded: the end state's requirement beside what each leg would need by itself.

Responsible for: asking the venue right after the trade. Sends nothing, and margins nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from novate._core import Engine
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import Signed
from novate.messages import Event, EventMessage, MarketKind, PackageTraded, reports
from novate.messages.reports import BalanceChange, Level, Trade
from novate.reports import operations

WATCHED: Final = (PackageTraded,)


@dataclass(slots=True)
class Pairing:
    """Looks on while packages trade."""

    engine: Engine
    listing: Listing
    _traded: list[tuple[EventMessage, PackageTraded]] = field(default_factory=list)
    _packages: list[operations.Package] = field(default_factory=list)

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        if isinstance(event.body, PackageTraded):
            self._traded.append((event, event.body))

    def act(self, market: Market) -> Iterator[Signed]:
        """Sends nothing."""
        del market
        yield from ()

    def after_frame(self, time_ns: int) -> None:
        """What the account needs now, with its legs together and one by one."""
        del time_ns
        traded, self._traded = self._traded, []
        for event, body in traded:
            account = event.header.account
            end = reports.what_if(self.engine, account, orders=False)
            legs = zip(body.markets, body.lots, body.costs, body.fees, strict=True)
            self._packages.append(
                operations.Package(
                    account=account,
                    time_ns=event.header.time_ns,
                    sequence=event.header.sequence,
                    legs=tuple(self._leg(account, *leg) for leg in legs),
                    requirement_micro=end.requirement,
                    excess_micro=end.excess,
                )
            )

    def _leg(self, account: int, market: int, lots: int, cost: int, fee: int) -> operations.PackageLeg:
        name = next(name for name, number in self.listing.market.items() if number == market)
        terms = self.listing.markets[name]
        units = lots * terms.lot_size
        scale = 10 ** self.listing.lot_decimals(name)
        ticks = next(line.index_ticks for line in reports.markets(self.engine) if line.market == market)
        change: BalanceChange | Trade = (
            Trade(market=market, lots=lots, price=ticks)
            if terms.market_kind == MarketKind.PERP
            else BalanceChange(asset=terms.base, amount=units)
        )
        alone = reports.what_if(self.engine, account, [change], level=Level.INITIAL, alone=True, orders=False)
        return operations.PackageLeg(
            market=name,
            side="buy" if lots > 0 else "sell",
            quantity=f"{abs(units) / scale:,.10g}",
            price_e6=abs(cost) * scale // abs(units),
            notional_micro=abs(cost),
            fee_micro=fee,
            alone_micro=alone.requirement,
        )

    def result(self) -> tuple[operations.Package, ...]:
        """What the report carries."""
        return tuple(self._packages)
