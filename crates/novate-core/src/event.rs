//! Every event of the venue: what happened, in the past tense, as streams and projections read it.
//!
//! Responsible for: the definitions, their numbers, and the writer that numbers events per command and per
//! account. Never decides anything. Every body begins with index, flags and account sequence; those three are
//! written here, so the definitions below list only what follows them.

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

use crate::codec::{Body, HEADER, Header, VERSION, definition_json};
use crate::{document, record};

/// Flag of the last event of a command.
pub const LAST: u32 = 1;

record! {
    /// The command changed nothing. The account is the command's.
    CommandRefused = 128 {
        code: u16, command: u16, field: u16,
        /// 1 when the same command may succeed later.
        retry: u16,
        value: i64, limit: i64,
    }
    /// An order was taken in. Fills and the rest's fate follow.
    OrderPlaced = 129 {
        order: u64, market: u32, side: u8, kind: u8, time_in_force: u8, flags: u8, price: i64, lots: i64,
        client_id: [u8; 16],
    }
    /// One side of a trade.
    OrderFilled = 130 {
        order: u64, trade: u64, market: u32, side: u8,
        /// 1 for the resting side.
        maker: u8,
        /// 1 when the venue's liquidator placed it.
        liquidation: u8, reserved0: u8,
        price: i64, lots: i64, leaves: i64,
        /// Quote units.
        fee: i64,
        /// Quote units that the fill realised on a closed part.
        realised: i64,
    }
    /// An order ended unfilled in part or whole.
    OrderCancelled = 131 {
        order: u64, market: u32, side: u8,
        /// See `CancelReason`.
        reason: u8, reserved0: u16, lots: i64,
    }
    /// Price or quantity of a live order changed.
    OrderAmended = 132 { order: u64, market: u32, side: u8, kept_priority: u8, reserved0: u16, price: i64, leaves: i64 }
    /// A level's new total; 0 when it is gone.
    BookChanged = 133 { market: u32, side: u8, reserved0: u8, reserved1: u16, price: i64, lots: i64 }
    /// The confirmed index, its stable price or its quality changed.
    IndexChanged = 134 {
        underlying: u32, quality: u8, session: u8, fresh_sources: u16, index: i64, stable: i64,
    }
    /// A perp's mark changed (at the underlying's scale).
    MarkChanged = 135 { market: u32, reserved0: u32, mark: i64 }
}

/// Why an order was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelReason {
    /// Its owner asked.
    Requested = 0,
    /// The rest of an immediate-or-cancel order.
    NotFilled = 1,
    /// It met an order of its own owner.
    SelfTrade = 2,
    /// Nothing left to reduce.
    NothingToReduce = 3,
    /// The cash or tokens behind a spot order are gone.
    Unfunded = 4,
    /// Stage 0: the account is below its initial requirement.
    BelowInitial = 5,
    /// Stage 1: the account is below its maintenance requirement.
    BelowMaintenance = 6,
    /// Its replacement by an amendment.
    Amended = 7,
    /// Its time is over.
    Expired = 8,
    /// The dead-man switch of its account fired.
    Silence = 9,
    /// A parent order has sent all its slices.
    Done = 10,
    /// A corporate action of its underlying takes effect.
    CorporateAction = 12,
    /// The perps of a halted underlying are settled by decision.
    MarketSettled = 30,
    /// An emergency power, a change of fees, or a lapse of eligibility.
    Restricted = 40,
}

document! {
    /// The journal opened.
    ReleaseActivated = 160 { release: String, ruleset: u32 }
    /// The venue's parameters are set.
    VenueConfigured = 161 {}
    /// Something was listed: `what` is bucket, dated_row, underlying, source, asset, market or pool.
    Listed = 162 { what: String, id: u32, name: String }
    /// An account is open.
    AccountOpened = 163 { owner: u32 }
    /// Counted in the account's balance.
    Deposited = 164 { asset: u32, amount: i64, balance: i64, reference: u64 }
    /// Out of the balance, pending.
    WithdrawalRequested = 165 { withdrawal: u64, asset: u32, amount: i64, balance: i64 }
    /// Paid outside.
    WithdrawalSettled = 166 { withdrawal: u64, asset: u32, amount: i64 }
    /// Back in the balance.
    WithdrawalVoided = 167 { withdrawal: u64, asset: u32, amount: i64, balance: i64 }
    /// One event per side; positive for the receiver.
    Transferred = 168 { counterparty: u64, asset: u32, amount: i64, balance: i64 }
    /// Into the pool (positive) or back (negative).
    Lent = 169 { asset: u32, amount: i64, lent: i64, balance: i64 }
    /// Insurance grew by the operator's money.
    InsuranceFunded = 170 { bucket: u32, asset: u32, amount: i64, balance: i64 }
    /// The underlying's session.
    SessionChanged = 171 { underlying: u32, session: u8, next_session: u8, next_time_ns: i64 }
    /// Liquidity parameters were refreshed: k at the listed depth, for new groups.
    LiquidityPosted = 172 { underlying: u32, spot_volume: i64, sigma_ppm: i64, half_spread_ppm: i64 }
    /// The venue runs again after a recovery.
    VenueResumed = 173 {}
    /// The hour's rate of a perp; `rate_ppb` of lots x index. `reason`: 0 set, 1 samples missing, 2 price not live.
    FundingSet = 174 { market: u32, rate_ppb: i64, premium_ppb: i64, reason: u8, index: i64 }
    /// An account's hour: result to the settlement price, funding (negative is paid), cash moved, what stays open.
    Settled = 175 { market: u32, price: i64, result: i64, funding: i64, cash: i64, claim: i64, debt: i64 }
    /// Interest on a loan (negative) or a lent balance (positive).
    InterestPaid = 176 { asset: u32, amount: i64, balance: i64 }
    /// Green 0, yellow 1, orange 2, red 3, black 4. Equity and requirements are micro-dollars.
    AccountStateChanged = 177 {
        from: u8, to: u8, equity: i64, initial: i64, maintenance: i64, close_out: i64, binding: String,
    }
    /// A liquidation began: orders cancelled, transfers frozen.
    LiquidationStarted = 178 { deficit: i64, orders_cancelled: u32 }
    /// One slice through the book. Prices in ticks; requirement at liquidation-end before and after.
    LiquidationSlice = 179 {
        market: u32, pair_market: u32, side: u8, lots: i64, pair_lots: i64, worst_price: i64, notional: i64, fee: i64,
        requirement_before: i64, requirement_after: i64, index: i64,
    }
    /// A slice was not taken. `reason`: 0 speed limit, 1 no depth inside the worst price, 2 requirement would rise,
    /// 3 cost above relief, 4 price quality.
    LiquidationSliceSkipped = 180 { market: u32, reason: u8, lots: i64 }
    /// Excess at liquidation-end is restored, or nothing is left.
    LiquidationEnded = 181 { equity: i64, requirement: i64, slices: u32, notional: i64, fees: i64 }
    /// Nothing left to sell and equity below zero; stays an unsettled debt.
    ShortfallReported = 182 { amount: i64 }
}

macro_rules! events {
    ($($name:ident),* $(,)?) => {
        /// Definitions of all events as JSON objects.
        #[must_use]
        pub fn definitions() -> Vec<String> { vec![$(definition_json::<$name>()),*] }

        /// Decodes the body after the three leading fields and encodes it again; for the round-trip test.
        ///
        /// # Errors
        /// A refusal of the codec, or `message_type_must_be_known`.
        pub fn round_trip(kind: u16, body: &[u8]) -> Result<Vec<u8>, crate::reject::Refusal> {
            let mut out = Vec::new();
            match kind {
                $($name::KIND => $name::take(body)?.put(&mut out),)*
                other => return Err(crate::reject::Reject::message_type_must_be_known.at(0, i64::from(other), 0)),
            }
            Ok(out)
        }
    };
}

events! {
    CommandRefused, OrderPlaced, OrderFilled, OrderCancelled, OrderAmended, BookChanged, IndexChanged, MarkChanged,
    ReleaseActivated, VenueConfigured, Listed, AccountOpened, Deposited, WithdrawalRequested, WithdrawalSettled,
    WithdrawalVoided, Transferred, Lent, InsuranceFunded, SessionChanged, LiquidityPosted, VenueResumed, FundingSet,
    Settled, InterestPaid, AccountStateChanged, LiquidationStarted, LiquidationSlice, LiquidationSliceSkipped,
    LiquidationEnded, ShortfallReported,
    LegRefused, OrderDecremented, TriggerPlaced, TriggerFired, WaitingEnded, TwapPlaced, TwapSlice, CancelAfterSet,
    CancelAfterFired, MarketPhaseChanged, AuctionUncrossed, BatchDone, OrdersConfigured,
    // packages: 480 to 499
    PackagesConfigured, PackageTraded, BlockProposed, BlockEnded, BlockTraded, BlockPublished, QuotesRequested, QuoteGiven, QuoteEnded,
    QuoteRequestEnded, TreasuryFunded, ErrorCompensated, CompensationReceived,
    // prices: 650 to 699
    PricesConfigured, PrintIgnored, PrintCancelled, DriftBreached, EarningsScheduled, OutageEnded, HaltSettlementStarted,
    HaltSettled, HaltSettlementEnded,
    // lending: 750 to 799
    LendingConfigured, PoolFunded, PoolRateChanged, LoanShortfallAbsorbed, LentTransferred, LentLossBorne, CashCallMade, CashCallPaid,
    CashCallOverdue, LoanCalled, LoanCallOverdue, CallEnded, RecallWaits, BoughtIn, LineListed, LinePaid, LineNoticeGiven, LineEnded,
    // liquidation: 850 to 899
    LiquidationConfigured, LiquidationStageChanged, OwnAccountSetOff, OwnPositionsClosed, BankruptcyPriced,
    InsurancePaid, InsuranceRepaid, LoanDeficitAbsorbed, Deleveraged, MarketSettled, PositionSettled, LossShared,
    BackstopCommitted, BackstopWithdrawn, BackstopTrancheExhausted, BackstopAuctionOpened, BackstopSliceTaken,
    BackstopAuctionEnded, CollateralSold, ResidueBought, InsuranceTargetSet, OperatorTrancheFunded,
    CollateralPassedToRecovery, RecoveryPaid,
    // clearing: 950 to 999
    ClearingConfigured, BackingAttested, BrokerFunded, InventoryFunded, FirmPriceRequested, FirmPriceGiven, RequestReserved,
    RequestStateChanged, BrokerOrderRaised, BrokerCancelRaised, TokensIssued, TokensRedeemed, RequestReturned, ExecutionSettled,
    ExecutionCarried, RequestPaid, BreakOpened, BreakAssigned, BreakResolved, CapacityChanged, ConversionRequested, ConversionEnded,
    IssuancePaused, BrokerChanged, ShortageChanged, RequestsNetted, DepthPosted, StatementAgreed, ParticipantAuthorised,
    SettlementOverdue, HedgeClosed, HedgeTraded, BackingRetired,
    // governance: 1050 to 1099
    EligibilityConfigured, EligibilitySet, OwnerClassified, Held, GovernanceConfigured, ActorRegistered,
    RoleGranted, RoleRevoked, ActorRevoked, ChangeProposed, ChangeApproved, ChangeEnded,
    ChangeExecuted, ChangePostponed, Restricted, RestrictionEnded, TermsChanged, LimitSet,
    OwnershipMoved, OwnersJoined, OwnerPolicySet, AddressAdded, AddressRemoved, WithdrawalQueued,
    ReleasePermitted, ReleaseEntered, CommandQuarantined, FeeTierListed, EligibilityLapsed, EligibilityRedeemed, FeesCollected,
    // corporate: 1250 to 1299
    CorporateActionChanged, CorporateActionTaken, PositionAdjusted, BalanceAdjusted, ReceivableChanged, DistributionPaid,
    DistributionsFunded,
}

/// Collects the events of one call. One command at a time: `begin`, any number of `emit`, `finish`.
#[derive(Debug, Default)]
pub struct EventWriter {
    out: Vec<u8>,
    silent: bool,
    header: Header,
    index: u32,
    last_at: usize,
}

impl EventWriter {
    /// A writer that appends to `out`.
    #[must_use]
    pub fn new(out: Vec<u8>) -> Self {
        Self { out, ..Self::default() }
    }

    /// A writer that writes nothing, for where nobody hears.
    #[must_use]
    pub fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// Starts the events of the command with this header.
    pub fn begin(&mut self, command: Header) {
        self.header = command;
        self.index = 0;
    }

    /// Key that sent the command at hand.
    #[must_use]
    pub const fn actor(&self) -> u64 {
        self.header.actor
    }

    /// Appends an event about `account` (0 for the venue) with its account sequence.
    pub fn emit<B: Body>(&mut self, account: u64, account_sequence: u64, body: &B) {
        if self.silent {
            return;
        }
        let start = self.out.len();
        let mut lead = [0_u8; HEADER + 16];
        lead[..HEADER].copy_from_slice(&Header { kind: B::KIND, version: VERSION, account, ..self.header }.bytes());
        lead[HEADER..HEADER + 4].copy_from_slice(&self.index.to_le_bytes());
        lead[HEADER + 8..].copy_from_slice(&account_sequence.to_le_bytes());
        self.out.extend_from_slice(&lead);
        body.put(&mut self.out);
        let length = (self.out.len() - start) as u32;
        self.out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.last_at = start;
        self.index += 1;
    }

    /// Marks the command's last event.
    pub fn finish(&mut self) {
        if self.index > 0 {
            let at = self.last_at + HEADER + 4;
            self.out[at..at + 4].copy_from_slice(&LAST.to_le_bytes());
        }
    }

    /// The bytes written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}
