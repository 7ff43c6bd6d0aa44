"""Credentials: nonces, and requests signed by an Ed25519 key or an HMAC secret.

Responsible for: the canonical string of docs/reference/signing.md and the headers or login that carry a signature. Never: reads a file, or
keeps a secret anywhere but in the key object. A test holds the string equal to the venue's own.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Final, Protocol

LOGIN_PATH: Final = "/v1/ws"
LIFE_NS: Final = 15_000_000_000
"""After this a signed request is not taken any more: one that was held up on its way does nothing when nobody counts on it."""


class Key(Protocol):
    """Something that signs for a key's id."""

    @property
    def id(self) -> int:
        """The key's id at the venue."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""
        ...


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A key with a secret that the venue knows too; `secret` is its text, `nvs_` included."""

    id: int
    secret: str = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """HMAC-SHA256."""
        return hmac.digest(self.secret.encode("ascii"), message, "sha256")


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """A key of which the venue knows the public half only; `seed` is the private one, 32 bytes."""

    id: int
    seed: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - only who signs so needs it
            Ed25519PrivateKey,
        )

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


class Nonces:
    """Numbers that rise and are never handed out twice, not by the next run of the program either: they begin at the time."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = Lock()

    def next(self) -> int:
        """The next one."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return self._last


class Signer:
    """Signs for one key at one venue. For any thread."""

    def __init__(self, venue: str, key: Key) -> None:
        self.venue, self.key = venue, key
        self._nonces = Nonces()

    def headers(self, method: str, target: str, body: bytes) -> dict[str, str]:
        """The headers of a request; each call has a nonce of its own."""
        said = self._said(method, target, body)
        return {f"novate-{name.replace('_', '-')}": value for name, value in said.items()}

    def login(self) -> dict[str, str | int]:
        """What a WebSocket's login says."""
        said: dict[str, str | int] = {**self._said("LOGIN", LOGIN_PATH, b"")}
        said["timestamp_ns"] = int(said.pop("timestamp"))
        said["expires_after_ns"] = int(said.pop("expires_after"))
        return said

    def _said(self, method: str, target: str, body: bytes) -> dict[str, str]:
        now, nonce = time.time_ns(), self._nonces.next()
        text = canonical(self.venue, self.key.id, method, target, now, nonce, body, now + LIFE_NS)
        return {
            "key": str(self.key.id),
            "timestamp": str(now),
            "nonce": str(nonce),
            "expires_after": str(now + LIFE_NS),
            "signature": self.key.sign(text).hex(),
        }


def canonical(
    venue: str,
    key: int,
    method: str,
    target: str,
    timestamp_ns: int,
    nonce: int,
    body: bytes,
    expires_after_ns: int,
) -> bytes:
    """What is signed."""
    lines = (
        "NOVATE-1",
        venue,
        key,
        method,
        target,
        timestamp_ns,
        expires_after_ns,
        nonce,
        sha256(body).hexdigest(),
    )
    return "\n".join(map(str, lines)).encode("ascii")
