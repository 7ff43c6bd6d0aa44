//! Steps of a random stream in issuance and redemption: requests of accounts, and brokers that report late, twice, out of order,
//! wrongly, or take back what they reported.

use super::stream::Stream;
use super::wire::Event;
use novate_core::command::*;
use novate_core::ledger::Party;
use novate_core::state::clearing::{ExecutionStage, OrderStage, RequestState};
use novate_core::units::SECOND;

const DAY: i64 = 86_400 * SECOND;

impl Stream {
    /// One random command of the area.
    pub fn clearing_step(&mut self, account: u64) -> (u64, Vec<Event>) {
        match self.chance.range(0, 99) {
            0..=24 => (account, self.request(account)),
            25..=54 => (0, self.fill()),
            55..=62 => (0, self.answer_order()),
            63..=72 => (0, self.settle_or_fail()),
            73..=79 => (0, self.take_back()),
            80..=84 => (0, self.finish()),
            _ => (0, self.clearing_fact()),
        }
    }

    fn request(&mut self, account: u64) -> Vec<Event> {
        let c = &mut self.chance;
        let (token, reference) = (c.pick(&[2, 2, 3]), c.range(1, 1_000) as u64);
        let last = self.venue.state().clearing.references.get(&self.venue.index(account)).copied().unwrap_or(0);
        let reference = if self.chance.one_in(10) { reference } else { last + 1 };
        let c = &mut self.chance;
        let (cash, units) = (c.magnitude(20, 34), c.magnitude(15, if token == 2 { 28 } else { 34 }));
        match c.range(0, 10) {
            0 => {
                let direction = c.range(0, 1) as u8;
                let (market, amount) = (token - 1 + u32::from(token == 3), if direction == 0 { cash } else { units });
                self.venue.send(account, &RequestHedged { token, direction, amount, market, price: 0, reference, quote: 0 })
            }
            1..=3 => self.venue.send(account, &RequestIssuance { token, amount: cash, reference, quote: self.quote_of(account) }),
            4..=6 => self.venue.send(account, &RequestRedemption { token, amount: units, reference, quote: self.quote_of(account) }),
            7 => {
                let direction = c.range(0, 1) as u8;
                self.venue.send(account, &RequestFirmPrice { token, direction, amount: if direction == 0 { cash } else { units } })
            }
            8 => {
                let (direction, broker) = (c.range(0, 1) as u8, c.range(1, 3) as u32);
                self.venue.send(account, &RequestInKind { token, direction, amount: units, broker, reference })
            }
            _ => {
                let index = self.venue.index(account);
                let own = self.venue.state().clearing.requests.iter().rev().find(|(_, r)| r.account == index).map_or(1, |(&id, _)| id);
                self.venue.send(account, &CancelRequest { request: own })
            }
        }
    }

    fn quote_of(&self, account: u64) -> u64 {
        let index = self.venue.index(account);
        let given = self.venue.state().clearing.quotes.iter().find(|(_, q)| q.account == index && q.price > 0);
        given.map_or(0, |(&id, _)| id)
    }

    /// An order, open ones first and done ones now and then.
    fn some_broker_order(&mut self) -> Option<u64> {
        let done = self.chance.one_in(12);
        let orders = &self.venue.state().clearing.orders;
        let ids: Vec<u64> = orders.iter().filter(|(_, o)| (o.stage == OrderStage::Done) == done).map(|(&id, _)| id).collect();
        if ids.is_empty() { None } else { Some(self.chance.pick(&ids)) }
    }

    /// Parts, all, too much, the wrong side, the wrong name, a used id, an absurd price.
    fn fill(&mut self) -> Vec<Event> {
        let Some(id) = self.some_broker_order() else { return self.clearing_fact() };
        let order = self.venue.state().clearing.orders[&id].clone();
        let state = self.venue.state();
        let underlying = state.known_asset(order.token).terms.underlying;
        let listed = state.known_underlying(underlying);
        let index = listed.price.index().max(1);
        let left = if order.shares > 0 {
            order.shares - order.filled
        } else {
            (i128::from(order.dollars - order.spent) * listed.scale() / i128::from(order.limit.max(1))) as i64
        };
        let c = &mut self.chance;
        let shares = match c.range(0, 9) {
            0..=4 => (left / c.range(1, 6)).max(1),
            5..=7 => left.max(1),
            8 => left + c.magnitude(1, 40),
            _ => c.range(0, 5),
        };
        let price = (index + index * c.range(-8_000, 8_000) / 1_000_000).max(1);
        let price = if c.one_in(20) { price * 2 } else { price };
        let mut execution = [0; 16];
        execution[..2].copy_from_slice(&(c.range(0, 2_000) as u16).to_le_bytes());
        let report = ReportBrokerFill {
            order: id,
            execution,
            underlying: if c.one_in(25) { 3 } else { underlying },
            side: if c.one_in(25) { u8::from(order.buys) } else { u8::from(!order.buys) },
            complete: u8::from(c.one_in(4)),
            reserved0: 0,
            shares,
            price,
            fee: c.range(0, 3),
            settle_time_ns: self.venue.now + c.range(1, 2 * DAY),
        };
        let mut answer = self.venue.send(0, &report);
        if self.chance.one_in(5) {
            answer.extend(self.venue.send(0, &report));
        }
        answer
    }

    fn answer_order(&mut self) -> Vec<Event> {
        let Some(order) = self.some_broker_order() else { return self.clearing_fact() };
        match self.chance.range(0, 3) {
            0 | 1 => self.venue.send(0, &ReportBrokerAccepted { order }),
            2 => self.venue.send(0, &ReportBrokerCancelled { order }),
            _ => self.venue.send(0, &ReportBrokerReject { order }),
        }
    }

    fn some_execution(&mut self, open: bool) -> Option<(u32, [u8; 16], i64)> {
        let all = &self.venue.state().clearing.executions;
        let fits = |stage| if open { stage == ExecutionStage::Open } else { stage != ExecutionStage::Quarantined };
        let found: Vec<(u32, [u8; 16], i64)> = all.values().filter(|e| fits(e.stage)).map(|e| (e.broker, e.id, e.shares)).collect();
        if found.is_empty() { None } else { Some(self.chance.pick(&found)) }
    }

    fn settle_or_fail(&mut self) -> Vec<Event> {
        let Some((broker, execution, _)) = self.some_execution(true) else { return self.clearing_fact() };
        let settled = u8::from(!self.chance.one_in(6));
        self.venue.send(0, &ReportSettlement { broker, settled, reserved0: 0, reserved1: 0, execution })
    }

    fn take_back(&mut self) -> Vec<Event> {
        let Some((broker, execution, shares)) = self.some_execution(false) else { return self.clearing_fact() };
        if self.chance.one_in(2) {
            return self.venue.send(0, &ReportBust { broker, reserved0: 0, execution });
        }
        let shares = shares * self.chance.range(0, 25) / 20;
        let price = self.chance.pick(&[179_000_000, 181_000_000, 680_000_000]);
        self.venue.send(0, &ReportCorrection { broker, reserved0: 0, execution, shares, price })
    }

    /// What ends a request: delivery, shares in kind.
    fn finish(&mut self) -> Vec<Event> {
        let requests = &self.venue.state().clearing.requests;
        let wanted = if self.chance.one_in(3) { RequestState::Reserved } else { RequestState::Settled };
        let found = requests.iter().find(|(_, r)| r.state == wanted && (wanted == RequestState::Settled || r.kind.in_kind()));
        let (request, shares) = found.map_or((1, 1), |(&id, r)| (id, i64::from(r.token == 2) * 1_000 * r.amount + i64::from(r.token == 3) * 10 * r.amount));
        if wanted == RequestState::Settled {
            return self.venue.send(0, &DeliverRequest { request });
        }
        let shares = shares / self.chance.range(1, 3);
        self.venue.send(0, &ReportInKind { request, shares })
    }

    fn clearing_fact(&mut self) -> Vec<Event> {
        let c = &mut self.chance;
        let (broker, token, amount) = (c.range(1, 3) as u32, c.pick(&[2_u32, 3]), c.magnitude(20, 36));
        match c.range(0, 16) {
            16 => {
                let asset = c.pick(&[1, token]);
                let there = self.venue.state().ledger.venue(Party::Fees, asset);
                let amount = self.chance.range(0, there.max(0) + 1);
                self.venue.send(0, &CollectFees { account: 7, asset, amount })
            }
            0..=3 => self.venue.send(0, &PostDepth { underlying: token - 1, buy: amount << 8, sell: amount << 8 }),
            4 => self.venue.send(0, &FundBroker { broker, amount }),
            5 => self.venue.send(0, &FundTreasury { asset: 1, amount }),
            6 => self.venue.send(0, &FundInventory { token, broker, shares: amount }),
            7 => {
                let price = self.venue.state().known_underlying(token - 1).price.index().max(1);
                let quote = self.venue.state().clearing.quotes.iter().find(|(_, q)| q.price == 0).map_or(1, |(&id, _)| id);
                self.venue.send(0, &GiveFirmPrice { quote, price })
            }
            8 => {
                let connected = u8::from(!self.chance.one_in(3));
                self.venue.send(0, &ReportBrokerLine { broker, connected })
            }
            9 => {
                let books = novate_core::clearing::breaks::on_the_books(self.venue.state(), token, broker);
                let amount = books + i64::from(self.chance.one_in(4));
                self.venue.send(0, &ReportStatement { broker, token, amount })
            }
            10 | 11 => {
                let open = self.venue.state().clearing.breaks.keys().next().copied().unwrap_or(1);
                let resolution = self.chance.range(0, 2) as u8;
                self.venue.send(0, &ResolveBreak { break_id: open, resolution })
            }
            12 => {
                let to_dollars = self.chance.range(0, 1) as u8;
                self.venue.send(0, &RequestConversion { asset: 1, broker, to_dollars, amount })
            }
            13 => {
                let conversion = self.venue.state().clearing.conversions.keys().next().copied().unwrap_or(1);
                let amount = self.chance.range(0, 1) * amount;
                self.venue.send(0, &ReportConversion { conversion, amount })
            }
            14 => {
                let pause = u8::from(self.chance.one_in(4));
                self.venue.send(0, &PauseIssuance { token, mint: pause, redeem: pause })
            }
            _ => self.venue.send(0, &AuthoriseParticipant { account: 7, allowed: 1 }),
        }
    }
}
