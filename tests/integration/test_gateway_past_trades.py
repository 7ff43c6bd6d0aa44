"""Trades from before a gateway's start are told as those that it heard, by HTTP and to who subscribes; without read models they are not."""

import json

import pytest

from gateways import PERP, eventually, running
from novate.client import Client


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("past")) as found:
        found.start("projector")
        found.prices()
        found.open(11, 12, usdc="10000000")
        yield found


def trade(venue, *prices):
    venue.prices()
    for price in prices:
        bid = {"market": PERP, "side": "bid", "price": price, "quantity": "1"}
        assert venue.do("place_order", 11, **bid)["ok"]
        assert venue.do("place_order", 12, **bid | {"side": "ask"})["ok"]


def trades(venue):
    status, reply = venue.get(f"/markets/{PERP}/trades?limit=1000")
    assert status == 200, reply
    return reply["result"]


def test_a_gateway_that_began_anew_tells_the_same_trades(venue):
    trade(venue, "179.5", "179.6", "179.7")
    before = trades(venue)
    assert [one["price"] for one in before] == ["179.7", "179.6", "179.5"]
    venue.again("gateway")
    assert trades(venue) == before
    trade(venue, "179.8")
    after = trades(venue)
    assert after[1:] == before and after[0]["price"] == "179.8"


def test_who_was_cut_off_by_a_start_gets_what_traded_meanwhile_once(venue):
    with Client(venue.base) as client, client.follow_trades(PERP) as told:

        def heard():
            trade(venue, "179.1")
            return told.next(1)

        eventually(heard, 60)  # it is subscribed
        while told.next(1) is not None:
            pass
        venue.kill("gateway")
        venue.start("gateway")
        trade(venue, "179.2", "179.3")
        assert [str(told.next(20).price) for _ in range(2)] == ["179.2", "179.3"]
        assert told.next(0.5) is None


def test_the_first_subscription_after_a_start_has_them_all(venue):
    known = [one["trade"] for one in trades(venue)]
    venue.again("gateway")
    with venue.ws() as hears:
        assert hears.ask("subscribe", {"channel": "trades", "market": PERP})["ok"]
        assert [one["trade"] for one in hears.next("trades")["trades"]] == known[::-1][-50:]


def test_a_subscription_that_waits_for_them_and_is_ended_is_refused_and_never_begins(venue):
    venue.kill("projector")
    trade(venue, "179.9")
    venue.again("gateway")  # the read models stay behind
    with venue.ws() as hears:
        wish = {"channel": "trades", "market": PERP}
        hears.raw.send(json.dumps({"op": "subscribe", "id": 100, "args": wish}))
        assert hears.ask("unsubscribe", wish)["ok"]
        [refused] = [one for one in hears.told if one.get("id") == 100]
        assert refused["error"]["code"] == "subscription_must_not_end_before_it_begins"
        assert hears.ask("subscribe", wish)["ok"], "after a moment, with what is known"
        assert hears.next("trades")["trades"] == []
        assert hears.ask("unsubscribe", wish)["ok"]
        trade(venue, "179.8")
        hears.quiet(0.5)
        assert not [one for one in hears.told if one.get("channel") == "trades"]
    venue.start("projector")
    venue.again("gateway")
    assert [one["price"] for one in trades(venue)][:2] == ["179.8", "179.9"]


def test_without_read_models_nothing_waits_and_nothing_is_told(venue):
    venue.kill("projector")
    (venue.home / "readmodels.db").rename(venue.home / "away.db")
    venue.again("gateway")
    assert trades(venue) == []
    trade(venue, "179.4")
    assert [one["price"] for one in trades(venue)] == ["179.4"]
