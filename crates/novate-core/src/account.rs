//! What an account is: balances, positions, client ids, and its place on the risk ladder.
//!
//! Responsible for: the records and their small invariants (sorted, no empty rows invented twice). Never moves money
//! between accounts (the ledger does) and never values anything (margin does).

use crate::open_orders::{OpenOrders, Place, RateRoom, Totals};
use crate::order::{NIL, Side};
use crate::stage::Stage;
use crate::units::{Amount, Lots, Nanos, Ticks};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};

/// States by Excess (RULES section 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum AccountState {
    /// Excess at initial is not negative.
    #[default]
    Green = 0,
    /// Below initial.
    Yellow = 1,
    /// Below maintenance.
    Orange = 2,
    /// Below close-out.
    Red = 3,
    /// Equity at close-out is negative.
    Black = 4,
}

/// One asset of one account, in the asset's units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The asset.
    pub asset: u32,
    /// Backs the portfolio; negative is a loan from the asset's pool, as of `borrow_index`.
    pub pledged: Amount,
    /// Claim on the lending pool, as of `supply_index`.
    pub lent: Amount,
    /// Part of `pledged` (or of the pool's room) that open spot orders may use.
    pub reserved: Amount,
    /// Units admitted as unhedged collateral under the owner and venue caps, first come by sequence.
    pub admitted: Amount,
    /// Last deposit reference booked.
    pub last_reference: u64,
    /// Segregated units: no margin value, never lent, sold, liquidated or loss-shared.
    pub held: Amount,
    /// Held for requests to issue or redeem until a broker fills them; still the holder's, so it backs the portfolio.
    pub escrowed: Amount,
    /// Cash of redemptions that is not paid yet; a listed part of it counts.
    pub due: Amount,
    /// The pool's borrow index that the loan in `pledged` was last brought up to.
    pub borrow_index: i64,
    /// The pool's supply index that `lent` was last brought up to.
    pub supply_index: i64,
    /// Size of the committed line, and its type; 0 without one.
    pub line: Amount,
    /// Type of the line.
    pub line_type: u32,
    /// The index of that type that the drawn part was last brought up to.
    pub line_index: i64,
}

impl Balance {
    /// Units free to leave: pledged, less what open orders may use.
    #[must_use]
    pub fn free(&self) -> Amount {
        (self.pledged - self.reserved).max(0)
    }

    /// All units that are the account's, wherever they lie; negative when borrowed. What a token brings is brought to these.
    #[must_use]
    pub fn units(&self) -> i128 {
        i128::from(self.pledged) + i128::from(self.lent) + i128::from(self.held) + i128::from(self.escrowed)
    }

    /// What the pool must still be able to lend for the open orders of this balance, beyond the loan there is.
    #[must_use]
    pub fn pool_room(&self) -> Amount {
        (self.reserved - self.pledged.max(0)).max(0)
    }

    /// The loan: how far below zero the balance is, interest to its last change included.
    #[must_use]
    pub fn loan(&self) -> Amount {
        (-self.pledged).max(0)
    }

    /// Part of the loan that is inside the committed line: a line is drawn first.
    #[must_use]
    pub fn drawn(&self) -> Amount {
        self.loan().min(self.line)
    }

    /// Room that the pool keeps: for open orders or for what is undrawn of the line, whichever is more.
    #[must_use]
    pub fn kept(&self) -> Amount {
        self.pool_room().max(self.line - self.drawn())
    }
}

/// What a position was when its account was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Booked and open results, in quote units.
    pub result: i64,
    /// Signed lots.
    pub lots: Lots,
    /// Maintenance price.
    pub price: Ticks,
}

/// An account's place in one market: a perp position, or orders alone. Two cache lines, of which an evaluation reads the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Position {
    /// The market.
    pub market: u32,
    /// Where the totals of its open orders stand.
    #[serde(skip)]
    open: Place,
    /// Signed lots; a spot market keeps 0.
    pub lots: Lots,
    /// Signed cost of those lots in quote units: what was paid for longs, minus what was received for shorts.
    pub cost: i64,
    /// Realised and not yet paid, in quote units: a claim on the market's clearing account, or below zero a debt to it.
    pub owed: i64,
    /// Part of a claim that was earned hedged.
    pub hedged_claim: i64,
    /// The market's path of moves up to which the account's cushion was brought; 0 when it never was.
    #[serde(skip)]
    pub path: i64,
    /// All results booked so far, fees and funding included, in quote units: what is open is not in it.
    pub booked: i64,
    /// `booked` when the position was last opened from nothing.
    pub opened: i64,
    /// Booked and open results when the account was last seen green.
    pub green_result: i64,
    /// When the account was last seen while no account was black.
    pub seen: Moment,
    /// In an earlier round over all accounts: the start of shared gains until the round of `seen` is through.
    pub calm: Moment,
    /// Rounds over all accounts without a black one that were through at `seen` (`state::liquidation::Liquidation::calm_rounds`).
    pub seen_round: u64,
}

impl Position {
    /// Realised and not yet paid out, in quote units.
    #[inline]
    #[must_use]
    pub fn claim(&self) -> i64 {
        self.owed.max(0)
    }

    /// Realised against the account and not yet paid, in quote units.
    #[inline]
    #[must_use]
    pub fn debt(&self) -> i64 {
        (-self.owed).max(0)
    }

    /// Its last moment without a black account in the venue: everyone was looked at, at the prices of that round.
    #[must_use]
    pub const fn calm(&self, rounds: u64) -> &Moment {
        if self.seen_round < rounds { &self.seen } else { &self.calm }
    }

    /// Remembers a moment without a black account in the venue, and the rounds that were through.
    pub const fn remember(&mut self, moment: Moment, rounds: u64) {
        self.calm = *self.calm(rounds);
        (self.seen, self.seen_round) = (moment, rounds);
    }

    /// Whether an order is open, on either side.
    #[inline]
    #[must_use]
    pub fn has_orders(&self) -> bool {
        self.open.has_orders()
    }

    /// Whether it is or was a perp position of which something is left: lots, or what is owed.
    #[inline]
    #[must_use]
    pub const fn carries(&self) -> bool {
        self.lots != 0 || self.owed != 0 || self.cost != 0
    }

    /// Books a signed result in quote units into claim or debt, netting the two. `hedged_ppm` of a gain is hedged.
    pub fn book_result(&mut self, result: i64, hedged_ppm: i64) {
        self.booked = self.booked.saturating_add(result);
        if result >= 0 {
            let gain = (result - self.debt()).max(0);
            self.owed += result;
            self.hedged_claim += crate::units::rate_down(i128::from(gain), hedged_ppm) as i64;
        } else {
            let nets = self.claim().min(-result);
            self.reduce_claim(nets);
            self.owed += result + nets;
        }
    }

    /// Takes a part of the claim away, its hedged share in proportion.
    pub fn reduce_claim(&mut self, amount: i64) {
        if amount != 0 && self.hedged_claim != 0 {
            let left = i128::from(self.owed - amount);
            self.hedged_claim = (i128::from(self.hedged_claim) * left / i128::from(self.owed)) as i64;
        }
        self.owed -= amount;
    }

    /// Changes the position by signed lots at a signed cost; returns what the closed part realised.
    pub fn trade(&mut self, lots: Lots, cost: i64) -> i64 {
        let before = self.lots;
        let opposite = self.lots.signum() == -lots.signum();
        let closing = if opposite { lots.abs().min(self.lots.abs()) } else { 0 };
        let mut realised = 0;
        let mut opening_cost = cost;
        if closing > 0 {
            let removed = part_of(self.cost, closing, self.lots.abs());
            let closing_cost = part_of(cost, closing, lots.abs());
            realised = -closing_cost - removed;
            self.cost -= removed;
            opening_cost = cost - closing_cost;
        }
        self.cost += opening_cost;
        self.lots += lots;
        if before.signum() != self.lots.signum() {
            // What the closed part makes is booked by the caller, and belongs to the position before.
            self.opened = self.booked.saturating_add(realised);
        }
        realised
    }

    /// Whether the row carries anything at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.carries() && !self.has_orders()
    }
}

/// What `part` of `lots` cost, when all of them cost `cost`; rounded down.
fn part_of(cost: i64, part: Lots, lots: Lots) -> i64 {
    if part == lots { cost } else { crate::units::div_floor(i128::from(cost) * i128::from(part), i128::from(lots)) as i64 }
}

/// What an order with a client id asked for, so that a repeat is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientOrder {
    /// The venue's order id.
    pub order: u64,
    /// Hash of the original request's body.
    pub fingerprint: u64,
}

/// Client ids of live and recently ended orders of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientIds {
    known: BTreeMap<[u8; 16], ClientOrder>,
    ended: VecDeque<[u8; 16]>,
}

impl ClientIds {
    /// The order a client id was used for, live or remembered.
    #[must_use]
    pub fn find(&self, id: &[u8; 16]) -> Option<ClientOrder> {
        self.known.get(id).copied()
    }

    /// Remembers a new live order, or the order that a trigger became.
    pub fn insert(&mut self, id: [u8; 16], order: ClientOrder) {
        self.known.insert(id, order);
    }

    /// The order ended: keep its id among the last `keep` ended ones.
    pub fn end(&mut self, id: [u8; 16], keep: usize) {
        self.ended.push_back(id);
        while self.ended.len() > keep {
            if let Some(oldest) = self.ended.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// A running liquidation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liquidation {
    /// Slices done.
    pub slices: u32,
    /// Their notional, micro-dollars.
    pub notional: i64,
    /// Their fees, micro-dollars.
    pub fees: i64,
    /// Last reason a slice was skipped per market, so that it is told once.
    pub skipped: BTreeMap<u32, u8>,
    /// The shortfall was reported; nothing is left to do.
    pub exhausted: bool,
    /// Red again before this time: the books get their turn first.
    pub auction_after_ns: Nanos,
    /// Black again before this time: what is left waits for its prices.
    pub waterfall_after_ns: Nanos,
    /// What insurance paid, by bucket and asset: it goes back first when there is more than the requirement.
    pub advanced: BTreeMap<(u32, u32), Amount>,
    /// Openings of an underlying's session when its tokens were first found unsold.
    pub unsold: BTreeMap<u32, u32>,
}

/// What an account surely has above its initial requirement, and what happened since it was last looked at; see `margin::cushion`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cushion {
    /// Era in which it holds, less what prices took.
    pub era: u64,
    /// Lull up to which that is taken off.
    pub stamp: u64,
    /// Micro-dollars.
    pub left: i64,
    /// The account was looked at in this lull, and found green: all that can have changed since is in the next field.
    pub settled: bool,
    /// Market in which it placed or traded since; 0 for none, the largest number for several.
    pub traded: u32,
}

impl Cushion {
    /// It counts no more.
    pub const fn end(&mut self) {
        (self.era, self.stamp) = (0, 0);
    }
}

/// Positions that are found by the account's own record.
const PLACES: usize = 8;

/// An account. What every look at it reads lies in its first two lines of memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Account {
    /// Its id.
    pub id: u64,
    /// Dense index of its obligor: the owner, or the group of owners it belongs to.
    pub owner: u32,
    /// Id of the owner in law: eligibility and freezes go by it.
    pub holder: u32,
    /// Where it stands.
    pub state: AccountState,
    /// How far its liquidation has come.
    pub stage: Stage,
    /// Events so far.
    pub event_sequence: u64,
    /// First of its open orders in the slab.
    pub orders: u32,
    /// Sorted by asset.
    pub balances: Vec<Balance>,
    /// Sorted by market.
    pub positions: Vec<Position>,
    /// Remembered for a lull.
    #[serde(skip)]
    pub cushion: Cushion,
    /// Orders that wait outside the books: triggers and parent orders.
    pub waiting: u32,
    /// What its open orders add up to.
    #[serde(skip)]
    pub(crate) open: Totals,
    /// Markets of the first positions: a look-up reads no position that it does not want.
    #[serde(skip)]
    places: [u32; PLACES],
    /// When the account's order rate would be used up no more: the rate limit's only memory.
    pub rate_ns: i64,
    /// Idempotency keys.
    pub clients: ClientIds,
    /// Present while the account is being liquidated; its transfers are frozen.
    pub liquidation: Option<Box<Liquidation>>,
    /// Since when it is below close-out at the drifted index of closed hours without a break; 0 while it is not.
    pub drift_breach_since_ns: Nanos,
    /// That lasted: until it is out of liquidation or nothing drifts, it is judged at the drifted index.
    pub judged_adrift: bool,
}

impl Account {
    /// A new, empty account of an obligor (dense index) and an owner in law (id).
    #[must_use]
    pub fn new(id: u64, owner: u32, holder: u32) -> Self {
        Self {
            id,
            owner,
            holder,
            state: AccountState::Green,
            stage: Stage::Free,
            event_sequence: 0,
            orders: NIL,
            balances: Vec::new(),
            positions: Vec::new(),
            waiting: 0,
            open: Totals::default(),
            places: [0; PLACES],
            cushion: Cushion::default(),
            rate_ns: 0,
            clients: ClientIds::default(),
            liquidation: None,
            drift_breach_since_ns: 0,
            judged_adrift: false,
        }
    }

    /// The balance of an asset, if the account ever had one.
    #[must_use]
    pub fn balance(&self, asset: u32) -> Option<&Balance> {
        self.balances.iter().find(|b| b.asset == asset)
    }

    /// The balance of an asset, created at its sorted place. What was remembered of the account counts no more.
    pub fn balance_mut(&mut self, asset: u32) -> &mut Balance {
        self.cushion.end();
        let at = self.balances.partition_point(|b| b.asset < asset);
        if self.balances.get(at).is_none_or(|b| b.asset != asset) {
            self.balances.insert(at, Balance { asset, ..Balance::default() });
        }
        &mut self.balances[at]
    }

    /// The place in a market, if the account ever had one.
    #[must_use]
    pub fn position(&self, market: u32) -> Option<&Position> {
        self.positions.get(self.place(market)).filter(|p| p.market == market)
    }

    /// Where the position of a market may be, for looking ahead: reads none of them but of an account with many.
    #[inline]
    #[must_use]
    pub fn peek_position(&self, market: u32) -> Option<&Position> {
        self.positions.get(self.place(market))
    }

    /// Where what is open at a position is, or was.
    #[inline]
    #[must_use]
    pub fn peek_open(&self, position: &Position) -> Option<&OpenOrders> {
        self.open.peek(position.open)
    }

    /// Where the position of a market is, or would come.
    #[inline]
    fn place(&self, market: u32) -> usize {
        let known = self.positions.len().min(PLACES);
        let at = self.places[..known].iter().filter(|&&m| m < market).count();
        if at < PLACES { at } else { PLACES + self.positions[PLACES..].partition_point(|p| p.market < market) }
    }

    /// The same, to change it.
    pub fn position_of(&mut self, market: u32) -> Option<&mut Position> {
        let at = self.place(market);
        self.positions.get_mut(at).filter(|p| p.market == market)
    }

    /// The place in a market, created at its sorted place. What was remembered of the account counts no more.
    pub fn position_mut(&mut self, market: u32) -> &mut Position {
        self.cushion.end();
        let at = self.counted_place(market);
        &mut self.positions[at]
    }

    /// Where it is in the list of positions, for a change whose bound was taken from the account's cushion.
    pub(crate) fn counted_place(&mut self, market: u32) -> usize {
        let at = self.place(market);
        if self.positions.get(at).is_none_or(|p| p.market != market) {
            self.positions.insert(at, Position { market, ..Position::default() });
            self.index_places();
        }
        at
    }

    /// Signed lots in a market.
    #[must_use]
    pub fn lots(&self, market: u32) -> Lots {
        self.position(market).map_or(0, |p| p.lots)
    }

    /// Open orders in all markets and waiting ones.
    #[must_use]
    pub const fn order_count(&self) -> u32 {
        self.open.len() + self.waiting
    }

    /// Open orders in a position's market.
    #[inline]
    #[must_use]
    pub fn open(&self, position: &Position) -> &OpenOrders {
        self.open.at(position.open)
    }

    /// Open orders in a market.
    #[must_use]
    pub fn open_in(&self, market: u32) -> &OpenOrders {
        self.position(market).map_or(&OpenOrders::NONE, |p| self.open(p))
    }

    /// What is remembered of sizes in a market.
    #[must_use]
    pub fn room(&self, market: u32) -> Option<RateRoom> {
        self.open.room(self.position(market)?.open, market)
    }

    /// Remembers it.
    pub fn set_room(&mut self, market: u32, room: RateRoom) {
        let at = self.place(market);
        let held = self.positions.get_mut(at).filter(|p| p.market == market);
        self.open.set_room(held.map_or(&mut Place::default(), |p| &mut p.open), market, room);
    }

    /// Works out anew what a snapshot leaves out; its open orders are counted in after it.
    pub fn index(&mut self) {
        self.open = Totals::default();
        self.positions.iter_mut().for_each(|p| p.open = Place::NOWHERE);
        self.index_places();
    }

    /// Puts balances and positions back as they were; no order came or went in between.
    pub fn put_back(&mut self, balances: Vec<Balance>, positions: Vec<Position>) {
        (self.balances, self.positions) = (balances, positions);
        self.index_places();
    }

    fn index_places(&mut self) {
        for (place, position) in self.places.iter_mut().zip(&self.positions) {
            *place = position.market;
        }
    }

    /// Counts an order in.
    pub fn add_order(&mut self, market: u32, side: Side, price: Ticks, lots: Lots) {
        let at = self.counted_place(market);
        self.open.add(&mut self.positions[at].open, market, (side, price, lots));
    }

    /// Takes lots of an order out: a fill, a smaller amendment, or (with `gone`) its end.
    pub fn shrink_order(&mut self, market: u32, side: Side, price: Ticks, lots: Lots, gone: bool) {
        let at = self.counted_place(market);
        self.open.shrink(&mut self.positions[at].open, (side, price, lots), gone);
    }

    /// Whether anything but unencumbered money is here: the sweep skips accounts without risk.
    #[must_use]
    pub fn has_risk(&self) -> bool {
        self.positions.iter().any(|p| !p.is_empty()) || self.balances.iter().any(|b| b.pledged < 0)
    }
}

/// Who owns accounts: one obligor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The owner's id.
    pub id: u32,
    /// Dense indexes of the accounts, in the order of their opening.
    pub accounts: SmallVec<[u32; 4]>,
    /// Stored liquidity rates per underlying, sorted; changed by the methods below alone.
    pub(crate) liquidity: Vec<LiquidityRate>,
    /// At the place of each rate, how far it reaches; shorter after a restart. Apart from them, since every evaluation reads the rates.
    #[serde(skip)]
    reaches: Vec<Reach>,
}

impl Owner {
    /// An owner without an account.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self { id, accounts: SmallVec::new_const(), liquidity: Vec::new(), reaches: Vec::new() }
    }

    /// The stored rate of an underlying.
    #[must_use]
    pub fn rate(&self, underlying: u32) -> Option<LiquidityRate> {
        self.liquidity.iter().find(|r| r.underlying == underlying).copied()
    }

    /// How far it reaches; nowhere where that is not remembered.
    #[must_use]
    pub fn reach(&self, underlying: u32) -> Reach {
        let at = self.liquidity.iter().position(|r| r.underlying == underlying);
        at.and_then(|at| self.reaches.get(at)).copied().unwrap_or_default()
    }

    /// What the methods here read of it, two pieces of a line each: for looking ahead.
    pub fn peek_rates(&self) -> impl Iterator<Item = (&LiquidityRate, Option<&Reach>)> {
        self.liquidity.iter().enumerate().step_by(2).map(|(at, rate)| (rate, self.reaches.get(at)))
    }

    /// Stores a rate and how far it reaches.
    pub fn set_rate(&mut self, rate: LiquidityRate, reach: Reach) {
        self.reaches.resize(self.liquidity.len(), Reach::default());
        let at = self.liquidity.partition_point(|r| r.underlying < rate.underlying);
        if self.liquidity.get(at).is_none_or(|r| r.underlying != rate.underlying) {
            self.liquidity.insert(at, rate);
            self.reaches.insert(at, reach);
        }
        (self.liquidity[at], self.reaches[at]) = (rate, reach);
    }

    /// All rates as they were before.
    pub fn put_back(&mut self, rates: Vec<LiquidityRate>) {
        self.liquidity = rates;
        self.reaches.clear();
    }

    /// Forgets the rate of an underlying.
    pub fn end_rate(&mut self, underlying: u32) {
        self.reaches.resize(self.liquidity.len(), Reach::default());
        if let Ok(at) = self.liquidity.binary_search_by_key(&underlying, |r| r.underlying) {
            self.liquidity.remove(at);
            self.reaches.remove(at);
        }
    }
}

/// k of the liquidity term, stored per owner and underlying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiquidityRate {
    /// The underlying.
    pub underlying: u32,
    /// Refresh it belongs to.
    pub epoch: u32,
    /// Spot leg, ppm.
    pub spot_ppm: i64,
    /// Perp leg, ppm.
    pub perp_ppm: i64,
}

/// Up to which size of its group a rate stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Lull in which that holds.
    pub stamp: u64,
    /// Gross of the spot and the perp leg, micro-dollars.
    pub most: [i64; 2],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_realises_only_what_it_closes_and_loses_no_unit() {
        let (mut a, mut b) = (Position::default(), Position::default());
        let (mut claims, mut seed) = (0_i64, 7_u64);
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let lots = (seed >> 40) as i64 % 21 - 10;
            if lots == 0 {
                continue;
            }
            let cost = lots * (90 + (seed >> 20) as i64 % 21);
            claims += a.trade(lots, cost) + b.trade(-lots, -cost);
            assert_eq!(a.lots + b.lots, 0);
            assert_eq!(a.cost + b.cost, claims);
            assert!(a.lots != 0 || a.cost == 0);
        }
    }

    #[test]
    fn results_net_between_claim_and_debt() {
        let mut p = Position::default();
        p.book_result(-30, 0);
        p.book_result(50, 500_000);
        assert_eq!((p.owed, p.hedged_claim), (20, 10));
        p.book_result(-35, 0);
        assert_eq!((p.owed, p.hedged_claim), (-15, 0));
    }

    #[test]
    fn ended_client_ids_are_remembered_for_a_while() {
        let mut ids = ClientIds::default();
        for n in 1..=5_u8 {
            ids.insert([n; 16], ClientOrder { order: u64::from(n), fingerprint: 0 });
            ids.end([n; 16], 3);
        }
        assert!(ids.find(&[2; 16]).is_none() && ids.find(&[3; 16]).is_some());
        // What is forgotten is free again, and remembered from its new end on.
        ids.insert([1; 16], ClientOrder { order: 6, fingerprint: 0 });
        ids.end([1; 16], 3);
        assert_eq!(ids.find(&[1; 16]).map(|o| o.order), Some(6));
        assert!(ids.find(&[3; 16]).is_none() && ids.find(&[4; 16]).is_some());
    }
}
