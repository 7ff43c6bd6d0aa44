//! Owners: who owns an account in law, and which owners are one obligor.
//!
//! Responsible for: moving an account between owners and joining owners, with what follows for caps and exit costs. Money, positions
//! and orders stay where they are, except orders in an auction's call.

use crate::account::Owner;
use crate::codec::Header;
use crate::command::{AddAddress, JoinOwners, MoveOwnership, RemoveAddress};
use crate::context::Context;
use crate::event::{AddressAdded, AddressRemoved, CancelReason, OwnersJoined, OwnershipMoved};
use crate::margin::{collateral::readmit, liquidity};
use crate::phase::Phase;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::{block, quote, trading};

/// Most addresses in one owner's book.
const ADDRESSES: usize = 256;

/// Puts an account under another obligor: what it counts of tokens is admitted anew, exit costs follow the new group.
fn regroup(state: &mut State, account: u32, to: u32) {
    let from = state.accounts[account as usize].owner;
    let tokens: Vec<u32> = state.accounts[account as usize].balances.iter().map(|b| b.asset).filter(|&a| !state.known_asset(a).is_stablecoin()).collect();
    for &asset in &tokens {
        let balance = state.accounts[account as usize].balance_mut(asset);
        let freed = std::mem::take(&mut balance.admitted);
        state.asset_mut(asset).admitted -= freed;
    }
    state.owners[from as usize].accounts.retain(|a| *a != account);
    let accounts = &mut state.owners[to as usize].accounts;
    accounts.push(account);
    accounts.sort_unstable();
    state.accounts[account as usize].owner = to;
    for asset in tokens {
        readmit(state, account, asset);
    }
    let stored: Vec<u32> = state.owners[from as usize].liquidity.iter().map(|r| r.underlying).collect();
    for underlying in stored {
        liquidity::store(state, to, underlying, (0, 0));
    }
}

/// Moves an account to another obligor. What could now meet the obligor's own side goes: orders in an auction's call, blocks
/// and quotes.
fn join_obligor(cx: &mut Context<'_>, account: u32, to: u32) {
    let calls: Vec<u32> = cx.state.markets.iter().flatten().filter(|m| m.phase.phase == Phase::Call).map(|m| m.terms.market).collect();
    trading::cancel_where(cx, account, CancelReason::Restricted, |market| calls.contains(&market));
    regroup(cx.state, account, to);
    block::lapse_own(cx);
    quote::lapse_own(cx);
}

/// Dense obligor of an owner id, made when the id is new.
fn obligor(state: &mut State, owner: u32) -> u32 {
    let State { owners, owner_index, .. } = state;
    *owner_index.entry(owner).or_insert_with(|| {
        owners.push(Owner::new(owner));
        owners.len() as u32 - 1
    })
}

/// `MoveOwnership`: the account's keys lose their roles; the new owner's come by grants.
///
/// # Errors
/// 201, 204, 505, 1025.
pub fn move_account(cx: &mut Context<'_>, command: &MoveOwnership) -> Result<(), Refusal> {
    let account = cx.state.account(command.account)?;
    require(command.owner != 0, Reject::owner_must_not_be_zero.at(2, 0, 1))?;
    let holder = &cx.state.accounts[account as usize];
    require(holder.holder != command.owner, Reject::owner_must_be_another.at(2, i64::from(command.owner), 0))?;
    require(holder.liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let to = obligor(cx.state, command.owner);
    cx.state.accounts[account as usize].holder = command.owner;
    if cx.state.accounts[account as usize].owner != to {
        join_obligor(cx, account, to);
    }
    for actor in cx.state.governance.actors.values_mut() {
        actor.grants.retain(|g| g.account != command.account);
    }
    cx.tell_account(account, &OwnershipMoved { owner: command.owner });
    cx.touch(account);
    Ok(())
}

/// `JoinOwners`: from now on one obligor. Later accounts of either join it, too.
///
/// # Errors
/// 1025, 1112.
pub fn join(cx: &mut Context<'_>, command: &JoinOwners) -> Result<(), Refusal> {
    let dense = |id: u32, field: u16| cx.state.owner_index.get(&id).copied().ok_or(Reject::owner_must_exist.at(field, i64::from(id), 0));
    let (from, to) = (dense(command.owner, 1)?, dense(command.into, 2)?);
    require(from != to, Reject::owner_must_be_another.at(2, i64::from(command.into), 0))?;
    for account in cx.state.owners[from as usize].accounts.clone() {
        join_obligor(cx, account, to);
        cx.touch(account);
    }
    let joined = cx.state.governance.joined.iter().filter(|(_, at)| **at == from).map(|(id, _)| *id);
    let ids: Vec<u32> = joined.chain([cx.state.owners[from as usize].id]).collect();
    for id in ids {
        cx.state.owner_index.insert(id, to);
        cx.state.governance.joined.insert(id, to);
    }
    cx.tell(&OwnersJoined { owner: command.owner, into: command.into });
    Ok(())
}

fn address_of(bytes: &[u8]) -> Result<(), Refusal> {
    require((1..=64).contains(&bytes.len()), Reject::address_must_be_short.at(1, bytes.len() as i64, 64))
}

/// `AddAddress`: usable after the owner's cooling-off.
///
/// # Errors
/// 201, 1026, 1027.
pub fn add_address(cx: &mut Context<'_>, header: &Header, command: &AddAddress) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    address_of(&command.address)?;
    let owner = cx.state.accounts[account as usize].holder;
    let there = cx.state.governance.holders.get(&owner).map_or(0, |h| h.addresses.len());
    require(there < ADDRESSES, Reject::address_must_be_short.at(1, there as i64, ADDRESSES as i64))?;
    let known = cx.state.governance.holders.get(&owner).is_some_and(|h| h.addresses.contains_key(command.address.as_slice()));
    require(!known, Reject::address_must_be_new.at(1, 0, 0))?;
    let now = cx.state.now;
    let holder = cx.state.governance.holders.entry(owner).or_default();
    let usable_ns = now.saturating_add(holder.policy.cooling_ns);
    holder.addresses.insert(command.address.to_vec(), usable_ns);
    cx.tell_account(account, &AddressAdded { address: command.address.clone(), usable_ns });
    Ok(())
}

/// `RemoveAddress`.
///
/// # Errors
/// 201, 1028.
pub fn remove_address(cx: &mut Context<'_>, header: &Header, command: &RemoveAddress) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let owner = cx.state.accounts[account as usize].holder;
    let addresses = cx.state.governance.holders.get_mut(&owner).map(|h| &mut h.addresses);
    let gone = addresses.and_then(|a| a.remove(command.address.as_slice()));
    require(gone.is_some(), Reject::address_must_be_usable.at(1, 0, 0))?;
    cx.tell_account(account, &AddressRemoved { address: command.address.clone() });
    Ok(())
}
