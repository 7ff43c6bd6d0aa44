//! Time in issuance and redemption: the queue opens, quotes and requests expire, settlement days come.
//!
//! Responsible for: this area's part of `AdvanceTime`, in bounded pieces. Never decides what one request may do.

use super::gates::{self, Opening};
use super::{Step, capacity, fault, fill, hedged, request, routing, treasury, unwind};
use crate::context::Context;
use crate::event::SettlementOverdue;
use crate::state::clearing::{ExecutionStage, RequestKind};

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
        let Some(waits) = cx.state.clearing.requests.get(&id).filter(|r| r.order == 0 && r.held > 0) else { continue };
        let (kind, token, priority) = (waits.kind, waits.token, waits.priority);
        if !cx.state.clearing.queue.contains(&(priority, id)) || gates::open(cx.state, token, kind) != Ok(Opening::Now) {
            continue;
        }
        meet_opposite(cx, id, &waiting);
        if !cx.state.clearing.queue.contains(&(priority, id)) {
            continue;
        }
        let request = &cx.state.clearing.requests[&id];
        if fill::house_can_serve(cx.state, kind, token, request.held, request.price).is_some() {
            fill::serve_from_house(cx, id);
        } else {
            routing::route(cx, id, 0);
        }
    }
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

/// Nets a request against those that wait on the other side of the same token, first come first.
fn meet_opposite(cx: &mut Context<'_>, id: u64, waiting: &[u64]) {
    for &other in waiting {
        let (Some(one), Some(two)) = (cx.state.clearing.requests.get(&id), cx.state.clearing.requests.get(&other)) else { continue };
        let opposite = one.token == two.token && one.kind != two.kind && !two.kind.in_kind() && one.account != two.account;
        let queued = |r: &crate::state::clearing::Request, id| r.held > 0 && r.order == 0 && cx.state.clearing.queue.contains(&(r.priority, id));
        let open = gates::open(cx.state, two.token, two.kind) == Ok(Opening::Now);
        if !(opposite && open && queued(one, id) && queued(two, other)) {
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
            ExecutionStage::Carried => fault::unlock(cx.state, &execution),
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
