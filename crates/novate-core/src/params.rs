//! Validated bounds of every listing parameter.
//!
//! Responsible for: refusing a listing whose numbers are absurd or whose charges could exceed a long dollar, before
//! anything is written. A parameter without a bound here does not exist; the engine has no other constants of the venue.

use crate::command::{ConfigureLending, ConfigureLiquidation, ConfigureOrders, ConfigurePrices, ConfigureVenue, ListAsset, ListBucket, ListMarket, ListPool, ListUnderlying};
use crate::reject::{Refusal, Reject, require};
use crate::units::{HOUR, PPM, SECOND, YEAR, div_ceil, narrow, pow10};

/// Ids of listed things are 1 to this.
pub const MAX_ID: u32 = 65_535;
/// Largest listable amount of money or volume: 5 trillion dollars.
pub const MONEY: i64 = 5_000_000_000_000 * 1_000_000;
const ZERO: i64 = 0;
/// Most units that may be lent to, or borrowed from, one pool: no product of its indexes leaves 128 bits.
pub const MOST_LENT: i64 = 10_000_000_000_000_000;

/// A parameter and its bounds: field, value, lowest, highest.
pub type Bound = (u16, i64, i64, i64);

/// Refuses the first value outside its bounds: field, value, lowest, highest.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn within(bounds: &[Bound]) -> Result<(), Refusal> {
    for &(field, value, low, high) in bounds {
        if value < low {
            return Err(Reject::parameter_must_be_within_bounds.at(field, value, low));
        }
        if value > high {
            return Err(Reject::parameter_must_be_within_bounds.at(field, value, high));
        }
    }
    Ok(())
}

/// An id from 1 to 65,535.
///
/// # Errors
/// `id_must_not_be_zero`, `parameter_must_be_within_bounds`.
pub fn listable_id(id: u32) -> Result<(), Refusal> {
    require(id != 0, Reject::id_must_not_be_zero.at(1, 0, 1))?;
    within(&[(1, i64::from(id), 1, i64::from(MAX_ID))])
}

/// 1 to 32 printable ASCII characters.
///
/// # Errors
/// `name_must_be_short_and_plain`.
pub fn plain_name(name: &str, field: u16) -> Result<(), Refusal> {
    let plain = (1..=32).contains(&name.len()) && name.bytes().all(|b| (0x20..0x7f).contains(&b));
    require(plain, Reject::name_must_be_short_and_plain.at(field, name.len() as i64, 32))
}

/// Bounds of the venue's parameters.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn check_venue(c: &ConfigureVenue) -> Result<(), Refusal> {
    within(&[
        (1, c.liquidation_end_ppm, c.maintenance_ppm, PPM),
        (2, c.maintenance_ppm, c.close_out_ppm, PPM),
        (3, c.close_out_ppm, PPM / 10, PPM),
        (4, c.bucket_sum_ppm, 0, PPM),
        (5, c.gap_sum_ppm, 0, PPM),
        (6, c.tail_shock_ppm, PPM, 10 * PPM),
        (7, c.tail_weight_ppm, 0, PPM),
        (8, c.rotation_ppm, 0, PPM),
        (9, c.participation_ppm, 1_000, PPM),
        (10, c.impact_ppm, 0, 10 * PPM),
        (11, c.liquidity_cap_ppm, 1_000, PPM / 5),
        (12, c.long_charge_limit_ppm, PPM / 2, PPM),
        (13, c.gain_cap, ZERO, MONEY),
        (14, c.withdrawal_multiple_ppm, PPM, 10 * PPM),
        (15, c.flag_after_ns, SECOND / 10, c.drop_after_ns),
        (16, c.drop_after_ns, SECOND, 3_600 * SECOND),
        (17, c.stable_window_ns, 60 * SECOND, 86_400 * SECOND),
        (18, c.source_agreement_ppm, 100, PPM / 5),
        (19, c.confirm_after_ns, SECOND, 3_600 * SECOND),
        (20, i64::from(c.confirm_quotes), 2, 1_000),
        (21, c.mark_average_ns, SECOND, 3_600 * SECOND),
        (22, c.mark_speed_ppm, 100, PPM),
        (23, c.settle_every_ns, 60 * SECOND, 86_400 * SECOND),
        (24, c.premium_gap_ns, SECOND, c.settle_every_ns),
        (25, i64::from(c.sweep_accounts), 1, 10_000_000),
        (26, i64::from(c.client_ids_kept), 1, 1_000_000),
        (27, i64::from(c.orders_per_market), 1, 1_000_000),
        (28, c.liquidation_fee_ppm, 0, PPM / 20),
        (29, c.liquidation_fee_share_ppm, 0, PPM),
        (30, c.liquidation_fee_equity_ppm, 0, PPM),
        (31, c.liquidation_volume_ppm, 1_000, PPM),
        (32, c.liquidation_depth_ppm, 1_000, PPM),
        (33, c.liquidation_closed_ppm, 0, PPM),
        (34, c.liquidation_min_tolerance_ppm, 0, PPM),
        (35, i64::from(c.production), 0, 1),
    ])
}

/// Bounds of the parameters of orders.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn check_orders(c: &ConfigureOrders) -> Result<(), Refusal> {
    within(&[
        (1, i64::from(c.batch_legs), 1, 1_000),
        (2, i64::from(c.orders_per_account), 1, 1_000_000),
        (3, i64::from(c.orders_per_book), 1, 10_000_000),
        (4, c.order_interval_ns, 1, 60 * SECOND),
        (5, i64::from(c.order_burst), 1, 1_000_000_000),
        (6, i64::from(c.timers_per_advance), 1, 1_000_000),
        (7, c.longest_expiry_ns, SECOND, 10 * YEAR),
        (8, c.twap_interval_ns, SECOND / 10, 86_400 * SECOND),
        (9, i64::from(c.twap_slices), 1, 1_000_000),
        (10, i64::from(c.twap_catch_up), 1, 100),
        (11, c.silence_least_ns, SECOND / 10, c.silence_most_ns),
        (12, c.silence_most_ns, SECOND, YEAR),
        (13, c.call_ns, SECOND, 86_400 * SECOND),
        (14, i64::from(c.reducing_corners), 4, 100_000),
    ])
}

/// Bounds of the parameters of stages 4 to 8.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn check_liquidation(c: &ConfigureLiquidation) -> Result<(), Refusal> {
    within(&[
        (1, c.auction_start_ppm, 0, PPM / 10),
        (2, c.auction_fast_ppm, 0, PPM / 10),
        (3, c.auction_fast_ns, 0, c.auction_duration_ns),
        (4, c.auction_slow_ppm, 0, c.auction_fast_ppm),
        (5, c.auction_duration_ns, SECOND, 24 * HOUR),
        (6, i64::from(c.auction_closed_factor), 1, 100),
        (7, c.backstop_notice_ns, SECOND, YEAR),
        (8, c.insurance_group_day_cap, ZERO, MONEY),
        (9, c.residue_value, ZERO, 1_000_000_000),
        (10, c.deleverage_share_ppm, 1, PPM),
        (11, c.deleverage_notional, 1, MONEY),
        (12, c.sale_tolerance_ppm, 0, PPM / 2),
        (13, i64::from(c.recovery_sessions), 1, 1_000),
        (14, i64::from(c.cover_owners), 1, 1_000_000),
        (15, c.open_interest_floor_ppm, 0, PPM),
    ])
}

/// Bounds of a bucket.
///
/// # Errors
/// As named in the body.
pub fn check_bucket(b: &ListBucket) -> Result<(), Refusal> {
    listable_id(b.bucket)?;
    plain_name(&b.name, 2)?;
    within(&[
        (3, b.gain_ppm, 0, PPM),
        (4, b.history_divisor, 1, 30),
        (5, b.extended_ppm, PPM, 5 * PPM),
        (6, b.overnight_ppm, PPM, 5 * PPM),
        (7, b.closure_ppm, PPM, 5 * PPM),
    ])
}

/// Bounds of an underlying.
///
/// # Errors
/// As named in the body.
pub fn check_underlying(u: &ListUnderlying) -> Result<(), Refusal> {
    listable_id(u.underlying)?;
    plain_name(&u.name, 2)?;
    within(&[
        (4, i64::from(u.sector), 0, 255),
        (6, i64::from(u.decimals), 0, 9),
        (7, i64::from(u.price_class), 0, 1),
        (8, i64::from(u.quorum), 1, 16),
        (9, u.deviation_ppm, 100, PPM / 2),
        (10, u.jump_ppm, 100, PPM),
        (11, u.price_min, 1, u.price_max),
        (12, u.price_max, 1, i64::MAX / 1_000_000),
        (13, u.accrual_ppm, 0, PPM),
        (14, u.max_age_ns, 0, YEAR),
        (15, u.beta_ppm, 0, 30 * PPM),
        (16, u.shock_down_ppm, 0, 9 * PPM / 10),
        (17, u.shock_up_ppm, 0, 5 * PPM),
        (18, u.gap_ppm, 0, 9 * PPM / 10),
        (19, u.leverage_ppm, PPM / 10, 5 * PPM),
        (20, u.basis_ppm, 0, PPM / 5),
        (21, u.half_spread_ppm, 0, PPM / 10),
        (22, u.sigma_ppm, 0, PPM),
        (23, u.spot_volume, 0, MONEY),
        (24, u.perp_volume, 0, MONEY),
        (25, u.session_share_ppm, PPM / 10, PPM),
        (26, u.crowd_ppm, 0, PPM),
        (27, u.crowd_low, 0, u.crowd_high.saturating_sub(1)),
        (28, u.crowd_high, 1, MONEY),
        (29, u.confidence_floor_ppm, 0, PPM),
        (30, u.confidence_slope_ppm, 0, 20 * PPM),
        // A NAV has no size; every other price names the least that counts.
        (31, u.min_size, i64::from(u.price_class == 0), MONEY),
        (32, u.discovery_ppm, 0, PPM / 2),
        (33, i64::from(u.re_anchors), 0, 10),
    ])
}

/// A listed 0 or 1.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn flag(value: u8, field: u16) -> Result<bool, Refusal> {
    within(&[(field, i64::from(value), 0, 1)])?;
    Ok(value == 1)
}

/// Bounds of the price parameters.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn check_prices(c: &ConfigurePrices) -> Result<(), Refusal> {
    within(&[
        (1, i64::from(c.statements_kept), 2, 64),
        (2, i64::from(c.venues_while_closed), 2, 16),
        (3, c.drift_ns, 60 * SECOND, 240 * HOUR),
        (4, c.re_anchor_at_ppm, PPM / 2, PPM),
        (5, c.breach_ns, 60 * SECOND, 240 * HOUR),
        (6, c.long_closure_ns, HOUR, 240 * HOUR),
        (7, c.reopening_ns, 0, 24 * HOUR),
        (8, c.blend_ns, 0, HOUR),
        (9, c.outage_ns, SECOND, HOUR),
        (10, c.cancel_only_ns, 0, HOUR),
        (11, c.halt_first_ns, 60 * SECOND, c.halt_second_ns),
        (12, c.halt_first_gap_ppm, 0, c.halt_second_gap_ppm),
        (13, c.halt_second_ns, 60 * SECOND, c.halt_last_ns),
        (14, c.halt_second_gap_ppm, 0, PPM),
        (15, c.halt_last_ns, 60 * SECOND, YEAR),
        (16, c.halt_settle_ns, HOUR, YEAR),
        (17, c.earnings_multiple_ppm, PPM, 10 * PPM),
        (18, c.earnings_ramp_ns, SECOND, 240 * HOUR),
    ])
}

/// Bounds of an asset.
///
/// # Errors
/// As named in the body.
pub fn check_asset(a: &ListAsset) -> Result<(), Refusal> {
    listable_id(a.asset)?;
    plain_name(&a.name, 2)?;
    within(&[
        (3, i64::from(a.asset_kind), 0, 1),
        (4, i64::from(a.decimals), 0, 9),
        (6, a.multiplier_ppb, 1_000, 1_000_000 * 1_000_000_000),
        (7, a.wrap_ppm, 0, PPM / 2),
        (8, a.borrow_wrap_ppm, 0, PPM / 2),
        (9, a.depeg_ppm, 0, PPM / 2),
        (10, a.loan_to_value_ppm, 0, PPM),
        (11, a.owner_cap, 0, i64::MAX),
        (12, a.venue_cap, 0, i64::MAX),
        (13, i64::from(a.sale_rank), 0, 255),
    ])
}

/// Bounds of a market, without its references.
///
/// # Errors
/// As named in the body.
pub fn check_market(m: &ListMarket) -> Result<(), Refusal> {
    listable_id(m.market)?;
    plain_name(&m.name, 2)?;
    within(&[
        (3, i64::from(m.market_kind), 0, 1),
        (7, m.tick_size, 1, 1_000_000_000_000),
        (8, m.lot_size, 1, 1_000_000_000_000_000),
        (9, m.min_lots, 1, m.max_lots),
        (10, m.max_lots, 1, i64::MAX / 1_000),
        (11, m.maker_fee_ppm, 0, PPM / 20),
        (12, m.taker_fee_ppm, m.maker_fee_ppm, PPM / 20),
        (13, m.band_ppm, 1_000, 1_000_000 * PPM),
        (14, m.collar_ppm, 1_000, PPM / 2),
        (15, i64::from(m.self_trade), 0, 1),
        (16, m.impact_notional, 0, MONEY),
        (17, m.funding_ppm, 0, 10 * PPM),
        (18, m.funding_closed_ppm, 0, 10 * PPM),
        (19, m.interest_ppm, -PPM / 100, PPM / 100),
        (20, m.premium_clamp_ppm, 0, PPM / 100),
        (21, m.funding_cap_ppm, 0, PPM / 25),
        (22, m.funding_closed_cap_ppm, 0, PPM / 25),
        (23, m.band_extended_ppm, 1_000, 1_000_000 * PPM),
        (24, m.band_closed_ppm, 1_000, 1_000_000 * PPM),
        (25, i64::from(m.opens_by_auction), 0, 1),
    ])
}

/// Quote units of one tick of one lot.
///
/// # Errors
/// `tick_times_lot_must_be_whole_quote_units` when it is not a whole number of at least 1.
pub fn quote_units(m: &ListMarket, price_decimals: u32, lot_decimals: u32, quote_decimals: u32) -> Result<i64, Refusal> {
    let numerator = i128::from(m.tick_size) * i128::from(m.lot_size) * pow10(quote_decimals);
    let denominator = pow10(price_decimals) * pow10(lot_decimals);
    let whole = numerator % denominator == 0;
    let refusal = Reject::tick_times_lot_must_be_whole_quote_units.at(8, m.lot_size, m.tick_size);
    match narrow(numerator / denominator) {
        Some(units) if whole && units >= 1 => Ok(units),
        _ => Err(refusal),
    }
}

/// Bounds of a pool.
///
/// # Errors
/// As named in the body.
pub fn check_pool(p: &ListPool) -> Result<(), Refusal> {
    within(&[
        (2, p.rate_ppm, 0, 2 * PPM),
        (3, p.reserve_ppm, 0, PPM),
        (4, p.owner_cap, 0, MOST_LENT),
        (5, p.venue_cap, 0, MOST_LENT),
        (8, p.locked_deposit, 1, MOST_LENT),
        (9, p.reserve_target, 0, MOST_LENT),
        (11, p.lent_charge_ppm, 0, PPM),
    ])?;
    let (used, rates) = (&p.utilisation_ppm, &p.rates_ppm);
    let points = i64::try_from(used.len()).unwrap_or(i64::MAX);
    let ends = used.len() == rates.len() && points <= 8 && used.last() == Some(&PPM);
    let rises = used.windows(2).all(|w| w[0] < w[1]) && used.first().is_some_and(|&u| u > 0);
    let dear = rates.windows(2).all(|w| w[0] <= w[1]) && rates.first().is_some_and(|&r| r >= p.rate_ppm);
    let bounded = rates.last().is_some_and(|&r| r <= 2 * PPM);
    require(ends && rises && dear && bounded, Reject::curve_must_rise_to_full_use.at(6, points, 8))
}

/// Bounds of the lending parameters.
///
/// # Errors
/// `parameter_must_be_within_bounds`.
pub fn check_lending(c: &ConfigureLending) -> Result<(), Refusal> {
    within(&[
        (1, c.call_above_ppm, PPM / 2, PPM),
        (2, c.call_after_ns, 60 * SECOND, 86_400 * SECOND),
        (3, c.call_deadline_ns, 3_600 * SECOND, 30 * 86_400 * SECOND),
        (4, c.unsettled_after_ns, 0, 86_400 * SECOND),
        (5, c.cash_call_ns, 60 * SECOND, 10 * 86_400 * SECOND),
        (6, i64::from(c.recall_opens), 1, 20),
        (7, i64::from(c.ticks_per_command), 60, 1_000_000),
    ])
}

/// Shock, wrap and 1.5 times the listed liquidity cost of one long dollar, at the bucket's largest session factor,
/// must leave room below the limit; the gap is clipped into what is left (RULES section 7).
///
/// # Errors
/// `charge_per_long_dollar_must_stay_below_its_limit`.
pub fn check_long_charge(venue: &ConfigureVenue, bucket: &ListBucket, u: &ListUnderlying, fall_ppm: i64, wrap_ppm: i64, liquidity_ppm: i64) -> Result<(), Refusal> {
    let factor = bucket.closure_ppm.max(bucket.overnight_ppm).max(bucket.extended_ppm);
    let scale = |rate: i64| div_ceil(i128::from(rate) * i128::from(factor), i128::from(PPM));
    let grid = div_ceil(scale(u.shock_down_ppm) * i128::from(u.beta_ppm), i128::from(PPM));
    let dated = div_ceil(scale(fall_ppm) * i128::from(u.beta_ppm), i128::from(bucket.history_divisor * PPM));
    let charge = grid.max(dated) + scale(wrap_ppm) + div_ceil(3 * i128::from(liquidity_ppm), 2);
    let limit = venue.long_charge_limit_ppm;
    let refusal = Reject::charge_per_long_dollar_must_stay_below_its_limit.at(0, narrow(charge).unwrap_or(i64::MAX), limit);
    require(charge <= i128::from(limit), refusal)
}

