//! Roles, proposals, eligibility, freezes, limits and releases: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::{ConfigureEligibility, ListHolderClass};
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an eligibility rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Subject {
    /// Holding an asset.
    Asset = 0,
    /// Opening positions in a market.
    Market = 1,
}

/// When a class is admitted to a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Whether the rule admits or excludes.
    pub admits: bool,
    /// From this time.
    pub from_ns: Nanos,
    /// Before this time; 0 without end.
    pub until_ns: Nanos,
}

/// What the venue knows of an owner: a class and dates, never a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Holder class; 0 before it was classified.
    pub class: u32,
    /// The classification ends at this time.
    pub expires_ns: Nanos,
    /// Salted id; the name lives in an erasable store outside.
    pub salted_id: Vec<u8>,
    /// Full freeze: no trade, no transfer, no withdrawal; margin goes on.
    pub frozen: bool,
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Governance {
    /// Which tokens are closed to whom by default.
    pub eligibility: Option<ConfigureEligibility>,
    /// Holder classes by id.
    pub classes: BTreeMap<u32, ListHolderClass>,
    /// Rules by subject, its id and class.
    pub admissions: BTreeMap<(Subject, u32, u32), Admission>,
    /// Counts changes of classes and rules: each decision names the version it was made under.
    pub rules_version: u32,
    /// By owner id.
    pub holders: BTreeMap<u32, Holder>,
}
