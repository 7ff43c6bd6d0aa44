//! A book order by order: the question's pages against the plain list that a listener keeps from the events alone.
//!
//! The list knows nothing of the book: it takes events as they are told and holds (order, side, price, lots) in the order of
//! arrival. After every command both must say the same of every market, so events are enough to follow every order, whatever
//! moved it: fills, amendments, self-trade, auctions, liquidations, expiries, corporate actions.

mod common;

use common::stream::Stream;
use common::wire::Event;
use common::{length, told};
use novate_core::event::{BookChanged, OrderAmended, OrderCancelled, OrderDecremented, OrderFilled, OrderPlaced};
use serde::Deserialize;
use std::collections::BTreeMap;

const STREAMS: u64 = 40;
const STEPS: u64 = 1_500;
const MARKETS: u32 = 5;
const RESTING: u64 = 402;

type Line = (u64, u8, i64, i64);

#[derive(Deserialize)]
struct Page {
    market: u32,
    sequence: u64,
    resting: u32,
    orders: Vec<Line>,
    next: u64,
}

/// What a listener keeps.
#[derive(Default)]
struct Listener {
    /// Resting orders of each market, in order of arrival.
    books: BTreeMap<u32, Vec<Line>>,
    /// An order on its way in, with its market: it rests once its level is told.
    arriving: Option<(u32, Line)>,
    changes: u64,
}

impl Listener {
    fn hear(&mut self, event: &Event) {
        if let Some(e) = event.as_a::<OrderPlaced>() {
            self.arriving = Some((e.market, (e.order, e.side, e.price, e.lots)));
        } else if let Some(e) = event.as_a::<OrderFilled>() {
            self.left(e.market, e.order, e.leaves);
        } else if let Some(e) = event.as_a::<OrderDecremented>() {
            self.left(e.market, e.order, e.leaves);
        } else if let Some(e) = event.as_a::<OrderCancelled>() {
            self.left(e.market, e.order, 0);
        } else if let Some(e) = event.as_a::<OrderAmended>() {
            if e.kept_priority == 1 {
                self.left(e.market, e.order, e.leaves);
            } else {
                self.left(e.market, e.order, 0);
                self.arriving = Some((e.market, (e.order, e.side, e.price, e.leaves)));
            }
        } else if let Some(e) = event.as_a::<BookChanged>() {
            let here = |(market, line): &(u32, Line)| (*market, line.1, line.2) == (e.market, e.side, e.price);
            if let Some((market, line)) = self.arriving.take_if(|arriving| here(arriving)) {
                self.books.entry(market).or_default().push(line);
                self.changes += 1;
            }
        }
    }

    /// What is left of an order that rests or arrives.
    fn left(&mut self, market: u32, order: u64, lots: i64) {
        if let Some((_, line)) = self.arriving.as_mut().filter(|a| a.1.0 == order) {
            line.3 = lots;
            self.arriving.take_if(|a| a.1.3 == 0);
            return;
        }
        let book = self.books.entry(market).or_default();
        if let Some(at) = book.iter().position(|line| line.0 == order) {
            self.changes += 1;
            book[at].3 = lots;
            if lots == 0 {
                book.remove(at);
            }
        }
    }

    /// A market's orders as the question lists them: a stable sort keeps the order of arrival at each price.
    fn book(&self, market: u32) -> Vec<Line> {
        let mut all = self.books.get(&market).cloned().unwrap_or_default();
        all.sort_by_key(|&(_, side, price, _)| (side, if side == 0 { -price } else { price }));
        all
    }
}

fn ask(stream: &Stream, market: u32, after: u64, skip: u32, limit: u32) -> Result<Page, String> {
    let request = rmp_serde::to_vec(&(RESTING, market, after, skip, limit)).expect("a request");
    stream.venue.engine.query(&request).map(|answer| rmp_serde::from_slice(&answer).expect("a page"))
}

/// The whole book by cursor.
fn paged(stream: &Stream, market: u32, limit: u32) -> Vec<Line> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = ask(stream, market, after, 0, limit).expect("a page");
        assert!(page.orders.len() <= limit as usize);
        assert_eq!((page.market, page.sequence), (market, stream.venue.engine.sequence()));
        all.extend(page.orders);
        if page.next == 0 {
            assert_eq!(page.resting as usize, all.len(), "the count is of the whole book");
            return all;
        }
        assert_eq!(page.next, all.last().expect("more follow an order").0);
        after = page.next;
    }
}

#[test]
fn events_are_enough_to_follow_every_order() {
    let (mut commands, mut changes, mut deepest) = (0, 0, 0);
    for seed in 9_000..9_000 + STREAMS * length().min(20) {
        let mut stream = Stream::new(seed);
        let mut listener = Listener::default();
        stream.venue.kept = Some(Vec::new());
        for n in 0..STEPS {
            stream.step();
            // A step may send several commands.
            let sent = stream.venue.kept.replace(Vec::new()).expect("what was sent");
            sent.iter().flat_map(|(_, events)| events).for_each(|event| listener.hear(event));
            commands += sent.len();
            assert!(listener.arriving.is_none(), "seed {seed}, step {n}: {:?} neither rests nor ended", listener.arriving);
            for market in 1..=MARKETS {
                let Ok(page) = ask(&stream, market, 0, 0, 20_000) else { continue };
                let expected = listener.book(market);
                assert_eq!(page.orders, expected, "seed {seed}, step {n}, market {market}");
                deepest = deepest.max(expected.len());
                if n % 50 == 0 {
                    let limit = 1 + (n / 50 % 7) as u32;
                    assert_eq!(paged(&stream, market, limit), expected, "seed {seed}, step {n}, market {market} by {limit}");
                    let skip = n as usize % 9;
                    let behind = ask(&stream, market, 0, skip as u32, 20_000).expect("a page").orders;
                    assert_eq!(behind, expected[skip.min(expected.len())..]);
                }
            }
        }
        changes += listener.changes;
    }
    told(&format!("{commands} commands, {changes} changes of resting orders, books of up to {deepest}: pages and list agree"));
    assert!(changes > 5_000 && deepest > 10);
}

#[test]
fn a_page_is_bounded_and_its_cursor_must_rest() {
    let mut stream = Stream::new(9_999);
    let market = loop {
        stream.step();
        if let Some(market) = (1..=MARKETS).find(|&m| ask(&stream, m, 0, 0, 1).is_ok_and(|page| page.resting > 3)) {
            break market;
        }
    };
    let said = |after, limit, market| ask(&stream, market, after, 0, limit).map(|_| ()).expect_err("a sentence");
    assert!(said(0, 0, market).contains("a page has 1 to 20000 orders"));
    assert!(said(0, 20_001, market).contains("a page has 1 to 20000 orders"));
    assert!(said(0, 1, 99).contains("market_must_exist"));
    assert!(said(u64::MAX, 1, market).contains("begin with the first page"));
    let first = ask(&stream, market, 0, 0, 1).expect("a page");
    let elsewhere = (1..=MARKETS).find(|&m| m != market).expect("another");
    assert!(said(first.next, 1, elsewhere).contains("does not rest in market"));
    assert!(ask(&stream, market, 0, u32::MAX, 1).expect("nothing is behind the end").orders.is_empty());
}
