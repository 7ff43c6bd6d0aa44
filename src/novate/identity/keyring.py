"""The keys in memory: what a request is checked with, never older than the last revocation.

Responsible for: principals by actor and by address, whose accounts are whose, and how fresh that is. Never: writes.

How stale it can be: not at all after a change by a process of this home, because each look-up first compares the bell (a tenth of a
microsecond) and reads what changed; and `poll_ns` (250 ms) after a change on another machine, or by a process that died after its commit and
before the bell. If the database can't be asked, nobody is let in.
"""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import replace
from functools import lru_cache
from typing import Final

from novate.identity.bell import Bell
from novate.identity.principals import KeyKind, KeyRecord, Principal, principal_of
from novate.identity.refusals import IdentityRefused, Rule
from novate.identity.store import IdentityStore

POLL_NS: Final = 250_000_000
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Keyring:
    """All keys and accounts of a venue. Any thread."""

    def __init__(self, store: IdentityStore, bell: Bell, *, poll_ns: int = POLL_NS) -> None:
        self._store = store
        self._bell = bell
        self._poll_ns = poll_ns
        self._heard = b""
        self._polled_ns = 0
        self._generation = -1
        self._records: dict[int, KeyRecord] = {}
        self._by_public: dict[bytes, int] = {}
        self._networks: dict[int, tuple[Network, ...]] = {}
        self._principals: dict[int, Principal] = {}
        self._owner_of: dict[int, int] = {}
        self._caps: dict[int, int] = {}
        self._lock = threading.Lock()

    def freshen(self, now_ns: int) -> None:
        """Reads what changed, where anything did."""
        if self._bell.count() != self._heard or abs(now_ns - self._polled_ns) >= self._poll_ns:
            self._look(now_ns)

    def record(self, actor: int, now_ns: int) -> KeyRecord:
        """A key that may be used now. Raises IdentityRefused: `key_must_exist`, `..._not_be_revoked`, `..._not_be_expired`."""
        self.freshen(now_ns)
        record = self._records.get(actor)
        if record is None:
            raise IdentityRefused(Rule.KEY_MUST_EXIST, key=actor)
        self._check_usable(record, now_ns)
        if record.parent:
            wallet = self._records.get(record.parent)
            if wallet is None:
                raise IdentityRefused(Rule.KEY_MUST_EXIST, key=record.parent)
            self._check_usable(wallet, now_ns)
        return record

    def signer(self, wallet: bytes, agent: bytes | None, now_ns: int) -> KeyRecord:
        """The key of a wallet, or of its agent. Raises as `record`; an agent of another wallet is none of this one's."""
        self.freshen(now_ns)
        owner_key = self._by_public.get(wallet)
        if owner_key is None or self._records[owner_key].kind is not KeyKind.WALLET:
            raise IdentityRefused(Rule.KEY_MUST_EXIST, "The wallet is unknown.", wallet="0x" + wallet.hex())
        if agent is None:
            return self.record(owner_key, now_ns)
        found = self._by_public.get(agent)
        if found is None or self._records[found].parent != owner_key:
            raise IdentityRefused(
                Rule.KEY_MUST_EXIST, "The wallet has not approved this agent.", agent="0x" + agent.hex()
            )
        return self.record(found, now_ns)

    def principal(self, record: KeyRecord) -> Principal:
        """As whom a key acts."""
        found = self._principals.get(record.actor)
        if found is None:
            wallet = self._records[record.parent] if record.parent else None
            found = self._principals[record.actor] = principal_of(
                record, wallet, self._generation, self._caps.get(record.terms.owner, 0)
            )
        return found

    def still(self, principal: Principal, now_ns: int) -> Principal:
        """The principal of a session, as it stands now, without roles that a door took from it. Raises as `record` once its key may not be used any more."""
        if not principal.actor:
            return principal
        self.freshen(now_ns)
        if principal.generation == self._generation and not 0 < principal.expires_ns <= now_ns:
            return principal
        found = self.principal(self.record(principal.actor, now_ns))
        roles = found.venue_roles & principal.venue_roles  # a key's own never grow
        if not principal.certificate and roles == found.venue_roles:
            return found
        return replace(found, certificate=principal.certificate, venue_roles=roles)

    def check_address(self, record: KeyRecord, address: str) -> None:
        """Raises IdentityRefused (`address_must_be_on_the_list`) where a key, or its wallet, may not be used from there."""
        for actor in (record.actor, record.parent):
            networks = self._networks.get(actor)
            if networks:
                known = _parsed(address)
                if known is None or not any(known in network for network in networks):
                    raise IdentityRefused(
                        Rule.ADDRESS_MUST_BE_ON_THE_LIST, address=address[:64], key=record.actor
                    )

    def owner_of(self, account: int) -> int | None:
        """Whose an account is; None for one that the store does not know."""
        return self._owner_of.get(account)

    def told(self, account: int, owner: int) -> None:
        """Whose an account is, for here and now; who says so writes it into the store, too."""
        self._owner_of[account] = owner

    def _check_usable(self, record: KeyRecord, now_ns: int) -> None:
        if record.revoked_ns:
            raise IdentityRefused(
                Rule.KEY_MUST_NOT_BE_REVOKED, key=record.actor, revoked_ns=record.revoked_ns
            )
        if 0 < record.terms.expires_ns <= now_ns:
            raise IdentityRefused(
                Rule.KEY_MUST_NOT_BE_EXPIRED, key=record.actor, expires_ns=record.terms.expires_ns
            )

    def _look(self, now_ns: int) -> None:
        with self._lock:
            heard = self._bell.count()  # before the database: what is rung after this is looked for again
            if self._store.generation() != self._generation:
                changes = self._store.changes_after(self._generation)
                for record in changes.keys:
                    self._records[record.actor] = record
                    self._by_public[record.public] = record.actor
                    self._networks[record.actor] = tuple(
                        ipaddress.ip_network(network) for network in record.terms.networks
                    )
                self._owner_of.update(changes.owners_of)
                self._caps.update(changes.caps)
                self._principals = {}
                self._generation = changes.generation
            self._heard, self._polled_ns = heard, now_ns


@lru_cache(maxsize=4_096)
def _parsed(address: str) -> Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
