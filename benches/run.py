"""Speed on this machine, against the raw limits and the peers of the same run: what `make bench` runs.

    run.py [--quick] [--rounds N] [--seed N] [--only WORD ...] [--no-peers]

Prints a table to standard error and writes `benches/results.json`; the last line on standard output is one JSON object.
Responsible for: what is measured and what it is compared with. Judges nothing by its exit status: a floor that does not
hold is a line in the table. Figures of two runs are never compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from measure import (
    BENCHES,
    OUT,
    ROOT,
    Figures,
    Row,
    Task,
    built,
    how_built,
    interleave,
    machine,
    profile,
    right,
    spread,
)
from peers.get import exchange_core, liquibook, python_peers, sparse_product
from rich.console import Console
from rich.table import Table

WORKLOADS = {"ex1": (1, "exchange"), "hft1": (1, "hft"), "ex64": (64, "exchange"), "hft64": (64, "hft")}
ENGINE_FLOOR = {"ex1": 0.25, "hft1": 0.4, "ex64": 0.4, "hft64": 0.4}
PERCENTILES = {"p50_ns": "p50", "p99_ns": "p99", "p999_ns": "p99.9"}
OFFERED = (20_000, 100_000)
CORE = {
    "alone": (),
    "alone, real-time": ("--realtime",),
    "neighbour on its processor": ("--busy", "same"),
    "neighbour on its processor, real-time": ("--busy", "same", "--realtime"),
    "neighbour on the other, real-time": ("--busy", "other", "--realtime"),
    "as many neighbours as processors": ("--busy", "free"),
    "as many neighbours as processors, real-time": ("--busy", "free", "--realtime"),
}
"""The core process at 100 k/s offered, and what is beside it; real-time where that is permitted."""
SEED = 20_260_101

Found = dict[str, list[Figures]]
console = Console(stderr=True, width=None if sys.stderr.isatty() else 190)


def say(words: str) -> None:
    """A line of progress."""
    console.print(f"[dim]{words}[/dim]", highlight=False)


def ceiling() -> str:
    """The probe of what one core can do at best, compiled; its path."""
    program, source = OUT / "ceiling-probe", BENCHES / "ceiling" / "ceiling.rs"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        options = ("--edition", "2021", "-C", "opt-level=3", "-C", "target-cpu=native", "-o", str(program))
        subprocess.run(("rustc", *options, str(source)), check=True, capture_output=True)
    return str(program)


def files(driver: str, commands: int, seed: int) -> dict[str, Path]:
    """The workloads, generated once, and each in the venue's own bytes (same name, `.cmds`), outcome compared."""
    folder = OUT / (f"workload-{commands}" if seed == SEED else f"workload-{commands}-{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (symbols, mix) in WORKLOADS.items():
        found[name] = path = folder / f"{name}.bin"
        if not path.exists():
            say(f"generating {name}: {commands:,} commands")
            shape = ("--symbols", str(symbols), "--mix", mix, "--commands", str(commands))
            generator = (sys.executable, str(BENCHES / "workload" / "gen.py"), "--seed", str(seed))
            subprocess.run((*generator, *shape, str(path)), check=True, capture_output=True)
        say(f"encoding {name} and comparing every trade with the expected one")
        done = subprocess.run(
            (driver, "encode", str(path), str(path.with_suffix(".cmds"))),
            capture_output=True,
            text=True,
            check=False,
        )
        if '"hash_ok":true' not in done.stdout:
            raise SystemExit(
                f"{name}: the engine's trades are not those of the workload: {done.stdout.strip()}"
            )
    return found


def wide_file(quick: bool) -> Path:
    """A venue of 1,000 markets: the workload alone, whose accounts the driver opens. A million of them, or a thousand."""
    folder = OUT / "wide"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("quick.bin" if quick else "wide.bin")
    if not path.exists():
        accounts, depth, commands = ("1000", "100", "100000") if quick else ("1000000", "1000", "1000000")
        say(f"generating 1,000 markets for {int(accounts):,} accounts")
        shape = ("--symbols", "1000", "--accounts", accounts, "--depth", depth, "--commands", commands)
        generator = (sys.executable, str(BENCHES / "workload" / "gen.py"))
        subprocess.run((*generator, *shape, str(path)), check=True, capture_output=True)
    return path


def restart_home(driver: str, quick: bool) -> Path:
    """A killed venue with a snapshot and commands after it, built once.

    A million accounts, a million orders at rest and ten million commands, which takes some minutes, 4 GB of disk and 8 GB of
    memory; or a hundredth of it.
    """
    accounts, depth, commands = (10_000, 156, 100_000) if quick else (1_000_000, 15_625, 10_000_000)
    folder = OUT / ("restart-quick" if quick else "restart")
    work, cmds, home = folder / "work.bin", folder / "work.cmds", folder / "home"
    if (home / "live.json").exists():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home, ignore_errors=True)
    shape = (
        "--symbols",
        "64",
        "--accounts",
        str(accounts),
        "--depth",
        str(depth),
        "--commands",
        str(commands),
    )
    for words, command in (
        ("generating", (sys.executable, str(BENCHES / "workload" / "gen.py"), *shape, str(work))),
        ("encoding", (driver, "encode", str(work), str(cmds), "--wide")),
        ("building", (sys.executable, str(BENCHES / "restart_side.py"), "build", str(cmds), str(home))),
    ):
        say(f"restart: {words} {accounts:,} accounts, {depth * 64:,} orders, {commands:,} commands")
        subprocess.run(command, check=True, capture_output=True)
    cmds.unlink()
    work.unlink()
    return home


class Plan:
    """What is run, by topic; each task's name says topic and workload."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.quick, self.rounds = given.quick, given.rounds or (1 if given.quick else 3)
        self.driver, self.probe = built(profile()), ceiling()
        self.files = files(self.driver, 100_000 if given.quick else 1_000_000, given.seed)
        self.peers = {} if given.no_peers else python_peers(OUT, say)
        self.java = None if given.no_peers else exchange_core(OUT, say)
        self.cpp = None if given.no_peers else liquibook(OUT, say)
        self.sparse = None if given.no_peers else sparse_product(OUT, say)

    def engine(self) -> Iterator[Task]:
        """Rates in process, one pinned core."""
        for name, path in self.files.items():
            cmds, work = str(path.with_suffix(".cmds")), str(path)
            yield Task(f"engine {name}", (self.driver, "engine", cmds, "--reps", "1", "--count"))
            yield Task(f"match {name}", (self.driver, "match", work, "--reps", "3"))
            yield Task(f"ceiling match {name}", (self.probe, work, "match", "3"))
            yield Task(f"ceiling risk16 {name}", (self.probe, work, "risk16", "3"))
            if self.java:
                yield Task(f"exchange-core book {name}", (*self.java, work, "book", "3"))
            if self.cpp:
                yield Task(f"liquibook {name}", (self.cpp, work, "3"))
        if self.java:
            yield Task(
                "exchange-core full ex1", (*self.java, str(self.files["ex1"]), "core", "1"), pinned=False
            )

    def wide(self) -> Iterator[Task]:
        """Many markets and accounts; the outcome is compared in a pass before the timed one."""
        yield Task(
            "wide", (self.driver, "engine", str(wide_file(self.quick)), "--wide", "--reps", "1", "--count")
        )

    def latency(self) -> Iterator[Task]:
        """Single commands, closed loop, in process."""
        path = self.files["ex1"]
        yield Task(
            "latency engine",
            (self.driver, "engine", str(path.with_suffix(".cmds")), "--reps", "1", "--latency"),
        )
        yield Task("latency match", (self.driver, "match", str(path), "--reps", "1", "--latency"))
        yield Task("latency ceiling", (self.probe, str(path), "risk16", "1", "lat"))
        if self.java:
            yield Task("latency exchange-core", (*self.java, str(path), "lat", "1"))

    def margin(self) -> Iterator[Task]:
        """The requirement alone."""
        for underlyings in (4, 64):
            for mode in ("margin", "order"):
                yield Task(f"{mode} {underlyings}", (self.driver, mode, str(underlyings), "--reps", "3"))
        side = (sys.executable, str(BENCHES / "margin_frame.py"))
        yield Task("margin frame", (*side, "--portfolios", "100" if self.quick else "1000"))
        accounts = "20000" if self.quick else "100000"
        yield Task("rebuild", (self.driver, "rebuild", accounts, "--reps", "3"))
        yield Task("rebuild cores", (self.driver, "rebuild", accounts, "--reps", "3"), pinned=False)
        if self.sparse:
            yield Task("rebuild sparse", (*self.sparse, accounts))
        yield Task("sweep", (self.driver, "sweep", accounts, "--reps", "4"))
        yield Task("sizes", (self.driver, "sizes"))

    def python(self) -> Iterator[Task]:
        """Through the package: calls, journal, recovery, durable acknowledgements."""
        side = (sys.executable, str(BENCHES / "python_side.py"))
        cmds = str(self.files["ex1"].with_suffix(".cmds"))
        most = "50000" if self.quick else "200000"
        yield Task("calls", (*side, "calls", cmds, "--commands", most))
        accounts = "20000" if self.quick else "200000"
        memory = (sys.executable, str(BENCHES / "memory_side.py"), str(self.files["ex64"].with_suffix(".cmds")))
        yield Task("memory", (*memory, "--accounts", accounts))
        for name, command in self.peers.items():
            yield Task(f"calls {name}", (*command, str(self.files["ex1"]), name, "--limit", most))
        yield Task("journal", (*side, "journal", cmds, "--commands", most), pinned=False)
        for rate in OFFERED:
            count = str(rate // 2 if self.quick else rate * 2)
            yield Task(
                f"ack {rate}", (*side, "ack", cmds, "--rate", str(rate), "--commands", count), pinned=False
            )
        where = f"journal:{OUT}"
        yield Task("ceiling journal", (self.probe, str(self.files["ex1"]), where, "1"), pinned=False)

    def core(self) -> Iterator[Task]:
        """The core process, through its socket."""
        side = (sys.executable, str(BENCHES / "core_side.py"))
        cmds = str(self.files["ex1"].with_suffix(".cmds"))
        count = "50000" if self.quick else "500000"
        for size in (64, 1024):
            yield Task(f"core rate {size}", (*side, "rate", cmds, "--size", str(size)), pinned=False)
        for name, words in CORE.items():
            command = (*side, "ack", cmds, "--rate", str(max(OFFERED)), "--commands", count, *words)
            yield Task(f"core ack {name}", command, pinned=False)

    def restart(self) -> Iterator[Task]:
        """A killed venue comes back. At full size only where it is asked for by name."""
        side, home = (sys.executable, str(BENCHES / "restart_side.py")), restart_home(self.driver, self.quick)
        yield Task("restart", (*side, "restart", str(home)), pinned=False)
        yield Task("restart venue", (*side, "venue", str(home)), pinned=False)

    def tasks(self, only: list[str]) -> list[Task]:
        """All, or those whose name holds one of the words."""
        every = [*self.engine(), *self.wide(), *self.latency(), *self.margin(), *self.python(), *self.core()]
        if self.quick or any(word in "restart" for word in only):
            every += self.restart()
        return [task for task in every if not only or any(word in task.name for word in only)]


class Rows:
    """Turns the figures of all rounds into rows."""

    def __init__(self, found: Found, commands: dict[str, str]) -> None:
        self.found, self.commands, self.rows = found, commands, list[Row]()

    def add(
        self, name: str, unit: str, task: str, key: str, *, peer: tuple[str, str, str] | None = None,
        floor: float | None = None, better: str = "more", scale: float = 1.0,
    ) -> None:  # fmt: skip
        """A row from figure `key` of `task`; peer: its name, task and figure, in the same unit once scaled."""
        rounds = self.found.get(task, [])
        value = spread(rounds, key)
        if value is None:
            return
        middle, low, high = (scale * figure for figure in value)
        row = Row(
            name, unit, middle, low, high, better=better, checked=right(rounds), command=self.commands[task]
        )
        if peer is not None:
            other = spread(self.found.get(peer[1], []), peer[2])
            row = replace(row, peer=peer[0] if other else f"{peer[0]}: absent", floor=floor)
            if other:
                row = replace(row, peer_value=scale * other[0], ratio=middle / (scale * other[0]))
        self.rows.append(row)

    def target(self, name: str, unit: str, task: str, key: str, most: float, scale: float = 1.0) -> None:
        """A row whose floor is a number, not a ratio to something measured."""
        self.add(name, unit, task, key, better="less", scale=scale)
        if self.rows and self.rows[-1].name == name and self.rows[-1].value is not None:
            ratio = self.rows[-1].value / most if most else None
            self.rows[-1] = replace(self.rows[-1], peer="floor", peer_value=most, ratio=ratio, floor=1.0)

    def all(self) -> list[Row]:
        """Every row, in the order of the table."""
        for name in WORKLOADS:
            rate, book = (
                "mcmd_s_median",
                ("exchange-core book", f"exchange-core book {name}", "mcmd_s_median"),
            )
            unit = "Mcmd/s"
            self.add(f"engine {name}", unit, f"engine {name}", rate, peer=book, floor=ENGINE_FLOOR[name])
            probe = ("ceiling, 16 scenarios", f"ceiling risk16 {name}", rate)
            self.add(f"engine {name} of the raw limit", unit, f"engine {name}", rate, peer=probe)
            self.add(f"matching alone {name}", unit, f"match {name}", rate, peer=book, floor=1.0)
            cpp = ("Liquibook (C++)", f"liquibook {name}", rate)
            self.add(f"matching alone {name}, beside C++", unit, f"match {name}", rate, peer=cpp)
            probe = ("ceiling, matching", f"ceiling match {name}", rate)
            self.add(f"matching alone {name} of the raw limit", unit, f"match {name}", rate, peer=probe)
        full = ("exchange-core, 2 cores", "exchange-core full ex1", "mcmd_s_median")
        self.add(
            "engine ex1, both with accounts", "Mcmd/s", "engine ex1", "mcmd_s_median", peer=full, floor=0.7
        )
        self.target("allocations ex1", "per command", "engine ex1", "allocations_per_command", 0.0)
        own = ("one market, 1 k accounts", "engine ex1", "mcmd_s_median")
        self.add(
            "engine, 1,000 markets, 1 M accounts", "Mcmd/s", "wide", "mcmd_s_median", peer=own, floor=1 / 12
        )
        self._latencies()
        self._margin()
        self._python()
        self._core()
        return self.rows

    def _latencies(self) -> None:
        for key, words in PERCENTILES.items():
            peer = ("exchange-core book", "latency exchange-core", key)
            self.add(f"latency ex1 {words}", "ns", "latency engine", key, peer=peer, floor=4.0, better="less")
            probe = ("ceiling, 16 scenarios", "latency ceiling", key)
            self.add(
                f"latency of matching alone {words}", "ns", "latency match", key, peer=probe, better="less"
            )

    def _margin(self) -> None:
        for count, most in ((4, 150), (64, 500)):
            order, whole = f"order {count}", f"margin {count}"
            self.target(f"an order's margin check, {count} underlyings", "ns", order, "order_ns_median", most)
            self.target(f"evaluation with an order, {count} underlyings", "ns", whole, "bulk_ns_median", most)
        for words, key in (("p50", "p50_ns"), ("p99", "p99_ns")):
            self.add(
                f"evaluation with an order, 4 underlyings, {words}", "ns", "margin 4", key, better="less"
            )
        one_by_one = ("an engine's queries one by one", "margin frame", "queries_rows_s")
        self.add(
            "novate.margin, 5 holdings each, 250 dates", "rows/s", "margin frame", "rows_s", peer=one_by_one
        )
        self.add(
            "novate.margin, the same without sentences",
            "rows/s",
            "margin frame",
            "bare_rows_s",
            peer=one_by_one,
        )
        worst = ("scipy, worst case only", "rebuild sparse", "ms_per_million")
        for name, task in (("one core", "rebuild"), ("every core", "rebuild cores")):
            self.add(
                f"full re-margin, 10 positions each, {name}", "ms per 1 M accounts", task, "ms_per_million",
                peer=worst, floor=1.0, better="less",
            )  # fmt: skip
        full = ("everyone evaluated", "sweep", "full_ms_median")
        self.add(
            "price tick to breached accounts",
            "ms",
            "sweep",
            "ms_median",
            peer=full,
            floor=1 / 3,
            better="less",
        )
        for what, most in (("order", 200), ("position", 128), ("account", 1_024)):
            self.target(f"memory of one {what}'s record", "bytes", "sizes", f"{what}_bytes", most)
            self.target(f"resident memory of one {what}", "bytes", "memory", f"{what}_bytes", most)

    def _python(self) -> None:
        for size, floor in ((1, 0.6), (64, 2.0), (1024, None)):
            words = "one command a call" if size == 1 else f"{size} commands a call"
            for number, (name, task) in enumerate(
                (("bourse", "calls bourse"), ("orderly-chaos", "calls orderly-chaos(py)"))
            ):
                peer = (name, task, "kcmd_s_median")
                own_floor = floor if number == 0 else None
                self.add(f"Python, {words}", "kcmd/s", "calls", f"kcmd_s_{size}", peer=peer, floor=own_floor)
        memory = ("own rate in memory", "journal", "memory_kcmd_s")
        self.add(
            "journaled and synced, whole buffers",
            "kcmd/s",
            "journal",
            "durable_kcmd_s",
            peer=memory,
            floor=0.4,
        )
        self.add("recovery by replay", "kcmd/s", "journal", "recovery_kcmd_s", peer=memory, floor=0.8)
        self.add("ceiling, journaled", "Mcmd/s", "ceiling journal", "mcmd_s")
        for rate in OFFERED:
            for key, floor in (("p50", 3.0), ("p99", 5.0)):
                sync = (f"fdatasync {key}", f"ack {rate}", f"sync_{key}_us")
                name = f"durable ack at {rate // 1000} k/s offered, {key}"
                judged = floor if rate == max(OFFERED) else None
                self.add(name, "us", f"ack {rate}", f"{key}_us", peer=sync, floor=judged, better="less")
            self.add(f"acked at {rate // 1000} k/s offered", "kcmd/s", f"ack {rate}", "acked_kcmd_s")

    def _core(self) -> None:
        for size in (64, 1024):
            name, memory = f"core rate {size}", ("own rate in memory", f"core rate {size}", "memory_kcmd_s")
            words = f"core process, durable, buffers of {size}"
            self.add(words, "kcmd/s", name, "durable_kcmd_s", peer=memory, floor=0.4)
        for name in CORE:
            task = f"core ack {name}"
            for key, most in (("p50", 3.0), ("p99", 5.0)):
                sync = (f"fdatasync {key}", task, f"sync_{key}_us")
                words = f"core process, ack at 100 k/s, {key}, {name}"
                floor = most if name == "alone" else None
                self.add(words, "us", task, f"{key}_us", peer=sync, floor=floor, better="less")
                sync = (f"fdatasync {key}, open loop", task, f"open_sync_{key}_us")
                self.add(f"{words} (open loop)", "us", task, f"{key}_us", peer=sync, better="less")
        if any(figures["accounts"] == 1_000_000 for figures in self.found.get("restart", [])):
            self.target("restart, 1 M accounts, 1 M orders, 10 M commands", "s", "restart", "restart_s", 30.0)
            self.target("the same, the whole venue, to an order's answer", "s", "restart venue", "venue_s", 30.0)
        else:
            self.add("restart, a hundredth", "s", "restart", "restart_s", better="less")
        live = ("own live rate, journaled", "restart", "live_kcmd_s")
        self.add("restart: replay", "kcmd/s", "restart", "replay_kcmd_s", peer=live)
        for key, unit in (("judge_s", "s"), ("restore_s", "s"), ("rss_mib", "MiB"), ("snapshot_mib", "MiB")):
            self.add(f"restart: {key.rsplit('_', 1)[0]}", unit, "restart", key, better="less")


def shown(number: float | None) -> str:
    """Three figures that count."""
    if number is None:
        return "-"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def table(rows: list[Row]) -> Table:
    """The rows for people."""
    drawn = Table(title="Speed on this machine (median of the rounds; ratios inside this run only)")
    for heading in (
        "what",
        "value",
        "unit",
        "least",
        "most",
        "compared with",
        "its value",
        "ratio",
        "floor",
        "",
    ):
        right_ = heading in {"value", "least", "most", "its value", "ratio", "floor"}
        drawn.add_column(heading, justify="right" if right_ else "left")
    for row in rows:
        bound = "" if row.floor is None else f"{'>=' if row.better == 'more' else '<='} {row.floor:g}"
        verdict = {True: "[green]holds[/green]", False: "[yellow]not yet[/yellow]", None: ""}[row.holds]
        verdict += "" if row.checked is not False else " [red]outcome differs[/red]"
        numbers = (shown(row.value), row.unit, shown(row.low), shown(row.high))
        drawn.add_row(row.name, *numbers, row.peer, shown(row.peer_value), shown(row.ratio), bound, verdict)
    return drawn


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short files, one round")
    parser.add_argument("--rounds", type=int, default=0, help="interleaved rounds (3, or 1 with --quick)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the workloads")
    parser.add_argument("--only", nargs="*", default=[], help="tasks whose name holds one of these words")
    parser.add_argument("--no-peers", action="store_true", help="install and run no other engine")
    given = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    about = machine()
    plan = Plan(given)
    tasks = plan.tasks(given.only)
    found = interleave(tasks, plan.rounds, say)
    words = {task.name: " ".join(task.command).replace(f"{ROOT}{os.sep}", "") for task in tasks}
    rows = Rows(found, words).all()
    about |= {
        "build": how_built(plan.driver),
        "rounds": plan.rounds,
        "quick": given.quick,
        "wall_s": round(time.monotonic() - start, 1),
    }
    about["load_after"] = os.getloadavg()[0]
    result = BENCHES / "results.json"
    result.write_text(
        json.dumps({"machine": about, "rows": [row.as_json() for row in rows]}, indent=1) + "\n"
    )
    console.print(table(rows))
    wrong = [row.name for row in rows if row.checked is False]
    summary = {
        "results": str(result.relative_to(ROOT)),
        "rows": len(rows),
        "outcome_differs": wrong,
        "wall_s": about["wall_s"],
    }
    print(json.dumps(summary))
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
