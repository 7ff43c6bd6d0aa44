"""The end of a day: brokers' statements are fetched as soon as there are any, in a thread of its own.

Responsible for: when to ask, and for which days: all that ended since the last one whose statements are there, oldest first. Never: looks into a statement (`reconcile` does), or holds up orders and reports.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from novate.broker.port import Records
from novate.clearing.settlement import last_day_over, trading_day_before
from novate.clearing.statement_files import fetch_due, has_statement

FOLDER: Final = "statements"
"""Of a home."""
_BACK: Final = 10
"""Trading days looked back at a start: nobody asks brokers for what is older."""
_LOOK_S: Final = 1.0
_AGAIN_S: Final = 60.0


class DayEnd:
    """Fetches statements of the last day that is over until every line that has records gave its own."""

    def __init__(
        self, home: Path, lines: Mapping[str, object], clock: Callable[[], int], ends: threading.Event
    ) -> None:
        self._folder, self._lines, self._clock, self._ends = home / FOLDER, lines, clock, ends
        self._thread = threading.Thread(target=self._run, name="novate-clearing-statements", daemon=True)
        self.day: date | None = None
        """The last day whose statements are all here."""
        self.problems: dict[str, str] = {}
        """What is in the way, by broker and day."""

    def begin(self) -> None:
        """Starts the thread; it ends when the process is asked to."""
        self._thread.start()

    def look(self) -> bool:
        """Fetches what is due; whether nothing is missing."""
        problems: dict[str, str] = {}
        last = last_day_over(self._clock())
        for day in self._days(last):
            came = fetch_due(self._lines, day, self._folder)
            problems |= {f"{name}, {day}": why for name, why in came.items()}
            if not problems:
                self.day = day
        if not problems:
            self.day = last
        self.problems = problems
        return not problems

    def _days(self, last: date) -> list[date]:
        """Days up to `last` that lack a statement, behind the first one looked at that does not; `last` alone where nothing was ever fetched."""
        if self.day == last:
            return []
        days = [last]
        while len(days) < _BACK and days[0] != self.day:
            days.insert(0, trading_day_before(days[0]))
        complete = {day: self._complete(day) for day in days}
        first = next((day for day in days if complete[day]), None)
        return [last] if first is None else [day for day in days if day > first and not complete[day]]

    def _complete(self, day: date) -> bool:
        with_records = [name for name, line in self._lines.items() if isinstance(line, Records)]
        return all(has_statement(self._folder, name, day) for name in with_records)

    def values(self) -> dict[str, Any]:
        """For health."""
        return {"day": self.day.isoformat() if self.day else "", "problems": dict(self.problems)}

    def _run(self) -> None:
        while not self._ends.is_set():
            self._ends.wait(_LOOK_S if self.look() else _AGAIN_S)
