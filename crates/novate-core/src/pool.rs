//! A lending pool's books: what was lent and borrowed, and the two indexes by which both grow.
//!
//! Responsible for: the totals, the indexes' arithmetic and its roundings, and what one balance owes or is owed by index.
//! Never moves money (the ledger does) and never decides who may borrow.
//!
//! A loan and a claim are each stored as an amount with the index it was last brought up to: today's amount is
//! `amount x index / stored index`, rounded against the account. No tick visits an account. The pool's totals in shares
//! round the other way, so that what a tick gives lenders never exceeds what borrowers will owe.

use crate::account::Balance;
use crate::units::{Amount, PPM, div_ceil, div_floor};
use serde::{Deserialize, Serialize};

/// Both indexes of a new pool; the scale of an index is 1e-15.
pub const INDEX: i64 = 1_000_000_000_000_000;
/// An index grows to a hundred times its beginning and stops there.
pub const HIGHEST: i64 = 100 * INDEX;
/// A loss takes the supply index down to a millionth of its beginning, not further.
pub const LOWEST: i64 = INDEX / 1_000_000;
/// Shares per unit at an index of 1 are `SHARE / INDEX`; a share times an index is 1e-18 units.
pub const SHARE: i128 = 1_000_000_000_000_000_000;
/// Minutes in a year of 365 days.
const YEAR_MINUTES: i128 = 525_600;

/// A pool's totals, in the asset's units unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolTotals {
    /// Sum of lent balances as they stand in the accounts.
    pub lent: Amount,
    /// Sum of loans as they stand in the accounts.
    pub borrowed: Amount,
    /// Room kept for open spot orders and for the undrawn part of committed lines.
    pub reserved: Amount,
    /// What the venue itself has in the pool: reserve, and interest not yet shared (may be negative). Not the locked deposit.
    pub own: Amount,
    /// By how much loans grow.
    pub borrow_index: i64,
    /// By how much claims grow; falls when lenders bear a loss.
    pub supply_index: i64,
    /// Shares of all loans outside committed lines, each rounded down.
    pub borrow_shares: i128,
    /// Shares of all claims and of the locked deposit, each rounded up.
    pub supply_shares: i128,
    /// Shares of the locked deposit.
    pub locked_shares: i128,
    /// What the reserve is due beyond whole units, 1e-18 units.
    pub carry: i128,
}

impl Default for PoolTotals {
    fn default() -> Self {
        Self {
            lent: 0,
            borrowed: 0,
            reserved: 0,
            own: 0,
            borrow_index: INDEX,
            supply_index: INDEX,
            borrow_shares: 0,
            supply_shares: 0,
            locked_shares: 0,
            carry: 0,
        }
    }
}

/// The index of a committed line: as the pool's, with a ceiling on its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineIndex {
    /// Highest yearly rate.
    pub rate_cap_ppm: i64,
    /// By how much loans inside such lines grow.
    pub index: i64,
    /// Shares of those loans, each rounded down.
    pub shares: i128,
}

impl LineIndex {
    /// A line type nobody has drawn on.
    #[must_use]
    pub const fn new(rate_cap_ppm: i64) -> Self {
        Self { rate_cap_ppm, index: INDEX, shares: 0 }
    }
}

/// What one balance puts into the totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// The loan as it stands.
    pub loan: Amount,
    /// Room kept in the pool.
    pub kept: Amount,
    /// Shares of the loan outside the line.
    pub shares: i128,
    /// Shares of the part inside it.
    pub line_shares: i128,
}

impl Stake {
    /// Of a balance.
    #[must_use]
    pub fn of(balance: &Balance) -> Self {
        let loan = balance.loan();
        if loan == 0 {
            return Self { kept: balance.kept(), ..Self::default() };
        }
        let drawn = balance.drawn();
        Self {
            loan,
            kept: balance.kept(),
            shares: shares_down(loan - drawn, balance.borrow_index),
            line_shares: shares_down(drawn, balance.line_index),
        }
    }
}

fn shares_down(amount: Amount, index: i64) -> i128 {
    if amount == 0 { 0 } else { div_floor(i128::from(amount) * SHARE, i128::from(index)) }
}

/// Shares of an amount at an index, rounded up.
#[must_use]
pub fn shares_up(amount: Amount, index: i64) -> i128 {
    if amount == 0 { 0 } else { div_ceil(i128::from(amount) * SHARE, i128::from(index)) }
}

/// An amount of `from` at `to`, rounded up: for what is owed. A stored index of 0 means now: a loan that is only supposed.
#[must_use]
pub fn grown_up(amount: Amount, from: i64, to: i64) -> Amount {
    if amount == 0 || from == 0 || from == to { amount } else { div_ceil(i128::from(amount) * i128::from(to), i128::from(from)) as i64 }
}

/// The same, rounded down: for what is due to somebody.
#[must_use]
pub fn grown_down(amount: Amount, from: i64, to: i64) -> Amount {
    if amount == 0 || from == 0 || from == to { amount } else { div_floor(i128::from(amount) * i128::from(to), i128::from(from)) as i64 }
}

/// One minute's growth of an index at a yearly rate, rounded up.
#[must_use]
pub fn minute(index: i64, rate_ppm: i64) -> i64 {
    let grown = div_ceil(i128::from(index) * i128::from(rate_ppm), i128::from(PPM) * YEAR_MINUTES) as i64;
    grown.min(HIGHEST - index)
}

impl PoolTotals {
    /// What can be lent, or returned to lenders, now: what is really there and not kept for somebody.
    #[must_use]
    pub fn available(&self) -> Amount {
        self.lent + self.own - self.borrowed - self.reserved
    }

    /// What is really there.
    #[must_use]
    pub fn idle(&self) -> Amount {
        self.lent + self.own - self.borrowed
    }

    /// What is due to lenders by index, the locked deposit included, rounded up.
    #[must_use]
    pub fn due(&self) -> Amount {
        div_ceil(self.supply_shares * i128::from(self.supply_index), SHARE) as i64
    }

    /// One minute: loans outside lines grow at `rate_ppm`; `lines` is what those inside lines grew, 1e-18 units. Lenders
    /// get the interest less `reserve_ppm` of it, and never more than that share of the borrowers' rate; returns what is
    /// the reserve's, in whole units.
    pub fn tick(&mut self, rate_ppm: i64, reserve_ppm: i64, lines: i128) -> Amount {
        let grown = minute(self.borrow_index, rate_ppm);
        let interest = self.borrow_shares * i128::from(grown) + lines;
        let left = i128::from(PPM - reserve_ppm);
        let most = div_floor(i128::from(self.supply_index) * i128::from(grown) * left, i128::from(self.borrow_index) * i128::from(PPM));
        let earned = div_floor(div_floor(interest * left, i128::from(PPM)), self.supply_shares.max(1));
        let supplied = most.min(earned).min(i128::from(HIGHEST - self.supply_index)) as i64;
        self.borrow_index += grown;
        self.supply_index += supplied;
        self.carry += interest - self.supply_shares * i128::from(supplied);
        let units = div_floor(self.carry, SHARE);
        self.carry -= units * SHARE;
        units as i64
    }

    /// Takes `amount` from lenders, by index: the index falls by as much as covers it, rounded up. Returns what they
    /// bear, which is less only when they have less.
    pub fn bear(&mut self, amount: Amount) -> Amount {
        let theirs = self.supply_shares - self.locked_shares;
        let most = theirs * i128::from((self.supply_index - LOWEST).max(0));
        let borne = i128::from(amount).min(div_floor(most, SHARE));
        if borne > 0 {
            self.supply_index -= div_ceil(borne * SHARE, theirs) as i64;
        }
        borne as i64
    }
}

/// A yearly rate on a curve of (utilisation, rate) points, both in ppm: linear between them, rounded up. The first point
/// is at 0 and the last at 100 %.
#[must_use]
pub fn rate_at(base_ppm: i64, utilisation_ppm: &[i64], rates_ppm: &[i64], used_ppm: i64) -> i64 {
    let (mut from, mut low) = (0, base_ppm);
    for (&to, &high) in utilisation_ppm.iter().zip(rates_ppm) {
        if used_ppm <= to {
            let rise = i128::from(high - low) * i128::from(used_ppm - from);
            return low + div_ceil(rise, i128::from((to - from).max(1))) as i64;
        }
        (from, low) = (to, high);
    }
    low
}

/// Part of the pool that is used, ppm rounded up, at most all of it: loans and kept room of what lenders and reserve have.
#[must_use]
pub fn utilisation_ppm(used: i128, funds: i128) -> i64 {
    match (used, funds) {
        (..=0, _) => 0,
        (_, ..=0) => PPM,
        _ => div_ceil(used * i128::from(PPM), funds).min(i128::from(PPM)) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::MOST_LENT;

    #[test]
    fn a_curve_goes_through_its_points_and_never_falls_between_rising_ones() {
        let (used, rates) = ([800_000, 1_000_000], [50_000, 600_000]);
        let at = |u| rate_at(50_000, &used, &rates, u);
        assert_eq!([at(0), at(400_000), at(800_000), at(900_000), at(1_000_000)], [50_000, 50_000, 50_000, 325_000, 600_000]);
        assert_eq!(at(800_001), 50_003);
        assert!((0..1_000_000).step_by(997).all(|u| at(u) <= at(u + 997)));
    }

    #[test]
    fn a_year_of_minutes_compounds_to_just_above_the_exponential_of_its_rate() {
        let mut index = INDEX;
        for _ in 0..525_600 {
            index += minute(index, 50_000);
        }
        // e^0.05 = 1.051271096..., less half the rate squared over the minutes, plus what rounding up adds.
        assert!((1_051_271_093_000_000..1_051_271_097_500_000).contains(&index), "{index}");
    }

    #[test]
    fn what_a_tick_shares_out_is_what_it_charges_and_no_unit_more() {
        let mut pool = PoolTotals { supply_shares: shares_up(1_000_000_000, INDEX), borrow_shares: shares_down(999_999_999, INDEX), ..PoolTotals::default() };
        let (mut reserve, start) = (0_i128, pool);
        for minutes in 0..10_000_i64 {
            reserve += i128::from(pool.tick(50_000 + minutes * 37 % 500_000, 100_000, 0));
            let charged = pool.borrow_shares * i128::from(pool.borrow_index - start.borrow_index);
            let shared = pool.supply_shares * i128::from(pool.supply_index - start.supply_index);
            assert_eq!(charged, shared + reserve * SHARE + pool.carry);
            assert!(shared * 10 <= charged * 9 && (0..SHARE).contains(&pool.carry));
        }
    }

    #[test]
    fn lenders_bear_a_loss_to_the_unit_and_keep_a_millionth() {
        let mut pool = PoolTotals { supply_shares: shares_up(1_000_003, INDEX), ..PoolTotals::default() };
        assert_eq!(pool.bear(400_000), 400_000);
        assert!((600_001..=600_004).contains(&pool.due()), "{}", pool.due());
        assert_eq!(pool.bear(10_000_000), 600_001);
        assert!(pool.supply_index >= LOWEST && pool.due() <= 3);
    }

    #[test]
    fn amounts_round_against_their_account() {
        assert_eq!((grown_up(1, INDEX, INDEX + 1), grown_down(1, INDEX, INDEX + 1)), (2, 1));
        assert_eq!((grown_up(0, INDEX, HIGHEST), grown_up(MOST_LENT, INDEX, HIGHEST)), (0, 100 * MOST_LENT));
    }
}
