//! Random steps of lenders and borrowers: stock loans and their recall, committed lines, pools at their limit.

use super::stream::Stream;
use super::wire::Event;
use novate_core::command::*;
use novate_core::units::{HOUR, SECOND};

/// The token pools that streams have: `ListPool`, its locked deposit, and what the large accounts lend to it.
pub fn found(stream: &mut Stream) {
    for (asset, unit) in [(2, 1_000_000_i64), (3, 100_000_000)] {
        stream.venue.tell(&format!(
            "ListPool asset={asset} rate_ppm=10000 reserve_ppm=100000 owner_cap={} venue_cap={} utilisation_ppm=850000,1000000 rates_ppm=20000,500000 locked_deposit=1000 reserve_target=1000 insurance_bucket=1 lent_charge_ppm=100000",
            400 * unit,
            600 * unit
        ));
        stream.venue.tell(&format!("FundPool asset={asset} amount=1000"));
        stream.venue.send(8, &Lend { asset, amount: 500 * unit });
    }
    for line in 1..=2 {
        stream.venue.tell(&format!("ListLine asset=1 line={line} rate_cap_ppm={} fee_ppm=100 notice_ns={} least=1000000 most=100000000000", 40_000 * line, HOUR * line));
    }
}

/// One random command: account and events.
pub fn step(stream: &mut Stream, account: u64) -> (u64, Vec<Event>) {
    let c = &mut stream.chance;
    let asset = c.pick(&[2, 2, 3]);
    let amount = c.magnitude(14, 36);
    let events = match c.range(0, 11) {
        0 | 1 => stream.venue.send(account, &Lend { asset, amount }),
        2 => stream.venue.send(account, &Recall { asset, amount }),
        3 | 4 => {
            let lender = c.pick(&[account, 8, 8]);
            return (lender, stream.venue.send(lender, &RecallLoan { asset, amount: amount / 16 + 1 }));
        }
        5 => stream.venue.send(account, &BuyLine { asset: 1, line: 1 + u32::from(account > 4), size: amount }),
        6 => stream.venue.send(account, &BuyLine { asset: 1, line: 0, size: 0 }),
        7 => return (0, stream.venue.send(0, &GiveLineNotice { account, asset: 1 })),
        8 => stream.venue.send(account, &RequestWithdrawal { asset, amount }),
        9 => {
            // Everything that is there is borrowed or taken back: the pool of cash goes to its limit.
            let available = stream.venue.state().ledger.pool(1).available().max(1);
            return (8, stream.venue.send(8, &Recall { asset: 1, amount: available }));
        }
        10 => {
            let underlying = asset - 1;
            stream.venue.say(0, &format!("SetSession underlying={underlying} session=0 next_session=2"));
            (0..2).for_each(|_| drop(stream.venue.advance(SECOND)));
            return (0, stream.venue.say(0, &format!("SetSession underlying={underlying} session=2 next_session=2")));
        }
        _ => {
            stream.venue.now += c.pick(&[HOUR, 2 * HOUR, 25 * HOUR]);
            for underlying in 1..=4 {
                let index = stream.venue.state().known_underlying(underlying).price.index();
                stream.venue.price(underlying, index);
            }
            return (0, stream.venue.advance(0));
        }
    };
    (account, events)
}
