//! Orders beyond the plain ones: what an auction would do, what of an account waits, and a book order by order: questions 400 to 449.
//!
//! Responsible for: reading, never changing.

use super::{arguments, dense, reply, small};
use crate::auction::indicative;
use crate::order::{Side, Stage};
use crate::state::State;
use crate::state::trading::{Pending, Waiting};
use serde::Serialize;

const AUCTION: u64 = 400;
const WAITING: u64 = 401;
const RESTING: u64 = 402;
/// Orders on one page of a book at most.
const PAGE: u32 = 20_000;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        AUCTION => reply(&auction(state, arguments::<(u64, u32)>(request)?.1)?),
        WAITING => reply(&waiting(state, arguments::<(u64, u64)>(request)?.1)?),
        RESTING => {
            let (_, market, after, skip, limit) = arguments::<(u64, u32, u64, u32, u32)>(request)?;
            reply(&resting(state, market, after, skip, limit)?)
        }
        other => Err(super::unknown(other)),
    }
}

/// A market's phase, and what its auction would trade now.
#[derive(Serialize)]
struct Auction {
    market: u32,
    phase: u8,
    until_ns: i64,
    /// Ticks; 0 when nothing crosses.
    price: i64,
    lots: i64,
    /// Bids positive.
    surplus: i64,
}

fn auction(state: &State, id: u32) -> Result<Auction, String> {
    let market = state.markets.get(id as usize).and_then(Option::as_ref).ok_or_else(|| format!("there is no market {id}"))?;
    let found = indicative(state, market);
    let (price, lots, surplus) = found.map_or((0, 0, 0), |e| (e.price, small(e.lots), small(e.surplus)));
    Ok(Auction { market: id, phase: market.phase.phase as u8, until_ns: market.phase.until_ns, price, lots, surplus })
}

/// A trigger or a parent order.
#[derive(Serialize)]
struct WaitingLine {
    order: u64,
    market: u32,
    side: u8,
    /// Quantity, and what of it traded.
    lots: i64,
    filled: i64,
    /// Ticks; 0 for the collar.
    price: i64,
    /// Triggers: the perp whose mark pulls it, where, and whether the mark must rise.
    trigger_market: u32,
    trigger_price: i64,
    rises: bool,
    /// Parents: slices in all and sent, and when the next is due.
    slices: u32,
    sent: u32,
    next_ns: i64,
}

/// What of an account waits.
#[derive(Serialize)]
struct WaitingReport {
    /// When the dead-man switch fires; 0 when it is off.
    silence_ns: i64,
    orders: Vec<WaitingLine>,
}

fn waiting(state: &State, account: u64) -> Result<WaitingReport, String> {
    let index = dense(state, account)?;
    let trading = &state.trading;
    let orders = trading.by_account.range((index, 0)..=(index, u64::MAX)).filter_map(|(_, id)| trading.waiting.get(id).map(|w| line(*id, w)));
    Ok(WaitingReport { silence_ns: trading.silences.get(&index).copied().unwrap_or(0), orders: orders.collect() })
}

fn line(order: u64, waiting: &Waiting) -> WaitingLine {
    match &waiting.pending {
        Pending::Trigger(t) => WaitingLine {
            order,
            market: t.terms.market,
            side: t.terms.side,
            lots: t.terms.lots,
            filled: 0,
            price: t.terms.price,
            trigger_market: t.market,
            trigger_price: t.price,
            rises: t.rises,
            slices: 0,
            sent: 0,
            next_ns: 0,
        },
        Pending::Twap(t) => WaitingLine {
            order,
            market: t.market,
            side: t.side as u8,
            lots: t.lots,
            filled: t.filled,
            price: t.price,
            trigger_market: 0,
            trigger_price: 0,
            rises: false,
            slices: t.slices,
            sent: t.sent,
            next_ns: t.next_ns,
        },
    }
}

/// An order as everybody may see it: id, side, ticks, lots that are left. Whose it is and how it was sent is nobody's business.
type RestingLine = (u64, u8, i64, i64);

/// One page of a book, order by order.
#[derive(Serialize)]
struct RestingPage {
    market: u32,
    /// The state that it is of: pages of two sequences are not of one book.
    sequence: u64,
    time_ns: i64,
    /// Orders that rest in the market, those on other pages included.
    resting: u32,
    /// Bids, best first, then asks, best first; at one price in the order in which they trade.
    orders: Vec<RestingLine>,
    /// The last order of the page when more follow; 0 at the end.
    next: u64,
}

/// The orders behind `after` (0: from the first one on), without the first `skip` of them, `limit` at most. Triggers and parent
/// orders rest nowhere, so they are not told; nor is an order while it only matches.
fn resting(state: &State, id: u32, after: u64, skip: u32, limit: u32) -> Result<RestingPage, String> {
    let market = state.market(id).map_err(|_| format!("market_must_exist: no market has id {id}"))?;
    if !(1..=PAGE).contains(&limit) {
        return Err(format!("a page has 1 to {PAGE} orders, not {limit}"));
    }
    let (book, slab) = (&market.book, &state.orders);
    // Past the last bid the asks begin.
    let step = |slot: u32| {
        let asks = || if slab.order(slot).side() == Side::Bid { book.best_level_head(Side::Ask) } else { None };
        book.next_in_priority(slab, slot).or_else(asks)
    };
    let first = if after == 0 {
        book.best_level_head(Side::Bid).or_else(|| book.best_level_head(Side::Ask))
    } else {
        let known = slab.get(after).filter(|&slot| slab.order(slot).market() == id && slab.order(slot).stage() == Stage::Resting);
        step(known.ok_or_else(|| format!("order {after} does not rest in market {id} any more: begin with the first page"))?)
    };
    let mut slots = std::iter::successors(first, |&slot| step(slot)).skip(skip as usize);
    let line = |slot: u32| {
        let order = slab.order(slot);
        (slab.id(slot), order.side() as u8, order.price(), order.leaves())
    };
    let orders: Vec<RestingLine> = slots.by_ref().take(limit as usize).map(line).collect();
    let next = if slots.next().is_some() { orders.last().map_or(0, |last| last.0) } else { 0 };
    Ok(RestingPage { market: id, sequence: state.sequence, time_ns: state.now, resting: book.len(), orders, next })
}
