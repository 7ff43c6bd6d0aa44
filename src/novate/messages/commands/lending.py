"""Pools, curves, committed lines, stock loans and cash calls: commands 700 to 749.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/lending.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import Amount, Command, Count, Id, Nanos, Ppm


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


COMMANDS: tuple[type[Command], ...] = (ConfigureLending, FundPool)
"""By number."""
