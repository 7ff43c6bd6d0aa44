"""How `novate up` shows that the core recovers: a bar on a terminal, lines in a log, objects with --json.

Responsible for: one way of showing per place. Never: measures anything.
"""

from __future__ import annotations

import json
import sys
import time
from typing import IO, Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from novate.core_process.recovering import words_of

_LINE_S: Final = 5.0
_TENTHS: Final = 10


class RecoveryView:
    """Shows the progress of one recovery after another. For one thread."""

    def __init__(
        self, console: Console, *, bar: bool, as_json: bool, out: IO[str] | None = None, after_s: float = 1.0
    ) -> None:
        """`bar` where a person looks on; `as_json` for an object a line on `out`, standard output by default.

        Nothing is shown of what takes less than `after_s`.
        """
        self._after_s = after_s
        self._begun: float | None = None
        self._console, self._as_json, self._out = console, as_json, out or sys.stdout
        self._bar = bar and console.is_terminal
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._line_at, self._tenth, self._phase = 0.0, -1, ""

    def show(self, process: str, facts: dict[str, Any]) -> str | None:
        """How far `process` is; the line that is to be logged, where one is due and no bar shows it."""
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        if now - self._begun < self._after_s:
            return None
        due = self._due(facts)
        if self._as_json and due:
            self._out.write(
                json.dumps({"process": process, "says": words_of(facts), "recovery": facts}) + "\n"
            )
            self._out.flush()
        if self._bar:
            self._move(process, facts)
            return None
        return words_of(facts) if due else None

    def end(self) -> None:
        """The core serves, or has ended."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._phase, self._tenth, self._begun = "", -1, None

    def _due(self, facts: dict[str, Any]) -> bool:
        """A line for each phase, each tenth, and each few seconds."""
        tenth, now = int(facts["fraction"] * _TENTHS), time.monotonic()
        new_phase = facts["phase"] != self._phase
        if not new_phase and tenth == self._tenth and now - self._line_at < _LINE_S:
            return False
        self._phase, self._tenth, self._line_at = facts["phase"], tenth, now
        return True

    def _move(self, process: str, facts: dict[str, Any]) -> None:
        if self._progress is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task(f"{process:>16} ", total=1.0, note="")
        self._progress.update(self._task, completed=facts["fraction"], note=words_of(facts))
