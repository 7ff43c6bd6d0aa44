"""The broker port: what the venue asks of a primary-market broker, and what a broker says, in one vocabulary for every adapter.

Responsible for: names and units of instructions and reports, and the promises that an adapter makes. Never: speaks to anybody, or knows
requests, tokens and accounts: those are the engine's, and `novate.clearing` stands between the two.

Shares are in 1e-9, prices in 1e-9 dollars a share, dollars in micro-dollars, times in nanoseconds UTC.

What every adapter promises, and `tests/integration/test_broker_conformance.py` asks of each:

1. An order has one client id for ever. The same `NewOrder` again is never a second order: the broker refuses or ignores it.
2. `send` raises `LineDown` only where nothing can have left. After any other ending, or a crash, the answer to `AskOrder` tells.
3. A report is handed to `hear` at least once, in the broker's order, and `hear` returns once it is kept. What was handed over and not kept
   comes again after `open(hear, since)`; an execution keeps its id when it does.
4. The line's own state is a report too: `LineUp` after it can be spoken on, with everything missed told before it; `LineDown`'s twin
   `LineLost` as soon as it is known to be cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple, Protocol, runtime_checkable

import msgspec

from novate.errors import NovateError
from novate.messages.codes import Session, Side

EXECUTION_BYTES: Final = 16


class LineDown(NovateError):
    """There is no line to the broker: the instruction has not left and will not."""

    code = "line_down"


class Said(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What one side says to the other; the class is the kind."""


# --- what the venue says ---------------------------------------------------------------------------------------------------


class NewOrder(Said, frozen=True, kw_only=True):
    """An order for the day.

    Attributes:
        order: The client order id: up to 20 of `A-Z a-z 0-9 -`, never used again at this broker.
        symbol: The listed symbol.
        side: Bid buys, ask sells.
        shares: Shares at most; 0 where dollars alone limit it.
        dollars: Dollars at most, the broker's fees included; 0 for a sale.
        limit: Worst price of one share.
        whole: Whether parts of a share are not taken.
    """

    order: str
    symbol: str
    side: Side
    shares: int
    dollars: int
    limit: int
    whole: bool = False


class CancelOrder(Said, frozen=True, kw_only=True):
    """Ends what is left of an order. `attempt` counts from 1 and makes the request's own id."""

    order: str
    attempt: int = 1


class ReplaceOrder(Said, frozen=True, kw_only=True):
    """Changes what is left: `shares` is the order's new whole quantity, fills so far included. The client order id stays the venue's."""

    order: str
    shares: int
    limit: int
    attempt: int = 1


class AskOrder(Said, frozen=True, kw_only=True):
    """Asks what became of an order: answered by its state, by fills that were missed, or by `NotKnown`."""

    order: str
    attempt: int = 1


Instruction = NewOrder | CancelOrder | ReplaceOrder | AskOrder


# --- what a broker says ----------------------------------------------------------------------------------------------------


class Accepted(Said, frozen=True, kw_only=True):
    """The order works at the broker, under the broker's own id."""

    order: str
    broker_order: str


class Filled(Said, frozen=True, kw_only=True):
    """One execution.

    Attributes:
        order: The client order id; empty where the broker names one that nobody sent.
        execution: The broker's id of the execution, unique at the broker for ever.
        symbol: What was traded.
        side: Which way.
        shares: Shares of this execution.
        price: Price of one share.
        fee: The broker's and the exchange's fees for it.
        complete: Whether the order is done with it.
        settles: The day it settles.
        traded_ns: When it was traded.
    """

    order: str
    execution: str
    symbol: str
    side: Side
    shares: int
    price: int
    fee: int
    complete: bool
    settles: date
    traded_ns: int


class Rejected(Said, frozen=True, kw_only=True):
    """The broker refused the order; nothing of it was done."""

    order: str
    reason: str


class Cancelled(Said, frozen=True, kw_only=True):
    """What was left ended: asked for, or by the broker's own decision, or with the day."""

    order: str
    asked: bool
    reason: str = ""


class CancelRefused(Said, frozen=True, kw_only=True):
    """A cancel or replace came too late, or for an order that the broker does not know. The order stands as it stood."""

    order: str
    reason: str


class Replaced(Said, frozen=True, kw_only=True):
    """The order has the new quantity and limit."""

    order: str
    shares: int
    limit: int


class NotKnown(Said, frozen=True, kw_only=True):
    """The broker never had an order of this id."""

    order: str


class Busted(Said, frozen=True, kw_only=True):
    """An execution is taken back."""

    execution: str


class Corrected(Said, frozen=True, kw_only=True):
    """An execution has other shares or another price than was told."""

    execution: str
    shares: int
    price: int


class Settled(Said, frozen=True, kw_only=True):
    """An execution settled, or failed to on its day."""

    execution: str
    settled: bool


class LineUp(Said, frozen=True, kw_only=True):
    """The line stands, and everything that was missed has been told."""


class LineLost(Said, frozen=True, kw_only=True):
    """The line is cut."""

    reason: str = ""


Report = (
    Accepted
    | Filled
    | Rejected
    | Cancelled
    | CancelRefused
    | Replaced
    | NotKnown
    | Busted
    | Corrected
    | Settled
    | LineUp
    | LineLost
)


class Heard(NamedTuple):
    """A report as it came."""

    report: Report
    key: str
    """The broker's own id of the message, unique at the broker: what came twice has the same. Empty for the line's state."""
    cursor: str
    """Where to go on behind it: what `open` takes as `since`."""
    raw: bytes
    """The message itself, to be archived by its hash; empty where there was none."""
    at_ns: int
    """When it was heard."""


Hear = Callable[[Heard], None]
"""Takes a report and returns once it is kept. Called from one thread of the adapter's, or from within `send`."""


@runtime_checkable
class Broker(Protocol):
    """A line to one broker."""

    def open(self, hear: Hear, since: str = "") -> None:
        """Connects, now and again whenever the line is cut; tells what happened behind `since`, then everything new. Does not wait."""

    def send(self, instruction: Instruction) -> None:
        """Says something. Raises LineDown where it can't have left."""

    def close(self) -> None:
        """Logs out and ends. What comes later is told to whoever opens next."""


# --- the primary market as it is seen --------------------------------------------------------------------------------------


class Level(NamedTuple):
    """Shares at a price."""

    price: int
    shares: int


class PrimaryBook(NamedTuple):
    """The primary market of one symbol now, best levels first. Empty sides where it is closed or halted."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    session: Session
    at_ns: int
    """When its last change was made."""


@runtime_checkable
class PrimaryMarket(Protocol):
    """Who shows the primary market."""

    def book(self, symbol: str) -> PrimaryBook | None:
        """The market of a symbol; None where it is not known."""


# --- end of day ------------------------------------------------------------------------------------------------------------


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of a symbol at a broker: settled, and bought less sold that has not."""

    symbol: str
    settled: int
    unsettled: int


class Cash(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars at a broker: settled, and receivable less payable that has not."""

    settled: int
    unsettled: int


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as the broker's end-of-day file has it."""

    execution: str
    order: str
    symbol: str
    side: Side
    shares: int
    price: int
    fee: int
    traded: date
    settles: date


class EndOfDay(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker says it holds and did, at the end of a day in New York."""

    broker: str
    day: date
    positions: tuple[Position, ...]
    cash: Cash
    trades: tuple[Trade, ...]


@runtime_checkable
class Records(Protocol):
    """Who gives end-of-day statements."""

    def end_of_day(self, day: date) -> EndOfDay:
        """The statement of a day that is over. Raises DataError where there is none."""


# --- ids -------------------------------------------------------------------------------------------------------------------


def execution_bytes(execution: str) -> bytes:
    """The 16 bytes by which the engine knows an execution: its id where that fits, else the first 16 bytes of the id's SHA-256."""
    said = execution.encode()
    if len(said) <= EXECUTION_BYTES:
        return said.ljust(EXECUTION_BYTES, b"\0")
    return hashlib.sha256(said).digest()[:EXECUTION_BYTES]
