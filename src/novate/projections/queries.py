"""What the read models are asked: pure functions over a connection, every answer typed, every list paged.

    with store.connect(url).connect() as connection:
        page = queries.fills(connection, account=7, limit=100)
        rest = queries.fills(connection, account=7, after=queries.cursor_of(page))

Responsible for: the questions of the API. Never writes. Pages run over (`sequence`, `idx`, `leg`), which never change: `after` is the last
row's place, and a page that was read stays as it was; `newest` turns the direction round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select, tuple_

from novate.projections import schema
from novate.projections.rows import (
    AssetRow,
    CandleRow,
    FillRow,
    FundingRateRow,
    FundingRow,
    HoldingRow,
    InterestRow,
    LedgerRow,
    LiquidationRow,
    MarginRow,
    MarketRow,
    OrderRow,
    Position,
    Record,
    RequestRow,
    TransferRow,
)
from novate.projections.store import signed, unsigned
from novate.projections.trading import OrderStatus

Cursor = tuple[int, ...]
"""Place of a row: sequence and idx, and leg where the table has one. A shorter one stands before all longer ones that it begins."""
MOST: Final = 10_000
"""Longest page."""
_UNSIGNED: Final = frozenset({"account", "counterparty", "reference", "order_id", "trade"})
_FLAGS: Final = frozenset({"stablecoin", "perp", "maker", "liquidation"})
_RENAMED: Final = {"placed_sequence": "sequence", "placed_idx": "idx", "placed_ns": "time_ns"}

R = TypeVar("R", bound=Record)


def account_events(
    connection: Connection, account: int, after: int, limit: int = 100
) -> tuple[list[bytes], int]:
    """What an account was told behind its event `after`, as the engine wrote it; and the number of its last event, 0 for none."""
    table = schema.account_events.c
    mine = table.account == signed(account)
    wanted = (
        select(table.event).where(mine, table.number > after).order_by(table.number).limit(min(limit, MOST))
    )
    rows = [bytes(row[0]) for row in connection.execute(wanted)]
    last = connection.execute(select(func.max(table.number)).where(mine)).scalar()
    return rows, last or 0


def position(connection: Connection) -> Position:
    """How far the rows reach; zeros before the first command."""
    table = schema.position.c
    row = connection.execute(select(table.sequence, table.time_ns)).first()
    return Position(sequence=row[0], time_ns=row[1]) if row else Position(sequence=0, time_ns=0)


def assets(connection: Connection) -> list[AssetRow]:
    """All assets by id."""
    return _rows(connection, select(schema.assets).order_by(schema.assets.c.asset), AssetRow)


def markets(connection: Connection) -> list[MarketRow]:
    """All markets by id."""
    return _rows(connection, select(schema.markets).order_by(schema.markets.c.market), MarketRow)


def orders(
    connection: Connection,
    account: int,
    *,
    market: int | None = None,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[OrderRow]:
    """An account's orders in the order of their coming, live and ended."""
    c = schema.orders.c
    wanted = select(schema.orders).where(c.account == signed(account), *_maybe(c.market, market))
    return _page(connection, wanted, (c.placed_sequence, c.placed_idx), OrderRow, after, limit, newest)


def open_orders(connection: Connection, account: int, *, market: int | None = None) -> list[OrderRow]:
    """An account's orders that rest in a book or wait."""
    c = schema.orders.c
    live = c.status.in_([int(OrderStatus.OPEN), int(OrderStatus.WAITING)])
    wanted = select(schema.orders).where(c.account == signed(account), live, *_maybe(c.market, market))
    return _rows(connection, wanted.order_by(c.placed_sequence, c.placed_idx), OrderRow)


def order(connection: Connection, account: int, order_id: int) -> OrderRow | None:
    """One order by the venue's id; None when the account has none such."""
    c = schema.orders.c
    wanted = select(schema.orders).where(c.order_id == signed(order_id), c.account == signed(account))
    return next(iter(_rows(connection, wanted, OrderRow)), None)


def order_by_client_id(connection: Connection, account: int, client_id: bytes) -> OrderRow | None:
    """The last order that the account sent under its own id; None when there is none."""
    c = schema.orders.c
    wanted = select(schema.orders).where(c.account == signed(account), c.client_id == client_id)
    newest = wanted.order_by(c.placed_sequence.desc(), c.placed_idx.desc()).limit(1)
    return next(iter(_rows(connection, newest, OrderRow)), None)


def fills(
    connection: Connection,
    account: int | None = None,
    *,
    market: int | None = None,
    order_id: int | None = None,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> list[FillRow]:
    """Fills of an account, or of all accounts; each trade has one for each side."""
    table, c = schema.fills, schema.fills.c
    wanted = select(table).where(
        *_account(table, account),
        *_maybe(c.market, market),
        *_maybe(c.order_id, None if order_id is None else signed(order_id)),
        *_span(table, from_ns, to_ns),
    )
    return _page(connection, wanted, (c.sequence, c.idx, c.leg), FillRow, after, limit, newest)


def transfers(
    connection: Connection,
    account: int,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[TransferRow]:
    """Deposits, withdrawals and their ends, transfers, and what else moved between accounts."""
    return _of_account(connection, schema.transfers, TransferRow, account, after, limit, newest)


def ledger(
    connection: Connection,
    account: int,
    *,
    asset: int | None = None,
    market: int | None = None,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> list[LedgerRow]:
    """Every change of what an account owns, with its cause and the sum after it: balances through time."""
    table, c = schema.ledger, schema.ledger.c
    wanted = select(table).where(
        *_account(table, account),
        *_maybe(c.asset, asset),
        *_maybe(c.market, market),
        *_span(table, from_ns, to_ns),
    )
    return _page(connection, wanted, (c.sequence, c.idx, c.leg), LedgerRow, after, limit, newest)


def balances(connection: Connection, account: int, at_sequence: int | None = None) -> list[HoldingRow]:
    """What the ledger's sums were after command `at_sequence`; now by default. Sums of 0 are left out."""
    if at_sequence is None:
        h = schema.holdings
        now = select(h.c.account, h.c.asset, h.c.market, h.c.amount).where(
            h.c.account == signed(account), h.c.amount != 0
        )
        return _rows(connection, now.order_by(h.c.asset, h.c.market), HoldingRow)
    c = schema.ledger.c
    total = func.sum(c.amount)
    then = (
        select(c.account, c.asset, c.market, total.label("amount"))
        .where(c.account == signed(account), c.sequence <= at_sequence)
        .group_by(c.account, c.asset, c.market)
        .having(total != 0)
        .order_by(c.asset, c.market)
    )
    return [
        HoldingRow(account=unsigned(a), asset=s, market=m, amount=int(amount))
        for a, s, m, amount in connection.execute(then)
    ]


def funding_rates(
    connection: Connection,
    market: int,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[FundingRateRow]:
    """A perp's hourly rates."""
    c = schema.funding_rates.c
    wanted = select(schema.funding_rates).where(c.market == market)
    return _page(connection, wanted, (c.sequence, c.idx), FundingRateRow, after, limit, newest)


def funding(
    connection: Connection,
    account: int,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[FundingRow]:
    """An account's settlements, funding included."""
    return _of_account(connection, schema.funding, FundingRow, account, after, limit, newest)


def interest(
    connection: Connection,
    account: int,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[InterestRow]:
    """Interest paid and earned, line fees, lenders' losses."""
    return _of_account(connection, schema.interest, InterestRow, account, after, limit, newest)


def liquidations(
    connection: Connection,
    account: int | None = None,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[LiquidationRow]:
    """Events of liquidations, of an account or of all."""
    table = schema.liquidations
    wanted = select(table).where(*_account(table, account))
    return _page(connection, wanted, (table.c.sequence, table.c.idx), LiquidationRow, after, limit, newest)


def requests(
    connection: Connection,
    account: int,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[RequestRow]:
    """Requests to issue or redeem in the order of their coming, as they stand."""
    return _of_account(connection, schema.requests, RequestRow, account, after, limit, newest)


def margin_history(
    connection: Connection,
    account: int,
    *,
    after: Cursor | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[MarginRow]:
    """Equity and requirements at changes of state and at full hours."""
    return _of_account(connection, schema.margins, MarginRow, account, after, limit, newest)


def candles(
    connection: Connection,
    market: int,
    interval_s: int,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    limit: int = 1_000,
    newest: bool = False,
) -> list[CandleRow]:
    """Candles of 60, 300, 3600 or 86400 seconds, by time; spans without a trade have none."""
    c = schema.candles.c
    wanted = select(schema.candles).where(c.market == market, c.interval_s == interval_s)
    wanted = wanted.where(*([c.start_ns >= from_ns] if from_ns is not None else []))
    wanted = wanted.where(*([c.start_ns < to_ns] if to_ns is not None else []))
    key = c.start_ns.desc() if newest else c.start_ns
    return _rows(connection, wanted.order_by(key).limit(_bounded(limit)), CandleRow)


def notices(
    connection: Connection, *, before_ns: int | None = None, limit: int = 100, current_ns: int | None = None
) -> list[Row[Any]]:
    """Public notices, newest first, those published before `before_ns`; with `current_ns` only those that are not over then.

    Notices of one moment stay together: a page may be longer than `limit` by them.
    """
    c = schema.notices.c
    seen = [c.published_ns > 0]
    seen += [] if before_ns is None else [c.published_ns < before_ns]
    if current_ns is not None:
        seen += [c.resolved_ns == 0, (c.to_ns == 0) | (c.to_ns > current_ns)]
    newest = select(c.published_ns).where(*seen).order_by(c.published_ns.desc()).limit(_bounded(limit))
    oldest = connection.execute(select(func.min(newest.subquery().c.published_ns))).scalar_one()
    if oldest is None:
        return []
    wanted = select(schema.notices).where(*seen, c.published_ns >= oldest)
    return list(connection.execute(wanted.order_by(c.published_ns.desc(), c.sequence.desc(), c.idx.desc())))


def notices_changed(connection: Connection, after: int) -> list[Row[Any]]:
    """Public notices that changed behind command `after`, in order of their making."""
    c = schema.notices.c
    wanted = select(schema.notices).where(c.published_ns > 0, c.changed_sequence > after)
    return list(connection.execute(wanted.order_by(c.sequence, c.idx)))


def notice_updates(connection: Connection, sequence: int, idx: int) -> list[Row[Any]]:
    """What was said of a notice later, in order."""
    c = schema.notice_updates.c
    wanted = select(schema.notice_updates).where(c.notice_sequence == sequence, c.notice_idx == idx)
    return list(connection.execute(wanted.order_by(c.sequence, c.idx)))


# --- how -------------------------------------------------------------------------------------------------------------


def _maybe(column: ColumnElement[int], wanted: int | None) -> list[ColumnElement[bool]]:
    return [] if wanted is None else [column == wanted]


def _account(table: Table, account: int | None) -> list[ColumnElement[bool]]:
    return [] if account is None else [table.c.account == signed(account)]


def _span(table: Table, from_ns: int | None, to_ns: int | None) -> list[ColumnElement[bool]]:
    first = [] if from_ns is None else [table.c.time_ns >= from_ns]
    return first + ([] if to_ns is None else [table.c.time_ns < to_ns])


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST))


def _of_account(
    connection: Connection,
    table: Table,
    cls: type[R],
    account: int,
    after: Cursor | None,
    limit: int,
    newest: bool,
) -> list[R]:
    wanted = select(table).where(table.c.account == signed(account))
    return _page(connection, wanted, (table.c.sequence, table.c.idx), cls, after, limit, newest)


def _page(
    connection: Connection,
    wanted: Select[Any],
    key: tuple[ColumnElement[int], ...],
    cls: type[R],
    after: Cursor | None,
    limit: int,
    newest: bool,
) -> list[R]:
    if after is not None:
        place = tuple_(*key[: len(after)])
        given = tuple(after[: len(key)])
        wanted = wanted.where(place < given if newest else place > given)
    ordered = wanted.order_by(*(column.desc() if newest else column for column in key))
    return _rows(connection, ordered.limit(_bounded(limit)), cls)


def _rows(connection: Connection, wanted: Select[Any], cls: type[R]) -> list[R]:
    result = connection.execute(wanted)
    names = [_RENAMED.get(name, name) for name in result.keys()]  # noqa: SIM118
    fields = set(cls.__struct_fields__)
    readers = [(n, name, _reader(name)) for n, name in enumerate(names) if name in fields]
    return [cls(**{name: read(row[n]) for n, name, read in readers}) for row in result]


def _reader(name: str) -> Any:
    if name in _UNSIGNED:
        return unsigned
    if name in _FLAGS:
        return bool
    return bytes if name in {"client_id", "detail"} else _same


def _same(value: Any) -> Any:
    return value


def cursor_of(rows: Sequence[Record]) -> Cursor | None:
    """The place of a page's last row, for the next page; None for an empty one."""
    if not rows:
        return None
    last = rows[-1]
    return tuple(getattr(last, name) for name in ("sequence", "idx", "leg") if name in last.__struct_fields__)
