//! The ledger by itself: its checks find what is wrong, to the unit and in the asset where it is; and what the streams of the
//! other tests do not reach, interest inside committed lines and a locked deposit that is renumbered.

use novate_core::account::{Account, Balance};
use novate_core::ledger::{Ledger, Party, PoolTotals};
use novate_core::pool::{INDEX, SHARE};
use novate_core::reject::Reject;
use novate_core::units::Ratio;

const CASH: u32 = 1;
const TOKEN: u32 = 2;
const LINE: u32 = 1;
const LENDER: u32 = 0;
const BORROWER: u32 = 1;

/// A lender of 1,000 and a borrower of 500, 300 of them inside a committed line at 2 %; 70 tokens with a dividend due.
fn ledger() -> (Ledger, Vec<Account>) {
    let (mut ledger, mut accounts) = (Ledger::default(), vec![Account::new(1, 0, 1), Account::new(2, 1, 2)]);
    ledger.open_line(CASH, LINE, 20_000);
    ledger.lock(&mut accounts, CASH, 100);
    ledger.post(&mut accounts, CASH, Party::Custody, Party::Lender(LENDER), 1_000_000_000);
    ledger.with_balance(&mut accounts, BORROWER, CASH, |b| (b.line, b.line_type) = (300_000_000, LINE));
    ledger.post(&mut accounts, CASH, Party::Holder(BORROWER), Party::Custody, 500_000_000);
    ledger.post(&mut accounts, TOKEN, Party::Custody, Party::Holder(LENDER), 60);
    ledger.post(&mut accounts, TOKEN, Party::Custody, Party::Treasury, 10);
    ledger.accrue(TOKEN, 7, 70);
    (ledger, accounts)
}

type Damage = fn(&mut Balance);

/// What the conservation check says after a holder's record was changed behind the ledger's back.
fn after(asset: u32, damage: impl Fn(&mut Balance)) -> (i128, i128) {
    let (ledger, mut accounts) = ledger();
    damage(accounts[LENDER as usize].balance_mut(asset));
    let found = ledger.conservation(&accounts);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [CASH, TOKEN], "every asset is accounted for");
    (found[&CASH], found[&TOKEN])
}

#[test]
fn a_unit_too_many_is_found_wherever_it_lies() {
    assert_eq!(after(CASH, |_| ()), (0, 0));
    assert_eq!(after(CASH, |b| b.pledged += 3), (-3, 0));
    assert_eq!(after(CASH, |b| b.lent += 3), (-3, 0));
    assert_eq!(after(CASH, |b| b.held += 3), (-3, 0));
    assert_eq!(after(CASH, |b| b.escrowed += 3), (-3, 0));
    assert_eq!(after(CASH, |b| b.due += 3), (-3, 0));
    assert_eq!(after(TOKEN, |b| b.pledged -= 3), (0, 3));
    assert_eq!(after(TOKEN, |b| b.pledged -= 63), (0, 63), "a loan that nobody gave");
}

#[test]
fn totals_of_a_pool_that_are_not_its_accounts_are_found() {
    let (ledger, accounts) = ledger();
    assert!(ledger.pools_are_true(&accounts));
    let damages: [(&str, u32, Damage); 6] = [
        ("lent", LENDER, |b| b.lent += 1),
        ("supply shares", LENDER, |b| b.supply_index -= 1),
        ("borrowed", BORROWER, |b| b.pledged -= 1),
        ("borrow shares", BORROWER, |b| b.borrow_index -= INDEX / 2),
        ("line shares", BORROWER, |b| b.line_index -= INDEX / 2),
        ("reserved", BORROWER, |b| b.reserved += 1),
    ];
    for (what, of, damage) in damages {
        let mut accounts = accounts.clone();
        damage(accounts[of as usize].balance_mut(CASH));
        assert!(!ledger.pools_are_true(&accounts), "{what}");
    }
    let (mut ledger, mut accounts) = (ledger, accounts);
    ledger.post(&mut accounts, CASH, Party::Custody, Party::Reserve, 5);
    assert!(ledger.pools_are_true(&accounts), "the reserve is the pool's own");
    assert_eq!(ledger.pool(CASH).own, 5);
}

#[test]
fn a_dividend_that_nobody_or_somebody_twice_has_receivable_is_found() {
    let (mut ledger, mut accounts) = ledger();
    let dues: Vec<(u32, i64, i128)> = ledger.receivables().map(|(token, due)| (token, due.each, due.total)).collect();
    assert_eq!(dues, [(TOKEN, 7, 490)]);
    let found =
        |ledger: &Ledger, accounts: &[Account]| ledger.receivable_differences(accounts).into_iter().collect::<Vec<_>>();
    assert_eq!(found(&ledger, &accounts), [(TOKEN, 0)]);
    accounts[LENDER as usize].balance_mut(TOKEN).held += 2;
    assert_eq!(found(&ledger, &accounts), [(TOKEN, -14)]);
    ledger.accrue(TOKEN, 0, 0);
    ledger.accrue(TOKEN, -7, 70);
    assert_eq!(ledger.receivables().count(), 0, "a token with nothing due is not listed");
}

#[test]
fn custody_takes_a_quarter_of_what_an_amount_can_be() {
    let (ledger, _) = ledger();
    let (most, held) = (i64::MAX / 4, ledger.venue(Party::Custody, CASH));
    assert_eq!(ledger.room_for(CASH, most - held), Ok(()));
    for amount in [most - held + 1, i64::MAX] {
        assert_eq!(ledger.room_for(CASH, amount), Err(Reject::amount_must_not_overflow.at(2, amount, most - held)));
    }
}

/// What borrowers are charged, inside lines and outside, is what lenders and the reserve get, to the part of a unit.
#[test]
fn interest_inside_a_line_reaches_lenders_and_reserve() {
    let (mut ledger, mut accounts) = ledger();
    let (rate, reserve) = (80_000, 100_000);
    let start = ledger.pool(CASH);
    let line = |ledger: &Ledger| ledger.lines_of(CASH).next().expect("the line").1;
    for minute in 1..=2_000 {
        ledger.tick(&mut accounts, CASH, rate, reserve);
        let (pool, line) = (ledger.pool(CASH), line(&ledger));
        let charged =
            pool.borrow_shares * i128::from(pool.borrow_index - INDEX) + line.shares * i128::from(line.index - INDEX);
        let shared = pool.supply_shares * i128::from(pool.supply_index - INDEX);
        let kept = i128::from(ledger.venue(Party::Reserve, CASH)) * SHARE + pool.carry;
        assert_eq!(charged, shared + kept, "minute {minute}");
    }
    let (pool, line) = (ledger.pool(CASH), line(&ledger));
    assert!(line.index - INDEX < (pool.borrow_index - INDEX) / 3, "the line's ceiling holds");
    let gains = |p: &PoolTotals| p.supply_shares * i128::from(p.supply_index);
    let outside = pool.borrow_shares * i128::from(pool.borrow_index - INDEX);
    assert!(gains(&pool) - gains(&start) > outside * 9 / 10, "lenders earn on what is inside the line too");
    assert!(ledger.pools_are_true(&accounts));
    assert!(ledger.owed_in_all(CASH) >= ledger.owed(accounts[BORROWER as usize].balance_mut(CASH)) - 1);
}

#[test]
fn a_locked_deposit_follows_its_token() {
    let (mut ledger, mut accounts) = ledger();
    ledger.lock(&mut accounts, TOKEN, 1_000);
    let before = ledger.pool(TOKEN);
    ledger.renumber_locked(TOKEN, Ratio::new(3, 2).expect("a ratio"));
    let after = ledger.pool(TOKEN);
    assert_eq!(after.locked_shares, before.locked_shares * 3 / 2);
    assert_eq!(after.supply_shares, before.supply_shares * 3 / 2);
    assert_eq!((before.due(), after.due()), (1_000, 1_500));
    ledger.renumber_locked(CASH + 7, Ratio::ONE);
}
