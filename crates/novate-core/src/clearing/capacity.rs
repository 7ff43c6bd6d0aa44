//! How much can be issued and redeemed now: the smallest of primary depth, prefunded money, inventory and limits.
//!
//! Responsible for: the figure, the term that binds, and telling when it changes. Never chooses for a request (`routing` does).

use super::gates::{self, Opening};
use crate::context::Context;
use crate::event::CapacityChanged;
use crate::ledger::Party;
use crate::ledger::books::{Place, Unit};
use crate::state::State;
use crate::state::clearing::RequestKind;
use crate::units::narrow;

/// What bounds a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CapacityTerm {
    /// The channel is closed, or a gate is shut.
    Closed = 0,
    /// The primary market's best prices.
    Depth = 1,
    /// Dollars prefunded at the broker.
    Cash = 2,
    /// Settled shares at the broker.
    Shares = 3,
    /// The broker's custody limit.
    Custody = 4,
    /// The broker's largest order.
    Order = 5,
    /// The token's limit of the window.
    Limit = 6,
    /// House inventory.
    Inventory = 7,
    /// No broker can be reached.
    Broker = 8,
}

/// Whether orders may go to a broker.
#[must_use]
pub fn reachable(state: &State, broker: u32) -> bool {
    state.clearing.brokers.get(&broker).is_some_and(|b| b.enabled && b.connected && b.frozen_until_ns <= state.now)
}

/// Prefunded dollars that no purchase or order claims.
#[must_use]
pub fn free_dollars(state: &State, broker: u32) -> i64 {
    let (books, listed) = (&state.clearing.books, &state.clearing.brokers[&broker]);
    books.at(Unit::Dollars, Place::Broker(broker)) - books.at(Unit::Dollars, Place::ToBroker(broker)) - listed.committed
}

/// Settled shares behind a token that no sale or order claims.
#[must_use]
pub fn free_shares(state: &State, token: u32, broker: u32) -> i64 {
    let books = &state.clearing.books;
    let committed = state.clearing.brokers[&broker].committed_shares.get(&token).copied().unwrap_or(0);
    books.at(Unit::Shares(token), Place::Broker(broker)) - books.at(Unit::Shares(token), Place::ToBroker(broker)) - committed
}

/// House shares that no sale claims.
#[must_use]
pub fn free_inventory(state: &State, token: u32, broker: u32) -> i64 {
    let books = &state.clearing.books;
    books.at(Unit::Shares(token), Place::HouseAt(broker)) - books.at(Unit::Shares(token), Place::HouseTo(broker))
}

fn value(state: &State, token: u32, shares: i64) -> i64 {
    let underlying = state.known_underlying(state.known_asset(token).terms.underlying);
    narrow(underlying.value_down(i128::from(shares), underlying.price.index())).unwrap_or(i64::MAX)
}

/// Dollars of posted depth that are not used; none when it is too old.
#[must_use]
pub fn depth(state: &State, underlying: u32, buys: bool) -> i64 {
    let fresh = |d: &&crate::state::clearing::Depth| state.now - d.time_ns <= state.clearing.config().depth_age_ns;
    state.clearing.depth.get(&underlying).filter(fresh).map_or(0, |d| d.dollars[usize::from(!buys)])
}

/// Room under a broker's custody limit: shares it holds or is to deliver, at the index, and cash.
fn custody_room(state: &State, broker: u32) -> i64 {
    let books = &state.clearing.books;
    let held = |&token: &u32| {
        let at = [Place::Broker(broker), Place::FromBroker(broker), Place::HouseAt(broker)];
        i128::from(value(state, token, at.iter().map(|&p| books.at(Unit::Shares(token), p)).sum()))
    };
    let shares: i128 = state.clearing.tokens.keys().map(held).sum();
    narrow(i128::from(state.clearing.brokers[&broker].terms.custody_limit) - shares).unwrap_or(0).max(0)
}

/// What one broker can take of a token, micro-dollars, and the term that binds; the first of equal ones.
#[must_use]
pub fn at_broker(state: &State, token: u32, buys: bool, broker: u32) -> (i64, CapacityTerm) {
    if !reachable(state, broker) {
        return (0, CapacityTerm::Broker);
    }
    let underlying = state.known_asset(token).terms.underlying;
    let order = (state.clearing.brokers[&broker].terms.order_limit, CapacityTerm::Order);
    let depth = (depth(state, underlying, buys), CapacityTerm::Depth);
    let money = if buys {
        [(free_dollars(state, broker), CapacityTerm::Cash), (custody_room(state, broker), CapacityTerm::Custody)]
    } else {
        [(value(state, token, free_shares(state, token, broker).max(0)), CapacityTerm::Shares), (i64::MAX, CapacityTerm::Shares)]
    };
    let all = [depth, money[0], money[1], order];
    all.into_iter().fold((i64::MAX, CapacityTerm::Order), |least, term| if term.0 < least.0 { term } else { least })
}

/// The broker that can take most (the lowest id of equal ones), how much, and the term that binds.
#[must_use]
pub fn best(state: &State, token: u32, buys: bool) -> (u32, i64, CapacityTerm) {
    let mut found = (0, 0, CapacityTerm::Broker);
    for &broker in state.clearing.brokers.keys() {
        let (dollars, term) = at_broker(state, token, buys, broker);
        if dollars > found.1 {
            found = (broker, dollars, term);
        } else if found.0 == 0 {
            found.2 = term;
        }
    }
    found
}

/// What house inventory could serve at the index: shares for an issuance, the treasury's free cash for a redemption.
fn inventory(state: &State, token: u32, mints: bool) -> i64 {
    if mints {
        let most = state.clearing.brokers.keys().map(|&b| free_inventory(state, token, b)).max().unwrap_or(0);
        return value(state, token, most.max(0));
    }
    let cash = state.clearing.tokens.get(&token).map_or(0, |t| t.terms.cash);
    narrow(state.known_asset(cash).face(i128::from(free_treasury(state, cash).max(0)))).unwrap_or(0)
}

/// Stablecoins of the treasury that no redemption is due.
#[must_use]
pub fn free_treasury(state: &State, cash: u32) -> i64 {
    state.ledger.venue(Party::Treasury, cash) + state.ledger.venue(Party::Redemptions, cash)
}

/// What can be issued or redeemed at once, and the term that binds.
#[must_use]
pub fn now(state: &State, token: u32, mints: bool) -> (i64, CapacityTerm) {
    let kind = if mints { RequestKind::Mint } else { RequestKind::Redeem };
    if gates::open(state, token, kind) != Ok(Opening::Now) {
        return (0, CapacityTerm::Closed);
    }
    let (_, dollars, term) = best(state, token, mints);
    let house = inventory(state, token, mints);
    let (dollars, term) = if house > dollars { (house, CapacityTerm::Inventory) } else { (dollars, term) };
    let room = gates::token_room(state, token, mints);
    let most = state.clearing.tokens.get(&token).map_or(0, |t| t.terms.request_max);
    if room.min(most) < dollars { (room.min(most), CapacityTerm::Limit) } else { (dollars, term) }
}

/// Tells every capacity that changed since it was last told.
pub fn publish(cx: &mut Context<'_>) {
    let tokens: Vec<u32> = cx.state.clearing.tokens.keys().copied().collect();
    for token in tokens {
        for direction in 0..2_usize {
            let (dollars, term) = now(cx.state, token, direction == 0);
            let Some(issuance) = cx.state.clearing.tokens.get_mut(&token) else { continue };
            if issuance.published[direction] != (dollars, term as u8) {
                issuance.published[direction] = (dollars, term as u8);
                cx.tell(&CapacityChanged { token, direction: direction as u8, dollars, binding: term as u8 });
            }
        }
    }
}
