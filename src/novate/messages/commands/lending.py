"""Pools, curves, committed lines, stock loans and cash calls: commands 700 to 749.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/lending.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import Amount, Command, Count, Id, LongId, Nanos, Ppm


class ConfigureLending(Command, frozen=True, kw_only=True):
    """Lending parameters of the venue, once, before the first underlying.

    Attributes:
        call_above_ppm: Utilisation above which a pool is called.
        call_after_ns: How long it must stay above: then no new loans, and loans are called.
        call_deadline_ns: What a called loan has until it is overdue.
        unsettled_after_ns: How long a perp debt may stay unsettled before it is a cash call.
        cash_call_ns: Regular hours of its underlying that a cash call has.
        recall_opens: Regular opens until a recalled stock loan is bought in.
        ticks_per_command: Minutes of interest that one `AdvanceTime` makes up for at most.
    """

    KIND: ClassVar[int] = 700

    call_above_ppm: Ppm
    call_after_ns: Nanos
    call_deadline_ns: Nanos
    unsettled_after_ns: Nanos
    cash_call_ns: Nanos
    recall_opens: Count
    ticks_per_command: Count


class FundPool(Command, frozen=True, kw_only=True):
    """The operator's money for a pool: first its locked deposit, then its reserve.

    Attributes:
        asset: The pool.
        amount: What arrived in custody.
    """

    KIND: ClassVar[int] = 701

    asset: Id
    amount: Amount


class RecallLoan(Command, frozen=True, kw_only=True):
    """A lender wants tokens back that are lent out.

    What the pool has comes at once; for the rest stock loans are recalled, pro rata by size, and what returns goes to who waits.

    Attributes:
        asset: The token.
        amount: Units, at most what the account has lent and does not wait for already.
    """

    KIND: ClassVar[int] = 702

    asset: Id
    amount: Amount


class ListLine(Command, frozen=True, kw_only=True):
    """A type of committed line that a pool of a stablecoin sells.

    Attributes:
        asset: The pool.
        line: The type, from 1.
        rate_cap_ppm: Highest yearly rate inside a line of this type.
        fee_ppm: Fee for one period, as a part of the size.
        notice_ns: Length of a period, and the notice after which the venue may end a line.
        least: Smallest size.
        most: Largest size.
    """

    KIND: ClassVar[int] = 703

    asset: Id
    line: Id
    rate_cap_ppm: Ppm
    fee_ppm: Ppm
    notice_ns: Nanos
    least: Amount
    most: Amount


class BuyLine(Command, frozen=True, kw_only=True):
    """Buys a committed line; its room in the pool is kept from now on and the fee of the first period is paid.

    Attributes:
        asset: The pool.
        line: The type.
        size: Units; 0 gives the account's line up, without a refund.
    """

    KIND: ClassVar[int] = 704

    asset: Id
    line: Id
    size: Amount


class GiveLineNotice(Command, frozen=True, kw_only=True):
    """The venue gives notice of an account's committed line: it ends after the notice of its type.

    Attributes:
        account: Whose line.
        asset: The pool.
    """

    KIND: ClassVar[int] = 705

    account: LongId
    asset: Id


COMMANDS: tuple[type[Command], ...] = (
    ConfigureLending,
    FundPool,
    RecallLoan,
    ListLine,
    BuyLine,
    GiveLineNotice,
)
"""By number."""
