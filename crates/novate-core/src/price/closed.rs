//! The index while the primary market is closed: the last external price, drifted by the venue's own book inside bounds.
//!
//! Responsible for: the drift, its exponential, and the discovery bounds with their re-anchors. Never looks into a book: the
//! caller hands in the impact price. What nobody outside confirmed is never a maintenance price.

use crate::units::{Nanos, PPM, Ppm, Price, div_ceil, div_floor, div_nearest};
use serde::{Deserialize, Serialize};

/// The drifted index is kept in millionths of a price unit, so that small steps are not rounded away.
const FINE: i128 = 1_000_000;
/// One, in the fixed point of `decay`.
pub const ONE: i128 = 1 << 60;
/// Halvings of the exponent before the series.
const HALVINGS: u32 = 10;
/// Terms of the series.
const TERMS: i128 = 8;

/// How a closed index may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftParams {
    /// Half-width of the discovery bounds around the reference; 0 is no drift at all.
    pub bound_ppm: Ppm,
    /// Re-anchors per direction and closure.
    pub re_anchors: u32,
    /// Share of the way to a bound at which the reference moves to it.
    pub re_anchor_at_ppm: Ppm,
    /// Time constant.
    pub time_ns: Nanos,
}

/// A closure's drift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Middle of the bounds.
    pub reference: Price,
    /// Re-anchors so far, up and down.
    pub re_anchored: (u32, u32),
    /// The drifted index, in millionths.
    fine: i128,
    /// It has drifted up to here.
    pub time_ns: Nanos,
}

/// `exp(-elapsed / time)` in 2^60ths: x = floor(elapsed x 2^60 / time), halved ten times, eight terms of the alternating
/// series, squared ten times; every product and quotient rounded to nearest. From 40 time constants on it is 0.
#[must_use]
pub const fn decay(elapsed: Nanos, time: Nanos) -> i128 {
    if elapsed <= 0 {
        return ONE;
    }
    if elapsed as i128 >= 40 * time as i128 {
        return 0;
    }
    let x = div_floor(elapsed as i128 * ONE, time as i128) >> HALVINGS;
    let (mut term, mut sum, mut n) = (ONE, ONE, 1);
    while n <= TERMS {
        term = div_nearest(term * x, n * ONE);
        sum += if n % 2 == 1 { -term } else { term };
        n += 1;
    }
    let mut left = HALVINGS;
    while left > 0 {
        sum = div_nearest(sum * sum, ONE);
        left -= 1;
    }
    sum
}

/// The bounds around a reference, rounded inwards.
#[must_use]
pub const fn bounds(reference: Price, bound_ppm: Ppm) -> (Price, Price) {
    let low = div_ceil(reference as i128 * (PPM - bound_ppm) as i128, PPM as i128);
    let high = div_floor(reference as i128 * (PPM + bound_ppm) as i128, PPM as i128);
    (low as Price, if high > Price::MAX as i128 { Price::MAX } else { high as Price })
}

/// Whether the farthest that an index can drift, `(1 + bound)^(1 + re-anchors) - 1`, is within `margin_ppm`. Exact:
/// the power is taken step by step in parts per million, rounded up.
#[must_use]
pub const fn reach_ppm(bound_ppm: Ppm, re_anchors: u32) -> i128 {
    let (mut reach, mut step) = (PPM as i128, 0);
    while step <= re_anchors {
        reach = div_ceil(reach * (PPM + bound_ppm) as i128, PPM as i128);
        step += 1;
    }
    reach - PPM as i128
}

impl Drift {
    /// The closure begins.
    #[must_use]
    pub fn from(index: Price, now: Nanos) -> Self {
        Self { reference: index, re_anchored: (0, 0), fine: i128::from(index) * FINE, time_ns: now }
    }

    /// It begins anew from an index that has drifted from its reference.
    #[must_use]
    pub fn again(index: Price, reference: Price, now: Nanos) -> Self {
        Self { reference, ..Self::from(index, now) }
    }

    /// Lets the index drift towards the impact price (none: it holds) for the time since the last call:
    /// `index = target + (index - target) x exp(-elapsed / time)`, target and index inside the bounds, the distance rounded
    /// to nearest. Returns the index, rounded to nearest.
    pub fn towards(&mut self, impact: Option<Price>, terms: &DriftParams, now: Nanos) -> Price {
        let elapsed = now.saturating_sub(self.time_ns);
        self.time_ns = now;
        if let Some(impact) = impact.filter(|_| terms.bound_ppm > 0) {
            let (low, high) = bounds(self.reference, terms.bound_ppm);
            let target = i128::from(impact.clamp(low, high.max(low))) * FINE;
            let left = decay(elapsed, terms.time_ns);
            // Millionths of a price times 2^60 can pass 128 bits: the distance is scaled in two halves of the exponent.
            let distance = self.fine - target;
            let scaled = distance.checked_mul(left).filter(|p| p.abs() < 1 << 125).map_or_else(|| div_nearest(div_nearest(distance, 1 << 20) * left, 1 << 40), |p| div_nearest(p, ONE));
            self.fine = target + scaled;
            self.re_anchor(terms);
        }
        self.index()
    }

    fn index(&self) -> Price {
        div_nearest(self.fine, FINE) as Price
    }

    /// Near a bound the reference moves to it, a listed number of times a closure and direction.
    fn re_anchor(&mut self, terms: &DriftParams) {
        let (low, high) = bounds(self.reference, terms.bound_ppm);
        let index = self.index();
        let reached = |whole: i128, gone: i128| gone * i128::from(PPM) >= whole * i128::from(terms.re_anchor_at_ppm) && whole > 0;
        let (up, down) = (i128::from(high) - i128::from(self.reference), i128::from(self.reference) - i128::from(low));
        let gone = i128::from(index) - i128::from(self.reference);
        if reached(up, gone) && self.re_anchored.0 < terms.re_anchors {
            self.reference = high;
            self.re_anchored.0 += 1;
        } else if reached(down, -gone) && self.re_anchored.1 < terms.re_anchors {
            self.reference = low;
            self.re_anchored.1 += 1;
        }
    }

    /// Another price scale, by a function of prices.
    pub(super) fn rescale(&mut self, price: impl Fn(Price) -> Price) {
        self.reference = price(self.reference);
        self.fine = i128::from(price(self.index())) * FINE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{HOUR, SECOND};
    use proptest::prelude::*;

    const TERMS: DriftParams = DriftParams { bound_ppm: 50_000, re_anchors: 1, re_anchor_at_ppm: 900_000, time_ns: HOUR };

    #[test]
    fn the_exponential_is_the_known_one() {
        // e^-1, e^-1/3600 and e^-10 to twelve places.
        for (elapsed, expected) in [(HOUR, 367_879_441_171_i128), (SECOND, 999_722_260_799), (10 * HOUR, 45_399_930), (0, 1_000_000_000_000)] {
            let found = div_nearest(decay(elapsed, HOUR) * 1_000_000_000_000, ONE);
            assert!((found - expected).abs() <= 1, "{elapsed}: {found}");
        }
        assert_eq!(decay(40 * HOUR, HOUR), 0);
        assert_eq!(decay(i64::MAX, 1), 0);
    }

    #[test]
    fn one_hour_is_63_percent_of_the_way() {
        let mut drift = Drift::from(100_000_000, 0);
        assert_eq!(drift.towards(Some(102_000_000), &TERMS, HOUR), 101_264_241);
        assert_eq!(drift.towards(None, &TERMS, 2 * HOUR), 101_264_241, "no book, no drift");
    }

    #[test]
    fn a_sweep_of_seconds_moves_next_to_nothing() {
        let mut drift = Drift::from(100_000_000, 0);
        assert!(drift.towards(Some(900_000_000), &TERMS, 10 * SECOND) < 100_014_000);
    }

    #[test]
    fn the_reference_moves_to_the_bound_once_a_direction() {
        let mut drift = Drift::from(100_000_000, 0);
        for hour in 1..100 {
            drift.towards(Some(900_000_000), &TERMS, hour * HOUR);
        }
        assert_eq!((drift.reference, drift.re_anchored, drift.index()), (105_000_000, (1, 0), 110_250_000));
        for hour in 100..300 {
            drift.towards(Some(1), &TERMS, hour * HOUR);
        }
        assert_eq!(drift.re_anchored, (1, 1));
        assert_eq!(reach_ppm(50_000, 1), 102_500);
    }

    proptest! {
        /// However the book is swept, the index stays where the listing says.
        #[test]
        fn drift_never_leaves_its_bounds(
            start in 1_000..10_000_000_000_i64, bound in 0..300_000_i64, re_anchors in 0..4_u32,
            path in prop::collection::vec((1..i64::MAX / 2, 0..100_000_i64), 1..60),
        ) {
            let terms = DriftParams { bound_ppm: bound, re_anchors, ..TERMS };
            let (mut drift, mut now) = (Drift::from(start, 0), 0);
            let mut floor = i128::from(start);
            for _ in 0..=re_anchors {
                floor = div_floor(floor * i128::from(PPM - bound), i128::from(PPM));
            }
            let ceiling = i128::from(start) * (i128::from(PPM) + reach_ppm(bound, re_anchors)) / i128::from(PPM) + 1;
            for (impact, seconds) in path {
                now += seconds * SECOND;
                let index = i128::from(drift.towards(Some(impact), &terms, now));
                prop_assert!(floor <= index && index <= ceiling, "{floor} {index} {ceiling}");
            }
        }

        /// A constant book in many small steps or in one: the same to a few millionths.
        #[test]
        fn how_often_time_advances_does_not_matter(seconds in 1..3_600_i64, steps in 1..60_i64) {
            let (mut coarse, mut fine) = (Drift::from(100_000_000, 0), Drift::from(100_000_000, 0));
            let calm = DriftParams { re_anchors: 0, ..TERMS };
            coarse.towards(Some(101_000_000), &calm, seconds * steps * SECOND);
            for step in 1..=steps {
                fine.towards(Some(101_000_000), &calm, seconds * step * SECOND);
            }
            prop_assert!((coarse.fine - fine.fine).abs() <= i128::from(steps) + 1);
        }
    }
}
