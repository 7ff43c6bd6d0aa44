//! Stock loans: lenders that want tokens back, and the purchase of tokens for a borrower that does not return them (RULES
//! section 8).
//!
//! Responsible for: recalls, who is paid first of what returns, and buying in: through the book, else by issuance. A loan is a
//! negative balance; what may be borrowed is decided in `trading`, what is called is kept in `calls`.

use crate::calls::{call, open_loan, opens_of};
use crate::cash_deficit::{cost_of, market_of, means, worst_price};
use crate::clearing::{self, Origin, Wish};
use crate::codec::Header;
use crate::command::RecallLoan;
use crate::context::Context;
use crate::event::{BoughtIn, RecallWaits};
use crate::funds::{positive, post};
use crate::insurance::units_down;
use crate::ladder::shown;
use crate::ledger::Party;
use crate::lending::{pool_of, tell_lent};
use crate::matching::{self, Taker, fee};
use crate::order::{SelfTrade, Side};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::clearing::{RequestKind, RequestState};
use crate::state::lending::{CallReason, LoanCall};
use crate::units::{Amount, PPM, narrow, rate_up};

/// `RecallLoan`.
///
/// # Errors
/// 201, 205, 304, 315, 703, 709.
pub fn recall(cx: &mut Context<'_>, header: &Header, command: &RecallLoan) -> Result<(), Refusal> {
    let RecallLoan { asset, amount } = *command;
    let account = cx.state.account(header.account)?;
    pool_of(cx.state, asset)?;
    require(!cx.state.known_asset(asset).is_stablecoin(), Reject::recall_notice_is_for_tokens.at(1, i64::from(asset), 0))?;
    positive(amount, 2)?;
    let claim = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| cx.state.ledger.claim(b));
    let waits: Amount = cx.state.lending.pools.get(&asset).map_or(0, |p| p.waiting.iter().filter(|w| w.0 == account).map(|w| w.1).sum());
    require(amount <= claim - waits, Reject::lent_must_cover_recall.at(2, amount, claim - waits))?;

    let before = claim;
    cx.state.lending.pools.entry(asset).or_default().waiting.push_back((account, amount));
    serve(cx, asset);
    let called = call_missing(cx, asset);
    let claim = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| cx.state.ledger.claim(b));
    let waiting = cx.state.lending.waiting(asset);
    cx.tell_account(account, &RecallWaits { asset, paid: before - claim, waiting, called });
    cx.touch(account);
    Ok(())
}

/// Time passes: what returned goes to who waits, recalls are made for the rest, overdue ones are bought in.
pub fn advance(cx: &mut Context<'_>) {
    let waited_for: Vec<u32> = cx.state.lending.pools.iter().filter(|p| !p.1.waiting.is_empty()).map(|p| *p.0).collect();
    for asset in waited_for {
        serve(cx, asset);
        call_missing(cx, asset);
    }
    let overdue: Vec<(u32, u32)> = cx.state.lending.loan_calls.iter().filter(|c| c.1.overdue).map(|c| *c.0).collect();
    for (account, asset) in overdue {
        if !cx.state.known_asset(asset).is_stablecoin() {
            buy_in(cx, account, asset);
        }
    }
}

/// Pays lenders that wait, in the order of their coming, from what the pool really has.
fn serve(cx: &mut Context<'_>, asset: u32) {
    while let Some(&(account, amount)) = cx.state.lending.pools.get(&asset).and_then(|p| p.waiting.front()) {
        let claim = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| cx.state.ledger.claim(b));
        let paid = amount.min(claim).min(cx.state.ledger.pool(asset).available()).max(0);
        let Some(pool) = cx.state.lending.pools.get_mut(&asset) else { return };
        if paid == amount.min(claim) {
            pool.waiting.pop_front();
        } else if let Some(first) = pool.waiting.front_mut() {
            first.1 = amount.min(claim) - paid;
        }
        if paid > 0 {
            post(cx.state, asset, Party::Lender(account), Party::Holder(account), paid);
            tell_lent(cx, account, asset, -paid);
        }
        if paid < amount.min(claim) {
            return;
        }
    }
}

/// Recalls loans for what lenders wait for and no open call brings. Returns what was called.
fn call_missing(cx: &mut Context<'_>, asset: u32) -> Amount {
    let called: Amount = cx.state.lending.loan_calls.keys().filter(|k| k.1 == asset).map(|k| open_loan(cx.state, k.0, asset)).sum();
    let missing = cx.state.lending.waiting(asset) - cx.state.ledger.pool(asset).available().max(0) - called;
    let Some(terms) = cx.state.lending.terms.as_ref().filter(|_| missing > 0) else { return 0 };
    let due_opens = opens_of(cx.state, asset).saturating_add(terms.recall_opens);
    call(cx, asset, missing, LoanCall { reason: CallReason::Recall, keep: 0, made_ns: 0, due_ns: 0, due_opens, overdue: false })
}

/// Buys for an account what it did not return: through the book at the index and the listed tolerance at worst; what the book
/// has not is ordered from issuance while that is open.
fn buy_in(cx: &mut Context<'_>, account: u32, asset: u32) {
    let Some(market) = market_of(cx.state, asset) else { return };
    let listed = cx.state.known_market(market);
    let underlying = listed.terms.underlying;
    let shut = cx.state.known_underlying(underlying).price.permission(Action::Liquidate) == Permission::No;
    if shut || cx.state.corporate.halts(underlying, cx.state.now) {
        return;
    }
    let (coin, worst) = (listed.terms.quote, worst_price(cx.state, market));
    let (lots, cost) = cost_of(cx.state, market, open_loan(cx.state, account, asset));
    let has = means(cx.state, account, coin);
    let lots = if cost <= has { lots } else { narrow(i128::from(lots) * i128::from(has) / i128::from(cost)).unwrap_or(0) };
    if lots > 0 {
        let taker = Taker { account, order: 0, market, side: Side::Bid, limit: worst, lots, self_trade: SelfTrade::CancelNewest, liquidation: true };
        let done = matching::take(cx, &taker);
        if done.traded > 0 {
            let listed = cx.state.known_market(market);
            let (units, paid) = (done.traded * listed.terms.lot_size, shown(done.ticks_lots * i128::from(listed.unit)));
            let cost = paid.saturating_add(fee(listed, worst, done.traded, listed.terms.taker_fee_ppm));
            let left = open_loan(cx.state, account, asset);
            cx.tell_account(account, &BoughtIn { asset, way: 0, market, units, cost, left });
            let shares = narrow(cx.state.known_asset(asset).shares(i128::from(units))).unwrap_or(i64::MAX);
            clearing::unwind::note(cx.state, account, asset, -shares);
            cx.touch(account);
        }
    }
    mint(cx, account, asset);
}

/// Orders from issuance what is left of a call, unless an order of the account is on its way. It pays with its own cash.
fn mint(cx: &mut Context<'_>, account: u32, asset: u32) {
    let open = open_loan(cx.state, account, asset);
    let Some(terms) = cx.state.clearing.tokens.get(&asset).map(|t| t.terms.clone()).filter(|_| open > 0) else { return };
    let waits = clearing::open_requests(cx.state, account).any(|r| r.token == asset && r.kind == RequestKind::Mint && r.state != RequestState::Settled);
    if waits {
        return;
    }
    let token = cx.state.known_asset(asset);
    let listed = cx.state.known_underlying(token.terms.underlying);
    let value = -listed.value_down(-token.shares(i128::from(open)), listed.price.index());
    let dear = rate_up(rate_up(value, PPM + terms.sanity_ppm), PPM + terms.mint_fee_ppm);
    let free = cx.state.accounts[account as usize].balance(terms.cash).map_or(0, crate::account::Balance::free);
    let amount = units_down(cx.state, terms.cash, dear).min(free).min(terms.request_max);
    let wish = Wish { account, token: asset, kind: RequestKind::Mint, amount, reference: 0, quote: 0, origin: Origin::Liquidation, hedge: None };
    if amount >= terms.request_min && clearing::order(cx, &wish).is_ok() {
        let left = open_loan(cx.state, account, asset);
        cx.tell_account(account, &BoughtIn { asset, way: 1, market: 0, units: open - left, cost: amount, left });
    }
}
