//! The fast and the naive book side by side, over random streams: two books under the same orders, then two engines under
//! the same commands. Every answer and the whole state are compared after each step.

#[path = "../../novate-core/tests/common/mod.rs"]
mod common;

use common::chance::Chance;
use common::stream::Stream;
use common::{length, told, wire};
use novate_naive::book::MAX_PRICE;
use novate_naive::order::{NIL, NewOrder, OrderSlab, SelfTrade, Side};
use novate_naive::{book, naive_book};

/// A book with the orders it lists.
struct Desk<B> {
    book: B,
    slab: OrderSlab,
    head: u32,
}

struct Pair {
    fast: Desk<book::Book>,
    naive: Desk<naive_book::Book>,
    resting: Vec<u32>,
}

/// Asks or does the same on both desks; the answers must be the same, and are the answer.
macro_rules! both {
    ($pair:expr, |$desk:ident| $answer:expr) => {{
        let $desk = &mut $pair.fast;
        let fast = $answer;
        let $desk = &mut $pair.naive;
        let naive = $answer;
        assert_eq!(fast, naive);
        fast
    }};
}

impl Pair {
    fn new() -> Self {
        Self {
            fast: Desk { book: book::Book::new(), slab: OrderSlab::default(), head: NIL },
            naive: Desk { book: naive_book::Book::new(), slab: OrderSlab::default(), head: NIL },
            resting: Vec::new(),
        }
    }

    fn add(&mut self, side: Side, price: i64, leaves: i64) {
        let new = NewOrder { price, leaves, account: 0, market: 0, client: NIL, side, flags: 0, self_trade: SelfTrade::CancelNewest };
        assert!(both!(self, |desk| desk.book.can_rest(side, price, leaves)));
        let slot = both!(self, |desk| desk.slab.insert(new, &mut desk.head));
        both!(self, |desk| desk.book.insert(&mut desk.slab, slot));
        self.resting.push(slot);
    }

    fn end(&mut self, slot: u32) {
        both!(self, |desk| desk.book.remove(&mut desk.slab, slot));
        self.free(slot);
    }

    fn free(&mut self, slot: u32) {
        both!(self, |desk| desk.slab.remove(slot, &mut desk.head));
        self.resting.retain(|&other| other != slot);
    }

    fn reprice(&mut self, slot: u32, price: i64, lots: i64) {
        both!(self, |desk| {
            desk.book.remove(&mut desk.slab, slot);
            desk.slab.reprice(slot, price, lots);
            desk.book.insert(&mut desk.slab, slot);
        });
    }

    fn reduce(&mut self, slot: u32, lots: i64) {
        if lots < self.naive.slab.order(slot).leaves() {
            both!(self, |desk| desk.book.reduce(&mut desk.slab, slot, lots));
        }
    }

    /// Takes up to `lots` from a side, best first.
    fn take(&mut self, side: Side, mut lots: i64) {
        while lots > 0
            && let Some(slot) = both!(self, |desk| desk.book.best_level_head(side))
        {
            let filled = lots.min(self.naive.slab.order(slot).leaves());
            lots -= filled;
            if both!(self, |desk| desk.book.fill(&mut desk.slab, slot, filled)) == 0 {
                self.free(slot);
            }
        }
    }

    fn step(&mut self, chance: &mut Chance, touch: i64, crowd: usize) {
        let (side, lots) = (chance.pick(&[Side::Bid, Side::Ask]), chance.range(1, 9));
        let reach = chance.pick(&[30, 30, 1_500, 20_000]);
        let far = chance.one_in(50);
        let price = if far { chance.range(1, MAX_PRICE) } else { (touch + chance.range(-reach, reach)).max(1) };
        let crowded = self.resting.len() >= crowd;
        match (self.resting.is_empty(), chance.range(0, 11)) {
            (false, 0..=1) => self.end(chance.pick(&self.resting)),
            (false, 2) => self.reprice(chance.pick(&self.resting), price, lots),
            (false, 3) => self.reduce(chance.pick(&self.resting), lots),
            (false, 4) => self.take(side, lots * 2),
            (false, 5..=8) if crowded => self.take(side, lots),
            _ => self.add(side, price, lots),
        }
    }

    fn compare(&mut self, chance: &mut Chance, touch: i64) {
        both!(self, |desk| (bytes(&desk.book), bytes(&desk.slab)));
        for side in [Side::Bid, Side::Ask] {
            both!(self, |desk| (desk.book.best(side), desk.book.best_level_head(side)));
            let (price, most) = (touch + chance.range(-2_000, 2_000), chance.magnitude(0, 12));
            let notional = i128::from(touch) * i128::from(most) + i128::from(chance.range(-1, 1));
            both!(self, |desk| (desk.book.level_qty(side, price), desk.book.depth_within(side, price, most)));
            both!(self, |desk| desk.book.impact_price(side, notional));
        }
        if let Some(&slot) = self.resting.last() {
            both!(self, |desk| desk.book.next_in_priority(&desk.slab, slot));
        }
        assert_eq!(both!(self, |desk| desk.book.len()) as usize, self.resting.len());
    }

    /// Each book goes on from the bytes of the other.
    fn swap(&mut self) {
        let (fast, naive) = (bytes(&self.fast.book), bytes(&self.naive.book));
        self.fast.book = postcard::from_bytes(&naive).expect("the bytes of a book");
        self.naive.book = postcard::from_bytes(&fast).expect("the bytes of a book");
        both!(self, |desk| desk.book.verify(&desk.slab, 0)).expect("a sound book");
    }
}

fn bytes<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("it serialises")
}

#[test]
fn two_books_under_the_same_orders_answer_alike() {
    let (mut steps, kinds) = (0, [(20, 60), (150, 4_000), (600, 2_500)]);
    for seed in 0..24 * length() {
        let (crowd, stride) = kinds[(seed % 3) as usize];
        let (mut chance, mut pair, mut touch) = (Chance::new(seed), Pair::new(), 20_000);
        for n in 0..1_000 {
            if n % 200 == 199 {
                touch = (touch + chance.range(-stride, stride)).max(1);
                pair.swap();
            }
            pair.step(&mut chance, touch, crowd);
            pair.compare(&mut chance, touch);
            steps += 1;
        }
    }
    told(&format!("{steps} steps, the fast and the naive book the same after each"));
}

#[test]
fn two_engines_under_the_same_commands_tell_and_become_the_same() {
    let mut commands = 0;
    for seed in 70_000..70_000 + 6 * length() {
        let mut stream = Stream::new(seed);
        let mut naive = novate_naive::engine::Engine::restore(&stream.venue.engine.snapshot()).expect("a snapshot of the fast one");
        for n in 0..400 {
            stream.venue.kept = Some(Vec::new());
            stream.step();
            for (message, told) in stream.venue.kept.take().unwrap_or_default() {
                let mut answer = Vec::new();
                naive.apply(&message, &mut answer).expect("the same message");
                assert_eq!(wire::events(&answer), told, "seed {seed}, step {n}: other events");
                commands += 1;
            }
            assert_eq!(naive.state_hash(), stream.venue.engine.state_hash(), "seed {seed}, step {n}: another state");
        }
    }
    told(&format!("{commands} commands, the engines on the fast and the naive book the same after each step"));
}
