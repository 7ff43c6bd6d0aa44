//! Time in issuance and redemption: the queue opens, quotes and requests expire, settlement days come.
//!
//! Responsible for: this area's part of `AdvanceTime`, in bounded pieces, and who meets whom. Never decides what one request may do.

use super::gates::{self, Opening};
use super::request::Wish;
use super::{Step, capacity, fault, fill, hedged, request, routing, treasury, unwind};
use crate::context::Context;
use crate::event::SettlementOverdue;
use crate::state::State;
use crate::state::clearing::{ExecutionStage, Request, RequestKind};
use crate::units::Value;

/// `AdvanceTime` for this area.
pub fn advance(cx: &mut Context<'_>) {
    let Some(config) = cx.state.clearing.terms.as_ref() else { return };
    let most = config.queue_accounts as usize;
    let now = cx.state.now;
    // An expired quote is still known for a life, so that who comes late is told why.
    let late = config.quote_life_ns;
    cx.state.clearing.quotes.retain(|_, quote| now < quote.expires_ns + late);
    expire(cx, most);
    work(cx, most);
    settlement_days(cx, most);
    treasury::pay_waiting(cx, most);
    let tokens: Vec<u32> = cx.state.clearing.tokens.keys().copied().collect();
    for token in tokens {
        fault::repair(cx, token);
    }
    hedged::again(cx, most);
    unwind::again(cx, most);
    forget(cx, most);
    capacity::publish(cx);
}

fn expire(cx: &mut Context<'_>, most: usize) {
    let now = cx.state.now;
    let old: Vec<u64> = cx.state.clearing.expiring.iter().take_while(|&&(at, _)| at <= now).take(most).map(|e| e.1).collect();
    for id in old {
        request::end(cx, id, Step::Expire);
    }
}

/// Tokens freed by auto-deleveraging first, then liquidation, then by number: opposite requests meet, the rest is served by the
/// house or goes to brokers.
fn work(cx: &mut Context<'_>, most: usize) {
    let waiting = open_queue(cx, most);
    for &id in &waiting {
        let Some(waits) = cx.state.clearing.requests.get(&id).filter(|r| waits(cx.state, r, id)) else { continue };
        if gates::open(cx.state, waits.token, waits.kind) == Ok(Opening::Now) {
            serve(cx, id, &waiting);
        }
    }
}

/// A request that came while its channel is open, and stands in the queue: it meets those that wait for what it brings, before
/// it asks the house or a broker.
pub(super) fn arrive(cx: &mut Context<'_>, id: u64) {
    let request = &cx.state.clearing.requests[&id];
    let waiting: Vec<u64> = opposite(cx.state, request.account, request.token, request.kind).collect();
    serve(cx, id, &waiting);
}

/// Whether what waits on the other side is worth a whole wish, so that neither house nor broker is needed.
pub(super) fn covers(state: &State, wish: &Wish, dollars: i64) -> bool {
    let worth = |id: u64| {
        let other = &state.clearing.requests[&id];
        gates::dollars_of(state, other.token, other.kind, other.held)
    };
    opposite(state, wish.account, wish.token, wish.kind).map(worth).sum::<Value>() >= Value::from(dollars)
}

/// What waits for what a request of this kind brings, first come first; never of the same account.
fn opposite(state: &State, account: u32, token: u32, kind: RequestKind) -> impl Iterator<Item = u64> + '_ {
    let asked = if kind == RequestKind::Mint { RequestKind::Redeem } else { RequestKind::Mint };
    let open = !kind.in_kind() && !state.clearing.queue.is_empty() && gates::open(state, token, asked) == Ok(Opening::Now);
    let ids = state.clearing.queue.iter().map(|&(_, id)| id);
    let meets = move |id: &u64| {
        let other = &state.clearing.requests[id];
        other.token == token && other.kind == asked && other.account != account && waits(state, other, *id)
    };
    ids.take_while(move |_| open).filter(meets).take(state.clearing.config().queue_accounts as usize)
}

/// The first requests of the queue whose channel is open now.
fn open_queue(cx: &Context<'_>, most: usize) -> Vec<u64> {
    let is_open = |&token: &u32| [RequestKind::Mint, RequestKind::Redeem].map(|kind| gates::open(cx.state, token, kind) == Ok(Opening::Now));
    let open: std::collections::BTreeMap<u32, [bool; 2]> = cx.state.clearing.tokens.keys().map(|token| (*token, is_open(token))).collect();
    let works = |id: &u64| {
        let request = &cx.state.clearing.requests[id];
        open[&request.token][usize::from(!request.kind.mints())]
    };
    cx.state.clearing.queue.iter().map(|&(_, id)| id).filter(works).take(most).collect()
}

/// Whether a request stands in the queue with something to trade.
fn waits(state: &State, request: &Request, id: u64) -> bool {
    request.order == 0 && request.held > 0 && state.clearing.queue.contains(&(request.priority, id))
}

/// A request that waits meets those of the other side among `waiting`, first come first; the house or a broker gets the rest.
fn serve(cx: &mut Context<'_>, id: u64, waiting: &[u64]) {
    // A firm price is the house's or a broker's to keep.
    if cx.state.clearing.requests[&id].price == 0 {
        meet_opposite(cx, id, waiting);
    }
    let Some(rest) = cx.state.clearing.requests.get(&id).filter(|r| waits(cx.state, r, id)) else { return };
    if fill::house_can_serve(cx.state, rest.kind, rest.token, rest.held, rest.price).is_some() {
        fill::serve_from_house(cx, id);
    } else {
        routing::route(cx, id, 0);
    }
}

fn meet_opposite(cx: &mut Context<'_>, id: u64, waiting: &[u64]) {
    for &other in waiting {
        let (Some(one), Some(two)) = (cx.state.clearing.requests.get(&id), cx.state.clearing.requests.get(&other)) else { continue };
        let opposite = one.token == two.token && one.kind != two.kind && !two.kind.in_kind() && one.account != two.account;
        let open = gates::open(cx.state, two.token, two.kind) == Ok(Opening::Now);
        if !(opposite && open && waits(cx.state, one, id) && waits(cx.state, two, other)) {
            continue;
        }
        if one.kind == RequestKind::Mint {
            fill::net_requests(cx, id, other);
        } else {
            fill::net_requests(cx, other, id);
        }
    }
}

/// On its settlement day an execution that the venue carries lets its tokens go; one without a report is told.
fn settlement_days(cx: &mut Context<'_>, most: usize) {
    let now = cx.state.now;
    let due: Vec<(i64, u64)> = cx.state.clearing.settling.iter().copied().take_while(|&(at, _)| at <= now).take(most).collect();
    for entry in due {
        cx.state.clearing.settling.remove(&entry);
        let Some(execution) = cx.state.clearing.executions.get(&entry.1).cloned() else { continue };
        match execution.stage {
            ExecutionStage::Carried | ExecutionStage::Failed => fault::unlock(cx.state, &execution),
            ExecutionStage::Open => cx.tell(&SettlementOverdue { execution: entry.1, order: execution.order, broker: execution.broker }),
            _ => (),
        }
    }
}

/// Forgets what ended long enough ago and nothing refers to any more; what is still referred to is looked at again later.
fn forget(cx: &mut Context<'_>, most: usize) {
    let (now, later) = (cx.state.now, cx.state.now + cx.state.clearing.config().kept_ns);
    let old: Vec<(i64, u64)> = cx.state.clearing.ended.iter().copied().take_while(|&(at, _)| at <= now).take(most).collect();
    let clearing = &mut cx.state.clearing;
    for entry in old {
        clearing.ended.remove(&entry);
        let id = entry.1;
        let settling = clearing.executions.get(&id).is_some_and(|e| clearing.settling.contains(&(e.settle_ns, id)));
        if settling {
            clearing.ended.insert((later, id));
        } else if let Some(execution) = clearing.executions.remove(&id) {
            clearing.execution_ids.remove(&(execution.broker, execution.id));
            if let Some(order) = clearing.orders.get_mut(&execution.order) {
                order.executions -= 1;
            }
        } else if clearing.orders.get(&id).is_some_and(|o| o.executions == 0) {
            clearing.orders.remove(&id);
        } else if clearing.requests.get(&id).is_some_and(|r| r.unsettled == 0 && r.order == 0 && clearing.locked(r.account, r.token) == 0) {
            clearing.requests.remove(&id);
        } else if clearing.orders.contains_key(&id) || clearing.requests.contains_key(&id) {
            clearing.ended.insert((later, id));
        }
    }
}
