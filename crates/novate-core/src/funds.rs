//! Money in and out: deposits, withdrawals, transfers, insurance.
//!
//! Responsible for: checks before a movement and the postings of it. Nothing leaves an account that its portfolio needs.

use crate::codec::Header;
use crate::command::{CollectFees, Deposit, FundInsurance, Hold, Pledge, RequestWithdrawal, SettleWithdrawal, Transfer, VoidWithdrawal, WithdrawTo};
use crate::context::Context;
use crate::eligibility;
use crate::event::{Deposited, FeesCollected, Held, InsuranceFunded, Transferred, WithdrawalQueued, WithdrawalRequested, WithdrawalSettled, WithdrawalVoided};
use crate::ledger::Party;
use crate::limits::restricted;
use crate::margin::{Change, collateral::readmit, liquidity};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::{State, Withdrawal};
use crate::trading::{covered, may_borrow};
use crate::state::governance::{Payout, Power};
use crate::units::{Amount, Nanos, div_floor, narrow};

/// Amounts that move are at least one unit.
///
/// # Errors
/// `amount_must_be_positive`.
pub fn positive(amount: Amount, field: u16) -> Result<(), Refusal> {
    require(amount > 0, Reject::amount_must_be_positive.at(field, amount, 1))
}

/// Posts, and brings what follows from a holder's balance up to date: what counts under the caps, and exit costs.
pub fn post(state: &mut State, asset: u32, debit: Party, credit: Party, amount: Amount) {
    let State { ledger, accounts, .. } = state;
    ledger.post(accounts, asset, debit, credit, amount);
    for party in [debit, credit] {
        if let Party::Holder(account) | Party::Escrow(account) | Party::Lender(account) = party {
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

/// Whether this much of an asset can come in from outside: the ledger has room, and of a token no more than exists there.
///
/// # Errors
/// 207, 909.
pub fn may_arrive(state: &State, asset: u32, amount: Amount, field: u16) -> Result<(), Refusal> {
    state.ledger.room_for(asset, amount)?;
    let Some(issuance) = state.clearing.tokens.get(&asset) else { return Ok(()) };
    let outside = issuance.issued - state.ledger.venue(Party::Custody, asset);
    require(amount <= outside, Reject::deposit_must_be_of_issued_tokens.at(field, amount, outside))
}

/// `Deposit`. What arrived for an owner who may not hold it is theirs, set apart.
///
/// # Errors
/// 201, 205, 207, 208, 304, 909.
pub fn deposit(cx: &mut Context<'_>, header: &Header, command: &Deposit) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 2)?;
    may_arrive(cx.state, command.asset, command.amount, 2)?;
    let last = cx.state.accounts[account as usize].balance(command.asset).map_or(0, |b| b.last_reference);
    require(command.reference > last, Reject::reference_must_be_new.at(3, command.reference as i64, last as i64))?;

    cx.state.accounts[account as usize].balance_mut(command.asset).last_reference = command.reference;
    let eligible = eligibility::may_hold(cx.state, account, command.asset).is_ok();
    let party = if eligible { Party::Holder(account) } else { Party::Held(account) };
    post(cx.state, command.asset, Party::Custody, party, command.amount);
    let balance = pledged(cx.state, account, command.asset);
    cx.tell_account(account, &Deposited { asset: command.asset, amount: command.amount, balance, reference: command.reference });
    if !eligible {
        tell_held(cx, account, command.asset, command.amount);
    }
    cx.touch(account);
    Ok(())
}

/// What every outflow must pass: not frozen, price quality of the token, then either a free balance with enough margin, or
/// (of an asset with a pool) a loan under the borrowing rules.
fn may_leave(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount) -> Result<(), Refusal> {
    let holder = &cx.state.accounts[account as usize];
    require(holder.liquidation.is_none(), Reject::account_must_not_be_frozen)?;
    require(!cx.state.lending.called(account), Reject::call_must_be_answered_before_money_leaves)?;
    let committed = cx.state.liquidation.tranches.get(&account).map(|t| t.release_ns);
    require(committed.is_none(), Reject::tranche_money_must_stay_until_its_notice_has_passed.at(2, amount, committed.unwrap_or(0)))?;
    eligibility::not_frozen(cx.state, account)?;
    let listed = cx.state.asset(asset)?;
    let underlying = listed.terms.underlying;
    let stablecoin = listed.is_stablecoin();
    if !stablecoin {
        let permission = cx.state.known_underlying(underlying).price.permission(Action::Withdraw);
        require(permission == Permission::Yes, Reject::price_quality_forbids_withdrawal.at(1, i64::from(underlying), 0))?;
    }
    if stablecoin {
        gains_stay(cx.state, account, asset, amount)?;
    }
    let free = cx.state.accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::free);
    let settled = free - cx.state.clearing.locked(account, asset);
    require(stablecoin || amount.min(free) <= settled, Reject::tokens_must_be_settled_to_leave.at(2, amount, settled))?;
    let changes = [Change::Balance { asset, amount: -amount }];
    if amount > free {
        let has_pool = cx.state.known_asset(asset).pool.is_some();
        require(has_pool, Reject::amount_must_not_exceed_balance.at(2, amount, free))?;
        return may_borrow(cx, account, asset, amount - free, 0, &changes);
    }
    let idle = !cx.state.accounts[account as usize].has_risk();
    if idle { Ok(()) } else { covered(cx, account, &changes).map(|_| ()) }
}

/// While an account of the venue is black, or not everyone was seen since the last move, perp gains since the last moment
/// without one can't leave: they may have to share its loss.
fn gains_stay(state: &State, account: u32, asset: u32, amount: Amount) -> Result<(), Refusal> {
    let locked = crate::perp::locked_gains(state, account);
    if locked == 0 {
        return Ok(());
    }
    let holder = &state.accounts[account as usize];
    let cash = |b: &crate::account::Balance| state.known_asset(b.asset).is_stablecoin().then(|| state.known_asset(b.asset).face(i128::from(b.pledged)));
    let held: i128 = holder.balances.iter().filter_map(cash).sum();
    let left = held - state.known_asset(asset).face(i128::from(amount)) - locked;
    let refusal = Reject::perp_gains_must_stay_while_an_account_is_black.at(2, amount, crate::units::narrow(locked).unwrap_or(i64::MAX));
    require(left >= 0, refusal)
}

/// `RequestWithdrawal`: out of the balance at once, pending until settled or voided.
///
/// # Errors
/// 201, 205, 206, 210, 304, 503, 504, 607, 702.
pub fn request_withdrawal(cx: &mut Context<'_>, header: &Header, command: &RequestWithdrawal) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    positive(command.amount, 2)?;
    payouts_open(cx.state)?;
    let keeps_book = eligibility::holder(cx.state, account).is_some_and(|h| !h.addresses.is_empty());
    require(!keeps_book, Reject::withdrawal_must_name_an_address)?;
    may_leave(cx, account, command.asset, command.amount)?;
    // Whoever holds them now: tokens minted on unsettled fills do not leave the vault.
    let ledger = &cx.state.ledger;
    let locked = cx.state.clearing.locked_in_all(command.asset);
    let settled = ledger.venue(Party::Custody, command.asset) - ledger.venue(Party::Pending, command.asset) - locked;
    require(locked == 0 || command.amount <= settled, Reject::tokens_must_be_settled_to_leave.at(2, command.amount, settled))?;

    queue(cx, account, command.asset, command.amount, Payout::default());
    Ok(())
}

/// `WithdrawTo`: to an address of the owner's book. What is set apart leaves without a margin check; it backs nothing.
///
/// # Errors
/// As for `RequestWithdrawal`, `address_must_be_usable`, `held_must_cover_pledge`.
pub fn withdraw_to(cx: &mut Context<'_>, header: &Header, command: &WithdrawTo) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 2)?;
    payouts_open(cx.state)?;
    let usable = eligibility::holder(cx.state, account).and_then(|h| h.addresses.get(command.address.as_slice()));
    let ready = usable.is_some_and(|&from| cx.state.now >= from);
    require(ready, Reject::address_must_be_usable.at(3, usable.copied().unwrap_or(0), cx.state.now))?;
    let from_held = command.from_held == 1;
    if from_held {
        eligibility::not_frozen(cx.state, account)?;
        let held = cx.state.accounts[account as usize].balance(command.asset).map_or(0, |b| b.held);
        require(command.amount <= held, Reject::held_must_cover_pledge.at(2, command.amount, held))?;
    } else {
        may_leave(cx, account, command.asset, command.amount)?;
    }

    queue(cx, account, command.asset, command.amount, Payout { address: command.address.to_vec(), from_held, ..Payout::default() });
    Ok(())
}

fn payouts_open(state: &State) -> Result<(), Refusal> {
    require(!restricted(state, Power::Withdrawals, 0), Reject::restriction_must_not_be_in_force.at(0, 0, Power::Withdrawals as i64))
}

/// Takes the amount out, and says when it may be paid: at once below the owner's outflow bucket, after the listed wait above it.
fn queue(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount, payout: Payout) {
    cx.state.last_withdrawal += 1;
    let withdrawal = cx.state.last_withdrawal;
    cx.state.withdrawals.insert(withdrawal, Withdrawal { account, asset, amount });
    let party = if payout.from_held { Party::Held(account) } else { Party::Holder(account) };
    post(cx.state, asset, party, Party::Pending, amount);
    let balance = pledged(cx.state, account, asset);
    cx.tell_account(account, &WithdrawalRequested { withdrawal, asset, amount, balance });
    if payout.from_held {
        tell_held(cx, account, asset, -amount);
    }
    if let Some((outflow, release_ns)) = outflow(cx.state, account, asset, amount) {
        let address = crate::codec::Bytes::from(payout.address.clone());
        cx.state.governance.payouts.insert(withdrawal, Payout { release_ns, amount, ..payout });
        cx.tell_account(account, &WithdrawalQueued { withdrawal, release_ns, outflow, address });
    } else if payout != Payout::default() {
        cx.state.governance.payouts.insert(withdrawal, Payout { amount, ..payout });
    }
    cx.touch(account);
}

/// Fills the owner's bucket, which empties evenly over its window, and returns its level and the time of payment.
fn outflow(state: &mut State, account: u32, asset: u32, amount: Amount) -> Option<(i64, Nanos)> {
    let config = state.governance.config.as_ref()?;
    let (limit, window, wait, now) = (config.outflow_limit, config.outflow_window_ns, config.outflow_wait_ns, state.now);
    let listed = state.known_asset(asset);
    let value = if listed.is_stablecoin() {
        listed.face(i128::from(amount))
    } else {
        let underlying = state.known_underlying(listed.terms.underlying);
        underlying.value_down(listed.shares(i128::from(amount)), underlying.price.index())
    };
    let value = narrow(value).unwrap_or(i64::MAX);
    let holder = state.governance.holders.entry(state.accounts[account as usize].holder).or_default();
    let emptied = div_floor(i128::from(limit) * i128::from(now - holder.outflow_ns), i128::from(window));
    let level = (i128::from(holder.outflow) - emptied).max(0) + i128::from(value);
    holder.outflow = narrow(level).unwrap_or(i64::MAX);
    holder.outflow_ns = now;
    let release_ns = if holder.outflow <= limit { now } else { now.saturating_add(wait) };
    Some((holder.outflow, release_ns))
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
    let release_ns = cx.state.governance.payouts.get(&command.withdrawal).map_or(0, |p| p.release_ns);
    require(cx.state.now >= release_ns, Reject::withdrawal_must_wait_for_its_release.at(1, cx.state.now, release_ns))?;
    payouts_open(cx.state)?;
    cx.state.withdrawals.remove(&command.withdrawal);
    cx.state.governance.payouts.remove(&command.withdrawal);
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
    let from_held = cx.state.governance.payouts.remove(&command.withdrawal).is_some_and(|p| p.from_held);
    let party = if from_held { Party::Held(account) } else { Party::Holder(account) };
    post(cx.state, asset, Party::Pending, party, amount);
    if from_held {
        tell_held(cx, account, asset, amount);
    }
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
    eligibility::may_hold(cx.state, to, command.asset)?;
    may_leave(cx, from, command.asset, command.amount)?;

    post(cx.state, command.asset, Party::Holder(from), Party::Holder(to), command.amount);
    for (account, counterparty, amount) in [(from, command.to, -command.amount), (to, header.account, command.amount)] {
        let balance = pledged(cx.state, account, command.asset);
        cx.tell_account(account, &Transferred { counterparty, asset: command.asset, amount, balance });
        cx.touch(account);
    }
    Ok(())
}

/// `Hold`: out of the portfolio without leaving the venue, under the rule of every outflow.
///
/// # Errors
/// As for a withdrawal, but never on credit.
pub fn hold(cx: &mut Context<'_>, header: &Header, command: &Hold) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 2)?;
    let free = cx.state.accounts[account as usize].balance(command.asset).map_or(0, crate::account::Balance::free);
    require(command.amount <= free, Reject::amount_must_not_exceed_balance.at(2, command.amount, free))?;
    may_leave(cx, account, command.asset, command.amount)?;

    post(cx.state, command.asset, Party::Holder(account), Party::Held(account), command.amount);
    tell_held(cx, account, command.asset, command.amount);
    Ok(())
}

/// `Pledge`: held units back the portfolio again.
///
/// # Errors
/// 201, 205, 304, 1101, 1102, `held_must_cover_pledge`.
pub fn pledge(cx: &mut Context<'_>, header: &Header, command: &Pledge) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 2)?;
    let held = cx.state.accounts[account as usize].balance(command.asset).map_or(0, |b| b.held);
    require(command.amount <= held, Reject::held_must_cover_pledge.at(2, command.amount, held))?;
    eligibility::may_hold(cx.state, account, command.asset)?;

    post(cx.state, command.asset, Party::Held(account), Party::Holder(account), command.amount);
    tell_held(cx, account, command.asset, -command.amount);
    Ok(())
}

fn tell_held(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount) {
    let (balance, held) = cx.state.accounts[account as usize].balance(asset).map_or((0, 0), |b| (b.pledged, b.held));
    cx.tell_account(account, &Held { asset, amount, held, balance });
    cx.touch(account);
}

/// `FundInsurance`.
///
/// # Errors
/// 205, 207, 304, 307, 909.
pub fn fund_insurance(cx: &mut Context<'_>, command: &FundInsurance) -> Result<(), Refusal> {
    cx.state.bucket(command.bucket)?;
    cx.state.asset(command.asset)?;
    positive(command.amount, 3)?;
    may_arrive(cx.state, command.asset, command.amount, 3)?;
    let party = Party::Insurance(command.bucket);
    post(cx.state, command.asset, Party::Custody, party, command.amount);
    let balance = cx.state.ledger.venue(party, command.asset);
    cx.tell(&InsuranceFunded { bucket: command.bucket, asset: command.asset, amount: command.amount, balance });
    Ok(())
}

/// `CollectFees`. Collateral that comes counts under the account's caps like any other.
///
/// # Errors
/// 201, 205, 304, 307, 1044, 1101, 1102.
pub fn collect_fees(cx: &mut Context<'_>, command: &CollectFees) -> Result<(), Refusal> {
    let CollectFees { account, asset, amount } = *command;
    let account = cx.state.account(account)?;
    cx.state.asset(asset)?;
    positive(amount, 3)?;
    let there = cx.state.ledger.venue(Party::Fees, asset);
    require(amount <= there, Reject::fees_must_cover_what_is_collected.at(3, amount, there))?;
    eligibility::may_hold(cx.state, account, asset)?;
    post(cx.state, asset, Party::Fees, Party::Holder(account), amount);
    cx.tell_account(account, &FeesCollected { asset, amount, left: there - amount });
    cx.touch(account);
    Ok(())
}
