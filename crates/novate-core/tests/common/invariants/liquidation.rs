//! Stages 2 to 8: what is true of every account in liquidation, and of what one command told about it.

use super::super::wire::Event;
use novate_core::account::AccountState;
use novate_core::event::{BackstopSliceTaken, BankruptcyPriced, Deleveraged, InsurancePaid, LiquidationStageChanged};
use novate_core::stage::{Stage, next};
use novate_core::state::State;
use std::collections::BTreeMap;

/// The records agree with each other.
pub fn hold(state: &State) {
    for (index, account) in (0_u32..).zip(&state.accounts) {
        let id = account.id;
        assert_eq!(account.liquidation.is_some(), account.stage.is_liquidation(), "account {id} is in stage {:?}", account.stage);
        let black = account.state == AccountState::Black && account.stage != Stage::Exhausted;
        assert_eq!(state.liquidation.black.contains(&index), black, "account {id} is among the black ones when it is");
    }
    for (index, auction) in &state.liquidation.auctions {
        let account = &state.accounts[*index as usize];
        assert!(account.liquidation.is_some(), "an auction offers the legs of an account in liquidation");
        assert!((0..=1_000_000).contains(&auction.sold_ppm) && auction.start_ns <= auction.end_ns);
    }
    let cap = state.liquidation.terms.as_ref().map_or(0, |t| t.insurance_group_day_cap);
    assert!(state.liquidation.draws.values().all(|d| d.amount <= cap), "insurance keeps to its cap per owner and day");
    assert!(state.clearing.freed.values().all(|&u| u > 0));
}

/// One command's events: only moves of the table, in the order told; deleveraging takes no more than the leg's deficit, and no
/// hedged lot before an unhedged one; a slice never raises the requirement.
pub fn told(events: &[Event]) {
    let mut stages: BTreeMap<u64, u8> = BTreeMap::new();
    let mut owed: BTreeMap<(u64, u32), i64> = BTreeMap::new();
    let mut hedged: BTreeMap<(u64, u32), u8> = BTreeMap::new();
    for event in events {
        let account = event.header.account;
        if let Some(moved) = event.as_a::<LiquidationStageChanged>() {
            let (from, to) = (Stage::of(moved.from).expect("a stage"), Stage::of(moved.to).expect("a stage"));
            let known = stages.insert(account, moved.to);
            assert!(known.is_none_or(|k| k == moved.from), "account {account} moves on from where it is: {moved:?}");
            assert!(CAUSES.iter().any(|&c| c as u8 == moved.cause && next(from, c) == Ok(to)), "not a move of the table: {moved:?}");
        }
        if let Some(priced) = event.as_a::<BankruptcyPriced>() {
            assert!(priced.amount >= 0);
            owed.insert((account, priced.market), priced.amount);
            hedged.remove(&(account, priced.market));
        }
        if let Some(paid) = event.as_a::<InsurancePaid>() {
            assert!(paid.amount > 0 && paid.operator <= paid.amount && paid.balance >= 0, "{paid:?}");
            assert!(paid.operator == paid.amount || paid.operator >= 0, "the operator's tranche pays first");
        }
        if let Some(taken) = event.as_a::<Deleveraged>()
            && taken.role == 0
        {
            let left = owed.get_mut(&(account, taken.market)).expect("a bankruptcy price comes first");
            *left -= taken.haircut;
            assert!(taken.haircut >= 0 && *left >= 0, "winners pay no more than the deficit: {taken:?}");
            let before = hedged.insert((account, taken.market), taken.hedged).unwrap_or(0);
            assert!(taken.hedged >= before, "no unhedged winner is left when a hedge is touched");
        }
        if let Some(slice) = event.as_a::<BackstopSliceTaken>() {
            assert!(slice.requirement_after <= slice.requirement_before, "{slice:?}");
        }
    }
}

const CAUSES: [novate_core::stage::Cause; 19] = {
    use novate_core::stage::Cause as C;
    [
        C::BelowInitial,
        C::BelowMaintenance,
        C::StillOrange,
        C::Red,
        C::Black,
        C::CashDue,
        C::Paced,
        C::Refilled,
        C::NothingReduces,
        C::SaleDone,
        C::NoLongerRed,
        C::NoTaker,
        C::BackstopExhausted,
        C::Covered,
        C::NotCovered,
        C::Waits,
        C::NothingLeft,
        C::Restored,
        C::Eased,
    ]
};
