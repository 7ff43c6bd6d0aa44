//! The terms of a corporate action: what each kind needs, and what the listings can bear.
//!
//! Responsible for: refusing terms before anything is written. Never writes.

use crate::clearing;
use crate::command::{CASH_DIVIDEND, DELISTING, MERGER, RIGHTS, SPECIAL_DIVIDEND, SPIN_OFF, SPLIT, SYMBOL_CHANGE, ScheduleCorporateAction};
use crate::params;
use crate::reject::{Refusal, Reject, require};
use crate::state::corporate::ActionState;
use crate::state::{State, Underlying};
use crate::units::{PPM, Price, Ratio, SECOND, div_nearest, narrow};

/// Shares per share of any real action are far inside this.
const LARGEST_RATIO: i64 = 1_000_000;
/// A guard or a window of corrections is years at most.
const LONGEST: i64 = 3 * 366 * 86_400 * SECOND;

/// Whether holders get money from it: what can be corrected.
pub const fn pays(kind: u8) -> bool {
    !matches!(kind, SPLIT | SYMBOL_CHANGE)
}

/// Whether it takes its amount out of the price, and holders keep what they have.
pub const fn distributes(kind: u8) -> bool {
    matches!(kind, CASH_DIVIDEND | SPECIAL_DIVIDEND | SPIN_OFF | RIGHTS)
}

/// Whether the underlying ends with it.
pub const fn ends(kind: u8) -> bool {
    matches!(kind, MERGER | DELISTING)
}

/// Whether a part of it is withheld.
pub const fn is_taxed(kind: u8) -> bool {
    matches!(kind, CASH_DIVIDEND | SPECIAL_DIVIDEND)
}

/// Everything that can be said about terms before the window opens.
///
/// # Errors
/// As `schedule` lists them.
pub fn check(state: &State, terms: &ScheduleCorporateAction, announced: bool) -> Result<(), Refusal> {
    require(terms.action != 0, Reject::id_must_not_be_zero.at(1, 0, 1))?;
    let underlying = state.underlying(terms.underlying)?;
    let kind = terms.action_kind;
    require(kind <= SYMBOL_CHANGE, Reject::corporate_action_kind_must_be_known.at(3, i64::from(kind), i64::from(SYMBOL_CHANGE)))?;
    let ended = state.corporate.ended.contains(&terms.underlying);
    require(!ended, Reject::underlying_must_not_be_in_a_corporate_action.at(2, i64::from(terms.underlying), 0))?;
    if announced {
        return Ok(());
    }
    check_window(state, terms)?;
    check_parts(state, terms)?;
    match kind {
        SPLIT => check_split(state, underlying, terms),
        CASH_DIVIDEND | SPECIAL_DIVIDEND => check_withholding(state, underlying),
        SYMBOL_CHANGE => params::plain_name(&terms.name, 11),
        _ => Ok(()),
    }
}

fn check_window(state: &State, t: &ScheduleCorporateAction) -> Result<(), Refusal> {
    let wrong = |field, value, limit| Reject::window_must_be_ahead_and_in_order.at(field, value, limit);
    require(t.window_start_ns > state.now, wrong(12, t.window_start_ns, state.now))?;
    require(t.window_end_ns > t.window_start_ns, wrong(13, t.window_end_ns, t.window_start_ns))?;
    require(t.window_end_ns - t.window_start_ns <= LONGEST, wrong(13, t.window_end_ns, t.window_start_ns))?;
    let last = t.window_end_ns.saturating_add(LONGEST);
    require((t.window_end_ns..=last).contains(&t.correct_until_ns), wrong(14, t.correct_until_ns, t.window_end_ns))?;
    let meets = |from: i64, to: i64| from < t.window_end_ns && t.window_start_ns < to;
    let other = state.corporate.actions.values().find(|a| {
        let stands = matches!(a.state, ActionState::Scheduled | ActionState::Confirmed | ActionState::Running);
        let same = a.terms.action == t.action || a.terms.underlying != t.underlying;
        stands && !same && meets(a.terms.window_start_ns, a.terms.window_end_ns)
    });
    require(other.is_none(), Reject::windows_must_not_overlap.at(12, other.map_or(0, |a| a.terms.action as i64), 0))
}

/// Every part that the kind needs is there and no other.
fn check_parts(state: &State, t: &ScheduleCorporateAction) -> Result<(), Refusal> {
    let wrong = |field, value, limit| Reject::corporate_action_terms_must_be_complete.at(field, value, limit);
    let (kind, split) = (t.action_kind, t.action_kind == SPLIT);
    let shares = split || t.other_underlying != 0;
    let most = i64::from(shares) * LARGEST_RATIO;
    for (field, part) in [(4, t.ratio_new), (5, t.ratio_old)] {
        require((i64::from(shares)..=most).contains(&part), wrong(field, part, most))?;
    }
    require(!split || t.ratio_new != t.ratio_old, wrong(5, t.ratio_old, t.ratio_new))?;
    require(t.estimated <= 1 && (t.estimated == 0 || pays(kind)), wrong(7, i64::from(t.estimated), 1))?;
    let price_max = state.known_underlying(t.underlying).terms.price_max;
    let most = if pays(kind) { price_max } else { 0 };
    let least = i64::from(pays(kind) && t.estimated == 0 && t.other_underlying == 0 && kind != DELISTING);
    require((least..=most).contains(&t.amount), wrong(6, t.amount, least))?;
    if t.other_underlying != 0 {
        state.underlying(t.other_underlying)?;
        let fits = matches!(kind, SPIN_OFF | MERGER) && t.other_underlying != t.underlying;
        require(fits, wrong(8, i64::from(t.other_underlying), 0))?;
    }
    require(t.token_mode <= u8::from(split), wrong(9, i64::from(t.token_mode), 1))?;
    let pays_fractions = t.token_mode == 1 && state.asset(t.cash_asset)?.is_stablecoin();
    require(pays_fractions == (t.token_mode == 1) && (t.token_mode == 1 || t.cash_asset == 0), wrong(10, i64::from(t.cash_asset), 0))?;
    require(t.name.is_empty() || kind == SYMBOL_CHANGE, wrong(11, t.name.len() as i64, 0))?;
    let tolerance = if split { PPM / 10 } else { 0 };
    require((0..=tolerance).contains(&t.scale_tolerance_ppm), wrong(15, t.scale_tolerance_ppm, tolerance))?;
    let guard = if split { LONGEST } else { 0 };
    require((0..=guard).contains(&t.guard_ns), wrong(16, t.guard_ns, guard))
}

/// A dividend needs to know what every token and perp of the underlying gets of it.
fn check_withholding(state: &State, underlying: &Underlying) -> Result<(), Refusal> {
    let token = underlying.assets.iter().find(|a| !state.corporate.token_withholding.contains_key(a));
    let perp = underlying.perps.iter().find(|m| !state.corporate.perp_withholding.contains_key(m));
    let missing = token.or(perp);
    require(missing.is_none(), Reject::withholding_must_be_listed.at(2, missing.map_or(0, |&id| i64::from(id)), 0))
}

/// Every listed number still fits its bounds after the split.
fn check_split(state: &State, underlying: &Underlying, t: &ScheduleCorporateAction) -> Result<(), Refusal> {
    let Some(ratio) = Ratio::new(t.ratio_new, t.ratio_old) else { return Err(Reject::split_must_fit_every_listing.at(4, t.ratio_new, 1)) };
    let refuse = |field, id: u32| Reject::split_must_fit_every_listing.at(field, i64::from(id), 0);
    let fits = |value: i128, low: i64, high: i64| (i128::from(low)..=i128::from(high)).contains(&value);
    for &market in &underlying.perps {
        let listed = state.known_market(market);
        let scale = listed.split.times(ratio).ok_or(refuse(4, market))?;
        let parts = scale.num.max(scale.den) <= LARGEST_RATIO * LARGEST_RATIO;
        let lot = scale.of_down(i128::from(listed.terms.lot_size));
        require(parts && fits(lot, 1, 1_000_000_000_000_000_000), refuse(4, market))?;
    }
    for &asset in &underlying.assets {
        let listed = &state.known_asset(asset).terms;
        let multiplier = ratio.of_down(i128::from(listed.multiplier_ppb));
        let caps = [listed.owner_cap, listed.venue_cap].into_iter().all(|cap| narrow(ratio.of_down(i128::from(cap))).is_some());
        let tokens = if t.token_mode == 1 { caps } else { fits(multiplier, 1_000, 1_000_000_000_000_000) };
        require(tokens && clearing::actions::fits_after(state, asset, ratio), refuse(5, asset))?;
    }
    let price = |p: i64| ratio.inverse().of_nearest(i128::from(p));
    let dearest = fits(price(underlying.terms.price_max), 1, i64::MAX / 1_000_000);
    require(dearest, refuse(4, t.underlying))
}

/// Dollars per share that an action pays, at the prices of now: its amount and what shares of the other company are worth.
#[must_use]
pub fn value(state: &State, t: &ScheduleCorporateAction) -> Price {
    let own = state.known_underlying(t.underlying);
    if t.action_kind == DELISTING && t.amount == 0 {
        return own.price.index();
    }
    // Without another company's shares the amount is all; a spin-off's stated amount is the value of its shares.
    let stated = t.other_underlying == 0 || (t.action_kind == SPIN_OFF && t.amount > 0);
    if stated {
        return t.amount;
    }
    let other = state.known_underlying(t.other_underlying);
    let (up, down) = (crate::units::pow10(own.terms.decimals), crate::units::pow10(other.terms.decimals));
    let shares = i128::from(other.price.index()) * i128::from(t.ratio_new) * up;
    narrow(i128::from(t.amount) + div_nearest(shares, i128::from(t.ratio_old) * down)).unwrap_or(Price::MAX)
}

/// A distribution must leave something of the price.
///
/// # Errors
/// `amount_must_stay_below_the_price`.
pub fn check_amount(state: &State, t: &ScheduleCorporateAction) -> Result<(), Refusal> {
    let (amount, index) = (value(state, t), state.known_underlying(t.underlying).price.index());
    let fits = !distributes(t.action_kind) || amount < index;
    require(fits, Reject::amount_must_stay_below_the_price.at(6, amount, index))
}
