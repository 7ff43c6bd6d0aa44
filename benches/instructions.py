"""Instructions of a command and of an evaluation, counted under callgrind: the same on every run, unlike times.

    instructions.py

Prints one line of JSON. What a run does twice as often, less what it does once, is counted: set-up and start drop out.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

from measure import BENCHES, OUT, built

WORKLOADS = {"ex1": (1, "exchange"), "hft1": (1, "hft"), "ex64": (64, "exchange")}
COMMANDS = 20_000
EVALUATIONS = 20_000
"""Of one repetition of the driver's `margin`."""


def counted(driver: str, *arguments: str) -> int:
    """Instructions of one run of the driver."""
    tool = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    done = subprocess.run((*tool, driver, *arguments), capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{' '.join(arguments)}: {done.stdout.strip() or done.stderr.strip()[-300:]}")
    return int(found[1])


def workload(driver: str, name: str, commands: int) -> str:
    """The workload of so many commands in the venue's bytes; its path."""
    symbols, mix = WORKLOADS[name]
    path = OUT / f"workload-{commands}" / f"{name}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = path.with_suffix(".cmds")
    if not path.exists():
        shape = ("--symbols", str(symbols), "--mix", mix, "--commands", str(commands))
        generator = (sys.executable, str(BENCHES / "workload" / "gen.py"))
        subprocess.run((*generator, *shape, str(path)), check=True, capture_output=True)
    subprocess.run((driver, "encode", str(path), str(encoded)), check=True, capture_output=True)
    return str(encoded)


def main() -> None:
    """Counts everything."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed")
    driver = built()
    found: dict[str, float] = {}
    for name in WORKLOADS:
        once, twice = (
            counted(driver, "engine", workload(driver, name, n * COMMANDS), "--reps", "1") for n in (1, 2)
        )
        found[f"command_{name}"] = (twice - once) / COMMANDS
    once, twice = (counted(driver, "margin", "4", "--reps", str(n)) for n in (1, 2))
    found["evaluation_4"] = (twice - once) / EVALUATIONS
    print(json.dumps({"peer": "callgrind"} | {key: round(value, 1) for key, value in found.items()}))


if __name__ == "__main__":
    main()
