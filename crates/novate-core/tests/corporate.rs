//! Equity through corporate actions: random portfolios, every kind that must change nothing, and cursors of every step.

mod common;

use common::stream::Stream;
use common::stream_corporate::picture;
use common::venue::Venue;
use common::{invariants, length, told};
use novate_core::account::Account;
use novate_core::codec::{Body, Header, VERSION};
use novate_core::command::*;
use novate_core::corporate_action::rehearse;
use novate_core::engine::Engine;
use novate_core::event::{BalanceAdjusted, CorporateActionChanged, DistributionPaid, PositionAdjusted, ReceivableChanged};
use novate_core::margin::{Level, Question};
use novate_core::state::State;
use novate_core::units::SECOND;
use std::collections::BTreeMap;

const NVDA: u32 = 1;

fn by(venue: &mut Venue, actor: u64, body: &impl Body, kind: u16) {
    let mut bytes = Vec::new();
    body.put(&mut bytes);
    let answer = venue.raw(Header { kind, actor, version: VERSION, ..Header::default() }, &bytes);
    assert!(answer.iter().all(|e| e.refusal().is_none()), "refused {:?}", answer.last().and_then(|e| e.refusal()));
}

fn terms(venue: &Venue, action: u64, action_kind: u8, ratio: (i64, i64), amount: i64) -> ScheduleCorporateAction {
    let start = venue.now + 5 * SECOND;
    let split = action_kind == SPLIT;
    ScheduleCorporateAction {
        action,
        underlying: NVDA,
        action_kind,
        ratio_new: ratio.0,
        ratio_old: ratio.1,
        amount,
        estimated: 0,
        other_underlying: 0,
        token_mode: 0,
        cash_asset: 0,
        name: String::new(),
        window_start_ns: start,
        window_end_ns: start + 600 * SECOND,
        correct_until_ns: start + 86_400 * SECOND,
        scale_tolerance_ppm: if split { 20_000 } else { 0 },
        guard_ns: if split { 86_400 * SECOND } else { 0 },
    }
}

fn without_orders(venue: &mut Venue) {
    for account in 1..=8 {
        venue.send(account, &CancelAll { market: 0 });
    }
}

fn equities(venue: &Venue) -> Vec<[i128; 4]> {
    (1..=8).map(|a| Level::ALL.map(|level| venue.evaluate(a, &Question { orders: false, ..Question::at(level) }).equity)).collect()
}

/// Signed perp and token shares of an account after the split, 1e-9.
fn shares(state: &State, account: u32) -> (i128, i128) {
    let listed = state.known_underlying(NVDA);
    let holder = &state.accounts[account as usize];
    let perp: i128 = listed.perps.iter().map(|&m| state.shares_of(state.known_market(m), i128::from(holder.lots(m)))).sum();
    let spot: i128 = listed.assets.iter().filter_map(|&a| holder.balance(a).map(|b| state.known_asset(a).shares(b.units()))).sum();
    (perp, spot)
}

fn runs_through(venue: &mut Venue, steps: usize) -> usize {
    for step in 0..steps {
        venue.advance(SECOND);
        invariants::hold(venue);
        if venue.state().corporate.actions.values().all(|a| a.state as u8 >= 5) {
            return step;
        }
    }
    panic!("the action did not finish");
}

/// Whatever the portfolio, a split changes equity at no level by more than half a price unit a share and a unit per leg.
#[test]
fn a_split_leaves_every_equity_where_it_was() {
    let (mut compared, mut largest) = (0, 0);
    for seed in 1..=60 {
        let mut stream = Stream::new(seed);
        stream.actions = false;
        for _ in 0..300 {
            stream.step();
        }
        let ratio = [(7, 1), (10, 1), (3, 2), (1, 10), (1, 7), (20, 3)][seed as usize % 6];
        let venue = &mut stream.venue;
        if venue.state().settlement.is_some() || venue.state().known_underlying(NVDA).price.index() == 0 {
            continue;
        }
        let command = terms(venue, 1, SPLIT, ratio, 0);
        by(venue, 7, &command, ScheduleCorporateAction::KIND);
        without_orders(venue);
        let before = equities(venue);
        let sizes: Vec<(i128, i128)> = (0..8).map(|a| shares(venue.state(), a)).collect();
        let mut after = venue.clone();
        let mut state = venue.state().clone();
        if rehearse(&mut state, 1).is_err() {
            // A broker still works for a token: the action would wait.
            continue;
        }
        after.engine = restored(&state);
        let sums = state.clearing_differences();
        assert!(sums.values().all(|s| *s == (0, 0)), "positions and clearing sum to zero");
        assert!(state.ledger.conservation(&state.accounts).values().all(|d| *d == 0), "money is conserved");
        for (account, (was, is)) in before.iter().zip(equities(&after)).enumerate() {
            let (perp, spot) = shares(&state, account as u32);
            // A price unit a share before or after, whichever are more: half for the index, the rest for the premium's clip at
            // the mark; and a unit per leg.
            // A multiplier that is no whole 1e-9 share rounds down: at most that on every token.
            let listed = state.known_underlying(NVDA);
            let held = |&a: &u32| state.accounts[account].balance(a).map_or(0, |b| b.units().abs() / 10_i128.pow(state.known_asset(a).terms.decimals) + 1);
            let tokens: i128 = listed.assets.iter().map(held).sum();
            let units = (perp.abs() + spot.abs()).max(sizes[account].0.abs() + sizes[account].1.abs());
            // A matched pair whose multiplier rounded is matched no more, so at initial it is priced by the sign of what is left: the same
            // for both legs, which differ by what the stablecoin is from a dollar.
            let off = i128::from((state.stablecoin_ppm(state.known_asset(1)) - 1_000_000).abs());
            let apart = i128::from((listed.price.stable() - listed.price.index()).abs()) * units / 1_000_000_000 * off / 1_000_000;
            let allowed = apart + units * 2 / 1_000_000_000 + tokens * i128::from(listed.price.index()) / 1_000_000_000 + 8;
            for (a, b) in was.iter().zip(is) {
                let moved = (a - b).abs();
                assert!(moved <= allowed, "seed {seed} ratio {ratio:?} account {}: {a} became {b}, allowed {allowed}\n{}{}", account + 1, picture(venue.state(), account, NVDA), picture(&state, account, NVDA));
                (compared, largest) = (compared + 1, largest.max(moved));
            }
        }
    }
    assert!(compared > 400);
    told(&format!("{compared} equities through splits, the largest difference {largest} micro-dollars"));
}

fn restored(state: &State) -> Engine {
    Engine::restore(&novate_core::snapshot::write(state)).expect("a state in memory")
}

/// However many accounts a command visits, the venue ends in the same place.
#[test]
fn the_cursor_s_step_does_not_matter() {
    let mut ends = Vec::new();
    for step in [1, 3, 1_000] {
        let mut stream = Stream::new(77);
        stream.actions = false;
        for _ in 0..200 {
            stream.step();
        }
        let venue = &mut stream.venue;
        venue.say(0, "ListWithholding asset=2 withholding_ppm=150000");
        venue.say(0, "ListWithholding market=1 withholding_ppm=150000");
        let command = terms(venue, 1, CASH_DIVIDEND, (0, 0), 1_230_000);
        by(venue, 7, &command, ScheduleCorporateAction::KIND);
        by(venue, 8, &ConfirmCorporateAction { action: 1 }, ConfirmCorporateAction::KIND);
        let mut state = venue.state().clone();
        if let Some(config) = &mut state.venue {
            config.sweep_accounts = step;
        }
        venue.engine = restored(&state);
        venue.now += 5 * SECOND;
        runs_through(venue, 60);
        let state = venue.state();
        // What the action books; the watermarks of the sweep, whose step it is too, follow later.
        let booked = |a: &Account| a.positions.iter().map(|p| (p.market, p.lots, p.cost, p.owed, p.hedged_claim)).collect::<Vec<_>>();
        let books: Vec<String> = state.accounts.iter().map(|a| format!("{:?} {:?}", a.balances, booked(a))).collect();
        let market = state.known_market(1);
        ends.push(format!("{books:?} {:?} {:?}", market.claims, state.ledger.receivables().collect::<Vec<_>>()));
    }
    assert!(ends.windows(2).all(|w| w[0] == w[1]), "{ends:#?}");
}

/// Actions of every kind come thick while accounts trade, lend, withdraw, issue and redeem: every invariant after every step, and
/// no rehearsal moves an equity by more than what is withheld and rounded.
#[test]
fn every_invariant_holds_through_random_actions() {
    let (mut seen, mut refused, mut states) = (BTreeMap::<u16, u64>::new(), BTreeMap::<u16, u64>::new(), BTreeMap::<(u8, u8), u64>::new());
    let mut with_requests = 0;
    for seed in 30_000..30_000 + 40 * length() {
        let mut stream = Stream::new(seed);
        for _ in 0..500 {
            let before = stream.venue.state().clearing.requests.values().any(|r| r.held > 0 && !r.kind.mints());
            let events = if stream.chance.one_in(8) { stream.corporate_step() } else { stream.step().events };
            invariants::hold(&stream.venue);
            for event in &events {
                *seen.entry(event.header.kind).or_default() += 1;
                event.refusal().into_iter().for_each(|r| *refused.entry(r).or_default() += 1);
                if let Some(e) = event.as_a::<CorporateActionChanged>() {
                    *states.entry((e.action_kind, e.to)).or_default() += 1;
                }
                with_requests += u64::from(before && event.as_a::<BalanceAdjusted>().is_some());
            }
        }
    }
    told(&format!("kind and state {states:?}; events {seen:?}; refusals {refused:?}; {with_requests} renumbered beside open requests"));
    for kind in [SPLIT, CASH_DIVIDEND, SPECIAL_DIVIDEND, SPIN_OFF, RIGHTS, SYMBOL_CHANGE] {
        assert!(states.contains_key(&(kind, 5)), "no action of kind {kind} took effect");
    }
    assert!(states.keys().any(|s| s.1 == 6), "an amount was corrected");
    for kind in [PositionAdjusted::KIND, ReceivableChanged::KIND, DistributionPaid::KIND] {
        assert!(seen.contains_key(&kind), "the streams never caused an event of type {kind}");
    }
}
