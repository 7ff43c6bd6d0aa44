//! Cash calls and called loans: money that an account must bring by a deadline, whatever its excess (RULES section 8).
//!
//! Responsible for: making, answering, ending and ageing calls. What is overdue starts stage 4 (`cash_deficit`, `liquidation`)
//! or, for a token, a purchase for the account (`stock_loans`). Never sells anything.

use crate::context::Context;
use crate::event::{CallEnded, CashCallMade, CashCallOverdue, CashCallPaid, LoanCallOverdue, LoanCalled};
use crate::lending::utilisation;
use crate::ledger::Party;
use crate::margin::explain::allocate;
use crate::session::Session;
use crate::settlement::{overdue, pay_debt};
use crate::state::State;
use crate::state::lending::{CallReason, CashCall, LoanCall};
use crate::units::{Amount, PPM, Value, div_floor, narrow};

/// What is open of a cash call: the debt that settlements left unpaid, at most what was called.
#[must_use]
pub fn open_cash(state: &State, account: u32, market: u32) -> Amount {
    let unpaid = overdue(state, account, market);
    state.lending.cash_calls.get(&(account, market)).map_or(0, |c| unpaid.min(c.amount))
}

/// What is open of a called loan, by index.
#[must_use]
pub fn open_loan(state: &State, account: u32, asset: u32) -> Amount {
    let Some(call) = state.lending.loan_calls.get(&(account, asset)) else { return 0 };
    (outside_line(state, account, asset) - call.keep).max(0)
}

/// The part of a loan that is outside the account's committed line: only it can be called.
#[must_use]
pub fn outside_line(state: &State, account: u32, asset: u32) -> Amount {
    state.accounts[account as usize].balance(asset).map_or(0, |b| state.ledger.owed_outside(b))
}

/// The first overdue call of an account that stablecoins answer: the stablecoin and what is open.
#[must_use]
pub fn overdue_cash(state: &State, account: u32) -> Option<(u32, Amount)> {
    let of = (account, 0)..=(account, u32::MAX);
    let cash = state.lending.cash_calls.range(of.clone()).filter(|c| c.1.overdue);
    let mut cash = cash.map(|(&(_, market), _)| {
        let (coin, open) = (state.known_market(market).terms.quote, open_cash(state, account, market));
        (coin, if open == 0 { 0 } else { open.saturating_add(in_the_way(state, account, coin)) })
    });
    let loans = state.lending.loan_calls.range(of).filter(|c| c.1.overdue && state.known_asset(c.0.1).is_stablecoin());
    let mut loans = loans.map(|(&(_, asset), _)| (asset, open_loan(state, account, asset)));
    cash.find(|c| c.1 > 0).or_else(|| loans.find(|l| l.1 > 0))
}

/// What proceeds repay before they answer a cash call: the loan where the pool takes no new one, else what is beyond its
/// owner's cap.
fn in_the_way(state: &State, account: u32, coin: u32) -> Amount {
    let owed = state.accounts[account as usize].balance(coin).map_or(0, |b| state.ledger.owed(b));
    let terms = state.known_asset(coin).pool.as_ref().filter(|_| !state.lending.closed(coin));
    terms.map_or(owed, |terms| (state.owed_by_group(account, coin) - terms.owner_cap).clamp(0, owed))
}

/// Accounts with an overdue call, ascending.
#[must_use]
pub fn overdue_accounts(state: &State) -> Vec<u32> {
    let cash = state.lending.cash_calls.iter().filter(|c| c.1.overdue).map(|c| c.0.0);
    let loans = state.lending.loan_calls.iter().filter(|c| c.1.overdue).map(|c| c.0.0);
    let mut found: Vec<u32> = cash.chain(loans).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Assets that answer a cash call in a stablecoin: itself, then the tokens that sell for it, in the order of their sale.
#[must_use]
pub fn accepted(state: &State, coin: u32) -> Vec<i64> {
    let sells = |m: &&crate::state::Market| !m.is_perp() && m.terms.quote == coin;
    let mut tokens: Vec<(u32, u32)> = state.markets.iter().flatten().filter(sells).map(|m| (state.known_asset(m.terms.base).terms.sale_rank, m.terms.base)).collect();
    tokens.sort_unstable();
    tokens.dedup();
    std::iter::once(coin).chain(tokens.into_iter().map(|t| t.1)).map(i64::from).collect()
}

/// What an account has goes to its calls: its cash and what the pool lends for a settlement to a cash call; a loan call ends
/// when the loan is as small as it must be.
pub fn answer(cx: &mut Context<'_>, account: u32) {
    let of = (account, 0)..=(account, u32::MAX);
    let markets: Vec<u32> = cx.state.lending.cash_calls.range(of.clone()).map(|c| c.0.1).collect();
    for market in markets {
        let asset = cx.state.known_market(market).terms.quote;
        let open = open_cash(cx.state, account, market);
        let at = cx.state.accounts[account as usize].positions.partition_point(|p| p.market < market);
        let paid = if open > 0 { pay_debt(cx.state, account, at, market, asset, open) } else { 0 };
        if paid > 0 {
            cx.state.lending.set_overdue(account, market, cx.state.lending.overdue(account, market) - paid);
            cx.tell_account(account, &CashCallPaid { market, asset, amount: paid, left: open - paid });
        }
        if paid == open {
            cx.state.lending.cash_calls.remove(&(account, market));
            cx.state.lending.unsettled.remove(&(account, market));
            cx.tell_account(account, &CallEnded { call_kind: 0, reason: 0, market, asset });
        } else if let Some(call) = cx.state.lending.cash_calls.get_mut(&(account, market)) {
            call.amount = open - paid;
        }
    }
    let assets: Vec<u32> = cx.state.lending.loan_calls.range(of).map(|c| c.0.1).collect();
    for asset in assets {
        if open_loan(cx.state, account, asset) == 0 {
            end_loan_call(cx, account, asset, 0);
        }
    }
}

/// Ends a loan call: reason 0 answered, 1 taken back.
pub fn end_loan_call(cx: &mut Context<'_>, account: u32, asset: u32, reason: u8) {
    cx.state.lending.loan_calls.remove(&(account, asset));
    cx.tell_account(account, &CallEnded { call_kind: 1, reason, market: 0, asset });
}

/// Time passes: debts past their deadline become calls, calls age, pools call and take back.
pub fn advance(cx: &mut Context<'_>) {
    let Some(terms) = cx.state.lending.terms.clone() else { return };
    let late: Vec<((u32, u32), i64)> = cx.state.lending.unsettled.iter().map(|(&k, &since)| (k, since)).collect();
    for ((account, market), since) in late {
        let unpaid = overdue(cx.state, account, market);
        if unpaid == 0 {
            cx.state.lending.unsettled.remove(&(account, market));
        } else if cx.state.now - since >= terms.unsettled_after_ns && !cx.state.lending.cash_calls.contains_key(&(account, market)) {
            make_cash_call(cx, account, market, unpaid, terms.cash_call_ns);
        }
    }
    age_cash_calls(cx);
    let pools: Vec<u32> = cx.state.lending.pools.keys().copied().collect();
    for asset in pools {
        call_loans(cx, asset, &terms);
    }
    age_loan_calls(cx);
}

fn make_cash_call(cx: &mut Context<'_>, account: u32, market: u32, amount: Amount, regular_ns: i64) {
    let asset = cx.state.known_market(market).terms.quote;
    let (now, regular) = (cx.state.now, is_regular(cx.state, market));
    cx.state.lending.cash_calls.insert((account, market), CashCall { amount, made_ns: now, left_ns: regular_ns, seen_ns: now, regular, overdue: false });
    let accepted = accepted(cx.state, asset);
    cx.tell_account(account, &CashCallMade { market, asset, amount, regular_ns, accepted });
    answer(cx, account);
}

fn is_regular(state: &State, market: u32) -> bool {
    state.known_underlying(state.known_market(market).terms.underlying).session.session == Session::Regular
}

/// Counts down the regular hours of every call: what lies between two commands of time that both saw the session.
fn age_cash_calls(cx: &mut Context<'_>) {
    let calls: Vec<(u32, u32)> = cx.state.lending.cash_calls.keys().copied().collect();
    for (account, market) in calls {
        let (now, regular) = (cx.state.now, is_regular(cx.state, market));
        let Some(call) = cx.state.lending.cash_calls.get_mut(&(account, market)) else { continue };
        if call.regular && regular {
            call.left_ns = (call.left_ns - (now - call.seen_ns)).max(0);
        }
        (call.seen_ns, call.regular) = (now, regular);
        let fell_due = call.left_ns == 0 && !call.overdue;
        call.overdue |= fell_due;
        answer(cx, account);
        let amount = open_cash(cx.state, account, market);
        if fell_due && amount > 0 {
            let asset = cx.state.known_market(market).terms.quote;
            cx.tell_account(account, &CashCallOverdue { market, asset, amount });
        }
    }
}

/// A pool above the limit for as long as configured calls loans, pro rata by size, as many as bring it back to the limit; again
/// when those calls have ended and it still is. Below the limit it takes them back.
fn call_loans(cx: &mut Context<'_>, asset: u32, terms: &crate::command::ConfigureLending) {
    let open: Vec<u32> = cx.state.lending.loan_calls.iter().filter(|c| c.0.1 == asset && c.1.reason == CallReason::Use).map(|c| c.0.0).collect();
    let Some(pool) = cx.state.lending.pools.get(&asset) else { return };
    if !pool.closed {
        if !open.is_empty() && utilisation(cx.state, asset) <= terms.call_above_ppm {
            open.into_iter().for_each(|account| end_loan_call(cx, account, asset, 1));
        }
        return;
    }
    if !open.is_empty() || (pool.called_ns != 0 && cx.state.now - pool.called_ns < terms.call_after_ns) {
        return;
    }
    let wanted = above_limit(cx.state, asset, terms.call_above_ppm);
    let due_ns = cx.state.now.saturating_add(terms.call_deadline_ns);
    call(cx, asset, wanted, LoanCall { reason: CallReason::Use, keep: 0, made_ns: 0, due_ns, due_opens: 0, overdue: false });
    let now = cx.state.now;
    cx.state.lending.pools.entry(asset).or_default().called_ns = now;
}

/// Units by which loans and kept room are above the limit's part of what the pool has, rounded up.
#[must_use]
pub fn above_limit(state: &State, asset: u32, limit_ppm: i64) -> Amount {
    let (pool, ledger) = (state.ledger.pool(asset), &state.ledger);
    let used = i128::from(ledger.owed_in_all(asset)) + i128::from(pool.reserved);
    let funds = i128::from(pool.due()) + i128::from(ledger.venue(Party::Reserve, asset));
    narrow(used - div_floor(funds * i128::from(limit_ppm), i128::from(PPM))).unwrap_or(i64::MAX)
}

/// Calls `wanted` units from all loans outside committed lines that no call is open on, pro rata by size. Returns what was
/// called.
pub fn call(cx: &mut Context<'_>, asset: u32, wanted: Amount, like: LoanCall) -> Amount {
    let of = |account: u32| (account, outside_line(cx.state, account, asset));
    let free = |&(account, owed): &(u32, Amount)| owed > 0 && !cx.state.lending.loan_calls.contains_key(&(account, asset));
    let loans: Vec<(u32, Amount)> = (0..cx.state.accounts.len() as u32).map(of).filter(free).collect();
    let total: Value = loans.iter().map(|l| i128::from(l.1)).sum();
    let wanted = i128::from(wanted).min(total);
    if wanted <= 0 {
        return 0;
    }
    let weights: Vec<Value> = loans.iter().map(|l| i128::from(l.1)).collect();
    let now = cx.state.now;
    for (&(account, owed), part) in loans.iter().zip(allocate(wanted, &weights)) {
        let amount = part as Amount;
        if amount > 0 {
            let call = LoanCall { keep: owed - amount, made_ns: now, ..like };
            cx.state.lending.loan_calls.insert((account, asset), call);
            let opens = like.due_opens.saturating_sub(opens_of(cx.state, asset));
            cx.tell_account(account, &LoanCalled { asset, reason: like.reason as u8, amount, due_ns: like.due_ns, opens });
        }
    }
    wanted as Amount
}

/// Openings of the regular session of a token's underlying so far.
#[must_use]
pub fn opens_of(state: &State, asset: u32) -> u32 {
    state.liquidation.opens.get(&state.known_asset(asset).terms.underlying).copied().unwrap_or(0)
}

fn age_loan_calls(cx: &mut Context<'_>) {
    let calls: Vec<(u32, u32)> = cx.state.lending.loan_calls.keys().copied().collect();
    for (account, asset) in calls {
        let (now, opens) = (cx.state.now, opens_of(cx.state, asset));
        let amount = open_loan(cx.state, account, asset);
        if amount == 0 {
            end_loan_call(cx, account, asset, 0);
            continue;
        }
        let Some(call) = cx.state.lending.loan_calls.get_mut(&(account, asset)) else { continue };
        let late = if call.due_ns > 0 { now >= call.due_ns } else { opens >= call.due_opens };
        if late && !call.overdue {
            call.overdue = true;
            cx.tell_account(account, &LoanCallOverdue { asset, amount });
        }
    }
}
