//! The slower price protects and never hurts: an account stands at the better of index and slower price (RULES section 10).

mod common;

use common::told;
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

/// Mike makes the market. Bob has 100 tokens, a short perp of nearly as much, a loan, and a long bitcoin perp. The stable
/// price of NVDA has had half an hour to be 180 dollars.
fn venue() -> Venue {
    let mut v = Venue::standard();
    v.price(4, DOLLAR);
    prices(&mut v, 90_000 * DOLLAR);
    for (account, cash) in [(MIKE, 1_000_000), (BOB, 0)] {
        v.send(account, &OpenAccount { owner: account as u32 });
        v.send(account, &Deposit { asset: 1, amount: cash * DOLLAR, reference: 1 });
    }
    v.send(MIKE, &Lend { asset: 1, amount: 100_000 * DOLLAR });
    v.send(BOB, &Deposit { asset: 2, amount: 100 * DOLLAR, reference: 2 });
    trade(&mut v, 1, 1, 9_990, 18_000);
    v.send(BOB, &RequestWithdrawal { asset: 1, amount: 11_600 * DOLLAR });
    trade(&mut v, 5, 0, 1_000, 90_000);
    for _ in 0..200 {
        v.now += 10 * SECOND;
        prices(&mut v, 90_000 * DOLLAR);
        v.advance(0);
    }
    v
}

/// Bob trades at a price with Mike.
fn trade(v: &mut Venue, market: u32, side: u8, lots: i64, price: i64) {
    let order = |side: u8| PlaceOrder { market, side, kind: 0, time_in_force: 0, flags: 0, price, lots, client_id: [0; 16] };
    v.send(MIKE, &order(1 - side));
    let answer = v.send(BOB, &order(side));
    assert!(answer.iter().all(|e| e.refusal().is_none()), "{:?}", answer[0].refusal());
}

fn prices(v: &mut Venue, btc: i64) {
    v.price(4, DOLLAR);
    v.price(NVDA, 180 * DOLLAR);
    v.price(BTC, btc);
}

/// Excess at a level: at the index, at the slower price.
fn excesses(v: &Venue, level: Level) -> [i128; 2] {
    [false, true].map(|slower| v.evaluate(BOB, &Question { slower, ..Question::at(level) }).excess())
}

#[test]
fn a_hedged_account_is_not_liquidated_because_the_slower_price_makes_its_gross_larger() {
    let mut v = venue();
    let mut btc = 90_000 * DOLLAR;
    while excesses(&v, Level::Maintenance)[0] >= 20 * i128::from(DOLLAR) {
        btc -= btc / 500;
        v.now += 2 * SECOND;
        prices(&mut v, btc);
        v.advance(0);
    }
    told(&format!("{:?} {btc}", excesses(&v, Level::Maintenance)));
    for n in 0..40 {
        v.now += 2 * SECOND;
        v.price(4, DOLLAR);
        v.quote(NVDA, 1, 171 * DOLLAR, 1_000_000);
        v.quote(NVDA, 2, 174 * DOLLAR, 1_000_000);
        v.price(BTC, btc);
        v.advance(0);
        told(&format!("{n} {} {:?} {:?}", v.state().known_underlying(1).price.index(), excesses(&v, Level::Maintenance), v.state().accounts[v.index(BOB) as usize].state));
    }
    assert_eq!(v.state().accounts[v.index(BOB) as usize].state, AccountState::Yellow);
}
