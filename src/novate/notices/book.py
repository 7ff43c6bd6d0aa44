"""What operators post, in SQL: SQLite in the home, as identity keeps its own.

Responsible for: notices, updates and resolutions, each durable before it is told, and what changed since. Never: decides who may post.
"""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa

from novate.identity.homebook import HomeBook, meta_table
from novate.notices.records import Notice, NoticeRefused, Post, Rule, Update, checked, checked_text
from novate.projections.notices import Kind, Severity

FILE: Final = "notices.db"

_ALL = sa.MetaData()
META = meta_table("notices_meta", _ALL)
NOTICES = sa.Table(
    "posted",
    _ALL,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("markets", sa.Text, nullable=False),
    sa.Column("from_ns", sa.BigInteger, nullable=False),
    sa.Column("to_ns", sa.BigInteger, nullable=False),
    sa.Column("published_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("resolved_ns", sa.BigInteger, nullable=False),
    sa.Column("resolution", sa.Text, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)
UPDATES = sa.Table(
    "updates",
    _ALL,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("notice", sa.Integer, nullable=False, index=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)


class NoticeBook(HomeBook):
    """The operators' notices of one venue, in HOME/notices.db. Any thread."""

    FILE = FILE
    META = META

    def post(self, post: Post, now_ns: int) -> Notice:
        """A new notice. Raises NoticeRefused."""
        said = checked(post, now_ns)
        with self._change() as (connection, change):
            made = connection.execute(
                NOTICES.insert().values(
                    kind=said.kind, severity=said.severity, title=said.title, text=said.text, markets=json.dumps(said.markets),
                    from_ns=said.from_ns, to_ns=said.to_ns, published_ns=now_ns, resolved_ns=0, resolution="", changed=change,
                )
            )  # fmt: skip
            return _load(connection, int(made.lastrowid))

    def update(self, notice: str, text: str, now_ns: int) -> Notice:
        """More about a notice that is not over. Raises NoticeRefused."""
        checked_text(text)
        with self._change() as (connection, change):
            number = _open_number(connection, notice)
            connection.execute(UPDATES.insert().values(notice=number, at_ns=now_ns, text=text))
            connection.execute(NOTICES.update().where(NOTICES.c.number == number).values(changed=change))
            return _load(connection, number)

    def resolve(self, notice: str, text: str, now_ns: int) -> Notice:
        """Says that a notice is over. Raises NoticeRefused."""
        checked_text(text)
        with self._change() as (connection, change):
            number = _open_number(connection, notice)
            ended = {"resolved_ns": now_ns, "resolution": text, "changed": change}
            connection.execute(NOTICES.update().where(NOTICES.c.number == number).values(**ended))
            return _load(connection, number)

    def page(self, before_ns: int | None, limit: int, current_ns: int | None) -> list[Notice]:
        """Newest first, published before `before_ns`; with `current_ns` only those not over then. Those of one moment stay together."""
        c = NOTICES.c
        seen = [] if before_ns is None else [c.published_ns < before_ns]
        if current_ns is not None:
            seen += [c.resolved_ns == 0, (c.to_ns == 0) | (c.to_ns > current_ns)]
        newest = sa.select(c.published_ns).where(*seen).order_by(c.published_ns.desc()).limit(limit)
        with self._engine.connect() as connection:
            oldest = connection.execute(sa.select(sa.func.min(newest.subquery().c.published_ns))).scalar_one()
            if oldest is None:
                return []
            wanted = sa.select(c.number).where(*seen, c.published_ns >= oldest)
            numbers = connection.execute(wanted.order_by(c.published_ns.desc(), c.number.desc()))
            return [_load(connection, number) for (number,) in numbers.all()]

    def changed(self, after: int) -> tuple[int, list[Notice]]:
        """The count of changes, and the notices that changed behind count `after`."""
        with self._engine.connect() as connection:
            count = int(connection.execute(sa.select(META.c.changes)).scalar_one())
            if count == after:
                return count, []
            c = NOTICES.c
            numbers = connection.execute(sa.select(c.number).where(c.changed > after).order_by(c.changed))
            return count, [_load(connection, number) for (number,) in numbers.all()]


def _open_number(connection: sa.Connection, notice: str) -> int:
    if notice.startswith("v"):
        raise NoticeRefused(Rule.NOTICE_MUST_BE_AN_OPERATORS)
    digits = notice[1:]
    if not notice.startswith("o") or not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise NoticeRefused(Rule.NOTICE_MUST_EXIST)
    if _load(connection, int(digits)).resolved_ns:
        raise NoticeRefused(Rule.NOTICE_MUST_NOT_BE_OVER)
    return int(digits)


def _load(connection: sa.Connection, number: int) -> Notice:
    row = connection.execute(sa.select(NOTICES).where(NOTICES.c.number == number)).one_or_none()
    if row is None:
        raise NoticeRefused(Rule.NOTICE_MUST_EXIST)
    updates = sa.select(UPDATES).where(UPDATES.c.notice == number).order_by(UPDATES.c.number)
    return Notice(
        notice=f"o{row.number}",
        source="operator",
        kind=Kind(row.kind),
        severity=Severity(row.severity),
        title=row.title,
        text=row.text,
        markets=tuple(json.loads(row.markets)),
        from_ns=row.from_ns,
        to_ns=row.to_ns,
        published_ns=row.published_ns,
        updates=tuple(Update(at_ns=one.at_ns, text=one.text) for one in connection.execute(updates)),
        resolved_ns=row.resolved_ns,
        resolution=row.resolution,
    )
