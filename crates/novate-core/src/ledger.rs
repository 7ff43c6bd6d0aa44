//! The double-entry ledger: every movement debits one account and credits another, in one asset.
//!
//! Responsible for: venue accounts, custody, pools, the one function that moves money, and `conservation()`. Never
//! decides whether a movement is allowed: refusals come before the call, and nothing fails in here.
//!
//! Kinds: holders and venue accounts are credit-normal, custody is debit-normal. No account is exempt.

use crate::account::Account;
use crate::reject::{Refusal, Reject};
use crate::units::Amount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A party of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Party {
    /// What is held outside for the venue: the only debit-normal kind.
    Custody,
    /// A holder's pledged balance, by dense account index.
    Holder(u32),
    /// A holder's lent balance.
    Lender(u32),
    /// Trading and liquidation fees.
    Fees,
    /// Insurance of a bucket.
    Insurance(u32),
    /// What rounding leaves.
    Rounding,
    /// Interest collected by the pool and not yet shared.
    Pool,
    /// The pool's reserve: its share of interest.
    Reserve,
    /// Perp clearing of a market; never negative.
    Clearing(u32),
    /// Withdrawals on their way.
    Pending,
}

/// A lending pool's totals, in the asset's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolTotals {
    /// Sum of lent balances.
    pub lent: Amount,
    /// Sum of loans.
    pub borrowed: Amount,
    /// Sum of room that open spot orders may still borrow.
    pub reserved: Amount,
}

impl PoolTotals {
    /// What can be lent, or returned to lenders, now.
    #[must_use]
    pub fn available(&self) -> Amount {
        self.lent - self.borrowed - self.reserved
    }
}

/// Venue accounts and pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    venue: BTreeMap<(u32, Party), Amount>,
    pools: BTreeMap<u32, PoolTotals>,
}

impl Ledger {
    /// Balance of a venue or custody account.
    #[must_use]
    pub fn venue(&self, party: Party, asset: u32) -> Amount {
        self.venue.get(&(asset, party)).copied().unwrap_or(0)
    }

    /// All venue and custody accounts that ever moved: asset, party, balance.
    pub fn venue_accounts(&self) -> impl Iterator<Item = (u32, Party, Amount)> + '_ {
        self.venue.iter().map(|(&(asset, party), &amount)| (asset, party, amount))
    }

    /// Totals of an asset's pool.
    #[must_use]
    pub fn pool(&self, asset: u32) -> PoolTotals {
        self.pools.get(&asset).copied().unwrap_or_default()
    }

    /// Moves `amount >= 0` from the debited to the credited party.
    pub fn post(&mut self, accounts: &mut [Account], asset: u32, debit: Party, credit: Party, amount: Amount) {
        debug_assert!(amount >= 0, "a posting is not negative");
        self.change(accounts, asset, debit, -amount);
        self.change(accounts, asset, credit, amount);
    }

    fn change(&mut self, accounts: &mut [Account], asset: u32, party: Party, amount: Amount) {
        match party {
            Party::Holder(index) => {
                self.with_balance(accounts, index, asset, |b| b.pledged += amount);
            }
            Party::Lender(index) => {
                accounts[index as usize].balance_mut(asset).lent += amount;
                self.pools.entry(asset).or_default().lent += amount;
            }
            Party::Custody => *self.venue.entry((asset, party)).or_default() -= amount,
            _ => *self.venue.entry((asset, party)).or_default() += amount,
        }
    }

    /// Changes a holder's balance or reservation and keeps the pool's totals in step.
    pub fn with_balance(&mut self, accounts: &mut [Account], index: u32, asset: u32, change: impl FnOnce(&mut crate::account::Balance)) {
        let balance = accounts[index as usize].balance_mut(asset);
        let before = (balance.loan(), balance.pool_room());
        change(balance);
        let after = (balance.loan(), balance.pool_room());
        if before != after {
            let pool = self.pools.entry(asset).or_default();
            pool.borrowed += after.0 - before.0;
            pool.reserved += after.1 - before.1;
        }
    }

    /// Whether custody of the asset can take another deposit without overflow.
    ///
    /// # Errors
    /// `amount_must_not_overflow`.
    pub fn room_for(&self, asset: u32, amount: Amount) -> Result<(), Refusal> {
        let held = self.venue(Party::Custody, asset);
        match held.checked_add(amount) {
            Some(total) if total <= i64::MAX / 4 => Ok(()),
            _ => Err(Reject::amount_must_not_overflow.at(2, amount, i64::MAX / 4 - held)),
        }
    }

    /// Per asset: custody less everything that is owed to someone. Zero, always.
    #[must_use]
    pub fn conservation(&self, accounts: &[Account]) -> BTreeMap<u32, i128> {
        let mut difference: BTreeMap<u32, i128> = BTreeMap::new();
        for (&(asset, party), &amount) in &self.venue {
            let sign = if party == Party::Custody { 1 } else { -1 };
            *difference.entry(asset).or_default() += sign * i128::from(amount);
        }
        let mut lent: BTreeMap<u32, i128> = BTreeMap::new();
        let mut borrowed: BTreeMap<u32, i128> = BTreeMap::new();
        for balance in accounts.iter().flat_map(|a| &a.balances) {
            *difference.entry(balance.asset).or_default() -= i128::from(balance.pledged.max(0));
            *lent.entry(balance.asset).or_default() += i128::from(balance.lent);
            *borrowed.entry(balance.asset).or_default() += i128::from(balance.loan());
        }
        for (asset, total) in &mut difference {
            *total -= lent.get(asset).unwrap_or(&0) - borrowed.get(asset).unwrap_or(&0);
        }
        difference
    }

    /// Whether cached pool totals equal their recomputation.
    #[must_use]
    pub fn pools_are_true(&self, accounts: &[Account]) -> bool {
        let mut fresh: BTreeMap<u32, PoolTotals> = self.pools.keys().map(|&asset| (asset, PoolTotals::default())).collect();
        for balance in accounts.iter().flat_map(|a| &a.balances) {
            let pool = fresh.entry(balance.asset).or_default();
            pool.lent += balance.lent;
            pool.borrowed += balance.loan();
            pool.reserved += balance.pool_room();
        }
        fresh.iter().all(|(&asset, totals)| self.pool(asset) == *totals)
    }
}
