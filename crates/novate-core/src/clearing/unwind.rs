//! Tokens that were redeemed without their holder's wish take the perp with them that they hedged.
//!
//! Responsible for: closing it through the book, in the command of the fill as far as the book reaches, and with the passing
//! of time after that. Never closes more than what the remaining tokens do not hedge.

use crate::context::Context;
use crate::event::HedgeClosed;
use crate::matching::{self, Taker};
use crate::order::{SelfTrade, Side};
use crate::perp;
use crate::state::State;
use crate::state::clearing::Request;
use crate::units::{Lots, narrow};

/// A fill of a request took shares from its holder's token.
pub(super) fn after(state: &mut State, request: &Request, shares: i64) {
    if request.forced && shares > 0 {
        *state.clearing.unwinding.entry((request.account, request.token)).or_default() += shares;
    }
}

/// Closes what the current command's fills left without a token.
pub fn of_touched(cx: &mut Context<'_>) {
    if cx.state.clearing.unwinding.is_empty() {
        return;
    }
    for at in 0..cx.scratch.touched.len() {
        let account = cx.scratch.touched[at];
        let keys: Vec<(u32, u32)> = cx.state.clearing.unwinding.range((account, 0)..=(account, u32::MAX)).map(|u| *u.0).collect();
        for key in keys {
            one(cx, key);
        }
    }
}

/// Tries again what the books had no depth for.
pub(super) fn again(cx: &mut Context<'_>, most: usize) {
    let keys: Vec<(u32, u32)> = cx.state.clearing.unwinding.keys().take(most).copied().collect();
    for key in keys {
        one(cx, key);
    }
}

/// Shares of an account's short perps that its tokens do not hedge, at most those still to be closed.
fn unhedged(state: &State, account: u32, underlying: u32, shares: i64) -> i128 {
    let (spot, perp) = perp::shares(state, account, underlying);
    (-perp - spot.max(0)).min(i128::from(shares)).max(0)
}

fn one(cx: &mut Context<'_>, key: (u32, u32)) {
    let (account, token) = key;
    let Some(shares) = cx.state.clearing.unwinding.get(&key).copied() else { return };
    let underlying = cx.state.known_asset(token).terms.underlying;
    for market in cx.state.known_underlying(underlying).perps.clone() {
        let wanted = unhedged(cx.state, account, underlying, shares);
        let per_lot = cx.state.shares_of(cx.state.known_market(market), 1).max(1);
        let held = -cx.state.accounts[account as usize].lots(market);
        let lots = narrow(wanted / per_lot).unwrap_or(i64::MAX).min(held);
        if lots > 0 {
            close(cx, account, token, market, lots);
        }
    }
    let left = narrow(unhedged(cx.state, account, underlying, shares)).unwrap_or(i64::MAX);
    let least = |&m: &u32| cx.state.shares_of(cx.state.known_market(m), 1).max(1);
    let closable = cx.state.known_underlying(underlying).perps.iter().map(least).min().is_some_and(|lot| i128::from(left) >= lot);
    if closable {
        cx.state.clearing.unwinding.insert(key, left);
    } else {
        cx.state.clearing.unwinding.remove(&key);
    }
}

fn close(cx: &mut Context<'_>, account: u32, token: u32, market: u32, lots: Lots) {
    let liquidation = cx.state.accounts[account as usize].liquidation.is_some();
    let limit = cx.state.collar(cx.state.known_market(market), Side::Bid);
    let taker = Taker { account, order: 0, market, side: Side::Bid, limit, lots, self_trade: SelfTrade::CancelOldest, liquidation };
    let left = matching::take(cx, &taker).left;
    if left < lots {
        cx.tell_account(account, &HedgeClosed { token, market, lots: lots - left, left });
        cx.touch(account);
    }
}
