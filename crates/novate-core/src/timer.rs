//! Time and prices: what happens when either moves.
//!
//! Responsible for: `AdvanceTime`, `PostPrice`, `SetSession`, `PostLiquidity`, `ResumeVenue`, and the order in which due work
//! runs: prices, marks and samples, settlement, sweep, liquidation. Work per command is counted in accounts, never in time.

use crate::command::{PostLiquidity, PostPrice, SetSession};
use crate::context::Context;
use crate::event::{IndexChanged, LiquidityPosted, MarkChanged, SessionChanged, VenueResumed};
use crate::order::Side;
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::units::PPM;
use crate::{funding, ladder, liquidation, settlement};

/// `PostPrice`.
///
/// # Errors
/// 305, 308, 601 to 603, 609.
pub fn post_price(cx: &mut Context<'_>, command: &PostPrice) -> Result<(), Refusal> {
    cx.state.underlying(command.underlying)?;
    let now = cx.state.now;
    let underlying = cx.state.underlying_mut(command.underlying);
    underlying.price.post(&underlying.price_terms, command, now)?;
    refresh_price(cx, command.underlying);
    Ok(())
}

/// Recomputes an underlying's index and tells readers when something they see changed.
fn refresh_price(cx: &mut Context<'_>, id: u32) {
    let now = cx.state.now;
    let underlying = cx.state.underlying_mut(id);
    let before = (underlying.price.index(), underlying.price.quality());
    if !underlying.price.refresh(&underlying.price_terms, underlying.session.session, now) {
        return;
    }
    let price = &underlying.price;
    let moved = before != (price.index(), price.quality());
    let event = IndexChanged {
        underlying: id,
        quality: price.quality() as u8,
        session: underlying.session.session as u8,
        fresh_sources: price.fresh_sources(),
        index: price.index(),
        stable: price.stable(),
    };
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    if moved {
        cx.tell(&event);
    }
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
    let opens = underlying.session.session == Session::Regular && before != Session::Regular;
    if opens {
        refresh_liquidity(underlying);
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

/// `ResumeVenue`: no source counts until it posts again.
pub fn resume(cx: &mut Context<'_>) {
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

/// `AdvanceTime`.
pub fn advance(cx: &mut Context<'_>) {
    if cx.state.venue.is_none() {
        return;
    }
    for id in 1..cx.state.underlyings.len() as u32 {
        if cx.state.underlyings[id as usize].is_some() {
            refresh_price(cx, id);
        }
    }
    for id in 1..cx.state.markets.len() as u32 {
        if cx.state.markets[id as usize].as_ref().is_some_and(crate::state::Market::is_perp) {
            advance_mark(cx, id);
            funding::sample(cx.state, id, cx.state.now);
        }
    }
    // orders: expiries, dead-man timers, triggers, slices of a TWAP, auctions
    // lending: minute ticks, calls, recalls
    // clearing: expired quotes, settlement of broker legs
    // corporate: the cursor of an action
    let accounts = cx.state.config().sweep_accounts;
    settlement::run(cx, accounts);
    sweep(cx, accounts);
    liquidation::run(cx);
    cx.state.advanced_ns = cx.state.now;
}

fn advance_mark(cx: &mut Context<'_>, id: u32) {
    let (average, speed, now) = {
        let config = cx.state.config();
        (config.mark_average_ns, config.mark_speed_ppm, cx.state.now)
    };
    let index = {
        let market = cx.state.known_market(id);
        cx.state.known_underlying(market.terms.underlying).price.index()
    };
    let market = cx.state.market_mut(id);
    let tick = market.terms.tick_size;
    let best = |side| market.book.best(side).map(|p| p * tick);
    let (bid, ask) = (best(Side::Bid), best(Side::Ask));
    if market.mark.advance(index, bid, ask, average, speed, now) {
        let mark = market.mark.mark();
        cx.state.sweep_left = cx.state.accounts.len() as u32;
        cx.tell(&MarkChanged { market: id, reserved0: 0, mark });
    }
}

/// Visits accounts round robin until everyone has been seen since the last move.
fn sweep(cx: &mut Context<'_>, budget: u32) {
    let count = cx.state.accounts.len() as u32;
    let visits = budget.min(cx.state.sweep_left).min(count);
    for _ in 0..visits {
        let account = cx.state.sweep_cursor % count;
        cx.state.sweep_cursor = (account + 1) % count;
        ladder::check(cx, account);
    }
    cx.state.sweep_left -= visits;
}
