"""A request of the tokenisation network: the table, the guide's bodies, and any order and number of deliveries."""

import base64
import hashlib

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")

from novate.broker.alpaca import tokenization as itn
from novate.broker.alpaca.callers import Called, by_key, by_signature
from novate.broker.alpaca.tokenization import (
    TABLE,
    AskRedeem,
    AskState,
    Client,
    ConfirmMint,
    End,
    Happening,
    PayOut,
    Report,
    Request,
    Reserve,
    Stage,
    Terms,
    Token,
    Way,
)
from novate.errors import DataError, MessageError

SHARE = 10**9
TERMS = Terms(
    tokens={"TSLAx": Token("TSLA", frozenset({"solana", "base"}))},
    wallets={"ap-7": frozenset({"W1"}), "5f0b2f6e-7c2b-4a0c-9d57-7f3f5e0a9c11": frozenset({"W2"})},
)
MINT = {
    "tokenization_request_id": "0b3f9a52-5a6e-4b0c-8f0d-1b2c3d4e5f60",
    "qty": "1.23",
    "underlying_symbol": "TSLA",
    "token_symbol": "TSLAx",
    "network": "solana",
    "client_external_account_id": "ap-7",
    "wallet_address": "W1",
}


def confirmation(request: Request, status: str = "completed", **change: object) -> dict[str, object]:
    return {
        "tokenization_request_id": request.network_id,
        "issuer_request_id": request.issuer_id,
        **request.client.body(),
        "status": status,
    } | change


def redemption() -> Request:
    seen, effects = itn.redeem_seen(
        client=Client(external="ap-7"),
        token="TSLAx",
        network="base",
        wallet="W1",
        transaction="0xabc",
        shares=1_230_000_001,
        terms=TERMS,
    )
    assert effects == (Reserve(way=Way.REDEEM, client="ap-7", token="TSLAx", shares=1_230_000_001),)
    return seen


def network_has(request: Request, status: str, **change: object) -> dict[str, object]:
    return {
        "tokenization_request_id": "n-1",
        "issuer_request_id": request.issuer_id,
        "status": status,
        "qty": "1.230000001",
    } | change


# --- a mint ------------------------------------------------------------------------------------------------------------------


def test_a_mint_goes_from_the_question_to_the_wallet():
    request, effects = itn.mint_asked(MINT, TERMS)
    assert effects == (Reserve(way=Way.MINT, client="ap-7", token="TSLAx", shares=1_230_000_000),)
    request, effects = itn.reserved(request, 41)
    assert effects == ()
    assert itn.created(request) == {"issuer_request_id": request.issuer_id, "status": "created"}
    request, effects = itn.confirmed(request, confirmation(request))
    assert effects == (Report(request=41, shares=1_230_000_000),)
    request, effects = itn.issued(request)
    assert effects == (PayOut(request=41, network="solana", wallet="W1"),)
    request, effects = itn.paid(request, "0xfeed")
    assert effects == (
        ConfirmMint(
            body={
                "tokenization_request_id": MINT["tokenization_request_id"],
                "client_external_account_id": "ap-7",
                "wallet_address": "W1",
                "tx_hash": "0xfeed",
                "network": "solana",
            }
        ),
    )
    request, effects = itn.mint_answered(request)
    assert (request.stage, effects) == (Stage.DONE, ())


def test_a_mint_whose_shares_do_not_come_is_ended():
    request, _ = itn.reserved(itn.mint_asked(MINT, TERMS)[0], 41)
    request, effects = itn.confirmed(request, confirmation(request, "rejected"))
    assert effects == (End(request=41),)
    assert itn.confirmed(request, confirmation(request, "rejected")) == (request, ())
    with pytest.raises(MessageError):
        itn.confirmed(request, confirmation(request))
    request, _ = itn.ended(request)
    assert request.stage is Stage.ENDED


def test_a_participant_that_the_network_knows_by_its_account():
    account = "5f0b2f6e-7c2b-4a0c-9d57-7f3f5e0a9c11"
    body = {name: value for name, value in MINT.items() if name != "client_external_account_id"}
    request, effects = itn.mint_asked(body | {"client_account_id": account, "wallet_address": "W2"}, TERMS)
    assert effects[0].client == account
    assert request.client.body() == {"client_account_id": account}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"wallet_address": "W2"}, "Invalid Wallet: Wallet does not belong to client"),
        ({"network": "tron"}, "Invalid Token: Token not available on the network"),
        ({"token_symbol": "AAPLx"}, "Invalid Token"),
        ({"underlying_symbol": "AAPL"}, "Invalid Token"),
        ({"client_external_account_id": "ap-8"}, "Insufficient Eligibility: Client not eligible"),
        ({"qty": "0"}, "Failed Validation: Invalid data payload"),
        ({"qty": "-1"}, "Failed Validation"),
        ({"qty": 1.23}, "Failed Validation"),
        ({"qty": "1.2300000001"}, "Failed Validation"),
        ({"qty": "much"}, "Failed Validation"),
        ({"qty": None}, "Failed Validation"),
        ({"client_account_id": "ap-7"}, "Failed Validation"),
        ({"client_external_account_id": None}, "Failed Validation"),
        ({"wallet_address": ""}, "Failed Validation"),
        ({"tokenization_request_id": 7}, "Failed Validation"),
    ],
)
def test_a_wrong_question_is_answered_in_the_guides_words(change, why):
    with pytest.raises(MessageError, match=why):
        itn.mint_asked(MINT | change, TERMS)


@pytest.mark.parametrize(
    "change",
    [
        {"tokenization_request_id": "another"},
        {"issuer_request_id": "another"},
        {"client_external_account_id": "ap-8"},
        {"status": "pending"},
        {"status": None},
    ],
)
def test_a_confirmation_of_something_else_moves_nothing(change):
    request, _ = itn.reserved(itn.mint_asked(MINT, TERMS)[0], 41)
    with pytest.raises(MessageError, match="Failed Validation"):
        itn.confirmed(request, confirmation(request) | change)


def test_the_same_question_makes_the_same_request():
    assert itn.mint_asked(MINT, TERMS) == itn.mint_asked(dict(MINT), TERMS)
    assert redemption().issuer_id == redemption().issuer_id


# --- a redemption ----------------------------------------------------------------------------------------------------------------


def test_a_redemption_goes_from_the_wallet_to_the_burning():
    request, effects = itn.reserved(redemption(), 42)
    (asked,) = effects
    assert isinstance(asked, AskRedeem)
    assert asked.body == {
        "issuer_request_id": request.issuer_id,
        "underlying_symbol": "TSLA",
        "token_symbol": "TSLAx",
        "client_external_account_id": "ap-7",
        "qty": "1.230000001",
        "network": "base",
        "wallet_address": "W1",
        "tx_hash": "0xabc",
    }
    assert len(asked.key) == 36 and asked.key != request.issuer_id
    request, effects = itn.state_told(request, network_has(request, "pending"))
    assert effects == (AskState(issuer_id=request.issuer_id),)
    assert request.network_id == "n-1"
    request, effects = itn.state_told(request, network_has(request, "completed"))
    assert effects == (Report(request=42, shares=1_230_000_001),)
    request, effects = itn.issued(request)
    assert (request.stage, effects) == (Stage.DONE, ())


@pytest.mark.parametrize("how", ["rejected at once", "rejected later", "refused"])
def test_a_redemption_that_the_network_does_not_make_gives_the_tokens_back(how):
    request, _ = itn.reserved(redemption(), 42)
    if how == "refused":
        request, effects = itn.redeem_refused(request, "insufficient quantity")
    else:
        if how == "rejected later":
            request, _ = itn.state_told(request, network_has(request, "pending"))
        request, effects = itn.state_told(request, network_has(request, "rejected"))
    assert effects == (End(request=42),)
    assert request.reason


@pytest.mark.parametrize("change", [{"qty": "1.23"}, {"issuer_request_id": "another"}, {"status": ""}])
def test_an_answer_about_another_redemption_moves_nothing(change):
    request, _ = itn.reserved(redemption(), 42)
    with pytest.raises(DataError):
        itn.state_told(request, network_has(request, "completed") | change)


# --- any order and number of deliveries --------------------------------------------------------------------------------------------

SAYS = {
    "reserve": lambda request: itn.reserved(request, 41),
    "refuse": lambda request: itn.refused(request, "limit"),
    "confirm": lambda request: itn.confirmed(request, confirmation(request)),
    "reject": lambda request: itn.confirmed(request, confirmation(request, "rejected")),
    "issue": itn.issued,
    "pay": lambda request: itn.paid(request, "0xfeed"),
    "answer": itn.mint_answered,
    "end": itn.ended,
}
REDEEM_SAYS = {
    "reserve": lambda request: itn.reserved(request, 41),
    "refuse": lambda request: itn.refused(request, "limit"),
    "pending": lambda request: itn.state_told(request, network_has(request, "pending")),
    "completed": lambda request: itn.state_told(request, network_has(request, "completed")),
    "rejected": lambda request: itn.state_told(request, network_has(request, "rejected")),
    "not taken": lambda request: itn.redeem_refused(request, "no"),
    "issue": itn.issued,
    "end": itn.ended,
}


@given(st.lists(st.sampled_from(sorted(SAYS)), max_size=40))
def test_a_mint_is_done_at_most_once_whatever_is_said(script):
    request, done = itn.mint_asked(MINT, TERMS)[0], []
    for name in script:
        request, done = said(request, done, SAYS[name])
    assert_at_most_once(done)


@given(st.lists(st.sampled_from(sorted(REDEEM_SAYS)), max_size=40))
def test_a_redemption_is_done_at_most_once_whatever_is_said(script):
    request, done = redemption(), []
    for name in script:
        request, done = said(request, done, REDEEM_SAYS[name])
    assert_at_most_once(done)


def said(request, done, say):
    stored = msgspec.json.decode(msgspec.json.encode(request), type=Request)  # as after a crash
    assert stored == request
    try:
        after, effects = say(stored)
    except MessageError:
        return request, done
    assert after.shares == request.shares
    return after, [*done, *effects]


def assert_at_most_once(done):
    for kind in (Report, End, PayOut, ConfirmMint, AskRedeem):
        assert sum(isinstance(one, kind) for one in done) <= 1, kind
    kinds = {type(one) for one in done}
    assert not {Report, End} <= kinds, "shares moved and did not"


def test_every_stage_but_the_last_ones_leads_on():
    last = {Stage.DONE, Stage.REFUSED, Stage.ENDED}
    for way in Way:
        reached = {Stage.ASKED} | {after for (of, _, _), after in TABLE.items() if of is way}
        leading = {stage for of, stage, _ in TABLE if of is way}
        assert reached - leading == last
    assert {happening for _, _, happening in TABLE} == set(Happening)


# --- who calls ---------------------------------------------------------------------------------------------------------------------

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = (
    PRIVATE.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
NOW = 1_700_000_000
ADDRESS = "https://issuer.example.com/tokenization/mint"


def signed(
    body: bytes = b'{"qty":"1.23"}', *, created: int = NOW, covered: str = "", method: str = "POST"
) -> Called:
    """A request as the guide describes it, made without the code under test."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    names = ["@method", "@target-uri", *(["content-type", "content-digest"] if body else [])]
    values = {
        "@method": method,
        "@target-uri": ADDRESS,
        "content-type": "application/json",
        "content-digest": digest,
    }
    names = covered.split() or names
    listed = " ".join(f'"{name}"' for name in names)
    parameters = f'({listed});created={created};keyid="k-1";alg="ed25519";nonce="deadbeef"'
    base = "\n".join([*(f'"{name}": {values[name]}' for name in names), f'"@signature-params": {parameters}'])
    headers = {
        "signature-input": f"sig={parameters}",
        "signature": f"sig=:{base64.b64encode(PRIVATE.sign(base.encode())).decode()}:",
    }
    if body:
        headers |= {"content-type": "application/json", "content-digest": digest}
    return Called(method, ADDRESS, headers, body)


@pytest.mark.parametrize("called", [signed(), signed(b"", method="GET")], ids=["with a body", "without"])
def test_a_signature_of_the_networks_is_taken(called):
    assert by_signature(called, {"k-1": PEM}, now_s=NOW + 5) == "deadbeef"


def changed(called: Called, **change) -> Called:
    values = {name: getattr(called, name) for name in ("method", "address", "headers", "body")}
    return Called(**values | change)


@pytest.mark.parametrize(
    ("called", "why"),
    [
        (changed(signed(), body=b'{"qty":"9.23"}'), "Content-Digest"),
        (changed(signed(), method="GET"), "not of this request"),
        (changed(signed(), address=ADDRESS + "/confirm"), "not of this request"),
        (changed(signed(), headers=signed().headers | {"content-type": "text/plain"}), "not of this request"),
        (changed(signed(), headers=signed().headers | {"signature": "sig=:AAAA:"}), "not of this request"),
        (changed(signed(), headers=signed().headers | {"signature": "sig=:A:"}), "base64"),
        (changed(signed(), headers={}), "needed"),
        (signed(created=NOW - 1_000), "within 300 s"),
        (signed(created=NOW + 1_000), "within 300 s"),
        (signed(covered="@method @target-uri"), "must cover"),
        (signed(covered="@method content-digest"), "must cover"),
        (changed(signed(b"", method="GET"), body=b"{}"), "must cover"),
    ],
)
def test_a_signature_that_is_not_of_the_request_is_refused(called, why):
    with pytest.raises(MessageError, match=why):
        by_signature(called, {"k-1": PEM}, now_s=NOW)


def test_a_key_that_was_retired_signs_nothing():
    with pytest.raises(MessageError, match="not known"):
        by_signature(signed(), {"k-2": PEM}, now_s=NOW)


@pytest.mark.parametrize(
    ("given_key", "taken"), [("new", True), ("old", True), ("", False), ("other", False)]
)
def test_a_shared_key_is_compared_with_each_that_is_good(given_key, taken):
    called = Called("GET", ADDRESS, {"x-api-key": given_key})
    if taken:
        by_key(called, ["new", "old", ""])
    else:
        with pytest.raises(MessageError, match="key is missing"):
            by_key(called, ["new", "old", ""])


def test_the_listing_is_the_guides():
    assert TERMS.listing() == {
        "tokens": [{"underlying": "TSLA", "token": "TSLAx", "networks": ["base", "solana"]}]
    }
