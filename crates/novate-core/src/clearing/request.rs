//! A holder's request: gates first, then one reservation, then the house, a broker or the queue.
//!
//! Responsible for: `RequestIssuance`, `RequestRedemption`, `CancelRequest`, and the same for liquidation and packages. Never
//! books a fill.

use super::gates::{self, Opening};
use super::{Step, advance, after, capacity, fill, fits, hedged, queue, routing, units_down};
use crate::codec::Header;
use crate::command::{CancelRequest, RequestIssuance, RequestRedemption};
use crate::context::Context;
use crate::eligibility;
use crate::event::{RequestReserved, RequestReturned};
use crate::funds;
use crate::ledger::Party;
use crate::margin::{Change, Level, Question};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{Request, RequestKind, RequestState};
use crate::units::{Amount, Ticks, narrow, rate_down};

/// Who is behind a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The holder.
    Holder,
    /// The liquidator, for the account.
    Liquidation,
    /// A package: its own check covers the end state.
    Package,
    /// The holder may not hold the token any more.
    Lapse,
}

/// Priority in the queue of whoever has none.
pub const EVERYBODY: u8 = 2;

impl Origin {
    /// Whether the venue acts without being asked: the holder's limits and margin check do not apply.
    #[must_use]
    pub const fn is_forced(self) -> bool {
        matches!(self, Self::Liquidation | Self::Lapse)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Dense index of the account.
    pub account: u32,
    /// The token.
    pub token: u32,
    /// Direction and channel.
    pub kind: RequestKind,
    /// Cash units of an issuance, token units otherwise.
    pub amount: Amount,
    /// Rises per account; 0 for the venue's own wishes.
    pub reference: u64,
    /// A firm quote; 0 at market.
    pub quote: u64,
    /// Who is behind it.
    pub origin: Origin,
    /// The perp market that trades with each fill, and its worst price.
    pub hedge: Option<(u32, Ticks)>,
}

/// `RequestIssuance`.
///
/// # Errors
/// 201, 205, 206, 501, 505, 905, 910, 913 to 928, 930.
pub fn issue(cx: &mut Context<'_>, header: &Header, c: &RequestIssuance) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let (token, amount, reference, quote) = (c.token, c.amount, c.reference, c.quote);
    open(cx, &Wish { account, token, kind: RequestKind::Mint, amount, reference, quote, origin: Origin::Holder, hedge: None }).map(|_| ())
}

/// `RequestRedemption`.
///
/// # Errors
/// As for an issuance.
pub fn redeem(cx: &mut Context<'_>, header: &Header, c: &RequestRedemption) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let (token, amount, reference, quote) = (c.token, c.amount, c.reference, c.quote);
    open(cx, &Wish { account, token, kind: RequestKind::Redeem, amount, reference, quote, origin: Origin::Holder, hedge: None }).map(|_| ())
}

/// What a wish that passed the gates comes to.
#[derive(Clone, Copy, Debug)]
struct Gated {
    asset: u32,
    cash: u32,
    price: i64,
    dollars: i64,
    opening: Opening,
}

/// Every refusal but the portfolio's and capacity's.
fn gated(state: &State, wish: &Wish) -> Result<Gated, Refusal> {
    require(wish.amount > 0, Reject::amount_must_be_positive.at(2, wish.amount, 1))?;
    let cash = state.clearing.issuance(wish.token)?.terms.cash;
    by_the_holder(state, wish)?;
    let price = gates::quoted(state, wish)?;
    let asset = if wish.kind == RequestKind::Mint { cash } else { wish.token };
    let free = state.accounts[wish.account as usize].balance(asset).map_or(0, crate::account::Balance::free);
    require(wish.amount <= free, Reject::amount_must_not_exceed_balance.at(2, wish.amount, free))?;
    let opening = gates::open(state, wish.token, wish.kind)?;
    require(price == 0 || opening == Opening::Now, Reject::session_must_allow_channel.at(4, wish.quote as i64, 0))?;
    if price != 0 {
        gates::near_index(state, wish.token, price, 4)?;
    }
    let dollars = fits(gates::dollars_of(state, wish.token, wish.kind, wish.amount))?;
    gates::limits(state, wish, dollars)?;
    Ok(Gated { asset, cash, price, dollars, opening })
}

/// Somebody can serve a gated wish that does not wait for its session: the house, those who wish the opposite, or a broker.
fn served(state: &State, wish: &Wish, gated: &Gated) -> Result<(), Refusal> {
    let house = || fill::house_can_serve(state, wish.kind, wish.token, wish.amount, gated.price).is_some();
    let met = || gated.price == 0 && queue::covers(state, wish, gated.dollars);
    if gated.opening == Opening::Queued || house() || met() {
        return Ok(());
    }
    routing::plan(state, wish.kind, wish.token, wish.amount, gated.price, 0).map(|_| ())
}

/// Every refusal but the portfolio's.
///
/// # Errors
/// 205, 206, 505, 905, 910, 913 to 928, 930.
pub(super) fn check(state: &State, wish: &Wish) -> Result<(), Refusal> {
    served(state, wish, &gated(state, wish)?)
}

/// Takes a request in: every refusal, then the reservation. Returns its id.
///
/// # Errors
/// 205, 206, 501, 505, 905, 910, 913 to 928, 930.
pub fn open(cx: &mut Context<'_>, wish: &Wish) -> Result<u64, Refusal> {
    let gated = gated(cx.state, wish)?;
    let Gated { asset, cash, price, dollars, opening } = gated;
    match wish.origin {
        Origin::Holder => margined(cx, wish, cash, price)?,
        Origin::Package => hedged::margined(cx, wish, cash, price)?,
        Origin::Liquidation | Origin::Lapse => {}
    }
    served(cx.state, wish, &gated)?;

    let id = reserve(cx, wish, asset, price, dollars);
    cx.state.clearing.enqueue(id);
    if opening == Opening::Now {
        queue::arrive(cx, id);
    }
    cx.touch(wish.account);
    capacity::publish(cx);
    Ok(id)
}

/// A new reference, of an account that is not being liquidated.
fn by_the_holder(state: &State, wish: &Wish) -> Result<(), Refusal> {
    if wish.origin.is_forced() {
        return Ok(());
    }
    require(state.accounts[wish.account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    eligible(state, wish)?;
    let last = state.clearing.references.get(&wish.account).copied().unwrap_or(0);
    require(wish.reference > last, Reject::request_reference_must_be_new.at(3, wish.reference as i64, last as i64))
}

/// Who may come to hold the token may issue it; who is not frozen may redeem it.
///
/// # Errors
/// 1101, 1102.
pub(super) fn eligible(state: &State, wish: &Wish) -> Result<(), Refusal> {
    if wish.kind.mints() { eligibility::may_hold(state, wish.account, wish.token) } else { eligibility::not_frozen(state, wish.account) }
}

/// The account's balances with the whole request filled at its worst price.
pub(super) fn changes(state: &State, wish: &Wish, cash: u32, price: i64) -> [Change; 2] {
    let (low, high) = gates::around_index(state, wish.token);
    let token = state.known_asset(wish.token);
    let underlying = state.known_underlying(token.terms.underlying);
    if wish.kind == RequestKind::Mint {
        let net = routing::net_of_fee(state, wish.token, wish.amount);
        let shares = routing::shares_for(state, wish.token, net, if price == 0 { high } else { price });
        let units = narrow(units_down(token, i128::from(shares))).unwrap_or(0);
        return [Change::Balance { asset: cash, amount: -wish.amount }, Change::Balance { asset: wish.token, amount: units }];
    }
    let gross = underlying.value_down(token.shares(i128::from(wish.amount)), if price == 0 { low } else { price });
    let coins = super::coins_down(state.known_asset(cash), rate_down(gross, state.clearing.config().due_ppm));
    [Change::Balance { asset: wish.token, amount: -wish.amount }, Change::Balance { asset: cash, amount: narrow(coins).unwrap_or(0) }]
}

/// Nothing can fill that was not margined: Excess at initial with the whole request filled at its worst price is not negative,
/// or (a redemption) not lower than before.
fn margined(cx: &mut Context<'_>, wish: &Wish, cash: u32, price: i64) -> Result<(), Refusal> {
    let changes = changes(cx.state, wish, cash, price);
    let after = cx.evaluate(wish.account, &Question { changes: &changes, ..Question::at(Level::Initial) }).excess();
    let refusal = Reject::excess_at_initial_must_not_be_negative.at(2, narrow(after).unwrap_or(i64::MIN), 0);
    if after >= 0 {
        return Ok(());
    }
    let before = cx.evaluate(wish.account, &Question::at(Level::Initial)).excess();
    require(wish.kind == RequestKind::Redeem && after >= before, refusal)
}

/// Tokens freed by auto-deleveraging go first, as far as the request keeps within them.
fn priority(state: &mut State, wish: &Wish) -> u8 {
    let key = (wish.account, wish.token);
    let freed = state.clearing.freed.get(&key).copied().unwrap_or(0);
    if wish.kind == RequestKind::Redeem && freed >= wish.amount {
        if freed > wish.amount { state.clearing.freed.insert(key, freed - wish.amount) } else { state.clearing.freed.remove(&key) };
        return 0;
    }
    if wish.origin == Origin::Liquidation { 1 } else { EVERYBODY }
}

/// Holds the amounts: the one write of a request.
pub(super) fn reserve(cx: &mut Context<'_>, wish: &Wish, asset: u32, price: i64, dollars: i64) -> u64 {
    let priority = priority(cx.state, wish);
    gates::count(cx.state, wish, dollars);
    cx.state.clearing.quotes.remove(&wish.quote);
    if wish.reference > 0 {
        cx.state.clearing.references.insert(wish.account, wish.reference);
    }
    let held = if wish.kind == RequestKind::MintInKind { 0 } else { wish.amount };
    funds::post(cx.state, asset, Party::Holder(wish.account), Party::Escrow(wish.account), held);
    let id = cx.state.clearing.number();
    let clearing = &mut cx.state.clearing;
    let request = Request {
        account: wish.account,
        token: wish.token,
        cash: clearing.tokens[&wish.token].terms.cash,
        kind: wish.kind,
        state: RequestState::Requested,
        priority,
        forced: wish.origin.is_forced(),
        price,
        amount: wish.amount,
        held,
        units: 0,
        shares: 0,
        due: 0,
        fee_due: 0,
        returned_due: 0,
        expires_ns: cx.state.now + clearing.config().queue_life_ns,
        order: 0,
        cancelling: false,
        unsettled: 0,
        broker: 0,
        reroutes: 0,
    };
    clearing.requests.insert(id, request);
    clearing.open.insert((wish.account, id));
    hedged::remember(cx.state, id, wish);
    let event = RequestReserved { request: id, kind: wish.kind as u8, token: wish.token, asset, amount: held, price, reference: wish.reference };
    cx.tell_account(wish.account, &event);
    advance(cx, id, Step::Reserve);
    id
}

/// Gives back what is held and not used.
pub(super) fn give_back(cx: &mut Context<'_>, id: u64) {
    let Some(request) = cx.state.clearing.requests.get_mut(&id) else { return };
    let (account, amount) = (request.account, std::mem::take(&mut request.held));
    let asset = if request.kind == RequestKind::Mint { request.cash } else { request.token };
    if amount > 0 {
        funds::post(cx.state, asset, Party::Escrow(account), Party::Holder(account), amount);
        cx.tell_account(account, &RequestReturned { request: id, asset, amount });
        cx.touch(account);
    }
}

/// Ends a request of which nothing more will fill: what is left goes back, and what was filled goes on to settlement.
pub(super) fn end(cx: &mut Context<'_>, id: u64, unfilled: Step) {
    let Some(request) = cx.state.clearing.requests.get(&id) else { return };
    let (filled, unsettled) = (request.shares > 0, request.unsettled);
    cx.state.clearing.dequeue(id);
    give_back(cx, id);
    let part = if unfilled == Step::Complete { Step::Complete } else { Step::Close };
    advance(cx, id, if filled { part } else { unfilled });
    if filled && unsettled == 0 {
        super::treasury::settle_request(cx, id);
    }
}

/// `CancelRequest`: at once while no broker has it, else the broker is asked.
///
/// # Errors
/// 201, 911, 912, 947.
pub fn cancel(cx: &mut Context<'_>, header: &Header, c: &CancelRequest) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let request = cx.state.clearing.request(c.request)?;
    require(request.account == account, Reject::request_must_exist.at(1, c.request as i64, 0))?;
    require(!request.forced, Reject::forced_redemption_must_run.at(1, c.request as i64, 0))?;
    let open = request.order != 0 || after(request, Step::Cancel).is_ok() || after(request, Step::Close).is_ok();
    require(open, Reject::request_must_allow_event.at(1, Step::Cancel as i64, request.state as i64))?;
    cancel_one(cx, c.request);
    capacity::publish(cx);
    Ok(())
}

/// Ends one request, or asks its broker to.
pub fn cancel_one(cx: &mut Context<'_>, id: u64) {
    let Some(request) = cx.state.clearing.requests.get_mut(&id) else { return };
    if request.order == 0 {
        end(cx, id, Step::Cancel);
    } else if !request.cancelling {
        request.cancelling = true;
        let order = request.order;
        routing::ask_to_cancel(cx, order);
    }
}

/// Ends all issuances of an account that can still be ended: what stage 1 of a liquidation asks for. Redemptions go on.
pub fn cancel_issuance(cx: &mut Context<'_>, account: u32) {
    let clearing = &cx.state.clearing;
    let all = clearing.open.range((account, 0)..=(account, u64::MAX)).map(|&(_, id)| id);
    let ends = |r: &Request| r.kind.mints() && !r.forced && (r.order != 0 || matches!(r.state, RequestState::Reserved));
    let ids: Vec<u64> = all.filter(|id| ends(&clearing.requests[id])).collect();
    for id in ids {
        cancel_one(cx, id);
    }
}
