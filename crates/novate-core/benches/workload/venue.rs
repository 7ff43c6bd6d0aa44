//! A venue for measurements: listings, funded accounts, and positions they hold before the clock starts.
//!
//! Responsible for: what the engine is set up with, in one place, and its description in the report. Parameters follow
//! the starting values of the rules for large stocks, bitcoin, gold and bonds; bands are wide and self-trades allowed,
//! because the workload trades with itself at any price.

use novate_core::codec::{Body, Header, write_message};
use novate_core::command::{
    ActivateRelease, ConfigureLending, ConfigureLiquidation, ConfigureOrders, ConfigurePackages, ConfigurePrices, ConfigureVenue, Deposit, GTC, LIMIT, ListAsset, ListBucket, ListDatedRow,
    ListMarket, ListSource, ListUnderlying, OpenAccount, PlaceOrder, PostPrice, SetSession,
};
use novate_core::engine::Engine;
use novate_core::order::Side;
use novate_core::units::{HOUR, SECOND};
use novate_core::{RELEASE, RULESET};

/// Journal time of the first command.
const START_NS: i64 = 1_760_000_000 * SECOND;
/// Nanoseconds between two commands.
const STEP_NS: i64 = 1_000;
/// The stablecoin.
const DOLLAR: u32 = 1;
/// Index of every underlying, in ticks of a cent: where the workload starts.
pub const INDEX_TICKS: i64 = 100_000;
/// Each account's money: ten million dollars.
const MONEY: i64 = 10_000_000_000_000;
/// Lots of a pre-seeded position: ten shares, 10,000 dollars.
const SEED_LOTS: i64 = 10_000;

/// Encodes commands with sequence and time filled, as a sequencer would.
#[derive(Default)]
pub struct Encoder {
    /// Commands so far, back to back.
    pub bytes: Vec<u8>,
    /// Last sequence given.
    pub sequence: u64,
}

impl Encoder {
    /// Appends a command of an account (0 for the venue); returns where it begins.
    pub fn put<B: Body>(&mut self, account: u64, body: &B) -> usize {
        self.sequence += 1;
        let time_ns = START_NS + self.sequence as i64 * STEP_NS;
        let header = Header { account, request: self.sequence, sequence: self.sequence, time_ns, ..Header::default() };
        let start = self.bytes.len();
        write_message(header, body, &mut self.bytes);
        start
    }
}

/// A plain limit order.
pub const fn order(market: u32, side: Side, time_in_force: u8, price: i64, lots: i64) -> PlaceOrder {
    PlaceOrder { market, side: side as u8, kind: LIMIT, time_in_force, flags: 0, price, lots, client_id: [0; 16] }
}

/// Lists `underlyings` with a perp each (same number), all priced and in their regular session.
pub fn list(to: &mut Encoder, underlyings: u32) {
    to.put(0, &ActivateRelease { release: RELEASE.to_owned(), ruleset: RULESET });
    to.put(0, &venue());
    to.put(0, &orders());
    to.put(0, &packages());
    to.put(0, &stages());
    to.put(0, &prices());
    to.put(0, &lending());
    for (at, (name, gain_ppm)) in
        [("equity", 700_000), ("crypto", 600_000), ("commodity", 700_000), ("rates", 800_000)].into_iter().enumerate()
    {
        to.put(0, &bucket(at as u32 + 1, name, gain_ppm));
    }
    for (at, moves_ppm) in DATED.into_iter().enumerate() {
        to.put(0, &ListDatedRow { row: at as u32 + 1, date: format!("row {}", at + 1), moves_ppm: moves_ppm.to_vec() });
    }
    let cash = underlyings + 1;
    to.put(0, &underlying(cash, 4));
    to.put(0, &asset(DOLLAR, cash));
    for id in 1..=cash {
        if id != cash {
            to.put(0, &underlying(id, bucket_of(id)));
            to.put(0, &market(id));
        }
        to.put(0, &ListSource { underlying: id, source: 1, name: "source".to_owned(), origin: 0, always_open: 0 });
        to.put(0, &session(id));
        to.put(0, &price(id, if id == cash { 1_000_000 } else { INDEX_TICKS * 10_000 }, to.sequence));
    }
}

/// One in eight is a coin, one in sixteen a commodity, the others are stocks.
const fn bucket_of(underlying: u32) -> u32 {
    match underlying % 16 {
        7 | 15 => 2,
        8 => 3,
        _ => 1,
    }
}

/// Opens accounts 1 to `count`, one owner each, with money: less than listed where all of it would leave 64 bits.
pub fn open(to: &mut Encoder, count: u32) {
    let amount = MONEY.min(i64::MAX / 4 / i64::from(count));
    for id in 1..=count {
        to.put(u64::from(id), &OpenAccount { owner: id });
        to.put(u64::from(id), &Deposit { asset: DOLLAR, amount, reference: 1 });
    }
}

/// Gives the accounts positions at the index: `markets(account)` says in which markets (from account 1 on). In each
/// market every second of its holders buys from the one before; a holder without a counterpart stays flat there.
pub fn seed(to: &mut Encoder, accounts: u32, markets: impl Fn(u32) -> Vec<u32>) {
    let mut waiting = vec![0_u32; 65_536];
    for account in 1..=accounts {
        for market in markets(account) {
            let other = std::mem::replace(&mut waiting[market as usize], account);
            if other == 0 {
                continue;
            }
            waiting[market as usize] = 0;
            // Who is long changes from pair to pair and market to market, so that books are mixed.
            let (maker, taker) =
                if (other + market) % 3 == 0 { (Side::Bid, Side::Ask) } else { (Side::Ask, Side::Bid) };
            to.put(u64::from(other), &order(market, maker, GTC, INDEX_TICKS, SEED_LOTS));
            to.put(u64::from(account), &order(market, taker, GTC, INDEX_TICKS, SEED_LOTS));
        }
    }
}

/// An engine that has applied all of it.
///
/// # Errors
/// When the engine refused a command: the set-up is wrong then.
pub fn build(commands: &[u8]) -> Result<Engine, String> {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    engine.apply(commands, &mut events).map_err(|e| e.to_string())?;
    match crate::engine::first_refusal(&events) {
        None => Ok(engine),
        Some(refusal) => Err(refusal),
    }
}

const DATED: [[i64; 4]; 11] = [
    [113_000, 0, 0, 0],
    [-92_000, 0, 0, 0],
    [-35_000, 0, 30_000, 11_000],
    [-96_000, -372_000, -40_000, 1_000],
    [-109_000, -70_000, -11_000, 26_000],
    [-32_000, -111_000, -15_000, 7_000],
    [-1_000, 92_000, 23_000, 12_000],
    [-29_000, -71_000, -13_000, 1_000],
    [-59_000, 9_000, -23_000, 3_000],
    [105_000, 83_000, 37_000, -3_000],
    [-27_000, -126_000, 10_000, 5_000],
];

fn packages() -> ConfigurePackages {
    ConfigurePackages {
        legs: 8,
        open_blocks: 20,
        open_requests: 10,
        open_quotes: 200,
        quotes_per_request: 20,
        makers_per_request: 20,
        longest_life_ns: 24 * HOUR,
        reveal: 0,
        compensation_per_trade: 100_000_000_000,
        compensation_per_day: 500_000_000_000,
    }
}

const fn lending() -> ConfigureLending {
    ConfigureLending {
        call_above_ppm: 950_000,
        call_after_ns: 3_600_000_000_000,
        call_deadline_ns: 86_400_000_000_000,
        unsettled_after_ns: 3_600_000_000_000,
        cash_call_ns: 14_400_000_000_000,
        recall_opens: 2,
        ticks_per_command: 1_440,
    }
}

fn venue() -> ConfigureVenue {
    ConfigureVenue {
        liquidation_end_ppm: 850_000,
        maintenance_ppm: 750_000,
        close_out_ppm: 500_000,
        bucket_sum_ppm: 500_000,
        gap_sum_ppm: 250_000,
        tail_shock_ppm: 2_000_000,
        tail_weight_ppm: 350_000,
        rotation_ppm: 500_000,
        participation_ppm: 100_000,
        impact_ppm: 1_000_000,
        liquidity_cap_ppm: 100_000,
        long_charge_limit_ppm: 980_000,
        gain_cap: 1_000_000_000_000,
        withdrawal_multiple_ppm: 1_500_000,
        flag_after_ns: HOUR / 2,
        drop_after_ns: HOUR,
        stable_window_ns: HOUR,
        source_agreement_ppm: 5_000,
        confirm_after_ns: 30 * SECOND,
        confirm_quotes: 3,
        mark_average_ns: 300 * SECOND,
        mark_speed_ppm: 5_000,
        settle_every_ns: HOUR,
        premium_gap_ns: 300 * SECOND,
        sweep_accounts: 1_000_000,
        client_ids_kept: 100,
        orders_per_market: 100_000,
        liquidation_fee_ppm: 10_000,
        liquidation_fee_share_ppm: 200_000,
        liquidation_fee_equity_ppm: 100_000,
        liquidation_volume_ppm: 100_000,
        liquidation_depth_ppm: 250_000,
        liquidation_closed_ppm: 250_000,
        liquidation_min_tolerance_ppm: 10_000,
        production: 0,
    }
}

/// Limits that stand out of the way of a benchmark.
const fn orders() -> ConfigureOrders {
    ConfigureOrders {
        batch_legs: 100,
        orders_per_account: 1_000_000,
        orders_per_book: 10_000_000,
        order_interval_ns: 1,
        order_burst: 1_000_000_000,
        timers_per_advance: 1_000,
        longest_expiry_ns: HOUR,
        twap_interval_ns: SECOND,
        twap_slices: 1_000,
        twap_catch_up: 3,
        silence_least_ns: SECOND,
        silence_most_ns: HOUR,
        call_ns: 60 * SECOND,
        reducing_corners: 256,
    }
}

/// Stages 4 to 8: nothing of them happens in these workloads.
fn stages() -> ConfigureLiquidation {
    ConfigureLiquidation {
        auction_start_ppm: 1_000,
        auction_fast_ppm: 500,
        auction_fast_ns: 10 * SECOND,
        auction_slow_ppm: 100,
        auction_duration_ns: 60 * SECOND,
        auction_closed_factor: 4,
        backstop_notice_ns: HOUR,
        insurance_group_day_cap: 1_000_000_000_000,
        residue_value: 1_000_000,
        deleverage_share_ppm: 500_000,
        deleverage_notional: 1_000_000_000_000,
        sale_tolerance_ppm: 20_000,
        recovery_sessions: 5,
        cover_owners: 100,
        open_interest_floor_ppm: 250_000,
    }
}

fn bucket(bucket: u32, name: &str, gain_ppm: i64) -> ListBucket {
    let name = name.to_owned();
    ListBucket {
        bucket,
        name,
        gain_ppm,
        history_divisor: 1,
        extended_ppm: 1_150_000,
        overnight_ppm: 1_300_000,
        closure_ppm: 1_600_000,
    }
}

fn underlying(id: u32, bucket: u32) -> ListUnderlying {
    let (shock, gap, beta) = match bucket {
        2 => (160_000, 30_000, 1_000_000),
        3 => (60_000, 20_000, 1_000_000),
        4 => (10_000, 0, 100_000),
        _ => (90_000, 60_000, 1_100_000),
    };
    ListUnderlying {
        underlying: id,
        name: format!("U{id}"),
        bucket,
        sector: id % 8,
        gap_group: id,
        decimals: 6,
        price_class: 0,
        quorum: 1,
        deviation_ppm: 20_000,
        jump_ppm: 100_000,
        price_min: 1,
        price_max: 100_000 * 1_000_000,
        accrual_ppm: 0,
        max_age_ns: 0,
        beta_ppm: beta,
        shock_down_ppm: shock,
        shock_up_ppm: shock,
        gap_ppm: gap,
        leverage_ppm: 1_000_000,
        basis_ppm: 10_000,
        half_spread_ppm: 200,
        sigma_ppm: 20_000,
        spot_volume: 1_000_000_000_000_000,
        perp_volume: 1_000_000_000_000_000,
        session_share_ppm: 1_000_000,
        crowd_ppm: 100_000,
        crowd_low: 1_000_000_000_000_000,
        crowd_high: 4_000_000_000_000_000,
        confidence_floor_ppm: 900_000,
        confidence_slope_ppm: 2_000_000,
        min_size: 1,
        discovery_ppm: 0,
        re_anchors: 0,
    }
}

fn prices() -> ConfigurePrices {
    ConfigurePrices {
        statements_kept: 8,
        venues_while_closed: 2,
        drift_ns: HOUR,
        re_anchor_at_ppm: 900_000,
        breach_ns: HOUR / 2,
        long_closure_ns: 12 * HOUR,
        reopening_ns: HOUR / 4,
        blend_ns: 30 * SECOND,
        outage_ns: 5 * SECOND,
        cancel_only_ns: 60 * SECOND,
        halt_first_ns: HOUR,
        halt_first_gap_ppm: 300_000,
        halt_second_ns: 24 * HOUR,
        halt_second_gap_ppm: 600_000,
        halt_last_ns: 72 * HOUR,
        halt_settle_ns: 72 * HOUR,
        earnings_multiple_ppm: 1_500_000,
        earnings_ramp_ns: 2 * HOUR,
    }
}

fn asset(id: u32, underlying: u32) -> ListAsset {
    ListAsset {
        asset: id,
        name: "USDC".to_owned(),
        asset_kind: 0,
        decimals: 6,
        underlying,
        multiplier_ppb: 1_000_000_000,
        wrap_ppm: 0,
        borrow_wrap_ppm: 0,
        depeg_ppm: 10_000,
        loan_to_value_ppm: 0,
        owner_cap: i64::MAX,
        venue_cap: i64::MAX,
        sale_rank: 0,
    }
}

/// A perp: a tick is a cent, a lot a thousandth of a share.
fn market(id: u32) -> ListMarket {
    ListMarket {
        market: id,
        name: format!("U{id}-PERP"),
        market_kind: 1,
        base: 0,
        underlying: id,
        quote: DOLLAR,
        tick_size: 10_000,
        lot_size: 1_000_000,
        min_lots: 1,
        max_lots: 1_000_000_000,
        maker_fee_ppm: 100,
        taker_fee_ppm: 300,
        band_ppm: 1_000_000_000_000,
        collar_ppm: 50_000,
        self_trade: 1,
        impact_notional: 10_000_000_000,
        funding_ppm: 125_000,
        funding_closed_ppm: 62_500,
        interest_ppm: 12,
        premium_clamp_ppm: 500,
        funding_cap_ppm: 5_000,
        funding_closed_cap_ppm: 2_500,
        band_extended_ppm: 1_000_000_000_000,
        band_closed_ppm: 1_000_000_000_000,
        opens_by_auction: 0,
    }
}

fn session(underlying: u32) -> SetSession {
    SetSession {
        underlying,
        session: 2,
        next_session: 2,
        next_time_ns: 0,
        closure_step_ns: 0,
        closure_ramp_from_ns: 0,
        closure_ramp_to_ns: 0,
        closure_end_ns: 0,
    }
}

pub fn price(underlying: u32, price: i64, sequence: u64) -> PostPrice {
    PostPrice {
        underlying,
        source: 1,
        price,
        confidence_ppm: 1_000_000,
        price_kind: 0,
        reserved0: 0,
        reserved1: 0,
        venue_time_ns: START_NS + sequence as i64 * STEP_NS,
        size: 1,
        raw_hash: [0; 16],
    }
}
