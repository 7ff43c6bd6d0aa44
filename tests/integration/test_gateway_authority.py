"""A venue that is not for development: every path and operation says yes and no as `novate.identity.authority` does, to everybody."""

import itertools
import json
import time

import pytest

from gateways import PERP, Key, eventually, running
from novate.gateway.rest import _ACTION
from novate.gateway.routes import READS, Access
from novate.identity import Grant, Identity, IdentityRefused, KeyKind, KeyTerms, Scope
from novate.identity.authority import ACTIONS, authorise
from novate.identity.principals import ANONYMOUS, principal_of
from novate.messages import reports
from novate.messages.codes import MarketPhase, Role
from novate.reader_process import ReaderClient
from novate.schema.operations import operations

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
        self.keys, self.principals = {}, {None: ANONYMOUS}

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
            found.markets = {line.name: line.market for line in reports.markets(reader)}
        assert found.markets[PERP] not in {1, 2, 3}
        for name in TERMS:
            if name not in found.keys:
                found.make(name)
        yield found


def checked(world, name, action, account, status, reply, market=None):
    says = world.may(name, action, account, market)
    if says:
        assert status in NO and reply["error"]["code"] == says, (name, action, account, status, reply)
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
        for part in ("{order}", "{client_id}", "{period}"):
            path = path.replace(part, "1")
        status, reply = patient(lambda path=path: world.venue.get(path, world.keys.get(name)))
        checked(
            world, name, _ACTION[read.access], account if read.access is Access.ACCOUNT else 0, status, reply
        )


@pytest.mark.parametrize("name", SPEAKERS)
def test_every_operation(world, name):
    """With arguments that the engine refuses or the schema does: who may not is told so before the engine is asked."""
    with world.venue.ws(world.keys.get(name)) as speaker:
        for op in operations().values():
            action = op.command.__name__
            assert action in ACTIONS
            args = SAID.get(op.name)
            if args is None:
                continue
            for account in (OWN, FOREIGN, 0):
                said = dict(args)
                status, reply = patient(
                    lambda op=op, account=account, said=said: world.venue.tried(
                        op.name, account, world.keys.get(name), **said
                    )
                )
                market = world.markets[said["market"]] if "market" in said else None
                says = world.may(name, action, account, market)
                checked(world, name, action, account, status, reply, market)
                if says:
                    by_socket = speaker.ask(op.name, said, account or None)
                    assert not by_socket["ok"] and by_socket["error"]["code"] in {
                        says,
                        "rate_must_not_exceed_budget",
                    }


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


@pytest.mark.parametrize("name", SPEAKERS)
@pytest.mark.parametrize("account", [OWN, FOREIGN])
def test_what_if_and_private_streams(world, name, account):
    wish = {"operations": [{"op": "cancel_all"}]}
    status, reply = patient(
        lambda: world.venue.call("POST", f"/accounts/{account}/what-if", wish, world.keys.get(name))
    )
    checked(world, name, "account.simulate", account, status, reply)
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
    leg = {"op": "place_order", "args": order}
    status, reply = world.venue.tried("order_batch", OWN, key, legs=[leg])
    assert status in {400, 403}, reply


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
