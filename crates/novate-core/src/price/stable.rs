//! The stable price's memory: a time-weighted mean of the confirmed index over a sliding window.
//!
//! Responsible for: exact sums of price x time in 30 closed buckets and the running one. Never decides what the
//! index is. Buckets lie on a fixed grid of journal time, so the mean does not depend on how often time advances;
//! it covers 30 whole buckets and what has run of the next one.

use crate::units::{Nanos, Price, div_nearest};
use serde::{Deserialize, Serialize};

const BUCKETS: usize = 30;

/// Sums of price x nanoseconds over the window. Memory and work per call are bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StableWindow {
    /// Sums of the closed buckets, a ring.
    sums: [i128; BUCKETS],
    /// How many nanoseconds of each closed bucket were observed.
    spans: [Nanos; BUCKETS],
    /// The ring's oldest bucket, the next to be replaced.
    oldest: u8,
    /// Sum and observed time of the running bucket.
    running: (i128, Nanos),
    /// Sum and observed time of everything in the window.
    total: (i128, Nanos),
    /// Everything before this time was observed.
    until_ns: Nanos,
}

impl StableWindow {
    /// Nothing observed yet; observation starts at `now`.
    #[must_use]
    pub const fn starting(now: Nanos) -> Self {
        Self { sums: [0; BUCKETS], spans: [0; BUCKETS], oldest: 0, running: (0, 0), total: (0, 0), until_ns: now }
    }

    /// Records that `price` held from the last observation to `now`. A call for a time already seen does nothing.
    pub fn observe(&mut self, price: Price, window_ns: Nanos, now: Nanos) {
        let step = (window_ns / BUCKETS as Nanos).max(1);
        let first_kept = now.div_euclid(step).saturating_sub(BUCKETS as i64 + 1).saturating_mul(step);
        if self.until_ns < first_kept {
            // Longer than the whole window at one price: what came before is forgotten anyway.
            *self = Self::starting(first_kept);
        }
        while self.until_ns < now {
            let end = (self.until_ns.div_euclid(step) + 1).saturating_mul(step);
            self.add(price, end.min(now) - self.until_ns);
            self.until_ns = end.min(now);
            if self.until_ns == end {
                self.close_bucket();
            }
        }
    }

    /// The mean, rounded to nearest; `None` before any time has passed.
    #[must_use]
    pub fn mean(&self) -> Option<Price> {
        // A mean of i64 prices is an i64.
        (self.total.1 > 0).then(|| div_nearest(self.total.0, i128::from(self.total.1)) as Price)
    }

    /// Values a span of the past at another price. The grid's buckets that the span touches are valued whole: what else
    /// happened in the first and the last of them was within a bucket's time of it.
    pub fn overwrite(&mut self, price: Price, window_ns: Nanos, from: Nanos, to: Nanos) {
        let step = (window_ns / BUCKETS as Nanos).max(1);
        let running = self.until_ns.div_euclid(step);
        let (first, last) = (from.div_euclid(step), (to - 1).max(from).div_euclid(step));
        if first <= running && running <= last {
            let sum = i128::from(price) * i128::from(self.running.1);
            self.total.0 += sum - self.running.0;
            self.running.0 = sum;
        }
        for back in 1..=BUCKETS as i64 {
            if first <= running - back && running - back <= last {
                let slot = (i64::from(self.oldest) - back).rem_euclid(BUCKETS as i64) as usize;
                let sum = i128::from(price) * i128::from(self.spans[slot]);
                self.total.0 += sum - self.sums[slot];
                self.sums[slot] = sum;
            }
        }
    }

    /// Replaces each sum by a function of it and the time it covers: a change of scale.
    pub fn each_sum(&mut self, scaled: impl Fn(i128, Nanos) -> i128) {
        for (sum, &span) in self.sums.iter_mut().zip(&self.spans) {
            *sum = scaled(*sum, span);
        }
        self.running.0 = scaled(self.running.0, self.running.1);
        self.total.0 = self.sums.iter().sum::<i128>() + self.running.0;
    }

    fn add(&mut self, price: Price, span: Nanos) {
        let weighted = i128::from(price) * i128::from(span);
        self.running = (self.running.0 + weighted, self.running.1 + span);
        self.total = (self.total.0 + weighted, self.total.1 + span);
    }

    fn close_bucket(&mut self) {
        let slot = usize::from(self.oldest);
        self.total = (self.total.0 - self.sums[slot], self.total.1 - self.spans[slot]);
        (self.sums[slot], self.spans[slot]) = self.running;
        self.running = (0, 0);
        self.oldest = (self.oldest + 1) % BUCKETS as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Nanos = 300;

    fn observed(path: &[(Price, Nanos)], start: Nanos) -> (StableWindow, Nanos) {
        let (mut window, mut now) = (StableWindow::starting(start), start);
        for (price, span) in path {
            now += span;
            window.observe(*price, WINDOW, now);
        }
        (window, now)
    }

    /// The mean again, nanosecond by nanosecond.
    fn naive(path: &[(Price, Nanos)], start: Nanos) -> Option<Price> {
        let prices: Vec<i128> = path.iter().flat_map(|(p, n)| (0..*n).map(|_| i128::from(*p))).collect();
        let now = start + prices.len() as Nanos;
        let from = ((now.div_euclid(10) - 30) * 10 - start).max(0) as usize;
        let kept = &prices[from..];
        (!kept.is_empty()).then(|| div_nearest(kept.iter().sum(), kept.len() as i128) as Price)
    }

    #[test]
    fn a_span_of_the_past_is_valued_anew() {
        // Ten at one price, twenty at a wrong one, then ten at a third: the wrong ones go, bucket by bucket.
        let wrong = observed(&[(1_000, 100), (5, 200), (2_000, 100)], 0).0;
        let right = observed(&[(1_000, 100), (1_000, 200), (2_000, 100)], 0).0;
        let mut corrected = wrong;
        corrected.overwrite(1_000, WINDOW, 100, 300);
        assert_eq!(corrected.mean(), right.mean());
        assert_eq!(corrected, right);
        // What left the window long ago changes nothing.
        corrected.overwrite(7, WINDOW, -WINDOW * 9, -WINDOW * 8);
        assert_eq!(corrected, right);
    }

    #[test]
    fn a_change_of_scale_moves_the_whole_history() {
        let mut split = observed(&[(1_000, 100), (3_000, 250)], 0).0;
        split.each_sum(|sum, _| sum / 10);
        assert_eq!(split, observed(&[(100, 100), (300, 250)], 0).0);
    }

    #[test]
    fn no_time_no_mean() {
        assert_eq!(StableWindow::starting(5).mean(), None);
    }

    #[test]
    fn extreme_inputs_neither_wrap_nor_loop() {
        let mut window = StableWindow::starting(0);
        for now in [1, i64::MAX / 2, i64::MAX - 1, i64::MAX] {
            for length in [0, 1, WINDOW, 1_800_000_000_000, i64::MAX] {
                window.observe(i64::MAX, length, now);
                assert_eq!(window.mean(), Some(i64::MAX));
            }
        }
    }

    proptest! {
        #[test]
        fn the_mean_is_exact(path in prop::collection::vec((1..1_000_i64, 0..400_i64), 0..40), start in 0..50_i64) {
            prop_assert_eq!(observed(&path, start).0.mean(), naive(&path, start));
        }

        #[test]
        fn how_often_time_advances_does_not_matter(
            path in prop::collection::vec((1..1_000_i64, 0..40_i64), 0..40), repeats in 1..12_i64, start in 0..50_i64,
        ) {
            let coarse: Vec<_> = path.iter().map(|(p, n)| (*p, n * repeats)).collect();
            let fine: Vec<_> = path.iter().flat_map(|r| (0..repeats).map(move |_| *r)).collect();
            prop_assert_eq!(observed(&coarse, start).0.mean(), observed(&fine, start).0.mean());
        }
    }
}
