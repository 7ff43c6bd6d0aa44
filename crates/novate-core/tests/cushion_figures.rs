//! What an account is believed to have left, to the micro-dollar, against figures worked out by hand: what an evaluation leaves, what
//! an order takes, what moves of prices take, and of whom nothing is believed. `tests/cushion.rs` holds it below the exact excess.

mod common;

use common::venue::{STANDARD, Venue};
use novate_core::command::{Deposit, OpenAccount};
use novate_core::margin::{Level, cushion};
use novate_core::units::SECOND;

const DOLLAR: i64 = 1_000_000;

/// NVDA at 100, SPY at 500, marks at their indexes; Alice (1) and Bob (2) with a million dollars each. Prices are posted again last, so
/// that the moves of every perp are noted from here on.
fn venue() -> Venue {
    with_prices(Venue::standard())
}

fn with_prices(mut v: Venue) -> Venue {
    let prices = [(1, 100), (2, 500), (3, 90_000), (4, 1)];
    prices.iter().for_each(|&(name, dollars)| drop(v.price(name, dollars * DOLLAR)));
    v.advance(SECOND);
    for account in 1..=2 {
        v.send(account, &OpenAccount { owner: account as u32 });
        v.send(account, &Deposit { asset: 1, amount: 1_000_000 * DOLLAR, reference: account });
    }
    prices.iter().for_each(|&(name, dollars)| drop(v.price(name, dollars * DOLLAR)));
    v
}

/// A bid for so many lots of a hundredth of an NVDA, at cents.
fn bid(v: &mut Venue, market: u32, lots: i64, cents: i64) {
    let events = v.say(1, &format!("PlaceOrder market={market} side=0 price={cents} lots={lots}"));
    assert!(events.iter().all(|e| e.refusal().is_none()), "{lots} at {cents}");
}

/// What Alice is believed to have left.
fn left(v: &Venue) -> Option<i128> {
    cushion::known(v.state(), v.index(1))
}

fn perp_ppm(v: &Venue) -> Option<i64> {
    v.state().liquidity_rate(0, 1).map(|r| r.perp_ppm)
}

/// Of the excess of an evaluation, 200 millionths and 10 % of what is wanted, for it may come to crowd: 1,000 dollars and the price of
/// the smallest part of a share, rounded up.
fn evaluated(v: &Venue, crowding: i128) -> Option<i128> {
    Some(v.excess(1, Level::Initial) - crowding - 200)
}

#[test]
fn an_order_takes_its_bound_and_what_getting_out_of_all_costs_more() {
    let mut v = venue();
    assert_eq!(left(&v), None, "cash alone is not evaluated");
    bid(&mut v, 1, 1_000, 9_999);
    assert_eq!(left(&v), evaluated(&v, 100_000_001));
    let before = left(&v).expect("known");
    // A hundred more: 40.6 % of 100.0001, three times the 0.0101 by which the limit is away and the fee of 0.034997, 200 millionths. The
    // rate of getting out rises from 525 to 545 ppm: 20 ppm of 1,000 lots at 1.000001, rounded up, and 200 millionths.
    assert_eq!(perp_ppm(&v), Some(525));
    bid(&mut v, 1, 100, 9_999);
    assert_eq!(perp_ppm(&v), Some(545));
    let bound = cushion::most(&mut v.state().clone(), 1, 100, 9_999, 34_997).expect("a bound");
    assert_eq!(bound, 40_735_532);
    assert_eq!(before - left(&v).expect("known"), bound + 20_001 + 200);
}

/// Bids for 1,000 lots. Of what is left 200 millionths go in every lull after, and for each name with lots at stake 200 and what prices
/// took: of a lot and the smallest part of a share three times the largest move of a price, the move of the index and of the mark, all
/// charges (40.6 %) on the first, a change of these on the dearest price, and a millionth.
#[test]
fn what_prices_took_is_no_less_than_their_moves() {
    let mut v = venue();
    bid(&mut v, 1, 1_000, 9_999);
    let first = left(&v).expect("known");
    let taken = |v: &Venue| first - left(v).expect("known");
    v.price(2, 501 * DOLLAR);
    assert_eq!(taken(&v), 400, "SPY alone moved");
    // Index and last price from 100 to 100.999953: 3 * 2 * 0.999953 + 0.405981 + 0.000001 = 6.4057 a share.
    v.price(1, 100_999_953);
    assert_eq!(taken(&v), 400 + 1_000 * 64_058);
    v.price(1, 100_999_953);
    assert_eq!(taken(&v), 400 + 1_000 * 64_058, "nothing moved");
    // A second on: the stable price from 100 to 100.499977, 1.702923; the mark from 100 to 100.5, 1.500001. The sweep
    // looked at her twice.
    v.advance(SECOND);
    assert_eq!(taken(&v), 1_200 + 1_000 * (64_058 + 17_030 + 15_001));
    // Confidence of 0.8, below 0.9: charges at 42.46 %, 1.86 % more of 100.999953, 1.8786.
    for source in 1..=3 {
        v.quote(1, source, 100_999_953, 800_000);
    }
    assert_eq!(taken(&v), 1_200 + 1_000 * (64_058 + 17_030 + 15_001 + 18_787));
}

/// Two perps of NVDA: what an order in one costs the other is evaluated, and no size is known to be free.
#[test]
fn where_a_name_has_two_perps_what_getting_out_costs_is_evaluated() {
    let mut v = Venue::standard();
    let like = STANDARD.lines().find(|l| l.contains(" name=NVDA-PERP ")).expect("a listing");
    v.tell(&format!("{like} market=9 name=NVDA-SECOND"));
    let mut v = with_prices(v);
    v.say(2, "PlaceOrder market=1 side=1 price=10000 lots=1000");
    bid(&mut v, 1, 1_000, 10_000);
    for (lots, crowding) in [(100, 10_000_001), (200, 20_000_001)] {
        let before = perp_ppm(&v);
        bid(&mut v, 9, 100, 9_999);
        assert!(perp_ppm(&v) > before, "{lots} lots");
        assert_eq!(left(&v), evaluated(&v, crowding), "{lots} lots");
    }
}

/// In a lull a look finds what was settled before; in the next, and outside of one, nothing was.
#[test]
fn what_was_settled_counts_in_its_lull_alone() {
    let mut state = venue().state().clone();
    let settled = |state: &novate_core::state::State| (state.accounts[0].cushion.settled, state.accounts[0].cushion.traded);
    let now = state.now;
    state.lull.begin(true, now);
    cushion::keep(&mut state, 0, 1_000_000, None);
    assert!(!settled(&state).0);
    cushion::settle(&mut state, 0);
    cushion::traded(&mut state, 0, 3);
    assert_eq!(settled(&state), (true, 3));
    cushion::keep(&mut state, 0, 900_000, None);
    assert_eq!(settled(&state), (true, 3));
    cushion::traded(&mut state, 0, 3);
    assert_eq!(settled(&state), (true, 3));
    cushion::traded(&mut state, 0, 1);
    assert_eq!(settled(&state), (true, cushion::SEVERAL));
    for is_order in [false, true, false] {
        state.lull.begin(is_order, now);
        cushion::settle(&mut state, 0);
        cushion::keep(&mut state, 0, 800_000, None);
        assert!(!settled(&state).0, "{is_order}");
    }
    state.lull.begin(false, now);
    cushion::keep(&mut state, 0, 700_000, None);
    cushion::settle(&mut state, 0);
    cushion::keep(&mut state, 0, 600_000, None);
    assert!(!settled(&state).0, "outside of a lull");
}

/// Believed of who has cash and perps alone and is his owner's only account: what else there is moves by itself, or with others.
#[test]
fn nothing_is_believed_of_who_has_more_than_cash_and_perps() {
    let believed = |before: &[&str], after: &[&str]| {
        let mut v = venue();
        v.tell("PostDepth underlying=1 buy=1000000000000 sell=1000000000000");
        v.price(1, 100 * DOLLAR);
        before.iter().for_each(|line| said(&mut v, line));
        bid(&mut v, 1, 10, 9_000);
        after.iter().for_each(|line| said(&mut v, line));
        left(&v).is_some()
    };
    let tokens = "Deposit asset=2 amount=1000000 reference=7";
    let spot = "PlaceOrder market=2 side=0 price=9000 lots=1";
    let spot_gone = "CancelAll market=2";
    assert!(believed(&[], &[]));
    assert!(!believed(&[tokens], &[]), "a token");
    assert!(!believed(&[tokens, "RequestRedemption token=2 amount=1000000 reference=8"], &[]), "a token on its way to a broker");
    assert!(believed(&[tokens, "RequestWithdrawal asset=2 amount=1000000"], &[]), "none any more");
    assert!(!believed(&["Lend asset=1 amount=1000000"], &[]), "a claim on a pool");
    assert!(!believed(&["OpenAccount owner=1"], &[]), "a second account");
    assert!(!believed(&[spot], &[]) && !believed(&[], &[spot]), "an order for a token");
    assert!(believed(&[spot, spot_gone], &[]), "no order for a token any more");
    assert!(!believed(&[spot, spot_gone], &[spot]), "a second one that makes getting out no dearer");
}

/// Alice's command, but for a new account.
fn said(v: &mut Venue, line: &str) {
    let events = v.say(if line.starts_with("OpenAccount") { 3 } else { 1 }, line);
    assert!(events.iter().all(|e| e.refusal().is_none()), "{line}: {:?}", events.last().and_then(|e| e.refusal()));
}

/// Where the spread is nothing a smaller order lowers a stored rate again, from 13,444 ppm to 4,327 of 100,000 dollars. At 104, and at 100
/// where the price was stable, nobody is believed to have more by that than it brings.
#[test]
fn a_rate_that_falls_gives_nothing_back() {
    let mut v = venue();
    v.tell("PostLiquidity underlying=1 spot_volume=0 sigma_ppm=30000 half_spread_ppm=0");
    [1, 2].iter().for_each(|session| v.tell(&format!("SetSession underlying=1 session={session} next_session=2")));
    v.say(2, "PlaceOrder market=1 side=1 price=10000 lots=100000");
    bid(&mut v, 1, 100_000, 10_000);
    v.price(1, 104 * DOLLAR);
    bid(&mut v, 1, 1_000_000, 9_000);
    v.say(1, "CancelAll market=1");
    v.tell("SetSession underlying=3 session=2 next_session=2");
    bid(&mut v, 3, 1, 49_999);
    let (before, rate) = (left(&v).expect("known"), perp_ppm(&v));
    bid(&mut v, 1, 1, 9_999);
    assert_eq!((rate, perp_ppm(&v)), (Some(13_444), Some(4_327)));
    assert!(left(&v).is_some_and(|left| left < before && left <= v.excess(1, Level::Initial)));
}

/// A bid for tokens beyond what counts of them takes all that they cost: no bound of a perp's order says that, however little getting out
/// of them costs more than it did. Alice had bid for more when she had a million; half of that is left.
#[test]
fn an_order_for_tokens_is_evaluated() {
    let mut v = with_prices(Venue::standard_but("ListAsset name=NVDAx owner_cap=1000000"));
    bid(&mut v, 2, 900_000, 10_000);
    for line in ["CancelAll market=2", "RequestWithdrawal asset=1 amount=500000000000"] {
        said(&mut v, line);
    }
    bid(&mut v, 1, 10, 9_000);
    assert!(left(&v).is_some());
    let refused = |v: &mut Venue, lots: i64| v.say(1, &format!("PlaceOrder market=2 side=0 price=10000 lots={lots}")).last().and_then(|e| e.refusal());
    assert_eq!((refused(&mut v, 498_000), refused(&mut v, 400_000)), (Some(501), None));
}
