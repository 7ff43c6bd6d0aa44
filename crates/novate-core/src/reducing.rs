//! What *reducing* means (RULES section 6): after any subset of fills R at initial is not higher and Excess at maintenance
//! not lower. Only such order sets are free of ORD, or allowed below initial.
//!
//! Responsible for: the test. Never cancels or refuses anything.

use crate::context::Context;
use crate::margin::{Change, Level, Question};
use crate::matching;
use crate::order::{Side, Stage};
use crate::state::State;
use crate::units::{Lots, Ticks, Value};

/// RULES section 6, *Reducing*, for a new order beside the account's open ones: alone, with every subset of the others when
/// they are few, and beyond that with each one, with all but each one, and with all.
pub fn reduces(cx: &mut Context<'_>, account: u32, fill: Fill, replaced: Option<Fill>, unfilled: &Unfilled) -> bool {
    let others = other_fills(cx.state, account, replaced);
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
        unfilled.still_holds(cx, account, &std::iter::once(fill).chain(picked).collect::<Vec<_>>())
    })
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

