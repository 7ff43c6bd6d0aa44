//! The quality gate: what may be done with an underlying while its price is of a given quality.
//!
//! Responsible for: the table, one cell per quality and action. Never decides which quality a price has.

use serde::{Deserialize, Serialize};

/// How far the index of an underlying can be trusted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Quality {
    /// Confirmed by a quorum of fresh sources.
    Live = 0,
    /// Fresh sources, but fewer than the quorum.
    Degraded = 1,
    /// The sources disagree, or a jump waits for its confirmation.
    Suspect = 2,
    /// No fresh source, no price yet, or no quorum since a restart.
    Stale = 3,
    /// The primary market is closed: the last external price holds.
    Closed = 4,
    /// The primary market is halted.
    Halted = 5,
}

/// What somebody wants to do with an underlying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// Increase exposure.
    Open = 0,
    /// Reduce exposure.
    Reduce = 1,
    /// Withdraw, with this underlying among what is held.
    Withdraw = 2,
    /// Borrow against it.
    Borrow = 3,
    /// Sell or buy it in a liquidation.
    Liquidate = 4,
    /// Set its perp's funding rate.
    Fund = 5,
    /// Issue its token.
    Mint = 6,
    /// Redeem its token.
    Redeem = 7,
}

/// The gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// At the price in force.
    Yes,
    /// Not now.
    No,
    /// At the slower price: the better for the account of index and stable price.
    Slower,
    /// Within the bounds and at the speed of a closed market.
    Bounded,
    /// Queued until the market opens, or in kind.
    Queued,
}

/// Rows by quality; columns open, reduce, withdraw, borrow, liquidate, fund, mint, redeem. Y yes, N no, S slower,
/// B bounded, Q queued.
const GATE: [&[u8; 8]; 6] = [
    b"YYYYYYYY", // live
    b"YYYNSYNY", // degraded
    b"YYNNSNNN", // suspect
    b"NYNNNNNN", // stale
    b"YYYYBYQQ", // closed
    b"NYNNNNNN", // halted
];

/// Looks up the gate's cell. Reducing is always allowed.
#[must_use]
pub const fn permission(quality: Quality, action: Action) -> Permission {
    match GATE[quality as usize][action as usize] {
        b'Y' => Permission::Yes,
        b'S' => Permission::Slower,
        b'B' => Permission::Bounded,
        b'Q' => Permission::Queued,
        _ => Permission::No,
    }
}

#[cfg(test)]
mod tests {
    use super::Action::{Borrow, Fund, Liquidate, Mint, Open, Redeem, Reduce, Withdraw};
    use super::Permission::{Bounded, No, Queued, Slower, Yes};
    use super::Quality::{Closed, Degraded, Halted, Live, Stale, Suspect};
    use super::{Permission, permission};

    /// Every cell, by action instead of by quality, in words: a second writing of the rule.
    #[test]
    fn every_cell_of_the_gate() {
        let qualities = [Live, Degraded, Suspect, Stale, Closed, Halted];
        let by_action: [(super::Action, [Permission; 6]); 8] = [
            (Open, [Yes, Yes, Yes, No, Yes, No]),
            (Reduce, [Yes, Yes, Yes, Yes, Yes, Yes]),
            (Withdraw, [Yes, Yes, No, No, Yes, No]),
            (Borrow, [Yes, No, No, No, Yes, No]),
            (Liquidate, [Yes, Slower, Slower, No, Bounded, No]),
            (Fund, [Yes, Yes, No, No, Yes, No]),
            (Mint, [Yes, No, No, No, Queued, No]),
            (Redeem, [Yes, Yes, No, No, Queued, No]),
        ];
        for (action, row) in by_action {
            for (quality, expected) in qualities.into_iter().zip(row) {
                assert_eq!(permission(quality, action), expected, "{quality:?} {action:?}");
            }
        }
    }
}
