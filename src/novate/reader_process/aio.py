"""The reader's socket for asyncio: many questions in flight through one connection, which is made again when it ends.

Responsible for: each answer to whoever asked, within the time they gave; asking again after a reconnection, since a question changes
nothing. Never: encodes a question, or decodes an answer.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, cast

from novate.core_process.wire import BadRecord, RecordReader, Welcome
from novate.reader_process import wire
from novate.reader_process.client import LARGEST, ReaderGone, check_size
from novate.reader_process.wire import Ask, Foretold, NotTold, Recall, Recalled, Reply, Told, WhatIf

_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 0.5

_T = TypeVar("_T", Told, Foretold, Recalled)


class AsyncReaderClient:
    """The reader at `path`, for any number of tasks of one event loop. Connects when first asked, and again after it was cut off.

    client = AsyncReaderClient(path)
    told = await client.ask(question, min_seq=answered.first_sequence)
    """

    def __init__(self, path: Path | str, *, timeout_s: float = 10.0) -> None:
        """`timeout_s` bounds each question, reconnections included, on top of the wait for its least sequence."""
        self._path = Path(path)
        self._timeout_s = timeout_s
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()
        self._tag = 0
        self._closed = False

    async def query(self, request: bytes, /, *, min_seq: int = 0, wait_s: float = 5.0) -> bytes:
        """One question as `Engine.query` takes it, and its answer. Raises as `ask`."""
        told = await self.ask(request, min_seq=min_seq, wait_s=wait_s)
        return told.answers[0]

    async def ask(self, *questions: bytes, min_seq: int = 0, wait_s: float = 5.0) -> Told:
        """Several questions, answered at one sequence, `min_seq` at least, which may take `wait_s`.

        Raises BadQuestion (a ValueError) when one of them is bad; NotTold; ReaderGone when there is no answer in time.
        """
        self._tag += 1
        return await self._told(
            wire.pack_ask(Ask(self._tag, min_seq, _ms(wait_s), questions)), self._tag, wait_s, Told
        )

    async def what_if(
        self, commands: bytes, *questions: bytes, min_seq: int = 0, wait_s: float = 5.0
    ) -> Foretold:
        """What whole `commands` would do now, and the answers there: see `ReaderClient.what_if`. Raises as `ask`."""
        self._tag += 1
        what_if = WhatIf(self._tag, min_seq, _ms(wait_s), questions, bytes(commands))
        return await self._told(wire.pack_what_if(what_if), self._tag, wait_s, Foretold)

    async def recall(
        self, account: int, after: int, most: int = 1_000, *, min_seq: int = 0, wait_s: float = 5.0
    ) -> Recalled:
        """What was told to an account behind its event `after`, from the event log. Raises as `ask`."""
        self._tag += 1
        recall = Recall(self._tag, min_seq, _ms(wait_s), most, account, after)
        return await self._told(wire.pack_recall(recall), self._tag, wait_s, Recalled)

    async def close(self) -> None:
        """Hangs up for good; who waits gets ReaderGone."""
        self._closed = True
        if self._line is not None:
            self._line.hang_up()
            await self._line.ended.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _told(self, record: bytes, tag: int, wait_s: float, kind: type[_T]) -> _T:
        pause = _FIRST_WAIT_S
        try:
            async with asyncio.timeout(self._timeout_s + wait_s):
                while True:
                    try:
                        line = await self._connected()
                        check_size(record, line.welcome.record_bytes, tag)
                        heard = await line.ask(tag, record)
                        break
                    except ReaderGone:
                        if self._closed:
                            raise
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_WAIT_S)
        except TimeoutError as error:
            raise ReaderGone(f"The reader at {self._path} has not answered in time.") from error
        if not isinstance(heard, kind):
            raise ReaderGone(f"The reader answered with a {type(heard).__name__}.")
        return heard

    async def _connected(self) -> _Line:
        """The connection, made if there is none. Raises ReaderGone, or NotTold when the reader speaks another protocol."""
        async with self._connecting:
            if self._closed:
                raise ReaderGone("This client is closed.")
            if self._line is None or self._line.gone:
                self._line = await _Line.connect(self._path)
            return self._line


class _Line(asyncio.Protocol):
    """One connection, until it ends."""

    def __init__(self) -> None:
        self.welcome = Welcome(0, 0, 0, 0)
        self.gone = False
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[Welcome] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._reader = RecordReader(LARGEST)
        self._asked: dict[int, asyncio.Future[Told | Foretold | Recalled]] = {}
        self._unsent: list[bytes] = []
        self._room = asyncio.Event()
        self._room.set()

    @classmethod
    async def connect(cls, path: Path) -> Self:
        line = cls()
        try:
            await line._loop.create_unix_connection(lambda: line, str(path))
        except OSError as error:
            raise ReaderGone(f"There is no reader at {path} ({error.strerror or error}).") from error
        try:
            line._write(wire.pack_hello())
            line.welcome = await line._greeted
        except BaseException:
            line.hang_up()
            raise
        return line

    async def ask(self, tag: int, record: bytes) -> Told | Foretold | Recalled:
        if not self._room.is_set():
            await self._room.wait()
        if self.gone:
            raise ReaderGone("The reader has hung up.")
        answer: asyncio.Future[Told | Foretold | Recalled] = self._loop.create_future()
        self._asked[tag] = answer
        self._write(record)
        try:
            return await answer
        finally:
            self._asked.pop(tag, None)

    def hang_up(self) -> None:
        self._end("The reader was hung up on.")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        try:
            for record in self._reader.feed(data):
                self._take(wire.parse_from_reader(record))
            if self._reader.bad is not None:
                raise self._reader.bad
        except BadRecord as bad:
            self._end(f"The reader sent what is no record: {bad}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"The reader has hung up ({exc})." if exc else "The reader has hung up.")
        self.ended.set()

    def _write(self, record: bytes) -> None:
        """Leaves a record for the end of this turn of the event loop, so that all of a turn are one write."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(record)

    def _flush(self) -> None:
        if self._transport is not None and not self.gone:
            self._transport.write(b"".join(self._unsent))
        self._unsent = []

    def _take(self, heard: Welcome | Reply) -> None:
        if isinstance(heard, Welcome):
            if not self._greeted.done():
                self._greeted.set_result(heard)
        elif isinstance(heard, NotTold):
            self._not_told(heard)
        else:
            answer = self._asked.get(heard.tag)
            if answer is not None and not answer.done():
                answer.set_result(heard)

    def _not_told(self, why: NotTold) -> None:
        """Tag 0 is of the connection, which ends: whoever waits asks again on another."""
        if not self._greeted.done():
            self._greeted.set_exception(why)
            return
        answer = self._asked.get(int(why.facts["tag"] or 0))
        if answer is not None and not answer.done():
            answer.set_exception(why)

    def _end(self, sentence: str) -> None:
        if self.gone:
            return
        self.gone = True
        if not self._greeted.done():
            self._greeted.set_exception(ReaderGone(sentence))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ReaderGone(sentence))
        self._room.set()
        if self._transport is not None:
            self._transport.abort()


def _ms(seconds: float) -> int:
    return max(int(seconds * 1_000), 0)
