"""The records between the reader process and who asks it: packed and parsed. docs/internals/reader-process.md draws them.

Responsible for: sizes, field order, and never handing out part of a record. Never: looks inside a question or an answer, or knows
a socket.

Every record is little endian and begins with u32 length of the whole record | u16 kind | u16 zero. What follows:

    to the reader    HELLO     u32 protocol | u32 zero
                     ASK       u64 tag | u64 least sequence | u32 wait_ms | u32 questions | questions
                     WHAT_IF   u64 tag | u64 least sequence | u32 wait_ms | u32 questions | u32 bytes of commands | u32 zero
                               | whole commands, sequence and time unfilled | questions
                     RECALL    u64 tag | u64 least sequence | u32 wait_ms | u32 most events | u64 account | u64 number behind which
    from the reader  WELCOME   u32 protocol | u32 largest record it takes | u64 last sequence applied | i64 its time
                     TOLD      u64 tag | u64 sequence | i64 time | u32 flags (1: stale) | u32 answers | answers
                     FORETOLD  u64 tag | u64 sequence | i64 time | u32 flags | u32 answers | u32 bytes of events | u32 commands
                               | events | answers
                     RECALLED  u64 tag | u64 sequence | i64 time | u32 flags | u32 events | u64 oldest | u64 last | u64 first command
                               | whole events
                     NOT_TOLD  u64 tag | u32 code | u32 zero | sentence, UTF-8

A question, as an answer, is u32 length | that many bytes: what `Engine.query` takes and gives. All questions of a record are answered
at one sequence. Answers come as they are ready; the tag, the asker's business, says whose they are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from novate.core_process.wire import HEAD, BadRecord, Record, Refusal, Welcome
from novate.errors import NovateError
from novate.journal.envelope import BytesLike

PROTOCOL: Final = 1
STALE: Final = 1
"""Flag of an answer: the reader does not follow the core just now, so that later commands may be durable already."""
_HELLO: Final = struct.Struct("<II")
_WELCOME: Final = struct.Struct("<IIQq")
_ASK: Final = struct.Struct("<QQII")
_WHAT_IF: Final = struct.Struct("<QQIIII")
_TOLD: Final = struct.Struct("<QQqII")
_FORETOLD: Final = struct.Struct("<QQqIIII")
_RECALL: Final = struct.Struct("<QQIIQQ")
_RECALLED: Final = struct.Struct("<QQqIIQQQ")
_NOT_TOLD: Final = struct.Struct("<QII")
_LENGTH: Final = struct.Struct("<I")


class Kind(IntEnum):
    """Record types; append only."""

    HELLO = 1
    WELCOME = 2
    ASK = 3
    TOLD = 4
    WHAT_IF = 5
    FORETOLD = 6
    NOT_TOLD = 7
    RECALL = 8
    RECALLED = 9


class Why(IntEnum):
    """Why there is no answer; append only. `RECORD_TOO_LARGE`, `BAD_RECORD`, `HALTED` and `OTHER_PROTOCOL` end the connection."""

    BAD_QUESTION = 1
    """The engine does not know or understand it."""
    NOT_REACHED = 2
    """The least sequence asked for was not applied within the wait."""
    RECORD_TOO_LARGE = 3
    BAD_RECORD = 4
    HALTED = 5
    """The reader's engine failed inside a command; the reader ends."""
    OTHER_PROTOCOL = 6
    BAD_COMMANDS = 7
    """The commands of a WHAT_IF are not whole messages, are too many, or put another command aside."""
    BUSY = 8
    """As many what-ifs wait as may; ask again later."""
    FAILED_THERE = 9
    """The engine of a WHAT_IF failed inside one of its commands: that copy is gone, the reader goes on."""
    ANSWER_TOO_LARGE = 10
    NO_EVENT_LOG = 11
    """The reader was started without an event log, or what is in it can't be read."""


class NotTold(NovateError):
    """The reader gave no answer. Facts: `why` (its number), `tag`."""

    code = "not_told"


class BadQuestion(NotTold, ValueError):
    """The engine does not know the question, or not its arguments: a ValueError, as `Engine.query` raises."""

    code = "bad_question"


class Ask(NamedTuple):
    """Questions about the venue as it is."""

    tag: int
    min_seq: int
    """Answered only once this command is applied."""
    wait_ms: int
    """How long that may take."""
    questions: tuple[bytes, ...]


class WhatIf(NamedTuple):
    """Questions about the venue as it would be after `commands`, on a copy that is thrown away."""

    tag: int
    min_seq: int
    wait_ms: int
    questions: tuple[bytes, ...]
    commands: bytes


class Told(NamedTuple):
    """The answers to the questions of one record, all of one moment."""

    tag: int
    sequence: int
    """Last command applied before the answer."""
    time_ns: int
    """Its journal time."""
    stale: bool
    """Whether the reader did not follow the core: later commands may be durable already."""
    answers: tuple[bytes, ...]


class Foretold(NamedTuple):
    """What the commands of a what-if would do after command `sequence`, and the answers there."""

    tag: int
    sequence: int
    """Last command of the venue that the copy has applied."""
    time_ns: int
    """Its journal time, which the commands got too."""
    stale: bool
    answers: tuple[bytes, ...]
    commands: int
    """How many the what-if had; their sequences follow `sequence`."""
    events: bytes


class Recall(NamedTuple):
    """What was told to an account."""

    tag: int
    min_seq: int
    """Answered only once this command is applied."""
    wait_ms: int
    """How long that may take."""
    most: int
    """So many events at most; the reader has a bound of its own."""
    account: int
    after: int
    """Only events behind this number of the account."""


class Recalled(NamedTuple):
    """Events of an account in a row, from the event log."""

    tag: int
    sequence: int
    """The log holds the events of all commands up to here, back to where it begins."""
    time_ns: int
    """Its journal time."""
    stale: bool
    how_many: int
    """Events; none where there are none behind that number, or where `oldest` says that they are not there any more."""
    oldest: int
    """Number of the account's oldest event in the log, where that is behind the first one asked for; else 0."""
    last: int
    """Number of its last event in the log; 0 where it has none."""
    first_sequence: int
    """First command whose events are in the log: from 1 on it has all there are."""
    events: bytes
    """Whole messages, as the engine wrote them."""


Question = Ask | WhatIf | Recall
Reply = Told | Foretold | Recalled | NotTold


def pack_hello() -> bytes:
    """What an asker says first."""
    return HEAD.pack(HEAD.size + _HELLO.size, Kind.HELLO, 0) + _HELLO.pack(PROTOCOL, 0)


def parse_hello(body: bytes) -> None:
    """Raises BadRecord for another size or protocol."""
    if len(body) != _HELLO.size:
        raise BadRecord(Refusal.BAD_RECORD, "A HELLO of another size.")
    protocol, _ = _HELLO.unpack(body)
    if protocol != PROTOCOL:
        raise BadRecord(
            Refusal.OTHER_PROTOCOL, f"Protocol {protocol} was offered; this reader speaks {PROTOCOL}."
        )


def pack_welcome(welcome: Welcome) -> bytes:
    """The reader's first word."""
    return HEAD.pack(HEAD.size + _WELCOME.size, Kind.WELCOME, 0) + _WELCOME.pack(*welcome)


def pack_ask(ask: Ask) -> bytes:
    """A whole ASK."""
    head = _ASK.pack(ask.tag, ask.min_seq, ask.wait_ms, len(ask.questions))
    return _whole(Kind.ASK, head, *_lengths(ask.questions))


def pack_what_if(what_if: WhatIf) -> bytes:
    """A whole WHAT_IF."""
    tag, min_seq, wait_ms, questions, commands = what_if
    head = _WHAT_IF.pack(tag, min_seq, wait_ms, len(questions), len(commands), 0)
    return _whole(Kind.WHAT_IF, head, commands, *_lengths(questions))


def pack_recall(recall: Recall) -> bytes:
    """A whole RECALL."""
    return _whole(Kind.RECALL, _RECALL.pack(*recall))


def parse_question(record: Record) -> Question:
    """An ASK, a WHAT_IF or a RECALL. Raises BadRecord."""
    body = record.body
    try:
        if record.kind == Kind.ASK:
            tag, min_seq, wait_ms, count = _ASK.unpack_from(body)
            return Ask(tag, min_seq, wait_ms, _parts(body, _ASK.size, count))
        if record.kind == Kind.WHAT_IF:
            tag, min_seq, wait_ms, count, size, _ = _WHAT_IF.unpack_from(body)
            commands = body[_WHAT_IF.size : _WHAT_IF.size + size]
            return WhatIf(tag, min_seq, wait_ms, _parts(body, _WHAT_IF.size + size, count), commands)
        if record.kind == Kind.RECALL:
            return Recall(*_RECALL.unpack(body))
    except struct.error as error:
        raise BadRecord(Refusal.BAD_RECORD, "A question is cut short.") from error
    raise BadRecord(Refusal.BAD_RECORD, f"A record of kind {record.kind} is not taken here.")


def pack_told(told: Told) -> list[bytes]:
    """A whole TOLD, in parts."""
    flags = STALE if told.stale else 0
    head = _TOLD.pack(told.tag, told.sequence, told.time_ns, flags, len(told.answers))
    return _in_parts(Kind.TOLD, head, *_lengths(told.answers))


def pack_foretold(foretold: Foretold) -> list[bytes]:
    """A whole FORETOLD, in parts."""
    tag, sequence, time_ns, stale, answers, commands, events = foretold
    flags = STALE if stale else 0
    head = _FORETOLD.pack(tag, sequence, time_ns, flags, len(answers), len(events), commands)
    return _in_parts(Kind.FORETOLD, head, events, *_lengths(answers))


def pack_recalled(recalled: Recalled) -> list[bytes]:
    """A whole RECALLED, in parts."""
    tag, sequence, time_ns, stale, *numbers, events = recalled
    head = _RECALLED.pack(tag, sequence, time_ns, STALE if stale else 0, *numbers)
    return _in_parts(Kind.RECALLED, head, events)


def pack_not_told(tag: int, why: Why, sentence: str) -> bytes:
    """Why there is no answer."""
    return _whole(Kind.NOT_TOLD, _NOT_TOLD.pack(tag, why, 0), sentence.encode())


def parse_from_reader(record: Record) -> Welcome | Reply:
    """What the reader said. Raises BadRecord for a kind or size that no reader sends."""
    body = record.body
    try:
        if record.kind == Kind.TOLD:
            tag, sequence, time_ns, flags, count = _TOLD.unpack_from(body)
            return Told(tag, sequence, time_ns, bool(flags & STALE), _parts(body, _TOLD.size, count))
        if record.kind == Kind.FORETOLD:
            tag, sequence, time_ns, flags, count, size, commands = _FORETOLD.unpack_from(body)
            events = body[_FORETOLD.size : _FORETOLD.size + size]
            answers = _parts(body, _FORETOLD.size + size, count)
            return Foretold(tag, sequence, time_ns, bool(flags & STALE), answers, commands, events)
        if record.kind == Kind.RECALLED:
            tag, sequence, time_ns, flags, count, oldest, last, first = _RECALLED.unpack_from(body)
            events, stale = body[_RECALLED.size :], bool(flags & STALE)
            return Recalled(tag, sequence, time_ns, stale, count, oldest, last, first, events)
        if record.kind == Kind.NOT_TOLD:
            tag, why, _ = _NOT_TOLD.unpack_from(body)
            sentence = body[_NOT_TOLD.size :].decode(errors="replace")
            kind = BadQuestion if why == Why.BAD_QUESTION else NotTold
            return kind(sentence, why=why, tag=tag)
        if record.kind == Kind.WELCOME:
            return Welcome(*_WELCOME.unpack(body))
    except struct.error as error:
        raise BadRecord(Refusal.BAD_RECORD, "A record of the reader is cut short.") from error
    raise BadRecord(Refusal.BAD_RECORD, f"The reader sends no records of kind {record.kind}.")


def _in_parts(kind: Kind, *parts: bytes) -> list[bytes]:
    return [HEAD.pack(HEAD.size + sum(map(len, parts)), kind, 0), *parts]


def _whole(kind: Kind, *parts: bytes) -> bytes:
    return b"".join(_in_parts(kind, *parts))


def _lengths(parts: Sequence[BytesLike]) -> list[bytes]:
    """Each part behind its length."""
    return [piece for part in parts for piece in (_LENGTH.pack(len(part)), bytes(part))]


def _parts(body: bytes, at: int, count: int) -> tuple[bytes, ...]:
    """`count` parts from `at` on, which must be all that is left. Raises BadRecord."""
    found: list[bytes] = []
    for _ in range(count):
        (size,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size + size
        found.append(body[at - size : at])
        if at > len(body):
            break
    if at != len(body):
        raise BadRecord(Refusal.BAD_RECORD, "A record's parts are not as long as it says.")
    return tuple(found)
