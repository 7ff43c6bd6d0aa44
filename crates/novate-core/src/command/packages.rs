//! Trades of several legs and trades between accounts: packages, blocks, requests for quotes, compensation: commands 430 to 449.
//!
//! Responsible for: the definitions. Never checks or applies anything.
//!
//! Legs are three lists of equal length: `markets`, `lots` (signed, of one unit: positive buys) and `prices` in ticks.

use crate::codec::Bytes;
use crate::document;

document! {
    /// Packages, blocks, requests for quotes and compensation: venue terms, once, before listings.
    ConfigurePackages = 430 {
        /// Most legs of a package, a block or a request.
        legs: u32,
        /// Open block proposals an account may have made, and may stand to answer.
        open_blocks: u32,
        /// Open requests for quotes of an account, its live quotes, quotes that one request takes, and makers it may name.
        open_requests: u32, open_quotes: u32, quotes_per_request: u32, makers_per_request: u32,
        /// Longest life of a proposal, a request or a quote.
        longest_life_ns: i64,
        /// What is known before a trade on a quote: 1 the requester to the makers, 2 the maker to the requester, 3 both, 0 neither.
        /// After it both sides know.
        reveal: u8,
        /// Most that errors on one trade, and all errors within one day, are compensated with, micro-dollars at face.
        compensation_per_trade: i64, compensation_per_day: i64,
    }
    /// Lets a market trade in blocks and by quotes. Limits are around the index, by session, and inside its band.
    ListBlockTerms = 431 {
        market: u32,
        /// Least size of a block leg, and of a leg traded on a quote.
        block_lots: i64, quote_lots: i64,
        fee_ppm: i64,
        regular_ppm: i64, extended_ppm: i64, overnight_ppm: i64, closed_ppm: i64,
        /// When a trade is told to the public, and the largest size told.
        publication_ns: i64, mask_lots: i64,
    }
    /// Trades all legs against the books at once, or nothing.
    PlacePackage = 432 {
        markets: Vec<i64>, lots: Vec<i64>,
        /// Worst price of each leg; 0, with a net limit, for the market's band.
        prices: Vec<i64>,
        /// 0 each leg within its price, 1 also the whole within `net_limit`.
        limit_kind: u8,
        /// Most that one unit may cost in quote units, fees left out; negative: least that it must bring.
        net_limit: i64,
        /// Whole multiples of the legs: wanted, and the least that may trade. Equal for all or none.
        units: i64, least_units: i64,
        /// Empty, or 16 bytes.
        client_id: Bytes,
    }
    /// Offers a counterparty a privately agreed trade at stated prices. Lots are the proposer's.
    ProposeBlock = 433 { counterparty: u64, markets: Vec<i64>, lots: Vec<i64>, prices: Vec<i64>, expiry_ns: i64 }
    /// The counterparty consents: both sides are checked and the block trades at once.
    AcceptBlock = 434 { block: u64 }
    /// The counterparty does not want it.
    DeclineBlock = 435 { block: u64 }
    /// The proposer takes it back.
    WithdrawBlock = 436 { block: u64 }
    /// Asks for firm quotes. Lots are of the package bought.
    RequestQuotes = 437 {
        markets: Vec<i64>, lots: Vec<i64>,
        /// 0 the requester may buy, 1 sell, 2 either.
        side: u8,
        expiry_ns: i64,
        /// Accounts asked; empty for everybody.
        makers: Vec<i64>,
    }
    /// A maker's firm quote, in the place of its earlier one: the price of each leg at which the requester buys, and sells.
    GiveQuote = 438 { request: u64, buy_prices: Vec<i64>, sell_prices: Vec<i64>, expiry_ns: i64 }
    /// Trades on a quote, or (0) on the best one; 0 buys the package, 1 sells it. `net_limit` as in `PlacePackage`, of the whole.
    AcceptQuote = 439 { request: u64, quote: u64, side: u8, net_limit: i64 }
    /// The maker takes its quote back.
    WithdrawQuote = 440 { request: u64, quote: u64 }
    /// The requester ends its request.
    CancelQuoteRequest = 441 { request: u64 }
    /// The operator's money for compensation.
    FundTreasury = 442 { asset: u32, amount: i64 }
    /// Pays an account for an error on a trade, which stands. The reason is public.
    CompensateError = 443 { account: u64, asset: u32, amount: i64, trade: u64, reason: String }
}
