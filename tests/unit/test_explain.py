"""Why a margin is what it is, what would change it, and what the week ahead asks: all from the engine's own evaluation."""

import msgspec
import pytest

from novate import explain
from novate.calendar import HOUR_NS, SessionChange
from novate.explain import Shock
from novate.messages import (
    AccountState,
    ConfigureGovernance,
    GrantRole,
    OrderFilled,
    PlaceOrder,
    RegisterActor,
    RequestWithdrawal,
    Session,
    SetLimit,
    SetSession,
    Side,
    TimeInForce,
    reports,
    rule,
)
from novate.messages.codes import CapKind, Role
from novate.messages.reports import Level, lending
from novate.messages.reports import explain as questions
from venues import NAME, PERP, SECOND, SPOT, TOKEN, USD, PlainVenue, open_plain_venue

M = 1_000_000
PERP_ID, SPOT_ID = PERP[0].market, SPOT[0].market
LONG, MAKER, HEDGED = 1, 2, 3


@pytest.fixture
def venue() -> PlainVenue:
    """LONG holds 10 million dollars and is long 600,000 shares; HEDGED sold as many perps as it holds tokens."""
    found = open_plain_venue({LONG: 11, MAKER: 12, HEDGED: 13})
    found.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_000, lots=60_000_000), MAKER)
    found.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=60_000_000), LONG)
    found.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=10_000_000), MAKER)
    found.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_000, lots=10_000_000), HEDGED)
    found.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_000, lots=500), MAKER)
    return found


def excess_after(venue: PlainVenue, account: int, level: Level, ppm: int) -> int:
    shift = reports.Shift(NAME, ppm) if ppm else None
    return reports.what_if(venue.engine, account, level=level, shift=shift).excess


LEVEL_OF = {
    AccountState.YELLOW: Level.INITIAL,
    AccountState.ORANGE: Level.MAINTENANCE,
    AccountState.RED: Level.CLOSE_OUT,
}


def test_a_threshold_is_where_the_engine_changes_its_mind(venue: PlainVenue) -> None:
    found = 0
    for account in (LONG, MAKER, HEDGED):
        (line,) = questions.thresholds(venue.engine, account)
        for at in line.states:
            for move in (at.fall, at.rise):
                if move is None or at.state == AccountState.BLACK:
                    continue
                level, nearer = LEVEL_OF[AccountState(at.state)], 200 if move.ppm < 0 else -200
                assert excess_after(venue, account, level, move.ppm) < 0
                assert excess_after(venue, account, level, move.ppm + nearer) >= 0
                assert move.index == line.index * (M + move.ppm) // M
                found += 1
        falls = [at.fall.ppm for at in line.states if at.fall is not None]
        assert falls == sorted(falls, reverse=True), "each state lies beyond the one before"
    assert found > 4


def test_the_hedge_has_no_threshold_that_the_long_has(venue: PlainVenue) -> None:
    (long,) = questions.thresholds(venue.engine, LONG)
    (hedged,) = questions.thresholds(venue.engine, HEDGED)
    assert long.states[1].fall is not None
    assert all(at.fall is None for at in hedged.states)


def test_the_marginal_requirement_is_the_difference_the_trade_makes(venue: PlainVenue) -> None:
    now = reports.what_if(venue.engine, HEDGED).requirement
    lines = {line.market: line for line in questions.marginal(venue.engine, HEDGED)}
    perp = lines[PERP_ID]
    assert perp.notional == perp.lots * M >= questions.THOUSAND_DOLLARS > (perp.lots - 1) * M
    for signed, told in ((perp.lots, perp.buy), (-perp.lots, perp.sell)):
        trade = reports.Trade(PERP_ID, signed, 10_000)
        assert reports.what_if(venue.engine, HEDGED, [trade]).requirement - now == told
    assert perp.buy > 0, "buying back unhedges the tokens"
    with pytest.raises(ValueError, match="above zero"):
        questions.marginal(venue.engine, HEDGED, size=0)


def test_the_sentence_says_requirement_reason_and_what_would_liquidate(venue: PlainVenue) -> None:
    found = explain.account(venue.engine, LONG)
    (line,) = found.thresholds
    fall = line.states[1].fall
    assert fall is not None
    assert found.sentence.startswith("Account 1 is green: it needs $")
    assert found.initial.binding in found.sentence
    assert f"NVDA {explain.percent(fall.ppm)}, all else unchanged, would liquidate it." in found.sentence
    assert explain.account(venue.engine, HEDGED).sentence.endswith(
        "No move of a single name would liquidate it."
    )


def test_a_what_if_runs_on_a_fork(venue: PlainVenue) -> None:
    before = venue.engine.state_hash()
    order = PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=100, time_in_force=TimeInForce.IOC)
    found = explain.what_if(venue.engine, LONG, [order])
    assert found.accepted
    assert [e.body.lots for e in found.events if isinstance(e.body, OrderFilled)] == [100, 100]
    grown = found.after.initial.requirement - found.before.initial.requirement
    assert grown > 0
    refused = explain.what_if(venue.engine, LONG, [RequestWithdrawal(asset=USD, amount=10**13)])
    assert [rule(r.code).name for r in refused.refusals] == ["withdrawal_needs_one_and_a_half_initial"]
    assert refused.after.initial.requirement == refused.before.initial.requirement
    assert venue.engine.state_hash() == before
    venue.must(order, LONG)
    real = explain.account(venue.engine, LONG)
    assert (real.initial.requirement, real.state) == (found.after.initial.requirement, found.after.state)


def test_a_shock_is_believed_and_may_liquidate(venue: PlainVenue) -> None:
    found = explain.what_if(venue.engine, LONG, [Shock("NVDA", -45_000)])
    assert found.after.thresholds[0].index == 95_500_000
    (line,) = found.before.thresholds
    assert line.states[1].fall is not None
    crash = explain.what_if(venue.engine, LONG, [Shock("NVDA", line.states[1].fall.ppm - 20_000)])
    assert crash.after.holdings.line.in_liquidation or crash.after.state != "green"
    with pytest.raises(ValueError, match="underlying_must_exist"):
        explain.what_if(venue.engine, LONG, [Shock("XYZ", 1)])


def test_a_shock_to_a_closed_market_is_its_next_opening(venue: PlainVenue) -> None:
    venue.must(
        SetSession(underlying=NAME, session=Session.CLOSED, next_session=Session.REGULAR, next_time_ns=0)
    )
    found = explain.what_if(venue.engine, LONG, [Shock("NVDA", -45_000)])
    assert found.accepted
    assert found.before.thresholds[0].index == 100 * M
    assert found.after.thresholds[0].index == 95_500_000
    assert found.after.holdings.line.equity < found.before.holdings.line.equity


def test_a_venue_command_in_a_what_if_is_the_venues(venue: PlainVenue) -> None:
    weekend = SetSession(underlying=NAME, session=Session.OVERNIGHT, next_session=Session.PRE, next_time_ns=0)
    found = explain.what_if(venue.engine, LONG, [weekend])
    assert found.accepted
    assert found.after.initial.requirement > found.before.initial.requirement


KEEPER, OPERATOR, RISK, CLERK, SECOND_CLERK, LONGS_KEY = 51, 52, 53, 54, 55, 61


def govern(venue: PlainVenue) -> None:
    """Switches governance on: from here on every command needs a key with the role for it."""
    roles = {
        KEEPER: Role.KEEPER,
        OPERATOR: Role.OPERATOR,
        RISK: Role.RISK,
        CLERK: Role.COMPLIANCE,
        SECOND_CLERK: Role.COMPLIANCE,
        LONGS_KEY: Role.TRADER,
    }
    day = 24 * HOUR_NS
    for key, role in roles.items():
        own = key == LONGS_KEY
        venue.must(RegisterActor(actor=key, person=key, owner=11 if own else 0))
        grant = GrantRole(
            actor=key, role=role, markets=(), order_notional=0, position_notional=0, expires_ns=0
        )
        venue.must(grant, LONG if own else 0)
    venue.must(
        ConfigureGovernance(
            short_delay_ns=HOUR_NS, long_delay_ns=5 * day, calendar_underlying=0, long_delay_opens=5, ownership_delay_ns=day,
            approval_ns=day, emergency_ns=day, measured_accounts=100, open_changes=10, change_bytes=4_096, changes_per_advance=10,
            nonce_window=0, outflow_window_ns=day, outflow_limit=10**12, outflow_wait_ns=day,
        )
    )  # fmt: skip


def test_a_governed_venue_answers_what_if_and_projection_alike(venue: PlainVenue) -> None:
    """Questions are asked of the fork by a key that may send the command."""
    free = venue.engine.fork()
    govern(venue)
    order = PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=100, time_in_force=TimeInForce.IOC)
    weekend = SetSession(underlying=NAME, session=Session.OVERNIGHT, next_session=Session.PRE, next_time_ns=0)
    for wish in (order, weekend, Shock("NVDA", -45_000)):
        governed, before = (explain.what_if(engine, LONG, [wish]) for engine in (venue.engine, free))
        assert governed.accepted, governed.refusals
        assert governed.after.initial.requirement == before.after.initial.requirement
    ahead = [explain.projection(engine, LONG, 3, weekend_ahead) for engine in (venue.engine, free)]
    assert ahead[0] == ahead[1]
    assert ahead[0]


def test_a_governed_venue_refuses_what_nobody_may_send_alone(venue: PlainVenue) -> None:
    govern(venue)
    cap = SetLimit(cap_kind=CapKind.ACCOUNT, id=PERP_ID, most=1, closed_most=1)
    order = PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=100)
    for account, wish, broken in (
        (LONG, cap, "change_must_be_proposed_and_approved"),
        (MAKER, order, "actor_must_have_the_role"),
    ):
        found = explain.what_if(venue.engine, account, [wish])
        assert [rule(refused.code).name for refused in found.refusals] == [broken]


def weekend_ahead(line: questions.SessionLine, start_ns: int, _end_ns: int) -> list[SessionChange]:
    """Friday as seen at its regular open: the initial factor steps up in 1 h, maintenance climbs from 2 to 4 h, closed at 5 h."""
    if line.name != "NVDA":
        return []
    hours = [start_ns + n * HOUR_NS for n in range(72)]
    closure = (hours[1], hours[2], hours[4], hours[70])
    return [
        SessionChange(start_ns, Session.REGULAR, Session.CLOSED, hours[5], *closure),
        SessionChange(hours[3], Session.REGULAR, Session.CLOSED, hours[5], *closure),
        SessionChange(hours[5], Session.CLOSED, Session.PRE, hours[70], *closure),
        SessionChange(hours[70], Session.PRE, Session.REGULAR, hours[71]),
    ]


def test_the_week_ahead_shows_each_step_of_the_weekend(venue: PlainVenue) -> None:
    before = venue.engine.state_hash()
    ahead = explain.projection(venue.engine, MAKER, 7, weekend_ahead)
    hours = [(milestone.time_ns - venue.time_ns) // HOUR_NS for milestone in ahead]
    assert hours == [1, 2, 3, 4, 5, 70]
    assert ahead[0].what == ("NVDA initial steps up for the closure",)
    assert ahead[3].what == ("NVDA maintenance has risen",)
    initial, maintenance = (
        [m.requirements[level] for m in ahead] for level in (Level.INITIAL, Level.MAINTENANCE)
    )
    assert initial[0] > reports.what_if(venue.engine, MAKER).requirement
    assert maintenance[1] < maintenance[2] < maintenance[3] == maintenance[4]
    assert maintenance[5] < maintenance[4]
    assert venue.engine.state_hash() == before


def test_sources_stand_behind_an_index(venue: PlainVenue) -> None:
    lines = questions.sources(venue.engine, NAME)
    assert [(line.source, line.price, line.posted) for line in lines] == [
        (1, 100 * M, True),
        (2, 100 * M, True),
    ]
    with pytest.raises(ValueError, match="underlying_must_exist"):
        questions.sources(venue.engine, 9)


def test_tokens_alone_explain_too(venue: PlainVenue) -> None:
    assert TOKEN in {b.asset for b in explain.account(venue.engine, HEDGED).holdings.balances}
    with pytest.raises(ValueError, match="account_must_exist"):
        explain.account(venue.engine, 99)


def test_a_preview_is_what_the_order_then_does(venue: PlainVenue) -> None:
    order = PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=700)
    seen = explain.preview(venue.engine, LONG, order)
    assert (seen.refusal, seen.filled, seen.ticks_lots, seen.rests) == ("", 500, 500 * 10_000, 200)
    assert seen.fee == 500 * 10_000 * 100 * 350 // M
    venue.must(order, LONG)
    assert reports.account(venue.engine, LONG).line.excess == seen.excess_after
    assert explain.account(venue.engine, LONG).sentence == seen.sentence_after
    worse = explain.preview(
        venue.engine, LONG, PlaceOrder(market=PERP_ID, side=Side.BID, price=99_000, lots=1)
    )
    assert worse.filled == 0
    assert worse.refusal.startswith("PlaceOrder refused, price_must_be_inside_band (408)")
    assert worse.excess_after == worse.excess_before


def test_what_is_called_is_told_in_whole_money_with_its_deadline() -> None:
    """A sentence a call, amounts in the asset's own units, never in its smallest."""
    call = lending.Call(
        call_kind=0, reason=0, market=1, asset=1, name="USDC", decimals=6, open=1_234_567_890, made_ns=0,
        regular_ns=4 * 3_600 * SECOND, due_ns=0, opens=0, overdue=False, accepted=(1,),
    )  # fmt: skip
    recall = msgspec.structs.replace(call, call_kind=1, name="NVDAx", open=25_000_000, regular_ns=0, opens=2)
    told = explain.called_sentences(
        [call, recall, msgspec.structs.replace(recall, opens=0, due_ns=SECOND, overdue=True)]
    )
    assert told == (
        " Cash is called: 1,234.567890 USDC, within 240 regular minutes."
        " A loan is called: 25.000000 NVDAx, before 2 more regular openings."
        " A loan is called: 25.000000 NVDAx, and the time is over: collateral is sold for it, or it is bought in."
    )
