"""The compared rules: published examples by hand, then what must hold for any book."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.risk import Leg, LegKind, Portfolio, Standalone, compare, isolated, ondo, plain_cross, tims_like
from novate.risk.peers import MILLION, ONDO_CAP_MICRO, TIMS_RANGE_PPM, AssetClass, ondo_debt_ltv_ppm


def usd(dollars: int) -> int:
    return dollars * MILLION


def leg(name: str, kind: AssetClass, spot: int = 0, perp: int = 0, pnl: int = 0) -> Leg:
    return Leg(
        underlying=name,
        asset_class=kind,
        spot_value_micro=usd(spot),
        perp_value_micro=usd(perp),
        perp_pnl_micro=usd(pnl),
        token=f"{name}x",
    )


def book(*legs: Leg, usdc: int = 0, claims: int = 0) -> Portfolio:
    return Portfolio(cash={"USDC": usd(usdc)}, legs=legs, claims_micro=usd(claims))


def twenty_percent(leg: Leg, kind: LegKind) -> Standalone:
    """A stand-in for the engine's margin of one leg alone: 20 % initial, 15 % maintenance."""
    value = abs(leg.spot_value_micro if kind == "spot" else leg.perp_value_micro)
    return Standalone(-(-value // 5), -(-value * 15 // 100))


HEDGED = book(leg("NVDA", "mega_cap", spot=900_000, perp=-900_000), usdc=50_000)


# --- worked examples: rule, book, initial, maintenance, what counts (dollars) -----------------------------------------

EXAMPLES = [
    # A hedged holder: isolated sees only the short, cross charges both legs, TIMS sees no exposure at all.
    ("isolated", HEDGED, 180_000, 135_000, 50_000),
    ("cross", HEDGED, 360_000, 270_000, 950_000),
    ("ondo", HEDGED, 90_000, 45_000, 50_000),
    ("tims", HEDGED, 0, None, 950_000),
    # 100k of an accepted ETF token counts 90k; a 20x market asks 5 %.
    (
        "ondo",
        book(leg("SPY", "broad_etf", spot=100_000), leg("AAPL", "mega_cap", perp=100_000)),
        5_000,
        2_500,
        90_000,
    ),
    # The cap of 100k binds per asset, so two assets count twice.
    (
        "ondo",
        book(leg("SPY", "broad_etf", spot=500_000), leg("QQQ", "broad_etf", spot=200_000), usdc=1_000),
        0,
        0,
        201_000,
    ),
    # BTC at 10 / 5 %: our assumption.
    ("ondo", book(leg("BTC", "crypto", perp=-400_000, pnl=-7_000), usdc=60_000), 40_000, 20_000, 53_000),
    # One stock long falls 15 %; one broad ETF long falls 8 %, short rises 6 %; crypto 20 %.
    ("tims", book(leg("TSLA", "mega_cap", perp=100_000), usdc=200_000), 15_000, None, 200_000),
    ("tims", book(leg("SPY", "broad_etf", spot=100_000)), 8_000, None, 100_000),
    ("tims", book(leg("SPY", "broad_etf", perp=-100_000), usdc=200_000), 6_000, None, 200_000),
    ("tims", book(leg("ETH", "crypto", perp=-100_000), usdc=200_000), 20_000, None, 200_000),
    # Two stocks of different issuers, long and short: no offset, 15 % of each.
    (
        "tims",
        book(leg("AAPL", "mega_cap", perp=100_000), leg("MSFT", "mega_cap", perp=-100_000), usdc=200_000),
        30_000,
        None,
        200_000,
    ),
    # Two broad ETFs, long and short: worst point is the fall, 8,000 lost less 90 % of 8,000 gained.
    (
        "tims",
        book(leg("SPY", "broad_etf", spot=100_000), leg("QQQ", "broad_etf", perp=-100_000), usdc=100_000),
        800,
        None,
        200_000,
    ),
    # IBIT is a listed fund, BTC is not: nothing offsets between them.
    (
        "tims",
        book(leg("IBIT", "crypto_etf", spot=100_000), leg("BTC", "crypto", perp=-100_000), usdc=100_000),
        35_000,
        None,
        200_000,
    ),
    # In isolation a gain serves only its own leg: 90k of gain counts 20k, the other leg's loss counts in full.
    (
        "isolated",
        book(
            leg("BTC", "crypto", perp=100_000, pnl=90_000),
            leg("ETH", "crypto", perp=100_000, pnl=-30_000),
            usdc=50_000,
        ),
        40_000,
        30_000,
        40_000,
    ),
    # A lender's pool share backs nothing in isolation and under Ondo's rule, and counts where all equity counts.
    ("isolated", book(usdc=10, claims=1_000), 0, 0, 10),
    ("ondo", book(usdc=10, claims=1_000), 0, 0, 10),
    ("cross", book(usdc=10, claims=1_000), 0, 0, 1_010),
]


@pytest.mark.parametrize(("rule", "portfolio", "initial", "maintenance", "equity"), EXAMPLES)
def test_worked_example(
    rule: str, portfolio: Portfolio, initial: int, maintenance: int | None, equity: int
) -> None:
    result = {r.rule: r for r in compare(portfolio, twenty_percent)}[rule]
    assert result.initial_micro == usd(initial)
    assert result.maintenance_micro == (None if maintenance is None else usd(maintenance))
    assert result.equity_micro == usd(equity)
    assert result.excess_micro == usd(equity - initial)


@pytest.mark.parametrize(("hedge_percent", "rally_percent"), [(100, 37), (75, 56), (50, 117)])
def test_ondo_sells_a_hedged_holders_tokens_after_the_published_rally(
    hedge_percent: int, rally_percent: int
) -> None:
    """x = 0.27 / (r - 0.27): just below the rally the tokens are safe, just above it they are sold."""
    for rally, sold in ((rally_percent - 1, False), (rally_percent + 1, True)):
        spy = leg(
            "SPY",
            "broad_etf",
            spot=1_000 * (100 + rally),
            perp=-10 * hedge_percent * (100 + rally),
            pnl=-10 * hedge_percent * rally,
        )
        assert (ondo_debt_ltv_ppm(book(spy)) >= 300_000) is sold
        assert any("sold automatically" in w for w in ondo(book(spy)).warnings) is sold


def test_ondo_says_what_it_does_not_take() -> None:
    result = ondo(book(leg("NVDA", "mega_cap", spot=600_000, perp=-600_000), leg("BTC", "crypto", perp=1)))
    text = " ".join(result.warnings)
    assert (
        "NVDAx" in text
        and "$500,000 position limit: NVDA" in text
        and "assumption, not published: BTC" in text
    )
    generous = ondo(book(leg("NVDA", "mega_cap", spot=90_000)), accepted={"NVDA"})
    assert generous.equity_micro == usd(81_000) and not generous.warnings


def test_ondo_owes_a_borrowed_token_in_full_even_off_the_list() -> None:
    for name in ("SPY", "NVDA"):
        assert ondo(book(leg(name, "stock", spot=-1_000), usdc=5_000)).equity_micro == usd(4_000)


def test_requirements_round_up_and_credits_down() -> None:
    odd = Leg(underlying="SPY", asset_class="broad_etf", spot_value_micro=11, perp_value_micro=-21)
    result = ondo(Portfolio(cash={"USDC": 0}, legs=(odd,)))
    assert (result.initial_micro, result.maintenance_micro, result.equity_micro) == (2, 1, 9)
    assert tims_like(Portfolio(cash={"USDC": 0}, legs=(odd,))).initial_micro == 1


def test_locked_value_counts_what_a_rule_ignores() -> None:
    """950k net; isolated counts 50k and asks 180k, so 1.08m is out of the owner's hands."""
    assert isolated(HEDGED, twenty_percent).locked_micro == usd(950_000 - 50_000 + 180_000)
    assert plain_cross(HEDGED, twenty_percent).locked_micro == usd(360_000)


def test_cash_charge_is_added_to_cross() -> None:
    result = plain_cross(book(usdc=100), twenty_percent, Standalone(7, 5))
    assert (result.initial_micro, result.maintenance_micro) == (7, 5)


def test_negative_standalone_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        isolated(HEDGED, lambda _leg, _kind: Standalone(-1, 0))


# --- any book -------------------------------------------------------------------------------------------------------

micro = st.integers(-(10**15), 10**15)


@st.composite
def books(draw: st.DrawFn) -> Portfolio:
    names = draw(st.lists(st.sampled_from(["SPY", "QQQ", "NVDA", "AAPL", "IBIT", "BTC", "ETH"]), unique=True))
    classes = st.sampled_from(sorted(TIMS_RANGE_PPM))
    legs = tuple(
        Leg(
            underlying=name,
            asset_class=draw(classes),
            spot_value_micro=draw(micro),
            perp_value_micro=draw(micro),
            perp_pnl_micro=draw(micro),
        )
        for name in names
    )
    return Portfolio(
        cash={"USDC": draw(micro), "USDT": draw(micro)},
        legs=legs,
        claims_micro=draw(st.integers(0, 10**15)),
        accrued_micro=draw(st.integers(0, 10**12)),
    )


@given(books())
def test_every_rule_is_an_integer_and_never_a_credit(portfolio: Portfolio) -> None:
    for result in compare(portfolio, twenty_percent):
        assert type(result.initial_micro) is int and result.initial_micro >= 0
        assert result.maintenance_micro is None or 0 <= result.maintenance_micro <= result.initial_micro
        assert result.locked_micro == portfolio.net_liquidation_micro - result.excess_micro
        assert result.maintenance_excess_micro >= result.excess_micro


@given(books(), st.integers(0, 10**15))
def test_more_usdc_never_lowers_excess(portfolio: Portfolio, more: int) -> None:
    richer = Portfolio(
        cash={**portfolio.cash, "USDC": portfolio.cash["USDC"] + more},
        legs=portfolio.legs,
        claims_micro=portfolio.claims_micro,
        accrued_micro=portfolio.accrued_micro,
    )
    for poor, rich in zip(compare(portfolio, twenty_percent), compare(richer, twenty_percent), strict=True):
        assert rich.excess_micro - poor.excess_micro == more


@given(books())
def test_tims_by_brute_force(portfolio: Portfolio) -> None:
    """The same rule written the long way: one point at a time, in exact fractions, then compared within rounding."""

    def profit(leg: Leg, point: int) -> Fraction:
        down, up = TIMS_RANGE_PPM[leg.asset_class]
        shock = Fraction(down * -point, 5) if point < 0 else Fraction(up * point, 5)
        return (leg.spot_value_micro + leg.perp_value_micro) * shock / MILLION

    points = [p for p in range(-5, 6) if p]
    total = Fraction(0)
    groups = [[x for x in portfolio.legs if x.asset_class == "broad_etf"]]
    groups += [[x] for x in portfolio.legs if x.asset_class != "broad_etf"]
    for group in groups:
        worst = Fraction(0)
        for point in points:
            gains = sum((max(Fraction(0), profit(x, point)) for x in group), Fraction(0))
            losses = sum((max(Fraction(0), -profit(x, point)) for x in group), Fraction(0))
            worst = max(worst, losses - Fraction(9, 10) * gains)
        total += worst
    slack = tims_like(portfolio).initial_micro - total
    assert 0 <= slack <= 2 * (len(portfolio.legs) + 1)


@given(books())
def test_ondo_credit_stays_below_value_and_cap(portfolio: Portfolio) -> None:
    result = ondo(portfolio)
    longs = [x.spot_value_micro for x in portfolio.legs if x.spot_value_micro > 0]
    most = portfolio.usdc_micro + portfolio.pnl_micro + sum(min(v * 9 // 10, ONDO_CAP_MICRO) for v in longs)
    assert result.equity_micro <= most
