"""Trades of several legs and trades between accounts: packages, blocks, requests for quotes, compensation: commands 430 to 449.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/packages.rs`; a test compares them.

Legs are three lists of equal length: `markets`, `lots` (signed, of one unit: positive buys) and `prices` in ticks.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Bytes,
    Command,
    Count,
    Id,
    IdRow,
    Integer,
    LimitKindCode,
    LongId,
    Lots,
    LotsRow,
    MicroUsd,
    Nanos,
    Ppm,
    QuoteUnits,
    RevealBits,
    Text,
    TicksRow,
    TimeNs,
    TradeSideCode,
)


class ConfigurePackages(Command, frozen=True, kw_only=True):
    """Packages, blocks, requests for quotes and compensation: venue terms, once, before listings.

    Attributes:
        legs: Most legs of a package, a block or a request.
        open_blocks: Open block proposals an account may have made, and may stand to answer.
        open_requests: Open requests for quotes of an account.
        open_quotes: Live quotes of an account.
        quotes_per_request: Quotes that one request takes.
        makers_per_request: Makers that one request may name.
        longest_life_ns: Longest life of a proposal, a request or a quote.
        reveal: What is known before a trade on a quote; after it both sides know.
        compensation_per_trade: Most that errors on one trade are compensated with, at face.
        compensation_per_day: Most that all errors are compensated with within one UTC day, at face.
    """

    KIND: ClassVar[int] = 430

    legs: Count
    open_blocks: Count
    open_requests: Count
    open_quotes: Count
    quotes_per_request: Count
    makers_per_request: Count
    longest_life_ns: Nanos
    reveal: RevealBits
    compensation_per_trade: MicroUsd
    compensation_per_day: MicroUsd


class ListBlockTerms(Command, frozen=True, kw_only=True):
    """Lets a market trade in blocks and by quotes. Limits are around the index, by session, and inside its band.

    Attributes:
        market: Which one.
        block_lots: Least size of a block leg.
        quote_lots: Least size of a leg traded on a quote.
        fee_ppm: Of the notional, from each side, rounded up.
        regular_ppm: Farthest price from the index in the regular session.
        extended_ppm: In the pre and post sessions.
        overnight_ppm: Overnight.
        closed_ppm: While closed or halted.
        publication_ns: When a trade is told to the public, after it.
        mask_lots: The largest size told.
    """

    KIND: ClassVar[int] = 431

    market: Id
    block_lots: Lots
    quote_lots: Lots
    fee_ppm: Ppm
    regular_ppm: Ppm
    extended_ppm: Ppm
    overnight_ppm: Ppm
    closed_ppm: Ppm
    publication_ns: Nanos
    mask_lots: Lots


class PlacePackage(Command, frozen=True, kw_only=True):
    """Trades all legs against the books at once, or nothing.

    Attributes:
        markets: Of the legs.
        lots: Of one unit; positive buys.
        prices: Worst price of each leg; 0, with a net limit, for the market's band.
        limit_kind: Each leg within its price, or also the whole within `net_limit`.
        net_limit: Most that one unit may cost, fees left out; negative: least that it must bring.
        units: Whole multiples of the legs that are wanted.
        least_units: The least that may trade; equal to `units` for all or none.
        client_id: Empty, or 16 bytes: the same package is not done twice.
    """

    KIND: ClassVar[int] = 432

    markets: IdRow
    lots: LotsRow
    prices: TicksRow
    limit_kind: LimitKindCode = 0
    net_limit: QuoteUnits = 0
    units: Integer = 1
    least_units: Integer = 1
    client_id: Bytes = b""


class ProposeBlock(Command, frozen=True, kw_only=True):
    """Offers a counterparty a privately agreed trade at stated prices.

    Attributes:
        counterparty: The account whose consent is asked.
        markets: Of the legs.
        lots: The proposer's; positive buys.
        prices: Of the trade.
        expiry_ns: Open until then.
    """

    KIND: ClassVar[int] = 433

    counterparty: LongId
    markets: IdRow
    lots: LotsRow
    prices: TicksRow
    expiry_ns: TimeNs


class AcceptBlock(Command, frozen=True, kw_only=True):
    """The counterparty consents: both sides are checked and the block trades at once.

    Attributes:
        block: Its number.
    """

    KIND: ClassVar[int] = 434

    block: LongId


class DeclineBlock(Command, frozen=True, kw_only=True):
    """The counterparty does not want it.

    Attributes:
        block: Its number.
    """

    KIND: ClassVar[int] = 435

    block: LongId


class WithdrawBlock(Command, frozen=True, kw_only=True):
    """The proposer takes it back.

    Attributes:
        block: Its number.
    """

    KIND: ClassVar[int] = 436

    block: LongId


class RequestQuotes(Command, frozen=True, kw_only=True):
    """Asks for firm quotes.

    Attributes:
        markets: Of the legs.
        lots: Of the package bought.
        side: What the requester may do with it.
        expiry_ns: Open until then.
        makers: Accounts asked; empty for everybody.
    """

    KIND: ClassVar[int] = 437

    markets: IdRow
    lots: LotsRow
    side: TradeSideCode
    expiry_ns: TimeNs
    makers: IdRow = ()


class GiveQuote(Command, frozen=True, kw_only=True):
    """A maker's firm quote, in the place of its earlier one.

    Attributes:
        request: What it answers.
        buy_prices: Of each leg, at which the requester buys; empty for none.
        sell_prices: Of each leg, at which the requester sells; empty for none.
        expiry_ns: Firm until then.
    """

    KIND: ClassVar[int] = 438

    request: LongId
    buy_prices: TicksRow
    sell_prices: TicksRow
    expiry_ns: TimeNs


class AcceptQuote(Command, frozen=True, kw_only=True):
    """Trades on a quote, or on the best one.

    Attributes:
        request: The requester's own.
        quote: Which quote; 0 for the best one whose maker can trade.
        side: 0 buys the package, 1 sells it.
        net_limit: Most that the whole may cost, fees left out; negative: least that it must bring.
    """

    KIND: ClassVar[int] = 439

    request: LongId
    quote: LongId
    side: TradeSideCode
    net_limit: QuoteUnits


class WithdrawQuote(Command, frozen=True, kw_only=True):
    """The maker takes its quote back.

    Attributes:
        request: What it answered.
        quote: Its number.
    """

    KIND: ClassVar[int] = 440

    request: LongId
    quote: LongId


class CancelQuoteRequest(Command, frozen=True, kw_only=True):
    """The requester ends its request.

    Attributes:
        request: Its number.
    """

    KIND: ClassVar[int] = 441

    request: LongId


class FundTreasury(Command, frozen=True, kw_only=True):
    """The operator's money for compensation.

    Attributes:
        asset: A stablecoin.
        amount: How much.
    """

    KIND: ClassVar[int] = 442

    asset: Id
    amount: Amount


class CompensateError(Command, frozen=True, kw_only=True):
    """Pays an account for an error on a trade, which stands.

    Attributes:
        account: Who is paid.
        asset: A stablecoin.
        amount: How much.
        trade: The trade's number.
        reason: Public; 1 to 200 printable characters.
    """

    KIND: ClassVar[int] = 443

    account: LongId
    asset: Id
    amount: Amount
    trade: LongId
    reason: Text


COMMANDS: tuple[type[Command], ...] = (
    ConfigurePackages, ListBlockTerms, PlacePackage, ProposeBlock, AcceptBlock, DeclineBlock, WithdrawBlock, RequestQuotes,
    GiveQuote, AcceptQuote, WithdrawQuote, CancelQuoteRequest, FundTreasury, CompensateError,
)  # fmt: skip
"""By number."""
