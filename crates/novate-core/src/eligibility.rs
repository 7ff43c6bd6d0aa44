//! Eligibility: who may hold which asset and open positions in which market.
//!
//! Responsible for: the two questions every inflow and every order asks, answered from classes, rules with dates, defaults and
//! freezes. Never changes anything. Until the venue switches eligibility on, everybody who is not frozen may do everything.
//! Getting rid of what one holds is always allowed, except to the frozen.

use crate::order::Side;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::governance::{Holder, Power, Subject};
use crate::units::Lots;

/// The owner of an account, as the venue knows it.
#[must_use]
pub fn holder(state: &State, account: u32) -> Option<&Holder> {
    state.governance.holders.get(&state.accounts[account as usize].holder)
}

/// Refuses what a frozen owner may not do.
///
/// # Errors
/// `owner_must_not_be_frozen`.
pub fn not_frozen(state: &State, account: u32) -> Result<(), Refusal> {
    let frozen = state.governance.restrictions.contains_key(&(Power::Freeze, state.accounts[account as usize].holder));
    require(!frozen, Reject::owner_must_not_be_frozen.at(0, i64::from(state.accounts[account as usize].holder), 0))
}

/// Whether the owner of the account (dense index) may come to hold more of the asset now.
///
/// # Errors
/// `owner_must_not_be_frozen`, `holder_must_be_eligible_for_asset` with the version of the rules as its limit.
pub fn may_hold(state: &State, account: u32, asset: u32) -> Result<(), Refusal> {
    not_frozen(state, account)?;
    let refusal = Reject::holder_must_be_eligible_for_asset.at(0, i64::from(asset), i64::from(state.governance.rules_version));
    require(admitted(state, account, Subject::Asset, asset), refusal)
}

/// Whether the owner's class is admitted to the asset, whatever restrictions are in force.
#[must_use]
pub fn admits(state: &State, account: u32, asset: u32) -> bool {
    admitted(state, account, Subject::Asset, asset)
}

/// Whether the owner of the account (dense index) may send this order: freely where eligible (a spot bid: for the token, too),
/// else only what reduces its position in the market with all its orders on that side, or sells a token.
///
/// # Errors
/// `owner_must_not_be_frozen`, `holder_must_be_eligible_for_asset`, `holder_must_be_eligible_for_market`.
pub fn may_trade(state: &State, account: u32, market: u32, side: Side, lots: Lots) -> Result<(), Refusal> {
    not_frozen(state, account)?;
    if state.governance.eligibility.is_none() {
        return Ok(());
    }
    let listed = state.known_market(market);
    let holder = &state.accounts[account as usize];
    let (held, open) = holder.position(market).map_or((0, 0), |p| (p.lots, holder.open(p).side(side).lots));
    let leaves = if listed.is_perp() { i128::from(open) + i128::from(lots) <= i128::from(-side.sign() * held) } else { side == Side::Ask };
    if leaves {
        return Ok(());
    }
    let refusal = Reject::holder_must_be_eligible_for_market.at(1, i64::from(market), i64::from(state.governance.rules_version));
    require(admitted(state, account, Subject::Market, market), refusal)?;
    if listed.is_perp() { Ok(()) } else { may_hold(state, account, listed.terms.base) }
}

/// The rule for the holder's class if there is one in force; else the default. An expired or missing classification is none.
fn admitted(state: &State, account: u32, subject: Subject, id: u32) -> bool {
    let Some(defaults) = &state.governance.eligibility else { return true };
    let restricted = restricted(state, &defaults.restricted_buckets, subject, id);
    let known = holder(state, account).filter(|h| h.class != 0 && state.now < h.expires_ns);
    let Some(class) = known.and_then(|h| state.governance.classes.get(&h.class)) else { return !restricted };
    match state.governance.admissions.get(&(subject, id, class.holder_class)) {
        Some(rule) if state.now >= rule.from_ns && (rule.until_ns == 0 || state.now < rule.until_ns) => rule.admits,
        Some(rule) if rule.admits => false,
        _ => !restricted || class.jurisdiction != defaults.excluded_jurisdiction,
    }
}

/// Whether the default closes the subject to the excluded jurisdiction and to unknown holders: tokens of the listed buckets.
fn restricted(state: &State, buckets: &[i64], subject: Subject, id: u32) -> bool {
    let token = match subject {
        Subject::Asset => state.asset(id).ok().filter(|a| !a.is_stablecoin()),
        Subject::Market => state.market(id).ok().filter(|m| !m.is_perp()).map(|m| state.known_asset(m.terms.base)),
    };
    let bucket = |underlying: u32| i64::from(state.known_underlying(underlying).terms.bucket);
    token.is_some_and(|a| buckets.contains(&bucket(a.terms.underlying)))
}
