//! The rows of a plain account: coarsely all of them, exactly those that may bind.
//!
//! Coarse results are sums of micro-dollars in units of 2^10 times parts of a dollar in units of 2^-20.
//!
//! Responsible for: SR and its binding row, and the bounds within which coarse sums are true.

use super::Plain;
use super::perp::Perp;
use super::sums::{Made, bits};
use crate::command::ListDatedRow;
use crate::margin::scenario::{Binding, FRACTIONS, GridRow};
use crate::state::State;
use crate::units::{PPM, rate_down};

/// Dated rows at most; a venue with more has no short way.
pub const ROWS: usize = 16;
/// The largest size of a move, ppm.
pub const LARGEST_MOVE: i64 = 4 * PPM;
/// Gross micro-dollars of an account at most, so that what is summed stays in 64 bits.
pub const LARGEST_GROSS: u64 = 1 << 49;
/// Coarse sums are in units of two to this power micro-dollars.
const COARSE: u32 = 10;
/// Parts of a dollar are in units of two to minus this power.
pub const FINE: u32 = 20;
/// An exposure's coarse result in a row is off by less than so many micro-dollars and `Perp::off` of its dollars: of its dollars,
/// of its bucket's dated sum and of the row each a unit at the largest move, and the roundings of the rule.
const BLUR: i64 = 3 * 4 * (1 << COARSE) + 4;
/// The most by which a dated move may differ from the bucket's times the name's beta.
pub const LARGEST_OFF: i64 = 64;

/// A bucket, and its part of the dated rows.
#[derive(Debug, Default)]
pub struct Bucket {
    pub(super) id: u32,
    /// Places of its sectors, a bit each.
    pub(super) sectors: u64,
    /// Signed moves, ppm, and their sizes: of rises, of falls.
    pub(super) moves: [i64; ROWS],
    rises: [i64; ROWS],
    falls: [i64; ROWS],
    /// The least that it makes in the grid, coarsely; what it makes in a dated row, exactly.
    least: i64,
    exact: i64,
}

impl Bucket {
    pub(super) fn new(id: u32) -> Self {
        Self { id, ..Self::default() }
    }

    /// Its part of the venue's dated rows.
    pub(super) fn set_moves(&mut self, dated: &[ListDatedRow]) {
        for at in 0..ROWS {
            let size = dated.get(at).and_then(|row| row.moves_ppm.get(self.id as usize - 1)).copied().unwrap_or(0);
            // Beyond the largest no name of the bucket has a short way.
            let sized = fine(size.abs().min(LARGEST_MOVE));
            (self.moves[at], self.rises[at], self.falls[at]) = (size, if size > 0 { sized } else { 0 }, if size < 0 { sized } else { 0 });
        }
    }
}

/// A bucket's sector.
#[derive(Debug, Default)]
pub struct Sector {
    pub(super) bucket: u32,
    pub(super) id: u32,
}

/// What holds of all rows of an evaluation.
struct Rule {
    /// Size of the tail rows, weight included, as a part of the full shock.
    tail_ppm: i64,
    /// Sizes of the larger of the parallel rows and of the rotations, as such parts, in units of 2^-20.
    parallel: i64,
    rotation: i64,
    bucket_sum_ppm: i64,
    /// How far all coarse results together may be from the exact ones, micro-dollars.
    blur: i64,
    gross: i64,
}

impl Rule {
    /// A bucket's part in the sum beside the largest.
    fn share(&self, rest: i64) -> i64 {
        up(rest.unsigned_abs(), self.bucket_sum_ppm as u64)
    }
}

/// A size in ppm that is not negative, in units of 2^-20, rounded up.
pub const fn fine(size_ppm: i64) -> i64 {
    ((size_ppm as u64) << FINE).div_ceil(PPM as u64) as i64
}

/// Micro-dollars in coarse units.
#[inline(always)]
pub const fn coarse(dollars: i64) -> i64 {
    dollars >> COARSE
}

/// A part of coarse results.
#[inline(always)]
const fn times(sum: i64, part: i64) -> i64 {
    ((sum as i128 * part as i128) >> FINE) as i64
}

/// Micro-dollars of coarse results.
#[inline(always)]
const fn dollars(sum: i64) -> i64 {
    sum >> (FINE - COARSE)
}

/// `value * rate / of` of numbers that are not negative, rounded up.
#[inline(always)]
pub const fn part_up(value: u64, rate: u64, of: u64) -> i64 {
    match value.checked_mul(rate) {
        Some(product) => product.div_ceil(of) as i64,
        None => (value as u128 * rate as u128).div_ceil(of as u128) as i64,
    }
}

/// `value * rate / 1e6` of a number that is not negative, rounded up.
#[inline(always)]
pub const fn up(value: u64, rate_ppm: u64) -> i64 {
    part_up(value, rate_ppm, PPM as u64)
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

impl Plain {
    /// SR and the row that binds: the grid and the dated rows, each exactly only if it may be the larger.
    pub(super) fn scenario_risk(&mut self, state: &State, level: usize) -> (i64, Binding) {
        let config = state.config();
        let tail_ppm = rate_down(i128::from(config.tail_shock_ppm), config.tail_weight_ppm) as i64;
        let rule = Rule {
            tail_ppm,
            parallel: fine(tail_ppm.max(PPM)),
            rotation: fine(config.rotation_ppm),
            bucket_sum_ppm: config.bucket_sum_ppm,
            blur: self.sums.off * ((self.sums.gross >> FINE) + 1) + BLUR * self.sums.held.len() as i64,
            gross: self.sums.gross,
        };
        let mut dated = [0_i64; ROWS];
        let (mut sum, mut largest) = (0, 0);
        for at in bits(self.sums.met.buckets) {
            let (bucket, made) = (&self.buckets[at], &self.sums.buckets[at]);
            let least = self.least(bucket, made, &rule);
            for (lost, moves) in made.history.map(|made| (-(made >> FINE)).max(0)).into_iter().zip([&bucket.rises, &bucket.falls]) {
                if lost > 0 {
                    // At most the gross times the largest move.
                    dated.iter_mut().zip(moves).for_each(|(all, &size)| *all = all.wrapping_add(lost.wrapping_mul(size)));
                }
            }
            self.buckets[at].least = least;
            let loss = dollars(-least);
            (sum, largest) = (sum + loss, largest.max(loss));
        }
        let grid = largest + rule.share(sum - largest);
        let most = dollars(dated.iter().copied().max().unwrap_or(0));
        let mut risk = 0;
        let mut binding = Binding::None;
        if grid + rule.blur >= most - rule.blur {
            (risk, binding) = self.grid_risk(level, &rule);
        }
        // A dated row binds only if its coarse loss comes near the largest of all.
        let near = (most - 2 * rule.blur).max(risk - rule.blur);
        for (row, &loss) in dated.iter().enumerate().take(state.dated_rows.len()) {
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
    #[inline(always)]
    fn least(&self, bucket: &Bucket, made: &Made, rule: &Rule) -> i64 {
        let mut turned = 0;
        for at in bits(self.sums.met.sectors & bucket.sectors) {
            let sector = &self.sums.sectors[at];
            let apart = sector.up - sector.down;
            turned = turned.min(made.down + apart).min(made.up - apart);
        }
        times(made.up.min(made.down).min(0), rule.parallel).min(times(turned, rule.rotation))
    }

    /// The grid: the largest bucket's loss in full, a part of the others'; of equal ones the lowest binds.
    fn grid_risk(&mut self, level: usize, rule: &Rule) -> (i64, Binding) {
        let (mut sum, mut largest, mut binding) = (0, 0, Binding::None);
        for at in bits(self.sums.met.buckets) {
            let (loss, row) = self.bucket_loss(at, level, rule);
            let bucket = self.buckets[at].id;
            sum += loss;
            let lower = matches!(binding, Binding::Grid { bucket: other, .. } if other > bucket);
            if loss > largest || loss == largest && lower {
                (largest, binding) = (loss, Binding::Grid { bucket, row });
            }
        }
        (largest + rule.share(sum - largest), binding)
    }

    /// Loss of a bucket and the first row that sets it. Rows that are coarsely far from the worst are left out.
    fn bucket_loss(&self, at: usize, level: usize, rule: &Rule) -> (i64, GridRow) {
        let (bucket, made, blur) = (&self.buckets[at], self.sums.buckets[at], rule.blur);
        let least = dollars(bucket.least) - 1;
        // A smaller move of the same direction loses at most its fraction of the full one, but for roundings: of its size, up to
        // one ppm of the gross, and of each result.
        let fraction = rule.tail_ppm.max(FRACTIONS[1]);
        let lost = dollars(made.up.min(made.down).min(0)).unsigned_abs() + blur.unsigned_abs();
        let bound = -up(lost, fraction.max(0) as u64) - blur - rule.gross / PPM - 2;
        let all = fraction >= PPM || least + blur >= bound;
        let near = |sum: i64| all || dollars(sum) - 1 <= least + 2 * blur;

        let full = GridRow::Parallel { fraction_ppm: PPM };
        let mut worst = (i64::MAX, full);
        let mut parallel = |sum: i64, step: usize, rises: bool| {
            if near(sum) {
                let sizes = |perp: &Perp| (rises, if rises { perp.rates.rises[step] } else { perp.rates.falls[step] });
                let result = self.exactly(at, level, sizes);
                if result < worst.0 {
                    let size = if step < FRACTIONS.len() { FRACTIONS[step] } else { rule.tail_ppm };
                    let fraction_ppm = if rises { size } else { -size };
                    worst = (result, if step < FRACTIONS.len() { GridRow::Parallel { fraction_ppm } } else { GridRow::Tail { fraction_ppm } });
                }
            }
        };
        parallel(made.up, 0, true);
        parallel(made.down, 0, false);
        if all {
            for step in 1..=FRACTIONS.len() {
                parallel(0, step, true);
                parallel(0, step, false);
            }
        }
        // Of equal rotations the lowest sector's counts, and its rise before its fall.
        for sector_at in bits(self.sums.met.sectors & bucket.sectors) {
            let (id, sector) = (self.sectors[sector_at].id, &self.sums.sectors[sector_at]);
            let apart = sector.up - sector.down;
            for (rises, sum) in [(true, made.down + apart), (false, made.up - apart)] {
                if !near(times(sum, rule.rotation)) {
                    continue;
                }
                let result = self.exactly(at, level, |perp| {
                    let up = (usize::from(perp.sector_at) == sector_at) == rises;
                    (up, perp.rates.rotations[usize::from(up)])
                });
                let earlier = matches!(worst.1, GridRow::Rotation { sector: other, .. } if other > id);
                if result < worst.0 || result == worst.0 && earlier {
                    worst = (result, GridRow::Rotation { sector: id, rises });
                }
            }
        }
        ((-worst.0).max(0), worst.1)
    }

    /// What a bucket makes in a row, of which `of` says whether a perp rises in it and by how much it moves.
    #[inline(always)]
    fn exactly(&self, bucket_at: usize, level: usize, of: impl Fn(&Perp) -> (bool, i64)) -> i64 {
        let mut result = 0;
        for held in &self.sums.held {
            if usize::from(held.bucket_at) == bucket_at {
                let perp = &self.perps[level][held.market as usize];
                let (rises, size) = of(perp);
                result += moved(if rises { held.low } else { -held.high }, size, perp.rates.gain_ppm);
            }
        }
        result
    }

    /// Loss of a dated row over all buckets, exactly.
    fn dated_loss(&mut self, row: usize, level: usize) -> i64 {
        bits(self.sums.met.buckets).for_each(|at| self.buckets[at].exact = 0);
        for held in &self.sums.held {
            let perp = &self.perps[level][held.market as usize];
            let size = perp.dated[row];
            self.buckets[usize::from(held.bucket_at)].exact += moved(if size > 0 { held.low } else { -held.high }, size.abs(), perp.rates.gain_ppm);
        }
        bits(self.sums.met.buckets).map(|at| (-self.buckets[at].exact).max(0)).sum()
    }
}
