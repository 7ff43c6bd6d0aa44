"""The floor: an exchange with the lines of its brokers, moved by one clock.

Responsible for: one lock around the exchange, telling every open line what is new, and the market as it is seen. Stepped by its owner
(`advance`), for virtual time, or by a thread of its own (`run`). Never: decides anything that the exchange decides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from novate.broker.acts import Act
from novate.broker.checks import check
from novate.broker.exchange import Exchange
from novate.broker.exchange_journal import ExchangeJournal
from novate.broker.port import EndOfDay, Instruction, PrimaryBook
from novate.broker.report_log import Told

BEAT_S: Final = 0.005
"""Between two steps of the thread."""


class Teller(Protocol):
    """A line that is told when something may be new."""

    def tell(self, now_ns: int) -> None:
        """Hands over what is new. Called under no lock but the floor's telling one."""


class Floor:
    """One exchange and who is connected to it. Implements the port's `PrimaryMarket`."""

    def __init__(self, exchange: Exchange, journal: Path | None = None) -> None:
        self.exchange = exchange
        self.lock = threading.RLock()
        """Around the exchange; held for no longer than one call of it."""
        self._telling = threading.RLock()
        """One thread tells at a time, so that a line hears in order."""
        self._tellers: list[Teller] = []
        self._journal_path = journal
        self._journal: ExchangeJournal | None = None
        self._begun_ns = 0
        self.error = ""
        """Why the thread ended before it was asked to: the exchange is broken then, and every line down."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- life ----------------------------------------------------------------------------------------------------------

    def start(self, wall_ns: int) -> None:
        """Opens the journal, if there is one, and does again what is in it; at `wall_ns` by the clock.

        Raises DataError where the journal is another exchange's, JournalLocked where another process has it.
        """
        self._begun_ns = wall_ns
        if self._journal_path is not None:
            self._journal = ExchangeJournal.open(self._journal_path)
            self._begun_ns = (self._journal.begun() or (0, wall_ns))[1]
            self._journal.begin(self.exchange, wall_ns)
        self.advance(self._at(wall_ns))

    def run(self, clock: Callable[[], int] = time.time_ns) -> None:
        """Starts, and moves on with a clock, from a thread of its own, until `close`.

        The exchange's time at the first start is its own start; from then on it goes as fast as the clock does, over restarts too.
        """
        self.start(clock())
        self._thread = threading.Thread(target=self._run, args=(clock,), name="floor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes the journal."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._journal is not None:
            self._journal.close()

    def connect(self, teller: Teller) -> None:
        """From now on it is told."""
        with self.lock:
            if teller not in self._tellers:
                self._tellers.append(teller)

    def disconnect(self, teller: Teller) -> None:
        """It is told nothing once this returned."""
        with self.lock:
            self._tellers = [one for one in self._tellers if one is not teller]
        with self._telling:
            pass  # who is being told has been

    # --- what is done --------------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Moves the exchange on and tells what came of it. A time that has been is taken as the exchange's own."""
        with self.lock:
            self.exchange.advance(max(now_ns, self.exchange.time_ns))
            tellers = list(self._tellers)
        with self._telling:
            for teller in tellers:
                if teller in self._tellers:
                    teller.tell(self.now_ns())

    def say(self, broker: str, instruction: Instruction) -> None:
        """An instruction, durable before anything comes of it."""
        with self.lock:
            now_ns = self.now_ns()
            check(instruction)
            self.exchange.reports(broker)
            if self._journal is not None:
                self._journal.append(broker, instruction, now_ns)
            self.exchange.say(broker, instruction, now_ns)

    def act(self, broker: str, act: Act) -> None:
        """Something that no client asked for; durable as an instruction is. Raises MessageError where it can't be done.

        It is noted before it is tried: what can't be done now can't be done either when the inputs are done again.
        """
        with self.lock:
            now_ns = self.now_ns()
            self.exchange.reports(broker)
            if self._journal is not None:
                self._journal.append(broker, act, now_ns)
            self.exchange.act(broker, act, now_ns)

    def book(self, symbol: str) -> PrimaryBook | None:
        """The market of a symbol; None where it is not listed."""
        with self.lock:
            return self.exchange.book(symbol)

    def end_of_day(self, broker: str, day: date) -> EndOfDay:
        """A broker's statement. Raises DataError where there is none."""
        with self.lock:
            return self.exchange.end_of_day(broker, day)

    def behind(self, broker: str, number: int) -> list[Told]:
        """What a broker was told behind a number."""
        with self.lock:
            return list(self.exchange.reports(broker).behind(number))

    def told(self, broker: str) -> int:
        """How many reports a broker has."""
        with self.lock:
            return self.exchange.reports(broker).last()

    def line_down_until_ns(self, broker: str) -> int:
        """Until when a broker's line is cut, or the broker in default."""
        with self.lock:
            return self.exchange.line_down_until_ns(broker)

    def now_ns(self) -> int:
        """The exchange's time."""
        return self.exchange.time_ns

    def _run(self, clock: Callable[[], int]) -> None:
        while not self._stop.wait(BEAT_S):
            try:
                self.advance(self._at(clock()))
            except Exception as failed:
                self.error = f"{type(failed).__name__}: {failed}"
                raise

    def _at(self, wall_ns: int) -> int:
        return self.exchange.start_ns + wall_ns - self._begun_ns
