//! What an account surely has above its initial requirement, so that most orders need no evaluation.
//!
//! Responsible for: remembering the excess of the last evaluation, and an upper bound on what an order or a fill of a perp takes
//! from it. While the rest of the bound is not negative the account is green, whatever the evaluation would say exactly: the
//! engine does the same with and without it (`tests/cushion.rs`). Lives beside the state, never in it.

use super::Portfolio;
use crate::account::LiquidityRate;
use crate::state::{Market, State, Underlying};
use crate::units::{Lots, Nanos, PPM, Ticks, Value, div_ceil, narrow, rate_up, scale_up};

/// Units that roundings of one order or fill may take, one a term and corner.
const ROUNDING: Value = 200;

/// One account's.
#[derive(Clone, Copy, Debug, Default)]
struct Cushion {
    left: Value,
    epoch: u64,
}

/// Those of all accounts, by dense index.
#[derive(Clone, Debug, Default)]
pub struct Cushions {
    of: Vec<Cushion>,
    /// What was remembered in an earlier one counts no more.
    epoch: u64,
    /// From then on a session's or an event's factor may differ.
    until_ns: Nanos,
    /// The present command is an order's: what it evaluates lasts.
    keeps: bool,
    /// Never used.
    off: bool,
    /// Orders that were taken without an evaluation.
    pub spared: u64,
}

impl Cushions {
    /// Every order is evaluated from now on: for comparisons.
    pub fn turn_off(&mut self) {
        self.off = true;
    }

    /// A command begins. Whatever is no order of somebody changes the venue: what was remembered counts no more.
    pub fn begin(&mut self, is_order: bool) {
        self.keeps = is_order && !self.off;
        if !is_order {
            self.epoch += 1;
            self.until_ns = 0;
        }
    }

    /// Something else changes this account.
    pub fn forget(&mut self, account: u32) {
        if let Some(cushion) = self.of.get_mut(account as usize) {
            cushion.epoch = 0;
        }
    }

    /// What an account surely has left; `None` when that is not known.
    #[must_use]
    pub fn left(&self, account: u32, now: Nanos) -> Option<Value> {
        let cushion = self.of.get(account as usize).filter(|c| c.epoch == self.epoch && now < self.until_ns)?;
        Some(cushion.left)
    }

    /// Takes the bound of an order or a fill from it.
    pub fn spend(&mut self, account: u32, bound: Value) {
        if let Some(cushion) = self.of.get_mut(account as usize) {
            cushion.left -= bound;
        }
    }

    /// Remembers the excess of an evaluation at initial, orders counted, just made: `portfolio` is its working memory. Only for
    /// an account without tokens that is its owner's only one: what caps admit and which gains count depends on nobody else's
    /// trades then.
    pub fn keep(&mut self, state: &State, account: u32, excess: Value, portfolio: &Portfolio) {
        if !self.keeps || self.epoch == 0 {
            return;
        }
        let holder = &state.accounts[account as usize];
        let alone = state.owners[holder.owner as usize].accounts.len() == 1;
        let plain = portfolio.tokens.is_empty() && portfolio.exposures.iter().all(|e| e.open[0] == 0 && e.open[1] == 0);
        if !alone || !plain || excess <= 0 {
            return self.forget(account);
        }
        if self.until_ns == 0 {
            self.until_ns = steady_until(state);
        }
        if self.of.len() <= account as usize {
            self.of.resize(state.accounts.len(), Cushion::default());
        }
        let crowding: Value = portfolio.exposures.iter().map(|e| most_crowd(state, e.underlying, e.open[2] + e.open[3])).sum();
        self.of[account as usize] = Cushion { left: excess - crowding - ROUNDING, epoch: self.epoch };
    }
}

/// CROWD of open orders at its listed most: it rises with other accounts' open interest.
fn most_crowd(state: &State, underlying: u32, shares: i128) -> Value {
    let listed = state.known_underlying(underlying);
    if shares == 0 || listed.terms.crowd_ppm == 0 { 0 } else { rate_up(dear(listed, shares, listed.price.index()), listed.terms.crowd_ppm) }
}

fn dear(underlying: &Underlying, shares: i128, price: i64) -> Value {
    div_ceil(shares * i128::from(price), underlying.scale())
}

/// When the next listed time comes at which a factor of the initial requirement may change.
fn steady_until(state: &State) -> Nanos {
    let terms = state.prices.terms.as_ref();
    let sessions = state.underlyings.iter().flatten().map(|u| u.session.steady_until(terms, state.now));
    sessions.min().unwrap_or(Nanos::MAX)
}

/// The bound of an account's order at a price for lots, with the fee it may pay in quote units; `None` for spot, and where the
/// order has just raised what getting out of the whole position costs, which was `before`.
#[must_use]
pub fn needed(state: &State, account: u32, market: u32, (price, lots, fee): (Ticks, Lots, i64), before: Option<LiquidityRate>) -> Option<Value> {
    let listed = state.known_market(market);
    let owner = state.accounts[account as usize].owner;
    if !listed.is_perp() || state.liquidity_rate(owner, listed.terms.underlying) != before {
        return None;
    }
    most(state, listed, lots, price, fee)
}

/// The most by which an order for lots of a perp, or its fill, with a fee in quote units, can lower the excess at initial of an
/// account without tokens: every charge on its whole notional at the dearest of the level's prices, the distance of its price
/// from each of them (three times: a stablecoin's own charge and price are bounded by that), the clipped premium, and roundings.
/// `None` where no bound is known.
#[must_use]
pub fn most(state: &State, market: &Market, lots: Lots, price: Ticks, fee: i64) -> Option<Value> {
    let underlying = state.known_underlying(market.terms.underlying);
    let prices = &underlying.price;
    let (long, short) = prices.initial_prices(false);
    let flat = prices.last_external();
    let (low, high) = (long.min(short).min(flat), long.max(short).max(flat));
    if low <= 0 {
        return None;
    }
    let shares = state.shares_of(market, i128::from(lots.unsigned_abs())) + 1;
    let notional = dear(underlying, shares, high);
    let limit = state.quote_value(market, i128::from(price) * i128::from(lots.unsigned_abs()) * i128::from(market.unit));
    let apart = dear(underlying, shares, high - low);
    let away = (notional - limit).max(limit + 1 - underlying.value_down(shares, low)).max(0);
    let fees = -state.quote_value(market, -i128::from(fee));
    Some(rate_up(notional, charge_ppm(state, underlying)?) + 3 * (apart + away + fees) + ROUNDING)
}

/// What one dollar of a perp can ask at most at initial: the worst row, its gap, basis, premium, the cap of the cost of getting
/// out, and CROWD at its most.
fn charge_ppm(state: &State, underlying: &Underlying) -> Option<i64> {
    let (terms, config) = (&underlying.terms, state.config());
    let bucket = state.buckets[terms.bucket as usize].as_ref()?;
    let factor = underlying.session.initial_ppm(&bucket.factors, state.now);
    let lacking = (terms.confidence_floor_ppm - underlying.price.confidence_ppm()).max(0);
    let confidence = PPM + scale_up(terms.confidence_slope_ppm, lacking);
    let shock = scale_up(terms.shock_up_ppm.max(terms.shock_down_ppm), terms.beta_ppm);
    let tail = scale_up(config.tail_shock_ppm, config.tail_weight_ppm).max(PPM);
    let dated = underlying.dated_ppm.iter().map(|m| m.abs()).max().unwrap_or(0);
    let row = scale_up(scale_up(scale_up(shock, tail).max(dated), factor), confidence);
    let event = state.prices.terms.as_ref().map_or(0, |t| underlying.session.least_gap_ppm(t, true, state.now));
    let gap = scale_up(scale_up(scale_up(terms.gap_ppm, factor), confidence).max(event), terms.leverage_ppm);
    narrow(i128::from(row) + i128::from(gap) + 2 * i128::from(terms.basis_ppm) + i128::from(config.liquidity_cap_ppm) + i128::from(terms.crowd_ppm))
}
