"""Typed data that wallets sign (EIP-712): the venue's domain, its types, and their digests.

Responsible for: what a wallet shows before it signs, and the 32 bytes that it signs. Never: recovers a signer or looks up a key.

Prices and quantities are whole numbers at scale 1e-9, so that 1.5 and 1.50 are the same bytes; markets, sides and kinds are words, so
that a wallet shows what a person can read. A message has exactly the fields of its type. Every primary type ends with the same three:
when it was signed, when it lapses (0: with the clock window only), and a nonce.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, Final

import sha3  # type: ignore[import-untyped]

from novate.identity.refusals import IdentityRefused, Rule

Fields = tuple[tuple[str, str], ...]

_SEAL: Final[Fields] = (("timeNs", "uint64"), ("expiresAfterNs", "uint64"), ("nonce", "uint64"))
_ORDER: Final[Fields] = (
    ("market", "string"),
    ("side", "string"),
    ("kind", "string"),
    ("timeInForce", "string"),
    ("priceE9", "uint128"),
    ("quantityE9", "uint128"),
    ("postOnly", "bool"),
    ("reduceOnly", "bool"),
    ("selfTrade", "string"),
    ("clientId", "bytes16"),
)
_LEG: Final[Fields] = (
    ("market", "string"),
    ("side", "string"),
    ("quantityE9", "uint128"),
    ("priceE9", "uint128"),
)
_ACCOUNT: Final[Fields] = (("account", "uint64"),)

TYPES: Final[dict[str, Fields]] = {
    "PlaceOrder": (*_ACCOUNT, *_ORDER, *_SEAL),
    "PlaceOrderFull": (
        *_ACCOUNT,
        *_ORDER,
        ("minQuantityE9", "uint128"),
        ("expiresNs", "uint64"),
        ("trigger", "string"),
        ("triggerMarket", "string"),
        ("triggerPriceE9", "uint128"),
        *_SEAL,
    ),
    "CancelOrder": (*_ACCOUNT, ("order", "uint64"), ("clientId", "bytes16"), *_SEAL),
    "AmendOrder": (
        *_ACCOUNT,
        ("order", "uint64"),
        ("clientId", "bytes16"),
        ("priceE9", "uint128"),
        ("quantityE9", "uint128"),
        *_SEAL,
    ),
    "CancelAll": (*_ACCOUNT, ("market", "string"), *_SEAL),
    "CancelAfter": (*_ACCOUNT, ("spanNs", "uint64"), *_SEAL),
    "PlaceTwap": (
        *_ACCOUNT,
        ("market", "string"),
        ("side", "string"),
        ("priceE9", "uint128"),
        ("quantityE9", "uint128"),
        ("intervalNs", "uint64"),
        ("durationNs", "uint64"),
        ("reduceOnly", "bool"),
        ("selfTrade", "string"),
        ("clientId", "bytes16"),
        *_SEAL,
    ),
    "BatchItem": (("action", "string"), ("order", "uint64"), *_ORDER),
    "OrderBatch": (*_ACCOUNT, ("items", "BatchItem[]"), *_SEAL),
    "PackageLeg": _LEG,
    "PlacePackage": (*_ACCOUNT, ("legs", "PackageLeg[]"), ("clientId", "bytes16"), *_SEAL),
    "Transfer": (*_ACCOUNT, ("to", "uint64"), ("asset", "string"), ("amountE9", "uint128"), *_SEAL),
    "Lend": (*_ACCOUNT, ("asset", "string"), ("amountE9", "uint128"), *_SEAL),
    "Recall": (*_ACCOUNT, ("asset", "string"), ("amountE9", "uint128"), *_SEAL),
    "RequestWithdrawal": (*_ACCOUNT, ("asset", "string"), ("amountE9", "uint128"), *_SEAL),
    "WithdrawTo": (
        *_ACCOUNT,
        ("asset", "string"),
        ("amountE9", "uint128"),
        ("to", "string"),
        ("fromHeld", "bool"),
        *_SEAL,
    ),
    "AddAddress": (*_ACCOUNT, ("to", "string"), *_SEAL),
    "RemoveAddress": (*_ACCOUNT, ("to", "string"), *_SEAL),
    "ApproveAgent": (
        ("agent", "address"),
        ("label", "string"),
        ("scopes", "string[]"),
        ("accounts", "uint64[]"),
        ("markets", "string[]"),
        ("capMicroUsd", "uint64"),
        ("networks", "string[]"),
        ("expiresNs", "uint64"),
        *_SEAL,
    ),
    "RevokeAgent": (("agent", "address"), *_SEAL),
    "Login": _SEAL,
    "Request": (("method", "string"), ("target", "string"), ("bodySha256", "bytes32"), *_SEAL),
}
"""Fields of every type, in the order that is signed. `Request` signs any route of the HTTP API, `Login` a WebSocket."""

PARTS: Final = frozenset({"BatchItem", "PackageLeg"})
"""Types that stand inside others only."""

_DOMAIN_FIELDS: Final[Fields] = (
    ("name", "string"), ("version", "string"), ("chainId", "uint256"), ("salt", "bytes32"),
)  # fmt: skip
_NAME: Final = "novate"
_VERSION: Final = "1"
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_MOST_ITEMS: Final = 100
_SHORT: Final = 32


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it."""
    return bytes(sha3.keccak_256(data).digest())


@dataclass(frozen=True, slots=True)
class Domain:
    """Which venue a signature is for. The salt is the SHA-256 of the venue's id."""

    venue: str
    chain_id: int
    salt: bytes = field(init=False)
    separator: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        salt = sha256(self.venue.encode()).digest()
        object.__setattr__(self, "salt", salt)
        object.__setattr__(self, "separator", _separator(_NAME, _VERSION, self.chain_id, salt))

    def as_dict(self) -> dict[str, Any]:
        """The domain as wallets take it."""
        return {"name": _NAME, "version": _VERSION, "chainId": self.chain_id, "salt": "0x" + self.salt.hex()}


def _separator(name: str, version: str, chain_id: int, salt: bytes) -> bytes:
    kind = b"EIP712Domain(" + ",".join(f"{kind} {name}" for name, kind in _DOMAIN_FIELDS).encode() + b")"
    return keccak(
        keccak(kind) + keccak(name.encode()) + keccak(version.encode()) + chain_id.to_bytes(32, "big") + salt
    )


def typed_data(domain: Domain, kind: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document for `eth_signTypedData_v4`, JSON-ready where the message is."""
    names = ("EIP712Domain", kind, *_parts_of(kind))
    return {
        "types": {
            name: [
                {"name": field_name, "type": field_type}
                for field_name, field_type in (_DOMAIN_FIELDS if name == "EIP712Domain" else TYPES[name])
            ]
            for name in names
        },
        "primaryType": kind,
        "domain": domain.as_dict(),
        "message": dict(message),
    }


def struct_hash(kind: str, message: Mapping[str, Any]) -> bytes:
    """The hash of one message of a type.

    Whole numbers may be int or decimal text, bytes `bytes` or 0x-text. Raises IdentityRefused (`typed_data_must_fit_its_type`) for
    an unknown type, a field too many or too few, or a value that its type cannot hold.
    """
    fields = TYPES.get(kind)
    if fields is None:
        raise _misfit(kind, "is no type of this venue")
    if len(message) != len(fields) or any(name not in message for name, _ in fields):
        raise _misfit(kind, f"has exactly the fields {', '.join(name for name, _ in fields)}")
    return keccak(_type_hash(kind) + b"".join(_word(name, form, message[name]) for name, form in fields))


def seal_of(kind: str, message: Mapping[str, Any]) -> tuple[int, int, int]:
    """When a message was signed, when it lapses (0: never by itself), and its nonce. Raises as `struct_hash`."""
    fields = TYPES.get(kind, ())
    if fields[-len(_SEAL) :] != _SEAL or any(name not in message for name, _ in _SEAL):
        raise _misfit(kind, "is no message with a time and a nonce")
    time_ns, expires_after_ns, nonce = (_whole(name, message[name], 64) for name, _ in _SEAL)
    return time_ns, expires_after_ns, nonce


def digest_of(separator: bytes, struct: bytes) -> bytes:
    """The 32 bytes that are signed: keccak(0x1901, domain separator, struct hash)."""
    return keccak(b"\x19\x01" + separator + struct)


def digest(domain: Domain, kind: str, message: Mapping[str, Any]) -> bytes:
    """The 32 bytes that a wallet signs for a message. Raises as `struct_hash`."""
    return digest_of(domain.separator, struct_hash(kind, message))


def nearby_domains(domain: Domain) -> tuple[tuple[str, bytes], ...]:
    """Domains that signers mistake for this one, in words, with their separators: for naming the mistake, never for accepting it."""
    chains = [chain for chain in (1, 137, 8453, 42161, 31337, 1337) if chain != domain.chain_id]
    return (
        ("another version", _separator(_NAME, "2", domain.chain_id, domain.salt)),
        ("another venue (salt of zeros)", _separator(_NAME, _VERSION, domain.chain_id, bytes(32))),
        *((f"chain {chain}", _separator(_NAME, _VERSION, chain, domain.salt)) for chain in chains),
    )


def address_of(value: object, name: str = "address") -> bytes:
    """The 20 bytes of an address. Raises IdentityRefused (`typed_data_must_fit_its_type`)."""
    return _bytes(name, value, 20)


def address_text(address: bytes) -> str:
    """An address as 0x and lower-case hex."""
    return "0x" + address.hex()


@cache
def _parts_of(kind: str) -> tuple[str, ...]:
    found = {form.removesuffix("[]") for _, form in TYPES[kind]} & TYPES.keys()
    return tuple(sorted(found.union(*(_parts_of(part) for part in found))))


@cache
def _type_hash(kind: str) -> bytes:
    text = "".join(
        f"{name}({','.join(f'{form} {field_name}' for field_name, form in TYPES[name])})"
        for name in (kind, *_parts_of(kind))
    )
    return keccak(text.encode())


def _word(name: str, form: str, value: object) -> bytes:
    """The 32 bytes that stand for one value."""
    if form.endswith("[]"):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence) or len(value) > _MOST_ITEMS:
            raise _misfit(name, f"is a list of at most {_MOST_ITEMS}")
        return keccak(b"".join(_word(name, form[:-2], item) for item in value))
    if form == "string":
        if not isinstance(value, str):
            raise _misfit(name, "is text")
        try:
            return _text_hash(value) if len(value) <= _SHORT else keccak(value.encode())
        except UnicodeEncodeError as error:
            raise _misfit(name, "is text without lone surrogates") from error
    if form.startswith("uint"):
        return _whole(name, value, int(form[4:])).to_bytes(32, "big")
    if form == "bool":
        if not isinstance(value, bool):
            raise _misfit(name, "is true or false")
        return int(value).to_bytes(32, "big")
    if form == "address":
        return bytes(12) + _bytes(name, value, 20)
    if form.startswith("bytes"):
        return _bytes(name, value, int(form[5:])).ljust(32, b"\0")
    if not isinstance(value, Mapping):
        raise _misfit(name, f"is a {form}")
    return struct_hash(form, value)


@lru_cache(maxsize=4_096)
def _text_hash(text: str) -> bytes:
    """Of short text: sides, kinds and markets are the same few words in every order."""
    return keccak(text.encode())


def _whole(name: str, value: object, bits: int) -> int:
    number = value
    if isinstance(number, str) and _DECIMAL.fullmatch(number):
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << bits:
        raise _misfit(name, f"is a whole number of {bits} bits, as a number or plain decimal text")
    return number


def _bytes(name: str, value: object, length: int) -> bytes:
    found = value
    if isinstance(found, str) and len(found) == 2 + 2 * length and found.startswith("0x"):
        try:
            found = bytes.fromhex(found[2:])
        except ValueError as error:
            raise _misfit(name, "is hexadecimal") from error
    if not isinstance(found, bytes) or len(found) != length:
        raise _misfit(name, f"is 0x and {2 * length} hexadecimal digits")
    return found


def _misfit(name: str, rule: str) -> IdentityRefused:
    return IdentityRefused(Rule.TYPED_DATA_MUST_FIT_ITS_TYPE, f"{name} {rule}.", field=name)
