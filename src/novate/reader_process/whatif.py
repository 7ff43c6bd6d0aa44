"""What would be if: orders and changes on a copy of the engine, in a thread of its own, while the engine goes on.

Responsible for: one copy of the engine for all what-ifs that wait, and copies of that copy for each of them; stamps, events and answers
there. Never: touches the engine itself, or keeps a copy. A copy that fails is an answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from novate._core import Engine
from novate.errors import BadBuffer, EngineHalted
from novate.journal.envelope import stamp
from novate.journal.scan import Position
from novate.reader_process.askers import Asker
from novate.reader_process.limits import ReaderLimits
from novate.reader_process.wire import Foretold, NotTold, WhatIf, Why
from novate.sequencer import check_buffer

Foretelling = tuple[Asker, Foretold | NotTold]


class WhatIfs:
    """The what-ifs of all askers. For one thread, but for the answering itself."""

    def __init__(self, limits: ReaderLimits, wake: Callable[[], None]) -> None:
        """`wake` is called from the answering thread when there is something to take."""
        self._limits = limits
        self._wake = wake
        self._waiting: list[tuple[Asker, WhatIf]] = []
        self._told: deque[Foretelling] = deque()
        self._pool = ThreadPoolExecutor(1, "novate-what-if")
        self._answering: Future[None] | None = None

    def put(self, asker: Asker, what_if: WhatIf) -> NotTold | None:
        """Takes one; or says why not."""
        if len(what_if.commands) > self._limits.commands_bytes:
            return NotTold(
                f"A what-if of {len(what_if.commands)} bytes of commands; at most {self._limits.commands_bytes} are tried.",
                why=Why.BAD_COMMANDS,
                tag=what_if.tag,
            )
        if len(self._waiting) >= self._limits.what_ifs:
            return NotTold("As many what-ifs wait as may.", why=Why.BUSY, tag=what_if.tag)
        self._waiting.append((asker, what_if))
        return None

    @property
    def wanted(self) -> bool:
        """Whether a copy of the engine is wanted now: some wait, and none are being answered."""
        return bool(self._waiting) and (self._answering is None or self._answering.done())

    def begin(self, copy: Engine, position: Position, *, stale: bool) -> None:
        """Answers all that wait on `copy`, a fork of the engine at `position`, in the background."""
        batch, self._waiting = self._waiting, []
        self._answering = self._pool.submit(self._answer, copy, position, batch, stale)
        self._answering.add_done_callback(lambda _: self._wake())

    def take(self) -> list[Foretelling]:
        """What was answered since."""
        found: list[Foretelling] = []
        while self._told:
            found.append(self._told.popleft())
        return found

    def close(self) -> None:
        """Waits for those being answered."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _answer(
        self, copy: Engine, position: Position, batch: list[tuple[Asker, WhatIf]], stale: bool
    ) -> None:
        for number, (asker, what_if) in enumerate(batch, 1):
            if asker.gone:
                continue
            try:
                engine = copy.fork() if number < len(batch) else copy
                reply = _foretell(engine, position, what_if, stale=stale)
            except Exception as error:  # noqa: BLE001 - whatever a copy raises, its asker is told and the others are answered
                reply = NotTold(f"The copy failed: {error!r}", why=Why.FAILED_THERE, tag=what_if.tag)
            self._told.append((asker, reply))
            self._wake()


def _foretell(engine: Engine, position: Position, what_if: WhatIf, *, stale: bool) -> Foretold | NotTold:
    """One what-if on a copy of its own."""
    tag = what_if.tag
    count, events = 0, b""
    try:
        if what_if.commands:
            check_buffer(what_if.commands)
            stamped = stamp(what_if.commands, position.sequence + 1, position.time_ns, position.time_ns)
            count, events = stamped.commands, engine.apply(stamped.payload)
        answers = tuple(engine.query(question) for question in what_if.questions)
    except BadBuffer as bad:
        return NotTold(bad.sentence, why=Why.BAD_COMMANDS, tag=tag)
    except EngineHalted as halted:
        return NotTold(halted.sentence, why=Why.FAILED_THERE, tag=tag)
    except ValueError as bad:
        return NotTold(str(bad), why=Why.BAD_QUESTION, tag=tag)
    return Foretold(tag, position.sequence, position.time_ns, stale, answers, count, events)


def timed_copy(engine: Engine) -> tuple[Engine, float]:
    """A fork, and how long it took, in seconds: so long the engine stood still."""
    before = time.monotonic()
    copy = engine.fork()
    return copy, time.monotonic() - before
