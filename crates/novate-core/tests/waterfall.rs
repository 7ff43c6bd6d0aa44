//! Stages 5 and 7 by figures: a discount's limit; who has won how much at what leverage, what each carries, and which tokens
//! lose their perp (RULES section 10).

mod common;

use common::venue::{STANDARD, Venue};
use novate_core::backstop::discount;
use novate_core::command::{Deposit, FundInsurance, OpenAccount};
use novate_core::deleveraging::{Taken, Winner, add_won, take_hedged, winners};
use novate_core::margin::Evaluator;
use novate_core::query;
use novate_core::state::liquidation::Auction;
use novate_core::units::SECOND;

const DOLLAR: i64 = 1_000_000;

/// NVDA at 180; accounts 1 to 3 of three owners with these dollars.
fn venue(dollars: [i64; 3]) -> Venue {
    let mut v = Venue::standard();
    v.price(1, 180 * DOLLAR);
    v.advance(SECOND);
    for (account, amount) in (1..).zip(dollars) {
        v.send(account, &OpenAccount { owner: account as u32 });
        v.send(account, &Deposit { asset: 1, amount: amount * DOLLAR, reference: 1 });
    }
    v
}

/// The maker sells to the taker at 180.
fn sell(v: &mut Venue, maker: u64, taker: u64, lots: i64) {
    v.say(maker, &format!("PlaceOrder market=1 side=1 price=18000 lots={lots}"));
    v.say(taker, &format!("PlaceOrder market=1 side=0 price=18000 lots={lots}"));
}

/// Shorts from 180 at 140. Account 1, 60 shares of which 10 tokens hedge 10: profit 2,400 less the maker's fee of 1.62, of which five
/// sixths are unhedged; net value is 5,000, the profit, 10 tokens at 140, less a premium of 1 % on 60 shares (the mark follows
/// slowly): 8,714.38. Account 2, 40 shares: profit 1,600 less 1.08, and net value 50,000, the profit, less 56.
#[test]
fn the_rank_is_profit_times_leverage_of_what_is_unhedged() {
    let mut v = venue([5_000, 50_000, 3_600]);
    v.send(1, &Deposit { asset: 2, amount: 10 * DOLLAR, reference: 2 });
    sell(&mut v, 1, 3, 6_000);
    sell(&mut v, 2, 3, 4_000);
    v.price(1, 140 * DOLLAR);
    let found = winners(v.state(), 1, -1, v.state().accounts[2].owner, &mut Evaluator::default());
    let first = Winner { account: 0, id: 1, unhedged: 5_000, hedged: 1_000, profit: 2_398_380_000, score: 1_998_650_000 * (7_000_000_000_000_000 / 8_714_380_000) };
    let second = Winner { account: 1, id: 2, unhedged: 4_000, hedged: 0, profit: 1_598_920_000, score: 1_598_920_000 * (5_600_000_000_000_000 / 51_542_920_000) };
    assert_eq!(found, [first, second]);
    assert!(winners(v.state(), 1, 1, v.state().accounts[0].owner, &mut Evaluator::default()).is_empty(), "the long has lost");
    let (nobody, legs) = (u32::MAX, [(1, 1), (1, -1), (2, -1), (1, -1)]);
    let alone = legs.map(|(market, sign)| winners(v.state(), market, sign, nobody, &mut Evaluator::default()));
    assert_eq!(alone[1], [first, second]);
    let mut found = Vec::new();
    (0..3).for_each(|account| add_won(v.state(), account, &legs, nobody, &mut Evaluator::default(), &mut found));
    found.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.by_rank(&b.1)));
    let places = alone.iter().enumerate().flat_map(|(leg, winners)| winners.iter().map(move |w| (leg, *w)));
    assert_eq!(found, places.collect::<Vec<_>>(), "one look finds whom several do");
    assert_eq!(ranks(&v, 1), [(1, 2_398_380_000, 1, 2)]);
    assert_eq!(ranks(&v, 2), [(1, 1_598_920_000, 2, 2)]);
    assert_eq!(ranks(&v, 3), [(1, 0, 0, 0)], "the long has lost, and nobody has won beside it");
}

/// An account's ranks as its standing tells them: market, profit, rank, of how many.
fn ranks(v: &Venue, account: u8) -> Vec<(u32, i64, u32, u32)> {
    let answer = query::answer(v.state(), &[0x92, 0xcd, 0x03, 0x20, account]).expect("question 800, an account's standing");
    let standing: Standing = rmp_serde::from_slice(&answer).expect("a standing");
    standing.ranks.iter().map(|r| (r.market, r.profit, r.rank, r.of)).collect()
}

#[derive(serde::Deserialize)]
struct Standing {
    ranks: Vec<Rank>,
}

#[derive(serde::Deserialize)]
struct Rank {
    market: u32,
    profit: i64,
    rank: u32,
    of: u32,
}

/// 100 of 7 lots: 42 on the first three, 58 on the other four.
#[test]
fn what_hedged_lots_carry_sums_to_what_is_open() {
    let winner = |id: u64, hedged: i64| Winner { account: id as u32, id, unhedged: 0, hedged, profit: 1_000, score: 0 };
    let taken = take_hedged(&[], &[winner(1, 3), winner(2, 4)], 7, 100);
    assert_eq!(taken, [Taken { winner: 0, lots: 3, haircut: 42 }, Taken { winner: 1, lots: 4, haircut: 58 }]);
}

/// Account 1 hedges 100 NVDA with 60 of one token and 40 of another. Insurance pays 79.89 of 266.30, so 70 shares are closed at its
/// cost: all 60 of the first token lose their perp, and 10 of the second.
#[test]
fn as_many_tokens_are_freed_as_lots_were_closed() {
    let mut v = venue([2_000, 1_000_000, 3_600]);
    let like = |start: &str, name: &str| STANDARD.lines().find(|l| l.starts_with(start) && l.contains(name)).expect("a listing");
    v.tell(&format!("{} asset=9 name=NVDAy", like("ListAsset ", " name=NVDAx ")));
    v.tell(&format!("{} token=9", like("ListIssuance ", " token=2 ")));
    v.tell(&format!("{} token=9", like("AttestBacking ", " token=2 broker=3 ")));
    v.send(1, &Deposit { asset: 2, amount: 60 * DOLLAR, reference: 2 });
    v.send(1, &Deposit { asset: 9, amount: 40 * DOLLAR, reference: 3 });
    v.send(0, &FundInsurance { bucket: 1, asset: 1, amount: 79_890_000 });
    sell(&mut v, 1, 3, 10_000);
    v.price(1, 140 * DOLLAR);
    v.advance(SECOND);
    assert_eq!(v.state().accounts[0].lots(1), -3_000);
    let freed: Vec<_> = v.state().clearing.freed.iter().map(|(&k, &units)| (k, units)).collect();
    assert_eq!(freed, [((0, 2), 60 * DOLLAR), ((0, 9), 10 * DOLLAR)]);
}

/// 0.1 % and 0.05 % a second for ten seconds, then 0.01 %; a day later still a half.
#[test]
fn a_discount_never_passes_a_half() {
    let v = Venue::standard();
    let terms = v.state().liquidation.terms();
    let auction = Auction { end_ns: 86_400 * SECOND, fast_ns: 10 * SECOND, ..Auction::default() };
    assert_eq!(discount(terms, &auction, 4_940 * SECOND), 499_000);
    assert_eq!(discount(terms, &auction, 4_950 * SECOND), 500_000);
    assert_eq!(discount(terms, &auction, 86_400 * SECOND), 500_000);
}
