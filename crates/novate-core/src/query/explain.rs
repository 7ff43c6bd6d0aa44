//! Why and what next: questions 500 to 549.
//!
//! Responsible for: how far each state is, what one more unit would cost, and which outside prices stand behind an index.
//! Reads only, through the production evaluation; a scan over moves is not for the hot path.

use super::{arguments, dense, level_of, reply, small};
use crate::margin::explain::{Threshold, marginal, thresholds};
use crate::margin::{Portfolio, Question, evaluate, Level};
use crate::state::State;
use crate::units::PPM;
use serde::Serialize;

const THRESHOLDS: u64 = 500;
const MARGINAL: u64 = 501;
const SOURCES: u64 = 502;
const SESSIONS: u64 = 503;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        THRESHOLDS => reply(&thresholds_of(state, arguments::<(u64, u64)>(request)?.1)?),
        MARGINAL => {
            let (_, account, level, size) = arguments::<(u64, u64, u8, i64)>(request)?;
            reply(&marginals_of(state, account, level, size)?)
        }
        SOURCES => reply(&sources_of(state, arguments::<(u64, u32)>(request)?.1)?),
        SESSIONS => reply(&state.underlyings.iter().flatten().map(session_line).collect::<Vec<_>>()),
        other => Err(super::unknown(other)),
    }
}

/// Underlyings that the account is exposed to now, in the order of their ids.
fn exposed(state: &State, account: u32) -> Vec<u32> {
    let mut portfolio = Portfolio::default();
    evaluate(state, account, &Question::at(Level::Maintenance), &mut portfolio);
    let mut found: Vec<u32> = portfolio.exposures.iter().map(|e| e.underlying).collect();
    found.sort_unstable();
    found
}

#[derive(Serialize)]
struct Move {
    /// Signed ppm of all prices of the underlying.
    ppm: i64,
    /// The index there, at the underlying's scale.
    index: i64,
}

#[derive(Serialize)]
struct StateDistance {
    /// 1 yellow, 2 orange, 3 red, 4 black.
    state: u8,
    fall: Option<Move>,
    rise: Option<Move>,
}

#[derive(Serialize)]
struct UnderlyingThresholds {
    underlying: u32,
    name: String,
    index: i64,
    states: Vec<StateDistance>,
}

fn thresholds_of(state: &State, id: u64) -> Result<Vec<UnderlyingThresholds>, String> {
    let account = dense(state, id)?;
    let of = |underlying: u32| {
        let listed = state.known_underlying(underlying);
        let index = listed.price.index();
        let moved = |ppm: i64| Move { ppm, index: small(i128::from(index) * i128::from(PPM + ppm) / i128::from(PPM)) };
        let states = thresholds(state, account, underlying).into_iter().map(|Threshold { state, fall_ppm, rise_ppm }| StateDistance {
            state: state as u8,
            fall: fall_ppm.map(moved),
            rise: rise_ppm.map(moved),
        });
        UnderlyingThresholds { underlying, name: listed.terms.name.clone(), index, states: states.collect() }
    };
    Ok(exposed(state, account).into_iter().map(of).collect())
}

#[derive(Serialize)]
struct MarginalLine {
    market: u32,
    name: String,
    /// Lots tried on each side: the fewest that are worth the size asked for.
    lots: i64,
    /// Their value at the index, micro-dollars.
    notional: i64,
    /// Change of R when they are bought at the index, and when they are sold.
    buy: i64,
    sell: i64,
}

fn marginals_of(state: &State, id: u64, level: u8, size: i64) -> Result<Vec<MarginalLine>, String> {
    let account = dense(state, id)?;
    let level = level_of(level)?;
    if size <= 0 {
        return Err(format!("the size is micro-dollars above zero, not {size}"));
    }
    let mut lines = Vec::new();
    for underlying in exposed(state, account) {
        let listed = state.known_underlying(underlying);
        for &market in listed.perps.iter().chain(&listed.spots) {
            let name = state.known_market(market).terms.name.clone();
            let found = marginal(state, account, market, level, i128::from(size));
            lines.extend(found.map(|m| MarginalLine { market, name, lots: m.lots, notional: small(m.notional), buy: small(m.buy), sell: small(m.sell) }));
        }
    }
    Ok(lines)
}

#[derive(Serialize)]
struct SourceLine {
    source: u32,
    /// Its last price, at the underlying's scale; 0 before the first.
    price: i64,
    venue_time_ns: i64,
    confidence_ppm: u32,
    /// Whether it posted since the listing or the last restart.
    posted: bool,
}

fn sources_of(state: &State, underlying: u32) -> Result<Vec<SourceLine>, String> {
    let listed = state.underlying(underlying).map_err(|_| format!("underlying_must_exist: no underlying has id {underlying}"))?;
    let line = |s: &crate::price::SourceState| SourceLine {
        source: s.id,
        price: s.price(),
        venue_time_ns: s.current().map_or(0, |c| c.venue_time_ns),
        confidence_ppm: s.current().map_or(0, |c| c.confidence_ppm),
        posted: s.posted,
    };
    Ok(listed.price.sources().iter().map(line).collect())
}

#[derive(Serialize)]
struct SessionLine {
    underlying: u32,
    name: String,
    session: u8,
    next_session: u8,
    next_time_ns: i64,
    closure_step_ns: i64,
    closure_ramp_from_ns: i64,
    closure_ramp_to_ns: i64,
    closure_end_ns: i64,
}

fn session_line(listed: &crate::state::Underlying) -> SessionLine {
    let s = &listed.session;
    SessionLine {
        underlying: listed.terms.underlying,
        name: listed.terms.name.clone(),
        session: s.session as u8,
        next_session: s.next_session as u8,
        next_time_ns: s.next_time_ns,
        closure_step_ns: s.closure_step_ns,
        closure_ramp_from_ns: s.closure_ramp_from_ns,
        closure_ramp_to_ns: s.closure_ramp_to_ns,
        closure_end_ns: s.closure_end_ns,
    }
}
