"""Instructions as FIX messages: ids of requests, and shares computed where a broker takes no order in dollars.

Responsible for: every field the venue says. Never: sends, or rounds a customer's dollars up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from novate.broker.fix.frame import NANO, Frame, number_text, time_text
from novate.broker.fix.orders import Order
from novate.broker.fix.settings import FixSettings
from novate.broker.fix.tags import NO_SYMBOL, SIDE_TEXT, Kind, Tag
from novate.broker.port import CancelOrder, NewOrder, ReplaceOrder
from novate.messages.codes import Side
from novate.units import MICRO

_LIMIT: Final = "2"
_DAY: Final = "0"
_AUTOMATED: Final = "1"
_DOLLARS: Final = "USD"
_MILLION: Final = 10**6


def shares_said(order: NewOrder, settings: FixSettings) -> int:
    """Shares that an order is said to be for: what dollars buy at the limit with fees at most, and never more than asked; in 1e-9.

    0 where the order is said in dollars, or where nothing can be bought: `said_in_dollars` tells which.
    """
    if said_in_dollars(order, settings):
        return 0
    shares = order.shares
    if order.side is Side.BID and order.dollars:
        # dollars (1e-6) / [limit x (1 + rate) + fee each] (1e-9 x 1e-6), in 1e-9 shares
        worst = order.limit * (_MILLION + settings.fee_ppm) + settings.fee_each * _MILLION
        bought = order.dollars * 10 ** (NANO - MICRO) * 10**NANO * _MILLION // worst if worst else 0
        shares = min(shares, bought) if shares else bought
    return taken(shares, order, settings)


def taken(shares: int, order: NewOrder, settings: FixSettings) -> int:
    """Shares as the broker takes them of an order, rounded down: whole ones, or its decimals."""
    step = 10**NANO if order.whole else 10 ** (NANO - settings.fraction_decimals)
    return shares // step * step


def said_in_dollars(order: NewOrder, settings: FixSettings) -> bool:
    """Whether the broker is told dollars."""
    return settings.cash_orders and order.side is Side.BID and order.shares == 0 and not order.whole


def new_order(order: Order, settings: FixSettings, at_ns: int) -> Frame:
    """NewOrderSingle: a limit order for the day."""
    amount: dict[int, str] = (
        {Tag.CASH_ORDER_QTY: number_text(order.asked.dollars, MICRO)}
        if order.shares == 0
        else {Tag.ORDER_QTY: number_text(order.shares, NANO)}
    )
    fields: dict[int, str] = {
        Tag.CL_ORD_ID: order.id,
        **_account(settings),
        Tag.HANDL_INST: _AUTOMATED,
        **_name(order),
        Tag.TRANSACT_TIME: time_text(at_ns),
        **amount,
        Tag.ORD_TYPE: _LIMIT,
        Tag.PRICE: number_text(order.limit, NANO),
        Tag.CURRENCY: _DOLLARS,
        Tag.TIME_IN_FORCE: _DAY,
        **{int(tag): said for tag, said in settings.order_fields.items()},
    }
    return Frame(Kind.NEW_ORDER_SINGLE, fields, poss_resend=order.said > 0)


def cancel(order: Order, asked: CancelOrder, settings: FixSettings, at_ns: int) -> Frame:
    """OrderCancelRequest."""
    fields: dict[int, str] = {
        Tag.CL_ORD_ID: cancel_id(asked),
        Tag.ORIG_CL_ORD_ID: order.works_as,
        **_known(order),
        **_account(settings),
        **_name(order),
        Tag.TRANSACT_TIME: time_text(at_ns),
        **_amount(order),
    }
    return Frame(Kind.ORDER_CANCEL_REQUEST, fields)


def replace(order: Order, asked: ReplaceOrder, settings: FixSettings, at_ns: int) -> Frame:
    """OrderCancelReplaceRequest."""
    fields: dict[int, str] = {
        Tag.CL_ORD_ID: replace_id(asked),
        Tag.ORIG_CL_ORD_ID: order.works_as,
        **_known(order),
        **_account(settings),
        Tag.HANDL_INST: _AUTOMATED,
        **_name(order),
        Tag.TRANSACT_TIME: time_text(at_ns),
        Tag.ORDER_QTY: number_text(taken(asked.shares, order.asked, settings), NANO),
        Tag.ORD_TYPE: _LIMIT,
        Tag.PRICE: number_text(asked.limit, NANO),
        Tag.CURRENCY: _DOLLARS,
        Tag.TIME_IN_FORCE: _DAY,
    }
    return Frame(Kind.ORDER_CANCEL_REPLACE_REQUEST, fields)


def status(order: Order, request: str, settings: FixSettings) -> Frame:
    """OrderStatusRequest, under the id the order works as now."""
    fields: dict[int, str] = {
        Tag.ORD_STATUS_REQ_ID: request,
        Tag.CL_ORD_ID: order.works_as,
        **_known(order),
        **_account(settings),
        **_name(order),
    }
    return Frame(Kind.ORDER_STATUS_REQUEST, fields)


def status_of_unknown(order: str, request: str) -> Frame:
    """OrderStatusRequest for an order that this side never said: the standard wants a side and a symbol all the same."""
    fields: dict[int, str] = {
        Tag.ORD_STATUS_REQ_ID: request,
        Tag.CL_ORD_ID: order,
        Tag.SYMBOL: NO_SYMBOL,
        Tag.SIDE: SIDE_TEXT[Side.BID],
    }
    return Frame(Kind.ORDER_STATUS_REQUEST, fields)


def cancel_id(asked: CancelOrder) -> str:
    """The id of a cancel: of no order, since orders have no point in theirs."""
    return f"{asked.order}.C{asked.attempt}"


def replace_id(asked: ReplaceOrder) -> str:
    """The id of a replace."""
    return f"{asked.order}.R{asked.attempt}"


def _name(order: Order) -> Mapping[int, str]:
    return {Tag.SYMBOL: order.asked.symbol, Tag.SIDE: SIDE_TEXT[order.asked.side]}


def _account(settings: FixSettings) -> Mapping[int, str]:
    return {Tag.ACCOUNT: settings.account} if settings.account else {}


def _known(order: Order) -> Mapping[int, str]:
    return {Tag.ORDER_ID: order.broker_order} if order.broker_order else {}


def _amount(order: Order) -> Mapping[int, str]:
    if order.shares == 0:
        return {Tag.CASH_ORDER_QTY: number_text(order.asked.dollars, MICRO)}
    return {Tag.ORDER_QTY: number_text(order.shares, NANO)}
