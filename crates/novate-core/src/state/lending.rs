//! Pools, curves, committed lines, stock loans and cash calls: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::ConfigureLending;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a pool is doing, beside its books in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// Since when utilisation has been above the venue's limit; 0 while it is not.
    pub above_since_ns: Nanos,
    /// No new loans: above the limit for too long.
    pub closed: bool,
    /// The rate last told.
    pub told_rate_ppm: i64,
    /// The borrow index at the last settlement's start: unsettled debts bear what it grew.
    pub settled_index: i64,
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lending {
    /// Venue parameters.
    pub terms: Option<ConfigureLending>,
    /// By asset.
    pub pools: BTreeMap<u32, PoolState>,
    /// Last minute since 1970 whose interest is in the indexes; 0 before the first.
    pub minute: i64,
}

impl Lending {
    /// Whether a pool takes no new loans.
    #[must_use]
    pub fn closed(&self, asset: u32) -> bool {
        self.pools.get(&asset).is_some_and(|p| p.closed)
    }
}
