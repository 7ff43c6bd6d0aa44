//! Holder classes, rules of eligibility, and owners' classifications.
//!
//! Responsible for: putting them in their place, each with the version of the rules it was decided under. Never answers who may
//! hold what: `eligibility` does.

use crate::command::{ClassifyOwner, ConfigureEligibility, ListHolderClass, SetEligibility};
use crate::context::Context;
use crate::event::{EligibilityConfigured, EligibilitySet, Listed, OwnerClassified};
use crate::params;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::governance::{Admission, Subject};
use crate::units::YEAR;

fn jurisdiction(text: &str, field: u16) -> Result<(), Refusal> {
    let known = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    require(known, Reject::class_fields_must_be_known.at(field, text.len() as i64, 2))
}

fn configured(state: &State) -> Result<(), Refusal> {
    require(state.governance.eligibility.is_some(), Reject::eligibility_must_be_configured)
}

/// `ConfigureEligibility`.
///
/// # Errors
/// 303, 307, 309, 1105, 1107.
pub fn configure(cx: &mut Context<'_>, command: &ConfigureEligibility) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.governance.eligibility.is_none(), Reject::eligibility_must_be_configured_once)?;
    check(cx.state, command)?;
    cx.state.governance.eligibility = Some(command.clone());
    cx.state.governance.rules_version += 1;
    cx.tell(&EligibilityConfigured {});
    Ok(())
}

/// Bounds of the parameters.
///
/// # Errors
/// 307, 309, 1107.
pub fn check(state: &State, command: &ConfigureEligibility) -> Result<(), Refusal> {
    jurisdiction(&command.excluded_jurisdiction, 1)?;
    for &bucket in &command.restricted_buckets {
        state.bucket(u32::try_from(bucket).unwrap_or(0)).map_err(|_| Reject::bucket_must_exist.at(2, bucket, 0))?;
    }
    params::within(&[(3, command.notice_ns, 0, YEAR), (4, command.reduce_only_ns, 0, YEAR)])
}

/// `ListHolderClass`.
///
/// # Errors
/// 301, 302, 309, 310, 1104, 1107.
pub fn class(cx: &mut Context<'_>, command: &ListHolderClass) -> Result<(), Refusal> {
    configured(cx.state)?;
    params::listable_id(command.holder_class)?;
    params::plain_name(&command.name, 2)?;
    jurisdiction(&command.jurisdiction, 3)?;
    require(command.holder_type <= 3, Reject::class_fields_must_be_known.at(4, i64::from(command.holder_type), 3))?;
    let known = cx.state.governance.classes.contains_key(&command.holder_class);
    require(!known, Reject::id_must_be_new.at(1, i64::from(command.holder_class), 0))?;

    cx.state.governance.classes.insert(command.holder_class, command.clone());
    cx.state.governance.rules_version += 1;
    cx.tell(&Listed { what: "holder_class".to_owned(), id: command.holder_class, name: command.name.clone() });
    Ok(())
}

/// `SetEligibility`: takes the place of an earlier rule for the same subject and class.
///
/// # Errors
/// 304, 306, 1104, 1106, 1108, 1109.
pub fn rule(cx: &mut Context<'_>, command: &SetEligibility) -> Result<(), Refusal> {
    configured(cx.state)?;
    let subject = match command.subject {
        0 => cx.state.asset(command.id).map(|_| Subject::Asset)?,
        1 => cx.state.market(command.id).map(|_| Subject::Market)?,
        other => return Err(Reject::subject_must_be_known.at(1, i64::from(other), 1)),
    };
    known_class(cx.state, command.holder_class, 3)?;
    require(command.admits <= 1, Reject::class_fields_must_be_known.at(4, i64::from(command.admits), 1))?;
    let ordered = command.from_ns >= 0 && (command.until_ns == 0 || command.until_ns > command.from_ns);
    require(ordered, Reject::eligibility_must_have_an_order_of_times.at(6, command.until_ns, command.from_ns))?;

    let rule = Admission { admits: command.admits == 1, from_ns: command.from_ns, until_ns: command.until_ns };
    cx.state.governance.admissions.insert((subject, command.id, command.holder_class), rule);
    cx.state.governance.rules_version += 1;
    let SetEligibility { subject, id, holder_class, admits, from_ns, until_ns } = *command;
    let version = cx.state.governance.rules_version;
    cx.tell(&EligibilitySet { subject, id, holder_class, admits, from_ns, until_ns, version });
    Ok(())
}

fn known_class(state: &State, class: u32, field: u16) -> Result<(), Refusal> {
    require(state.governance.classes.contains_key(&class), Reject::class_must_exist.at(field, i64::from(class), 0))
}

/// `ClassifyOwner`.
///
/// # Errors
/// 1104, 1106, 1108, 1110, 1112.
pub fn classify(cx: &mut Context<'_>, command: &ClassifyOwner) -> Result<(), Refusal> {
    configured(cx.state)?;
    known_class(cx.state, command.holder_class, 2)?;
    let known = cx.state.accounts.iter().any(|a| a.holder == command.owner);
    require(known, Reject::owner_must_exist.at(1, i64::from(command.owner), 0))?;
    require(command.expires_ns > cx.state.now, Reject::eligibility_must_have_an_order_of_times.at(3, command.expires_ns, cx.state.now))?;
    let length = command.salted_id.len();
    require((1..=64).contains(&length), Reject::salted_id_must_be_short.at(4, length as i64, 64))?;

    let holder = cx.state.governance.holders.entry(command.owner).or_default();
    holder.class = command.holder_class;
    holder.expires_ns = command.expires_ns;
    holder.salted_id = command.salted_id.to_vec();
    let version = cx.state.governance.rules_version;
    cx.tell(&OwnerClassified { owner: command.owner, holder_class: command.holder_class, expires_ns: command.expires_ns, version });
    Ok(())
}
