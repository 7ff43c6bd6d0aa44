//! What the rule asks of a dollar in an underlying: shocks, moves, gap. It depends on listed terms, the session and the confidence in
//! the price, and not on who holds what, so it is worked out when one of those differs and kept.
//!
//! Responsible for: those rates and their roundings. Never looks at an account.

use super::Level;
use super::scenario::FRACTIONS;
use crate::state::{Bucket, State, Underlying, systematic_ppm};
use crate::units::{PPM, rate_down, scale_up};

/// All that the rates are worked out from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Inputs {
    factor_ppm: i64,
    confidence_ppm: i64,
    event_ppm: i64,
    shock_up_ppm: i64,
    shock_down_ppm: i64,
    beta_ppm: i64,
    gap_ppm: i64,
    leverage_ppm: i64,
    wrap_ppm: i64,
    dated_fall_ppm: i64,
    history_divisor: i64,
    gain_ppm: i64,
    rotation_ppm: i64,
    tail_ppm: i64,
    charge_limit_ppm: i64,
}

/// Rates of an underlying at a level.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    inputs: Inputs,
    dated_inputs: Vec<i64>,
    /// Shock when it rises.
    pub shock_up_ppm: i64,
    /// Shock when it falls.
    pub shock_down_ppm: i64,
    /// Sizes of the grid's rises: full, two thirds, a third, tail.
    pub rises: [i64; 4],
    /// Sizes of its falls.
    pub falls: [i64; 4],
    /// Sizes of the rotation: fall, rise.
    pub rotations: [i64; 2],
    /// Signed sizes of the dated rows.
    pub dated: Vec<i64>,
    /// Part of a gain that counts.
    pub gain_ppm: i64,
    /// Gap times leverage, not clipped.
    pub gap_ppm: i64,
    /// What the gap may be before the cost of getting out, so that a long exposure costs no more than listed.
    pub room_ppm: i64,
}

impl Rates {
    /// Session and confidence factor of a level.
    #[must_use]
    pub fn factors(state: &State, underlying: &Underlying, bucket: &Bucket, level: Level) -> (i64, i64) {
        let terms = &underlying.terms;
        if level != Level::Initial {
            return (underlying.session.maintenance_ppm(&bucket.factors, state.now), PPM);
        }
        let lacking = (terms.confidence_floor_ppm - underlying.price.confidence_ppm()).max(0);
        (underlying.session.initial_ppm(&bucket.factors, state.now), PPM + scale_up(terms.confidence_slope_ppm, lacking))
    }

    /// Brings the rates up to what holds now.
    pub fn renew(&mut self, state: &State, underlying: &Underlying, level: Level) {
        let bucket = state.buckets[underlying.terms.bucket as usize].as_ref().expect("an underlying's bucket is listed");
        let (terms, config) = (&underlying.terms, state.config());
        let (factor_ppm, confidence_ppm) = Self::factors(state, underlying, bucket, level);
        let inputs = Inputs {
            factor_ppm,
            confidence_ppm,
            event_ppm: state.prices.terms.as_ref().map_or(0, |t| underlying.session.least_gap_ppm(t, level == Level::Initial, state.now)),
            shock_up_ppm: terms.shock_up_ppm,
            shock_down_ppm: terms.shock_down_ppm,
            beta_ppm: terms.beta_ppm,
            gap_ppm: terms.gap_ppm,
            leverage_ppm: terms.leverage_ppm,
            wrap_ppm: underlying.assets.iter().map(|&a| state.known_asset(a).terms.wrap_ppm).max().unwrap_or(0),
            dated_fall_ppm: bucket.dated_fall_ppm,
            history_divisor: bucket.terms.history_divisor,
            gain_ppm: bucket.terms.gain_ppm,
            rotation_ppm: config.rotation_ppm,
            tail_ppm: rate_down(i128::from(config.tail_shock_ppm), config.tail_weight_ppm) as i64,
            charge_limit_ppm: config.long_charge_limit_ppm,
        };
        if inputs != self.inputs || self.dated_inputs != underlying.dated_ppm {
            self.work_out(inputs, &underlying.dated_ppm);
        }
    }

    #[cold]
    fn work_out(&mut self, inputs: Inputs, dated: &[i64]) {
        self.inputs = inputs;
        self.dated_inputs.clear();
        self.dated_inputs.extend_from_slice(dated);
        let shock = |rate: i64| self.stressed(scale_up(rate, inputs.beta_ppm));
        (self.shock_up_ppm, self.shock_down_ppm) = (shock(inputs.shock_up_ppm), shock(inputs.shock_down_ppm));
        let sizes = |shock: i64| [FRACTIONS[0], FRACTIONS[1], FRACTIONS[2], inputs.tail_ppm].map(|fraction| scale_up(shock, fraction));
        (self.rises, self.falls) = (sizes(self.shock_up_ppm), sizes(self.shock_down_ppm));
        self.rotations = [self.shock_down_ppm, self.shock_up_ppm].map(|shock| scale_up(shock, inputs.rotation_ppm));
        let mut sizes = std::mem::take(&mut self.dated);
        sizes.clear();
        sizes.extend(dated.iter().map(|m| m.signum() * self.stressed(m.abs())));
        self.dated = sizes;
        self.gain_ppm = inputs.gain_ppm;
        let fall = self.stressed(systematic_ppm(inputs.dated_fall_ppm, inputs.beta_ppm, inputs.history_divisor));
        self.room_ppm = inputs.charge_limit_ppm - self.shock_down_ppm.max(fall) - scale_up(inputs.wrap_ppm, inputs.factor_ppm);
        self.gap_ppm = scale_up(self.stressed(inputs.gap_ppm).max(inputs.event_ppm), inputs.leverage_ppm);
    }

    /// Session factor at the level.
    #[must_use]
    pub const fn factor_ppm(&self) -> i64 {
        self.inputs.factor_ppm
    }

    /// A size of a move under the session and confidence factors of the level.
    #[must_use]
    pub const fn stressed(&self, size_ppm: i64) -> i64 {
        scale_up(scale_up(size_ppm, self.inputs.factor_ppm), self.inputs.confidence_ppm)
    }
}
