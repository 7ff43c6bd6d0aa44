//! Prices and sessions as they arrive.
//!
//! Responsible for: `PostPrice`, `CancelPrint`, `SetSession`, `ScheduleEarnings`, `PostLiquidity`, `ResumeVenue`, the drift of
//! closed indexes, and telling readers when an index or its quality moved. Never judges a price: `price` does.

use crate::command::{CancelPrint, PostLiquidity, PostPrice, ScheduleEarnings, SetSession};
use crate::context::Context;
use crate::event::{EarningsScheduled, IndexChanged, LiquidityPosted, PrintCancelled, PrintIgnored, SessionChanged, VenueResumed};
use crate::margin::cushion;
use crate::order::Side;
use crate::outage;
use crate::price::{Posted, Quality};
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::state::State;
use crate::units::{PPM, Price, div_nearest, narrow};

/// `PostPrice`.
///
/// # Errors
/// 305, 308, 601 to 603, 609.
pub fn post_price(cx: &mut Context<'_>, command: &PostPrice) -> Result<(), Refusal> {
    cx.state.underlying(command.underlying)?;
    let now = cx.state.now;
    let underlying = cx.state.underlying_mut(command.underlying);
    let posted = underlying.price.post(&underlying.price_terms, command, now)?;
    if posted == Posted::TooSmall {
        let PostPrice { underlying, source, price, size, .. } = *command;
        let min_size = cx.state.known_underlying(underlying).terms.min_size;
        cx.tell(&PrintIgnored { underlying, source, price, size, min_size });
    }
    refresh_price(cx, command.underlying);
    Ok(())
}

/// `CancelPrint`. What was traded stays traded; the index, its history and every account are judged again.
///
/// # Errors
/// 305, 308, 309, 601, 611.
pub fn cancel_print(cx: &mut Context<'_>, command: &CancelPrint) -> Result<(), Refusal> {
    let CancelPrint { underlying: id, source, venue_time_ns, corrected, .. } = *command;
    let listed = cx.state.underlying(id)?;
    let (least, most) = (listed.price_terms.price_min.max(1), listed.price_terms.price_max);
    let plausible = corrected == 0 || (least..=most).contains(&corrected);
    require(plausible, Reject::price_must_be_positive_and_plausible.at(4, corrected, if corrected < least { least } else { most }))?;
    let now = cx.state.now;
    let listed = cx.state.underlying_mut(id);
    let (index_before, _) = listed.price.cancel(&listed.price_terms, source, venue_time_ns, corrected, now)?;
    refresh_price(cx, id);
    let price = &cx.state.known_underlying(id).price;
    let (index, stable) = (price.index(), price.stable());
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    cx.tell(&PrintCancelled { underlying: id, source, venue_time_ns, corrected, index_before, index, stable });
    Ok(())
}

/// `ScheduleEarnings`.
///
/// # Errors
/// 305, 309, 613.
pub fn schedule_earnings(cx: &mut Context<'_>, command: &ScheduleEarnings) -> Result<(), Refusal> {
    cx.state.underlying(command.underlying)?;
    let now = cx.state.now;
    cx.state.underlying_mut(command.underlying).session.schedule(command, now)?;
    let ScheduleEarnings { underlying, from_ns, to_ns, implied_move_ppm } = *command;
    cx.tell(&EarningsScheduled { underlying, from_ns, to_ns, implied_move_ppm });
    Ok(())
}

/// Time passed: closed indexes drift, then every price is judged again.
pub fn advance(cx: &mut Context<'_>) {
    for id in 1..cx.state.underlyings.len() as u32 {
        if cx.state.underlyings[id as usize].is_none() {
            continue;
        }
        if cx.state.known_underlying(id).price.quality() == Quality::Closed {
            let (impact, now) = (impact_price(cx.state, id), cx.state.now);
            let underlying = cx.state.underlying_mut(id);
            let before = underlying.price.index();
            underlying.price.drift_towards(&underlying.price_terms, impact, now);
            if underlying.price.index() != before {
                note(cx.state, id, before);
                tell_index(cx, id);
            }
        }
        refresh_price(cx, id);
    }
}

/// Mean of impact bid and impact ask of the underlying's first perp, rounded to nearest; none while a side lacks the depth.
fn impact_price(state: &State, id: u32) -> Option<Price> {
    let market = state.known_market(*state.known_underlying(id).perps.first()?);
    let notional = i128::from(market.terms.impact_notional) / i128::from(market.unit);
    let price = |side| market.book.impact_price(side, notional).map(|ticks| i128::from(market.price_of(ticks)));
    let sum = price(Side::Bid)? + price(Side::Ask)?;
    narrow(div_nearest(sum, 2))
}

/// Recomputes an underlying's index and tells readers when something they see changed.
pub fn refresh_price(cx: &mut Context<'_>, id: u32) {
    let now = cx.state.now;
    let halted = cx.state.corporate.halts(id, now);
    let underlying = cx.state.underlying_mut(id);
    let before = (underlying.price.index(), underlying.price.quality());
    let session = if halted { Session::Halted } else { underlying.session.session };
    let away = underlying.price.is_away();
    let changed = underlying.price.refresh(&underlying.price_terms, session, now);
    note(cx.state, id, before.0);
    if !changed {
        return;
    }
    let underlying = cx.state.known_underlying(id);
    let moved = before != (underlying.price.index(), underlying.price.quality());
    let back = away && !underlying.price.is_away();
    cx.state.prices.reopened |= back;
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    if moved {
        tell_index(cx, id);
    }
}

/// What accounts surely have left goes by how far prices moved; a coin's price is in all of it.
fn note(state: &mut State, id: u32, index_before: Price) {
    if state.known_underlying(id).price.index() != index_before && state.assets.iter().flatten().any(|a| a.terms.underlying == id && a.is_stablecoin()) {
        state.lull.end_era();
    }
    cushion::note_moves(state, id);
}

fn tell_index(cx: &mut Context<'_>, id: u32) {
    let underlying = cx.state.known_underlying(id);
    let price = &underlying.price;
    let event = IndexChanged {
        underlying: id,
        quality: price.quality() as u8,
        session: underlying.session.session as u8,
        fresh_sources: price.fresh_sources(),
        index: price.index(),
        stable: price.stable(),
    };
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    cx.tell(&event);
}

/// `SetSession`.
///
/// # Errors
/// 305, 604, 605.
pub fn set_session(cx: &mut Context<'_>, command: &SetSession) -> Result<(), Refusal> {
    cx.state.underlying(command.underlying)?;
    let now = cx.state.now;
    let underlying = cx.state.underlying_mut(command.underlying);
    let before = underlying.session.session;
    underlying.session.set(command, now)?;
    let after = underlying.session.session;
    if after == Session::Regular && before != Session::Regular {
        refresh_liquidity(underlying);
        *cx.state.liquidation.opens.entry(command.underlying).or_default() += 1;
        cx.state.governance.count_open(command.underlying, now);
    }
    if after != Session::Halted {
        halt_ends(cx.state, command.underlying);
    }
    let event = SessionChanged {
        underlying: command.underlying,
        session: command.session,
        next_session: command.next_session,
        next_time_ns: command.next_time_ns,
    };
    cx.tell(&event);
    refresh_price(cx, command.underlying);
    Ok(())
}

/// What a decided price freed counts by the ordinary rules again.
fn halt_ends(state: &mut State, underlying: u32) {
    if state.prices.settled.remove(&underlying).is_some() {
        for asset in state.known_underlying(underlying).assets.clone() {
            let beyond: Vec<(u32, u32)> = state.prices.freed.range((asset, 0)..=(asset, u32::MAX)).map(|(&key, _)| key).collect();
            for key in beyond {
                state.prices.freed.remove(&key);
            }
        }
    }
}

/// The regular open: posted inputs and the venue's own perp turnover come into force; stored rates become old.
fn refresh_liquidity(underlying: &mut crate::state::Underlying) {
    underlying.liquidity = underlying.next_liquidity;
    underlying.liquidity.perp_volume = underlying.perp_turnover.max(underlying.terms.perp_volume);
    underlying.perp_turnover = 0;
    underlying.liquidity_epoch += 1;
}

/// `PostLiquidity`: inputs of the next refresh; volumes never below the listed floor.
///
/// # Errors
/// 305, 309.
pub fn post_liquidity(cx: &mut Context<'_>, command: &PostLiquidity) -> Result<(), Refusal> {
    cx.state.underlying(command.underlying)?;
    for (field, value, high) in [(2, command.spot_volume, i64::MAX / 2), (3, command.sigma_ppm, PPM), (4, command.half_spread_ppm, PPM / 10)] {
        let refusal = Reject::parameter_must_be_within_bounds.at(field, value, if value < 0 { 0 } else { high });
        require((0..=high).contains(&value), refusal)?;
    }
    let underlying = cx.state.underlying_mut(command.underlying);
    underlying.next_liquidity.spot_volume = command.spot_volume.max(underlying.terms.spot_volume);
    underlying.next_liquidity.sigma_ppm = command.sigma_ppm;
    underlying.next_liquidity.half_spread_ppm = command.half_spread_ppm;
    let PostLiquidity { underlying, spot_volume, sigma_ppm, half_spread_ppm } = *command;
    cx.tell(&LiquidityPosted { underlying, spot_volume, sigma_ppm, half_spread_ppm });
    Ok(())
}

/// `ResumeVenue`: no source counts until it posts again; after an outage markets only cancel for a while.
pub fn resume(cx: &mut Context<'_>) {
    outage::measure(cx);
    for underlying in cx.state.underlyings.iter_mut().flatten() {
        underlying.price.forget();
    }
    cx.tell(&VenueResumed {});
    for id in 1..cx.state.underlyings.len() as u32 {
        if cx.state.underlyings[id as usize].is_some() {
            refresh_price(cx, id);
        }
    }
}
