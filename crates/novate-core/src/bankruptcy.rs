//! What a black account's legs are closed at, and stage 6: insurance pays to it (RULES section 10).
//!
//! Responsible for: the deficit, its split into perp loss and loan shortfall, each leg's amount and bankruptcy price, and who
//! pays what of it. Never closes a position; `deleveraging` does.

use crate::cash_deficit::market_of;
use crate::context::Context;
use crate::event::{BankruptcyPriced, LoanDeficitAbsorbed};
use crate::insurance::{self, Payment, units_down, units_up};
use crate::ladder::careful;
use crate::margin::explain::{allocate, contributions};
use crate::margin::{Evaluation, Level, Question};
use crate::{perp, shortfall};
use crate::price::{Action, Permission};
use crate::state::State;
use crate::units::{Amount, Lots, Value, div_ceil, div_floor, div_nearest, narrow};

/// A perp leg of a black account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Market.
    pub market: u32,
    /// Signed lots.
    pub lots: Lots,
    /// What the leg is worth at the maintenance price with its clipped premium, as net value counts it: signed quote units.
    pub worth: i64,
    /// What it gets against that, quote units: the deficit's part that falls on it.
    pub amount: i64,
    /// What of that insurance has not paid.
    pub open: i64,
}

/// A black account's case.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// How far net value at close-out is below zero, micro-dollars.
    pub deficit: Value,
    /// The part that is perp loss since the account was last green, micro-dollars; the rest is a loan shortfall.
    pub perp_loss: Value,
    /// Perp loss since last green by bucket, micro-dollars.
    pub losses: Vec<(u32, Value)>,
    /// Perp legs, ascending by market.
    pub legs: Vec<Leg>,
}

/// Splits `total` by weights: each part rounded down, the last one gets the remainder.
#[must_use]
pub fn to_legs(total: Value, weights: &[Value]) -> Vec<Value> {
    let sum: Value = weights.iter().sum();
    let mut left = total;
    let mut parts: Vec<Value> = weights.iter().map(|w| if sum == 0 { 0 } else { div_floor(total * w, sum) }).collect();
    if let Some((last, rest)) = parts.split_last_mut() {
        left -= rest.iter().sum::<Value>();
        *last = left;
    }
    parts
}

/// Whether every perp leg may be closed at its price's quality now.
#[must_use]
pub fn may_close(state: &State, account: u32) -> bool {
    let legs = state.accounts[account as usize].positions.iter().filter(|p| p.lots != 0);
    legs.map(|p| state.known_market(p.market).terms.underlying)
        .all(|u| state.known_underlying(u).price.permission(Action::Liquidate) != Permission::No)
}

/// Works out the case. Reads the account at close-out as the liquidator must see it.
pub fn open(cx: &mut Context<'_>, account: u32) -> Case {
    let (question, _) = careful(cx, account, Level::CloseOut, false);
    // The scratch space must hold the legs of the question that counts.
    let whole = cx.evaluate_exposures(account, &question);
    let mut case = Case { deficit: (-whole.equity).max(0), ..Case::default() };
    case.losses = losses(cx.state, account);
    case.legs = legs(cx, account);
    if case.deficit == 0 || case.legs.is_empty() {
        return case;
    }
    let lost: Value = case.losses.iter().map(|l| l.1).sum();
    case.perp_loss = case.deficit.min(lost);
    let weights = weights(cx.state, account, &question, &whole, &case.legs);
    let values = to_legs(case.perp_loss, &weights);
    for (leg, value) in case.legs.iter_mut().zip(values) {
        leg.amount = units_up(cx.state, cx.state.known_market(leg.market).terms.quote, value);
        leg.open = leg.amount;
    }
    case
}

/// Perp loss since the account was last green, by bucket.
fn losses(state: &State, account: u32) -> Vec<(u32, Value)> {
    let buckets = state.buckets.iter().flatten().map(|b| b.terms.bucket);
    buckets.map(|b| (b, (-perp::result_since(state, account, b, |p| p.green_result)).max(0))).filter(|l| l.1 > 0).collect()
}

/// The perp legs of the evaluation in the scratch space.
fn legs(cx: &Context<'_>, account: u32) -> Vec<Leg> {
    let held = |market: u32| cx.state.accounts[account as usize].lots(market);
    let mut legs: Vec<Leg> = Vec::new();
    for leg in cx.scratch.evaluator.portfolio.perps.iter().filter(|p| held(p.market) != 0) {
        let worth = leg.cost + i128::from(units_down(cx.state, leg.quote, leg.result));
        legs.push(Leg { market: leg.market, lots: leg.lots, worth: narrow(worth).unwrap_or(0), amount: 0, open: 0 });
    }
    legs.sort_unstable_by_key(|l| l.market);
    legs
}

/// Each leg's non-negative share of R at close-out; all zero: its dollars.
fn weights(state: &State, account: u32, question: &Question<'_>, whole: &Evaluation, legs: &[Leg]) -> Vec<Value> {
    let parts = contributions(state, account, question, whole);
    let part = |leg: &Leg| parts.iter().filter(|p| p.kind == "perp" && p.id == leg.market).map(|p| Value::from(p.amount.max(0))).sum();
    let found: Vec<Value> = legs.iter().map(part).collect();
    if found.iter().any(|&w| w > 0) {
        return found;
    }
    legs.iter().map(|l| Value::from(l.worth).abs().max(1)).collect()
}

/// Stage 6: tells each leg's bankruptcy price; every bucket's insurance pays its part, pro rata to the perp loss since last
/// green; the loan shortfall is absorbed. What is still open stands in the legs.
pub fn insure(cx: &mut Context<'_>, account: u32, case: &mut Case) {
    for leg in case.legs.iter().filter(|l| l.amount > 0) {
        tell_price(cx, account, leg);
    }
    let by_bucket = allocate(case.perp_loss, &case.losses.iter().map(|l| l.1).collect::<Vec<_>>());
    for (at, part) in by_bucket.into_iter().enumerate() {
        let bucket = case.losses[at].0;
        let open: Vec<Value> = case.legs.iter().map(|l| Value::from(l.amount)).collect();
        for (leg, share) in case.legs.iter_mut().zip(allocate(part, &open)) {
            let asset = cx.state.known_market(leg.market).terms.quote;
            let amount = units_up(cx.state, asset, share).min(leg.open);
            leg.open -= insurance::pay(cx, &Payment { account, bucket, market: leg.market, asset, amount });
        }
    }
    let rest = case.deficit - case.perp_loss;
    let rest = rest - absorb_debts(cx, account, rest);
    absorb_loan(cx, account, rest);
}

/// Unsettled perp debts of the account, ascending by market: market and quote units.
#[must_use]
pub fn debts(state: &State, account: u32) -> Vec<(u32, Amount)> {
    state.accounts[account as usize].positions.iter().filter(|p| p.owed < 0).map(|p| (p.market, p.debt())).collect()
}

/// What is missing without a leg, or beyond the perp loss, and is still an unsettled perp debt: the insurance of its bucket
/// pays first. Returns what was paid, micro-dollars.
fn absorb_debts(cx: &mut Context<'_>, account: u32, value: Value) -> Value {
    let mut paid_value = 0;
    for (market, debt) in debts(cx.state, account) {
        let listed = cx.state.known_market(market);
        let (asset, bucket) = (listed.terms.quote, cx.state.known_underlying(listed.terms.underlying).terms.bucket);
        let amount = debt.min(units_up(cx.state, asset, value - paid_value));
        let paid = insurance::pay(cx, &Payment { account, bucket, market, asset, amount });
        paid_value += cx.state.known_asset(asset).face(i128::from(paid));
    }
    paid_value
}

fn tell_price(cx: &mut Context<'_>, account: u32, leg: &Leg) {
    let unit = i128::from(cx.state.known_market(leg.market).unit);
    let lots = i128::from(leg.lots);
    let per_lot = |worth: i64| narrow(div_nearest(i128::from(worth) * lots.signum(), lots.abs() * unit)).unwrap_or(0);
    let (maintenance_price, bankruptcy_price) = (per_lot(leg.worth), per_lot(leg.worth.saturating_add(leg.amount)));
    cx.tell_account(account, &BankruptcyPriced { market: leg.market, lots: leg.lots, maintenance_price, bankruptcy_price, amount: leg.amount });
}

/// The fewest lots of a leg whose closing at the bankruptcy price makes up for what is still open.
#[must_use]
pub fn lots_for(leg: &Leg) -> Lots {
    if leg.amount == 0 {
        return 0;
    }
    let lots = div_ceil(i128::from(leg.lots.abs()) * i128::from(leg.open), i128::from(leg.amount));
    narrow(lots).unwrap_or(i64::MAX).min(leg.lots.abs())
}

/// A loan shortfall, ascending by asset; a token's at the price that the deficit was found at.
fn absorb_loan(cx: &mut Context<'_>, account: u32, value: Value) {
    let mut left = value;
    let (question, _) = careful(cx, account, Level::CloseOut, false);
    for at in 0..cx.state.accounts[account as usize].balances.len() {
        let balance = &cx.state.accounts[account as usize].balances[at];
        let (asset, owed) = (balance.asset, cx.state.ledger.owed(balance));
        if left <= 0 || owed == 0 {
            continue;
        }
        // The scratch space must hold the prices of the question that counts.
        cx.evaluate_exposures(account, &question);
        let underlying = cx.state.known_asset(asset).terms.underlying;
        let price = cx.scratch.evaluator.portfolio.exposures.iter().find(|e| e.underlying == underlying).map_or(0, |e| e.corners[0].price);
        left -= cash_for_tokens(cx, account, asset, left.min(shortfall::worth_of(cx.state, asset, price, owed)));
        let amount = owed.min(shortfall::units_of(cx.state, asset, price, left));
        let absorbed = shortfall::absorb(cx, account, asset, amount);
        left -= shortfall::worth_of(cx.state, asset, price, absorbed);
        if absorbed > 0 {
            cx.tell_account(account, &LoanDeficitAbsorbed { asset, amount: absorbed });
        }
    }
}

/// For a loan of tokens insurance pays cash, which buys them; returns its value. Nothing for a loan of cash.
fn cash_for_tokens(cx: &mut Context<'_>, account: u32, asset: u32, value: Value) -> Value {
    let listed = cx.state.known_asset(asset);
    let (Some(pool), Some(market), false) = (&listed.pool, market_of(cx.state, asset), listed.is_stablecoin()) else { return 0 };
    let (bucket, coin) = (pool.insurance_bucket, cx.state.known_market(market).terms.quote);
    let amount = units_up(cx.state, coin, value.max(0));
    let paid = insurance::pay(cx, &Payment { account, bucket, market: 0, asset: coin, amount });
    cx.state.known_asset(coin).face(i128::from(paid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_leg_gets_the_remainder() {
        assert_eq!(to_legs(100, &[1, 1, 1]), [33, 33, 34]);
        assert_eq!(to_legs(7, &[0, 0]), [0, 7]);
        assert_eq!(to_legs(0, &[3, 4]), [0, 0]);
        assert_eq!(to_legs(5, &[]), Vec::<Value>::new());
    }

    #[test]
    fn only_as_many_lots_as_the_open_part_needs() {
        let leg = Leg { market: 1, lots: -10, worth: -1_000, amount: 100, open: 100 };
        assert_eq!(lots_for(&leg), 10);
        assert_eq!(lots_for(&Leg { open: 31, ..leg }), 4);
        assert_eq!(lots_for(&Leg { open: 0, ..leg }), 0);
        assert_eq!(lots_for(&Leg { amount: 0, open: 0, ..leg }), 0);
    }
}
