"""The exchange's side of FIX: requests as instructions, reports as messages.

Responsible for: every field a counterparty gets, with the order's state behind it (CumQty, AvgPx, LeavesQty, OrdStatus), and ids of requests that
chain. Settlement has no message in FIX 4.4, so a TradeCaptureReport has a tag of this line's own. Never: sends, matches, or knows QuickFIX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from novate.broker.fix.frame import NANO, Frame, Unreadable, day_text, number_text, time_text
from novate.broker.fix.orders import Order, SessionBook
from novate.broker.fix.settings import Client
from novate.broker.fix.tags import (
    BUSINESS_NOT_AVAILABLE,
    CANCEL_TOO_LATE,
    CANCEL_UNKNOWN_ORDER,
    COMMISSION_ABSOLUTE,
    DUPLICATE_ORDER,
    NO_SYMBOL,
    OTHER_REASON,
    REJECT_OF_CANCEL,
    REJECT_OF_REPLACE,
    SIDE_TEXT,
    UNKNOWN_ORDER,
    ExecType,
    Kind,
    OrdStatus,
    Tag,
)
from novate.broker.port import (
    Accepted,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    Filled,
    Heard,
    NewOrder,
    NotKnown,
    Rejected,
    Replaced,
    ReplaceOrder,
    Report,
    Settled,
)
from novate.calendar import new_york_date
from novate.messages.codes import Side
from novate.units import MICRO

_LIMIT: Final = "2"
_DAY: Final = "0"
_NO_ID: Final = "NONE"
_OVER: Final = frozenset({OrdStatus.CANCELED, OrdStatus.REJECTED})


class Server:
    """One counterparty's orders, by its book."""

    def __init__(self, client: Client, book: SessionBook, clock: Callable[[], int]) -> None:
        self._client, self._book, self._clock = client, book, clock

    # --- requests ------------------------------------------------------------------------------------------------------

    def new_order(self, frame: Frame) -> NewOrder | Frame:
        """The order of a NewOrderSingle, kept; or the report that refuses it."""
        client_id = frame.needed(Tag.CL_ORD_ID)
        if (known := self._book.order(client_id)) is not None:
            return self._refusal(known, DUPLICATE_ORDER, "the id was used before", frame.seq)
        asked = self._asked(frame, client_id)
        order = Order(asked=asked, shares=asked.shares, limit=asked.limit, works_as=client_id)
        if (reason := self._odd(frame)) != "":
            return self._refusal(order, OTHER_REASON, reason, frame.seq)
        self._book.keep(order)
        return asked

    def _asked(self, frame: Frame, client_id: str) -> NewOrder:
        shares = frame.shares(Tag.ORDER_QTY, 0)
        return NewOrder(
            order=client_id,
            symbol=frame.needed(Tag.SYMBOL),
            side=frame.side(),
            shares=shares,
            dollars=frame.dollars(Tag.CASH_ORDER_QTY, 0),
            limit=frame.price(Tag.PRICE),
            whole=shares > 0 and shares % 10**NANO == 0,
        )

    def _odd(self, frame: Frame) -> str:
        """Why an order is not taken; empty where it is."""
        if frame.text(Tag.ORD_TYPE) != _LIMIT:
            return f"tag 40 (OrdType) is {frame.text(Tag.ORD_TYPE)}: only 2 (limit) is taken"
        if frame.text(Tag.TIME_IN_FORCE, _DAY) != _DAY:
            return f"tag 59 (TimeInForce) is {frame.text(Tag.TIME_IN_FORCE)}: only 0 (day) is taken"
        in_dollars, in_shares = bool(frame.text(Tag.CASH_ORDER_QTY)), bool(frame.text(Tag.ORDER_QTY))
        if in_dollars and not self._client.cash_orders:
            return "tag 152 (CashOrderQty): no order in dollars is taken"
        if in_dollars == in_shares:
            return "an order has tag 38 (OrderQty) or tag 152 (CashOrderQty), one of them"
        return ""

    def change(self, frame: Frame) -> CancelOrder | ReplaceOrder | Frame:
        """What a cancel or replace asks for, kept; or the message that refuses it."""
        client_id, replaces = frame.needed(Tag.CL_ORD_ID), frame.kind is Kind.ORDER_CANCEL_REPLACE_REQUEST
        with self._book.together():
            order = self._named(frame.needed(Tag.ORIG_CL_ORD_ID))
            if order is None:
                return self._cancel_refusal(client_id, frame, None, CANCEL_UNKNOWN_ORDER, "no such order")
            if self._book.fact(_alias(client_id)):
                return self._cancel_refusal(
                    client_id, frame, order, DUPLICATE_ORDER, "the id was used before"
                )
            attempt = order.said + 1
            instruction: CancelOrder | ReplaceOrder = CancelOrder(order=order.id, attempt=attempt)
            named = {"replacing" if replaces else "cancelling": client_id}
            if replaces:
                shares, limit = frame.shares(Tag.ORDER_QTY), frame.price(Tag.PRICE)
                instruction = ReplaceOrder(order=order.id, shares=shares, limit=limit, attempt=attempt)
            self._book.keep_fact(_alias(client_id), order.id)
            self._book.keep(msgspec.structs.replace(order, said=attempt, **named))
            return instruction

    def state(self, frame: Frame) -> tuple[list[Frame], str]:
        """The answer to an OrderStatusRequest: the order's fills again, and how it stands; and what to ask the exchange: what it never answered."""
        order = self._named(frame.needed(Tag.CL_ORD_ID))
        if order is not None and not order.known:
            return [], order.id
        if order is None:
            return [self._unknown(frame.needed(Tag.CL_ORD_ID), frame.text(Tag.ORD_STATUS_REQ_ID))], ""
        again = [self._fill(order, one)._replace(poss_resend=True) for one in self._book.fills(order.id)]
        answer = self._report(order, ExecType.ORDER_STATUS, "0")
        if frame.text(Tag.ORD_STATUS_REQ_ID):
            answer = _with(answer, {Tag.ORD_STATUS_REQ_ID: frame.needed(Tag.ORD_STATUS_REQ_ID)})
        return [*again, answer], ""

    def not_available(self, frame: Frame, why: str) -> Frame:
        """What answers a request while there is no exchange behind the session."""
        fields: dict[int, str] = {
            Tag.REF_SEQ_NUM: str(frame.seq),
            Tag.REF_MSG_TYPE: frame.kind.value,
            Tag.BUSINESS_REJECT_REASON: BUSINESS_NOT_AVAILABLE,
            Tag.TEXT: why,
        }
        if named := frame.text(Tag.CL_ORD_ID):
            fields[Tag.BUSINESS_REJECT_REF_ID] = named
        return Frame(Kind.BUSINESS_MESSAGE_REJECT, fields)

    # --- reports -------------------------------------------------------------------------------------------------------

    def report(self, heard: Heard) -> list[Frame]:
        """The messages of a report; the book brought up to it."""
        with self._book.together():
            return self._said(heard.report, heard.key)

    def _said(self, report: Report, key: str) -> list[Frame]:
        match report:
            case Filled():
                return [self._filled(report)]
            case Busted():
                order = self._restands(report.execution, 0, 0)
                return [self._taken_back(order, report.execution, ExecType.TRADE_CANCEL, key, {})]
            case Corrected():
                fields: dict[int, str] = {
                    Tag.LAST_QTY: number_text(report.shares, NANO),
                    Tag.LAST_PX: number_text(report.price, NANO),
                }
                order = self._restands(report.execution, report.shares, report.price)
                return [self._taken_back(order, report.execution, ExecType.TRADE_CORRECT, key, fields)]
            case Settled():
                return self._settlement(report, key)
            case NotKnown():
                return [self._unknown(report.order, "")]
            case Accepted() | Rejected() | Cancelled() | CancelRefused() | Replaced():
                order = self._book.order(report.order)
                return [] if order is None else [self._of_order(order, report, key)]
            case _:
                return []

    def _of_order(
        self, order: Order, report: Accepted | Rejected | Cancelled | CancelRefused | Replaced, key: str
    ) -> Frame:
        fields: dict[int, str]
        match report:
            case Accepted():
                status = OrdStatus.PARTIALLY_FILLED if order.done else OrdStatus.NEW
                order = self._kept(order, known=True, broker_order=report.broker_order, status=status.value)
                return self._report(order, ExecType.NEW, key)
            case Rejected():
                order = self._kept(order, known=True, ended=True, status=OrdStatus.REJECTED.value)
                fields = {Tag.ORD_REJ_REASON: OTHER_REASON, Tag.TEXT: report.reason}
                return _with(self._report(order, ExecType.REJECTED, key), fields)
            case Cancelled():
                asked = order.cancelling if report.asked else ""
                fields = {Tag.CL_ORD_ID: asked or order.works_as, **_text(report.reason)}
                if asked:
                    fields[Tag.ORIG_CL_ORD_ID] = order.works_as
                order = self._kept(
                    order, known=True, ended=True, cancelling="", status=OrdStatus.CANCELED.value
                )
                return _with(self._report(order, ExecType.CANCELED, key), fields)
            case Replaced():
                was = order.works_as
                order = self._kept(
                    order,
                    works_as=order.replacing or was,
                    replacing="",
                    shares=report.shares,
                    limit=report.limit,
                )
                return _with(self._report(order, ExecType.REPLACED, key), {Tag.ORIG_CL_ORD_ID: was})
            case CancelRefused():
                replaces, request = not order.cancelling, order.cancelling or order.replacing
                order = self._kept(order, cancelling="", replacing=order.replacing if not replaces else "")
                fields = {
                    Tag.ORDER_ID: order.broker_order or _NO_ID,
                    Tag.CL_ORD_ID: request or order.works_as,
                    Tag.ORIG_CL_ORD_ID: order.works_as,
                    Tag.ORD_STATUS: order.status,
                    Tag.CXL_REJ_RESPONSE_TO: REJECT_OF_REPLACE if replaces else REJECT_OF_CANCEL,
                    Tag.CXL_REJ_REASON: CANCEL_TOO_LATE,
                    **_text(report.reason),
                }
                return Frame(Kind.ORDER_CANCEL_REJECT, fields)

    def _filled(self, report: Filled) -> Frame:
        order = self._book.order(report.order)
        if order is None:
            return self._fill(None, report)
        if self._book.fill(report):
            status = OrdStatus.FILLED if report.complete else OrdStatus.PARTIALLY_FILLED
            if OrdStatus(order.status) in _OVER:
                status = OrdStatus(order.status)
            order = self._kept(
                order,
                known=True,
                done=order.done + report.shares,
                value=str(int(order.value) + report.shares * report.price),
                ended=order.ended or report.complete,
                status=status.value,
            )
        return self._fill(order, report)

    def _fill(self, order: Order | None, report: Filled) -> Frame:
        said = self._report(order, ExecType.TRADE, report.execution)
        fee = number_text(report.fee, MICRO)
        in_groups = self._client.fees == "misc"
        fields: dict[int, str] = {
            Tag.SYMBOL: report.symbol,
            Tag.SIDE: SIDE_TEXT[report.side],
            Tag.LAST_QTY: number_text(report.shares, NANO),
            Tag.LAST_PX: number_text(report.price, NANO),
            Tag.TRANSACT_TIME: time_text(report.traded_ns),
            Tag.SETTL_DATE: day_text(report.settles),
        }
        if order is None and report.complete:
            fields[Tag.ORD_STATUS] = OrdStatus.FILLED
        if report.fee and not in_groups:
            fields |= {Tag.COMMISSION: fee, Tag.COMM_TYPE: COMMISSION_ABSOLUTE}
        return _with(said, fields)._replace(fees=(fee,) if report.fee and in_groups else ())

    def _restands(self, execution: str, shares: int, price: int) -> Order | None:
        """An execution is something else now, and so are its order's sums."""
        was = self._book.stands(execution)
        order = self._book.order(was.order) if was is not None else None
        if was is None or order is None:
            return None
        self._book.stands_at(execution, shares, price)
        value = int(order.value) - was.shares * was.price + shares * price
        return self._kept(order, done=order.done - was.shares + shares, value=str(value))

    def _taken_back(
        self, order: Order | None, execution: str, kind: ExecType, key: str, fields: Mapping[int, str]
    ) -> Frame:
        return _with(self._report(order, kind, key), {Tag.EXEC_REF_ID: execution, **fields})

    def _settlement(self, report: Settled, key: str) -> list[Frame]:
        fill = self._book.filled(report.execution)
        if fill is None:
            return []
        order = self._book.order(fill.order)
        fields: dict[int, str] = {
            Tag.TRADE_REPORT_ID: key,
            Tag.PREVIOUSLY_REPORTED: "N",
            Tag.EXEC_ID: report.execution,
            Tag.SYMBOL: fill.symbol,
            Tag.SIDE: SIDE_TEXT[fill.side],
            Tag.ORDER_ID: order.broker_order or _NO_ID if order is not None else _NO_ID,
            Tag.LAST_QTY: number_text(fill.shares, NANO),
            Tag.LAST_PX: number_text(fill.price, NANO),
            Tag.TRADE_DATE: day_text(new_york_date(fill.traded_ns)),
            Tag.TRANSACT_TIME: time_text(fill.traded_ns),
            Tag.SETTL_DATE: day_text(fill.settles),
            Tag.SETTLED: "Y" if report.settled else "N",
        }
        return [Frame(Kind.TRADE_CAPTURE_REPORT, fields)]

    def _report(self, order: Order | None, kind: ExecType, execution: str) -> Frame:
        """An ExecutionReport with the order's state."""
        fields: dict[int, str] = {
            Tag.ORDER_ID: _NO_ID,
            Tag.EXEC_ID: execution,
            Tag.EXEC_TYPE: kind.value,
            Tag.ORD_STATUS: OrdStatus.PARTIALLY_FILLED.value,
            Tag.SYMBOL: NO_SYMBOL,
            Tag.SIDE: SIDE_TEXT[Side.BID],
            Tag.TRANSACT_TIME: time_text(self._clock()),
            Tag.LEAVES_QTY: "0",
            Tag.CUM_QTY: "0",
            Tag.AVG_PX: "0",
        }
        if order is not None:
            fields |= {
                Tag.ORDER_ID: order.broker_order or _NO_ID,
                Tag.CL_ORD_ID: order.works_as,
                Tag.ORD_STATUS: order.status,
                Tag.SYMBOL: order.asked.symbol,
                Tag.SIDE: SIDE_TEXT[order.asked.side],
                Tag.PRICE: number_text(order.limit, NANO),
                Tag.LEAVES_QTY: number_text(_left(order), NANO),
                Tag.CUM_QTY: number_text(order.done, NANO),
                Tag.AVG_PX: number_text(int(order.value) // order.done if order.done else 0, NANO),
            }
            if order.shares:
                fields[Tag.ORDER_QTY] = number_text(order.shares, NANO)
            else:
                fields[Tag.CASH_ORDER_QTY] = number_text(order.asked.dollars, MICRO)
        return Frame(Kind.EXECUTION_REPORT, fields)

    # --- refusals ------------------------------------------------------------------------------------------------------

    def _refusal(self, order: Order, code: str, reason: str, seq: int) -> Frame:
        fields: dict[int, str] = {
            Tag.ORD_STATUS: OrdStatus.REJECTED.value,
            Tag.ORD_REJ_REASON: code,
            Tag.TEXT: reason,
        }
        return _with(self._report(order, ExecType.REJECTED, f"refused-{order.id}-{seq}"), fields)

    def _cancel_refusal(
        self, client_id: str, frame: Frame, order: Order | None, code: str, reason: str
    ) -> Frame:
        replaces = frame.kind is Kind.ORDER_CANCEL_REPLACE_REQUEST
        fields: dict[int, str] = {
            Tag.ORDER_ID: order.broker_order or _NO_ID if order is not None else _NO_ID,
            Tag.CL_ORD_ID: client_id,
            Tag.ORIG_CL_ORD_ID: frame.needed(Tag.ORIG_CL_ORD_ID),
            Tag.ORD_STATUS: order.status if order is not None else OrdStatus.REJECTED.value,
            Tag.CXL_REJ_RESPONSE_TO: REJECT_OF_REPLACE if replaces else REJECT_OF_CANCEL,
            Tag.CXL_REJ_REASON: code,
            Tag.TEXT: reason,
        }
        return Frame(Kind.ORDER_CANCEL_REJECT, fields)

    def _unknown(self, client_id: str, request: str) -> Frame:
        fields: dict[int, str] = {
            Tag.CL_ORD_ID: client_id,
            Tag.ORD_STATUS: OrdStatus.REJECTED.value,
            Tag.ORD_REJ_REASON: UNKNOWN_ORDER,
            Tag.TEXT: "no such order",
        }
        if request:
            fields[Tag.ORD_STATUS_REQ_ID] = request
        return _with(self._report(None, ExecType.ORDER_STATUS, "0"), fields)

    # --- parts ---------------------------------------------------------------------------------------------------------

    def _named(self, client_id: str) -> Order | None:
        return self._book.order(client_id) or self._book.order(self._book.fact(_alias(client_id)))

    def _kept(self, order: Order, **changes: object) -> Order:
        changed = msgspec.structs.replace(order, **changes)
        self._book.keep(changed)
        return changed


def _left(order: Order) -> int:
    """Shares that may still be traded."""
    if order.ended:
        return 0
    if order.shares:
        return max(0, order.shares - order.done)
    left = order.asked.dollars * 10**12 - int(order.value)
    return max(0, left // order.limit)


def _with(frame: Frame, fields: Mapping[int, str]) -> Frame:
    return frame._replace(fields={**frame.fields, **fields})


def _text(reason: str) -> Mapping[int, str]:
    return {Tag.TEXT: reason} if reason else {}


def _alias(client_id: str) -> str:
    return f"id {client_id}"


def unreadable(frame: Frame, error: Unreadable) -> Frame:
    """What answers a request that can't be read."""
    fields: dict[int, str] = {
        Tag.REF_SEQ_NUM: str(frame.seq),
        Tag.REF_MSG_TYPE: frame.kind.value,
        Tag.BUSINESS_REJECT_REASON: "5" if error.missing else "0",
        Tag.TEXT: error.sentence,
    }
    if named := frame.text(Tag.CL_ORD_ID):
        fields[Tag.BUSINESS_REJECT_REF_ID] = named
    return Frame(Kind.BUSINESS_MESSAGE_REJECT, fields)
