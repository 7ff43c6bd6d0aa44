//! Matching without margin: the order slab and the books alone, as a raw limit of the engine's own parts.

use crate::figures::{Figures, peak_mib};
use crate::file::{Op, Record, Tally, Workload};
use novate_core::book::Book;
use novate_core::matching::crosses;
use novate_core::order::{NIL, NewOrder, OrderSlab, SelfTrade, Side};
use std::time::Instant;

struct Books {
    slab: OrderSlab,
    books: Vec<Book>,
    /// First order of each account.
    heads: Vec<u32>,
    /// The venue's id by the file's.
    ids: Vec<u64>,
    tally: Tally,
}

impl Books {
    fn new(work: &Workload) -> Self {
        Self {
            slab: OrderSlab::with_capacity(1 << 17),
            books: (0..work.symbols).map(|_| Book::new()).collect(),
            heads: vec![NIL; work.accounts as usize],
            ids: vec![0; work.last_id() as usize + 1],
            tally: Tally::START,
        }
    }

    fn take(&mut self, symbol: u16, id: u64, side: Side, limit: i64, mut lots: i64) -> i64 {
        let book = &mut self.books[symbol as usize];
        while lots > 0 {
            let Some(slot) = book.best_level_head(side.opposite()) else { break };
            let maker = self.slab.order(slot);
            let (price, account, maker_id) = (maker.price(), maker.account(), u64::from(maker.client()));
            if !crosses(side, limit, price) {
                break;
            }
            let traded = lots.min(maker.leaves());
            lots -= traded;
            self.tally.trade(maker_id, id, price, traded);
            if book.fill(&mut self.slab, slot, traded) == 0 {
                self.slab.remove(slot, &mut self.heads[account as usize]);
            }
        }
        lots
    }

    #[inline]
    fn apply(&mut self, r: &Record) {
        match r.op {
            Op::Add | Op::Take => self.place(r),
            Op::Cancel => {
                let slot = self.live(r.id);
                self.books[r.symbol as usize].remove(&mut self.slab, slot);
                self.end(slot);
            }
            Op::Move => self.reprice(r),
        }
    }

    fn place(&mut self, r: &Record) {
        let leaves = self.take(r.symbol, r.id, r.side, r.price, r.lots);
        if leaves == 0 || r.op == Op::Take {
            return;
        }
        let new = NewOrder {
            price: r.price,
            leaves,
            account: r.account,
            market: u32::from(r.symbol),
            client: r.id as u32,
            side: r.side,
            flags: 0,
            self_trade: SelfTrade::CancelNewest,
        };
        let slot = self.slab.insert(new, &mut self.heads[r.account as usize]);
        self.ids[r.id as usize] = self.slab.id(slot);
        self.books[r.symbol as usize].insert(&mut self.slab, slot);
    }

    fn reprice(&mut self, r: &Record) {
        let slot = self.live(r.id);
        let (side, lots) = (self.slab.order(slot).side(), self.slab.order(slot).leaves());
        self.books[r.symbol as usize].remove(&mut self.slab, slot);
        let leaves = self.take(r.symbol, r.id, side, r.price, lots);
        if leaves == 0 {
            self.end(slot);
            return;
        }
        self.slab.reprice(slot, r.price, leaves);
        self.books[r.symbol as usize].insert(&mut self.slab, slot);
    }

    fn live(&self, id: u64) -> u32 {
        self.slab.get(self.ids[id as usize]).expect("the file names resting orders only")
    }

    fn end(&mut self, slot: u32) {
        let account = self.slab.order(slot).account();
        self.slab.remove(slot, &mut self.heads[account as usize]);
    }

    fn is_right(&self, work: &Workload) -> bool {
        let books = self.books.iter().enumerate().all(|(at, book)| book.verify(&self.slab, at as u32).is_ok());
        books && self.slab.verify().is_ok() && u64::from(self.slab.len()) == work.resting
    }
}

/// Replays the file; rate or latency per command.
pub fn run(work: &Workload, reps: usize, latency: bool) -> Result<String, String> {
    let (mut rates, mut times, mut right, mut tally) = (Vec::new(), Vec::new(), true, Tally::START);
    let timed = &work.records[work.prefill..];
    for _ in 0..reps {
        let mut books = Books::new(work);
        work.records[..work.prefill].iter().for_each(|r| books.apply(r));
        let start = Instant::now();
        if latency {
            for r in timed {
                let start = Instant::now();
                books.apply(r);
                times.push(start.elapsed().as_nanos() as f64);
            }
        } else {
            timed.iter().for_each(|r| books.apply(r));
        }
        rates.push(timed.len() as f64 / start.elapsed().as_secs_f64() / 1e6);
        right &= books.is_right(work);
        tally = books.tally;
    }
    let totals = tally.trades == work.expected.trades && tally.volume == work.expected.volume;
    let latencies = if latency { format!(",{}", Figures::of(times).percentiles()) } else { String::new() };
    Ok(format!(
        "{{\"peer\":\"novate match\",\"file\":\"{}\",\"reps\":{reps},{}{latencies},\"totals_ok\":{},\"hash_ok\":{},\"rss_mib\":{}}}",
        work.name,
        Figures::of(rates).rates(),
        totals && right,
        tally == work.expected,
        peak_mib()
    ))
}
