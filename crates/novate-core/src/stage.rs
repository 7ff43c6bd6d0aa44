//! The stages of a liquidation as one table of (stage, cause) to stage (RULES section 10).
//!
//! Responsible for: which step may follow which, with an error as the default. Never looks at an account: `ladder` and
//! `liquidation` find the cause, the table says where it leads. `docs/concepts/liquidation.md` shows the same table.

use serde::{Deserialize, Serialize};

/// Where an account is on the way from a missed requirement to a covered loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stage {
    /// Yellow: orders that do not reduce are cancelled.
    CancelRisk = 0,
    /// Orange: all orders are cancelled, transfers and pending withdrawals are frozen, the account is looked at again.
    CancelAll = 1,
    /// Reduced through the books.
    Reduce = 2,
    /// Waits for the speed limit.
    Pace = 3,
    /// Collateral is sold for a cash deficit.
    SellCollateral = 4,
    /// Backstop providers take slices in a Dutch auction.
    Backstop = 5,
    /// Insurance pays to the bankruptcy price.
    Insurance = 6,
    /// Winners are closed at the bankruptcy price.
    Deleverage = 7,
    /// The bucket's perp gains share what is left.
    ShareLoss = 8,
    /// Not in any stage.
    #[default]
    Free = 9,
    /// Every stage has done what it could; the rest was reported as a shortfall.
    Exhausted = 10,
}

impl Stage {
    /// All stages, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::CancelRisk,
        Self::CancelAll,
        Self::Reduce,
        Self::Pace,
        Self::SellCollateral,
        Self::Backstop,
        Self::Insurance,
        Self::Deleverage,
        Self::ShareLoss,
        Self::Free,
        Self::Exhausted,
    ];

    /// The stage of a number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Whether the account is frozen: all but free and yellow.
    #[must_use]
    pub const fn is_liquidation(self) -> bool {
        !matches!(self, Self::Free | Self::CancelRisk)
    }
}

/// Why an account moves to another stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// Excess at initial is negative.
    BelowInitial = 0,
    /// Excess at maintenance is negative.
    BelowMaintenance = 1,
    /// After cancelling everything the account is still orange.
    StillOrange = 2,
    /// Excess at close-out is negative.
    Red = 3,
    /// Net value at close-out is negative.
    Black = 4,
    /// A cash call or a called loan is overdue, or cash is negative beyond its caps.
    CashDue = 5,
    /// The speed limit leaves no slice now.
    Paced = 6,
    /// The speed limit leaves room again.
    Refilled = 7,
    /// No slice lowers the requirement by more than it costs, or none finds depth.
    NothingReduces = 8,
    /// The cash deficit is gone, or nothing sells now.
    SaleDone = 9,
    /// Excess at close-out is no longer negative.
    NoLongerRed = 10,
    /// Nobody took the rest before the auction's end.
    NoTaker = 11,
    /// Every tranche that was willing has reached its loss limit.
    BackstopExhausted = 12,
    /// Net value at close-out is not negative any more.
    Covered = 13,
    /// The stage has paid what it may, and net value is still negative.
    NotCovered = 14,
    /// Something is left that can be sold later: the loss waits for it.
    Waits = 15,
    /// Nothing is left to sell and no stage covers the rest.
    NothingLeft = 16,
    /// Excess at liquidation-end is not negative, and at initial neither; no cash is due.
    Restored = 17,
    /// Excess at liquidation-end is not negative, at initial it is; no cash is due.
    Eased = 18,
}

/// No stage follows this one for this cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTransition {
    /// Where the account is.
    pub stage: Stage,
    /// What happened.
    pub cause: Cause,
}

/// The table.
///
/// # Errors
/// Every pair that is not listed.
pub const fn next(stage: Stage, cause: Cause) -> Result<Stage, NoTransition> {
    use Stage::{Backstop, CancelAll, CancelRisk, Deleverage, Exhausted, Free, Insurance, Pace, Reduce, SellCollateral, ShareLoss};
    Ok(match (stage, cause) {
        (Free, Cause::BelowInitial) => CancelRisk,
        (Free | CancelRisk, Cause::BelowMaintenance | Cause::CashDue) => CancelAll,
        (CancelRisk, Cause::Restored) => Free,

        (CancelAll, Cause::StillOrange) => Reduce,
        (CancelAll | Reduce | Pace, Cause::CashDue) => SellCollateral,
        (CancelAll | Reduce | Pace | SellCollateral, Cause::Red) => Backstop,
        (CancelAll | Reduce | Pace | SellCollateral | Backstop, Cause::Black) => Insurance,

        (Reduce, Cause::Paced) => Pace,
        (Pace, Cause::Refilled) => Reduce,
        (Reduce, Cause::NothingReduces) => Backstop,
        (SellCollateral, Cause::SaleDone) => Reduce,

        (Backstop, Cause::NoLongerRed | Cause::NoTaker) => Reduce,
        (Backstop, Cause::BackstopExhausted) => Insurance,

        (Insurance | Deleverage | ShareLoss, Cause::Covered) => Reduce,
        (Insurance, Cause::NotCovered) => Deleverage,
        (Deleverage, Cause::NotCovered) => ShareLoss,
        (ShareLoss, Cause::Waits) => Reduce,
        (ShareLoss, Cause::NothingLeft) => Exhausted,
        (Exhausted, Cause::Black) => Insurance,
        (Exhausted, Cause::Covered) => Reduce,

        (
            CancelAll | Reduce | Pace | SellCollateral | Backstop | Insurance | Deleverage | ShareLoss | Exhausted,
            Cause::Restored,
        ) => Free,
        (
            CancelAll | Reduce | Pace | SellCollateral | Backstop | Insurance | Deleverage | ShareLoss | Exhausted,
            Cause::Eased,
        ) => CancelRisk,

        _ => return Err(NoTransition { stage, cause }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSES: [Cause; 19] = [
        Cause::BelowInitial,
        Cause::BelowMaintenance,
        Cause::StillOrange,
        Cause::Red,
        Cause::Black,
        Cause::CashDue,
        Cause::Paced,
        Cause::Refilled,
        Cause::NothingReduces,
        Cause::SaleDone,
        Cause::NoLongerRed,
        Cause::NoTaker,
        Cause::BackstopExhausted,
        Cause::Covered,
        Cause::NotCovered,
        Cause::Waits,
        Cause::NothingLeft,
        Cause::Restored,
        Cause::Eased,
    ];

    #[test]
    fn numbers_are_places_in_the_lists() {
        for (at, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!((stage as usize, Stage::of(at as u8)), (at, Some(stage)));
        }
        for (at, cause) in CAUSES.into_iter().enumerate() {
            assert_eq!(cause as usize, at);
        }
        assert_eq!(Stage::of(11), None);
    }

    #[test]
    fn every_stage_can_be_left_and_reached_and_the_default_is_an_error() {
        for stage in Stage::ALL {
            assert!(CAUSES.iter().any(|&c| next(stage, c).is_ok()), "{stage:?} can be left");
            assert!(Stage::ALL.iter().any(|&s| CAUSES.iter().any(|&c| next(s, c) == Ok(stage))), "{stage:?} can be reached");
        }
        let listed = Stage::ALL.iter().flat_map(|&s| CAUSES.iter().map(move |&c| next(s, c))).filter(Result::is_ok).count();
        assert_eq!(listed, 53, "pairs in the table; the other {} are errors", 11 * 19 - listed);
        assert_eq!(next(Stage::Free, Cause::Covered), Err(NoTransition { stage: Stage::Free, cause: Cause::Covered }));
    }

    #[test]
    fn whoever_is_in_liquidation_is_let_go_when_healthy() {
        for stage in Stage::ALL.into_iter().filter(|s| s.is_liquidation()) {
            assert_eq!((next(stage, Cause::Restored), next(stage, Cause::Eased)), (Ok(Stage::Free), Ok(Stage::CancelRisk)));
        }
    }
}
