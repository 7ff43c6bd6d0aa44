//! What brokers paid reaches the holders of a token: as more shares per token, as cash, or as what the token became.
//!
//! Responsible for: the distributions account, booking reinvested shares, and paying holders. What is receivable belongs to
//! the token, so it is paid to who holds it then; a borrower pays it. Never decides how much is receivable.

use super::effect::{Reason, change};
use super::start;
use crate::account::Balance;
use crate::clearing;
use crate::command::{BookReinvestment, FundDistributions, PayDistribution};
use crate::context::Context;
use crate::event::{DistributionPaid, DistributionsFunded};
use crate::funds::{may_arrive, post};
use crate::ledger::Party;
use crate::margin::collateral::readmit;
use crate::reject::{Refusal, Reject, require};
use crate::settlement::loan_room;
use crate::state::State;
use crate::state::corporate::Job;
use crate::units::{Amount, PPM, Ratio, div_floor, narrow, pow10, rate_up, scaled_down};

/// `FundDistributions`.
///
/// # Errors
/// 205, 207, 304, 909.
pub fn fund_distributions(cx: &mut Context<'_>, command: &FundDistributions) -> Result<(), Refusal> {
    let FundDistributions { asset, amount } = *command;
    cx.state.asset(asset)?;
    require(amount > 0, Reject::amount_must_be_positive.at(2, amount, 1))?;
    may_arrive(cx.state, asset, amount, 2)?;

    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.post(accounts, asset, Party::Custody, Party::Distributions, amount);
    let balance = ledger.venue(Party::Distributions, asset);
    cx.tell(&DistributionsFunded { asset, amount, balance });
    Ok(())
}

/// `BookReinvestment`: less receivable, more shares per token.
///
/// # Errors
/// 304, 309, 1202, 1214, 1215.
pub fn book_reinvestment(cx: &mut Context<'_>, command: &BookReinvestment) -> Result<(), Refusal> {
    let BookReinvestment { asset, multiplier_ppb, released, tolerance_ppm } = *command;
    let listed = cx.state.asset(asset)?;
    check_release(cx.state, asset, released)?;
    let (before, underlying) = (listed.terms.multiplier_ppb, cx.state.known_underlying(listed.terms.underlying));
    let id = underlying.terms.underlying;
    let halted = cx.state.corporate.halts(id, cx.state.now);
    require(!halted, Reject::underlying_must_not_be_in_a_corporate_action.at(1, i64::from(id), 0))?;
    require((0..=PPM / 5).contains(&tolerance_ppm), Reject::parameter_must_be_within_bounds.at(4, tolerance_ppm, PPM / 5))?;
    require((1_000..=1_000_000_000_000_000).contains(&multiplier_ppb), Reject::parameter_must_be_within_bounds.at(2, multiplier_ppb, 1_000))?;
    // In 1e-12 dollars per token: the growth in shares at the index.
    let growth = i128::from(multiplier_ppb - before) * i128::from(underlying.price.index()) * 1_000;
    let worth = div_floor(growth, pow10(underlying.terms.decimals));
    let (off, allowed) = ((worth - i128::from(released)).abs(), rate_up(i128::from(released.abs()), tolerance_ppm));
    require(off <= allowed, Reject::reinvested_shares_must_match_what_is_released.at(2, narrow(worth).unwrap_or(i64::MAX), released))?;

    cx.state.asset_mut(asset).terms.multiplier_ppb = multiplier_ppb;
    clearing::actions::follow_multiplier(cx.state, asset, Ratio::ONE);
    let units = i128::from(cx.state.ledger.venue(Party::Custody, asset));
    change(cx, asset, -released, units, Reason::Reinvested);
    cx.state.sweep_left = cx.state.accounts.len() as u32;
    Ok(())
}

/// What is released is receivable, of the same sign.
fn check_release(state: &State, asset: u32, released: i64) -> Result<(), Refusal> {
    let due = state.ledger.receivable(asset);
    let inside = released != 0 && released.signum() == due.signum() && released.abs() <= due.abs();
    require(inside, Reject::released_must_be_receivable.at(3, released, due))
}

/// `PayDistribution`: starts paying, account by account.
///
/// # Errors
/// 205, 304, 1202, 1206, 1214, 1216, 1218.
pub fn pay_distribution(cx: &mut Context<'_>, command: &PayDistribution) -> Result<(), Refusal> {
    let PayDistribution { asset, paid_asset, released, units, retire } = *command;
    let underlying = cx.state.asset(asset)?.terms.underlying;
    let in_cash = cx.state.asset(paid_asset)?.is_stablecoin();
    let wrong = |field, value, limit| Reject::corporate_action_terms_must_be_complete.at(field, value, limit);
    require(retire <= 1, wrong(5, i64::from(retire), 1))?;
    require(paid_asset != asset, wrong(2, i64::from(paid_asset), i64::from(asset)))?;
    require(released > 0, Reject::amount_must_be_positive.at(3, released, 1))?;
    require((units > 0) != in_cash && units >= 0, wrong(4, units, 0))?;
    let ended = cx.state.corporate.ended.contains(&underlying);
    if retire == 1 {
        require(ended, Reject::only_ended_tokens_retire.at(1, i64::from(asset), 0))?;
    } else {
        check_release(cx.state, asset, released)?;
    }
    let halted = !ended && cx.state.corporate.halts(underlying, cx.state.now);
    require(!halted, Reject::underlying_must_not_be_in_a_corporate_action.at(1, i64::from(underlying), 0))?;
    let all = i128::from(cx.state.ledger.venue(Party::Custody, asset));
    let (needs, has) = (owed(cx.state, command, all), cx.state.ledger.venue(Party::Distributions, paid_asset));
    require(needs <= i128::from(has), Reject::distributions_must_be_funded.at(3, has, narrow(needs).unwrap_or(i64::MAX)))?;

    start(cx, Job::Pay(command.clone()));
    Ok(())
}

/// What so many units of the token get of the paid asset, rounded down; negative (rounded up in size) for borrowed units.
fn owed(state: &State, command: &PayDistribution, units: i128) -> i128 {
    let paid = state.known_asset(command.paid_asset);
    if paid.is_stablecoin() {
        let whole = pow10(state.known_asset(command.asset).terms.decimals);
        let value = scaled_down(units, command.released, whole * i128::from(PPM));
        // A value beyond 64 bits is refused before anybody is paid.
        return narrow(value).map_or(i128::MAX, |value| scaled_down(i128::from(value), pow10(paid.terms.decimals) as i64, i128::from(PPM)));
    }
    div_floor(units * i128::from(command.units), 1_000_000_000)
}

/// One account is paid, or pays what it borrowed.
pub fn pay(cx: &mut Context<'_>, command: &PayDistribution, account: u32) {
    let PayDistribution { asset, paid_asset, retire, .. } = *command;
    if cx.state.accounts[account as usize].balance(asset).is_none() {
        return;
    }
    let State { ledger, accounts, .. } = &mut *cx.state;
    ledger.bring_up(accounts, account, asset);
    let balance = accounts[account as usize].balance(asset).cloned().unwrap_or_default();
    if (balance.pledged, balance.lent, balance.held, balance.escrowed) == (0, 0, 0, 0) {
        return;
    }
    // A token that goes stays with an open request until that ends; what it became is paid with it then.
    let units = balance.units() - if retire == 1 { i128::from(balance.escrowed) } else { 0 };
    let amount = narrow(owed(cx.state, command, units)).unwrap_or(0);
    let room = if amount < 0 && cx.state.known_asset(paid_asset).is_stablecoin() { loan_room(cx.state, account, paid_asset) } else { 0 };
    let State { ledger, accounts, .. } = &mut *cx.state;
    let amount = if amount >= 0 {
        ledger.post(accounts, paid_asset, Party::Distributions, Party::Holder(account), amount);
        amount
    } else {
        // A borrower pays from what it has, then with a pool loan; the rest stays with the distributions account.
        let has = accounts[account as usize].balance(paid_asset).map_or(0, Balance::free);
        let pays = (-amount).min(has.saturating_add(room));
        ledger.post(accounts, paid_asset, Party::Holder(account), Party::Distributions, pays);
        -pays
    };
    if retire == 1 {
        retire_units(cx.state, account, &balance);
    }
    readmit(cx.state, account, paid_asset);
    cx.tell_account(account, &DistributionPaid { asset, units: units as i64, paid_asset, amount, retired: retire });
}

/// The token is gone: out of the account and out of custody.
fn retire_units(state: &mut State, account: u32, balance: &Balance) {
    let Balance { asset, pledged, lent, held, .. } = *balance;
    let State { ledger, accounts, .. } = state;
    if pledged >= 0 {
        ledger.post(accounts, asset, Party::Holder(account), Party::Custody, pledged);
    } else {
        ledger.post(accounts, asset, Party::Custody, Party::Holder(account), -pledged);
    }
    ledger.post(accounts, asset, Party::Lender(account), Party::Custody, lent);
    ledger.post(accounts, asset, Party::Held(account), Party::Custody, held);
    readmit(state, account, asset);
}

/// The venue's own tokens that nobody has a claim on: fees and insurance. What pools and recovery hold stays with the
/// distributions account.
fn pay_venue(cx: &mut Context<'_>, command: &PayDistribution) -> Amount {
    let own = |&(asset, party, amount): &(u32, Party, Amount)| {
        asset == command.asset && amount > 0 && matches!(party, Party::Fees | Party::Insurance(_) | Party::Operator(_))
    };
    let parties: Vec<(u32, Party, Amount)> = cx.state.ledger.venue_accounts().filter(own).collect();
    let mut retired = 0;
    for (asset, party, units) in parties {
        let amount = narrow(owed(cx.state, command, i128::from(units))).unwrap_or(0);
        post(cx.state, command.paid_asset, Party::Distributions, party, amount);
        if command.retire == 1 {
            post(cx.state, asset, party, Party::Custody, units);
            retired += units;
        }
        cx.tell(&DistributionPaid { asset, units, paid_asset: command.paid_asset, amount, retired: command.retire });
    }
    retired
}

/// Everybody is paid: nothing of it is receivable any more. `retired` units are gone from the accounts.
pub fn finish(cx: &mut Context<'_>, command: &PayDistribution, retired: i128) {
    let own = pay_venue(cx, command);
    if command.retire == 1 {
        clearing::retire(cx, command.asset, narrow(retired).unwrap_or(i64::MAX).saturating_add(own));
    } else {
        let units = i128::from(cx.state.ledger.venue(Party::Custody, command.asset));
        change(cx, command.asset, -command.released, units, Reason::Paid);
    }
}
