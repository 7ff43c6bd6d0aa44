//! Orders beyond the plain ones: parameters, orders that wait outside the books, timers.
//!
//! Responsible for: the records, and keeping an expiry and its timer together. Never contains a rule.

use crate::command::ConfigureOrders;
use crate::order::{SelfTrade, Side};
use crate::units::{Lots, Nanos, Ticks};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Ids of waiting orders have the top bit, which no order of the slab has.
pub const WAITING: u64 = 1 << 63;

/// What a new order asks for, whichever message it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTerms {
    /// Market.
    pub market: u32,
    /// 0 bid, 1 ask.
    pub side: u8,
    /// Limit or market.
    pub kind: u8,
    /// GTC, IOC, FOK or GTD.
    pub time_in_force: u8,
    /// Post-only, reduce-only.
    pub flags: u8,
    /// What happens when it meets its owner's order.
    pub self_trade: u8,
    /// Ticks.
    pub price: Ticks,
    /// Lots.
    pub lots: Lots,
    /// Fewest lots that must fill at once.
    pub min_lots: Lots,
    /// Good till date only.
    pub expires_ns: Nanos,
    /// Zeros: none.
    pub client_id: [u8; 16],
}

/// An order that waits for a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The order it becomes.
    pub terms: OrderTerms,
    /// Hash of the request, which the order keeps for its client id.
    pub fingerprint: u64,
    /// Key that armed it: its limits are asked again when it fires.
    pub actor: u64,
    /// The perp whose mark pulls it.
    pub market: u32,
    /// Whether the mark must rise to the price; else fall.
    pub rises: bool,
    /// Ticks of that perp.
    pub price: Ticks,
}

/// A parent order that sends slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twap {
    /// Market.
    pub market: u32,
    /// Side.
    pub side: Side,
    /// Reduce-only or nothing.
    pub flags: u8,
    /// What happens when a slice meets its owner's order.
    pub self_trade: SelfTrade,
    /// Key that sent it: its limits are asked again with every slice.
    pub actor: u64,
    /// Worst price; 0 for the collar.
    pub price: Ticks,
    /// Wanted in all.
    pub lots: Lots,
    /// Traded so far.
    pub filled: Lots,
    /// Slices in all.
    pub slices: u32,
    /// Slices sent.
    pub sent: u32,
    /// Between them.
    pub interval_ns: Nanos,
    /// The next one.
    pub next_ns: Nanos,
    /// The market took no orders when the last one was due; told once.
    pub paused: bool,
    /// Zeros: none.
    pub client_id: [u8; 16],
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pending {
    /// For a mark.
    Trigger(Trigger),
    /// For the time of its next slice.
    Twap(Twap),
}

/// A waiting order and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Dense account index.
    pub account: u32,
    /// What it is.
    pub pending: Pending,
}

/// What a timer does when it is due. Timers run in the order of time, kind and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// An order of the slab, or a trigger, ends.
    Expiry(u64),
    /// A dead-man switch fires: dense account index.
    Silence(u32),
    /// A TWAP sends a slice.
    Slice(u64),
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trading {
    /// Parameters.
    pub terms: Option<ConfigureOrders>,
    /// Triggers and parent orders by id.
    pub waiting: BTreeMap<u64, Waiting>,
    /// The same by account.
    pub by_account: BTreeSet<(u32, u64)>,
    /// Last id given out, without its top bit.
    pub last_waiting: u64,
    /// Triggers that fire when a mark rises: trigger market, ticks, id.
    pub rising: BTreeSet<(u32, Ticks, u64)>,
    /// Triggers that fire when a mark falls.
    pub falling: BTreeSet<(u32, Reverse<Ticks>, u64)>,
    /// Lowest and highest mark of a perp since its triggers were last served in full, at the underlying's scale.
    pub reached: BTreeMap<u32, (i64, i64)>,
    /// Good-till-date orders of the slab.
    pub expiries: BTreeMap<u64, Nanos>,
    /// Armed dead-man switches by dense account index: when they fire.
    pub silences: BTreeMap<u32, Nanos>,
    /// All timers.
    pub timers: BTreeSet<(Nanos, Timer)>,
}

impl Trading {
    /// Gives an order of the slab, or a trigger, its end in time.
    pub fn expires(&mut self, order: u64, at: Nanos) {
        self.expiries.insert(order, at);
        self.timers.insert((at, Timer::Expiry(order)));
    }

    /// The order ended before its time.
    pub fn expires_no_more(&mut self, order: u64) {
        if let Some(at) = self.expiries.remove(&order) {
            self.timers.remove(&(at, Timer::Expiry(order)));
        }
    }
}
