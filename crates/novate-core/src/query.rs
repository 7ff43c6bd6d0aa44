//! Questions about the state: MessagePack array in, MessagePack map out.
//!
//! Responsible for: reading, never changing. The margin report and what-if run the production evaluation. The request is an
//! array whose first element is the question's number; `src/novate/messages/reports.py` has the other side.

mod explain;
mod orders;
mod packages;
mod prices;
mod lending;
mod liquidation;
mod clearing;
mod governance;
mod corporate;
mod portfolios;

use crate::account::LiquidityRate;
use crate::margin::explain::{Contribution, binding_words, contributions, distance, without_orders};
use crate::margin::liquidity::stored_rates;
use crate::margin::{Binding, Change, Evaluation, Level, Portfolio, Question, evaluate, everyone};
use crate::order::Side;
use crate::state::State;
use crate::units::{Value, narrow};
use serde::Serialize;

const ACCOUNTS: u64 = 1;
const ACCOUNT: u64 = 2;
const MARGIN: u64 = 3;
const UNDERLYINGS: u64 = 4;
const MARKETS: u64 = 5;
const LEDGER: u64 = 6;
const BOOK: u64 = 7;
const WHAT_IF: u64 = 8;
const DISTANCE: u64 = 9;
const LIQUIDITY: u64 = 10;
const WITH_ROW: u64 = 11;
const OWNERS: u64 = 12;

/// Answers a request.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, request: &[u8]) -> Result<Vec<u8>, String> {
    let number = number(request)?;
    match number {
        ACCOUNTS => reply(&everyone(state, |evaluator, index| account_line(state, index, |question| evaluator.evaluate(state, index, question)))),
        ACCOUNT => reply(&account_report(state, arguments::<(u64, u64)>(request)?.1)?),
        MARGIN => reply(&margin_report(state, arguments::<(u64, u64)>(request)?.1)?),
        UNDERLYINGS => reply(&underlyings(state)),
        MARKETS => reply(&markets(state)),
        LEDGER => reply(&ledger(state)),
        BOOK => {
            let (_, market, levels) = arguments::<(u64, u32, u32)>(request)?;
            reply(&book(state, market, levels)?)
        }
        WHAT_IF => reply(&what_if(state, &arguments::<WhatIf>(request)?)?),
        DISTANCE => {
            let (_, account, level) = arguments::<(u64, u64, u8)>(request)?;
            reply(&distances(state, account, level)?)
        }
        LIQUIDITY => reply(&liquidity(state)),
        WITH_ROW => {
            let (_, account, date, moves_ppm) = arguments::<(u64, u64, String, Vec<i64>)>(request)?;
            reply(&with_row(state, account, date, moves_ppm)?)
        }
        OWNERS => {
            let (_, skip, limit) = arguments::<(u64, u32, u32)>(request)?;
            reply(&owners(state, skip as usize, limit as usize))
        }
        500..=549 => explain::answer(state, number, request),
        450..=499 => packages::answer(state, number, request),
        400..=499 => orders::answer(state, number, request),
        550..=599 => portfolios::answer(state, number, request),
        600..=699 => prices::answer(state, number, request),
        700..=799 => lending::answer(state, number, request),
        800..=899 => liquidation::answer(state, number, request),
        900..=999 => clearing::answer(state, number, request),
        1000..=1099 => governance::answer(state, number, request),
        1200..=1299 => corporate::answer(state, number, request),
        other => Err(unknown(other)),
    }
}

/// The question's number.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn number(request: &[u8]) -> Result<u64, String> {
    rmp_serde::from_slice::<(u64,)>(request).map(|n| n.0).or_else(|_| first_number(request))
}

fn unknown(number: u64) -> String {
    format!("no question has number {number}")
}

fn first_number(request: &[u8]) -> Result<u64, String> {
    // Requests have different lengths; the first element of any of them is a small positive integer.
    match request {
        [0x91..=0x9f, number @ 0..=0x7f, ..] | [0x91..=0x9f, 0xcc, number, ..] => Ok(u64::from(*number)),
        [0x91..=0x9f, 0xcd, high, low, ..] => Ok(u64::from(*high) << 8 | u64::from(*low)),
        _ => Err("a request is a MessagePack array that begins with the question's number".to_owned()),
    }
}

fn arguments<T: serde::de::DeserializeOwned>(request: &[u8]) -> Result<T, String> {
    rmp_serde::from_slice(request).map_err(|e| format!("the request's arguments do not fit the question: {e}"))
}

fn reply<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec_named(value).map_err(|e| e.to_string())
}

fn small(value: Value) -> i64 {
    narrow(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn dense(state: &State, account: u64) -> Result<u32, String> {
    state.account(account).map_err(|_| format!("account_must_exist: no account has id {account}"))
}

#[derive(Serialize)]
struct AccountLine {
    account: u64,
    owner: u32,
    state: u8,
    in_liquidation: bool,
    equity: i64,
    requirements: [i64; 4],
    excess: [i64; 4],
}

fn account_line(state: &State, index: u32, mut evaluated: impl FnMut(&Question<'_>) -> Evaluation) -> AccountLine {
    let account = &state.accounts[index as usize];
    let all = Level::ALL.map(|level| evaluated(&Question::at(level)));
    AccountLine {
        account: account.id,
        owner: state.owners[account.owner as usize].id,
        state: account.state as u8,
        in_liquidation: account.liquidation.is_some(),
        equity: small(all[Level::Maintenance as usize].equity),
        requirements: all.map(|e| small(e.requirement)),
        excess: all.map(|e| small(e.excess())),
    }
}

#[derive(Serialize)]
struct BalanceLine {
    asset: u32,
    name: String,
    pledged: i64,
    lent: i64,
    reserved: i64,
    admitted: i64,
    held: i64,
    escrowed: i64,
    due: i64,
    value: i64,
}

#[derive(Serialize)]
struct PositionLine {
    market: u32,
    name: String,
    perp: bool,
    lots: i64,
    cost: i64,
    claim: i64,
    hedged_claim: i64,
    debt: i64,
    value: i64,
    result: i64,
    bid_lots: i64,
    ask_lots: i64,
}

#[derive(Serialize)]
struct OrderLine {
    order: u64,
    market: u32,
    side: u8,
    price: i64,
    leaves: i64,
    flags: u8,
}

#[derive(Serialize)]
struct AccountReport {
    sequence: u64,
    time_ns: i64,
    line: AccountLine,
    balances: Vec<BalanceLine>,
    positions: Vec<PositionLine>,
    orders: Vec<OrderLine>,
}

fn account_report(state: &State, id: u64) -> Result<AccountReport, String> {
    let index = dense(state, id)?;
    let account = &state.accounts[index as usize];
    let mut portfolio = Portfolio::default();
    let question = Question { orders: false, ..Question::at(Level::Maintenance) };
    evaluate(state, index, &question, &mut portfolio);
    let balances = account.balances.iter().map(|b| {
        let asset = state.known_asset(b.asset);
        let token = portfolio.tokens.iter().find(|t| t.asset == b.asset).map(|t| t.value);
        let value = token.unwrap_or_else(|| if asset.is_stablecoin() { asset.face(state.ledger.pledged_and_lent(b) + i128::from(b.escrowed)) } else { 0 });
        BalanceLine {
            asset: b.asset,
            name: asset.terms.name.clone(),
            pledged: if b.pledged < 0 { -state.ledger.owed(b) } else { b.pledged },
            lent: state.ledger.claim(b),
            reserved: b.reserved,
            admitted: b.admitted,
            held: b.held,
            escrowed: b.escrowed,
            due: b.due,
            value: small(value),
        }
    });
    let positions = account.positions.iter().map(|p| {
        let market = state.known_market(p.market);
        let leg = portfolio.perps.iter().find(|l| l.market == p.market);
        let price = leg.map_or(0, |l| portfolio.exposures[l.slot].corners[0].price);
        let value = leg.map_or(0, |l| state.known_underlying(market.terms.underlying).value_down(l.shares, price));
        PositionLine {
            market: p.market,
            name: market.terms.name.clone(),
            perp: market.is_perp(),
            lots: p.lots,
            cost: p.cost,
            claim: p.claim(),
            hedged_claim: p.hedged_claim,
            debt: p.debt(),
            value: small(value),
            result: leg.map_or(0, |l| small(l.result)),
            bid_lots: account.open(p).bids.lots,
            ask_lots: account.open(p).asks.lots,
        }
    });
    let orders = state.orders.of_account(account.orders).map(|slot| {
        let o = state.orders.order(slot);
        OrderLine { order: state.orders.id(slot), market: o.market(), side: o.side() as u8, price: o.price(), leaves: o.leaves(), flags: o.flags() }
    });
    let (balances, positions) = (balances.collect(), positions.collect());
    Ok(AccountReport {
        sequence: state.sequence,
        time_ns: state.now,
        line: account_line(state, index, |question| evaluate(state, index, question, &mut portfolio)),
        balances,
        positions,
        orders: orders.collect(),
    })
}

#[derive(Serialize)]
struct TermAmounts {
    sr: i64,
    gap: i64,
    basis: i64,
    wrap: i64,
    fx: i64,
    liq: i64,
    crowd: i64,
    loss: i64,
    lent: i64,
}

#[derive(Serialize)]
struct LevelReport {
    level: u8,
    factor_ppm: i64,
    equity: i64,
    requirement: i64,
    excess: i64,
    /// Terms with open orders, before lambda.
    terms: TermAmounts,
    requirement_without_orders: i64,
    /// Part of the requirement that open orders make.
    orders: i64,
    binding: String,
    /// kind (0 none, 1 parallel, 2 rotation, 3 tail, 4 dated), bucket or row index, fraction or sector, rises.
    binding_row: (u8, u32, i64, bool),
    /// The two gap groups that count in full, largest first: group and micro-dollars.
    gap_groups: Vec<(u32, i64)>,
    contributions: Vec<Contribution>,
}

fn binding_row(binding: Binding) -> (u8, u32, i64, bool) {
    use crate::margin::scenario::GridRow;
    match binding {
        Binding::None => (0, 0, 0, false),
        Binding::Grid { bucket, row: GridRow::Parallel { fraction_ppm } } => (1, bucket, fraction_ppm, fraction_ppm > 0),
        Binding::Grid { bucket, row: GridRow::Rotation { sector, rises } } => (2, bucket, i64::from(sector), rises),
        Binding::Grid { bucket, row: GridRow::Tail { fraction_ppm } } => (3, bucket, fraction_ppm, fraction_ppm > 0),
        Binding::Dated { index } => (4, index, 0, false),
    }
}

fn level_report(state: &State, account: u32, question: &Question<'_>) -> LevelReport {
    let mut portfolio = Portfolio::default();
    let whole: Evaluation = evaluate(state, account, question, &mut portfolio);
    let gap_groups = portfolio.groups.iter().take(2).filter(|g| g.0 > 0).map(|g| (g.1, small(g.0))).collect();
    let held = without_orders(question.changes);
    let without = evaluate(state, account, &Question { orders: false, changes: &held, ..*question }, &mut portfolio);
    let t = &whole.terms;
    LevelReport {
        level: question.level as u8,
        factor_ppm: question.level.factor_ppm(state),
        equity: small(whole.equity),
        requirement: small(whole.requirement),
        excess: small(whole.excess()),
        terms: TermAmounts {
            sr: small(t.sr),
            gap: small(t.gap),
            basis: small(t.basis),
            wrap: small(t.wrap),
            fx: small(t.fx),
            liq: small(t.liq),
            crowd: small(t.crowd),
            loss: small(t.loss),
            lent: small(t.lent),
        },
        requirement_without_orders: small(without.requirement),
        orders: small(whole.requirement - without.requirement),
        binding: binding_words(state, whole.binding),
        binding_row: binding_row(whole.binding),
        gap_groups,
        contributions: contributions(state, account, question, &whole),
    }
}

#[derive(Serialize)]
struct MarginReport {
    account: u64,
    sequence: u64,
    time_ns: i64,
    state: u8,
    levels: Vec<LevelReport>,
}

fn margin_report(state: &State, id: u64) -> Result<MarginReport, String> {
    let account = dense(state, id)?;
    let levels = Level::ALL.iter().map(|&level| level_report(state, account, &Question::at(level))).collect();
    let held = state.accounts[account as usize].state as u8;
    Ok(MarginReport { account: id, sequence: state.sequence, time_ns: state.now, state: held, levels })
}

/// The margin report as it would be with one more dated row, on a copy of the state.
fn with_row(state: &State, account: u64, date: String, moves_ppm: Vec<i64>) -> Result<MarginReport, String> {
    let buckets = state.buckets.len().saturating_sub(1);
    if moves_ppm.len() != buckets || moves_ppm.iter().any(|m| !(-1_000_000..=10_000_000).contains(m)) {
        return Err(format!("row_must_name_every_bucket: {buckets} moves of -100 % to +1000 %"));
    }
    let mut copy = state.clone();
    copy.add_dated_row(crate::command::ListDatedRow { row: 0, date, moves_ppm });
    margin_report(&copy, account)
}

/// Arguments of a what-if. A change is (kind, id, side, price, lots or amount): 0 trade (signed lots), 1 order, 2 balance.
#[derive(serde::Deserialize)]
struct WhatIf {
    #[allow(dead_code, reason = "the question's number, read before")]
    number: u64,
    account: u64,
    level: u8,
    orders: bool,
    slower: bool,
    withdrawal: bool,
    alone: bool,
    /// Underlying and ppm; underlying 0 for none.
    shift: (u32, i64),
    changes: Vec<(u8, u32, u8, i64, i64)>,
}

fn level_of(number: u8) -> Result<Level, String> {
    Level::ALL.get(number as usize).copied().ok_or_else(|| format!("level is 0 to 3, not {number}"))
}

fn what_if(state: &State, request: &WhatIf) -> Result<LevelReport, String> {
    let account = if request.alone && request.account == 0 { 0 } else { dense(state, request.account)? };
    if state.accounts.is_empty() {
        return Err("a what-if needs an open account".to_owned());
    }
    let changes: Vec<Change> = request.changes.iter().map(|c| change(state, *c)).collect::<Result<_, _>>()?;
    let question = Question {
        level: level_of(request.level)?,
        orders: request.orders,
        slower: request.slower,
        drifted: false,
        withdrawal: request.withdrawal,
        alone: request.alone,
        shift: (request.shift.0 != 0).then_some(request.shift),
        changes: &changes,
    };
    Ok(level_report(state, account, &question))
}

fn change(state: &State, (kind, id, side, price, size): (u8, u32, u8, i64, i64)) -> Result<Change, String> {
    let market = || state.market(id).map(|_| id).map_err(|_| format!("market_must_exist: no market has id {id}"));
    match kind {
        0 => Ok(Change::Trade { market: market()?, lots: size, price }),
        1 => Ok(Change::Order { market: market()?, side: Side::try_from(side)?, price, lots: size }),
        2 => state.asset(id).map(|_| Change::Balance { asset: id, amount: size }).map_err(|_| format!("asset_must_exist: no asset has id {id}")),
        other => Err(format!("a change is 0 trade, 1 order or 2 balance, not {other}")),
    }
}

#[derive(Serialize)]
struct Distance {
    underlying: u32,
    name: String,
    fall_ppm: Option<i64>,
    rise_ppm: Option<i64>,
}

fn distances(state: &State, id: u64, level: u8) -> Result<Vec<Distance>, String> {
    let account = dense(state, id)?;
    let level = level_of(level)?;
    let mut portfolio = Portfolio::default();
    evaluate(state, account, &Question::at(level), &mut portfolio);
    let tell = |u: u32| {
        let (fall_ppm, rise_ppm) = distance(state, account, u, level);
        Distance { underlying: u, name: state.known_underlying(u).terms.name.clone(), fall_ppm, rise_ppm }
    };
    Ok(portfolio.exposures.iter().map(|e| tell(e.underlying)).collect())
}

#[derive(Serialize)]
struct UnderlyingLine {
    underlying: u32,
    name: String,
    index: i64,
    stable: i64,
    last_external: i64,
    long_price: i64,
    short_price: i64,
    slower_long: i64,
    slower_short: i64,
    uses_slower: bool,
    quality: u8,
    session: u8,
    initial_ppm: i64,
    maintenance_ppm: i64,
    confidence_ppm: i64,
    fresh_sources: u16,
    open_interest: i64,
    spot_volume: i64,
    perp_volume: i64,
    sigma_ppm: i64,
    half_spread_ppm: i64,
    speed_budget: i64,
}

fn underlyings(state: &State) -> Vec<UnderlyingLine> {
    let tell = |u: &crate::state::Underlying| {
        let factors = &state.buckets[u.terms.bucket as usize].as_ref().expect("listed").factors;
        let held: i128 = u.perps.iter().map(|&m| state.known_market(m)).map(|m| state.shares_of(m, i128::from(m.open_interest))).sum();
        UnderlyingLine {
            underlying: u.terms.underlying,
            name: u.terms.name.clone(),
            index: u.price.index(),
            stable: u.price.stable(),
            last_external: u.price.last_external(),
            long_price: u.price.long_price(),
            short_price: u.price.short_price(),
            slower_long: u.price.slower_price(1),
            slower_short: u.price.slower_price(-1),
            uses_slower: u.price.liquidation_uses_slower(),
            quality: u.price.quality() as u8,
            session: u.session.session as u8,
            initial_ppm: u.session.initial_ppm(factors, state.now),
            maintenance_ppm: u.session.maintenance_ppm(factors, state.now),
            confidence_ppm: u.price.confidence_ppm(),
            fresh_sources: u.price.fresh_sources(),
            open_interest: small(u.value_down(held, u.price.index())),
            spot_volume: u.liquidity.spot_volume,
            perp_volume: u.liquidity.perp_volume,
            sigma_ppm: u.liquidity.sigma_ppm,
            half_spread_ppm: u.liquidity.half_spread_ppm,
            speed_budget: u.speed_budget,
        }
    };
    state.underlyings.iter().flatten().map(tell).collect()
}

#[derive(Serialize)]
struct MarketLine {
    market: u32,
    name: String,
    perp: bool,
    unit: i64,
    index_ticks: i64,
    mark: i64,
    best_bid: Option<i64>,
    best_ask: Option<i64>,
    last_trade: i64,
    open_interest: i64,
    orders: u32,
}

/// Walks no account: everybody may ask it, as often as they like.
fn markets(state: &State) -> Vec<MarketLine> {
    let tell = |m: &crate::state::Market| MarketLine {
        market: m.terms.market,
        name: m.terms.name.clone(),
        perp: m.is_perp(),
        unit: m.unit,
        index_ticks: state.index_ticks(m),
        mark: m.mark.mark(),
        best_bid: m.book.best(Side::Bid),
        best_ask: m.book.best(Side::Ask),
        last_trade: m.last_trade,
        open_interest: m.open_interest,
        orders: m.book.len(),
    };
    state.markets.iter().flatten().map(tell).collect()
}

/// Account, owner: so many accounts from one on, in the order they were opened.
fn owners(state: &State, skip: usize, limit: usize) -> Vec<(u64, u32)> {
    state.accounts.iter().skip(skip).take(limit).map(|a| (a.id, state.owners[a.owner as usize].id)).collect()
}

#[derive(Serialize)]
struct LedgerReport {
    /// Asset, party, balance.
    venue: Vec<(u32, String, i64)>,
    /// Asset, lent, borrowed, reserved.
    pools: Vec<(u32, i64, i64, i64)>,
    /// Asset, custody less everything owed: zero.
    conservation: Vec<(u32, i64)>,
    pools_are_true: bool,
    /// Market, sum of signed positions, claims - debts - clearing - costs: zeros.
    clearing: Vec<(u32, i64, i64)>,
}

fn ledger(state: &State) -> LedgerReport {
    let pools = state.assets.iter().flatten().filter(|a| a.pool.is_some()).map(|a| {
        let totals = state.ledger.pool(a.terms.asset);
        (a.terms.asset, totals.lent, totals.borrowed, totals.reserved)
    });
    LedgerReport {
        venue: state.ledger.venue_accounts().map(|(asset, party, amount)| (asset, format!("{party:?}"), amount)).collect(),
        pools: pools.collect(),
        conservation: state.ledger.conservation(&state.accounts).into_iter().map(|(a, d)| (a, small(d))).collect(),
        pools_are_true: state.ledger.pools_are_true(&state.accounts),
        clearing: state.clearing_differences().into_iter().map(|(m, (lots, units))| (m, small(lots), small(units))).collect(),
    }
}

/// Levels of a side: price and lots, best first.
type Levels = Vec<(i64, i64)>;

fn book(state: &State, market: u32, levels: u32) -> Result<(Levels, Levels), String> {
    let listed = state.market(market).map_err(|_| format!("market_must_exist: no market has id {market}"))?;
    let side = |side| listed.book.levels(side, levels as usize).collect();
    Ok((side(Side::Bid), side(Side::Ask)))
}

/// Owner, underlying, spot rate, perp rate.
fn liquidity(state: &State) -> Vec<(u32, u32, i64, i64)> {
    let rates = |owner: u32, r: &LiquidityRate| {
        let (spot_ppm, perp_ppm) = stored_rates(state, owner, state.known_underlying(r.underlying));
        (state.owners[owner as usize].id, r.underlying, spot_ppm, perp_ppm)
    };
    (0_u32..).zip(&state.owners).flat_map(|(index, o)| o.liquidity.iter().map(move |r| rates(index, r))).collect()
}
