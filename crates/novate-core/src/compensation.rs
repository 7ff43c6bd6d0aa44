//! Errors on trades: a trade stands, and the account it harmed is paid (RULES section 6).
//!
//! Responsible for: the treasury's money, and the caps on what is paid. Never takes from an account and never undoes a trade.

use crate::command::{CompensateError, FundTreasury};
use crate::context::Context;
use crate::event::{CompensationReceived, ErrorCompensated, TreasuryFunded};
use crate::ledger::Party;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::units::{SECOND, narrow};

const DAY: i64 = 86_400 * SECOND;
const LONGEST_REASON: usize = 200;

/// `FundTreasury`.
///
/// # Errors
/// 205, 207, 304, 313.
pub fn fund(cx: &mut Context<'_>, c: &FundTreasury) -> Result<(), Refusal> {
    let asset = cx.state.asset(c.asset)?;
    require(asset.is_stablecoin(), Reject::quote_must_be_a_stablecoin.at(1, i64::from(c.asset), 0))?;
    require(c.amount > 0, Reject::amount_must_be_positive.at(2, c.amount, 1))?;
    cx.state.ledger.room_for(c.asset, c.amount)?;

    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, c.asset, Party::Custody, Party::Treasury, c.amount);
    let balance = ledger.venue(Party::Treasury, c.asset);
    cx.tell(&TreasuryFunded { asset: c.asset, amount: c.amount, balance });
    Ok(())
}

/// `CompensateError`: from the treasury to the account, with a public reason. The dollars of all payments on one trade, and of
/// all within one UTC day, are capped, at face and rounded up.
///
/// # Errors
/// 201, 205, 304, 313, 480 to 483.
pub fn compensate(cx: &mut Context<'_>, c: &CompensateError) -> Result<(), Refusal> {
    let account = cx.state.account(c.account)?;
    let asset = cx.state.asset(c.asset)?;
    require(asset.is_stablecoin(), Reject::quote_must_be_a_stablecoin.at(2, i64::from(c.asset), 0))?;
    require(c.amount > 0, Reject::amount_must_be_positive.at(3, c.amount, 1))?;
    require(c.trade >= 1 && c.trade <= cx.state.last_trade, Reject::trade_must_have_happened.at(4, c.trade as i64, cx.state.last_trade as i64))?;
    let plain = (1..=LONGEST_REASON).contains(&c.reason.len()) && c.reason.bytes().all(|b| (0x20..0x7f).contains(&b));
    require(plain, Reject::reason_must_be_stated.at(5, c.reason.len() as i64, LONGEST_REASON as i64))?;
    let paid = narrow(-asset.face(-i128::from(c.amount))).unwrap_or(i64::MAX);
    let (on_trade, today) = capped(cx.state, c.trade, paid)?;
    let there = cx.state.ledger.venue(Party::Treasury, c.asset);
    require(c.amount <= there, Reject::treasury_must_cover_compensation.at(3, c.amount, there))?;

    cx.state.packages.compensated.insert(c.trade, on_trade);
    cx.state.packages.compensated_day = today;
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, c.asset, Party::Treasury, Party::Holder(account), c.amount);
    let balance = accounts[account as usize].balance(c.asset).map_or(0, |b| b.pledged);
    let CompensateError { account: id, asset, amount, trade, reason } = c.clone();
    cx.tell(&ErrorCompensated { account: id, asset, amount, trade, reason });
    cx.tell_account(account, &CompensationReceived { asset, amount, trade, balance });
    cx.touch(account);
    Ok(())
}

/// What will have been paid on the trade, and on which day how much.
fn capped(state: &State, trade: u64, paid: i64) -> Result<(i64, (i64, i64)), Refusal> {
    let (per_trade, per_day) = state.packages.terms.as_ref().map_or((0, 0), |t| (t.compensation_per_trade, t.compensation_per_day));
    let day = state.now.div_euclid(DAY);
    let (last, so_far) = state.packages.compensated_day;
    let today = if last == day { so_far } else { 0 }.saturating_add(paid);
    let on_trade = state.packages.compensated.get(&trade).copied().unwrap_or(0).saturating_add(paid);
    require(on_trade <= per_trade, Reject::compensation_must_stay_below_its_cap.at(3, on_trade, per_trade))?;
    require(today <= per_day, Reject::compensation_must_stay_below_its_cap.at(3, today, per_day))?;
    Ok((on_trade, (day, today)))
}
