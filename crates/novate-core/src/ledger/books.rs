//! The books outside the vault: shares per token and dollars at brokers, in double entry like every other money.
//!
//! Responsible for: one posting function over debit-normal and credit-normal places, and their zero sums. Never decides
//! whether a movement is allowed. Shares are counted in 1e-9, dollars in millionths.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unit {
    /// 1e-9 shares behind a token.
    Shares(u32),
    /// Micro-dollars.
    Dollars,
}

/// Where it is, or whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// Settled at a broker, behind tokens (shares) or prefunded (dollars). Debit-normal.
    Broker(u32),
    /// On its way from a broker: shares bought unsettled, dollars of unsettled sales. Debit-normal.
    FromBroker(u32),
    /// What the treasury owes the backing after a bust or a failed settlement. Debit-normal.
    Shortage,
    /// The venue's own shares at a broker, and those it bought unsettled. Debit-normal.
    HouseAt(u32),
    /// Bought by the house, unsettled. Debit-normal.
    HouseFrom(u32),
    /// Dollars on their way to become stablecoins. Debit-normal.
    Converting,
    /// On its way to a broker: shares sold unsettled, dollars of unsettled purchases. Credit-normal.
    ToBroker(u32),
    /// Sold by the house, unsettled. Credit-normal.
    HouseTo(u32),
    /// What holders of the token are entitled to: tokens x multiplier, rounded up. Credit-normal.
    Entitled,
    /// What rounding left behind the token; never negative. Credit-normal.
    Surplus,
    /// Whose the house inventory is. Credit-normal.
    House,
    /// The treasury's dollars, spent and earned; may be negative. Credit-normal.
    Treasury,
}

impl Place {
    /// Whether a debit increases it.
    #[must_use]
    pub const fn is_debit_normal(self) -> bool {
        matches!(self, Self::Converting | Self::Broker(_) | Self::FromBroker(_) | Self::Shortage | Self::HouseAt(_) | Self::HouseFrom(_))
    }
}

/// Balances in the normal sign of each place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    balances: BTreeMap<(Unit, Place), i64>,
}

impl Books {
    /// A balance.
    #[must_use]
    pub fn at(&self, unit: Unit, place: Place) -> i64 {
        self.balances.get(&(unit, place)).copied().unwrap_or(0)
    }

    /// Moves `amount` (negative: the other way) from the credited to the debited place.
    pub fn post(&mut self, unit: Unit, debit: Place, credit: Place, amount: i64) {
        for (place, change) in [(debit, amount), (credit, -amount)] {
            let signed = if place.is_debit_normal() { change } else { -change };
            *self.balances.entry((unit, place)).or_default() += signed;
        }
    }

    /// Every balance that ever moved.
    pub fn all(&self) -> impl Iterator<Item = (Unit, Place, i64)> + '_ {
        self.balances.iter().map(|(&(unit, place), &amount)| (unit, place, amount))
    }

    /// Sum over the places of a unit that a test names.
    pub fn sum(&self, unit: Unit, which: impl Fn(Place) -> bool) -> i64 {
        self.all().filter(|&(u, place, _)| u == unit && which(place)).map(|b| b.2).sum()
    }

    /// Per unit, debits less credits. Zero, always.
    #[must_use]
    pub fn conservation(&self) -> BTreeMap<Unit, i128> {
        let mut sums: BTreeMap<Unit, i128> = BTreeMap::new();
        for (unit, place, amount) in self.all() {
            let sign = if place.is_debit_normal() { 1 } else { -1 };
            *sums.entry(unit).or_default() += sign * i128::from(amount);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_posting_keeps_the_sum_at_zero_and_signs_normal() {
        let (mut books, shares) = (Books::default(), Unit::Shares(2));
        books.post(shares, Place::FromBroker(1), Place::Entitled, 90);
        books.post(shares, Place::FromBroker(1), Place::Surplus, 10);
        books.post(shares, Place::Shortage, Place::FromBroker(1), 100);
        books.post(shares, Place::Entitled, Place::ToBroker(1), 40);
        books.post(Unit::Dollars, Place::Treasury, Place::ToBroker(1), 7);
        assert_eq!((books.at(shares, Place::Shortage), books.at(shares, Place::FromBroker(1))), (100, 0));
        assert_eq!((books.at(shares, Place::Entitled), books.at(shares, Place::ToBroker(1))), (50, 40));
        assert_eq!(books.at(Unit::Dollars, Place::Treasury), -7);
        assert!(books.conservation().values().all(|&sum| sum == 0));
    }
}
