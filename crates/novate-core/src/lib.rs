//! The deterministic engine of novate.
//!
//! Integers only; no clock, no I/O, no randomness, no float. The modules stand in the order of their dependence: a file uses
//! only files above it in this list. Start reading at `margin` for the rule, at `engine` for the flow.

pub mod units;
pub mod reject;
pub mod codec;
pub mod command;
pub mod event;
pub mod params;
pub mod order;
pub mod account;
pub mod ledger;
pub mod session;
pub mod price;
pub mod book;
pub mod state;
pub mod margin;
pub mod context;
pub mod perp;
pub mod matching;
pub mod trading;
pub mod funds;
pub mod funding;
pub mod settlement;
pub mod ladder;
pub mod liquidation;
pub mod listing;
pub mod timer;
pub mod query;
pub mod snapshot;
pub mod dispatch;
pub mod engine;

/// The release: the version of every package built from this tree.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The set of rules this build implements. A change of behaviour is a new number.
pub const RULESET: u32 = 1;
