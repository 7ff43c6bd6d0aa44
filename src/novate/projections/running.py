"""How things stand while events are folded: sums, open orders, open requests, running candles; and the rows that are still to be written.

Responsible for: the state that one event needs of those before it, and the batch it adds to. Never reads or writes a database.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from novate.projections.causes import Cause
from novate.projections.listing import Listing

Row = tuple[Any, ...]
Key = tuple[int, int, int]
"""Account, asset, market; market 0 for the balance itself."""

NO_CLIENT: Final = bytes(16)


@dataclass(slots=True)
class Batch:
    """Rows to append, by table, and the keys of rows that are no longer as the database has them."""

    appended: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    holdings: set[Key] = field(default_factory=set)
    orders: dict[int, list[Any]] = field(default_factory=dict)
    requests: dict[int, list[Any]] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)
    candles: dict[tuple[int, int, int], list[int]] = field(default_factory=dict)
    notices: dict[tuple[int, int], list[Any]] = field(default_factory=dict)
    listing: bool = False

    @property
    def size(self) -> int:
        """Rows waiting, about."""
        return sum(map(len, self.appended.values())) + len(self.orders)


@dataclass(slots=True)
class Running:
    """The state behind the rows. `holding` is [amount, owed]; rows of orders, requests and candles are lists in the order of their columns."""

    listing: Listing = field(default_factory=Listing)
    holding: dict[Key, list[int]] = field(default_factory=dict)
    orders: dict[int, list[Any]] = field(default_factory=dict)
    requests: dict[int, list[Any]] = field(default_factory=dict)
    accounts: dict[int, list[int]] = field(default_factory=dict)
    candles: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    last_trade: dict[int, int] = field(default_factory=dict)
    notices: dict[str, list[Any]] = field(default_factory=dict)
    """Public notices that are not over, by what they are about."""
    sequence: int = 0
    time_ns: int = 0
    next_sample_ns: int = 0
    batch: Batch = field(default_factory=Batch)

    def take_batch(self) -> Batch:
        """The rows since the last call."""
        batch, self.batch = self.batch, Batch()
        return batch

    def debt_in(self, account: int, quote: int) -> bool:
        """Whether the account owes a realised loss in a perp that pays in `quote`."""
        holding = self.holding
        for market in self.listing.perps_of(quote):
            known = holding.get((account, quote, market))
            if known is not None and known[1] < 0:
                return True
        return False


@dataclass(slots=True)
class At:
    """Where an event stands; `leg` counts the postings it made."""

    sequence: int
    idx: int
    time_ns: int
    leg: int = 0


def post(
    run: Running,
    at: At,
    key: Key,
    cause: Cause,
    amount: int,
    *,
    value: int | None = None,
    owed: int = 0,
) -> int:
    """Books one change and returns its value. `owed` is how what is realised and unpaid changes with it."""
    account, asset, market = key
    held = run.holding.get(key)
    if held is None:
        held = run.holding[key] = [0, 0]
    before = held[0]
    after = held[0] = before + amount
    held[1] += owed
    run.batch.holdings.add(key)
    if amount == 0:
        return 0
    if value is None:
        listing = run.listing
        if market or listing.assets[asset].stablecoin:
            value = listing.face(asset, after) - listing.face(asset, before)
        else:
            value = listing.worth(asset, amount)
    run.batch.appended["ledger"].append(
        (at.sequence, at.idx, at.leg, at.time_ns, account, asset, market, cause.value, amount, value, after)
    )
    at.leg += 1
    return value
