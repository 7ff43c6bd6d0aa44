"""Closed hours, reopening, halts, outages and cancelled prints: events 650 to 699.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/prices.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Count,
    Event,
    HotEvent,
    Id,
    Lots,
    MicroUsd,
    Nanos,
    Ppm,
    Price,
    QuoteUnits,
    Text,
    Ticks,
    TimeNs,
    Zero32,
)


class PricesConfigured(Event, frozen=True, kw_only=True):
    """The venue's price parameters are set."""

    KIND: ClassVar[int] = 650


class PrintIgnored(HotEvent, frozen=True, kw_only=True):
    """A print was smaller than the listed minimum: it moved nothing.

    Attributes:
        underlying: What it priced.
        source: Who sent it.
        price: What it said.
        size: Dollars behind it.
        min_size: Dollars that it takes.
    """

    KIND: ClassVar[int] = 651

    underlying: Id
    source: Id
    price: Price
    size: MicroUsd
    min_size: MicroUsd


class PrintCancelled(HotEvent, frozen=True, kw_only=True):
    """A source took a print back, or corrected it. What was traded stays traded.

    Attributes:
        underlying: What it priced.
        source: Who took it back.
        venue_time_ns: Venue time of the print.
        corrected: The price it should have been; 0 when there was none.
        index_before: The index before.
        index: The index now.
        stable: The stable price now.
    """

    KIND: ClassVar[int] = 652

    underlying: Id
    source: Id
    venue_time_ns: TimeNs
    corrected: Price
    index_before: Price
    index: Price
    stable: Price


class DriftBreached(HotEvent, frozen=True, kw_only=True):
    """The account fell below close-out at the drifted index of closed hours, or is above it again.

    Attributes:
        breached: 1 when it is below, 0 when it no longer is.
        since_ns: Since when it is, or was.
    """

    KIND: ClassVar[int] = 653

    breached: Count
    reserved0: Zero32 = 0
    since_ns: TimeNs


class EarningsScheduled(Event, frozen=True, kw_only=True):
    """The window of a report is set, or taken back.

    Attributes:
        underlying: The company.
        from_ns: Begin of the window.
        to_ns: Its end.
        implied_move_ppm: The move that options imply; 0 when the window was taken back.
    """

    KIND: ClassVar[int] = 654

    underlying: Id
    from_ns: TimeNs
    to_ns: TimeNs
    implied_move_ppm: Ppm


class OutageEnded(Event, frozen=True, kw_only=True):
    """The venue was away; its markets only cancel for a while.

    Attributes:
        outage_ns: How long it was away.
        cancel_only_until_ns: Until when markets only cancel.
    """

    KIND: ClassVar[int] = 655

    outage_ns: Nanos
    cancel_only_until_ns: TimeNs


class HaltSettlementStarted(Event, frozen=True, kw_only=True):
    """The settlement of a halted underlying's perps began.

    Attributes:
        underlying: The halted underlying.
        price: What two people decided it is worth.
        reason: Why.
    """

    KIND: ClassVar[int] = 656

    underlying: Id
    price: Price
    reason: Text


class HaltSettled(Event, frozen=True, kw_only=True):
    """The account's perp of a halted underlying is settled.

    Attributes:
        market: The perp.
        lots: Signed lots that closed it.
        price: At this price.
        realised: What that realised.
    """

    KIND: ClassVar[int] = 657

    market: Id
    lots: Lots
    price: Ticks
    realised: QuoteUnits


class HaltSettlementEnded(Event, frozen=True, kw_only=True):
    """All perps of the halted underlying are settled.

    Attributes:
        underlying: The halted underlying.
        price: What it is worth.
        accounts: Positions settled.
    """

    KIND: ClassVar[int] = 658

    underlying: Id
    price: Price
    accounts: Count


EVENTS: tuple[type[Event], ...] = (
    PricesConfigured,
    PrintIgnored,
    PrintCancelled,
    DriftBreached,
    EarningsScheduled,
    OutageEnded,
    HaltSettlementStarted,
    HaltSettled,
    HaltSettlementEnded,
)
"""By number."""
