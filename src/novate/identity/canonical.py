"""The string that a request's signature is over, and the credentials that come with it.

Responsible for: one canonical string per request, and reading credentials from text. Never: looks up a key, reads a clock, or speaks
HTTP; it imports nothing but errors and refusals, so that a client may use it too.

    NOVATE-1            version of this format
    VENUE               the venue's id, so that a request for a test venue is nothing at another
    KEY                 the key's actor
    METHOD              as sent, upper case; LOGIN for a WebSocket
    PATH?QUERY          as sent, not decoded
    TIMESTAMP           ns since 1970 UTC
    EXPIRES_AFTER       ns since 1970 UTC, 0 for none
    NONCE               0 to 2^64 - 1, unused in the window
    SHA256(BODY)        hex, lower case

Lines end with a line feed, the last does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from novate.identity.refusals import IdentityRefused, Rule

VERSION: Final = "NOVATE-1"
LOGIN: Final = "LOGIN"
"""The method of a WebSocket's login; its path is the socket's, its body empty."""

KEY_HEADER: Final = "novate-key"
TIMESTAMP_HEADER: Final = "novate-timestamp"
EXPIRES_HEADER: Final = "novate-expires-after"
NONCE_HEADER: Final = "novate-nonce"
SIGNATURE_HEADER: Final = "novate-signature"

_U64: Final = 2**64
_I64: Final = 2**63
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)
_METHOD: Final = re.compile(r"[A-Z]{1,16}", re.ASCII)
_PATH: Final = re.compile(r"/[!-~]{0,4095}", re.ASCII)
_EMPTY_SHA256: Final = sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What comes with a signed request. `signature` is bytes; on the wire it is lower-case hex."""

    key: int
    timestamp_ns: int
    nonce: int
    signature: bytes
    expires_after_ns: int = 0


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as its signer saw it."""

    method: str
    target: str
    """Path with query, as sent."""
    body: bytes
    credentials: Credentials


def canonical_string(
    venue: str,
    key: int,
    method: str,
    target: str,
    timestamp_ns: int,
    nonce: int,
    body: bytes = b"",
    expires_after_ns: int = 0,
) -> bytes:
    """The canonical string, as bytes.

    Raises IdentityRefused (`credentials_must_be_well_formed`) where method or target hold what no request line can: nothing that a
    signer says may look like another line.
    """
    if not _METHOD.fullmatch(method) or not _PATH.fullmatch(target):
        raise IdentityRefused(Rule.CREDENTIALS_MUST_BE_WELL_FORMED, "Method or path cannot be signed.")
    digest = sha256(body).hexdigest() if body else _EMPTY_SHA256
    text = f"{VERSION}\n{venue}\n{key}\n{method}\n{target}\n{timestamp_ns}\n{expires_after_ns}\n{nonce}\n{digest}"
    return text.encode("ascii")


def canonical_of(venue: str, request: SignedRequest) -> bytes:
    """The canonical string of a request."""
    given = request.credentials
    return canonical_string(
        venue, given.key, request.method, request.target, given.timestamp_ns, given.nonce, request.body,
        given.expires_after_ns,
    )  # fmt: skip


def credentials_from(headers: Mapping[str, str]) -> Credentials | None:
    """Credentials from headers with lower-case names; None where none of them is there.

    Raises IdentityRefused (`credentials_must_be_well_formed`) for a missing or malformed one, and says which.
    """
    signature = headers.get(SIGNATURE_HEADER)
    key = headers.get(KEY_HEADER)
    if signature is None and key is None:
        return None
    if signature is None or not _HEX.fullmatch(signature) or len(signature) not in (64, 128):
        raise _malformed(SIGNATURE_HEADER, "64 or 128 hexadecimal digits in lower case")
    return Credentials(
        key=_number(headers, KEY_HEADER, _U64),
        timestamp_ns=_number(headers, TIMESTAMP_HEADER, _I64),
        nonce=_number(headers, NONCE_HEADER, _U64),
        signature=bytes.fromhex(signature),
        expires_after_ns=_number(headers, EXPIRES_HEADER, _I64) if EXPIRES_HEADER in headers else 0,
    )


def headers_of(credentials: Credentials) -> dict[str, str]:
    """The headers that carry credentials; the inverse of `credentials_from`."""
    found = {
        KEY_HEADER: str(credentials.key),
        TIMESTAMP_HEADER: str(credentials.timestamp_ns),
        NONCE_HEADER: str(credentials.nonce),
        SIGNATURE_HEADER: credentials.signature.hex(),
    }
    if credentials.expires_after_ns:
        found[EXPIRES_HEADER] = str(credentials.expires_after_ns)
    return found


def _number(headers: Mapping[str, str], name: str, below: int) -> int:
    text = headers.get(name, "")
    if not _NUMBER.fullmatch(text) or (value := int(text)) >= below:
        raise _malformed(name, f"a plain number below {below}")
    return value


def _malformed(name: str, expected: str) -> IdentityRefused:
    return IdentityRefused(Rule.CREDENTIALS_MUST_BE_WELL_FORMED, f"{name} must be {expected}.", field=name)
