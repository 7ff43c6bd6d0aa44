//! Promises about packages and trades between accounts, over random streams.

mod common;

use common::stream::Stream;
use common::venue::Venue;
use common::wire::Event;
use common::{length, told};
use novate_core::codec::{Body, Header};
use novate_core::command::{Deposit, IOC, PlaceOrder, PlacePackage};
use novate_core::event::{BlockTraded, CancelReason, OrderCancelled, OrderFilled, PackageTraded};
use novate_core::legs::{self, Part};
use novate_core::margin::{Change, Level, Question};
use std::collections::BTreeMap;

const STREAMS: u64 = 40;
const STEPS: u64 = 400;
/// Enough for any package of the streams.
const PLENTY: i64 = 50_000_000_000_000;

/// A venue with more depth and more of this area's commands than usual: what was before, and the events of one command.
fn step(stream: &mut Stream) -> (Venue, Vec<Event>) {
    for _ in 0..stream.chance.range(0, 2) {
        let market = stream.chance.range(1, 5) as u32;
        stream.deepen(market);
    }
    let before = stream.venue.clone();
    let account = stream.chance.pick(&[1, 2, 3, 4, 5, 6, 7]);
    let events = if stream.chance.one_in(3) { stream.step().events } else { stream.trade_legs(account) };
    (before, events)
}

fn last_package(venue: &Venue) -> Option<(u64, PlacePackage)> {
    let header = Header::read(&venue.message)?;
    (header.kind == PlacePackage::KIND).then(|| (header.account, PlacePackage::take(&venue.message[48..]).expect("a package")))
}

/// The same venue with money that binds nothing; none while the venue takes no deposit, as inside a corporate action.
fn with_plenty(before: &Venue, account: u64) -> Option<Venue> {
    let mut rich = before.clone();
    let answer = rich.send(account, &Deposit { asset: 1, amount: PLENTY, reference: u64::MAX / 2 });
    answer.iter().all(|e| e.refusal().is_none()).then_some(rich)
}

fn parts_of(events: &[Event], account: u64) -> Vec<Part> {
    let fills = events.iter().filter(|e| e.header.account == account).filter_map(Event::as_a::<OrderFilled>).filter(|f| f.maker == 0);
    fills.map(|f| Part { market: f.market, lots: if f.side == 0 { f.lots } else { -f.lots }, price: f.price, fee: f.fee }).collect()
}

/// A package is taken exactly when its end state is margined: excess at initial on the state after it, less what CROWD asked
/// for, is not negative, or it reduced; one refused for margin, carried out on a fork where the account has plenty, would
/// have ended below.
#[test]
fn a_package_is_taken_exactly_when_its_end_state_is_margined() {
    let (mut taken, mut reducing, mut refused, mut whole, mut met) = (0, 0, 0, 0, BTreeMap::<u16, u32>::new());
    for seed in 9_000..9_000 + STREAMS * length() {
        let mut stream = Stream::new(seed);
        for n in 0..STEPS {
            let (before, events) = step(&mut stream);
            let Some((account, package)) = last_package(&stream.venue) else { continue };
            if stream.venue.engine.sequence() != before.engine.sequence() + 1 {
                continue;
            }
            let at = || format!("seed {seed}, step {n}: {package:?}");
            let index = before.index(account);
            let refusal = events.iter().find_map(Event::refusal);
            let bare = |level| Question { orders: false, ..Question::at(level) };
            *met.entry(refusal.unwrap_or(0)).or_default() += 1;
            match refusal {
                None => {
                    let traded = events.iter().find_map(Event::as_a::<PackageTraded>).expect("it says so");
                    assert!((package.least_units..=package.units).contains(&traded.units), "{}", at());
                    let asked: Vec<i64> = package.lots.iter().map(|l| l * traded.units).collect();
                    assert_eq!(traded.lots, asked, "all legs or none: {}", at());
                    whole += u64::from(traded.units == package.units);
                    let parts = parts_of(&events, account);
                    let crowd = legs::crowd_of(before.state(), index, &parts);
                    // Stage 0 may have cancelled other orders of the account; without orders is the weaker promise it keeps.
                    let after = stream.venue.evaluate(account, &bare(Level::Initial)).excess();
                    let lower = stream.venue.evaluate(account, &bare(Level::Initial)).requirement <= before.evaluate(account, &bare(Level::Initial)).requirement
                        && stream.venue.evaluate(account, &bare(Level::Maintenance)).excess() >= before.evaluate(account, &bare(Level::Maintenance)).excess();
                    assert!(after >= crowd || lower, "below initial by {} and not reducing: {}", after - crowd, at());
                    taken += 1;
                    reducing += u64::from(after < crowd);
                }
                Some(501 | 502) => {
                    let Some(mut rich) = with_plenty(&before, account) else { continue };
                    let answer = rich.send(account, &package);
                    if answer.iter().any(|e| e.refusal().is_some()) {
                        continue;
                    }
                    let crowd = legs::crowd_of(before.state(), index, &parts_of(&answer, account));
                    let poor = [Change::Balance { asset: 1, amount: -PLENTY }];
                    let end = rich.evaluate(account, &Question { changes: &poor, ..Question::at(Level::Initial) });
                    assert!(end.excess() < crowd, "its end state has {} more than {crowd}: {}", end.excess(), at());
                    refused += 1;
                }
                Some(_) => (),
            }
        }
    }
    told(&format!("{taken} packages taken ({whole} in full, {reducing} only because they reduce), {refused} refused for margin; answers {met:?}"));
    assert!(taken > 200 && refused > 20, "the streams reach both answers");
}

/// Where margin does not bind, a package is its legs, one after another, each an immediate order: the same money, the same
/// positions, the same books.
#[test]
fn a_package_is_its_legs_when_margin_does_not_bind() {
    let mut same = 0;
    for seed in 11_000..11_000 + STREAMS * length() {
        let mut stream = Stream::new(seed);
        for n in 0..STEPS {
            let (before, _) = step(&mut stream);
            let Some((account, package)) = last_package(&stream.venue) else { continue };
            let Some(mut whole) = with_plenty(&before, account) else { continue };
            if before.state().accounts[before.index(account) as usize].liquidation.is_some() {
                continue;
            }
            let mut apart = whole.clone();
            let wish = PlacePackage { least_units: package.units, limit_kind: 0, client_id: novate_core::codec::Bytes::new(), ..package };
            let answer = whole.send(account, &wish);
            if answer.iter().any(|e| e.refusal().is_some()) {
                continue;
            }
            // The ladder looks at makers after each command: between legs it may take out orders that a package would meet.
            let disturbed = |events: &[Event]| events.iter().filter_map(Event::as_a::<OrderCancelled>).any(|c| c.reason >= CancelReason::BelowInitial as u8);
            let mut complete = !disturbed(&answer);
            for ((&market, &lots), &price) in wish.markets.iter().zip(&wish.lots).zip(&wish.prices) {
                let lots = lots * wish.units;
                let order = PlaceOrder { market: market as u32, side: u8::from(lots < 0), kind: 0, time_in_force: IOC, flags: 0, price, lots: lots.abs(), client_id: [0; 16] };
                let told = apart.send(account, &order);
                complete &= told.iter().all(|e| e.refusal().is_none()) && !disturbed(&told);
            }
            if !complete {
                continue;
            }
            for (one, other) in whole.state().accounts.iter().zip(&apart.state().accounts) {
                let lots = |a: &novate_core::account::Account| -> BTreeMap<u32, (i64, i64, i64)> { a.positions.iter().map(|p| (p.market, (p.lots, p.cost, p.owed))).collect() };
                let money = |a: &novate_core::account::Account| -> BTreeMap<u32, (i64, i64)> { a.balances.iter().map(|b| (b.asset, (b.pledged, b.reserved))).collect() };
                assert_eq!((lots(one), money(one)), (lots(other), money(other)), "seed {seed}, step {n}: account {} after {wish:?}", one.id);
            }
            same += 1;
        }
    }
    told(&format!("{same} packages equal to their legs"));
    assert!(same > 100);
}

/// After a trade between two accounts both are margined or have only reduced, whatever each of them was before.
#[test]
fn both_sides_of_a_block_are_margined() {
    let mut sides = 0;
    for seed in 13_000..13_000 + STREAMS * length() {
        let mut stream = Stream::new(seed);
        for n in 0..STEPS {
            let (before, events) = step(&mut stream);
            for event in events.iter().filter(|e| e.as_a::<BlockTraded>().is_some()) {
                let account = event.header.account;
                let bare = |level| Question { orders: false, ..Question::at(level) };
                let of = |v: &Venue, level| v.evaluate(account, &bare(level));
                let lower = of(&stream.venue, Level::Initial).requirement <= of(&before, Level::Initial).requirement
                    && of(&stream.venue, Level::Maintenance).excess() >= of(&before, Level::Maintenance).excess();
                let excess = of(&stream.venue, Level::Initial).excess();
                assert!(excess >= 0 || lower, "seed {seed}, step {n}: account {account} is {excess} after {:?}", event.as_a::<BlockTraded>());
                sides += 1;
            }
        }
    }
    told(&format!("{sides} sides of blocks and quotes, each margined"));
    assert!(sides > 100);
}
