//! Random commands of everything an order can say: full orders, triggers, slices, batches, dead-man switches, phases.

use super::stream::{Step, Stream};
use super::wire::Event;
use novate_core::codec::Body;
use novate_core::command::*;
use novate_core::units::SECOND;

/// One of them.
pub fn step(s: &mut Stream, account: u64) -> Step {
    let (who, events) = match s.chance.range(0, 19) {
        0..=9 => (account, full(s, account)),
        10 | 11 => (account, twap(s, account)),
        12 | 13 => (account, batch(s, account)),
        14 | 15 => {
            let span_ns = s.chance.pick(&[0, 1, 5, 60, 600]) * SECOND;
            (account, s.venue.send(account, &CancelAfter { span_ns }))
        }
        _ => (0, phase(s)),
    };
    Step { account: who, placed: false, events }
}

/// A price near the index, and lots worth some dollars.
fn size(s: &mut Stream, market: u32) -> (i64, i64) {
    let away = s.chance.range(-8_000, 8_000);
    let state = s.venue.engine.state();
    let index = state.index_ticks(state.known_market(market));
    let price = (index + index * away / 1_000_000).max(1);
    let unit = state.known_market(market).unit;
    (price, (s.chance.magnitude(8, 17) * 1_000_000 / (price * unit)).max(1))
}

fn order(s: &mut Stream) -> PlaceOrderFull {
    let market = s.chance.range(1, 5) as u32;
    let (price, lots) = size(s, market);
    let c = &mut s.chance;
    let (kind, time_in_force) = c.pick(&[(0, 0), (0, 0), (0, 3), (0, 3), (0, 1), (0, 2), (1, 1)]);
    let trigger = c.pick(&[0, 0, 0, 1, 2]);
    let trigger_market = if trigger == 0 { 0 } else { [1, 1, 3, 3, 5][market as usize - 1] };
    let expires_ns = if time_in_force == 3 { s.venue.now + c.range(1, 600) * SECOND } else { 0 };
    let min_lots = if c.one_in(8) { c.range(1, lots) } else { 0 };
    let client_id = if c.one_in(6) { [c.range(1, 40) as u8; 16] } else { [0; 16] };
    let (side, flags, self_trade) = (c.range(0, 1) as u8, c.pick(&[0, 0, 0, 2]), c.range(0, 3) as u8);
    let trigger_price = if trigger == 0 { 0 } else { pull(s, trigger_market) };
    PlaceOrderFull {
        market, side, kind, time_in_force, flags, self_trade, trigger, reserved0: 0, trigger_market,
        price: if kind == 1 { 0 } else { price }, lots, min_lots, expires_ns, trigger_price, client_id,
    }
}

/// A trigger price not far from the mark.
fn pull(s: &mut Stream, market: u32) -> i64 {
    let away = s.chance.range(-20_000, 20_000);
    let state = s.venue.engine.state();
    let listed = state.known_market(market);
    let mark = listed.mark.mark() / listed.terms.tick_size;
    (mark + mark * away / 1_000_000).max(1)
}

fn full(s: &mut Stream, account: u64) -> Vec<Event> {
    let order = order(s);
    s.venue.send(account, &order)
}

fn twap(s: &mut Stream, account: u64) -> Vec<Event> {
    let market = s.chance.range(1, 5) as u32;
    let (price, lots) = size(s, market);
    let c = &mut s.chance;
    let (interval_ns, slices) = (c.range(1, 30) * SECOND, c.range(1, 8));
    let price = c.pick(&[0, price]);
    let (side, flags, self_trade) = (c.range(0, 1) as u8, c.pick(&[0, 0, 2]), c.range(0, 3) as u8);
    s.venue.send(account, &PlaceTwap {
        market, side, flags, self_trade, reserved0: 0, price, lots, interval_ns, duration_ns: interval_ns * slices, client_id: [0; 16],
    })
}

fn batch(s: &mut Stream, account: u64) -> Vec<Event> {
    let mut legs = Vec::new();
    fn put<B: Body>(leg: &B, legs: &mut Vec<u8>) {
        legs.extend_from_slice(&B::KIND.to_le_bytes());
        leg.put(legs);
    }
    for _ in 0..s.chance.range(1, 4) {
        let client_id = [s.chance.range(1, 40) as u8; 16];
        match s.chance.range(0, 3) {
            0 => put(&CancelOrder { order: 0, client_id }, &mut legs),
            1 => put(&AmendOrder { order: 0, client_id, price: 0, lots: s.chance.range(1, 100) }, &mut legs),
            _ => put(&order(s), &mut legs),
        }
    }
    s.venue.send(account, &OrderBatch { legs: legs.into() })
}

fn phase(s: &mut Stream) -> Vec<Event> {
    let c = &mut s.chance;
    let (market, phase) = (c.range(1, 5) as u32, c.pick(&[0, 1, 2, 2, 2, 3]));
    let until_ns = if matches!(phase, 1 | 2) { s.venue.now + c.range(1, 30) * SECOND } else { 0 };
    let answer = s.venue.send(0, &SetMarketPhase { market, phase, reserved0: 0, reserved1: 0, until_ns });
    if phase == 3 {
        let until_ns = s.venue.now + SECOND;
        return s.venue.send(0, &SetMarketPhase { market, phase: 2, reserved0: 0, reserved1: 0, until_ns });
    }
    answer
}
