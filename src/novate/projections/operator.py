"""The operator's day: what the venue earned by source, and how its own books stand.

    operator_day(connection, day(date(2026, 1, 5)))

Responsible for: both sides of the venue's result. Earned: what accounts paid the venue less what it paid them, by source, as booked. Books:
the engine's balances of fees, insurance, treasury and the rest at both midnights, and what the operator brought into them. They differ by
what perps still owe, which is paid at a settlement. Never counts what accounts paid each other.
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from novate.projections import schema
from novate.projections.causes import Cause
from novate.projections.periods import Period
from novate.projections.statements import Names, cut


class Earned(StrEnum):
    """Where the venue's result comes from."""

    TRADING_FEES = "trading_fees"
    ISSUANCE_FEES = "issuance_fees"
    LIQUIDATION_FEES = "liquidation_fees"
    INTEREST = "interest"
    """What borrowers paid less what lenders earned: reserve, late interest, rounding."""
    LINE_FEES = "line_fees"
    FUNDING_ROUNDING = "funding_rounding"
    INSURANCE = "insurance"
    """Paid into accounts (negative), or given back."""
    LOANS_ABSORBED = "loans_absorbed"
    COMPENSATION = "compensation"
    RESIDUES = "residues"
    """Residues and unsold collateral taken over, at the index, less what was paid."""
    FEES_PAID_OUT = "fees_paid_out"
    """Fees moved to an account of the operator's."""


_SOURCE: Final = {
    Cause.FEE: Earned.TRADING_FEES,
    Cause.ISSUANCE_FEE: Earned.ISSUANCE_FEES,
    Cause.LIQUIDATION_FEE: Earned.LIQUIDATION_FEES,
    Cause.INTEREST: Earned.INTEREST,
    Cause.LENDER_LOSS: Earned.INTEREST,
    Cause.LINE_FEE: Earned.LINE_FEES,
    Cause.FUNDING: Earned.FUNDING_ROUNDING,
    Cause.INSURANCE: Earned.INSURANCE,
    Cause.LOAN_ABSORBED: Earned.LOANS_ABSORBED,
    Cause.COMPENSATION: Earned.COMPENSATION,
    Cause.RESIDUE: Earned.RESIDUES,
    Cause.RECOVERY: Earned.RESIDUES,
    Cause.FEES_COLLECTED: Earned.FEES_PAID_OUT,
}


class EarnedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one source brought in one asset: units, and micro-dollars when booked; positive to the venue."""

    source: Earned
    asset: str
    amount: int
    value: int


class BookLine(msgspec.Struct, frozen=True, kw_only=True):
    """One of the venue's own balances over the day, in units. `opening + funded + earned = closing`, `earned` being the rest."""

    party: str
    asset: str
    opening: int
    funded: int
    earned: int
    closing: int


class OperatorDay(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's result of a period."""

    period: str
    zone: str
    earned: tuple[EarnedLine, ...]
    books: tuple[BookLine, ...]

    @property
    def total(self) -> int:
        """Micro-dollars earned in all."""
        return sum(line.value for line in self.earned)


def operator_day(connection: Connection, period: Period) -> OperatorDay:
    """The venue's result of a day or month. Raises PeriodOpen before it is over."""
    names = Names(connection)
    begin, end = cut(connection, period.from_ns, period), cut(connection, period.to_ns, period)
    return OperatorDay(
        period=period.label,
        zone=period.zone,
        earned=tuple(_earned(connection, names, period)),
        books=tuple(_books(connection, names, (begin, end), period)),
    )


def _earned(connection: Connection, names: Names, period: Period) -> list[EarnedLine]:
    c = schema.ledger.c
    rows = connection.execute(
        select(c.cause, c.asset, func.sum(c.amount), func.sum(c.value))
        .where(c.time_ns >= period.from_ns, c.time_ns < period.to_ns, c.cause.in_([x.value for x in _SOURCE]))
        .group_by(c.cause, c.asset)
    )
    sums: dict[tuple[Earned, str], list[int]] = defaultdict(lambda: [0, 0])
    for cause, asset, amount, value in rows:
        line = sums[_SOURCE[Cause(cause)], names.assets[asset].name]
        line[0] -= int(amount)
        line[1] -= int(value)
    return [
        EarnedLine(source=source, asset=asset, amount=amount, value=value)
        for (source, asset), (amount, value) in sorted(sums.items())
        if amount or value
    ]


def _books(connection: Connection, names: Names, cuts: tuple[int, int], period: Period) -> list[BookLine]:
    opening, closing = (_venue(connection, cut) for cut in cuts)
    f = schema.operator_funds.c
    funded: dict[tuple[int, str], int] = defaultdict(int)
    rows = connection.execute(
        select(f.asset, f.party, f.amount).where(f.time_ns >= period.from_ns, f.time_ns < period.to_ns)
    )
    for asset, party, amount in rows:
        funded[asset, party] += amount
    return [
        BookLine(
            party=key[1],
            asset=names.assets[key[0]].name,
            opening=opening.get(key, 0),
            funded=funded[key],
            earned=closing.get(key, 0) - opening.get(key, 0) - funded[key],
            closing=closing.get(key, 0),
        )
        for key in sorted(opening.keys() | closing.keys() | set(funded))
        if key[1] != "Custody"
    ]


def _venue(connection: Connection, boundary_ns: int) -> dict[tuple[int, str], int]:
    c = schema.sampled_venue.c
    rows = connection.execute(select(c.asset, c.party, c.amount).where(c.boundary_ns == boundary_ns))
    return {(asset, party): amount for asset, party, amount in rows}
