"""What Alpaca says, as reports: trade updates of the stream, activity events of the record, and orders as they stand.

Three sources say the same things, so every report has a key that does not depend on which of them it came by: an execution's id for what is
about executions, the broker's order id and what became of it for the rest.

Responsible for: one reading of every documented event. Never: speaks to anybody, remembers, or decides what was told already.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from novate.broker.alpaca.exact import (
    Json,
    day_of,
    is_replacement,
    micro,
    moment_ns,
    nano,
    order_of,
    part,
    said,
    side_of,
)
from novate.broker.hours import Hours, settlement_day
from novate.broker.port import (
    Accepted,
    Busted,
    Cancelled,
    CancelRefused,
    Corrected,
    Filled,
    Rejected,
    Replaced,
    Report,
)
from novate.errors import DataError
from novate.messages.codes import Session

TRADE: Final = "TRD"
OPEN: Final = frozenset(
    {
        "new", "accepted", "pending_new", "accepted_for_bidding", "partially_filled", "pending_cancel", "pending_replace", "stopped",
        "suspended", "held", "calculated", "done_for_day", "pending_review",
    }
)  # fmt: skip
"""States of an order that may still trade or be told more of."""
WORKS: Final = frozenset({"new", "accepted", "partially_filled", "filled"})
_ENDED: Final = {"canceled": "canceled_at", "expired": "expired_at", "rejected": "failed_at"}
HOURS: Final = Hours((Session.PRE, Session.POST, Session.OVERNIGHT))
"""When the broker executes orders; a trade of the evening belongs to the next trading day."""


class Told(NamedTuple):
    """A report without the circumstances of its hearing."""

    report: Report
    key: str
    moment_ns: int
    """When it happened, by the broker's clock."""


def from_update(data: Json) -> list[Told]:
    """What a trade update says. Raises DataError; an event that tells nothing new is an empty list."""
    event = said(data, "event")
    order = part(data, "order")
    if event in ("fill", "partial_fill"):
        return [_filled_by_update(data, order, complete=event == "fill")]
    if event in ("trade_bust", "trade_correct"):
        return [
            _taken_back(
                data, said(data, "previous_execution_id"), said(data, "execution_id"), event, "timestamp"
            )
        ]
    if event in ("order_cancel_rejected", "order_replace_rejected"):
        return _refused(data, order, event)
    if event in ("new", "accepted"):
        return _alive(order) if event == "new" or not is_replacement(order.get("client_order_id")) else []
    if event in _ENDED:
        return _ended(
            order, event, str(data.get("reason") or ""), moment_ns(data.get("timestamp"), "timestamp")
        )
    return []


def from_event(event: Json) -> list[Told]:
    """What an activity event says of an execution; nothing where it is about something else. Raises DataError."""
    if event.get("activity_type") != TRADE:
        return []
    details = part(event, "details")
    kind, ref = said(details, "execution_type"), said(event, "ref_id")
    if kind in ("trade_bust", "trade_correct"):
        return [_taken_back(event, said(event, "previous_id"), ref, kind, "executed_at")]
    if kind not in ("fill", "partial_fill"):
        raise DataError(f"Alpaca's execution_type is unknown: {kind!r}", field="execution_type")
    report = Filled(
        order=order_of(details.get("client_order_id")),
        execution=ref,
        symbol=said(details, "symbol"),
        side=side_of(details.get("side")),
        shares=nano(event.get("qty"), "qty"),
        price=nano(event.get("price"), "price"),
        fee=micro(details.get("commission"), "commission"),
        complete=details.get("order_status") == "filled",
        settles=day_of(event.get("settle_date"), "settle_date"),
        traded_ns=moment_ns(event.get("executed_at"), "executed_at"),
    )
    return [Told(report, ref, moment_ns(event.get("at"), "at"))]


def from_order(order: Json) -> list[Told]:
    """What an order's state says: that it works or worked, and how it ended. Its executions are the record's. Raises DataError."""
    status = said(order, "status")
    told = _alive(order) if status in WORKS else []
    if status in _ENDED:
        told = _ended(
            order, status, "", moment_ns(order.get(_ENDED[status]) or order.get("updated_at"), "updated_at")
        )
    return told


def commission_of(data: Json) -> bool:
    """Whether a trade update's order has a commission, which only the record splits over its executions."""
    commission = part(data, "order").get("commission")
    return bool(commission) and micro(commission, "commission") != 0


def _filled_by_update(data: Json, order: Json, *, complete: bool) -> Told:
    execution, traded_ns = said(data, "execution_id"), moment_ns(data.get("timestamp"), "timestamp")
    report = Filled(
        order=order_of(order.get("client_order_id")),
        execution=execution,
        symbol=said(order, "symbol"),
        side=side_of(order.get("side")),
        shares=nano(data.get("qty"), "qty"),
        price=nano(data.get("price"), "price"),
        fee=0,
        complete=complete,
        settles=settlement_day(HOURS.at(traded_ns).day),
        traded_ns=traded_ns,
    )
    return Told(report, execution, traded_ns)


def _taken_back(message: Json, previous: str, key: str, kind: str, moment: str) -> Told:
    """A bust or a correction. What it is about may itself be a correction: whoever tells it goes back to the first."""
    at_ns = moment_ns(message.get(moment) or message.get("at"), moment)
    if kind == "trade_bust":
        return Told(Busted(execution=previous), key, at_ns)
    shares, price = nano(message.get("qty"), "qty"), nano(message.get("price"), "price")
    return Told(Corrected(execution=previous, shares=shares, price=price), key, at_ns)


def _alive(order: Json) -> list[Told]:
    """Works: as itself, or in another's place."""
    client, broker_order = order.get("client_order_id"), said(order, "id")
    ours = order_of(client)
    if not ours:
        return []
    at_ns = moment_ns(order.get("submitted_at") or order.get("created_at"), "submitted_at")
    if not is_replacement(client):
        return [Told(Accepted(order=ours, broker_order=broker_order), f"{broker_order}:accepted", at_ns)]
    shares, limit = nano(order.get("qty"), "qty"), nano(order.get("limit_price"), "limit_price")
    return [Told(Replaced(order=ours, shares=shares, limit=limit), f"{broker_order}:replaced", at_ns)]


def _ended(order: Json, how: str, reason: str, at_ns: int) -> list[Told]:
    ours, broker_order = order_of(order.get("client_order_id")), said(order, "id")
    if not ours:
        return []
    report: Report
    if how != "rejected":
        asked = how == "canceled" and bool(order.get("cancel_requested_at"))
        report = Cancelled(order=ours, asked=asked, reason=reason or ("" if asked else how))
    elif is_replacement(order.get("client_order_id")):
        report = CancelRefused(order=ours, reason=reason or "the replacement was rejected")
    else:
        report = Rejected(order=ours, reason=reason or "rejected")
    return [Told(report, f"{broker_order}:{how}", at_ns)]


def _refused(data: Json, order: Json, event: str) -> list[Told]:
    ours = order_of(order.get("client_order_id"))
    stamp = said(data, "timestamp")
    report = CancelRefused(order=ours, reason=str(data.get("reason") or event))
    return (
        [Told(report, f"{said(order, 'id')}:{event}:{stamp}", moment_ns(stamp, "timestamp"))] if ours else []
    )
