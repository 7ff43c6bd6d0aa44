"""One segment of an event log: the one that grows, its places in memory, and those that are complete, their places in an index beside them.

Responsible for: from an account's number to the bytes of its event, each checked before it is handed out; scanning what has no index. Never:
decides which segments there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from novate.errors import BadBuffer, NovateError
from novate.event_log import layout
from novate.event_log.layout import IndexHead, Places, RecordHead
from novate.files import write_durably, write_fully
from novate.journal.scan import Position

SEGMENT_SUFFIX: Final = ".events"
INDEX_SUFFIX: Final = ".index"

Numbers: TypeAlias = npt.NDArray[np.uint64]
Offsets: TypeAlias = npt.NDArray[np.uint32]


class EventsDamaged(NovateError):
    """A stored event is not what was written. Nothing is lost: the journal holds what makes it again. Facts: `segment`, `offset`."""

    code = "events_damaged"


class Run(NamedTuple):
    """Events of one account in one segment: their numbers, and where they are."""

    numbers: Numbers
    offsets: Offsets


class Scan(NamedTuple):
    """What a segment without an index was found to hold."""

    end: Position
    """Of the last record that ends a frame and is sound, as is everything before it."""
    size: int
    """Where that record ends."""
    began_ns: int
    """Time of the first record."""
    places: Places
    rest: int
    """Bytes behind `size`."""


class Segment:
    """What both kinds have: a file of records, read at an offset."""

    def __init__(self, path: Path, before: Position, end: Position, size: int) -> None:
        self.path = path
        self.before = before
        """Where the journal stood before the first command whose events are here."""
        self.end = end
        """And where behind the last."""
        self.size = size
        self._fd = -1
        self._held: tuple[int, memoryview] = (-1, memoryview(b""))

    @property
    def index_path(self) -> Path:
        """Beside the segment."""
        return self.path.with_suffix(INDEX_SUFFIX)

    def run_of(self, account: int) -> Run:
        """All events of an account."""
        raise NotImplementedError

    def records(self) -> Offsets:
        """Where records begin."""
        raise NotImplementedError

    def events(self, account: int, run: Run) -> Iterator[memoryview]:
        """The events of (part of) an account's run, whole. Raises EventsDamaged."""
        starts = self.records()
        stops = np.append(starts[1:], np.uint32(self.size))
        at = np.searchsorted(starts, run.offsets, side="right") - 1
        columns = (run.numbers.tolist(), run.offsets.tolist(), starts[at].tolist(), stops[at].tolist())
        del starts, stops
        for number, offset, start, stop in zip(*columns, strict=True):
            events = self._record(start, stop)
            place = offset - start - layout.RECORD_HEADER_BYTES
            try:
                length, whose, found = layout.event_at(events, place)
            except BadBuffer:
                length, whose, found = 0, 0, 0
            if (whose, found) != (account, number):
                raise self._damaged(
                    offset, f"event {number} of account {account} is not where the index says"
                )
            yield events[place : place + length]

    def close(self) -> None:
        """Lets go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._held = (-1, memoryview(b""))

    def _record(self, start: int, stop: int) -> memoryview:
        """The events of the record there. Raises EventsDamaged."""
        if self._held[0] == start:
            return self._held[1]
        try:
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            raw = os.pread(self._fd, stop - start, start)
        except OSError as error:
            raise self._damaged(start, f"it can't be read ({error.strerror})") from error
        head = layout.parse_record_head(raw[: layout.RECORD_HEADER_BYTES])
        events = (
            layout.events_of(raw) if head is not None and head.length == len(raw) == stop - start else None
        )
        if events is None:
            raise self._damaged(start, "a record fails its checksum")
        self._held = start, events
        return events

    def _damaged(self, offset: int, what: str) -> EventsDamaged:
        return EventsDamaged(
            f"{self.path.name} is damaged at byte {offset}: {what}.", segment=self.path.name, offset=offset
        )


class Growing(Segment):
    """The last segment: places are in memory, 20 bytes an event."""

    def __init__(self, path: Path, before: Position, scan: Scan) -> None:
        super().__init__(path, before, scan.end, scan.size)
        self.began_ns = scan.began_ns
        """Journal time of the first record; 0 without one."""
        self.places = scan.places
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @classmethod
    def begin(cls, path: Path, header: bytes, before: Position) -> Growing:
        """An empty one. Its header is durable before it has its name. Raises OSError."""
        write_durably(path, header)
        return cls(path, before, Scan(before, len(header), 0, Places(), 0))

    def append(self, events: bytes, end: Position) -> None:
        """Writes the events of the commands behind `self.end` up to `end`. Raises OSError, BadBuffer; then it is of no use any more."""
        records = layout.pack_records(events, self.size, self.end.sequence + 1, end, self.places)
        write_fully(self._fd, records, self.size)
        self.began_ns = self.began_ns or end.time_ns
        self.size += len(records)
        self.end = end

    def handle(self) -> int:
        """Another descriptor of the file, for another thread to sync and close. Raises OSError."""
        return os.dup(self._fd)

    def run_of(self, account: int) -> Run:
        """See Segment: looks through all, about a millisecond a million events."""
        places = self.places
        if not places.accounts:
            return Run(np.empty(0, np.uint64), np.empty(0, np.uint32))
        mine = np.flatnonzero(np.frombuffer(places.accounts, np.uint64) == np.uint64(account))
        return Run(
            np.frombuffer(places.numbers, np.uint64)[mine], np.frombuffer(places.offsets, np.uint32)[mine]
        )

    def records(self) -> Offsets:
        """See Segment."""
        return np.array(self.places.records, np.uint32)

    def write_index(self) -> None:
        """Makes the segment durable, then its index: from then on it is complete. Raises OSError."""
        os.fsync(self._fd)
        places = self.places
        accounts = np.array(places.accounts, np.uint64)
        order = np.argsort(accounts, kind="stable")  # numbers of an account are in order already
        numbers, offsets = (
            np.array(places.numbers, np.uint64)[order],
            np.array(places.offsets, np.uint32)[order],
        )
        head = IndexHead(len(accounts), len(places.records), self.end, self.size)
        write_durably(
            self.index_path,
            layout.pack_index(head),
            accounts[order].tobytes(),
            numbers.tobytes(),
            offsets.tobytes(),
            np.array(places.records, np.uint32).tobytes(),
        )


class Complete(Segment):
    """An earlier segment: places are in its index, read as they are needed."""

    def __init__(self, path: Path, before: Position, index: IndexHead) -> None:
        super().__init__(path, before, index.end, index.segment_bytes)
        self._index = index
        self._columns: tuple[Numbers, Numbers, Offsets, Offsets] | None = None

    def run_of(self, account: int) -> Run:
        """See Segment: two binary searches."""
        accounts, numbers, offsets, _ = self._mapped()
        wanted = np.uint64(account)
        first = int(np.searchsorted(accounts, wanted, side="left"))
        behind = int(np.searchsorted(accounts, wanted, side="right"))
        return Run(numbers[first:behind], offsets[first:behind])

    def records(self) -> Offsets:
        """See Segment."""
        return self._mapped()[3]

    def close(self) -> None:
        """See Segment."""
        super().close()
        self._columns = None

    def _mapped(self) -> tuple[Numbers, Numbers, Offsets, Offsets]:
        if self._columns is None:
            try:
                raw = np.memmap(self.index_path, np.uint8, "r")
            except (OSError, ValueError) as error:
                raise self._damaged(0, f"its index can't be read ({error})") from error
            events, records = self._index.events, self._index.records
            at = layout.INDEX_HEADER_BYTES
            self._columns = (
                np.frombuffer(raw, np.uint64, events, at),
                np.frombuffer(raw, np.uint64, events, at + 8 * events),
                np.frombuffer(raw, np.uint32, events, at + 16 * events),
                np.frombuffer(raw, np.uint32, records, at + 20 * events),
            )
        return self._columns


def scan(path: Path) -> Scan | None:
    """Everything sound from the beginning of a segment on, up to the last record that ends a frame; None without a sound header."""
    with path.open("rb", buffering=1 << 20) as stream:
        head = layout.parse_segment(stream.read(layout.SEGMENT_HEADER_BYTES))
        if head is None or head.format != layout.FORMAT:
            return None
        at = layout.SEGMENT_HEADER_BYTES
        end, size, began, places, next_sequence = head.before, at, 0, Places(), head.before.sequence + 1
        kept = (0, 0)
        while (record := _next(stream, next_sequence)) is not None:
            found, events = record
            try:
                layout.walk(events, 0, at + layout.RECORD_HEADER_BYTES, places, len(events) + 1)
            except BadBuffer:
                break
            places.records.append(at)
            at, next_sequence = at + found.length, found.last_sequence + 1
            began = began or found.time_ns
            if found.ends_frame:
                end, size, kept = found.position, at, (len(places.accounts), len(places.records))
        for column in (places.accounts, places.numbers, places.offsets):
            del column[kept[0] :]
        del places.records[kept[1] :]
        return Scan(end, size, began, places, path.stat().st_size - size)


def _next(stream: BinaryIO, expected: int) -> tuple[RecordHead, memoryview] | None:
    """The next record, or None where there is none that is sound and follows."""
    raw = stream.read(layout.RECORD_HEADER_BYTES)
    head = layout.parse_record_head(raw)
    if head is None or head.first_sequence != expected:
        return None
    whole = raw + stream.read(head.length - len(raw))
    events = layout.events_of(whole) if len(whole) == head.length else None
    return None if events is None else (head, events)


def complete(path: Path) -> Complete | None:
    """The segment at `path` if it has an index of its own; None where it has none that fits it."""
    try:
        with path.open("rb") as stream:
            head = layout.parse_segment(stream.read(layout.SEGMENT_HEADER_BYTES))
        with path.with_suffix(INDEX_SUFFIX).open("rb") as stream:
            index = layout.parse_index(stream.read(layout.INDEX_HEADER_BYTES))
            size = os.fstat(stream.fileno()).st_size
        segment_size = path.stat().st_size
    except OSError:
        return None
    if head is None or head.format != layout.FORMAT or index is None or segment_size != index.segment_bytes:
        return None
    expected = layout.INDEX_HEADER_BYTES + 20 * index.events + 4 * index.records
    return Complete(path, head.before, index) if size == expected else None
