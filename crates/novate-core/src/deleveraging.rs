//! Stage 7: auto-deleveraging at the bankruptcy price (RULES section 10).
//!
//! Responsible for: the ranking, how much of whom, and telling each affected account why; the settlement of a market when
//! its winners are exhausted. Never takes more than the deficit, and no hedged leg before unhedged winners are exhausted.

use crate::bankruptcy::{Leg, lots_for};
use crate::clearing;
use crate::context::Context;
use crate::event::{Deleveraged, MarketSettled, PositionSettled};
use crate::margin::explain::allocate;
use crate::margin::{Evaluator, Level, Question};
use crate::own_accounts::unhedged_lots;
use crate::perp;
use crate::state::State;
use crate::units::{Lots, PPM, Value, div_ceil, div_floor, div_nearest, narrow};
use std::cmp::Ordering;

/// An account on the other side that has won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner {
    /// Dense index.
    pub account: u32,
    /// Its id.
    pub id: u64,
    /// Lots no token hedges.
    pub unhedged: Lots,
    /// Lots that a token hedges.
    pub hedged: Lots,
    /// What the position has made since it was opened, quote units.
    pub profit: i64,
    /// Profit times leverage of the unhedged part; larger is first.
    pub score: i128,
}

/// What one deleveraging does; separated from the writing so that the plain reference can be compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Place in the list of winners.
    pub winner: usize,
    /// Lots.
    pub lots: Lots,
    /// Quote units it pays against the maintenance price.
    pub haircut: i64,
}

impl Winner {
    /// Best rank first: score, then lowest account id.
    #[must_use]
    pub fn by_rank(&self, other: &Self) -> Ordering {
        other.score.cmp(&self.score).then(self.id.cmp(&other.id))
    }
}

/// Winners of a leg's market, best rank first. Accounts of `owner` and accounts in liquidation are not asked. Where commands change
/// the state in between, `State::bound_lull` comes first.
#[must_use]
pub fn winners(state: &State, market: u32, sign: i64, owner: u32, evaluator: &mut Evaluator) -> Vec<Winner> {
    let mut found = Vec::new();
    for account in 0..state.accounts.len() as u32 {
        add_won(state, account, &[(market, sign)], owner, evaluator, &mut found);
    }
    found.sort_unstable_by(|a, b| a.1.by_rank(&b.1));
    found.into_iter().map(|won| won.1).collect()
}

/// Adds in which of `legs`, each a market and the sign of a position there, an account has won, by their place.
pub fn add_won(state: &State, account: u32, legs: &[(u32, i64)], owner: u32, evaluator: &mut Evaluator, found: &mut Vec<(usize, Winner)>) {
    let holder = &state.accounts[account as usize];
    if holder.owner == owner || holder.liquidation.is_some() {
        return;
    }
    let mut equity = None;
    for (leg, &(market, sign)) in legs.iter().enumerate() {
        let Some(position) = holder.position(market).filter(|p| p.lots.signum() == sign) else { continue };
        let listed = state.known_market(market);
        let price = state.index_ticks(listed);
        let profit = perp::result_at(listed, position, price).saturating_sub(position.opened);
        if profit <= 0 {
            continue;
        }
        let (lots, unhedged) = (position.lots.abs(), unhedged_lots(state, account, market));
        let equity = *equity.get_or_insert_with(|| evaluator.evaluate(state, account, &Question::at(Level::Maintenance)).equity.max(1));
        let notional = state.notional(listed, price, unhedged);
        let part = i128::from(profit) * i128::from(unhedged) / i128::from(lots);
        let leverage_ppm = notional.saturating_mul(i128::from(PPM)) / equity;
        let (id, hedged, score) = (holder.id, lots - unhedged, part.saturating_mul(leverage_ppm));
        found.push((leg, Winner { account, id, unhedged, hedged, profit, score }));
    }
}

/// Lots of a winner that can pay their haircut out of its profit: `open` is asked for `lots` in all.
fn affordable(profit: i64, lots: Lots, open: i64) -> Lots {
    if open == 0 { lots } else { narrow(div_floor(i128::from(profit) * i128::from(lots), i128::from(open))).unwrap_or(i64::MAX) }
}

/// Lots of a list taken of one winner.
fn taken_of(taken: &[Taken], winner: usize) -> Lots {
    taken.iter().filter(|t| t.winner == winner).map(|t| t.lots).sum()
}

/// Unhedged winners in the order of their rank, each up to its cap, until `lots` are found. Goes on after `taken`.
pub fn take_unhedged(taken: &mut Vec<Taken>, winners: &[Winner], lots: Lots, open: i64, cap: impl Fn(&Winner) -> Lots) {
    let mut found: Lots = taken.iter().map(|t| t.lots).sum();
    for (at, winner) in winners.iter().enumerate() {
        let most = winner.unhedged.min(cap(winner)).min(affordable(winner.profit, lots, open));
        let size = (most - taken_of(taken, at)).min(lots - found);
        if size > 0 {
            taken.push(Taken { winner: at, lots: size, haircut: haircut(found, size, lots, open) });
            found += size;
        }
    }
}

/// Hedged lots pro rata: largest remainder, then lowest account id. Unhedged winners are exhausted; no cap holds.
#[must_use]
pub fn take_hedged(before: &[Taken], winners: &[Winner], lots: Lots, open: i64) -> Vec<Taken> {
    let mut found: Lots = before.iter().map(|t| t.lots).sum();
    let mut order: Vec<usize> = (0..winners.len()).collect();
    order.sort_unstable_by_key(|&at| winners[at].id);
    let left = |at: usize| {
        let affordable = affordable(winners[at].profit, lots, open).saturating_sub(taken_of(before, at));
        Value::from(winners[at].hedged.min(affordable).max(0))
    };
    let weights: Vec<Value> = order.iter().map(|&at| left(at)).collect();
    let wanted = Value::from(lots - found).min(weights.iter().sum());
    let mut taken = Vec::new();
    if wanted <= 0 {
        return taken;
    }
    for (&at, size) in order.iter().zip(allocate(wanted, &weights)) {
        let size = size as Lots;
        if size > 0 {
            taken.push(Taken { winner: at, lots: size, haircut: haircut(found, size, lots, open) });
            found += size;
        }
    }
    taken
}

/// The part of `open` that lots `found + 1` to `found + size` of `lots` carry: the parts of all lots sum to it exactly.
fn haircut(found: Lots, size: Lots, lots: Lots, open: i64) -> i64 {
    let upto = |n: Lots| div_floor(i128::from(open) * i128::from(n), i128::from(lots)) as i64;
    upto(found + size) - upto(found)
}

/// Closes a leg against winners for what is still open; sets what remains open.
pub fn run(cx: &mut Context<'_>, account: u32, leg: &mut Leg) {
    let (lots, open) = (lots_for(leg), leg.open);
    if lots == 0 {
        return;
    }
    let owner = cx.state.accounts[account as usize].owner;
    cx.state.bound_lull();
    let winners = winners(cx.state, leg.market, -leg.lots.signum(), owner, &mut cx.scratch.evaluator);
    let mut unhedged = Vec::new();
    take_unhedged(&mut unhedged, &winners, lots, open, |w| cap(cx.state, leg.market, w));
    // Beyond their caps before any hedge is touched.
    take_unhedged(&mut unhedged, &winners, lots, open, |_| Lots::MAX);
    let hedged = take_hedged(&unhedged, &winners, lots, open);
    let mut closed = 0;
    for (hedged, taken) in unhedged.iter().map(|t| (false, t)).chain(hedged.iter().map(|t| (true, t))) {
        close(cx, account, leg, &winners[taken.winner], *taken, closed, hedged);
        closed += taken.lots;
        leg.open -= taken.haircut;
    }
}

/// What one deleveraging may take of an account: a part of its position, and a notional; at least one lot.
fn cap(state: &State, market: u32, winner: &Winner) -> Lots {
    let (terms, listed) = (state.liquidation.terms(), state.known_market(market));
    let share = div_ceil(i128::from(winner.unhedged + winner.hedged) * i128::from(terms.deleverage_share_ppm), i128::from(PPM));
    let per_lot = state.quote_value(listed, i128::from(state.index_ticks(listed)) * i128::from(listed.unit)).max(1);
    let notional = i128::from(terms.deleverage_notional) / per_lot;
    narrow(share.min(notional)).unwrap_or(i64::MAX).max(1)
}

fn close(cx: &mut Context<'_>, account: u32, leg: &Leg, winner: &Winner, taken: Taken, closed: Lots, hedged: bool) {
    let upto = |n: Lots| div_floor(i128::from(leg.worth) * i128::from(n), i128::from(leg.lots.abs())) as i64;
    let worth = upto(closed + taken.lots) - upto(closed);
    let cost = worth + taken.haircut;
    let lots = leg.lots.signum() * taken.lots;
    perp::transfer(cx, account, leg.market, -lots, -cost);
    perp::transfer(cx, winner.account, leg.market, lots, cost);
    if hedged {
        free_hedge(cx.state, winner.account, leg.market, taken.lots);
    }
    let unit = i128::from(cx.state.known_market(leg.market).unit);
    let per_lot = |value: i64| narrow(div_nearest(i128::from(value) * i128::from(lots.signum()), i128::from(taken.lots) * unit)).unwrap_or(0);
    let event = |role: u8, counterparty: u64, lots: Lots| Deleveraged {
        market: leg.market,
        role,
        counterparty,
        lots,
        maintenance_price: per_lot(worth),
        price: per_lot(cost),
        haircut: taken.haircut,
        rank: taken.winner as u32 + 1,
        hedged: u8::from(hedged),
    };
    let id = cx.state.accounts[account as usize].id;
    cx.tell_account(account, &event(0, winner.id, -lots));
    cx.tell_account(winner.account, &event(1, id, lots));
    cx.touch(winner.account);
}

/// Tokens that lose their perp are first in the redemption queue.
fn free_hedge(state: &mut State, account: u32, market: u32, lots: Lots) {
    let listed = state.known_market(market);
    let mut shares = state.shares_of(listed, i128::from(lots));
    let assets = state.known_underlying(listed.terms.underlying).assets.clone();
    for asset in assets {
        let held = state.accounts[account as usize].balance(asset).map_or(0, |b| b.pledged.max(0));
        let per_unit = state.known_asset(asset).shares(1_000_000_000).max(1);
        let units = narrow(shares * 1_000_000_000 / per_unit).unwrap_or(i64::MAX).min(held);
        if units > 0 {
            shares -= state.known_asset(asset).shares(i128::from(units));
            clearing::free_first(state, account, asset, units);
        }
    }
}

/// Winners are exhausted: every position of the market is closed at the maintenance price.
pub fn settle_market(cx: &mut Context<'_>, market: u32) {
    let listed = cx.state.known_market(market);
    let (price, unit, lots) = (cx.state.index_ticks(listed), listed.unit, listed.open_interest);
    let mut accounts = 0;
    for account in 0..cx.state.accounts.len() as u32 {
        let held = cx.state.accounts[account as usize].lots(market);
        if held == 0 {
            continue;
        }
        accounts += 1;
        let hedged = held.abs() - unhedged_lots(cx.state, account, market);
        let result = perp::transfer(cx, account, market, -held, -held * price * unit);
        free_hedge(cx.state, account, market, hedged);
        cx.tell_account(account, &PositionSettled { market, lots: held, price, result });
        cx.touch(account);
    }
    cx.tell(&MarketSettled { market, price, lots, accounts });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(id: u64, unhedged: Lots, hedged: Lots, profit: i64) -> Winner {
        Winner { account: id as u32, id, unhedged, hedged, profit, score: 0 }
    }

    fn unhedged(list: &[Winner], lots: Lots, open: i64, cap: Lots) -> Vec<Taken> {
        let mut taken = Vec::new();
        take_unhedged(&mut taken, list, lots, open, |_| cap);
        taken
    }

    #[test]
    fn winners_pay_the_deficit_exactly_and_no_lot_more() {
        let list = [winner(1, 5, 0, 1_000), winner(2, 5, 5, 1_000)];
        let mut taken = unhedged(&list, 7, 100, 4);
        assert_eq!(taken.iter().map(|t| (t.winner, t.lots, t.haircut)).collect::<Vec<_>>(), [(0, 4, 57), (1, 3, 43)]);
        take_unhedged(&mut taken, &list, 7, 100, |_| 5);
        assert_eq!(taken.len(), 2);
        assert!(take_hedged(&taken, &list, 7, 100).is_empty());
    }

    #[test]
    fn caps_are_lifted_before_a_hedge_is_touched() {
        let list = [winner(1, 10, 0, 1_000), winner(2, 0, 10, 1_000)];
        let mut taken = unhedged(&list, 12, 120, 5);
        take_unhedged(&mut taken, &list, 12, 120, |_| Lots::MAX);
        assert_eq!(taken.iter().map(|t| (t.winner, t.lots)).collect::<Vec<_>>(), [(0, 5), (0, 5)]);
        assert_eq!(take_hedged(&taken, &list, 12, 120), [Taken { winner: 1, lots: 2, haircut: 20 }]);
    }

    #[test]
    fn hedged_lots_follow_when_unhedged_ones_are_exhausted() {
        let list = [winner(7, 1, 4, 1_000), winner(3, 0, 4, 1_000)];
        let first = unhedged(&list, 6, 60, 9);
        assert_eq!(first, [Taken { winner: 0, lots: 1, haircut: 10 }]);
        let rest = take_hedged(&first, &list, 6, 60);
        assert_eq!(rest, [Taken { winner: 1, lots: 3, haircut: 30 }, Taken { winner: 0, lots: 2, haircut: 20 }]);
    }

    #[test]
    fn nobody_pays_more_than_his_profit() {
        let list = [winner(1, 10, 0, 25)];
        let taken = unhedged(&list, 10, 100, 10);
        assert_eq!(taken, [Taken { winner: 0, lots: 2, haircut: 20 }]);
        assert!(take_hedged(&taken, &list, 10, 100).is_empty());
    }
}
