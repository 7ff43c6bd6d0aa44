//! Insurance of a bucket: what it may pay, pays, and gets back (RULES section 10, stage 6).
//!
//! Responsible for: the operator's tranche first, the cap per owner and day, payments into an account and back, and the
//! target: the bucket's cover-2 shortfall. Never decides that an account is bankrupt; `bankruptcy` does.

use crate::command::FundOperatorTranche;
use crate::context::Context;
use crate::event::{InsurancePaid, InsuranceRepaid, InsuranceTargetSet, OperatorTrancheFunded};
use crate::ledger::Party;
use crate::margin::{Level, Question, scenario};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::liquidation::{Cover, Draw};
use crate::units::{Amount, HOUR, PPM, Value, div_ceil, div_floor, narrow, pow10};

const DAY: i64 = 24 * HOUR;

/// Micro-dollars at face as units of a stablecoin, rounded down.
#[must_use]
pub fn units_down(state: &State, asset: u32, value: Value) -> Amount {
    let scaled = value * pow10(state.known_asset(asset).terms.decimals);
    narrow(div_floor(scaled, 1_000_000)).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// Micro-dollars at face as units of a stablecoin, rounded up.
#[must_use]
pub fn units_up(state: &State, asset: u32, value: Value) -> Amount {
    let scaled = value * pow10(state.known_asset(asset).terms.decimals);
    narrow(div_ceil(scaled, 1_000_000)).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// What the operator's tranche and the insurance of a bucket hold in all stablecoins, micro-dollars at face.
#[must_use]
pub fn balance(state: &State, bucket: u32) -> Value {
    let coins = state.assets.iter().flatten().filter(|a| a.is_stablecoin());
    coins.map(|a| a.face(i128::from(there(state, bucket, a.terms.asset)))).sum()
}

fn there(state: &State, bucket: u32, asset: u32) -> Amount {
    let of = |party| state.ledger.venue(party, asset).max(0);
    of(Party::Operator(bucket)).saturating_add(of(Party::Insurance(bucket)))
}

/// What insurance may still pay for an account's owner today, micro-dollars.
#[must_use]
pub fn left_today(state: &State, account: u32) -> i64 {
    let cap = state.liquidation.terms().insurance_group_day_cap;
    let owner = state.accounts[account as usize].owner;
    let today = state.now.div_euclid(DAY);
    let drawn = state.liquidation.draws.get(&owner).filter(|d| d.day == today).map_or(0, |d| d.amount);
    (cap - drawn).max(0)
}

/// A payment of a bucket's insurance into an account, for a leg in `market` (0 for a loan).
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    /// Dense index of the account.
    pub account: u32,
    /// The bucket that pays.
    pub bucket: u32,
    /// The leg's market; 0 for a loan.
    pub market: u32,
    /// Stablecoin.
    pub asset: u32,
    /// Units wanted.
    pub amount: Amount,
}

/// Pays what is wanted, there and still allowed today; returns it. It goes back before the account is let go with more than
/// its requirement.
pub fn pay(cx: &mut Context<'_>, wanted: &Payment) -> Amount {
    let Payment { account, bucket, market, asset, amount } = *wanted;
    let allowed = units_down(cx.state, asset, i128::from(left_today(cx.state, account)));
    let amount = amount.min(allowed).min(there(cx.state, bucket, asset));
    if amount <= 0 {
        return 0;
    }
    let operator = amount.min(cx.state.ledger.venue(Party::Operator(bucket), asset).max(0));
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, asset, Party::Operator(bucket), Party::Holder(account), operator);
    ledger.post(accounts, asset, Party::Insurance(bucket), Party::Holder(account), amount - operator);
    count_draw(cx.state, account, asset, amount);
    if let Some(running) = &mut cx.state.accounts[account as usize].liquidation {
        *running.advanced.entry((bucket, asset)).or_default() += amount;
    }
    let balance = there(cx.state, bucket, asset);
    cx.tell_account(account, &InsurancePaid { bucket, market, asset, amount, operator, balance });
    amount
}

fn count_draw(state: &mut State, account: u32, asset: u32, amount: Amount) {
    let value = narrow(state.known_asset(asset).face(i128::from(amount))).unwrap_or(i64::MAX);
    let (owner, today) = (state.accounts[account as usize].owner, state.now.div_euclid(DAY));
    let draw = state.liquidation.draws.entry(owner).or_default();
    let before = if draw.day == today { draw.amount } else { 0 };
    *draw = Draw { day: today, amount: before.saturating_add(value) };
}

/// Gives back what insurance paid for the account, as far as its excess and free cash reach.
pub fn repay(cx: &mut Context<'_>, account: u32, excess: Value) {
    let Some(running) = &cx.state.accounts[account as usize].liquidation else { return };
    let advanced: Vec<((u32, u32), Amount)> = running.advanced.iter().map(|(&k, &v)| (k, v)).collect();
    let mut left = excess;
    for ((bucket, asset), owed) in advanced {
        let free = cx.state.accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::free);
        let amount = owed.min(free).min(units_down(cx.state, asset, left.max(0)));
        if amount <= 0 {
            continue;
        }
        left -= cx.state.known_asset(asset).face(i128::from(amount));
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, asset, Party::Holder(account), Party::Insurance(bucket), amount);
        let balance = there(cx.state, bucket, asset);
        cx.tell_account(account, &InsuranceRepaid { bucket, asset, amount, balance });
    }
}

/// `FundOperatorTranche`.
///
/// # Errors
/// 205, 207, 304, 307.
pub fn fund_operator_tranche(cx: &mut Context<'_>, command: &FundOperatorTranche) -> Result<(), Refusal> {
    cx.state.bucket(command.bucket)?;
    let asset = cx.state.asset(command.asset)?;
    require(asset.is_stablecoin(), Reject::quote_must_be_a_stablecoin.at(2, i64::from(command.asset), 0))?;
    require(command.amount > 0, Reject::amount_must_be_positive.at(3, command.amount, 1))?;
    cx.state.ledger.room_for(command.asset, command.amount)?;
    let party = Party::Operator(command.bucket);
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, command.asset, Party::Custody, party, command.amount);
    let balance = cx.state.ledger.venue(party, command.asset);
    cx.tell(&OperatorTrancheFunded { bucket: command.bucket, asset: command.asset, amount: command.amount, balance });
    Ok(())
}

/// Continues the sweep that finds every bucket's target, by the listed number of owners. A group's shortfall in a bucket is
/// what the worst listed row, tails in full, would take from it beyond its net value; the target is the sum of the two largest.
pub fn sweep_targets(cx: &mut Context<'_>) {
    let (count, budget) = (cx.state.owners.len() as u32, cx.state.liquidation.terms().cover_owners);
    for _ in 0..budget.min(count) {
        let owner = cx.state.liquidation.cover_cursor;
        if owner >= count {
            finish_targets(cx);
            cx.state.liquidation.cover_cursor = 0;
            return;
        }
        look_at_group(cx, owner);
        cx.state.liquidation.cover_cursor = owner + 1;
    }
}

fn look_at_group(cx: &mut Context<'_>, owner: u32) {
    let buckets: Vec<u32> = cx.state.buckets.iter().flatten().map(|b| b.terms.bucket).collect();
    let mut losses = vec![0; buckets.len()];
    let mut equity = 0;
    for at in 0..cx.state.owners[owner as usize].accounts.len() {
        let account = cx.state.owners[owner as usize].accounts[at];
        if !cx.state.accounts[account as usize].has_risk() {
            continue;
        }
        equity += cx.evaluate_exposures(account, &Question { orders: false, ..Question::at(Level::CloseOut) }).equity;
        for (loss, &bucket) in losses.iter_mut().zip(&buckets) {
            *loss += scenario::stress_loss(cx.state, &cx.scratch.evaluator.portfolio, bucket);
        }
    }
    let id = cx.state.owners[owner as usize].id;
    for (loss, bucket) in losses.into_iter().zip(buckets) {
        let shortfall = narrow((loss - equity.max(0)).max(0)).unwrap_or(i64::MAX);
        let largest = &mut cx.state.liquidation.cover.entry(bucket).or_default().largest;
        if loss > 0 && shortfall > largest[0].0 {
            *largest = [(shortfall, id), largest[0]];
        } else if loss > 0 && shortfall > largest[1].0 {
            largest[1] = (shortfall, id);
        }
    }
}

fn finish_targets(cx: &mut Context<'_>) {
    let floor = cx.state.liquidation.terms().open_interest_floor_ppm;
    let buckets: Vec<u32> = cx.state.liquidation.cover.keys().copied().collect();
    for bucket in buckets {
        let balance = narrow(balance(cx.state, bucket)).unwrap_or(i64::MAX);
        let cover = cx.state.liquidation.cover.entry(bucket).or_default();
        let target = cover.largest[0].0.saturating_add(cover.largest[1].0);
        let open_interest_ppm = open_interest_factor(balance, target, floor);
        let changed = (cover.target, cover.open_interest_ppm) != (target, open_interest_ppm);
        *cover = Cover { target, balance, open_interest_ppm, largest: [(0, 0); 2], named: cover.largest };
        if changed {
            cx.tell(&InsuranceTargetSet { bucket, target, balance, open_interest_ppm });
        }
    }
}

/// What open-interest caps are multiplied by: the balance's part of the target, not below the listed floor, at most 1.
#[must_use]
pub fn open_interest_factor(balance: i64, target: i64, floor_ppm: i64) -> i64 {
    if target <= 0 {
        return PPM;
    }
    let part = i128::from(balance.max(0)) * i128::from(PPM) / i128::from(target);
    narrow(part).unwrap_or(PPM).clamp(floor_ppm, PPM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_shrink_with_the_part_of_the_target_that_is_there() {
        assert_eq!(open_interest_factor(0, 0, 250_000), PPM);
        assert_eq!(open_interest_factor(50, 100, 250_000), 500_000);
        assert_eq!(open_interest_factor(10, 100, 250_000), 250_000);
        assert_eq!(open_interest_factor(i64::MAX, 1, 0), PPM);
        assert_eq!(open_interest_factor(-5, 100, 0), 0);
    }
}
