"""What a venue answers, as typed structs: quantities are `Decimal`, exactly as told.

Responsible for: the shape of every answer that has a method of its own, and reading bytes as one. Fields that a newer venue adds are ignored.
Never: computes.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from novate.schema.outcomes import Problem, happenings

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers."""


class Level(msgspec.Struct, frozen=True, array_like=True):
    """A price and the quantity there."""

    price: Decimal
    quantity: Decimal


class Event(Answer, frozen=True):
    """One event: `data` is the struct of `novate.schema` for that event, or a dict for one that this release does not know.

    `account_seq` is its place among the account's events, from 1 without a gap; None of the venue's own.
    """

    event: str
    seq: int
    index: int
    ts_ns: int
    data: Any
    account: str | None = None
    account_seq: int | None = None


class OrderAnswer(Answer, frozen=True):
    """What became of an order at once; `duplicate` when the client id was sent before: then this is how that order stands."""

    order: str
    status: str
    remaining: Decimal
    filled: Decimal | None = None
    average_price: Decimal | None = None
    client_id: str | None = None
    reason: str | None = None
    duplicate: bool = False


class Done(Answer, frozen=True):
    """What an operation came to."""

    events: tuple[Event, ...]
    order: OrderAnswer | None = None


class Standing(Answer, frozen=True):
    """An account against its requirements, in dollars, at initial, liquidation end, maintenance and close-out."""

    account: str
    owner: str
    state: str
    in_liquidation: bool
    equity: Decimal
    requirements: tuple[Decimal, ...]
    excess: tuple[Decimal, ...]


class Balance(Answer, frozen=True):
    """What an account has of an asset; `pledged` is negative when borrowed, `reserved` is what open spot orders may need."""

    asset: str
    pledged: Decimal
    lent: Decimal
    reserved: Decimal
    held: Decimal
    escrowed: Decimal
    value: Decimal


class Position(Answer, frozen=True):
    """What an account has in a market: signed quantity and cost, and what its open orders add at most."""

    market: str
    perp: bool
    quantity: Decimal
    cost: Decimal
    value: Decimal
    result: Decimal
    bid_quantity: Decimal
    ask_quantity: Decimal


class OpenOrder(Answer, frozen=True):
    """An order that rests."""

    order: str
    market: str
    side: str
    price: Decimal
    remaining: Decimal
    post_only: bool
    reduce_only: bool


class Account(Answer, frozen=True):
    """An account as of `sequence`."""

    sequence: int
    time_ns: int
    line: Standing
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...]
    orders: tuple[OpenOrder, ...]

    def balance(self, asset: str) -> Decimal:
        """What is pledged of an asset; 0 for none."""
        return next((one.pledged for one in self.balances if one.asset == asset), Decimal(0))

    def position(self, market: str) -> Decimal:
        """Signed position in a perp; 0 for none."""
        return next((one.quantity for one in self.positions if one.market == market), Decimal(0))


class Contribution(Answer, frozen=True):
    """What a position makes of the requirement, in dollars."""

    kind: str
    name: str
    value: Decimal
    amount: Decimal


class MarginLevel(Answer, frozen=True):
    """Requirement and equity at one level, in dollars; the contributions sum to the requirement exactly."""

    level: str
    equity: Decimal
    requirement: Decimal
    excess: Decimal
    binding: str
    terms: dict[str, Decimal]
    contributions: tuple[Contribution, ...]


class Margin(Answer, frozen=True):
    """Why an account's requirement is what it is."""

    account: str
    sequence: int
    state: str
    levels: tuple[MarginLevel, ...]

    @property
    def initial(self) -> MarginLevel:
        """The level that new orders must meet."""
        return self.levels[0]


class Explanation(Answer, frozen=True):
    """One sentence, and the figures behind it."""

    sentence: str
    account: Account
    margin: Margin


class WhatIf(Answer, frozen=True):
    """What operations would come to; `account` and `margin` are as they would be afterwards."""

    accepted: bool
    refusals: tuple[Problem, ...]
    events: tuple[Event, ...]
    account: Account
    margin: Margin


class Market(Answer, frozen=True):
    """What trades; `base` is a spot market's token."""

    name: str
    kind: str
    underlying: str
    base: str | None
    quote: str
    price_step: Decimal
    quantity_step: Decimal
    index: Decimal | None = None
    mark: Decimal | None = None
    best_bid: Decimal | None = None
    best_ask: Decimal | None = None


class Asset(Answer, frozen=True):
    """What can be held."""

    name: str
    kind: str
    underlying: str
    decimals: int
    shares_per_token: Decimal
    can_be_lent: bool


class Price(Answer, frozen=True):
    """What an underlying and its perps are worth as the venue sees it; `index` is None before it has one."""

    underlying: str
    index: Decimal | None = None
    stable: Decimal | None = None
    quality: str | None = None
    session: str | None = None
    fresh_sources: int | None = None
    marks: dict[str, Decimal] = msgspec.field(default_factory=dict)
    funding_ppb: dict[str, int] = msgspec.field(default_factory=dict)
    seq: int = 0
    ts_ns: int = 0


class Trade(Answer, frozen=True):
    """A trade without its parties; `side` is the taker's, `auction` where nobody took."""

    trade: str
    price: Decimal
    quantity: Decimal
    side: str
    liquidation: bool
    seq: int
    ts_ns: int


class Quote(Answer, frozen=True):
    """Best bid and offer."""

    market: str
    seq: int
    ts_ns: int
    bid: Level | None = None
    ask: Level | None = None


class Recovery(Answer, frozen=True):
    """How far the core is that recovers: which phase, how much of it is done, its rate, and how long the rest of it will take."""

    phase: str
    fraction: float
    done: int
    total: int
    per_s: float
    rest_s: float | None


class Status(Answer, frozen=True):
    """Whether the venue takes commands, and as of when; `venue` is part of every signature.

    `recovery` is None unless the core recovers. `standby` is how its standby is: `in step`, `behind` or `gone`; None without one.
    """

    venue: str
    release: str
    development: bool
    takes_commands: bool
    seq: int
    ts_ns: int
    epoch: str
    recovery: Recovery | None = None
    standby: str | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of every answer."""

    ok: bool
    ts_ns: int
    seq: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Problem | None = None
    id: str | int | None = None


_reply = msgspec.json.Decoder(Reply).decode


def reply(said: bytes | str) -> Reply:
    """The envelope. Raises msgspec.MsgspecError."""
    return _reply(said)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read(kind: type[T], said: bytes | msgspec.Raw | str) -> T:
    """An answer of that type, its events with their own structs."""
    found: Any = _decoder(cast(Hashable, kind)).decode(said)
    if isinstance(found, Event):
        found = event(found)
    elif isinstance(found, Done | WhatIf):
        found = msgspec.structs.replace(found, events=tuple(map(event, found.events)))
    return cast(T, found)


def event(raw: Event) -> Event:
    """The event with its data as the struct for that kind of event."""
    known = happenings().get(raw.event)
    if known is None:
        return raw
    try:
        data: Any = msgspec.convert(raw.data, known.data)
    except msgspec.ValidationError:
        return raw
    return msgspec.structs.replace(raw, data=data)
