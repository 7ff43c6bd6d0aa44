"""The broker's record of a span of time as reports in the order of their moments: activity events for executions, orders for what became of them.

Responsible for: merging the two, which execution a correction of a correction is about, what settled meanwhile, and noticing that the record of
executions is behind the orders. Never: asks the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from novate.broker.alpaca.desk import lived_since
from novate.broker.alpaca.exact import Json, is_replacement, moment_ns, nano, order_of, part
from novate.broker.alpaca.reports import TRADE, Told, from_event, from_order
from novate.broker.hours import settles_ns
from novate.broker.port import Busted, Cancelled, Corrected, Filled, Settled
from novate.calendar import new_york_date
from novate.errors import NovateError

DAY_NS: Final = 86_400 * 10**9
LONGEST_SETTLEMENT_NS: Final = 10 * DAY_NS
"""No trade waits longer for its settlement day, long weekends included."""


class RecordBehind(NovateError):
    """An order says that more of it was executed than the record of executions has. Telling its end would make a late fill of the rest."""

    code = "broker_record_behind"


class Found(NamedTuple):
    """A report and the message it was read from."""

    told: Told
    raw: bytes


@dataclass
class Corrections:
    """Which execution a correction or a bust is about in the end. A correction names the one before it, which may be a correction too."""

    _first: dict[str, str] = field(default_factory=dict)

    def note(self, told: Told) -> Told:
        """The same report about the first execution of its chain."""
        report = told.report
        if not isinstance(report, Busted | Corrected):
            return told
        first = self._first.get(report.execution, report.execution)
        self._first[told.key] = first
        if isinstance(report, Busted):
            return told._replace(report=Busted(execution=first))
        return told._replace(report=Corrected(execution=first, shares=report.shares, price=report.price))

    def knows(self, execution: str) -> bool:
        """Whether an id is a correction's."""
        return execution in self._first


def endings(orders: Iterable[Json], start_ns: int, is_told: Callable[[str], bool]) -> list[Json]:
    """Orders of the venue's that ended unfilled since `start_ns`, where nobody was told yet: their executions have to be told first."""
    return [
        order
        for order in orders
        if any(
            isinstance(told.report, Cancelled) and told.moment_ns >= start_ns and not is_told(told.key)
            for told in from_order(order)
        )
    ]


def earliest(ended: Iterable[Json], start_ns: int, now_ns: int) -> int:
    """From when on executions are needed: the whole life of what ended partly filled, and all that settled since `start_ns`.

    A replacement may count what was filled before it: its executions are needed from when the first of its chain can have been sent.
    """
    since = start_ns
    for order in ended:
        if nano(order.get("filled_qty") or "0", "filled_qty"):
            sent_ns = moment_ns(order.get("submitted_at") or order.get("created_at"), "submitted_at")
            replaces = is_replacement(order.get("client_order_id"))
            since = min(since, lived_since(sent_ns) if replaces else sent_ns)
    return min(since, start_ns - LONGEST_SETTLEMENT_NS) if _settlement_between(start_ns, now_ns) else since


def merged(
    events: Iterable[tuple[Json, bytes]],
    orders: Mapping[str, tuple[Json, bytes]],
    corrections: Corrections,
    ended: Iterable[Json],
    *,
    start_ns: int,
    now_ns: int,
) -> list[Found]:
    """What happened from `start_ns` on, in order. `orders` by the broker's id; `ended` as `endings` gives it. Raises RecordBehind, DataError."""
    found: list[Found] = []
    fills: dict[str, tuple[Filled, bytes]] = {}
    for event, raw in events:
        for told in map(corrections.note, from_event(event)):
            report = told.report
            if isinstance(report, Filled):
                fills[report.execution] = report, raw
            elif isinstance(report, Busted):
                fills.pop(report.execution, None)
            found.append(Found(told, raw))
    executed = executed_of(found)
    for order in ended:
        _not_behind(order, executed)
    for order, raw in orders.values():
        found += (Found(told, raw) for told in from_order(order))
    found += _settled(fills, now_ns)
    return sorted(
        (one for one in found if one.told.moment_ns >= start_ns), key=lambda one: one.told.moment_ns
    )


def of_order(events: Iterable[tuple[Json, bytes]], order: str, corrections: Corrections) -> Iterator[Found]:
    """What the record has of one order of the venue's: its executions, and what was taken back of them."""
    for event, raw in events:
        if (
            event.get("activity_type") != TRADE
            or order_of(part(event, "details").get("client_order_id")) != order
        ):
            continue
        for told in map(corrections.note, from_event(event)):
            yield Found(told, raw)


def executed_of(found: Iterable[Found]) -> dict[str, int]:
    """Shares of each order that the record has executions of: the most of each that was ever told, for an order's own count may follow what is taken back or not."""
    most: dict[str, tuple[str, int]] = {}
    for one in found:
        report = one.told.report
        if isinstance(report, Filled):
            most[report.execution] = report.order, report.shares
        elif isinstance(report, Corrected) and report.execution in most:
            order, shares = most[report.execution]
            most[report.execution] = order, max(shares, report.shares)
    sums: dict[str, int] = {}
    for order, shares in most.values():
        sums[order] = sums.get(order, 0) + shares
    return sums


def _not_behind(order: Json, executed: Mapping[str, int]) -> None:
    ours = order_of(order.get("client_order_id"))
    if executed.get(ours, 0) < nano(order.get("filled_qty") or "0", "filled_qty"):
        raise RecordBehind("the record of executions is behind the orders", order=ours)


def _settled(fills: Mapping[str, tuple[Filled, bytes]], now_ns: int) -> Iterator[Found]:
    """The broker publishes a settlement day and no settlement: what was not taken back settles on its day."""
    for execution, (fill, raw) in fills.items():
        at_ns = settles_ns(fill.settles)
        if at_ns <= now_ns:
            yield Found(Told(Settled(execution=execution, settled=True), f"{execution}:settled", at_ns), raw)


def _settlement_between(start_ns: int, now_ns: int) -> bool:
    """Whether a settlement hour lies in the span; a day more than needed is harmless."""
    day = new_york_date(now_ns)
    return now_ns - start_ns >= DAY_NS or start_ns <= settles_ns(day) <= now_ns
