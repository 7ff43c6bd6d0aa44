//! Issuance and redemption: supply, books, escrow, claims on brokers and locks, recomputed from the records.

use novate_core::clearing::actions::on_its_way;
use novate_core::clearing::supply::supply;
use novate_core::clearing::table::is_over;
use novate_core::ledger::Party;
use novate_core::ledger::books::{Place, Unit};
use novate_core::state::State;
use novate_core::state::clearing::{ExecutionStage, OrderStage, Purpose, Request, RequestKind, RequestState};
use std::collections::BTreeMap;

/// Checks them all; panics with what is broken.
pub fn hold(state: &State) {
    for &token in state.clearing.tokens.keys() {
        let found = supply(state, token).expect("it is listed");
        assert_eq!(found.difference, 0, "token {token}: backing is supply and surplus: {found:?}");
        assert!(found.surplus >= 0 && found.shortage >= 0 && found.outside >= 0, "token {token}: {found:?}");
        assert_eq!(state.clearing.books.at(Unit::Shares(token), Place::Entitled), found.required, "token {token}: entitlement");
    }
    for (unit, sum) in state.clearing.books.conservation() {
        assert_eq!(sum, 0, "{unit:?} outside the vault");
    }
    for (unit, place, amount) in state.clearing.books.all() {
        let may_be_negative = matches!(place, Place::Treasury | Place::House) || (unit == Unit::Dollars && matches!(place, Place::Broker(_)));
        assert!(amount >= 0 || may_be_negative || matches!(place, Place::HouseAt(_) | Place::Broker(_)), "{unit:?} at {place:?} is {amount}");
    }
    moving(state);
    held(state);
    claims(state);
    locks(state);
}

/// What is on its way is the sum of executions that are not settled.
fn moving(state: &State) {
    let mut shares: BTreeMap<(Unit, Place), i64> = BTreeMap::new();
    for execution in state.clearing.executions.values().filter(|e| e.stage == ExecutionStage::Open) {
        let unit = Unit::Shares(state.clearing.orders[&execution.order].token);
        *shares.entry((unit, on_its_way(execution))).or_default() += execution.shares;
    }
    for (unit, place, amount) in state.clearing.books.all() {
        let moves = matches!(place, Place::FromBroker(_) | Place::ToBroker(_) | Place::HouseFrom(_) | Place::HouseTo(_));
        if moves && unit != Unit::Dollars {
            assert_eq!(amount, shares.remove(&(unit, place)).unwrap_or(0), "{unit:?} at {place:?}");
        }
    }
}

/// Escrow and dues of accounts are those of their requests; nothing else is held.
fn held(state: &State) {
    let mut escrow: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    let mut due: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (id, request) in &state.clearing.requests {
        let asset = if request.kind == RequestKind::Mint { request.cash } else { request.token };
        *escrow.entry((request.account, asset)).or_default() += request.held;
        *due.entry((request.account, request.cash)).or_default() += request.due;
        let open = matches!(request.state, RequestState::Reserved | RequestState::Routed | RequestState::PartlyFilled | RequestState::Unknown);
        assert!(request.held == 0 || open, "request {id} holds {} in {:?}", request.held, request.state);
        assert_eq!(request.order != 0, matches!(request.state, RequestState::Routed | RequestState::Unknown) || (request.state == RequestState::PartlyFilled && request.order != 0), "request {id}: {:?}", request.state);
        let queued = state.clearing.queue.contains(&(request.priority, *id));
        assert!(!queued || (open && request.order == 0), "request {id} waits or is at a broker, not both");
        let unsettled = state.clearing.executions.values().filter(|e| e.stage == ExecutionStage::Open && !e.adopted && state.clearing.orders[&e.order].request == *id).count();
        assert_eq!(request.unsettled as usize, unsettled, "request {id}: executions to settle");
    }
    let queue = state.clearing.queue.iter().map(|(_, id)| (state.clearing.requests[id].expires_ns, *id)).collect();
    assert_eq!(state.clearing.expiring, queue, "the queue by time");
    let carried = |r: &Request| matches!(r.state, RequestState::Failed | RequestState::Busted);
    let known = state.clearing.requests.iter().filter(|(_, r)| carried(r)).map(|(&id, r)| (r.token, r.kind.mints(), id)).collect();
    assert_eq!(state.clearing.carried, known, "requests that wait for a repair");
    let unpaid = |r: &Request| r.kind == RequestKind::Redeem && r.state == RequestState::Settled && r.due > 0;
    assert!(state.clearing.requests.iter().all(|(id, r)| !unpaid(r) || state.clearing.unpaid.contains(id)), "settled redemptions that wait for money");
    let working = state.clearing.orders.iter().filter(|(_, o)| o.stage != OrderStage::Done).map(|(&id, o)| (o.token, id)).collect();
    assert_eq!(state.clearing.working, working, "broker orders that are not done");
    let open = state.clearing.requests.iter().filter(|(_, r)| !is_over(r.state)).map(|(&id, r)| (r.account, id)).collect();
    assert_eq!(state.clearing.open, open, "requests that are not over");
    for (index, account) in state.accounts.iter().enumerate() {
        for balance in &account.balances {
            let key = (index as u32, balance.asset);
            assert_eq!(balance.escrowed, escrow.remove(&key).unwrap_or(0), "escrow of {} in {}", account.id, balance.asset);
            assert_eq!(balance.due, due.remove(&key).unwrap_or(0), "due to {} in {}", account.id, balance.asset);
        }
    }
    assert!(escrow.values().chain(due.values()).all(|&left| left == 0), "every request has its account");
    for asset in state.assets.iter().flatten() {
        let id = asset.terms.asset;
        let owed: i64 = state.accounts.iter().filter_map(|a| a.balance(id)).map(|b| b.due).sum();
        assert_eq!(state.ledger.venue(Party::Redemptions, id), -owed, "redemptions are the mirror of what is due");
        assert!(state.ledger.venue(Party::Treasury, id) >= 0, "the treasury pays only what it has");
    }
}

/// What open orders claim at each broker, and that an order never got more than it asked for.
fn claims(state: &State) {
    let mut dollars: BTreeMap<u32, i64> = BTreeMap::new();
    let mut shares: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (id, order) in &state.clearing.orders {
        assert!(order.shares == 0 || order.filled <= order.shares, "order {id} is overfilled");
        assert!(!order.buys || order.spent <= order.dollars, "order {id} is overspent");
        if order.stage == OrderStage::Done {
            continue;
        }
        if order.buys {
            *dollars.entry(order.broker).or_default() += order.dollars - order.spent;
        } else if order.purpose == Purpose::Request {
            *shares.entry((order.broker, order.token)).or_default() += order.shares - order.filled;
        }
    }
    for (id, broker) in &state.clearing.brokers {
        assert_eq!(broker.committed, dollars.get(id).copied().unwrap_or(0), "broker {id}: dollars of open orders");
        for (token, &committed) in &broker.committed_shares {
            assert_eq!(committed, shares.get(&(*id, *token)).copied().unwrap_or(0), "broker {id}: shares of open orders");
        }
    }
}

/// Locked units are those of executions that are not past their settlement.
fn locks(state: &State) {
    let mut locked: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (number, execution) in &state.clearing.executions {
        let order = &state.clearing.orders[&execution.order];
        let Some(request) = state.clearing.requests.get(&order.request) else { continue };
        let pending = match execution.stage {
            ExecutionStage::Open => true,
            ExecutionStage::Carried => state.clearing.settling.contains(&(execution.settle_ns, *number)),
            _ => false,
        };
        if pending && execution.bought && !execution.adopted && order.purpose == Purpose::Request {
            *locked.entry((request.account, request.token)).or_default() += execution.units;
        }
    }
    locked.retain(|_, units| *units != 0);
    assert_eq!(state.clearing.locked, locked, "locked tokens");
    for (token, issuance) in &state.clearing.tokens {
        let all: i64 = locked.iter().filter(|((_, t), _)| t == token).map(|(_, units)| units).sum();
        assert_eq!(issuance.locked, all, "locked units of token {token}");
    }
}
