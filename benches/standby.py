"""What a standby costs the venue: commands a second and the time to an answer, without one, with one that is not waited for, with one that is.

    standby.py [--seconds N] [--rounds N] [--tcp] [--size N] [--window N]

Two real processes, `novate core` and `novate standby`, on one machine and one disk (so both sync to it), and this one as the client. Each
round takes the three modes in turn, so that a machine that is busy for a while is busy for all of them. One line of JSON a mode, the median
over rounds: `commands_per_s` with `--window` buffers of `--size` commands in flight, and `ack_p50_ms`, `ack_p99_ms` of one buffer of one
command at a time. `fdatasync_p50_ms` is this disk's, of appends of 200 bytes, between the runs.

Responsible for: the measurement. At the end of each run with a standby both journals are compared frame by frame.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

from novate.core_process import CoreClient
from novate.core_process.shipping import read_shipping
from novate.journal import Walk, walk_journal
from novate.messages import OpenAccount, encode

MODES = ("none", "async", "sync")


def commands(first: int, count: int) -> bytes:
    """Whole commands as one buffer."""
    return b"".join(encode(OpenAccount(owner=n), account=n, request=n) for n in range(first, first + count))


def started(*arguments: str) -> subprocess.Popen[str]:
    """A `novate` process that serves."""
    child = subprocess.Popen(
        [sys.executable, "-m", "novate.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "NOVATE_SUPERVISED": "1"},
    )  # fmt: skip
    assert child.stdout is not None
    while line := child.stdout.readline():
        if line.startswith("ready"):
            return child
    raise SystemExit(f"{arguments} did not come to serve")


def rate(path: Path, seconds: float, size: int, window: int) -> float:
    """Commands answered a second, with so many buffers in flight."""
    buffers = [commands(1 + n * size, size) for n in range(64)]
    with CoreClient.connect(path) as client:
        sent: deque[int] = deque()
        begun, done, at = time.perf_counter(), 0, 0
        while time.perf_counter() - begun < seconds:
            while len(sent) < window:
                sent.append(client.send(buffers[at % 64]))
                at += 1
            answered = client.receive()
            while sent and sent[0] <= (answered.tag or 0):
                sent.popleft()
                done += size
        return done / (time.perf_counter() - begun)


def acks(path: Path, seconds: float) -> list[float]:
    """Milliseconds from one command to its answer, one at a time."""
    buffer, found = commands(1, 1), []
    with CoreClient.connect(path) as client:
        end = time.perf_counter() + seconds
        while (at := time.perf_counter()) < end:
            client.submit(buffer)
            found.append(1e3 * (time.perf_counter() - at))
    return found


def syncs(folder: Path, seconds: float) -> list[float]:
    """Milliseconds of one fdatasync after an append of 200 bytes."""
    found = []
    fd = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    end = time.perf_counter() + seconds
    while (at := time.perf_counter()) < end:
        os.write(fd, bytes(200))
        os.fdatasync(fd)
        found.append(1e3 * (time.perf_counter() - at))
    os.close(fd)
    return found


def run(mode: str, given: argparse.Namespace) -> dict[str, Any]:
    """One mode, once."""
    with tempfile.TemporaryDirectory(prefix="novate-bench-") as name:
        folder = Path(name)
        one, two = folder / "one", folder / "two"
        tcp = ("--ship-from", "127.0.0.1:0") if given.tcp and mode != "none" else ()
        children = [started("core", str(one), "--standby", mode, *tcp)]
        try:
            if mode != "none":
                of = str(one)
                if given.tcp:
                    two.mkdir()
                    (two / "standby.key").write_bytes((one / "standby.key").read_bytes())
                    said = read_shipping(one)
                    while said is None or len(said["addresses"]) < 2:
                        time.sleep(0.05)
                        said = read_shipping(one)
                    of = said["addresses"][1]
                children.append(started("standby", str(two), "--of", of))
                while (read_shipping(one) or {}).get("state") != "in step":
                    time.sleep(0.05)
            found = {
                "raw": syncs(folder, given.seconds / 4),
                "acks": acks(one / "core.sock", given.seconds),
                "rate": rate(one / "core.sock", given.seconds, given.size, given.window),
            }
        finally:
            for child in children:  # the core first: what it wrote last is shipped
                child.terminate()
                child.wait(60)
        if mode != "none":
            assert hashes(one) == hashes(two), "the standby has other frames than the core"
        return found


def hashes(home: Path) -> list[bytes]:
    """Of every frame."""
    return [frame.hash for frame in walk_journal(home / "journal", Walk())]


def main() -> None:
    """Runs all, prints a line of JSON a mode."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--tcp", action="store_true")
    given = parser.parse_args()
    rounds: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
    for _ in range(given.rounds):
        for mode in MODES:
            rounds[mode].append(run(mode, given))
    for mode, found in rounds.items():
        told = {
            "mode": mode,
            "tcp": given.tcp,
            "commands_per_s": round(statistics.median(one["rate"] for one in found)),
            "ack_p50_ms": round(statistics.median(quantile(one["acks"], 50) for one in found), 3),
            "ack_p99_ms": round(statistics.median(quantile(one["acks"], 99) for one in found), 3),
            "fdatasync_p50_ms": round(statistics.median(quantile(one["raw"], 50) for one in found), 3),
            "load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(told), flush=True)


def quantile(values: list[float], percent: int) -> float:
    """A percentile."""
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main()
