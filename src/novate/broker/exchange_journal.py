"""What an exchange was told, durable: one SQLite file, from which the same exchange is made again.

Responsible for: an input on disk before anything comes of it, in order, and that an exchange goes on only with what it was begun with. The
exchange is deterministic, so its reports, books and statements need no file: the same inputs at the same times give them again.
Never: holds a report. One process a file (SQLite's exclusive lock).
"""

from __future__ import annotations

import sqlite3
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from novate.broker.acts import Act
from novate.broker.exchange import Exchange
from novate.broker.port import Instruction
from novate.errors import DataError, JournalLocked, MessageError

Input = Instruction | Act

_ENCODE: Final = msgspec.msgpack.Encoder()
_DECODE: Final = msgspec.msgpack.Decoder(Input)
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS begun (one INTEGER PRIMARY KEY CHECK (one = 1), start_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS inputs (number INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, broker TEXT NOT NULL, body BLOB NOT NULL);
"""


class ExchangeJournal:
    """The inputs of one exchange. For whoever holds the floor's lock."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens or makes the file. Raises JournalLocked where another process has it, DataError where it is no journal."""
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
        try:
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                database.execute(f"PRAGMA {pragma}")
            database.executescript(_TABLES)
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
        except sqlite3.OperationalError as failed:
            database.close()
            raise JournalLocked(
                f"the exchange's journal {path} can't be opened: {failed}", file=str(path)
            ) from failed
        except sqlite3.DatabaseError as failed:
            database.close()
            raise DataError(f"{path} is no journal of an exchange: {failed}", file=str(path)) from failed
        return cls(database)

    def begun(self) -> tuple[int, int] | None:
        """(the exchange's time, the clock's time) at which it began; None for a new file."""
        found = self._database.execute("SELECT start_ns, wall_ns FROM begun").fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def begin(self, exchange: Exchange, wall_ns: int) -> None:
        """Notes what an exchange begins with, or does again what is in the file.

        Raises DataError where it was begun with other tapes, brokers, terms or another time; nothing was done then.
        """
        found = self._database.execute("SELECT digest FROM begun").fetchone()
        if found is None:
            self._database.execute(
                "INSERT INTO begun VALUES (1, ?, ?, ?)", (exchange.start_ns, wall_ns, exchange.digest())
            )
            return
        if found[0] != exchange.digest():
            raise DataError(
                "the exchange's journal was begun with other tapes, brokers, terms or another start: use a new file"
            )
        for at_ns, broker, body in self._database.execute(
            "SELECT at_ns, broker, body FROM inputs ORDER BY number"
        ):
            said = _DECODE.decode(body)
            # an act is noted before it is known whether it can be done: one that was refused is refused again
            with suppress(MessageError) if isinstance(said, Act) else nullcontext():
                apply(exchange, broker, said, at_ns)

    def append(self, broker: str, said: Input, at_ns: int) -> None:
        """An input, on disk once this returns."""
        self._database.execute(
            "INSERT INTO inputs (at_ns, broker, body) VALUES (?, ?, ?)", (at_ns, broker, _ENCODE.encode(said))
        )

    def close(self) -> None:
        """Closes the file."""
        self._database.close()


def apply(exchange: Exchange, broker: str, said: Input, at_ns: int) -> None:
    """Lets an exchange take an input. Raises MessageError where it can't be taken."""
    if isinstance(said, Act):
        exchange.act(broker, said, at_ns)
    else:
        exchange.say(broker, said, at_ns)
