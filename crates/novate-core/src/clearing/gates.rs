//! Who may ask for what, and when: every gate is a numbered refusal.
//!
//! Responsible for: pause, freeze, breaks, statements, peg, price quality, session table, limits, quotes. Never writes but the
//! question for a quote and its answer.

use super::{Wish, capacity};
use crate::codec::Header;
use crate::command::{GiveFirmPrice, RequestFirmPrice};
use crate::context::Context;
use crate::event::{FirmPriceGiven, FirmPriceRequested};
use crate::limits;
use crate::ledger::books::{Place, Unit};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{Quote, RequestKind, Window};
use crate::units::{PPM, Price, Value, narrow, rate_down, rate_up};

/// The queue's bit in a session mask.
const QUEUES: i64 = 16;

/// When a request that passed the gates is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// At once.
    Now,
    /// When the session opens.
    Queued,
}

/// Whether a channel of a token is open.
///
/// # Errors
/// 905, 916 to 922, 924.
pub fn open(state: &State, token: u32, kind: RequestKind) -> Result<Opening, Refusal> {
    let issuance = state.clearing.issuance(token)?;
    let paused = if kind.mints() { issuance.mint_paused } else { issuance.redeem_paused };
    require(!paused, Reject::issuance_must_not_be_paused.at(1, i64::from(token), 0))?;
    if kind.mints() {
        limits::may_issue(state, token)?;
    }
    let frozen = state.corporate.halts(state.known_asset(token).terms.underlying, state.now);
    require(!frozen, Reject::issuance_must_not_be_frozen.at(1, i64::from(token), 0))?;
    if kind.mints() {
        sound(state, token)?;
    }
    if !kind.in_kind() {
        let away = (state.stablecoin_ppm(state.known_asset(issuance.terms.cash)) - PPM).abs();
        let most = state.clearing.config().peg_ppm;
        require(away <= most, Reject::stablecoin_must_hold_its_peg.at(0, away, most))?;
    }
    in_session(state, token, kind)
}

/// What must hold before more of a token comes into being: no break, no shortage at its cap, a statement that agreed.
fn sound(state: &State, token: u32) -> Result<(), Refusal> {
    let clearing = &state.clearing;
    let broken = clearing.breaks.values().filter(|b| b.token == token || b.token == 0).count();
    require(broken == 0, Reject::breaks_must_be_resolved.at(1, broken as i64, 0))?;
    let (short, cap) = (narrow(shortage(state)).unwrap_or(i64::MAX), clearing.config().shortage_cap);
    require(short == 0 || short < cap, Reject::shortage_must_be_below_cap.at(0, short, cap))?;
    let issuance = clearing.issuance(token)?;
    let age = state.now - issuance.agreed_ns;
    require(age <= issuance.terms.statement_age_ns, Reject::statement_must_be_recent.at(0, age, issuance.terms.statement_age_ns))
}

/// What the treasury owes the backing of all tokens, micro-dollars at the index, rounded up.
#[must_use]
pub fn shortage(state: &State) -> Value {
    let of = |&token: &u32| {
        let underlying = state.known_underlying(state.known_asset(token).terms.underlying);
        super::cost_up(underlying, state.clearing.books.at(Unit::Shares(token), Place::Shortage), underlying.price.index())
    };
    state.clearing.tokens.keys().map(of).sum()
}

fn in_session(state: &State, token: u32, kind: RequestKind) -> Result<Opening, Refusal> {
    let underlying = state.known_underlying(state.known_asset(token).terms.underlying);
    let permission = underlying.price.permission(if kind.mints() { Action::Mint } else { Action::Redeem });
    let trusted = matches!(permission, Permission::Yes | Permission::Queued) && underlying.price.index() > 0;
    require(trusted, Reject::price_quality_forbids_issuance.at(1, i64::from(token), underlying.price.quality() as i64))?;
    let session = underlying.session.session as usize;
    let mask = state.clearing.issuance(token)?.terms.sessions[session];
    if mask & kind.channel() != 0 && (permission == Permission::Yes || kind.in_kind()) {
        return Ok(Opening::Now);
    }
    let queues = mask & QUEUES != 0 && !kind.in_kind();
    if queues { Ok(Opening::Queued) } else { Err(Reject::session_must_allow_channel.at(0, session as i64, mask)) }
}

/// A price within the token's distance from the index.
///
/// # Errors
/// `primary_price_must_be_near_index`.
pub fn near_index(state: &State, token: u32, price: Price, field: u16) -> Result<(), Refusal> {
    let (low, high) = around_index(state, token);
    require((low..=high).contains(&price), Reject::primary_price_must_be_near_index.at(field, price, if price < low { low } else { high }))
}

/// Worst prices of a sale and of a purchase.
#[must_use]
pub fn around_index(state: &State, token: u32) -> (Price, Price) {
    let index = state.known_underlying(state.known_asset(token).terms.underlying).price.index();
    let sanity = state.clearing.tokens.get(&token).map_or(0, |t| t.terms.sanity_ppm);
    let reach = |ppm| rate_down(i128::from(index), ppm) as i64;
    (reach(PPM - sanity).max(1), reach(PPM + sanity))
}

/// Micro-dollars a request is about, at the index, rounded down.
#[must_use]
pub fn dollars_of(state: &State, token: u32, kind: RequestKind, amount: i64) -> Value {
    let asset = state.known_asset(token);
    if kind == RequestKind::Mint {
        let cash = state.clearing.tokens.get(&token).map_or(0, |t| t.terms.cash);
        return state.known_asset(cash).face(i128::from(amount));
    }
    let underlying = state.known_underlying(asset.terms.underlying);
    // More shares than fit are more dollars than any limit.
    narrow(asset.shares(i128::from(amount))).map_or(Value::MAX, |shares| underlying.value_down(i128::from(shares), underlying.price.index()))
}

fn used(window: Window, number: i64) -> i64 {
    if window.number == number { window.used } else { 0 }
}

/// What a token's limit leaves in the running window, micro-dollars.
#[must_use]
pub fn token_room(state: &State, token: u32, mints: bool) -> i64 {
    state.clearing.tokens.get(&token).map_or(0, |t| {
        let number = state.now / t.terms.window_ns;
        (t.terms.token_limit - used(t.used[usize::from(!mints)], number)).max(0)
    })
}

/// Limits per request, account and token.
///
/// # Errors
/// 913 to 915.
pub fn limits(state: &State, wish: &Wish, dollars: i64) -> Result<(), Refusal> {
    let terms = &state.clearing.issuance(wish.token)?.terms;
    let smallest = if wish.origin.is_forced() { 1 } else { terms.request_min };
    let limit = if dollars < smallest { smallest } else { terms.request_max };
    require((smallest..=terms.request_max).contains(&dollars), Reject::request_must_be_within_limits.at(2, dollars, limit))?;
    let side = usize::from(!wish.kind.mints());
    if !wish.origin.is_forced() {
        let number = state.now / terms.window_ns;
        let by_account = state.clearing.used.get(&(wish.account, wish.token)).map_or(0, |w| used(w[side], number));
        let left = terms.account_limit - by_account;
        require(dollars <= left, Reject::account_limit_must_hold.at(2, dollars, left))?;
    }
    let left = token_room(state, wish.token, wish.kind.mints());
    require(dollars <= left, Reject::token_limit_must_hold.at(2, dollars, left))
}

/// Counts a request against the limits.
pub fn count(state: &mut State, wish: &Wish, dollars: i64) {
    let side = usize::from(!wish.kind.mints());
    let Some(issuance) = state.clearing.tokens.get_mut(&wish.token) else { return };
    let number = state.now / issuance.terms.window_ns;
    let account = state.clearing.used.entry((wish.account, wish.token)).or_default();
    for window in [&mut issuance.used[side], &mut account[side]] {
        *window = Window { number, used: used(*window, number).saturating_add(dollars) };
    }
}

/// The firm price of a quote that fits the wish; 0 at market.
///
/// # Errors
/// 925 to 927.
pub fn quoted(state: &State, wish: &Wish) -> Result<Price, Refusal> {
    if wish.quote == 0 {
        return Ok(0);
    }
    let refusal = Reject::quote_must_be_known.at(4, wish.quote as i64, 0);
    let quote = state.clearing.quotes.get(&wish.quote).filter(|q| q.account == wish.account && q.price > 0).ok_or(refusal)?;
    require(state.now < quote.expires_ns, Reject::quote_must_be_firm.at(4, state.now, quote.expires_ns))?;
    let fits = (quote.token, quote.kind, quote.amount) == (wish.token, wish.kind, wish.amount);
    require(fits, Reject::quote_must_fit_request.at(2, wish.amount, quote.amount))?;
    Ok(quote.price)
}

/// Direction 0 issues, 1 redeems.
///
/// # Errors
/// `direction_must_be_known`.
pub fn direction(number: u8, in_kind: bool) -> Result<RequestKind, Refusal> {
    match (number, in_kind) {
        (0, false) => Ok(RequestKind::Mint),
        (1, false) => Ok(RequestKind::Redeem),
        (0, true) => Ok(RequestKind::MintInKind),
        (1, true) => Ok(RequestKind::RedeemInKind),
        _ => Err(Reject::direction_must_be_known.at(2, i64::from(number), 1)),
    }
}

/// `RequestFirmPrice`: only what could be asked for at once can be quoted.
///
/// # Errors
/// 201, 205, 905, 913, 915 to 922, 924, 929.
pub fn ask(cx: &mut Context<'_>, header: &Header, c: &RequestFirmPrice) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let kind = direction(c.direction, false)?;
    require(c.amount > 0, Reject::amount_must_be_positive.at(3, c.amount, 1))?;
    let opening = open(cx.state, c.token, kind)?;
    require(opening == Opening::Now, Reject::session_must_allow_channel.at(0, 0, 0))?;
    let dollars = super::fits(dollars_of(cx.state, c.token, kind, c.amount))?;
    let wish = Wish { account, token: c.token, kind, amount: c.amount, reference: 0, quote: 0, origin: super::Origin::Holder, hedge: None };
    limits(cx.state, &wish, dollars)?;

    let id = cx.state.clearing.number();
    let expires_ns = cx.state.now + cx.state.clearing.config().quote_life_ns;
    cx.state.clearing.quotes.insert(id, Quote { account, token: c.token, kind, amount: c.amount, price: 0, expires_ns });
    cx.tell_account(account, &FirmPriceRequested { quote: id, token: c.token, direction: c.direction, amount: c.amount });
    Ok(())
}

/// `GiveFirmPrice`: the keeper's answer, near the index; the holder sees price and fee before it accepts.
///
/// # Errors
/// 925, 926, 928.
pub fn give(cx: &mut Context<'_>, c: &GiveFirmPrice) -> Result<(), Refusal> {
    let known = cx.state.clearing.quotes.get(&c.quote).copied().filter(|q| q.price == 0);
    let quote = known.ok_or(Reject::quote_must_be_known.at(1, c.quote as i64, 0))?;
    require(cx.state.now < quote.expires_ns, Reject::quote_must_be_firm.at(1, cx.state.now, quote.expires_ns))?;
    near_index(cx.state, quote.token, c.price, 2)?;

    let terms = &cx.state.clearing.issuance(quote.token)?.terms;
    let (fee_ppm, life) = (if quote.kind.mints() { terms.mint_fee_ppm } else { terms.redeem_fee_ppm }, cx.state.clearing.config().quote_life_ns);
    let fee = rate_up(dollars_of(cx.state, quote.token, quote.kind, quote.amount), fee_ppm) as i64;
    let expires_ns = cx.state.now + life;
    cx.state.clearing.quotes.insert(c.quote, Quote { price: c.price, expires_ns, ..quote });
    cx.tell_account(quote.account, &FirmPriceGiven { quote: c.quote, token: quote.token, price: c.price, fee, expires_ns });
    capacity::publish(cx);
    Ok(())
}
