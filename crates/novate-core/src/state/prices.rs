//! Closed hours, reopening, halts, outages and cancelled prints: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::ConfigurePrices;
use crate::units::{Amount, Lots, Nanos, Price};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The venue was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Journal time of the last command before.
    pub from_ns: Nanos,
    /// When the venue ran again.
    pub to_ns: Nanos,
    /// Until then markets only cancel.
    pub cancel_only_until_ns: Nanos,
}

/// The settlement of a halted underlying's perps while it runs over several commands. Equal lots of a long and a short
/// are closed together, so that positions sum to zero after every command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltSettlement {
    /// The underlying.
    pub underlying: u32,
    /// What it is worth.
    pub price: Price,
    /// Its perps that are still to do; the last one is at hand.
    pub markets: Vec<u32>,
    /// Next account that may be long, and next that may be short, in the market at hand.
    pub long: u32,
    /// See `long`.
    pub short: u32,
    /// Accounts settled.
    pub accounts: u32,
    /// What the pairs so far closed and realised for the long and the short at hand: lots, quote units.
    pub told: [(Lots, i64); 2],
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Prices {
    /// Parameters.
    pub terms: Option<ConfigurePrices>,
    /// Time of the command before the present one.
    pub before_ns: Nanos,
    /// The last outage whose markets are not open again.
    pub outage: Option<Outage>,
    /// A closed market has an external price again: what its hours left open is settled at once.
    pub reopened: bool,
    /// Accounts below close-out at a drifted index, ascending.
    pub breached: BTreeSet<u32>,
    /// Running settlement of a halted underlying's perps.
    pub settling: Option<HaltSettlement>,
    /// Halted underlyings whose perps were settled by decision, and at what price; until the halt ends.
    pub settled: BTreeMap<u32, Price>,
    /// Units of a token, by asset and account, that a settled perp had matched: they keep their value in the halt.
    pub freed: BTreeMap<(u32, u32), Amount>,
}
