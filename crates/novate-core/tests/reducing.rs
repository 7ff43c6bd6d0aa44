//! What counts as reducing, against brute force: whatever part of each order fills, R at initial is not higher and Excess at
//! maintenance, fees paid, not lower.

mod common;

use common::stream::Stream;
use common::{length, told};
use novate_core::context::{Context, Scratch};
use novate_core::event::EventWriter;
use novate_core::margin::{Change, Level, Question};
use novate_core::order::Side;
use novate_core::reducing::{Fill, Unfilled, all_reduce};

/// One to six orders of an account, most of them against what it holds.
fn orders(s: &mut Stream, account: u64) -> Vec<Fill> {
    let index = s.venue.index(account) as usize;
    let markets: Vec<u32> = (1..=5).collect();
    (0..s.chance.range(1, 6)).filter_map(|_| {
        let market = s.chance.pick(&markets);
        let state = s.venue.engine.state();
        let listed = state.known_market(market);
        let held = if listed.is_perp() {
            state.accounts[index].lots(market)
        } else {
            state.accounts[index].balance(listed.terms.base).map_or(0, |b| b.pledged / listed.terms.lot_size)
        };
        let ticks = state.index_ticks(listed);
        let side = if (held > 0) == (s.chance.range(0, 9) < 9) { Side::Ask } else { Side::Bid };
        let most = (held.abs() / s.chance.range(1, 4)).min(1_000_000);
        let price = (ticks + ticks * s.chance.range(-3_000, 3_000) / 1_000_000).max(1);
        (most > 0).then(|| Fill { market, side, lots: s.chance.range(1, most), price })
    }).collect()
}

const fn bare(level: Level, changes: &[Change]) -> Question<'_> {
    Question { orders: false, changes, ..Question::at(level) }
}

#[test]
fn whatever_fills_of_a_reducing_set_worsens_nothing() {
    let (mut sets, mut several, mut tried) = (0_u64, 0_u64, 0_u64);
    for seed in 60_000..60_000 + 60 * length() {
        let mut stream = Stream::new(seed);
        (0..300).for_each(|_| {
            stream.step();
        });
        for _ in 0..60 {
            let account = stream.chance.range(1, 8) as u64;
            let set = orders(&mut stream, account);
            if set.is_empty() {
                continue;
            }
            let (mut state, mut events, mut scratch) = (stream.venue.state().clone(), EventWriter::new(Vec::new()), Scratch::default());
            let mut cx = Context { state: &mut state, events: &mut events, scratch: &mut scratch };
            let index = cx.state.account(account).expect("it is open");
            let unfilled = Unfilled::of(&mut cx, index);
            if !all_reduce(&mut cx, index, &set, &unfilled) {
                continue;
            }
            sets += 1;
            several += u64::from(set.len() > 2);
            let (before, excess) = (cx.evaluate(index, &bare(Level::Initial, &[])).requirement, cx.evaluate(index, &bare(Level::Maintenance, &[])).excess());
            for _ in 0..40 {
                // A part of each: nothing, everything, or something between.
                let part = |fill: &Fill| match stream.chance.range(0, 3) {
                    0 => 0,
                    1 => fill.lots,
                    _ => stream.chance.range(0, fill.lots),
                };
                let mut parts = Vec::new();
                let mut part = part;
                for fill in &set {
                    let lots = part(fill);
                    if lots > 0 {
                        parts.push(Change::Trade { market: fill.market, lots: fill.side.sign() * lots, price: fill.price });
                    }
                }
                tried += 1;
                let after = cx.evaluate(index, &bare(Level::Initial, &parts)).requirement;
                let left = cx.evaluate(index, &bare(Level::Maintenance, &parts)).excess();
                // A unit per rounded term.
                assert!(after <= before + 40, "seed {seed}, account {account}: R {before} to {after} by {parts:?} of {set:?}");
                assert!(left + 40 >= excess, "seed {seed}, account {account}: excess {excess} to {left} by {parts:?} of {set:?}");
            }
        }
    }
    told(&format!("{sets} reducing sets, {several} of three orders and more, {tried} partial fills"));
    assert!(sets > 500 && several > 50);
}
