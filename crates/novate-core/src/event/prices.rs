//! Closed hours, reopening, halts, outages and cancelled prints: events 650 to 699.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::{document, record};

record! {
    /// A print was smaller than the listed minimum: it moved nothing.
    PrintIgnored = 651 { underlying: u32, source: u32, price: i64, size: i64, min_size: i64 }
    /// A source took a print back: the index before and after, and the stable price now.
    PrintCancelled = 652 {
        underlying: u32, source: u32, venue_time_ns: i64, corrected: i64, index_before: i64, index: i64, stable: i64,
    }
    /// An account is below close-out at the drifted index of closed hours (1), or no longer (0). `since_ns`: since when.
    DriftBreached = 653 { breached: u32, reserved0: u32, since_ns: i64 }
}

document! {
    /// The venue's price parameters are set.
    PricesConfigured = 650 {}
    /// The window of a report is set, or taken back (a move of 0).
    EarningsScheduled = 654 { underlying: u32, from_ns: i64, to_ns: i64, implied_move_ppm: i64 }
    /// The venue was away for so long; markets only cancel until then.
    OutageEnded = 655 { outage_ns: i64, cancel_only_until_ns: i64 }
    /// The settlement of a halted underlying's perps begins at this price.
    HaltSettlementStarted = 656 { underlying: u32, price: i64, reason: String }
    /// One account's perp of a halted underlying is settled: signed lots, price in ticks, what that realised in quote units.
    HaltSettled = 657 { market: u32, lots: i64, price: i64, realised: i64 }
    /// All perps of the halted underlying are settled.
    HaltSettlementEnded = 658 { underlying: u32, price: i64, accounts: u32 }
}
