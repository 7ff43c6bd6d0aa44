//! The venue was away: what its markets do when it is back.
//!
//! Responsible for: measuring an outage, the time in which markets only cancel, and opening them again by auction. An outage is
//! the journal time between the last command before a recovery and its `ResumeVenue`; timers that ended meanwhile count it,
//! because they are stated in journal time. Never judges a price, never trades: `auction` does.

use crate::auction;
use crate::context::Context;
use crate::event::OutageEnded;
use crate::phase::Phase;
use crate::reject::{Refusal, Reject, require};
use crate::state::prices::Outage;
use crate::state::{Market, State};
use crate::waiting;

/// At `ResumeVenue`: a long outage closes the markets for everything but cancels; when that time is over each gathers orders
/// and opens by an auction, as `auction` turns every timed phase. A venue that never had a price was not away: nobody could
/// trade yet, however long ago it was listed.
pub fn measure(cx: &mut Context<'_>) {
    let (from_ns, to_ns) = (cx.state.prices.before_ns, cx.state.now);
    let priced = cx.state.underlyings.iter().flatten().any(|u| u.price.index() != 0);
    let Some(terms) = cx.state.prices.terms.as_ref().filter(|_| priced) else { return };
    let outage_ns = to_ns - from_ns;
    if outage_ns <= terms.outage_ns {
        return;
    }
    let cancel_only_until_ns = to_ns.saturating_add(terms.cancel_only_ns);
    cx.state.prices.outage = Some(Outage { from_ns, to_ns, cancel_only_until_ns });
    cx.tell(&OutageEnded { outage_ns, cancel_only_until_ns });
    for id in 1..cx.state.markets.len() as u32 {
        if cx.state.markets[id as usize].as_ref().is_some_and(opens_again) {
            auction::to_cancel_only(cx, id, cancel_only_until_ns);
        }
    }
}

/// Markets that were open, or on their way to be. What the venue itself closed or restricted without a time waits for it.
fn opens_again(market: &Market) -> bool {
    match market.phase.phase {
        Phase::Open | Phase::Call => true,
        Phase::CancelOnly => market.phase.until_ns != 0,
        Phase::Closed => false,
    }
}

/// Whether the venue is back and its books are not: no liquidation before they have had their auction.
#[must_use]
pub const fn books_are_away(state: &State) -> bool {
    state.prices.outage.is_some()
}

/// At `AdvanceTime`: the minute and the call after it are over.
pub fn open_again(cx: &mut Context<'_>) {
    let Some(outage) = cx.state.prices.outage else { return };
    if cx.state.now >= outage.cancel_only_until_ns.saturating_add(waiting::terms(cx.state).call_ns) {
        cx.state.prices.outage = None;
    }
}

/// Whether a market takes orders and changes of orders.
///
/// # Errors
/// `venue_must_be_open_for_orders` in the time after an outage in which nothing else than cancelling is done, and while the
/// perps of a halted underlying are being settled.
pub fn takes_orders(state: &State, market: &Market) -> Result<(), Refusal> {
    let settling = state.prices.settling.as_ref().is_some_and(|s| s.underlying == market.terms.underlying && market.is_perp());
    let cancel_only = state.prices.outage.is_some_and(|o| state.now < o.cancel_only_until_ns);
    let refusal = Reject::venue_must_be_open_for_orders.at(1, i64::from(market.terms.market), 0);
    require(!settling && !cancel_only, refusal)
}
