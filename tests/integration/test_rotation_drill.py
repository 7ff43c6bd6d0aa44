"""The rotation drill against a running venue with both doors, while strangers trade: nothing breaks, and what breaks is found."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from admins import admin_venue
from gateways import PERP, eventually
from novate.cli import cli
from novate.errors import ConfigError
from novate.identity import Identity, KeyKind, KeyTerms, verify_audit
from novate.keepers.alert_book import Alert
from novate.keepers.channels import Webhook, verify
from novate.operations import rotation
from novate.operations.rotation import HookSecret, Load, Site, drill, text_of
from novate.prices.credentials import credentials

LOAD = Load(account=11, market=PERP, price="160", quantity="1", phase_s=1.0)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with admin_venue(tmp_path_factory.mktemp("drill") / "home") as found, priced(found):
        eventually(lambda: serves(found), 60)
        yield found


def serves(venue) -> bool:
    """Whether it answers yet: while everything starts at once, a first question may take longer than its client waits."""
    try:
        return venue.get("/accounts/12", venue.keys["owner 12"])[0] == 200
    except httpx.TimeoutException:
        return False


@contextmanager
def priced(venue):
    """Prices come every second, through the admin door."""
    stop, url = threading.Event(), f"https://127.0.0.1:{venue.admin_port}"

    def post():
        with httpx.Client(base_url=url, timeout=20, verify=venue.context("keeper")) as client:
            while not stop.wait(1):
                for source in ("1", "2"):
                    for name, price, kind in (("NVDA", "180", "quote"), ("USDC", "1", "issuer")):
                        said = {
                            "underlying": name,
                            "source": source,
                            "price": price,
                            "price_kind": kind,
                            "venue_time_ns": time.time_ns() - 10**8,
                            "size": "1000000",
                        }
                        body, target = json.dumps(said).encode(), "/v1/operations/post_price"
                        client.post(
                            target, content=body, headers=venue.keys["keeper"].headers("POST", target, body)
                        )

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def stranger(venue):
    """Another owner's program, which knows nothing of the drill; yields what became of its orders."""
    stop, found, key = threading.Event(), [], venue.keys["owner 12"]

    def trade():
        with httpx.Client(base_url=venue.base, timeout=20) as client:
            while not stop.wait(0.02):
                said = {
                    "market": PERP,
                    "side": "bid",
                    "price": "160",
                    "quantity": "1",
                    "time_in_force": "ioc",
                }
                body, target = json.dumps(said).encode(), "/v1/accounts/12/operations/place_order"
                found.append(
                    client.post(target, content=body, headers=key.headers("POST", target, body)).json()
                )

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def site(venue):
    return Site(
        home=venue.home,
        venue="test",
        chain_id=1,
        url=venue.base,
        admin_url=f"https://127.0.0.1:{venue.admin_port}",
    )


class Receiver(BaseHTTPRequestHandler):
    """Takes what is signed by the secret that it has."""

    secret = ""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        good = verify(self.secret.encode(), self.headers["novate-signature"], body, int(time.time()))
        self.send_response(204 if good else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def hook(tmp_path):
    path = tmp_path / "desk.secret"
    path.write_text("first\n")
    Receiver.secret = "first"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    channel = Webhook(
        "desk", f"http://127.0.0.1:{server.server_port}/x", b"first",
        read=lambda: credentials("DESK", {"DESK_FILE": str(path)}),
    )  # fmt: skip
    alert = Alert(id="drill-1", at_ns=1, account="0", kind="drill", severity="info", sentence="A drill.")
    try:
        yield HookSecret(path, lambda: channel.send(alert), lambda new: setattr(Receiver, "secret", new))
    finally:
        server.shutdown()
        server.server_close()


def test_every_kind_is_rotated_and_not_one_order_is_refused_for_it(venue, tmp_path):
    with stranger(venue) as orders, hook(tmp_path) as webhook:
        found = drill(site(venue), LOAD, webhook=webhook)
    assert found.faults == (), text_of(found)
    assert [one.kind for one in found.rotations] == [
        "hmac", "ed25519", "agent", "admin client certificate", "admin server certificate", "webhook secret",
    ]  # fmt: skip
    for one in found.rotations:
        assert one.old != one.new and one.made_ns < one.ended_ns and 0 < one.old_last_used_ns <= one.ended_ns
        assert one.after.accepted and not one.before.broken + one.overlap.broken + one.after.broken
    assert [one.old_refused_with for one in found.rotations] == [2005, 2005, 2005, 2036, 0, 0]
    assert len(orders) > 20 and all(one["ok"] for one in orders), [one for one in orders if not one["ok"]][:2]
    text = text_of(found)
    assert "No order was refused because of a rotation." in text and found.rotations[0].old in text
    with_label = [one for one in venue.identity.store.keys(None) if one.terms.label == "rotation drill"]
    assert with_label and all(one.revoked_ns for one in with_label)
    assert (tmp_path / "desk.secret").read_text() != "first\n" and Receiver.secret != "first"
    assert verify_audit(venue.home / "audit.log").whole
    assert not list(venue.home.glob(".drill*"))
    eventually(lambda: not venue.get("/accounts/11", venue.keys["owner 11"])[1]["result"]["orders"])


def test_a_key_that_ends_while_it_is_used_is_found(venue, monkeypatch):
    """The fault that the drill is for: the old key ends before who uses it has the new one."""
    use = rotation._Traffic.use

    def keeps_the_old_one(self, *senders):
        held = getattr(self, "held", senders)
        self.held = senders or held
        return use(self, *(held if len(held) == 2 and senders else senders))

    monkeypatch.setattr(rotation._Traffic, "use", keeps_the_old_one)
    found = drill(msgspec.structs.replace(site(venue), admin_url=""), LOAD)
    assert any(
        "refused for the key's sake afterwards" in fault and "2005" in fault for fault in found.faults
    ), found.faults


def test_a_drill_without_orders_proves_nothing(venue):
    nothing = msgspec.structs.replace(LOAD, price="0.01", quantity="999999999", phase_s=0.3)
    found = drill(msgspec.structs.replace(site(venue), admin_url=""), nothing)
    assert any("nothing is proved" in fault for fault in found.faults)
    with pytest.raises(ConfigError, match="no account 999"):
        drill(site(venue), msgspec.structs.replace(LOAD, account=999))


def test_the_command_writes_a_report(venue, tmp_path):
    said = [
        "drill",
        "rotation",
        str(venue.home),
        "--venue",
        "test",
        "--url",
        venue.base,
        "--account",
        "11",
        "--market",
        PERP,
    ]
    said += [
        "--price",
        "160",
        "--quantity",
        "1",
        "--phase",
        "0.5",
        "--report",
        str(tmp_path / "report.md"),
        "--json",
    ]
    done = CliRunner().invoke(cli, said)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ok"] and len(told["rotations"]) == 3
    assert "| hmac | key " in (tmp_path / "report.md").read_text()


def test_only_what_the_drill_may_have_broken_counts_as_broken(tmp_path):
    """Anybody can send a wrong signature under any number, or a key that ended long ago."""
    began = time.time_ns()
    with Identity.open(tmp_path, began, venue="v", chain_id=1) as identity:
        identity.store.add_owner(1, owner=7)

        def key(label, at_ns):
            return identity.create_key(None, KeyKind.HMAC, KeyTerms(owner=7, label=label), at_ns)

        ended, good, ours = key("ended", began - 9), key("good", began - 9), key("rotation drill", began + 1)
        identity.revoke_key(None, ended.record.actor, began - 5)
        others = rotation._others_in_force(identity, began)
        assert others == {str(good.record.actor)}
        for rule, claimed in (
            ("signature_must_verify", good), ("key_must_not_be_revoked", ended), ("key_must_not_be_revoked", ours),
        ):  # fmt: skip
            identity.audit.record(
                "refused", began + 2, wait=True, rule=rule, claimed=claimed.record.actor, signer=""
            )
        assert rotation._others_refused(tmp_path, began, others) == 0
        identity.audit.record(
            "refused",
            began + 2,
            wait=True,
            rule="key_must_not_be_revoked",
            claimed=good.record.actor,
            signer="",
        )
        assert rotation._others_refused(tmp_path, began, others) == 1
