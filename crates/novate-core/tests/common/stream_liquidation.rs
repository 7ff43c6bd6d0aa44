//! Random steps of the backstop, the operator and recovery.

use super::stream::Stream;
use super::wire::Event;
use novate_core::command::*;

/// The account that backs others and does nothing else, and its owner.
pub const BACKSTOP: (u64, u32) = (9, 6);

/// One random command: account and events.
pub fn step(stream: &mut Stream) -> (u64, Vec<Event>) {
    let auction = stream.venue.state().liquidation.last_auction;
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
