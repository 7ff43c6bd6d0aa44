"""A gateway's connections to the venue: commands to the core, its events from it, questions to the reader.

Responsible for: connecting again when a process of the venue was started anew, one reply per command with the engine's own events, names and
scales as of now. Never: sends a command twice: who was cut off is told that the outcome is not known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from novate.core_process import CoreGone, CoreRefused, Refusal
from novate.core_process.aio import AsyncCoreClient
from novate.core_process.recovering import read_recovery, words_of
from novate.core_process.wire import Answered
from novate.gateway.errors import GatewayRefused, Rule
from novate.messages import addressed
from novate.messages.reports.base import Answers
from novate.reader_process import (
    AsyncReaderClient,
    BadQuestion,
    Foretold,
    NotTold,
    ReaderClient,
    ReaderGone,
    Recalled,
    Why,
)
from novate.schema.catalogue import Catalogue

P = ParamSpec("P")
T = TypeVar("T")

_BACK_OFF_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
_MOMENT_S: Final = 0.5
_LOOK_S: Final = 0.001
IN_FLIGHT: Final = 4096
"""Commands in flight at most; a sixteenth of them is kept for what only reduces."""
_RESERVED: Final = IN_FLIGHT // 16
QUESTIONS_AT_ONCE: Final = 4
_REACH_S: Final = 2.0


class VenueLink:
    """The venue as a gateway sees it. For one event loop; `run` keeps it connected until it is cancelled.

    `on_events` gets the events of every frame, in the journal's order; `on_gap` is called when frames may have been missed, before the
    events that follow.
    """

    def __init__(
        self,
        core: Path,
        reader: Path,
        on_events: Callable[[Answered], None],
        on_gap: Callable[[int], None],
    ) -> None:
        self._core_path, self._reader_path = core, reader
        self._on_events, self._on_gap = on_events, on_gap
        self._core: AsyncCoreClient | None = None
        self._ready = asyncio.Event()
        self._in_flight = 0
        self._request = time.time_ns() // 1_000
        """Above what this gateway used before it was started anew: a venue may have a window of requests (`nonce_window`)."""
        self._threads = ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="question")
        self._readers: list[ReaderClient] = []
        self._asker = AsyncReaderClient(reader)
        self.catalogue: Catalogue | None = None
        self._heard = 0
        self.sequence = 0
        """Last command of which this gateway knows."""
        self.time_ns = 0

    async def run(self) -> None:
        """Connects, and connects again, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_core())
                tasks.create_task(self._keep_events())
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def connected(self) -> bool:
        """Whether commands can be sent."""
        return self._core is not None and not self._core.gone

    @property
    def takes_commands(self) -> bool:
        """Whether commands can be read and sent: the reader has said once what is listed."""
        return self.connected and self.catalogue is not None

    @property
    def heard(self) -> int:
        """Last command whose events this gateway has heard."""
        return self._heard

    def recovery(self) -> dict[str, Any] | None:
        """How far the core is that recovers; None where none does."""
        return None if self.connected else read_recovery(self._core_path.parent)

    def unreachable(self) -> GatewayRefused:
        """Why there is no core: it recovers, and so far it is; or nobody knows."""
        facts = self.recovery()
        if facts is None and self.connected:
            return GatewayRefused(
                Rule.VENUE_MUST_BE_REACHABLE, "The venue's reader is not there yet; it was not told."
            )
        if facts is None:
            return GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE)
        return GatewayRefused(
            Rule.VENUE_MUST_HAVE_RECOVERED,
            f"The venue's core {words_of(facts)}: {facts['fraction']:.1%} of this; it was not told.",
        )

    def _no_answer(self, error: Exception) -> GatewayRefused:
        """Why the reader does not answer: there is none while the core recovers."""
        recovers = isinstance(error, ReaderGone) and self.recovery() is not None
        return self.unreachable() if recovers else _not_told(error)

    async def ready(self) -> None:
        """Waits until the core and the reader were reached once."""
        await self._ready.wait()

    @property
    def in_step(self) -> bool:
        """Whether the events of all that this gateway has told are heard: replies come by another connection."""
        return self._heard >= self.sequence

    async def fall_in_step(self) -> None:
        """Waits until the events of all that this gateway has told so far are heard, for a moment at most."""
        told, patience = self.sequence, _MOMENT_S
        while self._heard < told and patience > 0:
            await asyncio.sleep(_LOOK_S)
            patience -= _LOOK_S

    def post(
        self,
        message: bytes,
        account: int,
        actor: int,
        then: Callable[[Answered | GatewayRefused], None],
        *,
        reserved: bool = False,
    ) -> None:
        """One command, nobody's yet, on its way as an account's; `then` is called with its own events, or with why there are none. `reserved` is the lane of what only reduces.

        Raises GatewayRefused: the core can't be reached or has no room.
        """
        core = self._core
        if core is None or core.gone:
            raise self.unreachable()
        if self._in_flight >= (IN_FLIGHT if reserved else IN_FLIGHT - _RESERVED):
            raise GatewayRefused(Rule.VENUE_MUST_HAVE_ROOM)
        self._request += 1
        try:
            core.post(addressed(message, account, actor, self._request), partial(self._answered, then))
        except (CoreGone, CoreRefused) as error:
            raise _not_taken(error) from error
        self._in_flight += 1

    def _answered(
        self,
        then: Callable[[Answered | GatewayRefused], None],
        found: Answered | CoreGone | CoreRefused,
    ) -> None:
        self._in_flight -= 1
        if isinstance(found, Answered):
            self._seen(found)
            then(found)
        else:
            then(_not_taken(found))

    async def ask(
        self, question: Callable[Concatenate[Answers, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T, int]:
        """A question of `novate.messages.reports`, and the sequence that its answer is of: never older than what this gateway has told.

        Raises GatewayRefused: there is no such thing, or the reader can't be reached or has not come so far in time.
        """
        return await self.ask_from(self.sequence, question, *args, **kwargs)

    async def ask_from(
        self,
        min_seq: int,
        question: Callable[Concatenate[Answers, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[T, int]:
        """The same with a stated least sequence."""

        def asked_of(client: ReaderClient) -> tuple[T, int]:
            client.min_seq = min_seq
            try:
                answer = question(client, *args, **kwargs), client.sequence
            except ReaderGone:
                client.close()
                raise
            except BaseException:
                self._readers.append(client)
                raise
            self._readers.append(client)
            return answer

        def asked() -> tuple[T, int]:
            while self._readers:  # of a reader that was started anew in between: a question changes nothing
                with suppress(ReaderGone):
                    return asked_of(self._readers.pop())
            return asked_of(ReaderClient.connect(self._reader_path))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        except (ReaderGone, NotTold, ValueError) as error:
            raise self._no_answer(error) from error

    async def reach(self, sequence: int) -> None:
        """Waits until this gateway knows of a sequence. Raises GatewayRefused when it does not in time."""
        end = time.monotonic() + _REACH_S
        while self.sequence < sequence:
            if time.monotonic() > end:
                raise GatewayRefused(Rule.SEQUENCE_MUST_BE_REACHED, field="min_seq")
            await asyncio.sleep(0.005)

    async def foretell(self, commands: bytes, *questions: bytes) -> Foretold:
        """What commands would do now, and the answers there, on a copy that is thrown away. Raises GatewayRefused."""
        try:
            return await self._asker.what_if(commands, *questions, min_seq=self.sequence)
        except (ReaderGone, NotTold, ValueError) as error:
            raise self._no_answer(error) from error

    async def recall(self, account: int, after: int, most: int, min_seq: int) -> Recalled | None:
        """Events of an account from the reader's event log, which holds those up to `min_seq` then; None where it has none.

        Raises GatewayRefused.
        """
        try:
            return await self._asker.recall(account, after, most, min_seq=min_seq)
        except NotTold as error:
            if error.facts.get("why") == Why.NO_EVENT_LOG:
                return None
            raise _not_told(error) from error
        except ReaderGone as error:
            raise _not_told(error) from error

    async def renew_catalogue(self) -> Catalogue:
        """Names and scales as of now."""
        catalogue, _ = await self.ask(Catalogue.of)
        self.catalogue = catalogue
        return catalogue

    def _seen(self, answered: Answered) -> None:
        last = answered.first_sequence + answered.commands - 1
        if last > self.sequence:
            self.sequence, self.time_ns = last, answered.time_ns

    async def _keep_core(self) -> None:
        tries = 0
        while True:
            try:
                self._core = await AsyncCoreClient.connect(self._core_path)
            except (CoreGone, CoreRefused):
                await asyncio.sleep(_BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)])
                tries += 1
                continue
            tries = 0
            welcome = self._core.welcome
            if welcome.sequence > self.sequence:
                self.sequence, self.time_ns = welcome.sequence, welcome.time_ns
            await self._core.ended()

    async def _keep_events(self) -> None:
        tries, known = 0, -1
        while True:
            try:
                async with await AsyncCoreClient.connect(self._core_path, events=True) as client:
                    tries = 0
                    if client.welcome.sequence != known:
                        self.sequence = max(self.sequence, client.welcome.sequence)
                        await self.renew_catalogue()
                        self._on_gap(client.welcome.sequence)
                    known = self._heard = client.welcome.sequence
                    self._ready.set()
                    async for frame in client.events():
                        self._seen(frame)
                        self._on_events(frame)
                        known = self._heard = frame.first_sequence + frame.commands - 1
            except (CoreGone, CoreRefused, GatewayRefused):
                await asyncio.sleep(_BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)])
                tries += 1


def _not_taken(error: CoreGone | CoreRefused) -> GatewayRefused:
    """Why the core did not answer a command, as a refusal."""
    if isinstance(error, CoreGone):
        return GatewayRefused(Rule.OUTCOME_IS_NOT_KNOWN)
    if error.facts["refusal"] == Refusal.STANDBY_IS_AWAITED:
        return GatewayRefused(Rule.STANDBY_MUST_CONFIRM)
    return GatewayRefused(Rule.FIELDS_MUST_FIT_THE_OPERATION, error.sentence)


def _not_told(error: Exception) -> GatewayRefused:
    """Why there is no answer of the reader, as a refusal."""
    if isinstance(error, ReaderGone):
        return GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE, "The venue's reader can't be reached.")
    if not isinstance(error, NotTold) or isinstance(error, BadQuestion):
        return GatewayRefused(Rule.THING_MUST_EXIST, str(error))
    match error.facts.get("why"):
        case Why.BUSY:
            return GatewayRefused(Rule.VENUE_MUST_HAVE_ROOM, error.sentence)
        case Why.BAD_COMMANDS | Why.FAILED_THERE | Why.RECORD_TOO_LARGE | Why.ANSWER_TOO_LARGE:
            return GatewayRefused(Rule.FIELDS_MUST_FIT_THE_OPERATION, error.sentence)
        case _:
            return GatewayRefused(Rule.SEQUENCE_MUST_BE_REACHED, error.sentence)
