"""Identity as a gateway uses it: who is let in, in which order it is refused, how fast a revocation holds, and what is written down."""

import asyncio
import dataclasses
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from novate.identity import (
    ANONYMOUS,
    DEV,
    Credentials,
    Grant,
    Identity,
    IdentityRefused,
    KeyKind,
    KeyTerms,
    Rule,
    Scope,
    SignedRequest,
    WalletRequest,
    canonical_string,
    proofs,
    typed,
    typed_data,
    verify_audit,
)
from novate.identity.audit import Entry
from novate.identity.principals import EVERY_SCOPE
from novate.identity.sealing import Seal
from novate.messages.codes import Role

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
WALLET = Account.from_key("0x" + "11" * 32)
AGENT = Account.from_key("0x" + "22" * 32)
MARKETS = {"NVDA-PERP": 3, "SPY-PERP": 4}.get
TRADES = Scope.READ | Scope.TRADE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def opened(home: Path, now: int = NOW, **options: Any) -> Identity:
    return Identity.open(home, now, venue="test", chain_id=31337, **options)


@pytest.fixture
def identity(home: Path) -> Iterator[Identity]:
    with opened(home) as found:
        found.store.add_owner(NOW, "Acme", 1)
        found.store.add_owner(NOW, "Other", 2)
        found.store.assign_account(7, 1)
        found.store.assign_account(8, 2)
        yield found


class Signer:
    """The holder of an API key."""

    def __init__(self, identity: Identity, kind: KeyKind = KeyKind.HMAC, **terms: Any) -> None:
        self.kind = kind
        self.nonce = 0
        self.seed, public = proofs.new_ed25519() if kind is KeyKind.ED25519 else (b"", b"")
        terms = {"owner": 1, "scopes": TRADES} | terms
        made = identity.create_key(None, kind, KeyTerms(**terms), NOW, public=public)
        self.actor, self.secret = made.record.actor, made.secret

    def request(
        self, method: str = "POST", target: str = "/v1/orders", body: bytes = b"{}", *, nonce: int | None = None,
        timestamp: int = NOW, expires: int = 0, venue: str = "test",
    ) -> SignedRequest:  # fmt: skip
        self.nonce += 1
        nonce = self.nonce if nonce is None else nonce
        message = canonical_string(venue, self.actor, method, target, timestamp, nonce, body, expires)
        signature = (
            proofs.sign_ed25519(self.seed, message) if self.seed else proofs.sign_hmac(self.secret, message)
        )
        return SignedRequest(
            method, target, body, Credentials(self.actor, timestamp, nonce, signature, expires)
        )


def refused(call: Any, *args: Any, **options: Any) -> IdentityRefused:
    with pytest.raises(IdentityRefused) as found:
        call(*args, **options)
    return found.value


def raw(account: Any) -> bytes:
    return bytes.fromhex(account.address[2:])


def typed_request(
    kind: str, message: dict[str, Any], signer: Any = WALLET, nonce: int = 1, **seal: int
) -> WalletRequest:
    message = message | {"timeNs": NOW, "expiresAfterNs": 0, "nonce": nonce} | seal
    document = typed_data(typed.Domain("test", 31337), kind, message)
    signature = bytes(signer.sign_typed_data(full_message=document).signature)
    return WalletRequest(kind, message, raw(WALLET), signature, None if signer is WALLET else raw(signer))


def approval(nonce: int = 1, **changes: Any) -> WalletRequest:
    terms: dict[str, Any] = {
        "agent": AGENT.address.lower(), "label": "bot", "scopes": ["read", "trade"], "accounts": [], "markets": ["NVDA-PERP"],
        "capMicroUsd": 1_000_000, "networks": [], "expiresNs": 0,
    }  # fmt: skip
    return typed_request("ApproveAgent", terms | changes, nonce=nonce)


def wallet_of(identity: Identity, **terms: Any) -> int:
    terms = {"owner": 1, "scopes": EVERY_SCOPE} | terms
    made = identity.create_key(None, KeyKind.WALLET, KeyTerms(**terms), NOW, public=raw(WALLET))
    return made.record.actor


# --- API keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyKind.HMAC, KeyKind.ED25519])
def test_a_signed_request_is_let_in_once(identity: Identity, kind: KeyKind) -> None:
    signer = Signer(identity, kind)
    request = signer.request()
    assert identity.verify(request, NOW).accepted
    principal = identity.authenticate(request, NOW)
    assert (principal.actor, principal.owner, principal.scopes) == (signer.actor, 1, TRADES)
    assert refused(identity.authenticate, request, NOW).rule is Rule.DUPLICATE_NONCE
    assert Rule.DUPLICATE_NONCE.retryable
    identity.authenticate(signer.request(), NOW)


@pytest.mark.parametrize("kind", [KeyKind.HMAC, KeyKind.ED25519])
def test_any_other_request_than_the_signed_one_is_a_bad_signature(identity: Identity, kind: KeyKind) -> None:
    signer, other = Signer(identity, kind), Signer(identity, kind)
    request = signer.request(expires=NOW + SECOND)
    given = request.credentials
    changes = [
        {"method": "PUT"}, {"target": "/v1/orders?dry=1"}, {"body": b"{ }"}, {"body": b""},
        *(
            {"credentials": dataclasses.replace(given, **change)}
            for change in (
                {"nonce": 99}, {"timestamp_ns": NOW - 1}, {"expires_after_ns": 0}, {"key": other.actor},
                {"signature": bytes(len(given.signature))}, {"signature": b""},
                {"signature": given.signature[:-1] + bytes((given.signature[-1] ^ 1,))},
            )
        ),
    ]  # fmt: skip
    for change in changes:
        changed = dataclasses.replace(request, **change)
        assert refused(identity.authenticate, changed, NOW).rule is Rule.SIGNATURE_MUST_VERIFY, change
    foreign = signer.request(venue="another venue")
    assert refused(identity.authenticate, foreign, NOW).rule is Rule.SIGNATURE_MUST_VERIFY
    identity.authenticate(request, NOW)  # none of these used its nonce up


def test_the_first_rule_broken_is_the_one_named(identity: Identity) -> None:
    signer = Signer(identity, networks=("10.0.0.0/8", "2001:db8::/32"), expires_ns=NOW + 100 * SECOND)
    late = NOW - 61 * SECOND
    assert (
        refused(identity.authenticate, signer.request(timestamp=late), NOW, "192.0.2.1").rule
        is Rule.ADDRESS_MUST_BE_ON_THE_LIST
    )
    assert refused(identity.authenticate, signer.request(), NOW, "").rule is Rule.ADDRESS_MUST_BE_ON_THE_LIST
    wrong = refused(identity.authenticate, signer.request(timestamp=late), NOW, "10.1.2.3")
    assert wrong.rule is Rule.TIMESTAMP_MUST_BE_IN_WINDOW
    assert wrong.facts["server_time_ns"] == NOW
    lapsed = signer.request(expires=NOW - 1)
    assert refused(identity.authenticate, lapsed, NOW, "10.1.2.3").rule is Rule.REQUEST_MUST_NOT_BE_EXPIRED
    for address in ("10.255.0.1", "::ffff:10.0.0.9", "2001:db8::1"):
        identity.authenticate(signer.request(), NOW, address)
    end = NOW + 100 * SECOND
    assert (
        refused(identity.authenticate, signer.request(timestamp=end), end, "10.1.2.3").rule
        is Rule.KEY_MUST_NOT_BE_EXPIRED
    )
    unknown = dataclasses.replace(signer.request(), credentials=Credentials(999, NOW, 1, bytes(32)))
    assert refused(identity.authenticate, unknown, NOW).rule is Rule.KEY_MUST_EXIST
    identity.revoke_key(None, signer.actor, NOW)
    assert (
        refused(identity.authenticate, signer.request(), NOW, "192.0.2.1").rule
        is Rule.KEY_MUST_NOT_BE_REVOKED
    )


def test_a_dry_run_says_what_had_to_be_signed(identity: Identity) -> None:
    signer = Signer(identity)
    request = signer.request("GET", "/v1/account?id=7", b"")
    wrong = dataclasses.replace(request, target="/v1/account?id=8")
    verdict = identity.verify(wrong, NOW)
    assert not verdict.accepted
    assert verdict.refusal is not None
    assert verdict.refusal["code"] == 2001
    assert verdict.canonical.split("\n")[:5] == [
        "NOVATE-1",
        "test",
        str(signer.actor),
        "GET",
        "/v1/account?id=8",
    ]
    assert signer.secret not in repr(verdict)
    assert identity.nonces.held == 0


# --- sessions ------------------------------------------------------------------------------------------------------------


def test_a_websocket_logs_in_once_and_ends_with_its_key(identity: Identity) -> None:
    signer = Signer(identity, expires_ns=NOW + 100 * SECOND)
    assert refused(identity.login, signer.request(), NOW).rule is Rule.CREDENTIALS_MUST_BE_WELL_FORMED
    principal = identity.login(signer.request("LOGIN", "/v1/ws", b""), NOW)
    assert identity.still(principal, NOW) is principal
    identity.authorise(principal, "PlaceOrder", 7, 3, 1)
    assert refused(identity.authorise, principal, "PlaceOrder", 8, 3, 1).rule is Rule.ACCOUNT_MUST_BE_ONES_OWN
    assert refused(identity.still, principal, NOW + 100 * SECOND).rule is Rule.KEY_MUST_NOT_BE_EXPIRED
    Signer(identity)  # another key changes nothing for this session but its generation
    principal = identity.still(principal, NOW)
    identity.revoke_key(None, signer.actor, NOW, "lost")
    assert refused(identity.still, principal, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED


def test_an_account_that_moves_to_another_owner_leaves_its_sessions(identity: Identity) -> None:
    principal = identity.authenticate(Signer(identity).request(), NOW)
    identity.authorise(principal, "PlaceOrder", 7, 3, 1)
    identity.store.assign_account(7, 2)
    principal = identity.still(principal, NOW)
    assert refused(identity.authorise, principal, "PlaceOrder", 7, 3, 1).rule is Rule.ACCOUNT_MUST_BE_ONES_OWN


def _revokes(home: Path, actor: int) -> None:
    with opened(home) as other:
        other.revoke_key(None, actor, NOW, "elsewhere")


def test_a_revocation_by_another_process_holds_at_once(identity: Identity, home: Path) -> None:
    signer = Signer(identity)
    principal = identity.authenticate(signer.request(), NOW)
    other = multiprocessing.get_context("spawn").Process(target=_revokes, args=(home, signer.actor))
    other.start()
    other.join(60)
    assert other.exitcode == 0
    assert (
        refused(identity.still, principal, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED
    )  # the same instant: no poll was due
    assert refused(identity.authenticate, signer.request(), NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED


def test_without_the_bell_a_revocation_holds_after_the_poll(identity: Identity, home: Path) -> None:
    from novate.identity import IdentityStore

    signer = Signer(identity)
    principal = identity.authenticate(signer.request(), NOW)
    silent = IdentityStore.open(home, Seal.open(home))  # as on another machine, or dead before it rang
    silent.revoke_key(signer.actor, NOW, by="console")
    silent.close()
    assert identity.still(principal, NOW + 249_999_999)
    assert refused(identity.still, principal, NOW + 250_000_000).rule is Rule.KEY_MUST_NOT_BE_REVOKED


def test_nonces_and_keys_survive_a_restart(home: Path) -> None:
    with opened(home) as identity:
        identity.store.add_owner(NOW, owner=1)
        signer = Signer(identity)
        request = signer.request()
        identity.authenticate(request, NOW)
    with opened(home) as identity:
        assert refused(identity.authenticate, request, NOW).rule is Rule.DUPLICATE_NONCE
        identity.authenticate(signer.request(), NOW)


def test_dev_exists_on_a_dev_venue_only(tmp_path: Path) -> None:
    for dev, nobody in ((False, ANONYMOUS), (True, DEV)):
        home = tmp_path / str(dev)
        with opened(home, dev=dev) as identity:
            assert identity.nobody() is nobody
            assert identity.still(nobody, NOW) is nobody


# --- wallets and agents --------------------------------------------------------------------------------------------------


def test_a_wallet_signs_and_its_nonce_is_used_once(identity: Identity) -> None:
    actor = wallet_of(identity)
    request = typed_request("CancelAll", {"account": 7, "market": ""})
    assert identity.verify_wallet(request, NOW).accepted
    assert identity.authenticate_wallet(request, NOW).actor == actor
    assert refused(identity.authenticate_wallet, request, NOW).rule is Rule.DUPLICATE_NONCE
    second = typed_request("CancelAll", {"account": 7, "market": ""}, nonce=2)
    assert asyncio.run(identity.authenticate_wallet_async(second, NOW)).actor == actor
    late = typed_request("CancelAll", {"account": 7, "market": ""}, nonce=3, timeNs=NOW - 61 * SECOND)
    assert refused(identity.authenticate_wallet, late, NOW).rule is Rule.TIMESTAMP_MUST_BE_IN_WINDOW
    lapsed = typed_request("CancelAll", {"account": 7, "market": ""}, nonce=4, expiresAfterNs=NOW - 1)
    assert refused(identity.authenticate_wallet, lapsed, NOW).rule is Rule.REQUEST_MUST_NOT_BE_EXPIRED


def test_a_bad_signature_is_never_an_unknown_stranger(identity: Identity) -> None:
    wallet_of(identity)
    request = typed_request("CancelAll", {"account": 7, "market": ""})
    changed = dataclasses.replace(request, message={**request.message, "account": 8})
    refusal = refused(identity.authenticate_wallet, changed, NOW)
    assert refusal.rule is Rule.SIGNATURE_MUST_VERIFY
    assert refusal.facts["claimed"] == WALLET.address.lower()
    verdict = identity.verify_wallet(changed, NOW)
    assert verdict.claimed == WALLET.address.lower()
    assert verdict.recovered not in ("", verdict.claimed)
    assert (
        verdict.digest == "0x" + typed.digest(typed.Domain("test", 31337), "CancelAll", changed.message).hex()
    )
    stranger = dataclasses.replace(request, wallet=raw(AGENT))
    assert refused(identity.authenticate_wallet, stranger, NOW).rule is Rule.KEY_MUST_EXIST


def test_an_agent_lives_within_its_approval_and_dies_for_ever(identity: Identity) -> None:
    wallet_of(identity, markets=frozenset({3, 4}))
    cancel = {"account": 7, "market": ""}
    refusal = refused(identity.authenticate_wallet, typed_request("CancelAll", cancel, AGENT), NOW)
    assert refusal.rule is Rule.KEY_MUST_EXIST
    made = identity.approve_agent(approval(), NOW, market_id=MARKETS)
    principal = identity.authenticate_wallet(typed_request("CancelAll", cancel, AGENT), NOW)
    assert (principal.actor, principal.owner) == (made.record.actor, 1)
    identity.authorise(principal, "PlaceOrder", 7, 3, 1_000_000)
    for action, market, notional, rule in [
        ("PlaceOrder", 4, 1, Rule.MARKET_MUST_BE_ALLOWED),
        ("PlaceOrder", 3, 1_000_001, Rule.NOTIONAL_MUST_NOT_EXCEED_CAP),
        ("Transfer", None, None, Rule.SCOPE_MUST_COVER),
    ]:
        assert refused(identity.authorise, principal, action, 7, market, notional).rule is rule
    own_approval = typed_request("RevokeAgent", {"agent": AGENT.address.lower()}, AGENT, nonce=5)
    assert refused(identity.revoke_agent, own_approval, NOW).rule is Rule.WALLET_MUST_SIGN_ITSELF
    identity.revoke_agent(typed_request("RevokeAgent", {"agent": AGENT.address.lower()}, nonce=5), NOW)
    assert refused(identity.still, principal, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED
    old = typed_request("CancelAll", cancel, AGENT, nonce=77)
    assert refused(identity.authenticate_wallet, old, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED
    again = approval(nonce=6)
    assert refused(identity.approve_agent, again, NOW, market_id=MARKETS).rule is Rule.PUBLIC_KEY_MUST_BE_NEW
    assert refused(identity.authenticate_wallet, old, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"scopes": ["admin"]}, Rule.GRANT_MUST_NOT_EXCEED_ONES_OWN),
        ({"scopes": ["transfer"]}, Rule.GRANT_MUST_NOT_EXCEED_ONES_OWN),
        ({"scopes": ["everything"]}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"scopes": ["READ"]}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"scopes": []}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"markets": ["DOGE"]}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"accounts": [8]}, Rule.OWNER_MUST_HAVE_THE_ACCOUNT),
        ({"expiresNs": NOW}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"networks": ["10.0.0.1/8"]}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"agent": "0x" + "00" * 20}, Rule.PUBLIC_KEY_MUST_BE_VALID),
        ({"agent": WALLET.address.lower()}, Rule.PUBLIC_KEY_MUST_BE_NEW),
    ],
)
def test_what_a_wallet_cannot_approve(identity: Identity, change: dict[str, Any], rule: Rule) -> None:
    wallet_of(identity, scopes=Scope.READ | Scope.TRADE | Scope.ADMIN)
    assert refused(identity.approve_agent, approval(**change), NOW, market_id=MARKETS).rule is rule


def test_a_wallets_end_is_its_agents_end(identity: Identity) -> None:
    actor = wallet_of(identity)
    made = identity.approve_agent(approval(), NOW, market_id=MARKETS)
    principal = identity.authenticate_wallet(
        typed_request("CancelAll", {"account": 7, "market": ""}, AGENT), NOW
    )
    assert identity.revoke_key(None, actor, NOW) == (actor, made.record.actor)
    assert refused(identity.still, principal, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED


def test_parts_of_messages_and_wrong_types_are_not_requests(identity: Identity) -> None:
    wallet_of(identity)
    part = WalletRequest("PackageLeg", {}, raw(WALLET), bytes(65))
    assert refused(identity.authenticate_wallet, part, NOW).rule is Rule.TYPED_DATA_MUST_FIT_ITS_TYPE
    login = typed_request("Login", {})
    assert (
        refused(identity.approve_agent, login, NOW, market_id=MARKETS).rule
        is Rule.TYPED_DATA_MUST_FIT_ITS_TYPE
    )
    assert identity.authenticate_wallet(login, NOW).owner == 1


# --- who may make and revoke keys ----------------------------------------------------------------------------------------


def acting(identity: Identity, **terms: Any) -> Any:
    return identity.authenticate(Signer(identity, **terms).request(), NOW, "10.0.0.1")


def test_an_owners_administrator_gives_no_more_than_it_has(identity: Identity) -> None:
    limits = {
        "scopes": Scope.READ | Scope.TRADE | Scope.ADMIN, "markets": frozenset({3, 4}), "cap_micro_usd": 100,
        "networks": ("10.0.0.0/8",), "expires_ns": NOW + 100 * SECOND,
    }  # fmt: skip
    by = acting(identity, **limits)
    within: dict[str, Any] = {
        "owner": 1, "scopes": TRADES, "markets": frozenset({3}), "cap_micro_usd": 100, "networks": ("10.1.0.0/16",),
        "expires_ns": NOW + 50 * SECOND,
    }  # fmt: skip
    identity.create_key(by, KeyKind.HMAC, KeyTerms(**within), NOW)
    for beyond in [
        {"scopes": Scope.TRANSFER}, {"markets": None}, {"markets": frozenset({3, 5})}, {"cap_micro_usd": 0},
        {"cap_micro_usd": 101}, {"networks": ()}, {"networks": ("0.0.0.0/0",)}, {"networks": ("::/0",)},
        {"networks": ("10.0.0.0/9", "11.0.0.0/8")}, {"expires_ns": 0}, {"expires_ns": NOW + 101 * SECOND},
        {"grants": frozenset({Grant(Role.OPERATOR, 0)})},
    ]:  # fmt: skip
        refusal = refused(identity.create_key, by, KeyKind.HMAC, KeyTerms(**within | beyond), NOW)
        assert refusal.rule is Rule.GRANT_MUST_NOT_EXCEED_ONES_OWN, beyond
    refusal = refused(identity.create_key, by, KeyKind.HMAC, KeyTerms(**within | {"owner": 2}), NOW)
    assert refusal.rule is Rule.ACCOUNT_MUST_BE_ONES_OWN


def test_who_may_not_keep_keys(identity: Identity) -> None:
    terms = KeyTerms(owner=1)
    trader = acting(identity)
    one_account = acting(identity, scopes=EVERY_SCOPE, accounts=frozenset({7}))
    viewer = acting(identity, scopes=EVERY_SCOPE, grants=frozenset({Grant(Role.VIEWER)}))
    for by, rule in [
        (ANONYMOUS, Rule.CREDENTIALS_MUST_BE_GIVEN),
        (trader, Rule.SCOPE_MUST_COVER),
        (one_account, Rule.ACCOUNT_MUST_BE_ONES_OWN),
        (viewer, Rule.ROLE_MUST_ALLOW),
    ]:
        assert refused(identity.create_key, by, KeyKind.HMAC, terms, NOW).rule is rule
    identity.create_key(DEV, KeyKind.HMAC, terms, NOW)


def test_the_venues_people_make_customers_keys_and_no_greater_ones_of_their_own(identity: Identity) -> None:
    operator = acting(
        identity, owner=0, scopes=Scope.READ | Scope.ADMIN, grants=frozenset({Grant(Role.OPERATOR, 0)})
    )
    identity.create_key(operator, KeyKind.HMAC, KeyTerms(owner=2, scopes=TRADES), NOW)
    for role, rule in [(Role.OPERATOR, None), (Role.COMPLIANCE, Rule.GRANT_MUST_NOT_EXCEED_ONES_OWN)]:
        terms = KeyTerms(owner=0, scopes=Scope.ADMIN, grants=frozenset({Grant(role, 0)}))
        if rule is None:
            identity.create_key(operator, KeyKind.HMAC, terms, NOW)
        else:
            assert refused(identity.create_key, operator, KeyKind.HMAC, terms, NOW).rule is rule


def test_who_may_revoke(identity: Identity) -> None:
    victim = Signer(identity)
    others_admin = acting(identity, owner=2, scopes=EVERY_SCOPE)
    trader = acting(identity)
    assert refused(identity.revoke_key, others_admin, victim.actor, NOW).rule is Rule.ACCOUNT_MUST_BE_ONES_OWN
    assert refused(identity.revoke_key, trader, victim.actor, NOW).rule is Rule.SCOPE_MUST_COVER
    assert identity.revoke_key(trader, trader.actor, NOW) == (trader.actor,)
    assert refused(identity.revoke_key, trader, victim.actor, NOW).rule is Rule.KEY_MUST_NOT_BE_REVOKED
    assert identity.revoke_key(acting(identity, scopes=EVERY_SCOPE), victim.actor, NOW) == (victim.actor,)
    assert refused(identity.revoke_key, None, 999, NOW).rule is Rule.KEY_MUST_EXIST


# --- what is written down ------------------------------------------------------------------------------------------------


def test_keys_logins_failures_and_acts_are_in_the_audit_log(home: Path) -> None:
    import msgspec

    with opened(home) as identity:
        identity.store.add_owner(NOW, owner=1)
        signer = Signer(identity, label="desk 1")
        principal = identity.login(signer.request("LOGIN", "/v1/ws", b""), NOW, "10.0.0.1")
        forged = dataclasses.replace(signer.request(), body=b"{1}")
        for _ in range(50):
            refused(identity.authenticate, forged, NOW, "192.0.2.1")
        refused(identity.authenticate, forged, NOW + SECOND, "192.0.2.1")
        identity.note("account_read", principal, NOW, sequence=12, account=7)
        identity.revoke_key(None, signer.actor, NOW, "left the firm")
        key = Seal.open(home).key
    report = verify_audit(home / "audit.log", key)
    assert report.whole
    text = (home / "audit.log").read_bytes()
    entries = [msgspec.json.decode(line, type=Entry) for line in text.splitlines()]
    kinds = [entry.kind for entry in entries]
    assert kinds == ["key_created", "login", *["refused"] * 21, "account_read", "key_revoked"]
    assert entries[22].facts["left_out"] == 30
    assert entries[2].facts == {
        "rule": "signature_must_verify", "claimed": signer.actor, "signer": "", "address": "192.0.2.1", "left_out": 0,
    }  # fmt: skip
    assert (entries[23].sequence, entries[23].actor) == (12, signer.actor)
    assert entries[24].facts["why"] == "left the firm"
    assert signer.secret.encode() not in text


def test_refusals_are_one_table_with_numbers_of_their_own() -> None:
    from novate.identity import RULES

    assert len(RULES) == len(Rule)
    assert all(2001 <= number < 2050 for number in RULES)
    assert all(rule.sentence.endswith(".") and rule.label == rule.label.lower() for rule in Rule)
    shown = IdentityRefused(Rule.DUPLICATE_NONCE, nonce=5).as_answer()
    assert shown == {
        "code": 2002, "name": "duplicate_nonce", "message": Rule.DUPLICATE_NONCE.sentence, "retryable": True, "nonce": 5,
    }  # fmt: skip


def test_the_page_on_signing_says_what_is_so() -> None:
    """The vector, every type and every refusal of docs/reference/signing.md."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "signing.md").read_text(
        encoding="utf-8"
    )
    text = canonical_string("test", 7, "POST", "/v1/orders?dry=1", NOW, 42, b'{"a":1}')
    assert proofs.sign_hmac("nvs_example", text).hex() in page
    for kind, fields in typed.TYPES.items():
        assert f"    {kind}({','.join(f'{form} {name}' for name, form in fields)})\n" in page
    for rule in Rule:
        again = "yes" if rule.retryable else "no"
        assert f"| {rule.number} | `{rule.label}` | {again} | {rule.http_status} | {rule.sentence} |" in page
