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
    /// A perp debt stayed unsettled past its deadline: the amount, the regular hours of its market that are left to bring it,
    /// and the assets that answer it: the quote itself, then the tokens that sell for it, in the order of their sale.
    CashCallMade = 756 { market: u32, asset: u32, amount: i64, regular_ns: i64, accepted: Vec<i64> }
    /// What a called account had, or could borrow, went to the call.
    CashCallPaid = 757 { market: u32, asset: u32, amount: i64, left: i64 }
    /// The hours are over: collateral is sold for it, whatever the excess.
    CashCallOverdue = 758 { market: u32, asset: u32, amount: i64 }
    /// A loan must become smaller by the amount: reason 0 until a time, because its pool is used above the limit; 1 until the
    /// stated number of openings, because a lender wants its tokens back.
    LoanCalled = 759 { asset: u32, reason: u8, amount: i64, due_ns: i64, opens: u32 }
    /// The loan did not: collateral is sold for it, or the tokens are bought for the account.
    LoanCallOverdue = 760 { asset: u32, amount: i64 }
    /// A call ended. Kind 0 cash, 1 loan; the market is 0 for a loan. Reason 0 answered, 1 taken back: the pool has enough.
    CallEnded = 761 { call_kind: u8, reason: u8, market: u32, asset: u32 }
    /// A lender waits for tokens that are lent out: what came at once, what it waits for, and what was called for it.
    RecallWaits = 762 { asset: u32, paid: i64, waiting: i64, called: i64 }
    /// Tokens were bought, or ordered from issuance (way 1), for an account that did not return a recalled loan: units, what
    /// they cost with fees (or what was set aside for them), and what of the call is left.
    BoughtIn = 763 { asset: u32, way: u8, market: u32, units: i64, cost: i64, left: i64 }
    /// A type of committed line is sold.
    LineListed = 764 { asset: u32, line: u32 }
    /// A committed line was bought, or goes on for another period: its fee, and until when it is paid.
    LinePaid = 765 { asset: u32, line: u32, size: i64, fee: i64, paid_until_ns: i64 }
    /// The venue gave notice: the line ends then.
    LineNoticeGiven = 766 { asset: u32, line: u32, size: i64, ends_ns: i64 }
    /// A line is over; what was drawn on it is a loan like others. Reason 0 given up, 1 notice, 2 its fee was not paid.
    LineEnded = 767 { asset: u32, line: u32, size: i64, reason: u8 }
}
