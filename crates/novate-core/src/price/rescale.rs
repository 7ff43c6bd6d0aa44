//! Prices across a corporate action: the same history at the new scale, and prints of the other scale that never count.
//!
//! Responsible for: moving index, stable price, sources and mark together by an exact rational or by an amount, pinning the
//! price of what is no longer quoted, and telling a print of the other scale from a move. Never decides when.

use super::{MarkState, PriceState};
use crate::units::{Nanos, PPM, Ppm, Price, Ratio, div_nearest, narrow};
use serde::{Deserialize, Serialize};

/// A split, announced or just done, whose other scale some sources may still (or already) print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRatio {
    /// The action.
    pub action: u64,
    /// Shares after it for shares before it.
    pub ratio: Ratio,
    /// How near a print must be to the index times or divided by the ratio to be one of the other scale.
    pub tolerance_ppm: Ppm,
    /// Guarded until then.
    pub until_ns: Nanos,
}

impl ActionRatio {
    fn is_other_scale(&self, price: Price, index: Price) -> bool {
        let near = |scaled: i128| {
            let distance = (i128::from(price) - scaled).abs();
            distance * i128::from(PPM) <= scaled * i128::from(self.tolerance_ppm)
        };
        let at = |ratio: Ratio| ratio.of_nearest(i128::from(index));
        self.ratio != Ratio::ONE && (near(at(self.ratio)) || near(at(self.ratio.inverse())))
    }
}

fn scaled(price: Price, by: Ratio) -> Price {
    if price == 0 { 0 } else { narrow(by.of_nearest(i128::from(price))).unwrap_or(Price::MAX).max(1) }
}

fn lowered(price: Price, by: Price) -> Price {
    if price == 0 { 0 } else { price.saturating_sub(by).max(1) }
}

impl PriceState {
    /// Guards the index against prints of the other scale of this ratio.
    pub fn guard(&mut self, guard: ActionRatio) {
        self.action_ratios.push(guard);
    }

    /// Ends every guard whose time is over, and that of an action that will not happen.
    pub fn drop_guards(&mut self, now: Nanos, cancelled: Option<u64>) {
        self.action_ratios.retain(|g| g.until_ns > now && cancelled != Some(g.action));
    }

    /// The guards in force.
    #[must_use]
    pub fn guards(&self) -> &[ActionRatio] {
        &self.action_ratios
    }

    /// Whether a source's print is of the scale before, or after, a guarded split: it is as if the source had said nothing.
    #[must_use]
    pub(super) fn is_other_scale(&self, price: Price, now: Nanos) -> bool {
        self.index != 0 && self.action_ratios.iter().any(|g| now < g.until_ns && g.is_other_scale(price, self.index))
    }

    /// Every price of the history times `by`, rounded to nearest, never to zero. The stable price moves from where it stood: what its
    /// history says since is counted with the next price or minute, so that no equity jumps here.
    pub fn rescale(&mut self, by: Ratio) {
        self.each_price(|price| scaled(price, by));
        if let Some(window) = &mut self.window {
            window.each_sum(|sum, _| by.of_nearest(sum));
        }
        self.pending = None;
    }

    /// Every price of the history less `by`, never below one unit.
    pub fn subtract(&mut self, by: Price) {
        self.each_price(|price| lowered(price, by));
        if let Some(window) = &mut self.window {
            window.each_sum(|sum, span| (sum - i128::from(by) * i128::from(span)).max(i128::from(span)));
        }
        self.pending = None;
    }

    /// One price for good: what a settled name is worth.
    pub fn pin(&mut self, price: Price) {
        self.each_price(|old| if old == 0 { 0 } else { price });
        (self.index, self.last_external) = (price, price);
        (self.witnessed_index, self.unwitnessed_since_ns) = (price, None);
        if let Some(window) = &mut self.window {
            window.each_sum(|_, span| i128::from(price) * i128::from(span));
        }
        self.pending = None;
        self.stable = price;
    }

    fn each_price(&mut self, change: impl Fn(Price) -> Price) {
        for said in self.sources.iter_mut().flat_map(|s| &mut s.statements) {
            (said.first, said.price) = (change(said.first), change(said.price));
            (said.index_before, said.external_before) = (change(said.index_before), change(said.external_before));
        }
        (self.index, self.last_external, self.stable) = (change(self.index), change(self.last_external), change(self.stable));
        self.current = change(self.current);
        self.witnessed_index = change(self.witnessed_index);
        if let Some(drift) = &mut self.drift {
            drift.rescale(&change);
        }
        if let Some(blend) = &mut self.blend {
            blend.from = change(blend.from);
        }
    }
}

impl MarkState {
    /// Mark, last trade and average distance times `by`.
    pub fn rescale(&mut self, by: Ratio) {
        (self.mark, self.last_trade) = (scaled(self.mark, by), scaled(self.last_trade, by));
        self.average_basis = div_nearest(self.average_basis * i128::from(by.num), i128::from(by.den));
    }

    /// Mark and last trade less `by`; their distance to the index stays.
    pub fn subtract(&mut self, by: Price) {
        (self.mark, self.last_trade) = (lowered(self.mark, by), lowered(self.last_trade, by));
    }

    /// The mark of a settled name.
    pub fn pin(&mut self, price: Price) {
        *self = Self::default();
        self.mark = price;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: Ratio = Ratio { num: 7, den: 1 };

    #[test]
    fn a_print_of_the_other_scale_is_told_from_a_move() {
        let guard = ActionRatio { action: 1, ratio: SEVEN, tolerance_ppm: 20_000, until_ns: 100 };
        for (price, other) in [(645_570_000, true), (658_000_000, true), (660_000_000, false), (92_224_286, false), (13_174_898, true), (80_000_000, false)] {
            assert_eq!(guard.is_other_scale(price, 92_224_286), other, "{price}");
        }
        let same = ActionRatio { ratio: Ratio::ONE, ..guard };
        assert!(!same.is_other_scale(92_224_286, 92_224_286), "without a split every price is of the one scale");
    }

    #[test]
    fn a_history_moves_as_one() {
        let mut mark = MarkState::default();
        mark.traded(700);
        mark.advance(700, Some(690), Some(724), 150, 1_000_000_000, 0);
        let before = mark.mark();
        mark.rescale(SEVEN.inverse());
        assert_eq!(mark.mark(), div_nearest(i128::from(before), 7) as i64);
        mark.subtract(1_000);
        assert_eq!(mark.mark(), 1, "never below one unit");
    }
}
