"""The core's socket for asyncio: many callers' buffers through one connection, each with its own answer.

Responsible for: what is submitted in one turn of the event loop goes to the core as one record, and every caller gets exactly the events
of its own commands. Never: encodes a command, decodes an event, or connects again by itself: whoever was cut off does not know what of
its last buffers was taken, and asks before it sends them again.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

from novate._core import stamp
from novate.core_process import wire
from novate.core_process.client import CoreGone
from novate.core_process.wire import (
    Answered,
    BadRecord,
    CoreRefused,
    DurableFrame,
    Heard,
    Refusal,
    Welcome,
)
from novate.errors import BadBuffer
from novate.sequencer import check_buffer

_LARGEST: Final = (1 << 32) - 1
_HEAD_BYTES: Final = len(wire.pack_commands_head(1, 0))
_LISTENED_BYTES: Final = 1 << 24
"""Frames and events nobody has taken yet; beyond that the socket is not read, and in the end the core cuts the connection off."""
_LENGTH: Final = struct.Struct("<I")
_LENGTH_AND_SEQUENCE: Final = struct.Struct("<I28xQ")


Then = Callable[[Answered | CoreGone | CoreRefused], None]
"""Gets the answer, or why there is none."""


class _Submitted:
    """One caller's buffer that waits for its answer."""

    __slots__ = ("commands", "then")

    def __init__(self, commands: int, then: Then) -> None:
        self.commands = commands
        self.then = then


class AsyncCoreClient(asyncio.Protocol):
    """One connection to the core process, for any number of tasks of one event loop. Made by `connect`.

        client = await AsyncCoreClient.connect(path)
        answered = await client.submit(buffer)

    Buffers are taken in the order of the calls. `events()` and `frames()` give what a connection that asked for them is told; such a
    connection is better one of its own, for a consumer that lags stops its answers, too.
    """

    def __init__(self) -> None:
        self.welcome = Welcome(0, 0, 0, 0)
        """What the core said of itself."""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[Welcome] = self._loop.create_future()
        self._reader = wire.RecordReader(_LARGEST)
        self._tag = 0
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._unsent_callers: list[_Submitted] = []
        self._sent: dict[int, list[_Submitted]] = {}
        self._gone: CoreGone | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._heard: dict[type, deque[Answered | DurableFrame]] = {Answered: deque(), DurableFrame: deque()}
        self._heard_bytes = 0
        self._news = asyncio.Event()
        self._closed = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        path: Path | str,
        *,
        events: bool = False,
        commands: bool = False,
        timeout_s: float = 30.0,
    ) -> Self:
        """Connects to the core at `path`; with `events` it also gets the events of every frame, with `commands` its commands.

        Raises CoreGone, or CoreRefused when the core speaks another protocol.
        """
        client = cls()
        try:
            async with asyncio.timeout(timeout_s):
                transport, _ = await client._loop.create_unix_connection(lambda: client, str(path))
                wants = (wire.WANTS_EVENTS if events else 0) | (wire.WANTS_COMMANDS if commands else 0)
                transport.write(wire.pack_hello(wants))
                try:
                    client.welcome = await client._greeted
                except BaseException:
                    transport.abort()
                    raise
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise CoreGone(f"There is no core at {path} ({why}).", path=str(path)) from error
        return client

    @property
    def gone(self) -> bool:
        """Whether the connection has ended."""
        return self._gone is not None

    async def submit(self, commands: bytes) -> Answered:
        """Sends whole commands as one buffer; returns their own events once they are durable and applied.

        The answer's `tag` is that of the core's answer it came in, which may be of several callers. Raises CoreRefused when none of it was taken; CoreGone when the
        connection ended first: then it may or may not be in the journal. A caller that stops waiting changes nothing.
        """
        if not self._room.is_set():
            await self._room.wait()
        answer: asyncio.Future[Answered] = self._loop.create_future()
        self.post(commands, partial(_settle, answer))
        return await answer

    def post(self, commands: bytes, then: Then) -> None:
        """The same without waiting: `then` is called with the answer, or with why there is none.

        For who bounds itself how much is on its way. Raises as `submit` where that is known at once; `then` must not raise.
        """
        if self._gone is not None:
            raise CoreGone(self._gone.sentence)
        submitted = _Submitted(self._count(commands), then)
        if self._unsent_bytes + len(commands) + _HEAD_BYTES > self.welcome.record_bytes:
            self._flush()
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(commands)
        self._unsent_bytes += len(commands)
        self._unsent_callers.append(submitted)

    async def events(self) -> AsyncIterator[Answered]:
        """The events of every frame, with `tag` None, in the journal's order, from the connection on. Raises CoreGone at its end."""
        async for heard in self._listen(Answered):
            yield cast("Answered", heard)

    async def frames(self) -> AsyncIterator[DurableFrame]:
        """Every frame in the journal's order, the first one behind `welcome.sequence`. Raises CoreGone at the connection's end."""
        async for heard in self._listen(DurableFrame):
            yield cast("DurableFrame", heard)

    async def ended(self) -> None:
        """Waits until the connection has ended."""
        await self._closed.wait()

    async def close(self) -> None:
        """Hangs up. What was submitted is taken all the same; who waits for it gets CoreGone."""
        if self._transport is not None and self._gone is None:
            self._flush()
            self._transport.close()
            await self._closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- what asyncio calls ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the core takes no more just now."""
        self._room.clear()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._room.set()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            for record in self._reader.feed(data):
                self._take(wire.parse_from_core(record))
            if self._reader.bad is not None:
                raise self._reader.bad
        except BadRecord as bad:
            self._end(f"The core sent what is no record: {bad}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._end(f"The core has hung up ({exc})." if exc else "The core has hung up.")
        self._closed.set()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _count(self, commands: bytes) -> int:
        """How many commands a buffer holds. Raises CoreRefused for what the core would refuse: it would refuse the others' with it."""
        tag = self._tag + 1
        size = len(commands) + _HEAD_BYTES
        if size > self.welcome.record_bytes:
            raise CoreRefused(
                f"A record of {size} bytes; the core takes at most {self.welcome.record_bytes} at once.",
                refusal=Refusal.RECORD_TOO_LARGE,
                tag=tag,
            )
        try:
            check_buffer(commands)
            return 1 if _LENGTH.unpack_from(commands)[0] == len(commands) else stamp(commands, 1, 0, 0)[1]
        except BadBuffer as bad:
            raise CoreRefused(bad.sentence, refusal=Refusal.BAD_BUFFER, tag=tag) from bad

    def _flush(self) -> None:
        """Sends what was submitted in this turn of the event loop as one record."""
        if not self._unsent or self._gone is not None or self._transport is None:
            return
        self._tag += 1
        self._sent[self._tag] = self._unsent_callers
        head = wire.pack_commands_head(self._tag, self._unsent_bytes)
        self._transport.write(b"".join([head, *self._unsent]))
        self._unsent, self._unsent_callers, self._unsent_bytes = [], [], 0

    def _take(self, heard: Welcome | Heard) -> None:
        if isinstance(heard, Answered) and heard.tag is not None:
            self._answer(heard)
        elif isinstance(heard, CoreRefused):
            self._refuse(heard)
        elif isinstance(heard, Welcome):
            if self._greeted.done():
                raise BadRecord(Refusal.BAD_RECORD, "its first word twice.")
            self._greeted.set_result(heard)
        else:
            self._heard[type(heard)].append(heard)
            self._heard_bytes += len(heard[-1])
            self._news.set()
            if self._heard_bytes > _LISTENED_BYTES and self._transport is not None:
                self._transport.pause_reading()

    def _answer(self, answered: Answered) -> None:
        """Hands each caller its part: commands have consecutive sequences, and events say whose they are."""
        assert answered.tag is not None  # noqa: S101 - for the type checker; `_take` looked
        callers: list[_Submitted] = []
        while self._sent and (first := next(iter(self._sent))) <= answered.tag:
            callers += self._sent.pop(first)
        tag, sequence, events = answered.tag, answered.first_sequence, answered.events
        if sum(caller.commands for caller in callers) != answered.commands:
            raise BadRecord(Refusal.BAD_RECORD, "an answer of more or fewer commands than were sent.")
        if len(callers) == 1:
            callers[0].then(answered)
            return
        at, end, peek = 0, len(events), _LENGTH_AND_SEQUENCE.unpack_from
        for caller in callers:
            start, first_sequence = at, sequence
            sequence += caller.commands
            while at < end:
                length, whose = peek(events, at)
                if whose >= sequence:
                    break
                at += length
            part = events[start:at]
            caller.then(Answered(tag, first_sequence, caller.commands, answered.time_ns, part))

    def _refuse(self, refused: CoreRefused) -> None:
        """Nothing of one record was taken; the core ends the connection where it can't go on."""
        if not self._greeted.done():
            self._greeted.set_exception(refused)
            return
        for caller in self._sent.pop(int(refused.facts["tag"] or 0), []):
            caller.then(refused)

    def _end(self, sentence: str) -> None:
        if self._gone is not None:
            return
        self._gone = CoreGone(sentence)
        waiting = [caller for callers in self._sent.values() for caller in callers] + self._unsent_callers
        self._sent, self._unsent, self._unsent_callers = {}, [], []
        for caller in waiting:
            caller.then(CoreGone(sentence))
        if not self._greeted.done():
            self._greeted.set_exception(CoreGone(sentence))
        self._room.set()
        self._news.set()
        if self._transport is not None:
            self._transport.abort()

    async def _listen(self, kind: type) -> AsyncIterator[Answered | DurableFrame]:
        waiting = self._heard[kind]
        while True:
            while waiting:
                heard = waiting.popleft()
                paused = self._heard_bytes > _LISTENED_BYTES
                self._heard_bytes -= len(heard[-1])
                if paused and self._heard_bytes <= _LISTENED_BYTES and self._gone is None and self._transport:
                    self._transport.resume_reading()
                yield heard
            if self._gone is not None:
                raise CoreGone(self._gone.sentence)
            self._news.clear()
            await self._news.wait()


def _settle(answer: asyncio.Future[Answered], found: Answered | CoreGone | CoreRefused) -> None:
    if answer.done():
        return
    if isinstance(found, Answered):
        answer.set_result(found)
    else:
        answer.set_exception(found)
