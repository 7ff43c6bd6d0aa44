"""The simulated primary exchange: a deterministic machine that plays tapes, matches orders against them and keeps the brokers' books.

Responsible for: order entry, matching against displayed size in price and time order, sessions, halts, auctions, fees, settlement one day
after the trade, statements, and every report in the order in which it happened. Time comes in: the same calls at the same times give the same
reports, whatever lies between them. Never: reads a clock, opens a file of its own, or speaks to anybody: `floor` does.

What is modelled, because a recorded market can't react: an order trades only against what is displayed within its limit, it never queues in the
market itself and nobody else sees it; `displayed.Impact` says what it leaves behind. In an auction an order gets at most a stated part of what
was printed, at the printed price.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from heapq import heappop, heappush

from novate.broker import faults
from novate.broker.acts import Act, Bust, Correct, CutLine, Default, EndOrder, FailSettlement, Halt
from novate.broker.checks import SHARE, check
from novate.broker.custody import Custody, Opening
from novate.broker.displayed import Displayed, Impact
from novate.broker.faults import Plan
from novate.broker.fees import Fees
from novate.broker.hours import Hours, Moment, settlement_day, settles_ns
from novate.broker.orders import Order, Step
from novate.broker.port import (
    Accepted,
    AskOrder,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    EndOfDay,
    Filled,
    Instruction,
    NewOrder,
    NotKnown,
    PrimaryBook,
    Rejected,
    Replaced,
    ReplaceOrder,
    Report,
    Settled,
    Trade,
)
from novate.broker.report_log import ReportLog
from novate.broker.tape import NEVER, Print, Tape, next_print
from novate.calendar import new_york_date
from novate.errors import ConfigError, DataError, MessageError
from novate.messages.codes import Session
from novate.units import decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange obeys.

    Attributes:
        hours: When it trades.
        fees: What an execution costs.
        impact: What an order leaves behind.
        auction_parts: Of an auction's print, in 1000, what each order may get of it at most.
        delay_ns: From an instruction to its arrival at the market.
    """

    hours: Hours = field(default_factory=Hours)
    fees: Fees = field(default_factory=Fees)
    impact: Impact = field(default_factory=Impact)
    auction_parts: int = 100
    delay_ns: int = 0


@dataclass(slots=True)
class Stock:
    """One symbol: its tape, how far it is played, what it shows, and who waits in it."""

    tape: Tape
    shown: Displayed
    row: int = 0
    halted_until_ns: int = 0
    waiting: list[Order] = field(default_factory=list)
    """Orders that work, in order of their numbers."""
    meets_ns: int = 0
    """When one of them meets a quote: the tape is played that far. 0: not known to."""


@dataclass(slots=True)
class Desk:
    """What the exchange has of one broker."""

    custody: Custody
    reports: ReportLog
    orders: dict[str, Order] = field(default_factory=dict)
    working: dict[str, Order] = field(default_factory=dict)
    """Those that may still trade, in order of entry."""
    statements: dict[date, EndOfDay] = field(default_factory=dict)
    cut_until_ns: int = 0
    """The line is cut until then."""
    frozen_until_ns: int = 0
    """In default: no line, no settlement and no statement until then."""


class Exchange:
    """One primary exchange with its brokers, from `start_ns` on.

    Raises ConfigError for two tapes of one symbol, or none.
    """

    def __init__(
        self,
        tapes: Iterable[Tape],
        brokers: Mapping[str, Opening],
        *,
        start_ns: int,
        terms: Terms | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.terms = terms or Terms()
        self.plan = plan or Plan()
        self.stocks: dict[str, Stock] = {}
        for tape in tapes:
            if tape.symbol in self.stocks:
                raise ConfigError(f"exchange: one tape a symbol, {tape.symbol} has two")
            self.stocks[tape.symbol] = Stock(tape, Displayed.empty(tape.slots, self.terms.impact))
        if not self.stocks or not brokers:
            raise ConfigError("exchange: at least one tape and one broker are needed")
        self.desks = {
            name: Desk(Custody.open(name, opening), ReportLog(name)) for name, opening in brokers.items()
        }
        self.openings = dict(brokers)
        self.time_ns = start_ns
        self.start_ns = start_ns
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._hours: Moment = self.terms.hours.at(start_ns)
        self._session_began_ns = start_ns
        self.at(self._hours.until_ns, self._change_session)
        self.at(self._hours.day_ends_ns, partial(self._end_day, self._hours.day))
        for stock in self.stocks.values():
            self._await_print(stock, start_ns)

    # --- what is asked of it -------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Runs everything that happens up to a time. Raises MessageError where it lies before what has been."""
        if now_ns < self.time_ns:
            raise MessageError(f"time must not fall: {now_ns} is before {self.time_ns}", value=str(now_ns))
        while True:
            stock, trades_ns = self._first_to_trade(min(self._due[0][0] - 1, now_ns) if self._due else now_ns)
            if stock is not None:
                self.time_ns = trades_ns
                self._match(stock)
            elif self._due and self._due[0][0] <= now_ns:
                self.time_ns, _, happens = heappop(self._due)
                happens()
            else:
                break
        self.time_ns = now_ns

    def say(self, broker: str, instruction: Instruction, now_ns: int) -> None:
        """Takes an instruction of a broker's client; every answer is a report.

        Raises MessageError where it is not an instruction by the port, the broker is not known, or time fell; nothing was done then.
        """
        check(instruction)
        desk = self._desk(broker)
        self.advance(now_ns)
        if self.terms.delay_ns:
            self.at(now_ns + self.terms.delay_ns, partial(self._take, broker, desk, instruction))
        else:
            self._take(broker, desk, instruction)

    def book(self, symbol: str) -> PrimaryBook | None:
        """The market of a symbol at this time; None where it is not listed."""
        stock = self.stocks.get(symbol)
        if stock is None:
            return None
        self._catch_up(stock)
        session, now = self.session(symbol), self.time_ns
        trades = session not in (Session.CLOSED, Session.HALTED)
        return PrimaryBook(
            symbol=symbol,
            bids=stock.shown.book(bids=True, now_ns=now) if trades else (),
            asks=stock.shown.book(bids=False, now_ns=now) if trades else (),
            session=session,
            at_ns=stock.shown.changed_ns,
        )

    def session(self, symbol: str) -> Session:
        """The session of a symbol at this time."""
        if self._hours.session != Session.CLOSED and self.stocks[symbol].halted_until_ns > self.time_ns:
            return Session.HALTED
        return self._hours.session

    def reports(self, broker: str) -> ReportLog:
        """Everything a broker was told. Raises MessageError for one that is not known."""
        return self._desk(broker).reports

    def end_of_day(self, broker: str, day: date) -> EndOfDay:
        """The statement of a day that is over. Raises DataError where there is none, or none any more."""
        desk = self._desk(broker)
        if desk.frozen_until_ns > self.time_ns:
            raise DataError(f"{broker} is in default and gives no statements", broker=broker)
        found = desk.statements.get(day)
        if found is None:
            raise DataError(
                f"{broker} has no statement of {day}: it is no trading day, is not over, or was in default",
                broker=broker,
            )
        return found

    # --- what its operator does ----------------------------------------------------------------------------------------

    def act(self, broker: str, act: Act, now_ns: int) -> None:
        """Does something that no client asked for. Raises MessageError where it can't be done; nothing was done then."""
        desk = self._desk(broker)
        self.advance(now_ns)
        match act:
            case Halt():
                stock = self._stock(act.symbol)
                stock.halted_until_ns = act.until_ns
                self.at(act.until_ns, partial(self._match, stock))
            case Bust():
                if not desk.custody.bust(act.execution):
                    raise MessageError(
                        f"no execution {act.execution} stands at {broker}", execution=act.execution
                    )
                self.tell(broker, Busted(execution=act.execution), _order_of(desk, act.execution))
            case Correct():
                if (
                    act.shares <= 0
                    or act.price <= 0
                    or not desk.custody.correct(act.execution, act.shares, act.price)
                ):
                    raise MessageError(
                        f"execution {act.execution} can't be corrected", execution=act.execution
                    )
                told = Corrected(execution=act.execution, shares=act.shares, price=act.price)
                self.tell(broker, told, _order_of(desk, act.execution))
            case EndOrder():
                if act.order not in desk.working:
                    raise MessageError(f"no order {act.order} works at {broker}", order=act.order)
                self.end(desk.working[act.order], asked=False, reason=act.reason)
            case CutLine():
                desk.cut_until_ns = act.until_ns
            case FailSettlement():
                if act.execution not in desk.custody.executions:
                    raise MessageError(
                        f"there is no execution {act.execution} at {broker}", execution=act.execution
                    )
                desk.custody.executions[act.execution].fails = act.days
            case Default():
                desk.frozen_until_ns = act.until_ns
                for order in list(desk.working.values()):
                    self.end(order, asked=False, reason="broker in default")
                self.at(act.until_ns, partial(self._settle_late, broker))

    def at(self, time_ns: int, happens: Callable[[], None]) -> None:
        """Lets something happen at a time, in order of what was asked for first where times are equal."""
        self._count += 1
        heappush(self._due, (max(time_ns, self.time_ns), self._count, happens))

    def digest(self) -> str:
        """SHA-256 of what the exchange was begun with: what is the same gives the same reports for the same inputs."""
        begun = (self.start_ns, self.terms, self.plan, sorted(self.openings.items()))
        tapes = [self.stocks[name].tape.digest() for name in sorted(self.stocks)]
        return hashlib.sha256(repr((begun, tapes)).encode()).hexdigest()

    def _take(self, broker: str, desk: Desk, instruction: Instruction) -> None:
        match instruction:
            case NewOrder():
                self._enter(broker, desk, instruction)
            case CancelOrder():
                self._cancel_asked(broker, desk, instruction)
            case ReplaceOrder():
                self._replace(broker, desk, instruction)
            case AskOrder():
                self._ask(broker, desk, instruction)

    # --- order entry ---------------------------------------------------------------------------------------------------

    def _enter(self, broker: str, desk: Desk, said: NewOrder) -> None:
        if said.order in desk.orders:
            return  # the same id is never a second order
        self._count += 1
        order = Order(broker, said, f"B{self._count}", self._count, self.time_ns, said.shares, said.limit)
        desk.orders[said.order] = order
        order.faults = self.plan.of(broker, len(desk.orders))
        refusal = self._refusal(desk, order) or faults.refuses(order)
        if refusal:
            order.step(Step.REJECT)
            self.tell(broker, Rejected(order=said.order, reason=refusal), order)
            return
        order.step(Step.ACCEPT)
        stock = self.stocks[said.symbol]
        self._catch_up(stock)  # before it waits: no quote of the past is for it
        stock.waiting.append(order)
        desk.working[said.order] = order
        accepted = Accepted(order=said.order, broker_order=order.broker_order)
        if late_ns := faults.told_late_ns(order):
            self.at(self.time_ns + late_ns, partial(self.tell, broker, accepted, order))
        else:
            self.tell(broker, accepted, order)
        faults.on_accepted(self, order)
        self._match(stock)

    def _refusal(self, desk: Desk, order: Order) -> str:
        """Why an order is not taken, or nothing."""
        said = order.said
        if said.symbol not in self.stocks:
            return f"unknown symbol: {said.symbol}"
        if self._hours.session == Session.CLOSED:
            return f"closed: {said.symbol} trades again at {self._hours.until_ns}"
        if desk.frozen_until_ns > self.time_ns:
            return "broker in default"
        if order.buys:
            needed = self._needs(order)
            there = (
                desk.custody.cash()
                + desk.custody.credit
                - sum(one.reserved(self.terms.fees) for one in desk.working.values())
            )
            return (
                ""
                if needed <= there
                else f"buying power: {decimal(needed, 6)} needed, {decimal(there, 6)} there"
            )
        spoken_for = sum(
            one.shares - one.filled
            for one in desk.working.values()
            if not one.buys and one.said.symbol == said.symbol
        )
        held = desk.custody.shares(said.symbol) - spoken_for
        return (
            ""
            if said.shares <= held
            else f"shares: {decimal(said.shares, 9)} needed, {decimal(held, 9)} there"
        )

    def _needs(self, order: Order) -> int:
        said = order.said
        needs = [said.dollars] if said.dollars else []
        if said.shares:
            needs.append(self.terms.fees.needed(said.shares, said.limit))
        return min(needs)

    def _cancel_asked(self, broker: str, desk: Desk, said: CancelOrder) -> None:
        order = desk.orders.get(said.order)
        refusal = _too_late(order)
        if refusal or order is None:
            self.tell(broker, CancelRefused(order=said.order, reason=refusal))
            return
        self.end(order, asked=True, reason="")

    def _replace(self, broker: str, desk: Desk, said: ReplaceOrder) -> None:
        order = desk.orders.get(said.order)
        refusal = _too_late(order) or (_cannot_become(order, said) if order else "")
        if not refusal and order is not None:
            refusal = self._beyond_means(desk, order, said)
        if refusal or order is None:
            self.tell(broker, CancelRefused(order=said.order, reason=refusal))
            return
        order.step(Step.REPLACE)
        self._count += 1
        order.number, order.shares, order.limit = self._count, said.shares, said.limit
        stock = self.stocks[order.said.symbol]
        stock.waiting.sort(key=lambda one: one.number)
        self.tell(broker, Replaced(order=said.order, shares=said.shares, limit=said.limit), order)
        self._match(stock)

    def _beyond_means(self, desk: Desk, order: Order, said: ReplaceOrder) -> str:
        """Whether the order as it would be is more than the broker's client has, its own reservation freed."""
        more = said.shares - order.filled
        others = [one for one in desk.working.values() if one is not order]
        if order.buys:
            there = (
                desk.custody.cash()
                + desk.custody.credit
                - sum(one.reserved(self.terms.fees) for one in others)
            )
            needed = self.terms.fees.needed(more, said.limit)
            return (
                ""
                if needed <= there
                else f"buying power: {decimal(needed, 6)} needed, {decimal(there, 6)} there"
            )
        symbol = order.said.symbol
        held = desk.custody.shares(symbol) - sum(
            one.shares - one.filled for one in others if not one.buys and one.said.symbol == symbol
        )
        return "" if more <= held else f"shares: {decimal(more, 9)} needed, {decimal(held, 9)} there"

    def _ask(self, broker: str, desk: Desk, said: AskOrder) -> None:
        order = desk.orders.get(said.order)
        if order is None:
            self.tell(broker, NotKnown(order=said.order))
            return
        for report in list(order.story):
            self.tell(broker, report)

    # --- matching ------------------------------------------------------------------------------------------------------

    def _first_to_trade(self, until_ns: int) -> tuple[Stock | None, int]:
        """The stock in which an order meets a quote first, up to a time, and when."""
        first, first_ns = None, until_ns + 1  # what was found before may lie behind what has come up since
        for stock in self.stocks.values():
            if not stock.meets_ns and stock.waiting:
                self._play(stock, min(until_ns, first_ns - 1))
            if stock.meets_ns and stock.meets_ns < first_ns:
                first, first_ns = stock, stock.meets_ns
        return first, first_ns

    def _play(self, stock: Stock, until_ns: int) -> None:
        """Plays a tape up to a time, or to where an order that waits may trade: that is noted."""
        buys = max((one.limit for one in stock.waiting if one.buys), default=0)
        sells = min((one.limit for one in stock.waiting if not one.buys), default=NEVER)
        stock.row, meets = stock.tape.play(stock.row, until_ns, stock.shown, buys, sells)
        if meets:
            stock.meets_ns = max(stock.shown.changed_ns, self.time_ns)

    def _catch_up(self, stock: Stock) -> None:
        """Shows what there is at this time. Whoever waits is matched next, or may not trade."""
        stock.row, _ = stock.tape.play(stock.row, self.time_ns, stock.shown, 0, NEVER)

    def _match(self, stock: Stock) -> None:
        """Lets every order that waits take what is displayed within its limit, in order of time."""
        stock.meets_ns = 0
        self._catch_up(stock)
        if not stock.waiting or self.session(stock.tape.symbol) in (Session.CLOSED, Session.HALTED):
            return
        for order in list(stock.waiting):
            side = stock.shown.asks if order.buys else stock.shown.bids
            for price, there, parts in stock.shown.levels(side, self.time_ns):
                if not order.works or not order.takes(price):
                    break
                wanted = order.wants(price, self.terms.fees)
                shares = min(wanted, there // SHARE * SHARE if order.said.whole else there, order.most)
                if shares:
                    stock.shown.take(side, parts, shares, self.time_ns)
                if shares or not wanted:
                    self._fill(order, shares, price, complete=shares == wanted)

    def _fill(self, order: Order, shares: int, price: int, *, complete: bool) -> None:
        """One execution; one of nothing where what is left of an order buys no more."""
        if not shares:
            self.end(order, asked=False, reason="what is left buys nothing")
            return
        order.step(Step.COMPLETE if complete else Step.FILL)
        if complete:
            self._retire(order)
        self.execute(order, shares, price, complete=complete)

    def execute(self, order: Order, shares: int, price: int, *, complete: bool) -> None:
        """Books and reports an execution, whatever the order's state."""
        self._count += 1
        execution = f"X{self._count}"
        symbol, side = faults.traded(order, self.stocks)
        fee = self.terms.fees.of(side, shares, price)
        settles = settlement_day(self._hours.day)
        order.note_fill(shares, price, fee)
        desk = self.desks[order.broker]
        if settles not in desk.custody.due:
            self.at(settles_ns(settles), partial(self._settle, order.broker, settles))
        desk.custody.book(
            Trade(
                execution=execution, order=order.said.order, symbol=symbol, side=side, shares=shares, price=price, fee=fee,
                traded=self._hours.day, settles=settles,
            )
        )  # fmt: skip
        filled = Filled(
            order=order.said.order, execution=execution, symbol=symbol, side=side, shares=shares, price=price, fee=fee,
            complete=complete, settles=settles, traded_ns=self.time_ns,
        )  # fmt: skip
        self.tell(order.broker, filled, order)
        faults.on_filled(self, order, filled)

    def end(self, order: Order, *, asked: bool, reason: str) -> None:
        """Ends what is left of an order that works."""
        order.step(Step.CANCEL)
        self._retire(order)
        self.tell(order.broker, Cancelled(order=order.said.order, asked=asked, reason=reason), order)
        faults.on_ended(self, order)

    def _retire(self, order: Order) -> None:
        self.stocks[order.said.symbol].waiting.remove(order)
        del self.desks[order.broker].working[order.said.order]

    # --- what happens with time ----------------------------------------------------------------------------------------

    def _change_session(self) -> None:
        self._hours = self.terms.hours.at(self.time_ns)
        self._session_began_ns = self.time_ns
        self.at(self._hours.until_ns, self._change_session)
        for stock in (
            self.stocks.values()
        ):  # what was quoted in one session is not there in the next until it is quoted again
            stock.row, _ = stock.tape.play(stock.row, self.time_ns - 1, stock.shown, 0, NEVER)
            stock.shown.bids.clear()
            stock.shown.asks.clear()
            self._match(stock)

    def _end_day(self, day: date) -> None:
        """Orders of the day end, and its statements are made."""
        for desk in self.desks.values():
            for order in list(desk.working.values()):
                self.end(order, asked=False, reason="day over")
            if desk.frozen_until_ns <= self.time_ns:
                desk.statements[day] = desk.custody.statement(day)
        coming = self.terms.hours.at(self.time_ns)
        self.at(coming.day_ends_ns, partial(self._end_day, coming.day))

    def _settle(self, broker: str, day: date) -> None:
        desk = self.desks[broker]
        if desk.frozen_until_ns > self.time_ns:
            return  # once the broker is back
        again = settlement_day(new_york_date(self.time_ns))
        if again not in desk.custody.due:
            self.at(settles_ns(again), partial(self._settle, broker, again))
        for execution, settled in desk.custody.settle(day, again):
            self.tell(broker, Settled(execution=execution, settled=settled))

    def _settle_late(self, broker: str) -> None:
        """What fell due while a broker was in default."""
        desk = self.desks[broker]
        if desk.frozen_until_ns <= self.time_ns:
            for day in sorted(day for day in desk.custody.due if settles_ns(day) <= self.time_ns):
                self._settle(broker, day)

    def _await_print(self, stock: Stock, after_ns: int) -> None:
        coming = next_print(stock.tape.prints, after_ns)
        if coming is not None:
            self.at(coming.time_ns, partial(self._auction, stock, coming))

    def _auction(self, stock: Stock, printed: Print) -> None:
        """Orders that waited when the session began get their part of a print, in order of time."""
        self._await_print(stock, printed.time_ns)
        most = printed.shares * self.terms.auction_parts // 1000
        if self.session(stock.tape.symbol) in (Session.CLOSED, Session.HALTED):
            return
        for order in list(stock.waiting):
            if order.entered_ns < self._session_began_ns and order.takes(printed.price):
                wanted = order.wants(printed.price, self.terms.fees)
                shares = min(wanted, most // SHARE * SHARE if order.said.whole else most)
                if shares:
                    self._fill(order, shares, printed.price, complete=shares == wanted)

    # --- small things --------------------------------------------------------------------------------------------------

    def tell(self, broker: str, report: Report, order: Order | None = None) -> None:
        """Appends a report; with an order it becomes part of its story."""
        if order is not None:
            order.story.append(report)
        self.desks[broker].reports.append(report, self.time_ns)

    def tell_again(self, broker: str) -> None:
        """Appends the last message once more, under the same key."""
        last = self.desks[broker].reports.newest()
        self.desks[broker].reports.append(last.report, self.time_ns, last.key)

    def line_down_until_ns(self, broker: str) -> int:
        """Until when a broker's line is cut, or the broker in default."""
        desk = self._desk(broker)
        return max(desk.cut_until_ns, desk.frozen_until_ns)

    def _desk(self, broker: str) -> Desk:
        desk = self.desks.get(broker)
        if desk is None:
            raise MessageError(f"broker must be one of {', '.join(self.desks)}, got {broker!r}", value=broker)
        return desk

    def _stock(self, symbol: str) -> Stock:
        stock = self.stocks.get(symbol)
        if stock is None:
            raise MessageError(
                f"symbol must be one of {', '.join(self.stocks)}, got {symbol!r}", value=symbol
            )
        return stock


def _order_of(desk: Desk, execution: str) -> Order | None:
    return desk.orders.get(desk.custody.executions[execution].trade.order)


def _too_late(order: Order | None) -> str:
    if order is None:
        return "unknown order"
    return "" if order.works else f"too late: the order is {order.state.value}"


def _cannot_become(order: Order, said: ReplaceOrder) -> str:
    if order.said.dollars:
        return "an order of dollars is cancelled, not replaced"
    if order.said.whole and said.shares % SHARE:
        return f"whole shares only, got {decimal(said.shares, 9)}"
    return (
        ""
        if said.shares > order.filled
        else f"{decimal(order.filled, 9)} shares are filled: cancel what is left"
    )
