"""Identity as a gateway uses it: one object that knows who speaks, what they may do, and writes down what must be kept.

Responsible for: the order of the checks, and that what is changed is authorised and recorded. Never: speaks HTTP, reads a clock, or touches
the engine. Time is an argument, in nanoseconds since 1970 UTC.

The order of a signed request's checks: well-formed, known key, not revoked, not expired, network address, clock window and own expiry,
signature, nonce. The nonce comes last, so that only the key's holder can use one up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from novate.errors import Fact
from novate.identity import authority, proofs, typed
from novate.identity.audit import AuditLog
from novate.identity.bell import Bell
from novate.identity.canonical import LOGIN, SignedRequest, canonical_of
from novate.identity.escalation import check_may_give, check_may_keep_keys
from novate.identity.keyring import Keyring
from novate.identity.nonces import SECOND, NonceJournal
from novate.identity.principals import (
    ANONYMOUS,
    DEV,
    VENUE,
    KeyKind,
    KeyRecord,
    KeyTerms,
    Principal,
    PrincipalKind,
    Scope,
)
from novate.identity.refusals import IdentityRefused, Rule
from novate.identity.sealing import Seal
from novate.identity.store import IdentityStore, NewKey
from novate.identity.wallets import WalletChecker, WalletRequest, examine

_FAILURES_PER_SECOND: Final = 20
_SELF_SIGNED: Final = frozenset({"ApproveAgent", "RevokeAgent"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a dry run found: nothing was used up by it."""

    accepted: bool
    refusal: dict[str, Fact] | None
    """The first refusal the request would meet, as in an answer."""
    canonical: str = ""
    """The string that had to be signed, for API keys."""
    digest: str = ""
    """The 32 bytes that had to be signed, 0x-text, for wallets."""
    separator: str = ""
    struct: str = ""
    recovered: str = ""
    """Address that the signature recovers to, where it does."""
    claimed: str = ""


class Identity:
    """Everything about who speaks at one venue. For one thread, but for `authenticate_wallet_async`, which checks in others."""

    def __init__(
        self, venue: str, seal: Seal, bell: Bell, store: IdentityStore, nonces: NonceJournal, audit: AuditLog,
        wallets: WalletChecker, *, dev: bool,
    ) -> None:  # fmt: skip
        self.venue = venue
        self.store = store
        """Owners, accounts and keys. Changes through it are not authorised and not recorded: for those prefer the methods here."""
        self.keyring = Keyring(store, bell)
        self.nonces = nonces
        self.audit = audit
        self.wallets = wallets
        self._seal = seal
        self._bell = bell
        self._dev = dev
        self._failures: tuple[int, int, int] = (
            0,
            0,
            0,
        )  # second, recorded in it, left out since the last record

    @classmethod
    def open(
        cls,
        home: Path | str,
        now_ns: int,
        *,
        venue: str,
        chain_id: int,
        dev: bool = False,
        url: str | None = None,
        window_ns: int = 60 * SECOND,
        wallet_threads: int = 2,
    ) -> Self:
        """Opens the identity of a home, or begins it.

        Args:
            home: The venue's home directory.
            now_ns: The time.
            venue: The venue's id, part of every signature: a test venue has another one.
            chain_id: Of the chain that wallets are asked to sign for.
            dev: Whether the venue runs for development, where `DEV` exists.
            url: The database, where it is not HOME/identity.db.
            window_ns: Greatest distance of a request's timestamp from the venue's clock, 30 s at least.
            wallet_threads: Threads for `authenticate_wallet_async`.

        Raises SealBroken, AuditDamaged, NonceJournalDamaged, ConfigError.
        """
        home = Path(home)
        home.mkdir(parents=True, exist_ok=True)
        seal = Seal.open(home)
        bell = Bell.open(home)
        audit = AuditLog.open(home, seal.key)
        store = IdentityStore.open(home, seal, url=url, bell=bell)
        nonces = NonceJournal.open(home / "nonces", now_ns, window_ns=window_ns)
        wallets = WalletChecker(typed.Domain(venue, chain_id), wallet_threads)
        return cls(venue, seal, bell, store, nonces, audit, wallets, dev=dev)

    def close(self) -> None:
        """Closes all files and ends all threads."""
        self.wallets.close()
        self.nonces.close()
        self.audit.close()
        self.store.close()
        self._bell.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- who speaks ------------------------------------------------------------------------------------------------------

    def nobody(self) -> Principal:
        """Who gave no credentials: on a venue for development everybody at once, else nobody."""
        return DEV if self._dev else ANONYMOUS

    def authenticate(self, request: SignedRequest, now_ns: int, address: str = "") -> Principal:
        """The principal of a request signed by an API key. Raises IdentityRefused; uses up the nonce only if nothing is wrong."""
        given = request.credentials
        try:
            record = self._check(request, now_ns, address)
            self.nonces.take(given.key, given.nonce, given.timestamp_ns, now_ns, given.expires_after_ns)
        except IdentityRefused as refusal:
            self._note_failure(refusal, now_ns, given.key, address)
            raise
        return self.keyring.principal(record)

    def login(self, request: SignedRequest, now_ns: int, address: str = "") -> Principal:
        """The same for a WebSocket, once: its later commands are unsigned, each after `still`. The method must be LOGIN."""
        if request.method != LOGIN:
            raise IdentityRefused(Rule.CREDENTIALS_MUST_BE_WELL_FORMED, f"A login's method is {LOGIN}.")
        principal = self.authenticate(request, now_ns, address)
        self.audit.record("login", now_ns, actor=principal.actor, address=address)
        return principal

    def authenticate_wallet(self, request: WalletRequest, now_ns: int, address: str = "") -> Principal:
        """The principal of a typed message, checked in this thread. Raises IdentityRefused."""
        try:
            record = self._check_wallet_key(request, now_ns, address)
            self.wallets.check(request)
            return self._admit_wallet(request, record, now_ns, address)
        except IdentityRefused as refusal:
            self._note_failure(refusal, now_ns, 0, address, typed.address_text(request.signer))
            raise

    async def authenticate_wallet_async(
        self, request: WalletRequest, now_ns: int, address: str = ""
    ) -> Principal:
        """The same, with the signature recovered in a thread of the pool."""
        try:
            record = self._check_wallet_key(request, now_ns, address)
            await self.wallets.check_async(request)
            return self._admit_wallet(request, record, now_ns, address)
        except IdentityRefused as refusal:
            self._note_failure(refusal, now_ns, 0, address, typed.address_text(request.signer))
            raise

    def still(self, principal: Principal, now_ns: int) -> Principal:
        """A session's principal as it stands now; to be asked before each of its commands. Raises IdentityRefused once its key is gone."""
        return self.keyring.still(principal, now_ns)

    def authorise(
        self,
        principal: Principal,
        action: str,
        account: int = 0,
        market: int | None = None,
        notional_micro_usd: int | None = None,
    ) -> authority.Action:
        """Whether a principal may do this: see `authority.authorise`. Raises IdentityRefused."""
        return authority.authorise(
            principal, action, account, market, notional_micro_usd, owner_of=self.keyring.owner_of
        )

    def verify(self, request: SignedRequest, now_ns: int, address: str = "") -> Verdict:
        """A dry run of `authenticate`: what had to be signed, and the first refusal. Uses no nonce, records nothing."""
        text = ""
        try:
            text = canonical_of(self.venue, request).decode("ascii")
            self._check(request, now_ns, address)
        except IdentityRefused as refusal:
            return Verdict(accepted=False, refusal=refusal.as_answer(), canonical=text)
        return Verdict(accepted=True, refusal=None, canonical=text)

    def verify_wallet(self, request: WalletRequest, now_ns: int, address: str = "") -> Verdict:
        """A dry run of `authenticate_wallet`: digest, recovered address, and the first refusal: the signature's before the key's."""
        try:
            found = examine(self.wallets.domain, request)
        except IdentityRefused as refusal:
            return Verdict(accepted=False, refusal=refusal.as_answer())
        refusal_found = found.refusal
        if refusal_found is None:
            try:
                self._check_wallet_key(request, now_ns, address)
            except IdentityRefused as refusal:
                refusal_found = refusal
        return Verdict(
            accepted=refusal_found is None,
            refusal=None if refusal_found is None else refusal_found.as_answer(),
            digest="0x" + found.digest.hex(),
            separator="0x" + found.separator.hex(),
            struct="0x" + found.struct.hex(),
            recovered="" if found.recovered is None else typed.address_text(found.recovered),
            claimed=typed.address_text(found.claimed),
        )

    # --- keys ------------------------------------------------------------------------------------------------------------

    def create_key(
        self,
        by: Principal | None,
        kind: KeyKind,
        terms: KeyTerms,
        now_ns: int,
        *,
        public: bytes = b"",
        actor: int | None = None,
    ) -> NewKey:
        """Registers an API key or a wallet; `by` None is the console of the machine.

        Raises as `IdentityStore.create_key`, and where `by` may not make such a key (`grant_must_not_exceed_ones_own` and others).
        """
        if by is not None:
            by = self.still(by, now_ns)
            check_may_keep_keys(by, terms.owner, "keys.create")
            check_may_give(
                by, terms, None if not by.actor else self.keyring.record(by.actor, now_ns).terms.networks
            )
        made = self.store.create_key(kind, terms, now_ns, public=public, actor=actor)
        self._note_key("key_created", made.record, now_ns, by)
        return made

    def keys_of(self, by: Principal | None, now_ns: int) -> tuple[KeyRecord, ...]:
        """The keys that `by` may see: all for the console and the venue's people who keep keys, else its owner's. Raises IdentityRefused."""
        if by is None:
            return tuple(self.store.keys())
        by = self.still(by, now_ns)
        check_may_keep_keys(by, by.owner, "keys.list")
        of_venue = not authority.action_of("keys.list").venue_roles.isdisjoint(by.venue_roles)
        return tuple(self.store.keys(None if of_venue else by.owner))

    def revoke_key(self, by: Principal | None, actor: int, now_ns: int, why: str = "") -> tuple[int, ...]:
        """Revokes a key for ever, and a wallet's agents with it. Everyone may revoke the key they hold. Returns what was revoked now."""
        if by is not None:
            by = self.still(by, now_ns)
            if by.actor != actor:
                check_may_keep_keys(by, self._owner_of_key(actor), "keys.revoke")
        revoked = self.store.revoke_key(actor, now_ns, by=_who(by), why=why)
        for found in revoked:
            self.audit.record(
                "key_revoked",
                now_ns,
                actor=0 if by is None else by.actor,
                wait=True,
                key=found,
                by=_who(by),
                why=why[:256],
            )
        return revoked

    def approve_agent(
        self,
        request: WalletRequest,
        now_ns: int,
        *,
        market_id: Callable[[str], int | None],
        address: str = "",
    ) -> NewKey:
        """Makes an agent of the wallet that signed `ApproveAgent`, within the wallet's own limits, for ever one key.

        `market_id` gives a market's id by its name. Raises IdentityRefused.
        """
        if request.kind != "ApproveAgent":
            raise IdentityRefused(Rule.TYPED_DATA_MUST_FIT_ITS_TYPE, "An agent is approved by ApproveAgent.")
        principal = self.authenticate_wallet(request, now_ns, address)
        terms = _agent_terms(request.message, principal, market_id)
        agent = typed.address_of(request.message["agent"])
        made = self.store.create_key(KeyKind.AGENT, terms, now_ns, public=agent, parent=principal.actor)
        self._note_key("agent_approved", made.record, now_ns, principal)
        return made

    def revoke_agent(self, request: WalletRequest, now_ns: int, address: str = "") -> tuple[int, ...]:
        """Revokes, for ever, the agent named in the `RevokeAgent` that its wallet signed."""
        if request.kind != "RevokeAgent":
            raise IdentityRefused(Rule.TYPED_DATA_MUST_FIT_ITS_TYPE, "An agent is revoked by RevokeAgent.")
        principal = self.authenticate_wallet(request, now_ns, address)
        agent = self.keyring.signer(request.wallet, typed.address_of(request.message["agent"]), now_ns)
        revoked = self.store.revoke_key(agent.actor, now_ns, by=_who(principal), why="by its wallet")
        self.audit.record("agent_revoked", now_ns, actor=principal.actor, wait=True, key=agent.actor)
        return revoked

    def note(self, kind: str, principal: Principal, now_ns: int, *, sequence: int = 0, **facts: Fact) -> None:
        """Records an act of the venue's people, with the certificate it came with and the engine's sequence, where known."""
        if principal.certificate:
            facts = {"certificate": principal.certificate[:256], **facts}
        self.audit.record(kind, now_ns, actor=principal.actor, sequence=sequence, wait=True, **facts)

    # --- inside ----------------------------------------------------------------------------------------------------------

    def _owner_of_key(self, actor: int) -> int:
        """Whose a key is; of one that does not exist the venue's, so that both are the same answer to a stranger."""
        try:
            return self.store.key(actor).terms.owner
        except IdentityRefused:
            return VENUE

    def _check(self, request: SignedRequest, now_ns: int, address: str) -> KeyRecord:
        given = request.credentials
        message = canonical_of(self.venue, request)
        record = self.keyring.record(given.key, now_ns)
        self.keyring.check_address(record, address)
        self.nonces.check_time(given.timestamp_ns, now_ns, given.expires_after_ns)
        if not proofs.proves(record, message, given.signature):
            raise IdentityRefused(Rule.SIGNATURE_MUST_VERIFY, key=given.key, kind=record.kind.value)
        return record

    def _check_wallet_key(self, request: WalletRequest, now_ns: int, address: str) -> KeyRecord:
        if request.kind in typed.PARTS:
            raise IdentityRefused(
                Rule.TYPED_DATA_MUST_FIT_ITS_TYPE, f"{request.kind} is a part of a message."
            )
        if request.agent is not None and request.kind in _SELF_SIGNED:
            raise IdentityRefused(Rule.WALLET_MUST_SIGN_ITSELF)
        timestamp_ns, expires_after_ns, _ = typed.seal_of(request.kind, request.message)
        record = self.keyring.signer(request.wallet, request.agent, now_ns)
        self.keyring.check_address(record, address)
        self.nonces.check_time(timestamp_ns, now_ns, expires_after_ns)
        return record

    def _admit_wallet(
        self, request: WalletRequest, record: KeyRecord, now_ns: int, address: str
    ) -> Principal:
        record = self.keyring.record(
            record.actor, now_ns
        )  # it may have been revoked while its signature was checked
        timestamp_ns, expires_after_ns, nonce = typed.seal_of(request.kind, request.message)
        self.nonces.take(record.actor, nonce, timestamp_ns, now_ns, expires_after_ns)
        if request.kind == "Login":
            self.audit.record("login", now_ns, actor=record.actor, address=address)
        return self.keyring.principal(record)

    def _note_key(self, kind: str, record: KeyRecord, now_ns: int, by: Principal | None) -> None:
        terms = record.terms
        self.audit.record(
            kind, now_ns, actor=0 if by is None else by.actor, wait=True, key=record.actor, by=_who(by),
            owner=terms.owner, key_kind=record.kind.value, scopes=",".join(terms.scopes.words), label=terms.label,
        )  # fmt: skip

    def _note_failure(
        self, refusal: IdentityRefused, now_ns: int, claimed: int, address: str, signer: str = ""
    ) -> None:
        """Records a refusal that no retry heals: a number of them a second at most, and then how many were left out."""
        if refusal.rule.retryable:
            return
        second, recorded, left_out = self._failures
        if now_ns // SECOND != second:
            second, recorded = now_ns // SECOND, 0
        if recorded >= _FAILURES_PER_SECOND:
            self._failures = (second, recorded, left_out + 1)
            return
        self._failures = (second, recorded + 1, 0)
        self.audit.record(
            "refused", now_ns, rule=refusal.rule.label, claimed=claimed, signer=signer, address=address[:64],
            left_out=left_out,
        )  # fmt: skip


def _who(by: Principal | None) -> str:
    if by is None:
        return "console"
    if by.kind is PrincipalKind.DEV:
        return "dev"
    return f"key {by.actor}" + (f" with certificate {by.certificate}" if by.certificate else "")


def _agent_terms(
    message: Mapping[str, Any], wallet: Principal, market_id: Callable[[str], int | None]
) -> KeyTerms:
    """The terms in a signed `ApproveAgent`: empty lists and 0 mean the wallet's own limits."""
    try:
        scopes = Scope.of(*message["scopes"])
    except KeyError as error:
        raise IdentityRefused(Rule.TERMS_MUST_BE_POSSIBLE, "Scopes are read, trade, transfer.") from error
    if scopes & ~(wallet.scopes & ~Scope.ADMIN):
        raise IdentityRefused(
            Rule.GRANT_MUST_NOT_EXCEED_ONES_OWN, "An agent has no scope that its wallet lacks, nor admin."
        )
    accounts = frozenset(int(account) for account in message["accounts"])
    return KeyTerms(
        owner=wallet.owner,
        scopes=scopes,
        accounts=accounts or None,
        markets=_market_ids(message["markets"], market_id),
        cap_micro_usd=int(message["capMicroUsd"]),
        networks=tuple(message["networks"]),
        expires_ns=int(message["expiresNs"]),
        label=str(message["label"]),
    )


def _market_ids(names: Iterable[str], market_id: Callable[[str], int | None]) -> frozenset[int] | None:
    found = {name: market_id(name) for name in names}
    unknown = sorted(name for name, number in found.items() if number is None)
    if unknown:
        raise IdentityRefused(Rule.TERMS_MUST_BE_POSSIBLE, f"There is no market {unknown[0][:32]}.")
    return frozenset(number for number in found.values() if number is not None) or None
