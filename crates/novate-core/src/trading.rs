//! Orders: place, cancel, amend, cancel all, and the arming of what waits.
//!
//! Responsible for: the checklist before an order may come in, and its life until it rests or ends. Each handler refuses
//! first and writes after; nothing fails once it has written. Every order takes one path, whichever message brought it.

use crate::account::ClientOrder;
use crate::auction;
use crate::authority;
use crate::codec::{Body, Header};
use crate::command::{
    AmendOrder, CancelAfter, CancelAll, CancelOrder, FOK, GTC, GTD, IOC, LIMIT, ListPool, MARKET, POST_ONLY, PlaceOrder, PlaceOrderFull, PlaceTwap,
    REDUCE_ONLY, STOP, TAKE_PROFIT,
};
use crate::context::Context;
use crate::eligibility;
use crate::event::{CancelAfterSet, CancelReason, OrderAmended, OrderCancelled, OrderPlaced, TriggerPlaced, TwapPlaced};
use crate::ledger::Party;
use crate::limits::{self, Intent};
use crate::margin::{Change, Evaluation, Level, Question, collateral, cushion, liquidity};
use crate::matching::{self, Taker, crosses, fillable, reservation};
use crate::order::{EXPIRES, NIL, NewOrder, SelfTrade, Side};
use crate::phase::Deed;
use crate::outage;
use crate::price::{Action, Permission};
use crate::reducing::{Fill, Unfilled, reduces};
use crate::reject::{Refusal, Reject, require};
use crate::state::trading::{OrderTerms, Pending, Trigger, Twap, WAITING};
use crate::state::lull::Figures;
use crate::state::{Market, State};
use crate::units::{Lots, Ticks, Value, div_ceil, narrow, rate_up};
use crate::waiting;

/// A new order after its fields were understood.
struct Wish {
    account: u32,
    market: u32,
    side: Side,
    limit: Ticks,
    lots: Lots,
    self_trade: SelfTrade,
    /// Order this one replaces: what it had open, ticks and lots.
    replaces: Option<(Ticks, Lots)>,
}

/// Who sends an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The account, now: its rate and its client ids are checked. With the hash of the request, for its client id.
    Account(u64),
    /// The venue, for an order that waited: both were checked when it came.
    Venue {
        /// Hash of the request.
        fingerprint: u64,
        /// Key that sent it: may it still trade, and does the order keep its limits?
        actor: u64,
    },
}

/// What came of an order that was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// Its id.
    pub order: u64,
    /// Lots that traded at once.
    pub filled: Lots,
}

/// `PlaceOrder`.
///
/// # Errors
/// Refusals 2xx to 6xx as each line names.
pub fn place(cx: &mut Context<'_>, header: &Header, order: &PlaceOrder) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let PlaceOrder { market, side, kind, time_in_force, flags, price, lots, client_id } = *order;
    require(time_in_force <= FOK, Reject::time_in_force_must_be_known.at(4, i64::from(time_in_force), 2))?;
    let terms = OrderTerms { market, side, kind, time_in_force, flags, self_trade: 0, price, lots, min_lots: 0, expires_ns: 0, client_id };
    let fingerprint = if client_id == [0; 16] { 0 } else { fingerprint(order) };
    enter(cx, account, &terms, Sender::Account(fingerprint)).map(|_| ())
}

/// `PlaceOrderFull`: an order that comes in now, or a trigger that waits.
///
/// # Errors
/// As for `PlaceOrder`; 425 to 434.
pub fn place_full(cx: &mut Context<'_>, header: &Header, order: &PlaceOrderFull) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let PlaceOrderFull { market, side, kind, time_in_force, flags, self_trade, price, lots, min_lots, expires_ns, client_id, .. } = *order;
    let terms = OrderTerms { market, side, kind, time_in_force, flags, self_trade, price, lots, min_lots, expires_ns, client_id };
    let fingerprint = if client_id == [0; 16] { 0 } else { fingerprint(order) };
    if order.trigger != 0 {
        return arm(cx, account, order, terms, fingerprint);
    }
    require(order.trigger_price == 0 && order.trigger_market == 0, Reject::trigger_must_be_whole.at(7, 0, 0))?;
    enter(cx, account, &terms, Sender::Account(fingerprint)).map(|_| ())
}

/// Takes an order in: the checklist, then the one write.
///
/// # Errors
/// Refusals 2xx to 6xx as each line names.
pub fn enter(cx: &mut Context<'_>, account: u32, order: &OrderTerms, sender: Sender) -> Result<Entered, Refusal> {
    // Before all else: who sends again what was taken gets the same answer, whatever the market allows by now.
    if let Sender::Account(fingerprint) = sender {
        new_to_account(cx.state, account, &order.client_id, fingerprint)?;
    }
    let market = cx.state.market(order.market)?;
    outage::takes_orders(cx.state, market)?;
    let side = known_side(order.side)?;
    known_terms(order)?;
    let self_trade = known_mode(order.self_trade)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let halted = cx.state.corporate.halts(market.terms.underlying, cx.state.now);
    require(!halted, Reject::underlying_must_not_be_in_a_corporate_action.at(1, i64::from(order.market), 0))?;
    let (fingerprint, actor, rate_ns) = match sender {
        Sender::Account(fingerprint) => (fingerprint, cx.events.actor(), within_rate(cx.state, account)?),
        Sender::Venue { fingerprint, actor } => {
            authority::still_trades(cx.state, actor, cx.state.accounts[account as usize].id)?;
            (fingerprint, actor, cx.state.accounts[account as usize].rate_ns)
        }
    };
    let rests = rests(order.time_in_force);
    check_phase(market, order)?;
    check_expiry(cx.state, order)?;
    let limit = limit_price(cx.state, market, side, order)?;
    let lots = reducible(cx.state, account, market, side, order)?;
    require(order.lots >= market.terms.min_lots && order.lots <= market.terms.max_lots, Reject::lots_must_be_within_market_limits.at(7, order.lots, market.terms.max_lots))?;
    let wish = Wish { account, market: order.market, side, limit, lots, self_trade, replaces: None };
    eligibility::may_trade(cx.state, account, order.market, side, lots)?;
    limits::check_order(cx.state, &Intent { actor, account, market: order.market, side, limit, lots, size: lots })?;
    let figures = cx.state.figures(order.market);
    let market = cx.state.known_market(order.market);
    check_size(cx.state, &figures, account, market, (side, limit, lots))?;
    figures.check_band(side, limit)?;
    if rests {
        check_room(cx.state, market, account, side)?;
    }
    check_book(cx.state, order, &wish)?;
    check_funding(cx, &wish)?;
    check_margin(cx, &wish)?;

    let expires = if order.expires_ns == 0 { 0 } else { EXPIRES };
    let slot = admit(cx, &wish, order.flags | expires);
    let id = cx.state.orders.id(slot);
    cx.state.accounts[account as usize].rate_ns = rate_ns;
    if expires != 0 {
        cx.state.trading.expires(id, order.expires_ns);
    }
    if order.client_id != [0; 16] {
        cx.state.accounts[account as usize].clients.insert(order.client_id, ClientOrder { order: id, fingerprint });
        cx.state.order_clients.insert(id, order.client_id);
    }
    let OrderTerms { market, side: side_number, kind, time_in_force, flags, client_id, .. } = *order;
    cx.tell_account(account, &OrderPlaced { order: id, market, side: side_number, kind, time_in_force, flags, price: limit, lots, client_id });
    let filled = execute(cx, &wish, slot, rests);
    Ok(Entered { order: id, filled })
}

const fn rests(time_in_force: u8) -> bool {
    matches!(time_in_force, GTC | GTD)
}

fn known_side(side: u8) -> Result<Side, Refusal> {
    Side::try_from(side).map_err(|_| Reject::side_must_be_known.at(2, i64::from(side), 1))
}

fn known_mode(mode: u8) -> Result<SelfTrade, Refusal> {
    SelfTrade::try_from(mode).map_err(|_| Reject::self_trade_mode_must_be_known.at(6, i64::from(mode), 3))
}

fn known_terms(order: &OrderTerms) -> Result<(), Refusal> {
    require(order.kind <= MARKET, Reject::order_kind_must_be_known.at(3, i64::from(order.kind), 1))?;
    require(order.time_in_force <= GTD, Reject::time_in_force_must_be_known.at(4, i64::from(order.time_in_force), 3))?;
    require(order.flags <= POST_ONLY | REDUCE_ONLY, Reject::flags_must_be_known.at(5, i64::from(order.flags), 3))?;
    let rests = rests(order.time_in_force);
    require(order.kind == LIMIT || !rests, Reject::market_order_must_not_rest)?;
    require(order.flags & POST_ONLY == 0 || order.kind == LIMIT && rests, Reject::post_only_must_rest)?;
    require(order.price >= i64::from(order.kind == LIMIT), Reject::price_must_be_positive.at(6, order.price, 1))?;
    require(order.lots > 0, Reject::lots_must_be_positive.at(7, order.lots, 1))?;
    let whole = (0..=order.lots).contains(&order.min_lots) && (order.min_lots == 0 || order.flags & POST_ONLY == 0);
    require(whole, Reject::minimum_must_fill_at_once.at(11, order.min_lots, order.lots))
}

fn fingerprint<B: Body>(order: &B) -> u64 {
    let mut body = Vec::with_capacity(128);
    order.put(&mut body);
    let digest = blake3::hash(&body);
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes"))
}

/// A client id names one order while that is open and for the listed number of the account's ended orders after it.
fn new_to_account(state: &State, account: u32, client_id: &[u8; 16], fingerprint: u64) -> Result<(), Refusal> {
    if *client_id == [0; 16] {
        return Ok(());
    }
    match state.accounts[account as usize].clients.find(client_id) {
        None => Ok(()),
        Some(known) if known.fingerprint == fingerprint => Err(Reject::order_already_exists.at(8, known.order as i64, 0)),
        Some(known) => Err(Reject::client_id_must_be_new.at(8, known.order as i64, 0)),
    }
}

/// The account's order rate after one more order: a token bucket that is full when `rate_ns` lies in the past. Journal time.
fn within_rate(state: &State, account: u32) -> Result<i64, Refusal> {
    let terms = waiting::terms(state);
    let used = state.accounts[account as usize].rate_ns.max(state.now).saturating_add(terms.order_interval_ns);
    let most = terms.order_interval_ns.saturating_mul(i64::from(terms.order_burst));
    require(used - state.now <= most, Reject::order_rate_must_stay_below_limit.at(0, used - state.now, most))?;
    Ok(used)
}

/// The market's phase takes new orders; while orders gather for an auction, only those that rest.
fn check_phase(market: &Market, order: &OrderTerms) -> Result<(), Refusal> {
    let phase = market.phase;
    require(phase.allows(Deed::Place), Reject::venue_must_be_open_for_orders.at(1, phase.phase as i64, 0))?;
    let plain = rests(order.time_in_force) && order.flags & POST_ONLY == 0 && order.min_lots == 0;
    require(plain || phase.allows(Deed::Match), Reject::auction_takes_only_resting_orders.at(4, i64::from(order.time_in_force), 0))
}

fn check_expiry(state: &State, order: &OrderTerms) -> Result<(), Refusal> {
    if order.time_in_force != GTD {
        return require(order.expires_ns == 0, Reject::expiry_must_be_ahead.at(12, order.expires_ns, 0));
    }
    let latest = state.now.saturating_add(waiting::terms(state).longest_expiry_ns);
    let ahead = order.expires_ns > state.now && order.expires_ns <= latest;
    require(ahead, Reject::expiry_must_be_ahead.at(12, order.expires_ns, latest))
}

/// Room for one more order that rests: in the market's side of the account, in the account, in the book.
fn check_room(state: &State, market: &Market, account: u32, side: Side) -> Result<(), Refusal> {
    let holder = &state.accounts[account as usize];
    let open = holder.open_in(market.terms.market).side(side).orders;
    let most = state.config().orders_per_market;
    require(open < most, Reject::open_orders_must_be_below_limit.at(1, i64::from(open), i64::from(most)))?;
    check_account_room(state, account)?;
    let (resting, most) = (market.book.len(), waiting::terms(state).orders_per_book);
    require(resting < most, Reject::book_must_have_room.at(1, i64::from(resting), i64::from(most)))
}

fn check_account_room(state: &State, account: u32) -> Result<(), Refusal> {
    let (all, most) = (state.accounts[account as usize].order_count(), waiting::terms(state).orders_per_account);
    require(all < most, Reject::account_orders_must_be_below_limit.at(0, i64::from(all), i64::from(most)))
}

/// A trigger comes in: what can be judged now is judged now, the rest when it fires. It reserves nothing.
fn arm(cx: &mut Context<'_>, account: u32, order: &PlaceOrderFull, terms: OrderTerms, fingerprint: u64) -> Result<(), Refusal> {
    new_to_account(cx.state, account, &order.client_id, fingerprint)?;
    let market = cx.state.market(order.market)?;
    let side = known_side(order.side)?;
    known_terms(&terms)?;
    known_mode(order.self_trade)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let rate_ns = within_rate(cx.state, account)?;
    check_expiry(cx.state, &terms)?;
    require(order.flags & REDUCE_ONLY == 0 || market.is_perp(), Reject::reduce_only_needs_a_perp)?;
    require(order.lots >= market.terms.min_lots && order.lots <= market.terms.max_lots, Reject::lots_must_be_within_market_limits.at(9, order.lots, market.terms.max_lots))?;
    waits_within_limits(cx, account, &terms, order.lots)?;
    check_account_room(cx.state, account)?;
    let trigger_market = if order.trigger_market == 0 { order.market } else { order.trigger_market };
    let pulls = cx.state.market(trigger_market)?;
    let same = pulls.is_perp() && pulls.terms.underlying == market.terms.underlying;
    let known = matches!(order.trigger, STOP | TAKE_PROFIT) && order.trigger_price > 0;
    require(same && known, Reject::trigger_must_be_whole.at(7, i64::from(order.trigger), i64::from(trigger_market)))?;
    let rises = (order.trigger == STOP) == (side == Side::Bid);
    let mark = pulls.mark.mark();
    let (low, high) = cx.state.trading.reached.get(&trigger_market).copied().unwrap_or((mark, mark));
    let at = pulls.price_of(order.trigger_price);
    require(mark > 0 && if rises { high < at } else { low > at }, Reject::trigger_must_be_ahead_of_the_mark.at(13, at, mark))?;

    let trigger = Trigger { terms, fingerprint, actor: cx.events.actor(), market: trigger_market, rises, price: order.trigger_price };
    let id = waiting::add(cx.state, account, Pending::Trigger(trigger), order.expires_ns);
    register(cx.state, account, id, order.client_id, fingerprint, rate_ns);
    let PlaceOrderFull { market, side, kind, time_in_force, flags, trigger, price, lots, trigger_price, expires_ns, client_id, .. } = *order;
    let (reserved0, reserved1) = (0, 0);
    cx.tell_account(account, &TriggerPlaced {
        order: id, market, side, kind, time_in_force, flags, trigger_market, trigger, reserved0, reserved1, price, lots, trigger_price, expires_ns, client_id,
    });
    Ok(())
}

/// `PlaceTwap`. Its children are orders like others: each is margined when it is sent.
///
/// # Errors
/// 2xx to 4xx as each line names.
pub fn place_twap(cx: &mut Context<'_>, header: &Header, order: &PlaceTwap) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let fingerprint = if order.client_id == [0; 16] { 0 } else { fingerprint(order) };
    new_to_account(cx.state, account, &order.client_id, fingerprint)?;
    let market = cx.state.market(order.market)?;
    let side = known_side(order.side)?;
    let self_trade = SelfTrade::try_from(order.self_trade).map_err(|_| Reject::self_trade_mode_must_be_known.at(4, i64::from(order.self_trade), 3))?;
    require(order.flags & !REDUCE_ONLY == 0, Reject::flags_must_be_known.at(3, i64::from(order.flags), 2))?;
    require(order.price >= 0, Reject::price_must_be_positive.at(6, order.price, 0))?;
    require(order.lots > 0, Reject::lots_must_be_positive.at(7, order.lots, 1))?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let rate_ns = within_rate(cx.state, account)?;
    require(order.flags & REDUCE_ONLY == 0 || market.is_perp(), Reject::reduce_only_needs_a_perp)?;
    check_account_room(cx.state, account)?;
    let terms = waiting::terms(cx.state);
    require(order.interval_ns >= terms.twap_interval_ns, Reject::schedule_must_fit.at(8, order.interval_ns, terms.twap_interval_ns))?;
    let slices = order.duration_ns / order.interval_ns;
    require((1..=i64::from(terms.twap_slices)).contains(&slices), Reject::schedule_must_fit.at(9, slices, i64::from(terms.twap_slices)))?;
    let even = order.lots / slices;
    let child = OrderTerms {
        market: order.market,
        side: order.side,
        kind: if order.price == 0 { MARKET } else { LIMIT },
        time_in_force: IOC,
        flags: order.flags,
        self_trade: order.self_trade,
        price: order.price,
        lots: even,
        min_lots: 0,
        expires_ns: 0,
        client_id: [0; 16],
    };
    let fits = even >= market.terms.min_lots && even <= market.terms.max_lots / i64::from(terms.twap_catch_up);
    require(fits, Reject::schedule_must_fit.at(7, even, market.terms.min_lots))?;
    waits_within_limits(cx, account, &child, order.lots)?;

    let twap = Twap {
        market: order.market,
        side,
        flags: order.flags,
        self_trade,
        actor: cx.events.actor(),
        price: order.price,
        lots: order.lots,
        filled: 0,
        slices: slices as u32,
        sent: 0,
        interval_ns: order.interval_ns,
        next_ns: cx.state.now,
        paused: false,
        client_id: order.client_id,
    };
    let id = waiting::add(cx.state, account, Pending::Twap(twap), 0);
    register(cx.state, account, id, order.client_id, fingerprint, rate_ns);
    let PlaceTwap { market, side, flags, price, lots, interval_ns, client_id, .. } = *order;
    let (reserved0, reserved1, slices) = (0, 0, slices as u32);
    cx.tell_account(account, &TwapPlaced { order: id, market, side, flags, reserved0, price, lots, interval_ns, slices, reserved1, client_id });
    Ok(())
}

/// The sender's own limits, by the prices of now: one order is `order`, all that may come of it `lots`.
fn waits_within_limits(cx: &Context<'_>, account: u32, order: &OrderTerms, lots: Lots) -> Result<(), Refusal> {
    let (market, side) = (cx.state.market(order.market)?, known_side(order.side)?);
    let limit = limit_price(cx.state, market, side, order)?;
    let intent = Intent { actor: cx.events.actor(), account, market: order.market, side, limit, lots, size: order.lots };
    limits::check_waiting(cx.state, &intent, order.flags & REDUCE_ONLY != 0)
}

/// A waiting order's client id and its part of the account's rate.
fn register(state: &mut State, account: u32, id: u64, client_id: [u8; 16], fingerprint: u64, rate_ns: i64) {
    let holder = &mut state.accounts[account as usize];
    holder.rate_ns = rate_ns;
    if client_id != [0; 16] {
        holder.clients.insert(client_id, ClientOrder { order: id, fingerprint });
        state.order_clients.insert(id, client_id);
    }
}

/// `CancelAfter`. A switch that is due and has not fired yet cannot be refreshed away: its orders go first.
///
/// # Errors
/// 201, 438.
pub fn cancel_after(cx: &mut Context<'_>, header: &Header, command: &CancelAfter) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let terms = waiting::terms(cx.state);
    let (least, most) = (terms.silence_least_ns, terms.silence_most_ns);
    let within = command.span_ns == 0 || (least..=most).contains(&command.span_ns);
    require(within, Reject::silence_must_be_within_bounds.at(1, command.span_ns, if command.span_ns < least { least } else { most }))?;
    if cx.state.trading.silences.get(&account).is_some_and(|&due| due <= cx.state.now) {
        fall_silent(cx, account);
    }
    let due_ns = if command.span_ns == 0 { 0 } else { cx.state.now.saturating_add(command.span_ns) };
    waiting::set_silence(cx.state, account, due_ns);
    cx.tell_account(account, &CancelAfterSet { due_ns });
    Ok(())
}

/// The dead-man switch fires: everything of the account that could trade goes.
pub fn fall_silent(cx: &mut Context<'_>, account: u32) {
    let due_ns = cx.state.trading.silences.get(&account).copied().unwrap_or(0);
    waiting::set_silence(cx.state, account, 0);
    let orders = cancel_where(cx, account, CancelReason::Silence, |_| true);
    cx.tell_account(account, &crate::event::CancelAfterFired { due_ns, orders, reserved0: 0 });
    cx.touch(account);
}

/// The worst price: the limit, or for a market order the listed collar around the index.
fn limit_price(state: &State, market: &Market, side: Side, order: &OrderTerms) -> Result<Ticks, Refusal> {
    if order.price > 0 {
        return Ok(order.price);
    }
    require(state.index_ticks(market) > 0, Reject::price_quality_forbids_opening.at(1, 0, 0))?;
    let price = state.collar(market, side);
    require(price < i64::MAX, Reject::notional_must_not_overflow.at(6, i64::MAX, 0))?;
    Ok(price)
}

/// Lots after reduce-only clipped them to the opposite position.
fn reducible(state: &State, account: u32, market: &Market, side: Side, order: &OrderTerms) -> Result<Lots, Refusal> {
    if order.flags & REDUCE_ONLY == 0 {
        return Ok(order.lots);
    }
    require(market.is_perp(), Reject::reduce_only_needs_a_perp)?;
    let held = -side.sign() * state.accounts[account as usize].lots(order.market);
    require(held > 0, Reject::reduce_only_must_reduce.at(7, order.lots, held.max(0)))?;
    Ok(order.lots.min(held))
}

/// No product of this order (side, limit, lots), its position and the highest listable price may leave 64 bits.
///
/// # Errors
/// `notional_must_not_overflow`.
pub fn check_size(state: &State, figures: &Figures, account: u32, market: &Market, (side, limit, lots): (Side, Ticks, Lots)) -> Result<(), Refusal> {
    let holder = &state.accounts[account as usize];
    let (held, open) = holder.position(market.terms.market).map_or((0, 0), |p| (p.lots.abs(), holder.open(p).side(side).lots));
    let (all, most) = (held.saturating_add(open).saturating_add(lots), i64::MAX / 8);
    let fits = figures.fits(market, limit, all, most);
    require(fits && market.book.can_rest(side, limit, lots), Reject::notional_must_not_overflow.at(7, lots, most))
}

/// A limit is not worse for its own side than the band of the underlying's session around the market's index (for a token:
/// index over the quote's own price).
///
/// # Errors
/// `price_quality_forbids_opening` without an index, `price_must_be_inside_band`.
pub fn check_band(state: &State, market: &Market, side: Side, limit: Ticks) -> Result<(), Refusal> {
    Figures::of(state, market).check_band(side, limit)
}

/// The worst price a side may have: the edge of the listed band.
///
/// # Errors
/// `price_quality_forbids_opening` without an index.
pub fn band_edge(state: &State, market: &Market, side: Side) -> Result<Ticks, Refusal> {
    Figures::of(state, market).edge(side)
}

fn check_book(state: &State, order: &OrderTerms, wish: &Wish) -> Result<(), Refusal> {
    if order.flags & POST_ONLY != 0 {
        let best = state.known_market(wish.market).book.best(wish.side.opposite());
        return require(best.is_none_or(|b| !crosses(wish.side, wish.limit, b)), Reject::post_only_must_not_take.at(6, wish.limit, best.unwrap_or(0)));
    }
    if order.time_in_force == FOK || order.kind == MARKET || order.min_lots > 0 {
        let found = fillable(state, &taker(wish, 0));
        require(order.time_in_force != FOK || found == wish.lots, Reject::fill_or_kill_must_fill.at(7, wish.lots, found))?;
        require(found >= order.min_lots, Reject::minimum_must_fill_at_once.at(11, order.min_lots, found))?;
        return require(order.kind != MARKET || found > 0, Reject::market_order_needs_a_book.at(6, wish.limit, 0));
    }
    Ok(())
}

const fn taker(wish: &Wish, order: u64) -> Taker {
    Taker { account: wish.account, order, market: wish.market, side: wish.side, limit: wish.limit, lots: wish.lots, self_trade: wish.self_trade, liquidation: false }
}

/// Spot: tokens for a sell, cash for a buy; or room in the asset's pool under the borrowing rules.
fn check_funding(cx: &mut Context<'_>, wish: &Wish) -> Result<(), Refusal> {
    let market = cx.state.known_market(wish.market);
    if market.is_perp() {
        return Ok(());
    }
    let (asset, needed) = reservation(market, wish.side, wish.limit, wish.lots);
    let released = wish.replaces.map_or(0, |(price, lots)| reservation(market, wish.side, price, lots).1);
    let balance = cx.state.accounts[wish.account as usize].balance(asset).cloned().unwrap_or_default();
    let reserved = balance.reserved - released + needed;
    if wish.side == Side::Ask && cx.state.known_asset(asset).pool.is_none() {
        return require(reserved <= balance.pledged, Reject::spot_sell_must_be_owned.at(7, needed, balance.free() + released));
    }
    let room = (reserved - balance.pledged.max(0)).max(0);
    let extra = room - balance.pool_room();
    if extra <= 0 {
        return Ok(());
    }
    let base_underlying = market.terms.underlying;
    may_borrow(cx, wish.account, asset, extra, base_underlying, &[Change::Trade { market: wish.market, lots: wish.lots, price: wish.limit }])
}

/// The borrowing rules for `extra` more units of an asset: pool room, caps, price quality, loan-to-value, and equity without
/// unmatched gains of a multiple of the initial requirement. `underlying` is of the token that is bought with a stablecoin, or
/// of the token itself; 0 when neither.
///
/// # Errors
/// 421 (a token without a pool), 422 (a buy) or 701, 503, 504, 608, 702, 705, 706, 1102.
pub fn may_borrow(cx: &mut Context<'_>, account: u32, asset: u32, extra: i64, underlying: u32, changes: &[Change]) -> Result<(), Refusal> {
    let token = !cx.state.known_asset(asset).is_stablecoin();
    let missing = if token { Reject::spot_sell_must_be_owned } else { Reject::spot_buy_must_be_funded };
    let Some(terms) = cx.state.known_asset(asset).pool.clone() else { return Err(missing.at(7, extra, 0)) };
    let short = if underlying == 0 || token { Reject::pool_must_have_liquidity } else { Reject::spot_buy_must_be_funded };
    let balance = cx.state.accounts[account as usize].balance(asset).cloned().unwrap_or_default();
    let beyond_line = (balance.pool_room() - balance.kept()).saturating_add(extra).max(0);
    pool_lends(cx.state, asset, beyond_line, short.at(0, extra, cx.state.ledger.pool(asset).available()))?;
    let owner = cx.state.accounts[account as usize].owner;
    let owed = |a: &u32| cx.state.accounts[*a as usize].balance(asset).map_or(0, |b| cx.state.ledger.owed(b) + b.pool_room());
    let by_owner: i64 = cx.state.owners[owner as usize].accounts.iter().map(owed).sum();
    let by_owner = by_owner.saturating_add(extra);
    require(by_owner <= terms.owner_cap, Reject::loan_must_stay_within_caps.at(0, by_owner, terms.owner_cap))?;
    let named = if token { cx.state.known_asset(asset).terms.underlying } else { underlying };
    if named != 0 {
        let quality = cx.state.known_underlying(named).price.permission(Action::Borrow);
        require(quality == Permission::Yes, Reject::price_quality_forbids_borrowing.at(1, i64::from(named), 0))?;
    }
    if token {
        eligibility::may_hold(cx.state, account, asset)?;
    }
    covered(cx, account, changes)?;
    let extra_loan = if token { 0 } else { cx.state.known_asset(asset).face(i128::from(extra)) };
    let (owed, allowed) = collateral::loans(cx.state, &cx.scratch.evaluator.portfolio, account, extra_loan);
    require(owed <= allowed, Reject::loan_must_stay_within_loan_to_value.at(0, narrow(owed).unwrap_or(i64::MAX), narrow(allowed).unwrap_or(i64::MAX)))
}

/// Nobody lends or borrows before the operator locked its deposit.
///
/// # Errors
/// 705.
pub fn funded(state: &State, pool: &ListPool, field: u16) -> Result<(), Refusal> {
    let locked = state.ledger.venue(Party::Locked, pool.asset);
    require(locked >= pool.locked_deposit, Reject::pool_must_be_funded.at(field, locked, pool.locked_deposit))
}

/// Whether a pool can promise `extra` more units: its deposit is locked, it has them, it takes new loans, and the venue's cap
/// holds. `short` is the refusal when it has not.
///
/// # Errors
/// 702, 705, 706, and `short`.
pub fn pool_lends(state: &State, asset: u32, extra: i64, short: Refusal) -> Result<(), Refusal> {
    let Some(terms) = &state.known_asset(asset).pool else { return require(extra <= 0, short) };
    funded(state, terms, 0)?;
    let pool = state.ledger.pool(asset);
    require(extra <= pool.available(), short)?;
    require(extra <= 0 || !state.lending.closed(asset), Reject::pool_must_not_be_called)?;
    let in_all = (state.ledger.owed_in_all(asset) + pool.reserved).saturating_add(extra);
    require(extra <= 0 || in_all <= terms.venue_cap, Reject::loan_must_stay_within_caps.at(0, in_all, terms.venue_cap))
}

/// Equity without unmatched gains is at least the listed multiple of the initial requirement after the changes.
///
/// # Errors
/// `withdrawal_needs_one_and_a_half_initial`.
pub fn covered(cx: &mut Context<'_>, account: u32, changes: &[Change]) -> Result<Evaluation, Refusal> {
    let question = Question { withdrawal: true, changes, ..Question::at(Level::Initial) };
    let after = cx.evaluate_exposures(account, &question);
    let needed = rate_up(after.requirement, cx.state.config().withdrawal_multiple_ppm);
    let refusal = Reject::withdrawal_needs_one_and_a_half_initial.at(0, narrow(after.equity).unwrap_or(i64::MIN), narrow(needed).unwrap_or(i64::MAX));
    require(after.equity >= needed, refusal)?;
    Ok(after)
}

/// The pre-trade check: Excess at initial with the order at its worst corner, or a set that only reduces.
fn check_margin(cx: &mut Context<'_>, wish: &Wish) -> Result<(), Refusal> {
    let market = cx.state.known_market(wish.market);
    let underlying = market.terms.underlying;
    let may_open = cx.state.figures(wish.market).may_open;
    let market = cx.state.known_market(wish.market);
    let owner = cx.state.accounts[wish.account as usize].owner;
    let growth = growth(cx.state, market, wish);
    let fee = matching::fee(market, wish.limit, wish.lots, market.terms.taker_fee_ppm);
    if may_open && growth.0 == 0 && cushion::spares(cx.state, wish.account, wish.market, (wish.limit, wish.lots, fee), growth.1) {
        cx.scratch.spared += 1;
        return Ok(());
    }
    let before = cx.state.liquidity_rate(owner, underlying);
    let grow = |state: &mut State| {
        if growth != (0, 0) {
            liquidity::store(state, owner, underlying, growth);
        }
    };
    grow(cx.state);
    let need = if may_open { cushion::needed(cx.state, wish.account, wish.market, (wish.limit, wish.lots, fee), before) } else { None };
    if let Some(need) = need
        && cushion::left(cx.state, wish.account).is_some_and(|left| left >= need)
    {
        cushion::spend(cx.state, wish.account, need);
        cushion::remember_size(cx.state, wish.account, wish.market);
        cx.scratch.spared += 1;
        return Ok(());
    }

    let new = Change::Order { market: wish.market, side: wish.side, price: wish.limit, lots: wish.lots };
    let excess = match wish.replaces {
        None => cx.evaluate(wish.account, &Question { changes: &[new], ..Question::at(Level::Initial) }).excess(),
        Some((price, lots)) => {
            let old = Change::Order { market: wish.market, side: wish.side, price, lots: -lots };
            cx.evaluate(wish.account, &Question { changes: &[old, new], ..Question::at(Level::Initial) }).excess()
        }
    };
    if need.is_some() {
        cushion::keep(cx.state, wish.account, excess, Some((wish.market, wish.lots)));
    } else {
        cushion::forget(cx.state, wish.account);
    }
    let excess = excess.min(excess_if_filled(cx, wish, excess));
    if may_open && excess >= 0 {
        cushion::remember_size(cx.state, wish.account, wish.market);
        return Ok(());
    }
    cushion::forget(cx.state, wish.account);
    liquidity::put_back(cx.state, owner, underlying, before);
    let unfilled = Unfilled::of(cx, wish.account);
    grow(cx.state);
    let fill = |price, lots| Fill { market: wish.market, side: wish.side, lots, price };
    if reduces(cx, wish.account, fill(wish.limit, wish.lots), wish.replaces.map(|(price, lots)| fill(price, lots)), &unfilled) {
        return Ok(());
    }
    liquidity::put_back(cx.state, owner, underlying, before);
    let shown = narrow(excess).unwrap_or(i64::MIN);
    if !may_open {
        return Err(Reject::price_quality_forbids_opening.at(1, i64::from(underlying), 0));
    }
    let already_below = cx.evaluate(wish.account, &Question::at(Level::Initial)).excess() < 0;
    let code = if already_below { Reject::only_reducing_orders_below_initial } else { Reject::excess_at_initial_must_not_be_negative };
    Err(code.at(0, shown, 0))
}

/// Excess once this order has filled at its limit. A position bears what an order does not, a mark away from the index; that is
/// small, so an account far from its limit is spared this.
fn excess_if_filled(cx: &mut Context<'_>, wish: &Wish, excess: Value) -> Value {
    let market = cx.state.known_market(wish.market);
    let notional = cx.state.notional(market, wish.limit, wish.lots);
    let basis_ppm = cx.state.known_underlying(market.terms.underlying).terms.basis_ppm;
    if !market.is_perp() || excess < 0 || excess > 2 * rate_up(notional, basis_ppm) {
        return excess;
    }
    let fill = Fill { market: wish.market, side: wish.side, lots: wish.lots, price: wish.limit }.trade();
    let fee = matching::fee(market, wish.limit, wish.lots, market.terms.taker_fee_ppm);
    let fee = Change::Balance { asset: market.terms.quote, amount: -fee };
    let (price, lots) = wish.replaces.unwrap_or_default();
    let changes = [fill, fee, Change::Order { market: wish.market, side: wish.side, price, lots: -lots }];
    let changes = &changes[..2 + usize::from(wish.replaces.is_some())];
    cx.evaluate(wish.account, &Question { changes, ..Question::at(Level::Initial) }).excess()
}

/// Dollars by which the owner's (spot, perp) gross grows if this order and the account's others on its side all fill. Lots that
/// close a perp position, sales of tokens that are there and purchases of borrowed ones add nothing.
fn growth(state: &State, market: &Market, wish: &Wish) -> (Value, Value) {
    let holder = &state.accounts[wish.account as usize];
    let (held, open) = holder.position(wish.market).map_or((0, 0), |p| (p.lots, holder.open(p).side(wish.side).lots));
    let lots = i128::from(open) + i128::from(wish.lots) - i128::from(wish.replaces.map_or(0, |r| r.1));
    let value = |grown: i128| match narrow(grown) {
        Some(grown) => state.notional(market, wish.limit, grown),
        None => state.quote_value(market, i128::from(wish.limit) * grown * i128::from(market.unit)),
    };
    if market.is_perp() {
        let held = i128::from(held);
        return (0, value(((held + i128::from(wish.side.sign()) * lots).abs() - held.abs()).max(0)));
    }
    let units = state.accounts[wish.account as usize].balance(market.terms.base).map_or(0, |b| i128::from(b.pledged) + i128::from(b.lent));
    let (held, lot) = (units, i128::from(market.terms.lot_size));
    let grown = ((held + i128::from(wish.side.sign()) * lots * lot).abs() - held.abs()).max(0);
    (value(div_ceil(grown, lot)), 0)
}

fn admit(cx: &mut Context<'_>, wish: &Wish, flags: u8) -> u32 {
    let new = NewOrder { price: wish.limit, leaves: wish.lots, account: wish.account, market: wish.market, client: NIL, side: wish.side, flags, self_trade: wish.self_trade };
    let State { orders, accounts, .. } = &mut *cx.state;
    orders.insert(new, &mut accounts[wish.account as usize].orders)
}

/// Matches, or while orders gather meets its owner's only; then rests or ends what is left. Returns the lots that traded.
fn execute(cx: &mut Context<'_>, wish: &Wish, slot: u32, may_rest: bool) -> Lots {
    cx.touch(wish.account);
    cushion::traded(cx.state, wish.account, wish.market);
    let id = cx.state.orders.id(slot);
    let taker = taker(wish, id);
    let continuous = cx.state.known_market(wish.market).phase.allows(Deed::Match);
    let outcome = if continuous { matching::take(cx, &taker) } else { auction::meet_own(cx, &taker) };
    if outcome.left > 0 && may_rest && !outcome.self_trade {
        cx.state.orders.reprice(slot, wish.limit, outcome.left);
        matching::rest(cx, slot);
        return outcome.traded;
    }
    matching::forget(cx.state, slot);
    if outcome.left > 0 {
        let reason = if outcome.self_trade { CancelReason::SelfTrade } else { CancelReason::NotFilled };
        let cancelled = OrderCancelled { order: id, market: wish.market, side: wish.side as u8, reason: reason as u8, reserved0: 0, lots: outcome.left };
        cx.tell_account(wish.account, &cancelled);
    }
    outcome.traded
}

/// The account's order of this id, or of this client id when the id is 0.
fn named_order(state: &State, account: u32, order: u64, client_id: &[u8; 16]) -> u64 {
    if order == 0 { state.accounts[account as usize].clients.find(client_id).map_or(0, |c| c.order) } else { order }
}

/// The slot of a live order of the account.
fn live_order(state: &State, account: u32, id: u64) -> Result<u32, Refusal> {
    let slot = state.orders.get(id).filter(|&slot| state.orders.order(slot).account() == account);
    slot.ok_or(Reject::order_must_exist.at(1, id as i64, 0))
}

/// `CancelOrder`: of an order in a book, a trigger or a parent order.
///
/// # Errors
/// `order_must_exist`.
pub fn cancel(cx: &mut Context<'_>, header: &Header, command: &CancelOrder) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let id = named_order(cx.state, account, command.order, &command.client_id);
    if id & WAITING != 0 && cx.state.trading.by_account.contains(&(account, id)) {
        waiting::end(cx, id, CancelReason::Requested);
        return Ok(());
    }
    let slot = live_order(cx.state, account, id)?;
    matching::cancel(cx, slot, CancelReason::Requested);
    cx.touch(account);
    Ok(())
}

/// `CancelAll`.
///
/// # Errors
/// `account_must_exist`, `market_must_exist`.
pub fn cancel_all(cx: &mut Context<'_>, header: &Header, command: &CancelAll) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    if command.market != 0 {
        cx.state.market(command.market)?;
    }
    cancel_where(cx, account, CancelReason::Requested, |market| command.market == 0 || command.market == market);
    cx.touch(account);
    Ok(())
}

/// Cancels an account's open and waiting orders in the chosen markets; returns how many.
pub fn cancel_where(cx: &mut Context<'_>, account: u32, reason: CancelReason, chosen: impl Fn(u32) -> bool) -> u32 {
    let mut cancelled = waiting::end_where(cx, account, reason, &chosen);
    let mut next = cx.state.accounts[account as usize].orders;
    while next != NIL {
        let slot = next;
        next = cx.state.orders.next_of_account(slot).unwrap_or(NIL);
        if chosen(cx.state.orders.order(slot).market()) {
            matching::cancel(cx, slot, reason);
            cancelled += 1;
        }
    }
    cancelled
}

/// `AmendOrder`: a smaller size at the same price keeps its place; anything else is a new arrival under the same id.
///
/// # Errors
/// As for a new order.
pub fn amend(cx: &mut Context<'_>, header: &Header, command: &AmendOrder) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let slot = live_order(cx.state, account, named_order(cx.state, account, command.order, &command.client_id))?;
    let order = *cx.state.orders.order(slot);
    require(command.price >= 0, Reject::price_must_be_positive.at(3, command.price, 1))?;
    require(command.lots >= 0, Reject::lots_must_be_positive.at(4, command.lots, 1))?;
    let price = if command.price == 0 { order.price() } else { command.price };
    let lots = if command.lots == 0 { order.leaves() } else { command.lots };
    let (market_id, side) = (order.market(), order.side());
    require(price != order.price() || lots != order.leaves(), Reject::amend_must_change_something)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let market = cx.state.market(market_id)?;
    let shrinks = price == order.price() && lots < order.leaves();
    if !shrinks {
        outage::takes_orders(cx.state, market)?;
    }
    let halted = cx.state.corporate.halts(market.terms.underlying, cx.state.now);
    require(!halted, Reject::underlying_must_not_be_in_a_corporate_action.at(1, i64::from(market_id), 0))?;
    require(lots <= market.terms.max_lots, Reject::lots_must_be_within_market_limits.at(4, lots, market.terms.max_lots))?;
    let deed = if shrinks { Deed::Shrink } else { Deed::Place };
    require(market.phase.allows(deed), Reject::venue_must_be_open_for_orders.at(1, market.phase.phase as i64, 0))?;
    let rate_ns = if shrinks { cx.state.accounts[account as usize].rate_ns } else { within_rate(cx.state, account)? };
    let id = cx.state.orders.id(slot);
    let amended = |kept| OrderAmended { order: id, market: market_id, side: side as u8, kept_priority: kept, reserved0: 0, price, leaves: lots };
    if shrinks {
        matching::reduce(cx.state, slot, order.leaves() - lots);
        cx.tell_account(account, &amended(1));
        matching::tell_level(cx, market_id, side, price);
        cx.touch(account);
        return Ok(());
    }
    let wish = Wish { account, market: market_id, side, limit: price, lots, self_trade: order.self_trade(), replaces: Some((order.price(), order.leaves())) };
    eligibility::may_trade(cx.state, account, market_id, side, lots - order.leaves())?;
    let intent = Intent { actor: header.actor, account, market: market_id, side, limit: price, lots: lots - order.leaves(), size: lots };
    limits::check_order(cx.state, &intent)?;
    let figures = cx.state.figures(market_id);
    let market = cx.state.known_market(market_id);
    check_size(cx.state, &figures, account, market, (side, price, lots))?;
    figures.check_band(side, price)?;
    let takes = market.book.best(side.opposite()).is_some_and(|b| crosses(side, price, b));
    require(order.flags() & POST_ONLY == 0 || !takes, Reject::post_only_must_not_take.at(3, price, 0))?;
    check_funding(cx, &wish)?;
    check_margin(cx, &wish)?;

    cx.state.accounts[account as usize].rate_ns = rate_ns;
    matching::withdraw(cx.state, slot);
    matching::tell_level(cx, market_id, side, order.price());
    cx.state.orders.reprice(slot, price, lots);
    cx.tell_account(account, &amended(0));
    execute(cx, &wish, slot, true);
    Ok(())
}
