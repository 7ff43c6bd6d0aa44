//! Emergency powers: one person restricts, time or two people end it.
//!
//! Responsible for: putting restrictions in force and ending them. A restriction only reduces risk. Never enforces one: `limits`
//! and `eligibility` answer whether it holds.

use crate::command::{ConfirmRestriction, LiftRestriction, Restrict, SetLimit};
use crate::context::Context;
use crate::event::{CancelReason, LimitSet, Restricted, RestrictionEnded};
use crate::governance::changes::reason;
use crate::params;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::governance::{Limit, CapKind, Power, Restriction};
use crate::trading::cancel_where;

/// That the id names what the power is about, and the cap in force that a restriction may lower.
fn subject(state: &State, power: Power, id: u32) -> Result<i64, Refusal> {
    Ok(match power {
        Power::CancelOnly | Power::ReduceOnly => state.market(id).map(|_| 0)?,
        Power::Withdrawals => require(id == 0, Reject::power_must_be_known.at(2, i64::from(id), 0)).map(|()| 0)?,
        Power::Issuance => state.asset(id).map(|_| 0)?,
        Power::CollateralCap => state.asset(id)?.terms.venue_cap,
        Power::OpenInterest => {
            state.market(id)?;
            state.governance.limits.get(&(CapKind::OpenInterest, id)).map_or(i64::MAX, |l| l.most.max(l.closed_most))
        }
        Power::Freeze => {
            let known = state.accounts.iter().any(|a| a.holder == id);
            require(known, Reject::owner_must_exist.at(2, i64::from(id), 0)).map(|()| 0)?
        }
    })
}

/// `Restrict`: in force at once, until its time unless two people confirm it. A second one may only be tighter.
///
/// # Errors
/// 304, 306, 1005, 1014, 1019, 1020, 1112.
pub fn restrict(cx: &mut Context<'_>, command: &Restrict) -> Result<(), Refusal> {
    let config = cx.state.governance.config.as_ref().ok_or(Reject::governance_must_be_configured)?;
    let power = Power::of(command.power)?;
    reason(&command.reason, 4)?;
    let cap = subject(cx.state, power, command.id)?;
    let there = cx.state.governance.restrictions.get(&(power, command.id)).copied();
    let lowers = matches!(power, Power::CollateralCap | Power::OpenInterest);
    let below = there.map_or(cap, |r| r.limit.min(cap));
    let tighter = if lowers { (0..below).contains(&command.limit) } else { there.is_none() && command.limit == 0 };
    require(tighter, Reject::restriction_must_reduce_risk.at(3, command.limit, below))?;

    let until_ns = if there.is_some_and(|r| r.until_ns == 0) { 0 } else { cx.state.now.saturating_add(config.emergency_ns) };
    cx.state.governance.restrictions.insert((power, command.id), Restriction { limit: command.limit, until_ns });
    cx.tell(&Restricted { power: command.power, id: command.id, limit: command.limit, until_ns, reason: command.reason.clone() });
    if power == Power::Freeze {
        for account in 0..cx.state.accounts.len() as u32 {
            if cx.state.accounts[account as usize].holder == command.id {
                cancel_where(cx, account, CancelReason::Restricted, |_| true);
                cx.touch(account);
            }
        }
    }
    Ok(())
}

fn in_force(cx: &Context<'_>, power: u8, id: u32) -> Result<Power, Refusal> {
    let power = Power::of(power)?;
    let there = cx.state.governance.restrictions.contains_key(&(power, id));
    require(there, Reject::restriction_must_be_in_force.at(2, i64::from(id), 0))?;
    Ok(power)
}

/// `ConfirmRestriction`.
///
/// # Errors
/// 1019, 1021.
pub fn confirm(cx: &mut Context<'_>, command: &ConfirmRestriction) -> Result<(), Refusal> {
    let power = in_force(cx, command.power, command.id)?;
    let restriction = cx.state.governance.restrictions.get_mut(&(power, command.id)).expect("in force");
    restriction.until_ns = 0;
    let limit = restriction.limit;
    cx.tell(&Restricted { power: command.power, id: command.id, limit, until_ns: 0, reason: "confirmed by two people".to_owned() });
    Ok(())
}

/// `LiftRestriction`.
///
/// # Errors
/// 1019, 1021.
pub fn lift(cx: &mut Context<'_>, command: &LiftRestriction) -> Result<(), Refusal> {
    let power = in_force(cx, command.power, command.id)?;
    cx.state.governance.restrictions.remove(&(power, command.id));
    cx.tell(&RestrictionEnded { power: command.power, id: command.id, lifted: 1 });
    Ok(())
}

/// Ends restrictions whose time is over.
pub fn expire(cx: &mut Context<'_>) {
    let now = cx.state.now;
    let over: Vec<(Power, u32)> = cx.state.governance.restrictions.iter().filter(|(_, r)| r.until_ns != 0 && now >= r.until_ns).map(|(key, _)| *key).collect();
    for (power, id) in over {
        cx.state.governance.restrictions.remove(&(power, id));
        cx.tell(&RestrictionEnded { power: power as u8, id, lifted: 0 });
    }
}

/// `SetLimit`: a cap on what orders may open from now on; positions above it stay and only shrink.
///
/// # Errors
/// 305, 306, 309, 1022.
pub fn limit(cx: &mut Context<'_>, command: &SetLimit) -> Result<(), Refusal> {
    let kind = CapKind::of(command.cap_kind)?;
    match kind {
        CapKind::Underlying => cx.state.underlying(command.id).map(|_| ())?,
        _ => require(cx.state.market(command.id)?.is_perp(), Reject::cap_kind_must_be_known.at(2, i64::from(command.id), 0))?,
    }
    params::within(&[(3, command.most, 0, i64::MAX), (4, command.closed_most, 0, command.most)])?;
    let key = (kind, command.id);
    if command.most == 0 {
        cx.state.governance.limits.remove(&key);
    } else {
        cx.state.governance.limits.insert(key, Limit { most: command.most, closed_most: command.closed_most });
    }
    let SetLimit { cap_kind, id, most, closed_most } = *command;
    cx.tell(&LimitSet { cap_kind, id, most, closed_most });
    Ok(())
}
