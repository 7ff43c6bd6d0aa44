"""The writing end of a journal: keeps the chain, builds the next frame, hands it to a Log.

Responsible for: numbers, hashes and marks of frames follow each other. Never: touches a file (log.py does), stamps a
command (envelope.py does), or applies one.
"""

from __future__ import annotations

from novate.journal import layout
from novate.journal.log import Log
from novate.journal.scan import Walk


class Journal:
    """A chain of frames over a log.

    `frame` and `seal` build the next frame and move the chain on; `append` makes a built frame durable. The two are
    apart so that a helper thread can append one frame while the engine applies the one before. Frames are appended in
    the order built, and the next one is built only after the one before is durable.
    """

    def __init__(self, log: Log, walk: Walk) -> None:
        self._log = log
        self._previous_hash = walk.previous_hash
        self._sealed = walk.last is None or walk.last.is_seal
        self.next_sequence = walk.next_sequence
        """Sequence of the next command."""
        self.last_time_ns = walk.time_ns
        """Time of the last command; the next may not lie before it."""
        self.command_hash = walk.command_hash
        """Hash of the last frame that holds commands."""
        self.durable = walk.next_sequence - 1
        """Last sequence known durable."""
        self.frames = walk.frames
        """Frames in the journal, seals included."""

    def frame(self, payload: bytes, count: int, time_ns: int) -> bytes:
        """The next frame: `count` stamped commands, the last at `time_ns`."""
        frame = self._build(payload, count, time_ns)
        self.command_hash = self._previous_hash
        self._sealed = False
        return frame

    def seal(self, state_hash: bytes) -> bytes | None:
        """The frame of a clean shutdown, or None where nothing was written since the last one."""
        if self._sealed:
            return None
        self._sealed = True
        return self._build(state_hash, 0, self.last_time_ns)

    def append(self, frame: bytes) -> None:
        """Returns once `frame` is durable. Raises SyncFailed, JournalFull or LogStopped; then nothing more works."""
        self.durable = self._log.append(frame)
        self.frames += 1

    def close(self) -> None:
        """Closes the log. Appends nothing."""
        self._log.close()

    def _build(self, payload: bytes, count: int, time_ns: int) -> bytes:
        frame = layout.pack_frame(
            payload,
            first_sequence=self.next_sequence,
            count=count,
            time_ns=time_ns,
            durable=self.durable,
            previous_hash=self._previous_hash,
        )
        self._previous_hash = layout.frame_hash(frame)
        self.next_sequence += count
        self.last_time_ns = time_ns
        return frame
