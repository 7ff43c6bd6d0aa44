//! Perp positions: what a fill does to them, and how results become claims and debts on the market's clearing account.
//!
//! Responsible for: one account's side of a trade or settlement. Cash moves in `settlement`; nothing is refused here.

use crate::context::Context;
use crate::state::State;
use crate::units::{Lots, PPM, Ticks};

/// Fraction of an account's perp position in a market's underlying that its tokens hedge, ppm rounded down.
#[must_use]
pub fn hedged_ppm(state: &State, account: u32, underlying: u32) -> i64 {
    let listed = state.known_underlying(underlying);
    let holder = &state.accounts[account as usize];
    let spot: i128 = listed
        .assets
        .iter()
        .filter_map(|&asset| holder.balance(asset).map(|b| state.known_asset(asset).shares(i128::from(b.pledged) + i128::from(b.lent))))
        .sum();
    let perp: i128 = listed.perps.iter().map(|&m| state.shares_of(state.known_market(m), i128::from(holder.lots(m)))).sum();
    if spot.signum() * perp.signum() >= 0 {
        return 0;
    }
    (spot.abs().min(perp.abs()) * i128::from(PPM) / perp.abs()) as i64
}

/// Books one side of a perp trade: position, realised result, fee. Returns what was realised, in quote units.
pub fn fill(cx: &mut Context<'_>, account: u32, market: u32, lots: Lots, price: Ticks, fee: i64) -> i64 {
    let (unit, underlying) = {
        let m = cx.state.known_market(market);
        (m.unit, m.terms.underlying)
    };
    let cost = lots * price * unit;
    let before = cx.state.accounts[account as usize].lots(market);
    let closes = before.signum() * lots.signum() < 0;
    let hedged = if closes { hedged_ppm(cx.state, account, underlying) } else { 0 };
    let position = cx.state.accounts[account as usize].position_mut(market);
    let realised = position.trade(lots, cost);
    position.book_result(realised, hedged);
    position.book_result(-fee, 0);
    let after = position.lots;
    let m = cx.state.market_mut(market);
    m.claims.fees += fee;
    m.open_interest += after.max(0) - before.max(0);
    realised
}
