"""The other end of the core's socket: what gateways, services, tests and benches send commands with.

Responsible for: whole records both ways. Never: encodes a command, decodes an event, or connects again by itself: whoever was cut off
does not know what of its last buffers was taken, and asks before it sends them again.
"""

from __future__ import annotations

import socket
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from novate.core_process import wire
from novate.core_process.inbox import Inbox
from novate.core_process.wire import Answered, BadRecord, CoreRefused, Heard, Refusal, Welcome
from novate.errors import NovateError
from novate.journal.envelope import BytesLike

_LARGEST: Final = (1 << 32) - 1


class CoreGone(NovateError):
    """The core process has hung up, or never was there. What was not answered may or may not be in the journal."""

    code = "core_gone"


class CoreClient:
    """One connection to the core process. For one thread.

    `submit` is one buffer and its answer. `send` and `receive` are the two halves, for many in flight; `fileno` is for selectors.
    """

    def __init__(self, sock: socket.socket, welcome: Welcome, reader: wire.RecordReader) -> None:
        self._sock = sock
        self._inbox = Inbox()
        self._reader = reader
        self._received: deque[Heard] = deque()
        self._tag = 0
        self.welcome = welcome
        """What the core said of itself; `welcome.record_bytes` bounds what `send` may be given."""

    @classmethod
    def connect(
        cls,
        path: Path | str,
        *,
        events: bool = False,
        commands: bool = False,
        timeout_s: float | None = 30.0,
    ) -> Self:
        """Connects to the core at `path`; with `events` it also gets the events of every frame, with `commands` its commands.

        `timeout_s` bounds every wait from here on. Raises CoreGone, or CoreRefused when the core speaks another protocol.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        client = cls(sock, Welcome(0, 0, 0, 0), wire.RecordReader(_LARGEST))
        try:
            sock.connect(str(path))
            wants = (wire.WANTS_EVENTS if events else 0) | (wire.WANTS_COMMANDS if commands else 0)
            sock.sendall(wire.pack_hello(wants))
            found: list[Welcome | Heard] = []
            while not found:
                found = client._read()
        except OSError as error:
            sock.close()
            raise CoreGone(
                f"There is no core at {path} ({error.strerror or error}).", path=str(path)
            ) from error
        except NovateError:
            sock.close()
            raise
        first = found[0]
        if isinstance(first, Welcome):
            client.welcome = first
            client._keep(found[1:])  # a frame may stand right behind it
            return client
        sock.close()
        raise (
            first
            if isinstance(first, CoreRefused)
            else CoreGone(f"What is at {path} is no core.", path=str(path))
        )

    def submit(self, commands: BytesLike) -> Answered:
        """Sends one buffer and waits for its answer. Raises CoreRefused when none of it was taken, CoreGone.

        What else arrives meanwhile stays for `receive`. If buffers sent before wait for their answers, this one may be theirs too.
        """
        tag = self.send(commands)
        others: deque[Heard] = deque()
        try:
            while True:
                heard = self.receive()
                if isinstance(heard, CoreRefused) and heard.facts["tag"] in {tag, 0}:
                    raise heard
                if isinstance(heard, Answered) and heard.tag == tag:
                    return heard
                others.append(heard)
        finally:
            others.extend(self._received)
            self._received = others

    def send(self, commands: BytesLike) -> int:
        """Sends whole commands as one buffer; returns its tag, from 1 on: an answer with it, or a higher one, covers it.

        Raises CoreRefused for more than the core takes at once, with nothing sent; CoreGone.
        """
        head, most = wire.pack_commands_head(self._tag + 1, len(commands)), self.welcome.record_bytes
        if len(head) + len(commands) > most:
            raise CoreRefused(
                f"A record of {len(head) + len(commands)} bytes; the core takes at most {most} at once.",
                refusal=Refusal.RECORD_TOO_LARGE,
                tag=self._tag + 1,
            )
        self._tag += 1
        try:
            self._sock.sendall(head + commands)
        except OSError as error:
            raise CoreGone(f"The core has hung up ({error.strerror or error}).") from error
        return self._tag

    def receive(self) -> Heard:
        """The next answer, refusal, frame, or (with `tag` None) events of a frame; waits for it. Raises CoreGone."""
        while not self._received:
            self._keep(self._read())
        return self._received.popleft()

    @property
    def waiting(self) -> int:
        """Answers that `receive` gives without reading."""
        return len(self._received)

    def fileno(self) -> int:
        """For selectors."""
        return self._sock.fileno()

    def close(self) -> None:
        """Hangs up. What was sent whole is taken all the same."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, found: list[Welcome | Heard]) -> None:
        for heard in found:
            if isinstance(heard, Welcome):
                raise CoreGone("The core said its first word twice.")
            self._received.append(heard)

    def _read(self) -> list[Welcome | Heard]:
        try:
            chunk = self._inbox.read(self._sock)
        except OSError as error:
            raise CoreGone(f"The core does not answer ({error.strerror or error}).") from error
        if not chunk:
            raise CoreGone("The core has hung up.")
        try:
            found = [wire.parse_from_core(record) for record in self._reader.feed(chunk)]
            if self._reader.bad is not None:
                raise self._reader.bad
        except BadRecord as bad:
            raise CoreGone(f"The core sent what is no record: {bad}") from bad
        return found
