"""What a venue's processes measure, as one table, and what a scrape finds.

Responsible for: the names, which dashboards and alerts use and a test holds equal; and reading what the processes say of themselves: the
core's and reader's first word, the keepers' health files, the position of the read models, the kernel's connections. Never: keeps a number
between scrapes, delays a process (every question has a bound of time), or leaves a metric out because its process is away: then the
process's own `novate_process_up` is 0.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import create_engine, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from novate.core_process import CoreClient
from novate.core_process.recovering import read_recovery
from novate.core_process.shipping import read_shipping
from novate.errors import NovateError
from novate.journal.recovery import HomePaths
from novate.journal.scan import journal_bytes
from novate.journal.snapshots import snapshot_paths
from novate.keepers.health import read_health
from novate.prices.health import FeedState
from novate.projections import schema
from novate.reader_process import ReaderClient

_ASK_S: Final = 1.0
_ESTABLISHED: Final = "01"
_SECOND: Final = 1e9


class Kind(NamedTuple):
    """One metric: its name, whether it only rises, what it says, its labels."""

    name: str
    counter: bool
    says: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    Kind("novate_process_up", False, "1 while the process serves.", ("process",)),
    Kind("novate_process_starts", True, "Starts of the process since the supervisor began.", ("process",)),
    Kind("novate_process_age_seconds", False, "Seconds since the process was last started.", ("process",)),
    Kind("novate_development", False, "1 on a venue for development."),
    Kind("novate_ready", False, "1 while everything serves that trading needs."),
    Kind("novate_commands", True, "Commands that are durable, applied and answered: the journal's sequence."),
    Kind("novate_core_time_seconds", False, "Journal time of the last command, seconds since 1970 UTC."),
    Kind("novate_core_answer_seconds", False, "Time to the core's first word on a new connection."),
    Kind("novate_reader_sequence", False, "Last command that the reader has applied."),
    Kind("novate_reader_lag_commands", False, "Commands that the reader has yet to apply."),
    Kind("novate_projector_sequence", False, "Last command whose rows the read models hold."),
    Kind("novate_projector_lag_commands", False, "Commands whose rows are yet to be written."),
    Kind("novate_standby_in_step", False, "1 while the standby has stored all that the core has written; no sample without one."),
    Kind("novate_standby_lag_commands", False, "Commands that the standby has yet to store."),
    Kind("novate_standby_refusing", False, "1 while commands are refused because the standby is gone."),
    Kind("novate_recovery_fraction", False, "Part of its present phase that a recovering core has done; no sample once it serves."),
    Kind("novate_gateway_connections", False, "Connections of a gateway's ports.", ("port",)),
    Kind("novate_keeper_age_seconds", False, "Seconds since the keeper last said how it is.", ("keeper",)),
    Kind("novate_keeper_connected", False, "1 while the keeper has a line to the core.", ("keeper",)),
    Kind("novate_keeper_commands", True, "Commands that the keeper has sent.", ("keeper",)),
    Kind("novate_keeper_refused", True, "Its commands that the engine refused.", ("keeper", "rule")),
    Kind("novate_clearing_line_up", False, "1 while the line to the broker stands.", ("broker",)),
    Kind("novate_clearing_orders", False, "Orders for brokers that are not over.", ("state",)),
    Kind("novate_clearing_words", False, "Reports that wait for the engine, or that it did not take.", ("state",)),
    Kind("novate_feed_state", False, "1 for the state that the feed is in.", ("feed", "state")),
    Kind("novate_feed_age_seconds", False, "Seconds since the last price of a symbol.", ("feed", "symbol")),
    Kind("novate_feed_alarms", False, "Alarms of the feed: late, stale or down.", ("feed",)),
    Kind("novate_journal_bytes", False, "Bytes of the journal's segments."),
    Kind("novate_snapshot_age_seconds", False, "Seconds since the newest snapshot was written."),
    Kind("novate_disk_free_bytes", False, "Bytes free on the disk of the home."),
)  # fmt: skip
"""Every metric, without the `_total` that a scrape appends to what only rises."""

KINDS: Final = {kind.name: kind for kind in METRICS}


def exposed_names() -> frozenset[str]:
    """The names that a scrape shows."""
    return frozenset(f"{kind.name}_total" if kind.counter else kind.name for kind in METRICS)


class ProcessState(NamedTuple):
    """How a process stands, as its supervisor knows."""

    name: str
    serves: bool
    starts: int
    since_s: float
    """Seconds since its last start."""


class Watched(NamedTuple):
    """What is measured."""

    home: Path
    database: str
    """URL of the read models."""
    ports: tuple[int, ...]
    """Of the gateways."""
    dev: bool


Sample = tuple[str, tuple[str, ...], float]
"""A metric's name, the values of its labels, and its value."""
States = Callable[[], Sequence[ProcessState]]


def is_ready(states: Iterable[ProcessState]) -> bool:
    """Whether everything serves that trading needs: core, reader and every gateway."""
    needed = [state for state in states if state.name.partition(" ")[0] in {"core", "reader", "gateway"}]
    return any(state.name == "core" for state in needed) and all(state.serves for state in needed)


class VenueCollector(Collector):
    """Reads a venue anew at each scrape."""

    def __init__(self, watched: Watched, states: States) -> None:
        self._watched, self._states = watched, states

    def collect(self) -> Iterator[Metric]:
        """Every metric of the table; those of a process that is away have no samples."""
        families: dict[str, Metric] = {
            kind.name: (CounterMetricFamily if kind.counter else GaugeMetricFamily)(
                kind.name, kind.says, labels=kind.labels
            )
            for kind in METRICS
        }
        for name, labels, value in self.samples():
            family = families[name]
            assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)  # noqa: S101 - for the type checker
            family.add_metric(labels, value)
        yield from families.values()

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask a venue that is not up yet."""
        return iter(())

    def samples(self) -> Iterator[Sample]:
        """All that can be said now."""
        states = self._states()
        for state in states:
            yield "novate_process_up", (state.name,), float(state.serves)
            yield "novate_process_starts", (state.name,), float(state.starts)
            yield "novate_process_age_seconds", (state.name,), state.since_s
        yield "novate_development", (), float(self._watched.dev)
        yield "novate_ready", (), float(is_ready(states))
        yield from self._sequences()
        yield from _standby(self._watched.home)
        yield from _connections(self._watched.ports)
        yield from _keepers(self._watched.home, time.time_ns())
        yield from _disk(self._watched.home)

    def _sequences(self) -> Iterator[Sample]:
        home = self._watched.home
        # The followers first: then none of them can seem ahead of the core.
        reader, rows = _reader_sequence(home), _rows_sequence(self._watched.database)
        begun = time.perf_counter()
        core: int | None = None
        try:
            with CoreClient.connect(home / "core.sock", timeout_s=_ASK_S) as client:
                welcome = client.welcome
        except NovateError:
            pass
        else:
            core = welcome.sequence
            yield "novate_commands", (), float(core)
            yield "novate_core_time_seconds", (), welcome.time_ns / _SECOND
            yield "novate_core_answer_seconds", (), time.perf_counter() - begun
        for who, sequence in (("reader", reader), ("projector", rows)):
            if sequence is None:
                continue
            yield f"novate_{who}_sequence", (), float(sequence)
            if core is not None:
                yield f"novate_{who}_lag_commands", (), float(max(core - sequence, 0))


def registry(watched: Watched, states: States) -> CollectorRegistry:
    """A registry of one venue alone."""
    found = CollectorRegistry(auto_describe=False)
    found.register(VenueCollector(watched, states))
    return found


def _reader_sequence(home: Path) -> int | None:
    try:
        with ReaderClient.connect(home / "reader.sock", timeout_s=_ASK_S) as client:
            return client.sequence
    except NovateError:
        return None


def _rows_sequence(database: str) -> int | None:
    """Where the read models stand; None where there are none yet."""
    url = make_url(database)
    if url.get_backend_name() == "sqlite":
        if not url.database or not Path(url.database).is_file():
            return None
        options: dict[str, Any] = {"timeout": _ASK_S}
    else:
        options = {"connect_timeout": 2}
    engine = create_engine(url, connect_args=options)
    try:
        with engine.connect() as connection:
            return connection.scalar(select(schema.position.c.sequence))
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _standby(home: Path) -> Iterator[Sample]:
    """What the core says of its standby, and of its recovery."""
    recovery, said = read_recovery(home), read_shipping(home)
    if recovery is not None:
        yield "novate_recovery_fraction", (), float(recovery["fraction"])
    if said is None or not said["serves"]:
        return
    yield "novate_standby_in_step", (), float(said["state"] == "in step")
    yield "novate_standby_refusing", (), float(said["refusing"])
    if said["stored"] is not None:
        yield "novate_standby_lag_commands", (), float(max(said["sequence"] - said["stored"], 0))


def _connections(ports: Sequence[int]) -> Iterator[Sample]:
    """Connections that the kernel counts as established, by a gateway's own port."""
    counts = dict.fromkeys(ports, 0)
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/self/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state = line.split()[:4]
            port = int(local.rpartition(":")[2], 16)
            if state == _ESTABLISHED and port in counts:
                counts[port] += 1
    for port, count in counts.items():
        yield "novate_gateway_connections", (str(port),), float(count)


def _keepers(home: Path, now_ns: int) -> Iterator[Sample]:
    for keeper, said in read_health(home).items():
        yield "novate_keeper_age_seconds", (keeper,), max(now_ns - int(said.get("at_ns", 0)), 0) / _SECOND
        line = said.get("line", {})
        counts = line.get("counts", {})
        yield "novate_keeper_connected", (keeper,), float(bool(line.get("connected")))
        yield "novate_keeper_commands", (keeper,), float(counts.get("commands", 0))
        for what, count in counts.items():
            if what.startswith("refused "):
                yield "novate_keeper_refused", (keeper, what.removeprefix("refused ")), float(count)
        for feed in said.get("feeds", ()):
            yield from _feed(feed)
        for broker, up in said.get("lines", {}).items():
            yield "novate_clearing_line_up", (str(broker),), float(bool(up))
        for what in ("orders", "words"):
            for state, count in said.get(what, {}).items() if "lines" in said else ():
                yield f"novate_clearing_{what}", (str(state),), float(count)


def _feed(feed: dict[str, Any]) -> Iterator[Sample]:
    name = str(feed.get("feed", ""))
    for state in FeedState:
        yield "novate_feed_state", (name, state.value), float(feed.get("state") == state.value)
    yield "novate_feed_alarms", (name,), float(len(feed.get("alarms", ())))
    for symbol, age_ms in feed.get("symbols", {}).items():
        if age_ms is not None:
            yield "novate_feed_age_seconds", (name, str(symbol)), age_ms / 1000


def _disk(home: Path) -> Iterator[Sample]:
    paths = HomePaths.of(home)
    try:
        yield "novate_journal_bytes", (), float(journal_bytes(paths.journal))
        newest = max((path.stat().st_mtime for path in snapshot_paths(paths.snapshots)), default=None)
        if newest is not None:
            yield "novate_snapshot_age_seconds", (), max(time.time() - newest, 0.0)
        yield "novate_disk_free_bytes", (), float(shutil.disk_usage(home).free)
    except OSError:
        return
