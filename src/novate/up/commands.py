"""`novate up`, and a command for each process of a venue.

Responsible for: options to arguments, and the one line by which a process says that it serves. Heavy modules are imported by the command
that needs them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from novate.console import say, terminal
from novate.errors import JournalLocked
from novate.up.children import FORKED, SUPERVISED, Then, fork
from novate.up.processes import PROGRESS

if TYPE_CHECKING:
    from novate._core import Engine
    from novate.journal.recovery import Branch, Passed

_ENDING_S: Final = 10.0
_LOOK_S: Final = 0.1
HOME: Final = click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
KEEPER: Final = click.option("--keeper", type=click.IntRange(min=0), default=0, help="Key of the keepers.")


def say_ready(words: str) -> None:
    """Says that this process serves: to the supervisor, or to a person."""
    if os.environ.get(SUPERVISED):
        sys.stdout.write(f"ready {words}\n")
        sys.stdout.flush()
    else:
        say(words)


def say_words(words: str) -> None:
    """Says what happens: to the supervisor, or to a person."""
    if os.environ.get(SUPERVISED):
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()
    else:
        say(words)


def say_progress(facts: dict[str, Any]) -> None:
    """Says how far a recovery is: to the supervisor alone, which shows it."""
    if os.environ.get(SUPERVISED):
        sys.stdout.write(f"{PROGRESS} {json.dumps(facts)}\n")
        sys.stdout.flush()


def once_free(work: Callable[[], None]) -> None:
    """Does `work`; under a supervisor again and again while what it needs of the home is another process's, for a while: one that a killed supervisor left is ending.

    Raises what `work` raises, JournalLocked once the while is over.
    """
    until = time.monotonic() + (_ENDING_S if os.environ.get(SUPERVISED) else 0.0)
    while True:
        try:
            return work()
        except JournalLocked:
            if time.monotonic() >= until:
                raise
        time.sleep(_LOOK_S)


def branch_of(home: Path, then: str, main: Callable[[Sequence[str], object], int]) -> Branch[Engine]:
    """What the core's recovery forks on its way: the command line in `then`, run by `main`, from where the event log ends."""
    import msgspec

    from novate.event_log import DIRECTORY, log_end
    from novate.journal.recovery import Branch

    try:
        forked = msgspec.json.decode(then, type=Then)
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"--then is said by a supervisor: {error}.") from None

    def go(passed: Passed[Engine]) -> None:
        if pid := fork(forked, lambda: main(forked.arguments, passed)):
            say_words(f"{FORKED} {pid}")

    return Branch(log_end(home / DIRECTORY), go)


@click.command()
@HOME
@click.option(
    "--snapshot-every", type=click.IntRange(min=0), default=600, show_default=True, help="Seconds between snapshots; 0 for none."
)  # fmt: skip
@click.option(
    "--events-kept", type=click.IntRange(min=0), default=604_800, show_default=True,
    help="Seconds that events are kept to be told again; 0 for no event log.",
)  # fmt: skip
@click.pass_obj
def reader(begun: Passed[Engine] | None, directory: Path, snapshot_every: int, events_kept: int) -> None:
    """Answer questions about the venue in DIR, following its core, until SIGTERM or SIGINT."""
    from novate.event_log import EventLogPlan
    from novate.reader_process import SnapshotPlan, serve_reader

    once_free(
        lambda: serve_reader(
            directory,
            snapshots=SnapshotPlan(every_s=float(snapshot_every)) if snapshot_every else None,
            events=EventLogPlan(kept_s=float(events_kept)) if events_kept else None,
            begun=begun,
            on_ready=lambda _: say_ready(f"Answering from {directory / 'reader.sock'}"),
            on_note=lambda line: click.echo(line, err=True),
        )
    )


@click.command()
@HOME
@click.option(
    "--venue", default="novate-dev", show_default=True, help="The venue's id, part of every signature."
)
@click.option(
    "--chain-id",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Chain that wallets sign for.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_534),
    default=8080,
    show_default=True,
    help="Of HTTP; the WebSocket has the next.",
)
@click.option(
    "--gateways", type=click.IntRange(1, 64), default=1, show_default=True, help="How many share the budgets."
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    default=("127.0.0.1", "::1"),
    show_default=True,
    help="Address that is believed on whom it speaks for (X-Forwarded-For); once for each.",
)
@click.option(
    "--connections-per-address",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    help="HTTP and WebSocket together; proxies are not counted.",
)
@click.option("--database", default="", help="URL of the read models [default: SQLite in DIR].")
@click.option(
    "--surface",
    type=click.Choice(["all", "public", "admin"]),
    default="all",
    show_default=True,
    help="What is served: public takes nothing that needs a role at the venue, admin is for who shows a certificate.",
)
@click.option(
    "--certificates", default="", help="Folder of the admin door's certificates [default: DIR/certificates]."
)
@click.option("--dev", is_flag=True, help="Whoever comes may do everything; this machine alone.")
def gateway(directory: Path, **given: Any) -> None:
    """Serve the venue in DIR to the world by HTTP and WebSocket, until SIGTERM or SIGINT."""
    from novate.gateway.serve import serve_gateway
    from novate.gateway.settings import GatewaySettings

    serve_gateway(
        directory,
        GatewaySettings(**given),
        on_ready=lambda http, ws: say_ready(f"Serving {http}/v1 and {ws}"),
    )


@click.command()
@HOME
@click.option("--database", default="", help="URL of the read models [default: SQLite in DIR].")
def projector(directory: Path, database: str) -> None:
    """Keep the read models of the venue in DIR in step with its events, until SIGTERM or SIGINT."""
    from novate.projections.location import url_of
    from novate.projector import run_projector

    url = url_of(directory, database)
    run_projector(directory, directory / "core.sock", url, on_ready=lambda: say_ready("Read models in step"))


@click.command()
@click.argument("kind", type=click.Choice(["time", "sessions", "prices", "alerts"]))
@HOME
@KEEPER
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Feeds, sessions and alerts (TOML).",
)
def keeper(kind: str, directory: Path, keeper: int, settings: Path | None) -> None:
    """Bring one kind of outside fact to the venue in DIR: time, sessions, prices; or watch its accounts."""
    import msgspec

    from novate.keepers import run
    from novate.keepers.settings import KeeperSettings
    from novate.operations.settings import keeper_settings
    from novate.reader_process import ReaderClient

    if kind == "prices" and settings is None:
        raise click.UsageError("Prices come from feeds, and a file says which: --settings FILE.")
    chosen = keeper_settings(settings) if settings is not None else KeeperSettings()
    if keeper:
        chosen = msgspec.structs.replace(chosen, actor=keeper)

    def answers() -> ReaderClient:
        return ReaderClient.connect(directory / "reader.sock")

    def ready() -> None:
        say_ready(f"Keeping {kind}")

    match kind:
        case "time":
            run.run_time_keeper(directory, chosen, on_ready=ready)
        case "sessions":
            run.run_session_keeper(directory, chosen, answers, on_ready=ready)
        case "prices":
            run.run_price_keeper(directory, chosen, answers, on_ready=ready)
        case _:
            run.run_alert_keeper(directory, chosen, answers, on_ready=ready)


@click.command()
@click.argument(
    "directory", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]", required=False
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The venue's file; options are put over it [default: venue.toml in DIR, where there is one].",
)
@click.option(
    "--listing",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What an empty venue lists [default: the demo's].",
)
@click.option(
    "--keepers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Feeds, sessions and alerts (TOML).",
)
@click.option(
    "--dev", is_flag=True, help="For development: whoever comes may do everything; this machine alone."
)
@click.option("--venue", default="", help="The venue's id [default: novate-dev with --dev].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where gateways listen.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_000),
    default=8080,
    show_default=True,
    help="Of HTTP; the WebSocket has the next.",
)
@click.option(
    "--gateways", type=click.IntRange(1, 64), default=1, show_default=True, help="How many gateway processes."
)
@click.option("--database", default="", help="URL of the read models [default: SQLite in DIR].")
@click.option(
    "--keeper", type=click.IntRange(min=0), default=0, help="Key of the keepers and of who resumes the venue."
)
@click.option(
    "--realtime",
    is_flag=True,
    help="Run the core before all processes that are not real-time; must be permitted.",
)
@click.option(
    "--standby",
    type=click.Choice(["none", "async", "sync"]),
    default="none",
    show_default=True,
    help="Ship the journal to a standby; sync: answer only what it has, too.",
)
@click.option(
    "--ship-from", default="", metavar="HOST:PORT", help="Ship by TCP, too, encrypted under standby.key."
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="Of metrics and health, on this machine alone; 0 for none.",
)
@click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How processes say what happens, on standard error.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="A process that is not wanted here: projector, keeper, gateway, reader, bridge.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
@click.pass_context
def up(
    context: click.Context,
    /,
    directory: Path | None,
    config: Path | None,
    *,
    as_json: bool,
    dev: bool,
    without: tuple[str, ...],
    **given: Any,
) -> None:
    """Run the venue in DIR: core, reader, gateways, read models and keepers, until SIGTERM or SIGINT.

    Begins an empty DIR with the listing. A process that ends is started again; a killed venue comes back with all that it answered.
    A venue that is not for development is refused while a line of its launch checklist is red; `novate checklist` prints it.
    """
    from contextlib import nullcontext

    from novate.gateway.settings import GatewaySettings
    from novate.journal.terms import check_may_write
    from novate.operations.endpoint import Endpoint
    from novate.operations.logs import write_log
    from novate.operations.metrics import Watched
    from novate.up.chosen import begin_venue, chosen_file, permit, plan_of
    from novate.up.genesis import is_empty
    from novate.up.recovery_view import RecoveryView
    from novate.up.supervisor import Supervisor

    default = click.core.ParameterSource.DEFAULT
    stated = {key for key in given if context.get_parameter_source(key) is not default}
    file = chosen_file(directory, config, given, stated)
    if not dev and not file.process.venue:
        raise click.UsageError(
            "A venue that is not for development has an id of its own: --venue NAME (or --dev)."
        )
    unknown = sorted(set(without) - {"projector", "keeper", "gateway", "reader", "bridge"})
    if unknown:
        raise click.UsageError(
            f"--without takes projector, keeper, gateway, reader or bridge; not {unknown[0]!r}."
        )
    # What a gateway would refuse is refused before anything begins.
    of = file.process
    GatewaySettings(venue=of.venue or "novate-dev", host=of.host, port=of.port, dev=dev)
    screen = terminal()

    view = RecoveryView(screen, bar=not as_json and file.process.log == "text", as_json=as_json)

    def say(name: str, words: str) -> None:
        words = words.removeprefix("ready ")
        if as_json:
            sys.stdout.write(json.dumps({"process": name, "says": words}) + "\n")
            sys.stdout.flush()
        write(name, words)

    def write(name: str, words: str) -> None:
        if file.process.log == "json":
            write_log(sys.stderr, name, words)
        else:
            screen.print(f"{name:>16}  {words}", markup=False, soft_wrap=True)

    def recovers(name: str, facts: dict[str, Any] | None) -> None:
        if facts is None:
            view.end()
        elif line := view.show(name, facts):
            write(name, line)

    check_may_write(file.home)
    permit(file, dev=dev)
    if dev:
        warning = "FOR DEVELOPMENT: whoever reaches this machine's ports may do everything."
        if file.process.log == "json":
            write_log(sys.stderr, "venue", warning)
        else:
            screen.print(warning, style="bold red")
    if is_empty(file.home):
        say("genesis", f"{begin_venue(file, dev=dev)} commands list an empty venue")
    elif "listing" in stated:
        raise click.UsageError(
            "The venue in DIR has begun: what it lists changes by commands, not by a file."
        )
    plan = plan_of(file, dev=dev, without=frozenset(without), venue_stated="venue" in stated)
    supervisor = Supervisor(plan, say, recovers)
    watched = Watched(plan.home, plan.database_url, plan.ports, plan.dev)
    with (
        Endpoint(plan.metrics_port, watched, supervisor.states, supervisor.alive)
        if plan.metrics_port
        else nullcontext()
    ) as endpoint:
        if endpoint is not None:
            say("metrics", f"ready {endpoint.url}/metrics, /healthz and /readyz")
        supervisor.run(on_ready=lambda: say("venue", f"trades at http://{plan.host}:{plan.port}/v1"))
    say("venue", "ended")


@click.command()
@HOME
@click.option("--scenario", required=True, help="Whose people.")
@click.option("--data", default=None, help="Where its recorded data is.")
@click.option(
    "--port", type=click.IntRange(1, 65_000), default=8080, show_default=True, help="Of the gateway's HTTP."
)
def people(directory: Path, scenario: str, data: str | None, port: int) -> None:
    """Let the demo's people trade on the venue in DIR, through its WebSocket, while a recorded crash plays."""
    from novate.marketdata import find_data, load_scenario
    from novate.up.live import run_people

    url = f"ws://127.0.0.1:{port + 1}/v1/ws"
    run_people(directory, load_scenario(scenario, find_data(data)), url, lambda: say_ready("People trade"))


def live(home: Path, scenario: str, *, data: str | None, speed: str, port: int) -> None:
    """Runs a recorded crash as a venue for development, until a signal ends it: what `novate demo --live` does."""
    from novate.marketdata import find_data, load_scenario
    from novate.up.live import begin_live
    from novate.up.processes import Plan
    from novate.up.supervisor import Supervisor

    screen = terminal()

    def say(name: str, words: str) -> None:
        screen.print(f"{name:>16}  {words.removeprefix('ready ')}", markup=False, soft_wrap=True)

    settings = begin_live(home, load_scenario(scenario, find_data(data)), speed, data or "")
    plan = Plan(home=home, dev=True, port=port, keepers=settings, people=scenario, data=data or "")
    words = f"plays {scenario} at {speed} times its speed; trade at http://{plan.host}:{port}/v1 and ws://{plan.host}:{port + 1}/v1/ws"
    Supervisor(plan, say).run(on_ready=lambda: say("venue", words))


COMMANDS: Final = (up, reader, gateway, projector, keeper, people)
"""What `novate` takes up from here."""
