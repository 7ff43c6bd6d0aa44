//! Trades of several legs and trades between accounts: packages, blocks, requests for quotes, compensation: events 480 to 499.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::document;

document! {
    /// The terms of packages, blocks, quotes and compensation are set.
    PackagesConfigured = 480 {}
    /// A package traded; `OrderFilled` with this number as its order follow, one per fill and side.
    PackageTraded = 481 {
        package: u64, units: i64,
        /// Per leg: signed lots, quote units paid (negative: received), and fees in quote units.
        markets: Vec<i64>, lots: Vec<i64>, costs: Vec<i64>, fees: Vec<i64>,
    }
    /// To both sides; lots are the proposer's.
    BlockProposed = 482 {
        block: u64, proposer: u64, counterparty: u64, markets: Vec<i64>, lots: Vec<i64>, prices: Vec<i64>, expiry_ns: i64,
    }
    /// To both sides. See `OfferState`.
    BlockEnded = 483 { block: u64, state: u8 }
    /// One event per side of a block or of a trade on a quote; lots are the receiver's, fee and realised in quote units.
    BlockTraded = 484 {
        /// 0 a block, 1 a quote.
        origin: u8,
        /// Its number, and the number of the first leg's trade; the others follow.
        offer: u64, trade: u64,
        counterparty: u64, markets: Vec<i64>, lots: Vec<i64>, prices: Vec<i64>, fees: Vec<i64>, realised: Vec<i64>,
    }
    /// One leg of a block or of a trade on a quote, told to the public after its delay.
    BlockPublished = 485 {
        trade: u64, market: u32, price: i64, lots: i64,
        /// 1 when it was larger than the listed mask, which `lots` then is.
        masked: u8,
        traded_ns: i64,
    }
    /// To the requester and each maker asked, or (account 0) to everybody. The requester is 0 while it is not known.
    QuotesRequested = 486 { request: u64, requester: u64, markets: Vec<i64>, lots: Vec<i64>, side: u8, expiry_ns: i64 }
    /// To the maker and to the requester, who sees the maker as 0 until they trade.
    QuoteGiven = 487 { request: u64, quote: u64, maker: u64, buy_prices: Vec<i64>, sell_prices: Vec<i64>, expiry_ns: i64 }
    /// To the maker and the requester. See `OfferState`.
    QuoteEnded = 488 { request: u64, quote: u64, state: u8 }
    /// To the requester. See `OfferState`.
    QuoteRequestEnded = 489 { request: u64, state: u8 }
    /// The treasury grew by the operator's money.
    TreasuryFunded = 490 { asset: u32, amount: i64, balance: i64 }
    /// Public: an error on a trade was compensated; the trade stands.
    ErrorCompensated = 491 { account: u64, asset: u32, amount: i64, trade: u64, reason: String }
    /// To the account that was compensated.
    CompensationReceived = 492 { asset: u32, amount: i64, trade: u64, balance: i64 }
}
