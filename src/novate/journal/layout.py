"""The bytes of a journal: the segment header and the frame, packed and parsed. docs/internals/journal.md draws them.

Responsible for: sizes, field order, checksums, the chain hash. Everything is little endian.
Never: opens a file, decides what damage means (scan.py), or looks inside a command.

Segment header, 128 bytes:
    8s magic | u32 format | u32 ruleset | u64 first sequence | 32s SHA-256 of the last frame of the previous segment
    64s release, UTF-8, zero padded | u32 flags | u32 CRC32C of the 124 bytes before it
Frame, 72 bytes + payload + 4 bytes:
    4s magic | u32 length of the whole frame | u64 first sequence | i64 time_ns of its last command
    u64 durable: last sequence known durable before this frame | u32 count of commands | 32s SHA-256 of the previous
    frame | u32 CRC32C of the 68 bytes before it || payload || u32 CRC32C of those 68 bytes and the payload
The second checksum skips the first: a CRC carried over data and its own CRC forgets the data, and a payload would then
fit behind any header.
A frame of count 0 is a seal, written on a clean shutdown; its payload is the engine's state hash, 32 bytes.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import google_crc32c

from novate.errors import ConfigError

FORMAT = 1
SEGMENT_MAGIC = b"NOVATEJL"
FRAME_MAGIC = b"NvFr"
NO_HASH = bytes(32)

_SEGMENT = struct.Struct("<8sIIQ32s64sI")
_FRAME = struct.Struct("<4sIQqQI32s")
_U32 = struct.Struct("<I")

SEGMENT_HEADER_BYTES = _SEGMENT.size + _U32.size
FRAME_HEADER_BYTES = _FRAME.size + _U32.size
FRAME_OVERHEAD_BYTES = FRAME_HEADER_BYTES + _U32.size
MAX_PAYLOAD_BYTES = 64 << 20
"""Largest payload of one frame. A damaged tail longer than the largest frame is more than one frame."""
MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES
RELEASE_BYTES = 64
ZEROS_AHEAD = 1
"""Flag of a segment that was written with zeros before its first frame: those at its end are no part of the journal."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says about itself. `format` may be one this release cannot read."""

    format: int
    ruleset: int
    first_sequence: int
    previous_hash: bytes
    release: str
    flags: int = 0

    @property
    def zeros_ahead(self) -> bool:
        """Whether zeros at the end of the file are none of the journal's bytes."""
        return bool(self.flags & ZEROS_AHEAD)


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says about itself; trusted once its own checksum holds, even if the payload is damaged."""

    length: int
    first_sequence: int
    time_ns: int
    durable: int
    count: int
    previous_hash: bytes


def check_release(release: str) -> str:
    """`release` if it fits the header; raises ConfigError when empty, too long, or holding a zero byte."""
    raw = release.encode()
    if not raw or len(raw) > RELEASE_BYTES or 0 in raw:
        raise ConfigError(f"A release name is 1 to {RELEASE_BYTES} bytes without a zero, not {release!r}.")
    return release


def pack_segment_header(
    release: str, ruleset: int, first_sequence: int, previous_hash: bytes, flags: int = 0
) -> bytes:
    """128 bytes."""
    name = check_release(release).encode()
    body = _SEGMENT.pack(SEGMENT_MAGIC, FORMAT, ruleset, first_sequence, previous_hash, name, flags)
    return body + _U32.pack(google_crc32c.value(body))


def parse_segment_header(raw: bytes) -> SegmentHeader | None:
    """The header, or None if `raw` is short or its magic, flags or checksum is wrong."""
    if len(raw) != SEGMENT_HEADER_BYTES:
        return None
    body = raw[: _SEGMENT.size]
    magic, version, ruleset, first, previous, name, flags = _SEGMENT.unpack(body)
    if (
        magic != SEGMENT_MAGIC
        or flags > ZEROS_AHEAD
        or _U32.unpack(raw[_SEGMENT.size :])[0] != google_crc32c.value(body)
    ):
        return None
    return SegmentHeader(
        version, ruleset, first, previous, name.rstrip(b"\0").decode(errors="replace"), flags
    )


def pack_frame(
    payload: bytes, *, first_sequence: int, count: int, time_ns: int, durable: int, previous_hash: bytes
) -> bytes:
    """One whole frame. `payload` is `count` stamped commands, or a state hash when `count` is 0."""
    length = FRAME_OVERHEAD_BYTES + len(payload)
    fields = _FRAME.pack(FRAME_MAGIC, length, first_sequence, time_ns, durable, count, previous_hash)
    checksum = google_crc32c.value(fields)
    whole = google_crc32c.extend(checksum, payload)
    return b"".join((fields, _U32.pack(checksum), payload, _U32.pack(whole)))


def parse_frame_header(raw: bytes) -> FrameHeader | None:
    """The header, or None if `raw` is short, or its magic, length or checksum is wrong."""
    if len(raw) != FRAME_HEADER_BYTES or raw[:4] != FRAME_MAGIC:
        return None
    body = raw[: _FRAME.size]
    if _U32.unpack(raw[_FRAME.size :])[0] != google_crc32c.value(body):
        return None
    _, length, first, time_ns, durable, count, previous = _FRAME.unpack(body)
    if not FRAME_OVERHEAD_BYTES < length <= MAX_FRAME_BYTES:
        return None
    return FrameHeader(length, first, time_ns, durable, count, previous)


def frame_checksum_holds(frame: bytes) -> bool:
    """Whether the checksum over header and payload holds, for a frame whose header is sound."""
    checksum = google_crc32c.extend(google_crc32c.value(frame[: _FRAME.size]), frame_payload(frame))
    return bool(_U32.unpack(frame[-4:])[0] == checksum)


def frame_payload(frame: bytes) -> bytes:
    """The bytes between header and checksum."""
    return frame[FRAME_HEADER_BYTES:-4]


def frame_hash(frame: bytes) -> bytes:
    """SHA-256 over the whole frame, checksum included; the next frame carries it."""
    return hashlib.sha256(frame).digest()


def is_seal(frame: bytes) -> bool:
    """Whether a whole frame is the mark of a clean shutdown."""
    header = parse_frame_header(frame[:FRAME_HEADER_BYTES])
    return header is not None and header.count == 0


def previous_hash(frame: bytes) -> bytes:
    """The hash of the frame before, which a frame carries."""
    return frame[_FRAME.size - len(NO_HASH) : _FRAME.size]
