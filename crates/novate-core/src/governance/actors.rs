//! Keys and roles.
//!
//! Responsible for: making keys known, giving and taking roles, revoking for ever, and switching governance on. Never decides who may
//! send these commands: `authority` does.

use crate::codec::Header;
use crate::command::{ConfigureGovernance, GrantRole, RegisterActor, RevokeActor, RevokeRole, SetOwnerPolicy};
use crate::context::Context;
use crate::event::{ActorRegistered, ActorRevoked, GovernanceConfigured, OwnerPolicySet, RoleGranted, RoleRevoked};
use crate::limits::find;
use crate::params;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::governance::{Actor, Grant, Policy, Role};
use crate::units::{SECOND, YEAR};
use std::collections::BTreeSet;

/// Bounds of the parameters.
///
/// # Errors
/// 305, 309.
pub fn check(state: &State, c: &ConfigureGovernance) -> Result<(), Refusal> {
    params::within(&[
        (1, c.short_delay_ns, 0, YEAR),
        (2, c.long_delay_ns, c.short_delay_ns, YEAR),
        (4, i64::from(c.long_delay_opens), 1, 250),
        (5, c.ownership_delay_ns, 0, YEAR),
        (6, c.approval_ns, SECOND, YEAR),
        (7, c.emergency_ns, SECOND, YEAR),
        (8, i64::from(c.measured_accounts), 1, 10_000_000),
        (9, i64::from(c.open_changes), 1, 10_000),
        (10, i64::from(c.change_bytes), 64, 1_000_000),
        (11, i64::from(c.changes_per_advance), 1, 10_000),
        (12, i64::from(c.nonce_window), 0, 64),
        (13, c.outflow_window_ns, SECOND, YEAR),
        (14, c.outflow_limit, 0, i64::MAX / 4),
        (15, c.outflow_wait_ns, 0, YEAR),
    ])?;
    if c.calendar_underlying != 0 {
        state.underlying(c.calendar_underlying).map_err(|r| Refusal { field: 3, ..r })?;
    }
    Ok(())
}

/// `ConfigureGovernance`: only when two people can run the venue and a keeper can drive it, so that nobody locks it for ever.
///
/// # Errors
/// 303, 305, 309, 1006, 1007.
pub fn configure(cx: &mut Context<'_>, command: &ConfigureGovernance) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.governance.config.is_none(), Reject::governance_must_be_configured_once)?;
    check(cx.state, command)?;
    let with = |roles: &[Role]| {
        let actors = cx.state.governance.actors.values().filter(|a| !a.revoked && roles.iter().any(|&r| find(&a.grants, 0, r).is_some()));
        actors.map(|a| a.person).collect::<BTreeSet<_>>().len() as i64
    };
    for (roles, least) in [(&[Role::Operator, Role::Risk][..], 2), (&[Role::Compliance][..], 2), (&[Role::Keeper][..], 1)] {
        require(with(roles) >= least, Reject::governance_needs_its_people.at(0, with(roles), least))?;
    }
    cx.state.governance.config = Some(command.clone());
    cx.tell(&GovernanceConfigured {});
    Ok(())
}

/// `RegisterActor`.
///
/// # Errors
/// 1001, 1009.
pub fn register(cx: &mut Context<'_>, command: &RegisterActor) -> Result<(), Refusal> {
    require(command.actor != 0 && command.person != 0, Reject::actor_must_be_known.at(1, command.actor as i64, 0))?;
    let known = cx.state.governance.actors.contains_key(&command.actor);
    require(!known, Reject::actor_must_be_new.at(1, command.actor as i64, 0))?;
    let actor = Actor { person: command.person, owner: command.owner, ..Actor::default() };
    cx.state.governance.actors.insert(command.actor, actor);
    let RegisterActor { actor, person, owner } = *command;
    cx.tell(&ActorRegistered { actor, person, owner });
    Ok(())
}

fn known(state: &State, actor: u64) -> Result<&Actor, Refusal> {
    let known = state.governance.actors.get(&actor).ok_or(Reject::actor_must_be_known.at(1, actor as i64, 0))?;
    require(!known.revoked, Reject::actor_must_not_be_revoked.at(1, actor as i64, 0))?;
    Ok(known)
}

fn of_account(cx: &Context<'_>, header: &Header) -> Result<Option<u32>, Refusal> {
    if header.account == 0 { Ok(None) } else { cx.state.account(header.account).map(Some) }
}

/// `GrantRole`: at an account its people trade, see and pay; the venue's roles are the venue's.
///
/// # Errors
/// 201, 306, 309, 1001, 1002, 1008, 1011.
pub fn grant(cx: &mut Context<'_>, header: &Header, command: &GrantRole) -> Result<(), Refusal> {
    let account = of_account(cx, header)?;
    let actor = known(cx.state, command.actor)?;
    let role = Role::of(command.role)?;
    let own = matches!(role, Role::Trader | Role::Viewer | Role::Treasurer);
    let place = account.map_or(0, |a| cx.state.accounts[a as usize].holder);
    let fits = actor.owner == place && (own || account.is_none());
    require(fits, Reject::role_must_fit_its_person.at(2, i64::from(command.role), i64::from(place)))?;
    for &market in &command.markets {
        cx.state.market(u32::try_from(market).unwrap_or(0)).map_err(|r| Refusal { field: 3, ..r })?;
    }
    params::within(&[(4, command.order_notional, 0, i64::MAX), (5, command.position_notional, 0, i64::MAX), (6, command.expires_ns, 0, i64::MAX)])?;
    require(command.markets.len() <= 256, Reject::parameter_must_be_within_bounds.at(3, command.markets.len() as i64, 256))?;

    let grant = Grant {
        account: header.account,
        role,
        markets: command.markets.iter().map(|&m| m as u32).collect(),
        order_notional: command.order_notional,
        position_notional: command.position_notional,
        expires_ns: command.expires_ns,
    };
    let grants = &mut cx.state.governance.actors.get_mut(&command.actor).expect("known before").grants;
    grants.retain(|g| (g.account, g.role) != (header.account, role));
    grants.push(grant);
    tell(cx, account, &RoleGranted { actor: command.actor, role: command.role, expires_ns: command.expires_ns });
    Ok(())
}

fn tell<B: crate::codec::Body>(cx: &mut Context<'_>, account: Option<u32>, event: &B) {
    match account {
        Some(account) => cx.tell_account(account, event),
        None => cx.tell(event),
    }
}

/// `RevokeRole`.
///
/// # Errors
/// 201, 1001, 1002, 1008.
pub fn revoke_role(cx: &mut Context<'_>, header: &Header, command: &RevokeRole) -> Result<(), Refusal> {
    let account = of_account(cx, header)?;
    let role = Role::of(command.role)?;
    let has = find(&known(cx.state, command.actor)?.grants, header.account, role).is_some();
    require(has, Reject::actor_must_have_the_role.at(1, command.actor as i64, i64::from(command.role)))?;
    let grants = &mut cx.state.governance.actors.get_mut(&command.actor).expect("known before").grants;
    grants.retain(|g| (g.account, g.role) != (header.account, role));
    tell(cx, account, &RoleRevoked { actor: command.actor, role: command.role });
    Ok(())
}

/// `RevokeActor`: the id is spent; it never acts again.
///
/// # Errors
/// 1001, 1002.
pub fn revoke(cx: &mut Context<'_>, command: &RevokeActor) -> Result<(), Refusal> {
    known(cx.state, command.actor)?;
    let actor = cx.state.governance.actors.get_mut(&command.actor).expect("known before");
    actor.revoked = true;
    actor.grants.clear();
    cx.tell(&ActorRevoked { actor: command.actor });
    Ok(())
}

/// `SetOwnerPolicy`.
///
/// # Errors
/// 201, 309.
pub fn policy(cx: &mut Context<'_>, header: &Header, command: &SetOwnerPolicy) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    params::within(&[(1, i64::from(command.withdrawals), 0, 1), (2, i64::from(command.keys), 0, 1), (3, command.cooling_ns, 0, YEAR)])?;
    let owner = cx.state.accounts[account as usize].holder;
    let SetOwnerPolicy { withdrawals, keys, cooling_ns } = *command;
    cx.state.governance.holders.entry(owner).or_default().policy = Policy { withdrawals: withdrawals == 1, keys: keys == 1, cooling_ns };
    cx.tell_account(account, &OwnerPolicySet { withdrawals, keys, cooling_ns });
    Ok(())
}
