//! The ladder: which state an account is in, stages 0 and 1, and every move on the table of `stage` (RULES section 10).
//!
//! Responsible for: cancelling what an account below its requirement may not keep, starting a liquidation at its state's
//! stage, moving it when its state changes, and letting it go. Stages 2 to 8 are the modules after this one, driven by
//! `liquidation`. An account is looked at after every command that touches it and by the sweep.

use crate::account::AccountState;
use crate::context::Context;
use crate::event::{AccountStateChanged, BackstopAuctionEnded, CancelReason, DriftBreached, LiquidationEnded, LiquidationStageChanged, LiquidationStarted};
use crate::margin::{Evaluation, Level, Question, cushion, explain, liquidity};
use crate::order::NIL;
use crate::price::{Action, Permission};
use crate::reducing::{Fill, Unfilled, all_reduce};
use crate::stage::{self, Cause, Stage};
use crate::trading::cancel_where;
use crate::units::{Value, narrow, rate_up};
use crate::{calls, cash_deficit, clearing, insurance, matching, perp};

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
    if cx.state.accounts[account as usize].judged_adrift {
        let question = Question { drifted: true, ..plain };
        return (question, cx.evaluate_exposures(account, &question));
    }
    let index = cx.evaluate_exposures(account, &plain);
    if !cx.scratch.evaluator.portfolio.exposures.iter().any(|e| cx.state.known_underlying(e.underlying).price.liquidation_uses_slower()) {
        return (plain, index);
    }
    let question = Question { slower: true, ..plain };
    let slower = cx.evaluate_exposures(account, &question);
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
        found.state = below_maintenance(&close_out);
    }
    found
}

/// Where an account below its maintenance requirement stands, by its evaluation at close-out.
#[must_use]
pub fn below_maintenance(close_out: &Evaluation) -> AccountState {
    match close_out {
        e if e.equity < 0 => AccountState::Black,
        e if e.excess() < 0 => AccountState::Red,
        _ => AccountState::Orange,
    }
}

/// Moves the account on the table and says why.
///
/// # Panics
/// When the table has no such move: a caller asks only for moves of the stage it works on.
pub fn step(cx: &mut Context<'_>, account: u32, cause: Cause) {
    let from = cx.state.accounts[account as usize].stage;
    let to = stage::next(from, cause).expect("a move of the table");
    cx.state.accounts[account as usize].stage = to;
    cx.tell_account(account, &LiquidationStageChanged { from: from as u8, to: to as u8, cause: cause as u8 });
}

/// Puts the account where its excesses say and does what the state asks for.
pub fn check(cx: &mut Context<'_>, account: u32) {
    if cx.state.corporate.running.is_some() {
        return;
    }
    if cx.state.lending.called(account) {
        calls::answer(cx, account);
    }
    if is_surely_green(cx, account) && cx.state.accounts[account as usize].cushion.settled && cx.state.liquidation.black.is_empty() {
        remember(cx, account);
        return;
    }
    let holder = &cx.state.accounts[account as usize];
    if !holder.has_risk() {
        if holder.state != AccountState::Green || holder.stage != Stage::Free {
            settle_down(cx, account);
        } else if !holder.positions.is_empty() {
            perp::remember(cx.state, account, true);
        }
        if cx.state.prices.breached.remove(&account) {
            cx.state.accounts[account as usize].drift_breach_since_ns = 0;
        }
        cx.state.accounts[account as usize].judged_adrift = false;
        return;
    }
    let refreshed = liquidity::refresh(cx.state, holder.owner);
    if !refreshed && is_surely_green(cx, account) {
        cx.scratch.passed += 1;
        settle(cx, account);
        return;
    }
    let mut now = standing(cx, account, true);
    if now.state == AccountState::Green {
        cushion::keep(cx.state, account, now.initial.excess(), None);
    }
    if now.state >= AccountState::Yellow {
        if cx.state.accounts[account as usize].stage == Stage::Free {
            step(cx, account, Cause::BelowInitial);
        }
        if has_orders(cx, account) {
            cancel_largest_first(cx, account);
            now = standing(cx, account, false);
        }
    }
    if judge_drift(cx, account, now.state) {
        now = standing(cx, account, true);
    }
    if now.state >= AccountState::Orange && cx.state.accounts[account as usize].liquidation.is_none() && may_start(cx) {
        tell_state(cx, account, &now);
        now = start(cx, account, &now);
    }
    tell_state(cx, account, &now);
    follow(cx, account, now.state);
    end_if_healthy(cx, account);
    let green = now.state == AccountState::Green;
    if green && cx.state.accounts[account as usize].stage == Stage::CancelRisk {
        step(cx, account, Cause::Restored);
    }
    if green { settle(cx, account) } else { perp::remember(cx.state, account, false) }
}

/// All results of a green account are remembered.
fn settle(cx: &mut Context<'_>, account: u32) {
    perp::remember(cx.state, account, true);
    if cx.state.liquidation.black.is_empty() {
        cushion::settle(cx.state, account);
    }
}

/// Those that changed since.
fn remember(cx: &mut Context<'_>, account: u32) {
    cx.scratch.passed += 1;
    match cx.state.accounts[account as usize].cushion.traded {
        0 => (),
        cushion::SEVERAL => perp::remember(cx.state, account, true),
        market => perp::remember_one(cx.state, account, market),
    }
    cushion::settle(cx.state, account);
}

/// Its cushion is not used up: nothing else about a green account can change now.
fn is_surely_green(cx: &mut Context<'_>, account: u32) -> bool {
    let holder = &cx.state.accounts[account as usize];
    let calm = holder.state == AccountState::Green && holder.stage == Stage::Free && holder.liquidation.is_none();
    calm && holder.drift_breach_since_ns == 0 && !holder.judged_adrift && cushion::left(cx.state, account).is_some_and(|left| left >= 0)
}

/// Stage 1, and the stage after it in the same command.
fn start(cx: &mut Context<'_>, account: u32, found: &Standing) -> Standing {
    let deficit = found.maintenance.map_or(0, |m| -m.excess());
    step(cx, account, Cause::BelowMaintenance);
    let orders_cancelled = cancel_where(cx, account, CancelReason::BelowMaintenance, |_| true);
    clearing::request::cancel_issuance(cx, account);
    let now = standing(cx, account, true);
    if now.state < AccountState::Orange {
        step(cx, account, if now.state == AccountState::Green { Cause::Restored } else { Cause::Eased });
        return now;
    }
    freeze(cx, account, deficit, orders_cancelled);
    let entry = match now.state {
        AccountState::Black => Cause::Black,
        AccountState::Red => Cause::Red,
        _ => Cause::StillOrange,
    };
    step(cx, account, entry);
    now
}

fn freeze(cx: &mut Context<'_>, account: u32, deficit: Value, orders_cancelled: u32) {
    cx.state.accounts[account as usize].liquidation = Some(Box::default());
    cx.state.liquidating.insert(account);
    cx.tell_account(account, &LiquidationStarted { deficit: shown(deficit), orders_cancelled });
}

/// A cash call or a called loan is overdue, or cash is negative beyond its caps: stage 4, whatever the excess.
pub fn start_for_cash(cx: &mut Context<'_>, account: u32) {
    let stage = cx.state.accounts[account as usize].stage;
    if cx.state.accounts[account as usize].liquidation.is_none() {
        step(cx, account, Cause::CashDue);
        let orders_cancelled = cancel_where(cx, account, CancelReason::BelowMaintenance, |_| true);
        clearing::request::cancel_issuance(cx, account);
        freeze(cx, account, 0, orders_cancelled);
        step(cx, account, Cause::CashDue);
    } else if matches!(stage, Stage::Reduce | Stage::Pace) {
        step(cx, account, Cause::CashDue);
    }
}

/// An account in liquidation that fell further goes to its state's stage; a red one that got better goes back to the books.
fn follow(cx: &mut Context<'_>, account: u32, state: AccountState) {
    let now = cx.state.now;
    let holder = &cx.state.accounts[account as usize];
    let Some(running) = &holder.liquidation else { return };
    let cause = match (holder.stage, state) {
        (Stage::Reduce | Stage::Pace | Stage::SellCollateral | Stage::Backstop, AccountState::Black) if now >= running.waterfall_after_ns => Cause::Black,
        (Stage::Reduce | Stage::Pace | Stage::SellCollateral, AccountState::Red) if now >= running.auction_after_ns => Cause::Red,
        (Stage::Exhausted, AccountState::Green | AccountState::Yellow | AccountState::Orange | AccountState::Red) => Cause::Covered,
        _ => return,
    };
    step(cx, account, cause);
}

/// On the drifted index of closed hours an account is liquidated only after it was below close-out there for the listed time
/// without a break (RULES section 5); until then it is below initial and only reduces. Keeps the clock of the breach; true when
/// the account is judged at the drifted index from now on.
fn judge_drift(cx: &mut Context<'_>, account: u32, state: AccountState) -> bool {
    if state == AccountState::Green {
        if !cx.state.accounts[account as usize].judged_adrift && cx.state.accounts[account as usize].drift_breach_since_ns == 0 {
            return false;
        }
        cx.evaluate_exposures(account, &Question::at(Level::Initial));
    }
    let adrift = cx.scratch.evaluator.portfolio.exposures.iter().any(|e| cx.state.known_underlying(e.underlying).price.is_adrift());
    // Whoever is not below initial at the worse price is not below close-out at the drifted one.
    let judged = adrift && state >= AccountState::Yellow;
    let breached = judged && cx.evaluate(account, &Question { drifted: true, ..Question::at(Level::CloseOut) }).excess() < 0;
    let (now, holder) = (cx.state.now, &mut cx.state.accounts[account as usize]);
    let since_ns = match (breached, holder.drift_breach_since_ns) {
        (true, 0) => now,
        (true, since) => since,
        (false, _) => 0,
    };
    if since_ns != holder.drift_breach_since_ns {
        let told = if breached { since_ns } else { holder.drift_breach_since_ns };
        holder.drift_breach_since_ns = since_ns;
        if breached { cx.state.prices.breached.insert(account) } else { cx.state.prices.breached.remove(&account) };
        cx.tell_account(account, &DriftBreached { breached: u32::from(breached), reserved0: 0, since_ns: told });
    }
    let lasted = breached && cx.state.prices.terms.as_ref().is_some_and(|t| now - since_ns >= t.breach_ns);
    let holder = &mut cx.state.accounts[account as usize];
    let before = holder.judged_adrift;
    holder.judged_adrift = lasted || (before && adrift && holder.liquidation.is_some());
    holder.judged_adrift != before
}

fn has_orders(cx: &Context<'_>, account: u32) -> bool {
    cx.state.accounts[account as usize].orders != NIL
}

/// Nothing at stake any more, nothing owed: green.
fn settle_down(cx: &mut Context<'_>, account: u32) {
    let initial = cx.evaluate(account, &Question::at(Level::Initial));
    tell_state(cx, account, &Standing { state: AccountState::Green, initial, maintenance: None, close_out: None });
    end_if_healthy(cx, account);
    if cx.state.accounts[account as usize].stage == Stage::CancelRisk {
        step(cx, account, Cause::Restored);
    }
    perp::remember(cx.state, account, true);
}

/// Keeps the set of black accounts: those whose loss is still being covered.
pub fn count_black(cx: &mut Context<'_>, account: u32) {
    let holder = &cx.state.accounts[account as usize];
    if holder.state == AccountState::Black && holder.stage != Stage::Exhausted {
        cx.state.liquidation.black.insert(account);
    } else {
        cx.state.liquidation.black.remove(&account);
    }
}

/// At least one held underlying may be liquidated at its present price quality; nothing happens on stale prices alone.
/// Reads the exposures of the evaluation just made.
fn may_start(cx: &Context<'_>) -> bool {
    let exposures = &cx.scratch.evaluator.portfolio.exposures;
    exposures.is_empty() || exposures.iter().any(|e| cx.state.known_underlying(e.underlying).price.permission(Action::Liquidate) != Permission::No)
}

fn tell_state(cx: &mut Context<'_>, account: u32, found: &Standing) {
    let from = cx.state.accounts[account as usize].state;
    if from == found.state {
        return;
    }
    cx.state.accounts[account as usize].state = found.state;
    count_black(cx, account);
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
        let notional = cx.state.notional(market, order.price(), order.leaves());
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
            if all_reduce(cx, account, &rest, &bound) {
                return;
            }
        }
        matching::cancel(cx, slot, CancelReason::BelowInitial);
    }
}

/// No account stays in liquidation once its excess at liquidation-end is not negative and no cash is due. What insurance has
/// paid goes back first, as far as the excess and the free cash allow.
pub fn end_if_healthy(cx: &mut Context<'_>, account: u32) {
    let Some(running) = cx.state.accounts[account as usize].liquidation.clone() else { return };
    let (question, mut end) = careful(cx, account, Level::LiquidationEnd, true);
    if end.excess() < 0 || cash_deficit::due(cx.state, account).is_some() {
        return;
    }
    if !running.advanced.is_empty() {
        insurance::repay(cx, account, end.excess());
        end = cx.evaluate(account, &question);
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
    let green = cx.evaluate(account, &Question::at(Level::Initial)).excess() >= 0;
    step(cx, account, if green { Cause::Restored } else { Cause::Eased });
    if let Some(auction) = cx.state.liquidation.auctions.remove(&account) {
        cx.tell_account(account, &BackstopAuctionEnded { auction: auction.id, reason: 0, sold_ppm: auction.sold_ppm });
    }
}

/// A value for an event; no venue reaches the ends of 64 bits.
#[must_use]
pub fn shown(value: Value) -> i64 {
    narrow(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
