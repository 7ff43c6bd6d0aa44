//! Pools, curves, committed lines, stock loans and cash calls: commands 700 to 749.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::document;

document! {
    /// Lending parameters of the venue, once, before the first underlying. Rates in ppm, times in ns.
    ConfigureLending = 700 {
        /// Above this utilisation for this long: no new loans, and loans are called.
        call_above_ppm: i64, call_after_ns: i64,
        /// What a called loan has until it is overdue.
        call_deadline_ns: i64,
        /// How long a perp debt may stay unsettled before it is a cash call, and the regular hours of its underlying that
        /// the call then has.
        unsettled_after_ns: i64, cash_call_ns: i64,
        /// Regular opens until a recalled stock loan is bought in.
        recall_opens: u32,
        /// Minutes of interest that one `AdvanceTime` makes up for at most.
        ticks_per_command: u32,
    }
    /// The operator's money for a pool: first its locked deposit, then its reserve.
    FundPool = 701 { asset: u32, amount: i64 }
    /// A lender wants tokens back that are lent out: what the pool has comes at once, for the rest stock loans are recalled,
    /// pro rata by size.
    RecallLoan = 702 { asset: u32, amount: i64 }
    /// A type of committed line: the ceiling of its rate, its fee for one period of `notice_ns` as a part of its size, the
    /// notice after which the venue may end it, and the sizes it is sold in.
    ListLine = 703 { asset: u32, line: u32, rate_cap_ppm: i64, fee_ppm: i64, notice_ns: i64, least: i64, most: i64 }
    /// Buys a committed line of a size, or gives it up with a size of 0. The fee of the first period is paid at once.
    BuyLine = 704 { asset: u32, line: u32, size: i64 }
    /// The venue gives notice of an account's line.
    GiveLineNotice = 705 { account: u64, asset: u32 }
}
