//! Touches the memory of the commands that come next, so that it is near when their turn comes.
//!
//! Responsible for: reading, a few commands ahead of the engine and each step without waiting for the one before, an account's place
//! in the index, its record, the position or the order that its command names. Never decides or changes anything; a venue whose
//! accounts fit the cache is left alone.

use crate::codec::{Body, HEADER, Header};
use crate::command::{AmendOrder, CancelOrder, PlaceOrder};
use crate::state::State;
use std::hint::black_box;

/// Commands between one step and the next.
const STEP: usize = 4;
/// Steps of a command.
const STEPS: usize = 4;
/// Accounts from which looking ahead pays.
const ACCOUNTS: usize = 4_096;

/// A command on its way.
#[derive(Clone, Copy, Default)]
struct Next {
    account: u64,
    dense: u32,
    kind: u16,
    /// The market of an order, or the slot of the order that is named.
    names: u32,
}

/// The commands of a buffer that were looked at and not yet applied.
pub struct Lookahead<'a> {
    rest: &'a [u8],
    ring: [Next; STEP * STEPS],
    read: usize,
}

impl<'a> Lookahead<'a> {
    /// Over a buffer of whole messages; `None` where it would not pay.
    #[must_use]
    pub fn over(input: &'a [u8], state: &State) -> Option<Self> {
        (state.accounts.len() >= ACCOUNTS).then(|| {
            let mut ahead = Self { rest: input, ring: [Next::default(); STEP * STEPS], read: 0 };
            (0..STEP * STEPS).for_each(|_| ahead.step(state));
            ahead
        })
    }

    /// One command further.
    pub fn step(&mut self, state: &State) {
        let [read, found, near, nearest] = [0, 1, 2, 3].map(|step| (self.read + STEP * (STEPS - step)) % (STEP * STEPS));
        self.ring[read] = self.read_one();
        self.ring[found].dense = state.account_index.get(&self.ring[found].account).copied().unwrap_or(u32::MAX);
        touch_account(state, &self.ring[near]);
        touch_named(state, &self.ring[nearest]);
        self.read += 1;
    }

    fn read_one(&mut self) -> Next {
        let Some(header) = Header::read(self.rest) else { return Next::default() };
        let (message, rest) = self.rest.split_at(header.length as usize);
        self.rest = rest;
        // All three name it first.
        let names = message.get(HEADER..HEADER + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        Next { account: header.account, dense: u32::MAX, kind: header.kind, names }
    }
}

fn touch_account(state: &State, next: &Next) {
    if let Some(account) = state.accounts.get(next.dense as usize) {
        black_box((account.event_sequence, account.cushion.left, account.order_count(), account.liquidation.is_some()));
    }
    if matches!(next.kind, CancelOrder::KIND | AmendOrder::KIND) {
        black_box(state.orders.market_in(next.names));
    }
}

fn touch_named(state: &State, next: &Next) {
    let Some(account) = state.accounts.get(next.dense as usize) else { return };
    let market = match next.kind {
        PlaceOrder::KIND => next.names,
        CancelOrder::KIND | AmendOrder::KIND => state.orders.market_in(next.names).unwrap_or(0),
        _ => return,
    };
    if let Some(position) = account.position(market) {
        black_box((position.lots, position.asks.extreme, position.booked, position.seen.round));
    }
}
