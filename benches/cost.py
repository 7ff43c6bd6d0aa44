"""How cost grows: accounts, markets, depth of the books and positions of an account, one axis at a time. `make cost`.

    cost.py [--quick] [--rounds N] [--seed N] [--no-peers]

Prints a table to standard error and writes `benches/cost.json`; the last line on standard output is one JSON object. Each shape
is a workload of its own with the expected trades in it; the engine with margin, its matching alone and the peers replay the same
file in the same round. Responsible for: the shapes. Figures of two runs are never compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import (
    BENCHES,
    OUT,
    ROOT,
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
from peers.get import exchange_core, liquibook
from rich.console import Console
from rich.table import Table

RATE = "mcmd_s_median"
KINDS = {"order": ("order's check", "order_ns_median"), "margin": ("evaluation", "bulk_ns_median")}
"""Modes of the driver that take a number of positions: what they measure, and its figure."""
POSITIONS = (1, 2, 4, 8, 16, 32, 64)
console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)


@dataclass(frozen=True, slots=True)
class Shape:
    """A workload: along which axis it lies, and its size."""

    axis: str
    markets: int
    accounts: int
    depth: int

    @property
    def name(self) -> str:
        """Its name in tasks and files."""
        return f"{self.markets}x{self.accounts}x{self.depth}"


def shapes(quick: bool) -> list[Shape]:
    """One axis at a time; accounts are drawn uniformly, which is the worst case."""
    accounts = (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    markets = (1, 16) if quick else (1, 16, 64, 256, 1_000)
    depths = (100, 1_000) if quick else (100, 1_000, 10_000, 100_000)
    found = [Shape("accounts", 1, count, 1_000) for count in accounts]
    found += [Shape("markets", count, 10_000, 1_000) for count in markets]
    found += [Shape("orders a market", 1, 10_000, depth) for depth in depths]
    return found


def say(words: str) -> None:
    """A line of progress."""
    console.print(f"[dim]{words}[/dim]", highlight=False)


def made(shape: Shape, commands: int, seed: int) -> Path:
    """The workload's file, generated once."""
    folder = OUT / "cost"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{shape.name}-{commands}-{seed}.bin"
    if not path.exists():
        say(f"generating {shape.name}: {commands:,} commands")
        sizes = ("--symbols", shape.markets, "--accounts", shape.accounts, "--depth", shape.depth)
        rest = ("--commands", commands, "--seed", seed, path)
        command = (sys.executable, BENCHES / "workload" / "gen.py", *sizes, *rest)
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return path


def tasks(given: argparse.Namespace, driver: str) -> Iterator[Task]:
    """Every engine on every shape; then evaluations by positions of an account."""
    java = None if given.no_peers else exchange_core(OUT, say)
    book = None if given.no_peers else liquibook(OUT, say)
    for shape in {shape.name: shape for shape in shapes(given.quick)}.values():
        path = str(made(shape, 20_000 if given.quick else 300_000, given.seed))
        yield Task(f"engine {shape.name}", (driver, "engine", path, "--wide", "--reps", "1"))
        yield Task(f"match {shape.name}", (driver, "match", path, "--reps", "1"))
        if java:
            yield Task(f"exchange-core {shape.name}", (*java, path, "book", "1"))
        if book:
            yield Task(f"liquibook {shape.name}", (book, path, "1"))
    for count in POSITIONS:
        for mode in KINDS:
            yield Task(f"{mode} {count}", (driver, mode, str(count), "--reps", "1"))


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few small shapes, one round")
    parser.add_argument("--rounds", type=int, default=0, help="interleaved rounds (2, or 1 with --quick)")
    parser.add_argument("--seed", type=int, default=20_260_101, help="of the workloads")
    parser.add_argument("--no-peers", action="store_true", help="install and run no other engine")
    given = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    start, about = time.monotonic(), machine()
    driver = built(profile())
    every = list(tasks(given, driver))
    found = interleave(every, given.rounds or (1 if given.quick else 2), say)
    commands = {task.name: " ".join(task.command).replace(f"{ROOT}{os.sep}", "") for task in every}

    def row(name: str, unit: str, task: str, key: str, better: str = "more") -> Row | None:
        rounds = found.get(task, [])
        figures = spread(rounds, key)
        return figures and Row(
            name, unit, *figures, better=better, checked=right(rounds), command=commands[task]
        )

    drawn = Table(title="Million commands a second, one core (median; the engine with margin and events)")
    for heading in ("axis", "markets", "accounts", "orders a market"):
        drawn.add_column(heading)
    columns = ("engine", "match", "exchange-core", "liquibook")
    for heading in (*columns, "engine MiB", "spared"):
        drawn.add_column(heading, justify="right")
    rows: list[Row] = []
    for shape in shapes(given.quick):
        got = {kind: row(f"{kind} {shape.name}", "Mcmd/s", f"{kind} {shape.name}", RATE) for kind in columns}
        memory = row(f"memory {shape.name}", "MiB", f"engine {shape.name}", "rss_mib", "less")
        spared = spread(found.get(f"engine {shape.name}", []), "orders_spared_per_command")
        rows += [r for r in (*got.values(), memory) if r]
        cells = [f"{r.value:.3g}" if r and r.value is not None else "-" for r in got.values()]
        sizes = (shape.axis, f"{shape.markets:,}", f"{shape.accounts:,}", f"{shape.depth:,}")
        drawn.add_row(
            *sizes,
            *cells,
            f"{memory.value:,.0f}" if memory and memory.value else "-",
            f"{spared[0]:.2f}" if spared else "-",
        )
    console.print(drawn)
    drawn = Table(title="Nanoseconds by positions of an account")
    for heading in ("positions", "an order's check", "evaluation with an order"):
        drawn.add_column(heading, justify="right")
    for count in POSITIONS:
        pair = [
            row(f"{words}, {count} positions", "ns", f"{mode} {count}", key, "less")
            for mode, (words, key) in KINDS.items()
        ]
        rows += [r for r in pair if r]
        drawn.add_row(str(count), *(f"{r.value:,.0f}" if r and r.value else "-" for r in pair))
    console.print(drawn)
    about |= {
        "build": how_built(driver),
        "seed": given.seed,
        "quick": given.quick,
        "wall_s": round(time.monotonic() - start, 1),
    }
    about["load_after"] = os.getloadavg()[0]
    result = BENCHES / "cost.json"
    result.write_text(json.dumps({"machine": about, "rows": [r.as_json() for r in rows]}, indent=1) + "\n")
    wrong = [r.name for r in rows if r.checked is False]
    summary = {"results": str(result.relative_to(ROOT)), "rows": len(rows), "outcome_differs": wrong}
    print(json.dumps(summary | {"wall_s": about["wall_s"]}))
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
