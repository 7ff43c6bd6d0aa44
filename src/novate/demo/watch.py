"""The safeguards during the run: what the venue says of its pools, insurance, ranks and tranches, and what became of stops.

Responsible for: collecting from events and from the engine's answers. Sends nothing and computes no risk.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from novate._core import Engine
from novate.config import Listing
from novate.messages import (
    BackstopSliceTaken,
    EventMessage,
    IndexChanged,
    OrderFilled,
    Quality,
    Side,
    TriggerFired,
    TriggerPlaced,
    WaitingEnded,
    reports,
)
from novate.messages.codes import CancelReason, LiquidationRole
from novate.messages.refusals import rule
from novate.messages.reports import lending, liquidation, prices
from novate.reports import safeguards

WATCHED = (BackstopSliceTaken, TriggerFired, TriggerPlaced, WaitingEnded)


@dataclass(slots=True)
class Watch:
    """Looks on while the replay runs; `stock` is the name whose closed hours are followed."""

    engine: Engine
    listing: Listing
    stock: str
    _stops: dict[int, safeguards.Stop] = field(default_factory=dict)
    _fills: dict[int, list[int]] = field(default_factory=dict)
    """Ticks times lots, and lots, by order of accounts with a stop."""
    _taken: dict[int, list[int]] = field(default_factory=dict)
    """Slices and micro-dollars by provider."""
    _most_used: dict[int, tuple[int, int]] = field(default_factory=dict)
    _closures: list[safeguards.Closure] = field(default_factory=list)
    _closed: bool = False

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body, account, time_ns = event.body, event.header.account, event.header.time_ns
        if isinstance(body, IndexChanged):
            if body.underlying == self.listing.underlying[self.stock]:
                self._moved(time_ns, body)
        elif isinstance(body, OrderFilled):
            if not body.maker and any(stop.account == account for stop in self._stops.values()):
                total = self._fills.setdefault(body.order, [0, 0])
                total[0] += body.price * body.lots
                total[1] += body.lots
        elif isinstance(body, TriggerPlaced):
            self._placed(account, time_ns, body)
        elif isinstance(body, TriggerFired):
            self._fired(time_ns, body)
        elif isinstance(body, WaitingEnded) and body.order in self._stops:
            reason = CancelReason(body.reason).name.lower().replace("_", " ")
            self._stops[body.order] = replace(
                self._stops[body.order], outcome="ended", time_ns=time_ns, reason=reason
            )
        elif isinstance(body, BackstopSliceTaken) and body.role == LiquidationRole.TAKES:
            slices = self._taken.setdefault(account, [0, 0])
            slices[0] += 1
            slices[1] += body.notional

    def _quantity(self, market: str, lots: int) -> str:
        terms = self.listing.markets[market]
        return f"{lots * terms.lot_size / (1e9 if terms.market_kind == 1 else 1e6):,.10g}"

    def _placed(self, account: int, time_ns: int, body: TriggerPlaced) -> None:
        names = {number: name for name, number in self.listing.market.items()}
        market = names[body.market]
        tick = self.listing.markets[names[body.trigger_market or body.market]].tick_size
        self._stops[body.order] = safeguards.Stop(
            account=account,
            market=market,
            side="buy" if body.side == Side.BID else "sell",
            quantity=self._quantity(market, body.lots),
            trigger_e6=body.trigger_price * tick,
            outcome="waiting",
            time_ns=time_ns,
        )

    def _fired(self, time_ns: int, body: TriggerFired) -> None:
        stop = self._stops[body.trigger]
        ticks_lots, lots = self._fills.get(body.order, [0, 0])
        tick = self.listing.markets[stop.market].tick_size
        self._stops[body.trigger] = replace(
            stop,
            outcome="refused" if body.code else "fired",
            time_ns=time_ns,
            mark_e6=body.mark,
            filled=self._quantity(stop.market, lots) if lots else "",
            price_e6=ticks_lots * tick // lots if lots else 0,
            reason=rule(body.code).sentence if body.code else "",
        )

    def _moved(self, time_ns: int, body: IndexChanged) -> None:
        closed = body.quality == Quality.CLOSED
        if closed and not self._closed:
            self._closures.append(
                safeguards.Closure(
                    underlying=self.stock,
                    start_ns=time_ns,
                    end_ns=time_ns,
                    external_e6=0,
                    low_e6=0,
                    high_e6=0,
                    last_e6=body.index,
                )
            )
        elif closed:
            self._closures[-1] = replace(self._closures[-1], end_ns=time_ns, last_e6=body.index)
        elif self._closed:
            self._closures[-1] = replace(self._closures[-1], end_ns=time_ns)
        self._closed = closed

    def sample(self, time_ns: int) -> None:
        """Every five minutes: the use of the pools, and the bounds of a closed index."""
        for pool in lending.pools(self.engine):
            most = self._most_used.get(pool.asset, (-1, 0))
            self._most_used[pool.asset] = max(most, (pool.utilisation_ppm, -time_ns))
        if not self._closures or self._closures[-1].reopened_ns:
            return
        number = self.listing.underlying[self.stock]
        gate = next(g for g in prices.gates(self.engine) if g.underlying == number)
        closure = self._closures[-1]
        if self._closed and gate.low:
            self._closures[-1] = replace(
                closure,
                end_ns=time_ns,
                external_e6=gate.last_external,
                low_e6=gate.low,
                high_e6=gate.high,
                last_e6=gate.index,
            )
        elif gate.quality == Quality.LIVE and not gate.blending:
            self._closures[-1] = replace(closure, reopened_ns=time_ns, reopened_e6=gate.index)

    def result(self) -> safeguards.Safeguards:
        """Everything, as of now."""
        drifted = [closure for closure in self._closures if closure.low_e6]
        return safeguards.Safeguards(
            pools=self._pools(),
            covers=self._covers(),
            winners=self._winners(),
            tranches=self._tranches(),
            stops=tuple(self._stops.values()),
            closure=max(drifted, key=lambda c: c.end_ns - c.start_ns, default=None),
        )

    def _pools(self) -> tuple[safeguards.Pool, ...]:
        found = []
        for pool in lending.pools(self.engine):
            most, minus_ns = max(
                self._most_used.get(pool.asset, (-1, 0)), (pool.utilisation_ppm, -self.engine.time_ns)
            )
            found.append(
                safeguards.Pool(
                    asset=pool.name,
                    rate_ppm=pool.rate_ppm,
                    utilisation_ppm=pool.utilisation_ppm,
                    most_used_ppm=most,
                    most_used_ns=-minus_ns,
                    lent=pool.claims,
                    borrowed=pool.owed,
                    withdrawable=pool.available,
                )
            )
        return tuple(found)

    def _covers(self) -> tuple[safeguards.Cover, ...]:
        operator = {b.party: b.amount for b in reports.ledger(self.engine).venue if b.party.startswith("Op")}
        return tuple(
            safeguards.Cover(
                bucket=line.name,
                insurance_micro=line.balance - operator.get(f"Operator({line.bucket})", 0),
                operator_micro=operator.get(f"Operator({line.bucket})", 0),
                target_micro=line.target,
                open_interest_ppm=line.open_interest_ppm,
            )
            for line in liquidation.insurance(self.engine)
        )

    def _winners(self) -> tuple[safeguards.Winner, ...]:
        names = {number: name for name, number in self.listing.market.items()}
        found = [
            safeguards.Winner(
                account=line.account,
                market=names[rank.market],
                unhedged=f"{'long' if rank.lots > 0 else 'short'} {self._quantity(names[rank.market], rank.unhedged_lots)}",
                profit_micro=rank.profit,
                rank=rank.rank,
                of=rank.of,
            )
            for line in reports.accounts(self.engine)
            for rank in liquidation.standing(self.engine, line.account).ranks
            if rank.rank and rank.unhedged_lots
        ]
        return tuple(sorted(found, key=lambda winner: (winner.market, winner.rank)))

    def _tranches(self) -> tuple[safeguards.Tranche, ...]:
        found = []
        for line in liquidation.tranches(self.engine):
            slices, taken = self._taken.get(line.account, [0, 0])
            found.append(
                safeguards.Tranche(
                    account=line.account,
                    discount_ppm=line.discount_ppm,
                    committed_micro=line.notional,
                    slices=slices,
                    taken_micro=taken,
                    loss_micro=line.loss,
                    loss_limit_micro=line.loss_limit,
                    exhausted=line.exhausted,
                )
            )
        return tuple(found)
