//! What an account's open orders add up to: per market, the totals of each side.
//!
//! Responsible for: the totals, and a record for each market that has orders now. They follow from the orders in the slab, so no
//! snapshot holds them. Never looks at an order itself.

use crate::order::Side;
use crate::units::{Lots, Ticks};

/// Totals of the open orders of one side of one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSide {
    /// Their sum of price times lots, in ticks x lots.
    pub ticks_lots: i128,
    /// Their lots.
    pub lots: Lots,
    /// The most aggressive price since this side was last empty: no order of it is worse for its owner.
    pub extreme: Ticks,
    /// Orders open.
    pub orders: u32,
}

impl OpenSide {
    const NONE: Self = Self { ticks_lots: 0, lots: 0, extreme: 0, orders: 0 };
}

/// Up to which size nothing in the market asks for a higher liquidity rate than the stored one, for the only account of an owner who
/// holds nothing else of the underlying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRoom {
    /// Lull in which it holds.
    pub stamp: u64,
    /// Micro-dollars.
    pub most: i64,
}

/// An account's open orders in one market. Two cache lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct OpenOrders {
    /// Open bids.
    pub bids: OpenSide,
    /// Open asks.
    pub asks: OpenSide,
    /// Remembered for a lull.
    pub room: RateRoom,
    /// The market.
    market: u32,
    /// Orders of both sides.
    orders: u32,
}

impl OpenOrders {
    /// No order is open.
    pub const NONE: Self = Self::new(0);

    const fn new(market: u32) -> Self {
        Self { bids: OpenSide::NONE, asks: OpenSide::NONE, room: RateRoom { stamp: 0, most: 0 }, market, orders: 0 }
    }

    /// The totals of one side.
    #[inline]
    #[must_use]
    pub const fn side(&self, side: Side) -> &OpenSide {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut OpenSide {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// Lots of both sides.
    #[inline]
    #[must_use]
    pub fn wanted(&self) -> i128 {
        i128::from(self.bids.lots) + i128::from(self.asks.lots)
    }

    fn add(&mut self, side: Side, price: Ticks, lots: Lots) {
        self.orders += 1;
        let open = self.side_mut(side);
        let fresh = open.orders == 0;
        open.extreme = match side {
            _ if fresh => price,
            Side::Bid => open.extreme.max(price),
            Side::Ask => open.extreme.min(price),
        };
        open.orders += 1;
        open.lots += lots;
        open.ticks_lots += i128::from(price) * i128::from(lots);
    }

    fn shrink(&mut self, side: Side, price: Ticks, lots: Lots, gone: bool) {
        self.orders -= u32::from(gone);
        let open = self.side_mut(side);
        open.orders -= u32::from(gone);
        open.lots -= lots;
        open.ticks_lots -= i128::from(price) * i128::from(lots);
    }
}

static NONE: OpenOrders = OpenOrders::NONE;

/// Where a market's totals stand among an account's, and whether any order is open there. Without one the place may be another market's
/// by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    /// None: the market never had an order.
    pub const NOWHERE: Self = Self(0);
    /// No order is open.
    const IDLE: u32 = 1 << 31;

    /// Whether an order is open.
    #[inline]
    #[must_use]
    pub const fn has_orders(self) -> bool {
        self.0.wrapping_sub(1) < Self::IDLE - 1
    }

    /// Its index, if there ever was a place.
    #[inline]
    fn index(self) -> Option<usize> {
        (self.0 & !Self::IDLE).checked_sub(1).map(|at| at as usize)
    }
}

/// An account's open orders, by market. A record without orders is the next market's.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    records: Vec<OpenOrders>,
    /// Orders in all markets.
    all: u32,
}

impl Totals {
    /// Orders in all markets.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.all
    }

    /// Whether no order is open.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all == 0
    }

    /// The totals at a place.
    #[inline]
    #[must_use]
    pub fn at(&self, place: Place) -> &OpenOrders {
        if place.has_orders() { &self.records[place.0 as usize - 1] } else { &NONE }
    }

    /// What stands at a place, whichever market's it is: for looking ahead.
    #[must_use]
    pub fn peek(&self, place: Place) -> Option<&OpenOrders> {
        self.records.get(place.index()?)
    }

    /// What is remembered of a market, with or without orders in it.
    #[inline]
    #[must_use]
    pub fn room(&self, place: Place, market: u32) -> Option<RateRoom> {
        self.known(place, market).map(|at| self.records[at].room)
    }

    /// Remembers it.
    pub fn set_room(&mut self, place: &mut Place, market: u32, room: RateRoom) {
        let at = self.known(*place, market).unwrap_or_else(|| {
            let at = self.find(market);
            *place = Place(Place::IDLE | (at as u32 + 1));
            at
        });
        self.records[at].room = room;
    }

    /// The index of a place that is the market's still.
    #[inline]
    fn known(&self, place: Place, market: u32) -> Option<usize> {
        place.index().filter(|&at| self.records[at].market == market)
    }

    /// Counts an order in, where the market's are or now come.
    pub fn add(&mut self, place: &mut Place, market: u32, (side, price, lots): (Side, Ticks, Lots)) {
        if !place.has_orders() {
            *place = Place(self.known(*place, market).unwrap_or_else(|| self.find(market)) as u32 + 1);
        }
        self.all += 1;
        self.records[place.0 as usize - 1].add(side, price, lots);
    }

    /// Takes lots of an order out: a fill, a smaller amendment, or (with `gone`) its end.
    pub fn shrink(&mut self, place: &mut Place, (side, price, lots): (Side, Ticks, Lots), gone: bool) {
        self.all -= u32::from(gone);
        let record = &mut self.records[place.0 as usize - 1];
        record.shrink(side, price, lots, gone);
        if record.orders == 0 {
            place.0 |= Place::IDLE;
        }
    }

    /// The market's record, or one without orders that becomes it.
    fn find(&mut self, market: u32) -> usize {
        if let Some(at) = self.records.iter().position(|r| r.market == market) {
            return at;
        }
        let at = self.records.iter().position(|r| r.orders == 0).unwrap_or(self.records.len());
        match self.records.get_mut(at) {
            Some(free) => *free = OpenOrders::new(market),
            None => self.records.push(OpenOrders::new(market)),
        }
        at
    }
}
