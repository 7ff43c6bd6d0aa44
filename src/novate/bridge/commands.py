"""`novate bridge`: the process, its kill switch, and how it stands.

Responsible for: options to arguments. Heavy modules are imported by the command that needs them.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console

HOME: Final = click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def _say(words: str) -> None:
    Console(stderr=True, highlight=False).print(words, markup=False, soft_wrap=True)


@click.group()
def bridge() -> None:
    """Quote the venue from the primary market and hedge every fill; stop that, and see how it stands."""


@bridge.command("run")
@HOME
@click.option(
    "--settings", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Its TOML file [default: DIR/bridge.toml]."
)  # fmt: skip
@click.option("--url", default=None, help="The venue's HTTP address [default: the file's].")
def run(directory: Path, settings: Path | None, url: str | None) -> None:
    """Run the bridge whose settings are in DIR, until SIGTERM or SIGINT."""
    from novate.bridge.primary import primary_of
    from novate.bridge.run import run_bridge
    from novate.bridge.settings import FILE, load_settings
    from novate.client import AsyncClient, HmacKey
    from novate.errors import ConfigError
    from novate.keepers.pace import Pace
    from novate.prices.credentials import credentials

    chosen = load_settings(settings or directory / FILE)
    found = credentials(chosen.secret_env, os.environ)
    if chosen.key and not found:
        raise ConfigError(
            f"The environment variable {chosen.secret_env} holds no secret for key {chosen.key}."
        )
    key = HmacKey(chosen.key, found[0]) if chosen.key else None
    pace = Pace.read(directory)
    words = f"Quotes {', '.join(one.symbol for one in chosen.name)} from account {chosen.account}"

    def ready() -> None:
        if os.environ.get("NOVATE_SUPERVISED"):
            sys.stdout.write(f"ready {words}\n")
            sys.stdout.flush()
        else:
            _say(words)

    run_bridge(
        directory,
        chosen,
        lambda: AsyncClient(url or chosen.url, key, by_socket=True),
        primary_of(chosen.primary, directory, pace),
        pace,
        on_ready=ready,
    )


@bridge.command("stop")
@HOME
@click.option("--reason", required=True, help="Why; it is kept.")
@click.option("--by", default=getpass.getuser, show_default="this machine's user", help="Who; it is kept.")
@click.option("--no-hedge", is_flag=True, help="Ask for no tokens either: what is open stays open.")
def stop(directory: Path, reason: str, by: str, *, no_hedge: bool) -> None:
    """Withdraw all quotes within a beat, and quote nothing, across restarts too, until `novate bridge resume`."""
    from novate.bridge.day import Day, Stop

    Day(directory).stop(Stop(reason, by, time.time_ns(), hedges=not no_hedge))
    _say("Stopped: `novate bridge resume` ends it.")


@bridge.command("resume")
@HOME
def resume(directory: Path) -> None:
    """Let a stopped bridge go on. A loss of the day beyond its limit stops it again."""
    from novate.bridge.day import Day

    _say("It goes on." if Day(directory).resume() else "It was not stopped.")


@bridge.command("status")
@HOME
@JSON
def status(directory: Path, *, as_json: bool) -> None:
    """Say how the bridge in DIR stands: what it does with each name and why, what it holds, what is open, the day's result."""
    from novate.bridge.day import Day
    from novate.bridge.telling import lines, report

    found = report(directory, Day(directory).stops())
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for line in lines(found):
        _say(line)


COMMANDS: Final = (bridge,)
"""What `novate` takes up from here."""
