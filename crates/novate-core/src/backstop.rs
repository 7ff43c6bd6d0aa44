//! Stage 5: backstop providers take slices of a red account's legs in a Dutch auction (RULES section 10).
//!
//! Responsible for: tranches and their loss limits, the auction's discount, bids, and what a slice is. Each tranche is an
//! account of its own: no collateral is shared. A hedged pair goes whole or not at all.

use crate::account::AccountState;
use crate::codec::Header;
use crate::command::{BidBackstop, CommitBackstop, ConfigureLiquidation, WithdrawBackstop};
use crate::context::Context;
use crate::event::{
    BackstopAuctionEnded, BackstopAuctionOpened, BackstopCommitted, BackstopSliceTaken, BackstopTrancheExhausted, BackstopWithdrawn,
};
use crate::insurance::{units_down, units_up};
use crate::ladder::{careful, shown};
use crate::ledger::Party;
use crate::margin::collateral::readmit;
use crate::margin::{Change, Level, Question, liquidity};
use crate::order::Side;
use crate::funds::post;
use crate::{eligibility, lending, perp};
use crate::price::{Action, Permission};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::liquidation::{Auction, Tranche};
use crate::units::{Amount, Lots, Nanos, PPM, SECOND, Value, div_ceil, div_floor, narrow, rate_down, rate_up};

/// The discount of an auction at a time: start, then the fast part, then the slow one; never above a half.
#[must_use]
pub fn discount(terms: &ConfigureLiquidation, auction: &Auction, now: Nanos) -> i64 {
    let past = (now.min(auction.end_ns) - auction.start_ns).max(0);
    let fast = past.min(auction.fast_ns);
    let grown = i128::from(terms.auction_fast_ppm) * i128::from(fast) + i128::from(terms.auction_slow_ppm) * i128::from(past - fast);
    let grown = grown / (i128::from(SECOND) * i128::from(auction.slowed.max(1)));
    narrow(i128::from(terms.auction_start_ppm) + grown).unwrap_or(PPM).min(PPM / 2)
}

/// The discount an auction of normal length ends with.
#[must_use]
pub fn last_discount(terms: &ConfigureLiquidation) -> i64 {
    let auction = Auction { end_ns: terms.auction_duration_ns, fast_ns: terms.auction_fast_ns, ..Auction::default() };
    discount(terms, &auction, terms.auction_duration_ns)
}

/// `CommitBackstop`.
///
/// # Errors
/// 201, 205, 505, 801, 802, 804.
pub fn commit(cx: &mut Context<'_>, header: &Header, command: &CommitBackstop) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let terms = cx.state.liquidation.terms.as_ref().ok_or(Reject::venue_must_be_configured)?;
    let (low, high) = (terms.auction_start_ppm, last_discount(terms));
    let within = (low..=high).contains(&command.discount_ppm);
    require(within, Reject::backstop_discount_must_be_within_the_auction.at(1, command.discount_ppm, if command.discount_ppm < low { low } else { high }))?;
    require(command.notional > 0, Reject::amount_must_be_positive.at(2, command.notional, 1))?;
    require(command.loss_limit > 0, Reject::amount_must_be_positive.at(3, command.loss_limit, 1))?;
    let known = cx.state.liquidation.tranches.contains_key(&account);
    require(!known, Reject::account_must_not_be_a_tranche_already)?;
    let holder = &cx.state.accounts[account as usize];
    require(holder.liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let cash = holder.balances.iter().all(|b| cx.state.known_asset(b.asset).is_stablecoin() || (b.pledged == 0 && b.lent == 0));
    require(cash && !holder.has_risk(), Reject::tranche_must_hold_cash_alone)?;

    let equity = shown(cx.evaluate(account, &Question::at(Level::Maintenance)).equity);
    let CommitBackstop { discount_ppm, notional, loss_limit } = *command;
    let tranche = Tranche { discount_ppm, notional, loss_limit, equity, release_ns: 0, exhausted: false };
    cx.state.liquidation.tranches.insert(account, tranche);
    cx.tell_account(account, &BackstopCommitted { discount_ppm, notional, loss_limit, equity });
    Ok(())
}

/// `WithdrawBackstop`: the notice runs from now; a second one changes nothing.
///
/// # Errors
/// 201, 803.
pub fn withdraw(cx: &mut Context<'_>, header: &Header, _: &WithdrawBackstop) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let release = cx.state.now.saturating_add(cx.state.liquidation.terms.as_ref().map_or(0, |t| t.backstop_notice_ns));
    let tranche = cx.state.liquidation.tranches.get_mut(&account).ok_or(Reject::account_must_be_a_tranche)?;
    if tranche.release_ns == 0 {
        tranche.release_ns = release;
    }
    let release_ns = tranche.release_ns;
    cx.tell_account(account, &BackstopWithdrawn { release_ns });
    Ok(())
}

/// `BidBackstop`.
///
/// # Errors
/// 201, 803, 806 to 810, 813.
pub fn bid(cx: &mut Context<'_>, header: &Header, command: &BidBackstop) -> Result<(), Refusal> {
    let taker = cx.state.account(header.account)?;
    let tranche = *cx.state.liquidation.tranches.get(&taker).ok_or(Reject::account_must_be_a_tranche)?;
    require(!tranche.exhausted, Reject::tranche_must_be_below_its_loss_limit.at(0, tranche.loss_limit, tranche.loss_limit))?;
    let running = cx.state.liquidation.auctions.iter().find(|(_, a)| a.id == command.auction).map(|(&k, a)| (k, a.clone()));
    let (account, auction) = running.ok_or(Reject::auction_must_be_running.at(1, command.auction as i64, 0))?;
    require((1..=PPM).contains(&command.share_ppm), Reject::share_must_be_offered.at(2, command.share_ppm, PPM))?;
    let own = cx.state.accounts[account as usize].owner == cx.state.accounts[taker as usize].owner;
    require(!own, Reject::tranche_must_not_bid_on_its_owner)?;
    let discount_ppm = discount(cx.state.liquidation.terms(), &auction, cx.state.now);
    let slice = slice_of(cx, account, command.share_ppm, discount_ppm);
    require(slice.notional > 0, Reject::share_must_be_offered.at(2, command.share_ppm, 0))?;
    acceptable(cx, account, taker, &slice)?;
    take(cx, account, taker, &slice);
    Ok(())
}

/// One perp leg of a slice.
#[derive(Clone, Copy, Debug)]
struct PerpPart {
    market: u32,
    /// Signed lots that leave the account.
    lots: Lots,
    /// What the account gets for them, signed quote units, discount taken off.
    worth: i64,
}

/// One token leg of a slice. A borrowed token goes as what is owed: negative units, for which the tranche is paid.
#[derive(Clone, Copy, Debug)]
struct TokenPart {
    asset: u32,
    units: Amount,
    coin: u32,
    /// What the tranche pays, units of the coin, discount taken off; negative: what it is paid, discount added.
    pays: Amount,
}

/// A claim on a pool that goes with a slice.
#[derive(Clone, Copy, Debug)]
struct ClaimPart {
    asset: u32,
    units: Amount,
    coin: u32,
    /// What the tranche pays, units of the coin, discount taken off.
    pays: Amount,
}

/// A share of every transferable leg.
#[derive(Clone, Debug, Default)]
struct Slice {
    share_ppm: i64,
    discount_ppm: i64,
    perps: Vec<PerpPart>,
    tokens: Vec<TokenPart>,
    claims: Vec<ClaimPart>,
    /// Gross micro-dollars.
    notional: Value,
    /// Discount, micro-dollars.
    cost: Value,
}

/// What `share_ppm` of an account's legs is now. The discount never takes more than the share of what the account is worth at
/// close-out: no slice goes beyond the bankruptcy price.
fn slice_of(cx: &mut Context<'_>, account: u32, share_ppm: i64, discount_ppm: i64) -> Slice {
    let (question, _) = careful(cx, account, Level::CloseOut, false);
    let worth = cx.evaluate_exposures(account, &question).equity.max(0);
    let gross = gross(cx.state, account, &cx.scratch.evaluator.portfolio.perps, &cx.scratch.evaluator.portfolio.exposures);
    let most = if gross == 0 { 0 } else { narrow(worth * i128::from(PPM) / gross).unwrap_or(PPM) };
    let discount_ppm = discount_ppm.min(most);
    let mut slice = Slice { share_ppm, discount_ppm, ..Slice::default() };
    let exposures = cx.scratch.evaluator.portfolio.exposures.clone();
    let perps = cx.scratch.evaluator.portfolio.perps.clone();
    for (at, exposure) in exposures.iter().enumerate() {
        if cx.state.known_underlying(exposure.underlying).price.permission(Action::Liquidate) == Permission::No {
            continue;
        }
        let mut gone = 0;
        for leg in perps.iter().filter(|p| p.slot == at && p.lots != 0) {
            gone += perp_part(cx.state, leg, exposure.corners[0].price, &mut slice);
        }
        token_parts(cx.state, account, exposure, gone, &mut slice);
        debt_parts(cx.state, account, exposure, gone, &mut slice);
    }
    claim_parts(cx.state, account, &exposures, &mut slice);
    slice
}

/// What a claim on a pool is worth in the auction, micro-dollars, and the stablecoin it is paid in; nothing while its price
/// forbids it.
fn claim_worth(state: &State, exposures: &[crate::margin::Exposure], asset: u32, units: Amount) -> Option<(u32, Value)> {
    let listed = state.known_asset(asset);
    if listed.is_stablecoin() {
        return Some((asset, listed.face(i128::from(units))));
    }
    let underlying = state.known_underlying(listed.terms.underlying);
    let exposure = exposures.iter().find(|e| e.underlying == listed.terms.underlying)?;
    let coin = underlying.spots.iter().chain(&underlying.perps).map(|&m| state.known_market(m).terms.quote).next()?;
    let allowed = underlying.price.permission(Action::Liquidate) != Permission::No;
    allowed.then(|| (coin, underlying.value_down(listed.shares(i128::from(units)), exposure.corners[0].price)))
}

/// Adds the share of every claim that the pool can't return now: it is liquidated by transfer.
fn claim_parts(state: &State, account: u32, exposures: &[crate::margin::Exposure], slice: &mut Slice) {
    for balance in state.accounts[account as usize].balances.iter().filter(|b| b.lent > 0) {
        let units = rate_down(i128::from(state.ledger.claim(balance)), slice.share_ppm) as i64;
        let Some((coin, value)) = claim_worth(state, exposures, balance.asset, units).filter(|w| w.1 > 0) else { continue };
        let off = rate_up(value, slice.discount_ppm);
        slice.notional += value;
        slice.cost += off;
        let price_ppm = i128::from(state.stablecoin_ppm(state.known_asset(coin)).max(1));
        let at_price = if coin == balance.asset { value - off } else { (value - off) * i128::from(PPM) / price_ppm };
        slice.claims.push(ClaimPart { asset: balance.asset, units, coin, pays: units_down(state, coin, at_price) });
    }
}

/// Gross dollars of the legs that can go.
fn gross(state: &State, account: u32, perps: &[crate::margin::portfolio::PerpLeg], exposures: &[crate::margin::Exposure]) -> Value {
    let mut total = 0;
    for (at, exposure) in exposures.iter().enumerate() {
        let listed = state.known_underlying(exposure.underlying);
        if listed.price.permission(Action::Liquidate) == Permission::No {
            continue;
        }
        let price = exposure.corners[0].price;
        total += perps.iter().filter(|p| p.slot == at).map(|p| listed.value_down(p.shares.abs(), price)).sum::<Value>();
        total += listed.value_down(free_shares(state, account, &listed.assets) + owed_shares(state, account, &listed.assets), price);
    }
    let claims = state.accounts[account as usize].balances.iter().filter(|b| b.lent > 0);
    total + claims.filter_map(|b| claim_worth(state, exposures, b.asset, state.ledger.claim(b))).map(|w| w.1).sum::<Value>()
}

fn free_shares(state: &State, account: u32, assets: &[u32]) -> i128 {
    let holder = &state.accounts[account as usize];
    assets.iter().filter_map(|&a| holder.balance(a).map(|b| state.known_asset(a).shares(i128::from(b.free())))).sum()
}

fn owed_shares(state: &State, account: u32, assets: &[u32]) -> i128 {
    let holder = &state.accounts[account as usize];
    assets.iter().filter_map(|&a| holder.balance(a).map(|b| state.known_asset(a).shares(i128::from(state.ledger.owed(b))))).sum()
}

/// Adds a perp leg's share, in whole lots rounded up; returns the signed shares that go.
fn perp_part(state: &State, leg: &crate::margin::portfolio::PerpLeg, price: i64, slice: &mut Slice) -> i128 {
    let lots = (rate_up(i128::from(leg.lots.abs()), slice.share_ppm) as i64) * leg.lots.signum();
    let market = state.known_market(leg.market);
    let worth = leg.cost + i128::from(units_down(state, leg.quote, leg.result));
    let part = div_floor(worth * i128::from(lots.abs()), i128::from(leg.lots.abs()));
    let shares = state.shares_of(market, i128::from(lots));
    let notional = state.known_underlying(market.terms.underlying).value_down(shares.abs(), price);
    let off = rate_up(notional, slice.discount_ppm);
    slice.notional += notional;
    slice.cost += off;
    let off = units_up(state, leg.quote, off);
    slice.perps.push(PerpPart { market: leg.market, lots, worth: narrow(part - i128::from(off)).unwrap_or(0) });
    shares
}

/// Adds the tokens that go: all that the leaving perp shares are hedged by, and the share of what is not hedged.
fn token_parts(state: &State, account: u32, exposure: &crate::margin::Exposure, gone: i128, slice: &mut Slice) {
    let listed = state.known_underlying(exposure.underlying);
    let held = free_shares(state, account, &listed.assets);
    let coin = listed.spots.iter().chain(&listed.perps).map(|&m| state.known_market(m).terms.quote).next();
    let (Some(coin), true) = (coin, held > 0) else { return };
    let matched = if exposure.perp < 0 { held.min(-exposure.perp) } else { 0 };
    let with_perp = if exposure.perp == 0 { 0 } else { div_floor(matched * gone.abs(), exposure.perp.abs()) };
    let mut wanted = with_perp + rate_down(held - matched, slice.share_ppm);
    let price = exposure.corners[0].price;
    for &asset in &listed.assets {
        let token = state.known_asset(asset);
        let free = state.accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::free);
        let per = token.shares(1_000_000_000).max(1);
        let units = narrow(wanted * 1_000_000_000 / per).unwrap_or(i64::MAX).min(free);
        if units <= 0 {
            continue;
        }
        let shares = token.shares(i128::from(units));
        wanted -= shares;
        let value = listed.value_down(shares, price);
        let off = rate_up(value, slice.discount_ppm);
        slice.notional += value;
        slice.cost += off;
        let price_ppm = i128::from(state.stablecoin_ppm(state.known_asset(coin)).max(1));
        let pays = units_down(state, coin, (value - off) * i128::from(PPM) / price_ppm);
        slice.tokens.push(TokenPart { asset, units, coin, pays });
    }
}

/// Adds the borrowed tokens that go, as what is owed: all that hedge the leaving perp shares, and the share of what hedges none.
fn debt_parts(state: &State, account: u32, exposure: &crate::margin::Exposure, gone: i128, slice: &mut Slice) {
    let listed = state.known_underlying(exposure.underlying);
    let owed = owed_shares(state, account, &listed.assets);
    let coin = listed.spots.iter().chain(&listed.perps).map(|&m| state.known_market(m).terms.quote).next();
    let (Some(coin), true) = (coin, owed > 0) else { return };
    let matched = owed.min(exposure.perp.max(0));
    let with_perp = if matched == 0 { 0 } else { div_ceil(matched * gone.abs(), exposure.perp) };
    let mut wanted = with_perp + rate_up(owed - matched, slice.share_ppm);
    for &asset in &listed.assets {
        let token = state.known_asset(asset);
        let all = state.accounts[account as usize].balance(asset).map_or(0, |b| state.ledger.owed(b));
        let units = narrow(div_ceil(wanted.max(0) * 1_000_000_000, token.shares(1_000_000_000).max(1))).unwrap_or(i64::MAX).min(all);
        if units <= 0 {
            continue;
        }
        let shares = token.shares(i128::from(units));
        wanted -= shares;
        let value = -listed.value_down(-shares, exposure.corners[0].price);
        let off = rate_up(value, slice.discount_ppm);
        slice.notional += value;
        slice.cost += off;
        let price_ppm = i128::from(state.stablecoin_ppm(state.known_asset(coin)).max(1));
        let pays = units_up(state, coin, div_ceil((value + off) * i128::from(PPM), price_ppm));
        slice.tokens.push(TokenPart { asset, units: -units, coin, pays: -pays });
    }
}

/// The slice as changes of one side: `sign` -1 for the account that gives it, 1 for the tranche.
fn changes(state: &State, slice: &Slice, sign: i64) -> Vec<Change> {
    let mut changes = Vec::new();
    for part in &slice.perps {
        let market = state.known_market(part.market);
        let price = state.index_ticks(market);
        changes.push(Change::Trade { market: part.market, lots: sign * part.lots, price });
        // The trade is at the index; the rest of what was agreed moves as cash.
        let rest = part.worth - part.lots * price * market.unit;
        changes.push(Change::Balance { asset: market.terms.quote, amount: -sign * rest });
    }
    for part in &slice.tokens {
        changes.push(Change::Balance { asset: part.asset, amount: sign * part.units });
        changes.push(Change::Balance { asset: part.coin, amount: -sign * part.pays });
    }
    for part in &slice.claims {
        changes.push(Change::Balance { asset: part.asset, amount: sign * part.units });
        changes.push(Change::Lend { asset: part.asset, amount: sign * part.units });
        changes.push(Change::Balance { asset: part.coin, amount: -sign * part.pays });
    }
    changes
}

/// Margin of the tranche on its end state, cash without a loan, its notional; and no higher requirement of the account.
fn acceptable(cx: &mut Context<'_>, account: u32, taker: u32, slice: &Slice) -> Result<(), Refusal> {
    let gives = changes(cx.state, slice, -1);
    let (question, before) = careful(cx, account, Level::LiquidationEnd, false);
    let after = cx.evaluate(account, &Question { changes: &gives, ..question });
    let (close, was) = careful(cx, account, Level::CloseOut, false);
    let worth = cx.evaluate(account, &Question { changes: &gives, ..close }).equity;
    let refusal = Reject::slice_must_not_raise_the_requirement.at(2, shown(after.requirement), shown(before.requirement));
    require(after.requirement <= before.requirement && (was.equity < 0 || worth >= 0), refusal)?;

    for part in slice.tokens.iter().filter(|t| t.units < 0) {
        let free = cx.state.accounts[account as usize].balance(part.coin).map_or(0, crate::account::Balance::free);
        let pays: i128 = slice.tokens.iter().filter(|t| t.units < 0 && t.coin == part.coin).map(|t| -i128::from(t.pays)).sum();
        let (group, cap) = (cx.state.owed_by_group(taker, part.asset), cx.state.known_asset(part.asset).pool.as_ref().map_or(0, |p| p.owner_cap));
        require(pays <= i128::from(free) && group - part.units <= cap, refusal)?;
    }
    for asset in slice.tokens.iter().map(|t| t.asset).chain(slice.claims.iter().map(|c| c.asset)) {
        eligibility::may_hold(cx.state, taker, asset)?;
    }
    for part in &slice.perps {
        let side = if part.lots > 0 { Side::Bid } else { Side::Ask };
        eligibility::may_trade(cx.state, taker, part.market, side, part.lots.abs())?;
    }
    let takes = changes(cx.state, slice, 1);
    let tranche = cx.state.liquidation.tranches[&taker];
    let used = cx.state.liquidation.auctions.get(&account).and_then(|a| a.taken.get(&taker)).copied().unwrap_or(0);
    let end = cx.evaluate(taker, &Question { changes: &takes, ..Question::at(Level::Initial) });
    let refusal = Reject::tranche_must_be_margined_after_the_slice.at(2, shown(end.excess()), 0);
    let within = slice.notional + i128::from(used) <= i128::from(tranche.notional);
    let holder = &cx.state.accounts[taker as usize];
    let paid: Vec<(u32, Amount)> = slice.tokens.iter().map(|t| (t.coin, t.pays)).chain(slice.claims.iter().map(|c| (c.coin, c.pays))).collect();
    let funded = paid.iter().all(|&(coin, _)| {
        let pays: i128 = paid.iter().filter(|p| p.0 == coin).map(|p| i128::from(p.1)).sum();
        pays <= holder.balance(coin).map_or(0, |b| i128::from(b.free()))
    });
    require(end.excess() >= 0 && within && funded && holder.liquidation.is_none(), refusal)
}

fn take(cx: &mut Context<'_>, account: u32, taker: u32, slice: &Slice) {
    let (question, before) = careful(cx, account, Level::LiquidationEnd, false);
    for part in &slice.perps {
        perp::transfer(cx, account, part.market, -part.lots, -part.worth);
        perp::transfer(cx, taker, part.market, part.lots, part.worth);
    }
    for part in &slice.tokens {
        let State { ledger, accounts, .. } = &mut *cx.state;
        let (gives, takes) = (Party::Holder(account), Party::Holder(taker));
        let (gives, takes) = if part.units < 0 { (takes, gives) } else { (gives, takes) };
        ledger.post(accounts, part.asset, gives, takes, part.units.abs());
        ledger.post(accounts, part.coin, takes, gives, part.pays.abs());
        readmit(cx.state, account, part.asset);
        readmit(cx.state, taker, part.asset);
    }
    for part in &slice.claims {
        let moved = lending::transfer_lent(cx, account, taker, part.asset, part.units);
        debug_assert_eq!(moved, part.units, "a claim goes as far as it was counted");
        post(cx.state, part.coin, Party::Holder(taker), Party::Holder(account), part.pays);
    }
    grow_rates(cx.state, taker, slice);
    let after = cx.evaluate(account, &question);
    let notional = shown(slice.notional);
    let Some(auction) = cx.state.liquidation.auctions.get_mut(&account) else { return };
    auction.sold_ppm += rate_down(i128::from(PPM - auction.sold_ppm), slice.share_ppm) as i64;
    *auction.taken.entry(taker).or_default() += notional;
    let id = auction.id;
    let told = |role: u8, counterparty: u64| BackstopSliceTaken {
        auction: id,
        role,
        counterparty,
        share_ppm: slice.share_ppm,
        discount_ppm: slice.discount_ppm,
        notional,
        cost: shown(slice.cost),
        requirement_before: shown(before.requirement),
        requirement_after: shown(after.requirement),
    };
    let (giver, receiver) = (cx.state.accounts[account as usize].id, cx.state.accounts[taker as usize].id);
    cx.tell_account(account, &told(0, receiver));
    cx.tell_account(taker, &told(1, giver));
    cx.touch(account);
    cx.touch(taker);
}

/// The tranche's group has grown: its exit costs follow at once.
fn grow_rates(state: &mut State, taker: u32, slice: &Slice) {
    let owner = state.accounts[taker as usize].owner;
    let mut underlyings: Vec<u32> = slice.perps.iter().map(|p| state.known_market(p.market).terms.underlying).collect();
    underlyings.extend(slice.tokens.iter().map(|t| state.known_asset(t.asset).terms.underlying));
    underlyings.sort_unstable();
    underlyings.dedup();
    for underlying in underlyings {
        liquidity::store(state, owner, underlying, (0, 0));
    }
}

/// What an auction did in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Waits for a higher discount, a bid, or a price.
    Waits,
    /// Something was taken.
    Sold,
    /// Nobody takes the rest, or nobody is there.
    NoTaker,
    /// Every tranche has reached its loss limit.
    Exhausted,
}

/// Opens the account's auction or lets standing commitments take what they are willing to.
pub fn run(cx: &mut Context<'_>, account: u32) -> Progress {
    let owner = cx.state.accounts[account as usize].owner;
    let others: Vec<(u32, Tranche)> = cx.state.liquidation.tranches.iter().map(|(&k, &t)| (k, t)).filter(|&(k, _)| cx.state.accounts[k as usize].owner != owner).collect();
    if others.is_empty() {
        end(cx, account, 1);
        return Progress::NoTaker;
    }
    if others.iter().all(|(_, t)| t.exhausted) {
        end(cx, account, 2);
        return Progress::Exhausted;
    }
    if !cx.state.liquidation.auctions.contains_key(&account) && !open(cx, account) {
        return Progress::NoTaker;
    }
    let auction = cx.state.liquidation.auctions[&account].clone();
    let now = discount(cx.state.liquidation.terms(), &auction, cx.state.now);
    let willing: Vec<(u32, i64)> = others
        .iter()
        .filter(|(_, t)| !t.exhausted && t.discount_ppm <= now)
        .map(|&(k, t)| (k, (t.notional - auction.taken.get(&k).copied().unwrap_or(0)).max(0)))
        .collect();
    if fill(cx, account, &willing, now) {
        return Progress::Sold;
    }
    if cx.state.now >= auction.end_ns {
        end(cx, account, 1);
        return Progress::NoTaker;
    }
    Progress::Waits
}

fn open(cx: &mut Context<'_>, account: u32) -> bool {
    let whole = slice_of(cx, account, PPM, 0);
    if whole.notional == 0 {
        return false;
    }
    let exposures = &cx.scratch.evaluator.portfolio.exposures;
    let bounded = exposures.iter().any(|e| cx.state.known_underlying(e.underlying).price.permission(Action::Liquidate) == Permission::Bounded);
    let terms = cx.state.liquidation.terms();
    let slowed = if bounded { terms.auction_closed_factor } else { 1 };
    let (start, length, fast) = (cx.state.now, terms.auction_duration_ns, terms.auction_fast_ns);
    let discount_ppm = terms.auction_start_ppm;
    cx.state.liquidation.last_auction += 1;
    let id = cx.state.liquidation.last_auction;
    let end_ns = start.saturating_add(length.saturating_mul(i64::from(slowed)));
    let auction = Auction { id, start_ns: start, end_ns, fast_ns: fast.saturating_mul(i64::from(slowed)), slowed, ..Auction::default() };
    cx.state.liquidation.auctions.insert(account, auction);
    cx.tell_account(account, &BackstopAuctionOpened { auction: id, notional: shown(whole.notional), discount_ppm, end_ns });
    true
}

/// Ends the account's auction, if one runs, and says why.
pub fn end(cx: &mut Context<'_>, account: u32, reason: u8) {
    if let Some(auction) = cx.state.liquidation.auctions.remove(&account) {
        cx.tell_account(account, &BackstopAuctionEnded { auction: auction.id, reason, sold_ppm: auction.sold_ppm });
    }
}

/// Standing commitments take pro rata to what each may still take, no more than the account needs.
fn fill(cx: &mut Context<'_>, account: u32, willing: &[(u32, i64)], discount_ppm: i64) -> bool {
    let capacity: Value = willing.iter().map(|w| i128::from(w.1)).sum();
    let whole = slice_of(cx, account, PPM, discount_ppm);
    if capacity == 0 || whole.notional == 0 {
        return false;
    }
    let total = needed_ppm(cx, account, &whole).min(narrow(capacity * i128::from(PPM) / whole.notional).unwrap_or(PPM));
    let (mut left, mut sold) = (PPM, false);
    for &(taker, room) in willing {
        let of_all = narrow(i128::from(total) * i128::from(room) / capacity).unwrap_or(0);
        let mut share = narrow(i128::from(of_all) * i128::from(PPM) / i128::from(left.max(1))).unwrap_or(PPM).min(PPM);
        for _ in 0..3 {
            let slice = slice_of(cx, account, share, discount_ppm);
            if slice.notional > 0 && acceptable(cx, account, taker, &slice).is_ok() {
                take(cx, account, taker, &slice);
                left -= of_all.min(left);
                sold = true;
                break;
            }
            share /= 2;
        }
    }
    sold
}

/// The share after which excess at liquidation-end is not negative, were the requirement to fall in proportion.
fn needed_ppm(cx: &mut Context<'_>, account: u32, whole: &Slice) -> i64 {
    let (_, end) = careful(cx, account, Level::LiquidationEnd, false);
    let relief = (end.requirement - whole.cost).max(1);
    narrow(div_ceil(-end.excess() * i128::from(PPM), relief)).unwrap_or(PPM).clamp(1, PPM)
}

/// Releases tranches whose notice has passed, and takes those out that have lost their limit.
pub fn watch(cx: &mut Context<'_>) {
    let all: Vec<(u32, Tranche)> = cx.state.liquidation.tranches.iter().map(|(&k, &t)| (k, t)).collect();
    for (account, tranche) in all {
        if tranche.release_ns != 0 && tranche.release_ns <= cx.state.now {
            cx.state.liquidation.tranches.remove(&account);
            cx.tell_account(account, &BackstopWithdrawn { release_ns: 0 });
            continue;
        }
        let equity = shown(cx.evaluate(account, &Question::at(Level::Maintenance)).equity);
        let loss = tranche.equity.saturating_sub(equity);
        let failed = loss >= tranche.loss_limit || cx.state.accounts[account as usize].state >= AccountState::Orange;
        if failed && !tranche.exhausted {
            if let Some(t) = cx.state.liquidation.tranches.get_mut(&account) {
                t.exhausted = true;
            }
            cx.tell_account(account, &BackstopTrancheExhausted { loss, loss_limit: tranche.loss_limit });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_discount_grows_fast_then_slowly_and_stops_at_the_end() {
        let terms = ConfigureLiquidation {
            auction_start_ppm: 1_000,
            auction_fast_ppm: 500,
            auction_fast_ns: 10 * SECOND,
            auction_slow_ppm: 100,
            auction_duration_ns: 60 * SECOND,
            auction_closed_factor: 4,
            backstop_notice_ns: 0,
            insurance_group_day_cap: 0,
            residue_value: 0,
            deleverage_share_ppm: 0,
            deleverage_notional: 0,
            sale_tolerance_ppm: 0,
            recovery_sessions: 1,
            cover_owners: 1,
            open_interest_floor_ppm: 0,
        };
        let auction = Auction { start_ns: 100, end_ns: 100 + 60 * SECOND, fast_ns: 10 * SECOND, slowed: 1, ..Auction::default() };
        let at = |seconds: i64| discount(&terms, &auction, 100 + seconds * SECOND);
        assert_eq!([at(-1), at(0), at(1), at(10), at(11), at(60), at(600)], [1_000, 1_000, 1_500, 6_000, 6_100, 11_000, 11_000]);
        let closed = Auction { end_ns: 100 + 240 * SECOND, fast_ns: 40 * SECOND, slowed: 4, ..auction };
        assert_eq!(discount(&terms, &closed, 100 + 40 * SECOND), 6_000);
        assert_eq!(discount(&terms, &closed, 100 + 240 * SECOND), last_discount(&terms));
    }
}
