//! Which handler a command goes to.
//!
//! Responsible for: what holds before any handler (a release is active, venue commands name no account), and the table from
//! command to handler. Never contains a rule of an area.

use crate::codec::Header;
use crate::command::{ActivateRelease, Command, EnterRelease};
use crate::context::Context;
use crate::event::{ReleaseActivated, ReleaseEntered};
use crate::reject::{Refusal, Reject, require};
use crate::governance::{actors, changes, holders, owners, releases, restrictions, terms};
use crate::{
    RULESET, auction, authority, backstop, batch, block, clearing, compensation, corporate_action, feed, funds, halts, insurance, lending,
    lines, liquidation, listing, package, quote, recovery, snapshot, stock_loans, timer, trading,
};

fn activate(cx: &mut Context<'_>, command: &ActivateRelease) -> Result<(), Refusal> {
    require(command.ruleset == RULESET, Reject::ruleset_must_be_supported.at(2, i64::from(command.ruleset), i64::from(RULESET)))?;
    crate::params::plain_name(&command.release, 1)?;
    cx.state.release.clone_from(&command.release);
    cx.tell(&ReleaseActivated { release: command.release.clone(), ruleset: command.ruleset });
    Ok(())
}

/// A release takes over in mid-journal: permitted by two people, at a state that sender and engine agree on.
fn enter(cx: &mut Context<'_>, command: &EnterRelease) -> Result<(), Refusal> {
    require(command.ruleset == RULESET, Reject::ruleset_must_be_supported.at(2, i64::from(command.ruleset), i64::from(RULESET)))?;
    let governance = &cx.state.governance;
    let permitted = governance.config.is_none() || governance.permitted.get(&command.release) == Some(&command.ruleset);
    require(permitted, Reject::release_must_be_permitted)?;
    crate::params::plain_name(&command.release, 1)?;
    let agrees = cx.scratch.state_before.is_some_and(|hash| hash == command.state_before.as_slice());
    require(agrees, Reject::state_hash_must_match.at(3, command.state_before.len() as i64, 32))?;

    cx.state.governance.permitted.remove(&command.release);
    cx.state.release.clone_from(&command.release);
    let state_after = crate::codec::Bytes::from(snapshot::hash(cx.state).to_vec());
    let EnterRelease { release, ruleset, state_before } = command.clone();
    cx.tell(&ReleaseEntered { release, ruleset, state_before, state_after });
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
    authority::check(cx.state, header, &command)?;
    handle(cx, header, &command)?;
    authority::remember(cx.state, header, &command);
    Ok(())
}

/// Whether a command changes nothing but prices, time, orders and the balances of accounts that it names or matches.
const fn leaves_terms(command: &Command) -> bool {
    use Command as C;
    matches!(command, C::PlaceOrder(_) | C::PlaceOrderFull(_) | C::CancelOrder(_) | C::AmendOrder(_) | C::CancelAll(_) | C::CancelAfter(_) | C::PlaceTwap(_))
        || matches!(command, C::PostPrice(_) | C::AdvanceTime(_) | C::OrderBatch(_) | C::PlacePackage(_))
        || matches!(command, C::Deposit(_) | C::RequestWithdrawal(_) | C::SettleWithdrawal(_) | C::VoidWithdrawal(_) | C::Transfer(_))
}

/// The table from command to handler, for whoever has the authority.
///
/// # Errors
/// The refusal of the handler.
pub fn handle(cx: &mut Context<'_>, header: &Header, command: &Command) -> Result<(), Refusal> {
    corporate_action::admits(cx, command)?;
    if !leaves_terms(command) {
        cx.state.lull.end_era();
    }
    match command {
        Command::PlaceOrder(c) => trading::place(cx, header, c),
        Command::CancelOrder(c) => trading::cancel(cx, header, c),
        Command::AmendOrder(c) => trading::amend(cx, header, c),
        Command::CancelAll(c) => trading::cancel_all(cx, header, c),
        Command::PostPrice(c) => feed::post_price(cx, c),
        Command::AdvanceTime(_) => {
            changes::run(cx, handle);
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
        Command::Lend(c) => lending::lend(cx, header, c),
        Command::Recall(c) => lending::recall(cx, header, c),
        Command::FundInsurance(c) => funds::fund_insurance(cx, c),
        Command::SetSession(c) => feed::set_session(cx, c),
        Command::PostLiquidity(c) => feed::post_liquidity(cx, c),
        Command::ResumeVenue(_) => {
            feed::resume(cx);
            Ok(())
        }
        Command::PlaceOrderFull(c) => trading::place_full(cx, header, c),
        Command::CancelAfter(c) => trading::cancel_after(cx, header, c),
        Command::PlaceTwap(c) => trading::place_twap(cx, header, c),
        Command::SetMarketPhase(c) => auction::set_phase(cx, c),
        Command::OrderBatch(c) => batch::run(cx, header, c),
        Command::ConfigureOrders(c) => listing::orders(cx, c),
        // packages
        Command::ConfigurePackages(c) => package::configure(cx, c),
        Command::ListBlockTerms(c) => package::list_block_terms(cx, c),
        Command::PlacePackage(c) => package::place(cx, header, c),
        Command::ProposeBlock(c) => block::propose(cx, header, c),
        Command::AcceptBlock(c) => block::accept(cx, header, c),
        Command::DeclineBlock(c) => block::decline(cx, header, c),
        Command::WithdrawBlock(c) => block::withdraw(cx, header, c),
        Command::RequestQuotes(c) => quote::request(cx, header, c),
        Command::GiveQuote(c) => quote::give(cx, header, c),
        Command::AcceptQuote(c) => quote::accept(cx, header, c),
        Command::WithdrawQuote(c) => quote::withdraw(cx, header, c),
        Command::CancelQuoteRequest(c) => quote::cancel(cx, header, c),
        Command::FundTreasury(c) => compensation::fund(cx, c),
        Command::CompensateError(c) => compensation::compensate(cx, c),
        // prices
        Command::ConfigurePrices(c) => listing::prices(cx, c),
        Command::CancelPrint(c) => feed::cancel_print(cx, c),
        Command::ScheduleEarnings(c) => feed::schedule_earnings(cx, c),
        Command::SettleHalted(c) => halts::settle(cx, c),
        // lending
        Command::ConfigureLending(c) => lending::configure(cx, c),
        Command::FundPool(c) => lending::fund(cx, c),
        Command::RecallLoan(c) => stock_loans::recall(cx, header, c),
        Command::ListLine(c) => lines::list(cx, c),
        Command::BuyLine(c) => lines::buy(cx, header, c),
        Command::GiveLineNotice(c) => lines::give_notice(cx, c),
        // liquidation
        Command::ConfigureLiquidation(c) => liquidation::configure(cx, c),
        Command::CommitBackstop(c) => backstop::commit(cx, header, c),
        Command::WithdrawBackstop(c) => backstop::withdraw(cx, header, c),
        Command::BidBackstop(c) => backstop::bid(cx, header, c),
        Command::FundOperatorTranche(c) => insurance::fund_operator_tranche(cx, c),
        Command::PayRecovery(c) => recovery::pay(cx, c),
        // clearing
        Command::ConfigureClearing(c) => clearing::terms::configure(cx, c),
        Command::ListBroker(c) => clearing::terms::broker(cx, c),
        Command::ListIssuance(c) => clearing::terms::issuance(cx, c),
        Command::AttestBacking(c) => clearing::terms::attest(cx, c),
        Command::FundBroker(c) => clearing::terms::fund_broker(cx, c),
        Command::FundInventory(c) => clearing::terms::fund_inventory(cx, c),
        Command::PostDepth(c) => clearing::terms::depth(cx, c),
        Command::RequestFirmPrice(c) => clearing::gates::ask(cx, header, c),
        Command::GiveFirmPrice(c) => clearing::gates::give(cx, c),
        Command::RequestIssuance(c) => clearing::request::issue(cx, header, c),
        Command::RequestRedemption(c) => clearing::request::redeem(cx, header, c),
        Command::RequestInKind(c) => clearing::in_kind::request(cx, header, c),
        Command::CancelRequest(c) => clearing::request::cancel(cx, header, c),
        Command::ReportBrokerAccepted(c) => clearing::report::accepted(cx, c),
        Command::ReportBrokerFill(c) => clearing::report::filled(cx, c),
        Command::ReportBrokerReject(c) => clearing::report::rejected(cx, c),
        Command::ReportBrokerCancelled(c) => clearing::report::cancelled(cx, c),
        Command::ReportBrokerLine(c) => clearing::report::line(cx, c),
        Command::ReportBust(c) => clearing::fault::bust(cx, c),
        Command::ReportCorrection(c) => clearing::fault::correction(cx, c),
        Command::ReportSettlement(c) => clearing::fault::settlement(cx, c),
        Command::DeliverRequest(c) => clearing::treasury::deliver(cx, c),
        Command::ReportInKind(c) => clearing::in_kind::report(cx, c),
        Command::ReportStatement(c) => clearing::breaks::statement(cx, c),
        Command::RequestConversion(c) => clearing::treasury::convert(cx, c),
        Command::ReportConversion(c) => clearing::treasury::converted(cx, c),
        Command::PauseIssuance(c) => clearing::terms::pause(cx, c),
        Command::EnableBroker(c) => clearing::terms::enable(cx, c),
        Command::ReportBrokerDefault(c) => clearing::report::defaulted(cx, c),
        Command::AuthoriseParticipant(c) => clearing::terms::participant(cx, c),
        Command::AssignBreak(c) => clearing::breaks::assign(cx, c),
        Command::ResolveBreak(c) => clearing::breaks::resolve(cx, c),
        Command::RequestHedged(c) => clearing::hedged::place(cx, header, c),
        // governance
        Command::ConfigureEligibility(c) => holders::configure(cx, c),
        Command::ListHolderClass(c) => holders::class(cx, c),
        Command::SetEligibility(c) => holders::rule(cx, c),
        Command::ClassifyOwner(c) => holders::classify(cx, c),
        Command::ConfigureGovernance(c) => actors::configure(cx, c),
        Command::RegisterActor(c) => actors::register(cx, c),
        Command::GrantRole(c) => actors::grant(cx, header, c),
        Command::RevokeRole(c) => actors::revoke_role(cx, header, c),
        Command::RevokeActor(c) => actors::revoke(cx, c),
        Command::SetOwnerPolicy(c) => actors::policy(cx, header, c),
        Command::ProposeChange(c) => changes::propose(cx, header, c, handle),
        Command::ApproveChange(c) => changes::approve(cx, header, c),
        Command::RejectChange(c) => changes::reject(cx, header, c),
        Command::Restrict(c) => restrictions::restrict(cx, c),
        Command::ConfirmRestriction(c) => restrictions::confirm(cx, c),
        Command::LiftRestriction(c) => restrictions::lift(cx, c),
        Command::SetLimit(c) => restrictions::limit(cx, c),
        Command::ChangeTerms(c) => terms::change(cx, c),
        Command::ListFeeTier(c) => terms::fee_tier(cx, c),
        Command::CollectFees(c) => funds::collect_fees(cx, c),
        Command::MoveOwnership(c) => owners::move_account(cx, c),
        Command::JoinOwners(c) => owners::join(cx, c),
        Command::AddAddress(c) => owners::add_address(cx, header, c),
        Command::RemoveAddress(c) => owners::remove_address(cx, header, c),
        Command::WithdrawTo(c) => funds::withdraw_to(cx, header, c),
        Command::PermitRelease(c) => releases::permit(cx, c),
        Command::EnterRelease(c) => enter(cx, c),
        Command::QuarantineCommand(c) => releases::quarantine(cx, header, c),
        Command::Hold(c) => funds::hold(cx, header, c),
        Command::Pledge(c) => funds::pledge(cx, header, c),
        // corporate
        Command::ScheduleCorporateAction(c) => corporate_action::schedule(cx, header, c),
        Command::ConfirmCorporateAction(c) => corporate_action::confirm(cx, header, c),
        Command::CancelCorporateAction(c) => corporate_action::cancel(cx, c),
        Command::CorrectCorporateAction(c) => corporate_action::correct(cx, c),
        Command::ListWithholding(c) => corporate_action::list_withholding(cx, c),
        Command::FundDistributions(c) => corporate_action::fund_distributions(cx, c),
        Command::BookReinvestment(c) => corporate_action::book_reinvestment(cx, c),
        Command::PayDistribution(c) => corporate_action::pay_distribution(cx, c),
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
            | Command::PlaceOrderFull(_)
            | Command::CancelAfter(_)
            | Command::PlaceTwap(_)
            | Command::OrderBatch(_)
            // packages
            | Command::PlacePackage(_)
            | Command::ProposeBlock(_)
            | Command::AcceptBlock(_)
            | Command::DeclineBlock(_)
            | Command::WithdrawBlock(_)
            | Command::RequestQuotes(_)
            | Command::GiveQuote(_)
            | Command::AcceptQuote(_)
            | Command::WithdrawQuote(_)
            | Command::CancelQuoteRequest(_)
            // prices
            // lending
            | Command::RecallLoan(_)
            | Command::BuyLine(_)
            // liquidation
            | Command::CommitBackstop(_)
            | Command::WithdrawBackstop(_)
            | Command::BidBackstop(_)
            // clearing
            | Command::RequestFirmPrice(_)
            | Command::RequestIssuance(_)
            | Command::RequestRedemption(_)
            | Command::RequestInKind(_)
            | Command::CancelRequest(_)
            | Command::RequestHedged(_)
            // governance
            | Command::Hold(_)
            | Command::Pledge(_)
            | Command::GrantRole(_)
            | Command::RevokeRole(_)
            | Command::SetOwnerPolicy(_)
            | Command::AddAddress(_)
            | Command::RemoveAddress(_)
            | Command::WithdrawTo(_)
            // corporate
    )
}
