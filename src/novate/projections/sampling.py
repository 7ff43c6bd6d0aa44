"""The engine asked at stated moments of the journal: margin at every full hour, holdings at every midnight.

Responsible for: which moments these are (a pure function of the journal's times), the rows of one, and the comparison of the ledger's sums
with what the engine has. Never corrects a sum: a difference is written down, and statements refuse over it.

The sample for a boundary is the state after the last command before the first event at or after it. Where one event crosses several
boundaries, nothing happened between them, and the last one stands for all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from novate.messages import reports
from novate.messages.reports.base import Answers
from novate.projections.listing import Listing
from novate.projections.running import Running
from novate.projections.settling import units, unpaid

HOUR_NS: Final = 3_600 * 1_000_000_000
SAMPLE_IDX: Final = -1
"""Event number of rows that no event made."""
_NEW_YORK: Final = ZoneInfo("America/New_York")
_LONG: Final = 48
_BINDING: Final = 200


def midnight(boundary_ns: int) -> bool:
    """Whether a day begins then, in UTC or in New York."""
    at = datetime.fromtimestamp(boundary_ns // 1_000_000_000, UTC)
    return at.hour == 0 or at.astimezone(_NEW_YORK).hour == 0


def sample(run: Running, sequence: int, boundary_ns: int, crossed: int, engine: Answers | None) -> None:
    """Writes the sample of the state after `sequence`, the last of `crossed` full hours in a row; without an engine that of nothing."""
    hours = min(crossed, _LONG)
    full = crossed > _LONG or any(midnight(boundary_ns - n * HOUR_NS) for n in range(hours))
    full = full or engine is None
    run.batch.appended["samples"].append((boundary_ns, sequence, int(full)))
    if engine is None:
        return
    _margins(run, sequence, boundary_ns, engine)
    if full:
        _holdings(run, boundary_ns, engine)
        venue = {(b.asset, b.party): b.amount for b in reports.ledger(engine).venue if b.amount}
        run.batch.appended["sampled_venue"].extend(
            (boundary_ns, asset, party, amount) for (asset, party), amount in sorted(venue.items())
        )


def _margins(run: Running, sequence: int, boundary_ns: int, engine: Answers) -> None:
    rows = run.batch.appended["margins"]
    for line in reports.accounts(engine):
        initial, liquidation_end, maintenance, close_out = line.requirements
        rows.append(
            (sequence, SAMPLE_IDX, line.account, line.state, boundary_ns, line.equity, initial, liquidation_end,
             maintenance, close_out, "")
        )  # fmt: skip


def binding(text: str) -> str:
    """The binding row as it stands in a margin row."""
    return text[:_BINDING]


def _holdings(run: Running, boundary_ns: int, engine: Answers) -> None:
    index = {line.underlying: line.index for line in reports.underlyings(engine)}
    ticks = {line.market: line.index_ticks for line in reports.markets(engine)}
    seen: set[tuple[int, int, int]] = set()
    for account in sorted(run.accounts):
        report = reports.account(engine, account)
        accruing = {b.asset for b in report.balances if b.pledged < 0 or b.lent > 0}
        for asset, amount in sorted(units(report).items()):
            price = index.get(run.listing.assets[asset].underlying, 0)
            _holding(run, boundary_ns, (account, asset, 0), amount, price, accruing=asset in accruing)
            seen.add((account, asset, 0))
        lots = {p.market: p.lots for p in report.positions}
        for market, (amount, _) in sorted(unpaid(report).items()):
            key = (account, run.listing.markets[market].quote, market)
            _perp(run, boundary_ns, key, amount, lots[market], ticks[market])
            seen.add(key)
    for key, held in sorted(run.holding.items()):
        if held[0] and key not in seen:
            run.batch.appended["ledger_differences"].append((boundary_ns, *key, -held[0]))


def _holding(
    run: Running, boundary_ns: int, key: tuple[int, int, int], amount: int, price: int, *, accruing: bool
) -> None:
    listing: Listing = run.listing
    booked = run.holding.get(key, [0, 0])[0]
    if amount != booked and not accruing:
        run.batch.appended["ledger_differences"].append((boundary_ns, *key, amount - booked))
    if amount or booked:
        worth = listing.worth(key[1], amount, price), listing.worth(key[1], booked, price)
        run.batch.appended["sampled_holdings"].append(
            (boundary_ns, *key, amount, booked, 0, price, *worth, 0)
        )


def _perp(
    run: Running, boundary_ns: int, key: tuple[int, int, int], amount: int, lots: int, ticks: int
) -> None:
    listing = run.listing
    booked = run.holding.get(key, [0, 0])[0]
    if amount != booked:
        run.batch.appended["ledger_differences"].append((boundary_ns, *key, amount - booked))
    if amount or booked or lots:
        notional = listing.face(key[1], lots * ticks * listing.markets[key[2]].unit)
        worth = listing.face(key[1], amount), listing.face(key[1], booked)
        run.batch.appended["sampled_holdings"].append(
            (boundary_ns, *key, amount, booked, lots, ticks, *worth, notional)
        )
