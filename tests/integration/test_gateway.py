"""The gateway over real processes: orders and everything that can be read, by REST and by WebSocket alike."""

import itertools
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateways import PERP, Key, eventually, running
from novate.gateway.routes import READS

_names = (f"c{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("gateway")) as found:
        found.prices()
        found.open(11, 12)
        yield found


@pytest.fixture(autouse=True)
def _fresh(venue):
    venue.prices()
    yield
    for account in (11, 12):
        venue.do("cancel_all", account)


def order(side="bid", price="170", quantity="1", **more):
    return {"market": PERP, "side": side, "price": price, "quantity": quantity} | more


class Rest:
    def __init__(self, venue, _):
        self.venue = venue

    def __call__(self, name, account=0, **args):
        return self.venue.tried(name, account, **args)[1]


class Socket:
    def __init__(self, _, speaker):
        self.speaker = speaker

    def __call__(self, name, account=0, **args):
        return self.speaker.ask(name, args, account or None)


@pytest.fixture(params=[Rest, Socket])
def say(request, venue):
    with venue.ws() as speaker:
        yield request.param(venue, speaker)


# --- orders ------------------------------------------------------------------------------------------------------------


def test_an_order_rests_and_fills_and_both_sides_are_told(say):
    placed = say("place_order", 11, **order("bid", "180", "5", client_id=(name := next(_names))))
    assert placed["ok"] and placed["result"]["order"] == {
        "order": placed["result"]["order"]["order"], "status": "open", "remaining": "5", "filled": "0", "client_id": name,
    }  # fmt: skip
    taken = say("place_order", 12, **order("ask", "180", "2"))
    assert taken["result"]["order"]["status"] == "filled"
    assert float(taken["result"]["order"]["average_price"]) == 180
    assert taken["seq"] > placed["seq"] and taken["ts_ns"] >= placed["ts_ns"]
    assert {one["account"] for one in taken["result"]["events"] if "account" in one} <= {"12"}


def test_the_same_client_id_is_answered_the_same(say, venue):
    name = next(_names)
    first = say("place_order", 11, **order(client_id=name))
    again = say("place_order", 11, **order(client_id=name))
    assert again["ok"] and again["result"]["order"]["duplicate"] is True
    assert again["result"]["order"]["order"] == first["result"]["order"]["order"]
    assert again["result"]["order"]["status"] == "open" and again["result"]["order"]["remaining"] == "1"
    say("cancel_order", 11, client_id=name)
    ended = say("place_order", 11, **order(client_id=name))
    assert (
        ended["ok"]
        and ended["result"]["order"]["duplicate"]
        and ended["result"]["order"]["status"] == "ended"
    )
    assert len(venue.get("/accounts/11")[1]["result"]["orders"]) == 0


def test_a_trigger_sent_twice_is_as_it_stands(say, venue):
    name = next(_names)
    wish = order(client_id=name, trigger="stop", trigger_price="195", trigger_market=PERP)
    first = say("place_order_full", 11, **wish)
    if not first["ok"]:
        pytest.skip(f"no such trigger here: {first['error']}")
    again = say("place_order_full", 11, **wish)
    waits = {one["order"] for one in venue.get("/accounts/11/waiting")[1]["result"]["orders"]}
    assert again["ok"] and again["result"]["order"]["duplicate"]
    assert (again["result"]["order"]["status"] == "open") is (again["result"]["order"]["order"] in waits)


@pytest.mark.parametrize("by", ["order", "client_id"])
def test_an_order_is_amended_under_the_same_id(say, venue, by):
    name = next(_names)
    number = say("place_order", 11, **order(client_id=name))["result"]["order"]["order"]
    amended = say("amend_order", 11, **{by: number if by == "order" else name}, price="169.5", quantity="2")
    assert amended["ok"], amended
    rests = venue.get("/accounts/11")[1]["result"]["orders"]
    assert [(one["order"], one["price"], one["remaining"]) for one in rests] == [(number, "169.5", "2")]


def test_a_batch_places_amends_and_cancels(say, venue):
    one, two, three = next(_names), next(_names), next(_names)
    say("place_order", 11, **order(client_id=one))
    say("place_order", 11, **order(client_id=two))
    done = say(
        "order_batch", 11,
        legs=[
            {"op": "place_order", "args": order(price="160", client_id=three)},
            {"op": "amend_order", "args": {"client_id": one, "price": "161"}},
            {"op": "cancel_order", "args": {"client_id": two}},
        ],
    )  # fmt: skip
    assert done["ok"], done
    rests = venue.get("/accounts/11")[1]["result"]["orders"]
    assert sorted(one["price"] for one in rests) == ["160", "161"]


def test_orders_are_cancelled_one_by_one_and_all(say, venue):
    number = say("place_order", 11, **order())["result"]["order"]["order"]
    for price in ("169", "168"):
        say("place_order", 11, **order(price=price))
    assert say("cancel_order", 11, order=number)["ok"]
    again = say("cancel_order", 11, order=number)
    assert not again["ok"] and again["error"]["number"] and not again["error"]["retryable"]
    assert say("cancel_all", 11, market=PERP)["ok"]
    assert venue.get("/accounts/11")[1]["result"]["orders"] == []


def test_the_paths_of_orders(venue):
    _, placed = venue.call("POST", "/accounts/11/orders", order())
    number = placed["result"]["order"]["order"]
    assert venue.call("DELETE", f"/accounts/11/orders/{number}")[0] == 200
    venue.call("POST", "/accounts/11/orders", order())
    assert venue.call("DELETE", f"/accounts/11/orders?market={PERP}")[0] == 200
    assert venue.get("/accounts/11")[1]["result"]["orders"] == []


def test_silence_cancels(say, venue):
    say("place_order", 11, **order())
    assert say("cancel_after", 11, span_ns=5_000_000_000)["ok"]
    assert venue.get("/accounts/11/waiting")[0] == 200
    assert say("cancel_after", 11, span_ns=0)["ok"]


def test_what_would_be_is_not(venue):
    before = venue.get("/accounts/11")[1]["result"]
    wish = [
        {"op": "place_order", "args": order("ask", "179", "1")},
        {"op": "place_order", "args": order(price="1")},
    ]
    status, reply = venue.call("POST", "/accounts/11/what-if", {"operations": wish})
    assert status == 200 and reply["result"]["accepted"] in {True, False} and reply["result"]["account"]
    after = venue.get("/accounts/11")[1]["result"]
    assert before["orders"] == after["orders"] and before["positions"] == after["positions"]
    wish = [{"op": "place_order", "args": order(price="18000")}]
    reply = venue.call("POST", "/accounts/11/what-if", {"operations": wish})[1]
    assert reply["result"]["accepted"] is False and reply["result"]["refusals"][0]["number"]


def test_what_if_amends_by_client_id(venue):
    venue.do("place_order", 11, **order(client_id=(name := next(_names))))
    wish = [{"op": "amend_order", "args": {"client_id": name, "price": "169"}}]
    status, reply = venue.call("POST", "/accounts/11/what-if", {"operations": wish})
    assert status == 200 and reply["result"]["accepted"], reply


# --- what is read ------------------------------------------------------------------------------------------------------

_NEEDS = {"{order}": "1", "{client_id}": "none", "{period}": "2026-01", "{call}": "1", "{action}": "1"}


@pytest.mark.parametrize("read", READS, ids=lambda read: read.path)
def test_every_question_is_answered_in_the_envelope(venue, read):
    path = read.path.replace("{account}", "11").replace("{market}", PERP)
    for name, value in _NEEDS.items():
        path = path.replace(name, value)
    status, reply = venue.get(path)
    assert set(reply) <= {"ok", "result", "error", "ts_ns", "seq", "id"} and {"ok", "ts_ns", "seq"} <= set(
        reply
    )
    if status == 200:
        assert reply["ok"] and "result" in reply
    else:  # what hangs on the read models, which do not run here, or on an order that there is not
        assert status in {404, 503} and reply["error"]["number"] >= 2000, (path, reply)
        assert "{" in read.path.replace("{account}", "") or status == 503, (path, reply)
    assert venue.last.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/accounts/999", 404), ("/accounts/999/margin", 404), ("/accounts/18446744073709551615", 404),
        ("/accounts/18446744073709551616", 400), ("/accounts/-1", 400), ("/accounts/x", 400), ("/accounts/%D9%A1", 400),
        ("/markets/NOPE", 404), ("/markets/NOPE/book", 404), ("/markets/NVDA-PERP/book?depth=0", 400),
        ("/markets/NVDA-PERP/book?depth=x", 400), ("/markets/NVDA-PERP/book?depht=5", 400), ("/nope", 404),
        ("/markets/" + "x" * 5000, 404), ("/time?x=1", 400),
    ],
)  # fmt: skip
def test_questions_about_nothing(venue, path, status):
    found, reply = venue.get(path)
    assert found == status, reply
    assert (
        not reply["ok"]
        and reply["error"]["number"]
        and reply["error"]["message"]
        and not reply["error"]["retryable"]
    )


# --- errors alike --------------------------------------------------------------------------------------------------------

BAD = [
    ("place_order", 11, order(price="18000"), None),
    ("place_order", 11, order(price="170.001"), "price"),
    ("place_order", 11, order(price=170), "price"),
    ("place_order", 11, order(price="1e3"), "price"),
    ("place_order", 11, order(price="170\n"), "price"),
    ("place_order", 11, order(price="١٧٠"), "price"),
    ("place_order", 11, order(price=" 170"), "price"),
    ("place_order", 11, order(price="NaN"), "price"),
    ("place_order", 11, order(quantity="-1"), "quantity"),
    ("place_order", 11, order(quantity="999999999999999999999999"), "quantity"),
    ("place_order", 11, order(side="buy"), "side"),
    ("place_order", 11, order(market="NOPE"), "market"),
    ("place_order", 11, order(markte=PERP), "markte"),
    ("place_order", 11, order(client_id=""), "client_id"),
    ("place_order", 11, order(client_id="x" * 17), "client_id"),
    ("place_order", 11, order(client_id="abc\n"), "client_id"),
    ("place_order", 11, {"side": "bid"}, "market"),
    ("place_order", 0, order(), None),
    ("place_order", 999, order(), None),
    ("cancel_order", 11, {"order": "99999"}, None),
    ("cancel_order", 11, {}, None),
    ("cancel_order", 11, {"order": "18446744073709551616"}, "order"),
    ("amend_order", 11, {"order": "99999", "price": "1"}, None),
    ("order_batch", 11, {"legs": []}, "legs"),
    ("order_batch", 11, {"legs": [{"op": "deposit", "args": {}}]}, "legs"),
    ("order_batch", 11, {"legs": [{"op": "cancel_order", "args": {"order": "1"}}] * 101}, "legs"),
    ("transfer", 11, {"to": "11", "asset": "USDC", "amount": "1"}, None),
    ("transfer", 11, {"to": "12", "asset": "USDC", "amount": "0.00000000001"}, "amount"),
    ("deposit", 11, {"asset": "USDC", "amount": "-1", "reference": "1"}, None),
    ("no_such_thing", 11, {}, None),
]


@pytest.mark.parametrize(("name", "account", "args", "field"), BAD, ids=str)
def test_the_same_problem_whichever_door_it_came_through(venue, name, account, args, field):
    status, by_rest = venue.tried(name, account, **args)
    with venue.ws() as speaker:
        by_socket = speaker.ask(name, args, account or None)
    assert not by_rest["ok"] and not by_socket["ok"], (by_rest, by_socket)
    assert 400 <= status < 500
    if name != "no_such_thing":  # there it is the path that does not exist, here the operation
        assert by_rest["error"] == by_socket["error"]
    error = by_rest["error"]
    assert error["number"] > 0 and error["code"] and error["message"] and error["retryable"] in {True, False}
    if field is not None:
        assert error["field"].split(".")[0].split("[")[0] == field


def test_what_one_socket_says_is_done_in_its_order(venue):
    venue.do("place_order", 11, **order(client_id=(name := next(_names))))
    venue.again("gateway")  # which now knows no order
    with venue.ws() as speaker:
        for number, (op, args) in enumerate(
            [("amend_order", {"client_id": name, "price": "169"}), ("cancel_order", {"client_id": name})]
        ):
            speaker.raw.send(json.dumps({"op": op, "id": number, "account": "11", "args": args}))
        replies = {reply["id"]: reply for reply in (speaker.hear(), speaker.hear())}
    assert replies[0]["ok"] and replies[1]["ok"], replies


@pytest.mark.parametrize("by", ["order", "client_id"])
def test_an_order_is_amended_after_the_gateway_began_anew(venue, by):
    name = next(_names)
    number = venue.do("place_order", 11, **order(client_id=name))["result"]["order"]["order"]
    venue.again("gateway")
    amended = venue.do("amend_order", 11, **{by: number if by == "order" else name}, price="168")
    assert amended["ok"]
    assert venue.get("/accounts/11")[1]["result"]["orders"][0]["price"] == "168"


# --- keys ----------------------------------------------------------------------------------------------------------------


def test_keys_are_made_used_and_ended(venue):
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    wish = {"owner": "11", "scopes": ["read", "trade"]}
    status, made = venue.call("POST", "/keys", wish | {"kind": "ed25519", "public": public})
    assert status == 200 and "secret" not in made["result"], made
    _, shared = venue.call("POST", "/keys", wish | {"kind": "hmac"})
    assert len(shared["result"]["secret"]) >= 32
    assert all("secret" not in one for one in venue.get("/keys")[1]["result"])
    keys = [
        Key("test", made["result"]["key"], private=private),
        Key("test", shared["result"]["key"], secret=shared["result"]["secret"]),
    ]
    for key in keys:
        assert venue.get("/accounts/11", key)[0] == 200
        assert venue.get("/accounts/12", key)[0] == 403
        assert venue.do("place_order", 11, key, **order())["ok"]
        assert int(venue.last.headers["ratelimit-remaining"]) > 0
        nonce = str(time.time_ns())
        assert venue.call("GET", "/accounts/11", None, key, nonce=nonce)[0] == 200
        status, reply = venue.call("GET", "/accounts/11", None, key, nonce=nonce)
        assert status == 409 and reply["error"]["code"] == "duplicate_nonce" and reply["error"]["retryable"]
        old = str(time.time_ns() - 600 * 10**9)
        assert venue.call("GET", "/accounts/11", None, key, timestamp=old)[1]["error"]["code"] == (
            "timestamp_must_be_in_window"
        )
        with venue.ws(key) as speaker:
            assert speaker.ask("place_order", order(), 11)["ok"]
            assert speaker.ask("place_order", order(), 12)["error"]["code"] == "account_must_be_ones_own"
            assert venue.call("DELETE", f"/keys/{key.number}")[0] == 200
            assert speaker.ask("place_order", order(), 11)["error"]["code"] == "key_must_not_be_revoked"
        status, reply = venue.get("/accounts/11", key)
        assert status == 401 and reply["error"]["code"] == "key_must_not_be_revoked"


def test_a_wrong_signature_is_called_that(venue):
    _, shared = venue.call("POST", "/keys", {"owner": "11", "scopes": ["read"], "kind": "hmac"})
    key = Key("test", shared["result"]["key"], secret="other")
    assert venue.get("/accounts/11", key)[1]["error"]["code"] == "signature_must_verify"
    key = Key("another-venue", shared["result"]["key"], secret=shared["result"]["secret"])
    assert venue.get("/accounts/11", key)[1]["error"]["code"] == "signature_must_verify"
    with venue.ws() as speaker:
        assert speaker.ask("login", key.login())["error"]["code"] == "signature_must_verify"


@pytest.mark.parametrize(
    "wish",
    [
        {"owner": "11", "scopes": ["fly"], "kind": "hmac"},
        {"owner": "11", "scopes": ["read"], "kind": "rsa"},
        {"owner": "11", "scopes": ["read"], "kind": "ed25519", "public": "zz"},
        {"owner": "11", "scopes": ["read"], "kind": "ed25519", "public": "00"},
        {"owner": "99", "scopes": ["read"], "kind": "hmac"},
        {"owner": "99999999999999999999", "scopes": ["read"], "kind": "hmac"},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "accounts": ["12"]},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "accounts": ["99999999999999999999"]},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "markets": ["NOPE"]},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "networks": ["nowhere"]},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "roles": [{"role": "king"}]},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "roles": [{"role": "viewer", "account": "99999999999999999999"}]},
        {"owner": "11", "scopes": ["read"], "kind": "hmac", "order_cap": "99999999999999999999"},
    ],
    ids=str,
)  # fmt: skip
def test_keys_that_can_not_be(venue, wish):
    status, reply = venue.call("POST", "/keys", wish)
    assert 400 <= status < 500 and reply["error"]["number"], reply


def test_a_key_that_is_none(venue):
    assert venue.call("DELETE", "/keys/999999")[0] in {401, 404}


# --- after the core ------------------------------------------------------------------------------------------------------


def test_the_core_killed_and_begun_anew(venue):
    venue.do("place_order", 11, **order(client_id=(name := next(_names))))
    venue.kill("core")
    eventually(lambda: not venue.get("/status")[1]["result"]["takes_commands"])
    status, reply = venue.tried("place_order", 11, **order())
    assert (
        status == 503 and reply["error"]["code"] == "venue_must_be_reachable" and reply["error"]["retryable"]
    )
    venue.start("core")
    eventually(lambda: venue.get("/status")[1]["result"]["takes_commands"])
    venue.do("resume_venue")
    venue.prices()
    again = venue.do("place_order", 11, **order(client_id=name))
    assert again["result"]["order"]["duplicate"]
