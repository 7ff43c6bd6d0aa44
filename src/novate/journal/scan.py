"""Reading a journal: walks segments frame by frame, checks everything, and judges the first byte that is wrong.

Responsible for: the difference between a torn tail (the one frame that was in flight, cut by recovery) and damage
(anything known durable, refused). Never: writes, cuts, or looks inside a command.

The rule. A frame is written only after every frame before it is durable, so at most one frame, the last, is ambiguous.
What is wrong at offset o, where command q was expected, is a torn tail only if
    1. it is in the last segment,
    2. it does not hold a sound frame that breaks the chain,
    3. nothing follows it: if its header is sound, the file ends within its length; if not, no sound frame header
       written after it is found behind it, and no more bytes than one frame can have are left.
Everything else is damage. In a segment that was written with zeros ahead (its header says so) the zeros at the end of the file are not
there, in all of this; and where nothing but zeros is left, nothing is wrong: it is the end.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from novate.errors import JournalDamaged, ReleaseMismatch
from novate.journal import layout
from novate.journal.layout import FrameHeader, SegmentHeader

_CHUNK_BYTES = 1 << 20
_ZEROS = bytes(_CHUNK_BYTES)
_SEGMENT_NAME = re.compile(r"\d{20}\.log")


class Position(NamedTuple):
    """Where in the journal somebody stands who follows it: after the last command of a frame."""

    sequence: int
    time_ns: int
    frame_hash: bytes
    """Of the frame that ends there: what proves that the next one follows, and what is made of the state there is recorded with."""


START: Final = Position(0, 0, layout.NO_HASH)
"""Before the first command."""


class Place(NamedTuple):
    """Where in its files a journal goes on."""

    segment: str
    """File name."""
    offset: int
    """Byte behind the last frame there."""


class Span:
    """Commands in a row: `count` of them from `first_sequence` on. None is the mark of a clean shutdown."""

    __slots__ = ()
    first_sequence: int
    count: int

    @property
    def is_seal(self) -> bool:
        """Whether this is the mark of a clean shutdown and holds no command."""
        return self.count == 0

    @property
    def last_sequence(self) -> int:
        """Sequence of the last command up to and including these."""
        return self.first_sequence + self.count - 1


@dataclass(frozen=True, slots=True)
class Frame(Span):
    """One sound frame in its place. `payload` is whole stamped commands, or the state hash if `is_seal`."""

    segment: str
    offset: int
    length: int
    first_sequence: int
    count: int
    time_ns: int
    payload: bytes
    hash: bytes

    @property
    def end(self) -> Place:
        """Where what follows it begins, unless that is another segment."""
        return Place(self.segment, self.offset + self.length)


@dataclass(frozen=True, slots=True)
class TornTail:
    """The end of the journal that recovery cuts: `size` bytes from `offset` of `segment`."""

    segment: str
    offset: int
    size: int
    what: str


@dataclass(slots=True)
class Walk:
    """Where a reader stands in the chain, and what it has met so far. Made fresh, it stands before command 1."""

    next_sequence: int = 1
    previous_hash: bytes = layout.NO_HASH
    time_ns: int = 0
    frames: int = 0
    segments: int = 0
    bytes_read: int = 0
    header: SegmentHeader | None = None
    last: Frame | None = None
    torn: TornTail | None = None
    blank: int | None = None
    """Where zeros begin that were written ahead, in the last segment; None where there are none behind the last frame."""
    command_hash: bytes = layout.NO_HASH
    """Hash of the last frame that held commands (the last frame may be a seal)."""
    command_end: Place | None = None
    """Where that frame ends."""
    hash_at: dict[int, bytes] = field(default_factory=lambda: {0: layout.NO_HASH})
    """`command_hash` after each sequence in `watch`: snapshots prove with it that they belong here."""
    end_at: dict[int, Place] = field(default_factory=dict)
    """`command_end` after each sequence in `watch`."""
    watch: frozenset[int] = frozenset()
    judged: bool = False
    """Whether this process has just walked the same bytes: then checksums, numbers and marks are checked again, but not the hashes
    of the chain, and frames come without their own."""

    @classmethod
    def behind(cls, position: Position, *, judged: bool = False) -> Self:
        """One that stands behind the frame that ends at `position`."""
        return cls(position.sequence + 1, position.frame_hash, position.time_ns, judged=judged)

    @property
    def position(self) -> Position:
        """Behind the last frame that held commands."""
        return Position(self.next_sequence - 1, self.time_ns, self.command_hash)


def segment_name(first_sequence: int) -> str:
    """File name of the segment whose first command is `first_sequence`."""
    return f"{first_sequence:020d}.log"


def segment_paths(directory: Path) -> list[Path]:
    """The segments of a journal in order. Other files are not the journal's and are left alone."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _SEGMENT_NAME.fullmatch(path.name))


def journal_bytes(directory: Path) -> int:
    """Size of all segments on disk."""
    return sum(path.stat().st_size for path in segment_paths(directory))


def walk_journal(
    directory: Path, walk: Walk, *, ruleset: int | None = None, start: int | Place = 0
) -> Iterator[Frame]:
    """Every sound frame from segment number `start` on, in order; afterwards `walk` says where and how it ended.

    A `start` above 0 takes that segment's header on trust for the chain before it; use it after a walk from 0. A place is where a
    `Walk.behind` stands that another walk has been at. Raises JournalDamaged at the first byte that breaks the rule above, ReleaseMismatch for a segment of another
    format or (when `ruleset` is given) another ruleset.
    """
    paths = segment_paths(directory)
    place = start if isinstance(start, Place) else None
    begin = start if isinstance(start, int) else bisect_left([path.name for path in paths], start.segment)
    for number, path in enumerate(paths[begin:], begin):
        try:
            with path.open("rb", buffering=1 << 20) as stream:
                trusted = begin > 0 and number == begin and place is None
                offset = place.offset if place is not None and path.name == place.segment else 0
                yield from walk_segment(
                    stream,
                    path.name,
                    walk,
                    last=number == len(paths) - 1,
                    ruleset=ruleset,
                    trusted=trusted,
                    offset=offset,
                )
        except OSError as error:
            raise _damaged(walk, path.name, 0, f"the file cannot be read ({error.strerror})") from error


def walk_segment(
    stream: BinaryIO,
    name: str,
    walk: Walk,
    *,
    last: bool,
    ruleset: int | None = None,
    trusted: bool = False,
    offset: int = 0,
) -> Iterator[Frame]:
    """The frames of one segment, read from `stream`. `last`: only there can a tail be torn. With an `offset` those from there on, where `walk` stands."""
    header_bytes = stream.read(layout.SEGMENT_HEADER_BYTES)
    walk.header = _check_segment_header(header_bytes, name, walk, ruleset, trusted, inside=offset > 0)
    walk.segments += 1
    walk.bytes_read += layout.SEGMENT_HEADER_BYTES
    if offset:
        stream.seek(offset)
    offset = offset or layout.SEGMENT_HEADER_BYTES
    while raw := stream.read(layout.FRAME_HEADER_BYTES):
        header = layout.parse_frame_header(raw)
        rest = stream.read(header.length - len(raw)) if header else b""
        whole = raw + rest
        if header is None or len(whole) < header.length or not layout.frame_checksum_holds(whole):
            walk.torn = _judge(header, whole, stream, name, offset, walk, last)
            walk.blank = offset if walk.torn is None else None
            return
        _check_chain(header, name, offset, walk)
        frame = Frame(
            name,
            offset,
            header.length,
            header.first_sequence,
            header.count,
            header.time_ns,
            layout.frame_payload(whole),
            layout.NO_HASH if walk.judged else layout.frame_hash(whole),
        )
        _step(walk, frame)
        yield frame
        offset += header.length


def _check_segment_header(
    raw: bytes, name: str, walk: Walk, ruleset: int | None, trusted: bool, *, inside: bool
) -> SegmentHeader:
    """Segments appear by rename after their header is durable, so a bad header is never a torn tail."""
    header = layout.parse_segment_header(raw)
    if header is None:
        raise _damaged(walk, name, 0, "the segment header is cut short or fails its checksum")
    if header.format != layout.FORMAT:
        raise ReleaseMismatch(
            f"{name} is in journal format {header.format}, written by release {header.release}; "
            f"this release reads format {layout.FORMAT}.",
            segment=name,
        )
    if ruleset is not None and header.ruleset != ruleset:
        raise ReleaseMismatch(
            f"{name} was written under ruleset {header.ruleset} by release {header.release}; "
            f"this release follows ruleset {ruleset}.",
            segment=name,
        )
    if name != segment_name(header.first_sequence):
        raise _damaged(walk, name, 0, f"the header says its first command is {header.first_sequence}")
    if inside:
        return header
    if trusted:
        walk.next_sequence, walk.previous_hash = header.first_sequence, header.previous_hash
    if header.first_sequence != walk.next_sequence:
        raise _damaged(
            walk,
            name,
            0,
            f"command {walk.next_sequence} was expected here: commands before this segment are missing",
        )
    if header.previous_hash != walk.previous_hash and not walk.judged:
        raise _damaged(walk, name, 0, "it does not follow the last frame of the segment before it")
    return header


def _check_chain(header: FrameHeader, name: str, offset: int, walk: Walk) -> None:
    """A sound frame must also be the next one. If not, it was put or left there by something else: damage."""
    if header.first_sequence != walk.next_sequence:
        what = (
            f"a sound frame of command {header.first_sequence} stands where {walk.next_sequence} was expected"
        )
    elif header.previous_hash != walk.previous_hash and not walk.judged:
        what = "a sound frame does not carry the hash of the frame before it"
    elif header.durable != walk.next_sequence - 1:
        what = f"its durable mark is {header.durable}, not {walk.next_sequence - 1}"
    elif header.time_ns < walk.time_ns:
        what = f"its time {header.time_ns} lies before {walk.time_ns}"
    elif header.count == 0 and header.length != layout.FRAME_OVERHEAD_BYTES + 32:
        what = "it is a seal without a state hash"
    else:
        return
    raise _damaged(walk, name, offset, what)


def _step(walk: Walk, frame: Frame) -> None:
    walk.next_sequence = frame.last_sequence + 1
    walk.previous_hash = frame.hash
    walk.time_ns = frame.time_ns
    walk.frames += 1
    walk.bytes_read += frame.length
    walk.last = frame
    if frame.is_seal:
        return
    walk.command_hash, walk.command_end = frame.hash, frame.end
    if frame.last_sequence in walk.watch:
        walk.hash_at[frame.last_sequence], walk.end_at[frame.last_sequence] = frame.hash, frame.end


def _judge(
    header: FrameHeader | None, whole: bytes, stream: BinaryIO, name: str, offset: int, walk: Walk, last: bool
) -> TornTail | None:
    """A torn tail, or None for zeros ahead alone, or raises JournalDamaged.

    `whole` is what was read of the bad frame, `stream` stands behind it.
    """
    what = "the frame is cut short or fails its checksum" if header else "no sound frame header"
    if not last:
        raise _damaged(walk, name, offset, f"{what}, and a later segment proves it was durable")
    ahead = walk.header is not None and walk.header.zeros_ahead
    if header is not None:
        _check_chain(header, name, offset, walk)
        if _tail(stream, b"", ahead=ahead) != b"":
            raise _damaged(walk, name, offset, f"{what}, and bytes behind it prove it was durable")
        return TornTail(name, offset, len(whole), what)
    rest = _tail(stream, whole, ahead=ahead)
    if rest is None:
        raise _damaged(walk, name, offset, f"{what}, and more than one frame of bytes behind it")
    if not rest:
        return None
    if later := _later_header(rest, walk.next_sequence):
        raise _damaged(
            walk, name, offset, f"{what}, and the frame of command {later.first_sequence} behind it is sound"
        )
    return TornTail(name, offset, len(rest), what)


def _tail(stream: BinaryIO, start: bytes, *, ahead: bool) -> bytes | None:
    """`start` and what is left of the file; None if that is more than one frame can have.

    Without the zeros at its end, if they were written `ahead`.
    """
    parts: list[bytes] = []
    chunk, size, end = start or stream.read(_CHUNK_BYTES), 0, 0
    while chunk:
        if not ahead:
            end = size + len(chunk)
        elif chunk != _ZEROS[: len(chunk)]:
            end = size + len(chunk.rstrip(b"\0"))
        if end > layout.MAX_FRAME_BYTES:
            return None
        size += len(chunk)
        if size <= layout.MAX_FRAME_BYTES + _CHUNK_BYTES:
            parts.append(chunk)
        chunk = stream.read(_CHUNK_BYTES)
    return b"".join(parts)[:end]


def _later_header(rest: bytes, sequence: int) -> FrameHeader | None:
    """The first sound frame header behind the start of `rest` that was written after everything before `sequence`.

    It is proof that the bad frame was durable: the writer has one frame in flight. (A seal holds no command, so the
    frame after it carries the same mark; hence `sequence - 1`.)
    """
    at = rest.find(layout.FRAME_MAGIC, 1)
    while at >= 0:
        header = layout.parse_frame_header(rest[at : at + layout.FRAME_HEADER_BYTES])
        if header is not None and header.durable >= sequence - 1:
            return header
        at = rest.find(layout.FRAME_MAGIC, at + 1)
    return None


def _damaged(walk: Walk, segment: str, offset: int, what: str) -> JournalDamaged:
    return JournalDamaged(segment=segment, offset=offset, sequence=walk.next_sequence, what=what)
