//! The naive book: one market's orders kept in the plainest way, to disagree with `book.rs` should that one be wrong.
//!
//! Responsible for: the same answers, links and serialised form from an ordered map of levels whose queue, total and links
//! are made anew at each change. Never in a production build: the feature `naive-book` puts it in the place of the fast one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::book::MAX_PRICE;
use crate::order::{NIL, OrderSlab, Side, Stage};
use crate::units::{Lots, Ticks, div_ceil, div_floor};

/// First and last order of a price, and the lots of all.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    head: u32,
    tail: u32,
    qty: Lots,
}

impl Level {
    /// See the fast book.
    #[must_use]
    pub const fn ends(&self) -> [u32; 2] {
        [self.head, self.tail]
    }
}

/// The order book of one market, as `book::Book`; each method is documented there.
#[derive(Clone, Debug, Default)]
pub struct Book {
    sides: [BTreeMap<Ticks, Level>; 2],
    orders: u32,
}

/// The queue that starts at `head`, first in line first.
fn queue(slab: &OrderSlab, head: u32) -> Vec<u32> {
    let from = |slot: u32| Some(slot).filter(|&slot| slot != NIL);
    std::iter::successors(from(head), |&slot| from(slab.order(slot).next)).collect()
}

#[allow(missing_docs, clippy::missing_panics_doc, reason = "the fast book says what each does")]
impl Book {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub const fn len(&self) -> u32 {
        self.orders
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.orders == 0
    }

    fn best_first(&self, side: Side) -> Box<dyn Iterator<Item = (Ticks, Level)> + '_> {
        let levels = self.sides[side as usize].iter().map(|(&price, &level)| (price, level));
        if side == Side::Bid { Box::new(levels.rev()) } else { Box::new(levels) }
    }

    /// Changes the queue of a price, then writes its links, its ends and its total.
    fn requeue(&mut self, slab: &mut OrderSlab, side: Side, price: Ticks, change: impl FnOnce(&mut Vec<u32>)) {
        let levels = &mut self.sides[side as usize];
        let mut slots = levels.remove(&price).map_or(Vec::new(), |level| queue(slab, level.head));
        change(&mut slots);
        for (at, &slot) in slots.iter().enumerate() {
            let order = slab.order_mut(slot);
            order.prev = if at == 0 { NIL } else { slots[at - 1] };
            order.next = slots.get(at + 1).copied().unwrap_or(NIL);
        }
        if let (Some(&head), Some(&tail)) = (slots.first(), slots.last()) {
            let qty = slots.iter().map(|&slot| slab.order(slot).leaves).sum();
            levels.insert(price, Level { head, tail, qty });
        }
    }

    #[must_use]
    pub fn best(&self, side: Side) -> Option<Ticks> {
        self.best_first(side).next().map(|(price, _)| price)
    }

    #[must_use]
    pub fn best_level_head(&self, side: Side) -> Option<u32> {
        self.best_first(side).next().map(|(_, level)| level.head)
    }

    #[must_use]
    pub fn peek_level(&self, side: Side, price: Ticks) -> Option<&Level> {
        self.sides[side as usize].get(&price)
    }

    #[must_use]
    pub fn next_in_priority(&self, slab: &OrderSlab, slot: u32) -> Option<u32> {
        let mut all = self.best_first(slab.order(slot).side()).flat_map(|(_, level)| queue(slab, level.head));
        all.find(|&other| other == slot);
        all.next()
    }

    #[must_use]
    pub fn can_rest(&self, side: Side, price: Ticks, lots: Lots) -> bool {
        (1..=MAX_PRICE).contains(&price) && lots > 0 && lots <= Lots::MAX - self.level_qty(side, price)
    }

    pub fn insert(&mut self, slab: &mut OrderSlab, slot: u32) {
        let order = slab.order_mut(slot);
        assert!(order.stage == Stage::Held && order.leaves > 0 && (1..=MAX_PRICE).contains(&order.price));
        order.stage = Stage::Resting;
        let (side, price) = (order.side(), order.price);
        self.requeue(slab, side, price, |slots| slots.push(slot));
        self.orders += 1;
    }

    pub fn remove(&mut self, slab: &mut OrderSlab, slot: u32) {
        let (side, price) = (slab.order(slot).side(), slab.order(slot).price);
        assert!(slab.order(slot).stage == Stage::Resting);
        self.requeue(slab, side, price, |slots| slots.retain(|&other| other != slot));
        let order = slab.order_mut(slot);
        (order.stage, order.next, order.prev) = (Stage::Held, NIL, NIL);
        self.orders -= 1;
    }

    pub fn reduce(&mut self, slab: &mut OrderSlab, slot: u32, by: Lots) {
        let order = slab.order_mut(slot);
        assert!(order.stage == Stage::Resting && by > 0 && by < order.leaves);
        order.leaves -= by;
        let (side, price) = (order.side(), order.price);
        self.requeue(slab, side, price, |_| ());
    }

    pub fn fill(&mut self, slab: &mut OrderSlab, slot: u32, lots: Lots) -> Lots {
        let leaves = slab.order(slot).leaves;
        assert!(lots > 0 && lots <= leaves);
        if lots < leaves {
            self.reduce(slab, slot, lots);
        } else {
            self.remove(slab, slot);
            slab.order_mut(slot).leaves = 0;
        }
        leaves - lots
    }

    #[must_use]
    pub fn level_qty(&self, side: Side, price: Ticks) -> Lots {
        self.sides[side as usize].get(&price).map_or(0, |level| level.qty)
    }

    pub fn levels(&self, side: Side, n: usize) -> impl Iterator<Item = (Ticks, Lots)> + '_ {
        self.best_first(side).take(n).map(|(price, level)| (price, level.qty))
    }

    #[must_use]
    pub fn depth_within(&self, side: Side, worst_price: Ticks, max_lots: Lots) -> Lots {
        let inside = |price: Ticks| if side == Side::Bid { price >= worst_price } else { price <= worst_price };
        let all = self.best_first(side).filter(|&(price, _)| inside(price)).map(|(_, level)| i128::from(level.qty));
        all.sum::<i128>().min(i128::from(max_lots)) as Lots
    }

    #[must_use]
    pub fn impact_price(&self, side: Side, notional: i128) -> Option<Ticks> {
        let (mut value, mut lots) = (0, 0);
        for (price, level) in self.best_first(side) {
            let taken = div_ceil((notional - value).max(0), i128::from(price)).min(i128::from(level.qty));
            value += taken * i128::from(price);
            lots += taken;
        }
        if notional <= 0 || value < notional {
            return None;
        }
        let mean = if side == Side::Bid { div_floor(value, lots) } else { div_ceil(value, lots) };
        i64::try_from(mean).ok()
    }

    pub fn verify(&self, slab: &OrderSlab, market: u32) -> Result<(), String> {
        let mut queued = BTreeSet::new();
        for side in [Side::Bid, Side::Ask] {
            for (price, level) in self.best_first(side) {
                let (mut prev, mut slot, mut qty) = (NIL, level.head, 0_i64);
                while slot != NIL {
                    let order = slab.find(slot).ok_or("a queue leaves the slab")?;
                    let here = (order.market(), order.side(), order.price) == (market, side, price);
                    let sound = order.stage == Stage::Resting && order.prev == prev && order.leaves > 0;
                    if !here || !sound || !queued.insert(slot) {
                        return Err(format!("market {market}: slot {slot} must not queue at {price}, {side:?}"));
                    }
                    qty = qty.checked_add(order.leaves).ok_or("a level's total overflows")?;
                    (prev, slot) = (slot, order.next);
                }
                if (prev, qty) != (level.tail, level.qty) {
                    return Err(format!("market {market}: {qty} lots queue at {price}, {side:?}, {level:?} recorded"));
                }
            }
        }
        let counted = queued.len() == self.orders as usize;
        if counted {
            Ok(())
        } else {
            Err(format!("market {market}: {} orders queue, {} counted", queued.len(), self.orders))
        }
    }
}

/// One side as (price, head, tail, lots), best first.
type SideImage = Vec<(Ticks, u32, u32, Lots)>;

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = |side| -> SideImage {
            self.best_first(side).map(|(price, level)| (price, level.head, level.tail, level.qty)).collect()
        };
        (self.orders, image(Side::Bid), image(Side::Ask)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Book {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (orders, bids, asks) = <(u32, SideImage, SideImage)>::deserialize(deserializer)?;
        let sound = |&(price, head, tail, qty): &(Ticks, u32, u32, Lots)| {
            (1..=MAX_PRICE).contains(&price) && head != NIL && tail != NIL && qty > 0
        };
        let sorted = bids.is_sorted_by(|a, b| a.0 > b.0) && asks.is_sorted_by(|a, b| a.0 < b.0);
        if !sorted || !bids.iter().chain(&asks).all(sound) {
            return Err(serde::de::Error::custom(
                "levels have a price, orders and lots, and are listed best first, each once",
            ));
        }
        let side = |levels: SideImage| {
            levels.into_iter().map(|(price, head, tail, qty)| (price, Level { head, tail, qty })).collect()
        };
        Ok(Self { sides: [side(bids), side(asks)], orders })
    }
}
