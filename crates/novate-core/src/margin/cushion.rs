//! What an account surely has above its initial requirement, so that most orders need no evaluation.
//!
//! Responsible for: remembering the excess of the last evaluation, and an upper bound on what an order or a fill of a perp takes
//! from it. While the rest of the bound is not negative the account is green, whatever the evaluation would say exactly: the
//! engine does the same with and without it (`tests/cushion.rs`). Lives beside the state, never in it.

use super::rates::Rates;
use super::Level;
use crate::account::{Account, Balance, Cushion, LiquidityRate, Position};
use crate::open_orders::RateRoom;
use crate::state::lull::{Drift, Levels, LotBound};
use crate::state::{Market, State, Underlying};
use crate::units::{Lots, PPM, Ticks, Value, div_ceil, narrow, rate_up, scale_up};

/// Units that roundings of one order or fill may take, one a term and corner.
const ROUNDING: Value = 200;

/// More than one market.
pub const SEVERAL: u32 = u32::MAX;

/// Something else changes this account: what was remembered of it counts no more.
pub fn forget(state: &mut State, account: u32) {
    state.accounts[account as usize].cushion.end();
}

/// What an account surely has left now: at most its excess at initial. `None` when that is not known.
#[must_use]
pub fn known(state: &State, account: u32) -> Option<Value> {
    let holder = &state.accounts[account as usize];
    let cushion = &holder.cushion;
    if state.lull.holds(cushion.stamp) {
        return Some(i128::from(cushion.left));
    }
    if cushion.era == 0 || cushion.era != state.lull.era() {
        return None;
    }
    // What prices may have taken since: per lot held or wanted, the path of its market's moves.
    let mut left = i128::from(cushion.left) - ROUNDING;
    for position in &holder.positions {
        let (market, lots) = (state.known_market(position.market), at_stake(holder, position));
        if !market.is_perp() || lots == 0 {
            continue;
        }
        let path = path_in(market, cushion.era);
        if position.path == 0 || path < position.path {
            return None;
        }
        left -= lots * i128::from(path - position.path) + ROUNDING;
    }
    Some(left)
}

/// The same, brought up to the present lull.
#[inline]
pub fn left(state: &mut State, account: u32) -> Option<Value> {
    let cushion = &state.accounts[account as usize].cushion;
    if state.lull.holds(cushion.stamp) { Some(i128::from(cushion.left)) } else { brought_up(state, account) }
}

fn brought_up(state: &mut State, account: u32) -> Option<Value> {
    let left = known(state, account)?;
    let State { accounts, markets, lull, .. } = state;
    let Account { positions, cushion, .. } = &mut accounts[account as usize];
    mark_paths(markets, positions, cushion.era);
    // Beyond 64 bits nothing is left.
    (cushion.left, cushion.stamp, cushion.settled) = (narrow(left).unwrap_or(i64::MIN), lull.stamp(), false);
    Some(left)
}

/// Remembers how far each position's market has come.
fn mark_paths(markets: &[Option<Market>], positions: &mut [Position], era: u64) {
    for position in positions {
        position.path = markets[position.market as usize].as_ref().map_or(0, |m| path_in(m, era));
    }
}

/// Lots that a price moves: held, and wanted on either side.
fn at_stake(holder: &Account, position: &Position) -> i128 {
    i128::from(position.lots.abs()) + holder.open(position).wanted()
}

/// A market's path of moves; 0 while none was noted in the era: what moved before the first note is not in it.
fn path_in(market: &Market, era: u64) -> i64 {
    if market.drift.era == era { market.drift.path } else { 0 }
}

/// Notes how far the levels of an underlying's perps have moved: after every change of its price or their marks.
pub fn note_moves(state: &mut State, underlying: u32) {
    state.lull.price_moves();
    let era = state.lull.era();
    if era == 0 {
        return;
    }
    for at in 0..state.known_underlying(underlying).perps.len() {
        let id = state.known_underlying(underlying).perps[at];
        note_market(state, id, era);
    }
}

fn note_market(state: &mut State, id: u32, era: u64) {
    let (market, before) = (state.known_market(id), state.known_market(id).drift);
    let listed = state.known_underlying(market.terms.underlying);
    let (long, short) = listed.price.initial_prices(false);
    let (prices, mark, confidence_ppm) = ([long, short, listed.price.last_external(), listed.price.index()], market.mark.mark(), listed.price.confidence_ppm());
    let fresh = before.era != era;
    let charge_ppm = if fresh || confidence_ppm != before.levels.confidence_ppm { charge_ppm(state, listed) } else { Some(before.levels.charge_ppm) };
    let levels = Levels { prices, mark, confidence_ppm, charge_ppm: charge_ppm.unwrap_or(0) };
    if !fresh && levels == before.levels {
        return;
    }
    let known = charge_ppm.is_some() && prices.iter().all(|&p| p > 0);
    let path = if fresh { Some(1) } else { lost_per_lot(state, market, &before.levels, &levels).and_then(|lost| before.path.checked_add(lost)) };
    state.market_mut(id).drift = match path.filter(|_| known) {
        Some(path) => Drift { levels, path, era },
        None => Drift::default(),
    };
}

/// The most that one lot, long or short, held or wanted, loses between two levels: the move of its price with all charges on it (three
/// times, as in `most`), of the premium, and of the charges.
fn lost_per_lot(state: &State, market: &Market, from: &Levels, to: &Levels) -> Option<i64> {
    let underlying = state.known_underlying(market.terms.underlying);
    let moved = from.prices.iter().zip(&to.prices).map(|(a, b)| (a - b).abs()).max().unwrap_or(0);
    let apart = 3 * (i128::from(moved) + i128::from((from.mark - to.mark).abs()) + i128::from((from.prices[3] - to.prices[3]).abs()));
    let charge = from.charge_ppm.max(to.charge_ppm);
    let dearest = from.prices.iter().chain(&to.prices).max().copied().unwrap_or(0);
    let each = apart + rate_up(i128::from(moved), charge) + rate_up(i128::from(dearest), (from.charge_ppm - to.charge_ppm).abs()) + 1;
    narrow(div_ceil((state.shares_of(market, 1) + 1) * each, underlying.scale()))
}

/// Takes the bound of an order or a fill from what is left.
pub fn spend(state: &mut State, account: u32, bound: Value) {
    match narrow(bound) {
        Some(bound) => {
            let left = &mut state.accounts[account as usize].cushion.left;
            *left = left.saturating_sub(bound);
        }
        None => forget(state, account),
    }
}

/// A fill of a perp: its bound goes, and the account has to be looked at there. Only in a lull is a bound at hand.
pub fn fill(state: &mut State, account: u32, market: u32, (price, lots, fee): (Ticks, Lots, i64)) {
    if !state.lull.lasts() {
        return forget(state, account);
    }
    if left(state, account).is_none() {
        return;
    }
    match most(state, market, lots, price, fee) {
        Some(bound) => spend(state, account, bound),
        None => forget(state, account),
    }
    traded(state, account, market);
}

/// The account placed or traded in a market.
pub fn traded(state: &mut State, account: u32, market: u32) {
    let traded = &mut state.accounts[account as usize].cushion.traded;
    *traded = if *traded == 0 || *traded == market { market } else { SEVERAL };
}

/// Remembers the excess of an evaluation at initial, orders counted, just made. Only for an account without tokens, orders for them,
/// loans and lent cash that is its owner's only one: what caps admit and which gains count depends on nobody else's trades then, and
/// nothing grows by itself. `new` is the market and the lots of a perp's order that was counted and is not in the account yet.
pub fn keep(state: &mut State, account: u32, excess: Value, new: Option<(u32, Lots)>) {
    let (era, stamp) = (state.lull.era(), state.lull.stamp());
    if era == 0 {
        return;
    }
    let holder = &state.accounts[account as usize];
    let alone = state.owners[holder.owner as usize].accounts.len() == 1;
    let still = |b: &Balance| b.pledged >= 0 && b.lent == 0 && (b.pledged == 0 && b.escrowed == 0 || state.known_asset(b.asset).is_stablecoin());
    let plain = holder.positions.iter().all(|p| !p.has_orders() || state.known_market(p.market).is_perp());
    if !alone || !plain || !holder.balances.iter().all(still) || excess <= 0 {
        return forget(state, account);
    }
    let orders = holder.positions.iter().map(|p| (p.market, holder.open(p).wanted())).chain(new.map(|(market, lots)| (market, i128::from(lots))));
    let crowding: Value = orders.map(|(market, lots)| most_crowd(state, state.known_market(market), lots)).sum();
    state.bound_lull();
    let left = narrow(excess - crowding - ROUNDING).unwrap_or(i64::MAX);
    let State { accounts, markets, .. } = state;
    let Account { positions, cushion, .. } = &mut accounts[account as usize];
    mark_paths(markets, positions, era);
    let seen = if stamp != 0 && cushion.stamp == stamp { *cushion } else { Cushion::default() };
    *cushion = Cushion { era, stamp, left, ..seen };
}

/// The account was looked at, found green, and all its results were remembered.
pub fn settle(state: &mut State, account: u32) {
    let cushion = &mut state.accounts[account as usize].cushion;
    (cushion.settled, cushion.traded) = (true, 0);
}

/// CROWD of open orders at its listed most: it rises with other accounts' open interest.
fn most_crowd(state: &State, market: &Market, lots: i128) -> Value {
    if lots == 0 {
        return 0;
    }
    let listed = state.known_underlying(market.terms.underlying);
    let charge_ppm = listed.terms.crowd_ppm;
    if charge_ppm == 0 { 0 } else { rate_up(dear(listed, state.shares_of(market, lots) + 1, listed.price.index()), charge_ppm) }
}

fn dear(underlying: &Underlying, shares: i128, price: i64) -> Value {
    div_ceil(shares * i128::from(price), underlying.scale())
}

/// Takes the bound of an order from the account's cushion, if that is enough and the dollars by which its position may grow raise no
/// liquidity rate.
pub fn spares(state: &mut State, account: u32, market: u32, order: (Ticks, Lots, i64), growth: Value) -> bool {
    if !state.lull.lasts() || !state.known_market(market).is_perp() {
        return false;
    }
    let Some(left) = left(state, account) else { return false };
    let bound = bound(state, market);
    let holder = &state.accounts[account as usize];
    let fits = |room: RateRoom| {
        let size = i128::from(holder.lots(market).abs()) * i128::from(bound.high) + growth;
        bound.only && state.lull.holds(room.stamp) && size <= i128::from(room.most)
    };
    if growth != 0 && !holder.room(market).is_some_and(fits) {
        return false;
    }
    let need = most_in(state, state.known_market(market), &bound, order).filter(|&need| need <= left);
    need.inspect(|&need| spend(state, account, need)).is_some()
}

/// Remembers the size up to which an accepted order's market asks for no higher liquidity rate.
pub fn remember_size(state: &mut State, account: u32, market: u32) {
    let (owner, underlying) = (state.accounts[account as usize].owner, state.known_market(market).terms.underlying);
    let reach = state.owners[owner as usize].reach(underlying);
    if state.lull.holds(reach.stamp) {
        state.accounts[account as usize].set_room(market, RateRoom { stamp: reach.stamp, most: reach.most[1] });
    }
}

/// The bound of an account's order at a price for lots, with the fee it may pay in quote units. Where the order has just raised what
/// getting out of a dollar costs, which was `before`, with what that asks for all there is in its market. `None` for spot, and where
/// that is not known.
#[must_use]
pub fn needed(state: &mut State, account: u32, market: u32, (price, lots, fee): (Ticks, Lots, i64), before: Option<LiquidityRate>) -> Option<Value> {
    let listed = state.known_market(market);
    let owner = state.accounts[account as usize].owner;
    if state.lull.stamp() == 0 || !listed.is_perp() {
        return None;
    }
    let rate = state.liquidity_rate(owner, listed.terms.underlying);
    let dearer = if rate == before { 0 } else { dearer(state, account, market, before?, rate?)? };
    Some(most(state, market, lots, price, fee)? + dearer)
}

/// What a higher liquidity rate of the perp leg asks for the position and all open orders of an underlying's only perp.
fn dearer(state: &mut State, account: u32, market: u32, before: LiquidityRate, now: LiquidityRate) -> Option<Value> {
    let bound = bound(state, market);
    if !bound.only || before.epoch != now.epoch || before.spot_ppm != now.spot_ppm {
        return None;
    }
    let holder = &state.accounts[account as usize];
    let lots = holder.position(market).map_or(0, |p| at_stake(holder, p));
    // A rate falls where nothing is left of a spread: that gives nothing back.
    Some(rate_up(lots * i128::from(bound.high), (now.perp_ppm - before.perp_ppm).max(0)) + ROUNDING)
}

/// The most by which an order for lots of a perp, or its fill, with a fee in quote units, can lower the excess at initial of an
/// account without tokens: every charge on its whole notional at the dearest of the level's prices, the distance of its price
/// from each of them (three times: a stablecoin's own charge and price are bounded by that), the clipped premium, and roundings.
/// `None` where no bound is known.
#[must_use]
pub fn most(state: &mut State, market: u32, lots: Lots, price: Ticks, fee: i64) -> Option<Value> {
    let bound = bound(state, market);
    most_in(state, state.known_market(market), &bound, (price, lots, fee))
}

fn most_in(state: &State, market: &Market, bound: &LotBound, (price, lots, fee): (Ticks, Lots, i64)) -> Option<Value> {
    if bound.high == 0 {
        return None;
    }
    if bound.in_micros
        && let Some(most) = most_in_micros(bound, market.unit, (price, lots, fee))
    {
        return Some(Value::from(most));
    }
    let lots = i128::from(lots.unsigned_abs());
    let of = |each: i64| lots * i128::from(each);
    let limit = state.quote_value(market, i128::from(price) * lots * i128::from(market.unit));
    let away = (of(bound.high) - limit).max(limit + 1 - of(bound.low)).max(0);
    let fees = -state.quote_value(market, -i128::from(fee));
    Some(rate_up(of(bound.high), bound.charge_ppm) + 3 * (of(bound.apart) + away + fees) + ROUNDING)
}

/// The same where the quote has six decimals; `None` where 64 bits are too few.
#[inline]
fn most_in_micros(bound: &LotBound, unit: i64, (price, lots, fee): (Ticks, Lots, i64)) -> Option<i64> {
    let lots = lots.checked_abs()?;
    let high = lots.checked_mul(bound.high)?;
    let limit = price.checked_mul(lots)?.checked_mul(unit)?;
    let away = high.checked_sub(limit)?.max(limit.checked_sub(lots.checked_mul(bound.low)?)?.checked_add(1)?).max(0);
    let apart = lots.checked_mul(bound.apart)?.checked_add(away)?.checked_add(fee)?;
    let charge = high.checked_mul(bound.charge_ppm)?.checked_add(PPM - 1)? / PPM;
    charge.checked_add(apart.checked_mul(3)?)?.checked_add(ROUNDING as i64)
}

/// A market's bound per lot, remembered in a lull.
fn bound(state: &mut State, market: u32) -> LotBound {
    let known = state.known_market(market).bound;
    if state.lull.holds(known.stamp) {
        return known;
    }
    state.bound_lull();
    let found = lot_bound(state, state.known_market(market)).unwrap_or_default();
    let bound = LotBound { stamp: state.lull.stamp(), ..found };
    state.market_mut(market).bound = bound;
    bound
}

fn lot_bound(state: &State, market: &Market) -> Option<LotBound> {
    let underlying = state.known_underlying(market.terms.underlying);
    let prices = &underlying.price;
    let (long, short) = prices.initial_prices(false);
    let flat = prices.last_external();
    let (low, high) = (long.min(short).min(flat), long.max(short).max(flat));
    if low <= 0 {
        return None;
    }
    // One share more than a lot has: that of several lots is rounded once.
    let (least, shares) = (state.shares_of(market, 1), state.shares_of(market, 1) + 1);
    Some(LotBound {
        stamp: 0,
        high: narrow(dear(underlying, shares, high))?,
        low: narrow(underlying.value_down(least, low))?,
        apart: narrow(dear(underlying, shares, high - low))?,
        charge_ppm: charge_ppm(state, underlying)?,
        only: underlying.perps.len() == 1,
        in_micros: state.known_asset(market.terms.quote).terms.decimals == 6,
    })
}

/// What one dollar of a perp can ask at most at initial: the worst row, its gap, basis, premium, the cap of the cost of getting
/// out, and CROWD at its most.
fn charge_ppm(state: &State, underlying: &Underlying) -> Option<i64> {
    let (terms, config) = (&underlying.terms, state.config());
    let bucket = state.buckets[terms.bucket as usize].as_ref()?;
    let (factor, confidence) = Rates::factors(state, underlying, bucket, Level::Initial);
    let stressed = |size: i64| scale_up(scale_up(size, factor), confidence);
    let shock = scale_up(terms.shock_up_ppm.max(terms.shock_down_ppm), terms.beta_ppm);
    let tail = scale_up(config.tail_shock_ppm, config.tail_weight_ppm).max(PPM);
    let dated = underlying.dated_ppm.iter().map(|m| m.abs()).max().unwrap_or(0);
    let row = stressed(scale_up(shock, tail).max(dated));
    let event = state.prices.terms.as_ref().map_or(0, |t| underlying.session.least_gap_ppm(t, true, state.now));
    let gap = scale_up(stressed(terms.gap_ppm).max(event), terms.leverage_ppm);
    narrow(i128::from(row) + i128::from(gap) + 2 * i128::from(terms.basis_ppm) + i128::from(config.liquidity_cap_ppm) + i128::from(terms.crowd_ppm))
}
