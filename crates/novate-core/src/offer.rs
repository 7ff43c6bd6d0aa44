//! Offers: the one life of block proposals, requests for quotes, and quotes.
//!
//! Responsible for: the table of states, numbers, expiry, and how many an account has open. Never trades.

use crate::context::Context;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::packages::{Due, Leg, Open};
use crate::units::Nanos;

/// Where an offer is. Only open ones are kept; the others are told in the event that ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OfferState {
    /// Waits for consent.
    Open = 0,
    /// Both sides consented and it traded.
    Traded = 1,
    /// The counterparty refused.
    Declined = 2,
    /// The one who made it took it back.
    Withdrawn = 3,
    /// Its time ran out.
    Expired = 4,
    /// Its maker quoted anew.
    Replaced = 5,
    /// It could not trade any more: its request ended, or its maker could not take the trade.
    Lapsed = 6,
}

/// What happens to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferEvent {
    /// Consent, with the trade in the same command.
    Accept,
    /// Dissent.
    Decline,
    /// Taken back.
    Withdraw,
    /// Time.
    Expire,
    /// A newer quote of the same maker.
    Replace,
    /// Nothing to trade on any more.
    Lapse,
}

/// The table: the state after an event, or `None` where the event has no meaning. Whatever ended stays ended: there is no
/// way back, and no event of the maker between consent and trade (no last look).
#[must_use]
pub const fn next(state: OfferState, event: OfferEvent) -> Option<OfferState> {
    match (state, event) {
        (OfferState::Open, OfferEvent::Accept) => Some(OfferState::Traded),
        (OfferState::Open, OfferEvent::Decline) => Some(OfferState::Declined),
        (OfferState::Open, OfferEvent::Withdraw) => Some(OfferState::Withdrawn),
        (OfferState::Open, OfferEvent::Expire) => Some(OfferState::Expired),
        (OfferState::Open, OfferEvent::Replace) => Some(OfferState::Replaced),
        (OfferState::Open, OfferEvent::Lapse) => Some(OfferState::Lapsed),
        _ => None,
    }
}

/// How an open offer ends.
///
/// # Panics
/// Never: the table has a state for every event of an open offer.
#[must_use]
pub const fn ended(event: OfferEvent) -> u8 {
    match next(OfferState::Open, event) {
        Some(state) => state as u8,
        None => unreachable!(),
    }
}

/// The next number. Packages, blocks, requests and quotes share one count.
pub fn number(state: &mut State) -> u64 {
    state.packages.last_number += 1;
    state.packages.last_number
}

/// After now, and within the listed longest life.
///
/// # Errors
/// `expiry_must_be_ahead_and_near`.
pub fn check_expiry(state: &State, expiry_ns: Nanos, field: u16) -> Result<(), Refusal> {
    let longest = state.packages.terms.as_ref().map_or(0, |t| t.longest_life_ns);
    let latest = state.now.saturating_add(longest);
    require(expiry_ns > state.now && expiry_ns <= latest, Reject::expiry_must_be_ahead_and_near.at(field, expiry_ns, latest))
}

/// Whether a corporate action in a leg's underlying took effect since the offer was made: it can't trade any more, and leaves
/// with its expiry.
#[must_use]
pub fn is_void(state: &State, legs: &[Leg], made_ns: Nanos) -> bool {
    let until = |l: &Leg| state.packages.void_until.get(&state.known_market(l.market).terms.underlying);
    legs.iter().any(|l| until(l).is_some_and(|&until| made_ns <= until))
}

/// How many offers an account has open.
#[must_use]
pub fn open(state: &State, account: u32) -> Open {
    state.packages.open.get(&account).copied().unwrap_or_default()
}

/// Refuses one more than the listed number.
///
/// # Errors
/// `open_offers_must_be_below_limit`.
pub fn check_room(count: u32, most: u32) -> Result<(), Refusal> {
    require(count < most, Reject::open_offers_must_be_below_limit.at(0, i64::from(count), i64::from(most)))
}

/// Changes an account's counts; an account without open offers leaves the list.
pub fn count(state: &mut State, account: u32, change: impl FnOnce(&mut Open)) {
    let open = state.packages.open.entry(account).or_default();
    change(open);
    if *open == Open::default() {
        state.packages.open.remove(&account);
    }
}

/// Takes out the next thing that is due, if any.
pub fn pop_due(cx: &mut Context<'_>) -> Option<Due> {
    let &(at, due) = cx.state.packages.due.first()?;
    if at > cx.state.now {
        return None;
    }
    cx.state.packages.due.remove(&(at, due));
    Some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_offer_ends_once_and_for_good() {
        use OfferEvent::{Accept, Decline, Expire, Lapse, Replace, Withdraw};
        for event in [Accept, Decline, Withdraw, Expire, Replace, Lapse] {
            let state = next(OfferState::Open, event).expect("an open offer can end");
            assert!(state != OfferState::Open);
            for later in [Accept, Decline, Withdraw, Expire, Replace, Lapse] {
                assert_eq!(next(state, later), None, "{state:?} {later:?}");
            }
        }
    }
}
