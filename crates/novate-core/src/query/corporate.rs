//! Corporate actions: schedule, effect, receivables and corrections: questions 1200 to 1299.
//!
//! Responsible for: reading, never changing. The dry run works on a copy of the state, with the code that does it for real.

use super::{arguments, reply, small};
use crate::margin::{Level, Portfolio, Question, evaluate};
use crate::state::State;
use serde::Serialize;

const ACTIONS: u64 = 1200;
const DRY_RUN: u64 = 1201;
const RECEIVABLES: u64 = 1202;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        ACTIONS => reply(&state.corporate.actions.values().map(action_line).collect::<Vec<_>>()),
        DRY_RUN => reply(&dry_run(state, arguments::<(u64, u64)>(request)?.1)?),
        RECEIVABLES => reply(&receivables(state)),
        other => Err(super::unknown(other)),
    }
}

#[derive(Serialize)]
struct ActionLine {
    action: u64,
    underlying: u32,
    action_kind: u8,
    state: u8,
    scheduled_by: u64,
    confirmed_by: u64,
    sequence: u64,
    booked: i64,
    records: u32,
}

fn action_line(a: &crate::state::corporate::CorporateAction) -> ActionLine {
    ActionLine {
        action: a.terms.action,
        underlying: a.terms.underlying,
        action_kind: a.terms.action_kind,
        state: a.state as u8,
        scheduled_by: a.scheduled_by,
        confirmed_by: a.confirmed_by,
        sequence: a.sequence,
        booked: a.booked,
        records: a.record.len() as u32,
    }
}

#[derive(Serialize)]
struct ReceivableLine {
    asset: u32,
    each: i64,
    due_micro: i64,
}

fn receivables(state: &State) -> Vec<ReceivableLine> {
    let line = |(asset, due): (u32, crate::ledger::Receivable)| {
        let custody = state.ledger.venue(crate::ledger::Party::Custody, asset);
        ReceivableLine { asset, each: due.each, due_micro: small(state.receivable(asset, i128::from(custody))) }
    };
    state.ledger.receivables().map(line).collect()
}

#[derive(Serialize)]
struct DryRun {
    action: u64,
    index_before: i64,
    index: i64,
    /// Only accounts for which something differs.
    accounts: Vec<Effect>,
    equity_before: i64,
    equity: i64,
    /// Accounts whose excess at maintenance would turn negative.
    below_maintenance: u32,
}

#[derive(Serialize)]
struct Effect {
    account: u64,
    equity_before: [i64; 4],
    equity: [i64; 4],
    requirement_before: [i64; 4],
    requirement: [i64; 4],
    orders_cancelled: u32,
    tokens_before: Vec<(u32, i64)>,
    tokens: Vec<(u32, i64)>,
    cash_before: Vec<(u32, i64)>,
    cash: Vec<(u32, i64)>,
}

/// What the action would do to every account if it took effect now.
fn dry_run(state: &State, id: u64) -> Result<DryRun, String> {
    let terms = state.corporate.actions.get(&id).map(|a| &a.terms).ok_or_else(|| format!("corporate_action_must_exist: no action has id {id}"))?;
    let underlying = terms.underlying;
    let mut after = state.clone();
    crate::corporate_action::rehearse(&mut after, id)?;
    let (mut accounts, mut equities, mut below) = (Vec::new(), (0, 0), 0);
    for index in 0..state.accounts.len() as u32 {
        let effect = effect(state, &after, index);
        equities = (equities.0 + i128::from(effect.equity_before[2]), equities.1 + i128::from(effect.equity[2]));
        let excess = |equity: &[i64; 4], requirement: &[i64; 4]| i128::from(equity[2]) - i128::from(requirement[2]);
        let was = excess(&effect.equity_before, &effect.requirement_before);
        below += u32::from(was >= 0 && excess(&effect.equity, &effect.requirement) < 0);
        let same = effect.equity == effect.equity_before && effect.requirement == effect.requirement_before && effect.tokens == effect.tokens_before;
        if !same || effect.orders_cancelled > 0 {
            accounts.push(effect);
        }
    }
    let index_of = |s: &State| s.known_underlying(underlying).price.index();
    let (equity_before, equity) = (small(equities.0), small(equities.1));
    Ok(DryRun { action: id, index_before: index_of(state), index: index_of(&after), accounts, equity_before, equity, below_maintenance: below })
}

fn effect(before: &State, after: &State, index: u32) -> Effect {
    let mut portfolio = Portfolio::default();
    let mut at = |state: &State| Level::ALL.map(|level| evaluate(state, index, &Question::at(level), &mut portfolio));
    let (was, is) = (at(before), at(after));
    let orders = |state: &State| state.orders.of_account(state.accounts[index as usize].orders).count() as u32;
    let held = |state: &State, coins: bool| {
        let chosen = state.accounts[index as usize].balances.iter().filter(|b| state.known_asset(b.asset).is_stablecoin() == coins);
        chosen.map(|b| (b.asset, small(b.units()))).collect::<Vec<_>>()
    };
    Effect {
        account: before.accounts[index as usize].id,
        equity_before: was.map(|e| small(e.equity)),
        equity: is.map(|e| small(e.equity)),
        requirement_before: was.map(|e| small(e.requirement)),
        requirement: is.map(|e| small(e.requirement)),
        orders_cancelled: orders(before) - orders(after),
        tokens_before: held(before, false),
        tokens: held(after, false),
        cash_before: held(before, true),
        cash: held(after, true),
    }
}
