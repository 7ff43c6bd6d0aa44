"""`novate standby` and `novate promote`.

Responsible for: options to arguments, and results for people on standard error or as one JSON object on standard output.
"""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from novate.console import JSON, result, say

_HOME: Final = click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")


@click.command()
@_HOME
@click.option("--of", required=True, metavar="HOME|SOCKET|HOST:PORT", help="The core that is followed.")
@click.option("--name", default="", help="What it is called at the core [default: this machine's name].")
@click.option(
    "--snapshot-every", type=click.IntRange(min=0), default=600, show_default=True, help="Seconds between snapshots; 0 for none."
)  # fmt: skip
@click.option(
    "--set-aside",
    is_flag=True,
    help="Put aside, kept beside, what this journal has and the core's has not.",
)
@JSON
def standby(
    directory: Path, of: str, name: str, snapshot_every: int, *, set_aside: bool, as_json: bool
) -> None:
    """Keep a copy of the journal of a running core in DIR, byte by byte, and an engine at its end, until SIGTERM, SIGINT or `novate promote`."""
    from novate.core_process.recovering import Recovering
    from novate.reader_process.limits import SnapshotPlan
    from novate.standby.process import StandbyPlan, follow, read_standby

    options = {"name": name} if name else {}
    plan = StandbyPlan(
        of=of,
        snapshots=SnapshotPlan(every_s=float(snapshot_every)) if snapshot_every else None,
        set_aside=set_aside,
        **options,
    )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    recovering = Recovering(directory)
    told = False

    def ready(sequence: int) -> None:
        nonlocal told
        if not told:
            sys.stdout.write(f"ready Following {of} from command {sequence} on\n")
            sys.stdout.flush()
        told = True
        recovering.done()

    try:
        follow(directory, plan, say, on_progress=recovering, on_ready=ready)
    finally:
        recovering.done()
    said = read_standby(directory)
    if as_json and said is not None:
        result({"ok": True, "sequence": said["stored"], "sealed": said["sealed"]})


@click.command()
@_HOME
@click.option("--reason", required=True, help="Why; it is kept.")
@click.option("--by", default=getpass.getuser, show_default="this machine's user", help="Who; it is kept.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Tell the other core to end first, where it answers: it seals its journal and may not start again.",
)
@JSON
def promote(directory: Path, reason: str, by: str, *, take_over: bool, as_json: bool) -> None:
    """Make the standby in DIR the venue, which `novate up DIR` then serves. Refused while the other core answers."""
    from novate.standby.promotion import promote as make

    done = make(directory, by=by, reason=reason, take_over=take_over, say=say)
    say(f"Term {done.term} begins after command {done.sequence}; `novate up {directory}` serves it.")
    if not done.clean:
        say(
            "The other core has not sealed its journal: be sure that it has ended before this one serves. What it wrote last may not be here."
        )
    if as_json:
        result({"ok": True, **asdict(done)})


COMMANDS: Final = (standby, promote)
"""What `novate` takes up from here."""
