"""What a principal may do: one table of actions, and one function that reads it.

Responsible for: action x scope x role x account x market x notional -> allowed, or a numbered refusal. Never: proves who speaks, knows
the state of the engine, or takes its place: on a venue with governance the engine asks for the role again, and for the second person.

An action is a command of the engine, by the name of its message, or something that the service itself does, by a dotted name. The roles
of commands are those of docs/reference/authority.md, which the engine prints; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from novate.identity.principals import VENUE, Principal, PrincipalKind, Scope
from novate.identity.refusals import IdentityRefused, Rule
from novate.messages.codes import Role


class Market(Enum):
    """How an action is bound to a market.

    Attributes:
        NONE: It is about no market.
        IF_STATED: Checked where the request names one: a cancel is never refused for want of it.
        REQUIRED: A key that is limited to markets must say which.
    """

    NONE = 0
    IF_STATED = 1
    REQUIRED = 2


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the table: who may do it. Two sets of roles, because the same act may be an owner's or the venue's own people's."""

    name: str
    scope: Scope | None
    """None: anybody may, without credentials."""
    account_roles: frozenset[Role] = frozenset()
    """At the account it is for, which must be the principal's own."""
    venue_roles: frozenset[Role] = frozenset()
    """At the venue, for any account."""
    market: Market = Market.NONE
    capped: bool = False
    """Whether the key's cap of notional holds for it."""
    relief: bool = False
    """Whether it only reduces, and is paid from the larger budget."""
    leaves: bool = False
    """Whether money leaves the venue by it: refused to a key that can trade."""


_TRADER: Final = frozenset({Role.TRADER})
_TREASURER: Final = frozenset({Role.TREASURER})
_SEES: Final = frozenset({Role.VIEWER, Role.TRADER, Role.TREASURER})
_KEEPER: Final = frozenset({Role.KEEPER})
_RUNS: Final = frozenset({Role.OPERATOR, Role.RISK})
_COMPLIANCE: Final = frozenset({Role.COMPLIANCE})
_EMERGENCY: Final = _RUNS | _COMPLIANCE
_TREASURY: Final = frozenset({Role.TREASURER, Role.OPERATOR})
_WATCHES: Final = _EMERGENCY | {Role.VIEWER}
_NOBODY: Final[frozenset[Role]] = frozenset()


def _trade(
    *names: str, market: Market = Market.NONE, capped: bool = False, relief: bool = False
) -> list[Action]:
    return [Action(name, Scope.TRADE, _TRADER, market=market, capped=capped, relief=relief) for name in names]


def _money(*names: str, leaves: bool = False) -> list[Action]:
    return [Action(name, Scope.TRANSFER, _TREASURER, leaves=leaves) for name in names]


def _venue(roles: frozenset[Role], *names: str) -> list[Action]:
    return [Action(name, Scope.ADMIN, venue_roles=roles) for name in names]


def _either(account: frozenset[Role], venue: frozenset[Role], scope: Scope, *names: str) -> list[Action]:
    return [Action(name, scope, account, venue) for name in names]


def _public(*names: str) -> list[Action]:
    return [Action(name, None) for name in names]


_ROWS: Final = [
    # --- the owner's own people: trading
    *_trade("PlaceOrder", "PlaceOrderFull", "PlaceTwap", market=Market.REQUIRED, capped=True),
    *_trade("AmendOrder", market=Market.REQUIRED, capped=True),
    *_trade("OrderBatch"),  # each of its legs is asked for by its own line
    *_trade("PlacePackage", market=Market.REQUIRED, capped=True),
    *_trade("CancelOrder", "CancelAll", market=Market.IF_STATED, relief=True),
    *_trade("CancelAfter", relief=True),
    *_trade("ProposeBlock", "AcceptBlock", "RequestQuotes", "GiveQuote", "AcceptQuote", market=Market.REQUIRED, capped=True),
    *_trade("DeclineBlock", "WithdrawBlock", "WithdrawQuote", "CancelQuoteRequest", relief=True),
    *_trade("BidBackstop", market=Market.IF_STATED, capped=True),
    *_trade("RequestFirmPrice", "RequestIssuance", "RequestRedemption", "RequestHedged", capped=True),
    *_trade("CancelRequest", relief=True),
    # --- the owner's own people: money
    *_money("Transfer", "Lend", "Recall", "RecallLoan", "BuyLine", "CommitBackstop", "WithdrawBackstop"),
    *_money("Hold", "Pledge", "SetOwnerPolicy", "AddAddress", "RemoveAddress"),
    *_money("RequestWithdrawal", "WithdrawTo", "RequestInKind", leaves=True),
    # --- either: keys, roles, changes
    *_either(_TREASURER, _RUNS, Scope.ADMIN, "GrantRole", "RevokeRole"),
    *_either(_TREASURER, _EMERGENCY | _TREASURY, Scope.ADMIN, "ProposeChange", "ApproveChange", "RejectChange"),
    *_either(_TREASURER, _RUNS, Scope.ADMIN, "keys.create", "keys.list", "keys.revoke"),
    # --- the venue's people
    *_venue(_RUNS, "ActivateRelease", "ConfigureVenue", "ListBucket", "ListDatedRow", "ListUnderlying", "ListSource", "ListAsset"),
    *_venue(_RUNS, "ListMarket", "ListPool", "SetMarketPhase", "ConfigureOrders", "ConfigurePackages", "ListBlockTerms"),
    *_venue(_RUNS, "ConfigurePrices", "SettleHalted", "ConfigureLending", "FundPool", "ListLine", "GiveLineNotice"),
    *_venue(_RUNS, "ConfigureLiquidation", "ConfigureClearing", "ListBroker", "ListIssuance", "AssignBreak"),
    *_venue(_RUNS, "ConfigureGovernance", "RegisterActor", "RevokeActor", "ChangeTerms", "SetLimit", "JoinOwners"),
    *_venue(_RUNS, "PermitRelease", "EnterRelease", "QuarantineCommand", "ListFeeTier"),
    *_venue(_RUNS, "ScheduleCorporateAction", "ConfirmCorporateAction", "CancelCorporateAction", "CorrectCorporateAction"),
    *_venue(_RUNS, "ListWithholding", "owners.create", "accounts.assign"),
    # --- becoming a customer
    *_either(_TREASURER, _COMPLIANCE, Scope.ADMIN, "onboarding.apply"),
    *_either(_SEES, _COMPLIANCE, Scope.READ, "onboarding.read"),
    *_venue(_COMPLIANCE, "onboarding.decide"),
    # --- what the venue tells everybody
    *_venue(_EMERGENCY, "notices.post"),
    *_venue(_COMPLIANCE, "OpenAccount", "AuthoriseParticipant", "ConfigureEligibility", "ListHolderClass", "SetEligibility"),
    *_venue(_COMPLIANCE, "ClassifyOwner", "MoveOwnership"),
    *_venue(_EMERGENCY, "PauseIssuance", "EnableBroker", "Restrict", "ConfirmRestriction", "LiftRestriction"),
    *_venue(_EMERGENCY, "audit.read"),
    *_venue(_TREASURY, "CompensateError", "ResolveBreak", "CollectFees"),
    *_venue(_TREASURER, "FundInsurance", "FundTreasury", "FundOperatorTranche", "PayRecovery", "FundBroker", "FundInventory"),
    *_venue(_TREASURER, "RequestConversion", "FundDistributions", "PayDistribution"),
    # --- keepers
    *_venue(_KEEPER, "PostPrice", "AdvanceTime", "Deposit", "SettleWithdrawal", "VoidWithdrawal", "SetSession", "PostLiquidity"),
    *_venue(_KEEPER, "ResumeVenue", "CancelPrint", "ScheduleEarnings", "AttestBacking", "PostDepth", "GiveFirmPrice"),
    *_venue(_KEEPER, "ReportBrokerAccepted", "ReportBrokerFill", "ReportBrokerReject", "ReportBrokerCancelled"),
    *_venue(_KEEPER, "ReportBrokerLine", "ReportBust", "ReportCorrection", "ReportSettlement", "DeliverRequest"),
    *_venue(_KEEPER, "ReportInKind", "ReportStatement", "ReportConversion", "ReportBrokerDefault", "BookReinvestment"),
    # --- what is read
    *_either(_SEES, _WATCHES, Scope.READ, "account.read", "account.stream", "account.simulate"),
    *_either(_NOBODY, _WATCHES, Scope.READ, "venue.read"),
    *_either(_SEES, _NOBODY, Scope.READ, "calls.acknowledge"),
    *_public("market.read", "market.stream", "status.read", "limits.read", "signature.verify"),
]  # fmt: skip

ACTIONS: Final[dict[str, Action]] = {action.name: action for action in _ROWS}
"""Every action by name."""


def action_of(name: str) -> Action:
    """The line of an action. Raises IdentityRefused (`action_must_be_known`)."""
    action = ACTIONS.get(name)
    if action is None:
        raise IdentityRefused(Rule.ACTION_MUST_BE_KNOWN, action=name[:64])
    return action


def authorise(
    principal: Principal,
    name: str,
    account: int = VENUE,
    market: int | None = None,
    notional_micro_usd: int | None = None,
    *,
    owner_of: Callable[[int], int | None],
) -> Action:
    """Returns the action's line if the principal may do it; else raises IdentityRefused with the first rule it breaks.

    Args:
        principal: Who acts.
        name: Which action.
        account: The account it is for; 0 for the venue.
        market: The market it is for, None where it says none (`CancelAll` of all markets).
        notional_micro_usd: What the order is worth at most; None where it is not known.
        owner_of: Owner of an account, None for one that does not exist. Both are the same answer to a stranger.
    """
    action = action_of(name)
    if action.scope is None or principal.kind is PrincipalKind.DEV:
        return action
    if principal.kind is PrincipalKind.ANONYMOUS:
        raise IdentityRefused(Rule.CREDENTIALS_MUST_BE_GIVEN, action=name)
    if action.scope not in principal.scopes:
        raise IdentityRefused(Rule.SCOPE_MUST_COVER, action=name, scope=action.scope.words[0])
    if action.leaves and Scope.TRADE in principal.scopes:
        raise IdentityRefused(Rule.WITHDRAWAL_MUST_USE_A_KEY_WITHOUT_TRADE, action=name)
    if action.venue_roles.isdisjoint(principal.venue_roles):
        _check_at_account(principal, action, account, owner_of)
    if action.market is not Market.NONE and principal.markets is not None:
        _check_market(principal.markets, action, market)
    if action.capped and principal.cap_micro_usd:
        _check_cap(principal.cap_micro_usd, notional_micro_usd)
    return action


def authorise_owner(principal: Principal, name: str, owner: int | None) -> Action:
    """The same for an action about an owner as a whole: keys, an application. Raises IdentityRefused with the first rule it breaks.

    That is: the venue's own people whom the table names, or a key of the owner with a role that the table names at every account, and no
    limit to single accounts. `owner` is None for what does not exist: to a stranger that and another's are the same answer.
    """
    action = action_of(name)
    if action.scope is None or principal.kind is PrincipalKind.DEV:
        return action
    if principal.kind is PrincipalKind.ANONYMOUS:
        raise IdentityRefused(Rule.CREDENTIALS_MUST_BE_GIVEN, action=name)
    if action.scope not in principal.scopes:
        raise IdentityRefused(Rule.SCOPE_MUST_COVER, action=name, scope=action.scope.words[0])
    if not action.venue_roles.isdisjoint(principal.venue_roles):
        return action
    if not action.account_roles:
        raise IdentityRefused(Rule.ROLE_MUST_ALLOW, action=name)
    if owner in (None, VENUE) or principal.owner != owner or principal.accounts is not None:
        raise IdentityRefused(
            Rule.ACCOUNT_MUST_BE_ONES_OWN, "These are not all one's own accounts.", action=name
        )
    if action.account_roles.isdisjoint(principal.everywhere):
        raise IdentityRefused(Rule.ROLE_MUST_ALLOW, action=name)
    return action


def _check_at_account(
    principal: Principal, action: Action, account: int, owner_of: Callable[[int], int | None]
) -> None:
    if not action.account_roles or account == VENUE:
        raise IdentityRefused(Rule.ROLE_MUST_ALLOW, action=action.name, account=account)
    if (principal.accounts is not None and account not in principal.accounts) or (
        owner_of(account) != principal.owner
    ):
        raise IdentityRefused(Rule.ACCOUNT_MUST_BE_ONES_OWN, action=action.name, account=account)
    if action.account_roles.isdisjoint(principal.roles_at(account)):
        raise IdentityRefused(Rule.ROLE_MUST_ALLOW, action=action.name, account=account)


def _check_market(allowed: frozenset[int], action: Action, market: int | None) -> None:
    if market is None:
        if action.market is Market.REQUIRED:
            raise IdentityRefused(Rule.MARKET_MUST_BE_STATED, action=action.name)
    elif market not in allowed:
        raise IdentityRefused(Rule.MARKET_MUST_BE_ALLOWED, action=action.name, market=market)


def _check_cap(cap: int, notional: int | None) -> None:
    if notional is None:
        raise IdentityRefused(Rule.NOTIONAL_MUST_BE_STATED, cap_micro_usd=cap)
    if notional > cap:
        raise IdentityRefused(
            Rule.NOTIONAL_MUST_NOT_EXCEED_CAP, cap_micro_usd=cap, notional_micro_usd=notional
        )
