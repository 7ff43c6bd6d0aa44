"""The end of a day at Alpaca: what is held now, less what happened since, split by what had settled.

The broker says what is held now and gives a record of everything that moved it; it keeps no statement of a past evening. So a day's is computed
backwards from now, and is the same whenever it is asked for.

Responsible for: the positions, cash and trades of one account at the end of one day. Never: asks the broker, or judges a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from novate.broker.alpaca.exact import Json, micro, micro_floor, moment_ns, nano, part, said
from novate.broker.alpaca.record import Corrections
from novate.broker.alpaca.reports import HOURS, TRADE, from_event
from novate.broker.fees import cost_up, proceeds_down
from novate.broker.port import Busted, Cash, Corrected, EndOfDay, Filled, Position, Trade
from novate.messages.codes import Side

BROKER: Final = "alpaca"
_LEFT: Final = ("old_symbol", "acquiree_symbol", "source_symbol")
_CAME: Final = ("new_symbol", "acquirer_symbol")
_TAKEN_BACK: Final = ("canceled", "cancelled")


class Moved(NamedTuple):
    """What one activity did to the account."""

    at_ns: int
    symbol: str
    shares: int
    cash: int


@dataclass
class _Standing:
    """A trade as it stands, and what it did to cash."""

    fill: Filled
    cash: int


@dataclass
class Days:
    """Everything that moved an account, read once in the broker's order."""

    moved: list[Moved] = field(default_factory=list)
    _trades: dict[str, _Standing] = field(default_factory=dict)
    _by_moment: list[tuple[int, str, _Standing | None]] = field(default_factory=list)
    _corrections: Corrections = field(default_factory=Corrections)
    _others: dict[str, Moved] = field(default_factory=dict)
    """What every other activity did, by its id."""

    @classmethod
    def read(cls, events: Iterable[tuple[Json, bytes]]) -> Days:
        """The days of a record. Raises DataError."""
        days = cls()
        for event, _ in events:
            if event.get("activity_type") == TRADE:
                days._trade(event)
            else:
                days._other(event)
        return days

    def trades_at(self, time_ns: int) -> list[_Standing]:
        """The trades that stood at a moment, in the order in which they were made."""
        standing: dict[str, _Standing] = {}
        for at_ns, execution, trade in sorted(self._by_moment, key=lambda one: one[0]):
            if at_ns > time_ns:
                break
            if trade is None:
                standing.pop(execution, None)
            else:
                standing[execution] = trade
        return list(standing.values())

    def _trade(self, event: Json) -> None:
        for told in map(self._corrections.note, from_event(event)):
            report = told.report
            if isinstance(report, Filled):
                cash = micro(event.get("net_amount"), "net_amount") or _cash_of(report)
                # When it was traded, not when it was written down: what is recorded after the day's end is of that day all the same.
                self._stands(report.traded_ns, report.execution, _Standing(report, cash))
            elif isinstance(report, Busted | Corrected):
                before = self._trades.get(report.execution)
                if before is not None:
                    at_ns = moment_ns(event.get("at"), "at")
                    self._stands(at_ns, report.execution, _changed(before, report))

    def _stands(self, at_ns: int, execution: str, trade: _Standing | None) -> None:
        before = self._trades.pop(execution, None)
        if before is not None:
            self.moved.append(Moved(at_ns, before.fill.symbol, -_signed(before.fill), -before.cash))
        if trade is not None:
            self._trades[execution] = trade
            self.moved.append(Moved(at_ns, trade.fill.symbol, _signed(trade.fill), trade.cash))
        self._by_moment.append((at_ns, execution, trade))

    def _other(self, event: Json) -> None:
        """What is no trade: cash where an amount is, shares where a quantity moves. One that names another takes its place."""
        at_ns, ref = moment_ns(event.get("at"), "at"), said(event, "ref_id")
        if ref in self._others:
            return  # told twice
        before = self._others.get(str(event.get("previous_id") or ""))
        if before is not None:
            self.moved.append(Moved(at_ns, before.symbol, -before.shares, -before.cash))
        symbol, shares = _leg(event)
        cash = micro(event.get("net_amount"), "net_amount")
        if event.get("status") in _TAKEN_BACK:
            symbol, shares, cash = "", 0, 0
        self._others[ref] = Moved(at_ns, symbol, shares, cash)
        self.moved.append(self._others[ref])


def end_of_day(
    day: date, ends_ns: int, days: Days, positions: Iterable[Json], account: Mapping[str, object]
) -> EndOfDay:
    """The statement of a day that ended at `ends_ns`. Raises DataError."""
    shares: dict[str, int] = defaultdict(int)
    for position in positions:
        shares[said(position, "symbol")] += nano(position.get("qty"), "qty")
    cash = micro_floor(account.get("cash"), "cash")
    for moved in days.moved:
        if moved.at_ns > ends_ns:
            shares[moved.symbol] -= moved.shares
            cash -= moved.cash
    standing = days.trades_at(ends_ns)
    open_shares: dict[str, int] = defaultdict(int)
    open_cash = 0
    for trade in standing:
        if trade.fill.settles > day:
            open_shares[trade.fill.symbol] += _signed(trade.fill)
            open_cash += trade.cash
    symbols = sorted(symbol for symbol in {*shares, *open_shares} if shares[symbol] or open_shares[symbol])
    return EndOfDay(
        broker=BROKER,
        day=day,
        positions=tuple(
            Position(
                symbol=symbol, settled=shares[symbol] - open_shares[symbol], unsettled=open_shares[symbol]
            )
            for symbol in symbols
        ),
        cash=Cash(settled=cash - open_cash, unsettled=open_cash),
        trades=tuple(_trade_of(one.fill) for one in standing if HOURS.at(one.fill.traded_ns).day == day),
    )


def _leg(event: Json) -> tuple[str, int]:
    """Whose shares an activity moves, and how many; nobody's, and none, for what moves cash only.

    A corporate action is told in legs: shares of the old name leave, of the new one arrive. Most name what they are about as `symbol`; the rest
    by what it was and what it became.
    """
    details = part(event, "details")
    if not _moves_shares(event):
        return "", 0
    shares, price = (nano(event.get(name) or "0", name) for name in ("qty", "price"))
    names = ("symbol", *(_LEFT if shares < 0 else _CAME))
    if shares > 0 and not price and event.get("qty") == details.get("alternate_qty"):
        names = ("alternate_symbol",)  # the second of two names that units become
    symbol = next((str(details[name]) for name in names if details.get(name)), "")
    return (symbol, shares) if symbol and shares else ("", 0)


def _moves_shares(event: Json) -> bool:
    """A dividend's quantity is what it is paid on, a fee's what it is charged for, an option's counts contracts: none moves a share."""
    kind, subtype = str(event.get("activity_type")), str(event.get("activity_subtype") or "")
    cash = kind in ("FEE", "CFEE", "INT", "WH", "CGD", "DIVNRA") or kind.startswith("OP")
    return not cash and not (kind == "DIV" and subtype != "SDIV")


def _changed(before: _Standing, report: Busted | Corrected) -> _Standing | None:
    if isinstance(report, Busted):
        return None
    old = before.fill
    fill = Filled(
        order=old.order,
        execution=old.execution,
        symbol=old.symbol,
        side=old.side,
        shares=report.shares,
        price=report.price,
        fee=old.fee,
        complete=old.complete,
        settles=old.settles,
        traded_ns=old.traded_ns,
    )
    return _Standing(fill, _cash_of(fill))


def _signed(fill: Filled) -> int:
    return fill.shares if fill.side == Side.BID else -fill.shares


def _cash_of(fill: Filled) -> int:
    """What a trade does to cash where the record does not say it."""
    if fill.side == Side.BID:
        return -cost_up(fill.shares, fill.price) - fill.fee
    return proceeds_down(fill.shares, fill.price) - fill.fee


def _trade_of(fill: Filled) -> Trade:
    return Trade(
        execution=fill.execution,
        order=fill.order,
        symbol=fill.symbol,
        side=fill.side,
        shares=fill.shares,
        price=fill.price,
        fee=fill.fee,
        traded=HOURS.at(fill.traded_ns).day,
        settles=fill.settles,
    )
