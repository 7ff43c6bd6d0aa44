//! The margin rule alone: one pre-trade evaluation, a full re-margin of many accounts, and the venue's look at all of them after a price.

use crate::figures::{Figures, peak_mib};
use crate::venue::{self, Encoder, INDEX_TICKS};
use novate_core::account::AccountState;
use novate_core::command::AdvanceTime;
use novate_core::engine::Engine;
use novate_core::margin::{Change, Evaluator, Level, Question, cushion, everyone, liquidity};
use novate_core::order::Side;
use std::hint::black_box;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Instant;

/// Underlyings listed for the re-margin.
const LISTED: u32 = 64;
/// Positions of each of its accounts.
const POSITIONS: u32 = 10;

fn engine(accounts: u32, listed: u32, held: u32) -> Engine {
    let mut to = Encoder::default();
    venue::list(&mut to, listed);
    venue::open(&mut to, accounts);
    // Neighbours hold the same markets, so that each has a counterpart; every pair starts at another market.
    venue::seed(&mut to, accounts, |account| (0..held).map(|m| ((account - 1) / 2 * 7 + m) % listed + 1).collect());
    venue::build(&to.bytes).expect("the set-up is valid")
}

/// The pre-trade check of an order against accounts that hold `underlyings`: nanoseconds per evaluation.
pub fn check(underlyings: u32, reps: usize) -> String {
    let accounts = 1_000;
    let engine = engine(accounts, underlyings.max(8), underlyings);
    let state = engine.state();
    let mut memory = Evaluator::default();
    let mut ask = |account: u32| {
        let market = account % underlyings + 1;
        let new = Change::Order { market, side: Side::Bid, price: INDEX_TICKS, lots: 100 };
        let question = Question { changes: &[new], ..Question::at(Level::Initial) };
        black_box(memory.evaluate(state, account, black_box(&question)).excess())
    };
    let (mut times, mut means, mut below) = (Vec::new(), Vec::new(), 0);
    for _ in 0..reps * 10 {
        let start = Instant::now();
        for account in 0..accounts {
            below += u32::from(ask(account) < 0);
        }
        means.push(start.elapsed().as_nanos() as f64 / f64::from(accounts));
        for account in 0..accounts {
            let start = Instant::now();
            ask(account);
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    let means = Figures::of(means);
    format!(
        "{{\"peer\":\"novate margin\",\"underlyings\":{underlyings},\"dated_rows\":{},\"below\":{below},\"bulk_ns_median\":{:.1},\"bulk_ns_min\":{:.1},\"bulk_ns_max\":{:.1},{}}}",
        state.dated_rows.len(),
        means.at(0.5),
        means.at(0.0),
        means.at(1.0),
        Figures::of(times).percentiles()
    )
}

/// The check of an order as the engine makes it between two prices, from what accounts that hold `underlyings` surely have left:
/// nanoseconds an order. Orders are small, so that all fit; what is left of every account is worked out before the clock starts.
pub fn order(underlyings: u32, reps: usize) -> String {
    let accounts = 1_000;
    let engine = engine(accounts, underlyings.max(8), underlyings);
    let (mut state, mut memory, mut means) = (engine.state().clone(), Evaluator::default(), Vec::new());
    state.lull.begin(true, state.now);
    let markets: Vec<u32> = state.accounts.iter().map(|a| a.positions[a.id as usize % a.positions.len()].market).collect();
    let market_of = |account: u32| markets[account as usize];
    let growth = 100_000_000;
    for account in 0..accounts {
        let excess = memory.evaluate(&state, account, &Question::at(Level::Initial)).excess();
        cushion::keep(&mut state, account, excess, None);
        let owner = state.accounts[account as usize].owner;
        liquidity::store(&mut state, owner, market_of(account), (0, 10 * growth));
        cushion::remember_size(&mut state, account, market_of(account));
    }
    for _ in 0..reps * 10 {
        let (start, mut spared) = (Instant::now(), 0);
        for account in 0..accounts {
            spared += u32::from(cushion::spares(&mut state, account, black_box(market_of(account)), (INDEX_TICKS, 100, 50_000), growth));
        }
        means.push(start.elapsed().as_nanos() as f64 / f64::from(accounts));
        assert_eq!(spared, accounts, "every order fits what is left");
    }
    let means = Figures::of(means);
    format!(
        "{{\"peer\":\"novate order\",\"underlyings\":{underlyings},\"order_ns_median\":{:.1},\"order_ns_min\":{:.1},\"order_ns_max\":{:.1}}}",
        means.at(0.5),
        means.at(0.0),
        means.at(1.0)
    )
}

/// Requirement and equity of every account anew, on the cores that this process may use: milliseconds.
pub fn rebuild(accounts: u32, reps: usize) -> String {
    let engine = engine(accounts, LISTED, POSITIONS);
    let state = engine.state();
    let (mut times, mut sum) = (Vec::new(), 0_i128);
    for _ in 0..reps {
        let start = Instant::now();
        let found = everyone(state, |evaluator, account| evaluator.evaluate(state, account, &Question::at(Level::Initial)).requirement);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        sum += found.iter().sum::<i128>();
    }
    let times = Figures::of(times);
    let per_million = times.at(0.5) * 1e6 / f64::from(accounts);
    let positions: usize = state.accounts.iter().map(|a| a.positions.len()).sum();
    format!(
        "{{\"peer\":\"novate rebuild\",\"accounts\":{accounts},\"positions\":{positions},\"cores\":{},\"ms_median\":{:.1},\"ms_min\":{:.1},\"ms_max\":{:.1},\"ms_per_million\":{per_million:.1},\"rss_mib\":{},\"check\":{}}}",
        available_parallelism().map_or(1, NonZero::get),
        times.at(0.5),
        times.at(0.0),
        times.at(1.0),
        peak_mib(),
        sum / i128::from(reps as i64)
    )
}

/// A price moves, and every account is looked at: milliseconds until nobody is left, with what accounts surely have left and
/// without. The venue's own way, through commands.
pub fn sweep(accounts: u32, reps: usize) -> String {
    let mut engine = engine(accounts, LISTED, POSITIONS);
    let mut exact = engine.clone();
    exact.evaluate_always();
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for at in 0..=reps as i64 {
        // A quarter of a percent up and down again.
        let price = INDEX_TICKS * 10_000 + if at % 2 == 0 { 2_500_000 } else { 0 };
        for (engine, times) in [(&mut engine, &mut short), (&mut exact, &mut long)] {
            let milliseconds = move_price(engine, price);
            if at > 0 {
                times.push(milliseconds);
            }
        }
    }
    let (short, long, same) = (Figures::of(short), Figures::of(long), engine.state_hash() == exact.state_hash());
    let breached = engine.state().accounts.iter().filter(|a| a.state != AccountState::Green).count();
    format!(
        "{{\"peer\":\"novate sweep\",\"accounts\":{accounts},\"positions\":{POSITIONS},\"breached\":{breached},\"checks_spared\":{},\"totals_ok\":{same},\"hash_ok\":{same},\"ms_median\":{:.2},\"ms_min\":{:.2},\"ms_max\":{:.2},\"full_ms_median\":{:.2},\"full_ms_min\":{:.2},\"full_ms_max\":{:.2}}}",
        engine.checks_spared(),
        short.at(0.5),
        short.at(0.0),
        short.at(1.0),
        long.at(0.5),
        long.at(0.0),
        long.at(1.0),
    )
}

/// Posts a price of the first underlying and lets time pass until the sweep is through.
fn move_price(engine: &mut Engine, price: i64) -> f64 {
    let mut to = Encoder { sequence: engine.sequence(), ..Encoder::default() };
    let mut events = Vec::new();
    to.put(0, &venue::price(1, price, to.sequence));
    let start = Instant::now();
    engine.apply(&to.bytes, &mut events).expect("whole messages");
    loop {
        to.bytes.clear();
        to.put(0, &AdvanceTime {});
        engine.apply(&to.bytes, &mut events).expect("whole messages");
        if engine.state().sweep_left == 0 {
            return start.elapsed().as_secs_f64() * 1e3;
        }
    }
}
