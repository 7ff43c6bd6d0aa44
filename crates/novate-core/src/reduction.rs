//! Stage 2: reducing an account through the books until its excess at liquidation-end is not negative, and the budgets of
//! stage 3, the venue-wide speed limit (RULES section 10).
//!
//! Responsible for: choosing slices, their worst price, size and fee, and telling why. A hedged pair goes whole; the
//! requirement never rises on the way. Never decides what follows when nothing reduces; `liquidation` does.

use crate::cash_deficit::means;
use crate::context::Context;
use crate::event::{LiquidationSlice, LiquidationSliceSkipped};
use crate::ladder::{careful, shown};
use crate::ledger::Party;
use crate::margin::portfolio::Corner;
use crate::margin::{Change, Evaluation, Level, Question};
use crate::matching::{self, Taker};
use crate::order::Side;
use crate::price::{Action, Permission};
use crate::state::State;
use crate::units::{Lots, PPM, SECOND, Ticks, Value, div_ceil, div_floor, narrow, rate_down, rate_up};

/// Seconds of trading in a regular session, over which a day's volume is spread.
const SESSION_SECONDS: i128 = 23_400;
/// Seconds of budget that may pile up.
const BURST_SECONDS: i128 = 10;

/// What one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduced {
    /// A slice traded.
    Traded,
    /// The speed limit leaves none now.
    Paced,
    /// A price's quality forbids it now.
    Waits,
    /// No slice lowers the requirement by more than it costs, or none finds depth.
    Nothing,
}

/// Why a slice was not taken; the numbers of `LiquidationSliceSkipped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Skip {
    SpeedLimit = 0,
    NoDepth = 1,
    RequirementWouldRise = 2,
    CostAboveRelief = 3,
    PriceQuality = 4,
}

/// One leg of a slice.
#[derive(Clone, Copy, Debug)]
struct Leg {
    market: u32,
    side: Side,
    lots: Lots,
    worst: Ticks,
}

/// A slice that could be taken.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    leg: Leg,
    /// The other leg of a hedged pair.
    pair: Option<Leg>,
    underlying: u32,
    notional: Value,
    fee: Value,
    relief: Value,
    before: Value,
    /// What was asked before it.
    question: Question<'static>,
}

/// How an account stands before a slice. The slice is judged by the same question.
#[derive(Clone, Copy, Debug)]
struct Before {
    question: Question<'static>,
    end: Evaluation,
    maintenance: Evaluation,
}

/// What one account leaves of every underlying's budget to the others in one command: all but its part of what was there when
/// the command came to the accounts.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    kept: Vec<Value>,
}

impl Pace {
    /// Every budget as it is now.
    #[must_use]
    pub fn budgets(state: &State) -> Vec<Value> {
        state.underlyings.iter().map(|u| u.as_ref().map_or(0, |u| Value::from(u.speed_budget))).collect()
    }

    /// An account's pace, when it is its turn: `share_ppm` of what the budgets were.
    #[must_use]
    pub fn of(state: &State, budgets: &[Value], share_ppm: i64) -> Self {
        let kept = |(now, all): (Value, &Value)| (now - rate_down(*all, share_ppm)).max(0);
        Self { kept: Self::budgets(state).into_iter().zip(budgets).map(kept).collect() }
    }

    /// What the account may still take of an underlying's budget.
    #[must_use]
    pub fn left(&self, state: &State, underlying: u32) -> Value {
        Value::from(state.known_underlying(underlying).speed_budget) - self.kept.get(underlying as usize).copied().unwrap_or(0)
    }
}

/// Fills every underlying's budget: the listed part of a day's volume, spread over a session, a quarter of it while closed.
pub fn fill_budgets(state: &mut State) {
    let now = state.now;
    let (volume_ppm, closed_ppm) = (state.config().liquidation_volume_ppm, state.config().liquidation_closed_ppm);
    for underlying in state.underlyings.iter_mut().flatten() {
        let bounded = underlying.price.permission(Action::Liquidate) == Permission::Bounded;
        let share = if bounded { rate_down(i128::from(volume_ppm), closed_ppm) as i64 } else { volume_ppm };
        let day = rate_down(i128::from(underlying.liquidity.spot_volume.max(underlying.liquidity.perp_volume)), share);
        let most = day * BURST_SECONDS / SESSION_SECONDS;
        let elapsed = i128::from(now - underlying.speed_time_ns);
        let earned = div_floor(day * elapsed, SESSION_SECONDS * i128::from(SECOND));
        let first = underlying.speed_time_ns == 0;
        let budget = if first { most } else { (i128::from(underlying.speed_budget) + earned).min(most) };
        underlying.speed_budget = narrow(budget).unwrap_or(i64::MAX);
        underlying.speed_time_ns = now;
    }
}

/// Takes the best slice there is.
pub fn run(cx: &mut Context<'_>, account: u32, pace: &Pace) -> Reduced {
    match best_candidate(cx, account, pace) {
        Ok(best) if execute(cx, account, &best) => Reduced::Traded,
        Ok(_) => Reduced::Nothing,
        Err(reasons) if reasons.contains(&Skip::SpeedLimit) => Reduced::Paced,
        Err(reasons) if reasons.contains(&Skip::PriceQuality) => Reduced::Waits,
        Err(_) => Reduced::Nothing,
    }
}

/// Whether it is the speed limit alone that leaves no slice.
pub fn is_paced(cx: &mut Context<'_>, account: u32, pace: &Pace) -> bool {
    best_candidate(cx, account, pace).is_err_and(|reasons| reasons.contains(&Skip::SpeedLimit))
}

/// Takes a trade's value out of an underlying's budget.
pub fn spend(state: &mut State, underlying: u32, value: i64) {
    let budget = &mut state.underlying_mut(underlying).speed_budget;
    *budget = budget.saturating_sub(value);
}

/// The slice with the greatest fall of R per cost.
fn best_candidate(cx: &mut Context<'_>, account: u32, pace: &Pace) -> Result<Candidate, Vec<Skip>> {
    let (question, end) = careful(cx, account, Level::LiquidationEnd, true);
    let (_, maintenance) = careful(cx, account, Level::Maintenance, true);
    let before = Before { question, end, maintenance };
    let mut best: Option<Candidate> = None;
    let mut reasons = Vec::new();
    for (leg, pair, underlying) in proposals(cx, account) {
        match weigh(cx, account, (leg, pair, underlying), pace, &before) {
            Ok(found) => {
                let better = best.as_ref().is_none_or(|b| found.relief * (b.fee + 1) > b.relief * (found.fee + 1));
                if better {
                    best = Some(found);
                }
            }
            Err(reason) => {
                reasons.push(reason);
                tell_skip(cx, account, leg, reason);
            }
        }
    }
    best.ok_or(reasons)
}

fn tell_skip(cx: &mut Context<'_>, account: u32, leg: Leg, reason: Skip) {
    let Some(running) = &mut cx.state.accounts[account as usize].liquidation else { return };
    if running.skipped.insert(leg.market, reason as u8) != Some(reason as u8) {
        cx.tell_account(account, &LiquidationSliceSkipped { market: leg.market, reason: reason as u8, lots: leg.lots });
    }
}

/// What could be closed: hedged pairs, unhedged perps, unhedged tokens, borrowed ones too. Sizes are the most that reduces.
fn proposals(cx: &mut Context<'_>, account: u32) -> Vec<(Leg, Option<Leg>, u32)> {
    cx.evaluate_exposures(account, &Question::at(Level::LiquidationEnd));
    let mut found = Vec::new();
    let exposures = cx.scratch.evaluator.portfolio.exposures.clone();
    for exposure in &exposures {
        let listed = cx.state.known_underlying(exposure.underlying);
        let Corner { spot, perp: held, .. } = exposure.corners[0];
        let net = spot + held;
        let (perps, spots) = (listed.perps.clone(), listed.spots.clone());
        for &market in &perps {
            let Some(perp) = perp_leg(cx.state, account, market, None) else { continue };
            let hedges = spot.signum() * held.signum() < 0;
            let free = if hedges { net.abs() } else { held.abs() };
            if net.signum() == held.signum() || spot == 0 {
                found.extend(perp_leg(cx.state, account, market, Some(free)).map(|leg| (leg, None, exposure.underlying)));
            }
            if hedges && (perp.side == Side::Bid) == (spot > 0) {
                found.extend(spots.iter().filter_map(|&spot| pair_legs(cx.state, account, spot, perp)).map(|(s, p)| (s, Some(p), exposure.underlying)));
            }
        }
        if spot != 0 && net.signum() == spot.signum() {
            let free = net.abs().min(spot.abs());
            found.extend(spots.iter().filter_map(|&spot| spot_leg(cx.state, account, spot, free)).map(|leg| (leg, None, exposure.underlying)));
        }
    }
    found
}

fn perp_leg(state: &State, account: u32, market: u32, most_shares: Option<i128>) -> Option<Leg> {
    let held = state.accounts[account as usize].lots(market);
    let listed = state.known_market(market);
    let lots = match most_shares {
        None => held.abs(),
        Some(shares) => held.abs().min(narrow(div_ceil(shares, state.shares_of(listed, 1).max(1)))?),
    };
    (lots > 0).then_some(Leg { market, side: if held > 0 { Side::Ask } else { Side::Bid }, lots, worst: 0 })
}

/// A token that is sold, or a borrowed one that is bought back.
fn spot_leg(state: &State, account: u32, market: u32, most_shares: i128) -> Option<Leg> {
    let listed = state.known_market(market);
    let balance = state.accounts[account as usize].balance(listed.terms.base)?;
    let lot = listed.terms.lot_size;
    let (side, held) = match state.ledger.owed(balance) {
        0 => (Side::Ask, balance.free() / lot),
        owed => (Side::Bid, narrow(div_ceil(i128::from(owed), i128::from(lot)))?),
    };
    let per_lot = state.shares_of(listed, 1).max(1);
    let lots = held.min(narrow(div_ceil(most_shares, per_lot))?);
    (lots > 0).then_some(Leg { market, side, lots, worst: 0 })
}

/// Equal shares on both legs, the lesser of the two, in whole lots of each.
fn pair_legs(state: &State, account: u32, spot: u32, perp: Leg) -> Option<(Leg, Leg)> {
    let perp_market = state.known_market(perp.market);
    let perp_shares = state.shares_of(perp_market, i128::from(perp.lots));
    let leg = spot_leg(state, account, spot, i128::from(i64::MAX))?;
    let shares = state.shares_of(state.known_market(spot), i128::from(leg.lots)).min(perp_shares);
    size_pair(state, leg, perp, shares)
}

fn size_pair(state: &State, spot: Leg, perp: Leg, shares: i128) -> Option<(Leg, Leg)> {
    let spot_lot = state.shares_of(state.known_market(spot.market), 1).max(1);
    let perp_lot = state.shares_of(state.known_market(perp.market), 1).max(1);
    let spot_lots = narrow(div_floor(shares, spot_lot))?.min(spot.lots);
    let perp_lots = narrow(div_floor(i128::from(spot_lots) * spot_lot, perp_lot))?.min(perp.lots);
    (spot_lots > 0 && perp_lots > 0).then_some((Leg { lots: spot_lots, ..spot }, Leg { lots: perp_lots, ..perp }))
}

/// Sizes and prices a proposal, or says why it can't be taken now.
fn weigh(
    cx: &mut Context<'_>,
    account: u32,
    (leg, pair, underlying): (Leg, Option<Leg>, u32),
    pace: &Pace,
    before: &Before,
) -> Result<Candidate, Skip> {
    let listed = cx.state.known_underlying(underlying);
    if listed.price.permission(Action::Liquidate) == Permission::No {
        return Err(Skip::PriceQuality);
    }
    let budget = pace.left(cx.state, underlying);
    let index = cx.state.index_ticks(cx.state.known_market(leg.market));
    let per_lot = notional(cx.state, leg.market, 1, index).max(1) * if pair.is_some() { 2 } else { 1 };
    let affordable = narrow(budget / per_lot).unwrap_or(i64::MAX);
    if affordable <= 0 {
        return Err(Skip::SpeedLimit);
    }
    let wanted = leg.lots.min(affordable);
    let whole = trial(cx, account, leg, pair, wanted, before)?;
    let depth_ppm = cx.state.config().liquidation_depth_ppm;
    let (worst, pair_worst) = worst_prices(cx.state, &whole, before);
    let depth = |leg: &Leg, worst: Ticks, lots: Lots, state: &State| -> Lots {
        let taker = Taker { account, order: 0, market: leg.market, side: leg.side, limit: worst, lots: i64::MAX / 4, self_trade: crate::order::SelfTrade::CancelNewest, liquidation: true };
        let there = matching::fillable(state, &taker);
        lots.min((rate_down(i128::from(there), depth_ppm) as i64).max(there.min(1)))
    };
    let mut lots = depth(&leg, worst, wanted, cx.state);
    if let (Some(pair), Some(pair_worst)) = (whole.pair, pair_worst) {
        let pair_lots = depth(&pair, pair_worst, pair.lots, cx.state);
        let pair_shares = cx.state.shares_of(cx.state.known_market(pair.market), i128::from(pair_lots));
        let lot = cx.state.shares_of(cx.state.known_market(leg.market), 1).max(1);
        lots = lots.min(narrow(pair_shares / lot).unwrap_or(i64::MAX));
    }
    if lots <= 0 {
        return Err(Skip::NoDepth);
    }
    lots = enough(lots, wanted, &before.end, &whole);
    let mut found = trial(cx, account, leg, pair, lots, before)?;
    let (worst, pair_worst) = worst_prices(cx.state, &found, before);
    found.leg.worst = worst;
    if let (Some(pair), Some(worst)) = (&mut found.pair, pair_worst) {
        pair.worst = worst;
    }
    if slippage(cx.state, &found) + found.fee >= found.relief {
        return Err(Skip::CostAboveRelief);
    }
    let highest = dearest(cx, account, &found, |_, leg| leg.worst).max(dearest(cx, account, &found, touch));
    if highest > before.end.requirement { Err(Skip::RequirementWouldRise) } else { Ok(found) }
}

/// The other side's best price: the best that a leg can get.
fn touch(state: &State, leg: &Leg) -> Ticks {
    state.known_market(leg.market).touch(leg.side.opposite()).unwrap_or(leg.worst)
}

/// The requirement after a slice at these prices. Proceeds move the depeg charge, so it is looked at both ends of what the
/// slice may get; in between it is lower, and so it is for every part of the slice.
fn dearest(cx: &mut Context<'_>, account: u32, slice: &Candidate, price: impl Fn(&State, &Leg) -> Ticks) -> Value {
    let legs = [Some(slice.leg), slice.pair];
    let close = |leg: &Leg| Change::Trade { market: leg.market, lots: leg.side.sign() * leg.lots, price: price(cx.state, leg) };
    let changes: Vec<Change> = legs.iter().flatten().map(close).collect();
    cx.evaluate(account, &Question { changes: &changes, ..slice.question }).requirement
}

/// As many lots as bring excess to zero, by the relief and fee of the whole.
fn enough(lots: Lots, whole_lots: Lots, before: &Evaluation, whole: &Candidate) -> Lots {
    let gain = (whole.relief - whole.fee).max(1);
    let needed = div_ceil(-before.excess() * i128::from(whole_lots), gain).max(1);
    lots.min(narrow(needed).unwrap_or(i64::MAX))
}

/// Evaluates closing `lots` at the index.
fn trial(cx: &mut Context<'_>, account: u32, leg: Leg, pair: Option<Leg>, lots: Lots, before: &Before) -> Result<Candidate, Skip> {
    let leg = Leg { lots, ..leg };
    let (leg, pair) = match pair {
        None => (leg, None),
        Some(other) => {
            let shares = cx.state.shares_of(cx.state.known_market(leg.market), i128::from(lots));
            let (leg, other) = size_pair(cx.state, leg, other, shares).ok_or(Skip::NoDepth)?;
            (leg, Some(other))
        }
    };
    let close = |state: &State, leg: &Leg| Change::Trade {
        market: leg.market,
        lots: leg.side.sign() * leg.lots,
        price: state.index_ticks(state.known_market(leg.market)),
    };
    let first = close(cx.state, &leg);
    let changes = [first, pair.map_or(first, |p| close(cx.state, &p))];
    let after = cx.evaluate(account, &Question { changes: &changes[..1 + usize::from(pair.is_some())], ..before.question });
    let relief = before.end.requirement - after.requirement;
    if relief <= 0 {
        return Err(Skip::RequirementWouldRise);
    }
    let size = |leg: &Leg| notional(cx.state, leg.market, leg.lots, cx.state.index_ticks(cx.state.known_market(leg.market)));
    let notional = size(&leg) + pair.as_ref().map_or(0, size);
    let config = cx.state.config();
    let fee = rate_down(notional, config.liquidation_fee_ppm)
        .min(rate_down(relief, config.liquidation_fee_share_ppm))
        .min(rate_down(before.end.equity.max(0), config.liquidation_fee_equity_ppm));
    let underlying = cx.state.known_market(leg.market).terms.underlying;
    Ok(Candidate { leg, pair, underlying, notional, fee, relief, before: before.end.requirement, question: before.question })
}

fn notional(state: &State, market: u32, lots: Lots, price: Ticks) -> Value {
    let listed = state.known_market(market);
    state.notional(listed, price, lots)
}

/// The worst price opens as health falls: a part of the fall in R per dollar, from the listed least part up to the whole
/// when equity is gone, less the fee.
fn worst_prices(state: &State, slice: &Candidate, before: &Before) -> (Ticks, Option<Ticks>) {
    let gone = if before.end.equity <= 0 {
        PPM
    } else {
        PPM - narrow(before.end.equity * i128::from(PPM) / before.maintenance.requirement.max(1)).unwrap_or(PPM).clamp(0, PPM)
    };
    let open_ppm = gone.max(state.config().liquidation_min_tolerance_ppm);
    let room = rate_down(slice.relief - slice.fee, open_ppm).max(0);
    let tolerance_ppm = div_floor(room * i128::from(PPM), slice.notional.max(1)).clamp(0, i128::from(PPM) / 2) as i64;
    let worst = |leg: &Leg| state.ticks_within(leg.market, leg.side, tolerance_ppm);
    (worst(&slice.leg), slice.pair.as_ref().map(worst))
}

/// What the slice loses against the index if every lot fills at the worst price.
fn slippage(state: &State, slice: &Candidate) -> Value {
    let loss = |leg: &Leg| {
        let index = state.index_ticks(state.known_market(leg.market));
        notional(state, leg.market, leg.lots, (index - leg.worst).abs())
    };
    loss(&slice.leg) + slice.pair.as_ref().map_or(0, loss)
}

/// Sends the child orders; true when anything traded.
fn execute(cx: &mut Context<'_>, account: u32, slice: &Candidate) -> bool {
    let filled = send(cx, account, &slice.leg);
    if filled == 0 {
        return false;
    }
    let mut pair_filled = 0;
    if let Some(pair) = &slice.pair {
        let shares = cx.state.shares_of(cx.state.known_market(slice.leg.market), i128::from(filled));
        let lot = cx.state.shares_of(cx.state.known_market(pair.market), 1).max(1);
        let lots = narrow(shares / lot).unwrap_or(0).min(pair.lots);
        pair_filled = if lots > 0 { send(cx, account, &Leg { lots, ..*pair }) } else { 0 };
    }
    let index = cx.state.index_ticks(cx.state.known_market(slice.leg.market));
    let worth = |market: u32, lots: Lots| notional(cx.state, market, lots, cx.state.index_ticks(cx.state.known_market(market)));
    let done = worth(slice.leg.market, filled) + slice.pair.map_or(0, |p| worth(p.market, pair_filled));
    let relief = slice.before - cx.evaluate(account, &slice.question).requirement;
    let fee = charge(cx, account, slice, filled, relief);
    spend(cx.state, slice.underlying, shown(done));
    let after = cx.evaluate(account, &slice.question).requirement;
    debug_assert!(after <= slice.before || slice.pair.is_some(), "a slice never raises the requirement");
    let event = LiquidationSlice {
        market: slice.leg.market,
        pair_market: slice.pair.map_or(0, |p| p.market),
        side: slice.leg.side as u8,
        lots: filled,
        pair_lots: pair_filled,
        worst_price: slice.leg.worst,
        notional: shown(done),
        fee,
        requirement_before: shown(slice.before),
        requirement_after: shown(after),
        index,
    };
    cx.tell_account(account, &event);
    if let Some(running) = &mut cx.state.accounts[account as usize].liquidation {
        running.slices += 1;
        running.notional = running.notional.saturating_add(shown(done));
        running.fees = running.fees.saturating_add(fee);
        running.skipped.remove(&slice.leg.market);
    }
    true
}

fn send(cx: &mut Context<'_>, account: u32, leg: &Leg) -> Lots {
    let lots = leg.lots.min(affordable(cx.state, account, leg));
    let taker = Taker { account, order: 0, market: leg.market, side: leg.side, limit: leg.worst, lots, self_trade: crate::order::SelfTrade::CancelNewest, liquidation: true };
    lots - matching::take(cx, &taker).left
}

/// Lots of a token that the account can pay for at the worst price: with its cash, and what the pool lends for a settlement.
fn affordable(state: &State, account: u32, leg: &Leg) -> Lots {
    let listed = state.known_market(leg.market);
    if listed.is_perp() || leg.side == Side::Ask {
        return i64::MAX;
    }
    let lot = i128::from(leg.worst) * i128::from(listed.unit);
    let dear = lot + rate_up(lot, listed.terms.taker_fee_ppm) + 1;
    narrow(i128::from(means(state, account, listed.terms.quote)) / dear).unwrap_or(i64::MAX)
}

/// The fee for what was filled, to the bucket's insurance: through clearing for a perp, from cash for a token.
/// Never above the listed share of the fall in R that was really reached.
fn charge(cx: &mut Context<'_>, account: u32, slice: &Candidate, filled: Lots, relief: Value) -> i64 {
    let market = cx.state.known_market(slice.leg.market);
    let (quote, bucket, perp) = (market.terms.quote, cx.state.known_underlying(slice.underlying).terms.bucket, market.is_perp());
    let most = rate_down(relief.max(0), cx.state.config().liquidation_fee_share_ppm);
    let share = div_floor(slice.fee * i128::from(filled), i128::from(slice.leg.lots.max(1))).min(most);
    let decimals = crate::units::pow10(cx.state.known_asset(quote).terms.decimals);
    let fee = narrow(share * decimals / 1_000_000).unwrap_or(0);
    if perp {
        let id = slice.leg.market;
        cx.state.accounts[account as usize].position_mut(id).book_result(-fee, 0);
        cx.state.market_mut(id).claims.insurance += fee;
        return shown(share);
    }
    let cash = cx.state.accounts[account as usize].balance(quote).map_or(0, |b| b.pledged.max(0));
    let fee = fee.min(cash);
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, quote, Party::Holder(account), Party::Insurance(bucket), fee);
    shown(rate_up(i128::from(fee) * 1_000_000 / decimals, PPM))
}
