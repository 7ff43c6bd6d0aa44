"""The report checks itself: sums that must agree do, or the reader is told which do not.

Responsible for: comparing figures that the report already carries.
Never: mending a figure, hiding a failed check, or stopping the report.
"""

import msgspec

from novate.reports.figures import money
from novate.reports.model import Account, BalanceSheet, HedgeProof, MarginView, Report


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about the report's own figures, whether it holds, and what was seen."""

    name: str
    ok: bool
    detail: str


def checks(report: Report) -> tuple[Check, ...]:
    """Every check, in reading order."""
    result = [_conservation(report), _sheets(report), _terms(report), _contributions(report)]
    if report.hedge is not None:
        result.append(_hedge(report.hedge))
    return tuple(result)


def _conservation(report: Report) -> Check:
    rows = report.venue.conservation
    broken = [f"{row.asset} {row.difference:+d}" for row in rows if row.difference]
    detail = ", ".join(broken) or f"0 in each of {len(rows)} assets"
    return Check(name="Nothing created, nothing lost", ok=bool(rows) and not broken, detail=detail)


def _views(account: Account) -> tuple[MarginView, MarginView, MarginView]:
    return account.before, account.worst, account.after


def _sheets(report: Report) -> Check:
    sheets = [(a, sheet) for a in report.accounts for sheet in (a.balance_before, a.balance_after)]
    broken = [account.name for account, sheet in sheets if _sheet_gap(sheet)]
    return _sum_check("Balance sheets add up to equity", len(sheets), broken)


def _sheet_gap(sheet: BalanceSheet) -> int:
    return sum(line.value_micro for line in sheet.lines) - sheet.equity_micro


def _terms(report: Report) -> Check:
    views = [(a, view) for a in report.accounts for view in _views(a) if view.terms]
    broken = [a.name for a, view in views if sum(t.amount_micro for t in view.terms) != view.initial_micro]
    return _sum_check("Terms add up to the initial requirement", len(views), broken)


def _contributions(report: Report) -> Check:
    views = [(a, view) for a in report.accounts for view in _views(a) if view.contributions]
    broken = [a.name for a, v in views if sum(c.amount_micro for c in v.contributions) != v.initial_micro]
    return _sum_check("Contributions of positions add up to it too", len(views), broken)


def _sum_check(name: str, count: int, broken: list[str]) -> Check:
    detail = f"exact in {count}" if not broken else "not so for " + ", ".join(dict.fromkeys(broken))
    return Check(name=name, ok=count > 0 and not broken, detail=detail if count else "no figures to compare")


def _hedge(proof: HedgeProof) -> Check:
    worst = money(max(abs(proof.unexplained_micro), abs(proof.worst_unexplained_micro)), places=6)
    detail = f"largest unexplained move of excess {worst} in {proof.checked:,} instants"
    return Check(
        name="The hedged holder moved only by carry and his own charges", ok=proof.holds, detail=detail
    )
