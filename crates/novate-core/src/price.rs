//! From raw prices of many sources to one index, and how far it can be trusted.
//!
//! Responsible for: which sources are fresh, the median and its confirmation, closed and reopening hours, quality, confidence,
//! and the prices that margin and liquidation read. The gate's table, sources, jumps, the drift of closed hours, changes of
//! the past, the stable price's window and the mark have files of their own below this one. Never fetches a price, never
//! knows a calendar, never values a position.

mod cancel;
pub mod closed;
mod jump;
mod mark;
mod quality;
mod rescale;
mod source;
mod stable;

pub use closed::{Drift, DriftParams};
pub use jump::{Holder, PendingJump};
pub use mark::MarkState;
pub use rescale::ActionRatio;
pub use quality::{Action, Permission, Quality, permission};
pub use source::{ISSUER_VALUE, MAX_SOURCES, QUOTE, SourceState, Statement, TRADE};

use crate::command::{ConfigurePrices, ConfigureVenue, ListUnderlying, PostPrice};
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::units::{Nanos, PPM, Ppm, Price, div_nearest};
use serde::{Deserialize, Serialize};
use source::{Quote, collect};
use stable::StableWindow;

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
    /// Quotes and trades of fewer micro-dollars neither move nor confirm anything.
    pub min_size: i64,
    /// Age at which a source is flagged.
    pub flag_after_ns: Nanos,
    /// Age at which a source stops being fresh.
    pub drop_after_ns: Nanos,
    /// Length of the stable price's mean.
    pub stable_window_ns: Nanos,
    /// How near two sources are that agree.
    pub source_agreement_ppm: Ppm,
    /// A jump that its sources keep up is confirmed after this time ..
    pub confirm_after_ns: Nanos,
    /// .. and this many quotes of ascending venue times.
    pub confirm_quotes: u32,
    /// Statements of a source that may still be cancelled.
    pub statements_kept: u32,
    /// Outside venues that make an index while the primary market is closed.
    pub venues_while_closed: u32,
    /// A longer closure ends with a suspect index ..
    pub long_closure_ns: Nanos,
    /// .. for this long in overnight trading.
    pub reopening_ns: Nanos,
    /// Time over which the index blends to the external price.
    pub blend_ns: Nanos,
    /// Drift of closed hours.
    pub drift: DriftParams,
}

impl PriceParams {
    /// The parameters as listed. Their bounds are checked with the listing.
    #[must_use]
    pub const fn of(listing: &ListUnderlying, venue: &ConfigureVenue, prices: &ConfigurePrices) -> Self {
        Self {
            class: if listing.price_class == 1 { PriceClass::Nav } else { PriceClass::Continuous },
            quorum: listing.quorum,
            deviation_ppm: listing.deviation_ppm,
            jump_ppm: listing.jump_ppm,
            price_min: listing.price_min,
            price_max: listing.price_max,
            accrual_ppm: listing.accrual_ppm,
            max_age_ns: listing.max_age_ns,
            min_size: listing.min_size,
            flag_after_ns: venue.flag_after_ns,
            drop_after_ns: venue.drop_after_ns,
            stable_window_ns: venue.stable_window_ns,
            source_agreement_ppm: venue.source_agreement_ppm,
            confirm_after_ns: venue.confirm_after_ns,
            confirm_quotes: venue.confirm_quotes,
            statements_kept: prices.statements_kept,
            venues_while_closed: prices.venues_while_closed,
            long_closure_ns: prices.long_closure_ns,
            reopening_ns: prices.reopening_ns,
            blend_ns: prices.blend_ns,
            drift: DriftParams {
                bound_ppm: listing.discovery_ppm,
                re_anchors: listing.re_anchors,
                re_anchor_at_ppm: prices.re_anchor_at_ppm,
                time_ns: prices.drift_ns,
            },
        }
    }

    const fn fresh_for(&self) -> Nanos {
        match self.class {
            PriceClass::Continuous => self.drop_after_ns,
            PriceClass::Nav => self.max_age_ns,
        }
    }
}

/// A reopening's way from the closed index to the external price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blend {
    /// The index when it began.
    pub from: Price,
    /// When.
    pub since_ns: Nanos,
}

/// What became of a posted price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is what its source says now.
    Counted,
    /// Smaller than the listed minimum: journaled, and nothing else.
    TooSmall,
}

/// Index, quality and sources of one underlying. Values are those of the last `refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceState {
    /// Ascending by id.
    sources: Vec<SourceState>,
    index: Price,
    index_time_ns: Nanos,
    last_external: Price,
    /// What the fresh sources say together, confirmed or not; 0 when there are none.
    current: Price,
    quality: Quality,
    confidence_ppm: u32,
    fresh_sources: u16,
    unflagged_sources: u16,
    /// Of the fresh, those not dropped for their distance from the median ..
    used_sources: u16,
    /// .. and of these, those that agree with the index.
    agreeing_sources: u16,
    /// The confirmed price before the last move that two sources alone made: what they must agree with ..
    witnessed_index: Price,
    /// .. and since when the index has stood off it; `None` while it does not.
    unwitnessed_since_ns: Option<Nanos>,
    /// Whether two sources agree with `witnessed_index`.
    witnessed: bool,
    awaiting_quorum: bool,
    pending: Option<PendingJump>,
    /// Since when no outside price has confirmed the index because the market is closed.
    closed_since_ns: Option<Nanos>,
    /// When the market that was closed opened; `None` while closed, and once an outside price confirmed the index.
    opened_ns: Option<Nanos>,
    /// While closed, from the first look at the venue's own book on.
    drift: Option<Drift>,
    blend: Option<Blend>,
    stable: Price,
    /// `None` before the first index.
    window: Option<StableWindow>,
    /// Splits whose other scale is guarded against.
    action_ratios: Vec<ActionRatio>,
}

impl Default for PriceState {
    fn default() -> Self {
        Self::new()
    }
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
            current: 0,
            quality: Quality::Stale,
            confidence_ppm: PPM as u32,
            fresh_sources: 0,
            unflagged_sources: 0,
            used_sources: 0,
            agreeing_sources: 0,
            witnessed_index: 0,
            unwitnessed_since_ns: None,
            witnessed: false,
            awaiting_quorum: true,
            pending: None,
            closed_since_ns: None,
            opened_ns: None,
            drift: None,
            blend: None,
            stable: 0,
            window: None,
            action_ratios: Vec::new(),
        }
    }

    /// Adds a source. Sources of one origin count once; 0 is an origin of its own.
    ///
    /// # Errors
    /// `id_must_be_new`; `parameter_must_be_within_bounds` beyond `MAX_SOURCES`. Nothing is written.
    pub fn add_source(&mut self, id: u32, origin: u32, always_open: bool) -> Result<(), Refusal> {
        let Err(place) = self.sources.binary_search_by_key(&id, |s| s.id) else {
            return Err(Reject::id_must_be_new.at(2, i64::from(id), 0));
        };
        let (count, limit) = (self.sources.len() + 1, MAX_SOURCES);
        require(count <= limit, Reject::parameter_must_be_within_bounds.at(2, count as i64, limit as i64))?;
        self.sources.insert(place, SourceState::new(id, origin, always_open));
        Ok(())
    }

    /// Records a source's price. The index is untouched until `refresh`. A print below the minimum size changes nothing.
    ///
    /// # Errors
    /// `source_must_exist`, `price_must_be_positive_and_plausible`, `price_must_not_be_from_the_future`,
    /// `price_time_must_not_run_backwards`, `confidence_must_be_a_fraction`, `price_kind_must_fit_its_class`; nothing is
    /// written.
    pub fn post(&mut self, params: &PriceParams, post: &PostPrice, now: Nanos) -> Result<Posted, Refusal> {
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
        let last = source.current().map_or(Nanos::MIN, |s| s.venue_time_ns);
        require(time >= last, Reject::price_time_must_not_run_backwards.at(8, time, last))?;
        let confidence = i64::from(post.confidence_ppm);
        require(confidence <= PPM, Reject::confidence_must_be_a_fraction.at(4, confidence, PPM))?;
        let nav = params.class == PriceClass::Nav;
        let fits = if nav { post.price_kind == ISSUER_VALUE } else { post.price_kind <= TRADE };
        require(fits, Reject::price_kind_must_fit_its_class.at(5, i64::from(post.price_kind), i64::from(ISSUER_VALUE)))?;
        if !nav && post.size < params.min_size {
            return Ok(Posted::TooSmall);
        }
        let said = Statement {
            first: price,
            first_ns: time,
            since_ns: now,
            price,
            venue_time_ns: time,
            confidence_ppm: post.confidence_ppm,
            holds: post.price_kind != TRADE,
            index_before: self.index,
            external_before: self.last_external,
            moved: false,
        };
        source.say(said, params);
        source.posted = true;
        Ok(Posted::Counted)
    }

    /// Recomputes everything for `now`: after each accepted price, on each `AdvanceTime`, after each change of
    /// session. Returns whether index, stable price, quality, confidence or the number of fresh sources changed, or a
    /// reopening begins or ends.
    ///
    /// Sources are fresh by venue time, one per origin. With none: stale. Their median is the candidate (of two middle
    /// prices the one nearer the last index, else the lower); of three or more, those too far from it are dropped and it is
    /// taken again. Suspect: not more than half of the fresh remain, or two middle prices that don't agree.
    /// Degraded: fewer than the quorum remain. A candidate beyond the jump limit stays suspect until it is confirmed
    /// (`jump`). Otherwise the candidate is the index, live. Before the first quorum, and before the first after a restart,
    /// the price is stale instead of suspect or degraded. While closed only venues that never close count, and the listed
    /// number of them must. A NAV ignores closed sessions.
    pub fn refresh(&mut self, params: &PriceParams, session: Session, now: Nanos) -> bool {
        let seen = |p: &Self| (p.index, p.stable, p.quality, p.confidence_ppm, p.fresh_sources, p.blend.is_some());
        let (before, index_before) = (seen(self), self.index);
        if let Some(window) = &mut self.window {
            window.observe(self.index, params.stable_window_ns, now);
        }
        let closed = session == Session::Closed && params.class == PriceClass::Continuous;
        let mut buffer = [Quote::default(); MAX_SOURCES];
        let young = |s: &SourceState, said: &Statement| {
            now.saturating_sub(said.venue_time_ns) <= params.fresh_for() && (!closed || s.always_open) && !self.is_other_scale(said.price, now)
        };
        let fresh = collect(&self.sources, params, now, young, &mut buffer);
        self.fresh_sources = fresh.len() as u16;
        self.unflagged_sources =
            fresh.iter().filter(|q| now.saturating_sub(q.venue_time_ns) <= params.flag_after_ns).count() as u16;
        let consensus = settled(fresh, params, self.last_external);
        let used = consensus.as_ref().map_or(&[][..], |c| c.used);
        self.current = consensus.as_ref().map_or(0, |c| c.price);
        self.keep_reopening(params, session, now);
        let outside = fresh.len() >= params.venues_while_closed as usize;
        self.quality = match session {
            Session::Halted => self.hold(Quality::Halted),
            Session::Closed if closed && (self.awaiting_quorum || !outside) => self.refresh_closed(params, now),
            _ => self.refresh_open(params, session, consensus.as_ref(), now),
        };
        self.used_sources = used.len() as u16;
        self.agreeing_sources =
            used.iter().filter(|q| near(q.price, self.index, params.source_agreement_ppm)).count() as u16;
        self.witness(params, used, now);
        self.confidence_ppm = used.iter().map(|q| q.confidence_ppm).min().unwrap_or(PPM as u32);
        if self.index != index_before {
            self.remember_who_moved(params);
        }
        self.stable = self.window.as_ref().and_then(StableWindow::mean).unwrap_or(self.index);
        before != seen(self)
    }

    /// The closed index drifts towards the venue's own impact price for the time that has passed. Called before `refresh`.
    pub fn drift_towards(&mut self, params: &PriceParams, impact: Option<Price>, now: Nanos) {
        if self.quality != Quality::Closed || self.index == 0 {
            return;
        }
        if let Some(window) = &mut self.window {
            window.observe(self.index, params.stable_window_ns, now);
        }
        let (index, since) = (self.index, self.closed_since_ns.unwrap_or(now));
        let drift = self.drift.get_or_insert_with(|| Drift::from(index, since));
        self.index = drift.towards(impact, &params.drift, now);
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
        self.current = 0;
        (self.fresh_sources, self.unflagged_sources, self.used_sources, self.agreeing_sources) = (0, 0, 0, 0);
        self.witnessed = false;
        self.confidence_ppm = PPM as u32;
    }

    /// A price that two people decided for a halted name: index, last external and stable price from now on.
    pub fn decide(&mut self, price: Price, now: Nanos) {
        self.confirm(price, now);
        self.window = Some(StableWindow::starting(now));
        self.stable = price;
        (self.witnessed_index, self.unwitnessed_since_ns) = (price, None);
    }

    /// The index; 0 before the first. Confirmed, or while closed drifted and while reopening blended.
    #[must_use]
    pub const fn index(&self) -> Price {
        self.index
    }

    /// Journal time at which the index was last confirmed.
    #[must_use]
    pub const fn index_time_ns(&self) -> Nanos {
        self.index_time_ns
    }

    /// The last index that outside prices confirmed: the maintenance price of every quality.
    #[must_use]
    pub const fn last_external(&self) -> Price {
        self.last_external
    }

    /// What the fresh sources say together, confirmed or not; 0 when there are none.
    #[must_use]
    pub const fn current(&self) -> Price {
        self.current
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

    /// A jump that waits for its confirmation.
    #[must_use]
    pub const fn pending(&self) -> Option<&PendingJump> {
        self.pending.as_ref()
    }

    /// The drift of a closed market.
    #[must_use]
    pub const fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// The sources, ascending by id.
    #[must_use]
    pub fn sources(&self) -> &[SourceState] {
        &self.sources
    }

    /// Time-weighted mean of the index over the stable window, rounded to nearest; the index itself until time has passed
    /// since the first one.
    #[must_use]
    pub const fn stable(&self) -> Price {
        self.stable
    }

    /// Whether the index has drifted from the last external price.
    #[must_use]
    pub fn is_adrift(&self) -> bool {
        self.quality == Quality::Closed && self.index != self.last_external
    }

    /// Whether the market closed and no external price has confirmed the index since.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.closed_since_ns.is_some()
    }

    /// Whether the index is on its way to the external price.
    #[must_use]
    pub const fn blending(&self) -> bool {
        self.blend.is_some()
    }

    /// Whether the confirmed price may be old or wrong: withdrawals and loans then look at the current one too.
    #[must_use]
    pub const fn is_doubtful(&self) -> bool {
        !matches!(self.quality, Quality::Live | Quality::Closed)
    }

    /// Prices of a long and of a short exposure at initial: the least and the greatest of index, stable and last external
    /// price; in a blend of the external price too, and for a withdrawal of what the sources say now where that is in doubt.
    #[must_use]
    pub fn initial_prices(&self, withdrawal: bool) -> (Price, Price) {
        let low = self.index.min(self.stable).min(self.last_external);
        let high = self.index.max(self.stable).max(self.last_external);
        if self.current != 0 && (self.blending() || (withdrawal && self.is_doubtful())) {
            return (low.min(self.current), high.max(self.current));
        }
        (low, high)
    }

    /// What long exposure counts at initial.
    #[must_use]
    pub fn long_price(&self) -> Price {
        self.initial_prices(false).0
    }

    /// What short exposure counts at initial.
    #[must_use]
    pub fn short_price(&self) -> Price {
        self.initial_prices(false).1
    }

    /// The slower price: of the confirmed and the stable price the better for an account with exposure of this sign.
    #[must_use]
    pub fn slower_price(&self, exposure_sign: i32) -> Price {
        match exposure_sign {
            1.. => self.last_external.max(self.stable),
            0 => self.last_external,
            _ => self.last_external.min(self.stable),
        }
    }

    /// Whether a liquidation must use the slower price: the index counts only when three sources stand behind a live price, or
    /// two that agree with the price confirmed before its last move, and in a closed market, where it is the last external price.
    #[must_use]
    pub fn liquidation_uses_slower(&self) -> bool {
        match self.quality {
            Quality::Live => self.used_sources < 3 && !self.witnessed,
            Quality::Closed => false,
            Quality::Degraded | Quality::Suspect | Quality::Stale | Quality::Halted => true,
        }
    }

    /// The gate's cell for the present quality. While the index blends nothing leaves, is lent, issued or liquidated.
    #[must_use]
    pub const fn permission(&self, action: Action) -> Permission {
        match action {
            Action::Withdraw | Action::Borrow | Action::Mint | Action::Liquidate if self.blending() => Permission::No,
            _ => permission(self.quality, action),
        }
    }

    /// Follows the session into a closure, out of it, and to the end of a blend.
    fn keep_reopening(&mut self, params: &PriceParams, session: Session, now: Nanos) {
        if self.closed_since_ns.is_none() {
            return;
        }
        match session {
            Session::Closed => (self.opened_ns, self.blend) = (None, None),
            Session::Halted => self.blend = None,
            _ => self.opened_ns = self.opened_ns.or(Some(now)),
        }
        if self.blend.is_some_and(|b| now.saturating_sub(b.since_ns) >= params.blend_ns) {
            self.end_closure();
        }
    }

    fn end_closure(&mut self) {
        (self.closed_since_ns, self.opened_ns, self.blend, self.drift) = (None, None, None, None);
    }

    /// After a long closure overnight trading is believed only after a while.
    fn reopens_too_early(&self, params: &PriceParams, session: Session, now: Nanos) -> bool {
        let (Some(closed), Some(opened)) = (self.closed_since_ns, self.opened_ns) else { return false };
        session == Session::Overnight
            && opened.saturating_sub(closed) > params.long_closure_ns
            && now.saturating_sub(opened) < params.reopening_ns
    }

    fn refresh_open(&mut self, params: &PriceParams, session: Session, consensus: Option<&Consensus<'_>>, now: Nanos) -> Quality {
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
        if self.reopens_too_early(params, session, now) {
            return self.hold(Quality::Suspect);
        }
        if self.index != 0 && !self.jump_is_confirmed(params, consensus, now) {
            return Quality::Suspect;
        }
        let opening = self.index != 0 && self.opened_ns.is_some() && matches!(session, Session::Pre | Session::Regular);
        if opening && params.blend_ns > 0 {
            self.blend_towards(params, consensus.price, now);
        } else {
            self.confirm(consensus.price, now);
        }
        Quality::Live
    }

    /// The index goes in a straight line from where it was to the external price, rounded to nearest.
    fn blend_towards(&mut self, params: &PriceParams, external: Price, now: Nanos) {
        let blend = *self.blend.get_or_insert(Blend { from: self.index, since_ns: now });
        let elapsed = now.saturating_sub(blend.since_ns).clamp(0, params.blend_ns);
        let way = (i128::from(external) - i128::from(blend.from)) * i128::from(elapsed);
        self.index = (i128::from(blend.from) + div_nearest(way, i128::from(params.blend_ns))) as Price;
        self.pending = None;
    }

    /// Posts of the primary market don't move a closed index. Only a first price, or a restart, needs them: a quorum of
    /// posts, however old their venue times, that agree with each other and, after a restart, with the last external price.
    fn refresh_closed(&mut self, params: &PriceParams, now: Nanos) -> Quality {
        if self.awaiting_quorum {
            let mut buffer = [Quote::default(); MAX_SOURCES];
            let posted = collect(&self.sources, params, now, |_, said| !self.is_other_scale(said.price, now), &mut buffer);
            let agreed = agree(posted, params, self.last_external).filter(|c| {
                let known = self.last_external == 0 || near(c.price, self.last_external, params.source_agreement_ppm);
                c.agreed && known && c.used.len() >= params.quorum as usize
            });
            let Some(consensus) = agreed else { return self.hold(Quality::Stale) };
            self.awaiting_quorum = false;
            if self.index == 0 {
                self.confirm(consensus.price, now);
            }
        }
        if self.closed_since_ns.is_none() {
            self.closed_since_ns = Some(now);
        }
        if let Some(drift) = self.drift.as_mut().filter(|_| self.quality != Quality::Closed) {
            // No time passes for the drift while the price is stale or halted.
            drift.time_ns = now;
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
        self.end_closure();
        if self.window.is_none() {
            self.window = Some(StableWindow::starting(now));
        }
    }

    /// Two sources are witnesses of a liquidation where they agree with the price that was confirmed before they moved it. A move
    /// beyond their agreement is theirs alone until it has stood for the hold time of a jump, or a third source is there.
    fn witness(&mut self, params: &PriceParams, used: &[Quote], now: Nanos) {
        let agree = |price: Price| used.iter().filter(|q| near(q.price, price, params.source_agreement_ppm)).count() >= 2;
        if self.quality != Quality::Live {
            self.witnessed = false;
            return;
        }
        let known = self.witnessed_index == 0 || used.len() >= 3 || agree(self.witnessed_index);
        let stood = self.unwitnessed_since_ns.is_some_and(|since| now.saturating_sub(since) >= params.confirm_after_ns);
        if known || stood {
            self.witnessed_index = self.index;
        }
        let off = self.witnessed_index != self.index;
        self.unwitnessed_since_ns = off.then(|| self.unwitnessed_since_ns.unwrap_or(now));
        self.witnessed = agree(self.witnessed_index);
    }

    /// The statements that the index came to rest on, so that taking one back takes the index back.
    fn remember_who_moved(&mut self, params: &PriceParams) {
        let index = self.index;
        for statement in self.sources.iter_mut().filter(|s| s.posted).filter_map(|s| s.statements.back_mut()) {
            statement.moved |= near(statement.price, index, params.source_agreement_ppm);
        }
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
