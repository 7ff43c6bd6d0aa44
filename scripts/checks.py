"""Run the checks of the project one after the other and count them.

Each lint counts as one; cargo and pytest count their tests. A failing step does not stop the later ones, and makes the
exit status 1. The last line is exactly `N passed, N failed, N skipped`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
ENV = os.environ | {
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "VIRTUAL_ENV": str(BIN.parent),
    "PYO3_PYTHON": str(BIN / "python"),
}
NO_TESTS_COLLECTED = 5  # pytest's exit status
PROCESSES = ("tests/integration", "tests/e2e")
LANES = 3


@dataclass(frozen=True)
class Count:
    """How many checks passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def lint(*command: str) -> Count:
    """One command that is right or wrong."""
    return Count(passed=1) if _run(command) == 0 else Count(failed=1)


def cargo_tests(
    *options: str, package: str = "novate-core", profile: str = "quick", long: bool = False
) -> Count:
    """The engine's tests; a test binary that does not build or crashes is one failure. `long`: random streams a hundred times as long."""
    command = ["cargo", "test", "--profile", profile, "-p", package, "--no-fail-fast", *options]
    env = ENV | ({"NOVATE_LONG": "1"} if long else {})
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        total = Count()
        assert process.stdout is not None  # noqa: S101 - asked for with PIPE
        for line in process.stdout:
            print(line, end="", flush=True)
            if found := re.search(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", line):
                total += Count(*map(int, found.groups()))
    return total if process.returncode == 0 or total.failed else total + Count(failed=1)


def fuzz(seconds: int) -> Count:
    """Coverage-guided fuzzing of codec, commands and snapshots; each of the three is one check."""
    if shutil.which("c++") is None:
        print("   fuzz: skipped, needs a C++ compiler (Debian 12: apt-get install g++)")
        return Count(skipped=3)
    done = subprocess.run(
        ["scripts/fuzz.sh", str(seconds)], cwd=ROOT, env=ENV, stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout, end="")
    passed = len(re.findall(r"^fuzz \w+: .*, ok$", done.stdout, re.MULTILINE))
    return Count(passed, 3 - passed)


def pytest(*options: str, output: TextIO | None = None) -> Count:
    """The package's tests; a run that ends without a result is one failure."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "pytest.xml"
        python = (str(BIN / "python"), "-m", "pytest", "--continue-on-collection-errors")
        status = _run((*python, f"--junit-xml={report}", *options), output)
        if not report.exists():
            return Count(failed=1)
        suite = ET.parse(report).getroot()[0]  # noqa: S314 - written a moment ago by pytest
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped = int(suite.get("skipped", 0))
    count = Count(int(suite.get("tests", 0)) - failed - skipped, failed, skipped)
    nothing_asked_for = status == NO_TESTS_COLLECTED and options
    return count if status == 0 or count.failed or nothing_asked_for else count + Count(failed=1)


def pytest_in_lanes() -> Count:
    """The package's tests: those of running processes in lanes beside the others, for they wait more than they work. Their output comes last."""
    found = (path for folder in PROCESSES for path in (ROOT / folder).glob("test_*.py"))
    files = deque(sorted(found, key=_length, reverse=True))  # the long ones first
    outputs: list[TextIO] = []

    def lane() -> Count:
        total = Count()
        while True:
            try:
                path = files.popleft()
            except IndexError:  # none is left
                return total
            outputs.append(output := tempfile.TemporaryFile("w+"))  # noqa: SIM115 - closed when it is printed
            total += pytest(str(path.relative_to(ROOT)), output=output)

    try:
        with ThreadPoolExecutor(LANES) as lanes:
            beside = [lanes.submit(lane) for _ in range(LANES)]
            count = pytest(*(f"--ignore={folder}" for folder in PROCESSES))
            count += lane()  # this one is free now
            return sum((one.result() for one in beside), count)
    finally:
        for output in outputs:
            with output:
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout)


def _length(path: Path) -> tuple[bool, int]:
    """Of a test's run, roughly: what goes from end to end takes minutes, else the longer file takes longer."""
    return path.parent.name == "e2e", path.stat().st_size


class Installing:
    """The packages of an extra that are compiled at their installation, made beside the other steps; without optimisation, it is for tests."""

    def __init__(self, extra: str) -> None:
        python = str(BIN / "python")
        asked = subprocess.run(
            (python, "scripts/requirements.py", extra),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        self._wanted = asked.stdout.split()
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Starts; what is there already stays. Without a compiler nothing starts, and the tests that need it are skipped."""
        if shutil.which("c++") is None:
            print("   QuickFIX: skipped, needs a C++ compiler (Debian 12: apt-get install g++)")
            return
        command = (
            str(BIN / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *self._wanted,
        )
        self._process = subprocess.Popen(command, cwd=ROOT, env=ENV | {"CFLAGS": "-O0 -g0"}, text=True)

    def done(self) -> Count:
        """Waits for it."""
        if self._process is None:
            return Count(skipped=1)
        return Count(passed=1) if self._process.wait() == 0 else Count(failed=1)


def _run(command: tuple[str, ...], output: TextIO | None = None) -> int:
    return subprocess.run(command, cwd=ROOT, env=ENV, stdout=output, check=False).returncode


def steps(compiled: Installing, *, only_lint: bool, long: bool) -> list[tuple[str, Callable[[], Count]]]:
    """Every check in order, with the name it is announced under."""
    build = [("build", lambda: lint("scripts/build.sh"))]
    lints = [
        ("ruff", lambda: lint("ruff", "check", "--quiet")),
        ("mypy", lambda: lint("mypy", "--strict", "src")),
        ("layers", lambda: lint("lint-imports", "--no-logo")),
        ("stubtest", lambda: lint("stubtest", "novate._core")),
        ("clippy", lambda: lint("cargo", "clippy", "--quiet", "--all-targets", "--", "-D", "warnings")),
    ]
    tests = [
        ("cargo test", cargo_tests),
        ("cargo test, debug build", lambda: cargo_tests("--test", "golden", profile="dev")),
        ("cargo test, naive book", lambda: cargo_tests(package="novate-naive", profile="dev")),
        ("fuzz", lambda: fuzz(20)),
        ("QuickFIX", compiled.done),
        ("pytest", pytest_in_lanes),
    ]
    if long:
        tests = [
            ("cargo test, long", lambda: cargo_tests("--", "--nocapture", long=True)),
            (
                "cargo test, naive book, long",
                lambda: cargo_tests("--", "--nocapture", package="novate-naive", long=True),
            ),
            ("fuzz, long", lambda: fuzz(600)),
            ("QuickFIX", compiled.done),
            ("pytest, long", lambda: pytest("-m", "long")),
        ]
    return build + (lints if only_lint else tests if long else lints + tests)


def main() -> int:
    """Run the steps asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lint", action="store_true", help="lints only")
    parser.add_argument("--long", action="store_true", help="only the tests that take minutes")
    asked = parser.parse_args()
    total = Count()
    failed = []
    compiled = Installing("fix")
    if not asked.lint:
        compiled.begin()
    for name, step in steps(compiled, only_lint=asked.lint, long=asked.long):
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        count = step()
        total += count
        failed += [name] if count.failed else []
        print(
            f"   {name}: {'failed' if count.failed else 'ok'}, {time.monotonic() - began:.0f} s", flush=True
        )
    print(f"\nfailed: {', '.join(failed)}" if failed else "")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
