"""The identity store on SQLite and on a real PostgreSQL: what is durable, sealed, unique for ever, and made once by many."""

import multiprocessing
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from novate.errors import ConfigError
from novate.identity import (
    Grant,
    Identity,
    IdentityRefused,
    IdentityStore,
    KeyKind,
    KeyTerms,
    Rule,
    Scope,
    proofs,
)
from novate.identity.principals import EVERY_SCOPE
from novate.identity.sealing import Seal, SealBroken
from novate.identity.tables import KEYS, META
from novate.messages.codes import Role
from projecting import has_postgres, postgres

NOW = 1_800_000_000_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not has_postgres():
        pytest.skip("no PostgreSQL server is installed: the store was not tried on it")
    # Beside pytest's own folders: another run of pytest closes those to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="novate-") as folder, postgres(Path(folder) / "cluster") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database; None for the one in the home."""
    if request.param == "sqlite":
        return None
    url = str(request.getfixturevalue("server"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in ("keys", "accounts", "owners", "meta"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS identity_{table}"))
    engine.dispose()
    return url


def opened(home: Path, url: str | None) -> IdentityStore:
    return IdentityStore.open(home, Seal.open(home), url=url)


@pytest.fixture
def store(tmp_path: Path, database: str | None) -> Iterator[IdentityStore]:
    found = opened(tmp_path, database)
    found.add_owner(NOW, "Acme", 1)
    found.assign_account(7, 1)
    yield found
    found.close()


def rule_of(call: Any, *args: Any, **options: Any) -> Rule:
    with pytest.raises(IdentityRefused) as found:
        call(*args, **options)
    return found.value.rule


def test_a_key_comes_back_as_it_was_made(store: IdentityStore, tmp_path: Path, database: str | None) -> None:
    largest = 2**64 - 1
    store.assign_account(largest, 1)
    terms = KeyTerms(
        owner=1, scopes=EVERY_SCOPE, grants=frozenset({Grant(Role.TRADER), Grant(Role.VIEWER, 7), Grant(Role.RISK, 0)}),
        accounts=frozenset({7, largest}), markets=frozenset({1, 2**32 - 1}), cap_micro_usd=2**63 - 1,
        networks=("10.0.0.0/8", "2001:db8::/32"), expires_ns=NOW + 1, label="desk €",
    )  # fmt: skip
    made = store.create_key(KeyKind.HMAC, terms, NOW, actor=largest)
    other = opened(tmp_path, database)
    assert other.key(largest).terms == terms
    changes = other.changes_after(0)
    assert [record.secret for record in changes.keys] == [made.secret.encode()]
    assert changes.owners_of == {7: 1, largest: 1}
    assert other.changes_after(changes.generation).keys == ()
    other.close()


def test_many_accounts_are_assigned_at_once_or_none(store: IdentityStore) -> None:
    largest = 2**64 - 1
    many = {account: account % 700 + 1 for account in range(100, 1_400)} | {7: 2, largest: 3}
    before = store.generation()
    store.assign_accounts(many, NOW)
    changes = store.changes_after(before)
    assert changes.owners_of == many and changes.generation == before + 1
    assert store.owners() == {1: "Acme", **dict.fromkeys(range(2, 701), "")}
    store.assign_accounts({8: 4}, NOW)
    assert store.changes_after(before).owners_of == many | {8: 4}
    for bad in ({9: 4, 0: 4}, {9: 4, 10: 0}, {9: 2**32}, {2**64: 1, 9: 1}):
        assert rule_of(store.assign_accounts, bad, NOW) is Rule.TERMS_MUST_BE_POSSIBLE
    assert 9 not in store.changes_after(-1).owners_of and store.generation() == before + 2
    store.assign_accounts({}, NOW)


def test_actors_are_counted_and_never_given_twice(store: IdentityStore) -> None:
    store.create_key(KeyKind.HMAC, KeyTerms(owner=1), NOW, actor=2)
    made = [store.create_key(KeyKind.HMAC, KeyTerms(owner=1), NOW).record.actor for _ in range(3)]
    assert made == [1, 3, 4]
    store.revoke_key(4, NOW, by="console")
    assert store.create_key(KeyKind.HMAC, KeyTerms(owner=1), NOW).record.actor == 5
    assert (
        rule_of(store.create_key, KeyKind.HMAC, KeyTerms(owner=1), NOW, actor=4)
        is Rule.PUBLIC_KEY_MUST_BE_NEW
    )


@pytest.mark.parametrize("kind", [KeyKind.ED25519, KeyKind.WALLET])
def test_a_revoked_key_is_never_registered_again(store: IdentityStore, kind: KeyKind) -> None:
    store.add_owner(NOW, owner=2)
    public = proofs.new_ed25519()[1] if kind is KeyKind.ED25519 else b"\x01" * 20
    actor = store.create_key(kind, KeyTerms(owner=1), NOW, public=public).record.actor
    before = store.generation()
    assert (
        rule_of(store.create_key, kind, KeyTerms(owner=2), NOW, public=public) is Rule.PUBLIC_KEY_MUST_BE_NEW
    )
    assert store.generation() == before
    assert store.revoke_key(actor, NOW + 1, by="console", why="lost") == (actor,)
    assert store.revoke_key(actor, NOW + 2, by="another", why="again") == ()
    found = store.key(actor)
    assert (found.revoked_ns, found.revoked_by, found.revoked_why) == (NOW + 1, "console", "lost")
    assert (
        rule_of(store.create_key, kind, KeyTerms(owner=1), NOW, public=public) is Rule.PUBLIC_KEY_MUST_BE_NEW
    )


def test_a_revoked_secret_is_erased(store: IdentityStore) -> None:
    made = store.create_key(KeyKind.HMAC, KeyTerms(owner=1), NOW)
    store.revoke_key(made.record.actor, NOW, by="console")
    (record,) = store.changes_after(0).keys
    assert record.secret == b""
    assert not proofs.proves(record, b"", proofs.sign_hmac("", b""))


def test_terms_that_cannot_be(store: IdentityStore) -> None:
    store.add_owner(NOW, owner=2)
    store.assign_account(8, 2)
    impossible: list[tuple[dict[str, Any], Rule]] = [
        ({"owner": 3}, Rule.OWNER_MUST_EXIST),
        ({"owner": -1}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"accounts": frozenset({8})}, Rule.OWNER_MUST_HAVE_THE_ACCOUNT),
        ({"grants": frozenset({Grant(Role.TRADER, 8)})}, Rule.OWNER_MUST_HAVE_THE_ACCOUNT),
        ({"accounts": frozenset({0})}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"markets": frozenset({0})}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"scopes": Scope(0)}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"cap_micro_usd": -1}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"cap_micro_usd": 2**63}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"expires_ns": NOW}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"networks": ("10.0.0.1/8",)}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"networks": ("anywhere",)}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"networks": ("10.0.0.0/8",) * 101}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"label": "x" * 65}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"label": "a\nb"}, Rule.TERMS_MUST_BE_POSSIBLE),
        ({"owner": 0, "grants": frozenset({Grant(Role.TRADER)})}, Rule.TERMS_MUST_BE_POSSIBLE),
    ]
    for change, rule in impossible:
        terms = KeyTerms(**{"owner": 1} | change)
        assert rule_of(store.create_key, KeyKind.HMAC, terms, NOW) is rule, change
    assert store.keys() == []
    assert rule_of(store.assign_account, 9, 99) is Rule.OWNER_MUST_EXIST
    orphan = rule_of(store.create_key, KeyKind.AGENT, KeyTerms(owner=1), NOW, public=b"\x01" * 20)
    assert orphan is Rule.TERMS_MUST_BE_POSSIBLE


SMALL_ORDER = [
    "00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 31 + "80", "01" + "00" * 30 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f", "ff" * 32,  # longer forms of y
    "02" + "00" * 31, "aa" * 31, "aa" * 33, "",
]  # fmt: skip


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_public_keys_that_are_not_taken(tmp_path: Path, public: str) -> None:
    store = opened(tmp_path, None)
    store.add_owner(NOW, owner=1)
    rule = rule_of(store.create_key, KeyKind.ED25519, KeyTerms(owner=1), NOW, public=bytes.fromhex(public))
    assert rule is Rule.PUBLIC_KEY_MUST_BE_VALID
    store.close()


def test_every_honest_public_key_is_taken() -> None:
    for _ in range(200):
        proofs.check_ed25519_public(proofs.new_ed25519()[1])


def test_the_secret_is_on_disk_only_sealed_and_bound_to_its_key(tmp_path: Path) -> None:
    store = opened(tmp_path, None)
    store.add_owner(NOW, owner=1)
    one = store.create_key(KeyKind.HMAC, KeyTerms(owner=1), NOW)
    other = store.create_key(KeyKind.HMAC, KeyTerms(owner=1), NOW)
    assert one.secret not in repr(one)
    assert repr(one.record.secret) not in repr(one)
    for path in tmp_path.iterdir():
        assert one.secret.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.suffix in {".db-wal", ".db-shm"}, path
    swap = sa.select(KEYS.c.sealed).where(KEYS.c.actor == other.record.actor).scalar_subquery()
    with store._engine.begin() as connection:
        connection.execute(KEYS.update().where(KEYS.c.actor == one.record.actor).values(sealed=swap))
    with pytest.raises(SealBroken):
        store.changes_after(0)
    store.close()


def test_a_home_key_that_is_open_short_or_another(tmp_path: Path) -> None:
    seal = Seal.open(tmp_path)
    path = tmp_path / "identity.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sealed = seal.seal(b"secret", 1)
    assert Seal.open(tmp_path).unseal(sealed, 1) == b"secret"
    for actor, changed in [(2, sealed), (1, sealed[:-1]), (1, b""), (1, bytes(len(sealed)))]:
        with pytest.raises(SealBroken):
            seal.unseal(changed, actor)
    path.chmod(0o640)
    with pytest.raises(SealBroken):
        Seal.open(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(SealBroken):
        Seal.open(tmp_path)
    path.unlink()
    with pytest.raises(SealBroken):
        Seal.open(tmp_path, create=False)
    with pytest.raises(SealBroken):
        Seal.open(tmp_path).unseal(sealed, 1)


def test_a_store_of_a_later_release_does_not_open(
    store: IdentityStore, tmp_path: Path, database: str | None
) -> None:
    with store._engine.begin() as connection:
        connection.execute(META.update().values(version=99))
    with pytest.raises(ConfigError):
        opened(tmp_path, database)


def _begin(home: Path, url: str | None, keys: int) -> None:
    with Identity.open(home, NOW, venue="test", chain_id=1, url=url) as identity:
        identity.store.add_owner(NOW, owner=1)
        for _ in range(keys):
            identity.create_key(None, KeyKind.HMAC, KeyTerms(owner=1), NOW)


def test_processes_that_begin_a_home_at_once_make_one(tmp_path: Path, database: str | None) -> None:
    context = multiprocessing.get_context("spawn")
    racers = [context.Process(target=_begin, args=(tmp_path, database, 20)) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    store = opened(tmp_path, database)
    assert [record.actor for record in store.keys(1)] == list(range(1, 61))
    assert len(store.changes_after(0).keys) == 60  # all sealed under one home's key
    store.close()
