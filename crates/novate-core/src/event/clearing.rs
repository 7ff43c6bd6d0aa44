//! Issuance and redemption: quotes, requests, broker legs, backing: events 950 to 999.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::document;

document! {
    /// Issuance and redemption have their parameters.
    ClearingConfigured = 950 {}
    /// Settled shares stand behind tokens outside the venue.
    BackingAttested = 951 { token: u32, broker: u32, units: i64, shares: i64 }
    /// Dollars at a broker, and its balance.
    BrokerFunded = 952 { broker: u32, amount: i64, balance: i64 }
    /// House shares of a token at a broker, and their balance.
    InventoryFunded = 954 { token: u32, broker: u32, shares: i64, balance: i64 }
    /// A holder asks for a firm price.
    FirmPriceRequested = 955 { quote: u64, token: u32, direction: u8, amount: i64 }
    /// A firm price, with the fee it will cost, until its expiry.
    FirmPriceGiven = 956 { quote: u64, token: u32, price: i64, fee: i64, expires_ns: i64 }
    /// Amounts are held for a request. `kind` 0 issue, 1 redeem, 2 and 3 in kind; `asset` and `amount` are what is held.
    RequestReserved = 957 { request: u64, kind: u8, token: u32, asset: u32, amount: i64, price: i64, reference: u64 }
    /// A request moved on in its table.
    RequestStateChanged = 958 { request: u64, before: u8, after: u8 }
    /// Everything a broker adapter needs to send an order. `purpose` 0 request, 1 buy-in, 2 hedge; `side` 0 buys.
    BrokerOrderRaised = 959 {
        order: u64, request: u64, purpose: u8, broker: u32, token: u32, underlying: u32, side: u8,
        /// Micro-dollars to spend; 0 when shares alone limit it.
        dollars: i64,
        /// Shares, 1e-9; 0 when dollars alone limit it.
        shares: i64,
        limit_price: i64,
        /// 1 when parts of a share are not taken.
        whole: u8,
    }
    /// The broker should end an order.
    BrokerCancelRaised = 960 { order: u64, broker: u32 }
    /// Tokens came into being for an account: cash paid without fee, and the fee.
    TokensIssued = 961 { request: u64, token: u32, units: i64, shares: i64, price: i64, cost: i64, fee: i64, locked: i64 }
    /// Tokens ended: cash due without fee, and the fee.
    TokensRedeemed = 962 { request: u64, token: u32, units: i64, shares: i64, price: i64, due: i64, fee: i64 }
    /// What was held and not used is back.
    RequestReturned = 963 { request: u64, asset: u32, amount: i64 }
    /// An execution settled at the broker.
    ExecutionSettled = 964 { execution: u64, order: u64, broker: u32, shares: i64, dollars: i64 }
    /// The venue's own account carries an execution. `reason` 0 bust, 1 correction, 2 failed settlement, 3 default.
    ExecutionCarried = 965 { execution: u64, order: u64, broker: u32, reason: u8, shares: i64, dollars: i64 }
    /// A redemption's cash is paid.
    RequestPaid = 966 { request: u64, asset: u32, amount: i64, balance: i64 }
    /// A difference stops issuance of a token. See `BreakKind`.
    BreakOpened = 967 { break_id: u64, token: u32, broker: u32, kind: u8, expected: i64, found: i64 }
    /// Somebody works on it.
    BreakAssigned = 968 { break_id: u64, owner: u64 }
    /// It is over.
    BreakResolved = 969 { break_id: u64, token: u32, resolution: u8, age_ns: i64 }
    /// What can be issued (0) or redeemed (1) at once, micro-dollars, and the term that binds. See `CapacityTerm`.
    CapacityChanged = 970 { token: u32, direction: u8, dollars: i64, binding: u8 }
    /// Money on its way between stablecoin and dollars.
    ConversionRequested = 971 { conversion: u64, asset: u32, broker: u32, to_dollars: u8, amount: i64 }
    /// What it brought; 0 when it failed.
    ConversionEnded = 972 { conversion: u64, amount: i64 }
    /// Whether issuance and redemption of a token are stopped.
    IssuancePaused = 973 { token: u32, mint: u8, redeem: u8 }
    /// A broker's line, permission and freeze.
    BrokerChanged = 974 { broker: u32, connected: u8, enabled: u8, frozen_until_ns: i64 }
    /// What the treasury owes the backing of a token, 1e-9 shares.
    ShortageChanged = 975 { token: u32, shares: i64 }
    /// Two opposite requests met at the index without going to a broker.
    RequestsNetted = 976 { issuance: u64, redemption: u64, token: u32, units: i64, price: i64 }
    /// Depth at the primary market.
    DepthPosted = 977 { underlying: u32, buy: i64, sell: i64 }
    /// A statement agrees with the books.
    StatementAgreed = 979 { broker: u32, token: u32, amount: i64 }
    /// An account may bring and take shares.
    ParticipantAuthorised = 980 { account: u64, allowed: u8 }
    /// An execution is past its settlement day without a report.
    SettlementOverdue = 981 { execution: u64, order: u64, broker: u32 }
    /// The perp closed that tokens had hedged which were redeemed by force, or bought for a borrower: signed lots, bought back
    /// positive; `left` lots wait for depth.
    HedgeClosed = 982 { token: u32, market: u32, lots: i64, left: i64 }
    /// With a fill of a request its perp traded: signed lots; `left` lots wait for depth.
    HedgeTraded = 983 { request: u64, market: u32, lots: i64, left: i64 }
    /// Tokens retired, and the shares behind them left the books for what the company paid.
    BackingRetired = 984 { token: u32, units: i64, shares: i64 }
}
