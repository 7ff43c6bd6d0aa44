"""A key from the file that holds its private half, for commands that are told `--seed FILE` or `--secret FILE`.

Responsible for: telling a seed from a secret. Never: writes one, or shows what stands in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from novate.client.signing import Ed25519Key, HmacKey, Key
from novate.errors import ConfigError

_SECRET_PREFIX: Final = "nvs_"  # noqa: S105 - by which a secret is known


def signing(number: int | None, file: Path | None) -> Key | None:
    """A key from its number and the file of its private half; none for neither. Raises ConfigError."""
    if number is None and file is None:
        return None
    if number is None or file is None:
        raise ConfigError("A key is its number and its private half: --key NUMBER and --seed FILE.")
    return key_of(number, file)


def key_of(number: int, file: Path) -> Key:
    """The key of that number whose private half a file holds: an Ed25519 seed in hexadecimal, or an HMAC secret. Raises ConfigError."""
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    if text.startswith(_SECRET_PREFIX):
        return HmacKey(number, text)
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise ConfigError(
            f"{file} holds no private key: 64 hexadecimal digits, or a secret that begins with {_SECRET_PREFIX}.",
            file=str(file),
        )
    return Ed25519Key(number, seed)
