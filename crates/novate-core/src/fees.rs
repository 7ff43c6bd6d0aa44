//! Fees of a fill: the market's listed ones, or lower ones for who traded much in 30 days.
//!
//! Responsible for: the rates of an account's obligor and its traded volume in buckets of a day. A tier never raises a listed fee, so
//! what an order reserved is always enough. Never moves money.

use crate::state::governance::Turnover;
use crate::state::{Market, State};
use crate::units::{HOUR, Nanos, Value, narrow};

const DAYS: i64 = 30;

const fn day(now: Nanos) -> i64 {
    now.div_euclid(24 * HOUR)
}

/// Micro-dollars an obligor traded today and on the 29 days before.
#[must_use]
pub fn volume(state: &State, obligor: u32) -> i64 {
    let first = day(state.now) - (DAYS - 1);
    let days = state.governance.turnovers.get(&obligor).map_or(&[][..], |t| &t.days);
    days.iter().filter(|d| d.0 >= first).fold(0, |sum: i64, d| sum.saturating_add(d.1))
}

/// Maker and taker rate of an account in a market, ppm.
#[must_use]
pub fn rates(state: &State, account: u32, market: &Market) -> (i64, i64) {
    let listed = (market.terms.maker_fee_ppm, market.terms.taker_fee_ppm);
    if state.governance.fee_tiers.is_empty() {
        return listed;
    }
    let traded = volume(state, state.accounts[account as usize].owner);
    let Some(tier) = state.governance.fee_tiers.iter().rev().find(|t| t.volume <= traded) else { return listed };
    let (maker, taker) = if market.is_perp() { (tier.perp_maker_ppm, tier.perp_taker_ppm) } else { (tier.spot_maker_ppm, tier.spot_taker_ppm) };
    (listed.0.min(maker), listed.1.min(taker))
}

/// Counts a fill of both sides; nothing is kept while no tier is listed.
pub fn count(state: &mut State, accounts: [u32; 2], value: Value) {
    if state.governance.fee_tiers.is_empty() {
        return;
    }
    let (today, value) = (day(state.now), narrow(value).unwrap_or(i64::MAX).max(0));
    for account in accounts {
        let obligor = state.accounts[account as usize].owner;
        let turnover: &mut Turnover = state.governance.turnovers.entry(obligor).or_default();
        turnover.days.retain(|d| d.0 > today - DAYS);
        match turnover.days.last_mut() {
            Some(last) if last.0 == today => last.1 = last.1.saturating_add(value),
            _ => turnover.days.push((today, value)),
        }
    }
}
