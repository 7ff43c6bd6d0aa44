//! Seeded streams of commands: eight accounts of five owners trade, borrow, lend and go broke while prices jump.

use super::chance::Chance;
use super::{stream_lending, stream_liquidation};
use super::venue::Venue;
use super::wire::Event;
use novate_core::command::*;
use novate_core::margin::Level;
use novate_core::order::Side;
use novate_core::units::SECOND;

/// Owner of each account, from account 1.
pub const OWNERS: [u32; 8] = [1, 1, 2, 3, 4, 4, 5, 5];
/// Dollars of USDC, tokens of NVDAx and of SPYx each account starts with.
const START: [(i64, i64, i64); 8] = [
    (20_000, 0, 0),
    (5_000, 100, 0),
    (1_000, 50, 30),
    (40_000, 0, 0),
    (300, 200, 0),
    (0, 0, 40),
    (3_000_000, 20_000, 9_000),
    (2_000_000, 20_000, 9_000),
];
/// Micro-dollars at the start.
const PRICES: [i64; 4] = [180_000_000, 680_000_000, 90_000_000_000, 1_000_000];

/// What a step sent: the account it acted for (0 for the venue) and the events it caused.
pub struct Step {
    pub account: u64,
    pub placed: bool,
    pub events: Vec<Event>,
}

/// A venue and the chance that drives it.
pub struct Stream {
    pub venue: Venue,
    pub chance: Chance,
    pub(super) prices: [i64; 4],
    /// Where prices come back to; a split moves it.
    pub(super) bases: [i64; 4],
    references: u64,
    pub commands: u64,
    /// Last corporate action.
    pub(super) action: u64,
    /// Whether the stream schedules actions of its own.
    pub actions: bool,
}

impl Stream {
    /// Accounts open and funded, prices live, makers with a pool behind them.
    pub fn new(seed: u64) -> Self {
        let mut s = Self { venue: Venue::standard(), chance: Chance::new(seed), prices: PRICES, bases: PRICES, references: 0, commands: 0, action: 0, actions: true };
        for (account, (owner, (cash, nvda, spy))) in (1..).zip(OWNERS.into_iter().zip(START)) {
            s.venue.send(account, &OpenAccount { owner });
            for (asset, amount) in [(1, cash * 1_000_000), (2, nvda * 1_000_000), (3, spy * 100_000_000)] {
                if amount > 0 {
                    s.deposit(account, asset, amount);
                }
            }
        }
        s.venue.send(8, &Lend { asset: 1, amount: 300_000_000_000 });
        stream_lending::found(&mut s);
        let (backstop, owner) = stream_liquidation::BACKSTOP;
        s.venue.send(backstop, &OpenAccount { owner });
        s.deposit(backstop, 1, 200_000_000_000);
        s.post_all();
        s.venue.advance(SECOND);
        s
    }

    pub fn deposit(&mut self, account: u64, asset: u32, amount: i64) -> Vec<Event> {
        self.references += 1;
        self.venue.send(account, &Deposit { asset, amount, reference: self.references })
    }

    pub fn post_all(&mut self) {
        for underlying in 1..=4 {
            self.venue.price(underlying, self.prices[underlying as usize - 1]);
        }
    }

    /// One random command. Prices mostly follow time, so that the venue stays open.
    pub fn step(&mut self) -> Step {
        let step = self.any_step();
        self.follow_actions(&step.events);
        step
    }

    fn any_step(&mut self) -> Step {
        self.commands += 1;
        let account = self.chance.pick(&[1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8]);
        let step = |account, events| Step { account, placed: false, events };
        if self.chance.one_in(8) {
            return super::stream_orders::step(self, account);
        }
        if self.chance.one_in(40) {
            let (account, events) = stream_liquidation::step(self);
            return step(account, events);
        }
        if self.chance.one_in(25) {
            let (account, events) = stream_lending::step(self, account);
            return step(account, events);
        }
        match self.chance.range(0, 99) {
            0..=5 => step(account, self.trade_legs(account)),
            6..=41 => Step { account, placed: true, events: self.place(account) },
            42..=49 => {
                let (account, events) = self.clearing_step(account);
                step(account, events)
            }
            50..=56 => step(account, self.cancel(account)),
            57..=64 => step(account, self.amend(account)),
            65..=75 => step(0, self.move_price()),
            76..=84 => step(0, self.pass_time()),
            85..=95 => step(account, self.move_money(account)),
            96 => step(0, self.corporate_step()),
            _ => step(0, self.venue_command()),
        }
    }

    fn place(&mut self, account: u64) -> Vec<Event> {
        let c = &mut self.chance;
        let market = c.range(1, 5) as u32;
        let side = c.range(0, 1) as u8;
        let (kind, time_in_force) = c.pick(&[(0, 0), (0, 0), (0, 0), (0, 1), (0, 2), (1, 1), (1, 2)]);
        let flags = c.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3]);
        let maker = account >= 7;
        let away = if c.one_in(20) { c.range(-60_000, 60_000) } else { c.range(-2_000, 2_000) } + if maker { 1_500 * (2 * i64::from(side) - 1) } else { 0 };
        let state = self.venue.engine.state();
        let index = state.index_ticks(state.known_market(market));
        let price = (index + index * away / 1_000_000).max(1);
        let dollars = if maker { c.range(5_000, 150_000) } else { c.magnitude(8, 19) };
        let room = (self.venue.excess(account, Level::Initial).clamp(0, 1 << 50) / 1_000_000) as i64;
        let dollars = if !maker && c.one_in(2) { room * c.range(1, 7) } else { dollars };
        let unit = state.known_market(market).unit;
        let lots = (dollars * 1_000_000 / (price * unit)).max(1);
        let client_id = if c.one_in(6) { [c.range(1, 40) as u8; 16] } else { [0; 16] };
        let price = if kind == 1 && c.one_in(2) { 0 } else { price };
        self.venue.send(account, &PlaceOrder { market, side, kind, time_in_force, flags, price, lots, client_id })
    }

    /// A random open order of the account: id, price, lots.
    fn some_order(&mut self, account: u64) -> (u64, i64, i64) {
        let state = self.venue.engine.state();
        let head = state.accounts[self.venue.index(account) as usize].orders;
        let open: Vec<u32> = state.orders.of_account(head).collect();
        if open.is_empty() {
            return (self.chance.next() >> 30, 1, 1);
        }
        let order = state.orders.order(self.chance.pick(&open));
        let slot = open.iter().copied().find(|&s| state.orders.order(s) == order).expect("it is there");
        (state.orders.id(slot), order.price(), order.leaves())
    }

    /// A random cancel or amendment of an order of the account.
    pub fn cancel_or_amend(&mut self, account: u64) -> Vec<Event> {
        if self.chance.one_in(2) { self.cancel(account) } else { self.amend(account) }
    }

    fn cancel(&mut self, account: u64) -> Vec<Event> {
        if self.chance.one_in(8) {
            let market = self.chance.range(0, 5) as u32;
            return self.venue.send(account, &CancelAll { market });
        }
        let (order, ..) = self.some_order(account);
        self.venue.send(account, &CancelOrder { order, client_id: [0; 16] })
    }

    fn amend(&mut self, account: u64) -> Vec<Event> {
        let (order, price, lots) = self.some_order(account);
        let c = &mut self.chance;
        let lots = c.pick(&[0, lots, lots / 2, lots * 2, lots + 1]);
        let price = c.pick(&[0, price, price + 1, price - 1, price + price / 200, price - price / 200]);
        self.venue.send(account, &AmendOrder { order, client_id: [0; 16], price, lots })
    }

    fn move_price(&mut self) -> Vec<Event> {
        let c = &mut self.chance;
        let underlying = c.pick(&[1, 1, 2, 2, 3, 3, 4]);
        let far = if underlying == 4 { 20_000 } else { c.pick(&[2_000, 5_000, 5_000, 20_000, 80_000, 250_000]) };
        let at = underlying as usize - 1;
        let base = self.bases[at];
        let pull = if self.prices[at] > base { -far / 8 } else { far / 8 };
        let moved = self.prices[at] + (i128::from(self.prices[at]) * i128::from(c.range(-far, far) + pull) / 1_000_000) as i64;
        self.prices[at] = moved.clamp(base / 20, if underlying == 4 { 1_050_000 } else { base * 8 });
        let price = self.prices[at];
        if self.chance.one_in(12) {
            let (source, confidence) = (self.chance.range(1, 4) as u32, self.chance.range(600_000, 1_000_001) as u32);
            return self.venue.quote(underlying, source, price, confidence);
        }
        self.venue.price(underlying, price)
    }

    fn pass_time(&mut self) -> Vec<Event> {
        let span = self.chance.pick(&[SECOND / 10, SECOND, SECOND, 10 * SECOND, 60 * SECOND, 300 * SECOND, 1_800 * SECOND]);
        self.venue.now += span;
        if !self.chance.one_in(10) {
            self.post_all();
        }
        self.venue.advance(0)
    }

    fn move_money(&mut self, account: u64) -> Vec<Event> {
        let c = &mut self.chance;
        let asset = c.pick(&[1, 1, 1, 2, 3]);
        let amount = c.magnitude(10, 36);
        let other = c.range(1, 8) as u64;
        match c.range(0, 11) {
            10 => self.venue.send(account, &Hold { asset, amount }),
            11 => {
                let held = self.venue.state().accounts[self.venue.index(account) as usize].balance(asset).map_or(0, |b| b.held);
                self.venue.send(account, &Pledge { asset, amount: if held > 0 { held } else { amount } })
            }
            0 => self.deposit(account, asset, amount / 8 + 1),
            1..=3 => self.venue.send(account, &RequestWithdrawal { asset, amount }),
            4 => {
                let withdrawal = self.venue.state().withdrawals.keys().next().copied().unwrap_or(1);
                if self.chance.one_in(2) { self.venue.send(0, &SettleWithdrawal { withdrawal }) } else { self.venue.send(0, &VoidWithdrawal { withdrawal }) }
            }
            5 | 6 => self.venue.send(account, &Transfer { to: other, asset, amount }),
            7 => self.venue.send(account, &Lend { asset, amount }),
            8 => self.venue.send(account, &Recall { asset, amount }),
            _ => self.venue.send(0, &FundInsurance { bucket: other as u32 % 4, asset, amount }),
        }
    }

    fn venue_command(&mut self) -> Vec<Event> {
        let c = &mut self.chance;
        let underlying = c.range(1, 3) as u32;
        match c.range(0, 9) {
            0..=5 => {
                let session = c.pick(&[0, 1, 2, 2, 2, 2, 3, 4, 5]);
                let ahead = c.range(0, 1) * (self.venue.now + c.range(1, 3_600) * SECOND);
                let times = [ahead, ahead, ahead, ahead];
                let [closure_step_ns, closure_ramp_from_ns, closure_ramp_to_ns, closure_end_ns] = times;
                self.venue.send(0, &SetSession {
                    underlying,
                    session,
                    next_session: 2,
                    next_time_ns: 0,
                    closure_step_ns,
                    closure_ramp_from_ns,
                    closure_ramp_to_ns,
                    closure_end_ns,
                })
            }
            6 | 7 => {
                let (volume, sigma) = (c.range(0, 1 << 50), c.range(0, 60_000));
                self.venue.send(0, &PostLiquidity { underlying, spot_volume: volume, sigma_ppm: sigma, half_spread_ppm: 80 })
            }
            8 => self.price_command(underlying),
            _ => self.venue.say(0, "FundInsurance bucket=1 asset=1 amount=1000000"),
        }
    }

    /// Restarts with and without an outage, prints taken back, reports, and the end of a halt.
    fn price_command(&mut self, underlying: u32) -> Vec<Event> {
        let now = self.venue.now;
        match self.chance.range(0, 4) {
            0 => {
                self.venue.now += self.chance.pick(&[0, 0, 3 * SECOND, 8 * SECOND]);
                self.venue.send(0, &ResumeVenue {})
            }
            1 | 2 => {
                let source = self.chance.range(1, 3) as u32;
                let state = &self.venue.state().known_underlying(underlying).price;
                let venue_time_ns = state.sources()[source as usize - 1].current().map_or(now, |s| s.first_ns);
                let corrected = self.chance.pick(&[0, 0, self.prices[underlying as usize - 1]]);
                self.venue.send(0, &CancelPrint { underlying, source, venue_time_ns, corrected, raw_hash: [0; 16] })
            }
            3 => {
                let (from_ns, to_ns) = (now + SECOND, now + self.chance.range(2, 20_000) * SECOND);
                self.venue.send(0, &ScheduleEarnings { underlying, from_ns, to_ns, implied_move_ppm: 80_000 })
            }
            _ => {
                // A name is halted and, now and then, decided after three days.
                self.venue.say(0, &format!("SetSession underlying={underlying} session=5 next_session=2"));
                self.venue.advance(259_200 * SECOND);
                let price = self.prices[underlying as usize - 1] / self.chance.pick(&[1, 2, 400]);
                let answer = self.venue.send(0, &SettleHalted { underlying, price, reason: "decided".to_owned() });
                self.venue.say(0, &format!("SetSession underlying={underlying} session=2 next_session=2"));
                answer
            }
        }
    }

    /// The best price of a side, for assertions about a stream's coverage.
    pub fn best(&self, market: u32, side: Side) -> Option<i64> {
        self.venue.state().known_market(market).book.best(side)
    }
}
