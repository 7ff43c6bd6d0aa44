//! Issuance and redemption in kind: an authorised participant brings or takes the shares themselves.
//!
//! Responsible for: `RequestInKind` and `ReportInKind`. No cash moves and no price is needed, so it works while the primary market
//! is closed.

use super::{Origin, Step, Wish, after, capacity, fill, fits, gates, request, units_down, units_up};
use crate::codec::Header;
use crate::command::{ReportInKind, RequestInKind};
use crate::context::Context;
use crate::ledger::books::Place;
use crate::margin::Change;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{Request, RequestKind};
use crate::trading::covered;
use crate::units::{Amount, div_ceil, narrow, rate_up};

/// `RequestInKind`.
///
/// # Errors
/// 201, 205, 206, 503, 505, 903, 905, 910, 913 to 921, 924, 929, 931, 932.
pub fn request(cx: &mut Context<'_>, header: &Header, c: &RequestInKind) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let kind = gates::direction(c.direction, true)?;
    require(cx.state.clearing.participants.contains(&account), Reject::account_must_be_a_participant)?;
    cx.state.clearing.issuance(c.token)?;
    cx.state.clearing.broker(c.broker)?;
    require(c.amount > 0, Reject::amount_must_be_positive.at(3, c.amount, 1))?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let last = cx.state.clearing.references.get(&account).copied().unwrap_or(0);
    require(c.reference > last, Reject::request_reference_must_be_new.at(5, c.reference as i64, last as i64))?;
    gates::open(cx.state, c.token, kind)?;
    let wish = Wish { account, token: c.token, kind, amount: c.amount, reference: c.reference, quote: 0, origin: Origin::Holder, hedge: None };
    request::eligible(cx.state, &wish)?;
    let dollars = fits(gates::dollars_of(cx.state, c.token, kind, c.amount))?;
    gates::limits(cx.state, &wish, dollars)?;
    if kind == RequestKind::RedeemInKind {
        may_take(cx, &wish)?;
    }

    let id = request::reserve(cx, &wish, c.token, 0, dollars);
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        request.broker = c.broker;
    }
    cx.touch(account);
    capacity::publish(cx);
    Ok(())
}

/// Shares leave for tokens and nothing comes back: the rules of a withdrawal.
fn may_take(cx: &mut Context<'_>, wish: &Wish) -> Result<(), Refusal> {
    let holder = &cx.state.accounts[wish.account as usize];
    let free = holder.balance(wish.token).map_or(0, crate::account::Balance::free);
    require(wish.amount <= free, Reject::amount_must_not_exceed_balance.at(3, wish.amount, free))?;
    let settled = free - cx.state.clearing.locked(wish.account, wish.token);
    require(wish.amount <= settled, Reject::tokens_must_be_settled_to_leave.at(3, wish.amount, settled))?;
    let idle = !holder.has_risk();
    if idle { Ok(()) } else { covered(cx, wish.account, &[Change::Balance { asset: wish.token, amount: -wish.amount }]).map(|_| ()) }
}

/// Units that are minted or burned for a request's shares: a redemption's fee stays in tokens.
fn without_fee(state: &State, request: &Request) -> Amount {
    let fee_ppm = state.clearing.tokens[&request.token].terms.redeem_fee_ppm;
    if request.kind == RequestKind::RedeemInKind { request.amount - rate_up(i128::from(request.amount), fee_ppm) as Amount } else { request.amount }
}

/// The fee, in tokens, that goes with the next units minted or burned: of all so far rounded up, less what went before.
pub(super) fn fee_of(state: &State, request: &Request, units: Amount) -> Amount {
    let terms = &state.clearing.tokens[&request.token].terms;
    let upto = |n: Amount| match request.kind {
        RequestKind::MintInKind => rate_up(i128::from(n), terms.mint_fee_ppm),
        _ => {
            let net = without_fee(state, request);
            div_ceil(i128::from(request.amount - net) * i128::from(n), i128::from(net.max(1)))
        }
    };
    (upto(request.units + units) - upto(request.units)) as Amount
}

/// `ReportInKind`: shares came (settled) or went.
///
/// # Errors
/// 207, 911, 912, 938, 944.
pub fn report(cx: &mut Context<'_>, c: &ReportInKind) -> Result<(), Refusal> {
    let request = cx.state.clearing.request(c.request)?.clone();
    require(request.kind.in_kind(), Reject::request_must_exist.at(1, c.request as i64, 0))?;
    let asset = cx.state.known_asset(request.token);
    let tokens = without_fee(cx.state, &request);
    let most = fits(super::shares_up(asset, i128::from(tokens)))? - request.shares;
    require(c.shares > 0 && c.shares <= most, Reject::execution_must_be_plausible.at(2, c.shares, most))?;
    let all = request.shares + c.shares;
    let mints = request.kind == RequestKind::MintInKind;
    let whole = if mints { units_down(asset, i128::from(all)) } else { units_up(asset, i128::from(all)) };
    let done = whole >= i128::from(tokens);
    after(&request, if done { Step::Complete } else { Step::Fill })?;
    if mints {
        cx.state.ledger.room_for(request.token, fits(units_down(asset, i128::from(c.shares)))?)?;
    } else {
        let there = capacity::free_shares(cx.state, request.token, request.broker);
        require(c.shares <= there, Reject::broker_must_have_shares.at(2, c.shares, there))?;
    }

    if mints {
        fill::issue(cx, c.request, c.shares, 0, Place::Broker(request.broker), false);
    } else {
        let burned = narrow(whole).unwrap_or(tokens).min(tokens) - request.units;
        fill::burn(cx, c.request, burned, c.shares, 0, Place::Broker(request.broker));
    }
    super::advance(cx, c.request, Step::Fill);
    if done {
        request::end(cx, c.request, Step::Complete);
    }
    capacity::publish(cx);
    Ok(())
}
