"""The admin door on real processes: mutual TLS, certificates that are people's, and a public door that takes nothing of the venue's own."""

import json
import socket
import subprocess
import sys
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from admins import admin_venue
from gateways import PERP, eventually
from novate.client import Client, HmacKey, VenueRefused
from novate.gateway.onboarding import ACTS, DECIDE
from novate.identity import Grant, KeyTerms, Scope, verify_audit
from novate.identity.authority import ACTIONS
from novate.identity.certificates import Certificates
from novate.messages.codes import Role
from novate.reader_process import ReaderClient
from novate.schema.catalogue import Catalogue
from novate.schema.operations import operations
from said import arguments

OWN_DOOR = "admin_must_use_its_own_door"
PHASE = "cancel_only"
ORDER = {"market": PERP, "side": "bid", "price": "170", "quantity": "1"}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with admin_venue(tmp_path_factory.mktemp("admin") / "home") as found:
        yield found


def test_owners_trade_at_the_public_door(venue):
    key = venue.keys["owner 11"]
    eventually(lambda: venue.get("/accounts/11", key)[0] == 200)
    assert venue.do("place_order", 11, key, **ORDER)["result"]["order"]["status"] == "open"
    assert venue.call("GET", "/keys", None, key)[1]["ok"]
    assert venue.get("/time")[0] == 200


def test_who_is_a_customer_and_the_venues_too_is_a_customer_alone_at_the_public_door(venue):
    terms = KeyTerms(
        owner=11,
        scopes=Scope.READ | Scope.ADMIN,
        grants=frozenset({Grant(Role.OPERATOR, 0), Grant(Role.TREASURER, None)}),
        label="both",
    )
    venue.add("both", terms)
    both, other = venue.keys["both"], venue.keys["owner 12"]
    for number in range(2):  # the second time after the venue's keys have changed
        found = venue.call("GET", "/keys", None, both)[1]["result"]
        assert found and {one["owner"] for one in found} == {"11"}, number
        said = {"kind": "hmac", "owner": "12", "scopes": ["read"]}
        status, reply = venue.call("POST", "/keys", said, both)
        assert status == 403 and not reply["ok"], reply
        status, reply = venue.call("DELETE", f"/keys/{other.number}", None, both)
        assert status == 403 and not reply["ok"], reply
        venue.add(f"more {number}", KeyTerms(owner=11))
    assert venue.get("/accounts/12", other)[0] == 200


def test_the_public_door_takes_nothing_of_the_venues_own(venue):
    with ReaderClient.connect(venue.home / "reader.sock") as reader:
        catalogue = Catalogue.of(reader)
    tried = 0
    for op in operations().values():
        action = ACTIONS[op.command.__name__]
        if action.account_roles or action.scope is None:
            continue
        status, reply = venue.tried(op.name, 11, venue.keys["operator"], **arguments(op, catalogue))
        assert (status, reply["error"]["code"], reply["error"]["number"]) == (403, OWN_DOOR, 2068), (
            op.name,
            reply,
        )
        tried += 1
    assert tried > 70
    for method, path, said in (
        ("GET", "/admin/accounts", None), ("GET", "/accounts/11", None), ("GET", "/keys", None),
        ("POST", "/keys", {"kind": "hmac", "owner": "12", "scopes": ["read"]}),
        ("DELETE", f"/keys/{venue.keys['owner 12'].number}", None),
        ("POST", "/owners", {}), ("GET", "/onboarding", None), ("GET", "/onboarding/1/person", None),
        ("POST", "/notices", {"kind": "other", "severity": "info", "title": "no"}), ("POST", "/admin/effect", {}),
        *(("POST", f"/onboarding/1/{name}", {"reason": "no"}) for name, act in ACTS.items() if act.action == DECIDE),
    ):  # fmt: skip
        speaker = "compliance" if path.startswith("/onboarding") else "operator"
        status, reply = venue.call(method, path, said, venue.keys[speaker])
        assert (status, reply["error"]["code"]) == (403, OWN_DOOR), (path, reply)
    with venue.ws(venue.keys["operator"]) as speaker:
        assert (
            speaker.ask("set_market_phase", {"market": PERP, "phase": PHASE, "until_ns": 0})["error"]["code"]
            == OWN_DOOR
        )
        assert speaker.ask("subscribe", {"channel": "account", "account": "11"})["error"]["code"] == OWN_DOOR


def test_no_certificate_no_connection(venue):
    url = f"https://127.0.0.1:{venue.admin_port}/v1/time"
    with pytest.raises(httpx.TransportError), httpx.Client(verify=venue.context()) as client:
        client.get(url)
    other = Certificates.begin(venue.home / "other", "another venue", time.time_ns())
    other.issue_client(venue.records["operator"], venue.home / "foreign.pem", time.time_ns())
    with pytest.raises(httpx.TransportError), httpx.Client(verify=venue.context("foreign")) as client:
        client.get(url)
    with (
        pytest.raises(httpx.TransportError),
        httpx.Client(verify=True) as client,
    ):  # who does not trust the authority
        client.get(url)
    server = venue.context()
    server.load_cert_chain(*venue.certificates.server_paths)  # the door's own certificate is no person's
    with pytest.raises(httpx.TransportError), httpx.Client(verify=server) as client:
        client.get(url)
    plain = venue.http.base_url.copy_with(port=venue.admin_port)
    with pytest.raises(httpx.TransportError), httpx.Client() as client:
        client.get(str(plain))
    with pytest.raises((WebSocketException, EOFError, OSError)), venue.admin_socket("") as speaker:
        speaker.ask("ping")


def test_a_person_comes_with_key_and_certificate(venue):
    with venue.through("operator"):
        assert venue.get("/admin/accounts", venue.keys["operator"])[0] == 200
        assert venue.get("/time")[0] == 200
        status, reply = venue.get("/admin/accounts")
        assert (status, reply["error"]["code"]) == (401, "credentials_must_be_given")
        status, reply = venue.get("/admin/accounts", venue.keys["risk"])
        assert (status, reply["error"]["code"], reply["error"]["number"]) == (
            403,
            "certificate_must_be_the_keys",
            2037,
        )
        assert venue.call("POST", "/wallets", {})[0] == 404
    with venue.admin_socket("operator", venue.keys["operator"]) as speaker:
        assert speaker.ask("subscribe", {"channel": "account", "account": "11"})["ok"]
    with venue.admin_socket("operator") as speaker:
        assert (
            speaker.ask("login", venue.keys["risk"].login())["error"]["code"]
            == "certificate_must_be_the_keys"
        )


def test_the_client_comes_through_it(venue):
    key = venue.keys["operator"]
    url, tls = f"https://127.0.0.1:{venue.admin_port}", venue.context("operator")
    for by_socket in (False, True):
        with Client(url, HmacKey(int(key.number), key._secret), tls=tls, by_socket=by_socket) as client:
            assert client.ask("/admin/accounts")
            with pytest.raises(VenueRefused) as refused:  # taken, and judged by the engine
                client.call("approve_change", change=999_999)
            assert refused.value.number < 2000


def acts(venue):
    lines = (venue.home / "audit.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_what_was_done_is_recorded_with_the_certificate(venue):
    with venue.through("operator"):
        made = venue.call(
            "POST", "/keys", {"kind": "hmac", "owner": "12", "scopes": ["read"]}, venue.keys["operator"]
        )[1]["result"]
        reply = venue.do("set_market_phase", 0, venue.keys["operator"], market=PERP, phase=PHASE, until_ns=0)
    evidence = venue.issued["operator"].evidence
    text = json.dumps(acts(venue))
    assert f"with certificate {evidence}" in text and made["key"] in text
    act = next(
        one for one in reversed(acts(venue)) if one.get("kind") == "admin_act" or "admin_act" in one.values()
    )
    assert (
        evidence in json.dumps(act)
        and str(reply["seq"]) in json.dumps(act)
        and "SetMarketPhase" in json.dumps(act)
    )
    assert verify_audit(venue.home / "audit.log").whole


def test_a_revoked_certificate_ends_on_open_connections_too(venue):
    path = venue.certify("risk", "risk-lost")
    with venue.through("risk-lost"), venue.admin_socket("risk-lost", venue.keys["risk"]) as speaker:
        assert venue.get("/admin/caps", venue.keys["risk"])[0] == 200
        assert speaker.ask("subscribe", {"channel": "account", "account": "11"})["ok"]
        said = [
            sys.executable,
            "-m",
            "novate.cli",
            "keys",
            "certificates",
            "revoke",
            str(venue.home),
            "--venue",
            "test",
            "--serial",
            venue.issued["risk-lost"].serial,
        ]
        assert json.loads(subprocess.run(said, capture_output=True, text=True, check=True).stdout)["revoked"]
        status, reply = venue.get("/admin/caps", venue.keys["risk"])
        assert (status, reply["error"]["code"], reply["error"]["number"]) == (
            401,
            "certificate_must_be_in_force",
            2036,
        )
        assert speaker.hear(5)["error"]["code"] == "certificate_must_be_in_force"
        with pytest.raises(ConnectionClosed):
            speaker.hear(5)
    with venue.through("risk"):
        assert venue.get("/admin/caps", venue.keys["risk"])[0] == 200
    assert path.stat().st_mode & 0o077 == 0


def test_the_doors_certificate_is_renewed_while_it_runs(venue):
    def shown():
        with (
            socket.create_connection(("127.0.0.1", venue.admin_port)) as raw,
            venue.context("operator").wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            return venue.certificates.shown(tls.getpeercert(binary_form=True)).serial

    before = shown()
    with venue.admin_socket("operator", venue.keys["operator"]) as speaker:
        fresh = venue.certificates.issue_server(time.time_ns())
        eventually(lambda: shown() == fresh.serial)
        assert fresh.serial != before and speaker.ask("ping")["ok"]
