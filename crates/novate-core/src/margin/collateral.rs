//! Equity: what counts of tokens, cash, and perp gains.
//!
//! Responsible for: caps on unhedged collateral, the hedged fraction of gains, and NLV. Never sums a requirement.

use super::portfolio::{Exposure, Portfolio, TokenLeg};
use super::{Level, Question};
use crate::account::{Account, Balance};
use crate::state::State;
use crate::units::{PPM, Value, div_floor, pow10, rate_down, rate_up};

/// At initial, unhedged tokens count up to what the caps admitted; the rest is in neither NLV nor R.
pub fn apply_caps(state: &State, _account: u32, question: &Question<'_>, portfolio: &mut Portfolio) {
    if question.level != Level::Initial {
        return;
    }
    for exposure in &mut portfolio.exposures {
        exposure.spot = 0;
    }
    let Portfolio { exposures, tokens, .. } = portfolio;
    let mut last_slot = usize::MAX;
    let mut unmatched_short = 0;
    tokens.sort_unstable_by_key(|t| (t.slot, t.asset));
    for token in tokens.iter_mut() {
        let exposure = &mut exposures[token.slot];
        if token.slot != last_slot {
            last_slot = token.slot;
            unmatched_short = (-exposure.perp).max(0);
        }
        let asset = state.known_asset(token.asset);
        let per_token = i128::from(asset.terms.multiplier_ppb);
        let matched = div_floor(unmatched_short * pow10(asset.terms.decimals), per_token).min(token.amount.max(0));
        unmatched_short -= asset.shares(matched);
        let counted = token.amount.min(matched + token.admitted.min(token.amount - matched));
        token.shares = asset.shares(counted);
        exposure.spot += token.shares;
    }
}

/// Numerator and denominator of the hedged fraction of perp gains: the smallest over the corners of open orders. Without
/// perps nothing is hedged now; a corner that only closes them books their gains at the fraction of before, so it says nothing.
fn hedged_fraction(exposure: &Exposure) -> (i128, i128) {
    let [spot_bids, spot_asks, perp_bids, perp_asks] = exposure.open;
    let fraction = |spot: i128, perp: i128| {
        let opposite = spot.signum() * perp.signum() < 0;
        if opposite { (spot.abs().min(perp.abs()), perp.abs()) } else { (0, 1) }
    };
    let corners = [
        (exposure.held + spot_bids, exposure.perp + perp_bids),
        (exposure.held - spot_asks, exposure.perp - perp_asks),
        (exposure.held + spot_bids, exposure.perp - perp_asks),
        (exposure.held - spot_asks, exposure.perp + perp_bids),
    ];
    let mut worst = fraction(exposure.held, exposure.perp);
    for &(spot, perp) in corners[..exposure.corner_count - 1].iter().filter(|c| c.1 != 0) {
        let at = fraction(spot, perp);
        if at.0 * worst.1 < worst.0 * at.1 {
            worst = at;
        }
    }
    worst
}

/// NLV. Sets each cash leg's counted amount, value and depeg charge, and each perp leg's result.
pub fn equity(state: &State, account: u32, question: &Question<'_>, portfolio: &mut Portfolio) -> Value {
    let limited = question.level == Level::Initial;
    let Portfolio { exposures, perps, cash, tokens, .. } = portfolio;
    for leg in cash.iter_mut() {
        leg.counted = state.known_asset(leg.asset).face(leg.amount);
    }
    for leg in perps.iter_mut() {
        leg.set_result(state, exposures[leg.slot].corners[0].price, question.level);
        let market = state.known_market(leg.market);
        let claim = state.quote_value(market, i128::from(leg.claim));
        let owed = state.quote_value(market, i128::from(leg.claim) - i128::from(leg.debt));
        let at = cash.iter().position(|c| c.asset == leg.quote).unwrap_or(0);
        cash[at].counted += owed + leg.result;
        if limited {
            let gain = leg.result.max(0);
            let (hedged, of) = if gain > 0 { hedged_fraction(&exposures[leg.slot]) } else { (0, 1) };
            let counts = div_floor(gain * hedged, of) + state.quote_value(market, i128::from(leg.hedged_claim));
            cash[at].unmatched += gain + claim - counts;
        }
    }
    let mut cap = if question.withdrawal { 0 } else { gain_cap(state, account) };
    let mut total: Value = tokens.iter().map(|t| t.value).sum();
    for leg in cash.iter_mut() {
        let counts = leg.unmatched.min(cap);
        cap -= counts;
        leg.counted -= leg.unmatched - counts;
        let asset = state.known_asset(leg.asset);
        let price_ppm = state.stablecoin_ppm(asset);
        leg.value = if leg.counted > 0 { rate_down(leg.counted, price_ppm.min(PPM)) } else { rate_down(leg.counted, price_ppm) };
        let depeg_ppm = asset.terms.depeg_ppm.max(2 * (995_000 - price_ppm).max(0));
        let paid = leg.counted + asset.face(-leg.pays);
        let received = leg.counted + asset.face(leg.receives);
        leg.depeg = rate_up(leg.counted.abs().max(paid.abs()).max(received.abs()), depeg_ppm);
        total += leg.value;
    }
    total
}

/// The account's share of its owner's cap on unmatched gains.
fn gain_cap(state: &State, account: u32) -> Value {
    let owner = &state.owners[state.accounts[account as usize].owner as usize];
    i128::from(state.config().gain_cap) / owner.accounts.len().max(1) as i128
}

/// After a balance changed: takes units above the balance out of the admitted ones, then admits more while the owner's
/// and the venue's caps have room. First come by sequence.
pub fn readmit(state: &mut State, account: u32, asset: u32) {
    let listed = state.known_asset(asset);
    if listed.is_stablecoin() {
        return;
    }
    let (owner_cap, venue_cap) = (listed.terms.owner_cap, listed.terms.venue_cap);
    let admitted_in_all = listed.admitted;
    let owner = &state.owners[state.accounts[account as usize].owner as usize];
    let of = |a: &Account| a.balance(asset).map_or(0, |b| b.admitted);
    let by_owner: i64 = owner.accounts.iter().map(|&a| of(&state.accounts[a as usize])).sum();
    let balance = state.accounts[account as usize].balance_mut(asset);
    let held = (balance.pledged + balance.lent).max(0);
    let kept = balance.admitted.min(held);
    let freed = balance.admitted - kept;
    let room = (owner_cap - (by_owner - freed)).min(venue_cap - (admitted_in_all - freed)).max(0);
    let added = (held - kept).min(room);
    balance.admitted = kept + added;
    state.asset_mut(asset).admitted += added - freed;
}

/// Units of a token that the owner's and the venue's caps would still admit.
#[must_use]
pub fn cap_room(state: &State, owner: u32, asset: u32) -> i64 {
    let listed = state.known_asset(asset);
    let of = |&a: &u32| state.accounts[a as usize].balance(asset).map_or(0, |b| b.admitted);
    let by_owner: i64 = state.owners[owner as usize].accounts.iter().map(of).sum();
    (listed.terms.owner_cap - by_owner).min(listed.terms.venue_cap - listed.admitted).max(0)
}

/// Value of loans and what loan-to-value allows, micro-dollars: (loans, allowed). Open spot bids count on both sides, with
/// the room they keep in the pool and the tokens they would buy.
#[must_use]
pub fn loans(state: &State, portfolio: &Portfolio, account: u32, extra_loan: Value) -> (Value, Value) {
    let holder = &state.accounts[account as usize];
    let borrowed = |b: &Balance| state.known_asset(b.asset).face(i128::from(b.loan()) + i128::from(b.pool_room()));
    let owed: Value = holder.balances.iter().filter(|b| state.known_asset(b.asset).is_stablecoin()).map(borrowed).sum();
    let lendable = |t: &TokenLeg| {
        let price = portfolio.exposures[t.slot].long_price;
        let underlying = state.known_underlying(portfolio.exposures[t.slot].underlying);
        let value = t.value.max(0) + underlying.value_down(t.bids, price);
        rate_down(value, state.known_asset(t.asset).terms.loan_to_value_ppm)
    };
    let allowed = portfolio.tokens.iter().map(lendable).sum();
    (owed + extra_loan, allowed)
}
