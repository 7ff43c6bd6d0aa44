//! Issuance and redemption: quotes, requests, broker legs, backing: what of it is state.
//!
//! Responsible for: the records and look-ups. Never contains a rule.

use crate::command::{ConfigureClearing, ListBroker, ListIssuance};
use crate::ledger::books::Books;
use crate::reject::{Refusal, Reject};
use crate::units::{Amount, Nanos, Price, Ticks};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where a request stands; `clearing::table` says what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum RequestState {
    /// It arrived; nothing is held yet.
    Requested = 0,
    /// Its amounts are held; no broker has it.
    Reserved = 1,
    /// A broker has its order.
    Routed = 2,
    /// Part of it is filled, the rest is at a broker.
    PartlyFilled = 3,
    /// Nothing more will fill; settlement is ahead.
    Filled = 4,
    /// The broker is out of reach; everything is held until its report.
    Unknown = 5,
    /// Shares and dollars are settled at the broker, or the venue's own account carries them.
    Settled = 6,
    /// The holder has what it asked for, for good.
    Delivered = 7,
    /// A broker refused it and no other took it.
    Rejected = 8,
    /// It ended unfilled on the holder's or the broker's wish.
    Cancelled = 9,
    /// It waited too long.
    Expired = 10,
    /// A settlement failed; the venue's own account carries it.
    Failed = 11,
    /// An execution was taken back; the venue's own account carries it.
    Busted = 12,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum RequestKind {
    /// Tokens for cash.
    Mint = 0,
    /// Cash for tokens.
    Redeem = 1,
    /// Tokens for shares that a participant brings.
    MintInKind = 2,
    /// Shares for tokens, taken by a participant.
    RedeemInKind = 3,
}

impl RequestKind {
    /// Whether tokens come into being.
    #[must_use]
    pub const fn mints(self) -> bool {
        matches!(self, Self::Mint | Self::MintInKind)
    }

    /// Whether shares change hands without cash.
    #[must_use]
    pub const fn in_kind(self) -> bool {
        matches!(self, Self::MintInKind | Self::RedeemInKind)
    }

    /// Its bit in a token's session table.
    #[must_use]
    pub const fn channel(self) -> i64 {
        1 << self as u8
    }
}

/// A request to issue or to redeem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Dense index of the holder.
    pub account: u32,
    /// The token.
    pub token: u32,
    /// The stablecoin it is paid in.
    pub cash: u32,
    /// What is asked for.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
    /// 0 tokens freed by auto-deleveraging, 1 liquidation, 2 everybody.
    pub priority: u8,
    /// The holder did not ask for it: with each fill the perp that the tokens hedged closes.
    pub forced: bool,
    /// Firm price of an accepted quote, at the underlying's scale; 0 at market.
    pub price: Price,
    /// Units held at reserve: cash of an issuance, tokens of a redemption.
    pub amount: Amount,
    /// Units of those still held.
    pub held: Amount,
    /// Tokens minted or burned so far.
    pub units: Amount,
    /// Shares filled so far, 1e-9.
    pub shares: i64,
    /// Cash that a redemption still has to be paid.
    pub due: Amount,
    /// Fee that is taken when that is paid.
    pub fee_due: Amount,
    /// What the burned tokens owed of a distribution, paid to the distributions account then.
    pub returned_due: Amount,
    /// In the queue no longer than this.
    pub expires_ns: Nanos,
    /// Its broker order that is still open; 0 when none is.
    pub order: u64,
    /// The holder asked for its end.
    pub cancelling: bool,
    /// Executions that are not settled.
    pub unsettled: u32,
    /// The broker that brings or takes shares in kind; 0 otherwise.
    pub broker: u32,
    /// How often its rest went to another broker.
    pub reroutes: u32,
}

impl Request {
    /// What the treasury pays out when the redemption is paid.
    #[must_use]
    pub const fn to_pay(&self) -> Amount {
        self.due + self.fee_due + self.returned_due
    }
}

/// The perp that trades with each fill of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hedge {
    /// Dense index of the holder.
    pub account: u32,
    /// The perp market.
    pub market: u32,
    /// Worst price.
    pub limit: Ticks,
    /// Whether it is sold short (an issuance) or bought back.
    pub sells: bool,
    /// Shares filled and not traded yet, 1e-9.
    pub shares: i64,
}

/// Why a broker order exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Purpose {
    /// For a request.
    Request = 0,
    /// Buys a shortage back.
    BuyIn = 1,
    /// Sells what a fault left in the house inventory.
    Hedge = 2,
}

/// How far a broker is with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum OrderStage {
    /// Raised; no answer yet.
    Raised = 0,
    /// The broker has it.
    Live = 1,
    /// The broker is out of reach.
    Unknown = 2,
    /// Nothing more may fill.
    Done = 3,
}

/// An order at a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerOrder {
    /// The request; 0 for the venue's own.
    pub request: u64,
    /// Why.
    pub purpose: Purpose,
    /// Where.
    pub broker: u32,
    /// The token whose shares they are.
    pub token: u32,
    /// Whether it buys.
    pub buys: bool,
    /// Dollars it may spend, micro; 0 for a sale.
    pub dollars: i64,
    /// Shares it may trade, 1e-9; 0 when only dollars limit it.
    pub shares: i64,
    /// Worst price, at the underlying's scale.
    pub limit: Price,
    /// Shares done.
    pub filled: i64,
    /// Dollars done.
    pub spent: i64,
    /// Token units behind a sale, and those burned.
    pub units: Amount,
    /// Burned.
    pub burned: Amount,
    /// How far.
    pub stage: OrderStage,
    /// Executions of it that are remembered.
    pub executions: u32,
    /// The broker was asked to end it.
    pub ending: bool,
}

/// What became of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum ExecutionStage {
    /// Booked, settles later.
    Open = 0,
    /// Settled at the broker.
    Settled = 1,
    /// Taken back; the venue's own account carries it.
    Carried = 2,
    /// In quarantine behind a break; nothing is booked.
    Quarantined = 3,
    /// Its settlement failed; the venue's own account carries it until it settles after all.
    Failed = 4,
}

impl ExecutionStage {
    /// Whether the venue's own account carries it.
    #[must_use]
    pub const fn is_carried(self) -> bool {
        matches!(self, Self::Carried | Self::Failed)
    }
}

/// One fill, as a broker reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The broker.
    pub broker: u32,
    /// The broker's id.
    pub id: [u8; 16],
    /// Its order.
    pub order: u64,
    /// Whether it bought.
    pub bought: bool,
    /// Shares, 1e-9; of a purchase behind tokens only what it settles behind them.
    pub shares: i64,
    /// Price at the underlying's scale.
    pub price: Price,
    /// Micro-dollars owed for it.
    pub dollars: i64,
    /// The broker's fee, micro-dollars.
    pub fee: i64,
    /// Tokens minted or burned for it.
    pub units: Amount,
    /// When it settles.
    pub settle_ns: Nanos,
    /// What became of it.
    pub stage: ExecutionStage,
    /// Whether it is the house's, apart from the backing.
    pub house: bool,
    /// Out of quarantine: no request has a part in it.
    pub adopted: bool,
    /// Shares that a correction added to a purchase behind tokens, 1e-9: the house's.
    pub extra: i64,
}

/// A question for a firm price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Who asked.
    pub account: u32,
    /// For which token.
    pub token: u32,
    /// To issue or to redeem.
    pub kind: RequestKind,
    /// Cash or token units.
    pub amount: Amount,
    /// The firm price; 0 until the keeper gave one.
    pub price: Price,
    /// Until when.
    pub expires_ns: Nanos,
}

/// Used of a limit in the running window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Which window.
    pub number: i64,
    /// Micro-dollars used in it.
    pub used: i64,
}

/// A broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Broker {
    /// As listed.
    pub terms: ListBroker,
    /// Whether it answers.
    pub connected: bool,
    /// The operator lets orders go there.
    pub enabled: bool,
    /// In default: everything there is frozen until then; 0 when it is not.
    pub frozen_until_ns: Nanos,
    /// Dollars that open orders may still spend.
    pub committed: i64,
    /// Shares that open orders may still sell, per token.
    pub committed_shares: BTreeMap<u32, i64>,
}

/// A token inside the supply invariant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issuance {
    /// As listed.
    pub terms: ListIssuance,
    /// Tokens in existence, in the vault and outside the venue.
    pub issued: Amount,
    /// No issuance.
    pub mint_paused: bool,
    /// No redemption.
    pub redeem_paused: bool,
    /// Tokens minted on unsettled fills, of all accounts.
    pub locked: Amount,
    /// Last statement of a custodian that agreed.
    pub agreed_ns: Nanos,
    /// Issued, and redeemed, in the running window.
    pub used: [Window; 2],
    /// The buy-in and the hedge that are open.
    pub repairs: [u64; 2],
    /// Capacity last published, per direction: micro-dollars and the term that binds.
    pub published: [(i64, u8); 2],
    /// Shares the house was left with by faults and has still to sell, 1e-9.
    pub to_hedge: i64,
}

/// What the primary market has at its best prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Micro-dollars to buy, and to sell.
    pub dollars: [i64; 2],
    /// Posted then.
    pub time_ns: Nanos,
}

/// Dollars for stablecoins, or the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The stablecoin.
    pub asset: u32,
    /// Where the dollars are.
    pub broker: u32,
    /// Whether stablecoins become dollars.
    pub to_dollars: bool,
    /// Units of the stablecoin, or micro-dollars, that left.
    pub amount: i64,
}

/// A difference that nobody may adjust away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// The token whose issuance it stops.
    pub token: u32,
    /// The broker it is with.
    pub broker: u32,
    /// See `BreakKind`.
    pub kind: u8,
    /// Who works on it; 0 nobody yet.
    pub owner: u64,
    /// Since when.
    pub opened_ns: Nanos,
    /// What the books say.
    pub expected: i64,
    /// What was found.
    pub found: i64,
    /// The execution in quarantine; 0 when none is.
    pub execution: u64,
}

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Clearing {
    /// Area-wide parameters.
    pub terms: Option<ConfigureClearing>,
    /// By id.
    pub brokers: BTreeMap<u32, Broker>,
    /// By token.
    pub tokens: BTreeMap<u32, Issuance>,
    /// Shares and dollars outside the vault.
    pub books: Books,
    /// Primary depth by underlying.
    pub depth: BTreeMap<u32, Depth>,
    /// Questions for a price and their answers.
    pub quotes: BTreeMap<u64, Quote>,
    /// Requests that are not over, and those whose executions may still be taken back.
    pub requests: BTreeMap<u64, Request>,
    /// Those that are not over, by account.
    pub open: BTreeSet<(u32, u64)>,
    /// Perps that trade with the fills of a request.
    pub hedges: BTreeMap<u64, Hedge>,
    /// Those of them that the current command filled; empty between commands.
    pub hedging: BTreeSet<u64>,
    /// Next of them that is tried again.
    pub hedge_cursor: u64,
    /// Shares, 1e-9, that forced redemptions took from an account's token (negative: that were bought for what it borrowed) and
    /// whose perp is still to be closed.
    pub unwinding: BTreeMap<(u32, u32), i64>,
    /// Requests that wait for a broker: priority and id.
    pub queue: BTreeSet<(u8, u64)>,
    /// The same, by the time at which they have waited too long.
    pub expiring: BTreeSet<(Nanos, u64)>,
    /// Settled redemptions that are not paid.
    pub unpaid: BTreeSet<u64>,
    /// Requests that wait for the venue's own repair: token, whether it mints, id.
    pub carried: BTreeSet<(u32, bool, u64)>,
    /// Broker orders that are not done: token and id.
    pub working: BTreeSet<(u32, u64)>,
    /// Broker orders.
    pub orders: BTreeMap<u64, BrokerOrder>,
    /// Executions by the venue's number.
    pub executions: BTreeMap<u64, Execution>,
    /// The venue's number of a broker's execution id.
    pub execution_ids: BTreeMap<(u32, [u8; 16]), u64>,
    /// When executions settle: time and number.
    pub settling: BTreeSet<(Nanos, u64)>,
    /// Token units minted on unsettled fills, per account and token.
    pub locked: BTreeMap<(u32, u32), Amount>,
    /// The last reference of each account: a request executes once.
    pub references: BTreeMap<u32, u64>,
    /// Issued and redeemed per account and token in the running window.
    pub used: BTreeMap<(u32, u32), [Window; 2]>,
    /// Accounts that may bring and take shares.
    pub participants: BTreeSet<u32>,
    /// Token units freed by auto-deleveraging: first in the queue.
    pub freed: BTreeMap<(u32, u32), Amount>,
    /// Open breaks.
    pub breaks: BTreeMap<u64, Break>,
    /// Requests, orders and executions that are over, by when they are forgotten.
    pub ended: BTreeSet<(Nanos, u64)>,
    /// Conversions on their way.
    pub conversions: BTreeMap<u64, Conversion>,
    /// Last number given to anything here.
    pub last_id: u64,
}

impl BrokerOrder {
    /// Whether tokens were minted for a holder on an execution of it: what is locked until that has settled.
    #[must_use]
    pub fn minted(&self, execution: &Execution) -> bool {
        self.purpose == Purpose::Request && self.buys && !execution.adopted
    }
}

impl Clearing {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A broker.
    ///
    /// # Errors
    /// `broker_must_exist`.
    pub fn broker(&self, id: u32) -> Result<&Broker, Refusal> {
        self.brokers.get(&id).ok_or(Reject::broker_must_exist.at(0, i64::from(id), 0))
    }

    /// A token's issuance.
    ///
    /// # Errors
    /// `token_must_be_listed_for_issuance`.
    pub fn issuance(&self, token: u32) -> Result<&Issuance, Refusal> {
        self.tokens.get(&token).ok_or(Reject::token_must_be_listed_for_issuance.at(0, i64::from(token), 0))
    }

    /// A request.
    ///
    /// # Errors
    /// `request_must_exist`.
    pub fn request(&self, id: u64) -> Result<&Request, Refusal> {
        self.requests.get(&id).ok_or(Reject::request_must_exist.at(1, id as i64, 0))
    }

    /// A broker order.
    ///
    /// # Errors
    /// `broker_order_must_exist`.
    pub fn order(&self, id: u64) -> Result<&BrokerOrder, Refusal> {
        self.orders.get(&id).ok_or(Reject::broker_order_must_exist.at(1, id as i64, 0))
    }

    /// An execution by its broker's id.
    ///
    /// # Errors
    /// `execution_must_exist`.
    pub fn execution(&self, broker: u32, id: [u8; 16]) -> Result<(u64, &Execution), Refusal> {
        let number = self.execution_ids.get(&(broker, id)).ok_or(Reject::execution_must_exist.at(2, i64::from(broker), 0))?;
        Ok((*number, &self.executions[number]))
    }

    /// Units of a token that an account may not take away yet.
    #[must_use]
    pub fn locked(&self, account: u32, token: u32) -> Amount {
        self.locked.get(&(account, token)).copied().unwrap_or(0)
    }

    /// Units of a token that nobody may take away yet.
    #[must_use]
    pub fn locked_in_all(&self, token: u32) -> Amount {
        self.tokens.get(&token).map_or(0, |t| t.locked)
    }

    /// A request waits for a broker from now on.
    pub fn enqueue(&mut self, id: u64) {
        if let Some(request) = self.requests.get(&id) {
            self.queue.insert((request.priority, id));
            self.expiring.insert((request.expires_ns, id));
        }
    }

    /// It does not wait any more.
    pub fn dequeue(&mut self, id: u64) {
        if let Some(request) = self.requests.get(&id) {
            self.queue.remove(&(request.priority, id));
            self.expiring.remove(&(request.expires_ns, id));
        }
    }

    /// Locks (or, negative, frees) token units of an account.
    pub fn lock(&mut self, account: u32, token: u32, units: Amount) {
        let key = (account, token);
        let locked = self.locked.entry(key).or_default();
        *locked += units;
        if *locked == 0 {
            self.locked.remove(&key);
        }
        if let Some(issuance) = self.tokens.get_mut(&token) {
            issuance.locked += units;
        }
    }

    /// Area-wide parameters.
    ///
    /// # Panics
    /// Before `ConfigureClearing`; brokers and tokens are listed only after it.
    #[must_use]
    pub fn config(&self) -> &ConfigureClearing {
        self.terms.as_ref().expect("brokers and tokens are listed only after ConfigureClearing")
    }
}
