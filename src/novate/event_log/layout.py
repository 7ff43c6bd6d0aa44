"""The bytes of an event log: segment, record and index, packed and parsed. docs/internals/event-log.md draws them.

Responsible for: sizes, field order, checksums, and the walk over events that says where each account's are. Everything is little endian.
Never: opens a file, or decodes an event: what stands in front of every event is enough.

Segment header, 132 bytes:
    8s magic | u32 format | u32 ruleset | u64 last command before it | i64 its time | 32s hash of the journal's frame that ends there
    64s release, zero padded | u32 CRC32C of what is before it
Record, 72 bytes + events + 4 bytes:
    4s magic | u32 length of the whole record | u64 first command | u64 last command | i64 time of the last one | u32 flags | 32s hash
    u32 CRC32C of what is before it || events || u32 CRC32C of header fields and events
Flag 1: the record ends where a frame of the journal does, whose hash it carries; without it the hash is zeros.
Index, 88 bytes + columns (all accounts, all numbers, all places, all records) for a segment that is complete:
    8s magic | u32 format | u32 events | u32 records | u32 zero | u64 last command | i64 its time | 32s hash of the frame there
    u64 bytes of the segment | u32 zero | u32 CRC32C of what is before it || events x u64 account || events x u64 number || events x u32 place || records x u32 place
Sorted by account and number; a place is an offset in the segment.
"""

from __future__ import annotations

import struct
from array import array
from typing import Final, NamedTuple

import google_crc32c

from novate.errors import BadBuffer
from novate.journal.layout import check_release
from novate.journal.scan import Position
from novate.messages.events import LAST

FORMAT: Final = 1
SEGMENT_MAGIC: Final = b"NOVATEEV"
RECORD_MAGIC: Final = b"NvEv"
INDEX_MAGIC: Final = b"NOVATEEX"
ENDS_FRAME: Final = 1
RECORD_BYTES: Final = 1 << 14
"""A record is ended at the next end of a command behind so many bytes: what is read and checked for one event."""

_SEGMENT: Final = struct.Struct("<8sIIQq32s64s")
_RECORD: Final = struct.Struct("<4sIQQqI32s")
_INDEX: Final = struct.Struct("<8sIIIIQq32sQI")
_U32: Final = struct.Struct("<I")
_EVENT: Final = struct.Struct("<I4xQ16xQ12xIQ")
"""Length, account, sequence, flags and account's number: the first 64 bytes of every event."""

SEGMENT_HEADER_BYTES: Final = _SEGMENT.size + 4
RECORD_HEADER_BYTES: Final = _RECORD.size + 4
RECORD_OVERHEAD_BYTES: Final = RECORD_HEADER_BYTES + 4
INDEX_HEADER_BYTES: Final = _INDEX.size + 4
_NO_HASH: Final = bytes(32)


class SegmentHead(NamedTuple):
    """What a segment says about itself."""

    format: int
    ruleset: int
    before: Position
    """Where the journal stood before the first command whose events are here."""


class RecordHead(NamedTuple):
    """What a record says about itself; trusted once its checksum holds."""

    length: int
    first_sequence: int
    last_sequence: int
    time_ns: int
    ends_frame: bool
    frame_hash: bytes

    @property
    def position(self) -> Position:
        """Where the journal stands behind it, if it `ends_frame`."""
        return Position(self.last_sequence, self.time_ns, self.frame_hash)


class IndexHead(NamedTuple):
    """What an index says about itself and its segment."""

    events: int
    records: int
    end: Position
    """Where the journal stood behind the last command whose events are in the segment."""
    segment_bytes: int


class Places:
    """Where the events of accounts are in one segment, in the order in which they happened: 20 bytes for each.

    For one thread; who looks at the columns as arrays lets go of them before more is added.
    """

    __slots__ = ("accounts", "numbers", "offsets", "records")

    def __init__(self) -> None:
        self.accounts = array("Q")
        self.numbers = array("Q")
        """Of each event among those of its account, from 1."""
        self.offsets = array("I")
        self.records = array("I")
        """Where records begin."""


def pack_segment(release: str, ruleset: int, before: Position) -> bytes:
    """A segment's header."""
    body = _SEGMENT.pack(SEGMENT_MAGIC, FORMAT, ruleset, *before, check_release(release).encode())
    return body + _U32.pack(google_crc32c.value(body))


def parse_segment(raw: bytes) -> SegmentHead | None:
    """The header, or None if `raw` is short or its magic or checksum is wrong."""
    body = raw[: _SEGMENT.size]
    if len(raw) != SEGMENT_HEADER_BYTES or _U32.unpack(raw[-4:])[0] != google_crc32c.value(body):
        return None
    magic, version, ruleset, sequence, time_ns, frame_hash, _ = _SEGMENT.unpack(body)
    return (
        SegmentHead(version, ruleset, Position(sequence, time_ns, frame_hash))
        if magic == SEGMENT_MAGIC
        else None
    )


def parse_record_head(raw: bytes) -> RecordHead | None:
    """The header, or None if `raw` is short, or its magic, length or checksum is wrong."""
    body = raw[: _RECORD.size]
    if len(raw) != RECORD_HEADER_BYTES or _U32.unpack(raw[-4:])[0] != google_crc32c.value(body):
        return None
    magic, length, first, last, time_ns, flags, frame_hash = _RECORD.unpack(body)
    if magic != RECORD_MAGIC or length < RECORD_OVERHEAD_BYTES or last < first:
        return None
    return RecordHead(length, first, last, time_ns, bool(flags & ENDS_FRAME), frame_hash)


def events_of(record: bytes) -> memoryview | None:
    """The events of a whole record whose header is sound; None where its checksum fails."""
    events = record[RECORD_HEADER_BYTES:-4]
    whole = google_crc32c.extend(google_crc32c.value(record[: _RECORD.size]), events)
    return memoryview(events) if _U32.unpack(record[-4:])[0] == whole else None


def pack_records(events: bytes, at: int, first: int, end: Position, places: Places) -> bytes:
    """Records of the events of commands `first` up to `end`, which stand at `at` of a segment; notes in `places` where each is.

    The last one carries `end`; one is ended at the next end of a command behind RECORD_BYTES. Raises BadBuffer for what are no events.
    """
    packed: list[bytes] = []
    begin, size = 0, len(events)
    while True:
        records = len(packed)
        stop, last = walk(events, begin, at + RECORD_HEADER_BYTES - begin, places, RECORD_BYTES)
        places.records.append(at)
        if stop >= size:
            packed.append(_record(events[begin:] if records else events, first, end, ENDS_FRAME))
            return b"".join(packed)
        packed.append(_record(events[begin:stop], first, Position(last, end.time_ns, _NO_HASH), 0))
        at += len(packed[-1])
        begin, first = stop, last + 1


def walk(events: bytes | memoryview, at: int, shift: int, places: Places, most: int) -> tuple[int, int]:
    """Notes where events of accounts are, from `at` on; an offset and `shift` are a place.

    Ends at the end of a command, `most` bytes on or more, or at the end. Returns where, and the last command there. Raises BadBuffer.
    """
    unpack, end, enough = _EVENT.unpack_from, len(events), at + most
    to_accounts, to_numbers, to_offsets = places.accounts.append, places.numbers.append, places.offsets.append
    sequence = 0
    try:
        while at < end:
            length, account, sequence, flags, number = unpack(events, at)
            if length < _EVENT.size or at + length > end:
                raise BadBuffer(f"no whole event at byte {at} of {end}", offset=at)
            if number:
                to_accounts(account)
                to_numbers(number)
                to_offsets(at + shift)
            at += length
            if at >= enough and flags & LAST:
                break
    except struct.error:
        raise BadBuffer(f"no whole event at byte {at} of {end}", offset=at) from None
    return at, sequence


def event_at(events: bytes | memoryview, at: int) -> tuple[int, int, int]:
    """Length, account and account's number of the event at `at`. Raises BadBuffer where there is no whole one."""
    if at < 0 or at + _EVENT.size > len(events):
        raise BadBuffer(f"no whole event at byte {at} of {len(events)}", offset=at)
    length, account, _, _, number = _EVENT.unpack_from(events, at)
    if length < _EVENT.size or at + length > len(events):
        raise BadBuffer(f"no whole event at byte {at} of {len(events)}", offset=at)
    return length, account, number


def pack_index(head: IndexHead) -> bytes:
    """An index's header."""
    events, records, end, size = head
    body = _INDEX.pack(INDEX_MAGIC, FORMAT, events, records, 0, *end, size, 0)
    return body + _U32.pack(google_crc32c.value(body))


def parse_index(raw: bytes) -> IndexHead | None:
    """The header, or None if `raw` is short, of another format, or its checksum is wrong."""
    body = raw[: _INDEX.size]
    if len(raw) != INDEX_HEADER_BYTES or _U32.unpack(raw[-4:])[0] != google_crc32c.value(body):
        return None
    magic, version, events, records, _, sequence, time_ns, frame_hash, size, _ = _INDEX.unpack(body)
    if (magic, version) != (INDEX_MAGIC, FORMAT):
        return None
    return IndexHead(events, records, Position(sequence, time_ns, frame_hash), size)


def _record(events: bytes, first: int, end: Position, flags: int) -> bytes:
    length = RECORD_OVERHEAD_BYTES + len(events)
    fields = _RECORD.pack(RECORD_MAGIC, length, first, end.sequence, end.time_ns, flags, end.frame_hash)
    checksum = google_crc32c.value(fields)
    return b"".join((fields, _U32.pack(checksum), events, _U32.pack(google_crc32c.extend(checksum, events))))
