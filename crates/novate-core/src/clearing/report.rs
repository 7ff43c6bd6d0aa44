//! What brokers report about orders: accepted, filled, refused, ended, out of reach.
//!
//! Responsible for: matching a report with its order, telling repeats and errors from facts, and the steps that follow. A report
//! that contradicts its order is booked nowhere: it waits in quarantine behind a break. Never books (`fill` does).

use super::breaks::{self, BreakKind};
use super::terms::LARGEST;
use super::{Step, advance, capacity, cost_up, fill, fits, request, routing, units_down};
use crate::command::{ReportBrokerAccepted, ReportBrokerCancelled, ReportBrokerDefault, ReportBrokerFill, ReportBrokerLine, ReportBrokerReject};
use crate::context::Context;
use crate::params::within;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{BrokerOrder, Execution, ExecutionStage, OrderStage, Purpose};
use crate::units::HOUR;

/// Largest execution: ten million shares.
const MOST_SHARES: i64 = 10_000_000 * 1_000_000_000;
/// The latest settlement anybody agrees on.
const LATEST: i64 = 30 * 24 * HOUR;

fn open(state: &State, id: u64) -> Result<&BrokerOrder, Refusal> {
    let order = state.clearing.order(id)?;
    require(order.stage != OrderStage::Done, Reject::broker_order_must_be_open.at(1, id as i64, 0))?;
    Ok(order)
}

/// `ReportBrokerAccepted`: the broker has the order, or has it still.
///
/// # Errors
/// 933, 934.
pub fn accepted(cx: &mut Context<'_>, c: &ReportBrokerAccepted) -> Result<(), Refusal> {
    let request = open(cx.state, c.order)?.request;
    if let Some(order) = cx.state.clearing.orders.get_mut(&c.order) {
        order.stage = OrderStage::Live;
    }
    let filled = cx.state.clearing.requests.get(&request).is_some_and(|r| r.shares > 0);
    advance(cx, request, if filled { Step::AliveInPart } else { Step::Alive });
    Ok(())
}

/// What was executed, before it has a number.
fn execution_of(state: &State, c: &ReportBrokerFill, order: &BrokerOrder) -> Result<Execution, Refusal> {
    let underlying = state.known_underlying(state.known_asset(order.token).terms.underlying);
    let absurd = |field, value, limit| Reject::execution_must_be_plausible.at(field, value, limit);
    require(c.side <= 1, absurd(4, i64::from(c.side), 1))?;
    require((1..=MOST_SHARES).contains(&c.shares), absurd(7, c.shares, MOST_SHARES))?;
    let (low, high) = (underlying.terms.price_min, underlying.terms.price_max);
    require((low..=high).contains(&c.price), absurd(8, c.price, if c.price < low { low } else { high }))?;
    let bought = c.side == 0;
    let value = if bought { cost_up(underlying, c.shares, c.price) } else { underlying.value_down(i128::from(c.shares), c.price) };
    let dollars = fits(value)?;
    require(dollars <= LARGEST, absurd(7, dollars, LARGEST))?;
    require((0..=dollars).contains(&c.fee), absurd(9, c.fee, dollars))?;
    let (now, settles) = (state.now, c.settle_time_ns);
    require(settles > now && settles <= now + LATEST, absurd(10, settles, if settles <= now { now + 1 } else { now + LATEST }))?;
    Ok(Execution {
        broker: order.broker,
        id: c.execution,
        order: c.order,
        bought,
        shares: c.shares,
        price: c.price,
        dollars,
        fee: c.fee,
        units: 0,
        settle_ns: settles,
        stage: ExecutionStage::Open,
        house: order.purpose == Purpose::Hedge,
        adopted: false,
        extra: 0,
    })
}

/// What contradicts the order, with what it allowed and what came.
fn contradiction(state: &State, c: &ReportBrokerFill, order: &BrokerOrder, execution: &Execution) -> Option<(BreakKind, i64, i64)> {
    let underlying = state.known_asset(order.token).terms.underlying;
    if c.underlying != underlying {
        return Some((BreakKind::WrongSymbol, i64::from(underlying), i64::from(c.underlying)));
    }
    if execution.bought != order.buys {
        return Some((BreakKind::WrongSide, i64::from(!order.buys), i64::from(c.side)));
    }
    if order.stage == OrderStage::Done {
        return Some((BreakKind::LateFill, 0, c.shares));
    }
    let beyond = if order.buys { c.price > order.limit } else { c.price < order.limit };
    if beyond {
        return Some((BreakKind::BeyondLimit, order.limit, c.price));
    }
    let shares_left = order.shares - order.filled;
    if order.shares > 0 && c.shares > shares_left {
        return Some((BreakKind::Overfill, shares_left, c.shares));
    }
    let dollars_left = order.dollars - order.spent;
    (order.buys && execution.dollars > dollars_left).then_some((BreakKind::Overfill, dollars_left, execution.dollars))
}

/// `ReportBrokerFill`.
///
/// # Errors
/// 207, 912, 933, 935, 938. A repeat is answered by 935 and changes nothing.
pub fn filled(cx: &mut Context<'_>, c: &ReportBrokerFill) -> Result<(), Refusal> {
    let order = cx.state.clearing.order(c.order)?.clone();
    let execution = execution_of(cx.state, c, &order)?;
    if let Some(number) = cx.state.clearing.execution_ids.get(&(order.broker, c.execution)) {
        return repeated(cx, *number, &order, &execution);
    }
    if let Some((kind, expected, found)) = contradiction(cx.state, c, &order, &execution) {
        let number = remember(cx, Execution { stage: ExecutionStage::Quarantined, ..execution });
        breaks::open(cx, order.token, order.broker, kind, expected, found, number);
        capacity::publish(cx);
        return Ok(());
    }
    let done = c.complete == 1 || (order.shares > 0 && order.filled + c.shares == order.shares);
    room_for_tokens(cx.state, &order, c.shares)?;
    let step = if done { Step::Complete } else { Step::Fill };
    if let Some(request) = cx.state.clearing.requests.get(&order.request) {
        super::after(request, step)?;
    }

    let number = remember(cx, execution.clone());
    if let Some(open) = cx.state.clearing.orders.get_mut(&c.order) {
        open.stage = OrderStage::Live;
    }
    if let Some(request) = cx.state.clearing.requests.get_mut(&order.request) {
        request.unsettled += 1;
    }
    let units = fill::book(cx, c.order, &execution);
    if let Some(kept) = cx.state.clearing.executions.get_mut(&number) {
        kept.units = units;
    }
    advance(cx, order.request, Step::Fill);
    if done {
        routing::close(cx, c.order);
        request::end(cx, order.request, Step::Complete);
    }
    super::fault::repair(cx, order.token);
    capacity::publish(cx);
    Ok(())
}

/// The same execution again is answered and nothing else; the same id with other contents is a break.
fn repeated(cx: &mut Context<'_>, number: u64, order: &BrokerOrder, again: &Execution) -> Result<(), Refusal> {
    let known = &cx.state.clearing.executions[&number];
    let same = (known.order, known.bought, known.fee) == (again.order, again.bought, again.fee);
    let corrected = known.stage.is_carried() || (known.shares, known.price) == (again.shares, again.price);
    require(!(same && corrected), Reject::execution_must_be_new.at(2, number as i64, 0))?;
    let differs = breaks::pending(cx.state, order.token, order.broker, BreakKind::IdUsedTwice);
    require(differs.is_none(), Reject::execution_must_be_new.at(2, number as i64, 0))?;
    let (expected, found) = (known.shares, again.shares);
    breaks::open(cx, order.token, order.broker, BreakKind::IdUsedTwice, expected, found, 0);
    capacity::publish(cx);
    Ok(())
}

fn room_for_tokens(state: &State, order: &BrokerOrder, shares: i64) -> Result<(), Refusal> {
    if order.purpose != Purpose::Request || !order.buys {
        return Ok(());
    }
    let asset = state.known_asset(order.token);
    let units = fits(units_down(asset, i128::from(shares)))?;
    let issued = i128::from(state.clearing.tokens[&order.token].issued) + i128::from(units);
    fits(super::shares_up(asset, issued))?;
    state.ledger.room_for(order.token, units)
}

/// Gives an execution its number.
pub(super) fn remember(cx: &mut Context<'_>, execution: Execution) -> u64 {
    let clearing = &mut cx.state.clearing;
    let number = clearing.number();
    clearing.execution_ids.insert((execution.broker, execution.id), number);
    if let Some(order) = clearing.orders.get_mut(&execution.order) {
        order.executions += 1;
    }
    if execution.stage == ExecutionStage::Open {
        clearing.settling.insert((execution.settle_ns, number));
    }
    clearing.executions.insert(number, execution);
    number
}

/// `ReportBrokerReject`: the rest goes to another broker, else the request ends.
///
/// # Errors
/// 933, 934.
pub fn rejected(cx: &mut Context<'_>, c: &ReportBrokerReject) -> Result<(), Refusal> {
    ended(cx, c.order, Step::Reject)
}

/// `ReportBrokerCancelled`: as the holder asked, or not; then the rest goes to another broker.
///
/// # Errors
/// 933, 934.
pub fn cancelled(cx: &mut Context<'_>, c: &ReportBrokerCancelled) -> Result<(), Refusal> {
    ended(cx, c.order, Step::Cancel)
}

fn ended(cx: &mut Context<'_>, id: u64, step: Step) -> Result<(), Refusal> {
    let order = open(cx.state, id)?.clone();
    routing::close(cx, id);
    if order.purpose == Purpose::Request && !reroute(cx, order.request, order.broker) {
        request::end(cx, order.request, step);
    }
    capacity::publish(cx);
    Ok(())
}

/// Sends what is left to another broker, at most once per broker listed.
fn reroute(cx: &mut Context<'_>, id: u64, without: u32) -> bool {
    let brokers = cx.state.clearing.brokers.len() as u32;
    let Some(request) = cx.state.clearing.requests.get(&id) else { return false };
    if request.cancelling || request.held == 0 || request.reroutes >= brokers {
        return false;
    }
    let (kind, token, held, price) = (request.kind, request.token, request.held, request.price);
    if cx.state.corporate.halts(cx.state.known_asset(token).terms.underlying, cx.state.now) {
        // A corporate action waits for quiet: the rest waits for its end, unless it was at a price of the moment.
        if price != 0 {
            return false;
        }
        step_back(cx, id);
        cx.state.clearing.enqueue(id);
        return true;
    }
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        request.reroutes += 1;
    }
    if routing::plan(cx.state, kind, token, held, price, without).is_err() {
        return false;
    }
    step_back(cx, id);
    routing::route(cx, id, without)
}

/// No broker has the rest any more.
fn step_back(cx: &mut Context<'_>, id: u64) {
    let filled = cx.state.clearing.requests[&id].shares > 0;
    advance(cx, id, if filled { Step::AliveInPart } else { Step::Reroute });
}

/// `ReportBrokerLine`: while it is broken every order there is unknown, and everything it holds stays held.
///
/// # Errors
/// 309, 903.
pub fn line(cx: &mut Context<'_>, c: &ReportBrokerLine) -> Result<(), Refusal> {
    cx.state.clearing.broker(c.broker)?;
    within(&[(2, i64::from(c.connected), 0, 1)])?;
    if let Some(broker) = cx.state.clearing.brokers.get_mut(&c.broker) {
        broker.connected = c.connected == 1;
    }
    if c.connected == 0 {
        lose_sight(cx, c.broker);
    }
    super::terms::tell_broker(cx, c.broker);
    capacity::publish(cx);
    Ok(())
}

fn lose_sight(cx: &mut Context<'_>, broker: u32) {
    let open = |o: &BrokerOrder| o.broker == broker && matches!(o.stage, OrderStage::Raised | OrderStage::Live);
    let clearing = &cx.state.clearing;
    let working = clearing.working.iter().filter_map(|(_, id)| Some((*id, clearing.orders.get(id)?)));
    let mut orders: Vec<(u64, u64)> = working.filter(|(_, o)| open(o)).map(|(id, o)| (id, o.request)).collect();
    orders.sort_unstable();
    for (id, request) in orders {
        if let Some(order) = cx.state.clearing.orders.get_mut(&id) {
            order.stage = OrderStage::Unknown;
        }
        advance(cx, request, Step::Disconnect);
    }
}

/// `ReportBrokerDefault`: nothing goes there and nothing there moves until the freeze is over.
///
/// # Errors
/// 903.
pub fn defaulted(cx: &mut Context<'_>, c: &ReportBrokerDefault) -> Result<(), Refusal> {
    cx.state.clearing.broker(c.broker)?;
    let until = cx.state.now + cx.state.clearing.config().default_freeze_ns;
    if let Some(broker) = cx.state.clearing.brokers.get_mut(&c.broker) {
        broker.frozen_until_ns = until;
    }
    lose_sight(cx, c.broker);
    super::terms::tell_broker(cx, c.broker);
    capacity::publish(cx);
    Ok(())
}
