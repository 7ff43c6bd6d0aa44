//! The short way of an evaluation and the long one over all that a perp, its coin and its price may be: coins off a dollar and of eight
//! decimals, splits, marks, crowds, prices that are apart, gains beyond their cap, orders at the edge of a loss. And its bounds: beyond
//! each of them there is no short way, at it there is.

mod common;

use common::chance::Chance;
use common::venue::Venue;
use common::{length, told};
use novate_core::command::{Deposit, ListDatedRow, OpenAccount};
use novate_core::margin::scenario::GridRow;
use novate_core::margin::{Binding, Change, Evaluation, Level, Plain, Portfolio, Question, evaluate};
use novate_core::order::Side;
use novate_core::price::MarkState;
use novate_core::state::State;
use novate_core::units::{Ratio, SECOND};

const DOLLAR: i64 = 1_000_000;
/// Names beside those of the standard venue.
const NAMES: usize = 9;
/// Evaluations of one venue.
const ACCOUNTS: u32 = 300;

/// NVDA, SPY and BTC, of each a stable price behind the index, and an account with cash alone.
fn start() -> State {
    let mut v = Venue::standard();
    let prices = [(1, 180), (2, 680), (3, 90_000), (4, 1)];
    prices.iter().for_each(|&(name, dollars)| drop(v.price(name, dollars * DOLLAR)));
    v.advance(SECOND);
    v.send(1, &OpenAccount { owner: 1 });
    v.send(1, &Deposit { asset: 1, amount: 1_000_000 * DOLLAR, reference: 1 });
    for (name, price) in [(1, 183_456_789), (2, 676_000_003), (3, 91_234_567_891)] {
        v.price(name, price);
    }
    v.state().clone()
}

/// A coin of an underlying of its own, at a price.
fn add_coin(state: &mut State, decimals: u32, price: i64) -> u32 {
    let (mut asset, mut underlying) = (state.known_asset(1).clone(), state.known_underlying(4).clone());
    let id = state.assets.len() as u32;
    underlying.terms.underlying = state.underlyings.len() as u32;
    underlying.price.decide(price, state.now);
    (asset.terms.asset, asset.terms.decimals, asset.terms.underlying) = (id, decimals, underlying.terms.underlying);
    (asset.pool, underlying.assets) = (None, vec![id]);
    state.underlyings.push(Some(underlying));
    state.assets.push(Some(asset));
    id
}

/// A copy of a listed name and its perp, in a coin, with what chance gives it; the perp's market.
fn add_name(state: &mut State, coins: &[u32], chance: &mut Chance) -> u32 {
    let mut perp = state.known_market(chance.pick(&[1, 3, 5])).clone();
    let mut name = state.known_underlying(perp.terms.underlying).clone();
    name.terms.underlying = state.underlyings.len() as u32;
    name.terms.sector = chance.range(1, 3) as u32;
    name.terms.gap_group = chance.range(1, 5) as u32;
    name.terms.gap_ppm = chance.pick(&[0, 30_000, 60_000, 900_000]);
    name.terms.basis_ppm = chance.pick(&[0, 4_000, 10_000]);
    name.terms.crowd_ppm = chance.pick(&[0, 100_000]);
    name.liquidity.half_spread_ppm = chance.pick(&[50, 101]);
    (name.terms.crowd_low, name.terms.crowd_high) = (0, 1);
    perp.terms.market = state.markets.len() as u32;
    perp.terms.underlying = name.terms.underlying;
    perp.terms.quote = chance.pick(coins);
    if state.known_asset(perp.terms.quote).terms.decimals == 8 {
        perp.unit *= 100;
    }
    perp.split = chance.pick(&[Ratio { num: 1, den: 1 }, Ratio { num: 1, den: 1 }, Ratio { num: 3, den: 2 }, Ratio { num: 10, den: 1 }]);
    if chance.one_in(4) {
        name.price.decide(chance.pick(&[990_000_000, 100_000_000, 123_459_999]), state.now);
    }
    let index = name.price.index();
    let away = chance.pick(&[0, 1, 50, 100, 1_000, index / 300, index / 20]) * chance.pick(&[1, -1]);
    perp.mark = MarkState::default();
    perp.mark.advance(index, Some(index + 2 * away), Some(index + 2 * away), SECOND, 5_000, state.now);
    perp.open_interest = 100;
    (name.perps, name.assets, name.spots) = (vec![perp.terms.market], Vec::new(), Vec::new());
    state.underlyings.push(Some(name));
    state.markets.push(Some(perp));
    state.markets.len() as u32 - 1
}

/// Cash, some of it owed, and positions whose results are near nothing, gains, losses, claims and debts.
fn hold(state: &mut State, perps: &[u32], coins: &[u32], chance: &mut Chance) {
    state.venue.as_mut().expect("a venue").gain_cap = chance.pick(&[0, 1_000, 50_000_000, 1_000_000_000_000]);
    state.accounts[0].positions.clear();
    for &coin in coins {
        state.accounts[0].balance_mut(coin).pledged = chance.pick(&[0, 1, 100_000_000_000, -3_000_000]) * chance.range(0, 3);
    }
    let bits = chance.pick(&[1, 4, 8, 12, 16, 18, 20, 24]);
    for _ in 0..chance.range(1, 6) {
        let market = chance.pick(perps);
        let listed = state.known_market(market);
        let lots = chance.range(-(1 << bits), 1 << bits);
        let value = listed.quote_units(state.index_ticks(listed), lots) as i64;
        let position = state.accounts[0].position_mut(market);
        (position.lots, position.cost) = (lots, value + chance.range(-3, 3) * (1 << chance.range(0, 34)));
        position.owed = chance.range(-2, 2) * (1 << chance.range(0, 34));
        position.hedged_claim = position.claim() / chance.range(1, 4);
    }
}

/// Orders around the prices at which they begin to lose.
fn orders(state: &State, perps: &[u32], chance: &mut Chance) -> Vec<Change> {
    let one = |chance: &mut Chance| {
        let market = chance.pick(perps);
        let index = state.index_ticks(state.known_market(market));
        let price = (index + chance.pick(&[0, 1, -1, 2, -2, index / 50, -index / 50])).max(1);
        Change::Order { market, side: chance.pick(&[Side::Bid, Side::Ask]), price, lots: 1 << chance.range(0, 20) }
    };
    (0..chance.range(0, 3)).map(|_| one(chance)).collect()
}

fn both(state: &State, plain: &mut Plain, question: &Question<'_>) -> (Option<Evaluation>, Evaluation) {
    (plain.evaluate(state, 0, question), evaluate(state, 0, question, &mut Portfolio::default()))
}

#[test]
fn both_ways_agree_whatever_is_listed() {
    let (start, mut found, mut none) = (start(), 0, 0);
    for seed in 0..40 * length() {
        let (mut state, mut chance) = (start.clone(), Chance::new(seed));
        let coins = [1, add_coin(&mut state, 8, 970_000), add_coin(&mut state, 6, 1_020_000)];
        let perps: Vec<u32> = (0..NAMES).map(|_| add_name(&mut state, &coins, &mut chance)).collect();
        state.rebuild_dated_moves();
        let mut plain = Plain::default();
        for n in 0..ACCOUNTS {
            hold(&mut state, &perps, &coins, &mut chance);
            let changes = orders(&state, &perps, &mut chance);
            let question = Question { changes: &changes, ..Question::at(chance.pick(&Level::ALL)) };
            let (short, long) = both(&state, &mut plain, &question);
            match short {
                Some(short) => assert_eq!(short, long, "seed {seed}, account {n}: {question:?}, {:?}", state.accounts[0].positions),
                None => none += 1,
            }
            found += 1;
        }
    }
    told(&format!("both ways of {found} evaluations over all that may be listed; {none} had no short way"));
    assert!(none * 2 < found);
}

/// What holds for a moment: a factor of the levels below initial moves in it with the time.
#[test]
fn below_initial_the_time_is_asked_in_every_evaluation() {
    let (mut state, mut plain) = (start(), Plain::default());
    state.accounts[0].position_mut(1).lots = 1_000;
    let now = state.now;
    let session = &mut state.underlyings[1].as_mut().expect("NVDA").session;
    (session.closure_step_ns, session.closure_ramp_from_ns, session.closure_ramp_to_ns, session.closure_end_ns) = (now + 1, now + 1, now + 100 * SECOND, now + 200 * SECOND);
    let requirements = [0, 50, 100, 50].map(|seconds| {
        state.now = now + 1 + seconds * SECOND;
        let (short, long) = both(&state, &mut plain, &Question::at(Level::Maintenance));
        assert_eq!(short, Some(long), "{seconds} seconds");
        long.requirement
    });
    assert!(requirements[0] < requirements[1] && requirements[1] < requirements[2]);
}

/// Adds copies of NVDA at 100 dollars, each with its sector, shock and lots of the account.
fn copies(state: &mut State, names: &[(u32, i64, i64)]) {
    state.dated_rows.clear();
    state.buckets[1].as_mut().expect("equity").terms.gain_ppm = DOLLAR;
    for &(sector, shock, lots) in names {
        let (mut name, mut perp) = (state.known_underlying(1).clone(), state.known_market(1).clone());
        (name.terms.underlying, perp.terms.market) = (state.underlyings.len() as u32, state.markets.len() as u32);
        perp.terms.underlying = name.terms.underlying;
        (name.terms.beta_ppm, name.terms.sector) = (DOLLAR, sector);
        (name.terms.shock_up_ppm, name.terms.shock_down_ppm) = (shock, shock);
        (name.perps, name.assets, name.spots) = (vec![perp.terms.market], Vec::new(), Vec::new());
        name.price.decide(100 * DOLLAR, state.now);
        state.accounts[0].position_mut(perp.terms.market).lots = lots;
        state.underlyings.push(Some(name));
        state.markets.push(Some(perp));
    }
    state.rebuild_dated_moves();
}

/// Two names gain 90,001 and 90,004 millionths, and twice as much of a third loses 90,003: one more than they gain. Two thirds of that,
/// each rounded up, are 60,001 and 60,003 against twice 60,003: two more.
#[test]
fn a_smaller_move_binds_where_its_sizes_round_apart() {
    let mut state = start();
    copies(&mut state, &[(1, 90_001, 10_000), (1, 90_004, 10_000), (1, 90_003, -20_000)]);
    let (short, long) = both(&state, &mut Plain::default(), &Question::at(Level::Initial));
    let row = GridRow::Parallel { fraction_ppm: 666_667 };
    assert_eq!((long.terms.sr, long.binding), (20_000, Binding::Grid { bucket: 1, row }));
    assert_eq!(short, Some(long));
}

/// In each of two sectors what is long and short cancels out, but at half their moves, where the shorts' odd millionth is rounded up. No
/// row turns both sectors the same way at half, also where another bucket has a third: a lot of bitcoin is all that is lost, 16 %.
#[test]
fn a_bucket_turns_its_own_sectors_alone() {
    let mut state = start();
    let names = [1, 2].map(|sector| [(90_004, 10_000), (89_998, 10_000), (90_001, -20_000)].map(|(shock, lots)| (sector, shock, lots)));
    copies(&mut state, &names.concat());
    state.underlyings[3].as_mut().expect("BTC").price.decide(90_000 * DOLLAR, state.now);
    state.accounts[0].position_mut(5).lots = 10;
    let (short, long) = both(&state, &mut Plain::default(), &Question::at(Level::Initial));
    assert_eq!((long.terms.sr, short), (14_400_000, Some(long)));
}

/// A change of the state, and whether a long NVDA-PERP has a short way after it; where it has one, both come to the same.
fn fits(change: impl Fn(&mut State)) -> bool {
    let mut state = start();
    state.dated_rows = [-96_000, 105_000].map(|size| ListDatedRow { row: 1, date: String::new(), moves_ppm: vec![size, 0, 0] }).to_vec();
    state.underlyings[1].as_mut().expect("NVDA").terms.beta_ppm = DOLLAR;
    state.rebuild_dated_moves();
    state.accounts[0].position_mut(1).lots = 1_000;
    change(&mut state);
    let (short, long) = both(&state, &mut Plain::default(), &Question::at(Level::Initial));
    short.inspect(|&short| assert_eq!(short, long)).is_some()
}

#[test]
fn beyond_a_bound_there_is_no_short_way() {
    let name = |change: fn(&mut novate_core::state::Underlying)| fits(|s| change(s.underlyings[1].as_mut().expect("NVDA")));
    let perp = |change: fn(&mut novate_core::state::Market)| fits(|s| change(s.markets[1].as_mut().expect("NVDA-PERP")));
    let bucket = |change: fn(&mut novate_core::state::Bucket)| fits(|s| change(s.buckets[1].as_mut().expect("equity")));
    assert!(fits(|_| ()));
    assert!(!name(|n| n.perps.push(3)), "two perps");
    assert!(perp(|m| m.split = Ratio { num: 1, den: 2 }) && !perp(|m| m.split = Ratio { num: 1, den: 3 }), "a lot is no number of the smallest parts of a share");
    assert!(!name(|n| n.price = novate_core::price::PriceState::new()), "no price");
    assert!(name(|n| n.terms.shock_up_ppm = 4_000_000) && !name(|n| n.terms.shock_up_ppm = 4_000_001), "a rise");
    assert!(name(|n| n.terms.shock_down_ppm = 4_000_000) && !name(|n| n.terms.shock_down_ppm = 4_000_001), "a fall");
    assert!(bucket(|b| b.terms.gain_ppm = 1_000_000) && !bucket(|b| b.terms.gain_ppm = 1_000_001) && !bucket(|b| b.terms.gain_ppm = -1), "a gain");
    assert!(name(|n| n.terms.leverage_ppm = 0) && !name(|n| n.terms.leverage_ppm = -DOLLAR), "a gap");
    let gross = |lots| fits(|s| {
        s.underlyings[1].as_mut().expect("NVDA").price.decide(100 * DOLLAR, s.now);
        s.accounts[0].position_mut(1).lots = lots;
    });
    assert!(gross(562_949_953) && !gross(562_949_954), "2^49 micro-dollars");
    let rotation = |ppm| fits(|s| s.venue.as_mut().expect("a venue").rotation_ppm = ppm);
    assert!(rotation(1_000_000) && !rotation(1_000_001), "a rotation");
    assert!(!name(|n| n.dated_ppm.truncate(1)), "a row that is not rebuilt");
    // Of the name, and of the bucket: 105,000 ppm sets the scale, so that of 96,000 the name's may be 61 more, 64 units of 2^-20.
    assert!(name(|n| n.dated_ppm[0] = -96_061) && !name(|n| n.dated_ppm[0] = -96_062) && !name(|n| n.dated_ppm[0] = -96_200), "off its bucket");
    assert!(!name(|n| n.dated_ppm[0] = 0) && !name(|n| n.dated_ppm[0] = 96_000), "another way than its bucket");
    let days = |moves: [i64; 2], own: [i64; 2]| fits(|s| {
        s.dated_rows.iter_mut().zip(moves).for_each(|(row, size)| row.moves_ppm[0] = size);
        s.underlyings[1].as_mut().expect("NVDA").dated_ppm = own.to_vec();
    });
    assert!(days([4_000_000, 0], [400_000, 0]) && !days([5_000_000, 0], [500_000, 0]), "a bucket's move");
    assert!(days([4_000_000, 0], [4_000_000, 0]) && !days([4_000_001, 0], [4_000_001, 0]), "a move");
    assert!(days([1_000, 0], [4_000, 0]) && !days([1_000, 0], [4_001, 0]), "times its bucket's");
}
