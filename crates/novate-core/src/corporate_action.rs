//! Corporate actions: their life from announcement to correction (RULES section 3).
//!
//! Responsible for: the life-cycle table, and the checklists of schedule, confirmation, cancellation and correction. What an
//! action does to an account is `holder`, what it does to everything else at one sequence is `effect`, the cursor is
//! `run`, and what reaches holders of tokens later is `payout`. Never knows a calendar: the window is part of the terms.

mod effect;
mod holder;
mod payout;
mod run;
mod terms;

pub use payout::{book_reinvestment, fund_distributions, pay_distribution};
pub use run::{rehearse, run};

use crate::authority::person_of;
use crate::codec::Header;
use crate::command::{CancelCorporateAction, Command, ConfirmCorporateAction, CorrectCorporateAction, ListWithholding, SPLIT, ScheduleCorporateAction};
use crate::context::Context;
use crate::event::{CorporateActionChanged, Listed};
use crate::price::ActionRatio;
use crate::reject::{Refusal, Reject, require};
use crate::state::corporate::{ActionState, CorporateAction, Job, Running};
use crate::units::{PPM, Ratio};
use std::collections::BTreeMap;

/// What happens to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is made known without a window.
    Announce,
    /// Terms with a window, or other terms.
    Schedule,
    /// A second actor agrees.
    Confirm,
    /// Its window opens.
    Start,
    /// Its window passed, or something stood in the way.
    Miss,
    /// Everything has moved.
    Finish,
    /// The amount was another.
    Correct,
    /// It won't happen.
    Cancel,
}

/// The whole life of an action; what is not here is refused.
pub const LIFE: &[(Option<ActionState>, Step, ActionState)] = {
    use ActionState::{Announced, Applied, Cancelled, Confirmed, Corrected, Running, Scheduled};
    &[
        (None, Step::Announce, Announced),
        (None, Step::Schedule, Scheduled),
        (Some(Announced), Step::Announce, Announced),
        (Some(Announced), Step::Schedule, Scheduled),
        (Some(Scheduled), Step::Schedule, Scheduled),
        (Some(Confirmed), Step::Schedule, Scheduled),
        (Some(Scheduled), Step::Confirm, Confirmed),
        (Some(Confirmed), Step::Start, Running),
        (Some(Confirmed), Step::Miss, Scheduled),
        (Some(Running), Step::Finish, Applied),
        (Some(Applied), Step::Correct, Corrected),
        (Some(Corrected), Step::Correct, Corrected),
        (Some(Announced), Step::Cancel, Cancelled),
        (Some(Scheduled), Step::Cancel, Cancelled),
        (Some(Confirmed), Step::Cancel, Cancelled),
    ]
};

/// The state after a step.
///
/// # Errors
/// `corporate_action_must_be_in_a_state_for_this`.
pub fn after(state: Option<ActionState>, step: Step) -> Result<ActionState, Refusal> {
    let row = LIFE.iter().find(|row| row.0 == state && row.1 == step);
    let refusal = Reject::corporate_action_must_be_in_a_state_for_this.at(1, state.map_or(0, |s| s as i64), step as i64);
    row.map(|row| row.2).ok_or(refusal)
}

/// Whether a command is taken while a job runs over the accounts: cancels and outside facts, nothing that moves a balance.
///
/// # Errors
/// `venue_must_not_run_a_corporate_action`.
pub fn admits(cx: &Context<'_>, command: &Command) -> Result<(), Refusal> {
    let taken = matches!(
        command,
        Command::PostPrice(_) | Command::AdvanceTime(_) | Command::CancelOrder(_) | Command::CancelAll(_) | Command::SetSession(_) | Command::PostLiquidity(_) | Command::ResumeVenue(_)
    );
    require(taken || cx.state.corporate.running.is_none(), Reject::venue_must_not_run_a_corporate_action)
}

fn known<'a>(cx: &'a Context<'_>, id: u64) -> Result<&'a CorporateAction, Refusal> {
    cx.state.corporate.actions.get(&id).ok_or(Reject::corporate_action_must_exist.at(1, id as i64, 0))
}

/// Writes a step that was found in the table and tells it.
fn enter(cx: &mut Context<'_>, id: u64, to: ActionState, reason: u8) {
    let Some(action) = cx.state.corporate.actions.get_mut(&id) else { return };
    let from = std::mem::replace(&mut action.state, to);
    let (underlying, action_kind) = (action.terms.underlying, action.terms.action_kind);
    cx.tell(&CorporateActionChanged { action: id, underlying, action_kind, from: from as u8, to: to as u8, reason });
}

/// `ScheduleCorporateAction`.
///
/// # Errors
/// 302, 305, 1202, 1204 to 1207, 1209 to 1211.
pub fn schedule(cx: &mut Context<'_>, header: &Header, command: &ScheduleCorporateAction) -> Result<(), Refusal> {
    let before = cx.state.corporate.actions.get(&command.action).map(|a| a.state);
    let announced = command.window_start_ns == 0 && command.window_end_ns == 0;
    let to = after(before, if announced { Step::Announce } else { Step::Schedule })?;
    terms::check(cx.state, command, announced)?;

    stand_down(cx, command.action);
    let action = CorporateAction {
        terms: command.clone(),
        scheduled_by: header.actor,
        confirmed_by: 0,
        state: before.unwrap_or(to),
        booked: 0,
        withheld: (BTreeMap::new(), BTreeMap::new()),
        sequence: 0,
        record: Vec::new(),
        multipliers: BTreeMap::new(),
        splits: BTreeMap::new(),
    };
    cx.state.corporate.actions.insert(command.action, action);
    enter(cx, command.action, to, 0);
    Ok(())
}

/// `ConfirmCorporateAction`: from now on its window is kept free and prints of the other scale don't count.
///
/// # Errors
/// 1203, 1204, 1207, 1208, 1212, 1213.
pub fn confirm(cx: &mut Context<'_>, header: &Header, command: &ConfirmCorporateAction) -> Result<(), Refusal> {
    let action = known(cx, command.action)?;
    let to = after(Some(action.state), Step::Confirm)?;
    require(person_of(cx.state, header.actor) != person_of(cx.state, action.scheduled_by), Reject::second_actor_must_confirm.at(0, header.actor as i64, 0))?;
    let terms = action.terms.clone();
    let (ends, now) = (terms.window_end_ns, cx.state.now);
    require(ends > now, Reject::window_must_be_ahead_and_in_order.at(1, ends, now))?;
    terms::check_amount(cx.state, &terms)?;
    let keeps = terms.token_mode == 0 || !run::is_encumbered(cx.state, terms.underlying);
    require(keeps, Reject::loans_and_withdrawals_must_keep_their_number.at(1, i64::from(terms.underlying), 0))?;

    if let Some(action) = cx.state.corporate.actions.get_mut(&command.action) {
        action.confirmed_by = header.actor;
    }
    cx.state.corporate.windows.insert(command.action, (terms.underlying, terms.window_start_ns, terms.window_end_ns));
    if let Some(ratio) = split_of(&terms) {
        let guard = ActionRatio { action: command.action, ratio, tolerance_ppm: terms.scale_tolerance_ppm, until_ns: terms.window_end_ns.saturating_add(terms.guard_ns) };
        cx.state.underlying_mut(terms.underlying).price.guard(guard);
    }
    enter(cx, command.action, to, 0);
    Ok(())
}

/// `CancelCorporateAction`.
///
/// # Errors
/// 1203, 1204.
pub fn cancel(cx: &mut Context<'_>, command: &CancelCorporateAction) -> Result<(), Refusal> {
    let to = after(Some(known(cx, command.action)?.state), Step::Cancel)?;

    stand_down(cx, command.action);
    enter(cx, command.action, to, 0);
    Ok(())
}

/// `CorrectCorporateAction`: the difference goes to who held when it took effect.
///
/// # Errors
/// 1203, 1204, 1206, 1212, 1217.
pub fn correct(cx: &mut Context<'_>, command: &CorrectCorporateAction) -> Result<(), Refusal> {
    let action = known(cx, command.action)?;
    after(Some(action.state), Step::Correct)?;
    let (now, until) = (cx.state.now, action.terms.correct_until_ns);
    let in_time = now < until && terms::pays(action.terms.action_kind);
    require(in_time, Reject::correction_must_come_in_time.at(1, now, until))?;
    require(command.amount >= 0, Reject::corporate_action_terms_must_be_complete.at(2, command.amount, 0))?;
    let most = cx.state.known_underlying(action.terms.underlying).terms.price_max;
    require(command.amount <= most, Reject::amount_must_stay_below_the_price.at(2, command.amount, most))?;

    start(cx, Job::Correct { action: command.action, amount: command.amount });
    Ok(())
}

/// `ListWithholding`.
///
/// # Errors
/// 302, 304, 306, 309, 314.
pub fn list_withholding(cx: &mut Context<'_>, command: &ListWithholding) -> Result<(), Refusal> {
    let ListWithholding { asset, market, withholding_ppm } = *command;
    require((asset == 0) != (market == 0), Reject::parameter_must_be_within_bounds.at(2, i64::from(market), 0))?;
    require((0..=PPM).contains(&withholding_ppm), Reject::parameter_must_be_within_bounds.at(3, withholding_ppm, PPM))?;
    let new = if market == 0 {
        require(!cx.state.asset(asset)?.is_stablecoin(), Reject::base_must_be_a_token.at(1, i64::from(asset), 0))?;
        !cx.state.corporate.token_withholding.contains_key(&asset)
    } else {
        require(cx.state.market(market)?.is_perp(), Reject::market_must_exist.at(2, i64::from(market), 0))?;
        !cx.state.corporate.perp_withholding.contains_key(&market)
    };
    require(new, Reject::id_must_be_new.at(1, i64::from(asset.max(market)), 0))?;

    let corporate = &mut cx.state.corporate;
    let (list, id) = if market == 0 { (&mut corporate.token_withholding, asset) } else { (&mut corporate.perp_withholding, market) };
    list.insert(id, withholding_ppm);
    let what = if market == 0 { "token withholding" } else { "perp withholding" };
    cx.tell(&Listed { what: what.to_owned(), id, name: format!("{withholding_ppm} ppm") });
    Ok(())
}

/// A confirmed action that won't run as it was: its window and its guard go.
fn stand_down(cx: &mut Context<'_>, id: u64) {
    cx.state.corporate.windows.remove(&id);
    let Some(action) = cx.state.corporate.actions.get(&id) else { return };
    let (terms, now) = (action.terms.clone(), cx.state.now);
    if action.state == ActionState::Confirmed {
        cx.state.underlying_mut(terms.underlying).price.drop_guards(now, Some(id));
    }
}

/// The ratio of a split; none of any other kind.
fn split_of(terms: &ScheduleCorporateAction) -> Option<Ratio> {
    if terms.action_kind == SPLIT { Ratio::new(terms.ratio_new, terms.ratio_old) } else { None }
}

/// Starts a job; the venue waits until it is done.
fn start(cx: &mut Context<'_>, job: Job) {
    cx.state.corporate.running = Some(Running { job, cursor: 0, units: BTreeMap::new() });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, state by state: every step that is not listed is an error.
    #[test]
    fn a_life_has_no_other_step() {
        use ActionState::{Announced, Applied, Cancelled, Confirmed, Corrected, Running, Scheduled};
        use Step::{Announce, Cancel, Confirm, Correct, Finish, Miss, Schedule, Start};
        let states = [None, Some(Announced), Some(Scheduled), Some(Confirmed), Some(Running), Some(Applied), Some(Corrected), Some(Cancelled)];
        let steps = [Announce, Schedule, Confirm, Start, Miss, Finish, Correct, Cancel];
        let mut allowed = 0;
        for state in states {
            for step in steps {
                match after(state, step) {
                    Ok(_) => allowed += 1,
                    Err(refusal) => assert_eq!(refusal.code, Reject::corporate_action_must_be_in_a_state_for_this),
                }
            }
        }
        assert_eq!(allowed, LIFE.len());
        for over in [Some(Cancelled), Some(Running)] {
            let ends = steps.into_iter().filter(|&s| after(over, s).is_ok()).count();
            assert_eq!(ends, usize::from(over == Some(Running)));
        }
    }
}
