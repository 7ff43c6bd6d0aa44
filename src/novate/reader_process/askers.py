"""Who asks, and what of it waits: for a least sequence, for its turn, or for the asker to read what it was told.

Responsible for: each asker in turn, one record at a time; bounds on what waits. Never: asks an engine, or looks inside a question.
"""

from __future__ import annotations

import heapq
import socket
import time
from collections import deque
from itertools import count
from typing import Final

from novate.core_process.clients import Connection
from novate.reader_process.limits import ReaderLimits
from novate.reader_process.wire import Question

_NEVER: Final = float("inf")


class Asker(Connection):
    """One asker's socket, which never blocks."""

    def __init__(self, sock: socket.socket, limits: ReaderLimits) -> None:
        super().__init__(sock, limits.record_bytes)
        self._limits = limits
        self.ready: deque[Question] = deque()
        """Questions whose turn comes."""
        self.waiting = 0
        """Questions that are not answered yet, wherever they wait."""
        self.watched = 0
        """What the loop waits for, as bits of `selectors`."""

    @property
    def heeded(self) -> bool:
        """Whether its questions are answered: not while it leaves too much unread."""
        return not self.gone and self.unsent_bytes <= self._limits.unsent_bytes

    @property
    def heard(self) -> bool:
        """Whether it is read: not while too much of it waits."""
        return self.heeded and self.waiting < self._limits.waiting and not self.closing


class Waiting:
    """The questions of all askers. For one thread."""

    def __init__(self) -> None:
        self._turns: deque[Asker] = deque()
        self._by_sequence: list[tuple[int, int, Asker, Question]] = []
        self._by_deadline: list[tuple[float, int]] = []
        self._held: set[int] = set()
        self._numbers = count()

    def take(self, asker: Asker, question: Question) -> None:
        """A question that can be answered as soon as its turn comes."""
        if not asker.ready:
            self._turns.append(asker)
        asker.ready.append(question)

    def hold(self, asker: Asker, question: Question, until: float) -> None:
        """A question that waits for its least sequence, until `until` (of `time.monotonic`) at most."""
        number = next(self._numbers)
        self._held.add(number)
        heapq.heappush(self._by_sequence, (question.min_seq, number, asker, question))
        heapq.heappush(self._by_deadline, (until, number))

    def release(self, sequence: int) -> None:
        """Those whose least sequence is reached are ready now."""
        while self._by_sequence and self._by_sequence[0][0] <= sequence:
            _, number, asker, question = heapq.heappop(self._by_sequence)
            if number in self._held:
                self._held.discard(number)
                if not asker.gone:
                    self.take(asker, question)

    def expired(self, now: float) -> list[tuple[Asker, Question]]:
        """Those whose wait is over."""
        over: set[int] = set()
        while self._by_deadline and self._by_deadline[0][0] <= now:
            number = heapq.heappop(self._by_deadline)[1]
            if number in self._held:
                over.add(number)
        if not over:
            return []
        self._held -= over
        found = [(asker, question) for _, n, asker, question in self._by_sequence if n in over]
        self._by_sequence = [entry for entry in self._by_sequence if entry[1] in self._held]
        heapq.heapify(self._by_sequence)
        return [(asker, question) for asker, question in found if not asker.gone]

    @property
    def deadline(self) -> float:
        """When (of `time.monotonic`) the next wait is over."""
        while self._by_deadline and self._by_deadline[0][1] not in self._held:
            heapq.heappop(self._by_deadline)
        return self._by_deadline[0][0] if self._by_deadline else _NEVER

    @property
    def ready(self) -> bool:
        """Whether there is a question whose turn it is."""
        return bool(self._turns)

    def next(self) -> tuple[Asker, Question] | None:
        """The next question of the asker whose turn it is. Askers that are not heeded lose their turn until `again`."""
        while self._turns:
            asker = self._turns.popleft()
            if asker.gone or not asker.ready or not asker.heeded:
                continue
            question = asker.ready.popleft()
            if asker.ready:
                self._turns.append(asker)
            return asker, question
        return None

    def again(self, asker: Asker) -> None:
        """An asker is heeded again, having read what it was told."""
        if asker.ready and asker not in self._turns:
            self._turns.append(asker)


def until(wait_ms: int, limits: ReaderLimits) -> float:
    """When (of `time.monotonic`) a wait that begins now is over."""
    return time.monotonic() + min(wait_ms, limits.wait_ms) / 1_000
