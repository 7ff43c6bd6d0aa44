//! Matching: price-time priority, one maker at a time.
//!
//! Responsible for: who trades with whom at which price, the money and positions of each fill, and taking orders out of
//! books. Never decides whether an order may come in: `trading` has checked margin, bands and funding before.

pub mod sweep;

use crate::context::Context;
use crate::fees;
use crate::event::{BookChanged, CancelReason, OrderCancelled, OrderDecremented, OrderFilled};
use crate::ledger::Party;
use crate::margin::{collateral::readmit, cushion};
use crate::matching::sweep::Sweep;
use crate::order::{EXPIRES, SelfTrade, Side};
use crate::perp;
use crate::phase::Deed;
use crate::state::{Market, State};
use crate::units::{Amount, Lots, Ticks, Value, narrow, rate_up};

/// The incoming side.
#[derive(Clone, Copy, Debug)]
pub struct Taker {
    /// Dense account index.
    pub account: u32,
    /// Venue order id.
    pub order: u64,
    /// Market.
    pub market: u32,
    /// Side.
    pub side: Side,
    /// Worst price.
    pub limit: Ticks,
    /// Lots wanted.
    pub lots: Lots,
    /// What happens when it meets an order of its own owner.
    pub self_trade: SelfTrade,
    /// Placed by the liquidator.
    pub liquidation: bool,
}

/// What matching did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Lots not filled.
    pub left: Lots,
    /// Lots filled.
    pub traded: Lots,
    /// Sum of price times lots of the fills.
    pub ticks_lots: i128,
    /// The incoming order met one of its own owner, and what is left of it goes.
    pub self_trade: bool,
}

/// Whether an order at `limit` trades with one resting at `price`.
#[must_use]
pub fn crosses(side: Side, limit: Ticks, price: Ticks) -> bool {
    match side {
        Side::Bid => price <= limit,
        Side::Ask => price >= limit,
    }
}

/// Fee in quote units, rounded up.
#[must_use]
pub fn fee(market: &Market, price: Ticks, lots: Lots, rate_ppm: i64) -> i64 {
    fee_on(market.quote_units(price, lots), rate_ppm)
}

fn fee_on(units: i128, rate_ppm: i64) -> i64 {
    narrow(rate_up(units, rate_ppm)).unwrap_or(i64::MAX)
}

/// What an open spot order reserves: tokens for an ask; cash and the taker fee for a bid.
#[must_use]
pub fn reservation(market: &Market, side: Side, price: Ticks, lots: Lots) -> (u32, Amount) {
    match side {
        Side::Ask => (market.terms.base, lots * market.terms.lot_size),
        Side::Bid => (market.terms.quote, price * lots * market.unit + fee(market, price, lots, market.terms.taker_fee_ppm)),
    }
}

/// Lots of a resting order that can trade now.
#[must_use]
pub fn available(state: &State, slot: u32) -> Lots {
    Sweep::default().available(state, slot)
}

/// Whether two accounts are of one owner, in a market that keeps an owner from trading with himself.
fn is_own(state: &State, market: &Market, maker: u32, owner: u32) -> bool {
    market.terms.self_trade == 0 && state.accounts[maker as usize].owner == owner
}

/// Lots the book would fill at once. The taker's own orders stop it, are passed over, or take lots from it, as its mode
/// says. Several orders of one maker share what he has.
#[must_use]
pub fn fillable(state: &State, taker: &Taker) -> Lots {
    let self_trade = state.known_market(taker.market).terms.self_trade == 1;
    Sweep::default().walk(state, taker, self_trade, |_| ()).found
}

/// Trades the incoming order against the book.
pub fn take(cx: &mut Context<'_>, taker: &Taker) -> Outcome {
    let owner = cx.state.accounts[taker.account as usize].owner;
    let mut outcome = Outcome { left: taker.lots, ..Outcome::default() };
    if !cx.state.known_market(taker.market).phase.allows(Deed::Match) {
        return outcome;
    }
    while outcome.left > 0 {
        let market = cx.state.known_market(taker.market);
        let Some(slot) = market.book.best_level_head(taker.side.opposite()) else { break };
        let (price, maker) = {
            let order = cx.state.orders.order(slot);
            (order.price(), order.account())
        };
        if !crosses(taker.side, taker.limit, price) {
            break;
        }
        if is_own(cx.state, market, maker, owner) {
            prevent(cx, taker, slot, &mut outcome);
            if outcome.self_trade {
                break;
            }
            continue;
        }
        let lots = available(cx.state, slot).min(outcome.left);
        if lots == 0 {
            cancel(cx, slot, why_none(cx.state, slot));
            continue;
        }
        outcome.left -= lots;
        outcome.traded += lots;
        outcome.ticks_lots += i128::from(price) * i128::from(lots);
        trade(cx, taker, slot, price, lots, outcome.left);
    }
    outcome
}

/// Why nothing of a resting order can trade.
#[must_use]
pub fn why_none(state: &State, slot: u32) -> CancelReason {
    match state.known_market(state.orders.order(slot).market()).is_perp() {
        true => CancelReason::NothingToReduce,
        false if sweep::is_barred(state, slot) => CancelReason::Restricted,
        false => CancelReason::Unfunded,
    }
}

/// The incoming order met one of its own owner.
#[cold]
pub fn prevent(cx: &mut Context<'_>, taker: &Taker, slot: u32, outcome: &mut Outcome) {
    match taker.self_trade {
        SelfTrade::CancelNewest => outcome.self_trade = true,
        SelfTrade::CancelOldest => cancel(cx, slot, CancelReason::SelfTrade),
        SelfTrade::CancelBoth => {
            cancel(cx, slot, CancelReason::SelfTrade);
            outcome.self_trade = true;
        }
        SelfTrade::Decrement => {
            let resting = cx.state.orders.order(slot).leaves();
            let lots = resting.min(outcome.left);
            outcome.left -= lots;
            if lots == resting {
                cancel(cx, slot, CancelReason::SelfTrade);
            } else {
                shrink(cx, slot, lots);
            }
            let (order, market, side) = (taker.order, taker.market, taker.side as u8);
            cx.tell_account(taker.account, &OrderDecremented { order, market, side, reserved0: 0, reserved1: 0, lots, leaves: outcome.left });
        }
    }
}

/// Takes lots of a resting order out; the rest keeps its place.
fn shrink(cx: &mut Context<'_>, slot: u32, lots: Lots) {
    reduce(cx.state, slot, lots);
    let order = *cx.state.orders.order(slot);
    let (id, market, side, leaves) = (cx.state.orders.id(slot), order.market(), order.side(), order.leaves());
    cx.tell_account(order.account(), &OrderDecremented { order: id, market, side: side as u8, reserved0: 0, reserved1: 0, lots, leaves });
    tell_level(cx, market, side, order.price());
}

/// Makes a resting order smaller in book, totals and reservation.
pub fn reduce(state: &mut State, slot: u32, lots: Lots) {
    let order = *state.orders.order(slot);
    let (account, market, side, price) = (order.account(), order.market(), order.side(), order.price());
    state.markets[market as usize].as_mut().expect("resolved").book.reduce(&mut state.orders, slot, lots);
    release(state, account, market, side, price, order.leaves(), order.leaves() - lots);
    state.accounts[account as usize].shrink_order(market, side, price, lots, false);
}

/// One fill of the incoming side with a resting order: orders, positions, money, events. `taker_leaves` is what the incoming
/// side still wants after it.
pub fn trade(cx: &mut Context<'_>, taker: &Taker, slot: u32, price: Ticks, lots: Lots, taker_leaves: Lots) {
    let maker_order = cx.state.orders.id(slot);
    let (maker, leaves) = fill_resting(cx.state, slot, lots);
    cx.state.last_trade += 1;
    let trade = cx.state.last_trade;
    let market = cx.state.market_mut(taker.market);
    market.last_trade = price;
    let traded = market.price_of(price);
    market.mark.traded(traded);
    let market = cx.state.known_market(taker.market);
    let units = market.quote_units(price, lots);
    let maker_fee = fee_on(units, fees::rates(cx.state, maker, market).0);
    let taker_fee = fee_on(units, fees::rates(cx.state, taker.account, market).1);
    let notional = cx.state.quote_value(market, units);
    let maker_side = taker.side.opposite();
    let perp = market.is_perp();
    fees::count(cx.state, [maker, taker.account], notional);
    let (maker_realised, taker_realised) = if perp {
        count_turnover(cx.state, taker.market, notional);
        (
            perp::fill(cx, maker, taker.market, maker_side.sign() * lots, price, maker_fee),
            perp::fill(cx, taker.account, taker.market, taker.side.sign() * lots, price, taker_fee),
        )
    } else {
        let (buyer, seller) = if taker.side == Side::Bid { (taker.account, maker) } else { (maker, taker.account) };
        let (buyer_fee, seller_fee) = if taker.side == Side::Bid { (taker_fee, maker_fee) } else { (maker_fee, taker_fee) };
        cushion::forget(cx.state, buyer);
        cushion::forget(cx.state, seller);
        exchange(cx.state, taker.market, (buyer, buyer_fee), (seller, seller_fee), price, lots);
        (0, 0)
    };
    let filled = |order, side: Side, maker: u8, leaves, fee, realised| OrderFilled {
        order,
        trade,
        market: taker.market,
        side: side as u8,
        maker,
        liquidation: u8::from(taker.liquidation),
        reserved0: 0,
        price,
        lots,
        leaves,
        fee,
        realised,
    };
    cx.tell_account(maker, &filled(maker_order, maker_side, 1, leaves, maker_fee, maker_realised));
    cx.tell_account(taker.account, &filled(taker.order, taker.side, 0, taker_leaves, taker_fee, taker_realised));
    tell_level(cx, taker.market, maker_side, price);
    cx.touch(maker);
}

/// Counts a perp trade worth `notional` micro-dollars into the underlying's volume.
pub fn count_turnover(state: &mut State, market: u32, notional: Value) {
    let underlying = state.known_market(market).terms.underlying;
    let turnover = &mut state.underlying_mut(underlying).perp_turnover;
    *turnover = turnover.saturating_add(narrow(notional).unwrap_or(i64::MAX));
}

/// Takes lots off a resting order; returns its account and what is left of it.
pub fn fill_resting(state: &mut State, slot: u32, lots: Lots) -> (u32, Lots) {
    let order = *state.orders.order(slot);
    let (account, market, side, price) = (order.account(), order.market(), order.side(), order.price());
    let left = state.markets[market as usize].as_mut().expect("resolved").book.fill(&mut state.orders, slot, lots);
    release(state, account, market, side, price, order.leaves(), left);
    state.accounts[account as usize].shrink_order(market, side, price, lots, left == 0);
    if left == 0 {
        forget(state, slot);
    }
    (account, left)
}

/// Gives back the part of a spot order's reservation that `before - after` lots held.
pub fn release(state: &mut State, account: u32, market: u32, side: Side, price: Ticks, before: Lots, after: Lots) {
    let m = state.known_market(market);
    if m.is_perp() {
        return;
    }
    let (asset, held) = reservation(m, side, price, before);
    let kept = if after == 0 { 0 } else { reservation(m, side, price, after).1 };
    let State { ledger, accounts, .. } = state;
    ledger.with_balance(accounts, account, asset, |b| b.reserved -= held - kept);
}

/// Reserves for a spot order about to rest.
pub fn reserve(state: &mut State, account: u32, market: u32, side: Side, price: Ticks, lots: Lots) {
    let m = state.known_market(market);
    if m.is_perp() {
        return;
    }
    let (asset, amount) = reservation(m, side, price, lots);
    let State { ledger, accounts, .. } = state;
    ledger.with_balance(accounts, account, asset, |b| b.reserved += amount);
}

/// Removes an ended order from the slab and remembers its client id for a while.
pub fn forget(state: &mut State, slot: u32) {
    let id = state.orders.id(slot);
    let order = state.orders.order(slot);
    let account = order.account() as usize;
    if order.flags() & EXPIRES != 0 {
        state.trading.expires_no_more(id);
    }
    state.orders.remove(slot, &mut state.accounts[account].orders);
    end_client(state, account as u32, id);
}

/// The order ended: its client id joins the remembered ones.
pub fn end_client(state: &mut State, account: u32, order: u64) {
    if state.order_clients.is_empty() {
        return;
    }
    if let Some(client) = state.order_clients.remove(&order) {
        let keep = state.config().client_ids_kept as usize;
        state.accounts[account as usize].clients.end(client, keep);
    }
}

/// Spot: tokens against cash, each side's fee to the venue.
pub fn exchange(state: &mut State, market: u32, buyer: (u32, i64), seller: (u32, i64), price: Ticks, lots: Lots) {
    let m = state.known_market(market);
    let (base, quote) = (m.terms.base, m.terms.quote);
    let (units, cost) = (lots * m.terms.lot_size, price * lots * m.unit);
    let State { ledger, accounts, .. } = state;
    ledger.post(accounts, quote, Party::Holder(buyer.0), Party::Holder(seller.0), cost);
    ledger.post(accounts, base, Party::Holder(seller.0), Party::Holder(buyer.0), units);
    for (account, fee) in [buyer, seller] {
        ledger.post(accounts, quote, Party::Holder(account), Party::Fees, fee);
    }
    readmit(state, seller.0, base);
    readmit(state, buyer.0, base);
}

/// Takes a resting order out of its book and ends it.
pub fn cancel(cx: &mut Context<'_>, slot: u32, reason: CancelReason) {
    let order = *cx.state.orders.order(slot);
    let id = cx.state.orders.id(slot);
    let (account, market, side) = (order.account(), order.market(), order.side());
    withdraw(cx.state, slot);
    forget(cx.state, slot);
    let cancelled = OrderCancelled { order: id, market, side: side as u8, reason: reason as u8, reserved0: 0, lots: order.leaves() };
    cx.tell_account(account, &cancelled);
    tell_level(cx, market, side, order.price());
}

/// Takes a resting order out of book, totals and reservation; it stays in the slab.
pub fn withdraw(state: &mut State, slot: u32) {
    let order = *state.orders.order(slot);
    let (account, market, side) = (order.account(), order.market(), order.side());
    state.markets[market as usize].as_mut().expect("resolved").book.remove(&mut state.orders, slot);
    release(state, account, market, side, order.price(), order.leaves(), 0);
    state.accounts[account as usize].shrink_order(market, side, order.price(), order.leaves(), true);
}

/// Puts an order of the slab to rest at its price.
pub fn rest(cx: &mut Context<'_>, slot: u32) {
    let order = *cx.state.orders.order(slot);
    let (account, market, side) = (order.account(), order.market(), order.side());
    reserve(cx.state, account, market, side, order.price(), order.leaves());
    cx.state.accounts[account as usize].add_order(market, side, order.price(), order.leaves());
    cx.state.markets[market as usize].as_mut().expect("resolved").book.insert(&mut cx.state.orders, slot);
    tell_level(cx, market, side, order.price());
}

/// Publishes a level's new total.
pub fn tell_level(cx: &mut Context<'_>, market: u32, side: Side, price: Ticks) {
    let lots = cx.state.known_market(market).book.level_qty(side, price);
    cx.tell(&BookChanged { market, side: side as u8, reserved0: 0, reserved1: 0, price, lots });
}
