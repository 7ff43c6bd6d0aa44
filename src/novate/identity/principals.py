"""Who speaks: scopes, grants of roles, keys as they stand in the store, and the principal that a request acts as.

Responsible for: these values and how an agent's rights follow from its wallet's. Never: reads a store, checks a signature, or decides an
action (`authority`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from types import MappingProxyType
from typing import Final

from novate.messages.codes import Role

VENUE: Final = 0
"""The place of a grant that holds at the venue, as account 0 of a command is the venue."""


class Scope(IntFlag):
    """What a key was made for; added together. None implies another.

    Attributes:
        READ: Sees.
        TRADE: Orders, packages, quotes, issuance.
        TRANSFER: Moves money; out of the venue only where the key cannot trade.
        ADMIN: Keys, roles, and acts of the venue's own people.
    """

    READ = 1
    TRADE = 2
    TRANSFER = 4
    ADMIN = 8

    @property
    def words(self) -> tuple[str, ...]:
        """The scopes as lower-case words, in a fixed order."""
        return tuple(str(scope.name).lower() for scope in Scope if scope in self)

    @classmethod
    def of(cls, *words: str) -> Scope:
        """The scopes of these words. Raises KeyError for a word that is none."""
        found = cls(0)
        for word in words:
            found |= cls[word.upper()] if word.islower() else cls[""]
        return found


EVERY_SCOPE: Final = Scope.READ | Scope.TRADE | Scope.TRANSFER | Scope.ADMIN


class KeyKind(StrEnum):
    """How a key proves itself.

    Attributes:
        ED25519: A signature over the canonical string; the venue has the public key only.
        HMAC: A shared secret over the canonical string.
        WALLET: An Ethereum address that signs typed data.
        AGENT: An address that a wallet approved, with limits of its own.
    """

    ED25519 = "ed25519"
    HMAC = "hmac"
    WALLET = "wallet"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role of a key at one account, at the venue (`VENUE`), or (None) at every account of its owner."""

    role: Role
    account: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTerms:
    """What a key may do. Ids are the engine's."""

    owner: int
    """Whose accounts it acts for; 0 for the venue's own people."""
    scopes: Scope = Scope.READ
    grants: frozenset[Grant] = frozenset()
    """Roles; empty gives at the owner's accounts what the scopes need: viewer, trader, treasurer."""
    accounts: frozenset[int] | None = None
    """The owner's accounts it is limited to; None for all of them, also those to come."""
    markets: frozenset[int] | None = None
    """Markets it is limited to; None for all."""
    cap_micro_usd: int = 0
    """Most that one order may be worth; 0 without limit."""
    networks: tuple[str, ...] = ()
    """Networks (CIDR) it may be used from; empty for all."""
    expires_ns: int = 0
    """Ends at this time; 0 without end."""
    label: str = ""
    """For people, 64 characters at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as the store has it. `secret` is only in the memory of who must check an HMAC."""

    actor: int
    """The key's id, u64: `actor` in the header of what it sends."""
    kind: KeyKind
    public: bytes
    """Ed25519: the 32 bytes. Wallet and agent: the 20 bytes of the address. HMAC: SHA-256 of the secret."""
    terms: KeyTerms
    parent: int = 0
    """An agent's wallet, as its actor; else 0."""
    created_ns: int = 0
    revoked_ns: int = 0
    """When it was revoked; 0 while it lives."""
    revoked_by: str = ""
    revoked_why: str = ""
    secret: bytes = field(default=b"", repr=False)


class PrincipalKind(StrEnum):
    """As what a request acts.

    Attributes:
        ANONYMOUS: Nobody: public data only.
        KEY: An Ed25519 or HMAC key.
        WALLET: A wallet.
        AGENT: An agent of a wallet.
        DEV: Everybody at once, on a venue that runs for development.
    """

    ANONYMOUS = "anonymous"
    KEY = "key"
    WALLET = "wallet"
    AGENT = "agent"
    DEV = "dev"


_NO_SCOPE: Final = Scope(0)
_NO_ROLES: Final[frozenset[Role]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """As whom a request acts, with all that an action is compared with. Built by the keyring, valid while its generation is."""

    kind: PrincipalKind
    actor: int = 0
    owner: int = 0
    scopes: Scope = _NO_SCOPE
    venue_roles: frozenset[Role] = _NO_ROLES
    everywhere: frozenset[Role] = _NO_ROLES
    """Roles at every account of the owner."""
    at_account: Mapping[int, frozenset[Role]] = field(default_factory=lambda: MappingProxyType({}))
    """Further roles at single accounts."""
    accounts: frozenset[int] | None = None
    markets: frozenset[int] | None = None
    cap_micro_usd: int = 0
    expires_ns: int = 0
    certificate: str = ""
    """Serial number and subject of the client certificate it came with, where it came through the admin door: evidence for the log."""
    generation: int = 0
    """Of the keyring when this was built; another one means: build it again."""

    def roles_at(self, account: int) -> frozenset[Role]:
        """Roles at an account of the principal's own; ownership is checked elsewhere."""
        if not self.at_account:
            return self.everywhere
        return self.everywhere | self.at_account.get(account, _NO_ROLES)


ANONYMOUS: Final = Principal(kind=PrincipalKind.ANONYMOUS)
DEV: Final = Principal(
    kind=PrincipalKind.DEV, scopes=EVERY_SCOPE, venue_roles=frozenset(Role), everywhere=frozenset(Role)
)
"""May do everything and is checked for nothing. Exists for venues opened with `dev=True` only."""

_KIND: Final = {
    KeyKind.ED25519: PrincipalKind.KEY,
    KeyKind.HMAC: PrincipalKind.KEY,
    KeyKind.WALLET: PrincipalKind.WALLET,
    KeyKind.AGENT: PrincipalKind.AGENT,
}
_ROLE_OF_SCOPE: Final = {
    Scope.READ: Role.VIEWER,
    Scope.TRADE: Role.TRADER,
    Scope.TRANSFER: Role.TREASURER,
    Scope.ADMIN: Role.TREASURER,
}


def default_grants(scopes: Scope) -> frozenset[Grant]:
    """The roles at all accounts of its owner that a key with these scopes can use."""
    return frozenset(Grant(role) for scope, role in _ROLE_OF_SCOPE.items() if scope in scopes)


def principal_of(
    record: KeyRecord, wallet: KeyRecord | None = None, generation: int = 0, owner_cap: int = 0
) -> Principal:
    """The principal of a key; for an agent the narrower of its own terms and its wallet's, in every respect.

    `owner_cap` is the most that one order of its owner may be worth, by whichever key; 0 without limit.
    """
    terms = record.terms
    grants = terms.grants
    scopes, accounts, markets = terms.scopes, terms.accounts, terms.markets
    cap, expires = terms.cap_micro_usd, terms.expires_ns
    if wallet is not None:
        above = wallet.terms
        scopes &= above.scopes & ~Scope.ADMIN
        grants = above.grants
        accounts = _narrower(accounts, above.accounts)
        markets = _narrower(markets, above.markets)
        cap = _lower(cap, above.cap_micro_usd)
        expires = _lower(expires, above.expires_ns)
    at: dict[int, set[Role]] = {}
    for grant in grants:
        if grant.account not in (None, VENUE):
            at.setdefault(int(grant.account or 0), set()).add(grant.role)
    return Principal(
        kind=_KIND[record.kind],
        actor=record.actor,
        owner=terms.owner,
        scopes=scopes,
        venue_roles=frozenset(grant.role for grant in grants if grant.account == VENUE),
        everywhere=frozenset(grant.role for grant in grants if grant.account is None),
        at_account=MappingProxyType({account: frozenset(roles) for account, roles in at.items()}),
        accounts=accounts,
        markets=markets,
        cap_micro_usd=_lower(cap, owner_cap),
        expires_ns=expires,
        generation=generation,
    )


def _narrower(one: frozenset[int] | None, other: frozenset[int] | None) -> frozenset[int] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _lower(one: int, other: int) -> int:
    """The lower of two limits of which 0 is none."""
    return min(one, other) if one and other else one or other
