"""Who announces corporate actions to a venue: a broker of its `clearing.toml` that has that part of the interface.

Responsible for: finding it, and which symbols to ask for. Never: takes an announcement in (`actions_office`), or opens a line.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from novate.broker.announcements import Announcement, Announcements
from novate.clearing.adapters import Given, make
from novate.clearing.names import Names
from novate.clearing.settings import FILE, load_clearing
from novate.errors import ConfigError
from novate.messages.reports.portfolios import Listed

_SYMBOLS: Final = ("symbol", "other_symbol")


class Announcer(NamedTuple):
    """Who announces, and in which words."""

    line: Announcements
    symbols: list[str]
    """Of all names with a token, as the broker calls them: what to ask for."""
    names: dict[str, str]
    """The broker's symbol of everything listed, and the venue's name for it."""

    def ours(self, one: Announcement) -> Announcement:
        """An announcement under the venue's names, the other company's too."""
        named = {field: self.names.get(getattr(one, field), getattr(one, field)) for field in _SYMBOLS}
        return replace(one, **named)


def announcer(home: Path, broker: str, listed: Listed) -> Announcer:
    """A broker's announcements.

    Raises ConfigError where the home has no such broker, or the broker does not announce.
    """
    settings = load_clearing(home / FILE)
    known = {one.name: one for one in settings.broker}
    if broker not in known:
        raise ConfigError(f"{FILE} has no broker {broker!r}; it has {', '.join(known) or 'none'}.")
    entry = known[broker]
    line = make(entry.adapter, Given(0, entry.name, entry.options, home, time.time_ns))
    if not isinstance(line, Announcements):
        raise ConfigError(f"The adapter of {broker!r} announces no corporate actions: {entry.adapter}.")
    names = Names.of(listed, settings.symbols)
    tokens = {asset.underlying for asset in names.assets.values() if not asset.stablecoin}
    ours = {symbol: names.underlyings[number].name for number, symbol in names.symbols.items()}
    return Announcer(line, sorted(names.symbols[number] for number in tokens), ours)
