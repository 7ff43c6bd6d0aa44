//! Committed lines: room in a pool that an account paid for, at a rate with a ceiling (RULES section 8).
//!
//! Responsible for: selling lines, their fees and their end. The room is kept and the rate capped in the ledger; every loan
//! on a line passes the borrowing rules like others.

use crate::account::Balance;
use crate::codec::Header;
use crate::command::{BuyLine, GiveLineNotice, ListLine};
use crate::context::Context;
use crate::event::{LineEnded, LineListed, LineNoticeGiven, LinePaid};
use crate::ledger::Party;
use crate::lending::pool_of;
use crate::margin::Change;
use crate::params::within;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::lending::Line;
use crate::trading::{covered, pool_lends};
use crate::units::{Amount, HOUR, PPM, narrow, rate_up};

/// `ListLine`.
///
/// # Errors
/// 304, 309, 315, 711, 714.
pub fn list(cx: &mut Context<'_>, command: &ListLine) -> Result<(), Refusal> {
    pool_of(cx.state, command.asset)?;
    require(cx.state.known_asset(command.asset).is_stablecoin(), Reject::lines_are_of_cash.at(1, i64::from(command.asset), 0))?;
    let known = cx.state.lending.line_types.contains_key(&(command.asset, command.line));
    require(!known, Reject::line_must_be_new.at(2, i64::from(command.line), 0))?;
    within(&[
        (2, i64::from(command.line), 1, 1_000),
        (3, command.rate_cap_ppm, 0, 2 * PPM),
        (4, command.fee_ppm, 0, PPM / 10),
        (5, command.notice_ns, HOUR, 365 * 24 * HOUR),
        (6, command.least, 1, crate::params::MOST_LENT),
        (7, command.most, command.least, crate::params::MOST_LENT),
    ])?;
    cx.state.ledger.open_line(command.asset, command.line, command.rate_cap_ppm);
    cx.state.lending.line_types.insert((command.asset, command.line), command.clone());
    cx.tell(&LineListed { asset: command.asset, line: command.line });
    Ok(())
}

/// `BuyLine`: the room is kept from now on; a size of 0 gives the account's line up, without a refund.
///
/// # Errors
/// 201, 206, 210, 304, 315, 503, 701, 702, 705, 706, 708, 710, 712, 713.
pub fn buy(cx: &mut Context<'_>, header: &Header, command: &BuyLine) -> Result<(), Refusal> {
    let BuyLine { asset, line, size } = *command;
    let account = cx.state.account(header.account)?;
    let cap = pool_of(cx.state, asset)?.owner_cap;
    let has = cx.state.lending.lines.contains_key(&(account, asset));
    require(has == (size == 0), Reject::account_must_have_one_line.at(3, size, 0))?;
    if size == 0 {
        end(cx, account, asset, 0);
        return Ok(());
    }
    let terms = cx.state.lending.line_types.get(&(asset, line)).cloned();
    let terms = terms.ok_or(Reject::line_must_be_listed.at(2, i64::from(line), 0))?;
    require((terms.least..=terms.most).contains(&size), Reject::line_must_fit.at(3, size, if size < terms.least { terms.least } else { terms.most }))?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_frozen)?;
    require(!cx.state.lending.called(account), Reject::call_must_be_answered_before_money_leaves)?;
    let balance = cx.state.accounts[account as usize].balance(asset).cloned().unwrap_or_default();
    let fee = fee_of(&terms, size);
    require(fee <= balance.free(), Reject::amount_must_not_exceed_balance.at(3, fee, balance.free()))?;
    let extra = Balance { line: size, ..balance.clone() }.kept() - balance.kept();
    let available = cx.state.ledger.pool(asset).available();
    pool_lends(cx.state, asset, extra, Reject::pool_must_have_liquidity.at(3, extra, available))?;
    let owner = cx.state.accounts[account as usize].owner;
    let stake = |a: &u32| cx.state.accounts[*a as usize].balance(asset).map_or(0, |b| cx.state.ledger.owed(b) + b.kept());
    let by_owner: Amount = cx.state.owners[owner as usize].accounts.iter().map(stake).sum();
    require(by_owner + extra <= cap, Reject::loan_must_stay_within_caps.at(3, by_owner + extra, cap))?;
    if cx.state.accounts[account as usize].has_risk() {
        covered(cx, account, &[Change::Balance { asset, amount: -fee }])?;
    }

    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.with_balance(accounts, account, asset, |b| (b.line, b.line_type) = (size, line));
    let paid_until_ns = cx.state.now;
    cx.state.lending.lines.insert((account, asset), Line { paid_until_ns, ends_ns: 0 });
    pay(cx, account, asset);
    cx.touch(account);
    Ok(())
}

fn fee_of(terms: &ListLine, size: Amount) -> Amount {
    narrow(rate_up(i128::from(size), terms.fee_ppm)).unwrap_or(i64::MAX)
}

/// Pays the pool's reserve for the next period; false when the account has not the cash.
fn pay(cx: &mut Context<'_>, account: u32, asset: u32) -> bool {
    let Some(balance) = cx.state.accounts[account as usize].balance(asset).cloned() else { return false };
    let Some(terms) = cx.state.lending.line_types.get(&(asset, balance.line_type)).cloned() else { return false };
    let (size, line, fee) = (balance.line, balance.line_type, fee_of(&terms, balance.line));
    if fee > balance.free() || cx.state.accounts[account as usize].liquidation.is_some() {
        return false;
    }
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, asset, Party::Holder(account), Party::Reserve, fee);
    let Some(known) = cx.state.lending.lines.get_mut(&(account, asset)) else { return false };
    known.paid_until_ns = known.paid_until_ns.saturating_add(terms.notice_ns);
    let paid_until_ns = known.paid_until_ns;
    cx.tell_account(account, &LinePaid { asset, line, size, fee, paid_until_ns });
    cx.touch(account);
    true
}

/// `GiveLineNotice`: the line ends after the notice of its type; its fees go on until then.
///
/// # Errors
/// 201, 713.
pub fn give_notice(cx: &mut Context<'_>, command: &GiveLineNotice) -> Result<(), Refusal> {
    let account = cx.state.account(command.account)?;
    let asset = command.asset;
    let given = cx.state.lending.lines.get(&(account, asset)).map(|l| l.ends_ns);
    require(given == Some(0), Reject::account_must_have_one_line.at(2, i64::from(asset), given.unwrap_or(0)))?;
    let (size, line) = cx.state.accounts[account as usize].balance(asset).map_or((0, 0), |b| (b.line, b.line_type));
    let notice = cx.state.lending.line_types.get(&(asset, line)).map_or(0, |t| t.notice_ns);
    let ends_ns = cx.state.now.saturating_add(notice);
    if let Some(known) = cx.state.lending.lines.get_mut(&(account, asset)) {
        known.ends_ns = ends_ns;
    }
    cx.tell_account(account, &LineNoticeGiven { asset, line, size, ends_ns });
    Ok(())
}

/// Time passes: lines end after a notice, or go on for another period that is paid.
pub fn advance(cx: &mut Context<'_>) {
    let now = cx.state.now;
    let due: Vec<((u32, u32), Line)> = cx.state.lending.lines.iter().map(|(&k, &l)| (k, l)).filter(|(_, l)| l.paid_until_ns <= now || (l.ends_ns != 0 && l.ends_ns <= now)).collect();
    for ((account, asset), line) in due {
        if line.ends_ns != 0 && line.ends_ns <= now {
            end(cx, account, asset, 1);
        } else if !pay(cx, account, asset) {
            end(cx, account, asset, 2);
        }
    }
}

fn end(cx: &mut Context<'_>, account: u32, asset: u32, reason: u8) {
    let (size, line) = cx.state.accounts[account as usize].balance(asset).map_or((0, 0), |b| (b.line, b.line_type));
    let State { ledger, accounts, lending, .. } = &mut *cx.state;
    ledger.with_balance(accounts, account, asset, |b| (b.line, b.line_type) = (0, 0));
    lending.lines.remove(&(account, asset));
    cx.tell_account(account, &LineEnded { asset, line, size, reason });
    cx.touch(account);
}
