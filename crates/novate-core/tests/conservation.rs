//! Money over random streams: whatever the commands, nothing is made and nothing is lost, and the state is the same
//! through a snapshot, through a fork, and after a refusal.

mod common;

use common::stream::Stream;
use common::{invariants, length, told};
use novate_core::codec::{HEADER, Header};
use novate_core::engine::Engine;
use novate_core::event::{BreakOpened, ExecutionCarried, RequestReserved, RequestReturned, TokensIssued, TokensRedeemed};
use std::collections::BTreeMap;

const STREAMS: u64 = 150;
const STEPS: u64 = 1_000;

#[test]
fn every_invariant_holds_after_every_command() {
    let (mut commands, mut seen) = (0, BTreeMap::<u16, u64>::new());
    // Six million commands in the long run.
    for seed in 0..STREAMS * length().min(20) {
        let mut stream = Stream::new(seed);
        for _ in 0..STEPS {
            let first = stream.venue.engine.sequence();
            let step = stream.step();
            commands += stream.venue.engine.sequence() - first;
            step.events.iter().for_each(|e| *seen.entry(e.header.kind).or_default() += 1);
            invariants::hold(&stream.venue);
            invariants::liquidation::told(&step.events);
        }
    }
    told(&format!("{commands} commands, invariants after each step; events by type: {seen:?}"));
    for kind in [128, 129, 130, 131, 132, 165, 168, 169, 174, 175, 176, 177, 178, 179, 181, 450, 451, 452, 453, 454, 455, 456, 457, 458, 459, 460, 461, 753, 755, 756, 757, 758, 759, 760, 761, 762, 765, 766, 767, 1080, 1253, 851, 854, 855, 858, 862, 865, 866] {
        assert!(seen.contains_key(&kind), "the streams never caused an event of type {kind}");
    }
}

/// A snapshot at a random moment, and a fork, continue to the same hash as the venue that never stopped.
#[test]
fn a_restored_and_a_forked_venue_continue_alike() {
    let mut cases = 0;
    for seed in 1_000..1_000 + 12 * length() {
        let mut stream = Stream::new(seed);
        let mut copies: Vec<Engine> = Vec::new();
        for n in 0..400 {
            let first = stream.venue.engine.sequence();
            let place = stream.chance.one_in(100) || n == 50;
            if place {
                let bytes = stream.venue.engine.snapshot();
                copies = vec![Engine::restore(&bytes).expect("its own snapshot"), stream.venue.engine.clone()];
                assert_eq!(copies[0].snapshot(), bytes, "a restored venue writes the same bytes");
                cases += 1;
            }
            stream.step();
            // Only steps of one command can be repeated from the last message alone.
            if stream.venue.engine.sequence() != first + 1 {
                copies.clear();
            }
            for copy in &mut copies {
                let mut out = Vec::new();
                copy.apply(&stream.venue.message, &mut out).expect("the same message");
                assert_eq!(copy.state_hash(), stream.venue.engine.state_hash(), "seed {seed}, step {n}");
            }
        }
    }
    told(&format!("{cases} snapshots continued"));
}

/// A refused command changes what a meaningless command changes: sequence, time, and the refusal's own number.
#[test]
fn a_refusal_leaves_no_trace() {
    let (mut refusals, mut numbers) = (0, BTreeMap::<u16, u32>::new());
    for seed in 2_000..2_000 + 25 * length() {
        let mut stream = Stream::new(seed);
        for n in 0..400 {
            let mut twin = stream.venue.engine.clone();
            stream.step();
            if stream.venue.engine.sequence() != twin.sequence() + 1 {
                continue;
            }
            let header = Header::read(&stream.venue.message).expect("a header");
            let mut again = Vec::new();
            twin.clone().apply(&stream.venue.message, &mut again).expect("the same message");
            let Some(number) = common::wire::events(&again).last().and_then(common::wire::Event::refusal) else { continue };
            let mut nonsense = Vec::new();
            Header { kind: 9_999, length: HEADER as u32, ..header }.write(&mut nonsense);
            twin.apply(&nonsense, &mut Vec::new()).expect("a header alone");
            assert_eq!(twin.state_hash(), stream.venue.engine.state_hash(), "seed {seed}, step {n}: refusal {number} left a trace");
            refusals += 1;
            *numbers.entry(number).or_default() += 1;
        }
    }
    told(&format!("{refusals} refusals left no trace: {numbers:?}"));
    assert!(numbers.len() > 20, "the streams meet many rules");
}

/// Brokers that repeat, contradict, take back and vanish: what a request held came back, paid for tokens, or was burned, to the
/// unit, and is counted once.
#[test]
fn no_request_loses_a_unit() {
    let (mut requests, mut fills, mut breaks, mut carried, mut lost) = (0, 0, 0, 0, 0_i128);
    for seed in 4_000..4_000 + 60 * length() {
        let mut stream = Stream::new(seed);
        // A split would count other units than were held.
        stream.actions = false;
        let mut held: BTreeMap<u64, (u8, i128)> = BTreeMap::new();
        for n in 0..500 {
            let account = stream.chance.pick(&[1, 2, 3, 4, 5, 6, 7, 8]);
            let events = if n % 5 == 0 { stream.step().events } else { stream.clearing_step(account).1 };
            for event in &events {
                let mut left = |request: u64, less: i64| held.get_mut(&request).expect("it was reserved").1 -= i128::from(less);
                if let Some(e) = event.as_a::<RequestReturned>() {
                    left(e.request, e.amount);
                } else if let Some(e) = event.as_a::<TokensIssued>() {
                    fills += 1;
                    left(e.request, if e.cost > 0 { e.cost + e.fee } else { 0 });
                } else if let Some(e) = event.as_a::<TokensRedeemed>() {
                    fills += 1;
                    left(e.request, e.units);
                    // In kind the fee is taken in tokens.
                    let in_kind = held[&e.request].0 == 3;
                    held.get_mut(&e.request).expect("it was reserved").1 -= if in_kind { i128::from(e.fee) } else { 0 };
                } else if let Some(e) = event.as_a::<RequestReserved>() {
                    requests += 1;
                    assert!(held.insert(e.request, (e.kind, i128::from(e.amount))).is_none(), "a request executes once");
                }
                breaks += u64::from(event.as_a::<BreakOpened>().is_some());
                carried += u64::from(event.as_a::<ExecutionCarried>().is_some());
            }
        }
        for (id, (_, left)) in held {
            let there = stream.venue.state().clearing.requests.get(&id).map_or(0, |r| i128::from(r.held));
            lost += (left - there).abs();
        }
    }
    told(&format!("{requests} requests with {fills} fills, {breaks} contradictions and {carried} executions taken back or failed: {lost} units lost"));
    assert_eq!(lost, 0);
    assert!(requests > 400 && fills > 400 && breaks > 500 && carried > 500);
}
