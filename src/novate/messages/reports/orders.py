"""Auctions, orders that wait, and books order by order.

    from novate.messages.reports import orders
    orders.auction(engine, 3).price                  what an auction would do now
    orders.waiting(engine, 7).orders                 which triggers and parent orders an account has
    orders.resting(engine, 3, limit=100).orders      the orders of a market in the order in which they trade

Responsible for: one class per answer of `crates/novate-core/src/query/orders.rs`, and one function per question. Never computes.
"""

from typing import Final, NamedTuple

import msgspec

from novate.messages.reports.base import Answers, Report, ask

PAGE: Final = 20_000
"""Orders on one page of `resting` at most."""
_RESTING: Final = 402


class Auction(Report, frozen=True, kw_only=True):
    """A market's phase, and what its auction would trade now.

    Attributes:
        market: Which one.
        phase: `MarketPhase`.
        until_ns: When the timer turns it; 0 when none does.
        price: Ticks; 0 when nothing crosses.
        lots: What would trade.
        surplus: Lots at that price without a counterpart; positive on the bid side.
    """

    market: int
    phase: int
    until_ns: int
    price: int
    lots: int
    surplus: int


class WaitingOrder(Report, frozen=True, kw_only=True):
    """A trigger or a parent order.

    Attributes:
        order: Its id.
        market: Where it trades.
        side: `Side`.
        lots: Quantity.
        filled: What of it traded.
        price: Limit or worst price, ticks; 0 for the collar.
        trigger_market: The perp whose mark pulls it; 0 for a parent order.
        trigger_price: Where the mark must arrive, ticks.
        rises: Whether the mark must rise to it.
        slices: Slices in all; 0 for a trigger.
        sent: Slices sent.
        next_ns: When the next is due.
    """

    order: int
    market: int
    side: int
    lots: int
    filled: int
    price: int
    trigger_market: int
    trigger_price: int
    rises: bool
    slices: int
    sent: int
    next_ns: int


class Waiting(Report, frozen=True, kw_only=True):
    """What of an account waits.

    Attributes:
        silence_ns: When the dead-man switch fires; 0 when it is off.
        orders: Triggers and parent orders, by id.
    """

    silence_ns: int
    orders: tuple[WaitingOrder, ...]


class RestingOrder(NamedTuple):
    """An order as everybody may see it: not whose, and not how it was sent."""

    order: int
    """Its id, the same across amendments."""
    side: int
    """`Side`."""
    price: int
    """Ticks."""
    lots: int
    """What is left of it."""


class RestingOrders(Report, frozen=True, kw_only=True):
    """A page of a market's book, order by order. Pages of two sequences are not of one book.

    Attributes:
        market: Which one.
        sequence: Last command applied.
        time_ns: Its journal time.
        resting: Orders that rest in the market, those on other pages included.
        orders: Bids, best first, then asks, best first; at one price in the order in which they trade.
        next: The last order of the page when more follow; 0 at the end.
    """

    market: int
    sequence: int
    time_ns: int
    resting: int
    orders: tuple[RestingOrder, ...]
    next: int


def auction(engine: Answers, market: int) -> Auction:
    """The market's phase and the indicative price, volume and surplus of its auction."""
    return ask(engine, Auction, 400, market)


def waiting(engine: Answers, account: int) -> Waiting:
    """The account's triggers, parent orders and dead-man switch."""
    return ask(engine, Waiting, 401, account)


def resting(
    engine: Answers, market: int, *, after: int = 0, skip: int = 0, limit: int = 1_000
) -> RestingOrders:
    """A page of the orders that rest in a market: what waits for a trigger is not told.

    Args:
        engine: Whom to ask.
        market: Which one.
        after: The order behind which the page begins, `next` of the page before; 0 for the first page.
        skip: Orders behind that to pass over: for pages that are asked for together, of one moment.
        limit: Orders on the page, `PAGE` at most.

    Raises:
        ValueError: there is no such market, `limit` is out of bounds, or `after` does not rest any more: begin with the first page.
    """
    return ask(engine, RestingOrders, _RESTING, market, after, skip, limit)


def resting_question(market: int, *, skip: int, limit: int) -> bytes:
    """What `resting` asks, for who asks several questions at once."""
    return msgspec.msgpack.encode((_RESTING, market, 0, skip, limit))


def resting_answer(answer: bytes) -> RestingOrders:
    """What the answer to `resting_question` says. Raises msgspec.ValidationError when it is none."""
    return msgspec.msgpack.decode(answer, type=RestingOrders)
