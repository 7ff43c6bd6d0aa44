//! Promises about risk over random streams: no fill without margin, liquidations only reduce, nobody healthy stays in one.

mod common;

use common::stream::Stream;
use common::venue::Venue;
use common::{invariants, length, told};
use novate_core::account::AccountState;
use novate_core::codec::Header;
use novate_core::command::{AdvanceTime, PlaceOrder};
use novate_core::codec::Body;
use novate_core::event::{Deleveraged, LiquidationEnded, LiquidationSlice, OrderFilled, ShortfallReported};
use novate_core::margin::{Level, Question};
use std::collections::BTreeMap;

const STREAMS: u64 = 100;
const STEPS: u64 = 1_000;

/// An account that was green before its own accepted order is not below initial right after it. Prices have not moved
/// in between; a unit per rounded term and fill is allowed.
#[test]
fn no_fill_without_margin() {
    let (mut orders, mut fills) = (0, 0);
    for seed in 5_000..5_000 + STREAMS * length().min(20) {
        let mut stream = Stream::new(seed);
        for n in 0..STEPS {
            let before = stream.venue.clone();
            let step = stream.step();
            let account = step.account;
            if !step.placed || step.events.iter().any(|e| e.refusal().is_some()) || before.excess(account, Level::Initial) < 0 {
                continue;
            }
            let own = step.events.iter().filter(|e| e.header.account == account && e.header.kind == OrderFilled::KIND).count();
            // An order that only reduces is free of its own requirement; what it filled is not.
            let bare = Question { orders: false, ..Question::at(Level::Initial) };
            let after = stream.venue.evaluate(account, &bare).excess();
            let slack = 20 + 4 * own as i128;
            // The other way in: the fills lowered R at initial, and Excess at maintenance did not fall.
            let reduced = |level| Question { orders: false, ..Question::at(level) };
            let of = |v: &Venue, level| v.evaluate(account, &reduced(level));
            let lower = of(&stream.venue, Level::Initial).requirement <= of(&before, Level::Initial).requirement + slack
                && of(&stream.venue, Level::Maintenance).excess() + slack >= of(&before, Level::Maintenance).excess();
            assert!(after >= -slack || lower, "seed {seed}, step {n}: account {account} is {after} below initial after its own order: {:?}\n{:?}\n{:?}",
                PlaceOrder::take(&stream.venue.message[48..]), [Level::Initial, Level::Maintenance].map(|l| of(&before, l)),
                [Level::Initial, Level::Maintenance].map(|l| of(&stream.venue, l)));
            orders += 1;
            fills += own;
        }
    }
    told(&format!("{orders} accepted orders with {fills} fills, none below its margin"));
    assert!(fills > 1_000);
}

/// Inside a liquidation the requirement never rises from slice to slice, fees keep to their limits, and after each
/// `AdvanceTime` nobody whose excess at liquidation-end is not negative is still in one.
#[test]
fn liquidations_only_reduce_and_end() {
    let mut counts = BTreeMap::<&str, u64>::new();
    for seed in 7_000..7_000 + STREAMS * length().min(20) {
        let mut stream = Stream::new(seed);
        for n in 0..STEPS {
            let step = stream.step();
            invariants::hold(&stream.venue);
            for event in &step.events {
                if let Some(slice) = event.as_a::<LiquidationSlice>() {
                    *counts.entry(if slice.pair_market == 0 { "single slices" } else { "pair slices" }).or_default() += 1;
                    assert!(slice.requirement_after <= slice.requirement_before, "seed {seed}, step {n}: {slice:?}");
                    let relief = i128::from(slice.requirement_before - slice.requirement_after);
                    // The fee itself costs a depeg charge, at most a quarter of it.
                    assert!(i128::from(slice.fee) * 4 <= relief + i128::from(slice.fee) / 4 + 4, "seed {seed}, step {n}: fee above a quarter of the fall: {slice:?}");
                    assert!(i128::from(slice.fee) * 1_000 <= i128::from(slice.notional) * 15 + 1_000, "fee above 1.5 %: {slice:?}");
                }
                *counts.entry("ended").or_default() += u64::from(event.as_a::<LiquidationEnded>().is_some());
                *counts.entry("deleveraged").or_default() += u64::from(event.as_a::<Deleveraged>().is_some());
                *counts.entry("shortfalls").or_default() += u64::from(event.as_a::<ShortfallReported>().is_some());
            }
            if Header::read(&stream.venue.message).is_some_and(|h| h.kind == AdvanceTime::KIND) {
                invariants::no_healthy_liquidation(stream.venue.state());
            }
        }
        let black = stream.venue.state().accounts.iter().filter(|a| a.state == AccountState::Black).count() as u64;
        *counts.entry("black at the end").or_default() += black;
    }
    told(&format!("{counts:?}"));
    assert!(counts["single slices"] > 100 && counts["pair slices"] > 3 && counts["ended"] > 50 && counts["deleveraged"] > 0);
}
