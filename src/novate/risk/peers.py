"""What other margin rules would ask of the same book: isolated, plain cross, Ondo's published rule, a TIMS-like rule.

Responsible for: pure functions from one account's plain portfolio to what a rule asks and what it lets count.
Never: the venue's own rule (that is the core), prices, state, or rates invented here. Where a rule needs the margin
of one leg alone, the caller supplies it, computed by the engine on a book that holds only that leg.

Everything is an integer in micro-dollars; rates are parts per million; what a rule asks rounds up, what it credits
rounds down. Open orders are left out of every rule alike. Sources and our own assumptions, rule by rule:
docs/concepts/compared-rules.md.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

MILLION = 1_000_000

AssetClass = Literal["broad_etf", "mega_cap", "stock", "crypto_etf", "crypto", "bill"]
LegKind = Literal["spot", "perp"]


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """All an account holds of one underlying. Values in micro-dollars at one price, long positive, short negative."""

    underlying: str
    asset_class: AssetClass
    spot_value_micro: int = 0
    perp_value_micro: int = 0
    perp_pnl_micro: int = 0
    """Unrealised profit of the perp, not yet in cash."""
    token: str = ""
    price_e6: int = 0


class Portfolio(msgspec.Struct, frozen=True, kw_only=True):
    """One account as plain figures, all in micro-dollars.

    `cash` is per stablecoin and net of what the account owes in it (negative: a loan); `claims_micro` is what others
    owe the account (pool shares, receivables); `accrued_micro` is funding, interest and fees owed but not yet paid.
    """

    cash: Mapping[str, int]
    legs: tuple[Leg, ...] = ()
    claims_micro: int = 0
    accrued_micro: int = 0

    @property
    def net_liquidation_micro(self) -> int:
        """Everything at full value, before any rule."""
        return self.cash_micro + self.claims_micro - self.accrued_micro + self.pnl_micro + self.spot_micro

    @property
    def cash_micro(self) -> int:
        """All stablecoins at one dollar."""
        return sum(self.cash.values())

    @property
    def usdc_micro(self) -> int:
        """USDC alone, less what is accrued: the only money a USDC-margined venue would see."""
        return self.cash.get("USDC", 0) - self.accrued_micro

    @property
    def pnl_micro(self) -> int:
        """Unrealised profit of all perps."""
        return sum(leg.perp_pnl_micro for leg in self.legs)

    @property
    def spot_micro(self) -> int:
        """All tokens at full value; borrowed ones negative."""
        return sum(leg.spot_value_micro for leg in self.legs)


class Standalone(msgspec.Struct, frozen=True):
    """Margin of one leg alone under the venue's own listing, micro-dollars, never negative."""

    initial_micro: int
    maintenance_micro: int


NOTHING = Standalone(0, 0)
StandaloneOf = Callable[[Leg, LegKind], Standalone]


class PeerResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's answer for one book, micro-dollars.

    `equity_micro` is what the rule lets count; `maintenance_micro` is None where the rule knows a single figure.
    `warnings` are what else the rule would do to this book (refuse the size, sell the collateral).
    """

    rule: str
    title: str
    initial_micro: int
    maintenance_micro: int | None
    equity_micro: int
    maintenance_excess_micro: int
    net_liquidation_micro: int
    explanation: str
    warnings: tuple[str, ...] = ()

    @property
    def excess_micro(self) -> int:
        """What is left above the initial requirement; negative: the book could not be opened."""
        return self.equity_micro - self.initial_micro

    @property
    def locked_micro(self) -> int:
        """Margin plus everything of value the rule does not count: the figure that compares rules fairly."""
        return self.net_liquidation_micro - self.excess_micro


def compare(
    portfolio: Portfolio, standalone: StandaloneOf, cash_alone: Standalone = NOTHING
) -> tuple[PeerResult, ...]:
    """All compared rules in the order reports print them.

    `standalone(leg, kind)` is the venue's margin of that leg alone, `cash_alone` that of the stablecoins alone.
    """
    return (
        isolated(portfolio, standalone),
        plain_cross(portfolio, standalone, cash_alone),
        ondo(portfolio),
        tims_like(portfolio),
    )


# --- (a) isolated ---------------------------------------------------------------------------------------------------


def isolated(portfolio: Portfolio, standalone: StandaloneOf) -> PeerResult:
    """Each perp alone on its own USDC. Tokens, other stablecoins and claims back nothing.

    A perp's gain helps only that perp, so it counts up to that perp's own requirement; a loss counts in full.
    """
    perps = [leg for leg in portfolio.legs if leg.perp_value_micro or leg.perp_pnl_micro]
    margins = [(leg, _alone(leg, "perp", standalone)) for leg in perps]
    initial = sum(margin.initial_micro for _, margin in margins)
    maintenance = sum(margin.maintenance_micro for _, margin in margins)
    gains_i = sum(min(leg.perp_pnl_micro, margin.initial_micro) for leg, margin in margins)
    gains_m = sum(min(leg.perp_pnl_micro, margin.maintenance_micro) for leg, margin in margins)
    return PeerResult(
        rule="isolated",
        title="Isolated",
        initial_micro=initial,
        maintenance_micro=maintenance,
        equity_micro=portfolio.usdc_micro + gains_i,
        maintenance_excess_micro=portfolio.usdc_micro + gains_m - maintenance,
        net_liquidation_micro=portfolio.net_liquidation_micro,
        explanation="Every perp posts its own margin in USDC; tokens back nothing and no leg helps another.",
    )


# --- (b) plain cross ------------------------------------------------------------------------------------------------


def plain_cross(
    portfolio: Portfolio, standalone: StandaloneOf, cash_alone: Standalone = NOTHING
) -> PeerResult:
    """Everything counts as collateral, every leg is charged as if it stood alone, and the charges are added."""
    margins = [_alone(leg, "spot", standalone) for leg in portfolio.legs if leg.spot_value_micro]
    margins += [_alone(leg, "perp", standalone) for leg in portfolio.legs if leg.perp_value_micro]
    initial = cash_alone.initial_micro + sum(margin.initial_micro for margin in margins)
    maintenance = cash_alone.maintenance_micro + sum(margin.maintenance_micro for margin in margins)
    equity = portfolio.net_liquidation_micro
    return PeerResult(
        rule="cross",
        title="Plain cross",
        initial_micro=initial,
        maintenance_micro=maintenance,
        equity_micro=equity,
        maintenance_excess_micro=equity - maintenance,
        net_liquidation_micro=equity,
        explanation="All collateral counts at this venue's own haircuts; legs are summed, a hedge is charged twice.",
    )


def _alone(leg: Leg, kind: LegKind, standalone: StandaloneOf) -> Standalone:
    margin = standalone(leg, kind)
    if margin.initial_micro < 0 or margin.maintenance_micro < 0:
        raise ValueError(f"margin of {leg.underlying} {kind} alone must not be negative")
    return margin


# --- (c) Ondo's published rule --------------------------------------------------------------------------------------

ONDO_HAIRCUT_PPM = 100_000
ONDO_CAP_MICRO = 100_000 * MILLION
ONDO_POSITION_LIMIT_MICRO = 500_000 * MILLION
ONDO_DEBT_LTV_PPM = 300_000
ONDO_ACCEPTED = frozenset({"SPY", "QQQ", "GLD", "SLV"})
"""Underlyings whose tokens the published collateral list names. Single-stock tokens are not on it."""
ONDO_INITIAL_PPM: Mapping[str, int] = {"AAPL": 50_000, "SPY": 50_000, "QQQ": 50_000}
"""20x markets; SPY and QQQ stand for its US500 and US100 perps (our mapping)."""
ONDO_OTHER_INITIAL_PPM = 100_000
"""10x: nearly every single name; crypto is not listed there, 10 % is our assumption."""


def ondo(portfolio: Portfolio, accepted: Iterable[str] = ONDO_ACCEPTED) -> PeerResult:
    """Listed tokens at 90 % up to 100,000 dollars each, margins added per market, maintenance half of initial.

    `accepted` lets a caller ask what the rule would say if more tokens were on the list.
    """
    accepted = frozenset(accepted)
    credited = sum(_ondo_credit(leg) for leg in portfolio.legs if leg.underlying in accepted)
    # A borrowed token has no place in the published rule; it is owed in full, whatever the list says.
    owed = sum(min(0, leg.spot_value_micro) for leg in portfolio.legs)
    initial = sum(_ondo_initial(leg) for leg in portfolio.legs)
    maintenance = -(-initial // 2)
    equity = portfolio.usdc_micro + portfolio.pnl_micro + credited + owed
    return PeerResult(
        rule="ondo",
        title="Ondo (published)",
        initial_micro=initial,
        maintenance_micro=maintenance,
        equity_micro=equity,
        maintenance_excess_micro=equity - maintenance,
        net_liquidation_micro=portfolio.net_liquidation_micro,
        explanation="Listed ETF tokens at a 10 % haircut, at most $100,000 each; margins are added, nothing offsets.",
        warnings=_ondo_warnings(portfolio, accepted),
    )


def _ondo_credit(leg: Leg) -> int:
    return min(_ondo_haircut_value(leg), ONDO_CAP_MICRO)


def _ondo_haircut_value(leg: Leg) -> int:
    return max(0, leg.spot_value_micro) * (MILLION - ONDO_HAIRCUT_PPM) // MILLION


def _ondo_initial(leg: Leg) -> int:
    rate_ppm = ONDO_INITIAL_PPM.get(leg.underlying, ONDO_OTHER_INITIAL_PPM)
    return _up(abs(leg.perp_value_micro) * rate_ppm, MILLION)


def ondo_debt_ltv_ppm(portfolio: Portfolio, accepted: Iterable[str] = ONDO_ACCEPTED) -> int:
    """USDC debt over the haircut value of accepted tokens; its exchange sells collateral at 30 %. No tokens: 0."""
    accepted = frozenset(accepted)
    debt = max(0, -(portfolio.usdc_micro + portfolio.pnl_micro))
    value = sum(_ondo_haircut_value(leg) for leg in portfolio.legs if leg.underlying in accepted)
    return _up(debt * MILLION, value) if value else 0


def _ondo_warnings(portfolio: Portfolio, accepted: frozenset[str]) -> tuple[str, ...]:
    held = [leg for leg in portfolio.legs if leg.spot_value_micro > 0]
    refused = [leg.token or leg.underlying for leg in held if leg.underlying not in accepted]
    capped = [leg for leg in held if leg.underlying in accepted and _ondo_haircut_value(leg) > ONDO_CAP_MICRO]
    large = [
        leg.underlying for leg in portfolio.legs if abs(leg.perp_value_micro) > ONDO_POSITION_LIMIT_MICRO
    ]
    assumed = [
        leg.underlying for leg in portfolio.legs if leg.asset_class == "crypto" and leg.perp_value_micro
    ]
    warnings = []
    if refused:
        warnings.append(f"not on its published collateral list, counted as zero: {', '.join(refused)}")
    if capped:
        warnings.append(f"above the $100,000 cap: {', '.join(leg.token or leg.underlying for leg in capped)}")
    if large:
        warnings.append(f"above its $500,000 position limit: {', '.join(large)}")
    if assumed:
        warnings.append(f"10 % / 5 % is our assumption, not published: {', '.join(assumed)}")
    if ondo_debt_ltv_ppm(portfolio, accepted) >= ONDO_DEBT_LTV_PPM:
        warnings.append("USDC debt is past 30 % of its collateral: tokens would be sold automatically")
    return tuple(warnings)


# --- (d) TIMS-like --------------------------------------------------------------------------------------------------

TIMS_STEPS = 5
"""Equally spaced points on each side: 10 in all."""
TIMS_RANGE_PPM: Mapping[AssetClass, tuple[int, int]] = {
    "broad_etf": (-80_000, 60_000),
    "mega_cap": (-150_000, 150_000),
    "stock": (-150_000, 150_000),
    "crypto_etf": (-150_000, 150_000),
    "crypto": (-200_000, 200_000),
    "bill": (-10_000, 10_000),
}
TIMS_BROAD_OFFSET_PPM = 900_000


def tims_like(portfolio: Portfolio) -> PeerResult:
    """Ten price points per underlying; worst point; broad ETFs offset each other 90 %, nothing else offsets.

    Token and perp of one underlying are one class and net fully. All equity counts. One figure: no second level.
    """
    broad = [_tims_row(leg) for leg in portfolio.legs if leg.asset_class == "broad_etf"]
    others = [_tims_row(leg) for leg in portfolio.legs if leg.asset_class != "broad_etf"]
    requirement = _tims_group(broad) + sum(_tims_group([row]) for row in others)
    equity = portfolio.net_liquidation_micro
    return PeerResult(
        rule="tims",
        title="TIMS-like",
        initial_micro=requirement,
        maintenance_micro=None,
        equity_micro=equity,
        maintenance_excess_micro=equity - requirement,
        net_liquidation_micro=equity,
        explanation="Worst of 10 points: stocks ±15 %, broad ETFs +6/-8 % with 90 % offset, crypto ±20 %; no charge "
        "for gap between issuers, basis, wrapper or liquidity.",
        warnings=_tims_warnings(equity),
    )


def _tims_row(leg: Leg) -> list[int]:
    """Profit of the underlying's net exposure at each point, from the deepest fall to the highest rise."""
    down, up = TIMS_RANGE_PPM[leg.asset_class]
    points = [down * step // TIMS_STEPS for step in range(TIMS_STEPS, 0, -1)]
    points += [up * step // TIMS_STEPS for step in range(1, TIMS_STEPS + 1)]
    exposure = leg.spot_value_micro + leg.perp_value_micro
    return [exposure * point // MILLION for point in points]


def _tims_group(rows: list[list[int]]) -> int:
    """Worst point of a product group: losses less the offset part of the gains made at the same point."""
    worst = 0
    for profits in zip(*rows, strict=True):
        loss = -sum(profit for profit in profits if profit < 0)
        gain = sum(profit for profit in profits if profit > 0)
        worst = max(worst, loss - gain * TIMS_BROAD_OFFSET_PPM // MILLION)
    return worst


def _tims_warnings(equity: int) -> tuple[str, ...]:
    if equity < 100_000 * MILLION:
        return ("below the $100,000 minimum equity of a portfolio margin account",)
    return ()


def _up(numerator: int, denominator: int) -> int:
    """Quotient rounded up; the denominator is positive."""
    return -(-numerator // denominator)
