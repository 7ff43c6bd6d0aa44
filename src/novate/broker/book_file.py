"""The primary market as a file: whoever sees it writes it, and any process of the machine reads it.

    {"NVDA": {"session": "regular", "at_ns": 1760103000000000000, "bids": [["180.00", "500"]], "asks": [["180.01", "700"]]}}

Responsible for: that format. A file is replaced whole. Never: judges a book, or waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from novate.broker.port import Level, PrimaryBook
from novate.errors import UnitError
from novate.files import replace_file
from novate.messages.codes import Session
from novate.units import scaled, text


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session: str
    at_ns: int
    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    asks: tuple[tuple[Decimal, Decimal], ...] = ()


def write_books(path: Path, books: Iterable[PrimaryBook]) -> None:
    """Replaces the file with these books."""
    said = {
        book.symbol: {
            "session": book.session.name.lower(),
            "at_ns": book.at_ns,
            "bids": [_words(level) for level in book.bids],
            "asks": [_words(level) for level in book.asks],
        }
        for book in books
    }
    replace_file(path, msgspec.json.encode(said))


class BookFile:
    """Books of such a file, read when it changed. Where there is none, or it is none, it shows nothing. Implements `PrimaryMarket`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = (0, 0)
        self._books: dict[str, PrimaryBook] = {}
        self.mistakes = 0
        """Times that the file was none."""

    def book(self, symbol: str) -> PrimaryBook | None:
        """The market of a symbol; None where the file has none."""
        self._look()
        return self._books.get(symbol)

    def values(self) -> dict[str, Any]:
        """For health."""
        return {"kind": "file", "symbols": sorted(self._books), "mistakes": self.mistakes}

    def _look(self) -> None:
        try:
            found = self._path.stat()
            if (found.st_mtime_ns, found.st_ino) == self._read:
                return
            said = msgspec.json.decode(self._path.read_bytes(), type=dict[str, _Book])
            self._books = {symbol: _book(symbol, one) for symbol, one in said.items()}
            self._read = found.st_mtime_ns, found.st_ino
        except FileNotFoundError:
            self._books, self._read = {}, (0, 0)
        except (OSError, msgspec.MsgspecError, UnitError, KeyError):
            self.mistakes += 1
            self._books, self._read = {}, (0, 0)


def _book(symbol: str, said: _Book) -> PrimaryBook:
    bids = sorted((_level(*one) for one in said.bids), reverse=True)
    asks = sorted(_level(*one) for one in said.asks)
    return PrimaryBook(symbol, tuple(bids), tuple(asks), Session[said.session.upper()], said.at_ns)


def _level(price: Decimal, shares: Decimal) -> Level:
    return Level(scaled(price, 9, "price"), scaled(shares, 9, "shares"))


def _words(level: Level) -> tuple[str, str]:
    return text(level.price, 9), text(level.shares, 9)
