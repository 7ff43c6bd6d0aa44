"""Corporate actions: schedule, effect, receivables and corrections: events 1250 to 1299.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/corporate.rs`; a test compares them.
"""

from typing import ClassVar

import msgspec

from novate.messages.fields import (
    Amount,
    CorporateActionKindCode,
    CorporateActionStateCode,
    Event,
    Id,
    Integer,
    LongId,
    Lots,
    Number8,
    PicoUsd,
    Ppb,
    Price,
    QuoteUnits,
    Yes,
)


class CorporateActionChanged(Event, frozen=True, kw_only=True):
    """An action is in another state.

    Attributes:
        action: Which.
        underlying: Whose shares.
        action_kind: What kind.
        from_: The state before; `from` on the wire.
        to: The state after.
        reason: 0 as asked, 1 the window passed, 2 loans or withdrawals of a token whose number would change.
    """

    KIND: ClassVar[int] = 1250

    action: LongId
    underlying: Id
    action_kind: CorporateActionKindCode
    from_: CorporateActionStateCode = msgspec.field(name="from")
    to: CorporateActionStateCode
    reason: Number8


class CorporateActionTaken(Event, frozen=True, kw_only=True):
    """The one sequence at which everything of the underlying moved.

    Attributes:
        action: Which.
        underlying: Whose shares.
        index_before: The index before it.
        index: The index after it.
        stable: The stable price after it.
        ratio_new: Shares after ..
        ratio_old: .. for shares before.
        amount: Dollars per share it was booked at.
    """

    KIND: ClassVar[int] = 1251

    action: LongId
    underlying: Id
    index_before: Price
    index: Price
    stable: Price
    ratio_new: Integer
    ratio_old: Integer
    amount: Price


class PositionAdjusted(Event, frozen=True, kw_only=True):
    """What an action, or its correction, booked on a perp position.

    Attributes:
        action: Which.
        market: The perp.
        lots: Signed lots of record.
        amount: Credited; negative is owed.
        claim: What the account claims after it.
        debt: What it owes after it.
    """

    KIND: ClassVar[int] = 1252

    action: LongId
    market: Id
    lots: Lots
    amount: QuoteUnits
    claim: QuoteUnits
    debt: QuoteUnits


class BalanceAdjusted(Event, frozen=True, kw_only=True):
    """A token balance was renumbered; the fraction was paid in cash.

    Attributes:
        action: Which.
        asset: The token.
        balance: Its balance after it.
        held: The held part after it.
        cash_asset: What the fraction was paid in.
        cash: How much.
    """

    KIND: ClassVar[int] = 1253

    action: LongId
    asset: Id
    balance: Amount
    held: Amount
    cash_asset: Id
    cash: Amount


class ReceivableChanged(Event, frozen=True, kw_only=True):
    """What is receivable on each token, or how many shares it is, changed.

    Attributes:
        asset: The token.
        receivable: Receivable on each.
        multiplier_ppb: Shares per token.
        reason: 0 ex-date, 1 correction, 2 reinvested, 3 paid, 4 split.
    """

    KIND: ClassVar[int] = 1254

    asset: Id
    receivable: PicoUsd
    multiplier_ppb: Ppb
    reason: Number8


class DistributionPaid(Event, frozen=True, kw_only=True):
    """A holder got, or a borrower paid (negative), what was receivable.

    Attributes:
        asset: The token.
        units: Units held; negative when borrowed.
        paid_asset: What was paid.
        amount: How much.
        retired: The units are gone.
    """

    KIND: ClassVar[int] = 1255

    asset: Id
    units: Amount
    paid_asset: Id
    amount: Amount
    retired: Yes


class DistributionsFunded(Event, frozen=True, kw_only=True):
    """Brokers paid in for holders.

    Attributes:
        asset: What.
        amount: How much.
        balance: The distributions account after it.
    """

    KIND: ClassVar[int] = 1256

    asset: Id
    amount: Amount
    balance: Amount


EVENTS: tuple[type[Event], ...] = (
    CorporateActionChanged,
    CorporateActionTaken,
    PositionAdjusted,
    BalanceAdjusted,
    ReceivableChanged,
    DistributionPaid,
    DistributionsFunded,
)
"""By number."""
