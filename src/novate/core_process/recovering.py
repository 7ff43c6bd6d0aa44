"""What a core says while it recovers and nobody can ask it: one small file, and a line for its supervisor.

    HOME/recovery.json    {"pid": ..., "phase": "replaying", "done": ..., "total": ..., "fraction": ..., "per_s": ..., "rest_s": ..., "at_ns": ...}

Responsible for: writing it whole, and taking it away once the core serves. Never: delays the recovery, or fails it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from novate.files import replace_file
from novate.journal.progress import Progress

FILE: Final = "recovery.json"

Facts = dict[str, Any]


class Recovering:
    """Told by a recovery how far it is; leaves that where others of this machine look."""

    def __init__(self, home: Path | str, tell: Callable[[Facts], None] = lambda _facts: None) -> None:
        self._path = Path(home) / FILE
        self._tell = tell

    def __call__(self, progress: Progress) -> None:
        """See `OnProgress`."""
        facts: Facts = {
            "phase": progress.phase,
            "done": progress.done,
            "total": progress.total,
            "fraction": round(progress.fraction, 4),
            "snapshot_sequence": progress.snapshot_sequence,
            "per_s": round(progress.per_s, 1),
            "rest_s": None if progress.rest_s is None else round(progress.rest_s, 1),
        }
        with suppress(OSError):
            replace_file(
                self._path, msgspec.json.encode({"pid": os.getpid(), "at_ns": time.time_ns(), **facts})
            )
        self._tell(facts)

    def done(self) -> None:
        """The core serves, or ends."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_recovery(home: Path | str) -> Facts | None:
    """How far the core of `home` is that recovers now; None where none does."""
    try:
        facts = msgspec.json.decode((Path(home) / FILE).read_bytes(), type=Facts)
        os.kill(int(facts["pid"]), 0)
    except (OSError, msgspec.MsgspecError, KeyError, ValueError):
        return None
    return facts


def told_of(facts: Facts | None) -> Facts | None:
    """What the world is told of it."""
    return facts and {key: facts[key] for key in ("phase", "fraction", "done", "total", "per_s", "rest_s")}


def words_of(facts: Facts) -> str:
    """The same for people."""
    done, total, rate, rest = facts["done"], facts["total"], facts["per_s"], facts["rest_s"]
    left = "" if rest is None or done >= total else f", about {rest:.0f} s left"
    match facts["phase"]:
        case "reading":
            return f"reads the journal: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB ({rate / 1e6:,.0f} MB/s){left}"
        case "restoring":
            return f"restores the snapshot after command {total:,}" if total else "begins without a snapshot"
        case _:
            begun = facts["snapshot_sequence"]
            return f"replays {done:,} of {total:,} commands behind command {begun:,} ({rate:,.0f}/s){left}"
