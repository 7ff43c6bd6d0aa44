//! Orders beyond the plain ones: triggers, time in force, slices, batches, phases of a market: commands 400 to 419.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::codec::Bytes;
use crate::{document, record};

/// Good till date: rests until cancelled, or until the first `AdvanceTime` at or after `expires_ns`.
pub const GTD: u8 = 3;
/// Trigger: waits until the mark goes against its owner (a bid: rises to the trigger price; an ask: falls to it).
pub const STOP: u8 = 1;
/// Trigger: waits until the mark goes in its owner's favour (a bid: falls to the trigger price; an ask: rises to it).
pub const TAKE_PROFIT: u8 = 2;

record! {
    /// A new order with everything that an order can say. `client_id` of zeros means none.
    PlaceOrderFull = 400 {
        market: u32, side: u8, kind: u8, time_in_force: u8, flags: u8,
        /// What happens when it meets an order of its own owner: 0 cancel newest, 1 oldest, 2 both, 3 decrement.
        self_trade: u8,
        /// 0 none, 1 stop, 2 take-profit.
        trigger: u8, reserved0: u16,
        /// The perp whose mark pulls the trigger; 0 for the order's own market.
        trigger_market: u32,
        price: i64, lots: i64,
        /// Fewest lots that must fill at once; 0 for none.
        min_lots: i64,
        /// Good till date only.
        expires_ns: i64,
        /// Ticks of the trigger market.
        trigger_price: i64,
        client_id: [u8; 16],
    }
    /// Arms, refreshes or (0) disarms the account's dead-man switch: without another one within the span, all its
    /// orders are cancelled. Time in which the venue is down counts.
    CancelAfter = 401 { span_ns: i64 }
    /// Slices a quantity over time: immediate-or-cancel children at even intervals, `duration / interval` of them.
    PlaceTwap = 402 {
        market: u32, side: u8, flags: u8, self_trade: u8, reserved0: u8,
        /// Worst price of every slice; 0 for the listed collar.
        price: i64,
        lots: i64, interval_ns: i64, duration_ns: i64, client_id: [u8; 16],
    }
    /// Moves a market to cancel-only 1, an auction's call 2, or closed 3; 0 ends a call with its auction now.
    SetMarketPhase = 403 {
        market: u32, phase: u8, reserved0: u8, reserved1: u16,
        /// When cancel-only turns into a call, or a call uncrosses; 0: only when told.
        until_ns: i64,
    }
}

document! {
    /// Places, cancellations and amendments, each answered on its own: per leg the type number (two bytes, little-endian)
    /// and the body of a `PlaceOrder`, `PlaceOrderFull`, `CancelOrder` or `AmendOrder`, one after another.
    OrderBatch = 404 { legs: Bytes }
    /// The venue's parameters of orders, once, before the first underlying is listed.
    ConfigureOrders = 405 {
        batch_legs: u32,
        /// Open and waiting orders an account may have in all, and orders a book holds at most.
        orders_per_account: u32, orders_per_book: u32,
        /// One order per interval on average, at most `order_burst` at once; cancellations are never limited.
        order_interval_ns: i64, order_burst: u32,
        /// Timers and triggers that one `AdvanceTime` serves.
        timers_per_advance: u32,
        longest_expiry_ns: i64,
        /// Least interval and most slices of a TWAP, and how many even slices one may catch up.
        twap_interval_ns: i64, twap_slices: u32, twap_catch_up: u32,
        /// Bounds of the dead-man switch.
        silence_least_ns: i64, silence_most_ns: i64,
        /// Length of a call that follows a cancel-only phase, or that is extended for want of a price.
        call_ns: i64,
        /// Corners of open orders up to which a set is proven to reduce; a set with more does not count as reducing.
        reducing_corners: u32,
    }
}
