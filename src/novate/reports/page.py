"""The report as one self-contained HTML page.

Responsible for: the order of the sections and what each one says.
Never: the network (the page's own policy forbids it, plotly.js is inlined once), raw text (markup.py escapes all of
it), or a figure that model.py and story.py do not give.
"""

from importlib.resources import files
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from novate.reports import charts, story
from novate.reports.cards import account_card, state
from novate.reports.figures import clock, minute, money, percent, price, rate
from novate.reports.markup import Html, table, tag
from novate.reports.model import Account, DatedRow, Report
from novate.reports.operation_sheets import TITLE, operation_sheets
from novate.reports.selfcheck import checks
from novate.reports.sheets import Sheet, sheets
from novate.risk.peers import PeerResult

MOST_SLICES = 1_000
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def write_page(report: Report, path: Path) -> Path:
    """Write the page to `path` (its folder must exist) and return it. OSError when it cannot be written."""
    path.write_text(render(report), encoding="utf-8")
    return path


def render(report: Report) -> str:
    """The whole page as text."""
    sections = [section for section in _sections(report) if section]
    body = tag("main", _header(report), *sections, _footer(report))
    title = tag("title", f"novate: {report.scenario.title}")
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    meta += f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head = f"<head>{meta}{title}<style>{_asset('page.css')}</style></head>"
    scripts = f"<script>{get_plotlyjs()}</script><script>{_asset('page.js')}</script>"
    return f'<!doctype html>\n<html lang="en">{head}<body>{body}{scripts}</body></html>\n'


def _asset(name: str) -> str:
    return files("novate.reports").joinpath(name).read_text(encoding="utf-8")


def _chart(name: str, figure: go.Figure, caption: str) -> Html:
    """A placeholder and the figure beside it as JSON; `<` is escaped so that no text can close the script."""
    data = str(figure.to_json()).replace("<", "\\u003c")
    box = tag("div", id=name, css="chart", style=f"height:{figure.layout.height}px")
    script = Html(f'<script type="application/json" id="{name}-data">{data}</script>')
    return tag("figure", box, script, tag("figcaption", caption))


def _section(anchor: str, title: str, *parts: str) -> Html:
    return tag("section", tag("h2", title), *parts, id=anchor)


NAVIGATION = (
    ("crash", "The crash"),
    ("rules", "Other rules"),
    ("hedge", "The hedge"),
    ("margin", "Margin"),
    ("liquidations", "Liquidations"),
    ("safeguards", "Safeguards"),
    ("operations", "Besides trading"),
    ("funding", "Basis and funding"),
    ("quality", "Price quality"),
    ("accounts", "Accounts"),
    ("data", "Data"),
    ("proof", "Proof"),
)


def _header(report: Report) -> Html:
    scenario, hero = report.scenario, report.account(report.hero)
    span = f"{minute(scenario.start_ns)} to {minute(scenario.end_ns)}, New York time"
    top = tag("div", "novate", tag("span", "risk report"), css="mark")
    said = (
        tag("p", f"{hero.name}: {hero.story}", css="who"),
        tag("p", story.answer(report)),
        tag("p", story.outcome(report), css="then"),
    )
    links = (tag("a", name, href=f"#{anchor}") for anchor, name in NAVIGATION if _present(report, anchor))
    return tag(
        "header",
        top,
        tag("h1", scenario.title),
        tag("p", scenario.headline, css="soft"),
        tag("p", f"{span}. {scenario.story}", css="soft"),
        _alarm(report),
        tag("div", *said, css="answer"),
        tag("div", *(_kpi(*figure) for figure in story.key_figures(report)), css="kpis"),
        tag("nav", *links),
    )


def _alarm(report: Report) -> Html:
    """A failed check is the first thing a reader must see."""
    failed = [f"{check.name}: {check.detail}" for check in checks(report) if not check.ok]
    return tag("p", "This report does not add up. " + "; ".join(failed), css="alarm") if failed else Html("")


def _kpi(label: str, figure: str, remark: str) -> Html:
    css = ("label", "figure", "remark")
    return tag(
        "div",
        *(tag("div", part, css=c) for c, part in zip(css, (label, figure, remark), strict=True)),
        css="kpi",
    )


def _present(report: Report, anchor: str) -> bool:
    """Whether the report has what that section shows."""
    needs: dict[str, object] = {
        "crash": report.prices,
        "rules": story.rules(report),
        "hedge": report.hedge or report.account(report.hero).path,
        "safeguards": sheets(report),
        "operations": operation_sheets(report),
        "funding": report.funding,
        "quality": report.quality,
    }
    return bool(needs.get(anchor, True))


def _sections(report: Report) -> list[Html]:
    makers = {
        "crash": _crash,
        "rules": _rules,
        "hedge": _hedge,
        "margin": _margin,
        "liquidations": _liquidations,
        "safeguards": _safeguards,
        "operations": _operations,
        "funding": _funding,
        "quality": _quality,
        "accounts": _accounts,
        "data": _data,
        "proof": _proof,
    }
    return [makers[anchor](report) for anchor, _ in NAVIGATION if _present(report, anchor)]


# --- sections, in reading order -------------------------------------------------------------------------------------


def _crash(report: Report) -> Html:
    caption = "The venue's own index, one value per five minutes, first value 100. Shaded: the primary market is not in "
    caption += "its regular session, darkest when it is closed. Triangles: liquidations."
    return _section(
        "crash", "The crash, as the venue saw it", _chart("chart-crash", charts.crash(report), caption)
    )


def _rules(report: Report) -> Html:
    titles = story.rules(report)
    columns = ("account", "novate", *(title for _, title in titles))
    rows = [_rule_row(account, [rule for rule, _ in titles]) for account in report.accounts]
    caption = (
        "Initial requirement before the crash as a share of gross exposure (token value plus perp notional). "
    )
    caption += "✕ marks a book that could not be opened under that rule: what it lets count is less than what it asks."
    intro = "Each figure is the initial requirement; below it the excess, then everything the rule keeps out of the "
    intro += (
        "owner's hands: margin plus collateral it does not count. A low requirement helps only where the "
    )
    intro += "collateral counts, and a rule that asks nothing for a hedge says nothing of the token's issuer or the cost of closing."
    return _section(
        "rules",
        "The same books under other rules",
        _chart("chart-rules", charts.compared(report), caption),
        tag("p", intro, css="soft"),
        table(columns, rows),
        _explanations(report),
    )


def _rule_row(account: Account, rules: list[str]) -> list[str]:
    level = account.before.level("initial")
    spare = level.excess_micro if level else 0
    cells = [account.name, _three(account.before.initial_micro, spare, account.before.equity_micro - spare)]
    for rule in rules:
        peer = story.versus(account, rule)
        cells.append(_three(peer.initial_micro, peer.excess_micro, peer.locked_micro) if peer else "–")
    return cells


def _three(requirement: int, excess: int, locked: int) -> Html:
    css = "sub neg" if excess < 0 else "sub"
    spare = tag("span", f"{money(excess)} excess", css=css)
    return Html(f"{money(requirement)}{spare}{tag('span', f'{money(locked)} kept', css='sub')}")


def _explanations(report: Report) -> Html:
    first: dict[str, PeerResult] = {}
    for account in report.accounts:
        for peer in account.peers:
            first.setdefault(peer.rule, peer)
    items = [tag("li", tag("b", peer.title + ". "), peer.explanation) for peer in first.values()]
    warned = [(a, peer) for a in report.accounts for peer in a.peers if peer.warnings]
    notes = [tag("li", tag("b", f"{a.name}, {p.title}: "), "; ".join(p.warnings)) for a, p in warned]
    more = tag("details", tag("summary", "What else these rules would say"), tag("div", tag("ul", *notes)))
    return Html(tag("ul", *items) + (more if notes else ""))


def _hedge(report: Report) -> Html:
    caption = (
        "Equity against what the venue asks, at the worst moment of each five minutes. Dashed line: first "
    )
    caption += "liquidation. Grey: the same tokens without the short."
    parts: list[str] = []
    if any(report.account(number).path for number in report.shown()):
        parts.append(_chart("chart-paths", charts.paths(report), caption))
    if report.hedge is not None:
        proof = report.hedge
        move = percent(proof.price_move_ppm, 1_000_000)
        verdict = "holds" if proof.holds else "does NOT hold"
        text = f"{proof.underlying} moved {move}. Hedge invariance says the excess of a matched token and short perp may "
        text += "move only by carry, the clipped premium and changes of its own BASIS, WRAP, FX and LIQ. It "
        text += f"{verdict}: checked at {proof.checked:,} instants, largest unexplained move "
        text += f"{money(abs(proof.worst_unexplained_micro), 6)}, rounding allowed {money(proof.tolerance_micro, 6)}."
        parts.append(tag("p", text))
        rows = [(name, money(amount, 2)) for name, amount in story.hedge_rows(proof)]
        parts.append(table((f"change of {proof.level} excess", "dollars"), rows))
    return _section("hedge", "A hedge is one position, at every hour", *parts)


def _margin(report: Report) -> Html:
    caption = "Share of each term in the initial requirement before the crash: SR stress rows, GAP single-name jumps, "
    caption += "BASIS token against perp, WRAP issuer, FX stablecoin, LIQ cost of closing, CROWD open interest, LENT what is lent, ORD orders."
    parts: list[str] = [_chart("chart-terms", charts.decomposition(report), caption)]
    dated = [(a, a.dated_row) for a in report.accounts if a.dated_row is not None]
    if dated:
        text = "The listing leaves out the dated stress row of the day it replays; with it, the same books would need:"
        rows = [_dated(account, row) for account, row in dated]
        columns = ("account", "row", "without", "with", "difference")
        parts += [tag("p", text, css="soft"), table(columns, rows, left=2)]
    return _section("margin", "What the requirement is made of", *parts)


def _dated(account: Account, row: DatedRow) -> tuple[str, ...]:
    amounts = (row.without_micro, row.with_micro, row.with_micro - row.without_micro)
    return (account.name, f"{row.name}, seen {minute(row.time_ns)}", *(money(amount) for amount in amounts))


def _liquidations(report: Report) -> Html:
    if not report.liquidations:
        return _section("liquidations", "Liquidations", tag("p", "None."), _funds(report))
    columns = ("account", "slices", "first", "last", "traded", "cost against index", "fees")
    totals = [
        (
            report.name_of(row.account),
            f"{row.slices:,}",
            minute(row.first_ns),
            minute(row.last_ns),
            money(row.notional_micro),
            money(row.slippage_micro),
            money(row.fees_micro),
        )
        for row in story.liquidation_totals(report)
    ]
    return _section(
        "liquidations",
        "Liquidations, with prices and costs",
        table(columns, totals),
        _slices(report),
        _funds(report),
    )


def _slices(report: Report) -> Html:
    columns = ("time", "account", "trade", "step", "quantity", "price", "index", "notional", "fee")
    rows = [
        (
            clock(item.time_ns),
            report.name_of(item.account),
            f"{item.side} {item.market}",
            _noted(item.step, item.reason),
            item.quantity,
            price(item.price_e6),
            price(item.index_e6),
            money(item.notional_micro),
            money(item.fee_micro, 2),
        )
        for item in report.liquidations[:MOST_SLICES]
    ]
    more = len(report.liquidations) - MOST_SLICES
    note = f"{more:,} more slices are left out here." if more > 0 else ""
    inner = tag("div", table(columns, rows, left=4), css="tall")
    parts = (tag("summary", "Every slice"), tag("div", inner, tag("p", note, css="soft") if note else ""))
    return tag("details", *parts, open="")


def _noted(main: str, note: str) -> str:
    return Html(f"{tag('span', main)}{tag('span', note, css='sub')}") if note else main


def _funds(report: Report) -> Html:
    rows = [
        (
            f"insurance, {f.bucket}",
            money(f.before_micro),
            money(f.after_micro),
            money(f.after_micro - f.before_micro),
        )
        for f in report.insurance
    ]
    rows += [
        (f"shortfall, {report.name_of(item.account)} ({item.asset})", "", "", money(-item.amount_micro))
        for item in report.shortfalls
    ]
    if not rows:
        return Html("")
    return Html(tag("h3", "Insurance and shortfalls") + table(("", "before", "after", "change"), rows))


def _safeguards(report: Report) -> Html:
    intro = "What the venue itself says of the money and the rules that stand between a bad day and a loss nobody covers, at the "
    intro += "end of the run."
    parts = [_sheet(sheet) for sheet in sheets(report)]
    return _section("safeguards", "What stands behind the venue", tag("p", intro, css="soft"), *parts)


def _operations(report: Report) -> Html:
    intro = "Tokens made and unmade against shares, a hedge as one trade, a dividend, changes of rules and a stock loan: each went "
    intro += "through the same journal as every order."
    parts = [_sheet(sheet) for sheet in operation_sheets(report)]
    return _section("operations", TITLE, tag("p", intro, css="soft"), *parts)


def _sheet(sheet: Sheet) -> Html:
    note = tag("p", sheet.note, css="soft")
    return Html(tag("h3", sheet.title) + note + table(sheet.columns, sheet.rows, left=sheet.left))


def _funding(report: Report) -> Html:
    columns = ("market", "hours", "mean rate an hour", "lowest", "highest", "longs paid shorts")
    rows = [
        (t.market, f"{t.hours}", rate(t.mean_e9), rate(t.low_e9), rate(t.high_e9), money(t.paid_micro, 2))
        for t in story.funding_totals(report)
    ]
    parts: list[str] = []
    if any(path.headline for path in report.prices):
        caption = (
            "The venue's own mark and index, one value per five minutes; funding is set hourly and capped."
        )
        parts.append(_chart("chart-basis", charts.basis(report), caption))
    return _section("funding", "Basis and funding", *parts, table(columns, rows))


def _quality(report: Report) -> Html:
    caption = "Which row of the quality gate applied to each underlying. Live allows everything; closed allows trading and "
    caption += (
        "bounds liquidation; degraded, suspect, stale and halted take rights away. Episodes shorter than ten "
    )
    caption += "minutes are drawn ten minutes wide."
    return _section(
        "quality", "How good the prices were", _chart("chart-quality", charts.quality(report), caption)
    )


def _accounts(report: Report) -> Html:
    columns = (
        "account",
        "worst",
        "cash",
        "tokens",
        "perp P&L",
        "claims",
        "loans",
        "equity",
        "after",
        "change",
    )
    rows = [_sheet_row(account) for account in report.accounts]
    cards = (account_card(account, opened=account.id == report.hero) for account in report.accounts)
    intro = "Balance sheets before the crash, the worst margin state on the way, and equity after it."
    return _section("accounts", "Accounts", tag("p", intro, css="soft"), table(columns, rows, left=2), *cards)


def _sheet_row(account: Account) -> tuple[str, ...]:
    sheet = account.balance_before
    groups = [money(story.group_total(sheet, group)) for group, _ in story.GROUPS]
    before, after = sheet.equity_micro, account.balance_after.equity_micro
    return (
        account.name,
        state(account.worst.state),
        *groups,
        money(before),
        money(after),
        money(after - before),
    )


def _data(report: Report) -> Html:
    columns = ("underlying", "source", "quality", "kind and note", "bars", "stray, ignored")
    rows = [
        (
            item.underlying,
            item.source,
            tag("span", item.quality, css=item.quality),
            _noted(item.kind, item.note),
            f"{item.bars:,}",
            f"{item.stray_bars:,}",
        )
        for item in report.scenario.series
    ]
    text = f"Data source: {report.scenario.data_source}. Real: as recorded. Derived: ticks made from recorded bars. "
    text += "Simulated: from a stated rule and seed."
    return _section(
        "data", "Where the prices come from", tag("p", text, css="soft"), table(columns, rows, left=4)
    )


def _proof(report: Report) -> Html:
    marks = {True: tag("span", "holds", css="good"), False: tag("span", "FAILS", css="bad")}
    tested = [(marks[check.ok], check.name, check.detail) for check in checks(report)]
    facts = [(name, tag("code", text)) for name, text in story.venue_rows(report.venue)]
    intro = (
        "Everything above follows from the journal. Replaying it on any machine gives the same state hash:"
    )
    return _section(
        "proof",
        "Check it yourself",
        table(("", "statement", "seen"), tested, left=3),
        tag("p", intro, css="soft"),
        table(("", ""), facts, left=2),
    )


def _footer(report: Report) -> Html:
    text = (
        f"novate {report.venue.release}, ruleset {report.venue.ruleset}. Figures in US dollars, negative in "
    )
    text += "parentheses; times in New York. This page is one file and asks the network for nothing."
    return tag("footer", text)
