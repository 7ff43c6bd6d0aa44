//! The short way through the margin rule, for accounts of cash and perps: the same numbers as `evaluate`, to the unit.
//!
//! Without tokens a leg's value is its lots times a number that is worked out once per price. Rows are first added up coarsely;
//! only those that may bind are rounded result by result, as the rule says. Whatever is not plain (tokens, orders for them, claims on
//! pools, several perps of one underlying, a withdrawal, a shifted price) has no short way. Debug builds ask `evaluate` as well,
//! each time.
//!
//! Responsible for: equity, terms and binding row of a plain account. Never decides anything; keeps nothing an outcome depends on.

mod perp;
mod rows;
mod sums;

use super::portfolio::{crowd, order_loss, quote_value_up};
use super::{Change, Evaluation, Level, Question, Terms};
use crate::open_orders::OpenOrders;
use crate::order::{NIL, Side};
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, PPM, Ticks, Value, narrow, rate_down, rate_up};
use perp::{Fit, Perp};
use rows::{Bucket, ROWS, Sector};
use sums::{PLACES, Stored, Sums, bits};

/// A stablecoin, and its price at a moment.
#[derive(Debug, Default)]
struct Coin {
    asset: u32,
    moment: u64,
    price_ppm: i64,
}

/// Working memory, and what holds for a moment (`state::lull`).
#[derive(Debug, Default)]
pub struct Plain {
    /// By market, initial and the levels below.
    perps: [Vec<Perp>; 2],
    /// By place, as the sums are.
    coins: Vec<Coin>,
    buckets: Vec<Bucket>,
    sectors: Vec<Sector>,
    groups: Vec<u32>,
    sums: Sums,
}

impl Plain {
    /// The evaluation of a plain account and question; `None` where there is no short way. What holds for a moment may be asked
    /// only after `State::bound_lull`.
    pub fn evaluate(&mut self, state: &State, account: u32, question: &Question<'_>) -> Option<Evaluation> {
        let special = question.slower || question.drifted || question.withdrawal || question.alone || question.shift.is_some();
        let special = special || question.changes.iter().any(|c| market_of(c).is_none());
        if special || state.lull.moment() == 0 || state.dated_rows.len() > ROWS {
            return None;
        }
        let level = usize::from(question.level != Level::Initial);
        self.sums.begin();
        self.add_cash(state, account)?;
        self.add_positions(state, account, question, level)?;
        self.add_order_losses(state, account, question, level);
        let (equity, fx) = self.money(state, account);
        let gap = self.sums.gap(state.config().gap_sum_ppm);
        let (sr, binding) = self.scenario_risk(state, level);
        let Sums { liq, basis, crowd, loss, .. } = self.sums;
        let terms = Terms { sr: sr.into(), gap, basis: basis.into(), fx, liq: liq.into(), crowd, loss, ..Terms::default() };
        let stressed = terms.sr + terms.gap + terms.basis + terms.fx;
        let requirement = rate_up(stressed, question.level.factor_ppm(state)) + terms.liq + terms.crowd + terms.loss;
        Some(Evaluation { equity, terms, requirement, binding })
    }

    fn add_cash(&mut self, state: &State, account: u32) -> Option<()> {
        for balance in &state.accounts[account as usize].balances {
            let due = if balance.due == 0 { 0 } else { rate_down(i128::from(balance.due), state.clearing.config().due_ppm) };
            let amount = state.ledger.pledged_and_lent(balance) + i128::from(balance.escrowed) + due;
            let asset = state.known_asset(balance.asset);
            if balance.lent > 0 || (amount != 0 && !asset.is_stablecoin()) {
                return None;
            }
            if asset.is_stablecoin() {
                let at = place(&mut self.coins, |c| c.asset == balance.asset, || Coin { asset: balance.asset, ..Coin::default() });
                if at >= PLACES {
                    return None;
                }
                self.price_coin(state, at);
                self.sums.coin(at as u8).counted = narrow(asset.face(amount))?;
            }
        }
        Some(())
    }

    /// Brings a coin's price up to this moment.
    #[inline]
    fn price_coin(&mut self, state: &State, at: usize) {
        let (coin, moment) = (&mut self.coins[at], state.lull.moment());
        if coin.moment != moment {
            (coin.moment, coin.price_ppm) = (moment, state.stablecoin_ppm(state.known_asset(coin.asset)));
        }
    }

    fn add_positions(&mut self, state: &State, account: u32, question: &Question<'_>, level: usize) -> Option<()> {
        let holder = &state.accounts[account as usize];
        let mut stored = Stored { owner: holder.owner, rates: &state.owners[holder.owner as usize].liquidity, next: 0 };
        for position in &holder.positions {
            let wanted = question.orders && position.has_orders();
            let carries = position.carries();
            let changed = question.changes.iter().any(|c| market_of(c) == Some(position.market));
            if !wanted && !carries && !changed {
                continue;
            }
            self.renew(state, position.market, level);
            let perp = &self.perps[level][position.market as usize];
            match perp.fit {
                Fit::Perp => {}
                // What an account is in a spot market is in its balances, but for its orders.
                Fit::Spot if !wanted && !changed => continue,
                Fit::Spot | Fit::No => return None,
            }
            let now = perp.at_index(position.lots)?;
            if carries {
                self.sums.add_result(state, perp, position, now, level)?;
            }
            let mut exposure = (now, now);
            if wanted || changed {
                let open = wanted.then(|| holder.open(position));
                exposure = self.add_orders(state, open, (position.market, position.lots, now), question, level)?;
            }
            let perp = &self.perps[level][position.market as usize];
            self.sums.add_exposure(state, perp, &mut stored, position.market, exposure)?;
        }
        for (at, change) in question.changes.iter().enumerate() {
            let market = market_of(change)?;
            let seen = holder.position(market).is_some() || question.changes[..at].iter().any(|c| market_of(c) == Some(market));
            if !seen {
                self.renew(state, market, level);
                if self.perps[level][market as usize].fit != Fit::Perp {
                    return None;
                }
                let exposure = self.add_orders(state, None, (market, 0, 0), question, level)?;
                self.sums.add_exposure(state, &self.perps[level][market as usize], &mut stored, market, exposure)?;
            }
        }
        Some(())
    }

    /// Fees and crowding of a market's open and hypothetical orders; returns the smallest and the largest value of lots, which are worth
    /// `now`, with none, all bids or all asks.
    fn add_orders(
        &mut self, state: &State, open: Option<&OpenOrders>, (market, lots, now): (u32, Lots, i64), question: &Question<'_>, level: usize,
    ) -> Option<(i64, i64)> {
        let listed = state.known_market(market);
        let mut ends = [0_i64; 2];
        if let Some(open) = open {
            for side in [Side::Bid, Side::Ask] {
                let open = open.side(side);
                if open.orders > 0 {
                    self.add_fee(state, listed, open.ticks_lots, level);
                    ends[side as usize] = ends[side as usize].checked_add(open.lots)?;
                }
            }
        }
        for change in question.changes {
            if let Change::Order { market: its, side, price, lots: more } = *change
                && its == market
            {
                self.add_fee(state, listed, i128::from(price) * i128::from(more), level);
                ends[side as usize] = ends[side as usize].checked_add(more)?;
            }
        }
        let (perp, [bids, asks]) = (&self.perps[level][market as usize], ends);
        let ends = [perp.at_index(lots.checked_add(bids)?)?, perp.at_index(lots.checked_sub(asks)?)?];
        if perp.crowds && level == 0 {
            let [lots, bids, asks] = [lots, bids, asks].map(|l| i128::from(l) * i128::from(perp.share));
            let raised = (lots + bids).abs().max((lots - asks).abs()) - lots.abs();
            self.sums.crowd += crowd(state, state.known_underlying(perp.underlying), raised);
        }
        Some((now.min(ends[0]).min(ends[1]), now.max(ends[0]).max(ends[1])))
    }

    fn add_fee(&mut self, state: &State, market: &Market, ticks_lots: i128, level: usize) {
        let notional = ticks_lots * i128::from(market.unit);
        let fee = rate_up(quote_value_up(state, market, notional), market.terms.taker_fee_ppm);
        self.add_loss(self.perps[level][market.terms.market as usize].coin_at, fee);
    }

    /// What an order loses at once, in its coin and at what that costs.
    fn add_loss(&mut self, coin_at: u8, loss: Value) {
        self.sums.coin(coin_at).loses += loss;
        self.sums.loss += rate_up(loss, self.coins[usize::from(coin_at)].price_ppm.max(PPM));
    }

    /// Losses at once of orders beyond the index.
    fn add_order_losses(&mut self, state: &State, account: u32, question: &Question<'_>, level: usize) {
        let holder = &state.accounts[account as usize];
        if question.orders && holder.orders != NIL {
            for position in holder.positions.iter().filter(|p| p.has_orders()) {
                let edges = self.perps[level][position.market as usize].edges;
                let open = holder.open(position);
                let bids = open.bids.orders > 0 && open.bids.extreme > edges[0];
                let asks = open.asks.orders > 0 && open.asks.extreme < edges[1];
                let mut next = if bids || asks { holder.orders } else { NIL };
                while next != NIL {
                    let order = state.orders.order(next);
                    if order.market() == position.market {
                        self.add_order_loss(state, order.market(), order.side(), order.price(), order.leaves(), level);
                    }
                    next = state.orders.next_of_account(next).unwrap_or(NIL);
                }
            }
        }
        for change in question.changes {
            if let Change::Order { market, side, price, lots } = *change {
                self.add_order_loss(state, market, side, price, lots, level);
            }
        }
    }

    fn add_order_loss(&mut self, state: &State, market: u32, side: Side, price: Ticks, lots: Lots, level: usize) {
        let perp = &self.perps[level][market as usize];
        let inside = if side == Side::Bid { price <= perp.edges[0] } else { price >= perp.edges[1] };
        if !inside {
            let coin = &self.coins[usize::from(perp.coin_at)];
            let loss = order_loss(state, state.known_market(market), perp.prices, coin.price_ppm, side, price, lots);
            self.add_loss(perp.coin_at, loss);
        }
    }

    /// NLV and FX, from what counts of each coin.
    fn money(&self, state: &State, account: u32) -> (Value, Value) {
        let sharers = state.owners[state.accounts[account as usize].owner as usize].accounts.len();
        let mut cap = state.config().gain_cap;
        if sharers > 1 {
            cap /= sharers as i64;
        }
        let (mut equity, mut fx, mut last) = (0, 0, None);
        // Ascending: the cap on unmatched gains is given out in this order.
        let later = |at: &usize, last: Option<u32>| last.is_none_or(|l| self.coins[*at].asset > l);
        while let Some(at) = bits(self.sums.met.coins).filter(|at| later(at, last)).min_by_key(|&at| self.coins[at].asset) {
            let (coin, sum) = (&self.coins[at], &self.sums.coins[at]);
            let counts = sum.unmatched.min(cap);
            cap -= counts;
            let counted = Value::from(sum.counted) - Value::from(sum.unmatched - counts);
            equity += rate_down(counted, if counted > 0 { coin.price_ppm.min(PPM) } else { coin.price_ppm });
            let depeg_ppm = state.known_asset(coin.asset).terms.depeg_ppm.max(2 * (995_000 - coin.price_ppm).max(0));
            fx += rate_up(counted.abs().max((counted - sum.loses).abs()), depeg_ppm);
            last = Some(coin.asset);
        }
        (equity, fx)
    }

    /// Brings what holds of a market up to this moment.
    #[inline(always)]
    fn renew(&mut self, state: &State, market: u32, level: usize) {
        let now = if level == 0 { 0 } else { state.now };
        let known = self.perps[level].get(market as usize);
        if known.is_none_or(|p| p.moment != state.lull.moment() || p.at != now) {
            self.work_out(state, state.known_market(market), level, now);
        }
    }

    #[cold]
    fn work_out(&mut self, state: &State, market: &Market, level: usize, now: Nanos) {
        let id = market.terms.market as usize;
        if self.perps[level].len() < state.markets.len() {
            self.perps[level].resize_with(state.markets.len(), Perp::default);
        }
        let perp = &mut self.perps[level][id];
        (perp.moment, perp.at, perp.fit) = (state.lull.moment(), now, Fit::Spot);
        if !market.is_perp() {
            return;
        }
        perp.work_out(state, market, level);
        let terms = &state.known_underlying(perp.underlying).terms;
        let (bucket, sector, group, asset) = (terms.bucket, terms.sector, terms.gap_group, market.terms.quote);
        let coin_at = place(&mut self.coins, |c| c.asset == asset, || Coin { asset, ..Coin::default() });
        let bucket_at = place(&mut self.buckets, |b| b.id == bucket, || Bucket::new(bucket));
        let sector_at = place(&mut self.sectors, |s| s.bucket == bucket && s.id == sector, || Sector { bucket, id: sector });
        perp.group_at = place(&mut self.groups, |&g| g == group, || group) as u32;
        self.sums.groups.resize(self.groups.len(), 0);
        if coin_at.max(bucket_at).max(sector_at) >= PLACES {
            perp.fit = Fit::No;
            return;
        }
        (perp.coin_at, perp.bucket_at, perp.sector_at) = (coin_at as u8, bucket_at as u8, sector_at as u8);
        let bucket = &mut self.buckets[bucket_at];
        bucket.sectors |= 1 << sector_at;
        bucket.set_moves(&state.dated_rows);
        perp.set_history(&bucket.moves);
        self.price_coin(state, coin_at);
    }
}

/// Where something is in a list, put there when it is new.
fn place<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    list.iter().position(is).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    })
}

const fn market_of(change: &Change) -> Option<u32> {
    match change {
        Change::Order { market, .. } => Some(*market),
        _ => None,
    }
}
