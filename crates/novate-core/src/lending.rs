//! Lending: pools and their minutes, and lenders (RULES section 8).
//!
//! Responsible for: opening a pool, its rate and ticks, lending and recalling, and moving claims. Who bears a loan that
//! nothing is left to pay stands in `shortfall`. Never decides whether an account may borrow (`trading::may_borrow` does) and never charges an account:
//! interest comes into a balance when the ledger touches it.

use crate::account::Balance;
use crate::codec::Header;
use crate::command::{ConfigureLending, FundPool, Lend, ListPool, Recall};
use crate::context::Context;
use crate::event::{InterestPaid, LendingConfigured, Lent, LentLossBorne, LentTransferred, PoolFunded, PoolRateChanged};
use crate::funds::{may_arrive, positive, post};
use crate::ledger::Party;
use crate::margin::{Change, Level, Question};
use crate::params::{self, MOST_LENT};
use crate::pool::{INDEX, rate_at, utilisation_ppm};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::trading::funded;
use crate::units::{Amount, Nanos, SECOND, narrow};
use std::collections::BTreeMap;

/// One tick.
const MINUTE: Nanos = 60 * SECOND;

/// `ConfigureLending`.
///
/// # Errors
/// 303, 309, 317.
pub fn configure(cx: &mut Context<'_>, command: &ConfigureLending) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.lending.terms.is_none(), Reject::configuration_must_not_change_after_listing)?;
    params::check_lending(command)?;
    cx.state.lending.terms = Some(command.clone());
    cx.tell(&LendingConfigured {});
    Ok(())
}

/// The terms of an asset's pool.
///
/// # Errors
/// 304, 315.
pub fn pool_of(state: &State, asset: u32) -> Result<&ListPool, Refusal> {
    state.asset(asset)?.pool.as_ref().ok_or(Reject::pool_must_exist.at(1, i64::from(asset), 0))
}

/// `FundPool`.
///
/// # Errors
/// 205, 207, 304, 315, 707, 909.
pub fn fund(cx: &mut Context<'_>, command: &FundPool) -> Result<(), Refusal> {
    let FundPool { asset, amount } = *command;
    let to_lock = pool_of(cx.state, asset)?.locked_deposit - cx.state.ledger.venue(Party::Locked, asset);
    positive(amount, 2)?;
    fits(cx.state, asset, amount)?;
    may_arrive(cx.state, asset, amount, 2)?;
    let State { ledger, accounts, .. } = &mut *cx.state;
    let locked = amount.min(to_lock.max(0));
    ledger.lock(accounts, asset, locked);
    ledger.post(accounts, asset, Party::Custody, Party::Reserve, amount - locked);
    let (locked, reserve) = (ledger.venue(Party::Locked, asset), ledger.venue(Party::Reserve, asset));
    cx.tell(&PoolFunded { asset, amount, locked, reserve });
    Ok(())
}

fn fits(state: &State, asset: u32, amount: Amount) -> Result<(), Refusal> {
    let pool = state.ledger.pool(asset);
    let after = i128::from(pool.due()) + i128::from(pool.own.max(0)) + i128::from(amount);
    require(after <= i128::from(MOST_LENT), Reject::pool_must_stay_within_its_size.at(2, amount, MOST_LENT))
}

// ---- rate and time ----

/// Used part of a pool, ppm: loans, room kept for orders and committed lines, of what lenders and the reserve have.
#[must_use]
pub fn utilisation(state: &State, asset: u32) -> i64 {
    let (pool, ledger) = (state.ledger.pool(asset), &state.ledger);
    let used = i128::from(ledger.owed_in_all(asset)) + i128::from(pool.reserved);
    utilisation_ppm(used, i128::from(pool.due()) + i128::from(ledger.venue(Party::Reserve, asset)))
}

/// Yearly rate of a pool at its utilisation now.
#[must_use]
pub fn rate(state: &State, pool: &ListPool) -> i64 {
    rate_at(pool.rate_ppm, &pool.utilisation_ppm, &pool.rates_ppm, utilisation(state, pool.asset))
}

/// The minutes that ended since the last command of time: one tick each, at the rate that the tick before left, for at most
/// as many minutes as configured; the rest follows with the next `AdvanceTime`.
pub fn advance(cx: &mut Context<'_>) {
    let now = cx.state.now.div_euclid(MINUTE);
    let most = i64::from(cx.state.lending.terms.as_ref().map_or(0, |t| t.ticks_per_command));
    if cx.state.lending.minute == 0 {
        cx.state.lending.minute = now;
    }
    let minutes = (now - cx.state.lending.minute).min(most);
    if minutes <= 0 {
        return;
    }
    cx.state.lending.minute += minutes;
    let pools: Vec<ListPool> = cx.state.assets.iter().flatten().filter_map(|a| a.pool.clone()).collect();
    for pool in &pools {
        for _ in 0..minutes {
            tick(cx.state, pool);
        }
        tell_rate(cx, pool);
        watch(cx, pool);
    }
}

/// Above the venue's limit for as long as configured: the pool takes no new loans until it is below again.
fn watch(cx: &mut Context<'_>, pool: &ListPool) {
    let (now, used) = (cx.state.now, utilisation(cx.state, pool.asset));
    let Some(terms) = &cx.state.lending.terms else { return };
    let (limit, after) = (terms.call_above_ppm, terms.call_after_ns);
    let known = cx.state.lending.pools.entry(pool.asset).or_default();
    known.above_since_ns = match known.above_since_ns {
        _ if used <= limit => 0,
        0 => now,
        since => since,
    };
    known.closed = known.above_since_ns != 0 && now - known.above_since_ns >= after;
}

fn tick(state: &mut State, pool: &ListPool) {
    let rate_ppm = rate(state, pool);
    let State { ledger, accounts, .. } = state;
    ledger.tick(accounts, pool.asset, rate_ppm, pool.reserve_ppm);
}

fn tell_rate(cx: &mut Context<'_>, pool: &ListPool) {
    let (asset, rate_ppm) = (pool.asset, rate(cx.state, pool));
    let known = cx.state.lending.pools.entry(asset).or_default();
    if known.told_rate_ppm == rate_ppm {
        return;
    }
    known.told_rate_ppm = rate_ppm;
    let totals = cx.state.ledger.pool(asset);
    let utilisation_ppm = utilisation(cx.state, asset);
    cx.tell(&PoolRateChanged { asset, utilisation_ppm, rate_ppm, borrow_index: totals.borrow_index, supply_index: totals.supply_index });
}

/// Tells accounts of the interest that the command brought into their balances.
pub fn tell_interest(cx: &mut Context<'_>) {
    for (account, asset, amount, lent) in cx.state.ledger.take_realised() {
        let held = cx.state.accounts[account as usize].balance(asset).map_or((0, 0), |b| (b.pledged, b.lent));
        if lent && amount < 0 {
            cx.tell_account(account, &LentLossBorne { asset, amount: -amount, lent: held.1 });
        } else {
            cx.tell_account(account, &InterestPaid { asset, amount, balance: if lent { held.1 } else { held.0 } });
        }
    }
}

/// The hour's settlement reached an account: its interest comes into its balances.
pub fn bring_up(state: &mut State, account: u32) {
    for at in 0..state.accounts[account as usize].balances.len() {
        let Balance { asset, pledged, lent, .. } = state.accounts[account as usize].balances[at];
        if pledged < 0 || lent > 0 {
            let State { ledger, accounts, .. } = state;
            ledger.bring_up(accounts, account, asset);
        }
    }
}

/// A settlement starts: by how much the borrow index of each pool grew since the last one.
pub fn unsettled_growth(state: &mut State) -> BTreeMap<u32, (i64, i64)> {
    let State { ledger, lending, assets, .. } = state;
    let pools = assets.iter().flatten().filter(|a| a.pool.is_some()).map(|a| a.terms.asset);
    let grown = |asset: u32| {
        let index = ledger.pool(asset).borrow_index;
        let known = lending.pools.entry(asset).or_default();
        let from = if known.settled_index == 0 { INDEX } else { known.settled_index };
        known.settled_index = index;
        (asset, (from, index))
    };
    pools.map(grown).collect()
}

/// What the reserve has beyond its target goes to the insurance that bears losses before it, as far as it is really there.
pub fn pay_insurance(state: &mut State) {
    let pools: Vec<(u32, u32, Amount)> = state.assets.iter().flatten().filter_map(|a| a.pool.as_ref()).map(|p| (p.asset, p.insurance_bucket, p.reserve_target)).collect();
    for (asset, bucket, target) in pools {
        let beyond = state.ledger.venue(Party::Reserve, asset) - target;
        let paid = beyond.min(state.ledger.pool(asset).available());
        if paid > 0 {
            let State { ledger, accounts, .. } = state;
            ledger.post(accounts, asset, Party::Reserve, Party::Insurance(bucket), paid);
        }
    }
}

/// A settlement left this of a debt unpaid, or nothing.
pub fn note_unsettled(state: &mut State, account: u32, market: u32, unpaid: Amount) {
    let now = state.now;
    if unpaid > 0 {
        state.lending.unsettled.entry((account, market)).or_insert(now);
    } else {
        state.lending.unsettled.remove(&(account, market));
    }
}

// ---- lenders ----

/// `Lend`: a pledged balance becomes a claim on the pool; it still backs the portfolio, with its own charge.
///
/// # Errors
/// 201, 205, 206, 210, 304, 315, 501, 705, 707.
pub fn lend(cx: &mut Context<'_>, header: &Header, command: &Lend) -> Result<(), Refusal> {
    let Lend { asset, amount } = *command;
    let account = cx.state.account(header.account)?;
    let pool = pool_of(cx.state, asset)?;
    funded(cx.state, pool, 1)?;
    positive(amount, 2)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_frozen)?;
    let free = cx.state.accounts[account as usize].balance(asset).map_or(0, Balance::free);
    require(amount <= free, Reject::amount_must_not_exceed_balance.at(2, amount, free))?;
    fits(cx.state, asset, amount)?;
    let excess = cx.evaluate(account, &Question { changes: &[Change::Lend { asset, amount }], ..Question::at(Level::Initial) }).excess();
    let idle = !cx.state.accounts[account as usize].has_risk();
    let shown = narrow(excess).unwrap_or(i64::MIN);
    require(idle || excess >= 0, Reject::excess_at_initial_must_not_be_negative.at(2, shown, 0))?;

    post(cx.state, asset, Party::Holder(account), Party::Lender(account), amount);
    tell_lent(cx, account, asset, amount);
    Ok(())
}

/// `Recall`: back into the balance, within what the pool really has.
///
/// # Errors
/// 201, 205, 304, 315, 701, 703.
pub fn recall(cx: &mut Context<'_>, header: &Header, command: &Recall) -> Result<(), Refusal> {
    let Recall { asset, amount } = *command;
    let account = cx.state.account(header.account)?;
    pool_of(cx.state, asset)?;
    positive(amount, 2)?;
    let lent = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| cx.state.ledger.claim(b));
    require(amount <= lent, Reject::lent_must_cover_recall.at(2, amount, lent))?;
    // Who waits comes first.
    let available = (cx.state.ledger.pool(asset).available() - cx.state.lending.waiting(asset)).max(0);
    require(amount <= available, Reject::pool_must_have_liquidity.at(2, amount, available))?;

    post(cx.state, asset, Party::Lender(account), Party::Holder(account), amount);
    tell_lent(cx, account, asset, -amount);
    Ok(())
}

/// An account's claim on a pool grew by `amount` out of its balance, or came back into it.
pub fn tell_lent(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount) {
    let (balance, lent) = cx.state.accounts[account as usize].balance(asset).map_or((0, 0), |b| (b.pledged, b.lent));
    cx.tell_account(account, &Lent { asset, amount, lent, balance });
    cx.touch(account);
}

/// Moves a lent claim from one account to another, as far as it goes; how a liquidator gets hold of one, since the pool may
/// have nothing to return. Returns what moved.
pub fn transfer_lent(cx: &mut Context<'_>, from: u32, to: u32, asset: u32, amount: Amount) -> Amount {
    let claim = cx.state.accounts[from as usize].balance(asset).map_or(0, |b| cx.state.ledger.claim(b));
    let moved = amount.min(claim).max(0);
    if moved == 0 || from == to {
        return 0;
    }
    post(cx.state, asset, Party::Lender(from), Party::Lender(to), moved);
    for (account, other, amount) in [(from, to, -moved), (to, from, moved)] {
        let counterparty = cx.state.accounts[other as usize].id;
        let lent = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| b.lent);
        cx.tell_account(account, &LentTransferred { counterparty, asset, amount, lent });
        cx.touch(account);
    }
    moved
}

/// What a liquidator does first with an account's claims: they pay the account's own loan from the same pool, which takes
/// nothing out of it, and what the pool really has comes back into the balance.
pub fn bring_home(cx: &mut Context<'_>, account: u32) {
    let lent: Vec<u32> = cx.state.accounts[account as usize].balances.iter().filter(|b| b.lent > 0).map(|b| b.asset).collect();
    for asset in lent {
        let Some(balance) = cx.state.accounts[account as usize].balance(asset) else { continue };
        let claim = cx.state.ledger.claim(balance);
        let owed = cx.state.ledger.owed(balance).min(claim);
        let there = cx.state.ledger.pool(asset).available() - cx.state.lending.waiting(asset);
        let back = owed + (claim - owed).min(there).max(0);
        if back > 0 {
            post(cx.state, asset, Party::Lender(account), Party::Holder(account), back);
            tell_lent(cx, account, asset, -back);
        }
    }
}
