//! What a change would do, before anyone approves it.
//!
//! Responsible for: the question for the effect on a page of accounts, on a copy of the state. Never changes anything.

use crate::codec::{Header, VERSION};
use crate::command::Command;
use crate::governance::changes::{Apply, levels, with_effect};
use crate::ladder::shown;
use crate::margin::{Evaluation, Portfolio};
use crate::reject::REFUSALS;
use crate::state::State;
use crate::state::governance::{Change, Stage};
use serde::Serialize;

/// The question's number: change id (0 with `account` and `command` for one that nobody proposed), first account, how many.
pub const EFFECT: u64 = 1001;
/// Most accounts of one page.
const PAGE: u32 = 1_000;

#[derive(Serialize)]
struct Line {
    account: u64,
    equity_before: i64,
    equity_after: i64,
    requirements_before: [i64; 4],
    requirements_after: [i64; 4],
    excess_before: [i64; 4],
    excess_after: [i64; 4],
    /// Green 0 to black 4 by the excesses; open orders counted.
    state_before: u8,
    state_after: u8,
}

#[derive(Serialize)]
struct Effect {
    /// Refusal that the command would meet now; 0 none.
    refusal: u16,
    rule: String,
    accounts: u32,
    lines: Vec<Line>,
}

/// Answers the question.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, request: &[u8], apply: Apply) -> Result<Vec<u8>, String> {
    type Arguments = (u64, u64, u64, serde_bytes::ByteBuf, u32, u32);
    let (_, id, account, command, first, count): Arguments = rmp_serde::from_slice(request).map_err(|e| format!("the request's arguments do not fit the question: {e}"))?;
    let change = match id {
        0 => of_bytes(account, &command)?,
        _ => state.governance.changes.get(&id).cloned().ok_or_else(|| format!("change_must_be_open: no open change has id {id}"))?,
    };
    let accounts = state.accounts.len() as u32;
    let found = match with_effect(state, &change, apply) {
        Err(refusal) => {
            let rule = REFUSALS.iter().find(|r| r.0 == refusal.code as u16).map_or("", |r| r.1);
            Effect { refusal: refusal.code as u16, rule: rule.to_owned(), accounts, lines: Vec::new() }
        }
        Ok(after) => {
            let end = accounts.min(first.saturating_add(count.min(PAGE)));
            let mut portfolio = Portfolio::default();
            let lines = (first.min(end)..end).map(|account| line(state, &after, account, &mut portfolio)).collect();
            Effect { refusal: 0, rule: String::new(), accounts, lines }
        }
    };
    rmp_serde::to_vec_named(&found).map_err(|e| e.to_string())
}

fn of_bytes(account: u64, bytes: &[u8]) -> Result<Change, String> {
    let (kind, body) = bytes.split_at_checked(2).ok_or("a wrapped command begins with its type number")?;
    let kind = u16::from_le_bytes([kind[0], kind[1]]);
    Command::take(&Header { kind, version: VERSION, ..Header::default() }, body).map_err(|r| format!("{:?}", r.code))?;
    let (reason, body) = (String::new(), body.to_vec());
    Ok(Change { stage: Stage::Proposed, account, kind, body, reason, proposer: 0, approver: 0, long: false, expires_ns: 0, approved_ns: 0, due_ns: 0, due_open: 0 })
}

fn line(before: &State, after: &State, account: u32, portfolio: &mut Portfolio) -> Line {
    let (was, is) = (levels(before, account, portfolio), levels(after, account, portfolio));
    Line {
        account: before.accounts[account as usize].id,
        equity_before: shown(was[2].equity),
        equity_after: shown(is[2].equity),
        requirements_before: was.map(|e| shown(e.requirement)),
        requirements_after: is.map(|e| shown(e.requirement)),
        excess_before: was.map(|e| shown(e.excess())),
        excess_after: is.map(|e| shown(e.excess())),
        state_before: standing(&was),
        state_after: standing(&is),
    }
}

/// Green 0, yellow 1, orange 2, red 3, black 4.
fn standing(levels: &[Evaluation; 4]) -> u8 {
    match levels {
        [initial, ..] if initial.excess() >= 0 => 0,
        [_, _, maintenance, _] if maintenance.excess() >= 0 => 1,
        [.., close_out] if close_out.equity < 0 => 4,
        [.., close_out] if close_out.excess() < 0 => 3,
        _ => 2,
    }
}
