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

/// 10 to the power `exponent` (at most 18).
#[must_use]
pub const fn pow10(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

/// Quotient rounded towards minus infinity. `divisor` must be positive.
#[inline]
#[must_use]
pub const fn div_floor(dividend: i128, divisor: i128) -> i128 {
    dividend.div_euclid(divisor)
}

/// Quotient rounded towards plus infinity. `divisor` must be positive.
#[inline]
#[must_use]
pub const fn div_ceil(dividend: i128, divisor: i128) -> i128 {
    -((-dividend).div_euclid(divisor))
}

/// Quotient rounded to nearest, halves up. `divisor` must be positive.
#[inline]
#[must_use]
pub const fn div_nearest(dividend: i128, divisor: i128) -> i128 {
    (2 * dividend + divisor).div_euclid(2 * divisor)
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
    if let Some(small) = narrow(value)
        && let Some(product) = small.checked_mul(rate_ppm)
    {
        return product.div_euclid(PPM) as i128;
    }
    div_floor(value * rate_ppm as i128, PPM as i128)
}

/// A rate scaled by another, rounded up: the step of every product of rates.
#[inline]
#[must_use]
pub const fn scale_up(rate_ppm: i64, by_ppm: i64) -> i64 {
    rate_up(rate_ppm as i128, by_ppm) as i64
}

/// Smallest integer whose square is at least `n`; zero for negative `n`.
#[must_use]
pub fn isqrt_up(n: i128) -> i128 {
    if n <= 0 {
        return 0;
    }
    let root = n.unsigned_abs().isqrt() as i128;
    if root * root == n { root } else { root + 1 }
}

/// Narrows to i64; `None` when it does not fit. Every stored number passes here before a write.
#[inline]
#[must_use]
pub const fn narrow(value: i128) -> Option<i64> {
    if value > i64::MAX as i128 || value < i64::MIN as i128 { None } else { Some(value as i64) }
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
    fn roots_round_up() {
        for n in 0..2_000_i128 {
            let r = isqrt_up(n);
            assert!(r * r >= n && (r == 0 || (r - 1) * (r - 1) < n));
        }
        assert_eq!(isqrt_up(-4), 0);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        for p in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
            assert_eq!(median3(p[0], p[1], p[2]), 2);
        }
        assert_eq!(median3(5, 5, 1), 5);
    }
}
