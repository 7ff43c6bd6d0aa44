"""Becoming a customer at a venue of real processes: the whole way, who may do what on it, a kill in the middle, and forgetting names."""

import hashlib
import json
import subprocess
import sys
import time

import pytest

from gateways import PERP, Key, eventually, running
from novate.core_process import CoreClient
from novate.gateway.onboarding import ACTS
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope, verify_audit
from novate.messages import reports
from novate.messages.codes import Role
from novate.messages.reports import governance
from novate.onboarding.people import FILE as PEOPLE
from novate.onboarding.service import Onboarding
from novate.reader_process import ReaderClient

STAFF = {"operator": Role.OPERATOR, "anna": Role.COMPLIANCE, "boris": Role.COMPLIANCE, "keeper": Role.KEEPER}
CUSTOMER = ["read", "trade", "admin"]
NAME = "Wilhelmina Featherstonehaugh"
FAR_NS = 4_000_000_000_000_000_000
SHA = hashlib.sha256(b"a passport").hexdigest()
TERMS = {
    "holder_class": "2", "trial_class": "1", "tier": 2, "expires_ns": FAR_NS, "order_cap": "50000", "trial_order_cap": "200",
    "test_asset": "USDC", "test_least": "1", "test_most": "100", "reason": "documents agree with the register",
}  # fmt: skip


class World:
    def __init__(self, venue, identity):
        self.venue, self.identity, self.keys = venue, identity, {}
        for name, role in STAFF.items():
            self.make(
                name, KeyTerms(owner=0, scopes=Scope.READ | Scope.ADMIN, grants=frozenset({Grant(role, 0)}))
            )

    def make(self, name, terms):
        made = self.identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
        self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)

    def call(self, who, method, path, said=None):
        return self.venue.call(method, path, said, self.keys.get(who))

    def done(self, who, method, path, said=None):
        status, reply = self.call(who, method, path, said)
        assert status == 200 and reply["ok"], (who, path, reply)
        return reply["result"]

    def no(self, code, who, method, path, said=None):
        status, reply = self.call(who, method, path, said)
        assert not reply["ok"] and reply["error"]["code"] == code, (who, path, status, reply)
        return status

    def customer(self, name):
        """Through the API alone: the operator makes an owner and a key."""
        owner = self.done("operator", "POST", "/owners", {})["owner"]
        made = self.done("operator", "POST", "/keys", {"kind": "hmac", "owner": owner, "scopes": CUSTOMER})
        self.keys[name] = Key("test", made["key"], secret=made["secret"])
        return owner

    def applied(self, name, holder_type="person"):
        self.customer(name)
        wish = {
            "holder_type": holder_type,
            "jurisdiction": "DE",
            "person": {"name": NAME, "born": "1970-01-01"},
        }
        return self.done(name, "POST", "/onboarding", wish)["application"]

    def complete(self, name, number):
        for kind in ("identity", "address"):
            found = self.document(name, number, kind)
        return found

    def document(self, name, number, kind, **change):
        said = {"kind": kind, "reference": f"vault:kyc/{number}/{kind}", "sha256": SHA} | change
        return self.done(name, "POST", f"/onboarding/{number}/documents", said)

    def classified(self, name, **change):
        number = self.applied(name)
        assert self.complete(name, number)["state"] == "documents_complete"
        assert (
            self.done("anna", "POST", f"/onboarding/{number}/classify", TERMS | change)["state"]
            == "classified"
        )
        return number

    def approved(self, name):
        number = self.classified(name)
        assert self.act("anna", number, "approve")["state"] == "approved_once"
        return number, self.act("boris", number, "approve")

    def act(self, who, number, act, reason="seen and agreed"):
        return self.done(who, "POST", f"/onboarding/{number}/{act}", {"reason": reason})

    def state(self, number):
        return self.done("anna", "GET", f"/onboarding/{number}")["state"]

    def holder(self, owner):
        with ReaderClient.connect(self.venue.home / "reader.sock") as reader:
            (found,) = governance.holders(reader, first=owner, count=1)
            return found

    def opened(self, owner):
        with ReaderClient.connect(self.venue.home / "reader.sock") as reader:
            return [line.account for line in reports.accounts(reader) if line.owner == owner]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("onboarding") / "home"
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        venue.start("projector")
        found = World(venue, identity)
        key = found.keys["anna"]
        span = 86_400 * 10**9
        venue.do(
            "configure_eligibility", 0, key, excluded_jurisdiction="US", restricted_buckets=[], notice_ns=span, reduce_only_ns=span
        )  # fmt: skip
        for number, tier in (("1", 0), ("2", 2)):
            venue.do(
                "list_holder_class", 0, key, holder_class=number, name=f"person-{tier}", jurisdiction="DE", holder_type="person", tier=tier
            )  # fmt: skip
        venue.prices(key=found.keys["keeper"])
        yield found


def test_a_deposit_from_before_is_no_test(world):
    """An owner who had an account already, and money of the test's amount went in and out of it."""
    number, venue, keeper = world.classified("olga"), world.venue, world.keys["keeper"]
    owner = world.done("anna", "GET", f"/onboarding/{number}")["owner"]
    venue.do("open_account", 900, world.keys["anna"], owner=owner)
    before = venue.do("deposit", 900, keeper, asset="USDC", amount="50", reference="1")
    eventually(
        lambda: venue.get("/accounts/900/holdings", world.keys["anna"])[1].get("seq", 0) >= before["seq"]
    )
    assert world.act("anna", number, "approve")["state"] == "approved_once"
    found = world.act("boris", number, "approve")
    assert (found["account"], found["state"]) == ("900", "approved")
    for _ in range(3):
        assert world.act("anna", number, "retry")["state"] == "approved"
    venue.do("deposit", 900, keeper, asset="USDC", amount="50", reference="2")
    eventually(lambda: world.state(number) == "funded_test")


def test_the_whole_way(world):
    number, found = world.approved("dora")
    owner, account = int(found["owner"]), int(found["account"])
    assert found["state"] == "approved" and found["in_the_engine"] and found["problem"] is None
    assert world.opened(owner) == [account]
    holder = world.holder(owner)
    assert (holder.holder_class, holder.expires_ns) == (1, FAR_NS)
    assert holder.salted_id.hex() == found["salted_id"]

    key, venue = world.keys["dora"], world.venue
    eventually(lambda: venue.get(f"/accounts/{account}", key)[0] == 200)
    order = {"market": PERP, "side": "bid", "price": "170", "quantity": "10"}
    status, reply = venue.tried("place_order", account, key, **order)
    assert status == 403 and reply["error"]["code"] == "notional_must_not_exceed_cap"

    # a deposit that is too large is no test; a small one is
    keeper = world.keys["keeper"]
    large = venue.do("deposit", account, keeper, asset="USDC", amount="5000", reference="1")
    eventually(
        lambda: venue.get(f"/accounts/{account}/holdings", world.keys["anna"])[1]["seq"] >= large["seq"]
    )
    assert world.act("anna", number, "retry")["state"] == "approved"
    deposit = venue.do("deposit", account, keeper, asset="USDC", amount="50", reference="2")
    eventually(lambda: world.state(number) == "funded_test")
    assert venue.tried("place_order", account, key, **order)[0] == 403
    assert world.holder(owner).holder_class == 1

    world.make("payer", KeyTerms(owner=owner, scopes=Scope.TRANSFER))
    left = venue.do("request_withdrawal", account, world.keys["payer"], asset="USDC", amount="50")
    (asked,) = [one for one in left["result"]["events"] if one["event"] == "withdrawal_requested"]
    assert world.state(number) == "funded_test"
    venue.do("settle_withdrawal", 0, keeper, withdrawal=asked["data"]["withdrawal"])
    eventually(lambda: world.state(number) == "active")
    shown = eventually(
        lambda: (one := world.done("dora", "GET", f"/onboarding/{number}"))["in_the_engine"] and one
    )
    assert world.holder(owner).holder_class == 2
    assert venue.tried("place_order", account, key, **order)[0] == 200
    status, reply = venue.tried("place_order", account, key, **order | {"quantity": "400"})
    assert reply["error"]["code"] == "notional_must_not_exceed_cap"

    events = [(one["event"], one["by"].split()[0]) for one in shown["decisions"]]
    assert events == [
        ("document", "key"), ("complete", "key"), ("classify", "key"), ("approve", "key"), ("approve", "key"), ("deposit", "venue"),
        ("confirm", "venue"),
    ]  # fmt: skip
    assert shown["decisions"][5]["seq"] == deposit["seq"]


def test_only_what_the_table_has(world):
    number = world.applied("emil")
    for who, act, said in (
        ("anna", "classify", TERMS),
        ("anna", "approve", {"reason": "early"}),
        ("anna", "confirm", {"reason": "early"}),
    ):
        code = "document_must_be_in_date" if act == "classify" else "application_must_be_in_the_right_state"
        _, reply = world.call(who, "POST", f"/onboarding/{number}/{act}", said)
        assert reply["error"]["code"] in {code, "application_must_be_in_the_right_state"}, reply
    world.no("owner_must_not_have_an_open_application", "emil", "POST", "/onboarding",
             {"holder_type": "person", "jurisdiction": "DE", "person": {"name": NAME}})  # fmt: skip
    assert world.act("emil", number, "withdraw")["state"] == "withdrawn"
    world.no("application_must_be_in_the_right_state", "anna", "POST", f"/onboarding/{number}/refuse", {"reason": "late"})  # fmt: skip


def test_two_people_of_whom_neither_applies(world):
    number = world.classified("fritz")
    path = f"/onboarding/{number}/approve"
    for who in ("operator", "keeper", "fritz"):
        assert world.no("role_must_allow", who, "POST", path, {"reason": "x"}) == 403  # fmt: skip
    assert world.no("credentials_must_be_given", None, "POST", path, {"reason": "x"}) == 401
    world.act("anna", number, "approve")
    world.no("approvers_must_be_two_people", "anna", "POST", path, {"reason": "again"})
    owner = int(world.done("anna", "GET", f"/onboarding/{number}")["owner"])
    grants = frozenset({Grant(Role.COMPLIANCE, 0)})
    world.make("insider", KeyTerms(owner=owner, scopes=Scope.READ | Scope.ADMIN, grants=grants))
    world.no("approvers_must_be_two_people", "insider", "POST", path, {"reason": "mine"})
    # other limits than those that were approved: both approve anew
    again = world.done("boris", "POST", f"/onboarding/{number}/classify", TERMS | {"order_cap": "60000"})
    assert again["state"] == "classified"
    assert world.act("boris", number, "approve")["state"] == "approved_once"
    assert world.act("anna", number, "approve")["state"] == "approved"


def test_an_applicant_sees_only_what_is_their_own(world):
    mine, other = world.applied("greta"), world.applied("hans")
    for path in (f"/onboarding/{other}", f"/onboarding/{other}/person", "/onboarding/999999"):
        assert world.no("account_must_be_ones_own", "greta", "GET", path) == 403
    assert world.no("application_must_exist", "anna", "GET", "/onboarding/999999") == 404
    assert {one["application"] for one in world.done("greta", "GET", "/onboarding")} == {mine}
    assert {mine, other} <= {one["application"] for one in world.done("anna", "GET", "/onboarding")}
    said = {"kind": "identity", "reference": "vault:1", "sha256": SHA}
    assert (
        world.no("account_must_be_ones_own", "greta", "POST", f"/onboarding/{other}/documents", said) == 403
    )
    for name, act in ACTS.items():
        for who in (None, "greta", "operator", "keeper"):
            status, reply = world.call(who, "POST", f"/onboarding/{other}/{name}", {})
            assert status in {401, 403}, (name, who, reply, act)
    for who in ("operator", "keeper", None):
        for path in ("/onboarding", f"/onboarding/{mine}", f"/onboarding/{mine}/person"):
            assert world.call(who, "GET", path)[0] in {401, 403}
    assert world.call("greta", "POST", "/owners", {})[0] == 403
    assert world.done("greta", "GET", f"/onboarding/{mine}/person")["name"] == NAME


def test_what_is_said_wrong_is_named(world):
    number = world.applied("ines")
    path = f"/onboarding/{number}/documents"
    good = {"kind": "identity", "reference": "vault:1", "sha256": SHA}
    for change in (
        {"reference": "data:text/plain;base64,QQ=="},
        {"kind": "selfie"},
        {"sha256": "00"},
        {"reference": "a b"},
    ):
        assert world.no("document_must_be_a_reference", "ines", "POST", path, good | change) == 400
    world.no("document_must_be_in_date", "ines", "POST", path, good | {"expires_ns": 1})
    world.complete("ines", number)
    classify = f"/onboarding/{number}/classify"
    for change in ({"expires_ns": 1}, {"trial_order_cap": "0"}, {"test_most": "0.5"}, {"order_cap": "1"}):
        world.no("terms_must_be_possible", "anna", "POST", classify, TERMS | change)
    status, reply = world.call("anna", "POST", classify, TERMS | {"holder_class": "77"})
    assert status == 422 and "class_must_exist" in reply["error"]["message"], reply
    world.no(
        "reason_must_not_name_the_applicant",
        "anna",
        "POST",
        classify,
        TERMS | {"reason": "I know wilhelmina"},
    )
    world.no("fields_must_fit_the_operation", "anna", "POST", classify, TERMS | {"test_asset": "NOTHING"})


def test_a_kill_between_approval_and_engine_is_completed_once(world):
    """The core is away when the second person approves; then the gateway is killed, and core and gateway come back."""
    number = world.classified("jan")
    world.act("anna", number, "approve")
    owner = int(world.done("anna", "GET", f"/onboarding/{number}")["owner"])
    world.venue.kill("core")
    found = world.act("boris", number, "approve")
    assert found["state"] == "approved" and not found["in_the_engine"]
    world.venue.kill("gateway")
    world.venue.start("core")
    world.venue.start("gateway")
    world.venue.tried("resume_venue", 0, world.keys["keeper"])
    done = eventually(
        lambda: (one := world.done("anna", "GET", f"/onboarding/{number}"))["in_the_engine"] and one
    )
    assert world.opened(owner) == [int(done["account"])]


def test_a_kill_after_the_command_and_before_its_note_doubles_nothing(world):
    number, found = world.approved("klara")
    owner = int(found["owner"])
    with CoreClient.connect(world.venue.home / "core.sock") as core:
        before = core.welcome.sequence
    with Identity.open(world.venue.home, time.time_ns(), venue="test", chain_id=1) as identity:
        onboarding = Onboarding.open(world.venue.home, identity)
        onboarding.book.note(
            int(number), carried="", account="0", sequence=0
        )  # as a kill before the note leaves it
        again = onboarding.settle(int(number), time.time_ns())
        onboarding.close()
    assert again.carried == "approved" and again.account == int(found["account"])
    assert world.opened(owner) == [again.account]
    with ReaderClient.connect(world.venue.home / "reader.sock") as reader:
        reader.min_seq = before
        assert reports.accounts(reader)
    assert decided(world, owner) == 1


def decided(world, owner):
    """How often the owner was classified, in the journal."""
    events = 0
    from novate.messages import OwnerClassified, iter_events
    from novate.projector.past import Past

    past = Past(world.venue.home)
    for told in past.told(0, past.last_sequence):
        events += sum(one.body.owner == owner for one in iter_events(told.events, (OwnerClassified,)))
    return events


def test_names_are_nowhere_but_in_their_store_and_can_be_erased(world):
    number, found = world.approved("lena")
    home = world.venue.home
    row = found["salted_id"].encode()
    for path in home.rglob("*"):
        if path.is_file() and not path.name.endswith(".sock"):
            assert NAME.encode() not in path.read_bytes(), path
    assert row in (home / PEOPLE).read_bytes()
    world.no("application_must_be_over", "anna", "POST", f"/onboarding/{number}/erase", {"reason": "asked"})
    assert world.done("anna", "GET", f"/onboarding/{number}/person")["name"] == NAME
    world.act("anna", number, "refuse", "the deposit never came")
    erased = world.act("anna", number, "erase", "the applicant asked for it")
    assert erased["erased_ns"] and erased["salted_id"] == found["salted_id"]
    assert [one["reference"] for one in erased["documents"]] == ["", ""]
    assert [one["sha256"] for one in erased["documents"]] == [SHA, SHA]
    assert len(erased["decisions"]) == 6
    assert row not in (home / PEOPLE).read_bytes()
    assert world.no("names_must_not_be_erased", "anna", "GET", f"/onboarding/{number}/person") == 410
    assert world.act("anna", number, "erase", "once more")["erased_ns"] == erased["erased_ns"]
    log = (home / "audit.log").read_text()
    assert '"names_read"' in log and '"names_erased"' in log and found["salted_id"] in log
    assert verify_audit(home / "audit.log").whole


def test_the_console(world, tmp_path):
    home = world.venue.home
    owner = world.customer("mara")
    person, secret = tmp_path / "person.json", tmp_path / "secret"
    person.write_text(json.dumps({"name": NAME}))

    def novate(*words, key=None, ok=True):
        more = ()
        if key is not None:
            secret.write_text(world.keys[key]._secret)
            more = ("--key", world.keys[key].number, "--secret", str(secret), "--venue", "test")
        ran = subprocess.run(
            [sys.executable, "-m", "novate.cli", "onboard", words[0], str(home), *words[1:], *more, "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (ran.returncode == 0) is ok, (words, ran.stderr)
        return json.loads(ran.stdout.splitlines()[-1])

    number = novate(
        "apply", "--owner", owner, "--type", "person", "--jurisdiction", "DE", "--person", str(person)
    )["application"]
    for kind in ("identity", "address"):
        novate("document", number, "--kind", kind, "--reference", f"vault:{kind}", "--sha256", SHA)
    assert {
        one["application"] for one in novate("list", "--state", "documents_complete")["applications"]
    } >= {number}
    said = [
        word
        for name, value in TERMS.items()
        if name != "reason"
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    assert novate("classify", number, *said, "--reason", "agrees", key="anna")["state"] == "classified"
    assert (
        novate("approve", number, "--reason", "agreed", key="operator", ok=False)["error"]["code"]
        == "identity_refused"
    )
    assert novate("approve", number, "--reason", "agreed", key="anna")["state"] == "approved_once"
    assert novate("approve", number, "--reason", "agreed", key="boris")["state"] == "approved"
    assert novate("show", number, "--person")["person"]["name"] == NAME
    in_force = novate("resume")["looked_at"]
    assert (
        novate("confirm", number, "--reason", "paid by hand", key="anna", ok=False)["error"]["code"]
        == "onboarding_refused"
    )
    assert novate("refuse", number, "--reason", "no deposit", key="anna")["state"] == "refused"
    assert novate("erase", number, "--reason", "asked")["erased_ns"]
    assert novate("resume")["looked_at"] == in_force - 1, "what was refused is not looked at any more"
