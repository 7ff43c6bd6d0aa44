"""A venue that is not for development: every path and operation says yes and no as `novate.identity.authority` does, to everybody."""

import itertools
import json
import time
from contextlib import ExitStack

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from gateways import PERP, SPOT, Key, eventually, running
from novate.gateway.calls import CALLS, DOCUMENTS, SIGNED
from novate.gateway.door import Door
from novate.gateway.onboarding import ACTS
from novate.gateway.rest import _ACTION, Rest
from novate.gateway.routes import READS, Access
from novate.gateway.settings import GatewaySettings
from novate.gateway.wallets import _OPERATIONS as TYPED
from novate.identity import Grant, Identity, IdentityRefused, KeyKind, KeyTerms, Scope, typed_data
from novate.identity.authority import ACTIONS, authorise, authorise_owner
from novate.identity.principals import ANONYMOUS, principal_of
from novate.identity.typed import PARTS, TYPES, Domain
from novate.messages import reports
from novate.messages.codes import MarketPhase, Role
from novate.messages.refusals import number_of
from novate.reader_process import ReaderClient
from novate.schema.catalogue import Catalogue
from novate.schema.operations import operation, operations
from said import arguments, message

READ, TRADE, TRANSFER, ADMIN = Scope.READ, Scope.TRADE, Scope.TRANSFER, Scope.ADMIN
OWN, FOREIGN = 11, 12
NO = {401, 403}
PHASE = next(iter(MarketPhase)).name.lower()
TERMS = {
    "stranger": KeyTerms(owner=12, scopes=READ | TRADE | TRANSFER),
    "viewer": KeyTerms(owner=11, scopes=READ),
    "trader": KeyTerms(owner=11, scopes=READ | TRADE),
    "treasurer": KeyTerms(owner=11, scopes=READ | TRANSFER | ADMIN),
    "limited": KeyTerms(
        owner=11, scopes=READ | TRADE, markets=frozenset({1, 2, 3}), cap_micro_usd=100_000_000
    ),
    "elsewhere": KeyTerms(owner=11, scopes=READ | TRADE, networks=("10.0.0.0/8",)),
    "operator": KeyTerms(owner=0, scopes=READ | ADMIN, grants=frozenset({Grant(Role.OPERATOR, 0)})),
    "compliance": KeyTerms(owner=0, scopes=READ | ADMIN, grants=frozenset({Grant(Role.COMPLIANCE, 0)})),
    "keeper": KeyTerms(owner=0, scopes=ADMIN, grants=frozenset({Grant(Role.KEEPER, 0)})),
}
SPEAKERS = [None, *(name for name in TERMS if name != "elsewhere")]


class World:
    def __init__(self, venue, identity):
        self.venue, self.identity = venue, identity
        self._open, self._speakers = ExitStack(), {}
        self.keys, self.principals = {}, {None: ANONYMOUS}

    def prices_again(self):
        """Fresh prices: orders below need them."""
        self.venue.prices(key=self.keys["keeper"])

    def speaker(self, name):
        """A socket of who speaks, kept."""
        if name not in self._speakers:
            self._speakers[name] = self._open.enter_context(self.venue.ws(self.keys.get(name)))
        return self._speakers[name]

    def make(self, name):
        made = self.identity.create_key(None, KeyKind.HMAC, TERMS[name], time.time_ns())
        self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)
        self.principals[name] = principal_of(made.record)

    def may(self, name, action, account, market=None):
        """What the table says."""
        owners = {11: 11, 12: 12}
        try:
            authorise(self.principals[name], action, account, market, 1, owner_of=owners.get)
        except IdentityRefused as refusal:
            return refusal.rule.label
        return ""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("authority")
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        found = World(venue, identity)
        for name in ("operator", "compliance", "keeper"):
            found.make(name)
        venue.prices(key=found.keys["keeper"])
        venue.open(11, 12, key=found.keys["compliance"], keeper=found.keys["keeper"])
        eventually(lambda: {11, 12} <= set(identity.store.owners()))
        with ReaderClient.connect(home / "reader.sock") as reader:
            found.catalogue = Catalogue.of(reader)
            found.markets = {line.name: line.market for line in reports.markets(reader)}
        assert found.markets[PERP] not in {1, 2, 3}
        for name in TERMS:
            if name not in found.keys:
                found.make(name)
        wish = {"holder_type": "person", "jurisdiction": "DE", "person": {"name": "Nobody"}}
        found.applications = {}
        for owner in (OWN, FOREIGN):
            status, reply = venue.call(
                "POST", "/onboarding", wish | {"owner": str(owner)}, found.keys["compliance"]
            )
            assert status == 200, reply
            found.applications[reply["result"]["application"]] = owner
        with found._open:
            yield found


def checked(world, name, action, account, status, reply, market=None):
    says = world.may(name, action, account, market)
    if says:
        assert status in NO | {400} and reply["error"]["code"] == says, (name, action, account, status, reply)
    else:
        assert status not in NO, (name, action, account, status, reply)


def patient(call):
    """Anonymous callers have a small budget: whoever is told to wait, waits."""
    while True:
        status, reply = call()
        if status != 429:
            return status, reply
        assert reply["error"]["retryable"]
        time.sleep(0.1)


@pytest.mark.parametrize("name", SPEAKERS)
def test_every_question(world, name):
    for read, account in itertools.product(READS, (OWN, FOREIGN)):
        if read.access is not Access.ACCOUNT and account == FOREIGN:
            continue
        path = read.path.replace("{account}", str(account)).replace("{market}", PERP)
        for part in ("{order}", "{client_id}", "{period}", "{action}"):
            path = path.replace(part, "1")
        status, reply = patient(lambda path=path: world.venue.get(path, world.keys.get(name)))
        checked(
            world, name, _ACTION[read.access], account if read.access is Access.ACCOUNT else 0, status, reply
        )


def test_all_that_is_served_is_in_a_table(tmp_path):
    """Whoever adds a path adds it to a table, and so to the tests below."""
    with Identity.open(tmp_path, time.time_ns(), venue="test", chain_id=1) as identity:
        app = Rest(Door(tmp_path, identity, GatewaySettings(venue="test")))._others()
    served = {
        (method, route.path.replace(":str", ""))
        for route in app.routes
        for method in route.methods
        if method != "OPTIONS"
    }
    told = {("GET", f"/v1{read.path}") for read in READS} | {("GET", f"/v1{path}") for path in DOCUMENTS}
    told |= {(call.method, f"/v1{call.path}") for call in CALLS}
    for name in operations():
        told |= {("POST", f"/v1/operations/{name}"), ("POST", f"/v1/accounts/{{account}}/operations/{name}")}
    assert served == told
    assert {call.action for call in CALLS} - {SIGNED} <= ACTIONS.keys()


@pytest.mark.parametrize("name", SPEAKERS)
@pytest.mark.parametrize("op", operations().values(), ids=lambda op: op.name)
def test_every_operation(world, op, name):
    """With arguments that fit: who may not is told so before the engine is asked, by either door."""
    action = op.command.__name__
    args = SAID[op.name] if op.name in SAID else arguments(op, world.catalogue)
    for account in (OWN, FOREIGN, 0):
        status, reply = patient(
            lambda account=account: world.venue.tried(op.name, account, world.keys.get(name), **args)
        )
        market = _market(world, op.name, args)
        unfit = status == 400 and reply["error"]["code"].startswith("fields")
        assert not unfit or op.name == "quarantine_command", (op.name, reply)
        checked(world, name, action, account, status, reply, market)
        if says := world.may(name, action, account, market):
            by_socket = world.speaker(name).ask(op.name, args, account or None)
            assert by_socket["error"]["code"] in {says, "rate_must_not_exceed_budget"}, by_socket


def _market(world, name, args):
    """The market that the command names."""
    said = args.get("market") or next(iter(args.get("markets") or ()), None)
    return world.markets[said] if said and operation(name).command.__name__ not in _NO_MARKET else None


_NO_MARKET = {"GrantRole", "ListMarket"}


SAID = {
    "place_order": {"market": PERP, "side": "bid", "price": "0.01", "quantity": "1"},
    "cancel_order": {"order": "1"},
    "cancel_all": {},
    "cancel_after": {"span_ns": 1},
    "transfer": {"to": "11", "asset": "USDC", "amount": "1"},
    "lend": {"asset": "USDC", "amount": "0.000001"},
    "request_withdrawal": {"asset": "USDC", "amount": "99999999"},
    "deposit": {"asset": "USDC", "amount": "0", "reference": "1"},
    "advance_time": {},
    "open_account": {"owner": "0"},
    "move_ownership": {"account": "999", "owner": "12"},
    "grant_role": {
        "actor": "1",
        "role": "viewer",
        "markets": [],
        "order_notional": "0",
        "position_notional": "0",
        "expires_ns": 0,
    },
    "register_actor": {"actor": "1", "person": "1", "owner": "12"},
    "compensate_error": {"account": "12", "asset": "USDC", "amount": "1", "trade": "1", "reason": "x"},
    "propose_change": {"account": "12", "command": {"op": "cancel_all", "args": {}}, "reason": "x"},
    "approve_change": {"change": "1"},
    "set_market_phase": {"market": "NVDA-PERP", "phase": PHASE, "until_ns": 0},
    "fund_pool": {"asset": "USDC", "amount": "0.000001"},
    "pause_issuance": {"token": "tNVDA", "mint": False, "redeem": False},
}


WISHES = {
    "post_order": SAID["place_order"],
    "cancel_orders": None,
    "delete_order": None,
    "what_if": {"operations": [{"op": "cancel_all"}]},
    "acknowledge": None,
    "wallet": {},
    "verify_wallet": {},
    "list_keys": None,
    "create_key": {"kind": "hmac", "scopes": ["read"]},
    "revoke_key": None,
    "effect": {},
    **{call.name: {} for call in CALLS if call.path.startswith(("/onboarding", "/owners", "/notices"))},
}
"""What is sent to each call; those about applications, owners and notices have tests of their own."""


def test_every_call_is_tried():
    assert {call.name for call in CALLS} == WISHES.keys()


@pytest.mark.parametrize("name", SPEAKERS)
@pytest.mark.parametrize(
    "call", [call for call in CALLS if "{account}" in call.path], ids=lambda call: call.name
)
def test_every_call_at_an_account(world, call, name):
    for account in (OWN, FOREIGN, 999):
        path = call.path.replace("{account}", str(account)).replace("{order}", "1").replace("{call}", "none")
        status, reply = patient(
            lambda path=path: world.venue.call(call.method, path, WISHES[call.name], world.keys.get(name))
        )
        market = world.markets[PERP] if call.name == "post_order" else None
        checked(world, name, call.action, account, status, reply, market)


@pytest.mark.parametrize("name", SPEAKERS)
def test_every_call_about_keys(world, name):
    """By hand: the venue's operators, and of an owner who has scope admin and treasurer for all of its accounts."""
    keeps = {"operator": {"0", "11", "12"}, "treasurer": {"11"}}.get(name, set())
    owned = {
        name: world.identity.create_key(None, KeyKind.HMAC, KeyTerms(owner=owner), time.time_ns())
        for name, owner in (("11", 11), ("12", 12), ("0", 0))
    }
    key, call = world.keys.get(name), world.venue.call
    for owner, made in owned.items():
        status, reply = patient(
            lambda owner=owner: call("POST", "/keys", WISHES["create_key"] | {"owner": owner}, key)
        )
        assert (status == 200) is (owner in keeps), (name, owner, reply)
        number = made.record.actor
        status, reply = patient(lambda number=number: call("DELETE", f"/keys/{number}", None, key))
        assert (status == 200) is (owner in keeps) and (owner in keeps or status in NO), (name, owner, reply)
        assert bool(world.identity.store.key(number).revoked_ns) is (owner in keeps)
    status, nothing = patient(lambda: call("DELETE", "/keys/123456789", None, key))
    if name != "operator":
        assert status in NO
        assert (
            nothing["error"]["code"]
            == patient(lambda: call("DELETE", f"/keys/{owned['0'].record.actor}", None, key))[1]["error"][
                "code"
            ]
        )
    status, reply = patient(lambda: call("GET", "/keys", None, key))
    assert (status == 200) is bool(keeps), reply
    assert {one["owner"] for one in reply.get("result") or ()} == keeps


def test_nobody_tries_on_a_copy_what_only_the_venue_may(world):
    """A price posted on a copy would tell where others' stop orders rest."""
    for op in operations().values():
        if ACTIONS[op.command.__name__].scope is not Scope.ADMIN:
            continue
        wish = {"operations": [{"op": op.name, "args": SAID.get(op.name) or arguments(op, world.catalogue)}]}
        for name in ("viewer", "trader", "treasurer"):
            status, reply = patient(
                lambda name=name, wish=wish: world.venue.call(
                    "POST", f"/accounts/{OWN}/what-if", wish, world.keys[name]
                )
            )
            says = world.may(name, op.command.__name__, OWN)
            assert not says or (status == 403 and reply["error"]["code"] == says), (op.name, name, reply)


WALLETS = {
    "wallet": KeyTerms(owner=OWN, scopes=READ | TRADE | TRANSFER),
    "seeing wallet": KeyTerms(owner=OWN, scopes=READ),
    "money wallet": KeyTerms(owner=OWN, scopes=READ | TRANSFER),
    "market wallet": KeyTerms(owner=OWN, scopes=READ | TRADE, markets=frozenset({1, 2, 3})),
    "stranger's wallet": KeyTerms(owner=FOREIGN, scopes=READ | TRADE | TRANSFER),
}
AGENTS = {
    "agent": ("wallet", ["trade"]),
    "stranger's agent": ("stranger's wallet", ["read", "trade", "transfer"]),
}


@pytest.fixture(scope="module")
def wallets(world):
    """Signers: a wallet with each set of terms, and agents that wallets approved through the door."""
    found = {}
    for seed, (name, terms) in enumerate(WALLETS.items(), 1):
        account = Account.from_key(bytes([seed]) * 32)
        made = world.identity.create_key(
            None, KeyKind.WALLET, terms, time.time_ns(), public=bytes.fromhex(account.address[2:])
        )
        found[name] = (account, account.address, None)
        world.principals[name] = principal_of(made.record)
    for seed, (name, (wallet, scopes)) in enumerate(AGENTS.items(), 60):
        account = Account.from_key(bytes([seed]) * 32)
        status, reply = signed(
            world,
            found[wallet],
            "ApproveAgent",
            message("ApproveAgent", 0, agent=account.address, scopes=scopes),
        )
        assert status == 200, reply
        found[name] = (account, found[wallet][1], account.address)
        record = world.identity.store.key(int(reply["result"]["key"]))
        world.principals[name] = principal_of(record, world.identity.store.key(record.parent))
    return found


def signed(world, who, kind, said):
    account, wallet, agent = who

    def call():
        sealed = said | {
            "timeNs": str(time.time_ns()),
            "expiresAfterNs": "0",
            "nonce": str(time.perf_counter_ns()),
        }
        whole = encode_typed_data(full_message=typed_data(Domain("test", 1), kind, sealed))
        wish = {
            "kind": kind,
            "message": sealed,
            "wallet": wallet,
            "signature": "0x" + account.sign_message(whole).signature.hex().removeprefix("0x"),
        }
        return world.venue.call("POST", "/wallets", wish | ({"agent": agent} if agent else {}))

    return patient(call)


@pytest.mark.parametrize("name", [*WALLETS, *AGENTS])
def test_every_kind_that_wallets_sign(world, wallets, name):
    assert TYPES.keys() - PARTS - {"Login", "Request"} == TYPED.keys() | {"ApproveAgent", "RevokeAgent"}
    for kind, account in itertools.product(TYPED, (OWN, FOREIGN, 999)):
        said = message(kind, account)
        if kind == "AmendOrder":  # of an order that is none, whose steps nobody knows
            said |= {"priceE9": "0", "quantityE9": "0"}
        status, reply = signed(world, wallets[name], kind, said)
        market = world.markets[PERP] if "market" in said or kind == "PlacePackage" else None
        checked(world, name, operation(TYPED[kind]).command.__name__, account, status, reply, market)


def test_who_approves_and_revokes_agents(world, wallets):
    """A wallet its own, with what it has itself; an agent none, a stranger's wallet not ours."""
    theirs = Account.from_key(bytes([61]) * 32).address
    fresh = (Account.from_key(bytes([number]) * 32).address for number in itertools.count(100))
    more = message("ApproveAgent", 0, agent=next(fresh), scopes=["read", "trade"])
    for name, code in (
        ("agent", "wallet_must_sign_itself"),
        ("seeing wallet", "grant_must_not_exceed_ones_own"),
    ):
        status, reply = signed(world, wallets[name], "ApproveAgent", more)
        assert status in NO and reply["error"]["code"] == code, reply
    for name, code in (("wallet", "key_must_exist"), ("agent", "wallet_must_sign_itself")):
        status, reply = signed(world, wallets[name], "RevokeAgent", message("RevokeAgent", 0, agent=theirs))
        assert status in NO and reply["error"]["code"] == code, reply
    ours = next(fresh)
    assert (
        signed(
            world, wallets["wallet"], "ApproveAgent", message("ApproveAgent", 0, agent=ours, scopes=["read"])
        )[0]
        == 200
    )
    assert signed(world, wallets["wallet"], "RevokeAgent", message("RevokeAgent", 0, agent=ours))[0] == 200
    elsewhere = (wallets["wallet"][0], wallets["stranger's wallet"][1], None)
    status, reply = signed(world, elsewhere, "CancelAll", message("CancelAll", FOREIGN))
    assert status in NO and reply["error"]["code"] == "signature_must_verify"


def may_of_owner(world, name, action, owner):
    """What the table says of what is about an owner as a whole."""
    try:
        authorise_owner(world.principals[name], action, owner)
    except IdentityRefused as refusal:
        return refusal.rule.label
    return ""


@pytest.mark.parametrize("name", SPEAKERS)
def test_every_act_on_an_application(world, name):
    """Of one's own owner, of another, and of none: who may not is told so before what was said is read."""
    key = world.keys.get(name)
    for number, owner in (*world.applications.items(), ("999999", None)):
        for act, row in ACTS.items():
            path = f"/onboarding/{number}/{act}"
            status, reply = patient(lambda path=path: world.venue.call("POST", path, {"wrong": 1}, key))
            says = may_of_owner(world, name, row.action, owner)
            if says:
                assert status in NO and reply["error"]["code"] == says, (name, path, reply)
            else:
                assert status == 400, (name, path, reply)
        for path in (f"/onboarding/{number}", f"/onboarding/{number}/person"):
            status, reply = patient(lambda path=path: world.venue.get(path, key))
            says = may_of_owner(world, name, "onboarding.read", owner)
            assert (status in NO and reply["error"]["code"] == says) if says else status not in NO, (
                name,
                path,
                reply,
            )
    status, reply = patient(lambda: world.venue.get("/onboarding", key))
    seen = {one["owner"] for one in reply.get("result") or ()}
    assert seen <= ({"11", "12"} if name == "compliance" else {str(world.principals[name].owner)})
    status, reply = patient(lambda: world.venue.call("POST", "/onboarding", {"wrong": 1}, key))
    says = may_of_owner(world, name, "onboarding.apply", world.principals[name].owner)
    assert (status in NO and reply["error"]["code"] == says) if says else status == 400, (name, reply)


@pytest.mark.parametrize("name", SPEAKERS)
def test_who_makes_owners_and_notices(world, name):
    key = world.keys.get(name)
    for path, action in (
        ("/owners", "owners.create"), ("/admin/effect", "venue.read"), ("/notices", "notices.post"), ("/notices/o1/update", "notices.post"), ("/notices/o1/resolve", "notices.post")
    ):  # fmt: skip
        status, reply = patient(lambda path=path: world.venue.call("POST", path, {"wrong": 1}, key))
        says = world.may(name, action, 0)
        assert (status in NO and reply["error"]["code"] == says) if says else status not in NO, (
            name,
            path,
            reply,
        )


@pytest.mark.parametrize("name", SPEAKERS)
@pytest.mark.parametrize("account", [OWN, FOREIGN])
def test_private_streams(world, name, account):
    with world.venue.ws(world.keys.get(name)) as speaker:
        reply = speaker.ask("subscribe", {"channel": "account", "account": str(account)})
        says = world.may(name, "account.stream", account)
        assert reply["ok"] is (not says) and (reply["ok"] or reply["error"]["code"] == says)


def test_a_change_is_not_proposed_for_another_account(world):
    """An owner's treasurer may propose at their own account; what is proposed is for that account, or it is refused."""
    key, before = (
        world.keys["treasurer"],
        world.venue.get("/accounts/12", world.keys["operator"])[1]["result"],
    )
    for account in ("12", "0", "11"):
        for command in (
            {"op": "transfer", "args": {"to": "11", "asset": "USDC", "amount": "1"}},
            {"op": "move_ownership", "args": {"account": "12", "owner": "11"}},
            {"op": "register_actor", "args": {"actor": key.number, "person": "1", "owner": "12"}},
        ):
            said = {"account": account, "command": command, "reason": "mine"}
            world.venue.tried("propose_change", OWN, key, **said)
    after = world.venue.get("/accounts/12", world.keys["operator"])[1]["result"]
    assert after["balances"] == before["balances"] and after["line"]["owner"] == before["line"]["owner"]
    assert world.venue.get("/accounts/12", key)[0] == 403


def test_an_address_that_is_not_on_the_list(world):
    status, reply = world.venue.get("/accounts/11", world.keys["elsewhere"])
    assert status == 403 and reply["error"]["code"] == "address_must_be_on_the_list"


def test_orders_above_the_cap_and_outside_the_markets(world):
    key, order = world.keys["limited"], {"market": PERP, "side": "bid", "price": "170", "quantity": "1"}
    assert world.venue.tried("place_order", OWN, key, **order)[1]["error"]["code"] == "market_must_be_allowed"
    allowed = next(name for name, number in world.markets.items() if number in {1, 2, 3})
    status, reply = world.venue.tried(
        "place_order", OWN, key, **order | {"market": allowed, "quantity": "10"}
    )
    assert status == 403 and reply["error"]["code"] == "notional_must_not_exceed_cap", reply


@pytest.fixture(scope="module")
def narrow(world):
    """A key for one market and 400 dollars an order."""
    terms = KeyTerms(
        owner=OWN, scopes=READ | TRADE, markets=frozenset({world.markets[PERP]}), cap_micro_usd=400_000_000
    )
    made = world.identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
    world.prices_again()
    return Key("test", str(made.record.actor), secret=made.secret)


def _bid(market=PERP, price="170", quantity="1", **more):
    return {
        "op": "place_order",
        "args": {"market": market, "side": "bid", "price": price, "quantity": quantity} | more,
    }


def _amended(**args):
    return {"op": "amend_order", "args": args}


def _told(reply):
    """Of a batch: leg to the number of its refusal, and how many were refused."""
    events = reply["result"]["events"]
    done = next(one["data"] for one in events if one["event"] == "batch_done")
    return {one["data"]["leg"]: one["data"]["code"] for one in events if one["event"] == "leg_refused"}, done


def test_legs_of_a_batch_are_asked_for_as_if_they_came_alone(world, narrow):
    rests = world.venue.do("place_order", OWN, narrow, **_bid(client_id="rests")["args"])["result"]["order"][
        "order"
    ]
    legs = [
        _bid(client_id="leg-0"),
        _bid(SPOT),
        _bid(quantity="10"),
        _bid(price="0.01", quantity="2.5"),
        {"op": "cancel_order", "args": {"order": "1"}},
        _amended(client_id="rests", price="171"),
        _amended(client_id="rests", quantity="1"),
        _amended(order=rests, price="171", quantity="3"),
        _amended(order=rests, price="171", quantity="2"),
        {"op": "place_order_full", "args": _bid(SPOT)["args"]},
    ]
    alone = [world.venue.tried(leg["op"], OWN, narrow, **leg["args"])[1] for leg in legs[1:-2]]
    expected = {number: reply["error"]["number"] for number, reply in enumerate(alone, 1)} | {9: 2010}
    assert set(expected.values()) == {2010, 2011, 2029, number_of("order_must_exist")}
    status, reply = world.venue.tried("order_batch", OWN, narrow, legs=legs)
    refused, done = _told(reply)
    assert status == 200 and refused == expected, reply
    assert (done["legs"], done["refused"]) == (10, 8)
    line = next(
        one
        for one in world.venue.get(f"/accounts/{OWN}", narrow)[1]["result"]["orders"]
        if one["order"] == rests
    )
    assert (line["price"], line["remaining"]) == ("171", "2")
    with world.venue.ws(narrow) as speaker:
        reply = speaker.ask("order_batch", {"legs": [legs[1], {"op": "cancel_all_of_it", "args": {}}]}, OWN)
        assert not reply["ok"] and reply["error"]["code"] == "fields_must_fit_the_operation"
        reply = speaker.ask(
            "order_batch", {"legs": [{"op": "cancel_order", "args": {"order": rests}}, legs[1]]}, OWN
        )
        assert _told(reply)[0] == {1: 2010}
    world.venue.do("cancel_all", OWN, narrow)


def test_a_batch_of_which_nothing_may_be_sent_is_refused_whole(world, narrow):
    before = world.venue.get(f"/accounts/{OWN}", narrow)[1]["result"]["orders"]
    status, reply = world.venue.tried("order_batch", OWN, narrow, legs=[_bid(SPOT), _bid(quantity="10")])
    assert status == 403 and reply["error"]["code"] == "market_must_be_allowed"
    assert (
        world.venue.tried("order_batch", FOREIGN, narrow, legs=[_bid()])[1]["error"]["code"]
        == "account_must_be_ones_own"
    )
    assert world.venue.get(f"/accounts/{OWN}", narrow)[1]["result"]["orders"] == before


def test_a_capped_agents_batch(world, wallets, narrow):
    agent = Account.from_key(bytes([77]) * 32)
    said = message(
        "ApproveAgent",
        0,
        agent=agent.address,
        scopes=["read", "trade"],
        markets=[PERP],
        capMicroUsd="400000000",
    )
    assert signed(world, wallets["wallet"], "ApproveAgent", said)[0] == 200
    who = (agent, wallets["wallet"][1], agent.address)
    items = [
        message("BatchItem", 0, action="place", order="0", priceE9=str(price * 10**9), market=market)
        for price, market in ((170, PERP), (170, SPOT), (401, PERP))
    ]
    status, reply = signed(world, who, "OrderBatch", message("OrderBatch", OWN, items=items))
    assert status == 200 and _told(reply)[0] == {1: 2010, 2: 2011}, reply
    world.venue.do("cancel_all", OWN, narrow)


def test_a_revoked_key_hears_nothing_more(world):
    world.make("viewer")
    with world.venue.ws(world.keys["viewer"]) as speaker:
        assert speaker.ask("subscribe", {"channel": "account", "account": "11"})["ok"]
        world.identity.revoke_key(None, int(world.keys["viewer"].number), time.time_ns())
        heard = speaker.hear(5)
        assert heard["error"]["code"] == "key_must_not_be_revoked"
        with pytest.raises(Exception, match=r"1008|no close frame"):
            speaker.hear(5)


def test_a_budget_is_told_and_ends(world):
    """Of whoever gives no credentials it is the address's, which is small."""
    for _ in range(200):
        status, reply = world.venue.get("/time")
        if status == 429:
            break
    assert status == 429 and reply["error"]["retryable"] and int(world.venue.last.headers["retry-after"]) >= 1
    assert world.venue.tried("cancel_all", OWN, world.keys["trader"])[0] == 200


def test_nobody_makes_keys_that_exceed_their_own(world):
    wish = {"kind": "hmac", "owner": "12", "scopes": ["read"]}
    for name in SPEAKERS:
        status, reply = patient(
            lambda name=name: world.venue.call("POST", "/keys", wish, world.keys.get(name))
        )
        if name == "operator":
            continue
        assert status in NO, (name, reply)
    wish = {"kind": "hmac", "owner": "11", "scopes": ["read", "trade"]}
    status, reply = world.venue.call("POST", "/keys", wish, world.keys["trader"])
    assert status in NO
    for name in SPEAKERS:
        if name in {None, "operator", "compliance", "keeper"}:
            continue
        status, reply = world.venue.call("GET", "/keys", None, world.keys[name])
        owners = {one["owner"] for one in reply.get("result") or ()}
        assert owners <= {str(TERMS[name].owner)}, json.dumps(reply)[:300]
