//! The short way through the margin rule, for accounts of cash and perps: the same numbers as `evaluate`, to the unit.
//!
//! Without tokens a leg's value is its lots times a number that is worked out once per price. Rows are first added up coarsely;
//! only those that may bind are rounded result by result, as the rule says. Whatever is not plain (tokens, orders for them, claims on
//! pools, several perps of one underlying, a withdrawal, a shifted price) has no short way. Debug builds ask `evaluate` as well,
//! each time.
//!
//! Responsible for: equity, terms and binding row of a plain account. Never decides anything; keeps nothing an outcome depends on.

use super::liquidity::{bare_rates, stored_rates};
use super::portfolio::{Exposure, crowd, order_loss, quote_value_up};
use super::rates::Rates;
use super::scenario::{Binding, FRACTIONS, GridRow};
use super::{Change, Evaluation, Level, Question, Terms};
use crate::account::{LiquidityRate, Position};
use crate::order::{NIL, Side};
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, PPM, Price, Ticks, Value, div_floor, narrow, rate_down, rate_up, scaled_down};

/// Dated rows at most; a venue with more has no short way.
const ROWS: usize = 16;
/// The largest size of a move, ppm.
const LARGEST_MOVE: i64 = 4 * PPM;
/// Gross micro-dollars of an account at most, so that what is summed stays in 64 bits.
const LARGEST_GROSS: i64 = 1 << 51;
/// Coarse sums are in units of so many micro-dollars (a power of two).
const COARSE: u32 = 10;
/// An exposure's coarse result in a row is off by less than so many micro-dollars and `Perp::blur_ppm` of its dollars: of its
/// dollars, of the part that counts and of the row each a unit at the largest move, and the roundings of the rule.
const BLUR: i64 = 3 * 4 * (1 << COARSE) + 4;
/// The most by which a dated move may differ from the bucket's times the name's beta, ppm.
const LARGEST_BLUR_PPM: i64 = 64;

/// A perp and its underlying at a level and a moment.
#[derive(Debug, Default)]
struct Perp {
    moment: u64,
    /// Journal time for the levels below initial, whose factor moves with it.
    at: Nanos,
    /// Inside the bounds of this module, and the only perp of its underlying.
    fits: bool,
    crowds: bool,
    /// Its quote has six decimals.
    in_micros: bool,
    underlying: u32,
    /// Refresh of the liquidity inputs.
    epoch: u32,
    /// Places of its quote, bucket, sector and gap group.
    coin_at: u32,
    bucket_at: u32,
    sector_at: u32,
    group_at: u32,
    /// Micro-dollars of a long and of a short lot, and of the clipped premium; 0 where they are no whole number.
    worth: [i64; 2],
    premium_worth: i64,
    gap_ppm: i64,
    room_ppm: i64,
    /// Liquidity rates of an owner for whom none are stored.
    bare_ppm: (i64, i64),
    rise: i64,
    fall: i64,
    gain_ppm: i64,
    /// Its part of the bucket's dated moves, and by how much its own differ from that.
    history_ppm: i64,
    blur_ppm: i64,
    /// BASIS on the gross dollars of a leg; 0 where matched dollars alone count.
    gross_basis_ppm: i64,
    premium: Price,
    /// Price of a long and of a short exposure.
    prices: [Price; 2],
    scale: i64,
    /// 1e-9 shares of a lot.
    share: i64,
    /// The highest bid and the lowest ask that lose nothing at once.
    edges: [Ticks; 2],
    rates: Rates,
}

impl Perp {
    /// Micro-dollars of signed lots at a price, rounded down; `worth` is that of one lot.
    #[inline]
    fn value(&self, lots: Lots, worth: i64, price: Price) -> Option<i64> {
        if worth != 0 || lots == 0 {
            return lots.checked_mul(worth);
        }
        narrow(scaled_down(i128::from(lots.checked_mul(self.share)?), price, i128::from(self.scale)))
    }

    /// The same at the price of its own sign.
    #[inline]
    fn at_index(&self, lots: Lots) -> Option<i64> {
        let sign = usize::from(lots < 0);
        self.value(lots, self.worth[sign], self.prices[sign])
    }
}

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

/// What a bucket makes, coarsely, in units times ppm.
#[derive(Debug, Default)]
struct Bucket {
    id: u32,
    run: u64,
    up: i64,
    down: i64,
    /// What its names make when it moves by one.
    history: [i64; 2],
    gross: i64,
    /// Of the row at hand, exactly.
    exact: i64,
    moves: [i64; ROWS],
}

/// A bucket's sector: what it makes in the full rows.
#[derive(Debug, Default)]
struct Sector {
    bucket: u32,
    id: u32,
    run: u64,
    up: i64,
    down: i64,
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

/// `value * rate / 1e6` of a number that is not negative, rounded up.
#[inline(always)]
const fn up(value: u64, rate_ppm: u64) -> i64 {
    match value.checked_mul(rate_ppm) {
        Some(product) => product.div_ceil(PPM as u64) as i64,
        None => rate_up(value as i128, rate_ppm as i64) as i64,
    }
}

/// The same, rounded down.
#[inline(always)]
const fn down(value: u64, rate_ppm: u64) -> i64 {
    match value.checked_mul(rate_ppm) {
        Some(product) => (product / PPM as u64) as i64,
        None => rate_down(value as i128, rate_ppm as i64) as i64,
    }
}

/// What dollars make in a move by a size: a loss rounded up, or the part of a gain that counts, rounded down twice.
#[inline(always)]
const fn moved(dollars: i64, size_ppm: i64, gain_ppm: i64) -> i64 {
    if dollars < 0 { -up(dollars.unsigned_abs(), size_ppm as u64) } else { down(down(dollars as u64, size_ppm as u64) as u64, gain_ppm as u64) }
}

/// Coarse units of what counts of dollars.
#[inline(always)]
const fn coarse(dollars: i64, gain_ppm: i64) -> i64 {
    let units = dollars >> COARSE;
    if dollars < 0 { units } else { down(units as u64, gain_ppm as u64) }
}

/// Micro-dollars of coarse units times ppm.
#[inline(always)]
const fn dollars(units_ppm: i64) -> i64 {
    (units_ppm / PPM) << COARSE
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
            let carries = position.lots != 0 || position.claim != 0 || position.debt != 0 || position.cost != 0;
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
            let ends = if wanted || changed { self.add_orders(state, Some(position).filter(|_| wanted), position.market, question, level)? } else { [0; 2] };
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
        let owed = position.claim.checked_sub(position.debt)?;
        let market = state.known_market(position.market);
        let [cost, owed, claim, hedged] = if perp.in_micros {
            [position.cost, owed, position.claim, position.hedged_claim].map(Value::from)
        } else {
            let face = |units: i64| state.quote_value(market, i128::from(units));
            [quote_value_up(state, market, i128::from(position.cost)), face(owed), face(position.claim), face(position.hedged_claim)]
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
    fn add_orders(&mut self, state: &State, position: Option<&Position>, market: u32, question: &Question<'_>, level: usize) -> Option<[i64; 2]> {
        let listed = state.known_market(market);
        let mut lots = [0_i64; 2];
        if let Some(position) = position {
            for side in [Side::Bid, Side::Ask] {
                let open = position.open(side);
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
                let bids = position.bids.orders > 0 && position.bids.extreme > edges[0];
                let asks = position.asks.orders > 0 && position.asks.extreme < edges[1];
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

    /// SR and the row that binds: the grid and the dated rows, each exactly only if it may be the larger.
    fn scenario_risk(&mut self, state: &State, level: usize) -> (i64, Binding) {
        let rows = state.dated_rows.len();
        let share = |rest: i64| narrow(rate_up(i128::from(rest), state.config().bucket_sum_ppm)).unwrap_or(i64::MAX);
        let mut dated = [0_i64; ROWS];
        let (mut sum, mut largest) = (0, 0);
        for &at in &self.met.buckets {
            let bucket = &self.buckets[at as usize];
            let loss = dollars(-self.coarsest(state, bucket));
            (sum, largest) = (sum + loss, largest.max(loss));
            let history = bucket.history.map(|sum| sum / PPM);
            for (total, &size) in dated[..rows].iter_mut().zip(&bucket.moves) {
                *total -= (if size > 0 { history[0] * size } else { history[1] * -size }).min(0);
            }
        }
        let grid = largest + share(sum - largest);
        let most = dollars(dated.iter().copied().max().unwrap_or(0));
        let mut risk = 0;
        let mut binding = Binding::None;
        if grid + self.blur >= most - self.blur {
            (risk, binding) = self.grid_risk(state, level, share);
        }
        // A dated row binds only if its coarse loss comes near the largest of all.
        let near = (most - 2 * self.blur).max(risk - self.blur);
        for (row, &loss) in dated[..rows].iter().enumerate() {
            if dollars(loss) < near {
                continue;
            }
            let loss = self.dated_loss(row, level);
            if loss > risk {
                risk = loss;
                binding = Binding::Dated { index: row as u32 };
            }
        }
        (risk, binding)
    }

    /// A bucket's least coarse result over its largest parallel rows and its rotations; 0 where it loses in none.
    fn coarsest(&self, state: &State, bucket: &Bucket) -> i64 {
        let mut turned = 0;
        for sector in self.sectors_of(bucket) {
            turned = turned.min(bucket.down - sector.down + sector.up).min(bucket.up - sector.up + sector.down);
        }
        let parallel = bucket.up.min(bucket.down).min(0).unsigned_abs();
        let part = |lost: u64, of_ppm: i64| -up(lost, of_ppm.max(0) as u64);
        part(parallel, tail_ppm(state).max(PPM)).min(part(turned.unsigned_abs(), state.config().rotation_ppm))
    }

    fn sectors_of(&self, bucket: &Bucket) -> impl Iterator<Item = &Sector> {
        self.met.sectors.iter().map(|&at| &self.sectors[at as usize]).filter(move |s| s.bucket == bucket.id)
    }

    /// The grid: the largest bucket's loss in full, a part of the others'.
    fn grid_risk(&mut self, state: &State, level: usize, share: impl Fn(i64) -> i64) -> (i64, Binding) {
        let (mut sum, mut largest, mut binding) = (0, 0, Binding::None);
        if self.met.buckets.len() > 1 {
            self.met.buckets.sort_unstable_by_key(|&at| self.buckets[at as usize].id);
        }
        for &at in &self.met.buckets {
            let bucket = &self.buckets[at as usize];
            let (loss, row) = self.bucket_loss(state, bucket, at, level);
            sum += loss;
            if loss > largest {
                largest = loss;
                binding = Binding::Grid { bucket: bucket.id, row };
            }
        }
        (largest + share(sum - largest), binding)
    }

    /// Loss of a bucket and the first row that sets it. Rows that are coarsely far from the worst are left out.
    fn bucket_loss(&self, state: &State, bucket: &Bucket, at: u32, level: usize) -> (i64, GridRow) {
        let full = GridRow::Parallel { fraction_ppm: PPM };
        let (blur, config) = (self.blur, state.config());
        let least = dollars(self.coarsest(state, bucket)) - 1;
        if bucket.gross == 0 {
            return (0, full);
        }
        // A smaller move of the same direction loses at most its fraction of the full one, but for roundings: of its size, up to
        // one ppm of the gross, and of each result.
        let tail_ppm = tail_ppm(state);
        let fraction = tail_ppm.max(FRACTIONS[1]);
        let lost = dollars(bucket.up.min(bucket.down).min(0)).unsigned_abs() + blur.unsigned_abs();
        let bound = -up(lost, fraction.max(0) as u64) - blur - bucket.gross / PPM - 2;
        let all = fraction >= PPM || least + blur >= bound;
        let mut worst = (i64::MAX, full);
        let mut consider = |units_ppm: i64, row: GridRow| {
            if all || dollars(units_ppm) - 1 <= least + 2 * blur {
                let result = self.exactly(at, row, config.rotation_ppm, level);
                if result < worst.0 {
                    worst = (result, row);
                }
            }
        };
        consider(bucket.up, full);
        consider(bucket.down, GridRow::Parallel { fraction_ppm: -PPM });
        if all {
            for fraction_ppm in [FRACTIONS[1], FRACTIONS[2]] {
                consider(0, GridRow::Parallel { fraction_ppm });
                consider(0, GridRow::Parallel { fraction_ppm: -fraction_ppm });
            }
            consider(0, GridRow::Tail { fraction_ppm: tail_ppm });
            consider(0, GridRow::Tail { fraction_ppm: -tail_ppm });
        }
        // Of equal rotations the lowest sector's counts, and its rise before its fall.
        let mut last = None;
        while let Some(sector) = self.sectors_of(bucket).filter(|s| last.is_none_or(|l| s.id > l)).min_by_key(|s| s.id) {
            let turned = |units_ppm: i64| rate_down(i128::from(units_ppm), config.rotation_ppm) as i64;
            consider(turned(bucket.down - sector.down + sector.up), GridRow::Rotation { sector: sector.id, rises: true });
            consider(turned(bucket.up - sector.up + sector.down), GridRow::Rotation { sector: sector.id, rises: false });
            last = Some(sector.id);
        }
        ((-worst.0).max(0), worst.1)
    }

    /// What a bucket makes in a row of the grid.
    fn exactly(&self, bucket_at: u32, row: GridRow, rotation_ppm: i64, level: usize) -> i64 {
        let of = |held: &Held| {
            let perp = &self.perps[level][held.market as usize];
            let rates = &perp.rates;
            let (rises, size) = match row {
                GridRow::Parallel { fraction_ppm } | GridRow::Tail { fraction_ppm } => {
                    let at = FRACTIONS.iter().position(|&f| f == fraction_ppm.abs()).filter(|_| matches!(row, GridRow::Parallel { .. })).unwrap_or(3);
                    (fraction_ppm > 0, if fraction_ppm > 0 { rates.rises[at] } else { rates.falls[at] })
                }
                GridRow::Rotation { sector, rises } => {
                    debug_assert_eq!(rotation_ppm, rates.rotation_ppm());
                    let up = (self.sectors[perp.sector_at as usize].id == sector) == rises;
                    (up, rates.rotations[usize::from(up)])
                }
            };
            moved(if rises { held.low } else { -held.high }, size, perp.gain_ppm)
        };
        self.held.iter().filter(|h| h.bucket_at == bucket_at).map(of).sum()
    }

    /// Loss of a dated row over all buckets, exactly.
    fn dated_loss(&mut self, row: usize, level: usize) -> i64 {
        for &at in &self.met.buckets {
            self.buckets[at as usize].exact = 0;
        }
        for held in &self.held {
            let perp = &self.perps[level][held.market as usize];
            let size = perp.rates.dated[row];
            self.buckets[held.bucket_at as usize].exact += moved(if size > 0 { held.low } else { -held.high }, size.abs(), perp.gain_ppm);
        }
        self.met.buckets.iter().map(|&at| (-self.buckets[at as usize].exact).max(0)).sum()
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

impl Perp {
    fn work_out(&mut self, state: &State, market: &Market, level: usize) {
        let listed = state.known_underlying(market.terms.underlying);
        self.underlying = market.terms.underlying;
        self.epoch = listed.liquidity_epoch;
        self.in_micros = state.known_asset(market.terms.quote).terms.decimals == 6;
        self.crowds = listed.terms.crowd_ppm != 0;
        self.bare_ppm = bare_rates(state, listed);
        self.gross_basis_ppm = if Exposure::basis_is_net(state, listed) { 0 } else { listed.terms.basis_ppm };
        self.rates.renew(state, listed, if level == 0 { Level::Initial } else { Level::Maintenance });
        (self.rise, self.fall) = (self.rates.rises[0], self.rates.falls[0]);
        (self.gain_ppm, self.gap_ppm, self.room_ppm) = (self.rates.gain_ppm, self.rates.gap_ppm, self.rates.room_ppm);

        let external = listed.price.last_external();
        let (long, short) = if level == 0 { listed.price.initial_prices(false) } else { (external, external) };
        self.prices = [long, short];
        self.scale = narrow(listed.scale()).unwrap_or(0);
        let (num, den) = (i128::from(market.split.num), i128::from(market.split.den));
        let shares = i128::from(market.terms.lot_size) * num;
        self.share = if shares % den == 0 { narrow(shares / den).unwrap_or(0) } else { 0 };
        let index = listed.price.index();
        let bound = div_floor(i128::from(listed.terms.basis_ppm) * i128::from(index), i128::from(PPM)) as i64;
        self.premium = if market.mark.mark() == 0 { 0 } else { (market.mark.mark() - index).clamp(-bound, bound) };
        let step = i128::from(market.terms.tick_size) * den;
        let edge = |product: i128| narrow(div_floor(product, step)).unwrap_or(i64::MAX);
        self.edges = [edge(i128::from(long) * num), edge(i128::from(short) * num + step - 1)];

        let sizes = self.rates.rises.iter().chain(&self.rates.falls).chain(&self.rates.rotations);
        let small = |size: i64| (0..=LARGEST_MOVE).contains(&size);
        self.fits = listed.perps.len() == 1 && self.scale > 0 && self.share > 0 && long > 0 && short > 0;
        self.fits &= sizes.copied().all(small) && self.rates.dated.iter().all(|d| small(d.abs()));
        self.fits &= (0..=PPM).contains(&self.gain_ppm) && self.gap_ppm >= 0 && (0..=PPM).contains(&state.config().rotation_ppm);
        self.fits &= self.rates.dated.len() == state.dated_rows.len();
        if self.fits {
            let whole = |price: Price| {
                let (product, scale) = (i128::from(self.share) * i128::from(price), i128::from(self.scale));
                if product % scale == 0 { narrow(product / scale).unwrap_or(0) } else { 0 }
            };
            (self.worth, self.premium_worth) = (self.prices.map(whole), whole(self.premium));
        }
    }

    /// Its part of the bucket's moves, and how far its own dated moves are from that.
    fn set_history(&mut self, moves: &[i64; ROWS]) {
        let dated = &self.rates.dated;
        let Some((row, &largest)) = moves.iter().enumerate().take(dated.len()).max_by_key(|(_, m)| m.abs()).filter(|(_, m)| **m != 0) else {
            (self.history_ppm, self.blur_ppm) = (0, 2);
            self.fits &= dated.iter().all(|&d| d == 0);
            return;
        };
        self.history_ppm = div_floor(i128::from(dated[row].abs()) * i128::from(PPM), i128::from(largest.abs())) as i64;
        let part = |m: i64| m.signum() * rate_down(i128::from(m.abs()), self.history_ppm) as i64;
        let off = moves.iter().zip(dated).map(|(&m, &d)| (d - part(m)).abs()).max().unwrap_or(0);
        // One more for what `part` itself lost, and one for the size of a rotation.
        self.blur_ppm = off + 2;
        self.fits &= self.history_ppm <= LARGEST_MOVE && self.blur_ppm <= LARGEST_BLUR_PPM;
        self.fits &= moves.iter().zip(dated).all(|(&m, &d)| d == 0 || d.signum() == m.signum());
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

/// Size of the tail rows, weight included, as a part of the full shock.
fn tail_ppm(state: &State) -> i64 {
    rate_down(i128::from(state.config().tail_shock_ppm), state.config().tail_weight_ppm) as i64
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
