"""What a feed's message states, and the port that every format implements.

Responsible for: plain values. Never: scales a number, knows an underlying, or judges a price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, Protocol

from novate.messages import PriceKind

Frame = str | bytes
"""One message of a feed as it came: text, or bytes."""
Clock = Callable[[], int]
"""The venue's time, nanoseconds UTC."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Two sides of a market. Prices in dollars, sizes in units of what is traded (None: not stated)."""

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None
    ask_size: Decimal | None
    venue_time_ns: int


@dataclass(frozen=True, slots=True)
class Print:
    """One price: a trade, a side of a quote, or an issuer's value. Size in units of what is traded (None: not stated)."""

    symbol: str
    price: Decimal
    size: Decimal | None
    venue_time_ns: int
    kind: PriceKind = PriceKind.TRADE


Observation = Quote | Print


class Phase(Enum):
    """How far a connection is."""

    READY = "ready"
    """Subscribed: prices may come."""
    REFUSED = "refused"
    """The vendor does not take the key, or the subscription: trying again soon does not help."""
    BROKEN = "broken"
    """The vendor ends the session: connect again."""


class Heard(NamedTuple):
    """What one frame came to."""

    observations: tuple[Observation, ...] = ()
    replies: tuple[str, ...] = ()
    """What to send in answer, in order."""
    phase: Phase | None = None
    """Where the connection is now, when the frame says so."""
    malformed: int = 0
    """Messages of the frame that are not what the format says."""
    why: str = ""
    """The vendor's words for a refusal or a break."""


class Adapter(Protocol):
    """One format. Holds what one connection is about, no socket and no clock."""

    def opened(self) -> Heard:
        """A connection is open: begins anew; the replies are what to say first."""
        ...

    def heard(self, frame: Frame) -> Heard:
        """Takes one frame in. Never raises for what a vendor sends."""
        ...
