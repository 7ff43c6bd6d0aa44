//! Breaks: differences that have an owner and an age, stop issuance, and never adjust a balance by themselves.
//!
//! Responsible for: opening, assigning and resolving them, and comparing custodians' statements with the books.

use super::{capacity, fault};
use crate::command::{AssignBreak, ReportStatement, ResolveBreak};
use crate::context::Context;
use crate::event::{BreakAssigned, BreakOpened, BreakResolved, StatementAgreed};
use crate::ledger::books::{Place, Unit};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{Break, ExecutionStage};

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum BreakKind {
    /// A custodian's statement differs from the books.
    Statement = 0,
    /// A fill of another underlying than ordered.
    WrongSymbol = 1,
    /// A fill of the other side.
    WrongSide = 2,
    /// A fill after the order had ended.
    LateFill = 3,
    /// More than was ordered.
    Overfill = 4,
    /// Worse than the worst price.
    BeyondLimit = 5,
    /// One execution id for two executions.
    IdUsedTwice = 6,
}

/// The differences were explained outside; the books were right.
const EXPLAINED: u8 = 0;
/// The quarantined execution stands: it is the venue's own.
const ADOPTED: u8 = 1;
/// The broker took the quarantined execution back.
const TAKEN_BACK: u8 = 2;

/// An open break of this kind.
#[must_use]
pub fn pending(state: &State, token: u32, broker: u32, kind: BreakKind) -> Option<u64> {
    let same = |b: &Break| (b.token, b.broker, b.kind) == (token, broker, kind as u8);
    state.clearing.breaks.iter().find(|(_, b)| same(b)).map(|(&id, _)| id)
}

/// Opens one; `execution` is in quarantine behind it (0: none is).
pub fn open(cx: &mut Context<'_>, token: u32, broker: u32, kind: BreakKind, expected: i64, found: i64, execution: u64) {
    let id = cx.state.clearing.number();
    let opened_ns = cx.state.now;
    let found_break = Break { token, broker, kind: kind as u8, owner: 0, opened_ns, expected, found, execution };
    cx.state.clearing.breaks.insert(id, found_break);
    cx.tell(&BreakOpened { break_id: id, token, broker, kind: kind as u8, expected, found });
}

fn known(state: &State, id: u64) -> Result<&Break, Refusal> {
    state.clearing.breaks.get(&id).ok_or(Reject::break_must_be_open.at(1, id as i64, 0))
}

/// `AssignBreak`.
///
/// # Errors
/// `break_must_be_open`.
pub fn assign(cx: &mut Context<'_>, c: &AssignBreak) -> Result<(), Refusal> {
    known(cx.state, c.break_id)?;
    if let Some(open) = cx.state.clearing.breaks.get_mut(&c.break_id) {
        open.owner = c.owner;
    }
    cx.tell(&BreakAssigned { break_id: c.break_id, owner: c.owner });
    Ok(())
}

/// `ResolveBreak`: what was in quarantine is adopted or taken back; anything else was explained. A statement that still
/// differs opens a new one.
///
/// # Errors
/// 942, 943.
pub fn resolve(cx: &mut Context<'_>, c: &ResolveBreak) -> Result<(), Refusal> {
    let open = known(cx.state, c.break_id)?.clone();
    let fits = if open.execution == 0 { c.resolution == EXPLAINED } else { matches!(c.resolution, ADOPTED | TAKEN_BACK) };
    require(fits, Reject::resolution_must_fit_break.at(2, i64::from(c.resolution), i64::from(open.kind)))?;

    cx.state.clearing.breaks.remove(&c.break_id);
    let age_ns = cx.state.now - open.opened_ns;
    cx.tell(&BreakResolved { break_id: c.break_id, token: open.token, resolution: c.resolution, age_ns });
    if c.resolution == ADOPTED {
        fault::adopt(cx, open.execution);
    } else if c.resolution == TAKEN_BACK {
        let forget = cx.state.now + cx.state.clearing.config().kept_ns;
        cx.state.clearing.ended.insert((forget, open.execution));
        if let Some(execution) = cx.state.clearing.executions.get_mut(&open.execution) {
            execution.stage = ExecutionStage::Carried;
        }
    }
    capacity::publish(cx);
    Ok(())
}

/// Settled shares of a token (or, for token 0, settled dollars) that the books have at a broker.
#[must_use]
pub fn on_the_books(state: &State, token: u32, broker: u32) -> i64 {
    let books = &state.clearing.books;
    if token == 0 {
        return books.at(Unit::Dollars, Place::Broker(broker));
    }
    books.at(Unit::Shares(token), Place::Broker(broker)) + books.at(Unit::Shares(token), Place::HouseAt(broker))
}

/// `ReportStatement`: agrees, or is a break; nothing is adjusted either way.
///
/// # Errors
/// 903, 905, 945.
pub fn statement(cx: &mut Context<'_>, c: &ReportStatement) -> Result<(), Refusal> {
    cx.state.clearing.broker(c.broker)?;
    if c.token != 0 {
        cx.state.clearing.issuance(c.token)?;
    }
    let expected = on_the_books(cx.state, c.token, c.broker);
    let unit = if c.token == 0 { Unit::Dollars } else { Unit::Shares(c.token) };
    let at_it = cx.state.clearing.books.all().any(|(u, place, _)| u == unit && matches!(place, Place::Broker(b) | Place::HouseAt(b) if b == c.broker));
    require(at_it || c.amount == 0, Reject::statement_must_name_the_books.at(3, c.amount, 0))?;
    if c.amount == expected {
        let now = cx.state.now;
        if let Some(issuance) = cx.state.clearing.tokens.get_mut(&c.token) {
            issuance.agreed_ns = now;
        }
        cx.tell(&StatementAgreed { broker: c.broker, token: c.token, amount: c.amount });
    } else if let Some(id) = pending(cx.state, c.token, c.broker, BreakKind::Statement) {
        if let Some(open) = cx.state.clearing.breaks.get_mut(&id) {
            (open.expected, open.found) = (expected, c.amount);
        }
        cx.tell(&BreakOpened { break_id: id, token: c.token, broker: c.broker, kind: BreakKind::Statement as u8, expected, found: c.amount });
    } else {
        open(cx, c.token, c.broker, BreakKind::Statement, expected, c.amount, 0);
    }
    capacity::publish(cx);
    Ok(())
}
