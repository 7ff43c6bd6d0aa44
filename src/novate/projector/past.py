"""What the journal says that the projection has not heard: engines at past commands, and the events of commands that nobody told it.

Responsible for: choosing snapshots, replaying frames, cutting them at a command. Never writes to the home, never takes its lock, never
reads behind a command that is known to be durable.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from novate._core import Engine, ruleset
from novate.errors import JournalDamaged, JournalError
from novate.journal.recovery import HomePaths, Judged, frames_after, judge, put_aside, restore_newest
from novate.journal.scan import Frame, segment_paths
from novate.messages import split

_RUN_BYTES = 1 << 20


class Told(NamedTuple):
    """Whole commands up to `last_sequence`, whose time is `time_ns`, and their events."""

    first_sequence: int
    last_sequence: int
    time_ns: int
    events: bytes
    commands: bytes = b""
    """As the journal has them; empty where only events were heard."""


_TRIES: Final = 20
_PAUSE_S: Final = 0.02


def _judged(paths: HomePaths) -> Judged:
    """The journal as judged. A core may write meanwhile: who reads past a frame that is being written sees a hole before the next one.

    Such a hole is at another place, or filled, a moment later; damage stays where it is. Raises JournalDamaged for that.
    """
    before: tuple[object, ...] = ()
    for _ in range(_TRIES):
        try:
            return judge(paths, ruleset=ruleset())
        except JournalDamaged as damage:
            if damage.sentence in before:
                raise
            before = (*before, damage.sentence)
            time.sleep(_PAUSE_S)
    return judge(paths, ruleset=ruleset())


class Past:
    """The journal of a home, judged once. Raises JournalError when there is none, JournalDamaged or ReleaseMismatch."""

    def __init__(self, home: Path | str) -> None:
        self.paths = HomePaths.of(home)
        if not segment_paths(self.paths.journal):
            raise JournalError(f"There is no journal in {home}.", path=str(home))
        self._judged: Judged = _judged(self.paths)
        self.last_sequence = self._judged.walk.next_sequence - 1
        """The last command when it was judged."""

    def identity(self) -> bytes:
        """SHA-256 of the journal's first commands: by what a database knows whose rows it holds."""
        for frame in frames_after(self.paths.journal, 0):
            if frame.count:
                return hashlib.sha256(frame.payload).digest()
        raise JournalError("The journal holds no command yet.", path=str(self.paths.journal))

    def engine_before(self, sequence: int) -> Engine:
        """An engine at or before command `sequence`: the newest sound snapshot, else an empty one."""
        earlier = tuple(snapshot for snapshot in self._judged.snapshots if snapshot.sequence <= sequence)
        engine, _, _ = restore_newest(Engine, earlier)
        put_aside(engine, self._judged.quarantined)
        return engine

    def told(self, after: int, until: int) -> Iterator[Told]:
        """The events of the commands behind `after`, up to and with `until`, as the venue told them."""
        engine = Moments(self, self.engine_before(after))(after)
        waiting: list[bytes] = []
        first, size, time_ns = after + 1, 0, 0
        for frame in frames_after(self.paths.journal, after):
            if frame.count == 0:
                continue
            if frame.first_sequence > until:
                break
            payload, time_ns = _between(frame, after, until), frame.time_ns
            waiting.append(payload)
            size += len(payload)
            if size >= _RUN_BYTES:
                yield _apply(engine, waiting, first, time_ns)
                first, size = engine.sequence + 1, 0
            if frame.last_sequence >= until:
                break  # behind it a core may be writing
        if waiting:
            yield _apply(engine, waiting, first, time_ns)


def _apply(engine: Engine, waiting: list[bytes], first: int, time_ns: int) -> Told:
    commands = b"".join(waiting)
    waiting.clear()
    events = engine.apply(commands)
    return Told(first, engine.sequence, time_ns, events, commands)


class Moments:
    """An engine that follows from command to command; asked in the journal's order, and only for durable commands."""

    def __init__(self, past: Past, engine: Engine) -> None:
        self._journal = past.paths.journal
        self._engine = engine
        self._frames: Iterator[Frame] = iter(())
        self._frame: Frame | None = None

    def __call__(self, sequence: int) -> Engine:
        """The engine after exactly command `sequence`. Raises JournalError when the journal does not hold it, or it was passed."""
        engine = self._engine
        if sequence < engine.sequence:
            raise JournalError(
                f"The engine is past command {sequence}: it stands at {engine.sequence}.", sequence=sequence
            )
        while engine.sequence < sequence:
            frame = self._next()
            if frame is None:
                raise JournalError(f"Command {sequence} is not in the journal.", sequence=sequence)
            engine.replay(_between(frame, engine.sequence, sequence))
            self._frame = frame if frame.last_sequence > sequence else None
        return engine

    def _next(self) -> Frame | None:
        """The frame that holds the next command."""
        if self._frame is not None:
            return self._frame
        for attempt in range(_TRIES):
            try:
                for frame in self._frames:
                    if frame.count and frame.last_sequence > self._engine.sequence:
                        return frame
                if attempt:
                    return None
            except (
                JournalDamaged
            ):  # what was asked for is durable; what was read ahead of it may be half written
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_S)
            self._frames = frames_after(self._journal, self._engine.sequence)
        return None


def _between(frame: Frame, after: int, until: int) -> bytes:
    """The frame's commands behind `after`, up to and with `until`."""
    if after < frame.first_sequence and frame.last_sequence <= until:
        return frame.payload
    begin = end = 0
    for header, _ in split(frame.payload):
        if header.sequence > until:
            break
        end += header.length
        if header.sequence <= after:
            begin = end
    return frame.payload[begin:end]
