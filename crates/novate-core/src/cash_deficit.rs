//! What an account owes in cash now, whatever its excess: the reason of stage 4 (RULES section 10).
//!
//! Responsible for: finding the deficit. Never moves anything.

use crate::calls::{self, open_loan};
use crate::order::Side;
use crate::settlement::loan_room;
use crate::state::State;
use crate::units::{Amount, Ticks, div_ceil, narrow, rate_up};

/// A stablecoin and how much of it the account must raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deficit {
    /// The stablecoin.
    pub asset: u32,
    /// Units.
    pub amount: Amount,
}

/// The first cash deficit of an account: an overdue cash call, an overdue loan (of a token: what is missing to buy it), or
/// (ascending by asset) a loan beyond its owner's cap by more than a residue.
#[must_use]
pub fn due(state: &State, account: u32) -> Option<Deficit> {
    if let Some((asset, amount)) = calls::overdue_cash(state, account).or_else(|| lacks(state, account)) {
        return Some(Deficit { asset, amount });
    }
    let holder = &state.accounts[account as usize];
    let mut coins = holder.balances.iter().filter(|b| b.pledged < 0 && state.known_asset(b.asset).is_stablecoin());
    coins.find_map(|balance| {
        let pool = state.known_asset(balance.asset).pool.as_ref()?;
        let group: Amount = state.owners[holder.owner as usize].accounts.iter().filter_map(|&a| state.accounts[a as usize].balance(balance.asset)).map(|b| b.loan()).sum();
        let beyond = (group - pool.owner_cap).min(balance.loan());
        // Interest takes a loan at its cap over it by cents a minute, which nothing is sold for.
        let counts = beyond > 0 && state.known_asset(balance.asset).face(i128::from(beyond)) > i128::from(state.liquidation.terms().residue_value);
        counts.then_some(Deficit { asset: balance.asset, amount: beyond })
    })
}

/// The spot market that a token is bought in: its first.
#[must_use]
pub fn market_of(state: &State, asset: u32) -> Option<u32> {
    let listed = state.known_underlying(state.known_asset(asset).terms.underlying);
    listed.spots.iter().copied().find(|&m| state.known_market(m).terms.base == asset)
}

/// The worst price of a purchase: the index and the listed tolerance of sales.
#[must_use]
pub fn worst_price(state: &State, market: u32) -> Ticks {
    state.ticks_within(market, Side::Bid, state.liquidation.terms().sale_tolerance_ppm)
}

/// Lots of a call and what they cost at most, fee included.
#[must_use]
pub fn cost_of(state: &State, market: u32, open: Amount) -> (i64, Amount) {
    let listed = state.known_market(market);
    let lots = narrow(div_ceil(i128::from(open), i128::from(listed.terms.lot_size))).unwrap_or(i64::MAX);
    let price = worst_price(state, market);
    let cost = (i128::from(price) * i128::from(listed.unit)).saturating_mul(i128::from(lots)).min(i128::from(i64::MAX));
    let cost = cost + rate_up(cost, listed.terms.taker_fee_ppm);
    (lots, narrow(cost).unwrap_or(i64::MAX))
}

/// What an account has to buy with: its cash that no order reserves, and what the pool lends for a settlement.
#[must_use]
pub fn means(state: &State, account: u32, coin: u32) -> Amount {
    let cash = state.accounts[account as usize].balance(coin).map_or(0, crate::account::Balance::free);
    cash.saturating_add(loan_room(state, account, coin))
}

/// The stablecoin and units that an account lacks to buy in what is overdue; collateral is sold for it.
fn lacks(state: &State, account: u32) -> Option<(u32, Amount)> {
    let of = (account, 0)..=(account, u32::MAX);
    let mut overdue = state.lending.loan_calls.range(of).filter(|c| c.1.overdue && !state.known_asset(c.0.1).is_stablecoin());
    overdue.find_map(|(&(_, asset), _)| {
        let market = market_of(state, asset)?;
        let coin = state.known_market(market).terms.quote;
        let missing = cost_of(state, market, open_loan(state, account, asset)).1.saturating_sub(means(state, account, coin));
        (missing > 0).then_some((coin, missing))
    })
}
