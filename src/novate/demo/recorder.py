"""What the report needs to remember of a run: paths, liquidations, funding, costs, price quality, and the hedge proof.

Responsible for: collecting from events and, every five minutes of market time, from the engine's answers. Never influences the
run: it sends nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from novate._core import Engine
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.portrait import Painter, Portrait
from novate.messages import (
    AccountState,
    AccountStateChanged,
    AssetKind,
    EventMessage,
    FundingSet,
    IndexChanged,
    InterestPaid,
    LiquidationSlice,
    OrderFilled,
    Quality,
    Session,
    Settled,
    ShortfallReported,
    reports,
)
from novate.messages.reports import Level, lending
from novate.reports import model

SAMPLE_NS: Final = 300_000_000_000
WANTED = (AccountStateChanged, FundingSet, InterestPaid, LiquidationSlice, Settled, ShortfallReported)


@dataclass(slots=True)
class Spending:
    """Running costs of one account, micro-dollars."""

    fills: int = 0
    volume: int = 0
    fees: int = 0
    funding: int = 0
    interest: int = 0


@dataclass(slots=True)
class HedgeSample:
    """The hedged account at one time: excess at maintenance and everything that may move it, lambda applied."""

    time_ns: int
    excess: int
    carry: int
    premium: int
    basis: int
    wrap: int
    fx: int
    liq: int
    index: int
    spot: int


@dataclass(slots=True)
class Recorder:
    """Collects while the replay runs."""

    engine: Engine
    listing: Listing
    market: Market
    painter: Painter
    hedged: int
    hedged_market: str
    states: defaultdict[int, AccountState] = field(
        default_factory=lambda: defaultdict(lambda: AccountState.GREEN)
    )
    """Worst state each account was ever told to be in."""
    settled: set[int] = field(default_factory=set)
    """Accounts whose position is on: from here on their worst moment counts."""
    paths: defaultdict[int, list[model.PathPoint]] = field(default_factory=lambda: defaultdict(list))
    worst: dict[int, tuple[int, Portrait]] = field(default_factory=dict)
    spending: defaultdict[int, Spending] = field(default_factory=lambda: defaultdict(Spending))
    liquidations: list[model.Liquidation] = field(default_factory=list)
    shortfalls: list[model.Shortfall] = field(default_factory=list)
    funding: list[model.FundingHour] = field(default_factory=list)
    prices: defaultdict[str, list[model.PricePoint]] = field(default_factory=lambda: defaultdict(list))
    quality: list[model.QualityBand] = field(default_factory=list)
    sessions: list[model.SessionBand] = field(default_factory=list)
    hedge: list[HedgeSample] = field(default_factory=list)
    _booked: int = 0
    """What the hedged account owed when interest was last brought into its balance."""
    _bands: dict[int, tuple[int, Quality]] = field(default_factory=dict)
    _session: tuple[int, Session] | None = None
    _fills: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    _terms: dict[int, tuple[str, str, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, number in self.listing.market.items():
            terms = self.listing.markets[name]
            scale = 1e9 if terms.market_kind == 1 else 1e6
            self._terms[number] = (name, self.listing.underlying_of_market[name], terms.tick_size, int(scale))

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body, account = event.body, event.header.account
        if account == self.hedged and _books_cash(body):
            self._booked = self._owed()
        if isinstance(body, OrderFilled):
            self._filled(account, body)
        elif isinstance(body, AccountStateChanged):
            self.states[account] = max(self.states[account], AccountState(body.to))
        elif isinstance(body, Settled):
            self.spending[account].funding -= body.funding
            if self.funding and body.funding:
                self._funded(body)
        elif isinstance(body, InterestPaid):
            self.spending[account].interest -= self._worth(body.asset, body.amount)
        elif isinstance(body, FundingSet):
            name = self._terms[body.market][0]
            self.funding.append(
                model.FundingHour(market=name, time_ns=event.header.time_ns, rate_e9=body.rate_ppb)
            )
        elif isinstance(body, IndexChanged):
            self._priced(event.header.time_ns, body)
        elif isinstance(body, LiquidationSlice):
            self._sliced(event, body)
        elif isinstance(body, ShortfallReported):
            self.shortfalls.append(model.Shortfall(account=account, asset="USDC", amount_micro=body.amount))

    def _worth(self, asset: int, units: int) -> int:
        """Micro-dollars of units of an asset: a stablecoin at face, a token at the index."""
        name = next(name for name, number in self.listing.asset.items() if number == asset)
        listed, scale = self.listing.assets[name], int(10 ** self.listing.decimals(name))
        if listed.asset_kind == AssetKind.STABLECOIN:
            return units * 1_000_000 // scale
        price = self.market.price(self.listing.underlying_of_asset[name])
        return units * listed.multiplier_ppb * price // (scale * 1_000_000_000)

    def _filled(self, account: int, body: OrderFilled) -> None:
        spent = self.spending[account]
        spent.fills += 1
        spent.fees += body.fee
        _, _, tick, scale = self._terms[body.market]
        lot = self.listing.markets[self._terms[body.market][0]].lot_size
        spent.volume += body.price * body.lots * tick * lot // scale
        if body.liquidation and not body.maker:
            total = self._fills[account, body.market]
            total[0] += body.price * body.lots
            total[1] += body.lots

    def _funded(self, body: Settled) -> None:
        """What longs paid in all; the hour's rates were told just before."""
        name = self._terms[body.market][0]
        for at in range(len(self.funding) - 1, max(-1, len(self.funding) - 1 - len(self._terms)), -1):
            hour = self.funding[at]
            if hour.market == name:
                paid = hour.paid_micro + (max(0, -body.funding) if hour.rate_e9 > 0 else min(0, body.funding))
                self.funding[at] = model.FundingHour(
                    market=name, time_ns=hour.time_ns, rate_e9=hour.rate_e9, paid_micro=paid
                )
                return

    def _priced(self, time_ns: int, body: IndexChanged) -> None:
        quality = Quality(body.quality)
        since, before = self._bands.get(body.underlying, (time_ns, quality))
        if before != quality:
            self._close_band(body.underlying, since, before, time_ns)
            since = time_ns
        self._bands[body.underlying] = (since, quality)
        if body.underlying == self.listing.underlying[self.listing.underlying_of_market[self.hedged_market]]:
            session = Session(body.session)
            if self._session is None or self._session[1] != session:
                self._close_session(time_ns)
                self._session = (time_ns, session)

    def _close_band(self, number: int, since: int, quality: Quality, until: int) -> None:
        name = next(n for n, u in self.listing.underlying.items() if u == number)
        label = quality.name.lower()
        band = model.QualityBand(underlying=name, start_ns=since, end_ns=until, quality=label)  # type: ignore[arg-type]
        self.quality.append(band)

    def _close_session(self, until: int) -> None:
        if self._session is not None:
            since, session = self._session
            name = session.name.lower()
            self.sessions.append(model.SessionBand(start_ns=since, end_ns=until, session=name))  # type: ignore[arg-type]

    def _sliced(self, event: EventMessage, body: LiquidationSlice) -> None:
        relief = f"requirement ${body.requirement_before / 1e6:,.0f} to ${body.requirement_after / 1e6:,.0f}"
        step = "stage 2, hedged pair" if body.pair_market else "stage 2, through the book"
        for market in (body.market, body.pair_market):
            ticks_lots, lots = self._fills.pop((event.header.account, market), [0, 0])
            if not market or not lots:
                continue
            name, underlying, tick, scale = self._terms[market]
            lot = self.listing.markets[name].lot_size
            sells = (body.side == 1) == (market == body.market)
            self.liquidations.append(
                model.Liquidation(
                    account=event.header.account,
                    time_ns=event.header.time_ns,
                    step=step,
                    market=name,
                    underlying=underlying,
                    side="sell" if sells else "buy",
                    quantity=f"{lots * lot / scale:,.10g}",
                    notional_micro=ticks_lots * tick * lot // scale,
                    price_e6=ticks_lots * tick // lots,
                    index_e6=self.market.index[self.listing.underlying[underlying]],
                    fee_micro=body.fee if market == body.market else 0,
                    reason=relief,
                )
            )

    def sample(self, time_ns: int) -> None:
        """Every five minutes: everyone's equity and requirements, prices, and the hedged account in detail."""
        for line in reports.accounts(self.engine):
            point = model.PathPoint(
                time_ns=time_ns,
                equity_micro=line.equity,
                initial_micro=line.requirements[Level.INITIAL],
                maintenance_micro=line.requirements[Level.MAINTENANCE],
            )
            self.paths[line.account].append(point)
            self._remember_worst(line)
        for name, number in self.listing.underlying.items():
            index = self.market.index.get(number, 0)
            perp = self.listing.market.get(f"{name}-PERP", 0)
            if index:
                mark = self.market.mark.get(perp, index)
                self.prices[name].append(model.PricePoint(time_ns=time_ns, index_e6=index, mark_e6=mark))

    def _remember_worst(self, line: reports.AccountLine) -> None:
        excess = line.excess[Level.MAINTENANCE]
        seen = self.worst.get(line.account)
        if line.account in self.settled and (seen is None or excess < seen[0]):
            self.worst[line.account] = (excess, self.painter.portrait(line.account, peers=False))

    def sample_hedge(self, time_ns: int) -> None:
        """The hedged account's excess at maintenance with every part that hedge invariance allows to move it."""
        held = reports.account(self.engine, self.hedged)
        level = reports.what_if(self.engine, self.hedged, level=Level.MAINTENANCE, orders=False)
        terms, factor = level.terms, level.factor_ppm
        perp = next(p for p in held.positions if p.name == self.hedged_market)
        name = self.listing.underlying_of_market[self.hedged_market]
        token = next(b for b in held.balances if b.name == self.listing.token_of_underlying[name])
        premium = perp.result - (perp.value - perp.cost)
        others = sum(b.value for b in held.balances if b.name not in ("USDC", token.name))
        spent = self.spending[self.hedged]
        carry = others - spent.fees - spent.funding - spent.interest - self._accrued()
        self.hedge.append(
            HedgeSample(
                time_ns=time_ns,
                excess=level.excess,
                carry=carry - scaled(terms.sr + terms.gap, factor),
                premium=premium,
                basis=-scaled(terms.basis, factor),
                wrap=-scaled(terms.wrap, factor),
                fx=-scaled(terms.fx, factor),
                liq=-terms.liq,
                index=self.market.price(name),
                spot=token.value,
            )
        )

    def _owed(self) -> int:
        usdc = self.listing.asset["USDC"]
        return sum(loan.owed for loan in lending.loans(self.engine, self.hedged) if loan.asset == usdc)

    def _accrued(self) -> int:
        """Interest on the cash loan that no event has told yet: equity has it each minute, the balance when it is next booked."""
        return self._owed() - self._booked

    def finish(self, time_ns: int) -> None:
        """Closes what is still open."""
        for number, (since, quality) in self._bands.items():
            self._close_band(number, since, quality, time_ns)
        self._close_session(time_ns)

    def hedge_proof(self) -> model.HedgeProof | None:
        """Start against end, and the largest unexplained distance over all samples."""
        if len(self.hedge) < 2:
            return None
        first, last = self.hedge[0], self.hedge[-1]
        parts = ("carry", "premium", "basis", "wrap", "fx", "liq")

        def unexplained(s: HedgeSample) -> int:
            explained: int = sum(getattr(s, p) - getattr(first, p) for p in parts)
            return s.excess - first.excess - explained

        moved = {f"{p}_micro": getattr(last, p) - getattr(first, p) for p in parts}
        return model.HedgeProof(
            account=self.hedged,
            underlying=self.listing.underlying_of_market[self.hedged_market],
            level="maintenance",
            start_ns=first.time_ns,
            end_ns=last.time_ns,
            price_move_ppm=(last.index - first.index) * 1_000_000 // first.index,
            spot_micro=first.spot,
            excess_move_micro=last.excess - first.excess,
            checked=len(self.hedge),
            worst_unexplained_micro=max((unexplained(s) for s in self.hedge), key=abs),
            tolerance_micro=20,
            **moved,
        )


def scaled(amount: int, factor_ppm: int) -> int:
    """A stressed amount at a level, rounded up as the rule does."""
    return -(-amount * factor_ppm // 1_000_000)


def _books_cash(body: object) -> bool:
    """Whether an event says that the account's cash was booked, and the interest on it before."""
    return isinstance(body, OrderFilled | InterestPaid) or (isinstance(body, Settled) and body.cash != 0)
