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
}
