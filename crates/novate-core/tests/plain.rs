//! The short way of an evaluation and the long one come to the same to the unit, also where rows of the requirement nearly tie: what
//! is left out as surely smaller must be.

mod common;

use common::chance::Chance;
use common::stream::Stream;
use common::{length, told};
use novate_core::command::{ListDatedRow, OpenAccount};
use novate_core::margin::{Binding, Change, Level, Plain, Portfolio, Question, evaluate};
use novate_core::order::Side;
use novate_core::state::State;
use std::collections::BTreeMap;

/// Names beside those of the standard venue.
const NAMES: u32 = 14;
/// Evaluations of one venue.
const ACCOUNTS: u32 = 400;

/// A venue with prices, and an account with cash alone: the last one.
fn start() -> State {
    let mut stream = Stream::new(1);
    stream.venue.send(10, &OpenAccount { owner: 11 });
    stream.deposit(10, 1, 1_000_000_000_000);
    stream.venue.state().clone()
}

/// The same with more names, each a copy of the first with its own beta, sector, gap group and price, and with dated
/// rows that differ by a few ppm from each other and from the grid.
fn venue(start: &State, chance: &mut Chance) -> State {
    let mut state = start.clone();
    let perp = state.markets.iter().flatten().find(|m| m.is_perp()).expect("a perp").clone();
    let name = state.known_underlying(perp.terms.underlying).clone();
    // Names that differ in nothing cancel out where gains count in full: then roundings decide which row leads.
    let twins = chance.one_in(3);
    // Nor those nearly alike, whose smaller moves round apart; moves of three times a price round most.
    let alike = !twins && chance.one_in(3);
    let size = if chance.one_in(4) { 3_000_000 } else { name.terms.shock_down_ppm };
    if twins || alike {
        state.buckets.iter_mut().flatten().for_each(|b| b.terms.gain_ppm = 1_000_000);
    }
    let seldom = i64::from(chance.one_in(3));
    // The tail is a part of the full move; nearly all of it, its roundings may lead.
    state.venue.as_mut().expect("a venue").tail_weight_ppm = chance.pick(&[350_000, 450_000, 497_000, 499_990]);
    for _ in 0..NAMES {
        let (mut name, mut perp) = (name.clone(), perp.clone());
        name.terms.underlying = state.underlyings.len() as u32;
        perp.terms.market = state.markets.len() as u32;
        perp.terms.underlying = name.terms.underlying;
        (name.terms.shock_down_ppm, name.terms.shock_up_ppm) = (size, size);
        if alike {
            (name.terms.beta_ppm, name.terms.bucket, name.terms.sector) = (1_000_000, chance.range(1, 1 + seldom) as u32, chance.range(1, 2) as u32);
            (name.terms.shock_down_ppm, name.terms.shock_up_ppm) = (size + chance.range(-3, 3), size + chance.range(-3, 3));
        } else if !twins {
            name.terms.beta_ppm = if size > 1_000_000 { chance.range(3, 13) } else { chance.range(3, 25) } * 100_000;
            (name.terms.bucket, name.terms.sector) = (chance.range(1, 2 + seldom) as u32, chance.range(1, 4) as u32);
            name.terms.shock_up_ppm = chance.pick(&[size, size * 8 / 9, size]);
        }
        name.terms.gap_group = chance.range(1, 6) as u32;
        (name.perps, name.assets, name.spots) = (vec![perp.terms.market], Vec::new(), Vec::new());
        state.underlyings.push(Some(name));
        state.markets.push(Some(perp));
    }
    // A move near the shock of the copied names, up and down, each a few ppm from the last: rows lead by cents, or tie.
    let near = state.known_underlying(state.underlyings.len() as u32 - 1).terms.shock_down_ppm;
    let buckets = state.buckets.len() - 1;
    let larger: &[i64] = if near > 1_000_000 { &[1] } else { &[1, 1, 1, 2] };
    state.dated_rows.clear();
    for row in 0..chance.range(8, 16) as u32 {
        let moves_ppm = (0..buckets).map(|_| chance.pick(&[1, -1]) * (near + chance.range(-3, 3)) * chance.pick(larger) / chance.pick(&[1, 1, 2])).collect();
        state.dated_rows.push(ListDatedRow { row: row + 1, date: String::new(), moves_ppm });
    }
    state.rebuild_dated_moves();
    // A name's own days may be a little off its bucket's.
    if chance.one_in(3) {
        let days = state.underlyings.iter_mut().flatten().flat_map(|u| &mut u.dated_ppm);
        days.for_each(|day| *day += if *day == 0 { 0 } else { chance.range(-25, 25) });
    }
    state
}

/// Gives the account random positions in some of the perps, from one lot to millions of dollars; now and then its long and its
/// short side nearly cancel out.
fn hold(state: &mut State, account: u32, chance: &mut Chance) {
    let perps: Vec<u32> = state.markets.iter().flatten().filter(|m| m.is_perp()).map(|m| m.terms.market).collect();
    let held = chance.range(1, perps.len() as i64) as usize;
    let (bits, alike) = (chance.range(1, 22), chance.one_in(3));
    state.accounts[account as usize].positions.clear();
    for n in 0..held {
        let market = chance.pick(&perps);
        let lots = if alike { 1 << bits } else { chance.range(1, 1 << bits) };
        let position = state.accounts[account as usize].position_mut(market);
        position.lots = if n % 2 == 0 { lots } else { -lots };
        position.cost = chance.range(-1_000_000_000, 1_000_000_000);
    }
}

#[test]
fn both_ways_agree_where_rows_nearly_tie() {
    let (mut counts, mut small) = (BTreeMap::<&str, u64>::new(), 0);
    let start = start();
    let account = start.accounts.len() as u32 - 1;
    for seed in 0..60 * length() {
        let mut chance = Chance::new(seed);
        let mut state = venue(&start, &mut chance);
        let (mut plain, mut portfolio) = (Plain::default(), Portfolio::default());
        for n in 0..ACCOUNTS {
            hold(&mut state, account, &mut chance);
            let market = state.accounts[account as usize].positions[0].market;
            let index = state.index_ticks(state.known_market(market));
            let order = Change::Order { market, side: Side::Ask, price: index - 3, lots: chance.range(1, 5_000) };
            let level = chance.pick(&Level::ALL);
            let question = Question { changes: if n % 4 == 0 { &[order] } else { &[] }, ..Question::at(level) };
            let long = evaluate(&state, account, &question, &mut portfolio);
            let short = plain.evaluate(&state, account, &question).expect("an account of cash and perps");
            assert_eq!(short, long, "seed {seed}, account {n}: {:?}", state.accounts[account as usize].positions);
            *counts.entry(match long.binding {
                Binding::None => "none",
                Binding::Grid { .. } => "grid",
                Binding::Dated { .. } => "dated",
            }).or_default() += 1;
            small += u64::from(long.terms.sr > 0 && long.terms.sr < 100);
        }
    }
    told(&format!("both ways of an evaluation: {counts:?} bind, {small} of less than a hundred millionths of a dollar"));
    assert!(counts["grid"] > 500 && counts["dated"] > 500 && small > 20, "{counts:?}, {small}");
}
