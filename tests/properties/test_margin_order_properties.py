"""What net stress margin promises of open orders: whatever part of them fills, it was margined before."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_margin_properties import (
    ASSETS,
    BILL,
    LEVELS,
    LOT_UNITS,
    MARKETS,
    NVDA,
    NVDX,
    PARAMETERS,
    UNDERLYINGS,
    USDC,
    M,
    account,
    books,
    held_perp,
    held_tokens,
    markets,
    plus,
    slack,
    some_cases,
    venue,
    view,
)

from reference.inputs import AccountView, Balance, OpenOrder, Position, Venue
from reference.margin import ASK, BID, INITIAL, TERMS, Evaluation, ceil_div, evaluate, level_factor, notional

# --- Nothing can fill that was not margined ---------------------------------------------------------------------------


@st.composite
def order_sets(draw, where: Venue):
    """Up to six limit orders within a tenth of the index, on at most three names so that corners meet."""
    names = draw(st.lists(st.sampled_from(tuple(UNDERLYINGS)), min_size=1, max_size=3, unique=True))
    orders = []
    for _ in range(draw(st.integers(1, 6))):
        u = draw(st.sampled_from(names))
        market = 200 + u if u == BILL or draw(st.booleans()) else 300 + u
        price = max(1, where.prices[u].index * draw(st.integers(900_000, 1_100_000)) // (10_000 * M))
        orders.append(
            OpenOrder(market, draw(st.sampled_from((BID, ASK))), price, draw(st.integers(1, 100_000)))
        )
    return tuple(orders)


def filled(where: Venue, who: AccountView, order: OpenOrder, lots: int) -> AccountView:
    """The account after `lots` of the order filled at its limit with the taker fee."""
    market = MARKETS[order.market]
    sign = 1 if order.side == BID else -1
    value = notional(where, market, order._replace(lots=lots))
    fee = ceil_div(value * market.taker_fee_ppm, M)
    if market.market_kind == 0:
        amount = sign * lots * market.lot_size
        change = account(
            {market.base: Balance(amount, 0, amount), market.quote: Balance(-sign * value - fee)}
        )
    else:
        change = account({order.market: Position(sign * lots, sign * value)}, {market.quote: Balance(-fee)})
    return plus(who, change)


def owned(book: AccountView, orders: tuple[OpenOrder, ...]) -> AccountView:
    """The book with the tokens that its spot asks sell."""
    sold: dict[int, int] = {}
    for order in orders:
        if MARKETS[order.market].market_kind == 0 and order.side == ASK:
            base = MARKETS[order.market].base
            sold[base] = sold.get(base, 0) + order.lots * LOT_UNITS
    return plus(book, account({base: Balance(amount, 0, amount) for base, amount in sold.items()}))


@st.composite
def fills(draw, where: Venue, book: AccountView, orders: tuple[OpenOrder, ...]):
    """The account after a part of each order, none and all included."""
    for order in orders:
        book = filled(where, book, order, order.lots * draw(st.sampled_from((0, 1, 2, 3, 4, 4, 4))) // 4)
    return book


@some_cases
@given(st.data(), markets(apart=True), books(), st.sampled_from(LEVELS))
def test_any_fills_of_the_open_orders_were_margined(data, where, book, level):
    orders = data.draw(order_sets(where))
    book = owned(book, orders)
    before = evaluate(where, replace(book, orders=orders), level)
    after = data.draw(fills(where, book, orders))
    assert evaluate(where, after, level).excess >= before.excess - slack(book, after) - 10 * len(orders)


def capped(where: Venue, book: AccountView, rooms: Mapping[int, int]) -> tuple[Venue, AccountView]:
    """The venue with caps that leave `rooms` units of each token, and the book as its owner's only one."""
    admitted = {a: x.admitted for a, x in book.balances.items() if ASSETS[a].asset_kind == 1}
    caps = {a: admitted.get(a, 0) + room for a, room in rooms.items()}
    assets = where.assets | {a: replace(where.assets[a], owner_cap=cap) for a, cap in caps.items()}
    return replace(where, assets=assets, admitted=admitted), replace(book, owner_admitted=admitted)


def admitted_again(where: Venue, before: AccountView, after: AccountView) -> AccountView:
    """After a fill: units above the balance leave the admitted ones, then more are admitted while the cap has room."""
    balances, taken = dict(after.balances), dict(before.owner_admitted)
    for a, x in after.balances.items():
        if ASSETS[a].asset_kind == 1:
            was = before.balances.get(a, Balance(0)).admitted
            kept = min(was, max(x.pledged, 0))
            room = max(0, where.assets[a].owner_cap - taken.get(a, 0) + was - kept)
            balances[a] = x._replace(admitted=kept + min(max(x.pledged, 0) - kept, room))
            taken[a] = taken.get(a, 0) - was + balances[a].admitted
    return replace(after, balances=balances, owner_admitted=taken)


@some_cases
@given(st.data(), st.booleans(), books(), st.sampled_from(LEVELS))
def test_any_fills_were_margined_around_caps_and_off_par(data, par, book, level):
    """Tokens held above their caps, and (where prices agree) stablecoins off a dollar."""
    where = data.draw(markets(apart=par))
    if not par:
        coins = {
            101: data.draw(st.sampled_from((M, 1_004_000, 990_000, 880_000))),
            102: data.draw(st.sampled_from((M, 1_030_000))),
        }
        where = replace(
            where,
            prices=where.prices | {u: replace(where.prices[u], price_ppm=ppm) for u, ppm in coins.items()},
        )
    orders = data.draw(order_sets(where))
    book = owned(book, orders)
    tokens = [a for a, asset in ASSETS.items() if asset.asset_kind == 1]
    share = st.sampled_from((0, 1, 2, 4))
    balances = {
        a: x._replace(admitted=x.pledged * data.draw(share) // 4) if a in tokens else x
        for a, x in book.balances.items()
    }
    rooms = {a: data.draw(st.sampled_from((0, 0, 10**6, 10**8, 10**12))) for a in tokens}
    where, book = capped(where, replace(book, balances=balances), rooms)
    before = evaluate(where, replace(book, orders=orders), level)
    after = book
    for order in data.draw(st.permutations(orders)):
        lots = order.lots * data.draw(st.sampled_from((0, 1, 2, 3, 4, 4, 4))) // 4
        after = admitted_again(
            where, after, replace(filled(where, after, order, lots), owner_admitted=after.owner_admitted)
        )
    where = replace(where, admitted=after.owner_admitted)
    assert evaluate(where, after, level).excess >= before.excess - slack(book, after) - 10 * len(orders)


FILLS = {
    "a perp bid far above the index makes a debt, and debts have a depeg charge": (
        account({USDC: Balance(1_000 * M)}), OpenOrder(300 + NVDA, BID, 19_000, 10_000), {}, M,
    ),
    "a spot ask far below the index still brings in cash": (
        account(held_tokens(NVDA, 10_000)), OpenOrder(200 + NVDA, ASK, 9_000, 10_000), {}, M,
    ),
    "a spot bid above the cap is paid for and not counted": (
        account({USDC: Balance(10_000 * M)}), OpenOrder(200 + NVDA, BID, 10_000, 10_000), {20 + NVDA: 0}, M,
    ),
    "a spot bid with some room under the cap": (
        account({USDC: Balance(10_000 * M)}), OpenOrder(200 + NVDA, BID, 10_000, 10_000), {20 + NVDA: 40 * M}, M,
    ),
    "a perp bid unhedges tokens that no cap admitted": (
        account({20 + NVDA: Balance(100 * M)}, held_perp(NVDA, -10_000)), OpenOrder(300 + NVDA, BID, 10_000, 10_000),
        {20 + NVDA: 0}, M,
    ),
    "a bid for the first token takes the short that counts the second": (
        account({32: Balance(100 * 10**9), USDC: Balance(10_000 * M)}, held_perp(NVDA, -10_000)),
        OpenOrder(200 + NVDA, BID, 10_000, 10_000), {20 + NVDA: 0, 32: 0}, M,
    ),
    "a spot bid is paid from a loan in a dear stablecoin": (
        account({USDC: Balance(-5_000 * M)}), OpenOrder(200 + NVDA, BID, 10_000, 10_000), {}, 1_030_000,
    ),
    "a spot ask is paid in a cheap stablecoin": (
        account(held_tokens(NVDA, 10_000), held_perp(NVDA, -10_000)), OpenOrder(200 + NVDA, ASK, 10_000, 10_000), {}, 940_000,
    ),
    "a perp bid loses in a dear stablecoin": (
        account({USDC: Balance(-5_000 * M)}), OpenOrder(300 + NVDA, BID, 11_000, 10_000), {}, 1_030_000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", FILLS)
def test_a_fill_that_costs_more_than_its_exposure_was_margined(row):
    book, order, rooms, price_ppm = FILLS[row]
    where = venue(prices=venue().prices | {101: view(price_ppm / M, price_ppm=price_ppm)})
    where, book = capped(where, book, rooms)
    before = evaluate(where, replace(book, orders=(order,)), INITIAL)
    after = replace(filled(where, book, order, order.lots), owner_admitted=book.owner_admitted)
    after = admitted_again(where, book, after)
    now = evaluate(replace(where, admitted=after.owner_admitted), after, INITIAL)
    assert now.excess >= before.excess - slack(book, after)


def test_asks_of_tokens_above_their_cap_are_no_short():
    ask = OpenOrder(200 + NVDA, ASK, 10_000, 10_000)
    book = account({20 + NVDA: Balance(100 * M, admitted=40 * M)}, orders=[ask])
    got = evaluate(venue(), book, INITIAL).terms
    assert (got["SR"], got["GAP"], got["WRAP"]) == (360 * M, 240 * M, 80 * M)


def test_bids_above_the_cap_add_no_exposure_and_are_paid_for():
    where, book = capped(venue(), account({USDC: Balance(10_000 * M)}), {20 + NVDA: 40 * M})
    bid = OpenOrder(200 + NVDA, BID, 10_000, 10_000)
    got = evaluate(where, replace(book, orders=(bid,)), INITIAL).terms
    assert (got["SR"], got["GAP"], got["WRAP"]) == (360 * M, 240 * M, 80 * M)
    assert got["LOSS"] == 6_000 * M + 5 * M


def test_a_long_dollar_never_costs_more_than_the_limit_leverage_included():
    """Down shock 18 %, wrap 2 %, exit 0.375 %: of a gap of three times 40 % there is room for 74.625 %."""
    fund = replace(UNDERLYINGS[NVDX], gap_ppm=400_000, leverage_ppm=3_000_000)
    where = venue(underlyings=UNDERLYINGS | {NVDX: fund})
    got = evaluate(where, account(held_tokens(NVDX, 10_000)), INITIAL)
    assert got.terms["GAP"] == 7_462_500_000
    assert got.excess > 0


def test_an_order_that_turns_the_sign_is_margined_at_both_prices():
    """Long by a sliver at 90, short by a sliver at 100: wrap, basis and exit of the whole pair are charged at 100."""
    where = venue(prices=venue().prices | {NVDA: view(100, stable=90 * M)})
    order = OpenOrder(300 + NVDA, ASK, 10_000, 20)
    book = account(held_tokens(NVDA, 10_000), held_perp(NVDA, -9_990))
    before = evaluate(where, replace(book, orders=(order,)), INITIAL)
    assert before.terms["WRAP"] == 200 * M
    assert evaluate(where, filled(where, book, order, 20), INITIAL).excess >= before.excess


@some_cases
@given(st.data(), markets(), books(), st.sampled_from(LEVELS))
def test_every_term_with_orders_covers_any_fills(data, where, book, level):
    orders = data.draw(order_sets(where))
    book = owned(book, orders)
    before = evaluate(where, replace(book, orders=orders), level).terms
    after = data.draw(fills(where, book, orders))
    then = evaluate(where, after, level).terms
    for term in (
        "SR",
        "GAP",
        "BASIS",
        "WRAP",
        "LIQ",
    ):  # FX follows the cash that fills gain or lose: see the test above
        assert then[term] <= before[term] + slack(book, after) + 10 * len(orders), term


@some_cases
@given(markets(apart=True, marks=True), books(), st.data(), st.sampled_from(LEVELS))
def test_orders_never_lower_a_requirement_and_terms_add_up(where, book, data, level):
    ordered = replace(book, orders=data.draw(order_sets(where)))
    bare, full = evaluate(where, book, level), evaluate(where, ordered, level)
    assert full.requirement_without_orders == bare.requirement
    assert full.ord >= 0
    assert all(full.terms[t] >= bare.terms[t] for t in TERMS)
    assert check_sum(full, level) == full.requirement


def check_sum(got: Evaluation, level: int) -> int:
    scaled = sum(got.terms[t] for t in TERMS[:5]) * level_factor(PARAMETERS, level)
    return ceil_div(scaled, M) + sum(got.terms[t] for t in TERMS[5:])
