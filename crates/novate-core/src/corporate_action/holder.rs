//! What a corporate action does to one account.
//!
//! Responsible for: the money of a distribution on perp positions, closing positions of an ended underlying, renumbering a
//! token balance, and corrections to holders of record. Longs are credited rounded down and shorts debited rounded up; what
//! that leaves is the market's rounding account's. Never changes a price, a multiplier or a market's scale.

use crate::account::Balance;
use crate::clearing;
use crate::context::Context;
use crate::event::{BalanceAdjusted, PositionAdjusted};
use crate::ledger::Party;
use crate::margin::collateral::readmit;
use crate::perp::hedged_ppm;
use crate::state::corporate::{CorporateAction, Record, Running};
use crate::state::{Market, State};
use crate::units::{Lots, PPM, Price, Ratio, Value, div_floor, narrow, pow10, rate_down};

/// Quote units of so many dollars a share, less what is withheld, on signed lots at a scale; rounded down.
#[must_use]
pub fn quote_units(state: &State, market: &Market, lots: Lots, split: Ratio, each: Price, withheld_ppm: i64) -> i64 {
    let shares = split.of_down(i128::from(lots) * i128::from(market.terms.lot_size));
    let gross = state.known_underlying(market.terms.underlying).value_down(shares, each);
    let quote = pow10(state.known_asset(market.terms.quote).terms.decimals);
    clamp(div_floor(rate_down(gross, PPM - withheld_ppm) * quote, i128::from(PPM)))
}

fn clamp(value: Value) -> i64 {
    narrow(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// One account of an action that takes effect.
pub fn adjust(cx: &mut Context<'_>, running: &mut Running, id: u64, price: Price, account: u32) {
    let Some(action) = cx.state.corporate.actions.get(&id).map(head) else { return };
    let (perps, tokens) = {
        let listed = cx.state.known_underlying(action.terms.underlying);
        (listed.perps.clone(), listed.assets.clone())
    };
    if super::terms::pays(action.terms.action_kind) {
        for market in perps {
            pay_position(cx, &action, price, account, market);
        }
    }
    for token in tokens {
        // Interest in tokens is units, too: what the action pays on, and what a borrower owes of it, is by index.
        if cx.state.accounts[account as usize].balance(token).is_some() {
            let State { ledger, accounts, .. } = &mut *cx.state;
            ledger.bring_up(accounts, account, token);
        }
        if action.terms.token_mode == 1 {
            renumber(cx, &action, price, account, token);
        }
        let held = cx.state.accounts[account as usize].balance(token).map_or(0, Balance::units);
        *running.units.entry(token).or_default() += held;
    }
}

/// Books what the action pays on a position, or closes it for good, and keeps it on record.
fn pay_position(cx: &mut Context<'_>, action: &CorporateAction, each: Price, account: u32, market: u32) {
    let lots = cx.state.accounts[account as usize].lots(market);
    if lots == 0 {
        return;
    }
    let id = action.terms.action;
    if let Some(kept) = cx.state.corporate.actions.get_mut(&id) {
        kept.record.push(Record { account, market, lots });
    }
    let listed = cx.state.known_market(market);
    let withheld = action.withheld.1.get(&market).copied().unwrap_or(0);
    let worth = quote_units(cx.state, listed, lots, listed.split, each, withheld);
    let hedged = hedged_ppm(cx.state, account, action.terms.underlying);
    let position = cx.state.accounts[account as usize].position_mut(market);
    let mut amount = worth;
    if super::terms::ends(action.terms.action_kind) {
        amount -= position.cost;
        (position.lots, position.cost) = (0, 0);
    }
    book(cx, id, Record { account, market, lots }, amount, worth, hedged);
}

/// Books a result and leaves its rounding with the market.
fn book(cx: &mut Context<'_>, action: u64, record: Record, amount: i64, worth: i64, hedged: i64) {
    let Record { account, market, lots } = record;
    cx.state.market_mut(market).claims.rounding -= worth;
    let position = cx.state.accounts[account as usize].position_mut(market);
    position.book_result(amount, hedged);
    let (claim, debt) = (position.claim(), position.debt());
    cx.tell_account(account, &PositionAdjusted { action, market, lots, amount, claim, debt });
}

/// A correction for one holder of record: what the new amount would have made, less what was booked.
pub fn correct(cx: &mut Context<'_>, id: u64, amount: Price, at: u32) {
    let Some(action) = cx.state.corporate.actions.get(&id) else { return };
    let Some(&record) = action.record.get(at as usize) else { return };
    let (booked, underlying) = (action.booked, action.terms.underlying);
    let withheld = action.withheld.1.get(&record.market).copied().unwrap_or(0);
    let split = action.splits.get(&record.market).copied().unwrap_or(Ratio::ONE);
    let market = cx.state.known_market(record.market);
    let of = |each: Price| quote_units(cx.state, market, record.lots, split, each, withheld);
    let difference = of(amount) - of(booked);
    if difference != 0 {
        let hedged = hedged_ppm(cx.state, record.account, underlying);
        book(cx, id, record, difference, difference, hedged);
    }
}

/// A token balance times the ratio, each part of it and each redemption's rounded down; the fractions are paid in cash at the confirmed index, rounded
/// down.
fn renumber(cx: &mut Context<'_>, action: &CorporateAction, price: Price, account: u32, asset: u32) {
    let Some(ratio) = super::split_of(&action.terms) else { return };
    let Some(balance) = cx.state.accounts[account as usize].balance(asset) else { return };
    let mut parts = vec![(Party::Holder(account), balance.pledged), (Party::Held(account), balance.held)];
    // What a redemption holds is rounded per request, as its record will be.
    parts.extend(clearing::actions::escrowed(cx.state, account, asset).into_iter().map(|(_, units)| (Party::Escrow(account), units)));
    if parts.iter().all(|part| part.1 == 0) {
        return;
    }
    let rest = |old: i64| (i128::from(old) * i128::from(ratio.num)).rem_euclid(i128::from(ratio.den));
    let cash = parts.iter().map(|part| fraction_in_cash(cx.state, action, asset, rest(part.1), ratio, price)).sum();
    let cash_asset = action.terms.cash_asset;
    let State { ledger, accounts, .. } = &mut *cx.state;
    for (party, old) in parts {
        let change = clamp(ratio.of_down(i128::from(old))) - old;
        let (debit, credit) = if change >= 0 { (Party::Custody, party) } else { (party, Party::Custody) };
        ledger.post(accounts, asset, debit, credit, change.abs());
    }
    ledger.post(accounts, cash_asset, Party::Distributions, Party::Holder(account), cash);
    readmit(cx.state, account, asset);
    let balance = cx.state.accounts[account as usize].balance(asset).cloned().unwrap_or_default();
    let event = BalanceAdjusted { action: action.terms.action, asset, balance: balance.pledged, held: balance.held, cash_asset, cash };
    cx.tell_account(account, &event);
}

/// Cash for `rest / den` units after the split, which were `rest / num` units before it.
fn fraction_in_cash(state: &State, action: &CorporateAction, asset: u32, rest: i128, ratio: Ratio, price: Price) -> i64 {
    let listed = state.known_asset(asset);
    let worth = rest * i128::from(listed.terms.multiplier_ppb) * i128::from(price);
    let per = i128::from(ratio.num) * pow10(listed.terms.decimals) * state.known_underlying(action.terms.underlying).scale();
    let quote = pow10(state.known_asset(action.terms.cash_asset).terms.decimals);
    clamp(div_floor(div_floor(worth, per) * quote, i128::from(PPM)))
}

/// An action without its record, which grows while its accounts are adjusted.
fn head(a: &CorporateAction) -> CorporateAction {
    let CorporateAction { terms, withheld, multipliers, splits, .. } = a;
    let (terms, withheld, multipliers, splits) = (terms.clone(), withheld.clone(), multipliers.clone(), splits.clone());
    CorporateAction { terms, withheld, multipliers, splits, record: Vec::new(), ..*a }
}
