//! Trades of several legs and trades between accounts: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::{ConfigurePackages, ListBlockTerms};
use crate::units::{Lots, Nanos, Ticks};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One leg: signed lots (positive buys) and a price, 0 where none was stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Market.
    pub market: u32,
    /// Signed lots of one unit.
    pub lots: Lots,
    /// Ticks.
    pub price: Ticks,
}

/// An open block proposal. Ended ones leave the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Dense index of the proposer.
    pub proposer: u32,
    /// Dense index of the counterparty.
    pub counterparty: u32,
    /// Legs as the proposer trades them.
    pub legs: Vec<Leg>,
    /// When it was made.
    pub made_ns: Nanos,
    /// Open until then.
    pub expiry_ns: Nanos,
}

/// An open request for quotes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteRequest {
    /// Dense index of the requester.
    pub requester: u32,
    /// Legs of the package bought, without prices.
    pub legs: Vec<Leg>,
    /// 0 buy, 1 sell, 2 either.
    pub side: u8,
    /// When it was made.
    pub made_ns: Nanos,
    /// Open until then.
    pub expiry_ns: Nanos,
    /// Dense indexes of the accounts asked, ascending; empty for everybody.
    pub makers: Vec<u32>,
    /// Live quotes by number.
    pub quotes: BTreeMap<u64, Quote>,
}

/// A maker's live quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Dense index of the maker.
    pub maker: u32,
    /// Price of each leg at which the requester buys; empty for none.
    pub buy: Vec<Ticks>,
    /// At which it sells; empty for none.
    pub sell: Vec<Ticks>,
    /// Firm until then.
    pub expiry_ns: Nanos,
}

/// A leg that traded between two accounts and is not yet public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    /// Market.
    pub market: u32,
    /// Ticks.
    pub price: Ticks,
    /// Lots, positive.
    pub lots: Lots,
    /// When it traded.
    pub traded_ns: Nanos,
}

/// What runs out at a time: ordered by it, then by kind and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Due {
    /// A block proposal.
    Block(u64),
    /// A request for quotes.
    Request(u64),
    /// A quote of a request.
    Quote(u64, u64),
    /// A trade becomes public.
    Publication(u64),
}

/// How many offers an account has open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Blocks it proposed.
    pub proposed: u32,
    /// Blocks that wait for its answer.
    pub waiting: u32,
    /// Requests for quotes.
    pub requests: u32,
    /// Quotes it gave.
    pub quotes: u32,
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Packages {
    /// Venue terms.
    pub terms: Option<ConfigurePackages>,
    /// Block terms by market.
    pub block_terms: BTreeMap<u32, ListBlockTerms>,
    /// Last package, block, request or quote: one count, so that a number says which.
    pub last_number: u64,
    /// Open block proposals by number.
    pub blocks: BTreeMap<u64, Block>,
    /// Open requests by number.
    pub requests: BTreeMap<u64, QuoteRequest>,
    /// By underlying: offers made until then ended with a corporate action, whose terms they did not know.
    pub void_until: BTreeMap<u32, Nanos>,
    /// Open offers by dense account; accounts without any are absent.
    pub open: BTreeMap<u32, Open>,
    /// Trades not yet public, by trade number.
    pub unpublished: BTreeMap<u64, Unpublished>,
    /// What runs out when.
    pub due: BTreeSet<(Nanos, Due)>,
    /// Paid per trade, micro-dollars at face.
    pub compensated: BTreeMap<u64, i64>,
    /// Day (since 1970 UTC) of the last payment, and what was paid on it.
    pub compensated_day: (i64, i64),
}
