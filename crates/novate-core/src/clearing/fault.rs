//! What brokers take back: busts, corrections, failed settlements. The venue's own account carries it, never a holder.
//!
//! Responsible for: settlement of executions, moving what is missing to the shortage or what is left to the house, and the
//! orders that repair either. A holder's tokens and cash due are never touched here.

use super::terms::LARGEST;
use super::{Step, advance, capacity, fill, fits, gates, routing, treasury};
use crate::command::{ReportBust, ReportCorrection, ReportSettlement};
use crate::context::Context;
use crate::event::{ExecutionCarried, ExecutionSettled};
use crate::ledger::books::{Place, Unit};
use crate::params::within;
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{Execution, ExecutionStage, Purpose};
use crate::units::{Price, narrow};

/// Why the venue's own account carries an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Reason {
    Bust = 0,
    Correction = 1,
    FailedSettlement = 2,
}

/// `ReportSettlement`.
///
/// # Errors
/// 309, 936, 937.
pub fn settlement(cx: &mut Context<'_>, c: &ReportSettlement) -> Result<(), Refusal> {
    let (number, execution) = cx.state.clearing.execution(c.broker, c.execution)?;
    let execution = execution.clone();
    within(&[(2, i64::from(c.settled), 0, 1)])?;
    let late = c.settled == 1 && execution.stage == ExecutionStage::Failed;
    require(late || execution.stage == ExecutionStage::Open, Reject::execution_must_be_open.at(5, execution.stage as i64, 0))?;
    if late {
        settle_late(cx, number, &execution);
    } else if c.settled == 1 {
        settle(cx, number, &execution);
    } else {
        cx.state.clearing.settling.remove(&(execution.settle_ns, number));
        carry(cx, number, 0, 0, Reason::FailedSettlement);
    }
    repair(cx, cx.state.clearing.orders[&execution.order].token);
    capacity::publish(cx);
    Ok(())
}

/// Shares and dollars arrive, tokens are free to leave.
fn settle(cx: &mut Context<'_>, number: u64, execution: &Execution) {
    let token = cx.state.clearing.orders[&execution.order].token;
    move_settled(cx.state, token, execution);
    cx.state.clearing.settling.remove(&(execution.settle_ns, number));
    if let Some(kept) = cx.state.clearing.executions.get_mut(&number) {
        kept.stage = ExecutionStage::Settled;
    }
    unlock(cx.state, execution);
    let forget = cx.state.now + cx.state.clearing.config().kept_ns;
    cx.state.clearing.ended.insert((forget, number));
    let Execution { order, broker, shares, .. } = *execution;
    cx.tell(&ExecutionSettled { execution: number, order, broker, shares, dollars: fill::net(execution) });
    if !execution.adopted {
        one_less(cx, execution.order);
    }
}

/// What failed to settle arrives after all. Shares that were bought pay what the treasury still owes and no purchase is under
/// way for, the rest is the house's, to be sold; shares that were sold leave from the house's, and what it has sold meanwhile
/// the treasury owes. Neither holder nor request has a part in it any more.
fn settle_late(cx: &mut Context<'_>, number: u64, execution: &Execution) {
    let Execution { order, broker, shares, .. } = *execution;
    let token = cx.state.clearing.orders[&order].token;
    let unit = Unit::Shares(token);
    let buy_in = rest_of(cx.state, cx.state.clearing.tokens[&token].repairs[0]);
    let extra = if execution.bought {
        let books = &mut cx.state.clearing.books;
        let owed = books.at(unit, Place::Shortage) - buy_in.map_or(0, |(_, rest)| rest);
        let paid = if execution.house { 0 } else { owed.clamp(0, shares) };
        books.post(unit, Place::Broker(broker), Place::Shortage, paid);
        books.post(unit, Place::HouseAt(broker), Place::House, shares - paid);
        books.post(Unit::Dollars, Place::Treasury, Place::Broker(broker), fill::net(execution));
        shares - paid
    } else {
        let given = unsold_inventory(cx.state, token, broker).clamp(0, shares);
        let books = &mut cx.state.clearing.books;
        books.post(unit, Place::House, Place::HouseAt(broker), given);
        books.post(unit, Place::Shortage, Place::Broker(broker), shares - given);
        books.post(Unit::Dollars, Place::Broker(broker), Place::Treasury, fill::net(execution));
        -given
    };
    if let Some(issuance) = cx.state.clearing.tokens.get_mut(&token) {
        issuance.to_hedge = (issuance.to_hedge + extra).max(0);
    }
    if let Some(kept) = cx.state.clearing.executions.get_mut(&number) {
        kept.stage = ExecutionStage::Settled;
    }
    cx.tell(&ExecutionSettled { execution: number, order, broker, shares, dollars: fill::net(execution) });
    fill::tell_shortage(cx, token);
    repaired(cx, execution);
}

/// House shares at a broker that are neither sold nor in an order to be.
pub(super) fn unsold_inventory(state: &State, token: u32, broker: u32) -> i64 {
    let hedge = rest_of(state, state.clearing.tokens[&token].repairs[1]);
    let claimed = hedge.filter(|&(at, _)| at == broker).map_or(0, |(_, rest)| rest);
    capacity::free_inventory(state, token, broker) - claimed
}

/// Where an open repair is, and the shares it may still fill.
fn rest_of(state: &State, order: u64) -> Option<(u32, i64)> {
    state.clearing.orders.get(&order).map(|o| (o.broker, o.shares - o.filled))
}

/// The postings of a settlement.
fn move_settled(state: &mut State, token: u32, execution: &Execution) {
    let (broker, unit, shares) = (execution.broker, Unit::Shares(token), execution.shares);
    let books = &mut state.clearing.books;
    match (execution.bought, execution.house) {
        (true, false) => books.post(unit, Place::Broker(broker), Place::FromBroker(broker), shares),
        (true, true) => books.post(unit, Place::HouseAt(broker), Place::HouseFrom(broker), shares),
        (false, false) => books.post(unit, Place::ToBroker(broker), Place::Broker(broker), shares),
        (false, true) => books.post(unit, Place::HouseTo(broker), Place::HouseAt(broker), shares),
    }
    let dollars = fill::net(execution);
    if execution.bought {
        books.post(Unit::Dollars, Place::ToBroker(broker), Place::Broker(broker), dollars);
    } else {
        books.post(Unit::Dollars, Place::Broker(broker), Place::FromBroker(broker), dollars);
    }
}

/// One execution less to settle; the last one settles the request.
fn one_less(cx: &mut Context<'_>, order: u64) {
    let request = cx.state.clearing.orders[&order].request;
    let Some(open) = cx.state.clearing.requests.get_mut(&request) else { return };
    open.unsettled = open.unsettled.saturating_sub(1);
    if open.unsettled == 0 {
        treasury::settle_request(cx, request);
    }
}

/// Tokens minted on an execution may leave.
pub(super) fn unlock(state: &mut State, execution: &Execution) {
    let clearing = &mut state.clearing;
    let Some(order) = clearing.orders.get(&execution.order) else { return };
    let Some(request) = clearing.requests.get(&order.request).filter(|_| order.minted(execution)) else { return };
    let (account, token) = (request.account, request.token);
    clearing.lock(account, token, -execution.units);
}

fn taken(state: &State, broker: u32, id: [u8; 16]) -> Result<(u64, Execution), Refusal> {
    let (number, execution) = state.clearing.execution(broker, id)?;
    let booked = matches!(execution.stage, ExecutionStage::Open | ExecutionStage::Settled);
    require(booked, Reject::execution_must_be_open.at(2, execution.stage as i64, 0))?;
    Ok((number, execution.clone()))
}

/// `ReportBust`: hours or a day later, after delivery too.
///
/// # Errors
/// 936, 937.
pub fn bust(cx: &mut Context<'_>, c: &ReportBust) -> Result<(), Refusal> {
    let (number, execution) = taken(cx.state, c.broker, c.execution)?;
    carry(cx, number, 0, 0, Reason::Bust);
    repair(cx, cx.state.clearing.orders[&execution.order].token);
    capacity::publish(cx);
    Ok(())
}

/// `ReportCorrection`: other shares, another price. The holder keeps what the fill gave it. Told again it changes nothing.
///
/// # Errors
/// 207, 936 to 938, 949.
pub fn correction(cx: &mut Context<'_>, c: &ReportCorrection) -> Result<(), Refusal> {
    let (number, execution) = taken(cx.state, c.broker, c.execution)?;
    let token = cx.state.clearing.orders[&execution.order].token;
    let underlying = cx.state.known_underlying(cx.state.known_asset(token).terms.underlying);
    let before = execution.shares + execution.extra;
    let sane = c.shares > 0 && c.shares <= 2 * before && (underlying.terms.price_min..=underlying.terms.price_max).contains(&c.price);
    require(sane, Reject::execution_must_be_plausible.at(4, c.shares, 2 * before))?;
    require((c.shares, c.price) != (before, execution.price), Reject::correction_must_change_something.at(4, c.shares, before))?;
    let value = if execution.bought {
        super::cost_up(underlying, c.shares, c.price)
    } else {
        underlying.value_down(i128::from(c.shares), c.price)
    };
    let dollars = fits(value)?;
    let plausible = execution.fee <= dollars && dollars <= LARGEST;
    require(plausible, Reject::execution_must_be_plausible.at(5, c.price, execution.price))?;
    correct(cx, number, c.shares, c.price, dollars);
    repair(cx, token);
    capacity::publish(cx);
    Ok(())
}

/// The whole execution becomes the venue's: booked back, its state and its request's with it. Its tokens may leave on its
/// settlement day, or at once where that is over.
fn carry(cx: &mut Context<'_>, number: u64, shares: i64, dollars: i64, reason: Reason) {
    let execution = cx.state.clearing.executions[&number].clone();
    let was_open = execution.stage == ExecutionStage::Open;
    change_shares(cx, &execution, shares, 0);
    change_dollars(cx.state, &execution, dollars);
    let kept_ns = cx.state.clearing.config().kept_ns;
    if let Some(kept) = cx.state.clearing.executions.get_mut(&number) {
        kept.stage = if reason == Reason::FailedSettlement { ExecutionStage::Failed } else { ExecutionStage::Carried };
    }
    if was_open {
        cx.state.clearing.ended.insert((cx.state.now + kept_ns, number));
        if !cx.state.clearing.settling.contains(&(execution.settle_ns, number)) {
            unlock(cx.state, &execution);
        }
    }
    let Execution { order, broker, .. } = execution;
    let (lost, net) = (execution.shares + execution.extra, fill::net(&execution));
    cx.tell(&ExecutionCarried { execution: number, order, broker, reason: reason as u8, shares: lost, dollars: net });
    let request = if execution.adopted { 0 } else { cx.state.clearing.orders[&order].request };
    advance(cx, request, if reason == Reason::FailedSettlement { Step::SettlementFail } else { Step::Bust });
    if was_open && let Some(open) = cx.state.clearing.requests.get_mut(&request) {
        open.unsettled = open.unsettled.saturating_sub(1);
    }
    repaired(cx, &execution);
}

/// Part of an execution changes; the rest settles as it would have. More bought than stands behind tokens is the house's.
fn correct(cx: &mut Context<'_>, number: u64, said: i64, price: Price, dollars: i64) {
    let execution = cx.state.clearing.executions[&number].clone();
    let behind_tokens = execution.bought && !execution.house;
    let shares = if behind_tokens { said.min(execution.shares) } else { said };
    let extra = said - shares;
    change_shares(cx, &execution, shares, extra);
    change_dollars(cx.state, &execution, dollars + if execution.bought { execution.fee } else { -execution.fee });
    if let Some(kept) = cx.state.clearing.executions.get_mut(&number) {
        (kept.shares, kept.extra, kept.price, kept.dollars) = (shares, extra, price, dollars);
    }
    let Execution { order, broker, .. } = execution;
    let less = execution.shares + execution.extra - said;
    cx.tell(&ExecutionCarried { execution: number, order, broker, reason: Reason::Correction as u8, shares: less, dollars });
    let request = if execution.adopted { 0 } else { cx.state.clearing.orders[&order].request };
    advance(cx, request, Step::Bust);
    repaired(cx, &execution);
}

/// After the books moved: what needs no repair is settled at once.
fn repaired(cx: &mut Context<'_>, execution: &Execution) {
    let token = cx.state.clearing.orders[&execution.order].token;
    let short = cx.state.clearing.books.at(Unit::Shares(token), Place::Shortage);
    if short == 0 {
        treasury::settle_repaired(cx, token, true);
    }
    if cx.state.clearing.tokens[&token].to_hedge == 0 {
        treasury::settle_repaired(cx, token, false);
    }
}

/// From the execution's shares to others: what is missing is the treasury's debt, what is left over is the house's. Extra shares
/// that go leave from the house's; what it has sold of them meanwhile the treasury owes.
fn change_shares(cx: &mut Context<'_>, execution: &Execution, shares: i64, extra: i64) {
    let order = &cx.state.clearing.orders[&execution.order];
    let (token, broker, gone) = (order.token, execution.broker, execution.shares - shares);
    let (unit, open) = (Unit::Shares(token), execution.stage == ExecutionStage::Open);
    let returned = execution.extra - extra;
    let given = if returned > 0 { unsold_inventory(cx.state, token, broker).clamp(0, returned) } else { returned };
    let books = &mut cx.state.clearing.books;
    books.post(unit, Place::House, Place::HouseAt(broker), given);
    books.post(unit, Place::Shortage, Place::Broker(broker), returned - given);
    let mut left_over = -given;
    match (execution.bought, execution.house) {
        (true, false) => {
            let place = if open { Place::FromBroker(broker) } else { Place::Broker(broker) };
            books.post(unit, Place::Shortage, place, gone);
        }
        (true, true) => {
            let place = if open { Place::HouseFrom(broker) } else { Place::HouseAt(broker) };
            books.post(unit, Place::House, place, gone);
            left_over = -gone;
        }
        (false, false) if gone >= 0 => {
            if open {
                books.post(unit, Place::ToBroker(broker), Place::Broker(broker), gone);
            }
            books.post(unit, Place::HouseAt(broker), Place::House, gone);
            left_over = gone;
        }
        (false, false) => {
            let place = if open { Place::ToBroker(broker) } else { Place::Broker(broker) };
            books.post(unit, Place::Shortage, place, -gone);
        }
        (false, true) => {
            let place = if open { Place::HouseTo(broker) } else { Place::HouseAt(broker) };
            books.post(unit, place, Place::House, gone);
            left_over = gone;
        }
    }
    if let Some(issuance) = cx.state.clearing.tokens.get_mut(&token) {
        issuance.to_hedge = (issuance.to_hedge + left_over).max(0);
    }
    if gone != 0 || returned != 0 {
        let shares = cx.state.clearing.books.at(unit, Place::Shortage);
        cx.tell(&crate::event::ShortageChanged { token, shares });
    }
}

/// From the execution's dollars to others (what it moves, fee included): the treasury pays or keeps the difference.
fn change_dollars(state: &mut State, execution: &Execution, net: i64) {
    let (broker, open) = (execution.broker, execution.stage == ExecutionStage::Open);
    let less = fill::net(execution) - net;
    let books = &mut state.clearing.books;
    match (execution.bought, open) {
        (true, true) => books.post(Unit::Dollars, Place::ToBroker(broker), Place::Treasury, less),
        (true, false) => books.post(Unit::Dollars, Place::Broker(broker), Place::Treasury, less),
        (false, true) => books.post(Unit::Dollars, Place::Treasury, Place::FromBroker(broker), less),
        (false, false) => books.post(Unit::Dollars, Place::Treasury, Place::Broker(broker), less),
    }
}

/// Raises what repairs a token: a purchase of its shortage, a sale of what faults left. One of each at a time, in a session in
/// which tokens are issued, within the prefunded money; tried again by every `AdvanceTime`.
pub fn repair(cx: &mut Context<'_>, token: u32) {
    let asset = cx.state.known_asset(token);
    let underlying = cx.state.known_underlying(asset.terms.underlying);
    let open = underlying.price.permission(Action::Mint) == Permission::Yes && underlying.session.session.is_open();
    if !open || cx.state.corporate.halts(asset.terms.underlying, cx.state.now) {
        return;
    }
    let (low, high) = gates::around_index(cx.state, token);
    let short = cx.state.clearing.books.at(Unit::Shares(token), Place::Shortage);
    let [buy_in, hedge] = cx.state.clearing.tokens[&token].repairs;
    if short > 0 && buy_in == 0 {
        let dollars = narrow(super::cost_up(cx.state.known_underlying(asset.terms.underlying), short, high)).unwrap_or(i64::MAX);
        let able = |&b: &u32| capacity::reachable(cx.state, b) && capacity::free_dollars(cx.state, b) >= dollars;
        if let Some(broker) = cx.state.clearing.brokers.keys().copied().find(able) {
            let plan = routing::Plan { broker, token, buys: true, dollars, shares: short, limit: high, units: 0 };
            note_repair(cx, &plan, Purpose::BuyIn);
        }
    }
    let extra = cx.state.clearing.tokens[&token].to_hedge;
    if extra > 0 && hedge == 0 {
        let able = |&b: &u32| capacity::reachable(cx.state, b) && capacity::free_inventory(cx.state, token, b) > 0;
        if let Some(broker) = cx.state.clearing.brokers.keys().copied().find(able) {
            let shares = extra.min(capacity::free_inventory(cx.state, token, broker));
            let plan = routing::Plan { broker, token, buys: false, dollars: 0, shares, limit: low, units: 0 };
            note_repair(cx, &plan, Purpose::Hedge);
        }
    }
}

fn note_repair(cx: &mut Context<'_>, plan: &routing::Plan, purpose: Purpose) {
    let id = routing::raise(cx, plan, 0, purpose);
    if let Some(issuance) = cx.state.clearing.tokens.get_mut(&plan.token) {
        issuance.repairs[usize::from(purpose == Purpose::Hedge)] = id;
    }
}

/// An execution the broker insists on and no order asked for goes to the venue's account.
pub(super) fn adopt(cx: &mut Context<'_>, number: u64) {
    let mut execution = cx.state.clearing.executions[&number].clone();
    let token = cx.state.clearing.orders[&execution.order].token;
    (execution.stage, execution.house, execution.adopted) = (ExecutionStage::Open, execution.bought, true);
    execution.settle_ns = execution.settle_ns.max(cx.state.now + 1);
    fill::dollars_on_their_way(cx.state, &execution, 1);
    let (unit, broker, shares) = (Unit::Shares(token), execution.broker, execution.shares);
    let books = &mut cx.state.clearing.books;
    if execution.bought {
        books.post(unit, Place::HouseFrom(broker), Place::House, shares);
    } else {
        // Sold out of the backing: the treasury owes it.
        books.post(unit, Place::Shortage, Place::ToBroker(broker), shares);
    }
    if let Some(issuance) = cx.state.clearing.tokens.get_mut(&token).filter(|_| execution.bought) {
        issuance.to_hedge += shares;
    }
    cx.state.clearing.settling.insert((execution.settle_ns, number));
    cx.state.clearing.executions.insert(number, execution);
    let short = cx.state.clearing.books.at(unit, Place::Shortage);
    cx.tell(&crate::event::ShortageChanged { token, shares: short });
    repair(cx, token);
}
