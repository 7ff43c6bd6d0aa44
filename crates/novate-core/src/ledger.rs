//! The double-entry ledger: every movement debits one account and credits another, in one asset.
//!
//! Responsible for: venue accounts, custody, pools, the one function that moves money, and `conservation()`. Never
//! decides whether a movement is allowed: refusals come before the call, and nothing fails in here.
//!
//! Kinds: holders and venue accounts are credit-normal, custody is debit-normal. No account is exempt.

pub mod books;

use crate::account::{Account, Balance};
pub use crate::pool::PoolTotals;
use crate::pool::{LineIndex, Stake, grown_down, grown_up, shares_up};
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
    /// A holder's segregated balance.
    Held(u32),
    /// Trading and liquidation fees.
    Fees,
    /// Insurance of a bucket.
    Insurance(u32),
    /// The operator's own money that pays before a bucket's insurance.
    Operator(u32),
    /// Collateral that no stage could sell.
    Recovery,
    /// What rounding leaves.
    Rounding,
    /// A pool's interest: what borrowers were charged less what lenders and reserve were credited. Negative while lenders'
    /// accounts were brought up to the index before borrowers' were; what rounding leaves stays here.
    Pool,
    /// The pool's reserve: its share of interest and the operator's money. It bears losses before lenders do.
    Reserve,
    /// The pool's locked deposit: a claim that never leaves, so that no lender is ever alone with the index. It is not
    /// borrowed; what it earns stays with the pool.
    Locked,
    /// Perp clearing of a market; never negative.
    Clearing(u32),
    /// Withdrawals on their way.
    Pending,
    /// A holder's amounts held for requests to issue or redeem: pending postings, voided back or posted at a fill.
    Escrow(u32),
    /// Cash a holder is due from redemptions.
    Due(u32),
    /// Cash due to holders and not funded yet: never positive, the mirror of all `Due`.
    Redemptions,
    /// Stablecoins on their way to become dollars.
    InTransit,
    /// The operator's own money, behind issuance and redemption and for compensating errors.
    Treasury,
    /// What brokers paid for holders and holders are yet to get; negative where the venue paid first.
    Distributions,
}

/// Dividends that brokers owe on the shares behind a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receivable {
    /// Per whole token, 1e-12 dollars; negative after a correction downwards.
    pub each: i64,
    /// Due from brokers in all: token units times `each`.
    pub total: i128,
}

/// Venue accounts and pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    venue: BTreeMap<(u32, Party), Amount>,
    pools: BTreeMap<u32, PoolTotals>,
    /// By token; only those with something due.
    receivables: BTreeMap<u32, Receivable>,
    /// Indexes of committed lines by asset and type.
    lines: BTreeMap<(u32, u32), LineIndex>,
    /// Interest that the command brought into balances: account, asset, signed units, and whether
    /// it is a lender's. Told at the command's end.
    #[serde(skip)]
    realised: Vec<(u32, u32, Amount, bool)>,
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
            Party::Lender(index) => self.with_claim(accounts, index, asset, |b| b.lent += amount),
            Party::Held(index) => accounts[index as usize].balance_mut(asset).held += amount,
            Party::Custody => {
                *self.venue.entry((asset, party)).or_default() -= amount;
                // A token that comes or goes brings or takes what is receivable on it.
                if let Some(due) = self.receivables.get_mut(&asset) {
                    due.total -= i128::from(amount) * i128::from(due.each);
                }
            }
            Party::Escrow(index) => accounts[index as usize].balance_mut(asset).escrowed += amount,
            Party::Due(index) => accounts[index as usize].balance_mut(asset).due += amount,
            Party::Pool | Party::Reserve => {
                *self.venue.entry((asset, party)).or_default() += amount;
                self.pools.entry(asset).or_default().own += amount;
            }
            _ => *self.venue.entry((asset, party)).or_default() += amount,
        }
    }

    /// Changes a holder's balance, reservation or line and keeps the pool's totals in step. A loan is first brought up to
    /// the index: its interest becomes the pool's.
    pub fn with_balance(&mut self, accounts: &mut [Account], index: u32, asset: u32, change: impl FnOnce(&mut Balance)) {
        let balance = accounts[index as usize].balance_mut(asset);
        let before = Stake::of(balance);
        let line = balance.line_type;
        let interest = if before.loan > 0 { self.owed(balance) - before.loan } else { 0 };
        balance.pledged -= interest;
        change(balance);
        if balance.pledged < 0 {
            balance.borrow_index = self.pool(asset).borrow_index;
            balance.line_index = self.line_index(asset, balance.line_type);
        } else {
            (balance.borrow_index, balance.line_index) = (0, 0);
        }
        let after = Stake::of(balance);
        let now = balance.line_type;
        if before != after {
            let pool = self.pools.entry(asset).or_default();
            pool.borrowed += after.loan - before.loan;
            pool.reserved += after.kept - before.kept;
            pool.borrow_shares += after.shares - before.shares;
            for (line, shares) in [(line, -before.line_shares), (now, after.line_shares)] {
                if shares != 0 {
                    self.lines.get_mut(&(asset, line)).expect("a line's type is listed").shares += shares;
                }
            }
        }
        if interest != 0 {
            self.realised.push((index, asset, -interest, false));
            *self.venue.entry((asset, Party::Pool)).or_default() += interest;
            self.pools.entry(asset).or_default().own += interest;
        }
    }

    /// Changes a claim on the pool, first brought up to the index: what it earned (or lost) comes out of the pool's interest.
    fn with_claim(&mut self, accounts: &mut [Account], index: u32, asset: u32, change: impl FnOnce(&mut Balance)) {
        let balance = accounts[index as usize].balance_mut(asset);
        let (lent, shares) = (balance.lent, shares_up(balance.lent, balance.supply_index));
        let earned = self.claim(balance) - lent;
        let pool = self.pools.entry(asset).or_default();
        balance.lent += earned;
        change(balance);
        balance.supply_index = pool.supply_index;
        pool.lent += balance.lent - lent;
        pool.supply_shares += shares_up(balance.lent, balance.supply_index) - shares;
        if earned != 0 {
            self.realised.push((index, asset, earned, true));
            *self.venue.entry((asset, Party::Pool)).or_default() -= earned;
            pool.own -= earned;
        }
    }

    /// Brings an account's loan and claim of an asset up to the index.
    pub fn bring_up(&mut self, accounts: &mut [Account], index: u32, asset: u32) {
        self.with_balance(accounts, index, asset, |_| ());
        if accounts[index as usize].balance(asset).is_some_and(|b| b.lent > 0) {
            self.with_claim(accounts, index, asset, |_| ());
        }
    }

    /// What a balance owes its pool by index, rounded up.
    #[must_use]
    pub fn owed(&self, balance: &Balance) -> Amount {
        if balance.loan() == 0 {
            return 0;
        }
        let drawn = balance.drawn();
        let inside = if drawn == 0 { 0 } else { grown_up(drawn, balance.line_index, self.line_index(balance.asset, balance.line_type)) };
        self.owed_outside(balance) + inside
    }

    /// The part of it that is outside the balance's committed line.
    #[must_use]
    pub fn owed_outside(&self, balance: &Balance) -> Amount {
        match balance.loan() {
            0 => 0,
            loan => grown_up(loan - balance.drawn(), balance.borrow_index, self.pool(balance.asset).borrow_index),
        }
    }

    /// What a balance's claim on the pool is by index, rounded down.
    #[must_use]
    pub fn claim(&self, balance: &Balance) -> Amount {
        if balance.lent == 0 { 0 } else { grown_down(balance.lent, balance.supply_index, self.pool(balance.asset).supply_index) }
    }

    /// Pledged and lent together, interest to the last tick included.
    #[must_use]
    pub fn pledged_and_lent(&self, balance: &Balance) -> i128 {
        let pledged = if balance.pledged < 0 { -self.owed(balance) } else { balance.pledged };
        i128::from(pledged) + i128::from(self.claim(balance))
    }

    /// Interest that came into balances since the last call; for the command's events.
    pub fn take_realised(&mut self) -> Vec<(u32, u32, Amount, bool)> {
        std::mem::take(&mut self.realised)
    }

    /// What all loans of a pool come to by index, rounded up.
    #[must_use]
    pub fn owed_in_all(&self, asset: u32) -> Amount {
        let pool = self.pool(asset);
        let lines: i128 = self.lines_of(asset).map(|(_, l)| l.shares * i128::from(l.index)).sum();
        let scaled = pool.borrow_shares * i128::from(pool.borrow_index) + lines;
        crate::units::div_ceil(scaled, crate::pool::SHARE) as i64
    }

    /// The line types of an asset.
    pub fn lines_of(&self, asset: u32) -> impl Iterator<Item = (u32, LineIndex)> + '_ {
        self.lines.range((asset, 0)..=(asset, u32::MAX)).map(|(&(_, line), &index)| (line, index))
    }

    fn line_index(&self, asset: u32, line: u32) -> i64 {
        self.lines.get(&(asset, line)).map_or(crate::pool::INDEX, |l| l.index)
    }

    /// Opens a line type.
    pub fn open_line(&mut self, asset: u32, line: u32, rate_cap_ppm: i64) {
        self.lines.insert((asset, line), LineIndex::new(rate_cap_ppm));
    }

    /// Locks a deposit in the pool for good.
    pub fn lock(&mut self, accounts: &mut [Account], asset: u32, amount: Amount) {
        self.post(accounts, asset, Party::Custody, Party::Locked, amount);
        let pool = self.pools.entry(asset).or_default();
        let shares = shares_up(amount, pool.supply_index);
        pool.locked_shares += shares;
        pool.supply_shares += shares;
    }

    /// The locked deposit was renumbered with its token: its claim follows. Nobody else has a part in the pool then.
    pub fn renumber_locked(&mut self, asset: u32, ratio: crate::units::Ratio) {
        if let Some(pool) = self.pools.get_mut(&asset) {
            let locked = ratio.of_down(pool.locked_shares);
            pool.supply_shares += locked - pool.locked_shares;
            pool.locked_shares = locked;
        }
    }

    /// One minute of a pool at its rate: both indexes grow, and the reserve gets its share.
    pub fn tick(&mut self, accounts: &mut [Account], asset: u32, rate_ppm: i64, reserve_ppm: i64) {
        let mut inside = 0;
        for (_, line) in self.lines.range_mut((asset, 0)..=(asset, u32::MAX)) {
            let grown = crate::pool::minute(line.index, rate_ppm.min(line.rate_cap_ppm));
            line.index += grown;
            inside += line.shares * i128::from(grown);
        }
        let reserved = self.pools.entry(asset).or_default().tick(rate_ppm, reserve_ppm, inside);
        self.post(accounts, asset, Party::Pool, Party::Reserve, reserved);
    }

    /// Lenders bear a loss by index; what they bear is the pool's to give. Returns it.
    pub fn bear(&mut self, asset: u32, amount: Amount) -> Amount {
        self.pools.entry(asset).or_default().bear(amount)
    }

    /// Receivable per whole token, 1e-12 dollars.
    #[inline]
    #[must_use]
    pub fn receivable(&self, asset: u32) -> i64 {
        if self.receivables.is_empty() { 0 } else { self.receivables.get(&asset).map_or(0, |r| r.each) }
    }

    /// All receivables: token, and what brokers owe on it.
    pub fn receivables(&self) -> impl Iterator<Item = (u32, Receivable)> + '_ {
        self.receivables.iter().map(|(&asset, &due)| (asset, due))
    }

    /// Makes `each` more (or less) receivable per token; brokers owe `units` times that.
    pub fn accrue(&mut self, asset: u32, each: i64, units: i128) {
        let due = self.receivables.entry(asset).or_default();
        due.each += each;
        due.total += units * i128::from(each);
        if *due == Receivable::default() {
            self.receivables.remove(&asset);
        }
    }

    /// Per token: what brokers owe less what holders, and the venue's own accounts, have receivable. Zero, always.
    #[must_use]
    pub fn receivable_differences(&self, accounts: &[Account]) -> BTreeMap<u32, i128> {
        let own = |asset: u32| -> i128 {
            let venue = self.venue.iter().filter(|(key, _)| key.0 == asset && key.1 != Party::Custody);
            venue.map(|(_, &amount)| i128::from(amount)).sum()
        };
        let held = |asset: u32| -> i128 {
            let balances = accounts.iter().filter_map(|a| a.balance(asset));
            balances.map(Balance::units).sum()
        };
        let of = |(&asset, due): (&u32, &Receivable)| (asset, due.total - (own(asset) + held(asset)) * i128::from(due.each));
        self.receivables.iter().map(of).collect()
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
            let set_apart = i128::from(balance.held) + i128::from(balance.escrowed) + i128::from(balance.due);
            *difference.entry(balance.asset).or_default() -= i128::from(balance.pledged.max(0)) + set_apart;
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
        let blank = |pool: &PoolTotals| PoolTotals {
            supply_shares: pool.locked_shares,
            lent: 0,
            borrowed: 0,
            reserved: 0,
            own: 0,
            borrow_shares: 0,
            ..*pool
        };
        let mut fresh: BTreeMap<u32, PoolTotals> = self.pools.iter().map(|(&asset, pool)| (asset, blank(pool))).collect();
        let mut lines: BTreeMap<(u32, u32), i128> = self.lines.keys().map(|&line| (line, 0)).collect();
        for balance in accounts.iter().flat_map(|a| &a.balances) {
            let pool = fresh.entry(balance.asset).or_default();
            let stake = Stake::of(balance);
            pool.lent += balance.lent;
            pool.borrowed += stake.loan;
            pool.reserved += stake.kept;
            pool.borrow_shares += stake.shares;
            pool.supply_shares += shares_up(balance.lent, balance.supply_index);
            if stake.line_shares != 0 {
                *lines.entry((balance.asset, balance.line_type)).or_default() += stake.line_shares;
            }
        }
        for (&(asset, party), &amount) in &self.venue {
            if matches!(party, Party::Pool | Party::Reserve) {
                fresh.entry(asset).or_default().own += amount;
            }
        }
        fresh.iter().all(|(&asset, totals)| self.pool(asset) == *totals) && lines.iter().all(|(key, &shares)| self.lines[key].shares == shares)
    }
}
