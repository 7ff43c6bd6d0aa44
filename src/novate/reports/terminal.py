"""The report on a terminal, in tables that fit 100 columns.

Responsible for: rich tables of what the report carries.
Never: standard output of its own accord. The caller gives the console; `stderr_console` is the usual one, so that
standard output stays free for `--json`. Colour is only emphasis: every table reads the same without it.
"""

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from novate.reports import story
from novate.reports.figures import clock, minute, money, percent, price, rate
from novate.reports.grid import BAD, GOOD, QUIET, plain_cells, plain_table
from novate.reports.model import Account, BalanceLine, HedgeProof, Report
from novate.reports.operation_sheets import TITLE, operation_sheets
from novate.reports.selfcheck import checks
from novate.reports.sheets import Sheet, sheets

MOST_ROWS = 24


def stderr_console() -> Console:
    """Console on standard error; honours NO_COLOR and plain pipes."""
    return Console(stderr=True, highlight=False)


def print_report(report: Report, console: Console) -> None:
    """Print the whole report, the answer first."""
    for part in _parts(report):
        console.print(part)
        console.print()


def _parts(report: Report) -> Iterable[RenderableType]:
    yield _opening(report)
    yield _checks(report)
    yield _overview(report)
    yield _compared(report)
    yield from (_account(account) for account in report.accounts)
    if report.hedge is not None:
        yield _hedge(report.hedge)
    yield _liquidations(report)
    if report.funding:
        yield _funding(report)
    if report.insurance or report.shortfalls:
        yield _funds(report)
    yield from (_sheet_of(sheet) for sheet in sheets(report))
    if done := operation_sheets(report):
        yield Text(f"── {TITLE}", style="bold")
        yield from (Group(_sheet_of(sheet), Text(sheet.note, style=QUIET)) for sheet in done)
    yield _series(report)
    yield _venue(report)


def _opening(report: Report) -> Panel:
    scenario, hero = report.scenario, report.account(report.hero)
    body = Text()
    body.append(scenario.headline + "\n", style=QUIET)
    body.append(f"{minute(scenario.start_ns)} to {minute(scenario.end_ns)}, New York\n\n", style=QUIET)
    body.append(f"{hero.name}: {hero.story}\n", style="bold")
    body.append(story.answer(report) + "\n" + story.outcome(report))
    return Panel(body, title=Text(scenario.title), title_align="left", border_style=QUIET)


def _checks(report: Report) -> Table:
    table = plain_table("Does it add up?", "", "check", "seen", left=3)
    for check in checks(report):
        mark = Text("ok", style=GOOD) if check.ok else Text("FAILED", style=BAD)
        table.add_row(*plain_cells(mark, check.name, check.detail))
    return table


def _overview(report: Report) -> Table:
    # Two figures a cell: six columns of money would cut the names off on 80 columns.
    columns = ("account", "worst", "equity", "initial", "excess at worst")
    table = plain_table(
        "Accounts: equity before, below it after; initial requirement, below it excess; worst at maintenance",
        *columns,
        left=2,
    )
    for account in report.accounts:
        initial, worst = account.before.level("initial"), account.worst.level("maintenance")
        table.add_row(
            *plain_cells(
                account.name,
                _state(account.worst.state),
                _two(account.before.equity_micro, account.after.equity_micro),
                _two(account.before.initial_micro, initial.excess_micro if initial else 0),
                money(worst.excess_micro) if worst else "–",
            )
        )
    return table


def _state(state: str) -> Text:
    styles = {"green": "green", "yellow": "yellow", "orange": "dark_orange", "red": "red", "black": BAD}
    return Text(state, style=styles.get(state, ""))


def _compared(report: Report) -> Table:
    titles = story.rules(report)
    table = plain_table(
        "The same books under other rules: initial requirement, below it excess",
        "account",
        "novate",
        *(title for _, title in titles),
    )
    for account in report.accounts:
        level = account.before.level("initial")
        ours = _two(account.before.initial_micro, level.excess_micro if level else 0)
        peers = [story.versus(account, rule) for rule, _ in titles]
        others = [_two(peer.initial_micro, peer.excess_micro) if peer else Text("–") for peer in peers]
        table.add_row(Text(account.name), ours, *others)
    return table


def _two(above: int, below: int) -> Text:
    text = Text(money(above) + "\n")
    text.append(money(below), style="red" if below < 0 else QUIET)
    return text


def _account(account: Account) -> Group:
    head = Text()
    head.append(f"── {account.name} ", style="bold")
    head.append(f"(account {account.id}) {account.story}\n")
    head.append(f"Follows: {account.rule}\n", style=QUIET)
    for name, view in (("Before", account.before), ("At worst", account.worst), ("After", account.after)):
        head.append(f"{name:9}", style=QUIET)
        head.append(f"{money(view.initial_micro)} because {view.binding}\n")
    head.append("Liquidated if ", style=QUIET)
    head.append(story.liquidated_if(account))
    parts: list[RenderableType] = [head, _sheet(account), _levels(account), _terms(account), _costs(account)]
    return Group(*parts, *([_distances(account)] if account.distances else []))


def _distances(account: Account) -> Table:
    table = plain_table("", "one name's move to", *story.STATES)
    table.title = None
    for row in account.distances:
        table.add_row(*plain_cells(row.underlying, *map(" / ".join, story.distances(row))))
    return table


def _sheet(account: Account) -> Table:
    table = plain_table("", "balance sheet", "quantity", "before", "quantity", "after")
    table.title = None
    before = {(line.group, line.name): line for line in account.balance_before.lines}
    after = {(line.group, line.name): line for line in account.balance_after.lines}
    for key in dict.fromkeys([*before, *after]):
        name = key[1] + (" perp" if key[0] == "perp" and "perp" not in key[1].lower() else "")
        table.add_row(*plain_cells(name, *_held(before.get(key)), *_held(after.get(key))))
    total = [money(account.balance_before.equity_micro), money(account.balance_after.equity_micro)]
    table.add_row(*plain_cells(Text("equity", style="bold"), "", total[0], "", total[1]))
    return table


def _held(line: BalanceLine | None) -> tuple[str, str]:
    return (line.quantity, money(line.value_micro)) if line else ("–", "–")


def _levels(account: Account) -> Table:
    table = plain_table("", "margin level", "required", "excess", "at worst", "excess", "after", "excess")
    table.title = None
    for level in account.before.levels:
        cells = [level.name]
        for view in (account.before, account.worst, account.after):
            found = view.level(level.name)
            cells += [money(found.requirement_micro), money(found.excess_micro)] if found else ["–", "–"]
        table.add_row(*plain_cells(*cells))
    return table


def _terms(account: Account) -> Text:
    names = story.terms_used([account.before])
    parts = [f"{name} {money(story.term_micro(account.before, name))}" for name in names]
    return Text("Terms    " + (" + ".join(parts) or "none"), style=QUIET)


def _costs(account: Account) -> Text:
    costs = account.costs
    text = f"Costs    {costs.fills:,} fills, fees {money(costs.fees_micro, 2)}, "
    text += f"funding {money(costs.funding_micro, 2)}, interest {money(costs.interest_micro, 2)}"
    if account.dated_row is not None:
        row = account.dated_row
        text += (
            f"\nDated row {row.name}: {money(row.without_micro)} without it, {money(row.with_micro)} with it"
        )
    return Text(text, style=QUIET)


def _hedge(proof: HedgeProof) -> Table:
    move = percent(proof.price_move_ppm, 1_000_000)
    verdict = "held" if proof.holds else "did NOT hold"
    title = f"The hedge {verdict}: {proof.underlying} moved {move}; change of {proof.level} excess, explained"
    table = plain_table(title, "part", "dollars")
    for name, amount in story.hedge_rows(proof):
        table.add_row(*plain_cells(name, money(amount, 2)))
    return table


def _liquidations(report: Report) -> RenderableType:
    if not report.liquidations:
        return Text("Liquidations: none.", style="bold")
    columns = ("account", "slices", "first", "last", "traded", "against index", "fees")
    totals = plain_table("Liquidations", *columns)
    for row in story.liquidation_totals(report):
        figures = (money(row.notional_micro), money(row.slippage_micro), money(row.fees_micro))
        cells = (report.name_of(row.account), f"{row.slices:,}", minute(row.first_ns), minute(row.last_ns))
        totals.add_row(*plain_cells(*cells, *figures))
    slices = plain_table("", "time", "account", "market", "step", "quantity", "price", "index", "fee", left=4)
    slices.title = None
    for item in report.liquidations[:MOST_ROWS]:
        text = (clock(item.time_ns), report.name_of(item.account), f"{item.side} {item.market}", item.step)
        figures_ = (item.quantity, price(item.price_e6), price(item.index_e6), money(item.fee_micro))
        slices.add_row(*plain_cells(*text, *figures_))
    more = len(report.liquidations) - MOST_ROWS
    rest = Text(f"... and {more:,} more slices; the page lists them" if more > 0 else "", style=QUIET)
    return Group(totals, Text(), slices, rest)


def _funding(report: Report) -> Table:
    columns = ("market", "hours", "mean rate", "lowest", "highest", "longs paid")
    table = plain_table("Funding, hourly rates", *columns)
    for row in story.funding_totals(report):
        rates = (rate(row.mean_e9), rate(row.low_e9), rate(row.high_e9))
        table.add_row(*plain_cells(row.market, f"{row.hours}", *rates, money(row.paid_micro, 2)))
    return table


def _funds(report: Report) -> Table:
    table = plain_table("Insurance and shortfalls", "", "before", "after", "change")
    for fund in report.insurance:
        change = fund.after_micro - fund.before_micro
        figures = (money(fund.before_micro), money(fund.after_micro), money(change))
        table.add_row(*plain_cells(f"insurance {fund.bucket}", *figures))
    for item in report.shortfalls:
        table.add_row(
            *plain_cells(
                f"shortfall {report.name_of(item.account)}", "", money(-item.amount_micro), item.asset
            )
        )
    return table


def _sheet_of(sheet: Sheet) -> Table:
    table = plain_table(sheet.title, *sheet.columns, left=sheet.left)
    for row in sheet.rows:
        table.add_row(*plain_cells(*row))
    return table


def _series(report: Report) -> Table:
    table = plain_table(
        "Where the prices come from", "name", "source", "quality", "kind", "bars", "stray", left=4
    )
    for item in report.scenario.series:
        stray = f"{item.stray_bars:,}"
        table.add_row(
            *plain_cells(item.underlying, item.source, item.quality, item.kind, f"{item.bars:,}", stray)
        )
    return table


def _venue(report: Report) -> Table:
    table = plain_table("The run", "", "", left=2)
    for name, text in story.venue_rows(report.venue):
        table.add_row(Text(name, style=QUIET), Text(text, overflow="fold"))
    return table
