"""Orders, fills and candles: the hot events as rows.

Responsible for: the life of an order in one row, one row a fill, and trades gathered into candles. Never moves money: `money.fill` does.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from novate.projections.money import fill
from novate.projections.running import NO_CLIENT, At, Running

INTERVALS: Final = (60, 300, 3_600, 86_400)
"""Seconds of a candle: a minute, five, an hour, a day."""
_SECOND: Final = 1_000_000_000


class OrderStatus(IntEnum):
    """How an order stands."""

    OPEN = 0
    FILLED = 1
    CANCELLED = 2
    WAITING = 3
    """A trigger, or a parent order that is being worked."""
    FIRED = 4
    """A trigger that became an order, or a parent order that is through."""


class OrderKindShown(IntEnum):
    """What kind of order a row is."""

    LIMIT = 0
    MARKET = 1
    TRIGGER_LIMIT = 10
    TRIGGER_MARKET = 11
    TWAP = 20


# Places in a row of `orders`.
(
    ID, ACCOUNT, MARKET, SIDE, KIND, TIF, FLAGS, PRICE, LOTS, LEAVES, FILLED, TICKS, FEE, STATUS, REASON, CLIENT,
    PLACED, PLACED_IDX, PLACED_NS, CHANGED, CHANGED_NS, REVISION,
) = range(22)  # fmt: skip


def place(
    run: Running,
    at: At,
    account: int,
    values: tuple[int, int, int, int, int, int],
    price: int,
    lots: int,
    client: bytes,
    status: OrderStatus,
) -> None:
    """A new row; `values` are order, market, side, kind, time in force and flags."""
    order, market, side, kind, tif, flags = values
    row: list[Any] = [
        order, account, market, side, kind, tif, flags, price, lots, lots, 0, 0, 0, int(status), 0, client or NO_CLIENT,
        at.sequence, at.idx, at.time_ns, at.sequence, at.time_ns, 0,
    ]  # fmt: skip
    run.orders[order] = row
    run.batch.orders[order] = row


def change(run: Running, at: At, order: int) -> list[Any] | None:
    """The row of a live order, about to be changed; None for one that has no row, as the liquidator's."""
    row = run.orders.get(order)
    if row is not None:
        row[CHANGED], row[CHANGED_NS] = at.sequence, at.time_ns
        run.batch.orders[order] = row
    return row


def end(run: Running, at: At, order: int, status: OrderStatus, reason: int = 0) -> None:
    """A live order is over."""
    row = change(run, at, order)
    if row is not None:
        row[STATUS], row[REASON] = int(status), reason
        del run.orders[order]


def filled(run: Running, at: At, account: int, body: tuple[Any, ...]) -> None:
    """`OrderFilled`: the fill, the order, the candle and the money."""
    order, trade, market, side, maker, liquidation, _, price, lots, leaves, fee, realised = body
    run.batch.appended["fills"].append(
        (at.sequence, at.idx, 0, at.time_ns, account, order, trade, market, side, maker, liquidation, 0, price, lots,
         leaves, fee, realised)
    )  # fmt: skip
    row = change(run, at, order)
    if row is not None:
        row[LEAVES] = leaves
        row[FILLED] += lots
        row[TICKS] += price * lots
        row[FEE] += fee
        if leaves == 0:
            row[STATUS] = int(OrderStatus.FILLED)
            del run.orders[order]
    if trade > run.last_trade.get(market, 0):
        run.last_trade[market] = trade
        _candles(run, at.time_ns, market, price, lots, trade)
    fill(run, at, account, market, -lots if side else lots, price, fee, realised)


def _candles(run: Running, time_ns: int, market: int, price: int, lots: int, trade: int) -> None:
    for interval in INTERVALS:
        span = interval * _SECOND
        start = time_ns - time_ns % span
        candle = run.candles.get((market, interval))
        if candle is None or candle[2] != start:
            candle = [market, interval, start, price, price, price, price, lots, price * lots, 1, trade]
            run.candles[market, interval] = candle
        else:
            candle[4] = max(candle[4], price)
            candle[5] = min(candle[5], price)
            candle[6] = price
            candle[7] += lots
            candle[8] += price * lots
            candle[9] += 1
            candle[10] = trade
        run.batch.candles[market, interval, start] = candle
