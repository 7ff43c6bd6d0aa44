//! Tokens that were redeemed without their holder's wish, or bought for a borrower, take the perp with them that they hedged.
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

/// A fill of a request took shares from its holder's token, or brought some for what its account borrowed.
pub(super) fn after(state: &mut State, request: &Request, shares: i64) {
    if request.forced && shares > 0 {
        note(state, request.account, request.token, if request.kind.mints() { -shares } else { shares });
    }
}

/// Shares that left an account's token without its wish; negative: that were bought for what it borrowed.
pub fn note(state: &mut State, account: u32, token: u32, shares: i64) {
    *state.clearing.unwinding.entry((account, token)).or_default() += shares;
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

/// Shares of an account's perps that its tokens do not hedge, at most those still to be closed: short ones, or for tokens that
/// were bought (`shares` negative) long ones.
fn unhedged(state: &State, account: u32, underlying: u32, shares: i64) -> i128 {
    let (spot, perp) = perp::shares(state, account, underlying);
    let sign = i128::from(shares.signum());
    (-perp * sign - (spot * sign).max(0)).min(i128::from(shares).abs()).max(0)
}

fn one(cx: &mut Context<'_>, key: (u32, u32)) {
    let (account, token) = key;
    let Some(mut shares) = cx.state.clearing.unwinding.get(&key).copied() else { return };
    let (underlying, sign) = (cx.state.known_asset(token).terms.underlying, shares.signum());
    let markets = cx.state.known_underlying(underlying).perps.clone();
    for &market in &markets {
        let per_lot = cx.state.shares_of(cx.state.known_market(market), 1).max(1);
        let wanted = narrow(unhedged(cx.state, account, underlying, shares) / per_lot).unwrap_or(i64::MAX);
        let lots = wanted.min(-cx.state.accounts[account as usize].lots(market) * sign);
        if lots > 0 {
            let closed = close(cx, account, token, market, lots * sign);
            shares -= narrow(i128::from(closed) * per_lot).unwrap_or(0);
        }
    }
    let left = unhedged(cx.state, account, underlying, shares);
    if markets.iter().any(|&m| left >= cx.state.shares_of(cx.state.known_market(m), 1).max(1)) {
        cx.state.clearing.unwinding.insert(key, narrow(left).unwrap_or(i64::MAX) * sign);
    } else {
        cx.state.clearing.unwinding.remove(&key);
    }
}

/// Buys back signed lots; sells negative ones. Returns the signed lots that traded.
fn close(cx: &mut Context<'_>, account: u32, token: u32, market: u32, lots: Lots) -> Lots {
    let liquidation = cx.state.accounts[account as usize].liquidation.is_some();
    let side = if lots > 0 { Side::Bid } else { Side::Ask };
    let limit = cx.state.collar(cx.state.known_market(market), side);
    let taker = Taker { account, order: 0, market, side, limit, lots: lots.abs(), self_trade: SelfTrade::CancelOldest, liquidation };
    let left = matching::take(cx, &taker).left * lots.signum();
    if left != lots {
        cx.tell_account(account, &HedgeClosed { token, market, lots: lots - left, left });
        cx.touch(account);
    }
    lots - left
}
