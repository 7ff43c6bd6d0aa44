"""Any past moment of a journal as an engine that answers questions, with the outside prices that stood behind it.

Responsible for: finding the command a moment means, rebuilding the state after exactly that command, and remembering which
posts of which sources were the last before it. Never writes, never takes the writer's lock, never believes a snapshot that the
journal does not bear out.

    moment = Reader(home).at(sequence=120_000)
    moment.engine                          the venue after command 120,000, for every question there is
    moment.posts[(3, 1)]                   what source 1 last said of underlying 3, and in which command
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from novate._core import Engine, ruleset
from novate.errors import JournalError
from novate.journal.recovery import HomePaths, Judged, frames_after, judge, put_aside, restore_newest
from novate.journal.scan import Frame, segment_paths
from novate.messages import PostPrice, read_table, reports, split
from novate.messages.reports import explain as questions

_AT_ONCE: Final = 1 << 22


class Post(NamedTuple):
    """The last price a source posted before the moment."""

    sequence: int
    """The command that carried it."""
    time_ns: int
    """Journal time of that command."""
    price: int
    """At the underlying's scale."""
    venue_time_ns: int
    """When the source says it was."""
    raw_hash: bytes
    """First 16 bytes of the raw message's hash; zeros when none was given."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The venue after one command."""

    engine: Engine
    sequence: int
    time_ns: int
    posts: dict[tuple[int, int], Post] = field(default_factory=dict)
    """(underlying, source) to the post its price came with; none where a later post of it was refused."""


class Reader:
    """The journal in `directory` (a home, or its journal folder), read only.

    Raises JournalError when there is no journal, JournalDamaged or ReleaseMismatch when it cannot be trusted.
    """

    def __init__(self, directory: Path | str) -> None:
        self.paths = HomePaths.of(directory)
        if not segment_paths(self.paths.journal):
            raise JournalError(f"There is no journal in {directory}.", path=str(directory))
        self._judged: Judged = judge(self.paths, ruleset=ruleset())
        self.last_sequence = self._judged.walk.next_sequence - 1
        """Sequence of the journal's last command."""
        self.last_time_ns = self._judged.walk.time_ns
        """Its time."""

    def at(self, *, sequence: int | None = None, time_ns: int | None = None) -> Moment:
        """The venue after command `sequence`, or after the last command not later than `time_ns`; at the end by default.

        Raises JournalError when the moment lies before the first or, for a sequence, after the last command.
        """
        target, posts = self._target(sequence, time_ns)
        earlier = tuple(snapshot for snapshot in self._judged.snapshots if snapshot.sequence <= target)
        engine, base, _ = restore_newest(Engine, earlier)
        put_aside(engine, self._judged.quarantined)
        for frame in frames_after(self.paths.journal, base):
            if frame.first_sequence > target:
                break
            if frame.count:
                engine.apply(_until(frame, target))
        return Moment(engine, engine.sequence, engine.time_ns, _taken(engine, posts))

    def _target(self, sequence: int | None, time_ns: int | None) -> tuple[int, dict[tuple[int, int], Post]]:
        """The command meant, and the last post of every source up to it."""
        if sequence is not None and not 1 <= sequence <= self.last_sequence:
            raise JournalError(
                f"Command {sequence} is not in the journal; it holds commands 1 to {self.last_sequence}.",
                sequence=sequence,
            )
        end = self.last_sequence if sequence is None else sequence
        posts: dict[tuple[int, int], Post] = {}
        found, unread = 0, bytearray()
        for frame in frames_after(self.paths.journal, 0):
            if frame.count == 0:
                continue
            if frame.first_sequence > end or (time_ns is not None and _first_time(frame) > time_ns):
                break
            taken = _until(frame, end, time_ns)
            whole = len(taken) == len(frame.payload)
            found = frame.last_sequence if whole else frame.first_sequence + _count(taken) - 1
            unread += taken
            if len(unread) > _AT_ONCE:
                _remember(posts, unread)
                unread = bytearray()
        _remember(posts, unread)
        if found == 0:
            raise JournalError(f"The journal's first command is later than {time_ns} ns.", time_ns=time_ns)
        return found, posts


def _taken(engine: Engine, posts: dict[tuple[int, int], Post]) -> dict[tuple[int, int], Post]:
    """The posts that are what the engine has: a refused one stands in the journal too."""
    has = {
        (line.underlying, source.source): (source.price, source.venue_time_ns)
        for line in reports.underlyings(engine)
        for source in questions.sources(engine, line.underlying)
    }
    return {key: post for key, post in posts.items() if has.get(key) == (post.price, post.venue_time_ns)}


def _first_time(frame: Frame) -> int:
    return next(header.time_ns for header, _ in split(frame.payload))


def _until(frame: Frame, sequence: int, time_ns: int | None = None) -> bytes:
    """The frame's commands up to `sequence` and `time_ns`."""
    if frame.last_sequence <= sequence and (time_ns is None or frame.time_ns <= time_ns):
        return frame.payload
    length = 0
    for header, _ in split(frame.payload):
        if header.sequence > sequence or (time_ns is not None and header.time_ns > time_ns):
            break
        length += header.length
    return frame.payload[:length]


def _count(commands: bytes) -> int:
    return sum(1 for _ in split(commands))


def _remember(posts: dict[tuple[int, int], Post], commands: bytearray) -> None:
    """Overwrites each source's last post by its last one in `commands`."""
    table = read_table(commands, PostPrice)
    keys = (table["body"]["underlying"].astype(np.uint64) << np.uint64(32)) | table["body"]["source"]
    _, last = np.unique(keys[::-1], return_index=True)
    for row in table[::-1][last]:
        header, body = row["header"], row["body"]
        posts[int(body["underlying"]), int(body["source"])] = Post(
            int(header["sequence"]),
            int(header["time_ns"]),
            int(body["price"]),
            int(body["venue_time_ns"]),
            body["raw_hash"].tobytes(),
        )
