//! A halted underlying's perps, settled at a price that two people decided.
//!
//! Responsible for: `SettleHalted` and its cursor. Equal lots of a long and a short close together, so positions sum to zero
//! after every command; results become claims and debts like any closing fill's. A token that a settled perp had matched
//! keeps its value in the halt. Never decides who may send the command: that is governance.

use crate::command::SettleHalted;
use crate::context::Context;
use crate::event::{CancelReason, HaltSettled, HaltSettlementEnded, HaltSettlementStarted};
use crate::perp;
use crate::price::MarkState;
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::state::State;
use crate::state::prices::HaltSettlement;
use crate::trading::cancel_where;
use crate::units::{Lots, Price, Ticks, narrow, pow10, scaled_down};

/// `SettleHalted`.
///
/// # Errors
/// 303, 305, 310, 601, 614, 615.
pub fn settle(cx: &mut Context<'_>, command: &SettleHalted) -> Result<(), Refusal> {
    let listed = cx.state.underlying(command.underlying)?;
    let (asked, terms) = (if command.price == 0 { listed.price.last_external() } else { command.price }, &listed.price_terms);
    let (least, most) = (terms.price_min.max(1), terms.price_max);
    require((least..=most).contains(&asked), Reject::price_must_be_positive_and_plausible.at(2, asked, if asked < least { least } else { most }))?;
    let price = decided(cx.state, command.underlying, asked);
    crate::params::plain_name(&command.reason, 3)?;
    let needed = cx.state.prices.terms.as_ref().map_or(0, |t| t.halt_settle_ns);
    let halted = listed.session.halted_for(cx.state.now);
    let long_enough = listed.session.session == Session::Halted && halted >= needed;
    require(long_enough, Reject::settlement_needs_a_long_halt.at(1, halted, needed))?;
    require(cx.state.prices.settling.is_none(), Reject::settlement_must_not_be_running.at(1, i64::from(command.underlying), 0))?;

    let now = cx.state.now;
    let markets = cx.state.known_underlying(command.underlying).perps.clone();
    cx.state.underlying_mut(command.underlying).price.decide(price, now);
    for &market in &markets {
        cx.state.market_mut(market).mark = MarkState::default();
    }
    let job = HaltSettlement { underlying: command.underlying, price, markets, long: 0, short: 0, accounts: 0, told: [(0, 0); 2] };
    cx.state.prices.settling = Some(job);
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    cx.tell(&HaltSettlementStarted { underlying: command.underlying, price, reason: command.reason.clone() });
    let budget = cx.state.config().sweep_accounts;
    run(cx, budget);
    Ok(())
}

/// The nearest tick of the name's first perp, one at least: a token and the perp against it end at the same price.
fn decided(state: &State, underlying: u32, asked: Price) -> Price {
    let Some(&perp) = state.known_underlying(underlying).perps.first() else { return asked };
    let market = state.known_market(perp);
    market.price_of(market.ticks_of(asked).max(1))
}

/// Continues a running settlement by so many accounts.
pub fn run(cx: &mut Context<'_>, budget: u32) {
    let Some(mut job) = cx.state.prices.settling.take() else { return };
    let mut left = budget;
    while left > 0 {
        let Some(&market) = job.markets.last() else {
            return end(cx, &job);
        };
        if step(cx, &mut job, market, &mut left) {
            job.markets.pop();
            (job.long, job.short) = (0, 0);
        }
    }
    if job.markets.is_empty() {
        return end(cx, &job);
    }
    cx.state.prices.settling = Some(job);
}

fn end(cx: &mut Context<'_>, job: &HaltSettlement) {
    cx.state.prices.settled.insert(job.underlying, job.price);
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    cx.tell(&HaltSettlementEnded { underlying: job.underlying, price: job.price, accounts: job.accounts });
}

/// Finds the next long and the next short and closes what both have; true when the market has no position left.
fn step(cx: &mut Context<'_>, job: &mut HaltSettlement, market: u32, left: &mut u32) -> bool {
    let count = cx.state.accounts.len() as u32;
    while job.long < count && cx.state.accounts[job.long as usize].lots(market) <= 0 {
        cancel_where(cx, job.long, CancelReason::MarketSettled, |m| m == market);
        job.long += 1;
        if spent(left) {
            return false;
        }
    }
    while job.short < count && cx.state.accounts[job.short as usize].lots(market) >= 0 {
        job.short += 1;
        if spent(left) {
            return false;
        }
    }
    if job.long >= count || job.short >= count {
        return job.long >= count;
    }
    free_matched(cx.state, job.short, job.underlying);
    let (longs, shorts) = (cx.state.accounts[job.long as usize].lots(market), -cx.state.accounts[job.short as usize].lots(market));
    let lots = longs.min(shorts);
    let listed = cx.state.known_market(market);
    let price = cx.state.index_ticks(listed);
    for (side, account, closed) in [(0, job.long, -lots), (1, job.short, lots)] {
        let realised = perp::fill(cx, account, market, closed, price, 0);
        job.told[side].0 += closed;
        job.told[side].1 += realised;
        if cx.state.accounts[account as usize].lots(market) == 0 {
            let (lots, realised) = std::mem::take(&mut job.told[side]);
            job.accounts += 1;
            tell(cx, account, market, (lots, realised), price);
        }
    }
    spent(left);
    false
}

fn spent(left: &mut u32) -> bool {
    *left = left.saturating_sub(1);
    *left == 0
}

fn tell(cx: &mut Context<'_>, account: u32, market: u32, (lots, realised): (Lots, i64), price: Ticks) {
    cx.tell_account(account, &HaltSettled { market, lots, price, realised });
}

/// Remembers what an account's short perps match of its tokens before they are gone, in the order of the tokens' ids.
fn free_matched(state: &mut State, account: u32, underlying: u32) {
    let listed = state.known_underlying(underlying);
    let holder = &state.accounts[account as usize];
    let held: i128 = listed.perps.iter().map(|&m| state.shares_of(state.known_market(m), i128::from(holder.lots(m)))).sum();
    let mut short = (-held).max(0);
    for asset in listed.assets.clone() {
        let token = state.known_asset(asset);
        let amount = state.accounts[account as usize].balance(asset).map_or(0, |b| i128::from(b.pledged) + i128::from(b.lent));
        let most = scaled_down(short, pow10(token.terms.decimals) as i64, i128::from(token.terms.multiplier_ppb));
        let matched = most.min(amount.max(0));
        short -= token.shares(matched);
        let matched = narrow(matched).unwrap_or(i64::MAX);
        if matched > 0 {
            let freed = state.prices.freed.entry((asset, account)).or_default();
            *freed = (*freed).max(matched);
        }
    }
}
