//! Stage 4: collateral is sold for a cash deficit, whatever the excess (RULES section 10).
//!
//! Responsible for: the order in which collateral goes (the listed rank, then the asset), each slice where it fetches most,
//! and closing the perp that a sold token hedged, in the same command. Never raises the requirement, never sells more than
//! the deficit needs.

use crate::cash_deficit::{self, Deficit};
use crate::context::Context;
use crate::event::CollateralSold;
use crate::ladder::{self, careful, shown};
use crate::margin::{Change, Level, Question};
use crate::matching::{self, Taker};
use crate::order::Side;
use crate::perp;
use crate::price::{Action, Permission};
use crate::reduction;
use crate::stage::Cause;
use crate::state::State;
use crate::units::{Lots, PPM, Ticks, div_ceil, narrow, rate_down};

/// A sale through a book, with the perp that closes beside it.
#[derive(Clone, Copy, Debug)]
struct Sale {
    asset: u32,
    market: u32,
    lots: Lots,
    worst: Ticks,
    /// Perp market, lots bought back, worst price.
    hedge: Option<(u32, Lots, Ticks)>,
}

/// Tokens of an account in the order in which they go: listed rank, then asset.
fn ranked(state: &State, account: u32) -> Vec<u32> {
    let holder = &state.accounts[account as usize];
    let tokens = holder.balances.iter().filter(|b| b.free() > 0 && !state.known_asset(b.asset).is_stablecoin());
    let mut found: Vec<(u32, u32)> = tokens.map(|b| (state.known_asset(b.asset).terms.sale_rank, b.asset)).collect();
    found.sort_unstable();
    found.into_iter().map(|f| f.1).collect()
}

/// Whether anything sells for the deficit now.
pub fn can_sell(cx: &mut Context<'_>, account: u32) -> bool {
    let Some(deficit) = cash_deficit::due(cx.state, account) else { return false };
    ranked(cx.state, account).into_iter().any(|asset| propose(cx, account, asset, deficit, PPM).is_some())
}

/// One slice; true when there is more to do in this command.
pub fn run(cx: &mut Context<'_>, account: u32, share_ppm: i64) -> bool {
    if let Some(deficit) = cash_deficit::due(cx.state, account) {
        for asset in ranked(cx.state, account) {
            if let Some(sale) = propose(cx, account, asset, deficit, share_ppm)
                && sell(cx, account, &sale, deficit)
            {
                return true;
            }
        }
    }
    if cash_deficit::due(cx.state, account).is_some() && careful(cx, account, Level::LiquidationEnd, true).1.excess() >= 0 {
        return false;
    }
    ladder::step(cx, account, Cause::SaleDone);
    true
}

/// The largest slice of a token through its book that the deficit, the depth, the speed limit and its hedge allow.
fn propose(cx: &mut Context<'_>, account: u32, asset: u32, deficit: Deficit, share_ppm: i64) -> Option<Sale> {
    let listed = cx.state.known_underlying(cx.state.known_asset(asset).terms.underlying);
    if listed.price.permission(Action::Liquidate) == Permission::No {
        return None;
    }
    let budget = rate_down(i128::from(listed.speed_budget), share_ppm);
    let spots = listed.spots.clone();
    let market = spots.into_iter().find(|&m| {
        let terms = &cx.state.known_market(m).terms;
        terms.base == asset && terms.quote == deficit.asset
    })?;
    let worst = worst_price(cx.state, market, Side::Ask);
    let m = cx.state.known_market(market);
    let per_lot = i128::from(worst.max(1)) * i128::from(m.unit);
    let free = cx.state.accounts[account as usize].balance(asset)?.free() / m.terms.lot_size;
    let wanted = narrow(div_ceil(i128::from(deficit.amount), per_lot)).unwrap_or(i64::MAX);
    let paced = narrow(budget / cx.state.quote_value(m, i128::from(cx.state.index_ticks(m)) * i128::from(m.unit)).max(1)).unwrap_or(i64::MAX);
    let lots = free.min(wanted).min(paced).min(depth(cx.state, account, market, Side::Ask, worst));
    let sale = with_hedge(cx.state, account, Sale { asset, market, lots, worst, hedge: None })?;
    keeps_requirement(cx, account, &sale).then_some(sale)
}

fn worst_price(state: &State, market: u32, side: Side) -> Ticks {
    let index = i128::from(state.index_ticks(state.known_market(market)));
    let tolerance = i128::from(state.liquidation.terms().sale_tolerance_ppm);
    let price = match side {
        Side::Ask => div_ceil(index * (i128::from(PPM) - tolerance), i128::from(PPM)),
        Side::Bid => index * (i128::from(PPM) + tolerance) / i128::from(PPM),
    };
    narrow(price).unwrap_or(i64::MAX).max(1)
}

fn depth(state: &State, account: u32, market: u32, side: Side, worst: Ticks) -> Lots {
    let taker = Taker { account, order: 0, market, side, limit: worst, lots: i64::MAX / 4, self_trade: crate::order::SelfTrade::CancelNewest, liquidation: true };
    let there = matching::fillable(state, &taker);
    (rate_down(i128::from(there), state.config().liquidation_depth_ppm) as i64).max(there.min(1))
}

/// Adds the perp lots that the sold tokens hedged; fewer tokens where the perp's book is thinner.
fn with_hedge(state: &State, account: u32, sale: Sale) -> Option<Sale> {
    if sale.lots <= 0 {
        return None;
    }
    let market = state.known_market(sale.market);
    let (spot, perp) = perp::shares(state, account, market.terms.underlying);
    let unhedged = (spot - (-perp).max(0)).max(0);
    let per_lot = state.shares_of(market, 1).max(1);
    let free_lots = narrow(unhedged / per_lot).unwrap_or(i64::MAX);
    if perp >= 0 || sale.lots <= free_lots {
        return Some(sale);
    }
    let holder = &state.accounts[account as usize];
    let perps = &state.known_underlying(market.terms.underlying).perps;
    let hedge = perps.iter().copied().find(|&m| holder.lots(m) < 0)?;
    let worst = worst_price(state, hedge, Side::Bid);
    let perp_lot = state.shares_of(state.known_market(hedge), 1).max(1);
    let room = depth(state, account, hedge, Side::Bid, worst).min(-holder.lots(hedge));
    let matched = (i128::from(sale.lots - free_lots) * per_lot).min(i128::from(room) * perp_lot);
    let perp_lots = narrow(matched / perp_lot)?;
    let lots = free_lots + narrow(i128::from(perp_lots) * perp_lot / per_lot)?;
    let hedge = (perp_lots > 0).then_some((hedge, perp_lots, worst));
    (lots > 0).then_some(Sale { lots: lots.min(sale.lots), hedge, ..sale })
}

fn keeps_requirement(cx: &mut Context<'_>, account: u32, sale: &Sale) -> bool {
    let (question, before) = careful(cx, account, Level::LiquidationEnd, false);
    let mut changes = vec![Change::Trade { market: sale.market, lots: -sale.lots, price: sale.worst }];
    changes.extend(sale.hedge.map(|(market, lots, price)| Change::Trade { market, lots, price }));
    cx.evaluate(account, &Question { changes: &changes, ..question }).requirement <= before.requirement
}

fn sell(cx: &mut Context<'_>, account: u32, sale: &Sale, deficit: Deficit) -> bool {
    let taker = |market, side, limit, lots| Taker { account, order: 0, market, side, limit, lots, self_trade: crate::order::SelfTrade::CancelNewest, liquidation: true };
    let done = matching::take(cx, &taker(sale.market, Side::Ask, sale.worst, sale.lots));
    let filled = sale.lots - done.left;
    if filled == 0 {
        return false;
    }
    let (mut perp_market, mut perp_lots) = (0, 0);
    if let Some((market, lots, worst)) = sale.hedge {
        let part = narrow(i128::from(lots) * i128::from(filled) / i128::from(sale.lots)).unwrap_or(0);
        perp_market = market;
        perp_lots = part - matching::take(cx, &taker(market, Side::Bid, worst, part)).left;
    }
    let m = cx.state.known_market(sale.market);
    let proceeds = shown(done.ticks_lots * i128::from(m.unit));
    let (underlying, units) = (m.terms.underlying, filled * m.terms.lot_size);
    let value = shown(cx.state.quote_value(m, i128::from(proceeds)));
    reduction::spend(cx.state, underlying, value);
    let told = CollateralSold { asset: sale.asset, way: 0, units, proceeds, perp_market, perp_lots, deficit: deficit.amount };
    cx.tell_account(account, &told);
    true
}
