//! Portfolios that nobody holds, at prices that nobody posted: questions 550 to 599.
//!
//! Responsible for: writing hypothetical holdings into an account of a copied state, with the exit costs and caps that production
//! would store, and asking the production evaluation, for many portfolios and moments at once. Columns in, columns out,
//! little-endian. Never computes a margin, and never touches the state it is asked of.

use super::{reply, small, unknown};
use crate::account::{Account, AccountState, Owner};
use crate::command::SetSession;
use crate::ladder::below_maintenance;
use crate::margin::collateral::readmit;
use crate::margin::explain::{binding_words, contributions};
use crate::margin::{Binding, Evaluation, Level, Portfolio, Question, evaluate, liquidity};
use crate::price::{MarkState, PriceClass};
use crate::session::SessionState;
use crate::state::{Asset, Market, State, Underlying};
use crate::units::{Nanos, Price, Value, div_floor, pow10};
use serde::{Deserialize, Serialize, Serializer};

const PORTFOLIOS: u64 = 550;
const LISTED: u64 = 551;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        PORTFOLIOS => {
            let asked: Asked<'_> = rmp_serde::from_slice(request).map_err(|e| format!("the request's arguments do not fit the question: {e}"))?;
            reply(&Sheet::new(state, &asked)?.fill()?)
        }
        LISTED => reply(&listed(state)),
        other => Err(unknown(other)),
    }
}

/// A session that stays as it is.
const AS_IT_IS: u16 = u16::MAX;
/// Micro-dollars that one holding is worth at most, a trillion dollars: products of two values stay inside 128 bits.
const LARGEST: i128 = 1_000_000_000_000_000_000;
/// An entry cost that is the holding's value at each moment.
const AT_THE_PRICE: i64 = i64::MIN;

/// The request. Columns are bytes; a matrix has one row per moment and one column per underlying of `underlyings`.
#[derive(Deserialize)]
struct Asked<'a> {
    #[allow(dead_code, reason = "the question's number, read before")]
    number: u64,
    /// u32: whose prices and sessions the matrices hold.
    underlyings: &'a [u8],
    /// i64 per moment: its time; 0 for the state's own.
    times: &'a [u8],
    /// i64 matrix at each underlying's scale; 0 leaves all its prices as they are.
    prices: &'a [u8],
    /// Session, closure step, ramp from, ramp to, end.
    sessions: Vec<(u8, Nanos, Nanos, Nanos, Nanos)>,
    /// u16 matrix into `sessions`; 65,535 leaves it as it is.
    session_of: &'a [u8],
    /// u32 per portfolio: how many holdings it has.
    counts: &'a [u8],
    /// u8 per holding: 0 a balance of an asset, 1 a perp position.
    kinds: &'a [u8],
    /// u32 per holding: asset or market.
    ids: &'a [u8],
    /// i64 per holding: units or lots, signed.
    sizes: &'a [u8],
    /// i64 per holding: what the lots cost in quote units, signed; the least number for their value at each moment.
    costs: &'a [u8],
    /// Whether contributions are wanted, and of which level.
    explain: Option<u8>,
}

/// One holding.
#[derive(Clone, Copy)]
struct Holding {
    perp: bool,
    id: u32,
    size: i64,
    cost: i64,
}

/// A column as bytes.
#[derive(Default)]
struct Column(Vec<u8>);

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl Column {
    fn put(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn put_id(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }
}

/// The answer: for each portfolio, moment and level, in that order.
#[derive(Default, Serialize)]
struct Answer {
    /// i64: equity, requirement, then the nine terms before lambda in the order of the margin report.
    figures: Column,
    /// u32: place of the binding row in `rows`.
    binding: Column,
    rows: Vec<String>,
    /// u8 for each portfolio and moment: the state these excesses mean.
    states: Column,
    /// For each portfolio and moment, u32: how many contributions; then theirs: kind (0 token, 1 perp, 2 cash), u32 id, i64 value
    /// and amount.
    part_counts: Column,
    part_kinds: Column,
    part_ids: Column,
    part_values: Column,
    part_amounts: Column,
}

fn numbers<const N: usize, T>(column: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (whole, rest) = column.as_chunks::<N>();
    if rest.is_empty() { Ok(whole.iter().map(|&bytes| read(bytes)).collect()) } else { Err(format!("a column of {N} bytes each has {} bytes", column.len())) }
}

/// A copied state with one account more, and what is to be written into it.
struct Sheet {
    state: State,
    account: u32,
    owner: u32,
    underlyings: Vec<u32>,
    times: Vec<Nanos>,
    prices: Vec<Price>,
    sessions: Vec<(u8, Nanos, Nanos, Nanos, Nanos)>,
    session_of: Vec<u16>,
    /// As the state has them: each moment starts from these.
    sessions_before: Vec<SessionState>,
    counts: Vec<u32>,
    holdings: Vec<Holding>,
    explain: Option<Level>,
    portfolio: Portfolio,
    rows: Vec<Binding>,
}

impl Sheet {
    fn new(state: &State, asked: &Asked<'_>) -> Result<Self, String> {
        if state.venue.is_none() {
            return Err("venue_must_be_configured: nothing is listed yet".to_owned());
        }
        let underlyings = numbers(asked.underlyings, u32::from_le_bytes)?;
        let times = numbers(asked.times, i64::from_le_bytes)?;
        let prices = numbers(asked.prices, i64::from_le_bytes)?;
        let session_of = numbers(asked.session_of, u16::from_le_bytes)?;
        let counts = numbers(asked.counts, u32::from_le_bytes)?;
        let ids = numbers(asked.ids, u32::from_le_bytes)?;
        let sizes = numbers(asked.sizes, i64::from_le_bytes)?;
        let costs = numbers(asked.costs, i64::from_le_bytes)?;
        let cells = underlyings.len() * times.len();
        let held: usize = counts.iter().map(|&c| c as usize).sum();
        let fits = prices.len() == cells && session_of.len() == cells && [asked.kinds.len(), ids.len(), sizes.len(), costs.len()] == [held; 4];
        if !fits || session_of.iter().any(|&s| s != AS_IT_IS && usize::from(s) >= asked.sessions.len()) {
            return Err("the columns of the request do not fit each other".to_owned());
        }
        let each = asked.kinds.iter().zip(ids).zip(sizes.into_iter().zip(costs));
        let holdings: Vec<Holding> = each.map(|((&kind, id), (size, cost))| Holding { perp: kind == 1, id, size, cost }).collect();
        let mut sessions_before = Vec::with_capacity(underlyings.len());
        for &id in &underlyings {
            let known = state.underlying(id).map_err(|_| format!("underlying_must_exist: no underlying has id {id}"))?;
            sessions_before.push(known.session);
        }
        for holding in &holdings {
            check(state, holding)?;
        }
        let mut state = state.clone();
        let (account, owner) = (state.accounts.len() as u32, state.owners.len() as u32);
        let mut holder = Owner::new(u32::MAX);
        holder.accounts.push(account);
        state.owners.push(holder);
        state.accounts.push(Account::new(u64::MAX, owner, 0));
        Ok(Self {
            state,
            account,
            owner,
            underlyings,
            times,
            prices,
            sessions: asked.sessions.clone(),
            session_of,
            sessions_before,
            counts,
            holdings,
            explain: asked.explain.map(super::level_of).transpose()?,
            portfolio: Portfolio::default(),
            rows: Vec::new(),
        })
    }

    fn fill(mut self) -> Result<Answer, String> {
        let mut answer = Answer::default();
        self.leave_the_book();
        let (time, counts, holdings) = (self.state.now.max(1), std::mem::take(&mut self.counts), std::mem::take(&mut self.holdings));
        let mut rest = holdings.as_slice();
        for count in counts {
            let (held, tail) = rest.split_at(count as usize);
            rest = tail;
            let touched = self.hold(held);
            for moment in 0..self.times.len() {
                self.state.now = if self.times[moment] == 0 { time } else { self.times[moment] };
                self.quote(moment, &touched)?;
                self.enter(held, &touched)?;
                self.tell(&mut answer);
            }
        }
        answer.rows = self.rows.iter().map(|&row| binding_words(&self.state, row)).collect();
        Ok(answer)
    }

    /// A stated price has no book beside it: perps of such an underlying are valued at the index.
    fn leave_the_book(&mut self) {
        for (at, &id) in self.underlyings.iter().enumerate() {
            if self.prices.iter().skip(at).step_by(self.underlyings.len()).any(|&p| p != 0) {
                for market in self.state.known_underlying(id).perps.clone() {
                    self.state.market_mut(market).mark = MarkState::default();
                }
            }
        }
    }

    /// Puts the holdings into the account, under the caps; returns the underlyings they touch, with their places in the matrices.
    fn hold(&mut self, holdings: &[Holding]) -> Vec<(u32, Option<usize>)> {
        let before = std::mem::replace(&mut self.state.accounts[self.account as usize], Account::new(u64::MAX, self.owner, 0));
        for balance in &before.balances {
            self.state.asset_mut(balance.asset).admitted -= balance.admitted;
        }
        let mut touched = Vec::new();
        for holding in holdings {
            if holding.perp {
                let terms = &self.state.known_market(holding.id).terms;
                touched.extend([terms.underlying, self.state.known_asset(terms.quote).terms.underlying]);
                self.state.accounts[self.account as usize].position_mut(holding.id).lots += holding.size;
            } else {
                touched.push(self.state.known_asset(holding.id).terms.underlying);
                let index = self.state.ledger.pool(holding.id).borrow_index;
                let balance = self.state.accounts[self.account as usize].balance_mut(holding.id);
                balance.pledged += holding.size;
                balance.borrow_index = index;
                readmit(&mut self.state, self.account, holding.id);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().map(|id| (id, self.underlyings.iter().position(|&u| u == id))).collect()
    }

    /// Prices and sessions of one moment, of what the portfolio touches.
    fn quote(&mut self, moment: usize, touched: &[(u32, Option<usize>)]) -> Result<(), String> {
        let now = self.state.now;
        for &(id, place) in touched {
            let Some(place) = place else { continue };
            let cell = moment * self.underlyings.len() + place;
            let (price, which) = (self.prices[cell], self.session_of[cell]);
            let underlying = self.state.underlying_mut(id);
            if price != 0 {
                underlying.price.decide(price, now);
            }
            if which != AS_IT_IS {
                let (session, step, from, to, end) = self.sessions[usize::from(which)];
                underlying.session = self.sessions_before[place];
                let command = SetSession {
                    underlying: id,
                    session,
                    next_session: session,
                    next_time_ns: 0,
                    closure_step_ns: step,
                    closure_ramp_from_ns: from,
                    closure_ramp_to_ns: to,
                    closure_end_ns: end,
                };
                underlying.session.set(&command, now).map_err(|refusal| format!("{:?}: a session of moment {moment}", refusal.code))?;
            }
        }
        Ok(())
    }

    /// Entry costs, and the exit costs of a newcomer of this size: what the venue would store at the regular open.
    fn enter(&mut self, holdings: &[Holding], touched: &[(u32, Option<usize>)]) -> Result<(), String> {
        for holding in holdings {
            let worth = worth(&self.state, holding);
            if worth.abs() > LARGEST || i128::from(holding.cost.unsigned_abs()) > LARGEST && holding.cost != AT_THE_PRICE {
                return Err(format!("{} is worth more than a trillion dollars", name_of(&self.state, holding)));
            }
            if holding.perp {
                let cost = if holding.cost == AT_THE_PRICE { in_quote(&self.state, holding, worth) } else { holding.cost };
                self.state.accounts[self.account as usize].position_mut(holding.id).cost = cost;
            }
        }
        self.state.owners[self.owner as usize].put_back(Vec::new());
        for &(id, _) in touched {
            liquidity::store(&mut self.state, self.owner, id, (0, 0));
        }
        Ok(())
    }

    fn tell(&mut self, answer: &mut Answer) {
        let all = Level::ALL.map(|level| evaluate(&self.state, self.account, &Question::at(level), &mut self.portfolio));
        answer.states.0.push(state_of(&all) as u8);
        for (level, found) in Level::ALL.into_iter().zip(all) {
            let Evaluation { equity, requirement, terms, binding } = found;
            let figures = [equity, requirement, terms.sr, terms.gap, terms.basis, terms.wrap, terms.fx, terms.liq, terms.crowd, terms.loss, terms.lent];
            figures.into_iter().for_each(|figure| answer.figures.put(small(figure)));
            let row = self.rows.iter().position(|&row| row == binding).unwrap_or_else(|| {
                self.rows.push(binding);
                self.rows.len() - 1
            });
            answer.binding.put_id(row as u32);
            if self.explain == Some(level) {
                let parts = contributions(&self.state, self.account, &Question::at(level), &found);
                answer.part_counts.put_id(parts.len() as u32);
                for part in parts {
                    answer.part_kinds.0.push(["token", "perp", "cash"].iter().position(|&kind| kind == part.kind).unwrap_or(0) as u8);
                    answer.part_ids.put_id(part.id);
                    answer.part_values.put(part.value);
                    answer.part_amounts.put(part.amount);
                }
            }
        }
    }
}

/// Where an account with these evaluations stands on the ladder (RULES section 10).
fn state_of(all: &[Evaluation; 4]) -> AccountState {
    let [initial, _, maintenance, close_out] = all;
    match () {
        () if initial.excess() >= 0 => AccountState::Green,
        () if maintenance.excess() >= 0 => AccountState::Yellow,
        () => below_maintenance(close_out),
    }
}

/// A holding that an account of the venue could have.
fn check(state: &State, holding: &Holding) -> Result<(), String> {
    let Holding { perp, id, size, .. } = *holding;
    if perp {
        let known = state.market(id).map_err(|_| format!("market_must_exist: no market has id {id}"))?;
        return if known.is_perp() { Ok(()) } else { Err(format!("market {} is no perp: a position in it is a balance of its token", known.terms.name)) };
    }
    let known = state.asset(id).map_err(|_| format!("asset_must_exist: no asset has id {id}"))?;
    let lendable = size >= 0 || known.pool.is_some();
    if lendable { Ok(()) } else { Err(format!("pool_must_exist: nobody lends {}, so no balance of it is below zero", known.terms.name)) }
}

fn name_of<'a>(state: &'a State, holding: &Holding) -> &'a str {
    if holding.perp { &state.known_market(holding.id).terms.name } else { &state.known_asset(holding.id).terms.name }
}

/// What a holding is worth at the index, micro-dollars rounded down; a stablecoin at face.
fn worth(state: &State, holding: &Holding) -> Value {
    let size = i128::from(holding.size);
    let (underlying, shares) = if holding.perp {
        let market = state.known_market(holding.id);
        (market.terms.underlying, state.shares_of(market, size))
    } else {
        let asset = state.known_asset(holding.id);
        if asset.is_stablecoin() {
            return asset.face(size);
        }
        (asset.terms.underlying, asset.shares(size))
    };
    let underlying = state.known_underlying(underlying);
    underlying.value_down(shares, underlying.price.index())
}

/// Micro-dollars in the quote units of a perp, rounded down.
fn in_quote(state: &State, holding: &Holding, worth: Value) -> i64 {
    let quote = state.known_market(holding.id).terms.quote;
    small(div_floor(worth * pow10(state.known_asset(quote).terms.decimals), pow10(6)))
}

#[derive(Serialize)]
struct UnderlyingName {
    underlying: u32,
    name: String,
    decimals: u8,
    price_min: i64,
    price_max: i64,
    nav: bool,
    /// Whether its market has another session than the one it is in.
    closes: bool,
    sources: Vec<u32>,
}

#[derive(Serialize)]
struct AssetName {
    asset: u32,
    name: String,
    stablecoin: bool,
    underlying: u32,
    decimals: u8,
    multiplier_ppb: i64,
    pool: bool,
}

#[derive(Serialize)]
struct MarketName {
    market: u32,
    name: String,
    perp: bool,
    underlying: u32,
    base: u32,
    quote: u32,
    tick_size: i64,
    lot_size: i64,
    /// What splits made of a listed share: numerator and denominator.
    split: (i64, i64),
}

#[derive(Serialize)]
struct Listed {
    underlyings: Vec<UnderlyingName>,
    assets: Vec<AssetName>,
    markets: Vec<MarketName>,
}

/// What is listed, by name: a snapshot has no other list of names.
fn listed(state: &State) -> Listed {
    let underlying = |u: &Underlying| UnderlyingName {
        underlying: u.terms.underlying,
        name: u.terms.name.clone(),
        decimals: u.terms.decimals as u8,
        price_min: u.price_terms.price_min,
        price_max: u.price_terms.price_max,
        nav: u.price_terms.class == PriceClass::Nav,
        closes: u.session.next_time_ns != 0,
        sources: u.price.sources().iter().map(|s| s.id).collect(),
    };
    let asset = |a: &Asset| AssetName {
        asset: a.terms.asset,
        name: a.terms.name.clone(),
        stablecoin: a.is_stablecoin(),
        underlying: a.terms.underlying,
        decimals: a.terms.decimals as u8,
        multiplier_ppb: a.terms.multiplier_ppb,
        pool: a.pool.is_some(),
    };
    let market = |m: &Market| MarketName {
        market: m.terms.market,
        name: m.terms.name.clone(),
        perp: m.is_perp(),
        underlying: m.terms.underlying,
        base: m.terms.base,
        quote: m.terms.quote,
        tick_size: m.terms.tick_size,
        lot_size: m.terms.lot_size,
        split: (m.split.num, m.split.den),
    };
    Listed {
        underlyings: state.underlyings.iter().flatten().map(underlying).collect(),
        assets: state.assets.iter().flatten().map(asset).collect(),
        markets: state.markets.iter().flatten().map(market).collect(),
    }
}
