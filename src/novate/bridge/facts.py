"""What the account is told, as the machine takes it in: whole numbers, names as the venue has them.

Responsible for: one class per fact. Never: text to numbers (`hearing.py` does that for the API, `lockstep.py` for a venue in the same
process).
"""

from __future__ import annotations

from typing import NamedTuple

from novate.bridge.inventory import Flight
from novate.messages.codes import RequestState, Side


class OrderRests(NamedTuple):
    """An own order rests. Price in 1e-9 dollars, quantity in 1e-9, of a unit."""

    client_id: str
    order: int
    market: str
    side: Side
    price: int
    quantity: int


class OrderChanged(NamedTuple):
    """An own order has another price and quantity left."""

    order: int
    price: int
    quantity: int


class OrderFilled(NamedTuple):
    """An own order was filled, and so much of it is left. Value and fee in micro-dollars."""

    order: int
    market: str
    side: Side
    quantity: int
    value: int
    fee: int
    left: int


class OrderLeft(NamedTuple):
    """Less of an own order is left, without a trade; none ends it."""

    order: int
    quantity: int


class RequestHeld(NamedTuple):
    """A request holds cash (micro-dollars) or tokens (1e-9)."""

    request: int
    token: str
    mints: bool
    held: int


class RequestMoved(NamedTuple):
    """A request is in another state."""

    request: int
    after: RequestState


class Issued(NamedTuple):
    """Tokens (1e-9) came for micro-dollars, the fee included."""

    request: int
    token: str
    tokens: int
    paid: int


class Redeemed(NamedTuple):
    """Tokens (1e-9) ended for micro-dollars due, less the fee."""

    request: int
    token: str
    tokens: int
    due: int


class Returned(NamedTuple):
    """What a request held and did not use is back, 1e-9 dollars or tokens."""

    request: int
    amount: int


class Carried(NamedTuple):
    """Funding of a perp received, or paid where negative, micro-dollars."""

    market: str
    amount: int


Fact = (
    OrderRests
    | OrderChanged
    | OrderFilled
    | OrderLeft
    | RequestHeld
    | RequestMoved
    | Issued
    | Redeemed
    | Returned
    | Carried
)


class Holding(NamedTuple):
    """What the venue says that the account has in one name: tokens and perps in 1e-9, and its requests under way by number."""

    tokens: int
    perps: dict[str, int]
    flights: dict[int, Flight]
