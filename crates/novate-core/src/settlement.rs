//! The hourly settlement: marking to market, funding, losers debited before winners are credited; interest comes into balances.
//!
//! Responsible for: one pass over all accounts in phases with a cursor, so that no command does more than its share
//! (RULES section 8). Winners get what was debited, pro rata when it is short; the rest stays a claim and an equal debt.

use crate::context::Context;
use crate::event::{FundingSet, InterestPaid, Settled};
use crate::funding::{PPB, hourly_rate};
use crate::ledger::Party;
use crate::lending;
use crate::perp::hedged_ppm;
use crate::price::{Action, Permission, Quality};
use crate::trading::funded;
use crate::state::{Market, Settlement, SettlementTerms, State};
use crate::pool::grown_up;
use crate::units::{Amount, div_ceil, div_floor};
use std::collections::BTreeMap;

/// Starts a settlement when the hour is due, continues a running one by `accounts` accounts.
pub fn run(cx: &mut Context<'_>, accounts: u32) {
    let every = cx.state.config().settle_every_ns;
    let due = cx.state.now.div_euclid(every) != cx.state.settled_ns.div_euclid(every);
    if cx.state.settled_ns == 0 {
        cx.state.settled_ns = cx.state.now;
    } else if (due || cx.state.prices.reopened) && cx.state.settlement.is_none() {
        cx.state.prices.reopened = false;
        start(cx, due);
    }
    if cx.state.settlement.is_some() {
        cx.state.lull.end_era();
    }
    let mut budget = accounts;
    while budget > 0 && cx.state.settlement.is_some() {
        budget = step(cx, budget);
    }
}

/// `hourly`: with funding. A settlement at a reopening between the hours has none, and keeps the hour's samples.
fn start(cx: &mut Context<'_>, hourly: bool) {
    let now = cx.state.now;
    let mut markets = BTreeMap::new();
    let perps: Vec<u32> = cx.state.markets.iter().flatten().filter(|m| m.is_perp()).map(|m| m.terms.market).collect();
    for id in perps {
        let market = cx.state.known_market(id);
        let price = &cx.state.known_underlying(market.terms.underlying).price;
        let index = price.index();
        // An ended or decided underlying's positions are closed; what they made is paid as long as anything is owed.
        let ended = cx.state.corporate.ended.contains(&market.terms.underlying);
        let decided = ended || cx.state.prices.settled.contains_key(&market.terms.underlying);
        let settles = decided || (price.quality() == Quality::Live && !price.blending());
        let funds = price.permission(Action::Fund) == Permission::Yes;
        let rate = hourly_rate(cx.state, market).filter(|_| funds && hourly);
        let reason = if rate.is_some() { 0 } else { 1 + u8::from(!funds) };
        let (rate_ppb, premium_ppb) = rate.unwrap_or_default();
        if settles || rate_ppb != 0 {
            let terms = SettlementTerms { price: cx.state.index_ticks(market), rate_ppb, settles, ..SettlementTerms::default() };
            markets.insert(id, terms);
        }
        if !hourly {
            continue;
        }
        let premium = &mut cx.state.market_mut(id).premium;
        *premium = crate::state::Premium { last_ppb: premium.last_ppb, last_ns: premium.last_ns, ..Default::default() };
        cx.tell(&FundingSet { market: id, rate_ppb, premium_ppb, reason, index });
    }
    cx.state.settled_ns = now;
    let growth = lending::unsettled_growth(cx.state);
    cx.state.settlement = Some(Settlement { phase: 0, cursor: 0, markets, growth });
}

/// Processes up to `budget` accounts of the current phase; returns what is left of the budget.
fn step(cx: &mut Context<'_>, budget: u32) -> u32 {
    let Some(mut job) = cx.state.settlement.take() else { return 0 };
    let count = cx.state.accounts.len() as u32;
    let end = count.min(job.cursor.saturating_add(budget));
    for account in job.cursor..end {
        match job.phase {
            0 => debit(cx, &mut job, account),
            _ => credit(cx, &job, account),
        }
    }
    let used = end - job.cursor;
    job.cursor = end;
    if end == count {
        job.cursor = 0;
        job.phase += 1;
        match job.phase {
            1 => prepare_credits(cx.state, &mut job),
            _ => {
                pay_venue(cx.state, &job);
                lending::pay_insurance(cx.state);
                return budget - used;
            }
        }
    }
    cx.state.settlement = Some(job);
    budget - used
}

/// One account's hour: interest into its balances, then market by market. A debt bears interest also in an hour in which its
/// market does not settle.
fn debit(cx: &mut Context<'_>, job: &mut Settlement, account: u32) {
    lending::bring_up(cx.state, account);
    for at in 0..cx.state.accounts[account as usize].positions.len() {
        let id = cx.state.accounts[account as usize].positions[at].market;
        if cx.state.known_market(id).is_perp() {
            charge_overdue(cx, job, account, at);
            if let Some(terms) = job.markets.get_mut(&id) {
                mark(cx, terms, account, at);
            }
        }
    }
}

/// Interest on what the last settlement left unpaid, at the loan rate: the quote's borrow index.
fn charge_overdue(cx: &mut Context<'_>, job: &Settlement, account: u32, at: usize) {
    let id = cx.state.accounts[account as usize].positions[at].market;
    let overdue = overdue(cx.state, account, id);
    let asset = cx.state.known_market(id).terms.quote;
    let Some(&(from, to)) = job.growth.get(&asset).filter(|_| overdue > 0) else { return };
    let late = grown_up(overdue, from, to) - overdue;
    if late == 0 {
        return;
    }
    let position = &mut cx.state.accounts[account as usize].positions[at];
    position.book_result(-late, 0);
    cx.state.lending.set_overdue(account, id, cx.state.lending.overdue(account, id) + late);
    cx.state.market_mut(id).claims.insurance += late;
    let balance = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| b.pledged);
    cx.tell_account(account, &InterestPaid { asset, amount: -late, balance });
}

fn mark(cx: &mut Context<'_>, terms: &mut SettlementTerms, account: u32, at: usize) {
    let (id, lots, cost) = {
        let p = &cx.state.accounts[account as usize].positions[at];
        (p.market, p.lots, p.cost)
    };
    let market = cx.state.known_market(id);
    let (quote, underlying) = (market.terms.quote, market.terms.underlying);
    let notional = market.quote_units(terms.price, lots);
    let result = if terms.settles { (notional - i128::from(cost)) as i64 } else { 0 };
    let owed = div_ceil(notional * i128::from(terms.rate_ppb), PPB) as i64;
    let hedged = if result > 0 { hedged_ppm(cx.state, account, underlying) } else { 0 };
    let position = &mut cx.state.accounts[account as usize].positions[at];
    position.cost += result;
    position.book_result(result, hedged);
    position.book_result(-owed, 0);
    let debt = position.debt();
    cx.state.market_mut(id).claims.rounding += owed;
    let paid = if terms.settles { pay_debt(cx.state, account, at, id, quote, debt) } else { 0 };
    let position = &cx.state.accounts[account as usize].positions[at];
    let (claim, debt) = (position.claim(), position.debt());
    let unpaid = if terms.settles { debt } else { cx.state.lending.overdue(account, id).min(debt) };
    cx.state.lending.set_overdue(account, id, unpaid);
    terms.claims += i128::from(claim);
    lending::note_unsettled(cx.state, account, id, unpaid);
    if result != 0 || owed != 0 || paid != 0 {
        cx.tell_account(account, &Settled { market: id, price: terms.price, result, funding: -owed, cash: -paid, claim, debt });
    }
}

/// Part of a debt that a settlement left unpaid: it bears interest until the next one.
#[must_use]
pub fn overdue(state: &State, account: u32, market: u32) -> Amount {
    let left = state.lending.overdue(account, market);
    if left == 0 { 0 } else { state.accounts[account as usize].position(market).map_or(0, |p| left.min(p.debt())) }
}

/// Pays a debt from cash, then from a pool loan within liquidity and caps.
///
/// Returns what was paid.
pub fn pay_debt(state: &mut State, account: u32, at: usize, market: u32, quote: u32, debt: i64) -> Amount {
    if debt == 0 {
        return 0;
    }
    let cash = state.accounts[account as usize].balance(quote).map_or(0, |b| b.pledged.max(0));
    let paid = debt.min(cash.saturating_add(loan_room(state, account, quote)));
    let State { ledger, accounts, .. } = state;
    ledger.post(accounts, quote, Party::Holder(account), Party::Clearing(market), paid);
    accounts[account as usize].positions[at].owed += paid;
    paid
}

/// What an account may still borrow to settle a loss: pool liquidity, its own line and caps, no margin rule (RULES section 7).
#[must_use]
pub fn loan_room(state: &State, account: u32, asset: u32) -> Amount {
    let Some(pool) = &state.known_asset(asset).pool else { return 0 };
    if funded(state, pool, 0).is_err() {
        return 0;
    }
    let totals = state.ledger.pool(asset);
    let by_owner = state.owed_by_group(account, asset);
    let undrawn = state.accounts[account as usize].balance(asset).map_or(0, |b| b.kept() - b.pool_room());
    let in_all = state.ledger.owed_in_all(asset);
    // A pool that takes no new loans still owes what its lines were sold for.
    let free = if state.lending.closed(asset) { 0 } else { totals.available() };
    (free + undrawn).min(totals.idle()).min(pool.owner_cap - by_owner).min(pool.venue_cap - in_all).max(0)
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
        let claim = account.position(market).map_or(0, |p| i128::from(p.claim()));
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
            (p.market, p.claim())
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
        let (claim, debt) = (position.claim(), position.debt());
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
