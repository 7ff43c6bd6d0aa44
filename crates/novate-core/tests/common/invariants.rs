//! What is true after every command, whatever it was.

mod orders;
mod clearing;
mod packages;
pub mod liquidation;
pub mod lending;

use super::venue::Venue;
use novate_core::ledger::Party;
use novate_core::margin::{Level, Portfolio, Question, evaluate};
use novate_core::matching::reservation;
use novate_core::order::{Side, Stage};
use novate_core::phase::Phase;
use novate_core::state::State;
use novate_core::state::corporate::ActionState;
use std::collections::BTreeMap;

/// Checks them all; panics with what is broken.
pub fn hold(venue: &Venue) {
    let state = venue.state();
    money(venue);
    for (market, (positions, clearing)) in state.clearing_differences() {
        assert_eq!((positions, clearing), (0, 0), "market {market}: positions and clearing sum to zero");
    }
    for market in state.markets.iter().flatten() {
        let id = market.terms.market;
        market.book.verify(&state.orders, id).expect("a sound book");
        if let (Some(bid), Some(ask)) = (market.book.best(Side::Bid), market.book.best(Side::Ask)) {
            assert!(bid < ask || market.phase.phase != Phase::Open, "market {id}: crossed book {bid} {ask}");
        }
        let long: i64 = state.accounts.iter().map(|a| a.lots(id).max(0)).sum();
        assert_eq!(long, market.open_interest, "market {id}: open interest");
        assert!(state.ledger.venue(Party::Clearing(id), market.terms.quote) >= 0, "clearing of {id} is never negative");
    }
    open_orders(state);
    orders::hold(state);
    accounts(state);
    corporate(state);
    packages::hold(state);
    liquidation::hold(state);
    clearing::hold(state);
}

fn money(venue: &Venue) {
    for (asset, difference) in venue.engine.conservation() {
        assert_eq!(difference, 0, "asset {asset} is conserved");
    }
    let state = venue.state();
    lending::hold(state);
    for (asset, party, amount) in state.ledger.venue_accounts() {
        assert!(amount >= 0 || matches!(party, Party::Rounding | Party::Custody | Party::Pool | Party::Distributions | Party::Redemptions), "{party:?} of asset {asset} is {amount}");
    }
    for asset in state.assets.iter().flatten() {
        let id = asset.terms.asset;
        let admitted: i64 = state.accounts.iter().filter_map(|a| a.balance(id)).map(|b| b.admitted).sum();
        assert_eq!(admitted, asset.admitted, "admitted units of asset {id}");
        assert!(asset.is_stablecoin() || admitted <= asset.terms.venue_cap, "asset {id} within its venue cap");
    }
}

/// Cached totals and reservations against the slab.
fn open_orders(state: &State) {
    for (index, account) in state.accounts.iter().enumerate() {
        let mut sides: BTreeMap<(u32, u8), (u32, i64, i128)> = BTreeMap::new();
        let mut reserved: BTreeMap<u32, i64> = BTreeMap::new();
        for slot in state.orders.of_account(account.orders) {
            let order = state.orders.order(slot);
            assert_eq!((order.account(), order.stage()), (index as u32, Stage::Resting), "between commands every order rests");
            let total = sides.entry((order.market(), order.side() as u8)).or_default();
            total.0 += 1;
            total.1 += order.leaves();
            total.2 += i128::from(order.leaves()) * i128::from(order.price());
            let market = state.known_market(order.market());
            if !market.is_perp() {
                let (asset, amount) = reservation(market, order.side(), order.price(), order.leaves());
                *reserved.entry(asset).or_default() += amount;
            }
        }
        for position in &account.positions {
            for side in [Side::Bid, Side::Ask] {
                let open = account.open(position).side(side);
                let fresh = sides.remove(&(position.market, side as u8)).unwrap_or_default();
                assert_eq!((open.orders, open.lots, open.ticks_lots), fresh, "open totals of {} in {}", account.id, position.market);
            }
        }
        assert!(sides.is_empty(), "an order is in its account's totals");
        for balance in &account.balances {
            assert_eq!(balance.reserved, reserved.get(&balance.asset).copied().unwrap_or(0), "reserved {} of {}", balance.asset, account.id);
        }
        assert!(account.liquidation.is_none() || account.orders == novate_core::order::NIL, "no order rests in a liquidation");
    }
}

fn accounts(state: &State) {
    for (index, account) in state.accounts.iter().enumerate() {
        assert_eq!(account.liquidation.is_some(), state.liquidating.contains(&(index as u32)), "the list of liquidations");
        for position in &account.positions {
            let p = position;
            assert!(p.lots != 0 || p.cost == 0, "a closed position has no cost");
            assert!(0 <= p.hedged_claim && p.hedged_claim <= p.claim(), "the hedged part of a claim");
        }
        for balance in &account.balances {
            let asset = state.known_asset(balance.asset);
            assert!(asset.pool.is_some() || balance.pledged >= 0, "a balance of {} is negative only with a pool behind it", account.id);
            assert!(balance.lent >= 0 && balance.reserved >= 0 && balance.admitted >= 0 && balance.held >= 0, "parts of a balance are not negative");
        }
    }
}

/// What brokers owe is what tokens carry; a job keeps its place; an ended underlying has no position.
fn corporate(state: &State) {
    for (asset, difference) in state.ledger.receivable_differences(&state.accounts) {
        assert_eq!(difference, 0, "receivables of asset {asset} are what brokers owe");
    }
    for (asset, due) in state.ledger.receivables() {
        let custody = i128::from(state.ledger.venue(Party::Custody, asset));
        assert_eq!(due.total, custody * i128::from(due.each), "dividends due on what is in custody of asset {asset}");
    }
    let running = state.corporate.actions.values().filter(|a| a.state == ActionState::Running).count();
    assert!(running <= usize::from(state.corporate.running.is_some()), "a running action has its job");
    for &ended in state.corporate.ended.iter().filter(|_| state.corporate.running.is_none()) {
        for &market in &state.known_underlying(ended).perps {
            assert!(state.accounts.iter().all(|a| a.lots(market) == 0), "market {market} of an ended underlying is settled");
        }
    }
}

/// After `AdvanceTime`: nobody healthy is still being liquidated unless cash is due, and nobody who owes it is left alone.
pub fn no_healthy_liquidation(state: &State) {
    lending::overdue_calls_are_worked_on(state);
    let mut portfolio = Portfolio::default();
    for &account in &state.liquidating {
        if novate_core::cash_deficit::due(state, account).is_some() {
            continue;
        }
        let drifted = state.accounts[account as usize].judged_adrift;
        for slower in [false, true] {
            let question = Question { slower, drifted, ..Question::at(Level::LiquidationEnd) };
            let excess = evaluate(state, account, &question, &mut portfolio).excess();
            assert!(excess < 0, "account {} is healthy ({excess}) and still in liquidation", state.accounts[account as usize].id);
        }
    }
}
