//! What a corporate action does to issuance: shares behind tokens follow a split or a multiplier. (`gates` freezes around it.)
//!
//! Responsible for: the interface that corporate actions call. Never schedules or decides one.

use super::{capacity, routing, shares_up};
use crate::context::Context;
use crate::ledger::books::{Place, Unit};
use crate::state::State;
use crate::state::clearing::{Execution, ExecutionStage, OrderStage, RequestKind};
use crate::units::{Amount, Ratio, narrow};
use std::collections::BTreeMap;

/// Broker orders for tokens of an underlying that are not done.
fn working(state: &State, underlying: u32) -> Vec<u64> {
    let tokens = &state.known_underlying(underlying).assets;
    tokens.iter().flat_map(|&t| state.clearing.working.range((t, 0)..=(t, u64::MAX))).map(|w| w.1).collect()
}

/// Whether no broker has an order for a token of the underlying: what a corporate action waits for.
#[must_use]
pub fn is_quiet(state: &State, underlying: u32) -> bool {
    working(state, underlying).is_empty()
}

/// Asks brokers to end what they have for an underlying, once; what is not filled waits in the queue.
pub fn quieten(cx: &mut Context<'_>, underlying: u32) {
    for id in working(cx.state, underlying) {
        if cx.state.clearing.orders.get(&id).is_some_and(|o| !o.ending) {
            routing::ask_to_cancel(cx, id);
        }
    }
}

/// Tokens that open requests of an account hold in escrow: request and units.
#[must_use]
pub fn escrowed(state: &State, account: u32, token: u32) -> Vec<(u64, Amount)> {
    let ids = state.clearing.open.range((account, 0)..=(account, u64::MAX)).map(|o| o.1);
    let held = |id: u64| state.clearing.requests.get(&id).filter(|r| r.token == token && r.kind != RequestKind::Mint).map(|r| (id, r.held));
    ids.filter_map(held).collect()
}

/// After a token's multiplier changed: every share count behind it times the ratio (one for reinvested
/// dividends), rounded down, and the new entitlement. What that lacks comes out of surplus, then house inventory, then is
/// the treasury's debt, which is bought in.
pub fn follow_multiplier(state: &mut State, token: u32, ratio: Ratio) {
    if !state.clearing.tokens.contains_key(&token) {
        return;
    }
    if ratio.num != ratio.den {
        scale_orders(state, token, ratio);
        scale_books(state, token, ratio);
    }
    entitle(state, token);
}

/// After a token's balances were renumbered by a split: tokens in existence and the shares behind them, by the ratio.
pub fn follow_renumbering(state: &mut State, token: u32, ratio: Ratio) {
    state.prices.freed.iter_mut().filter(|(key, _)| key.0 == token).for_each(|(_, units)| *units = by(ratio, *units));
    let Some(issuance) = state.clearing.tokens.get_mut(&token) else { return };
    issuance.issued = by(ratio, issuance.issued);
    renumber_records(state, token, ratio);
    follow_multiplier(state, token, ratio);
}

/// Token units in requests, orders, executions and locks, each by the ratio, rounded down.
fn renumber_records(state: &mut State, token: u32, ratio: Ratio) {
    let clearing = &mut state.clearing;
    for request in clearing.requests.values_mut().filter(|r| r.token == token) {
        request.units = by(ratio, request.units);
        if request.kind != RequestKind::Mint {
            (request.amount, request.held) = (by(ratio, request.amount), by(ratio, request.held));
        }
    }
    for order in clearing.orders.values_mut().filter(|o| o.token == token) {
        (order.units, order.burned) = (by(ratio, order.units), by(ratio, order.burned));
    }
    clearing.freed.iter_mut().filter(|(key, _)| key.1 == token).for_each(|(_, units)| *units = by(ratio, *units));
    clearing.freed.retain(|_, units| *units > 0);
    let mut locks: Vec<(u32, Amount)> = Vec::new();
    for (number, execution) in &mut clearing.executions {
        let Some(order) = clearing.orders.get(&execution.order).filter(|o| o.token == token) else { continue };
        let before = execution.units;
        execution.units = by(ratio, before);
        let waits = execution.stage == ExecutionStage::Open || clearing.settling.contains(&(execution.settle_ns, *number));
        let minted = order.minted(execution);
        let request = clearing.requests.get(&order.request).filter(|_| minted && waits && execution.stage != ExecutionStage::Settled);
        locks.extend(request.map(|r| (r.account, execution.units - before)));
    }
    for (account, by) in locks {
        clearing.lock(account, token, by);
    }
}

/// Share counts stay below, so that their sums fit; a split that would pass it is refused.
const LARGEST_COUNT: i64 = i64::MAX / 8;

/// Whether every share count behind a token, and the tokens themselves, still fit after a split.
#[must_use]
pub fn fits_after(state: &State, token: u32, ratio: Ratio) -> bool {
    let Some(issuance) = state.clearing.tokens.get(&token) else { return true };
    let counts = state.clearing.books.all().filter(|b| b.0 == Unit::Shares(token)).map(|b| i128::from(b.2));
    let required = shares_up(state.known_asset(token), i128::from(issuance.issued));
    counts.chain([required, i128::from(issuance.issued)]).all(|count| ratio.of_down(count).abs() <= i128::from(LARGEST_COUNT))
}

fn by(ratio: Ratio, amount: i64) -> i64 {
    narrow(ratio.of_down(i128::from(amount))).unwrap_or(LARGEST_COUNT)
}

fn scale_orders(state: &mut State, token: u32, ratio: Ratio) {
    let ids: Vec<u64> = state.clearing.orders.iter().filter(|(_, o)| o.token == token).map(|(&id, _)| id).collect();
    for id in ids {
        let before = state.clearing.orders[&id].clone();
        let open = before.stage != OrderStage::Done;
        let limit = by(ratio.inverse(), before.limit).max(1);
        let after = crate::state::clearing::BrokerOrder { shares: by(ratio, before.shares), filled: by(ratio, before.filled), limit, ..before.clone() };
        if open {
            routing::claim(state, &before, -1);
            routing::claim(state, &after, 1);
        }
        state.clearing.orders.insert(id, after);
    }
    let clearing = &mut state.clearing;
    for execution in clearing.executions.values_mut().filter(|e| clearing.orders.get(&e.order).is_some_and(|o| o.token == token)) {
        (execution.shares, execution.extra) = (by(ratio, execution.shares), by(ratio, execution.extra));
    }
    for request in clearing.requests.values_mut().filter(|r| r.token == token) {
        // What was filled stays filled, however little is left of it.
        request.shares = by(ratio, request.shares).max(i64::from(request.shares > 0));
        request.price = if request.price == 0 { 0 } else { by(ratio.inverse(), request.price).max(1) };
    }
    let of_token = |id: &u64| clearing.requests.get(id).is_some_and(|r| r.token == token);
    clearing.hedges.iter_mut().filter(|(id, _)| of_token(id)).for_each(|(_, hedge)| hedge.shares = by(ratio, hedge.shares));
    // A firm price was one for a share of before.
    clearing.quotes.retain(|_, quote| quote.token != token);
    clearing.unwinding.iter_mut().filter(|(key, _)| key.1 == token).for_each(|(_, shares)| *shares = by(ratio, *shares));
    if let Some(issuance) = clearing.tokens.get_mut(&token) {
        issuance.to_hedge = by(ratio, issuance.to_hedge);
    }
}

/// Where an execution is on its way.
#[must_use]
pub const fn on_its_way(execution: &Execution) -> Place {
    match (execution.bought, execution.house) {
        (true, false) => Place::FromBroker(execution.broker),
        (true, true) => Place::HouseFrom(execution.broker),
        (false, false) => Place::ToBroker(execution.broker),
        (false, true) => Place::HouseTo(execution.broker),
    }
}

/// Every place scaled; what is on its way is what its executions say; differences go to surplus.
fn scale_books(state: &mut State, token: u32, ratio: Ratio) {
    let mut moving: BTreeMap<Place, i64> = BTreeMap::new();
    let clearing = &mut state.clearing;
    for execution in clearing.executions.values().filter(|e| e.stage == ExecutionStage::Open) {
        if clearing.orders.get(&execution.order).is_some_and(|o| o.token == token) {
            *moving.entry(on_its_way(execution)).or_default() += execution.shares;
        }
    }
    let unit = Unit::Shares(token);
    let all: Vec<(Place, i64)> = clearing.books.all().filter(|b| b.0 == unit).map(|b| (b.1, b.2)).collect();
    for (place, amount) in all {
        let target = match place {
            Place::Surplus | Place::Entitled | Place::House => continue,
            Place::FromBroker(_) | Place::HouseFrom(_) | Place::ToBroker(_) | Place::HouseTo(_) => moving.get(&place).copied().unwrap_or(0),
            _ => by(ratio, amount),
        };
        let sign = if place.is_debit_normal() { 1 } else { -1 };
        // What rounding takes from the house inventory is the house's, not the backing's.
        let other = if matches!(place, Place::HouseAt(_) | Place::HouseFrom(_) | Place::HouseTo(_)) { Place::House } else { Place::Surplus };
        clearing.books.post(unit, place, other, sign * (target - amount));
    }
}

fn entitle(state: &mut State, token: u32) {
    let unit = Unit::Shares(token);
    let issued = state.clearing.tokens[&token].issued;
    let required = narrow(shares_up(state.known_asset(token), i128::from(issued))).unwrap_or(LARGEST_COUNT);
    let before = state.clearing.books.at(unit, Place::Entitled);
    state.clearing.books.post(unit, Place::Surplus, Place::Entitled, required - before);
    for broker in state.clearing.brokers.keys().copied().collect::<Vec<u32>>() {
        let lacking = -state.clearing.books.at(unit, Place::Surplus);
        let given = lacking.min(capacity::free_inventory(state, token, broker));
        if given > 0 {
            state.clearing.books.post(unit, Place::Broker(broker), Place::HouseAt(broker), given);
            state.clearing.books.post(unit, Place::House, Place::Surplus, given);
        }
    }
    let lacking = -state.clearing.books.at(unit, Place::Surplus);
    if lacking > 0 {
        state.clearing.books.post(unit, Place::Shortage, Place::Surplus, lacking);
    }
}
