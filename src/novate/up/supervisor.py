"""Starts the processes of a venue, waits until each serves, starts again what ended, and ends all in order.

Responsible for: order, back-off, and telling what happens. Never: does their work, or hides that one keeps ending: after a number of
starts in a row it is left ended and said so; where that is the core, the venue ends.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Final

from novate.errors import NovateError
from novate.journal.terms import fence_of
from novate.operations.metrics import ProcessState
from novate.up.children import AVAILABLE, FORKED, SUPERVISED, Child, Forked, Pipes, adopt_orphans
from novate.up.processes import PROGRESS, READY, Plan, Process

_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_LONG_ENOUGH_S: Final = 30.0
"""Who has served so long begins to count anew."""
_READY_S: Final = 300.0
"""A core that recovers may take so long."""
_ALONE_S: Final = 10.0
"""A core that reads its journal and restores a snapshot, which keep two processors busy, has them to itself for so long."""
_END_S: Final = 15.0
_LOOK_S: Final = 0.1
_LATE_LOOK_S: Final = 30.0

Say = Callable[[str, str], None]
"""Name of a process, and what became of it."""
OnRecovery = Callable[[str, dict[str, Any] | None], None]
"""Name of a process, and how far its recovery is; None once it serves or has ended."""


class StartFailed(NovateError):
    """A process of the venue does not come to serve."""

    code = "start_failed"


@dataclass(slots=True)
class _Running:
    process: Process
    child: Child
    since: float
    ready: threading.Event = field(default_factory=threading.Event)
    starts: int = 1
    """In a row."""
    starts_in_all: int = 1
    again_at: float = 0.0
    recovery: dict[str, Any] | None = None
    """How far its recovery is, as it said last."""
    recovered_at: float = 0.0
    """When (of `time.monotonic`) it said so."""
    pipes: Pipes | None = None
    """Of the process that it may fork."""


class Supervisor:
    """The processes of one venue. `run` is for the main thread; `stop` may be called from anywhere."""

    def __init__(self, plan: Plan, say: Say, on_recovery: OnRecovery = lambda _name, _facts: None) -> None:
        self._plan, self._say, self._on_recovery = plan, say, on_recovery
        self._running: list[_Running] = []
        self._stopping = threading.Event()
        self._forked: dict[str, Forked] = {}
        """By name: those that another process forked, until they are begun with."""
        self._lines: queue.Queue[tuple[str, str]] = queue.Queue()
        self._looked = time.monotonic()

    def states(self) -> tuple[ProcessState, ...]:
        """How each process stands. From any thread."""
        now = time.monotonic()
        started = {one.process.name: one for one in tuple(self._running)}
        found = []
        for process in self._plan.processes():
            one = started.get(process.name)
            serves = one is not None and one.ready.is_set() and one.child.poll() is None
            since = now - one.since if one is not None else 0.0
            found.append(ProcessState(process.name, serves, one.starts_in_all if one else 0, since))
        return tuple(found)

    def alive(self) -> bool:
        """Whether `run` looks after its processes. From any thread."""
        return time.monotonic() - self._looked < _LATE_LOOK_S

    def stop(self) -> None:
        """Ends `run`."""
        self._stopping.set()

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Starts all, keeps them, and ends them after `stop`, SIGTERM or SIGINT. Raises StartFailed where the venue can't go on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        adopt_orphans()
        try:
            for process in self._plan.processes():
                if self._stopping.is_set():
                    return
                self._start(process)
            if on_ready is not None:
                on_ready()
            while not self._stopping.wait(_LOOK_S):
                self._look()
        finally:
            self._end()

    def _start(self, process: Process) -> None:
        one = self._begun(process)
        begun = time.monotonic()
        while not one.ready.wait(_LOOK_S):
            self._look(starting=one)  # what it waits for may be one that ended meanwhile
            if one.recovery is not None and (
                one.recovery["phase"] == "replaying" or time.monotonic() > begun + _ALONE_S
            ):
                self._answer_meanwhile()
            if self._stopping.is_set():
                return
            if one.child.poll() is not None:
                raise StartFailed(
                    f"The {process.name} ended before it served; its words are above.", process=process.name
                )
            if time.monotonic() > max(begun, one.recovered_at) + _READY_S:
                raise StartFailed(
                    f"The {process.name} does not serve after {_READY_S:.0f} s.", process=process.name
                )
        self._tell()

    def _begun(self, process: Process) -> _Running:
        """The process, which is started unless it was already."""
        for one in self._running:
            if one.process.name == process.name:
                return one
        forked = self._forked.pop(process.name, None)
        pipes = self._pipes_of(process)
        child = forked or self._spawn(process, pipes)
        one = _Running(process, child, time.monotonic(), pipes=pipes)
        self._running.append(one)
        self._listen(one)
        return one

    def _pipes_of(self, process: Process) -> Pipes | None:
        """For what a process forks once it has recovered: at the start of the venue, and where it is wanted."""
        wanted = AVAILABLE and any(one.name == process.forks for one in self._plan.processes())
        return Pipes(with_errors=self._plan.collects_words) if wanted else None

    def _answer_meanwhile(self) -> None:
        """While the core recovers the gateways already say how far it is."""
        for process in self._plan.processes():
            if process.name.partition(" ")[0] == "gateway":
                self._begun(process)

    def _spawn(self, process: Process, pipes: Pipes | None = None) -> subprocess.Popen[str]:
        then: tuple[str, ...] = ()
        if pipes is not None:
            forks = next(one for one in self._plan.processes() if one.name == process.forks)
            then = ("--then", pipes.then(forks.arguments))
        # A session of its own: Ctrl-C reaches the supervisor alone, which ends the others in order. Called in the main thread: a child
        # ends with the thread that started it.
        child = subprocess.Popen(
            (*process.command, *then),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self._plan.collects_words else None,
            text=True,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | {SUPERVISED: str(os.getpid())},
            pass_fds=pipes.passed if pipes is not None else (),
        )
        if pipes is not None:
            pipes.given()
        return child

    def _listen(self, one: _Running) -> None:
        child, ready, pipes = one.child, one.ready, one.pipes

        def read(stream: IO[str]) -> None:
            for line in stream:
                if stream is child.stdout and line.startswith(READY):
                    ready.set()
                    one.recovery = None
                elif stream is child.stdout and line.startswith(f"{PROGRESS} {{"):
                    one.recovery, one.recovered_at = json.loads(line.partition(" ")[2]), time.monotonic()
                    continue
                elif stream is child.stdout and line.startswith(f"{FORKED} ") and pipes is not None:
                    self._forked[one.process.forks] = pipes.forked(int(line.partition(" ")[2]))
                    continue
                self._lines.put((one.process.name, line.rstrip()))

        for stream in (child.stdout, child.stderr):
            if stream is not None:
                threading.Thread(target=read, args=(stream,), daemon=True).start()

    def _tell(self) -> None:
        self._looked = time.monotonic()
        for one in tuple(self._running):
            if one.recovery is not None and one.child.poll() is None:
                self._on_recovery(one.process.name, one.recovery)
            elif one.recovered_at and one.process.vital:
                self._on_recovery(one.process.name, None)
        while not self._lines.empty():
            self._say(*self._lines.get())

    def _look(self, starting: _Running | None = None) -> None:
        """Starts again what ended, but what is only starting."""
        self._tell()
        now = time.monotonic()
        for one in self._running:
            status = one.child.poll()
            if status is None or one is starting:
                continue
            if not one.again_at:
                if now - one.since > _LONG_ENOUGH_S:
                    one.starts = 0
                one.recovery = None
                self._say(one.process.name, f"ended with status {status}")
                if one.process.vital and fence_of(self._plan.home) is not None:
                    raise StartFailed(
                        "The venue was promoted elsewhere; what is here serves nobody.",
                        process=one.process.name,
                    )
                if one.starts > len(_BACK_OFF_S):
                    if one.process.vital:
                        raise StartFailed(
                            f"The {one.process.name} ends again and again.", process=one.process.name
                        )
                    self._say(one.process.name, "ends again and again; it is left so")
                    one.again_at = float("inf")
                    continue
                one.again_at = now + _BACK_OFF_S[min(one.starts, len(_BACK_OFF_S) - 1)]
            elif now >= one.again_at:
                one.ready = threading.Event()
                one.child, one.since, one.again_at = self._spawn(one.process), now, 0.0
                one.starts += 1
                one.starts_in_all += 1
                self._listen(one)

    def _end(self) -> None:
        held: list[tuple[str, Child]] = [(one.process.name, one.child) for one in self._running]
        for name, child in reversed([*held, *self._forked.items()]):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(_END_S)
                except subprocess.TimeoutExpired:
                    self._say(name, "does not end; it is killed")
                    child.kill()
                    child.wait()
        self._tell()
