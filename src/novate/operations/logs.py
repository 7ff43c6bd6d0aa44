"""What supervisor and processes say, as lines of JSON: time, process, level, message.

Responsible for: one object a line, and the level of what a process wrote in words. Never: writes a file; whoever runs the venue collects
standard error.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import IO, Final, Literal

Level = Literal["info", "warning", "error"]
_ERROR: Final = re.compile(r"^novate: |Traceback|\w+(Error|Exception)\b|again and again", re.ASCII)
_WARNING: Final = re.compile(r"ended with status (?!0\b)|does not end|warning|refuse|gone", re.IGNORECASE)


def level_of(words: str) -> Level:
    """How grave a line is, by the words that processes of a venue use."""
    if _ERROR.search(words):
        return "error"
    return "warning" if _WARNING.search(words) else "info"


def log_line(process: str, words: str, time_ns: int | None = None) -> str:
    """One line of the log, without its end. The time is UTC, with microseconds."""
    at = time.time_ns() if time_ns is None else time_ns
    stamp = datetime.fromtimestamp(at // 10**9, UTC).replace(microsecond=at // 1000 % 10**6)
    return json.dumps(
        {
            "time": stamp.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "process": process,
            "level": level_of(words),
            "message": words,
        },
        ensure_ascii=False,
    )


def write_log(stream: IO[str], process: str, words: str) -> None:
    """Writes one line at once."""
    stream.write(log_line(process, words) + "\n")
    stream.flush()
