//! Pools, curves, committed lines, stock loans and cash calls: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use crate::command::{ConfigureLending, ListLine};
use crate::units::{Amount, Nanos};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

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
    /// When loans were last called; 0 before the first time.
    pub called_ns: Nanos,
    /// Lenders that wait for what is not there: account and units, first come first served.
    pub waiting: VecDeque<(u32, Amount)>,
}

/// A committed line that an account bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Until when its fee is paid.
    pub paid_until_ns: Nanos,
    /// When it ends after a notice; 0 without one.
    pub ends_ns: Nanos,
}

/// A perp debt that stayed unsettled past its deadline: cash that the account must bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashCall {
    /// Quote units when it was made. What is open is never more, and follows the debt.
    pub amount: Amount,
    /// When it was made.
    pub made_ns: Nanos,
    /// Regular hours of the market's underlying that are left.
    pub left_ns: Nanos,
    /// Until when they were counted, and whether that was in a regular session.
    pub seen_ns: Nanos,
    /// See `seen_ns`.
    pub regular: bool,
    /// No hour is left.
    pub overdue: bool,
}

/// Why a loan was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum CallReason {
    /// Its pool was used above the limit for too long.
    Use = 0,
    /// A lender wants its tokens back.
    Recall = 1,
}

/// A loan that must become smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoanCall {
    /// Why.
    pub reason: CallReason,
    /// Units that the part of the loan outside a committed line may still have, interest included.
    pub keep: Amount,
    /// When it was made.
    pub made_ns: Nanos,
    /// When it is overdue; 0 when openings are counted.
    pub due_ns: Nanos,
    /// Openings of the token's underlying at which it is overdue; 0 when time is.
    pub due_opens: u32,
    /// It is.
    pub overdue: bool,
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
    /// Since when a settlement has left a perp debt unpaid, by account and market.
    pub unsettled: BTreeMap<(u32, u32), Nanos>,
    /// What the last settlement left unpaid of a perp debt, by account and market: what was paid since is still in it.
    overdue: BTreeMap<(u32, u32), Amount>,
    /// By account and market.
    pub cash_calls: BTreeMap<(u32, u32), CashCall>,
    /// By account and asset.
    pub loan_calls: BTreeMap<(u32, u32), LoanCall>,
    /// Types of committed lines, by asset and type.
    pub line_types: BTreeMap<(u32, u32), ListLine>,
    /// Committed lines, by account and asset. Size and type stand in the balance.
    pub lines: BTreeMap<(u32, u32), Line>,
}

impl Lending {
    /// Whether a pool takes no new loans: used above the limit for too long, or lenders wait for what is not there.
    #[must_use]
    pub fn closed(&self, asset: u32) -> bool {
        self.pools.get(&asset).is_some_and(|p| p.closed || !p.waiting.is_empty())
    }

    /// Units that lenders wait for.
    #[must_use]
    pub fn waiting(&self, asset: u32) -> Amount {
        self.pools.get(&asset).map_or(0, |p| p.waiting.iter().map(|w| w.1).sum())
    }

    /// What the last settlement left unpaid of a perp debt, in quote units; at most the debt counts.
    #[must_use]
    pub fn overdue(&self, account: u32, market: u32) -> Amount {
        self.overdue.get(&(account, market)).copied().unwrap_or(0)
    }

    /// Sets it; nothing below zero.
    pub fn set_overdue(&mut self, account: u32, market: u32, amount: Amount) {
        if amount > 0 {
            self.overdue.insert((account, market), amount);
        } else {
            self.overdue.remove(&(account, market));
        }
    }

    /// Whether cash is called from an account, or a loan of it.
    #[must_use]
    pub fn called(&self, account: u32) -> bool {
        let of = (account, 0)..=(account, u32::MAX);
        self.cash_calls.range(of.clone()).next().is_some() || self.loan_calls.range(of).next().is_some()
    }
}
