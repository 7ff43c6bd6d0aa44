//! Which handler a command goes to.
//!
//! Responsible for: what holds before any handler (a release is active, venue commands name no account), and the table from
//! command to handler. Never contains a rule of an area.

use crate::codec::Header;
use crate::command::{ActivateRelease, Command};
use crate::context::Context;
use crate::event::ReleaseActivated;
use crate::reject::{Refusal, Reject, require};
use crate::{RULESET, funds, listing, timer, trading};

fn activate(cx: &mut Context<'_>, command: &ActivateRelease) -> Result<(), Refusal> {
    require(command.ruleset == RULESET, Reject::ruleset_must_be_supported.at(2, i64::from(command.ruleset), i64::from(RULESET)))?;
    crate::params::plain_name(&command.release, 1)?;
    cx.state.release.clone_from(&command.release);
    cx.tell(&ReleaseActivated { release: command.release.clone(), ruleset: command.ruleset });
    Ok(())
}

/// Decodes a command and hands it to its handler.
///
/// # Errors
/// The refusal of the envelope or of the handler.
pub fn dispatch(cx: &mut Context<'_>, header: &Header, body: &[u8]) -> Result<(), Refusal> {
    let command = Command::take(header, body)?;
    let opened = !cx.state.release.is_empty() || matches!(command, Command::ActivateRelease(_));
    require(opened, Reject::first_command_must_activate_a_release.at(0, i64::from(header.kind), 20))?;
    require(acts_for_an_account(&command) || header.account == 0, Reject::command_must_not_name_an_account.at(0, header.account as i64, 0))?;
    match &command {
        Command::PlaceOrder(c) => trading::place(cx, header, c),
        Command::CancelOrder(c) => trading::cancel(cx, header, c),
        Command::AmendOrder(c) => trading::amend(cx, header, c),
        Command::CancelAll(c) => trading::cancel_all(cx, header, c),
        Command::PostPrice(c) => timer::post_price(cx, c),
        Command::AdvanceTime(_) => {
            timer::advance(cx);
            Ok(())
        }
        Command::ActivateRelease(c) => activate(cx, c),
        Command::ConfigureVenue(c) => listing::venue(cx, c),
        Command::ListBucket(c) => listing::bucket(cx, c),
        Command::ListDatedRow(c) => listing::dated_row(cx, c),
        Command::ListUnderlying(c) => listing::underlying(cx, c),
        Command::ListSource(c) => listing::source(cx, c),
        Command::ListAsset(c) => listing::asset(cx, c),
        Command::ListMarket(c) => listing::market(cx, c),
        Command::ListPool(c) => listing::pool(cx, c),
        Command::OpenAccount(c) => listing::account(cx, header, c),
        Command::Deposit(c) => funds::deposit(cx, header, c),
        Command::RequestWithdrawal(c) => funds::request_withdrawal(cx, header, c),
        Command::SettleWithdrawal(c) => funds::settle_withdrawal(cx, c),
        Command::VoidWithdrawal(c) => funds::void_withdrawal(cx, c),
        Command::Transfer(c) => funds::transfer(cx, header, c),
        Command::Lend(c) => funds::lend(cx, header, c),
        Command::Recall(c) => funds::recall(cx, header, c),
        Command::FundInsurance(c) => funds::fund_insurance(cx, c),
        Command::SetSession(c) => timer::set_session(cx, c),
        Command::PostLiquidity(c) => timer::post_liquidity(cx, c),
        Command::ResumeVenue(_) => {
            timer::resume(cx);
            Ok(())
        }
        // orders
        // prices
        // lending
        // liquidation
        // clearing
        // governance
        // corporate
    }
}

/// Whether the command is a wish of an account; all others are the venue's and carry account 0.
fn acts_for_an_account(command: &Command) -> bool {
    matches!(
        command,
        Command::PlaceOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::CancelAll(_)
            | Command::OpenAccount(_)
            | Command::Deposit(_)
            | Command::RequestWithdrawal(_)
            | Command::Transfer(_)
            | Command::Lend(_)
            | Command::Recall(_)
            // orders
            // prices
            // lending
            // liquidation
            // clearing
            // governance
            // corporate
    )
}
