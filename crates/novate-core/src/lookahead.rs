//! Touches, which is asks for, the memory of the commands that come next, so that it is near when their turn comes.
//!
//! Responsible for: asking, a few commands ahead of the engine and without waiting, for an account's record, the order that its
//! command names, the position, the level, the orders next to it, and what an evaluation will read; the same for a walk over all
//! accounts. Never decides or changes anything; a venue that fits the nearest caches is left alone. Decision 21.

use crate::account::Account;
use crate::codec::{Body, HEADER, Header};
use crate::command::{AmendOrder, CancelOrder, PlaceOrder};
use crate::order::Side;
use crate::state::State;
use prefetch_index::prefetch_index;
use std::hint::black_box;
use std::slice;

/// Commands between one step and the next.
const STEP: usize = 4;
/// Steps of a command.
const STEPS: usize = 5;
/// Where the body of an `AmendOrder` has its new price.
const AMENDED_PRICE: usize = 24;
/// Accounts times markets from which looking ahead pays: what fewer of them work with stays near by itself.
const PLACES: usize = 16_384;

/// Accounts between one step and the next of a walk over all of them.
const STRIDE: usize = 4;

/// A command on its way.
#[derive(Clone, Copy, Default)]
struct Next<'a> {
    account: u64,
    dense: Option<u32>,
    kind: u16,
    body: &'a [u8],
}

impl Next<'_> {
    /// A number of the body as it stands there; 0 beyond its end.
    fn number(&self, at: usize) -> u64 {
        self.body.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// The account's record, once it was found.
    fn account<'s>(&self, state: &'s State) -> Option<&'s Account> {
        self.dense.and_then(|at| state.accounts.get(at as usize))
    }

    /// Slot of the order that is named.
    fn slot(&self) -> Option<u32> {
        matches!(self.kind, CancelOrder::KIND | AmendOrder::KIND).then(|| self.number(0) as u32)
    }
}

/// The commands of a buffer that were looked at and not yet applied.
pub struct Lookahead<'a> {
    rest: &'a [u8],
    ring: [Next<'a>; STEP * STEPS],
    read: usize,
}

impl<'a> Lookahead<'a> {
    /// Over a buffer of whole messages; `None` where it would not pay: a small venue, or a single message.
    #[must_use]
    pub fn over(input: &'a [u8], state: &State) -> Option<Self> {
        let several = Header::read(input).is_some_and(|first| input.len() > first.length as usize);
        (several && state.accounts.len() * state.markets.len() >= PLACES).then(|| {
            let mut ahead = Self { rest: input, ring: [Next::default(); STEP * STEPS], read: 0 };
            (0..STEP * STEPS).for_each(|_| ahead.step(state));
            ahead
        })
    }

    /// One command further.
    pub fn step(&mut self, state: &State) {
        let [read, found, near, nearest, last] = [0, 1, 2, 3, 4].map(|step| (self.read + STEP * (STEPS - step)) % (STEP * STEPS));
        self.ring[read] = self.read_one();
        let next = &mut self.ring[found];
        if !next.body.is_empty() {
            next.dense = state.account_index.get(&next.account).copied();
        }
        touch_records(state, &self.ring[near]);
        touch_places(state, &self.ring[nearest]);
        touch_margin(state, &self.ring[last]);
        self.read += 1;
    }

    fn read_one(&mut self) -> Next<'a> {
        let Some(header) = Header::read(self.rest) else { return Next::default() };
        let (message, rest) = self.rest.split_at(header.length as usize);
        self.rest = rest;
        Next { account: header.account, dense: None, kind: header.kind, body: &message[HEADER..] }
    }
}

/// Asks for the line of memory in which something begins, without waiting for it.
#[inline(always)]
fn touch<T>(it: &T) {
    prefetch_index(slice::from_ref(it), 0);
}

fn touch_records(state: &State, next: &Next<'_>) {
    if let Some(account) = next.account(state) {
        touch_record(account);
    }
    if let Some(order) = next.slot().and_then(|slot| state.orders.peek(slot)) {
        touch(order);
    }
}

fn touch_places(state: &State, next: &Next<'_>) {
    let Some(account) = next.account(state) else { return };
    if is_evaluated(state, next, account) {
        touch_holdings(state, account);
    }
    let Some((market, side, price)) = place_of(state, next) else { return };
    if let Some(order) = next.slot().and_then(|slot| state.orders.peek(slot)) {
        state.orders.peek_around(order).for_each(touch);
    }
    if let Some(position) = account.position(market) {
        touch(position);
        touch(&position.seen_round);
    }
    if let Some(market) = state.markets.get(market as usize).and_then(Option::as_ref) {
        black_box(market.book.can_rest(side, price, 1));
        if next.kind == AmendOrder::KIND {
            black_box(market.book.can_rest(side, next.number(AMENDED_PRICE) as i64, 1));
        }
    }
}

/// What is open there, and what getting out costs the owner.
fn touch_margin(state: &State, next: &Next<'_>) {
    let Some(account) = next.account(state) else { return };
    if is_evaluated(state, next, account) {
        touch_rates(state, account);
    }
    let Some((market, ..)) = place_of(state, next) else { return };
    if let Some(position) = account.position(market) {
        touch(account.open(position));
    }
}

/// Market, side and price that a command is about.
fn place_of(state: &State, next: &Next<'_>) -> Option<(u32, Side, i64)> {
    if let Some(order) = next.slot().and_then(|slot| state.orders.peek(slot)) {
        return Some((order.market(), order.side(), order.price()));
    }
    let first = next.number(0);
    let side = if first >> 32 & 1 == 0 { Side::Bid } else { Side::Ask };
    (next.kind == PlaceOrder::KIND).then(|| (first as u32, side, next.number(8) as i64))
}

/// Whether a command's account is going to be evaluated: nobody knows what it has left.
fn is_evaluated(state: &State, next: &Next<'_>, account: &Account) -> bool {
    next.kind == PlaceOrder::KIND && account.cushion.era != state.lull.era()
}

/// Touches what an evaluation reads of the accounts that come next in a walk over all of them, `at` being the one at hand: the record,
/// then its lists and its owner, then the owner's rates.
pub fn touch_next(state: &State, at: usize) {
    let next = |strides: usize| state.accounts.get(at + strides * STRIDE);
    if let Some(account) = next(3) {
        touch_front(account);
        touch(&account.liquidation);
    }
    if let Some(account) = next(2) {
        touch_holdings(state, account);
    }
    if let Some(account) = next(1) {
        touch_rates(state, account);
    }
}

/// An account's record: its first two lines, then what trading wants of it.
fn touch_record(account: &Account) {
    touch_front(account);
    touch(&account.open);
    touch(&account.rate_ns);
    touch(&account.liquidation);
}

/// What every look at an account reads of its record.
fn touch_front(account: &Account) {
    touch(account);
    touch(&account.positions);
}

/// The lists of an account whose record is near.
fn touch_holdings(state: &State, account: &Account) {
    account.positions.iter().for_each(touch);
    for balance in &account.balances {
        touch(balance);
        touch(&balance.line_index);
    }
    if let Some(owner) = state.owners.get(account.owner as usize) {
        touch(&owner.liquidity);
    }
}

/// The rates of an account's owner whose record is near.
fn touch_rates(state: &State, account: &Account) {
    if let Some(owner) = state.owners.get(account.owner as usize) {
        owner.liquidity.iter().step_by(2).for_each(touch); // two to a line, and more
    }
}
