//! Blocks: a privately agreed trade that one account proposes and another accepts.
//!
//! Responsible for: both consents and the life of a proposal (`offer`). A proposal reserves nothing; both sides are margined
//! at the acceptance, in the command that trades.

use crate::bilateral::{self, Origin};
use crate::codec::Header;
use crate::command::{AcceptBlock, DeclineBlock, ProposeBlock, WithdrawBlock};
use crate::context::Context;
use crate::event::{BlockEnded, BlockProposed};
use crate::legs;
use crate::offer::{self, OfferEvent};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::packages::{Block, Due};

/// `ProposeBlock`.
///
/// # Errors
/// 201, 306, 405, 418, 460, 461, 467 to 472, 505, 606.
pub fn propose(cx: &mut Context<'_>, header: &Header, c: &ProposeBlock) -> Result<(), Refusal> {
    let proposer = cx.state.account(header.account)?;
    let counterparty = cx.state.account(c.counterparty)?;
    bilateral::check_owners(cx.state, proposer, counterparty)?;
    let legs = legs::read(cx.state, (&c.markets, &c.lots, Some(&c.prices)), 2, 1, false)?;
    offer::check_expiry(cx.state, c.expiry_ns, 5)?;
    bilateral::check_sizes(cx.state, Origin::Block, &legs, 2)?;
    legs::check_sizes(cx.state, proposer, &legs)?;
    bilateral::check_prices(cx.state, &legs, 4)?;
    require(cx.state.accounts[proposer as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let most = cx.state.packages.terms.as_ref().map_or(0, |t| t.open_blocks);
    offer::check_room(offer::open(cx.state, proposer).proposed, most)?;
    offer::check_room(offer::open(cx.state, counterparty).waiting, most)?;

    let block = offer::number(cx.state);
    cx.state.packages.blocks.insert(block, Block { proposer, counterparty, legs, made_ns: cx.state.now, expiry_ns: c.expiry_ns });
    cx.state.packages.due.insert((c.expiry_ns, Due::Block(block)));
    offer::count(cx.state, proposer, |open| open.proposed += 1);
    offer::count(cx.state, counterparty, |open| open.waiting += 1);
    let ProposeBlock { counterparty: to, markets, lots, prices, expiry_ns } = c.clone();
    let event = BlockProposed { block, proposer: header.account, counterparty: to, markets, lots, prices, expiry_ns };
    cx.tell_account(proposer, &event);
    cx.tell_account(counterparty, &event);
    Ok(())
}

/// An open block, when the account has the part in it that the command needs.
fn open_block(state: &State, block: u64, part: impl Fn(&Block) -> bool) -> Result<Block, Refusal> {
    let found = state.packages.blocks.get(&block).filter(|b| b.expiry_ns > state.now && part(b));
    found.cloned().ok_or(Reject::block_must_be_open.at(1, block as i64, 0))
}

/// `AcceptBlock`: the second consent. The price is looked at again, and both sides' end states.
///
/// # Errors
/// 201, 469, 473, 478, 606, and those of `legs::check_side`.
pub fn accept(cx: &mut Context<'_>, header: &Header, c: &AcceptBlock) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    let block = open_block(cx.state, c.block, |b| b.counterparty == account)?;
    require(!offer::is_void(cx.state, &block.legs, block.made_ns), Reject::block_must_be_open.at(1, c.block as i64, 0))?;
    bilateral::check_prices(cx.state, &block.legs, 1)?;
    let legs = legs::reversed(&block.legs);
    bilateral::check(cx, account, block.proposer, &legs)?;

    end(cx, c.block, OfferEvent::Accept);
    bilateral::trade(cx, Origin::Block, c.block, (block.proposer, account), &block.legs);
    Ok(())
}

/// `DeclineBlock`.
///
/// # Errors
/// 201, `block_must_be_open`.
pub fn decline(cx: &mut Context<'_>, header: &Header, c: &DeclineBlock) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    open_block(cx.state, c.block, |b| b.counterparty == account)?;
    end(cx, c.block, OfferEvent::Decline);
    Ok(())
}

/// `WithdrawBlock`.
///
/// # Errors
/// 201, `block_must_be_open`.
pub fn withdraw(cx: &mut Context<'_>, header: &Header, c: &WithdrawBlock) -> Result<(), Refusal> {
    let account = cx.state.account(header.account)?;
    open_block(cx.state, c.block, |b| b.proposer == account)?;
    end(cx, c.block, OfferEvent::Withdraw);
    Ok(())
}

/// Its time ran out.
pub fn expire(cx: &mut Context<'_>, block: u64) {
    end(cx, block, OfferEvent::Expire);
}

/// Ends the proposals whose two sides have come to one owner.
pub fn lapse_own(cx: &mut Context<'_>) {
    let state = &cx.state;
    let own = |b: &Block| state.accounts[b.proposer as usize].owner == state.accounts[b.counterparty as usize].owner;
    let blocks: Vec<u64> = state.packages.blocks.iter().filter(|(_, b)| own(b)).map(|(&n, _)| n).collect();
    blocks.into_iter().for_each(|block| end(cx, block, OfferEvent::Lapse));
}

fn end(cx: &mut Context<'_>, number: u64, event: OfferEvent) {
    let Some(block) = cx.state.packages.blocks.remove(&number) else { return };
    cx.state.packages.due.remove(&(block.expiry_ns, Due::Block(number)));
    offer::count(cx.state, block.proposer, |open| open.proposed -= 1);
    offer::count(cx.state, block.counterparty, |open| open.waiting -= 1);
    let ended = BlockEnded { block: number, state: offer::ended(event) };
    cx.tell_account(block.proposer, &ended);
    cx.tell_account(block.counterparty, &ended);
}
