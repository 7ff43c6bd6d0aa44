//! Packages: several legs against the books in one command, all or none (RULES section 6), and the listed terms of this area.
//!
//! Responsible for: the checklist of a package, the plan of its fills over all books, and carrying it out. A package is
//! margined on its end state (`legs`); nothing on the way is looked at, and nothing can fail once the first fill is written.

use crate::account::ClientOrder;
use crate::codec::{Body, Header};
use crate::command::{ConfigurePackages, ListBlockTerms, PlacePackage};
use crate::context::Context;
use crate::event::{Listed, PackageTraded, PackagesConfigured};
use crate::legs::{self, Part, side_of};
use crate::matching::sweep::{Step, Sweep};
use crate::matching::{self, Taker};
use crate::offer;
use crate::params::{MONEY, within};
use crate::phase::Deed;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::packages::Leg;
use crate::trading;
use crate::units::{Amount, Lots, PPM, SECOND, narrow};

/// Limits of `PlacePackage`.
const EACH_LEG: u8 = 0;
const WHOLE: u8 = 1;
const DAY: i64 = 86_400 * SECOND;

/// `ConfigurePackages`.
///
/// # Errors
/// 303, 309, 317.
pub fn configure(cx: &mut Context<'_>, c: &ConfigurePackages) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.packages.terms.is_none(), Reject::configuration_must_not_change_after_listing)?;
    within(&[
        (1, i64::from(c.legs), 2, 16),
        (2, i64::from(c.open_blocks), 1, 10_000),
        (3, i64::from(c.open_requests), 1, 10_000),
        (4, i64::from(c.open_quotes), 1, 100_000),
        (5, i64::from(c.quotes_per_request), 1, 1_000),
        (6, i64::from(c.makers_per_request), 0, 1_000),
        (7, c.longest_life_ns, SECOND, 30 * DAY),
        (8, i64::from(c.reveal), 0, 3),
        (9, c.compensation_per_trade, 0, c.compensation_per_day),
        (10, c.compensation_per_day, 0, MONEY),
    ])?;
    cx.state.packages.terms = Some(c.clone());
    cx.tell(&PackagesConfigured {});
    Ok(())
}

/// `ListBlockTerms`.
///
/// # Errors
/// 302, 306, 309.
pub fn list_block_terms(cx: &mut Context<'_>, c: &ListBlockTerms) -> Result<(), Refusal> {
    let market = cx.state.market(c.market)?;
    let band = market.terms.band_ppm;
    within(&[
        (2, c.block_lots, c.quote_lots, i64::MAX / 1_000),
        (3, c.quote_lots, market.terms.min_lots, i64::MAX / 1_000),
        (4, c.fee_ppm, 0, PPM / 20),
        (5, c.regular_ppm, 1, band),
        (6, c.extended_ppm, 1, band),
        (7, c.overnight_ppm, 1, band),
        (8, c.closed_ppm, 1, band),
        (9, c.publication_ns, 0, 7 * DAY),
        (10, c.mask_lots, 1, i64::MAX / 1_000),
    ])?;
    let name = market.terms.name.clone();
    require(!cx.state.packages.block_terms.contains_key(&c.market), Reject::id_must_be_new.at(1, i64::from(c.market), 0))?;
    cx.state.packages.block_terms.insert(c.market, c.clone());
    cx.tell(&Listed { what: "block_terms".to_owned(), id: c.market, name });
    Ok(())
}

/// A package after its fields were understood. Legs are of one unit, each with its worst price.
#[derive(Clone, Debug)]
pub struct Wish {
    account: u32,
    legs: Vec<Leg>,
    /// Most that one unit may cost.
    net_limit: Option<i64>,
    units: i64,
    least: i64,
}

/// What the books would do to a package, without doing it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Whole units that trade.
    pub units: i64,
    /// Leg and step, in the order in which they are carried out.
    steps: Vec<(usize, Step)>,
    /// Fills of the account, in the same order.
    pub parts: Vec<Part>,
    /// What the makers met draw from the pools.
    pools: Sweep,
}

/// `PlacePackage`.
///
/// # Errors
/// As `read`, `plan` and `check`; 415 and 424 for a client id used before.
pub fn place(cx: &mut Context<'_>, header: &Header, command: &PlacePackage) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let fingerprint = idempotent(cx.state, account, command)?;
    let wish = read(cx.state, account, command)?;
    let plan = plan(cx.state, &wish)?;
    check(cx, &wish, &plan)?;

    let package = offer::number(cx.state);
    if let Some((id, fingerprint)) = fingerprint {
        let keep = cx.state.config().client_ids_kept as usize;
        let clients = &mut cx.state.accounts[account as usize].clients;
        clients.insert(id, ClientOrder { order: package, fingerprint });
        clients.end(id, keep);
    }
    execute(cx, &wish, &plan, package);
    Ok(())
}

/// The client id with the fingerprint of the whole wish, unless it is none.
fn idempotent(state: &State, account: u32, command: &PlacePackage) -> Result<Option<([u8; 16], u64)>, Refusal> {
    if command.client_id.is_empty() {
        return Ok(None);
    }
    let length = command.client_id.len() as i64;
    let id: [u8; 16] = command.client_id.as_slice().try_into().map_err(|_| Reject::client_id_must_have_16_bytes.at(8, length, 16))?;
    let mut body = Vec::new();
    command.put(&mut body);
    let digest = blake3::hash(&body);
    let fingerprint = u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes"));
    match state.accounts[account as usize].clients.find(&id) {
        None => Ok(Some((id, fingerprint))),
        Some(known) if known.fingerprint == fingerprint => Err(Reject::order_already_exists.at(8, known.order as i64, 0)),
        Some(known) => Err(Reject::client_id_must_be_new.at(8, known.order as i64, 0)),
    }
}

/// Understands the fields and checks sizes and bands.
///
/// # Errors
/// 306, 405, 407, 408, 418, 460 to 464, 606.
pub fn read(state: &State, account: u32, c: &PlacePackage) -> Result<Wish, Refusal> {
    require(c.limit_kind <= WHOLE, Reject::limit_kind_must_be_known.at(4, i64::from(c.limit_kind), 1))?;
    require(c.units >= 1, Reject::units_must_be_ordered.at(6, c.units, 1))?;
    require((1..=c.units).contains(&c.least_units), Reject::units_must_be_ordered.at(7, c.least_units, c.units))?;
    let mut legs = legs::read(state, (&c.markets, &c.lots, Some(&c.prices)), 1, 2, c.limit_kind != EACH_LEG)?;
    if c.limit_kind == WHOLE {
        legs::one_quote(state, &legs)?;
    }
    for leg in &mut legs {
        let (market, side) = (state.known_market(leg.market), side_of(leg.lots));
        // While orders gather for an auction the book may be crossed: nothing is walked.
        require(market.phase.allows(Deed::Match), Reject::venue_must_be_open_for_orders.at(1, market.phase.phase as i64, 0))?;
        if leg.price == 0 {
            leg.price = trading::band_edge(state, market, side)?.max(1);
        }
        trading::check_band(state, market, side, leg.price)?;
        let lots = leg.lots.abs().checked_mul(c.units).unwrap_or(i64::MAX);
        let least = leg.lots.abs().checked_mul(c.least_units).unwrap_or(i64::MAX);
        let (min, max) = (market.terms.min_lots, market.terms.max_lots);
        require(least >= min && lots <= max, Reject::lots_must_be_within_market_limits.at(2, lots, if least < min { min } else { max }))?;
    }
    let whole: Vec<Leg> = legs.iter().map(|l| Leg { lots: l.lots * c.units, ..*l }).collect();
    legs::check_sizes(state, account, &whole)?;
    Ok(Wish { account, legs, net_limit: (c.limit_kind == WHOLE).then_some(c.net_limit), units: c.units, least: c.least_units })
}

/// The largest number of whole units, at least the least, that the books have within the limits. A further unit never fills
/// better than the ones before it, so the number is found by halving.
///
/// # Errors
/// `package_must_fill_whole`, `package_must_not_meet_its_owner`.
pub fn plan(state: &State, wish: &Wish) -> Result<Plan, Refusal> {
    if let Ok(plan) = plan_units(state, wish, wish.units) {
        return Ok(plan);
    }
    let mut best = plan_units(state, wish, wish.least)?;
    let (mut low, mut high) = (wish.least, wish.units);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match plan_units(state, wish, middle) {
            Ok(plan) => (low, best) = (middle, plan),
            Err(_) => high = middle,
        }
    }
    Ok(best)
}

fn plan_units(state: &State, wish: &Wish, units: i64) -> Result<Plan, Refusal> {
    let mut plan = Plan { units, ..Plan::default() };
    let mut cost = 0_i128;
    for (at, leg) in wish.legs.iter().enumerate() {
        let (market, taker) = (state.known_market(leg.market), taker(wish, leg, units, 0));
        let Plan { steps, parts, pools, .. } = &mut plan;
        let walk = pools.walk(state, &taker, false, |step| {
            steps.push((at, step));
            if let Step::Fill { price, lots, .. } = step {
                let fee = matching::fee(market, price, lots, market.terms.taker_fee_ppm);
                parts.push(Part { market: leg.market, lots: leg.lots.signum() * lots, price, fee });
            }
        });
        if walk.found < taker.lots {
            let code = if walk.own { Reject::package_must_not_meet_its_owner } else { Reject::package_must_fill_whole };
            return Err(code.at(2, taker.lots, walk.found));
        }
        cost += i128::from(leg.lots.signum()) * walk.ticks_lots * i128::from(market.unit);
    }
    if let Some(limit) = wish.net_limit {
        let most = i128::from(limit) * i128::from(units);
        require(cost <= most, Reject::package_must_fill_whole.at(5, narrow(cost).unwrap_or(i64::MAX), narrow(most).unwrap_or(i64::MAX)))?;
    }
    Ok(plan)
}

const fn taker(wish: &Wish, leg: &Leg, units: i64, order: u64) -> Taker {
    let side = side_of(leg.lots);
    Taker { account: wish.account, order, market: leg.market, side, limit: leg.price, lots: leg.lots.abs() * units, self_trade: crate::order::SelfTrade::CancelNewest, liquidation: false }
}

/// The account's end state, and the pools with the makers met.
///
/// # Errors
/// As `legs::check_side` and `legs::check_pools`.
pub fn check(cx: &mut Context<'_>, wish: &Wish, plan: &Plan) -> Result<(), Refusal> {
    let mut loans = legs::check_side(cx, wish.account, &plan.parts)?;
    let drawn: Vec<(u32, Amount)> = loans.iter().map(|&(asset, _)| (asset, plan.pools.pool_use(asset))).collect();
    loans.extend(drawn);
    legs::check_pools(cx.state, &loans)
}

/// Carries the plan out: it was made on this very state, so each step is there.
fn execute(cx: &mut Context<'_>, wish: &Wish, plan: &Plan, package: u64) {
    tell(cx, wish, plan, package);
    cx.touch(wish.account);
    let mut left: Vec<Lots> = wish.legs.iter().map(|l| l.lots.abs() * plan.units).collect();
    for &(at, step) in &plan.steps {
        let leg = &wish.legs[at];
        match step {
            Step::Fill { slot, price, lots } => {
                left[at] -= lots;
                matching::trade(cx, &taker(wish, leg, plan.units, package), slot, price, lots, left[at]);
            }
            Step::Cancel { slot } => {
                let reason = matching::why_none(cx.state, slot);
                matching::cancel(cx, slot, reason);
            }
        }
    }
    legs::store_rates(cx.state, wish.account, &plan.parts);
}

fn tell(cx: &mut Context<'_>, wish: &Wish, plan: &Plan, package: u64) {
    let (mut costs, mut fees) = (vec![0; wish.legs.len()], vec![0; wish.legs.len()]);
    let fills = plan.steps.iter().filter(|(_, step)| matches!(step, Step::Fill { .. }));
    for (&(at, _), part) in fills.zip(&plan.parts) {
        costs[at] += part.lots * part.price * cx.state.known_market(part.market).unit;
        fees[at] += part.fee;
    }
    let event = PackageTraded {
        package,
        units: plan.units,
        markets: wish.legs.iter().map(|l| i64::from(l.market)).collect(),
        lots: wish.legs.iter().map(|l| l.lots * plan.units).collect(),
        costs,
        fees,
    };
    cx.tell_account(wish.account, &event);
}
