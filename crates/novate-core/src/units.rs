//! Integer quantities, their scales, and the arithmetic that names its rounding direction.
//!
//! Responsible for: type aliases that say what a number is, and checked helpers for products and
//! quotients. Never holds state and never uses a float.

/// Asset amount in the asset's smallest unit.
pub type Amount = i64;
/// Underlying price at its listing's scale (`decimals` digits after the dollar point).
pub type Price = i64;
/// Market price in ticks.
pub type Ticks = i64;
/// Market quantity in lots.
pub type Lots = i64;
/// Dollar value in micro-dollars; i128 so that sums of products never wrap.
pub type Value = i128;
/// Parts per million.
pub type Ppm = i64;
/// Nanoseconds since 1970 UTC.
pub type Nanos = i64;

/// One million: the denominator of every `_ppm` rate.
pub const PPM: i64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;
/// Nanoseconds in an hour.
pub const HOUR: Nanos = 3_600 * SECOND;
/// Nanoseconds in a year of 365 days, the base of every yearly rate.
pub const YEAR: Nanos = 365 * 24 * HOUR;

const POWERS: [i128; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = 10 * powers[at - 1];
        at += 1;
    }
    powers
};

/// 10 to the power `exponent` (at most 18).
#[inline]
#[must_use]
pub const fn pow10(exponent: u32) -> i128 {
    POWERS[exponent as usize]
}

/// Quotient rounded towards minus infinity. `divisor` must be positive. A dividend that fits 64 bits is divided there,
/// at a third of the cost.
#[inline]
#[must_use]
pub const fn div_floor(dividend: i128, divisor: i128) -> i128 {
    if let (Some(small), Some(by)) = (narrow(dividend), narrow(divisor)) {
        return small.div_euclid(by) as i128;
    }
    dividend.div_euclid(divisor)
}

/// Quotient rounded towards plus infinity. `divisor` must be positive.
#[inline]
#[must_use]
pub const fn div_ceil(dividend: i128, divisor: i128) -> i128 {
    -div_floor(-dividend, divisor)
}

/// `value * by / divisor`, rounded down. `divisor` must be positive. The whole part of `value / divisor` is multiplied on
/// its own, which keeps products of usual size inside 64 bits and is exact.
#[inline]
#[must_use]
pub const fn scaled_down(value: i128, by: i64, divisor: i128) -> i128 {
    if let (Some(small), Some(of)) = (narrow(value), narrow(divisor))
        && let Some(rest) = small.rem_euclid(of).checked_mul(by)
    {
        return small.div_euclid(of) as i128 * by as i128 + rest.div_euclid(of) as i128;
    }
    div_floor(value * by as i128, divisor)
}

/// Quotient rounded to nearest, halves up. `divisor` must be positive.
#[inline]
#[must_use]
pub const fn div_nearest(dividend: i128, divisor: i128) -> i128 {
    div_floor(2 * dividend + divisor, 2 * divisor)
}

/// `value * rate / 1e6`, rounded up: for requirements, fees and losses. Products that fit 64 bits stay there.
#[inline]
#[must_use]
pub const fn rate_up(value: i128, rate_ppm: i64) -> i128 {
    -rate_down(-value, rate_ppm)
}

/// `value * rate / 1e6`, rounded down: for credits and collateral.
#[inline]
#[must_use]
pub const fn rate_down(value: i128, rate_ppm: i64) -> i128 {
    if let Some(small) = narrow(value) {
        if let Some(product) = small.checked_mul(rate_ppm) {
            return product.div_euclid(PPM) as i128;
        }
        // Whole millions are multiplied on their own: exact, and usually still in 64 bits.
        let (millions, rest) = (small.div_euclid(PPM), small.rem_euclid(PPM));
        if let (Some(whole), Some(part)) = (millions.checked_mul(rate_ppm), rest.checked_mul(rate_ppm))
            && let Some(sum) = whole.checked_add(part.div_euclid(PPM))
        {
            return sum as i128;
        }
    }
    div_floor(value * rate_ppm as i128, PPM as i128)
}

/// A rate scaled by another, rounded up: the step of every product of rates.
#[inline]
#[must_use]
pub const fn scale_up(rate_ppm: i64, by_ppm: i64) -> i64 {
    // Most factors are one most of the time.
    if by_ppm == PPM { rate_ppm } else { rate_up(rate_ppm as i128, by_ppm) as i64 }
}

/// Smallest integer whose square is at least `n`; zero for negative `n`.
#[must_use]
pub fn isqrt_up(n: i128) -> i128 {
    if n <= 0 {
        return 0;
    }
    // Roots of 64 bits are several times as fast, and enough for every size but absurd ones.
    let root = match u64::try_from(n) {
        Ok(small) => i128::from(small.isqrt()),
        Err(_) => n.unsigned_abs().isqrt() as i128,
    };
    if root * root == n { root } else { root + 1 }
}

/// Narrows to i64; `None` when it does not fit. Every stored number passes here before a write.
#[inline]
#[must_use]
pub const fn narrow(value: i128) -> Option<i64> {
    if value > i64::MAX as i128 || value < i64::MIN as i128 { None } else { Some(value as i64) }
}

/// An exact rational number above zero: of a split, shares after it for shares before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ratio {
    /// Numerator, at least 1.
    pub num: i64,
    /// Denominator, at least 1.
    pub den: i64,
}

impl Default for Ratio {
    fn default() -> Self {
        Self::ONE
    }
}

impl Ratio {
    /// Nothing changes.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// In lowest terms; `None` unless both parts are positive.
    #[must_use]
    pub const fn new(num: i64, den: i64) -> Option<Self> {
        if num < 1 || den < 1 {
            return None;
        }
        let (mut a, mut b) = (num, den);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Some(Self { num: num / a, den: den / a })
    }

    /// The product in lowest terms; `None` when a part leaves 64 bits.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        // Crosswise in lowest terms first, so that only products that can't be shortened are multiplied.
        let (a, b) = (Self::new(self.num, other.den)?, Self::new(other.num, self.den)?);
        Some(Self { num: a.num.checked_mul(b.num)?, den: a.den.checked_mul(b.den)? })
    }

    /// One divided by it.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self { num: self.den, den: self.num }
    }

    /// `value` times the ratio, rounded down; `value` itself for one, which is the usual case.
    #[inline]
    #[must_use]
    pub fn of_down(self, value: i128) -> i128 {
        if self.num == self.den { value } else { div_floor(value * i128::from(self.num), i128::from(self.den)) }
    }

    /// `value` times the ratio, rounded to nearest.
    #[inline]
    #[must_use]
    pub fn of_nearest(self, value: i128) -> i128 {
        if self.num == self.den { value } else { div_nearest(value * i128::from(self.num), i128::from(self.den)) }
    }
}

/// The middle one of three numbers.
#[must_use]
pub fn median3(a: i64, b: i64, c: i64) -> i64 {
    a.max(b).min(a.min(b).max(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_directions_hold_for_both_signs() {
        for n in -25_i128..=25 {
            for d in 1_i128..=7 {
                let (down, up) = (div_floor(n, d), div_ceil(n, d));
                assert!(down * d <= n && n < (down + 1) * d);
                assert!(up * d >= n && n > (up - 1) * d);
                assert!(2 * (div_nearest(n, d) * d - n).abs() <= d);
            }
        }
    }

    #[test]
    fn short_cuts_give_what_the_long_way_gives() {
        let edge = i128::from(i64::MAX);
        let values = [0, 1, 7, 999_999_999, 12_345_678_901_234, edge / 3, edge - 1, edge, edge + 1, edge * 5 + 3];
        for n in values.into_iter().flat_map(|v| [v, -v]) {
            for d in [1, 3, 1_000_000, 1_000_000_000_000, edge, edge + 1] {
                assert_eq!(div_floor(n, d), n.div_euclid(d));
                assert_eq!(div_ceil(n, d), -((-n).div_euclid(d)));
                for by in [0, 1, -1, 999_983, -1_000_000_007, i64::MAX, i64::MIN] {
                    let product = n.checked_mul(i128::from(by));
                    assert!(product.is_none_or(|p| scaled_down(n, by, d) == p.div_euclid(d)), "{n} {by} {d}");
                }
            }
        }
        for n in [9_300_000_000_001, 12_345_678_901_234_567, edge - 7, edge, edge + 9].into_iter().flat_map(|v| [v, -v]) {
            for rate in [0, 1, -1, 333_334, 999_999, PPM, 7 * PPM + 1, -PPM, i64::MAX / 9] {
                assert_eq!(rate_down(n, rate), (n * i128::from(rate)).div_euclid(i128::from(PPM)), "{n} {rate}");
            }
        }
        let roots = [u128::from(u64::MAX) - 1, u128::from(u64::MAX), u128::from(u64::MAX) + 1, 1 << 80];
        for n in roots {
            let root = isqrt_up(n as i128);
            assert!(root * root >= n as i128 && (root - 1) * (root - 1) < n as i128);
        }
    }

    #[test]
    fn roots_round_up() {
        for n in 0..2_000_i128 {
            let r = isqrt_up(n);
            assert!(r * r >= n && (r == 0 || (r - 1) * (r - 1) < n));
        }
        assert_eq!(isqrt_up(-4), 0);
    }

    #[test]
    fn ratios_stay_in_lowest_terms_and_undo_each_other() {
        let seven = Ratio::new(14, 2).expect("a ratio");
        assert_eq!(seven, Ratio { num: 7, den: 1 });
        assert_eq!(seven.times(seven.inverse()), Some(Ratio::ONE));
        assert_eq!(Ratio::new(3, 2).and_then(|r| r.times(Ratio { num: 2, den: 9 })), Some(Ratio { num: 1, den: 3 }));
        assert_eq!((Ratio::new(0, 1), Ratio::new(1, -1)), (None, None));
        assert_eq!(Ratio { num: i64::MAX, den: 1 }.times(seven), None);
        for value in -40_i128..40 {
            assert_eq!(seven.inverse().of_down(seven.of_down(value)), value);
            assert_eq!(Ratio { num: 3, den: 2 }.of_nearest(value), div_nearest(value * 3, 2));
        }
    }

    #[test]
    fn the_median_is_the_middle_one() {
        for p in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
            assert_eq!(median3(p[0], p[1], p[2]), 2);
        }
        assert_eq!(median3(5, 5, 1), 5);
    }
}
