"""What an empty journal begins with: the venue's listing, as commands.

Responsible for: sending it once, whole, and refusing a listing that the engine refuses. Never: changes a venue that has begun: from then on the
journal says what is listed, and a change is a command of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from novate.config import Listing, load_listing, packaged_listing
from novate.errors import ConfigError
from novate.journal.recovery import HomePaths
from novate.journal.scan import segment_paths
from novate.messages import CommandRefused, explain
from novate.venue import Venue

DEVELOPMENT_SOURCES = ("feed-a", "feed-b")
"""Two sources an underlying: the least that a price can be confirmed by."""


def is_empty(home: Path) -> bool:
    """Whether no venue has begun in `home`."""
    return not segment_paths(HomePaths.of(home).journal)


def begin(
    home: Path,
    listing: Path | str | None,
    sources: Sequence[str] = DEVELOPMENT_SOURCES,
    *,
    named: Sequence[tuple[str, int, str]] | None = None,
    production: bool | None = None,
) -> int:
    """Begins the venue of `home` with the listing file (or its text), or with the packaged one; returns how many commands that took.

    Each underlying gets the price sources, ids from 1; or those `named` for it, as `load_listing` takes them. `production` is put over what
    the listing says: the journal keeps it for ever. Raises ConfigError for what the file or the engine refuses, with nothing begun.
    """
    over = {} if production is None else {"venue": {"production": production}}

    def load(names: Sequence[tuple[str, int, str]]) -> Listing:
        if listing is None:
            return packaged_listing(sources=names, overrides=over)
        return load_listing(listing, sources=names, overrides=over)

    if named is None:
        named = [
            (name, number, source) for name in load(()).class_of for number, source in enumerate(sources, 1)
        ]
    chosen = load(named)
    home.mkdir(parents=True, exist_ok=True)
    now = time.time_ns()
    with Venue.open(home, now) as venue:
        for event in venue.send(*chosen.commands, time_ns=now):
            if isinstance(event.body, CommandRefused):
                raise ConfigError(f"The engine refuses the listing: {explain(event.body)}")
    return len(chosen.commands)
