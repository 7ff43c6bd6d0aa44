"""Questions about Alpaca's orders and record, asked through the REST API: what an order became, and everything of a span of time.

Responsible for: which endpoints, their pages, and the order behind a chain of replacements. Never: tells anybody, or remembers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import Final

import msgspec

from novate.broker.alpaca.exact import Json, moment_ns, moment_text, order_of, said
from novate.broker.alpaca.http import Refusal, TradingApi
from novate.broker.alpaca.reports import HOURS, OPEN
from novate.calendar import trading_days
from novate.errors import DataError

EVENTS: Final = "/events/activities"
EVENTS_VERSION: Final = "v2beta1"
PAGE: Final = 500
_WINDOW: Final = timedelta(days=8)
_MOST_REPLACEMENTS: Final = 100
_HOUR_NS: Final = 3_600 * 10**9

Chain = list[Json]
"""An order and what took its place, the one that lives last."""
Orders = dict[str, tuple[Json, bytes]]
"""By the broker's id: as JSON, and as bytes."""


class Desk:
    """Asks. Raises NotReached, NoAnswer, Refusal and DataError."""

    def __init__(self, api: TradingApi) -> None:
        self._api = api

    def close(self) -> None:
        """Closes its connections."""
        self._api.close()

    def now_ns(self) -> int:
        """The broker's own time."""
        return moment_ns(object_of(self._api.get("/clock")).get("timestamp"), "timestamp")

    def events(self, since_ns: int, until_ns: int) -> Iterator[tuple[Json, bytes]]:
        """Activity events that happened in a span, in the broker's order."""
        span = {"since": moment_text(since_ns), "until": moment_text(until_ns)}
        return self._api.events(EVENTS, span, EVENTS_VERSION)

    def orders(self, since_ns: int, alive: Collection[str] | None = None) -> Orders:
        """Every order that can have changed since a moment, by the broker's id.

        Without `alive`, every order that can have lived then. With it, the broker's ids of orders that were known to live: what was submitted
        since and what those became, which is little.
        """
        if alive is None:
            return self._pages("all", lived_since(since_ns))
        found = self._pages("all", since_ns)
        living_still = self._pages("open", 0) if any(one not in found for one in alive) else {}
        for broker_order in alive:
            if broker_order not in found and broker_order not in living_still:
                order = object_of(self._api.get_order_by_id(broker_order))
                found[broker_order] = order, encoded(order)
        return found

    def _pages(self, status: str, after_ns: int) -> Orders:
        found: Orders = {}
        while True:
            query = {"status": status, "direction": "asc", "limit": str(PAGE), "after": moment_text(after_ns)}
            page = [object_of(order) for order in self._api.get("/orders", query)]
            fresh = [order for order in page if said(order, "id") not in found]
            found |= {said(order, "id"): (order, encoded(order)) for order in fresh}
            if len(page) < PAGE or not fresh:
                return found
            # the next page begins a little before the end of this one: orders of the same moment are not left out
            after_ns = max(moment_ns(order.get("submitted_at"), "submitted_at") for order in page) - 1

    def positions(self) -> list[Json]:
        """What is held now."""
        return [object_of(position) for position in self._api.get_all_positions()]

    def account(self) -> Json:
        """The account now."""
        return object_of(self._api.get_account())

    def chain(self, order: str) -> Chain:
        """An order by the venue's id, and its replacements. Empty where the broker never had it."""
        try:
            chain = [object_of(self._api.get_order_by_client_id(order))]
        except Refusal as refusal:
            if refusal.unknown:
                return []
            raise
        while (follower := chain[-1].get("replaced_by")) and len(chain) < _MOST_REPLACEMENTS:
            chain.append(object_of(self._api.get_order_by_id(str(follower))))
        return chain


def lived_since(time_ns: int) -> int:
    """From when on orders are asked for that can have lived at a moment: an order for the day was sent after the last but one day's close."""
    day = HOURS.at(time_ns).day
    before = [one for one in trading_days(day - _WINDOW, day) if one.date < day]
    return before[-1].close_ns - _HOUR_NS


def living(orders: Iterable[Json]) -> dict[str, str]:
    """The broker's id of each order of the venue's that lives."""
    return {
        ours: said(order, "id")
        for order in orders
        if order.get("status") in OPEN and (ours := order_of(order.get("client_order_id")))
    }


def submitted_ns(chain: Chain) -> int:
    """When the first of a chain was submitted."""
    return moment_ns(chain[0].get("submitted_at") or chain[0].get("created_at"), "submitted_at")


def encoded(message: object) -> bytes:
    """A message as bytes again, to be kept: numbers as text."""
    return msgspec.json.encode(message)


def object_of(found: object) -> Json:
    """An answer that is to be an object. Raises DataError."""
    if not isinstance(found, dict):
        raise DataError("Alpaca's answer is no object")
    return found
