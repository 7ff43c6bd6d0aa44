//! Every command of the venue: wishes, outside facts and time, as they stand in the journal.
//!
//! Responsible for: the definitions and their numbers. Never checks or applies anything. Type and field numbers
//! are append-only. The account a command acts for is in the header; venue commands carry account 0.

mod orders;
mod packages;
mod prices;
mod lending;
mod liquidation;
mod clearing;
mod governance;
mod corporate;

pub use orders::*;
pub use prices::*;
pub use clearing::*;
pub use corporate::*;
pub use governance::*;
pub use liquidation::*;
pub use packages::*;
pub use lending::*;

use crate::codec::{Body, Header, definition_json};
use crate::reject::{Refusal, Reject};
use crate::{document, record};

/// Limit order.
pub const LIMIT: u8 = 0;
/// Market order: IOC or FOK at the collar's worst price.
pub const MARKET: u8 = 1;
/// Good till cancelled.
pub const GTC: u8 = 0;
/// Immediate or cancel.
pub const IOC: u8 = 1;
/// Fill or kill.
pub const FOK: u8 = 2;
/// Flag: refused when it would take.
pub const POST_ONLY: u8 = 1;
/// Flag: never opens or turns a position.
pub const REDUCE_ONLY: u8 = 2;

record! {
    /// A new order. `client_id` of zeros means none.
    PlaceOrder = 1 {
        market: u32, side: u8, kind: u8, time_in_force: u8, flags: u8,
        /// Limit price in ticks; for a market order the worst price, 0 for the listed collar.
        price: i64,
        lots: i64, client_id: [u8; 16],
    }
    /// Cancels by order id, or by client id when `order` is 0.
    CancelOrder = 2 { order: u64, client_id: [u8; 16] }
    /// New price and remaining quantity; 0 keeps. Priority is kept only when the size shrinks.
    AmendOrder = 3 { order: u64, client_id: [u8; 16], price: i64, lots: i64 }
    /// A raw price of one source, as received.
    PostPrice = 4 {
        underlying: u32, source: u32, price: i64,
        /// 1,000,000 is full confidence.
        confidence_ppm: u32,
        /// 0 quote, 1 trade, 2 issuer value.
        price_kind: u8, reserved0: u8, reserved1: u16,
        venue_time_ns: i64,
        /// Micro-dollars quoted or traded at the price.
        size: i64,
        /// First 16 bytes of the raw message's hash.
        raw_hash: [u8; 16],
    }
    /// Time passes: due timers run, sweeps continue. The time is the header's.
    AdvanceTime = 5 {}
    /// Cancels all orders of the account, in one market or (0) in all.
    CancelAll = 6 { market: u32 }
}

document! {
    /// First command of a journal: which release and ruleset it obeys.
    ActivateRelease = 20 { release: String, ruleset: u32 }
    /// Venue parameters, once, before listings. Rates in ppm, times in ns, money in micro-dollars.
    ConfigureVenue = 21 {
        /// Level factors of liquidation-end, maintenance and close-out; initial is 1.
        liquidation_end_ppm: i64, maintenance_ppm: i64, close_out_ppm: i64,
        /// a of the bucket sum: 1 adds all buckets, 0 takes the largest.
        bucket_sum_ppm: i64,
        /// zeta of the gap term.
        gap_sum_ppm: i64,
        tail_shock_ppm: i64, tail_weight_ppm: i64, rotation_ppm: i64,
        /// pi and Y of the liquidity term, and its ceiling.
        participation_ppm: i64, impact_ppm: i64, liquidity_cap_ppm: i64,
        /// Bound of shock + gap + wrap + 1.5 x liquidity per long dollar.
        long_charge_limit_ppm: i64,
        /// Unmatched perp gains that count at initial, per owner.
        gain_cap: i64,
        withdrawal_multiple_ppm: i64,
        flag_after_ns: i64, drop_after_ns: i64, stable_window_ns: i64,
        source_agreement_ppm: i64, confirm_after_ns: i64, confirm_quotes: u32,
        mark_average_ns: i64, mark_speed_ppm: i64,
        settle_every_ns: i64, premium_gap_ns: i64,
        sweep_accounts: u32, client_ids_kept: u32, orders_per_market: u32,
        liquidation_fee_ppm: i64, liquidation_fee_share_ppm: i64, liquidation_fee_equity_ppm: i64,
        /// Share of the day's volume, and of the book's depth, that liquidation may take; and the closed factor.
        liquidation_volume_ppm: i64, liquidation_depth_ppm: i64, liquidation_closed_ppm: i64,
        liquidation_min_tolerance_ppm: i64,
        /// 1: what only tests and replays may list is refused.
        production: u8,
    }
    /// A risk bucket. Gains inside it count at `gain_ppm`; session factors multiply shocks, gap and wrap.
    ListBucket = 22 {
        bucket: u32, name: String, gain_ppm: i64,
        /// Dated moves are scaled by beta / this (8 in rates, where beta is a duration; else 1).
        history_divisor: i64,
        extended_ppm: i64, overnight_ppm: i64, closure_ppm: i64,
    }
    /// A dated joint move: ppm per bucket id from 1.
    ListDatedRow = 23 { row: u32, date: String, moves_ppm: Vec<i64> }
    /// What has a price outside.
    ListUnderlying = 24 {
        underlying: u32, name: String, bucket: u32, sector: u32, gap_group: u32, decimals: u32,
        /// 0 continuous, 1 NAV.
        price_class: u8,
        quorum: u32, deviation_ppm: i64, jump_ppm: i64, price_min: i64, price_max: i64,
        /// NAV only: yearly accrual and greatest age.
        accrual_ppm: i64, max_age_ns: i64,
        /// Beta to the bucket, or duration in years in a rates bucket.
        beta_ppm: i64,
        shock_down_ppm: i64, shock_up_ppm: i64, gap_ppm: i64, leverage_ppm: i64, basis_ppm: i64,
        half_spread_ppm: i64, sigma_ppm: i64,
        /// Dollars a day, micro: the primary market's until the first refresh, floors afterwards.
        spot_volume: i64, perp_volume: i64, session_share_ppm: i64,
        crowd_ppm: i64, crowd_low: i64, crowd_high: i64,
        confidence_floor_ppm: i64, confidence_slope_ppm: i64,
        /// Quotes and trades below this many micro-dollars neither move nor confirm the index.
        min_size: i64,
        /// Closed index: half-width of the discovery bounds, and re-anchors per direction and closure.
        discovery_ppm: i64, re_anchors: u32,
    }
    /// A price source of an underlying. Sources of one origin (operator, venue) count once; 0 is an origin of its own.
    ListSource = 25 {
        underlying: u32, source: u32, name: String, origin: u32,
        /// 1 for a venue that trades while the primary market is closed.
        always_open: u8,
    }
    /// What an account holds.
    ListAsset = 26 {
        asset: u32, name: String,
        /// 0 stablecoin, 1 token.
        asset_kind: u8,
        decimals: u32, underlying: u32,
        /// Shares per token, 1e-9.
        multiplier_ppb: i64,
        wrap_ppm: i64, borrow_wrap_ppm: i64,
        /// Stablecoins: least depeg charge.
        depeg_ppm: i64,
        loan_to_value_ppm: i64,
        /// Units counted as unhedged collateral, per owner and in all.
        owner_cap: i64, venue_cap: i64,
        /// Place in the order in which collateral is sold for a cash deficit; lower goes first.
        sale_rank: u32,
    }
    /// What trades.
    ListMarket = 27 {
        market: u32, name: String,
        /// 0 spot, 1 perp.
        market_kind: u8,
        /// Spot: the token. Perp: 0.
        base: u32,
        underlying: u32, quote: u32,
        /// Price step at the underlying's scale (spot: dollars of one token).
        tick_size: i64,
        /// Spot: units of the token. Perp: shares x 1e9.
        lot_size: i64,
        min_lots: i64, max_lots: i64, maker_fee_ppm: i64, taker_fee_ppm: i64, band_ppm: i64, collar_ppm: i64,
        /// 0 cancel newest, 1 allow.
        self_trade: u8,
        /// Perps: notional of the impact price in quote units, and the funding terms of RULES section 9.
        impact_notional: i64, funding_ppm: i64, funding_closed_ppm: i64, interest_ppm: i64, premium_clamp_ppm: i64,
        funding_cap_ppm: i64, funding_closed_cap_ppm: i64,
        /// Price band before and after the regular session, and overnight, closed and halted; `band_ppm` holds in the regular one.
        band_extended_ppm: i64, band_closed_ppm: i64,
        /// 1: closed until its first auction.
        opens_by_auction: u8,
    }
    /// Lenders' money or tokens for loans of an asset, at a yearly rate by utilisation.
    ListPool = 28 {
        asset: u32,
        /// Yearly rate while nothing is used: where the curve begins.
        rate_ppm: i64,
        reserve_ppm: i64, owner_cap: i64, venue_cap: i64,
        /// The curve's further points, ascending: the last one is at full use.
        utilisation_ppm: Vec<i64>, rates_ppm: Vec<i64>,
        /// Units the operator locks before the pool opens.
        locked_deposit: i64,
        /// What the reserve keeps; interest beyond it goes to the insurance of a bucket, which bears losses first.
        reserve_target: i64, insurance_bucket: u32,
        /// Part of a lent claim's value that is added to the requirement of its lender.
        lent_charge_ppm: i64,
    }
    /// Opens an account (its id is the header's) for an owner.
    OpenAccount = 29 { owner: u32 }
    /// Money or tokens that arrived in custody. References rise per account and asset.
    Deposit = 30 { asset: u32, amount: i64, reference: u64 }
    /// Takes the amount out of the balance into a pending posting.
    RequestWithdrawal = 31 { asset: u32, amount: i64 }
    /// The outside paid.
    SettleWithdrawal = 32 { withdrawal: u64 }
    /// The outside did not pay; the amount returns.
    VoidWithdrawal = 33 { withdrawal: u64 }
    /// Between accounts.
    Transfer = 34 { to: u64, asset: u32, amount: i64 }
    /// Puts cash into the pool.
    Lend = 35 { asset: u32, amount: i64 }
    /// Takes lent cash back.
    Recall = 36 { asset: u32, amount: i64 }
    /// The operator's money for a bucket's insurance.
    FundInsurance = 37 { bucket: u32, asset: u32, amount: i64 }
    /// This session, the next and its time, and the weekend or holiday closure ahead (0 when none).
    SetSession = 38 {
        underlying: u32, session: u8, next_session: u8, next_time_ns: i64,
        closure_step_ns: i64, closure_ramp_from_ns: i64, closure_ramp_to_ns: i64, closure_end_ns: i64,
    }
    /// The primary market's liquidity, journaled for the next refresh at a regular open.
    PostLiquidity = 39 { underlying: u32, spot_volume: i64, sigma_ppm: i64, half_spread_ppm: i64 }
    /// First command after each recovery: no liquidation before a fresh quorum.
    ResumeVenue = 40 {}
}

macro_rules! commands {
    ($($name:ident),* $(,)?) => {
        /// A decoded command.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Command { $(#[doc = stringify!($name)] $name($name)),* }

        impl Command {
            /// Decodes the body that follows `header`.
            ///
            /// # Errors
            /// Refusals 101 to 104.
            pub fn take(header: &Header, body: &[u8]) -> Result<Self, Refusal> {
                if header.version != $crate::codec::VERSION {
                    return Err(Reject::message_version_must_be_known.at(0, i64::from(header.version), 1));
                }
                match header.kind {
                    $($name::KIND => Ok(Self::$name($name::take(body)?)),)*
                    other => Err(Reject::message_type_must_be_known.at(0, i64::from(other), 0)),
                }
            }

            /// Encodes the body again: equal bytes.
            pub fn put(&self, out: &mut Vec<u8>) {
                match self { $(Self::$name(body) => body.put(out),)* }
            }
        }

        /// Definitions of all commands as JSON objects.
        #[must_use]
        pub fn definitions() -> Vec<String> { vec![$(definition_json::<$name>()),*] }
    };
}

commands! {
    PlaceOrder, CancelOrder, AmendOrder, PostPrice, AdvanceTime, CancelAll, ActivateRelease, ConfigureVenue, ListBucket,
    ListDatedRow, ListUnderlying, ListSource, ListAsset, ListMarket, ListPool, OpenAccount, Deposit,
    RequestWithdrawal, SettleWithdrawal, VoidWithdrawal, Transfer, Lend, Recall, FundInsurance, SetSession,
    PostLiquidity, ResumeVenue,
    PlaceOrderFull, CancelAfter, PlaceTwap, SetMarketPhase, OrderBatch, ConfigureOrders,
    // packages: 430 to 449
    ConfigurePackages, ListBlockTerms, PlacePackage, ProposeBlock, AcceptBlock, DeclineBlock, WithdrawBlock, RequestQuotes, GiveQuote,
    AcceptQuote, WithdrawQuote, CancelQuoteRequest, FundTreasury, CompensateError,
    // prices: 600 to 649
    ConfigurePrices, CancelPrint, ScheduleEarnings, SettleHalted,
    // lending: 700 to 749
    ConfigureLending, FundPool, RecallLoan, ListLine, BuyLine, GiveLineNotice,
    // liquidation: 800 to 849
    ConfigureLiquidation, CommitBackstop, WithdrawBackstop, BidBackstop, FundOperatorTranche, PayRecovery,
    // clearing: 900 to 949
    ConfigureClearing, ListBroker, ListIssuance, AttestBacking, FundBroker, FundInventory, PostDepth, RequestFirmPrice,
    GiveFirmPrice, RequestIssuance, RequestRedemption, RequestInKind, CancelRequest, ReportBrokerAccepted, ReportBrokerFill,
    ReportBrokerReject, ReportBrokerCancelled, ReportBrokerLine, ReportBust, ReportCorrection, ReportSettlement, DeliverRequest,
    ReportInKind, ReportStatement, RequestConversion, ReportConversion, PauseIssuance, EnableBroker, ReportBrokerDefault,
    AuthoriseParticipant, AssignBreak, ResolveBreak, RequestHedged,
    // governance: 1000 to 1049
    ConfigureEligibility, ListHolderClass, SetEligibility, ClassifyOwner, Hold, Pledge,
    ConfigureGovernance, RegisterActor, GrantRole, RevokeRole, RevokeActor, ProposeChange,
    ApproveChange, RejectChange, Restrict, ConfirmRestriction, LiftRestriction, ChangeTerms,
    SetLimit, MoveOwnership, JoinOwners, SetOwnerPolicy, AddAddress, RemoveAddress,
    WithdrawTo, PermitRelease, EnterRelease, QuarantineCommand, ListFeeTier, CollectFees,
    // corporate: 1200 to 1249
    ScheduleCorporateAction, ConfirmCorporateAction, CancelCorporateAction, CorrectCorporateAction, ListWithholding,
    FundDistributions, BookReinvestment, PayDistribution,
}
