//! Issuance and redemption: quotes, requests, broker legs, backing: commands 900 to 949.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::{document, record};

document! {
    /// What all of issuance and redemption obeys, once, before brokers and tokens are listed for it.
    ConfigureClearing = 900 {
        /// How long a given quote is firm.
        quote_life_ns: i64,
        /// How long a request waits for a broker.
        queue_life_ns: i64,
        /// How long a broker in default stays frozen.
        default_freeze_ns: i64,
        /// Largest distance of a stablecoin from a dollar at which it is taken or converted.
        peg_ppm: i64,
        /// Largest single conversion, micro-dollars, and the time of the UTC day after which none starts.
        conversion_limit: i64, conversion_cutoff_ns: i64,
        /// Shortages of all tokens beyond which nothing is issued, micro-dollars.
        shortage_cap: i64,
        /// Part of cash due from a redemption that counts in equity until it is paid.
        due_ppm: i64,
        /// Greatest age of a posted depth.
        depth_age_ns: i64,
        /// How long ended requests and settled executions are remembered.
        kept_ns: i64,
        /// Requests looked at in one command.
        queue_accounts: u32,
    }
    /// A broker: custody limits in micro-dollars of shares and cash, and of one order.
    ListBroker = 901 {
        broker: u32, name: String,
        /// 1 when it takes parts of a share.
        fractional: u8,
        custody_limit: i64, order_limit: i64,
    }
    /// Puts a token under the supply invariant, before any of it is in the vault. Limits in micro-dollars a window.
    ListIssuance = 902 {
        token: u32,
        /// Stablecoin that pays and is paid.
        cash: u32,
        mint_fee_ppm: i64, redeem_fee_ppm: i64,
        /// Largest distance of a quote or fill from the index.
        sanity_ppm: i64,
        request_min: i64, request_max: i64, account_limit: i64, token_limit: i64, window_ns: i64,
        /// One mask per session (closed, pre, regular, post, overnight, halted): 1 issue, 2 redeem, 4 issue in kind, 8
        /// redeem in kind, 16 queue what is not open.
        sessions: Vec<i64>,
        /// Greatest age of a custodian's statement for issuance to go on.
        statement_age_ns: i64,
    }
    /// Settled shares at a broker for tokens that exist outside the venue.
    AttestBacking = 903 { token: u32, broker: u32, units: i64, shares: i64 }
    /// The operator's dollars at a broker: that came, or, negative, were taken out.
    FundBroker = 904 { broker: u32, amount: i64 }
    /// The operator's shares at a broker, booked apart from the backing: that came, or, negative, were taken out.
    FundInventory = 906 { token: u32, broker: u32, shares: i64 }
    /// Micro-dollars at the primary market's best prices, to buy and to sell.
    PostDepth = 907 { underlying: u32, buy: i64, sell: i64 }
    /// Asks for a firm price. `direction` 0 issues `amount` of cash, 1 redeems `amount` tokens.
    RequestFirmPrice = 908 { token: u32, direction: u8, amount: i64 }
    /// The keeper's firm price for a question.
    GiveFirmPrice = 909 { quote: u64, price: i64 }
    /// Tokens for `amount` of cash, fee included. `reference` rises per account; `quote` 0 is at market.
    RequestIssuance = 910 { token: u32, amount: i64, reference: u64, quote: u64 }
    /// Cash for `amount` tokens.
    RequestRedemption = 911 { token: u32, amount: i64, reference: u64, quote: u64 }
    /// A participant brings shares for (direction 0) or takes shares of (1) `amount` tokens at a broker.
    RequestInKind = 912 { token: u32, direction: u8, amount: i64, broker: u32, reference: u64 }
    /// Ends a request: at once while it waits, else by the broker's answer.
    CancelRequest = 913 { request: u64 }
    /// The broker has the order, or still has it after a break of the line.
    ReportBrokerAccepted = 914 { order: u64 }
    /// The broker refused the order.
    ReportBrokerReject = 916 { order: u64 }
    /// The broker ended the order, asked or not.
    ReportBrokerCancelled = 917 { order: u64 }
    /// The line to a broker broke (0) or is back (1).
    ReportBrokerLine = 918 { broker: u32, connected: u8 }
    /// The holder has it for good: the chain confirmed, or the cash of a redemption is there to be paid.
    DeliverRequest = 924 { request: u64 }
    /// Shares a participant brought or took.
    ReportInKind = 925 { request: u64, shares: i64 }
    /// What a custodian says it holds: settled shares of a token, or (token 0) settled micro-dollars.
    ReportStatement = 926 { broker: u32, token: u32, amount: i64 }
    /// Stablecoins of the treasury to dollars at a broker (1), or back (0).
    RequestConversion = 927 { asset: u32, broker: u32, to_dollars: u8, amount: i64 }
    /// What the conversion brought; 0 when it failed and the amount is back.
    ReportConversion = 928 { conversion: u64, amount: i64 }
    /// Stops (1) or allows (0) issuance and redemption of a token.
    PauseIssuance = 929 { token: u32, mint: u8, redeem: u8 }
    /// Lets orders go to a broker (1) or not (0).
    EnableBroker = 930 { broker: u32, enabled: u8 }
    /// The broker is in default: everything there is frozen.
    ReportBrokerDefault = 931 { broker: u32 }
    /// An account may (1) bring and take shares.
    AuthoriseParticipant = 932 { account: u64, allowed: u8 }
    /// Who works on a break.
    AssignBreak = 933 { break_id: u64, owner: u64 }
    /// How a break ended: 0 explained, 1 the quarantined execution goes to the house inventory, 2 the broker took it back.
    ResolveBreak = 934 { break_id: u64, resolution: u8 }
    /// An issuance (direction 0) with a short perp against it, or a redemption (1) that buys the perp back: the perp trades with each
    /// fill at no worse than `price` in ticks, 0 for the market's band. Other fields as in a request.
    RequestHedged = 935 { token: u32, direction: u8, amount: i64, market: u32, price: i64, reference: u64, quote: u64 }
}

record! {
    /// One execution. Prices at the underlying's scale, shares in 1e-9, the fee in micro-dollars.
    ReportBrokerFill = 915 {
        order: u64,
        /// The broker's own id, or the first 16 bytes of its hash.
        execution: [u8; 16],
        underlying: u32,
        /// 0 bought, 1 sold.
        side: u8,
        /// 1 when the order is done with it.
        complete: u8, reserved0: u16,
        shares: i64, price: i64, fee: i64, settle_time_ns: i64,
    }
    /// The broker takes an execution back.
    ReportBust = 920 { broker: u32, reserved0: u32, execution: [u8; 16] }
    /// The broker corrects an execution's shares or price.
    ReportCorrection = 921 { broker: u32, reserved0: u32, execution: [u8; 16], shares: i64, price: i64 }
    /// An execution settled (1) or failed to (0).
    ReportSettlement = 922 { broker: u32, settled: u8, reserved0: u8, reserved1: u16, execution: [u8; 16] }
}
