//! Explanations against figures worked out by hand (RULES section 7, *Explain*): contributions, thresholds, marginal
//! requirements and the binding row in words.

mod common;

use common::venue::{STANDARD, Venue};
use novate_core::account::AccountState;
use novate_core::command::{Deposit, OpenAccount};
use novate_core::margin::explain::{Marginal, allocate, binding_words, contributions, distance, marginal, thresholds};
use novate_core::margin::scenario::GridRow;
use novate_core::margin::{Binding, Change, Level, Portfolio, Question, evaluate};
use novate_core::order::Side;
use novate_core::units::SECOND;

const DOLLAR: i64 = 1_000_000;
const NVDA: u32 = 1;

/// NVDA, SPY and BTC at these micro-dollars, and a first account without anything.
fn venue(prices: [i64; 3]) -> Venue {
    opened(Venue::standard(), prices)
}

fn opened(mut v: Venue, prices: [i64; 3]) -> Venue {
    for (underlying, price) in (1..).zip(prices) {
        v.price(underlying, price);
    }
    v.price(4, DOLLAR);
    v.advance(SECOND);
    v.send(1, &OpenAccount { owner: 1 });
    v
}

/// Names and amounts of the contributions of these changes alone, and the requirement.
fn told(v: &Venue, level: Level, changes: &[Change]) -> (Vec<(String, i64)>, i128) {
    let question = Question { alone: true, changes, ..Question::at(level) };
    let whole = evaluate(v.state(), 0, &question, &mut Portfolio::default());
    let parts = contributions(v.state(), 0, &question, &whole);
    (parts.into_iter().map(|c| (c.name, c.amount)).collect(), whole.requirement)
}

fn named(parts: &[(&str, i64)]) -> Vec<(String, i64)> {
    parts.iter().map(|&(name, amount)| (name.to_owned(), amount)).collect()
}

fn trade(market: u32, lots: i64, price: i64) -> Change {
    Change::Trade { market, lots, price }
}

/// 10,000 dollars of NVDAx against 4,000 of its perp, 6,000 long in SPY, 4,500 short in BTC, 3,000 in cash. Equities fall:
/// 10.8 % of 6,000 in NVDA and 9 % of 6,000 in SPY, 1,188; BTC rises by 16 %, 720, of which the smaller bucket counts half.
/// Each leg of NVDA carries its signed part of the net: 648 of SR and 360 (6 % of 6,000) of GAP by 10,000 to -4,000.
/// BASIS of NVDA is 0.5 % of the 8,000 on both sides, the perp's own, as its leg is what hedges; SPY's is 0.2 % of gross.
/// The token's WRAP is 2 %, the cash's FX 1 %; exits are 1, 0.5 and 0.5 basis points of each leg.
fn hand_made() -> Vec<Change> {
    vec![
        Change::Balance { asset: 2, amount: 100 * DOLLAR },
        trade(1, -4_000, 10_000),
        trade(3, 1_000, 60_000),
        trade(5, -500, 90_000),
        Change::Balance { asset: 1, amount: 3_000 * DOLLAR },
    ]
}

#[test]
fn each_position_gets_its_part_of_every_term() {
    let v = venue([100 * DOLLAR, 600 * DOLLAR, 90_000 * DOLLAR]);
    let initial = [
        ("NVDAx", 1_881_000_000),      // 1,080 + 600 + 200 + 1
        ("NVDA-PERP", -631_600_000),   // -432 - 240 + 40 + 0.4
        ("SPY-PERP", 552_300_000),     // 540 + 12 + 0.3
        ("BTC-PERP", 495_225_000),     // 360 + 135 + 0.225
        ("USDC", 30_000_000),
    ];
    assert_eq!(told(&v, Level::Initial, &hand_made()), (named(&initial), 2_326_925_000));
    // Three quarters of all but the exits.
    let maintenance = [("NVDAx", 1_411_000_000), ("NVDA-PERP", -473_600_000), ("SPY-PERP", 414_300_000), ("BTC-PERP", 371_475_000), ("USDC", 22_500_000)];
    assert_eq!(told(&v, Level::Maintenance, &hand_made()), (named(&maintenance), 1_745_675_000));
}

/// The same with prices that do not divide: 0.007001 NVDAx (700,100 micro-dollars) against 0.01 NVDA (-1,000,001), 0.01 SPY
/// (6,000,000), -0.0001 BTC (-9,000,001), 1,000,003 of cash. Net NVDA is -299,901: SR of the smaller bucket and GAP are split
/// by signed values, floors and the first leg's remainder; at maintenance the two units that the floors leave go to the
/// largest remainders, BTC's half and the cash's three quarters.
#[test]
fn what_rounding_leaves_goes_to_the_largest_remainders() {
    let v = venue([100 * DOLLAR + 1, 600 * DOLLAR + 7, 90_000 * DOLLAR + 3]);
    let changes = [
        Change::Balance { asset: 2, amount: 7_001 },
        trade(1, -1, 10_000),
        trade(3, 1, 60_000),
        trade(5, -1, 90_000),
        Change::Balance { asset: 1, amount: 1_000_005 },
    ];
    let initial = [("NVDAx", 5_530), ("NVDA-PERP", 22_304), ("SPY-PERP", 282_300), ("BTC-PERP", 1_710_453), ("USDC", 10_001)];
    assert_eq!(told(&v, Level::Initial, &changes), (named(&initial), 2_030_588));
    let maintenance = [("NVDAx", 4_165), ("NVDA-PERP", 16_753), ("SPY-PERP", 211_800), ("BTC-PERP", 1_282_953), ("USDC", 7_501)];
    assert_eq!(told(&v, Level::Maintenance, &changes), (named(&maintenance), 1_523_172));
}

/// Bids for 1,000 dollars of NVDA and asks for 900 of BTC on top: SR 108 and 72, GAP 60 and 27, an exit of 0.045 (BTC's short
/// grows, NVDA's shrinks), fees of 0.35 and 0.315: 267.71 dollars, split by the orders' dollars.
#[test]
fn orders_are_told_by_underlying_and_by_their_dollars() {
    let v = venue([100 * DOLLAR, 600 * DOLLAR, 90_000 * DOLLAR]);
    let (held, without) = told(&v, Level::Initial, &hand_made());
    let mut changes = hand_made();
    changes.push(Change::Order { market: 1, side: Side::Bid, price: 10_000, lots: 1_000 });
    changes.push(Change::Order { market: 5, side: Side::Ask, price: 90_000, lots: 100 });
    let (parts, requirement) = told(&v, Level::Initial, &changes);
    assert_eq!(requirement - without, 267_710_000);
    assert_eq!(parts[..5], held);
    assert_eq!(parts[5..], named(&[("orders NVDA", 140_900_000), ("orders BTC", 126_810_000)]));
}

/// 18,000 long in NVDA and as much short in SPY lose most where NVDA's sector falls by half of 10.8 % and SPY's rises by half of 8 %.
/// GAP 1,080 and a basis point for the one, BASIS 0.2 % and half a basis point for the other.
#[test]
fn a_rotation_is_told_by_its_two_sides() {
    let v = venue([100 * DOLLAR, 600 * DOLLAR, 90_000 * DOLLAR]);
    let changes = [trade(1, 18_000, 10_000), trade(3, -3_000, 60_000), Change::Balance { asset: 1, amount: 1_000 * DOLLAR }];
    let parts = [("NVDA-PERP", 972_000_000 + 1_081_800_000), ("SPY-PERP", 720_000_000 + 36_900_000), ("USDC", 10_000_000)];
    assert_eq!(told(&v, Level::Initial, &changes), (named(&parts), 2_820_700_000));
}

/// On the day of 2020 NVDA's 10,000 long lose 1,152. BTC's 450 short gain on it: nothing of that crosses the buckets, so BTC has no
/// part of SR, only its GAP and exit.
#[test]
fn a_bucket_that_gains_on_the_binding_day_has_no_part_of_it() {
    let v = venue([100 * DOLLAR, 600 * DOLLAR, 90_000 * DOLLAR]);
    let changes = [trade(1, 10_000, 10_000), trade(5, -50, 90_000), Change::Balance { asset: 1, amount: 1_000 * DOLLAR }];
    let parts = [("NVDA-PERP", 1_753_000_000), ("BTC-PERP", 13_522_500), ("USDC", 10_000_000)];
    assert_eq!(told(&v, Level::Initial, &changes), (named(&parts), 1_776_522_500));
}

/// An account's own open order: SR 115.20 (11.52 % on the day of 2020), GAP 60, 525 ppm of exit for a group that orders 1,000 of
/// 50 million a day, a fee of 0.35.
#[test]
fn an_accounts_own_orders_are_no_position() {
    let mut v = venue([100 * DOLLAR, 600 * DOLLAR, 90_000 * DOLLAR]);
    v.send(1, &Deposit { asset: 1, amount: 3_000 * DOLLAR, reference: 1 });
    v.say(1, "PlaceOrder market=1 side=0 price=10000 lots=1000");
    let question = Question::at(Level::Initial);
    let whole = v.evaluate(1, &question);
    let parts: Vec<(String, i64)> = contributions(v.state(), 0, &question, &whole).into_iter().map(|c| (c.name, c.amount)).collect();
    assert_eq!(parts, named(&[("USDC", 30_000_000), ("orders NVDA", 176_075_000)]));
}

/// GAP counts two groups in full; of the third a quarter, which is told where it comes from. What a quarter leaves goes to the
/// last of those that have a gap, none to a name without one.
#[test]
fn a_third_gap_group_counts_a_quarter() {
    let mut v = Venue::standard_but("ListUnderlying name=SPY gap_ppm=20000");
    let like = |name: &str| STANDARD.lines().find(|l| l.contains(&format!(" name={name} "))).expect("a listing");
    v.tell(&format!("{} underlying=5 name=ETH gap_group=5 gap_ppm=0 basis_ppm=0", like("BTC")));
    for (source, name) in [(1, "north"), (2, "south"), (3, "west")] {
        v.tell(&format!("ListSource underlying=5 source={source} name={name}"));
    }
    v.tell(&format!("{} market=6 name=ETH-PERP underlying=5", like("BTC-PERP")));
    v.tell("SetSession underlying=5 session=2 next_session=2");
    v.price(5, 3_000 * DOLLAR);
    let v = opened(v, [100_010_000, 600 * DOLLAR, 90_000 * DOLLAR]);
    let ask = |changes: &[Change], name: &str| {
        let question = Question { alone: true, changes, ..Question::at(Level::Initial) };
        let whole = evaluate(v.state(), 0, &question, &mut Portfolio::default());
        let parts = contributions(v.state(), 0, &question, &whole);
        assert_eq!(parts.iter().map(|c| i128::from(c.amount)).sum::<i128>(), whole.requirement);
        (whole.terms.gap, parts.into_iter().find(|c| c.name == name).map(|c| c.amount))
    };
    // 2 % of 120,000 in SPY, 3 % of 27,000 in BTC, a quarter of 6 % of 10,001 in NVDA; NVDA's own: 11.52 % on the day of 2020, its quarter, a basis point.
    let mut changes = vec![trade(1, 10_000, 10_001), trade(3, 20_000, 60_000), trade(5, 3_000, 90_000)];
    assert_eq!(ask(&changes, "NVDA-PERP"), (2_400_000_000 + 810_000_000 + 150_015_000, Some(1_152_115_200 + 150_015_000 + 1_000_100)));
    // 0.01 NVDA: a quarter of 60,006 is 15,001.5. The unit is NVDA's, not ETH's, which has 37.2 % of 300 and half a basis point.
    changes = vec![trade(1, 1, 10_001), trade(3, 1, 60_000), trade(5, 3_000, 90_000), trade(6, 1_000, 3_000)];
    assert_eq!(ask(&changes, "NVDA-PERP"), (810_000_000 + 120_000 + 15_002, Some(115_212 + 15_002 + 101)));
    assert_eq!(ask(&changes, "ETH-PERP").1, Some(111_600_000 + 15_000));
}

/// Alice is long and Bob is short 100 NVDA from 100, each with 3,600 dollars less a maker's fee of 1.50. R at initial of V dollars:
/// 11.52 % of V for the long, 12.6 % for the short (the listed days), 6 %, 1,442 ppm for a group of 10,000, and 1 % of the cash.
fn long_and_short() -> Venue {
    let mut v = venue([100 * DOLLAR, 600 * DOLLAR, 90_000 * DOLLAR]);
    for (account, dollars) in [(1, 3_600), (2, 3_600), (3, 1_000_000), (4, 0)] {
        if account > 1 {
            v.send(account, &OpenAccount { owner: account as u32 });
        }
        if dollars > 0 {
            v.send(account, &Deposit { asset: 1, amount: dollars * DOLLAR, reference: 1 });
        }
    }
    for (maker, side) in [(1, 0), (2, 1)] {
        v.say(maker, &format!("PlaceOrder market=1 side={side} price=10000 lots=10000"));
        v.say(3, &format!("PlaceOrder market=1 side={} price=10000 lots=10000", 1 - side));
    }
    assert_eq!((v.excess(1, Level::Initial), v.excess(2, Level::Initial)), (1_796_095_000, 1_688_095_000));
    v
}

#[test]
fn a_threshold_is_the_first_move_that_leads_there() {
    let v = long_and_short();
    // Excess 1,796.095 + (9,900 - 1,766.42) x is gone at x = -22.0825 %: the scan stops between -22 and -24 %, halves leave
    // -22.0781 % short of it and -22.0859 % beyond.
    let [yellow, orange, red, black] = thresholds(v.state(), 0, NVDA);
    assert_eq!((yellow.state, yellow.fall_ppm, yellow.rise_ppm), (AccountState::Yellow, Some(-220_859), None));
    assert_eq!(distance(v.state(), 0, NVDA, Level::Initial), (Some(-220_859), None));
    // Bob: 1,688.095 - (9,900 + 1,874.42) x is gone at 14.337 %, between 14.3359 and 14.3437 %.
    assert_eq!(thresholds(v.state(), 1, NVDA)[0].rise_ppm, Some(143_437));
    assert_eq!(thresholds(v.state(), 1, NVDA)[0].fall_ppm, None);
    // Net value is gone 35.985 % down: red comes before it, black just beyond.
    assert_eq!((orange.state, red.state, black.state), (AccountState::Orange, AccountState::Red, AccountState::Black));
    let falls = [orange, red, black].map(|t| t.fall_ppm.expect("a fall leads there"));
    assert!(-220_859 > falls[0] && falls[0] > falls[1] && falls[1] > falls[2], "{falls:?}");
    assert_eq!(falls[2], -359_921);
}

#[test]
fn an_account_without_risk_has_no_threshold_and_one_below_has_zero() {
    let mut v = long_and_short();
    assert_eq!(distance(v.state(), 3, NVDA, Level::Initial), (None, None));
    assert!(thresholds(v.state(), 3, NVDA).iter().all(|t| (t.fall_ppm, t.rise_ppm) == (None, None)), "nothing held, nothing lost");
    v.price(1, 76 * DOLLAR);
    assert!(v.excess(1, Level::Initial) < 0 && v.excess(1, Level::Maintenance) > 0);
    let [yellow, orange, ..] = thresholds(v.state(), 0, NVDA);
    assert_eq!((yellow.fall_ppm, yellow.rise_ppm), (Some(0), Some(0)));
    assert!(orange.fall_ppm.is_some_and(|ppm| ppm < 0));
}

/// 1,000.50 dollars are 1,001 lots of a dollar: R moves by 17.6642 % of them.
#[test]
fn one_more_lot_is_told_both_ways() {
    let v = long_and_short();
    let found = marginal(v.state(), 0, 1, Level::Initial, 1_000_500_000);
    assert_eq!(found, Some(Marginal { lots: 1_001, notional: 1_001_000_000, buy: 176_818_642, sell: -176_818_642 }));
    let mut unpriced = Venue::standard();
    unpriced.send(1, &OpenAccount { owner: 1 });
    assert_eq!(marginal(unpriced.state(), 0, 1, Level::Initial, 1_000_000_000), None);
}

#[test]
fn a_binding_row_is_told_in_words() {
    let v = Venue::standard();
    let words = |binding| binding_words(v.state(), binding);
    let grid = |row| words(Binding::Grid { bucket: 1, row });
    assert_eq!(words(Binding::None), "no exposure to a scenario");
    assert_eq!(words(Binding::Dated { index: 1 }), "dated row 2025-04-09");
    assert_eq!(grid(GridRow::Parallel { fraction_ppm: -1_000_000 }), "equity: every name falls by its full shock");
    assert_eq!(grid(GridRow::Parallel { fraction_ppm: 666_667 }), "equity: every name rises by 66.6 % of its shock");
    assert_eq!(grid(GridRow::Tail { fraction_ppm: -700_000 }), "equity: tail, every name falls by 70.0 % of its shock");
    assert_eq!(grid(GridRow::Rotation { sector: 2, rises: true }), "equity: sector 2 up, the others the other way");
}

#[test]
fn shares_go_to_the_largest_remainders_then_the_first() {
    assert_eq!(allocate(10, &[1, 1, 1]), [4, 3, 3]);
    assert_eq!(allocate(7, &[5, 3, 2]), [4, 2, 1], "3.5, 2.1 and 1.4");
    assert_eq!(allocate(7, &[2, 3, 5]), [1, 2, 4]);
    assert_eq!(allocate(5, &[0, 0]), [5, 0]);
}
