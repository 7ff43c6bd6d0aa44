//! What a source said, and for how long: its last price, and the statements before it that may still be cancelled.
//!
//! Responsible for: the memory of one source, and which sources speak for themselves. Never decides what the index is.

use super::{PriceClass, PriceParams};
use crate::units::{Nanos, Price};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most sources of one underlying.
pub const MAX_SOURCES: usize = 16;
/// A market maker's or an order book's offer to trade.
pub const QUOTE: u8 = 0;
/// A trade that happened.
pub const TRADE: u8 = 1;
/// A value that an issuer signed.
pub const ISSUER_VALUE: u8 = 2;

/// A price as it came, and those that followed it within the sources' agreement: what a source takes back as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Price of the print that began it.
    pub first: Price,
    /// Venue time of that print.
    pub first_ns: Nanos,
    /// Journal time of that print.
    pub since_ns: Nanos,
    /// The last price.
    pub price: Price,
    /// When the source says that was.
    pub venue_time_ns: Nanos,
    /// The source's confidence in it.
    pub confidence_ppm: u32,
    /// Whether it may confirm a jump by its hold time: a quote, or an issuer's value.
    pub holds: bool,
    /// The index before it began ..
    pub index_before: Price,
    /// .. and the last external price.
    pub external_before: Price,
    /// Whether the index came to rest on it.
    pub moved: bool,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// The source.
    pub id: u32,
    /// Sources of one origin (operator, venue) count once; 0 is an origin of its own.
    pub origin: u32,
    /// A venue that trades while the primary market is closed.
    pub always_open: bool,
    /// Posted since the listing or the last restart.
    pub posted: bool,
    /// Oldest first, the last one is in force.
    pub statements: VecDeque<Statement>,
}

impl SourceState {
    /// A source that has not spoken yet.
    #[must_use]
    pub const fn new(id: u32, origin: u32, always_open: bool) -> Self {
        Self { id, origin, always_open, posted: false, statements: VecDeque::new() }
    }

    /// What it says now.
    #[must_use]
    pub fn current(&self) -> Option<&Statement> {
        self.statements.back()
    }

    /// Its last price; 0 before the first.
    #[must_use]
    pub fn price(&self) -> Price {
        self.current().map_or(0, |s| s.price)
    }

    /// Continues the statement in force, or begins a new one; at most `kept` are remembered.
    pub fn say(&mut self, said: Statement, params: &PriceParams) {
        let near = |s: &&mut Statement| super::near(said.price, s.first, params.source_agreement_ppm);
        if let Some(current) = self.statements.back_mut().filter(near) {
            (current.price, current.venue_time_ns) = (said.price, said.venue_time_ns);
            (current.confidence_ppm, current.holds) = (said.confidence_ppm, said.holds);
            return;
        }
        self.statements.push_back(said);
        while self.statements.len() > params.statements_kept as usize {
            self.statements.pop_front();
        }
    }
}

/// One fresh price: what the median is taken of.
#[derive(Clone, Copy, Default)]
pub(super) struct Quote {
    pub price: Price,
    pub source: u32,
    pub origin: u32,
    pub confidence_ppm: u32,
    pub venue_time_ns: Nanos,
    pub holds: bool,
}

/// Prices posted since the last restart that `counts`, one per origin (its latest), ascending by price.
pub(super) fn collect<'a>(
    sources: &[SourceState],
    params: &PriceParams,
    now: Nanos,
    counts: impl Fn(&SourceState, &Statement) -> bool,
    buffer: &'a mut [Quote; MAX_SOURCES],
) -> &'a [Quote] {
    let mut count = 0;
    for source in sources.iter().filter(|s| s.posted) {
        let Some(said) = source.current().filter(|said| counts(source, said)) else { continue };
        let quote = Quote {
            price: params.price_at(said, now),
            source: source.id,
            origin: source.origin,
            confidence_ppm: said.confidence_ppm,
            venue_time_ns: said.venue_time_ns,
            holds: said.holds,
        };
        let same = buffer[..count].iter().position(|q| q.origin != 0 && q.origin == quote.origin);
        match same {
            Some(at) if buffer[at].venue_time_ns >= quote.venue_time_ns => (),
            Some(at) => buffer[at] = quote,
            None => {
                buffer[count] = quote;
                count += 1;
            }
        }
    }
    let quotes = &mut buffer[..count];
    quotes.sort_unstable_by_key(|q| (q.price, q.source));
    quotes
}

impl PriceParams {
    /// A price as of `now`: a NAV grows from its venue time on, rounded down, to its greatest age.
    pub(super) fn price_at(&self, said: &Statement, now: Nanos) -> Price {
        use crate::units::{PPM, YEAR, div_floor, narrow};
        if self.class == PriceClass::Continuous {
            return said.price;
        }
        let age = now.saturating_sub(said.venue_time_ns).clamp(0, self.max_age_ns.max(0));
        let grown = (i128::from(said.price) * i128::from(self.accrual_ppm)).checked_mul(i128::from(age));
        let growth = grown.map(|product| div_floor(product, i128::from(PPM) * i128::from(YEAR)));
        // Within the bounds of a listing nothing overflows; beyond them the value just stays.
        growth.and_then(|growth| narrow(i128::from(said.price) + growth)).unwrap_or(said.price)
    }
}
