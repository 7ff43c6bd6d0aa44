"""How long a killed venue takes to come back: snapshot, then what the journal holds after it. One line of JSON.

    restart_side.py build   FILE.cmds HOME [--frame N]
    restart_side.py restart HOME
    restart_side.py venue   HOME

FILE.cmds is what `workload encode FILE OUT --wide` writes. `build` makes the home: everything before the timed commands, a
snapshot, then the timed commands in frames of `--frame`, as a core at 100 k/s makes them; it ends as if killed, without a seal.
Building does not sync, since nobody waits for these commands. `restart` opens that home in a fresh process and closes it as killed
again, but for the one command that says the venue resumes. `venue` starts that home with `novate up`, without read models and keepers,
until a gateway has answered a command and a question, and kills every process of it; where the home has no event log yet, as a venue
that ran has, it does so twice.

Responsible for: the measurement. The state at the end of `build` is compared with the hash in the file, the restored snapshot with
the one it was taken of; that a replay comes to the same state is what tests are for.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import httpx
from python_side import HEAD, LENGTH

import novate._core as core
import novate.sequencer as opening
from novate._core import Engine
from novate.journal import recovery
from novate.messages import ResumeVenue, encode
from novate.sequencer import open_venue_log

FACTS = "live.json"
SERVES = {"core": "Serving", "reader": "Answering", "gateway": "Serving"}
"""The processes that trading takes, and how each says that it serves."""


def chunks(data: mmap.mmap, start: int, end: int, size: int) -> Iterator[bytes]:
    """The messages between two bytes of the file, `size` at a time."""
    length_at, at, begun, count = LENGTH.unpack_from, start, start, 0
    while at < end:
        at += length_at(data, at)[0]
        count += 1
        if count == size or at >= end:
            yield data[begun:at]
            begun, count = at, 0


def build(path: Path, home: Path, frame: int) -> dict[str, Any]:
    """Makes the home."""
    with path.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    magic, setup_bytes, _, prefill_bytes, _, timed, accounts, *_, state_hash = HEAD.unpack_from(data)
    if magic != b"NVCMD001":
        raise SystemExit(f"{path} is no encoded workload")
    split = HEAD.size + setup_bytes + prefill_bytes
    really, os.fdatasync = os.fdatasync, lambda _: None
    sequencer = open_venue_log(
        home, Engine, release=core.release(), ruleset=core.ruleset(), resume=None, pipelined=True
    ).sequencer
    start = time.perf_counter()
    for buffer in chunks(data, HEAD.size, split, 4096):
        sequencer.push(buffer, stamped=True)
    sequencer.drain()
    before_s = time.perf_counter() - start
    start = time.perf_counter()
    snapshot = sequencer.snapshot()
    snapshot_s = time.perf_counter() - start
    start = time.perf_counter()
    for buffer in chunks(data, split, len(data), frame):
        sequencer.push(buffer, stamped=True)
    sequencer.drain()
    live_s = time.perf_counter() - start
    os.fdatasync = really
    os.sync()
    found = {
        "accounts": accounts,
        "commands": timed,
        "commands_before": sequencer.sequence - timed,
        "before_s": before_s,
        "snapshot_s": snapshot_s,
        "snapshot_mib": snapshot.stat().st_size / 2**20,
        "live_kcmd_s": timed / live_s / 1e3,
        "state_hash": state_hash.hex(),
        "hash_ok": sequencer.engine.state_hash() == state_hash,
        "build_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    (home / FACTS).write_text(json.dumps(found))
    return found


def restart(home: Path) -> dict[str, Any]:
    """Opens the home, and says where the time went."""
    facts = json.loads((home / FACTS).read_text())
    spent: dict[str, float] = {}
    time_step(recovery, "restore_newest", "restore_s", spent)
    time_step(opening, "judge", "judge_s", spent)
    time_step(opening, "rebuild", "rebuild_s", spent)
    start = time.perf_counter()
    venue = open_venue_log(
        home, Engine, release=core.release(), ruleset=core.ruleset(), resume=encode(ResumeVenue())
    )
    took = time.perf_counter() - start
    replayed = venue.recovery.commands_replayed
    replay_s = spent["rebuild_s"] - spent["restore_s"]
    return {
        "restart_s": took,
        "judge_s": spent["judge_s"],
        "restore_s": spent["restore_s"],
        "replay_s": replay_s,
        "replayed": replayed,
        "replay_kcmd_s": replayed / replay_s / 1e3,
        "accounts": facts["accounts"],
        "live_kcmd_s": facts["live_kcmd_s"],
        "snapshot_mib": facts["snapshot_mib"],
        "snapshot_s": facts["snapshot_s"],
        "journal_mib": sum(path.stat().st_size for path in (home / "journal").iterdir()) / 2**20,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "hash_ok": facts["hash_ok"]
        and replayed >= facts["commands"]
        and not venue.recovery.snapshots_skipped,
    }


def venue(home: Path) -> dict[str, Any]:
    """Starts the whole venue, and says when what of it served; seconds since its command was given."""
    if not (home / "events").is_dir():
        started(home)
    return started(home)


def started(home: Path) -> dict[str, Any]:
    """One start, ended by killing everybody at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("up", str(home), "--dev", "--port", str(port), "--without", "projector", "--without", "keeper")
    serves: dict[str, float] = {}
    begun = time.perf_counter()
    child = subprocess.Popen(
        (sys.executable, "-m", "novate.cli", *words, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def listen(said: IO[str]) -> None:
        for line in said:
            facts = json.loads(line)
            if facts["process"] in SERVES and facts["says"].startswith(SERVES[facts["process"]]):
                serves.setdefault(facts["process"] + "_s", time.perf_counter() - begun)

    assert child.stdout is not None
    threading.Thread(target=listen, args=(child.stdout,), daemon=True).start()
    url = f"http://127.0.0.1:{port}/v1/accounts/1"
    try:
        with httpx.Client(timeout=10.0) as client:
            answered(child, lambda: client.post(f"{url}/operations/cancel_all", json={}))
            command_s = time.perf_counter() - begun
            answered(child, lambda: client.get(url))
            question_s = time.perf_counter() - begun
        rss_mib = {name: resident(home, name) for name in SERVES}
    finally:
        subprocess.run(("pkill", "-KILL", "-f", f"novate.cli .*{home}"), check=False)
        child.wait()
    return {"venue_s": command_s, "question_s": question_s, **serves, "rss_mib": rss_mib}


def answered(child: subprocess.Popen[str], ask: Callable[[], httpx.Response]) -> None:
    """Asks until it is answered."""
    while True:
        with suppress(httpx.TransportError):
            if ask().status_code == 200:
                return
        if child.poll() is not None:
            raise SystemExit("novate up ended")
        time.sleep(0.1)


def resident(home: Path, name: str) -> float:
    """Memory of one of the processes, what it shares counted in each, in MiB."""
    pid = subprocess.run(
        ("pgrep", "-f", f"novate.cli {name} {home}"), capture_output=True, text=True, check=True
    ).stdout.split()[0]
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def time_step(module: Any, name: str, key: str, spent: dict[str, float]) -> None:
    """Adds what calls of `module.name` take to `spent`."""
    real = getattr(module, name)

    def timed(*words: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return real(*words, **named)
        finally:
            spent[key] = spent.get(key, 0.0) + time.perf_counter() - start

    setattr(module, name, timed)


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=("build", "restart", "venue"))
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--frame", type=int, default=64, help="commands in a frame behind the snapshot")
    given = parser.parse_args()
    if given.mode == "build":
        print(json.dumps(build(given.paths[0], given.paths[1], given.frame)), flush=True)
    else:
        measure = restart if given.mode == "restart" else venue
        print(json.dumps(measure(given.paths[0])), flush=True)
    os._exit(0)  # as if killed: no seal, and gigabytes are not taken apart first


if __name__ == "__main__":
    main()
