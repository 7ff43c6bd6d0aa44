"""All public notices as one list: those that operators posted, and those that the engine's events made.

Responsible for: one order (newest first), pages that stay as they were, and what changed since a mark. Never: writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from novate.notices.book import NoticeBook
from novate.notices.records import Notice, Update
from novate.projections import queries
from novate.projections.location import url_of
from novate.projections.notices import Kind, Severity
from novate.projections.store import connect

T = TypeVar("T")


class Mark(NamedTuple):
    """Up to where changes are known."""

    posted: int
    sequence: int


class Page(NamedTuple):
    """A part of the list."""

    notices: list[Notice]
    next_ns: int
    """What the next page is asked with, which may be empty; 0 where there is none."""


class Feed:
    """The notices of one venue. Any thread."""

    def __init__(self, book: NoticeBook, models: Engine) -> None:
        self.book, self._models = book, models

    @classmethod
    def open(cls, home: Path, database: str = "") -> Self:
        """Opens the feed of a home; `database` is the URL of its read models, by default those in the home."""
        return cls(NoticeBook.open(home), connect(url_of(home, database)))

    def close(self) -> None:
        """Closes all files."""
        self._models.dispose()
        self.book.close()

    def page(self, before_ns: int = 0, limit: int = 100, current_ns: int | None = None) -> Page:
        """Notices published before `before_ns` (0: the newest), newest first; with `current_ns` only those not over then.

        A page is longer than `limit` where several were published at one moment. Where there are no read models it has the operators' alone.
        """
        before, wanted = before_ns or None, limit + 1  # one more says whether there is a next page
        both = self.book.page(before, wanted, current_ns) + self._made(
            lambda connection: queries.notices(
                connection, before_ns=before, limit=wanted, current_ns=current_ns
            )
        )
        both.sort(key=lambda one: one.published_ns, reverse=True)
        if len(both) <= limit:
            return Page(both, 0)
        last = both[limit - 1].published_ns
        found = [one for one in both if one.published_ns >= last]
        return Page(found, last)

    def changed(self, mark: Mark) -> tuple[Mark, list[Notice]]:
        """The notices that changed behind a mark, and the mark from which to ask again."""
        posted, theirs = self.book.changed(mark.posted)
        made = self._made(lambda connection: queries.notices_changed(connection, mark.sequence))
        return Mark(posted, max((mark.sequence, *(one.seq for one in made)))), theirs + made

    def now(self) -> Mark:
        """The mark behind which nothing has changed yet."""
        posted, _ = self.book.changed(2**62)
        rows = self._made(lambda connection: queries.notices(connection, limit=1))
        changed = self._ask(queries.position)
        return Mark(posted, max((0 if changed is None else changed.sequence, *(one.seq for one in rows))))

    def _made(self, question: Callable[[Connection], list[Any]]) -> list[Notice]:
        def asked(connection: Connection) -> list[Notice]:
            return [_notice(connection, row) for row in question(connection)]

        return self._ask(asked) or []

    def _ask(self, question: Callable[[Connection], T]) -> T | None:
        try:
            with self._models.connect() as connection:
                return question(connection)
        except SQLAlchemyError:  # there are no read models yet
            return None


def _notice(connection: Connection, row: Any) -> Notice:
    updates = queries.notice_updates(connection, row.sequence, row.idx)
    return Notice(
        notice=f"v{row.sequence}-{row.idx}",
        source="venue",
        kind=Kind(row.kind),
        severity=Severity(row.severity),
        title=row.title,
        text=row.text,
        markets=tuple(json.loads(row.markets)),
        from_ns=row.from_ns,
        to_ns=row.to_ns,
        published_ns=row.published_ns,
        updates=tuple(Update(at_ns=one.time_ns, text=one.text) for one in updates),
        resolved_ns=row.resolved_ns,
        resolution=row.resolution,
        seq=row.changed_sequence,
    )
