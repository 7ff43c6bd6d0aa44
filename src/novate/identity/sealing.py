"""The home's own key, and secrets encrypted at rest under it.

Responsible for: HOME/identity.key and AES-256-GCM under it. Never: keeps a secret in the clear, or writes the key anywhere else.

An HMAC secret must be usable, so its hash alone would not do: it is stored encrypted, bound to the key it belongs to, and is in the clear in
the memory of the processes that check signatures. A copy of the database without this file reveals no secret; with it, all HMAC secrets,
which is why Ed25519 is to be preferred: of that the venue has nothing to lose.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novate.errors import NovateError
from novate.files import sync_path

KEY_FILE: Final = "identity.key"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealBroken(NovateError):
    """The home's key is missing, readable by others, or not the one that a secret was sealed under."""

    code = "seal_broken"


class Seal:
    """Encrypts and decrypts under one home's key."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        """The key itself, for what is derived from it."""
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, home: Path, *, create: bool = True) -> Self:
        """The seal of a home; makes its key on first use. Raises SealBroken for a file of another length, or open to others."""
        path = home / KEY_FILE
        if create and not path.exists():
            _create(path)
        try:
            key = path.read_bytes()
            mode = path.stat().st_mode
        except OSError as error:
            raise SealBroken(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
        if len(key) != _KEY_BYTES:
            raise SealBroken(f"{path} is not {_KEY_BYTES} bytes.", path=str(path))
        if mode & 0o077:
            raise SealBroken(f"{path} may be read by others; chmod 600 it.", path=str(path))
        return cls(key)

    def seal(self, secret: bytes, actor: int) -> bytes:
        """Encrypts a secret for one key: a fresh nonce, then ciphertext and tag. What stands at another key does not open."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, _context(actor))

    def unseal(self, sealed: bytes, actor: int) -> bytes:
        """The secret. Raises SealBroken."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _context(actor))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                f"The secret of key {actor} was not sealed under this home's key.", actor=actor
            ) from error


def _create(path: Path) -> None:
    """Writes a new key beside its place and links it there, so that of two processes that begin a home one wins and both read one key."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(_KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
    sync_path(path.parent)


def _context(actor: int) -> bytes:
    return b"novate hmac secret %d" % actor
