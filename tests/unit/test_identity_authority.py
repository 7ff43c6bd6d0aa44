"""The table of actions against a specification written by hand, over every action, scope, role, place, account, market and notional."""

import re
from itertools import product
from pathlib import Path

import pytest

from novate.identity import (
    ACTIONS,
    ANONYMOUS,
    DEV,
    Grant,
    IdentityRefused,
    KeyKind,
    KeyRecord,
    KeyTerms,
    Rule,
    Scope,
    authorise,
)
from novate.identity.principals import EVERY_SCOPE, principal_of
from novate.messages.codes import Role
from novate.messages.layout import COMMAND_KINDS

# action(s) | scope | roles at one's own account | roles at the venue | flags
# flags: M market required, m checked where stated, C capped, R only reduces, X leaves the venue
SPEC = """
PlaceOrder PlaceOrderFull PlaceTwap AmendOrder PlacePackage | trade | trader | | M C
OrderBatch | trade | trader | |
ProposeBlock AcceptBlock RequestQuotes GiveQuote AcceptQuote | trade | trader | | M C
CancelOrder CancelAll | trade | trader | | m R
CancelAfter DeclineBlock WithdrawBlock WithdrawQuote CancelQuoteRequest CancelRequest | trade | trader | | R
BidBackstop | trade | trader | | m C
RequestFirmPrice RequestIssuance RequestRedemption RequestHedged | trade | trader | | C
Transfer Lend Recall RecallLoan BuyLine CommitBackstop WithdrawBackstop | transfer | treasurer | |
Hold Pledge SetOwnerPolicy AddAddress RemoveAddress | transfer | treasurer | |
RequestWithdrawal WithdrawTo RequestInKind | transfer | treasurer | | X
GrantRole RevokeRole keys.create keys.list keys.revoke | admin | treasurer | operator risk |
ProposeChange ApproveChange RejectChange | admin | treasurer | operator risk compliance treasurer |
ActivateRelease ConfigureVenue ListBucket ListDatedRow ListUnderlying ListSource ListAsset | admin | | operator risk |
ListMarket ListPool SetMarketPhase ConfigureOrders ConfigurePackages ListBlockTerms | admin | | operator risk |
ConfigurePrices SettleHalted ConfigureLending FundPool ListLine GiveLineNotice | admin | | operator risk |
ConfigureLiquidation ConfigureClearing ListBroker ListIssuance AssignBreak | admin | | operator risk |
ConfigureGovernance RegisterActor RevokeActor ChangeTerms SetLimit JoinOwners | admin | | operator risk |
PermitRelease EnterRelease QuarantineCommand ListFeeTier ListWithholding | admin | | operator risk |
ScheduleCorporateAction ConfirmCorporateAction CancelCorporateAction CorrectCorporateAction | admin | | operator risk |
owners.create accounts.assign | admin | | operator risk |
onboarding.apply | admin | treasurer | compliance |
onboarding.read | read | viewer trader treasurer | compliance |
onboarding.decide | admin | | compliance |
notices.post | admin | | operator risk compliance |
OpenAccount AuthoriseParticipant ConfigureEligibility ListHolderClass SetEligibility | admin | | compliance |
ClassifyOwner MoveOwnership | admin | | compliance |
PauseIssuance EnableBroker Restrict ConfirmRestriction LiftRestriction audit.read | admin | | operator risk compliance |
CompensateError ResolveBreak CollectFees | admin | | treasurer operator |
FundInsurance FundTreasury FundOperatorTranche PayRecovery FundBroker FundInventory | admin | | treasurer |
RequestConversion FundDistributions PayDistribution | admin | | treasurer |
PostPrice AdvanceTime Deposit SettleWithdrawal VoidWithdrawal SetSession PostLiquidity | admin | | keeper |
ResumeVenue CancelPrint ScheduleEarnings AttestBacking PostDepth GiveFirmPrice | admin | | keeper |
ReportBrokerAccepted ReportBrokerFill ReportBrokerReject ReportBrokerCancelled ReportBrokerLine | admin | | keeper |
ReportBust ReportCorrection ReportSettlement DeliverRequest ReportInKind ReportStatement | admin | | keeper |
ReportConversion ReportBrokerDefault BookReinvestment | admin | | keeper |
account.read account.stream account.simulate | read | viewer trader treasurer | viewer operator risk compliance |
calls.acknowledge | read | viewer trader treasurer | |
venue.read | read | | viewer operator risk compliance |
market.read market.stream status.read limits.read signature.verify | | | |
"""

OWN, OTHERS, UNKNOWN = 7, 8, 9
OWNER_OF = {OWN: 1, OTHERS: 2}.get


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def spec() -> dict[str, tuple[str, frozenset[str], frozenset[str], frozenset[str]]]:
    found = {}
    for line in SPEC.strip().splitlines():
        names, scope, account, venue, flags = line.split("|")
        for name in names.split():
            assert name not in found
            found[name] = (scope.strip(), words(account), words(venue), words(flags))
    return found


LINES = spec()


def principal(scopes=EVERY_SCOPE, grants=(), owner=1, **terms):
    grants = frozenset(grants)
    record = KeyRecord(
        actor=5,
        kind=KeyKind.HMAC,
        public=bytes(32),
        terms=KeyTerms(owner=owner, scopes=scopes, grants=grants, **terms),
    )
    return principal_of(record)


def verdict(who, name, account=OWN, market=None, notional=None) -> Rule | None:
    try:
        authorise(who, name, account, market, notional, owner_of=OWNER_OF)
    except IdentityRefused as refusal:
        return refusal.rule
    return None


def test_the_table_has_the_specified_actions_and_no_other() -> None:
    assert ACTIONS.keys() == LINES.keys()


def test_every_command_of_the_engine_is_an_action() -> None:
    commands = {command.__name__ for command in COMMAND_KINDS.values()}
    assert commands == {name for name in ACTIONS if "." not in name}


def test_roles_are_those_that_the_engine_prints() -> None:
    """docs/reference/authority.md is written from the engine's own table."""
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "authority.md"
    rows = re.findall(r"^\| \d+ `(\w+)` \| ([^|]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 100
    roles = {str(role.name).lower() for role in Role}
    for name, who in rows:
        if who.strip() == "as the wrapped command":
            continue
        account, venue = set(), set()
        for clause in who.replace(", or ", ";").split(";"):
            named = set(re.findall(r"\w+", clause)) & roles
            (account if "of the account" in clause else venue).update(named)
        action = ACTIONS[name]
        assert {str(role.name).lower() for role in action.account_roles} == account, name
        assert {str(role.name).lower() for role in action.venue_roles} == venue, name


def expected(name, scopes, role, place, account) -> Rule | None:
    """What the specification says of a principal with one role at one place and no other limit."""
    scope, account_roles, venue_roles, flags = LINES[name]
    if not scope:
        return None
    if scope not in scopes:
        return Rule.SCOPE_MUST_COVER
    if "X" in flags and "trade" in scopes:
        return Rule.WITHDRAWAL_MUST_USE_A_KEY_WITHOUT_TRADE
    if place == "venue" and role in venue_roles:
        return None
    if not account_roles or account == 0:
        return Rule.ROLE_MUST_ALLOW
    if account != OWN:
        return Rule.ACCOUNT_MUST_BE_ONES_OWN
    return None if place in ("everywhere", "own") and role in account_roles else Rule.ROLE_MUST_ALLOW


def test_every_action_scope_role_place_and_account() -> None:
    places = {"everywhere": None, "own": OWN, "another": 6, "venue": 0}
    scope_sets = [
        (),
        ("read",),
        ("trade",),
        ("transfer",),
        ("admin",),
        ("read", "trade", "transfer", "admin"),
    ]
    compared = 0
    for scopes, role, (place, at) in product(scope_sets, Role, places.items()):
        who = principal(Scope.of(*scopes), [Grant(role, at)])
        for name, account in product(ACTIONS, (OWN, OTHERS, UNKNOWN, 0)):
            word = str(role.name).lower()
            assert verdict(who, name, account, 1, 1) is expected(name, scopes, word, place, account), (
                name,
                scopes,
                role,
                place,
                account,
            )
            compared += 1
    assert compared == len(ACTIONS) * 4 * len(scope_sets) * len(Role) * 4


def test_a_foreign_account_and_none_are_the_same_answer() -> None:
    who = principal(grants=[Grant(role) for role in Role])
    for name in ("PlaceOrder", "Transfer", "account.read"):
        assert (
            verdict(who, name, OTHERS, 1) is verdict(who, name, UNKNOWN, 1) is Rule.ACCOUNT_MUST_BE_ONES_OWN
        )


@pytest.mark.parametrize("name", sorted(LINES))
def test_markets_and_caps(name: str) -> None:
    _, account_roles, _, flags = LINES[name]
    if not account_roles or "X" in flags:
        return
    everything = [Grant(role) for role in Role]
    limited = principal(grants=everything, markets=frozenset({3, 4}))
    bound = bool(flags & {"M", "m"})
    assert verdict(limited, name, market=3, notional=1) is None
    assert verdict(limited, name, market=5, notional=1) is (Rule.MARKET_MUST_BE_ALLOWED if bound else None)
    assert verdict(limited, name, notional=1) is (Rule.MARKET_MUST_BE_STATED if "M" in flags else None)
    capped = principal(grants=everything, cap_micro_usd=1_000)
    assert verdict(capped, name, market=3, notional=1_000) is None
    assert verdict(capped, name, market=3, notional=1_001) is (
        Rule.NOTIONAL_MUST_NOT_EXCEED_CAP if "C" in flags else None
    )
    assert verdict(capped, name, market=3) is (Rule.NOTIONAL_MUST_BE_STATED if "C" in flags else None)
    assert ACTIONS[name].relief is ("R" in flags)


def test_a_key_for_some_accounts_has_no_other() -> None:
    who = principal(grants=[Grant(Role.TRADER)], accounts=frozenset({6}))
    assert verdict(who, "PlaceOrder", OWN, 1) is Rule.ACCOUNT_MUST_BE_ONES_OWN
    moved = principal(grants=[Grant(Role.TRADER)], accounts=frozenset({OTHERS}))
    assert verdict(moved, "PlaceOrder", OTHERS, 1) is Rule.ACCOUNT_MUST_BE_ONES_OWN


def test_nobody_sees_public_data_and_dev_does_everything() -> None:
    for name in ACTIONS:
        assert verdict(ANONYMOUS, name) is (None if not LINES[name][0] else Rule.CREDENTIALS_MUST_BE_GIVEN)
        assert verdict(DEV, name, UNKNOWN) is None
    for who in (ANONYMOUS, DEV):
        assert verdict(who, "DropTables") is Rule.ACTION_MUST_BE_KNOWN


def agent_of(wallet: KeyTerms, own: KeyTerms):
    record = KeyRecord(actor=5, kind=KeyKind.WALLET, public=bytes(20), terms=wallet)
    return principal_of(KeyRecord(actor=6, kind=KeyKind.AGENT, public=bytes(20), terms=own, parent=5), record)


def test_an_agent_has_the_narrower_of_its_own_and_its_wallets() -> None:
    wallet = KeyTerms(
        owner=1, scopes=EVERY_SCOPE, grants=frozenset({Grant(Role.TRADER)}), accounts=frozenset({OWN, 6}),
        markets=frozenset({1, 2}), cap_micro_usd=100, expires_ns=500,
    )  # fmt: skip
    wide = agent_of(
        wallet, KeyTerms(owner=1, scopes=EVERY_SCOPE, grants=frozenset({Grant(Role.OPERATOR, 0)}))
    )
    assert wide.scopes == EVERY_SCOPE & ~Scope.ADMIN
    assert (wide.everywhere, wide.venue_roles) == ({Role.TRADER}, frozenset())
    assert (wide.accounts, wide.markets, wide.cap_micro_usd, wide.expires_ns) == ({OWN, 6}, {1, 2}, 100, 500)
    narrow = agent_of(
        wallet,
        KeyTerms(
            owner=1, scopes=Scope.READ, accounts=frozenset({OWN, OTHERS}), markets=frozenset({2, 3}), cap_micro_usd=50,
            expires_ns=900,
        ),
    )  # fmt: skip
    assert (narrow.scopes, narrow.accounts, narrow.markets) == (Scope.READ, {OWN}, {2})
    assert (narrow.cap_micro_usd, narrow.expires_ns) == (50, 500)
