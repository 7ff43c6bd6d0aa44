//! The deterministic engine of novate.
//!
//! Integers only; no clock, no I/O, no randomness, no float. The modules stand in the order of their dependence: a file uses
//! only files above it in this list. Start reading at `margin` for the rule, at `engine` for the flow.

pub mod units;
pub mod reject;
pub mod codec;
pub mod envelope;
pub mod command;
pub mod event;
pub mod params;
pub mod stage;
pub mod order;
pub mod open_orders;
pub mod account;
pub mod account_index;
pub mod pool;
pub mod ledger;
pub mod session;
pub mod price;
pub mod book;
#[cfg(feature = "naive-book")]
pub mod naive_book;
pub mod phase;
pub mod state;
pub mod eligibility;
pub mod limits;
pub mod authority;
pub mod fees;
pub mod lookahead;
pub mod margin;
pub mod context;
pub mod perp;
pub mod matching;
pub mod waiting;
pub mod auction;
pub mod outage;
pub mod reducing;
pub mod trading;
pub mod legs;
pub mod offer;
pub mod package;
pub mod bilateral;
pub mod block;
pub mod quote;
pub mod compensation;
pub mod batch;
pub mod schedule;
pub mod funds;
pub mod lending;
pub mod clearing;
pub mod funding;
pub mod feed;
pub mod settlement;
pub mod calls;
pub mod cash_deficit;
pub mod insurance;
pub mod shortfall;
pub mod lines;
pub mod halts;
pub mod ladder;
pub mod stock_loans;
pub mod own_accounts;
pub mod reduction;
pub mod collateral_sale;
pub mod backstop;
pub mod bankruptcy;
pub mod deleveraging;
pub mod loss_sharing;
pub mod recovery;
pub mod liquidation;
pub mod corporate_action;
pub mod listing;
pub mod governance;
pub mod timer;
pub mod query;
pub mod snapshot;
pub mod dispatch;
pub mod engine;

/// The release: the version of every package built from this tree.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The set of rules this build implements. A change of behaviour is a new number.
pub const RULESET: u32 = 2;
