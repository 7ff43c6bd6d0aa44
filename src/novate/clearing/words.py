"""What waits in the outbox to become commands: brokers' reports as the port has them, and the venue's own words beside them.

Responsible for: names, and bytes for what is kept. Never: decides what a word becomes (`reporting` does).
"""

from __future__ import annotations

from typing import Final

import msgspec

from novate.broker import (
    Accepted,
    Busted,
    Cancelled,
    CancelRefused,
    Corrected,
    Filled,
    LineLost,
    LineUp,
    NewOrder,
    NotKnown,
    Rejected,
    Replaced,
    Settled,
)
from novate.broker.port import Said


class Returned(Said, frozen=True, kw_only=True):
    """An order never left. `wanted` is whether somebody still wants it done elsewhere."""

    order: str
    wanted: bool


class Over(Said, frozen=True, kw_only=True):
    """The broker is done with an order whose last execution waits behind a break: what is left of it goes elsewhere."""

    order: str


class Ended(Said, frozen=True, kw_only=True):
    """A person says that nothing more of an order fills. `by` is who."""

    order: str
    by: str


class Deliver(Said, frozen=True, kw_only=True):
    """A request has settled, and its holder may have it for good."""

    request: int


class PriceAsked(Said, frozen=True, kw_only=True):
    """A holder asks for a firm price. Direction and amount as in the event; `asked_ns` is when."""

    quote: int
    token: int
    direction: int
    amount: int
    asked_ns: int


class Converted(Said, frozen=True, kw_only=True):
    """A conversion ended: micro-dollars, or units of the stablecoin, that came; 0 where it failed. `by` is who says so."""

    conversion: int
    amount: int
    by: str = ""


class InKind(Said, frozen=True, kw_only=True):
    """Shares (1e-9) that a participant brought or took. `by` is who says so."""

    request: int
    shares: int
    by: str = ""


class ReserveInKind(Said, frozen=True, kw_only=True):
    """A client of the tokenisation network asks in kind. `id` is the issuer's id of it; direction, amount and reference as in the command."""

    id: str
    account: int
    token: int
    direction: int
    amount: int
    broker: int
    reference: int


class Arrived(Said, frozen=True, kw_only=True):
    """Tokens came to the redemption wallet, and are their client's: asset, amount and reference as of any deposit."""

    id: str
    account: int
    asset: int
    amount: int
    reference: int


class PayOut(Said, frozen=True, kw_only=True):
    """Minted tokens are to leave for their client's wallet."""

    id: str
    account: int
    asset: int
    amount: int


class PaidOut(Said, frozen=True, kw_only=True):
    """They are in the wallet. `by` is who says so."""

    id: str
    withdrawal: int
    by: str


class EndInKind(Said, frozen=True, kw_only=True):
    """The network moves no shares for a request: it is to end."""

    id: str
    account: int
    request: int


class Defaulted(Said, frozen=True, kw_only=True):
    """A broker is in default. `by` is who says so."""

    by: str


Word = (
    Accepted | Filled | Rejected | Cancelled | CancelRefused | Replaced | NotKnown | Busted | Corrected | Settled | LineUp | LineLost
    | Returned | Over | Ended | Deliver | PriceAsked | Converted | InKind | Defaulted
    | ReserveInKind | Arrived | PayOut | PaidOut | EndInKind
)  # fmt: skip

_WORD: Final[msgspec.json.Decoder[Word]] = msgspec.json.Decoder(Word)
_ORDER: Final[msgspec.json.Decoder[NewOrder]] = msgspec.json.Decoder(NewOrder)


def kept(word: Word | NewOrder) -> bytes:
    """A word as it is kept: JSON, so that a person can read it."""
    return msgspec.json.encode(word)


def word_of(body: bytes) -> Word:
    """A word that was kept."""
    return _WORD.decode(body)


def order_of(body: bytes) -> NewOrder:
    """An order that was kept."""
    return _ORDER.decode(body)
