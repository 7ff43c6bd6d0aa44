//! A source takes back what it said.
//!
//! Responsible for: cancelling a statement with all that followed from it in the index and its stable price. Never undoes a
//! trade.

use super::closed::Drift;
use super::source::{SourceState, Statement};
use super::{PriceParams, PriceState, near};
use crate::reject::{Refusal, Reject};
use crate::units::{Nanos, Price};
use std::collections::BTreeSet;

impl PriceState {
    /// A source takes back the statement that holds a print of this venue time; with a price it corrects it. The source's
    /// price returns to the one before, or becomes the corrected one, and what is gone confirms no jump. Where the index rested
    /// on the statement it returns to what it was before, the last external price and a closed market's drift with it, and the
    /// stable price's history for as long as the statement was in force; unless a quorum of others said the same.
    /// `refresh` then judges the sources again. Returns the index before and after.
    ///
    /// # Errors
    /// `source_must_exist`, `print_must_be_known`; nothing is written.
    pub fn cancel(&mut self, params: &PriceParams, source: u32, venue_time_ns: Nanos, corrected: Price, now: Nanos) -> Result<(Price, Price), Refusal> {
        let Ok(place) = self.sources.binary_search_by_key(&source, |s| s.id) else {
            return Err(Reject::source_must_exist.at(2, i64::from(source), 0));
        };
        let statements = &mut self.sources[place].statements;
        let holds = |s: &Statement| s.first_ns <= venue_time_ns && venue_time_ns <= s.venue_time_ns;
        let Some(at) = statements.iter().rposition(holds) else {
            return Err(Reject::print_must_be_known.at(3, venue_time_ns, statements.front().map_or(0, |s| s.first_ns)));
        };
        let before = self.index;
        let until = statements.get(at + 1).map_or(now, |next| next.since_ns);
        let in_force = at + 1 == statements.len();
        let taken = if corrected > 0 {
            let old = statements[at].clone();
            (statements[at].first, statements[at].price, statements[at].moved) = (corrected, corrected, false);
            old
        } else {
            statements.remove(at).unwrap_or_else(|| unreachable!("found above"))
        };
        if corrected == 0 {
            self.forget_patience(source, &taken);
        }
        if let Some(window) = &mut self.window {
            window.observe(self.index, params.stable_window_ns, now);
        }
        if taken.moved && self.others_there(params, place, &taken, until) < params.quorum as usize {
            self.undo(params, &taken, in_force, until, now);
        }
        Ok((before, self.index))
    }

    /// Origins of other sources that said the same when the statement ended.
    fn others_there(&self, params: &PriceParams, place: usize, taken: &Statement, until: Nanos) -> usize {
        let own = |s: &SourceState| if s.origin == 0 { (true, s.id) } else { (false, s.origin) };
        let mut origins = BTreeSet::new();
        for (at, source) in self.sources.iter().enumerate().filter(|&(at, _)| at != place) {
            let ends = source.statements.iter().skip(1).map(|s| s.since_ns).chain([Nanos::MAX]);
            let there = |(s, end): (&Statement, Nanos)| s.since_ns <= until && end >= until && near(s.price, taken.price, params.source_agreement_ppm);
            if source.statements.iter().zip(ends).any(there) {
                origins.insert(own(&self.sources[at]));
            }
        }
        origins.remove(&own(&self.sources[place]));
        origins.len()
    }

    /// The index before the statement: in history and, if it still rests on it, now; also before what began later on it.
    fn undo(&mut self, params: &PriceParams, taken: &Statement, in_force: bool, until: Nanos, now: Nanos) {
        if let Some(window) = self.window.as_mut().filter(|_| taken.index_before != 0) {
            window.overwrite(taken.index_before, params.stable_window_ns, taken.since_ns, until);
        }
        // What began later began at an index that never was.
        for later in self.sources.iter_mut().flat_map(|s| &mut s.statements).filter(|s| s.since_ns >= taken.since_ns) {
            if near(later.index_before, taken.price, params.source_agreement_ppm) {
                (later.index_before, later.external_before) = (taken.index_before, taken.external_before);
            }
        }
        if taken.index_before != 0 && in_force && near(self.index, taken.price, params.source_agreement_ppm) {
            (self.index, self.last_external) = (taken.index_before, taken.external_before);
            (self.witnessed_index, self.unwitnessed_since_ns) = (taken.external_before, None);
            self.pending = None;
            self.drift = self.drift.take().map(|_| Drift::again(self.index, self.last_external, now));
        }
    }
}
