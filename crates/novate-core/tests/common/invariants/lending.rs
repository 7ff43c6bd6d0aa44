//! What is true of every pool after every command.

use novate_core::ledger::Party;
use novate_core::pool::{INDEX, SHARE};
use novate_core::state::State;

/// Totals are sums, the pool's books balance to what rounding left, and indexes keep their order.
pub fn hold(state: &State) {
    assert!(state.ledger.pools_are_true(&state.accounts), "pool totals are true");
    for asset in state.assets.iter().flatten() {
        let id = asset.terms.asset;
        let ledger = &state.ledger;
        let pool = ledger.pool(id);
        let of = |party| ledger.venue(party, id);
        let balances = || state.accounts.iter().filter_map(|a| a.balance(id));
        assert_eq!(pool.own, of(Party::Pool) + of(Party::Reserve), "asset {id}: what the venue has in the pool");
        // What is really there covers what is kept for orders and lines only as far as nobody took a loss; it is never negative.
        assert!(pool.idle() >= 0, "asset {id}: {} is lent out that is not there", pool.idle());
        // lent + reserve = borrowed + idle, all by index: what is over is rounding and the locked deposit's interest, the
        // venue's in the interest account, and never negative.
        let claims: i128 = balances().map(|b| i128::from(ledger.claim(b))).sum();
        let owed: i128 = balances().map(|b| i128::from(ledger.owed(b))).sum();
        let over = owed + i128::from(pool.idle()) - claims - i128::from(of(Party::Reserve));
        assert!(over >= 0, "asset {id}: the pool owes {over} more than it is owed");
        assert!(i128::from(ledger.owed_in_all(id)) <= owed, "asset {id}: the total in shares never exceeds the accounts'");
        assert!(i128::from(pool.due()) - pool.locked_shares * i128::from(pool.supply_index) / SHARE + 1 >= claims, "asset {id}: nor is it below the lenders'");
        assert!((0..SHARE).contains(&pool.carry), "asset {id}: the reserve's part of a unit");
        assert!(pool.borrow_index >= INDEX && pool.supply_index <= pool.borrow_index, "asset {id}: lenders never grow faster than loans");
        if asset.pool.is_none() {
            assert_eq!((claims, owed), (0, 0), "asset {id} has no pool");
        }
    }
}
