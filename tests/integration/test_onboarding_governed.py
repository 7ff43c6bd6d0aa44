"""Onboarding on a venue with governance: the engine's own people, requests that it takes once, and changes that everybody is told of."""

import hashlib
import time

import pytest

from gateways import PERP, Key, eventually, running
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope
from novate.messages import reports
from novate.messages.codes import Role
from novate.messages.reports import governance
from novate.reader_process import ReaderClient

SECOND = 10**9
STAFF = {
    "oscar": (Role.OPERATOR, 1), "olga": (Role.OPERATOR, 2), "anna": (Role.COMPLIANCE, 3), "boris": (Role.COMPLIANCE, 4),
    "boris again": (Role.COMPLIANCE, 4), "keeper": (Role.KEEPER, 5),
}  # fmt: skip
"""Key to role and person."""
GOVERNANCE = {
    "short_delay_ns": SECOND, "long_delay_ns": SECOND, "calendar_underlying": "NVDA", "long_delay_opens": 1, "ownership_delay_ns": SECOND,
    "approval_ns": 600 * SECOND, "emergency_ns": 600 * SECOND, "measured_accounts": 100, "open_changes": 10, "change_bytes": 4096,
    "changes_per_advance": 10, "nonce_window": 64, "outflow_window_ns": 3600 * SECOND, "outflow_limit": "0", "outflow_wait_ns": 0,
}  # fmt: skip
TERMS = {
    "holder_class": "1", "tier": 2, "expires_ns": 4_000_000_000 * SECOND, "trial_order_cap": "200", "test_asset": "USDC", "test_least": "1",
    "test_most": "100", "reason": "agrees",
}  # fmt: skip


class World:
    def __init__(self, venue, identity):
        self.venue, self.identity, self.keys = venue, identity, {}
        for name, (role, _) in STAFF.items():
            terms = KeyTerms(owner=0, scopes=Scope.READ | Scope.ADMIN, grants=frozenset({Grant(role, 0)}))
            made = identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
            self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)

    def post(self, who, path, said):
        return self.venue.call("POST", path, said, self.keys[who])

    def done(self, who, path, said):
        status, reply = self.post(who, path, said)
        assert status == 200 and reply["ok"], (who, path, reply)
        return reply["result"]

    def classified(self, owner):
        self.identity.store.add_owner(time.time_ns(), owner=owner)
        wish = {
            "owner": str(owner),
            "holder_type": "person",
            "jurisdiction": "DE",
            "person": {"name": "Nobody"},
        }
        number = self.done("anna", "/onboarding", wish)["application"]
        for kind in ("identity", "address"):
            said = {"kind": kind, "reference": f"vault:{kind}", "sha256": hashlib.sha256(b"x").hexdigest()}
            self.done("anna", f"/onboarding/{number}/documents", said)
        self.done("anna", f"/onboarding/{number}/classify", TERMS)
        return f"/onboarding/{number}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("governed") / "home"
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        venue.start("projector")
        found = World(venue, identity)
        oscar, anna = found.keys["oscar"], found.keys["anna"]
        span = 86_400 * SECOND
        venue.do(
            "configure_eligibility",
            0,
            anna,
            excluded_jurisdiction="US",
            restricted_buckets=[],
            notice_ns=span,
            reduce_only_ns=span,
        )
        venue.do(
            "list_holder_class",
            0,
            anna,
            holder_class="1",
            name="person-2",
            jurisdiction="DE",
            holder_type="person",
            tier=2,
        )
        venue.open(11, key=anna, keeper=found.keys["keeper"])
        none = {"markets": [], "order_notional": "0", "position_notional": "0", "expires_ns": 0}
        for name, (role, person) in STAFF.items():
            actor = found.keys[name].number
            venue.do("register_actor", 0, oscar, actor=actor, person=str(person), owner="0")
            venue.do("grant_role", 0, oscar, actor=actor, role=role.name.lower(), **none)
        venue.do("configure_governance", 0, oscar, **GOVERNANCE)
        yield found


def test_two_keys_of_one_person_are_one_person(world):
    path = world.classified(21)
    assert world.done("boris", f"{path}/approve", {"reason": "seen"})["state"] == "approved_once"
    status, reply = world.post("boris again", f"{path}/approve", {"reason": "seen"})
    assert status == 403 and reply["error"]["code"] == "approvers_must_be_two_people", reply
    found = world.done("anna", f"{path}/approve", {"reason": "seen"})
    assert found["state"] == "approved" and found["in_the_engine"], found["problem"]
    with ReaderClient.connect(world.venue.home / "reader.sock") as reader:
        (holder,) = governance.holders(reader, first=21, count=1)
        requests = {str(line.actor): line.request for line in governance.actors(reader)}
    assert holder.salted_id.hex() == found["salted_id"]
    assert requests[world.keys["anna"].number] >= 2, (
        "the engine took both commands, each with a request of its own"
    )


def test_an_engine_that_refuses_is_shown_and_tried_again_when_asked(world):
    path = world.classified(22)
    world.done("anna", f"{path}/approve", {"reason": "seen"})
    world.venue.do("revoke_actor", 0, world.keys["oscar"], actor=world.keys["boris again"].number)
    found = world.done("boris again", f"{path}/approve", {"reason": "seen"})
    assert found["state"] == "approved" and not found["in_the_engine"]
    assert found["problem"] and found["account"]
    time_of = found["seq"]
    again = world.done("anna", f"{path}/retry", {"reason": "tried again"})
    assert again["problem"] and again["seq"] > time_of, "still the same key, still refused"
    assert world.done("anna", f"{path}/refuse", {"reason": "a key that ended"})["state"] == "refused"


def test_a_change_that_two_people_agreed_on_is_told(world):
    venue = world.venue
    with ReaderClient.connect(venue.home / "reader.sock") as reader:
        market = next(line.market for line in reports.markets(reader) if line.name == PERP)

    def titles():
        page = venue.get("/notices?limit=1000", world.keys["oscar"])[1]["result"]["notices"]
        return {one["title"]: one for one in page}

    cap = {"cap_kind": "open_interest", "id": str(market), "most": 1000, "closed_most": 500}
    said = {"account": "0", "command": {"op": "set_limit", "args": cap}, "reason": "thin books"}
    told = venue.do("propose_change", 0, world.keys["oscar"], **said)["result"]["events"]
    change = next(one["data"]["change"] for one in told if one["event"] == "change_proposed")
    name = f"Change {change}: set limit"
    venue.do(
        "restrict", 0, world.keys["oscar"], power="cancel_only", id=str(market), limit=0, reason="a fault"
    )
    eventually(lambda: any(title.endswith("takes only cancellations") for title in titles()))
    assert name not in titles(), "nobody agreed yet"
    venue.do("approve_change", 0, world.keys["olga"], change=change)
    found = eventually(lambda: titles().get(name))
    assert found["text"] == "thin books" and found["kind"] == "parameters"
