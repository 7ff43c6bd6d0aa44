"""Every example runs as a person would run it, and says what its output file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_prints_what_it_promises(script: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == script.with_suffix(".out").read_text(encoding="utf-8")


def test_there_is_an_output_for_every_example_and_none_left_over() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts
    assert scripts == {path.stem for path in EXAMPLES.glob("*.out")}
