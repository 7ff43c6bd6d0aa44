//! Funding: the hour's premium samples and the rate they make (RULES section 9).
//!
//! Responsible for: sampling and the rate. Paying it is `settlement`'s business.

use crate::order::Side;
use crate::phase::Deed;
use crate::price::{Action, Permission, Quality};
use crate::state::{Market, State};
use crate::units::{Nanos, PPM, div_floor};

/// Billion: the denominator of `_ppb` rates.
pub const PPB: i128 = 1_000_000_000;

/// Premium of the impact prices over the index, ppb; a side without enough depth, or a market in which
/// nothing matches, counts as 0.
#[must_use]
pub fn premium_ppb(market: &Market, index: i64) -> i64 {
    let notional = i128::from(market.terms.impact_notional) / i128::from(market.unit);
    let index = i128::from(index);
    if !market.phase.allows(Deed::Match) {
        return 0;
    }
    let price = |side| market.book.impact_price(side, notional).map(|p| i128::from(market.price_of(p)));
    let above = price(Side::Bid).map_or(0, |bid| (bid - index).max(0));
    let below = price(Side::Ask).map_or(0, |ask| (index - ask).max(0));
    div_floor((above - below) * PPB, index.max(1)) as i64
}

/// Takes a sample of a perp's premium at `now`: the last one holds since its time.
pub fn sample(state: &mut State, market_id: u32, now: Nanos) {
    let gap = state.config().premium_gap_ns;
    let market = state.known_market(market_id);
    let price = &state.known_underlying(market.terms.underlying).price;
    let (index, usable) = (price.index(), price.permission(Action::Fund) == Permission::Yes && price.index() > 0);
    let premium_now = if usable { premium_ppb(market, index) } else { 0 };
    let premium = &mut state.market_mut(market_id).premium;
    if premium.last_ns != 0 {
        let elapsed = now - premium.last_ns;
        premium.broken |= elapsed > gap;
        premium.weighted += i128::from(premium.last_ppb) * i128::from(elapsed);
        premium.covered_ns += elapsed;
    }
    premium.broken |= !usable;
    premium.last_ppb = premium_now;
    premium.last_ns = now;
}

/// The hour's rate: (rate, mean premium) in ppb of lots x index; `None` when samples are missing.
#[must_use]
pub fn hourly_rate(state: &State, market: &Market) -> Option<(i64, i64)> {
    let samples = &market.premium;
    if samples.broken || samples.covered_ns <= 0 {
        return None;
    }
    let terms = &market.terms;
    let underlying = state.known_underlying(terms.underlying);
    let closed = underlying.price.quality() == Quality::Closed;
    let (weight, cap) = if closed { (terms.funding_closed_ppm, terms.funding_closed_cap_ppm) } else { (terms.funding_ppm, terms.funding_cap_ppm) };
    let mean = div_floor(samples.weighted, i128::from(samples.covered_ns));
    let clamp = i128::from(terms.premium_clamp_ppm) * 1_000;
    let interest = i128::from(terms.interest_ppm) * 1_000;
    let eight_hours = mean + (interest - mean).clamp(-clamp, clamp);
    let bound = (i128::from(cap) * 1_000).min(i128::from(underlying.terms.basis_ppm) * 125);
    let rate = div_floor(eight_hours * i128::from(weight), 8 * i128::from(PPM)).clamp(-bound, bound);
    Some((rate as i64, mean as i64))
}
