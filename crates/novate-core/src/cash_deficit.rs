//! What an account owes in cash now, whatever its excess: the reason of stage 4 (RULES section 10).
//!
//! Responsible for: finding the deficit. Never moves anything.

use crate::state::State;
use crate::units::Amount;

/// A stablecoin and how much of it the account must raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deficit {
    /// The stablecoin.
    pub asset: u32,
    /// Units.
    pub amount: Amount,
}

/// The first cash deficit of an account, ascending by asset: a loan beyond its owner's cap.
#[must_use]
pub fn due(state: &State, account: u32) -> Option<Deficit> {
    let holder = &state.accounts[account as usize];
    holder.balances.iter().filter(|b| b.pledged < 0).find_map(|balance| {
        let pool = state.known_asset(balance.asset).pool.as_ref()?;
        let group: Amount = state.owners[holder.owner as usize].accounts.iter().filter_map(|&a| state.accounts[a as usize].balance(balance.asset)).map(|b| b.loan()).sum();
        let beyond = (group - pool.owner_cap).min(balance.loan());
        (beyond > 0).then_some(Deficit { asset: balance.asset, amount: beyond })
    })
}
