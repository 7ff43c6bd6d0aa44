"""Statements by days in UTC and in New York, and reading what was written, through the door of a venue with a past."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gateways import RunningVenue, patient_listing
from novate.calendar import NEW_YORK, new_york_date, trading_days
from novate.config import load_listing
from novate.messages import AdvanceTime, CommandRefused, Deposit, OpenAccount, encode, iter_events
from novate.venue import Venue

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
FIRST = MIDNIGHT - timedelta(days=4)
LATE = FIRST + timedelta(days=1, hours=2)
"""Of the second day in UTC, of the first in New York."""


def ns(at):
    return int(at.timestamp()) * 10**9


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    home = tmp_path_factory.mktemp("statements") / "home"
    home.mkdir()
    listing = load_listing(patient_listing(home.with_name("listing.toml")))
    usdc = listing.asset["USDC"]
    said = [(FIRST - timedelta(hours=30), command, 0) for command in listing.commands]
    said += [(FIRST - timedelta(hours=30), OpenAccount(owner=11), 11)]
    said += [(FIRST + timedelta(hours=12), Deposit(asset=usdc, amount=10**9, reference=1), 11)]
    said += [(LATE, Deposit(asset=usdc, amount=5 * 10**8, reference=2), 11)]
    said += [(FIRST + timedelta(days=1, hours=hour), AdvanceTime(), 0) for hour in range(3, 60)]
    with Venue.open(home, ns(said[0][0])) as began:
        for at, command, account in said:
            raw = began.submit_stamped(encode(command, account=account, time_ns=ns(at)))
            assert not list(iter_events(raw, (CommandRefused,))), command
    found = RunningVenue(home, dev=True)
    try:
        found.start("core", "keeper time", "reader", "projector", "gateway")
        found.tried("resume_venue")
        yield found
    finally:
        found.close()


def statement(venue, at, **parameters):
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    status, reply = venue.get(
        f"/accounts/11/statements/{at.date().isoformat()}" + (f"?{query}" if query else "")
    )
    assert status == 200, reply
    return reply["result"]


def brought(found):
    return sum(float(line["value"]) for line in found["lines"] if line["source"] == "transfers_in")


def test_a_day_is_one_in_utc_or_in_new_york(venue):
    utc, new_york = statement(venue, FIRST, day="utc"), statement(venue, FIRST, day="new_york")
    assert utc == statement(venue, FIRST)
    assert (utc["zone"], utc["from_ns"], utc["to_ns"]) == ("UTC", ns(FIRST), ns(FIRST + timedelta(days=1)))
    assert (float(utc["opening_equity"]), brought(utc), float(utc["closing_equity"])) == (0, 1000, 1000)
    begin = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=NEW_YORK)
    assert (new_york["zone"], new_york["from_ns"]) == ("America/New_York", ns(begin))
    assert (brought(new_york), float(new_york["closing_equity"])) == (1500, 1500)
    second = FIRST + timedelta(days=1)
    assert brought(statement(venue, second)) == 500
    assert brought(statement(venue, second, day="new_york")) == 0


def test_the_exchanges_days_are_told_for_new_york(venue):
    found = statement(venue, FIRST, day="new_york")
    days = trading_days(FIRST.date(), FIRST.date())
    assert [one["date"] for one in found["trading_days"]] == [one.date.isoformat() for one in days]
    assert all(
        found["from_ns"] < one["open_ns"] < one["close_ns"] < found["to_ns"] for one in found["trading_days"]
    )
    assert statement(venue, FIRST)["trading_days"] is None


def test_what_is_no_day_and_a_day_that_is_not_over(venue):
    path = f"/accounts/11/statements/{FIRST.date().isoformat()}"
    status, reply = venue.get(f"{path}?day=tokyo")
    assert (status, reply["error"]["field"]) == (400, "day")
    assert venue.get("/accounts/11/fills?day=new_york")[0] == 400
    today = new_york_date(time.time_ns()).isoformat()
    status, reply = venue.get(f"/accounts/11/statements/{today}?day=new_york")
    assert (status, reply["error"]["code"]) == (404, "thing_must_exist")


def test_read_models_are_waited_for(venue):
    for reference in range(10, 16):
        seq = venue.do("deposit", 11, asset="USDC", amount="1", reference=str(reference))["seq"]
        status, reply = venue.get(f"/accounts/11/transfers?min_seq={seq}&limit=1")
        assert status == 200 and reply["seq"] >= seq
        assert reply["result"][0]["reference"] == str(reference), reply
    status, reply = venue.get(f"/accounts/11/ledger?min_seq={seq + 10**9}")
    assert (status, reply["error"]["code"]) == (409, "sequence_must_be_reached")
    wish = {"operations": [{"op": "cancel_all"}]}
    status, reply = venue.call("POST", f"/accounts/11/what-if?min_seq={seq}", wish)
    assert status == 200 and reply["seq"] >= seq
    assert venue.call("POST", "/accounts/11/what-if?min_seq=x", wish)[0] == 400
    assert venue.call("POST", "/accounts/11/what-if?other=1", wish)[0] == 400
