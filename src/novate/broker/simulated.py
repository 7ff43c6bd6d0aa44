"""The `simulated` adapter: a line to the simulated exchange in the same process.

Responsible for: the port's promises over a floor: what is behind a cursor is told before `LineUp`, what was not kept comes again, and what
`send` gave the exchange has left. Reports come from the floor's step, never from within `send`. Never: decides what an exchange decides.
"""

from __future__ import annotations

import threading
from datetime import date

from novate.broker.checks import check
from novate.broker.floor import Floor
from novate.broker.port import EndOfDay, Hear, Heard, Instruction, LineDown, LineLost, LineUp
from novate.broker.report_log import Told, heard, number_of


class SimulatedBroker:
    """A line of one broker on a floor. Implements the port's `Broker` and `Records`."""

    def __init__(self, floor: Floor, broker: str) -> None:
        self.floor, self.broker = floor, broker
        self._lock = threading.RLock()
        self._hear: Hear | None = None
        self._opened = 0
        """Counts openings: who was told before one is not told after it."""
        self._cursor = 0
        self._up = False
        self._lost = ""
        """Why the line is cut, until it was said."""
        self.last_error = ""
        """Of who listens, when it did not keep a report."""

    def open(self, hear: Hear, since: str = "") -> None:
        """As the port says. Raises MessageError where `since` is no cursor."""
        cursor = number_of(since)
        self.floor.disconnect(self)
        with self._lock:
            self._opened += 1
            self._hear, self._cursor = hear, cursor
            self._up, self._lost = False, ""
        self.floor.connect(self)

    def send(self, instruction: Instruction) -> None:
        """As the port says. Raises MessageError where it is not an instruction by the port."""
        check(instruction)
        with self._lock:
            if self.floor.error or not self._up or self._is_cut(self.floor.now_ns()):
                raise LineDown(f"the line to {self.broker} is down", broker=self.broker)
        self.floor.say(self.broker, instruction)

    def close(self) -> None:
        """As the port says. Waits for a report that is being handed over; once it returned nothing is told."""
        self.floor.disconnect(self)
        with self._lock:
            self._opened += 1
            self._hear, self._up = None, False

    def end_of_day(self, day: date) -> EndOfDay:
        """As the port says."""
        return self.floor.end_of_day(self.broker, day)

    def tell(self, now_ns: int) -> None:
        """Hands over what is new; called by the floor."""
        with self._lock:
            hear, opened = self._hear, self._opened
        if hear is None:
            return
        try:
            self._tell(hear, opened, now_ns)
        except Exception as failed:  # noqa: BLE001 - whatever a listener raises, it did not keep the report
            self.last_error = f"{type(failed).__name__}: {failed}"
            self._down("the listener failed")

    def _tell(self, hear: Hear, opened: int, now_ns: int) -> None:
        if self._is_cut(now_ns):
            self._down("the line is cut")
        if self._lost:
            hear(_state(LineLost(reason=self._lost), now_ns))
            self._lost = ""
        if self._is_cut(now_ns):
            return
        for told in self._new():
            hear(heard(told, now_ns))
            if self._opened != opened:
                return
            self._cursor = told.number
        if not self._up and self._cursor <= self.floor.told(self.broker):
            self._up = True
            hear(_state(LineUp(), now_ns))

    def _new(self) -> list[Told]:
        return self.floor.behind(self.broker, self._cursor)

    def _down(self, reason: str) -> None:
        with self._lock:
            self._lost = self._lost or (reason if self._up else "")
            self._up = False

    def _is_cut(self, now_ns: int) -> bool:
        return self.floor.line_down_until_ns(self.broker) > now_ns


def _state(report: LineUp | LineLost, now_ns: int) -> Heard:
    return Heard(report, "", "", b"", now_ns)
