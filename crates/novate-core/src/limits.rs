//! Caps and restrictions: how large a position, a market and one person's orders may become.
//!
//! Responsible for: the questions an order meets before its margin. Orders that reduce are free of every cap. Never changes
//! anything and never values a portfolio.
//!
//! A taker is checked with everything it may open, so open interest never passes its cap: a resting order adds to it only
//! together with a taker that was checked at that moment.

use crate::order::Side;
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::state::governance::{Grant, LapseStage, CapKind, Power, Role};
use crate::state::{Market, State};
use crate::units::{Lots, Ticks, narrow, rate_down};

/// An order before it comes in: `lots` are what it adds to the account's open ones on its side.
#[derive(Clone, Copy, Debug)]
pub struct Intent {
    /// Key that sends it.
    pub actor: u64,
    /// Dense account index.
    pub account: u32,
    /// Market.
    pub market: u32,
    /// Side.
    pub side: Side,
    /// Limit in ticks.
    pub limit: Ticks,
    /// Lots added; zero or less for an amendment that shrinks.
    pub lots: Lots,
    /// Lots of the whole order.
    pub size: Lots,
}

/// Whether a power is in force.
#[must_use]
pub fn restricted(state: &State, power: Power, id: u32) -> bool {
    state.governance.restrictions.contains_key(&(power, id))
}

/// The listed value, or the lower one of a restriction.
#[must_use]
pub fn lowered(state: &State, power: Power, id: u32, listed: i64) -> i64 {
    state.governance.restrictions.get(&(power, id)).map_or(listed, |r| r.limit.min(listed))
}

/// Refuses while issuance of the token is paused.
///
/// # Errors
/// `restriction_must_not_be_in_force`.
pub fn may_issue(state: &State, asset: u32) -> Result<(), Refusal> {
    require(!restricted(state, Power::Issuance, asset), Reject::restriction_must_not_be_in_force.at(1, i64::from(asset), Power::Issuance as i64))
}

/// Whether the order only closes the position there is, with all open orders of its side; a spot sale always does.
#[must_use]
pub fn closes(state: &State, intent: &Intent) -> bool {
    let market = state.known_market(intent.market);
    if !market.is_perp() {
        return intent.side == Side::Ask;
    }
    let (held, open) = place(state, intent.account, intent.market, intent.side);
    open + i128::from(intent.lots) <= -held
}

/// Signed lots towards the side, and open lots of the side.
fn place(state: &State, account: u32, market: u32, side: Side) -> (i128, i128) {
    let holder = &state.accounts[account as usize];
    holder.position(market).map_or((0, 0), |p| (i128::from(p.lots * side.sign()), i128::from(holder.open(p).side(side).lots)))
}

/// Lots that the account has, or would have with its open orders, on a side; none when it stands on the other.
fn towards(state: &State, account: u32, market: u32, side: Side) -> i128 {
    let (held, open) = place(state, account, market, side);
    (held + open).max(0)
}

/// Open interest of all perps of an underlying at its index, micro-dollars, with so many lots more in one of them.
fn interest_in(state: &State, underlying: u32, market: u32, more: i128) -> i128 {
    let listed = state.known_underlying(underlying);
    let shares = |&m: &u32| {
        let perp = state.known_market(m);
        state.shares_of(perp, i128::from(perp.open_interest) + if m == market { more } else { 0 })
    };
    listed.value_down(listed.perps.iter().map(shares).sum(), listed.price.index())
}

/// How much of a cap is used now, in the cap's own measure, and by whom: the largest account or obligor id, 0 where the cap is
/// everybody's.
#[must_use]
pub fn used(state: &State, kind: CapKind, id: u32) -> (i128, u64) {
    let sides = [Side::Bid, Side::Ask];
    let largest = |found: Vec<(i128, u64)>| found.into_iter().max_by_key(|&(lots, who)| (lots, std::cmp::Reverse(who))).filter(|f| f.0 > 0).unwrap_or_default();
    match kind {
        CapKind::Account => {
            let of = |a: u32| sides.map(|side| (towards(state, a, id, side), state.accounts[a as usize].id));
            largest((0..state.accounts.len() as u32).flat_map(of).collect())
        }
        CapKind::Obligor => {
            let of = |owner: &crate::account::Owner| sides.map(|side| (owner.accounts.iter().map(|&a| towards(state, a, id, side)).sum(), u64::from(owner.id)));
            largest(state.owners.iter().flat_map(of).collect())
        }
        CapKind::OpenInterest => (i128::from(state.known_market(id).open_interest), 0),
        CapKind::Underlying => (interest_in(state, id, 0, 0), 0),
    }
}

/// Everything of this file that an order meets.
///
/// # Errors
/// 814, 1033 to 1038, 1102.
pub fn check_order(state: &State, intent: &Intent) -> Result<(), Refusal> {
    let governance = &state.governance;
    if governance.restrictions.is_empty() && governance.limits.is_empty() && governance.lapses.is_empty() && governance.config.is_none() {
        return Ok(());
    }
    let cancel_only = restricted(state, Power::CancelOnly, intent.market);
    require(!cancel_only, Reject::restriction_must_not_be_in_force.at(1, i64::from(intent.market), Power::CancelOnly as i64))?;
    own_limits(state, intent, false)?;
    if closes(state, intent) {
        return Ok(());
    }
    let reduce_only = restricted(state, Power::ReduceOnly, intent.market);
    require(!reduce_only, Reject::restriction_must_not_be_in_force.at(1, i64::from(intent.market), Power::ReduceOnly as i64))?;
    let market = state.known_market(intent.market);
    lapsed(state, intent.account, market.terms.underlying)?;
    if market.is_perp() { caps(state, market, intent) } else { Ok(()) }
}

/// An owner who lost eligibility for a token only reduces in its underlying once the notice is over.
fn lapsed(state: &State, account: u32, underlying: u32) -> Result<(), Refusal> {
    let of_account = state.governance.lapses.range((account, 0)..=(account, u32::MAX));
    let mut late = of_account.filter(|(key, lapse)| lapse.stage >= LapseStage::ReduceOnly && state.known_asset(key.1).terms.underlying == underlying);
    match late.next() {
        Some((key, _)) => Err(Reject::holder_must_be_eligible_for_asset.at(1, i64::from(key.1), i64::from(state.governance.rules_version))),
        None => Ok(()),
    }
}

/// The cap in force: the listed one of the session.
#[must_use]
pub fn cap(state: &State, kind: CapKind, id: u32, underlying: u32) -> Option<i64> {
    let limit = state.governance.limits.get(&(kind, id))?;
    let regular = state.known_underlying(underlying).session.session == Session::Regular;
    Some(if regular { limit.most } else { limit.closed_most })
}

fn caps(state: &State, market: &Market, intent: &Intent) -> Result<(), Refusal> {
    let (id, underlying) = (intent.market, market.terms.underlying);
    let (held, open) = place(state, intent.account, id, intent.side);
    let mine = held + open + i128::from(intent.lots);
    let within = |rule: Reject, at: i128, most: i64| require(at <= i128::from(most), rule.at(7, narrow(at).unwrap_or(i64::MAX), most));
    if let Some(most) = cap(state, CapKind::Account, id, underlying) {
        within(Reject::position_must_stay_within_its_cap, mine, most)?;
    }
    if let Some(most) = cap(state, CapKind::Obligor, id, underlying) {
        let others = &state.owners[state.accounts[intent.account as usize].owner as usize].accounts;
        let sum: i128 = others.iter().filter(|a| **a != intent.account).map(|&a| towards(state, a, id, intent.side)).sum();
        within(Reject::position_must_stay_within_its_cap, sum + mine.max(0), most)?;
    }
    let opening = mine.min(i128::from(intent.lots)).max(0);
    let listed = cap(state, CapKind::OpenInterest, id, underlying);
    let lower = state.governance.restrictions.get(&(Power::OpenInterest, id)).map(|r| r.limit);
    if let Some(most) = listed.into_iter().chain(lower).min() {
        let after = i128::from(market.open_interest) + opening;
        within(Reject::open_interest_must_stay_within_its_cap, after, most)?;
        within(Reject::open_interest_must_stay_within_what_insurance_covers, after, covered(state, underlying, most))?;
    }
    if let Some(most) = cap(state, CapKind::Underlying, underlying, underlying) {
        let value = interest_in(state, underlying, id, opening);
        within(Reject::open_interest_must_stay_within_its_cap, value, most)?;
        within(Reject::open_interest_must_stay_within_what_insurance_covers, value, covered(state, underlying, most))?;
    }
    Ok(())
}

/// A trader's own limits for an order that will wait, at the prices of now; they are asked again when it comes in.
///
/// # Errors
/// 1034 to 1036.
pub fn check_waiting(state: &State, intent: &Intent, reduce_only: bool) -> Result<(), Refusal> {
    own_limits(state, intent, reduce_only)
}

/// An open-interest cap while the insurance of the underlying's bucket is below its target.
fn covered(state: &State, underlying: u32, most: i64) -> i64 {
    let bucket = state.known_underlying(underlying).terms.bucket;
    rate_down(i128::from(most), state.liquidation.open_interest_ppm(bucket)) as i64
}

/// The caps on a perp market's open interest as they bind now: of the market in lots, of its underlying in micro-dollars.
#[must_use]
pub fn open_interest_caps(state: &State, market: &Market) -> [Option<i64>; 2] {
    let (id, underlying) = (market.terms.market, market.terms.underlying);
    let lower = state.governance.restrictions.get(&(Power::OpenInterest, id)).map(|r| r.limit);
    let of_market = cap(state, CapKind::OpenInterest, id, underlying).into_iter().chain(lower).min();
    [of_market, cap(state, CapKind::Underlying, underlying, underlying)].map(|most| most.map(|m| covered(state, underlying, m)))
}

/// A trader's own limits under the account's margin: markets, size of one order, size of a position.
fn own_limits(state: &State, intent: &Intent, reduce_only: bool) -> Result<(), Refusal> {
    if state.governance.config.is_none() {
        return Ok(());
    }
    let id = state.accounts[intent.account as usize].id;
    let Some(grant) = state.governance.actors.get(&intent.actor).and_then(|a| find(&a.grants, id, Role::Trader)) else { return Ok(()) };
    let known = grant.markets.is_empty() || grant.markets.contains(&intent.market);
    require(known, Reject::actor_must_be_allowed_in_the_market.at(1, i64::from(intent.market), 0))?;
    if reduce_only || closes(state, intent) {
        return Ok(());
    }
    let market = state.known_market(intent.market);
    let value = |lots: i128| narrow(state.quote_value(market, i128::from(intent.limit) * lots * i128::from(market.unit))).unwrap_or(i64::MAX);
    let order = value(i128::from(intent.size));
    let small = grant.order_notional == 0 || order <= grant.order_notional;
    require(small, Reject::order_must_stay_within_the_actors_limit.at(7, order, grant.order_notional))?;
    let (held, open) = place(state, intent.account, intent.market, intent.side);
    let position = value(held + open + i128::from(intent.lots));
    let fits = grant.position_notional == 0 || position <= grant.position_notional;
    require(fits, Reject::position_must_stay_within_the_actors_limit.at(7, position, grant.position_notional))
}

/// The grant of a role at an account, or (0) at the venue.
#[must_use]
pub fn find(grants: &[Grant], account: u64, role: Role) -> Option<&Grant> {
    grants.iter().find(|g| g.account == account && g.role == role)
}
