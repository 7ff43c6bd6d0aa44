//! Hedge invariance (RULES sections 7 and 14), over all areas at once.
//!
//! **The claim.** An account holds tokens and is short the same number of shares in a perp of the same name, with a cushion of
//! cash and a pool that can lend what settlements take. By whatever path of prices (to three times and a tenth of where they
//! were), sessions, halts, reports, splits, ex-dates, restarts, outages, thin or wrong prints, and whatever others trade and go
//! broke on:
//!
//! 1. At every level SR and GAP are zero: what the account needs is BASIS, WRAP, FX and LIQ of its own, and nothing else.
//! 2. Its equity is what it was, less carry (funding and interest, as its events say) and the mark's distance to the index, at
//!    most the listed basis of its leg; to a thousandth of a dollar.
//! 3. It is never below maintenance, no step of the ladder touches it, it pays nothing on deleveraging or shared losses, and
//!    its tokens and its lots are what they were.
//!
//! The last clause of stage 7 ends the claim: when a market's winners are exhausted all its positions are closed at the
//! maintenance price, in whole ticks. The pair's equity is the same then too, to half a tick a share; its run ends there.
//!
//! Half a hedge breaks 2, and unhedged accounts are liquidated and deleveraged on the same paths: the test counts that they do.

mod common;

use common::chance::Chance;
use common::venue::Venue;
use common::wire::Event;
use common::{invariants, length, told};
use novate_core::codec::Body;
use novate_core::command::*;
use novate_core::engine::Engine;
use novate_core::event::*;
use novate_core::margin::{Level, Question};
use novate_core::price::Quality;
use novate_core::units::{HOUR, Ratio, SECOND};
use std::collections::BTreeMap;

const DOLLAR: i64 = 1_000_000;
const START: i64 = 180 * DOLLAR;
const RUNS: u64 = 12;
const STEPS: usize = 90;

const MAKER: u64 = 1;
const HANK: u64 = 2;
const HALF: u64 = 3;
const LENDER: u64 = 4;
const SHORT: u64 = 5;
const TRADERS: [u64; 4] = [6, 7, 8, 9];
/// Tokens of a hedged account; lots of a short against all of them.
const TOKENS: i64 = 100_000_000;
const LOTS: i64 = 10_000;

/// An account whose equity should stand still, and the carry it has paid.
struct Watched {
    account: u64,
    equity: i128,
    carry: i128,
}

struct World {
    venue: Venue,
    chance: Chance,
    /// Dollars of a share at the scale of the listing, splits included.
    price: i64,
    /// Shares of now for shares of the start.
    split: (i64, i64),
    hank: Watched,
    half: Watched,
    seen: BTreeMap<&'static str, u64>,
    /// The market of the pair has settled.
    ended: bool,
    /// A path that climbs.
    rises: bool,
    actions: u64,
    references: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let watched = |account| Watched { account, equity: 0, carry: 0 };
        let mut w = Self {
            venue: Venue::standard(),
            chance: Chance::new(seed),
            price: START,
            split: (1, 1),
            hank: watched(HANK),
            half: watched(HALF),
            seen: BTreeMap::new(),
            ended: false,
            rises: seed.is_multiple_of(2),
            actions: 0,
            references: 0,
        };
        w.venue.tell("ListWithholding asset=2 withholding_ppm=150000");
        w.venue.tell("ListWithholding market=1 withholding_ppm=150000");
        for (account, cash, tokens) in
            [(MAKER, 900_000_000, 0), (HANK, 20_000, TOKENS), (HALF, 20_000, TOKENS), (LENDER, 5_000_000, 0), (SHORT, 90_000_000, 0)]
        {
            w.open(account, cash, tokens);
        }
        TRADERS.into_iter().for_each(|account| w.open(account, 3_600, 0));
        w.venue.send(LENDER, &Lend { asset: 1, amount: 4_000_000 * DOLLAR });
        w.venue.tell("FundInsurance bucket=1 asset=1 amount=300000000");
        w.live();
        w.trade(HANK, 1, LOTS);
        w.trade(HALF, 1, LOTS / 2);
        w.trade(SHORT, 1, 30 * LOTS);
        for (at, account) in TRADERS.into_iter().enumerate() {
            w.trade(account, u8::from(at == 0), LOTS);
        }
        w.quotes();
        w.hank.equity = w.equity(HANK, Level::Maintenance);
        w.half.equity = w.equity(HALF, Level::Maintenance);
        w
    }

    fn open(&mut self, account: u64, cash: i64, tokens: i64) {
        self.venue.send(account, &OpenAccount { owner: account as u32 });
        self.deposit(account, 1, cash * DOLLAR);
        if tokens > 0 {
            self.deposit(account, 2, tokens);
        }
    }

    fn deposit(&mut self, account: u64, asset: u32, amount: i64) {
        self.references += 1;
        self.venue.send(account, &Deposit { asset, amount, reference: self.references });
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Trades with the maker at the index.
    fn trade(&mut self, account: u64, side: u8, lots: i64) {
        let state = self.venue.state();
        let price = state.index_ticks(state.known_market(1));
        let order = |side| PlaceOrder { market: 1, side, kind: 0, time_in_force: 0, flags: 0, price, lots, client_id: [0; 16] };
        self.venue.send(MAKER, &order(1 - side));
        self.venue.send(account, &order(side));
        self.venue.send(MAKER, &CancelAll { market: 0 });
    }

    fn equity(&self, account: u64, level: Level) -> i128 {
        self.venue.evaluate(account, &Question::at(level)).equity
    }

    /// Every source posts, time has passed.
    fn live(&mut self) {
        self.post();
        let events = self.venue.advance(SECOND);
        self.check(&events);
    }

    fn post(&mut self) {
        let mut events = self.venue.price(4, DOLLAR);
        events.extend(self.venue.price(1, self.price));
        self.check(&events);
    }

    fn pass(&mut self, whole: i64, step: i64) {
        for _ in 0..whole / step {
            self.venue.now += step;
            self.post();
            let events = self.venue.advance(0);
            self.check(&events);
        }
    }

    fn say(&mut self, actor: u64, line: &str) -> bool {
        self.venue.actor = actor;
        let events = self.venue.say(0, line);
        self.venue.actor = 0;
        self.check(&events);
        events.iter().all(|e| e.refusal().is_none())
    }

    /// The maker's quotes: depth for others, for the liquidator and for a drift.
    fn quotes(&mut self) {
        self.venue.send(MAKER, &CancelAll { market: 0 });
        let state = self.venue.state();
        let index = state.index_ticks(state.known_market(1));
        let away = (index / self.chance.pick(&[500, 100, 20])).max(1);
        for (side, price) in [(0, (index - away).max(1)), (1, index + away)] {
            let lots = self.chance.range(1, 10) * LOTS;
            let events = self.venue.send(MAKER, &PlaceOrder { market: 1, side, kind: 0, time_in_force: 0, flags: 0, price, lots, client_id: [0; 16] });
            self.check(&events);
        }
    }

    fn step(&mut self) {
        match self.chance.range(0, 19) {
            0..=5 => self.move_price(),
            6..=8 => {
                let (whole, step) = self.chance.pick(&[(SECOND, SECOND), (60 * SECOND, 10 * SECOND), (HOUR, 60 * SECOND), (5 * HOUR, 300 * SECOND)]);
                self.pass(whole, step);
            }
            9 => self.session(),
            10 => self.halt(),
            11 => self.restart(),
            12 => self.doubt(),
            13 => self.corporate_action(),
            14 => self.report(),
            _ => self.others(),
        }
    }

    fn move_price(&mut self) {
        let far = self.chance.pick(&[3_000, 20_000, 60_000, 300_000]);
        let move_ppm = self.chance.range(-far, far) + if self.rises { far / 3 } else { 0 };
        let of = |dollars: i64| (i128::from(dollars) * i128::from(self.split.1) / i128::from(self.split.0)) as i64;
        let moved = self.price + (i128::from(self.price) * i128::from(move_ppm) / 1_000_000) as i64;
        self.price = moved.clamp(of(START / 10), of(3 * START));
        self.count(if self.price > of(2 * START) { "prices above twice the start" } else { "prices" });
        self.live();
    }

    /// Overnight, a weekend with its multipliers, extended hours; and back.
    fn session(&mut self) {
        let set = |session: u8, closure: [i64; 4]| {
            let [closure_step_ns, closure_ramp_from_ns, closure_ramp_to_ns, closure_end_ns] = closure;
            SetSession { underlying: 1, session, next_session: 2, next_time_ns: 0, closure_step_ns, closure_ramp_from_ns, closure_ramp_to_ns, closure_end_ns }
        };
        let now = self.venue.now;
        let weekend = self.chance.one_in(2);
        let closure = if weekend { [now + HOUR, now + HOUR, now + 2 * HOUR, now + 70 * HOUR] } else { [0; 4] };
        let events = self.venue.send(0, &set(2, closure));
        self.check(&events);
        self.pass(3 * HOUR, 600 * SECOND);
        let events = self.venue.send(0, &set(0, closure));
        self.check(&events);
        let nights = if weekend { 60 } else { 8 };
        for _ in 0..nights / 4 {
            self.quotes();
            let taker = self.chance.pick(&TRADERS);
            self.wild_order(taker);
            self.pass(4 * HOUR, HOUR);
        }
        self.count("closures");
        let far = self.chance.range(-100_000, 100_000);
        self.price += (i128::from(self.price) * i128::from(far) / 1_000_000) as i64;
        // Straight into pre-market hours, or after a night that is believed, or one that is too short for it.
        let night = self.chance.pick(&[0, 600 * SECOND, 1_200 * SECOND]);
        for (session, whole) in [(4, night), (1, 120 * SECOND), (2, 60 * SECOND)] {
            let events = self.venue.send(0, &set(session, [0; 4]));
            self.check(&events);
            self.pass(whole, 10 * SECOND);
        }
    }

    fn halt(&mut self) {
        self.say(0, "SetSession underlying=1 session=5 next_session=2");
        let whole = self.chance.pick(&[HOUR / 2, 2 * HOUR, 26 * HOUR, 80 * HOUR]);
        self.pass(whole, HOUR / 2);
        self.count(if whole > 72 * HOUR { "halts over three days" } else { "halts" });
        let far = self.chance.pick(&[0, -400_000, 300_000]);
        self.price += (i128::from(self.price) * i128::from(far) / 1_000_000) as i64;
        self.say(0, "SetSession underlying=1 session=2 next_session=2");
        self.live();
    }

    /// A snapshot becomes another engine, with or without an outage.
    fn restart(&mut self) {
        let bytes = self.venue.engine.snapshot();
        self.venue.engine = Engine::restore(&bytes).expect("its own snapshot");
        let away = self.chance.pick(&[0, 10 * SECOND, 8 * HOUR]);
        self.venue.now += away;
        let events = self.venue.send(0, &ResumeVenue {});
        self.check(&events);
        self.move_price();
        self.pass(130 * SECOND, SECOND);
        self.count(if away > 0 { "outages" } else { "restarts" });
    }

    /// All fall silent; or one or two sources say something else, beside the others or alone.
    fn doubt(&mut self) {
        let wrong = (self.price / self.chance.pick(&[2, 5, 7, 50])).max(1_000);
        let silence = self.chance.range(0, 1) * 31 * SECOND;
        self.venue.now += silence;
        for source in 1..=self.chance.range(0, 2) as u32 {
            let says = if source == 2 && silence > 0 { self.price } else { wrong };
            let events = self.venue.quote(1, source, says, 1_000_000);
            self.check(&events);
        }
        for _ in 0..40 {
            let events = self.venue.advance(SECOND);
            self.check(&events);
            self.count(match self.venue.state().known_underlying(1).price.quality() {
                Quality::Suspect => "seconds suspect",
                Quality::Degraded => "seconds degraded",
                Quality::Stale => "seconds stale",
                _ => "seconds of doubt",
            });
        }
        self.live();
    }

    /// A split or a dividend in half an hour's time.
    fn corporate_action(&mut self) {
        if self.actions >= 4 {
            return;
        }
        self.actions += 1;
        let (from, to) = (self.venue.now + 600 * SECOND, self.venue.now + 1_800 * SECOND);
        let ratio = self.chance.pick(&[(7, 1), (3, 2), (1, 4)]);
        let divides = self.chance.one_in(2);
        let amount = self.price / 200;
        let terms = if divides { format!("action_kind=0 ratio_new={} ratio_old={} scale_tolerance_ppm=20000 guard_ns=432000000000000", ratio.0, ratio.1) } else { format!("action_kind=1 amount={amount}") };
        let action = self.actions;
        let times = format!("window_start_ns={from} window_end_ns={to} correct_until_ns={}", to + 86_400 * SECOND);
        if !self.say(7, &format!("ScheduleCorporateAction action={action} underlying=1 name= {terms} {times}")) {
            return;
        }
        let confirmed = self.say(8, &format!("ConfirmCorporateAction action={action}"));
        self.pass(580 * SECOND, 20 * SECOND);
        // What is posted inside the window is of the old scale or the new one: nothing of it counts.
        let taken = |w: &Self| w.venue.state().known_market(1).split;
        let before = taken(self);
        for _ in 0..3 {
            self.venue.now += 20 * SECOND;
            let events = self.venue.advance(0);
            self.check(&events);
        }
        if confirmed && divides && taken(self) != before {
            self.split = (self.split.0 * ratio.0, self.split.1 * ratio.1);
            self.price = (i128::from(self.price) * i128::from(ratio.1) / i128::from(ratio.0)) as i64;
            self.count("splits");
        } else if confirmed && !divides {
            self.price -= amount;
            self.count("ex-dates");
        }
        self.venue.now += 1_300 * SECOND;
        let events = self.venue.advance(0);
        self.check(&events);
        self.live();
    }

    fn report(&mut self) {
        let now = self.venue.now;
        let events = self.venue.send(0, &ScheduleEarnings { underlying: 1, from_ns: now + HOUR, to_ns: now + 5 * HOUR, implied_move_ppm: 120_000 });
        self.check(&events);
        self.pass(3 * HOUR, 600 * SECOND);
        self.count("reports");
    }

    /// Open interest of others: leverage, stops of the book, fresh money after a loss.
    fn others(&mut self) {
        self.quotes();
        for account in TRADERS {
            if self.chance.one_in(3) {
                self.deposit(account, 1, 2_000 * DOLLAR);
            }
            self.wild_order(account);
        }
        self.live();
    }

    fn wild_order(&mut self, account: u64) {
        let side = self.chance.range(0, 1) as u8;
        let lots = self.chance.range(1, 2 * LOTS);
        let events = self.venue.send(account, &PlaceOrder { market: 1, side, kind: 1, time_in_force: 1, flags: 0, price: 0, lots, client_id: [0; 16] });
        self.check(&events);
    }

    // ---- what must be true ----

    fn check(&mut self, events: &[Event]) {
        for event in events {
            let account = event.header.account;
            for watched in [&mut self.hank, &mut self.half] {
                if watched.account == account {
                    watched.carry += i128::from(event.as_a::<Settled>().map_or(0, |e| e.funding));
                    watched.carry += i128::from(event.as_a::<InterestPaid>().filter(|e| e.asset == 1).map_or(0, |e| e.amount));
                }
            }
            let touches = [LiquidationStarted::KIND, LiquidationSlice::KIND, Deleveraged::KIND, LossShared::KIND, CollateralSold::KIND, BackstopSliceTaken::KIND, OrderFilled::KIND];
            // The last clause of stage 7: unhedged winners are exhausted.
            if account == HANK && event.as_a::<Deleveraged>().is_some_and(|e| e.hedged == 1) {
                self.count("hedges taken last");
                self.ended = true;
            }
            // The claim begins once the hedge is on.
            assert!(account != HANK || self.hank.equity == 0 || self.ended || !touches.contains(&event.header.kind), "the hedged account was touched by an event of type {}\n{}", event.header.kind, told_by(events));
            let others = TRADERS.contains(&account) || account == SHORT || account == MAKER;
            if others && event.header.kind == LiquidationStarted::KIND {
                self.count("others liquidated");
            }
            if others && event.header.kind == Deleveraged::KIND {
                self.count("others deleveraged");
            }
        }
        if self.hank.equity == 0 || self.ended {
            return;
        }
        if events.iter().any(|e| e.header.kind == MarketSettled::KIND) {
            let off = self.off(&self.hank);
            assert!(off.abs() <= self.half_a_tick() + 1_000, "a settled market: off by {off}");
            self.count("markets settled");
            self.ended = true;
            return;
        }
        if self.venue.state().known_underlying(1).price.blending() {
            self.count("commands inside a blend");
        }
        let off = self.off(&self.hank);
        let (bound, excess) = (self.bound(HANK), self.venue.excess(HANK, Level::Maintenance));
        assert!(off.abs() <= bound, "hedged equity is off by {off}, bound {bound}: carry {}", self.hank.carry);
        assert!(excess >= 0, "hedged account {excess} below maintenance");
        for level in Level::ALL {
            let terms = self.venue.evaluate(HANK, &Question::at(level)).terms;
            assert_eq!((terms.sr, terms.gap, terms.crowd, terms.loss), (0, 0, 0, 0), "{level:?}: a matched pair has no directional risk");
        }
        let holder = &self.venue.state().accounts[self.venue.index(HANK) as usize];
        assert_eq!((holder.lots(1), holder.balance(2).map(|b| b.pledged)), (-LOTS, Some(TOKENS)), "the pair is whole");
        assert!(holder.liquidation.is_none());
        if self.off(&self.half).abs() > self.bound(HALF) {
            self.count("times half a hedge moved");
        }
    }

    fn off(&self, watched: &Watched) -> i128 {
        self.equity(watched.account, Level::Maintenance) - watched.equity - watched.carry
    }

    /// The listed basis of the perp leg, rounding, and interest that has accrued and is not booked yet.
    fn bound(&self, account: u64) -> i128 {
        let state = self.venue.state();
        let (holder, listed) = (&state.accounts[self.venue.index(account) as usize], state.known_underlying(1));
        let market = state.known_market(1);
        let shares = state.shares_of(market, i128::from(holder.lots(1).abs()));
        let leg = listed.value_down(shares, listed.price.index().max(listed.price.last_external()).max(market.mark.mark()));
        let unbooked = holder.balance(1).map_or(0, |b| state.ledger.owed(b) - b.loan());
        leg * i128::from(listed.terms.basis_ppm) / 1_000_000 + i128::from(unbooked) + 1_000
    }

    /// Half a tick on every lot of the pair.
    fn half_a_tick(&self) -> i128 {
        i128::from(LOTS) * i128::from(self.venue.state().known_market(1).unit) / 2
    }

    /// A name that never trades again: its perps are settled by decision, and the hedge is over.
    fn settle(&mut self) {
        self.say(0, "SetSession underlying=1 session=5 next_session=2");
        self.pass(74 * HOUR, HOUR);
        let (before, bound) = (self.off(&self.hank), self.bound(HANK));
        assert!(before.abs() <= bound);
        let price = (self.price / self.chance.pick(&[1, 2, 300])).max(1_000);
        let events = self.venue.say(0, &format!("SettleHalted underlying=1 price={price} reason=receivership"));
        assert!(events.iter().all(|e| e.refusal().is_none()), "{:?}", events.last().and_then(Event::refusal));
        // Perp and tokens end at one price, a tick; nothing is left of the mark. After a split a tick is a fraction of a
        // millionth of a dollar away from the price that tokens have.
        let state = self.venue.state();
        let market = state.known_market(1);
        let rounded = if market.split == Ratio::ONE { 0 } else { state.shares_of(market, i128::from(LOTS)) / 2_000_000_000 };
        let after = self.off(&self.hank);
        assert!(after.abs() <= 1_000 + rounded, "settled by decision: {before}, then {after}, of which rounding of {rounded}");
        self.count("halts settled");
    }
}

/// Events in words.
fn told_by(events: &[Event]) -> String {
    let one = |e: &Event| {
        let definition = common::wire::event_of(e.header.kind)?;
        let fields: Vec<String> = common::wire::fields(&definition, &e.body).iter().map(|(f, v)| format!("{f}={v}")).collect();
        Some(format!("{} for {} {}\n", definition.name, e.header.account, fields.join(" ")))
    };
    events.iter().filter_map(one).collect()
}

#[test]
fn a_matched_pair_keeps_its_equity_and_its_legs() {
    let mut seen = BTreeMap::<&'static str, u64>::new();
    for seed in 0..RUNS * length() {
        let mut world = World::new(77_000 + seed);
        for _ in 0..STEPS {
            world.step();
            invariants::hold(&world.venue);
            if world.ended {
                break;
            }
        }
        if !world.ended && world.chance.one_in(2) {
            world.settle();
        }
        world.seen.iter().for_each(|(what, n)| *seen.entry(what).or_default() += n);
    }
    told(&format!("{seen:?}"));
    for what in [
        "prices above twice the start", "closures", "commands inside a blend", "halts", "halts over three days", "outages", "restarts", "seconds suspect", "seconds degraded",
        "seconds stale", "splits", "ex-dates", "reports", "others liquidated", "others deleveraged", "times half a hedge moved", "halts settled",
    ] {
        assert!(seen.contains_key(what), "no path had {what}");
    }
}
