//! Issuance and redemption: quotes, requests, broker legs, backing: questions 900 to 999.
//!
//! Responsible for: reading, never changing.

use super::{arguments, dense, reply};
use crate::clearing::{capacity, supply::supply};
use crate::state::State;
use crate::state::clearing::Request;
use serde::Serialize;

const SUPPLY: u64 = 900;
const CAPACITY: u64 = 901;
const REQUESTS: u64 = 902;
const BREAKS: u64 = 903;
const BOOKS: u64 = 904;
const BROKERS: u64 = 905;
const TERMS: u64 = 906;

#[derive(Serialize)]
struct CapacityLine {
    token: u32,
    direction: u8,
    dollars: i64,
    binding: u8,
}

#[derive(Serialize)]
struct RequestLine {
    request: u64,
    token: u32,
    kind: u8,
    state: u8,
    price: i64,
    amount: i64,
    held: i64,
    units: i64,
    shares: i64,
    due: i64,
    order: u64,
    expires_ns: i64,
    forced: bool,
    priority: u8,
    /// Requests of its token and direction that go before it; -1 when it does not wait.
    ahead: i64,
    /// Cash or token units that those hold.
    ahead_held: i64,
}

#[derive(Serialize)]
struct BreakLine {
    break_id: u64,
    token: u32,
    broker: u32,
    kind: u8,
    owner: u64,
    age_ns: i64,
    expected: i64,
    found: i64,
    execution: u64,
}

#[derive(Serialize)]
struct BookLine {
    /// The token whose shares they are; 0 for dollars.
    token: u32,
    place: String,
    amount: i64,
}

#[derive(Serialize)]
struct BrokerLine {
    broker: u32,
    name: String,
    reachable: bool,
    frozen_until_ns: i64,
    dollars: i64,
    committed: i64,
}

fn request_line(state: &State, id: u64, r: &Request) -> RequestLine {
    let (queue, requests) = (&state.clearing.queue, &state.clearing.requests);
    let place = (r.priority, id);
    let same = |o: &&Request| o.token == r.token && o.kind == r.kind;
    let before: Vec<i64> = queue.range(..place).filter_map(|q| requests.get(&q.1)).filter(same).map(|o| o.held).collect();
    let waits = queue.contains(&place);
    RequestLine {
        request: id,
        token: r.token,
        kind: r.kind as u8,
        state: r.state as u8,
        price: r.price,
        amount: r.amount,
        held: r.held,
        units: r.units,
        shares: r.shares,
        due: r.due,
        order: r.order,
        expires_ns: r.expires_ns,
        forced: r.forced,
        priority: r.priority,
        ahead: if waits { before.len() as i64 } else { -1 },
        ahead_held: if waits { before.iter().fold(0, |sum: i64, held| sum.saturating_add(*held)) } else { 0 },
    }
}

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    let clearing = &state.clearing;
    match number {
        SUPPLY => reply(&clearing.tokens.keys().filter_map(|&token| supply(state, token)).collect::<Vec<_>>()),
        CAPACITY => {
            let line = |token: u32, direction: u8| {
                let (dollars, term) = capacity::now(state, token, direction == 0);
                CapacityLine { token, direction, dollars, binding: term as u8 }
            };
            reply(&clearing.tokens.keys().flat_map(|&token| [line(token, 0), line(token, 1)]).collect::<Vec<_>>())
        }
        REQUESTS => {
            let account = dense(state, arguments::<(u64, u64)>(request)?.1)?;
            reply(&clearing.requests.iter().filter(|(_, r)| r.account == account).map(|(&id, r)| request_line(state, id, r)).collect::<Vec<_>>())
        }
        BREAKS => {
            let lines = clearing.breaks.iter().map(|(&break_id, b)| BreakLine {
                break_id,
                token: b.token,
                broker: b.broker,
                kind: b.kind,
                owner: b.owner,
                age_ns: state.now - b.opened_ns,
                expected: b.expected,
                found: b.found,
                execution: b.execution,
            });
            reply(&lines.collect::<Vec<_>>())
        }
        BOOKS => {
            let lines = clearing.books.all().map(|(unit, place, amount)| {
                let token = if let crate::ledger::books::Unit::Shares(token) = unit { token } else { 0 };
                BookLine { token, place: format!("{place:?}"), amount }
            });
            reply(&lines.collect::<Vec<_>>())
        }
        BROKERS => {
            let lines = clearing.brokers.iter().map(|(&id, b)| BrokerLine {
                broker: id,
                name: b.terms.name.clone(),
                reachable: capacity::reachable(state, id),
                frozen_until_ns: b.frozen_until_ns,
                dollars: crate::clearing::breaks::on_the_books(state, 0, id),
                committed: b.committed,
            });
            reply(&lines.collect::<Vec<_>>())
        }
        TERMS => reply(&clearing.tokens.values().map(|issuance| &issuance.terms).collect::<Vec<_>>()),
        other => Err(super::unknown(other)),
    }
}
