"""Operations through one WebSocket that is kept: an order costs no connection, no signature of its own and no head.

Responsible for: opening it when it is first needed and again after a cut, logging in, and which reply is whose. Never: a rule of its own about
what is sent again (`steps.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from novate.client import answers
from novate.client.calls import Call
from novate.client.feeds import Heard
from novate.client.signing import Signer
from novate.client.steps import Answered, Lost

_CUT: Final = (websockets.WebSocketException, OSError, TimeoutError)
_heard: Final = msgspec.json.Decoder(Heard).decode
_encode: Final = msgspec.json.encode


class _NotLetIn(Exception):
    """The venue refused the login; the answer says why."""

    def __init__(self, answer: Answered) -> None:
        super().__init__()
        self.answer = answer


class Acting:
    """For one event loop and any number of its tasks.

    Args:
        open_socket: A new connection, not yet awaited.
        signing: Who signs; None for a venue that was started for development.
        answer_s: How long each answer is waited for.
    """

    def __init__(
        self,
        open_socket: Callable[[], connect],
        signing: Callable[[], Awaitable[Signer | None]],
        answer_s: float,
    ) -> None:
        self._open_socket, self._signing, self._answer_s = open_socket, signing, answer_s
        self._opening = asyncio.Lock()
        self._socket: ClientConnection | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Answered | Lost]] = {}
        self._numbers = count(1)

    async def send(self, call: Call[Any]) -> Answered | Lost:
        """The reply to an operation, or that none came."""
        try:
            async with asyncio.timeout(self._answer_s):
                socket = await self._opened()
        except _NotLetIn as refused:
            return refused.answer
        except _CUT as error:
            return Lost(sent=False, why=_words(error))
        op, account = call.op
        said = {"op": op, **({} if account is None else {"account": str(account)})}
        try:
            return await self._ask(socket, {**said, "args": msgspec.Raw(call.body)})
        except _CUT as error:
            return Lost(sent=True, why=_words(error))

    async def close(self) -> None:
        """Hangs up; who waits is told that no answer came."""
        if self._socket is not None:
            await self._socket.close()
        if self._hearing is not None:
            await self._hearing

    async def _opened(self) -> ClientConnection:
        """The connection, logged in. Raises `_CUT` where there is none; _NotLetIn."""
        async with self._opening:
            if self._socket is None:
                signer = await self._signing()
                socket = await self._open_socket()
                self._hearing = asyncio.create_task(self._hear(socket))
                try:
                    await self._log_in(socket, signer)
                except BaseException:
                    socket.transport.abort()
                    raise
                self._socket = socket
            return self._socket

    async def _log_in(self, socket: ClientConnection, signer: Signer | None) -> None:
        if signer is None:
            return
        answer = await self._ask(socket, {"op": "login", "args": signer.login()})
        if isinstance(answer, Lost):
            raise ConnectionError(answer.why)
        if not answer.reply.ok:
            raise _NotLetIn(answer)

    async def _ask(self, socket: ClientConnection, said: dict[str, Any]) -> Answered | Lost:
        number = next(self._numbers)
        answer: asyncio.Future[Answered | Lost] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(self._answer_s):
                await socket.send(_encode({**said, "id": number}), text=True)
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def _hear(self, socket: ClientConnection) -> None:
        with suppress(*_CUT, msgspec.MsgspecError):
            async for heard in socket:
                number = _heard(heard).id
                waits = self._waiting.get(number) if number is not None else None
                if waits is not None and not waits.done():
                    waits.set_result(Answered(answers.reply(heard), 0))
        socket.transport.abort()  # also where what it said could not be read
        if self._socket is socket:
            self._socket = None
        for waits in self._waiting.values():
            if not waits.done():
                waits.set_result(Lost(sent=True, why="The connection ended."))


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
