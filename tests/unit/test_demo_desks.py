"""The desks of the demo by themselves: what the simulated broker reports, when things settle, who holds which key."""

from datetime import date, time
from importlib import resources

import pytest

from novate.calendar import new_york_date, new_york_ns
from novate.config import load_listing
from novate.demo.backoffice import dividend_terms, first_open
from novate.demo.broker import DEPTH_NS, WAITS_NS, Broker, next_settlement
from novate.demo.market import Market
from novate.demo.participants import MINUTE
from novate.demo.staff import BROKER_KEEPER, STAFF, key_of, staffing
from novate.demo.treasury import TAKES_NS, Treasury
from novate.marketdata import load_scenario
from novate.messages import (
    BrokerOrderRaised,
    Command,
    ConversionRequested,
    DeliverRequest,
    Event,
    EventMessage,
    GrantRole,
    PostDepth,
    Quality,
    RegisterActor,
    ReportBrokerAccepted,
    ReportBrokerFill,
    ReportConversion,
    ReportSettlement,
    RequestConversion,
    RequestStateChanged,
    Session,
    Side,
    TokensIssued,
    TokensRedeemed,
    encode_event,
    iter_events,
)
from novate.messages.codes import Role

LISTING = load_listing(resources.files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8"))
GOOG, TOKEN = LISTING.underlying["GOOG"], LISTING.asset["tGOOG"]
NOON = new_york_ns(date(2008, 10, 9), time(12))


def told(event: Event, time_ns: int = NOON) -> EventMessage:
    """An event as the engine would tell it."""
    (message,) = iter_events(encode_event(event, account=11, time_ns=time_ns))
    return message


def market(session: Session = Session.REGULAR, quality: Quality = Quality.LIVE) -> Market:
    found = Market(LISTING, time_ns=NOON)
    found.index[GOOG], found.session[GOOG], found.quality[GOOG] = 333_000_000, session, quality
    return found


def order(side: Side, dollars: int, shares: int) -> EventMessage:
    return told(
        BrokerOrderRaised(
            order=7, request=3, purpose=0, broker=1, token=TOKEN, underlying=GOOG, side=side, dollars=dollars, shares=shares,
            limit_price=336_000_000, whole=0,
        )
    )  # fmt: skip


def reported(broker: Broker, seen: Market, until_ns: int) -> list[Command]:
    """What it reports from now on, depth apart, in steps of five seconds."""
    commands = []
    while seen.time_ns <= until_ns:
        signed = list(broker.act(seen))
        assert {s.actor for s in signed} <= {BROKER_KEEPER}
        commands += [s.command for s in signed if not isinstance(s.command, PostDepth)]
        seen.time_ns += 5_000_000_000
    return commands


@pytest.mark.parametrize(
    ("side", "dollars", "shares"), [(Side.BID, 499_750_124_937, 0), (Side.ASK, 0, 576_998_719_123)]
)
def test_an_order_is_accepted_and_filled_in_two_parts_at_the_replayed_price(
    side: Side, dollars: int, shares: int
) -> None:
    broker, seen = Broker(LISTING), market()
    broker.see(order(side, dollars, shares))
    accepted, *fills = reported(broker, seen, NOON + 3 * MINUTE)
    assert accepted == ReportBrokerAccepted(order=7)
    assert all(isinstance(fill, ReportBrokerFill) for fill in fills)
    assert [(fill.order, fill.side, fill.price, fill.complete) for fill in fills] == [
        (7, side, 333_000_000, 0),
        (7, side, 333_000_000, 1),
    ]
    assert len({fill.execution for fill in fills}) == 2
    filled = sum(fill.shares for fill in fills)
    if side == Side.BID:
        cost = sum(-(-fill.shares * fill.price // 10**9) for fill in fills)
        assert 0 <= dollars - cost <= 1, "never more than there is, and nothing that buys anything is left"
    else:
        assert filled == shares


@pytest.mark.parametrize(
    "seen", [market(Session.CLOSED), market(Session.PRE), market(quality=Quality.SUSPECT)]
)
def test_nothing_is_filled_or_offered_while_the_primary_market_does_not_trade(seen: Market) -> None:
    broker = Broker(LISTING)
    broker.see(order(Side.BID, 10**11, 0))
    assert list(broker.act(seen)) == []
    seen.time_ns += MINUTE
    assert list(broker.act(seen)) == []


def test_depth_is_posted_again_before_it_is_too_old() -> None:
    broker, seen = Broker(LISTING), market()
    first = [s.command for s in broker.act(seen)]
    assert [(c.underlying, c.buy > 0, c.sell > 0) for c in first] == [(GOOG, True, True)]
    seen.time_ns += DEPTH_NS - 1
    assert list(broker.act(seen)) == []
    seen.time_ns += 1
    assert len(list(broker.act(seen))) == 1


def test_an_execution_settles_the_next_trading_day_and_the_request_is_delivered() -> None:
    broker, seen = Broker(LISTING), market()
    broker.see(order(Side.BID, 10**11, 0))
    fills = [
        c for c in reported(broker, seen, NOON + 2 * WAITS_NS + MINUTE) if isinstance(c, ReportBrokerFill)
    ]
    at = fills[0].settle_time_ns
    seen.time_ns = at - 1
    assert list(broker.act(seen)) == [] or all(isinstance(s.command, PostDepth) for s in broker.act(seen))
    seen.time_ns = at
    settled = [s.command for s in broker.act(seen) if isinstance(s.command, ReportSettlement)]
    assert [(c.broker, c.settled, c.execution) for c in settled] == [(1, 1, fill.execution) for fill in fills]
    broker.see(told(RequestStateChanged(request=3, before=4, after=6), at))
    assert DeliverRequest(request=3) in [s.command for s in broker.act(seen)]


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        (date(2008, 10, 9), date(2008, 10, 10)),
        (date(2008, 10, 10), date(2008, 10, 13)),
        (date(2025, 7, 3), date(2025, 7, 7)),
    ],
)
def test_the_next_trading_day_skips_weekends_and_holidays(traded: date, settles: date) -> None:
    assert next_settlement(new_york_ns(traded, time(15, 59))) == new_york_ns(settles, time(9))


def test_the_treasury_converts_what_a_fill_moved_and_reports_it_at_face() -> None:
    bank, seen = Treasury(LISTING), market()
    issued = TokensIssued(request=3, token=TOKEN, units=1, shares=1, price=1, cost=300, fee=7, locked=0)
    bank.see(told(issued))
    bank.see(told(TokensRedeemed(request=4, token=TOKEN, units=1, shares=1, price=1, due=200, fee=5)))
    asked = [s.command for s in bank.act(seen)]
    assert asked == [
        RequestConversion(asset=1, broker=1, to_dollars=1, amount=300),
        RequestConversion(asset=1, broker=1, to_dollars=0, amount=205),
    ]
    bank.see(told(ConversionRequested(conversion=9, asset=1, broker=1, to_dollars=1, amount=300)))
    assert list(bank.act(seen)) == []
    seen.time_ns += TAKES_NS
    assert [s.command for s in bank.act(seen)] == [ReportConversion(conversion=9, amount=300)]


def test_nobody_is_two_people_and_every_account_has_its_own_key() -> None:
    commands = list(staffing([1, 2]))
    people = [c.person for _, c in commands if isinstance(c, RegisterActor)]
    assert len(people) == len(set(people)) == len(STAFF) + 2
    venue = [(c.actor, c.role) for account, c in commands if isinstance(c, GrantRole) and account == 0]
    assert len(venue) == len({actor for actor, _ in venue}), "one role each"
    assert {role for _, role in venue} >= {Role.KEEPER, Role.OPERATOR, Role.RISK, Role.COMPLIANCE}
    own = {(account, c.actor) for account, c in commands if isinstance(c, GrantRole) and account}
    assert own == {(1, key_of(1)), (2, key_of(2))}


def test_a_dividend_needs_an_evening_before_a_trading_day() -> None:
    whole = load_scenario("october-2008", None, 1)
    terms = dividend_terms(whole, "MSFT")
    assert terms is not None
    assert new_york_date(terms.window_start_ns) == date(2008, 10, 9)
    assert terms.window_end_ns - terms.window_start_ns == 20 * MINUTE
    assert terms.note.startswith("Illustrative") and "$0.13" in terms.note
    morning = load_scenario("october-2008", None, 1, end_ns=NOON)
    assert dividend_terms(morning, "MSFT") is None
    weekend = load_scenario("october-2008", None, 1, start_ns=new_york_ns(date(2008, 10, 10), time(10)))
    assert dividend_terms(weekend, "MSFT") is None, "Monday's open comes after the evening before it"


def test_the_venues_day_begins_with_the_first_open_of_the_window() -> None:
    whole = load_scenario("october-2008", None, 1)
    assert first_open(whole) == whole.start_ns == new_york_ns(date(2008, 10, 9), time(9, 30))
    late = load_scenario("october-2008", None, 1, start_ns=NOON, end_ns=NOON + 60 * MINUTE)
    assert first_open(late) == NOON
