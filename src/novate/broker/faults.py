"""What brokers do wrong: faults of single orders, from a script or a seed, done by the exchange itself, so that its books and statements agree.

Responsible for: which order meets which fault, and what the exchange does then. Never: draws from anything but its seed, or touches a line
that is no broker's: cables are cut by `acts.CutLine`, and an adapter's own tests garble what goes through them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from novate.broker.acts import Bust, Correct, CutLine, Default, FailSettlement, Halt
from novate.broker.checks import SHARE
from novate.broker.displayed import CENT
from novate.broker.orders import Order
from novate.broker.port import Filled
from novate.errors import ConfigError, MessageError
from novate.messages.codes import Side

if TYPE_CHECKING:
    from novate.broker.exchange import Exchange

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS


class Fault(Enum):
    """What goes wrong with an order."""

    REJECT = "reject"
    PARTIAL_THEN_CANCEL = "partial then cancel"
    UNSOLICITED_CANCEL = "unsolicited cancel"
    SAME_MESSAGE = "same message twice"
    SAME_EXECUTION = "same execution in two messages"
    OUT_OF_ORDER = "fill before acceptance"
    LATE_FILL = "fill after the cancel's acknowledgement"
    OVERFILL = "overfill"
    WRONG_SYMBOL = "wrong symbol"
    WRONG_SIDE = "wrong side"
    BUST = "bust"
    CORRECTION = "correction"
    SETTLEMENT_FAIL = "settlement fails"
    HALT = "halt"
    DISCONNECT = "disconnect"
    DEFAULT = "broker default"


AFTER_NS: Final = {
    Fault.OUT_OF_ORDER: 2 * SECOND_NS,
    Fault.LATE_FILL: 2 * SECOND_NS,
    Fault.BUST: 3_600 * SECOND_NS,
    Fault.CORRECTION: 3_600 * SECOND_NS,
    Fault.HALT: 300 * SECOND_NS,
    Fault.DISCONNECT: 30 * SECOND_NS,
    Fault.DEFAULT: 5 * DAY_NS,
}
"""How long after its cause it happens, or how long it lasts, where nothing else is said."""
MILD: Final = tuple(fault for fault in Fault if fault is not Fault.DEFAULT)
"""All that leave the broker standing: what a seed draws from where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault of the `rank`-th order of a broker, from 1. `after_ns` 0: as AFTER_NS says."""

    broker: str
    rank: int
    fault: Fault
    after_ns: int = 0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"a fault's rank must be at least 1, got {self.rank}")
        if self.after_ns < 0:
            raise ConfigError(f"a fault's after_ns must be 0 or more, got {self.after_ns}")

    @property
    def wait_ns(self) -> int:
        """How long after its cause, or for how long."""
        return self.after_ns or AFTER_NS.get(self.fault, 0)


class Plan:
    """Which order meets which faults: those of a script, and of a seed one for `per_mille` of 1000 orders."""

    def __init__(
        self,
        script: Iterable[Planned] = (),
        *,
        seed: int = 0,
        per_mille: int = 0,
        drawn: Collection[Fault] = MILD,
    ) -> None:
        if not 0 <= per_mille <= 1000:
            raise ConfigError(f"per_mille must be 0 to 1000, got {per_mille}")
        self.script = tuple(script)
        self._seed, self._per_mille, self._drawn = seed, per_mille, tuple(drawn)

    def __repr__(self) -> str:
        return f"Plan({self.script!r}, {self._seed}, {self._per_mille}, {self._drawn!r})"

    def of(self, broker: str, rank: int) -> dict[Fault, Planned]:
        """The faults of an order."""
        found = {one.fault: one for one in self.script if (one.broker, one.rank) == (broker, rank)}
        draw = int.from_bytes(hashlib.sha256(f"{self._seed} {broker} {rank}".encode()).digest()[:8], "big")
        if self._drawn and draw % 1000 < self._per_mille:
            fault = self._drawn[draw // 1000 % len(self._drawn)]
            found.setdefault(fault, Planned(broker, rank, fault))
        return found


# --- what the exchange asks ------------------------------------------------------------------------------------------------


def refuses(order: Order) -> str:
    """Why an order is not taken, or nothing."""
    return "refused by the broker's risk desk" if Fault.REJECT in order.faults else ""


def told_late_ns(order: Order) -> int:
    """How long its acceptance is held back."""
    late = order.faults.get(Fault.OUT_OF_ORDER)
    return late.wait_ns if late else 0


def traded(order: Order, symbols: Collection[str]) -> tuple[str, Side]:
    """What is traded for it: what it says, where nothing is wrong."""
    symbol, side = order.said.symbol, order.said.side
    if Fault.WRONG_SYMBOL in order.faults:
        symbol = next((other for other in sorted(symbols) if other != symbol), "OTHER")
    if Fault.WRONG_SIDE in order.faults:
        side = Side.ASK if side == Side.BID else Side.BID
    return symbol, side


def on_accepted(exchange: Exchange, order: Order) -> None:
    """An order was accepted and is about to be matched."""
    faults, broker, now = order.faults, order.broker, exchange.time_ns
    if Fault.HALT in faults:
        until = now + faults[Fault.HALT].wait_ns
        exchange.act(broker, Halt(symbol=order.said.symbol, until_ns=until), now)
    if Fault.DISCONNECT in faults:
        exchange.act(broker, CutLine(until_ns=now + faults[Fault.DISCONNECT].wait_ns), now)
    if Fault.DEFAULT in faults:
        exchange.act(broker, Default(until_ns=now + faults[Fault.DEFAULT].wait_ns), now)
    elif Fault.UNSOLICITED_CANCEL in faults and order.works:
        exchange.end(order, asked=False, reason="ended by the broker")
    elif Fault.PARTIAL_THEN_CANCEL in faults:
        order.most = max(order.wants(order.limit, exchange.terms.fees) // 2 // SHARE * SHARE, SHARE)


def on_filled(exchange: Exchange, order: Order, filled: Filled) -> None:
    """An execution of an order was booked and told."""
    faults, broker, now, execution = order.faults, order.broker, exchange.time_ns, filled.execution
    if Fault.SAME_MESSAGE in faults:
        exchange.tell_again(broker)
    if Fault.SAME_EXECUTION in faults:
        exchange.tell(broker, filled)
    if Fault.SETTLEMENT_FAIL in faults:
        exchange.act(broker, FailSettlement(execution=execution), now)
    if Fault.BUST in faults:
        exchange.at(now + faults[Fault.BUST].wait_ns, partial(_bust, exchange, broker, execution))
    if Fault.CORRECTION in faults:
        exchange.at(now + faults[Fault.CORRECTION].wait_ns, partial(_correct, exchange, broker, filled))
    if Fault.OVERFILL in faults and filled.complete:
        del faults[Fault.OVERFILL]
        more = max(order.filled // 10 // SHARE * SHARE, SHARE)
        exchange.execute(order, more, filled.price, complete=True)
    if Fault.PARTIAL_THEN_CANCEL in faults and order.works:
        exchange.end(order, asked=False, reason="ended by the broker")


def on_ended(exchange: Exchange, order: Order) -> None:
    """What was left of an order was cancelled, and that was told."""
    late = order.faults.pop(Fault.LATE_FILL, None)
    if late is not None:
        left = order.wants(order.limit, exchange.terms.fees)
        if left:
            exchange.at(exchange.time_ns + late.wait_ns, partial(_fill_late, exchange, order, left))


def _fill_late(exchange: Exchange, order: Order, shares: int) -> None:
    exchange.execute(order, shares, order.limit, complete=True)


def _bust(exchange: Exchange, broker: str, execution: str) -> None:
    try:
        exchange.act(broker, Bust(execution=execution), exchange.time_ns)
    except MessageError:
        return  # taken back before


def _correct(exchange: Exchange, broker: str, filled: Filled) -> None:
    """A tenth fewer shares, where that leaves whole ones of a whole number, a cent dearer."""
    fewer = filled.shares * 9 // 10
    if filled.shares % SHARE == 0 and fewer >= SHARE:
        fewer = fewer // SHARE * SHARE
    try:
        correct = Correct(execution=filled.execution, shares=max(fewer, 1), price=filled.price + CENT)
        exchange.act(broker, correct, exchange.time_ns)
    except MessageError:
        return  # taken back before
