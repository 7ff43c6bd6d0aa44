//! Orders that wait outside the books: triggers, parent orders, and the dead-man switches of accounts.
//!
//! Responsible for: taking them in and out, with every index in step, and telling their end. They reserve nothing and are
//! not margined. Never sends an order: `schedule` does when their time or their mark has come.

use crate::command::ConfigureOrders;
use crate::context::Context;
use crate::event::{CancelReason, WaitingEnded};
use crate::matching::end_client;
use crate::state::State;
use crate::state::trading::{Pending, Timer, WAITING, Waiting};
use crate::units::{Lots, Nanos};
use std::cmp::Reverse;

/// Parameters of orders.
///
/// # Panics
/// Before `ConfigureOrders`; every listing refuses without it, so no market can exist before.
#[must_use]
pub fn terms(state: &State) -> &ConfigureOrders {
    state.trading.terms.as_ref().expect("listed things exist only after ConfigureOrders")
}

/// Takes a waiting order in and gives it its id.
pub fn add(state: &mut State, account: u32, pending: Pending, expires_ns: Nanos) -> u64 {
    let trading = &mut state.trading;
    trading.last_waiting += 1;
    let id = WAITING | trading.last_waiting;
    match &pending {
        Pending::Trigger(t) if t.rises => {
            trading.rising.insert((t.market, t.price, id));
        }
        Pending::Trigger(t) => {
            trading.falling.insert((t.market, Reverse(t.price), id));
        }
        Pending::Twap(t) => {
            trading.timers.insert((t.next_ns, Timer::Slice(id)));
        }
    }
    if expires_ns != 0 {
        trading.expires(id, expires_ns);
    }
    trading.waiting.insert(id, Waiting { account, pending });
    trading.by_account.insert((account, id));
    state.accounts[account as usize].waiting += 1;
    id
}

/// Takes a waiting order out of every index; its client id stays as it is.
pub fn take(state: &mut State, id: u64) -> Option<Waiting> {
    let trading = &mut state.trading;
    let gone = trading.waiting.remove(&id)?;
    match &gone.pending {
        Pending::Trigger(t) if t.rises => trading.rising.remove(&(t.market, t.price, id)),
        Pending::Trigger(t) => trading.falling.remove(&(t.market, Reverse(t.price), id)),
        Pending::Twap(t) => trading.timers.remove(&(t.next_ns, Timer::Slice(id))),
    };
    trading.expires_no_more(id);
    trading.by_account.remove(&(gone.account, id));
    state.accounts[gone.account as usize].waiting -= 1;
    Some(gone)
}

/// Moves a parent order to its next slice.
pub fn reschedule(state: &mut State, id: u64, change: impl FnOnce(&mut crate::state::trading::Twap)) {
    let trading = &mut state.trading;
    if let Some(Waiting { pending: Pending::Twap(twap), .. }) = trading.waiting.get_mut(&id) {
        trading.timers.remove(&(twap.next_ns, Timer::Slice(id)));
        change(twap);
        trading.timers.insert((twap.next_ns, Timer::Slice(id)));
    }
}

/// Ends a waiting order: its client id joins the remembered ones.
pub fn end(cx: &mut Context<'_>, id: u64, reason: CancelReason) {
    let Some(gone) = take(cx.state, id) else { return };
    end_client(cx.state, gone.account, id);
    let (market, side, lots): (u32, u8, Lots) = match gone.pending {
        Pending::Trigger(t) => (t.terms.market, t.terms.side, t.terms.lots),
        Pending::Twap(t) => (t.market, t.side as u8, t.lots - t.filled),
    };
    cx.tell_account(gone.account, &WaitingEnded { order: id, market, side, reason: reason as u8, reserved0: 0, lots });
}

/// Ends the waiting orders of an account in the chosen markets; returns how many.
pub fn end_where(cx: &mut Context<'_>, account: u32, reason: CancelReason, chosen: impl Fn(u32) -> bool) -> u32 {
    if cx.state.accounts[account as usize].waiting == 0 {
        return 0;
    }
    let trading = &cx.state.trading;
    let market = |id: &u64| match trading.waiting[id].pending {
        Pending::Trigger(t) => t.terms.market,
        Pending::Twap(t) => t.market,
    };
    let ids: Vec<u64> = trading.by_account.range((account, 0)..=(account, u64::MAX)).map(|e| e.1).filter(|id| chosen(market(id))).collect();
    ids.iter().for_each(|&id| end(cx, id, reason));
    ids.len() as u32
}

/// Arms the account's dead-man switch for `due_ns`, or turns it off with 0.
pub fn set_silence(state: &mut State, account: u32, due_ns: Nanos) {
    let trading = &mut state.trading;
    if let Some(before) = trading.silences.remove(&account) {
        trading.timers.remove(&(before, Timer::Silence(account)));
    }
    if due_ns != 0 {
        trading.silences.insert(account, due_ns);
        trading.timers.insert((due_ns, Timer::Silence(account)));
    }
}
