//! Stage 8: what is left of a perp loss is shared by the bucket's perp gains (RULES section 10).
//!
//! Responsible for: who shares, how much. Gains count since the last moment without a black account, less the loss on the
//! spot that hedged them; holders without perps, held balances and loan losses are never touched.

use crate::context::Context;
use crate::event::LossShared;
use crate::insurance::units_up;
use crate::ladder::shown;
use crate::margin::explain::allocate;
use crate::perp;
use crate::state::State;
use crate::units::Value;

/// Accounts with perp gains in a bucket to share, ascending by account id, with the gain.
#[must_use]
pub fn sharers(state: &State, bucket: u32, owner: u32) -> Vec<(u32, Value)> {
    let mut found: Vec<(u32, Value)> = Vec::new();
    for (index, holder) in state.accounts.iter().enumerate() {
        if holder.owner == owner || holder.liquidation.is_some() || holder.positions.is_empty() {
            continue;
        }
        let gain = perp::shareable_gain(state, index as u32, bucket);
        if gain > 0 {
            found.push((index as u32, gain));
        }
    }
    found.sort_unstable_by_key(|&(index, _)| state.accounts[index as usize].id);
    found
}

/// Shares `open` quote units of a loss in a market; returns what no gain covers.
pub fn run(cx: &mut Context<'_>, account: u32, market: u32, open: i64) -> i64 {
    let listed = cx.state.known_market(market);
    let (quote, bucket) = (listed.terms.quote, cx.state.known_underlying(listed.terms.underlying).terms.bucket);
    let sharers = sharers(cx.state, bucket, cx.state.accounts[account as usize].owner);
    let gains: Vec<Value> = sharers.iter().map(|s| s.1).collect();
    let loss = cx.state.quote_value(listed, i128::from(open));
    let shared = loss.min(gains.iter().sum());
    if shared <= 0 {
        return open;
    }
    let mut left = open;
    for (&(sharer, gain), part) in sharers.iter().zip(allocate(shared, &gains)) {
        let amount = units_up(cx.state, quote, part).min(left);
        if amount == 0 {
            continue;
        }
        left -= amount;
        cx.state.accounts[sharer as usize].position_mut(market).book_result(-amount, 0);
        cx.state.accounts[account as usize].position_mut(market).book_result(amount, 0);
        cx.tell_account(sharer, &LossShared { bucket, market, gain: shown(gain), amount });
        cx.touch(sharer);
    }
    left
}
