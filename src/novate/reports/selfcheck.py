"""The report checks itself: sums that must agree do, or the reader is told which do not.

Responsible for: comparing figures that the report already carries.
Never: mending a figure, hiding a failed check, or stopping the report.
"""

import msgspec

from novate.reports.figures import money
from novate.reports.model import Account, BalanceSheet, HedgeProof, MarginView, Report
from novate.reports.operations import (
    Backing,
    Dividend,
    Issuance,
    Package,
    Request,
    RequestFill,
    RuleChange,
    StockLoan,
)

CENT = 10_000
"""Micro-dollars."""


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
    done = report.operations
    if done.issuance is not None:
        result += [_backing(done.issuance), _requests(done.issuance)]
    result += [_package(package) for package in done.packages]
    result += [_dividend(item) for item in done.dividends if item.effective_ns]
    if done.changes:
        result.append(_changes(done.changes))
    result += [_loan(loan) for loan in done.loans]
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


def _backing(issuance: Issuance) -> Check:
    """The supply invariant, from the figures the report shows, beside the differences the venue told."""
    broken = [f"{item.token} {item.when}" for item in issuance.backing if not _is_backed(item)]
    if issuance.worst_difference:
        broken.append(f"a difference of {issuance.worst_difference}e-9 shares told")
    detail = (
        "; ".join(broken)
        or f"exact at {len(issuance.backing)} moments shown and in {issuance.checked:,} answers"
    )
    ok = not broken and issuance.checked > 0
    return Check(
        name="Settled + bought - sold + shortage = tokens x multiplier + surplus", ok=ok, detail=detail
    )


def _is_backed(item: Backing) -> bool:
    required = -(-item.units * item.multiplier_ppb // 1_000_000)
    behind = item.settled + item.bought - item.sold + item.shortage
    return behind == item.required + item.surplus and item.required == required and item.surplus >= 0


ENDED = {"filled", "settled", "delivered", "rejected", "cancelled", "expired"}


def _requests(issuance: Issuance) -> Check:
    """What an ended request held was spent or is back, and the tokens in existence moved by what requests made and unmade."""
    ended = [r for r in issuance.requests if r.steps and r.steps[-1].state in ENDED]
    broken = [f"request {r.request}" for r in ended if _used(r) != r.held]
    broken += [f"price of request {r.request}" for r in ended if not all(_is_priced(r, f) for f in r.fills)]
    for token in dict.fromkeys(item.token for item in issuance.backing):
        moments = [item.units for item in issuance.backing if item.token == token]
        made = sum(
            fill.units if r.way == "issue" else -fill.units
            for r in issuance.requests
            if r.token == token
            for fill in r.fills
        )
        if moments[-1] - moments[0] != made:
            broken.append(f"tokens of {token}")
    detail = "not so for " + ", ".join(broken) if broken else f"exact in {len(ended)} requests"
    return Check(name="What requests held was spent, burned or returned", ok=not broken, detail=detail)


def _is_priced(request: Request, fill: RequestFill) -> bool:
    """Cash is shares times price: up for what is paid, down for what is due and its fee."""
    exact = fill.shares * fill.price_e6
    if request.way == "issue":
        return fill.cash_micro == -(-exact // 1_000_000_000)
    return fill.cash_micro + fill.fee_micro == exact // 1_000_000_000


def _used(request: Request) -> int:
    if request.way == "issue":
        return sum(fill.cash_micro + fill.fee_micro for fill in request.fills) + request.returned
    return sum(fill.units for fill in request.fills) + request.returned


def _package(package: Package) -> Check:
    alone = sum(leg.alone_micro for leg in package.legs)
    ok = len(package.legs) > 1 and 0 < package.requirement_micro < alone and package.excess_micro >= 0
    detail = f"{money(package.requirement_micro)} against {money(alone)}, one sequence"
    return Check(name="The package needs less than its legs alone", ok=ok, detail=detail)


def _dividend(item: Dividend) -> Check:
    """Flat to the cent: what the tokens are due is what the short perp paid, in the dry run and in effect; the index fell by it all."""
    rest = item.perp_micro + item.token_micro
    due = item.shares * item.amount_e6 * (1_000_000 - item.withheld_ppm) // 1_000_000 // 1_000_000_000
    fell = item.index_before_e6 - item.index_after_e6 == item.amount_e6
    rehearsed = abs(item.account_after_micro - item.account_before_micro)
    ok = abs(rest) <= CENT and rehearsed <= CENT and fell and abs(item.token_micro - due) <= CENT
    two = item.confirmed_by not in ("", item.scheduled_by)
    detail = (
        f"{money(item.token_micro, 2)} receivable, {money(-item.perp_micro, 2)} paid; {money(rest, 4)} apart"
    )
    name = "Token against short perp is flat through the dividend, by two people"
    return Check(name=name, ok=ok and two and item.shares > 0, detail=detail)


def _changes(changes: tuple[RuleChange, ...]) -> Check:
    """Two people, a delay that fits the effect, and nothing in force before its time."""
    broken = [item.what for item in changes if not _is_lawful(item)]
    waits = sum(item.stage == "approved" for item in changes)
    in_force = sum(item.stage == "in force" for item in changes)
    detail = "; ".join(broken) or f"{in_force} in force after the delay, {waits} waiting"
    return Check(
        name="Rules changed by two people, after the delay their effect asks", ok=not broken, detail=detail
    )


def _is_lawful(item: RuleChange) -> bool:
    raises = any(
        effect.requirement_after_micro > effect.requirement_before_micro
        or effect.excess_after_micro < effect.excess_before_micro
        for effect in item.effects
    )
    if raises and not item.long_delay:
        return False
    if item.stage == "proposed":
        return not item.approved_ns
    if item.stage == "in force" and not (
        item.approved_ns < item.in_force_ns and item.due_ns <= item.in_force_ns
    ):
        return False
    return item.stage == "ended" or item.approved_by not in ("", item.proposed_by)


def _loan(loan: StockLoan) -> Check:
    ok = 0 < loan.sold_units <= loan.owed_units and 0 < loan.lent_units <= loan.claim_units
    detail = f"{loan.owed_units - loan.sold_units} and {loan.claim_units - loan.lent_units} millionths of a token of interest"
    return Check(
        name=f"What was sold short of {loan.token} is owed, and its lender is owed no less than it lent",
        ok=ok,
        detail=detail,
    )
