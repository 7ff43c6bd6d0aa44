//! Orders: place, cancel, amend, cancel all.
//!
//! Responsible for: the checklist before an order may come in, and its life until it rests or ends. Each handler refuses
//! first and writes after; nothing fails once it has written.

use crate::account::ClientOrder;
use crate::codec::Header;
use crate::command::{AmendOrder, CancelAll, CancelOrder, FOK, GTC, LIMIT, MARKET, POST_ONLY, PlaceOrder, REDUCE_ONLY};
use crate::context::Context;
use crate::event::{CancelReason, OrderAmended, OrderCancelled, OrderPlaced};
use crate::margin::{Change, Evaluation, Level, Question, collateral, liquidity};
use crate::matching::{self, Taker, crosses, fillable, reservation};
use crate::order::{NIL, NewOrder, Side, Stage};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::{Market, State};
use crate::units::{Lots, PPM, Ticks, Value, div_ceil, div_floor, narrow, rate_up, scaled_down};

/// A new order after its fields were understood.
struct Wish {
    account: u32,
    market: u32,
    side: Side,
    limit: Ticks,
    lots: Lots,
    /// Order this one replaces: slot and what it had open.
    replaces: Option<(Ticks, Lots)>,
}

/// `PlaceOrder`.
///
/// # Errors
/// Refusals 2xx to 6xx as each line names.
pub fn place(cx: &mut Context<'_>, header: &Header, order: &PlaceOrder) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let market = cx.state.market(order.market)?;
    let side = known_side(order)?;
    known_terms(order)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let fingerprint = if order.client_id == [0; 16] { 0 } else { fingerprint(order) };
    idempotent(cx.state, account, order, fingerprint)?;
    let limit = limit_price(cx.state, market, side, order)?;
    let lots = reducible(cx.state, account, market, side, order)?;
    require(order.lots >= market.terms.min_lots && order.lots <= market.terms.max_lots, Reject::lots_must_be_within_market_limits.at(7, order.lots, market.terms.max_lots))?;
    let wish = Wish { account, market: order.market, side, limit, lots, replaces: None };
    check_size(cx.state, market, &wish)?;
    check_band(cx.state, market, side, limit)?;
    if order.time_in_force == GTC {
        let open = cx.state.accounts[account as usize].position(order.market).map_or(0, |p| p.open(side).orders);
        let most = cx.state.config().orders_per_market;
        require(open < most, Reject::open_orders_must_be_below_limit.at(1, i64::from(open), i64::from(most)))?;
    }
    check_book(cx.state, order, &wish)?;
    check_funding(cx, &wish)?;
    check_margin(cx, &wish)?;

    let slot = admit(cx, &wish, order.flags);
    let id = cx.state.orders.id(slot);
    if order.client_id != [0; 16] {
        cx.state.accounts[account as usize].clients.insert(order.client_id, ClientOrder { order: id, fingerprint });
        cx.state.order_clients.insert(id, order.client_id);
    }
    let PlaceOrder { market, side: side_number, kind, time_in_force, flags, client_id, .. } = *order;
    cx.tell_account(account, &OrderPlaced { order: id, market, side: side_number, kind, time_in_force, flags, price: limit, lots, client_id });
    execute(cx, &wish, slot, time_in_force == GTC);
    Ok(())
}

fn known_side(order: &PlaceOrder) -> Result<Side, Refusal> {
    Side::try_from(order.side).map_err(|_| Reject::side_must_be_known.at(2, i64::from(order.side), 1))
}

fn known_terms(order: &PlaceOrder) -> Result<(), Refusal> {
    require(order.kind <= MARKET, Reject::order_kind_must_be_known.at(3, i64::from(order.kind), 1))?;
    require(order.time_in_force <= FOK, Reject::time_in_force_must_be_known.at(4, i64::from(order.time_in_force), 2))?;
    require(order.flags <= POST_ONLY | REDUCE_ONLY, Reject::flags_must_be_known.at(5, i64::from(order.flags), 3))?;
    require(order.kind == LIMIT || order.time_in_force != GTC, Reject::market_order_must_not_rest)?;
    let rests = order.kind == LIMIT && order.time_in_force == GTC;
    require(order.flags & POST_ONLY == 0 || rests, Reject::post_only_must_rest)?;
    require(order.price >= i64::from(order.kind == LIMIT), Reject::price_must_be_positive.at(6, order.price, 1))?;
    require(order.lots > 0, Reject::lots_must_be_positive.at(7, order.lots, 1))
}

fn fingerprint(order: &PlaceOrder) -> u64 {
    let mut body = Vec::with_capacity(64);
    crate::codec::Body::put(order, &mut body);
    let digest = blake3::hash(&body);
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes"))
}

fn idempotent(state: &State, account: u32, order: &PlaceOrder, fingerprint: u64) -> Result<(), Refusal> {
    if order.client_id == [0; 16] {
        return Ok(());
    }
    match state.accounts[account as usize].clients.find(&order.client_id) {
        None => Ok(()),
        Some(known) if known.fingerprint == fingerprint => Err(Reject::order_already_exists.at(8, known.order as i64, 0)),
        Some(known) => Err(Reject::client_id_must_be_new.at(8, known.order as i64, 0)),
    }
}

/// The worst price: the limit, or for a market order the listed collar around the index.
fn limit_price(state: &State, market: &Market, side: Side, order: &PlaceOrder) -> Result<Ticks, Refusal> {
    if order.price > 0 {
        return Ok(order.price);
    }
    let index = i128::from(state.index_ticks(market));
    require(index > 0, Reject::price_quality_forbids_opening.at(1, 0, 0))?;
    let collar = i128::from(market.terms.collar_ppm);
    let price = match side {
        Side::Bid => div_ceil(index * (i128::from(PPM) + collar), i128::from(PPM)),
        Side::Ask => div_floor(index * (i128::from(PPM) - collar), i128::from(PPM)).max(1),
    };
    narrow(price).ok_or(Reject::notional_must_not_overflow.at(6, i64::MAX, 0))
}

/// Lots after reduce-only clipped them to the opposite position.
fn reducible(state: &State, account: u32, market: &Market, side: Side, order: &PlaceOrder) -> Result<Lots, Refusal> {
    if order.flags & REDUCE_ONLY == 0 {
        return Ok(order.lots);
    }
    require(market.is_perp(), Reject::reduce_only_needs_a_perp)?;
    let held = -side.sign() * state.accounts[account as usize].lots(order.market);
    require(held > 0, Reject::reduce_only_must_reduce.at(7, order.lots, held.max(0)))?;
    Ok(order.lots.min(held))
}

/// No product of this order, its position and the highest listable price may leave 64 bits.
fn check_size(state: &State, market: &Market, wish: &Wish) -> Result<(), Refusal> {
    let position = state.accounts[wish.account as usize].position(wish.market);
    let (held, open) = position.map_or((0, 0), |p| (p.lots.abs(), p.open(wish.side).lots));
    let underlying = state.known_underlying(market.terms.underlying);
    let multiplier = if market.is_perp() { 1_000_000_000 } else { state.known_asset(market.terms.base).terms.multiplier_ppb };
    let highest = div_floor(scaled_down(i128::from(underlying.terms.price_max), multiplier, 1_000_000_000), i128::from(market.terms.tick_size));
    let price = highest.max(i128::from(wish.limit));
    let lots = i128::from(held) + i128::from(open) + i128::from(wish.lots);
    let limit = i64::MAX / 8;
    let notional = price.checked_mul(lots).and_then(|n| n.checked_mul(i128::from(market.unit)));
    let size = lots.checked_mul(i128::from(market.terms.lot_size));
    let fits = notional.is_some_and(|n| n <= i128::from(limit)) && size.is_some_and(|n| n <= i128::from(limit));
    require(fits && market.book.can_rest(wish.side, wish.limit, wish.lots), Reject::notional_must_not_overflow.at(7, wish.lots, limit))
}

fn check_band(state: &State, market: &Market, side: Side, limit: Ticks) -> Result<(), Refusal> {
    let index = i128::from(state.index_ticks(market));
    require(index > 0, Reject::price_quality_forbids_opening.at(1, 0, 0))?;
    let width = rate_up(index, market.terms.band_ppm);
    let (fits, bound) = match side {
        Side::Bid => (i128::from(limit) <= index + width, index + width),
        Side::Ask => (i128::from(limit) >= index - width, index - width),
    };
    require(fits, Reject::price_must_be_inside_band.at(6, limit, narrow(bound).unwrap_or(i64::MAX)))
}

fn check_book(state: &State, order: &PlaceOrder, wish: &Wish) -> Result<(), Refusal> {
    if order.flags & POST_ONLY != 0 {
        let best = state.known_market(wish.market).book.best(wish.side.opposite());
        return require(best.is_none_or(|b| !crosses(wish.side, wish.limit, b)), Reject::post_only_must_not_take.at(6, wish.limit, best.unwrap_or(0)));
    }
    if order.time_in_force == FOK || order.kind == MARKET {
        let taker = taker(wish, 0);
        let found = fillable(state, &taker);
        require(order.time_in_force != FOK || found == wish.lots, Reject::fill_or_kill_must_fill.at(7, wish.lots, found))?;
        return require(found > 0, Reject::market_order_needs_a_book.at(6, wish.limit, 0));
    }
    Ok(())
}

const fn taker(wish: &Wish, order: u64) -> Taker {
    Taker { account: wish.account, order, market: wish.market, side: wish.side, limit: wish.limit, lots: wish.lots, liquidation: false }
}

/// Spot: tokens for a sell; cash, or room in the pool under the borrowing rules, for a buy.
fn check_funding(cx: &mut Context<'_>, wish: &Wish) -> Result<(), Refusal> {
    let market = cx.state.known_market(wish.market);
    if market.is_perp() {
        return Ok(());
    }
    let (asset, needed) = reservation(market, wish.side, wish.limit, wish.lots);
    let released = wish.replaces.map_or(0, |(price, lots)| reservation(market, wish.side, price, lots).1);
    let balance = cx.state.accounts[wish.account as usize].balance(asset).cloned().unwrap_or_default();
    let reserved = balance.reserved - released + needed;
    if wish.side == Side::Ask {
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

/// The borrowing rules for `extra` more units of a stablecoin: pool room, caps, price quality, loan-to-value, and equity
/// without unmatched gains of a multiple of the initial requirement. `underlying` 0 when no token is bought with it.
///
/// # Errors
/// 422 (a buy) or 701 (a withdrawal), 503, 504, 608, 702.
pub fn may_borrow(cx: &mut Context<'_>, account: u32, asset: u32, extra: i64, underlying: u32, changes: &[Change]) -> Result<(), Refusal> {
    let pool = cx.state.ledger.pool(asset);
    let Some(terms) = cx.state.known_asset(asset).pool.clone() else {
        return Err(Reject::spot_buy_must_be_funded.at(7, extra, 0));
    };
    let short = if underlying == 0 { Reject::pool_must_have_liquidity } else { Reject::spot_buy_must_be_funded };
    require(extra <= pool.available(), short.at(0, extra, pool.available()))?;
    let owner = cx.state.accounts[account as usize].owner;
    let owed = |a: &u32| cx.state.accounts[*a as usize].balance(asset).map_or(0, |b| b.loan() + b.pool_room());
    let by_owner: i64 = cx.state.owners[owner as usize].accounts.iter().map(owed).sum();
    require(by_owner + extra <= terms.owner_cap, Reject::loan_must_stay_within_caps.at(0, by_owner + extra, terms.owner_cap))?;
    let in_all = pool.borrowed + pool.reserved + extra;
    require(in_all <= terms.venue_cap, Reject::loan_must_stay_within_caps.at(0, in_all, terms.venue_cap))?;
    if underlying != 0 {
        let quality = cx.state.known_underlying(underlying).price.permission(Action::Borrow);
        require(quality == Permission::Yes, Reject::price_quality_forbids_borrowing.at(1, i64::from(underlying), 0))?;
    }
    covered(cx, account, changes)?;
    let extra_loan = cx.state.known_asset(asset).face(i128::from(extra));
    let (owed, allowed) = collateral::loans(cx.state, &cx.scratch.portfolio, account, extra_loan);
    require(owed <= allowed, Reject::loan_must_stay_within_loan_to_value.at(0, narrow(owed).unwrap_or(i64::MAX), narrow(allowed).unwrap_or(i64::MAX)))
}

/// Equity without unmatched gains is at least the listed multiple of the initial requirement after the changes.
///
/// # Errors
/// `withdrawal_needs_one_and_a_half_initial`.
pub fn covered(cx: &mut Context<'_>, account: u32, changes: &[Change]) -> Result<Evaluation, Refusal> {
    let question = Question { withdrawal: true, changes, ..Question::at(Level::Initial) };
    let after = cx.evaluate(account, &question);
    let needed = rate_up(after.requirement, cx.state.config().withdrawal_multiple_ppm);
    let refusal = Reject::withdrawal_needs_one_and_a_half_initial.at(0, narrow(after.equity).unwrap_or(i64::MIN), narrow(needed).unwrap_or(i64::MAX));
    require(after.equity >= needed, refusal)?;
    Ok(after)
}

/// The pre-trade check: Excess at initial with the order at its worst corner, or a set that only reduces.
fn check_margin(cx: &mut Context<'_>, wish: &Wish) -> Result<(), Refusal> {
    let market = cx.state.known_market(wish.market);
    let underlying = market.terms.underlying;
    let may_open = cx.state.known_underlying(underlying).price.permission(Action::Open) == Permission::Yes;
    let owner = cx.state.accounts[wish.account as usize].owner;
    let growth = growth(cx.state, market, wish);
    let before = cx.state.liquidity_rate(owner, underlying);
    let grow = |state: &mut State| {
        if growth != (0, 0) {
            liquidity::store(state, owner, underlying, growth);
        }
    };
    grow(cx.state);

    let new = Change::Order { market: wish.market, side: wish.side, price: wish.limit, lots: wish.lots };
    let excess = match wish.replaces {
        None => cx.evaluate(wish.account, &Question { changes: &[new], ..Question::at(Level::Initial) }).excess(),
        Some((price, lots)) => {
            let old = Change::Order { market: wish.market, side: wish.side, price, lots: -lots };
            cx.evaluate(wish.account, &Question { changes: &[old, new], ..Question::at(Level::Initial) }).excess()
        }
    };
    let excess = excess.min(excess_if_filled(cx, wish, excess));
    if may_open && excess >= 0 {
        return Ok(());
    }
    put_back(cx.state, owner, underlying, before);
    let unfilled = Unfilled::of(cx, wish.account);
    grow(cx.state);
    if reduces(cx, wish, &unfilled) {
        return Ok(());
    }
    put_back(cx.state, owner, underlying, before);
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
    let notional = cx.state.quote_value(market, i128::from(wish.limit) * i128::from(wish.lots) * i128::from(market.unit));
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

/// Dollars by which the owner's (spot, perp) gross grows if this order and the account's others on its side all fill. Sales of
/// tokens and lots that close a perp position add nothing.
fn growth(state: &State, market: &Market, wish: &Wish) -> (Value, Value) {
    let position = state.accounts[wish.account as usize].position(wish.market);
    let (held, open) = position.map_or((0, 0), |p| (p.lots, p.open(wish.side).lots));
    let lots = i128::from(open) + i128::from(wish.lots) - i128::from(wish.replaces.map_or(0, |r| r.1));
    let value = |lots: i128| state.quote_value(market, i128::from(wish.limit) * lots * i128::from(market.unit));
    if market.is_perp() {
        let held = i128::from(held);
        return (0, value(((held + i128::from(wish.side.sign()) * lots).abs() - held.abs()).max(0)));
    }
    if wish.side == Side::Bid { (value(lots), 0) } else { (0, 0) }
}

/// A refused order leaves no trace in the stored liquidity rates.
fn put_back(state: &mut State, owner: u32, underlying: u32, before: Option<crate::account::LiquidityRate>) {
    let rates = &mut state.owners[owner as usize].liquidity;
    if let Ok(at) = rates.binary_search_by_key(&underlying, |r| r.underlying) {
        match before {
            Some(rate) => rates[at] = rate,
            None => {
                rates.remove(at);
            }
        }
    }
}

/// RULES section 6, *Reducing*, for a new order beside the account's open ones: alone, with every subset of the others when
/// they are few, and beyond that with each one, with all but each one, and with all.
fn reduces(cx: &mut Context<'_>, wish: &Wish, unfilled: &Unfilled) -> bool {
    let fill = Fill { market: wish.market, side: wish.side, lots: wish.lots, price: wish.limit };
    let others = other_fills(cx.state, wish);
    let count = others.len();
    let subsets: Vec<u128> = match count {
        0..=4 => (0..1 << count).collect(),
        _ => {
            let all = if count >= 128 { u128::MAX } else { (1 << count) - 1 };
            let each = (0..count.min(128)).map(|i| 1 << i);
            [0, all].into_iter().chain(each.flat_map(|one: u128| [one, all ^ one])).collect()
        }
    };
    subsets.into_iter().all(|chosen| {
        let picked = others.iter().enumerate().filter(|(i, _)| *i >= 128 || chosen >> i & 1 == 1).map(|(_, f)| *f);
        unfilled.still_holds(cx, wish.account, &std::iter::once(fill).chain(picked).collect::<Vec<_>>())
    })
}

/// An order as if it filled in whole at its own price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    market: u32,
    side: Side,
    lots: Lots,
    price: Ticks,
}

impl Fill {
    /// A resting order.
    #[must_use]
    pub fn of(state: &State, slot: u32) -> Self {
        let order = state.orders.order(slot);
        Self { market: order.market(), side: order.side(), lots: order.leaves(), price: order.price() }
    }

    const fn trade(self) -> Change {
        Change::Trade { market: self.market, lots: self.side.sign() * self.lots, price: self.price }
    }
}

/// The account's open orders but the one that is being replaced.
fn other_fills(state: &State, wish: &Wish) -> Vec<Fill> {
    let orders = state.orders.of_account(state.accounts[wish.account as usize].orders);
    let resting = orders.filter(|&slot| state.orders.order(slot).stage() == Stage::Resting);
    let mut open: Vec<Fill> = resting.map(|slot| Fill::of(state, slot)).collect();
    if let Some((price, lots)) = wish.replaces
        && let Some(at) = open.iter().position(|f| *f == Fill { market: wish.market, side: wish.side, lots, price })
    {
        open.remove(at);
    }
    open
}

/// R at initial and Excess at maintenance as they are, without open orders: what fills that reduce may not worsen.
#[derive(Clone, Copy, Debug)]
pub struct Unfilled {
    initial: Value,
    maintenance: Value,
}

impl Unfilled {
    const fn bare(level: Level, changes: &[Change]) -> Question<'_> {
        Question { orders: false, changes, ..Question::at(level) }
    }

    /// Of an account now.
    pub fn of(cx: &mut Context<'_>, account: u32) -> Self {
        let initial = cx.evaluate(account, &Self::bare(Level::Initial, &[])).requirement;
        let maintenance = cx.evaluate(account, &Self::bare(Level::Maintenance, &[])).excess();
        Self { initial, maintenance }
    }

    /// Whether R at initial is not higher and Excess at maintenance, taker fees paid, not lower after these fills.
    pub fn still_holds(&self, cx: &mut Context<'_>, account: u32, fills: &[Fill]) -> bool {
        let changes: Vec<Change> = fills.iter().map(|f| f.trade()).collect();
        let fees = |state: &State, f: &Fill| {
            let market = state.known_market(f.market);
            state.quote_value(market, i128::from(matching::fee(market, f.price, f.lots, market.terms.taker_fee_ppm))) + 1
        };
        let fees: Value = fills.iter().map(|f| fees(cx.state, f)).sum();
        cx.evaluate(account, &Self::bare(Level::Initial, &changes)).requirement <= self.initial
            && cx.evaluate(account, &Self::bare(Level::Maintenance, &changes)).excess() - fees >= self.maintenance
    }
}

fn admit(cx: &mut Context<'_>, wish: &Wish, flags: u8) -> u32 {
    let new = NewOrder { price: wish.limit, leaves: wish.lots, account: wish.account, market: wish.market, client: NIL, side: wish.side, flags };
    let State { orders, accounts, .. } = &mut *cx.state;
    orders.insert(new, &mut accounts[wish.account as usize].orders)
}

/// Matches, then rests or ends what is left.
fn execute(cx: &mut Context<'_>, wish: &Wish, slot: u32, may_rest: bool) {
    cx.touch(wish.account);
    let id = cx.state.orders.id(slot);
    let outcome = matching::take(cx, &taker(wish, id));
    if outcome.left > 0 && may_rest && !outcome.self_trade {
        cx.state.orders.reprice(slot, wish.limit, outcome.left);
        matching::rest(cx, slot);
        return;
    }
    matching::forget(cx.state, slot);
    if outcome.left > 0 {
        let reason = if outcome.self_trade { CancelReason::SelfTrade } else { CancelReason::NotFilled };
        let cancelled = OrderCancelled { order: id, market: wish.market, side: wish.side as u8, reason: reason as u8, reserved0: 0, lots: outcome.left };
        cx.tell_account(wish.account, &cancelled);
    }
}

/// The slot of a live order of the account, by id or client id.
fn live_order(state: &State, account: u32, order: u64, client_id: &[u8; 16]) -> Result<u32, Refusal> {
    let id = if order == 0 { state.accounts[account as usize].clients.find(client_id).map_or(0, |c| c.order) } else { order };
    let slot = state.orders.get(id).filter(|&slot| state.orders.order(slot).account() == account);
    slot.ok_or(Reject::order_must_exist.at(1, id as i64, 0))
}

/// `CancelOrder`.
///
/// # Errors
/// `order_must_exist`.
pub fn cancel(cx: &mut Context<'_>, header: &Header, command: &CancelOrder) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let slot = live_order(cx.state, account, command.order, &command.client_id)?;
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

/// Cancels an account's orders in the chosen markets; returns how many.
pub fn cancel_where(cx: &mut Context<'_>, account: u32, reason: CancelReason, chosen: impl Fn(u32) -> bool) -> u32 {
    let mut cancelled = 0;
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
    let slot = live_order(cx.state, account, command.order, &command.client_id)?;
    let order = *cx.state.orders.order(slot);
    require(command.price >= 0, Reject::price_must_be_positive.at(3, command.price, 1))?;
    require(command.lots >= 0, Reject::lots_must_be_positive.at(4, command.lots, 1))?;
    let price = if command.price == 0 { order.price() } else { command.price };
    let lots = if command.lots == 0 { order.leaves() } else { command.lots };
    let (market_id, side) = (order.market(), order.side());
    require(price != order.price() || lots != order.leaves(), Reject::amend_must_change_something)?;
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let market = cx.state.market(market_id)?;
    require(lots <= market.terms.max_lots, Reject::lots_must_be_within_market_limits.at(4, lots, market.terms.max_lots))?;
    let id = cx.state.orders.id(slot);
    let amended = |kept| OrderAmended { order: id, market: market_id, side: side as u8, kept_priority: kept, reserved0: 0, price, leaves: lots };
    if price == order.price() && lots < order.leaves() {
        let removed = order.leaves() - lots;
        cx.state.markets[market_id as usize].as_mut().expect("resolved").book.reduce(&mut cx.state.orders, slot, removed);
        matching::release(cx.state, account, market_id, side, price, order.leaves(), lots);
        cx.state.accounts[account as usize].position_mut(market_id).shrink_order(side, price, removed, false);
        cx.tell_account(account, &amended(1));
        matching::tell_level(cx, market_id, side, price);
        cx.touch(account);
        return Ok(());
    }
    let wish = Wish { account, market: market_id, side, limit: price, lots, replaces: Some((order.price(), order.leaves())) };
    check_size(cx.state, market, &wish)?;
    check_band(cx.state, market, side, price)?;
    let takes = market.book.best(side.opposite()).is_some_and(|b| crosses(side, price, b));
    require(order.flags() & POST_ONLY == 0 || !takes, Reject::post_only_must_not_take.at(3, price, 0))?;
    check_funding(cx, &wish)?;
    check_margin(cx, &wish)?;

    matching::withdraw(cx.state, slot);
    matching::tell_level(cx, market_id, side, order.price());
    cx.state.orders.reprice(slot, price, lots);
    cx.tell_account(account, &amended(0));
    execute(cx, &wish, slot, true);
    Ok(())
}
