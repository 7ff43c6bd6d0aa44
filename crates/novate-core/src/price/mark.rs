//! The mark price of a perp: the index, pulled towards the book as far as the book has held its distance.
//!
//! Responsible for: the average distance between book and index, the last trade, and the mark's speed limit.
//! Never looks into a book: the caller hands in the best prices, at the underlying's price scale.

use crate::units::{Nanos, PPM, Ppm, Price, SECOND, div_floor, div_nearest, median3};
use serde::{Deserialize, Serialize};

/// The average distance is kept in millionths of a price unit: at coarse price scales and 100 ms steps a whole
/// unit would round every step of the average to nothing.
const FINE: i128 = 1_000_000;

/// Mark price of one perp market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkState {
    /// Average of mid - index in millionths of a price unit.
    pub(super) average_basis: i128,
    /// Time of the average's last sample; `None` before the first.
    average_time_ns: Option<Nanos>,
    /// Price of the last trade; 0 before the first.
    pub(super) last_trade: Price,
    /// The mark; 0 before the first.
    pub(super) mark: Price,
    /// Up to here the mark has used its speed.
    mark_time_ns: Nanos,
}

impl MarkState {
    /// The mark price; 0 before the first.
    #[must_use]
    pub const fn mark(&self) -> Price {
        self.mark
    }

    /// Remembers the price of a trade in this market.
    pub const fn traded(&mut self, price: Price) {
        self.last_trade = price;
    }

    /// Recomputes the mark:
    /// `median(index; index + average of (mid - index); median(best bid, best ask, last trade))`.
    ///
    /// A component with a missing input drops out: with two left the mark is their mean rounded towards the
    /// index, with one it is the index. A one-sided book therefore never moves the mark. The average is
    /// exponential, `average += (x - average) * dt / (average_ns + dt)` rounded to nearest, its first sample
    /// counting fully. The mark moves at most `speed_ppm_per_second` of itself per second of journal time since
    /// it last moved or rested (the first one jumps); time too short for one unit is not lost. Nothing happens
    /// without an index (0). Returns whether the mark changed.
    pub fn advance(
        &mut self,
        index: Price,
        best_bid: Option<Price>,
        best_ask: Option<Price>,
        average_ns: Nanos,
        speed_ppm_per_second: Ppm,
        now: Nanos,
    ) -> bool {
        if index <= 0 {
            return false;
        }
        let book = best_bid.zip(best_ask);
        if let Some((bid, ask)) = book {
            self.sample(index, bid, ask, average_ns, now);
        }
        let target = self.target(index, book);
        let before = self.mark;
        self.move_towards(target, speed_ppm_per_second, now);
        self.mark != before
    }

    fn sample(&mut self, index: Price, bid: Price, ask: Price, average_ns: Nanos, now: Nanos) {
        let basis = (i128::from(bid) + i128::from(ask)) * (FINE / 2) - i128::from(index) * FINE;
        let step = self.average_time_ns.and_then(|last| {
            let passed = i128::from(now) - i128::from(last);
            let span = i128::from(average_ns) + passed;
            let product = (basis - self.average_basis).checked_mul(4)?.checked_mul(passed)?;
            (span > 0).then(|| div_nearest(product / 4, span))
        });
        // Without an earlier sample, or with numbers that no market has, the sample itself is the average.
        self.average_basis = step.map_or(basis, |step| self.average_basis + step);
        self.average_time_ns = Some(now);
    }

    fn target(&self, index: Price, book: Option<(Price, Price)>) -> Price {
        let Some((bid, ask)) = book else { return index };
        if self.last_trade == 0 {
            let half_basis = self.average_basis / (2 * FINE); // `/` rounds towards zero: towards the index
            return clamp_price(i128::from(index) + half_basis);
        }
        let by_average = clamp_price(i128::from(index) + div_nearest(self.average_basis, FINE));
        median3(index, by_average, median3(bid, ask, self.last_trade))
    }

    fn move_towards(&mut self, target: Price, speed: Ppm, now: Nanos) {
        if self.mark == 0 {
            (self.mark, self.mark_time_ns) = (target, now);
            return;
        }
        let passed = i128::from(now.saturating_sub(self.mark_time_ns)).max(0);
        let per_ns = i128::from(self.mark) * i128::from(speed.max(0)); // units x 1e15
        let scale = i128::from(PPM) * i128::from(SECOND);
        let distance = i128::from(target) - i128::from(self.mark);
        let room = per_ns.checked_mul(passed).map_or(distance.abs(), |product| div_floor(product, scale));
        if distance.abs() <= room {
            (self.mark, self.mark_time_ns) = (target, now);
        } else if room > 0 {
            self.mark = clamp_price(i128::from(self.mark) + room * distance.signum());
            // Only the time that these whole units took is used up (rounded up, so never faster than allowed).
            self.mark_time_ns += ((room * scale + per_ns - 1) / per_ns).min(passed) as Nanos;
        }
    }
}

/// A mark is a positive price whatever the book says.
fn clamp_price(price: i128) -> Price {
    price.clamp(1, i128::from(Price::MAX)) as Price
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AVERAGE: Nanos = 150 * SECOND;
    const FREE: Ppm = 1_000_000_000_000;

    fn mark_of(index: Price, bid: Option<Price>, ask: Option<Price>, last: Option<Price>) -> Price {
        let mut m = MarkState::default();
        if let Some(price) = last {
            m.traded(price);
        }
        assert!(m.advance(index, bid, ask, AVERAGE, FREE, SECOND));
        m.mark
    }

    #[test]
    fn missing_components_drop_out() {
        for (bid, ask, last, expected) in [
            (None, None, None, 1_000),
            (None, None, Some(1_500), 1_000),
            (Some(1_200), None, Some(1_500), 1_000),
            (None, Some(800), Some(1_500), 1_000),
            (Some(1_010), Some(1_020), None, 1_007), // mean of 1000 and 1015, towards the index
            (Some(980), Some(990), None, 993),       // mean of 1000 and 985, towards the index
            (Some(1_010), Some(1_020), Some(1_012), 1_012), // median of 1000, 1015, 1012
            (Some(1_010), Some(1_020), Some(900), 1_010), // the inner median is the bid
            (Some(1_010), Some(1_020), Some(2_000), 1_015), // the inner median is the ask
        ] {
            assert_eq!(mark_of(1_000, bid, ask, last), expected, "{bid:?} {ask:?} {last:?}");
        }
    }

    #[test]
    fn no_index_no_mark() {
        let mut m = MarkState::default();
        assert!(!m.advance(0, Some(1), Some(3), AVERAGE, FREE, SECOND));
        assert_eq!(m, MarkState::default());
    }

    #[test]
    fn the_average_follows_its_formula() {
        let mut m = MarkState::default();
        m.advance(1_000, Some(1_000), Some(1_000), AVERAGE, FREE, 0);
        m.advance(1_000, Some(1_090), Some(1_110), AVERAGE, FREE, 50 * SECOND);
        assert_eq!(m.average_basis, 25 * FINE); // 100 x 50 / 200
        m.advance(1_000, None, Some(1_110), AVERAGE, FREE, 60 * SECOND);
        assert_eq!(m.average_basis, 25 * FINE); // no mid, no sample
        m.advance(1_000, Some(1_000), Some(1_000), AVERAGE, FREE, 200 * SECOND);
        assert_eq!(m.average_basis, 12_500_000); // 25 - 25 x 150 / 300
    }

    #[test]
    fn the_average_moves_at_coarse_scales_and_short_steps() {
        let mut m = MarkState::default();
        m.traded(10_010);
        m.advance(10_000, Some(10_000), Some(10_000), AVERAGE, FREE, 0);
        for tick in 1..=15_000 {
            m.advance(10_000, Some(10_010), Some(10_010), AVERAGE, FREE, tick * SECOND / 10);
        }
        assert_eq!(m.mark, 10_010);
    }

    #[test]
    fn extreme_inputs_do_not_overflow() {
        let mut m = MarkState::default();
        for now in [0, 1, i64::MAX] {
            for price in [1, i64::MAX] {
                m.traded(price);
                m.advance(i64::MAX, Some(price), Some(price), AVERAGE, FREE, now);
                m.advance(1, Some(1), Some(i64::MAX), i64::MAX, i64::MAX, now);
                m.advance(i64::MAX, Some(1), Some(i64::MAX), 0, 0, now);
                assert!(m.mark >= 1);
            }
        }
    }

    proptest! {
        /// However time is cut, the mark keeps to its speed and is at most a unit behind it.
        #[test]
        fn speed_is_limited_and_not_lost(steps in prop::collection::vec(1..300_000_000_i64, 1..60), up in any::<bool>()) {
            let (start, speed) = (100_000_i64, 5_000);
            let mut m = MarkState::default();
            m.advance(start, None, None, AVERAGE, speed, 0);
            let target = if up { 10 * start } else { 1 };
            let mut now = 0;
            for step in steps {
                let before = m.mark;
                now += step;
                m.advance(target, None, None, AVERAGE, speed, now);
                prop_assert!(up == (m.mark > before) || m.mark == before);
            }
            // Compounded growth lies between simple growth at the starting and at the present mark.
            let at = |mark: i64| i128::from(mark) * 5_000 * i128::from(now) / 1_000_000_000_000_000;
            let moved = i128::from((m.mark - start).abs());
            prop_assert!(moved <= at(start.max(m.mark)));
            prop_assert!(moved + 2 >= at(start.min(m.mark)));
        }

        #[test]
        fn the_mark_stays_between_the_extremes_of_its_inputs(
            index in 500..2_000_i64, rows in prop::collection::vec((500..2_000_i64, 0..200_i64, 500..2_000_i64), 1..40),
        ) {
            let mut m = MarkState::default();
            for (i, (bid, spread, last)) in rows.iter().enumerate() {
                m.traded(*last);
                m.advance(index, Some(*bid), Some(bid + spread), AVERAGE, FREE, i as i64 * SECOND);
                let (low, high) = (index.min(*bid.min(last)), index.max(*last).max(bid + spread));
                prop_assert!(low <= m.mark && m.mark <= high);
            }
        }
    }
}
