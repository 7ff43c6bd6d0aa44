//! Pools, curves, committed lines, stock loans and cash calls: questions 700 to 799.
//!
//! Responsible for: reading, never changing. A lender learns what it earns, what it can take out now, and what stands before it
//! when a loan is not paid; a borrower what it owes, at which rate, and what is called.

use super::{arguments, dense, reply};
use crate::calls::{accepted, open_cash, open_loan, opens_of};
use crate::command::{ListAsset, ListPool};
use crate::ledger::Party;
use crate::lending::{rate, utilisation};
use crate::settlement::loan_room;
use crate::state::State;
use crate::units::{Amount, PPM, rate_down};
use serde::Serialize;

const POOLS: u64 = 700;
const CLAIMS: u64 = 701;
const CALLS: u64 = 702;
const LOANS: u64 = 703;
const LINES: u64 = 704;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        POOLS => reply(&pools(state).map(|p| pool_line(state, p)).collect::<Vec<_>>()),
        CLAIMS => reply(&claims_of(state, arguments::<(u64, u64)>(request)?.1)?),
        CALLS => reply(&calls_of(state, arguments::<(u64, u64)>(request)?.1)?),
        LOANS => reply(&loans_of(state, arguments::<(u64, u64)>(request)?.1)?),
        LINES => reply(&lines(state)),
        other => Err(super::unknown(other)),
    }
}

fn pools(state: &State) -> impl Iterator<Item = &ListPool> {
    state.assets.iter().flatten().filter_map(|a| a.pool.as_ref())
}

#[derive(Serialize)]
struct PoolLine {
    asset: u32,
    name: String,
    /// Yearly rates of borrowers and, of that, of lenders at the present use.
    rate_ppm: i64,
    supply_rate_ppm: i64,
    utilisation_ppm: i64,
    /// Loans by index, room kept for orders and lines, claims by index.
    owed: i64,
    reserved: i64,
    claims: i64,
    /// What is there and free, less what lenders wait for.
    available: i64,
    waiting: i64,
    /// No new loans.
    closed: bool,
    /// Since when it has been used above the limit; 0 while it is not.
    above_since_ns: i64,
    /// What bears a loan that is not paid, in this order: insurance of the pool's bucket, the reserve, the lenders.
    bears: [i64; 3],
}

fn insurance_of(state: &State, pool: &ListPool) -> Amount {
    let of = |party| state.ledger.venue(party, pool.asset).max(0);
    of(Party::Operator(pool.insurance_bucket)) + of(Party::Insurance(pool.insurance_bucket))
}

fn claims_in_all(state: &State, asset: u32) -> Amount {
    state.accounts.iter().filter_map(|a| a.balance(asset)).map(|b| state.ledger.claim(b)).sum()
}

fn available(state: &State, asset: u32) -> Amount {
    (state.ledger.pool(asset).available() - state.lending.waiting(asset)).max(0)
}

fn supply_rate(state: &State, pool: &ListPool) -> i64 {
    let paid = rate_down(i128::from(rate(state, pool)), utilisation(state, pool.asset));
    rate_down(paid, PPM - pool.reserve_ppm) as i64
}

fn pool_line(state: &State, pool: &ListPool) -> PoolLine {
    let asset = pool.asset;
    let claims = claims_in_all(state, asset);
    PoolLine {
        asset,
        name: state.known_asset(asset).terms.name.clone(),
        rate_ppm: rate(state, pool),
        supply_rate_ppm: supply_rate(state, pool),
        utilisation_ppm: utilisation(state, asset),
        owed: state.ledger.owed_in_all(asset),
        reserved: state.ledger.pool(asset).reserved,
        claims,
        available: available(state, asset),
        waiting: state.lending.waiting(asset),
        closed: state.lending.closed(asset),
        above_since_ns: state.lending.pools.get(&asset).map_or(0, |p| p.above_since_ns),
        bears: [insurance_of(state, pool), state.ledger.venue(Party::Reserve, asset), claims],
    }
}

#[derive(Serialize)]
struct ClaimLine {
    asset: u32,
    claim: i64,
    rate_ppm: i64,
    utilisation_ppm: i64,
    /// What the account can take back now; what it waits for, and what others wait for before it.
    withdrawable: i64,
    waiting: i64,
    ahead: i64,
    /// Part of the claim's value that is added to the account's requirement.
    charge_ppm: i64,
    /// What bears a shortfall before lenders do, and the account's part of what then falls on them.
    before_lenders: i64,
    share_ppm: i64,
}

fn claims_of(state: &State, id: u64) -> Result<Vec<ClaimLine>, String> {
    let account = dense(state, id)?;
    let line = |pool: &ListPool| {
        let asset = pool.asset;
        let claim = state.accounts[account as usize].balance(asset).map_or(0, |b| state.ledger.claim(b));
        let queue = state.lending.pools.get(&asset).map(|p| p.waiting.iter().copied().collect::<Vec<_>>()).unwrap_or_default();
        let last = queue.iter().rposition(|w| w.0 == account);
        let ahead = last.map_or(0, |at| queue[..at].iter().filter(|w| w.0 != account).map(|w| w.1).sum());
        ClaimLine {
            asset,
            claim,
            rate_ppm: supply_rate(state, pool),
            utilisation_ppm: utilisation(state, asset),
            withdrawable: claim.min(available(state, asset)),
            waiting: queue.iter().filter(|w| w.0 == account).map(|w| w.1).sum(),
            ahead,
            charge_ppm: pool.lent_charge_ppm,
            before_lenders: insurance_of(state, pool) + state.ledger.venue(Party::Reserve, asset),
            share_ppm: (i128::from(claim) * i128::from(PPM) / i128::from(claims_in_all(state, asset).max(1))) as i64,
        }
    };
    Ok(pools(state).map(line).filter(|l| l.claim > 0).collect())
}

#[derive(Serialize)]
struct CallLine {
    /// 0 cash, 1 loan.
    call_kind: u8,
    /// 0 a debt of a market or the use of a pool, 1 a lender's recall.
    reason: u8,
    market: u32,
    asset: u32,
    name: String,
    decimals: u32,
    open: i64,
    made_ns: i64,
    /// Regular hours left, for a cash call; when it is overdue, for a loan; openings left, for a recall.
    regular_ns: i64,
    due_ns: i64,
    opens: u32,
    overdue: bool,
    /// Assets that answer it, the first one at once.
    accepted: Vec<i64>,
}

fn calls_of(state: &State, id: u64) -> Result<Vec<CallLine>, String> {
    let account = dense(state, id)?;
    let of = (account, 0)..=(account, u32::MAX);
    let cash = state.lending.cash_calls.range(of.clone()).map(|(&(_, market), call)| {
        let asset = state.known_market(market).terms.quote;
        let open = open_cash(state, account, market);
        let (made_ns, regular_ns, overdue) = (call.made_ns, call.left_ns, call.overdue);
        let ListAsset { name, decimals, .. } = state.known_asset(asset).terms.clone();
        CallLine { call_kind: 0, reason: 0, market, asset, name, decimals, open, made_ns, regular_ns, due_ns: 0, opens: 0, overdue, accepted: accepted(state, asset) }
    });
    let loans = state.lending.loan_calls.range(of).map(|(&(_, asset), call)| {
        let stablecoin = state.known_asset(asset).is_stablecoin();
        let ListAsset { name, decimals, .. } = state.known_asset(asset).terms.clone();
        CallLine {
            call_kind: 1,
            reason: call.reason as u8,
            market: 0,
            asset,
            name,
            decimals,
            open: open_loan(state, account, asset),
            made_ns: call.made_ns,
            regular_ns: 0,
            due_ns: call.due_ns,
            opens: call.due_opens.saturating_sub(opens_of(state, asset)),
            overdue: call.overdue,
            accepted: if stablecoin { accepted(state, asset) } else { vec![i64::from(asset)] },
        }
    });
    Ok(cash.chain(loans).collect())
}

#[derive(Serialize)]
struct LoanLine {
    asset: u32,
    /// By index, and the part of it that is inside the account's committed line.
    owed: i64,
    inside_line: i64,
    /// Yearly rates outside and inside the line.
    rate_ppm: i64,
    line_rate_ppm: i64,
    /// What the pool and the caps would still lend; margin may allow less.
    room: i64,
    /// The committed line: type, size, until when it is paid, when it ends after a notice (0 for none).
    line: u32,
    size: i64,
    paid_until_ns: i64,
    ends_ns: i64,
}

fn loans_of(state: &State, id: u64) -> Result<Vec<LoanLine>, String> {
    let account = dense(state, id)?;
    let line = |pool: &ListPool| {
        let asset = pool.asset;
        let balance = state.accounts[account as usize].balance(asset).cloned().unwrap_or_default();
        let known = state.lending.lines.get(&(account, asset));
        let cap = state.lending.line_types.get(&(asset, balance.line_type)).map_or(i64::MAX, |t| t.rate_cap_ppm);
        let owed = if balance.pledged < 0 { state.ledger.owed(&balance) } else { 0 };
        let outside = if balance.pledged < 0 { state.ledger.owed_outside(&balance) } else { 0 };
        LoanLine {
            asset,
            owed,
            inside_line: owed - outside,
            rate_ppm: rate(state, pool),
            line_rate_ppm: rate(state, pool).min(cap),
            room: loan_room(state, account, asset),
            line: balance.line_type,
            size: balance.line,
            paid_until_ns: known.map_or(0, |l| l.paid_until_ns),
            ends_ns: known.map_or(0, |l| l.ends_ns),
        }
    };
    Ok(pools(state).map(line).collect())
}

#[derive(Serialize)]
struct LineType {
    asset: u32,
    line: u32,
    rate_cap_ppm: i64,
    /// Of the size, for one period.
    fee_ppm: i64,
    notice_ns: i64,
    least: i64,
    most: i64,
    /// The largest size that the pool can lend at present.
    available: i64,
}

fn lines(state: &State) -> Vec<LineType> {
    let of = |t: &crate::command::ListLine| LineType {
        asset: t.asset,
        line: t.line,
        rate_cap_ppm: t.rate_cap_ppm,
        fee_ppm: t.fee_ppm,
        notice_ns: t.notice_ns,
        least: t.least,
        most: t.most,
        available: if state.lending.closed(t.asset) { 0 } else { available(state, t.asset).min(t.most) },
    };
    state.lending.line_types.values().map(of).collect()
}
