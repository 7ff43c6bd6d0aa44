//! The slower price protects and never hurts: an account stands at the better of index and slower price (RULES section 10).

mod common;

use common::venue::Venue;
use novate_core::account::AccountState;
use novate_core::command::{Deposit, Lend, OpenAccount, PlaceOrder, RequestWithdrawal};
use novate_core::margin::{Level, Question};
use novate_core::units::SECOND;

const NVDA: u32 = 1;
const BTC: u32 = 3;
const DOLLAR: i64 = 1_000_000;
const MIKE: u64 = 1;
const BOB: u64 = 2;

/// Mike makes the market and lends. The stable price of NVDA has had half an hour to be 180 dollars.
fn venue() -> Venue {
    let mut v = Venue::standard();
    live(&mut v, 90_000 * DOLLAR);
    for (account, cash) in [(MIKE, 1_000_000), (BOB, 3_300)] {
        v.send(account, &OpenAccount { owner: account as u32 });
        v.send(account, &Deposit { asset: 1, amount: cash * DOLLAR, reference: 1 });
    }
    v.send(MIKE, &Lend { asset: 1, amount: 100_000 * DOLLAR });
    (0..200).for_each(|_| live(&mut v, 90_000 * DOLLAR));
    v
}

/// Ten seconds later all sources say 180 dollars for NVDA, and this for bitcoin.
fn live(v: &mut Venue, btc: i64) {
    v.now += 10 * SECOND;
    for (underlying, price) in [(4, DOLLAR), (NVDA, 180 * DOLLAR), (BTC, btc)] {
        v.price(underlying, price);
    }
    v.advance(0);
}

/// Ten seconds later only two sources of NVDA speak, and they do not agree. Until the third is dropped the index is the middle
/// one; from then on it is suspect and stays.
fn thin(v: &mut Venue, nvda: i64, btc: i64) {
    v.now += 10 * SECOND;
    v.price(4, DOLLAR);
    v.price(BTC, btc);
    v.quote(NVDA, 1, nvda - nvda / 50, 1_000_000);
    v.quote(NVDA, 2, nvda, 1_000_000);
    v.advance(0);
}

/// Bob trades at a price with Mike.
fn trade(v: &mut Venue, market: u32, side: u8, lots: i64, price: i64) {
    let order = |side: u8| PlaceOrder { market, side, kind: 0, time_in_force: 0, flags: 0, price, lots, client_id: [0; 16] };
    v.send(MIKE, &order(1 - side));
    let answer = v.send(BOB, &order(side));
    assert!(answer.iter().all(|e| e.refusal().is_none()), "{:?}", answer[0].refusal());
}

/// Bob's excess at a level: at the index, at the slower price.
fn excesses(v: &Venue, level: Level) -> [i128; 2] {
    [false, true].map(|slower| v.evaluate(BOB, &Question { slower, ..Question::at(level) }).excess())
}

fn bob(v: &Venue) -> (AccountState, bool) {
    let account = &v.state().accounts[v.index(BOB) as usize];
    (account.state, account.liquidation.is_some())
}

/// Bitcoin falls in small steps: with good prices of NVDA until Bob is `near` dollars above maintenance, then with thin ones,
/// 6 dollars lower, until `enough` is true of his excesses at the index and at the slower price.
fn fall(v: &mut Venue, near: i64, mut enough: impl FnMut(&Venue, [i128; 2]) -> bool) {
    let mut btc = 90_000 * DOLLAR;
    while excesses(v, Level::Maintenance)[0] >= i128::from(near * DOLLAR) {
        btc -= btc / 1_000;
        live(v, btc);
    }
    loop {
        btc -= btc / 1_000;
        thin(v, 174 * DOLLAR, btc);
        if enough(v, excesses(v, Level::Maintenance)) {
            return;
        }
    }
}

#[test]
fn a_doubtful_fall_liquidates_nobody() {
    let mut v = venue();
    v.send(BOB, &Deposit { asset: 1, amount: 4_000 * DOLLAR, reference: 2 });
    trade(&mut v, 1, 0, 10_000, 18_000);
    trade(&mut v, 5, 0, 1_000, 90_000);
    let mut apart = 0;
    fall(&mut v, 1_000, |v, [index, slower]| {
        apart += u32::from(index < 0 && slower >= 0);
        assert!(slower < 0 || bob(v).0 <= AccountState::Yellow);
        slower < 0
    });
    assert!(apart > 1, "the index was below the requirement while the slower price was not");
    assert_eq!(bob(&v), (AccountState::Orange, true), "below both, it is liquidated");
}

#[test]
fn a_pair_is_not_liquidated_because_a_higher_price_makes_its_gross_larger() {
    let mut v = venue();
    v.send(BOB, &Deposit { asset: 2, amount: 100 * DOLLAR, reference: 2 });
    trade(&mut v, 1, 1, 9_990, 18_000);
    v.send(BOB, &RequestWithdrawal { asset: 1, amount: 14_900 * DOLLAR });
    trade(&mut v, 5, 0, 1_000, 90_000);
    let mut apart = 0;
    fall(&mut v, 300, |v, [index, slower]| {
        apart += u32::from(slower < 0 && index >= 0);
        assert!(index < 0 || bob(v).0 <= AccountState::Yellow);
        index < 0
    });
    assert!(apart > 1, "the slower price was below the requirement while the index was not");
    assert_eq!(bob(&v), (AccountState::Orange, true), "below both, it is liquidated");
}
