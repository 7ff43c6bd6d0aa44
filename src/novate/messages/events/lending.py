"""Pools, curves, committed lines, stock loans and cash calls: events 750 to 799.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/lending.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import Amount, Event, Id, Integer, LongId, Ppm


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


EVENTS: tuple[type[Event], ...] = (
    LendingConfigured,
    PoolFunded,
    PoolRateChanged,
    LoanShortfallAbsorbed,
    LentTransferred,
    LentLossBorne,
)
"""By number."""
