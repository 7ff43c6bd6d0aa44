"""Frames as they stand on disk, from a known frame on: what is shipped to a journal elsewhere.

Responsible for: the very bytes, in order, and the header of each segment they stand in; saying so where the known frame is not in this
journal. Never: judges a byte behind the frame it was told to end at: a writer may be at it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from novate.errors import JournalDamaged, JournalError
from novate.journal import layout
from novate.journal.scan import Frame, Walk, segment_name, segment_paths, walk_segment


class FramePlace(NamedTuple):
    """A frame, by the last command up to it and its hash; a seal has the sequence of the frame before it."""

    sequence: int
    hash: bytes


BEGINNING = FramePlace(0, layout.NO_HASH)


class RawFrame(NamedTuple):
    """One frame as it stands on disk."""

    segment_first: int
    """First command of the segment it stands in."""
    place: FramePlace
    data: bytes


class NotThisJournal(JournalError):
    """The journal holds no such frame: the other one has parted from it. Facts: `sequence`."""

    code = "not_this_journal"


def raw_frames(journal_dir: Path, after: FramePlace, upto: FramePlace) -> Iterator[RawFrame]:
    """The frames behind `after` up to `upto`, which is durable.

    Raises NotThisJournal where `after` is no frame of this journal, JournalDamaged where `upto` is never met.
    """
    if after == upto:
        return
    found = after == BEGINNING
    for frame, segment_first, fd in _frames(journal_dir, after.sequence):
        place = FramePlace(frame.last_sequence, frame.hash)
        if found:
            yield RawFrame(segment_first, place, os.pread(fd, frame.length, frame.offset))
        elif place == after:
            found = True
        elif frame.last_sequence > after.sequence:
            break
        if place == upto:
            break
    else:
        segments = segment_paths(journal_dir)
        if found:
            raise JournalDamaged(
                segment=segments[-1].name if segments else segment_name(1),
                offset=segments[-1].stat().st_size if segments else 0,
                sequence=upto.sequence,
                what="the frame that was written last is not found",
            )
    if not found:
        raise NotThisJournal(
            f"The frame that ends at command {after.sequence} there is not in this journal.",
            sequence=after.sequence,
        )


def frame_ending_at(journal_dir: Path, sequence: int, upto: int) -> bytes | None:
    """The hash of the frame whose last command is `sequence`; None where no frame ends there. Nothing behind command `upto` is read."""
    if sequence == 0:
        return layout.NO_HASH
    if sequence > upto:
        return None
    for frame, _, _ in _frames(journal_dir, sequence):
        if frame.last_sequence >= sequence and not frame.is_seal:
            return frame.hash if frame.last_sequence == sequence else None
        if frame.last_sequence >= upto:
            break
    return None


def segment_header(journal_dir: Path, segment_first: int) -> bytes:
    """The header of a segment, as it stands on disk."""
    with (journal_dir / segment_name(segment_first)).open("rb") as stream:
        return stream.read(layout.SEGMENT_HEADER_BYTES)


def segment_number(journal_dir: Path, sequence: int) -> int:
    """Number, from 0, of the segment that holds command `sequence`."""
    return max(bisect_right([int(path.stem) for path in segment_paths(journal_dir)], sequence) - 1, 0)


def _frames(journal_dir: Path, sequence: int) -> Iterator[tuple[Frame, int, int]]:
    """The frames from the segment of command `sequence` on, each with its segment's first command and the open file."""
    walk, paths, start = Walk(), segment_paths(journal_dir), segment_number(journal_dir, sequence)
    for number, path in enumerate(paths[start:], start):
        with path.open("rb", buffering=1 << 20) as stream:
            trusted = start > 0 and number == start
            for frame in walk_segment(
                stream, path.name, walk, last=number == len(paths) - 1, trusted=trusted
            ):
                yield frame, int(path.stem), stream.fileno()
