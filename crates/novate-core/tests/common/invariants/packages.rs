//! What is true of packages, blocks, quotes and compensation after every command.

use novate_core::ledger::Party;
use novate_core::state::State;
use novate_core::state::packages::{Due, Open};
use std::collections::{BTreeMap, BTreeSet};

/// Counts, timers and caps agree with what is open; the two sides of an offer are two owners.
pub fn hold(state: &State) {
    let p = &state.packages;
    let owner = |account: u32| state.accounts[account as usize].owner;
    let (mut open, mut due) = (BTreeMap::<u32, Open>::new(), BTreeSet::new());
    for (&number, block) in &p.blocks {
        assert!(owner(block.proposer) != owner(block.counterparty), "block {number} has one owner");
        open.entry(block.proposer).or_default().proposed += 1;
        open.entry(block.counterparty).or_default().waiting += 1;
        due.insert((block.expiry_ns, Due::Block(number)));
    }
    for (&number, request) in &p.requests {
        open.entry(request.requester).or_default().requests += 1;
        due.insert((request.expiry_ns, Due::Request(number)));
        let makers: BTreeSet<u32> = request.quotes.values().map(|q| q.maker).collect();
        assert_eq!(makers.len(), request.quotes.len(), "a maker has one quote of request {number}");
        for (&quote, given) in &request.quotes {
            assert!(owner(given.maker) != owner(request.requester), "quote {quote} has one owner");
            open.entry(given.maker).or_default().quotes += 1;
            due.insert((given.expiry_ns, Due::Quote(number, quote)));
        }
    }
    assert_eq!(open, p.open, "open offers by account");
    let timers: BTreeSet<_> = p.due.iter().copied().filter(|(_, d)| !matches!(d, Due::Publication(_))).collect();
    assert_eq!(due, timers, "every open offer runs out once");
    let publications: BTreeSet<u64> = p.due.iter().filter_map(|(_, d)| if let Due::Publication(trade) = d { Some(*trade) } else { None }).collect();
    assert_eq!(publications, p.unpublished.keys().copied().collect(), "every hidden trade becomes public once");
    let Some(terms) = &p.terms else { return };
    for count in p.open.values() {
        assert!(count.proposed <= terms.open_blocks && count.waiting <= terms.open_blocks, "{count:?}");
        assert!(count.requests <= terms.open_requests && count.quotes <= terms.open_quotes, "{count:?}");
    }
    assert!(p.compensated.values().all(|&paid| paid <= terms.compensation_per_trade), "the cap per trade");
    assert!(p.compensated_day.1 <= terms.compensation_per_day, "the cap per day");
    let treasury: i64 = state.assets.iter().flatten().map(|a| state.ledger.venue(Party::Treasury, a.terms.asset)).min().unwrap_or(0);
    assert!(treasury >= 0, "the treasury is never negative");
}
