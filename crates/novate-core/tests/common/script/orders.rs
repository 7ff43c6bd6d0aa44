//! The words of orders: `Alice buys 2 NVDA-PERP at 180 gtd 60s oldest id X as o1`, `Alice buys 9 NVDA-PERP every 10s for 90s`.

use super::{Script, Told, span};
use super::super::wire::Event;
use novate_core::command::*;
use novate_core::event::{OrderPlaced, TriggerPlaced, TwapPlaced};

impl Script {
    /// A plain `PlaceOrder`, or a `PlaceOrderFull` as soon as one of its words is used.
    pub(super) fn order(&mut self, account: u64, verb: &str, size: &str, market: &str, price: &str, terms: &[&str]) -> Told {
        let market = self.market(market)?;
        let at_market = price == "market";
        let mut order = PlaceOrderFull {
            market,
            side: u8::from(verb == "sells"),
            kind: u8::from(at_market),
            time_in_force: if at_market { IOC } else { GTC },
            flags: 0,
            self_trade: 0,
            trigger: 0,
            reserved0: 0,
            trigger_market: 0,
            price: if at_market { 0 } else { self.ticks(price, market)? },
            lots: self.lots(size, market)?,
            min_lots: 0,
            expires_ns: 0,
            trigger_price: 0,
            client_id: [0; 16],
        };
        let (mut name, mut full) = (None, false);
        let mut terms = terms.iter();
        while let Some(term) = terms.next() {
            let mut next = || terms.next().copied().ok_or(format!("{term} what?"));
            full |= matches!(*term, "oldest" | "both" | "decrement" | "gtd" | "min" | "stop" | "take" | "by");
            match *term {
                "ioc" => order.time_in_force = IOC,
                "fok" => order.time_in_force = FOK,
                "gtc" => order.time_in_force = GTC,
                "post-only" => order.flags |= POST_ONLY,
                "reduce-only" => order.flags |= REDUCE_ONLY,
                "oldest" => order.self_trade = 1,
                "both" => order.self_trade = 2,
                "decrement" => order.self_trade = 3,
                "gtd" => (order.time_in_force, order.expires_ns) = (GTD, self.venue.now + span(next()?)?),
                "min" => order.min_lots = self.lots(next()?, market)?,
                "by" => order.trigger_market = self.market(next()?)?,
                "stop" | "take" => {
                    let price = next()?;
                    let on = if order.trigger_market == 0 { market } else { order.trigger_market };
                    (order.trigger, order.trigger_price) = (if *term == "stop" { STOP } else { TAKE_PROFIT }, self.ticks(price, on)?);
                }
                "id" => order.client_id = client_id(next()?),
                "as" => name = Some(next()?),
                other => return Err(format!("no order is {other}")),
            }
        }
        let PlaceOrderFull { market, side, kind, time_in_force, flags, price, lots, client_id, .. } = order;
        if full {
            self.send(account, &order)?;
        } else {
            self.send(account, &PlaceOrder { market, side, kind, time_in_force, flags, price, lots, client_id })?;
        }
        self.remember(name);
        Ok(())
    }

    /// `buys 9 NVDA-PERP every 10s for 90s [at 181] [reduce-only] [id X] [as t]`.
    pub(super) fn twap(&mut self, account: u64, verb: &str, words: [&str; 4], terms: &[&str]) -> Told {
        let market = self.market(words[1])?;
        let mut order = PlaceTwap {
            market,
            side: u8::from(verb == "sells"),
            flags: 0,
            self_trade: 0,
            reserved0: 0,
            price: 0,
            lots: self.lots(words[0], market)?,
            interval_ns: span(words[2])?,
            duration_ns: span(words[3])?,
            client_id: [0; 16],
        };
        let mut name = None;
        let mut terms = terms.iter();
        while let Some(term) = terms.next() {
            let mut next = || terms.next().copied().ok_or(format!("{term} what?"));
            match *term {
                "at" => order.price = self.ticks(next()?, market)?,
                "reduce-only" => order.flags = REDUCE_ONLY,
                "oldest" => order.self_trade = 1,
                "id" => order.client_id = client_id(next()?),
                "as" => name = Some(next()?),
                other => return Err(format!("no slicing is {other}")),
            }
        }
        self.send(account, &order)?;
        self.remember(name);
        Ok(())
    }

    /// What the last order is called from now on.
    fn remember(&mut self, name: Option<&str>) {
        let placed = self.answer.iter().find_map(Event::as_a::<OrderPlaced>).map(|e| e.order);
        let waits = self.answer.iter().find_map(Event::as_a::<TriggerPlaced>).map(|e| e.order);
        let slices = self.answer.iter().find_map(Event::as_a::<TwapPlaced>).map(|e| e.order);
        if let (Some(name), Some(order)) = (name, waits.or(slices).or(placed)) {
            self.orders.insert(name.to_owned(), order);
        }
    }
}

fn client_id(text: &str) -> [u8; 16] {
    let mut id = [0; 16];
    id[..text.len()].copy_from_slice(text.as_bytes());
    id
}
