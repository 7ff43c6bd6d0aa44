"""The store of owners, accounts and keys, in SQL: SQLite in the home, or PostgreSQL by URL.

Responsible for: what is durable, and that a revoked key stays revoked and is never registered again. Never: checks a signature or an action,
caches (`keyring`), or reads a clock.

Every change counts the generation up in its own transaction, and its rows carry that number: who has seen generation n asks for the rows
after n. The update of the one row that holds it comes first and serialises writers, so generations are committed in their order.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from novate.identity.bell import Bell
from novate.identity.principals import VENUE, Grant, KeyKind, KeyRecord, KeyTerms, Scope, default_grants
from novate.identity.proofs import check_ed25519_public, new_secret, secret_hash
from novate.identity.refusals import IdentityRefused, Rule
from novate.identity.sealing import Seal
from novate.identity.tables import ACCOUNTS, KEYS, META, OWNER_CAPS, OWNERS, migrate
from novate.messages.codes import Role

DATABASE: Final = "identity.db"
_U64: Final = 2**64
_I64: Final = 2**63
_U32: Final = 2**32
_LABEL: Final = 64
_AT_ONCE: Final = 500
"""Numbers asked for in one query."""
_MOST_NETWORKS: Final = 100
_PUBLIC_BYTES: Final = {KeyKind.ED25519: 32, KeyKind.HMAC: 32, KeyKind.WALLET: 20, KeyKind.AGENT: 20}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `secret` is there for HMAC only, and here only: nothing shows it again."""

    record: KeyRecord
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a generation, up to another one."""

    generation: int
    keys: tuple[KeyRecord, ...]
    owners_of: dict[int, int]
    """Account to owner, of the accounts that changed."""
    caps: dict[int, int]
    """Owner to the most that one of its orders may be worth, of those that changed; 0 without limit."""


class _StoredTerms(msgspec.Struct, frozen=True, array_like=True):
    """KeyTerms without the owner, as they stand in the column `terms`. Fields are appended, never moved."""

    scopes: int
    grants: list[tuple[int, int | None]]
    accounts: list[int] | None
    markets: list[int] | None
    cap_micro_usd: int
    networks: list[str]
    expires_ns: int
    label: str


class IdentityStore:
    """Durable identities of one venue. Any thread; each change is one transaction."""

    def __init__(self, engine: sa.Engine, seal: Seal, bell: Bell | None = None) -> None:
        self._engine = engine
        self._seal = seal
        self._bell = bell

    @classmethod
    def open(cls, home: Path, seal: Seal, *, url: str | None = None, bell: Bell | None = None) -> Self:
        """Opens the store, makes or migrates its tables. `url` names another database than HOME/identity.db."""
        engine = database(home / DATABASE) if url is None else database_at(url)
        migrate(engine)
        return cls(engine, seal, bell)

    # --- owners and accounts ---------------------------------------------------------------------------------------------

    def add_owner(self, now_ns: int, label: str = "", owner: int | None = None) -> int:
        """Adds an owner, under the next free number or a given one; returns it. A known number keeps what it is."""
        with self._change() as (connection, _):
            if owner is None:
                owner = (
                    int(
                        connection.execute(
                            sa.select(sa.func.coalesce(sa.func.max(OWNERS.c.owner), 0))
                        ).scalar_one()
                    )
                    + 1
                )
            _bounded("owner", owner, 1, _U32)
            if not _has_owner(connection, owner):
                connection.execute(
                    OWNERS.insert().values(owner=owner, label=label[:_LABEL], created_ns=now_ns)
                )
        return owner

    def owners(self) -> dict[int, str]:
        """Every owner's number and label."""
        with self._engine.connect() as connection:
            return {
                int(row.owner): str(row.label)
                for row in connection.execute(sa.select(OWNERS).order_by(OWNERS.c.owner))
            }

    def assign_account(self, account: int, owner: int) -> None:
        """Says whose an account is; a later word takes the place of an earlier one. Raises IdentityRefused (`owner_must_exist`)."""
        _bounded("account", account, 1, _U64)
        with self._change() as (connection, generation):
            if not _has_owner(connection, owner):
                raise IdentityRefused(Rule.OWNER_MUST_EXIST, owner=owner)
            known = connection.execute(
                ACCOUNTS.update()
                .where(ACCOUNTS.c.account == _signed(account))
                .values(owner=owner, changed=generation)
            )
            if known.rowcount == 0:
                connection.execute(
                    ACCOUNTS.insert().values(account=_signed(account), owner=owner, changed=generation)
                )

    def assign_accounts(self, owner_of: Mapping[int, int], now_ns: int) -> None:
        """Says of many accounts whose they are, all or none; owners that are not known are added. Raises IdentityRefused (`terms_must_be_possible`)."""
        for account, owner in owner_of.items():
            _bounded("account", account, 1, _U64)
            _bounded("owner", owner, 1, _U32)
        with self._change() as (connection, generation):
            owners = set(owner_of.values())
            new = owners - _known(connection, OWNERS.c.owner, owners)
            if new:
                rows = [{"owner": owner, "label": "", "created_ns": now_ns} for owner in sorted(new)]
                connection.execute(OWNERS.insert(), rows)
            signed = {_signed(account): owner for account, owner in owner_of.items()}
            known = _known(connection, ACCOUNTS.c.account, signed)
            said = [
                {"at": account, "owner": owner, "changed": generation} for account, owner in signed.items()
            ]
            if moved := [row for row in said if row["at"] in known]:
                at = ACCOUNTS.c.account == sa.bindparam("at")
                values: dict[str, Any] = {"owner": sa.bindparam("owner"), "changed": sa.bindparam("changed")}
                connection.execute(ACCOUNTS.update().where(at).values(values), moved)
            if opened := [row for row in said if row["at"] not in known]:
                connection.execute(ACCOUNTS.insert().values(account=sa.bindparam("at")), opened)

    def cap_owner(self, owner: int, order_cap_micro_usd: int) -> None:
        """Says what one order of an owner may be worth at most, by whichever key; 0 without limit. Holds at once for all its keys.

        Raises IdentityRefused (`owner_must_exist`, `terms_must_be_possible`).
        """
        _bounded("order_cap_micro_usd", order_cap_micro_usd, 0, _I64)
        with self._change() as (connection, generation):
            if not _has_owner(connection, owner):
                raise IdentityRefused(Rule.OWNER_MUST_EXIST, owner=owner)
            said = {"order_cap_micro_usd": order_cap_micro_usd, "changed": generation}
            known = connection.execute(OWNER_CAPS.update().where(OWNER_CAPS.c.owner == owner).values(**said))
            if known.rowcount == 0:
                connection.execute(OWNER_CAPS.insert().values(owner=owner, **said))

    # --- keys ------------------------------------------------------------------------------------------------------------

    def create_key(
        self,
        kind: KeyKind,
        terms: KeyTerms,
        now_ns: int,
        *,
        public: bytes = b"",
        parent: int = 0,
        actor: int | None = None,
    ) -> NewKey:
        """Registers a key, durably; for HMAC makes its secret, which is shown here and never again.

        Args:
            kind: How it proves itself.
            terms: What it may do.
            now_ns: When.
            public: The Ed25519 public key, or the address of a wallet or agent.
            parent: The wallet that approved an agent.
            actor: Its id, where the engine knows the key already; else the next free one.

        Raises IdentityRefused: `public_key_must_be_new` (also where a revoked key had it), `public_key_must_be_valid`,
        `terms_must_be_possible`, `owner_must_exist`, `owner_must_have_the_account`.
        """
        terms = _checked_terms(terms, now_ns)
        secret = new_secret() if kind is KeyKind.HMAC else ""
        public = secret_hash(secret.encode()) if secret else bytes(public)
        _check_public(kind, public)
        if (kind is KeyKind.AGENT) != bool(parent):
            raise IdentityRefused(Rule.TERMS_MUST_BE_POSSIBLE, "An agent has a wallet, and nothing else has.")
        try:
            with self._change() as (connection, generation):
                if terms.owner != VENUE and not _has_owner(connection, terms.owner):
                    raise IdentityRefused(Rule.OWNER_MUST_EXIST, owner=terms.owner)
                _check_accounts(connection, terms)
                actor = self._next_actor(connection, actor)
                record = KeyRecord(
                    actor=actor, kind=kind, public=public, terms=terms, parent=parent, created_ns=now_ns,
                    secret=secret.encode(),
                )  # fmt: skip
                connection.execute(KEYS.insert().values(**self._row(record), changed=generation))
        except IntegrityError as error:
            raise IdentityRefused(Rule.PUBLIC_KEY_MUST_BE_NEW) from error
        return NewKey(record, secret)

    def revoke_key(self, actor: int, now_ns: int, *, by: str, why: str = "") -> tuple[int, ...]:
        """Revokes a key for ever, and the agents of a wallet with it; returns the actors revoked now. A revoked one stays as it was.

        When this returns, no process of this home takes the key any more. Raises IdentityRefused (`key_must_exist`).
        """
        with self._change() as (connection, generation):
            same = (KEYS.c.actor == _signed(actor)) | (KEYS.c.parent == _signed(actor))
            rows = connection.execute(sa.select(KEYS.c.actor, KEYS.c.revoked_ns).where(same)).all()
            if _signed(actor) not in {row.actor for row in rows}:
                raise IdentityRefused(Rule.KEY_MUST_EXIST, key=actor)
            live = [int(row.actor) for row in rows if not row.revoked_ns]
            connection.execute(
                KEYS.update()
                .where(KEYS.c.actor.in_(live))
                .values(
                    revoked_ns=now_ns,
                    revoked_by=by[:_LABEL],
                    revoked_why=why[:256],
                    sealed=b"",
                    changed=generation,
                )
            )
        return tuple(sorted(_unsigned(found) for found in live))

    def key(self, actor: int) -> KeyRecord:
        """One key as it stands, without its secret. Raises IdentityRefused (`key_must_exist`)."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(KEYS).where(KEYS.c.actor == _signed(actor))).one_or_none()
        if row is None:
            raise IdentityRefused(Rule.KEY_MUST_EXIST, key=actor)
        return _record(row)

    def keys(self, owner: int | None = None) -> list[KeyRecord]:
        """All keys, or those of one owner, revoked ones too, without secrets, by actor."""
        query = sa.select(KEYS).order_by(KEYS.c.actor)
        with self._engine.connect() as connection:
            rows = connection.execute(query if owner is None else query.where(KEYS.c.owner == owner))
            return [_record(row) for row in rows]

    # --- for the keyring -------------------------------------------------------------------------------------------------

    def generation(self) -> int:
        """Counts changes; read from the database."""
        with self._engine.connect() as connection:
            return int(connection.execute(sa.select(META.c.generation)).scalar_one())

    def changes_after(self, generation: int) -> Changes:
        """Keys, with their secrets, and accounts that changed after a generation."""
        with self._engine.connect() as connection:
            # The number first: a change that commits between these reads is seen now or again, never missed.
            newest = int(connection.execute(sa.select(META.c.generation)).scalar_one())
            keys = connection.execute(sa.select(KEYS).where(KEYS.c.changed > generation)).all()
            accounts = connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.changed > generation)).all()
            caps = connection.execute(sa.select(OWNER_CAPS).where(OWNER_CAPS.c.changed > generation)).all()
        records = []
        for row in keys:
            record = _record(row)
            secret = self._seal.unseal(row.sealed, record.actor) if row.sealed else b""
            records.append(replace(record, secret=secret))
        return Changes(
            newest,
            tuple(records),
            {_unsigned(row.account): int(row.owner) for row in accounts},
            {int(row.owner): int(row.order_cap_micro_usd) for row in caps},
        )

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()

    @contextmanager
    def _change(self) -> Iterator[tuple[sa.Connection, int]]:
        """One transaction that counts the generation up, and rings the bell once it is durable."""
        with self._engine.begin() as connection:
            connection.execute(META.update().values(generation=META.c.generation + 1))
            generation = int(connection.execute(sa.select(META.c.generation)).scalar_one())
            yield connection, generation
        if self._bell is not None:
            self._bell.ring()

    def _next_actor(self, connection: sa.Connection, actor: int | None) -> int:
        if actor is not None:
            _bounded("actor", actor, 1, _U64)
            if connection.execute(sa.select(KEYS.c.actor).where(KEYS.c.actor == _signed(actor))).first():
                raise IdentityRefused(Rule.PUBLIC_KEY_MUST_BE_NEW, "The actor is a key already.", key=actor)
            return actor
        number = int(connection.execute(sa.select(META.c.next_actor)).scalar_one())
        while connection.execute(sa.select(KEYS.c.actor).where(KEYS.c.actor == number)).first():
            number += 1
        connection.execute(META.update().values(next_actor=number + 1))
        return number

    def _row(self, record: KeyRecord) -> dict[str, Any]:
        terms = record.terms
        stored = _StoredTerms(
            scopes=int(terms.scopes),
            grants=sorted(
                ((int(grant.role), grant.account) for grant in terms.grants),
                key=lambda pair: (pair[0], pair[1] is not None, pair[1] or 0),
            ),
            accounts=None if terms.accounts is None else sorted(terms.accounts),
            markets=None if terms.markets is None else sorted(terms.markets),
            cap_micro_usd=terms.cap_micro_usd,
            networks=list(terms.networks),
            expires_ns=terms.expires_ns,
            label=terms.label,
        )
        return {
            "actor": _signed(record.actor),
            "owner": terms.owner,
            "kind": record.kind.value,
            "parent": _signed(record.parent),
            "public": record.public,
            "sealed": self._seal.seal(record.secret, record.actor) if record.secret else b"",
            "terms": msgspec.json.encode(stored),
            "created_ns": record.created_ns,
            "revoked_ns": 0,
            "revoked_by": "",
            "revoked_why": "",
        }


def database(path: Path, metadata: sa.MetaData | None = None, *, forgets: bool = False) -> sa.Engine:
    """A SQLite file of a home, for its owner's eyes alone, made where it is not there, with the tables of `metadata`.

    `forgets`: what is deleted is overwritten, and there is no second file that holds it longer.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = database_at(f"sqlite+pysqlite:///{path}", forgets=forgets)
    if metadata is not None:
        with engine.connect() as connection:  # one process at a time: several may begin a home at once
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            metadata.create_all(connection)
            connection.commit()
    return engine


def database_at(url: str, *, forgets: bool = False) -> sa.Engine:
    """The same by URL; a commit is on disk when it returns."""
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_forgetting if forgets else _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _prepare_forgetting(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=DELETE")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _record(row: sa.Row[Any]) -> KeyRecord:
    stored = msgspec.json.decode(row.terms, type=_StoredTerms)
    terms = KeyTerms(
        owner=int(row.owner),
        scopes=Scope(stored.scopes),
        grants=frozenset(Grant(Role(role), account) for role, account in stored.grants),
        accounts=None if stored.accounts is None else frozenset(stored.accounts),
        markets=None if stored.markets is None else frozenset(stored.markets),
        cap_micro_usd=stored.cap_micro_usd,
        networks=tuple(stored.networks),
        expires_ns=stored.expires_ns,
        label=stored.label,
    )
    return KeyRecord(
        actor=_unsigned(row.actor), kind=KeyKind(row.kind), public=bytes(row.public), terms=terms,
        parent=_unsigned(row.parent), created_ns=int(row.created_ns), revoked_ns=int(row.revoked_ns),
        revoked_by=str(row.revoked_by), revoked_why=str(row.revoked_why),
    )  # fmt: skip


def _checked_terms(terms: KeyTerms, now_ns: int) -> KeyTerms:
    """The terms with their defaults filled in. Raises IdentityRefused (`terms_must_be_possible`)."""
    _bounded("owner", terms.owner, 0, _U32)
    _bounded("cap_micro_usd", terms.cap_micro_usd, 0, _I64)
    _bounded("expires_ns", terms.expires_ns, 0, _I64)
    for account in terms.accounts or ():
        _bounded("account", account, 1, _U64)
    for market in terms.markets or ():
        _bounded("market", market, 1, _U32)
    if terms.expires_ns and terms.expires_ns <= now_ns:
        raise _impossible("expires_ns lies in the past.")
    if not terms.scopes:
        raise _impossible("A key has at least one scope.")
    if len(terms.label) > _LABEL or not terms.label.isprintable():
        raise _impossible(f"A label has {_LABEL} printable characters at most.")
    if terms.owner == VENUE and any(grant.account != VENUE for grant in terms.grants):
        raise _impossible("The venue's own people have roles at the venue.")
    grants = terms.grants or (default_grants(terms.scopes) if terms.owner else frozenset())
    return replace(terms, grants=grants, networks=_checked_networks(terms.networks))


def _checked_networks(networks: Iterable[str]) -> tuple[str, ...]:
    try:
        found = tuple(str(ipaddress.ip_network(network)) for network in networks)
    except ValueError as error:
        raise _impossible(f"{error}.") from error
    if len(found) > _MOST_NETWORKS:
        raise _impossible(f"At most {_MOST_NETWORKS} networks.")
    return found


def _check_public(kind: KeyKind, public: bytes) -> None:
    if len(public) != _PUBLIC_BYTES[kind] or public == bytes(len(public)):
        raise IdentityRefused(
            Rule.PUBLIC_KEY_MUST_BE_VALID, f"Of {kind.value} it is {_PUBLIC_BYTES[kind]} bytes, not all zero."
        )
    if kind is KeyKind.ED25519:
        check_ed25519_public(public)


def _check_accounts(connection: sa.Connection, terms: KeyTerms) -> None:
    named = {grant.account for grant in terms.grants if grant.account not in (None, VENUE)} | (
        terms.accounts or set()
    )
    for account in named:
        row = connection.execute(
            sa.select(ACCOUNTS.c.owner).where(ACCOUNTS.c.account == _signed(int(account or 0)))
        ).first()
        if row is None or row.owner != terms.owner:
            raise IdentityRefused(Rule.OWNER_MUST_HAVE_THE_ACCOUNT, account=account, owner=terms.owner)


def _has_owner(connection: sa.Connection, owner: int) -> bool:
    return connection.execute(sa.select(OWNERS.c.owner).where(OWNERS.c.owner == owner)).first() is not None


def _known(connection: sa.Connection, column: sa.Column[int], wanted: Iterable[int]) -> set[int]:
    """Which of the numbers are in a column."""
    numbers, found = sorted(wanted), set[int]()
    for start in range(0, len(numbers), _AT_ONCE):
        asked = column.in_(numbers[start : start + _AT_ONCE])
        found.update(connection.execute(sa.select(column).where(asked)).scalars())
    return found


def _bounded(name: str, value: object, least: int, below: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < below:
        raise _impossible(f"{name} must be from {least} and below {below}, got {value!r}.")


def _impossible(detail: str) -> IdentityRefused:
    return IdentityRefused(Rule.TERMS_MUST_BE_POSSIBLE, detail)


def _signed(value: int) -> int:
    return value - _U64 if value >= _I64 else value


def _unsigned(value: int) -> int:
    return int(value) % _U64
