"""What net stress margin promises, on the plain Python reference: first each term by hand, then what must hold for any book.

Every property runs CASES generated books of up to ten legs over nine underlyings in three buckets (two tokens on one name,
one gap group across buckets, a leveraged fund, two stablecoins), sessions, prices and liquidity rates drawn with them.
Equalities hold up to one micro-dollar per rounded term; `slack` counts them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference.inputs import (
    AccountView,
    Balance,
    ConfigureVenue,
    Liquidity,
    ListAsset,
    ListBucket,
    ListDatedRow,
    ListMarket,
    ListUnderlying,
    OpenOrder,
    Position,
    PriceView,
    Venue,
)
from reference.margin import (
    ASK,
    BID,
    CLOSE_OUT,
    INITIAL,
    LIQUIDATION_END,
    MAINTENANCE,
    TERMS,
    ceil_div,
    evaluate,
    level_factor,
    liquidity_rate,
)

CASES = 300
M = 1_000_000
LEVELS = (INITIAL, LIQUIDATION_END, MAINTENANCE, CLOSE_OUT)
USDC, USDT = 1, 2
SPY, NVDA, TSLA, COIN, IBIT, BTC, ETH, BILL, NVDX = range(1, 10)
NAMES = ("", "SPY", "NVDA", "TSLA", "COIN", "IBIT", "BTC", "ETH", "BILL", "NVDX")
EQUITY, CRYPTO, RATES = 1, 2, 3
NO_LIMIT = 10**18
LOT_SHARES = 10_000_000
LOT_UNITS = 10_000

some_cases = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# --- The venue -------------------------------------------------------------------------------------------------------

PARAMETERS = ConfigureVenue(
    liquidation_end_ppm=850_000,
    maintenance_ppm=750_000,
    close_out_ppm=500_000,
    bucket_sum_ppm=500_000,
    gap_sum_ppm=250_000,
    tail_shock_ppm=2_000_000,
    tail_weight_ppm=350_000,
    rotation_ppm=500_000,
    participation_ppm=100_000,
    impact_ppm=M,
    liquidity_cap_ppm=100_000,
    long_charge_limit_ppm=950_000,
    gain_cap=NO_LIMIT,
)
BUCKETS = {
    EQUITY: ListBucket(bucket=EQUITY, gain_ppm=700_000),
    CRYPTO: ListBucket(bucket=CRYPTO, gain_ppm=600_000),
    RATES: ListBucket(bucket=RATES, gain_ppm=800_000, history_divisor=8),
}
ROWS = {
    1: ListDatedRow(row=1, date="2020-03-12", moves_ppm=(-96_000, -372_000, 1_000)),
    2: ListDatedRow(row=2, date="2020-03-16", moves_ppm=(-109_000, -70_000, 26_000)),
    3: ListDatedRow(row=3, date="2024-08-05", moves_ppm=(-29_000, -71_000, 1_000)),
    4: ListDatedRow(row=4, date="2025-04-09", moves_ppm=(105_000, 83_000, -3_000)),
}


def name(underlying, bucket, sector, group, down, up, gap, basis, **more):
    return ListUnderlying(
        underlying=underlying,
        name=NAMES[underlying],
        bucket=bucket,
        sector=sector,
        gap_group=group,
        shock_down_ppm=down,
        shock_up_ppm=up,
        gap_ppm=gap,
        basis_ppm=basis,
        **{"sigma_ppm": 20_000, "half_spread_ppm": 500, "confidence_floor_ppm": 900_000, **more},
    )


UNDERLYINGS = {
    u.underlying: u
    for u in (
        name(SPY, EQUITY, 1, 1, 90_000, 80_000, 0, 4_000),
        name(NVDA, EQUITY, 2, 2, 90_000, 90_000, 60_000, 10_000),
        name(TSLA, EQUITY, 3, 3, 90_000, 90_000, 150_000, 20_000, beta_ppm=1_500_000),
        name(COIN, EQUITY, 2, 4, 90_000, 90_000, 200_000, 20_000),
        name(IBIT, EQUITY, 4, 6, 90_000, 90_000, 100_000, 10_000),
        name(BTC, CRYPTO, 0, 6, 160_000, 160_000, 30_000, 7_000),
        name(ETH, CRYPTO, 0, 7, 180_000, 180_000, 40_000, 10_000),
        name(BILL, RATES, 0, 8, 10_000, 10_000, 0, 0, beta_ppm=250_000),
        name(NVDX, EQUITY, 2, 2, 90_000, 90_000, 100_000, 20_000, beta_ppm=2_000_000, leverage_ppm=2_000_000),
    )
}
PRICES = dict(zip(UNDERLYINGS, (600, 100, 400, 350, 70, 120_000, 4_000, 100, 20), strict=True))


def token(asset, underlying, **more):
    return ListAsset(
        asset=asset,
        asset_kind=1,
        underlying=underlying,
        **{
            "wrap_ppm": 20_000,
            "borrow_wrap_ppm": 50_000,
            "owner_cap": NO_LIMIT,
            "venue_cap": NO_LIMIT,
            **more,
        },
    )


ASSETS = {
    USDC: ListAsset(asset=USDC, asset_kind=0, underlying=101, depeg_ppm=10_000),
    USDT: ListAsset(asset=USDT, asset_kind=0, underlying=102, depeg_ppm=25_000),
    **{20 + u: token(20 + u, u) for u in UNDERLYINGS},
    32: token(32, NVDA, decimals=9, multiplier_ppb=998_877_665, wrap_ppm=30_000),
}
MARKETS = {
    market.market: market
    for u in UNDERLYINGS
    for market in (
        ListMarket(
            market=200 + u,
            market_kind=0,
            base=20 + u,
            underlying=u,
            quote=USDC,
            tick_size=10_000,
            lot_size=LOT_UNITS,
            taker_fee_ppm=500,
        ),
        ListMarket(
            market=300 + u,
            market_kind=1,
            underlying=u,
            quote=USDT if u == ETH else USDC,
            tick_size=10_000,
            lot_size=LOT_SHARES,
            taker_fee_ppm=300,
        ),
    )
}


def view(dollars: float, **more) -> PriceView:
    index = round(dollars * M)
    return PriceView(index=index, **{"stable": index, **more})


def venue(**more) -> Venue:
    """The listed universe at its starting prices, regular session, a quarter of a percent to get out."""
    prices = {u: view(price) for u, price in PRICES.items()} | {101: view(1), 102: view(1)}
    fields = {
        "parameters": PARAMETERS,
        "buckets": BUCKETS,
        "dated_rows": {},
        "underlyings": UNDERLYINGS,
        "assets": ASSETS,
        "markets": MARKETS,
        "prices": prices,
        "liquidity": {(1, u): Liquidity(2_500, 2_500) for u in UNDERLYINGS},
    }
    return Venue(**fields | more)


def held_tokens(underlying: int, dollars: int) -> dict[int, Balance]:
    amount = dollars * M // PRICES[underlying]
    return {20 + underlying: Balance(amount, admitted=amount)}


def held_perp(underlying: int, dollars: int, gain: int = 0) -> dict[int, Position]:
    """A perp worth `dollars` at the starting price, bought so that it shows `gain`."""
    lots = dollars * 100 // PRICES[underlying]
    return {300 + underlying: Position(lots, (dollars - gain) * M)}


def account(
    *parts: Mapping[int, Balance | Position], orders: Iterable[OpenOrder] = (), **more
) -> AccountView:
    balances = {a: x for part in parts for a, x in part.items() if isinstance(x, Balance)}
    positions = {m: x for part in parts for m, x in part.items() if isinstance(x, Position)}
    return AccountView(balances=balances, positions=positions, orders=tuple(orders), **more)


def slack(*accounts: AccountView) -> int:
    """One unit per rounded term: ten per leg (S, F, E and seven charges), five per account."""
    return sum(10 * (len(a.balances) + len(a.positions) + len(a.orders)) + 5 for a in accounts)


# --- Each term by hand: dollars ---------------------------------------------------------------------------------------

WITH_ROWS = venue(dated_rows=ROWS)
CLOSED = venue(prices=venue().prices | {NVDA: view(100, stable=98 * M, last_external=103 * M)})
WEEKEND = venue(prices=venue().prices | {NVDA: view(100, session_initial_ppm=1_600_000)})
DOUBTFUL = venue(
    prices=venue().prices | {NVDA: view(100, confidence_ppm=800_000)},
    underlyings=UNDERLYINGS | {NVDA: replace(UNDERLYINGS[NVDA], confidence_slope_ppm=2_000_000)},
)
DEPEGGED = venue(prices=venue().prices | {102: view(0.98, price_ppm=980_000)})
CAPPED = venue(parameters=replace(PARAMETERS, gain_cap=100 * M))
CROWDED = venue(
    underlyings=UNDERLYINGS
    | {NVDA: replace(UNDERLYINGS[NVDA], crowd_ppm=400_000, crowd_low=10 * M, crowd_high=20 * M)},
    open_interest={NVDA: 15 * M},
)
TIGHT = venue(
    underlyings=UNDERLYINGS | {NVDA: replace(UNDERLYINGS[NVDA], gap_ppm=900_000)},
    liquidity=venue().liquidity | {(1, NVDA): Liquidity(100_000, 2_500)},
)

TABLE = {
    "a token alone": (
        venue(), account(held_tokens(NVDA, 10_000)), INITIAL,
        {"SR": 900, "GAP": 600, "WRAP": 200, "LIQ": 25, "R": 1_725, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "a token alone at maintenance: three quarters, exit in full": (
        venue(), account(held_tokens(NVDA, 10_000)), MAINTENANCE,
        {"SR": 900, "GAP": 600, "WRAP": 200, "LIQ": 25, "R": 1_300, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "a short perp alone": (
        venue(), account(held_perp(NVDA, -10_000)), INITIAL,
        {"SR": 900, "GAP": 600, "LIQ": 25, "R": 1_525, "NLV": 0}, ("grid", EQUITY, "+1"),
    ),
    "the hedged pair": (
        venue(), account(held_tokens(NVDA, 10_000), held_perp(NVDA, -10_000)), INITIAL,
        {"BASIS": 100, "WRAP": 200, "LIQ": 50, "R": 350, "NLV": 10_000}, ("none",),
    ),
    "a broad fund pays basis on the gross": (
        venue(), account(held_tokens(SPY, 6_000)), INITIAL,
        {"SR": 540, "BASIS": 12, "WRAP": 120, "LIQ": 15, "R": 687, "NLV": 6_000}, ("grid", EQUITY, "-1"),
    ),
    "two issuers against each other: rotation": (
        venue(), account(held_tokens(NVDA, 10_000), held_perp(TSLA, -10_000)), INITIAL,
        # sector 2 down a half, the other up a half: 450 + 675; both GAP groups in full
        {"SR": 1_125, "GAP": 2_100, "WRAP": 200, "LIQ": 50, "R": 3_475, "NLV": 10_000},
        ("grid", EQUITY, "-sector 2"),
    ),
    "one sector: gains count at 70 %": (
        venue(), account(held_perp(NVDA, 10_000), held_perp(COIN, -10_500)), INITIAL,
        # up: 945 lost, 630 gained
        {"SR": 315, "GAP": 2_700, "LIQ": 51.25, "R": 3_066.25, "NLV": 0}, ("grid", EQUITY, "+1"),
    ),
    "two buckets: the larger in full, half of the other": (
        venue(), account(held_perp(NVDA, 10_000), held_perp(BTC, 12_000)), INITIAL,
        {"SR": 1_920 + 450, "GAP": 960, "LIQ": 55, "R": 3_385, "NLV": 0}, ("grid", CRYPTO, "-1"),
    ),
    "one gap group across buckets, a quarter of the third": (
        venue(), account(held_perp(NVDA, 1_000), held_perp(IBIT, 7_000), held_perp(BTC, 12_000), held_perp(COIN, 7_000)),
        INITIAL,
        # group 6: 700 + 360; group 4: 1,400; group 2: 60 at a quarter; SR 1,920 + half of 90 + 630 + 630
        {"SR": 2_595, "GAP": 2_475, "LIQ": 67.5, "R": 5_137.5, "NLV": 0}, ("grid", CRYPTO, "-1"),
    ),
    "a leveraged fund: beta in the stress, leverage in the gap": (
        venue(), account(held_perp(NVDX, 1_000)), INITIAL,
        {"SR": 180, "GAP": 200, "LIQ": 2.5, "R": 382.5, "NLV": 0}, ("grid", EQUITY, "-1"),
    ),
    "a bill: duration, no gap": (
        venue(), account(held_tokens(BILL, 10_000)), INITIAL,
        {"SR": 25, "WRAP": 200, "LIQ": 25, "R": 250, "NLV": 10_000}, ("grid", RATES, "-1"),
    ),
    "a listed day beats the grid": (
        WITH_ROWS, account(held_tokens(NVDA, 10_000)), INITIAL,
        {"SR": 1_090, "GAP": 600, "WRAP": 200, "LIQ": 25, "R": 1_915, "NLV": 10_000}, ("dated", 2),
    ),
    "cash and a loan, never netted": (
        venue(), account({USDC: Balance(3_000 * M, 1_000 * M), USDT: Balance(-1_000 * M)}), INITIAL,
        {"FX": 40 + 25, "R": 65, "NLV": 3_000}, ("none",),
    ),
    "below 0.995 a stablecoin costs double the distance": (
        DEPEGGED, account({USDT: Balance(1_000 * M)}), MAINTENANCE,
        {"FX": 30, "R": 22.5, "NLV": 980}, ("none",),
    ),
    "a closed market: the worst of three prices for a long": (
        CLOSED, account(held_tokens(NVDA, 10_000)), INITIAL,
        {"SR": 882, "GAP": 588, "WRAP": 196, "LIQ": 24.5, "R": 1_690.5, "NLV": 9_800}, ("grid", EQUITY, "-1"),
    ),
    "a closed market: the worst of three prices for a short": (
        CLOSED, account(held_perp(NVDA, -10_000)), INITIAL,
        # the loss of 300 is negative cash
        {"SR": 927, "GAP": 618, "FX": 3, "LIQ": 25.75, "R": 1_573.75, "NLV": -300}, ("grid", EQUITY, "+1"),
    ),
    "a weekend multiplies shock, gap and wrap at its level only": (
        WEEKEND, account(held_tokens(NVDA, 10_000)), INITIAL,
        {"SR": 1_440, "GAP": 960, "WRAP": 320, "LIQ": 25, "R": 2_745, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "low confidence raises shock and gap, not wrap": (
        DOUBTFUL, account(held_tokens(NVDA, 10_000)), INITIAL,
        {"SR": 1_080, "GAP": 720, "WRAP": 200, "LIQ": 25, "R": 2_025, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "low confidence is nothing at maintenance": (
        DOUBTFUL, account(held_tokens(NVDA, 10_000)), MAINTENANCE,
        {"SR": 900, "GAP": 600, "WRAP": 200, "LIQ": 25, "R": 1_300, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "the gap is clipped: 95 - 9 - 3 (the other token) - 15 = 68 %": (
        TIGHT, account(held_tokens(NVDA, 10_000)), INITIAL,
        {"SR": 900, "GAP": 6_800, "WRAP": 200, "LIQ": 1_000, "R": 8_900, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "an unmatched gain counts up to the owner's cap over its accounts": (
        CAPPED, account(held_perp(NVDA, -10_000, gain=500), owner_accounts=2), INITIAL,
        {"SR": 900, "GAP": 600, "FX": 0.5, "LIQ": 25, "R": 1_525.5, "NLV": 50}, ("grid", EQUITY, "+1"),
    ),
    "a half-matched gain: half in full, the rest up to the cap": (
        CAPPED, account(held_tokens(NVDA, 5_000), held_perp(NVDA, -10_000, gain=500)), INITIAL,
        {"SR": 450, "GAP": 300, "BASIS": 50, "WRAP": 100, "FX": 3.5, "LIQ": 37.5, "R": 941, "NLV": 5_350},
        ("grid", EQUITY, "+1"),
    ),
    "a claim keeps its hedged part": (
        CAPPED, account({300 + NVDA: Position(0, 0, claim=400 * M, hedged_claim=250 * M, debt=30 * M)}), INITIAL,
        {"FX": 3.2, "R": 3.2, "NLV": 320}, ("none",),
    ),
    "every gain counts at maintenance": (
        CAPPED, account(held_perp(NVDA, -10_000, gain=500)), MAINTENANCE,
        {"SR": 900, "GAP": 600, "FX": 5, "LIQ": 25, "R": 1_153.75, "NLV": 500}, ("grid", EQUITY, "+1"),
    ),
    "collateral above its cap is in neither side": (
        venue(), account({20 + NVDA: Balance(100 * M, admitted=40 * M)}), INITIAL,
        {"SR": 360, "GAP": 240, "WRAP": 80, "LIQ": 10, "R": 690, "NLV": 4_000}, ("grid", EQUITY, "-1"),
    ),
    "what the own short perp matches needs no admission": (
        venue(), account({20 + NVDA: Balance(100 * M)}, held_perp(NVDA, -6_000)), INITIAL,
        {"BASIS": 60, "WRAP": 120, "LIQ": 30, "R": 210, "NLV": 6_000}, ("none",),
    ),
    "caps bind at initial only": (
        venue(), account({20 + NVDA: Balance(100 * M)}), CLOSE_OUT,
        {"SR": 900, "GAP": 600, "WRAP": 200, "LIQ": 25, "R": 875, "NLV": 10_000}, ("grid", EQUITY, "-1"),
    ),
    "a spot bid one percent too high": (
        # 50 tokens at 101: 50 of loss, fee 2.525, 5,052.525 of cash spent
        venue(), account(held_tokens(NVDA, 10_000), orders=[OpenOrder(200 + NVDA, BID, 10_100, 5_000)]), INITIAL,
        {"SR": 1_350, "GAP": 900, "WRAP": 300, "FX": 50.52525, "LIQ": 37.5, "LOSS": 52.525, "R": 2_690.55025, "NLV": 10_000},
        ("grid", EQUITY, "-1"),
    ),
    "perp asks beyond the hedge, priced away: only what turns short": (
        venue(), account(held_tokens(NVDA, 10_000), orders=[OpenOrder(300 + NVDA, ASK, 10_500, 15_000)]), INITIAL,
        # none: +10,000; filled: -5,000. BASIS matched 10,000; LIQ 25 + 37.5; fee of 15,750, a debt
        {"SR": 900, "GAP": 600, "BASIS": 100, "WRAP": 200, "FX": 0.04725, "LIQ": 62.5, "LOSS": 4.725, "R": 1_867.27225, "NLV": 10_000},
        ("grid", EQUITY, "-1"),
    ),
    "mixed corner: spot bids and perp asks make a pair": (
        venue(), account(
            orders=[OpenOrder(200 + NVDA, BID, 10_000, 10_000), OpenOrder(300 + NVDA, ASK, 10_000, 10_000)]
        ), INITIAL,
        {"SR": 900, "GAP": 600, "BASIS": 100, "WRAP": 200, "FX": 100.08, "LIQ": 50, "LOSS": 8, "R": 1_958.08, "NLV": 0},
        ("grid", EQUITY, "+1"),
    ),
    "a crowded perp charges what orders add": (
        CROWDED, account(held_perp(NVDA, 10_000), orders=[OpenOrder(300 + NVDA, BID, 10_000, 1_000)]), INITIAL,
        # half of the ramp times 40 % of 1,000
        {"SR": 990, "GAP": 660, "FX": 0.003, "LIQ": 27.5, "CROWD": 200, "LOSS": 0.3, "R": 1_877.803, "NLV": 0},
        ("grid", EQUITY, "-1"),
    ),
    "an order that may unhedge a gain": (
        CAPPED, account(
            held_tokens(NVDA, 10_000), held_perp(NVDA, -10_000, gain=500),
            orders=[OpenOrder(200 + NVDA, ASK, 10_000, 5_000)],
        ), INITIAL,
        # half of 500 stays matched, of the rest 100 counts; 5,000 may come in
        {"SR": 450, "GAP": 300, "BASIS": 100, "WRAP": 200, "FX": 53.5, "LIQ": 50, "LOSS": 2.5, "R": 1_156, "NLV": 10_350},
        ("grid", EQUITY, "+1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_each_term_by_hand(row):
    where, who, level, expected, binding = TABLE[row]
    got = evaluate(where, who, level)
    seen = got.terms | {"R": got.requirement, "NLV": got.nlv}
    assert seen == {key: round(expected.get(key, 0) * M) for key in (*TERMS, "R", "NLV")}
    assert got.binding == binding
    assert got.excess == got.nlv - got.requirement
    assert got.ord == got.requirement - got.requirement_without_orders


def test_the_product_is_the_ratio_of_a_pair_to_its_legs():
    long = evaluate(venue(), account(held_tokens(NVDA, 10_000)), INITIAL).requirement
    short = evaluate(venue(), account(held_perp(NVDA, -10_000)), INITIAL).requirement
    pair = evaluate(
        venue(), account(held_tokens(NVDA, 10_000), held_perp(NVDA, -10_000)), INITIAL
    ).requirement
    assert pair * 9 < long + short


def test_without_orders_nothing_of_them_is_charged():
    orders = [OpenOrder(300 + NVDA, BID, 11_000, 50_000)]
    bare, ordered = account(held_tokens(NVDA, 10_000)), account(held_tokens(NVDA, 10_000), orders=orders)
    assert evaluate(venue(), ordered, INITIAL, with_orders=False) == evaluate(venue(), bare, INITIAL)
    assert evaluate(venue(), ordered, INITIAL).ord > 0


@pytest.mark.parametrize(("level", "slower"), [(4, False), (-1, False), (INITIAL, True)])
def test_unknown_levels_are_refused(level, slower):
    with pytest.raises(ValueError, match="No such level"):
        evaluate(venue(), account(), level, slower=slower)


def test_the_slower_price_is_the_better_one_for_the_sign():
    where = venue(prices=venue().prices | {NVDA: view(100, stable=110 * M), TSLA: view(400, stable=360 * M)})
    for who, nlv in (
        (account(held_tokens(NVDA, 1_000)), 1_100),
        (account(held_perp(NVDA, -1_000)), 0),
        (account(held_tokens(TSLA, 4_000)), 4_000),
        (account(held_perp(TSLA, -4_000)), 400),
    ):
        assert evaluate(where, who, MAINTENANCE, slower=True).nlv == nlv * M


@pytest.mark.parametrize(
    ("gross", "volume", "expected"),
    [(0, 100 * M, 500), (100 * M, 0, 100_000), (100 * M, 1_000 * M, 20_500), (25 * M, 1_000 * M, 10_500),
     (10**9 * M, M, 100_000), (1, 10**15, 501)],
)  # fmt: skip
def test_liquidity_rates(gross, volume, expected):
    assert liquidity_rate(PARAMETERS, UNDERLYINGS[NVDA], gross, volume) == expected


# --- Generated books --------------------------------------------------------------------------------------------------

quantities = st.one_of(st.integers(0, 30), st.integers(0, 200_000))
signed = st.builds(lambda n, sign: n * sign, quantities, st.sampled_from((-1, 1)))
rates = st.integers(0, 100_000)


@st.composite
def markets(draw, apart=False, marks=False):
    """Sessions, confidence, prices and liquidity rates; `apart` sets stable and last external price off the index."""
    prices = {101: view(1), 102: view(1)}
    session = draw(st.sampled_from((1_000_000, 1_150_000, 1_300_000, 1_600_000)))
    for u, start in PRICES.items():
        index = start * draw(st.integers(200_000, 3_000_000))
        away = st.integers(850_000, 1_150_000)
        prices[u] = PriceView(
            index=index,
            stable=index * draw(away) // M if apart else index,
            last_external=index * draw(away) // M if apart and draw(st.booleans()) else None,
            marks={300 + u: index * draw(away) // M} if marks else {},
            session_initial_ppm=session,
            session_maintenance_ppm=draw(st.integers(1_000_000, session)),
            confidence_ppm=draw(st.sampled_from((1_000_000, 900_000, 700_000))),
        )
    underlyings = {u: replace(listing, confidence_slope_ppm=M) for u, listing in UNDERLYINGS.items()}
    liquidity = {(1, u): Liquidity(draw(rates), draw(rates)) for u in UNDERLYINGS}
    return venue(prices=prices, dated_rows=ROWS, underlyings=underlyings, liquidity=liquidity)


@st.composite
def books(draw, among=tuple(UNDERLYINGS), cash=True):
    """Up to five tokens and five perps with gains and losses, and signed cash."""
    balances, positions = {}, {}
    tokens = [a for a, asset in ASSETS.items() if asset.asset_kind == 1 and asset.underlying in among]
    for a in draw(st.lists(st.sampled_from(tokens), max_size=5, unique=True)) if tokens else []:
        amount = draw(quantities) * 10 ** (ASSETS[a].decimals - 3)
        balances[a] = Balance(amount, admitted=amount)
    perps = [300 + u for u in among if u != BILL]
    for m in draw(st.lists(st.sampled_from(perps), max_size=5, unique=True)) if perps else []:
        lots = draw(signed)
        start = lots * PRICES[m - 300] * M // 100
        positions[m] = Position(lots, start * draw(st.integers(300_000, 2_500_000)) // M)
    if cash:
        for coin in (USDC, USDT):
            balances[coin] = Balance(draw(st.integers(-(10**12), 10**12)))
    return AccountView(balances=balances, positions=positions)


def plus(a: AccountView, b: AccountView) -> AccountView:
    zero, flat = Balance(0), Position(0, 0)

    def added(x, y):
        return type(x)(*(i + j for i, j in zip(x, y, strict=True)))

    return AccountView(
        balances={
            k: added(a.balances.get(k, zero), b.balances.get(k, zero))
            for k in a.balances.keys() | b.balances.keys()
        },
        positions={
            k: added(a.positions.get(k, flat), b.positions.get(k, flat))
            for k in a.positions.keys() | b.positions.keys()
        },
    )


def times(a: AccountView, n: int) -> AccountView:
    return AccountView(
        balances={k: Balance(*(i * n for i in x)) for k, x in a.balances.items()},
        positions={k: Position(*(i * n for i in x)) for k, x in a.positions.items()},
    )


def requirement(where: Venue, who: AccountView, level: int) -> int:
    return evaluate(where, who, level).requirement


# --- What must hold ---------------------------------------------------------------------------------------------------


@some_cases
@given(markets(), books(), books(), st.sampled_from(LEVELS))
def test_joining_two_books_never_costs_more(where, a, b, level):
    joint = plus(a, b)
    together, first, second = (evaluate(where, book, level) for book in (joint, a, b))
    for term in ("SR", "GAP", "WRAP", "FX", "LIQ"):  # BASIS alone may grow: the gap of what nets pays for it
        assert together.terms[term] <= first.terms[term] + second.terms[term] + slack(a, b, joint), term
    assert together.requirement <= first.requirement + second.requirement + slack(a, b, joint)


@some_cases
@given(markets(apart=True), books(), books(), st.sampled_from(LEVELS))
def test_joining_two_books_never_loses_excess_even_where_prices_disagree(where, a, b, level):
    joint = plus(a, b)
    together = evaluate(where, joint, level).excess
    apart = evaluate(where, a, level).excess + evaluate(where, b, level).excess
    assert together >= apart - slack(a, b, joint)


@some_cases
@given(markets(), books(), st.integers(2, 1_000), st.sampled_from(LEVELS))
def test_a_book_n_times_as_large_needs_n_times_as_much(where, book, n, level):
    once, many = requirement(where, book, level), requirement(where, times(book, n), level)
    assert abs(many - n * once) <= n * slack(book)


@some_cases
@given(st.data(), markets(), st.sampled_from((EQUITY, CRYPTO, RATES)), st.sampled_from(LEVELS), st.booleans())
def test_a_position_in_a_bucket_not_held_never_lowers_the_requirement(data, where, bucket, level, as_perp):
    inside = tuple(u for u, listing in UNDERLYINGS.items() if listing.bucket == bucket)
    book = data.draw(books(among=tuple(u for u in UNDERLYINGS if u not in inside)))
    u = data.draw(st.sampled_from(inside))
    if as_perp and u != BILL:
        lots = data.draw(signed)
        cost = lots * LOT_SHARES * where.prices[u].index // 10**9  # shows neither gain nor loss
        new = account({300 + u: Position(lots, cost)})
    else:
        amount = data.draw(quantities) * LOT_UNITS
        new = account({20 + u: Balance(amount, admitted=amount)})
    before = requirement(where, book, level)
    assert requirement(where, plus(book, new), level) >= before


@some_cases
@given(
    st.data(),
    markets(apart=True, marks=True),
    books(),
    st.sampled_from(LEVELS),
    st.sampled_from((0, 10**9, NO_LIMIT)),
)
def test_more_long_collateral_never_lowers_excess(data, where, book, level, gain_cap):
    where = replace(where, parameters=replace(PARAMETERS, gain_cap=gain_cap))
    asset = data.draw(st.sampled_from([a for a, listing in ASSETS.items() if listing.asset_kind == 1]))
    amount = data.draw(quantities) * 10 ** (ASSETS[asset].decimals - 2)
    richer = plus(book, account({asset: Balance(amount, admitted=amount)}))
    before, after = evaluate(where, book, level), evaluate(where, richer, level)
    assert after.excess >= before.excess - slack(book, richer)


def group_rates(where: Venue, accounts: list[AccountView]) -> dict[tuple[int, int], Liquidity]:
    """k of every underlying for one owner's group of accounts, from its gross dollars in each leg at the index."""
    found = {}
    for u, listing in UNDERLYINGS.items():
        tokens = [a for a, asset in ASSETS.items() if asset.asset_kind == 1 and asset.underlying == u]
        index = where.prices[u].index
        spot = sum(
            abs(a.balances[t].pledged * ASSETS[t].multiplier_ppb // 10 ** ASSETS[t].decimals) * index // 10**9
            for a in accounts for t in tokens if t in a.balances
        )  # fmt: skip
        perp = sum(
            abs(a.positions[300 + u].lots) * LOT_SHARES * index // 10**9
            for a in accounts
            if 300 + u in a.positions
        )
        volume = 50_000_000 * M
        found[1, u] = Liquidity(
            liquidity_rate(PARAMETERS, listing, spot, volume),
            liquidity_rate(PARAMETERS, listing, perp, volume),
        )
    return found


@some_cases
@given(st.data(), markets(), books(), st.sampled_from(LEVELS))
def test_splitting_one_owners_book_never_lowers_the_total(data, where, book, level):
    share = st.integers(0, M)
    part = AccountView(
        balances={k: Balance(x.pledged * data.draw(share) // M) for k, x in book.balances.items()},
        positions={
            # any lots may be parted, opposite ones in the other account included
            k: Position(x.lots * data.draw(st.integers(-M, 2 * M)) // M, x.cost * data.draw(share) // M)
            for k, x in book.positions.items()
        },
    )
    rest = plus(book, times(part, -1))
    parts = [
        replace(
            p, owner_accounts=2, balances={k: Balance(x.pledged, 0, x.pledged) for k, x in p.balances.items()}
        )
        for p in (part, rest)
    ]
    joint = requirement(replace(where, liquidity=group_rates(where, [book])), book, level)
    split = replace(where, liquidity=group_rates(where, parts))
    assert sum(requirement(split, p, level) for p in parts) >= joint - slack(*parts, book)


OTHERS = tuple(u for u in UNDERLYINGS if u != NVDA)


@some_cases
@given(
    st.data(),
    markets(apart=True, marks=True),
    books(among=OTHERS),
    st.integers(1, 100_000),
    st.lists(st.integers(100_000, 300_000_000), min_size=2, max_size=6),
    st.sampled_from(LEVELS),
)
def test_a_matched_pair_pays_its_own_terms_and_nothing_for_the_path(data, where, rest, lots, path, level):
    """Token and short perp of one name beside any book, no cap to help it, over a path of prices up to 3,000 times apart."""
    where = replace(where, parameters=replace(PARAMETERS, gain_cap=0))
    pair = account(
        {20 + NVDA: Balance(lots * LOT_UNITS)},
        {300 + NVDA: Position(-lots, -lots * M * data.draw(st.integers(0, 9)))},
    )
    alone, both = evaluate(where, rest, level), plus(rest, pair)
    equity = set()
    for index in path:
        away = st.integers(850_000, 1_150_000)
        mark = index * data.draw(away) // M
        moved = replace(
            where.prices[NVDA], index=index, stable=index * data.draw(away) // M, marks={300 + NVDA: mark}
        )
        now = replace(where, prices=where.prices | {NVDA: moved})
        got = evaluate(now, both, level)
        assert (got.terms["SR"], got.terms["GAP"]) == (alone.terms["SR"], alone.terms["GAP"])
        own = {t: got.terms[t] - alone.terms[t] for t in ("BASIS", "WRAP", "FX")}
        charged = level_factor(PARAMETERS, level) * sum(own.values())
        expected = alone.requirement + ceil_div(charged, M) + got.terms["LIQ"] - alone.terms["LIQ"]
        assert abs(got.requirement - expected) <= 1
        clip = UNDERLYINGS[NVDA].basis_ppm * index // M
        hurts = -max(-clip, min(clip, mark - index))
        shown = min(hurts, 0) if level == INITIAL else hurts
        equity.add(got.nlv - lots * LOT_SHARES * shown // 10**9)
    assert max(equity) - min(equity) <= 4
