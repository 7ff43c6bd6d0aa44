"""Statements and confirmations as files and tables: CSV, Parquet, text, HTML.

Responsible for: exact text. Money is written as decimals from integers, never through a float; Parquet keeps the integers and their scale.
Never computes a line.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from novate.projections.operator import OperatorDay
from novate.projections.statements import Confirm, Statement

_MICRO: Final = 6
_WORDS: Final = {
    "price": "Price moves", "funding": "Funding", "interest_paid": "Interest paid", "interest_earned": "Interest earned",
    "borrow": "Borrow fees", "fees": "Fees", "dividends": "Dividends", "transfers_in": "Transfers in",
    "transfers_out": "Transfers out", "liquidation": "Liquidation", "compensation": "Compensation",
    "fees_collected": "Fees collected",
}  # fmt: skip
_HEAD: Final = ("account", "period", "zone", "line", "source", "instrument", "value_micro_usd")
_CONFIRM: Final = (
    "account", "time_ns", "sequence", "idx", "leg", "trade", "order_id", "market", "side", "price_ticks", "lots", "maker", "liquidation", "quote",
    "gross", "fee", "net",
)  # fmt: skip


def decimal(units: int, decimals: int, *, grouped: bool = False) -> str:
    """An integer amount as decimal text: exact, a minus sign in front of what is negative."""
    sign, digits = ("-" if units < 0 else ""), abs(units)
    whole, part = divmod(digits, 10**decimals)
    text = f"{whole:,}" if grouped else str(whole)
    return f"{sign}{text}.{part:0{decimals}d}" if decimals else f"{sign}{text}"


def _rows(statement: Statement) -> Iterable[tuple[object, ...]]:
    head = (statement.account, statement.period, statement.zone)
    yield (*head, "opening", "", "", statement.opening)
    for line in statement.lines:
        yield (*head, "change", line.source.value, line.instrument, line.value)
    yield (*head, "closing", "", "", statement.closing)


def statements_csv(statements: Iterable[Statement]) -> str:
    """One line per source between an opening and a closing line; values are whole micro-dollars."""
    return _csv(_HEAD, (row for statement in statements for row in _rows(statement)))


def statements_parquet(statements: Iterable[Statement], path: Path) -> None:
    """The same rows as a Parquet file; int64 values."""
    _parquet(_HEAD, [row for statement in statements for row in _rows(statement)], path)


def _confirm(confirm: Confirm) -> tuple[object, ...]:
    fill = confirm.fill
    money = (decimal(units, confirm.quote_decimals) for units in (confirm.gross, fill.fee, confirm.net))
    return (
        fill.account, fill.time_ns, fill.sequence, fill.idx, fill.leg, fill.trade, fill.order_id, confirm.market, "sell" if fill.side else "buy",
        fill.price, fill.lots, fill.maker, fill.liquidation, confirm.quote, *money,
    )  # fmt: skip


def confirms_csv(confirms: Iterable[Confirm]) -> str:
    """One line per fill; money in whole quote assets."""
    return _csv(_CONFIRM, map(_confirm, confirms))


def confirms_parquet(confirms: Iterable[Confirm], path: Path) -> None:
    """The same; money as decimal text."""
    _parquet(_CONFIRM, [_confirm(confirm) for confirm in confirms], path)


def statement_text(statement: Statement) -> str:
    """A small table for a terminal, exact to the micro-dollar."""
    rows = _shown(statement)
    left = max(len(name) for name, _ in rows)
    right = max(len(value) for _, value in rows)
    title = f"Account {statement.account}, {statement.period} ({statement.zone}), US dollars"
    return "\n".join([title, *(f"{name:<{left}}  {value:>{right}}" for name, value in rows)]) + "\n"


def statement_html(statement: Statement) -> str:
    """The same as one HTML table."""
    title = html.escape(f"Account {statement.account}, {statement.period} ({statement.zone})")
    cells = "".join(
        f'<tr><td>{html.escape(name)}</td><td style="text-align:right">{value}</td></tr>'
        for name, value in _shown(statement)
    )
    return f"<table><caption>{title}, US dollars</caption>{cells}</table>"


def operator_csv(days: Iterable[OperatorDay]) -> str:
    """What the venue earned by source and asset; whole units and whole micro-dollars."""
    head = ("period", "zone", "source", "asset", "units", "value_micro_usd")
    return _csv(
        head,
        (
            (day.period, day.zone, line.source.value, line.asset, line.amount, line.value)
            for day in days
            for line in day.earned
        ),
    )


def _shown(statement: Statement) -> list[tuple[str, str]]:
    def dollars(micro: int) -> str:
        return decimal(micro, _MICRO, grouped=True)

    rows = [("Opening equity", dollars(statement.opening))]
    for line in statement.lines:
        name = _WORDS[line.source.value]
        rows.append((f"  {name}: {line.instrument}", dollars(line.value)))
    return [*rows, ("Closing equity", dollars(statement.closing))]


def _csv(head: Sequence[str], rows: Iterable[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def _parquet(head: Sequence[str], rows: list[tuple[object, ...]], path: Path) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(head)
    table = pa.table({name: list(column) for name, column in zip(head, columns, strict=True)})
    pq.write_table(table, path)
