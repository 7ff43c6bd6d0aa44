"""What one broker holds for the venue at the primary exchange: cash, shares, and executions until they have settled.

Responsible for: the postings of a fill, a bust, a correction and a settlement, and the statement of a day. Two figures for cash and each symbol:
settled, and bought less sold that is not. Never: judges an order, or looks at a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from novate.broker.fees import cost_up, proceeds_down
from novate.broker.port import Cash, EndOfDay, Position, Trade
from novate.errors import ConfigError
from novate.messages.codes import Side


@dataclass(frozen=True, slots=True)
class Opening:
    """What a broker holds when the exchange begins.

    Attributes:
        cash: Micro-dollars.
        shares: Shares by symbol, in 1e-9.
        credit: How far cash may fall below zero, in micro-dollars.
    """

    cash: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    credit: int = 0

    def __post_init__(self) -> None:
        for name, value in (("cash", self.cash), ("credit", self.credit), *self.shares.items()):
            if value < 0:
                raise ConfigError(f"opening {name} must be 0 or more, got {value}")


@dataclass(slots=True)
class Execution:
    """A trade in the books, until it is taken back. `number` is its rank among the broker's."""

    trade: Trade
    settled: bool = False
    busted: bool = False
    fails: int = 0
    """Settlement days on which it is yet to fail."""

    def cash(self) -> int:
        """Micro-dollars that it brings, negative where it costs."""
        trade = self.trade
        if trade.side == Side.BID:
            return -cost_up(trade.shares, trade.price) - trade.fee
        return proceeds_down(trade.shares, trade.price) - trade.fee

    def shares(self) -> int:
        """Shares that it brings, negative for a sale."""
        return self.trade.shares if self.trade.side == Side.BID else -self.trade.shares


@dataclass(slots=True)
class Custody:
    """The books of one broker."""

    broker: str
    credit: int
    settled_cash: int
    unsettled_cash: int = 0
    settled: dict[str, int] = field(default_factory=dict)
    unsettled: dict[str, int] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    due: dict[date, list[str]] = field(default_factory=dict)
    """Executions by the day they settle."""

    @classmethod
    def open(cls, broker: str, opening: Opening) -> Custody:
        """The books on the first day."""
        return cls(broker, opening.credit, opening.cash, settled=dict(opening.shares))

    def cash(self) -> int:
        """Settled and unsettled."""
        return self.settled_cash + self.unsettled_cash

    def shares(self, symbol: str) -> int:
        """Settled and unsettled."""
        return self.settled.get(symbol, 0) + self.unsettled.get(symbol, 0)

    def book(self, trade: Trade) -> None:
        """An execution, unsettled."""
        execution = Execution(trade)
        self.executions[trade.execution] = execution
        self.due.setdefault(trade.settles, []).append(trade.execution)
        self._post(execution, 1)

    def bust(self, execution: str) -> bool:
        """Takes one back, where it stands; whether there was one to take."""
        found = self.executions.get(execution)
        if found is None or found.busted:
            return False
        self._post(found, -1)
        found.busted = True
        return True

    def correct(self, execution: str, shares: int, price: int) -> bool:
        """Gives one other shares and another price, its fee as it was; whether there was one."""
        found = self.executions.get(execution)
        if found is None or found.busted:
            return False
        self._post(found, -1)
        old = found.trade
        found.trade = Trade(
            execution=old.execution,
            order=old.order,
            symbol=old.symbol,
            side=old.side,
            shares=shares,
            price=price,
            fee=old.fee,
            traded=old.traded,
            settles=old.settles,
        )
        self._post(found, 1)
        return True

    def settle(self, day: date, again: date) -> Iterator[tuple[str, bool]]:
        """(execution, whether it settled) of what is due on a day; what fails is due `again`."""
        for name in self.due.pop(day, []):
            execution = self.executions[name]
            if execution.busted or execution.settled:
                continue
            if execution.fails:
                execution.fails -= 1
                self.due.setdefault(again, []).append(name)
                yield name, False
                continue
            self._post(execution, -1)
            execution.settled = True
            self._post(execution, 1)
            yield name, True

    def statement(self, day: date) -> EndOfDay:
        """What is held at the end of a day, and the day's executions that stand."""
        symbols = sorted(
            symbol
            for symbol in {*self.settled, *self.unsettled}
            if self.settled.get(symbol) or self.unsettled.get(symbol)
        )
        return EndOfDay(
            broker=self.broker,
            day=day,
            positions=tuple(
                Position(
                    symbol=symbol,
                    settled=self.settled.get(symbol, 0),
                    unsettled=self.unsettled.get(symbol, 0),
                )
                for symbol in symbols
            ),
            cash=Cash(settled=self.settled_cash, unsettled=self.unsettled_cash),
            trades=tuple(
                one.trade for one in self.executions.values() if one.trade.traded == day and not one.busted
            ),
        )

    def _post(self, execution: Execution, sign: int) -> None:
        symbol = execution.trade.symbol
        shares, cash = sign * execution.shares(), sign * execution.cash()
        if execution.settled:
            self.settled[symbol] = self.settled.get(symbol, 0) + shares
            self.settled_cash += cash
        else:
            self.unsettled[symbol] = self.unsettled.get(symbol, 0) + shares
            self.unsettled_cash += cash
