//! Random packages, blocks, requests for quotes and compensation.

use super::stream::Stream;
use super::wire::Event;
use novate_core::command::*;
use novate_core::order::Side;
use novate_core::units::SECOND;

impl Stream {
    /// One random command of this area for an account.
    pub fn trade_legs(&mut self, account: u64) -> Vec<Event> {
        match self.chance.range(0, 9) {
            0..=4 => {
                let wish = self.package();
                self.venue.send(account, &wish)
            }
            5 | 6 => self.block(account),
            7 | 8 => self.quotes(account),
            _ => self.compensate(),
        }
    }

    /// A maker puts both sides of a market's book near its index, so that packages find something to trade with.
    pub fn deepen(&mut self, market: u32) {
        let dollars = self.chance.range(10_000, 80_000);
        let state = self.venue.state();
        let listed = state.known_market(market);
        let (index, unit) = (state.index_ticks(listed).max(1), listed.unit);
        let lots = (dollars * 1_000_000 / (index * unit)).max(1);
        for side in [0, 1] {
            let price = (index + (2 * i64::from(side) - 1) * index * self.chance.range(1, 20) / 10_000).max(1);
            self.venue.send(8, &PlaceOrder { market, side, kind: 0, time_in_force: GTC, flags: POST_ONLY, price, lots, client_id: [0; 16] });
        }
    }

    /// Markets, signed lots and prices near the books.
    fn legs(&mut self, fewest: i64, most: i64, markets: (i64, i64), dollars: i64) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
        let count = self.chance.range(fewest, most);
        let (mut ids, mut lots, mut prices) = (Vec::new(), Vec::new(), Vec::new());
        let (pair, one_way) = (self.chance.pick(&[1, -1]), self.chance.one_in(3));
        for at in 0..count {
            let market = self.chance.range(markets.0, markets.1);
            let state = self.venue.state();
            let listed = state.known_market(market as u32);
            let (index, unit) = (state.index_ticks(listed).max(1), listed.unit);
            let best = |side| listed.book.best(side).unwrap_or(index);
            let sign = if one_way || at % 2 == 0 { pair } else { -pair };
            let touch = best(if sign > 0 { Side::Ask } else { Side::Bid });
            let price = if self.chance.one_in(3) { index } else { touch };
            ids.push(market);
            lots.push(sign * (dollars * 1_000_000 / (index * unit)).max(1));
            prices.push((price + sign * price * self.chance.range(-1, 9) / 1_000).max(1));
        }
        (ids, lots, prices)
    }

    fn package(&mut self) -> PlacePackage {
        let dollars = if self.chance.one_in(3) { self.chance.range(4_000, 40_000) } else { self.chance.magnitude(6, 15) };
        let (markets, lots, mut prices) = self.legs(2, 4, (1, 5), dollars);
        let units = self.chance.pick(&[1, 1, 1, 3, 10]);
        let least_units = self.chance.range(1, units);
        let limit_kind = u8::from(self.chance.one_in(4));
        if limit_kind == 1 && self.chance.one_in(2) {
            prices.iter_mut().for_each(|p| *p = 0);
        }
        let net_limit = self.chance.range(-dollars, 4 * dollars) * 1_000_000;
        let client_id = if self.chance.one_in(8) { vec![self.chance.range(1, 9) as u8; 16] } else { Vec::new() };
        PlacePackage { markets, lots, prices, limit_kind, net_limit, units, least_units, client_id: client_id.into() }
    }

    fn expiry(&mut self) -> i64 {
        self.venue.now + self.chance.pick(&[1, 60, 600, 3_600]) * SECOND
    }

    fn block(&mut self, account: u64) -> Vec<Event> {
        let open: Vec<(u64, u32, u32)> = self.venue.state().packages.blocks.iter().map(|(&n, b)| (n, b.proposer, b.counterparty)).collect();
        if open.is_empty() || self.chance.one_in(3) {
            let (markets, lots, prices) = self.legs(1, 3, (1, 2), 20_000);
            let counterparty = self.chance.range(1, 8) as u64;
            let expiry_ns = self.expiry();
            return self.venue.send(account, &ProposeBlock { counterparty, markets, lots, prices, expiry_ns });
        }
        let (block, proposer, counterparty) = self.chance.pick(&open);
        let id = |dense: u32| self.venue.state().accounts[dense as usize].id;
        let (proposer, counterparty) = (id(proposer), id(counterparty));
        match self.chance.range(0, 9) {
            0 => self.venue.send(proposer, &WithdrawBlock { block }),
            1 => self.venue.send(counterparty, &DeclineBlock { block }),
            2 => self.venue.send(account, &AcceptBlock { block }),
            _ => self.venue.send(counterparty, &AcceptBlock { block }),
        }
    }

    fn quotes(&mut self, account: u64) -> Vec<Event> {
        #[allow(clippy::type_complexity, reason = "read once, two lines below")]
        let open: Vec<(u64, u32, Vec<(u64, u32)>)> = self.venue.state().packages.requests.iter()
            .map(|(&n, r)| (n, r.requester, r.quotes.iter().map(|(&q, quote)| (q, quote.maker)).collect())).collect();
        if open.is_empty() || self.chance.one_in(4) {
            let dollars = self.chance.range(2_000, 6_000);
            let (markets, lots, _) = self.legs(1, 2, (1, 2), dollars);
            let (side, expiry_ns) = (self.chance.range(0, 2) as u8, self.expiry());
            let makers = if self.chance.one_in(3) { vec![self.chance.range(1, 8), 7] } else { Vec::new() };
            return self.venue.send(account, &RequestQuotes { markets, lots, side, expiry_ns, makers });
        }
        let at = self.chance.range(0, open.len() as i64 - 1) as usize;
        let (request, requester, quotes) = &open[at];
        let id = |dense: u32| self.venue.state().accounts[dense as usize].id;
        let (request, requester) = (*request, id(*requester));
        let some = quotes.first().map(|&(quote, maker)| (quote, id(maker)));
        match (self.chance.range(0, 9), some) {
            (0, Some((quote, maker))) => self.venue.send(maker, &WithdrawQuote { request, quote }),
            (1, _) => self.venue.send(requester, &CancelQuoteRequest { request }),
            (2..=5, Some((quote, _))) => {
                let quote = self.chance.pick(&[0, 0, quote]);
                let side = self.chance.range(0, 1) as u8;
                self.venue.send(requester, &AcceptQuote { request, quote, side, net_limit: i64::MAX })
            }
            _ => self.give(account, request),
        }
    }

    fn give(&mut self, account: u64, request: u64) -> Vec<Event> {
        let state = self.venue.state();
        let asked = &state.packages.requests[&request];
        let index: Vec<(i64, i64)> = asked.legs.iter().map(|l| (state.index_ticks(state.known_market(l.market)), l.lots.signum())).collect();
        let side = asked.side;
        let expiry_ns = self.expiry();
        let mut at = |worse: i64| -> Vec<i64> { index.iter().map(|&(i, sign)| (i + sign * worse * i * self.chance.range(0, 15) / 1_000).max(1)).collect() };
        let buy_prices = if side == 1 { Vec::new() } else { at(1) };
        let sell_prices = if side == 0 { Vec::new() } else { at(-1) };
        self.venue.send(account, &GiveQuote { request, buy_prices, sell_prices, expiry_ns })
    }

    fn compensate(&mut self) -> Vec<Event> {
        let amount = self.chance.magnitude(10, 28);
        if self.chance.one_in(2) {
            return self.venue.send(0, &FundTreasury { asset: 1, amount });
        }
        let trade = self.venue.state().last_trade;
        let account = self.chance.range(1, 8) as u64;
        self.venue.send(0, &CompensateError { account, asset: 1, amount, trade, reason: "a wrong multiplier".to_owned() })
    }
}
