//! Auctions and the phases around them: orders gather, then trade at one price.
//!
//! Responsible for: turning a market's phase, the auction's price and volume, its trades, and keeping an owner from trading
//! with himself in it. Never admits an order: `trading` has margined every order at its own limit, which is never better
//! than the auction's price, so nothing fills that was not margined.

use crate::command::SetMarketPhase;
use crate::context::Context;
use crate::event::{AuctionUncrossed, MarketPhaseChanged, OrderAmended, OrderFilled};
use crate::matching::sweep::Sweep;
use crate::matching::{self, Outcome, Taker, crosses};
use crate::order::{NIL, Side};
use crate::perp;
use crate::phase::{Phase, PhaseState, Turn};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::{Market, State};
use crate::units::{Lots, Nanos, Ticks, narrow};
use crate::waiting;

/// What an auction would trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Equilibrium {
    /// The one price, ticks.
    pub price: Ticks,
    /// Lots that trade.
    pub lots: i128,
    /// Lots at that price without a counterpart, bids positive.
    pub surplus: i128,
}

/// Prices from `low` to `high` at which the same lots are wanted and offered.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    low: Ticks,
    high: Ticks,
    bids: i128,
    asks: i128,
}

impl Stretch {
    /// Volume, and surplus against it: more of the first is better, less of the second.
    fn rank(&self) -> (i128, i128) {
        (self.bids.min(self.asks), -(self.bids - self.asks).abs())
    }
}

/// The auction's price: of all tick prices those with the largest volume, of these those with the smallest surplus; if there
/// the surplus is on the bid side everywhere the highest of them, on the ask side everywhere the lowest, else the one nearest
/// to `reference`. The prices left are one unbroken range, since bids fall and asks rise with the price: so the nearest is
/// one. Levels are best first; `None` when the best bid is below the best ask.
#[must_use]
pub fn equilibrium(bids: &[(Ticks, Lots)], asks: &[(Ticks, Lots)], reference: Ticks) -> Option<Equilibrium> {
    let stretches = stretches(bids, asks)?;
    let best = stretches.iter().map(Stretch::rank).max()?;
    let mut tied = stretches.iter().filter(|s| s.rank() == best);
    let first = *tied.next()?;
    let last = tied.next_back().copied().unwrap_or(first);
    let price = match (first.bids - first.asks, last.bids - last.asks) {
        (_, 1..) => last.high,
        (..=-1, _) => first.low,
        _ => reference.clamp(first.low, last.high),
    };
    let at = stretches.iter().find(|s| s.low <= price && price <= s.high)?;
    Some(Equilibrium { price, lots: at.bids.min(at.asks), surplus: at.bids - at.asks })
}

/// Every price from the best ask to the best bid, ascending, in stretches of equal supply and demand.
fn stretches(bids: &[(Ticks, Lots)], asks: &[(Ticks, Lots)]) -> Option<Vec<Stretch>> {
    let (highest, lowest) = (bids.first()?.0, asks.first()?.0);
    if highest < lowest {
        return None;
    }
    let inside = |level: &&(Ticks, Lots)| (lowest..=highest).contains(&level.0);
    let mut limits: Vec<Ticks> = bids.iter().chain(asks).filter(inside).map(|l| l.0).collect();
    limits.sort_unstable();
    limits.dedup();
    let mut wanted: i128 = bids.iter().filter(inside).map(|l| i128::from(l.1)).sum();
    let (mut offered, mut bid, mut ask) = (0, bids.iter().filter(inside).rev().peekable(), asks.iter().peekable());
    let mut found = Vec::with_capacity(2 * limits.len());
    for (at, &limit) in limits.iter().enumerate() {
        while let Some(level) = ask.next_if(|l| l.0 <= limit) {
            offered += i128::from(level.1);
        }
        found.push(Stretch { low: limit, high: limit, bids: wanted, asks: offered });
        while let Some(level) = bid.next_if(|l| l.0 <= limit) {
            wanted -= i128::from(level.1);
        }
        if let Some(&next) = limits.get(at + 1)
            && limit + 1 < next
        {
            found.push(Stretch { low: limit + 1, high: next - 1, bids: wanted, asks: offered });
        }
    }
    Some(found)
}

/// What the auction would trade now; for people while orders gather.
#[must_use]
pub fn indicative(state: &State, market: &Market) -> Option<Equilibrium> {
    let levels = |side: Side| market.book.levels(side, usize::MAX).collect::<Vec<_>>();
    equilibrium(&levels(Side::Bid), &levels(Side::Ask), state.index_ticks(market))
}

/// `SetMarketPhase`.
///
/// # Errors
/// 306, 309, 436, 606.
pub fn set_phase(cx: &mut Context<'_>, command: &SetMarketPhase) -> Result<(), Refusal> {
    let market = cx.state.market(command.market)?;
    let turn = match Phase::try_from(command.phase)? {
        Phase::Open => Turn::Uncross,
        Phase::CancelOnly => Turn::Restrict,
        Phase::Call => Turn::Call,
        Phase::Closed => Turn::Close,
    };
    market.phase.after(turn)?;
    let timed = matches!(turn, Turn::Restrict | Turn::Call);
    let later = command.until_ns == 0 || timed && command.until_ns > cx.state.now;
    require(later, Reject::parameter_must_be_within_bounds.at(5, command.until_ns, if timed { cx.state.now + 1 } else { 0 }))?;
    if turn == Turn::Uncross {
        require(priced(cx.state, market), Reject::price_quality_forbids_opening.at(1, i64::from(market.terms.underlying), 0))?;
        uncross(cx, command.market);
        return Ok(());
    }
    turn_to(cx, command.market, turn, command.until_ns);
    Ok(())
}

/// A market takes cancellations only until `until_ns`, then gathers orders for an auction: after an outage.
pub fn to_cancel_only(cx: &mut Context<'_>, market: u32, until_ns: Nanos) {
    turn_to(cx, market, Turn::Restrict, until_ns);
}

/// A market gathers orders until `until_ns` and opens with an auction: an opening, a reopening, a listing.
pub fn begin_call(cx: &mut Context<'_>, market: u32, until_ns: Nanos) {
    turn_to(cx, market, Turn::Call, until_ns);
}

fn turn_to(cx: &mut Context<'_>, market: u32, turn: Turn, until_ns: Nanos) {
    if let Ok(phase) = cx.state.known_market(market).phase.after(turn) {
        cx.state.market_mut(market).phase = PhaseState { phase, until_ns };
        cx.tell(&MarketPhaseChanged { market, phase: phase as u8, reserved0: 0, reserved1: 0, until_ns });
    }
}

/// An auction needs a price that positions may be opened at, and no corporate action at work.
fn priced(state: &State, market: &Market) -> bool {
    !state.corporate.halts(market.terms.underlying, state.now)
        && state.known_underlying(market.terms.underlying).price.permission(Action::Open) == Permission::Yes && state.index_ticks(market) > 0
}

/// Turns the phases whose time has come: at most one auction per call, whose work is bounded by the size of a book.
pub fn turn_due(cx: &mut Context<'_>) {
    let (now, call_ns) = (cx.state.now, waiting::terms(cx.state).call_ns);
    for id in 1..cx.state.markets.len() as u32 {
        let Some(market) = &cx.state.markets[id as usize] else { continue };
        let PhaseState { phase, until_ns } = market.phase;
        if until_ns == 0 || until_ns > now {
            continue;
        }
        if phase == Phase::Call && priced(cx.state, market) {
            uncross(cx, id);
            return;
        }
        // After cancel-only the call; a call that has no price to open at is extended.
        turn_to(cx, id, Turn::Call, now.saturating_add(call_ns));
    }
}

/// Takes out what can't fill, finds the price, trades at it, opens the market.
fn uncross(cx: &mut Context<'_>, market_id: u32) {
    withdraw_unavailable(cx, market_id);
    let market = cx.state.known_market(market_id);
    let found = indicative(cx.state, market);
    let (price, lots, surplus) = found.map_or((0, 0, 0), |e| (e.price, narrow(e.lots).unwrap_or(i64::MAX), narrow(e.surplus).unwrap_or(i64::MAX)));
    cx.tell(&AuctionUncrossed { market: market_id, reserved0: 0, price, lots, surplus });
    let mut left = found.map_or(0, |e| e.lots);
    while left > 0 {
        let book = &cx.state.known_market(market_id).book;
        let (Some(bid), Some(ask)) = (book.best_level_head(Side::Bid), book.best_level_head(Side::Ask)) else { break };
        let lots = cx.state.orders.order(bid).leaves().min(cx.state.orders.order(ask).leaves());
        let lots = narrow(left.min(i128::from(lots))).unwrap_or(lots);
        left -= i128::from(lots);
        pair(cx, market_id, bid, ask, price, lots);
    }
    cx.state.market_mut(market_id).phase = PhaseState::default();
    cx.tell(&MarketPhaseChanged { market: market_id, phase: Phase::Open as u8, reserved0: 0, reserved1: 0, until_ns: 0 });
}

/// A reduce-only order larger than its position, or a spot bid whose cash went into a settlement, shrinks to what can fill,
/// in the order in which the auction would reach it.
fn withdraw_unavailable(cx: &mut Context<'_>, market_id: u32) {
    for side in [Side::Bid, Side::Ask] {
        let market = cx.state.known_market(market_id);
        let Some(opposite) = market.book.best(side.opposite()) else { return };
        let (mut swept, mut shrinks, mut next) = (Sweep::default(), Vec::new(), market.book.best_level_head(side));
        while let Some(slot) = next.filter(|&s| crosses(side, cx.state.orders.order(s).price(), opposite)) {
            let lots = swept.available(cx.state, slot);
            swept.fill(cx.state, slot, lots);
            if lots < cx.state.orders.order(slot).leaves() {
                shrinks.push((slot, lots));
            }
            next = market.book.next_in_priority(&cx.state.orders, slot);
        }
        for (slot, lots) in shrinks {
            if lots == 0 {
                let gone = matching::why_none(cx.state, slot);
                matching::cancel(cx, slot, gone);
                continue;
            }
            let order = *cx.state.orders.order(slot);
            matching::reduce(cx.state, slot, order.leaves() - lots);
            let amended = OrderAmended {
                order: cx.state.orders.id(slot),
                market: market_id,
                side: side as u8,
                kept_priority: 1,
                reserved0: 0,
                price: order.price(),
                leaves: lots,
            };
            cx.tell_account(order.account(), &amended);
            matching::tell_level(cx, market_id, side, order.price());
        }
    }
}

/// One trade of an auction. Nobody takes: both sides pay the maker's fee.
fn pair(cx: &mut Context<'_>, market_id: u32, bid: u32, ask: u32, price: Ticks, lots: Lots) {
    let (bid_order, ask_order) = (cx.state.orders.id(bid), cx.state.orders.id(ask));
    let levels = [(Side::Bid, cx.state.orders.order(bid).price()), (Side::Ask, cx.state.orders.order(ask).price())];
    let (buyer, bid_leaves) = matching::fill_resting(cx.state, bid, lots);
    let (seller, ask_leaves) = matching::fill_resting(cx.state, ask, lots);
    cx.state.last_trade += 1;
    let trade = cx.state.last_trade;
    let market = cx.state.market_mut(market_id);
    market.last_trade = price;
    market.mark.traded(market.price_of(price));
    let fee = matching::fee(market, price, lots, market.terms.maker_fee_ppm);
    let (bought, sold) = if market.is_perp() {
        let notional = cx.state.notional(cx.state.known_market(market_id), price, lots);
        matching::count_turnover(cx.state, market_id, notional);
        (perp::fill(cx, buyer, market_id, lots, price, fee), perp::fill(cx, seller, market_id, -lots, price, fee))
    } else {
        matching::exchange(cx.state, market_id, (buyer, fee), (seller, fee), price, lots);
        (0, 0)
    };
    for (account, order, side, leaves, realised) in [(buyer, bid_order, Side::Bid, bid_leaves, bought), (seller, ask_order, Side::Ask, ask_leaves, sold)] {
        let side = side as u8;
        let (maker, liquidation, reserved0, market) = (1, 0, 0, market_id);
        cx.tell_account(account, &OrderFilled { order, trade, market, side, maker, liquidation, reserved0, price, lots, leaves, fee, realised });
        cx.touch(account);
    }
    for (side, price) in levels {
        matching::tell_level(cx, market_id, side, price);
    }
}

/// While orders gather, an order that would cross one of its owner's is dealt with as it comes in, as its mode says. So at
/// no price can an owner be on both sides of the auction.
pub fn meet_own(cx: &mut Context<'_>, taker: &Taker) -> Outcome {
    let mut outcome = Outcome { left: taker.lots, ..Outcome::default() };
    if cx.state.known_market(taker.market).terms.self_trade == 1 {
        return outcome;
    }
    for slot in own_crossing(cx.state, taker) {
        if outcome.left > 0 && !outcome.self_trade {
            matching::prevent(cx, taker, slot, &mut outcome);
        }
    }
    outcome
}

/// The owner's resting orders on the other side that cross the limit, in the book's priority: best price first, then by place
/// in the queue. The book is walked only where two of them share a price.
fn own_crossing(state: &State, taker: &Taker) -> Vec<u32> {
    let owner = &state.owners[state.accounts[taker.account as usize].owner as usize];
    let mut found = Vec::new();
    for &account in &owner.accounts {
        let mut next = state.accounts[account as usize].orders;
        while next != NIL {
            let order = state.orders.order(next);
            let resting = order.stage() == crate::order::Stage::Resting && order.market() == taker.market;
            if resting && order.side() != taker.side && crosses(taker.side, taker.limit, order.price()) {
                found.push(next);
            }
            next = state.orders.next_of_account(next).unwrap_or(NIL);
        }
    }
    let rank = |slot: &u32| taker.side.sign() * state.orders.order(*slot).price();
    found.sort_unstable_by_key(|slot| (rank(slot), *slot));
    if found.windows(2).all(|w| rank(&w[0]) != rank(&w[1])) {
        return found;
    }
    let book = &state.known_market(taker.market).book;
    let mut queue = Vec::with_capacity(found.len());
    let mut next = book.best_level_head(taker.side.opposite());
    while let Some(slot) = next.filter(|_| queue.len() < found.len()) {
        if found.contains(&slot) {
            queue.push(slot);
        }
        next = book.next_in_priority(&state.orders, slot);
    }
    queue
}

#[cfg(test)]
mod tests {
    use super::{Equilibrium, equilibrium};

    /// Every tick price tried, by the words of the rule.
    fn reference(bids: &[(i64, i64)], asks: &[(i64, i64)], index: i64) -> Option<Equilibrium> {
        let (highest, lowest) = (bids.iter().map(|b| b.0).max()?, asks.iter().map(|a| a.0).min()?);
        if highest < lowest {
            return None;
        }
        let at = |price: i64| {
            let wanted: i128 = bids.iter().filter(|b| b.0 >= price).map(|b| i128::from(b.1)).sum();
            let offered: i128 = asks.iter().filter(|a| a.0 <= price).map(|a| i128::from(a.1)).sum();
            (wanted.min(offered), wanted - offered)
        };
        let all: Vec<i64> = (lowest..=highest).collect();
        let volume = all.iter().map(|&p| at(p).0).max()?;
        let large: Vec<i64> = all.into_iter().filter(|&p| at(p).0 == volume).collect();
        let surplus = large.iter().map(|&p| at(p).1.abs()).min()?;
        let left: Vec<i64> = large.into_iter().filter(|&p| at(p).1.abs() == surplus).collect();
        let price = if left.iter().all(|&p| at(p).1 > 0) {
            *left.last()?
        } else if left.iter().all(|&p| at(p).1 < 0) {
            left[0]
        } else {
            *left.iter().min_by_key(|&&p| ((p - index).abs(), p))?
        };
        Some(Equilibrium { price, lots: volume, surplus: at(price).1 })
    }

    #[test]
    fn the_price_is_the_one_of_the_rule() {
        let mut seed = 11_u64;
        let mut chance = move |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % most) as i64
        };
        let mut traded = 0;
        for _ in 0..20_000 {
            let mut side = |descending: bool| {
                let mut levels: Vec<(i64, i64)> = (0..chance(6)).map(|_| (90 + chance(20), 1 + chance(9))).collect();
                levels.sort_unstable();
                levels.dedup_by_key(|l| l.0);
                if descending {
                    levels.reverse();
                }
                levels
            };
            let (bids, asks) = (side(true), side(false));
            let index = 85 + chance(30);
            let found = equilibrium(&bids, &asks, index);
            assert_eq!(found, reference(&bids, &asks, index), "{bids:?} {asks:?} {index}");
            traded += u32::from(found.is_some());
        }
        assert!(traded > 5_000);
    }
}
