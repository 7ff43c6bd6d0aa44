//! What an evaluation adds up over an account's holdings.
//!
//! Responsible for: those sums, each at the place of what it is a sum of. Nothing of one evaluation is left in the next.

use super::perp::Perp;
use super::rows::{LARGEST_GROSS, coarse, part_up, up};
use crate::account::{LiquidityRate, Position};
use crate::margin::liquidity::stored_rates;
use crate::margin::portfolio::quote_value_up;
use crate::state::State;
use crate::units::{PPM, Value, narrow, rate_up};
use std::array::from_fn;

/// Coins, buckets and sectors that there is room for, each: a bit of a word. Who needs more has no short way.
pub const PLACES: usize = 64;

/// An account's exposure to one perp: its smallest and largest value over none, all bids, all asks.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub low: i64,
    pub high: i64,
    pub market: u32,
    pub group_at: u32,
    pub bucket_at: u8,
}

/// What there is of a stablecoin.
#[derive(Debug, Default)]
pub struct Coins {
    pub counted: i64,
    pub unmatched: i64,
    pub loses: Value,
}

/// What a bucket or a sector makes, coarsely.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// When all of it rises and falls in full.
    pub up: i64,
    pub down: i64,
    /// What a bucket's names make when it rises and falls by one.
    pub history: [i64; 2],
}

/// Places of those met in this evaluation, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    pub coins: u64,
    pub buckets: u64,
    pub sectors: u64,
}

/// The sums.
#[derive(Debug)]
pub struct Sums {
    pub coins: [Coins; PLACES],
    pub buckets: [Made; PLACES],
    pub sectors: [Made; PLACES],
    /// Gaps of groups.
    pub groups: Vec<i64>,
    pub held: Vec<Held>,
    pub met: Met,
    pub gross: i64,
    /// The largest `Perp::off`.
    pub off: i64,
    pub liq: i64,
    pub basis: i64,
    pub crowd: Value,
    pub loss: Value,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            coins: from_fn(|_| Coins::default()),
            buckets: [Made::default(); PLACES],
            sectors: [Made::default(); PLACES],
            groups: Vec::new(),
            held: Vec::new(),
            met: Met::default(),
            gross: 0,
            off: 0,
            liq: 0,
            basis: 0,
            crowd: 0,
            loss: 0,
        }
    }
}

impl Sums {
    /// Leaves nothing of the evaluation before, whether that came to its end or not.
    pub fn begin(&mut self) {
        let met = std::mem::take(&mut self.met);
        bits(met.coins).for_each(|at| self.coins[at] = Coins::default());
        bits(met.buckets).for_each(|at| self.buckets[at] = Made::default());
        bits(met.sectors).for_each(|at| self.sectors[at] = Made::default());
        for held in self.held.drain(..) {
            self.groups[held.group_at as usize] = 0;
        }
        (self.gross, self.off, self.liq, self.basis, self.crowd, self.loss) = (0, 0, 0, 0, 0, 0);
    }

    /// What there is of a coin.
    #[inline(always)]
    pub fn coin(&mut self, at: u8) -> &mut Coins {
        let at = usize::from(at) % PLACES;
        self.met.coins |= 1 << at;
        &mut self.coins[at]
    }

    /// A position's result in its coin; `now` is its value at the index.
    #[inline(always)]
    pub fn add_result(&mut self, state: &State, perp: &Perp, position: &Position, now: i64, level: usize) -> Option<()> {
        let mut extra = if perp.premium == 0 { 0 } else { perp.value(position.lots, perp.premium_worth, perp.premium)? };
        if level == 0 {
            extra = extra.min(0);
        }
        let [cost, owed, unhedged] = if perp.in_micros {
            [position.cost, position.owed, position.claim().checked_sub(position.hedged_claim)?]
        } else {
            let market = state.known_market(position.market);
            let face = |units: i64| state.quote_value(market, i128::from(units));
            let unhedged = face(position.claim()) - face(position.hedged_claim);
            [narrow(quote_value_up(state, market, i128::from(position.cost)))?, narrow(face(position.owed))?, narrow(unhedged)?]
        };
        let result = now.checked_add(extra)?.checked_sub(cost)?;
        let coin = self.coin(perp.coin_at);
        coin.counted = coin.counted.checked_add(owed.checked_add(result)?)?;
        if level == 0 {
            coin.unmatched = coin.unmatched.checked_add(result.max(0).checked_add(unhedged)?.max(0))?;
        }
        Some(())
    }

    /// What an exposure asks by itself, and its part of the rows, coarsely.
    #[inline(always)]
    pub fn add_exposure(&mut self, state: &State, perp: &Perp, stored: &mut Stored<'_>, market: u32, (low, high): (i64, i64)) -> Option<()> {
        let most = low.unsigned_abs().max(high.unsigned_abs());
        let gross = most.checked_add(self.gross as u64)?;
        if gross > LARGEST_GROSS {
            return None;
        }
        (self.gross, self.off) = (gross as i64, self.off.max(perp.off));

        let (spot_ppm, perp_ppm) = match stored.of(perp.underlying) {
            Some(r) if r.epoch == perp.epoch => (r.spot_ppm, r.perp_ppm),
            Some(_) => stored_rates(state, stored.owner, state.known_underlying(perp.underlying)),
            None => perp.bare_ppm,
        };
        self.liq = self.liq.checked_add(up(most, perp_ppm as u64))?;
        if perp.gross_basis_ppm != 0 {
            self.basis = self.basis.checked_add(part_up(most, perp.gross_basis_ppm as u64, 2 * PPM as u64))?;
        }
        let gap_ppm = perp.gap_ppm.min((perp.room_ppm - (3 * spot_ppm + 1).div_euclid(2)).max(0));
        self.groups[perp.group_at as usize] += up(most, gap_ppm as u64);
        self.held.push(Held { low, high, market, group_at: perp.group_at, bucket_at: perp.bucket_at });

        // The bounds on gross and moves keep all of this in 64 bits.
        let (rises, falls) = (coarse(low), -coarse(high));
        let (rise, fall) = (usize::from(low < 0), usize::from(high > 0));
        let (up, down) = (rises * perp.rise[rise], falls * perp.fall[fall]);
        let (bucket_at, sector_at) = (usize::from(perp.bucket_at) % PLACES, usize::from(perp.sector_at) % PLACES);
        self.met.buckets |= 1 << bucket_at;
        let bucket = &mut self.buckets[bucket_at];
        (bucket.up, bucket.down) = (bucket.up + up, bucket.down + down);
        bucket.history[0] += rises * perp.history[rise];
        bucket.history[1] += falls * perp.history[fall];
        self.met.sectors |= 1 << sector_at;
        let sector = &mut self.sectors[sector_at];
        (sector.up, sector.down) = (sector.up + up, sector.down + down);
        Some(())
    }

    /// GAP: the two largest groups in full, a part of the others.
    pub fn gap(&mut self, gap_sum_ppm: i64) -> Value {
        let (mut first, mut second, mut all) = (0, 0, 0);
        for held in &self.held {
            // Names of one group have it all in the first of them.
            let gap = std::mem::take(&mut self.groups[held.group_at as usize]);
            all += gap;
            (first, second) = (first.max(gap), second.max(first.min(gap)));
        }
        Value::from(first + second) + rate_up(Value::from(all - first - second), gap_sum_ppm)
    }
}

/// The places whose bits are set, ascending.
#[inline(always)]
pub fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        (at < PLACES).then_some(at)
    })
}

/// An owner's stored liquidity rates, read in the order of their underlyings.
pub struct Stored<'a> {
    pub owner: u32,
    pub rates: &'a [LiquidityRate],
    pub next: usize,
}

impl Stored<'_> {
    #[inline(always)]
    fn of(&mut self, underlying: u32) -> Option<&LiquidityRate> {
        if self.rates.get(self.next).is_none_or(|r| r.underlying != underlying) {
            self.next = self.rates.partition_point(|r| r.underlying < underlying);
        }
        let found = self.rates.get(self.next).filter(|r| r.underlying == underlying);
        self.next += usize::from(found.is_some());
        found
    }
}
