//! Issuance and redemption (RULES section 11): the link that gives tokens the depth and price of the primary exchange.
//!
//! Responsible for: what all parts of the area share, and its interface to others. The parts: `table` (life of a request),
//! `terms` (parameters, brokers, funding), `gates` (who may ask for what, when), `request`, `routing` and `capacity`, `report`
//! (what brokers say), `fill` (its booking), `fault` (what they take back), `breaks`, `treasury`, `in_kind`, `actions` (corporate), `queue` (time),
//! `supply` (the invariant), `hedged` and `unwind` (perps that trade with a fill). Never talks to a broker: orders are events, answers are commands.

pub mod actions;
pub mod breaks;
pub mod capacity;
pub mod fault;
pub mod fill;
pub mod gates;
pub mod hedged;
pub mod in_kind;
pub mod queue;
pub mod report;
pub mod request;
pub mod routing;
pub mod supply;
pub mod table;
pub mod terms;
pub mod treasury;
pub mod unwind;

use crate::context::Context;
use crate::event::{BackingRetired, RequestStateChanged};
use crate::ledger::books::{Place, Unit};
use crate::reject::{Refusal, Reject};
use crate::state::clearing::{Request, RequestKind, RequestState};
use crate::state::{Asset, State, Underlying};
use crate::units::{Amount, PPM, Price, Value, div_ceil, div_floor, narrow, pow10, rate_down, rate_up};
pub use request::{EVERYBODY, Origin, Wish};
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
    let (before, account, key) = (request.state, request.account, (request.token, request.kind.mints(), id));
    request.state = next;
    if matches!(next, RequestState::Failed | RequestState::Busted) {
        cx.state.clearing.carried.insert(key);
    } else {
        cx.state.clearing.carried.remove(&key);
    }
    if table::is_over(next) {
        cx.state.clearing.open.remove(&(account, id));
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

/// Tokens that retired take the shares behind them out of the books: the company has taken them for what it pays. They go from
/// where they are settled, brokers in the order of their numbers; what is still on its way stays, as surplus, for the next time.
pub fn retire(cx: &mut Context<'_>, token: u32, units: Amount) {
    if !cx.state.clearing.tokens.contains_key(&token) {
        return;
    }
    // Their claim becomes surplus; then the shares go, and with them what rounding had left.
    reissue(cx.state, token, -units, 0, Place::Shortage);
    let (unit, clearing) = (Unit::Shares(token), &mut cx.state.clearing);
    let surplus = clearing.books.at(unit, Place::Surplus).max(0);
    let mut left = surplus;
    for &broker in clearing.brokers.keys() {
        let taken = left.min(clearing.books.at(unit, Place::Broker(broker))).max(0);
        clearing.books.post(unit, Place::Broker(broker), Place::Surplus, -taken);
        left -= taken;
    }
    cx.tell(&BackingRetired { token, units, shares: surplus - left });
}

/// The most of `units` of a token that a redemption would take at once: none while the channel is not open; else within the
/// limits, and within what brokers or the house can serve behind the queue.
#[must_use]
pub fn redeemable(state: &State, token: u32, units: Amount) -> Amount {
    let Some(issuance) = state.clearing.tokens.get(&token) else { return 0 };
    let gross = |units| gates::dollars_of(state, token, RequestKind::Redeem, units);
    let (room, _) = capacity::now(state, token, false);
    let ahead: Value = queued_before_everybody(state, token).map(|r| gross(r.held)).sum();
    let room = (i128::from(room.min(issuance.terms.request_max)) - ahead).max(0);
    let wanted = gross(units);
    if wanted <= room { units } else { narrow(div_floor(i128::from(units) * room, wanted)).unwrap_or(0) }
}

/// Redemptions of a token that wait with a priority: at most as many as the queue works on in one command.
fn queued_before_everybody(state: &State, token: u32) -> impl Iterator<Item = &Request> {
    let most = state.clearing.config().queue_accounts as usize;
    let waiting = state.clearing.queue.range(..(EVERYBODY, 0)).take(most).filter_map(|(_, id)| state.clearing.requests.get(id));
    waiting.filter(move |r| r.token == token && r.kind == RequestKind::Redeem)
}

/// What redeeming token units would bring at the index, micro-dollars net of the fee, rounded down.
#[must_use]
pub fn redemption_value(state: &State, token: u32, units: Amount) -> Value {
    let gross = gates::dollars_of(state, token, RequestKind::Redeem, units);
    let fee_ppm = state.clearing.tokens.get(&token).map_or(PPM, |t| t.terms.redeem_fee_ppm);
    gross - rate_up(gross, fee_ppm)
}

/// Whether a redemption on the venue's own account of the matter would be taken in now.
#[must_use]
pub fn may_redeem(state: &State, account: u32, token: u32, units: Amount, origin: Origin) -> bool {
    request::check(state, &forced(account, token, units, origin)).is_ok()
}

/// Redeems tokens of an account that is being liquidated, or may not hold them any more: escrowed they stay in S until the
/// broker's fill, then the cash due counts in part until it is paid; with each fill the perp that the tokens hedged closes.
/// Returns the request.
///
/// # Errors
/// 205, 206, 905, 913, 915 to 923, 930: nothing is written.
pub fn redeem_by_force(cx: &mut Context<'_>, account: u32, token: u32, units: Amount, origin: Origin) -> Result<u64, Refusal> {
    request::open(cx, &forced(account, token, units, origin))
}

const fn forced(account: u32, token: u32, units: Amount, origin: Origin) -> Wish {
    Wish { account, token, kind: RequestKind::Redeem, amount: units, reference: 0, quote: 0, origin, hedge: None }
}

/// Token units of an account in redemptions that are not filled.
#[must_use]
pub fn redeeming(state: &State, account: u32, token: u32) -> Amount {
    open_requests(state, account).filter(|r| r.token == token && r.kind == RequestKind::Redeem).map(|r| r.held).sum()
}

/// Units of a stablecoin that redemptions of an account will bring, as they count until they are paid: cash due, and tokens
/// in escrow at the index less the fee. Rounded down.
#[must_use]
pub fn cash_on_its_way(state: &State, account: u32, cash: u32) -> Amount {
    let coin = state.known_asset(cash);
    let brings = |r: &Request| i128::from(r.due) + coins_down(coin, redemption_value(state, r.token, r.held));
    let all: i128 = open_requests(state, account).filter(|r| r.cash == cash && r.kind == RequestKind::Redeem).map(brings).sum();
    let counts = if all == 0 { 0 } else { rate_down(all, state.clearing.config().due_ppm) };
    narrow(counts).unwrap_or(i64::MAX)
}

/// Requests of an account that are not over, ascending.
pub fn open_requests(state: &State, account: u32) -> impl Iterator<Item = &Request> {
    let ids = state.clearing.open.range((account, 0)..=(account, u64::MAX));
    ids.filter_map(|(_, id)| state.clearing.requests.get(id))
}

/// Orders what the venue wishes for an account.
///
/// # Errors
/// As for an issuance.
pub fn order(cx: &mut Context<'_>, wish: &Wish) -> Result<u64, Refusal> {
    request::open(cx, wish)
}

/// Token units freed by auto-deleveraging: the account's next redemptions of them go first in the queue.
pub fn free_first(state: &mut State, account: u32, token: u32, units: Amount) {
    if units > 0 && state.clearing.tokens.contains_key(&token) {
        *state.clearing.freed.entry((account, token)).or_default() += units;
    }
}
