"""What was acknowledged and is sent again is answered with how that order stands, whatever happened to it or to its market meanwhile."""

import itertools

import pytest

from gateways import PERP, eventually, running

_names = (f"again-{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("resent")) as found:
        found.start("projector")
        found.prices()
        found.open(11, 12)
        yield found


@pytest.fixture(autouse=True)
def _fresh(venue):
    venue.prices()
    yield
    for account in (11, 12):
        venue.do("cancel_all", account)


def order(**more):
    return {
        "market": PERP, "side": "bid", "price": "170", "quantity": "5", "client_id": next(_names),
    } | more  # fmt: skip


def trigger(**more):
    """A stop above the mark, which must be known."""
    return order(
        price="199", kind="limit", time_in_force="gtc", trigger="stop", trigger_price="196", trigger_market=PERP,
    ) | more  # fmt: skip


def placed(venue, name, wish):
    return venue.do(name, 11, **wish)["result"]["order"]


def test_an_amended_order_says_what_traded_not_what_the_sizes_differ_by(venue):
    wish = order(price="180")
    first = placed(venue, "place_order", wish)
    venue.do("place_order", 12, market=PERP, side="ask", price="180", quantity="2")
    venue.do("amend_order", 11, order=first["order"], quantity="9")
    again = placed(venue, "place_order", wish)
    assert again == {
        "order": first["order"], "status": "open", "filled": "2", "remaining": "9", "average_price": "180",
        "client_id": wish["client_id"], "duplicate": True,
    }  # fmt: skip
    venue.do("cancel_order", 11, order=first["order"])
    ended = placed(venue, "place_order", wish)
    assert (ended["status"], ended["reason"], ended["filled"], ended["remaining"]) == (
        "cancelled",
        "requested",
        "2",
        "0",
    )


def test_an_order_that_filled_says_so(venue):
    wish = order(price="180", quantity="1")
    first = placed(venue, "place_order", wish)
    venue.do("place_order", 12, market=PERP, side="ask", price="180", quantity="1")
    again = placed(venue, "place_order", wish)
    assert (again["order"], again["status"], again["filled"]) == (first["order"], "filled", "1")


def test_a_trigger_and_a_parent_order_are_answered_as_orders(venue):
    venue.do("place_order", 12, market=PERP, side="ask", price="181", quantity="1")
    eventually(lambda: any(PERP in one.get("marks", ()) for one in venue.get("/prices")[1]["result"]))
    sliced = {
        "market": PERP, "side": "bid", "quantity": "6", "price": "170", "duration_ns": 3_600 * 10**9,
        "interval_ns": 1_800 * 10**9, "client_id": next(_names),
    }  # fmt: skip
    for name, wish in (("place_order_full", trigger()), ("place_twap", sliced)):
        first = placed(venue, name, wish)
        assert first == {
            "order": first["order"], "status": "waiting", "filled": "0", "remaining": wish["quantity"],
            "client_id": wish["client_id"],
        }  # fmt: skip
        waits = {one["order"] for one in venue.get("/accounts/11/waiting")[1]["result"]["orders"]}
        assert first["order"] in waits
        assert placed(venue, name, wish) == first | {"duplicate": True}
        venue.do("cancel_order", 11, order=first["order"])
        assert placed(venue, name, wish)["status"] == "cancelled"


@pytest.mark.parametrize("phase", ["cancel_only", "closed", "call"])
def test_the_phase_of_the_market_is_no_answer_to_what_was_sent_before(venue, phase):
    wish = order()
    first = placed(venue, "place_order", wish)
    venue.do("set_market_phase", market=PERP, phase=phase)
    try:
        again = placed(venue, "place_order", wish)
        assert (again["order"], again["status"], again["duplicate"]) == (first["order"], "open", True)
        status, reply = venue.tried("place_order", 11, **wish | {"quantity": "6"})
        assert (status, reply["error"]["code"]) == (422, "client_id_must_be_new")
        if phase != "call":
            status, reply = venue.tried("place_order", 11, **order())
            assert (status, reply["error"]["number"]) == (422, 423)
    finally:
        venue.prices()
        if phase != "call":
            venue.do("set_market_phase", market=PERP, phase="call")
        venue.do("set_market_phase", market=PERP, phase="open")


def test_without_read_models_it_says_what_is_known(venue):
    wish = order()
    first = placed(venue, "place_order", wish)
    venue.kill("projector")
    try:
        again = placed(venue, "place_order", wish)
        assert again == {
            "order": first["order"], "status": "open", "remaining": "5", "client_id": wish["client_id"], "duplicate": True,
        }  # fmt: skip
    finally:
        venue.start("projector")
