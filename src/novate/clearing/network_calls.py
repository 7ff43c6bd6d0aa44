"""What the issuer owes the tokenisation network: a thread that tells and asks it until it answers, with a wait that doubles.

Responsible for: that a call is kept before it is made, that what may have been taken is asked about before it is asked for again, and that
only a refusal of the request itself ends it. Never: decides what follows (`network_book`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from novate.broker.alpaca.http import NoAnswer, NotReached, Refusal
from novate.broker.alpaca.network import Network
from novate.broker.alpaca.tokenization import AskRedeem, AskState, ConfirmMint
from novate.clearing.network_book import Line, NetworkBook
from novate.errors import DataError, MessageError
from novate.prices.health import Backoff

STEPS: Final = ("network calling", "network called", "network answered")
"""Where a kill is tested."""
_BEAT_S: Final = 0.25
_VERDICTS: Final = frozenset((400, 404, 409, 422))
"""What refuses the request itself; anything else (a key that is not known, say) is ours to mend, and the question stays."""


class NetworkCalls:
    """The calls of one issuer. `every_s`: between two questions for one redemption; `clock` is the venue's."""

    def __init__(
        self, book: NetworkBook, network: Network, clock: Callable[[], int], *, every_s: float, on_step: Callable[[str], None] = lambda _: None
    ) -> None:  # fmt: skip
        self._book, self._network, self._clock, self._every_s, self._mark = (
            book,
            network,
            clock,
            every_s,
            on_step,
        )
        self._due: dict[str, float] = {}
        self._waits: dict[str, Backoff] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def open(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends after the call that is being made."""
        self._ends.set()
        self._book.tell()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            seen = self._book.changes
            self.step(time.monotonic())
            self._book.wait(seen, min(_BEAT_S, self._every_s))

    def step(self, now_s: float) -> None:
        """Makes each call that is due (`now_s` of a clock that never goes back)."""
        owed = self._book.owed()
        here = {line.id for line in owed}
        self._due = {one: at for one, at in self._due.items() if one in here}
        self._waits = {one: wait for one, wait in self._waits.items() if one in here}
        for line in owed:
            if self._due.get(line.id, 0.0) <= now_s and not self._ends.is_set():
                self._call(line, now_s)

    def _call(self, line: Line, now_s: float) -> None:
        before = line.called
        if not before:
            self._book.calling(line, self._clock())
        self._mark("network calling")
        try:
            self._make(line, asked_before=before)
        except (NotReached, NoAnswer, Refusal, DataError, MessageError) as error:
            if (
                isinstance(error, Refusal)
                and error.facts["status"] in _VERDICTS
                and isinstance(line.owed, AskRedeem)
            ):
                self._book.refused_redeem(line.id, error.sentence, self._clock())
                return
            self._book.complain(line.id, error.sentence, self._clock())
            wait = self._waits.setdefault(line.id, Backoff(least_s=min(1.0, self._every_s), most_s=60.0))
            self._due[line.id] = now_s + wait.next_s()
            return
        self._mark("network answered")
        self._waits.pop(line.id, None)
        self._due[line.id] = now_s + self._every_s

    def _make(self, line: Line, *, asked_before: bool) -> None:
        match line.owed:
            case ConfirmMint() as said:
                self._network.confirm_mint(said)
                self._mark("network called")
                self._book.answered_mint(line.id, self._clock())
            case AskRedeem() as asked:
                found = self._network.request(line.id) if asked_before else None
                found = self._network.redeem(asked) if found is None else found
                self._mark("network called")
                self._book.answered_redeem(line.id, found, self._clock())
            case AskState():
                found = self._network.request(line.id)
                if found is None:
                    raise DataError("the network has no such redemption, which it had before")
                self._book.answered_redeem(line.id, found, self._clock())
            case None:
                pass
