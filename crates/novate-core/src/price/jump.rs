//! A jump of the index that waits for its confirmation.
//!
//! Responsible for: when a candidate beyond the limit becomes the index. A second independent source confirms at once; a
//! hold time only on advancing quotes of minimum size, never on a lone source unless the listing's quorum is one. Never looks
//! at freshness; a print near a corporate action's ratio does not come here (`rescale`).

use super::source::{Quote, Statement};
use super::{Consensus, PriceParams, PriceState, near};
use crate::units::{Nanos, Price};
use serde::{Deserialize, Serialize};

/// An origin that keeps its price beyond the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The source that spoke for the origin.
    pub source: u32,
    /// Ascending venue times of its quotes since, the first one included; no more than confirm a jump.
    pub advancing: Vec<Nanos>,
}

/// A jump that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingJump {
    /// Whether it goes up.
    pub up: bool,
    /// The last candidate beyond the limit.
    pub candidate: Price,
    /// Journal time at which it went there.
    pub since_ns: Nanos,
    /// Who keeps it up, ascending by source.
    pub holders: Vec<Holder>,
}

impl PriceState {
    /// Whether the candidate may become the index.
    pub(super) fn jump_is_confirmed(&mut self, params: &PriceParams, c: &Consensus<'_>, now: Nanos) -> bool {
        if near(c.price, self.index, params.jump_ppm) || near(c.price, self.last_external, params.jump_ppm) {
            return true;
        }
        let supporters = c.used.iter().filter(|q| near(q.price, c.price, params.source_agreement_ppm)).count();
        if supporters >= 2 {
            return true;
        }
        self.hold_jump(params, c, now);
        let needed = if params.quorum == 1 { 1 } else { 2 };
        self.pending.as_ref().is_some_and(|jump| {
            let patient = jump.holders.iter().filter(|h| h.advancing.len() >= params.confirm_quotes as usize).count();
            now.saturating_sub(jump.since_ns) >= params.confirm_after_ns && patient >= needed
        })
    }

    /// Counts one more quote of every origin beyond the limit on the jump's side, or starts a new count.
    fn hold_jump(&mut self, params: &PriceParams, c: &Consensus<'_>, now: Nanos) {
        let (index, up) = (self.index, c.price > self.index);
        let same = self.pending.as_ref().is_some_and(|jump| jump.up == up);
        if !same {
            self.pending = Some(PendingJump { up, candidate: c.price, since_ns: now, holders: Vec::new() });
        }
        let Some(jump) = &mut self.pending else { return };
        jump.candidate = c.price;
        let beyond = |q: &&Quote| q.holds && (q.price > index) == up && !near(q.price, index, params.jump_ppm);
        jump.holders.retain(|h| c.used.iter().filter(beyond).any(|q| q.source == h.source));
        for quote in c.used.iter().filter(beyond) {
            match jump.holders.binary_search_by_key(&quote.source, |h| h.source) {
                Ok(at) => {
                    let times = &mut jump.holders[at].advancing;
                    if times.last().is_none_or(|&last| quote.venue_time_ns > last) {
                        times.push(quote.venue_time_ns);
                    }
                    if times.len() > params.confirm_quotes as usize {
                        times.remove(0);
                    }
                }
                Err(at) => jump.holders.insert(at, Holder { source: quote.source, advancing: vec![quote.venue_time_ns] }),
            }
        }
    }

    /// What a source took back confirms no jump.
    pub(super) fn forget_patience(&mut self, source: u32, taken: &Statement) {
        let holders = self.pending.iter_mut().flat_map(|jump| &mut jump.holders);
        for holder in holders.filter(|h| h.source == source) {
            holder.advancing.retain(|&time| time < taken.first_ns || time > taken.venue_time_ns);
        }
    }
}
