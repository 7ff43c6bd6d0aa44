"""The raw message behind each price: append-only files by day, and an index that finds a message by its hash.

    HOME/raw/2026-11-26/messages.raw    u32 length | u8 length of the feed's name | name | i64 received, ns UTC | message
    HOME/raw/2026-11-26/messages.idx    16 bytes of SHA-256 | u64 offset in messages.raw

Little endian. The index entry is written after its message, and both are on disk before the price is sent (`sync`). Files are never
deleted or changed; a torn end, left by a kill, is cut at the next start, when no price can refer to it yet. One writer a directory.

Responsible for: keeping and finding bytes. Never: looks inside a message.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

from novate.calendar import SECOND_NS
from novate.errors import DataError
from novate.prices.observation import Frame

_LENGTH: Final = struct.Struct("<IB")
_TIME: Final = struct.Struct("<q")
_ENTRY: Final = struct.Struct("<16sQ")
HASH_BYTES: Final = 16


def raw_hash(frame: Frame) -> bytes:
    """First 16 bytes of the SHA-256 of a message; text is hashed as UTF-8."""
    return hashlib.sha256(frame_bytes(frame)).digest()[:HASH_BYTES]


def frame_bytes(frame: Frame) -> bytes:
    """A frame as the bytes that are kept."""
    return frame.encode() if isinstance(frame, str) else frame


class RawMessage(NamedTuple):
    """One message as it came."""

    feed: str
    received_ns: int
    raw: bytes


class RawArchive:
    """Writes and reads the archive below `folder`. For one thread.

    Opening a day repairs its end. Raises DataError where what is there can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._day = ""
        self._messages: BinaryIO | None = None
        self._index: BinaryIO | None = None
        self._last_hash = b""

    def append(self, feed: str, received_ns: int, frame: Frame) -> bytes:
        """Keeps one message and returns its hash. The same message twice in a row is kept once. On disk after `sync`."""
        raw = frame_bytes(frame)
        digest = raw_hash(raw)
        day = datetime.fromtimestamp(received_ns // SECOND_NS, UTC).strftime("%Y-%m-%d")
        if day != self._day:
            self._open(day)
        elif digest == self._last_hash:
            return digest
        if self._messages is None or self._index is None:
            raise DataError("The archive of raw messages is closed.")
        name = feed.encode()[:255]
        offset = self._messages.tell()
        self._messages.write(_LENGTH.pack(len(raw), len(name)) + name + _TIME.pack(received_ns) + raw)
        self._index.write(_ENTRY.pack(digest, offset))
        self._last_hash = digest
        return digest

    def sync(self) -> None:
        """What was appended is on disk, messages before their index."""
        for file in (self._messages, self._index):
            if file is not None:
                file.flush()
                os.fdatasync(file.fileno())

    def close(self) -> None:
        """Syncs and closes."""
        self.sync()
        for file in (self._messages, self._index):
            if file is not None:
                file.close()
        self._messages = self._index = None
        self._day = ""

    def find(self, digest: bytes) -> RawMessage | None:
        """The message with this hash, from the newest day back; None where there is none. Raises DataError for other bytes."""
        for day in sorted((path for path in self.folder.glob("*-*-*") if path.is_dir()), reverse=True):
            for found, offset in _entries(day / "messages.idx"):
                if found == digest:
                    message = _read(day / "messages.raw", offset)
                    if raw_hash(message.raw) != digest:
                        raise DataError(
                            "A raw message is not the one that was kept.", file=str(day), offset=offset
                        )
                    return message
        return None

    def _open(self, day: str) -> None:
        self.close()
        folder = self.folder / day
        folder.mkdir(parents=True, exist_ok=True)
        _repair(folder)
        self._messages = (folder / "messages.raw").open("ab")
        self._index = (folder / "messages.idx").open("ab")
        self._day, self._last_hash = day, b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _entries(path: Path) -> Iterator[tuple[bytes, int]]:
    data = path.read_bytes() if path.is_file() else b""
    whole = len(data) - len(data) % _ENTRY.size
    yield from _ENTRY.iter_unpack(data[:whole])


def _read(path: Path, offset: int) -> RawMessage:
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise DataError("A raw message is missing.", file=str(path), offset=offset)
        length, name_length = _LENGTH.unpack(head)
        name = file.read(name_length)
        time = file.read(_TIME.size)
        raw = file.read(length)
    if len(raw) < length or len(time) < _TIME.size:
        raise DataError("A raw message is cut short.", file=str(path), offset=offset)
    return RawMessage(name.decode(errors="replace"), _TIME.unpack(time)[0], raw)


def _repair(folder: Path) -> None:
    """Cuts a torn end of both files: the index to whole entries of whole messages, the messages to the end of the last of them."""
    messages, index = folder / "messages.raw", folder / "messages.idx"
    size = messages.stat().st_size if messages.exists() else 0
    kept, end = 0, 0
    entries = list(_entries(index))
    for place in range(len(entries) - 1, -1, -1):
        last = _end_of(messages, entries[place][1], size)
        if last is not None:
            kept, end = place + 1, last
            break
    for path, length in ((index, kept * _ENTRY.size), (messages, end)):
        if path.exists() and path.stat().st_size > length:
            os.truncate(path, length)


def _end_of(path: Path, offset: int, size: int) -> int | None:
    """Where the message at `offset` ends; None where it is not whole."""
    if offset + _LENGTH.size > size:
        return None
    with path.open("rb") as file:
        file.seek(offset)
        length, name = _LENGTH.unpack(file.read(_LENGTH.size))
    end = offset + _LENGTH.size + int(name) + _TIME.size + int(length)
    return end if end <= size else None
