//! Stage 4: collateral is sold for a cash deficit, whatever the excess (RULES section 10).
//!
//! Responsible for: the order in which collateral goes (the listed rank, then the asset), each slice where it fetches most, the
//! book or redemption, and closing the perp that a sold token hedged: with the sale in a book, with the fill of a redemption.
//! Never raises the requirement, never sells more than the deficit needs and redemptions do not bring already.

use crate::calls;
use crate::cash_deficit::{self, Deficit};
use crate::clearing::{self, Origin};
use crate::context::Context;
use crate::event::CollateralSold;
use crate::fees;
use crate::ladder::{self, careful, shown};
use crate::margin::{Change, Level, Question};
use crate::matching::{self, Taker};
use crate::order::{SelfTrade, Side};
use crate::perp;
use crate::price::{Action, Permission};
use crate::reduction::{self, Pace};
use crate::stage::Cause;
use crate::state::State;
use crate::units::{Amount, Lots, PPM, Ticks, Value, div_ceil, div_floor, narrow, rate_down};

/// Where a slice goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A spot market, lots, worst price.
    Book(u32, Lots, Ticks),
    /// Burned for shares that a broker sells: cash it will bring, rounded down.
    Redemption(Amount),
}

/// One slice, with the perp that closes with it.
#[derive(Clone, Copy, Debug)]
struct Sale {
    asset: u32,
    units: Amount,
    way: Way,
    hedge: Option<Hedge>,
}

/// Perp market, lots bought back, worst price.
pub type Hedge = (u32, Lots, Ticks);

/// Tokens of an account in the order in which they go: listed rank, then asset.
fn ranked(state: &State, account: u32) -> Vec<u32> {
    let holder = &state.accounts[account as usize];
    let tokens = holder.balances.iter().filter(|b| b.free() > 0 && !state.known_asset(b.asset).is_stablecoin());
    let mut found: Vec<(u32, u32)> = tokens.map(|b| (state.known_asset(b.asset).terms.sale_rank, b.asset)).collect();
    found.sort_unstable();
    found.into_iter().map(|f| f.1).collect()
}

/// What is due and not on its way from redemptions.
fn open_deficit(state: &State, account: u32) -> Option<Deficit> {
    let due = cash_deficit::due(state, account)?;
    let amount = due.amount - clearing::cash_on_its_way(state, account, due.asset);
    (amount > 0).then_some(Deficit { amount, ..due })
}

/// Whether anything sells for the deficit now.
pub fn can_sell(cx: &mut Context<'_>, account: u32) -> bool {
    let Some(deficit) = open_deficit(cx.state, account) else { return false };
    ranked(cx.state, account).into_iter().any(|asset| propose(cx, account, asset, deficit, &Pace::default()).is_some())
}

/// One slice; true when there is more to do in this command.
pub fn run(cx: &mut Context<'_>, account: u32, pace: &Pace) -> bool {
    if let Some(deficit) = open_deficit(cx.state, account) {
        for asset in ranked(cx.state, account) {
            if let Some(sale) = propose(cx, account, asset, deficit, pace)
                && sell(cx, account, &sale, deficit)
            {
                return true;
            }
        }
    }
    // Cash is due and nothing sells now, or redemptions bring it: the account stays, unless its excess asks for more.
    if cash_deficit::due(cx.state, account).is_some() && careful(cx, account, Level::LiquidationEnd, true).1.excess() >= 0 {
        return false;
    }
    ladder::step(cx, account, Cause::SaleDone);
    true
}

/// The largest slice of a token that the deficit, the depth, the speed limit and its hedge allow: in the book while that fetches
/// more than a redemption, net of fees; else by redemption.
fn propose(cx: &mut Context<'_>, account: u32, asset: u32, deficit: Deficit, pace: &Pace) -> Option<Sale> {
    let underlying = cx.state.known_asset(asset).terms.underlying;
    if cx.state.known_underlying(underlying).price.permission(Action::Liquidate) == Permission::No {
        return None;
    }
    let budget = pace.left(cx.state, underlying);
    let redemption = redemption(cx.state, account, asset, deficit, budget).filter(|sale| keeps_requirement(cx, account, sale, deficit));
    let book = in_book(cx.state, account, asset, deficit, budget, redemption.is_some());
    book.filter(|sale| keeps_requirement(cx, account, sale, deficit)).or(redemption)
}

/// What a token may still go for under the speed limit, in units of it.
fn paced(state: &State, asset: u32, budget: Value) -> Amount {
    let token = state.known_asset(asset);
    let listed = state.known_underlying(token.terms.underlying);
    let per_unit = listed.value_down(token.shares(1_000_000_000), listed.price.index()).max(1);
    narrow(div_floor(budget.max(0) * 1_000_000_000, per_unit)).unwrap_or(i64::MAX)
}

/// Through the spot market quoted in what is due; no worse than a redemption would pay where there is one.
fn in_book(state: &State, account: u32, asset: u32, deficit: Deficit, budget: Value, redeems: bool) -> Option<Sale> {
    let spots = &state.known_underlying(state.known_asset(asset).terms.underlying).spots;
    let sells = |&&m: &&u32| {
        let terms = &state.known_market(m).terms;
        terms.base == asset && terms.quote == deficit.asset
    };
    let market = *spots.iter().find(sells)?;
    let m = state.known_market(market);
    let mut worst = worst_price(state, market, Side::Ask);
    if redeems {
        worst = worst.max(redemption_ticks(state, account, market));
    }
    let per_lot = i128::from(worst.max(1)) * i128::from(m.unit);
    let free = state.accounts[account as usize].balance(asset)?.free() / m.terms.lot_size;
    let wanted = narrow(div_ceil(i128::from(deficit.amount), per_lot)).unwrap_or(i64::MAX);
    let slow = paced(state, asset, budget) / m.terms.lot_size;
    let lots = free.min(wanted).min(slow).min(depth(state, account, market, Side::Ask, worst));
    let (units, hedge) = with_hedge(state, account, asset, lots.max(0) * m.terms.lot_size)?;
    let lots = units / m.terms.lot_size;
    (lots > 0).then_some(Sale { asset, units: lots * m.terms.lot_size, way: Way::Book(market, lots, worst), hedge })
}

/// The least price in a book that fetches more than a redemption, each net of its fee.
fn redemption_ticks(state: &State, account: u32, market: u32) -> Ticks {
    let m = state.known_market(market);
    let fee_ppm = state.clearing.tokens.get(&m.terms.base).map_or(PPM, |t| t.terms.redeem_fee_ppm);
    let taker_ppm = fees::rates(state, account, m).1;
    narrow(div_ceil(i128::from(state.index_ticks(m)) * i128::from(PPM - fee_ppm), i128::from(PPM - taker_ppm))).unwrap_or(i64::MAX)
}

/// By redemption into what is due, while that is open at once.
fn redemption(state: &State, account: u32, asset: u32, deficit: Deficit, budget: Value) -> Option<Sale> {
    let pays = state.clearing.tokens.get(&asset).is_some_and(|t| t.terms.cash == deficit.asset);
    let free = state.accounts[account as usize].balance(asset)?.free();
    let most = if pays { clearing::redeemable(state, asset, free).min(paced(state, asset, budget)) } else { 0 };
    if most <= 0 {
        return None;
    }
    let coin = state.known_asset(deficit.asset);
    // What it brings counts in part until it is paid; so much goes that the part is enough.
    let counts = |units| rate_down(clearing::redemption_value(state, asset, units), state.clearing.config().due_ppm);
    let all = counts(most);
    let wanted = coin.face(i128::from(deficit.amount));
    let enough = if all <= wanted { most } else { narrow(div_ceil(i128::from(most) * wanted, all)).unwrap_or(most).saturating_add(1) };
    let (units, hedge) = with_hedge(state, account, asset, enough.min(most))?;
    let brings = narrow(clearing::coins_down(coin, clearing::redemption_value(state, asset, units))).unwrap_or(0);
    let taken = clearing::may_redeem(state, account, asset, units, Origin::Liquidation);
    taken.then_some(Sale { asset, units, way: Way::Redemption(brings), hedge })
}

fn worst_price(state: &State, market: u32, side: Side) -> Ticks {
    state.ticks_within(market, side, state.liquidation.terms().sale_tolerance_ppm)
}

const fn taker(account: u32, market: u32, side: Side, limit: Ticks, lots: Lots) -> Taker {
    Taker { account, order: 0, market, side, limit, lots, self_trade: SelfTrade::CancelNewest, liquidation: true }
}

fn depth(state: &State, account: u32, market: u32, side: Side, worst: Ticks) -> Lots {
    let there = matching::fillable(state, &taker(account, market, side, worst, i64::MAX / 4));
    (rate_down(i128::from(there), state.config().liquidation_depth_ppm) as i64).max(there.min(1))
}

/// The perp lots that the sold tokens hedged; fewer tokens where the perp's book is thinner. What redemptions take that are
/// not filled yet is counted as unhedged first, then as closing its own perp.
#[must_use]
pub fn with_hedge(state: &State, account: u32, asset: u32, units: Amount) -> Option<(Amount, Option<Hedge>)> {
    if units <= 0 {
        return None;
    }
    let token = state.known_asset(asset);
    let underlying = token.terms.underlying;
    let (spot, perp) = perp::shares(state, account, underlying);
    let assets = &state.known_underlying(underlying).assets;
    let leaving: i128 = assets.iter().map(|&a| state.known_asset(a).shares(i128::from(clearing::redeeming(state, account, a)))).sum();
    let unhedged = (spot - (-perp).max(0)).max(0);
    let (free, wanted) = ((unhedged - leaving).max(0), token.shares(i128::from(units)));
    if perp >= 0 || wanted <= free {
        return Some((units, None));
    }
    let holder = &state.accounts[account as usize];
    let perps = &state.known_underlying(underlying).perps;
    let hedge = perps.iter().copied().find(|&m| holder.lots(m) < 0)?;
    let worst = worst_price(state, hedge, Side::Bid);
    let perp_lot = state.shares_of(state.known_market(hedge), 1).max(1);
    let taken = div_ceil((leaving - unhedged).max(0), perp_lot);
    let room = i128::from(depth(state, account, hedge, Side::Bid, worst).min(-holder.lots(hedge))) - taken;
    let lots = room.max(0).min(div_floor(wanted - free, perp_lot));
    let units = narrow(clearing::units_down(token, free + lots * perp_lot))?.min(units);
    let hedge = (lots > 0).then_some((hedge, narrow(lots)?, worst));
    (units > 0).then_some((units, hedge))
}

/// The account as it would stand with the slice done.
fn keeps_requirement(cx: &mut Context<'_>, account: u32, sale: &Sale, deficit: Deficit) -> bool {
    let (question, before) = careful(cx, account, Level::LiquidationEnd, false);
    let mut changes = match sale.way {
        Way::Book(market, lots, worst) => vec![Change::Trade { market, lots: -lots, price: worst }],
        Way::Redemption(brings) => {
            let counts = narrow(rate_down(i128::from(brings), cx.state.clearing.config().due_ppm)).unwrap_or(0);
            vec![Change::Balance { asset: sale.asset, amount: -sale.units }, Change::Balance { asset: deficit.asset, amount: counts }]
        }
    };
    changes.extend(sale.hedge.map(|(market, lots, price)| Change::Trade { market, lots, price }));
    cx.evaluate(account, &Question { changes: &changes, ..question }).requirement <= before.requirement
}

fn sell(cx: &mut Context<'_>, account: u32, sale: &Sale, deficit: Deficit) -> bool {
    let (way, units, proceeds, closed) = match sale.way {
        Way::Book(market, lots, worst) => {
            let Some((filled, proceeds)) = fill(cx, account, market, lots, worst) else { return false };
            let closed = sale.hedge.map_or(0, |hedge| close(cx, account, hedge, (filled, lots)));
            (0, filled * cx.state.known_market(market).terms.lot_size, proceeds, closed)
        }
        // Its perp closes with the broker's fill.
        Way::Redemption(brings) => match clearing::redeem_by_force(cx, account, sale.asset, sale.units, Origin::Liquidation) {
            Ok(_) => (1, sale.units, brings, 0),
            Err(_) => return false,
        },
    };
    let token = cx.state.known_asset(sale.asset);
    let underlying = token.terms.underlying;
    let listed = cx.state.known_underlying(underlying);
    let value = shown(listed.value_down(token.shares(i128::from(units)), listed.price.index()));
    reduction::spend(cx.state, underlying, value);
    let perp_market = if closed == 0 { 0 } else { sale.hedge.map_or(0, |h| h.0) };
    let told = CollateralSold { asset: sale.asset, way, units, proceeds, perp_market, perp_lots: closed, deficit: deficit.amount };
    cx.tell_account(account, &told);
    calls::answer(cx, account);
    true
}

/// Lots sold and what they fetched.
fn fill(cx: &mut Context<'_>, account: u32, market: u32, lots: Lots, worst: Ticks) -> Option<(Lots, Amount)> {
    let done = matching::take(cx, &taker(account, market, Side::Ask, worst, lots));
    let unit = cx.state.known_market(market).unit;
    (done.traded > 0).then(|| (done.traded, shown(done.ticks_lots * i128::from(unit))))
}

/// Buys back the part of the hedge that goes with the filled part of the lots.
fn close(cx: &mut Context<'_>, account: u32, (market, lots, worst): Hedge, (filled, of): (Lots, Lots)) -> Lots {
    let part = narrow(i128::from(lots) * i128::from(filled) / i128::from(of)).unwrap_or(0);
    if part == 0 { 0 } else { matching::take(cx, &taker(account, market, Side::Bid, worst, part)).traded }
}
