//! What the rule tests share: a venue built from `scenarios/venue.txt`, the wire by field names, invariants, chance.
//!
//! Responsible for: driving the real engine through its bytes. Never reaches into the engine to change it.
#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub mod chance;
pub mod invariants;
pub mod script;
pub mod stream;
pub mod stream_orders;
pub mod stream_packages;
pub mod stream_lending;
pub mod stream_liquidation;
pub mod stream_clearing;
pub mod stream_corporate;
pub mod stream_governance;
pub mod venue;
pub mod wire;

/// How many times longer than usual the random tests run: 100 with `NOVATE_LONG=1`.
#[allow(clippy::disallowed_methods, reason = "a test may read the environment; the engine may not")]
pub fn length() -> u64 {
    if std::env::var("NOVATE_LONG").is_ok_and(|v| v == "1") { 100 } else { 1 }
}

/// Prints a figure that the report of a test run should show.
#[allow(clippy::print_stdout, reason = "figures belong to the output of a test run")]
pub fn told(figure: &str) {
    println!("{figure}");
}
