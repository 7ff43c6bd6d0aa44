//! Backstop, insurance, auto-deleveraging, loss sharing and recovery: questions 800 to 899.
//!
//! Responsible for: reading, never changing. Every threshold, rank and path can be asked for before it hurts.

use super::{arguments, dense, reply, small};
use crate::backstop::{discount, last_discount};
use crate::deleveraging::Winner;
use crate::limits::open_interest_caps;
use crate::margin::everyone::gather;
use crate::margin::{Level, Portfolio, Question, evaluate};
use crate::own_accounts::unhedged_lots;
use crate::stage::{Cause, Stage, next};
use crate::state::State;
use crate::{bankruptcy, cash_deficit, deleveraging, insurance, perp};
use serde::Serialize;

const STANDING: u64 = 800;
const AUCTIONS: u64 = 801;
const INSURANCE: u64 = 802;
const TRANCHES: u64 = 803;
const OPEN_INTEREST: u64 = 804;
/// Points of a discount's path.
const PATH: i64 = 12;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        STANDING => reply(&standing(state, arguments::<(u64, u64)>(request)?.1)?),
        AUCTIONS => reply(&auctions(state)),
        INSURANCE => reply(&buckets(state)),
        TRANCHES => reply(&tranches(state)),
        OPEN_INTEREST => reply(&open_interest(state)),
        other => Err(super::unknown(other)),
    }
}

/// Where a position stands among those that a deleveraging would ask.
#[derive(Serialize)]
struct Rank {
    market: u32,
    lots: i64,
    unhedged_lots: i64,
    profit: i64,
    /// From 1; 0 when the position has no profit and would not be asked.
    rank: u32,
    of: u32,
}

#[derive(Serialize)]
struct Standing {
    account: u64,
    state: u8,
    stage: u8,
    /// Where the account goes from here when it falls below initial, maintenance, close-out, and zero at close-out.
    next_stages: Vec<u8>,
    /// Excess at initial, liquidation-end, maintenance and close-out; net value at close-out. Micro-dollars.
    excess: Vec<i64>,
    net_value: i64,
    /// Stablecoin and units that are due in cash; 0 and 0 for none.
    cash_due: (u32, i64),
    /// Bucket and micro-dollars of perp loss since the account was last green.
    perp_loss: Vec<(u32, i64)>,
    /// Unsettled perp debts: market and quote units.
    debts: Vec<(u32, i64)>,
    insurance_left_today: i64,
    /// Micro-dollars of perp gains that can't leave while an account is black.
    locked_gains: i64,
    ranks: Vec<Rank>,
    /// Token and units that are first in the redemption queue.
    freed: Vec<(u32, i64)>,
}

fn standing(state: &State, id: u64) -> Result<Standing, String> {
    let index = dense(state, id)?;
    if state.liquidation.terms.is_none() {
        return Err("venue_must_be_configured: ConfigureLiquidation comes first".to_owned());
    }
    let holder = &state.accounts[index as usize];
    let mut portfolio = Portfolio::default();
    let all = Level::ALL.map(|level| evaluate(state, index, &Question::at(level), &mut portfolio));
    let buckets = state.buckets.iter().flatten().map(|b| b.terms.bucket);
    let perp_loss = buckets.map(|b| (b, small((-perp::result_since(state, index, b, |p| p.green_result)).max(0)))).filter(|l| l.1 > 0);
    let due = cash_deficit::due(state, index).map_or((0, 0), |d| (d.asset, d.amount));
    let freed = state.clearing.freed.range((index, 0)..=(index, u32::MAX)).map(|(&(_, asset), &units)| (asset, units));
    let legs: Vec<(u32, i64)> = holder.positions.iter().filter(|p| p.lots != 0).map(|p| (p.market, p.lots.signum())).collect();
    let ranks = ranks(state, index, &legs);
    Ok(Standing {
        account: id,
        state: holder.state as u8,
        stage: holder.stage as u8,
        next_stages: ahead(holder.stage),
        excess: all.iter().map(|e| small(e.excess())).collect(),
        net_value: small(all[Level::CloseOut as usize].equity),
        cash_due: due,
        perp_loss: perp_loss.collect(),
        debts: bankruptcy::debts(state, index),
        insurance_left_today: insurance::left_today(state, index),
        locked_gains: small(perp::locked_gains(state, index)),
        ranks,
        freed: freed.collect(),
    })
}

/// The stages that the four thresholds lead to from here, by the table; where it has no such move, the stage itself.
fn ahead(stage: Stage) -> Vec<u8> {
    let entered = if stage.is_liquidation() { stage } else { Stage::CancelAll };
    let to = |from: Stage, cause: Cause| next(from, cause).unwrap_or(from) as u8;
    vec![to(stage, Cause::BelowInitial), to(entered, Cause::StillOrange), to(entered, Cause::Red), to(entered, Cause::Black)]
}

/// Where an account stands among the winners of the markets it has positions in.
fn ranks(state: &State, account: u32, legs: &[(u32, i64)]) -> Vec<Rank> {
    let won = gather(state, |evaluator, other, found| deleveraging::add_won(state, other, legs, u32::MAX, evaluator, found));
    let mut own: Vec<Option<Winner>> = vec![None; legs.len()];
    won.iter().filter(|w| w.1.account == account).for_each(|&(leg, winner)| own[leg] = Some(winner));
    let begun = |(&(market, _), own): (&(u32, i64), &Option<Winner>)| Rank {
        market,
        lots: state.accounts[account as usize].lots(market),
        unhedged_lots: unhedged_lots(state, account, market),
        profit: own.map_or(0, |own| own.profit),
        rank: u32::from(own.is_some()),
        of: 0,
    };
    let mut found: Vec<Rank> = legs.iter().zip(&own).map(begun).collect();
    for &(leg, winner) in &won {
        found[leg].of += 1;
        found[leg].rank += u32::from(own[leg].is_some_and(|own| winner.by_rank(&own).is_lt()));
    }
    found
}

#[derive(Serialize)]
struct AuctionLine {
    auction: u64,
    account: u64,
    start_ns: i64,
    end_ns: i64,
    discount_ppm: i64,
    sold_ppm: i64,
    /// Time and discount, from the start to the end.
    path: Vec<(i64, i64)>,
    /// Account and micro-dollars of notional it took.
    taken: Vec<(u64, i64)>,
}

fn auctions(state: &State) -> Vec<AuctionLine> {
    let line = |(&account, auction): (&u32, &crate::state::liquidation::Auction)| {
        let terms = state.liquidation.terms();
        let length = auction.end_ns - auction.start_ns;
        let point = |n: i64| auction.start_ns + length / PATH * n + if n == PATH { length % PATH } else { 0 };
        AuctionLine {
            auction: auction.id,
            account: state.accounts[account as usize].id,
            start_ns: auction.start_ns,
            end_ns: auction.end_ns,
            discount_ppm: discount(terms, auction, state.now),
            sold_ppm: auction.sold_ppm,
            path: (0..=PATH).map(|n| (point(n), discount(terms, auction, point(n)))).collect(),
            taken: auction.taken.iter().map(|(&a, &n)| (state.accounts[a as usize].id, n)).collect(),
        }
    };
    state.liquidation.auctions.iter().map(line).collect()
}

#[derive(Serialize)]
struct BucketLine {
    bucket: u32,
    name: String,
    /// Insurance and operator's tranche, micro-dollars at face.
    balance: i64,
    /// The cover-2 shortfall of the last complete sweep, and the two owners it is made of.
    target: i64,
    largest: Vec<(u32, i64)>,
    open_interest_ppm: i64,
    /// Perp gains that would share a loss now, micro-dollars.
    shareable_gains: i64,
}

fn buckets(state: &State) -> Vec<BucketLine> {
    let line = |bucket: &crate::state::Bucket| {
        let id = bucket.terms.bucket;
        let cover = state.liquidation.cover.get(&id).copied().unwrap_or_default();
        let gains = (0..state.accounts.len() as u32).map(|a| perp::shareable_gain(state, a, id)).sum();
        BucketLine {
            bucket: id,
            name: bucket.terms.name.clone(),
            balance: small(insurance::balance(state, id)),
            target: cover.target,
            largest: cover.named.iter().filter(|n| n.0 > 0).map(|&(amount, owner)| (owner, amount)).collect(),
            open_interest_ppm: cover.open_interest_ppm,
            shareable_gains: small(gains),
        }
    };
    state.buckets.iter().flatten().map(line).collect()
}

#[derive(Serialize)]
struct OpenInterestLine {
    market: u32,
    /// Lots long.
    open_interest: i64,
    /// Most lots of the market as it binds now; -1 without a cap.
    cap: i64,
    /// Most micro-dollars of all perps of the underlying as it binds now; -1 without a cap.
    underlying_cap: i64,
    /// What both were multiplied by for the bucket's insurance, ppm.
    open_interest_ppm: i64,
}

fn open_interest(state: &State) -> Vec<OpenInterestLine> {
    let line = |market: &crate::state::Market| {
        let [cap, underlying_cap] = open_interest_caps(state, market).map(|c| c.unwrap_or(-1));
        let bucket = state.known_underlying(market.terms.underlying).terms.bucket;
        let (market, open_interest) = (market.terms.market, market.open_interest);
        OpenInterestLine { market, open_interest, cap, underlying_cap, open_interest_ppm: state.liquidation.open_interest_ppm(bucket) }
    };
    state.markets.iter().flatten().filter(|m| m.is_perp()).map(line).collect()
}

#[derive(Serialize)]
struct TrancheLine {
    account: u64,
    discount_ppm: i64,
    /// The last discount of an auction: a commitment above it would never take.
    last_discount_ppm: i64,
    notional: i64,
    loss: i64,
    loss_limit: i64,
    release_ns: i64,
    exhausted: bool,
}

fn tranches(state: &State) -> Vec<TrancheLine> {
    let mut portfolio = Portfolio::default();
    let mut line = |(&account, tranche): (&u32, &crate::state::liquidation::Tranche)| {
        let equity = evaluate(state, account, &Question::at(Level::Maintenance), &mut portfolio).equity;
        TrancheLine {
            account: state.accounts[account as usize].id,
            discount_ppm: tranche.discount_ppm,
            last_discount_ppm: last_discount(state.liquidation.terms()),
            notional: tranche.notional,
            loss: tranche.equity.saturating_sub(small(equity)),
            loss_limit: tranche.loss_limit,
            release_ns: tranche.release_ns,
            exhausted: tranche.exhausted,
        }
    };
    state.liquidation.tranches.iter().map(&mut line).collect()
}
