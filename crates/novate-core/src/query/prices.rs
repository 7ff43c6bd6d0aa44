//! Closed hours, reopening, halts, outages and cancelled prints: questions 600 to 699.
//!
//! Responsible for: reading, never changing.

use super::reply;
use crate::price::closed::bounds;
use crate::price::{Action, Permission};
use crate::state::{State, Underlying};
use serde::Serialize;

const GATES: u64 = 600;
const SOURCES: u64 = 601;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        GATES => reply(&state.underlyings.iter().flatten().map(|u| gate(state, u)).collect::<Vec<_>>()),
        SOURCES => {
            let (_, underlying) = super::arguments::<(u64, u32)>(request)?;
            let listed = state.underlying(underlying).map_err(|_| format!("underlying_must_exist: no underlying has id {underlying}"))?;
            reply(&sources(listed))
        }
        other => Err(super::unknown(other)),
    }
}

/// What may be done with an underlying now, and where its prices stand.
#[derive(Serialize)]
struct Gate {
    underlying: u32,
    quality: u8,
    /// Open, reduce, withdraw, borrow, liquidate, fund, mint, redeem: Y, N, S, B or Q.
    cells: String,
    index: i64,
    last_external: i64,
    current: i64,
    stable: i64,
    blending: bool,
    halted_ns: i64,
    least_gap_initial_ppm: i64,
    least_gap_maintenance_ppm: i64,
    worthless_unmatched: bool,
    /// Discovery bounds; 0 while not adrift.
    low: i64,
    high: i64,
    cancel_only_until_ns: i64,
}

fn gate(state: &State, u: &Underlying) -> Gate {
    let actions = [Action::Open, Action::Reduce, Action::Withdraw, Action::Borrow, Action::Liquidate, Action::Fund, Action::Mint, Action::Redeem];
    let letter = |action| match u.price.permission(action) {
        Permission::Yes => 'Y',
        Permission::No => 'N',
        Permission::Slower => 'S',
        Permission::Bounded => 'B',
        Permission::Queued => 'Q',
    };
    let terms = state.prices.terms.as_ref();
    let halted_ns = u.session.halted_for(state.now);
    let least = |initial| terms.map_or(0, |t| u.session.least_gap_ppm(t, initial, state.now));
    let (low, high) = u.price.drift().map_or((0, 0), |d| bounds(d.reference, u.price_terms.drift.bound_ppm));
    Gate {
        underlying: u.terms.underlying,
        quality: u.price.quality() as u8,
        cells: actions.into_iter().map(letter).collect(),
        index: u.price.index(),
        last_external: u.price.last_external(),
        current: u.price.current(),
        stable: u.price.stable(),
        blending: u.price.blending(),
        halted_ns,
        least_gap_initial_ppm: least(true),
        least_gap_maintenance_ppm: least(false),
        worthless_unmatched: halted_ns > 0 && terms.is_some_and(|t| halted_ns >= t.halt_last_ns),
        low,
        high,
        cancel_only_until_ns: state.prices.outage.map_or(0, |o| o.cancel_only_until_ns),
    }
}

/// One source: what it says and since when.
#[derive(Serialize)]
struct Source {
    source: u32,
    origin: u32,
    always_open: bool,
    posted: bool,
    price: i64,
    venue_time_ns: i64,
    statements: u32,
}

fn sources(u: &Underlying) -> Vec<Source> {
    let tell = |s: &crate::price::SourceState| Source {
        source: s.id,
        origin: s.origin,
        always_open: s.always_open,
        posted: s.posted,
        price: s.price(),
        venue_time_ns: s.current().map_or(0, |c| c.venue_time_ns),
        statements: s.statements.len() as u32,
    };
    u.price.sources().iter().map(tell).collect()
}
