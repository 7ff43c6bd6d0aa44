//! The promises of net stress margin on the real engine, over random portfolios and paths (RULES section 7).

mod common;

use common::chance::Chance;
use common::venue::Venue;
use common::{length, told};
use novate_core::command::{Deposit, OpenAccount, SetSession};
use novate_core::margin::explain::contributions;
use novate_core::margin::{Change, Evaluation, Level, Portfolio, Question, evaluate};
use novate_core::units::SECOND;

/// Spot market or perp of each thing a portfolio can hold.
const MARKETS: [u32; 5] = [1, 2, 3, 4, 5];

/// A venue with prices near the stable price, and one account per owner.
fn venue(chance: &mut Chance) -> Venue {
    let mut v = Venue::standard();
    v.price(4, 1_000_000);
    for (underlying, price) in [(1, 180_000_000), (2, 680_000_000), (3, 90_000_000_000)] {
        v.price(underlying, price + chance.range(-price / 2, price / 2));
    }
    for account in 1..=2 {
        v.send(account, &OpenAccount { owner: account as u32 });
        v.send(account, &Deposit { asset: 1, amount: 1_000_000_000_000, reference: 1 });
    }
    v.advance(SECOND);
    v
}

/// Random positions as changes of an empty account, in dollars up to 100,000 a leg: no fee, no cash left over.
fn portfolio(venue: &Venue, chance: &mut Chance) -> Vec<Change> {
    let mut changes = Vec::new();
    for market in MARKETS {
        if chance.one_in(3) {
            continue;
        }
        let listed = venue.state().known_market(market);
        let price = venue.state().index_ticks(listed);
        let most = 100_000_000_000 / (price * listed.unit);
        let least = if listed.is_perp() { -most } else { 0 };
        changes.push(Change::Trade { market, lots: chance.range(least, most), price });
    }
    changes
}

fn scaled(changes: &[Change], by: i64) -> Vec<Change> {
    changes.iter().map(|c| match *c {
        Change::Trade { market, lots, price } => Change::Trade { market, lots: lots * by, price },
        other => other,
    }).collect()
}

fn ask(venue: &Venue, level: Level, changes: &[Change]) -> Evaluation {
    evaluate(venue.state(), 0, &Question { alone: true, changes, ..Question::at(level) }, &mut Portfolio::default())
}

fn random_session(v: &mut Venue, chance: &mut Chance) {
    for underlying in 1..=2 {
        let (session, now) = (chance.pick(&[1, 2, 2, 3, 4]), v.now);
        let ramp = chance.range(0, 1) * (now + chance.range(1, 7_200) * SECOND);
        let set = SetSession {
            underlying,
            session,
            next_session: 2,
            next_time_ns: 0,
            closure_step_ns: ramp,
            closure_ramp_from_ns: ramp,
            closure_ramp_to_ns: ramp + i64::from(ramp > 0) * 3_600 * SECOND,
            closure_end_ns: ramp + i64::from(ramp > 0) * 7_200 * SECOND,
        };
        v.send(0, &set);
    }
}

/// A unit per rounded product: rows, terms, corners.
const ROUNDING: i128 = 200;

#[test]
fn a_sum_needs_no_more_than_its_parts_and_scale_changes_nothing() {
    let mut cases = 0;
    for seed in 0..300 * length() {
        let chance = &mut Chance::new(seed);
        let mut v = venue(chance);
        random_session(&mut v, chance);
        for _ in 0..5 {
            let (a, b) = (portfolio(&v, chance), portfolio(&v, chance));
            let both: Vec<Change> = a.iter().chain(&b).copied().collect();
            let times = chance.range(2, 9);
            for level in Level::ALL {
                let [ra, rb, sum, many] = [&a, &b, &both, &scaled(&a, times)].map(|c| ask(&v, level, c).requirement);
                assert!(sum <= ra + rb + ROUNDING, "seed {seed} {level:?}: {sum} > {ra} + {rb} for {a:?} and {b:?}");
                let factor = i128::from(times);
                assert!((many - ra * factor).abs() <= ROUNDING * factor, "seed {seed} {level:?}: {times} x {ra} is {many}");
                cases += 1;
            }
        }
    }
    told(&format!("{cases} cases of sub-additivity and scale"));
}

#[test]
fn another_bucket_never_lowers_the_requirement() {
    let mut cases = 0;
    for seed in 1_000..1_000 + 300 * length() {
        let chance = &mut Chance::new(seed);
        let v = venue(chance);
        for _ in 0..5 {
            let mut equity = portfolio(&v, chance);
            equity.retain(|c| !matches!(c, Change::Trade { market: 5, .. }));
            let listed = v.state().known_market(5);
            let price = v.state().index_ticks(listed);
            let bitcoin = Change::Trade { market: 5, lots: chance.range(-10_000, 10_000), price };
            let with: Vec<Change> = equity.iter().copied().chain([bitcoin]).collect();
            for level in Level::ALL {
                assert!(ask(&v, level, &with).requirement + 2 >= ask(&v, level, &equity).requirement, "seed {seed} {level:?}: {with:?}");
                cases += 1;
            }
        }
    }
    told(&format!("{cases} cases of another bucket"));
}

#[test]
fn more_long_collateral_never_lowers_excess() {
    let mut cases = 0;
    for seed in 2_000..2_000 + 300 * length() {
        let chance = &mut Chance::new(seed);
        let mut v = venue(chance);
        random_session(&mut v, chance);
        for _ in 0..5 {
            let held = portfolio(&v, chance);
            let asset = chance.pick(&[2, 3]);
            let amount = if asset == 2 { chance.range(1, 500_000_000) } else { chance.range(1, 20_000_000_000) };
            let with: Vec<Change> = held.iter().copied().chain([Change::Balance { asset, amount }]).collect();
            for level in Level::ALL {
                let (before, after) = (ask(&v, level, &held).excess(), ask(&v, level, &with).excess());
                assert!(after + ROUNDING >= before, "seed {seed} {level:?}: {after} < {before} after {amount} of asset {asset} to {held:?}");
                cases += 1;
            }
        }
    }
    told(&format!("{cases} cases of added collateral"));
}

#[test]
fn contributions_sum_to_the_requirement() {
    let mut cases = 0;
    for seed in 3_000..3_000 + 300 * length() {
        let chance = &mut Chance::new(seed);
        let mut v = venue(chance);
        random_session(&mut v, chance);
        for _ in 0..4 {
            let mut changes = portfolio(&v, chance);
            for _ in 0..chance.range(0, 3) {
                let market = chance.pick(&MARKETS);
                let price = v.state().index_ticks(v.state().known_market(market));
                let side = chance.pick(&[novate_core::order::Side::Bid, novate_core::order::Side::Ask]);
                changes.push(Change::Order { market, side, price: price + chance.range(-price / 50, price / 50), lots: chance.range(1, 5_000) });
            }
            for level in Level::ALL {
                let question = Question { changes: &changes, ..Question::at(level) };
                let whole = evaluate(v.state(), 0, &question, &mut Portfolio::default());
                let sum: i128 = contributions(v.state(), 0, &question, &whole).iter().map(|c| i128::from(c.amount)).sum();
                assert_eq!(sum, whole.requirement, "seed {seed} {level:?}: {changes:?}");
                cases += 1;
            }
        }
    }
    told(&format!("{cases} explanations sum to their requirement"));
}

/// A token against a short perp of the same name, over random paths to three times the price: equity moves by no more than
/// the clipped premium, the requirement by no more than its own BASIS, WRAP, FX and LIQ, nothing else appears, and no
/// ladder step touches it.
#[test]
fn a_matched_pair_stays_hedged_on_every_path() {
    let (mut steps, mut highest) = (0, 0);
    for seed in 4_000..4_000 + 60 * length() {
        let chance = &mut Chance::new(seed);
        let mut v = Venue::standard();
        let start = 180_000_000;
        v.price(1, start);
        v.price(4, 1_000_000);
        v.advance(SECOND);
        for (account, owner) in [(1, 1), (2, 2)] {
            v.send(account, &OpenAccount { owner });
            v.send(account, &Deposit { asset: 1, amount: if account == 1 { 4_000_000_000 } else { 5_000_000_000_000 }, reference: 1 });
        }
        v.send(1, &Deposit { asset: 2, amount: 100_000_000, reference: 1 });
        v.say(2, "PlaceOrder market=1 side=0 price=18000 lots=10000");
        v.say(1, "PlaceOrder market=1 side=1 price=18000 lots=10000");
        assert_eq!(v.state().accounts[0].lots(1), -10_000, "the pair is on");
        let mut price = start;
        let worth = v.evaluate(1, &Question::at(Level::CloseOut)).equity;
        for n in 0..120 {
            let up = chance.range(0, 99) < 60;
            price = (price + if up { 1 } else { -1 } * price * chance.range(0, 90) / 1_000).clamp(start / 2, 3 * start);
            highest = highest.max(price);
            v.now += chance.pick(&[1, 10, 60, 300]) * SECOND;
            let session = chance.pick(&[1, 2, 2, 2, 3, 4]);
            if chance.one_in(10) {
                v.say(0, &format!("SetSession underlying=1 session={session} next_session=2"));
            }
            if !chance.one_in(15) {
                v.price(1, price);
            }
            let told = v.advance(0);
            steps += 1;
            assert!(told.iter().all(|e| ![178, 179].contains(&e.header.kind)), "seed {seed}, step {n}: the pair is liquidated");
            for level in Level::ALL {
                let found = v.evaluate(1, &Question::at(level));
                assert_eq!((found.terms.sr, found.terms.gap, found.terms.crowd, found.terms.loss), (0, 0, 0, 0), "seed {seed}, step {n}");
                let lambda = i128::from(level.factor_ppm(v.state()));
                let own = (found.terms.basis + found.terms.wrap + found.terms.fx) * lambda / 1_000_000 + found.terms.liq;
                assert!((found.requirement - own).abs() <= 1, "seed {seed}, step {n}: the rest of R is zero");
                let index = i128::from(v.state().known_underlying(1).price.index());
                let clipped = index * 100 / 100 + 4;
                // Premium at most 1 % of the index on 100 shares; funding at most 0.125 % an hour of 1 %; the entry fee.
                let carry = 20 * 1_000_000 + n * 500_000;
                let moved = (found.equity - worth).abs();
                assert!(moved <= clipped + carry + 200 * 1_000_000, "seed {seed}, step {n} {level:?}: equity moved by {moved} at {index}");
            }
            let a = &v.state().accounts[0];
            assert!(a.liquidation.is_none() && a.lots(1) == -10_000, "seed {seed}, step {n}: both legs are whole");
        }
    }
    told(&format!("{steps} steps of matched pairs, up to {} % of the first price", highest / 1_800_000));
}
