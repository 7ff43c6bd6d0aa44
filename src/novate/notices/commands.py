"""`novate notice`: what operators tell everybody, from the console of the venue's machine.

Responsible for: options to arguments, and results for people or as one JSON object. Never: decides anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from novate.console import common, result, say

if TYPE_CHECKING:
    from novate.notices.feed import Feed
    from novate.notices.records import Notice

_HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)
_NOTICE: Final = click.argument("notice")
_TEXT: Final = click.option("--text", required=True, help="What is to be said.")


def _ns(_: click.Context, option: click.Parameter, value: str | None) -> int:
    from novate.calendar import to_ns

    if value is None:
        return 0
    try:
        return to_ns(datetime.fromisoformat(value))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is no time with its zone such as 2026-01-10T21:15:00Z ({error}).", param=option
        ) from None


@click.group()
def notice() -> None:
    """What everybody is told: maintenance, incidents, halts, listings, parameters, releases."""


@notice.command()
@_HOME
@click.option(
    "--kind", required=True, help="maintenance, incident, halt, listing, parameters, release or other."
)
@click.option("--severity", default="info", show_default=True, help="info, warning or critical.")
@click.option("--title", required=True, help="In one line.")
@click.option("--text", default="", help="The rest.")
@click.option("--market", "markets", multiple=True, help="A market it is about; once for each.")
@click.option("--from", "from_ns", callback=_ns, metavar="TIME", help="From when [default: now].")
@click.option(
    "--to", "to_ns", callback=_ns, metavar="TIME", help="Until when [default: until it is resolved]."
)
@common
def post(directory: Path, *, as_json: bool, **said: Any) -> None:
    """Tell everybody something."""
    from novate.notices.records import Post

    with _opened(directory) as (feed, note):
        made = feed.book.post(Post(**said), time.time_ns())
        note("notice_posted", made)
    _tell(made, as_json)


@notice.command()
@_HOME
@_NOTICE
@_TEXT
@common
def update(directory: Path, notice: str, text: str, *, as_json: bool) -> None:
    """Say more about a NOTICE."""
    with _opened(directory) as (feed, note):
        made = feed.book.update(notice, text, time.time_ns())
        note("notice_updated", made)
    _tell(made, as_json)


@notice.command()
@_HOME
@_NOTICE
@_TEXT
@common
def resolve(directory: Path, notice: str, text: str, *, as_json: bool) -> None:
    """Say that a NOTICE is over."""
    with _opened(directory) as (feed, note):
        made = feed.book.resolve(notice, text, time.time_ns())
        note("notice_resolved", made)
    _tell(made, as_json)


@notice.command("list")
@_HOME
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many.")
@click.option("--database", default="", help="URL of the read models [default: SQLite in DIR].")
@common
def list_all(directory: Path, limit: int, database: str, *, everything: bool, as_json: bool) -> None:
    """List notices, newest first: the operators', and those that the venue's events made."""
    from contextlib import closing

    from novate.notices.feed import Feed

    now = time.time_ns()
    with closing(Feed.open(directory, database)) as feed:
        found = feed.page(limit=limit, current_ns=None if everything else now).notices
    if not found:
        say("No notices.")
    for one in found:
        say(f"{one.notice:>12}  {one.state(now):9} {one.severity:9} {one.kind:12} {one.title}")
    if as_json:
        result({"ok": True, "notices": [_shown(one, now) for one in found]})


@contextmanager
def _opened(directory: Path) -> Iterator[tuple[Feed, Callable[[str, Notice], None]]]:
    """The feed, and what writes to the log of who did what."""
    from contextlib import closing

    from novate.identity import Identity
    from novate.notices.feed import Feed

    now = time.time_ns()
    with (
        Identity.open(directory, now, venue="novate-dev", chain_id=1) as identity,
        closing(Feed.open(directory)) as feed,
    ):

        def note(kind: str, made: Notice) -> None:
            identity.audit.record(kind, now, wait=True, notice=made.notice, title=made.title, by="console")

        yield feed, note


def _shown(one: Notice, now_ns: int) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(one), "state": one.state(now_ns)}


def _tell(one: Notice, as_json: bool) -> None:
    now = time.time_ns()
    say(f"Notice {one.notice}, {one.state(now)}: {one.title}")
    if as_json:
        result({"ok": True, **_shown(one, now)})


COMMANDS: Final = (notice,)
"""What `novate` takes up from here."""
