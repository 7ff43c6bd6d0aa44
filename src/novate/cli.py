"""The command line: `novate demo`, `replay`, `core`, `verify journal`, `quarantine`, `explain`, `scenarios`, `refusals`.

Responsible for: options, progress, and how a result or an error is told. Never: decides anything about a venue; each command
calls one function of the package. Heavy modules are imported by the command that needs them, so that help is instant.

Standard output carries the result alone: the path of a report, or with --json one object on its last line. Tables, progress and
messages go to standard error. An error is one line, `novate: <sentence> [code]`, exit status 1; wrong usage is 2; an interrupt 130.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from novate._core import release
from novate.bridge.commands import COMMANDS as BRIDGE
from novate.broker.commands import COMMANDS as EXCHANGE
from novate.clearing.actions_office import COMMANDS as ACTIONS
from novate.clearing.back_office import COMMANDS as BACK_OFFICE
from novate.clearing.commands import COMMANDS as CLEARING
from novate.console import common, result, terminal
from novate.errors import ConfigError, DataError, NovateError
from novate.listing_desk.commands import COMMANDS as LISTINGS
from novate.notices.commands import COMMANDS as NOTICES
from novate.onboarding.commands import COMMANDS as ONBOARDING
from novate.operations.commands import COMMANDS as OPERATIONS
from novate.operations.drills import COMMANDS as DRILLS
from novate.standby.commands import COMMANDS as STANDBY
from novate.up import commands, records
from novate.up.certificates import certificates
from novate.up.children import end_with_supervisor
from novate.up.commands import say_ready

ERROR, USAGE, INTERRUPTED = 1, 2, 130
ProgressCall = Callable[[float, str], None]
_F = TypeVar("_F", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None, begun: object = None) -> int:
    """Run one command line (by default the process's own) and return its exit status. Raises nothing.

    `begun` is for the command: what this process has in memory that it can begin from.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        end_with_supervisor()
        status = cli.main(given, prog_name="novate", standalone_mode=False, obj=begun)
    except click.Abort:
        return _tell({"code": "interrupted", "sentence": "Interrupted."}, given, INTERRUPTED)
    except click.ClickException as error:
        return _tell({"code": "usage", "sentence": error.format_message()}, given, error.exit_code)
    except NovateError as error:
        return _tell(error.as_dict(), given, ERROR)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _tell({"code": "os_error", "sentence": f"{error.strerror or error}{where}."}, given, ERROR)
    except Exception as error:  # noqa: BLE001 - whatever else went wrong is one line too
        sentence = f"Unexpected {type(error).__name__}: {error}; --traceback shows where."
        return _tell({"code": "internal_error", "sentence": sentence}, given, ERROR)
    return status if isinstance(status, int) else 0


def _tell(error: Mapping[str, object], given: Sequence[str], status: int) -> int:
    """One line on standard error; the same as JSON where asked for. Called while the error is being handled."""
    if "--traceback" in given:
        traceback.print_exc()
    sys.stderr.write(f"novate: {error['sentence']} [{error['code']}]\n")
    if "--json" in given:
        result({"ok": False, "error": error})
    return status


@contextmanager
def _bar(console: Console, title: str) -> Iterator[ProgressCall]:
    """A live bar on standard error, gone when it is full; yields a function of (fraction, note)."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=1.0, note="")

        def move(fraction: float, note: str) -> None:
            bar.update(task, completed=fraction, note=note)
            if fraction >= 1:
                bar.stop()

        yield move


def _lines(console: Console) -> ProgressCall:
    """Progress as a line for each tenth, for a log."""
    told = 0

    def move(fraction: float, note: str) -> None:
        nonlocal told
        if int(fraction * 10) > told:
            told = int(fraction * 10)
            console.print(f"{told * 10:3d} % {note}", markup=False)

    return move


def _run_options(command: _F) -> _F:
    """Options of a replay."""
    for option in (
        click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the page here."),
        click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Draws what is not recorded."),
        click.option(
            "--advance-ms", type=click.IntRange(1, 60_000), default=1_000, show_default=True, help="Step of the venue's clock."
        ),
        click.option(
            "--home", type=click.Path(file_okay=False, path_type=Path), help="Where the journal is kept [default: new, temporary]."
        ),
        click.option("--data", metavar="DIR", help="Recorded market data [default: $NOVATE_DATA, ./data, ../shared/data]."),
        click.option("--headless", is_flag=True, help="No live display: progress as plain lines."),
    ):  # fmt: skip
        command = option(command)
    return common(command)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(release(), prog_name="novate", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Prime brokerage for tokenised securities: one account, one portfolio, one margin."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command()
@click.option(
    "--live", is_flag=True, help="As a venue that people and programs trade on by API while the crash plays."
)
@click.option("--speed", default="60", show_default=True, help="With --live: venue time per real time.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_000),
    default=8080,
    show_default=True,
    help="With --live: of HTTP; the WebSocket has the next.",
)
@_run_options
def demo(*, live: bool, speed: str, port: int, **options: Any) -> None:
    """Replay a real crash through a venue and write the report.

    Prints the report, and on standard output the path of its page. With --live nothing is written at the end: the venue runs, the
    demo's people trade on it through its API, and so may you.
    """
    if live:
        _play_live(speed, port, options["home"], options["data"])
    else:
        _play(None, **options)


def _play_live(speed: str, port: int, home: Path | None, data: str | None) -> None:
    from tempfile import mkdtemp

    from novate.marketdata import default_scenario, find_data

    _refuse_used_home(home)
    scenario = default_scenario(find_data(data))
    commands.live(home or Path(mkdtemp(prefix="novate-")), scenario, data=data, speed=speed, port=port)


@cli.command()
@click.argument("scenario")
@click.option(
    "--portfolio",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Play it on these positions instead of the demo's, in memory.",
)
@_run_options
def replay(scenario: str, portfolio: Path | None, **options: Any) -> None:
    """Replay one SCENARIO; `novate scenarios` lists them.

    With --portfolio, standard output is a CSV table over time: equity, requirement, excess, state, and what was liquidated.
    """
    from novate.marketdata import scenarios

    if scenario not in scenarios():
        raise click.UsageError(f"There is no scenario {scenario!r}; there are {', '.join(scenarios())}.")
    if portfolio is None:
        _play(scenario, **options)
    else:
        _play_own(scenario, portfolio, **options)


def _play_own(
    scenario: str,
    portfolio: Path,
    *,
    as_json: bool,
    headless: bool,
    home: Path | None,
    report: Path | None,
    **chosen: Any,
) -> None:
    """One's own positions through a crash; tells what happened on standard error."""
    if home or report:
        raise click.UsageError("With --portfolio nothing is kept: leave out --home and --report.")
    from novate.demo.crash import outcome, replay

    console = terminal()

    def run(progress: ProgressCall) -> Any:
        return replay(
            portfolio,
            scenario,
            data=chosen["data"],
            seed=chosen["seed"],
            clock=f"{chosen['advance_ms']} ms",
            progress=progress,
        )

    if headless:
        frame = run(_lines(console))
    else:
        with _bar(console, "Replaying") as progress:
            frame = run(progress)
    told = outcome(frame)
    console.print(frame.attrs["headline"], markup=False)
    for line in told["lines"]:
        console.print(line, markup=False, soft_wrap=True)
    if as_json:
        result({"ok": True} | told)
    else:
        click.echo(frame.to_csv(), nl=False)


@cli.command()
@click.argument("portfolio", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--price", "stated", multiple=True, metavar="NAME=DOLLARS", help="Price of an underlying; once for each."
)
@click.option(
    "--prices",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Prices by date, a column for each underlying.",
)
@click.option(
    "--session",
    default="regular",
    show_default=True,
    help="Session of every name that closes, or `calendar`.",
)
@click.option(
    "--listing",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="TOML",
    help="Whose rules [default: the packaged listing].",
)
@common
def margin(
    portfolio: Path,
    stated: tuple[str, ...],
    prices: Path | None,
    session: str,
    listing: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say what the positions of PORTFOLIO (a CSV table) require, and why: a CSV table by date and portfolio."""
    from novate.embedding.margin import margin as ask
    from novate.embedding.tables import prices_of

    if not portfolio.is_file():
        raise DataError(f"There is no file {portfolio}.", file=str(portfolio))
    frame = ask(portfolio, prices_of(stated, prices), session, listing)
    console = terminal()
    for key, row in zip(frame.index, frame["explanation"], strict=True):
        told = " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        console.print(f"{told}: {row}" if frame.index.names != [None] else row, markup=False, soft_wrap=True)
    if as_json:
        rows = json.loads(frame.reset_index().to_json(orient="records", date_format="iso"))
        result({"ok": True, "rows": rows})
    else:
        click.echo(frame.to_csv(), nl=False)


def _play(
    scenario: str | None,
    *,
    as_json: bool,
    headless: bool,
    home: Path | None,
    report: Path | None,
    **chosen: Any,
) -> None:
    """Runs the demo with a fresh home and tells its result."""
    _refuse_used_home(home)
    if report is not None and not report.absolute().parent.is_dir():
        raise ConfigError(f"The folder of --report {report} does not exist.", path=str(report))
    from novate.demo.run import DemoOptions, run_demo

    options = DemoOptions(scenario=scenario, home=home, report=report, **chosen)
    console = terminal()
    if headless:
        done = run_demo(options, _lines(console), console)
    else:
        with _bar(console, "Replaying") as progress:
            done = run_demo(options, progress, console)
    if as_json:
        result(done.json)
    else:
        click.echo(done.report_path)


def _refuse_used_home(home: Path | None) -> None:
    """A replay is a story from the first command: it never goes on in a journal that is there."""
    if home is not None and home.is_dir() and any((home / "journal").glob("*.log")):
        raise ConfigError(f"{home} already holds a journal; name another --home.", home=str(home))


@cli.group()
def verify() -> None:
    """Check what a venue wrote, changing nothing."""


@verify.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False, metavar="DIR")
@click.option("--home", type=click.Path(path_type=Path), help="The same as DIR.")
@common
@click.pass_context
def journal(context: click.Context, directory: Path | None, home: Path | None, *, as_json: bool) -> None:
    """Replay the journal in DIR (a home, or its journal folder) and check chain, state hash and conservation."""
    from novate._core import Engine, ruleset
    from novate.journal import verify_journal

    chosen = _one_home(directory, home)
    console = terminal()
    with _bar(console, "Verifying") as progress:
        found = verify_journal(
            chosen,
            Engine,
            ruleset=ruleset(),
            progress=lambda read, total: progress(read / max(total, 1), ""),
        )
    facts = asdict(found)
    console.print(_facts(facts), markup=False, soft_wrap=True)
    for problem in found.problems:
        console.print(problem, markup=False, soft_wrap=True)
    if not found.ok:
        sentence = f"The journal in {chosen} is not sound: {found.problems[0]}"
        facts["error"] = {"code": "verification_failed", "sentence": sentence}
        sys.stderr.write(f"novate: {sentence} [verification_failed]\n")
    if as_json:
        result(facts)
    context.exit(0 if found.ok else ERROR)


def _one_home(directory: Path | None, home: Path | None) -> Path:
    """DIR or --home, whichever was given."""
    chosen = directory or home
    if chosen is None or (directory and home):
        raise click.UsageError("Name one directory: the home of a venue or its journal folder.")
    return chosen


def _facts(facts: Mapping[str, object]) -> str:
    """What a verification found, a line for each fact, without the problems."""
    lines = []
    for name, value in facts.items():
        grouped = isinstance(value, int) and not isinstance(value, bool) and not name.endswith("_ns")
        if name not in ("problems", "error"):
            lines.append(
                f"{name.replace('_', ' '):22}{value:,}" if grouped else f"{name.replace('_', ' '):22}{value}"
            )
    return "\n".join(lines)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False, metavar="DIR")
@click.option("--home", type=click.Path(path_type=Path), help="The same as DIR.")
@click.option(
    "--command",
    "sequence",
    type=click.IntRange(min=1),
    required=True,
    help="Sequence of the command that stops the engine.",
)
@click.option("--key", type=click.IntRange(min=0), required=True, help="Key of the person who says so.")
@click.option(
    "--request", type=click.IntRange(min=0), default=0, show_default=True, help="Request number of that key."
)
@common
def quarantine(
    directory: Path | None, home: Path | None, sequence: int, key: int, request: int, *, as_json: bool
) -> None:
    """Put a COMMAND aside that makes the engine fail, while the venue in DIR is stopped.

    Two people do so, each once. Afterwards every replay answers the command without applying it, and the venue opens again.
    """
    from novate._core import Engine, release, ruleset
    from novate.journal import put_aside

    chosen = _one_home(directory, home)
    done = put_aside(
        chosen, Engine, sequence, actor=key, release=release(), ruleset=ruleset(), request=request
    )
    after = "the venue can open" if done.confirmed else "another person must say so too"
    terminal().print(
        f"Command {sequence} ({done.digest[:16]}..) was put aside by {done.people} of 2: {after}.",
        markup=False,
    )
    if as_json:
        result({"ok": True, "confirmed": done.confirmed} | asdict(done))


@cli.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    help="Where gateways connect [default: core.sock in DIR].",
)
@click.option("--keeper", type=click.IntRange(min=0), default=0, help="Key that says the venue resumes.")
@click.option(
    "--lockstep", is_flag=True, help="Sync and apply in turn instead of at once: for a single core."
)
@click.option(
    "--realtime",
    is_flag=True,
    help="Run before all processes that are not real-time (SCHED_RR); must be permitted.",
)
@click.option(
    "--standby",
    type=click.Choice(["none", "async", "sync"]),
    default="none",
    show_default=True,
    help="Ship the journal to a standby; sync: answer only what it has, too.",
)
@click.option(
    "--standby-lost",
    type=click.Choice(["refuse", "continue"]),
    default="refuse",
    show_default=True,
    help="With sync, once the standby is gone: take no commands, or go on without.",
)
@click.option(
    "--standby-wait",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds until a silent standby counts as gone.",
)
@click.option(
    "--ship-from", metavar="HOST:PORT", default=None, help="Ship by TCP, too, encrypted under standby.key."
)
@click.option("--then", hidden=True, help="What to fork once recovered; see `novate.up.children`.")
@common
def core(
    directory: Path,
    socket_path: Path | None,
    keeper: int,
    *,
    lockstep: bool,
    realtime: bool,
    as_json: bool,
    standby: Any,
    standby_lost: Any,
    standby_wait: float,
    ship_from: str | None,
    then: str | None,
) -> None:
    """Serve the venue in DIR to processes on this machine, through a Unix socket, until SIGTERM or SIGINT.

    The one writer: whole buffers of commands in, their events out once they are on disk and applied. Begins an empty venue where
    DIR holds none.
    """
    from novate.core_process import serve
    from novate.core_process.recovering import Recovering
    from novate.core_process.shipping import Shipping, ShippingPlan
    from novate.keepers.pace import FILE as PACE
    from novate.keepers.pace import Pace
    from novate.venue import Venue

    console, path = terminal(), socket_path or directory / "core.sock"
    pace = Pace.read(directory) if (directory / PACE).exists() else None
    served: list[Venue] = []

    shipping = None
    if standby != "none":
        plan = ShippingPlan(standby, standby_lost, standby_wait, ship_from)
        shipping = Shipping(directory, plan, lambda words: commands.say_words(f"standby: {words}"))
    recovering = Recovering(directory, commands.say_progress)

    def ready(venue: Venue) -> None:
        served.append(venue)
        recovering.done()
        say_ready(f"Serving command {venue.sequence + 1} on from {path}")

    directory.mkdir(parents=True, exist_ok=True)
    try:
        branch = commands.branch_of(directory, then, main) if then else None
        commands.once_free(
            lambda: serve(
                directory,
                path,
                keeper=keeper,
                pipelined=not lockstep,
                realtime=realtime,
                clock=pace,
                shipping=shipping,
                on_progress=recovering,
                branch=branch,
                on_ready=ready,
            )
        )
    finally:
        recovering.done()
    console.print(f"Stopped after command {served[0].sequence}; the journal is sealed.", markup=False)
    if as_json:
        result({"ok": True, "sequence": served[0].sequence, "time_ns": served[0].time_ns})


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False, metavar="DIR")
@click.option("--home", type=click.Path(path_type=Path), help="The same as DIR.")
@click.option("--account", type=click.IntRange(min=1), required=True, help="Whose margin.")
@click.option(
    "--at",
    metavar="SEQ|TIME",
    help="A command's sequence, or a time with its zone [default: the journal's end].",
)
@click.option(
    "--days",
    type=click.IntRange(0, 30),
    default=7,
    show_default=True,
    help="Days ahead to project; 0 for none.",
)
@common
def explain(
    directory: Path | None, home: Path | None, account: int, at: str | None, days: int, *, as_json: bool
) -> None:
    """Say why ACCOUNT's margin was what it was at any past moment of the journal in DIR, and what would have liquidated it.

    The moment is rebuilt from the journal, with the outside prices that stood behind it and the commands that carried them.
    """
    from novate import explain as explanations
    from novate.reader import Reader
    from novate.reports import explained

    moment = Reader(_one_home(directory, home)).at(**_moment(at))
    try:
        found = explanations.account(moment.engine, account)
    except ValueError as error:
        raise ConfigError(f"{error} after command {moment.sequence}.", account=account) from None
    inputs = explained.price_inputs(moment.engine, found, moment)
    ahead = explanations.projection(moment.engine, account, days) if days else []
    console = terminal()
    for part in explained.parts(found, inputs, ahead):
        console.print(part)
        console.print()
    if as_json:
        result({"ok": True} | explained.as_json(found, inputs, ahead))


def _moment(at: str | None) -> dict[str, int]:
    """`--at` as what a reader takes: digits are a sequence, anything else a time with its zone."""
    if at is None:
        return {}
    if at.isascii() and at.isdigit():
        return {"sequence": int(at)}
    from datetime import datetime

    from novate.calendar import to_ns

    try:
        return {"time_ns": to_ns(datetime.fromisoformat(at))}
    except ValueError as error:
        raise click.UsageError(
            f"--at {at!r} is neither a sequence nor a time with its zone such as 2025-10-10T21:15:00Z ({error})."
        ) from None


@cli.command()
@click.option(
    "--data", metavar="DIR", help="Recorded market data [default: $NOVATE_DATA, ./data, ../shared/data]."
)
@common
def scenarios(data: str | None, *, as_json: bool) -> None:
    """List what can be replayed, and where recorded data is found."""
    from novate import marketdata

    found = marketdata.find_data(data)
    default = marketdata.default_scenario(found)
    console = terminal()
    console.print(f"Recorded data: {found or 'none found'}", markup=False)
    for name in marketdata.scenarios():
        console.print(f"  {name}{'  (played by `novate demo`)' if name == default else ''}", markup=False)
    if as_json:
        names = marketdata.scenarios()
        result({"ok": True, "scenarios": names, "default": default, "data": str(found) if found else None})


@cli.command()
@click.argument("which", required=False, metavar="[NUMBER|NAME]")
@common
def refusals(which: str | None, *, as_json: bool) -> None:
    """Explain a refusal by its number or name; all of them without."""
    from novate.messages import rules

    known = rules()
    by_name = {rule.name: rule for rule in known.values()}
    chosen = list(known.values())
    if which is not None:
        number = int(which) if which.isascii() and which.isdigit() else -1
        one = known.get(number) or by_name.get(which)
        if one is None:
            near = get_close_matches(which, by_name, n=3)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise click.UsageError(f"No refusal has the number or name {which!r}.{hint}")
        chosen = [one]
    console = terminal()
    for rule in chosen:
        retry = " A retry can help." if rule.retry else ""
        console.print(f"{rule.number:>5}  {rule.name}: {rule.sentence}{retry}", markup=False, soft_wrap=True)
    if as_json:
        result({"ok": True, "refusals": [asdict(rule) for rule in chosen]})


records.keys.add_command(certificates)
for _command in (
    *commands.COMMANDS,
    *records.COMMANDS,
    *OPERATIONS,
    *DRILLS,
    *LISTINGS,
    *NOTICES,
    *ONBOARDING,
    *STANDBY,
    *CLEARING,
    *BACK_OFFICE,
    *ACTIONS,
    *BRIDGE,
    *EXCHANGE,
):
    cli.add_command(_command)


if __name__ == "__main__":
    sys.exit(main())
