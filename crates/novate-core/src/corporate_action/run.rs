//! The cursor of a corporate action: it starts when its window opens and goes through the accounts a stated number at a time.
//!
//! Responsible for: when a job starts, what a command does of it, and what ends with time. While a job runs nothing else
//! moves a balance, a price or an account's state, so nobody is seen half adjusted.

use super::{Step, after, effect, enter, holder, payout, split_of, stand_down, start, terms};
use crate::clearing;
use crate::context::{Context, Scratch};
use crate::event::{CancelReason, EventWriter};
use crate::ledger::Party;
use crate::state::State;
use crate::state::corporate::{ActionState, CorporateAction, Job, Running};
use crate::trading::cancel_where;

/// Why an action went back to scheduled: its window passed unused.
const MISSED: u8 = 1;
/// .. or loans or withdrawals of a token that would change its number.
const ENCUMBERED: u8 = 2;

/// Starts what is due, continues what runs by `budget` accounts.
pub fn run(cx: &mut Context<'_>, budget: u32) {
    expire(cx);
    if cx.state.corporate.running.is_none() && cx.state.settlement.is_none() {
        start_due(cx);
    }
    let mut left = budget;
    while left > 0 && cx.state.corporate.running.is_some() {
        left = advance(cx, left);
    }
}

/// Takes an action through to its end on a copy of the state, whatever its window and confirmation.
///
/// # Errors
/// A sentence that says why it could not run now.
pub fn rehearse(state: &mut State, id: u64) -> Result<(), String> {
    let open = |a: &CorporateAction| matches!(a.state, ActionState::Scheduled | ActionState::Confirmed);
    let terms = match state.corporate.actions.get_mut(&id) {
        Some(action) if open(action) => {
            action.state = ActionState::Confirmed;
            action.terms.clone()
        }
        _ => return Err("only an action that is scheduled or confirmed can be rehearsed".to_owned()),
    };
    if state.corporate.running.is_some() || state.settlement.is_some() {
        return Err("another job runs over the accounts; ask again after it".to_owned());
    }
    state.now = state.now.max(terms.window_start_ns);
    if !clearing::actions::is_quiet(state, terms.underlying) {
        return Err("it would wait for brokers to end their orders for the underlying's tokens".to_owned());
    }
    if let Some(reason) = obstacle(state, id) {
        return Err(format!("it would be missed: reason {reason} of CorporateActionChanged"));
    }
    let mut events = EventWriter::silent();
    let mut cx = Context { state, events: &mut events, scratch: &mut Scratch::default() };
    begin(&mut cx, id);
    while cx.state.corporate.running.is_some() {
        advance(&mut cx, u32::MAX);
    }
    Ok(())
}

/// Windows, guards and records whose time is over.
fn expire(cx: &mut Context<'_>) {
    let now = cx.state.now;
    if cx.state.corporate.actions.is_empty() {
        return;
    }
    let State { corporate, underlyings, .. } = &mut *cx.state;
    for action in corporate.actions.values_mut().filter(|a| a.terms.correct_until_ns <= now && a.sequence != 0) {
        action.record = Vec::new();
    }
    let actions = &corporate.actions;
    corporate.windows.retain(|id, window| window.2 > now || actions.get(id).is_some_and(|a| a.state == ActionState::Confirmed));
    for underlying in underlyings.iter_mut().flatten() {
        underlying.price.drop_guards(now, None);
    }
}

/// The first confirmed action whose window is open, by the window's start and then by id.
fn start_due(cx: &mut Context<'_>) {
    let now = cx.state.now;
    loop {
        let due = cx.state.corporate.actions.values().filter(|a| a.state == ActionState::Confirmed && a.terms.window_start_ns <= now);
        let Some((id, underlying)) = due.min_by_key(|a| (a.terms.window_start_ns, a.terms.action)).map(|a| (a.terms.action, a.terms.underlying)) else { return };
        if obstacle(cx.state, id).is_none() && !clearing::actions::is_quiet(cx.state, underlying) {
            return clearing::actions::quieten(cx, underlying);
        }
        match obstacle(cx.state, id) {
            None => return begin(cx, id),
            Some(reason) => {
                stand_down(cx, id);
                if let Ok(to) = after(Some(ActionState::Confirmed), Step::Miss) {
                    enter(cx, id, to, reason);
                }
            }
        }
    }
}

fn obstacle(state: &State, id: u64) -> Option<u8> {
    let t = &state.corporate.actions.get(&id)?.terms;
    let index = state.known_underlying(t.underlying).price.index();
    if t.window_end_ns <= state.now || index == 0 || terms::check_amount(state, t).is_err() {
        return Some(MISSED);
    }
    let assets = &state.known_underlying(t.underlying).assets;
    if split_of(t).is_some_and(|ratio| assets.iter().any(|&asset| !clearing::actions::fits_after(state, asset, ratio))) {
        return Some(MISSED);
    }
    (t.token_mode == 1 && is_encumbered(state, t.underlying)).then_some(ENCUMBERED)
}

/// Whether a token of the underlying is lent, borrowed or on its way out.
pub fn is_encumbered(state: &State, underlying: u32) -> bool {
    state.known_underlying(underlying).assets.iter().any(|&asset| {
        let lent = state.accounts.iter().filter_map(|a| a.balance(asset)).any(|b| b.lent != 0 || b.pledged < 0);
        lent || state.ledger.venue(Party::Pending, asset) != 0
    })
}

fn begin(cx: &mut Context<'_>, id: u64) {
    let Ok(to) = after(Some(ActionState::Confirmed), Step::Start) else { return };
    cx.state.lull.end_era();
    let sequence = cx.state.sequence;
    if let Some(action) = cx.state.corporate.actions.get_mut(&id) {
        action.sequence = sequence;
    }
    enter(cx, id, to, 0);
    start(cx, Job::Cancel { action: id });
}

/// One step of at most `budget` accounts; returns what is left of the budget.
fn advance(cx: &mut Context<'_>, budget: u32) -> u32 {
    let Some(mut running) = cx.state.corporate.running.take() else { return 0 };
    cx.state.lull.end_era();
    let count = match &running.job {
        Job::Correct { action, .. } => cx.state.corporate.actions.get(action).map_or(0, |a| a.record.len() as u32),
        _ => cx.state.accounts.len() as u32,
    };
    let end = count.min(running.cursor.saturating_add(budget));
    for at in running.cursor..end {
        visit(cx, &mut running, at);
    }
    let used = end - running.cursor;
    running.cursor = end;
    if end == count {
        finish(cx, running);
    } else {
        cx.state.corporate.running = Some(running);
    }
    // A phase without accounts takes something too, so that no command loops over phases.
    budget - used.max(1).min(budget)
}

fn visit(cx: &mut Context<'_>, running: &mut Running, at: u32) {
    match running.job.clone() {
        Job::Cancel { action } => {
            let Some(underlying) = cx.state.corporate.actions.get(&action).map(|a| a.terms.underlying) else { return };
            let markets: Vec<u32> = {
                let listed = cx.state.known_underlying(underlying);
                listed.perps.iter().chain(&listed.spots).copied().collect()
            };
            cancel_where(cx, at, CancelReason::CorporateAction, |market| markets.contains(&market));
        }
        Job::Adjust { action, price } => holder::adjust(cx, running, action, price, at),
        Job::Correct { action, amount } => holder::correct(cx, action, amount, at),
        Job::Pay(command) => {
            let before = cx.state.ledger.venue(Party::Custody, command.asset);
            payout::pay(cx, &command, at);
            let retired = before - cx.state.ledger.venue(Party::Custody, command.asset);
            *running.units.entry(command.asset).or_default() += i128::from(retired);
        }
    }
}

fn finish(cx: &mut Context<'_>, running: Running) {
    match running.job {
        Job::Cancel { action } => {
            let Some(t) = cx.state.corporate.actions.get(&action).map(|a| a.terms.clone()) else { return };
            cx.state.packages.void_until.insert(t.underlying, cx.state.now);
            let value = terms::value(cx.state, &t);
            let price = if split_of(&t).is_some() { cx.state.known_underlying(t.underlying).price.index() } else { value };
            effect::record(cx, action, price);
            start(cx, Job::Adjust { action, price });
        }
        Job::Adjust { action, price } => {
            effect::take(cx, action, price, &running.units);
            end(cx, action, Step::Finish);
        }
        Job::Correct { action, amount } => {
            effect::correct(cx, action, amount);
            end(cx, action, Step::Correct);
        }
        Job::Pay(command) => payout::finish(cx, &command, running.units.get(&command.asset).copied().unwrap_or(0)),
    }
    if cx.state.corporate.running.is_none() {
        // Everybody is looked at again.
        cx.state.sweep_left = cx.state.accounts.len() as u32;
    }
}

fn end(cx: &mut Context<'_>, action: u64, step: Step) {
    let state = cx.state.corporate.actions.get(&action).map(|a| a.state);
    if let Ok(to) = after(state, step) {
        enter(cx, action, to, 0);
    }
}
