//! The ladder: which state an account is in, and stages 0 and 1 (RULES section 10).
//!
//! Responsible for: the transition table, cancelling what an account below its requirement may not keep, and starting a
//! liquidation. Stage 2 is `liquidation`. An account is looked at after every command that touches it and by the sweep.

use crate::account::{AccountState, Liquidation};
use crate::context::Context;
use crate::event::{AccountStateChanged, CancelReason, LiquidationEnded, LiquidationStarted};
use crate::margin::{Evaluation, Level, Question, explain, liquidity};
use crate::matching;
use crate::order::NIL;
use crate::price::{Action, Permission};
use crate::trading::{Fill, Unfilled, cancel_where};
use crate::units::{Value, narrow, rate_up};

/// What an account's excesses say.
#[derive(Clone, Copy, Debug)]
struct Standing {
    state: AccountState,
    initial: Evaluation,
    maintenance: Option<Evaluation>,
    close_out: Option<Evaluation>,
}

/// A level below initial as the liquidator must see it: where the index is thinly supported, at the index or at the slower
/// price, whichever leaves the account more. The slower price protects; it never hurts. Returns what was asked, too.
pub fn careful(cx: &mut Context<'_>, account: u32, level: Level, orders: bool) -> (Question<'static>, Evaluation) {
    let plain = Question { orders, ..Question::at(level) };
    let index = cx.evaluate(account, &plain);
    if !cx.scratch.portfolio.exposures.iter().any(|e| cx.state.known_underlying(e.underlying).price.liquidation_uses_slower()) {
        return (plain, index);
    }
    let question = Question { slower: true, ..plain };
    let slower = cx.evaluate(account, &question);
    if slower.excess() > index.excess() { (question, slower) } else { (plain, index) }
}

/// `orders`: whether open orders count; a set that only reduces is free of their requirement (RULES section 6).
fn standing(cx: &mut Context<'_>, account: u32, orders: bool) -> Standing {
    let initial = cx.evaluate(account, &Question { orders, ..Question::at(Level::Initial) });
    let mut found = Standing { state: AccountState::Green, initial, maintenance: None, close_out: None };
    if initial.excess() >= 0 {
        return found;
    }
    let (_, maintenance) = careful(cx, account, Level::Maintenance, orders);
    found.maintenance = Some(maintenance);
    found.state = AccountState::Yellow;
    if maintenance.excess() < 0 {
        let (_, close_out) = careful(cx, account, Level::CloseOut, orders);
        found.close_out = Some(close_out);
        found.state = match close_out {
            e if e.equity < 0 => AccountState::Black,
            e if e.excess() < 0 => AccountState::Red,
            _ => AccountState::Orange,
        };
    }
    found
}

/// Puts the account where its excesses say and does what the state asks for.
pub fn check(cx: &mut Context<'_>, account: u32) {
    let holder = &cx.state.accounts[account as usize];
    if !holder.has_risk() {
        if holder.state != AccountState::Green {
            settle_down(cx, account);
        }
        return;
    }
    liquidity::refresh(cx.state, holder.owner);
    let mut now = standing(cx, account, true);
    if now.state >= AccountState::Yellow && has_orders(cx, account) {
        cancel_largest_first(cx, account);
        now = standing(cx, account, false);
    }
    if now.state >= AccountState::Orange && cx.state.accounts[account as usize].liquidation.is_none() && may_start(cx) {
        let deficit = now.maintenance.map_or(0, |m| -m.excess());
        tell_state(cx, account, &now);
        let orders_cancelled = cancel_where(cx, account, CancelReason::BelowMaintenance, |_| true);
        now = standing(cx, account, true);
        if now.state >= AccountState::Orange {
            cx.state.accounts[account as usize].liquidation = Some(Liquidation::default());
            cx.state.liquidating.insert(account);
            cx.tell_account(account, &LiquidationStarted { deficit: shown(deficit), orders_cancelled });
        }
    }
    tell_state(cx, account, &now);
    end_if_healthy(cx, account);
}

fn has_orders(cx: &Context<'_>, account: u32) -> bool {
    cx.state.accounts[account as usize].orders != NIL
}

/// Nothing at stake any more: green, unless a debt is left.
fn settle_down(cx: &mut Context<'_>, account: u32) {
    let initial = cx.evaluate(account, &Question::at(Level::Initial));
    let state = if initial.equity < 0 { AccountState::Black } else { AccountState::Green };
    tell_state(cx, account, &Standing { state, initial, maintenance: None, close_out: None });
    end_if_healthy(cx, account);
}

/// At least one held underlying may be liquidated at its present price quality; nothing happens on stale prices alone.
/// Reads the exposures of the evaluation just made.
fn may_start(cx: &Context<'_>) -> bool {
    let exposures = &cx.scratch.portfolio.exposures;
    exposures.is_empty() || exposures.iter().any(|e| cx.state.known_underlying(e.underlying).price.permission(Action::Liquidate) != Permission::No)
}

fn tell_state(cx: &mut Context<'_>, account: u32, found: &Standing) {
    let from = cx.state.accounts[account as usize].state;
    if from == found.state {
        return;
    }
    cx.state.accounts[account as usize].state = found.state;
    let requirement = |e: &Option<Evaluation>| e.map_or(0, |e| shown(e.requirement));
    let event = AccountStateChanged {
        from: from as u8,
        to: found.state as u8,
        equity: shown(found.maintenance.unwrap_or(found.initial).equity),
        initial: shown(found.initial.requirement),
        maintenance: requirement(&found.maintenance),
        close_out: requirement(&found.close_out),
        binding: explain::binding_words(cx.state, found.initial.binding),
    };
    cx.tell_account(account, &event);
}

/// Stage 0: orders that do not reduce go, the one with the largest requirement first, until the account is green or only
/// reducing orders are left; if those reduce only one by one and not together, they follow. An order's requirement is
/// estimated by its notional and the shocks of its underlying.
fn cancel_largest_first(cx: &mut Context<'_>, account: u32) {
    let bound = Unfilled::of(cx, account);
    let mut ranked: Vec<(bool, Value, u32)> = Vec::new();
    let open: Vec<u32> = cx.state.orders.of_account(cx.state.accounts[account as usize].orders).collect();
    for slot in open {
        let fill = Fill::of(cx.state, slot);
        let reduces = bound.still_holds(cx, account, &[fill]);
        let order = cx.state.orders.order(slot);
        let market = cx.state.known_market(order.market());
        let underlying = &cx.state.known_underlying(market.terms.underlying).terms;
        let notional = cx.state.quote_value(market, i128::from(order.price()) * i128::from(order.leaves()) * i128::from(market.unit));
        ranked.push((reduces, rate_up(notional, underlying.shock_down_ppm.max(underlying.shock_up_ppm) + underlying.gap_ppm), slot));
    }
    ranked.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
    for at in 0..ranked.len() {
        if cx.evaluate(account, &Question::at(Level::Initial)).excess() >= 0 {
            return;
        }
        let (reduces, _, slot) = ranked[at];
        if reduces {
            let rest: Vec<Fill> = ranked[at..].iter().map(|r| Fill::of(cx.state, r.2)).collect();
            if bound.still_holds(cx, account, &rest) {
                return;
            }
        }
        matching::cancel(cx, slot, CancelReason::BelowInitial);
    }
}

/// No account stays in liquidation once its excess at liquidation-end is not negative.
pub fn end_if_healthy(cx: &mut Context<'_>, account: u32) {
    let Some(running) = cx.state.accounts[account as usize].liquidation.clone() else { return };
    let (_, end) = careful(cx, account, Level::LiquidationEnd, true);
    if end.excess() < 0 {
        return;
    }
    cx.state.accounts[account as usize].liquidation = None;
    cx.state.liquidating.remove(&account);
    let event = LiquidationEnded {
        equity: shown(end.equity),
        requirement: shown(end.requirement),
        slices: running.slices,
        notional: running.notional,
        fees: running.fees,
    };
    cx.tell_account(account, &event);
}

/// A value for an event; no venue reaches the ends of 64 bits.
#[must_use]
pub fn shown(value: Value) -> i64 {
    narrow(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
