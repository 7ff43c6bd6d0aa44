"""The records between the core process and its clients: packed, parsed, cut out of a stream. docs/internals/core-process.md draws them.

Responsible for: sizes, field order, and never handing out part of a record. Never: looks inside a command or an event, or knows
a socket.

Every record is little endian and begins with u32 length of the whole record | u16 kind | u16 zero. What follows:

    to the core      HELLO     u32 protocol | u32 wants (1: the events of every frame, 2: its commands; or both)
                     COMMANDS  u64 tag, chosen by the client | whole commands, sequence and time unfilled
    from the core    WELCOME   u32 protocol | u32 largest record it takes | u64 last sequence applied | i64 its time
                     ANSWER    u64 tag | u64 first sequence | u32 commands | u32 zero | i64 time of the last | events
                     EVENTS    u64 first sequence | u32 commands | u32 zero | i64 time of the last | events of a whole frame
                     REFUSED   u64 tag | u32 code | u32 zero | sentence, UTF-8; nothing of that buffer was written
                     FRAMES    u64 first sequence | u32 commands | u32 zero | i64 time of the last | its stamped commands

An ANSWER is of all buffers of that client since the one before, up to the one with its tag, but those that were refused: what a client
says at once becomes one buffer. Tags are the client's business; counting up from 1 they say how far it was answered.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from novate.errors import NovateError

PROTOCOL: Final = 1
WANTS_EVENTS: Final = 1
WANTS_COMMANDS: Final = 2
HEAD: Final = struct.Struct("<IHH")
_HELLO: Final = struct.Struct("<II")
_TAG: Final = struct.Struct("<Q")
_WELCOME: Final = struct.Struct("<IIQq")
_ANSWER: Final = struct.Struct("<IHHQQIIq")
_EVENTS: Final = struct.Struct("<IHHQIIq")
_REFUSED: Final = struct.Struct("<QII")


class Kind(IntEnum):
    """Record types; append only."""

    HELLO = 1
    COMMANDS = 2
    WELCOME = 3
    ANSWER = 4
    EVENTS = 5
    REFUSED = 6
    FRAMES = 7


class Refusal(IntEnum):
    """Why the core took nothing of a record; append only. All but `BAD_BUFFER` and `STANDBY_IS_AWAITED` end the connection, after all earlier answers."""

    BAD_BUFFER = 1
    """Not whole commands, or one that puts another aside."""
    RECORD_TOO_LARGE = 2
    BAD_RECORD = 3
    """A kind or a size that the core does not take, or not in that order."""
    OTHER_PROTOCOL = 4
    STANDBY_IS_AWAITED = 5
    """The venue waits for a standby that does not answer, and takes no command before it is back."""


class CoreRefused(NovateError):
    """The core process took nothing of what was sent. Facts: `refusal` (its number), `tag`."""

    code = "core_refused"


class BadRecord(ValueError):
    """What a stream holds is no record; `refusal` says which rule it breaks."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


class Record(NamedTuple):
    """One whole record: its kind, and the bytes behind its first 8."""

    kind: int
    body: bytes


class Welcome(NamedTuple):
    """The core's first word to a client."""

    protocol: int
    record_bytes: int
    """Largest record it takes."""
    sequence: int
    """Last command it has applied."""
    time_ns: int


class Answered(NamedTuple):
    """Commands of this client, durable and applied, up to those with `tag`; or, with `tag` None, a whole frame of anyone's."""

    tag: int | None
    first_sequence: int
    commands: int
    time_ns: int
    events: bytes


class DurableFrame(NamedTuple):
    """One whole frame of the journal, durable and applied: what a second engine applies to be in the same state."""

    first_sequence: int
    commands: int
    time_ns: int
    """Of its last command."""
    payload: bytes
    """Its commands with sequence and time filled, as they stand in the journal."""

    @property
    def last_sequence(self) -> int:
        """Of its last command."""
        return self.first_sequence + self.commands - 1


Heard = Answered | DurableFrame | CoreRefused
"""What the core says after its WELCOME."""


class RecordReader:
    """Cuts a stream into records; holds what is not whole yet. A record larger than `most` is refused before it is read."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._held = 0
        self._needed = 0
        self.bad: BadRecord | None = None
        """What stands behind the last whole record and can't be one; nothing behind it is read."""

    def feed(self, chunk: bytes) -> list[Record]:
        """The records that are whole now."""
        if self.bad is not None:
            return []
        if self._parts:
            self._parts.append(chunk)
            self._held += len(chunk)
            if self._held < self._needed:
                return []  # joined once, however many chunks a large record comes in
            chunk = b"".join(self._parts)
        found, at, needed = self._cut(chunk)
        self._parts = [chunk[at:]] if at < len(chunk) else []
        self._held, self._needed = len(chunk) - at, needed
        return found

    def _cut(self, data: bytes) -> tuple[list[Record], int, int]:
        """The whole records at the start of `data`, where they end, and how many bytes from there on the next one needs."""
        found: list[Record] = []
        at, size = 0, len(data)
        while size - at >= HEAD.size:
            length, kind, zero = HEAD.unpack_from(data, at)
            if length > self._most:
                self.bad = BadRecord(
                    Refusal.RECORD_TOO_LARGE,
                    f"A record of {length} bytes; at most {self._most} are taken at once.",
                )
            elif length < HEAD.size or zero:
                self.bad = BadRecord(Refusal.BAD_RECORD, "These bytes are no record.")
            if self.bad is not None:
                break
            if size - at < length:
                return found, at, length
            found.append(Record(kind, data[at + HEAD.size : at + length]))
            at += length
        return found, at, HEAD.size


def pack_hello(wants: int) -> bytes:
    """What a client says first."""
    return HEAD.pack(HEAD.size + _HELLO.size, Kind.HELLO, 0) + _HELLO.pack(PROTOCOL, wants)


def parse_hello(body: bytes) -> int:
    """What the client wants. Raises BadRecord for another protocol."""
    if len(body) != _HELLO.size:
        raise BadRecord(Refusal.BAD_RECORD, "A HELLO of another size.")
    protocol, wants = _HELLO.unpack(body)
    if protocol != PROTOCOL:
        raise BadRecord(
            Refusal.OTHER_PROTOCOL, f"Protocol {protocol} was offered; this core speaks {PROTOCOL}."
        )
    return int(wants)


def pack_commands_head(tag: int, size: int) -> bytes:
    """What goes in front of `size` bytes of commands."""
    return HEAD.pack(HEAD.size + _TAG.size + size, Kind.COMMANDS, 0) + _TAG.pack(tag)


def parse_commands(body: bytes) -> tuple[int, bytes]:
    """(tag, commands). Raises BadRecord."""
    if len(body) < _TAG.size:
        raise BadRecord(Refusal.BAD_RECORD, "A COMMANDS record without a tag.")
    return _TAG.unpack_from(body)[0], body[_TAG.size :]


def pack_welcome(welcome: Welcome) -> bytes:
    """The core's first word."""
    return HEAD.pack(HEAD.size + _WELCOME.size, Kind.WELCOME, 0) + _WELCOME.pack(*welcome)


def pack_answer_head(tag: int, first_sequence: int, commands: int, time_ns: int, size: int) -> bytes:
    """What goes in front of `size` bytes of events in an ANSWER."""
    return _ANSWER.pack(_ANSWER.size + size, Kind.ANSWER, 0, tag, first_sequence, commands, 0, time_ns)


def pack_events_head(first_sequence: int, commands: int, time_ns: int, size: int) -> bytes:
    """What goes in front of `size` bytes of events in an EVENTS record."""
    return _EVENTS.pack(_EVENTS.size + size, Kind.EVENTS, 0, first_sequence, commands, 0, time_ns)


def pack_frames_head(first_sequence: int, commands: int, time_ns: int, size: int) -> bytes:
    """What goes in front of `size` bytes of stamped commands in a FRAMES record."""
    return _EVENTS.pack(_EVENTS.size + size, Kind.FRAMES, 0, first_sequence, commands, 0, time_ns)


def pack_refused(tag: int, refusal: Refusal, sentence: str) -> bytes:
    """Why nothing was taken."""
    text = sentence.encode()
    size = HEAD.size + _REFUSED.size + len(text)
    return HEAD.pack(size, Kind.REFUSED, 0) + _REFUSED.pack(tag, refusal, 0) + text


def parse_from_core(record: Record) -> Welcome | Heard:
    """What the core said. Raises BadRecord for a kind or size that no core sends."""
    body = record.body
    try:
        if record.kind == Kind.ANSWER:
            tag, first, commands, _, time_ns = _ANSWER_BODY.unpack_from(body)
            return Answered(tag, first, commands, time_ns, body[_ANSWER_BODY.size :])
        if record.kind == Kind.EVENTS:
            first, commands, _, time_ns = _EVENTS_BODY.unpack_from(body)
            return Answered(None, first, commands, time_ns, body[_EVENTS_BODY.size :])
        if record.kind == Kind.FRAMES:
            first, commands, _, time_ns = _EVENTS_BODY.unpack_from(body)
            return DurableFrame(first, commands, time_ns, body[_EVENTS_BODY.size :])
        if record.kind == Kind.WELCOME:
            return Welcome(*_WELCOME.unpack(body))
        if record.kind == Kind.REFUSED:
            tag, refusal, _ = _REFUSED.unpack_from(body)
            return CoreRefused(body[_REFUSED.size :].decode(errors="replace"), refusal=refusal, tag=tag)
    except struct.error as error:
        raise BadRecord(Refusal.BAD_RECORD, "A record of the core is cut short.") from error
    raise BadRecord(Refusal.BAD_RECORD, f"The core sends no records of kind {record.kind}.")


_ANSWER_BODY: Final = struct.Struct("<QQIIq")
_EVENTS_BODY: Final = struct.Struct("<QIIq")
