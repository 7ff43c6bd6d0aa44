"""The orders that rest against those that should: the fewest commands that make one into the other.

Responsible for: own orders as the venue told of them, and the order of changes, so that no quote of one's own stands in the way of the
other. Never: takes an order for resting, or for gone, before the venue said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from novate.bridge.quoting import Target, Targets
from novate.messages.codes import Side


class Place(NamedTuple):
    """A limit order that only makes."""

    market: str
    side: Side
    price: int
    quantity: int
    client_id: str


class Amend(NamedTuple):
    """Another price, and another quantity still to trade."""

    market: str
    client_id: str
    price: int
    quantity: int


class Cancel(NamedTuple):
    """The end of an order."""

    market: str
    client_id: str


Change = Place | Amend | Cancel


@dataclass(slots=True)
class Resting:
    """An own order: the venue's number, and what it has left."""

    order: int
    market: str
    side: Side
    price: int
    quantity: int


@dataclass(slots=True)
class Orders:
    """Own orders by client id. `session` begins every client id, so that none is used twice."""

    session: str
    resting: dict[str, Resting] = field(default_factory=dict)
    _client_of: dict[int, str] = field(default_factory=dict)
    _slots: dict[tuple[str, Side], list[str]] = field(default_factory=dict)
    _count: int = 0

    def forget(self) -> None:
        """No own order rests."""
        self.resting, self._client_of, self._slots = {}, {}, {}

    def placed(self, client_id: str, order: Resting) -> None:
        """The venue has it."""
        self.resting[client_id] = order
        self._client_of[order.order] = client_id

    def amended(self, order: int, price: int, quantity: int) -> None:
        """It has another price and quantity."""
        found = self._of(order)
        if found is not None:
            found.price, found.quantity = price, quantity

    def left(self, order: int, quantity: int) -> None:
        """So much of it is left; none ends it."""
        found = self._of(order)
        if found is not None:
            found.quantity = quantity
            if not quantity:
                self.ended(order)

    def ended(self, order: int) -> None:
        """It rests no more."""
        client_id = self._client_of.pop(order, None)
        if client_id is not None:
            self.resting.pop(client_id, None)

    def shown(self, side: Side, markets: frozenset[str]) -> int:
        """Quantity that rests on a side of these markets."""
        return sum(
            one.quantity for one in self.resting.values() if one.side == side and one.market in markets
        )

    def changes(self, wanted: Targets, tolerance_ppm: int) -> list[Change]:
        """What makes the resting orders into the wanted ones. Orders are known to rest before the next call."""
        cancels: list[Change] = []
        moves: dict[tuple[str, Side], list[Change]] = {at: [] for at in wanted}
        for (market, side), orders in wanted.items():
            slots = [one for one in self._slots.get((market, side), ()) if one in self.resting]
            cancels += [Cancel(market, client_id) for client_id in slots[len(orders) :]]
            slots = slots[: len(orders)]
            for number, target in enumerate(orders):
                if number < len(slots):
                    moves[market, side] += self._amend(market, slots[number], target, tolerance_ppm)
                else:
                    slots.append(self._next_id())
                    moves[market, side].append(
                        Place(market, side, target.price, target.quantity, slots[number])
                    )
            self._slots[market, side] = slots
        found = cancels
        for market in dict.fromkeys(market for market, _ in wanted):
            asks_first = self._reaches_an_ask(market, wanted.get((market, Side.BID), ()))
            for side in (Side.ASK, Side.BID) if asks_first else (Side.BID, Side.ASK):
                found += moves.get((market, side), [])
        return found

    def _reaches_an_ask(self, market: str, bids: Sequence[Target]) -> bool:
        """Whether a wanted bid would trade with an own ask of before: then asks give way first, else bids do."""
        asks = [one.price for one in self.resting.values() if one.market == market and one.side == Side.ASK]
        return bool(bids) and bool(asks) and bids[0].price >= min(asks)

    def _amend(self, market: str, client_id: str, target: Target, tolerance_ppm: int) -> Iterator[Change]:
        now = self.resting[client_id]
        more = target.quantity - now.quantity
        alike = now.price == target.price and 0 <= more * 1_000_000 <= now.quantity * tolerance_ppm
        if not alike:
            yield Amend(market, client_id, target.price, target.quantity)

    def _of(self, order: int) -> Resting | None:
        client_id = self._client_of.get(order)
        return None if client_id is None else self.resting.get(client_id)

    def _next_id(self) -> str:
        self._count += 1
        return f"{self.session}{self._count:x}"
