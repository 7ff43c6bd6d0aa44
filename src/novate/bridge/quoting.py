"""From the primary market's book to the orders that should rest on the venue.

Responsible for: prices no better than the primary market's after every fee, sizes no larger than are there and than there is room for. A pure
function of what it is given. Never: sends, or improves a price to get rid of inventory: requests do that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from novate.bridge.limits import Room
from novate.bridge.terms import PPM, Conduct, Market, NameTerms
from novate.broker.port import Level, PrimaryBook
from novate.messages.codes import Side


class Target(NamedTuple):
    """An order that should rest: price in 1e-9 dollars and quantity in 1e-9, of a unit of the market."""

    price: int
    quantity: int


Targets = dict[tuple[str, Side], tuple[Target, ...]]
"""By market and side, best price first."""


def targets(
    terms: NameTerms,
    conduct: Conduct,
    book: PrimaryBook,
    room: Room,
    gap: int,
    *,
    degraded: bool = False,
    age_ns: int = 0,
) -> Targets:
    """What should rest. `gap`: shares that are still to be bought (below zero) or sold at the primary market, and so not there twice."""
    edge = conduct.edge_at(age_ns) + (terms.doubt_edge_ppm if degraded else 0)
    part = conduct.size_ppm * (terms.doubt_size_ppm if degraded else PPM) // PPM
    found: Targets = {}
    for side, levels in ((Side.ASK, book.asks), (Side.BID, book.bids)):
        owed = max(-gap, 0) if side == Side.ASK else max(gap, 0)
        there = without(levels, owed)
        left = room.sell if side == Side.ASK else room.buy
        for market in terms.markets:
            orders = tuple(
                _orders(
                    market,
                    side,
                    there,
                    cost_ppm=terms.fees_ppm(market, side) + edge,
                    part_ppm=part * market.part_ppm // PPM,
                    shares=_share(left, room, market, side),
                    most=conduct.levels,
                )
            )
            found[market.name, side] = orders
    return found


def without(levels: Sequence[Level], shares: int) -> tuple[Level, ...]:
    """The levels once so many shares have been taken from them, best first."""
    left: list[Level] = []
    for level in levels:
        taken = min(shares, level.shares)
        shares -= taken
        if level.shares > taken:
            left.append(Level(level.price, level.shares - taken))
    return tuple(left)


def _share(left: int, room: Room, market: Market, side: Side) -> int:
    """A market's part of the room of a side, which is not given twice."""
    return min(left * market.part_ppm // PPM, room.side(side, spot=market.spot))


def _orders(
    market: Market,
    side: Side,
    levels: Sequence[Level],
    *,
    cost_ppm: int,
    part_ppm: int,
    shares: int,
    most: int,
) -> Iterator[Target]:
    """Orders behind the best `most` levels, `part_ppm` of the size that is there, `shares` in all."""
    given = 0
    last: Target | None = None
    for number, level in enumerate(levels):
        if number >= most or given >= shares:
            break
        wanted = min(level.shares * part_ppm // PPM, shares - given)
        quantity = market.quantity(wanted)
        if not quantity:
            continue
        given += wanted
        target = Target(market.unit_price(side, with_cost(level.price, side, cost_ppm)), quantity)
        if target.price <= 0:
            continue
        if last is not None and last.price == target.price:
            last = Target(last.price, last.quantity + target.quantity)
            continue
        if last is not None:
            yield last
        last = target
    if last is not None:
        yield last


def with_cost(price: int, side: Side, cost_ppm: int) -> int:
    """A price that earns a cost beyond what the hedge pays or brings: asks above, bids below, rounded away from the taker."""
    if side == Side.ASK:
        return -(-price * (PPM + cost_ppm) // PPM)
    return price * max(PPM - cost_ppm, 0) // PPM
