//! Terms of the margin against figures worked out by hand (docs/concepts/portfolio-margin.md), where a table's account seldom comes:
//! orders in a coin that is no dollar, owed cash, two coins, gains for a withdrawal, loans. They ask the rule itself, not the short way.

mod common;

use common::venue::{STANDARD, Venue};
use novate_core::command::{Deposit, ListDatedRow, OpenAccount};
use novate_core::margin::collateral::loans;
use novate_core::margin::scenario::GridRow;
use novate_core::margin::{Binding, Change, Evaluation, Level, Portfolio, Question, evaluate};
use novate_core::order::Side;
use novate_core::state::State;
use novate_core::units::SECOND;

const DOLLAR: i64 = 1_000_000;
const NVDA_PERP: u32 = 1;
const NVDAX: u32 = 2;

/// NVDA and USDC at these micro-dollars, and a first account without anything.
fn venue(nvda: i64, coin: i64) -> Venue {
    opened(Venue::standard(), nvda, coin)
}

fn opened(mut v: Venue, nvda: i64, coin: i64) -> Venue {
    v.price(1, nvda);
    v.price(4, coin);
    v.advance(SECOND);
    v.send(1, &OpenAccount { owner: 1 });
    v
}

/// These changes alone, at initial.
fn alone(v: &Venue, changes: &[Change]) -> Evaluation {
    evaluate(v.state(), 0, &Question { alone: true, changes, ..Question::at(Level::Initial) }, &mut Portfolio::default())
}

fn cash(dollars: i64) -> Change {
    Change::Balance { asset: 1, amount: dollars * DOLLAR }
}

/// An order for 10 NVDA at this price, in dollars.
fn order(market: u32, side: Side, dollars: i64) -> Change {
    Change::Order { market, side, price: dollars * 100, lots: 1_000 }
}

fn joined(v: &mut Venue, account: u64, deposits: &[(u32, i64)]) {
    if account > 1 {
        v.send(account, &OpenAccount { owner: account as u32 });
    }
    for (reference, &(asset, units)) in (1..).zip(deposits) {
        v.send(account, &Deposit { asset, amount: units * DOLLAR, reference });
    }
}

/// A bid for 1,000 dollars and its fee of 0.40 where 1,000 are owed: 1 % of 2,000.40.
#[test]
fn where_cash_is_owed_a_bid_adds_to_the_charge_on_it() {
    let v = venue(100 * DOLLAR, DOLLAR);
    assert_eq!(alone(&v, &[cash(-1_000)]).terms.fx, 10 * i128::from(DOLLAR));
    let found = alone(&v, &[cash(-1_000), order(NVDAX, Side::Bid, 100)]);
    assert_eq!((found.terms.fx, found.terms.loss), (20_004_000, 400_000));
    // A perp's order pays its fee of 0.35 alone.
    assert_eq!(alone(&v, &[cash(-1_000), order(NVDA_PERP, Side::Bid, 100)]).terms.fx, 10_003_500);
}

/// Ten NVDA at 101. A spot order pays at a dollar or more and receives at a dollar or less; a perp's loss stays in the coin.
#[test]
fn an_orders_loss_counts_a_coin_against_the_account() {
    let dear = venue(101 * DOLLAR, 1_020_000);
    let terms = |v: &Venue, order: Change| (alone(v, &[order]).terms.loss, alone(v, &[order]).terms.fx);
    // 1,040.40 for 1,010, a fee of 0.408 at 1.02; 1 % of the 1,020.408 coins that go.
    assert_eq!(terms(&dear, order(NVDAX, Side::Bid, 102)), (30_400_000 + 416_160, 10_204_080));
    // 10 coins and a fee of 0.357, both at 1.02.
    assert_eq!(terms(&dear, order(NVDA_PERP, Side::Bid, 102)), (10_200_000 + 364_140, 103_570));
    // 1,000 for 1,010; 1 % of the 1,000 that come.
    assert_eq!(terms(&dear, order(NVDAX, Side::Ask, 100)), (10_000_000 + 408_000, 10_000_000));
    // Two cents below a dollar: 980 for 1,010, and 3 % of the 1,000 coins, for it is 1.5 cents below 0.995.
    let cheap = venue(101 * DOLLAR, 980_000);
    assert_eq!(terms(&cheap, order(NVDAX, Side::Ask, 100)), (30_000_000 + 400_000, 30_000_000));
    assert_eq!(terms(&cheap, order(NVDA_PERP, Side::Ask, 100)), (10_000_000 + 350_000, 310_500));
}

/// 98 coins at 1.010001 are 98.980098 dollars: of 0.01 that is a part of a micro-dollar. A limit that is no worse than the price
/// loses nothing, not even what rounding makes of it; the fee of 0.000392 is all.
#[test]
fn a_limit_as_good_as_the_price_loses_nothing() {
    let lot = |side| Change::Order { market: NVDAX, side, price: 9_800, lots: 1 };
    assert_eq!(alone(&venue(98_980_098, 1_010_001), &[lot(Side::Bid)]).terms.loss, 396);
    assert_eq!(alone(&venue(97_020_098, 990_001), &[lot(Side::Ask)]).terms.loss, 392);
}

#[test]
fn a_coin_above_a_dollar_is_owed_at_its_price_and_held_at_a_dollar() {
    let v = venue(100 * DOLLAR, 1_020_000);
    assert_eq!(alone(&v, &[cash(1_000)]).equity, 1_000_000_000);
    assert_eq!(alone(&v, &[cash(-1_000)]).equity, -1_020_000_000);
}

/// The caps are those of the venue's accounts: a portfolio that is asked about counts whole.
#[test]
fn no_cap_binds_a_portfolio_that_is_asked_about() {
    let v = venue(100 * DOLLAR, DOLLAR);
    let tokens = Change::Balance { asset: 2, amount: 150_000 * DOLLAR };
    assert_eq!(alone(&v, &[tokens]).equity, 15_000_000 * i128::from(DOLLAR));
    let own = Question { changes: &[tokens], ..Question::at(Level::Initial) };
    assert_eq!(v.evaluate(1, &own).equity, 10_000_000 * i128::from(DOLLAR));
}

/// One lot is open, so the ramp is at its end: 10 % of the 1,000 that asks alone can add.
#[test]
fn asks_alone_crowd_as_bids_do() {
    let mut v = opened(Venue::standard_but("ListUnderlying name=NVDA crowd_low=0 crowd_high=1"), 100 * DOLLAR, DOLLAR);
    assert_eq!(alone(&v, &[order(NVDA_PERP, Side::Ask, 101)]).terms.crowd, 0);
    joined(&mut v, 1, &[(1, 1_000)]);
    joined(&mut v, 2, &[(1, 1_000)]);
    v.say(1, "PlaceOrder market=1 side=0 price=10000 lots=1");
    v.say(2, "PlaceOrder market=1 side=1 price=10000 lots=1");
    assert_eq!(alone(&v, &[order(NVDA_PERP, Side::Ask, 101)]).terms.crowd, 100_000_000);
    assert_eq!(alone(&v, &[order(NVDA_PERP, Side::Bid, 99)]).terms.crowd, 100_000_000);
}

/// 10 long from 70 in each of two coins, the second at 0.90: of gains of 300 each that nothing hedges 100 count, in the coin that was
/// listed first, whichever was traded first. Two accounts of an owner share the cap.
#[test]
fn the_cap_on_gains_is_given_out_by_coin() {
    let mut v = Venue::standard_but("ConfigureVenue gain_cap=100000000");
    let like = |name: &str| STANDARD.lines().find(|l| l.contains(&format!(" name={name} "))).expect("a listing");
    v.tell(&format!("{} underlying=5 name=EUR-coin", like("USD-coin")));
    v.tell("ListSource underlying=5 source=1 name=north");
    v.tell(&format!("{} asset=9 name=EURC underlying=5", like("USDC")));
    v.tell(&format!("{} market=9 name=NVDA-EURC quote=9", like("NVDA-PERP")));
    v.tell("SetSession underlying=5 session=2 next_session=2");
    v.price(5, 900_000);
    let mut v = opened(v, 100 * DOLLAR, DOLLAR);
    let long = |market| Change::Trade { market, lots: 1_000, price: 7_000 };
    assert_eq!(alone(&v, &[long(1)]).equity, 100_000_000);
    assert_eq!(alone(&v, &[long(9)]).equity, 90_000_000);
    assert_eq!(alone(&v, &[long(9), long(1)]).equity, 100_000_000);
    assert_eq!(alone(&v, &[long(1), long(9)]).equity, 100_000_000);
    v.send(2, &OpenAccount { owner: 1 });
    assert_eq!(alone(&v, &[long(1)]).equity, 50_000_000);
}

/// Long in two sectors, short in the one between, of 10,000, 20,000 and 10,000: the worst is that one up and the others down, by half
/// of 10.8, 8 and 9 %.
#[test]
fn every_sector_turns_against_the_others() {
    let mut v = Venue::standard();
    let like = |name: &str| STANDARD.lines().find(|l| l.contains(&format!(" name={name} "))).expect("a listing");
    v.tell(&format!("{} underlying=5 name=QQQ sector=3 gap_group=5", like("SPY")));
    for (source, name) in [(1, "north"), (2, "south"), (3, "west")] {
        v.tell(&format!("ListSource underlying=5 source={source} name={name}"));
    }
    v.tell(&format!("{} market=6 name=QQQ-PERP underlying=5", like("SPY-PERP")));
    v.tell("SetSession underlying=5 session=2 next_session=2");
    v.price(2, 500 * DOLLAR);
    v.price(5, 500 * DOLLAR);
    let v = opened(v, 100 * DOLLAR, DOLLAR);
    let trade = |market, lots, price| Change::Trade { market, lots, price };
    let found = alone(&v, &[trade(1, 10_000, 10_000), trade(3, -4_000, 50_000), trade(6, 2_000, 50_000)]);
    let row = GridRow::Rotation { sector: 2, rises: true };
    assert_eq!((found.terms.sr, found.binding), (1_790_000_000, Binding::Grid { bucket: 1, row }));
}

/// What an account has for a withdrawal, and in all.
fn equities(v: &Venue, account: u64) -> (i128, i128) {
    let question = Question::at(Level::Initial);
    (v.evaluate(account, &Question { withdrawal: true, ..question }).equity, v.evaluate(account, &question).equity)
}

/// 100 NVDAx and the same short from 100, against Mike; then NVDA is at the second price and so many are bought back there.
fn hedged(to: i64, back: i64) -> Venue {
    let mut v = venue(100 * DOLLAR, DOLLAR);
    joined(&mut v, 1, &[(2, 100), (1, 1_000)]);
    joined(&mut v, 3, &[(1, 1_000_000)]);
    v.say(3, "PlaceOrder market=1 side=0 price=10000 lots=10000");
    v.say(1, "PlaceOrder market=1 side=1 price=10000 lots=10000");
    v.price(1, to * DOLLAR);
    if back > 0 {
        v.say(3, &format!("PlaceOrder market=1 side=1 price={} lots={back}", to * 100));
        v.say(1, &format!("PlaceOrder market=1 side=0 price={} lots={back}", to * 100));
    }
    v
}

/// Longer without a quote than a source may be silent.
fn doubted(mut v: Venue) -> Venue {
    v.advance(40 * SECOND);
    assert!(v.state().known_underlying(1).price.is_doubtful());
    v
}

#[test]
fn no_gain_of_a_doubtful_price_is_withdrawn() {
    let v = hedged(95, 0);
    let (free, all) = equities(&v, 1);
    assert_eq!(free, all, "a hedged gain counts");
    let (free, all) = equities(&doubted(v), 1);
    // 500, less the fee of 3.50 that is still owed there.
    assert_eq!(all - free, 496_500_000);
    // Nothing is open: what is claimed is the gain.
    let v = hedged(95, 10_000);
    let (lots, claim) = v.state().accounts[0].position(NVDA_PERP).map_or((0, 0), |p| (p.lots, p.claim()));
    assert!(lots == 0 && claim > 0);
    let (free, all) = equities(&v, 1);
    assert_eq!(free, all);
    let (free, all) = equities(&doubted(v), 1);
    assert_eq!(all - free, i128::from(claim));
}

/// 20 NVDAx against 15 short in three markets of the name, at 100: gains of 300 and 300, a loss of 200. The name's net gain of 400 is
/// taken once, not from each market that gains.
#[test]
fn a_names_markets_share_the_gain_that_does_not_count() {
    let mut v = Venue::standard();
    let like = STANDARD.lines().find(|l| l.contains(" name=NVDA-PERP ")).expect("a listing");
    v.tell(&format!("{like} market=9 name=NVDA-SECOND"));
    v.tell(&format!("{like} market=10 name=NVDA-THIRD"));
    let v = opened(v, 100 * DOLLAR, DOLLAR);
    let trade = |market, lots, price| Change::Trade { market, lots, price };
    let changes = [Change::Balance { asset: 2, amount: 20 * DOLLAR }, trade(1, -1_000, 13_000), trade(9, -1_000, 13_000), trade(10, 500, 14_000)];
    let asked = |v: &Venue| {
        let question = Question { alone: true, withdrawal: true, changes: &changes, ..Question::at(Level::Initial) };
        evaluate(v.state(), 0, &question, &mut Portfolio::default()).equity
    };
    assert_eq!(asked(&v), 2_400_000_000);
    assert_eq!(asked(&doubted(v)), 2_000_000_000);
}

/// A pool of NVDAx that has 1,000 of Larry's, of which Bob sold 50 at 100 and offers 20 more; Alice has 10, and bids for 5 with
/// dollars that she would borrow.
#[test]
fn loans_are_what_is_owed_and_what_orders_would_borrow() {
    let mut v = venue(100 * DOLLAR, DOLLAR);
    v.tell("ListPool asset=2 rate_ppm=10000 reserve_ppm=100000 owner_cap=1000000000 venue_cap=2000000000 utilisation_ppm=850000,1000000 rates_ppm=20000,500000 locked_deposit=1000000 reserve_target=1000000 insurance_bucket=1 lent_charge_ppm=100000");
    v.tell("FundPool asset=2 amount=1000000");
    joined(&mut v, 1, &[(1, 40_000)]);
    joined(&mut v, 2, &[(2, 1_000), (1, 100_000)]);
    joined(&mut v, 3, &[(1, 1_000_000)]);
    joined(&mut v, 4, &[(2, 10)]);
    v.say(2, "Lend asset=2 amount=1000000000");
    v.say(2, "Lend asset=1 amount=50000000000");
    v.say(3, "PlaceOrder market=2 side=0 price=10000 lots=5000");
    v.say(1, "PlaceOrder market=2 side=1 price=10000 lots=5000");
    let asked = |v: &Venue, account: u64, extra: i128| {
        let mut portfolio = Portfolio::default();
        let at = v.index(account);
        evaluate(v.state(), at, &Question { withdrawal: true, ..Question::at(Level::Initial) }, &mut portfolio);
        loans(v.state(), &portfolio, at, extra)
    };
    let dollars = |dollars: i128| dollars * i128::from(DOLLAR);
    assert_eq!(asked(&v, 1, 0), (dollars(5_000), dollars(5_000)));
    v.say(1, "PlaceOrder market=2 side=1 price=10500 lots=2000");
    assert_eq!(asked(&v, 1, 0), (dollars(7_000), dollars(7_000)));
    assert_eq!(asked(&v, 1, dollars(3)), (dollars(7_003), dollars(7_000)));
    assert_eq!(asked(&v, 4, 0), (0, dollars(650)));
    v.say(4, "PlaceOrder market=2 side=0 price=10000 lots=500");
    assert_eq!(v.state().accounts[3].open_in(NVDAX).bids.orders, 1);
    // The bid and its fee of 0.20; 65 % of 15 tokens.
    assert_eq!(asked(&v, 4, 0), (500_200_000, dollars(975)));
}

/// 10,000 dollars of NVDA long, its worst the day of 2020, 9.6 % times a beta of 1.2; short, that of 2025, 10.5 %. Below a confidence of 0.9 everything is larger by
/// what is lacking, at initial alone. One working memory is asked throughout: what it keeps follows the price and the listed days.
#[test]
fn a_doubted_price_asks_for_more_at_initial() {
    let mut v = venue(100 * DOLLAR, DOLLAR);
    let mut portfolio = Portfolio::default();
    let mut asked = |state: &State, level, lots| {
        let changes = [Change::Trade { market: NVDA_PERP, lots, price: 10_000 }];
        let terms = evaluate(state, 0, &Question { alone: true, changes: &changes, ..Question::at(level) }, &mut portfolio).terms;
        (terms.sr, terms.gap)
    };
    assert_eq!(asked(v.state(), Level::Initial, 10_000), (1_152_000_000, 600_000_000));
    (1..=3).for_each(|source| drop(v.quote(1, source, 100 * DOLLAR, 800_000)));
    assert_eq!(asked(v.state(), Level::Initial, 10_000), (1_267_200_000, 660_000_000));
    assert_eq!(asked(v.state(), Level::Maintenance, 10_000), (1_152_000_000, 600_000_000));
    assert_eq!(asked(v.state(), Level::Maintenance, -10_000), (1_260_000_000, 600_000_000));
    let mut state = v.state().clone();
    state.add_dated_row(ListDatedRow { row: 3, date: String::new(), moves_ppm: vec![200_000, 0, 0] });
    assert_eq!(asked(&state, Level::Maintenance, -10_000), (2_400_000_000, 600_000_000));
}

/// A long exposure costs at most 95 %: the day of 2020 is 11.52, the wrapper of a token 2, one and a half times the cost of getting out of
/// one 0.015; 81.465 are left for a gap of 90.
#[test]
fn a_gap_ends_where_a_long_exposure_costs_its_most() {
    let v = opened(Venue::standard_but("ListUnderlying name=NVDA gap_ppm=900000"), 100 * DOLLAR, DOLLAR);
    let long = Change::Trade { market: NVDA_PERP, lots: 10_000, price: 10_000 };
    assert_eq!(alone(&v, &[long]).terms.gap, 8_146_500_000);
}
