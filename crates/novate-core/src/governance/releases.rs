//! Releases that may take over, and commands that panic.
//!
//! Responsible for: the permission of a release, and what two people said of a command that must not be applied. The hashes on both
//! sides of a release are taken in `dispatch`, which sees the whole state; the engine answers quarantined commands before dispatch.

use crate::codec::Header;
use crate::command::{PermitRelease, QuarantineCommand};
use crate::context::Context;
use crate::event::{CommandQuarantined, ReleasePermitted};
use crate::params;
use crate::reject::{Refusal, Reject, require};

/// `PermitRelease`.
///
/// # Errors
/// 108, 310.
pub fn permit(cx: &mut Context<'_>, command: &PermitRelease) -> Result<(), Refusal> {
    params::plain_name(&command.release, 1)?;
    let known = command.ruleset == crate::RULESET;
    require(known, Reject::ruleset_must_be_supported.at(2, i64::from(command.ruleset), i64::from(crate::RULESET)))?;
    cx.state.governance.permitted.insert(command.release.clone(), command.ruleset);
    cx.tell(&ReleasePermitted { release: command.release.clone(), ruleset: command.ruleset });
    Ok(())
}

/// `QuarantineCommand`: two of them, by two people, naming the same message; then every replay answers it unapplied.
///
/// # Errors
/// 1029 to 1031.
pub fn quarantine(cx: &mut Context<'_>, header: &Header, command: &QuarantineCommand) -> Result<(), Refusal> {
    let before = (1..header.sequence).contains(&command.quarantined);
    require(before, Reject::quarantine_must_name_an_earlier_command.at(1, command.quarantined as i64, header.sequence as i64))?;
    require(command.digest.len() == 32, Reject::quarantine_must_name_the_message.at(2, command.digest.len() as i64, 32))?;
    let skipped = cx.state.governance.skipped.contains(&command.quarantined);
    require(skipped, Reject::quarantine_must_name_an_earlier_command.at(1, command.quarantined as i64, 0))?;
    let person = cx.state.governance.actors.get(&header.actor).map_or(header.actor, |a| a.person);
    if let Some(said) = cx.state.governance.quarantined.get(&command.quarantined) {
        let same = said.digest == command.digest.as_slice();
        require(same, Reject::quarantine_must_name_the_message.at(2, command.quarantined as i64, 0))?;
        require(!said.people.contains(&person), Reject::quarantine_takes_two_people.at(1, command.quarantined as i64, 0))?;
    }
    let said = cx.state.governance.quarantined.entry(command.quarantined).or_default();
    said.digest = command.digest.to_vec();
    said.people.push(person);
    let people = said.people.len() as u8;
    cx.tell(&CommandQuarantined { quarantined: command.quarantined, people });
    Ok(())
}
