//! What taking through books would do to the makers' means, without doing it.
//!
//! Responsible for: how many lots of a resting order can trade, one book or several in a row: what a maker spent in one of
//! them it cannot spend in the next. Never writes to the state: the caller carries out the steps.

use super::{Taker, crosses, fee, reservation};
use crate::account::Balance;
use crate::eligibility;
use crate::order::{SelfTrade, Side};
use crate::phase::Deed;
use crate::state::State;
use crate::units::{Amount, Lots, Ticks};

/// One step of a walk, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lots of a resting order trade at its price.
    Fill {
        /// The order.
        slot: u32,
        /// Its price.
        price: Ticks,
        /// Lots.
        lots: Lots,
    },
    /// Nothing is behind the rest of an order; it ends.
    Cancel {
        /// The order.
        slot: u32,
    },
}

/// What a walk through one book found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Lots that trade.
    pub found: Lots,
    /// Sum of price times lots.
    pub ticks_lots: i128,
    /// It ended at an order of the taker's own owner.
    pub own: bool,
}

/// Whether a resting order buys a token that its account may not come to hold any more.
#[must_use]
pub fn is_barred(state: &State, slot: u32) -> bool {
    let order = state.orders.order(slot);
    let market = state.known_market(order.market());
    order.side() == Side::Bid && !market.is_perp() && eligibility::may_hold(state, order.account(), market.terms.base).is_err()
}

/// The makers' means after what was walked so far.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Lots gone from an order.
    taken: Vec<(u32, Lots)>,
    /// Balances as they would be: dense account and the balance.
    balances: Vec<(u32, Balance)>,
    /// Signed lots that makers traded: account, market.
    traded: Vec<(u32, u32, Lots)>,
    /// Units that loans and promised room of makers grew by, per asset.
    pool: Vec<(u32, Amount)>,
}

impl Sweep {
    /// Units of an asset's pool that the makers walked so far use beyond what was promised to them.
    #[must_use]
    pub fn pool_use(&self, asset: u32) -> Amount {
        self.pool.iter().find(|p| p.0 == asset).map_or(0, |p| p.1)
    }

    fn balance(&self, state: &State, account: u32, asset: u32) -> Balance {
        let walked = self.balances.iter().find(|b| b.0 == account && b.1.asset == asset).map(|b| b.1.clone());
        walked.or_else(|| state.accounts[account as usize].balance(asset).cloned()).unwrap_or(Balance { asset, ..Balance::default() })
    }

    fn change(&mut self, state: &State, account: u32, asset: u32, by: Amount, released: Amount) {
        let mut balance = self.balance(state, account, asset);
        let before = balance.loan() + balance.kept();
        balance.pledged += by;
        balance.reserved -= released;
        let used = balance.loan() + balance.kept() - before;
        match self.pool.iter_mut().find(|p| p.0 == asset) {
            Some(pool) => pool.1 += used,
            None => self.pool.push((asset, used)),
        }
        match self.balances.iter_mut().find(|b| b.0 == account && b.1.asset == asset) {
            Some(known) => known.1 = balance,
            None => self.balances.push((account, balance)),
        }
    }

    fn leaves(&self, state: &State, slot: u32) -> Lots {
        state.orders.order(slot).leaves() - self.taken.iter().find(|t| t.0 == slot).map_or(0, |t| t.1)
    }

    /// Lots of a resting order that can trade now: a reduce-only order's position may have shrunk, a spot bid's cash may have
    /// gone into a settlement, a maker's other orders may have used what there was.
    #[must_use]
    pub fn available(&self, state: &State, slot: u32) -> Lots {
        let (order, leaves) = (state.orders.order(slot), self.leaves(state, slot));
        let (account, id) = (order.account(), order.market());
        let market = state.known_market(id);
        if market.is_perp() {
            if !order.is_reduce_only() {
                return leaves;
            }
            let moved = self.traded.iter().find(|t| t.0 == account && t.1 == id).map_or(0, |t| t.2);
            let held = (state.accounts[account as usize].lots(id) + moved) * -order.side().sign();
            return leaves.min(held.max(0));
        }
        if is_barred(state, slot) {
            return 0;
        }
        let (asset, per_lot) = reservation(market, order.side(), order.price(), 1);
        let balance = self.balance(state, account, asset);
        let pool = state.ledger.pool(asset).available() - self.pool_use(asset);
        let funds = balance.pledged.max(0) + (pool + balance.kept()).max(0);
        leaves.min(funds / per_lot.max(1))
    }

    /// Takes lots of a resting order out of its maker's means, as the fill would.
    pub fn fill(&mut self, state: &State, slot: u32, lots: Lots) {
        let order = state.orders.order(slot);
        let (account, id, side, price) = (order.account(), order.market(), order.side(), order.price());
        let (before, market) = (self.leaves(state, slot), state.known_market(id));
        self.drop_lots(slot, lots);
        if market.is_perp() {
            match self.traded.iter_mut().find(|t| t.0 == account && t.1 == id) {
                Some(traded) => traded.2 += side.sign() * lots,
                None => self.traded.push((account, id, side.sign() * lots)),
            }
            return;
        }
        let (cost, fee) = (price * lots * market.unit, fee(market, price, lots, market.terms.maker_fee_ppm));
        let (cash, units) = (-side.sign() * cost - fee, side.sign() * lots * market.terms.lot_size);
        let released = self.released(state, slot, before, before - lots);
        let (for_cash, for_units) = if side == Side::Bid { (released, 0) } else { (0, released) };
        self.change(state, account, market.terms.quote, cash, for_cash);
        self.change(state, account, market.terms.base, units, for_units);
    }

    /// Ends what is left of an order, with what it had reserved.
    fn cancel(&mut self, state: &State, slot: u32) {
        let left = self.leaves(state, slot);
        let released = self.released(state, slot, left, 0);
        self.drop_lots(slot, left);
        let order = state.orders.order(slot);
        let market = state.known_market(order.market());
        if !market.is_perp() {
            let (asset, _) = reservation(market, order.side(), order.price(), 1);
            self.change(state, order.account(), asset, 0, released);
        }
    }

    fn drop_lots(&mut self, slot: u32, lots: Lots) {
        match self.taken.iter_mut().find(|t| t.0 == slot) {
            Some(taken) => taken.1 += lots,
            None => self.taken.push((slot, lots)),
        }
    }

    fn released(&self, state: &State, slot: u32, before: Lots, after: Lots) -> Amount {
        let order = state.orders.order(slot);
        let market = state.known_market(order.market());
        let held = |lots| if lots == 0 || market.is_perp() { 0 } else { reservation(market, order.side(), order.price(), lots).1 };
        held(before) - held(after)
    }

    /// Walks one book, best price first, until the taker has its lots or the book has no more at its limit. `self_trade` says
    /// whether orders of the taker's owner may be met; if not, they end the walk, are cancelled, or take lots from it, as the
    /// taker's mode says. Steps are told in the order in which they must be carried out.
    pub fn walk(&mut self, state: &State, taker: &Taker, self_trade: bool, mut tell: impl FnMut(Step)) -> Walk {
        let market = state.known_market(taker.market);
        let owner = state.accounts[taker.account as usize].owner;
        let (mut walk, mut wanted) = (Walk::default(), taker.lots);
        // Nothing is found where nothing may match.
        let mut next = if market.phase.allows(Deed::Match) { market.book.best_level_head(taker.side.opposite()) } else { None };
        while let Some(slot) = next {
            let order = state.orders.order(slot);
            if walk.found >= wanted || !crosses(taker.side, taker.limit, order.price()) {
                break;
            }
            next = market.book.next_in_priority(&state.orders, slot);
            if self.leaves(state, slot) == 0 {
                continue;
            }
            if !self_trade && state.accounts[order.account() as usize].owner == owner {
                match taker.self_trade {
                    SelfTrade::CancelNewest | SelfTrade::CancelBoth => {
                        walk.own = true;
                        break;
                    }
                    SelfTrade::CancelOldest => {
                        self.cancel(state, slot);
                        tell(Step::Cancel { slot });
                    }
                    SelfTrade::Decrement => wanted -= self.leaves(state, slot).min(wanted - walk.found),
                }
                continue;
            }
            let lots = self.available(state, slot).min(wanted - walk.found);
            if lots > 0 {
                self.fill(state, slot, lots);
                walk.found += lots;
                walk.ticks_lots += i128::from(order.price()) * i128::from(lots);
                tell(Step::Fill { slot, price: order.price(), lots });
            }
            if walk.found < wanted && self.leaves(state, slot) > 0 {
                self.cancel(state, slot);
                tell(Step::Cancel { slot });
            }
        }
        walk
    }
}
