//! The hourly settlement: interest, marking to market, funding, losers debited before winners are credited.
//!
//! Responsible for: one pass over all accounts in phases with a cursor, so that no command does more than its share
//! (RULES section 8). Winners get what was debited, pro rata when it is short; the rest stays a claim and an equal debt.

use crate::context::Context;
use crate::event::{FundingSet, InterestPaid, Settled};
use crate::funding::{PPB, hourly_rate};
use crate::ledger::Party;
use crate::perp::hedged_ppm;
use crate::price::{Action, Permission, Quality};
use crate::state::{Market, Settlement, SettlementTerms, State};
use crate::units::{Amount, Nanos, PPM, YEAR, div_ceil, div_floor, rate_down};
use std::collections::BTreeMap;

/// Starts a settlement when the hour is due, continues a running one by `accounts` accounts.
pub fn run(cx: &mut Context<'_>, accounts: u32) {
    let every = cx.state.config().settle_every_ns;
    let due = cx.state.now.div_euclid(every) != cx.state.settled_ns.div_euclid(every);
    if cx.state.settled_ns == 0 {
        cx.state.settled_ns = cx.state.now;
    } else if due && cx.state.settlement.is_none() {
        start(cx);
    }
    let mut budget = accounts;
    while budget > 0 && cx.state.settlement.is_some() {
        budget = step(cx, budget);
    }
}

fn start(cx: &mut Context<'_>) {
    let now = cx.state.now;
    let mut markets = BTreeMap::new();
    let perps: Vec<u32> = cx.state.markets.iter().flatten().filter(|m| m.is_perp()).map(|m| m.terms.market).collect();
    for id in perps {
        let market = cx.state.known_market(id);
        let price = &cx.state.known_underlying(market.terms.underlying).price;
        let (index, quality) = (price.index(), price.quality());
        let funds = price.permission(Action::Fund) == Permission::Yes;
        let rate = hourly_rate(cx.state, market).filter(|_| funds);
        let reason = if rate.is_some() { 0 } else { 1 + u8::from(!funds) };
        let (rate_ppb, premium_ppb) = rate.unwrap_or_default();
        let settles = quality == Quality::Live;
        if settles || rate_ppb != 0 {
            let terms = SettlementTerms { price: cx.state.index_ticks(market), rate_ppb, settles, ..SettlementTerms::default() };
            markets.insert(id, terms);
        }
        let premium = &mut cx.state.market_mut(id).premium;
        *premium = crate::state::Premium { last_ppb: premium.last_ppb, last_ns: premium.last_ns, ..Default::default() };
        cx.tell(&FundingSet { market: id, rate_ppb, premium_ppb, reason, index });
    }
    let elapsed_ns = now - cx.state.settled_ns;
    cx.state.settled_ns = now;
    cx.state.settlement = Some(Settlement { phase: 0, cursor: 0, elapsed_ns, markets, lenders: BTreeMap::new() });
}

/// Processes up to `budget` accounts of the current phase; returns what is left of the budget.
fn step(cx: &mut Context<'_>, budget: u32) -> u32 {
    let Some(mut job) = cx.state.settlement.take() else { return 0 };
    let count = cx.state.accounts.len() as u32;
    let end = count.min(job.cursor.saturating_add(budget));
    for account in job.cursor..end {
        match job.phase {
            0 => debit(cx, &mut job, account),
            1 => credit(cx, &job, account),
            _ => pay_lender(cx, &job, account),
        }
    }
    let used = end - job.cursor;
    job.cursor = end;
    if end == count {
        job.cursor = 0;
        job.phase += 1;
        match job.phase {
            1 => prepare_credits(cx.state, &mut job),
            2 => {
                pay_venue(cx.state, &job);
                prepare_lenders(cx.state, &mut job);
            }
            _ => return budget - used,
        }
    }
    cx.state.settlement = Some(job);
    budget - used
}

fn interest(amount: i64, rate_ppm: i64, elapsed_ns: Nanos) -> i64 {
    div_ceil(i128::from(amount) * i128::from(rate_ppm) * i128::from(elapsed_ns), i128::from(PPM) * i128::from(YEAR)) as i64
}

fn debit(cx: &mut Context<'_>, job: &mut Settlement, account: u32) {
    charge_loans(cx, job.elapsed_ns, account);
    for at in 0..cx.state.accounts[account as usize].positions.len() {
        let (id, lots, cost) = {
            let p = &cx.state.accounts[account as usize].positions[at];
            (p.market, p.lots, p.cost)
        };
        let Some(terms) = job.markets.get_mut(&id) else { continue };
        let market = cx.state.known_market(id);
        let (unit, quote, underlying) = (market.unit, market.terms.quote, market.terms.underlying);
        let notional = i128::from(lots) * i128::from(terms.price) * i128::from(unit);
        let result = if terms.settles { (notional - i128::from(cost)) as i64 } else { 0 };
        let owed = div_ceil(notional * i128::from(terms.rate_ppb), PPB) as i64;
        let hedged = if result > 0 { hedged_ppm(cx.state, account, underlying) } else { 0 };
        let rate_ppm = cx.state.known_asset(quote).pool.as_ref().map_or(0, |p| p.rate_ppm);
        let position = &mut cx.state.accounts[account as usize].positions[at];
        let late = interest(position.overdue.min(position.debt), rate_ppm, job.elapsed_ns);
        position.cost += result;
        position.book_result(result, hedged);
        position.book_result(-owed - late, 0);
        let debt = position.debt;
        let claims = &mut cx.state.market_mut(id).claims;
        claims.rounding += owed;
        claims.insurance += late;
        let paid = if terms.settles { pay_debt(cx.state, account, at, id, quote, debt) } else { 0 };
        let position = &mut cx.state.accounts[account as usize].positions[at];
        let (claim, debt) = (position.claim, position.debt);
        position.overdue = if terms.settles { debt } else { position.overdue.min(debt) };
        terms.claims += i128::from(claim);
        if result != 0 || owed != 0 || paid != 0 {
            cx.tell_account(account, &Settled { market: id, price: terms.price, result, funding: -owed, cash: -paid, claim, debt });
        }
        if late > 0 {
            let balance = cx.state.accounts[account as usize].balance(quote).map_or(0, |b| b.pledged);
            cx.tell_account(account, &InterestPaid { asset: quote, amount: -late, balance });
        }
    }
}

fn charge_loans(cx: &mut Context<'_>, elapsed_ns: Nanos, account: u32) {
    for at in 0..cx.state.accounts[account as usize].balances.len() {
        let balance = &cx.state.accounts[account as usize].balances[at];
        let (asset, loan) = (balance.asset, balance.loan());
        if loan == 0 {
            continue;
        }
        let Some(pool) = &cx.state.known_asset(asset).pool else { continue };
        let due = interest(loan, pool.rate_ppm, elapsed_ns);
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, asset, Party::Holder(account), Party::Pool, due);
        let balance = accounts[account as usize].balances[at].pledged;
        cx.tell_account(account, &InterestPaid { asset, amount: -due, balance });
    }
}

/// Pays a debt from cash, then from a pool loan within liquidity and caps.
fn pay_debt(state: &mut State, account: u32, at: usize, market: u32, quote: u32, debt: i64) -> Amount {
    if debt == 0 {
        return 0;
    }
    let cash = state.accounts[account as usize].balance(quote).map_or(0, |b| b.pledged.max(0));
    let paid = debt.min(cash.saturating_add(loan_room(state, account, quote)));
    let State { ledger, accounts, .. } = state;
    ledger.post(accounts, quote, Party::Holder(account), Party::Clearing(market), paid);
    accounts[account as usize].positions[at].debt -= paid;
    paid
}

/// What an account may still borrow to settle a loss: pool liquidity and caps, no margin rule (RULES section 7).
fn loan_room(state: &State, account: u32, asset: u32) -> Amount {
    let Some(pool) = &state.known_asset(asset).pool else { return 0 };
    let totals = state.ledger.pool(asset);
    let owner = &state.owners[state.accounts[account as usize].owner as usize];
    let by_owner: i64 = owner.accounts.iter().map(|&a| state.accounts[a as usize].balance(asset).map_or(0, |b| b.loan())).sum();
    totals.available().min(pool.owner_cap - by_owner).min(pool.venue_cap - totals.borrowed).max(0)
}

/// Before winners are credited: what there is, and who gets the odd units when it is short.
fn prepare_credits(state: &State, job: &mut Settlement) {
    for (&id, terms) in &mut job.markets {
        let market = state.known_market(id);
        let there = i128::from(state.ledger.venue(Party::Clearing(id), market.terms.quote));
        terms.available = there.min(terms.claims);
        if terms.settles && terms.available < terms.claims {
            terms.odd_units = odd_units(state, id, terms.available, terms.claims);
        }
    }
}

/// Largest remainders, then lowest account ids: the accounts that get one unit more than their rounded-down share.
fn odd_units(state: &State, market: u32, available: i128, claims: i128) -> Vec<u32> {
    let mut shares: Vec<(i128, u64, u32)> = Vec::new();
    let mut given = 0;
    for (index, account) in state.accounts.iter().enumerate() {
        let claim = account.position(market).map_or(0, |p| i128::from(p.claim));
        if claim > 0 {
            given += div_floor(claim * available, claims);
            shares.push(((claim * available).rem_euclid(claims), account.id, index as u32));
        }
    }
    shares.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<u32> = shares.iter().take((available - given) as usize).map(|s| s.2).collect();
    chosen.sort_unstable();
    chosen
}

fn credit(cx: &mut Context<'_>, job: &Settlement, account: u32) {
    for at in 0..cx.state.accounts[account as usize].positions.len() {
        let (id, claim) = {
            let p = &cx.state.accounts[account as usize].positions[at];
            (p.market, p.claim)
        };
        let Some(terms) = job.markets.get(&id).filter(|t| t.settles && claim > 0 && t.claims > 0) else { continue };
        let odd = i128::from(u8::from(terms.odd_units.binary_search(&account).is_ok()));
        let there = i128::from(cx.state.ledger.venue(Party::Clearing(id), cx.state.known_market(id).terms.quote));
        let share = div_floor(i128::from(claim) * terms.available, terms.claims) + odd;
        let paid = share.min(i128::from(claim)).min(there) as i64;
        let quote = cx.state.known_market(id).terms.quote;
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, quote, Party::Clearing(id), Party::Holder(account), paid);
        let position = &mut accounts[account as usize].positions[at];
        position.reduce_claim(paid);
        let (claim, debt) = (position.claim, position.debt);
        cx.tell_account(account, &Settled { market: id, price: terms.price, result: 0, funding: 0, cash: paid, claim, debt });
    }
}

/// The venue is paid last, out of what holders left in clearing.
fn pay_venue(state: &mut State, job: &Settlement) {
    for (&id, _) in job.markets.iter().filter(|(_, t)| t.settles) {
        let market = state.known_market(id);
        let (quote, bucket) = (market.terms.quote, state.known_underlying(market.terms.underlying).terms.bucket);
        for part in [Party::Rounding, Party::Fees, Party::Insurance(bucket)] {
            let there = state.ledger.venue(Party::Clearing(id), quote);
            let owed = owed_to(state.market_mut(id), part);
            let paid = (*owed).clamp(0, there);
            *owed -= paid;
            let State { ledger, accounts, .. } = state;
            ledger.post(accounts, quote, Party::Clearing(id), part, paid);
        }
    }
}

fn owed_to(market: &mut Market, part: Party) -> &mut i64 {
    match part {
        Party::Rounding => &mut market.claims.rounding,
        Party::Fees => &mut market.claims.fees,
        _ => &mut market.claims.insurance,
    }
}

/// Interest collected, less the pool's reserve, is shared by lent balances; what rounding leaves waits for the next hour.
fn prepare_lenders(state: &mut State, job: &mut Settlement) {
    let pools: Vec<(u32, i64)> = state.assets.iter().flatten().filter_map(|a| a.pool.as_ref().map(|p| (p.asset, p.reserve_ppm))).collect();
    for (asset, reserve_ppm) in pools {
        let collected = state.ledger.venue(Party::Pool, asset);
        let lent = state.ledger.pool(asset).lent;
        if collected <= 0 || lent == 0 {
            continue;
        }
        let reserve = rate_down(i128::from(collected), reserve_ppm) as i64;
        let State { ledger, accounts, .. } = state;
        ledger.post(accounts, asset, Party::Pool, Party::Reserve, reserve);
        job.lenders.insert(asset, (collected - reserve, lent));
    }
}

fn pay_lender(cx: &mut Context<'_>, job: &Settlement, account: u32) {
    for (&asset, &(shared, total)) in &job.lenders {
        let lent = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| b.lent);
        let share = div_floor(i128::from(lent) * i128::from(shared), i128::from(total)) as i64;
        let share = share.min(cx.state.ledger.venue(Party::Pool, asset));
        if share > 0 {
            let State { ledger, accounts, .. } = &mut *cx.state;
            ledger.post(accounts, asset, Party::Pool, Party::Lender(account), share);
            let balance = accounts[account as usize].balance(asset).map_or(0, |b| b.lent);
            cx.tell_account(account, &InterestPaid { asset, amount: share, balance });
        }
    }
}
