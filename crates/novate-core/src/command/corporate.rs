//! Corporate actions: schedule, effect, receivables and corrections: commands 1200 to 1249.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::document;

/// Shares are split or joined.
pub const SPLIT: u8 = 0;
/// An ordinary dividend in cash.
pub const CASH_DIVIDEND: u8 = 1;
/// A dividend outside the ordinary ones.
pub const SPECIAL_DIVIDEND: u8 = 2;
/// Shares of another company are handed out.
pub const SPIN_OFF: u8 = 3;
/// The shares become cash, shares of another company, or both.
pub const MERGER: u8 = 4;
/// Rights, sold for cash unless elected otherwise.
pub const RIGHTS: u8 = 5;
/// The shares stop trading.
pub const DELISTING: u8 = 6;
/// Only the name changes.
pub const SYMBOL_CHANGE: u8 = 7;

document! {
    /// Announces or schedules an action, or amends one that has not run. Without a window it is only announced.
    ScheduleCorporateAction = 1200 {
        action: u64, underlying: u32,
        /// Split 0, cash dividend 1, special dividend 2, spin-off 3, merger 4, rights 5, delisting 6, symbol change 7.
        action_kind: u8,
        /// Split: shares after for shares before. Spin-off and merger: shares of the other company for shares of this one.
        ratio_new: i64, ratio_old: i64,
        /// Dollars per share at the underlying's scale: dividend, value of a right or spun-off share part, cash of a merger,
        /// last price of a delisting.
        amount: i64,
        /// 1: the amount is an estimate (it may be 0); a correction follows.
        estimated: u8,
        /// Spin-off, merger: the other company; 0 none.
        other_underlying: u32,
        /// Split: 0 the multiplier of tokens changes, 1 their number.
        token_mode: u8,
        /// Split with token_mode 1: the stablecoin that fractions are paid in.
        cash_asset: u32,
        /// Symbol change: the new name; else empty.
        name: String,
        /// Halt window (19:50 to 20:10 New York on the evening before the ex-date); both 0: announced only.
        window_start_ns: i64, window_end_ns: i64,
        /// Corrections are taken until then; the holders of record are kept so long.
        correct_until_ns: i64,
        /// Split: prints within this of the other scale don't count ..
        scale_tolerance_ppm: i64,
        /// .. until so long after the effect.
        guard_ns: i64,
    }
    /// A second actor agrees to the terms as scheduled.
    ConfirmCorporateAction = 1201 { action: u64 }
    /// It will not happen.
    CancelCorporateAction = 1202 { action: u64 }
    /// The amount per share that an action which ran should have had.
    CorrectCorporateAction = 1203 { action: u64, amount: i64 }
    /// The part of a dividend that does not reach the holder: of a token (`market` 0), or of a perp (`asset` 0).
    ListWithholding = 1204 { asset: u32, market: u32, withholding_ppm: i64 }
    /// Money (or tokens handed out) that brokers paid for holders.
    FundDistributions = 1205 { asset: u32, amount: i64 }
    /// Shares bought with dividends are booked: `released` (1e-12 dollars per token) is no longer receivable, the multiplier
    /// is now this. Their worth at the index must be within the tolerance.
    BookReinvestment = 1206 { asset: u32, multiplier_ppb: i64, released: i64, tolerance_ppm: i64 }
    /// Pays holders of a token what is receivable, or (`retire` 1) what the token became: `released` 1e-12 dollars per token,
    /// in a stablecoin at face, or in a token at `units` of it per 1e9 units.
    PayDistribution = 1207 { asset: u32, paid_asset: u32, released: i64, units: i64, retire: u8 }
}
