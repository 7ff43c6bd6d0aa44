//! A look at all accounts finds of each what the long way finds of it alone, however many threads share the work.

mod common;

use common::stream::Stream;
use novate_core::margin::everyone::in_threads;
use novate_core::margin::{Level, Plain, Portfolio, Question, evaluate, everyone};
use novate_core::query;

#[derive(serde::Deserialize)]
struct Line {
    account: u64,
}

/// Accounts beside those that trade.
const IDLE: u64 = 9_000;

#[test]
fn any_number_of_threads_finds_what_the_long_way_finds() {
    let mut stream = Stream::new(3);
    (0..600).for_each(|_| drop(stream.step()));
    let state = stream.venue.state();
    assert!(state.accounts.iter().any(|a| a.balances.iter().any(|b| b.pledged != 0 && !state.known_asset(b.asset).is_stablecoin())), "somebody has no short way");
    let mut portfolio = Portfolio::default();
    let initial = Question::at(Level::Initial);
    assert!((0..state.accounts.len() as u32).any(|a| Plain::default().evaluate(state, a, &initial).is_some()), "and somebody has one");
    let alone: Vec<_> = (0..state.accounts.len() as u32).map(|a| Level::ALL.map(|level| evaluate(state, a, &Question::at(level), &mut portfolio))).collect();
    for threads in [1, 2, 3, 5, alone.len() as u32 - 1, alone.len() as u32, alone.len() as u32 + 4] {
        let found = in_threads(state, threads, &|evaluator, a, found| found.push(Level::ALL.map(|level| evaluator.evaluate(state, a, &Question::at(level)))));
        assert_eq!(found, alone, "{threads} threads");
    }
}

#[test]
fn everyone_comes_in_the_order_of_their_opening() {
    let mut stream = Stream::new(3);
    for account in 1_000..1_000 + IDLE {
        stream.venue.send(account, &novate_core::command::OpenAccount { owner: account as u32 });
    }
    let state = stream.venue.state();
    let ids = everyone(state, |_, at| state.accounts[at as usize].id);
    assert_eq!(ids, state.accounts.iter().map(|a| a.id).collect::<Vec<_>>());
    let answer = query::answer(state, &[0x91, 1]).expect("the question about all accounts");
    let lines: Vec<Line> = rmp_serde::from_slice(&answer).expect("a line each");
    assert_eq!(lines.iter().map(|l| l.account).collect::<Vec<_>>(), ids);
}
