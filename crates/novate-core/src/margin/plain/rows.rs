//! The rows of a plain account: coarsely all of them, exactly those that may bind.
//!
//! Responsible for: SR and its binding row, and the bounds within which coarse sums are true.

use super::{Held, Plain};
use crate::margin::scenario::{Binding, FRACTIONS, GridRow};
use crate::state::State;
use crate::units::{PPM, narrow, rate_down, rate_up};

/// Dated rows at most; a venue with more has no short way.
pub const ROWS: usize = 16;
/// The largest size of a move, ppm.
pub const LARGEST_MOVE: i64 = 4 * PPM;
/// Gross micro-dollars of an account at most, so that what is summed stays in 64 bits.
pub const LARGEST_GROSS: i64 = 1 << 51;
/// Coarse sums are in units of so many micro-dollars (a power of two).
pub const COARSE: u32 = 10;
/// An exposure's coarse result in a row is off by less than so many micro-dollars and `Perp::blur_ppm` of its dollars: of its
/// dollars, of the part that counts and of the row each a unit at the largest move, and the roundings of the rule.
pub const BLUR: i64 = 3 * 4 * (1 << COARSE) + 4;
/// The most by which a dated move may differ from the bucket's times the name's beta, ppm.
pub const LARGEST_BLUR_PPM: i64 = 64;

/// What a bucket makes, coarsely, in units times ppm.
#[derive(Debug, Default)]
pub struct Bucket {
    pub(super) id: u32,
    pub(super) run: u64,
    pub(super) up: i64,
    pub(super) down: i64,
    /// What its names make when it moves by one.
    pub(super) history: [i64; 2],
    pub(super) gross: i64,
    /// Of the row at hand, exactly.
    pub(super) exact: i64,
    pub(super) moves: [i64; ROWS],
}

/// A bucket's sector: what it makes in the full rows.
#[derive(Debug, Default)]
pub struct Sector {
    pub(super) bucket: u32,
    pub(super) id: u32,
    pub(super) run: u64,
    pub(super) up: i64,
    pub(super) down: i64,
}

/// `value * rate / 1e6` of a number that is not negative, rounded up.
#[inline(always)]
pub const fn up(value: u64, rate_ppm: u64) -> i64 {
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
pub const fn coarse(dollars: i64, gain_ppm: i64) -> i64 {
    let units = dollars >> COARSE;
    if dollars < 0 { units } else { down(units as u64, gain_ppm as u64) }
}

/// Micro-dollars of coarse units times ppm.
#[inline(always)]
const fn dollars(units_ppm: i64) -> i64 {
    (units_ppm / PPM) << COARSE
}

impl Plain {
    /// SR and the row that binds: the grid and the dated rows, each exactly only if it may be the larger.
    pub(super) fn scenario_risk(&mut self, state: &State, level: usize) -> (i64, Binding) {
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
                let result = self.exactly(at, row, level);
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
    fn exactly(&self, bucket_at: u32, row: GridRow, level: usize) -> i64 {
        let of = |held: &Held| {
            let perp = &self.perps[level][held.market as usize];
            let rates = &perp.rates;
            let (rises, size) = match row {
                GridRow::Parallel { fraction_ppm } | GridRow::Tail { fraction_ppm } => {
                    let at = FRACTIONS.iter().position(|&f| f == fraction_ppm.abs()).filter(|_| matches!(row, GridRow::Parallel { .. })).unwrap_or(3);
                    (fraction_ppm > 0, if fraction_ppm > 0 { rates.rises[at] } else { rates.falls[at] })
                }
                GridRow::Rotation { sector, rises } => {
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
}

/// Size of the tail rows, weight included, as a part of the full shock.
fn tail_ppm(state: &State) -> i64 {
    rate_down(i128::from(state.config().tail_shock_ppm), state.config().tail_weight_ppm) as i64
}
