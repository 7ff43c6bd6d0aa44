//! k, the cost of getting out of one dollar, from spread, volatility and the size of the owner's group.
//!
//! Responsible for: the formula and when a stored rate changes: up at once when the group grows, recomputed after a refresh.
//! A rate never changes because somebody else traded.

use crate::account::{LiquidityRate, Reach};
use crate::state::{State, Underlying};
use crate::units::{PPM, Value, div_ceil, isqrt_up, narrow, rate_up, scale_up};

/// k in ppm for a gross of `q` micro-dollars against `volume` micro-dollars a day.
#[must_use]
pub fn rate(state: &State, underlying: &Underlying, q: Value, volume: i64) -> i64 {
    let config = state.config();
    if volume <= 0 {
        return config.liquidity_cap_ppm;
    }
    if q == 0 {
        return underlying.liquidity.half_spread_ppm.min(config.liquidity_cap_ppm);
    }
    let million = i128::from(PPM);
    let share = div_ceil(q * million * million, i128::from(volume)).min(million.pow(4));
    let square = div_ceil(share * million * million, i128::from(config.participation_ppm) * i128::from(underlying.terms.session_share_ppm));
    let root = narrow(isqrt_up(square)).unwrap_or(i64::MAX / PPM).min(1_000 * PPM);
    let impact = rate_up(i128::from(scale_up(config.impact_ppm, underlying.liquidity.sigma_ppm)), root);
    let k = i128::from(underlying.liquidity.half_spread_ppm) + impact;
    k.min(i128::from(config.liquidity_cap_ppm)) as i64
}

/// Rates in force for an owner: stored ones, or those of an empty group. After a refresh the new inputs hold at once, whether or
/// not the sweep has stored them yet.
#[must_use]
pub fn stored_rates(state: &State, owner: u32, underlying: &Underlying) -> (i64, i64) {
    match state.liquidity_rate(owner, underlying.terms.underlying) {
        Some(stored) if stored.epoch == underlying.liquidity_epoch => (stored.spot_ppm, stored.perp_ppm),
        Some(_) => {
            let (spot, perp) = group_gross(state, owner, underlying);
            let (spot_volume, perp_volume) = (underlying.liquidity.spot_volume, underlying.liquidity.perp_volume);
            (rate(state, underlying, spot, spot_volume), rate(state, underlying, perp, perp_volume))
        }
        None => bare_rates(state, underlying),
    }
}

/// Rates of an empty group.
#[must_use]
pub fn bare_rates(state: &State, underlying: &Underlying) -> (i64, i64) {
    (rate(state, underlying, 0, underlying.liquidity.spot_volume), rate(state, underlying, 0, underlying.liquidity.perp_volume))
}

/// Gross dollars of an owner's group in an underlying at the index: (spot, perp).
#[must_use]
pub fn group_gross(state: &State, owner: u32, underlying: &Underlying) -> (Value, Value) {
    let index = underlying.price.index();
    let (mut spot, mut perp) = (0, 0);
    for &account in &state.owners[owner as usize].accounts {
        let account = &state.accounts[account as usize];
        for &asset in &underlying.assets {
            if let Some(b) = account.balance(asset) {
                spot += state.known_asset(asset).shares(state.ledger.pledged_and_lent(b) + i128::from(b.escrowed)).abs();
            }
        }
        for &market in &underlying.perps {
            perp += state.shares_of(state.known_market(market), i128::from(account.lots(market))).abs();
        }
    }
    (underlying.value_down(spot, index), underlying.value_down(perp, index))
}

/// Stores what the group's size now asks for; with `extra` (spot, perp) dollars about to be added. Rates only rise until
/// the next refresh.
pub fn store(state: &mut State, owner: u32, underlying: u32, extra: (Value, Value)) {
    let listed = state.known_underlying(underlying);
    let gross = group_gross(state, owner, listed);
    let (spot, perp) = (gross.0 + extra.0, gross.1 + extra.1);
    let reach = state.owners[owner as usize].reach(underlying);
    if state.lull.holds(reach.stamp) && spot <= i128::from(reach.most[0]) && perp <= i128::from(reach.most[1]) {
        return;
    }
    let spot_ppm = rate(state, listed, spot, listed.liquidity.spot_volume);
    let perp_ppm = rate(state, listed, perp, listed.liquidity.perp_volume);
    let known = state.liquidity_rate(owner, underlying).filter(|r| r.epoch == listed.liquidity_epoch && r.spot_ppm != 0);
    let (known_spot, known_perp) = known.map_or((0, 0), |r| (r.spot_ppm, r.perp_ppm));
    let most = [
        most_at(state, listed, spot, (spot_ppm.max(known_spot), listed.liquidity.spot_volume)),
        most_at(state, listed, perp, (perp_ppm.max(known_perp), listed.liquidity.perp_volume)),
    ];
    let (epoch, stamp) = (listed.liquidity_epoch, state.lull.stamp());
    let rate = LiquidityRate { underlying, epoch, spot_ppm: spot_ppm.max(known_spot), perp_ppm: perp_ppm.max(known_perp) };
    state.owners[owner as usize].set_rate(rate, Reach { stamp, most });
}

/// A size, at least `gross`, that asks for no more than `rate_ppm`, which is at least its rate: rates rise with the size.
fn most_at(state: &State, underlying: &Underlying, gross: Value, (rate_ppm, volume): (i64, i64)) -> i64 {
    let mut most = gross;
    if state.lull.stamp() != 0 && gross != 0 {
        let doubled = (1..4).map(|times| gross << times).take_while(|&q| rate(state, underlying, q, volume) <= rate_ppm);
        most = doubled.last().unwrap_or(gross);
    }
    narrow(most).unwrap_or(0)
}

/// Recomputes the stored rates of an owner that belong to an older refresh; true when there was one.
pub fn refresh(state: &mut State, owner: u32) -> bool {
    let mut any = false;
    for i in 0..state.owners[owner as usize].liquidity.len() {
        let stored = state.owners[owner as usize].liquidity[i];
        if stored.epoch != state.known_underlying(stored.underlying).liquidity_epoch {
            store(state, owner, stored.underlying, (0, 0));
            any = true;
        }
    }
    any
}

/// A refused order leaves no trace in the stored rates.
pub fn put_back(state: &mut State, owner: u32, underlying: u32, before: Option<LiquidityRate>) {
    let owner = &mut state.owners[owner as usize];
    match before {
        Some(rate) => owner.set_rate(rate, Reach::default()),
        None => owner.end_rate(underlying),
    }
}
