"""What traded before this gateway began to hear the venue, or while it did not: from the read models into the memory of its streams.

Responsible for: one look at each such gap, once the read models have come past it, and saying when that is done. Never: tells a trade twice, or
fills a gap in part: where read models are missing or stay behind, trades from before are not told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection

from novate.gateway.errors import GatewayRefused
from novate.gateway.history import History
from novate.gateway.streams import KEPT_TRADES, Streams
from novate.projections import queries
from novate.projections.rows import FillRow
from novate.schema.catalogue import Market

BEHIND_S: Final = 10.0
"""So long read models may be behind when a gateway begins."""
_MOMENT_S: Final = 2.0
_PAGE: Final = 1_000
_log: Final = logging.getLogger("novate.gateway")


class PastTrades:
    """Of one gateway. For one event loop."""

    def __init__(
        self, streams: Streams, history: History, markets: Callable[[], Mapping[int, Market]]
    ) -> None:
        """`markets` gives what is listed. It raises GatewayRefused before the venue was reached."""
        self._streams, self._history, self._markets = streams, history, markets
        self._sequence = 0
        self._known = asyncio.Event()

    @property
    def known(self) -> bool:
        """Whether the last gap is filled, or given up."""
        return self._known.is_set()

    def begins(self, sequence: int) -> None:
        """Trades up to this command may have been missed; `learn` is to be called."""
        self._sequence = sequence
        self._known.clear()

    async def learn(self) -> None:
        """Fills the gap. Raises GatewayRefused before the venue was reached: then it is to be called again."""
        sequence, markets = self._sequence, self._markets()
        try:
            await self._history.reached(sequence, BEHIND_S)
            for number in markets:
                fills, _ = await self._history.ask(_last_fills, number)
                self._streams.put_past_trades(number, fills)
        except GatewayRefused as refused:
            _log.info("trades from before command %s are not told: %s", sequence, refused.sentence)
        finally:
            if sequence == self._sequence:
                self._known.set()

    async def fall_in_step(self) -> None:
        """Waits until they are known, for a moment at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT_S):
                await self._known.wait()


def _last_fills(connection: Connection, market: int) -> list[FillRow]:
    """Both sides of the last trades of a market, oldest first."""
    found: list[FillRow] = []
    after: queries.Cursor | None = None
    while len(found) < 2 * KEPT_TRADES:
        page = queries.fills(connection, market=market, newest=True, after=after, limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            break
        after = queries.cursor_of(page)
    return found[::-1]
