//! Backstop, insurance, auto-deleveraging, loss sharing and recovery: commands 800 to 849.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::document;

document! {
    /// Parameters of stages 4 to 8, once, after ConfigureVenue. Rates in ppm, times in ns, money in micro-dollars.
    ConfigureLiquidation = 800 {
        /// The discount a backstop auction starts with; what it grows by each second, first fast, then slow.
        auction_start_ppm: i64, auction_fast_ppm: i64, auction_fast_ns: i64, auction_slow_ppm: i64,
        /// How long an auction lasts, and how many times longer while the price is closed.
        auction_duration_ns: i64, auction_closed_factor: u32,
        /// From the notice of a backstop provider to the release of its tranche.
        backstop_notice_ns: i64,
        /// What insurance pays at most for one owner in one day.
        insurance_group_day_cap: i64,
        /// Residues up to this value, or below one lot, are bought by insurance; a loan beyond its owner's cap by no more sells no
        /// collateral.
        residue_value: i64,
        /// Part of a position, and notional, that one deleveraging takes from one account at most.
        deleverage_share_ppm: i64, deleverage_notional: i64,
        /// Stage 4: how far below the index collateral is sold at most.
        sale_tolerance_ppm: i64,
        /// Open sessions after which unsold collateral passes to recovery.
        recovery_sessions: u32,
        /// Owners looked at per `AdvanceTime` for the insurance target; and the least open-interest factor below it.
        cover_owners: u32, open_interest_floor_ppm: i64,
    }
    /// Makes the account a backstop tranche: it takes slices by itself from this discount on, up to this notional an
    /// auction, until it has lost the limit. Its money stays until its notice has passed.
    CommitBackstop = 801 { discount_ppm: i64, notional: i64, loss_limit: i64 }
    /// Gives notice; after it the tranche is an ordinary account again.
    WithdrawBackstop = 802 {}
    /// A tranche takes a share of what an auction offers at its present discount.
    BidBackstop = 803 { auction: u64, share_ppm: i64 }
    /// The operator's own money that pays before a bucket's insurance.
    FundOperatorTranche = 804 { bucket: u32, asset: u32, amount: i64 }
    /// Money that recovered collateral fetched outside, for the holders of its recovery units; `sold` units leave.
    PayRecovery = 805 { token: u32, sold: i64, asset: u32, amount: i64 }
}
