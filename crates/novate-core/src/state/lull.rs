//! A lull: commands in a row of which all are orders, while no listed time passes at which a session's or an event's factor may
//! change. What is worked out from prices, terms and sessions holds in it and is remembered beside the state, stamped with its
//! number. Lulls follow each other in an era, in which only prices and marks move between them: what terms, sessions and factors are
//! in holds that long. Nothing remembered is in a snapshot or a hash, and nothing depends on it (`tests/cushion.rs`).

use super::{Market, State, Underlying};
use crate::order::Side;
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::units::{Lots, Nanos, Price, Ticks, div_floor, narrow, rate_up, scaled_down};

/// Which lull of which era it is, and whether it is one.
#[derive(Debug, Default)]
pub struct Lull {
    number: u64,
    era: u64,
    /// Counts whatever may change a price, a term or a factor.
    moment: u64,
    /// The present command is an order's.
    lasts: bool,
    /// From then on a factor may differ; 0 while nobody asked.
    until_ns: Nanos,
    /// Nothing is ever remembered.
    off: bool,
}

impl Clone for Lull {
    /// A copy of the state remembers nothing: it may be changed without commands.
    fn clone(&self) -> Self {
        Self { number: self.number + 1, era: self.era + 1, moment: self.moment + 1, lasts: false, until_ns: 0, off: self.off }
    }
}

impl Lull {
    /// Nothing is remembered from now on: for comparisons.
    pub const fn turn_off(&mut self) {
        self.off = true;
    }

    /// A command begins. Whatever is no order of somebody ends the lull; a factor may change with time.
    pub const fn begin(&mut self, is_order: bool, now: Nanos) {
        self.lasts = is_order && !self.off;
        if !self.lasts || self.number == 0 {
            self.number += 1;
            self.moment += 1;
        }
        if self.era == 0 || self.off || self.until_ns != 0 && now >= self.until_ns {
            self.end_era();
        }
    }

    /// Something changes that is neither an order nor a price.
    pub const fn end_era(&mut self) {
        self.number += 1;
        self.era += 1;
        self.moment += 1;
        self.until_ns = 0;
    }

    /// A price or a mark changes in the midst of a command.
    pub const fn price_moves(&mut self) {
        self.moment += 1;
    }

    /// While it is the same, prices, terms and the factors at initial are; 0 while nothing is remembered.
    #[inline]
    #[must_use]
    pub const fn moment(&self) -> u64 {
        if self.off { 0 } else { self.moment }
    }

    /// The present era; 0 while nothing is remembered.
    #[inline]
    #[must_use]
    pub const fn era(&self) -> u64 {
        if self.off { 0 } else { self.era }
    }

    /// Whether the present command is an order's.
    #[inline]
    #[must_use]
    pub const fn lasts(&self) -> bool {
        self.lasts
    }

    /// Whether what bears this stamp still holds.
    #[inline]
    #[must_use]
    pub const fn holds(&self, stamp: u64) -> bool {
        self.lasts && stamp == self.number
    }

    /// The stamp of what is worked out now; 0, which never holds, outside a lull.
    #[inline]
    #[must_use]
    pub const fn stamp(&self) -> u64 {
        if self.lasts { self.number } else { 0 }
    }
}

/// The most that a lot of a perp, resting or filled, takes from what an account has above its initial requirement; worked out by
/// `margin::cushion`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LotBound {
    /// Lull in which it holds.
    pub stamp: u64,
    /// Micro-dollars of a lot at the dearest of the level's prices, rounded up; 0 where no bound is known.
    pub high: i64,
    /// At the cheapest, rounded down.
    pub low: i64,
    /// Between the two, rounded up.
    pub apart: i64,
    /// All charges on a dollar of it.
    pub charge_ppm: i64,
    /// It is the only perp of its underlying.
    pub only: bool,
    /// Its quote has six decimals.
    pub in_micros: bool,
}

/// What moves a perp's part of an excess while its terms stand, as last noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// What a long, a short and a flat exposure count, and the index, at the underlying's scale.
    pub prices: [Price; 4],
    /// The mark.
    pub mark: Price,
    /// Confidence in the price.
    pub confidence_ppm: i64,
    /// All charges on a dollar of it.
    pub charge_ppm: i64,
}

/// How far the levels have moved in an era.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drift {
    /// As last noted.
    pub levels: Levels,
    /// Micro-dollars that a lot, long or short, held or wanted, has lost at most by all moves of the era; at least 1.
    pub path: i64,
    /// Era in which it holds.
    pub era: u64,
}

/// What all orders of a market ask of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    stamp: u64,
    /// Whether the price's quality lets positions be opened.
    pub may_open: bool,
    /// Index in ticks.
    pub index: Ticks,
    /// The worst price of a bid and of an ask inside the band; the index must be known.
    edges: [Ticks; 2],
    /// The highest price that may be listed, in ticks; the largest integer where it is beyond.
    pub highest: Ticks,
}

impl Figures {
    /// Of a market now.
    #[must_use]
    pub fn of(state: &State, market: &Market) -> Self {
        let underlying = state.known_underlying(market.terms.underlying);
        let index = state.index_ticks(market);
        Self {
            stamp: state.lull.stamp(),
            may_open: underlying.price.permission(Action::Open) == Permission::Yes,
            index,
            edges: [Side::Bid, Side::Ask].map(|side| edge(market, underlying, index, side)),
            highest: highest(state, market, underlying),
        }
    }

    /// The worst price a side may have: the edge of the listed band.
    ///
    /// # Errors
    /// `price_quality_forbids_opening` without an index.
    pub fn edge(&self, side: Side) -> Result<Ticks, Refusal> {
        require(self.index > 0, Reject::price_quality_forbids_opening.at(1, 0, 0))?;
        Ok(self.edges[side as usize])
    }

    /// A limit is not worse for its own side than the edge.
    ///
    /// # Errors
    /// `price_quality_forbids_opening` without an index, `price_must_be_inside_band`.
    pub fn check_band(&self, side: Side, limit: Ticks) -> Result<(), Refusal> {
        let bound = self.edge(side)?;
        let fits = if side == Side::Bid { limit <= bound } else { limit >= bound };
        require(fits, Reject::price_must_be_inside_band.at(6, limit, bound))
    }

    /// Whether the product of so many lots, a price or the highest listable one, and the market's unit leaves room in 64 bits, and
    /// their size does.
    #[must_use]
    pub fn fits(&self, market: &Market, limit: Ticks, lots: Lots, most: i64) -> bool {
        let price = self.highest.max(limit);
        let notional = price.checked_mul(lots).and_then(|n| n.checked_mul(market.unit));
        let within = |size: i128| market.split.of_down(size) <= i128::from(most);
        notional.is_some_and(|n| n <= most) && within(i128::from(lots) * i128::from(market.terms.lot_size))
    }
}

/// The edge of the listed band of the underlying's session around the index on a side.
fn edge(market: &Market, underlying: &Underlying, index: Ticks, side: Side) -> Ticks {
    let band_ppm = match underlying.session.session {
        Session::Regular => market.terms.band_ppm,
        Session::Pre | Session::Post => market.terms.band_extended_ppm,
        Session::Overnight | Session::Closed | Session::Halted => market.terms.band_closed_ppm,
    };
    let width = rate_up(i128::from(index), band_ppm);
    narrow(i128::from(index) + i128::from(side.sign()) * width).unwrap_or(i64::MAX)
}

fn highest(state: &State, market: &Market, underlying: &Underlying) -> Ticks {
    let multiplier = if market.is_perp() { 1_000_000_000 } else { state.known_asset(market.terms.base).terms.multiplier_ppb };
    let dearest = market.split.of_down(scaled_down(i128::from(underlying.terms.price_max), multiplier, 1_000_000_000));
    narrow(div_floor(dearest, i128::from(market.terms.tick_size))).unwrap_or(i64::MAX)
}

impl State {
    /// A market's index in ticks, remembered for a moment.
    pub fn index_now(&mut self, market: u32) -> Ticks {
        let moment = self.lull.moment();
        let listed = self.known_market(market);
        let (known, ticks) = listed.index;
        if moment != 0 && known == moment {
            return ticks;
        }
        let ticks = self.index_ticks(listed);
        self.market_mut(market).index = (moment, ticks);
        ticks
    }

    /// A market's figures, remembered in a lull.
    pub fn figures(&mut self, market: u32) -> Figures {
        let known = self.known_market(market).figures;
        if self.lull.holds(known.stamp) {
            return known;
        }
        let figures = Figures::of(self, self.known_market(market));
        self.market_mut(market).figures = figures;
        figures
    }

    /// Works out until when the era lasts at most: before something is remembered in it that a factor is in.
    pub fn bound_lull(&mut self) {
        if self.lull.until_ns == 0 {
            let terms = self.prices.terms.as_ref();
            let sessions = self.underlyings.iter().flatten().map(|u| u.session.steady_until(terms, self.now));
            self.lull.until_ns = sessions.min().unwrap_or(Nanos::MAX);
        }
    }
}
