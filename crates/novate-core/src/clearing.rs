//! Issuance and redemption (RULES section 11): the link that gives tokens the depth and price of the primary exchange.
//!
//! Responsible for: what all parts of the area share, and its interface to others. The parts: `table` (life of a request),
//! `terms` (parameters, brokers, funding), `gates` (who may ask for what, when), `request`, `routing` and `capacity`, `report`
//! (what brokers say), `fill` (its booking), `fault` (what they take back), `breaks`, `treasury`, `in_kind`, `actions` (corporate), `queue` (time),
//! `supply` (the invariant). Never talks to a broker: orders are events, answers are commands.

pub mod actions;
pub mod breaks;
pub mod capacity;
pub mod fault;
pub mod fill;
pub mod gates;
pub mod in_kind;
pub mod queue;
pub mod report;
pub mod request;
pub mod routing;
pub mod supply;
pub mod table;
pub mod terms;
pub mod treasury;

use crate::context::Context;
use crate::event::RequestStateChanged;
use crate::ledger::books::{Place, Unit};
use crate::reject::{Refusal, Reject};
use crate::state::clearing::{Request, RequestKind, RequestState};
use crate::state::{Asset, State, Underlying};
use crate::units::{Amount, PPM, Price, Value, div_ceil, div_floor, narrow, pow10, rate_up};
pub use request::{Origin, Wish};
pub use table::Step;

/// Micro-dollars of shares at a price, rounded up: what is paid.
#[must_use]
pub fn cost_up(underlying: &Underlying, shares: i64, price: Price) -> Value {
    div_ceil(i128::from(shares) * i128::from(price), underlying.scale())
}

/// Shares of token units at the multiplier in force, rounded up: what holders are entitled to.
#[must_use]
pub fn shares_up(asset: &Asset, units: i128) -> i128 {
    div_ceil(units * i128::from(asset.terms.multiplier_ppb), pow10(asset.terms.decimals))
}

/// Token units of shares, rounded down: what is minted.
#[must_use]
pub fn units_down(asset: &Asset, shares: i128) -> i128 {
    div_floor(shares * pow10(asset.terms.decimals), i128::from(asset.terms.multiplier_ppb))
}

/// Token units of shares, rounded up: what is burned.
#[must_use]
pub fn units_up(asset: &Asset, shares: i128) -> i128 {
    div_ceil(shares * pow10(asset.terms.decimals), i128::from(asset.terms.multiplier_ppb))
}

/// Stablecoin units of micro-dollars at face, rounded up.
#[must_use]
pub fn coins_up(asset: &Asset, dollars: Value) -> i128 {
    div_ceil(dollars * pow10(asset.terms.decimals), i128::from(PPM))
}

/// Stablecoin units of micro-dollars at face, rounded down.
#[must_use]
pub fn coins_down(asset: &Asset, dollars: Value) -> i128 {
    div_floor(dollars * pow10(asset.terms.decimals), i128::from(PPM))
}

/// Narrows a number that its handler has bounded, or refuses.
pub(crate) fn fits(value: i128) -> Result<i64, Refusal> {
    narrow(value).filter(|v| v.abs() < i64::MAX / 8).ok_or(Reject::amount_must_not_overflow.at(0, narrow(value).unwrap_or(i64::MAX), i64::MAX / 8))
}

/// What a request may become by a step, or the refusal.
pub(crate) fn after(request: &Request, step: Step) -> Result<RequestState, Refusal> {
    table::next(request.state, step).ok_or(Reject::request_must_allow_event.at(1, step as i64, request.state as i64))
}

/// Moves a request on; the step was checked before the first write.
pub(crate) fn advance(cx: &mut Context<'_>, id: u64, step: Step) {
    let Some(request) = cx.state.clearing.requests.get_mut(&id) else { return };
    let Some(next) = table::next(request.state, step) else { return };
    let (before, account) = (request.state, request.account);
    request.state = next;
    if table::is_over(next) {
        let forget = cx.state.now + cx.state.clearing.config().kept_ns;
        cx.state.clearing.ended.insert((forget, id));
    }
    if before != next {
        cx.tell_account(account, &RequestStateChanged { request: id, before: before as u8, after: next as u8 });
    }
}

/// Changes the tokens in existence and what holders are entitled to; `shares` came in (or, negative, went out) at `place`.
/// What rounding leaves is surplus.
pub(crate) fn reissue(state: &mut State, token: u32, units: Amount, shares: i64, place: Place) {
    let asset = state.known_asset(token);
    let issued = state.clearing.tokens[&token].issued;
    let before = shares_up(asset, i128::from(issued)) as i64;
    let after = shares_up(asset, i128::from(issued + units)) as i64;
    let clearing = &mut state.clearing;
    if let Some(issuance) = clearing.tokens.get_mut(&token) {
        issuance.issued += units;
    }
    let unit = Unit::Shares(token);
    clearing.books.post(unit, place, Place::Entitled, after - before);
    clearing.books.post(unit, place, Place::Surplus, shares - (after - before));
}

/// What redeeming token units now would bring, micro-dollars net of the fee, rounded down; nothing while redemption is not
/// open at once or has not the capacity.
#[must_use]
pub fn redemption_value(state: &State, token: u32, units: Amount) -> Option<Value> {
    let issuance = state.clearing.tokens.get(&token)?;
    let open = gates::open(state, token, RequestKind::Redeem);
    let gross = gates::dollars_of(state, token, RequestKind::Redeem, units);
    let (_, room, _) = capacity::best(state, token, false);
    let fits = open == Ok(gates::Opening::Now) && gross > 0 && gross <= i128::from(room) && gross <= i128::from(issuance.terms.request_max);
    fits.then(|| gross - rate_up(gross, issuance.terms.redeem_fee_ppm))
}

/// Redeems tokens of an account that is being liquidated: escrowed they stay in S until the broker's fill, then the cash due
/// counts in part until it is paid. Returns the request.
///
/// # Errors
/// 206, 905, 913, 915 to 923: nothing is written.
pub fn redeem_for_liquidation(cx: &mut Context<'_>, account: u32, token: u32, units: Amount) -> Result<u64, Refusal> {
    let wish = Wish { account, token, kind: RequestKind::Redeem, amount: units, reference: 0, quote: 0, origin: Origin::Liquidation };
    request::open(cx, &wish)
}

/// Token units freed by auto-deleveraging: the account's next redemptions of them go first in the queue.
pub fn free_first(state: &mut State, account: u32, token: u32, units: Amount) {
    *state.clearing.freed.entry((account, token)).or_default() += units;
}
