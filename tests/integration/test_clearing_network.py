"""The issuer's door on a venue of real processes: the tokenisation network calls over HTTP, and every request is done once, whatever is killed."""

import base64
import hashlib
import json
import signal
import ssl
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")
pytest.importorskip("aiohttp", reason="the server of these tests needs aiohttp, which ccxt brings along")

from clearings import ALICE, MICRO
from gateways import eventually
from networks import API_KEY, SHOWN, SIGNED, WALLET, Network, issuing, novate
from novate.clearing import network_calls, network_door
from novate.messages import AuthoriseParticipant, PauseIssuance, VoidWithdrawal, reports
from novate.messages.codes import RequestState as S
from novate.messages.reports import clearing as questions

TEN = 10 * MICRO
FEE = 5_000
"""Of ten tokens, at the listed 5 bps."""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Ready for redemptions: there are tokens outside the venue, and shares at the broker."""
    with issuing(tmp_path_factory.mktemp("network") / "home") as found:
        found.venue.clear()
        _, issuer_id = found.minted("500")
        found.pay(issuer_id)
        found.becomes(issuer_id, "done")
        found.rests()
        found.venue.stop()
        yield found


@pytest.fixture(autouse=True)
def honest(network: Network):
    """In the end nothing is missing, nothing is there twice, and no shares moved twice."""
    yield
    venue = network.venue
    network.server.faults.clear()
    if not venue.ended():
        network.rests()
        venue.stop()
    assert "ended 0" in venue.said or f"ended {-signal.SIGKILL}" in venue.said, venue.said
    venue.sound()
    keys = [key for what, _, key in network.server.network if what == "redeem"]
    assert len(set(keys)) == len(network.server.redemptions)


@pytest.fixture
def served(network: Network) -> Network:
    network.venue.clear()
    return network


class Books:
    """What Alice and the world have of the token, and what the engine was asked for: now, against the time when this was made."""

    def __init__(self, network: Network) -> None:
        self.venue = network.venue
        self.before = self._now()

    def _now(self) -> tuple[int, int, int, int]:
        held = self.venue.ask(reports.account, ALICE).balances
        (supply,) = [line for line in self.venue.ask(questions.supply) if line.token == self.venue.token]
        alices = next(line.pledged for line in held if line.asset == self.venue.token)
        return alices, supply.outside, supply.issued, len(self.venue.ask(questions.requests, ALICE))

    def moved(self) -> tuple[int, int, int, int]:
        """Alice's tokens, tokens outside the venue, tokens in existence, requests of hers."""
        return tuple(after - before for after, before in zip(self._now(), self.before, strict=True))

    def become(self, *expected: int) -> None:
        """The same, waited for; and it stays so."""
        eventually(lambda: self.moved() == expected)
        time.sleep(0.2)
        assert self.moved() == expected


# --- mint ------------------------------------------------------------------------------------------------------------------


def test_a_mint_from_the_question_to_the_wallet(served):
    books = Books(served)
    body, told = served.mint("10"), len(served.said("mint"))
    asked = served.post("/tokenization/mint", body)
    assert asked.status_code == 200, asked.text
    issuer_id = asked.json()["issuer_request_id"]
    assert asked.json() == {"issuer_request_id": issuer_id, "status": "created"}
    books.become(0, 0, 0, 1)
    assert served.post("/tokenization/mint/confirm", served.confirmation(body, issuer_id)).status_code == 200
    line = served.becomes(issuer_id, "issued", ready=lambda line: line.withdrawal)
    assert line.issued == TEN - FEE
    _, found = novate(served.venue, "list")
    assert [(one["request"], one["waits_for"]) for one in found["requests"]] == [(issuer_id, "a person")]
    assert len(served.said("mint")) == told
    status, found = novate(served.venue, "paid", issuer_id, "--tx", "0xfeed", "--by", "tess")
    assert status == 0, found
    served.becomes(issuer_id, "done")
    assert served.said("mint")[told:] == [
        {
            "tokenization_request_id": body["tokenization_request_id"], "client_external_account_id": "ap-7", "wallet_address": WALLET,
            "tx_hash": "0xfeed", "network": "base",
        }
    ]  # fmt: skip
    books.become(0, TEN - FEE, TEN, 1)
    assert novate(served.venue, "list") == (0, {"ok": True, "requests": []})
    assert novate(served.venue, "paid", issuer_id, "--tx", "0xf00d")[1]["error"]["code"] == "data_error"


def test_a_mint_and_its_confirmation_may_be_delivered_any_number_of_times(served):
    books = Books(served)
    body = served.mint("10")
    answers = []

    def deliver() -> None:
        answers.append(httpx.post(f"http://127.0.0.1:{served.port}/tokenization/mint", json=body, headers={"X-API-KEY": "an-older-key"}, timeout=10))  # fmt: skip

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (issuer_id,) = {answer.json()["issuer_request_id"] for answer in answers}
    said = served.confirmation(body, issuer_id)
    for _ in range(2):
        assert served.post("/tokenization/mint/confirm", said).status_code == 200
    served.pay(issuer_id)
    served.becomes(issuer_id, "done")
    assert served.post("/tokenization/mint/confirm", said).status_code == 200
    assert served.post("/tokenization/mint", body).json()["issuer_request_id"] == issuer_id
    for wrong in (
        served.confirmation(body, issuer_id, "rejected"),
        said | {"client_external_account_id": "ap-8"},
    ):
        assert served.post("/tokenization/mint/confirm", wrong).status_code == 400
    assert served.post("/tokenization/mint", body | {"qty": "11"}).status_code == 400
    books.become(0, TEN - FEE, TEN, 1)


def test_a_mint_whose_shares_do_not_come_ends(served):
    books = Books(served)
    body = served.mint("10")
    issuer_id = served.post("/tokenization/mint", body).json()["issuer_request_id"]
    said = served.confirmation(body, issuer_id, "rejected")
    assert [served.post("/tokenization/mint/confirm", said).status_code for _ in range(2)] == [200, 200]
    line = served.becomes(issuer_id, "ended")
    assert served.venue.request(line.request.request).state == S.CANCELLED
    books.become(0, 0, 0, 1)


def test_the_network_is_told_until_it_answers(served):
    path = "POST /v1/accounts"
    served.server.fault(path, status=503)
    served.server.fault(path, status=401)
    served.server.fault(path, after=True, drop=True)
    before = len(served.said("mint"))
    body, issuer_id = served.minted()
    served.pay(issuer_id)
    served.becomes(issuer_id, "done")
    told = served.said("mint")[before:]
    assert len(told) == 2 and told[0] == told[1], "carried out and not answered, then answered"
    assert told[0]["tokenization_request_id"] == body["tokenization_request_id"]


# --- who is refused, and how -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"client_external_account_id": "ap-8"}, "Insufficient Eligibility: Client not eligible"),
        ({"client_external_account_id": None, "client_account_id": "ap-7"}, "Insufficient Eligibility: Client not eligible"),
        ({"wallet_address": "0xother"}, "Invalid Wallet: Wallet does not belong to client"),
        ({"token_symbol": "tAAPL"}, "Invalid Token: Token not available on the network"),
        ({"network": "ethereum"}, "Invalid Token: Token not available on the network"),
        ({"underlying_symbol": "GOOG"}, "Invalid Token: Token not available on the network"),
        ({"qty": "0"}, "Failed Validation: Invalid data payload"),
        ({"qty": "1.0000001"}, "Failed Validation: Invalid data payload"),
        ({"qty": "1e3x"}, "Failed Validation: Invalid data payload"),
        ({"tokenization_request_id": ""}, "Failed Validation: Invalid data payload"),
        ({"qty": "1000000"}, "Failed Validation: Invalid data payload (request_must_be_within_limits)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_guides_words(network, change, reason):
    if network.venue.ended() or not network.venue.said:
        network.venue.clear()
    body = network.mint() | change
    answers = [network.post("/tokenization/mint", body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.json()["message"].startswith(reason) for answer in answers} == {True}, answers[0].text


def test_what_the_engine_refuses_is_refused_for_good(served):
    books = Books(served)
    body = served.mint()
    served.venue.say(AuthoriseParticipant(account=ALICE, allowed=0))
    refused = served.post("/tokenization/mint", body)
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "Insufficient Eligibility: Client not eligible (account_must_be_a_participant)",
    )
    served.venue.say(AuthoriseParticipant(account=ALICE, allowed=1))
    assert served.post("/tokenization/mint", body).text == refused.text
    served.venue.say(PauseIssuance(token=served.venue.token, mint=1, redeem=0))
    paused = served.post("/tokenization/mint", served.mint())
    assert (
        paused.json()["message"]
        == "Invalid Token: Token not available on the network (issuance_must_not_be_paused)"
    )
    served.venue.say(PauseIssuance(token=served.venue.token, mint=0, redeem=0))
    books.become(0, 0, 0, 0)


def test_who_does_not_prove_to_be_the_network_learns_nothing(served):
    books = Books(served)
    body = served.mint()
    for key in ("", "another-key"):
        assert served.post("/tokenization/mint", body, **{"X-API-KEY": key}).status_code == 401
        assert served.http.get("/tokenization/tokens", headers={"X-API-KEY": key}).status_code == 401
    assert served.http.post("/tokenization/mint", json=body).status_code == 401
    assert served.post("/tokenization/mint/confirm", {}).status_code == 400
    assert served.http.post("/tokenization/mint", content=b"[" * 20_000, headers={"X-API-KEY": "an-older-key"}).status_code == 413  # fmt: skip
    assert served.post("/tokenization/other", {}).status_code == 404
    listed = served.http.get("/tokenization/tokens", headers={"X-API-KEY": "an-older-key"})
    assert listed.json() == {
        "tokens": [{"underlying": "AAPL", "token": "AAPLx", "networks": ["base", "solana"]}]
    }
    books.become(0, 0, 0, 0)


def signed(body: bytes, key: Ed25519PrivateKey, *, path: str = "/tokenization/mint", nonce: str = "") -> dict:
    """Headers as the guide describes them."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    values = {"@method": "POST", "@target-uri": f"https://issuer.example.com{path}", "content-type": "application/json", "content-digest": digest}  # fmt: skip
    listed = " ".join(f'"{name}"' for name in values)
    parameters = (
        f'({listed});created={int(time.time())};keyid="key-1";alg="ed25519";nonce="{nonce or uuid.uuid4()}"'
    )
    base = "\n".join(
        [*(f'"{name}": {value}' for name, value in values.items()), f'"@signature-params": {parameters}']
    )
    return {
        "content-type": "application/json", "content-digest": digest, "signature-input": f"sig={parameters}",
        "signature": f"sig=:{base64.b64encode(key.sign(base.encode())).decode()}:",
    }  # fmt: skip


def test_a_client_is_linked_by_its_address_once(served):
    def link(email: str, account: str) -> tuple[int, dict]:
        answer = served.post("/accounts/connect", {"email": email, "account": account})
        return answer.status_code, answer.json()

    assert link("nobody@ap-7.example", "970001")[0] == 404
    assert link("desk@AP-7.example", "970001") == (200, {"client_id": "ap-7"})
    served.venue.stop()
    served.venue.clear()
    assert link("Desk@ap-7.example", "970001") == (200, {"client_id": "ap-7"}), (
        "an answer that was lost is told again"
    )
    assert link("desk@ap-7.example", "970002")[0] == 409
    assert served.post("/accounts/connect", {"email": "desk@ap-7.example"}).status_code == 400
    assert served.post("/accounts/connect", {}, **{"X-API-KEY": "guessed"}).status_code == 401
    status, found = novate(served.venue, "clients")
    assert status == 0
    (client,) = found["clients"]
    assert (client["client"], client["account"], client["linked"]) == ("ap-7", str(ALICE), "970001")
    assert int(client["linked_ns"]) > 0
    assert [novate(served.venue, "unlink", "ap-7")[0] for _ in range(2)] == [0, 1]
    assert link("desk@ap-7.example", "970002") == (200, {"client_id": "ap-7"})


def test_signatures_are_the_networks_and_taken_once(network):
    ours, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem = ours.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (network.venue.home / "network.pem").write_bytes(pem)
    network.settings(SIGNED)
    network.venue.clear()
    network.settings(SHOWN)
    body = json.dumps(network.mint()).encode()

    def sent(said: bytes, headers: dict, path: str = "/tokenization/mint") -> int:
        return network.http.post(path, content=said, headers=headers).status_code

    headers = signed(body, ours)
    assert sent(body, headers) == 200
    assert sent(body, headers) == 401, "heard and sent again"
    assert sent(body, signed(body, ours)) == 200, "the network itself asks again"
    assert sent(body, signed(body, other)) == 401
    assert sent(body.replace(b"10", b"99"), signed(body, ours)) == 401
    assert sent(body, signed(body, ours), "/tokenization/mint/confirm") == 401
    assert (
        network.http.post(
            "/tokenization/mint", content=body, headers={"X-API-KEY": "an-older-key"}
        ).status_code
        == 401
    )


def test_a_client_may_be_named_by_its_account_and_the_door_have_its_own_certificate(network):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    home, shown = network.venue.home, certificate.public_bytes(serialization.Encoding.PEM)
    (home / "chain.pem").write_bytes(shown)
    (home / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    network.settings(f'{SHOWN}\ncertificate = "chain.pem"\ncertificate_key = "key.pem"', named_by="account")
    network.venue.clear()
    network.settings(SHOWN)
    books = Books(network)
    with pytest.raises(httpx.TransportError):
        network.post("/tokenization/mint", network.mint())
    ours = network.mint()
    body = {name: said for name, said in ours.items() if name != "client_external_account_id"}
    trusted = ssl.create_default_context(cadata=shown.decode())
    with httpx.Client(
        base_url=f"https://localhost:{network.port}", verify=trusted, headers={"X-API-KEY": API_KEY}
    ) as door:
        assert door.post("/tokenization/mint", json=ours).status_code == 400
        body |= {"tokenization_request_id": str(uuid.uuid4()), "client_account_id": "ap-7"}
        asked = door.post("/tokenization/mint", json=body)
        assert asked.status_code == 200, asked.text
        issuer_id = asked.json()["issuer_request_id"]
        said = {
            "tokenization_request_id": body["tokenization_request_id"], "issuer_request_id": issuer_id,
            "client_account_id": "ap-7", "status": "completed",
        }  # fmt: skip
        assert door.post("/tokenization/mint/confirm", json=said).status_code == 200
    network.pay(issuer_id)
    network.becomes(issuer_id, "done")
    told = network.said("mint")[-1]
    assert (told["client_account_id"], "client_external_account_id" in told) == ("ap-7", False)
    books.become(0, TEN - FEE, TEN, 1)


def test_a_payment_that_is_voided_is_made_again_by_a_person(served):
    books = Books(served)
    _, issuer_id = served.minted("10")
    line = served.becomes(issuer_id, "issued", ready=lambda line: line.withdrawal)
    assert novate(served.venue, "pay", issuer_id)[1]["error"]["code"] == "data_error", "it is on its way"
    served.venue.say(VoidWithdrawal(withdrawal=line.withdrawal))
    eventually(lambda: "voided" in served.line(issuer_id).problem)
    books.become(TEN - FEE, 0, TEN, 1)
    refused = novate(served.venue, "paid", issuer_id, "--tx", "0xdead")
    assert refused[0] == 1 and "Nothing is to be paid" in refused[1]["error"]["sentence"]
    status, found = novate(served.venue, "pay", issuer_id)
    assert (status, found["request"]["problem"]) == (0, "")
    assert novate(served.venue, "pay", issuer_id)[0] == 1, "once"
    served.pay(issuer_id)
    served.becomes(issuer_id, "done")
    books.become(0, TEN - FEE, TEN, 1)


# --- redeem ------------------------------------------------------------------------------------------------------------------


def test_a_redemption_from_the_wallet_to_the_shares(served):
    books = Books(served)
    fault = {"after": True, "status": 500}
    served.server.fault("POST /v1/accounts", **fault)
    status, found = served.arrive("10", tx="0xabc")
    assert status == 0, found
    issuer_id = found["request"]["request"]
    line = served.becomes(issuer_id, "pending")
    assert line.request.shares == 10 * 10**9 - 5 * 10**6
    (said,) = [body for body in served.said("redeem") if body["issuer_request_id"] == issuer_id]
    assert (said["qty"], said["tx_hash"], said["underlying_symbol"]) == ("9.995", "0xabc", "AAPL")
    books.become(0, -TEN, 0, 1)  # in escrow, and not burned before the shares moved
    served.journal(issuer_id)
    served.becomes(issuer_id, "done")
    books.become(0, -TEN, FEE - TEN, 1)
    status, found = served.arrive("10", tx="0xabc")
    assert status == 1 and "told of before" in found["error"]["sentence"]


@pytest.mark.parametrize("how", ["refused", "rejected"])
def test_a_redemption_that_the_network_does_not_do_gives_the_tokens_back(served, how):
    books = Books(served)
    if how == "refused":
        served.server.fault(
            "POST /v1/accounts", status=422, body={"code": 42210000, "message": "no such wallet"}
        )
    _, found = served.arrive("10")
    issuer_id = found["request"]["request"]
    if how == "rejected":
        served.journal(issuer_id, "rejected")
    line = served.becomes(issuer_id, "ended")
    assert ("no such wallet" in line.request.reason) == (how == "refused")
    books.become(TEN, -TEN, 0, 1)  # they are the client's, at the venue


def test_a_deposit_that_the_engine_does_not_take_is_said_again_under_another_number(served):
    books = Books(served)
    _, found = served.arrive("10", tx="0xdef", reference=3)
    issuer_id = found["request"]["request"]
    line = served.becomes(issuer_id, "asked", ready=lambda line: line.problem)
    assert line.problem == "reference_must_be_new"
    assert served.arrive("10", tx="0xdef")[0] == 0
    served.journal(issuer_id)
    served.becomes(issuer_id, "done")
    books.become(0, -TEN, FEE - TEN, 1)


def test_tokens_of_nobody_are_one_clear_error(served):
    for change in ({"client": "ap-8"}, {"token": "tAAPL"}, {"wallet": "0xother"}, {"amount": "0"}):
        status, found = served.arrive(**change)
        assert status == 1 and found["error"]["sentence"], change


# --- killed at every step ----------------------------------------------------------------------------------------------------


def mints(network: Network) -> tuple[int, int, int, int]:
    _, issuer_id = network.minted()
    network.pay(issuer_id)
    network.becomes(issuer_id, "done")
    return 0, TEN - FEE, TEN, 1


def redeems(network: Network) -> tuple[int, int, int, int]:
    _, found = network.arrive("10")
    issuer_id = found["request"]["request"]
    network.journal(issuer_id)
    network.becomes(issuer_id, "done")
    return 0, -TEN, FEE - TEN, 1


TOLD = "telling once>words told"
"""The engine took what it would take twice, and nobody heard that. A mint: reserve (refused for its reference), reserve, shares, pay, paid; a
redemption: deposit, reserve (refused), reserve, shares."""
MOMENTS = [
    (mints, "network asked", 1),
    (mints, "network confirmed", 1),
    (mints, "telling once", 1),
    *((mints, TOLD, nth) for nth in (2, 4)),
    (mints, "events kept", 1),
    (mints, "network calling", 1),
    (mints, "network called", 1),
    *((redeems, TOLD, nth) for nth in (1, 3)),
    (redeems, "network calling", 1),
    (redeems, "network called", 1),
    (redeems, "network answered", 1),
]
MORE = [
    (mints, "telling once", 4),
    *((mints, TOLD, nth) for nth in (3, 5)),
    (mints, "events kept", 3),
    (redeems, "telling once", 1),
    (redeems, TOLD, 4),
]


@pytest.mark.parametrize(
    ("scene", "step", "nth"),
    [*MOMENTS, *(pytest.param(*one, marks=pytest.mark.long) for one in MORE)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_kill_at_any_step_loses_nothing_and_does_nothing_twice(network, scene, step, nth):
    books, deaths = Books(network), network.deaths
    network.venue.clear(kill_at=step, nth=nth, armed=True)
    expected = scene(network)
    # The last step is seen done before the process is seen dead.
    eventually(lambda: (network.alive(), network.deaths == deaths + 1)[1])
    books.become(*expected)


def test_every_step_is_met():
    met = {step for _, step, _ in MOMENTS}
    assert {*network_calls.STEPS, *network_door.STEPS} <= met
