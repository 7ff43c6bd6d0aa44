//! Trades between two accounts outside the books: what blocks and quotes share.
//!
//! Responsible for: price limits by session, both sides' end states, the trade itself, and its delayed publication. Never
//! decides who consented: `block` and `quote` do.
//!
//! Such a trade is no part of the last price, the mark, impact prices, or the venue's perp volume. Two accounts can agree on
//! any price and size inside the limits without a third being able to trade there: what they agree on is no evidence of a
//! price, and volume that two friends can make at will must not lower anyone's exit cost.

use crate::context::Context;
use crate::event::{BlockPublished, BlockTraded};
use crate::legs::{self, Part, side_of};
use crate::matching;
use crate::order::Side;
use crate::perp;
use crate::reject::{Refusal, Reject, require};
use crate::session::Session;
use crate::state::State;
use crate::state::packages::{Due, Leg, Unpublished};
use crate::units::{PPM, div_floor, narrow};

/// Where a trade comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// A block.
    Block = 0,
    /// A quote.
    Quote = 1,
}

/// Each leg's market has block terms and the leg their least size.
///
/// # Errors
/// `market_must_have_block_terms`, `leg_must_meet_minimum_size`.
pub fn check_sizes(state: &State, origin: Origin, legs: &[Leg], field: u16) -> Result<(), Refusal> {
    for leg in legs {
        let terms = state.packages.block_terms.get(&leg.market);
        let terms = terms.ok_or(Reject::market_must_have_block_terms.at(field, i64::from(leg.market), 0))?;
        let least = if origin == Origin::Block { terms.block_lots } else { terms.quote_lots };
        require(leg.lots.abs() >= least, Reject::leg_must_meet_minimum_size.at(field + 1, leg.lots.abs(), least))?;
    }
    Ok(())
}

/// Each price is as near the index as its market's session asks.
///
/// # Errors
/// 606 without an index, `market_must_have_block_terms`, `price_must_be_near_index`.
pub fn check_prices(state: &State, legs: &[Leg], field: u16) -> Result<(), Refusal> {
    for leg in legs {
        let market = state.known_market(leg.market);
        let terms = state.packages.block_terms.get(&leg.market);
        let terms = terms.ok_or(Reject::market_must_have_block_terms.at(field, i64::from(leg.market), 0))?;
        let ppm = match state.known_underlying(market.terms.underlying).session.session {
            Session::Regular => terms.regular_ppm,
            Session::Pre | Session::Post => terms.extended_ppm,
            Session::Overnight => terms.overnight_ppm,
            Session::Closed | Session::Halted => terms.closed_ppm,
        };
        let index = i128::from(state.index_ticks(market));
        require(index > 0, Reject::price_quality_forbids_opening.at(field, i64::from(market.terms.underlying), 0))?;
        let width = div_floor(index * i128::from(ppm), i128::from(PPM));
        let (low, high) = (index - width, index + width);
        let price = i128::from(leg.price);
        let bound = if price < low { low } else { high };
        require((low..=high).contains(&price), Reject::price_must_be_near_index.at(field, leg.price, narrow(bound).unwrap_or(i64::MAX)))?;
    }
    Ok(())
}

/// One side's fills: legs at their prices with the listed fee, rounded up.
#[must_use]
pub fn parts(state: &State, legs: &[Leg]) -> Vec<Part> {
    let part = |l: &Leg| {
        let fee_ppm = state.packages.block_terms.get(&l.market).map_or(0, |t| t.fee_ppm);
        Part { market: l.market, lots: l.lots, price: l.price, fee: matching::fee(state.known_market(l.market), l.price, l.lots.abs(), fee_ppm) }
    };
    legs.iter().map(part).collect()
}

/// Whether both may end where the trade leaves them: `asking` sent the command and learns its own refusal; of `other` it
/// learns only that it cannot. `legs` are `asking`'s.
///
/// # Errors
/// 470, those of `legs::check_side`, and `other_side_must_be_able_to_trade`.
pub fn check(cx: &mut Context<'_>, asking: u32, other: u32, legs: &[Leg]) -> Result<(), Refusal> {
    check_owners(cx.state, asking, other)?;
    let theirs = legs::reversed(legs);
    legs::check_sizes(cx.state, asking, legs)?;
    let mut loans = legs::check_side(cx, asking, &parts(cx.state, legs))?;
    let unable = |_| Refusal::from(Reject::other_side_must_be_able_to_trade);
    legs::check_sizes(cx.state, other, &theirs).map_err(unable)?;
    loans.extend(legs::check_side(cx, other, &parts(cx.state, &theirs)).map_err(unable)?);
    legs::check_pools(cx.state, &loans).map_err(unable)
}

/// Nobody trades with itself.
///
/// # Errors
/// `sides_must_have_two_owners`.
pub fn check_owners(state: &State, one: u32, other: u32) -> Result<(), Refusal> {
    let owner = |account: u32| state.accounts[account as usize].owner;
    require(owner(one) != owner(other), Reject::sides_must_have_two_owners.at(0, state.accounts[other as usize].id as i64, 0))
}

/// Trades; both sides were checked. `legs` are `one`'s.
pub fn trade(cx: &mut Context<'_>, origin: Origin, offer: u64, (one, other): (u32, u32), legs: &[Leg]) {
    let ours = parts(cx.state, legs);
    let theirs = parts(cx.state, &legs::reversed(legs));
    let first = cx.state.last_trade + 1;
    let mut realised = (Vec::new(), Vec::new());
    for (mine, yours) in ours.iter().zip(&theirs) {
        let made = fill(cx, (one, mine), (other, yours));
        realised.0.push(made.0);
        realised.1.push(made.1);
        cx.state.last_trade += 1;
        hide(cx.state, mine);
    }
    for (account, counterparty, parts, realised) in [(one, other, &ours, realised.0), (other, one, &theirs, realised.1)] {
        legs::store_rates(cx.state, account, parts);
        let event = BlockTraded {
            origin: origin as u8,
            offer,
            trade: first,
            counterparty: cx.state.accounts[counterparty as usize].id,
            markets: parts.iter().map(|p| i64::from(p.market)).collect(),
            lots: parts.iter().map(|p| p.lots).collect(),
            prices: parts.iter().map(|p| p.price).collect(),
            fees: parts.iter().map(|p| p.fee).collect(),
            realised,
        };
        cx.tell_account(account, &event);
        cx.touch(account);
    }
}

fn fill(cx: &mut Context<'_>, (one, mine): (u32, &Part), (other, yours): (u32, &Part)) -> (i64, i64) {
    if cx.state.known_market(mine.market).is_perp() {
        let first = perp::fill(cx, one, mine.market, mine.lots, mine.price, mine.fee);
        return (first, perp::fill(cx, other, yours.market, yours.lots, yours.price, yours.fee));
    }
    let (ours, theirs) = ((one, mine.fee), (other, yours.fee));
    let (buyer, seller) = if side_of(mine.lots) == Side::Bid { (ours, theirs) } else { (theirs, ours) };
    matching::exchange(cx.state, mine.market, buyer, seller, mine.price, mine.lots.abs());
    (0, 0)
}

/// Keeps the last trade for its publication.
fn hide(state: &mut State, part: &Part) {
    let delay = state.packages.block_terms.get(&part.market).map_or(0, |t| t.publication_ns);
    let (trade, traded_ns) = (state.last_trade, state.now);
    let hidden = Unpublished { market: part.market, price: part.price, lots: part.lots.abs(), traded_ns };
    state.packages.unpublished.insert(trade, hidden);
    state.packages.due.insert((traded_ns.saturating_add(delay), Due::Publication(trade)));
}

/// The delay is over.
pub fn publish(cx: &mut Context<'_>, trade: u64) {
    let Some(hidden) = cx.state.packages.unpublished.remove(&trade) else { return };
    let mask = cx.state.packages.block_terms.get(&hidden.market).map_or(i64::MAX, |t| t.mask_lots);
    let Unpublished { market, price, lots, traded_ns } = hidden;
    cx.tell(&BlockPublished { trade, market, price, lots: lots.min(mask), masked: u8::from(lots > mask), traded_ns });
}
