//! Money in and out: deposits, withdrawals, transfers, lending, insurance.
//!
//! Responsible for: checks before a movement and the postings of it. Nothing leaves an account that its portfolio needs.

use crate::codec::Header;
use crate::command::{Deposit, FundInsurance, Lend, Recall, RequestWithdrawal, SettleWithdrawal, Transfer, VoidWithdrawal};
use crate::context::Context;
use crate::event::{Deposited, InsuranceFunded, Lent, Transferred, WithdrawalRequested, WithdrawalSettled, WithdrawalVoided};
use crate::ledger::Party;
use crate::margin::{Change, collateral::readmit, liquidity};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::{State, Withdrawal};
use crate::trading::{covered, may_borrow};
use crate::units::Amount;

fn positive(amount: Amount, field: u16) -> Result<(), Refusal> {
    require(amount > 0, Reject::amount_must_be_positive.at(field, amount, 1))
}

/// Posts, and brings what follows from a holder's balance up to date: what counts under the caps, and exit costs.
fn post(state: &mut State, asset: u32, debit: Party, credit: Party, amount: Amount) {
    let State { ledger, accounts, .. } = state;
    ledger.post(accounts, asset, debit, credit, amount);
    for party in [debit, credit] {
        if let Party::Holder(account) = party {
            readmit(state, account, asset);
            let listed = state.known_asset(asset);
            if !listed.is_stablecoin() {
                let (owner, underlying) = (state.accounts[account as usize].owner, listed.terms.underlying);
                liquidity::store(state, owner, underlying, (0, 0));
            }
        }
    }
}

fn pledged(state: &State, account: u32, asset: u32) -> Amount {
    state.accounts[account as usize].balance(asset).map_or(0, |b| b.pledged)
}

/// `Deposit`.
///
/// # Errors
/// 201, 205, 207, 208, 304.
pub fn deposit(cx: &mut Context<'_>, header: &Header, command: &Deposit) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 2)?;
    cx.state.ledger.room_for(command.asset, command.amount)?;
    let last = cx.state.accounts[account as usize].balance(command.asset).map_or(0, |b| b.last_reference);
    require(command.reference > last, Reject::reference_must_be_new.at(3, command.reference as i64, last as i64))?;

    cx.state.accounts[account as usize].balance_mut(command.asset).last_reference = command.reference;
    post(cx.state, command.asset, Party::Custody, Party::Holder(account), command.amount);
    let balance = pledged(cx.state, account, command.asset);
    cx.tell_account(account, &Deposited { asset: command.asset, amount: command.amount, balance, reference: command.reference });
    cx.touch(account);
    Ok(())
}

/// What every outflow must pass: not frozen, price quality of the token, then either a free balance with enough margin, or
/// (stablecoins) a loan under the borrowing rules.
fn may_leave(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount) -> Result<(), Refusal> {
    let holder = &cx.state.accounts[account as usize];
    require(holder.liquidation.is_none(), Reject::account_must_not_be_frozen)?;
    let listed = cx.state.asset(asset)?;
    let underlying = listed.terms.underlying;
    let stablecoin = listed.is_stablecoin();
    if !stablecoin {
        let permission = cx.state.known_underlying(underlying).price.permission(Action::Withdraw);
        require(permission == Permission::Yes, Reject::price_quality_forbids_withdrawal.at(1, i64::from(underlying), 0))?;
    }
    let free = cx.state.accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::free);
    let changes = [Change::Balance { asset, amount: -amount }];
    if amount > free {
        let has_pool = stablecoin && cx.state.known_asset(asset).pool.is_some();
        require(has_pool, Reject::amount_must_not_exceed_balance.at(2, amount, free))?;
        return may_borrow(cx, account, asset, amount - free, 0, &changes);
    }
    let idle = !cx.state.accounts[account as usize].has_risk();
    if idle { Ok(()) } else { covered(cx, account, &changes).map(|_| ()) }
}

/// `RequestWithdrawal`: out of the balance at once, pending until settled or voided.
///
/// # Errors
/// 201, 205, 206, 210, 304, 503, 504, 607, 702.
pub fn request_withdrawal(cx: &mut Context<'_>, header: &Header, command: &RequestWithdrawal) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    positive(command.amount, 2)?;
    may_leave(cx, account, command.asset, command.amount)?;

    cx.state.last_withdrawal += 1;
    let withdrawal = cx.state.last_withdrawal;
    cx.state.withdrawals.insert(withdrawal, Withdrawal { account, asset: command.asset, amount: command.amount });
    post(cx.state, command.asset, Party::Holder(account), Party::Pending, command.amount);
    let balance = pledged(cx.state, account, command.asset);
    cx.tell_account(account, &WithdrawalRequested { withdrawal, asset: command.asset, amount: command.amount, balance });
    cx.touch(account);
    Ok(())
}

fn pending(state: &State, withdrawal: u64) -> Result<Withdrawal, Refusal> {
    state.withdrawals.get(&withdrawal).copied().ok_or(Reject::withdrawal_must_be_pending.at(1, withdrawal as i64, 0))
}

/// `SettleWithdrawal`.
///
/// # Errors
/// `withdrawal_must_be_pending`, `account_must_not_be_frozen`.
pub fn settle_withdrawal(cx: &mut Context<'_>, command: &SettleWithdrawal) -> Result<(), Refusal> {
    let Withdrawal { account, asset, amount } = pending(cx.state, command.withdrawal)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_frozen)?;
    cx.state.withdrawals.remove(&command.withdrawal);
    post(cx.state, asset, Party::Pending, Party::Custody, amount);
    cx.tell_account(account, &WithdrawalSettled { withdrawal: command.withdrawal, asset, amount });
    Ok(())
}

/// `VoidWithdrawal`.
///
/// # Errors
/// `withdrawal_must_be_pending`.
pub fn void_withdrawal(cx: &mut Context<'_>, command: &VoidWithdrawal) -> Result<(), Refusal> {
    let Withdrawal { account, asset, amount } = pending(cx.state, command.withdrawal)?;
    cx.state.withdrawals.remove(&command.withdrawal);
    post(cx.state, asset, Party::Pending, Party::Holder(account), amount);
    let balance = pledged(cx.state, account, asset);
    cx.tell_account(account, &WithdrawalVoided { withdrawal: command.withdrawal, asset, amount, balance });
    cx.touch(account);
    Ok(())
}

/// `Transfer`.
///
/// # Errors
/// As for a withdrawal, and `transfer_must_change_account`.
pub fn transfer(cx: &mut Context<'_>, header: &Header, command: &Transfer) -> Result<(), Refusal> {
    let from = cx.state.account(header.account)?;
    let to = cx.state.account(command.to)?;
    require(from != to, Reject::transfer_must_change_account.at(1, command.to as i64, 0))?;
    positive(command.amount, 3)?;
    may_leave(cx, from, command.asset, command.amount)?;

    post(cx.state, command.asset, Party::Holder(from), Party::Holder(to), command.amount);
    for (account, counterparty, amount) in [(from, command.to, -command.amount), (to, header.account, command.amount)] {
        let balance = pledged(cx.state, account, command.asset);
        cx.tell_account(account, &Transferred { counterparty, asset: command.asset, amount, balance });
        cx.touch(account);
    }
    Ok(())
}

/// `Lend`: pledged cash becomes a claim on the pool; it still backs the portfolio.
///
/// # Errors
/// 201, 205, 206, 210, 315.
pub fn lend(cx: &mut Context<'_>, header: &Header, command: &Lend) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    pool_of(cx.state, command.asset)?;
    positive(command.amount, 2)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_frozen)?;
    let free = cx.state.accounts[account as usize].balance(command.asset).map_or(0, crate::account::Balance::free);
    require(command.amount <= free, Reject::amount_must_not_exceed_balance.at(2, command.amount, free))?;

    post(cx.state, command.asset, Party::Holder(account), Party::Lender(account), command.amount);
    tell_lent(cx, account, command.asset, command.amount);
    Ok(())
}

/// `Recall`: back into the balance, within what the pool really has.
///
/// # Errors
/// 201, 205, 315, 701, 703.
pub fn recall(cx: &mut Context<'_>, header: &Header, command: &Recall) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    pool_of(cx.state, command.asset)?;
    positive(command.amount, 2)?;
    let lent = cx.state.accounts[account as usize].balance(command.asset).map_or(0, |b| b.lent);
    require(command.amount <= lent, Reject::lent_must_cover_recall.at(2, command.amount, lent))?;
    let available = cx.state.ledger.pool(command.asset).available();
    require(command.amount <= available, Reject::pool_must_have_liquidity.at(2, command.amount, available))?;

    post(cx.state, command.asset, Party::Lender(account), Party::Holder(account), command.amount);
    tell_lent(cx, account, command.asset, -command.amount);
    Ok(())
}

fn tell_lent(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount) {
    let (balance, lent) = cx.state.accounts[account as usize].balance(asset).map_or((0, 0), |b| (b.pledged, b.lent));
    cx.tell_account(account, &Lent { asset, amount, lent, balance });
    cx.touch(account);
}

fn pool_of(state: &State, asset: u32) -> Result<(), Refusal> {
    require(state.asset(asset)?.pool.is_some(), Reject::pool_must_exist.at(1, i64::from(asset), 0))
}

/// `FundInsurance`.
///
/// # Errors
/// 205, 207, 304, 307.
pub fn fund_insurance(cx: &mut Context<'_>, command: &FundInsurance) -> Result<(), Refusal> {
    cx.state.bucket(command.bucket)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 3)?;
    cx.state.ledger.room_for(command.asset, command.amount)?;
    let party = Party::Insurance(command.bucket);
    post(cx.state, command.asset, Party::Custody, party, command.amount);
    let balance = cx.state.ledger.venue(party, command.asset);
    cx.tell(&InsuranceFunded { bucket: command.bucket, asset: command.asset, amount: command.amount, balance });
    Ok(())
}
