"""Who shows the primary market to the bridge: a file that somebody keeps current, quotes of a feed, or a simulated exchange of its own.

Responsible for: books from each of these, at once and without waiting. Never: judges a book.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from novate.bridge.settings import PrimarySettings
from novate.broker.book_file import BookFile
from novate.broker.exchange_settings import load_exchange_settings, make_floor
from novate.broker.floor import Floor
from novate.broker.port import Level, PrimaryBook, PrimaryMarket
from novate.keepers.session_keeper import Hours, exchange_hours
from novate.messages.codes import Session
from novate.prices.feed import Feed, Priced, run_feed
from novate.prices.health import Backoff, FeedHealth
from novate.prices.intake import Intake
from novate.prices.observation import Clock, Frame, Phase, Quote
from novate.prices.settings import FeedSettings, connection
from novate.units import duration_ns, scaled


def primary_of(settings: PrimarySettings, home: Path, clock: Clock) -> PrimaryMarket:
    """The one that settings name. Raises ConfigError, DataError."""
    if settings.kind == "file":
        return BookFile(home / settings.path)
    if settings.kind == "feed" and settings.feed is not None:
        return FeedMarket(settings.feed, clock)
    return ExchangeMarket(home / settings.path, clock)


class ExchangeMarket:
    """A simulated exchange in this process, at the venue's time. What is bought at another one's floor does not move it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._floor: Floor = make_floor(load_exchange_settings(path), path.parent, clock())
        self._floor.start(clock())

    def book(self, symbol: str) -> PrimaryBook | None:
        """The market of a symbol now."""
        self._floor.advance(max(self._clock(), self._floor.now_ns()))
        return self._floor.book(symbol)

    def values(self) -> dict[str, Any]:
        """For health."""
        return {"kind": "exchange", "symbols": sorted(self._floor.exchange.stocks)}


class FeedMarket:
    """Best bids and offers of a feed, with their sizes; sessions are the exchange's. A thread hears it from the first question on."""

    def __init__(self, settings: FeedSettings, clock: Clock, hours: Hours | None = None) -> None:
        adapter, link = connection(settings)
        symbols = tuple(settings.symbols)
        self._unit = Decimal(settings.unit)
        self._feed = _Quotes(
            name=settings.name,
            adapter=adapter,
            link=link,
            intake=Intake(()),
            health=FeedHealth(settings.name, symbols, clock()),
            backoff=Backoff(),
            clock=clock,
            silence_s=duration_ns(settings.silence, "silence") / 1e9,
        )
        self._feed.quoted = self.take
        self._named = {symbol: one.underlying for symbol, one in settings.symbols.items()}
        self._clock, self._hours = clock, hours or exchange_hours()
        self._books: dict[str, tuple[tuple[Level, ...], tuple[Level, ...], int]] = {}
        self._thread: threading.Thread | None = None

    def book(self, symbol: str) -> PrimaryBook | None:
        """The market of an underlying that a symbol of the feed prices."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._hear, name="primary", daemon=True)
            self._thread.start()
        found = self._books.get(symbol)
        if found is None:
            return None
        now = self._clock()
        return PrimaryBook(symbol, found[0], found[1], Session(int(self._hours(now).session)), found[2])

    def take(self, quote: Quote, now_ns: int) -> None:
        """Takes a quote in; one without a size on a side shows nothing there."""
        sides = [
            (Level(scaled(price, 9), scaled(size * self._unit, 9)),) if size and price > 0 else ()
            for price, size in ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size))
        ]
        self._books[self._named.get(quote.symbol, quote.symbol)] = sides[0], sides[1], now_ns

    def values(self) -> dict[str, Any]:
        """For health."""
        return {"kind": "feed", **self._feed.values()}

    def _hear(self) -> None:
        asyncio.run(run_feed(self._feed, lambda _: None))


class _Quotes(Feed):
    """A feed of which quotes are wanted as they are, both sides with their sizes."""

    quoted: Callable[[Quote, int], None]

    def take(self, frame: Frame, sink: Callable[[Priced], None]) -> tuple[tuple[str, ...], Phase | None, str]:
        """Hands on the quotes of a frame."""
        del sink
        now = self.clock()
        self.health.frame(now)
        heard = self.adapter.heard(frame)
        for seen in heard.observations:
            if isinstance(seen, Quote):
                self.health.price(seen.symbol, now)
                self.backoff.reset()
                self.quoted(seen, now)
        return heard.replies, heard.phase, heard.why
