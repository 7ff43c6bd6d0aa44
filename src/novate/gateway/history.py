"""What was: read models as the API tells them.

Responsible for: asking the tables of `novate.projections` without holding up the event loop, and their rows in the public language. Never
writes; never older than the projector is, and says how far that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from novate.calendar import new_york_date, trading_days
from novate.gateway.errors import GatewayRefused, Rule
from novate.messages.codes import AccountState, CancelReason, RequestKind, RequestState, Side, TimeInForce
from novate.projections import queries
from novate.projections.periods import Period, Zone, day, month
from novate.projections.rows import (
    CandleRow,
    FillRow,
    FundingRateRow,
    FundingRow,
    HoldingRow,
    InterestRow,
    LedgerRow,
    LiquidationRow,
    MarginRow,
    OrderRow,
    Record,
    RequestRow,
    TransferRow,
)
from novate.projections.statements import statement
from novate.projections.store import connect
from novate.projections.trading import OrderKindShown, OrderStatus
from novate.schema.catalogue import Catalogue
from novate.schema.operations import client_text
from novate.schema.scale import DOLLARS, decimal_text

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE: Final = 4
_WAIT_S: Final = 0.02
_CODES: Final[Mapping[str, Any]] = {
    "side": Side, "time_in_force": TimeInForce, "order_status": OrderStatus, "order_kind": OrderKindShown, "cancelled": CancelReason,
    "account_state": AccountState, "request_kind": RequestKind, "request_state": RequestState,
}  # fmt: skip
_CURSOR: Final = {"sequence": "seq", "idx": "index", "time_ns": "ts_ns"}

ROWS: Final[Mapping[type[Record], Mapping[str, str]]] = {
    OrderRow: {
        "order_id": "id", "market": "market", "side": "side", "kind": "order_kind", "time_in_force": "time_in_force", "price": "ticks",
        "lots": "lots", "leaves": "lots", "filled_lots": "lots", "filled_ticks": "", "fee": "money", "status": "order_status",
        "reason": "cancelled", "client_id": "client", "changed_sequence": "=", "changed_ns": "=", "revision": "=", "account": "id", "flags": "",
    },
    FillRow: {
        "leg": "=", "account": "id", "order_id": "id", "trade": "id", "market": "market", "side": "side", "maker": "=", "liquidation": "=",
        "origin": "", "price": "ticks", "lots": "lots", "leaves": "lots", "fee": "money", "realised": "money",
    },
    TransferRow: {"account": "id", "kind": "=", "counterparty": "id", "asset": "asset", "amount": "amount", "reference": "id"},
    LedgerRow: {
        "leg": "=", "account": "id", "asset": "asset", "market": "market", "cause": "=", "amount": "amount", "value": "dollars", "after": "amount",
    },
    FundingRateRow: {"market": "market", "rate_ppb": "=", "premium_ppb": "=", "index_price": "mark", "reason": ""},
    FundingRow: {
        "account": "id", "market": "market", "price": "mark", "result": "money", "amount": "money", "cash": "money", "claim": "money",
        "debt": "money",
    },
    InterestRow: {"account": "id", "asset": "asset", "amount": "amount", "balance": "amount", "kind": "="},
    LiquidationRow: {
        "account": "id", "kind": "=", "market": "market", "lots": "lots", "notional": "dollars", "fee": "dollars",
        "requirement_before": "dollars", "requirement_after": "dollars", "detail": "",
    },
    RequestRow: {
        "request": "id", "account": "id", "kind": "request_kind", "state": "request_state", "token": "asset", "asset": "asset",
        "amount": "amount", "units": "tokens", "cost": "amount", "fee": "amount",
    },
    MarginRow: {
        "account": "id", "state": "account_state", "equity": "dollars", "initial": "dollars", "liquidation_end": "dollars",
        "maintenance": "dollars", "close_out": "dollars", "binding": "=",
    },
    CandleRow: {
        "market": "market", "interval_s": "=", "start_ns": "=", "open": "ticks", "high": "ticks", "low": "ticks", "close": "ticks",
        "lots": "lots", "ticks": "vwap", "trades": "=",
    },
    HoldingRow: {"account": "id", "asset": "asset", "market": "market", "amount": "amount"},
}  # fmt: skip
"""How each field of each row is told: "=" as it is, "" not at all, else a scale, a name or a code."""
ZONES: Final[dict[str, Zone]] = {"utc": "UTC", "new_york": "America/New_York"}
"""Words for where a day begins, to zones."""
_RENAMED: Final = {
    "order_id": "order", "lots": "quantity", "leaves": "remaining", "filled_lots": "filled", "changed_sequence": "changed_seq",
    "ticks": "average_price", "index_price": "index",
}  # fmt: skip


class History:
    """The read models at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = connect(url)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="history")

    async def ask(
        self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T, int]:
        """A query, and the position in the journal that its rows are of. Raises GatewayRefused where there is no projector's work."""

        def asked() -> tuple[T, int]:
            with self._engine.connect() as connection:
                at = queries.position(connection)
                return query(connection, *args, **kwargs), at.sequence

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        except SQLAlchemyError as error:
            raise GatewayRefused(
                Rule.VENUE_MUST_BE_REACHABLE, "The venue's read models can't be read."
            ) from error

    async def reached(self, sequence: int, timeout_s: float = 2.0) -> None:
        """Waits until the rows are of `sequence` or later. Raises GatewayRefused."""
        end = asyncio.get_running_loop().time() + timeout_s
        while True:
            at, _ = await self.ask(queries.position)
            if at.sequence >= sequence:
                return
            if asyncio.get_running_loop().time() > end:
                raise GatewayRefused(
                    Rule.SEQUENCE_MUST_BE_REACHED, "The read models have not come so far in time."
                )
            await asyncio.sleep(_WAIT_S)

    def close(self) -> None:
        """Ends all."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()


def told(catalogue: Catalogue, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Rows in the public language."""
    return [_told(catalogue, row) for row in rows]


def _told(catalogue: Catalogue, row: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, kind in ({name: "=" for name in _CURSOR if hasattr(row, name)} | dict(ROWS[type(row)])).items():
        if kind:
            shown[_CURSOR.get(name, _RENAMED.get(name, name))] = _value(
                catalogue, row, kind, getattr(row, name)
            )
    return shown


def _value(catalogue: Catalogue, row: Any, kind: str, value: Any) -> Any:
    if kind == "=":
        return value
    if kind == "id":
        return str(value) if value else None
    if kind == "client":
        return client_text(value) or None
    if kind == "market":
        return catalogue.markets[value].name if value in catalogue.markets else None
    if kind == "asset":
        return catalogue.assets[value].name if value in catalogue.assets else None
    if kind == "dollars":
        return DOLLARS.text(value)
    if kind in _CODES:
        return _CODES[kind](value).name.lower() if value in _CODES[kind]._value2member_map_ else None
    market = catalogue.markets.get(getattr(row, "market", 0))
    if kind == "tokens":
        return catalogue.amounts[row.token].text(value)
    if kind == "vwap":
        return (
            None
            if market is None or not row.lots
            else decimal_text(round(market.price.step * value * 10**9 / row.lots), 9)
        )
    if kind == "amount":
        if market is not None:
            return market.money.text(value)
        return catalogue.amounts[row.asset].text(value) if row.asset in catalogue.amounts else None
    return market.scale(kind).text(value) if market is not None else None


def period(text: str, zone: Zone = "UTC") -> Period:
    """A day (2025-10-10) or a month (2025-10), from midnight to midnight there. Raises GatewayRefused."""
    try:
        if len(text) == 7:
            year, number = text.split("-")
            return month(int(year), int(number), zone)
        return day(date.fromisoformat(text), zone)
    except ValueError:
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION,
            "A period is a day such as 2025-10-10 or a month such as 2025-10.",
            field="period",
        ) from None


def _trading_days(wanted: Period) -> list[dict[str, Any]]:
    """The days of the period on which the New York Stock Exchange has a regular session, and its hours: early closes show."""
    found = trading_days(new_york_date(wanted.from_ns), new_york_date(wanted.to_ns - 1))
    return [{"date": one.date.isoformat(), "open_ns": one.open_ns, "close_ns": one.close_ns} for one in found]


def statement_of(connection: Connection, account: int, wanted: Period) -> dict[str, Any]:
    """A statement in dollars. Raises what `statements.statement` raises."""
    found = statement(connection, account, wanted)
    return {
        "period": found.period,
        "zone": found.zone,
        "trading_days": _trading_days(wanted) if wanted.zone == ZONES["new_york"] else None,
        "from_ns": wanted.from_ns,
        "to_ns": wanted.to_ns,
        "opening_equity": DOLLARS.text(found.opening),
        "closing_equity": DOLLARS.text(found.closing),
        "lines": [
            {
                "source": str(line.source),
                "instrument": line.instrument or None,
                "value": DOLLARS.text(line.value),
            }
            for line in found.lines
        ],
        "fills": found.fills,
    }
