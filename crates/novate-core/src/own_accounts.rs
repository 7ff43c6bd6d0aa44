//! One owner is one obligor: before stages 5 to 8 its other accounts stand in for the one in trouble (RULES section 10).
//!
//! Responsible for: closing the owner's opposing unhedged positions against each other, then moving free excess from its
//! green accounts. Never makes the helper worse than its initial requirement, never touches a hedge or a backstop tranche.

use crate::account::AccountState;
use crate::context::Context;
use crate::event::{OwnAccountSetOff, OwnPositionsClosed};
use crate::insurance::{units_down, units_up};
use crate::ladder::careful;
use crate::ledger::Party;
use crate::margin::{Change, Level, Question};
use crate::perp;
use crate::price::{Action, Permission};
use crate::state::State;
use crate::units::{Lots, PPM, Value, narrow};

/// Accounts of the same owner, in the order of their opening, without this one and without tranches.
fn others(state: &State, account: u32) -> Vec<u32> {
    let owner = &state.owners[state.accounts[account as usize].owner as usize];
    owner.accounts.iter().copied().filter(|&a| a != account && !state.liquidation.tranches.contains_key(&a)).collect()
}

/// Closes opposing positions, then moves free excess, until the account is above liquidation-end.
pub fn set_off(cx: &mut Context<'_>, account: u32) {
    let others = others(cx.state, account);
    if others.is_empty() {
        return;
    }
    let markets: Vec<u32> = cx.state.accounts[account as usize].positions.iter().filter(|p| p.lots != 0).map(|p| p.market).collect();
    for market in markets {
        for &other in &others {
            close_opposing(cx, account, other, market);
        }
    }
    for other in others {
        if cx.state.accounts[other as usize].state == AccountState::Green && cx.state.accounts[other as usize].liquidation.is_none() {
            move_excess(cx, other, account);
        }
    }
}

/// Whole lots of a position that no token of the account hedges.
#[must_use]
pub fn unhedged_lots(state: &State, account: u32, market: u32) -> Lots {
    let listed = state.known_market(market);
    let held = state.accounts[account as usize].lots(market).abs();
    let (spot, perp) = perp::shares(state, account, listed.terms.underlying);
    if spot.signum() * perp.signum() >= 0 {
        return held;
    }
    let free = (perp.abs() - spot.abs()).max(0);
    narrow(free / state.shares_of(listed, 1).max(1)).unwrap_or(i64::MAX).min(held)
}

fn close_opposing(cx: &mut Context<'_>, account: u32, other: u32, market: u32) {
    let listed = cx.state.known_market(market);
    if !listed.is_perp() || cx.state.known_underlying(listed.terms.underlying).price.permission(Action::Liquidate) == Permission::No {
        return;
    }
    let (held, opposite) = (cx.state.accounts[account as usize].lots(market), cx.state.accounts[other as usize].lots(market));
    if held.signum() * opposite.signum() >= 0 {
        return;
    }
    let lots = unhedged_lots(cx.state, account, market).min(unhedged_lots(cx.state, other, market));
    let (price, unit) = (cx.state.index_ticks(listed), listed.unit);
    let (mine, theirs) = (-held.signum() * lots, held.signum() * lots);
    if lots == 0 || !keeps(cx, account, other, market, mine, price) {
        return;
    }
    perp::transfer(cx, account, market, mine, mine * price * unit);
    perp::transfer(cx, other, market, theirs, theirs * price * unit);
    for (who, counterparty, lots) in [(account, other, mine), (other, account, theirs)] {
        let counterparty = cx.state.accounts[counterparty as usize].id;
        cx.tell_account(who, &OwnPositionsClosed { counterparty, market, lots, price });
        cx.touch(who);
    }
}

/// The account's requirement does not rise, and the other is not below initial because of it.
fn keeps(cx: &mut Context<'_>, account: u32, other: u32, market: u32, mine: Lots, price: i64) -> bool {
    let (question, before) = careful(cx, account, Level::LiquidationEnd, true);
    let change = [Change::Trade { market, lots: mine, price }];
    let after = cx.evaluate(account, &Question { changes: &change, ..question });
    let opposite = [Change::Trade { market, lots: -mine, price }];
    let there = cx.evaluate(other, &Question::at(Level::Initial)).excess();
    let then = cx.evaluate(other, &Question { changes: &opposite, ..Question::at(Level::Initial) }).excess();
    after.requirement <= before.requirement && then >= there.min(0)
}

fn move_excess(cx: &mut Context<'_>, from: u32, to: u32) {
    for at in 0..cx.state.accounts[from as usize].balances.len() {
        let deficit = -careful(cx, to, Level::LiquidationEnd, true).1.excess();
        let balance = &cx.state.accounts[from as usize].balances[at];
        let (asset, free) = (balance.asset, balance.free());
        let listed = cx.state.known_asset(asset);
        let price_ppm = i128::from(cx.state.stablecoin_ppm(listed).clamp(1, PPM));
        if deficit <= 0 || free == 0 || !listed.is_stablecoin() {
            continue;
        }
        let spare = cx.evaluate(from, &Question::at(Level::Initial)).excess();
        let at_face = |value: Value| value * i128::from(PPM) / price_ppm;
        let wanted = units_up(cx.state, asset, at_face(deficit) + 1);
        let amount = free.min(wanted).min(units_down(cx.state, asset, spare));
        let change = [Change::Balance { asset, amount: -amount }];
        if amount <= 0 || cx.evaluate(from, &Question { changes: &change, ..Question::at(Level::Initial) }).excess() < 0 {
            continue;
        }
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, asset, Party::Holder(from), Party::Holder(to), amount);
        for (who, counterparty, amount) in [(to, from, amount), (from, to, -amount)] {
            let counterparty = cx.state.accounts[counterparty as usize].id;
            cx.tell_account(who, &OwnAccountSetOff { counterparty, asset, amount });
            cx.touch(who);
        }
    }
}
