//! The treasury between stablecoins and dollars: paying redemptions, converting, delivering.
//!
//! Responsible for: `DeliverRequest`, `RequestConversion`, `ReportConversion`, and what follows when a request is settled.
//! Redemptions are paid only out of stablecoins that are in the vault.

use super::{Step, advance, after, capacity};
use crate::command::{DeliverRequest, ReportConversion, RequestConversion};
use crate::context::Context;
use crate::event::{ConversionEnded, ConversionRequested, RequestPaid};
use crate::funds;
use crate::ledger::Party;
use crate::ledger::books::{Place, Unit};
use crate::params::within;
use crate::reject::{Refusal, Reject, require};
use crate::state::clearing::{Conversion, RequestKind, RequestState};
use crate::units::{HOUR, PPM, narrow};

/// Nothing of the request is unsettled any more: it is settled, and what can be delivered at once is.
pub(super) fn settle_request(cx: &mut Context<'_>, id: u64) {
    let carried = needs_repair(cx, id);
    let Some(request) = cx.state.clearing.requests.get(&id) else { return };
    if request.unsettled > 0 || carried || super::table::next(request.state, Step::Settle).is_none() {
        return;
    }
    let kind = request.kind;
    advance(cx, id, Step::Settle);
    match kind {
        RequestKind::Redeem => {
            cx.state.clearing.unpaid.insert(id);
            pay(cx, id);
        }
        RequestKind::RedeemInKind => advance(cx, id, Step::Deliver),
        _ => (),
    }
}

/// Whether what the venue carries of the request's token waits for its repair.
fn needs_repair(cx: &Context<'_>, id: u64) -> bool {
    let Some(request) = cx.state.clearing.requests.get(&id) else { return false };
    let carried = matches!(request.state, RequestState::Failed | RequestState::Busted);
    let missing = if request.kind.mints() {
        cx.state.clearing.books.at(Unit::Shares(request.token), Place::Shortage)
    } else {
        cx.state.clearing.tokens[&request.token].to_hedge
    };
    carried && missing > 0
}

/// A token's shortage is bought in, or its left-over sold: requests that were carried are settled.
pub(super) fn settle_repaired(cx: &mut Context<'_>, token: u32, mints: bool) {
    let ids: Vec<u64> = cx.state.clearing.carried.range((token, mints, 0)..=(token, mints, u64::MAX)).map(|c| c.2).collect();
    for id in ids {
        settle_request(cx, id);
    }
}

/// Pays what a settled redemption is due, if the treasury has it in the vault.
pub(super) fn pay(cx: &mut Context<'_>, id: u64) {
    let Some(request) = cx.state.clearing.requests.get(&id).cloned() else { return };
    let (cash, due, fee, account) = (request.cash, request.due, request.fee_due, request.account);
    if cx.state.ledger.venue(Party::Treasury, cash) < request.to_pay() {
        return;
    }
    funds::post(cx.state, cash, Party::Treasury, Party::Redemptions, due);
    funds::post(cx.state, cash, Party::Due(account), Party::Holder(account), due);
    funds::post(cx.state, cash, Party::Treasury, Party::Fees, fee);
    funds::post(cx.state, cash, Party::Treasury, Party::Distributions, request.returned_due);
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        (request.due, request.fee_due, request.returned_due) = (0, 0, 0);
    }
    cx.state.clearing.unpaid.remove(&id);
    let balance = cx.state.accounts[account as usize].balance(cash).map_or(0, |b| b.pledged);
    cx.tell_account(account, &RequestPaid { request: id, asset: cash, amount: due, balance });
    advance(cx, id, Step::Deliver);
    cx.touch(account);
}

/// `DeliverRequest`: the chain confirmed an issuance; or a redemption is paid now.
///
/// # Errors
/// 911, 912, 939.
pub fn deliver(cx: &mut Context<'_>, c: &DeliverRequest) -> Result<(), Refusal> {
    let request = cx.state.clearing.request(c.request)?;
    after(request, Step::Deliver)?;
    if request.kind == RequestKind::Redeem {
        let (needed, there) = (request.to_pay(), cx.state.ledger.venue(Party::Treasury, request.cash));
        require(there >= needed, Reject::treasury_must_cover_payment.at(1, needed, there))?;
        pay(cx, c.request);
    } else {
        advance(cx, c.request, Step::Deliver);
    }
    capacity::publish(cx);
    Ok(())
}

/// `RequestConversion`: at face, while the stablecoin holds its peg, before the cut-off.
///
/// # Errors
/// 205, 207, 304, 309, 903, 922, 939, 940, 946.
pub fn convert(cx: &mut Context<'_>, c: &RequestConversion) -> Result<(), Refusal> {
    let asset = cx.state.asset(c.asset)?;
    require(asset.is_stablecoin(), Reject::cash_must_be_a_stablecoin.at(1, i64::from(c.asset), 0))?;
    cx.state.clearing.broker(c.broker)?;
    within(&[(3, i64::from(c.to_dollars), 0, 1)])?;
    require(c.amount > 0, Reject::amount_must_be_positive.at(4, c.amount, 1))?;
    let (config, to_dollars) = (cx.state.clearing.config(), c.to_dollars == 1);
    let away = (cx.state.stablecoin_ppm(asset) - PPM).abs();
    require(away <= config.peg_ppm, Reject::stablecoin_must_hold_its_peg.at(1, away, config.peg_ppm))?;
    let dollars = if to_dollars { narrow(asset.face(i128::from(c.amount))).unwrap_or(i64::MAX) } else { c.amount };
    require(dollars <= config.conversion_limit, Reject::conversion_must_be_within_limits.at(4, dollars, config.conversion_limit))?;
    let of_day = cx.state.now.rem_euclid(24 * HOUR);
    require(of_day <= config.conversion_cutoff_ns, Reject::conversion_must_be_within_limits.at(0, of_day, config.conversion_cutoff_ns))?;
    let there = if to_dollars { cx.state.ledger.venue(Party::Treasury, c.asset) } else { capacity::free_dollars(cx.state, c.broker) };
    require(c.amount <= there, Reject::treasury_must_cover_payment.at(4, c.amount, there))?;

    let id = cx.state.clearing.number();
    if to_dollars {
        funds::post(cx.state, c.asset, Party::Treasury, Party::InTransit, c.amount);
    } else {
        cx.state.clearing.books.post(Unit::Dollars, Place::Converting, Place::Broker(c.broker), c.amount);
    }
    let conversion = Conversion { asset: c.asset, broker: c.broker, to_dollars, amount: c.amount };
    cx.state.clearing.conversions.insert(id, conversion);
    let RequestConversion { asset, broker, to_dollars, amount } = *c;
    cx.tell(&ConversionRequested { conversion: id, asset, broker, to_dollars, amount });
    capacity::publish(cx);
    Ok(())
}

/// `ReportConversion`: what left is gone, what came is there; the difference is the treasury's. 0 means it failed.
///
/// # Errors
/// 205, 207, 941.
pub fn converted(cx: &mut Context<'_>, c: &ReportConversion) -> Result<(), Refusal> {
    let refusal = Reject::conversion_must_be_pending.at(1, c.conversion as i64, 0);
    let Conversion { asset, broker, to_dollars, amount } = cx.state.clearing.conversions.get(&c.conversion).copied().ok_or(refusal)?;
    require(c.amount >= 0, Reject::amount_must_be_positive.at(2, c.amount, 0))?;
    super::fits(i128::from(cx.state.clearing.books.at(Unit::Dollars, Place::Broker(broker))) + i128::from(c.amount))?;
    cx.state.ledger.room_for(asset, if to_dollars { 0 } else { c.amount })?;

    cx.state.clearing.conversions.remove(&c.conversion);
    match (to_dollars, c.amount) {
        (true, 0) => funds::post(cx.state, asset, Party::InTransit, Party::Treasury, amount),
        (true, dollars) => {
            funds::post(cx.state, asset, Party::InTransit, Party::Custody, amount);
            cx.state.clearing.books.post(Unit::Dollars, Place::Broker(broker), Place::Treasury, dollars);
        }
        (false, 0) => cx.state.clearing.books.post(Unit::Dollars, Place::Broker(broker), Place::Converting, amount),
        (false, coins) => {
            cx.state.clearing.books.post(Unit::Dollars, Place::Treasury, Place::Converting, amount);
            funds::post(cx.state, asset, Party::Custody, Party::Treasury, coins);
        }
    }
    cx.tell(&ConversionEnded { conversion: c.conversion, amount: c.amount });
    capacity::publish(cx);
    Ok(())
}

/// Settled redemptions that wait for stablecoins are paid in the order of their numbers, as far as the treasury reaches.
pub(super) fn pay_waiting(cx: &mut Context<'_>, most: usize) {
    let clearing = &cx.state.clearing;
    let waits = |id: &&u64| clearing.requests.get(*id).is_some_and(|r| r.state == RequestState::Settled);
    let ids: Vec<u64> = clearing.unpaid.iter().take(most).filter(waits).copied().collect();
    for id in ids {
        pay(cx, id);
    }
}
