//! Why a requirement is what it is: the binding row in words, and a signed contribution per position that sums to R exactly.
//!
//! Responsible for: telling, from the same evaluation that production uses. Never computes a requirement of its own.

use super::portfolio::{Exposure, Portfolio};
use super::scenario::{Binding, GridRow, gap_of, scenario_parts};
use super::{Change, Evaluation, Level, Question, evaluate};
use crate::account::AccountState;
use crate::state::State;
use crate::units::{PPM, Value, div_ceil, div_floor, rate_down, rate_up};
use serde::Serialize;

/// Part of the requirement that one position makes; negative where it hedges others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contribution {
    /// `token`, `perp`, `cash` or `orders`.
    pub kind: &'static str,
    /// Asset, market, asset or underlying.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Signed value of the position, micro-dollars.
    pub value: i64,
    /// Signed part of R, micro-dollars.
    pub amount: i64,
}

/// The binding row as people say it.
#[must_use]
pub fn binding_words(state: &State, binding: Binding) -> String {
    let part = |ppm: i64| match ppm.abs() {
        PPM => "its full shock".to_owned(),
        part => format!("{}.{} % of its shock", part / 10_000, part % 10_000 / 1_000),
    };
    let direction = |ppm: i64| if ppm < 0 { "falls" } else { "rises" };
    match binding {
        Binding::None => "no exposure to a scenario".to_owned(),
        Binding::Dated { index } => format!("dated row {}", state.dated_rows[index as usize].date),
        Binding::Grid { bucket, row } => {
            let name = state.bucket(bucket).map_or_else(|_| bucket.to_string(), |b| b.terms.name.clone());
            match row {
                GridRow::Parallel { fraction_ppm } => format!("{name}: every name {} by {}", direction(fraction_ppm), part(fraction_ppm)),
                GridRow::Tail { fraction_ppm } => format!("{name}: tail, every name {} by {}", direction(fraction_ppm), part(fraction_ppm)),
                GridRow::Rotation { sector, rises } => {
                    format!("{name}: sector {sector} {}, the others the other way", if rises { "up" } else { "down" })
                }
            }
        }
    }
}

/// Splits `total` by non-negative weights: shares rounded down, the rest to the largest remainders, then the first.
#[must_use]
pub fn allocate(total: Value, weights: &[Value]) -> Vec<Value> {
    let sum: Value = weights.iter().sum();
    if sum == 0 {
        let mut all = vec![0; weights.len()];
        if let Some(first) = all.first_mut() {
            *first = total;
        }
        return all;
    }
    let mut shares: Vec<Value> = weights.iter().map(|w| div_floor(total * w, sum)).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| (-(total * weights[i]).rem_euclid(sum), i));
    let left = total - shares.iter().sum::<Value>();
    for &i in order.iter().take(left as usize) {
        shares[i] += 1;
    }
    shares
}

/// One leg of the account while its parts are collected.
struct Leg {
    kind: &'static str,
    id: u32,
    slot: usize,
    value: Value,
    stressed: Value,
    flat: Value,
}

/// The changes that are no orders: what a requirement without orders is made of.
#[must_use]
pub fn without_orders(changes: &[Change]) -> Vec<Change> {
    changes.iter().filter(|c| !matches!(c, Change::Order { .. })).copied().collect()
}

/// Contributions of every position under a question; they sum to the requirement of the same question.
#[must_use]
pub fn contributions(state: &State, account: u32, question: &Question<'_>, whole: &Evaluation) -> Vec<Contribution> {
    let mut portfolio = Portfolio::default();
    let held = without_orders(question.changes);
    let bare = Question { orders: false, changes: &held, ..*question };
    let without = evaluate(state, account, &bare, &mut portfolio);
    let mut legs = legs_of(&portfolio);
    spread_scenarios(state, &portfolio, &without, &mut legs);
    spread_gaps(state, &portfolio, &without, &mut legs);
    for (slot, exposure) in portfolio.exposures.iter().enumerate() {
        spread_basis(state, exposure, slot, &mut legs);
        spread_liquidity(exposure, slot, &mut legs);
    }
    scale(&mut legs, question.level.factor_ppm(state));
    let orders = whole.requirement - without.requirement;
    let mut told: Vec<Contribution> = legs.iter().map(|leg| tell(state, leg)).collect();
    if orders != 0 {
        let mut with_orders = Portfolio::default();
        evaluate(state, account, question, &mut with_orders);
        let open = |e: &Exposure| e.open.iter().map(|s| s.abs() * i128::from(e.flat_price)).sum::<Value>();
        let weights: Vec<Value> = with_orders.exposures.iter().map(open).collect();
        for (exposure, amount) in with_orders.exposures.iter().zip(allocate(orders, &weights)) {
            if amount != 0 {
                told.push(tell(state, &Leg { kind: "orders", id: exposure.underlying, slot: 0, value: 0, stressed: 0, flat: amount }));
            }
        }
    }
    told
}

fn legs_of(portfolio: &Portfolio) -> Vec<Leg> {
    let none = usize::MAX;
    let tokens = portfolio.tokens.iter().map(|t| Leg { kind: "token", id: t.asset, slot: t.slot, value: t.value, stressed: t.wrap, flat: t.charge });
    let perps = portfolio.perps.iter().map(|p| Leg { kind: "perp", id: p.market, slot: p.slot, value: perp_value(portfolio, p.slot, p.shares), stressed: 0, flat: 0 });
    let cash = portfolio.cash.iter().map(|c| Leg { kind: "cash", id: c.asset, slot: none, value: c.value, stressed: c.depeg, flat: c.charge });
    tokens.chain(perps).chain(cash).collect()
}

fn perp_value(portfolio: &Portfolio, slot: usize, shares: i128) -> Value {
    let corner = &portfolio.exposures[slot].corners[0];
    if corner.perp == 0 { 0 } else { div_floor(corner.f * shares, corner.perp) }
}

/// Adds `amount` to the legs of an exposure in proportion to their signed values; hedging legs get the other sign.
fn spread_signed(legs: &mut [Leg], slot: usize, amount: Value) {
    let net: Value = legs.iter().filter(|l| l.slot == slot).map(|l| l.value).sum();
    let mut left = amount;
    for leg in legs.iter_mut().filter(|l| l.slot == slot && net != 0) {
        let part = div_floor(amount * leg.value * net.signum(), net.abs());
        leg.stressed += part;
        left -= part;
    }
    if let Some(first) = legs.iter_mut().find(|l| l.slot == slot) {
        first.stressed += left;
    }
}

fn spread_scenarios(state: &State, portfolio: &Portfolio, whole: &Evaluation, legs: &mut [Leg]) {
    let mut parts = scenario_parts(state, portfolio, whole.binding);
    let rest = whole.terms.sr - parts.iter().sum::<Value>();
    if let Some(largest) = parts.iter_mut().max_by_key(|p| p.abs()) {
        *largest += rest;
    }
    for (slot, part) in parts.into_iter().enumerate() {
        spread_signed(legs, slot, part);
    }
}

fn spread_gaps(state: &State, portfolio: &Portfolio, whole: &Evaluation, legs: &mut [Leg]) {
    let full: Vec<u32> = portfolio.groups.iter().take(2).map(|g| g.1).collect();
    let mut left = whole.terms.gap;
    let mut last = None;
    for (slot, exposure) in portfolio.exposures.iter().enumerate() {
        let x = gap_of(exposure);
        let part = if full.contains(&exposure.gap_group) { x } else { rate_down(x, state.config().gap_sum_ppm) };
        left -= part;
        spread_signed(legs, slot, part);
        if x > 0 && !full.contains(&exposure.gap_group) {
            last = Some(slot);
        }
    }
    if let Some(slot) = last {
        spread_signed(legs, slot, left);
    }
}

fn spread_basis(state: &State, exposure: &Exposure, slot: usize, legs: &mut [Leg]) {
    let net = Exposure::basis_is_net(state, state.known_underlying(exposure.underlying));
    let sign = exposure.corners[0].e.signum();
    let members: Vec<usize> = (0..legs.len()).filter(|&i| legs[i].slot == slot).collect();
    let weights: Vec<Value> = members.iter().map(|&i| legs[i].value.abs() - if net { sign * legs[i].value } else { 0 }).collect();
    for (&i, amount) in members.iter().zip(allocate(exposure.basis(state), &weights)) {
        legs[i].stressed += amount;
    }
}

fn spread_liquidity(exposure: &Exposure, slot: usize, legs: &mut [Leg]) {
    let corner = &exposure.corners[0];
    for (kind, value, rate) in [("token", corner.s, exposure.spot_rate_ppm), ("perp", corner.f, exposure.perp_rate_ppm)] {
        let members: Vec<usize> = (0..legs.len()).filter(|&i| legs[i].slot == slot && legs[i].kind == kind).collect();
        let weights: Vec<Value> = members.iter().map(|&i| legs[i].value.abs()).collect();
        for (&i, amount) in members.iter().zip(allocate(rate_up(value.abs(), rate), &weights)) {
            legs[i].flat += amount;
        }
    }
}

/// Applies lambda so that the parts still sum to the rounded-up whole.
fn scale(legs: &mut [Leg], factor_ppm: i64) {
    let total: Value = legs.iter().map(|l| l.stressed).sum();
    let target = rate_up(total, factor_ppm);
    let scaled: Vec<Value> = legs.iter().map(|l| rate_down(l.stressed, factor_ppm)).collect();
    let mut order: Vec<usize> = (0..legs.len()).collect();
    order.sort_by_key(|&i| (-(legs[i].stressed * i128::from(factor_ppm)).rem_euclid(i128::from(PPM)), i));
    let left = target - scaled.iter().sum::<Value>();
    for (leg, part) in legs.iter_mut().zip(scaled) {
        leg.stressed = part;
    }
    for &i in order.iter().take(left.max(0) as usize) {
        legs[i].stressed += 1;
    }
}

fn tell(state: &State, leg: &Leg) -> Contribution {
    let name = match leg.kind {
        "perp" => state.known_market(leg.id).terms.name.clone(),
        "orders" => format!("orders {}", state.known_underlying(leg.id).terms.name),
        _ => state.known_asset(leg.id).terms.name.clone(),
    };
    let small = |v: Value| crate::units::narrow(v).unwrap_or(i64::MAX);
    Contribution { kind: leg.kind, id: leg.id, name, value: small(leg.value), amount: small(leg.stressed + leg.flat) }
}

/// Smallest move of one underlying, ppm, that takes excess at a level below zero: (fall, rise); `None` where none up to
/// -99 % and +300 % does. Cold path: a scan and a bisection over the production evaluation.
#[must_use]
pub fn distance(state: &State, account: u32, underlying: u32, level: Level) -> (Option<i64>, Option<i64>) {
    first_moves(state, account, underlying, level, |found| found.excess() < 0)
}

/// How far a state of the ladder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Yellow to black.
    pub state: AccountState,
    /// Smallest fall that leads there, negative ppm.
    pub fall_ppm: Option<i64>,
    /// Smallest rise that leads there, ppm.
    pub rise_ppm: Option<i64>,
}

/// Yellow, orange, red and black: the smallest move of one underlying's prices that leads there, all else unchanged. An account
/// that is there already has 0 on both sides.
#[must_use]
pub fn thresholds(state: &State, account: u32, underlying: u32) -> [Threshold; 4] {
    let levels = [Level::Initial, Level::Maintenance, Level::CloseOut, Level::CloseOut];
    let states = [AccountState::Yellow, AccountState::Orange, AccountState::Red, AccountState::Black];
    std::array::from_fn(|at| {
        let there = |found: &Evaluation| match states[at] {
            AccountState::Black => found.equity < 0,
            _ => found.excess() < 0,
        };
        let (fall_ppm, rise_ppm) = first_moves(state, account, underlying, levels[at], there);
        Threshold { state: states[at], fall_ppm, rise_ppm }
    })
}

fn first_moves(
    state: &State,
    account: u32,
    underlying: u32,
    level: Level,
    there: impl Fn(&Evaluation) -> bool,
) -> (Option<i64>, Option<i64>) {
    let mut portfolio = Portfolio::default();
    let mut reached = |ppm: i64| {
        let question = Question { shift: (ppm != 0).then_some((underlying, ppm)), ..Question::at(level) };
        there(&evaluate(state, account, &question, &mut portfolio))
    };
    if reached(0) {
        return (Some(0), Some(0));
    }
    let mut first = |step: i64, end: i64| {
        let (mut near, mut far) = (0, step);
        while !reached(far) {
            if far == end {
                return None;
            }
            near = far;
            far = if step < 0 { (far + step).max(end) } else { (far + step).min(end) };
        }
        while (far - near).abs() > 100 {
            let middle = near + (far - near) / 2;
            if reached(middle) {
                far = middle;
            } else {
                near = middle;
            }
        }
        Some(far)
    };
    (first(-20_000, -990_000), first(20_000, 3_000_000))
}

/// What a little more of one market would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marginal {
    /// Lots tried.
    pub lots: i64,
    /// Their value at the index, micro-dollars.
    pub notional: Value,
    /// Change of R when they are bought at the index.
    pub buy: Value,
    /// Change of R when they are sold at the index.
    pub sell: Value,
}

/// The marginal requirement in one market: R after buying, and after selling, the fewest lots worth `size` micro-dollars, less R
/// now. A unit alone would drown in rounding; both sides, because the rule has corners. `None` before the market has an index.
#[must_use]
pub fn marginal(state: &State, account: u32, market: u32, level: Level, size: Value) -> Option<Marginal> {
    let listed = state.known_market(market);
    let price = state.index_ticks(listed);
    let per_lot = state.quote_value(listed, i128::from(price) * i128::from(listed.unit));
    if per_lot <= 0 {
        return None;
    }
    let lots = crate::units::narrow(div_ceil(size, per_lot))?;
    let mut portfolio = Portfolio::default();
    let mut requirement = |signed: i64| {
        let trade = [Change::Trade { market, lots: signed, price }];
        let question = Question { changes: &trade[..usize::from(signed != 0)], ..Question::at(level) };
        evaluate(state, account, &question, &mut portfolio).requirement
    };
    let now = requirement(0);
    Some(Marginal { lots, notional: per_lot * i128::from(lots), buy: requirement(lots) - now, sell: requirement(-lots) - now })
}
