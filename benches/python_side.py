"""What Python gets of the engine's speed: calls, the journal, recovery, durable acknowledgements. One line of JSON.

    python_side.py calls|journal|ack FILE.cmds [--commands N] [--rate N]

FILE.cmds is what `workload encode` writes. Responsible for: the measurements that need a process of their own. The
engine's outcome is compared with the state hash in the file where all commands are applied.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import novate._core as core
from novate._core import Engine
from novate.sequencer import Sequencer, open_venue_log

HEAD = struct.Struct("<8s9Q32s")
LENGTH = struct.Struct("<I")
TIME = struct.Struct("<q")
TIME_OFFSET = 40


@dataclass(frozen=True)
class Encoded:
    """A workload in the venue's bytes: what comes before the clock starts, and the commands that are timed."""

    before: list[bytes]
    commands: list[bytes]
    state_hash: bytes
    whole: bool
    """Whether `commands` are all of the file, so that the state hash must come out."""


def read(path: Path, most: int) -> Encoded:
    """The file, cut after `most` timed commands (0 for all)."""
    data = path.read_bytes()
    magic, setup_bytes, _, prefill_bytes, _, timed, *_, state_hash = HEAD.unpack_from(data)
    if magic != b"NVCMD001":
        raise SystemExit(f"{path} is no encoded workload")
    start = HEAD.size + setup_bytes
    before = split(data[HEAD.size : start + prefill_bytes])
    commands = split(data[start + prefill_bytes :])
    cut = commands[:most] if most else commands
    return Encoded(before, cut, state_hash, len(cut) == timed)


def split(data: bytes) -> list[bytes]:
    """The messages of a buffer."""
    found, at = [], 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        found.append(data[at : at + length])
        at += length
    return found


def joined(messages: list[bytes], size: int) -> list[bytes]:
    """The same, `size` to a buffer."""
    return [b"".join(messages[at : at + size]) for at in range(0, len(messages), size)]


def started(work: Encoded) -> Engine:
    """An engine with listings, money and full books."""
    engine = Engine()
    engine.apply(b"".join(work.before))
    return engine


def timed(what: Callable[[bytes], object], buffers: list[bytes]) -> float:
    """Seconds that the calls took."""
    start = time.perf_counter()
    for buffer in buffers:
        what(buffer)
    return time.perf_counter() - start


def calls(work: Encoded) -> dict[str, Any]:
    """Thousand commands a second, events included, by commands per call."""
    found: dict[str, Any] = {"hash_ok": None}
    for size in (1, 64, 1024):
        engine, buffers = started(work), joined(work.commands, size)
        found[f"kcmd_s_{size}"] = len(work.commands) / timed(engine.apply, buffers) / 1e3
        if work.whole:
            found["hash_ok"] = found["hash_ok"] is not False and engine.state_hash() == work.state_hash
    return found


def opened(home: Path, *, pipelined: bool) -> Sequencer[Engine]:
    """The sequencer of a fresh home."""
    venue = open_venue_log(
        home, Engine, release=core.release(), ruleset=core.ruleset(), resume=None, pipelined=pipelined
    )
    return venue.sequencer


def journal(work: Encoded, folder: Path) -> dict[str, Any]:
    """Durable rate in whole buffers against the same buffers in memory; then the rate of replaying that journal."""
    buffers = joined(work.commands, 1024)
    engine = started(work)
    memory = timed(engine.apply, buffers)
    sequencer = opened(folder, pipelined=True)
    for buffer in joined(work.before, 4096):
        sequencer.push(buffer, stamped=True)
    sequencer.drain()
    start = time.perf_counter()
    for buffer in buffers:
        sequencer.push(buffer, stamped=True)
    sequencer.drain()
    durable = time.perf_counter() - start
    same = sequencer.engine.state_hash() == engine.state_hash()
    before = time.perf_counter()
    fresh = started(work)
    setup = time.perf_counter() - before
    sequencer.close()
    size = sum(path.stat().st_size for path in (folder / "journal").iterdir())
    start = time.perf_counter()
    again = open_venue_log(
        folder, Engine, release=core.release(), ruleset=core.ruleset(), resume=None, pipelined=False
    )
    recovery = time.perf_counter() - start
    same &= again.sequencer.engine.state_hash() == engine.state_hash()
    again.sequencer.close()
    count = len(work.commands)
    return {
        "memory_kcmd_s": count / memory / 1e3,
        "durable_kcmd_s": count / durable / 1e3,
        "recovery_kcmd_s": count / max(recovery - setup, 1e-9) / 1e3,
        "recovery_s": recovery,
        "commands_recovered": fresh.sequence + count,
        "journal_mib": size / 2**20,
        "hash_ok": same,
    }


def syncs(folder: Path, seconds: float) -> list[float]:
    """Times of single appends of 4 KiB with fdatasync, microseconds."""
    path, block, found = folder / "sync", os.urandom(4096), []
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            os.write(file, block)
            os.fdatasync(file)
            found.append((time.perf_counter() - start) * 1e6)
    finally:
        os.close(file)
        path.unlink()
    return found


def ack(work: Encoded, folder: Path, rate: int) -> dict[str, Any]:
    """Open loop: commands fall due at `rate` a second; whatever is due is journaled, synced and applied as one buffer.

    The time of a command runs from when it was due to when its events are there, waiting included.
    """
    raw = syncs(folder, 1.0)
    sequencer = opened(folder / "home", pipelined=False)
    for buffer in joined(work.before, 4096):
        sequencer.submit(buffer, stamped=True)
    waits: list[float] = []
    commands, done, buffers = work.commands, 0, 0
    start = time.perf_counter()
    while done < len(commands):
        due = min(int((time.perf_counter() - start) * rate), len(commands))
        if due == done:
            continue
        sequencer.submit(b"".join(commands[done:due]), stamped=True)
        now = time.perf_counter() - start
        waits.extend((now - number / rate) * 1e6 for number in range(done, due))
        done, buffers = due, buffers + 1
    took = time.perf_counter() - start
    raw += syncs(folder, 1.0)
    sequencer.close()
    return {
        "rate": rate,
        "acked_kcmd_s": done / took / 1e3,
        "commands_per_frame": done / buffers,
        "p50_us": percentile(waits, 50),
        "p99_us": percentile(waits, 99),
        "sync_p50_us": percentile(raw, 50),
        "sync_p99_us": percentile(raw, 99),
    }


def percentile(values: list[float], share: int) -> float:
    """The value below which `share` percent lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=("calls", "journal", "ack"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--commands", type=int, default=0, help="timed commands, 0 for all")
    parser.add_argument("--rate", type=int, default=100_000, help="offered commands a second (ack)")
    given = parser.parse_args()
    work = read(given.file, given.commands)
    if given.mode == "calls":
        print(json.dumps(calls(work)))
        return
    folder = Path(tempfile.mkdtemp(prefix="journal-", dir=given.file.parent))
    try:
        found = journal(work, folder) if given.mode == "journal" else ack(work, folder, given.rate)
        print(json.dumps(found))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
