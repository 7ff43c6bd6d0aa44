"""Orders beyond the plain ones: triggers, time in force, slices, batches, phases of a market: events 450 to 469.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/orders.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Bytes16,
    CancelReasonCode,
    Count,
    Event,
    FlagBits,
    HotEvent,
    Id,
    Integer,
    LongId,
    Lots,
    MarketPhaseCode,
    Nanos,
    Number,
    OrderKindCode,
    Price,
    SideCode,
    Ticks,
    TimeInForceCode,
    TimeNs,
    TriggerKindCode,
    Yes,
    Zero8,
    Zero16,
    Zero32,
)


class LegRefused(HotEvent, frozen=True, kw_only=True):
    """One leg of a batch changed nothing.

    Attributes:
        leg: Which one, from 0.
        code: Number of the refusal.
        command: Type number of the leg.
        field: The leg's field at fault, from 1; 0 for none.
        retry: 1 when the same leg may succeed later.
        value: The offending value.
        limit: The bound it met.
    """

    KIND: ClassVar[int] = 450

    leg: Count
    code: Number
    command: Number
    field: Number
    retry: Number
    reserved0: Zero32 = 0
    value: Integer
    limit: Integer


class OrderDecremented(HotEvent, frozen=True, kw_only=True):
    """An order met one of its own owner and shrank; with nothing left it ended.

    Attributes:
        order: The venue's order id.
        market: Where it is.
        side: Bid or ask.
        lots: What it lost.
        leaves: What is left.
    """

    KIND: ClassVar[int] = 451

    order: LongId
    market: Id
    side: SideCode
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    lots: Lots
    leaves: Lots


class TriggerPlaced(HotEvent, frozen=True, kw_only=True):
    """A trigger waits. It reserves nothing and is margined when it fires.

    Attributes:
        order: Its id, which cancels it.
        market: Where the order will trade.
        side: Bid or ask.
        kind: Limit or market.
        time_in_force: Of the order.
        flags: Of the order.
        trigger_market: The perp whose mark pulls it.
        trigger: Stop or take-profit.
        price: Limit or worst price of the order.
        lots: Quantity.
        trigger_price: Where the mark must arrive, ticks of the trigger market.
        expires_ns: When it ends; 0 for never.
        client_id: The sender's own id.
    """

    KIND: ClassVar[int] = 452

    order: LongId
    market: Id
    side: SideCode
    kind: OrderKindCode
    time_in_force: TimeInForceCode
    flags: FlagBits
    trigger_market: Id
    trigger: TriggerKindCode
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    price: Ticks
    lots: Lots
    trigger_price: Ticks
    expires_ns: TimeNs
    client_id: Bytes16


class TriggerFired(HotEvent, frozen=True, kw_only=True):
    """The mark reached a trigger; the events of its order stand just before.

    Attributes:
        trigger: The waiting order's id.
        order: The order it became; 0 when that was refused.
        mark: The mark now.
        code: Number of the refusal; 0 when the order came in.
        value: The refusal's offending value.
        limit: The bound it met.
    """

    KIND: ClassVar[int] = 453

    trigger: LongId
    order: LongId
    mark: Price
    code: Number
    reserved0: Zero16 = 0
    reserved1: Zero32 = 0
    value: Integer
    limit: Integer


class WaitingEnded(HotEvent, frozen=True, kw_only=True):
    """A waiting order ended without firing, or a parent order ended.

    Attributes:
        order: Its id.
        market: Where it would have traded.
        side: Bid or ask.
        reason: Why.
        lots: What was not traded.
    """

    KIND: ClassVar[int] = 454

    order: LongId
    market: Id
    side: SideCode
    reason: CancelReasonCode
    reserved0: Zero16 = 0
    lots: Lots


class TwapPlaced(HotEvent, frozen=True, kw_only=True):
    """A parent order started.

    Attributes:
        order: Its id, which cancels it.
        market: Where it trades.
        side: Bid or ask.
        flags: Reduce-only, or nothing.
        price: Worst price of every child; 0 for the collar.
        lots: Quantity in all.
        interval_ns: Between slices.
        slices: How many.
        client_id: The sender's own id.
    """

    KIND: ClassVar[int] = 455

    order: LongId
    market: Id
    side: SideCode
    flags: FlagBits
    reserved0: Zero16 = 0
    price: Ticks
    lots: Lots
    interval_ns: Nanos
    slices: Count
    reserved1: Zero32 = 0
    client_id: Bytes16


class TwapSlice(HotEvent, frozen=True, kw_only=True):
    """A slice was due; the events of its child stand just before.

    Attributes:
        order: The parent's id.
        child: The child's order id; 0 without one.
        slice: Which one, from 1.
        code: Number of the refusal; 0 when none was met.
        paused: 1 when the market took no orders; told once, the schedule moves on.
        lots: What was asked for.
        filled: What traded.
        left: What the parent still wants.
    """

    KIND: ClassVar[int] = 456

    order: LongId
    child: LongId
    slice: Count
    code: Number
    paused: Yes
    reserved0: Zero8 = 0
    lots: Lots
    filled: Lots
    left: Lots


class CancelAfterSet(HotEvent, frozen=True, kw_only=True):
    """The dead-man switch of an account.

    Attributes:
        due_ns: When it fires; 0 when it is off.
    """

    KIND: ClassVar[int] = 457

    due_ns: TimeNs


class CancelAfterFired(HotEvent, frozen=True, kw_only=True):
    """The dead-man switch fired.

    Attributes:
        due_ns: When it was due.
        orders: How many open and waiting orders it cancelled.
    """

    KIND: ClassVar[int] = 458

    due_ns: TimeNs
    orders: Count
    reserved0: Zero32 = 0


class MarketPhaseChanged(HotEvent, frozen=True, kw_only=True):
    """A market's phase.

    Attributes:
        market: Which one.
        phase: From now on.
        until_ns: When the timer turns it; 0 when none does.
    """

    KIND: ClassVar[int] = 459

    market: Id
    phase: MarketPhaseCode
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    until_ns: TimeNs


class AuctionUncrossed(HotEvent, frozen=True, kw_only=True):
    """An auction found its price; its fills follow.

    Attributes:
        market: Which one.
        price: The one price; 0 when nothing crossed.
        lots: What trades.
        surplus: Lots at that price without a counterpart; positive on the bid side.
    """

    KIND: ClassVar[int] = 460

    market: Id
    reserved0: Zero32 = 0
    price: Ticks
    lots: Lots
    surplus: Lots


class BatchDone(Event, frozen=True, kw_only=True):
    """A batch was worked through.

    Attributes:
        legs: How many it had.
        refused: How many of them changed nothing.
    """

    KIND: ClassVar[int] = 461

    legs: Count
    refused: Count


class OrdersConfigured(Event, frozen=True, kw_only=True):
    """The venue's parameters of orders are set."""

    KIND: ClassVar[int] = 462


EVENTS: tuple[type[Event], ...] = (
    LegRefused, OrderDecremented, TriggerPlaced, TriggerFired, WaitingEnded, TwapPlaced, TwapSlice, CancelAfterSet, CancelAfterFired,
    MarketPhaseChanged, AuctionUncrossed, BatchDone, OrdersConfigured,
)  # fmt: skip
"""By number."""
