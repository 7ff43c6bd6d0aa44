//! What *reducing* means (RULES section 6): after any subset of fills R at initial is not higher and Excess at maintenance
//! not lower. Only such order sets are free of ORD, or allowed below initial.
//!
//! Responsible for: the test. Never cancels or refuses anything.

use crate::context::Context;
use crate::margin::{Change, Level, Question};
use crate::matching;
use crate::order::{Side, Stage};
use crate::perp;
use crate::state::State;
use crate::units::{Lots, Ticks, Value, narrow};
use crate::waiting;
use std::collections::BTreeMap;

/// Whether a new order and the account's open ones (but the one it replaces) only reduce.
pub fn reduces(cx: &mut Context<'_>, account: u32, fill: Fill, replaced: Option<Fill>, unfilled: &Unfilled) -> bool {
    let mut set = other_fills(cx.state, account, replaced);
    set.push(fill);
    all_reduce(cx, account, &set, unfilled)
}

/// Whether a set of orders only reduces, whatever part of each fills.
///
/// R at initial and minus Excess at maintenance are convex in what has filled: exposures and cash are linear in it, and every
/// term is a maximum of convex functions of those. A convex function on a polytope is largest at a corner. Orders of one side
/// of a market matter by their filled lots and what those cost, which lie in the triangle of (nothing, all at the lowest
/// price, all at the highest): so each side of a market has two corners beside nothing, one when its prices are equal, and the
/// set has their product. More than the listed number does not count as reducing. (What is not convex, and how far: ADR 6.)
///
/// All legs of a name are priced by the sign of its net exposure. Where one side alone can turn it, the last lots before the turn
/// and the first after it are corners, too: each part is convex by itself. Where several sides can, the set does not count.
pub fn all_reduce(cx: &mut Context<'_>, account: u32, set: &[Fill], unfilled: &Unfilled) -> bool {
    let Some(sides) = sides(cx.state, account, set) else { return false };
    let corners = sides.iter().try_fold(1_u32, |product, side| product.checked_mul(side.len() as u32 + 1));
    let Some(corners) = corners.filter(|&c| c <= waiting::terms(cx.state).reducing_corners) else { return false };
    let mut fills = Vec::with_capacity(sides.len());
    (1..corners).all(|corner| {
        let mut rest = corner as usize;
        fills.clear();
        for side in &sides {
            let choice = rest % (side.len() + 1);
            rest /= side.len() + 1;
            if choice > 0 {
                fills.push(side[choice - 1]);
            }
        }
        unfilled.still_holds(cx, account, &fills)
    })
}

/// Per side of a market: everything at its lowest price and, where it differs, everything at its highest; and where the side
/// turns a net exposure, what fills around the turn. `None` where several sides turn one.
fn sides(state: &State, account: u32, set: &[Fill]) -> Option<Vec<Vec<Fill>>> {
    let mut found: BTreeMap<(u32, Side), (Lots, Ticks, Ticks)> = BTreeMap::new();
    for fill in set {
        let (lots, low, high) = found.entry((fill.market, fill.side)).or_insert((0, fill.price, fill.price));
        *lots = lots.saturating_add(fill.lots);
        (*low, *high) = ((*low).min(fill.price), (*high).max(fill.price));
    }
    let all: Vec<Fill> = found.iter().map(|(&(market, side), &(lots, price, _))| Fill { market, side, lots, price }).collect();
    let corners = |((market, side), (lots, low, high)): ((u32, Side), (Lots, Ticks, Ticks))| {
        let parts = std::iter::once(lots).chain(turns(state, account, &all, market, side, lots)?);
        let prices = if low == high { vec![low] } else { vec![low, high] };
        Some(parts.flat_map(|lots| prices.iter().map(move |&price| Fill { market, side, lots, price }).collect::<Vec<_>>()).collect())
    };
    found.into_iter().map(corners).collect()
}

/// Lots of a side next to which the net exposure of its name turns, or leaves zero: none where it does not, where both signs have
/// one price, or where nothing is matched whose value that price moves. `None` where other sides move it, too.
fn turns(state: &State, account: u32, all: &[Fill], market: u32, side: Side, lots: Lots) -> Option<Vec<Lots>> {
    let listed = state.known_market(market);
    let underlying = state.known_underlying(listed.terms.underlying);
    let (long, short) = underlying.price.initial_prices(false);
    let (spot, perp) = perp::shares(state, account, listed.terms.underlying);
    let of_name = |f: &&Fill| state.known_market(f.market).terms.underlying == listed.terms.underlying;
    let moves = |is_perp: bool| all.iter().filter(of_name).any(|f| state.known_market(f.market).is_perp() == is_perp);
    let matched = (spot != 0 || moves(false)) && (perp != 0 || moves(true));
    if !matched || (long == short && long == underlying.price.last_external()) {
        return Some(Vec::new());
    }
    let moved = |f: &Fill| state.shares_of(state.known_market(f.market), i128::from(f.side.sign() * f.lots));
    let net = spot + perp;
    let low = net + all.iter().filter(of_name).map(|f| moved(f).min(0)).sum::<i128>();
    let high = net + all.iter().filter(of_name).map(|f| moved(f).max(0)).sum::<i128>();
    if low > 0 || high < 0 {
        return Some(Vec::new());
    }
    if all.iter().filter(of_name).count() > 1 {
        return None;
    }
    let at = narrow(net.abs() / state.shares_of(listed, 1).max(1)).unwrap_or(lots);
    let around = [at - 1, at, at.saturating_add(1)];
    let next_to = |n: &Lots| (1..lots).contains(n) && net.signum() * i128::from(side.sign()) <= 0;
    Some(around.into_iter().filter(next_to).collect())
}

/// An order as if it filled in whole at its own price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Market.
    pub market: u32,
    /// Side.
    pub side: Side,
    /// Lots.
    pub lots: Lots,
    /// Ticks.
    pub price: Ticks,
}

impl Fill {
    /// A resting order.
    #[must_use]
    pub fn of(state: &State, slot: u32) -> Self {
        let order = state.orders.order(slot);
        Self { market: order.market(), side: order.side(), lots: order.leaves(), price: order.price() }
    }

    /// As a change of the account.
    #[must_use]
    pub const fn trade(self) -> Change {
        Change::Trade { market: self.market, lots: self.side.sign() * self.lots, price: self.price }
    }
}

/// The account's open orders but the one that is being replaced.
fn other_fills(state: &State, account: u32, replaced: Option<Fill>) -> Vec<Fill> {
    let orders = state.orders.of_account(state.accounts[account as usize].orders);
    let resting = orders.filter(|&slot| state.orders.order(slot).stage() == Stage::Resting);
    let mut open: Vec<Fill> = resting.map(|slot| Fill::of(state, slot)).collect();
    if let Some(at) = open.iter().position(|f| Some(*f) == replaced) {
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

