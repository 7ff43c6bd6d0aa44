"""What events do not tell: asked of the engine, at the very command, and booked under the cause of the event that left it open.

Responsible for: remembering during a command whose holdings need asking, and booking the difference at its end. Never books a difference
that no event of the command stands for: that is for the samples to find and for statements to refuse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from novate.messages import reports
from novate.messages.reports.base import Answers
from novate.projections.causes import Cause
from novate.projections.running import At, Key, Row, Running, post

Moment = Callable[[int], Answers]
"""The engine after exactly that command. Asked for commands that never decrease."""

_SEQUENCE, _IDX, _LEG, _TIME, _ACCOUNT, _ASSET, _MARKET, _CAUSE, _AMOUNT = range(9)
_NOT_MOVED: Final = frozenset({Cause.INTEREST.value, Cause.LENDER_LOSS.value})
"""Booked now, but part of what the engine had before already."""
_FIRST_LEG: Final = 100
"""Legs of what was asked for; those of what events told come before."""


@dataclass(slots=True)
class Open:
    """What is open of one account in the present command."""

    cause: Cause
    told: dict[int, int] = field(default_factory=dict)
    """What an event said was credited, by market."""


@dataclass(slots=True)
class Untold:
    """What is open of the present command."""

    perps: dict[int, Open] = field(default_factory=dict)
    assets: dict[int, Open] = field(default_factory=dict)
    interest: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """By account and asset: interest that may be on a loan or on an unpaid perp debt."""

    def __bool__(self) -> bool:
        return bool(self.perps or self.assets or self.interest)

    def perp(self, account: int, cause: Cause) -> Open:
        """The account's perps are open."""
        return self.perps.setdefault(account, Open(cause))

    def asset(self, account: int, cause: Cause) -> None:
        """The account's balances are open."""
        self.assets.setdefault(account, Open(cause))


def units(report: reports.AccountReport | None) -> dict[int, int]:
    """Units by asset, in all pockets, interest to the minute included."""
    lines = report.balances if report is not None else ()
    return {b.asset: b.pledged + b.lent + b.held + b.escrowed + b.due for b in lines}


def unpaid(report: reports.AccountReport) -> dict[int, tuple[int, int]]:
    """Per perp what is owed less cost, and what is owed."""
    return {p.market: (p.claim - p.debt - p.cost, p.claim - p.debt) for p in report.positions if p.perp}


def settle(run: Running, untold: Untold, last: At, ledger_from: int, moment: Moment) -> None:
    """Books what is open of a command behind its `last` event; its own rows begin at `ledger_from`."""
    sequence = last.sequence
    at = At(sequence, last.idx, last.time_ns, _FIRST_LEG)
    before: dict[int, dict[int, int]] = {}
    if untold.assets:
        engine = moment(sequence - 1)
        before = {account: units(_report(engine, account)) for account in untold.assets}
    engine = moment(sequence)
    for account, waiting in sorted(untold.assets.items()):
        _balances(run, at, account, waiting.cause, before[account], engine, ledger_from)
    for account, waiting in sorted(untold.perps.items()):
        _perps(run, at, account, waiting, engine)
    for (account, asset), told in sorted(untold.interest.items()):
        # Where the perps were open for another reason, what they differ by was booked under that.
        _late(run, at, (account, asset), told, engine if account not in untold.perps else None)


def _report(engine: Answers, account: int) -> reports.AccountReport | None:
    try:
        return reports.account(engine, account)
    except ValueError:  # it is opened by this command
        return None


def _balances(
    run: Running,
    at: At,
    account: int,
    cause: Cause,
    before: dict[int, int],
    engine: Answers,
    ledger_from: int,
) -> None:
    after = units(_report(engine, account))
    rows: list[Row] = run.batch.appended["ledger"][ledger_from:]
    known: dict[int, int] = defaultdict(int)
    for row in rows:
        if row[_ACCOUNT] == account and row[_MARKET] == 0 and row[_CAUSE] not in _NOT_MOVED:
            known[row[_ASSET]] += row[_AMOUNT]
    for asset in sorted(before.keys() | after.keys()):
        left = after.get(asset, 0) - before.get(asset, 0) - known[asset]
        if left and cause is Cause.CORPORATE_ACTION:
            # Other numbers of the same thing are worth nothing more; the fraction is paid in cash.
            paid = run.listing.assets[asset].stablecoin
            post(
                run,
                at,
                (account, asset, 0),
                Cause.DIVIDEND if paid else cause,
                left,
                value=None if paid else 0,
            )
        elif left:
            post(run, at, (account, asset, 0), cause, left)


def _perps(run: Running, at: At, account: int, waiting: Open, engine: Answers) -> None:
    report = _report(engine, account)
    for market, (amount, owed) in sorted(unpaid(report).items()) if report is not None else ():
        key: Key = (account, run.listing.markets[market].quote, market)
        held = run.holding.get(key, [0, 0])
        left = amount - held[0]
        told = waiting.told.get(market)
        post(run, at, key, Cause.DIVIDEND if told == left else waiting.cause, left, owed=owed - held[1])


def _late(run: Running, at: At, whose: tuple[int, int], told: int, engine: Answers | None) -> None:
    """Interest on an unpaid perp debt is in the perp; the rest of what was told is on the loan."""
    account, asset = whose
    left = told
    report = _report(engine, account) if engine is not None else None
    for market, (amount, owed) in sorted(unpaid(report).items()) if report is not None else ():
        key: Key = (account, asset, market)
        held = run.holding.get(key, [0, 0])
        if run.listing.markets[market].quote == asset and amount != held[0]:
            left -= amount - held[0]
            post(run, at, key, Cause.INTEREST, amount - held[0], owed=owed - held[1])
    if left:
        post(run, at, (account, asset, 0), Cause.INTEREST, left)
