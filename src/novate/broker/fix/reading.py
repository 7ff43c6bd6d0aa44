"""What a broker's FIX messages mean in the port's words: a table of ExecType, one of OrdStatus, and an error for everything else.

Responsible for: reports, their keys, and what the book has to remember of them. A message that can't be taken raises `Unreadable` and changes
nothing. Never: sends, or knows QuickFIX.

A key is the broker's execution id with a digest of what it says: the same execution told twice has one key, two executions under one id have two,
and the engine sees the contradiction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from novate.broker.fees import cost_up
from novate.broker.fix.frame import Frame, Unreadable, number
from novate.broker.fix.orders import Order, SessionBook
from novate.broker.fix.tags import (
    BUSINESS_UNKNOWN_ID,
    COMMISSION_ABSOLUTE,
    COMMISSION_PER_UNIT,
    COMMISSION_PERCENT,
    DUPLICATE_ORDER,
    ENDED,
    PENDING,
    UNKNOWN_ORDER,
    ExecType,
    Kind,
    OrdStatus,
    Tag,
)
from novate.broker.hours import Hours, settlement_day
from novate.broker.port import (
    Accepted,
    Busted,
    Cancelled,
    CancelRefused,
    Corrected,
    Filled,
    NotKnown,
    Rejected,
    Replaced,
    Report,
    Settled,
)
from novate.messages.codes import Session
from novate.units import MICRO

_PERCENT_DECIMALS: Final = 9
_SHARE_DOLLARS: Final = 10**12
"""1e-9 shares times 1e-9 dollars, in a micro-dollar."""
_DIGEST: Final = 8
_HOURS: Final = Hours(extended=(Session.PRE, Session.POST, Session.OVERNIGHT))
"""Every session a broker may trade in: a trade of one belongs to that session's trading day."""

_OF_ANY_ORDER: Final = frozenset(
    {ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL, ExecType.ORDER_STATUS}
)
"""What counts though nobody sent the order that it names."""


class Told(NamedTuple):
    """A report and its key."""

    report: Report
    key: str


class Read(NamedTuple):
    """What a message means.

    Attributes:
        told: Reports, in their order.
        ask: Orders whose state has to be asked: the message leaves it open.
        missed: What the broker has done and never told, as a sentence; empty: nothing.
    """

    told: tuple[Told, ...] = ()
    ask: tuple[str, ...] = ()
    missed: str = ""


def base(client_id: str) -> str:
    """The order that an id belongs to: requests about it have its id, a point, and what they are."""
    return client_id.partition(".")[0]


def key_of(report: Report, place: str) -> str:
    """The key of a report. `place`: what is unique of the message where the report has no id of its own."""
    match report:
        case Filled():
            said: tuple[object, ...] = (
                report.order,
                report.symbol,
                int(report.side),
                report.shares,
                report.price,
            )
            return f"F:{report.execution}:{_digest(said)}"
        case Corrected():
            return f"G:{place}:{_digest((report.execution, report.shares, report.price))}"
        case Busted():
            return f"H:{place}:{_digest((report.execution,))}"
        case _:
            return f"{type(report).__name__}:{place}"


_Take = Callable[[Any, Frame, Order | None, int], Read]
_Answer = Callable[[Any, Frame, Order, int], Read]


class Reader:
    """Reads the messages of one session."""

    def __init__(self, book: SessionBook) -> None:
        self._book = book

    def read(self, frame: Frame, *, epoch: str, at_ns: int) -> Read:
        """What a message means, the book brought up to it. Raises Unreadable."""
        with self._book.together():
            match frame.kind:
                case Kind.EXECUTION_REPORT:
                    return self._execution_report(frame, at_ns)
                case Kind.ORDER_CANCEL_REJECT:
                    return self._cancel_reject(frame)
                case Kind.BUSINESS_MESSAGE_REJECT | Kind.REJECT:
                    return self._refused(frame, epoch)
                case Kind.TRADE_CAPTURE_REPORT:
                    return self._settlement(frame)
                case _:
                    raise Unreadable(
                        Tag.REF_MSG_TYPE, frame.kind.value, "no message of this kind is taken here"
                    )

    # --- execution reports ---------------------------------------------------------------------------------------------

    def _execution_report(self, frame: Frame, at_ns: int) -> Read:
        said = frame.needed(Tag.EXEC_TYPE)
        if said not in self._EXECUTIONS:
            raise Unreadable(Tag.EXEC_TYPE, said, "this kind of execution report is not taken")
        order = self._order(frame)
        if order is None and said not in _OF_ANY_ORDER:
            named = frame.text(Tag.CL_ORD_ID)
            raise Unreadable(Tag.CL_ORD_ID, named or None, "nobody sent an order of this id")
        status = _status(frame)
        if order is not None and said != ExecType.ORDER_STATUS:
            order = msgspec.structs.replace(
                order,
                known=True,
                broker_order=frame.text(Tag.ORDER_ID, order.broker_order),
                ended=status in ENDED,
            )
            self._book.keep(order)
        return self._EXECUTIONS[said](self, frame, order, at_ns)

    def _nothing(self, _frame: Frame, _order: Order | None, _at_ns: int) -> Read:
        return Read()

    def _new(self, frame: Frame, order: Order | None, _at_ns: int) -> Read:
        return _one(Accepted(order=_id(order), broker_order=frame.needed(Tag.ORDER_ID)), frame)

    def _ends(self, frame: Frame, order: Order | None, _at_ns: int) -> Read:
        asked = order is not None and (bool(order.cancelling) or order.asked_end)
        self._close(order, asked=asked)
        return _one(Cancelled(order=_id(order), asked=asked, reason=frame.text(Tag.TEXT)), frame)

    def _close(self, order: Order | None, *, asked: bool) -> None:
        """No request about it is open any more; how it ended is told the same when it is asked for."""
        if order is not None:
            self._book.keep(msgspec.structs.replace(order, cancelling="", replacing="", asked_end=asked))

    def _runs_out(self, frame: Frame, order: Order | None, _at_ns: int) -> Read:
        reason = frame.text(Tag.TEXT, "the day is over")
        self._close(order, asked=False)
        return _one(Cancelled(order=_id(order), asked=False, reason=reason), frame)

    def _replaced(self, frame: Frame, order: Order | None, _at_ns: int) -> Read:
        shares, limit = frame.shares(Tag.ORDER_QTY), frame.price(Tag.PRICE)
        if order is not None:
            works_as = frame.needed(Tag.CL_ORD_ID)
            self._book.keep(msgspec.structs.replace(order, works_as=works_as, shares=shares, limit=limit))
        return _one(Replaced(order=_id(order), shares=shares, limit=limit), frame)

    def _restated(self, frame: Frame, order: Order | None, at_ns: int) -> Read:
        return (self._ends if _status(frame) in ENDED else self._replaced)(frame, order, at_ns)

    def _rejected(self, frame: Frame, order: Order | None, _at_ns: int) -> Read:
        repeated = order is not None and order.said > 1
        if order is not None and (repeated or frame.text(Tag.ORD_REJ_REASON) == DUPLICATE_ORDER):
            self._book.keep(msgspec.structs.replace(order, ended=False))
            return Read(ask=(order.id,))  # said twice: which of the two is refused is not told
        return _one(Rejected(order=_id(order), reason=_reason(frame, Tag.ORD_REJ_REASON)), frame)

    def _trade(self, frame: Frame, order: Order | None, at_ns: int) -> Read:
        traded_ns = frame.time(Tag.TRANSACT_TIME) if frame.text(Tag.TRANSACT_TIME) else at_ns
        shares, price = frame.shares(Tag.LAST_QTY), frame.price(Tag.LAST_PX)
        if shares == 0 or price == 0:
            tag = Tag.LAST_PX if shares else Tag.LAST_QTY
            raise Unreadable(tag, frame.text(tag), "a trade has shares and a price")
        status = _status(frame)
        left = frame.text(Tag.LEAVES_QTY)
        filled = Filled(
            order=order.id if order is not None else "",
            execution=frame.needed(Tag.EXEC_ID),
            symbol=frame.needed(Tag.SYMBOL),
            side=frame.side(),
            shares=shares,
            price=price,
            fee=fee_of(frame, shares, price),
            complete=status in ENDED
            or (status in PENDING and bool(left) and frame.shares(Tag.LEAVES_QTY) == 0),
            settles=frame.day(Tag.SETTL_DATE)
            if frame.text(Tag.SETTL_DATE)
            else settlement_day(_HOURS.at(traded_ns).day),
            traded_ns=traded_ns,
        )
        self._book.fill(filled)
        return _one(filled, frame)

    def _correct(self, frame: Frame, _order: Order | None, _at_ns: int) -> Read:
        shares, price = frame.shares(Tag.LAST_QTY), frame.price(Tag.LAST_PX)
        first = self._book.corrects(frame.needed(Tag.EXEC_ID), frame.needed(Tag.EXEC_REF_ID))
        self._book.stands_at(first, shares, price)
        return _one(Corrected(execution=first, shares=shares, price=price), frame)

    def _bust(self, frame: Frame, _order: Order | None, _at_ns: int) -> Read:
        first = self._book.first(frame.needed(Tag.EXEC_REF_ID))
        self._book.stands_at(first, 0, 0)
        return _one(Busted(execution=first), frame)

    def _settlement(self, frame: Frame) -> Read:
        said = frame.needed(Tag.SETTLED)
        if said not in ("Y", "N"):
            raise Unreadable(Tag.SETTLED, said, "an execution settled (Y) or did not (N)")
        report = Settled(execution=frame.needed(Tag.EXEC_ID), settled=said == "Y")
        return Read((Told(report, f"Settled:{frame.needed(Tag.TRADE_REPORT_ID)}"),))

    # --- answers to a question -----------------------------------------------------------------------------------------

    def _answer(self, frame: Frame, order: Order | None, at_ns: int) -> Read:
        if order is None:  # asked for one that this book does not have: the broker's word counts
            if _status(frame) is OrdStatus.REJECTED and frame.text(Tag.ORD_REJ_REASON) == UNKNOWN_ORDER:
                return _one(NotKnown(order=base(frame.needed(Tag.CL_ORD_ID))), frame)
            raise Unreadable(Tag.CL_ORD_ID, frame.text(Tag.CL_ORD_ID), "nobody sent an order of this id")
        status = _status(frame)
        done, told = frame.shares(Tag.CUM_QTY, 0), self._book.traded(order.id)
        missed = (
            f"order {order.id}: {done} shares are done and {told} were told, in 1e-9" if done > told else ""
        )
        return self._STATES[status](self, frame, order, at_ns)._replace(missed=missed)

    def _works(self, frame: Frame, order: Order, _at_ns: int) -> Read:
        broker_order = frame.text(Tag.ORDER_ID, order.broker_order)
        self._book.keep(
            msgspec.structs.replace(
                order, known=True, ended=False, asked_end=False, broker_order=broker_order
            )
        )
        return _one(Accepted(order=order.id, broker_order=broker_order), frame)

    def _is_filled(self, _frame: Frame, order: Order, _at_ns: int) -> Read:
        self._book.keep(msgspec.structs.replace(order, known=True, ended=True))
        return Read(tuple(Told(one, key_of(one, "")) for one in self._book.fills(order.id)))

    def _is_over(self, frame: Frame, order: Order, at_ns: int) -> Read:
        order = msgspec.structs.replace(order, known=True, ended=True)
        self._book.keep(order)
        return self._ends(frame, order, at_ns)

    def _was_refused(self, frame: Frame, order: Order, _at_ns: int) -> Read:
        unknown = frame.text(Tag.ORD_REJ_REASON) == UNKNOWN_ORDER
        self._book.keep(msgspec.structs.replace(order, known=not unknown, ended=True))
        if unknown:
            return _one(NotKnown(order=order.id), frame)
        return _one(Rejected(order=order.id, reason=_reason(frame, Tag.ORD_REJ_REASON)), frame)

    def _is_odd(self, frame: Frame, _order: Order, _at_ns: int) -> Read:
        raise Unreadable(Tag.ORD_STATUS, frame.text(Tag.ORD_STATUS), "no order of this line stands so")

    # --- refusals ------------------------------------------------------------------------------------------------------

    def _cancel_reject(self, frame: Frame) -> Read:
        said = frame.needed(Tag.CL_ORD_ID)
        order = self._order(frame)
        if order is None:
            raise Unreadable(Tag.CL_ORD_ID, said, "nobody sent an order of this id")
        if frame.text(Tag.CXL_REJ_REASON) == DUPLICATE_ORDER:
            return Read(ask=(order.id,))
        return self._request_refused(order, said, _reason(frame, Tag.CXL_REJ_REASON))

    def _request_refused(self, order: Order, said: str, reason: str) -> Read:
        self._book.keep(
            msgspec.structs.replace(
                order,
                cancelling="" if order.cancelling == said else order.cancelling,
                replacing="" if order.replacing == said else order.replacing,
            )
        )
        return Read(
            (
                Told(
                    CancelRefused(order=order.id, reason=reason), f"CancelRefused:{said}:{_digest((reason,))}"
                ),
            )
        )

    def _refused(self, frame: Frame, epoch: str) -> Read:
        """A message of ours was refused by its number."""
        seq = number(Tag.REF_SEQ_NUM, frame.needed(Tag.REF_SEQ_NUM), 0)
        said = self._book.said(epoch, seq)
        order = self._book.order(base(said.id)) if said is not None else None
        if said is None or order is None:
            raise Unreadable(Tag.REF_SEQ_NUM, str(seq), "no order or request left under this number")
        tag = (
            Tag.BUSINESS_REJECT_REASON
            if frame.kind is Kind.BUSINESS_MESSAGE_REJECT
            else Tag.SESSION_REJECT_REASON
        )
        reason = _reason(frame, tag)
        match said.kind:
            case Kind.NEW_ORDER_SINGLE:
                if order.said > 1 or order.known:
                    return Read(ask=(order.id,))
                self._book.keep(msgspec.structs.replace(order, known=True, ended=True))
                return Read((Told(Rejected(order=order.id, reason=reason), f"Rejected:{epoch}:{seq}"),))
            case Kind.ORDER_STATUS_REQUEST:
                if frame.text(Tag.BUSINESS_REJECT_REASON) != BUSINESS_UNKNOWN_ID:
                    raise Unreadable(
                        tag, frame.text(tag), f"the state of order {order.id} was not answered: {reason}"
                    )
                self._book.keep(msgspec.structs.replace(order, known=False, ended=True))
                return Read((Told(NotKnown(order=order.id), f"NotKnown:{epoch}:{seq}"),))
            case _:
                return self._request_refused(order, said.id, reason)

    def _order(self, frame: Frame) -> Order | None:
        for tag in (Tag.CL_ORD_ID, Tag.ORIG_CL_ORD_ID):
            if (said := frame.text(tag)) and (order := self._book.order(base(said))) is not None:
                return order
        return None

    # --- the tables ------------------------------------------------------------------------------------------------------

    _EXECUTIONS: ClassVar[Mapping[str, _Take]] = {
        ExecType.NEW: _new,
        ExecType.PENDING_NEW: _nothing,
        ExecType.PENDING_CANCEL: _nothing,
        ExecType.PENDING_REPLACE: _nothing,
        ExecType.STOPPED: _nothing,
        ExecType.SUSPENDED: _nothing,
        ExecType.CALCULATED: _nothing,
        ExecType.REJECTED: _rejected,
        ExecType.CANCELED: _ends,
        ExecType.EXPIRED: _runs_out,
        ExecType.DONE_FOR_DAY: _runs_out,
        ExecType.REPLACED: _replaced,
        ExecType.RESTATED: _restated,
        ExecType.TRADE: _trade,
        ExecType.TRADE_CORRECT: _correct,
        ExecType.TRADE_CANCEL: _bust,
        ExecType.ORDER_STATUS: _answer,
    }
    """Every ExecType of FIX 4.4 that has a meaning here."""

    _STATES: ClassVar[Mapping[OrdStatus, _Answer]] = {
        OrdStatus.NEW: _works,
        OrdStatus.PARTIALLY_FILLED: _works,
        OrdStatus.REPLACED: _works,
        OrdStatus.PENDING_NEW: _works,
        OrdStatus.PENDING_CANCEL: _works,
        OrdStatus.PENDING_REPLACE: _works,
        OrdStatus.STOPPED: _works,
        OrdStatus.SUSPENDED: _works,
        OrdStatus.FILLED: _is_filled,
        OrdStatus.CANCELED: _is_over,
        OrdStatus.EXPIRED: _is_over,
        OrdStatus.DONE_FOR_DAY: _is_over,
        OrdStatus.REJECTED: _was_refused,
        OrdStatus.CALCULATED: _is_odd,
        OrdStatus.ACCEPTED_FOR_BIDDING: _is_odd,
    }
    """What an answer says, by how the order stands."""


def fee_of(frame: Frame, shares: int, price: int) -> int:
    """The fees of one execution in micro-dollars, rounded up: commission and every MiscFee."""
    fees = sum(number(Tag.COMMISSION, said, MICRO) for said in frame.fees)
    if not frame.text(Tag.COMMISSION):
        return fees
    way = frame.text(Tag.COMM_TYPE, COMMISSION_ABSOLUTE)
    match way:
        case "3":
            return fees + frame.dollars(Tag.COMMISSION)
        case "1":
            return fees + cost_up(shares, frame.price(Tag.COMMISSION))
        case "2":
            part = number(Tag.COMMISSION, frame.needed(Tag.COMMISSION), _PERCENT_DECIMALS)
            return fees + -(-shares * price * part // (_SHARE_DOLLARS * 10**_PERCENT_DECIMALS))
        case _:
            known = (COMMISSION_PER_UNIT, COMMISSION_PERCENT, COMMISSION_ABSOLUTE)
            raise Unreadable(Tag.COMM_TYPE, way, f"commissions are one of {', '.join(known)}")


def _one(report: Report, frame: Frame) -> Read:
    asked = frame.text(Tag.ORD_STATUS_REQ_ID)
    execution = frame.text(Tag.EXEC_ID)
    answers = frame.text(Tag.EXEC_TYPE) == ExecType.ORDER_STATUS
    place = f"{asked or execution}:{frame.text(Tag.ORD_STATUS)}" if answers else execution
    return Read((Told(report, key_of(report, place)),))


def _status(frame: Frame) -> OrdStatus:
    said = frame.needed(Tag.ORD_STATUS)
    try:
        return OrdStatus(said)
    except ValueError:
        raise Unreadable(Tag.ORD_STATUS, said, "no order stands so") from None


def _id(order: Order | None) -> str:
    return order.id if order is not None else ""


def _reason(frame: Frame, tag: Tag) -> str:
    code = frame.text(tag)
    return frame.text(Tag.TEXT) or (f"reason {code}" if code else "no reason was given")


def _digest(said: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(said).encode()).hexdigest()[:_DIGEST]
