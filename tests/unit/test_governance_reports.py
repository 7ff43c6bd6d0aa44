"""Who may do what, as the reports tell it: keys and grants, open changes and their effect, restrictions, holders, caps, owner groups."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from novate._core import ruleset
from novate.messages import (
    AddAddress,
    AdvanceTime,
    ApproveChange,
    ChangeTerms,
    ClassifyOwner,
    Command,
    CommandRefused,
    ConfigureEligibility,
    ConfigureGovernance,
    GrantRole,
    JoinOwners,
    ListHolderClass,
    PermitRelease,
    PlaceOrder,
    ProposeChange,
    RegisterActor,
    Restrict,
    RevokeActor,
    SetLimit,
    SetOwnerPolicy,
    Side,
    encode,
    iter_events,
    reports,
)
from novate.messages.codes import CapKind, LapseStage, Power, Role
from novate.messages.reports import governance
from venues import NAME, PERP, SECOND, TOKEN, M, PlainVenue, open_plain_venue, underlying

ANN, BOB, CAY = 1, 2, 3
OPERATOR, RISK, CLERK, CLERK_2, KEEPER, ANNS_KEY = 51, 52, 54, 55, 59, 61
DAY = 86_400 * SECOND


@dataclass
class Governed:
    """A venue under governance, and who sends."""

    venue: PlainVenue

    def by(self, actor: int, command: Command, account: int = 0) -> None:
        venue = self.venue
        stamped = encode(
            command, actor=actor, account=account, sequence=venue.engine.sequence + 1, time_ns=venue.time_ns
        )
        refused = [
            e.body for e in iter_events(venue.engine.apply(stamped)) if isinstance(e.body, CommandRefused)
        ]
        assert not refused, (command, refused)

    def propose(self, command: Command) -> None:
        message = encode(command)
        self.by(OPERATOR, ProposeChange(account=0, command=message[4:6] + message[48:], reason="a test"))


def shocked(ppm: int) -> ChangeTerms:
    """The name's terms with another shock."""
    listed = msgspec.structs.replace(underlying(NAME, "NVDA", 100), shock_down_ppm=ppm, shock_up_ppm=ppm)
    terms = encode(listed)
    return ChangeTerms(terms=terms[4:6] + terms[48:])


@pytest.fixture
def governed() -> Governed:
    """Ann has a trader's key with limits; Bob and Cay trade with her before governance is switched on."""
    venue = open_plain_venue({ANN: 11, BOB: 12, CAY: 13})
    for account, side in ((BOB, Side.ASK), (ANN, Side.BID)):
        venue.must(PlaceOrder(market=PERP[0].market, side=side, price=10_000, lots=500), account)
    venue.must(SetLimit(cap_kind=CapKind.ACCOUNT, id=PERP[0].market, most=2_000, closed_most=600))
    venue.must(SetLimit(cap_kind=CapKind.OPEN_INTEREST, id=PERP[0].market, most=4_000, closed_most=4_000))
    venue.must(SetLimit(cap_kind=CapKind.UNDERLYING, id=NAME, most=10**12, closed_most=10**12))
    venue.must(JoinOwners(owner=13, into=12))
    venue.must(
        ConfigureEligibility(
            excluded_jurisdiction="US", restricted_buckets=(1,), notice_ns=DAY, reduce_only_ns=DAY
        )
    )
    venue.must(ListHolderClass(holder_class=7, name="abroad", jurisdiction="DE", holder_type=0, tier=2))
    venue.must(ClassifyOwner(owner=11, holder_class=7, expires_ns=venue.time_ns + DAY, salted_id=b"salt"))
    roles = {
        OPERATOR: Role.OPERATOR,
        RISK: Role.RISK,
        CLERK: Role.COMPLIANCE,
        CLERK_2: Role.COMPLIANCE,
        KEEPER: Role.KEEPER,
    }
    for key in (*roles, ANNS_KEY):
        venue.must(RegisterActor(actor=key, person=key - 50, owner=11 if key == ANNS_KEY else 0))
    for key, role in roles.items():
        venue.must(
            GrantRole(actor=key, role=role, markets=(), order_notional=0, position_notional=0, expires_ns=0)
        )
    limits = {"markets": (PERP[0].market,), "order_notional": 10**9, "position_notional": 2 * 10**9}
    venue.must(GrantRole(actor=ANNS_KEY, role=Role.TRADER, **limits, expires_ns=venue.time_ns + DAY), ANN)
    venue.must(
        GrantRole(
            actor=ANNS_KEY,
            role=Role.TREASURER,
            markets=(),
            order_notional=0,
            position_notional=0,
            expires_ns=0,
        ),
        ANN,
    )
    venue.must(
        ConfigureGovernance(
            short_delay_ns=3_600 * SECOND, long_delay_ns=5 * DAY, calendar_underlying=0, long_delay_opens=5, ownership_delay_ns=DAY,
            approval_ns=DAY, emergency_ns=DAY, measured_accounts=100, open_changes=10, change_bytes=4_096, changes_per_advance=10,
            nonce_window=0, outflow_window_ns=DAY, outflow_limit=10**12, outflow_wait_ns=DAY,
        )
    )  # fmt: skip
    return Governed(venue)


def test_keys_and_their_roles(governed: Governed) -> None:
    governed.by(RISK, RevokeActor(actor=CLERK_2))
    keys = {line.actor: line for line in governance.actors(governed.venue.engine)}
    assert set(keys) == {OPERATOR, RISK, CLERK, CLERK_2, KEEPER, ANNS_KEY}
    assert (keys[CLERK_2].revoked, keys[CLERK_2].grants) == (True, ())
    trader, treasurer = keys[ANNS_KEY].grants
    assert (keys[ANNS_KEY].person, keys[ANNS_KEY].owner) == (11, 11)
    assert (trader.role, trader.account, trader.markets) == (Role.TRADER, ANN, (PERP[0].market,))
    assert (trader.order_notional, trader.position_notional, trader.in_force) == (10**9, 2 * 10**9, True)
    assert treasurer.role is Role.TREASURER
    governed.venue.time_ns += DAY
    governed.by(KEEPER, AdvanceTime())
    late = next(line for line in governance.actors(governed.venue.engine) if line.actor == ANNS_KEY)
    assert [grant.in_force for grant in late.grants] == [False, True]


def test_a_change_its_effect_and_its_time(governed: Governed) -> None:
    engine = governed.venue.engine
    foreseen = governance.effect_of(engine, shocked(180_000))
    governed.propose(shocked(180_000))
    (line,) = governance.changes(engine)
    assert (line.change, line.stage, line.kind, line.reason) == (1, 0, ChangeTerms.KIND, "a test")
    assert (line.proposer, line.proposer_person, line.approver, line.approver_person) == (OPERATOR, 1, 0, 0)
    assert (line.long_delay, line.due_ns) == (True, 0)
    effect = governance.effect(engine, 1)
    assert effect == foreseen
    assert (effect.refusal, effect.accounts, len(effect.lines)) == (0, 3, 3)
    now = {account: reports.margin(engine, account) for account in (ANN, BOB, CAY)}
    for found in effect.lines:
        assert found.requirements_before == tuple(level.requirement for level in now[found.account].levels)
        assert all(a > b for a, b in zip(found.requirements_after, found.requirements_before, strict=True))
        assert (found.state_before, found.equity_after) == (0, found.equity_before)
    assert governance.effect(engine, 1, first=1, count=1).lines == effect.lines[1:2]
    assert (
        governance.effect_of(engine, shocked(900_000)).rule
        == "charge_per_long_dollar_must_stay_below_its_limit"
    )
    with pytest.raises(ValueError, match="change_must_be_open"):
        governance.effect(engine, 9)
    governed.by(RISK, ApproveChange(change=1))
    (line,) = governance.changes(engine)
    assert (line.stage, line.approver, line.approver_person) == (1, RISK, 2)
    assert (line.due_ns, line.opens_left) == (line.approved_ns + 5 * DAY, 0)
    governed.venue.time_ns = line.due_ns
    governed.by(KEEPER, AdvanceTime())
    assert governance.changes(engine) == ()


def test_restrictions_and_caps_with_their_use(governed: Governed) -> None:
    engine, venue = governed.venue.engine, governed.venue
    market = PERP[0].market
    caps = {(line.cap_kind, line.id): line for line in governance.caps(engine)}
    account, interest, name = (
        caps[CapKind.ACCOUNT, market],
        caps[CapKind.OPEN_INTEREST, market],
        caps[CapKind.UNDERLYING, NAME],
    )
    assert (account.in_force, account.used, account.by) == (2_000, 500, ANN)
    assert (interest.in_force, interest.used, interest.by) == (4_000, 500, 0)
    assert (name.used, name.by) == (500 * 100 * M // 100, 0)
    governed.by(RISK, Restrict(power=Power.OPEN_INTEREST, id=market, limit=600, reason="a test"))
    governed.by(CLERK, Restrict(power=Power.FREEZE, id=12, limit=0, reason="a test"))
    until = venue.time_ns + DAY
    found = [(line.power, line.id, line.limit, line.until_ns) for line in governance.restrictions(engine)]
    assert found == [(Power.OPEN_INTEREST, market, 600, until), (Power.FREEZE, 12, 0, until)]
    assert (
        next(line.in_force for line in governance.caps(engine) if line.cap_kind is CapKind.OPEN_INTEREST)
        == 600
    )
    venue.time_ns = until
    governed.by(KEEPER, AdvanceTime())
    assert governance.restrictions(engine) == ()


def test_holders_their_own_rules_and_what_they_may_not_hold_any_more(governed: Governed) -> None:
    engine, venue = governed.venue.engine, governed.venue
    governed.by(ANNS_KEY, SetOwnerPolicy(withdrawals=0, keys=1, cooling_ns=DAY), ANN)
    governed.by(ANNS_KEY, AddAddress(address=b"there"), ANN)
    ann, bob, _ = governance.holders(engine)
    assert (ann.owner, ann.holder_class, ann.class_name, ann.expired, ann.frozen) == (
        11,
        7,
        "abroad",
        False,
        False,
    )
    assert (ann.salted_id, ann.expires_ns) == (b"salt", venue.time_ns + DAY)
    assert (ann.withdrawals_take_two, ann.keys_take_two, ann.cooling_ns) == (False, True, DAY)
    assert ann.addresses == ((b"there", venue.time_ns + DAY),)
    assert (bob.owner, bob.holder_class, bob.class_name, bob.expired, bob.salted_id) == (
        12,
        0,
        "",
        False,
        b"",
    )
    assert governance.holders(engine, first=12, count=1) == (bob,)
    venue.time_ns += DAY
    governed.by(KEEPER, AdvanceTime())
    ann, bob, cay = governance.holders(engine)
    assert ann.expired
    assert [
        [(lapse.account, lapse.asset, lapse.stage) for lapse in line.lapses] for line in (ann, bob, cay)
    ] == [[(account, TOKEN, LapseStage.NOTICE)] for account in (ANN, BOB, CAY)]
    governed.by(CLERK, Restrict(power=Power.FREEZE, id=12, limit=0, reason="a test"))
    assert [line.frozen for line in governance.holders(engine)] == [False, True, False]


def test_owners_that_joined_are_one_obligor(governed: Governed) -> None:
    ann, bob, left = governance.obligors(governed.venue.engine)
    assert (ann.obligor, ann.owners, ann.accounts) == (11, (11,), (ANN,))
    assert (bob.obligor, bob.owners, bob.accounts) == (12, (12, 13), (BOB, CAY))
    assert (ann.positions, bob.positions) == (((PERP[0].market, 500, 0),), ((PERP[0].market, 0, 500),))
    assert bob.collateral == ((TOKEN, 2 * 100_000 * M, 10**15),)
    assert left.accounts == ()
    assert governance.obligors(governed.venue.engine, first=1, count=1) == (bob,)


def test_releases_that_may_be_entered(governed: Governed) -> None:
    engine, venue = governed.venue.engine, governed.venue
    governed.propose(PermitRelease(release="next", ruleset=ruleset()))
    governed.by(RISK, ApproveChange(change=1))
    venue.time_ns += 3_600 * SECOND
    governed.by(KEEPER, AdvanceTime())
    assert governance.releases(engine) == governance.Releases(
        permitted=(("next", ruleset()),), quarantined=()
    )
