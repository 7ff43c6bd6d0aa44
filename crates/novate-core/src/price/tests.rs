//! Tests of the index, its confirmation and its quality. The gate's cells are tested beside its table.

use super::Quality::{Closed, Degraded, Halted, Live, Stale, Suspect};
use super::{Action, DriftParams, MAX_SOURCES, Permission, PriceClass, PriceParams, PriceState, Quality};
use crate::command::PostPrice;
use crate::reject::Reject;
use crate::session::Session;
use crate::units::{Nanos, Price, SECOND, YEAR};
use proptest::prelude::*;

const PARAMS: PriceParams = PriceParams {
    class: PriceClass::Continuous,
    quorum: 2,
    deviation_ppm: 50_000,
    jump_ppm: 80_000,
    price_min: 10,
    price_max: 1_000_000_000,
    accrual_ppm: 0,
    max_age_ns: 0,
    flag_after_ns: 5 * SECOND,
    drop_after_ns: 30 * SECOND,
    stable_window_ns: 1_800 * SECOND,
    source_agreement_ppm: 10_000,
    confirm_after_ns: 60 * SECOND,
    confirm_quotes: 3,
    min_size: 0,
    statements_kept: 8,
    venues_while_closed: 2,
    long_closure_ns: 43_200 * SECOND,
    reopening_ns: 900 * SECOND,
    blend_ns: 0,
    drift: DriftParams { bound_ppm: 50_000, re_anchors: 1, re_anchor_at_ppm: 900_000, time_ns: 3_600 * SECOND },
};

fn lone() -> PriceParams {
    PriceParams { quorum: 1, ..PARAMS }
}

fn quote(source: u32, price: Price, venue_time_ns: Nanos) -> PostPrice {
    PostPrice {
        underlying: 1,
        source,
        price,
        confidence_ppm: 1_000_000,
        price_kind: 0,
        reserved0: 0,
        reserved1: 0,
        venue_time_ns,
        size: 0,
        raw_hash: [0; 16],
    }
}

/// An underlying under test, with its own clock.
struct Desk {
    params: PriceParams,
    state: PriceState,
    session: Session,
    now: Nanos,
}

impl Desk {
    fn new(params: PriceParams, sources: u32) -> Self {
        let mut state = PriceState::new();
        for id in 1..=sources {
            state.add_source(id, 0, false).expect("a new source");
        }
        Self { params, state, session: Session::Regular, now: 1_000 * SECOND }
    }

    /// Like `new`, with an index of 10,000 confirmed by all sources.
    fn live(params: PriceParams, sources: u32) -> Self {
        let mut desk = Self::new(params, sources);
        desk.all(&vec![10_000; sources as usize]);
        assert_eq!((desk.state.quality(), desk.state.index()), (Live, 10_000));
        desk
    }

    /// A quote; of a NAV an issuer's value.
    fn post(&mut self, source: u32, price: Price) {
        let price_kind = if self.params.class == PriceClass::Nav { 2 } else { 0 };
        let post = PostPrice { price_kind, ..quote(source, price, self.now) };
        self.state.post(&self.params, &post, self.now).expect("a good price");
        self.refresh();
    }

    /// All sources at once, judged once.
    fn all(&mut self, prices: &[Price]) {
        for (source, price) in (1..).zip(prices) {
            self.state.post(&self.params, &quote(source, *price, self.now), self.now).expect("a good price");
        }
        self.refresh();
    }

    fn refresh(&mut self) -> bool {
        self.state.refresh(&self.params, self.session, self.now)
    }

    fn wait(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
        self.refresh();
    }

    fn enter(&mut self, session: Session) {
        self.session = session;
        self.refresh();
    }

    fn sees(&self) -> (Quality, Price) {
        (self.state.quality(), self.state.index())
    }
}

/// Prices of fresh sources at quorum 2, from an index of 10,000, and what they make of it.
#[test]
fn the_index_of_several_sources() {
    let cases: &[(&[Price], Quality, Price)] = &[
        (&[10_050], Degraded, 10_000),
        (&[10_000, 10_050], Live, 10_000), // the middle price nearer the last index
        (&[10_050, 10_080], Live, 10_050),
        (&[9_950, 9_980], Live, 9_980),
        (&[9_990, 10_010], Live, 9_990),      // equally near: the lower
        (&[10_000, 10_200], Suspect, 10_000), // two apart
        (&[10_100, 10_000, 10_050], Live, 10_050),
        (&[10_300, 10_000, 10_150], Live, 10_150), // three may be wider than two
        (&[10_000, 10_060, 99_000], Live, 10_000), // an absurd one is dropped
        (&[10_000, 10_400, 99_000], Suspect, 10_000),
        (&[10_000, 11_000, 12_000], Suspect, 10_000), // everybody alone
        (&[10_000, 10_010, 12_000, 12_010], Suspect, 10_000), // two against two
        (&[10_000, 10_010, 10_020, 12_010], Live, 10_010),
        (&[10_000, 10_000, 10_200, 10_200], Suspect, 10_000), // two against two, inside the deviation
        (&[11_000, 11_050], Live, 11_000),                    // a jump that a second source confirms
        (&[8_000, 7_990, 8_010], Live, 8_000),
        (&[11_000, 11_200, 11_400], Suspect, 10_000), // a jump without a second source near it
    ];
    for (prices, quality, index) in cases {
        let mut desk = Desk::live(PARAMS, prices.len().max(2) as u32);
        desk.wait(31);
        assert_eq!(desk.sees(), (Stale, 10_000));
        desk.all(prices);
        assert_eq!(desk.sees(), (*quality, *index), "{prices:?}");
    }
}

#[test]
fn a_larger_quorum_counts_what_is_left_after_dropping() {
    let params = PriceParams { quorum: 3, ..PARAMS };
    let mut desk = Desk::live(params, 3);
    desk.all(&[10_010, 10_020, 12_000]);
    assert_eq!(desk.sees(), (Degraded, 10_000));
    desk.all(&[10_010, 10_020, 10_030]);
    assert_eq!(desk.sees(), (Live, 10_020));
}

#[test]
fn sources_age_by_venue_time() {
    let mut desk = Desk::live(PARAMS, 2);
    desk.wait(5);
    assert_eq!((desk.state.fresh_sources(), desk.state.unflagged_sources()), (2, 2));
    desk.wait(1);
    assert_eq!((desk.state.fresh_sources(), desk.state.unflagged_sources()), (2, 0));
    desk.post(1, 10_000);
    desk.wait(24);
    assert_eq!((desk.sees(), desk.state.fresh_sources()), ((Live, 10_000), 2));
    desk.wait(1);
    assert_eq!((desk.sees(), desk.state.fresh_sources()), ((Degraded, 10_000), 1));
    desk.wait(6);
    assert_eq!((desk.sees(), desk.state.fresh_sources()), ((Stale, 10_000), 0));
    // An old price that arrives late is recorded and does not count.
    let late = quote(2, 10_100, desk.now - 31 * SECOND);
    desk.state.post(&PARAMS, &late, desk.now).expect("later than its last");
    desk.refresh();
    assert_eq!(desk.sees(), (Stale, 10_000));
}

#[test]
fn the_first_price_needs_a_quorum_and_opens_nothing_before() {
    let mut desk = Desk::new(PARAMS, 3);
    assert_eq!(desk.sees(), (Stale, 0));
    desk.post(1, 10_000);
    assert_eq!(desk.sees(), (Stale, 0));
    desk.post(2, 20_000);
    assert_eq!(desk.sees(), (Stale, 0));
    assert!(desk.state.awaiting_quorum());
    desk.post(2, 10_010);
    assert_eq!(desk.sees(), (Live, 10_000));
    assert_eq!((desk.state.stable(), desk.state.last_external()), (10_000, 10_000));
}

#[test]
fn a_jump_of_one_source_waits_for_the_second() {
    let mut desk = Desk::live(PARAMS, 2);
    desk.wait(1);
    desk.post(1, 11_000);
    assert_eq!(desk.sees(), (Suspect, 10_000));
    for _ in 0..100 {
        desk.wait(1);
        desk.post(1, 11_000);
        assert_ne!(desk.state.quality(), Live, "a lone source never confirms where the quorum is two");
        assert_eq!(desk.state.index(), 10_000);
    }
    desk.post(2, 11_050);
    assert_eq!(desk.sees(), (Live, 11_000));
}

#[test]
fn a_lone_source_confirms_a_jump_by_time_and_prices() {
    // Price every `gap` seconds; when is 11,000 the index?
    for (gap, confirmed_after) in [(1, 60), (20, 60), (29, 87)] {
        let mut desk = Desk::live(lone(), 1);
        desk.post(1, 11_000);
        let start = desk.now;
        while desk.state.index() == 10_000 {
            assert_eq!(desk.state.quality(), Suspect);
            desk.now += gap * SECOND;
            desk.post(1, 11_000);
        }
        assert_eq!((desk.now - start) / SECOND, confirmed_after);
        assert_eq!((desk.sees(), desk.state.pending()), ((Live, 11_000), None));
    }
}

#[test]
fn a_lone_jump_starts_again_when_it_is_broken() {
    let hold = |desk: &mut Desk, price: Price, seconds: i64| {
        for _ in 0..seconds {
            desk.now += SECOND;
            desk.post(1, price);
        }
    };
    // Back inside the limit, over to the other side, silence, a closed session: each starts the count again.
    let breaks: [&dyn Fn(&mut Desk); 4] = [&|d| d.post(1, 10_100), &|d| d.post(1, 9_000), &|d| d.wait(31), &|d| {
        d.enter(Session::Closed);
        d.enter(Session::Regular);
    }];
    for (number, broken) in breaks.into_iter().enumerate() {
        let mut desk = Desk::live(lone(), 1);
        hold(&mut desk, 11_500, 59);
        broken(&mut desk);
        hold(&mut desk, 11_500, 59);
        assert_eq!(desk.state.quality(), Suspect, "break {number}");
        assert_ne!(desk.state.index(), 11_500, "break {number}");
        hold(&mut desk, 11_500, 2);
        assert_eq!(desk.sees(), (Live, 11_500), "break {number}");
    }
}

#[test]
fn repeating_one_venue_time_is_not_advancing() {
    let params = PriceParams { drop_after_ns: 1_000 * SECOND, ..lone() };
    let mut desk = Desk::live(params.clone(), 1);
    desk.post(1, 11_000);
    let (stuck, later) = (desk.now, desk.now + 100 * SECOND);
    for _ in 0..10 {
        desk.state.post(&params, &quote(1, 11_000, stuck), desk.now).expect("the same time again");
        desk.wait(10);
    }
    assert_eq!((desk.sees(), desk.now), ((Suspect, 10_000), later));
    desk.post(1, 11_000);
    desk.wait(1);
    assert_eq!(desk.state.quality(), Suspect, "two prices");
    desk.post(1, 11_000);
    assert_eq!(desk.sees(), (Live, 11_000), "three prices");
}

#[test]
fn at_quorum_one_a_second_source_confirms_at_once() {
    let mut desk = Desk::live(lone(), 2);
    desk.wait(31);
    desk.post(1, 11_000);
    assert_eq!(desk.sees(), (Suspect, 10_000));
    desk.post(2, 11_060);
    assert_eq!(desk.sees(), (Live, 11_000));
}

#[test]
fn a_closed_market_keeps_the_last_external_price() {
    let mut desk = Desk::live(PARAMS, 2);
    desk.enter(Session::Closed);
    assert_eq!(desk.sees(), (Closed, 10_000));
    desk.wait(3_600);
    desk.all(&[10_500, 10_500]);
    assert_eq!((desk.sees(), desk.state.last_external()), ((Closed, 10_000), 10_000));
    assert_eq!(desk.state.sources()[0].price(), 10_500, "recorded all the same");
    desk.enter(Session::Pre);
    assert_eq!(desk.sees(), (Live, 10_500));
    desk.enter(Session::Halted);
    desk.all(&[10_600, 10_600]);
    assert_eq!(desk.sees(), (Halted, 10_500));
    desk.enter(Session::Regular);
    assert_eq!(desk.sees(), (Live, 10_600));
    desk.enter(Session::Closed);
    desk.wait(3_600);
    desk.enter(Session::Regular);
    assert_eq!(desk.sees(), (Stale, 10_600), "opens without a fresh source");
}

#[test]
fn a_first_price_may_be_set_while_closed() {
    let mut desk = Desk::new(PARAMS, 2);
    desk.enter(Session::Closed);
    assert_eq!(desk.sees(), (Stale, 0));
    for source in [1, 2] {
        assert_eq!(desk.sees(), (Stale, 0));
        let friday = quote(source, 10_000, desk.now - 900 * SECOND);
        desk.state.post(&PARAMS, &friday, desk.now).expect("yesterday's close");
        desk.refresh();
    }
    assert_eq!((desk.sees(), desk.state.last_external()), ((Closed, 10_000), 10_000));
}

#[test]
fn after_a_restart_the_price_is_stale_until_a_fresh_quorum() {
    let mut desk = Desk::live(PARAMS, 2);
    desk.state.forget();
    assert_eq!(desk.sees(), (Stale, 10_000));
    desk.refresh();
    assert_eq!(desk.sees(), (Stale, 10_000));
    assert_eq!(desk.state.permission(Action::Liquidate), Permission::No);
    desk.post(1, 10_010);
    assert_eq!(desk.sees(), (Stale, 10_000), "not degraded: that would allow liquidation");
    desk.post(2, 12_000);
    assert_eq!(desk.sees(), (Stale, 10_000), "not suspect: that would allow liquidation");
    desk.post(2, 10_020);
    assert_eq!(desk.sees(), (Live, 10_010));
    // The limit of jumps holds across the restart.
    let mut desk = Desk::live(lone(), 1);
    desk.state.forget();
    desk.post(1, 12_000);
    assert_eq!(desk.sees(), (Suspect, 10_000));
}

#[test]
fn a_restart_while_closed_needs_a_quorum_that_knows_the_index() {
    let mut desk = Desk::live(PARAMS, 2);
    desk.enter(Session::Closed);
    desk.wait(3_600);
    desk.state.forget();
    desk.refresh();
    assert_eq!(desk.sees(), (Stale, 10_000));
    desk.all(&[10_500, 10_500]);
    assert_eq!(desk.sees(), (Stale, 10_000), "a close that the venue slept through");
    desk.all(&[10_000, 10_000]);
    assert_eq!(desk.sees(), (Closed, 10_000));
}

#[test]
fn a_nav_accrues_and_ignores_closed_sessions() {
    let week = 7 * 24 * 3_600;
    let params = PriceParams { class: PriceClass::Nav, accrual_ppm: 40_000, max_age_ns: week * SECOND, ..lone() };
    let mut desk = Desk::new(params, 1);
    desk.session = Session::Closed;
    desk.post(1, 100_000_000);
    assert_eq!(desk.sees(), (Live, 100_000_000));
    let posted = desk.now;
    for seconds in [1, 7, 60, 86_400, 400_000] {
        desk.wait(seconds);
        let age = i128::from(desk.now - posted);
        let grown = 100_000_000 + 4_000_000 * age / i128::from(YEAR);
        assert_eq!((desk.state.quality(), i128::from(desk.state.index())), (Live, grown));
    }
    desk.post(1, 100_070_000);
    assert_eq!(desk.sees(), (Live, 100_070_000), "a new value replaces the accrued one");
    desk.now += 1;
    desk.post(1, 120_000_000);
    assert_eq!(desk.sees(), (Suspect, 100_070_000), "the limit of jumps holds");
    desk.now += 1;
    desk.post(1, 100_080_000);
    desk.wait(week);
    let full = desk.sees();
    assert_eq!(full, (Live, 100_080_000 + 100_080_000 * 40_000 / 1_000_000 * week / (365 * 86_400)));
    desk.wait(1);
    assert_eq!(desk.sees(), (Stale, full.1), "too old: nothing accrues any more");
    desk.enter(Session::Halted);
    assert_eq!(desk.sees(), (Halted, full.1));
}

#[test]
fn confidence_is_the_least_of_the_sources_used() {
    let mut desk = Desk::new(PARAMS, 3);
    for (source, price, confidence_ppm) in [(1, 10_000, 900_000), (2, 10_010, 800_000), (3, 20_000, 100_000)] {
        let post = PostPrice { confidence_ppm, ..quote(source, price, desk.now) };
        desk.state.post(&PARAMS, &post, desk.now).expect("a good price");
    }
    assert!(desk.refresh());
    assert_eq!((desk.state.quality(), desk.state.confidence_ppm()), (Live, 800_000));
    desk.wait(31);
    assert_eq!(desk.state.confidence_ppm(), 1_000_000);
}

#[test]
fn posts_are_refused_by_rule_and_write_nothing() {
    let mut desk = Desk::live(PARAMS, 2);
    let now = desk.now;
    let bad = [
        (quote(9, 10_000, now), Reject::source_must_exist.at(2, 9, 0)),
        (quote(1, 0, now), Reject::price_must_be_positive_and_plausible.at(3, 0, 10)),
        (quote(1, -5, now), Reject::price_must_be_positive_and_plausible.at(3, -5, 10)),
        (quote(1, 9, now), Reject::price_must_be_positive_and_plausible.at(3, 9, 10)),
        (
            quote(1, 1_000_000_001, now),
            Reject::price_must_be_positive_and_plausible.at(3, 1_000_000_001, 1_000_000_000),
        ),
        (quote(1, 10_000, now + 1), Reject::price_must_not_be_from_the_future.at(8, now + 1, now)),
        (quote(1, 10_000, now - 1), Reject::price_time_must_not_run_backwards.at(8, now - 1, now)),
        (
            PostPrice { confidence_ppm: 1_000_001, ..quote(1, 10_000, now) },
            Reject::confidence_must_be_a_fraction.at(4, 1_000_001, 1_000_000),
        ),
    ];
    let before = desk.state.clone();
    for (post, refusal) in bad {
        assert_eq!(desk.state.post(&PARAMS, &post, now), Err(refusal));
        assert_eq!(desk.state, before);
    }
    let zero_bound = PriceParams { price_min: 0, ..PARAMS };
    assert!(desk.state.post(&zero_bound, &quote(1, 0, now), now).is_err(), "zero is never a price");
}

#[test]
fn sources_are_unique_and_limited() {
    let mut state = PriceState::new();
    for id in (1..=MAX_SOURCES as u32).rev() {
        assert_eq!(state.add_source(id, 0, false), Ok(()));
    }
    assert_eq!(state.add_source(3, 0, false).map_err(|r| r.code), Err(Reject::id_must_be_new));
    assert_eq!(state.add_source(99, 0, false).map_err(|r| r.code), Err(Reject::parameter_must_be_within_bounds));
    assert!(state.sources().windows(2).all(|w| w[0].id < w[1].id));
}

#[test]
fn margin_and_liquidation_read_the_right_price() {
    let mut desk = Desk::live(PARAMS, 3);
    desk.wait(10);
    desk.all(&[9_500, 9_500, 9_500]);
    desk.wait(10);
    let state = &desk.state;
    assert_eq!((state.index(), state.stable()), (9_500, 9_750));
    assert_eq!((state.long_price(), state.short_price()), (9_500, 9_750));
    assert_eq!([1, 0, -1].map(|sign| state.slower_price(sign)), [9_750, 9_500, 9_500]);
    desk.enter(Session::Closed);
    assert_eq!((desk.state.long_price(), desk.state.short_price()), (9_500, 9_750));
    desk.wait(3_600);
    assert_eq!((desk.state.long_price(), desk.state.short_price()), (9_500, 9_500), "the mean has caught up");
}

/// Liquidation at the index: three sources, or two that agree with it.
#[test]
fn liquidation_at_the_index_needs_witnesses() {
    let cases: &[(u32, &[Price], Quality, bool)] = &[
        (1, &[10_000], Live, true),
        (1, &[10_000, 10_050], Live, false),
        (2, &[10_000, 10_050], Live, false),
        (2, &[10_000], Degraded, true),
        (2, &[10_000, 10_500], Suspect, true),
        (2, &[9_700, 10_000, 10_300], Live, false),
        (1, &[10_000, 12_000, 15_000], Suspect, true),
        (2, &[10_000, 10_000, 10_000, 10_000], Live, false),
    ];
    for (quorum, prices, quality, slower) in cases {
        let mut desk = Desk::live(PriceParams { quorum: *quorum, ..PARAMS }, prices.len().max(*quorum as usize) as u32);
        desk.wait(31);
        desk.all(prices);
        assert_eq!((desk.state.quality(), desk.state.liquidation_uses_slower()), (*quality, *slower), "{prices:?}");
    }
    let mut desk = Desk::live(lone(), 1);
    desk.enter(Session::Closed);
    assert!(!desk.state.liquidation_uses_slower());
    // Two sources that agree with each other and not with the price confirmed before: for the hold time their move is theirs.
    let mut desk = Desk::live(PARAMS, 2);
    desk.all(&[9_890, 9_890]);
    assert_eq!((desk.state.quality(), desk.state.index(), desk.state.liquidation_uses_slower()), (Live, 9_890, true));
    desk.wait(29);
    desk.all(&[9_891, 9_891]);
    assert!(desk.state.liquidation_uses_slower(), "a further step confirms nothing");
    desk.wait(29);
    desk.all(&[9_892, 9_892]);
    desk.wait(2);
    assert!(!desk.state.liquidation_uses_slower(), "it has stood for a minute");
    desk.all(&[9_850, 9_850]);
    assert!(!desk.state.liquidation_uses_slower(), "within their agreement");
    desk.all(&[9_700, 9_700]);
    desk.all(&[9_850, 9_850]);
    assert!(!desk.state.liquidation_uses_slower(), "it came back");
    let mut desk = Desk::live(PARAMS, 3);
    desk.all(&[9_800, 9_800, 9_800]);
    assert!(!desk.state.liquidation_uses_slower(), "three sources need no history");
    desk.enter(Session::Halted);
    assert!(desk.state.liquidation_uses_slower());
}

#[test]
fn refresh_says_whether_a_reader_sees_a_change() {
    let mut desk = Desk::new(PARAMS, 2);
    assert!(!desk.refresh());
    desk.post(1, 10_000);
    desk.post(2, 10_000);
    assert!(!desk.refresh());
    desk.now += SECOND;
    assert!(!desk.refresh(), "time alone changes nothing at a constant price");
    desk.now += 30 * SECOND;
    assert!(desk.refresh(), "stale now");
    assert!(!desk.refresh());
}

#[test]
fn extreme_numbers_do_not_overflow() {
    for class in [PriceClass::Continuous, PriceClass::Nav] {
        let params = PriceParams {
            class,
            quorum: 1,
            price_min: 1,
            price_max: i64::MAX,
            accrual_ppm: i64::MAX,
            max_age_ns: i64::MAX,
            ..PARAMS
        };
        let mut state = PriceState::new();
        state.add_source(1, 0, false).expect("new");
        state.add_source(2, 0, false).expect("new");
        for (source, price, venue, now) in
            [(1, 1, i64::MIN, 0), (1, i64::MAX, 0, 0), (2, i64::MAX, 1, i64::MAX - 1), (1, 1, i64::MAX, i64::MAX)]
        {
            let price_kind = if class == PriceClass::Nav { 2 } else { 0 };
            let post = PostPrice { price_kind, ..quote(source, price, venue) };
            state.post(&params, &post, now).expect("plausible by these bounds");
            state.refresh(&params, Session::Regular, now);
            let _ = (state.long_price(), state.short_price(), state.slower_price(1));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Post(u32, Price),
    Wait(i64),
    Enter(Session),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..5_u32, 9_000..12_000_i64).prop_map(|(source, price)| Step::Post(source, price)),
        1 => (1..5_u32, 10..1_000_000_i64).prop_map(|(source, price)| Step::Post(source, price)),
        4 => (0..40_i64).prop_map(Step::Wait),
        1 => (0..6_u8).prop_map(|n| Step::Enter(Session::try_from(n).expect("known"))),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens: the index moves only when live (or as a first price while closed), only to a price some
    /// source sent, a jump only with two sources or a lone one's patience; the state survives its own bytes; and a
    /// second look at the same moment changes nothing.
    #[test]
    fn the_index_moves_only_by_its_rules(quorum in 1..4_u32, steps in prop::collection::vec(step(), 1..120)) {
        let mut desk = Desk::new(PriceParams { quorum, ..PARAMS }, 4);
        let (mut low, mut high) = (i64::MAX, 0);
        for step in steps {
            let before = desk.state.clone();
            match step {
                Step::Post(source, price) => desk.post(source, price),
                Step::Wait(seconds) => desk.wait(seconds),
                Step::Enter(session) => desk.enter(session),
                Step::Forget => { desk.state.forget(); desk.refresh(); }
            }
            let state = &desk.state;
            if state.index() != before.index() {
                prop_assert!(state.quality() == Live || (state.quality() == Closed && before.index() == 0));
                prop_assert!(state.sources().iter().any(|s| s.price() == state.index()));
                prop_assert!(u32::from(state.used_sources) >= quorum || state.quality() == Closed);
                let jump = before.index() != 0 && !super::near(state.index(), before.index(), PARAMS.jump_ppm);
                prop_assert!(!jump || state.agreeing_sources >= 2 || before.pending().is_some());
                (low, high) = (low.min(state.index()), high.max(state.index()));
            }
            prop_assert!(state.index() != 0 || matches!(state.quality(), Stale | Halted));
            prop_assert!(!state.awaiting_quorum() || matches!(state.quality(), Stale | Halted));
            if state.index() != 0 {
                prop_assert!(low <= state.stable() && state.stable() <= high);
                prop_assert!(state.long_price() <= state.index() && state.index() <= state.short_price());
            }
            let bytes = postcard::to_stdvec(state).expect("serialisable");
            let again: PriceState = postcard::from_bytes(&bytes).expect("its own bytes");
            prop_assert_eq!(&again, state);
            let seen = desk.state.clone();
            prop_assert!(!desk.refresh());
            prop_assert_eq!(&desk.state, &seen);
        }
    }

    /// The order in which sources are listed and post at one moment does not matter.
    #[test]
    fn sources_have_no_order(prices in prop::collection::vec(9_000..11_000_i64, 1..8)) {
        let (mut forward, mut backward) = (Desk::live(lone(), 8), Desk::live(lone(), 8));
        for desk in [&mut forward, &mut backward] {
            desk.wait(31);
        }
        forward.all(&prices);
        let reversed: Vec<_> = prices.iter().rev().copied().collect();
        backward.all(&reversed);
        prop_assert_eq!(forward.sees(), backward.sees());
    }
}
