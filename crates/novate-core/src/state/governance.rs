//! Roles, proposals, eligibility, freezes, limits and releases: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::{ConfigureEligibility, ConfigureGovernance, ListFeeTier, ListHolderClass};
use crate::reject::{Refusal, Reject};
use crate::units::{Amount, Nanos};
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
    /// The owner's own rule of two people.
    pub policy: Policy,
    /// Address book: address to the time from which it may be used.
    pub addresses: BTreeMap<Vec<u8>, Nanos>,
    /// Outflow bucket: level in micro-dollars, and when it was last looked at.
    pub outflow: i64,
    /// Time of that level.
    pub outflow_ns: Nanos,
}

/// Which wishes of an owner take two of its own people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Withdrawals, transfers and addresses.
    pub withdrawals: bool,
    /// Keys, roles and limits, and the policy itself.
    pub keys: bool,
    /// Before a new address may be used.
    pub cooling_ns: Nanos,
}

/// What a person may do, at an account or at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Role {
    /// Places orders for an account.
    Trader = 0,
    /// Sees.
    Viewer = 1,
    /// Moves money, of an account or of the venue.
    Treasurer = 2,
    /// Watches the venue's risk.
    Risk = 3,
    /// Decides who may hold what.
    Compliance = 4,
    /// Runs the venue.
    Operator = 5,
    /// A process that brings facts: prices, sessions, chain, broker, time.
    Keeper = 6,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] = [Self::Trader, Self::Viewer, Self::Treasurer, Self::Risk, Self::Compliance, Self::Operator, Self::Keeper];

    /// The role of a number.
    ///
    /// # Errors
    /// `role_must_be_known`.
    pub fn of(number: u8) -> Result<Self, Refusal> {
        Self::ALL.get(usize::from(number)).copied().ok_or(Reject::role_must_be_known.at(2, i64::from(number), 6))
    }
}

/// A role of a key, with its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Account id; 0 for the venue.
    pub account: u64,
    /// The role.
    pub role: Role,
    /// Markets it is limited to; empty for all.
    pub markets: Vec<u32>,
    /// Most that one order may be worth, micro-dollars; 0 without limit.
    pub order_notional: i64,
    /// Most that a position may be worth, micro-dollars; 0 without limit.
    pub position_notional: i64,
    /// Ends at this time; 0 without end.
    pub expires_ns: Nanos,
}

/// A key: whose it is and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person; two keys of one person are one person.
    pub person: u64,
    /// The owner the person acts for; 0 for the venue's own people.
    pub owner: u32,
    /// Revoked for ever.
    pub revoked: bool,
    /// Roles, at most one grant per account and role.
    pub grants: Vec<Grant>,
    /// Highest request seen.
    pub nonce: u64,
    /// Which of the requests below it were seen, bit 0 the one before.
    pub nonces: u64,
}

/// Where a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Waits for a second person.
    Proposed,
    /// Two people agreed; the delay runs.
    Approved,
}

/// A command that waits for a second person and for its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it stands.
    pub stage: Stage,
    /// Account the command acts for; 0 for the venue.
    pub account: u64,
    /// Type of the command.
    pub kind: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// Why.
    pub reason: String,
    /// Key that proposed it.
    pub proposer: u64,
    /// Key that approved it; 0 before.
    pub approver: u64,
    /// Whether it waits the long delay.
    pub long: bool,
    /// Gone at this time without approval.
    pub expires_ns: Nanos,
    /// When it was approved.
    pub approved_ns: Nanos,
    /// Takes effect at this time; 0 while it counts opens.
    pub due_ns: Nanos,
    /// Takes effect with this open of the calendar's underlying; 0 when it goes by time.
    pub due_open: u32,
}

/// An emergency power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Power {
    /// A market takes only cancels.
    CancelOnly = 0,
    /// A market takes only orders that reduce a position or sell a token.
    ReduceOnly = 1,
    /// No withdrawal is taken.
    Withdrawals = 2,
    /// No issuance of a token.
    Issuance = 3,
    /// A lower venue cap of a token as unhedged collateral; what is admitted stays.
    CollateralCap = 4,
    /// A lower cap of a market's open interest, in lots.
    OpenInterest = 5,
    /// An owner is frozen.
    Freeze = 6,
}

impl Power {
    /// The power of a number.
    ///
    /// # Errors
    /// `power_must_be_known`.
    pub fn of(number: u8) -> Result<Self, Refusal> {
        let all = [Self::CancelOnly, Self::ReduceOnly, Self::Withdrawals, Self::Issuance, Self::CollateralCap, Self::OpenInterest, Self::Freeze];
        all.get(usize::from(number)).copied().ok_or(Reject::power_must_be_known.at(1, i64::from(number), 6))
    }
}

/// A restriction in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// The lower cap, for powers that lower one.
    pub limit: i64,
    /// Ends at this time; 0 until it is lifted.
    pub until_ns: Nanos,
}

/// What a cap is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum CapKind {
    /// An account's position in a market, lots.
    Account = 0,
    /// An obligor's positions in a market, lots, gross over its accounts on the order's side.
    Obligor = 1,
    /// A market's open interest, lots.
    OpenInterest = 2,
    /// Open interest of all perps of an underlying, micro-dollars at the index.
    Underlying = 3,
}

impl CapKind {
    /// The kind of a number.
    ///
    /// # Errors
    /// `cap_kind_must_be_known`.
    pub fn of(number: u8) -> Result<Self, Refusal> {
        let all = [Self::Account, Self::Obligor, Self::OpenInterest, Self::Underlying];
        all.get(usize::from(number)).copied().ok_or(Reject::cap_kind_must_be_known.at(1, i64::from(number), 3))
    }
}

/// A cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// In the regular session.
    pub most: i64,
    /// Outside it.
    pub closed_most: i64,
}

/// Stages of an owner who may not hold a token any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum LapseStage {
    /// Eligible again, or nothing left.
    Over = 0,
    /// Told; no more of the token may come in.
    Notice = 1,
    /// Only reducing in the underlying's markets.
    ReduceOnly = 2,
    /// The tokens are sold, the matched perp closed with each fill.
    Redeeming = 3,
}

/// One token that its owner may not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapse {
    /// Where it stands.
    pub stage: LapseStage,
    /// When the next stage begins; 0 in the last.
    pub next_ns: Nanos,
}

/// What two people said of a command that panics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The message's digest they both named.
    pub digest: Vec<u8>,
    /// Who.
    pub people: Vec<u64>,
}

/// Traded value of an obligor: one bucket per day of the last 30.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turnover {
    /// Day number and micro-dollars, ascending.
    pub days: Vec<(i64, i64)>,
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
    /// Parameters; without them every command acts for whoever sends it.
    pub config: Option<ConfigureGovernance>,
    /// Keys.
    pub actors: BTreeMap<u64, Actor>,
    /// Open changes by id.
    pub changes: BTreeMap<u64, Change>,
    /// Last change id.
    pub last_change: u64,
    /// Regular opens of the calendar's underlying so far, and the time of the last one.
    pub opens: u32,
    /// Time of the last open.
    pub opened_ns: Nanos,
    /// Restrictions by power and id.
    pub restrictions: BTreeMap<(Power, u32), Restriction>,
    /// Caps by kind and id.
    pub limits: BTreeMap<(CapKind, u32), Limit>,
    /// Tokens their owners may not hold any more, by dense account and asset.
    pub lapses: BTreeMap<(u32, u32), Lapse>,
    /// Next account whose tokens are looked at.
    pub lapse_cursor: u32,
    /// Releases that may be entered.
    pub permitted: BTreeMap<String, u32>,
    /// Commands that are answered without being applied, by sequence.
    pub quarantined: BTreeMap<u64, Quarantine>,
    /// Sequences that this replay answered so.
    pub skipped: Vec<u64>,
    /// Fee tiers, ascending by volume.
    pub fee_tiers: Vec<ListFeeTier>,
    /// By dense obligor.
    pub turnovers: BTreeMap<u32, Turnover>,
    /// Owner ids that belong to another dense obligor than the one of their id.
    pub joined: BTreeMap<u32, u32>,
    /// Addresses, and units set apart, of withdrawals that name them.
    pub payouts: BTreeMap<u64, Payout>,
}

impl Governance {
    /// A regular open of an underlying: long delays count those of the calendar's.
    pub fn count_open(&mut self, underlying: u32, now: Nanos) {
        if self.config.as_ref().is_some_and(|c| c.calendar_underlying == underlying) {
            self.opens += 1;
            self.opened_ns = now;
        }
    }
}

/// What a withdrawal under governance carries beside its amount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// Where to; empty for the account's standing address.
    pub address: Vec<u8>,
    /// May be paid from this time.
    pub release_ns: Nanos,
    /// Whether a void returns it to the units set apart.
    pub from_held: bool,
    /// Units, for readers.
    pub amount: Amount,
}
