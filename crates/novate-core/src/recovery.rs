//! What no stage sells: residues, and collateral that stays unsold for too many sessions (RULES section 10, stages 6 and 8).
//!
//! Responsible for: insurance buying residues, unsold collateral passing to recovery at the best bid or zero, recovery units,
//! and paying them. Never lets collateral leave custody before it was really sold.

use crate::bankruptcy::Leg;
use crate::command::PayRecovery;
use crate::context::Context;
use crate::event::{CollateralPassedToRecovery, RecoveryPaid, ResidueBought};
use crate::insurance::units_down;
use crate::ladder::{careful, shown};
use crate::ledger::Party;
use crate::margin::collateral::readmit;
use crate::margin::explain::allocate;
use crate::margin::Level;
use crate::order::Side;
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::liquidation::RecoveryHolder;
use crate::units::{Amount, PPM, Value};

/// Token balances of an account that are free: asset and units.
fn tokens(state: &State, account: u32) -> Vec<(u32, Amount)> {
    let holder = &state.accounts[account as usize];
    let tokens = holder.balances.iter().filter(|b| b.free() > 0 && !state.known_asset(b.asset).is_stablecoin());
    tokens.map(|b| (b.asset, b.free())).collect()
}

/// The stablecoin a token is sold for: the quote of its first spot market.
fn coin_of(state: &State, asset: u32) -> Option<u32> {
    let listed = state.known_underlying(state.known_asset(asset).terms.underlying);
    listed.spots.iter().map(|&m| state.known_market(m)).find(|m| m.terms.base == asset).map(|m| m.terms.quote)
}

/// Insurance buys what is below one lot, or below the listed value, at the index.
pub fn buy_residues(cx: &mut Context<'_>, account: u32) {
    for (asset, units) in tokens(cx.state, account) {
        let token = cx.state.known_asset(asset);
        let listed = cx.state.known_underlying(token.terms.underlying);
        let Some(coin) = coin_of(cx.state, asset) else { continue };
        if listed.price.permission(Action::Liquidate) == Permission::No {
            continue;
        }
        let lot = listed.spots.iter().map(|&m| cx.state.known_market(m)).filter(|m| m.terms.base == asset).map(|m| m.terms.lot_size).min().unwrap_or(1);
        let value = listed.value_down(token.shares(i128::from(units)), listed.price.index());
        if units >= lot && value > i128::from(cx.state.liquidation.terms().residue_value) {
            continue;
        }
        let bucket = listed.terms.bucket;
        let amount = in_coin(cx.state, coin, value);
        if amount > cx.state.ledger.venue(Party::Insurance(bucket), coin) {
            continue;
        }
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, asset, Party::Holder(account), Party::Insurance(bucket), units);
        ledger.post(accounts, coin, Party::Insurance(bucket), Party::Holder(account), amount);
        readmit(cx.state, account, asset);
        cx.tell_account(account, &ResidueBought { asset, units, amount, bucket });
    }
}

/// Whether what is open of a black account's leg is below the listed value: it does not end its market.
#[must_use]
pub fn is_residue(state: &State, leg: &Leg) -> bool {
    let listed = state.known_market(leg.market);
    state.quote_value(listed, i128::from(leg.open)) <= i128::from(state.liquidation.terms().residue_value)
}

fn in_coin(state: &State, coin: u32, value: Value) -> Amount {
    let price_ppm = i128::from(state.stablecoin_ppm(state.known_asset(coin)).max(1));
    units_down(state, coin, value * i128::from(PPM) / price_ppm)
}

/// Collateral that stayed unsold for the listed number of openings passes to recovery; true when any did.
pub fn pass_unsold(cx: &mut Context<'_>, account: u32) -> bool {
    let mut passed = false;
    for (asset, units) in tokens(cx.state, account) {
        let underlying = cx.state.known_asset(asset).terms.underlying;
        let opens = cx.state.liquidation.opens.get(&underlying).copied().unwrap_or(0);
        let sessions = cx.state.liquidation.terms().recovery_sessions;
        let Some(running) = &mut cx.state.accounts[account as usize].liquidation else { return false };
        let since = *running.unsold.entry(underlying).or_insert(opens);
        if opens.saturating_sub(since) >= sessions {
            pass(cx, account, asset, units);
            passed = true;
        }
    }
    passed
}

/// Insurance of the token's bucket pays the best bid, if there is one and it can; whoever bears the rest of the loss, the
/// pool of the account's loan, gets units for it.
fn pass(cx: &mut Context<'_>, account: u32, asset: u32, units: Amount) {
    let (bid, bucket) = best_bid(cx.state, asset, units);
    let mut value = 0;
    if let Some((coin, amount)) = bid
        && amount > 0
        && amount <= cx.state.ledger.venue(Party::Insurance(bucket), coin)
    {
        let State { ledger, accounts, .. } = &mut *cx.state;
        ledger.post(accounts, coin, Party::Insurance(bucket), Party::Holder(account), amount);
        value = shown(cx.state.known_asset(coin).face(i128::from(amount)));
        give_units(cx.state, asset, RecoveryHolder::Insurance(bucket), value);
    }
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, asset, Party::Holder(account), Party::Recovery, units);
    readmit(cx.state, account, asset);
    let missing = shown((-careful(cx, account, Level::CloseOut, true).1.equity).max(0));
    let loan = cx.state.accounts[account as usize].balances.iter().find(|b| b.pledged < 0).map(|b| b.asset);
    if let Some(coin) = loan {
        give_units(cx.state, asset, RecoveryHolder::Pool(coin), missing);
    }
    let recovery_units = cx.state.liquidation.recovery.get(&asset).map_or(0, |r| r.units.values().sum());
    cx.tell_account(account, &CollateralPassedToRecovery { asset, units, value, recovery_units });
}

/// The best bid for a token, as the quote and what all units would fetch at it; and the token's bucket.
fn best_bid(state: &State, asset: u32, units: Amount) -> (Option<(u32, Amount)>, u32) {
    let listed = state.known_underlying(state.known_asset(asset).terms.underlying);
    let market = listed.spots.iter().map(|&m| state.known_market(m)).find(|m| m.terms.base == asset);
    let bid = market.and_then(|m| m.book.best(Side::Bid).map(|price| (m, price)));
    let worth = bid.map(|(m, price)| (m.terms.quote, shown(i128::from(units / m.terms.lot_size) * i128::from(price) * i128::from(m.unit))));
    (worth, listed.terms.bucket)
}

fn give_units(state: &mut State, token: u32, holder: RecoveryHolder, units: i64) {
    if units > 0 {
        let held = state.liquidation.recovery.entry(token).or_default().units.entry(holder).or_default();
        *held = held.saturating_add(units);
    }
}

/// `PayRecovery`: the outside sold recovered tokens; the money goes to the holders of recovery units, pro rata.
///
/// # Errors
/// 205, 207, 304, 313, 812.
pub fn pay(cx: &mut Context<'_>, command: &PayRecovery) -> Result<(), Refusal> {
    let PayRecovery { token, sold, asset, amount } = *command;
    cx.state.asset(token)?;
    let coin = cx.state.asset(asset)?;
    require(coin.is_stablecoin(), Reject::quote_must_be_a_stablecoin.at(3, i64::from(asset), 0))?;
    require(sold > 0, Reject::amount_must_be_positive.at(2, sold, 1))?;
    require(amount > 0, Reject::amount_must_be_positive.at(4, amount, 1))?;
    cx.state.ledger.room_for(asset, amount)?;
    let held = cx.state.ledger.venue(Party::Recovery, token);
    let holders: Vec<(RecoveryHolder, i64)> = cx.state.liquidation.recovery.get(&token).map(|r| r.units.iter().map(|(&k, &v)| (k, v)).collect()).unwrap_or_default();
    require(sold <= held && !holders.is_empty(), Reject::recovery_must_hold_this_much.at(2, sold, held))?;

    let weights: Vec<Value> = holders.iter().map(|h| i128::from(h.1)).collect();
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, token, Party::Recovery, Party::Custody, sold);
    for (&(holder, _), part) in holders.iter().zip(allocate(i128::from(amount), &weights)) {
        let party = match holder {
            RecoveryHolder::Insurance(bucket) => Party::Insurance(bucket),
            RecoveryHolder::Pool(_) => Party::Reserve,
        };
        ledger.post(accounts, asset, Party::Custody, party, part as Amount);
    }
    cx.tell(&RecoveryPaid { token, sold, asset, amount });
    Ok(())
}
