//! The short way through the margin rule, for accounts of cash and perps: the same numbers as `evaluate`, to the unit.
//!
//! Without tokens a leg's value is its lots times a number that is worked out once per price; rows that can't bind are bounded
//! instead of rounded one by one. Whatever is not plain (tokens, orders for them, claims on pools, a withdrawal, a shifted price)
//! has no short way. Debug builds ask `evaluate` as well, each time.
//!
//! Responsible for: equity, terms and binding row of a plain account. Never decides anything; keeps nothing an outcome depends on.

use super::liquidity::{bare_rates, stored_rates};
use super::portfolio::{Exposure, crowd, order_loss, quote_value_up};
use super::rates::Rates;
use super::scenario::{Binding, FRACTIONS, GridRow};
use super::{Change, Evaluation, Level, Question, Terms};
use crate::account::Position;
use crate::order::{NIL, Side};
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, PPM, Price, Ticks, Value, div_floor, narrow, rate_down, rate_up, scaled_down};

/// Dated rows at most; a venue with more has no short way.
const ROWS: usize = 16;
/// The largest size of a move, ppm.
const LARGEST_MOVE: i64 = 4 * PPM;
/// Gross micro-dollars of an account at most, so that what is summed stays in 64 bits.
const LARGEST_GROSS: i64 = 1 << 51;
/// Dated rows are compared in units of so many micro-dollars (a power of two), and each exposure is off by less than `BLUR`.
const COARSE: u32 = 10;
/// Two coarse units at the largest move, and the roundings of a result and of its part that counts.
const BLUR: i64 = 8_200;

/// An underlying at a level and a moment.
#[derive(Debug, Default)]
struct Name {
    /// Price of a long, a short and a flat exposure.
    prices: [Price; 3],
    scale: i64,
    /// Sizes of the full rise and fall, and of the rotation's.
    rise: i64,
    fall: i64,
    turn_up: i64,
    turn_down: i64,
    gain_ppm: i64,
    gap_ppm: i64,
    room_ppm: i64,
    /// Liquidity rates of an owner for whom none are stored.
    bare_ppm: (i64, i64),
    /// BASIS on the gross dollars of a leg; 0 where matched dollars alone count.
    gross_basis_ppm: i64,
    bucket: u32,
    /// Places of its sector in its bucket, and of its gap group.
    sector_at: u32,
    group_at: u32,
    crowds: bool,
    /// Inside the bounds of this module.
    fits: bool,
    dated: [i64; ROWS],
    rates: Rates,
}

/// A perp at a level and a moment.
#[derive(Debug, Default)]
struct Perp {
    moment: u64,
    at: Nanos,
    underlying: u32,
    quote: u32,
    /// 1e-9 shares of a lot.
    share: i64,
    /// Micro-dollars of a lot at the three prices; 0 where they are no whole number.
    worth: [i64; 3],
    /// Clipped premium of the mark, and micro-dollars of it on a lot; 0 where they are no whole number.
    premium: Price,
    premium_worth: i64,
    /// The highest bid and the lowest ask that lose nothing at once.
    edges: [Ticks; 2],
    fits: bool,
}

/// An account's part in one underlying: lots of its only perp there, or shares.
#[derive(Debug, Default)]
struct Held {
    underlying: u32,
    /// 1e-9 shares of a lot; 1 when shares are counted.
    share: i64,
    worth: [i64; 3],
    lots: i64,
    bids: i64,
    asks: i64,
    low: i64,
    high: i64,
    /// Which of the three prices counts without orders.
    sign: u32,
    /// Place of its bucket in `sums`.
    sums: u32,
    loss: Value,
}

/// A position in a perp.
#[derive(Debug)]
struct Leg {
    market: u32,
    held: u32,
    coin: u32,
    lots: Lots,
    cost: i64,
    claim: i64,
    hedged_claim: i64,
    debt: i64,
}

#[derive(Debug)]
struct Coin {
    asset: u32,
    price_ppm: i64,
    counted: Value,
    unmatched: Value,
    loses: Value,
}

/// What a bucket makes: its full rows, up and down, and each dated row coarsely.
#[derive(Debug, Default)]
struct Sums {
    bucket: u32,
    up: i64,
    down: i64,
    gross: i64,
    rises: i64,
    falls: i64,
    /// Of the dated row at hand, exactly.
    exact: i64,
    dated: [i64; ROWS],
}

/// What a bucket's sector makes in the rotation's size, when it rises and when it falls.
#[derive(Debug, Default)]
struct Sector {
    bucket: u32,
    sector: u32,
    /// Evaluation that it was met in.
    run: u64,
    rises: i64,
    falls: i64,
}

/// A gap group.
#[derive(Debug, Default)]
struct Group {
    id: u32,
    run: u64,
    gap: i64,
}

/// Working memory, and what holds for a moment (`state::lull`).
#[derive(Debug, Default)]
pub struct Plain {
    /// By id and level: initial, below.
    names: Vec<[Name; 2]>,
    perps: Vec<[Perp; 2]>,
    /// By underlying: evaluation in which it was met, and its place.
    met: Vec<(u64, usize)>,
    run: u64,
    held: Vec<Held>,
    legs: Vec<Leg>,
    coins: Vec<Coin>,
    sums: Vec<Sums>,
    /// Every sector and gap group that was ever met, and those of this evaluation.
    sectors: Vec<Sector>,
    groups: Vec<Group>,
    turned: Vec<u32>,
    jumped: Vec<u32>,
}

/// `value * rate / 1e6` of a number that is not negative, rounded up.
#[inline]
const fn up(value: u64, rate_ppm: u64) -> i64 {
    match value.checked_mul(rate_ppm) {
        Some(product) => product.div_ceil(PPM as u64) as i64,
        None => rate_up(value as i128, rate_ppm as i64) as i64,
    }
}

/// The same, rounded down.
#[inline]
const fn down(value: u64, rate_ppm: u64) -> i64 {
    match value.checked_mul(rate_ppm) {
        Some(product) => (product / PPM as u64) as i64,
        None => rate_down(value as i128, rate_ppm as i64) as i64,
    }
}

/// What dollars make in a move by a size: a loss rounded up, or the part of a gain that counts, rounded down twice.
#[inline]
const fn moved(dollars: i64, size_ppm: i64, gain_ppm: i64) -> i64 {
    if dollars < 0 { -up(dollars.unsigned_abs(), size_ppm as u64) } else { down(down(dollars as u64, size_ppm as u64) as u64, gain_ppm as u64) }
}

impl Plain {
    /// The evaluation of a plain account and question; `None` where there is no short way. What holds for a moment may be asked
    /// only after `State::bound_lull`.
    pub fn evaluate(&mut self, state: &State, account: u32, question: &Question<'_>) -> Option<Evaluation> {
        let special = question.slower || question.drifted || question.withdrawal || question.alone || question.shift.is_some();
        if special || state.lull.moment() == 0 || state.dated_rows.len() > ROWS {
            return None;
        }
        let level = usize::from(question.level != Level::Initial);
        self.gather(state, account, question, level)?;
        self.value(level)?;
        let mut terms = self.charges(state, account, level);
        self.add_order_losses(state, account, question, level);
        terms.loss = self.held.iter().map(|h| h.loss).sum();
        let equity = self.equity(state, account, level)?;
        terms.fx = self.depeg(state);
        let (sr, binding) = self.scenario_risk(state, level);
        terms.sr = sr;
        let stressed = terms.sr + terms.gap + terms.basis + terms.fx;
        let requirement = rate_up(stressed, question.level.factor_ppm(state)) + terms.liq + terms.crowd + terms.loss;
        Some(Evaluation { equity, terms, requirement, binding })
    }

    /// Collects cash, positions and open orders.
    fn gather(&mut self, state: &State, account: u32, question: &Question<'_>, level: usize) -> Option<()> {
        let holder = &state.accounts[account as usize];
        self.run += 1;
        self.held.clear();
        self.legs.clear();
        self.coins.clear();
        for balance in &holder.balances {
            let due = if balance.due == 0 { 0 } else { rate_down(i128::from(balance.due), state.clearing.config().due_ppm) };
            let amount = state.ledger.pledged_and_lent(balance) + i128::from(balance.escrowed) + due;
            let asset = state.known_asset(balance.asset);
            if balance.lent > 0 || (amount != 0 && !asset.is_stablecoin()) {
                return None;
            }
            if asset.is_stablecoin() {
                let at = self.coin(state, balance.asset);
                self.coins[at].counted = asset.face(amount);
            }
        }
        for position in &holder.positions {
            let orders = question.orders && position.has_orders();
            let carries = position.lots != 0 || position.claim != 0 || position.debt != 0 || position.cost != 0;
            if orders || carries {
                self.add_position(state, position, (carries, orders), level)?;
            }
        }
        for change in question.changes {
            let Change::Order { market, side, price, lots } = *change else { return None };
            let listed = state.known_market(market);
            if !listed.is_perp() {
                return None;
            }
            let (held, coin) = self.place(state, market, level)?;
            self.add_open(state, listed, (held, coin), side, lots, i128::from(price) * i128::from(lots))?;
        }
        Some(())
    }

    fn add_position(&mut self, state: &State, position: &Position, (carries, orders): (bool, bool), level: usize) -> Option<()> {
        let market = state.known_market(position.market);
        if !market.is_perp() {
            // What it is in a spot market is in the balances.
            return if orders { None } else { Some(()) };
        }
        let (held, coin) = self.place(state, position.market, level)?;
        if carries {
            let Position { lots, cost, claim, hedged_claim, debt, .. } = *position;
            let counted = self.counted(held, position.market, lots, level)?;
            let exposure = &mut self.held[held];
            exposure.lots = exposure.lots.checked_add(counted)?;
            self.legs.push(Leg { market: position.market, held: held as u32, coin: coin as u32, lots, cost, claim, hedged_claim, debt });
        }
        if orders {
            for side in [Side::Bid, Side::Ask] {
                let open = position.open(side);
                if open.orders > 0 {
                    self.add_open(state, market, (held, coin), side, open.lots, open.ticks_lots)?;
                }
            }
        }
        Some(())
    }

    /// Lots as they are counted in an exposure: as shares where it has several perps.
    fn counted(&self, held: usize, market: u32, lots: Lots, level: usize) -> Option<i64> {
        if self.held[held].share == 1 { lots.checked_mul(self.perps[market as usize][level].share) } else { Some(lots) }
    }

    /// The exposure and the coin of a perp, with all that holds of it now.
    fn place(&mut self, state: &State, market: u32, level: usize) -> Option<(usize, usize)> {
        self.renew(state, market, level);
        let perp = &self.perps[market as usize][level];
        let (underlying, quote, share, worth) = (perp.underlying, perp.quote, perp.share, perp.worth);
        if !perp.fits || !self.names[underlying as usize][level].fits {
            return None;
        }
        let coin = self.coin(state, quote);
        let (run, at) = self.met[underlying as usize];
        if run != self.run {
            self.met[underlying as usize] = (self.run, self.held.len());
            // Perps of one underlying may differ in their lots.
            let only = state.known_underlying(underlying).perps.len() == 1;
            let (share, worth) = if only { (share, worth) } else { (1, [0; 3]) };
            self.held.push(Held { underlying, share, worth, ..Held::default() });
            return Some((self.held.len() - 1, coin));
        }
        Some((at, coin))
    }

    fn coin(&mut self, state: &State, asset: u32) -> usize {
        if let Some(at) = self.coins.iter().position(|c| c.asset == asset) {
            return at;
        }
        let price_ppm = state.stablecoin_ppm(state.known_asset(asset));
        self.coins.push(Coin { asset, price_ppm, counted: 0, unmatched: 0, loses: 0 });
        self.coins.len() - 1
    }

    fn add_open(&mut self, state: &State, market: &Market, (held, coin): (usize, usize), side: Side, lots: Lots, ticks_lots: i128) -> Option<()> {
        let share = self.held[held].share;
        let counted = if share == 1 { narrow(state.shares_of(market, i128::from(lots)))? } else { lots };
        let notional = ticks_lots * i128::from(market.unit);
        let fee = rate_up(quote_value_up(state, market, notional), market.terms.taker_fee_ppm);
        self.coins[coin].loses += fee;
        let held = &mut self.held[held];
        held.loss += rate_up(fee, self.coins[coin].price_ppm.max(PPM));
        let open = if side == Side::Bid { &mut held.bids } else { &mut held.asks };
        *open = open.checked_add(counted)?;
        Some(())
    }

    /// Values of each exposure's corners: none, all bids, all asks.
    fn value(&mut self, level: usize) -> Option<()> {
        let mut gross = 0_i64;
        for held in &mut self.held {
            let name = &self.names[held.underlying as usize][level];
            let sign = |lots: i64| if lots > 0 { 0 } else if lots < 0 { 1 } else { 2 };
            let of = |lots: i64| match held.worth[sign(lots)] {
                _ if lots == 0 => Some(0),
                0 => narrow(scaled_down(i128::from(lots) * i128::from(held.share), name.prices[sign(lots)], i128::from(name.scale))),
                worth => lots.checked_mul(worth),
            };
            let now = of(held.lots)?;
            let (mut low, mut high) = (now, now);
            if held.bids != 0 || held.asks != 0 {
                let ends = [of(held.lots.checked_add(held.bids)?)?, of(held.lots.checked_sub(held.asks)?)?];
                low = low.min(ends[0]).min(ends[1]);
                high = high.max(ends[0]).max(ends[1]);
            }
            gross = gross.checked_add(low.checked_abs()?)?.checked_add(high.checked_abs()?)?;
            (held.low, held.high, held.sign) = (low, high, sign(held.lots) as u32);
        }
        (gross < LARGEST_GROSS).then_some(())
    }

    /// GAP, BASIS, LIQ and CROWD.
    fn charges(&mut self, state: &State, account: u32, level: usize) -> Terms {
        let owner = state.accounts[account as usize].owner;
        let stored = &state.owners[owner as usize].liquidity;
        let mut terms = Terms::default();
        let mut next = 0;
        self.jumped.clear();
        for held in &self.held {
            let name = &self.names[held.underlying as usize][level];
            let most = held.low.unsigned_abs().max(held.high.unsigned_abs());
            let underlying = || state.known_underlying(held.underlying);
            if stored.get(next).is_none_or(|r| r.underlying != held.underlying) {
                next = stored.partition_point(|r| r.underlying < held.underlying);
            }
            let (spot_ppm, perp_ppm) = match stored.get(next) {
                Some(r) if r.underlying == held.underlying && r.epoch == underlying().liquidity_epoch => (r.spot_ppm, r.perp_ppm),
                Some(r) if r.underlying == held.underlying => stored_rates(state, owner, underlying()),
                _ => name.bare_ppm,
            };
            next += 1;
            terms.liq += i128::from(up(most, perp_ppm as u64));
            let gap_ppm = name.gap_ppm.min((name.room_ppm - (3 * spot_ppm + 1).div_euclid(2)).max(0));
            let gap = up(most, gap_ppm as u64);
            let group = &mut self.groups[name.group_at as usize];
            if group.run != self.run {
                (group.run, group.gap) = (self.run, 0);
                self.jumped.push(name.group_at);
            }
            group.gap += gap;
            if name.gross_basis_ppm != 0 {
                let twice = i128::from(most) * i128::from(name.gross_basis_ppm);
                terms.basis += -div_floor(-twice, 2 * i128::from(PPM));
            }
            if name.crowds && level == 0 && (held.bids != 0 || held.asks != 0) {
                let share = i128::from(held.share);
                let [lots, bids, asks] = [held.lots, held.bids, held.asks].map(|l| i128::from(l) * share);
                terms.crowd += crowd(state, underlying(), (lots + bids).abs().max((lots - asks).abs()) - lots.abs());
            }
        }
        let (mut first, mut second, mut all) = (0, 0, 0);
        for &at in &self.jumped {
            let gap = self.groups[at as usize].gap;
            all += gap;
            (first, second) = if gap > first { (gap, first) } else { (first, second.max(gap)) };
        }
        terms.gap = i128::from(first + second) + rate_up(i128::from(all - first - second), state.config().gap_sum_ppm);
        terms
    }

    /// Losses at once of orders beyond the index.
    fn add_order_losses(&mut self, state: &State, account: u32, question: &Question<'_>, level: usize) {
        let holder = &state.accounts[account as usize];
        if question.orders {
            for position in holder.positions.iter().filter(|p| p.has_orders()) {
                let edges = self.perps[position.market as usize][level].edges;
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
        let perp = &self.perps[market as usize][level];
        let inside = if side == Side::Bid { price <= perp.edges[0] } else { price >= perp.edges[1] };
        let (_, held) = self.met[perp.underlying as usize];
        let Some(coin) = self.coins.iter_mut().find(|c| c.asset == perp.quote).filter(|_| !inside) else { return };
        let [long, short, _] = self.names[perp.underlying as usize][level].prices;
        let loss = order_loss(state, state.known_market(market), [long, short], coin.price_ppm, side, price, lots);
        coin.loses += loss;
        self.held[held].loss += rate_up(loss, coin.price_ppm.max(PPM));
    }

    /// NLV; sets what counts of each coin.
    fn equity(&mut self, state: &State, account: u32, level: usize) -> Option<Value> {
        for leg in &self.legs {
            let perp = &self.perps[leg.market as usize][level];
            let (held, market) = (&self.held[leg.held as usize], state.known_market(leg.market));
            let name = &self.names[perp.underlying as usize][level];
            let at = |worth: i64, price: Price| match worth {
                0 => Some(scaled_down(i128::from(leg.lots.checked_mul(perp.share)?), price, i128::from(name.scale))),
                worth => Some(i128::from(leg.lots) * i128::from(worth)),
            };
            let mut extra = if perp.premium == 0 { 0 } else { at(perp.premium_worth, perp.premium)? };
            if level == 0 {
                extra = extra.min(0);
            }
            let face = |units: i64| if units == 0 { 0 } else { state.quote_value(market, i128::from(units)) };
            let sign = held.sign as usize;
            let result = at(perp.worth[sign], name.prices[sign])? + extra - quote_value_up(state, market, i128::from(leg.cost));
            let coin = &mut self.coins[leg.coin as usize];
            coin.counted += face(leg.claim.checked_sub(leg.debt)?) + result;
            if level == 0 {
                coin.unmatched += (result.max(0) + face(leg.claim) - face(leg.hedged_claim)).max(0);
            }
        }
        // Ascending: the cap on unmatched gains is given out in this order.
        self.coins.sort_unstable_by_key(|c| c.asset);
        let owner = &state.owners[state.accounts[account as usize].owner as usize];
        let mut cap = Value::from(state.config().gain_cap / owner.accounts.len().max(1) as i64);
        let mut total = 0;
        for coin in &mut self.coins {
            let counts = coin.unmatched.min(cap);
            cap -= counts;
            coin.counted -= coin.unmatched - counts;
            total += rate_down(coin.counted, if coin.counted > 0 { coin.price_ppm.min(PPM) } else { coin.price_ppm });
        }
        Some(total)
    }

    /// FX.
    fn depeg(&self, state: &State) -> Value {
        let of = |coin: &Coin| {
            let depeg_ppm = state.known_asset(coin.asset).terms.depeg_ppm.max(2 * (995_000 - coin.price_ppm).max(0));
            rate_up(coin.counted.abs().max((coin.counted - coin.loses).abs()), depeg_ppm)
        };
        self.coins.iter().map(of).sum()
    }

    /// SR and the row that binds.
    fn scenario_risk(&mut self, state: &State, level: usize) -> (Value, Binding) {
        self.sums.clear();
        self.turned.clear();
        for held in &mut self.held {
            let name = &self.names[held.underlying as usize][level];
            let sector = &mut self.sectors[name.sector_at as usize];
            if sector.run != self.run {
                (sector.run, sector.rises, sector.falls) = (self.run, 0, 0);
                self.turned.push(name.sector_at);
            }
            add_rows(&mut self.sums, sector, held, name);
        }
        let (mut sum, mut largest, mut lead, mut binding) = (0, 0, 0, Binding::None);
        let mut coarse = [0; ROWS];
        for sums in &self.sums {
            let (loss, row) = self.bucket_loss(state, sums, level);
            sum += loss;
            // Of equal losses the first bucket's leads.
            if loss > largest || (loss == largest && loss > 0 && sums.bucket < lead) {
                (largest, lead) = (loss, sums.bucket);
                binding = Binding::Grid { bucket: sums.bucket, row };
            }
            coarse.iter_mut().zip(&sums.dated).for_each(|(loss, result)| *loss += (-result).max(0));
        }
        let mut risk = largest + narrow(rate_up(i128::from(sum - largest), state.config().bucket_sum_ppm)).unwrap_or(i64::MAX);

        // A dated row binds only if its coarse loss comes near the largest of all.
        let blur = BLUR * (self.held.len() as i64 + 1);
        let coarsely = |loss: i64| (loss >> COARSE) * PPM;
        let near = coarse.iter().max().map_or(0, |most| most - coarsely(2 * blur) - PPM).max(coarsely(risk - blur));
        for (row, _) in coarse.iter().enumerate().filter(|(_, loss)| **loss >= near) {
            let loss = self.dated_loss(row, level);
            if loss > risk {
                risk = loss;
                binding = Binding::Dated { index: row as u32 };
            }
        }
        (i128::from(risk), binding)
    }

    /// Loss of a bucket and the first row that sets it.
    fn bucket_loss(&self, state: &State, sums: &Sums, level: usize) -> (i64, GridRow) {
        if sums.gross == 0 {
            return (0, GridRow::Parallel { fraction_ppm: PPM });
        }
        let mut worst = (sums.up, GridRow::Parallel { fraction_ppm: PPM });
        if sums.down < sums.up {
            worst = (sums.down, GridRow::Parallel { fraction_ppm: -PPM });
        }
        let mut turned = (i64::MAX, u32::MAX, false);
        for s in self.turned.iter().map(|&at| &self.sectors[at as usize]).filter(|s| s.bucket == sums.bucket) {
            for (result, rises) in [(sums.falls - s.falls + s.rises, true), (sums.rises - s.rises + s.falls, false)] {
                if (result, s.sector, !rises) < (turned.0, turned.1, !turned.2) {
                    turned = (result, s.sector, rises);
                }
            }
        }
        // A smaller move of the same direction loses at most its fraction of the full one, but for roundings: of its size, up to
        // one ppm of the gross, and of each result.
        let tail_ppm = rate_down(i128::from(state.config().tail_shock_ppm), state.config().tail_weight_ppm) as i64;
        let fraction = tail_ppm.max(FRACTIONS[1]);
        let roundings = sums.gross / PPM + 2 * self.held.len() as i64 + 2;
        let least = -up(sums.up.min(sums.down).min(0).unsigned_abs(), fraction as u64) - roundings;
        if fraction >= PPM || worst.0.min(turned.0) >= least {
            self.smaller_rows(sums.bucket, tail_ppm, level, &mut worst);
        }
        if turned.0 < worst.0 {
            worst = (turned.0, GridRow::Rotation { sector: turned.1, rises: turned.2 });
        }
        ((-worst.0).max(0), worst.1)
    }

    /// The rows after the full ones, in the order in which ties are broken.
    #[cold]
    fn smaller_rows(&self, bucket: u32, tail_ppm: i64, level: usize, worst: &mut (i64, GridRow)) {
        let members = || self.held.iter().map(|h| (h, &self.names[h.underlying as usize][level])).filter(|(_, n)| n.bucket == bucket);
        for row in 1..4 {
            let fraction_ppm = if row < 3 { FRACTIONS[row] } else { tail_ppm };
            let of = |fraction_ppm| if row < 3 { GridRow::Parallel { fraction_ppm } } else { GridRow::Tail { fraction_ppm } };
            let rises = members().map(|(h, n)| moved(h.low, n.rates.rises[row], n.gain_ppm)).sum::<i64>();
            let falls = members().map(|(h, n)| moved(-h.high, n.rates.falls[row], n.gain_ppm)).sum::<i64>();
            for (result, fraction_ppm) in [(rises, fraction_ppm), (falls, -fraction_ppm)] {
                if result < worst.0 {
                    *worst = (result, of(fraction_ppm));
                }
            }
        }
    }

    /// Loss of a dated row over all buckets, exactly.
    fn dated_loss(&mut self, row: usize, level: usize) -> i64 {
        self.sums.iter_mut().for_each(|s| s.exact = 0);
        for held in &self.held {
            let name = &self.names[held.underlying as usize][level];
            let size = name.dated[row];
            self.sums[held.sums as usize].exact += moved(if size > 0 { held.low } else { -held.high }, size.abs(), name.gain_ppm);
        }
        self.sums.iter().map(|s| (-s.exact).max(0)).sum()
    }

    /// Brings what holds of a perp and its underlying up to this moment.
    fn renew(&mut self, state: &State, market: u32, level: usize) {
        let (id, now) = (market as usize, if level == 0 { 0 } else { state.now });
        if let Some(known) = self.perps.get(id)
            && known[level].moment == state.lull.moment()
            && known[level].at == now
        {
            return;
        }
        self.work_out(state, state.known_market(market), level, now);
    }

    #[cold]
    fn work_out(&mut self, state: &State, market: &Market, level: usize, now: Nanos) {
        let (id, underlying) = (market.terms.market as usize, market.terms.underlying);
        if self.perps.len() < state.markets.len() {
            self.perps.resize_with(state.markets.len(), Default::default);
        }
        if self.names.len() < state.underlyings.len() {
            self.names.resize_with(state.underlyings.len(), Default::default);
            self.met.resize(state.underlyings.len(), (0, 0));
        }
        let name = &mut self.names[underlying as usize][level];
        name.work_out(state, underlying, level);
        let listed = state.known_underlying(underlying);
        let (bucket, sector, id_of_group) = (listed.terms.bucket, listed.terms.sector, listed.terms.gap_group);
        name.sector_at = self.sectors.iter().position(|s| s.bucket == bucket && s.sector == sector).unwrap_or_else(|| {
            self.sectors.push(Sector { bucket, sector, ..Sector::default() });
            self.sectors.len() - 1
        }) as u32;
        name.group_at = self.groups.iter().position(|g| g.id == id_of_group).unwrap_or_else(|| {
            self.groups.push(Group { id: id_of_group, ..Group::default() });
            self.groups.len() - 1
        }) as u32;
        let worth = |share: i64, price: Price| {
            let product = i128::from(share) * i128::from(price);
            if product % i128::from(name.scale) == 0 { narrow(product / i128::from(name.scale)).unwrap_or(0) } else { 0 }
        };
        let shares = market.terms.lot_size;
        let (num, den) = (i128::from(market.split.num), i128::from(market.split.den));
        let whole = i128::from(shares) * num % den == 0;
        let share = if whole { narrow(i128::from(shares) * num / den).unwrap_or(0) } else { 0 };
        let index = listed.price.index();
        let bound = div_floor(i128::from(listed.terms.basis_ppm) * i128::from(index), i128::from(PPM)) as i64;
        let premium = if market.mark.mark() == 0 { 0 } else { (market.mark.mark() - index).clamp(-bound, bound) };
        let [long, short, _] = name.prices;
        let step = i128::from(market.terms.tick_size) * den;
        let edge = |product: i128| narrow(div_floor(product, step)).unwrap_or(i64::MAX);
        self.perps[id][level] = Perp {
            moment: state.lull.moment(),
            at: now,
            underlying,
            quote: market.terms.quote,
            share,
            worth: name.prices.map(|p| worth(share, p)),
            premium,
            premium_worth: worth(share, premium),
            edges: [edge(i128::from(long) * num), edge(i128::from(short) * num + step - 1)],
            fits: share > 1 && name.prices.iter().all(|&p| p > 0),
        };
    }
}

impl Name {
    fn work_out(&mut self, state: &State, id: u32, level: usize) {
        let listed = state.known_underlying(id);
        let which = if level == 0 { Level::Initial } else { Level::Maintenance };
        self.rates.renew(state, listed, which);
        let flat = listed.price.last_external();
        let (long, short) = if level == 0 { listed.price.initial_prices(false) } else { (flat, flat) };
        let rates = &self.rates;
        let sizes = rates.rises.iter().chain(&rates.falls).chain(&rates.rotations);
        let small = |size: i64| (0..=LARGEST_MOVE).contains(&size);
        self.fits = sizes.copied().all(small) && rates.dated.iter().all(|d| small(d.abs())) && (0..=PPM).contains(&rates.gain_ppm) && rates.gap_ppm >= 0;
        self.fits &= rates.dated.len() == state.dated_rows.len();
        self.prices = [long, short, flat];
        (self.rise, self.fall, self.gain_ppm) = (rates.rises[0], rates.falls[0], rates.gain_ppm);
        [self.turn_down, self.turn_up] = rates.rotations;
        (self.gap_ppm, self.room_ppm) = (rates.gap_ppm, rates.room_ppm);
        self.dated = [0; ROWS];
        self.dated.iter_mut().zip(&rates.dated).for_each(|(to, from)| *to = *from);
        self.scale = narrow(listed.scale()).unwrap_or(0);
        self.fits &= self.scale > 0;
        self.bucket = listed.terms.bucket;
        self.gross_basis_ppm = if Exposure::basis_is_net(state, listed) { 0 } else { listed.terms.basis_ppm };
        self.crowds = listed.terms.crowd_ppm != 0;
        self.bare_ppm = bare_rates(state, listed);
    }
}

/// Adds an exposure to the rows of its bucket and its sector.
#[inline]
fn add_rows(sums: &mut Vec<Sums>, sector: &mut Sector, held: &mut Held, name: &Name) {
    let at = sums.iter().position(|s| s.bucket == name.bucket).unwrap_or_else(|| {
        sums.push(Sums { bucket: name.bucket, ..Sums::default() });
        sums.len() - 1
    });
    held.sums = at as u32;
    let (bucket, gain_ppm) = (&mut sums[at], name.gain_ppm);
    let (rise, fall) = (held.low, -held.high);
    bucket.up += moved(rise, name.rise, gain_ppm);
    bucket.down += moved(fall, name.fall, gain_ppm);
    bucket.gross += rise.abs().max(fall.abs());
    let (rises, falls) = (moved(rise, name.turn_up, gain_ppm), moved(fall, name.turn_down, gain_ppm));
    bucket.rises += rises;
    bucket.falls += falls;
    sector.rises += rises;
    sector.falls += falls;
    let coarse = |dollars: i64| {
        let units = dollars >> COARSE;
        if dollars < 0 { units } else { down(units as u64, gain_ppm as u64) }
    };
    // A fall's size is negative: so is what it is multiplied with. The bound on the gross keeps all of it in 64 bits.
    let (rise, fall) = (coarse(rise), coarse(fall).wrapping_neg());
    for (sum, &size) in bucket.dated.iter_mut().zip(&name.dated) {
        *sum = sum.wrapping_add(if size > 0 { rise } else { fall }.wrapping_mul(size));
    }
}
