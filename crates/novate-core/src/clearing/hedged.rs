//! Issuance with a short perp against it, and redemption that buys the perp back: one package with the primary market
//! (RULES section 6).
//!
//! Responsible for: `RequestHedged`, its check of the end state, and the perp that trades with each fill, in the same command.
//! What the book has no depth for at a fill follows with the passing of time, at the same worst price.

use super::gates;
use super::request::{self, Origin, Wish};
use crate::codec::Header;
use crate::command::RequestHedged;
use crate::context::Context;
use crate::eligibility;
use crate::event::HedgeTraded;
use crate::legs::{self, Part};
use crate::limits::{self, Intent};
use crate::margin::{Change, Level, Question};
use crate::matching::{self, Taker};
use crate::order::{SelfTrade, Side};
use crate::phase::Deed;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::lull::Figures;
use crate::state::clearing::{Hedge, RequestKind};
use crate::trading;
use crate::units::{Amount, Lots, Ticks, narrow};

/// `RequestHedged`.
///
/// # Errors
/// 201, 205, 206, 306, 405, 407, 418, 465, 501, 505, 905, 910, 913 to 930, 948, 1033 to 1038, 1101 to 1103.
pub fn place(cx: &mut Context<'_>, header: &Header, c: &RequestHedged) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let kind = gates::direction(c.direction, false)?;
    cx.state.clearing.issuance(c.token)?;
    let market = cx.state.market(c.market)?;
    let fits = market.is_perp() && market.terms.underlying == cx.state.known_asset(c.token).terms.underlying;
    require(fits, Reject::perp_must_hedge_the_token.at(4, i64::from(c.market), i64::from(c.token)))?;
    let side = side(kind);
    let limit = if c.price == 0 { trading::band_edge(cx.state, market, side)?.max(1) } else { c.price };
    require(limit > 0, Reject::price_must_be_positive.at(5, limit, 1))?;
    trading::check_band(cx.state, market, side, limit)?;
    let hedge = Some((c.market, limit));
    let wish = Wish { account, token: c.token, kind, amount: c.amount, reference: c.reference, quote: c.quote, origin: Origin::Package, hedge };
    request::open(cx, &wish).map(|_| ())
}

/// The perp's side: short against what is minted, back for what is redeemed.
const fn side(kind: RequestKind) -> Side {
    if kind.mints() { Side::Ask } else { Side::Bid }
}

/// The perp leg is allowed, the book has it now, and the end state is margined; no state on the way is looked at.
pub(super) fn margined(cx: &mut Context<'_>, wish: &Wish, cash: u32, price: i64) -> Result<(), Refusal> {
    let Some((market_id, limit)) = wish.hedge else { return Ok(()) };
    let alone = request::changes(cx.state, wish, cash, price);
    let units = alone.iter().find_map(|c| match *c {
        Change::Balance { asset, amount } if asset == wish.token => Some(amount.abs()),
        _ => None,
    });
    let market = cx.state.known_market(market_id);
    let (side, quote) = (side(wish.kind), market.terms.quote);
    let lots = whole_lots(cx.state, market_id, cx.state.known_asset(wish.token).shares(i128::from(units.unwrap_or(0))));
    let (min, max) = (market.terms.min_lots, market.terms.max_lots);
    require((min..=max).contains(&lots), Reject::lots_must_be_within_market_limits.at(3, lots, if lots < min { min } else { max }))?;
    trading::check_size(cx.state, &Figures::of(cx.state, market), wish.account, market, (side, limit, lots))?;
    require(market.phase.allows(Deed::Match), Reject::venue_must_be_open_for_orders.at(4, market.phase.phase as i64, 0))?;
    eligibility::may_trade(cx.state, wish.account, market_id, side, lots)?;
    let intent = Intent { actor: cx.events.actor(), account: wish.account, market: market_id, side, limit, lots, size: lots };
    limits::check_order(cx.state, &intent)?;
    let there = matching::fillable(cx.state, &taker(wish.account, market_id, side, limit, lots));
    require(there >= lots, Reject::package_must_fill_whole.at(3, lots, there))?;

    let fee = matching::fee(market, limit, lots, market.terms.taker_fee_ppm);
    let signed = side.sign() * lots;
    let crowd = legs::crowd_of(cx.state, wish.account, &[Part { market: market_id, lots: signed, price: limit, fee }]);
    let trade = [Change::Trade { market: market_id, lots: signed, price: limit }, Change::Balance { asset: quote, amount: -fee }];
    let whole: Vec<Change> = alone.iter().chain(&trade).copied().collect();
    let end = cx.evaluate(wish.account, &Question { changes: &whole, ..Question::at(Level::Initial) }).excess() - crowd;
    if end >= 0 {
        return Ok(());
    }
    let before = cx.evaluate(wish.account, &Question::at(Level::Initial)).excess();
    let refusal = Reject::excess_at_initial_must_not_be_negative.at(2, narrow(end).unwrap_or(i64::MIN), 0);
    require(wish.kind == RequestKind::Redeem && end >= before, refusal)
}

fn whole_lots(state: &State, market: u32, shares: i128) -> Lots {
    narrow(shares / state.shares_of(state.known_market(market), 1).max(1)).unwrap_or(i64::MAX)
}

const fn taker(account: u32, market: u32, side: Side, limit: Ticks, lots: Lots) -> Taker {
    Taker { account, order: 0, market, side, limit, lots, self_trade: SelfTrade::CancelOldest, liquidation: false }
}

/// A request was taken in with its perp.
pub(super) fn remember(state: &mut State, id: u64, wish: &Wish) {
    if let Some((market, limit)) = wish.hedge {
        state.clearing.hedges.insert(id, Hedge { account: wish.account, market, limit, sells: wish.kind.mints(), shares: 0 });
    }
}

/// A fill of a request minted or burned shares.
pub(super) fn after(state: &mut State, id: u64, shares: i64) {
    if let Some(hedge) = state.clearing.hedges.get_mut(&id) {
        hedge.shares += shares;
        state.clearing.hedging.insert(id);
    }
}

/// Trades what the current command's fills ask for.
pub fn of_fills(cx: &mut Context<'_>) {
    let ids: Vec<u64> = cx.state.clearing.hedging.iter().copied().collect();
    cx.state.clearing.hedging.clear();
    for id in ids {
        trade(cx, id);
    }
}

/// Tries again what the book had no depth for, and forgets what is done; round robin.
pub(super) fn again(cx: &mut Context<'_>, most: usize) {
    let (hedges, from) = (&cx.state.clearing.hedges, cx.state.clearing.hedge_cursor);
    let ids: Vec<u64> = hedges.range(from..).chain(hedges.range(..from)).take(most).map(|h| *h.0).collect();
    cx.state.clearing.hedge_cursor = ids.last().map_or(0, |last| last + 1);
    for id in ids {
        trade(cx, id);
        let fills = cx.state.clearing.requests.get(&id).is_some_and(|r| r.held > 0 || r.order != 0);
        let Some(hedge) = cx.state.clearing.hedges.get(&id) else { continue };
        let over = cx.state.accounts[hedge.account as usize].liquidation.is_some() || whole_lots(cx.state, hedge.market, i128::from(hedge.shares)) == 0;
        if !fills && over {
            cx.state.clearing.hedges.remove(&id);
        }
    }
}

/// Whole lots of what was filled, at no worse than the package's price; a part of a lot waits for the next fill. Nothing is sold
/// short for an account in liquidation, and nothing trades while a corporate action takes effect.
fn trade(cx: &mut Context<'_>, id: u64) {
    let Some(Hedge { account, market, limit, sells, shares }) = cx.state.clearing.hedges.get(&id).copied() else { return };
    let lots = whole_lots(cx.state, market, i128::from(shares));
    let liquidated = cx.state.accounts[account as usize].liquidation.is_some();
    let halted = cx.state.corporate.halts(cx.state.known_market(market).terms.underlying, cx.state.now);
    if lots == 0 || halted || (liquidated && sells) {
        return;
    }
    let side = if sells { Side::Ask } else { Side::Bid };
    let left = matching::take(cx, &taker(account, market, side, limit, lots)).left;
    if left == lots {
        return;
    }
    let done = shares_of(cx.state, market, lots - left);
    if let Some(hedge) = cx.state.clearing.hedges.get_mut(&id) {
        hedge.shares -= done;
    }
    cx.tell_account(account, &HedgeTraded { request: id, market, lots: side.sign() * (lots - left), left });
    cx.touch(account);
}

fn shares_of(state: &State, market: u32, lots: Lots) -> Amount {
    narrow(state.shares_of(state.known_market(market), i128::from(lots))).unwrap_or(i64::MAX)
}
