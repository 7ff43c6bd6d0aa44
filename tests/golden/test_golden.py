"""Recorded journals come to the recorded state, events and conservation, in a fresh process of any kind.

`PYTHONPATH=tests python -m golden.generate` makes them anew; a change of these hashes is a change of behaviour and needs a reason.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
REPLAYED = ("commands", "state_hash", "events_sha256", "conservation")
PLACES = {
    "plain": {"PYTHONHASHSEED": "0", "TZ": "UTC", "LANG": "C"},
    "elsewhere": {
        "PYTHONHASHSEED": "4242",
        "TZ": "Asia/Kathmandu",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "tr_TR.UTF-8",
    },
    "optimised": {
        "PYTHONHASHSEED": "random",
        "TZ": "America/New_York",
        "LANG": "de_DE.UTF-8",
        "PYTHONUTF8": "0",
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_journals_come_to_the_same_state_in_any_process(place: str, tmp_path: Path) -> None:
    journals = [str(HERE / name) for name in EXPECTED]
    done = subprocess.run(
        [sys.executable, str(HERE / "replay.py"), *journals],
        cwd=tmp_path, env=os.environ | PLACES[place], capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {name: {key: row[key] for key in REPLAYED} for name, row in EXPECTED.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_journal_is_whole_and_conserves(name: str) -> None:
    row = EXPECTED[name]
    files = sorted((HERE / name).iterdir())
    assert hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest() == row["journal_sha256"]
    assert row["commands"] > 300
    assert row["conservation"]
    assert not any(row["conservation"].values())


def test_the_journals_stay_small() -> None:
    assert sum(path.stat().st_size for name in EXPECTED for path in (HERE / name).iterdir()) < 400_000
