//! Listings: venue parameters, buckets, dated rows, underlyings, sources, assets, markets, pools, accounts.
//!
//! Responsible for: validating a listing as a whole and putting it in its place. A listing is never changed here: later
//! changes are governance.

use crate::account::{Account, Owner};
use crate::codec::Header;
use crate::command::{
    ConfigureOrders, ConfigurePrices, ConfigureVenue, ListAsset, ListBucket, ListDatedRow, ListMarket, ListPool, ListSource, ListUnderlying, OpenAccount,
};
use crate::context::Context;
use crate::event::{AccountOpened, Listed, OrdersConfigured, PricesConfigured, VenueConfigured};
use crate::margin::liquidity;
use crate::params;
use crate::phase::{Phase, PhaseState};
use crate::reject::{Refusal, Reject, require};
use crate::state::{Asset, Book, Bucket, Liquidity, Market, State, Underlying};
use crate::units::{PPM, narrow, scale_up};
use crate::{price, session};

fn place<T>(list: &mut Vec<Option<T>>, id: u32, value: T) {
    let at = id as usize;
    if list.len() <= at {
        list.resize_with(at + 1, || None);
    }
    list[at] = Some(value);
}

fn free<T>(list: &[Option<T>], id: u32) -> Result<(), Refusal> {
    require(list.get(id as usize).is_none_or(Option::is_none), Reject::id_must_be_new.at(1, i64::from(id), 0))
}

fn configured(state: &State) -> Result<(), Refusal> {
    let areas = state.packages.terms.is_some() && state.prices.terms.is_some() && state.liquidation.terms.is_some();
    require(state.venue.is_some() && areas, Reject::venue_must_be_configured)
}

/// Underlyings, and what stands on them, come after every area's parameters.
fn fully_configured(state: &State) -> Result<(), Refusal> {
    configured(state)?;
    require(state.trading.terms.is_some() && state.lending.terms.is_some(), Reject::venue_must_be_configured)
}

fn tell(cx: &mut Context<'_>, what: &str, id: u32, name: &str) {
    cx.tell(&Listed { what: what.to_owned(), id, name: name.to_owned() });
}

/// `ConfigureVenue`.
///
/// # Errors
/// 309, 317.
pub fn venue(cx: &mut Context<'_>, command: &ConfigureVenue) -> Result<(), Refusal> {
    require(cx.state.venue.is_none(), Reject::configuration_must_not_change_after_listing)?;
    params::check_venue(command)?;
    cx.state.venue = Some(command.clone());
    cx.tell(&VenueConfigured {});
    Ok(())
}

/// `ConfigureOrders`.
///
/// # Errors
/// 303, 309, 317.
pub fn orders(cx: &mut Context<'_>, command: &ConfigureOrders) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.trading.terms.is_none(), Reject::configuration_must_not_change_after_listing)?;
    params::check_orders(command)?;
    cx.state.trading.terms = Some(command.clone());
    cx.tell(&OrdersConfigured {});
    Ok(())
}

/// `ConfigurePrices`.
///
/// # Errors
/// 303, 309, 317.
pub fn prices(cx: &mut Context<'_>, command: &ConfigurePrices) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.prices.terms.is_none(), Reject::configuration_must_not_change_after_listing)?;
    params::check_prices(command)?;
    cx.state.prices.terms = Some(command.clone());
    cx.tell(&PricesConfigured {});
    Ok(())
}

/// A scenario that came later would raise requirements that are already met.
fn before_trading(cx: &Context<'_>) -> Result<(), Refusal> {
    require(cx.state.accounts.is_empty(), Reject::listing_must_precede_trading)
}

/// `ListBucket`.
///
/// # Errors
/// 301 to 303, 309, 310, 318.
pub fn bucket(cx: &mut Context<'_>, command: &ListBucket) -> Result<(), Refusal> {
    configured(cx.state)?;
    before_trading(cx)?;
    params::check_bucket(command)?;
    free(&cx.state.buckets, command.bucket)?;
    let factors = session::SessionFactors {
        extended_ppm: command.extended_ppm,
        overnight_ppm: command.overnight_ppm,
        closure_ppm: command.closure_ppm,
    };
    place(&mut cx.state.buckets, command.bucket, Bucket { terms: command.clone(), factors, dated_fall_ppm: 0 });
    tell(cx, "bucket", command.bucket, &command.name);
    Ok(())
}

/// `ListDatedRow`. Every listed token must still cost less than a long dollar under the new row.
///
/// # Errors
/// 301 to 303, 309, 310, 312, 316, 318.
pub fn dated_row(cx: &mut Context<'_>, command: &ListDatedRow) -> Result<(), Refusal> {
    configured(cx.state)?;
    require(cx.scratch.governed || cx.state.accounts.is_empty(), Reject::listing_must_precede_trading)?;
    params::listable_id(command.row)?;
    params::plain_name(&command.date, 2)?;
    let known = cx.state.dated_rows.iter().any(|r| r.row == command.row);
    require(!known, Reject::id_must_be_new.at(1, i64::from(command.row), 0))?;
    let buckets = cx.state.buckets.len().saturating_sub(1);
    require(command.moves_ppm.len() == buckets, Reject::row_must_name_every_bucket.at(3, command.moves_ppm.len() as i64, buckets as i64))?;
    for &move_ppm in &command.moves_ppm {
        let sane = (-PPM..=10 * PPM).contains(&move_ppm);
        require(sane, Reject::parameter_must_be_within_bounds.at(3, move_ppm, if move_ppm < 0 { -PPM } else { 10 * PPM }))?;
    }
    for underlying in cx.state.underlyings.iter().flatten() {
        let fall = -command.moves_ppm[underlying.terms.bucket as usize - 1];
        check_charge(cx.state, underlying, fall.max(0), 0)?;
    }
    cx.state.add_dated_row(command.clone());
    tell(cx, "dated_row", command.row, &command.date);
    Ok(())
}

/// That a long dollar of every underlying costs less than the limit, under the terms there are.
///
/// # Errors
/// `charge_per_long_dollar_must_stay_below_its_limit`.
pub fn check_charges(state: &State) -> Result<(), Refusal> {
    state.underlyings.iter().flatten().try_for_each(|u| {
        check_charge(state, u, 0, 0)?;
        check_discovery(&u.terms, state.bucket(u.terms.bucket)?.factors.closure_ppm)
    })
}

fn check_charge(state: &State, underlying: &Underlying, fall_ppm: i64, new_wrap_ppm: i64) -> Result<(), Refusal> {
    let bucket = state.bucket(underlying.terms.bucket)?;
    let fall = fall_ppm.max(bucket.dated_fall_ppm);
    let wrap = underlying.assets.iter().map(|&a| state.known_asset(a).terms.wrap_ppm).max().unwrap_or(0).max(new_wrap_ppm);
    let k = liquidity::rate(state, underlying, 0, underlying.liquidity.spot_volume);
    params::check_long_charge(state.config(), &bucket.terms, &underlying.terms, fall, wrap, k)
}

/// The farthest that a closed index can drift is covered by what one leg alone needs at initial while closed: shock and gap
/// at the closure's factor, the smaller of both directions.
///
/// # Errors
/// `drift_must_stay_within_margin`.
pub fn check_discovery(u: &ListUnderlying, closure_ppm: i64) -> Result<(), Refusal> {
    let shock = scale_up(scale_up(u.shock_up_ppm.min(u.shock_down_ppm), u.beta_ppm), closure_ppm);
    let gap = scale_up(scale_up(u.gap_ppm, closure_ppm), u.leverage_ppm);
    let (reach, covered) = (price::closed::reach_ppm(u.discovery_ppm, u.re_anchors), i128::from(shock) + i128::from(gap));
    require(reach <= covered, Reject::drift_must_stay_within_margin.at(32, narrow(reach).unwrap_or(i64::MAX), narrow(covered).unwrap_or(i64::MAX)))
}

/// A production venue believes no lone source, but a net asset value is signed by the one issuer there is.
///
/// # Errors
/// `production_must_have_a_quorum`.
pub fn check_quorum(state: &State, u: &ListUnderlying) -> Result<(), Refusal> {
    let quorate = state.config().production == 0 || u.quorum > 1 || u.price_class == 1;
    require(quorate, Reject::production_must_have_a_quorum.at(8, i64::from(u.quorum), 2))
}

/// `ListUnderlying`.
///
/// # Errors
/// 301 to 303, 307, 309, 310, 312, 612.
pub fn underlying(cx: &mut Context<'_>, command: &ListUnderlying) -> Result<(), Refusal> {
    fully_configured(cx.state)?;
    params::check_underlying(command)?;
    check_quorum(cx.state, command)?;
    free(&cx.state.underlyings, command.underlying)?;
    let factors = cx.state.bucket(command.bucket)?.factors;
    check_discovery(command, factors.closure_ppm)?;
    let terms = cx.state.prices.terms.as_ref().ok_or(Reject::venue_must_be_configured)?;
    let price_terms = price::PriceParams::of(command, cx.state.config(), terms);
    let liquidity = Liquidity {
        spot_volume: command.spot_volume,
        perp_volume: command.perp_volume,
        sigma_ppm: command.sigma_ppm,
        half_spread_ppm: command.half_spread_ppm,
    };
    let listed = Underlying {
        terms: command.clone(),
        price_terms,
        price: price::PriceState::new(),
        session: session::SessionState::new(),
        liquidity,
        next_liquidity: liquidity,
        liquidity_epoch: 1,
        perp_turnover: 0,
        assets: Vec::new(),
        perps: Vec::new(),
        spots: Vec::new(),
        speed_budget: 0,
        speed_time_ns: 0,
        dated_ppm: Vec::new(),
    };
    check_charge(cx.state, &listed, 0, 0)?;
    place(&mut cx.state.underlyings, command.underlying, listed);
    cx.state.rebuild_dated_moves();
    tell(cx, "underlying", command.underlying, &command.name);
    Ok(())
}

/// `ListSource`.
///
/// # Errors
/// 302, 305, 309, 310.
pub fn source(cx: &mut Context<'_>, command: &ListSource) -> Result<(), Refusal> {
    cx.state.underlying(command.underlying)?;
    params::plain_name(&command.name, 3)?;
    let always_open = params::flag(command.always_open, 5)?;
    cx.state.underlying_mut(command.underlying).price.add_source(command.source, command.origin, always_open)?;
    tell(cx, "source", command.source, &command.name);
    Ok(())
}

/// `ListAsset`.
///
/// # Errors
/// 301 to 303, 305, 309, 310, 312.
pub fn asset(cx: &mut Context<'_>, command: &ListAsset) -> Result<(), Refusal> {
    configured(cx.state)?;
    params::check_asset(command)?;
    free(&cx.state.assets, command.asset)?;
    let underlying = cx.state.underlying(command.underlying)?;
    if command.asset_kind == 1 {
        check_charge(cx.state, underlying, 0, command.wrap_ppm)?;
        let assets = &mut cx.state.underlying_mut(command.underlying).assets;
        assets.push(command.asset);
        assets.sort_unstable();
    }
    place(&mut cx.state.assets, command.asset, Asset { terms: command.clone(), admitted: 0, pool: None });
    tell(cx, "asset", command.asset, &command.name);
    Ok(())
}

/// # Errors
/// `production_must_prevent_self_trade`.
pub fn check_self_trade(state: &State, m: &ListMarket) -> Result<(), Refusal> {
    let prevents = state.config().production == 0 || m.self_trade == 0;
    require(prevents, Reject::production_must_prevent_self_trade.at(15, i64::from(m.self_trade), 0))
}

/// `ListMarket`.
///
/// # Errors
/// 301 to 305, 309 to 311, 313, 314.
pub fn market(cx: &mut Context<'_>, command: &ListMarket) -> Result<(), Refusal> {
    configured(cx.state)?;
    params::check_market(command)?;
    check_self_trade(cx.state, command)?;
    free(&cx.state.markets, command.market)?;
    let underlying = cx.state.underlying(command.underlying)?;
    let quote = cx.state.asset(command.quote)?;
    require(quote.is_stablecoin(), Reject::quote_must_be_a_stablecoin.at(6, i64::from(command.quote), 0))?;
    let lot_decimals = if command.market_kind == 1 {
        9
    } else {
        let base = cx.state.asset(command.base)?;
        let fits = !base.is_stablecoin() && base.terms.underlying == command.underlying;
        require(fits, Reject::base_must_be_a_token.at(4, i64::from(command.base), 0))?;
        base.terms.decimals
    };
    let unit = params::quote_units(command, underlying.terms.decimals, lot_decimals, quote.terms.decimals)?;
    let listed = Market {
        terms: command.clone(),
        unit,
        book: Book::new(),
        phase: PhaseState { phase: if command.opens_by_auction == 1 { Phase::Closed } else { Phase::Open }, until_ns: 0 },
        mark: price::MarkState::default(),
        last_trade: 0,
        open_interest: 0,
        premium: crate::state::Premium::default(),
        claims: crate::state::VenueClaims::default(),
        split: crate::units::Ratio::ONE,
        figures: crate::state::lull::Figures::default(),
        index: (0, 0),
        bound: crate::state::lull::LotBound::default(),
        drift: crate::state::lull::Drift::default(),
    };
    let underlying = cx.state.underlying_mut(command.underlying);
    let list = if command.market_kind == 1 { &mut underlying.perps } else { &mut underlying.spots };
    list.push(command.market);
    list.sort_unstable();
    place(&mut cx.state.markets, command.market, listed);
    tell(cx, "market", command.market, &command.name);
    Ok(())
}

/// `ListPool`.
///
/// # Errors
/// 302, 304, 307, 309, 704.
pub fn pool(cx: &mut Context<'_>, command: &ListPool) -> Result<(), Refusal> {
    params::check_pool(command)?;
    let asset = cx.state.asset(command.asset)?;
    require(asset.pool.is_none(), Reject::id_must_be_new.at(1, i64::from(command.asset), 0))?;
    let name = asset.terms.name.clone();
    cx.state.bucket(command.insurance_bucket)?;
    cx.state.asset_mut(command.asset).pool = Some(command.clone());
    tell(cx, "pool", command.asset, &name);
    Ok(())
}

/// `OpenAccount`.
///
/// # Errors
/// 202 to 204, 303.
pub fn account(cx: &mut Context<'_>, header: &Header, command: &OpenAccount) -> Result<(), Refusal> {
    configured(cx.state)?;
    require(header.account != 0, Reject::account_id_must_not_be_zero)?;
    require(command.owner != 0, Reject::owner_must_not_be_zero.at(1, 0, 1))?;
    require(cx.state.account(header.account).is_err(), Reject::account_must_be_new.at(0, header.account as i64, 0))?;
    let state = &mut *cx.state;
    let index = state.accounts.len() as u32;
    let owner = *state.owner_index.entry(command.owner).or_insert_with(|| {
        state.owners.push(Owner::new(command.owner));
        state.owners.len() as u32 - 1
    });
    state.owners[owner as usize].accounts.push(index);
    state.account_index.insert(header.account, index);
    state.accounts.push(Account::new(header.account, owner, command.owner));
    cx.tell_account(index, &AccountOpened { owner: command.owner });
    Ok(())
}
