//! What a fill does to the ledger and the books: tokens minted or burned, cash taken or due, shares and dollars on their way.
//!
//! Responsible for: the postings, at the multiplier of the fill. Never decides whether a fill is right (`report` does).

use super::{Step, advance, capacity, hedged, in_kind, coins_down, coins_up, cost_up, reissue, request, routing, shares_up, treasury, units_down, units_up, unwind};
use crate::account::Balance;
use crate::context::Context;
use crate::event::{DistributionPaid, RequestPaid, ShortageChanged, TokensIssued, TokensRedeemed};
use crate::funds;
use crate::ledger::Party;
use crate::ledger::books::{Place, Unit};
use crate::state::State;
use crate::state::clearing::{BrokerOrder, Execution, Purpose, Request, RequestKind};
use crate::units::{Amount, Price, Value, div_ceil, div_floor, narrow, pow10, rate_up};

/// How the house would serve a request at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct House {
    /// Where the shares are.
    pub broker: u32,
    /// Shares, 1e-9.
    pub shares: i64,
    /// At this price.
    pub price: Price,
}

/// Whether house inventory covers a whole request: shares for an issuance, free treasury cash for a redemption. At the firm
/// price, or the index.
#[must_use]
pub fn house_can_serve(state: &State, kind: RequestKind, token: u32, held: Amount, firm: Price) -> Option<House> {
    let asset = state.known_asset(token);
    let underlying = state.known_underlying(asset.terms.underlying);
    let price = if firm == 0 { underlying.price.index() } else { firm };
    let brokers = state.clearing.brokers.keys().copied();
    if kind == RequestKind::Mint {
        let shares = routing::shares_for(state, token, routing::net_of_fee(state, token, held), price);
        let mut able = brokers.filter(|&b| capacity::reachable(state, b) && shares > 0 && capacity::free_inventory(state, token, b) >= shares);
        return able.next().map(|broker| House { broker, shares, price });
    }
    let shares = narrow(asset.shares(i128::from(held)))?;
    let cash = state.clearing.tokens.get(&token)?.terms.cash;
    let pays = coins_down(state.known_asset(cash), underlying.value_down(i128::from(shares), price));
    let paid = pays > 0 && pays <= i128::from(capacity::free_treasury(state, cash));
    let mut able = brokers.filter(|&b| capacity::reachable(state, b) && shares > 0 && capacity::free_shares(state, token, b) >= shares);
    able.next().filter(|_| paid).map(|broker| House { broker, shares, price })
}

/// Serves a reserved request from the house: nothing is unsettled, so nothing is locked.
pub fn serve_from_house(cx: &mut Context<'_>, id: u64) {
    let request = cx.state.clearing.requests[&id].clone();
    let Some(House { broker, shares, price }) = house_can_serve(cx.state, request.kind, request.token, request.held, request.price) else { return };
    let unit = Unit::Shares(request.token);
    if request.kind == RequestKind::Mint {
        cx.state.clearing.books.post(unit, Place::House, Place::HouseAt(broker), shares);
        issue(cx, id, shares, price, Place::Broker(broker), false);
    } else {
        burn(cx, id, request.held, shares, price, Place::Broker(broker));
        cx.state.clearing.books.post(unit, Place::HouseAt(broker), Place::House, shares);
    }
    request::end(cx, id, Step::Complete);
}

/// Mints for shares that came in at `place`, and takes cash and fee from what is held. Returns the units.
pub fn issue(cx: &mut Context<'_>, id: u64, shares: i64, price: Price, place: Place, unsettled: bool) -> Amount {
    let request = cx.state.clearing.requests[&id].clone();
    let (account, token) = (request.account, request.token);
    let units = narrow(units_for(cx.state, token, shares, price)).unwrap_or(0);
    let (cost, fee) = if request.kind == RequestKind::Mint { pay(cx, id, shares, price) } else { (0, in_kind::fee_of(cx.state, &request, units)) };
    let in_tokens = if request.kind == RequestKind::MintInKind { fee } else { 0 };
    funds::post(cx.state, token, Party::Custody, Party::Holder(account), units - in_tokens);
    funds::post(cx.state, token, Party::Custody, Party::Fees, in_tokens);
    reissue(cx.state, token, units, shares, place);
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        request.units += units;
        request.shares += shares;
    }
    if unsettled {
        cx.state.clearing.lock(account, token, units);
    }
    // Nobody buys tokens at a discount for what others owe on them.
    let owed = cx.state.receivable(token, i128::from(units)).min(0);
    settle_receivable(cx, &request, units, -owed, 0);
    let locked = cx.state.clearing.locked(account, token);
    unwind::after(cx.state, &request, shares);
    hedged::after(cx.state, id, shares);
    cx.tell_account(account, &TokensIssued { request: id, token, units, shares, price, cost, fee, locked });
    cx.touch(account);
    units
}

/// Tokens for shares at a price: a token is its shares and what is receivable on it, so who gets one between the ex-date of a
/// dividend and its reinvestment pays for both. The shares that stand for the receivable are surplus until then. Rounded down.
fn units_for(state: &State, token: u32, shares: i64, price: Price) -> i128 {
    let asset = state.known_asset(token);
    let each = i128::from(state.ledger.receivable(token));
    if each == 0 {
        return units_down(asset, i128::from(shares));
    }
    let underlying = state.known_underlying(asset.terms.underlying);
    let price = i128::from(if price == 0 { underlying.price.index() } else { price }.max(1));
    let per_share = div_ceil(each * pow10(underlying.terms.decimals), 1_000 * i128::from(asset.terms.multiplier_ppb));
    units_down(asset, div_floor(i128::from(shares) * price, (price + per_share.max(0)).max(1)))
}

/// What is receivable on tokens that come or go is settled with the distributions account, which brokers pay later: a positive
/// value is the holder's; a negative one comes out of the cash that is due, then out of the holder's own. Returns what of `due`
/// it took.
fn settle_receivable(cx: &mut Context<'_>, request: &Request, units: Amount, value: Value, due: Amount) -> Amount {
    let Request { account, token, cash, .. } = *request;
    let amount = narrow(coins_down(cx.state.known_asset(cash), value)).unwrap_or(0);
    let of_due = (-amount).clamp(0, due);
    let free = cx.state.accounts[account as usize].balance(cash).map_or(0, Balance::free);
    let own = (-amount - of_due).clamp(0, free);
    funds::post(cx.state, cash, Party::Distributions, Party::Holder(account), amount.max(0));
    funds::post(cx.state, cash, Party::Holder(account), Party::Distributions, own);
    let amount = amount.max(0) - of_due - own;
    if amount != 0 {
        cx.tell_account(account, &DistributionPaid { asset: token, units, paid_asset: cash, amount, retired: 0 });
    }
    of_due
}

/// Cost and fee of shares, out of what is held: the cost rounded up, never more than is there.
fn pay(cx: &mut Context<'_>, id: u64, shares: i64, price: Price) -> (Amount, Amount) {
    let request = cx.state.clearing.requests[&id].clone();
    let underlying = cx.state.known_underlying(cx.state.known_asset(request.token).terms.underlying);
    let fee_ppm = cx.state.clearing.tokens[&request.token].terms.mint_fee_ppm;
    let coins = coins_up(cx.state.known_asset(request.cash), cost_up(underlying, shares, price));
    let cost = narrow(coins).unwrap_or(i64::MAX).min(request.held);
    let fee = narrow(rate_up(i128::from(cost), fee_ppm)).unwrap_or(0).min(request.held - cost);
    let from = Party::Escrow(request.account);
    funds::post(cx.state, request.cash, from, Party::Treasury, cost);
    funds::post(cx.state, request.cash, from, Party::Fees, fee);
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        request.held -= cost + fee;
    }
    (cost, fee)
}

/// Burns escrowed tokens for shares that went out at `place`; the cash is due, rounded down.
pub fn burn(cx: &mut Context<'_>, id: u64, units: Amount, shares: i64, price: Price, place: Place) {
    let request = cx.state.clearing.requests[&id].clone();
    let (account, token) = (request.account, request.token);
    funds::post(cx.state, token, Party::Escrow(account), Party::Custody, units);
    reissue(cx.state, token, -units, -shares, place);
    let (mut due, mut fee) = (0, in_kind::fee_of(cx.state, &request, units));
    if request.kind == RequestKind::RedeemInKind {
        funds::post(cx.state, token, Party::Escrow(account), Party::Fees, fee);
    } else {
        let underlying = cx.state.known_underlying(cx.state.known_asset(token).terms.underlying);
        let coins = coins_down(cx.state.known_asset(request.cash), underlying.value_down(i128::from(shares), price));
        let gross = narrow(coins).unwrap_or(0);
        fee = narrow(rate_up(i128::from(gross), cx.state.clearing.tokens[&token].terms.redeem_fee_ppm)).unwrap_or(0).min(gross);
        due = gross - fee;
    }
    let receivable = cx.state.receivable(token, i128::from(units));
    let of_due = settle_receivable(cx, &request, units, receivable, due);
    due -= of_due;
    funds::post(cx.state, request.cash, Party::Redemptions, Party::Due(account), due);
    if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
        request.held -= units;
        request.units += units;
        request.shares += shares;
        request.due += due;
        request.returned_due += of_due;
        match request.kind {
            RequestKind::RedeemInKind => request.held -= fee,
            _ => request.fee_due += fee,
        }
    }
    cx.tell_account(account, &TokensRedeemed { request: id, token, units, shares, price, due, fee });
    unwind::after(cx.state, &request, shares);
    hedged::after(cx.state, id, shares);
    cx.touch(account);
}

/// Books an execution of an order: the order's totals, then tokens, shares and dollars. Returns the units minted or burned.
pub fn book(cx: &mut Context<'_>, order_id: u64, execution: &Execution) -> Amount {
    let order = cx.state.clearing.orders[&order_id].clone();
    routing::claim(cx.state, &order, -1);
    let burned = burned_by(cx.state, &order, execution.shares);
    if let Some(open) = cx.state.clearing.orders.get_mut(&order_id) {
        open.filled += execution.shares;
        open.spent += execution.dollars;
        open.burned += burned;
        let open = open.clone();
        routing::claim(cx.state, &open, 1);
    }
    dollars_on_their_way(cx.state, execution, 1);
    let unit = Unit::Shares(order.token);
    match (order.purpose, order.buys) {
        (Purpose::Request, true) => {
            let price = firm_or(cx.state, order.request, execution.price);
            issue(cx, order.request, execution.shares, price, Place::FromBroker(order.broker), true)
        }
        (Purpose::Request, false) => {
            let price = firm_or(cx.state, order.request, execution.price);
            // Credit-normal: shares sold and not yet delivered.
            burn(cx, order.request, burned, execution.shares, price, Place::ToBroker(order.broker));
            burned
        }
        (Purpose::BuyIn, _) => {
            cx.state.clearing.books.post(unit, Place::FromBroker(order.broker), Place::Shortage, execution.shares);
            tell_shortage(cx, order.token);
            0
        }
        (Purpose::Hedge, _) => {
            cx.state.clearing.books.post(unit, Place::House, Place::HouseTo(order.broker), execution.shares);
            if let Some(issuance) = cx.state.clearing.tokens.get_mut(&order.token) {
                issuance.to_hedge = (issuance.to_hedge - execution.shares).max(0);
            }
            if cx.state.clearing.tokens[&order.token].to_hedge == 0 {
                treasury::settle_repaired(cx, order.token, false);
            }
            0
        }
    }
}

/// The price the holder gets: its firm quote, else the fill's.
fn firm_or(state: &State, request: u64, price: Price) -> Price {
    state.clearing.requests.get(&request).map_or(price, |r| if r.price == 0 { price } else { r.price })
}

/// Token units that go with the next shares of a sale: of all shares so far rounded up, less what went before; all of them
/// with the last share of an order for the whole.
fn burned_by(state: &State, order: &BrokerOrder, shares: i64) -> Amount {
    if order.purpose != Purpose::Request || order.buys {
        return 0;
    }
    let asset = state.known_asset(order.token);
    let filled = order.filled + shares;
    let whole = filled == order.shares && i128::from(filled) == asset.shares(i128::from(order.units));
    let units = if whole { order.units } else { narrow(units_up(asset, i128::from(filled))).unwrap_or(order.units).min(order.units) };
    units - order.burned
}

/// Books what is owed to (or by) the broker for an execution, or takes it back (`sign` -1) while it is unsettled.
pub fn dollars_on_their_way(state: &mut State, execution: &Execution, sign: i64) {
    let (broker, books) = (execution.broker, &mut state.clearing.books);
    let amount = sign * net(execution);
    if execution.bought {
        books.post(Unit::Dollars, Place::Treasury, Place::ToBroker(broker), amount);
    } else {
        books.post(Unit::Dollars, Place::FromBroker(broker), Place::Treasury, amount);
    }
}

/// Micro-dollars that an execution moves, the broker's fee included.
#[must_use]
pub const fn net(execution: &Execution) -> i64 {
    if execution.bought { execution.dollars + execution.fee } else { execution.dollars - execution.fee }
}

/// Tells the treasury's debt of a token's shares.
pub fn tell_shortage(cx: &mut Context<'_>, token: u32) {
    let shares = cx.state.clearing.books.at(Unit::Shares(token), Place::Shortage);
    cx.tell(&ShortageChanged { token, shares });
    if shares == 0 {
        treasury::settle_repaired(cx, token, true);
    }
}

/// Matches an issuance with a redemption at the index: tokens and cash change hands, no share does. Both wait in the queue.
pub fn net_requests(cx: &mut Context<'_>, issuance: u64, redemption: u64) -> bool {
    let (buyer, seller) = (cx.state.clearing.requests[&issuance].clone(), cx.state.clearing.requests[&redemption].clone());
    let token = buyer.token;
    let asset = cx.state.known_asset(token);
    let underlying = cx.state.known_underlying(asset.terms.underlying);
    let price = underlying.price.index();
    let wanted = units_for(cx.state, token, routing::shares_for(cx.state, token, routing::net_of_fee(cx.state, token, buyer.held), price), price);
    let wanted = narrow(wanted).unwrap_or(0);
    let units = wanted.min(seller.held);
    // Entitled shares, rounded up: the buyer pays for them all.
    let shares = narrow(shares_up(asset, i128::from(units))).unwrap_or(0);
    if units <= 0 || shares <= 0 {
        return false;
    }
    let cash = cx.state.known_asset(buyer.cash);
    let cost = cost_up(underlying, shares, price) + cx.state.receivable(token, i128::from(units));
    let paid = narrow(coins_up(cash, cost)).unwrap_or(i64::MAX).min(buyer.held);
    let terms = cx.state.clearing.tokens[&token].terms.clone();
    let fee = narrow(rate_up(i128::from(paid), terms.mint_fee_ppm)).unwrap_or(0).min(buyer.held - paid);
    let sold_fee = narrow(rate_up(i128::from(paid), terms.redeem_fee_ppm)).unwrap_or(0).min(paid);

    let from = Party::Escrow(buyer.account);
    funds::post(cx.state, buyer.cash, from, Party::Fees, fee + sold_fee);
    funds::post(cx.state, buyer.cash, from, Party::Holder(seller.account), paid - sold_fee);
    funds::post(cx.state, token, Party::Escrow(seller.account), Party::Holder(buyer.account), units);
    for (id, used) in [(issuance, paid + fee), (redemption, units)] {
        if let Some(request) = cx.state.clearing.requests.get_mut(&id) {
            request.held -= used;
            request.units += units;
            request.shares += shares;
        }
        advance(cx, id, Step::Fill);
    }
    cx.tell(&crate::event::RequestsNetted { issuance, redemption, token, units, price });
    let locked = cx.state.clearing.locked(buyer.account, token);
    hedged::after(cx.state, issuance, shares);
    hedged::after(cx.state, redemption, shares);
    cx.tell_account(buyer.account, &TokensIssued { request: issuance, token, units, shares, price, cost: paid, fee, locked });
    cx.tell_account(seller.account, &TokensRedeemed { request: redemption, token, units, shares, price, due: 0, fee: sold_fee });
    unwind::after(cx.state, &buyer, shares);
    unwind::after(cx.state, &seller, shares);
    let balance = cx.state.accounts[seller.account as usize].balance(seller.cash).map_or(0, |b| b.pledged);
    cx.tell_account(seller.account, &RequestPaid { request: redemption, asset: seller.cash, amount: paid - sold_fee, balance });
    cx.touch(buyer.account);
    cx.touch(seller.account);
    // What a buyer has left once it has all units that it can pay is less than one costs.
    if units == wanted {
        request::end(cx, issuance, Step::Complete);
    }
    if units == seller.held {
        request::end(cx, redemption, Step::Complete);
    }
    true
}
