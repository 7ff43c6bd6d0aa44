//! Owners who may not hold a token any more: told, then reduce-only, then redeemed at market.
//!
//! Responsible for: finding them, account by account with a cursor, and the stages. With each fill of a redemption the matched short
//! perp closes; sizes are what its book takes, so that no hedge is separated. Never decides who is eligible.

use crate::clearing::{self, Origin};
use crate::context::Context;
use crate::event::{CancelReason, EligibilityLapsed, EligibilityRedeemed};
use crate::matching::{self, Taker, fillable};
use crate::order::{SelfTrade, Side};
use crate::price::{Action, Permission};
use crate::state::State;
use crate::state::governance::{Lapse, LapseStage};
use crate::trading::cancel_where;
use crate::units::{Lots, Ticks, div_floor, narrow};
use crate::{collateral_sale, eligibility};

/// What happens to a lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    /// The owner is eligible again, or nothing is left.
    Cure,
    /// The time of the next stage has come.
    Due,
}

/// The life of a lapse: (stage, happening) to stage. Nothing leaves `Over`, nothing follows `Redeeming` but its end.
fn next(stage: LapseStage, happening: Happening) -> Option<LapseStage> {
    match (stage, happening) {
        (LapseStage::Notice | LapseStage::ReduceOnly | LapseStage::Redeeming, Happening::Cure) => Some(LapseStage::Over),
        (LapseStage::Notice, Happening::Due) => Some(LapseStage::ReduceOnly),
        (LapseStage::ReduceOnly, Happening::Due) => Some(LapseStage::Redeeming),
        (LapseStage::Redeeming, Happening::Due) | (LapseStage::Over, _) => None,
    }
}

/// Looks at some accounts, round robin, and lets a listed number of redemptions trade.
pub fn advance(cx: &mut Context<'_>) {
    let count = cx.state.accounts.len() as u32;
    if cx.state.governance.eligibility.is_none() || count == 0 {
        return;
    }
    for _ in 0..cx.state.config().sweep_accounts.min(count) {
        let account = cx.state.governance.lapse_cursor % count;
        cx.state.governance.lapse_cursor = (account + 1) % count;
        look_at(cx, account);
    }
    let most = cx.state.governance.config.as_ref().map_or(100, |c| c.changes_per_advance) as usize;
    let ready = |(key, lapse): (&(u32, u32), &Lapse)| (lapse.stage == LapseStage::Redeeming).then_some(*key);
    let redeeming: Vec<(u32, u32)> = cx.state.governance.lapses.iter().filter_map(ready).take(most).collect();
    for (account, asset) in redeeming {
        redeem(cx, account, asset);
    }
}

fn look_at(cx: &mut Context<'_>, account: u32) {
    for at in 0..cx.state.accounts[account as usize].balances.len() {
        let balance = &cx.state.accounts[account as usize].balances[at];
        let (asset, there) = (balance.asset, balance.pledged > 0);
        let ends = !there || eligibility::admits(cx.state, account, asset);
        match cx.state.governance.lapses.get(&(account, asset)).copied() {
            None if ends => {}
            None => {
                let wait = cx.state.governance.eligibility.as_ref().map_or(0, |e| e.notice_ns);
                enter(cx, account, asset, LapseStage::Notice, wait);
            }
            Some(lapse) if ends => {
                if next(lapse.stage, Happening::Cure).is_some() {
                    enter(cx, account, asset, LapseStage::Over, 0);
                }
            }
            Some(lapse) => {
                if let Some(stage) = next(lapse.stage, Happening::Due).filter(|_| cx.state.now >= lapse.next_ns) {
                    let wait = cx.state.governance.eligibility.as_ref().map_or(0, |e| e.reduce_only_ns);
                    enter(cx, account, asset, stage, wait);
                }
            }
        }
    }
}

fn enter(cx: &mut Context<'_>, account: u32, asset: u32, stage: LapseStage, wait: i64) {
    let ends = matches!(stage, LapseStage::Redeeming | LapseStage::Over);
    let next_ns = if ends { 0 } else { cx.state.now.saturating_add(wait) };
    if stage == LapseStage::Over {
        cx.state.governance.lapses.remove(&(account, asset));
    } else {
        cx.state.governance.lapses.insert((account, asset), Lapse { stage, next_ns });
    }
    let version = cx.state.governance.rules_version;
    cx.tell_account(account, &EligibilityLapsed { asset, stage: stage as u8, version, next_ns });
}

/// Redeems what the channel and the perp's book take now; a token without issuance goes through its book.
fn redeem(cx: &mut Context<'_>, account: u32, asset: u32) {
    // The hedges of the frozen are held, and a liquidation has its own way.
    if cx.state.accounts[account as usize].liquidation.is_some() || eligibility::not_frozen(cx.state, account).is_err() {
        return;
    }
    if cx.state.clearing.tokens.contains_key(&asset) { by_redemption(cx, account, asset) } else { through_book(cx, account, asset) }
}

/// The perp closes with each fill (`clearing::unwind`).
fn by_redemption(cx: &mut Context<'_>, account: u32, asset: u32) {
    let listed = cx.state.known_underlying(cx.state.known_asset(asset).terms.underlying);
    let markets: Vec<u32> = listed.perps.iter().chain(&listed.spots).copied().collect();
    let held = cx.state.accounts[account as usize].balance(asset).map_or(0, |b| b.pledged.max(0));
    if clearing::redeemable(cx.state, asset, held) == 0 {
        return;
    }
    cancel_where(cx, account, CancelReason::Restricted, |m| markets.contains(&m));
    let free = cx.state.accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::free);
    let most = clearing::redeemable(cx.state, asset, free);
    let Some((units, _)) = collateral_sale::with_hedge(cx.state, account, asset, most) else { return };
    if let Ok(request) = clearing::redeem_by_force(cx, account, asset, units, Origin::Lapse) {
        cx.tell_account(account, &EligibilityRedeemed { asset, market: 0, lots: 0, perp_market: 0, perp_lots: 0, request, units });
    }
}

/// Sells what both books take now: the token, and back the short perp that it hedged.
fn through_book(cx: &mut Context<'_>, account: u32, asset: u32) {
    let underlying = cx.state.known_asset(asset).terms.underlying;
    let listed = cx.state.known_underlying(underlying);
    let open = listed.price.index() > 0 && listed.price.permission(Action::Reduce) == Permission::Yes;
    let spot = listed.spots.iter().copied().find(|&m| cx.state.known_market(m).terms.base == asset);
    let (Some(spot), true) = (spot, open) else { return };
    let short = |state: &State, m: u32| -state.accounts[account as usize].lots(m);
    let perp = listed.perps.iter().copied().find(|&m| short(cx.state, m) > 0);
    cancel_where(cx, account, CancelReason::Restricted, |m| m == spot || Some(m) == perp);

    let terms = &cx.state.known_market(spot).terms;
    let free = cx.state.accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::free);
    let wanted = (free / terms.lot_size).min(terms.max_lots);
    let sale = |lots: Lots, state: &State| taker(account, spot, Side::Ask, state.collar(state.known_market(spot), Side::Ask), lots);
    let mut lots = if wanted > 0 { fillable(cx.state, &sale(wanted, cx.state)) } else { 0 };
    let mut back = 0;
    if let Some(perp) = perp {
        let (of_spot, of_perp) = (cx.state.known_market(spot), cx.state.known_market(perp));
        let per_perp = cx.state.shares_of(of_perp, 1).max(1);
        let sold = cx.state.shares_of(of_spot, i128::from(lots));
        let most = i128::from(short(cx.state, perp));
        back = narrow(div_floor(sold, per_perp).min(most)).unwrap_or(0);
        let buy = taker(account, perp, Side::Bid, cx.state.collar(cx.state.known_market(perp), Side::Bid), back);
        let found = if back > 0 { fillable(cx.state, &buy) } else { 0 };
        if found < back {
            back = found;
            let per_spot = cx.state.shares_of(of_spot, 1).max(1);
            lots = lots.min(narrow(div_floor(i128::from(back) * per_perp, per_spot)).unwrap_or(0));
        }
    }
    if lots == 0 {
        return;
    }
    let order = sale(lots, cx.state);
    let lots = lots - matching::take(cx, &order).left;
    if let Some(perp) = perp.filter(|_| back > 0) {
        let order = taker(account, perp, Side::Bid, cx.state.collar(cx.state.known_market(perp), Side::Bid), back);
        back -= matching::take(cx, &order).left;
    }
    cx.touch(account);
    let units = lots * cx.state.known_market(spot).terms.lot_size;
    let told = EligibilityRedeemed { asset, market: spot, lots, perp_market: perp.unwrap_or(0), perp_lots: back, request: 0, units };
    cx.tell_account(account, &told);
}

const fn taker(account: u32, market: u32, side: Side, limit: Ticks, lots: Lots) -> Taker {
    Taker { account, order: 0, market, side, limit, lots, self_trade: SelfTrade::CancelNewest, liquidation: false }
}
