"""Every event of the venue: what happened, in the past tense, as streams and projections read it.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything. The same definitions stand in
`crates/novate-core/src/event.rs`; a test compares them. Numbers and field order are append-only.

The account an event is about is in the header (0 for the venue); so are the command's sequence, request and time.
Index, flags and account sequence lead every body and are not repeated here (see `wire.EventMessage`). Units are part of
each field's type (see `fields.py`); fields named `reserved...` are 0 and keep the records aligned.
"""

from typing import ClassVar

import msgspec

from novate.messages.fields import (
    AccountStateCode,
    Amount,
    Bytes16,
    CancelReasonCode,
    Count,
    Event,
    FlagBits,
    FundingReasonCode,
    HotEvent,
    Id,
    Integer,
    LiquidationSkipCode,
    LongId,
    Lots,
    MicroUsd,
    Number,
    OrderKindCode,
    Ppb,
    Ppm,
    Price,
    QualityCode,
    QuoteUnits,
    Reference,
    SessionCode,
    SideCode,
    Text,
    Ticks,
    TimeInForceCode,
    TimeNs,
    Yes,
    Zero8,
    Zero16,
    Zero32,
)

LAST = 1
"""Flag of the last event of a command."""

# --- trading and prices: records ---------------------------------------------------------------------------------------


class CommandRefused(HotEvent, frozen=True, kw_only=True):
    """The command changed nothing. The account is the command's.

    Attributes:
        code: Number of the rule it broke; see the refusals.
        command: Type number of the command.
        field: Position of the field at fault in the command's body, from 1; 0 when it is no single field.
        retry: 1 when the same command may succeed later.
        value: The offending value.
        limit: The bound it met.
    """

    KIND: ClassVar[int] = 128

    code: Number
    command: Number
    field: Number
    retry: Number
    value: Integer
    limit: Integer


class OrderPlaced(HotEvent, frozen=True, kw_only=True):
    """An order was taken in. Its fills and what becomes of the rest follow.

    Attributes:
        order: The venue's order id, never 0.
        market: Where it trades.
        side: Bid or ask.
        kind: Limit or market.
        time_in_force: What happens to what is not filled at once.
        flags: Post-only, reduce-only.
        price: Limit price, or the worst price of a market order.
        lots: Quantity taken in.
        client_id: The sender's own id; zeros mean none.
    """

    KIND: ClassVar[int] = 129

    order: LongId
    market: Id
    side: SideCode
    kind: OrderKindCode
    time_in_force: TimeInForceCode
    flags: FlagBits
    price: Ticks
    lots: Lots
    client_id: Bytes16


class OrderFilled(HotEvent, frozen=True, kw_only=True):
    """One side of a trade; the other side has an event of its own with the same trade id.

    Attributes:
        order: The order of this side.
        trade: The trade's id.
        market: Where it traded.
        side: Side of this order.
        maker: 1 for the resting side.
        liquidation: 1 when the venue's liquidator placed the order.
        price: Price of the trade.
        lots: Quantity of the trade.
        leaves: What is left of the order.
        fee: Fee of this side; positive is paid.
        realised: Result the fill realised on a closed part; positive is a gain.
    """

    KIND: ClassVar[int] = 130

    order: LongId
    trade: LongId
    market: Id
    side: SideCode
    maker: Yes
    liquidation: Yes
    reserved0: Zero8 = 0
    price: Ticks
    lots: Lots
    leaves: Lots
    fee: QuoteUnits
    realised: QuoteUnits


class OrderCancelled(HotEvent, frozen=True, kw_only=True):
    """An order ended unfilled in part or whole.

    Attributes:
        order: The venue's order id.
        market: Where it was.
        side: Bid or ask.
        reason: Why.
        lots: What was left of it.
    """

    KIND: ClassVar[int] = 131

    order: LongId
    market: Id
    side: SideCode
    reason: CancelReasonCode
    reserved0: Zero16 = 0
    lots: Lots


class OrderAmended(HotEvent, frozen=True, kw_only=True):
    """Price or quantity of a live order changed.

    Attributes:
        order: The venue's order id.
        market: Where it rests.
        side: Bid or ask.
        kept_priority: 1 when it kept its place in the queue.
        price: The price from now on.
        leaves: The remaining quantity from now on.
    """

    KIND: ClassVar[int] = 132

    order: LongId
    market: Id
    side: SideCode
    kept_priority: Yes
    reserved0: Zero16 = 0
    price: Ticks
    leaves: Lots


class BookChanged(HotEvent, frozen=True, kw_only=True):
    """A price level has a new total.

    Attributes:
        market: Which book.
        side: Bid or ask.
        price: The level.
        lots: Its total from now on; 0 when the level is gone.
    """

    KIND: ClassVar[int] = 133

    market: Id
    side: SideCode
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    price: Ticks
    lots: Lots


class IndexChanged(HotEvent, frozen=True, kw_only=True):
    """An underlying's confirmed index, stable price, quality or number of fresh sources changed.

    Attributes:
        underlying: Which.
        quality: How far the price can be trusted.
        session: Its session.
        fresh_sources: Sources young enough to count.
        index: The last confirmed price.
        stable: Time-weighted mean of the index.
    """

    KIND: ClassVar[int] = 134

    underlying: Id
    quality: QualityCode
    session: SessionCode
    fresh_sources: Number
    index: Price
    stable: Price


class MarkChanged(HotEvent, frozen=True, kw_only=True):
    """A perp's mark price changed.

    Attributes:
        market: Which perp.
        mark: The mark, at the scale of its underlying.
    """

    KIND: ClassVar[int] = 135

    market: Id
    reserved0: Zero32 = 0
    mark: Price


# --- the venue: documents ----------------------------------------------------------------------------------------------


class ReleaseActivated(Event, frozen=True, kw_only=True):
    """The journal opened.

    Attributes:
        release: The engine's release.
        ruleset: Number of the ruleset.
    """

    KIND: ClassVar[int] = 160

    release: Text
    ruleset: Count


class VenueConfigured(Event, frozen=True, kw_only=True):
    """The venue's parameters are set."""

    KIND: ClassVar[int] = 161


class Listed(Event, frozen=True, kw_only=True):
    """Something was listed.

    Attributes:
        what: bucket, dated_row, underlying, source, asset, market or pool.
        id: Its id.
        name: Its name.
    """

    KIND: ClassVar[int] = 162

    what: Text
    id: Id
    name: Text


# --- accounts and money: documents -------------------------------------------------------------------------------------


class AccountOpened(Event, frozen=True, kw_only=True):
    """An account is open; its id is the header's.

    Attributes:
        owner: Who owns it.
    """

    KIND: ClassVar[int] = 163

    owner: Id


class Deposited(Event, frozen=True, kw_only=True):
    """An arrival was counted in the account's balance.

    Attributes:
        asset: What arrived.
        amount: How much.
        balance: The balance after it.
        reference: The outside's number of the arrival.
    """

    KIND: ClassVar[int] = 164

    asset: Id
    amount: Amount
    balance: Amount
    reference: Reference


class WithdrawalRequested(Event, frozen=True, kw_only=True):
    """An amount left the balance and is pending.

    Attributes:
        withdrawal: Its id.
        asset: What is to leave.
        amount: How much, positive.
        balance: The balance after it.
    """

    KIND: ClassVar[int] = 165

    withdrawal: LongId
    asset: Id
    amount: Amount
    balance: Amount


class WithdrawalSettled(Event, frozen=True, kw_only=True):
    """A pending withdrawal was paid outside.

    Attributes:
        withdrawal: Its id.
        asset: What left.
        amount: How much, positive.
    """

    KIND: ClassVar[int] = 166

    withdrawal: LongId
    asset: Id
    amount: Amount


class WithdrawalVoided(Event, frozen=True, kw_only=True):
    """A pending withdrawal was not paid; its amount is back in the balance.

    Attributes:
        withdrawal: Its id.
        asset: What returned.
        amount: How much, positive.
        balance: The balance after it.
    """

    KIND: ClassVar[int] = 167

    withdrawal: LongId
    asset: Id
    amount: Amount
    balance: Amount


class Transferred(Event, frozen=True, kw_only=True):
    """One side of a transfer; the other account has an event of its own.

    Attributes:
        counterparty: The other account.
        asset: What moved.
        amount: Positive for the receiver, negative for the sender.
        balance: This account's balance after it.
    """

    KIND: ClassVar[int] = 168

    counterparty: LongId
    asset: Id
    amount: Amount
    balance: Amount


class Lent(Event, frozen=True, kw_only=True):
    """Cash went into the lending pool or came back.

    Attributes:
        asset: Which cash.
        amount: Positive into the pool, negative back.
        lent: What the account has lent from now on.
        balance: Its unlent balance from now on.
    """

    KIND: ClassVar[int] = 169

    asset: Id
    amount: Amount
    lent: Amount
    balance: Amount


class InsuranceFunded(Event, frozen=True, kw_only=True):
    """A bucket's insurance grew by the operator's money.

    Attributes:
        bucket: Whose insurance.
        asset: Which cash.
        amount: How much.
        balance: The insurance after it.
    """

    KIND: ClassVar[int] = 170

    bucket: Id
    asset: Id
    amount: Amount
    balance: Amount


# --- the outside, settlement: documents --------------------------------------------------------------------------------


class SessionChanged(Event, frozen=True, kw_only=True):
    """An underlying is in another session, or the next one is known.

    Attributes:
        underlying: Which.
        session: The session from now on.
        next_session: The one after it.
        next_time_ns: When that begins.
    """

    KIND: ClassVar[int] = 171

    underlying: Id
    session: SessionCode
    next_session: SessionCode
    next_time_ns: TimeNs


class LiquidityPosted(Event, frozen=True, kw_only=True):
    """An underlying's liquidity parameters were refreshed; new exit costs follow from them.

    Attributes:
        underlying: Which.
        spot_volume: Dollars a day of the primary market.
        sigma_ppm: Daily volatility.
        half_spread_ppm: Half spread.
    """

    KIND: ClassVar[int] = 172

    underlying: Id
    spot_volume: MicroUsd
    sigma_ppm: Ppm
    half_spread_ppm: Ppm


class VenueResumed(Event, frozen=True, kw_only=True):
    """The venue runs again after a recovery."""

    KIND: ClassVar[int] = 173


class FundingSet(Event, frozen=True, kw_only=True):
    """The hour's funding rate of a perp.

    Attributes:
        market: Which perp.
        rate_ppb: Rate of the hour on lots x index; positive: longs pay shorts.
        premium_ppb: Time-weighted mean premium of the impact prices over the index, per 8 hours.
        reason: Computed, or why there is no funding.
        index: The index it is charged on.
    """

    KIND: ClassVar[int] = 174

    market: Id
    rate_ppb: Ppb
    premium_ppb: Ppb
    reason: FundingReasonCode
    index: Price


class Settled(Event, frozen=True, kw_only=True):
    """An account's hour in one perp: marked to the settlement price and paid in cash as far as losers could pay.

    Attributes:
        market: Which perp.
        price: The settlement price.
        result: Result since the last settlement; positive is a gain.
        funding: Funding of the hour; negative is paid.
        cash: Cash that moved; positive to the account.
        claim: What the account is still owed after it.
        debt: What the account still owes after it.
    """

    KIND: ClassVar[int] = 175

    market: Id
    price: Price
    result: QuoteUnits
    funding: QuoteUnits
    cash: QuoteUnits
    claim: QuoteUnits
    debt: QuoteUnits


class InterestPaid(Event, frozen=True, kw_only=True):
    """Interest on a loan or on lent cash.

    Attributes:
        asset: Which cash.
        amount: Negative on a loan, positive on lent cash.
        balance: The balance after it.
    """

    KIND: ClassVar[int] = 176

    asset: Id
    amount: Amount
    balance: Amount


# --- liquidation: documents --------------------------------------------------------------------------------------------


class AccountStateChanged(Event, frozen=True, kw_only=True):
    """An account's equity crossed one of its requirements.

    Attributes:
        from_: The state before; `from` on the wire.
        to: The state from now on.
        equity: Its equity.
        initial: Requirement at the initial level.
        maintenance: Requirement at the maintenance level.
        close_out: Requirement at the close-out level.
        binding: The stress row that decides the requirement, in words.
    """

    KIND: ClassVar[int] = 177

    from_: AccountStateCode = msgspec.field(name="from")
    to: AccountStateCode
    equity: MicroUsd
    initial: MicroUsd
    maintenance: MicroUsd
    close_out: MicroUsd
    binding: Text


class LiquidationStarted(Event, frozen=True, kw_only=True):
    """A liquidation began: orders are cancelled, transfers frozen.

    Attributes:
        deficit: What equity lacks to the requirement at liquidation-end.
        orders_cancelled: Orders cancelled by it.
    """

    KIND: ClassVar[int] = 178

    deficit: MicroUsd
    orders_cancelled: Count


class LiquidationSlice(Event, frozen=True, kw_only=True):
    """One slice of a liquidation went through the book.

    Attributes:
        market: Where it traded.
        pair_market: The other market of a hedged pair closed together; 0 for none.
        side: Side of the liquidator's order.
        lots: Quantity filled.
        pair_lots: Quantity filled in the other market.
        worst_price: Limit of the slice.
        notional: Value filled.
        fee: Liquidation fee, paid to the bucket's insurance.
        requirement_before: Requirement at liquidation-end before the slice.
        requirement_after: ... and after it.
        index: Index of the underlying at that moment, in the market's ticks.
    """

    KIND: ClassVar[int] = 179

    market: Id
    pair_market: Id
    side: SideCode
    lots: Lots
    pair_lots: Lots
    worst_price: Ticks
    notional: MicroUsd
    fee: MicroUsd
    requirement_before: MicroUsd
    requirement_after: MicroUsd
    index: Ticks


class LiquidationSliceSkipped(Event, frozen=True, kw_only=True):
    """A slice was due and was not taken.

    Attributes:
        market: Where it would have traded.
        reason: Why not.
        lots: Its quantity.
    """

    KIND: ClassVar[int] = 180

    market: Id
    reason: LiquidationSkipCode
    lots: Lots


class LiquidationEnded(Event, frozen=True, kw_only=True):
    """Equity covers the requirement at liquidation-end again, or nothing is left to reduce.

    Attributes:
        equity: Equity at the end.
        requirement: Requirement at liquidation-end.
        slices: Slices taken in all.
        notional: Value filled in all.
        fees: Liquidation fees in all.
    """

    KIND: ClassVar[int] = 181

    equity: MicroUsd
    requirement: MicroUsd
    slices: Count
    notional: MicroUsd
    fees: MicroUsd


class ShortfallReported(Event, frozen=True, kw_only=True):
    """Nothing is left to sell and equity is below zero; the rest stays an unsettled debt.

    Attributes:
        amount: How far below zero, positive.
    """

    KIND: ClassVar[int] = 182

    amount: MicroUsd


EVENTS: tuple[type[Event], ...] = (
    CommandRefused, OrderPlaced, OrderFilled, OrderCancelled, OrderAmended, BookChanged, IndexChanged, MarkChanged,
    ReleaseActivated, VenueConfigured, Listed, AccountOpened, Deposited, WithdrawalRequested, WithdrawalSettled,
    WithdrawalVoided, Transferred, Lent, InsuranceFunded, SessionChanged, LiquidityPosted, VenueResumed, FundingSet,
    Settled, InterestPaid, AccountStateChanged, LiquidationStarted, LiquidationSlice, LiquidationSliceSkipped,
    LiquidationEnded, ShortfallReported,
)  # fmt: skip
"""All events, by number."""
