"""What the core knows of one connection: what it read and is not whole yet, what it said and is not taken yet.

Responsible for: never waiting for a client. Never: looks inside a command or an event, or decides what is answered.
"""

from __future__ import annotations

import socket
from collections import deque
from itertools import islice
from typing import Final

from novate.core_process import wire
from novate.core_process.inbox import Inbox

_PARTS: Final = 64
"""Buffers handed to the system in one call."""


class Connection:
    """One client's socket, which never blocks."""

    def __init__(self, sock: socket.socket, record_bytes: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.greeted = False
        """Whether it has said HELLO."""
        self.wants = 0
        """What its HELLO asked for: bits of `wire.WANTS_EVENTS` and `wire.WANTS_COMMANDS`."""
        self.closing = False
        """Whether it is closed once it was told what is left for it."""
        self.unanswered = 0
        """Answers it is still owed."""
        self.last_tag = 0
        """Of its last buffer that was taken."""
        self.gone = False
        """Whether it is closed."""
        self.unsent_bytes = 0
        self.awaits_room = False
        """Whether the loop waits for room in the socket."""
        self._inbox = Inbox()
        self._reader = wire.RecordReader(record_bytes)
        self._unsent: deque[bytes | memoryview] = deque()

    def fileno(self) -> int:
        """For selectors."""
        return self.sock.fileno()

    def read(self) -> list[wire.Record] | None:
        """The records that became whole; None once the client has hung up. `bad` says what ended the stream."""
        try:
            chunk = self._inbox.read(self.sock)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._reader.feed(chunk) if chunk else None

    @property
    def bad(self) -> wire.BadRecord | None:
        """What stands in the stream and is no record."""
        return self._reader.bad

    def say(self, *parts: bytes) -> None:
        """Leaves a record, in parts, to be sent by `flush`."""
        for part in parts:
            if part:
                self._unsent.append(part)
                self.unsent_bytes += len(part)

    def flush(self) -> bool:
        """Sends what the socket takes. False once the client has hung up."""
        while self._unsent:
            try:
                sent = self.sock.sendmsg(list(islice(self._unsent, _PARTS)))
            except BlockingIOError:
                return True
            except OSError:
                return False
            self._sent(sent)
        return True

    def close(self) -> None:
        """Hangs up; what is unsent is dropped."""
        self.gone = True
        self._unsent.clear()
        self.unsent_bytes = 0
        self.sock.close()

    def _sent(self, count: int) -> None:
        self.unsent_bytes -= count
        while count:
            first = self._unsent[0]
            if len(first) > count:
                self._unsent[0] = memoryview(first)[count:]
                return
            count -= len(first)
            self._unsent.popleft()
