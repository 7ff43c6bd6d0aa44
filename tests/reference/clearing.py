"""An order at a broker, the plain way: its state is the sum of its unique, fitting fills.

Responsible for: a second writing of issuance and redemption at a broker, with Python's integers and no state but a list. Never looks at the
engine. Shares in 1e-9, prices in micro-dollars, cash with 6 decimals, so that a micro-dollar is a unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

SCALE = 10**9
"""Shares x price / this = micro-dollars."""


class Report(NamedTuple):
    """An execution report: what `complete` says ends the order."""

    execution: bytes
    right_name: bool
    bought: bool
    shares: int
    price: int
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of the order and its token: what is held for it, and what it may do."""

    buys: bool
    held: int
    dollars: int
    shares: int
    limit: int
    fee_ppm: int
    multiplier_ppb: int
    decimals: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """After all reports."""

    shares: int
    units: int
    held: int
    due: int
    quarantined: int
    open: bool


def up(dividend: int, divisor: int) -> int:
    """Rounded up."""
    return -(-dividend // divisor)


def fits(terms: Terms, taken: list[Report], report: Report, *, done: bool) -> bool:
    """Whether a report is what the order asked for."""
    if done or not report.right_name or report.bought != terms.buys:
        return False
    beyond = report.price > terms.limit if terms.buys else report.price < terms.limit
    if beyond:
        return False
    if terms.shares and sum(r.shares for r in taken) + report.shares > terms.shares:
        return False
    spent = sum(up(r.shares * r.price, SCALE) for r in (*taken, report))
    return not terms.buys or spent <= terms.dollars


def unique_fills(terms: Terms, reports: Iterable[Report]) -> tuple[list[Report], int, bool]:
    """The fills that count, how many wait in quarantine, and whether the order is done."""
    taken: list[Report] = []
    seen: set[bytes] = set()
    quarantined, done = 0, False
    for report in reports:
        if report.execution in seen:
            continue
        seen.add(report.execution)
        if not fits(terms, taken, report, done=done):
            quarantined += 1
            continue
        taken.append(report)
        done = report.complete or (terms.shares > 0 and sum(r.shares for r in taken) == terms.shares)
    return taken, quarantined, done


def outcome(terms: Terms, reports: Iterable[Report]) -> Outcome:
    """The order's state."""
    taken, quarantined, done = unique_fills(terms, reports)
    one = 10**terms.decimals
    shares = sum(r.shares for r in taken)
    if terms.buys:
        held, units = terms.held, 0
        for r in taken:
            cost = min(up(r.shares * r.price, SCALE), held)
            fee = min(up(cost * terms.fee_ppm, 10**6), held - cost)
            held -= cost + fee
            units += r.shares * one // terms.multiplier_ppb
        return Outcome(
            shares=shares,
            units=units,
            held=0 if done else held,
            due=0,
            quarantined=quarantined,
            open=not done,
        )
    whole = terms.held * terms.multiplier_ppb // one
    units = terms.held if shares == whole else min(up(shares * one, terms.multiplier_ppb), terms.held)
    gross = [r.shares * r.price // SCALE for r in taken]
    due = sum(g - up(g * terms.fee_ppm, 10**6) for g in gross)
    held = 0 if done else terms.held - units
    return Outcome(shares=shares, units=units, held=held, due=due, quarantined=quarantined, open=not done)
