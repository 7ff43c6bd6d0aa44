"""Auctions, and orders that wait: what an auction would do now, and which triggers and parent orders an account has.

    from novate.messages.reports import orders
    orders.auction(engine, 3).price
    orders.waiting(engine, 7).orders

Responsible for: one class per answer of `crates/novate-core/src/query/orders.rs`, and one function per question. Never computes.
"""

from novate.messages.reports.base import Answers, Report, ask


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


def auction(engine: Answers, market: int) -> Auction:
    """The market's phase and the indicative price, volume and surplus of its auction."""
    return ask(engine, Auction, 400, market)


def waiting(engine: Answers, account: int) -> Waiting:
    """The account's triggers, parent orders and dead-man switch."""
    return ask(engine, Waiting, 401, account)
