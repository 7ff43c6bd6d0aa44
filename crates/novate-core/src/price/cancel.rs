//! A source takes back what it said.
//!
//! Responsible for: cancelling a statement with all that followed from it in the index and its stable price. Never undoes a
//! trade.

use super::{PriceParams, PriceState};
use crate::reject::{Refusal, Reject};
use crate::units::{Nanos, Price};

impl PriceState {
    /// A source takes back the statement that holds a print of this venue time; with a price it corrects it. The source's
    /// price returns to the one before, or becomes the corrected one. Where the index rested on the statement it returns to
    /// what it was before, and the stable price's history with it, for as long as the statement was in force. `refresh`
    /// then judges the sources again. Returns the index before and after.
    ///
    /// # Errors
    /// `source_must_exist`, `print_must_be_known`; nothing is written.
    pub fn cancel(&mut self, params: &PriceParams, source: u32, venue_time_ns: Nanos, corrected: Price, now: Nanos) -> Result<(Price, Price), Refusal> {
        let Ok(place) = self.sources.binary_search_by_key(&source, |s| s.id) else {
            return Err(Reject::source_must_exist.at(2, i64::from(source), 0));
        };
        let statements = &mut self.sources[place].statements;
        let holds = |s: &super::Statement| s.first_ns <= venue_time_ns && venue_time_ns <= s.venue_time_ns;
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
        if let Some(window) = &mut self.window {
            window.observe(self.index, params.stable_window_ns, now);
            if taken.moved && taken.index_before != 0 {
                window.overwrite(taken.index_before, params.stable_window_ns, taken.since_ns, until);
            }
        }
        // What began later began at an index that never was.
        for later in self.sources.iter_mut().flat_map(|s| &mut s.statements).filter(|s| s.since_ns >= taken.since_ns) {
            if taken.moved && super::near(later.index_before, taken.price, params.source_agreement_ppm) {
                later.index_before = taken.index_before;
            }
        }
        let rested = super::near(self.index, taken.price, params.source_agreement_ppm);
        if taken.moved && in_force && rested && taken.index_before != 0 {
            self.index = taken.index_before;
            self.last_external = taken.index_before;
            (self.witnessed_index, self.unwitnessed_since_ns) = (taken.index_before, None);
            self.pending = None;
        }
        Ok((before, self.index))
    }
}
