//! One market's order book: price-time priority over the orders of the slab.
//!
//! Responsible for: the queue of each price level, the best price, depth and impact prices. Never matches:
//! the matching loop peeks the best maker, asks it for margin and self-trade rules, and fills it here. Never
//! checks that the book is uncrossed, since an auction collects crossing orders.
//!
//! Each side is a `Ladder`. Near the touch its levels lie in a window, an array indexed by price with a
//! two-level bitmap, so that insert, fill and next-best are a few instructions; far prices, and all prices of
//! a market that has seen few orders, lie in an ordered map. Which of the two holds a level is never visible,
//! neither in an answer nor in the serialised form.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::{NIL, OrderSlab, Side, Stage};
use crate::units::{Lots, Ticks, div_ceil, div_floor};

/// Prices in one side's window; a power of two and at most 64 x 64.
const SPAN: usize = 2_048;
const WORDS: usize = SPAN / 64;
/// A new window starts this many ticks better than the touch: room for the price to improve.
const ROOM: i64 = SPAN as i64 / 4;
/// Levels opened outside the window that pay for building or moving it, beside one for each level moved out.
const PATIENCE: u32 = 64;
/// "No level": ranks of real prices are far from it.
const NONE: i64 = i64::MAX;
/// The highest price a book takes, in ticks: leaves room for window arithmetic.
pub const MAX_PRICE: Ticks = i64::MAX >> 2;

/// A queue of orders at one price: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    head: u32,
    tail: u32,
    qty: Lots,
}

impl Level {
    const EMPTY: Self = Self { head: NIL, tail: NIL, qty: 0 };

    /// First and last order: for looking ahead.
    #[inline]
    #[must_use]
    pub const fn ends(&self) -> [u32; 2] {
        [self.head, self.tail]
    }
}

/// A ring of levels: rank `r` is at index `r mod SPAN`, so that moving the window leaves in place what stays.
#[derive(Clone, Debug)]
struct Window {
    /// Bit w: word w is not zero.
    summary: u64,
    /// Bit per level: it has orders.
    words: [u64; WORDS],
    levels: [Level; SPAN],
}

const fn index(rank: i64) -> usize {
    rank as usize & (SPAN - 1)
}

impl Window {
    fn boxed() -> Box<Self> {
        Box::new(Self { summary: 0, words: [0; WORDS], levels: [Level::EMPTY; SPAN] })
    }

    #[inline]
    fn mark(&mut self, at: usize) {
        self.words[at / 64] |= 1 << (at % 64);
        self.summary |= 1 << (at / 64);
    }

    #[inline]
    fn unmark(&mut self, at: usize) {
        self.words[at / 64] &= !(1 << (at % 64));
        if self.words[at / 64] == 0 {
            self.summary &= !(1 << (at / 64));
        }
    }

    /// First marked index at or after `from`, not wrapping.
    #[inline]
    fn marked_from(&self, from: usize) -> Option<usize> {
        let word = from / 64;
        let here = self.words[word] & (u64::MAX << (from % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let later = self.summary & ((u64::MAX << word) << 1);
        if later == 0 {
            return None;
        }
        let word = later.trailing_zeros() as usize % WORDS;
        Some(word * 64 + self.words[word].trailing_zeros() as usize)
    }
}

/// The levels of one side by rank, the best rank being the least: price for asks, minus price for bids.
#[derive(Clone, Debug)]
struct Ladder {
    /// Least rank that has orders, `NONE` without any.
    best: i64,
    /// The window holds ranks `base .. base + span`; span is 0 until there is a window.
    base: i64,
    span: i64,
    window: Option<Box<Window>>,
    /// Least rank in `far`, `NONE` when it is empty.
    far_best: i64,
    far: BTreeMap<i64, Level>,
    /// Levels in the window.
    used: u32,
    /// Orders that met no window since it was last moved: what pays for the next move.
    misses: u32,
}

impl Ladder {
    const fn new() -> Self {
        Self { best: NONE, base: 0, span: 0, window: None, far_best: NONE, far: BTreeMap::new(), used: 0, misses: 0 }
    }

    #[inline]
    const fn in_window(&self, rank: i64) -> bool {
        (rank.wrapping_sub(self.base) as u64) < self.span as u64
    }

    #[inline]
    fn level(&self, rank: i64) -> Option<&Level> {
        self.peek(rank).filter(|l| l.head != NIL)
    }

    #[inline]
    fn peek(&self, rank: i64) -> Option<&Level> {
        match &self.window {
            Some(window) if self.in_window(rank) => Some(&window.levels[index(rank)]),
            _ => self.far.get(&rank),
        }
    }

    /// The level of an order that rests here. Panics without one: the book would be corrupt.
    #[inline]
    fn level_mut(&mut self, rank: i64) -> &mut Level {
        match &mut self.window {
            Some(window) if (rank.wrapping_sub(self.base) as u64) < self.span as u64 => &mut window.levels[index(rank)],
            _ => self.far.get_mut(&rank).expect("a resting order has a level"),
        }
    }

    /// The level of this rank, opened if need be; the caller puts an order into it.
    #[inline]
    fn open(&mut self, rank: i64) -> &mut Level {
        if !self.in_window(rank) {
            self.miss(rank.min(self.best));
        }
        self.best = self.best.min(rank);
        if let Some(window) = &mut self.window
            && (rank.wrapping_sub(self.base) as u64) < self.span as u64
        {
            let at = index(rank);
            if window.levels[at].head == NIL {
                window.mark(at);
                self.used += 1;
            }
            return &mut window.levels[at];
        }
        self.far_best = self.far_best.min(rank);
        self.far.entry(rank).or_insert(Level::EMPTY)
    }

    /// Drops the level whose last order has left, and finds the next best.
    #[inline]
    fn close(&mut self, rank: i64) {
        match &mut self.window {
            Some(window) if (rank.wrapping_sub(self.base) as u64) < self.span as u64 => {
                window.unmark(index(rank));
                self.used -= 1;
            }
            _ => self.close_far(rank),
        }
        if rank == self.best {
            self.best = self.window_from(rank).min(self.far_best);
        }
    }

    #[cold]
    fn close_far(&mut self, rank: i64) {
        self.far.remove(&rank);
        if rank == self.far_best {
            self.far_best = self.far.first_key_value().map_or(NONE, |(&first, _)| first);
        }
    }

    /// Least rank in the window at or after `from`, `NONE` without one.
    #[inline]
    fn window_from(&self, from: i64) -> i64 {
        let from = from.max(self.base);
        let Some(window) = &self.window else { return NONE };
        if from - self.base >= self.span {
            return NONE;
        }
        let start = index(from);
        let Some(at) = window.marked_from(start).or_else(|| window.marked_from(0)) else { return NONE };
        let rank = from + (at.wrapping_sub(start) & (SPAN - 1)) as i64;
        // Past the end means that the ring wrapped to a level before `from`.
        if rank - self.base < self.span { rank } else { NONE }
    }

    /// Least rank at or after `from`, `NONE` without one.
    fn next_from(&self, from: i64) -> i64 {
        let far = self.far.range(from..).next().map_or(NONE, |(&rank, _)| rank);
        self.window_from(from).min(far)
    }

    /// An order arrived outside the window: build it, or move it when the touch has left its middle.
    ///
    /// Each move is paid for by as many misses as levels it moves out, so that orders placed far from the
    /// touch to provoke moves cost their sender as much as the venue. One move shifts at most 2 x SPAN levels.
    #[cold]
    fn miss(&mut self, touch: i64) {
        self.misses = self.misses.saturating_add(1);
        if self.misses <= PATIENCE + self.used {
            return;
        }
        let offset = touch - self.base;
        if self.window.is_some() && (0..2 * ROOM).contains(&offset) {
            return;
        }
        self.misses = 0;
        self.recentre(touch - ROOM);
    }

    fn recentre(&mut self, base: i64) {
        let kept = base..base + SPAN as i64;
        let mut window = self.window.take().unwrap_or_else(Window::boxed);
        for offset in 0..self.span {
            let (rank, at) = (self.base + offset, index(self.base + offset));
            if window.levels[at].head != NIL && !kept.contains(&rank) {
                self.far.insert(rank, std::mem::replace(&mut window.levels[at], Level::EMPTY));
                window.unmark(at);
                self.used -= 1;
            }
        }
        for (rank, level) in self.far.extract_if(kept, |_, _| true) {
            window.levels[index(rank)] = level;
            window.mark(index(rank));
            self.used += 1;
        }
        (self.base, self.span, self.window) = (base, SPAN as i64, Some(window));
        self.far_best = self.far.first_key_value().map_or(NONE, |(&first, _)| first);
    }

    /// Rank and level, best first.
    fn levels(&self) -> impl Iterator<Item = (i64, Level)> + '_ {
        let far = |(&rank, &level): (&i64, &Level)| (rank, level);
        let first = Some(self.window_from(self.base)).filter(|&rank| rank != NONE);
        let near = std::iter::successors(first, |&rank| Some(self.window_from(rank + 1)).filter(|&r| r != NONE));
        let better = self.far.range(..self.base).map(far);
        let worse = self.far.range(self.base + self.span..).map(far);
        better.chain(near.map(|rank| (rank, *self.level_at(rank)))).chain(worse)
    }

    fn level_at(&self, rank: i64) -> &Level {
        self.level(rank).expect("a marked level has orders")
    }
}

/// The order book of one market.
///
/// Prices are ticks from 1 to `MAX_PRICE`, quantities lots. Orders live in the slab of the engine; the book
/// keeps each level's first and last slot and total. Serialises as its levels, best first: the same orders in
/// the same priority give the same bytes whatever happened before.
#[derive(Clone, Debug)]
pub struct Book {
    sides: [Ladder; 2],
    orders: u32,
}

/// Rank of a price: less is better.
#[inline]
const fn rank(side: Side, price: Ticks) -> i64 {
    match side {
        Side::Bid => -price,
        Side::Ask => price,
    }
}

/// Its own inverse.
#[inline]
const fn price(side: Side, rank: i64) -> Ticks {
    match side {
        Side::Bid => -rank,
        Side::Ask => rank,
    }
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// A book without orders; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { sides: [Ladder::new(), Ladder::new()], orders: 0 }
    }

    /// Number of orders resting.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.orders
    }

    /// Whether no order rests.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.orders == 0
    }

    #[inline]
    const fn ladder(&self, side: Side) -> &Ladder {
        &self.sides[side as usize]
    }

    /// The best price of `side`. O(1).
    #[inline]
    #[must_use]
    pub const fn best(&self, side: Side) -> Option<Ticks> {
        match self.ladder(side).best {
            NONE => None,
            best => Some(price(side, best)),
        }
    }

    /// The slot first in line on `side`: the maker a taker of the other side meets next. O(1) in the window.
    #[inline]
    #[must_use]
    pub fn best_level_head(&self, side: Side) -> Option<u32> {
        let ladder = self.ladder(side);
        ladder.level(ladder.best).map(|level| level.head)
    }

    /// The slot after `slot` in priority: the rest of its level, then the next worse level.
    #[must_use]
    pub fn next_in_priority(&self, slab: &OrderSlab, slot: u32) -> Option<u32> {
        let order = slab.order(slot);
        if order.next != NIL {
            return Some(order.next);
        }
        let ladder = self.ladder(order.side());
        ladder.level(ladder.next_from(rank(order.side(), order.price) + 1)).map(|level| level.head)
    }

    /// Where the level of a price is, if anything is kept there, orders or none: for looking ahead, reads nothing of it.
    #[inline]
    #[must_use]
    pub fn peek_level(&self, side: Side, price: Ticks) -> Option<&Level> {
        self.ladder(side).peek(rank(side, price))
    }

    /// Whether `lots` can rest at `price` without overflow of the level's total: ask before any write.
    #[must_use]
    pub fn can_rest(&self, side: Side, price: Ticks, lots: Lots) -> bool {
        (1..=MAX_PRICE).contains(&price) && lots > 0 && self.level_qty(side, price).checked_add(lots).is_some()
    }

    /// Puts a held order last in the queue of its price. Panics when it already rests, or `can_rest` is false.
    #[inline]
    pub fn insert(&mut self, slab: &mut OrderSlab, slot: u32) {
        let order = slab.order_mut(slot);
        assert!(order.stage == Stage::Held, "an order rests once");
        assert!(order.price > 0 && order.price <= MAX_PRICE && order.leaves > 0, "an order rests at a price");
        let side = order.side();
        let level = self.sides[side as usize].open(rank(side, order.price));
        level.qty += order.leaves;
        order.stage = Stage::Resting;
        order.next = NIL;
        order.prev = level.tail;
        match std::mem::replace(&mut level.tail, slot) {
            NIL => level.head = slot,
            tail => slab.order_mut(tail).next = slot,
        }
        self.orders += 1;
    }

    /// Takes a resting order out of its queue; it is held by the slab until it is removed or inserted again.
    /// Panics when the order does not rest.
    #[inline]
    pub fn remove(&mut self, slab: &mut OrderSlab, slot: u32) {
        let order = slab.order_mut(slot);
        assert!(order.stage == Stage::Resting, "only a resting order leaves the book");
        order.stage = Stage::Held;
        let (side, rank, next, prev) = (order.side(), rank(order.side(), order.price), order.next, order.prev);
        order.next = NIL;
        order.prev = NIL;
        let ladder = &mut self.sides[side as usize];
        let level = ladder.level_mut(rank);
        level.qty -= order.leaves;
        match prev {
            NIL => level.head = next,
            prev => slab.order_mut(prev).next = next,
        }
        match next {
            NIL => level.tail = prev,
            next => slab.order_mut(next).prev = prev,
        }
        if level.head == NIL {
            ladder.close(rank);
        }
        self.orders -= 1;
    }

    /// Makes a resting order smaller by `by` lots; it keeps its place. Panics unless `0 < by < leaves`.
    #[inline]
    pub fn reduce(&mut self, slab: &mut OrderSlab, slot: u32, by: Lots) {
        let order = slab.order_mut(slot);
        assert!(order.stage == Stage::Resting, "only a resting order is reduced");
        assert!(by > 0 && by < order.leaves, "a reduction leaves something");
        order.leaves -= by;
        self.sides[order.side() as usize].level_mut(rank(order.side(), order.price)).qty -= by;
    }

    /// Fills a maker by `lots`: reduces it, or takes it out of the book with nothing left. Returns what is
    /// left; at 0 the caller removes the order from the slab. Panics unless `0 < lots <= leaves`.
    #[inline]
    pub fn fill(&mut self, slab: &mut OrderSlab, slot: u32, lots: Lots) -> Lots {
        let left = slab.order(slot).leaves - lots;
        if left > 0 {
            self.reduce(slab, slot, lots);
        } else {
            assert!(left == 0, "a fill is at most what is left");
            self.remove(slab, slot);
            slab.order_mut(slot).leaves = 0;
        }
        left
    }

    /// Lots resting at one price.
    #[must_use]
    pub fn level_qty(&self, side: Side, price: Ticks) -> Lots {
        self.ladder(side).level(rank(side, price)).map_or(0, |level| level.qty)
    }

    /// Price and lots of the best `n` levels of `side`, best first.
    pub fn levels(&self, side: Side, n: usize) -> impl Iterator<Item = (Ticks, Lots)> + '_ {
        self.ladder(side).levels().take(n).map(move |(rank, level)| (price(side, rank), level.qty))
    }

    /// Lots resting on `side` at `worst_price` or better, counted up to `max_lots`.
    /// Work: the levels up to there.
    #[must_use]
    pub fn depth_within(&self, side: Side, worst_price: Ticks, max_lots: Lots) -> Lots {
        let worst = rank(side, worst_price);
        let mut depth = 0_i64;
        for (_, level) in self.ladder(side).levels().take_while(|&(rank, _)| rank <= worst) {
            depth = depth.saturating_add(level.qty);
            if depth >= max_lots {
                return max_lots;
            }
        }
        depth
    }

    /// Mean price of taking from `side` the fewest whole lots worth at least `notional` (ticks x lots), best
    /// price first; rounded down for bids and up for asks, so never flattering to the taker. `None` when the
    /// side is worth less, or `notional` is not positive. Work: the levels up to there.
    #[must_use]
    pub fn impact_price(&self, side: Side, notional: i128) -> Option<Ticks> {
        let (mut missing, mut lots) = (notional, 0_i128);
        if notional <= 0 {
            return None;
        }
        for (price, qty) in self.levels(side, usize::MAX) {
            let (price, qty) = (i128::from(price), i128::from(qty));
            let taken = qty.min(div_ceil(missing, price));
            missing -= taken * price;
            lots += taken;
            if missing <= 0 {
                let value = notional - missing;
                let mean = if side == Side::Bid { div_floor(value, lots) } else { div_ceil(value, lots) };
                return i64::try_from(mean).ok();
            }
        }
        None
    }

    /// Checks the book of `market` against the slab: every queue joined both ways, every order at its price
    /// and side, totals and counts equal. Linear; run on every restored book and in property tests.
    pub fn verify(&self, slab: &OrderSlab, market: u32) -> Result<(), String> {
        let mut orders = 0_u32;
        for side in [Side::Bid, Side::Ask] {
            let mut first = NONE;
            for (rank, level) in self.ladder(side).levels() {
                first = first.min(rank);
                let place = Place { market, side, price: price(side, rank) };
                orders += verify_level(slab, &level, &place)?;
            }
            if first != self.ladder(side).best {
                return Err(format!("market {market}: the best {side:?} is not its first level"));
            }
        }
        if orders == self.orders {
            return Ok(());
        }
        Err(format!("market {market}: {orders} orders queue, {} counted", self.orders))
    }
}

#[derive(Debug)]
struct Place {
    market: u32,
    side: Side,
    price: Ticks,
}

/// Number of orders in the queue, or what is wrong with it.
fn verify_level(slab: &OrderSlab, level: &Level, place: &Place) -> Result<u32, String> {
    let (mut slot, mut prev, mut qty, mut orders) = (level.head, NIL, 0_i64, 0_u32);
    while slot != NIL {
        let order = slab.find(slot).filter(|o| o.stage == Stage::Resting && o.prev == prev && o.leaves > 0);
        let order = order.ok_or_else(|| format!("slot {slot} must not queue at {place:?}"))?;
        if (order.market(), order.side(), order.price) != (place.market, place.side, place.price) {
            return Err(format!("the order in slot {slot} queues elsewhere than {place:?}"));
        }
        qty = qty.checked_add(order.leaves).ok_or("a level's total overflows")?;
        (prev, slot, orders) = (slot, order.next, orders + 1);
    }
    if orders == 0 || prev != level.tail || qty != level.qty {
        return Err(format!("{qty} lots in {orders} orders at {place:?}, {level:?} recorded"));
    }
    Ok(orders)
}

/// The serialised form: number of orders; then bids and asks as (price, head, tail, lots), best first.
#[derive(Serialize, Deserialize)]
struct BookImage(u32, Vec<LevelImage>, Vec<LevelImage>);

type LevelImage = (Ticks, u32, u32, Lots);

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = |side| {
            let levels = self.ladder(side).levels();
            levels.map(|(rank, level)| (price(side, rank), level.head, level.tail, level.qty)).collect()
        };
        BookImage(self.orders, image(Side::Bid), image(Side::Ask)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Book {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let BookImage(orders, bids, asks) = BookImage::deserialize(deserializer)?;
        let mut book = Self { orders, ..Self::new() };
        for (side, levels) in [(Side::Bid, bids), (Side::Ask, asks)] {
            let ladder = &mut book.sides[side as usize];
            let mut last = i64::MIN;
            for (price, head, tail, qty) in levels {
                if !(1..=MAX_PRICE).contains(&price) || head == NIL || tail == NIL || qty <= 0 {
                    return Err(serde::de::Error::custom("a level has a price, orders and lots"));
                }
                let rank = rank(side, price);
                if std::mem::replace(&mut last, rank) >= rank {
                    return Err(serde::de::Error::custom("levels are listed best first, each once"));
                }
                *ladder.open(rank) = Level { head, tail, qty };
            }
        }
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::NewOrder;

    struct Bench {
        book: Book,
        slab: OrderSlab,
        head: u32,
    }

    impl Bench {
        fn new() -> Self {
            Self { book: Book::new(), slab: OrderSlab::default(), head: NIL }
        }

        fn ask(&mut self, price: Ticks) -> u32 {
            let new = NewOrder { price, leaves: 1, account: 0, market: 0, client: NIL, side: Side::Ask, flags: 0, self_trade: crate::order::SelfTrade::CancelNewest };
            let slot = self.slab.insert(new, &mut self.head);
            self.book.insert(&mut self.slab, slot);
            slot
        }

        fn end(&mut self, slot: u32) {
            self.book.remove(&mut self.slab, slot);
            self.slab.remove(slot, &mut self.head);
        }

        fn base(&self) -> Option<i64> {
            let ladder = &self.book.sides[1];
            ladder.window.as_ref().map(|_| ladder.base)
        }
    }

    #[test]
    fn a_quiet_market_has_no_window() {
        let mut bench = Bench::new();
        for i in 0..i64::from(PATIENCE) {
            bench.ask(100_000 + i);
        }
        assert_eq!(bench.base(), None);
        bench.ask(99_999);
        assert_eq!(bench.base(), Some(99_999 - ROOM));
        assert!(bench.book.sides[1].far.is_empty());
        assert!(size_of::<Book>() <= 256);
    }

    #[test]
    fn the_window_follows_the_touch_and_keeps_the_far_levels() {
        let mut bench = Bench::new();
        let far = bench.ask(1);
        bench.end(far);
        for step in 0..200_i64 {
            let slots: Vec<u32> = (0..100).map(|i| bench.ask(1_000_000 - step * 300 + i)).collect();
            assert!(bench.book.verify(&bench.slab, 0).is_ok());
            slots[..50].iter().for_each(|&slot| bench.end(slot));
        }
        let base = bench.base().unwrap();
        let touch = bench.book.best(Side::Ask).unwrap();
        assert!((base..base + SPAN as i64).contains(&touch), "base {base} touch {touch}");
        assert_eq!(bench.book.levels(Side::Ask, usize::MAX).count(), 200 * 50);
    }

    #[test]
    fn outliers_do_not_drag_a_full_window_about() {
        let mut bench = Bench::new();
        for i in 0..SPAN as i64 {
            bench.ask(100_000 + i);
        }
        let (mut moves, mut last) = (0, bench.base());
        for _ in 0..10_000 {
            let slot = bench.ask(10);
            bench.end(slot);
            moves += u32::from(std::mem::replace(&mut last, bench.base()) != bench.base());
        }
        // Dragged to the outlier, the window waits there for orders at the real touch to pay for its return.
        assert!(moves <= 1, "{moves} moves");
        for i in 0..1_000 {
            bench.ask(100_000 + i);
        }
        assert!(bench.base().unwrap() > 90_000);
    }
}
