"""Running a measurement and keeping its figures: rows of the result, commands pinned to a core, interleaved rounds.

Responsible for: how something is measured, never what. A row is what `results.json` holds; figures of one row come from
one run, so a ratio compares like with like.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ROOT / "benches"
OUT = BENCHES / "out"
LED = ROOT / "target" / "led"
"""Where builds that are led by a profile go."""
LIMIT_S = 300
"""No single command may take longer."""

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and what it is compared with. `ratio` is value over peer's value, in the same run."""

    name: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    floor: float | None = None
    """Least ratio (for times: greatest), where one is promised."""
    better: str = "more"
    """Whether more or less is better."""
    checked: bool | None = None
    """Whether the outcome was compared with the expected one and equal to it."""
    command: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields, absent ones as null."""
        return asdict(self)

    @property
    def holds(self) -> bool | None:
        """Whether the floor holds; None without a floor or a ratio."""
        if self.floor is None or self.ratio is None:
            return None
        return self.ratio >= self.floor if self.better == "more" else self.ratio <= self.floor


@dataclass(frozen=True, slots=True)
class Task:
    """A command that prints one line of JSON, and the name its figures go by."""

    name: str
    command: tuple[str, ...]
    pinned: bool = True


def profile() -> str:
    """Path of the profile that optimised builds are led by; empty where they are plain."""
    script = (str(ROOT / "scripts" / "profile.sh"),)
    return subprocess.run(script, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def built(led_by: str = "") -> str:
    """The engine's driver, compiled, led by a profile if there is one; its path."""
    led = {"RUSTFLAGS": f"-Cprofile-use={led_by}", "CARGO_TARGET_DIR": str(LED)}
    command = (
        "cargo",
        "bench",
        "--no-run",
        "-p",
        "novate-core",
        "--bench",
        "workload",
        "--message-format=json",
    )
    env = os.environ | led if led_by else None
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    paths = [message["executable"] for message in messages if message.get("executable")]
    return str(paths[-1])


def how_built(driver: str) -> str:
    """How that driver was: figures of the two kinds do not compare."""
    return "led by a profile" if Path(driver).is_relative_to(LED) else "plain"


def run(task: Task) -> Figures:
    """Runs the command once; a failure is figures with an `error`."""
    pin = (
        ("taskset", "-c", str(max(os.sched_getaffinity(0))))
        if task.pinned and shutil.which("taskset")
        else ()
    )
    try:
        done = subprocess.run(
            (*pin, *task.command), cwd=OUT, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"error": (done.stderr.strip() or f"exit status {done.returncode}")[-300:]}
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def interleave(tasks: Iterable[Task], rounds: int, say: Any) -> dict[str, list[Figures]]:
    """Every task once per round, so that a noisy minute hits all of them alike. Failed tasks are not run again."""
    found: dict[str, list[Figures]] = {}
    waiting = list(tasks)
    for number in range(1, rounds + 1):
        for task in list(waiting):
            say(f"round {number} of {rounds}: {task.name}")
            figures = run(task)
            if "error" in figures:
                say(f"{task.name}: absent ({figures['error'].splitlines()[-1]})")
                waiting.remove(task)
                continue
            found.setdefault(task.name, []).append(figures)
    return found


def spread(rounds: list[Figures], key: str) -> tuple[float, float, float] | None:
    """Median, least and greatest of a figure over the rounds."""
    values = [float(figures[key]) for figures in rounds if key in figures]
    return (statistics.median(values), min(values), max(values)) if values else None


def right(rounds: list[Figures]) -> bool | None:
    """Whether every round's outcome was the expected one; None where a driver can not tell."""
    known = [figures["hash_ok"] for figures in rounds if figures.get("hash_ok") is not None]
    return all(known) if known else None


def machine() -> dict[str, Any]:
    """What the figures were taken on, as far as it says."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ":")
    memory = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "MemTotal: 0 kB")
    return {
        "cpu": cpu.split(":", 1)[1].strip() or platform.processor(),
        "cores": os.cpu_count(),
        "memory_mib": int(memory.split()[1]) // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "rustc": _version("rustc"),
        "load_before": os.getloadavg()[0],
        "commit": _version("git", "rev-parse", "--short", "HEAD"),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _version(program: str, *words: str) -> str:
    try:
        done = subprocess.run(
            (program, *(words or ("--version",))),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return "absent"
    return done.stdout.strip()
