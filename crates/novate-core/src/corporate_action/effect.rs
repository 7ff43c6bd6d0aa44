//! The one sequence at which a corporate action moves everything that is not an account's own.
//!
//! Responsible for: prices and their history, marks, shares per lot and per token, what is receivable, listed bounds, names,
//! and the end of an underlying. Never visits accounts.

use super::{split_of, terms};
use crate::clearing;
use crate::context::Context;
use crate::event::{CorporateActionTaken, ReceivableChanged};
use crate::ledger::Party;
use crate::state::State;
use crate::state::corporate::CorporateAction;
use crate::units::{PPM, Price, Ratio, div_floor, div_nearest, narrow, pow10};
use std::collections::BTreeMap;

/// Why what is receivable changed; the numbers of `ReceivableChanged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    ExDate = 0,
    Correction = 1,
    Reinvested = 2,
    Paid = 3,
    Split = 4,
}

/// Before the accounts: what a correction will need of now.
pub fn record(cx: &mut Context<'_>, id: u64, price: Price) {
    let State { corporate, underlyings, assets, markets, .. } = &mut *cx.state;
    let (token_rates, perp_rates) = (&corporate.token_withholding, &corporate.perp_withholding);
    let Some(action) = corporate.actions.get_mut(&id) else { return };
    let Some(listed) = underlyings[action.terms.underlying as usize].as_ref() else { return };
    action.booked = if terms::pays(action.terms.action_kind) { price } else { 0 };
    action.multipliers = listed.assets.iter().filter_map(|&a| Some((a, assets[a as usize].as_ref()?.terms.multiplier_ppb))).collect();
    action.splits = listed.perps.iter().filter_map(|&m| Some((m, markets[m as usize].as_ref()?.split))).collect();
    if terms::is_taxed(action.terms.action_kind) {
        let of = |list: &[u32], rates: &BTreeMap<u32, i64>| list.iter().filter_map(|id| rates.get(id).map(|&rate| (*id, rate))).collect();
        action.withheld = (of(&listed.assets, token_rates), of(&listed.perps, perp_rates));
    }
}

/// Everything moves. `units` are the units of each token that holders have.
pub fn take(cx: &mut Context<'_>, id: u64, price: Price, units: &BTreeMap<u32, i128>) {
    let Some(action) = cx.state.corporate.actions.get(&id) else { return };
    let (t, kind) = (action.terms.clone(), action.terms.action_kind);
    let head = CorporateAction { record: Vec::new(), ..action.clone() };
    let before = cx.state.known_underlying(t.underlying).price.index();
    if let Some(ratio) = split_of(&t) {
        rescale(cx, &head, ratio, units);
    } else if terms::distributes(kind) {
        subtract(cx, t.underlying, price);
        accrue(cx, &head, price, units, Reason::ExDate);
    } else if terms::ends(kind) {
        settle(cx.state, t.underlying, price);
    } else {
        cx.state.underlying_mut(t.underlying).terms.name.clone_from(&t.name);
    }
    let after = &cx.state.known_underlying(t.underlying).price;
    let event = CorporateActionTaken {
        action: id,
        underlying: t.underlying,
        index_before: before,
        index: after.index(),
        stable: after.stable(),
        ratio_new: t.ratio_new,
        ratio_old: t.ratio_old,
        amount: head.booked,
    };
    cx.tell(&event);
}

/// After the records: tokens get the difference too, or the ended underlying its corrected price.
pub fn correct(cx: &mut Context<'_>, id: u64, amount: Price) {
    let Some(action) = cx.state.corporate.actions.get_mut(&id) else { return };
    let booked = std::mem::replace(&mut action.booked, amount);
    let head = CorporateAction { record: Vec::new(), ..action.clone() };
    if terms::ends(head.terms.action_kind) {
        settle(cx.state, head.terms.underlying, amount);
        return;
    }
    for (&asset, &multiplier) in &head.multipliers {
        let of = |each| receivable(cx.state, &head, asset, multiplier, each);
        let difference = of(amount) - of(booked);
        change(cx, asset, difference, custody(cx.state, asset), Reason::Correction);
    }
}

/// 1e-12 dollars per token of so many dollars a share, less what the token's issuer withholds; rounded down.
fn receivable(state: &State, action: &CorporateAction, asset: u32, multiplier_ppb: i64, each: Price) -> i64 {
    let kept = i128::from(PPM - action.withheld.0.get(&asset).copied().unwrap_or(0));
    let net = i128::from(each) * kept * i128::from(multiplier_ppb);
    // Dollars: price / 10^decimals x kept / 1e6 x multiplier / 1e9; of it 1e12.
    let per = pow10(state.known_underlying(action.terms.underlying).terms.decimals) * 1_000;
    narrow(div_floor(net, per)).unwrap_or(i64::MAX)
}

fn custody(state: &State, asset: u32) -> i128 {
    i128::from(state.ledger.venue(Party::Custody, asset))
}

/// Units of a token in the venue's own accounts.
fn own_units(state: &State, asset: u32) -> i128 {
    let own = state.ledger.venue_accounts().filter(|&(of, party, _)| of == asset && party != Party::Custody);
    own.map(|(_, _, amount)| i128::from(amount)).sum()
}

fn accrue(cx: &mut Context<'_>, action: &CorporateAction, each: Price, units: &BTreeMap<u32, i128>, reason: Reason) {
    for (&asset, &multiplier) in &action.multipliers {
        let per_token = receivable(cx.state, action, asset, multiplier, each);
        let units = units.get(&asset).copied().unwrap_or(0) + own_units(cx.state, asset);
        change(cx, asset, per_token, units, reason);
    }
}

/// Makes more or less receivable on a token, and tells it.
pub fn change(cx: &mut Context<'_>, asset: u32, by: i64, units: i128, reason: Reason) {
    cx.state.ledger.accrue(asset, by, units);
    let (receivable, multiplier_ppb) = (cx.state.ledger.receivable(asset), cx.state.known_asset(asset).terms.multiplier_ppb);
    cx.tell(&ReceivableChanged { asset, receivable, multiplier_ppb, reason: reason as u8 });
}

fn perps_of(state: &State, underlying: u32) -> Vec<u32> {
    state.known_underlying(underlying).perps.clone()
}

/// A split: prices by the inverse, shares per lot and per token (or tokens) by the ratio.
fn rescale(cx: &mut Context<'_>, action: &CorporateAction, ratio: Ratio, units: &BTreeMap<u32, i128>) {
    let (id, inverse) = (action.terms.underlying, ratio.inverse());
    let listed = cx.state.underlying_mut(id);
    let price = |p: Price| narrow(inverse.of_nearest(i128::from(p))).unwrap_or(Price::MAX).max(1);
    listed.price.rescale(inverse);
    (listed.terms.price_min, listed.terms.price_max) = (price(listed.terms.price_min), price(listed.terms.price_max));
    (listed.price_terms.price_min, listed.price_terms.price_max) = (listed.terms.price_min, listed.terms.price_max);
    let (assets, spots) = (listed.assets.clone(), listed.spots.clone());
    for market in perps_of(cx.state, id) {
        let market = cx.state.market_mut(market);
        // The terms were checked against the listing when the action was scheduled, and no other ran since.
        market.split = market.split.times(ratio).unwrap_or(market.split);
        market.mark.rescale(inverse);
    }
    for asset in assets {
        let held = units.get(&asset).copied().unwrap_or(0);
        if action.terms.token_mode == 1 {
            renumber(cx, asset, ratio, held);
            clearing::actions::follow_renumbering(cx.state, asset, ratio);
        } else {
            let terms = &mut cx.state.asset_mut(asset).terms;
            terms.multiplier_ppb = ratio.of_down(i128::from(terms.multiplier_ppb)) as i64;
            clearing::actions::follow_multiplier(cx.state, asset, ratio);
            change(cx, asset, 0, 0, Reason::Split);
        }
    }
    if action.terms.token_mode == 1 {
        for market in spots {
            let market = cx.state.market_mut(market);
            market.last_trade = if market.last_trade == 0 { 0 } else { price(market.last_trade) };
            market.mark.rescale(inverse);
        }
    }
}

/// What belongs to a token whose balances were renumbered: the venue's own units, caps, and what is receivable on each.
fn renumber(cx: &mut Context<'_>, asset: u32, ratio: Ratio, held: i128) {
    let own: Vec<(Party, i64)> = cx.state.ledger.venue_accounts().filter(|a| a.0 == asset && a.1 != Party::Custody && a.2 > 0).map(|a| (a.1, a.2)).collect();
    for (party, amount) in own {
        let by = ratio.of_down(i128::from(amount)) as i64 - amount;
        let (debit, credit) = if by > 0 { (Party::Custody, party) } else { (party, Party::Custody) };
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, asset, debit, credit, by.abs());
    }
    cx.state.ledger.renumber_locked(asset, ratio);
    let terms = &mut cx.state.asset_mut(asset).terms;
    let cap = |units: i64| narrow(ratio.of_down(i128::from(units))).unwrap_or(i64::MAX);
    (terms.owner_cap, terms.venue_cap) = (cap(terms.owner_cap), cap(terms.venue_cap));
    let each = cx.state.ledger.receivable(asset);
    let by = ratio.inverse().of_down(i128::from(each)) as i64 - each;
    let units = held + own_units(cx.state, asset);
    change(cx, asset, by, units, Reason::Split);
}

/// A distribution leaves the price: index, history and marks by its amount.
fn subtract(cx: &mut Context<'_>, underlying: u32, by: Price) {
    if by == 0 {
        return;
    }
    cx.state.underlying_mut(underlying).price.subtract(by);
    for market in perps_of(cx.state, underlying) {
        let listed = cx.state.known_market(market);
        let fewer = listed.ticks_of(by);
        let market = cx.state.market_mut(market);
        market.mark.subtract(by);
        market.last_trade = if market.last_trade == 0 { 0 } else { (market.last_trade - fewer).max(1) };
    }
    let spots = cx.state.known_underlying(underlying).spots.clone();
    for market in spots {
        let listed = cx.state.known_market(market);
        let multiplier = i128::from(cx.state.known_asset(listed.terms.base).terms.multiplier_ppb);
        let fewer = div_nearest(i128::from(by) * multiplier, i128::from(listed.terms.tick_size) * 1_000_000_000) as i64;
        let tick = listed.terms.tick_size;
        let market = cx.state.market_mut(market);
        market.mark.subtract(fewer.saturating_mul(tick));
        market.last_trade = if market.last_trade == 0 { 0 } else { (market.last_trade - fewer).max(1) };
    }
}

/// The underlying ends at a price: its perps are closed, its tokens wait for what they became.
fn settle(state: &mut State, underlying: u32, price: Price) {
    state.corporate.ended.insert(underlying);
    state.underlying_mut(underlying).price.pin(price.max(1));
    for market in perps_of(state, underlying) {
        let market = state.market_mut(market);
        market.mark.pin(price.max(1));
        market.open_interest = 0;
    }
}
