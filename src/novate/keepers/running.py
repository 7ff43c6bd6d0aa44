"""What every process of this kind needs around its machine: an end by signal, questions that are asked again, health about once a second.

Responsible for: these three. Never: knows what the process does.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from novate.errors import NovateError
from novate.keepers.health import write_health
from novate.keepers.line import Stopped
from novate.messages.reports.base import Answers

_HEALTH_S: Final = 1.0
_ASK_AGAIN_S: Final = 1.0

AnswersOf = Callable[[], Answers]


class Asked:
    """Questions whose failure is waited out: a reader starts later, or again."""

    def __init__(self, answers: AnswersOf) -> None:
        self._make = answers
        self._answers: Answers | None = None
        self._failures = 0
        self._last_error = ""

    def __call__(self, question: Callable[[Answers], Any]) -> Any:
        """The answer, or None when nobody gives one now."""
        try:
            if self._answers is None:
                self._answers = self._make()
            return question(self._answers)
        except (NovateError, OSError, ValueError) as error:
            self.failed(error)
            self._answers = None
            return None

    def failed(self, error: Exception) -> None:
        """Notes a failure."""
        self._failures += 1
        self._last_error = str(error)

    def values(self) -> dict[str, Any]:
        """For health."""
        return {"failures": self._failures, "last_error": self._last_error}


def patiently(answers: AnswersOf, question: Callable[[Answers], Any], ends: threading.Event) -> Any:
    """Asks until somebody answers. Raises Stopped."""
    asked = Asked(answers)
    while (answer := asked(question)) is None:
        if ends.wait(_ASK_AGAIN_S):
            raise Stopped
    return answer


class Health:
    """Writes a keeper's health about once a second."""

    def __init__(self, home: Path, keeper: str) -> None:
        self._home, self._keeper, self._next_s = home, keeper, 0.0

    def say(self, values: Callable[[], dict[str, Any]]) -> None:
        """Writes it when it is time."""
        now = time.monotonic()
        if now >= self._next_s:
            self._next_s = now + _HEALTH_S
            write_health(self._home, self._keeper, values())


@contextmanager
def stopping(stop: threading.Event | None) -> Iterator[threading.Event]:
    """An event that says to end; SIGTERM and SIGINT set it when nobody else has one."""
    if stop is not None:
        yield stop
        return
    ends = threading.Event()
    wanted = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: ends.set()) for number in wanted]
    try:
        yield ends
    finally:
        for number, handler in zip(wanted, before, strict=True):
            signal.signal(number, handler)
