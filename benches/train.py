"""What a build is led by: the parts of a venue's day, run by an instrumented engine.

    train.py DRIVER RAW

DRIVER is the instrumented benchmark driver, and `novate` the instrumented package. What each part counted goes to RAW/<part>-*.profraw:
`orders` and `day`, since a day of a venue without load counts evaluations by the million and next to no orders. What comes out is
not looked at. The workloads are of another seed than those that are measured.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHES = Path(__file__).parent
WORKLOADS = {"one": (1, "exchange"), "moves": (1, "hft"), "many": (64, "exchange"), "many-moves": (64, "hft")}
SEED = 7
COMMANDS = 100_000


def run(*command: str | Path) -> None:
    """Runs one command; where it fails, training ends with what it said last."""
    done = subprocess.run(tuple(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise SystemExit(f"novate: {Path(str(command[0])).name}: {said[-1] if said else done.returncode}")


def orders(driver: Path, work: Path) -> None:
    """Orders and amendments, one a call and in buffers, with and without margin.

    From the driver and from Python: each has an engine of its own, by the names of its functions, and what one counts leads
    nothing of the other.
    """
    for name, (symbols, mix) in WORKLOADS.items():
        raw, encoded = work / f"{name}.bin", work / f"{name}.cmds"
        shape = ("--symbols", symbols, "--mix", mix, "--commands", COMMANDS, "--seed", SEED)
        run(sys.executable, BENCHES / "workload" / "gen.py", *map(str, shape), raw)
        run(driver, "encode", raw, encoded)
        run(driver, "engine", encoded, "--reps", "2")
        run(driver, "match", raw, "--reps", "1")
        run(sys.executable, BENCHES / "python_side.py", "calls", encoded)


def margins(driver: Path) -> None:
    """Evaluations, sweeps, and the frames of a notebook."""
    for underlyings in ("4", "64"):
        run(driver, "margin", underlyings, "--reps", "1")
        run(driver, "order", underlyings, "--reps", "1")
    for mode in ("rebuild", "sweep"):
        run(driver, mode, "20000", "--reps", "2")
    run(sys.executable, BENCHES / "margin_frame.py", "--portfolios", "50")


def crash(work: Path) -> None:
    """A venue through a crash: tokens, loans, issuance, settlements, liquidations; then its journal replayed."""
    home = work / "home"
    step = ("--advance-ms", "60000")
    run(
        sys.executable,
        "-m",
        "novate.cli",
        "demo",
        "--headless",
        "--home",
        home,
        "--report",
        work / "page.html",
        *step,
    )
    run(sys.executable, "-m", "novate.cli", "verify", "journal", home / "journal")


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("driver", type=Path)
    parser.add_argument("raw", type=Path)
    given = parser.parse_args()
    driver, raw = given.driver, given.raw
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        os.environ["LLVM_PROFILE_FILE"] = str(raw / "orders-%m-%p.profraw")
        orders(driver, work)
        os.environ["LLVM_PROFILE_FILE"] = str(raw / "day-%m-%p.profraw")
        margins(driver)
        crash(work)


if __name__ == "__main__":
    main()
