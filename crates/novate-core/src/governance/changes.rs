//! Changes that take two people: proposed, approved by another person, and carried out when their time has come.
//!
//! Responsible for: the life of a change, its delay, and what it would do to every account. Never knows what a command does:
//! the handler table is handed in as `Apply`.

use crate::authority::{self, Delay};
use crate::codec::{Header, VERSION};
use crate::command::{ApproveChange, Command, ConfigureGovernance, ProposeChange, RejectChange};
use crate::context::{Context, Scratch};
use crate::event::{ChangeApproved, ChangeEnded, ChangeExecuted, ChangePostponed, ChangeProposed, EventWriter};
use crate::margin::{Evaluation, Level, Portfolio, Question, evaluate};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::governance::{Change, Stage};

/// The handler table: what a command does once its sender's authority is known.
pub type Apply = fn(&mut Context<'_>, &Header, &Command) -> Result<(), Refusal>;

/// What happens to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Approve,
    Reject,
    Expire,
    Postpone,
    Due,
}

/// How a change ended without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Outcome {
    Rejected = 0,
    Expired = 1,
    Refused = 2,
}

/// The life of a change: (stage, happening) to stage; `None` when it is over. Anything else is an error.
fn next(stage: Stage, happening: Happening) -> Result<Option<Stage>, Refusal> {
    match (stage, happening) {
        (Stage::Proposed, Happening::Approve) | (Stage::Approved, Happening::Postpone) => Ok(Some(Stage::Approved)),
        (Stage::Proposed, Happening::Reject | Happening::Expire) | (Stage::Approved, Happening::Reject | Happening::Due) => Ok(None),
        _ => Err(Reject::change_must_be_in_the_right_stage.at(1, stage as i64, 0)),
    }
}

fn config(state: &State) -> Result<&ConfigureGovernance, Refusal> {
    state.governance.config.as_ref().ok_or_else(|| Reject::governance_must_be_configured.into())
}

/// 1 to 256 printable ASCII characters.
///
/// # Errors
/// `reason_must_be_given`.
pub fn reason(text: &str, field: u16) -> Result<(), Refusal> {
    let plain = (1..=256).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    require(plain, Reject::reason_must_be_given.at(field, text.len() as i64, 256))
}

/// The header under which a change's command runs.
fn header_of(state: &State, change: &Change) -> Header {
    Header {
        kind: change.kind,
        version: VERSION,
        account: change.account,
        actor: change.proposer,
        sequence: state.sequence,
        time_ns: state.now,
        ..Header::default()
    }
}

/// Runs a command as a change would, and forgets the events.
fn apply_to(state: &mut State, header: &Header, command: &Command, apply: Apply) -> Result<(), Refusal> {
    let (mut events, mut scratch) = (EventWriter::silent(), Scratch { governed: true, ..Scratch::default() });
    apply(&mut Context { state, events: &mut events, scratch: &mut scratch }, header, command)
}

/// The state as it would be with the change in force now.
///
/// # Errors
/// The refusal that the command would meet.
pub fn with_effect(state: &State, change: &Change, apply: Apply) -> Result<State, Refusal> {
    let header = header_of(state, change);
    let command = Command::take(&header, &change.body)?;
    let mut copy = state.clone();
    apply_to(&mut copy, &header, &command, apply)?;
    Ok(copy)
}

/// Equity and requirement of an account at every level.
#[must_use]
pub fn levels(state: &State, account: u32, portfolio: &mut Portfolio) -> [Evaluation; 4] {
    Level::ALL.map(|level| evaluate(state, account, &Question::at(level), portfolio))
}

/// Whether any account's requirement would rise, or its excess fall, at any level. Above the listed number of accounts it is taken
/// to be so: what can't be measured waits the long delay.
fn rises(before: &State, after: &State, most: u32) -> bool {
    if before.accounts.len() > most as usize {
        return true;
    }
    let mut portfolio = Portfolio::default();
    (0..before.accounts.len() as u32).any(|account| {
        let was = levels(before, account, &mut portfolio);
        let is = levels(after, account, &mut portfolio);
        was.iter().zip(&is).any(|(was, is)| is.requirement > was.requirement || is.excess() < was.excess())
    })
}

/// `ProposeChange`.
///
/// # Errors
/// 101 to 104, 1002, 1003, 1005, 1012, 1013, 1014, 1016.
pub fn propose(cx: &mut Context<'_>, header: &Header, command: &ProposeChange, apply: Apply) -> Result<(), Refusal> {
    let c = config(cx.state)?.clone();
    reason(&command.reason, 3)?;
    let length = command.command.len();
    let fits = (2..=c.change_bytes as usize).contains(&length);
    require(fits, Reject::wrapped_command_must_fit.at(2, length as i64, i64::from(c.change_bytes)))?;
    let open = cx.state.governance.changes.len();
    require(open < c.open_changes as usize, Reject::open_changes_must_be_below_limit.at(0, open as i64, i64::from(c.open_changes)))?;
    let (kind, body) = command.command.split_at(2);
    let kind = u16::from_le_bytes([kind[0], kind[1]]);
    let wrapped = Command::take(&Header { kind, version: VERSION, ..Header::default() }, body)?;
    let (roles, place, delay) = authority::wrapped(cx.state, command.account, kind, &wrapped)?;
    authority::person(cx.state, header.actor, place, roles)?;

    let mut change = Change {
        stage: Stage::Proposed,
        account: command.account,
        kind,
        body: body.to_vec(),
        reason: command.reason.clone(),
        proposer: header.actor,
        approver: 0,
        long: false,
        expires_ns: cx.state.now.saturating_add(c.approval_ns),
        approved_ns: 0,
        due_ns: 0,
        due_open: 0,
    };
    let effect = with_effect(cx.state, &change, apply);
    let refusal = effect.as_ref().err().map_or(0, |r| r.code as u16);
    change.long = delay == Delay::Measured && effect.map_or(true, |after| rises(cx.state, &after, c.measured_accounts));
    let event = ChangeProposed {
        change: cx.state.governance.last_change + 1,
        kind,
        long_delay: u8::from(change.long),
        refusal,
        expires_ns: change.expires_ns,
        reason: command.reason.clone(),
    };
    cx.state.governance.last_change += 1;
    cx.state.governance.changes.insert(event.change, change);
    cx.tell(&event);
    Ok(())
}

/// The change, its roles and delay.
fn open(state: &State, id: u64) -> Result<(Change, &'static [crate::state::governance::Role], u64, Delay), Refusal> {
    let change = state.governance.changes.get(&id).cloned().ok_or(Reject::change_must_be_open.at(1, id as i64, 0))?;
    let command = Command::take(&header_of(state, &change), &change.body)?;
    let (roles, place, delay) = authority::wrapped(state, change.account, change.kind, &command)?;
    Ok((change, roles, place, delay))
}

/// `ApproveChange`: by another person than the proposer, with a role that the command's authority names.
///
/// # Errors
/// 1002, 1003, 1005, 1015, 1017, 1018.
pub fn approve(cx: &mut Context<'_>, header: &Header, command: &ApproveChange) -> Result<(), Refusal> {
    let c = config(cx.state)?.clone();
    let (mut change, roles, place, delay) = open(cx.state, command.change)?;
    let person = authority::person(cx.state, header.actor, place, roles)?.person;
    let proposer = cx.state.governance.actors.get(&change.proposer).map_or(0, |a| a.person);
    require(person != proposer, Reject::approver_must_be_another_person.at(0, header.actor as i64, change.proposer as i64))?;
    let stage = next(change.stage, Happening::Approve)?;

    change.stage = stage.unwrap_or(Stage::Approved);
    change.approver = header.actor;
    change.approved_ns = cx.state.now;
    set_due(&mut change, &c, delay, cx.state.governance.opens);
    let opens_left = change.due_open.saturating_sub(cx.state.governance.opens);
    let event = ChangeApproved { change: command.change, due_ns: change.due_ns, opens_left };
    cx.state.governance.changes.insert(command.change, change);
    cx.tell(&event);
    Ok(())
}

/// When an approved change takes effect, from its approval on.
fn set_due(change: &mut Change, c: &ConfigureGovernance, delay: Delay, opens: u32) {
    let wait = match delay {
        Delay::None => 0,
        Delay::Ownership => c.ownership_delay_ns,
        Delay::Measured if !change.long => c.short_delay_ns,
        Delay::Measured => c.long_delay_ns,
    };
    let by_opens = delay == Delay::Measured && change.long && c.calendar_underlying != 0;
    change.due_open = if by_opens { opens.saturating_add(c.long_delay_opens) } else { 0 };
    change.due_ns = if by_opens { 0 } else { change.approved_ns.saturating_add(wait).max(1) };
}

/// `RejectChange`: by anyone who could approve it, or by who proposed it.
///
/// # Errors
/// 1002, 1003, 1005, 1015.
pub fn reject(cx: &mut Context<'_>, header: &Header, command: &RejectChange) -> Result<(), Refusal> {
    config(cx.state)?;
    let (change, roles, place, _) = open(cx.state, command.change)?;
    authority::person(cx.state, header.actor, place, roles)?;
    next(change.stage, Happening::Reject)?;
    end(cx, command.change, Outcome::Rejected, Refusal { code: Reject::change_must_be_open, field: 0, value: 0, limit: 0 });
    Ok(())
}

fn end(cx: &mut Context<'_>, id: u64, outcome: Outcome, refusal: Refusal) {
    cx.state.governance.changes.remove(&id);
    let code = if outcome == Outcome::Refused { refusal.code as u16 } else { 0 };
    cx.tell(&ChangeEnded { change: id, outcome: outcome as u8, code, value: refusal.value, limit: refusal.limit });
}

/// Ends what nobody approved in time and carries out what is due, in order of time and id, a listed number at most.
pub fn run(cx: &mut Context<'_>, apply: Apply) {
    let Some(c) = cx.state.governance.config.clone() else { return };
    let (now, opens, opened_ns) = (cx.state.now, cx.state.governance.opens, cx.state.governance.opened_ns);
    let most = c.changes_per_advance as usize;
    let late = |ch: &Change| now >= ch.expires_ns && next(ch.stage, Happening::Expire).is_ok();
    let expired: Vec<u64> = cx.state.governance.changes.iter().filter(|(_, ch)| late(ch)).map(|(id, _)| *id).take(most).collect();
    for id in expired {
        end(cx, id, Outcome::Expired, Reject::change_must_be_open.into());
    }
    let mut due: Vec<(i64, u64)> = Vec::new();
    for (&id, change) in cx.state.governance.changes.iter().filter(|(_, ch)| next(ch.stage, Happening::Due).is_ok()) {
        let counted = change.due_open != 0 && opens >= change.due_open;
        let at = if counted { opened_ns } else { change.due_ns };
        if at != 0 && at <= now {
            due.push((at, id));
        }
    }
    due.sort_unstable();
    for (_, id) in due.into_iter().take(most) {
        execute(cx, id, &c, apply);
    }
}

fn execute(cx: &mut Context<'_>, id: u64, c: &ConfigureGovernance, apply: Apply) {
    let Some(mut change) = cx.state.governance.changes.get(&id).cloned() else { return };
    let header = header_of(cx.state, &change);
    let both = open(cx.state, id).and_then(|(_, roles, place, delay)| {
        authority::person(cx.state, change.proposer, place, roles)?;
        authority::person(cx.state, change.approver, place, roles)?;
        Ok((delay, Command::take(&header, &change.body)?))
    });
    let (delay, command) = match both {
        Ok(both) => both,
        Err(refusal) => return end(cx, id, Outcome::Refused, refusal),
    };
    let measured = delay == Delay::Measured;
    if measured && !change.long && with_effect(cx.state, &change, apply).is_ok_and(|after| rises(cx.state, &after, c.measured_accounts)) {
        change.long = true;
        change.stage = next(change.stage, Happening::Postpone).ok().flatten().unwrap_or(Stage::Approved);
        set_due(&mut change, c, Delay::Measured, cx.state.governance.opens);
        let due_ns = change.due_ns;
        cx.state.governance.changes.insert(id, change);
        return cx.tell(&ChangePostponed { change: id, due_ns });
    }
    cx.scratch.governed = true;
    let outcome = apply(cx, &header, &command);
    cx.scratch.governed = false;
    match outcome {
        Ok(()) => {
            cx.state.governance.changes.remove(&id);
            cx.tell(&ChangeExecuted { change: id, kind: change.kind });
        }
        Err(refusal) => end(cx, id, Outcome::Refused, refusal),
    }
}
