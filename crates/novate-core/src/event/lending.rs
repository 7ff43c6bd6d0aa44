//! Pools, curves, committed lines, stock loans and cash calls: events 750 to 799.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::document;

document! {
    /// The venue's lending parameters are set.
    LendingConfigured = 750 {}
    /// A pool got the operator's money: what is locked and what is reserve now.
    PoolFunded = 751 { asset: u32, amount: i64, locked: i64, reserve: i64 }
    /// A pool's rate changed with its utilisation, from the minute of the command. Indexes at 1e-15.
    PoolRateChanged = 752 { asset: u32, utilisation_ppm: i64, rate_ppm: i64, borrow_index: i64, supply_index: i64 }
    /// A loan that nothing is left to pay: what insurance, the pool's reserve and its lenders bear, and what is still owed.
    LoanShortfallAbsorbed = 753 { asset: u32, insurance: i64, reserve: i64, lenders: i64, left: i64 }
    /// A lent claim changed hands. One event per side; positive for the receiver.
    LentTransferred = 754 { counterparty: u64, asset: u32, amount: i64, lent: i64 }
    /// A lender's claim is smaller: its part, by index, of a loan that was not paid.
    LentLossBorne = 755 { asset: u32, amount: i64, lent: i64 }
}
