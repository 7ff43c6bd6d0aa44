"""The processes of a venue: what each is started with, after which others, and how it says that it is ready.

Responsible for: the table. Never: starts one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from novate.projections.location import url_of

READY: Final = "ready"
"""First word of the line on standard output by which a process says that it serves."""

PROGRESS: Final = "progress"
"""First word of the line by which a core says how far its recovery is."""

CLEARING: Final = "clearing.toml"
"""File of a home that is cleared through brokers."""
BRIDGE: Final = "bridge.toml"
"""File of a home in which a bridge quotes."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process."""

    name: str
    arguments: tuple[str, ...]
    """Of `novate`."""
    vital: bool = False
    """Whether the venue ends with it when it can't be started again."""
    forks: str = ""
    """Name of the process that it forks when it has recovered, which need not recover then."""

    @property
    def command(self) -> tuple[str, ...]:
        """The command line, in this interpreter."""
        return (sys.executable, "-m", "novate.cli", *self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPlan:
    """The door of the venue's own people."""

    host: str
    port: int
    certificates: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What runs for a venue."""

    home: Path
    venue: str = "novate-dev"
    chain_id: int = 1
    host: str = "127.0.0.1"
    port: int = 8080
    dev: bool = False
    gateways: int = 1
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    connections_per_address: int = 512
    database: str = ""
    """URL of the read models; empty for SQLite in the home."""
    keepers: Path | None = None
    """The keepers' TOML; without one nothing posts prices."""
    keeper: int = 0
    """Key of the keepers and of who resumes the venue."""
    realtime: bool = False
    snapshot_s: int = 300
    events_s: int = 7 * 86_400
    """Seconds that events are kept; 0 for not at all."""
    metrics_port: int = 0
    """Of metrics and health, on this machine alone; 0 for none."""
    standby: str = "none"
    """Whether the core ships its journal, and waits for who stores it: none, async or sync."""
    standby_lost: str = "refuse"
    standby_wait_s: float = 5.0
    ship_from: str = ""
    """HOST:PORT to ship from by TCP, too; empty for none."""
    collects_words: bool = False
    """Whether what processes write to standard error goes through the supervisor's `say`."""
    people: str = ""
    """Scenario whose people trade here; empty for none."""
    data: str = ""
    """Where its recorded data is; empty for the usual places."""
    admin: AdminPlan | None = None
    """The admin door; None where the gateways serve everybody."""
    without: frozenset[str] = field(default_factory=frozenset)
    """Names of processes that are not wanted here."""

    def processes(self) -> Iterator[Process]:
        """In the order in which they start; they end in the other."""
        home = str(self.home)
        for process in self._all(home):
            if process.name.partition(" ")[0] not in self.without:
                yield process

    @property
    def database_url(self) -> str:
        """URL of the read models."""
        return url_of(self.home, self.database)

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port of the gateways."""
        return tuple(self.port + number for number in range(2 * self.gateways))

    @property
    def _shipping(self) -> tuple[str, ...]:
        if self.standby == "none":
            return ()
        wait = ("--standby-wait", str(self.standby_wait_s))
        by_tcp = ("--ship-from", self.ship_from) if self.ship_from else ()
        return ("--standby", self.standby, "--standby-lost", self.standby_lost, *wait, *by_tcp)

    def _all(self, home: str) -> Iterator[Process]:
        keeper = ("--keeper", str(self.keeper))
        yield Process(
            "core",
            (
                "core",
                home,
                *keeper,
                *(("--realtime",) if self.realtime else ()),
                *self._shipping,
            ),
            vital=True,
            forks="reader",
        )
        kept = ("--events-kept", str(self.events_s))
        yield Process("reader", ("reader", home, "--snapshot-every", str(self.snapshot_s), *kept))
        database = ("--database", self.database) if self.database else ()
        chain = ("--chain-id", str(self.chain_id))
        where = (
            "--venue",
            self.venue,
            *chain,
            "--gateways",
            str(self.gateways),
            *(word for proxy in self.proxies for word in ("--proxy", proxy)),
            "--connections-per-address",
            str(self.connections_per_address),
            *database,
        )
        public = ("--host", self.host, *(("--surface", "public") if self.admin else ()))
        for number in range(self.gateways):
            port = ("--port", str(self.port + 2 * number))
            name = f"gateway {number + 1}" if self.gateways > 1 else "gateway"
            yield Process(name, ("gateway", home, *where, *public, *port, *(("--dev",) if self.dev else ())))
        if self.admin is not None:
            door = ("--surface", "admin", "--certificates", str(self.admin.certificates))
            at = ("--host", self.admin.host, "--port", str(self.admin.port))
            yield Process("gateway admin", ("gateway", home, *where, *at, *door))
        yield Process("projector", ("projector", home, *database))
        settings = ("--settings", str(self.keepers)) if self.keepers else ()
        for kind in ("time", "sessions", "alerts", *(("prices",) if self.keepers else ())):
            yield Process(f"keeper {kind}", ("keeper", kind, home, *keeper, *settings))
        if (self.home / CLEARING).is_file():
            yield Process("clearing", ("clearing", "run", home, *keeper))
        if (self.home / BRIDGE).is_file():
            url = f"http://127.0.0.1:{self.port}"
            yield Process("bridge", ("bridge", "run", home, "--url", url))
        if self.people:
            data = ("--data", self.data) if self.data else ()
            yield Process(
                "people", ("people", home, "--scenario", self.people, "--port", str(self.port), *data)
            )
