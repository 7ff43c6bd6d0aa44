"""What an operator types: `novate init`, `checklist`, `config check`, `status`, `backup`, `restore`, `incident`, `dashboard`, `completion`.

Responsible for: options to arguments, progress, and results for people on standard error or as one JSON object on standard output. Never:
decides anything. Heavy modules are imported by the command that needs them.

Exit status: 0; 1 where a line is red, a file is wrong or a copy does not hold; 2 for wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from novate.console import common, result, say, terminal

if TYPE_CHECKING:
    from novate.operations.checklist import Line
    from novate.operations.setup import Answers

_COLOURS: Final = {"green": "bold green", "yellow": "bold yellow", "red": "bold red"}
_HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)


@contextmanager
def _bar(title: str) -> Iterator[Callable[[float, str], None]]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=terminal(), transient=True) as bar:
        task = bar.add_task(title, total=1.0, note="")
        yield lambda fraction, note: bar.update(task, completed=fraction, note=note)


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--yes", is_flag=True, help="Ask nothing: take every default.")
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask nothing: the answers (TOML with venue, listing, listen, database, operators, feeds).",
)
@click.option(
    "--keys-to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write private keys here, one file each, readable by you alone [default: shown once].",
)
@common
def init(directory: Path, *, yes: bool, answers: Path | None, keys_to: Path | None, as_json: bool) -> None:
    """Set up a venue in DIR: six questions, its file, its first keys, and its launch checklist."""
    import msgspec

    from novate.operations.checklist import checklist, is_red
    from novate.operations.setup import Answers, ask, set_up

    if answers is not None:
        given = _answers(answers)
    elif yes:
        given = Answers()
    else:
        given = ask(lambda question, default: click.prompt(question, default=default, err=True))
    made = set_up(directory, given, keys_to=keys_to)
    say(f"{made.file.path} says what runs. Edit it, and the listing beside it.")
    for key in made.keys:
        private = f"written to {key.file}" if key.file else f"shown this once, keep it safe: {key.seed}"
        say(f"Key {key.key}, {key.role}, {key.label}: public {key.public}; private key {private}")
        if key.certificate:
            say(
                f"    its certificate for the admin door: {key.certificate}; move it to its person, it has a private key"
            )
    lines = checklist(made.file)
    _show(lines)
    if as_json:
        told = {"file": str(made.file.path), "keys": msgspec.to_builtins(made.keys)}
        result({"ok": True, "ready": not is_red(lines), **told, "checklist": msgspec.to_builtins(lines)})


def _answers(path: Path) -> Answers:
    import tomllib

    import msgspec

    from novate.errors import ConfigError
    from novate.operations.setup import Answers

    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Answers)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"The answers in {path} can't be used: {error}.", file=str(path)) from error


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="DIR|FILE")
@common
@click.pass_context
def checklist(context: click.Context, /, path: Path, *, as_json: bool) -> None:
    """Say what must be so before the venue of DIR (or of its FILE) may be real: red, yellow or green. Exit status 1 while a line is red."""
    import msgspec

    from novate.operations.checklist import checklist as look
    from novate.operations.checklist import is_red
    from novate.operations.settings import FILE, load_venue

    lines = look(load_venue(path / FILE if path.is_dir() else path))
    _show(lines)
    if as_json:
        result({"ok": not is_red(lines), "checklist": msgspec.to_builtins(lines)})
    context.exit(1 if is_red(lines) else 0)


def _show(lines: list[Line]) -> None:
    from rich.text import Text

    shown = terminal()
    for line in lines:
        shown.print(
            Text(f"{line.light.value:>6}", style=_COLOURS[line.light.value]),
            Text(f"  {line.name:<14} {line.found} {line.advice}".rstrip()),
            soft_wrap=True,
        )


@click.group()
def config() -> None:
    """The file of a venue."""


@config.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@common
def check(file: Path, *, as_json: bool) -> None:
    """Check FILE: its [process], the keepers' settings, and the listing that it holds or names; a FILE without [process] is a listing."""
    from novate.config import load_listing
    from novate.operations.settings import SECTION, load_venue, section_names

    sections = section_names(file)
    if SECTION in sections:
        venue = load_venue(file)
        listing = venue.check()
        told: dict[str, object] = {"venue": venue.process.venue, "home": str(venue.home)}
    else:
        listing = load_listing(file)
        told = {}
    counts = {"underlyings": len(listing.underlying), "assets": len(listing.assets)}
    counts |= {"markets": len(listing.markets), "commands": len(listing.commands)}
    say(f"{file} is sound: " + ", ".join(f"{count} {what}" for what, count in counts.items()) + ".")
    if as_json:
        result({"ok": True, "file": str(file), **told, "listing": counts})


@click.command()
@_HOME
@click.option("--database", default="", help="URL of the read models [default: SQLite in DIR].")
@common
def status(directory: Path, *, database: str, as_json: bool) -> None:
    """Say how the running venue in DIR stands: command and time, lag of reader and read models, keepers, feeds, disk."""
    from novate.operations.status import lines_of, status_of
    from novate.projections.location import url_of

    found = status_of(directory, url_of(directory, database))
    for line in lines_of(found):
        say(line)
    if as_json:
        result({"ok": found["core"] is not None, **found})


@click.command()
@_HOME
@click.argument("to", type=click.Path(path_type=Path), metavar="TO")
@common
def backup(directory: Path, to: Path, *, as_json: bool) -> None:
    """Copy the venue in DIR to the new directory TO, running or not, and prove the copy by a replay."""
    import msgspec

    from novate.operations.backup import backup as copy
    from novate.operations.backup import within
    from novate.operations.settings import certificates_of

    certificates = certificates_of(directory)
    with _bar("Copying") as progress:
        manifest = copy(directory, to, progress, certificates)
    if not within(directory, certificates):
        say(f"The admin door's certificates in {certificates} lie outside {directory}: they are NOT in it.")
    say(f"{to} holds the venue up to command {manifest.sequence}, proven by a replay.")
    if as_json:
        result({"ok": True, **msgspec.to_builtins(manifest)})


@click.command()
@click.argument("of", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FROM")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@common
def restore(of: Path, directory: Path, *, as_json: bool) -> None:
    """Make the new directory DIR from the backup FROM, each file as its hash says, the journal replayed."""
    import msgspec

    from novate.operations.backup import restore as bring_back

    with _bar("Restoring") as progress:
        manifest = bring_back(of, directory, progress)
    say(f"{directory} holds the venue up to command {manifest.sequence}: what came later is not in it.")
    if as_json:
        result({"ok": True, **msgspec.to_builtins(manifest)})


def _time(_: click.Context, option: click.Parameter, value: str) -> int:
    from novate.calendar import to_ns

    try:
        return to_ns(datetime.fromisoformat(value))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is no time with its zone such as 2025-10-10T21:15:00Z ({error}).", param=option
        ) from None


@click.command()
@_HOME
@click.option(
    "--from",
    "from_ns",
    callback=_time,
    required=True,
    metavar="TIME",
    help="With its zone: 2025-10-10T21:15:00Z.",
)
@click.option("--to", "to_ns", callback=_time, required=True, metavar="TIME", help="The same.")
@common
def incident(directory: Path, *, from_ns: int, to_ns: int, as_json: bool) -> None:
    """Report from the journal in DIR what happened between two times: restarts, halts, liquidations, losses, refusals, prices, equity."""
    import msgspec

    from novate.operations.incident import incident as report
    from novate.operations.incident import text_of

    found = report(directory, from_ns, to_ns)
    for line in text_of(found):
        if as_json:
            say(line)
        else:
            click.echo(line)
    if as_json:
        result({"ok": True, **msgspec.to_builtins(found)})


@click.command()
def dashboard() -> None:
    """Print the Grafana dashboard of a venue's metrics, as JSON."""
    from novate.operations.dashboard import dashboard as drawn

    click.echo(json.dumps(drawn(), indent=2))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print what completes novate's commands and options in SHELL; `eval "$(novate completion bash)"` turns it on."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - for the type checker: the choice names click's own
    click.echo(found(context.find_root().command, {}, "novate", "_NOVATE_COMPLETE").source())


COMMANDS: Final = (init, checklist, config, status, backup, restore, incident, dashboard, completion)
"""What `novate` takes up from here."""
