//! Orders at rest: one slab of fixed-size records shared by all markets.
//!
//! Responsible for: the record of an order, its venue id (slot and generation), reuse of freed slots, and the
//! list of each account's orders. Never decides priority (the book does) and never knows money or margin.

use serde::{Deserialize, Serialize};

use crate::units::{Lots, Ticks};

/// No slot: the end of a list, or an absent index.
pub const NIL: u32 = u32::MAX;

/// The order may only reduce a position.
pub const REDUCE_ONLY: u8 = 2;
/// The order was placed on condition that it would not trade at once.
pub const POST_ONLY: u8 = 1;
/// The engine's own mark: the order has a timer.
pub const EXPIRES: u8 = 4;
/// Where the self-trade mode begins among the flags of a record.
const SELF_TRADE_AT: u8 = 4;

/// Which side of the book an order is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum Side {
    /// Buys.
    Bid = 0,
    /// Sells.
    Ask = 1,
}

impl Side {
    /// The side this one trades with.
    #[inline]
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }

    /// +1 for a bid, -1 for an ask: the sign of the position a fill adds.
    #[inline]
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Bid => 1,
            Self::Ask => -1,
        }
    }
}

impl From<Side> for u8 {
    fn from(side: Side) -> Self {
        side as Self
    }
}

impl TryFrom<u8> for Side {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Bid),
            1 => Ok(Self::Ask),
            _ => Err("side is 0 (bid) or 1 (ask)"),
        }
    }
}

/// What happens when an order meets another of its own owner. The incoming order's choice counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum SelfTrade {
    /// The rest of the incoming order is cancelled.
    #[default]
    CancelNewest = 0,
    /// The resting order is cancelled.
    CancelOldest = 1,
    /// Both are cancelled.
    CancelBoth = 2,
    /// Both shrink by the smaller of the two; what is left of the larger lives on.
    Decrement = 3,
}

impl TryFrom<u8> for SelfTrade {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::CancelNewest),
            1 => Ok(Self::CancelOldest),
            2 => Ok(Self::CancelBoth),
            3 => Ok(Self::Decrement),
            _ => Err("self-trade prevention is 0 to 3"),
        }
    }
}

/// Where a slot is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stage {
    /// No order here; the slot waits in the free list or is retired.
    Free,
    /// An order that no book lists: just inserted, being moved, or filled and about to leave.
    Held,
    /// An order in the queue of a price level.
    Resting,
}

/// What a new order says about itself; the slab adds its links and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Limit price, at least 1.
    pub price: Ticks,
    /// Quantity not yet filled.
    pub leaves: Lots,
    /// Dense index of the account.
    pub account: u32,
    /// Dense index of the market.
    pub market: u32,
    /// Index of the client's own id in a side table, `NIL` for none.
    pub client: u32,
    /// Side of the book.
    pub side: Side,
    /// `REDUCE_ONLY | POST_ONLY | EXPIRES`.
    pub flags: u8,
    /// What happens when it meets its owner's order.
    pub self_trade: SelfTrade,
}

/// One order: a record of one cache line, linked by slot numbers.
///
/// Readable by everyone; links, price and quantity are written only here and in the book, so that a level's
/// total cannot drift from its orders. Five bytes are spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Order {
    pub(crate) price: Ticks,
    pub(crate) leaves: Lots,
    pub(crate) next: u32,
    pub(crate) prev: u32,
    account: u32,
    market: u32,
    next_in_account: u32,
    prev_in_account: u32,
    generation: u32,
    client: u32,
    side: Side,
    flags: u8,
    pub(crate) stage: Stage,
}

// 64 bytes are a promise of the memory budget and one cache line per order touched.
const _: () = assert!(size_of::<Order>() == 64);

impl Order {
    const fn blank(generation: u32, next: u32) -> Self {
        Self {
            price: 0,
            leaves: 0,
            next,
            prev: NIL,
            account: NIL,
            market: NIL,
            next_in_account: NIL,
            prev_in_account: NIL,
            generation,
            client: NIL,
            side: Side::Bid,
            flags: 0,
            stage: Stage::Free,
        }
    }

    /// Limit price in ticks.
    #[inline]
    #[must_use]
    pub const fn price(&self) -> Ticks {
        self.price
    }

    /// Quantity not yet filled, in lots.
    #[inline]
    #[must_use]
    pub const fn leaves(&self) -> Lots {
        self.leaves
    }

    /// Dense index of the account.
    #[inline]
    #[must_use]
    pub const fn account(&self) -> u32 {
        self.account
    }

    /// Whether it is live and the first of its account's list.
    #[must_use]
    pub fn is_first_of_account(&self) -> bool {
        self.stage != Stage::Free && self.prev_in_account == NIL
    }

    /// Dense index of the market.
    #[inline]
    #[must_use]
    pub const fn market(&self) -> u32 {
        self.market
    }

    /// Index of the client's own id in a side table, `NIL` for none.
    #[inline]
    #[must_use]
    pub const fn client(&self) -> u32 {
        self.client
    }

    /// Side of the book.
    #[inline]
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// `REDUCE_ONLY | POST_ONLY | EXPIRES`.
    #[inline]
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags & (REDUCE_ONLY | POST_ONLY | EXPIRES)
    }

    /// What happens when the order comes in again, by an amendment, and meets its owner's.
    #[must_use]
    pub fn self_trade(&self) -> SelfTrade {
        SelfTrade::try_from(self.flags >> SELF_TRADE_AT).unwrap_or_default()
    }

    /// Whether the order may only reduce a position.
    #[inline]
    #[must_use]
    pub const fn is_reduce_only(&self) -> bool {
        self.flags & REDUCE_ONLY != 0
    }

    /// Where the order is in its life.
    #[inline]
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// The next order at the same price, `NIL` at the end.
    #[inline]
    #[must_use]
    pub const fn next_in_level(&self) -> u32 {
        self.next
    }
}

/// All orders of the engine. A slot is a `u32` index; an order id is `generation << 32 | slot`.
///
/// Freed slots are reused last-in first-out, so hot records stay in the cache. A slot's generation starts at 1
/// and rises with each reuse, so an id is never 0 and never names a second order; a slot whose generations are
/// used up is retired. Serialises with its free list: a restored slab gives out the same ids as the original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SlabImage")]
pub struct OrderSlab {
    slots: Vec<Order>,
    free: u32,
    live: u32,
}

#[derive(Deserialize)]
struct SlabImage {
    slots: Vec<Order>,
    free: u32,
    live: u32,
}

impl TryFrom<SlabImage> for OrderSlab {
    type Error = String;

    fn try_from(image: SlabImage) -> Result<Self, String> {
        let slab = Self { slots: image.slots, free: image.free, live: image.live };
        slab.verify().map(|()| slab)
    }
}

impl Default for OrderSlab {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl OrderSlab {
    /// An empty slab that can take `capacity` orders before it allocates.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { slots: Vec::with_capacity(capacity), free: NIL, live: 0 }
    }

    /// Number of orders held.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.live
    }

    /// Whether no order is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Number of orders that rest in a book: the sum of all books' lengths in a sound engine. Linear.
    #[must_use]
    pub fn resting(&self) -> u32 {
        self.slots.iter().map(|order| u32::from(order.stage == Stage::Resting)).sum()
    }

    /// The slot of a live order; `None` when the id was never given out or its order has ended.
    #[inline]
    #[must_use]
    pub fn get(&self, id: u64) -> Option<u32> {
        let slot = id as u32;
        let order = self.slots.get(slot as usize)?;
        (order.generation == (id >> 32) as u32 && order.stage != Stage::Free).then_some(slot)
    }

    /// What is in a slot, if that was ever used, live or not: for looking ahead.
    #[inline]
    #[must_use]
    pub fn peek(&self, slot: u32) -> Option<&Order> {
        self.slots.get(slot as usize)
    }

    /// The orders next to this one, in its level and in its account's list: for looking ahead.
    pub fn peek_around(&self, order: &Order) -> impl Iterator<Item = &Order> {
        [order.next, order.prev, order.next_in_account, order.prev_in_account].into_iter().filter_map(|slot| self.peek(slot))
    }

    /// The venue's id of the order in `slot`.
    #[inline]
    #[must_use]
    pub fn id(&self, slot: u32) -> u64 {
        u64::from(self.order(slot).generation) << 32 | u64::from(slot)
    }

    /// The order in `slot`. Panics when the slot was never used.
    #[inline]
    #[must_use]
    pub fn order(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }

    /// The record of `slot`, `None` outside the slab: for checks of what may be damaged.
    pub(crate) fn find(&self, slot: u32) -> Option<&Order> {
        self.slots.get(slot as usize)
    }

    #[inline]
    pub(crate) fn order_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }

    /// Takes in an order, first in its account's list, whose head the account keeps. Returns its slot.
    /// The order is held, not yet in a book. Panics past 2^32 - 1 slots (275 GB of orders).
    pub fn insert(&mut self, new: NewOrder, account_head: &mut u32) -> u32 {
        debug_assert!(new.leaves > 0 && new.price > 0);
        let slot = self.take_slot();
        let order = self.order_mut(slot);
        order.price = new.price;
        order.leaves = new.leaves;
        order.next = NIL;
        order.account = new.account;
        order.market = new.market;
        order.client = new.client;
        order.side = new.side;
        order.flags = new.flags | (new.self_trade as u8) << SELF_TRADE_AT;
        order.stage = Stage::Held;
        order.next_in_account = *account_head;
        if *account_head != NIL {
            self.order_mut(*account_head).prev_in_account = slot;
        }
        *account_head = slot;
        self.live += 1;
        slot
    }

    /// Ends an order that no book lists any more, and frees its slot. Returns the record as it was.
    /// Panics when the order still rests in a book, or when the slot is free.
    pub fn remove(&mut self, slot: u32, account_head: &mut u32) -> Order {
        assert!(self.order(slot).stage == Stage::Held, "an order leaves its book before it leaves the slab");
        let order = *self.order(slot);
        match order.prev_in_account {
            NIL => *account_head = order.next_in_account,
            prev => self.order_mut(prev).next_in_account = order.next_in_account,
        }
        if order.next_in_account != NIL {
            self.order_mut(order.next_in_account).prev_in_account = order.prev_in_account;
        }
        // Generation 0 marks a slot whose ids are used up: it is never given out again. The top bit of an id belongs to
        // orders that wait outside the slab.
        let generation = (order.generation + 1) & (u32::MAX >> 1);
        let next = if generation == 0 { NIL } else { std::mem::replace(&mut self.free, slot) };
        *self.order_mut(slot) = Order::blank(generation, next);
        self.live -= 1;
        order
    }

    /// Gives a held order a new price and quantity: an amend that loses priority, or a taker's remainder.
    /// Panics when the order rests in a book.
    pub fn reprice(&mut self, slot: u32, price: Ticks, leaves: Lots) {
        let order = self.order_mut(slot);
        assert!(order.stage == Stage::Held, "an order leaves its book before its price changes");
        debug_assert!(leaves > 0 && price > 0);
        order.price = price;
        order.leaves = leaves;
    }

    /// Slots of one account's orders in all markets, newest first. Take the next slot before removing one.
    pub fn of_account(&self, account_head: u32) -> impl Iterator<Item = u32> + '_ {
        let from = (account_head != NIL).then_some(account_head);
        std::iter::successors(from, |&slot| self.next_of_account(slot))
    }

    /// The slot after `slot` in its account's list.
    #[inline]
    #[must_use]
    pub fn next_of_account(&self, slot: u32) -> Option<u32> {
        let next = self.order(slot).next_in_account;
        (next != NIL).then_some(next)
    }

    fn take_slot(&mut self) -> u32 {
        if self.free != NIL {
            let slot = self.free;
            self.free = self.order(slot).next;
            return slot;
        }
        let slot = self.slots.len();
        assert!(slot < NIL as usize, "the order slab is full");
        self.slots.push(Order::blank(1, NIL));
        slot as u32
    }

    /// Checks every link: the free list holds each free slot once, account lists join only orders of one
    /// account and hold every order once. Linear; run on every restored slab, so that a damaged snapshot is
    /// refused and not traded on. Queues of a level are the book's to check.
    pub fn verify(&self) -> Result<(), String> {
        let live = self.slots.iter().filter(|o| o.stage != Stage::Free).count();
        let retired = self.slots.iter().filter(|o| o.stage == Stage::Free && o.generation == 0).count();
        if live != self.live as usize {
            return Err(format!("{live} live orders, {} counted", self.live));
        }
        let free = self.verify_free_list()?;
        if free + live + retired != self.slots.len() {
            return Err(format!("{free} slots in the free list of {}", self.slots.len() - live - retired));
        }
        let listed = self.verify_account_lists()?;
        if listed == live { Ok(()) } else { Err(format!("{listed} of {live} orders are in an account's list")) }
    }

    fn verify_free_list(&self) -> Result<usize, String> {
        let (mut slot, mut seen) = (self.free, 0);
        while slot != NIL {
            let order = self.slots.get(slot as usize).ok_or("the free list leaves the slab")?;
            if order.stage != Stage::Free || order.generation == 0 || seen == self.slots.len() {
                return Err(format!("slot {slot} must not be in the free list"));
            }
            (slot, seen) = (order.next, seen + 1);
        }
        Ok(seen)
    }

    fn verify_account_lists(&self) -> Result<usize, String> {
        let mut listed = 0;
        for (head, first) in self.slots.iter().enumerate() {
            if first.stage == Stage::Free || first.prev_in_account != NIL {
                continue;
            }
            let (mut slot, mut prev) = (head as u32, NIL);
            while slot != NIL {
                let order = self.slots.get(slot as usize).ok_or("an account's list leaves the slab")?;
                let joined = order.prev_in_account == prev && order.account == first.account;
                if order.stage == Stage::Free || order.generation == 0 || !joined {
                    return Err(format!("slot {slot} must not be in the list of account {}", first.account));
                }
                (prev, slot, listed) = (slot, order.next_in_account, listed + 1);
            }
        }
        Ok(listed)
    }
}
