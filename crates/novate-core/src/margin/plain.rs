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

use super::liquidity::stored_rates;
use super::portfolio::{crowd, order_loss, quote_value_up};
use super::{Change, Evaluation, Level, Question, Terms};
use crate::account::{LiquidityRate, Position};
use crate::open_orders::OpenOrders;
use crate::order::{NIL, Side};
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, PPM, Ticks, Value, div_floor, rate_down, rate_up};
use perp::Perp;
use rows::{BLUR, Bucket, LARGEST_GROSS, ROWS, Sector, coarse, up};

/// An account's exposure to one perp: its smallest and largest value over none, all bids, all asks.
#[derive(Clone, Copy, Debug)]
struct Held {
    low: i64,
    high: i64,
    market: u32,
    bucket_at: u32,
}

/// Something that several exposures share, in the evaluation that it was last met in.
#[derive(Debug, Default)]
struct Coin {
    asset: u32,
    moment: u64,
    run: u64,
    price_ppm: i64,
    counted: Value,
    unmatched: Value,
    loses: Value,
}

#[derive(Debug, Default)]
struct Group {
    id: u32,
    run: u64,
    gap: i64,
}

/// Working memory, and what holds for a moment (`state::lull`).
#[derive(Debug, Default)]
pub struct Plain {
    /// By market, initial and the levels below.
    perps: [Vec<Perp>; 2],
    run: u64,
    held: Vec<Held>,
    coins: Vec<Coin>,
    buckets: Vec<Bucket>,
    sectors: Vec<Sector>,
    groups: Vec<Group>,
    /// Places of those met in this evaluation.
    met: Met,
    terms: Terms,
    gross: i64,
    blur: i64,
}

#[derive(Debug, Default)]
struct Met {
    coins: Vec<u32>,
    buckets: Vec<u32>,
    sectors: Vec<u32>,
    groups: Vec<u32>,
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
        self.begin();
        self.add_cash(state, account)?;
        self.add_positions(state, account, question, level)?;
        self.add_order_losses(state, account, question, level);
        let equity = self.equity(state, account);
        self.terms.fx = self.depeg(state);
        self.terms.gap = self.gap(state);
        let (sr, binding) = self.scenario_risk(state, level);
        self.terms.sr = Value::from(sr);
        let terms = self.terms;
        let stressed = terms.sr + terms.gap + terms.basis + terms.fx;
        let requirement = rate_up(stressed, question.level.factor_ppm(state)) + terms.liq + terms.crowd + terms.loss;
        Some(Evaluation { equity, terms, requirement, binding })
    }

    fn begin(&mut self) {
        self.run += 1;
        self.held.clear();
        let Met { coins, buckets, sectors, groups } = &mut self.met;
        [coins, buckets, sectors, groups].into_iter().for_each(Vec::clear);
        (self.terms, self.gross, self.blur) = (Terms::default(), 0, 0);
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
                self.meet_coin(state, at).counted = asset.face(amount);
            }
        }
        Some(())
    }

    /// A coin in this evaluation.
    #[inline]
    fn meet_coin(&mut self, state: &State, at: u32) -> &mut Coin {
        let coin = &mut self.coins[at as usize];
        if coin.run != self.run {
            let price_ppm = if coin.moment == state.lull.moment() { coin.price_ppm } else { state.stablecoin_ppm(state.known_asset(coin.asset)) };
            *coin = Coin { asset: coin.asset, moment: state.lull.moment(), run: self.run, price_ppm, counted: 0, unmatched: 0, loses: 0 };
            self.met.coins.push(at);
        }
        coin
    }

    fn add_positions(&mut self, state: &State, account: u32, question: &Question<'_>, level: usize) -> Option<()> {
        let holder = &state.accounts[account as usize];
        let mut stored = Stored { rates: &state.owners[holder.owner as usize].liquidity, next: 0 };
        for position in &holder.positions {
            let wanted = question.orders && position.has_orders();
            let carries = position.carries();
            let changed = question.changes.iter().any(|c| market_of(c) == Some(position.market));
            if !wanted && !carries && !changed {
                continue;
            }
            if !state.known_market(position.market).is_perp() {
                // What an account is in a spot market is in its balances, but for its orders.
                if wanted || changed { return None } else { continue }
            }
            self.renew(state, position.market, level)?;
            if carries {
                self.add_result(state, position, level)?;
            }
            let ends = if wanted || changed { self.add_orders(state, wanted.then(|| holder.open(position)), position.market, question, level)? } else { [0; 2] };
            self.add_exposure(state, &mut stored, (holder.owner, position.market, position.lots), ends, level)?;
        }
        for (at, change) in question.changes.iter().enumerate() {
            let market = market_of(change)?;
            let seen = holder.position(market).is_some() || question.changes[..at].iter().any(|c| market_of(c) == Some(market));
            if !state.known_market(market).is_perp() {
                return None;
            }
            if !seen {
                self.renew(state, market, level)?;
                let ends = self.add_orders(state, None, market, question, level)?;
                self.add_exposure(state, &mut stored, (holder.owner, market, 0), ends, level)?;
            }
        }
        Some(())
    }

    /// A position's result in its coin.
    #[inline]
    fn add_result(&mut self, state: &State, position: &Position, level: usize) -> Option<()> {
        let perp = &self.perps[level][position.market as usize];
        let mut extra = if perp.premium == 0 { 0 } else { perp.value(position.lots, perp.premium_worth, perp.premium)? };
        if level == 0 {
            extra = extra.min(0);
        }
        let value = perp.at_index(position.lots)?.checked_add(extra)?;
        let market = state.known_market(position.market);
        let [cost, owed, claim, hedged] = if perp.in_micros {
            [position.cost, position.owed, position.claim(), position.hedged_claim].map(Value::from)
        } else {
            let face = |units: i64| state.quote_value(market, i128::from(units));
            [quote_value_up(state, market, i128::from(position.cost)), face(position.owed), face(position.claim()), face(position.hedged_claim)]
        };
        let result = Value::from(value) - cost;
        let coin = self.meet_coin(state, self.perps[level][position.market as usize].coin_at);
        coin.counted += owed + result;
        if level == 0 {
            coin.unmatched += (result.max(0) + claim - hedged).max(0);
        }
        Some(())
    }

    /// Fees of a market's open and hypothetical orders, and CROWD; returns the lots of all bids and of all asks.
    fn add_orders(&mut self, state: &State, open: Option<&OpenOrders>, market: u32, question: &Question<'_>, level: usize) -> Option<[i64; 2]> {
        let listed = state.known_market(market);
        let mut lots = [0_i64; 2];
        if let Some(open) = open {
            for side in [Side::Bid, Side::Ask] {
                let open = open.side(side);
                if open.orders > 0 {
                    self.add_fee(state, listed, open.ticks_lots, level);
                    lots[side as usize] = lots[side as usize].checked_add(open.lots)?;
                }
            }
        }
        for change in question.changes {
            if let Change::Order { market: its, side, price, lots: more } = *change
                && its == market
            {
                self.add_fee(state, listed, i128::from(price) * i128::from(more), level);
                lots[side as usize] = lots[side as usize].checked_add(more)?;
            }
        }
        Some(lots)
    }

    fn add_fee(&mut self, state: &State, market: &Market, ticks_lots: i128, level: usize) {
        let notional = ticks_lots * i128::from(market.unit);
        let fee = rate_up(quote_value_up(state, market, notional), market.terms.taker_fee_ppm);
        let coin = self.meet_coin(state, self.perps[level][market.terms.market as usize].coin_at);
        coin.loses += fee;
        let dear = rate_up(fee, coin.price_ppm.max(PPM));
        self.terms.loss += dear;
    }

    /// What an exposure asks by itself, and its part of the rows, coarsely.
    #[inline]
    fn add_exposure(&mut self, state: &State, stored: &mut Stored<'_>, (owner, market, lots): (u32, u32, Lots), [bids, asks]: [i64; 2], level: usize) -> Option<()> {
        let perp = &self.perps[level][market as usize];
        let now = perp.at_index(lots)?;
        let (mut low, mut high) = (now, now);
        if bids != 0 || asks != 0 {
            for end in [perp.at_index(lots.checked_add(bids)?)?, perp.at_index(lots.checked_sub(asks)?)?] {
                (low, high) = (low.min(end), high.max(end));
            }
            if perp.crowds && level == 0 {
                let [lots, bids, asks] = [lots, bids, asks].map(|l| i128::from(l) * i128::from(perp.share));
                let raised = (lots + bids).abs().max((lots - asks).abs()) - lots.abs();
                self.terms.crowd += crowd(state, state.known_underlying(perp.underlying), raised);
            }
        }
        let most = low.checked_abs()?.max(high.checked_abs()?);
        self.gross = self.gross.checked_add(most).filter(|&gross| gross < LARGEST_GROSS)?;
        self.blur += perp.blur_ppm * (most / PPM + 1) + BLUR;

        let (spot_ppm, perp_ppm) = match stored.of(perp.underlying) {
            Some(r) if r.epoch == perp.epoch => (r.spot_ppm, r.perp_ppm),
            Some(_) => stored_rates(state, owner, state.known_underlying(perp.underlying)),
            None => perp.bare_ppm,
        };
        self.terms.liq += Value::from(up(most as u64, perp_ppm as u64));
        if perp.gross_basis_ppm != 0 {
            self.terms.basis -= div_floor(-(i128::from(most) * i128::from(perp.gross_basis_ppm)), 2 * i128::from(PPM));
        }
        let gap_ppm = perp.gap_ppm.min((perp.room_ppm - (3 * spot_ppm + 1).div_euclid(2)).max(0));
        let (run, group) = (self.run, &mut self.groups[perp.group_at as usize]);
        if group.run != run {
            (group.run, group.gap) = (run, 0);
            self.met.groups.push(perp.group_at);
        }
        group.gap += up(most as u64, gap_ppm as u64);

        // The bounds on gross and moves keep all of this in 64 bits.
        let (rise, fall) = (coarse(low, perp.gain_ppm), coarse(-high, perp.gain_ppm));
        let bucket = &mut self.buckets[perp.bucket_at as usize];
        if bucket.run != run {
            (bucket.run, bucket.up, bucket.down, bucket.history, bucket.gross) = (run, 0, 0, [0; 2], 0);
            self.met.buckets.push(perp.bucket_at);
        }
        let (rises, falls) = (rise * perp.rise, fall * perp.fall);
        (bucket.up, bucket.down) = (bucket.up + rises, bucket.down + falls);
        bucket.history[0] += rise * perp.history_ppm;
        bucket.history[1] += fall * perp.history_ppm;
        bucket.gross += most;
        let sector = &mut self.sectors[perp.sector_at as usize];
        if sector.run != run {
            (sector.run, sector.up, sector.down) = (run, 0, 0);
            self.met.sectors.push(perp.sector_at);
        }
        (sector.up, sector.down) = (sector.up + rises, sector.down + falls);
        self.held.push(Held { low, high, market, bucket_at: perp.bucket_at });
        Some(())
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
        if inside {
            return;
        }
        let coin = &mut self.coins[perp.coin_at as usize];
        let loss = order_loss(state, state.known_market(market), perp.prices, coin.price_ppm, side, price, lots);
        coin.loses += loss;
        self.terms.loss += rate_up(loss, coin.price_ppm.max(PPM));
    }

    /// NLV; sets what counts of each coin.
    fn equity(&mut self, state: &State, account: u32) -> Value {
        // Ascending: the cap on unmatched gains is given out in this order.
        if self.met.coins.len() > 1 {
            self.met.coins.sort_unstable_by_key(|&at| self.coins[at as usize].asset);
        }
        let owner = &state.owners[state.accounts[account as usize].owner as usize];
        let mut cap = Value::from(state.config().gain_cap / owner.accounts.len().max(1) as i64);
        let mut total = 0;
        for &at in &self.met.coins {
            let coin = &mut self.coins[at as usize];
            let counts = coin.unmatched.min(cap);
            cap -= counts;
            coin.counted -= coin.unmatched - counts;
            total += rate_down(coin.counted, if coin.counted > 0 { coin.price_ppm.min(PPM) } else { coin.price_ppm });
        }
        total
    }

    /// FX.
    fn depeg(&self, state: &State) -> Value {
        let of = |&at: &u32| {
            let coin = &self.coins[at as usize];
            let depeg_ppm = state.known_asset(coin.asset).terms.depeg_ppm.max(2 * (995_000 - coin.price_ppm).max(0));
            rate_up(coin.counted.abs().max((coin.counted - coin.loses).abs()), depeg_ppm)
        };
        self.met.coins.iter().map(of).sum()
    }

    /// GAP: the two largest groups in full, the others at zeta.
    fn gap(&self, state: &State) -> Value {
        let (mut first, mut second, mut all) = (0, 0, 0);
        for &at in &self.met.groups {
            let gap = self.groups[at as usize].gap;
            all += gap;
            (first, second) = if gap > first { (gap, first) } else { (first, second.max(gap)) };
        }
        Value::from(first + second) + rate_up(Value::from(all - first - second), state.config().gap_sum_ppm)
    }

    /// Brings what holds of a perp up to this moment; `None` where it has no short way.
    #[inline]
    fn renew(&mut self, state: &State, market: u32, level: usize) -> Option<()> {
        let now = if level == 0 { 0 } else { state.now };
        let known = self.perps[level].get(market as usize);
        if known.is_none_or(|p| p.moment != state.lull.moment() || p.at != now) {
            self.work_out(state, state.known_market(market), level, now);
        }
        self.perps[level][market as usize].fits.then_some(())
    }

    #[cold]
    fn work_out(&mut self, state: &State, market: &Market, level: usize, now: Nanos) {
        let id = market.terms.market as usize;
        if self.perps[level].len() < state.markets.len() {
            self.perps[level].resize_with(state.markets.len(), Perp::default);
        }
        let perp = &mut self.perps[level][id];
        perp.work_out(state, market, level);
        (perp.moment, perp.at) = (state.lull.moment(), now);
        let terms = &state.known_underlying(perp.underlying).terms;
        let (bucket, sector, group, asset) = (terms.bucket, terms.sector, terms.gap_group, market.terms.quote);
        perp.coin_at = place(&mut self.coins, |c| c.asset == asset, || Coin { asset, ..Coin::default() });
        perp.bucket_at = place(&mut self.buckets, |b| b.id == bucket, || Bucket { id: bucket, ..Bucket::default() });
        perp.sector_at = place(&mut self.sectors, |s| s.bucket == bucket && s.id == sector, || Sector { bucket, id: sector, ..Sector::default() });
        perp.group_at = place(&mut self.groups, |g| g.id == group, || Group { id: group, ..Group::default() });
        let moves = &mut self.buckets[perp.bucket_at as usize].moves;
        for (to, row) in moves.iter_mut().zip(&state.dated_rows) {
            *to = row.moves_ppm.get(bucket as usize - 1).copied().unwrap_or(0);
        }
        perp.set_history(moves);
    }
}

/// Where something is in a list, put there when it is new.
fn place<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> u32 {
    let at = list.iter().position(is).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    at as u32
}

const fn market_of(change: &Change) -> Option<u32> {
    match change {
        Change::Order { market, .. } => Some(*market),
        _ => None,
    }
}

/// An owner's stored liquidity rates, read in the order of their underlyings.
struct Stored<'a> {
    rates: &'a [LiquidityRate],
    next: usize,
}

impl Stored<'_> {
    #[inline]
    fn of(&mut self, underlying: u32) -> Option<&LiquidityRate> {
        if self.rates.get(self.next).is_none_or(|r| r.underlying != underlying) {
            self.next = self.rates.partition_point(|r| r.underlying < underlying);
        }
        let found = self.rates.get(self.next).filter(|r| r.underlying == underlying);
        self.next += usize::from(found.is_some());
        found
    }
}
