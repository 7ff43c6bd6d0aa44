"""Net stress margin in plain integers: what would this account lose in the worst listed stress, plus the cost of getting out.

Responsible for: restating docs/concepts/portfolio-margin.md term by term, each rounding included, one function per term and
in the page's order. Never imports the engine, keeps no state, has no float. All values are micro-dollars, rates are ppm.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reference.arithmetic import M, ceil_div, down, floor_div, isqrt_up, up
from reference.inputs import (
    AccountView,
    Balance,
    ConfigureVenue,
    Liquidity,
    ListAsset,
    ListMarket,
    ListUnderlying,
    OpenOrder,
    Position,
    PriceView,
    Venue,
)

INITIAL, LIQUIDATION_END, MAINTENANCE, CLOSE_OUT = range(4)
SPOT, PERP = 0, 1
BID, ASK = 0, 1
STABLECOIN, TOKEN = 0, 1
THIRDS = (("1", M), ("2/3", 666_667), ("1/3", 333_334))
TERMS = ("SR", "GAP", "BASIS", "WRAP", "FX", "LIQ", "CROWD", "LOSS", "LENT")


@dataclass(frozen=True)
class Evaluation:
    """What one level says about one account. `binding` names the row that decides SR."""

    nlv: int
    terms: dict[str, int]
    requirement: int
    requirement_without_orders: int
    ord: int
    excess: int
    binding: tuple[str | int, ...]


@dataclass(frozen=True)
class Corner:
    """An underlying after some of its orders filled: shares (1e-9) and dollars at the price for the sign of the net.

    `tokens` are dollars per token; `fraction` is the matched fraction of the perp shares as (numerator, denominator), of
    the spot shares before caps.
    """

    price: int
    tokens: Mapping[int, int]
    spot: int
    perp: int
    net: int
    perp_shares: int
    fraction: tuple[int, int]


@dataclass(frozen=True)
class Exposure:
    """One underlying of one account at one level. Without orders only `none` is listed in each tuple of corners."""

    listing: ListUnderlying
    view: PriceView
    k: Liquidity
    m: int
    cf: int
    event: int
    """Least gap rate that a halt or a report asks for."""
    none: Corner
    straight: tuple[Corner, ...]
    """None, all bids, all asks: for SR and GAP."""
    corners: tuple[Corner, ...]
    """All five: for every other term and the matched fraction."""
    counted: Mapping[int, int]
    """Units of each token that count, without orders."""
    uncounted: int
    """Shares that all bids pay for or unhedge and that no longer count, rounded up. Initial only."""


def evaluate(
    venue: Venue, account: AccountView, level: int, with_orders: bool = True, *, slower: bool = False
) -> Evaluation:
    """The account at `level` (0 initial, 1 liquidation-end, 2 maintenance, 3 close-out).

    `slower` values levels 1 to 3 at the slower price where the index is thinly supported. Raises ValueError for any other level.
    """
    if level not in range(4) or (slower and level == INITIAL):
        raise ValueError(f"No such level: {level}, slower price {slower}.")
    bare = [exposure(venue, account, u, level, False, slower) for u in held(venue, account, False)]
    cash, binding, terms = charged(venue, account, bare, level, False, slower)
    without = requirement(venue, terms, level)
    total, exposures = without, bare
    if with_orders and account.orders:
        exposures = [exposure(venue, account, u, level, True, slower) for u in held(venue, account, True)]
        cash, binding, terms = charged(venue, account, exposures, level, True, slower)
        total = requirement(venue, terms, level)
    nlv = net_liquidation_value(venue, cash, exposures)
    return Evaluation(nlv, terms, total, without, total - without, nlv - total, binding)


def charged(
    venue: Venue, account: AccountView, exposures: list[Exposure], level: int, with_orders: bool, slower: bool
) -> tuple[dict[int, int], tuple[str | int, ...], dict[str, int]]:
    """Cash per stablecoin, the binding row, and every term."""
    cash = cash_per_stablecoin(venue, account, exposures, level)
    sr, binding = scan_risk(venue, exposures)
    orders = account.orders if with_orders else ()
    terms = {
        "SR": sr,
        "GAP": gap(venue, exposures),
        "BASIS": basis(exposures, venue.parameters),
        "WRAP": wrap(venue, exposures),
        "FX": foreign_exchange(venue, cash, orders, level, slower),
        "LIQ": liquidation_cost(exposures),
        "CROWD": crowd(venue, exposures) if level == INITIAL else 0,
        "LOSS": immediate_loss(venue, exposures, orders, level, slower),
        "LENT": lent_charge(venue, account, exposures),
    }
    return cash, binding, terms


def requirement(venue: Venue, terms: Mapping[str, int], level: int) -> int:
    """R = up(SR + GAP + BASIS + WRAP + FX, lambda) + LIQ + CROWD + LOSS + LENT."""
    stress = sum(terms[name] for name in ("SR", "GAP", "BASIS", "WRAP", "FX"))
    flat = sum(terms[name] for name in ("LIQ", "CROWD", "LOSS", "LENT"))
    return up(stress, level_factor(venue.parameters, level)) + flat


# --- Levels and prices ---------------------------------------------------------------------------------------------


def level_factor(parameters: ConfigureVenue, level: int) -> int:
    """Lambda: 1 at initial, then as configured."""
    return (M, parameters.liquidation_end_ppm, parameters.maintenance_ppm, parameters.close_out_ppm)[level]


def long_and_short_price(view: PriceView, level: int, slower: bool) -> tuple[int, int]:
    """The price of a long and of a short exposure: worst candidates at initial, the better one at the slower price."""
    if slower and view.uses_slower:
        return max(view.confirmed, view.stable), min(view.confirmed, view.stable)
    if level != INITIAL:
        return view.confirmed, view.confirmed
    candidates = [view.index, view.stable, view.confirmed]
    if view.blending_to is not None:
        candidates.append(view.blending_to)
    return min(candidates), max(candidates)


def price_for(view: PriceView, shares: int, level: int, slower: bool) -> int:
    """One price for all legs, by the sign of the net exposure; the confirmed one when there is none."""
    long_price, short_price = long_and_short_price(view, level, slower)
    if shares == 0:
        return view.confirmed
    return long_price if shares > 0 else short_price


# --- Exposure --------------------------------------------------------------------------------------------------------


def unit(listing: ListUnderlying) -> int:
    """D: 1e-9 shares times a price, divided by this, are micro-dollars."""
    return int(10 ** (listing.decimals + 3))


def dollars(shares: int, price: int, listing: ListUnderlying) -> int:
    """Value of shares, rounded down."""
    return floor_div(shares * price, unit(listing))


def token_shares(asset: ListAsset, amount: int) -> int:
    """Shares (1e-9) that an amount of a token stands for, rounded down."""
    return floor_div(amount * asset.multiplier_ppb, 10**asset.decimals)


def held(venue: Venue, account: AccountView, with_orders: bool) -> list[int]:
    """Underlyings with a token, a perp position, a claim, a debt or (counting orders) an open order, ascending."""
    tokens = [
        venue.assets[a]
        for a, balance in account.balances.items()
        if balance.pledged + balance.lent + balance.escrowed
    ]
    found = {asset.underlying for asset in tokens if asset.asset_kind == TOKEN}
    found |= {
        venue.markets[m].underlying
        for m, position in account.positions.items()
        if position.lots or position.claim or position.debt
    }
    if with_orders:
        found |= {venue.markets[order.market].underlying for order in account.orders}
    return sorted(found)


def tokens_of(venue: Venue, underlying: int) -> list[int]:
    """Listed tokens of an underlying, ascending."""
    return sorted(
        a for a, asset in venue.assets.items() if asset.asset_kind == TOKEN and asset.underlying == underlying
    )


def shares_of_lots(venue: Venue, market: int, lots: int) -> int:
    """Shares (1e-9) of lots of a perp, as its splits have left them, rounded down."""
    new, old = venue.splits.get(market, (1, 1))
    return floor_div(lots * venue.markets[market].lot_size * new, old)


def perp_shares(venue: Venue, account: AccountView, underlying: int) -> int:
    """Fq: signed perp shares (1e-9) over all perps of the underlying."""
    return sum(
        shares_of_lots(venue, m, position.lots)
        for m, position in account.positions.items()
        if venue.markets[m].market_kind == PERP and venue.markets[m].underlying == underlying
    )


def order_units(venue: Venue, account: AccountView, token: int, side: int) -> int:
    """Units of a token in open spot orders of one side."""
    return sum(
        order.lots * venue.markets[order.market].lot_size
        for order in account.orders
        if order.side == side
        and venue.markets[order.market].market_kind == SPOT
        and venue.markets[order.market].base == token
    )


def cap_room(venue: Venue, account: AccountView, token: int) -> int:
    """Units of a token that the owner's and the venue's cap would still admit."""
    asset = venue.assets[token]
    of_owner = asset.owner_cap - account.owner_admitted.get(token, 0)
    return max(0, min(of_owner, asset.venue_cap - venue.admitted.get(token, 0)))


def amounts_at(venue: Venue, account: AccountView, underlying: int, side: int | None) -> dict[int, int]:
    """Units of each token, all its spot bids, all its spot asks or none filled."""
    amounts = {}
    for a in tokens_of(venue, underlying):
        balance = account.balances.get(a, Balance(0))
        ordered = 0 if side is None else order_units(venue, account, a, side)
        amounts[a] = (
            balance.pledged + balance.lent + balance.escrowed + (ordered if side == BID else -ordered)
        )
    return amounts


def counted_at(
    venue: Venue,
    account: AccountView,
    amounts: Mapping[int, int],
    side: int | None,
    perps: int,
    level: int,
    worthless: bool,
) -> dict[int, int]:
    """Units of each token that count: what the own short perp matches, beyond that what is admitted at initial, all below;
    nothing beyond it once a halt made that worthless."""
    short = max(-perps, 0)
    counted = {}
    for a, amount in amounts.items():
        asset = venue.assets[a]
        admitted = account.balances.get(a, Balance(0)).admitted
        if side == BID:
            admitted += min(order_units(venue, account, a, BID), cap_room(venue, account, a))
        if level != INITIAL:
            admitted = max(amount, 0)
        if worthless:
            admitted = 0
        matched = min(max(amount, 0), floor_div(short * 10**asset.decimals, asset.multiplier_ppb))
        short -= token_shares(asset, matched)
        counted[a] = min(amount, matched + min(admitted, amount - matched))
    return counted


def order_perp_shares(venue: Venue, account: AccountView, underlying: int, side: int) -> int:
    """Bf or Af: shares in open perp orders of one side, each market's lots together."""
    lots: dict[int, int] = {}
    for order in account.orders:
        market = venue.markets[order.market]
        if order.side == side and market.market_kind == PERP and market.underlying == underlying:
            lots[order.market] = lots.get(order.market, 0) + order.lots
    return sum(shares_of_lots(venue, m, of_market) for m, of_market in lots.items())


def exposure(
    venue: Venue, account: AccountView, underlying: int, level: int, with_orders: bool, slower: bool
) -> Exposure:
    """Everything the terms need about one underlying, with its corners valued each at its own sign's price."""
    listing, view = venue.underlyings[underlying], venue.prices[underlying]
    units: list[dict[int, int]] = []  # what counts of each token, corner by corner

    def corner(spot_side: int | None = None, perp_side: int | None = None) -> Corner:
        perps = perp_shares(venue, account, underlying)
        if perp_side is not None:
            sign = 1 if perp_side == BID else -1
            perps += sign * order_perp_shares(venue, account, underlying, perp_side)
        amounts = amounts_at(venue, account, underlying, spot_side)
        counted = amounts
        if level == INITIAL or view.worthless_unmatched:
            counted = counted_at(venue, account, amounts, spot_side, perps, level, view.worthless_unmatched)
        units.append(counted)
        owned = sum(token_shares(venue.assets[a], amount) for a, amount in amounts.items())
        tokens = {a: token_shares(venue.assets[a], amount) for a, amount in counted.items()}
        return valued(listing, view, tokens, perps, matched_fraction(owned, perps), level, slower)

    none = corner()
    straight: tuple[Corner, ...] = (none,)
    corners: tuple[Corner, ...] = (none,)
    uncounted = 0
    if with_orders:
        bids, asks = corner(BID, BID), corner(ASK, ASK)
        if level == INITIAL:
            uncounted = sum(
                -token_shares(
                    venue.assets[a], -max(0, now + order_units(venue, account, a, BID) - units[1][a])
                )
                for a, now in units[0].items()
            )
        bids_asks, asks_bids = corner(BID, ASK), corner(ASK, BID)
        straight = (none, bids, asks)
        corners = (none, bids, asks, bids_asks, asks_bids)
    m = view.session_initial_ppm if level == INITIAL else view.session_maintenance_ppm
    k = venue.liquidity[account.owner, underlying]
    cf = confidence_factor(listing, view) if level == INITIAL else M
    event = view.least_gap_initial_ppm if level == INITIAL else view.least_gap_maintenance_ppm
    return Exposure(listing, view, k, m, cf, event, none, straight, corners, units[0], uncounted)


def valued(
    listing: ListUnderlying,
    view: PriceView,
    tokens: Mapping[int, int],
    perps: int,
    fraction: tuple[int, int],
    level: int,
    slower: bool,
) -> Corner:
    """S, F, E and each token's own value at the one price for the sign of the net shares."""
    spot = sum(tokens.values())
    net = spot + perps
    price = price_for(view, net, level, slower)
    return Corner(
        price=price,
        tokens={a: dollars(q, price, listing) for a, q in tokens.items()},
        spot=dollars(spot, price, listing),
        perp=dollars(perps, price, listing),
        net=dollars(net, price, listing),
        fraction=fraction,
        perp_shares=perps,
    )


def matched_fraction(spot_shares: int, perps: int) -> tuple[int, int]:
    """min(|Sq|, |Fq|) / |Fq| when the signs oppose, else nothing."""
    if spot_shares * perps >= 0:
        return 0, 1
    return min(abs(spot_shares), abs(perps)), abs(perps)


def confidence_factor(listing: ListUnderlying, view: PriceView) -> int:
    """cf: shocks grow as confidence falls below its floor. Initial only."""
    below = max(0, listing.confidence_floor_ppm - view.confidence_ppm)
    return M + up(listing.confidence_slope_ppm, below)


# --- Equity ----------------------------------------------------------------------------------------------------------


def micro(amount: int, asset: ListAsset) -> int:
    """Smallest units of a stablecoin in micro-dollars at par, rounded down."""
    return floor_div(amount * M, 10**asset.decimals)


def micro_up(amount: int, asset: ListAsset) -> int:
    """Smallest units of a stablecoin in micro-dollars at par, rounded up."""
    return ceil_div(amount * M, 10**asset.decimals)


def premium(e: Exposure, market: int, shares: int, level: int) -> int:
    """Clipped mark less index on the position's shares; at initial only when it hurts."""
    clip, index = down(e.view.index, e.listing.basis_ppm), e.view.index
    difference = max(-clip, min(clip, e.view.marks.get(market, index) - index))
    value = dollars(shares, difference, e.listing)
    return min(value, 0) if level == INITIAL else value


def perp_result(venue: Venue, exposed: Mapping[int, Exposure], m: int, position: Position, level: int) -> int:
    """What a position would realise now: value at the level's price, plus premium, less cost."""
    if position.lots == 0:
        return -micro_up(position.cost, venue.assets[venue.markets[m].quote])
    market = venue.markets[m]
    e = exposed[market.underlying]
    shares = shares_of_lots(venue, m, position.lots)
    cost = micro_up(position.cost, venue.assets[market.quote])
    return dollars(shares, e.none.price, e.listing) + premium(e, m, shares, level) - cost


def smallest_fraction(e: Exposure) -> tuple[int, int]:
    """The smallest matched fraction: now, and over the corners that leave perps."""
    smallest = e.none.fraction
    for corner in e.corners:
        if corner.perp_shares and corner.fraction[0] * smallest[1] < smallest[0] * corner.fraction[1]:
            smallest = corner.fraction
    return smallest


def cash_per_stablecoin(
    venue: Venue, account: AccountView, exposures: list[Exposure], level: int
) -> dict[int, int]:
    """c: pledged + lent + escrowed + the part of dues that counts + claims - debts + perp results, less (at initial) the gains that do not count."""
    exposed = {e.listing.underlying: e for e in exposures}
    coins = {a: b for a, b in account.balances.items() if venue.assets[a].asset_kind == STABLECOIN}
    units = {
        a: balance.pledged + balance.lent + balance.escrowed + balance.due * venue.due_ppm // 10**6
        for a, balance in coins.items()
    }
    for m in (*account.positions, *(order.market for order in account.orders)):
        units.setdefault(venue.markets[m].quote, 0)
    cash = {a: micro(amount, venue.assets[a]) for a, amount in units.items()}
    unmatched = dict.fromkeys(cash, 0)
    for m, position in account.positions.items():
        quote = venue.assets[venue.markets[m].quote]
        result = perp_result(venue, exposed, m, position, level)
        cash[quote.asset] += result + micro(position.claim - position.debt, quote)
        gain = max(result, 0)
        matched, of = smallest_fraction(exposed[venue.markets[m].underlying]) if position.lots else (0, 1)
        unmatched[quote.asset] += gain - floor_div(gain * matched, of)
        unmatched[quote.asset] += micro(position.claim, quote) - micro(position.hedged_claim, quote)
    if level == INITIAL:
        allowance = floor_div(venue.parameters.gain_cap, account.owner_accounts)
        for coin in sorted(cash):
            counted = min(allowance, unmatched[coin])
            allowance -= counted
            cash[coin] -= unmatched[coin] - counted
    return cash


def coin_price(venue: Venue, asset: int) -> int:
    """A stablecoin's dollar price in ppm."""
    return venue.prices[venue.assets[asset].underlying].price_ppm


def receivable(venue: Venue, token: int, units: int) -> int:
    """Dividends that brokers owe on units of a token, rounded down; negative on borrowed ones."""
    return floor_div(units * venue.receivable.get(token, 0), 10 ** (venue.assets[token].decimals + 6))


def net_liquidation_value(venue: Venue, cash: Mapping[int, int], exposures: Iterable[Exposure]) -> int:
    """NLV: cash at its price (at most par when positive), plus tokens and what is receivable on those that count."""
    exposures = list(exposures)
    total = sum(value for e in exposures for value in e.none.tokens.values())
    total += sum(receivable(venue, a, units) for e in exposures for a, units in e.counted.items())
    for asset, c in cash.items():
        price = coin_price(venue, asset)
        total += down(c, min(price, M) if c > 0 else price)
    return total


# --- Requirement: stress ---------------------------------------------------------------------------------------------


def unit_shocks(e: Exposure) -> tuple[int, int]:
    """s up and s down: shock x beta x session x confidence."""

    def shock(listed: int) -> int:
        return up(up(up(listed, e.listing.beta_ppm), e.m), e.cf)

    return shock(e.listing.shock_up_ppm), shock(e.listing.shock_down_ppm)


def moved(e: Exposure, direction: int, shock: int, gain_ppm: int) -> int:
    """What a move by `shock` up or down does to the underlying: the worst of its corners."""
    results = []
    for corner in e.straight:
        size, gains = abs(corner.net), corner.net * direction > 0
        results.append(down(down(size, shock), gain_ppm) if gains else -up(size, shock))
    return min(results)


def row_result(e: Exposure, direction: int, fraction: int, gain_ppm: int) -> int:
    """The same for a row of the grid: `fraction` of the unit shock."""
    s = unit_shocks(e)[0 if direction > 0 else 1]
    return moved(e, direction, up(s, fraction), gain_ppm)


Row = tuple[str, dict[int, tuple[int, int]]]


def grid_rows(parameters: ConfigureVenue, exposures: list[Exposure]) -> list[Row]:
    """Rows of one bucket in order: a name, and per underlying (direction, fraction)."""

    def uniform(name: str, direction: int, fraction: int) -> Row:
        return name, {e.listing.underlying: (direction, fraction) for e in exposures}

    tail = down(parameters.tail_shock_ppm, parameters.tail_weight_ppm)
    rows = []
    for name, fraction in (*THIRDS, ("tail", tail)):
        rows += [uniform("+" + name, 1, fraction), uniform("-" + name, -1, fraction)]
    sectors = {e.listing.underlying: e.listing.sector for e in exposures}
    for sector in sorted(set(sectors.values())):
        for direction, sign in ((1, "+"), (-1, "-")):
            towards = {u: direction if own == sector else -direction for u, own in sectors.items()}
            moves = {u: (towards[u], parameters.rotation_ppm) for u in sectors}
            rows.append((f"{sign}sector {sector}", moves))
    return rows


def by_bucket(exposures: list[Exposure]) -> dict[int, list[Exposure]]:
    """Exposures per bucket, ascending."""
    buckets: dict[int, list[Exposure]] = {}
    for e in exposures:
        buckets.setdefault(e.listing.bucket, []).append(e)
    return dict(sorted(buckets.items()))


def bucket_loss(venue: Venue, bucket: int, exposures: list[Exposure]) -> tuple[int, str]:
    """W_b and its row: the worst row of the bucket, the first one of equals; 0 when no row loses."""
    gain_ppm = venue.buckets[bucket].gain_ppm
    worst, binding = 0, "none"
    for name, moves in grid_rows(venue.parameters, exposures):
        result = sum(row_result(e, *moves[e.listing.underlying], gain_ppm) for e in exposures)
        if -result > worst:
            worst, binding = -result, name
    return worst, binding


def grid_risk(venue: Venue, exposures: list[Exposure]) -> tuple[int, tuple[str | int, ...]]:
    """SR_grid: the largest bucket in full, the others at a. Binding: ("grid", leading bucket, its row)."""
    losses = {b: bucket_loss(venue, b, es) for b, es in by_bucket(exposures).items()}
    if not losses:
        return 0, ("none",)
    leading = max(losses, key=lambda b: (losses[b][0], -b))
    largest = losses[leading][0]
    others = sum(w for w, _ in losses.values()) - largest
    total = largest + up(others, venue.parameters.bucket_sum_ppm)
    return total, ("grid", leading, losses[leading][1]) if largest else ("none",)


def dated_move(venue: Venue, row: int, bucket: int) -> int:
    """Signed ppm of a bucket on a listed day; 0 when the row does not know it."""
    moves = venue.dated_rows[row].moves_ppm
    return moves[bucket - 1] if bucket <= len(moves) else 0


def dated_shock(venue: Venue, e: Exposure, move: int) -> int:
    """s of a dated move: beta (by duration in rates) x session x confidence."""
    divisor = venue.buckets[e.listing.bucket].history_divisor * M
    return up(up(ceil_div(abs(move) * e.listing.beta_ppm, divisor), e.m), e.cf)


def dated_result(venue: Venue, e: Exposure, row: int) -> int:
    """What a listed day does to the underlying."""
    move = dated_move(venue, row, e.listing.bucket)
    return moved(e, move, dated_shock(venue, e, move), venue.buckets[e.listing.bucket].gain_ppm)


def historical_risk(venue: Venue, exposures: list[Exposure]) -> tuple[int, tuple[str | int, ...]]:
    """SR_hist: the worst listed day, the first one of equals; gains never cross buckets. Binding: ("dated", row)."""
    worst = 0
    binding: tuple[str | int, ...] = ("none",)
    buckets = by_bucket(exposures)
    for row in venue.dated_rows:
        loss = sum(max(0, -sum(dated_result(venue, e, row) for e in es)) for es in buckets.values())
        if loss > worst:
            worst, binding = loss, ("dated", row)
    return worst, binding


def scan_risk(venue: Venue, exposures: list[Exposure]) -> tuple[int, tuple[str | int, ...]]:
    """SR: the worse of grid and history; the grid wins a tie."""
    grid, grid_row = grid_risk(venue, exposures)
    history, day = historical_risk(venue, exposures)
    return (history, day) if history > grid else (grid, grid_row)


def gap_rate(venue: Venue, e: Exposure) -> int:
    """gamma: the listed gap times leverage, clipped so that all charges of one long dollar stay below their limit."""
    listing = e.listing
    largest_fall = min([0, *(dated_move(venue, row, listing.bucket) for row in venue.dated_rows)])
    r = max(unit_shocks(e)[1], dated_shock(venue, e, largest_fall))
    wraps = [venue.assets[a].wrap_ppm for a in tokens_of(venue, listing.underlying)]
    largest_wrap = up(max(wraps, default=0), e.m)
    room = venue.parameters.long_charge_limit_ppm - r - largest_wrap - ceil_div(3 * e.k.k_spot_ppm, 2)
    return min(up(max(up(up(listing.gap_ppm, e.m), e.cf), e.event), listing.leverage_ppm), max(0, room))


def gap_groups(venue: Venue, exposures: list[Exposure]) -> list[tuple[int, int]]:
    """(group, x), the largest x first, then the lowest group."""
    groups: dict[int, int] = {}
    for e in exposures:
        net = max(abs(corner.net) for corner in e.straight)
        x = up(net, gap_rate(venue, e))
        groups[e.listing.gap_group] = groups.get(e.listing.gap_group, 0) + x
    return sorted(groups.items(), key=lambda group: (-group[1], group[0]))


def gap(venue: Venue, exposures: list[Exposure]) -> int:
    """GAP: the two largest gap groups in full, zeta of all others."""
    ordered = [x for _, x in gap_groups(venue, exposures)]
    return sum(ordered[:2]) + up(sum(ordered[2:]), venue.parameters.gap_sum_ppm)


def basis(exposures: list[Exposure], parameters: ConfigureVenue) -> int:
    """BASIS: half of b on what is matched; on the gross where b is too large for the gap to absorb."""
    total = 0
    for e in exposures:
        b = e.listing.basis_ppm
        gross_form = b * M > 2 * parameters.gap_sum_ppm * e.listing.gap_ppm
        total += max(
            ceil_div(b * max(0, abs(c.spot) + abs(c.perp) - (0 if gross_form else abs(c.net))), 2 * M)
            for c in e.corners
        )
    return total


def wrap(venue: Venue, exposures: list[Exposure]) -> int:
    """WRAP: per token, long and borrowed."""
    total = 0
    for e in exposures:
        for a in e.none.tokens:
            asset = venue.assets[a]
            total += max(
                up(max(corner.tokens[a], 0), up(asset.wrap_ppm, e.m))
                + up(max(-corner.tokens[a], 0), up(asset.borrow_wrap_ppm, e.m))
                for corner in e.corners
            )
    return total


def foreign_exchange(
    venue: Venue, cash: Mapping[int, int], orders: Iterable[OpenOrder], level: int, slower: bool
) -> int:
    """FX: per stablecoin, no netting; the largest |c| over none, all spot bids, fees and perp losses paid, and all spot
    asks received."""
    pays, receives, loses = (dict.fromkeys(cash, 0) for _ in range(3))
    for order in orders:
        market = venue.markets[order.market]
        if market.market_kind == SPOT:
            side = pays if order.side == BID else receives
            side[market.quote] += notional(venue, market, order)
        else:
            loses[market.quote] += order_loss(venue, order, level, slower)
    for m, fee in taker_fees(venue, orders):
        loses[venue.markets[m].quote] += fee
    total = 0
    for a, c in cash.items():
        asset = venue.assets[a]
        d = max(asset.depeg_ppm, 2 * max(0, 995_000 - coin_price(venue, a)))
        least, most = c - micro_up(pays[a], asset) - loses[a], c + micro(receives[a], asset)
        total += up(max(abs(c), abs(least), abs(most)), d)
    return total


# --- Requirement: getting out, crowding, orders ----------------------------------------------------------------------


def liquidation_cost(exposures: list[Exposure]) -> int:
    """LIQ: k of the largest spot and perp leg over the corners."""
    return sum(
        up(max(abs(c.spot) for c in e.corners), e.k.k_spot_ppm)
        + up(max(abs(c.perp) for c in e.corners), e.k.k_perp_ppm)
        for e in exposures
    )


def lent_charge(venue: Venue, account: AccountView, exposures: list[Exposure]) -> int:
    """LENT: per lent claim, its value rounded up times the pool's charge: a token at the price of its underlying's exposure,
    a stablecoin at its own price, at most par."""
    price_of = {e.listing.underlying: (e.none.price, e.listing) for e in exposures}
    total = 0
    for a, balance in account.balances.items():
        asset = venue.assets[a]
        if balance.lent <= 0 or a not in venue.pools:
            continue
        if asset.asset_kind == STABLECOIN:
            value = up(micro_up(balance.lent, asset), min(coin_price(venue, a), M))
        else:
            price, listing = price_of[asset.underlying]
            value = ceil_div(token_shares(asset, balance.lent) * price, unit(listing))
        total += up(value, venue.pools[a].lent_charge_ppm)
    return total


def liquidity_rate(parameters: ConfigureVenue, listing: ListUnderlying, gross: int, volume: int) -> int:
    """k of one leg: half spread plus square-root impact of the owner's gross dollars against dollars a day."""
    if volume == 0:
        return parameters.liquidity_cap_ppm
    share = parameters.participation_ppm * listing.session_share_ppm
    root = isqrt_up(ceil_div(ceil_div(gross * M**2, volume) * M**2, share))
    impact = up(up(parameters.impact_ppm, listing.sigma_ppm), root)
    return min(parameters.liquidity_cap_ppm, listing.half_spread_ppm + impact)


def crowd(venue: Venue, exposures: list[Exposure]) -> int:
    """CROWD: what the open orders can add to |Fq|, at the index, charged as open interest fills up. Initial only."""
    total = 0
    for e in exposures:
        low, high = e.listing.crowd_low, e.listing.crowd_high
        interest = venue.open_interest.get(e.listing.underlying, 0)
        ramp = max(0, min(M, floor_div((interest - low) * M, high - low)))
        raised_shares = max(abs(c.perp_shares) for c in e.corners) - abs(e.none.perp_shares)
        raised = dollars(raised_shares, e.view.index, e.listing)
        total += up(raised, up(e.listing.crowd_ppm, ramp))
    return total


def order_shares(venue: Venue, market: ListMarket, lots: int) -> int:
    """Shares (1e-9) of an order, rounded down."""
    if market.market_kind == PERP:
        return shares_of_lots(venue, market.market, lots)
    return token_shares(venue.assets[market.base], lots * market.lot_size)


def notional(venue: Venue, market: ListMarket, order: OpenOrder) -> int:
    """Quote units of an order at its limit: whole, because tick x lot is."""
    quantity_decimals = 9 if market.market_kind == PERP else venue.assets[market.base].decimals
    scale = 10 ** (quantity_decimals + venue.underlyings[market.underlying].decimals)
    quote = 10 ** venue.assets[market.quote].decimals
    return floor_div(order.price * market.tick_size * order.lots * market.lot_size * quote, scale)


def dearest(venue: Venue, coin: int) -> int:
    """What a paid unit of a stablecoin may cost, in ppm: at least a dollar."""
    return max(coin_price(venue, coin), M)


def order_loss(venue: Venue, order: OpenOrder, level: int, slower: bool) -> int:
    """What the order costs against the level's price when it fills at its limit. A perp's result is paid in the quote, so
    it is at face; a spot order pays at least a dollar and receives at most a dollar per quote unit, and what is receivable on
    a token goes with it."""
    market = venue.markets[order.market]
    listing, quote = venue.underlyings[market.underlying], venue.assets[market.quote]
    multiplier, paid, received, due, bought, sold = 10**9, M, M, 0, 0, 0
    if market.market_kind == SPOT:
        multiplier = venue.assets[market.base].multiplier_ppb
        paid, received = dearest(venue, market.quote), min(coin_price(venue, market.quote), M)
        due = venue.receivable.get(market.base, 0) * unit(listing)
        tokens = order.lots * market.lot_size
        bought, sold = receivable(venue, market.base, tokens), -receivable(venue, market.base, -tokens)
    long_price, short_price = long_and_short_price(venue.prices[market.underlying], level, slower)
    new, old = venue.splits.get(order.market, (1, 1))  # a tick has become old/new of the listed one
    multiplier, limit = multiplier * new, order.price * market.tick_size * 10**9 * old
    units, shares = notional(venue, market, order), order_shares(venue, market, order.lots)
    if order.side == BID:
        if limit * paid <= long_price * multiplier * M + due:
            return 0
        return max(0, up(micro_up(units, quote), paid) - dollars(shares, long_price, listing) - bought)
    if limit * received >= short_price * multiplier * M + due:
        return 0
    worth = ceil_div(shares * short_price, unit(listing)) + sold
    return max(0, worth - down(micro(units, quote), received))


def taker_fees(venue: Venue, orders: Iterable[OpenOrder]) -> list[tuple[int, int]]:
    """(market, micro-dollars at face) per market and side."""
    units_of: dict[tuple[int, int], int] = {}
    for order in orders:
        units = notional(venue, venue.markets[order.market], order)
        units_of[order.market, order.side] = units_of.get((order.market, order.side), 0) + units
    return [
        (m, up(micro_up(units, venue.assets[venue.markets[m].quote]), venue.markets[m].taker_fee_ppm))
        for (m, _), units in units_of.items()
    ]


def immediate_loss(
    venue: Venue, exposures: Iterable[Exposure], orders: Iterable[OpenOrder], level: int, slower: bool
) -> int:
    """LOSS: what filling at the limit costs against the level's price, per order; taker fees per market and side; and the
    tokens that all bids pay for or unhedge and that no cap lets count."""
    total = 0
    for e in exposures:
        long_price, _ = long_and_short_price(e.view, level, slower)
        total += ceil_div(e.uncounted * long_price, unit(e.listing))
    for order in orders:
        market, loss = venue.markets[order.market], order_loss(venue, order, level, slower)
        total += up(loss, dearest(venue, market.quote)) if market.market_kind == PERP else loss
    return total + sum(
        up(fee, dearest(venue, venue.markets[m].quote)) for m, fee in taker_fees(venue, orders)
    )
