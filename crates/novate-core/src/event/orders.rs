//! Orders beyond the plain ones: triggers, time in force, slices, batches, phases of a market: events 450 to 469.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::{document, record};

record! {
    /// One leg of a batch changed nothing; legs count from 0.
    LegRefused = 450 { leg: u32, code: u16, command: u16, field: u16, retry: u16, reserved0: u32, value: i64, limit: i64 }
    /// An order met one of its own owner and shrank by these lots; with nothing left it ended.
    OrderDecremented = 451 { order: u64, market: u32, side: u8, reserved0: u8, reserved1: u16, lots: i64, leaves: i64 }
    /// A trigger waits. It reserves nothing and is margined when it fires.
    TriggerPlaced = 452 {
        order: u64, market: u32, side: u8, kind: u8, time_in_force: u8, flags: u8,
        trigger_market: u32, trigger: u8, reserved0: u8, reserved1: u16,
        price: i64, lots: i64, trigger_price: i64, expires_ns: i64, client_id: [u8; 16],
    }
    /// The mark reached a trigger; the events of its order stand just before.
    TriggerFired = 453 {
        trigger: u64,
        /// 0 when the order was refused.
        order: u64,
        /// The mark at the trigger market's underlying's scale.
        mark: i64,
        /// 0 when the order came in.
        code: u16, reserved0: u16, reserved1: u32, value: i64, limit: i64,
    }
    /// A waiting order ended without firing, or a parent order ended; `lots` were not traded.
    WaitingEnded = 454 { order: u64, market: u32, side: u8, reason: u8, reserved0: u16, lots: i64 }
    /// A parent order started.
    TwapPlaced = 455 {
        order: u64, market: u32, side: u8, flags: u8, reserved0: u16, price: i64, lots: i64, interval_ns: i64, slices: u32,
        reserved1: u32, client_id: [u8; 16],
    }
    /// A slice was sent, or (`code`) refused, or (`paused`) held while the market takes no orders.
    TwapSlice = 456 {
        order: u64, child: u64, slice: u32, code: u16, paused: u8, reserved0: u8, lots: i64, filled: i64, left: i64,
    }
    /// The dead-man switch is armed until then; 0: it is off.
    CancelAfterSet = 457 { due_ns: i64 }
    /// The dead-man switch fired.
    CancelAfterFired = 458 { due_ns: i64, orders: u32, reserved0: u32 }
    /// A market's phase; `until_ns` 0 when no timer ends it.
    MarketPhaseChanged = 459 { market: u32, phase: u8, reserved0: u8, reserved1: u16, until_ns: i64 }
    /// An auction traded at one price; `surplus` lots (bids positive) at that price found no counterpart.
    AuctionUncrossed = 460 { market: u32, reserved0: u32, price: i64, lots: i64, surplus: i64 }
}

document! {
    /// A batch was worked through.
    BatchDone = 461 { legs: u32, refused: u32 }
    /// The venue's parameters of orders are set.
    OrdersConfigured = 462 {}
}
