//! Sessions of an underlying's primary market and the margin multipliers that follow from them.
//!
//! Responsible for: the session in force, the closure ahead, the factor that sessions put on a bucket's
//! shocks, gap and wrap at each level, and what halts and earnings ask of a name's gap rate. Never knows a calendar: which session comes when is decided outside the
//! engine and arrives as `SetSession`.

use crate::command::{ConfigurePrices, ScheduleEarnings, SetSession};
use crate::reject::{Refusal, Reject, require};
use crate::units::{Nanos, PPM, Ppm, div_ceil, scale_up};
use serde::{Deserialize, Serialize};

/// A trading session of the primary market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Session {
    /// Night without trading, weekend or holiday.
    Closed = 0,
    /// Before the regular session.
    Pre = 1,
    /// The regular session; always, for what never closes.
    Regular = 2,
    /// After the regular session.
    Post = 3,
    /// Overnight trading.
    Overnight = 4,
    /// Trading is suspended.
    Halted = 5,
}

impl TryFrom<u8> for Session {
    type Error = Refusal;

    fn try_from(number: u8) -> Result<Self, Refusal> {
        Ok(match number {
            0 => Self::Closed,
            1 => Self::Pre,
            2 => Self::Regular,
            3 => Self::Post,
            4 => Self::Overnight,
            5 => Self::Halted,
            _ => return Err(Reject::session_must_be_known.at(0, i64::from(number), Self::Halted as i64)),
        })
    }
}

impl Session {
    /// Whether the primary market, or its extended hours, trades.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed | Self::Halted)
    }
}

/// Session multipliers of a bucket, in ppm; one million in the regular session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFactors {
    /// Pre-market and post-market.
    pub extended_ppm: Ppm,
    /// Overnight, and nights without trading.
    pub overnight_ppm: Ppm,
    /// Around a weekend or holiday.
    pub closure_ppm: Ppm,
}

/// A window in which a company reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earnings {
    /// From here ..
    pub from_ns: Nanos,
    /// .. to here.
    pub to_ns: Nanos,
    /// The move that options imply.
    pub implied_move_ppm: Ppm,
}

/// The session in force, the next one, and the weekend or holiday closure ahead or running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// The session in force.
    pub session: Session,
    /// The session that follows.
    pub next_session: Session,
    /// When it follows; 0 when that is not known or never.
    pub next_time_ns: Nanos,
    /// From here to `closure_end_ns` the initial factor is at least the closure's; 0 when no closure is ahead.
    pub closure_step_ns: Nanos,
    /// The maintenance factor climbs from here ..
    pub closure_ramp_from_ns: Nanos,
    /// .. to here.
    pub closure_ramp_to_ns: Nanos,
    /// The first open session after the closure.
    pub closure_end_ns: Nanos,
    /// Since when the market is closed without a break; `None` while it is not.
    closed_since_ns: Option<Nanos>,
    /// Since when trading is halted without a break; `None` while it is not.
    halted_since_ns: Option<Nanos>,
    /// The report ahead or running.
    earnings: Option<Earnings>,
}

impl Default for SessionState {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionState {
    /// Closed, until the first `SetSession` says otherwise.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            session: Session::Closed,
            next_session: Session::Closed,
            next_time_ns: 0,
            closure_step_ns: 0,
            closure_ramp_from_ns: 0,
            closure_ramp_to_ns: 0,
            closure_end_ns: 0,
            closed_since_ns: None,
            halted_since_ns: None,
            earnings: None,
        }
    }

    /// Takes over the session and the closure of `command`. The closure's four times are all 0 or rise (equal
    /// times allowed) to an end after `now`; the next session's time is 0 or after `now`.
    ///
    /// # Errors
    /// `session_must_be_known`, `session_times_must_be_ordered`; nothing is written.
    pub fn set(&mut self, command: &SetSession, now: Nanos) -> Result<(), Refusal> {
        let session = known(command.session, 2)?;
        let next_session = known(command.next_session, 3)?;
        check_times(command, now)?;
        let closed_since_ns = match (session, self.closed_since_ns) {
            (Session::Closed, since) => since.or(Some(now)),
            _ => None,
        };
        let halted_since_ns = match (session, self.halted_since_ns) {
            (Session::Halted, since) => since.or(Some(now)),
            _ => None,
        };
        *self = Self {
            session,
            next_session,
            next_time_ns: command.next_time_ns,
            closure_step_ns: command.closure_step_ns,
            closure_ramp_from_ns: command.closure_ramp_from_ns,
            closure_ramp_to_ns: command.closure_ramp_to_ns,
            closure_end_ns: command.closure_end_ns,
            closed_since_ns,
            halted_since_ns,
            earnings: self.earnings,
        };
        Ok(())
    }

    /// Takes over the window of an earnings report; a move of 0 takes the one there is back.
    ///
    /// # Errors
    /// `event_times_must_be_ordered`, `parameter_must_be_within_bounds`; nothing is written.
    pub fn schedule(&mut self, command: &ScheduleEarnings, now: Nanos) -> Result<(), Refusal> {
        let ScheduleEarnings { from_ns, to_ns, implied_move_ppm, .. } = *command;
        let refusal = Reject::parameter_must_be_within_bounds.at(4, implied_move_ppm, if implied_move_ppm < 0 { 0 } else { PPM });
        require((0..=PPM).contains(&implied_move_ppm), refusal)?;
        if implied_move_ppm == 0 {
            self.earnings = None;
            return Ok(());
        }
        require(from_ns > now, Reject::event_times_must_be_ordered.at(2, from_ns, now))?;
        require(to_ns > from_ns, Reject::event_times_must_be_ordered.at(3, to_ns, from_ns))?;
        self.earnings = Some(Earnings { from_ns, to_ns, implied_move_ppm });
        Ok(())
    }

    /// The report ahead or running.
    #[must_use]
    pub const fn earnings(&self) -> Option<&Earnings> {
        self.earnings.as_ref()
    }

    /// How long trading has been halted without a break; 0 while it is not.
    #[must_use]
    pub fn halted_for(&self, now: Nanos) -> Nanos {
        self.halted_since_ns.map_or(0, |since| now.saturating_sub(since))
    }

    /// Least gap rate of the name: a halt's by its length at every level, and in the window of a report the listed multiple
    /// of the implied move. At initial that holds from the window's start; below it climbs there over the listed ramp
    /// (rounded up), which stands still while the market is closed.
    #[must_use]
    pub fn least_gap_ppm(&self, terms: &ConfigurePrices, initial: bool, now: Nanos) -> Ppm {
        let halted = self.halted_for(now);
        let halt = if halted >= terms.halt_second_ns {
            terms.halt_second_gap_ppm
        } else if halted >= terms.halt_first_ns {
            terms.halt_first_gap_ppm
        } else {
            0
        };
        let Some(report) = self.earnings.filter(|e| now < e.to_ns) else { return halt };
        let at = if initial { now } else { self.closed_since_ns.map_or(now, |since| since.min(now)) };
        if at < report.from_ns {
            return halt;
        }
        let whole = scale_up(report.implied_move_ppm, terms.earnings_multiple_ppm);
        let done = at - report.from_ns;
        let gap = if initial || done >= terms.earnings_ramp_ns {
            whole
        } else {
            div_ceil(i128::from(whole) * i128::from(done), i128::from(terms.earnings_ramp_ns)) as Ppm
        };
        halt.max(gap)
    }

    /// The next time after `now` at which a multiplier or a least gap rate at initial may change by itself.
    #[must_use]
    pub fn steady_until(&self, terms: Option<&ConfigurePrices>, now: Nanos) -> Nanos {
        let halts = terms.map_or([0; 3], |t| [t.halt_first_ns, t.halt_second_ns, t.halt_last_ns]);
        let halted = self.halted_since_ns.map_or([0; 3], |since| halts.map(|h| since.saturating_add(h)));
        let report = self.earnings.map_or([0; 2], |e| [e.from_ns, e.to_ns]);
        let ahead = [self.closure_step_ns, self.closure_end_ns].into_iter().chain(halted).chain(report).filter(|&at| at > now);
        ahead.min().unwrap_or(Nanos::MAX)
    }

    /// Multiplier at initial: the session's own, and from the closure's step to its end at least the closure's.
    /// A halt counts like a night: nobody can trade the primary market.
    #[must_use]
    pub fn initial_ppm(&self, factors: &SessionFactors, now: Nanos) -> Ppm {
        let own = match self.session {
            Session::Regular => PPM,
            Session::Pre | Session::Post => factors.extended_ppm,
            Session::Overnight | Session::Closed | Session::Halted => factors.overnight_ppm,
        };
        let closing = self.closure_step_ns <= now && now < self.closure_end_ns;
        if closing { own.max(factors.closure_ppm) } else { own }
    }

    /// Multiplier at liquidation-end, maintenance and close-out: one, then a line (rounded up) over the ramp, then
    /// the closure's factor to the closure's end. While the market is closed the ramp stands still, so nobody's
    /// maintenance rises when he can't hedge, even if the close came early.
    #[must_use]
    pub fn maintenance_ppm(&self, factors: &SessionFactors, now: Nanos) -> Ppm {
        let at = self.closed_since_ns.map_or(now, |since| since.min(now));
        if now >= self.closure_end_ns || at < self.closure_ramp_from_ns {
            return PPM;
        }
        let closure = factors.closure_ppm.max(PPM);
        if at >= self.closure_ramp_to_ns {
            return closure;
        }
        let (done, whole) = (at - self.closure_ramp_from_ns, self.closure_ramp_to_ns - self.closure_ramp_from_ns);
        // Below `closure`, which is an i64, because done < whole.
        PPM + div_ceil(i128::from(closure - PPM) * i128::from(done), i128::from(whole)) as Ppm
    }
}

fn known(number: u8, field: u16) -> Result<Session, Refusal> {
    Session::try_from(number).map_err(|refusal| Refusal { field, ..refusal })
}

fn check_times(command: &SetSession, now: Nanos) -> Result<(), Refusal> {
    let unordered = |field, value, limit| Err(Reject::session_times_must_be_ordered.at(field, value, limit));
    if command.next_time_ns != 0 && command.next_time_ns <= now {
        return unordered(4, command.next_time_ns, now);
    }
    let times =
        [command.closure_step_ns, command.closure_ramp_from_ns, command.closure_ramp_to_ns, command.closure_end_ns];
    if times == [0; 4] {
        return Ok(());
    }
    if times[0] <= 0 {
        return unordered(5, times[0], 1);
    }
    for (pair, field) in times.windows(2).zip(6_u16..) {
        if pair[1] < pair[0] {
            return unordered(field, pair[1], pair[0]);
        }
    }
    if times[3] <= now { unordered(8, times[3], now) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::HOUR;
    use proptest::prelude::*;

    const FACTORS: SessionFactors =
        SessionFactors { extended_ppm: 1_150_000, overnight_ppm: 1_300_000, closure_ppm: 1_600_000 };

    /// Hours after some Thursday 00:00 New York: step Thursday 16:00, ramp Friday 13:30-15:30, end Monday 04:00.
    const STEP: Nanos = 16 * HOUR;
    const FROM: Nanos = 37 * HOUR + HOUR / 2;
    const TO: Nanos = 39 * HOUR + HOUR / 2;
    const END: Nanos = 100 * HOUR;

    fn weekend(session: Session) -> SetSession {
        SetSession {
            underlying: 1,
            session: session as u8,
            next_session: 2,
            next_time_ns: 0,
            closure_step_ns: STEP,
            closure_ramp_from_ns: FROM,
            closure_ramp_to_ns: TO,
            closure_end_ns: END,
        }
    }

    fn plain(session: Session) -> SetSession {
        SetSession {
            closure_step_ns: 0,
            closure_ramp_from_ns: 0,
            closure_ramp_to_ns: 0,
            closure_end_ns: 0,
            ..weekend(session)
        }
    }

    fn state(command: &SetSession, now: Nanos) -> SessionState {
        let mut state = SessionState::new();
        state.set(command, now).expect("a valid session");
        state
    }

    const ALL: [Session; 6] =
        [Session::Closed, Session::Pre, Session::Regular, Session::Post, Session::Overnight, Session::Halted];

    #[test]
    fn a_session_without_closure_sets_initial_alone() {
        let initial = [1_300_000, 1_150_000, 1_000_000, 1_150_000, 1_300_000, 1_300_000];
        for (session, expected) in ALL.into_iter().zip(initial) {
            let s = state(&plain(session), HOUR);
            assert_eq!(s.initial_ppm(&FACTORS, 2 * HOUR), expected, "{session:?}");
            assert_eq!(s.maintenance_ppm(&FACTORS, 2 * HOUR), PPM, "{session:?}");
            assert_eq!(Session::try_from(session as u8).map(|s| s.is_open()), Ok(session.is_open()));
        }
    }

    #[test]
    fn a_weekend_raises_initial_at_its_step_and_maintenance_over_its_ramp() {
        let s = state(&weekend(Session::Regular), HOUR);
        for (now, initial, maintenance) in [
            (STEP - 1, 1_000_000, 1_000_000),
            (STEP, 1_600_000, 1_000_000),
            (FROM, 1_600_000, 1_000_000),
            (FROM + 1, 1_600_000, 1_000_001),
            (FROM + HOUR, 1_600_000, 1_300_000),
            (TO - 1, 1_600_000, 1_600_000),
            (TO, 1_600_000, 1_600_000),
            (END - 1, 1_600_000, 1_600_000),
            (END, 1_000_000, 1_000_000),
        ] {
            assert_eq!(s.initial_ppm(&FACTORS, now), initial, "{now}");
            assert_eq!(s.maintenance_ppm(&FACTORS, now), maintenance, "{now}");
        }
    }

    #[test]
    fn the_larger_of_session_and_closure_counts() {
        let wild_nights = SessionFactors { overnight_ppm: 2_000_000, ..FACTORS };
        assert_eq!(state(&weekend(Session::Overnight), HOUR).initial_ppm(&wild_nights, STEP), 2_000_000);
        assert_eq!(state(&weekend(Session::Overnight), HOUR).initial_ppm(&FACTORS, STEP), 1_600_000);
    }

    #[test]
    fn the_ramp_stands_still_while_closed() {
        let mut s = state(&weekend(Session::Regular), HOUR);
        s.set(&weekend(Session::Closed), FROM + HOUR).expect("an unplanned early close");
        for now in [FROM + HOUR, TO, TO + 30 * HOUR] {
            assert_eq!(s.maintenance_ppm(&FACTORS, now), 1_300_000);
        }
        s.set(&weekend(Session::Closed), TO + HOUR).expect("repeated");
        assert_eq!(s.maintenance_ppm(&FACTORS, TO + 2 * HOUR), 1_300_000);
        s.set(&weekend(Session::Regular), TO + 3 * HOUR).expect("open again");
        assert_eq!(s.maintenance_ppm(&FACTORS, TO + 3 * HOUR), 1_600_000);
        // A venue that starts during the weekend never saw the ramp: the closure's factor holds at once.
        assert_eq!(state(&weekend(Session::Closed), TO + HOUR).maintenance_ppm(&FACTORS, TO + HOUR), 1_600_000);
    }

    #[test]
    fn refusals_name_the_field_and_write_nothing() {
        let now = 10 * HOUR;
        let good = SetSession { next_time_ns: now + 1, ..weekend(Session::Regular) };
        let bad = [
            (SetSession { session: 6, ..good.clone() }, Reject::session_must_be_known.at(2, 6, 5)),
            (SetSession { next_session: 255, ..good.clone() }, Reject::session_must_be_known.at(3, 255, 5)),
            (SetSession { next_time_ns: now, ..good.clone() }, Reject::session_times_must_be_ordered.at(4, now, now)),
            (SetSession { next_time_ns: -1, ..good.clone() }, Reject::session_times_must_be_ordered.at(4, -1, now)),
            (SetSession { closure_step_ns: 0, ..good.clone() }, Reject::session_times_must_be_ordered.at(5, 0, 1)),
            (
                SetSession { closure_ramp_from_ns: STEP - 1, ..good.clone() },
                Reject::session_times_must_be_ordered.at(6, STEP - 1, STEP),
            ),
            (
                SetSession { closure_ramp_to_ns: FROM - 1, ..good.clone() },
                Reject::session_times_must_be_ordered.at(7, FROM - 1, FROM),
            ),
            (
                SetSession { closure_end_ns: TO - 1, ..good.clone() },
                Reject::session_times_must_be_ordered.at(8, TO - 1, TO),
            ),
        ];
        let mut s = state(&plain(Session::Pre), HOUR);
        let before = s;
        for (command, refusal) in bad {
            assert_eq!(s.set(&command, now), Err(refusal));
            assert_eq!(s, before);
        }
        let over = Reject::session_times_must_be_ordered.at(8, END, END);
        assert_eq!(s.set(&weekend(Session::Regular), END), Err(over));
        assert_eq!(s.set(&good, now), Ok(()));
    }

    proptest! {
        #[test]
        fn maintenance_never_falls_before_the_end_and_never_exceeds_initial(
            session in 0..6_usize, since in 1..END / HOUR, a in 0..2_400_i64, b in 0..2_400_i64, closure in 1_000_000..3_000_000_i64,
        ) {
            let factors = SessionFactors { closure_ppm: closure, ..FACTORS };
            let s = state(&weekend(ALL[session]), since * HOUR);
            let (early, late) = (a.min(b) * (HOUR / 24), a.max(b) * (HOUR / 24));
            prop_assert!(s.maintenance_ppm(&factors, early) <= s.maintenance_ppm(&factors, late));
            prop_assert!(s.maintenance_ppm(&factors, late) <= s.initial_ppm(&factors, late));
        }
    }
}
