//! Changes of what is listed, by the whole new document.
//!
//! Responsible for: which terms may change after the listing, and putting new ones in force under the checks of a listing, the charge
//! of a long dollar included. Never decides when: the change waits its delay before it comes here.

use crate::codec::{Header, VERSION};
use crate::command::{ChangeTerms, Command, ConfigureVenue, ListAsset, ListBucket, ListFeeTier, ListMarket, ListPool, ListUnderlying};
use crate::context::Context;
use crate::event::{CancelReason, FeeTierListed, TermsChanged};
use crate::listing::check_charges;
use crate::matching;
use crate::order::NIL;
use crate::params;
use crate::price::PriceParams;
use crate::reject::{Refusal, Reject, require};
use crate::session::SessionFactors;
use crate::state::State;
use crate::units::PPM;
use crate::{clearing, lending, liquidation, listing, package};

/// `ChangeTerms`.
///
/// # Errors
/// 102, 104, 303 to 307, 309 to 312, 315, 1023, 1024.
pub fn change(cx: &mut Context<'_>, command: &ChangeTerms) -> Result<(), Refusal> {
    require(command.terms.len() >= 2, Reject::terms_must_be_changeable.at(1, command.terms.len() as i64, 2))?;
    let (kind, body) = command.terms.split_at(2);
    let kind = u16::from_le_bytes([kind[0], kind[1]]);
    let listed = Command::take(&Header { kind, version: VERSION, ..Header::default() }, body)?;
    let id = match &listed {
        Command::ConfigureVenue(c) => venue(cx.state, c).map(|()| 0)?,
        Command::ListBucket(c) => bucket(cx.state, c).map(|()| c.bucket)?,
        Command::ListUnderlying(c) => underlying(cx.state, c).map(|()| c.underlying)?,
        Command::ListAsset(c) => asset(cx.state, c).map(|()| c.asset)?,
        Command::ListMarket(c) => market(cx, c).map(|()| c.market)?,
        Command::ListPool(c) => pool(cx.state, c).map(|()| c.asset)?,
        Command::ConfigureGovernance(c) => governance(cx.state, c).map(|()| 0)?,
        Command::ConfigureEligibility(c) => eligibility(cx.state, c).map(|()| 0)?,
        Command::ConfigureOrders(c) => again(cx, |s| &mut s.trading.terms, |cx| listing::orders(cx, c)).map(|()| 0)?,
        Command::ConfigurePackages(c) => again(cx, |s| &mut s.packages.terms, |cx| package::configure(cx, c)).map(|()| 0)?,
        Command::ConfigurePrices(c) => {
            again(cx, |s| &mut s.prices.terms, |cx| listing::prices(cx, c))?;
            price_terms(cx.state);
            0
        }
        Command::ConfigureLiquidation(c) => again(cx, |s| &mut s.liquidation.terms, |cx| liquidation::configure(cx, c)).map(|()| 0)?,
        Command::ConfigureClearing(c) => again(cx, |s| &mut s.clearing.terms, |cx| clearing::terms::configure(cx, c)).map(|()| 0)?,
        Command::ConfigureLending(c) => again(cx, |s| &mut s.lending.terms, |cx| lending::configure(cx, c)).map(|()| 0)?,
        _ => return Err(Reject::terms_must_be_changeable.at(1, i64::from(kind), 0)),
    };
    cx.state.rebuild_dated_moves();
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    cx.tell(&TermsChanged { kind, id });
    Ok(())
}

/// Refuses a document that changes what must stay: pairs of old and new, with the field's place.
fn same(pairs: &[(u16, i64, i64)]) -> Result<(), Refusal> {
    match pairs.iter().find(|p| p.1 != p.2) {
        Some(&(field, old, new)) => Err(Reject::term_must_not_change.at(field, new, old)),
        None => Ok(()),
    }
}

/// Puts new terms in force, and the old ones back when a long dollar would be charged too much.
fn guarded<T>(state: &mut State, new: T, exchange: impl Fn(&mut State, T) -> T) -> Result<(), Refusal> {
    let old = exchange(state, new);
    check_charges(state).inspect_err(|_| {
        exchange(state, old);
    })
}

fn venue(state: &mut State, new: &ConfigureVenue) -> Result<(), Refusal> {
    require(state.venue.is_some(), Reject::venue_must_be_configured)?;
    params::check_venue(new)?;
    guarded(state, Some(new.clone()), |s, v| std::mem::replace(&mut s.venue, v))?;
    price_terms(state);
    Ok(())
}

/// What the price machinery keeps of the listings, taken from them anew.
fn price_terms(state: &mut State) {
    let State { underlyings, venue, prices, .. } = state;
    if let (Some(venue), Some(prices)) = (venue, &prices.terms) {
        for underlying in underlyings.iter_mut().flatten() {
            underlying.price_terms = PriceParams::of(&underlying.terms, venue, prices);
        }
    }
}

/// An area's parameters: its own handler checks and writes them as if there were none yet.
fn again<T>(cx: &mut Context<'_>, slot: fn(&mut State) -> &mut Option<T>, configure: impl FnOnce(&mut Context<'_>) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let old = slot(cx.state).take();
    require(old.is_some(), Reject::venue_must_be_configured)?;
    configure(cx).inspect_err(|_| *slot(cx.state) = old)
}

fn bucket(state: &mut State, new: &ListBucket) -> Result<(), Refusal> {
    params::check_bucket(new)?;
    state.bucket(new.bucket)?;
    let factors = |b: &ListBucket| SessionFactors { extended_ppm: b.extended_ppm, overnight_ppm: b.overnight_ppm, closure_ppm: b.closure_ppm };
    guarded(state, new.clone(), |s, terms| {
        let bucket = s.bucket_mut(terms.bucket);
        bucket.factors = factors(&terms);
        std::mem::replace(&mut bucket.terms, terms)
    })
}

fn underlying(state: &mut State, new: &ListUnderlying) -> Result<(), Refusal> {
    params::check_underlying(new)?;
    let old = &state.underlying(new.underlying)?.terms;
    same(&[
        (3, i64::from(old.bucket), i64::from(new.bucket)),
        (6, i64::from(old.decimals), i64::from(new.decimals)),
        (7, i64::from(old.price_class), i64::from(new.price_class)),
    ])?;
    listing::check_quorum(state, new)?;
    listing::check_discovery(new, state.bucket(new.bucket)?.factors.closure_ppm)?;
    guarded(state, new.clone(), |s, terms| std::mem::replace(&mut s.underlying_mut(terms.underlying).terms, terms))?;
    price_terms(state);
    Ok(())
}

fn asset(state: &mut State, new: &ListAsset) -> Result<(), Refusal> {
    params::check_asset(new)?;
    let old = &state.asset(new.asset)?.terms;
    same(&[
        (3, i64::from(old.asset_kind), i64::from(new.asset_kind)),
        (4, i64::from(old.decimals), i64::from(new.decimals)),
        (5, i64::from(old.underlying), i64::from(new.underlying)),
        (6, old.multiplier_ppb, new.multiplier_ppb),
    ])?;
    let admitted = state.asset(new.asset)?.admitted;
    require(new.venue_cap >= admitted, Reject::cap_must_not_be_below_what_is_admitted.at(12, new.venue_cap, admitted))?;
    guarded(state, new.clone(), |s, terms| std::mem::replace(&mut s.asset_mut(terms.asset).terms, terms))
}

/// A spot order reserved its fee: when fees change, the market's orders go.
fn market(cx: &mut Context<'_>, new: &ListMarket) -> Result<(), Refusal> {
    params::check_market(new)?;
    let old = &cx.state.market(new.market)?.terms;
    same(&[
        (3, i64::from(old.market_kind), i64::from(new.market_kind)),
        (4, i64::from(old.base), i64::from(new.base)),
        (5, i64::from(old.underlying), i64::from(new.underlying)),
        (6, i64::from(old.quote), i64::from(new.quote)),
        (7, old.tick_size, new.tick_size),
        (8, old.lot_size, new.lot_size),
    ])?;
    listing::check_self_trade(cx.state, new)?;
    if old.taker_fee_ppm != new.taker_fee_ppm {
        for account in 0..cx.state.accounts.len() as u32 {
            cancel_all(cx, account, new.market);
        }
    }
    cx.state.market_mut(new.market).terms = new.clone();
    Ok(())
}

fn cancel_all(cx: &mut Context<'_>, account: u32, market: u32) {
    let mut next = cx.state.accounts[account as usize].orders;
    while next != NIL {
        let slot = next;
        next = cx.state.orders.next_of_account(slot).unwrap_or(NIL);
        if cx.state.orders.order(slot).market() == market {
            matching::cancel(cx, slot, CancelReason::Restricted);
        }
    }
}

fn pool(state: &mut State, new: &ListPool) -> Result<(), Refusal> {
    params::check_pool(new)?;
    require(state.asset(new.asset)?.pool.is_some(), Reject::pool_must_exist.at(1, i64::from(new.asset), 0))?;
    state.bucket(new.insurance_bucket)?;
    state.asset_mut(new.asset).pool = Some(new.clone());
    Ok(())
}

fn governance(state: &mut State, new: &crate::command::ConfigureGovernance) -> Result<(), Refusal> {
    require(state.governance.config.is_some(), Reject::governance_must_be_configured)?;
    super::actors::check(state, new)?;
    state.governance.config = Some(new.clone());
    Ok(())
}

fn eligibility(state: &mut State, new: &crate::command::ConfigureEligibility) -> Result<(), Refusal> {
    require(state.governance.eligibility.is_some(), Reject::eligibility_must_be_configured)?;
    super::holders::check(state, new)?;
    state.governance.eligibility = Some(new.clone());
    state.governance.rules_version += 1;
    Ok(())
}

/// `ListFeeTier`: takes the place of a tier of the same id.
///
/// # Errors
/// 301, 303, 309.
pub fn fee_tier(cx: &mut Context<'_>, command: &ListFeeTier) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    params::listable_id(command.tier)?;
    params::within(&[
        (1, i64::from(command.tier), 1, 64),
        (2, command.volume, 0, i64::MAX),
        (3, command.perp_maker_ppm, 0, command.perp_taker_ppm),
        (4, command.perp_taker_ppm, 0, PPM / 100),
        (5, command.spot_maker_ppm, 0, command.spot_taker_ppm),
        (6, command.spot_taker_ppm, 0, PPM / 100),
    ])?;
    let tiers = &mut cx.state.governance.fee_tiers;
    tiers.retain(|t| t.tier != command.tier);
    tiers.push(command.clone());
    tiers.sort_by_key(|t| (t.volume, t.tier));
    cx.tell(&FeeTierListed { tier: command.tier, volume: command.volume });
    Ok(())
}
