//! Perp positions: what a fill does to them, and how results become claims and debts on the market's clearing account.
//!
//! Responsible for: one account's side of a trade or settlement, and what a position has made since a moment that is
//! remembered. Cash moves in `settlement`; nothing is refused here.

use crate::account::{Moment, Position};
use crate::context::Context;
use crate::margin::cushion;
use crate::state::{Market, State};
use crate::units::{Lots, PPM, Ticks, Value, narrow};

/// Fraction of an account's perp position in a market's underlying that its tokens hedge, ppm rounded down.
#[must_use]
pub fn hedged_ppm(state: &State, account: u32, underlying: u32) -> i64 {
    let spot = spot_shares(state, account, underlying);
    if spot == 0 {
        return 0;
    }
    let perp = perp_shares(state, account, underlying);
    if spot.signum() * perp.signum() >= 0 {
        return 0;
    }
    (spot.abs().min(perp.abs()) * i128::from(PPM) / perp.abs()) as i64
}

/// An account's spot and perp shares (1e-9) of an underlying.
#[must_use]
pub fn shares(state: &State, account: u32, underlying: u32) -> (i128, i128) {
    (spot_shares(state, account, underlying), perp_shares(state, account, underlying))
}

fn spot_shares(state: &State, account: u32, underlying: u32) -> i128 {
    let (listed, holder) = (state.known_underlying(underlying), &state.accounts[account as usize]);
    let held = |asset| holder.balance(asset).map(|b| state.known_asset(asset).shares(state.ledger.pledged_and_lent(b) + i128::from(b.escrowed)));
    listed.assets.iter().filter_map(|&asset| held(asset)).sum()
}

fn perp_shares(state: &State, account: u32, underlying: u32) -> i128 {
    let (listed, holder) = (state.known_underlying(underlying), &state.accounts[account as usize]);
    listed.perps.iter().map(|&m| state.shares_of(state.known_market(m), i128::from(holder.lots(m)))).sum()
}

/// Books one side of a perp trade: position, realised result, fee, and the market's totals. Returns what was realised, in
/// quote units.
pub fn fill(cx: &mut Context<'_>, account: u32, market: u32, lots: Lots, price: Ticks, fee: i64) -> i64 {
    cushion::fill(cx.state, account, market, (price, lots, fee));
    let (before, after, realised) = booked(cx.state, account, market, lots, price, fee);
    let m = cx.state.market_mut(market);
    m.claims.fees += fee;
    m.open_interest += after.max(0) - before.max(0);
    realised
}

/// The account's own part of a perp trade, without the market's totals: what a rehearsal of a trade needs.
pub fn book(state: &mut State, account: u32, market: u32, lots: Lots, price: Ticks, fee: i64) -> i64 {
    booked(state, account, market, lots, price, fee).2
}

/// Lots before and after, and what was realised.
fn booked(state: &mut State, account: u32, market: u32, lots: Lots, price: Ticks, fee: i64) -> (Lots, Lots, i64) {
    let (unit, underlying) = {
        let m = state.known_market(market);
        (m.unit, m.terms.underlying)
    };
    let at = state.accounts[account as usize].counted_place(market);
    let before = state.accounts[account as usize].positions[at].lots;
    let closes = before.signum() * lots.signum() < 0;
    let hedged = if closes { hedged_ppm(state, account, underlying) } else { 0 };
    let position = &mut state.accounts[account as usize].positions[at];
    let realised = position.trade(lots, lots * price * unit);
    if realised != 0 {
        position.book_result(realised, hedged);
    }
    position.book_result(-fee, 0);
    (before, position.lots, realised)
}

/// Changes a position by signed lots at a signed cost and books what the closed part realised, which is returned.
pub fn transfer(cx: &mut Context<'_>, account: u32, market: u32, lots: Lots, cost: i64) -> i64 {
    let underlying = cx.state.known_market(market).terms.underlying;
    let before = cx.state.accounts[account as usize].lots(market);
    let closes = before.signum() * lots.signum() < 0;
    let hedged = if closes { hedged_ppm(cx.state, account, underlying) } else { 0 };
    let position = cx.state.accounts[account as usize].position_mut(market);
    let realised = position.trade(lots, cost);
    position.book_result(realised, hedged);
    let after = position.lots;
    cx.state.market_mut(market).open_interest += after.max(0) - before.max(0);
    realised
}

/// Booked and open results of a position at a price, quote units.
#[must_use]
pub fn result_at(market: &Market, position: &Position, price: Ticks) -> i64 {
    let open = market.quote_units(price, position.lots) - i128::from(position.cost);
    narrow(i128::from(position.booked) + open).unwrap_or(if open < 0 { i64::MIN } else { i64::MAX })
}

/// Remembers what every perp of an account has made: as of its last green moment, and as of the last one without a black
/// account in the venue.
pub fn remember(state: &mut State, account: u32, green: bool) {
    let (calm, rounds) = (state.liquidation.black.is_empty(), state.liquidation.calm_rounds);
    if !green && !calm {
        return;
    }
    for at in 0..state.accounts[account as usize].positions.len() {
        let id = state.accounts[account as usize].positions[at].market;
        if !state.known_market(id).is_perp() {
            continue;
        }
        let price = state.index_now(id);
        let result = result_at(state.known_market(id), &state.accounts[account as usize].positions[at], price);
        let position = &mut state.accounts[account as usize].positions[at];
        if green {
            position.green_result = result;
        }
        if calm {
            position.remember(Moment { result, lots: position.lots, price }, rounds);
        }
    }
}

/// The same for a green account and the one perp that may differ since, while no account is black.
pub fn remember_one(state: &mut State, account: u32, market: u32) {
    let (price, rounds) = (state.index_now(market), state.liquidation.calm_rounds);
    let State { accounts, markets, .. } = state;
    let Some(listed) = markets[market as usize].as_ref().filter(|m| m.is_perp()) else { return };
    let Some(position) = accounts[account as usize].position_of(market) else { return };
    let result = result_at(listed, position, price);
    position.green_result = result;
    position.remember(Moment { result, lots: position.lots, price }, rounds);
}

/// What an account's perps of a bucket have made since a remembered moment, micro-dollars at face: signed.
#[must_use]
pub fn result_since(state: &State, account: u32, bucket: u32, moment: impl Fn(&Position) -> i64) -> Value {
    let holder = &state.accounts[account as usize];
    let mut total = 0;
    for position in &holder.positions {
        let market = state.known_market(position.market);
        if !market.is_perp() || state.known_underlying(market.terms.underlying).terms.bucket != bucket {
            continue;
        }
        let now = result_at(market, position, state.index_ticks(market));
        total += state.quote_value(market, i128::from(now) - i128::from(moment(position)));
    }
    total
}

/// Perp gains of an account in a bucket since the last moment without a black account, less the loss on the spot that
/// hedged them over the same span; never negative, micro-dollars.
#[must_use]
pub fn shareable_gain(state: &State, account: u32, bucket: u32) -> Value {
    let rounds = state.liquidation.calm_rounds;
    let gain = result_since(state, account, bucket, |p| p.calm(rounds).result);
    if gain <= 0 {
        return 0;
    }
    (gain - hedge_loss(state, account, bucket)).max(0)
}

/// What the tokens that matched an account's perps at the last calm moment have lost since, micro-dollars rounded up.
fn hedge_loss(state: &State, account: u32, bucket: u32) -> Value {
    let mut total = 0;
    for underlying in state.underlyings.iter().flatten().filter(|u| u.terms.bucket == bucket && !u.perps.is_empty()) {
        let holder = &state.accounts[account as usize];
        // In ticks of one of its perps: what those made is counted in them, too.
        let (mut perp, mut fall, mut tick) = (0, 0, (1, 1));
        for position in underlying.perps.iter().filter_map(|&m| holder.position(m)) {
            let market = state.known_market(position.market);
            let calm = position.calm(state.liquidation.calm_rounds);
            perp += state.shares_of(market, i128::from(calm.lots));
            if calm.lots != 0 {
                fall = i128::from(calm.price - state.index_ticks(market));
                tick = (i128::from(market.terms.tick_size) * i128::from(market.split.den), i128::from(market.split.num));
            }
        }
        let (spot, _) = shares(state, account, underlying.terms.underlying);
        if spot.signum() * perp.signum() < 0 {
            let matched = spot.abs().min(perp.abs());
            let ticks = (fall * i128::from(spot.signum() as i64)).max(0);
            total += crate::units::div_ceil(matched * ticks * tick.0, tick.1 * underlying.scale());
        }
    }
    total
}

/// Perp gains that can't leave an account while one of the venue is black, or may be (the sweep after the last move has not
/// seen everyone), micro-dollars, over all buckets.
#[must_use]
pub fn locked_gains(state: &State, account: u32) -> Value {
    if state.liquidation.black.is_empty() && state.sweep_left == 0 {
        return 0;
    }
    state.buckets.iter().flatten().map(|b| shareable_gain(state, account, b.terms.bucket)).sum()
}
