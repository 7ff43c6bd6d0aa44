"""What `novate up` was asked for: the venue's file, options put over it, and whether that may run.

Responsible for: which file counts, that a stated option wins over it, and the line between real and for development: a journal is one of the
two from its first commands on, and never the other. Never: starts a process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from novate.errors import ConfigError
from novate.operations.checklist import began_for_real, checklist, listing_sources, refuse_red
from novate.operations.settings import DEVELOPMENT, FILE, ProcessSettings, VenueFile, load_venue
from novate.up.genesis import begin
from novate.up.processes import AdminPlan, Plan

OPTIONS: Final = (
    "listing", "keepers", "venue", "host", "port", "gateways", "database", "keeper", "realtime", "standby", "ship_from",
    "metrics_port", "log",
)  # fmt: skip
"""Options of `novate up` that are keys of the file, too."""


def chosen_file(
    directory: Path | None, config: Path | None, given: Mapping[str, Any], stated: Collection[str]
) -> VenueFile:
    """The file that counts, with the `stated` ones of the `given` options over it.

    Without `config` it is DIR's own, where DIR has one; without any file all given options count. Raises ConfigError; UsageError where
    neither a directory nor a file is named.
    """
    if directory is None and config is None:
        raise click.UsageError("Name the venue's directory, or its file: --config FILE.")
    path = config or Path(str(directory)) / FILE
    options = {key: _absolute(given[key]) for key in OPTIONS}
    if config is None and not path.is_file():
        return VenueFile(path=path, process=msgspec.convert(options, ProcessSettings))
    file = load_venue(path)
    over = {key: value for key, value in options.items() if key in stated}
    if directory is not None:
        over["home"] = str(directory.absolute())
    process = msgspec.structs.replace(file.process, **over)
    return VenueFile(path=path, process=process, listing_text="" if "listing" in over else file.listing_text)


def _absolute(value: Any) -> Any:
    """Paths of options are relative to where one stands, those of the file to the file."""
    return str(value.absolute()) if isinstance(value, Path) else "" if value is None else value


def permit(file: VenueFile, *, dev: bool) -> None:
    """Raises NotReady for a real venue with red lines, ConfigError for a real venue's journal that is to run for development."""
    if not dev:
        refuse_red(checklist(file))
    elif began_for_real(file.home):
        raise ConfigError(
            f"The journal in {file.home} is a production venue's: with --dev whoever comes could do everything on it.",
            home=str(file.home),
        )


def begin_venue(file: VenueFile, *, dev: bool) -> int:
    """Begins the empty venue of a file; returns how many commands that took. One for development says so in its journal for ever."""
    if dev:
        return begin(file.home, file.listing, production=False)
    return begin(file.home, file.listing, named=listing_sources(file))


def plan_of(file: VenueFile, *, dev: bool, without: frozenset[str], venue_stated: bool) -> Plan:
    """What runs.

    A venue for development has the id of all such venues, so that nothing signed for it holds elsewhere, unless one is stated; and no admin
    door: whoever comes may do everything.
    """
    process = file.process
    admin = None
    if process.admin is not None and not dev:
        door = process.admin
        admin = AdminPlan(host=door.host, port=door.port, certificates=file.certificates.absolute())
    return Plan(
        home=file.home,
        venue=process.venue if not dev or (venue_stated and process.venue) else DEVELOPMENT,
        chain_id=process.chain_id,
        host=process.host,
        port=process.port,
        dev=dev,
        gateways=process.gateways,
        proxies=tuple(process.proxies),
        connections_per_address=process.connections_per_address,
        database=process.database,
        keepers=file.keepers_path,
        keeper=process.keeper,
        realtime=process.realtime,
        snapshot_s=process.snapshot_s,
        standby=process.standby,
        standby_lost=process.standby_lost,
        standby_wait_s=process.standby_wait_s,
        ship_from=process.ship_from,
        events_s=process.events_s,
        metrics_port=process.metrics_port,
        collects_words=process.log == "json",
        admin=admin,
        without=without,
    )
