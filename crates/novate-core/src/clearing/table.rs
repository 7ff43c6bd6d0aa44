//! The life of a request: one table of (state, step) to state, with an error as the default.
//!
//! Responsible for: the table. `docs/concepts/issuance-and-redemption.md` has the same one. Never decides which step comes.

use crate::state::clearing::RequestState::{
    self, Busted, Cancelled, Delivered, Expired, Failed, Filled, PartlyFilled, Rejected, Requested, Reserved, Routed, Settled, Unknown,
};

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// Its amounts are held.
    Reserve = 0,
    /// An order for it was raised.
    Route = 1,
    /// A part was filled.
    Fill = 2,
    /// All that will be filled is.
    Complete = 3,
    /// The broker refused; nothing was filled.
    Reject = 4,
    /// It ended on the holder's or the broker's wish; nothing was filled.
    Cancel = 5,
    /// The rest ended; a part had been filled.
    Close = 6,
    /// It waited too long.
    Expire = 7,
    /// The line to its broker broke.
    Disconnect = 8,
    /// The broker still has it; nothing was filled.
    Alive = 9,
    /// The broker still has the rest; a part had been filled.
    AliveInPart = 10,
    /// The rest goes to another broker; nothing was filled.
    Reroute = 11,
    /// Every execution is settled, or carried and repaired.
    Settle = 12,
    /// The settlement of an execution failed.
    SettlementFail = 13,
    /// An execution was taken back or corrected.
    Bust = 14,
    /// The holder has it for good.
    Deliver = 15,
}

/// Every step.
pub const STEPS: [Step; 16] = [
    Step::Reserve,
    Step::Route,
    Step::Fill,
    Step::Complete,
    Step::Reject,
    Step::Cancel,
    Step::Close,
    Step::Expire,
    Step::Disconnect,
    Step::Alive,
    Step::AliveInPart,
    Step::Reroute,
    Step::Settle,
    Step::SettlementFail,
    Step::Bust,
    Step::Deliver,
];

/// Every state.
pub const STATES: [RequestState; 13] =
    [Requested, Reserved, Routed, PartlyFilled, Filled, Unknown, Settled, Delivered, Rejected, Cancelled, Expired, Failed, Busted];

/// Where a step leads; `None` when it can't happen in the state.
#[must_use]
pub const fn next(state: RequestState, step: Step) -> Option<RequestState> {
    Some(match (state, step) {
        (Requested, Step::Reserve) => Reserved,
        (Requested | Reserved | Routed | Unknown, Step::Reject) => Rejected,
        (Requested | Reserved | Routed | Unknown, Step::Cancel) => Cancelled,
        (Requested | Reserved, Step::Expire) => Expired,
        (Reserved, Step::Route) | (Unknown, Step::Alive) => Routed,
        (Routed, Step::Alive) => Routed,
        (Routed | Unknown, Step::Reroute) => Reserved,
        (Reserved | Routed | PartlyFilled | Unknown, Step::Fill) => PartlyFilled,
        (PartlyFilled | Unknown, Step::AliveInPart) | (PartlyFilled, Step::Route) => PartlyFilled,
        (Reserved | Routed | PartlyFilled | Unknown, Step::Complete) => Filled,
        (PartlyFilled | Unknown, Step::Close) => Filled,
        (Routed | PartlyFilled | Unknown, Step::Disconnect) => Unknown,
        // What comes back while the rest is still at a broker does not move the rest.
        (PartlyFilled | Unknown | Delivered, Step::Bust | Step::SettlementFail) => state,
        (Filled | Failed, Step::SettlementFail) => Failed,
        (Filled | Settled | Failed | Busted, Step::Bust) | (Busted, Step::SettlementFail) => Busted,
        (Filled | Failed | Busted, Step::Settle) => Settled,
        (Settled, Step::Deliver) => Delivered,
        _ => return None,
    })
}

/// Whether nothing but a bust can follow.
#[must_use]
pub const fn is_over(state: RequestState) -> bool {
    matches!(state, Delivered | Rejected | Cancelled | Expired)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table a second time, by step: states from which it may happen and where each leads.
    const BY_STEP: [(Step, &[(RequestState, RequestState)]); 16] = [
        (Step::Reserve, &[(Requested, Reserved)]),
        (Step::Route, &[(Reserved, Routed), (PartlyFilled, PartlyFilled)]),
        (Step::Fill, &[(Reserved, PartlyFilled), (Routed, PartlyFilled), (PartlyFilled, PartlyFilled), (Unknown, PartlyFilled)]),
        (Step::Complete, &[(Reserved, Filled), (Routed, Filled), (PartlyFilled, Filled), (Unknown, Filled)]),
        (Step::Reject, &[(Requested, Rejected), (Reserved, Rejected), (Routed, Rejected), (Unknown, Rejected)]),
        (Step::Cancel, &[(Requested, Cancelled), (Reserved, Cancelled), (Routed, Cancelled), (Unknown, Cancelled)]),
        (Step::Close, &[(PartlyFilled, Filled), (Unknown, Filled)]),
        (Step::Expire, &[(Requested, Expired), (Reserved, Expired)]),
        (Step::Disconnect, &[(Routed, Unknown), (PartlyFilled, Unknown), (Unknown, Unknown)]),
        (Step::Alive, &[(Routed, Routed), (Unknown, Routed)]),
        (Step::AliveInPart, &[(PartlyFilled, PartlyFilled), (Unknown, PartlyFilled)]),
        (Step::Reroute, &[(Routed, Reserved), (Unknown, Reserved)]),
        (Step::Settle, &[(Filled, Settled), (Failed, Settled), (Busted, Settled)]),
        (Step::SettlementFail, &[(PartlyFilled, PartlyFilled), (Unknown, Unknown), (Delivered, Delivered), (Filled, Failed), (Failed, Failed), (Busted, Busted)]),
        (
            Step::Bust,
            &[(PartlyFilled, PartlyFilled), (Unknown, Unknown), (Delivered, Delivered), (Filled, Busted), (Settled, Busted), (Failed, Busted), (Busted, Busted)],
        ),
        (Step::Deliver, &[(Settled, Delivered)]),
    ];

    #[test]
    fn every_pair_is_as_the_second_writing_says() {
        let mut legal = 0;
        for (at, step) in STEPS.into_iter().enumerate() {
            assert_eq!(BY_STEP[at].0, step);
            for state in STATES {
                let expected = BY_STEP[at].1.iter().find(|pair| pair.0 == state).map(|pair| pair.1);
                assert_eq!(next(state, step), expected, "{state:?} {step:?}");
                legal += usize::from(expected.is_some());
            }
        }
        assert_eq!((STATES.len() * STEPS.len(), legal), (208, BY_STEP.iter().map(|row| row.1.len()).sum()));
    }

    #[test]
    fn what_is_over_stays_over() {
        for state in STATES.into_iter().filter(|&s| is_over(s)) {
            assert!(STEPS.into_iter().all(|step| next(state, step).is_none_or(|s| s == state)));
        }
    }
}
