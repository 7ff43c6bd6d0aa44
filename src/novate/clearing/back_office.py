"""What a back office types: `novate reconcile` and `novate breaks`, on the venue's machine.

Responsible for: options to arguments, and results for people or as one JSON object. Never: decides anything. Heavy modules are imported by
the command that needs them.

Exit status of `reconcile`: 0 everything agrees, 1 breaks stand, 2 something was not reconciled or the engine was not told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from novate import console
from novate.console import common, say, terminal

if TYPE_CHECKING:
    from novate.clearing.break_book import BreakBook, KnownBreak
    from novate.clearing.people import Venue
    from novate.clearing.reconcile import BrokerRun
    from novate.reader_process import ReaderClient

_F = TypeVar("_F", bound=Callable[..., Any])
RESOLUTIONS: Final = {"explained": 0, "adopted": 1, "taken-back": 2}
HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)
NUMBER: Final = click.argument("number", type=click.IntRange(min=1))
KEYS: Final = (
    click.option("--url", envvar="NOVATE_URL", default="", help="The venue's API [default: this machine's port 8080]."),
    click.option("--key", type=click.IntRange(min=1), envvar="NOVATE_KEY", help="Number of one's key; none on a venue for development."),
    click.option(
        "--seed", type=click.Path(exists=True, dir_okay=False, path_type=Path), envvar="NOVATE_SEED", help="File with its private half."
    ),
)  # fmt: skip


def options(*wanted: Callable[[Any], Any]) -> Callable[[_F], _F]:
    """Options of a command, and those of every command."""

    def around(command: _F) -> _F:
        for option in reversed(wanted):
            command = option(command)
        return common(command)

    return around


def result(value: object) -> None:
    """The one object of --json."""
    import msgspec

    console.result(msgspec.to_builtins(value, enc_hook=str))


def day_option(_: click.Context, option: click.Parameter, value: str | None) -> date | None:
    """A day as ISO has it."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no day such as 2025-10-10 ({error}).", param=option) from None


@contextmanager
def book_of(home: Path) -> Iterator[BreakBook]:
    """The home's book of reconciliations."""
    from contextlib import closing

    from novate.clearing.break_book import BreakBook

    with closing(BreakBook.open(home)) as book:
        yield book


@contextmanager
def kept_book_of(home: Path) -> Iterator[BreakBook]:
    """The same where there is one: a question makes none. Raises DataError."""
    from novate.clearing.break_book import FILE
    from novate.errors import DataError

    if not (home / FILE).is_file():
        raise DataError(f"Nothing was ever compared in {home}: it has no {FILE}.", file=str(home / FILE))
    with book_of(home) as book:
        yield book


# --- reconcile -----------------------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--day", callback=day_option, metavar="DAY", help="End of which day in New York [default: the last trading day that is over]."
)  # fmt: skip
@click.option("--broker", default="", help="One broker, by name or id [default: all].")
@click.option(
    "--statements",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where brokers' statements are [default: statements in DIR].",
)
@click.option(
    "--at",
    "sequence",
    type=click.IntRange(min=1),
    help="The venue after this command instead of the day's last.",
)
@click.option(
    "--cash-tolerance", default="0", show_default=True, help="Dollars by which cash may be off for rounding."
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write report, CSV files and the venue's own statements here."
)  # fmt: skip
@click.option(
    "--keeper",
    type=click.IntRange(min=0),
    default=0,
    help="Key that tells the engine; none on a venue for development.",
)
@click.option("--look-only", is_flag=True, help="Compare only: keep nothing, and tell the engine nothing.")
@options(HOME)
@click.pass_context
def reconcile(
    context: click.Context, /, directory: Path, day: date | None, broker: str, statements: Path | None, sequence: int | None,
    cash_tolerance: str, out: Path | None, keeper: int, *, look_only: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compare every broker's end-of-day statement with the books of the venue in DIR, line by line.

    What differs is a break: kept with both sides until it is gone or somebody resolves it, and told to the engine, which stops issuance of
    the tokens that are off.
    """
    from novate.clearing import reconcile as desk
    from novate.clearing import reconcile_report
    from novate.clearing.day_end import FOLDER
    from novate.clearing.ledger_side import listed_names
    from novate.clearing.settings import symbols_of
    from novate.clearing.statement_files import DOLLARS
    from novate.projector.past import Past

    past, called = Past(directory), symbols_of(directory)
    chosen = day or desk.default_day(past)
    with book_of(directory) as book:
        taken = desk.take(directory, book, chosen, past=past, sequence=sequence or 0)
        runs = [
            desk.reconcile(
                taken, book, one, statements or directory / FOLDER, time.time_ns(), keep=not look_only, called=called,
                cash_tolerance=DOLLARS.units(cash_tolerance, "--cash-tolerance"),
            )
            for one in desk.brokers_of(taken.engine, broker)
        ]  # fmt: skip
        told, stopped = reconcile_report.LOOKED, None
        if not look_only:
            told, stopped = _tell(directory, runs, book, keeper)
    found = reconcile_report.report(taken, runs, listed_names(taken.engine), stopped, time.time_ns(), told)
    reconcile_report.render(found, terminal())
    if out is not None:
        for run in runs:
            desk.write_own(run, chosen, out)
        for path in reconcile_report.write_files(found, out):
            say(str(path))
    if as_json:
        result({"ok": found.status == 0, "report": found})
    context.exit(found.status)


def _tell(
    home: Path, runs: list[BrokerRun], book: BreakBook, keeper: int
) -> tuple[str, dict[int, list[int]] | None]:
    """Tells the engine: whether that went well, in words, and what it stops now."""
    from novate.clearing import reconcile_report
    from novate.clearing.reconcile import stopped_tokens, tell
    from novate.core_process import CoreClient, CoreGone, CoreRefused
    from novate.reader_process import ReaderClient, ReaderGone

    try:
        with (
            CoreClient.connect(home / "core.sock") as core,
            ReaderClient.connect(home / "reader.sock") as reader,
        ):
            tell(core, reader, runs, book, reader.time_ns, keeper)
            return reconcile_report.TOLD, stopped_tokens(reader)
    except (CoreGone, CoreRefused, ReaderGone) as error:
        return f"The engine was not told: {error.sentence}", None


# --- breaks --------------------------------------------------------------------------------------------------------------


@click.group()
def breaks() -> None:
    """Differences between brokers' statements and the venue's books: who works on them, and how they ended."""


@breaks.command(name="list")
@click.option("--broker", default="", help="Of one broker, by name.")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@options(HOME)
def list_all(directory: Path, broker: str, *, everything: bool, as_json: bool) -> None:
    """List breaks, oldest first, with both sides, age and owner."""
    from novate.calendar import new_york_date
    from novate.clearing.reconcile_report import break_line, render_breaks

    today = new_york_date(time.time_ns())
    with kept_book_of(directory) as book:
        lines = [break_line(one, today) for one in book.breaks(broker=broker, everything=everything)]
    render_breaks(lines, terminal())
    if as_json:
        result({"ok": True, "breaks": lines})


@breaks.command()
@options(HOME, NUMBER)
def show(directory: Path, number: int, *, as_json: bool) -> None:
    """Show one break and everything that happened to it."""
    from datetime import UTC, datetime

    from novate.calendar import new_york_date
    from novate.clearing.reconcile_report import break_line, render_breaks

    with kept_book_of(directory) as book:
        line = break_line(book.one(number), new_york_date(time.time_ns()))
        steps = book.steps(number)
    render_breaks([line], terminal())
    for step in steps:
        say(
            f"  {datetime.fromtimestamp(step.at_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC  {step.event} by {step.by}: {step.note}"
        )
    if as_json:
        result({"ok": True, "break": line, "steps": steps})


@breaks.command()
@click.option("--to", "owner", required=True, help="Who works on it.")
@click.option(
    "--owner-number",
    type=click.IntRange(min=0),
    default=0,
    help="The engine's number of that person [default: of --key].",
)
@click.option("--note", default="", help="What is known.")
@options(HOME, NUMBER, *KEYS)
def assign(
    directory: Path, number: int, owner: str, owner_number: int, note: str, *, as_json: bool, **at: Any
) -> None:
    """Say who works on a break; the engine's break for it gets the same owner."""
    from novate.clearing.break_book import Event

    with kept_book_of(directory) as book:
        one = book.may(number, Event.ASSIGN, owner=owner)
        if still := _open_of(directory, one):
            with venue(**at) as door:
                for each in still:
                    door.call("assign_break", break_id=each, owner=owner_number or at["key"] or 0)
        kept = book.assign(number, owner, time.time_ns(), by(at["key"]), note)
    say(f"Break {number} is {kept.owner}'s.")
    if as_json:
        result({"ok": True, "number": number, "state": kept.state.value, "owner": kept.owner})


_HOW: Final = click.option(
    "--as", "how", type=click.Choice(list(RESOLUTIONS)), default="explained", show_default=True,
    help="What the engine does: nothing, books an execution of quarantine as the house's, or drops it.",
)  # fmt: skip


@breaks.command()
@_HOW
@click.option("--note", required=True, help="How it ended, for whoever approves and whoever reads it later.")
@options(HOME, NUMBER, *KEYS)
def resolve(directory: Path, number: int, how: str, note: str, *, as_json: bool, **at: Any) -> None:
    """Say how a break ended. Where the venue has governance another person approves the engine's part: `novate breaks approve`.

    Where others stand for the same break of the engine, it is resolved here alone: the engine's ends with the last of them.
    """
    from novate.clearing.break_book import Event

    resolution, change = f"{how}: {note}", 0
    with kept_book_of(directory) as book:
        one = book.may(number, Event.RESOLVE, resolution=resolution)
        state, others = one.state, book.sharing(one)
        if not others and (still := _open_of(directory, one)):
            with venue(**at) as door:
                for each in still:
                    change = door.alone_or_proposed(
                        "resolve_break", f"break {number}: {note}", break_id=each, resolution=_resolution(how)
                    )  # fmt: skip
        if not change:
            state = book.resolve(number, resolution, time.time_ns(), by(at["key"])).state
    waits = f"waits for a second person as change {change}: novate breaks approve {number}"
    say(f"Break {number} {waits if change else 'is resolved'}.")
    if others:
        say(f"The engine's break {one.engine_break} stands until {_numbers(others)} is resolved too.")
    if as_json:
        shared = [other.number for other in others]
        result({"ok": True, "number": number, "state": state.value, "change": change, "stands_for": shared})


@breaks.command()
@_HOW
@options(HOME, NUMBER, *KEYS)
def approve(directory: Path, number: int, how: str, *, as_json: bool, **at: Any) -> None:
    """Approve, as another person, how a break's part in the engine ends; the break is resolved with it.

    `--as` says the same as whoever proposed it: anything else is not approved.
    """
    from novate.clearing.break_book import BreakRefused, Event

    with kept_book_of(directory) as book, venue(**at) as door:
        one = book.may(number, Event.RESOLVE)
        if others := book.sharing(one):
            raise BreakRefused(
                f"The engine's break {one.engine_break} stands for {_numbers(others)} too: nothing was approved."
            )
        still = _open_of(directory, one) or [one.engine_break]
        waiting = [_waiting(door, each, how) for each in still]
        change = waiting[-1]
        note = str(change["reason"]).removeprefix(f"break {number}: ")
        resolution = f"{how}: {note}"
        book.may(number, Event.RESOLVE, resolution=resolution)
        for each in waiting:
            door.call("approve_change", change=each["change"])
        kept = book.resolve(number, resolution, time.time_ns(), by(at["key"]))
    say(f"Break {number} is resolved.")
    if as_json:
        result({"ok": True, "number": number, "state": kept.state.value, "change": int(change["change"])})


def _numbers(breaks: Iterable[KnownBreak]) -> str:
    return ", ".join(f"break {one.number}" for one in breaks)


def _waiting(door: Venue, engine_break: int, how: str) -> dict[str, Any]:
    """The change that resolves this break in this way and does nothing else, compared by its bytes."""
    from novate.errors import ConfigError
    from novate.messages import ResolveBreak
    from novate.messages.wire import encode_body

    of = {
        encode_body(ResolveBreak(break_id=engine_break, resolution=one)).hex(): name
        for name, one in RESOLUTIONS.items()
    }
    found = {
        of[one["body"]]: one for one in door.changes() if one["kind"] == "resolve_break" and one["body"] in of
    }
    if how not in found:
        others = "".join(f"; one waits that says --as {name}" for name in found)
        raise ConfigError(
            f"No change waits that resolves the engine's break {engine_break} as {how}{others}. Nothing was approved."
        )
    return found[how]


def _resolution(how: str) -> str:
    from novate.messages.codes import BreakResolution

    return BreakResolution(RESOLUTIONS[how]).name.lower()


def _open_of(home: Path, one: KnownBreak) -> list[int]:
    """The engine's breaks for it that are open."""
    from novate.messages.reports import clearing

    if not one.engine_breaks:
        return []
    with answers(home) as reader:
        return [line.break_id for line in clearing.breaks(reader) if line.break_id in one.engine_breaks]


@contextmanager
def answers(home: Path) -> Iterator[ReaderClient]:
    """The venue's reader on this machine."""
    from novate.reader_process import ReaderClient

    with ReaderClient.connect(home / "reader.sock") as reader:
        yield reader


@contextmanager
def venue(url: str, key: int | None, seed: Path | None) -> Iterator[Venue]:
    """The venue's API, as one of its people."""
    from novate.clearing.people import venue_at

    with venue_at(url, key, seed) as door:
        yield door


def by(key: int | None) -> str:
    """Who does something, in words."""
    return f"key {key}" if key else "console"


COMMANDS: Final = (reconcile, breaks)
"""What `novate` takes up from here."""
