"""A core and its standby as real processes, for tests: `novate core` and `novate standby` on homes of their own.

Responsible for: starting and ending them, load whose acknowledgements are kept, and looking at what is on disk.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from novate._core import Engine, ruleset
from novate.core_process import CoreClient, CoreGone, CoreRefused
from novate.journal import Walk, verify_journal, walk_journal
from novate.messages import OpenAccount, encode, split
from novate.standby.process import read_standby


def numbered(first: int, count: int = 1) -> bytes:
    return b"".join(encode(OpenAccount(owner=n), account=n, request=n) for n in range(first, first + count))


def answers(events: bytes) -> dict[int, bytes]:
    """Request to all that its events say."""
    found: dict[int, bytes] = {}
    for header, body in split(events):
        if header.request:
            found[header.request] = found.get(header.request, b"") + bytes(body)
    return found


def eventually(look, seconds: float = 30.0):
    """What `look` gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.02)
    return found


class Process:
    """One `novate` process."""

    def __init__(self, *arguments: str) -> None:
        self.words: list[str] = []
        self.child = subprocess.Popen(
            [sys.executable, "-m", "novate.cli", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "NOVATE_SUPERVISED": "1", "COLUMNS": "1000"},
        )  # fmt: skip
        self.ready = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.words.append(line.rstrip())
            if line.startswith("ready"):
                self.ready.set()

    def said(self, what: str) -> list[str]:
        return [line for line in self.words if what in line]

    def wait_ready(self, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not self.ready.wait(0.05):
            assert self.child.poll() is None, self.words
            assert time.monotonic() < end, self.words

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(20)

    def end(self) -> int:
        """Ends it in order; returns its status."""
        self.child.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, seconds: float = 30.0) -> int:
        status = self.child.wait(seconds)
        self._thread.join(5)
        return status

    def close(self) -> None:
        if self.child.poll() is None:
            with suppress(OSError):
                self.child.send_signal(signal.SIGCONT)
            self.kill()
        self.child.stdout.close()


class Pair:
    """A core's home and a standby's, and whatever runs on them."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = folder / "one", folder / "two"
        self._processes: list[Process] = []

    def start(self, *arguments: str) -> Process:
        self._processes.append(Process(*arguments))
        return self._processes[-1]

    def core(self, home: Path | None = None, *options: str) -> Process:
        process = self.start("core", str(home or self.one), *options)
        process.wait_ready()
        return process

    def standby(self, *options: str, home: Path | None = None, of: str | None = None) -> Process:
        process = self.start("standby", str(home or self.two), "--of", of or str(self.one), *options)
        process.wait_ready()
        return process

    def close(self) -> None:
        for process in self._processes:
            process.close()

    def in_step(self) -> dict:
        """The standby's words once it has stored and applied all that the core has written."""

        def look():
            with CoreClient.connect(self.one / "core.sock") as client:
                sequence = client.welcome.sequence
            said = read_standby(self.two)
            return said if said and said["connected"] and said["applied"] >= sequence else None

        return eventually(look)


@contextmanager
def pair(folder: Path):
    found = Pair(folder)
    try:
        yield found
    finally:
        found.close()


class Load:
    """Sends numbered commands from threads until it is ended; keeps what was acknowledged."""

    def __init__(self, path: Path, threads: int = 3, size: int = 5) -> None:
        self.acked: dict[int, bytes] = {}
        self.refused: list[CoreRefused] = []
        self._path, self._size = path, size
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _send(self, number: int) -> None:
        first = 1 + number * 1_000_000
        with suppress(CoreGone), CoreClient.connect(self._path) as client:
            while not self._stop.is_set():
                try:
                    self.acked.update(answers(client.submit(numbered(first, self._size)).events))
                except CoreRefused as refused:
                    self.refused.append(refused)
                    time.sleep(0.02)
                first += self._size

    def reach(self, count: int) -> None:
        eventually(lambda: len(self.acked) >= count or not any(t.is_alive() for t in self._threads))
        assert len(self.acked) >= count

    def end(self) -> dict[int, bytes]:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
        return self.acked


def frames(home: Path) -> list[bytes]:
    """The hash of every frame of a journal, in order."""
    return [frame.hash for frame in walk_journal(home / "journal", Walk())]


def segments(home: Path) -> dict[str, bytes]:
    """Every segment, without zeros written ahead."""
    return {path.name: path.read_bytes().rstrip(b"\0") for path in sorted((home / "journal").glob("*.log"))}


def replayed(home: Path) -> dict[int, bytes]:
    """What a replay of the journal answers to each request."""
    found: dict[int, bytes] = {}
    engine = Engine()
    for frame in walk_journal(home / "journal", Walk()):
        if not frame.is_seal:
            for request, said in answers(engine.apply(frame.payload)).items():
                found[request] = found.get(request, b"") + said
    return found


def verified(home: Path):
    report = verify_journal(home, Engine, ruleset=ruleset())
    assert report.ok, report.problems
    return report


def novate(*arguments: str) -> tuple[int, dict]:
    """Runs one command to its end; its status and the object of --json."""
    done = subprocess.run(
        [sys.executable, "-m", "novate.cli", *arguments, "--json"],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])
