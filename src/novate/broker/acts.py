"""What the exchange's operator, or a fault, does to it: acts, as values, so that they are journaled like instructions.

Responsible for: their names and fields. Never: does them (`exchange`), or decides when (`faults`).
"""

from __future__ import annotations

from novate.broker.port import Said


class Halt(Said, frozen=True, kw_only=True):
    """Trading of a symbol stops until a time; orders wait."""

    symbol: str
    until_ns: int


class Bust(Said, frozen=True, kw_only=True):
    """An execution is taken back."""

    execution: str


class Correct(Said, frozen=True, kw_only=True):
    """An execution gets other shares and another price; its fee stays."""

    execution: str
    shares: int
    price: int


class EndOrder(Said, frozen=True, kw_only=True):
    """A broker ends an order by its own decision."""

    order: str
    reason: str


class FailSettlement(Said, frozen=True, kw_only=True):
    """An execution fails on its settlement day, and on `days` - 1 settlement days more."""

    execution: str
    days: int = 1


class Default(Said, frozen=True, kw_only=True):
    """A broker fails: its orders end, and it settles, states and says nothing until a time."""

    until_ns: int


class CutLine(Said, frozen=True, kw_only=True):
    """A broker's line is cut until a time; what happens meanwhile is told when it is back."""

    until_ns: int


Act = CutLine | Halt | Bust | Correct | EndOrder | FailSettlement | Default
