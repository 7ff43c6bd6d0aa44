//! A loan that nothing is left to pay: who bears it (RULES section 8).
//!
//! Responsible for: the order insurance, the pool's reserve, the pool's lenders by index. Never finds out that an account is
//! bankrupt, or how much of its deficit is a loan; `bankruptcy` does.

use crate::context::Context;
use crate::event::LoanShortfallAbsorbed;
use crate::insurance::{self, Payment};
use crate::ledger::Party;
use crate::margin::collateral::readmit;
use crate::state::State;
use crate::units::{Amount, Value, div_ceil, narrow, pow10};

/// Up to `amount` of a loan falls on the insurance of the pool's bucket, then on the pool's reserve, then on its lenders by
/// index. Returns what was borne; the account's loan is smaller by it. The rest, if any, stays owed: lenders keep a millionth
/// of what they had at most.
pub fn absorb(cx: &mut Context<'_>, account: u32, asset: u32, amount: Amount) -> Amount {
    let Some(pool) = cx.state.known_asset(asset).pool.clone() else { return 0 };
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.bring_up(accounts, account, asset);
    let owed = accounts[account as usize].balance(asset).map_or(0, crate::account::Balance::loan);
    let wanted = amount.min(owed);
    if wanted <= 0 {
        return 0;
    }
    let insurance = insure(cx, account, asset, pool.insurance_bucket, wanted);
    let reserve = bear(cx.state, account, asset, Party::Reserve, wanted - insurance);
    let State { ledger, accounts, .. } = &mut *cx.state;
    let lenders = ledger.bear(asset, wanted - insurance - reserve);
    ledger.post(accounts, asset, Party::Pool, Party::Holder(account), lenders);
    readmit(cx.state, account, asset);
    let borne = insurance + reserve + lenders;
    cx.tell_account(account, &LoanShortfallAbsorbed { asset, insurance, reserve, lenders, left: wanted - borne });
    cx.touch(account);
    borne
}

/// Insurance pays in cash, within its limits; in tokens only what it has of them.
fn insure(cx: &mut Context<'_>, account: u32, asset: u32, bucket: u32, amount: Amount) -> Amount {
    if cx.state.known_asset(asset).is_stablecoin() {
        return insurance::pay(cx, &Payment { account, bucket, market: 0, asset, amount });
    }
    bear(cx.state, account, asset, Party::Insurance(bucket), amount)
}

fn bear(state: &mut State, account: u32, asset: u32, party: Party, most: Amount) -> Amount {
    let State { ledger, accounts, .. } = state;
    let part = most.min(ledger.venue(party, asset)).max(0);
    ledger.post(accounts, asset, party, Party::Holder(account), part);
    part
}

/// Units of an asset that are worth a value, rounded up: at face, or a token at a price of its underlying.
#[must_use]
pub fn units_of(state: &State, asset: u32, price: i64, value: Value) -> Amount {
    let listed = state.known_asset(asset);
    if listed.is_stablecoin() {
        return insurance::units_up(state, asset, value);
    }
    let million = pow10(listed.terms.decimals + 6);
    let worth = state.known_underlying(listed.terms.underlying).value_down(listed.shares(million), price).max(1);
    narrow(div_ceil(value * million, worth)).unwrap_or(i64::MAX)
}

/// The value of units, rounded down: at face, or a token at a price of its underlying.
#[must_use]
pub fn worth_of(state: &State, asset: u32, price: i64, units: Amount) -> Value {
    let listed = state.known_asset(asset);
    if listed.is_stablecoin() {
        return listed.face(i128::from(units));
    }
    state.known_underlying(listed.terms.underlying).value_down(listed.shares(i128::from(units)), price)
}
