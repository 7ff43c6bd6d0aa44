//! Backstop, insurance, auto-deleveraging, loss sharing and recovery: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::ConfigureLiquidation;
use crate::units::{Nanos, PPM};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Liquidation {
    /// Parameters of stages 4 to 8.
    pub terms: Option<ConfigureLiquidation>,
    /// Accounts that are black and not exhausted, by dense index. While one is, perp gains can't leave.
    pub black: BTreeSet<u32>,
    /// Rounds of the sweep over all accounts that were through without meeting a black one.
    pub calm_rounds: u64,
    /// Accounts of the present round that the sweep has seen since one was black.
    pub calm_seen: u32,
    /// Backstop tranches, by dense account index.
    pub tranches: BTreeMap<u32, Tranche>,
    /// Running auctions, by the dense index of the account whose legs are offered.
    pub auctions: BTreeMap<u32, Auction>,
    /// Last auction id.
    pub last_auction: u64,
    /// What insurance paid for an owner today, by dense owner index.
    pub draws: BTreeMap<u32, Draw>,
    /// The insurance target of each bucket.
    pub cover: BTreeMap<u32, Cover>,
    /// Next owner of the sweep that finds the targets.
    pub cover_cursor: u32,
    /// Openings of each underlying's regular session so far.
    pub opens: BTreeMap<u32, u32>,
    /// Collateral that passed to recovery, by token.
    pub recovery: BTreeMap<u32, Recovered>,
}

impl Liquidation {
    /// The parameters; listings refuse without them.
    ///
    /// # Panics
    /// Before `ConfigureLiquidation`.
    #[must_use]
    pub fn terms(&self) -> &ConfigureLiquidation {
        self.terms.as_ref().expect("listed things exist only after ConfigureLiquidation")
    }

    /// What open-interest caps of a bucket are multiplied by while its insurance is below its target.
    #[must_use]
    pub fn open_interest_ppm(&self, bucket: u32) -> i64 {
        self.cover.get(&bucket).map_or(PPM, |c| c.open_interest_ppm)
    }
}

/// A backstop provider's isolated account: its commitment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tranche {
    /// From this discount on it takes slices by itself.
    pub discount_ppm: i64,
    /// Notional it takes from one auction at most, micro-dollars.
    pub notional: i64,
    /// What it may lose, micro-dollars.
    pub loss_limit: i64,
    /// Net value when it was committed, micro-dollars.
    pub equity: i64,
    /// When its notice has passed; 0 without notice.
    pub release_ns: Nanos,
    /// It has lost its limit.
    pub exhausted: bool,
}

/// A Dutch auction of an account's legs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auction {
    /// Its id.
    pub id: u64,
    /// When it began.
    pub start_ns: Nanos,
    /// When it ends without a taker.
    pub end_ns: Nanos,
    /// The fast part's length; four times as long while closed, like the rest.
    pub fast_ns: Nanos,
    /// How many times slower the discount grows than in a session.
    pub slowed: u32,
    /// Part of the legs that was sold, ppm of what was there at the start, rounded down.
    pub sold_ppm: i64,
    /// Notional taken so far by each tranche, micro-dollars.
    pub taken: BTreeMap<u32, i64>,
}

/// What insurance paid for an owner in one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Days since 1970 UTC.
    pub day: i64,
    /// Micro-dollars.
    pub amount: i64,
}

/// The cover-2 target of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// Micro-dollars, of the last complete sweep.
    pub target: i64,
    /// Insurance and operator's tranche at that sweep, micro-dollars.
    pub balance: i64,
    /// Factor of open-interest caps.
    pub open_interest_ppm: i64,
    /// The two largest shortfalls of the running sweep: micro-dollars, owner id.
    pub largest: [(i64, u32); 2],
    /// Those of the last complete sweep.
    pub named: [(i64, u32); 2],
}

impl Default for Cover {
    fn default() -> Self {
        Self { target: 0, balance: 0, open_interest_ppm: PPM, largest: [(0, 0); 2], named: [(0, 0); 2] }
    }
}

/// Who holds recovery units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecoveryHolder {
    /// Insurance of a bucket.
    Insurance(u32),
    /// A lending pool's reserve.
    Pool(u32),
}

/// Collateral of one token that no stage could sell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// Recovery units by holder: micro-dollars of loss each took for it.
    pub units: BTreeMap<RecoveryHolder, i64>,
}
