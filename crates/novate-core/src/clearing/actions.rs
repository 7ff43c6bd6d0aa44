//! What a corporate action does to issuance: shares behind tokens follow a split or a multiplier. (`gates` freezes around it.)
//!
//! Responsible for: the interface that corporate actions call. Never schedules or decides one.

use super::{capacity, routing, shares_up};
use crate::ledger::books::{Place, Unit};
use crate::state::State;
use crate::state::clearing::{Execution, ExecutionStage, OrderStage};
use crate::units::{Ratio, narrow};
use std::collections::BTreeMap;

/// Whether no broker has an order for a token of the underlying: what a freeze waits for.
#[must_use]
pub fn is_quiet(state: &State, underlying: u32) -> bool {
    let of = |token: u32| state.known_asset(token).terms.underlying == underlying;
    state.clearing.orders.values().all(|o| o.stage == OrderStage::Done || !of(o.token))
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
    let Some(issuance) = state.clearing.tokens.get_mut(&token) else { return };
    issuance.issued = by(ratio, issuance.issued);
    follow_multiplier(state, token, ratio);
}

fn by(ratio: Ratio, amount: i64) -> i64 {
    narrow(ratio.of_down(i128::from(amount))).unwrap_or(i64::MAX / 8)
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
        execution.shares = by(ratio, execution.shares);
    }
    clearing.requests.values_mut().filter(|r| r.token == token).for_each(|r| r.shares = by(ratio, r.shares));
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
            Place::Surplus | Place::Entitled => continue,
            Place::FromBroker(_) | Place::HouseFrom(_) | Place::ToBroker(_) | Place::HouseTo(_) => moving.get(&place).copied().unwrap_or(0),
            _ => by(ratio, amount),
        };
        let sign = if place.is_debit_normal() { 1 } else { -1 };
        clearing.books.post(unit, place, Place::Surplus, sign * (target - amount));
    }
}

fn entitle(state: &mut State, token: u32) {
    let unit = Unit::Shares(token);
    let issued = state.clearing.tokens[&token].issued;
    let required = narrow(shares_up(state.known_asset(token), i128::from(issued))).unwrap_or(i64::MAX / 8);
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
