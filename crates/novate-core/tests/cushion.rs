//! The short way and the long way come to the same: a venue that takes most orders from its accounts' cushions, and one that
//! evaluates every order, over random streams in which orders prevail. Same events, same state, after every step.

mod common;

use common::stream::Stream;
use common::venue::{STANDARD, Venue};
use common::wire::Event;
use common::{length, told, wire};
use novate_core::codec::{Body, Header};
use novate_core::command::{AmendOrder, CancelOrder, OpenAccount, PlaceOrder};
use novate_core::order::Side;
use novate_core::units::SECOND;
use novate_core::margin::{Change, Level, Plain, Portfolio, Question, cushion, evaluate};

/// Owners with one account and cash alone, beside the stream's own: dollars of each.
const PLAIN: [i64; 6] = [2_000, 5_000, 10_000, 20_000, 60_000, 500_000];
/// The first of them, after the stream's nine.
const FIRST: u64 = 10;

fn with_plain_accounts(seed: u64) -> Stream {
    let mut stream = Stream::new(seed);
    for (at, dollars) in PLAIN.into_iter().enumerate() {
        stream.venue.send(FIRST + at as u64, &OpenAccount { owner: 11 + at as u32 });
        stream.deposit(FIRST + at as u64, 1, dollars * 1_000_000);
    }
    stream
}

/// An order of a plain account or a maker in a perp: small ones, and ones at the edge of what it has left.
fn perp_order(s: &mut Stream) -> Vec<Event> {
    let plain: Vec<u64> = (FIRST..FIRST + PLAIN.len() as u64).collect();
    let maker = s.chance.one_in(3);
    let account = if maker { s.chance.pick(&[7, 8]) } else { s.chance.pick(&plain) };
    if !maker && s.chance.one_in(8) {
        return s.cancel_or_amend(account);
    }
    let (market, side) = (s.chance.pick(&[1, 1, 3, 5]), s.chance.range(0, 1) as u8);
    let room = (s.venue.excess(account, Level::Initial).clamp(0, 1 << 50) / 1_000_000) as i64;
    let state = s.venue.state();
    let listed = state.known_market(market);
    let (index, unit) = (state.index_ticks(listed), listed.unit);
    let dollars = match s.chance.range(0, 5) {
        _ if maker => s.chance.range(2_000, 40_000),
        0 => room * s.chance.range(3, 7),
        _ => room / s.chance.range(2, 60) + 1,
    };
    let away = s.chance.range(-3_000, 3_000) + if maker { 1_000 * (2 * i64::from(side) - 1) } else { 0 };
    let price = (index + index * away / 1_000_000).max(1);
    let lots = (dollars * 1_000_000 / (price * unit).max(1)).max(1);
    let (kind, time_in_force) = s.chance.pick(&[(0, 0), (0, 0), (0, 1), (1, 1)]);
    let price = if kind == 1 { 0 } else { price };
    s.venue.send(account, &PlaceOrder { market, side, kind, time_in_force, flags: 0, price, lots, client_id: [0; 16] })
}

/// Nobody is believed to have more left than he has; returns how many accounts something is believed of.
fn bounds_hold(stream: &Stream) -> usize {
    let known = |account: &u64| cushion::known(stream.venue.state(), stream.venue.index(*account)).map(|left| (*account, left));
    let all: Vec<(u64, i128)> = (FIRST..FIRST + PLAIN.len() as u64).filter_map(|account| known(&account)).collect();
    for &(account, left) in &all {
        let excess = stream.venue.excess(account, Level::Initial);
        assert!(left <= excess, "account {account}: {left} believed to be left of {excess}");
    }
    all.len()
}

/// Every account that has a short way is evaluated to the same by it, at all levels, with and without orders and with one more;
/// returns how many evaluations that were.
fn short_ways_agree(stream: &Stream) -> u64 {
    let (state, mut plain, mut portfolio, mut counted) = (stream.venue.state(), Plain::default(), Portfolio::default(), 0);
    for account in 0..state.accounts.len() as u32 {
        let market = account % 3 + 1;
        let perp = state.markets.get(market as usize).and_then(Option::as_ref).is_some_and(|m| m.is_perp());
        let index = state.index_ticks(state.known_market(market));
        let sides = [(Side::Bid, index + index / 50), (Side::Ask, index - index / 50), (Side::Bid, index / 2)];
        let changes = sides.map(|(side, price)| Change::Order { market, side, price, lots: 7 });
        for level in Level::ALL {
            for (orders, changes) in [(true, &[][..]), (false, &[][..]), (true, if perp { &changes[..] } else { &[][..] })] {
                let question = Question { orders, changes, ..Question::at(level) };
                if let Some(short) = plain.evaluate(state, account, &question) {
                    assert_eq!(short, evaluate(state, account, &question, &mut portfolio), "account {account}, {question:?}");
                    counted += 1;
                }
            }
        }
    }
    counted
}

/// Runs streams in which one step of so many is no order of a plain account; returns commands, orders, and those orders and checks
/// that needed no evaluation, and evaluations that were made both ways.
fn compare(seeds: std::ops::Range<u64>, others: u64) -> [u64; 5] {
    let mut counts = [0; 5];
    for seed in seeds {
        let mut stream = with_plain_accounts(seed);
        let mut exact = stream.venue.engine.clone();
        exact.evaluate_always();
        for n in 0..600 {
            stream.venue.kept = Some(Vec::new());
            if stream.chance.one_in(others) { stream.step().events } else { perp_order(&mut stream) };
            for (message, short) in stream.venue.kept.take().unwrap_or_default() {
                let mut long = Vec::new();
                exact.apply(&message, &mut long).expect("the same message");
                assert_eq!(wire::events(&long), short, "seed {seed}, step {n}: other events");
                counts[0] += 1;
                let kind = Header::read(&message).expect("a header").kind;
                counts[1] += u64::from([PlaceOrder::KIND, CancelOrder::KIND, AmendOrder::KIND].contains(&kind));
            }
            bounds_hold(&stream);
            if n % 20 == 0 {
                counts[4] += short_ways_agree(&stream);
            }
            assert_eq!(exact.state_hash(), stream.venue.engine.state_hash(), "seed {seed}, step {n}: another state");
        }
        counts[2] += stream.venue.engine.orders_spared();
        counts[3] += stream.venue.engine.checks_spared();
        assert_eq!((exact.orders_spared(), exact.checks_spared()), (0, 0));
    }
    counts
}

#[test]
fn nothing_depends_on_a_cushion() {
    let [commands, orders, spared, checks, both] = compare(90_000..90_000 + 30 * length(), 20);
    told(&format!("{commands} commands, {orders} of them orders, {spared} of these and {checks} checks without an evaluation, the same with and without cushions; {both} evaluations both ways"));
    assert!(orders * 3 > commands * 2 && spared * 10 > orders && both > 1_000);
}

#[test]
fn nothing_depends_on_how_far_prices_may_move() {
    let [commands, orders, spared, checks, both] = compare(95_000..95_000 + 30 * length(), 2);
    told(&format!("{commands} commands, {orders} of them orders, {spared} of these and {checks} checks without an evaluation, the same with and without cushions; {both} evaluations both ways"));
    assert!(checks * 20 > commands && both > 1_000);
}

/// After a change of terms, moves of a market count only from its first price on: who came to hold something there before does not
/// know what it lost by that price.
#[test]
fn nothing_is_believed_across_a_price_that_was_not_noted() {
    for (side, moved, dollars) in [(0, 272_000_000, 400_000), (1, 2_040_000_000, 150_000)] {
        across_a_price(side, moved, dollars);
    }
}

fn across_a_price(side: u8, moved: i64, dollars: i64) {
    let mut stream = with_plain_accounts(1);
    let account = FIRST + 5;
    let order = |s: &mut Stream, market: u32, dollars: i64| {
        let listed = s.venue.state().known_market(market);
        let (price, unit) = (s.venue.state().index_ticks(listed), listed.unit);
        let wish = PlaceOrder { market, side, kind: 0, time_in_force: 0, flags: 0, price, lots: dollars * 1_000_000 / (price * unit), client_id: [0; 16] };
        let events = s.venue.send(account, &wish);
        assert_eq!(events.iter().find_map(|e| e.refusal().map(|r| format!("{r:?}"))), None);
        events
    };
    let first = order(&mut stream, 3, 1_000);
    let placed = first.iter().find_map(common::wire::Event::as_a::<novate_core::event::OrderPlaced>).expect("it rests").order;
    stream.venue.send(account, &CancelOrder { order: placed, client_id: [0; 16] });
    // One of three sources alone moves no index; the second one will, with the first post of the era.
    stream.venue.quote(2, 1, moved, 1_000_000);
    stream.venue.tell("SetSession underlying=1 session=2 next_session=2");
    order(&mut stream, 1, 1_000);
    stream.venue.price(1, 180_100_000);
    order(&mut stream, 1, 1_000);
    order(&mut stream, 3, dollars);
    assert_eq!(bounds_hold(&stream), 1);
    let before = stream.venue.excess(account, Level::Initial);
    stream.venue.quote(2, 2, moved, 1_000_000);
    assert!(stream.venue.excess(account, Level::Initial) < before - 10_000_000_000);
    bounds_hold(&stream);
    order(&mut stream, 1, 1_000);
    bounds_hold(&stream);
}

/// Ten NVDA bid at 102 where all prices are 100, with a fee of 0.357: 40.6 % (the day of 2025 12.6, gap 6, twice the basis 2, exit 10,
/// crowd 10) of what a lot and the smallest part of a share are worth, 1.000001 a lot, and three times the distance and the fee. A coin
/// with more decimals asks for the same.
#[test]
fn a_bound_is_the_same_in_any_coin() {
    let mut venue = Venue::standard();
    let like = |name: &str| STANDARD.lines().find(|l| l.contains(&format!(" name={name} "))).expect("a listing");
    venue.tell(&format!("{} asset=9 name=USDF decimals=8", like("USDC")));
    venue.tell(&format!("{} market=9 name=NVDA-USDF quote=9", like("NVDA-PERP")));
    let bounds = |venue: &Venue, price: i64, lots: i64, fee: i64| {
        let mut state = venue.state().clone();
        let each = [(1, fee), (9, fee * 100)].map(|(market, fee)| cushion::most(&mut state, market, lots, price, fee));
        assert_eq!(each[0], each[1], "{lots} lots at {price}, a fee of {fee}");
        each[0]
    };
    assert_eq!(bounds(&venue, 10_200, 1_000, 357_000), None, "no price, no bound");
    venue.price(1, 100_000_000);
    assert_eq!(bounds(&venue, 10_200, 1_000, 357_000), Some(467_071_609));
    // Index and stable price apart: of every lot that too, three times.
    venue.advance(SECOND);
    venue.price(1, 104_000_000);
    let (long, short) = venue.state().known_underlying(1).price.initial_prices(false);
    assert!(long < short);
    for (price, lots, fee) in [(10_000, 1_000_i64, 357_000), (10_200, -1_000, 0), (9_000, 3, 94), (11_700, 70_000, 1)] {
        let spread = 3 * i128::from(short - long) * i128::from(lots.abs()) / 100;
        assert!(bounds(&venue, price, lots, fee).is_some_and(|most| most > spread));
    }
}
