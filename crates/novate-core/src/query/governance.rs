//! Roles, proposals, eligibility, freezes, limits and releases: questions 1000 to 1099.
//!
//! Responsible for: reading, never changing. The effect of a change (question 1001) runs the handlers on a copy and stands with
//! them in `governance/effect.rs`.

use super::{arguments, reply, small};
use crate::limits;
use crate::state::State;
use crate::state::governance::{Actor, CapKind, Change, Grant, Holder, Power, Stage};
use serde::Serialize;
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;

const ACTORS: u64 = 1002;
const CHANGES: u64 = 1003;
const RESTRICTIONS: u64 = 1004;
const HOLDERS: u64 = 1005;
const CAPS: u64 = 1006;
const OBLIGORS: u64 = 1007;
const RELEASES: u64 = 1008;
/// Most lines of one page.
const PAGE: u32 = 1_000;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        ACTORS => reply(&state.governance.actors.iter().map(|(&id, actor)| actor_line(state, id, actor)).collect::<Vec<_>>()),
        CHANGES => reply(&state.governance.changes.iter().map(|(&id, change)| change_line(state, id, change)).collect::<Vec<_>>()),
        RESTRICTIONS => reply(&restrictions(state)),
        HOLDERS => {
            let (_, first, count) = arguments::<(u64, u32, u32)>(request)?;
            reply(&holders(state, first, count))
        }
        CAPS => reply(&state.governance.limits.keys().map(|&(kind, id)| cap_line(state, kind, id)).collect::<Vec<_>>()),
        OBLIGORS => {
            let (_, first, count) = arguments::<(u64, u32, u32)>(request)?;
            let end = (state.owners.len() as u32).min(first.saturating_add(count.min(PAGE)));
            reply(&(first.min(end)..end).map(|dense| obligor_line(state, dense)).collect::<Vec<_>>())
        }
        RELEASES => reply(&releases(state)),
        other => Err(super::unknown(other)),
    }
}

#[derive(Serialize)]
struct ActorLine {
    actor: u64,
    person: u64,
    owner: u32,
    revoked: bool,
    /// Highest request taken.
    request: u64,
    grants: Vec<GrantLine>,
}

#[derive(Serialize)]
struct GrantLine {
    account: u64,
    role: u8,
    markets: Vec<u32>,
    order_notional: i64,
    position_notional: i64,
    expires_ns: i64,
    in_force: bool,
}

fn actor_line(state: &State, id: u64, actor: &Actor) -> ActorLine {
    let grant = |g: &Grant| GrantLine {
        account: g.account,
        role: g.role as u8,
        markets: g.markets.clone(),
        order_notional: g.order_notional,
        position_notional: g.position_notional,
        expires_ns: g.expires_ns,
        in_force: g.expires_ns == 0 || state.now < g.expires_ns,
    };
    let grants = actor.grants.iter().map(grant).collect();
    ActorLine { actor: id, person: actor.person, owner: actor.owner, revoked: actor.revoked, request: actor.nonce, grants }
}

#[derive(Serialize)]
struct ChangeLine {
    change: u64,
    /// 0 waits for a second person, 1 for its time.
    stage: u8,
    account: u64,
    kind: u16,
    body: ByteBuf,
    reason: String,
    proposer: u64,
    proposer_person: u64,
    approver: u64,
    approver_person: u64,
    long_delay: bool,
    expires_ns: i64,
    approved_ns: i64,
    due_ns: i64,
    /// Regular opens of the calendar's underlying until it takes effect; 0 when it goes by time.
    opens_left: u32,
}

fn change_line(state: &State, id: u64, c: &Change) -> ChangeLine {
    let person = |actor: u64| if actor == 0 { 0 } else { crate::authority::person_of(state, actor) };
    ChangeLine {
        change: id,
        stage: u8::from(c.stage == Stage::Approved),
        account: c.account,
        kind: c.kind,
        body: c.body.clone().into(),
        reason: c.reason.clone(),
        proposer: c.proposer,
        proposer_person: person(c.proposer),
        approver: c.approver,
        approver_person: person(c.approver),
        long_delay: c.long,
        expires_ns: c.expires_ns,
        approved_ns: c.approved_ns,
        due_ns: c.due_ns,
        opens_left: c.due_open.saturating_sub(state.governance.opens),
    }
}

#[derive(Serialize)]
struct RestrictionLine {
    power: u8,
    id: u32,
    limit: i64,
    until_ns: i64,
}

fn restrictions(state: &State) -> Vec<RestrictionLine> {
    let line = |(&(power, id), r): (&(Power, u32), &crate::state::governance::Restriction)| RestrictionLine { power: power as u8, id, limit: r.limit, until_ns: r.until_ns };
    state.governance.restrictions.iter().map(line).collect()
}

#[derive(Serialize)]
struct HolderLine {
    owner: u32,
    /// 0 before it was classified.
    holder_class: u32,
    class_name: String,
    expires_ns: i64,
    expired: bool,
    frozen: bool,
    salted_id: ByteBuf,
    withdrawals_take_two: bool,
    keys_take_two: bool,
    cooling_ns: i64,
    addresses: Vec<(ByteBuf, i64)>,
    outflow: i64,
    outflow_ns: i64,
    lapses: Vec<LapseLine>,
}

#[derive(Serialize)]
struct LapseLine {
    account: u64,
    asset: u32,
    stage: u8,
    next_ns: i64,
}

fn holders(state: &State, first: u32, count: u32) -> Vec<HolderLine> {
    let known: BTreeSet<u32> = state.accounts.iter().map(|a| a.holder).chain(state.governance.holders.keys().copied()).collect();
    let page = known.range(first..).take(count.min(PAGE) as usize);
    page.map(|&owner| holder_line(state, owner)).collect()
}

fn holder_line(state: &State, owner: u32) -> HolderLine {
    let none = Holder::default();
    let holder = state.governance.holders.get(&owner).unwrap_or(&none);
    let class = state.governance.classes.get(&holder.class);
    let its_own = |account: u32| state.accounts.get(account as usize).filter(|a| a.holder == owner);
    let lapse = |(&(account, asset), l): (&(u32, u32), &crate::state::governance::Lapse)| {
        its_own(account).map(|a| LapseLine { account: a.id, asset, stage: l.stage as u8, next_ns: l.next_ns })
    };
    HolderLine {
        owner,
        holder_class: holder.class,
        class_name: class.map(|c| c.name.clone()).unwrap_or_default(),
        expires_ns: holder.expires_ns,
        expired: holder.class != 0 && state.now >= holder.expires_ns,
        frozen: limits::restricted(state, Power::Freeze, owner),
        salted_id: holder.salted_id.clone().into(),
        withdrawals_take_two: holder.policy.withdrawals,
        keys_take_two: holder.policy.keys,
        cooling_ns: holder.policy.cooling_ns,
        addresses: holder.addresses.iter().map(|(address, &usable_ns)| (address.clone().into(), usable_ns)).collect(),
        outflow: holder.outflow,
        outflow_ns: holder.outflow_ns,
        lapses: state.governance.lapses.iter().filter_map(lapse).collect(),
    }
}

#[derive(Serialize)]
struct CapLine {
    cap_kind: u8,
    id: u32,
    most: i64,
    closed_most: i64,
    /// The cap of the session now, and of a restriction that lowers it.
    in_force: i64,
    /// How much of it is used, by the account or obligor that uses most of it (0: everybody together).
    used: i64,
    by: u64,
}

fn cap_line(state: &State, kind: CapKind, id: u32) -> CapLine {
    let underlying = if kind == CapKind::Underlying { id } else { state.known_market(id).terms.underlying };
    let limit = state.governance.limits.get(&(kind, id)).copied().unwrap_or(crate::state::governance::Limit { most: 0, closed_most: 0 });
    let now = limits::cap(state, kind, id, underlying).unwrap_or(limit.most);
    let in_force = if kind == CapKind::OpenInterest { limits::lowered(state, Power::OpenInterest, id, now) } else { now };
    let (used, by) = limits::used(state, kind, id);
    CapLine { cap_kind: kind as u8, id, most: limit.most, closed_most: limit.closed_most, in_force, used: small(used), by }
}

#[derive(Serialize)]
struct ObligorLine {
    obligor: u32,
    /// Owners that are this one obligor.
    owners: Vec<u32>,
    accounts: Vec<u64>,
    /// Market, gross long lots, gross short lots.
    positions: Vec<(u32, i64, i64)>,
    /// Token, units admitted as unhedged collateral, the cap of one owner group.
    collateral: Vec<(u32, i64, i64)>,
}

fn obligor_line(state: &State, dense: u32) -> ObligorLine {
    let listed = &state.owners[dense as usize];
    let accounts = || listed.accounts.iter().map(|&a| &state.accounts[a as usize]);
    let owners: BTreeSet<u32> = accounts().map(|a| a.holder).chain([listed.id]).chain(state.governance.joined.iter().filter(|j| *j.1 == dense).map(|j| *j.0)).collect();
    let mut positions = Vec::new();
    for market in state.markets.iter().flatten().filter(|m| m.is_perp()) {
        let id = market.terms.market;
        let side = |sign: i64| small(accounts().map(|a| i128::from((sign * a.lots(id)).max(0))).sum());
        let (long, short) = (side(1), side(-1));
        if (long, short) != (0, 0) {
            positions.push((id, long, short));
        }
    }
    let mut collateral = Vec::new();
    for asset in state.assets.iter().flatten().filter(|a| !a.is_stablecoin()) {
        let id = asset.terms.asset;
        let admitted = small(accounts().filter_map(|a| a.balance(id)).map(|b| i128::from(b.admitted)).sum());
        if admitted != 0 {
            collateral.push((id, admitted, asset.terms.owner_cap));
        }
    }
    ObligorLine { obligor: listed.id, owners: owners.into_iter().collect(), accounts: accounts().map(|a| a.id).collect(), positions, collateral }
}

#[derive(Serialize)]
struct Releases {
    /// Release and ruleset that may be entered.
    permitted: Vec<(String, u32)>,
    quarantined: Vec<QuarantineLine>,
}

#[derive(Serialize)]
struct QuarantineLine {
    sequence: u64,
    digest: ByteBuf,
    people: Vec<u64>,
    /// Two people named it.
    confirmed: bool,
}

fn releases(state: &State) -> Releases {
    let g = &state.governance;
    let line = |&sequence: &u64| {
        let said = g.quarantined.get(&sequence).cloned().unwrap_or_default();
        QuarantineLine { sequence, digest: said.digest.into(), confirmed: said.people.len() >= 2, people: said.people }
    };
    Releases { permitted: g.permitted.iter().map(|(name, &ruleset)| (name.clone(), ruleset)).collect(), quarantined: g.skipped.iter().map(line).collect() }
}
