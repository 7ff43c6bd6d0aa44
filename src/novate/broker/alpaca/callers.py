"""Whether a request to the issuer's endpoints comes from the tokenisation network: by a shared key, or by a signature over the message.

The guide for issuers names two schemes, one for each issuer: the header `X-API-KEY`, or HTTP message signatures (RFC 9421) with Ed25519 and a
digest of the body (RFC 9530). What fails, or lacks a header, is answered 401.

Responsible for: the two checks. Never: reads a key from anywhere, remembers a nonce, or knows what a request asks for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from novate.errors import ConfigError, MessageError

_INPUT: Final = re.compile(r'sig=(\(((?:"[@a-z-]+" ?)*)\)((?:;[a-z]+=(?:"[^"]*"|\d+))*))', re.ASCII)
_PARAMETER: Final = re.compile(r';([a-z]+)=(?:"([^"]*)"|(\d+))', re.ASCII)
_SIGNATURE: Final = re.compile(r"sig=:([A-Za-z0-9+/=]+):", re.ASCII)
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):", re.ASCII)
_ALWAYS: Final = ("@method", "@target-uri")
_WITH_A_BODY: Final = (*_ALWAYS, "content-type", "content-digest")


@dataclass(frozen=True, slots=True)
class Called:
    """A request as it came: the method, the whole address, headers by their names in small letters, and the body."""

    method: str
    address: str
    headers: Mapping[str, str]
    body: bytes = b""


def by_key(called: Called, keys: Sequence[str]) -> None:
    """The shared key, or one that is being replaced. Raises MessageError."""
    given = called.headers.get("x-api-key", "").encode()
    if not any(hmac.compare_digest(given, key.encode()) for key in keys if key):
        raise MessageError("the caller's key is missing or not the one agreed on", field="X-API-KEY")


def by_signature(called: Called, keys: Mapping[str, str], *, now_s: int, window_s: int = 300) -> str:
    """A signature by one of the network's keys (PEM, by `keyid`), made within `window_s` of now. Gives its nonce, to be taken once.

    Raises MessageError, and ConfigError where a key is none.
    """
    found = _INPUT.fullmatch(called.headers.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(called.headers.get("signature", ""))
    if found is None or signature is None:
        raise MessageError("Signature-Input and Signature are needed, labelled sig", field="Signature-Input")
    signed, covered = found.group(1), tuple(re.findall(r'"([@a-z-]+)"', found.group(2)))
    said = {name: text or number for name, text, number in _PARAMETER.findall(found.group(3))}
    needed = _WITH_A_BODY if called.body else _ALWAYS
    if covered != needed:
        raise MessageError(f"the signature must cover {', '.join(needed)}", field="Signature-Input")
    if said.get("alg", "ed25519") != "ed25519" or not said.get("nonce"):
        raise MessageError("the signature must be ed25519 and have a nonce", field="Signature-Input")
    if not said.get("created", "").isdigit() or abs(now_s - int(said["created"])) > window_s:
        raise MessageError(f"the signature must be made within {window_s} s of now", field="created")
    key = keys.get(said.get("keyid", ""))
    if key is None:
        raise MessageError("the signature's key is not known", field="keyid")
    if called.body:
        _digest(called)
    base = "\n".join(
        [*(f'"{name}": {_component(called, name)}' for name in covered), f'"@signature-params": {signed}']
    )
    _signed(_public(key), _bytes(signature.group(1)), base.encode())
    return str(said["nonce"])


def _component(called: Called, name: str) -> str:
    if name == "@method":
        return called.method.upper()
    return called.address if name == "@target-uri" else called.headers.get(name, "").strip()


def _digest(called: Called) -> None:
    found = _DIGEST.fullmatch(called.headers.get("content-digest", ""))
    if found is None or not hmac.compare_digest(_bytes(found.group(1)), hashlib.sha256(called.body).digest()):
        raise MessageError("Content-Digest must be the body's SHA-256", field="Content-Digest")


def _signed(key: Ed25519PublicKey, signature: bytes, base: bytes) -> None:
    try:
        key.verify(signature, base)
    except InvalidSignature:
        raise MessageError("the signature is not of this request", field="Signature") from None


def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise ConfigError(f"the network's key is no PEM: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("the network's key is not an Ed25519 key")
    return key


def _bytes(said: str) -> bytes:
    try:
        return base64.b64decode(said, validate=True)
    except binascii.Error:
        raise MessageError("a header is not base64", field="Signature") from None
