"""The core process measured from outside, through its socket, alone and beside busy neighbours. One line of JSON.

    core_side.py rate FILE.cmds [--commands N] [--size N] [--busy WHERE] [--lockstep]
    core_side.py ack  FILE.cmds [--commands N] [--rate N] [--busy WHERE] [--lockstep]

`rate`: whole buffers of `--size` commands, as many in flight as keep the core busy; every command durable before it is answered.
`ack`: open loop. Commands fall due at `--rate` a second, what is due is sent as one buffer; the time of a command runs from when
it was due to when its events are here, waiting included, also where this generator was late.

The core is a process of its own, the generator is this one. `--busy` puts neighbours beside them that do nothing but run Python:
`other` with the generator on the last processor, `same` with the core process on the first, `both` with each of them, and `free` as
many as there are processors, with nobody pinned anywhere. The raw fdatasync of a run is measured between the same
neighbours, on the core process's processor, before and after, once as single appends in a closed loop and once as an open loop at
the same rate, in which a moment that stands still counts as long as it was. With `--realtime` core, generator and raw sync run before all of them
(SCHED_RR), as `novate core --realtime` does; the generator too, so that its own waiting for a turn is not taken for the core's.

Responsible for: the measurement. The events' bytes are compared with those of an engine in memory that applies the same commands.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from python_side import TIME, TIME_OFFSET, Encoded, joined, percentile, read, started, syncs, timed

from novate.core_process import Answered, CoreClient, run_before_others, serve
from novate.journal.ahead import BLANK_NAME

CORES = sorted(os.sched_getaffinity(0))
SEGMENT_BYTES = 1 << 26
FREE = ("none", "free")
"""Where nobody is pinned."""
TICK_S = 50e-6
"""The generator looks at the clock this often while it waits."""
MOST = 4096
"""Commands in one record, also after a moment that stood still: what a record may have is bounded."""
WINDOW = 8
"""Buffers in flight in `rate`."""


def pin(cores: list[int]) -> None:
    """Keeps this process on these cores."""
    os.sched_setaffinity(0, cores)


def spawn(command: tuple[str, ...], cores: list[int]) -> subprocess.Popen[bytes]:
    """A process on these cores: it inherits them."""
    before = sorted(os.sched_getaffinity(0))
    pin(cores)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE)
    finally:
        pin(before)


@contextmanager
def neighbours(busy: str) -> Iterator[int]:
    """Processes that burn Python where `busy` says, at this process's own priority; yields how many."""
    places = {"none": [], "other": [[CORES[-1]]], "same": [[CORES[0]]], "both": [[CORES[-1]], [CORES[0]]]}
    where = places.get(busy, [CORES] * len(CORES))
    burners = [spawn((sys.executable, "-c", "while True: pass"), cores) for cores in where]
    try:
        yield len(burners)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@contextmanager
def core(home: Path, start_ns: int, given: argparse.Namespace) -> Iterator[CoreClient]:
    """A core process on an empty home, its clock beginning at `start_ns`; yields a connection to it."""
    home.mkdir(parents=True)
    path = home / "core.sock"
    flags = [f"--{flag}" for flag in ("lockstep", "realtime") if getattr(given, flag)]
    words = ("serve", str(path), "--start-ns", str(start_ns), *flags)
    cores = CORES if given.busy in FREE else [CORES[0]]
    process = spawn((sys.executable, __file__, *words), cores)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise SystemExit("the core did not start")
        wait_for_zeros(home / "journal")
        with CoreClient.connect(path) as client:
            yield client
    finally:
        process.terminate()
        if process.wait(60) != 0:
            raise SystemExit("the core did not stop cleanly")


def wait_for_zeros(journal: Path) -> None:
    """Until the core has a segment to write over, as it has once it has run for some seconds."""
    end, blank = time.monotonic() + 60, journal / BLANK_NAME
    while time.monotonic() < end and not (blank.exists() and blank.stat().st_size == SEGMENT_BYTES):
        time.sleep(0.1)
    time.sleep(0.2)


def serve_one(path: Path, start_ns: int, *, lockstep: bool, realtime: bool) -> None:
    """What the core process of a measurement runs."""
    offset = start_ns - time.monotonic_ns()
    serve(
        path.parent,
        path,
        pipelined=not lockstep,
        realtime=realtime,
        segment_bytes=SEGMENT_BYTES,
        clock=lambda: offset + time.monotonic_ns(),
        on_ready=lambda _: print("ready", flush=True),
    )


def fill(client: CoreClient, work: Encoded) -> int:
    """Sends what comes before the clock starts; returns the sequence after it."""
    sequence = 0
    for buffer in joined(work.before, 4096):
        answer = client.submit(buffer)
        sequence = answer.first_sequence + answer.commands
    return sequence


def expected(work: Encoded, size: int) -> tuple[int, float]:
    """Bytes of the events of the timed commands from an engine in memory, and thousand commands a second there."""
    engine, buffers, total = started(work), joined(work.commands, size), 0

    def apply(buffer: bytes) -> None:
        nonlocal total
        total += len(engine.apply(buffer))

    took = timed(apply, buffers)
    return total, len(work.commands) / took / 1e3


def rate(work: Encoded, client: CoreClient, size: int) -> dict[str, Any]:
    """Closed loop with `WINDOW` buffers in flight."""
    buffers, told, tags, answered = joined(work.commands, size), 0, [], 0
    start = time.perf_counter()
    while answered < len(buffers):
        while len(tags) < len(buffers) and len(tags) - answered < WINDOW:
            tags.append(client.send(buffers[len(tags)]))
        answer = client.receive()
        if not isinstance(answer, Answered) or answer.tag is None:
            raise SystemExit(f"refused: {answer}")
        answered, told = answer.tag - tags[0] + 1, told + len(answer.events)
    took = time.perf_counter() - start
    return {"durable_kcmd_s": len(work.commands) / took / 1e3, "event_bytes": told}


def ack(work: Encoded, client: CoreClient, offered: int) -> dict[str, Any]:
    """Open loop."""
    commands, sent, answered, told = work.commands, 0, 0, 0
    stream, starts = b"".join(commands), [0, *accumulate(map(len, commands))]
    ends: dict[int, int] = {}
    heard: list[tuple[int, int, float]] = []
    clock = time.perf_counter
    gc.collect()
    gc.freeze()  # a look through the workload takes this generator some 20 ms
    start = clock()
    while answered < len(commands):
        due = min(int((clock() - start) * offered) + 1, len(commands), sent + MOST)
        if due > sent:
            ends[client.send(stream[starts[sent] : starts[due]])] = due
            sent = due
        readable, _, _ = select.select([client], [], [], TICK_S)
        while readable or client.waiting:
            answer = client.receive()
            readable = []
            if not isinstance(answer, Answered) or answer.tag is None:
                raise SystemExit(f"refused: {answer}")
            end = ends[answer.tag]
            heard.append((answered, end, clock() - start))
            answered, told = end, told + len(answer.events)
    took = clock() - start
    waits = np.concatenate([(now - np.arange(first, end) / offered) * 1e6 for first, end, now in heard])
    p50, p99, p999 = np.percentile(waits, (50, 99, 99.9))
    return {
        "rate": offered,
        "acked_kcmd_s": len(commands) / took / 1e3,
        "commands_per_answer": len(commands) / len(heard),
        "commands_per_buffer": len(commands) / len(ends),
        "p50_us": float(p50),
        "p99_us": float(p99),
        "p999_us": float(p999),
        "max_us": float(waits.max()),
        "event_bytes": told,
    }


def raw_open_loop(folder: Path, offered: int, size: int, seconds: float) -> list[float]:
    """As `ack`, with nothing but the disk: what is due is written, `size` bytes each, and synced; microseconds from due to durable."""
    path, waits, done = folder / "open", [], 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    clock = time.perf_counter
    start = clock()
    try:
        while done < seconds * offered:
            due = int((clock() - start) * offered) + 1
            os.write(file, bytes(size * (due - done)))
            os.fdatasync(file)
            waits.append((clock() - start - np.arange(done, due) / offered) * 1e6)
            done = due
    finally:
        os.close(file)
        path.unlink()
    return [float(wait) for wait in np.percentile(np.concatenate(waits), (50, 99))]


def measured(
    given: argparse.Namespace, work: Encoded, folder: Path, what: Callable[[CoreClient], dict[str, Any]]
) -> dict[str, Any]:
    """One measurement between its neighbours, with the raw sync before and after it."""
    start_ns = TIME.unpack_from(work.before[0], TIME_OFFSET)[0]
    free = given.busy in FREE
    with neighbours(given.busy) as count:
        if given.realtime:
            run_before_others()
        pin(CORES if free else [CORES[0]])
        bytes_there, memory = expected(work, given.size)
        raw = syncs(folder, 1.5)
        pin(CORES if free else [CORES[-1]])
        with core(folder / "home", start_ns, given) as client:
            fill(client, work)
            found = what(client)
        pin(CORES if free else [CORES[0]])
        raw += syncs(folder, 1.5)
        open_p50, open_p99 = raw_open_loop(folder, given.rate, 80, 4.0)
    return found | {
        "busy": given.busy,
        "neighbours": count,
        "lockstep": given.lockstep,
        "realtime": given.realtime,
        "memory_kcmd_s": memory,
        "sync_p50_us": percentile(raw, 50),
        "sync_p99_us": percentile(raw, 99),
        "sync_max_us": max(raw),
        "open_sync_p50_us": open_p50,
        "open_sync_p99_us": open_p99,
        "hash_ok": found["event_bytes"] == bytes_there,
    }


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=("rate", "ack", "serve"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--commands", type=int, default=0, help="timed commands, 0 for all")
    parser.add_argument("--rate", type=int, default=100_000, help="offered commands a second (ack)")
    parser.add_argument("--size", type=int, default=1024, help="commands in a buffer (rate)")
    parser.add_argument("--busy", choices=("none", "other", "same", "both", "free"), default="none")
    parser.add_argument("--lockstep", action="store_true", help="sync and apply in turn")
    parser.add_argument(
        "--realtime", action="store_true", help="core, generator and raw sync run before the neighbours"
    )
    parser.add_argument("--start-ns", type=int, default=0, help="where the core's clock begins (serve)")
    given = parser.parse_args()
    if given.mode == "serve":
        serve_one(given.file, given.start_ns, lockstep=given.lockstep, realtime=given.realtime)
        return
    work = read(given.file, given.commands)
    folder = Path(tempfile.mkdtemp(prefix="core-", dir=given.file.parent))
    try:
        if given.mode == "rate":
            found = measured(given, work, folder, lambda client: rate(work, client, given.size))
        else:
            found = measured(given, work, folder, lambda client: ack(work, client, given.rate))
        print(json.dumps(found))
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
