//! Random steps of the backstop, the operator and recovery.

use super::stream::Stream;
use super::wire::Event;
use novate_core::command::*;
use novate_core::margin::Level;
use novate_core::units::SECOND;

/// The account that backs others and does nothing else, and its owner.
pub const BACKSTOP: (u64, u32) = (9, 6);

/// One random command: account and events.
pub fn step(stream: &mut Stream) -> (u64, Vec<Event>) {
    let auction = stream.venue.state().liquidation.last_auction;
    if stream.chance.one_in(8) {
        return hedge_to_the_edge(stream);
    }
    let c = &mut stream.chance;
    let account = if c.one_in(3) { c.range(1, 8) as u64 } else { BACKSTOP.0 };
    match c.range(0, 9) {
        0..=3 => {
            let (discount_ppm, notional) = (c.range(900, 11_500), c.magnitude(30, 40));
            let loss_limit = c.magnitude(20, 36);
            (account, stream.venue.send(account, &CommitBackstop { discount_ppm, notional, loss_limit }))
        }
        4 => (account, stream.venue.send(account, &WithdrawBackstop {})),
        5..=7 => {
            let share_ppm = c.range(1, 1_000_000);
            let auction = if c.one_in(4) { auction + 1 } else { auction };
            (account, stream.venue.send(account, &BidBackstop { auction, share_ppm }))
        }
        8 => {
            let (bucket, amount) = (c.range(0, 3) as u32, c.magnitude(20, 32));
            (0, stream.venue.send(0, &FundOperatorTranche { bucket, asset: 1, amount }))
        }
        _ => {
            let (token, sold, amount) = (c.range(2, 3) as u32, c.magnitude(5, 30), c.magnitude(5, 30));
            (0, stream.venue.send(0, &PayRecovery { token, sold, asset: 1, amount }))
        }
    }
}

/// A token holder sells perps against all of it and takes out what cash it may. Then its stock closes for the night, or what
/// is left carries a bet on bitcoin that fails: what is then below maintenance is a hedged pair.
fn hedge_to_the_edge(stream: &mut Stream) -> (u64, Vec<Event>) {
    let account = stream.chance.pick(&[2, 3, 5, 6]);
    let (underlying, perp, token) = stream.chance.pick(&[(1, 1, 2), (2, 3, 3)]);
    for market in [perp, perp + 1, 5] {
        stream.deepen(market);
    }
    let state = stream.venue.state();
    let held = state.accounts[stream.venue.index(account) as usize].balance(token).map_or(0, |b| b.free());
    let short = -state.accounts[stream.venue.index(account) as usize].lots(perp);
    let per_lot = state.shares_of(state.known_market(perp), 1).max(1);
    let lots = (state.known_asset(token).shares(i128::from(held)) / per_lot) as i64 - short;
    if lots <= 0 {
        return (account, Vec::new());
    }
    stream.venue.send(account, &PlaceOrder { market: perp, side: 1, kind: 1, time_in_force: IOC, flags: 0, price: 0, lots, client_id: [0; 16] });
    for halving in 0..24 {
        stream.venue.send(account, &RequestWithdrawal { asset: 1, amount: (1 << 36) >> halving });
    }
    if stream.chance.one_in(2) {
        stream.venue.say(0, &format!("SetSession underlying={underlying} session=4 next_session=2"));
        return (account, stream.venue.advance(SECOND));
    }
    for parts in [5, 5, 4, 4, 3, 2] {
        stream.deepen(5);
        let room = stream.venue.excess(account, Level::Initial).clamp(0, 1 << 50) as i64;
        let listed = stream.venue.state().known_market(5);
        let lots = (room * parts / (stream.venue.state().index_ticks(listed) * listed.unit).max(1)).max(1);
        stream.venue.send(account, &PlaceOrder { market: 5, side: 0, kind: 1, time_in_force: IOC, flags: 0, price: 0, lots, client_id: [0; 16] });
    }
    // Nobody is left there to sell to.
    for maker in [7, 8] {
        stream.venue.send(maker, &CancelAll { market: 5 });
    }
    stream.prices[2] = stream.prices[2] / 100 * stream.chance.range(65, 85);
    let mut events = Vec::new();
    for _ in 0..4 {
        stream.deepen(perp);
        stream.deepen(perp + 1);
        stream.post_all();
        events.extend(stream.venue.advance(SECOND));
    }
    (account, events)
}
