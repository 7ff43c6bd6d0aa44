"""An order at the primary exchange: what is left of it, and its life as one table.

Responsible for: states, events, what an order may still take at a price. Never: matches, or knows an account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from novate.broker.checks import SHARE
from novate.broker.fees import Fees, cost_up
from novate.broker.port import NewOrder, Report
from novate.errors import MessageError
from novate.messages.codes import Side


class State(Enum):
    """Where an order stands."""

    NEW = "new"
    WORKING = "working"
    PARTLY_FILLED = "partly filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class Step(Enum):
    """What may happen to an order."""

    ACCEPT = "accept"
    REJECT = "reject"
    FILL = "fill"
    COMPLETE = "complete"
    REPLACE = "replace"
    CANCEL = "cancel"


TABLE: Final = {
    (State.NEW, Step.ACCEPT): State.WORKING,
    (State.NEW, Step.REJECT): State.REJECTED,
    (State.WORKING, Step.FILL): State.PARTLY_FILLED,
    (State.WORKING, Step.COMPLETE): State.FILLED,
    (State.WORKING, Step.REPLACE): State.WORKING,
    (State.WORKING, Step.CANCEL): State.CANCELLED,
    (State.PARTLY_FILLED, Step.FILL): State.PARTLY_FILLED,
    (State.PARTLY_FILLED, Step.COMPLETE): State.FILLED,
    (State.PARTLY_FILLED, Step.REPLACE): State.PARTLY_FILLED,
    (State.PARTLY_FILLED, Step.CANCEL): State.CANCELLED,
}
"""Every pair that may be. Any other is an error of the exchange's."""


@dataclass(slots=True)
class Order:
    """One order. `number` is its rank in time; a replaced one gets a new one."""

    broker: str
    said: NewOrder
    broker_order: str
    number: int
    entered_ns: int
    shares: int
    limit: int
    state: State = State.NEW
    filled: int = 0
    spent: int = 0
    """Micro-dollars of a purchase, fees included."""
    most: int = 2**63 - 1
    """Shares of one execution at most."""
    faults: dict[Any, Any] = field(default_factory=dict)
    """What goes wrong with it: planned faults by their kind (`faults`)."""
    story: list[Report] = field(default_factory=list)
    """What was reported of it, to be told again to who asks."""

    def step(self, step: Step) -> None:
        """Goes on by the table."""
        after = TABLE.get((self.state, step))
        if after is None:
            raise MessageError(
                f"order {self.said.order} is {self.state.value}: no {step.value} follows",
                order=self.said.order,
            )
        self.state = after

    @property
    def works(self) -> bool:
        """Whether it may still trade."""
        return self.state in (State.WORKING, State.PARTLY_FILLED)

    @property
    def buys(self) -> bool:
        """Which way."""
        return self.said.side == Side.BID

    def takes(self, price: int) -> bool:
        """Whether a price is within its limit."""
        return price <= self.limit if self.buys else price >= self.limit

    def wants(self, price: int, fees: Fees) -> int:
        """Shares that it would take at a price."""
        amounts = []
        if self.shares:
            amounts.append(self.shares - self.filled)
        if self.said.dollars:
            amounts.append(fees.shares_for(self.said.dollars - self.spent, price))
        wanted = max(min(amounts), 0)
        return wanted // SHARE * SHARE if self.said.whole else wanted

    def note_fill(self, shares: int, price: int, fee: int) -> None:
        """An execution of it."""
        self.filled += shares
        if self.buys:
            self.spent += cost_up(shares, price) + fee

    def reserved(self, fees: Fees) -> int:
        """Micro-dollars of a purchase that are spoken for: what is left of it, at its limit."""
        if not self.buys or not self.works:
            return 0
        needs = []
        if self.shares:
            needs.append(fees.needed(self.shares - self.filled, self.limit))
        if self.said.dollars:
            needs.append(self.said.dollars - self.spent)
        return max(min(needs), 0)
