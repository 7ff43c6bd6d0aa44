//! What is true of every pool after every command, and of calls and lines.

use novate_core::calls::{open_cash, open_loan};
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
    calls(state);
    lines(state);
}

/// A call has one deadline, is never more than what is owed, and an answered one is gone with the command that answered it.
fn calls(state: &State) {
    let Some(terms) = &state.lending.terms else { return };
    for (&(account, market), call) in &state.lending.cash_calls {
        let id = state.accounts[account as usize].id;
        let debt = state.accounts[account as usize].position(market).map_or(0, |p| p.debt());
        assert!(call.amount > 0 && open_cash(state, account, market) <= debt, "account {id}: called {} of a debt of {debt}", call.amount);
        assert!((0..=terms.cash_call_ns).contains(&call.left_ns) && call.overdue == (call.left_ns == 0), "account {id}: {call:?}");
    }
    for (&(account, asset), call) in &state.lending.loan_calls {
        let (id, owed) = (state.accounts[account as usize].id, state.accounts[account as usize].balance(asset).map_or(0, |b| state.ledger.owed(b)));
        assert!(call.keep >= 0 && (call.due_ns == 0) != (call.due_opens == 0), "account {id}: {call:?}");
        assert!(open_loan(state, account, asset) <= owed, "account {id}: more is called than owed");
    }
    for (asset, pool) in &state.lending.pools {
        assert!(pool.waiting.iter().all(|w| w.1 > 0), "asset {asset}: whoever waits waits for something");
    }
}

/// A committed line stands in the balance and in the list, within its type, and its room is kept.
fn lines(state: &State) {
    for (index, account) in (0_u32..).zip(&state.accounts) {
        for balance in &account.balances {
            let listed = state.lending.lines.get(&(index, balance.asset));
            assert_eq!(balance.line > 0, listed.is_some(), "account {}: a line of asset {}", account.id, balance.asset);
            if listed.is_some() {
                let sold = &state.lending.line_types[&(balance.asset, balance.line_type)];
                assert!((sold.least..=sold.most).contains(&balance.line), "account {}: a line is sold in these sizes", account.id);
                assert!(balance.drawn() + balance.kept() >= balance.line, "account {}: what is not drawn is kept", account.id);
            }
        }
    }
}

/// After `AdvanceTime`, where liquidation runs: whoever has an overdue call that cash answers is in it.
pub fn overdue_calls_are_worked_on(state: &State) {
    if state.corporate.running.is_some() || novate_core::outage::books_are_away(state) || state.liquidation.terms.is_none() {
        return;
    }
    for account in novate_core::calls::overdue_accounts(state) {
        let holder = &state.accounts[account as usize];
        let due = novate_core::cash_deficit::due(state, account);
        assert!(due.is_none() || holder.liquidation.is_some(), "account {}: {due:?} is overdue and nothing happens", holder.id);
    }
}
