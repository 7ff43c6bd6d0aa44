"""Proofs by API keys: new keys, and checking an Ed25519 or HMAC signature over bytes.

Responsible for: the two signature schemes of API keys, and which public keys are not taken. Never: knows a request, a store or a clock.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from novate.identity.principals import KeyKind, KeyRecord
from novate.identity.refusals import IdentityRefused, Rule

SECRET_PREFIX: Final = "nvs_"  # noqa: S105 - the prefix by which scanners of leaked secrets know one
_PRIME: Final = 2**255 - 19
_SIGN_BIT: Final = 1 << 255
# y of the points of small order: under such a key one signature fits many messages (orders 1, 2, 4 and 8)
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


def new_secret() -> str:
    """A new HMAC secret, as the text that its holder signs with: its ASCII bytes are the key. Shown once."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def new_ed25519() -> tuple[bytes, bytes]:
    """A new Ed25519 key as (private seed, public key), 32 bytes each. Made where it is used: the venue sees the public half."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def secret_hash(secret: bytes) -> bytes:
    """What stands in the store for a secret: nobody finds the secret from it, and the same secret is known again."""
    return sha256(b"novate hmac secret\n" + secret).digest()


def check_ed25519_public(public: bytes) -> None:
    """Raises IdentityRefused (`public_key_must_be_valid`) for what is no curve point in its shortest form, or one of small order."""
    value = int.from_bytes(public, "little")
    y = value & (_SIGN_BIT - 1)
    if len(public) != 32 or y >= _PRIME or y in _SMALL_ORDER_Y or not _on_curve(y):
        raise IdentityRefused(Rule.PUBLIC_KEY_MUST_BE_VALID, "An Ed25519 public key is 32 bytes.")


def _on_curve(y: int) -> bool:
    """Whether -x^2 + y^2 = 1 + d x^2 y^2 has a solution x."""
    d = -121665 * pow(121666, -1, _PRIME) % _PRIME
    x_squared = (y * y - 1) * pow(d * y * y + 1, -1, _PRIME) % _PRIME
    return pow(x_squared, (_PRIME - 1) // 2, _PRIME) == 1


def sign_hmac(secret: str, message: bytes) -> bytes:
    """The HMAC-SHA256 of a message under a secret's text."""
    return hmac.digest(secret.encode("ascii"), message, "sha256")


def sign_ed25519(seed: bytes, message: bytes) -> bytes:
    """The Ed25519 signature of a message under a private seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def proves(record: KeyRecord, message: bytes, signature: bytes) -> bool:
    """Whether a signature is this key's over the message. False also for a kind that does not sign requests this way."""
    if record.kind is KeyKind.HMAC:
        return bool(record.secret) and hmac.compare_digest(
            hmac.digest(record.secret, message, "sha256"), signature
        )
    if record.kind is not KeyKind.ED25519:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(record.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
