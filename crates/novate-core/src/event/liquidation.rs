//! Backstop, insurance, auto-deleveraging, loss sharing and recovery: events 850 to 899.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::document;

document! {
    /// The parameters of stages 4 to 8 are set.
    LiquidationConfigured = 850 {}
    /// The account moved on the table of stages; `cause` says why (see `stage`).
    LiquidationStageChanged = 851 { from: u8, to: u8, cause: u8 }
    /// Free excess of an account of the same owner moved here (positive) or away (negative) before stages 5 to 8.
    OwnAccountSetOff = 852 { counterparty: u64, asset: u32, amount: i64 }
    /// Opposing unhedged positions of one owner were closed against each other. Signed lots of this account; ticks.
    OwnPositionsClosed = 853 { counterparty: u64, market: u32, lots: i64, price: i64 }
    /// What a leg of a black account is closed at: it gets `amount` quote units against the maintenance price.
    BankruptcyPriced = 854 { market: u32, lots: i64, maintenance_price: i64, bankruptcy_price: i64, amount: i64 }
    /// A bucket's insurance paid into the account; `operator` of it came from the operator's tranche.
    InsurancePaid = 855 { bucket: u32, market: u32, asset: u32, amount: i64, operator: i64, balance: i64 }
    /// The account gave back what insurance had paid.
    InsuranceRepaid = 856 { bucket: u32, asset: u32, amount: i64, balance: i64 }
    /// A deficit of a loan was absorbed: by insurance, by the pool's reserve, by its lenders.
    LoanDeficitAbsorbed = 857 { asset: u32, amount: i64 }
    /// A position was reduced by auto-deleveraging. Signed lots and price in ticks; `haircut` quote units are the
    /// difference to the maintenance price; rank from 1; `hedged` 1 when unhedged winners were exhausted; role 0 the
    /// black account, 1 a winner.
    Deleveraged = 858 {
        market: u32, role: u8, counterparty: u64, lots: i64, maintenance_price: i64, price: i64, haircut: i64,
        rank: u32, hedged: u8,
    }
    /// All positions of a market were closed at the maintenance price.
    MarketSettled = 859 { market: u32, price: i64, lots: i64, accounts: u32 }
    /// This account's position in a market that settled.
    PositionSettled = 860 { market: u32, lots: i64, price: i64, result: i64 }
    /// The account's perp gains of a bucket carried part of a loss. Gains and losses since the last moment without a
    /// black account, micro-dollars; amount in quote units.
    LossShared = 861 { bucket: u32, market: u32, gain: i64, amount: i64 }
    /// The account is a backstop tranche.
    BackstopCommitted = 862 { discount_ppm: i64, notional: i64, loss_limit: i64, equity: i64 }
    /// The tranche is released at `release_ns`; 0 when it is released now.
    BackstopWithdrawn = 863 { release_ns: i64 }
    /// The tranche lost its limit and takes no more.
    BackstopTrancheExhausted = 864 { loss: i64, loss_limit: i64 }
    /// The account's legs are offered. Discount starts here and grows until the end.
    BackstopAuctionOpened = 865 { auction: u64, notional: i64, discount_ppm: i64, end_ns: i64 }
    /// A slice went to a tranche: `share_ppm` of every leg. Role 0 the account, 1 the tranche.
    BackstopSliceTaken = 866 {
        auction: u64, role: u8, counterparty: u64, share_ppm: i64, discount_ppm: i64, notional: i64, cost: i64,
        requirement_before: i64, requirement_after: i64,
    }
    /// The auction ended: 0 the account is above close-out, 1 time, 2 every willing tranche is exhausted, 3 black.
    BackstopAuctionEnded = 867 { auction: u64, reason: u8, sold_ppm: i64 }
    /// Collateral was sold for a cash deficit: in a book (0) or by redemption (1). A hedge's perp closed with it.
    CollateralSold = 868 { asset: u32, way: u8, units: i64, proceeds: i64, perp_market: u32, perp_lots: i64, deficit: i64 }
    /// Insurance bought a residue: tokens at the index, or a perp position below one lot's worth of value.
    ResidueBought = 869 { asset: u32, units: i64, amount: i64, bucket: u32 }
    /// The bucket's target: the cover-2 shortfall; and what there is.
    InsuranceTargetSet = 870 { bucket: u32, target: i64, balance: i64, open_interest_ppm: i64 }
    /// The operator's tranche of a bucket grew.
    OperatorTrancheFunded = 871 { bucket: u32, asset: u32, amount: i64, balance: i64 }
    /// Unsold collateral passed to recovery at a price (micro-dollars for all of it, 0 without a bid).
    CollateralPassedToRecovery = 872 { asset: u32, units: i64, value: i64, recovery_units: i64 }
    /// Recovered money was paid to holders of recovery units.
    RecoveryPaid = 873 { token: u32, sold: i64, asset: u32, amount: i64 }
}
