"""kill -9 under load, again and again on one home: everything told is recovered, once each, in the order sent.

Run as a program, this file is the writer that gets killed: it sends numbered commands and prints each number told.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chain_engine import RESUME, ChainEngine, fields, message, split
from novate.journal import verify_journal
from novate.sequencer import open_venue_log, steady_clock

KILLS = 12
RELEASE = {"release": "0.1.0", "ruleset": 1, "resume": RESUME}


def requests_of(events: bytes) -> list[int]:
    return [request for request, _, _ in map(fields, split(events)) if request]


def writer(home: Path, mode: str, first_request: int) -> None:
    """Sends commands with requests from `first_request` on until killed; a line on standard output for each buffer told."""
    sequencer = open_venue_log(
        home,
        ChainEngine,
        clock=steady_clock(),
        pipelined=mode != "lockstep",
        zeros_ahead=mode == "over zeros",
        segment_bytes=200_000,
        **RELEASE,
    ).sequencer
    os.write(1, b"open\n")
    dice = random.Random(first_request)
    request = first_request
    for number in range(10**9):
        size = dice.randrange(1, 65)
        events = sequencer.push(
            b"".join(message(dice.randbytes(dice.randrange(60)), request=request + n) for n in range(size))
        )
        request += size
        told = requests_of(events)
        if told:
            os.write(1, f"{told[-1]}\n".encode())
        if number % 50 == 49:
            sequencer.snapshot()


def run_and_kill(home: Path, mode: str, first_request: int, after_s: float) -> int:
    """Starts a writer, kills it `after_s` after its first word; the last request it told (0 for none)."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    process = subprocess.Popen(
        [sys.executable, __file__, str(home), mode, str(first_request)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    with process:
        opened = process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split(b"\n")
    assert opened == b"open\n"
    assert process.returncode == -signal.SIGKILL
    whole = [int(line) for line in lines[:-1]]
    return whole[-1] if whole else 0


def recovered_requests(home: Path) -> tuple[list[int], int]:
    """What a fresh recovery brings back, by replay from the first command; and how many bytes it cut."""
    seen: list[int] = []
    for snapshot in (home / "snapshots").glob("*.snap"):
        snapshot.unlink()
    venue = open_venue_log(
        home,
        ChainEngine,
        clock=steady_clock(),
        on_events=lambda events: seen.extend(requests_of(events)),
        **RELEASE,
    )
    venue.sequencer.close()
    return seen, venue.recovery.truncated_tail_bytes


@pytest.mark.parametrize("mode", ["lockstep", "pipelined", "over zeros"])
def test_killed_under_load_nothing_told_is_lost_and_nothing_comes_back_twice(tmp_path, mode):
    dice = random.Random(mode)
    next_request = 1
    told_at_all = 0
    for kill in range(KILLS):
        told = run_and_kill(tmp_path, mode, next_request, dice.uniform(0.0, 0.12))
        report = verify_journal(tmp_path, ChainEngine, ruleset=1)
        assert report.ok, report.problems
        if kill % 4 != 3:
            # the client asks what came back, and sends on from there
            venue = open_venue_log(tmp_path, ChainEngine, clock=steady_clock(), **RELEASE)
            venue.sequencer.close()
        seen, _ = recovered_requests(tmp_path)
        assert seen == list(range(1, len(seen) + 1)), "an exact prefix of what was sent, once each"
        assert len(seen) >= told, "a told command was lost"
        told_at_all += told >= next_request
        next_request = len(seen) + 1
    assert told_at_all >= KILLS // 2, "the writers were killed under load"
    assert next_request > 1_000


if __name__ == "__main__":
    writer(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
