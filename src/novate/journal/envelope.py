"""The 48 bytes in front of every command, as far as the writer needs them: lengths walked, sequence and time filled.

Responsible for: a buffer is whole messages back to back, or is refused as a whole. Never: looks at a type, an account
or a body; that is the engine's.

Header, little endian: u32 length of the whole message | u16 type | u16 version | u64 account | u64 actor
| u64 request | u64 sequence | i64 time_ns. The last two are filled here, once.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from novate.errors import BadBuffer, TimeRanBackwards
from novate.journal.layout import MAX_PAYLOAD_BYTES

MESSAGE_HEADER_BYTES = 48
SEQUENCE_OFFSET = 32
TIME_OFFSET = 40
MAX_TIME_NS = 2**63 - 1

_LENGTH = struct.Struct("<I")
_STAMP = struct.Struct("<Qq")
_TIME = struct.Struct("<q")
_FEW = 24
"""Below this many messages a plain loop beats numpy's start-up cost."""

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
    if time_ns is not None:
        _check_time(time_ns, last_time_ns, first_sequence)
    out = bytearray(buffer)
    offsets = _offsets(out)
    if len(offsets) < _FEW:
        end = _stamp_few(out, offsets, first_sequence, time_ns, last_time_ns)
    else:
        end = _stamp_many(out, offsets, first_sequence, time_ns, last_time_ns)
    return Stamped(bytes(out), len(offsets), end)


def check_stamps(payload: bytes, first_sequence: int, count: int, time_ns: int) -> None:
    """Raises BadBuffer or TimeRanBackwards unless `payload` is what `stamp` makes of `count` messages."""
    again = stamp(payload, first_sequence, None, 0)
    if again != (payload, count, time_ns):
        raise BadBuffer(
            f"The frame of command {first_sequence} does not hold {count} commands stamped in order up to {time_ns}.",
            sequence=first_sequence,
        )


def _offsets(buffer: bytearray) -> range | list[int]:
    """Where each message begins. A range if all have one length, found without a loop."""
    size = len(buffer)
    if size > MAX_PAYLOAD_BYTES:
        raise BadBuffer(
            f"The buffer has {size} bytes; at most {MAX_PAYLOAD_BYTES} go into one frame.", size=size
        )
    if size < MESSAGE_HEADER_BYTES:
        raise BadBuffer(f"The buffer has {size} bytes and holds no whole message.", size=size)
    (stride,) = _LENGTH.unpack_from(buffer)
    if stride >= MESSAGE_HEADER_BYTES and size % stride == 0:
        lengths = np.ndarray((size // stride,), "<u4", buffer, 0, (stride,))
        if bool((lengths == stride).all()):
            return range(0, size, stride)
    return _walk_lengths(buffer, size)


def _walk_lengths(buffer: bytearray, size: int) -> list[int]:
    offsets: list[int] = []
    keep, unpack = offsets.append, _LENGTH.unpack_from
    offset = 0
    last_start = size - MESSAGE_HEADER_BYTES
    while offset <= last_start:
        (length,) = unpack(buffer, offset)
        if length < MESSAGE_HEADER_BYTES:
            raise BadBuffer(
                f"The message at byte {offset} says it has {length} bytes; a header alone has 48.",
                offset=offset,
            )
        keep(offset)
        offset += length
    if offset != size:
        at = offsets[-1] if offset > size else offset
        raise BadBuffer(f"The buffer ends inside the message at byte {at}.", offset=at)
    return offsets


def _stamp_few(
    out: bytearray, offsets: range | list[int], sequence: int, time_ns: int | None, last_time_ns: int
) -> int:
    at = last_time_ns if time_ns is None else time_ns
    for number, offset in enumerate(offsets, sequence):
        if time_ns is None:
            (own,) = _TIME.unpack_from(out, offset + TIME_OFFSET)
            _check_time(own, at, number)
            at = own
        _STAMP.pack_into(out, offset + SEQUENCE_OFFSET, number, at)
    return at


def _stamp_many(
    out: bytearray, offsets: range | list[int], sequence: int, time_ns: int | None, last_time_ns: int
) -> int:
    """As `_stamp_few`, with two strided writes for one length, one scattered write for mixed lengths."""
    count = len(offsets)
    sequences = np.arange(sequence, sequence + count, dtype="<u8")
    if isinstance(offsets, range):
        times = np.ndarray((count,), "<i8", out, TIME_OFFSET, (offsets.step,))
        end = _times(times, sequence, time_ns, last_time_ns)
        np.ndarray((count,), "<u8", out, SEQUENCE_OFFSET, (offsets.step,))[:] = sequences
        return end
    raw = np.frombuffer(out, np.uint8)
    where = np.asarray(offsets, np.int64)[:, None] + np.arange(SEQUENCE_OFFSET, MESSAGE_HEADER_BYTES)
    stamps = raw[where].view("<i8")
    end = _times(stamps[:, 1], sequence, time_ns, last_time_ns)
    stamps[:, 0] = sequences.view("<i8")
    raw[where] = stamps.view(np.uint8)
    return end


def _times(times: npt.NDArray[np.int64], sequence: int, time_ns: int | None, last_time_ns: int) -> int:
    """Fills or checks a column of times in place; returns the last."""
    if time_ns is not None:
        times[:] = time_ns
        return time_ns
    before = np.concatenate(([last_time_ns], times[:-1]))
    wrong = np.flatnonzero(times < before)
    if wrong.size:
        first = int(wrong[0])
        _check_time(int(times[first]), int(before[first]), sequence + first)
    return int(times[-1])


def _check_time(time_ns: int, last_time_ns: int, sequence: int) -> None:
    if time_ns > MAX_TIME_NS:
        raise BadBuffer(f"The time {time_ns} of command {sequence} does not fit 64 bits.", sequence=sequence)
    if time_ns < last_time_ns:
        raise TimeRanBackwards(
            f"Command {sequence} has time {time_ns}, before the journal's last time {last_time_ns}.",
            sequence=sequence,
            time_ns=time_ns,
            last_time_ns=last_time_ns,
        )
