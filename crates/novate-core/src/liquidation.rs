//! Stages 2 to 8 in order: what each account in liquidation does in one command, and stage 3, the venue-wide speed limit
//! (RULES section 10).
//!
//! Responsible for: the order of the stages, bounded work per command, and when a loss is a shortfall. Each stage's rule is
//! its own module; the moves between them are the table in `stage`.

use crate::account::AccountState;
use crate::bankruptcy;
use crate::command::ConfigureLiquidation;
use crate::context::Context;
use crate::event::{LiquidationConfigured, ShortfallReported};
use crate::ladder::{self, careful, shown};
use crate::margin::Level;
use crate::outage;
use crate::params::check_liquidation;
use crate::reduction::{self, Pace, Reduced};
use crate::reject::{Refusal, Reject, require};
use crate::stage::{Cause, Stage};
use crate::units::{PPM, Value, div_ceil, narrow};
use crate::{backstop, calls, cash_deficit, collateral_sale, deleveraging, insurance, loss_sharing, lending, own_accounts, recovery};

/// Steps of one account in one command: a slice, or a move to another stage.
const STEPS: u32 = 16;

/// `ConfigureLiquidation`.
///
/// # Errors
/// 303, 309, 317.
pub fn configure(cx: &mut Context<'_>, command: &ConfigureLiquidation) -> Result<(), Refusal> {
    require(cx.state.venue.is_some(), Reject::venue_must_be_configured)?;
    require(cx.state.liquidation.terms.is_none(), Reject::configuration_must_not_change_after_listing)?;
    check_liquidation(command)?;
    cx.state.liquidation.terms = Some(command.clone());
    cx.tell(&LiquidationConfigured {});
    Ok(())
}

/// Looks for cash that is due, fills every underlying's budget, and works on every account in liquidation, in the order of
/// their indexes.
pub fn run(cx: &mut Context<'_>) {
    if cx.state.liquidation.terms.is_none() || cx.state.corporate.running.is_some() {
        return;
    }
    backstop::watch(cx);
    insurance::sweep_targets(cx);
    if outage::books_are_away(cx.state) {
        return;
    }
    for account in calls::overdue_accounts(cx.state) {
        if cash_deficit::due(cx.state, account).is_some() {
            ladder::start_for_cash(cx, account);
        }
    }
    if cx.state.liquidating.is_empty() {
        return;
    }
    reduction::fill_budgets(cx.state);
    let accounts: Vec<u32> = cx.state.liquidating.iter().copied().collect();
    let deficits: Vec<Value> = accounts.iter().map(|&a| deficit(cx, a)).collect();
    let total: Value = deficits.iter().sum();
    let budgets = Pace::budgets(cx.state);
    for (&account, &deficit) in accounts.iter().zip(&deficits) {
        let share_ppm = if total > 0 { narrow(div_ceil(deficit * i128::from(PPM), total)).unwrap_or(PPM) } else { PPM };
        work(cx, account, &Pace::of(cx.state, &budgets, share_ppm));
    }
}

/// What an account lacks of its requirement at liquidation-end, or of cash that is due: the larger.
fn deficit(cx: &mut Context<'_>, account: u32) -> Value {
    let due = cash_deficit::due(cx.state, account).map_or(0, |d| cx.state.known_asset(d.asset).face(i128::from(d.amount)));
    due.max(-careful(cx, account, Level::LiquidationEnd, true).1.excess())
}

fn work(cx: &mut Context<'_>, account: u32, pace: &Pace) {
    lending::bring_home(cx, account);
    for _ in 0..STEPS {
        ladder::check(cx, account);
        let going = match cx.state.accounts[account as usize].stage {
            Stage::Free | Stage::CancelRisk | Stage::CancelAll | Stage::Exhausted => false,
            Stage::Reduce => reduce(cx, account, pace),
            Stage::Pace => unpace(cx, account, pace),
            Stage::SellCollateral => collateral_sale::run(cx, account, pace),
            Stage::Backstop => offer(cx, account),
            Stage::Insurance | Stage::Deleverage | Stage::ShareLoss => cover(cx, account),
        };
        if !going {
            break;
        }
    }
    ladder::check(cx, account);
}

/// Stage 2; true when there is more to do in this command.
fn reduce(cx: &mut Context<'_>, account: u32, pace: &Pace) -> bool {
    if cash_deficit::due(cx.state, account).is_some() && collateral_sale::can_sell(cx, account) {
        ladder::step(cx, account, Cause::CashDue);
        return true;
    }
    if cash_deficit::due(cx.state, account).is_some() && careful(cx, account, Level::LiquidationEnd, true).1.excess() >= 0 {
        // Nothing sells now, and nothing but the cash is missing: the rest of the account is left alone.
        ladder::step(cx, account, Cause::CashDue);
        return false;
    }
    recovery::buy_residues(cx, account);
    let cause = match reduction::run(cx, account, pace) {
        Reduced::Traded => return true,
        Reduced::Waits => return false,
        Reduced::Paced => Cause::Paced,
        Reduced::Nothing if recovery::pass_unsold(cx, account) => return true,
        Reduced::Nothing => Cause::NothingReduces,
    };
    let later = cx.state.accounts[account as usize].liquidation.as_ref().is_some_and(|l| cx.state.now < l.auction_after_ns);
    if cause == Cause::NothingReduces && later {
        return false;
    }
    ladder::step(cx, account, cause);
    cause == Cause::NothingReduces
}

/// Stage 3: back to stage 2 as soon as the budget has room for a slice.
fn unpace(cx: &mut Context<'_>, account: u32, pace: &Pace) -> bool {
    if reduction::is_paced(cx, account, pace) {
        return false;
    }
    ladder::step(cx, account, Cause::Refilled);
    true
}

/// Stage 5.
fn offer(cx: &mut Context<'_>, account: u32) -> bool {
    own_accounts::set_off(cx, account);
    if careful(cx, account, Level::LiquidationEnd, true).1.excess() >= 0 {
        return true;
    }
    let cause = match backstop::run(cx, account) {
        backstop::Progress::Sold => return true,
        backstop::Progress::Waits if !sold_enough(cx, account) => return false,
        backstop::Progress::Waits => {
            backstop::end(cx, account, 0);
            Cause::NoLongerRed
        }
        backstop::Progress::NoTaker => Cause::NoTaker,
        backstop::Progress::Exhausted => Cause::BackstopExhausted,
    };
    again_after_an_auction(cx, account, false);
    ladder::step(cx, account, cause);
    true
}

/// Slices brought the account above close-out: the rest is the books' again.
fn sold_enough(cx: &Context<'_>, account: u32) -> bool {
    let sold = cx.state.liquidation.auctions.get(&account).is_some_and(|a| a.sold_ppm > 0);
    sold && cx.state.accounts[account as usize].state < AccountState::Red
}

/// The books get their turn before the next auction, and (`black`) prices theirs before the loss is covered again.
fn again_after_an_auction(cx: &mut Context<'_>, account: u32, black: bool) {
    let after = cx.state.now.saturating_add(cx.state.liquidation.terms().auction_duration_ns);
    if let Some(running) = &mut cx.state.accounts[account as usize].liquidation {
        running.auction_after_ns = after;
        if black {
            running.waterfall_after_ns = after;
        }
    }
}

/// Stages 6 to 8 in one command: own accounts, insurance, winners, the bucket's gains. Waits where a price forbids it. Winners and
/// gains are found by looking at every account, so one account a command gets beyond insurance; the others wait for the next.
fn cover(cx: &mut Context<'_>, account: u32) -> bool {
    if !bankruptcy::may_close(cx.state, account) {
        return false;
    }
    backstop::end(cx, account, 3);
    own_accounts::set_off(cx, account);
    let mut case = bankruptcy::open(cx, account);
    if case.deficit > 0 {
        bankruptcy::insure(cx, account, &mut case);
    }
    if covered(cx, account) {
        return true;
    }
    if std::mem::replace(&mut cx.scratch.deleveraged, true) {
        return false;
    }
    ladder::step(cx, account, Cause::NotCovered);
    for leg in &mut case.legs {
        deleveraging::run(cx, account, leg);
    }
    if covered(cx, account) {
        return true;
    }
    ladder::step(cx, account, Cause::NotCovered);
    for leg in case.legs.iter().filter(|l| l.open > 0) {
        // A residue does not end a market: gains share it, or it waits.
        if !recovery::is_residue(cx.state, leg) {
            deleveraging::settle_market(cx, leg.market);
        }
        loss_sharing::run(cx, account, leg.market, leg.open);
    }
    // What the legs did not carry is an unsettled debt of its market.
    for (market, debt) in bankruptcy::debts(cx.state, account) {
        let missing = -careful(cx, account, Level::CloseOut, true).1.equity;
        let open = debt.min(insurance::units_up(cx.state, cx.state.known_market(market).terms.quote, missing.max(0)));
        loss_sharing::run(cx, account, market, open);
    }
    if covered(cx, account) {
        return true;
    }
    give_up(cx, account);
    false
}

/// Net value at close-out is not negative: back to the books with what is left.
fn covered(cx: &mut Context<'_>, account: u32) -> bool {
    let equity = careful(cx, account, Level::CloseOut, true).1.equity;
    if equity < 0 {
        return false;
    }
    again_after_an_auction(cx, account, false);
    ladder::step(cx, account, Cause::Covered);
    true
}

/// No stage covers the rest now. While something is left to sell the loss waits for it; else it is reported, once.
fn give_up(cx: &mut Context<'_>, account: u32) {
    let holder = &cx.state.accounts[account as usize];
    let sells = |b: &crate::account::Balance| b.lent > 0 || (b.pledged > 0 && !cx.state.known_asset(b.asset).is_stablecoin());
    let holds = holder.positions.iter().any(|p| p.lots != 0) || holder.balances.iter().any(sells);
    if holds {
        again_after_an_auction(cx, account, true);
        ladder::step(cx, account, Cause::Waits);
        return;
    }
    let equity = careful(cx, account, Level::CloseOut, true).1.equity;
    ladder::step(cx, account, Cause::NothingLeft);
    ladder::count_black(cx, account);
    let told = cx.state.accounts[account as usize].liquidation.as_ref().is_none_or(|l| l.exhausted);
    if let Some(running) = &mut cx.state.accounts[account as usize].liquidation {
        running.exhausted = true;
    }
    if !told {
        cx.tell_account(account, &ShortfallReported { amount: shown(-equity) });
    }
}
