"""The reader's connection to the core: connects again whenever it ends, and hands on what the core says.

Responsible for: never blocking, and back-off between attempts. Never: decides what a frame means, or speaks to the core but to say HELLO.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from novate.core_process import wire
from novate.core_process.inbox import Inbox
from novate.core_process.wire import BadRecord, CoreRefused, Heard, Welcome

_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 1.0
_AT_ONCE_BYTES: Final = 1 << 22
"""Read before what was read is looked at."""
_LARGEST: Final = (1 << 32) - 1


class CoreFeed:
    """At most one connection to the core at a time. `fileno` is for selectors, while `connected`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.retry_at = 0.0
        """When (of `time.monotonic`) `connect` is next worth a call."""
        self._wait_s = _FIRST_WAIT_S
        self._sock: socket.socket | None = None
        self._inbox = Inbox()
        self._reader = wire.RecordReader(_LARGEST)

    @property
    def connected(self) -> bool:
        """Whether there is a connection; the core may not have said its first word yet."""
        return self._sock is not None

    def fileno(self) -> int:
        """Of the connection; -1 without one."""
        return self._sock.fileno() if self._sock is not None else -1

    def connect(self) -> bool:
        """Tries once, and says HELLO; whether there is a connection now. If not, `retry_at` is later each time."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(str(self.path))
            sock.send(wire.pack_hello(wire.WANTS_COMMANDS))
        except OSError:
            sock.close()
            self._wait()
            return False
        self._sock, self._reader = sock, wire.RecordReader(_LARGEST)
        return True

    def read(self) -> list[Welcome | Heard] | None:
        """What the core said since; None once the connection has ended. Raises CoreRefused when the core speaks another protocol."""
        if self._sock is None:
            return None
        chunks: list[bytes] = []
        size = 0
        ended = False
        while size < _AT_ONCE_BYTES and not ended:
            try:
                chunk = self._inbox.read(self._sock)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            ended = not chunk
            chunks.append(chunk)
            size += len(chunk)
        found = self._parse(b"".join(chunks))
        if found:
            self._wait_s = _FIRST_WAIT_S
        elif ended or self._reader.bad is not None:
            return None
        return found

    def end(self) -> None:
        """Hangs up; `connect` may be tried again at `retry_at`."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.close()
            self._sock = None
            self._wait()

    def _parse(self, data: bytes) -> list[Welcome | Heard]:
        found: list[Welcome | Heard] = []
        with suppress(BadRecord):  # what the core can't have said ends the connection, as its end does
            for record in self._reader.feed(data):
                heard = wire.parse_from_core(record)
                if isinstance(heard, CoreRefused):
                    raise heard
                found.append(heard)
        return found

    def _wait(self) -> None:
        self.retry_at = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
