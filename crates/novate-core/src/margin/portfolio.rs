//! An account seen by underlying: token legs, perp legs, cash, open orders, and the prices of the level.
//!
//! Responsible for: gathering one account into exposures and valuing their corners. Never sums a requirement.

use super::rates::Rates;
use super::{Change, Level, Question};
use crate::order::{NIL, Side};
use crate::state::{Market, State, Underlying};
use crate::units::{Lots, PPM, Price, Ticks, Value, div_ceil, div_floor, rate_down, rate_up, scale_up};

/// Spot and perp shares (1e-9) of one corner of open orders, and their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corner {
    /// Spot shares that count.
    pub spot: i128,
    /// Spot shares before caps.
    pub held: i128,
    /// Perp shares.
    pub perp: i128,
    /// Price of the corner's net sign.
    pub price: Price,
    /// S, micro-dollars.
    pub s: Value,
    /// F, micro-dollars.
    pub f: Value,
    /// E, micro-dollars.
    pub e: Value,
}

/// Everything of an account in one underlying.
#[derive(Clone, Debug, Default)]
pub struct Exposure {
    /// The underlying.
    pub underlying: u32,
    /// Its bucket.
    pub bucket: u32,
    /// Its sector.
    pub sector: u32,
    /// Its gap group.
    pub gap_group: u32,
    /// Perp shares.
    pub perp: i128,
    /// Shares of open orders: spot bids, spot asks, perp bids, perp asks.
    pub open: [i128; 4],
    /// Price for a long exposure.
    pub long_price: Price,
    /// Price for a short exposure.
    pub short_price: Price,
    /// Price when there is no net exposure.
    pub flat_price: Price,
    /// None, all bids, all asks, and the two mixed corners; only the first without open orders.
    pub corners: [Corner; 5],
    /// How many corners count: 1 or 5.
    pub corner_count: usize,
    /// Shares that all bids pay for or unhedge and that no cap lets count; set by `collateral` at initial.
    pub uncounted: i128,
    /// Smallest E over none, all bids, all asks.
    pub low: Value,
    /// Largest E over the same.
    pub high: Value,
    /// What it makes in the rotation's size when its sector falls, and when it rises; set by `scenario`.
    pub rotated: [Value; 2],
    /// Gap rate times leverage, clipped.
    pub gap_ppm: i64,
    /// Stored liquidity rate of the spot leg.
    pub spot_rate_ppm: i64,
    /// Stored liquidity rate of the perp leg.
    pub perp_rate_ppm: i64,
    /// Net perp gain that does not count for a withdrawal because the price is in doubt; set by `collateral`.
    pub doubtful_gain: Value,
    /// CROWD.
    pub crowd: Value,
    /// Immediate loss and fees of open orders, and what they pay for or unhedge that does not count.
    pub loss: Value,
}

/// One token balance.
#[derive(Clone, Debug, Default)]
pub struct TokenLeg {
    /// Asset.
    pub asset: u32,
    /// Its place in `exposures`.
    pub slot: usize,
    /// Units held, pledged and lent.
    pub amount: i128,
    /// Units admitted under the caps.
    pub admitted: i128,
    /// Units that hypothetical changes bring in: to be admitted.
    pub bought: i128,
    /// Units of open bids.
    pub bids: i128,
    /// Units of open asks.
    pub asks: i128,
    /// Units that count, without open orders; set by `collateral`.
    pub counted: i128,
    /// Shares that count in each corner of its underlying; set by `collateral`.
    pub shares: [i128; 5],
    /// Value that counts, micro-dollars.
    pub value: Value,
    /// Dividends receivable on the units that count, micro-dollars; negative when borrowed.
    pub receivable: Value,
    /// WRAP.
    pub wrap: Value,
    /// Units that are a claim on the pool.
    pub lent: i128,
    /// LENT.
    pub charge: Value,
}

/// One perp position.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerpLeg {
    /// Market.
    pub market: u32,
    /// Its place in `exposures`.
    pub slot: usize,
    /// Stablecoin it settles in.
    pub quote: u32,
    /// Signed lots.
    pub lots: Lots,
    /// Signed shares.
    pub shares: i128,
    /// Signed cost, quote units.
    pub cost: i128,
    /// Claim, hedged claim and debt, quote units.
    pub claim: i64,
    /// Part of the claim earned hedged.
    pub hedged_claim: i64,
    /// Debt, quote units.
    pub debt: i64,
    /// Result at the level's prices, micro-dollars.
    pub result: Value,
}

/// One stablecoin.
#[derive(Clone, Copy, Debug, Default)]
pub struct CashLeg {
    /// Asset.
    pub asset: u32,
    /// Units, pledged and lent.
    pub amount: i128,
    /// Quote units that all spot bids would pay.
    pub pays: i128,
    /// Quote units that all spot asks would receive.
    pub receives: i128,
    /// Fees and perp losses of all orders, micro-dollars at face.
    pub loses: Value,
    /// Dollar price.
    pub price_ppm: i64,
    /// Balance, claims, debts and results that count, micro-dollars at face.
    pub counted: Value,
    /// Perp gains of it that are not hedged, at initial.
    pub unmatched: Value,
    /// What it adds to NLV.
    pub value: Value,
    /// FX.
    pub depeg: Value,
    /// Units that are a claim on the pool.
    pub lent: i128,
    /// LENT.
    pub charge: Value,
}

/// Scratch space of one evaluation; reused so that the hot path allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Portfolio {
    /// By underlying, in the order first met.
    pub exposures: Vec<Exposure>,
    /// Tokens, ascending by asset.
    pub tokens: Vec<TokenLeg>,
    /// Perps, ascending by market.
    pub perps: Vec<PerpLeg>,
    /// Stablecoins, ascending by asset.
    pub cash: Vec<CashLeg>,
    /// Gap groups: (x, id), used by the gap term.
    pub groups: Vec<(Value, u32)>,
    /// Per dated row: result of the bucket at hand, and loss of all buckets so far; used by the scenario term.
    pub dated: Vec<(Value, Value)>,
    /// By underlying: at initial, and at the levels below.
    rates: Vec<[Rates; 2]>,
    /// Which of the two.
    level: usize,
}

impl Portfolio {
    /// What the rule asks of a dollar of an exposure, at the level of the evaluation just made.
    #[must_use]
    pub fn rates(&self, exposure: &Exposure) -> &Rates {
        &self.rates[exposure.underlying as usize][self.level]
    }

    /// The exposure of an underlying, created when first met.
    fn slot(&mut self, state: &State, underlying: u32) -> usize {
        if let Some(at) = self.exposures.iter().position(|e| e.underlying == underlying) {
            return at;
        }
        let terms = &state.known_underlying(underlying).terms;
        let (bucket, sector, gap_group) = (terms.bucket, terms.sector, terms.gap_group);
        self.exposures.push(Exposure { underlying, bucket, sector, gap_group, corner_count: 1, ..Exposure::default() });
        self.exposures.len() - 1
    }

    fn cash_mut(&mut self, state: &State, asset: u32) -> &mut CashLeg {
        // Ascending, because the cap on unmatched gains is given out in this order.
        let at = self.cash.partition_point(|c| c.asset < asset);
        if self.cash.get(at).is_none_or(|c| c.asset != asset) {
            let price_ppm = state.stablecoin_ppm(state.known_asset(asset));
            self.cash.insert(at, CashLeg { asset, price_ppm, ..CashLeg::default() });
        }
        &mut self.cash[at]
    }

    fn token_mut(&mut self, state: &State, asset: u32) -> &mut TokenLeg {
        let at = self.tokens.iter().position(|t| t.asset == asset).unwrap_or_else(|| {
            let slot = self.slot(state, state.known_asset(asset).terms.underlying);
            self.tokens.push(TokenLeg { asset, slot, ..TokenLeg::default() });
            self.tokens.len() - 1
        });
        &mut self.tokens[at]
    }

    fn perp_mut(&mut self, state: &State, market: &Market) -> &mut PerpLeg {
        let id = market.terms.market;
        let at = self.perps.iter().position(|p| p.market == id).unwrap_or_else(|| {
            let slot = self.slot(state, market.terms.underlying);
            self.perps.push(PerpLeg { market: id, slot, quote: market.terms.quote, ..PerpLeg::default() });
            self.cash_mut(state, market.terms.quote);
            self.perps.len() - 1
        });
        &mut self.perps[at]
    }

    /// Nothing is in it.
    pub fn clear(&mut self) {
        self.exposures.clear();
        self.tokens.clear();
        self.perps.clear();
        self.cash.clear();
    }

    /// Gathers the account and the hypothetical changes.
    pub fn build(&mut self, state: &State, account: u32, question: &Question<'_>) {
        self.clear();
        if !question.alone {
            self.add_holdings(state, account, question);
        }
        for change in question.changes {
            self.apply(state, change);
        }
        self.set_perp_shares(state);
    }

    fn add_holdings(&mut self, state: &State, account: u32, question: &Question<'_>) {
        let holder = &state.accounts[account as usize];
        for balance in &holder.balances {
            let due = if balance.due == 0 { 0 } else { rate_down(i128::from(balance.due), state.clearing.config().due_ppm) };
            let amount = state.ledger.pledged_and_lent(balance) + i128::from(balance.escrowed) + due;
            self.add_balance(state, balance.asset, amount, i128::from(balance.admitted));
            if balance.lent > 0 {
                self.add_lent(state, balance.asset, i128::from(state.ledger.claim(balance)));
            }
        }
        for position in &holder.positions {
            let market = state.known_market(position.market);
            if market.is_perp() && position.carries() {
                let leg = self.perp_mut(state, market);
                leg.lots += position.lots;
                leg.cost += i128::from(position.cost);
                (leg.claim, leg.hedged_claim, leg.debt) = (position.claim(), position.hedged_claim, position.debt());
            }
            if question.orders && position.has_orders() {
                for side in [Side::Bid, Side::Ask] {
                    let open = holder.open(position).side(side);
                    if open.orders > 0 {
                        self.add_open(state, market, side, open.lots, open.ticks_lots);
                    }
                }
            }
        }
    }

    fn add_balance(&mut self, state: &State, asset: u32, amount: i128, admitted: i128) {
        if state.known_asset(asset).is_stablecoin() {
            self.cash_mut(state, asset).amount += amount;
        } else if amount != 0 || self.tokens.iter().any(|t| t.asset == asset) {
            let leg = self.token_mut(state, asset);
            leg.amount += amount;
            leg.admitted += admitted;
        }
    }

    fn add_lent(&mut self, state: &State, asset: u32, amount: i128) {
        if state.known_asset(asset).is_stablecoin() {
            self.cash_mut(state, asset).lent += amount;
        } else {
            self.token_mut(state, asset).lent += amount;
        }
    }

    fn add_open(&mut self, state: &State, market: &Market, side: Side, lots: Lots, ticks_lots: i128) {
        let slot = self.slot(state, market.terms.underlying);
        let shares = state.shares_of(market, i128::from(lots));
        let which = usize::from(market.is_perp()) * 2 + side as usize;
        self.exposures[slot].open[which] += shares;
        self.exposures[slot].corner_count = 5;
        let notional = ticks_lots * i128::from(market.unit);
        let fee = rate_up(quote_value_up(state, market, notional), market.terms.taker_fee_ppm);
        let cash = self.cash_mut(state, market.terms.quote);
        cash.loses += fee;
        match side {
            _ if market.is_perp() => (),
            Side::Bid => cash.pays += notional,
            Side::Ask => cash.receives += notional,
        }
        let dear = rate_up(fee, cash.price_ppm.max(PPM));
        self.exposures[slot].loss += dear;
        if market.is_perp() {
            return;
        }
        let token = self.token_mut(state, market.terms.base);
        let units = i128::from(lots) * i128::from(market.terms.lot_size);
        match side {
            Side::Bid => token.bids += units,
            Side::Ask => token.asks += units,
        }
    }

    fn apply(&mut self, state: &State, change: &Change) {
        match *change {
            Change::Balance { asset, amount } => {
                self.add_balance(state, asset, i128::from(amount), 0);
                if !state.known_asset(asset).is_stablecoin() {
                    self.token_mut(state, asset).bought += i128::from(amount.max(0));
                }
            }
            Change::Lend { asset, amount } => self.add_lent(state, asset, i128::from(amount)),
            Change::Order { market, side, price, lots } => {
                let market = state.known_market(market);
                self.add_open(state, market, side, lots, i128::from(price) * i128::from(lots));
            }
            Change::Trade { market, lots, price } => {
                let market = state.known_market(market);
                let cost = market.quote_units(price, lots);
                if market.is_perp() {
                    let leg = self.perp_mut(state, market);
                    leg.lots += lots;
                    leg.cost += cost;
                } else {
                    let units = i128::from(lots) * i128::from(market.terms.lot_size);
                    let leg = self.token_mut(state, market.terms.base);
                    leg.amount += units;
                    leg.bought += units.max(0);
                    self.cash_mut(state, market.terms.quote).amount -= cost;
                }
            }
        }
    }

    fn set_perp_shares(&mut self, state: &State) {
        for leg in &mut self.perps {
            leg.shares = state.shares_of(state.known_market(leg.market), i128::from(leg.lots));
            self.exposures[leg.slot].perp += leg.shares;
        }
        for exposure in &mut self.exposures {
            let [_, _, bids, asks] = exposure.open;
            for (corner, filled) in exposure.corners.iter_mut().zip([0, bids, -asks, -asks, bids]).take(exposure.corner_count) {
                corner.perp = exposure.perp + filled;
            }
        }
    }

    /// Prices, factors, corner values, order losses. `collateral` has set the spot shares of the corners.
    pub fn value(&mut self, state: &State, account: u32, question: &Question<'_>) {
        let owner = state.accounts[account as usize].owner;
        self.level = usize::from(question.level != Level::Initial);
        for exposure in &mut self.exposures {
            let underlying = state.known_underlying(exposure.underlying);
            exposure.set_prices(underlying, question);
            exposure.set_corners(underlying);
            let at = exposure.underlying as usize;
            if self.rates.len() <= at {
                self.rates.resize_with(state.underlyings.len().max(at + 1), Default::default);
            }
            let rates = &mut self.rates[at][self.level];
            rates.renew(state, underlying, question.level);
            exposure.set_rates(state, underlying, owner, rates);
            if question.level == Level::Initial {
                exposure.set_crowd(state, underlying);
            }
        }
        for token in &mut self.tokens {
            let exposure = &self.exposures[token.slot];
            let underlying = state.known_underlying(exposure.underlying);
            let terms = &state.known_asset(token.asset).terms;
            let factor_ppm = self.rates[exposure.underlying as usize][self.level].factor_ppm();
            let (wrap, borrow) = (scale_up(terms.wrap_ppm, factor_ppm), scale_up(terms.borrow_wrap_ppm, factor_ppm));
            token.value = underlying.value_down(token.shares[0], exposure.corners[0].price);
            token.receivable = state.receivable(token.asset, token.counted);
            let values = exposure.live_corners().iter().zip(token.shares).skip(1).map(|(c, shares)| underlying.value_down(shares, c.price));
            let (low, high) = values.fold((token.value, token.value), |(low, high), v| (low.min(v), high.max(v)));
            let charge = |value: Value| rate_up(value.max(0), wrap) + rate_up((-value).max(0), borrow);
            token.wrap = charge(low).max(charge(high));
            token.set_charge(state, underlying, exposure.corners[0].price);
        }
        if question.orders && !question.alone {
            self.add_order_losses(state, account);
        }
        for change in question.changes {
            if let Change::Order { market, side, price, lots } = *change {
                let market = state.known_market(market);
                if let Some(slot) = self.exposures.iter().position(|e| e.underlying == market.terms.underlying) {
                    let loss = order_loss(state, market, self.exposures[slot].prices(), self.coin_ppm(market), side, price, lots);
                    self.add_loss(state, market, slot, loss);
                }
            }
        }
    }

    fn add_order_losses(&mut self, state: &State, account: u32) {
        let holder = &state.accounts[account as usize];
        for position in &holder.positions {
            if !position.has_orders() {
                continue;
            }
            let market = state.known_market(position.market);
            let Some(slot) = self.exposures.iter().position(|e| e.underlying == market.terms.underlying) else { continue };
            let (prices, coin_ppm) = (self.exposures[slot].prices(), self.coin_ppm(market));
            let open = holder.open(position);
            let bids = open.bids.orders > 0 && loses(state, market, prices, coin_ppm, Side::Bid, open.bids.extreme);
            let asks = open.asks.orders > 0 && loses(state, market, prices, coin_ppm, Side::Ask, open.asks.extreme);
            if !bids && !asks {
                continue;
            }
            let mut next = holder.orders;
            while next != NIL {
                let order = state.orders.order(next);
                if order.market() == position.market {
                    let loss = order_loss(state, market, prices, coin_ppm, order.side(), order.price(), order.leaves());
                    self.add_loss(state, market, slot, loss);
                }
                next = state.orders.next_of_account(next).unwrap_or(NIL);
            }
        }
    }

    /// Dollar price of a market's quote, which has a leg as soon as there is an order in it.
    fn coin_ppm(&self, market: &Market) -> i64 {
        self.cash.iter().find(|c| c.asset == market.terms.quote).map_or(PPM, |c| c.price_ppm)
    }

    /// LOSS of one order. A perp's is paid in its quote: from cash, and at the quote's price.
    fn add_loss(&mut self, state: &State, market: &Market, slot: usize, loss: Value) {
        if !market.is_perp() {
            self.exposures[slot].loss += loss;
        } else if loss != 0 {
            let cash = self.cash_mut(state, market.terms.quote);
            cash.loses += loss;
            let dear = rate_up(loss, cash.price_ppm.max(PPM));
            self.exposures[slot].loss += dear;
        }
    }
}

/// CROWD for shares by which |F| would rise: at the index, by how crowded the venue's open interest is.
#[must_use]
pub fn crowd(state: &State, underlying: &Underlying, raised: i128) -> Value {
    let (terms, index) = (&underlying.terms, underlying.price.index());
    if terms.crowd_ppm == 0 || raised <= 0 {
        return 0;
    }
    let held: i128 = underlying.perps.iter().map(|&m| state.known_market(m)).map(|m| state.shares_of(m, i128::from(m.open_interest))).sum();
    let interest = underlying.value_down(held, index);
    let width = i128::from(terms.crowd_high - terms.crowd_low);
    let ramp = div_floor((interest - i128::from(terms.crowd_low)) * i128::from(PPM), width).clamp(0, i128::from(PPM)) as i64;
    rate_up(underlying.value_down(raised, index), scale_up(terms.crowd_ppm, ramp))
}

/// Quote units as micro-dollars at face, rounded up: for what the account pays.
pub(super) fn quote_value_up(state: &State, market: &Market, quote_units: i128) -> Value {
    -state.quote_value(market, -quote_units)
}

impl Exposure {
    fn set_prices(&mut self, underlying: &Underlying, question: &Question<'_>) {
        let price = &underlying.price;
        (self.long_price, self.short_price) = match question.level {
            Level::Initial => price.initial_prices(question.withdrawal),
            _ if question.drifted => (price.index(), price.index()),
            _ if question.slower && price.liquidation_uses_slower() => (price.slower_price(1), price.slower_price(-1)),
            _ => (price.last_external(), price.last_external()),
        };
        self.flat_price = price.last_external();
        if let Some((id, ppm)) = question.shift
            && id == self.underlying
        {
            let shifted = |p: Price| rate_up(i128::from(p), PPM + ppm).max(1) as Price;
            (self.long_price, self.short_price) = (shifted(self.long_price), shifted(self.short_price));
            self.flat_price = shifted(self.flat_price);
        }
    }

    fn set_corners(&mut self, underlying: &Underlying) {
        for corner in &mut self.corners[..self.corner_count] {
            let Corner { spot, perp, held, .. } = *corner;
            let net = spot + perp;
            let price = match net.signum() {
                1 => self.long_price,
                -1 => self.short_price,
                _ => self.flat_price,
            };
            let (s, f) = (underlying.value_down(spot, price), underlying.value_down(perp, price));
            let e = if spot == 0 || perp == 0 { s + f } else { underlying.value_down(net, price) };
            *corner = Corner { spot, held, perp, price, s, f, e };
        }
        self.loss += div_ceil(self.uncounted * i128::from(self.long_price), underlying.scale());
        let first = self.corners[0].e;
        let ends = &self.corners[..self.corner_count.min(3)];
        (self.low, self.high) = ends.iter().fold((first, first), |(low, high), c| (low.min(c.e), high.max(c.e)));
    }

    fn set_rates(&mut self, state: &State, underlying: &Underlying, owner: u32, rates: &Rates) {
        (self.spot_rate_ppm, self.perp_rate_ppm) = super::liquidity::stored_rates(state, owner, underlying);
        let room = rates.room_ppm - div_ceil(3 * i128::from(self.spot_rate_ppm), 2) as i64;
        self.gap_ppm = rates.gap_ppm.min(room.max(0));
    }

    fn set_crowd(&mut self, state: &State, underlying: &Underlying) {
        let terms = &underlying.terms;
        let [_, _, bids, asks] = self.open;
        if terms.crowd_ppm == 0 || (bids == 0 && asks == 0) {
            return;
        }
        let raised = (self.perp + bids).abs().max((self.perp - asks).abs()) - self.perp.abs();
        self.crowd = crowd(state, underlying, raised);
    }

    /// Prices of a long and of a short exposure.
    const fn prices(&self) -> [Price; 2] {
        [self.long_price, self.short_price]
    }

    /// The corners that count.
    #[must_use]
    pub fn live_corners(&self) -> &[Corner] {
        &self.corners[..self.corner_count]
    }

    /// Whether the basis charge is on matched dollars only, or gross (RULES section 7, term 3).
    #[must_use]
    pub fn basis_is_net(state: &State, underlying: &Underlying) -> bool {
        let gap = 2 * i128::from(state.config().gap_sum_ppm) * i128::from(underlying.terms.gap_ppm);
        i128::from(underlying.terms.basis_ppm) * i128::from(PPM) <= gap
    }

    /// BASIS.
    #[must_use]
    pub fn basis(&self, state: &State) -> Value {
        let underlying = state.known_underlying(self.underlying);
        let rate = i128::from(underlying.terms.basis_ppm);
        if rate == 0 {
            return 0;
        }
        let net = Self::basis_is_net(state, underlying);
        let gross = |c: &Corner| c.s.abs() + c.f.abs() - if net { c.e.abs() } else { 0 };
        let worst = self.live_corners().iter().map(gross).max().unwrap_or(0).max(0);
        div_ceil(rate * worst, 2 * i128::from(PPM))
    }

    /// LIQ.
    #[must_use]
    pub fn liquidity(&self) -> Value {
        let largest = |leg: fn(&Corner) -> Value| self.live_corners().iter().map(|c| leg(c).abs()).max().unwrap_or(0);
        rate_up(largest(|c| c.s), self.spot_rate_ppm) + rate_up(largest(|c| c.f), self.perp_rate_ppm)
    }
}

/// What a quote unit counts in an order: never less than a dollar when a spot order pays it, never more when it
/// receives it; a perp's result stays in the quote.
fn quote_ppm(market: &Market, coin_ppm: i64, side: Side) -> i64 {
    match side {
        _ if market.is_perp() => PPM,
        Side::Bid => coin_ppm.max(PPM),
        Side::Ask => coin_ppm.min(PPM),
    }
}

/// Whether an order at this price would lose at once against the level's price.
fn loses(state: &State, market: &Market, [long, short]: [Price; 2], coin_ppm: i64, side: Side, price: Ticks) -> bool {
    let (multiplier, due) = if market.is_perp() {
        (i128::from(market.split.num) * 1_000_000_000, 0)
    } else {
        let due = i128::from(state.ledger.receivable(market.terms.base));
        (i128::from(state.known_asset(market.terms.base).terms.multiplier_ppb), due * state.known_underlying(market.terms.underlying).scale())
    };
    let rate = quote_ppm(market, coin_ppm, side);
    // A limit beyond 128 bits is worse than any price for a bid and better than any for an ask.
    let step = i128::from(market.terms.tick_size) * i128::from(market.split.den) * 1_000_000_000;
    let limit = i128::from(price).saturating_mul(step).saturating_mul(i128::from(rate));
    let worth = |price: Price| (i128::from(price) * multiplier).saturating_mul(i128::from(PPM)).saturating_add(due);
    match side {
        Side::Bid => limit > worth(long),
        Side::Ask => limit < worth(short),
    }
}

/// Immediate loss of one order: nothing unless its own limit is worse than the level's price. Negative lots take the
/// loss of an order that is being replaced back.
pub(super) fn order_loss(state: &State, market: &Market, [long, short]: [Price; 2], coin_ppm: i64, side: Side, price: Ticks, lots: Lots) -> Value {
    if !loses(state, market, [long, short], coin_ppm, side, price) {
        return 0;
    }
    let underlying = state.known_underlying(market.terms.underlying);
    let size = i128::from(lots.unsigned_abs());
    let notional = i128::from(price) * size * i128::from(market.unit);
    let shares = state.shares_of(market, size);
    let rate = quote_ppm(market, coin_ppm, side);
    // What is receivable on a token goes with it.
    let due = |units: i128| if market.is_perp() { 0 } else { state.receivable(market.terms.base, units) };
    let units = size * i128::from(market.terms.lot_size);
    let loss = match side {
        Side::Bid => rate_up(quote_value_up(state, market, notional), rate) - underlying.value_down(shares, long) - due(units),
        Side::Ask => {
            let worth = div_ceil(shares * i128::from(short), underlying.scale()) - due(-units);
            worth - rate_down(state.quote_value(market, notional), rate)
        }
    };
    loss.max(0) * i128::from(lots.signum())
}

/// Part of a lent claim's value that counts in R.
fn lent_charge_ppm(state: &State, asset: u32) -> i64 {
    state.known_asset(asset).pool.as_ref().map_or(0, |p| p.lent_charge_ppm)
}

impl TokenLeg {
    /// LENT: the claim's value at the price of the exposure, rounded up, times the pool's charge.
    fn set_charge(&mut self, state: &State, underlying: &Underlying, price: Price) {
        if self.lent > 0 {
            let shares = state.known_asset(self.asset).shares(self.lent);
            self.charge = rate_up(-underlying.value_down(-shares, price), lent_charge_ppm(state, self.asset));
        }
    }
}

impl CashLeg {
    /// LENT: the claim at the coin's price, at most a dollar, rounded up, times the pool's charge.
    pub fn set_charge(&mut self, state: &State) {
        if self.lent > 0 {
            let face = -state.known_asset(self.asset).face(-self.lent);
            self.charge = rate_up(rate_up(face, self.price_ppm.min(PPM)), lent_charge_ppm(state, self.asset));
        }
    }
}

impl PerpLeg {
    /// Result at a price with the clipped premium of its mark, micro-dollars rounded down.
    pub fn set_result(&mut self, state: &State, price: Price, level: Level) {
        let market = state.known_market(self.market);
        let underlying = state.known_underlying(market.terms.underlying);
        let index = underlying.price.index();
        let bound = div_floor(i128::from(underlying.terms.basis_ppm) * i128::from(index), i128::from(PPM)) as i64;
        let premium = (market.mark.mark() - index).clamp(-bound, bound);
        let mut extra = if market.mark.mark() == 0 { 0 } else { underlying.value_down(self.shares, premium) };
        if level == Level::Initial {
            extra = extra.min(0);
        }
        let cost = quote_value_up(state, market, self.cost);
        self.result = underlying.value_down(self.shares, price) + extra - cost;
    }
}

