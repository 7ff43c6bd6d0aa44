"""A keeper's line to the core: one buffer at a time, and connected again when it is cut.

Responsible for: back-pressure (the next buffer waits for the answer of the one before), back-off, and counting what the engine refused.
Never: sends a buffer twice. What was cut off without an answer may be in the journal or not; every keeper's next command says the
newest of its facts again, so nothing is lost by not repeating.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from novate.core_process import Answered, CoreClient, CoreGone, CoreRefused, Refusal
from novate.messages import Command, CommandRefused, EventMessage, encode, iter_events, rule
from novate.prices.health import Backoff

_TIMEOUT_S: Final = 30.0


class Stopped(Exception):
    """The keeper was asked to end while it waited."""


class Line:
    """One connection to the core, for one thread. `actor` is the key of a keeper, 0 on a venue without governance."""

    def __init__(
        self, socket_path: Path, stop: threading.Event, *, actor: int = 0, events: bool = False
    ) -> None:
        self._path, self._stop, self._actor, self._events = socket_path, stop, actor, events
        self._client: CoreClient | None = None
        self._backoff = Backoff(least_s=0.05, most_s=2.0)
        self.counts: Counter[str] = Counter()
        """commands, buffers, cuts, and `refused <rule>` per rule."""
        self.last_refusal = ""
        self._ahead_ns: int | None = None

    def client(self) -> CoreClient:
        """The connection; waits until there is one. Raises Stopped."""
        while self._client is None:
            if self._stop.is_set():
                raise Stopped
            try:
                self._client = CoreClient.connect(self._path, events=self._events, timeout_s=_TIMEOUT_S)
            except (CoreGone, CoreRefused):
                self.counts["cuts"] += 1
                self._stop.wait(self._backoff.next_s())
        return self._client

    def send(self, commands: Sequence[Command]) -> Answered | None:
        """Sends commands of the venue as one buffer and waits for its answer; None when the line was cut before it came."""
        if not commands:
            return None
        return self.submit(b"".join(encode(command, actor=self._actor) for command in commands), len(commands))

    def submit(self, buffer: bytes, commands: int) -> Answered | None:
        """Sends a buffer of so many whole commands and waits for its answer; None when the line was cut before it came, or nothing was taken."""
        client = self.client()
        try:
            answer = client.submit(buffer)
        except CoreGone:
            self.cut()
            return None
        except CoreRefused as refused:
            if refused.facts["refusal"] != Refusal.STANDBY_IS_AWAITED:
                raise
            self.counts["refused standby_is_awaited"] += commands
            self._stop.wait(self._backoff.next_s())
            return None
        ahead_ns = answer.time_ns - time.monotonic_ns()
        self._ahead_ns = ahead_ns if self._ahead_ns is None else max(self._ahead_ns, ahead_ns)
        self._backoff.reset()
        self.counts["buffers"] += 1
        self.counts["commands"] += commands
        self.note(iter_events(answer.events, (CommandRefused,)))
        return answer

    def now_ns(self) -> int | None:
        """The core's clock now, as far as its answers tell: never ahead of it, behind by the time of one answer. None before the first."""
        ahead_ns = self._ahead_ns
        return None if ahead_ns is None else time.monotonic_ns() + ahead_ns

    def note(self, events: Iterable[EventMessage]) -> None:
        """Counts what was refused."""
        for event in events:
            if isinstance(event.body, CommandRefused):
                name = rule(event.body.code).name
                self.counts[f"refused {name}"] += 1
                self.last_refusal = name

    def cut(self) -> None:
        """The connection is over."""
        if self._client is not None:
            self.counts["cuts"] += 1
            self._client.close()
            self._client = self._ahead_ns = None

    def close(self) -> None:
        """Hangs up for good."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def values(self) -> dict[str, Any]:
        """For health."""
        return {
            "connected": self._client is not None,
            "last_refusal": self.last_refusal,
            "counts": dict(sorted(self.counts.items())),
        }
