//! Who may send what: one exhaustive table from command to authority.
//!
//! Responsible for: the table, and the check of a key's roles, the owner's own rule of two people, and repeated requests. Never
//! applies anything. While a venue has not sent `ConfigureGovernance` every command acts for whoever sends it.

use crate::codec::Header;
use crate::command::{Command, FundBroker, FundInventory};
use crate::limits::find;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::governance::{Actor, Role};
use crate::units::Nanos;

/// Which wish of an owner may take two of its own people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// One person is enough, whatever the owner says.
    Never,
    /// Money that leaves, and where to.
    Withdrawals,
    /// Keys, roles, limits and the policy.
    Keys,
}

/// How long a change waits after two people agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// It does not.
    None,
    /// The long delay where an existing requirement rises, else the short one: decided by computing.
    Measured,
    /// The public delay of a change of ownership.
    Ownership,
}

/// Who may send a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A wish of the account in the header: one of its people with one of these roles.
    Account(&'static [Role], Protected),
    /// A fact about the outside, or time: a keeper.
    Fact,
    /// One person of the venue with one of these roles.
    Staff(&'static [Role]),
    /// Two people of the venue with one of these roles, and a delay.
    Change(&'static [Role], Delay),
    /// With an account in the header a protected wish of its treasurer, without one a change of the venue.
    AccountOrChange(&'static [Role], Delay),
    /// Proposals and approvals: the wrapped command decides.
    Wrapped,
}

const RUNS: &[Role] = &[Role::Operator, Role::Risk];
const WATCHES: &[Role] = &[Role::Risk, Role::Operator, Role::Compliance];
const ADMITS: &[Role] = &[Role::Compliance];
const PAYS: &[Role] = &[Role::Treasurer];
const REPAYS: &[Role] = &[Role::Treasurer, Role::Operator];
const TRADES: &[Role] = &[Role::Trader];
const MOVES: &[Role] = &[Role::Treasurer];

/// The authority of a command. A new command does not compile before it has one.
#[must_use]
pub const fn of(command: &Command) -> Authority {
    match command {
        Command::PlaceOrder(_) | Command::CancelOrder(_) | Command::AmendOrder(_) | Command::CancelAll(_) => Authority::Account(TRADES, Protected::Never),
        Command::Lend(_) | Command::Recall(_) | Command::Hold(_) | Command::Pledge(_) => Authority::Account(MOVES, Protected::Never),
        Command::RequestWithdrawal(_) | Command::WithdrawTo(_) | Command::Transfer(_) | Command::AddAddress(_) => {
            Authority::Account(MOVES, Protected::Withdrawals)
        }
        Command::RemoveAddress(_) => Authority::Account(MOVES, Protected::Never),
        Command::SetOwnerPolicy(_) => Authority::Account(MOVES, Protected::Keys),
        Command::PostPrice(_)
        | Command::AdvanceTime(_)
        | Command::Deposit(_)
        | Command::SettleWithdrawal(_)
        | Command::VoidWithdrawal(_)
        | Command::SetSession(_)
        | Command::PostLiquidity(_)
        | Command::ResumeVenue(_) => Authority::Fact,
        Command::OpenAccount(_) | Command::ClassifyOwner(_) => Authority::Staff(ADMITS),
        Command::FundInsurance(_) => Authority::Staff(PAYS),
        Command::Restrict(_) => Authority::Staff(WATCHES),
        Command::EnterRelease(_) | Command::RevokeActor(_) => Authority::Staff(RUNS),
        Command::ActivateRelease(_)
        | Command::ConfigureVenue(_)
        | Command::ListBucket(_)
        | Command::ListDatedRow(_)
        | Command::ListUnderlying(_)
        | Command::ListSource(_)
        | Command::ListAsset(_)
        | Command::ListMarket(_)
        | Command::ListPool(_)
        | Command::ChangeTerms(_)
        | Command::SetLimit(_)
        | Command::JoinOwners(_)
        | Command::ListFeeTier(_)
        | Command::PermitRelease(_)
        | Command::ConfigureGovernance(_)
        | Command::RegisterActor(_) => Authority::Change(RUNS, Delay::Measured),
        Command::ConfigureEligibility(_) | Command::ListHolderClass(_) | Command::SetEligibility(_) => Authority::Change(ADMITS, Delay::Measured),
        Command::ConfirmRestriction(_) => Authority::Change(WATCHES, Delay::None),
        Command::LiftRestriction(_) => Authority::Change(WATCHES, Delay::Measured),
        Command::QuarantineCommand(_) => Authority::Staff(RUNS),
        Command::MoveOwnership(_) => Authority::Change(ADMITS, Delay::Ownership),
        Command::GrantRole(_) | Command::RevokeRole(_) => Authority::AccountOrChange(RUNS, Delay::Measured),
        Command::ProposeChange(_) | Command::ApproveChange(_) | Command::RejectChange(_) => Authority::Wrapped,
        // orders
        Command::PlaceOrderFull(_) | Command::CancelAfter(_) | Command::PlaceTwap(_) | Command::OrderBatch(_) => Authority::Account(TRADES, Protected::Never),
        Command::SetMarketPhase(_) => Authority::Staff(RUNS),
        Command::ConfigureOrders(_) => Authority::Change(RUNS, Delay::Measured),
        // packages
        Command::PlacePackage(_)
        | Command::ProposeBlock(_)
        | Command::AcceptBlock(_)
        | Command::DeclineBlock(_)
        | Command::WithdrawBlock(_)
        | Command::RequestQuotes(_)
        | Command::GiveQuote(_)
        | Command::AcceptQuote(_)
        | Command::WithdrawQuote(_)
        | Command::CancelQuoteRequest(_) => Authority::Account(TRADES, Protected::Never),
        Command::ConfigurePackages(_) | Command::ListBlockTerms(_) => Authority::Change(RUNS, Delay::Measured),
        Command::FundTreasury(_) => Authority::Staff(PAYS),
        Command::CompensateError(_) | Command::CollectFees(_) => Authority::Change(REPAYS, Delay::None),
        // prices
        Command::ConfigurePrices(_) => Authority::Change(RUNS, Delay::Measured),
        Command::CancelPrint(_) | Command::ScheduleEarnings(_) => Authority::Fact,
        Command::SettleHalted(_) => Authority::Change(RUNS, Delay::None),
        // lending
        Command::ConfigureLending(_) => Authority::Change(RUNS, Delay::Measured),
        Command::FundPool(_) => Authority::Change(RUNS, Delay::None),
        Command::ListLine(_) => Authority::Change(RUNS, Delay::Measured),
        Command::GiveLineNotice(_) => Authority::Staff(RUNS),
        Command::RecallLoan(_) | Command::BuyLine(_) => Authority::Account(MOVES, Protected::Never),
        // liquidation
        Command::ConfigureLiquidation(_) => Authority::Change(RUNS, Delay::Measured),
        Command::CommitBackstop(_) | Command::WithdrawBackstop(_) => Authority::Account(MOVES, Protected::Never),
        Command::BidBackstop(_) => Authority::Account(TRADES, Protected::Never),
        Command::FundOperatorTranche(_) | Command::PayRecovery(_) => Authority::Staff(PAYS),
        // clearing
        Command::ConfigureClearing(_) | Command::ListBroker(_) | Command::ListIssuance(_) => Authority::Change(RUNS, Delay::Measured),
        Command::PauseIssuance(_) | Command::EnableBroker(_) => Authority::Change(WATCHES, Delay::None),
        Command::AuthoriseParticipant(_) => Authority::Change(ADMITS, Delay::Measured),
        Command::FundBroker(FundBroker { amount: ..0, .. }) | Command::FundInventory(FundInventory { shares: ..0, .. }) => Authority::Change(REPAYS, Delay::None),
        Command::FundBroker(_) | Command::FundInventory(_) | Command::RequestConversion(_) => Authority::Staff(PAYS),
        Command::RequestFirmPrice(_) | Command::RequestIssuance(_) | Command::RequestRedemption(_) | Command::CancelRequest(_) | Command::RequestHedged(_) => {
            Authority::Account(TRADES, Protected::Never)
        }
        Command::RequestInKind(_) => Authority::Account(MOVES, Protected::Withdrawals),
        Command::AttestBacking(_)
        | Command::PostDepth(_)
        | Command::GiveFirmPrice(_)
        | Command::ReportBrokerAccepted(_)
        | Command::ReportBrokerFill(_)
        | Command::ReportBrokerReject(_)
        | Command::ReportBrokerCancelled(_)
        | Command::ReportBrokerLine(_)
        | Command::ReportBust(_)
        | Command::ReportCorrection(_)
        | Command::ReportSettlement(_)
        | Command::DeliverRequest(_)
        | Command::ReportInKind(_)
        | Command::ReportStatement(_)
        | Command::ReportConversion(_)
        | Command::ReportBrokerDefault(_) => Authority::Fact,
        Command::AssignBreak(_) => Authority::Staff(RUNS),
        Command::ResolveBreak(_) => Authority::Change(REPAYS, Delay::None),
        // corporate
        Command::ScheduleCorporateAction(_) | Command::ConfirmCorporateAction(_) | Command::CancelCorporateAction(_) => Authority::Staff(RUNS),
        Command::CorrectCorporateAction(_) | Command::ListWithholding(_) => Authority::Change(RUNS, Delay::Measured),
        Command::FundDistributions(_) | Command::PayDistribution(_) => Authority::Staff(PAYS),
        Command::BookReinvestment(_) => Authority::Fact,
    }
}

/// The authority in words, for the reference page.
#[must_use]
pub fn words(authority: Authority) -> (String, String) {
    let names = |roles: &[Role]| roles.iter().map(|r| format!("{r:?}").to_lowercase()).collect::<Vec<_>>().join(" or ");
    let delay = |d: Delay| match d {
        Delay::None => "two people, at once",
        Delay::Measured => "two people, then the short delay, or the long one where a requirement rises",
        Delay::Ownership => "two people, then the public delay",
    };
    match authority {
        Authority::Account(roles, Protected::Never) => (format!("{} of the account", names(roles)), "one person".to_owned()),
        Authority::Account(roles, _) => (format!("{} of the account", names(roles)), "one person, or two where the owner says so".to_owned()),
        Authority::Fact => ("keeper".to_owned(), "one process".to_owned()),
        Authority::Staff(roles) => (format!("{} of the venue", names(roles)), "one person".to_owned()),
        Authority::Change(roles, d) => (format!("{} of the venue", names(roles)), delay(d).to_owned()),
        Authority::AccountOrChange(roles, d) => {
            (format!("treasurer of the account, or {} of the venue", names(roles)), format!("as the owner's policy says, or {}", delay(d)))
        }
        Authority::Wrapped => ("as the wrapped command".to_owned(), "each one person".to_owned()),
    }
}

/// A key that is known, not revoked, and has one of the roles at the account, or (0) at the venue, now.
///
/// # Errors
/// `actor_must_be_known`, `actor_must_not_be_revoked`, `actor_must_have_the_role`.
pub fn person<'a>(state: &'a State, actor: u64, account: u64, roles: &[Role]) -> Result<&'a Actor, Refusal> {
    let known = state.governance.actors.get(&actor).ok_or(Reject::actor_must_be_known.at(0, actor as i64, 0))?;
    require(!known.revoked, Reject::actor_must_not_be_revoked.at(0, actor as i64, 0))?;
    let now: Nanos = state.now;
    let has = roles.iter().any(|&r| find(&known.grants, account, r).is_some_and(|g| g.expires_ns == 0 || now < g.expires_ns));
    require(has, Reject::actor_must_have_the_role.at(0, actor as i64, account as i64))?;
    Ok(known)
}

/// Whether a key that let an order wait for the account (by id) may still trade for it when the order comes in.
///
/// # Errors
/// As for `person`.
pub fn still_trades(state: &State, actor: u64, account: u64) -> Result<(), Refusal> {
    if state.governance.config.is_none() {
        return Ok(());
    }
    person(state, actor, account, TRADES).map(|_| ())
}

/// The person behind a key; a key that nobody registered stands for itself.
#[must_use]
pub fn person_of(state: &State, actor: u64) -> u64 {
    state.governance.actors.get(&actor).map_or(actor, |a| a.person)
}

/// Whether the owner of the account (by id) lets only two of its people together send such a wish.
#[must_use]
pub fn takes_two(state: &State, account: u64, protected: Protected) -> bool {
    let Ok(index) = state.account(account) else { return false };
    let policy = state.governance.holders.get(&state.accounts[index as usize].holder).map(|h| h.policy).unwrap_or_default();
    match protected {
        Protected::Never => false,
        Protected::Withdrawals => policy.withdrawals,
        Protected::Keys => policy.keys,
    }
}

/// Refuses a command whose sender has not the authority for it.
///
/// # Errors
/// 1001 to 1004, 1010, 1012.
pub fn check(state: &State, header: &Header, command: &Command) -> Result<(), Refusal> {
    if state.governance.config.is_none() {
        return Ok(());
    }
    let change = Reject::change_must_be_proposed_and_approved.at(0, i64::from(header.kind), 0);
    match of(command) {
        Authority::Account(roles, protected) => {
            require(header.account != 0, Reject::actor_must_have_the_role.at(0, header.actor as i64, 0))?;
            person(state, header.actor, header.account, roles)?;
            require(!takes_two(state, header.account, protected), Reject::owner_asks_for_two_people.at(0, header.account as i64, 0))?;
        }
        Authority::Fact => {
            person(state, header.actor, 0, &[Role::Keeper])?;
            return Ok(());
        }
        Authority::Staff(roles) => {
            person(state, header.actor, 0, roles)?;
        }
        Authority::Change(..) => return Err(change),
        Authority::AccountOrChange(..) if header.account == 0 => return Err(change),
        Authority::AccountOrChange(..) => {
            person(state, header.actor, header.account, MOVES)?;
            require(!takes_two(state, header.account, Protected::Keys), Reject::owner_asks_for_two_people.at(0, header.account as i64, 0))?;
        }
        Authority::Wrapped => {
            let actor = state.governance.actors.get(&header.actor).ok_or(Reject::actor_must_be_known.at(0, header.actor as i64, 0))?;
            require(!actor.revoked, Reject::actor_must_not_be_revoked.at(0, header.actor as i64, 0))?;
        }
    }
    fresh(state, header)
}

/// Who may propose and who may approve a wrapped command: the roles and the account at which they count, and its delay.
///
/// # Errors
/// `command_must_take_two_people`.
pub fn wrapped(state: &State, account: u64, kind: u16, command: &Command) -> Result<(&'static [Role], u64, Delay), Refusal> {
    let refusal = Reject::command_must_take_two_people.at(2, i64::from(kind), 0);
    match of(command) {
        Authority::Change(roles, delay) => require(account == 0, refusal).map(|()| (roles, 0, delay)),
        Authority::AccountOrChange(roles, delay) if account == 0 || !has_people(state, account) => Ok((roles, 0, delay)),
        Authority::AccountOrChange(..) => Ok((MOVES, account, Delay::None)),
        Authority::Account(roles, protected) if takes_two(state, account, protected) => Ok((roles, account, Delay::None)),
        _ => Err(refusal),
    }
}

/// Whether anybody has a treasurer's role at the account: the first one is given by the venue.
fn has_people(state: &State, account: u64) -> bool {
    state.governance.actors.values().any(|a| !a.revoked && find(&a.grants, account, Role::Treasurer).is_some())
}

/// A request is taken once: not below the window, not one that was seen.
fn fresh(state: &State, header: &Header) -> Result<(), Refusal> {
    let window = state.governance.config.as_ref().map_or(0, |c| c.nonce_window);
    let Some(actor) = state.governance.actors.get(&header.actor).filter(|_| window > 0) else { return Ok(()) };
    let age = actor.nonce.saturating_sub(header.request);
    let seen = match age {
        0 => header.request == actor.nonce,
        age => age <= u64::from(window) && actor.nonces >> (age - 1) & 1 == 1,
    };
    let refusal = Reject::request_must_be_new_and_within_the_window.at(0, header.request as i64, actor.nonce as i64);
    require(!seen && age <= u64::from(window), refusal)
}

/// The command acted: its request is taken. A refused command leaves its request free.
pub fn remember(state: &mut State, header: &Header, command: &Command) {
    if state.governance.config.as_ref().is_none_or(|c| c.nonce_window == 0) || matches!(of(command), Authority::Fact) {
        return;
    }
    let Some(actor) = state.governance.actors.get_mut(&header.actor) else { return };
    if header.request > actor.nonce {
        let step = header.request - actor.nonce;
        actor.nonces = if step >= 64 { 0 } else { actor.nonces << step };
        if (1..=64).contains(&step) {
            actor.nonces |= 1 << (step - 1);
        }
        actor.nonce = header.request;
    } else if let age @ 1..=64 = actor.nonce - header.request {
        actor.nonces |= 1 << (age - 1);
    }
}
