"""Trades of several legs and trades between accounts: packages, blocks, requests for quotes, compensation: events 480 to 499.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything. The same definitions stand in
`crates/novate-core/src/event/packages.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Event,
    Id,
    IdRow,
    Integer,
    LongId,
    Lots,
    LotsRow,
    OfferStateCode,
    QuoteRow,
    Text,
    Ticks,
    TicksRow,
    TimeNs,
    TradeOriginCode,
    TradeSideCode,
    Yes,
)


class PackagesConfigured(Event, frozen=True, kw_only=True):
    """The terms of packages, blocks, quotes and compensation are set."""

    KIND: ClassVar[int] = 480


class PackageTraded(Event, frozen=True, kw_only=True):
    """A package traded; `OrderFilled` with its number as their order follow, one per fill and side.

    Attributes:
        package: Its number.
        units: Whole units that traded.
        markets: Of the legs.
        lots: Signed lots of each leg.
        costs: Quote units that each leg paid; negative: received.
        fees: Quote units.
    """

    KIND: ClassVar[int] = 481

    package: LongId
    units: Integer
    markets: IdRow
    lots: LotsRow
    costs: QuoteRow
    fees: QuoteRow


class BlockProposed(Event, frozen=True, kw_only=True):
    """A block waits for its counterparty. To both sides.

    Attributes:
        block: Its number.
        proposer: Who proposed it.
        counterparty: Whose consent is asked.
        markets: Of the legs.
        lots: The proposer's.
        prices: Of the trade.
        expiry_ns: Open until then.
    """

    KIND: ClassVar[int] = 482

    block: LongId
    proposer: LongId
    counterparty: LongId
    markets: IdRow
    lots: LotsRow
    prices: TicksRow
    expiry_ns: TimeNs


class BlockEnded(Event, frozen=True, kw_only=True):
    """A proposal is not open any more. To both sides.

    Attributes:
        block: Its number.
        state: How it ended.
    """

    KIND: ClassVar[int] = 483

    block: LongId
    state: OfferStateCode


class BlockTraded(Event, frozen=True, kw_only=True):
    """One side of a block, or of a trade on a quote.

    Attributes:
        origin: A block or a quote.
        offer: Its number.
        trade: Number of the first leg's trade; the other legs follow.
        counterparty: The other side.
        markets: Of the legs.
        lots: The receiver's; positive bought.
        prices: Of the legs.
        fees: Quote units.
        realised: Quote units that each leg realised on a closed part.
    """

    KIND: ClassVar[int] = 484

    origin: TradeOriginCode
    offer: LongId
    trade: LongId
    counterparty: LongId
    markets: IdRow
    lots: LotsRow
    prices: TicksRow
    fees: QuoteRow
    realised: QuoteRow


class BlockPublished(Event, frozen=True, kw_only=True):
    """One leg of a block or of a trade on a quote, told to the public after its delay.

    Attributes:
        trade: Its number.
        market: Where.
        price: At what price.
        lots: How much, at most the listed mask.
        masked: Whether it was more than `lots`.
        traded_ns: When it traded.
    """

    KIND: ClassVar[int] = 485

    trade: LongId
    market: Id
    price: Ticks
    lots: Lots
    masked: Yes
    traded_ns: TimeNs


class QuotesRequested(Event, frozen=True, kw_only=True):
    """Quotes are asked for. To the requester and each maker asked, or to everybody.

    Attributes:
        request: Its number.
        requester: Who asks; 0 while makers may not know.
        markets: Of the legs.
        lots: Of the package bought.
        side: What the requester may do with it.
        expiry_ns: Open until then.
    """

    KIND: ClassVar[int] = 486

    request: LongId
    requester: LongId
    markets: IdRow
    lots: LotsRow
    side: TradeSideCode
    expiry_ns: TimeNs


class QuoteGiven(Event, frozen=True, kw_only=True):
    """A firm quote. To its maker and to the requester.

    Attributes:
        request: What it answers.
        quote: Its number.
        maker: Who gave it; 0 while the requester may not know.
        buy_prices: Of each leg, at which the requester buys; empty for none.
        sell_prices: Of each leg, at which the requester sells; empty for none.
        expiry_ns: Firm until then.
    """

    KIND: ClassVar[int] = 487

    request: LongId
    quote: LongId
    maker: LongId
    buy_prices: TicksRow
    sell_prices: TicksRow
    expiry_ns: TimeNs


class QuoteEnded(Event, frozen=True, kw_only=True):
    """A quote is not firm any more. To its maker and the requester.

    Attributes:
        request: What it answered.
        quote: Its number.
        state: How it ended.
    """

    KIND: ClassVar[int] = 488

    request: LongId
    quote: LongId
    state: OfferStateCode


class QuoteRequestEnded(Event, frozen=True, kw_only=True):
    """A request is not open any more. To the requester.

    Attributes:
        request: Its number.
        state: How it ended.
    """

    KIND: ClassVar[int] = 489

    request: LongId
    state: OfferStateCode


class TreasuryFunded(Event, frozen=True, kw_only=True):
    """The treasury grew by the operator's money.

    Attributes:
        asset: Of it.
        amount: How much.
        balance: What it holds now.
    """

    KIND: ClassVar[int] = 490

    asset: Id
    amount: Amount
    balance: Amount


class ErrorCompensated(Event, frozen=True, kw_only=True):
    """Public: an error on a trade was compensated; the trade stands.

    Attributes:
        account: Who was paid.
        asset: In what.
        amount: How much.
        trade: The trade's number.
        reason: Why.
    """

    KIND: ClassVar[int] = 491

    account: LongId
    asset: Id
    amount: Amount
    trade: LongId
    reason: Text


class CompensationReceived(Event, frozen=True, kw_only=True):
    """To the account that was compensated.

    Attributes:
        asset: In what.
        amount: How much.
        trade: The trade's number.
        balance: Its balance now.
    """

    KIND: ClassVar[int] = 492

    asset: Id
    amount: Amount
    trade: LongId
    balance: Amount


EVENTS: tuple[type[Event], ...] = (
    PackagesConfigured, PackageTraded, BlockProposed, BlockEnded, BlockTraded, BlockPublished, QuotesRequested, QuoteGiven,
    QuoteEnded, QuoteRequestEnded, TreasuryFunded, ErrorCompensated, CompensationReceived,
)  # fmt: skip
"""By number."""
