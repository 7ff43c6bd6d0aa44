//! Trades of several legs, seen from one side: what the fields must say, and what the account must be able to bear.
//!
//! Responsible for: reading legs, and the one check that a package, a block and a quote share: the account's *end state*, with
//! every leg and fee in it, is margined and funded; no state on the way is looked at. Never trades.

use crate::account::Balance;
use crate::context::Context;
use crate::eligibility;
use crate::limits::{self, Intent};
use crate::margin::portfolio::crowd;
use crate::margin::{Change, Level, Question, collateral, liquidity};
use crate::order::Side;
use crate::perp;
use crate::phase::Deed;
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::lull::Figures;
use crate::state::packages::Leg;
use crate::reducing::Unfilled;
use crate::trading;
use crate::units::{Amount, Lots, Ticks, Value, narrow};

/// One fill as an account would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Market.
    pub market: u32,
    /// Signed lots.
    pub lots: Lots,
    /// Ticks.
    pub price: Ticks,
    /// Quote units.
    pub fee: i64,
}

/// Units of each asset's pool that a side would newly use: loans and promised room.
pub type Loans = Vec<(u32, Amount)>;

/// The side that signed lots are on.
#[must_use]
pub const fn side_of(lots: Lots) -> Side {
    if lots < 0 { Side::Ask } else { Side::Bid }
}

/// Reads the three lists. `fields` are the numbers of `markets`, `lots` and `prices` in the command; a price may be 0 when
/// `unpriced`. No list of prices stands for a list of zeros.
///
/// # Errors
/// 306, 405, 460, 461.
pub fn read(state: &State, lists: (&[i64], &[i64], Option<&[i64]>), first_field: u16, fewest: usize, unpriced: bool) -> Result<Vec<Leg>, Refusal> {
    let (markets, lots, prices) = lists;
    let most = state.packages.terms.as_ref().map_or(0, |t| t.legs as usize);
    require((fewest..=most).contains(&markets.len()), Reject::legs_must_be_within_limit.at(first_field, markets.len() as i64, most as i64))?;
    require(lots.len() == markets.len(), Reject::legs_must_be_complete.at(first_field + 1, lots.len() as i64, markets.len() as i64))?;
    let priced = prices.is_none_or(|p| p.len() == markets.len());
    require(priced, Reject::legs_must_be_complete.at(first_field + 2, prices.map_or(0, <[i64]>::len) as i64, markets.len() as i64))?;
    let leg = |at: usize| {
        let market = u32::try_from(markets[at]).map_err(|_| Reject::market_must_exist.at(first_field, markets[at], 0))?;
        state.market(market).map_err(|_| Reject::market_must_exist.at(first_field, markets[at], 0))?;
        let plain = lots[at] != 0 && lots[at] != i64::MIN;
        require(plain, Reject::legs_must_be_complete.at(first_field + 1, lots[at], 1))?;
        let price = prices.map_or(0, |p| p[at]);
        require(price >= i64::from(!unpriced), Reject::price_must_be_positive.at(first_field + 2, price, 1))?;
        Ok(Leg { market, lots: lots[at], price })
    };
    (0..markets.len()).map(leg).collect()
}

/// The same legs from the other side.
#[must_use]
pub fn reversed(legs: &[Leg]) -> Vec<Leg> {
    legs.iter().map(|l| Leg { lots: -l.lots, ..*l }).collect()
}

/// Sizes of legs for an account: no product may leave 64 bits, several legs of a market together included.
///
/// # Errors
/// `notional_must_not_overflow`.
pub fn check_sizes(state: &State, account: u32, legs: &[Leg]) -> Result<(), Refusal> {
    for leg in legs {
        let same = legs.iter().filter(|l| l.market == leg.market);
        let lots = same.clone().try_fold(0_i64, |sum, l| sum.checked_add(l.lots.checked_abs()?));
        let lots = lots.ok_or(Reject::notional_must_not_overflow.at(0, i64::MAX, 0))?;
        let price = same.map(|l| l.price).max().unwrap_or(1).max(1);
        let market = state.known_market(leg.market);
        trading::check_size(state, &Figures::of(state, market), account, market, (side_of(leg.lots), price, lots))?;
    }
    Ok(())
}

/// The stablecoin all legs are quoted in.
///
/// # Errors
/// `net_price_needs_one_quote`.
pub fn one_quote(state: &State, legs: &[Leg]) -> Result<u32, Refusal> {
    let quote = |l: &Leg| state.known_market(l.market).terms.quote;
    let first = quote(&legs[0]);
    match legs.iter().find(|l| quote(l) != first) {
        None => Ok(first),
        Some(other) => Err(Reject::net_price_needs_one_quote.at(0, i64::from(quote(other)), i64::from(first))),
    }
}

/// Signed quote units of legs at their prices: what the whole costs.
#[must_use]
pub fn net(state: &State, legs: &[Leg]) -> i128 {
    legs.iter().map(|l| state.known_market(l.market).quote_units(l.price, l.lots)).sum()
}

/// Whether the account may end where these fills leave it: not in liquidation; every token it sells is its own; the cash it
/// lacks may be borrowed; and its equity at initial covers the requirement of the end state, or the fills only reduce.
///
/// # Errors
/// 421, 422, 501 to 505, 606, 608, 701, 702, 705, 706.
pub fn check_side(cx: &mut Context<'_>, account: u32, parts: &[Part]) -> Result<Loans, Refusal> {
    require(cx.state.accounts[account as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    check_eligibility(cx.state, account, parts)?;
    check_caps(cx, account, parts)?;
    let loans = check_balances(cx, account, parts)?;
    check_margin(cx, account, parts)?;
    Ok(loans)
}

/// No corporate action takes effect in a leg's underlying, its market trades continuously, and the owner may trade what it would in each market, all legs of it
/// together.
fn check_eligibility(state: &State, account: u32, parts: &[Part]) -> Result<(), Refusal> {
    eligibility::not_frozen(state, account)?;
    for part in parts {
        let halted = state.corporate.halts(state.known_market(part.market).terms.underlying, state.now);
        require(!halted, Reject::underlying_must_not_be_in_a_corporate_action.at(0, i64::from(part.market), 0))?;
        let phase = state.known_market(part.market).phase;
        require(phase.allows(Deed::Match), Reject::venue_must_be_open_for_orders.at(0, phase.phase as i64, 0))?;
    }
    for (at, part) in parts.iter().enumerate() {
        let lots: Lots = parts.iter().filter(|p| p.market == part.market).map(|p| p.lots).sum();
        if lots != 0 && parts[..at].iter().all(|p| p.market != part.market) {
            eligibility::may_trade(state, account, part.market, side_of(lots), lots.abs())?;
        }
    }
    Ok(())
}

/// Caps and restrictions, all legs of a market together at the price of the first.
fn check_caps(cx: &Context<'_>, account: u32, parts: &[Part]) -> Result<(), Refusal> {
    for (at, part) in parts.iter().enumerate() {
        let lots: Lots = parts.iter().filter(|p| p.market == part.market).map(|p| p.lots).sum();
        if lots != 0 && parts[..at].iter().all(|p| p.market != part.market) {
            let (actor, side, size) = (cx.events.actor(), side_of(lots), lots.abs());
            limits::check_order(cx.state, &Intent { actor, account, market: part.market, side, limit: part.price, lots: size, size })?;
        }
    }
    Ok(())
}

/// What several sides and the makers they meet would draw from the pools in one command must be there, in pools that take new
/// loans, and within the caps.
///
/// # Errors
/// 422 or (a token) 701, 702, 705, 706.
pub fn check_pools(state: &State, loans: &[(u32, Amount)]) -> Result<(), Refusal> {
    for &(asset, _) in loans {
        let extra: Amount = loans.iter().filter(|l| l.0 == asset).map(|l| l.1).sum();
        let short = if state.known_asset(asset).is_stablecoin() { Reject::spot_buy_must_be_funded } else { Reject::pool_must_have_liquidity };
        trading::pool_lends(state, asset, extra, short.at(0, extra, state.ledger.pool(asset).available()))?;
    }
    Ok(())
}

/// Signed change of each balance, in the order of the legs.
fn movements(state: &State, parts: &[Part]) -> Vec<(u32, Amount)> {
    let mut moved: Vec<(u32, Amount)> = Vec::new();
    for part in parts {
        let market = state.known_market(part.market);
        if market.is_perp() {
            continue;
        }
        let cash = -part.lots * part.price * market.unit - part.fee;
        for (asset, amount) in [(market.terms.base, part.lots * market.terms.lot_size), (market.terms.quote, cash)] {
            match moved.iter_mut().find(|m| m.0 == asset) {
                Some(known) => known.1 += amount,
                None => moved.push((asset, amount)),
            }
        }
    }
    moved
}

fn after(state: &State, account: u32, asset: u32, moved: Amount) -> (Balance, Balance) {
    let before = state.accounts[account as usize].balance(asset).cloned().unwrap_or_default();
    let after = Balance { pledged: before.pledged + moved, ..before.clone() };
    (before, after)
}

/// Tokens sold and cash paid in all are held, beyond what open orders have reserved, or may be borrowed. Returns what the side
/// draws from each pool beyond its committed line.
fn check_balances(cx: &mut Context<'_>, account: u32, parts: &[Part]) -> Result<Loans, Refusal> {
    let (mut loans, mut drawn) = (Loans::new(), Loans::new());
    for (asset, moved) in movements(cx.state, parts) {
        let (before, after) = after(cx.state, account, asset, moved);
        let listed = cx.state.known_asset(asset);
        if moved < 0 && listed.pool.is_none() && !listed.is_stablecoin() {
            require(after.pledged >= after.reserved, Reject::spot_sell_must_be_owned.at(0, -moved, before.free()))?;
        }
        let extra = after.loan() + after.pool_room() - before.loan() - before.pool_room();
        if extra > 0 && (listed.pool.is_some() || listed.is_stablecoin()) {
            loans.push((asset, extra));
            drawn.push((asset, after.loan() + after.kept() - before.loan() - before.kept()));
        }
    }
    for &(asset, extra) in &loans {
        let bought = parts.iter().filter(|p| p.lots > 0).map(|p| cx.state.known_market(p.market));
        let underlying = bought.filter(|m| !m.is_perp() && m.terms.quote == asset).map(|m| m.terms.underlying).next();
        trading::may_borrow(cx, account, asset, extra, underlying.unwrap_or(0), &changes(cx.state, parts))?;
    }
    Ok(drawn)
}

fn changes(state: &State, parts: &[Part]) -> Vec<Change> {
    let fee = |p: &Part| Change::Balance { asset: state.known_market(p.market).terms.quote, amount: -p.fee };
    let trade = |p: &Part| Change::Trade { market: p.market, lots: p.lots, price: p.price };
    parts.iter().flat_map(|p| [trade(p), fee(p)]).collect()
}

/// Excess at initial of the end state, less CROWD for the exposure added, is not negative; or R at initial is not higher and
/// Excess at maintenance not lower than before. Price quality may allow only the second.
fn check_margin(cx: &mut Context<'_>, account: u32, parts: &[Part]) -> Result<(), Refusal> {
    let underlying = |p: &Part| cx.state.known_market(p.market).terms.underlying;
    let shut = parts.iter().map(underlying).find(|&u| cx.state.known_underlying(u).price.permission(Action::Open) != Permission::Yes);
    let excess = excess_after(cx, account, parts);
    if shut.is_none() && excess >= 0 {
        return Ok(());
    }
    let before = Unfilled::of(cx, account);
    if rehearse(cx, account, parts, |cx| before.still_holds(cx, account, &[])) {
        return Ok(());
    }
    if let Some(underlying) = shut {
        return Err(Reject::price_quality_forbids_opening.at(0, i64::from(underlying), 0));
    }
    let below = cx.evaluate(account, &Question::at(Level::Initial)).excess() < 0;
    let code = if below { Reject::only_reducing_orders_below_initial } else { Reject::excess_at_initial_must_not_be_negative };
    Err(code.at(0, narrow(excess).unwrap_or(i64::MIN), 0))
}

/// Excess at initial, open orders counted, once these fills are in, less CROWD for them.
pub fn excess_after(cx: &mut Context<'_>, account: u32, parts: &[Part]) -> Value {
    let crowd = crowd_of(cx.state, account, parts);
    rehearse(cx, account, parts, |cx| cx.evaluate(account, &Question::at(Level::Initial)).excess()) - crowd
}

/// CROWD for what the perp legs add to |F| of each underlying.
#[must_use]
pub fn crowd_of(state: &State, account: u32, parts: &[Part]) -> Value {
    let holder = &state.accounts[account as usize];
    let of = |underlying: u32| {
        let listed = state.known_underlying(underlying);
        let perps = || listed.perps.iter().map(|&m| state.known_market(m));
        let held: i128 = perps().map(|m| state.shares_of(m, i128::from(holder.lots(m.terms.market)))).sum();
        let legs = |m: u32| parts.iter().filter(move |p| p.market == m).map(|p| i128::from(p.lots)).sum::<i128>();
        let added: i128 = perps().map(|m| state.shares_of(m, legs(m.terms.market))).sum();
        crowd(state, listed, (held + added).abs() - held.abs())
    };
    underlyings(state, parts).into_iter().map(of).sum()
}

fn underlyings(state: &State, parts: &[Part]) -> Vec<u32> {
    let mut met: Vec<u32> = parts.iter().map(|p| state.known_market(p.market).terms.underlying).collect();
    met.sort_unstable();
    met.dedup();
    met
}

/// Stores the exit costs that the owner's group has now in what was traded.
pub fn store_rates(state: &mut State, account: u32, parts: &[Part]) {
    let owner = state.accounts[account as usize].owner;
    for underlying in underlyings(state, parts) {
        liquidity::store(state, owner, underlying, (0, 0));
    }
}

/// Asks a question of the account as it would be after these fills, and puts everything back. Only the account's own record,
/// what the caps admit of its tokens, and its group's exit costs are part of the answer.
pub fn rehearse<T>(cx: &mut Context<'_>, account: u32, parts: &[Part], ask: impl FnOnce(&mut Context<'_>) -> T) -> T {
    let (index, owner) = (account as usize, cx.state.accounts[account as usize].owner as usize);
    let holder = &cx.state.accounts[index];
    let (balances, positions) = (holder.balances.clone(), holder.positions.clone());
    let rates = cx.state.owners[owner].liquidity.clone();
    let bases = parts.iter().map(|p| cx.state.known_market(p.market)).filter(|m| !m.is_perp()).map(|m| m.terms.base);
    let admitted: Vec<(u32, Amount)> = bases.map(|asset| (asset, cx.state.known_asset(asset).admitted)).collect();
    parts.iter().for_each(|part| book(cx.state, account, part));
    store_rates(cx.state, account, parts);
    let answer = ask(cx);
    cx.state.accounts[index].put_back(balances, positions);
    cx.state.owners[owner].put_back(rates);
    for (asset, units) in admitted {
        cx.state.asset_mut(asset).admitted = units;
    }
    answer
}

/// One side of a fill in the account's own record.
fn book(state: &mut State, account: u32, part: &Part) {
    let market = state.known_market(part.market);
    if market.is_perp() {
        perp::book(state, account, part.market, part.lots, part.price, part.fee);
        return;
    }
    let (base, quote) = (market.terms.base, market.terms.quote);
    for (asset, amount) in movements(state, std::slice::from_ref(part)) {
        state.accounts[account as usize].balance_mut(asset).pledged += amount;
    }
    debug_assert!(base != quote, "a token is no stablecoin");
    collateral::readmit(state, account, base);
}
