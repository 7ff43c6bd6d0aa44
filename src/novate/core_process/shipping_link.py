"""One standby that follows: what it has, what it is sent, and how far it says it is.

Responsible for: every frame behind the last that it has, once, in order, from disk or from memory; noticing that it is silent. Never: waits
with the writer's lock held, or keeps a frame for it: what is no longer in memory is on disk.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from novate.core_process import shipping_wire as ship
from novate.core_process.shipping_files import SideFiles
from novate.core_process.shipping_wire import Asked, Ship, Stored, Why
from novate.core_process.wire import BadRecord, RecordReader
from novate.errors import NovateError
from novate.journal import layout
from novate.journal.tail import FramePlace, NotThisJournal, RawFrame, raw_frames, segment_header

if TYPE_CHECKING:
    from novate.core_process.shipping import Shipping

_BEAT_S: Final = 1.0
_SILENT_S: Final = 3.0
"""A standby answers a beat at once, also while it catches up. After so long another may take its place."""
_GONE_S: Final = 10.0


class Link:
    """One connection. `run` returns when it has ended."""

    def __init__(self, shipping: Shipping, sock: socket.socket, reader: RecordReader, asked: Asked) -> None:
        self.name = asked.name or "without a name"
        self.sent = 0
        """Frames sent."""
        self.stored = Stored(0, 0, 0)
        self.number: int | None = None
        """Of the next frame to send, as the core counts; None while frames come from disk."""
        self.verified = False
        """Whether the last frame it has was found in this journal: before that nothing that it says counts."""
        self._shipping = shipping
        self._copies: dict[str, bytes] = {}
        """Of databases beside the journal, made and not sent yet."""
        self._over = threading.Event()
        self._sock = sock
        self._reader = reader
        self._place = FramePlace(asked.sequence, bytes.fromhex(asked.hash))
        self._last = b""
        self._segment_first = -1
        self._heard_at = time.monotonic()
        self._beat_at = 0.0
        self._why = ""

    @property
    def confirmed(self) -> int:
        """Number of the first frame, as the core counts, that it has not confirmed; -1 while it is sent what is on disk."""
        number, unconfirmed = self.number, self.sent - self.stored.frames
        return -1 if number is None else number - unconfirmed

    @property
    def silent(self) -> bool:
        """Whether it has said nothing for so long that another may take its place."""
        return time.monotonic() - self._heard_at > _SILENT_S

    def run(self) -> None:
        """Ships until either end hangs up."""
        self._sock.settimeout(None)
        beside = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._hear, "novate-ship-hear"), (self._copy, "novate-ship-copy"))
        ]
        for thread in beside:
            thread.start()
        try:
            while not self._why:
                self._send_some()
        except NotThisJournal as parted:
            self.end(f"its journal has parted from this one: {parted}")
        except OSError as error:
            self.end(f"{error.strerror or error}")
        except NovateError as error:
            self.end(error.sentence)
        finally:
            self.end("it has ended")
            for thread in beside:
                thread.join()
            self._shipping.left(self, self._why)

    def end(self, why: str = "the core ends") -> None:
        """Hangs up. From any thread; only the first reason counts."""
        self._why = self._why or why
        self._over.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with self._shipping.changed:
            self._shipping.changed.notify_all()

    # --- what is sent -----------------------------------------------------------------------------------------------

    def _send_some(self) -> None:
        """What is to be sent now; waits for more, a beat at most."""
        shipping = self._shipping
        with shipping.changed:
            if self.number is None:
                self.number = shipping.number_behind(self._place)
            frames = shipping.frames_from(self.number) if self.number is not None else None
            if frames == [] and self.verified and not shipping.ended:
                shipping.changed.wait(_BEAT_S)
                frames = shipping.frames_from(self.number) if self.number is not None else None
            upto = shipping.place()
        if frames is None:
            self._send_from_disk(upto)
            return
        self._verify()
        self._send(frames)
        if frames and self.number is not None:
            self.number += len(frames)
            self._last = frames[-1].data
        self._beat()

    def _verify(self) -> None:
        if not self.verified:
            self.verified = True
            self._shipping.heard(self)  # it may have said already that it has everything

    def _send_from_disk(self, upto: FramePlace) -> None:
        if self._last:
            self._place = FramePlace(ship_sequence(self._last), layout.frame_hash(self._last))
        self.number, self._last = None, b""
        waiting: list[RawFrame] = []
        size = 0
        try:
            for frame in raw_frames(self._shipping.journal, self._place, upto):
                self._verify()
                waiting.append(frame)
                size += len(frame.data)
                if size >= 1 << 18:
                    self._send(waiting)
                    waiting, size = [], 0
                    self._beat()
                self._place = frame.place
                if self._why:
                    return
        except NotThisJournal as parted:
            self._sock.sendall(ship.pack_denied(Why.DIVERGED, parted.sentence))
            raise
        self._send(waiting)

    def _send(self, frames: list[RawFrame]) -> None:
        parts: list[bytes] = []
        for frame in frames:
            if frame.segment_first != self._segment_first:
                self._segment_first = frame.segment_first
                header = segment_header(self._shipping.journal, frame.segment_first)
                parts += (ship.pack_head(Ship.SEGMENT, len(header)), header)
            parts += (ship.pack_head(Ship.FRAME, len(frame.data)), frame.data)
        self.sent += len(frames)
        if parts:
            self._sock.sendall(b"".join(parts))

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= _BEAT_S:
            self._beat_at = now
            self._sock.sendall(ship.pack_beat(self._shipping.sequence, self.sent))
        while self._copies:
            self._sock.sendall(ship.pack_file(*self._copies.popitem()))

    # --- what is copied ---------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        """Beside the sending: a frame never waits while a database is read."""
        files = SideFiles(self._shipping.home)
        while not self._over.wait(_BEAT_S):
            if self.verified:
                self._copies.update(files.changed())

    # --- what is heard ----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            while not self._why:
                if not select.select([self._sock], [], [], _BEAT_S)[0]:
                    if time.monotonic() - self._heard_at > _GONE_S:
                        self.end(f"it has said nothing for {_GONE_S:.0f} s")
                    continue
                chunk = self._sock.recv(1 << 16)
                if not chunk:
                    self.end("it has hung up")
                    return
                for record in self._reader.feed(chunk):
                    self.stored = ship.parse_stored(record)
                    self._heard_at = time.monotonic()
                    self._shipping.heard(self)
                if self._reader.bad is not None:
                    raise self._reader.bad
        except (OSError, ValueError, BadRecord) as error:
            self.end(f"it said what makes no sense, or nothing ({error})")


def ship_sequence(frame: bytes) -> int:
    """The last command up to a frame."""
    header = layout.parse_frame_header(frame[: layout.FRAME_HEADER_BYTES])
    assert header is not None  # noqa: S101 - the journal wrote it
    return header.first_sequence + header.count - 1
