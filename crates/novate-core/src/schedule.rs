//! What becomes of orders as time passes: expiries, dead-man switches, slices, phases, triggers.
//!
//! Responsible for: serving what is due in a stated order (timers by time, kind and id; then phases; then triggers), a
//! bounded number per `AdvanceTime`; what is left waits for the next. Never admits an order: `trading` does.

use crate::auction;
use crate::command::{IOC, LIMIT, MARKET};
use crate::context::Context;
use crate::event::{CancelReason, TriggerFired, TwapSlice};
use crate::matching;
use crate::phase::Deed;
use crate::reject::{Refusal, Reject};
use crate::state::State;
use crate::state::trading::{OrderTerms, Pending, Timer, Twap, WAITING, Waiting};
use crate::trading::{self, Sender};
use crate::units::{Lots, div_ceil, div_floor};
use crate::waiting;
use std::cmp::Reverse;

/// Serves what is due. While a timer waits for the next `AdvanceTime`, no auction trades and no trigger fires: what has
/// expired must be gone first.
pub fn run(cx: &mut Context<'_>) {
    let Some(terms) = &cx.state.trading.terms else { return };
    let mut budget = terms.timers_per_advance;
    while let Some(&(due_ns, timer)) = cx.state.trading.timers.first()
        && due_ns <= cx.state.now
    {
        if budget == 0 {
            return;
        }
        budget -= 1;
        match timer {
            Timer::Expiry(id) if id & WAITING != 0 => waiting::end(cx, id, CancelReason::Expired),
            Timer::Expiry(id) => expire(cx, id),
            Timer::Silence(account) => trading::fall_silent(cx, account),
            Timer::Slice(id) => slice(cx, id),
        }
    }
    auction::turn_due(cx);
    pull_triggers(cx, budget);
}

fn expire(cx: &mut Context<'_>, id: u64) {
    if let Some(slot) = cx.state.orders.get(id) {
        let account = cx.state.orders.order(slot).account();
        matching::cancel(cx, slot, CancelReason::Expired);
        cx.touch(account);
    }
}

/// One slice of a parent order. Slice n of N may bring what is filled up to `lots x n / N`, rounded down, and catch up at
/// most the listed number of even slices. Time in which the market took no orders, or the venue was down, moves the whole
/// schedule: there is never more than one slice in an interval.
fn slice(cx: &mut Context<'_>, id: u64) {
    let Some(&Waiting { account, pending: Pending::Twap(twap) }) = cx.state.trading.waiting.get(&id) else { return };
    let now = cx.state.now;
    let later = twap.next_ns.saturating_add(twap.interval_ns);
    let next_ns = if later > now { later } else { now.saturating_add(twap.interval_ns) };
    let told = |child, code, paused, lots, filled, left| TwapSlice { order: id, child, slice: twap.sent + 1, code, paused, reserved0: 0, lots, filled, left };
    if !cx.state.known_market(twap.market).phase.allows(Deed::Release) {
        waiting::reschedule(cx.state, id, |t| (t.next_ns, t.paused) = (next_ns, true));
        if !twap.paused {
            cx.tell_account(account, &told(0, 0, 1, 0, 0, twap.lots - twap.filled));
        }
        return;
    }
    let lots = slice_lots(cx.state, &twap);
    let sent = if lots == 0 { Ok(trading::Entered::default()) } else { trading::enter(cx, account, &child(&twap, lots), Sender::Venue { fingerprint: 0, actor: twap.actor }) };
    let (entered, code) = match sent {
        Ok(entered) => (entered, 0),
        Err(refusal) => (trading::Entered::default(), refusal.code as u16),
    };
    let left = twap.lots - twap.filled - entered.filled;
    waiting::reschedule(cx.state, id, |t| {
        (t.next_ns, t.paused) = (next_ns, false);
        t.sent += 1;
        t.filled += entered.filled;
    });
    cx.tell_account(account, &told(entered.order, code, 0, lots, entered.filled, left));
    if code == Reject::reduce_only_must_reduce as u16 {
        waiting::end(cx, id, CancelReason::NothingToReduce);
    } else if left == 0 || twap.sent + 1 == twap.slices {
        waiting::end(cx, id, CancelReason::Done);
    }
}

/// Lots of the next slice; 0 while they are below the market's smallest order.
fn slice_lots(state: &State, twap: &Twap) -> Lots {
    let (lots, slices) = (i128::from(twap.lots), i128::from(twap.slices));
    let due = div_floor(lots * i128::from(twap.sent + 1), slices) - i128::from(twap.filled);
    let most = div_ceil(lots, slices) * i128::from(waiting::terms(state).twap_catch_up);
    let wanted = due.min(most) as Lots;
    let terms = &state.known_market(twap.market).terms;
    if wanted < terms.min_lots { 0 } else { wanted.min(terms.max_lots) }
}

fn child(twap: &Twap, lots: Lots) -> OrderTerms {
    OrderTerms {
        market: twap.market,
        side: twap.side as u8,
        kind: if twap.price == 0 { MARKET } else { LIMIT },
        time_in_force: IOC,
        flags: twap.flags,
        self_trade: twap.self_trade as u8,
        price: twap.price,
        lots,
        min_lots: 0,
        expires_ns: 0,
        client_id: [0; 16],
    }
}

/// Fires the triggers that marks have reached since they were last served in full: those of a rising mark by price upwards,
/// then those of a falling mark by price downwards, then by id. A trigger whose market lets nothing out waits and is not lost.
fn pull_triggers(cx: &mut Context<'_>, mut budget: u32) {
    note_marks(cx.state);
    let reached: Vec<(u32, (i64, i64))> = cx.state.trading.reached.iter().map(|(&m, &span)| (m, span)).collect();
    for (market, span) in reached {
        let due = due_triggers(cx.state, market, span, budget as usize);
        let mut served = due.len() < budget as usize;
        budget -= due.len() as u32;
        for id in due {
            served &= fire(cx, id);
        }
        if served {
            cx.state.trading.reached.remove(&market);
        }
        if budget == 0 {
            return;
        }
    }
}

/// Widens the span of every mark that a trigger waits for.
fn note_marks(state: &mut State) {
    let trading = &mut state.trading;
    if trading.rising.is_empty() && trading.falling.is_empty() {
        trading.reached.clear();
        return;
    }
    for market in state.markets.iter().flatten().filter(|m| m.is_perp() && m.mark.mark() > 0) {
        let (id, mark) = (market.terms.market, market.mark.mark());
        let (low, high) = trading.reached.get(&id).copied().unwrap_or((mark, mark));
        trading.reached.insert(id, (low.min(mark), high.max(mark)));
    }
}

fn due_triggers(state: &State, market: u32, (low, high): (i64, i64), most: usize) -> Vec<u64> {
    let pulls = state.known_market(market);
    // The last tick at or below the highest mark, the first at or above the lowest.
    let (top, bottom) = (pulls.ticks_of(high), pulls.ticks_of(low));
    let (top, bottom) = (top - i64::from(pulls.price_of(top) > high), bottom + i64::from(pulls.price_of(bottom) < low));
    let trading = &state.trading;
    let rising = trading.rising.range((market, i64::MIN, 0)..=(market, top, u64::MAX)).map(|e| e.2);
    let falling = trading.falling.range((market, Reverse(i64::MAX), 0)..=(market, Reverse(bottom), u64::MAX)).map(|e| e.2);
    rising.chain(falling).take(most).collect()
}

/// Sends a trigger's order through the whole checklist; false when its market lets nothing out now.
fn fire(cx: &mut Context<'_>, id: u64) -> bool {
    let Some(&Waiting { account, pending: Pending::Trigger(trigger) }) = cx.state.trading.waiting.get(&id) else { return true };
    if !cx.state.known_market(trigger.terms.market).phase.allows(Deed::Release) {
        return false;
    }
    let mark = cx.state.known_market(trigger.market).mark.mark();
    waiting::take(cx.state, id);
    let (entered, refusal) = match trading::enter(cx, account, &trigger.terms, Sender::Venue { fingerprint: trigger.fingerprint, actor: trigger.actor }) {
        Ok(entered) => {
            cx.state.order_clients.remove(&id);
            (entered, None)
        }
        Err(refusal) => {
            matching::end_client(cx.state, account, id);
            (trading::Entered::default(), Some(refusal))
        }
    };
    let Refusal { value, limit, .. } = refusal.unwrap_or(Refusal { code: Reject::order_must_exist, field: 0, value: 0, limit: 0 });
    let code = refusal.map_or(0, |r| r.code as u16);
    cx.tell_account(account, &TriggerFired { trigger: id, order: entered.order, mark, code, reserved0: 0, reserved1: 0, value, limit });
    true
}
