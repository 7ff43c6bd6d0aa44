"""The desks of the demo by themselves: what the treasury converts, when a dividend can be, who holds which key."""

from datetime import date, time
from importlib import resources

from novate.calendar import new_york_date, new_york_ns
from novate.config import load_listing
from novate.demo.backoffice import dividend_terms, first_open
from novate.demo.market import Market
from novate.demo.participants import MINUTE
from novate.demo.staff import STAFF, key_of, staffing
from novate.demo.treasury import Treasury
from novate.marketdata import load_scenario
from novate.messages import (
    Event,
    EventMessage,
    GrantRole,
    Quality,
    RegisterActor,
    RequestConversion,
    Session,
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


def test_the_treasury_converts_what_a_fill_moved_once() -> None:
    bank, seen = Treasury(LISTING), market()
    issued = TokensIssued(request=3, token=TOKEN, units=1, shares=1, price=1, cost=300, fee=7, locked=0)
    bank.see(told(issued))
    bank.see(told(TokensRedeemed(request=4, token=TOKEN, units=1, shares=1, price=1, due=200, fee=5)))
    asked = [s.command for s in bank.act(seen)]
    assert asked == [
        RequestConversion(asset=1, broker=1, to_dollars=1, amount=300),
        RequestConversion(asset=1, broker=1, to_dollars=0, amount=205),
    ]
    assert list(bank.act(seen)) == []


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
