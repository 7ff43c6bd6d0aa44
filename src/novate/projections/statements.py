"""Statements: what an account had, what changed it by source, what it has; and the confirmation of each fill.

    statement(connection, account=7, period=day(date(2026, 1, 5)))

Responsible for: the sum. Opening and closing equity are the engine's holdings at the two midnights, valued at the index without haircuts;
the lines between are the ledger's. Units and micro-dollars re-add exactly, or there is no statement. Never has a line for what is left over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from novate.errors import NovateError
from novate.projections import queries, schema
from novate.projections.causes import Cause, Source, source_of
from novate.projections.periods import Period
from novate.projections.rows import AssetRow, FillRow, MarketRow
from novate.projections.store import signed, unsigned

Key = tuple[int, int]
"""Asset and market."""


EXCHANGED: Final = "exchanged"
"""Instrument of what exchanges leave: both sides of one are worth the same, but for a request met by another, whose sides are worth what
the index says (its fee is in here), and for coins with more than six decimals, where whole micro-dollars round."""


class PeriodOpen(NovateError):
    """The period is not over in the rows, or lies before them."""

    code = "period_open"


class StatementDoesNotAdd(NovateError):
    """Ledger and engine differ within the period; facts name the account, the asset and by how many units."""

    code = "statement_does_not_add"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One source of change.

    Attributes:
        source: What it came from.
        instrument: Name of the asset or market; empty where it is no single one.
        value: Micro-dollars, positive towards the account.
    """

    source: Source
    instrument: str
    value: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One holding over the period, in units.

    Attributes:
        instrument: Name of the asset; of a perp market for what is unpaid in it.
        decimals: Of the units.
        opening: Units at the opening, interest to the minute included.
        changes: By cause, booked in the period.
        accrued: Change of the interest that is not booked yet.
        closing: Units at the close.
        opening_lots: Signed lots of a perp at the opening.
        closing_lots: And at the close.
        opening_value: Micro-dollars; of a perp the notional included.
        closing_value: Micro-dollars.
    """

    instrument: str
    decimals: int
    opening: int
    changes: dict[str, int]
    accrued: int
    closing: int
    opening_lots: int
    closing_lots: int
    opening_value: int
    closing_value: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An account's day or month. `opening + sum of lines = closing`, in micro-dollars, exactly.

    Attributes:
        account: Whose.
        period: Date or month.
        zone: Where midnight is.
        from_ns: Begin.
        to_ns: End.
        opening: Equity at the opening.
        lines: By source and instrument.
        closing: Equity at the close.
        balances: The same in units.
        fills: Fills in the period.
    """

    account: int
    period: str
    zone: str
    from_ns: int
    to_ns: int
    opening: int
    lines: tuple[Line, ...]
    closing: int
    balances: tuple[Balance, ...]
    fills: int

    def by_source(self) -> dict[Source, int]:
        """Micro-dollars by source."""
        out: dict[Source, int] = defaultdict(int)
        for line in self.lines:
            out[line.source] += line.value
        return dict(out)


class Confirm(msgspec.Struct, frozen=True, kw_only=True):
    """The confirmation of one fill. Money in the quote asset's smallest unit, prices at the underlying's scale.

    Attributes:
        fill: The fill.
        market: Name of the market.
        quote: Name of what it was paid in.
        quote_decimals: Scale of money here.
        gross: Price times quantity; negative is paid. Of a perp the notional, which is not paid.
        net: `gross` less the fee.
    """

    fill: FillRow
    market: str
    quote: str
    quote_decimals: int
    gross: int
    net: int


class _Held(NamedTuple):
    amount: int = 0
    booked: int = 0
    lots: int = 0
    value: int = 0
    booked_value: int = 0
    notional: int = 0


_NOTHING: Final = _Held()


class _Moved(NamedTuple):
    asset: int
    market: int
    cause: Cause
    gained: bool
    amount: int
    value: int


class Names:
    """Assets and markets by id."""

    def __init__(self, connection: Connection) -> None:
        self.assets: dict[int, AssetRow] = {row.asset: row for row in queries.assets(connection)}
        self.markets: dict[int, MarketRow] = {row.market: row for row in queries.markets(connection)}

    def of(self, key: Key) -> str:
        """Name of a holding."""
        asset, market = key
        return self.markets[market].name if market else self.assets[asset].name


def statement(connection: Connection, account: int, period: Period) -> Statement:
    """The account's statement. Raises PeriodOpen before the period is over, StatementDoesNotAdd when ledger and engine differ."""
    names = Names(connection)
    begin, end = cut(connection, period.from_ns, period), cut(connection, period.to_ns, period)
    opening, closing = _holdings(connection, account, begin), _holdings(connection, account, end)
    moved = _moved(connection, account, period)
    _check_units(connection, account, (begin, end), opening, closing, moved)
    lines = tuple(_lines(names, opening, closing, moved))
    equity = [sum(h.value + h.notional for h in held.values()) for held in (opening, closing)]
    if equity[0] + sum(line.value for line in lines) != equity[1]:
        difference = equity[1] - equity[0] - sum(line.value for line in lines)
        raise StatementDoesNotAdd(
            f"The lines of account {account} miss {difference} micro-dollars.",
            account=account,
            difference=difference,
        )
    return Statement(
        account=account,
        period=period.label,
        zone=period.zone,
        from_ns=period.from_ns,
        to_ns=period.to_ns,
        opening=equity[0],
        lines=lines,
        closing=equity[1],
        balances=tuple(_balances(names, opening, closing, moved)),
        fills=_fills(connection, account, period),
    )


def accounts(connection: Connection) -> list[int]:
    """All accounts, in the order of their ids."""
    c = schema.accounts.c.account
    return [unsigned(row[0]) for row in connection.execute(select(c).order_by(c))]


def confirms(connection: Connection, account: int, period: Period) -> list[Confirm]:
    """A confirmation of every fill of the account in the period."""
    names = Names(connection)
    out: list[Confirm] = []
    after: queries.Cursor | None = None
    while page := queries.fills(
        connection, account, after=after, limit=queries.MOST, from_ns=period.from_ns, to_ns=period.to_ns
    ):
        out.extend(_confirm(names, row) for row in page)
        after = queries.cursor_of(page)
    return out


def _confirm(names: Names, row: FillRow) -> Confirm:
    market = names.markets[row.market]
    quote = names.assets[market.quote]
    gross = row.price * row.lots * market.unit * (1 if row.side else -1)
    return Confirm(
        fill=row,
        market=market.name,
        quote=quote.name,
        quote_decimals=quote.decimals,
        gross=gross,
        net=gross - row.fee,
    )


# --- the parts of a statement ------------------------------------------------------------------------------------------


def cut(connection: Connection, boundary_ns: int, period: Period) -> int:
    """The sample that stands for a midnight: the first full one at or after it. Raises PeriodOpen when there is none yet."""
    c = schema.samples.c
    found = connection.execute(
        select(func.min(c.boundary_ns)).where(c.full == 1, c.boundary_ns >= boundary_ns)
    ).scalar()
    if found is None:
        raise PeriodOpen(f"{period.label} is not over yet.", period=period.label)
    return int(found)


def _holdings(connection: Connection, account: int, boundary_ns: int) -> dict[Key, _Held]:
    c = schema.sampled.c
    rows = connection.execute(
        select(c.asset, c.market, c.amount, c.booked, c.lots, c.value, c.booked_value, c.notional)
        .where(c.boundary_ns == boundary_ns, c.account == signed(account))
        .order_by(c.asset, c.market)
    )
    return {(row[0], row[1]): _Held(*row[2:]) for row in rows}


def _moved(connection: Connection, account: int, period: Period) -> list[_Moved]:
    c = schema.ledger.c
    gained = (c.amount > 0).label("gained")
    rows = connection.execute(
        select(c.asset, c.market, c.cause, gained, func.sum(c.amount), func.sum(c.value))
        .where(c.account == signed(account), c.time_ns >= period.from_ns, c.time_ns < period.to_ns)
        .group_by(c.asset, c.market, c.cause, gained)
        .order_by(c.asset, c.market, c.cause, gained)
    )
    return [
        _Moved(a, m, Cause(cause), bool(g), int(amount), int(value)) for a, m, cause, g, amount, value in rows
    ]


def _check_units(
    connection: Connection,
    account: int,
    cuts: tuple[int, int],
    opening: dict[Key, _Held],
    closing: dict[Key, _Held],
    moved: list[_Moved],
) -> None:
    sums: dict[Key, int] = defaultdict(int)
    for part in moved:
        sums[part.asset, part.market] += part.amount
    for key in sorted(opening.keys() | closing.keys() | sums.keys()):
        left = closing.get(key, _NOTHING).booked - opening.get(key, _NOTHING).booked - sums[key]
        if left:
            raise _does_not_add(account, key, left)
    c = schema.differences.c
    wrong = connection.execute(
        select(c.asset, c.market, c.difference).where(c.account == signed(account), c.boundary_ns.in_(cuts))
    ).first()
    if wrong is not None:
        raise _does_not_add(account, (wrong[0], wrong[1]), wrong[2])


def _does_not_add(account: int, key: Key, left: int) -> StatementDoesNotAdd:
    return StatementDoesNotAdd(
        f"Account {account}: {left} units of asset {key[0]} (market {key[1]}) have no cause.",
        account=account,
        asset=key[0],
        market=key[1],
        difference=left,
    )


def _lines(
    names: Names, opening: dict[Key, _Held], closing: dict[Key, _Held], moved: list[_Moved]
) -> Iterable[Line]:
    sums: dict[tuple[Source, str], int] = defaultdict(int)
    exchanged = 0
    for key in opening.keys() | closing.keys() | {(part.asset, part.market) for part in moved}:
        asset, market = key
        before, after = opening.get(key, _NOTHING), closing.get(key, _NOTHING)
        coin, name = names.assets[asset].stablecoin, names.of(key)
        accrued = (after.value - after.booked_value) - (before.value - before.booked_value)
        sums[_accrual(names, key, before, after), name] += accrued
        told = 0
        for part in moved:
            if (part.asset, part.market) != key:
                continue
            told += part.value
            source = source_of(part.cause, part.amount, stablecoin=coin)
            if source is not Source.PRICE:
                sums[source, name] += part.value
            elif market == 0 or part.cause is Cause.SETTLEMENT:
                exchanged += part.value
            else:  # lots of a perp came at a price: what they are worth is in the notional
                sums[Source.PRICE, name] += part.value
        if market:
            sums[Source.PRICE, name] += after.notional - before.notional
        elif not coin:
            sums[Source.PRICE, name] += after.booked_value - before.booked_value - told
    sums[Source.PRICE, EXCHANGED] += exchanged
    order = list(Source)
    for (source, name), value in sorted(sums.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        if value:
            yield Line(source=source, instrument=name, value=value)


def _accrual(names: Names, key: Key, before: _Held, after: _Held) -> Source:
    if before.amount < 0 or after.amount < 0:
        return Source.INTEREST_PAID if names.assets[key[0]].stablecoin else Source.BORROW
    return Source.INTEREST_EARNED


def _balances(
    names: Names, opening: dict[Key, _Held], closing: dict[Key, _Held], moved: list[_Moved]
) -> Iterable[Balance]:
    for key in sorted(opening.keys() | closing.keys() | {(part.asset, part.market) for part in moved}):
        before, after = opening.get(key, _NOTHING), closing.get(key, _NOTHING)
        changes: dict[str, int] = defaultdict(int)
        for part in moved:
            if (part.asset, part.market) == key:
                changes[part.cause.value] += part.amount
        yield Balance(
            instrument=names.of(key),
            decimals=names.assets[key[0]].decimals,
            opening=before.amount,
            changes=dict(changes),
            accrued=(after.amount - after.booked) - (before.amount - before.booked),
            closing=after.amount,
            opening_lots=before.lots,
            closing_lots=after.lots,
            opening_value=before.value + before.notional,
            closing_value=after.value + after.notional,
        )


def _fills(connection: Connection, account: int, period: Period) -> int:
    c = schema.fills.c
    wanted = select(func.count()).where(
        c.account == signed(account), c.time_ns >= period.from_ns, c.time_ns < period.to_ns
    )
    return int(connection.execute(wanted).scalar() or 0)
