//! What issuance and redemption stand on: parameters, brokers, tokens, backing, funding, depth, and who is let in.
//!
//! Responsible for: validating and storing. Never moves a holder's balance.

use super::{capacity, fault, fits, reissue, shares_up};
use crate::command::{
    AttestBacking, AuthoriseParticipant, ConfigureClearing, EnableBroker, FundBroker, FundInventory, ListBroker, ListIssuance,
    PauseIssuance, PostDepth,
};
use crate::context::Context;
use crate::event::{
    BackingAttested, BrokerChanged, BrokerFunded, ClearingConfigured, DepthPosted, InventoryFunded, IssuancePaused, Listed, ParticipantAuthorised,
};
use crate::ledger::Party;
use crate::ledger::books::{Place, Unit};
use crate::params::{listable_id, plain_name, within};
use crate::reject::{Refusal, Reject, require};
use crate::state::clearing::{Broker, Depth, Issuance, Window};
use crate::units::{HOUR, PPM, SECOND};
use std::collections::BTreeMap;

/// Largest amount of dollars, shares or tokens one command may bring: a thousand times less than what overflows.
pub(super) const LARGEST: i64 = i64::MAX / 1_000;

/// `ConfigureClearing`.
///
/// # Errors
/// 303, 309, 902.
pub fn configure(cx: &mut Context<'_>, c: &ConfigureClearing) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.clearing.terms.is_none(), Reject::clearing_must_be_configured_once)?;
    within(&[
        (1, c.quote_life_ns, SECOND, HOUR),
        (2, c.queue_life_ns, SECOND, 30 * 24 * HOUR),
        (3, c.default_freeze_ns, HOUR, 365 * 24 * HOUR),
        (4, c.peg_ppm, 100, PPM / 10),
        (5, c.conversion_limit, 1, LARGEST),
        (6, c.conversion_cutoff_ns, 0, 24 * HOUR),
        (7, c.shortage_cap, 0, LARGEST),
        (8, c.due_ppm, 95 * PPM / 100, 98 * PPM / 100),
        (9, c.depth_age_ns, SECOND, 24 * HOUR),
        (10, c.kept_ns, 24 * HOUR, 365 * 24 * HOUR),
        (11, i64::from(c.queue_accounts), 1, 1_000_000),
    ])?;
    cx.state.clearing.terms = Some(c.clone());
    cx.tell(&ClearingConfigured {});
    Ok(())
}

/// `ListBroker`.
///
/// # Errors
/// 301, 309, 310, 901, 904.
pub fn broker(cx: &mut Context<'_>, c: &ListBroker) -> Result<(), Refusal> {
    require(cx.state.clearing.terms.is_some(), Reject::clearing_must_be_configured)?;
    listable_id(c.broker)?;
    plain_name(&c.name, 2)?;
    within(&[(3, i64::from(c.fractional), 0, 1), (4, c.custody_limit, 0, LARGEST), (5, c.order_limit, 0, LARGEST)])?;
    require(!cx.state.clearing.brokers.contains_key(&c.broker), Reject::broker_must_be_new.at(1, i64::from(c.broker), 0))?;
    let broker = Broker { terms: c.clone(), connected: true, enabled: true, frozen_until_ns: 0, committed: 0, committed_shares: BTreeMap::new() };
    cx.state.clearing.brokers.insert(c.broker, broker);
    cx.tell(&Listed { what: "broker".to_owned(), id: c.broker, name: c.name.clone() });
    Ok(())
}

/// `ListIssuance`.
///
/// # Errors
/// 304, 309, 901, 906, 907, 946.
pub fn issuance(cx: &mut Context<'_>, c: &ListIssuance) -> Result<(), Refusal> {
    require(cx.state.clearing.terms.is_some(), Reject::clearing_must_be_configured)?;
    let token = cx.state.asset(c.token)?;
    let cash = cx.state.asset(c.cash).map_err(|r| Refusal { field: 2, ..r })?;
    require(!token.is_stablecoin() && cash.is_stablecoin(), Reject::cash_must_be_a_stablecoin.at(2, i64::from(c.cash), 0))?;
    within(&[
        (3, c.mint_fee_ppm, 0, PPM / 20),
        (4, c.redeem_fee_ppm, 0, PPM / 20),
        (5, c.sanity_ppm, 100, PPM / 5),
        (6, c.request_min, 1, c.request_max),
        (7, c.request_max, 1, LARGEST),
        (8, c.account_limit, 0, LARGEST),
        (9, c.token_limit, 0, LARGEST),
        (10, c.window_ns, SECOND, 31 * 24 * HOUR),
        (12, c.statement_age_ns, HOUR, 365 * 24 * HOUR),
    ])?;
    let whole = c.sessions.len() == 6 && c.sessions.iter().all(|mask| (0..32).contains(mask));
    require(whole, Reject::sessions_must_be_named_in_full.at(11, c.sessions.len() as i64, 6))?;
    let inside = cx.state.ledger.venue(Party::Custody, c.token);
    let fresh = inside == 0 && !cx.state.clearing.tokens.contains_key(&c.token);
    require(fresh, Reject::token_must_be_new_to_issuance.at(1, i64::from(c.token), inside))?;
    let name = token.terms.name.clone();
    let issuance = Issuance {
        terms: c.clone(),
        issued: 0,
        mint_paused: false,
        redeem_paused: false,
        locked: 0,
        agreed_ns: cx.state.now,
        used: [Window::default(); 2],
        repairs: [0; 2],
        published: [(0, 0); 2],
        to_hedge: 0,
    };
    cx.state.clearing.tokens.insert(c.token, issuance);
    cx.tell(&Listed { what: "issuance".to_owned(), id: c.token, name });
    Ok(())
}

fn amount(value: i64, field: u16) -> Result<(), Refusal> {
    require(value > 0, Reject::amount_must_be_positive.at(field, value, 1))?;
    require(value <= LARGEST, Reject::amount_must_not_overflow.at(field, value, LARGEST))
}

/// `AttestBacking`.
///
/// # Errors
/// 205, 207, 903, 905, 908.
pub fn attest(cx: &mut Context<'_>, c: &AttestBacking) -> Result<(), Refusal> {
    let issued = cx.state.clearing.issuance(c.token)?.issued;
    cx.state.clearing.broker(c.broker)?;
    amount(c.units, 3)?;
    amount(c.shares, 4)?;
    let asset = cx.state.known_asset(c.token);
    let needed = shares_up(asset, i128::from(issued) + i128::from(c.units)) - shares_up(asset, i128::from(issued));
    fits(i128::from(issued) + i128::from(c.units))?;
    fits(shares_up(asset, i128::from(issued) + i128::from(c.units)))?;
    require(i128::from(c.shares) >= needed, Reject::backing_must_cover_tokens.at(4, c.shares, needed as i64))?;
    let settled = cx.state.clearing.books.sum(Unit::Shares(c.token), Place::is_debit_normal);
    fits(i128::from(settled) + i128::from(c.shares))?;

    reissue(cx.state, c.token, c.units, c.shares, Place::Broker(c.broker));
    cx.tell(&BackingAttested { token: c.token, broker: c.broker, units: c.units, shares: c.shares });
    capacity::publish(cx);
    Ok(())
}

/// `FundBroker`. What is taken out was claimed by no order and no purchase that settles later.
///
/// # Errors
/// 205, 207, 903, 939.
pub fn fund_broker(cx: &mut Context<'_>, c: &FundBroker) -> Result<(), Refusal> {
    cx.state.clearing.broker(c.broker)?;
    amount(size(c.amount), 2)?;
    let free = capacity::free_dollars(cx.state, c.broker);
    require(c.amount > 0 || size(c.amount) <= free, Reject::treasury_must_cover_payment.at(2, size(c.amount), free))?;
    let held = cx.state.clearing.books.sum(Unit::Dollars, Place::is_debit_normal);
    fits(i128::from(held) + i128::from(c.amount))?;
    let books = &mut cx.state.clearing.books;
    books.post(Unit::Dollars, Place::Broker(c.broker), Place::Treasury, c.amount);
    let balance = books.at(Unit::Dollars, Place::Broker(c.broker));
    cx.tell(&BrokerFunded { broker: c.broker, amount: c.amount, balance });
    capacity::publish(cx);
    Ok(())
}

/// An amount that comes (positive) or goes, without its direction.
const fn size(amount: i64) -> i64 {
    amount.saturating_abs()
}

/// `FundInventory`. What is taken out is for no sale.
///
/// # Errors
/// 205, 207, 903, 905, 944.
pub fn fund_inventory(cx: &mut Context<'_>, c: &FundInventory) -> Result<(), Refusal> {
    cx.state.clearing.issuance(c.token)?;
    cx.state.clearing.broker(c.broker)?;
    amount(size(c.shares), 3)?;
    let free = fault::unsold_inventory(cx.state, c.token, c.broker);
    require(c.shares > 0 || size(c.shares) <= free, Reject::broker_must_have_shares.at(3, size(c.shares), free))?;
    let held = cx.state.clearing.books.sum(Unit::Shares(c.token), Place::is_debit_normal);
    fits(i128::from(held) + i128::from(c.shares))?;
    let books = &mut cx.state.clearing.books;
    books.post(Unit::Shares(c.token), Place::HouseAt(c.broker), Place::House, c.shares);
    let balance = books.at(Unit::Shares(c.token), Place::HouseAt(c.broker));
    cx.tell(&InventoryFunded { token: c.token, broker: c.broker, shares: c.shares, balance });
    capacity::publish(cx);
    Ok(())
}

/// `PostDepth`.
///
/// # Errors
/// 305, 309.
pub fn depth(cx: &mut Context<'_>, c: &PostDepth) -> Result<(), Refusal> {
    cx.state.underlying(c.underlying)?;
    within(&[(2, c.buy, 0, LARGEST), (3, c.sell, 0, LARGEST)])?;
    cx.state.clearing.depth.insert(c.underlying, Depth { dollars: [c.buy, c.sell], time_ns: cx.state.now });
    cx.tell(&DepthPosted { underlying: c.underlying, buy: c.buy, sell: c.sell });
    capacity::publish(cx);
    Ok(())
}

/// `PauseIssuance`.
///
/// # Errors
/// 309, 905.
pub fn pause(cx: &mut Context<'_>, c: &PauseIssuance) -> Result<(), Refusal> {
    cx.state.clearing.issuance(c.token)?;
    within(&[(2, i64::from(c.mint), 0, 1), (3, i64::from(c.redeem), 0, 1)])?;
    if let Some(issuance) = cx.state.clearing.tokens.get_mut(&c.token) {
        (issuance.mint_paused, issuance.redeem_paused) = (c.mint == 1, c.redeem == 1);
    }
    cx.tell(&IssuancePaused { token: c.token, mint: c.mint, redeem: c.redeem });
    capacity::publish(cx);
    Ok(())
}

/// `EnableBroker`.
///
/// # Errors
/// 309, 903.
pub fn enable(cx: &mut Context<'_>, c: &EnableBroker) -> Result<(), Refusal> {
    cx.state.clearing.broker(c.broker)?;
    within(&[(2, i64::from(c.enabled), 0, 1)])?;
    if let Some(broker) = cx.state.clearing.brokers.get_mut(&c.broker) {
        broker.enabled = c.enabled == 1;
    }
    tell_broker(cx, c.broker);
    capacity::publish(cx);
    Ok(())
}

/// Tells where a broker stands.
pub(super) fn tell_broker(cx: &mut Context<'_>, id: u32) {
    let broker = &cx.state.clearing.brokers[&id];
    let (connected, enabled, frozen_until_ns) = (u8::from(broker.connected), u8::from(broker.enabled), broker.frozen_until_ns);
    cx.tell(&BrokerChanged { broker: id, connected, enabled, frozen_until_ns });
}

/// `AuthoriseParticipant`.
///
/// # Errors
/// 201, 309.
pub fn participant(cx: &mut Context<'_>, c: &AuthoriseParticipant) -> Result<(), Refusal> {
    let account = cx.state.account(c.account)?;
    within(&[(2, i64::from(c.allowed), 0, 1)])?;
    if c.allowed == 1 {
        cx.state.clearing.participants.insert(account);
    } else {
        cx.state.clearing.participants.remove(&account);
    }
    cx.tell(&ParticipantAuthorised { account: c.account, allowed: c.allowed });
    Ok(())
}
