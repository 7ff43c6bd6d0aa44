"""Who hears the core without delaying it: a thread that takes what comes as fast as it comes, up to a bound.

Responsible for: taking, and hanging up when more waits than may. Never: looks inside an event. What was missed is in the journal, and `Past`
tells it.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Self

from novate.core_process import CoreClient
from novate.core_process.client import CoreGone
from novate.core_process.wire import Answered
from novate.projector.past import Told

_LOOK_S: Final = 0.2


class Listener:
    """Takes what the core sends, in a thread of its own, so that the core never waits for rows."""

    def __init__(
        self, client: CoreClient, most: int, name: str, on_heard: Callable[[], None] = lambda: None
    ) -> None:
        """`most` bytes of events wait in memory. `on_heard` is called, in the thread, when something came or nothing more will."""
        self._client = client
        self._most = most
        self._on_heard = on_heard
        self._waiting: deque[Told] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._listen, name=f"novate-{name}-listen", daemon=True)
        self.sequence = client.welcome.sequence
        self.time_ns = client.welcome.time_ns

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
        self._thread.join()

    def take(self, timeout_s: float) -> list[Told] | None:
        """What came since, at most after `timeout_s`; None when nothing more will come."""
        with self._changed:
            if not self._waiting and not self._ended:
                self._changed.wait(timeout_s)
            if not self._waiting and self._ended:
                return None
            found = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return found

    def _listen(self) -> None:
        try:
            while not self._ended:
                if not self._client.waiting and not select.select([self._client], [], [], _LOOK_S)[0]:
                    continue
                heard = self._client.receive()
                if isinstance(heard, Answered) and not self._keep(heard):
                    break
        except (CoreGone, OSError, ValueError):
            pass  # the end of the connection: what is missing is in the journal
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._on_heard()

    def _keep(self, heard: Answered) -> bool:
        last = heard.first_sequence + heard.commands - 1
        with self._changed:
            self.sequence, self.time_ns = last, heard.time_ns
            if self._bytes + len(heard.events) > self._most and self._waiting:
                return False
            self._waiting.append(Told(heard.first_sequence, last, heard.time_ns, heard.events))
            self._bytes += len(heard.events)
            self._changed.notify()
        self._on_heard()
        return True
