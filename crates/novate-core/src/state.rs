//! The whole state of a venue, as one value: what a snapshot holds and a state hash covers.
//!
//! Responsible for: the records of listed things beside their live parts, and look-ups by id. Never contains a rule.

pub mod trading;
pub mod packages;
pub mod prices;
pub mod lending;
pub mod liquidation;
pub mod clearing;
pub mod governance;
pub mod corporate;
pub mod lull;

/// The book the venue runs on.
#[cfg(not(feature = "naive-book"))]
pub use crate::book::Book;
#[cfg(feature = "naive-book")]
pub use crate::naive_book::Book;

use crate::account::{Account, LiquidityRate, Owner, Position};
use crate::account_index::AccountIndex;
use crate::command::{ConfigureVenue, ListAsset, ListBucket, ListDatedRow, ListMarket, ListPool, ListUnderlying};
use crate::ledger::Ledger;
use lull::{Drift, Figures, LotBound, Lull};
use crate::order::{OrderSlab, Side};
use crate::phase::{Deed, PhaseState};
use crate::price::{MarkState, PriceParams, PriceState};
use crate::reject::{Refusal, Reject};
use crate::session::{SessionFactors, SessionState};
use crate::units::{Amount, Lots, Nanos, PPM, Price, Ratio, Ticks, Value, div_ceil, div_floor, div_nearest, narrow, pow10, scaled_down};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A risk bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// As listed.
    pub terms: ListBucket,
    /// Session factors, split off for the session module.
    pub factors: SessionFactors,
    /// Largest fall of any dated row, ppm, positive.
    pub dated_fall_ppm: i64,
}

/// The liquidity inputs of an underlying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liquidity {
    /// Primary market, micro-dollars a day.
    pub spot_volume: i64,
    /// This venue's perps, micro-dollars a day.
    pub perp_volume: i64,
    /// Daily volatility.
    pub sigma_ppm: i64,
    /// Half spread.
    pub half_spread_ppm: i64,
}

/// Something with an outside price.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Underlying {
    /// As listed.
    pub terms: ListUnderlying,
    /// Terms of the price machinery.
    pub price_terms: PriceParams,
    /// Index, sources, quality.
    pub price: PriceState,
    /// Session and closure ahead.
    pub session: SessionState,
    /// In force since the last refresh.
    pub liquidity: Liquidity,
    /// Posted for the next refresh.
    pub next_liquidity: Liquidity,
    /// Counts refreshes; stored rates of an older one are recomputed when next used.
    pub liquidity_epoch: u32,
    /// Perp notional traded here since the last refresh, micro-dollars.
    pub perp_turnover: i64,
    /// Tokens of it, ascending.
    pub assets: Vec<u32>,
    /// Its perps, ascending.
    pub perps: Vec<u32>,
    /// Its spot markets, ascending.
    pub spots: Vec<u32>,
    /// Liquidation budget left, micro-dollars (RULES section 10, stage 3), and when it was last filled.
    pub speed_budget: i64,
    /// Last filling.
    pub speed_time_ns: Nanos,
    /// Each dated row's move of this underlying, signed ppm before session and confidence, in the order of the rows:
    /// beta times the bucket's move, rounded away from zero. Derived from listings, rebuilt on restore.
    #[serde(skip)]
    pub dated_ppm: Vec<i64>,
}

impl Underlying {
    /// Divisor that turns 1e-9 shares times price into micro-dollars.
    #[must_use]
    pub fn scale(&self) -> i128 {
        pow10(self.terms.decimals + 3)
    }

    /// 1e-9 shares at a price, in micro-dollars, rounded down.
    #[must_use]
    pub fn value_down(&self, shares: i128, price: Price) -> Value {
        if shares == 0 { 0 } else { scaled_down(shares, price, self.scale()) }
    }
}

/// Size of a bucket's dated move for an underlying of this beta, rounded up.
#[must_use]
pub const fn systematic_ppm(move_ppm: i64, beta_ppm: i64, divisor: i64) -> i64 {
    div_ceil(move_ppm.abs() as i128 * beta_ppm as i128, divisor as i128 * PPM as i128) as i64
}

/// Something an account holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asset {
    /// As listed.
    pub terms: ListAsset,
    /// Units admitted as unhedged collateral in all.
    pub admitted: Amount,
    /// The pool, if one is listed.
    pub pool: Option<ListPool>,
}

impl Asset {
    /// Whether it is a stablecoin.
    #[must_use]
    pub fn is_stablecoin(&self) -> bool {
        self.terms.asset_kind == 0
    }

    /// Units to 1e-9 shares, rounded down.
    #[must_use]
    pub fn shares(&self, amount: i128) -> i128 {
        scaled_down(amount, self.terms.multiplier_ppb, pow10(self.terms.decimals))
    }

    /// Stablecoin units to micro-dollars at face, rounded down.
    #[must_use]
    pub fn face(&self, amount: i128) -> Value {
        if self.terms.decimals == 6 { amount } else { scaled_down(amount, 1_000_000, pow10(self.terms.decimals)) }
    }
}

/// What the venue itself is still owed from a market's clearing account, in quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueClaims {
    /// Trading fees.
    pub fees: i64,
    /// Liquidation fees and interest on unsettled debts.
    pub insurance: i64,
    /// What funding's rounding left.
    pub rounding: i64,
}

/// The premium samples of the current hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Premium {
    /// Sum of premium (ppb) times nanoseconds.
    pub weighted: i128,
    /// Nanoseconds sampled.
    pub covered_ns: i64,
    /// Last sample.
    pub last_ppb: i64,
    /// Its time; 0 before the first of the hour.
    pub last_ns: Nanos,
    /// A gap longer than allowed, or an index that was not live, happened this hour.
    pub broken: bool,
}

/// Something that trades.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Market {
    /// As listed.
    pub terms: ListMarket,
    /// Quote units of one tick of one lot.
    pub unit: i64,
    /// Orders.
    pub book: Book,
    /// What may be done with them now.
    pub phase: PhaseState,
    /// Mark and its average (perps).
    pub mark: MarkState,
    /// Last trade, ticks; 0 before the first.
    pub last_trade: Ticks,
    /// Lots held long (equal to lots held short).
    pub open_interest: Lots,
    /// Funding samples.
    pub premium: Premium,
    /// Owed to the venue out of clearing.
    pub claims: VenueClaims,
    /// Perps: what splits since the listing made of a listed share. A lot is `lot_size` times it, a tick `tick_size` divided
    /// by it; their product never changes.
    pub split: Ratio,
    /// Remembered for a lull.
    #[serde(skip)]
    pub figures: Figures,
    /// A moment and the index in ticks at it.
    #[serde(skip)]
    pub index: (u64, Ticks),
    /// Remembered for a lull.
    #[serde(skip)]
    pub bound: LotBound,
    /// Remembered for an era.
    #[serde(skip)]
    pub drift: Drift,
}

impl Market {
    /// Whether it is a perp.
    #[must_use]
    pub fn is_perp(&self) -> bool {
        self.terms.market_kind == 1
    }

    /// Quote units of lots at a price in ticks; signed as the lots are. Usually in 64 bits.
    #[inline]
    #[must_use]
    pub fn quote_units(&self, price: Ticks, lots: Lots) -> i128 {
        match price.checked_mul(lots).and_then(|n| n.checked_mul(self.unit)) {
            Some(units) => i128::from(units),
            None => i128::from(price) * i128::from(lots) * i128::from(self.unit),
        }
    }

    /// A number of ticks as a price at the underlying's scale (spot: dollars of one token), rounded to nearest.
    #[inline]
    #[must_use]
    pub fn price_of(&self, ticks: Ticks) -> Price {
        let price = self.split.inverse().of_nearest(i128::from(ticks) * i128::from(self.terms.tick_size));
        narrow(price).unwrap_or(if price < 0 { Price::MIN } else { Price::MAX })
    }

    /// A price at the underlying's scale in ticks of a perp, rounded to nearest.
    #[inline]
    #[must_use]
    pub fn ticks_of(&self, price: Price) -> Ticks {
        div_nearest(i128::from(price) * i128::from(self.split.num), i128::from(self.terms.tick_size) * i128::from(self.split.den)) as i64
    }

    /// The best price at which orders match now; none while an auction gathers them or none may match.
    #[must_use]
    pub fn touch(&self, side: Side) -> Option<Ticks> {
        if self.phase.allows(Deed::Match) { self.book.best(side) } else { None }
    }
}

/// The hourly settlement while it runs over several commands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settlement {
    /// 0 interest and debits, 1 credits.
    pub phase: u8,
    /// Next account.
    pub cursor: u32,
    /// Markets that settle: price in ticks and funding rate in ppb.
    pub markets: BTreeMap<u32, SettlementTerms>,
    /// By how much unsettled debts in a stablecoin grow: its pool's borrow index at the last settlement and at this one.
    pub growth: BTreeMap<u32, (i64, i64)>,
}

/// One market's part in a settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementTerms {
    /// Ticks.
    pub price: Ticks,
    /// Signed rate on lots x price.
    pub rate_ppb: i64,
    /// Claims found in phase 0, quote units.
    pub claims: i128,
    /// Cash available at the start of phase 1.
    pub available: i128,
    /// Whether results are paid in cash (live index), or only funding is booked.
    pub settles: bool,
    /// Accounts that get the odd units of a short pro-rata payment, ascending.
    pub odd_units: Vec<u32>,
}

/// A withdrawal on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Dense account index.
    pub account: u32,
    /// Asset.
    pub asset: u32,
    /// Units.
    pub amount: Amount,
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Last applied command.
    pub sequence: u64,
    /// What is remembered beside the state holds in it.
    #[serde(skip)]
    pub lull: Lull,
    /// Its time.
    pub now: Nanos,
    /// Release that opened the journal.
    pub release: String,
    /// Venue parameters.
    pub venue: Option<ConfigureVenue>,
    /// By id.
    pub buckets: Vec<Option<Bucket>>,
    /// In listing order.
    pub dated_rows: Vec<ListDatedRow>,
    /// By id.
    pub underlyings: Vec<Option<Underlying>>,
    /// By id.
    pub assets: Vec<Option<Asset>>,
    /// By id.
    pub markets: Vec<Option<Market>>,
    /// Dense.
    pub owners: Vec<Owner>,
    /// Dense.
    pub accounts: Vec<Account>,
    /// Account id to dense index: looked up only, rebuilt on restore.
    #[serde(skip)]
    pub account_index: AccountIndex,
    /// Owner id to dense index: looked up only, rebuilt on restore.
    #[serde(skip)]
    pub owner_index: FxHashMap<u32, u32>,
    /// All open orders.
    pub orders: OrderSlab,
    /// Client ids of open orders that carry one, by order id.
    pub order_clients: BTreeMap<u64, [u8; 16]>,
    /// Money.
    pub ledger: Ledger,
    /// Pending withdrawals by id.
    pub withdrawals: BTreeMap<u64, Withdrawal>,
    /// Last withdrawal id.
    pub last_withdrawal: u64,
    /// Last trade id.
    pub last_trade: u64,
    /// Time of the last settlement's start; 0 before the first.
    pub settled_ns: Nanos,
    /// Running settlement.
    pub settlement: Option<Settlement>,
    /// Accounts being liquidated, ascending.
    pub liquidating: BTreeSet<u32>,
    /// Next account of the sweep.
    pub sweep_cursor: u32,
    /// Accounts the sweep still has to visit since something moved.
    pub sweep_left: u32,
    /// Last time the venue's clocks (marks, samples) advanced.
    pub advanced_ns: Nanos,
    /// Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes.
    pub trading: trading::Trading,
    /// Packages, blocks, requests for quotes, compensation.
    pub packages: packages::Packages,
    /// Closed hours, reopening, halts, outages and cancelled prints.
    pub prices: prices::Prices,
    /// Pools, curves, committed lines, stock loans and cash calls.
    pub lending: lending::Lending,
    /// Backstop, insurance, auto-deleveraging, loss sharing and recovery.
    pub liquidation: liquidation::Liquidation,
    /// Issuance and redemption: quotes, requests, broker legs, backing.
    pub clearing: clearing::Clearing,
    /// Roles, proposals, eligibility, freezes, limits and releases.
    pub governance: governance::Governance,
    /// Corporate actions: schedule, effect, receivables and corrections.
    pub corporate: corporate::Corporate,
}

macro_rules! lookup {
    ($get:ident, $get_mut:ident, $field:ident, $ty:ty, $reject:ident) => {
        /// Looks the id up.
        ///
        /// # Errors
        /// The refusal that names the missing thing.
        pub fn $get(&self, id: u32) -> Result<&$ty, Refusal> {
            self.$field.get(id as usize).and_then(Option::as_ref).ok_or(Reject::$reject.at(1, i64::from(id), 0))
        }

        /// The same, to change it; the id is known to exist.
        ///
        /// # Panics
        /// When it does not: a handler resolves ids before it writes.
        pub fn $get_mut(&mut self, id: u32) -> &mut $ty {
            self.$field[id as usize].as_mut().expect("resolved before the write")
        }
    };
}

impl State {
    lookup!(bucket, bucket_mut, buckets, Bucket, bucket_must_exist);
    lookup!(underlying, underlying_mut, underlyings, Underlying, underlying_must_exist);
    lookup!(asset, asset_mut, assets, Asset, asset_must_exist);
    lookup!(market, market_mut, markets, Market, market_must_exist);

    /// A market that is known to exist.
    #[must_use]
    pub fn known_market(&self, id: u32) -> &Market {
        self.markets[id as usize].as_ref().expect("resolved before")
    }

    /// An underlying that is known to exist.
    #[must_use]
    pub fn known_underlying(&self, id: u32) -> &Underlying {
        self.underlyings[id as usize].as_ref().expect("resolved before")
    }

    /// An asset that is known to exist.
    #[must_use]
    pub fn known_asset(&self, id: u32) -> &Asset {
        self.assets[id as usize].as_ref().expect("resolved before")
    }

    /// Venue parameters.
    ///
    /// # Panics
    /// Before `ConfigureVenue`; every listing refuses without it, so no rule can run before.
    #[must_use]
    pub fn config(&self) -> &ConfigureVenue {
        self.venue.as_ref().expect("listed things exist only after ConfigureVenue")
    }

    /// Dense index of an account.
    ///
    /// # Errors
    /// `account_must_exist`.
    pub fn account(&self, id: u64) -> Result<u32, Refusal> {
        self.account_index.get(id).ok_or(Reject::account_must_exist.at(0, id as i64, 0))
    }

    /// Price of a stablecoin in ppm of a dollar; face before the first price.
    #[must_use]
    pub fn stablecoin_ppm(&self, asset: &Asset) -> i64 {
        self.underlying(asset.terms.underlying).map_or(1_000_000, |u| {
            let index = u.price.index();
            if index == 0 { 1_000_000 } else { div_floor(i128::from(index) * 1_000_000, pow10(u.terms.decimals)) as i64 }
        })
    }

    /// A market's index in ticks: the underlying's index times shares per token, in the quote, rounded to nearest.
    #[must_use]
    pub fn index_ticks(&self, market: &Market) -> Ticks {
        let price = i128::from(self.known_underlying(market.terms.underlying).price.index());
        if market.is_perp() {
            return market.ticks_of(price as Price);
        }
        let base = self.known_asset(market.terms.base);
        let quote_ppm = i128::from(self.stablecoin_ppm(self.known_asset(market.terms.quote)).max(1));
        let token = price * i128::from(base.terms.multiplier_ppb) / 1_000;
        div_nearest(token, i128::from(market.terms.tick_size) * quote_ppm) as i64
    }

    /// The worst price of a taker that goes at most `ppm` beyond the index: up for a purchase, down for a sale. Rounded towards
    /// the index; a tick at least.
    #[must_use]
    pub fn ticks_within(&self, market: u32, side: Side, ppm: i64) -> Ticks {
        let index = i128::from(self.index_ticks(self.known_market(market)));
        let part = i128::from(PPM) + i128::from(side.sign() * ppm);
        let price = if side == Side::Ask { div_ceil(index * part, i128::from(PPM)) } else { div_floor(index * part, i128::from(PPM)) };
        narrow(price).unwrap_or(i64::MAX).max(1)
    }

    /// The market's collar around its index on a taker's side, rounded outwards; a tick at least.
    #[must_use]
    pub fn collar(&self, market: &Market, side: Side) -> Ticks {
        let (index, collar) = (i128::from(self.index_ticks(market)), i128::from(market.terms.collar_ppm));
        let price = match side {
            Side::Bid => div_ceil(index * (i128::from(PPM) + collar), i128::from(PPM)),
            Side::Ask => div_floor(index * (i128::from(PPM) - collar), i128::from(PPM)).max(1),
        };
        narrow(price).unwrap_or(i64::MAX)
    }

    /// Units of an asset that the accounts of an account's owner owe its pool, by index.
    #[must_use]
    pub fn owed_by_group(&self, account: u32, asset: u32) -> Amount {
        let owner = self.accounts[account as usize].owner;
        let owed = |&a: &u32| self.accounts[a as usize].balance(asset).map_or(0, |b| self.ledger.owed(b));
        self.owners[owner as usize].accounts.iter().map(owed).sum()
    }

    /// 1e-9 shares of a number of lots, signed, rounded down.
    #[must_use]
    pub fn shares_of(&self, market: &Market, lots: i128) -> i128 {
        let units = lots * i128::from(market.terms.lot_size);
        if market.is_perp() { market.split.of_down(units) } else { self.known_asset(market.terms.base).shares(units) }
    }

    /// Dividends receivable on so many units of a token, micro-dollars rounded down; negative on borrowed ones.
    #[inline]
    #[must_use]
    pub fn receivable(&self, asset: u32, units: i128) -> Value {
        match self.ledger.receivable(asset) {
            0 => 0,
            each => scaled_down(units, each, pow10(self.known_asset(asset).terms.decimals) * i128::from(PPM)),
        }
    }

    /// Quote units as micro-dollars at face, rounded down.
    #[must_use]
    pub fn quote_value(&self, market: &Market, quote_units: i128) -> Value {
        self.known_asset(market.terms.quote).face(quote_units)
    }

    /// Lots at a price in ticks as micro-dollars at face, rounded down.
    #[must_use]
    pub fn notional(&self, market: &Market, price: Ticks, lots: Lots) -> Value {
        self.quote_value(market, market.quote_units(price, lots))
    }

    /// Stored liquidity rates of an owner for an underlying.
    #[must_use]
    pub fn liquidity_rate(&self, owner: u32, underlying: u32) -> Option<LiquidityRate> {
        self.owners[owner as usize].rate(underlying)
    }

    /// Adds a dated row that was checked: one move per bucket.
    pub fn add_dated_row(&mut self, row: ListDatedRow) {
        for (bucket, &move_ppm) in self.buckets.iter_mut().skip(1).zip(&row.moves_ppm) {
            if let Some(bucket) = bucket {
                bucket.dated_fall_ppm = bucket.dated_fall_ppm.max(-move_ppm);
            }
        }
        self.dated_rows.push(row);
        self.rebuild_dated_moves();
    }

    /// Rebuilds the look-ups that a snapshot leaves out.
    pub fn rebuild_indexes(&mut self) {
        self.account_index = self.accounts.iter().enumerate().map(|(i, a)| (a.id, i as u32)).collect();
        self.owner_index = self.owners.iter().enumerate().map(|(i, o)| (o.id, i as u32)).collect();
        self.owner_index.extend(self.governance.joined.iter().map(|(&id, &at)| (id, at)));
        let Self { accounts, orders, .. } = self;
        for account in accounts {
            account.index();
            for slot in orders.of_account(account.orders) {
                let order = orders.order(slot);
                account.add_order(order.market(), order.side(), order.price(), order.leaves());
            }
        }
        self.rebuild_dated_moves();
    }

    /// Works out every underlying's move in every dated row; after each listing of either.
    pub fn rebuild_dated_moves(&mut self) {
        let Self { underlyings, buckets, dated_rows, .. } = self;
        for underlying in underlyings.iter_mut().flatten() {
            let at = underlying.terms.bucket as usize;
            let divisor = buckets[at].as_ref().map_or(1, |b| b.terms.history_divisor);
            let beta = underlying.terms.beta_ppm;
            let of = |row: &ListDatedRow| row.moves_ppm.get(at - 1).map_or(0, |&m| m.signum() * systematic_ppm(m, beta, divisor));
            underlying.dated_ppm = dated_rows.iter().map(of).collect();
        }
    }

    /// Per perp market, the three zero sums: positions, and claims - debts - clearing - costs.
    #[must_use]
    pub fn clearing_differences(&self) -> BTreeMap<u32, (i128, i128)> {
        let mut sums: BTreeMap<u32, (i128, i128)> = BTreeMap::new();
        let add = |sums: &mut BTreeMap<u32, (i128, i128)>, p: &Position| {
            let entry = sums.entry(p.market).or_default();
            entry.0 += i128::from(p.lots);
            entry.1 += i128::from(p.owed) - i128::from(p.cost);
        };
        self.accounts.iter().flat_map(|a| &a.positions).for_each(|p| add(&mut sums, p));
        for market in self.markets.iter().flatten().filter(|m| m.is_perp()) {
            let entry = sums.entry(market.terms.market).or_default();
            let cleared = self.ledger.venue(crate::ledger::Party::Clearing(market.terms.market), market.terms.quote);
            let owed = market.claims.fees + market.claims.insurance + market.claims.rounding;
            entry.1 += i128::from(owed) - i128::from(cleared);
        }
        sums
    }
}
