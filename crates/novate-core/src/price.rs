//! From raw prices of many sources to one index, and how far it can be trusted.
//!
//! Responsible for: which sources are fresh, the median and its confirmation, quality, confidence, and the prices
//! that margin and liquidation read. The gate's table, the stable price's window and the mark have files of their
//! own below this one. Never fetches a price, never knows a calendar, never values a position.
//!
//! In this ruleset the closed index is the last external price: no drift, no blend at the reopening.

mod mark;
mod quality;
mod stable;

pub use mark::MarkState;
pub use quality::{Action, Permission, Quality, permission};

use crate::command::{ConfigureVenue, ListUnderlying, PostPrice};
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::units::{Nanos, PPM, Ppm, Price, YEAR, div_floor, narrow};
use serde::{Deserialize, Serialize};
use stable::StableWindow;

/// Most sources of one underlying.
pub const MAX_SOURCES: usize = 16;

/// How an underlying gets its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PriceClass {
    /// Quotes and trades of markets.
    Continuous,
    /// A value the issuer signs now and then; it accrues in between and knows no closed session.
    Nav,
}

/// Price parameters of one underlying: its listing's, and the venue's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceParams {
    /// Continuous or NAV.
    pub class: PriceClass,
    /// Sources that make an index.
    pub quorum: u32,
    /// Of three or more sources, those further than this from the median are dropped.
    pub deviation_ppm: Ppm,
    /// A move of the median beyond this waits for its confirmation.
    pub jump_ppm: Ppm,
    /// Least plausible price.
    pub price_min: Price,
    /// Greatest plausible price.
    pub price_max: Price,
    /// NAV: simple growth a year between two values.
    pub accrual_ppm: Ppm,
    /// NAV: age at which a value stops being fresh.
    pub max_age_ns: Nanos,
    /// Age at which a source is flagged.
    pub flag_after_ns: Nanos,
    /// Age at which a source stops being fresh.
    pub drop_after_ns: Nanos,
    /// Length of the stable price's mean.
    pub stable_window_ns: Nanos,
    /// How near two sources are that agree.
    pub source_agreement_ppm: Ppm,
    /// A lone source's jump is confirmed after this time ..
    pub confirm_after_ns: Nanos,
    /// .. and this many prices of ascending venue times.
    pub confirm_quotes: u32,
}

impl PriceParams {
    /// The parameters as listed. Their bounds are checked with the listing.
    #[must_use]
    pub const fn of(listing: &ListUnderlying, venue: &ConfigureVenue) -> Self {
        Self {
            class: if listing.price_class == 1 { PriceClass::Nav } else { PriceClass::Continuous },
            quorum: listing.quorum,
            deviation_ppm: listing.deviation_ppm,
            jump_ppm: listing.jump_ppm,
            price_min: listing.price_min,
            price_max: listing.price_max,
            accrual_ppm: listing.accrual_ppm,
            max_age_ns: listing.max_age_ns,
            flag_after_ns: venue.flag_after_ns,
            drop_after_ns: venue.drop_after_ns,
            stable_window_ns: venue.stable_window_ns,
            source_agreement_ppm: venue.source_agreement_ppm,
            confirm_after_ns: venue.confirm_after_ns,
            confirm_quotes: venue.confirm_quotes,
        }
    }

    const fn fresh_for(&self) -> Nanos {
        match self.class {
            PriceClass::Continuous => self.drop_after_ns,
            PriceClass::Nav => self.max_age_ns,
        }
    }

    /// A source's price as of `now`: a NAV grows from its venue time on, rounded down, to its greatest age.
    fn price_at(&self, source: &SourceState, now: Nanos) -> Price {
        if self.class == PriceClass::Continuous {
            return source.price;
        }
        let age = now.saturating_sub(source.venue_time_ns).clamp(0, self.max_age_ns.max(0));
        let grown = (i128::from(source.price) * i128::from(self.accrual_ppm)).checked_mul(i128::from(age));
        let growth = grown.map(|product| div_floor(product, i128::from(PPM) * i128::from(YEAR)));
        // Within the bounds of a listing nothing overflows; beyond them the value just stays.
        growth.and_then(|growth| narrow(i128::from(source.price) + growth)).unwrap_or(source.price)
    }
}

/// The last price of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// The source.
    pub id: u32,
    /// Its last price; 0 before the first.
    pub price: Price,
    /// When the source says it was.
    pub venue_time_ns: Nanos,
    /// The source's confidence in it.
    pub confidence_ppm: u32,
    /// Posted since the listing or the last restart.
    pub posted: bool,
}

/// A lone source's jump that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingJump {
    /// The source.
    pub source: u32,
    /// Its last price beyond the limit.
    pub candidate: Price,
    /// Journal time at which it went there.
    pub since_ns: Nanos,
    /// Prices of ascending venue times since, the first one included.
    pub advancing: u32,
    /// Venue time of the last of them.
    pub venue_time_ns: Nanos,
}

/// Index, quality and sources of one underlying. Values are those of the last `refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceState {
    /// Ascending by id.
    sources: Vec<SourceState>,
    index: Price,
    index_time_ns: Nanos,
    last_external: Price,
    quality: Quality,
    confidence_ppm: u32,
    fresh_sources: u16,
    unflagged_sources: u16,
    /// Of the fresh, those not dropped for their distance from the median ..
    used_sources: u16,
    /// .. and of these, those that agree with the index.
    agreeing_sources: u16,
    awaiting_quorum: bool,
    pending: Option<PendingJump>,
    stable: Price,
    /// `None` before the first index.
    window: Option<StableWindow>,
}

impl Default for PriceState {
    fn default() -> Self {
        Self::new()
    }
}

/// One fresh price: what the median is taken of.
#[derive(Clone, Copy, Default)]
struct Quote {
    price: Price,
    source: u32,
    confidence_ppm: u32,
    venue_time_ns: Nanos,
}

/// What the fresh sources say together.
struct Consensus<'a> {
    /// The median of `used`.
    price: Price,
    /// Those within the deviation of the first median.
    used: &'a [Quote],
    /// They are most of the fresh ones, and the middle ones are near each other.
    agreed: bool,
}

impl PriceState {
    /// No source, no price.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sources: Vec::new(),
            index: 0,
            index_time_ns: 0,
            last_external: 0,
            quality: Quality::Stale,
            confidence_ppm: PPM as u32,
            fresh_sources: 0,
            unflagged_sources: 0,
            used_sources: 0,
            agreeing_sources: 0,
            awaiting_quorum: true,
            pending: None,
            stable: 0,
            window: None,
        }
    }

    /// Adds a source.
    ///
    /// # Errors
    /// `id_must_be_new`; `parameter_must_be_within_bounds` beyond `MAX_SOURCES`. Nothing is written.
    pub fn add_source(&mut self, id: u32) -> Result<(), Refusal> {
        let Err(place) = self.sources.binary_search_by_key(&id, |s| s.id) else {
            return Err(Reject::id_must_be_new.at(2, i64::from(id), 0));
        };
        let (count, limit) = (self.sources.len() + 1, MAX_SOURCES);
        require(count <= limit, Reject::parameter_must_be_within_bounds.at(2, count as i64, limit as i64))?;
        let source = SourceState { id, price: 0, venue_time_ns: 0, confidence_ppm: 0, posted: false };
        self.sources.insert(place, source);
        Ok(())
    }

    /// Records a source's price. The index is untouched until `refresh`.
    ///
    /// # Errors
    /// `source_must_exist`, `price_must_be_positive_and_plausible`, `price_must_not_be_from_the_future`,
    /// `price_time_must_not_run_backwards`, `confidence_must_be_a_fraction`; nothing is written.
    pub fn post(&mut self, params: &PriceParams, post: &PostPrice, now: Nanos) -> Result<(), Refusal> {
        let Ok(place) = self.sources.binary_search_by_key(&post.source, |s| s.id) else {
            return Err(Reject::source_must_exist.at(2, i64::from(post.source), 0));
        };
        let source = &mut self.sources[place];
        let (price, time) = (post.price, post.venue_time_ns);
        let least = params.price_min.max(1);
        require(price >= least, Reject::price_must_be_positive_and_plausible.at(3, price, least))?;
        let greatest = params.price_max;
        require(price <= greatest, Reject::price_must_be_positive_and_plausible.at(3, price, greatest))?;
        require(time <= now, Reject::price_must_not_be_from_the_future.at(8, time, now))?;
        let last = if source.price == 0 { Nanos::MIN } else { source.venue_time_ns };
        require(time >= last, Reject::price_time_must_not_run_backwards.at(8, time, last))?;
        let confidence = i64::from(post.confidence_ppm);
        require(confidence <= PPM, Reject::confidence_must_be_a_fraction.at(4, confidence, PPM))?;
        source.price = price;
        source.venue_time_ns = time;
        source.confidence_ppm = post.confidence_ppm;
        source.posted = true;
        Ok(())
    }

    /// Recomputes everything for `now`: after each accepted price, on each `AdvanceTime`, after each change of
    /// session. Returns whether index, stable price, quality, confidence or the number of fresh sources changed.
    ///
    /// Sources are fresh by venue time. With none: stale. Their median is the candidate (of two middle prices the
    /// one nearer the last index, else the lower); of three or more, those too far from it are dropped and it is
    /// taken again. Suspect: not more than half of the fresh remain, or two middle prices that don't agree.
    /// Degraded: fewer than the quorum remain. A candidate beyond the jump limit stays suspect until another
    /// source agrees with it or, at quorum 1, the lone source stays beyond the limit for the stated time and
    /// number of prices. Otherwise the candidate is the index, live. Before the first quorum, and before the first
    /// after a restart, the price is stale instead of suspect or degraded. A NAV ignores closed sessions.
    pub fn refresh(&mut self, params: &PriceParams, session: Session, now: Nanos) -> bool {
        let before = (self.index, self.stable, self.quality, self.confidence_ppm, self.fresh_sources);
        if let Some(window) = &mut self.window {
            window.observe(self.index, params.stable_window_ns, now);
        }
        let mut buffer = [Quote::default(); MAX_SOURCES];
        let fresh = self.collect(params, params.fresh_for(), now, &mut buffer);
        self.fresh_sources = fresh.len() as u16;
        self.unflagged_sources =
            fresh.iter().filter(|q| now.saturating_sub(q.venue_time_ns) <= params.flag_after_ns).count() as u16;
        let consensus = settled(fresh, params, self.index);
        let used = consensus.as_ref().map_or(&[][..], |c| c.used);
        self.quality = match session {
            Session::Halted => self.hold(Quality::Halted),
            Session::Closed if params.class == PriceClass::Continuous => self.refresh_closed(params, now),
            _ => self.refresh_open(params, consensus.as_ref(), now),
        };
        self.used_sources = used.len() as u16;
        self.agreeing_sources =
            used.iter().filter(|q| near(q.price, self.index, params.source_agreement_ppm)).count() as u16;
        self.confidence_ppm = used.iter().map(|q| q.confidence_ppm).min().unwrap_or(PPM as u32);
        self.stable = self.window.as_ref().and_then(StableWindow::mean).unwrap_or(self.index);
        before != (self.index, self.stable, self.quality, self.confidence_ppm, self.fresh_sources)
    }

    /// After a restart: no source counts until it posts again, and the price is stale until a quorum does. A source
    /// may repeat its last price.
    pub fn forget(&mut self) {
        for source in &mut self.sources {
            source.posted = false;
        }
        self.awaiting_quorum = true;
        self.pending = None;
        self.quality = Quality::Stale;
        (self.fresh_sources, self.unflagged_sources, self.used_sources, self.agreeing_sources) = (0, 0, 0, 0);
        self.confidence_ppm = PPM as u32;
    }

    /// The last confirmed index; 0 before the first.
    #[must_use]
    pub const fn index(&self) -> Price {
        self.index
    }

    /// Journal time at which the index was last confirmed.
    #[must_use]
    pub const fn index_time_ns(&self) -> Nanos {
        self.index_time_ns
    }

    /// The last index that outside prices confirmed: what a closed market is valued at.
    #[must_use]
    pub const fn last_external(&self) -> Price {
        self.last_external
    }

    /// What the index is good for.
    #[must_use]
    pub const fn quality(&self) -> Quality {
        self.quality
    }

    /// Least confidence of the sources behind the median; one million when there is none.
    #[must_use]
    pub const fn confidence_ppm(&self) -> Ppm {
        self.confidence_ppm as Ppm
    }

    /// How many sources are young enough to count.
    #[must_use]
    pub const fn fresh_sources(&self) -> u16 {
        self.fresh_sources
    }

    /// How many of the fresh sources are below the flagging age.
    #[must_use]
    pub const fn unflagged_sources(&self) -> u16 {
        self.unflagged_sources
    }

    /// Whether a quorum is yet to come, the first one or the first since a restart.
    #[must_use]
    pub const fn awaiting_quorum(&self) -> bool {
        self.awaiting_quorum
    }

    /// A lone source's jump that waits for its confirmation.
    #[must_use]
    pub const fn pending(&self) -> Option<&PendingJump> {
        self.pending.as_ref()
    }

    /// The sources, ascending by id.
    #[must_use]
    pub fn sources(&self) -> &[SourceState] {
        &self.sources
    }

    /// Time-weighted mean of the confirmed index over the stable window, rounded to nearest; the index itself until
    /// time has passed since the first one.
    #[must_use]
    pub const fn stable(&self) -> Price {
        self.stable
    }

    /// What long exposure counts at initial: the least of index, stable price and, while closed, last external.
    #[must_use]
    pub fn long_price(&self) -> Price {
        self.index.min(self.stable).min(self.external_or_index())
    }

    /// What short exposure counts at initial: the greatest of index, stable price and, while closed, last external.
    #[must_use]
    pub fn short_price(&self) -> Price {
        self.index.max(self.stable).max(self.external_or_index())
    }

    /// The slower price: of index and stable price the better for an account with exposure of this sign.
    #[must_use]
    pub fn slower_price(&self, exposure_sign: i32) -> Price {
        match exposure_sign {
            1.. => self.index.max(self.stable),
            0 => self.index,
            _ => self.index.min(self.stable),
        }
    }

    /// Whether a liquidation must use the slower price: the index counts only when three sources, or two that agree
    /// with it, stand behind a live price, and in a closed market, where it is the last external price.
    #[must_use]
    pub fn liquidation_uses_slower(&self) -> bool {
        match self.quality {
            Quality::Live => self.used_sources < 3 && self.agreeing_sources < 2,
            Quality::Closed => false,
            Quality::Degraded | Quality::Suspect | Quality::Stale | Quality::Halted => true,
        }
    }

    /// The gate's cell for the present quality.
    #[must_use]
    pub const fn permission(&self, action: Action) -> Permission {
        permission(self.quality, action)
    }

    fn external_or_index(&self) -> Price {
        if self.quality == Quality::Closed { self.last_external } else { self.index }
    }

    /// Prices posted since the last restart and not older than `limit`, ascending.
    fn collect<'a>(
        &self,
        params: &PriceParams,
        limit: Nanos,
        now: Nanos,
        buffer: &'a mut [Quote; MAX_SOURCES],
    ) -> &'a [Quote] {
        let mut count = 0;
        for s in self.sources.iter().filter(|s| s.posted && now.saturating_sub(s.venue_time_ns) <= limit) {
            buffer[count] = Quote {
                price: params.price_at(s, now),
                source: s.id,
                confidence_ppm: s.confidence_ppm,
                venue_time_ns: s.venue_time_ns,
            };
            count += 1;
        }
        let quotes = &mut buffer[..count];
        quotes.sort_unstable_by_key(|q| (q.price, q.source));
        quotes
    }

    fn refresh_open(&mut self, params: &PriceParams, consensus: Option<&Consensus<'_>>, now: Nanos) -> Quality {
        let Some(consensus) = consensus else { return self.hold(Quality::Stale) };
        let short = if !consensus.agreed {
            Some(Quality::Suspect)
        } else if consensus.used.len() < params.quorum as usize {
            Some(Quality::Degraded)
        } else {
            None
        };
        if let Some(quality) = short {
            return self.hold(if self.awaiting_quorum { Quality::Stale } else { quality });
        }
        self.awaiting_quorum = false;
        if self.index != 0 && !self.jump_is_confirmed(params, consensus, now) {
            return Quality::Suspect;
        }
        self.confirm(consensus.price, now);
        Quality::Live
    }

    /// Posts don't move a closed market's index. Only a first price, or a restart, needs them: a quorum of posts,
    /// however old their venue times, that agree with each other and, after a restart, with the index.
    fn refresh_closed(&mut self, params: &PriceParams, now: Nanos) -> Quality {
        if self.awaiting_quorum {
            let mut buffer = [Quote::default(); MAX_SOURCES];
            let posted = self.collect(params, Nanos::MAX, now, &mut buffer);
            let agreed = agree(posted, params, self.index).filter(|c| {
                let known = self.index == 0 || near(c.price, self.index, params.source_agreement_ppm);
                c.agreed && known && c.used.len() >= params.quorum as usize
            });
            let Some(consensus) = agreed else { return self.hold(Quality::Stale) };
            self.awaiting_quorum = false;
            if self.index == 0 {
                self.confirm(consensus.price, now);
            }
        }
        self.hold(Quality::Closed)
    }

    /// The index stays, and no jump is waiting any more.
    fn hold(&mut self, quality: Quality) -> Quality {
        self.pending = None;
        quality
    }

    fn confirm(&mut self, price: Price, now: Nanos) {
        self.index = price;
        self.index_time_ns = now;
        self.last_external = price;
        self.pending = None;
        if self.window.is_none() {
            self.window = Some(StableWindow::starting(now));
        }
    }

    fn jump_is_confirmed(&mut self, params: &PriceParams, c: &Consensus<'_>, now: Nanos) -> bool {
        if near(c.price, self.index, params.jump_ppm) {
            return true;
        }
        let supporters = c.used.iter().filter(|q| near(q.price, c.price, params.source_agreement_ppm)).count();
        if supporters >= 2 {
            return true;
        }
        // One source that agrees with itself is all there is, and passed the quorum: the listing's quorum is 1.
        let [lone] = c.used else {
            self.pending = None;
            return false;
        };
        self.wait_for_lone_source(*lone, now);
        self.pending.as_ref().is_some_and(|jump| {
            now.saturating_sub(jump.since_ns) >= params.confirm_after_ns && jump.advancing >= params.confirm_quotes
        })
    }

    /// Counts one more price of a jump that the same source keeps up on the same side, or starts a new count.
    fn wait_for_lone_source(&mut self, quote: Quote, now: Nanos) {
        let up = quote.price > self.index;
        let same = |jump: &&mut PendingJump| jump.source == quote.source && (jump.candidate > self.index) == up;
        if let Some(jump) = self.pending.as_mut().filter(same) {
            jump.advancing = jump.advancing.saturating_add(u32::from(quote.venue_time_ns > jump.venue_time_ns));
            jump.venue_time_ns = quote.venue_time_ns;
            jump.candidate = quote.price;
            return;
        }
        self.pending = Some(PendingJump {
            source: quote.source,
            candidate: quote.price,
            since_ns: now,
            advancing: 1,
            venue_time_ns: quote.venue_time_ns,
        });
    }
}

/// Whether `price` lies within `ppm` of `base`.
fn near(price: Price, base: Price, ppm: Ppm) -> bool {
    let distance = (i128::from(price) - i128::from(base)).abs();
    distance * i128::from(PPM) <= i128::from(base) * i128::from(ppm)
}

/// The middle price of ascending quotes; of two middle ones the nearer to `index`, else the lower.
fn median(quotes: &[Quote], index: Price) -> Price {
    let (low, high) = middle(quotes);
    let distance = |price: Price| (i128::from(price) - i128::from(index)).abs();
    if distance(high) < distance(low) { high } else { low }
}

fn middle(quotes: &[Quote]) -> (Price, Price) {
    (quotes[(quotes.len() - 1) / 2].price, quotes[quotes.len() / 2].price)
}

/// What fresh quotes say together once it no longer depends on the last index: of two middle prices the nearer one is taken,
/// so a confirmed price may itself decide the next choice, and the same quotes must not move the index twice.
fn settled<'a>(fresh: &'a [Quote], params: &PriceParams, index: Price) -> Option<Consensus<'a>> {
    let mut found = agree(fresh, params, index)?;
    for _ in 0..MAX_SOURCES {
        let again = agree(fresh, params, found.price)?;
        if again.price == found.price {
            return Some(again);
        }
        found = again;
    }
    Some(found)
}

/// What ascending fresh quotes say together; `None` when there are none.
fn agree<'a>(fresh: &'a [Quote], params: &PriceParams, index: Price) -> Option<Consensus<'a>> {
    if fresh.is_empty() {
        return None;
    }
    let first = median(fresh, index);
    let mut used = fresh;
    if fresh.len() >= 3 {
        let kept = |q: &Quote| near(q.price, first, params.deviation_ppm);
        // Ascending, so those kept lie together; the median itself is one of them.
        let from = fresh.iter().position(kept)?;
        let to = fresh.iter().rposition(kept)?;
        used = &fresh[from..=to];
    }
    let price = median(used, index);
    let (low, high) = middle(used);
    let middle_agrees = near(low, price, params.source_agreement_ppm) && near(high, price, params.source_agreement_ppm);
    Some(Consensus { price, used, agreed: used.len() * 2 > fresh.len() && middle_agrees })
}

#[cfg(test)]
mod tests;
