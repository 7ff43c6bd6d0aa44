//! From a request to a broker order: which broker, how much, at what worst price.
//!
//! Responsible for: the plan of an order and raising it, with what it claims of the broker's money and shares. Never books a
//! fill.

use super::capacity::{self, CapacityTerm};
use super::{Step, advance, cost_up, gates};
use crate::context::Context;
use crate::event::{BrokerCancelRaised, BrokerOrderRaised};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::clearing::{BrokerOrder, OrderStage, Purpose, RequestKind};
use crate::units::{Amount, PPM, Price, div_floor, narrow};

/// 1e-9 shares in a share.
const SHARE: i64 = 1_000_000_000;

/// An order that could be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub broker: u32,
    /// The token whose shares they are.
    pub token: u32,
    /// Whether it buys.
    pub buys: bool,
    /// Micro-dollars it may spend; 0 for a sale.
    pub dollars: i64,
    /// Shares, 1e-9; 0 when dollars alone limit it.
    pub shares: i64,
    /// Worst price.
    pub limit: Price,
    /// Token units behind a sale.
    pub units: Amount,
}

/// Micro-dollars of held cash that may be spent before the fee, rounded down.
#[must_use]
pub fn net_of_fee(state: &State, token: u32, held: Amount) -> i64 {
    let terms = &state.clearing.tokens[&token].terms;
    let face = state.known_asset(terms.cash).face(i128::from(held));
    narrow(div_floor(face * i128::from(PPM), i128::from(PPM + terms.mint_fee_ppm))).unwrap_or(0)
}

/// Shares that dollars buy at a price, rounded down.
#[must_use]
pub fn shares_for(state: &State, token: u32, dollars: i64, price: Price) -> i64 {
    let underlying = state.known_underlying(state.known_asset(token).terms.underlying);
    narrow(div_floor(i128::from(dollars) * underlying.scale(), i128::from(price.max(1)))).unwrap_or(i64::MAX)
}

const fn whole(shares: i64) -> i64 {
    shares - shares % SHARE
}

/// The best broker but `without` for cash or tokens held by a request.
///
/// # Errors
/// 923, 930.
pub fn plan(state: &State, kind: RequestKind, token: u32, held: Amount, price: Price, without: u32) -> Result<Plan, Refusal> {
    let (low, high) = gates::around_index(state, token);
    let buys = kind.mints();
    let mut candidates: Vec<(i64, u32, CapacityTerm)> = state
        .clearing
        .brokers
        .keys()
        .filter(|&&b| b != without)
        .map(|&b| {
            let (dollars, term) = capacity::at_broker(state, token, buys, b);
            (dollars, b, term)
        })
        .collect();
    candidates.sort_by_key(|&(dollars, broker, _)| (-dollars, broker));
    let mut refusal = Reject::capacity_must_cover_request.at(CapacityTerm::Broker as u16, 0, 0);
    for (at, (room, broker, term)) in candidates.into_iter().enumerate() {
        let wanted = if buys { purchase(state, token, held, price, high, broker) } else { sale(state, token, held, low, broker) };
        let (plan, dollars) = match wanted {
            Ok(found) => found,
            Err(too_small) => {
                refusal = if at == 0 { too_small } else { refusal };
                continue;
            }
        };
        let enough = dollars <= room && (buys || plan.shares <= capacity::free_shares(state, token, broker));
        if enough {
            return Ok(plan);
        }
        if at == 0 {
            refusal = Reject::capacity_must_cover_request.at(term as u16, dollars, room);
        }
    }
    Err(refusal)
}

fn purchase(state: &State, token: u32, held: Amount, price: Price, limit: Price, broker: u32) -> Result<(Plan, i64), Refusal> {
    let net = net_of_fee(state, token, held);
    let fractional = state.clearing.brokers[&broker].terms.fractional == 1;
    let mut shares = match (price, fractional) {
        (0, true) => 0,
        (0, false) => whole(shares_for(state, token, net, limit)),
        (firm, _) => shares_for(state, token, net, firm),
    };
    if !fractional {
        shares = whole(shares);
    }
    let needs_shares = price != 0 || !fractional;
    require(net > 0 && (shares > 0 || !needs_shares), Reject::order_must_be_a_share.at(2, shares, SHARE))?;
    let underlying = state.known_underlying(state.known_asset(token).terms.underlying);
    // A firm price is the venue's risk: the broker may take up to the worst price.
    let dollars = if price == 0 { net } else { super::fits(cost_up(underlying, shares, limit))? };
    Ok((Plan { broker, token, buys: true, dollars, shares, limit, units: 0 }, dollars))
}

fn sale(state: &State, token: u32, held: Amount, limit: Price, broker: u32) -> Result<(Plan, i64), Refusal> {
    let all = super::fits(state.known_asset(token).shares(i128::from(held)))?;
    let fractional = state.clearing.brokers[&broker].terms.fractional == 1;
    let shares = if fractional { all } else { whole(all) };
    require(shares > 0, Reject::order_must_be_a_share.at(2, all, if fractional { 1 } else { SHARE }))?;
    let underlying = state.known_underlying(state.known_asset(token).terms.underlying);
    let dollars = super::fits(underlying.value_down(i128::from(shares), underlying.price.index()))?;
    Ok((Plan { broker, token, buys: false, dollars: 0, shares, limit, units: held }, dollars))
}

/// Raises an order; returns its id. What it may spend or sell is claimed until it is done.
pub fn raise(cx: &mut Context<'_>, plan: &Plan, request: u64, purpose: Purpose) -> u64 {
    let Plan { broker, token, buys, dollars, shares, limit, units } = *plan;
    let id = cx.state.clearing.number();
    let underlying = cx.state.known_asset(token).terms.underlying;
    let order = BrokerOrder {
        request,
        purpose,
        broker,
        token,
        buys,
        dollars,
        shares,
        limit,
        filled: 0,
        spent: 0,
        units,
        burned: 0,
        stage: OrderStage::Raised,
        executions: 0,
        ending: false,
    };
    claim(cx.state, &order, 1);
    use_depth(cx.state, underlying, &order);
    cx.state.clearing.orders.insert(id, order);
    cx.state.clearing.working.insert((token, id));
    let takes_parts = cx.state.clearing.brokers[&broker].terms.fractional == 1;
    let event = BrokerOrderRaised {
        order: id,
        request,
        purpose: purpose as u8,
        broker,
        token,
        underlying,
        side: u8::from(!buys),
        dollars,
        shares,
        limit_price: limit,
        whole: u8::from(!takes_parts),
    };
    cx.tell(&event);
    id
}

/// Adds (1) or takes away (-1) what an open order may still spend or sell.
pub fn claim(state: &mut State, order: &BrokerOrder, sign: i64) {
    let Some(broker) = state.clearing.brokers.get_mut(&order.broker) else { return };
    if order.buys {
        broker.committed += sign * (order.dollars - order.spent);
    } else if order.purpose != Purpose::Hedge {
        *broker.committed_shares.entry(order.token).or_default() += sign * (order.shares - order.filled);
    }
}

fn use_depth(state: &mut State, underlying: u32, order: &BrokerOrder) {
    let listed = state.known_underlying(underlying);
    let sold = narrow(listed.value_down(i128::from(order.shares), listed.price.index())).unwrap_or(i64::MAX);
    let dollars = if order.buys { order.dollars } else { sold };
    if let Some(depth) = state.clearing.depth.get_mut(&underlying) {
        let left = &mut depth.dollars[usize::from(!order.buys)];
        *left = (*left - dollars).max(0);
    }
}

/// Sends a request to a broker if one can take it now.
pub fn route(cx: &mut Context<'_>, id: u64, without: u32) -> bool {
    let request = &cx.state.clearing.requests[&id];
    let (kind, token, held, price) = (request.kind, request.token, request.held, request.price);
    let Ok(plan) = plan(cx.state, kind, token, held, price, without) else { return false };
    cx.state.clearing.dequeue(id);
    let order = raise(cx, &plan, id, Purpose::Request);
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        request.order = order;
    }
    advance(cx, id, Step::Route);
    true
}

/// Nothing more fills of an order: what it claimed is free.
pub fn close(cx: &mut Context<'_>, id: u64) {
    let Some(order) = cx.state.clearing.orders.get(&id).cloned() else { return };
    if order.stage == OrderStage::Done {
        return;
    }
    claim(cx.state, &order, -1);
    cx.state.clearing.working.remove(&(order.token, id));
    if let Some(open) = cx.state.clearing.orders.get_mut(&id) {
        open.stage = OrderStage::Done;
    }
    let forget = cx.state.now + cx.state.clearing.config().kept_ns;
    cx.state.clearing.ended.insert((forget, id));
    if let Some(request) = cx.state.clearing.requests.get_mut(&order.request) {
        request.order = 0;
    }
    if let Some(issuance) = cx.state.clearing.tokens.get_mut(&order.token) {
        issuance.repairs.iter_mut().filter(|r| **r == id).for_each(|r| *r = 0);
    }
}

/// Asks the broker to end an order.
pub fn ask_to_cancel(cx: &mut Context<'_>, id: u64) {
    if let Some(order) = cx.state.clearing.orders.get_mut(&id) {
        order.ending = true;
        let broker = order.broker;
        cx.tell(&BrokerCancelRaised { order: id, broker });
    }
}
