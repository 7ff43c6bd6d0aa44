"""The other end of the reader's socket, blocking: stands wherever an engine is asked.

Responsible for: whole records both ways, and one answer to one question at a time. Never: encodes a question or decodes an answer
(`novate.messages.reports` does), or connects again by itself.
"""

from __future__ import annotations

import socket
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from novate.core_process.inbox import Inbox
from novate.core_process.wire import BadRecord, RecordReader, Welcome
from novate.errors import NovateError
from novate.reader_process import wire
from novate.reader_process.wire import Ask, Foretold, NotTold, Recall, Recalled, Reply, Told, WhatIf, Why

LARGEST: Final = (1 << 32) - 1

_T = TypeVar("_T", Told, Foretold, Recalled)


class ReaderGone(NovateError):
    """The reader process has hung up, does not answer, or never was there. A question may be asked again."""

    code = "reader_gone"


class ReaderClient:
    """One connection to the reader process. For one thread. What `novate.messages.reports` asks an engine, it asks this as well.

    `sequence`, `time_ns` and `stale` are of the last answer; before the first one, of the reader's first word.
    """

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self._sock = sock
        self._inbox = Inbox()
        self._timeout_s = timeout_s
        self._reader = RecordReader(LARGEST)
        self._heard: deque[Welcome | Reply] = deque()
        self._tag = 0
        self.min_seq = 0
        """The next answers are of a state after this command at least: set it to the `first_sequence` of a core's answer to see it."""
        self.wait_s = 5.0
        """How long a question may wait for `min_seq`, in seconds."""
        self.sequence = 0
        """Last command applied before the last answer."""
        self.time_ns = 0
        """Its journal time."""
        self.stale = False
        """Whether the reader did not follow the core: later commands may be durable already."""
        self.record_bytes = 0
        """Largest record the reader takes."""

    @classmethod
    def connect(cls, path: Path | str, *, timeout_s: float = 30.0) -> Self:
        """Connects to the reader at `path`; `timeout_s` bounds every wait, on top of `wait_s`. Raises ReaderGone, or NotTold."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        client = cls(sock, timeout_s)
        try:
            sock.connect(str(path))
            sock.sendall(wire.pack_hello())
            heard = client._receive()
        except OSError as error:
            sock.close()
            raise ReaderGone(
                f"There is no reader at {path} ({error.strerror or error}).", path=str(path)
            ) from error
        except NovateError:
            sock.close()
            raise
        if isinstance(heard, Welcome):
            client.record_bytes, client.sequence, client.time_ns = heard[1:]
            return client
        sock.close()
        raise heard if isinstance(heard, NotTold) else ReaderGone(f"What is at {path} is no reader.")

    def query(self, request: bytes, /) -> bytes:
        """One question as `Engine.query` takes it, and its answer. Raises BadQuestion (a ValueError), NotTold, ReaderGone."""
        return self.ask(request).answers[0]

    def ask(self, *questions: bytes) -> Told:
        """Several questions, answered at one sequence. Raises BadQuestion when one of them is bad, NotTold, ReaderGone."""
        self._tag += 1
        return self._told(wire.pack_ask(Ask(self._tag, self.min_seq, self._wait_ms, questions)), Told)

    def what_if(self, commands: bytes, *questions: bytes) -> Foretold:
        """What whole `commands` would do now, and the answers there: on a copy of the state, which is thrown away.

        `commands` as for the core, sequence and time unfilled; they get the time of the last command. A refusal is an event among the
        events. Raises NotTold where they are no commands, too many, or the reader is busy; BadQuestion, ReaderGone.
        """
        self._tag += 1
        what_if = WhatIf(self._tag, self.min_seq, self._wait_ms, questions, bytes(commands))
        return self._told(wire.pack_what_if(what_if), Foretold)

    def recall(self, account: int, after: int, most: int = 1_000) -> Recalled:
        """What was told to an account behind its event `after`, from the event log. Raises NotTold where there is none, ReaderGone."""
        self._tag += 1
        recall = Recall(self._tag, self.min_seq, self._wait_ms, most, account, after)
        return self._told(wire.pack_recall(recall), Recalled)

    def close(self) -> None:
        """Hangs up."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _wait_ms(self) -> int:
        return max(int(self.wait_s * 1_000), 0)

    def _told(self, record: bytes, kind: type[_T]) -> _T:
        """Sends one record and waits for its answer; answers to what was given up before are passed over."""
        check_size(record, self.record_bytes, self._tag)
        try:
            self._sock.settimeout(self._timeout_s + (self.wait_s if self.min_seq > self.sequence else 0.0))
            self._sock.sendall(record)
        except OSError as error:
            raise ReaderGone(f"The reader has hung up ({error.strerror or error}).") from error
        while True:
            heard = self._receive()
            if isinstance(heard, NotTold) and heard.facts["tag"] in {self._tag, 0}:
                raise heard
            if isinstance(heard, kind) and heard.tag == self._tag:
                self.sequence, self.time_ns, self.stale = heard[1:4]
                return heard

    def _receive(self) -> Welcome | Reply:
        """The next record."""
        while not self._heard:
            try:
                chunk = self._inbox.read(self._sock)
            except OSError as error:
                raise ReaderGone(f"The reader does not answer ({error.strerror or error}).") from error
            if not chunk:
                raise ReaderGone("The reader has hung up.")
            try:
                self._heard.extend(wire.parse_from_reader(record) for record in self._reader.feed(chunk))
                if self._reader.bad is not None:
                    raise self._reader.bad
            except BadRecord as bad:
                raise ReaderGone(f"The reader sent what is no record: {bad}") from bad
        return self._heard.popleft()


def check_size(record: bytes, most: int, tag: int) -> None:
    """Raises NotTold for a record that the reader would not read."""
    if len(record) > most:
        raise NotTold(
            f"A record of {len(record)} bytes; the reader takes at most {most} at once.",
            why=Why.RECORD_TOO_LARGE,
            tag=tag,
        )
