//! Scenario risk and gaps: what the portfolio would lose in each listed row.
//!
//! Responsible for: SR and GAP. Rows are evaluated per bucket; gains never cross buckets.

use super::portfolio::{Exposure, Portfolio};
use crate::state::State;
use crate::units::{PPM, Value, rate_down, rate_up, scale_up};

/// Fractions of the full shock, each up and down, before the tails.
pub(super) const FRACTIONS: [i64; 3] = [PPM, 666_667, 333_334];

/// Which row sets SR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// No exposure.
    #[default]
    None,
    /// Grid rows: the leading bucket and its row there.
    Grid {
        /// Bucket with the largest loss.
        bucket: u32,
        /// Its row.
        row: GridRow,
    },
    /// A dated row, by its place in the listing.
    Dated {
        /// Index into the state's dated rows.
        index: u32,
    },
}

/// A row of a bucket's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridRow {
    /// All names move by a fraction of their shock; negative is down.
    Parallel {
        /// Signed ppm of the shock.
        fraction_ppm: i64,
    },
    /// One sector against the others.
    Rotation {
        /// The sector.
        sector: u32,
        /// Whether it is the sector that rises.
        rises: bool,
    },
    /// All names move by the tail, at its weight; negative is down.
    Tail {
        /// Signed ppm, weight included.
        fraction_ppm: i64,
    },
}

/// What one exposure makes in a move up (or down) by a size, at its worst corner: negative is a loss.
#[inline]
fn moved(exposure: &Exposure, up: bool, size_ppm: i64, gain_ppm: i64) -> Value {
    let worst = if up { exposure.low } else { -exposure.high };
    // Losses and gains are both rounded down: a loss towards more of it.
    let result = rate_down(worst, size_ppm);
    if result < 0 { result } else { rate_down(result, gain_ppm) }
}

/// What one exposure makes in a grid row.
fn in_row(state: &State, portfolio: &Portfolio, exposure: &Exposure, row: GridRow) -> Value {
    let (up, fraction) = match row {
        GridRow::Parallel { fraction_ppm } | GridRow::Tail { fraction_ppm } => (fraction_ppm > 0, fraction_ppm.abs()),
        GridRow::Rotation { sector, rises } => ((exposure.sector == sector) == rises, state.config().rotation_ppm),
    };
    let rates = portfolio.rates(exposure);
    let shock = if up { rates.shock_up_ppm } else { rates.shock_down_ppm };
    moved(exposure, up, scale_up(shock, fraction), rates.gain_ppm)
}

/// What one exposure makes in a dated row.
fn in_dated_row(portfolio: &Portfolio, exposure: &Exposure, index: usize) -> Value {
    let rates = portfolio.rates(exposure);
    dated_result(exposure, rates.dated[index], rates.gain_ppm)
}

#[inline]
fn dated_result(exposure: &Exposure, move_ppm: i64, gain_ppm: i64) -> Value {
    moved(exposure, move_ppm > 0, move_ppm.abs(), gain_ppm)
}

/// The buckets an account is exposed to, ascending, without repeats.
fn buckets(portfolio: &Portfolio) -> impl Iterator<Item = u32> + '_ {
    let mut last = 0;
    std::iter::from_fn(move || {
        let next = portfolio.exposures.iter().map(|e| e.bucket).filter(|&b| b > last).min()?;
        last = next;
        Some(next)
    })
}

/// The rows of every bucket's grid but the rotations, in the order in which ties are broken.
fn grid(state: &State) -> [GridRow; 8] {
    let tail = scale_down(state.config().tail_shock_ppm, state.config().tail_weight_ppm);
    let mut rows = [GridRow::Tail { fraction_ppm: tail }; 8];
    for (pair, fraction_ppm) in rows.chunks_exact_mut(2).zip(FRACTIONS) {
        pair[0] = GridRow::Parallel { fraction_ppm };
        pair[1] = GridRow::Parallel { fraction_ppm: -fraction_ppm };
    }
    rows[7] = GridRow::Tail { fraction_ppm: -tail };
    rows
}

/// Results of the rotation for each exposure: every sector's row is a choice among them.
fn rotate(portfolio: &mut Portfolio) {
    for at in 0..portfolio.exposures.len() {
        let (exposure, rates) = (&portfolio.exposures[at], portfolio.rates(&portfolio.exposures[at]));
        let [fall, rise] = rates.rotations;
        portfolio.exposures[at].rotated = [moved(exposure, false, fall, rates.gain_ppm), moved(exposure, true, rise, rates.gain_ppm)];
    }
}

/// Loss of a bucket and the first row that sets it. `rotate` has run.
fn bucket_loss(state: &State, portfolio: &Portfolio, bucket: u32) -> (Value, GridRow) {
    let rows = grid(state);
    let members = || portfolio.exposures.iter().filter(|e| e.bucket == bucket);
    let mut results = [0; 8];
    for exposure in members() {
        let rates = portfolio.rates(exposure);
        for (pair, (&rise, &fall)) in results.chunks_exact_mut(2).zip(rates.rises.iter().zip(&rates.falls)) {
            pair[0] += moved(exposure, true, rise, rates.gain_ppm);
            pair[1] += moved(exposure, false, fall, rates.gain_ppm);
        }
    }
    let mut worst = (results[0], rows[0]);
    let mut consider = |result: Value, row: GridRow| {
        if result < worst.0 {
            worst = (result, row);
        }
    };
    results.into_iter().zip(rows).skip(1).for_each(|(result, row)| consider(result, row));
    let mut last = None;
    while let Some(sector) = members().map(|e| e.sector).filter(|&s| last.is_none_or(|l| s > l)).min() {
        let (mut rises, mut falls) = (0, 0);
        for exposure in members() {
            let same = usize::from(exposure.sector == sector);
            rises += exposure.rotated[same];
            falls += exposure.rotated[1 - same];
        }
        consider(rises, GridRow::Rotation { sector, rises: true });
        consider(falls, GridRow::Rotation { sector, rises: false });
        last = Some(sector);
    }
    ((-worst.0).max(0), worst.1)
}

fn scale_down(rate_ppm: i64, by_ppm: i64) -> i64 {
    rate_down(i128::from(rate_ppm), by_ppm) as i64
}

/// SR and the row that binds.
pub fn scenario_risk(state: &State, portfolio: &mut Portfolio) -> (Value, Binding) {
    rotate(portfolio);
    let (mut sum, mut largest) = (0, 0);
    let mut binding = Binding::None;
    for bucket in buckets(portfolio) {
        let (loss, row) = bucket_loss(state, portfolio, bucket);
        sum += loss;
        if loss > largest {
            largest = loss;
            binding = Binding::Grid { bucket, row };
        }
    }
    let mut risk = largest + rate_up(sum - largest, state.config().bucket_sum_ppm);
    for (index, loss) in dated_losses(state, portfolio).enumerate() {
        if loss > risk {
            risk = loss;
            binding = Binding::Dated { index: index as u32 };
        }
    }
    (risk, binding)
}

/// Loss of each dated row: results add inside a bucket, losses over the buckets.
fn dated_losses<'a>(state: &State, portfolio: &'a mut Portfolio) -> impl Iterator<Item = Value> + 'a {
    let mut dated = std::mem::take(&mut portfolio.dated);
    dated.clear();
    dated.resize(state.dated_rows.len(), (0, 0));
    for bucket in buckets(portfolio) {
        for exposure in portfolio.exposures.iter().filter(|e| e.bucket == bucket) {
            let rates = portfolio.rates(exposure);
            for ((result, _), &move_ppm) in dated.iter_mut().zip(&rates.dated) {
                *result += dated_result(exposure, move_ppm, rates.gain_ppm);
            }
        }
        for (result, loss) in &mut dated {
            *loss += (-std::mem::take(result)).max(0);
        }
    }
    portfolio.dated = dated;
    portfolio.dated.iter().map(|&(_, loss)| loss)
}

/// Loss of a bucket in its worst listed row, tails in full: what the insurance target is made of. The portfolio is that of an
/// evaluation just made. Cold path.
#[must_use]
pub fn stress_loss(state: &State, portfolio: &Portfolio, bucket: u32) -> Value {
    let tail = state.config().tail_shock_ppm;
    let mut worst = bucket_loss(state, portfolio, bucket).0;
    for fraction_ppm in [tail, -tail] {
        let members = portfolio.exposures.iter().filter(|e| e.bucket == bucket);
        let result: Value = members.map(|e| in_row(state, portfolio, e, GridRow::Tail { fraction_ppm })).sum();
        worst = worst.max(-result);
    }
    let dated = (0..state.dated_rows.len()).map(|index| dated_bucket_loss(portfolio, index, bucket));
    worst.max(dated.max().unwrap_or(0))
}

fn dated_bucket_loss(portfolio: &Portfolio, index: usize, bucket: u32) -> Value {
    let result: Value = portfolio.exposures.iter().filter(|e| e.bucket == bucket).map(|e| in_dated_row(portfolio, e, index)).sum();
    (-result).max(0)
}

/// Each exposure's part of SR under the binding row, in the order of `portfolio.exposures`; gains are negative parts. They
/// sum to SR up to the rounding of the bucket factor, which the caller distributes. Cold path.
#[must_use]
pub fn scenario_parts(state: &State, portfolio: &Portfolio, binding: Binding) -> Vec<Value> {
    let mut parts = vec![0; portfolio.exposures.len()];
    let lead = match binding {
        Binding::None => return parts,
        Binding::Grid { bucket, .. } => bucket,
        Binding::Dated { .. } => 0,
    };
    for bucket in buckets(portfolio) {
        let members = || portfolio.exposures.iter().enumerate().filter(|(_, e)| e.bucket == bucket);
        if let Binding::Dated { index } = binding {
            if dated_bucket_loss(portfolio, index as usize, bucket) > 0 {
                members().for_each(|(i, e)| parts[i] = -in_dated_row(portfolio, e, index as usize));
            }
            continue;
        }
        let (loss, row) = bucket_loss(state, portfolio, bucket);
        if loss > 0 {
            for (i, e) in members() {
                let part = -in_row(state, portfolio, e, row);
                parts[i] = if bucket == lead { part } else { rate_down(part, state.config().bucket_sum_ppm) };
            }
        }
    }
    parts
}

/// GAP: the two largest gap groups in full, the others at zeta.
pub fn gap(state: &State, portfolio: &mut Portfolio) -> Value {
    let Portfolio { exposures, groups, .. } = portfolio;
    groups.clear();
    for exposure in exposures.iter() {
        let x = gap_of(exposure);
        match groups.iter_mut().find(|g| g.1 == exposure.gap_group) {
            Some(group) => group.0 += x,
            None => groups.push((x, exposure.gap_group)),
        }
    }
    groups.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let full: Value = groups.iter().take(2).map(|g| g.0).sum();
    let rest: Value = groups.iter().skip(2).map(|g| g.0).sum();
    full + rate_up(rest, state.config().gap_sum_ppm)
}

/// One exposure's own x.
#[must_use]
pub fn gap_of(exposure: &Exposure) -> Value {
    rate_up(exposure.low.abs().max(exposure.high.abs()), exposure.gap_ppm)
}
