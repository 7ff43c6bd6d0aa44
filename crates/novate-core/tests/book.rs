//! The order book against a plain model: sorted maps of queues, over long random streams.
//!
//! Each operation is applied to both and what they answer is compared; every so often the whole state is, the
//! book's own check runs, and the pair is replaced by its serialised copy. A second book that reached the same
//! orders by another way must serialise to the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use novate_core::book::MAX_PRICE;
use novate_core::order::{NIL, NewOrder, OrderSlab, POST_ONLY, REDUCE_ONLY, SelfTrade, Side, Stage};
use novate_core::state::Book;
use proptest::prelude::*;

const SIDES: [Side; 2] = [Side::Bid, Side::Ask];
const ACCOUNTS: usize = 5;
const MARKET: u32 = 7;

/// What one step of a stream does; numbers pick an order modulo what is there.
#[derive(Clone, Copy, Debug)]
enum Step {
    Add { side: Side, price: i64, lots: i64, account: usize },
    Remove(usize),
    Reduce(usize, i64),
    Move(usize, i64, i64),
    Take(Side, i64),
    Restore,
}

/// One side as price to queue of (id, lots).
type Queues = BTreeMap<i64, VecDeque<(u64, i64)>>;

#[derive(Default)]
struct Model {
    sides: [Queues; 2],
    live: Vec<(u64, Side, i64, usize)>,
}

impl Model {
    fn best_first(&self, side: Side) -> Vec<(i64, &VecDeque<(u64, i64)>)> {
        let levels = self.sides[side as usize].iter().map(|(&price, queue)| (price, queue));
        if side == Side::Bid { levels.rev().collect() } else { levels.collect() }
    }

    fn best(&self, side: Side) -> Option<(i64, u64)> {
        let queues = &self.sides[side as usize];
        let level = if side == Side::Bid { queues.last_key_value() } else { queues.first_key_value() };
        level.map(|(&price, queue)| (price, queue[0].0))
    }

    fn rest(&mut self, id: u64, side: Side, price: i64, lots: i64, account: usize) {
        self.sides[side as usize].entry(price).or_default().push_back((id, lots));
        self.live.push((id, side, price, account));
    }

    /// Takes the order out and returns its lots.
    fn unrest(&mut self, id: u64, side: Side, price: i64) -> i64 {
        let queue = self.sides[side as usize].get_mut(&price).unwrap();
        let (_, lots) = queue.remove(queue.iter().position(|o| o.0 == id).unwrap()).unwrap();
        if queue.is_empty() {
            self.sides[side as usize].remove(&price);
        }
        self.live.swap_remove(self.live.iter().position(|o| o.0 == id).unwrap());
        lots
    }

    fn lots_mut(&mut self, id: u64, side: Side, price: i64) -> &mut i64 {
        let queue = self.sides[side as usize].get_mut(&price).unwrap();
        &mut queue.iter_mut().find(|o| o.0 == id).unwrap().1
    }
}

struct Pair {
    model: Model,
    book: Book,
    slab: OrderSlab,
    heads: [u32; ACCOUNTS],
    ended: Vec<u64>,
    given: BTreeSet<u64>,
}

impl Pair {
    fn new() -> Self {
        Self {
            model: Model::default(),
            book: Book::new(),
            slab: OrderSlab::default(),
            heads: [NIL; ACCOUNTS],
            ended: Vec::new(),
            given: BTreeSet::new(),
        }
    }

    fn pick(&self, number: usize) -> Option<(u64, Side, i64, usize)> {
        let live = &self.model.live;
        (!live.is_empty()).then(|| live[number % live.len()])
    }

    fn add(&mut self, side: Side, price: i64, lots: i64, account: usize) {
        let new =
            NewOrder { price, leaves: lots, account: account as u32, market: MARKET, client: NIL, side, flags: 0, self_trade: SelfTrade::CancelNewest };
        let slot = self.slab.insert(new, &mut self.heads[account]);
        let id = self.slab.id(slot);
        assert!(id != 0 && self.given.insert(id), "id {id} was given out before");
        assert!(self.book.can_rest(side, price, lots));
        self.book.insert(&mut self.slab, slot);
        self.model.rest(id, side, price, lots, account);
    }

    fn end(&mut self, id: u64, slot: u32, account: usize) {
        assert_eq!(self.slab.order(slot).stage(), Stage::Held);
        self.slab.remove(slot, &mut self.heads[account]);
        assert_eq!(self.slab.get(id), None);
        self.ended.push(id);
    }

    fn remove(&mut self, number: usize) {
        let Some((id, side, price, account)) = self.pick(number) else { return };
        let slot = self.slab.get(id).unwrap();
        self.book.remove(&mut self.slab, slot);
        assert_eq!(self.slab.order(slot).leaves(), self.model.unrest(id, side, price));
        self.end(id, slot, account);
    }

    fn reduce(&mut self, number: usize, by: i64) {
        let Some((id, side, price, _)) = self.pick(number) else { return };
        let slot = self.slab.get(id).unwrap();
        let lots = self.model.lots_mut(id, side, price);
        if by < *lots {
            *lots -= by;
            self.book.reduce(&mut self.slab, slot, by);
        }
    }

    fn reprice(&mut self, number: usize, to: i64, lots: i64) {
        let Some((id, side, price, account)) = self.pick(number) else { return };
        let slot = self.slab.get(id).unwrap();
        self.book.remove(&mut self.slab, slot);
        self.slab.reprice(slot, to, lots);
        self.book.insert(&mut self.slab, slot);
        self.model.unrest(id, side, price);
        self.model.rest(id, side, to, lots, account);
        assert_eq!(self.slab.id(slot), id);
    }

    /// Fills makers of `side` from the best on, as a matching loop does.
    fn take(&mut self, side: Side, mut lots: i64) {
        while lots > 0 {
            let Some((price, id)) = self.model.best(side) else { break };
            assert_eq!(self.book.best(side), Some(price));
            let slot = self.book.best_level_head(side).unwrap();
            assert_eq!(self.slab.id(slot), id);
            let filled = lots.min(self.slab.order(slot).leaves());
            lots -= filled;
            let left = self.book.fill(&mut self.slab, slot, filled);
            *self.model.lots_mut(id, side, price) -= filled;
            assert_eq!(left, *self.model.lots_mut(id, side, price));
            if left == 0 {
                let account = self.slab.order(slot).account() as usize;
                self.model.unrest(id, side, price);
                self.end(id, slot, account);
            }
        }
    }

    fn restore(&mut self) {
        let (slab, book) = (bytes(&self.slab), bytes(&self.book));
        self.slab = postcard::from_bytes(&slab).unwrap();
        self.book = postcard::from_bytes(&book).unwrap();
        assert_eq!((slab, book), (bytes(&self.slab), bytes(&self.book)));
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Add { side, price, lots, account } => self.add(side, price, lots, account),
            Step::Remove(number) => self.remove(number),
            Step::Reduce(number, by) => self.reduce(number, by),
            Step::Move(number, to, lots) => self.reprice(number, to, lots),
            Step::Take(side, lots) => self.take(side, lots),
            Step::Restore => self.restore(),
        }
        for side in SIDES {
            let head = self.book.best_level_head(side).map(|slot| self.slab.id(slot));
            assert_eq!(self.book.best(side).zip(head), self.model.best(side), "{side:?} after {step:?}");
        }
        assert_eq!(self.book.len() as usize, self.model.live.len());
    }

    fn compare_all(&self) {
        self.slab.verify().unwrap();
        self.book.verify(&self.slab, MARKET).unwrap();
        assert_eq!(self.slab.resting(), self.book.len());
        for side in SIDES {
            self.compare_queues(side);
            self.compare_depth(side);
            self.compare_impact(side);
        }
        self.compare_accounts();
        assert!(self.ended.iter().all(|&id| self.slab.get(id).is_none()));
    }

    fn compare_queues(&self, side: Side) {
        let expected = self.model.best_first(side);
        let levels: Vec<(i64, i64)> = self.book.levels(side, usize::MAX).collect();
        let totals: Vec<(i64, i64)> = expected.iter().map(|(p, q)| (*p, q.iter().map(|o| o.1).sum())).collect();
        assert_eq!(levels, totals);
        assert!(levels.iter().all(|&(price, qty)| self.book.level_qty(side, price) == qty));
        let next = |&slot: &u32| self.book.next_in_priority(&self.slab, slot);
        let slots = std::iter::successors(self.book.best_level_head(side), next);
        let orders: Vec<(u64, i64)> = slots.map(|s| (self.slab.id(s), self.slab.order(s).leaves())).collect();
        assert_eq!(orders, expected.iter().flat_map(|(_, q)| q.iter().copied()).collect::<Vec<_>>());
        assert_eq!(self.book.levels(side, 3).collect::<Vec<_>>(), totals[..totals.len().min(3)]);
    }

    fn compare_depth(&self, side: Side) {
        let levels = self.model.best_first(side);
        for at in [0, levels.len() / 3, levels.len().saturating_sub(1)] {
            let Some(&(price, _)) = levels.get(at) else { continue };
            for worst in [price - 1, price, price + 1] {
                let inside = |p: i64| if side == Side::Bid { p >= worst } else { p <= worst };
                let lots: i64 = levels.iter().filter(|l| inside(l.0)).flat_map(|l| l.1).map(|o| o.1).sum();
                for max in [0, 1, lots - 1, lots, lots + 1, i64::MAX] {
                    assert_eq!(self.book.depth_within(side, worst, max.max(0)), lots.min(max.max(0)));
                }
            }
        }
    }

    /// The mean price lot by lot: the plainest reading of the definition. Skipped for books too deep for it.
    fn compare_impact(&self, side: Side) {
        let levels = self.model.best_first(side);
        let lots = levels.iter().flat_map(|(p, q)| q.iter().flat_map(move |o| std::iter::repeat_n(*p, o.1 as usize)));
        let lots: Vec<i128> = lots.take(3_000).map(i128::from).collect();
        for wanted in [1, 2, lots.len() / 2, lots.len()] {
            let Some(taken) = lots.get(..wanted).filter(|taken| !taken.is_empty()) else { continue };
            let (value, count) = (taken.iter().sum::<i128>(), taken.len() as i128);
            let mean = if side == Side::Bid { value / count } else { (value + count - 1) / count };
            // The last lot may be needed for its last tick only.
            for notional in [value, value - taken[taken.len() - 1] + 1] {
                assert_eq!(self.book.impact_price(side, notional), Some(mean as i64), "{side:?} {notional}");
            }
        }
        let worth: i128 = levels.iter().flat_map(|(p, q)| q.iter().map(|o| i128::from(*p) * i128::from(o.1))).sum();
        assert_eq!(self.book.impact_price(side, worth + 1), None);
        assert_eq!(self.book.impact_price(side, 0), None);
    }

    fn compare_accounts(&self) {
        for (account, &head) in self.heads.iter().enumerate() {
            let mut ids: Vec<u64> = self.slab.of_account(head).map(|slot| self.slab.id(slot)).collect();
            let live = self.model.live.iter().filter(|o| o.3 == account);
            let mut expected: Vec<u64> = live.map(|o| o.0).collect();
            ids.sort_unstable();
            expected.sort_unstable();
            assert_eq!(ids, expected);
        }
    }
}

fn bytes<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap()
}

/// The same orders in the same priority, put in at once from the worst level to the best.
fn rebuilt(pair: &Pair) -> Book {
    let (mut slab, mut book) = (pair.slab.clone(), pair.book.clone());
    let mut slots = Vec::new();
    for side in SIDES {
        while let Some(slot) = book.best_level_head(side) {
            book.remove(&mut slab, slot);
            slots.push(slot);
        }
    }
    let mut book = Book::new();
    slots.sort_by_key(|&slot| match slab.order(slot).side() {
        Side::Bid => slab.order(slot).price(),
        Side::Ask => -slab.order(slot).price(),
    });
    slots.iter().for_each(|&slot| book.insert(&mut slab, slot));
    assert_eq!(bytes(&slab), bytes(&pair.slab), "links depend on the way");
    book
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    /// Mostly near the touch, some anywhere in a band wider than the window, a few absurdly far.
    fn price(&mut self, centre: i64) -> i64 {
        let near = |r: &mut Self, width: u64| r.below(width) as i64 - width as i64 / 2;
        let price = match self.below(20) {
            0 => near(self, 40_000) + centre,
            1 => 1 + self.below(MAX_PRICE as u64) as i64,
            2..8 => near(self, 3_000) + centre,
            _ => near(self, 60) + centre,
        };
        price.clamp(1, MAX_PRICE)
    }

    fn step(&mut self, centre: i64, crowd: usize, live: usize) -> Step {
        let side = SIDES[self.below(2) as usize];
        let lots = 1 + self.below(9) as i64;
        let number = self.below(1 << 20) as usize;
        let add = if live < crowd { 14 } else { 5 };
        match self.below(24) {
            k if k < add => Step::Add { side, price: self.price(centre), lots, account: number % ACCOUNTS },
            k if k < add + 3 => Step::Remove(number),
            k if k < add + 5 => Step::Reduce(number, lots),
            k if k < add + 7 => Step::Move(number, self.price(centre), lots),
            _ => Step::Take(side, lots * 2),
        }
    }
}

/// Long stream whose centre wanders, so that the window is built, moved and left behind many times.
fn wander(seed: u64, crowd: usize, steps: usize, stride: i64) {
    let (mut random, mut pair, mut centre) = (Random(seed), Pair::new(), 20_000_i64);
    for n in 1..=steps {
        if n % 400 == 0 {
            centre = (centre + random.below(2 * stride as u64 + 1) as i64 - stride).max(1);
        }
        let step =
            if random.below(2_000) == 0 { Step::Restore } else { random.step(centre, crowd, pair.model.live.len()) };
        pair.apply(step);
        if n % 1_000 == 0 {
            pair.compare_all();
            assert_eq!(bytes(&rebuilt(&pair)), bytes(&pair.book));
        }
    }
}

#[test]
fn a_long_stream_agrees_with_the_model() {
    for (seed, crowd, stride) in [(1, 30, 40), (2, 300, 900), (3, 300, 6_000), (4, 1_500, 2_500)] {
        wander(seed, crowd, 40_000, stride);
    }
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Bid), Just(Side::Ask)]
}

fn any_price() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 9_990..10_010_i64, 3 => 1..14_000_i64, 1 => 1..=MAX_PRICE, 1 => Just(1), 1 => Just(MAX_PRICE)]
}

fn any_step() -> impl Strategy<Value = Step> {
    let add = (any_side(), any_price(), 1..9_i64, 0..ACCOUNTS);
    prop_oneof![
        8 => add.prop_map(|(side, price, lots, account)| Step::Add { side, price, lots, account }),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => (any::<usize>(), 1..9_i64).prop_map(|(number, by)| Step::Reduce(number, by)),
        2 => (any::<usize>(), any_price(), 1..9_i64).prop_map(|(number, to, lots)| Step::Move(number, to, lots)),
        2 => (any_side(), 1..30_i64).prop_map(|(side, lots)| Step::Take(side, lots)),
        1 => Just(Step::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn short_streams_agree_with_the_model(steps in proptest::collection::vec(any_step(), 1..400)) {
        let mut pair = Pair::new();
        steps.iter().for_each(|&step| pair.apply(step));
        pair.compare_all();
        assert_eq!(bytes(&rebuilt(&pair)), bytes(&pair.book));
    }
}

#[test]
fn damaged_images_are_refused_or_found_out() {
    let mut pair = Pair::new();
    let mut random = Random(9);
    for _ in 0..300 {
        let step = random.step(10_000, 100, pair.model.live.len());
        pair.apply(step);
    }
    let (slab, book) = (bytes(&pair.slab), bytes(&pair.book));
    for at in 0..book.len() * 8 {
        let mut damaged = book.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        if let Ok(found) = postcard::from_bytes::<Book>(&damaged) {
            let same = bytes(&found) == book;
            assert_eq!(found.verify(&pair.slab, MARKET).is_ok(), same, "bit {at}");
        }
    }
    for at in 0..slab.len() * 8 {
        let mut damaged = slab.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        // Ids, flags and client ids have no second witness here; no damage may panic the checks.
        if let Ok(found) = postcard::from_bytes::<OrderSlab>(&damaged) {
            let _ = pair.book.verify(&found, MARKET);
        }
    }
}

#[test]
fn ids_of_ended_and_forged_orders_are_refused() {
    let (mut slab, mut head) = (OrderSlab::default(), NIL);
    let flags = POST_ONLY | REDUCE_ONLY;
    let new = NewOrder { price: 5, leaves: 2, account: 3, market: 1, client: 8, side: Side::Ask, flags, self_trade: SelfTrade::CancelNewest };
    let slot = slab.insert(new, &mut head);
    let id = slab.id(slot);
    assert_eq!((id, slab.get(id), slab.get(0), slab.get(id + 1)), (1 << 32, Some(0), None, None));
    let order = slab.remove(slot, &mut head);
    assert_eq!((order.client(), order.flags(), order.is_reduce_only()), (8, flags, true));
    assert_eq!((slab.get(id), slab.get(2 << 32), head), (None, None, NIL));
    let again = slab.insert(new, &mut head);
    assert_eq!((again, slab.id(again)), (slot, 2 << 32));
    assert_eq!(slab.get(id), None);
}

#[test]
fn freed_slots_return_last_in_first_out_also_after_a_restore() {
    let (mut slab, mut head) = (OrderSlab::default(), NIL);
    let new = NewOrder { price: 1, leaves: 1, account: 0, market: 0, client: NIL, side: Side::Bid, flags: 0, self_trade: SelfTrade::CancelNewest };
    for _ in 0..6 {
        slab.insert(new, &mut head);
    }
    for slot in [4, 1, 3] {
        slab.remove(slot, &mut head);
    }
    let mut restored: OrderSlab = postcard::from_bytes(&bytes(&slab)).unwrap();
    for slot in [3, 1, 4, 6] {
        let mut head = head;
        assert_eq!(slab.insert(new, &mut head), slot);
        assert_eq!(restored.insert(new, &mut head.clone()), slot);
        assert_eq!(slab.id(slot), restored.id(slot));
    }
}

#[test]
fn refused_uses_panic_and_impossible_orders_cannot_rest() {
    let mut pair = Pair::new();
    pair.add(Side::Bid, 10, i64::MAX - 1, 0);
    assert!(pair.book.can_rest(Side::Bid, 10, 1) && !pair.book.can_rest(Side::Bid, 10, 2));
    for (price, lots) in [(0, 1), (-1, 1), (MAX_PRICE + 1, 1), (5, 0), (5, -1)] {
        assert!(!pair.book.can_rest(Side::Ask, price, lots));
    }
    let slot = pair.book.best_level_head(Side::Bid).unwrap();
    type Act<'a> = &'a dyn Fn(&mut Book, &mut OrderSlab, &mut u32);
    let panics = |act: Act| {
        let (mut book, mut slab, mut head) = (pair.book.clone(), pair.slab.clone(), pair.heads[0]);
        let act = std::panic::AssertUnwindSafe(|| act(&mut book, &mut slab, &mut head));
        std::panic::catch_unwind(act).is_err()
    };
    let end = |slab: &mut OrderSlab, head: &mut u32| {
        slab.remove(slot, head);
    };
    assert!(panics(&|book, slab, _| book.insert(slab, slot)));
    assert!(panics(&|_, slab, head| end(slab, head)));
    assert!(panics(&|_, slab, _| slab.reprice(slot, 3, 3)));
    assert!(panics(&|book, slab, _| assert!(book.fill(slab, slot, i64::MAX) < 0)));
    assert!(panics(&|book, slab, _| book.reduce(slab, slot, i64::MAX - 1)));
    let leave_twice: Act = &|book, slab, _| (0..2).for_each(|_| book.remove(slab, slot));
    assert!(panics(leave_twice));
    let leave_and_end: Act = &|book, slab, head| {
        book.remove(slab, slot);
        end(slab, head);
    };
    assert!(!panics(leave_and_end));
}

#[test]
fn impact_prices_round_away_from_the_taker() {
    let mut pair = Pair::new();
    for (side, price) in [(Side::Bid, 100), (Side::Bid, 97), (Side::Ask, 101), (Side::Ask, 104)] {
        pair.add(side, price, 1, 0);
    }
    // Bids 100 and 97 are worth 197 on two lots: 98.5; asks 101 and 104 are worth 205: 102.5.
    let rows =
        [(Side::Bid, 100, Some(100)), (Side::Bid, 101, Some(98)), (Side::Bid, 197, Some(98)), (Side::Bid, 198, None)];
    for (side, notional, mean) in rows {
        assert_eq!(pair.book.impact_price(side, notional), mean);
    }
    for (notional, mean) in [(1, Some(101)), (101, Some(101)), (102, Some(103)), (205, Some(103)), (206, None)] {
        assert_eq!(pair.book.impact_price(Side::Ask, notional), mean);
    }
}
