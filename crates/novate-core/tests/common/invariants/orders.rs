//! Orders that wait, timers, phases: what is true of them after every command.

use novate_core::order::{EXPIRES, Side, Stage};
use novate_core::phase::Phase;
use novate_core::state::State;
use novate_core::state::trading::{Pending, Timer, WAITING};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Checks them all.
pub fn hold(state: &State) {
    waiting(state);
    timers(state);
    owners(state);
    for market in state.markets.iter().flatten() {
        let open = market.phase.phase == Phase::Open;
        assert!(!open || market.phase.until_ns == 0, "an open market waits for no timer");
        assert!(market.book.len() <= state.trading.terms.as_ref().map_or(u32::MAX, |t| t.orders_per_book), "a book has room");
    }
}

/// Every index of the waiting orders says the same.
fn waiting(state: &State) {
    let t = &state.trading;
    let (mut rising, mut falling, mut by_account) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut counts = vec![0_u32; state.accounts.len()];
    for (&id, waiting) in &t.waiting {
        assert!(id & WAITING != 0 && state.orders.get(id).is_none(), "ids of waiting orders are their own");
        by_account.insert((waiting.account, id));
        counts[waiting.account as usize] += 1;
        match waiting.pending {
            Pending::Trigger(trigger) if trigger.rises => rising.insert((trigger.market, trigger.price, id)),
            Pending::Trigger(trigger) => falling.insert((trigger.market, Reverse(trigger.price), id)),
            Pending::Twap(twap) => {
                assert!(twap.filled < twap.lots && twap.sent < twap.slices, "a finished parent is gone");
                t.timers.contains(&(twap.next_ns, Timer::Slice(id)))
            }
        };
        assert!(state.accounts[waiting.account as usize].liquidation.is_none(), "nothing waits in a liquidation");
    }
    assert_eq!((&rising, &falling, &by_account), (&t.rising, &t.falling, &t.by_account), "indexes of waiting orders");
    for (account, count) in state.accounts.iter().zip(counts) {
        assert_eq!(account.waiting, count, "waiting orders of {}", account.id);
    }
}

/// A timer for every expiry, switch and parent, and no other.
fn timers(state: &State) {
    let t = &state.trading;
    let mut expected: BTreeSet<(i64, Timer)> = t.expiries.iter().map(|(&id, &at)| (at, Timer::Expiry(id))).collect();
    expected.extend(t.silences.iter().map(|(&account, &at)| (at, Timer::Silence(account))));
    for (&id, waiting) in &t.waiting {
        if let Pending::Twap(twap) = waiting.pending {
            expected.insert((twap.next_ns, Timer::Slice(id)));
        }
    }
    assert_eq!(expected, t.timers, "timers");
    for account in &state.accounts {
        for slot in state.orders.of_account(account.orders) {
            let (order, id) = (state.orders.order(slot), state.orders.id(slot));
            assert_eq!(order.flags() & EXPIRES != 0, t.expiries.contains_key(&id), "an order with an end has a timer");
        }
    }
    for id in t.expiries.keys() {
        assert!(t.waiting.contains_key(id) || state.orders.get(*id).is_some(), "an ended order has no timer");
    }
}

/// No owner could trade with himself: not in a continuous book, which is uncrossed, nor in an auction.
fn owners(state: &State) {
    for market in state.markets.iter().flatten().filter(|m| m.terms.self_trade == 0) {
        for owner in &state.owners {
            let (mut bid, mut ask) = (i64::MIN, i64::MAX);
            for &account in &owner.accounts {
                for slot in state.orders.of_account(state.accounts[account as usize].orders) {
                    let order = state.orders.order(slot);
                    if order.market() == market.terms.market && order.stage() == Stage::Resting {
                        match order.side() {
                            Side::Bid => bid = bid.max(order.price()),
                            Side::Ask => ask = ask.min(order.price()),
                        }
                    }
                }
            }
            assert!(bid < ask, "owner {} would trade with himself in {}: {bid} {ask}", owner.id, market.terms.market);
        }
    }
}
