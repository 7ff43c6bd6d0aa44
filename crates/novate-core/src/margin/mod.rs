//! Net stress margin (RULES section 7; every rounding in `docs/concepts/portfolio-margin.md`).
//!
//! **R = lambda x (SR + GAP + BASIS + WRAP + FX) + LIQ + CROWD + LOSS + LENT, Excess = NLV - R.**
//!
//! Responsible for: one pure function from a state, an account and a question to equity, requirement and the row that
//! binds. Never writes. The order check, withdrawals, the liquidator, what-if and explain all call `evaluate`: there is
//! one way to compute a requirement.

pub mod collateral;
pub mod cushion;
pub mod evaluator;
pub mod everyone;
pub mod explain;
pub mod liquidity;
pub mod plain;
pub mod portfolio;
pub mod rates;
pub mod scenario;

use crate::state::State;
use crate::units::{Lots, PPM, Ticks, Value, rate_up};
use crate::{order::Side, units::Amount};
pub use evaluator::Evaluator;
pub use everyone::everyone;
pub use plain::Plain;
pub use portfolio::{Exposure, Portfolio};
pub use scenario::Binding;

/// The four requirements of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Opening risk, withdrawing, borrowing.
    Initial = 0,
    /// Where a liquidation stops.
    LiquidationEnd = 1,
    /// Where a liquidation starts.
    Maintenance = 2,
    /// Where the backstop would take over.
    CloseOut = 3,
}

impl Level {
    /// All levels, strictest first.
    pub const ALL: [Self; 4] = [Self::Initial, Self::LiquidationEnd, Self::Maintenance, Self::CloseOut];

    /// Lambda of the level.
    #[must_use]
    pub fn factor_ppm(self, state: &State) -> i64 {
        match self {
            Self::Initial => PPM,
            Self::LiquidationEnd => state.config().liquidation_end_ppm,
            Self::Maintenance => state.config().maintenance_ppm,
            Self::CloseOut => state.config().close_out_ppm,
        }
    }
}

/// Something that has not happened: what-if, pre-trade checks and liquidation slices are all made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The account trades signed lots at a price.
    Trade {
        /// Market.
        market: u32,
        /// Signed lots.
        lots: Lots,
        /// Ticks.
        price: Ticks,
    },
    /// The account has one more open order.
    Order {
        /// Market.
        market: u32,
        /// Side.
        side: Side,
        /// Ticks.
        price: Ticks,
        /// Lots.
        lots: Lots,
    },
    /// A pledged balance becomes a claim on its pool.
    Lend {
        /// Asset.
        asset: u32,
        /// Units.
        amount: Amount,
    },
    /// The account's balance differs.
    Balance {
        /// Asset.
        asset: u32,
        /// Signed units.
        amount: Amount,
    },
}

/// What to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Level.
    pub level: Level,
    /// Count open orders at their worst corner.
    pub orders: bool,
    /// Levels below initial: use the slower price where the index is thinly supported, as the liquidator must.
    pub slower: bool,
    /// Levels below initial: at the drifted index of closed hours instead of the last external price.
    pub drifted: bool,
    /// For withdrawal and borrowing: no unmatched unsettled gain counts.
    pub withdrawal: bool,
    /// Leave out what the account has: only the changes are evaluated, as one leg alone.
    pub alone: bool,
    /// Hypothetical move of an underlying's prices: id and signed ppm.
    pub shift: Option<(u32, i64)>,
    /// Hypothetical changes.
    pub changes: &'a [Change],
}

impl Question<'_> {
    /// The plain question at a level, open orders counted.
    #[must_use]
    pub const fn at(level: Level) -> Self {
        Self { level, orders: true, slower: false, drifted: false, withdrawal: false, alone: false, shift: None, changes: &[] }
    }
}

/// The terms of the requirement, micro-dollars, before lambda.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Scenario risk.
    pub sr: Value,
    /// Idiosyncratic gaps.
    pub gap: Value,
    /// Token against perp.
    pub basis: Value,
    /// Token against share.
    pub wrap: Value,
    /// Stablecoin depeg.
    pub fx: Value,
    /// Cost of getting out.
    pub liq: Value,
    /// Crowded open interest, for orders.
    pub crowd: Value,
    /// Immediate loss and fees of open orders.
    pub loss: Value,
    /// Lent claims: they can't be had back at once.
    pub lent: Value,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Net liquidation value.
    pub equity: Value,
    /// The terms.
    pub terms: Terms,
    /// R.
    pub requirement: Value,
    /// The row that sets SR.
    pub binding: Binding,
}

impl Evaluation {
    /// NLV - R.
    #[must_use]
    pub fn excess(&self) -> Value {
        self.equity - self.requirement
    }
}

/// Evaluates an account. `portfolio` is scratch space that is overwritten; after the call it holds the exposures the
/// numbers came from, which `explain` reads.
pub fn evaluate(state: &State, account: u32, question: &Question<'_>, portfolio: &mut Portfolio) -> Evaluation {
    portfolio.build(state, account, question);
    collateral::count_tokens(state, account, question, portfolio);
    portfolio.value(state, account, question);
    let equity = collateral::equity(state, account, question, portfolio);
    let (sr, binding) = scenario::scenario_risk(state, portfolio);
    let terms = Terms {
        sr,
        gap: scenario::gap(state, portfolio),
        basis: portfolio.exposures.iter().map(|e| e.basis(state)).sum(),
        wrap: portfolio.tokens.iter().map(|t| t.wrap).sum(),
        fx: portfolio.cash.iter().map(|c| c.depeg).sum(),
        liq: portfolio.exposures.iter().map(Exposure::liquidity).sum(),
        crowd: portfolio.exposures.iter().map(|e| e.crowd).sum(),
        loss: portfolio.exposures.iter().map(|e| e.loss).sum(),
        lent: portfolio.tokens.iter().map(|t| t.charge).sum::<Value>() + portfolio.cash.iter().map(|c| c.charge).sum::<Value>(),
    };
    let stressed = terms.sr + terms.gap + terms.basis + terms.wrap + terms.fx;
    let requirement = rate_up(stressed, question.level.factor_ppm(state)) + terms.liq + terms.crowd + terms.loss + terms.lent;
    Evaluation { equity, terms, requirement, binding }
}
