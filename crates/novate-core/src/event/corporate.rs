//! Corporate actions: schedule, effect, receivables and corrections: events 1250 to 1299.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::document;

document! {
    /// An action is in another state: announced 1, scheduled 2, confirmed 3, running 4, applied 5, corrected 6, cancelled 7.
    /// `reason`: 0 as asked, 1 the window passed, 2 loans or withdrawals of a token whose number would change.
    CorporateActionChanged = 1250 { action: u64, underlying: u32, action_kind: u8, from: u8, to: u8, reason: u8 }
    /// The one sequence at which everything of the underlying moved. Prices before and after; `amount` per share before.
    CorporateActionTaken = 1251 {
        action: u64, underlying: u32, index_before: i64, index: i64, stable: i64, ratio_new: i64, ratio_old: i64, amount: i64,
    }
    /// What an action, or its correction, books on a perp position: negative is owed. `lots` of record.
    PositionAdjusted = 1252 { action: u64, market: u32, lots: i64, amount: i64, claim: i64, debt: i64 }
    /// A token balance was renumbered; the fraction was paid in cash.
    BalanceAdjusted = 1253 { action: u64, asset: u32, balance: i64, held: i64, cash_asset: u32, cash: i64 }
    /// Receivable per token (1e-12 dollars) and shares per token. `reason`: 0 ex-date, 1 correction, 2 reinvested, 3 paid,
    /// 4 split.
    ReceivableChanged = 1254 { asset: u32, receivable: i64, multiplier_ppb: i64, reason: u8 }
    /// A holder got (or a borrower paid, negative) what was receivable; `retired` tokens are gone.
    DistributionPaid = 1255 { asset: u32, units: i64, paid_asset: u32, amount: i64, retired: u8 }
    /// Brokers paid in.
    DistributionsFunded = 1256 { asset: u32, amount: i64, balance: i64 }
}
