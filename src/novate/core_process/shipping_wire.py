"""The records between a core and its standby: packed, parsed, and proven to come from who has the key.

Responsible for: sizes, field order, and the proof. Never: opens a socket or a file.

Records are framed as those of the core's own socket (`wire`). What follows the eight bytes:

    from the core     CHALLENGE  u32 protocol | u32 zero | 32 bytes nonce
    to the core       ASK        u32 protocol | u32 what (1 follow, 2 say your term, 3 you are fenced, 4 search) | 32 nonce | 32 proof
                                 | JSON: name, term, sequence, hash; of a fence by, reason
    from the core     HERE       32 proof | JSON: term, terms, sequence, release, ruleset, mode
                      SEGMENT    128 bytes: the header of the segment in which the next frame stands
                      FRAME      one frame, as it stands in the journal
                      BEAT       u64 last sequence | u64 frames sent; once a second, and the answer to it is STORED
    to the core       STORED     u64 frames of this connection that are on its disk | u64 last sequence on disk | u64 last sequence applied
                      PROBE      u64 sequence: is there a frame that ends there?
    from the core     PROBED     u64 sequence | u32 found | u32 zero | 32 hash
                      DENIED     u32 code | u32 zero | sentence, UTF-8; the connection ends
                      FILE       32 bytes name, UTF-8, zero padded | the whole content of a database beside the journal

A proof is HMAC-SHA256 of who speaks, both nonces and the JSON, under the key that both homes have; 32 zeros where none is asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgspec

from novate.core_process.wire import HEAD, BadRecord, Record, Refusal
from novate.errors import NovateError
from novate.journal.layout import MAX_FRAME_BYTES
from novate.journal.terms import Term

PROTOCOL: Final = 1
MOST_BYTES: Final = HEAD.size + MAX_FRAME_BYTES
NONCE_BYTES: Final = 32
_CHALLENGE: Final = struct.Struct("<II32s")
_ASK: Final = struct.Struct("<II32s32s")
_HERE: Final = struct.Struct("<32s")
_BEAT: Final = struct.Struct("<QQ")
_STORED: Final = struct.Struct("<QQQ")
_PROBE: Final = struct.Struct("<Q")
_PROBED: Final = struct.Struct("<QII32s")
_FILE: Final = struct.Struct("<32s")
_DENIED: Final = struct.Struct("<II")


class Ship(IntEnum):
    """Record types; append only."""

    CHALLENGE = 101
    ASK = 102
    HERE = 103
    SEGMENT = 104
    FRAME = 105
    BEAT = 106
    STORED = 107
    PROBE = 108
    PROBED = 109
    DENIED = 110
    FILE = 111


class What(IntEnum):
    """What a connection is for; append only."""

    FOLLOW = 1
    TERM = 2
    FENCE = 3
    SEARCH = 4


class Why(IntEnum):
    """Why a core ships nothing; append only."""

    OTHER_PROTOCOL = 1
    NO_PROOF = 2
    DIVERGED = 3
    """The last frame there is none of this journal."""
    OLD_TERM = 4
    """Who asks knows of a later term than this core: this core is the one that is to end."""
    TAKEN = 5
    """Another standby follows."""
    OTHER_RULESET = 6


class ShippingDenied(NovateError):
    """The core does not ship to this standby. Facts: `why` (its number)."""

    code = "shipping_denied"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a standby says of itself: its name, the newest term it knows, its last frame. `by` and `reason` are a fence's."""

    name: str = ""
    term: int = 1
    sequence: int = 0
    hash: str = "00" * 32
    ruleset: int = 0
    by: str = ""
    reason: str = ""


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """What a core says of itself: its term, the terms so far, its last command, release, ruleset, and how it waits for a standby."""

    term: int
    terms: tuple[Term, ...] = ()
    sequence: int
    release: str
    ruleset: int
    mode: str


class Stored(NamedTuple):
    """How far a standby is."""

    frames: int
    """Of this connection, on its disk."""
    sequence: int
    """Last command on its disk."""
    applied: int
    """Last command its engine has applied."""


class Beat(NamedTuple):
    """Where the core is."""

    sequence: int
    frames: int
    """Sent on this connection."""


class Probed(NamedTuple):
    """Whether a frame ends at a command, and its hash."""

    sequence: int
    found: bool
    hash: bytes


def pack_head(kind: Ship, size: int) -> bytes:
    """What goes in front of `size` bytes."""
    return HEAD.pack(HEAD.size + size, kind, 0)


def pack_challenge(nonce: bytes) -> bytes:
    """The core's first word."""
    return pack_head(Ship.CHALLENGE, _CHALLENGE.size) + _CHALLENGE.pack(PROTOCOL, 0, nonce)


def parse_challenge(record: Record) -> bytes:
    """The core's nonce. Raises BadRecord for another protocol."""
    protocol, _, nonce = _unpacked(_CHALLENGE, record, Ship.CHALLENGE)
    if protocol != PROTOCOL:
        raise BadRecord(Refusal.OTHER_PROTOCOL, f"the core ships by protocol {protocol}, not {PROTOCOL}")
    return bytes(nonce)


def pack_ask(what: What, asked: Asked, nonces: tuple[bytes, bytes], key: bytes) -> bytes:
    """What a standby says first; `nonces` are the core's and its own."""
    text = msgspec.json.encode(asked)
    head = _ASK.pack(PROTOCOL, what, nonces[1], _proof(key, _asker(what), nonces, text))
    return pack_head(Ship.ASK, len(head) + len(text)) + head + text


def parse_ask(record: Record, core_nonce: bytes, key: bytes) -> tuple[What, Asked, bytes]:
    """What is asked for, and the asker's nonce. Raises ShippingDenied for another protocol or without proof, BadRecord."""
    protocol, what, nonce, proof = _unpacked(_ASK, record, Ship.ASK)
    if protocol != PROTOCOL:
        raise ShippingDenied(f"This core ships by protocol {PROTOCOL}.", why=Why.OTHER_PROTOCOL)
    text = record.body[_ASK.size :]
    if not hmac.compare_digest(proof, _proof(key, _asker(what), (core_nonce, nonce), text)):
        raise ShippingDenied("Who asks has not the key of this core's standby.", why=Why.NO_PROOF)
    try:
        return What(what), msgspec.json.decode(text, type=Asked), bytes(nonce)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRecord(Refusal.BAD_RECORD, f"what is asked makes no sense ({error})") from error


def pack_here(here: Here, nonces: tuple[bytes, bytes], key: bytes) -> bytes:
    """What a core says of itself."""
    text = msgspec.json.encode(here)
    proof = _proof(key, b"core", nonces, text)
    return pack_head(Ship.HERE, len(proof) + len(text)) + proof + text


def parse_here(record: Record, nonces: tuple[bytes, bytes], key: bytes) -> Here:
    """The same, parsed. Raises ShippingDenied without proof, or where the core denied; BadRecord."""
    if record.kind == Ship.DENIED:
        raise parse_denied(record)
    (proof,) = _unpacked(_HERE, record, Ship.HERE)
    text = record.body[_HERE.size :]
    if not hmac.compare_digest(proof, _proof(key, b"core", nonces, text)):
        raise ShippingDenied("What answers has not the key of this standby's core.", why=Why.NO_PROOF)
    try:
        return msgspec.json.decode(text, type=Here)
    except msgspec.MsgspecError as error:
        raise BadRecord(
            Refusal.BAD_RECORD, f"what the core says of itself makes no sense ({error})"
        ) from error


def pack_beat(sequence: int, frames: int) -> bytes:
    """Where the core is."""
    return pack_head(Ship.BEAT, _BEAT.size) + _BEAT.pack(sequence, frames)


def parse_beat(record: Record) -> Beat:
    """The same, parsed. Raises BadRecord."""
    return Beat(*_unpacked(_BEAT, record, Ship.BEAT))


def pack_stored(stored: Stored) -> bytes:
    """How far a standby is."""
    return pack_head(Ship.STORED, _STORED.size) + _STORED.pack(*stored)


def parse_stored(record: Record) -> Stored:
    """The same, parsed. Raises BadRecord."""
    return Stored(*_unpacked(_STORED, record, Ship.STORED))


def pack_probe(sequence: int) -> bytes:
    """Asks whether a frame ends at a command."""
    return pack_head(Ship.PROBE, _PROBE.size) + _PROBE.pack(sequence)


def parse_probe(record: Record) -> int:
    """The same, parsed. Raises BadRecord."""
    return int(_unpacked(_PROBE, record, Ship.PROBE)[0])


def pack_probed(sequence: int, found: bytes | None) -> bytes:
    """The answer: the frame's hash, or that there is none."""
    return pack_head(Ship.PROBED, _PROBED.size) + _PROBED.pack(
        sequence, found is not None, 0, found or bytes(32)
    )


def parse_probed(record: Record) -> Probed:
    """The same, parsed. Raises BadRecord, or ShippingDenied."""
    if record.kind == Ship.DENIED:
        raise parse_denied(record)
    sequence, found, _, digest = _unpacked(_PROBED, record, Ship.PROBED)
    return Probed(sequence, bool(found), digest)


def pack_denied(why: Why, sentence: str) -> bytes:
    """Why nothing is shipped."""
    text = sentence.encode()
    return pack_head(Ship.DENIED, _DENIED.size + len(text)) + _DENIED.pack(why, 0) + text


def parse_denied(record: Record) -> ShippingDenied:
    """The same, as an error to raise. Raises BadRecord."""
    why, _ = _unpacked(_DENIED, record, Ship.DENIED)
    return ShippingDenied(record.body[_DENIED.size :].decode(errors="replace"), why=why)


def pack_file(name: str, content: bytes) -> bytes:
    """The content of a file beside the journal."""
    return pack_head(Ship.FILE, _FILE.size + len(content)) + _FILE.pack(name.encode()) + content


def parse_file(record: Record) -> tuple[str, bytes]:
    """The same, parsed. Raises BadRecord."""
    (name,) = _unpacked(_FILE, record, Ship.FILE)
    return name.rstrip(b"\0").decode(errors="replace"), record.body[_FILE.size :]


def _unpacked(form: struct.Struct, record: Record, kind: Ship) -> tuple[Any, ...]:
    if record.kind != kind:
        raise BadRecord(
            Refusal.BAD_RECORD, f"a record of kind {record.kind} stands where {kind.name} was expected"
        )
    try:
        return form.unpack_from(record.body)
    except struct.error as error:
        raise BadRecord(Refusal.BAD_RECORD, f"a record {kind.name} is cut short") from error


def _asker(what: int) -> bytes:
    return b"standby %d" % what


def _proof(key: bytes, who: bytes, nonces: tuple[bytes, bytes], text: bytes) -> bytes:
    if not key:
        return bytes(32)
    return hmac.new(
        key, b"\0".join((b"novate shipping", who, *nonces, hashlib.sha256(text).digest())), hashlib.sha256
    ).digest()
