//! The phases of a market: what may be done with orders in each, and how one follows another.
//!
//! Responsible for: the two tables. Never changes a market: `auction` does.

use crate::reject::{Refusal, Reject};
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Where a market is in its day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Phase {
    /// Orders match as they come.
    #[default]
    Open = 0,
    /// Orders may only leave: after an outage, before its auction.
    CancelOnly = 1,
    /// An auction's call: orders gather and do not match.
    Call = 2,
    /// No orders.
    Closed = 3,
}

impl TryFrom<u8> for Phase {
    type Error = Refusal;

    fn try_from(number: u8) -> Result<Self, Refusal> {
        [Self::Open, Self::CancelOnly, Self::Call, Self::Closed]
            .get(usize::from(number))
            .copied()
            .ok_or(Reject::phase_must_follow.at(2, i64::from(number), 3))
    }
}

/// What somebody wants to do with orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Deed {
    /// A new order, or an amendment that is one.
    Place = 0,
    /// A smaller size at the same price.
    Shrink = 1,
    /// Take an order out.
    Cancel = 2,
    /// Trade as orders come.
    Match = 3,
    /// Let a trigger fire, or a TWAP send its slice.
    Release = 4,
}

/// Rows by phase; columns place, shrink, cancel, match, release.
const DEEDS: [&[u8; 5]; 4] = [
    b"YYYYY", // open
    b"NYYNN", // cancel-only
    b"YYYNN", // call
    b"NYYNN", // closed
];

/// What moves a market from phase to phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Turn {
    /// The auction's one price is found and its trades are done.
    Uncross = 0,
    /// Only cancellations from now on.
    Restrict = 1,
    /// A call begins, or is extended.
    Call = 2,
    /// No orders from now on.
    Close = 3,
}

/// Rows by phase, columns uncross, restrict, call, close; a dot is an error. A market opens through an auction only.
const TURNS: [&[u8; 4]; 4] = [
    b".RCX", // open
    b".RCX", // cancel-only
    b"ORCX", // call
    b".RC.", // closed
];

/// Phase of a market, and when the timer turns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseState {
    /// The phase.
    pub phase: Phase,
    /// When a cancel-only phase turns into a call, or a call uncrosses; 0: when the venue says so.
    pub until_ns: Nanos,
}

impl PhaseState {
    /// Whether this may be done now.
    #[inline]
    #[must_use]
    pub const fn allows(&self, deed: Deed) -> bool {
        DEEDS[self.phase as usize][deed as usize] == b'Y'
    }

    /// The phase after a turn.
    ///
    /// # Errors
    /// `phase_must_follow`.
    pub fn after(&self, turn: Turn) -> Result<Phase, Refusal> {
        match TURNS[self.phase as usize][turn as usize] {
            b'O' => Ok(Phase::Open),
            b'R' => Ok(Phase::CancelOnly),
            b'C' => Ok(Phase::Call),
            b'X' => Ok(Phase::Closed),
            _ => Err(Reject::phase_must_follow.at(2, turn as i64, self.phase as i64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deed::{Cancel, Match, Place, Release, Shrink};
    use super::Phase::{Call, CancelOnly, Closed, Open};
    use super::{PhaseState, Turn};

    const ALL: [super::Phase; 4] = [Open, CancelOnly, Call, Closed];

    /// Every cell by deed, in words: a second writing of the table.
    #[test]
    fn every_cell_of_the_deeds() {
        let table = [
            (Place, [true, false, true, false]),
            (Shrink, [true; 4]),
            (Cancel, [true; 4]),
            (Match, [true, false, false, false]),
            (Release, [true, false, false, false]),
        ];
        for (deed, row) in table {
            for (phase, expected) in ALL.into_iter().zip(row) {
                assert_eq!(PhaseState { phase, until_ns: 0 }.allows(deed), expected, "{phase:?} {deed:?}");
            }
        }
    }

    /// Every turn: only a call opens a market, what is closed cannot close, all else is possible.
    #[test]
    fn every_turn() {
        for phase in ALL {
            let state = PhaseState { phase, until_ns: 0 };
            assert_eq!(state.after(Turn::Uncross).ok(), (phase == Call).then_some(Open));
            assert_eq!(state.after(Turn::Restrict).ok(), Some(CancelOnly));
            assert_eq!(state.after(Turn::Call).ok(), Some(Call));
            assert_eq!(state.after(Turn::Close).ok(), (phase != Closed).then_some(Closed));
        }
    }
}
