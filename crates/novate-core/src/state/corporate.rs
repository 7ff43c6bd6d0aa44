//! Corporate actions: schedule, effect, receivables and corrections: what of it is state.
//!
//! Responsible for: the records, and whether an action stands in the way now. Never contains a rule.

use crate::command::{PayDistribution, ScheduleCorporateAction};
use crate::units::{Lots, Nanos, Price, Ratio};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Life of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum ActionState {
    /// It will come; when is not known.
    Announced = 1,
    /// Terms and window are known; nobody has confirmed them.
    Scheduled = 2,
    /// A second actor agreed.
    Confirmed = 3,
    /// Its cursor runs; the venue waits.
    Running = 4,
    /// Done.
    Applied = 5,
    /// Done, and its amount corrected since.
    Corrected = 6,
    /// It will not happen.
    Cancelled = 7,
}

/// A perp position when an action took effect: who gets corrections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Dense account index.
    pub account: u32,
    /// Market.
    pub market: u32,
    /// Signed lots.
    pub lots: Lots,
}

/// An action and what it did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CorporateAction {
    /// As scheduled, or as amended last.
    pub terms: ScheduleCorporateAction,
    /// Who scheduled or amended it.
    pub scheduled_by: u64,
    /// Who confirmed it; 0 nobody yet.
    pub confirmed_by: u64,
    /// Where it stands.
    pub state: ActionState,
    /// Dollars per share that it was booked at, before withholding; corrections change it.
    pub booked: Price,
    /// Withheld of it by token and by perp, as listed at the effect, ppm.
    pub withheld: (BTreeMap<u32, i64>, BTreeMap<u32, i64>),
    /// Sequence of the effect; 0 before.
    pub sequence: u64,
    /// Perp positions of record, in the order of accounts; dropped when corrections end.
    pub record: Vec<Record>,
    /// Shares per token of record, by token.
    pub multipliers: BTreeMap<u32, i64>,
    /// Scale of each perp of record.
    pub splits: BTreeMap<u32, Ratio>,
}

/// What the cursor works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Orders of the underlying are cancelled, account by account.
    Cancel {
        /// The action.
        action: u64,
    },
    /// Positions, and balances that are renumbered, account by account; then everything moves.
    Adjust {
        /// The action.
        action: u64,
        /// Confirmed index at which fractions are paid and markets settle.
        price: Price,
    },
    /// A correction, record by record.
    Correct {
        /// The action.
        action: u64,
        /// The new amount.
        amount: Price,
    },
    /// Holders are paid.
    Pay(PayDistribution),
}

/// A job while it runs over several commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What.
    pub job: Job,
    /// Next account or record.
    pub cursor: u32,
    /// Units of each token of the underlying seen so far; of a payment, those that retired.
    pub units: BTreeMap<u32, i128>,
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Corporate {
    /// By id.
    pub actions: BTreeMap<u64, CorporateAction>,
    /// The one job that runs; the venue waits for it.
    pub running: Option<Running>,
    /// Halt windows of confirmed actions, by action: underlying, start and end.
    pub windows: BTreeMap<u64, (u32, Nanos, Nanos)>,
    /// Underlyings that have ended: their perps are settled, their tokens wait for what they became.
    pub ended: BTreeSet<u32>,
    /// Withholding by token.
    pub token_withholding: BTreeMap<u32, i64>,
    /// Withholding by perp.
    pub perp_withholding: BTreeMap<u32, i64>,
}

impl Corporate {
    /// Whether trading, settlement, issuance and redemption of an underlying wait for an action, or ended with one.
    #[must_use]
    pub fn halts(&self, underlying: u32, now: Nanos) -> bool {
        let in_window = |&(of, start, end): &(u32, Nanos, Nanos)| of == underlying && start <= now && now < end;
        self.ended.contains(&underlying) || self.windows.values().any(in_window) || self.runs_on(underlying)
    }

    fn runs_on(&self, underlying: u32) -> bool {
        let Some(running) = &self.running else { return false };
        match running.job {
            Job::Cancel { action } | Job::Adjust { action, .. } | Job::Correct { action, .. } => {
                self.actions.get(&action).is_some_and(|a| a.terms.underlying == underlying)
            }
            Job::Pay(_) => false,
        }
    }
}

