//! The venue was away: what its markets do when it is back.
//!
//! Responsible for: measuring an outage, the time in which markets only cancel, and opening them again. An outage is the
//! journal time between the last command before a recovery and its `ResumeVenue`; timers that ended meanwhile count it,
//! because they are stated in journal time. Never judges a price.

use crate::context::Context;
use crate::event::OutageEnded;
use crate::reject::{Refusal, Reject, require};
use crate::state::{Market, State};
use crate::state::prices::Outage;

/// At `ResumeVenue`: a long outage closes the markets for everything but cancels.
pub fn measure(cx: &mut Context<'_>) {
    let (from_ns, to_ns) = (cx.state.prices.before_ns, cx.state.now);
    let Some(terms) = cx.state.prices.terms.as_ref().filter(|_| from_ns > 0) else { return };
    let outage_ns = to_ns - from_ns;
    if outage_ns <= terms.outage_ns {
        return;
    }
    let cancel_only_until_ns = to_ns.saturating_add(terms.cancel_only_ns);
    cx.state.prices.outage = Some(Outage { from_ns, to_ns, cancel_only_until_ns });
    cx.tell(&OutageEnded { outage_ns, cancel_only_until_ns });
}

/// Whether markets only cancel now.
#[must_use]
pub fn cancel_only(state: &State) -> bool {
    state.prices.outage.is_some_and(|o| state.now < o.cancel_only_until_ns)
}

/// At `AdvanceTime`: once the time is over markets open again.
pub fn open_again(cx: &mut Context<'_>) {
    if cx.state.prices.outage.is_some() && !cancel_only(cx.state) {
        cx.state.prices.outage = None;
    }
}

/// Whether a market takes orders and changes of orders.
///
/// # Errors
/// `venue_must_be_open_for_orders` after an outage, and while the perps of a halted underlying are being settled.
pub fn takes_orders(state: &State, market: &Market) -> Result<(), Refusal> {
    let settling = state.prices.settling.as_ref().is_some_and(|s| s.underlying == market.terms.underlying && market.is_perp());
    let refusal = Reject::venue_must_be_open_for_orders.at(1, i64::from(market.terms.market), 0);
    require(!settling && !cancel_only(state), refusal)
}
