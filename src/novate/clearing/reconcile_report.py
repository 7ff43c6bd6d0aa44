"""A reconciliation as a back office takes it: per broker and token what both sides have, every break with both sides, and what signs it.

    found = report(taken, runs, stopped, now_ns)    one value, as JSON has it
    render(found, console)                          tables on a terminal, plain lines elsewhere
    write_files(found, directory)                   report.json, summary.csv, breaks.csv

Responsible for: words, numbers as text and their order. Never: compares or asks; what stands here was found before.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from novate._core import release
from novate.clearing.break_book import KnownBreak
from novate.clearing.ledger_side import BrokerSide
from novate.clearing.reconcile import BrokerRun, Said, Taken, total
from novate.clearing.reconciliation import CASH, KINDS, by_symbol, counts
from novate.clearing.statement_files import DOLLARS, SHARES

VERDICTS: Final = ("agrees", "breaks", "not reconciled")
"""By exit status."""
TOLD: Final = "The engine was told."
LOOKED: Final = "The engine was not told, and nothing was kept: this was a look only."


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol, or the dollars (`USD`), at a broker: both sides. Amounts as text, settled and unsettled."""

    broker: str
    symbol: str
    tokens: list[str]
    broker_settled: str
    broker_unsettled: str
    venue_settled: str
    venue_unsettled: str
    difference: str
    breaks: int
    issuance: str
    """`open`, or `stopped` with the engine's breaks that stop it; empty for dollars and for what no token stands on."""


class BreakLine(msgspec.Struct, frozen=True, kw_only=True):
    """A break, with both sides."""

    number: int
    broker: str
    kind: str
    meaning: str
    subject: str
    symbol: str
    broker_says: dict[str, str]
    venue_has: dict[str, str]
    shares: str
    dollars: str
    first_day: str
    age_days: int
    state: str
    owner: str
    ask_first: str
    stops: str
    engine_break: int


class FileLine(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read."""

    name: str
    sha256: str
    rows: int


class BrokerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One broker's reconciliation."""

    broker: str
    verdict: str
    problem: str
    matched: dict[str, int]
    found: dict[str, int]
    within_tolerance: dict[str, str]
    lines: list[Line]
    files: list[FileLine]
    told: list[Said]


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """By what anybody checks the venue's side: `novate verify journal`, then the state after that command."""

    journal_sequence: int
    journal_time: str
    state_hash: str
    conserved: bool
    release: str
    made: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reconciliation.

    Attributes:
        day: Whose end it is of, in New York.
        verdict: One of `VERDICTS`.
        status: The exit status: 0 agrees, 1 breaks, 2 something was not reconciled.
        engine_told: Whether the engine was told, in words; why not where it was not.
        brokers: One each.
        breaks: All that stand, oldest first.
        signature: By what the venue's side is checked.
    """

    day: str
    verdict: str
    status: int
    engine_told: str
    brokers: list[BrokerReport]
    breaks: list[BreakLine]
    signature: Signature


def report(
    taken: Taken,
    runs: Sequence[BrokerRun],
    names: Mapping[int, str],
    stopped: Mapping[int, Sequence[int]] | None,
    now_ns: int,
    told: str = TOLD,
) -> Report:
    """The report.

    `names` are tokens by id, `stopped` the engine's breaks by token now (0: all; None: nobody was asked), `told` whether the engine was told,
    in words: anything but `TOLD` and `LOOKED` says that it should have been.
    """
    status = total(runs) if told in {TOLD, LOOKED} else 2
    return Report(
        day=taken.day.isoformat(),
        verdict=VERDICTS[status],
        status=status,
        engine_told=told,
        brokers=[_broker(run, names, stopped) for run in runs],
        breaks=[break_line(one, taken.day) for run in runs for one in run.known],
        signature=Signature(
            journal_sequence=taken.sequence,
            journal_time=_when(taken.time_ns),
            state_hash=taken.state_hash.hex(),
            conserved=taken.conserved,
            release=release(),
            made=_when(now_ns),
        ),
    )


def _broker(
    run: BrokerRun, names: Mapping[int, str], stopped: Mapping[int, Sequence[int]] | None
) -> BrokerReport:
    found, statement = run.found, run.statement
    status = 2 if run.problem else int(not run.clean)
    return BrokerReport(
        broker=run.name,
        verdict=VERDICTS[status],
        problem=run.problem,
        matched={} if found is None else dict(found.matched),
        found={} if found is None else counts(found.breaks),
        within_tolerance={}
        if found is None
        else {name: DOLLARS.text(off) for name, off in found.within.items()},
        lines=[] if run.side is None else _lines(run, run.side, names, stopped),
        files=[]
        if statement is None
        else [
            FileLine(name=f"{one.path.parent.name}/{one.path.name}", sha256=one.sha256, rows=one.rows)
            for one in statement.files
        ],
        told=list(run.told),
    )


def _lines(
    run: BrokerRun, side: BrokerSide, names: Mapping[int, str], stopped: Mapping[int, Sequence[int]] | None
) -> list[Line]:
    statement = run.statement.statement if run.statement is not None else None
    of = by_symbol(run.found.breaks if run.found is not None else ())
    theirs = (
        {} if statement is None else {one.symbol: (one.settled, one.unsettled) for one in statement.positions}
    )
    found = []
    for symbol in sorted(theirs.keys() | side.holdings.keys()):
        ratio = side.ratios.get(symbol, Fraction(1))
        has = side.holdings.get(symbol)
        venue = (has.settled, has.unsettled) if has is not None else (0, 0)
        said = tuple(int(part * ratio) for part in theirs.get(symbol, (0, 0)))
        if statement is not None and (*venue, *said) == (0, 0, 0, 0):
            continue
        tokens = side.tokens.get(symbol, ())
        found.append(
            _line(run.name, symbol, [names[token] for token in tokens], None if statement is None else said, venue, SHARES.text,
                  len(of.get(symbol, ())), _issuance(tokens, stopped))
        )  # fmt: skip
    cash = None if statement is None else (statement.cash.settled, statement.cash.unsettled)
    own = (side.cash.settled, side.cash.unsettled)
    found.append(_line(run.name, CASH, [], cash, own, DOLLARS.text, len(of.get(CASH, ())), ""))
    return found


def _line(
    broker: str,
    symbol: str,
    tokens: list[str],
    said: tuple[int, ...] | None,
    venue: tuple[int, int],
    text: Any,
    breaks: int,
    issuance: str,
) -> Line:
    return Line(
        broker=broker, symbol=symbol, tokens=tokens, broker_settled="" if said is None else text(said[0]),
        broker_unsettled="" if said is None else text(said[1]), venue_settled=text(venue[0]), venue_unsettled=text(venue[1]),
        difference="" if said is None else text(sum(said) - sum(venue)), breaks=breaks, issuance=issuance,
    )  # fmt: skip


def _issuance(tokens: Sequence[int], stopped: Mapping[int, Sequence[int]] | None) -> str:
    if not tokens or stopped is None:
        return ""
    by = sorted({number for token in (0, *tokens) for number in stopped.get(token, ())})
    return f"stopped by {', '.join(map(str, by))}" if by else "open"


def break_line(one: KnownBreak, day: date) -> BreakLine:
    """A break of the book for people, as old as it is on `day`."""
    about, found = KINDS[one.found.kind], one.found
    return BreakLine(
        number=one.number, broker=one.broker, kind=found.kind.value, meaning=about.meaning, subject=found.subject, symbol=found.symbol,
        broker_says=found.broker, venue_has=found.venue, shares=SHARES.text(found.shares), dollars=DOLLARS.text(found.dollars),
        first_day=one.day.isoformat(), age_days=one.age_days(day), state=one.state.value, owner=one.owner, ask_first=about.first_to_ask,
        stops=about.stops, engine_break=one.engine_break,
    )  # fmt: skip


def _when(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


# --- for people ----------------------------------------------------------------------------------------------------------


def render(found: Report, console: Console) -> None:
    """Prints the report: tables where the console is a terminal, else lines of plain text."""
    say = _Sayer(console)
    say.line(f"Reconciliation of {found.day} (New York): {found.verdict}")
    for one in found.brokers:
        say.line("")
        say.line(f"{one.broker}: {one.verdict}{f'. {one.problem}' if one.problem else ''}")
        if one.matched:
            parts = ", ".join(f"{number} {name}" for name, number in one.matched.items())
            say.line(f"matched: {parts}; breaks: {sum(one.found.values())}")
        for name, off in one.within_tolerance.items():
            say.line(f"{name} differs by {off}, within the tolerance")
        rows = [
            (
                f"{line.symbol}{f' ({chr(44).join(line.tokens)})' if line.tokens else ''}", line.broker_settled, line.broker_unsettled,
                line.venue_settled, line.venue_unsettled, line.difference, str(line.breaks), line.issuance,
            )
            for line in one.lines
        ]  # fmt: skip
        say.table(
            (
                "",
                "broker settled",
                "unsettled",
                "venue settled",
                "unsettled",
                "difference",
                "breaks",
                "issuance",
            ),
            rows,
        )
    say.line("")
    render_breaks(found.breaks, console)
    say.line("")
    say.line(found.engine_told)
    for one in found.brokers:
        for word in one.told:
            if word.what != "agrees":
                what = f"break {word.engine_break}" if word.engine_break else f"refused: {word.rule}"
                say.line(f"  {one.broker} {word.subject}: {what}")
    _render_signature(found, say)


def _render_signature(found: Report, say: _Sayer) -> None:
    signed = found.signature
    say.line("")
    say.line("Signed by what it was made from:")
    say.line(f"  venue   command {signed.journal_sequence} of {signed.journal_time}")
    say.line(
        f"          state {signed.state_hash}, {'every sum is zero' if signed.conserved else 'SUMS ARE NOT ZERO'}"
    )
    for one in found.brokers:
        for file in one.files:
            say.line(f"  {one.broker}   {file.name} ({file.rows} rows)")
            say.line(f"          sha256 {file.sha256}")
    say.line(f"  made    {signed.made} by novate {signed.release}")


def render_breaks(breaks: Sequence[BreakLine], console: Console) -> None:
    """Prints breaks, both sides each."""
    say = _Sayer(console)
    if not breaks:
        say.line("No breaks stand.")
        return
    say.line(f"{len(breaks)} breaks stand:")
    rows = [
        (
            str(one.number), one.broker, one.kind.replace("_", " "), one.subject, _facts(one.broker_says), _facts(one.venue_has),
            f"{one.age_days} d", one.owner or f"nobody (ask {one.ask_first})", str(one.engine_break or ""),
        )
        for one in breaks
    ]  # fmt: skip
    say.table(("no", "broker", "kind", "subject", "broker says", "venue has", "age", "owner", "engine"), rows)


def _facts(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items()) or "nothing"


class _Sayer:
    """Lines and tables, for a terminal or for a file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, words: str) -> None:
        """A line."""
        self._console.print(words, markup=False, highlight=False, soft_wrap=True)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; on no terminal each row is a line of names and values."""
        if not self._console.is_terminal:
            for row in rows:
                cells = [f"{name} {value}".strip() for name, value in zip(head, row, strict=True) if value]
                self.line("  " + "; ".join(cells))
            return
        table = Table(box=SIMPLE)
        for name in head:
            table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)


_NUMBERS: Final = frozenset(
    ("broker settled", "unsettled", "venue settled", "difference", "breaks", "age", "no")
)


# --- for programs --------------------------------------------------------------------------------------------------------


def write_files(found: Report, directory: Path) -> list[Path]:
    """Writes the report as JSON, its lines and its breaks as CSV under DIRECTORY/DAY. Files that are there are replaced."""
    folder = directory / found.day
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "report.json": msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n",
        "summary.csv": _csv([line for one in found.brokers for line in one.lines], Line),
        "breaks.csv": _csv(found.breaks, BreakLine),
    }
    paths = []
    for name, content in said.items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths


def _csv(rows: Sequence[Any], of: type[msgspec.Struct]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = of.__struct_fields__
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return out.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case dict():
            return _facts(value)
        case list():
            return " ".join(map(str, value))
        case _:
            return str(value)
