//! Closed hours, reopening, halts, outages and cancelled prints: commands 600 to 649.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::{document, record};

record! {
    /// A source takes a print back, and what it said near it since; with a price it corrects it. The venue time is the
    /// print's. `raw_hash` is the first 16 bytes of the hash of the message that says so.
    CancelPrint = 601 { underlying: u32, source: u32, venue_time_ns: i64, corrected: i64, raw_hash: [u8; 16] }
}

document! {
    /// Price parameters of the venue, once, after ConfigureVenue. Rates in ppm, times in ns.
    ConfigurePrices = 600 {
        /// Statements of a source that it may still take back.
        statements_kept: u32,
        /// Live outside venues that make an index while the primary market is closed.
        venues_while_closed: u32,
        /// Closed index: time constant of its drift, share of the way to a bound at which the reference moves there.
        drift_ns: i64, re_anchor_at_ppm: i64,
        /// Unbroken time below close-out at the drifted index before a liquidation.
        breach_ns: i64,
        /// After a closure longer than this the index is suspect for so long in overnight trading; the blend's length.
        long_closure_ns: i64, reopening_ns: i64, blend_ns: i64,
        /// A longer outage ends with markets that only cancel, for so long.
        outage_ns: i64, cancel_only_ns: i64,
        /// Halts: least gap rate after two lengths, and the length after which unmatched collateral is worth nothing.
        halt_first_ns: i64, halt_first_gap_ppm: i64, halt_second_ns: i64, halt_second_gap_ppm: i64, halt_last_ns: i64,
        /// Length of a halt after which its perps may be settled by decision.
        halt_settle_ns: i64,
        /// Earnings: multiple of the implied move that the gap rate covers, and the ramp below initial.
        earnings_multiple_ppm: i64, earnings_ramp_ns: i64,
    }
    /// A company reports in this window; options imply this move. A move of 0 takes the window back.
    ScheduleEarnings = 602 { underlying: u32, from_ns: i64, to_ns: i64, implied_move_ppm: i64 }
    /// All perps of a halted underlying are settled at this price (0: the last confirmed one), and the underlying is worth it.
    SettleHalted = 603 { underlying: u32, price: i64, reason: String }
}
