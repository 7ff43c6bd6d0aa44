"""Pools, curves, committed lines, stock loans and cash calls: events 750 to 799.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/lending.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Count,
    Event,
    Id,
    IdRow,
    Integer,
    LongId,
    Nanos,
    Number8,
    Ppm,
    QuoteUnits,
    TimeNs,
)


class LendingConfigured(Event, frozen=True, kw_only=True):
    """The venue's lending parameters are set."""

    KIND: ClassVar[int] = 750


class PoolFunded(Event, frozen=True, kw_only=True):
    """A pool got the operator's money.

    Attributes:
        asset: The pool.
        amount: What arrived.
        locked: Its locked deposit now.
        reserve: Its reserve now.
    """

    KIND: ClassVar[int] = 751

    asset: Id
    amount: Amount
    locked: Amount
    reserve: Amount


class PoolRateChanged(Event, frozen=True, kw_only=True):
    """A pool's rate changed with its utilisation, from the minute of the command.

    Attributes:
        asset: The pool.
        utilisation_ppm: Used part: loans and kept room of what lenders and reserve have.
        rate_ppm: Yearly rate that borrowers pay.
        borrow_index: By how much loans grew since the pool opened, at 1e-15.
        supply_index: The same of claims.
    """

    KIND: ClassVar[int] = 752

    asset: Id
    utilisation_ppm: Ppm
    rate_ppm: Ppm
    borrow_index: Integer
    supply_index: Integer


class LoanShortfallAbsorbed(Event, frozen=True, kw_only=True):
    """A loan that nothing is left to pay: who bears it, in this order.

    Attributes:
        asset: What was borrowed.
        insurance: From the bucket's insurance.
        reserve: From the pool's reserve.
        lenders: From its lenders, by index.
        left: What is still owed.
    """

    KIND: ClassVar[int] = 753

    asset: Id
    insurance: Amount
    reserve: Amount
    lenders: Amount
    left: Amount


class LentTransferred(Event, frozen=True, kw_only=True):
    """A lent claim changed hands; one event per side.

    Attributes:
        counterparty: The other account.
        asset: What was lent.
        amount: Positive for the receiver.
        lent: The claim afterwards.
    """

    KIND: ClassVar[int] = 754

    counterparty: LongId
    asset: Id
    amount: Amount
    lent: Amount


class LentLossBorne(Event, frozen=True, kw_only=True):
    """A lender's claim is smaller: its part, by index, of a loan that was not paid.

    Attributes:
        asset: What was lent.
        amount: The loss.
        lent: The claim afterwards.
    """

    KIND: ClassVar[int] = 755

    asset: Id
    amount: Amount
    lent: Amount


class CashCallMade(Event, frozen=True, kw_only=True):
    """A perp debt stayed unsettled past its deadline: cash that the account must bring.

    Attributes:
        market: The market of the debt.
        asset: The stablecoin it is owed in.
        amount: What is called.
        regular_ns: Regular hours of the market's underlying in which to bring it.
        accepted: Assets that answer it: the stablecoin itself, then the tokens that sell for it, in the order of their sale.
    """

    KIND: ClassVar[int] = 756

    market: Id
    asset: Id
    amount: QuoteUnits
    regular_ns: Nanos
    accepted: IdRow


class CashCallPaid(Event, frozen=True, kw_only=True):
    """What a called account had, or could borrow, went to the call.

    Attributes:
        market: The market of the debt.
        asset: The stablecoin.
        amount: What was paid.
        left: What is still called.
    """

    KIND: ClassVar[int] = 757

    market: Id
    asset: Id
    amount: QuoteUnits
    left: QuoteUnits


class CashCallOverdue(Event, frozen=True, kw_only=True):
    """The hours of a cash call are over: collateral is sold for it, whatever the excess.

    Attributes:
        market: The market of the debt.
        asset: The stablecoin.
        amount: What is missing.
    """

    KIND: ClassVar[int] = 758

    market: Id
    asset: Id
    amount: QuoteUnits


class LoanCalled(Event, frozen=True, kw_only=True):
    """A loan must become smaller.

    Attributes:
        asset: What was borrowed.
        reason: 0 its pool is used above the limit, 1 a lender wants its tokens back.
        amount: By how much.
        due_ns: When it is overdue; 0 when openings are counted.
        opens: Regular openings of the token's underlying that are left; 0 when time is counted.
    """

    KIND: ClassVar[int] = 759

    asset: Id
    reason: Number8
    amount: Amount
    due_ns: TimeNs
    opens: Count


class LoanCallOverdue(Event, frozen=True, kw_only=True):
    """A called loan is as large as before: collateral is sold for it, or the tokens are bought for the account.

    Attributes:
        asset: What was borrowed.
        amount: What is missing.
    """

    KIND: ClassVar[int] = 760

    asset: Id
    amount: Amount


class CallEnded(Event, frozen=True, kw_only=True):
    """A call ended.

    Attributes:
        call_kind: 0 cash, 1 loan.
        reason: 0 answered, 1 taken back: the pool has enough again.
        market: The market of a cash call; 0 for a loan.
        asset: The asset.
    """

    KIND: ClassVar[int] = 761

    call_kind: Number8
    reason: Number8
    market: Id
    asset: Id


class RecallWaits(Event, frozen=True, kw_only=True):
    """A lender asked for tokens that are lent out.

    Attributes:
        asset: The token.
        paid: What came at once.
        waiting: What lenders of the pool wait for at present.
        called: What was called from borrowers for it.
    """

    KIND: ClassVar[int] = 762

    asset: Id
    paid: Amount
    waiting: Amount
    called: Amount


class BoughtIn(Event, frozen=True, kw_only=True):
    """Tokens were bought for an account that did not return a recalled loan.

    Attributes:
        asset: The token.
        way: 0 through the book, 1 ordered from issuance.
        market: The spot market; 0 for issuance.
        units: Units bought.
        cost: What they cost at most, fees included, or what was set aside for them.
        left: What is still called.
    """

    KIND: ClassVar[int] = 763

    asset: Id
    way: Number8
    market: Id
    units: Amount
    cost: QuoteUnits
    left: Amount


class LineListed(Event, frozen=True, kw_only=True):
    """A type of committed line is sold.

    Attributes:
        asset: The pool.
        line: The type.
    """

    KIND: ClassVar[int] = 764

    asset: Id
    line: Id


class LinePaid(Event, frozen=True, kw_only=True):
    """A committed line was bought, or goes on for another period.

    Attributes:
        asset: The pool.
        line: Its type.
        size: Its size.
        fee: What was paid to the pool's reserve.
        paid_until_ns: End of the period.
    """

    KIND: ClassVar[int] = 765

    asset: Id
    line: Id
    size: Amount
    fee: Amount
    paid_until_ns: TimeNs


class LineNoticeGiven(Event, frozen=True, kw_only=True):
    """The venue gave notice of a committed line.

    Attributes:
        asset: The pool.
        line: Its type.
        size: Its size.
        ends_ns: When it ends.
    """

    KIND: ClassVar[int] = 766

    asset: Id
    line: Id
    size: Amount
    ends_ns: TimeNs


class LineEnded(Event, frozen=True, kw_only=True):
    """A committed line is over; what was drawn on it is a loan like others.

    Attributes:
        asset: The pool.
        line: Its type.
        size: What its size was.
        reason: 0 given up, 1 notice, 2 its fee was not paid.
    """

    KIND: ClassVar[int] = 767

    asset: Id
    line: Id
    size: Amount
    reason: Number8


EVENTS: tuple[type[Event], ...] = (
    LendingConfigured,
    PoolFunded,
    PoolRateChanged,
    LoanShortfallAbsorbed,
    LentTransferred,
    LentLossBorne,
    CashCallMade,
    CashCallPaid,
    CashCallOverdue,
    LoanCalled,
    LoanCallOverdue,
    CallEnded,
    RecallWaits,
    BoughtIn,
    LineListed,
    LinePaid,
    LineNoticeGiven,
    LineEnded,
)
"""By number."""
