"""The charts of the page, as plotly figures without colours of paper or ink (the page's script adds those).

Responsible for: what is drawn and in which order.
Never: recorded bars or ticks. Price charts show the venue's own index and mark, thinned to five minutes.
Times are New York wall time. Floats are fine here: nothing is computed from a chart.
"""

from collections.abc import Iterable, Sequence
from html import escape
from textwrap import wrap

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from novate.reports import story
from novate.reports.figures import compact, minute, money, new_york
from novate.reports.model import TERMS, Account, Liquidation, PathPoint, PricePath, PricePoint, Report

STEP_NS = 300 * 1_000_000_000
OWN = "#2f6fde"
RULE_COLOURS = {"isolated": "#b9673f", "cross": "#8d96a5", "ondo": "#c9a227", "tims": "#4d9a8f"}
LINE_COLOURS = ("#2f6fde", "#d9822b", "#3c9d74", "#a854a8", "#c94f5d", "#5a8fb0")
QUIET_LINE = "rgba(128,138,154,0.55)"
TERM_COLOURS = dict(
    zip(
        TERMS,
        ("#2f6fde", "#d9822b", "#3c9d74", "#8c6bc4", "#c9a227", "#c94f5d", "#7f8a9a", "#b9673f", "#4aa3c0"),
        strict=True,
    )
)
QUALITY_COLOURS = {
    "live": "#5fb38a",
    "closed": "#9aa5b8",
    "degraded": "#e3b23c",
    "suspect": "#e07b39",
    "stale": "#c94f5d",
    "halted": "#6d2e46",
}
SESSION_FILL = {
    "closed": "rgba(110,122,145,0.22)",
    "overnight": "rgba(110,122,145,0.12)",
    "pre": "rgba(110,122,145,0.06)",
    "post": "rgba(110,122,145,0.06)",
    "halted": "rgba(201,79,93,0.20)",
}
DANGER = "#d9415a"
MIN_BAND_NS = 600 * 1_000_000_000
LABEL_GAP = 0.045


def thin(points: Sequence[PricePoint], step_ns: int = STEP_NS) -> list[PricePoint]:
    """The last point of each step, so that what is embedded is never finer than the step."""
    last: dict[int, PricePoint] = {}
    for point in points:
        last[point.time_ns // step_ns] = point
    return [last[key] for key in sorted(last)]


def thin_path(points: Sequence[PathPoint], step_ns: int = STEP_NS) -> list[PathPoint]:
    """The point with the least equity over maintenance in each step: thinning never hides a bad moment."""
    worst: dict[int, PathPoint] = {}
    for point in points:
        key = point.time_ns // step_ns
        if key not in worst or _slack(point) < _slack(worst[key]):
            worst[key] = point
    return [worst[key] for key in sorted(worst)]


def _slack(point: PathPoint) -> int:
    return point.equity_micro - point.maintenance_micro


def _times(stamps: Iterable[int]) -> list[str]:
    return [new_york(stamp).isoformat(sep=" ") for stamp in stamps]


def _layout(figure: go.Figure, height: int, **extra: object) -> go.Figure:
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 64, "r": 24, "t": 36, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"namelength": -1},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        **extra,
    )
    figure.update_xaxes(showline=False, zeroline=False, ticks="", automargin=True)
    figure.update_yaxes(showline=False, zeroline=False, ticks="", automargin=True)
    return figure


# --- the crash ------------------------------------------------------------------------------------------------------


def crash(report: Report) -> go.Figure:
    """Index of every underlying, first value 100, over the sessions; liquidations where they happened."""
    figure = go.Figure()
    labels = []
    ordered = sorted(report.prices, key=lambda path: path.headline)
    strong = [path.underlying for path in ordered if path.headline]
    for path in ordered:
        points = thin(path.points)
        if not points or not points[0].index_e6:
            continue
        values = [round(100 * p.index_e6 / points[0].index_e6, 3) for p in points]
        colour = _line_colour(path.underlying, strong)
        figure.add_scatter(
            x=_times(p.time_ns for p in points),
            y=values,
            name=escape(path.underlying),
            mode="lines",
            line={"width": 2.2 if path.headline else 1, "color": colour},
            hovertemplate=f"{escape(path.underlying)} %{{y:.2f}}<extra></extra>",
        )
        if path.headline:
            labels.append((values[-1], path.underlying, colour))
    _mark_liquidations(figure, report)
    _layout(figure, 460, shapes=_sessions(report), hovermode="closest", showlegend=False)
    figure.update_layout(annotations=_end_labels(figure, labels), margin={"r": 104, "t": 14})
    figure.update_yaxes(title="index, start = 100")
    return figure


def _line_colour(name: str, strong: list[str]) -> str:
    return LINE_COLOURS[strong.index(name) % len(LINE_COLOURS)] if name in strong else QUIET_LINE


def _end_labels(figure: go.Figure, labels: list[tuple[float, str, str]]) -> list[dict[str, object]]:
    """Names at the right edge, pushed apart so that none covers another."""
    everything = [value for trace in figure.data for value in trace.y]
    if not labels:
        return []
    gap = (max(everything) - min(everything) or 1) * LABEL_GAP
    placed: list[dict[str, object]] = []
    height = float("-inf")
    for value, name, colour in sorted(labels):
        height = max(value, height + gap)
        text = f"{escape(name)} {value - 100:+.1f} %"
        place = {"x": 1, "xref": "paper", "xanchor": "left", "y": height, "yref": "y", "showarrow": False}
        placed.append({**place, "text": text, "font": {"color": colour, "size": 12}, "xshift": 6})
    return placed


def _sessions(report: Report) -> list[dict[str, object]]:
    shapes: list[dict[str, object]] = []
    for band in report.sessions:
        if band.session not in SESSION_FILL:
            continue
        start, end = _times((band.start_ns, band.end_ns))
        place = {"type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1}
        shapes.append(
            {**place, "fillcolor": SESSION_FILL[band.session], "line": {"width": 0}, "layer": "below"}
        )
    return shapes


def _mark_liquidations(figure: go.Figure, report: Report) -> None:
    """One marker per account, underlying and five minutes, on the underlying's line."""
    groups: dict[tuple[int, str, int], list[Liquidation]] = {}
    for item in report.liquidations:
        groups.setdefault((item.account, item.underlying, item.time_ns // STEP_NS), []).append(item)
    paths = {path.underlying: path for path in report.prices if path.points}
    xs, ys, texts = [], [], []
    for (account, underlying, _), items in groups.items():
        if underlying not in paths:
            continue
        xs.append(items[0].time_ns)
        ys.append(_rebased(paths[underlying], items[0].time_ns))
        volume = money(sum(abs(item.notional_micro) for item in items))
        texts.append(
            f"{escape(report.name_of(account))}: {len(items)} slices, {volume} of {escape(underlying)}"
        )
    if xs:
        marker = {
            "symbol": "triangle-down",
            "size": 10,
            "color": DANGER,
            "line": {"width": 1, "color": "white"},
        }
        extra = {"text": texts, "hovertemplate": "%{text}<br>%{x}<extra></extra>"}
        figure.add_scatter(x=_times(xs), y=ys, name="liquidation", mode="markers", marker=marker, **extra)


def _rebased(path: PricePath, time_ns: int) -> float:
    seen = [point for point in path.points if point.time_ns <= time_ns]
    value = seen[-1] if seen else path.points[0]
    return 100 * value.index_e6 / path.points[0].index_e6


# --- rules side by side ---------------------------------------------------------------------------------------------


def compared(report: Report) -> go.Figure:
    """Initial requirement as a share of gross exposure, per account and rule; a cross where the book is refused."""
    accounts = [a for a in report.accounts if a.exposure_micro and _asks_something(a)]
    names = [_wrapped(a.name) for a in accounts]
    figure = go.Figure()
    ours = [(a.before.initial_micro, _initial_excess(a)) for a in accounts]
    _rule_bars(figure, names, accounts, "novate", OWN, ours)
    for rule, title in story.rules(report):
        peers = [story.versus(a, rule) for a in accounts]
        pairs = [(p.initial_micro, p.excess_micro) if p else (0, 0) for p in peers]
        _rule_bars(figure, names, accounts, title, RULE_COLOURS.get(rule, QUIET_LINE), pairs)
    _layout(figure, 400, barmode="group", bargap=0.28, bargroupgap=0.06)
    figure.update_yaxes(title="requirement, % of gross exposure", ticksuffix=" %", rangemode="tozero")
    return figure


def _asks_something(account: Account) -> bool:
    return bool(account.before.initial_micro) or any(peer.initial_micro for peer in account.peers)


def _initial_excess(account: Account) -> int:
    level = account.before.level("initial")
    return level.excess_micro if level else 0


def _wrapped(name: str) -> str:
    """A name on a few short lines, for an axis with many of them."""
    return "<br>".join(escape(line) for line in wrap(name, 14, break_on_hyphens=False))


def _rule_bars(
    figure: go.Figure,
    names: list[str],
    accounts: list[Account],
    title: str,
    colour: str,
    pairs: list[tuple[int, int]],
) -> None:
    shares = [100 * need / a.exposure_micro for (need, _), a in zip(pairs, accounts, strict=True)]
    hover = [f"{money(need)} required, {money(spare)} excess" for need, spare in pairs]
    figure.add_bar(
        x=names,
        y=[round(share, 3) for share in shares],
        name=escape(title),
        marker={"color": colour},
        text=["✕" if spare < 0 else "" for _, spare in pairs],
        textposition="outside",
        textfont={"color": DANGER, "size": 13},
        cliponaxis=False,
        customdata=hover,
        hovertemplate=f"{escape(title)}: %{{y:.2f}} %<br>%{{customdata}}<extra></extra>",
    )


# --- equity against requirement -------------------------------------------------------------------------------------


def paths(report: Report) -> go.Figure:
    """Equity, initial and maintenance requirement over time of the accounts shown, one panel each."""
    accounts = [report.account(number) for number in report.shown()]
    titles = [escape(account.name) for account in accounts]
    figure = make_subplots(rows=1, cols=max(1, len(accounts)), subplot_titles=titles, horizontal_spacing=0.1)
    for column, account in enumerate(accounts, start=1):
        _one_path(figure, account, column, report)
    _layout(figure, 400, hovermode="x unified")
    figure.update_layout(legend={"y": -0.14, "yanchor": "top"}, margin={"t": 48, "b": 70})
    figure.update_yaxes(tickprefix="$", tickformat="~s", rangemode="tozero")
    return figure


def _one_path(figure: go.Figure, account: Account, column: int, report: Report) -> None:
    points = thin_path(account.path)
    times = _times(point.time_ns for point in points)
    lines = (
        ("equity", [p.equity_micro for p in points], {"color": OWN, "width": 2.4}),
        ("initial requirement", [p.initial_micro for p in points], {"color": "#d9822b", "width": 1.4}),
        (
            "maintenance",
            [p.maintenance_micro for p in points],
            {"color": DANGER, "width": 1.4, "dash": "dot"},
        ),
    )
    for name, values, line in lines:
        figure.add_scatter(
            x=times,
            y=[value / 1e6 for value in values],
            name=name,
            legendgroup=name,
            showlegend=column == 1,
            mode="lines",
            line=line,
            hovertemplate=name + " $%{y:,.0f}<extra></extra>",
            row=1,
            col=column,
        )
    _unhedged(figure, account, column, report)
    stamps = sorted({item.time_ns // STEP_NS for item in report.liquidations if item.account == account.id})
    for stamp in _times(stamp * STEP_NS for stamp in stamps[:1]):
        figure.add_vline(x=stamp, line={"color": DANGER, "width": 1, "dash": "dash"}, row=1, col=column)


def _unhedged(figure: go.Figure, account: Account, column: int, report: Report) -> None:
    """What the hedged holder's equity would have been with the tokens and without the short."""
    proof = report.hedge
    path = next((p for p in report.prices if proof and p.underlying == proof.underlying and p.points), None)
    if proof is None or path is None or proof.account != account.id or not proof.spot_micro:
        return
    points, start = thin(path.points), path.points[0].index_e6
    equity = account.before.equity_micro
    values = [(equity + proof.spot_micro * (p.index_e6 - start) / start) / 1e6 for p in points]
    figure.add_scatter(
        x=_times(p.time_ns for p in points),
        y=[round(value, 2) for value in values],
        name="without the short",
        mode="lines",
        line={"color": QUIET_LINE, "width": 1.4},
        hovertemplate="without the short $%{y:,.0f}<extra></extra>",
        row=1,
        col=column,
    )


# --- what the requirement is made of --------------------------------------------------------------------------------


def decomposition(report: Report) -> go.Figure:
    """Terms of each account's initial requirement before the crash, as shares of it; dollars on hover."""
    accounts = [a for a in reversed(report.accounts) if a.before.initial_micro]
    labels = [f"{escape(a.name)}  {compact(a.before.initial_micro)}" for a in accounts]
    figure = go.Figure()
    for name in story.terms_used([a.before for a in accounts]):
        amounts = [story.term_micro(a.before, name) for a in accounts]
        figure.add_bar(
            y=labels,
            x=[100 * x / a.before.initial_micro for x, a in zip(amounts, accounts, strict=True)],
            name=escape(name),
            orientation="h",
            marker={"color": TERM_COLOURS.get(name, QUIET_LINE)},
            customdata=[money(x) for x in amounts],
            hovertemplate=f"{escape(name)} %{{customdata}} (%{{x:.1f}} %)<extra></extra>",
        )
    _layout(figure, 110 + 38 * max(1, len(accounts)), barmode="stack", bargap=0.35)
    figure.update_layout(legend={"traceorder": "normal"})
    figure.update_xaxes(ticksuffix=" %", range=[0, 100.5])
    return figure


# --- basis, funding, quality ----------------------------------------------------------------------------------------


def basis(report: Report) -> go.Figure:
    """Mark over index in basis points, and the hourly funding it led to, for the headline names."""
    strong = [path for path in report.prices if path.headline and path.points]
    names = [path.underlying for path in strong]
    titles = ("mark over index, basis points", "funding, basis points an hour (longs pay above zero)")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.14, subplot_titles=titles)
    for path in strong:
        points = [p for p in thin(path.points) if p.index_e6]
        values = [round(10_000 * (p.mark_e6 - p.index_e6) / p.index_e6, 2) for p in points]
        line = {"width": 1.4, "color": _line_colour(path.underlying, names)}
        _basis_line(figure, path.underlying, _times(p.time_ns for p in points), values, line, row=1)
    for market, hours in _funding_by_market(report).items():
        name = next((n for n in names if market == n or market.startswith(f"{n}-")), None)
        if name is None:
            continue
        line = {"width": 1.4, "color": _line_colour(name, names), "shape": "hv"}
        _basis_line(figure, name, _times(hours), [r / 1e5 for r in hours.values()], line, row=2)
    _layout(figure, 460, hovermode="x unified")
    figure.update_layout(legend={"y": -0.08, "yanchor": "top"}, margin={"b": 60})
    return figure


def _basis_line(
    figure: go.Figure, name: str, times: list[str], values: list[float], line: dict[str, object], row: int
) -> None:
    label = escape(name)
    figure.add_scatter(
        x=times,
        y=values,
        name=label,
        legendgroup=label,
        showlegend=row == 1,
        mode="lines",
        line=line,
        hovertemplate=label + " %{y:.2f} bp<extra></extra>",
        row=row,
        col=1,
    )


def _funding_by_market(report: Report) -> dict[str, dict[int, int]]:
    markets: dict[str, dict[int, int]] = {}
    for hour in report.funding:
        markets.setdefault(hour.market, {})[hour.time_ns] = hour.rate_e9
    return markets


def quality(report: Report) -> go.Figure:
    """A strip per underlying: which row of the quality gate applied when. Short episodes are drawn wide enough to see."""
    names = list(dict.fromkeys(band.underlying for band in report.quality))
    figure = go.Figure()
    for kind, colour in QUALITY_COLOURS.items():
        bands = [band for band in report.quality if band.quality == kind]
        if not bands:
            continue
        widths = [max(band.end_ns - band.start_ns, MIN_BAND_NS) / 1e6 for band in bands]
        figure.add_bar(
            y=[escape(band.underlying) for band in bands],
            x=widths,
            base=_times(band.start_ns for band in bands),
            orientation="h",
            name=kind,
            marker={"color": colour, "line": {"width": 0}},
            customdata=[f"{minute(band.start_ns)} to {minute(band.end_ns)}" for band in bands],
            hovertemplate=f"%{{y}} {kind}<br>%{{customdata}}<extra></extra>",
        )
    _layout(figure, 120 + 24 * max(1, len(names)), barmode="overlay", bargap=0.25)
    if report.quality:
        ends = (min(b.start_ns for b in report.quality), max(b.end_ns for b in report.quality))
        figure.update_xaxes(range=_times(ends))
    figure.update_xaxes(type="date", showgrid=False)
    figure.update_yaxes(
        categoryorder="array", categoryarray=[escape(n) for n in reversed(names)], showgrid=False
    )
    return figure
