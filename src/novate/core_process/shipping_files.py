"""What a home has beside its journal and changes while it runs, for a standby: keys of the API, alerts and margin calls.

Responsible for: a whole copy of each database once it has changed, made by SQLite's own way while others write. Never: the home's own key,
by which secrets in them are sealed: that is copied by hand, once, with a backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from novate.files import write_private

DATABASES: Final = ("identity.db", "alerts.db")
_MOST_BYTES: Final = 1 << 25
_BESIDE: Final = ("-wal", "-shm")


class SideFiles:
    """The databases of one home, each given out whenever it has changed since. For one thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: dict[str, tuple[tuple[int, int], ...]] = {}

    def changed(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of what has changed; what can't be read now, or is larger than 32 MiB, is left out."""
        for name in DATABASES:
            path = self._home / name
            stamps = tuple(_stamp(path.with_name(name + more)) for more in ("", "-wal"))
            if not path.is_file() or stamps == self._seen.get(name):
                continue
            with suppress(sqlite3.Error):
                content = _copy(path)
                self._seen[name] = stamps
                if len(content) <= _MOST_BYTES:
                    yield name, content


def take_file(home: Path, name: str, content: bytes) -> None:
    """Puts a copy into a standby's home, which nobody else has open. Raises OSError; ValueError for a name that is none of these."""
    if name not in DATABASES:
        raise ValueError(f"{name!r} is no file that a core ships")
    path = home / name
    for more in _BESIDE:
        path.with_name(name + more).unlink(missing_ok=True)
    write_private(path, content)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _copy(path: Path) -> bytes:
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as reads,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        reads.backup(copy)
        return copy.serialize()
