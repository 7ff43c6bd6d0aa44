//! Equity: what counts of tokens, cash, and perp gains.
//!
//! Responsible for: caps on unhedged collateral, what a halt leaves of it, the hedged fraction of gains, and NLV. Never sums a requirement.

use super::portfolio::{Corner, Exposure, PerpLeg, Portfolio, TokenLeg};
use super::{Level, Question};
use crate::account::{Account, Balance};
use crate::limits::lowered;
use crate::state::State;
use crate::state::governance::Power;
use crate::units::{PPM, Value, div_floor, pow10, rate_down, rate_up, scaled_down};

/// Sets the spot shares of every corner. At initial, tokens that the account's own short perp does not match count up to what
/// the caps admit; the rest is in neither NLV nor R, and what bids pay for or unhedge of it is a loss.
pub fn count_tokens(state: &State, account: u32, question: &Question<'_>, portfolio: &mut Portfolio) {
    let initial = question.level == Level::Initial;
    let Portfolio { exposures, tokens, .. } = portfolio;
    let (mut slot, mut short) = (usize::MAX, [0; 5]);
    let halted = tokens.iter().any(|t| is_worthless_unmatched(state, exposures[t.slot].underlying));
    if initial || halted {
        tokens.sort_unstable_by_key(|t| (t.slot, t.asset));
    }
    for token in tokens.iter_mut() {
        let exposure = &mut exposures[token.slot];
        let worthless = halted && is_worthless_unmatched(state, exposure.underlying);
        let capped = initial || worthless;
        if token.slot != slot {
            slot = token.slot;
            short = exposure.corners.map(|c| (-c.perp).max(0));
        }
        let asset = state.known_asset(token.asset);
        let amounts = [token.amount, token.amount + token.bids, token.amount - token.asks];
        let now = asset.shares(token.amount);
        let held = amounts.map(|a| if a == token.amount { now } else { asset.shares(a) });
        let mut admitted = if initial { admitted(state, account, question, token) } else { [i128::MAX; 3] };
        if worthless {
            let freed = state.prices.freed.get(&(token.asset, account)).map_or(0, |&f| i128::from(f));
            admitted = admitted.map(|a| a.min(freed));
        }
        let mut counted = [0; 5];
        for (at, which) in [0, 1, 2, 1, 2].into_iter().enumerate().take(exposure.corner_count) {
            let (amount, all) = (amounts[which], held[which]);
            let shares = |units: i128| if units == amount { all } else { asset.shares(units) };
            counted[at] = amount;
            if capped {
                let matched = match short[at] {
                    0 => 0,
                    short => scaled_down(short, pow10(asset.terms.decimals) as i64, i128::from(asset.terms.multiplier_ppb)).min(amount.max(0)),
                };
                short[at] -= shares(matched);
                counted[at] = amount.min(matched + admitted[which].min(amount - matched));
            }
            token.shares[at] = shares(counted[at]);
            exposure.corners[at].held += all;
            exposure.corners[at].spot += token.shares[at];
        }
        token.counted = counted[0];
        if initial && exposure.corner_count > 1 {
            exposure.uncounted -= asset.shares(-(counted[0] + token.bids - counted[1]).max(0));
        }
    }
}

/// After a long halt collateral that no perp matches is worth nothing, but for what a settled perp had matched.
fn is_worthless_unmatched(state: &State, underlying: u32) -> bool {
    let halted = state.known_underlying(underlying).session.halted_for(state.now);
    halted > 0 && state.prices.terms.as_ref().is_some_and(|t| halted >= t.halt_last_ns)
}

/// Units admitted under the caps: now, with all bids, with all asks filled. What comes in is admitted while the caps have room.
fn admitted(state: &State, account: u32, question: &Question<'_>, token: &TokenLeg) -> [i128; 3] {
    let most = token.bought + token.bids;
    let room = match most {
        0 => 0,
        _ if question.alone => most,
        _ => i128::from(cap_room(state, state.accounts[account as usize].owner, token.asset)),
    };
    let with = |more: i128| token.admitted + more.min(room).max(0);
    [with(token.bought), with(most), with(token.bought)]
}

/// Numerator and denominator of the hedged fraction of perp gains: the smallest over the corners of open orders. Without
/// perps nothing is hedged now; a corner that only closes them books their gains at the fraction of before, so it says nothing.
fn hedged_fraction(exposure: &Exposure) -> (i128, i128) {
    let fraction = |c: &Corner| {
        let opposite = c.held.signum() * c.perp.signum() < 0;
        if opposite { (c.held.abs().min(c.perp.abs()), c.perp.abs()) } else { (0, 1) }
    };
    let corners = exposure.live_corners();
    let mut worst = fraction(&corners[0]);
    for corner in corners[1..].iter().filter(|c| c.perp != 0) {
        let at = fraction(corner);
        if at.0 * worst.1 < worst.0 * at.1 {
            worst = at;
        }
    }
    worst
}

/// For a withdrawal or a loan the net gain of an underlying whose price is in doubt does not count, hedged or not.
fn set_doubtful_gains(state: &State, exposures: &mut [Exposure], perps: &[PerpLeg]) {
    for leg in perps {
        let owed = state.quote_value(state.known_market(leg.market), i128::from(leg.claim) - i128::from(leg.debt));
        exposures[leg.slot].doubtful_gain += leg.result + owed;
    }
    for exposure in exposures {
        let doubtful = state.known_underlying(exposure.underlying).price.is_doubtful();
        exposure.doubtful_gain = if doubtful { exposure.doubtful_gain.max(0) } else { 0 };
    }
}

/// NLV. Sets each cash leg's counted amount, value and depeg charge, and each perp leg's result.
pub fn equity(state: &State, account: u32, question: &Question<'_>, portfolio: &mut Portfolio) -> Value {
    let limited = question.level == Level::Initial;
    let Portfolio { exposures, perps, cash, tokens, .. } = portfolio;
    for leg in cash.iter_mut() {
        leg.counted = state.known_asset(leg.asset).face(leg.amount);
        leg.set_charge(state);
    }
    for leg in perps.iter_mut() {
        leg.set_result(state, exposures[leg.slot].corners[0].price, question.level);
    }
    if question.withdrawal {
        set_doubtful_gains(state, exposures, perps);
    }
    for leg in perps.iter_mut() {
        let market = state.known_market(leg.market);
        let claim = state.quote_value(market, i128::from(leg.claim));
        let owed = state.quote_value(market, i128::from(leg.claim) - i128::from(leg.debt));
        let at = cash.iter().position(|c| c.asset == leg.quote).unwrap_or(0);
        cash[at].counted += owed + leg.result;
        if limited {
            let gain = leg.result.max(0);
            let (hedged, of) = if gain > 0 { hedged_fraction(&exposures[leg.slot]) } else { (0, 1) };
            let counts = div_floor(gain * hedged, of) + state.quote_value(market, i128::from(leg.hedged_claim));
            let doubtful = (gain + claim).min(exposures[leg.slot].doubtful_gain);
            exposures[leg.slot].doubtful_gain -= doubtful;
            cash[at].unmatched += (gain + claim - counts).max(doubtful);
        }
    }
    let mut cap = if question.withdrawal { 0 } else { gain_cap(state, account) };
    let mut total: Value = tokens.iter().map(|t| t.value + t.receivable).sum();
    for leg in cash.iter_mut() {
        let counts = leg.unmatched.min(cap);
        cap -= counts;
        leg.counted -= leg.unmatched - counts;
        let asset = state.known_asset(leg.asset);
        let price_ppm = leg.price_ppm;
        leg.value = if leg.counted > 0 { rate_down(leg.counted, price_ppm.min(PPM)) } else { rate_down(leg.counted, price_ppm) };
        let depeg_ppm = asset.terms.depeg_ppm.max(2 * (995_000 - price_ppm).max(0));
        let paid = leg.counted + asset.face(-leg.pays) - leg.loses;
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
    let (owner_cap, venue_cap) = (listed.terms.owner_cap, lowered(state, Power::CollateralCap, asset, listed.terms.venue_cap));
    let admitted_in_all = listed.admitted;
    let owner = &state.owners[state.accounts[account as usize].owner as usize];
    let of = |a: &Account| a.balance(asset).map_or(0, |b| b.admitted);
    let by_owner: i64 = owner.accounts.iter().map(|&a| of(&state.accounts[a as usize])).sum();
    let balance = state.accounts[account as usize].balance_mut(asset);
    let held = (balance.pledged + balance.lent + balance.escrowed).max(0);
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
    (listed.terms.owner_cap - by_owner).min(lowered(state, Power::CollateralCap, asset, listed.terms.venue_cap) - listed.admitted).max(0)
}

/// Value of loans and what loan-to-value allows, micro-dollars: (loans, allowed). Open spot orders count with the room they
/// keep in their pool, bids with the tokens they would buy that count. Borrowed tokens are loans at their value, rounded up;
/// cash that is there stands against them in full, against a loan of cash it does not.
#[must_use]
pub fn loans(state: &State, portfolio: &Portfolio, account: u32, extra_loan: Value) -> (Value, Value) {
    let holder = &state.accounts[account as usize];
    let borrowed = |b: &Balance| state.known_asset(b.asset).face(i128::from(state.ledger.owed(b)) + i128::from(b.pool_room()));
    let owed: Value = holder.balances.iter().filter(|b| state.known_asset(b.asset).is_stablecoin()).map(borrowed).sum();
    let lendable = |t: &TokenLeg| {
        let price = portfolio.exposures[t.slot].long_price;
        let underlying = state.known_underlying(portfolio.exposures[t.slot].underlying);
        let bought = if t.bids > 0 { (t.shares[1] - t.shares[0]).max(0) } else { 0 };
        let value = t.value.max(0) + underlying.value_down(bought, price);
        rate_down(value, state.known_asset(t.asset).terms.loan_to_value_ppm)
    };
    let lent: Value = portfolio.tokens.iter().map(|t| borrowed_value(state, portfolio, holder, t)).sum();
    let cash: Value = if lent == 0 { 0 } else { portfolio.cash.iter().map(|c| rate_down(state.known_asset(c.asset).face(c.amount.max(0)), c.price_ppm.min(PPM))).sum() };
    let allowed: Value = portfolio.tokens.iter().map(lendable).sum();
    (owed + extra_loan + lent, allowed + cash.min(lent))
}

/// A borrowed token's value with the room that open sales keep, at the price of a short exposure, rounded up.
fn borrowed_value(state: &State, portfolio: &Portfolio, holder: &Account, token: &TokenLeg) -> Value {
    let room = holder.balance(token.asset).map_or(0, Balance::pool_room);
    let units = (-token.amount).max(0) + i128::from(room);
    if units == 0 {
        return 0;
    }
    let exposure = &portfolio.exposures[token.slot];
    -state.known_underlying(exposure.underlying).value_down(-state.known_asset(token.asset).shares(units), exposure.short_price)
}
