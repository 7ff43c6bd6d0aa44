"""The 48 bytes in front of every command, as far as the writer needs them: sequence and time filled, once.

Responsible for: a buffer is whole messages back to back and fits a frame, or is refused as a whole. Never: looks at a type, an
account or a body; that is the engine's. The bytes are walked by `novate._core.stamp`, whose crate defines the header.

Header, little endian: u32 length of the whole message | u16 type | u16 version | u64 account | u64 actor
| u64 request | u64 sequence | i64 time_ns. The last two are filled here.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from novate._core import stamp as stamp_messages
from novate.errors import BadBuffer
from novate.journal.layout import MAX_PAYLOAD_BYTES

MAX_TIME_NS = 2**63 - 1

BytesLike: TypeAlias = bytes | bytearray | memoryview


class Stamped(NamedTuple):
    """A buffer with its headers filled: `commands` messages, the last at `time_ns`."""

    payload: bytes
    commands: int
    time_ns: int


def stamp(buffer: BytesLike, first_sequence: int, time_ns: int | None, last_time_ns: int) -> Stamped:
    """A copy of `buffer` with consecutive sequences from `first_sequence`, all at `time_ns`.

    With `time_ns` None the messages carry their own times, which must not decrease. Raises BadBuffer for anything
    but whole messages, TimeRanBackwards for a time before `last_time_ns` or before the message in front.
    """
    size = len(buffer)
    if size > MAX_PAYLOAD_BYTES:
        raise BadBuffer(
            f"The buffer has {size} bytes; at most {MAX_PAYLOAD_BYTES} go into one frame.", size=size
        )
    if time_ns is not None and not -MAX_TIME_NS <= time_ns <= MAX_TIME_NS:
        raise BadBuffer(
            f"The time {time_ns} of command {first_sequence} does not fit 64 bits.", sequence=first_sequence
        )
    return Stamped(*stamp_messages(buffer, first_sequence, time_ns, last_time_ns))


def check_stamps(payload: bytes, first_sequence: int, count: int, time_ns: int) -> None:
    """Raises BadBuffer or TimeRanBackwards unless `payload` is what `stamp` makes of `count` messages."""
    again = stamp(payload, first_sequence, None, 0)
    if again != (payload, count, time_ns):
        raise BadBuffer(
            f"The frame of command {first_sequence} does not hold {count} commands stamped in order up to {time_ns}.",
            sequence=first_sequence,
        )
