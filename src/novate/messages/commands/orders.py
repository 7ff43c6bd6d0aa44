"""Orders beyond the plain ones: triggers, time in force, slices, batches, phases of a market: commands 400 to 419.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/orders.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.codes import Flags, OrderKind, SelfTradeMode, TimeInForce, TriggerKind
from novate.messages.fields import (
    NO_CLIENT_ID,
    Bytes,
    Bytes16,
    Command,
    Count,
    FlagBits,
    HotCommand,
    Id,
    Lots,
    MarketPhaseCode,
    Nanos,
    OrderKindCode,
    SelfTradeModeCode,
    SideCode,
    Ticks,
    TimeInForceCode,
    TimeNs,
    TriggerKindCode,
    Zero8,
    Zero16,
)


class PlaceOrderFull(HotCommand, frozen=True, kw_only=True):
    """A new order with everything that an order can say.

    Attributes:
        market: Where it trades.
        side: Bid or ask.
        kind: Limit or market.
        time_in_force: What happens to what is not filled at once; a market order is IOC or FOK.
        flags: Post-only, reduce-only.
        self_trade: What happens when it meets an order of its own owner.
        trigger: Whether it waits for a mark first; then it reserves nothing and is margined when it fires.
        trigger_market: The perp whose mark pulls the trigger; 0 for the order's own market.
        price: Limit price; for a market order the worst price, 0 for the listed collar.
        lots: Quantity, above zero.
        min_lots: Fewest lots that must fill at once, or the order is refused; 0 for none.
        expires_ns: When a good-till-date order ends; 0 for all others.
        trigger_price: Where the mark must arrive, in ticks of the trigger market.
        client_id: The sender's own id and idempotency key; zeros mean none. Remembered for a listed number of ended orders.
    """

    KIND: ClassVar[int] = 400

    market: Id
    side: SideCode
    kind: OrderKindCode = OrderKind.LIMIT
    time_in_force: TimeInForceCode = TimeInForce.GTC
    flags: FlagBits = Flags.NONE
    self_trade: SelfTradeModeCode = SelfTradeMode.CANCEL_NEWEST
    trigger: TriggerKindCode = TriggerKind.NONE
    reserved0: Zero16 = 0
    trigger_market: Id = 0
    price: Ticks
    lots: Lots
    min_lots: Lots = 0
    expires_ns: TimeNs = 0
    trigger_price: Ticks = 0
    client_id: Bytes16 = NO_CLIENT_ID


class CancelAfter(HotCommand, frozen=True, kw_only=True):
    """Arms, refreshes or disarms the account's dead-man switch. Time in which the venue is down counts.

    Attributes:
        span_ns: Without another `CancelAfter` in this span all orders of the account are cancelled; 0 disarms.
    """

    KIND: ClassVar[int] = 401

    span_ns: Nanos


class PlaceTwap(HotCommand, frozen=True, kw_only=True):
    """Slices a quantity over time: immediate-or-cancel children, the first at the next `AdvanceTime`.

    Attributes:
        market: Where it trades.
        side: Bid or ask.
        flags: Reduce-only, or nothing.
        self_trade: What happens when a child meets an order of its own owner.
        price: Worst price of every child; 0 for the listed collar.
        lots: Quantity in all.
        interval_ns: Between slices.
        duration_ns: Of the whole; `duration / interval` slices, rounded down.
        client_id: The sender's own id and idempotency key; zeros mean none. Remembered for a listed number of ended orders.
    """

    KIND: ClassVar[int] = 402

    market: Id
    side: SideCode
    flags: FlagBits = Flags.NONE
    self_trade: SelfTradeModeCode = SelfTradeMode.CANCEL_NEWEST
    reserved0: Zero8 = 0
    price: Ticks = 0
    lots: Lots
    interval_ns: Nanos
    duration_ns: Nanos
    client_id: Bytes16 = NO_CLIENT_ID


class SetMarketPhase(HotCommand, frozen=True, kw_only=True):
    """Moves a market to another phase. A market opens through an auction only.

    Attributes:
        market: Which one.
        phase: Where to; open ends a call with its auction now.
        until_ns: When cancel-only turns into a call, or a call trades; 0: only when told.
    """

    KIND: ClassVar[int] = 403

    market: Id
    phase: MarketPhaseCode
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    until_ns: TimeNs = 0


class OrderBatch(Command, frozen=True, kw_only=True):
    """Places, cancellations and amendments in one command, each answered on its own.

    Attributes:
        legs: One after another: type number (two bytes, little-endian) and body of an order, cancellation or amendment.
    """

    KIND: ClassVar[int] = 404

    legs: Bytes


class ConfigureOrders(Command, frozen=True, kw_only=True):
    """The venue's parameters of orders, sent once, before the first underlying is listed.

    Attributes:
        batch_legs: Legs of a batch at most.
        orders_per_account: Open and waiting orders of an account in all markets.
        orders_per_book: Orders that rest in one market; bounds the work of an auction.
        order_interval_ns: One order per interval on average.
        order_burst: Orders at once at most; cancellations are never limited.
        timers_per_advance: Timers and triggers that one `AdvanceTime` serves.
        longest_expiry_ns: Longest life of a good-till-date order.
        twap_interval_ns: Least interval of slices.
        twap_slices: Slices of a parent order at most.
        twap_catch_up: How many even slices one slice may bring.
        silence_least_ns: Shortest span of the dead-man switch.
        silence_most_ns: Longest span of the dead-man switch.
        call_ns: Length of a call that follows a cancel-only phase, or that is extended for want of a price.
        reducing_corners: Corners of open orders up to which a set is proven to reduce.
    """

    KIND: ClassVar[int] = 405

    batch_legs: Count
    orders_per_account: Count
    orders_per_book: Count
    order_interval_ns: Nanos
    order_burst: Count
    timers_per_advance: Count
    longest_expiry_ns: Nanos
    twap_interval_ns: Nanos
    twap_slices: Count
    twap_catch_up: Count
    silence_least_ns: Nanos
    silence_most_ns: Nanos
    call_ns: Nanos
    reducing_corners: Count


COMMANDS: tuple[type[Command], ...] = (
    PlaceOrderFull, CancelAfter, PlaceTwap, SetMarketPhase, OrderBatch, ConfigureOrders,
)  # fmt: skip
"""By number."""
