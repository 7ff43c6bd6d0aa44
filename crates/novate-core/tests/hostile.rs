//! Hostile numbers: whatever the fields say, the engine answers and its books stay true. A panic is a bug.

mod common;

use common::chance::Chance;
use common::stream::Stream;
use common::wire::{Definition, definitions, events};
use common::{invariants, length, told};
use novate_core::codec::{Header, VERSION};
use novate_core::command::OpenAccount;
use novate_core::engine::Engine;
use novate_core::lookahead::Lookahead;
use novate_core::open_orders::OpenOrders;
use novate_core::order::NIL;
use novate_core::snapshot;
use novate_core::state::State;

const EDGES: [i128; 16] = [
    0, 1, 2, 3, 5, 255, 1_000_000, 2_147_483_647, 4_294_967_295, 1 << 40, 1 << 53, (1 << 62) - 1, 1 << 62, i64::MAX as i128 / 4, i64::MAX as i128 - 1, i64::MAX as i128,
];

fn number(chance: &mut Chance, ty: &str) -> i128 {
    let small = i128::from(chance.range(0, 6));
    let any = if chance.one_in(2) { small } else { chance.pick(&EDGES) };
    let signed = if ty == "i64" && chance.one_in(4) { -any - i128::from(chance.one_in(2)) } else { any };
    match ty {
        "u8" => signed.rem_euclid(256),
        "u16" => signed.rem_euclid(65_536),
        "u32" => signed.rem_euclid(1 << 32),
        _ => signed.clamp(i128::from(i64::MIN), i128::from(i64::MAX)),
    }
}

/// Some command with random fields.
fn hostile(stream: &mut Stream, chance: &mut Chance, all: &[Definition]) {
    let definition = &all[chance.range(0, all.len() as i64 - 1) as usize];
    let fields: Vec<String> = definition.fields.iter().filter(|(_, ty)| !matches!(ty.as_str(), "String" | "[u8;16]" | "Bytes")).map(|(name, ty)| {
        if ty == "Vec<i64>" {
            return format!("{name}={},{},{}", number(chance, "i64"), number(chance, "i64"), number(chance, "i64"));
        }
        format!("{name}={}", number(chance, ty))
    }).collect();
    let account = chance.pick(&[0, 0, 1, 2, 7, 8, 9, u64::MAX]);
    let line = format!("{} {}", definition.name, fields.join(" "));
    let (kind, body) = common::wire::encode(&line).expect("a body");
    stream.venue.raw(Header { kind, account, version: VERSION, ..Header::default() }, &body);
}

/// Every command with random fields, near and at the ends of their types, between ordinary commands of a busy venue.
#[test]
fn no_field_can_break_the_engine() {
    let (mut commands, all) = (0, definitions());
    for seed in 0..60 * length() {
        let mut stream = Stream::new(seed);
        let chance = &mut Chance::new(seed + 77);
        for n in 0..500 {
            if chance.one_in(3) {
                stream.step();
                continue;
            }
            hostile(&mut stream, chance, &all);
            commands += 1;
            if n % 16 == 0 {
                invariants::hold(&stream.venue);
            }
        }
        invariants::hold(&stream.venue);
    }
    told(&format!("{commands} hostile commands answered"));
}

/// In a venue that is large enough to be looked ahead in, a buffer comes to what its commands come to one by one, whatever they hold.
#[test]
fn looking_ahead_changes_nothing() {
    let orders: Vec<Definition> = definitions().into_iter().filter(|d| matches!(d.name.as_str(), "PlaceOrder" | "AmendOrder" | "CancelOrder")).collect();
    for seed in 0..4 * length() {
        let mut stream = Stream::new(seed);
        let chance = &mut Chance::new(seed + 99);
        for id in 1_000..1_000 + 16_384 / stream.venue.state().markets.len() as u64 + 1 {
            stream.venue.send(id, &OpenAccount { owner: id as u32 });
        }
        let mut engine = stream.venue.engine.clone();
        stream.venue.kept = Some(Vec::new());
        for _ in 0..600 {
            if chance.one_in(3) {
                hostile(&mut stream, chance, &orders);
            } else {
                stream.step();
            }
        }
        let (messages, answers): (Vec<_>, Vec<_>) = stream.venue.kept.take().expect("it was kept").into_iter().unzip();
        let (buffer, mut answer) = (messages.concat(), Vec::new());
        assert!(Lookahead::over(&buffer, engine.state()).is_some());
        engine.apply(&buffer, &mut answer).expect("whole messages");
        assert!(events(&answer) == answers.concat() && engine.state_hash() == stream.venue.engine.state_hash(), "seed {seed}");
    }
}

/// Time may jump by years.
#[test]
fn time_may_jump() {
    for seed in 0..10 {
        let mut stream = Stream::new(seed);
        (0..200).for_each(|_| {
            stream.step();
        });
        for years in [1, 30, 100] {
            stream.venue.advance(years * 365 * 86_400 * 1_000_000_000);
            invariants::hold(&stream.venue);
            stream.venue.advance(3_600_000_000_000);
            (0..50).for_each(|_| {
                stream.step();
            });
            invariants::hold(&stream.venue);
        }
        stream.venue.now = 7_258_118_400_000_000_000 - 10; // the last instants the engine takes
        stream.venue.advance(0);
        stream.venue.advance(9);
        invariants::hold(&stream.venue);
    }
}

/// Noise instead of a body.
#[test]
fn noise_is_refused() {
    let chance = &mut Chance::new(5);
    let mut stream = Stream::new(1);
    for _ in 0..20_000 {
        let kind = chance.range(0, 45) as u16;
        let body: Vec<u8> = (0..chance.range(0, 80)).map(|_| chance.next() as u8).collect();
        stream.venue.raw(Header { kind, account: chance.range(0, 9) as u64, version: VERSION, ..Header::default() }, &body);
    }
    invariants::hold(&stream.venue);
}

/// A digest says that bytes are as they were written, not that they are a venue: lists of orders that do not agree are refused.
#[test]
fn a_snapshot_of_torn_lists_is_refused() {
    let mut stream = Stream::new(3);
    let holders = |state: &State| -> Vec<usize> { (0..state.accounts.len()).filter(|&a| state.accounts[a].orders != NIL).collect() };
    while holders(stream.venue.state()).len() < 2 {
        stream.step();
    }
    let sound = stream.venue.state().clone();
    let (one, other) = (holders(&sound)[0], holders(&sound)[1]);
    type Tear = fn(&mut State, usize, usize);
    let tears: [(&str, Tear); 4] = [
        ("a list that begins nowhere", |s, one, _| s.accounts[one].orders = u32::MAX - 1),
        ("another's list", |s, one, other| s.accounts[one].orders = s.accounts[other].orders),
        ("a list left out", |s, one, _| s.accounts[one].orders = NIL),
        ("an account left out", |s, one, other| s.accounts.truncate(one.max(other))),
    ];
    for (what, tear) in tears {
        let mut torn = sound.clone();
        tear(&mut torn, one, other);
        assert!(Engine::restore(&snapshot::write(&torn)).is_err(), "{what}");
    }
    let restored = Engine::restore(&snapshot::write(&sound)).expect("a sound state");
    for (was, is) in sound.accounts.iter().zip(&restored.state().accounts) {
        for position in &was.positions {
            let (a, b) = (was.open_in(position.market), is.open_in(position.market));
            let totals = |o: &OpenOrders| [o.bids, o.asks].map(|s| (s.orders, s.lots, s.ticks_lots));
            assert_eq!(totals(a), totals(b), "account {} in {}", was.id, position.market);
        }
    }
}
