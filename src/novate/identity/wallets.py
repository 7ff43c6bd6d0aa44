"""Who signed: strict parsing of a wallet's signature, recovery of its address, and the threads that do it.

Responsible for: refusing every second form of a signature, each with its own error, and recovering the address with libsecp256k1, which
releases the interpreter. Never: decides whether that address may act.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Self

from coincurve import PublicKey

from novate.identity import typed
from novate.identity.refusals import IdentityRefused, Rule

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ZERO_ADDRESS: Final = bytes(20)


@dataclass(frozen=True, slots=True)
class WalletRequest:
    """A signed message of a wallet or one of its agents.

    The envelope names its signer, so that a bad signature is a bad signature and never an unknown stranger.
    """

    kind: str
    """Primary type, one of `typed.TYPES`."""
    message: Mapping[str, Any]
    wallet: bytes
    """Address of the wallet that it acts for, 20 bytes."""
    signature: bytes
    agent: bytes | None = None
    """Address of the agent that signed; None where the wallet itself did."""
    domain: Mapping[str, Any] | None = None
    """The domain the signer used, if it says so: compared, never used."""

    @property
    def signer(self) -> bytes:
        """The address that must have signed."""
        return self.wallet if self.agent is None else self.agent


@dataclass(frozen=True, slots=True)
class Findings:
    """What checking a wallet's signature came to, for a dry run."""

    digest: bytes
    separator: bytes
    struct: bytes
    recovered: bytes | None
    claimed: bytes
    refusal: IdentityRefused | None = field(default=None)


def parse_signature(signature: bytes) -> tuple[int, int, int]:
    """r, s and v of a 65-byte signature. Each other form has its own refusal: see the rules 2014, 2015, 2017 and 2018."""
    if len(signature) != 65:
        raise IdentityRefused(Rule.SIGNATURE_MUST_HAVE_65_BYTES, length=len(signature))
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise IdentityRefused(Rule.SIGNATURE_VALUES_MUST_BE_IN_RANGE)
    if s > CURVE_ORDER // 2:
        raise IdentityRefused(Rule.SIGNATURE_S_MUST_BE_LOW)
    if v not in (27, 28):
        raise IdentityRefused(Rule.RECOVERY_ID_MUST_BE_27_OR_28, v=v)
    return r, s, v


def recover(digest: bytes, signature: bytes) -> bytes:
    """The address whose key signed a digest.

    Raises IdentityRefused for a form that is not taken, for values that belong to no signer (`signature_must_verify`), and for the
    zero address.
    """
    _, _, v = parse_signature(signature)
    try:
        public = PublicKey.from_signature_and_message(signature[:64] + bytes((v - 27,)), digest, hasher=None)
    except ValueError as error:
        raise IdentityRefused(
            Rule.SIGNATURE_MUST_VERIFY, "It recovers to no key.", digest="0x" + digest.hex()
        ) from error
    address = typed.keccak(public.format(compressed=False)[1:])[12:]
    if address == ZERO_ADDRESS:
        raise IdentityRefused(Rule.SIGNER_MUST_NOT_BE_ZERO)
    return address


def examine(domain: typed.Domain, request: WalletRequest) -> Findings:
    """Digest and recovered address of a request, with the refusal it meets, or None: a bad signature raises nothing here.

    Raises IdentityRefused (`typed_data_must_fit_its_type`) where there is nothing to hash.
    """
    struct = typed.struct_hash(request.kind, request.message)
    digest = typed.digest_of(domain.separator, struct)
    recovered: bytes | None = None
    try:
        _check_envelope(domain, request)
        recovered = recover(digest, request.signature)
        if recovered == request.signer:
            return Findings(digest, domain.separator, struct, recovered, request.signer)
        refusal = _mismatch(domain, request, struct, digest, recovered)
    except IdentityRefused as met:
        refusal = met
    return Findings(digest, domain.separator, struct, recovered, request.signer, refusal)


def check(domain: typed.Domain, request: WalletRequest) -> None:
    """Raises the refusal that a request's signature meets, if any."""
    refusal = examine(domain, request).refusal
    if refusal is not None:
        raise refusal


def _check_envelope(domain: typed.Domain, request: WalletRequest) -> None:
    if ZERO_ADDRESS in (request.wallet, request.signer):
        raise IdentityRefused(Rule.SIGNER_MUST_NOT_BE_ZERO)
    if request.domain is not None:
        _check_domain(domain, request.domain)


def _check_domain(domain: typed.Domain, stated: Mapping[str, Any]) -> None:
    own = domain.as_dict()
    chain = stated.get("chainId")
    said = dict(stated) | {"chainId": int(chain) if isinstance(chain, str) and chain.isdecimal() else chain}
    if said != own:
        differing = sorted(key for key in own.keys() | said.keys() if own.get(key) != said.get(key))
        raise IdentityRefused(Rule.DOMAIN_MUST_BE_THE_VENUES, f"It differs in {', '.join(differing)}.")


def _mismatch(
    domain: typed.Domain, request: WalletRequest, struct: bytes, digest: bytes, recovered: bytes
) -> IdentityRefused:
    """The refusal of a signature of another signer: the domain's, where the claimed one signed the same message for a nearby domain."""
    for words, separator in typed.nearby_domains(domain):
        try:
            if recover(typed.digest_of(separator, struct), request.signature) == request.signer:
                return IdentityRefused(Rule.DOMAIN_MUST_BE_THE_VENUES, f"It was signed for {words}.")
        except IdentityRefused:
            continue
    return IdentityRefused(
        Rule.SIGNATURE_MUST_VERIFY,
        f"Over digest 0x{digest.hex()} it recovers to {typed.address_text(recovered)}.",
        claimed=typed.address_text(request.signer),
        recovered=typed.address_text(recovered),
        digest="0x" + digest.hex(),
    )


class WalletChecker:
    """Checks wallets' signatures for one venue, in threads when asked to from an event loop."""

    def __init__(self, domain: typed.Domain, threads: int = 2) -> None:
        self.domain = domain
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="wallet")

    def check(self, request: WalletRequest) -> None:
        """Checks in the calling thread. Raises IdentityRefused."""
        check(self.domain, request)

    async def check_async(self, request: WalletRequest) -> None:
        """Checks in a thread of the pool, off the event loop. Raises IdentityRefused."""
        await asyncio.get_running_loop().run_in_executor(self._pool, check, self.domain, request)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
