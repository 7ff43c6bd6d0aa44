//! Touches, which is asks for, the memory of the commands that come next, so that it is near when their turn comes.
//!
//! Responsible for: asking, a few commands ahead of the engine and without waiting, for an account's record, the order that its
//! command names, the position, the level, the orders next to it, whom it will trade with, and what an evaluation will read; the same
//! for a walk over all accounts. Never decides or changes anything; a venue that fits the nearest caches is left alone. Decision 21.

use crate::account::Account;
use crate::codec::{Body, HEADER, Header};
use crate::command::{AmendOrder, CancelOrder, PlaceOrder};
use crate::open_orders::OpenOrders;
use crate::order::Side;
use crate::state::{Market, State};
use prefetch_index::prefetch_index;
use std::slice;

/// Commands between one step and the next.
const STEP: usize = 2;
/// Steps of a command, each with what it reads, which an earlier one asked for.
const STEPS: [fn(&mut Next<'_>, &State); 6] = [touch_names, touch_records, touch_places, touch_margin, touch_maker, touch_makers_orders];
/// Commands on their way.
const AHEAD: usize = STEP * STEPS.len();
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
    kind: u16,
    body: &'a [u8],
    /// Index of the account.
    dense: Option<u32>,
    /// Market, side and price that it is about.
    place: Option<(u32, Side, i64)>,
    /// Slot of the order that it will meet first.
    met: Option<u32>,
    /// Index of the account whose order that is.
    maker: Option<u32>,
    /// The account is evaluated, as far as can be said by the step before, and that its positions were asked for just then.
    evaluated: bool,
}

impl<'a> Next<'a> {
    fn read(input: &mut &'a [u8]) -> Self {
        let Some(header) = Header::read(input) else { return Self::default() };
        let (message, rest) = input.split_at(header.length as usize);
        *input = rest;
        Self { account: header.account, kind: header.kind, body: &message[HEADER..], ..Self::default() }
    }

    /// A number of the body as it stands there; 0 beyond its end.
    fn number(&self, at: usize) -> u64 {
        self.body.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// Slot of the order that is named.
    fn slot(&self) -> Option<u32> {
        matches!(self.kind, CancelOrder::KIND | AmendOrder::KIND).then(|| self.number(0) as u32)
    }

    /// The price that an order is to have, where it may trade or rest.
    fn wanted(&self) -> Option<i64> {
        match self.kind {
            PlaceOrder::KIND => self.place.map(|(.., price)| price),
            AmendOrder::KIND => Some(self.number(AMENDED_PRICE) as i64),
            _ => None,
        }
    }

    fn account<'s>(&self, state: &'s State) -> Option<&'s Account> {
        state.accounts.get(self.dense? as usize)
    }

    fn market<'s>(&self, state: &'s State) -> Option<&'s Market> {
        state.markets.get(self.place?.0 as usize)?.as_ref()
    }

    fn maker<'s>(&self, state: &'s State) -> Option<&'s Account> {
        state.accounts.get(self.maker? as usize)
    }

    /// The price it meets first, if it meets any.
    fn meets(&self, market: &Market) -> Option<i64> {
        let (wanted, (_, side, _)) = (self.wanted()?, self.place?);
        market.book.best(side.opposite()).filter(|&best| if side == Side::Bid { best <= wanted } else { best >= wanted })
    }
}

/// The commands of a buffer that were looked at and not yet applied.
pub struct Lookahead<'a> {
    rest: &'a [u8],
    ring: [Next<'a>; AHEAD],
    read: usize,
}

impl<'a> Lookahead<'a> {
    /// Over a buffer of whole messages; `None` where it would not pay: a small venue, or a single message.
    #[must_use]
    pub fn over(input: &'a [u8], state: &State) -> Option<Self> {
        let several = Header::read(input).is_some_and(|first| input.len() > first.length as usize);
        (several && state.accounts.len() * state.markets.len() >= PLACES).then(|| {
            let mut rest = input;
            let mut ring = [(); AHEAD].map(|()| Next::read(&mut rest));
            // Step by step, not command by command: each step asks for what the next one of all these reads.
            for (step, touch) in STEPS.iter().enumerate() {
                ring[..AHEAD - STEP * step].iter_mut().for_each(|next| touch(next, state));
            }
            Self { rest, ring, read: 0 }
        })
    }

    /// One command further.
    #[inline]
    pub fn step(&mut self, state: &State) {
        self.ring[self.read] = Next::read(&mut self.rest);
        for (step, touch) in STEPS.iter().enumerate() {
            let at = self.read + STEP * (STEPS.len() - step);
            touch(&mut self.ring[if at < AHEAD { at } else { at - AHEAD }], state);
        }
        self.read = (self.read + 1) % AHEAD;
    }
}

/// Asks for the line of memory in which something begins, without waiting for it.
#[inline(always)]
fn touch<T>(it: &T) {
    prefetch_index(slice::from_ref(it), 0);
}

/// Where the account is found, and the order that is named.
#[inline]
fn touch_names(next: &mut Next<'_>, state: &State) {
    if let Some(place) = state.account_index.peek(next.account) {
        touch(place);
    }
    if let Some(order) = next.slot().and_then(|slot| state.orders.peek(slot)) {
        touch(order);
    }
}

/// The account's record, the levels, and the orders next to the one that is named.
#[inline]
fn touch_records(next: &mut Next<'_>, state: &State) {
    if next.body.is_empty() {
        return;
    }
    next.dense = state.account_index.get(next.account);
    if let Some(account) = next.account(state) {
        touch_record(account);
    }
    let first = next.number(0);
    next.place = match next.slot() {
        Some(slot) => state.orders.peek(slot).map(|order| {
            state.orders.peek_around(order).for_each(touch);
            (order.market(), order.side(), order.price())
        }),
        None => {
            let side = if first >> 32 & 1 == 0 { Side::Bid } else { Side::Ask };
            (next.kind == PlaceOrder::KIND).then(|| (first as u32, side, next.number(8) as i64))
        }
    };
    let (Some(market), Some((_, side, price))) = (next.market(state), next.place) else { return };
    let levels = [(side, Some(price)), (side, next.wanted()), (side.opposite(), next.meets(market))];
    levels.into_iter().filter_map(|(side, price)| market.book.peek_level(side, price?)).for_each(touch);
}

/// The owner, the position, the account's orders, whom it queues behind, and whom it meets first.
#[inline]
fn touch_places(next: &mut Next<'_>, state: &State) {
    let Some(account) = next.account(state) else { return };
    if let Some(owner) = state.owners.get(account.owner as usize) {
        touch(&owner.liquidity);
    }
    next.evaluated = next.kind == PlaceOrder::KIND && is_unknown(state, account);
    if next.evaluated {
        touch_holdings(state, account);
    }
    let (Some(market), Some((id, side, _))) = (next.market(state), next.place) else { return };
    if let Some(position) = account.peek_position(id) {
        touch(position);
        touch(&position.seen_round);
    }
    let Some(wanted) = next.wanted() else { return };
    let last = market.book.peek_level(side, wanted).map(|level| level.ends()[1]);
    next.met = next.meets(market).and_then(|price| market.book.peek_level(side.opposite(), price)).map(|level| level.ends()[0]);
    [Some(account.orders), last, next.met].into_iter().flatten().filter_map(|slot| state.orders.peek(slot)).for_each(touch);
}

/// What is open there, what getting out costs the owner, and the account that it meets first.
#[inline]
fn touch_margin(next: &mut Next<'_>, state: &State) {
    let Some(account) = next.account(state) else { return };
    if next.evaluated {
        touch_all_open(account);
    }
    if next.wanted().is_some() {
        touch_rates(state, account);
    }
    // Nothing is remembered of a market in which it never had an order.
    let is_first = !touch_open(next, account) && next.kind == PlaceOrder::KIND;
    next.evaluated = is_first && !next.evaluated;
    if next.evaluated {
        touch_holdings(state, account);
    }
    next.maker = next.met.and_then(|slot| state.orders.peek(slot)).map(|order| order.account());
    if let Some(maker) = next.maker(state) {
        touch_record(maker);
    }
}

/// The position of whom it meets, and what is read to evaluate him.
#[inline]
fn touch_maker(next: &mut Next<'_>, state: &State) {
    if next.evaluated
        && let Some(account) = next.account(state)
    {
        touch_all_open(account);
    }
    let (Some(maker), Some((market, ..))) = (next.maker(state), next.place) else { return };
    if let Some(position) = maker.peek_position(market) {
        touch(position);
        touch(&position.seen_round);
    }
    if is_unknown(state, maker) {
        touch_holdings(state, maker);
    }
}

/// What is open there.
#[inline]
fn touch_makers_orders(next: &mut Next<'_>, state: &State) {
    if let Some(maker) = next.maker(state) {
        touch_open(next, maker);
        if is_unknown(state, maker) {
            touch_all_open(maker);
            touch_rates(state, maker);
        }
    }
}

/// What an account has, or had, open where a command is about; whether it has such a record.
#[inline]
fn touch_open(next: &Next<'_>, account: &Account) -> bool {
    let position = next.place.and_then(|(market, ..)| account.peek_position(market).filter(|p| p.market == market));
    position.and_then(|p| account.peek_open(p)).inspect(|open| touch_record_of(open)).is_some()
}

/// What an account has open anywhere; its positions are near.
fn touch_all_open(account: &Account) {
    account.positions.iter().filter(|p| p.has_orders()).filter_map(|p| account.peek_open(p)).for_each(touch_record_of);
}

fn touch_record_of(open: &OpenOrders) {
    touch(open);
    touch(&open.room);
}

/// Nobody knows what it has left.
fn is_unknown(state: &State, account: &Account) -> bool {
    account.cushion.era != state.lull.era()
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

/// The rates of an account's owner whose record is near, and how far they reach.
fn touch_rates(state: &State, account: &Account) {
    let Some(owner) = state.owners.get(account.owner as usize) else { return };
    for (rate, reach) in owner.peek_rates() {
        touch(rate);
        if let Some(reach) = reach {
            touch(reach);
        }
    }
}
