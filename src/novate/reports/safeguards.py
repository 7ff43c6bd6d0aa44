"""What stands between a bad day and a loss nobody covers, as the report carries it: pools, insurance, ranks, tranches, stops.

Responsible for: the types. Every figure is an answer of the venue or an event it told, at the end of the run unless a field says otherwise.
Never: words (sheets.py has them) or sums.
"""

from typing import Literal

import msgspec

StopOutcome = Literal["waiting", "fired", "refused", "ended"]


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """A lending pool. Amounts are in units of its asset; `most_used_ppm` is the highest use seen at any five minutes."""

    asset: str
    rate_ppm: int
    utilisation_ppm: int
    most_used_ppm: int
    most_used_ns: int
    lent: int
    borrowed: int
    withdrawable: int


class Cover(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket's insurance, the operator's tranche before it, the target of both, and what open-interest caps are multiplied by."""

    bucket: str
    insurance_micro: int
    operator_micro: int
    target_micro: int
    open_interest_ppm: int


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """A position with a profit and an unhedged part: its place among those that a deleveraging of its market would ask."""

    account: int
    market: str
    unhedged: str
    profit_micro: int
    rank: int
    of: int


class Tranche(msgspec.Struct, frozen=True, kw_only=True):
    """A backstop provider: what it takes from one auction at most, what it took over the run, and what it may lose."""

    account: int
    discount_ppm: int
    committed_micro: int
    slices: int
    taken_micro: int
    loss_micro: int
    loss_limit_micro: int
    exhausted: bool


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """An order that waited for a mark, and what became of it.

    `time_ns` is when it was placed or, once it has an outcome, when that was; `mark_e6` the mark it fired at. `reason` says why it
    was refused or ended.
    """

    account: int
    market: str
    side: Literal["buy", "sell"]
    quantity: str
    trigger_e6: int
    outcome: StopOutcome
    time_ns: int
    mark_e6: int = 0
    filled: str = ""
    price_e6: int = 0
    reason: str = ""


class Closure(msgspec.Struct, frozen=True, kw_only=True):
    """The longest time that one name's primary market was closed, and where its index drifted.

    `external_e6` is the last price from outside before it, `low_e6` and `high_e6` the bounds of the drift, `last_e6` the index as the
    closure ended; `reopened_e6` the index at the first five minutes with a live price, 0 when the run ended before one.
    """

    underlying: str
    start_ns: int
    end_ns: int
    external_e6: int
    low_e6: int
    high_e6: int
    last_e6: int
    reopened_ns: int = 0
    reopened_e6: int = 0


class Safeguards(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; what a run does not have is empty."""

    pools: tuple[Pool, ...] = ()
    covers: tuple[Cover, ...] = ()
    winners: tuple[Winner, ...] = ()
    tranches: tuple[Tranche, ...] = ()
    stops: tuple[Stop, ...] = ()
    closure: Closure | None = None
