//! What happens when time moves.
//!
//! Responsible for: `AdvanceTime` and the order in which due work runs: prices, marks and samples, settlements, sweep,
//! liquidation. Work per command is counted in accounts, never in time.

use crate::context::Context;
use crate::event::MarkChanged;
use crate::governance::{lapses, restrictions};
use crate::lookahead::touch_next;
use crate::margin::cushion;
use crate::order::Side;
use crate::state::liquidation::Liquidation;
use crate::state::packages::Due;
use crate::{bilateral, block, offer, quote, schedule};
use crate::{calls, clearing, corporate_action, feed, funding, halts, ladder, lending, lines, liquidation, outage, settlement, stock_loans};

/// `AdvanceTime`.
pub fn advance(cx: &mut Context<'_>) {
    if cx.state.venue.is_none() {
        return;
    }
    feed::advance(cx);
    outage::open_again(cx);
    let accounts = cx.state.config().sweep_accounts;
    corporate_action::run(cx, accounts);
    if cx.state.corporate.running.is_some() {
        return;
    }
    for id in 1..cx.state.markets.len() as u32 {
        if cx.state.markets[id as usize].as_ref().is_some_and(crate::state::Market::is_perp) {
            advance_mark(cx, id);
            funding::sample(cx.state, id, cx.state.now);
        }
    }
    run_out(cx);
    schedule::run(cx);
    lending::advance(cx);
    clearing::queue::advance(cx);
    halts::run(cx, accounts);
    restrictions::expire(cx);
    lapses::advance(cx);
    settlement::run(cx, accounts);
    calls::advance(cx);
    stock_loans::advance(cx);
    lines::advance(cx);
    if !cx.state.prices.breached.is_empty() {
        // Time alone decides about them: everyone is looked at again, a share at a time.
        cx.state.sweep_left = cx.state.sweep_left.max(cx.state.accounts.len() as u32);
    }
    sweep(cx, accounts);
    liquidation::run(cx);
    cx.state.advanced_ns = cx.state.now;
}

/// Proposals, requests and quotes whose time ran out, and trades that become public: at most as many as accounts a sweep visits.
fn run_out(cx: &mut Context<'_>) {
    for _ in 0..cx.state.config().sweep_accounts {
        match offer::pop_due(cx) {
            None => return,
            Some(Due::Block(block)) => block::expire(cx, block),
            Some(Due::Request(request)) => quote::expire_request(cx, request),
            Some(Due::Quote(request, quote)) => quote::expire(cx, request, quote),
            Some(Due::Publication(trade)) => bilateral::publish(cx, trade),
        }
    }
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
    let best = |side| market.touch(side).map(|p| market.price_of(p));
    let (bid, ask) = (best(Side::Bid), best(Side::Ask));
    if market.mark.advance(index, bid, ask, average, speed, now) {
        let mark = market.mark.mark();
        cx.state.sweep_left = cx.state.accounts.len() as u32;
        let underlying = cx.state.known_market(id).terms.underlying;
        cushion::note_moves(cx.state, underlying);
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
        touch_next(cx.state, account as usize);
        ladder::check(cx, account);
        count_calm(&mut cx.state.liquidation, count);
    }
    cx.state.sweep_left -= visits;
    if cx.state.sweep_left == 0 {
        // The next round begins with the next move.
        cx.state.liquidation.calm_seen = 0;
    }
}

/// Gains to be shared begin with the last round in which nobody was black.
fn count_calm(liquidation: &mut Liquidation, accounts: u32) {
    liquidation.calm_seen = if liquidation.black.is_empty() { liquidation.calm_seen + 1 } else { 0 };
    if liquidation.calm_seen >= accounts {
        liquidation.calm_seen = 0;
        liquidation.calm_rounds += 1;
    }
}
