//! The supply invariant, per token: settled backing + bought unsettled - sold unsettled + shortage = tokens x multiplier, rounded
//! up, + surplus.
//!
//! Responsible for: every term, as the running venue tells it. Never repairs anything.

use super::shares_up;
use crate::ledger::Party;
use crate::ledger::books::{Place, Unit};
use crate::state::State;
use crate::units::narrow;
use serde::Serialize;

/// A token's backing against its supply. Shares in 1e-9, tokens in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Supply {
    /// The token.
    pub token: u32,
    /// Settled behind it, at all brokers.
    pub settled: i64,
    /// Bought and not settled.
    pub bought: i64,
    /// Sold and not settled.
    pub sold: i64,
    /// The treasury's debt to it.
    pub shortage: i64,
    /// What holders are entitled to.
    pub required: i64,
    /// What rounding left.
    pub surplus: i64,
    /// Left minus right side: zero, always.
    pub difference: i64,
    /// Tokens in existence.
    pub issued: i64,
    /// Of those, in the vault.
    pub inside: i64,
    /// And outside the venue.
    pub outside: i64,
    /// House shares, apart from all that.
    pub house: i64,
    /// Tokens that may not leave yet.
    pub locked: i64,
}

/// A token's supply; `None` for one without issuance terms.
#[must_use]
pub fn supply(state: &State, token: u32) -> Option<Supply> {
    let issuance = state.clearing.tokens.get(&token)?;
    let (books, unit) = (&state.clearing.books, Unit::Shares(token));
    let settled = books.sum(unit, |p| matches!(p, Place::Broker(_)));
    let bought = books.sum(unit, |p| matches!(p, Place::FromBroker(_)));
    let sold = books.sum(unit, |p| matches!(p, Place::ToBroker(_)));
    let (shortage, surplus) = (books.at(unit, Place::Shortage), books.at(unit, Place::Surplus));
    // From the tokens themselves, not from the books' own entitlement.
    let required = shares_up(state.known_asset(token), i128::from(issuance.issued)) as i64;
    let inside = state.ledger.venue(Party::Custody, token);
    let wide = i128::from;
    Some(Supply {
        token,
        settled,
        bought,
        sold,
        shortage,
        required,
        surplus,
        difference: narrow(wide(settled) + wide(bought) - wide(sold) + wide(shortage) - wide(required) - wide(surplus)).unwrap_or(i64::MAX),
        issued: issuance.issued,
        inside,
        outside: issuance.issued - inside,
        house: books.at(unit, Place::House),
        locked: state.clearing.locked_in_all(token),
    })
}
